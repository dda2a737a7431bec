"""Any number of ranks trains as one process does, and none is left waiting when something goes wrong.

Ranks are real processes joined by gloo. Equality is tested on the real loop in double precision, where 12
steps agree to 1e-9: in float32 Adam blows up rounding where a true gradient is 0, as before a batch norm, and
two networks that chase each other blow up the rest.
"""

import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from ranks import ENVIRONMENT, Processes, run_ranks

from pspgan import ensemble
from pspgan.networks import Discriminator, load_weights
from pspgan.process import ProcessSpace
from pspgan.training import ConfigError, Run, make_config, train
from pspgan.training.distributed import Ranks

TOLERANCE = 1e-9  # of a tensor's largest value, where that is above 1
IN_DOUBLE = """
import numpy as np, torch, pspgan
from pspgan.process import ProcessSpace
torch.set_default_dtype(torch.float64)
from pspgan.networks import Discriminator
encode, score = ProcessSpace.encode, Discriminator.forward
ProcessSpace.encode = lambda *given: encode(*given).astype(np.float64)
Discriminator.forward = lambda self, image: score(self, image.double())
"""


def train_code(store, folder, **settings):
    return f"import pspgan; pspgan.train({str(store)!r}, 'demo', {str(folder)!r}, **{settings!r})\n"


def shell_code(store, folder, before="", **settings):
    """The command line, as `python -m pspgan` runs it, after some preparation."""
    words = ["train", str(store), "--preset", "demo", "-o", str(folder)]
    words += [f"--set={key}={value}" for key, value in settings.items() if key != "progress"]
    # Where the tests run in the background, Ctrl-C is ignored.
    listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    return f"{listen}{before}\nimport sys; from pspgan.cli import main; sys.argv[1:] = {words!r}; main()"


@pytest.fixture
def store(make_ensemble, tmp_path):
    return ensemble.write_ensemble(make_ensemble(), tmp_path / "real.zarr", progress=False)


@pytest.fixture
def in_double(monkeypatch):
    """The same here as `IN_DOUBLE` in ranks."""
    encode, score = ProcessSpace.encode, Discriminator.forward
    monkeypatch.setattr(ProcessSpace, "encode", lambda *given: encode(*given).astype(np.float64))
    monkeypatch.setattr(Discriminator, "forward", lambda self, image: score(self, image.double()))
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def assert_equal_runs(a, b):
    """Losses, both networks with all buffers, moments, and the averaged generator, raw and as exported."""
    for key in ("loss_d_real", "loss_d_fake", "real_taken_for_real", "loss_g", "gradient_d", "gradient_g"):
        ours, theirs = ([line[key] for line in run.log if key in line] for run in (a, b))
        # Figures in the log are summed in float32.
        assert ours == pytest.approx(theirs, rel=1e-5)
    files = [[run.checkpoints()[-1], run.generator_file] for run in (a, b)]
    for ours, theirs in zip(*files, strict=True):
        tensors, expected = load_weights(ours)[0], load_weights(theirs)[0]
        assert tensors.keys() == expected.keys()
        for name, tensor in tensors.items():
            atol = TOLERANCE * max(1.0, expected[name].abs().max().item())
            torch.testing.assert_close(tensor, expected[name], rtol=0, atol=atol, msg=name)


CASES = {
    "even": (2, {}),
    "accumulated": (2, {"accumulation": 2, "augment": "color,translation,cutout"}),
    # Parts of five images on three ranks.
    "uneven": (3, {"batch": 10, "accumulation": 2, "augment": "color,cutout", "augment_probability": 0.5}),
}


@pytest.mark.slow
@pytest.mark.parametrize("cases", [["even", "accumulated"], ["uneven"]])
@pytest.mark.usefixtures("in_double")
def test_ranks_train_as_one_process_does(store, small, tmp_path, cases):
    code, world = IN_DOUBLE, CASES[cases[0]][0]
    settings = {}
    for name in cases:
        settings[name] = small | {"decay_g": 1e-3, "init_bias": "uniform"} | CASES[name][1]
        steps = settings[name]["batch"] * settings[name]["d_steps"]
        settings[name] |= {"images": 12 * steps, "sample_every": 6 * steps, "log_every": steps}
        code += train_code(store, tmp_path / name, **settings[name])
    run_ranks(code, world)
    for name in cases:
        run = Run(tmp_path / name)
        assert_equal_runs(run, train(store, "demo", tmp_path / "one" / name, **settings[name]))
        assert [line["step"] for line in run.log if "loss_g" in line] == list(range(1, 13))
        assert len(list(run.folder.glob("tensorboard/*"))) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("in_double")
def test_a_run_goes_on_with_other_ranks(store, small, tmp_path):
    run = Run(tmp_path / "run")
    run_ranks(IN_DOUBLE + train_code(store, run.folder, **(small | {"images": 32})), 2)
    train(store, "demo", run.folder, resume=True, images=64, progress=False)
    # In a group that is open already, and the second rank on a machine that has no such folder.
    last = f"""
import torch.distributed as group
group.init_process_group("gloo")
out = {str(run.folder)!r} if group.get_rank() == 0 else {str(tmp_path / "absent")!r}
pspgan.train({str(store)!r}, "demo", out, resume=True, images=96, progress=False)
assert group.is_initialized()
"""
    run_ranks(IN_DOUBLE + last, 2)
    assert not (tmp_path / "absent").exists()
    assert_equal_runs(run, train(store, "demo", tmp_path / "one", **small))


