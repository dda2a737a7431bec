"""Tiles: where they lie, what a pixel of one is, and that each keeps to its image."""

import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

import pspgan as psp
from pspgan import cli, figures
from pspgan.sources import SourceError, Tiling, table, uhcsdb
from pspgan.sources.imaging import area_average
from pspgan.sources.tiles import Window

RNG = np.random.default_rng(0)


def test_whole_factors_are_area_averages():
    grey = RNG.integers(256, size=(96, 144), dtype=np.uint8)
    windows = Tiling(16, um_per_px=0.3).windows(0, grey.shape, 0.1)
    assert len(windows) == 6
    reduced = area_average(grey, 3)
    tiles = [reduced[y : y + 16, x : x + 16] for y in (0, 16) for x in (0, 16, 32)]
    for window, tile in zip(windows, tiles, strict=True):
        np.testing.assert_array_equal(window.cut(grey), tile)


@pytest.mark.parametrize("factor", [1.0, 1.37, 2.5, 0.5, 0.77])
def test_pixels_are_averages_of_the_area_they_cover(factor):
    # Of a linear ramp the average over an area is the value in its middle.
    y, x = np.mgrid[:60, :80] + 0.5
    ramp = (y + 1.5 * x).astype(float)
    window = Window(0, 3.2, 7.9, 20 * factor, 20, 1.0)
    middle = (np.arange(20) + 0.5) * factor
    expected = (3.2 + middle)[:, None] + 1.5 * (7.9 + middle)
    # Within a pixel grey levels are constant: parts of pixels are off by less than half a step of the ramp.
    assert np.abs(window.cut(ramp) - expected).max() <= 0.5 + 1.25 * (factor % 1 > 0 or factor < 1)


def test_brightness_is_kept():
    grey = RNG.integers(256, size=(100, 100), dtype=np.uint8)
    tile = Window(0, 0.0, 0.0, 100.0, 37, 1.0).cut(grey)
    assert tile.mean() == pytest.approx(grey.mean(), abs=0.1)


def test_halves_round_up():
    assert Window(0, 0, 0, 2, 1, 1.0).cut(np.array([[0, 1], [1, 0]], np.uint8)) == 1


def test_tiles_lie_side_by_side_in_the_middle():
    windows = Tiling(100).windows(4, (481, 645), 0.2)
    assert [(w.y, w.x) for w in windows] == [(y, x) for y in (40, 140, 240, 340) for x in range(22, 600, 100)]
    assert {(w.image, w.length, w.um_per_px) for w in windows} == {(4, 100.0, 0.2)}
    # 0.1 um/px of 0.05 um/px are two pixels each; 240 x 322 of these pixels hold 2 x 3 tiles.
    windows = Tiling(100, 0.1).windows(0, (481, 645), 0.05)
    assert [(w.y, w.x) for w in windows] == [(y, x) for y in (40.5, 240.5) for x in (22.5, 222.5, 422.5)]
    assert {w.um_per_px for w in windows} == {0.1}


def test_a_tile_that_just_fits():
    assert len(Tiling(64, 0.1).windows(0, (192, 192), 0.1 / 3)) == 1  # 0.1 / (0.1 / 3) is no whole double


