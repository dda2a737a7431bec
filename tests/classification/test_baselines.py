"""Baseline classifiers: they learn what can be learned, keep to their seed, and are saved without pickle."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from textures import texture

from pspgan.classification import NetworkClassifier, texture_classifier
from pspgan.networks import CheckpointError, save_weights


def textures_of(n, seed):
    rng = np.random.default_rng(seed)
    kinds = ("round", "lamellar")
    return np.concatenate([texture(kind, n, rng) for kind in kinds]), np.repeat(kinds, n)


@pytest.fixture(scope="module")
def network():
    state = torch.get_rng_state()
    learned = NetworkClassifier(steps=30, view=24).fit(*textures_of(20, 0))
    assert torch.equal(torch.get_rng_state(), state)
    return learned


@pytest.mark.parametrize("kind", ["texture", "network"])
def test_textures_are_told_apart(kind, network):
    classifier = texture_classifier().fit(*textures_of(10, 0)) if kind == "texture" else network
    micrographs, labels = textures_of(20, 1)
    assert (classifier.predict(micrographs) == labels).mean() > 0.95
    probability = classifier.predict_proba(micrographs)
    np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-5)
    shuffled = np.random.default_rng(0).permutation(labels)
    assert 0.2 < (classifier.predict(micrographs) == shuffled).mean() < 0.8  # the test can fail


def test_a_seed_is_a_network(network):
    again = clone(network).fit(*textures_of(20, 0))
    micrographs, _ = textures_of(3, 2)
    np.testing.assert_array_equal(again.predict_proba(micrographs), network.predict_proba(micrographs))
    other = NetworkClassifier(steps=30, view=24, seed=1).fit(*textures_of(20, 0))
    assert not np.array_equal(other.predict_proba(micrographs), network.predict_proba(micrographs))


def test_views_cover_micrographs_of_any_size(network):
    places = NetworkClassifier(view=64)._places
    assert places(64) == [0]
    assert places(100) == [0, 36]
    assert places(1000) == [0, 312, 624, 936]
    wide = np.concatenate([textures_of(1, 3)[0]] * 3, axis=2)[:, :, :70]
    assert network.predict_proba(wide).shape == (2, 2)


def test_saved_and_loaded(tmp_path, network):
    path = network.save(tmp_path / "classifier.safetensors")
    loaded = NetworkClassifier.load(path)
    micrographs, _ = textures_of(3, 2)
    np.testing.assert_array_equal(loaded.predict(micrographs), network.predict(micrographs))
    np.testing.assert_array_equal(loaded.predict_proba(micrographs), network.predict_proba(micrographs))
    save_weights(tmp_path / "other", {"a": torch.zeros(1)}, {"schema": "x"})
    with pytest.raises(CheckpointError, match="no classifier of micrographs"):
        NetworkClassifier.load(tmp_path / "other")


def test_what_cannot_be_learned_is_refused():
    micrographs, labels = textures_of(2, 0)
    with pytest.raises(NotFittedError, match="call fit first"):
        NetworkClassifier().predict(micrographs)
    with pytest.raises(ValueError, match="smaller than a view of 64 px"):
        NetworkClassifier().fit(micrographs, labels)
    with pytest.raises(ValueError, match="all micrographs are of one class"):
        NetworkClassifier(view=16).fit(micrographs[:2], labels[:2])
    with pytest.raises(ValueError, match="labels must be"):
        NetworkClassifier(view=16).fit(micrographs, labels[:1])
