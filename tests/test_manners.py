"""Commands speak to people, to programs, or not at all; and say what long work would take."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import typer
from printed import TINY_SETTINGS
from typer.testing import CliRunner

import pspgan as psp
from pspgan import progress
from pspgan.cli import app, main
from pspgan.cli.terminal import Outcome
from pspgan.networks import load_weights
from pspgan.training import PRESETS, Run, beginning, estimate, estimate_training, make_config
from pspgan.training.metrics import Metrics
from pspgan.training.verdict import Verdict
from pspgan.wording import duration

SMALL = TINY_SETTINGS | {"resolution": 32, "d_steps": 2, "images": 40, "reduction": 1, "precision": "float32"}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    out = tmp_path_factory.mktemp("steel") / "steel.zarr"
    steel = psp.simulate(n=12, size=40, conditions=["800-5-Q", "900-90-AR"], progress=False)
    return psp.write_ensemble(steel, out, progress=False)


@pytest.fixture(scope="module")
def run(store):
    return psp.train(store, "demo", store.parent / "run", progress=False, **SMALL)


@pytest.fixture
def shell():
    """Runs one command in this process: (exit code, standard output, standard error)."""

    def call(*words):
        done = CliRunner().invoke(app, [str(word) for word in words])
        return done.exit_code, done.stdout, done.stderr

    return call


def commands(group, path=()):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


def test_every_command_speaks_to_programs_or_not_at_all():
    found = dict(commands(typer.main.get_command(app)))
    assert len(found) > 15
    for name, command in found.items():
        options = {option for parameter in command.params for option in parameter.opts}
        assert {"--json", "--quiet", "-q"} <= options, name


def test_json_is_all_that_is_printed(shell, tmp_path):
    words = ("simulate", "-n", 4, "--size", 16, "--conditions", "800-5-Q,900-90-AR")
    code, out, _ = shell(*words, "-o", tmp_path / "a b.zarr", "--json")
    told = json.loads(out)
    assert code == 0
    assert told.pop("next") == f"pspgan train '{tmp_path / 'a b.zarr'}' --preset demo -o run"
    assert told == {
        "store": str(tmp_path / "a b.zarr"),
        "origin": "simulated",
        "micrographs": 4,
        "conditions": 2,
        "specimens": 4,
        "height_px": 16,
        "width_px": 16,
        "left_out": {},
    }


def test_quiet_prints_nothing_and_does_the_same(shell, tmp_path):
    words = ("simulate", "-n", 4, "--size", 16, "--conditions", "800-5-Q", "-o", tmp_path / "steel.zarr")
    assert shell(*words, "--quiet") == (0, "", "")
    assert psp.open_ensemble(tmp_path / "steel.zarr").sizes["sample"] == 4


def test_errors_are_told_in_silence_too(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", ["pspgan", "inspect", str(tmp_path / "none.zarr"), "-q"])
    with pytest.raises(SystemExit) as stop:
        main()
    told = capsys.readouterr()
    assert (stop.value.code, told.out) == (1, "")
    assert told.err.startswith("error: ")
    assert "none.zarr" in told.err


def test_json_holds_tables_and_what_is_not_finite(store, shell):
    code, out, _ = shell("inspect", store, "--json")
    told = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert code == 0
    assert {row["condition"]: row["micrographs"] for row in told["combinations"]} == {
        "800-5-Q": 6,
        "900-90-AR": 6,
    }
    assert json.loads(Outcome("", facts={"a": float("nan"), "b": [1.5, float("inf")]}).as_json()) == {
        "a": None,
        "b": [1.5, None],
    }


def test_silence_covers_bars_and_notes_but_not_warnings(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)

    def speak():
        for _ in progress.progress_bar(range(2), desc="bar"):
            pass
        progress.note("a note")
        progress.warn("a warning")
        return capsys.readouterr().err

    with progress.silence():
        assert speak() == "warning: a warning\n"
    spoken = speak()
    assert all(part in spoken for part in ("bar", "a note\n", "warning: a warning\n"))


class TestDryRun:
    def test_of_a_training_it_says_what_the_training_then_is(self, store, run, shell):
        words = [f"--set={key}={value}" for key, value in SMALL.items()]
        elsewhere = store.parent / "dry"
        code, out, err = shell(
            "train", store, "--preset=demo", *words, "-o", elsewhere, "--dry-run", "--json"
        )
        assert code == 0, err
        told = json.loads(out)
        assert not elsewhere.exists()
        tensors, _ = load_weights(run.checkpoints()[-1])
        shapes = {name: tensor.numel() for name, tensor in tensors.items()}
        for network, slots in (("generator", "optimizer_g"), ("discriminator", "optimizer_d")):
            moments = sum(n for name, n in shapes.items() if name.startswith(slots) and "exp_avg_sq" in name)
            assert told[f"parameters_{network}"] == moments  # Adam keeps one a weight
        assert told["bytes_checkpoint"] == sum(tensor.nbytes for tensor in tensors.values())
        assert told["bytes_on_disk"] > told["bytes_checkpoint"]
        assert (told["steps"], told["images"]) == (run.log[-1]["step"], run.log[-1]["images"]) == (3, 48)
        assert told["seconds"] == pytest.approx(48 / told["images_per_s"])
        assert (told["micrographs"], told["conditions"], told["resolution"]) == (12, 2, 32)

    def test_of_a_training_that_minutes_end(self, store, tmp_path):
        settings = SMALL | {"images": 10**9, "minutes": 3}
        found = estimate_training(store, "demo", tmp_path / "run", **settings)
        assert found.seconds == 180
        assert "3 min, in which" in found.summary()

    def test_of_a_run_that_goes_on(self, store, run):
        found = estimate_training(store, "demo", run.folder, resume=True, images=80)
        assert (found.steps, found.images) == (2, 32)

    def test_of_a_run_that_goes_on_minutes_are_those_left(self, store, run):
        spent = run.log[-1]["seconds"]
        many = {"images": 10**9, "resume": True}
        found = estimate_training(store, "demo", run.folder, minutes=(spent + 90) / 60, **many)
        assert found.seconds == pytest.approx(90)
        assert (found.images_shown, found.seconds_spent) == (48, spent)
        assert "1.5 min left of " in found.summary()
        assert f"{found.images:,} images to show after 48, " in found.summary()
        over = estimate_training(store, "demo", run.folder, minutes=spent / 120, **many)
        assert over.seconds == 0
        assert "0 s left of " in over.summary()
        assert "in which 0 of them are shown" in over.summary()

    def test_it_goes_on_from_the_checkpoint_and_not_from_the_last_line_of_the_log(self, store, run, tmp_path):
        killed = Run(Path(shutil.copytree(run.folder, tmp_path / "killed")))
        lines = [*run.log, run.log[-1] | {"images": 64, "seconds": 1e6}]
        (killed.folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        for resumed in (80, 48, 16):
            found = estimate_training(store, "demo", killed.folder, resume=True, images=resumed)
            assert (found.images, found.images_shown) == (max(resumed - 48, 0), 48)

    def test_it_says_where_minutes_leave_a_fraction_of_the_preset(self, store, tmp_path, monkeypatch):
        monkeypatch.setattr(estimate, "_images_per_s", lambda *_: 10.0)
        settings = SMALL | {"images": 40_000}
        found = estimate_training(store, "demo", tmp_path / "run", minutes=5, **settings)
        assert found.images_of_preset == 40_000
        assert "\n3,000 of the preset's 40,000 images: less than a tenth\n" in found.summary()
        for minutes in (10, None):
            enough = estimate_training(store, "demo", tmp_path / "run", minutes=minutes, **settings)
            assert "preset" not in enough.summary()

    def test_it_finds_what_the_training_would_stumble_over(self, store, run, tmp_path):
        with pytest.raises(FileExistsError, match="holds a run"):
            estimate_training(store, "demo", run.folder, **SMALL)
        with pytest.raises(ValueError, match="smaller than a crop"):
            estimate_training(store, "demo", tmp_path / "run", **(SMALL | {"resolution": 64}))

    def test_of_a_generation(self, run, shell, tmp_path):
        words = (
            "generate",
            run.folder,
            "--conditions",
            "850-6H-Q,800-5-Q",
            "-n",
            5,
            "-o",
            tmp_path / "gen.zarr",
        )
        code, out, err = shell(*words, "--phases", "otsu", "--dry-run", "--json")
        assert code == 0, err
        told = json.loads(out)
        assert (told["micrographs"], told["conditions"], told["unseen"]) == (10, 2, ["850-360-Q"])
        assert told["bytes_on_disk"] == 2 * 10 * 32 * 32
        assert told["seconds"] == pytest.approx(10 / told["images_per_s"])
        assert not (tmp_path / "gen.zarr").exists()
        assert "1 of which training never saw" in shell(*words, "--dry-run")[1]

    def test_times_have_the_unit_that_suits_them(self):
        assert [duration(s) for s in (3, 89, 91, 86400, 30 * 86400)] == [
            "3 s",
            "89 s",
            "1.5 min",
            "24 h",
            "30 days",
        ]


class TestVerdict:
    @pytest.fixture
    def measured(self, monkeypatch):
        """Gives what trainings measure these values."""

        def give(**figures):
            measure = Metrics.measure

            def given(*arguments):
                found = measure(*arguments)
                return dataclasses.replace(found, figures=found.figures | figures)

            monkeypatch.setattr(Metrics, "measure", given)

        return give

    @pytest.fixture
    def trained(self, store, shell, tmp_path):
        def train(*words):
            words += tuple(f"--set={key}={value}" for key, value in SMALL.items() if key != "images")
            code, out, err = shell("train", store, "--preset=demo", "-o", tmp_path / "my run", *words)
            assert code == 0, err
            return out

        return train

    def test_figures_are_told_with_what_they_mean(self, store, trained, measured, tmp_path):
        measured(separation=0.124, variety=0.54, distance=0.31, distance_real=0.15)
        _, *told = trained("--images=48").splitlines()
        go_on = f"pspgan train {store.parent / 'steel.zarr'} -o '{tmp_path / 'my run'}' --resume --images 144"
        assert told[:-1] == [
            "differences, 1 being the data's: 0.12 between conditions (separation), 0.54 within a condition "
            "(variety)",
            "distance from the data 0.31; real micrographs stay below 0.15",
            f"conditions differ less than half as much as the data's; train longer: {go_on}",
            "48 of the preset's 40,000 images: less than a tenth",
        ]

    def test_a_generator_that_hears_its_condition_is_not_doubted(self, trained, measured, monkeypatch):
        monkeypatch.setitem(PRESETS["demo"], "images", 480)
        measured(separation=0.5)
        told = trained("--images=48")
        assert "0.50 between conditions" in told
        assert "train longer" not in told
        assert "of the preset's" not in told

    def test_where_minutes_ended_it_more_minutes_are_proposed(self, trained, measured):
        measured(separation=0.1)
        assert "--resume --minutes 0.003\n" in trained("--images=1000000", "--minutes=0.001")

    def test_programs_are_told_too(self, trained, measured):
        figures = {"separation": 0.1, "variety": 0.5, "distance": 0.3, "distance_real": 0.1}
        measured(**figures)
        told = json.loads(trained("--images=48", "--json"))
        assert (told["measured"], told["images_of_preset"]) == (figures, 40_000)

    def test_one_condition_has_none_to_differ_from(self):
        told = Verdict({"variety": 0.5, "distance": 0.3, "distance_real": 0.1}, 10, None).lines("more")
        assert len(told) == 2
        assert not any("conditions" in line for line in told)
        assert Verdict({}, 0, None).lines("more") == []


@pytest.mark.parametrize(
    ("features", "precision"),
    [
        ({"avx512_bf16": True}, "bfloat16"),
        ({"avx512_bf16": False, "bf16": False}, "float32"),
        ({}, "float32"),
    ],
)
def test_presets_take_bfloat16_where_the_cpu_multiplies_in_it(
    store, tmp_path, monkeypatch, features, precision
):
    assert make_config("uhcs-64").precision == "auto"
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features, raising=False)
    settings = SMALL | {"precision": "auto"}
    run = psp.training.Run(tmp_path / "run")
    plan = beginning.plan_run(run, "demo", None, False, False, settings, torch.device("cpu"))
    assert plan.config.precision == precision


@pytest.mark.parametrize(("traceback", "said"), [("", "warning: look out\n"), ("1", "UserWarning: look out")])
def test_warnings_are_a_line_without_a_place_in_the_code(tmp_path, traceback, said):
    script = tmp_path / "grumbling.py"
    script.write_text(
        "import sys, warnings\n"
        "from pspgan.cli import app, main\n"
        "app.command('grumble')(lambda: warnings.warn('look out', stacklevel=1))\n"
        "sys.argv = ['pspgan', 'grumble']\n"
        "main()\n"
    )
    environment = os.environ | {
        "PYTHONPATH": str(Path(psp.__file__).parents[1]),
        "PSPGAN_TRACEBACK": traceback,
    }
    done = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    assert said in done.stderr
    assert ("grumbling.py" in done.stderr) == bool(traceback)
