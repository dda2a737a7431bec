"""A run of random weights, and what equal ensembles are."""

import numpy as np
import pytest
import torch

import pspgan as psp
from pspgan.networks import Generator, save_weights
from pspgan.process import ProcessSpace
from pspgan.training import make_config

SPACE = ProcessSpace.uhcsdb().observing(["800-5-Q", "970-90-FC"])


def make_run(folder, space, data, reduction):
    """A run folder whose generator has random weights."""
    settings = {"resolution": 32, "ch": 8, "latent": 16, "embedding": 8, "init": "orthogonal"}
    config = make_config("demo", **settings, reduction=reduction)
    draws = torch.Generator().manual_seed(0)
    generator = Generator(space, 32, 8, 16, config.attention, embedding=8, init="orthogonal", generator=draws)
    meta = {
        "process_space": space.to_json(),
        "config": config.model_dump(),
        "preset": "demo",
        "data": {"licence": "CC BY", "attribution": "somebody"} | data,
        "pspgan": psp.__version__,
        "images": 10,
    }
    save_weights(folder / "generator.safetensors", generator.state_dict(), meta)
    return folder


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
