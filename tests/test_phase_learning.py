"""From label images to a folder with a classifier and its scores; and as a user types it."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from pspgan.cli import app
from pspgan.phase_learning import learn_phases
from pspgan.sources import labelled
from pspgan.statistics import Phases, PixelClassifier

NAMES = ["dark", "bright"]


@pytest.fixture
def folders(tmp_path):
    """Two specimens of two micrographs: bright squares, labelled."""
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    rng = np.random.default_rng(0)
    for i in range(4):
        label = np.zeros((64, 64), np.uint8)
        label[:, 32:] = 1
        label[:8] = 255
        grey = 60 + 100 * (label == 1) + rng.normal(0, 5, label.shape)
        Image.fromarray(grey.astype(np.uint8)).save(tmp_path / f"images/{i}.png")
        Image.fromarray(label).save(tmp_path / f"labels/{i}.png")
    (tmp_path / "table.csv").write_text("image,heat,um\n0,A,0.5\n1,A,0.5\n2,B,0.25\n3,B,0.25\n")
    return tmp_path


def test_the_command_writes_classifier_scores_and_figure(folders):
    out = folders / "classifier"
    command = [
        "phases",
        "learn",
        str(folders / "images"),
        str(folders / "labels"),
        "--classes",
        "dark,bright",
    ]
    command += ["--table", str(folders / "table.csv"), "--specimen", "heat", "--um-per-px", "um"]
    result = CliRunner().invoke(app, [*command, "--steps", "3", "-o", str(out)], catch_exceptions=False)
    assert "learned dark, bright from 4 micrographs of 2 specimens" in result.output
    assert "pixels of 0.25 to 0.5 um" in result.output
    assert "held-out specimens (2)" in result.output
    assert f"--phases {out}/classifier.safetensors" in result.output.replace("\n", "")
    scores = pd.read_csv(out / "scores.csv", index_col="class")
    confusion = pd.read_csv(out / "confusion.csv", index_col="label").to_numpy()
    assert confusion.sum() == 4 * 56 * 64  # the labelled pixels, each once
    assert scores.loc["mean", "accuracy"] == pytest.approx(np.trace(confusion) / confusion.sum())
    by_micrograph = pd.read_csv(out / "micrographs.csv")
    assert by_micrograph["specimen"].tolist() == ["A", "A", "B", "B"]
    assert by_micrograph["accuracy"].mean() == pytest.approx(scores.loc["mean", "accuracy"])
    assert Image.open(out / "held_out.png").width > 1000
    phases = Phases("classifier", classifier=out / "classifier.safetensors")
    assert phases.names == ("dark", "bright")


def test_a_folder_is_not_replaced_unasked(folders):
    read = labelled.read(folders / "images", folders / "labels")
    out = folders / "classifier"
    learn = {"validate": False, "steps": 1, "progress": False}
    learned = learn_phases(read, NAMES, out, **learn)
    with pytest.raises(ValueError, match="not validated, so no micrograph was held out"):
        learned.figure()
    classifier = learned.classifier
    assert classifier.identity()["path"] == str(out / "classifier.safetensors")
    with pytest.raises(FileExistsError, match="classifier exists; choose another name"):
        learn_phases(read, NAMES, out, **learn, seed=1)
    assert PixelClassifier.load(out / "classifier.safetensors").sha256 == classifier.sha256
    learn_phases(read, NAMES, out, **learn, seed=1, overwrite=True)
    assert sorted(path.name for path in out.iterdir()) == ["classifier.safetensors"]
    with pytest.raises(FileExistsError, match="images exists and is no folder of a classifier"):
        learn_phases(read, NAMES, folders / "images", **learn, overwrite=True)


def test_a_class_without_pixels_is_named(folders):
    read = labelled.read(folders / "images", folders / "labels")
    with pytest.raises(ValueError, match="no pixel is labelled 2 needles"):
        learn_phases(read, [*NAMES, "needles"], validate=False, steps=1, progress=False)
    Image.fromarray(np.full((64, 64), 2, np.uint8)).save(folders / "labels/0.png")
    read = labelled.read(folders / "images", folders / "labels")
    with pytest.raises(ValueError, match=r"0\.png holds 2, which is none of 2 classes"):
        learn_phases(read, NAMES, steps=1, progress=False)