@pytest.mark.parametrize(
    ("tiling", "size", "why"),
    [
        (Tiling(50, 0.1), np.nan, "pixel size unknown"),
        (Tiling(50, 0.1), 0.11, "pixels too large to be enlarged to those of a tile"),
        (Tiling(50, 0.1, enlarge=2), 0.21, "pixels too large"),
        (Tiling(50, 0.1), 0.01, "field smaller than a tile"),
        (Tiling(101), 0.1, "field smaller than a tile"),
    ],
)
def test_why_an_image_has_no_tile(tiling, size, why):
    assert tiling.windows(0, (100, 120), size).startswith(why)
    assert not isinstance(Tiling(50, 0.1, enlarge=2).windows(0, (100, 120), 0.2), str)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"side": 0}, "tile 0 is no number"),
        ({"side": 8, "um_per_px": 0.0}, "0.0 is no pixel size"),
        ({"side": 8, "um_per_px": np.nan}, "nan is no pixel size"),
        ({"side": 8, "um_per_px": (0.1, -1.0)}, "-1.0 is no pixel size"),
        ({"side": 8, "um_per_px": (0.1, 0.3, 0.1)}, "holds no pixel size, or one twice"),
        ({"side": 8, "um_per_px": ()}, "holds no pixel size, or one twice"),
        ({"side": 8, "enlarge": 0.5}, "enlarge 0.5 is below 1"),
    ],
)
def test_a_tiling_that_is_none(values, message):
    with pytest.raises(ValueError, match=message):
        Tiling(**values)


