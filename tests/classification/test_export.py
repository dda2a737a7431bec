"""Exported folders: whole or not at all, read back as other tools read them."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_files
from textures import generated_ensemble, real_ensemble

from pspgan.classification import SyntheticMix, export_folders
from pspgan.ensemble import EnsembleError


@pytest.fixture
def mix():
    real = real_ensemble({"round": [3, 2], "coarse": [2]})
    return SyntheticMix(real, generated_ensemble({"A": "round", "B": "coarse"}, 9, []), 1.0)


def test_what_is_read_back_is_what_was_mixed(tmp_path, mix):
    held_out = real_ensemble({"lamellar": [2]}, seed=9)
    export_folders({"train": mix, "held_out": held_out}, tmp_path / "set", progress=False)
    manifest = pd.read_csv(tmp_path / "set" / "manifest.csv")
    train = manifest[manifest["part"] == "train"]
    assert len(train) == len(mix)
    for item, row in train.reset_index(drop=True).iterrows():
        np.testing.assert_array_equal(Image.open(tmp_path / "set" / row["file"]), mix.micrograph[item])
        assert row["file"].startswith(f"train/{row['class']}/{row['origin']}_")
        assert row["class"] == mix.classes[mix.label[item]]
        assert (row["specimen"], row["condition"]) == (mix.specimen[item], mix.condition[item])
    assert manifest["um_per_px"].tolist() == pytest.approx([0.1] * len(manifest))
    # scikit-learn numbers folders as torchvision's ImageFolder does, by their sorted names.
    for part in ("train", "held_out"):
        assert load_files(tmp_path / "set" / part).target_names == ["coarse", "lamellar", "round"]
    read = load_files(tmp_path / "set" / "train", load_content=False)
    assert np.bincount(read.target).tolist() == [4, 0, 10]


def test_a_specimen_on_both_sides_is_refused_and_nothing_is_left(tmp_path, mix):
    real = real_ensemble({"round": [3, 2]})
    with pytest.raises(EnsembleError, match="on both sides"):
        export_folders({"train": mix, "held_out": real}, tmp_path / "set", progress=False)
    assert list(tmp_path.iterdir()) == []


def test_an_error_half_way_leaves_nothing(tmp_path, mix, monkeypatch):
    count = iter(range(100))
    save = Image.Image.save

    def failing(self, *arguments, **options):
        if next(count) == 5:
            raise OSError("no space left")
        return save(self, *arguments, **options)

    monkeypatch.setattr(Image.Image, "save", failing)
    with pytest.raises(OSError, match="no space"):
        export_folders(mix, tmp_path / "set", progress=False)
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_export_is_replaced_only_when_asked(tmp_path, mix):
    export_folders(mix, tmp_path / "set", progress=False)
    with pytest.raises(FileExistsError, match="overwrite"):
        export_folders(mix, tmp_path / "set", progress=False)
    export_folders(mix, tmp_path / "set", overwrite=True, progress=False)
    (tmp_path / "other").mkdir()
    with pytest.raises(FileExistsError, match="no export"):
        export_folders(mix, tmp_path / "other", overwrite=True, progress=False)


def test_names_that_are_no_file_names(tmp_path):
    real = real_ensemble({"round": [2], "coarse": [2]})
    told = np.where(real["microconstituent"].values == "round", "a/b: c+d", "../x")
    export_folders(real.assign_coords(microconstituent=("sample", told)), tmp_path / "set", progress=False)
    assert sorted(p.name for p in (tmp_path / "set" / "train").iterdir()) == ["_x", "a_b_c+d"]
    same = np.where(real["microconstituent"].values == "round", "a/b", "A b")
    with pytest.raises(ValueError, match="would share the folder"):
        export_folders(real.assign_coords(microconstituent=("sample", same)), tmp_path / "s", progress=False)
