"""Labelled micrographs: what belongs together, and what does not is named."""

import numpy as np
import pytest
from PIL import Image

from pspgan.sources import ImageError, SourceError, labelled


@pytest.fixture
def folders(tmp_path):
    """Folders of three micrographs, labels of two of them, and a table."""
    rng = np.random.default_rng(0)
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for name in ("a", "b", "c"):
        Image.fromarray(rng.integers(0, 256, (20, 30), dtype=np.uint8)).save(tmp_path / f"images/{name}.tif")
    for name in ("c", "a"):
        label = rng.integers(0, 2, (20, 30), dtype=np.uint8)
        label[0] = 255
        Image.fromarray(label).save(tmp_path / f"labels/{name}.png")
    (tmp_path / "table.csv").write_text("file,heat,bar,px\nc.tiff,H2,10,50\nb.tiff,H1,10,50\na.tiff,H1,5,\n")
    return tmp_path


def read(folders, **options):
    return labelled.read(folders / "images", folders / "labels", **options)


def with_table(folders, **options):
    options = {"table": folders / "table.csv", "image_column": "file", "specimen": "heat"} | options
    return read(folders, **options)


def test_micrographs_find_their_labels_and_rows(folders):
    found = with_table(folders, um_per_px="bar/px")
    assert found.images == ("a.tif", "c.tif")
    assert found.specimen == ("H1", "H2")
    np.testing.assert_array_equal(found.um_per_px, [np.nan, 0.2])
    for i, name in enumerate("ac"):
        np.testing.assert_array_equal(
            found.micrographs[i], np.array(Image.open(folders / f"images/{name}.tif"))
        )
        np.testing.assert_array_equal(found.labels[i], np.array(Image.open(folders / f"labels/{name}.png")))


def test_without_a_table_each_micrograph_is_a_specimen(folders):
    found = read(folders, um_per_px=0.5)
    assert found.specimen == ("a.tif", "c.tif")
    assert found.um_per_px == (0.5, 0.5)


def test_indices_into_a_palette_are_labels(folders):
    image = Image.fromarray(np.full((20, 30), 1, np.uint8), "L").convert("P")
    image.putdata([1] * 600)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.save(folders / "labels/a.png")
    assert (read(folders).labels[0] == 1).all()


def spoil_colour(folders):
    Image.new("RGB", (30, 20)).save(folders / "labels/a.png")


def spoil_size(folders):
    Image.new("L", (31, 20)).save(folders / "labels/a.png")


def spoil_content(folders):
    (folders / "labels/a.png").write_bytes(b"no image")


def spoil_name(folders):
    (folders / "labels/a.png").rename(folders / "labels/z.png")


def spoil_twice(folders):
    Image.new("L", (30, 20)).save(folders / "images/a.png")


def spoil_row(folders):
    (folders / "table.csv").write_text("file,heat,bar,px\nc.tif,H2,1,2\n")


def spoil_specimen(folders):
    (folders / "table.csv").write_text("file,heat,bar,px\nc.tif,H2,1,2\na.tif,,1,2\n")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_colour, r"a\.png is of mode RGB; a label image has 8 bits without colour"),
        (spoil_size, r"a\.png is \(20, 31\), but its micrograph \(20, 30\)"),
        (spoil_content, r"a\.png cannot be read"),
        (spoil_name, r"labels: z\.png of no micrograph in .*images; names must agree"),
        (spoil_twice, r"a\.tif and .*a\.png have one name"),
        (spoil_row, r'table\.csv has no row for a\.tif: none whose "file" is that name'),
        (spoil_specimen, r"table\.csv, row 3: heat is blank"),
    ],
)
def test_what_does_not_fit_is_named(folders, spoil, message):
    spoil(folders)
    with pytest.raises((ImageError, SourceError), match=message):
        with_table(folders)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"specimen": "heats"}, "heats"),
        ({"um_per_px": "a/b/c"}, "a"),
        ({"table": None}, '"heat" names a column; say of which table'),
    ],
)
def test_columns_that_are_not_there_are_named(folders, options, message):
    with pytest.raises(SourceError, match=message):
        with_table(folders, **options)