@pytest.fixture
def mixed(tmp_path):
    """Images of several sizes and magnifications, and their table."""
    (tmp_path / "images").mkdir()
    rows = ["file,heat,sample,size"]
    for name, shape, size in [
        ("a", (60, 90), 0.05),
        ("b", (64, 64), 0.1),
        ("c", (200, 130), 0.02),
        ("d", (64, 64), 0.4),
        ("e", (64, 64), ""),
    ]:
        grey = RNG.integers(256, size=shape, dtype=np.uint8)
        Image.fromarray(grey).save(tmp_path / "images" / f"{name}.png")
        rows.append(f"{name}.png,{500 + 10 * ord(name)},bar {name},{size}")
    (tmp_path / "heat.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def test_images_of_any_size(mixed):
    options = {"factors": {"heat": {}}, "specimen": "sample", "um_per_px": "size", "progress": False}
    dataset = table.read(mixed / "heat.csv", mixed / "images", tile=Tiling(20, 0.1), **options)
    assert dataset["micrograph"].shape == (1 * 2 + 3 * 3 + 2 * 1, 20, 20)
    assert dataset["specimen"].values.tolist() == ["bar a"] * 2 + ["bar b"] * 9 + ["bar c"] * 2
    assert set(dataset["um_per_px"].values) == {0.1}
    left_out = json.loads(dataset.attrs["provenance"])["left_out"]
    assert left_out == {
        "pixels too large to be enlarged to those of a tile": ["d.png"],
        "pixel size unknown": ["e.png"],
    }
    assert psp.ensemble.space_of(dataset)["heat"].levels == (500 + 970, 500 + 980, 500 + 990)
    # Where it says that a tile lies, it is.
    for k in range(dataset.sizes["sample"]):
        grey = np.asarray(Image.open(mixed / "images" / dataset["image"].values[k]))
        factor = {"a": 2, "b": 1, "c": 5}[dataset["image"].values[k][0]]
        y, x = (float(dataset[name][k]) for name in ("offset_y", "offset_x"))
        there = Window(0, y, x, 20.0 * factor, 20, 0.1).cut(grey)
        np.testing.assert_array_equal(dataset["micrograph"][k].values, there)
    own = table.read(mixed / "heat.csv", mixed / "images", tile=Tiling(60), **options)
    assert own["um_per_px"].values.tolist()[:2] == [0.05, 0.1]
    assert own.sizes["sample"] == 1 + 1 + 3 * 2 + 1 + 1
    with pytest.raises(
        SourceError, match=r"no tile of 300 px fits into any of 5 images: .*smaller than a tile"
    ):
        table.read(mixed / "heat.csv", mixed / "images", tile=Tiling(300), **options)


def test_several_pixel_sizes_are_a_factor(mixed):
    options = {"factors": {"heat": {}}, "specimen": "sample", "um_per_px": "size", "progress": False}
    dataset = table.read(
        mixed / "heat.csv", mixed / "images", tile=Tiling(20, um_per_px=[0.2, 5, 0.1]), **options
    )
    # a, 60 x 90 px of 0.05 um, has 1 x 2 tiles at 0.1 and is too small at 0.2; b 3 x 3 and 1; c 2 x 1 at 0.1.
    found = Counter(zip(dataset["image"].values.tolist(), dataset["um_per_px"].values.tolist(), strict=True))
    assert found == {("a.png", 0.1): 2, ("b.png", 0.1): 9, ("b.png", 0.2): 1, ("c.png", 0.1): 2}
    space = psp.ensemble.space_of(dataset)
    assert space.names == ("heat", "pixel_size")
    factor = space["pixel_size"]
    assert (factor.levels, factor.unit, factor.scale) == ((0.1, 0.2), "um", "log")  # none is of 5 um
    assert set(dataset["condition"].values) == {"1470-0.1", "1480-0.1", "1480-0.2", "1490-0.1"}
    assert {str(c) for c in space.observed_conditions} == set(dataset["condition"].values)
    np.testing.assert_array_equal(dataset["pixel_size"], dataset["um_per_px"])
    for k in range(dataset.sizes["sample"]):
        name, at = dataset["image"].values[k], float(dataset["um_per_px"][k])
        assert dataset["specimen"].values[k] == f"bar {name[0]}"
        grey = np.asarray(Image.open(mixed / "images" / name))
        length = 20 * at / {"a": 0.05, "b": 0.1, "c": 0.02}[name[0]]
        corner = (float(dataset[axis][k]) for axis in ("offset_y", "offset_x"))
        np.testing.assert_array_equal(dataset["micrograph"][k], Window(0, *corner, length, 20, at).cut(grey))
    provenance = json.loads(dataset.attrs["provenance"])
    assert provenance["left_out"] == {
        "pixels too large to be enlarged to those of a tile; field smaller than a tile": ["d.png"],
        "pixel size unknown": ["e.png"],
    }
    assert provenance["notes"] == [
        "factor heat: ordinal, 3 levels, 1470 to 1490, linear axis",
        "1 tiles of 20 x 20 px at 0.2 um/px, from 1 images; none from 2 (field smaller than a tile), "
        "1 (pixels too large to be enlarged to those of a tile), 1 (pixel size unknown)",
        "0 tiles of 20 x 20 px at 5 um/px, from 0 images; none from 4 (field smaller than a tile), "
        "1 (pixel size unknown)",
        "13 tiles of 20 x 20 px at 0.1 um/px, from 3 images; none from "
        "1 (pixels too large to be enlarged to those of a tile), 1 (pixel size unknown)",
    ]


def test_a_pixel_size_that_the_table_gives_as_a_factor(mixed):
    options = {"specimen": "sample", "um_per_px": "size", "progress": False}
    columns = {"factors": {"heat": {}, "pixel_size": {"column": "size", "unit": "um"}}}
    rows = (mixed / "heat.csv").read_text().splitlines()[:-1]  # but for the row without a pixel size
    (mixed / "heat.csv").write_text("\n".join(rows))
    with pytest.raises(SourceError, match=r"several pixel sizes make pixel_size.*leave --factor pixel_size"):
        table.read(mixed / "heat.csv", mixed / "images", tile=Tiling(20, (0.1, 0.2)), **columns, **options)
    own = table.read(mixed / "heat.csv", mixed / "images", tile=Tiling(60), **columns, **options)
    np.testing.assert_array_equal(own["pixel_size"], own["um_per_px"])
    with pytest.raises(psp.EnsembleError, match=r"pixels of 0\.1 um, its condition says pixel_size 0\.05"):
        table.read(mixed / "heat.csv", mixed / "images", tile=Tiling(20, 0.1), **columns, **options)


@pytest.mark.parametrize("size", [0.0, -0.1, np.nan, np.inf])
def test_a_pixel_size_for_all_that_is_none(mixed, size):
    options = {"factors": {"heat": {}}, "specimen": "sample", "progress": False}
    for tile in (None, Tiling(20, 0.1)):
        with pytest.raises(SourceError, match="is no pixel size; leave it out"):
            table.read(mixed / "heat.csv", mixed / "images", um_per_px=size, tile=tile, **options)


def test_command(mixed):
    words = ["import", "table", str(mixed / "heat.csv"), str(mixed / "images"), "--factor", "heat"]
    words += ["--specimen", "sample", "--um-per-px", "size", "-o", str(mixed / "real.zarr")]
    result = CliRunner().invoke(
        cli.app, [*words, "--tile", "20", "--tile-um-per-px", "0.1", "--enlarge", "4"]
    )
    assert result.exit_code == 0, result.output
    assert "tiles of 20 x 20 px at 0.1 um/px, from 4 images" in result.output
    assert psp.open_ensemble(mixed / "real.zarr")["specimen"].values.tolist().count("bar d") == 256 // 20 * (
        256 // 20
    )
    with pytest.raises(ValueError, match=r"have no size.*--tile 256"):
        cli.app([*words, "--tile-um-per-px", "0.1"], standalone_mode=False)
    with pytest.raises(ValueError, match=r'"0.1;0.2" is no pixel size; write .* 0.1,0.3,1'):
        cli.app([*words, "--tile", "20", "--tile-um-per-px", "0.1;0.2"], standalone_mode=False)
    both = [*words[:-1], str(mixed / "both.zarr"), "--tile", "20", "--tile-um-per-px", "0.1, 0.2"]
    result = CliRunner().invoke(cli.app, both)
    assert result.exit_code == 0, result.output
    assert set(psp.open_ensemble(mixed / "both.zarr")["pixel_size"].values) == {0.1, 0.2}


