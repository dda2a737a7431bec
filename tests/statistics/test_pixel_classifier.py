"""The pixel classifier on textures whose truth is known, on UHCSDB's labelled micrographs, and on disk."""

import json
import pickle
import shutil

import dask.array
import numpy as np
import pytest
import torch
from sklearn.base import clone

from pspgan.sources import labelled
from pspgan.statistics import Phases, PixelClassifier
from pspgan.statistics.phases import leave_one_specimen_out
from pspgan.statistics.phases.validation import Validation, confusion_of
from pspgan.weights import CheckpointError

NAMES = ("plain", "stripes", "dots")


def textures(seed, shape=(160, 200)):
    """Regions of three textures of equal mean grey level: the micrograph, and which pixel is which."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    centres = rng.uniform(0, 1, (9, 2)) * shape
    nearest = np.argmin([(y - cy) ** 2 + (x - cx) ** 2 for cy, cx in centres], axis=0)
    label = (nearest % 3).astype(np.uint8)
    turn = rng.uniform(0, np.pi)
    stripes = 50 * np.sign(np.sin((x * np.cos(turn) + y * np.sin(turn)) * 2 * np.pi / 8))
    dots = np.where((y % 8 < 4) & (x % 8 < 4), 90, -30)
    grey = 120 + np.choose(label, [np.zeros(shape), stripes, dots]) + rng.normal(0, 12, shape)
    return np.clip(grey, 0, 255).astype(np.uint8), label


@pytest.fixture(scope="module")
def learned():
    """A classifier of the three textures, told less than half of the pixels."""
    micrographs, labels = zip(*(textures(seed) for seed in range(3)), strict=True)
    rng = np.random.default_rng(0)
    told = [np.where(rng.random(label.shape) < 0.4, label, 255).astype(np.uint8) for label in labels]
    return PixelClassifier(steps=60, seed=1).fit(micrographs, told, NAMES, [0.1, np.nan, 0.2], progress=None)


def test_textures_of_one_mean_are_told_apart(learned):
    micrograph, label = textures(7, (150, 171))  # of a size that was not learned from
    found = learned.predict(micrograph[np.newaxis])
    assert found.dtype == np.uint8
    assert (found[0] == label).mean() > 0.85
    assert learned.names == NAMES
    assert learned.um_per_px == (0.1, 0.2)


def test_probabilities_turn_with_the_micrograph(learned):
    micrograph = textures(8, (64, 96))[0][np.newaxis]
    probability = learned.predict_proba(micrograph)
    np.testing.assert_allclose(probability.sum(axis=-1), 1, atol=1e-5)
    turned = learned.predict_proba(np.rot90(micrograph, axes=(1, 2)))
    np.testing.assert_allclose(np.rot90(turned, -1, axes=(1, 2)), probability, atol=1e-4)


def test_exposure_does_not_matter(learned):
    micrograph = textures(9)[0][np.newaxis]
    darker = (micrograph * 0.5 + 10).astype(np.float32)
    assert (learned.predict(darker) == learned.predict(micrograph)).mean() > 0.99


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (33, 31)])
def test_any_size_is_predicted(learned, shape):
    micrograph = np.random.default_rng(0).integers(0, 256, (2, *shape), dtype=np.uint8)
    assert learned.predict(micrograph).shape == micrograph.shape


def test_a_saved_classifier_is_the_same_one(learned, tmp_path):
    path = learned.save(tmp_path / "c.safetensors")
    again = PixelClassifier.load(path)
    micrograph = textures(7)[0][np.newaxis]
    np.testing.assert_array_equal(again.predict_proba(micrograph), learned.predict_proba(micrograph))
    assert again.sha256 == learned.sha256
    assert (again.names, again.um_per_px) == (learned.names, learned.um_per_px)
    assert again.identity() == {"path": str(path), "names": list(NAMES), "sha256": learned.sha256}


def test_learning_repeats_and_leaves_the_global_generator_alone():
    micrograph, label = textures(0, (64, 64))
    state = torch.get_rng_state()
    first, second, other = (
        PixelClassifier(steps=2, seed=seed).fit([micrograph], [label], NAMES, progress=None)
        for seed in (3, 3, 4)
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert first.sha256 == second.sha256 != other.sha256


def test_phases_by_a_classifier(learned, tmp_path):
    path = learned.save(tmp_path / "c.safetensors")
    phases = Phases("classifier", classifier=path).fit()
    micrograph = np.stack([textures(seed, (40, 50))[0] for seed in range(3)])
    expected = learned.predict(micrograph)
    np.testing.assert_array_equal(phases.segment(micrograph), expected)
    np.testing.assert_array_equal(phases.transform(micrograph).argmax(axis=-1), expected)
    lazy = phases.segment(dask.array.from_array(micrograph, chunks=(2, 40, 50)))
    np.testing.assert_array_equal(lazy.compute(), expected)
    assert (phases.names, phases.n_states) == (NAMES, 3)
    for same in (clone(phases), pickle.loads(pickle.dumps(Phases("classifier", classifier=learned)))):
        np.testing.assert_array_equal(same.segment(micrograph), expected)


def test_settings_find_the_classifier_again_and_no_other(learned, tmp_path):
    path = learned.save(tmp_path / "c.safetensors")
    settings = json.loads(json.dumps(Phases("classifier", classifier=path).settings()))
    assert settings["classifier"]["sha256"] == learned.sha256
    assert Phases.from_settings(settings).settings() == settings
    moved = shutil.move(path, tmp_path / "moved.safetensors")
    with pytest.raises(FileNotFoundError, match=r"c\.safetensors: no such file of a classifier"):
        Phases.from_settings(settings)
    found = Phases.from_settings(settings, classifier=moved)
    assert found.settings()["classifier"]["sha256"] == learned.sha256
    micrograph, label = textures(0, (64, 64))
    PixelClassifier(steps=1).fit([micrograph], [label], NAMES, progress=None).save(moved)
    with pytest.raises(ValueError, match="is another classifier"):
        Phases.from_settings(settings, classifier=moved)


def test_what_is_no_classifier_is_refused(learned, tmp_path):
    path = learned.save(tmp_path / "c.safetensors")
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"damaged\.safetensors cannot be read"):
        Phases("classifier", classifier=damaged).fit()
    with pytest.raises(ValueError, match="has learned nothing yet"):
        Phases("classifier", classifier=PixelClassifier()).fit()
    with pytest.raises(ValueError, match=r"\(sample, y, x\), got shape \(4, 4\)"):
        learned.predict(np.zeros((4, 4), np.uint8))


@pytest.mark.parametrize(
    ("label", "names", "message"),
    [
        (
            np.full((64, 64), 3, np.uint8),
            NAMES,
            r"label image 0 holds 3, which is none of 3 classes \(0 plain to",
        ),
        (np.zeros((64, 60), np.uint8), NAMES, r"label image 0 is \(64, 60\), but its micrograph \(64, 64\)"),
        (np.zeros((64, 64), np.int64), NAMES, "label image 0 is int64, not uint8"),
        (np.full((64, 64), 255, np.uint8), NAMES, "no pixel is labelled"),
        (np.zeros((64, 64), np.uint8), ("a", "a"), "names a, a are not two or more different classes"),
        (np.zeros((64, 64), np.uint8), ("a",), "names a are not two or more"),
    ],
)
def test_labels_that_do_not_fit_are_named(label, names, message):
    with pytest.raises(ValueError, match=message):
        PixelClassifier(steps=1).fit([np.zeros((64, 64), np.uint8)], [label], names, progress=None)


def test_scores_are_those_of_the_definitions():
    label = np.array([[0, 0, 1, 1, 255], [0, 1, 1, 2, 2]], dtype=np.uint8)
    predicted = np.array([[0, 1, 1, 1, 2], [0, 0, 1, 2, 0]], dtype=np.uint8)
    confusion = confusion_of(label, predicted, 3)
    np.testing.assert_array_equal(confusion, [[2, 1, 0], [1, 3, 0], [1, 0, 1]])
    other = np.diag([0, 4, 0])  # a specimen of class 1 alone, all right
    table = Validation(NAMES, ("a", "b"), np.stack([confusion, other]), ()).table()
    np.testing.assert_allclose(table["iou"], [2 / 5, 7 / 9, 1 / 2, (2 / 5 + 7 / 9 + 1 / 2) / 3])
    np.testing.assert_allclose(table["accuracy"], [2 / 3, 7 / 8, 1 / 2, 10 / 13])
    np.testing.assert_array_equal(table["specimens"], [1, 2, 1, 2])
    assert table["iou_low"].iloc[1] == pytest.approx(3 / 5)  # specimen a drawn twice
    assert table["iou_high"].iloc[1] == 1.0  # specimen b drawn twice


def test_no_micrograph_of_a_held_out_specimen_is_learned_from(monkeypatch):
    seen = []
    fit = PixelClassifier.fit

    def recording(self, micrographs, *arguments, **options):
        seen.append({int(image[0, 0]) for image in micrographs})
        return fit(self, micrographs, *arguments, **options)

    monkeypatch.setattr(PixelClassifier, "fit", recording)
    micrographs, labels = zip(*(textures(seed, (64, 64)) for seed in range(4)), strict=True)
    for i, image in enumerate(micrographs):
        image[0, 0] = i
    specimen = ("b", "a", "b", "c")
    validation = leave_one_specimen_out(micrographs, labels, NAMES, specimen, steps=1, progress=False)
    assert seen == [{0, 2, 3}, {1, 3}, {0, 1, 2}]  # without a, b, c
    assert [prediction.shape for prediction in validation.predictions] == [(64, 64)] * 4
    np.testing.assert_array_equal(validation.confusion.sum((1, 2)), 64 * 64)
    with pytest.raises(ValueError, match="all 4 micrographs are of specimen a"):
        leave_one_specimen_out(micrographs, labels, NAMES, ("a",) * 4, steps=1, progress=False)


def test_phases_of_a_steel_that_was_not_learned_from(shared):
    """Two specimens of UHCSDB held out, and a sixth of the usual learning: far better than any constant."""
    names = ("matrix", "network", "spheroidite", "widmanstatten")
    folder = shared / "uhcsdb"
    read = labelled.read(
        folder / "segmentation" / "images",
        folder / "segmentation" / "labels",
        table=folder / "uhcs-metadata.csv",
        image_column="path",
        specimen="sample_id",
        um_per_px="micron_bar/micron_bar_px",
    )
    assert len(read.images) == 18
    assert len(set(read.specimen)) == 8
    held_out = [i for i, specimen in enumerate(read.specimen) if specimen in ("33.0", "47.0")]
    others = [i for i in range(18) if i not in held_out]
    classifier = PixelClassifier(steps=100).fit(
        [read.micrographs[i] for i in others], [read.labels[i] for i in others], names, progress=None
    )
    confusion = np.stack(
        [confusion_of(read.labels[i], classifier.predict(read.micrographs[i][None])[0], 4) for i in held_out]
    )
    table = Validation(names, ("33", "47"), confusion, ()).table().set_index("class")
    assert table.loc["mean", "accuracy"] > 0.69  # 0.62, were all spheroidite
    assert table.loc["mean", "iou"] > 0.3  # 0.15
    assert table.loc["network", "iou"] > 0.4
