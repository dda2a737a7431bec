"""A small ensemble that a training can learn from: conditions differ in the size of their spots."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy import ndimage

from pspgan import ensemble
from pspgan.networks import Discriminator, Generator, load_weights
from pspgan.process import Factor, ProcessSpace
from pspgan.training.metrics import Metrics

SPACE = ProcessSpace(
    (Factor("strain", (0.1, 0.2, 0.4), "ordinal", scale="log"), Factor("bath", ("oil", "air"), "nominal"))
)
CONDITIONS = ("0.1-oil", "0.2-oil", "0.4-air")


def spots(n, side, seed=0):
    rng = np.random.default_rng(seed)
    size = [1.0, 2.0, 4.0]
    images = np.empty((n, side, side), np.uint8)
    for i in range(n):
        field = ndimage.gaussian_filter(rng.standard_normal((side, side)), size[i % 3], mode="wrap")
        images[i] = np.clip(128 + 60 * field / field.std(), 0, 255)
    return images


@pytest.fixture
def make_ensemble():
    def make(n=30, side=40, space=SPACE, conditions=CONDITIONS, **changes):
        arguments = {
            "origin": "simulated",
            "specimen": [f"{i % 3}-{i % 2}" for i in range(n)],
            "microconstituent": [("fine", "coarse")[i % 3 == 2] for i in range(n)],
            "licence": "CC0",
            "attribution": "nobody",
        } | changes
        return ensemble.build(spots(n, side), [conditions[i % 3] for i in range(n)], space, **arguments)

    return make


@pytest.fixture
def small():
    """Settings of a training that takes a second."""
    return {
        "resolution": 32,
        "ch": 4,
        "latent": 8,
        "embedding": 4,
        "batch": 8,
        "d_steps": 2,
        "images": 96,
        "log_every": 16,
        "sample_every": 48,
        "sample_size": 16,
        "checkpoint_every": 32,
        "averaging_halflife": 50,
        "progress": False,
    }


@pytest.fixture
def rated(monkeypatch):
    """Gives the next samples that are measured these distances and, if wanted, least diversities."""

    def rate(*distances, least=None):
        given = iter(zip(distances, least or [1.0] * len(distances), strict=True))
        measure = Metrics.measure

        def measured(*arguments):
            found = measure(*arguments)
            rating = dict(zip(("distance", "diversity_least"), next(given, ()), strict=False))
            return dataclasses.replace(found, figures=found.figures | rating)

        monkeypatch.setattr(Metrics, "measure", measured)

    return rate


@pytest.fixture
def sizes(monkeypatch):
    """Images of every forward pass from here on, of generators and of discriminators."""
    seen = {}
    for network in (Generator, Discriminator):
        seen[network] = []

        def forward(self, x, *rest, network=network, plain=network.forward):
            seen[network].append(len(x))
            return plain(self, x, *rest)

        monkeypatch.setattr(network, "forward", forward)
    return seen


@pytest.fixture
def same():
    """Asserts that two files of weights hold the same, bit for bit."""

    def same(a, b):
        first, second = load_weights(a)[0], load_weights(b)[0]
        assert first.keys() == second.keys()
        for name, tensor in first.items():
            torch.testing.assert_close(tensor, second[name], rtol=0, atol=0, msg=name)

    return same


@pytest.fixture
def one_thread():
    """The order of sums agrees with that of a process with OMP_NUM_THREADS=1."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