@pytest.mark.parametrize(("um_per_px", "enlarge"), [(0.1, 1.0), (1.0, 2.0), ((0.1, 1.0), 2.0)])
def test_uhcsdb_at_chosen_pixel_sizes(shared, um_per_px, enlarge):
    whole = uhcsdb.read(shared / "uhcsdb", progress=False)
    tiling = Tiling(256, um_per_px, enlarge)
    tiles = uhcsdb.read(shared / "uhcsdb", tile=tiling, progress=False)
    name_of = dict(zip(whole["image"].values, range(429), strict=True))
    at = [name_of[name] for name in tiles["image"].values]
    for kept in ("specimen", "temperature", "time", "cooling", "microconstituent"):
        np.testing.assert_array_equal(tiles[kept], whole[kept].values[at])
    assert set(tiles["um_per_px"].values) == set(tiling.sizes)
    for size in tiling.sizes:
        # Counted independently: whole tiles that fit into 481 x 645 px of each pixel size.
        factor = size / whole["um_per_px"].values
        counts = [np.floor(n / (256 * factor) + 1e-6) for n in (481, 645)]
        expected = int(np.sum(np.where(factor * enlarge >= 1 - 1e-6, counts[0] * counts[1], 0)))
        assert np.sum(tiles["um_per_px"].values == size) == expected
        assert expected > 20
        # Of a figure of these tiles, the bar is as many px long as it says in um.
        first, second = np.flatnonzero(tiles["um_per_px"].values == size)[:2]
        pair = {"first": first, "second": second, "shift_x": 0, "shift_y": 0, "correlation": 1.0}
        axes = figures.pairs_of_micrographs(tiles, pd.DataFrame([pair])).axes[0]
        start, end = axes.lines[0].get_xdata(orig=False)
        assert (end - start) * size == pytest.approx(float(axes.get_xlabel().removesuffix(" µm")))
    if tiling.makes_factor:
        treatment = whole["condition"].values.astype(str)[at]
        expected = [f"{one}-{size:g}" for one, size in zip(treatment, tiles["um_per_px"].values, strict=True)]
        assert tiles["condition"].values.tolist() == expected
    else:
        np.testing.assert_array_equal(tiles["condition"], whole["condition"].values[at])
