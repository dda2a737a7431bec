"""Generators that fail in a known way, made of arrays: each is caught by the question that it fails."""

import numpy as np
import pytest
from steel import steel

from pspgan import evaluate

SPLITS = 20


def with_micrographs(dataset, micrograph):
    return dataset.assign(micrograph=(("sample", "y", "x"), micrograph))


def judged(real, gen):
    """Subject -> finding."""
    return {one.subject: one for one in evaluate(real, gen, splits=SPLITS).findings}


def test_an_honest_second_draw_passes(real, honest):
    report = evaluate(real, honest, splits=SPLITS)
    subjects = {one.subject: one.verdict for one in report.findings}
    assert {"difference", "scale", "diversity", "memorisation", "leakage"} < set(subjects)
    assert "found" not in subjects.values()
    assert subjects["memorisation"] == subjects["leakage"] == subjects["diversity"] == "none found"
    # Read well enough off real micrographs to be missed where a generator ignores it.
    assert subjects["consistency, cooling"] == "none found"


def test_copies_of_the_training_set(real):
    """Crops at random places, flipped at random, under noise of their own, as training shows them."""
    rng = np.random.default_rng(0)
    crops = []
    for image in real["micrograph"].values:
        y, x = rng.integers(0, 17, 2)
        crop = image[y : y + 48, x : x + 48][:: rng.choice([-1, 1]), :: rng.choice([-1, 1])]
        crops.append(np.clip(crop + rng.normal(0, 8, crop.shape), 0, 255).astype(np.uint8))
    copies = with_micrographs(real.drop_vars("phase").isel(y=slice(48), x=slice(48)), np.stack(crops))
    report = evaluate(real, copies, splits=SPLITS)
    (finding,) = (one for one in report.findings if one.subject == "memorisation")
    assert finding.verdict == "found"
    line = report.table.query("kind == 'memorisation' and quantity == 'pixels'").iloc[0]
    assert line["generated"] > 0.95
    assert line["real_high"] < 0.1
    # The sources are named, too.
    assert [pair.source for pair in report.pairs] == [f"sample {pair.generated}" for pair in report.pairs]
    assert min(pair.correlation for pair in report.pairs) > 0.9


def test_a_generator_that_ignores_its_condition(real, honest):
    order = np.random.default_rng(0).permutation(honest.sizes["sample"])
    found = judged(real, with_micrographs(honest, honest["micrograph"].values[order]))
    assert found["consistency, cooling"].verdict == "found"
    assert "ignored" in found["consistency, cooling"].text
    assert found["difference"].verdict == "found"
    assert {found[name].verdict for name in ("memorisation", "leakage")} == {"none found"}


def test_a_single_sample_a_condition(real, honest):
    images = honest["micrograph"].values.copy()
    for condition in np.unique(honest["condition"].values):
        rows = np.flatnonzero(honest["condition"].values == condition)
        images[rows] = images[rows[0]]
    found = judged(real, with_micrographs(honest, images))
    assert found["diversity"].verdict == "found"
    assert "less than real: 0.00 [0.00, 0.00]" in found["diversity"].text
    assert "100.0 %" in found["diversity"].text
    assert found["memorisation"].verdict == found["leakage"].verdict == "none found"


def test_a_pixel_size_off_by_two(real):
    """Of spheroidite, which either pixel resolves; lamellae vanish, and a network outgrows the field."""
    spheroidite = [c not in ("700-5-Q", "900-90-650-1H") for c in real["condition"].values]
    coarse = steel(2000, um_per_px=0.14).isel(sample=spheroidite)
    coarse["um_per_px"][:] = 0.07
    report = evaluate(real.isel(sample=spheroidite), coarse, splits=SPLITS)
    found = {one.subject: one for one in report.findings}
    assert found["scale"].verdict == found["difference"].verdict == "found"
    assert "A pixel size that is off by that factor" in found["scale"].text
    whole = report.table.query("condition == 'all'").set_index(["kind", "quantity"]).sort_index()
    for quantity in ("two_point", "mean_chord_length", "correlation_length"):
        assert whole.loc[("distance", quantity), "ratio_low"] > 1.1, quantity
    line = whole.loc[("frechet", "descriptors")]
    assert line["generated_low"] > line["real_high"]
    assert 0.4 < whole.loc[("scale", "two_point"), "generated"] < 0.65  # 0.5, but for the microscope's blur
    assert found["memorisation"].verdict == found["leakage"].verdict == "none found"


@pytest.mark.parametrize("what", ["cutout", "translation"])
def test_augmentations_that_leak(real, honest, what):
    """As DiffAugment draws them: a square of half the side, or what a shift uncovers, in mid grey."""
    rng = np.random.default_rng(0)
    images = honest["micrograph"].values.copy()
    for i, image in enumerate(images):
        if what == "cutout":
            y, x = rng.integers(0, 65, 2)
            image[max(y - 16, 0) : y + 16, max(x - 16, 0) : x + 16] = 128
        else:
            by = rng.integers(-8, 9, 2)
            moved = np.full((80, 80), 128, np.uint8)
            moved[8 + by[0] : 72 + by[0], 8 + by[1] : 72 + by[1]] = image
            images[i] = moved[8:72, 8:72]
    report = evaluate(real, with_micrographs(honest, images), splits=SPLITS)
    found = {one.subject: one for one in report.findings}
    assert found["leakage"].verdict == "found"
    name = {"cutout": "flat_square", "translation": "flat_border"}[what]
    line = report.table.query(f"kind == 'leakage' and quantity == '{name}'").iloc[0]
    assert line["generated"] > 0.9
    assert line["real_high"] < 0.1
    assert found["memorisation"].verdict == "none found"
