# Everything runs in .venv, made here from a Python 3.11 (or later) and the versions in constraints.txt.
#
#   PYTHON=...      interpreter that makes .venv; default python3.11, else python3
#   PIP_FLAGS=...   passed to every pip install, e.g. an index with CPU builds of torch

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PIP_FLAGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt $(PIP_FLAGS)
CLEAN := build/clean
CLEAN_INSTALL = $(PIP_INSTALL:$(BIN)/%=$(CLEAN)/env/bin/%)
NATIVE_SOURCES := $(wildcard csrc/*/*.h csrc/*/*.cpp csrc/*/*.cu csrc/*/*.cuh)
CMAKE_BUILD := build/cmake
CORES := $(shell nproc 2>/dev/null || echo 2)

# Tests start a hundred processes: what they import is compiled once, whatever the environment says.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help install demo docs test test-native lint dist wheel clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The build needs torch and the build tools in the environment before the package: see pyproject.toml.
$(VENV)/.tools: constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) torch setuptools ninja
	@touch $@

$(VENV)/.installed: $(VENV)/.tools pyproject.toml setup.py $(NATIVE_SOURCES)
	$(PIP_INSTALL) --no-build-isolation --editable '.[test,dev,docs]'
	@touch $@

install: $(VENV)/.installed ## make .venv, install pspgan into it and build its native operators

demo: install ## simulate, train, generate, analyse, report on the simulated steel; into demo/
	$(BIN)/pspgan demo --out demo

test: install test-native ## every test, a file at a time on each core
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder --durations 20

test-native: install
ifeq (,$(shell command -v cmake))
	@echo "cmake not found: the C++ unit tests are skipped"
else
	cmake -S . -B $(CMAKE_BUILD) -DCMAKE_BUILD_TYPE=Release -DPython3_EXECUTABLE=$(abspath $(BIN))/python
	cmake --build $(CMAKE_BUILD) --parallel $(CORES)
	ctest --test-dir $(CMAKE_BUILD) --output-on-failure --parallel $(CORES)
endif

docs: install ## the documentation as a site, into build/docs/
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/docs

lint: install ## ruff
	@$(BIN)/ruff check .

dist: install ## sdist and wheel into dist/, their contents, tag and ABI checked
	@$(BIN)/python tests/distribution/build_and_check.py dist

wheel: install ## the same from scratch, the wheel from the sdist, and tried in an environment of its own
	@$(BIN)/python tests/distribution/build_and_check.py dist --from-sdist
	rm -rf $(CLEAN)
	$(PYTHON) -m venv $(CLEAN)/env
	cp -r tests/plugins/steel-scans tests/plugins/particle-sides $(CLEAN)
	$(CLEAN_INSTALL) torch
	$(CLEAN_INSTALL) dist/pspgan-*.whl
	$(CLEAN_INSTALL) --no-deps $(CLEAN)/steel-scans $(CLEAN)/particle-sides
	@PATH="$(abspath $(CLEAN))/env/bin:$$PATH" $(CLEAN)/env/bin/python -I tests/distribution/smoke.py --with-plugins

clean: ## remove .venv, builds and caches
	rm -rf $(VENV) build dist *.egg-info pspgan/*.so .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