@pytest.mark.slow
def test_when_a_rank_is_killed_the_others_end_and_nothing_is_lost(store, small, tmp_path, same):
    run = Run(tmp_path / "run")
    settings = small | {"images": 10_000_000}
    ranks = Processes(shell_code(store, run.folder, **settings), 2)
    ranks.until(lambda: len(run.checkpoints()) > 1)
    ranks.signal(1, signal.SIGKILL)
    codes, errors = ranks.end(timeout=60)
    assert codes == [1, -signal.SIGKILL]
    assert "error: another rank has stopped or is out of reach, and its own output says why" in errors[0]
    images = load_weights(run.checkpoints()[-1])[1]["images"] + 32
    run_ranks(train_code(store, run.folder, resume=True, images=images, progress=False), 2)
    run_ranks(train_code(store, tmp_path / "whole", **(small | {"images": images})), 2)
    same(run.checkpoints()[-1], Run(tmp_path / "whole").checkpoints()[-1])
    same(run.generator_file, Run(tmp_path / "whole").generator_file)


def test_ranks_agree_on_checkpoints_that_minutes_ask_for(store, small, tmp_path):
    # The first rank's clock says that ages pass with every step, the second's that none do.
    clocks = """
import os, time
from pspgan.training import loop
class Clock:
    now = 0.0
    def perf_counter():
        Clock.now += 1000.0 * (os.environ["RANK"] == "0")
        return Clock.now
loop.time = Clock
"""
    run = Run(tmp_path / "run")
    settings = small | {"sample_every": 10_000, "checkpoint_every": 10_000}
    run_ranks(clocks + train_code(store, run.folder, **settings), 2)
    assert [path.stem for path in run.checkpoints() if path.stem.startswith("state")] == [
        "state-000000005",
        "state-000000006",
    ]


def test_control_c_at_one_rank_stops_all_after_the_step(store, small, tmp_path):
    run = Run(tmp_path / "run")
    ranks = Processes(shell_code(store, run.folder, **(small | {"images": 10_000_000})), 2)
    ranks.until(lambda: len(run.log) > 1)
    ranks.signal(1, signal.SIGINT)
    codes, errors = ranks.end(timeout=60)
    assert codes == [130, 130]
    meta = load_weights(run.checkpoints()[-1])[1]
    assert meta["images"] == run.log[-1]["images"]
    assert f"stopped after step {meta['step']}" in errors[0].splitlines()[-1]
    assert errors[1] == ""


PLANT_NAN = """
from pspgan.training.batches import Batches
draw = Batches.real
def real(self, step, size, mine=slice(None)):
    batch = draw(self, step, size, mine)
    if step == 4 and 5 in range(size)[mine]:
        batch.image[5 - range(size)[mine][0]] = float("nan")
    return batch
Batches.real = real
"""
LOSE_A_STEP = """
import os, torch
from pspgan.training import loop
update = loop.generator_step
def generator_step(*arguments):
    figures = update(*arguments)
    if arguments[2].step == 1 and os.environ["RANK"] == "1":
        with torch.no_grad():
            arguments[2].discriminator.linear.bias.add_(1e-4)
    return figures
loop.generator_step = generator_step
"""


@pytest.mark.parametrize(
    ("before", "changes", "message"),
    [
        (PLANT_NAN, {}, "loss_d_real is nan at step 3 (48 images): the real micrographs of this step hold"),
        (
            LOSE_A_STEP,
            {},
            "discriminator.linear.bias of rank 1 is no longer that of rank 0 at step 2 (32 ima",
        ),
        ("", {"batch": 2}, "batch 2 in 1 parts is 2 images a part, too few for 3 ranks; lower accumulation"),
    ],
    ids=["data of one rank", "ranks come apart", "too few images"],
)
def test_what_stops_all_is_told_once(store, small, tmp_path, before, changes, message):
    settings = small | {"sample_every": 10_000} | changes
    world = 3 if changes else 2
    codes, errors = Processes(shell_code(store, tmp_path / "run", before, **settings), world).end(timeout=60)
    assert codes == [1] * world
    assert errors[0].startswith(f"error: {message}")
    assert errors[1:] == [""] * (world - 1)
    if not changes:
        assert Run(tmp_path / "run").log[-1]["stopped"].startswith(message)


def test_an_error_of_one_rank_is_told_by_it(store, small, tmp_path):
    hide = "import os, shutil\nif os.environ['RANK'] == '1': os.chdir('/')"
    code = f"import os; os.chdir({str(tmp_path)!r})\n" + shell_code(
        store.name, tmp_path / "run", hide, **small
    )
    codes, errors = Processes(code, 2).end(timeout=60)
    assert codes == [1, 1]
    assert "error: real.zarr" in errors[1]
    assert errors[0].startswith("error: another rank has stopped")


@pytest.mark.slow
def test_torchrun(store, small, tmp_path):
    settings = [f"--set={key}={value}" for key, value in small.items() if key != "progress"]
    words = ["-m", "pspgan", "train", str(store), "--preset", "demo", "-o", str(tmp_path / "run"), *settings]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    ended = subprocess.run([*torchrun, *words], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("96 images in") == 1
    assert [line["images"] for line in Run(tmp_path / "run").log if "loss_g" in line] == [
        16,
        32,
        48,
        64,
        80,
        96,
    ]


def test_alone_nothing_changes():
    ranks = Ranks(torch.device("cpu"))
    config = make_config("demo", batch=4)
    ranks.require_share(config)
    assert ranks.share_of(4) == slice(0, 4)
    assert ranks.agree(1.5, True) == (1.5, True)
    assert ranks.of_first("value") == "value"
    figures = torch.ones(2)
    assert ranks.add_up_gradients(torch.nn.Linear(2, 2), figures) is figures
    with pytest.raises(ConfigError, match="start 4 processes at most"):
        Ranks(torch.device("cpu"), 0, 5).require_share(config)
