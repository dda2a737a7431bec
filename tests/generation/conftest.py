"""A run of random weights, and what equal ensembles are."""

import numpy as np
import pytest
from untrained import make_run

import pspgan as psp
from pspgan.process import ProcessSpace

SPACE = ProcessSpace.uhcsdb().observing(["800-5-Q", "970-90-FC"])


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run"), SPACE, {"um_per_px": 0.05, "reduction": 1}, reduction=3)


@pytest.fixture(scope="session", name="make_run")
def _make_run():
    return make_run


@pytest.fixture(scope="session")
def whole(run):
    """Four shards of micrographs, made in one go."""
    return psp.generate(run, n=512, progress=False)


@pytest.fixture
def assert_equal():
    """Floating-point noise apart: within one grey level, and nearly everywhere the same."""

    def compare(made, expected):
        assert made["condition"].equals(expected["condition"])
        assert made["seed"].equals(expected["seed"])
        difference = np.abs(made["micrograph"].values.astype(int) - expected["micrograph"].values)
        assert difference.max() <= 1
        assert (difference > 0).mean() < 1e-3

    return compare
