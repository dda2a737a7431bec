"""How-to pages run as printed, from an empty folder; sizes and minutes are cut."""

import warnings

import numpy as np
import pytest
from printed import DOCS, FEW, TINY, Reader

import pspgan as psp

HOW_TO = DOCS / "how-to"
CONDITIONS = ",".join(FEW)


@pytest.fixture
def follow(tmp_path, monkeypatch, capsys):
    """Follows a page, and gives the reader."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    reader = Reader(monkeypatch, capsys)

    def follow(page, *arguments):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader.follow(HOW_TO / page, *arguments)
        return reader

    return follow


@pytest.fixture
def real(tmp_path):
    """``real.zarr`` in the folder, as a tutorial leaves it: labelled, two classes of four specimens each."""
    steel = psp.simulate(n=24, size=32, conditions=["700-5-Q", "800-24H-Q"], progress=False)
    psp.write_ensemble(steel, tmp_path / "real.zarr")


def test_every_page_is_followed():
    followed = {
        "unseen-conditions",
        "scale",
        "fine-tuning",
        "many-machines",
        "augment-a-classifier",
        "pymks",
        "operators",
    }
    assert {page.stem for page in HOW_TO.glob("*.md")} == followed


@pytest.mark.slow
def test_unseen_conditions(follow):
    reader = follow(
        "unseen-conditions.md",
        {
            "-n 600 --size 64": (f'-n 36 --size 64 --conditions "{CONDITIONS}"', 1),
            "--minutes 4": (TINY, 1),
            "-n 32": ("-n 2", 1),
            "n=16": ("n=3", 2),
        },
    )
    assert not reader.names["asked"].psp.condition("850-6H-Q")["observed"].any()
    assert len(reader.names["conditions"]) >= 1
    assert not reader.names["unseen"]["observed"].any()
    assert reader.names["seen"]["observed"].all()


@pytest.mark.slow
def test_scale(follow, few_of_uhcsdb):
    follow("scale.md", {"--preset uhcs-64": (f"--preset uhcs-64 {TINY}", 1), "-n 32": ("-n 2", 1)})
    made = psp.open_ensemble("gen.zarr")
    assert sorted(set(made["um_per_px"].values)) == [0.1, 0.3]
    assert dict(zip(made["um_per_px"].values, made["observed"].values, strict=True)) == {
        0.1: True,
        0.3: False,
    }


@pytest.mark.slow
def test_fine_tuning(follow):
    follow(
        "fine-tuning.md",
        {
            "-n 300": ("-n 40", 2),
            "--preset demo --minutes 4": (f"--preset demo {TINY}", 1),
            "--from run --minutes 4": (
                "--from run --preset demo --set images=16 --set batch=8 --set sample_size=2",
                1,
            ),
            "-n 32": ("-n 2", 1),
        },
    )
    made = psp.open_ensemble("gen.zarr")
    assert "970-1440-FC" in made["condition"].values
    assert made["observed"].all()


@pytest.mark.slow
def test_many_machines(follow, real):
    psp.train("real.zarr", "demo", "run", images=16, ch=4, latent=8, embedding=4, batch=8, sample_size=2)
    distributed = pytest.importorskip("distributed")
    alone = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "protocol": "tcp"}
    with distributed.LocalCluster(**alone, dashboard_address=None) as cluster:
        scheduler = cluster.scheduler_address
        follow(
            "many-machines.md",
            {
                "-n 1000 --workers 2": ("-n 260 --workers 2 --scheduler threads", 1),
                "-n 1000 --scheduler": ("-n 260 --scheduler", 1),
                "tcp://host:8786 -o": (f"{scheduler} -o", 1),
                "gen.zarr --scheduler tcp://host:8786\n": (f"gen.zarr --scheduler {scheduler}\n", 1),
            },
            # A cluster runs already; processes and ranks have tests of their own.
            [
                "dask scheduler &",
                "dask worker tcp://host:8786 --nthreads 1 --nworkers 4 &",
                "torchrun --nproc-per-node 4 -m pspgan train real.zarr --preset paper -o run",
                "torchrun --nproc-per-node 4 -m pspgan train real.zarr -o run --resume",
                "OMP_NUM_THREADS=8 torchrun --nproc-per-node 2 -m pspgan train real.zarr -o run",
                "torchrun --nnodes 2 --nproc-per-node 4 --rdzv-backend c10d --rdzv-endpoint node0:29500 "
                "-m pspgan train real.zarr -o run",
            ],
        )
    alone, together = (psp.open_ensemble(store)["micrograph"].values for store in ("gen.zarr", "big.zarr"))
    assert (np.abs(alone.astype(int) - together) <= 1).all()


@pytest.mark.slow
def test_augment_a_classifier(follow, real, tmp_path):
    reader = follow(
        "augment-a-classifier.md",
        {
            "--preset uhcs-64 --minutes 10 --folds 5 --ratios 0.5,1": (
                f"--preset demo {TINY} --folds 2 --ratios 1",
                1,
            ),
            "--split train -o run": (f"--split train --preset demo {TINY} -o run", 1),
            "-n 200": ("-n 12", 1),
        },
    )
    for folder in ("classification", "augmented", "judged"):
        assert (tmp_path / folder / "summary.txt").exists()
    assert set(reader.names["mix"].origin) == {"simulated", "generated"}
    assert reader.names["micrograph"].shape == (1, 32, 32)


def test_pymks(follow):
    pytest.importorskip("pymks", reason="PyMKS is not installed: nothing to work with")
    reader = follow("pymks.md", {"n=90": ("n=46", 1)})
    theirs, ours = (
        np.asarray(reader.names[side].fit_transform(reader.names["micrograph"]))
        for side in ("theirs", "ours")
    )
    assert np.abs(theirs - ours).max() < 1e-10
    assert reader.names["two_point"].shape == (46, 41, 41, 1)
    assert reader.names["score"].shape == (5,)


def test_operators(follow):
    reader = follow("operators.md", {"range(1000)": ("range(20)", 1)})
    assert reader.names["loss_d"].isfinite()
    assert reader.names["loss_g"].isfinite()
    # Everything got a gradient through the operators.
    for network in ("G", "D"):
        assert all(weight.grad.abs().sum() > 0 for weight in reader.names[network].parameters())
