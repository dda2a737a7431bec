"""Decoding to grey, lazy stacks, area averages: against arithmetic written out, and on damaged files."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from pspgan.sources import imaging
from pspgan.sources.imaging import ImageError
from pspgan.sources.options import parse_crop
from pspgan.sources.tiles import Tiling, take


@pytest.fixture
def grey():
    return np.random.default_rng(0).integers(0, 256, (12, 17), dtype=np.uint8)


def save(path, image, **options):
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_grey_bits_survive(tmp_path, grey, suffix):
    path = save(tmp_path / f"a{suffix}", grey)
    read = imaging.read_grey(path)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, grey)
    assert imaging.size(path) == grey.shape


def test_grey_stored_as_colour_is_unchanged(tmp_path, grey):
    for mode in ("RGB", "RGBA", "LA"):
        path = save(tmp_path / f"{mode}.png", Image.fromarray(grey).convert(mode))
        np.testing.assert_array_equal(imaging.read_grey(path), grey, err_msg=mode)


def test_palette_is_looked_up(tmp_path, grey):
    image = Image.fromarray(grey % 4, mode="P")
    image.putpalette([200, 200, 200, 10, 10, 10, 0, 0, 0, 90, 90, 90])
    np.testing.assert_array_equal(
        imaging.read_grey(save(tmp_path / "p.png", image)), np.array([200, 10, 0, 90], np.uint8)[grey % 4]
    )


def test_colour_becomes_bt601_luma(tmp_path):
    colour = np.random.default_rng(1).integers(0, 256, (9, 8, 3), dtype=np.uint8)
    luma = colour @ np.array([0.299, 0.587, 0.114])
    read = imaging.read_grey(save(tmp_path / "c.png", colour))
    assert np.abs(read - luma).max() <= 0.51


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_become_8_over_the_full_range(tmp_path, suffix):
    depth = np.array([[0, 128, 129, 257], [32768, 40000, 65406, 65535]], np.uint16)
    read = imaging.read_grey(save(tmp_path / f"d{suffix}", depth))
    np.testing.assert_array_equal(read, np.round(depth / 257).astype(np.uint8))
    assert read.max() == 255


def test_exif_orientation_is_applied(tmp_path, grey):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    path = save(tmp_path / "turned.png", grey, exif=exif)
    np.testing.assert_array_equal(imaging.read_grey(path), np.rot90(grey, -1))
    assert imaging.size(path) == grey.shape[::-1]


def test_bar_and_crop_keep_the_upper_left(tmp_path, grey):
    path = save(tmp_path / "a.png", grey)
    np.testing.assert_array_equal(imaging.read_grey(path, bar=3), grey[:9])
    np.testing.assert_array_equal(imaging.read_grey(path, bar=3, crop=(5, 7)), grey[:5, :7])
    with pytest.raises(ImageError, match=r"a\.png is 17 x 12 px, nothing is left above the bar of 12 rows"):
        imaging.read_grey(path, bar=12)
    with pytest.raises(ImageError, match=r"a\.png is 17 x 9 px, smaller than the crop to 17 x 10 px"):
        imaging.read_grey(path, bar=3, crop=(10, 17))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
def test_truncated_file_is_named(tmp_path, grey, suffix):
    path = save(tmp_path / f"cut{suffix}", np.tile(grey, (20, 20)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(ImageError, match=rf"cut\{suffix}.*Replace the file"):
        imaging.read_grey(path)


def test_truncation_is_said(tmp_path, grey):
    path = save(tmp_path / "cut.png", np.tile(grey, (20, 20)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(ImageError, match=r"cut\.png is truncated"):
        imaging.read_grey(path)


def test_what_has_no_grey_level_is_refused(tmp_path, grey):
    clear = Image.fromarray(grey).convert("RGBA")
    clear.putpixel((3, 3), (0, 0, 0, 10))
    floating = Image.fromarray(grey.astype(np.float32))
    wide = Image.fromarray(grey.astype(np.int32) * 1000)
    for name, image, message in [
        ("clear.png", clear, "transparent"),
        ("float.tif", floating, "floating-point"),
        ("wide.tif", wide, "32-bit"),
    ]:
        with pytest.raises(ImageError, match=rf"{name}.*{message}"):
            imaging.read_grey(save(tmp_path / name, image))
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(ImageError, match=r"text\.png is no image"):
        imaging.size(tmp_path / "text.png")
    with pytest.raises(FileNotFoundError, match=r"absent\.png"):
        imaging.read_grey(tmp_path / "absent.png")


def test_decompression_bomb_is_refused_by_name(tmp_path, grey, monkeypatch):
    path = save(tmp_path / "bomb.png", grey)
    monkeypatch.setattr(
        Image, "MAX_IMAGE_PIXELS", grey.size - 1
    )  # Pillow itself only warns up to twice the limit
    with (
        pytest.warns(Image.DecompressionBombWarning),
        pytest.raises(ImageError, match=r"bomb\.png is refused"),
    ):
        imaging.read_grey(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", grey.size // 2 - 1)
    with pytest.raises(ImageError, match=r"bomb\.png is refused.*MAX_IMAGE_PIXELS"):
        imaging.size(path)
    with pytest.raises(ImageError, match=r"bomb\.png is refused"):
        imaging.stack([path], progress=False)


def test_stack_is_lazy_and_in_order(tmp_path):
    images = np.random.default_rng(2).integers(0, 256, (5, 8, 6), dtype=np.uint8)
    files = [save(tmp_path / f"{i}.png", image) for i, image in enumerate(images)]
    lazy, digest = imaging.stack(files[::-1], bar=[0, 0, 0, 0, 0], crop=(6, 6), progress=False)
    assert lazy.chunks == ((1,) * 5, (6,), (6,))
    np.testing.assert_array_equal(lazy.compute(), images[::-1, :6])
    np.testing.assert_array_equal(lazy[3].compute(), images[1, :6])
    assert digest == imaging.stack(files[::-1], progress=False)[1] != imaging.stack(files, progress=False)[1]


def test_stack_cuts_each_its_own_bar(tmp_path):
    files = [save(tmp_path / f"{h}.png", np.full((h, 4), h, np.uint8)) for h in (10, 8)]
    lazy, _ = imaging.stack(files, bar=[2, 0], progress=False)
    np.testing.assert_array_equal(lazy.mean(axis=(1, 2)), [10, 8])


def test_file_that_breaks_after_the_check_is_named_when_read(tmp_path, grey):
    path = save(tmp_path / "a.png", np.tile(grey, (20, 20)))
    lazy, _ = imaging.stack([path], progress=False)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ImageError, match=r"a\.png is truncated"):
        lazy.compute()


def test_stack_names_the_image_of_another_size(tmp_path):
    shapes = [(8, 6), (8, 6), (7, 9), (8, 6)]
    files = [save(tmp_path / f"m{i}.png", np.zeros(shape, np.uint8)) for i, shape in enumerate(shapes)]
    with pytest.raises(
        ImageError, match=r"m2\.png is 9 x 7 px, but 3 of 4 images are 6 x 8 px\..*--crop 6x7"
    ):
        imaging.stack(files, progress=False)
    assert imaging.stack(files, crop=parse_crop("6x7"), progress=False)[0].shape == (4, 7, 6)


def test_stack_counts_unusable_files(tmp_path, grey):
    files = [save(tmp_path / "good.png", grey), tmp_path / "bad.png", tmp_path / "worse.png"]
    for path in files[1:]:
        path.write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"bad\.png.*\(1 more cannot be used either\)"):
        imaging.stack(files, progress=False)
    with pytest.raises(ImageError, match="no image to read"):
        imaging.stack([], progress=False)


@pytest.mark.parametrize("factor", [1, 2, 3, 5, 15, 16, 17, 40])
def test_area_average_is_the_rounded_mean(factor):
    image = np.random.default_rng(factor).integers(0, 256, (2, 81, 95), dtype=np.uint8)
    image[0] = 255
    rows, columns = 81 // factor, 95 // factor
    blocks = image[:, : rows * factor, : columns * factor].reshape(2, rows, factor, columns, factor)
    expected = np.floor(blocks.astype(np.int64).sum((2, 4)) / factor**2 + 0.5)
    average = imaging.area_average(image, factor)
    assert average.dtype == np.uint8
    np.testing.assert_array_equal(average, expected)
    assert not np.shares_memory(average, image)


def test_area_average_refuses_nonsense():
    image = np.zeros((1, 8, 8), np.uint8)
    for factor in (0, -1, 2.5):
        with pytest.raises(ValueError, match="no positive integer"):
            imaging.area_average(image, factor)
    with pytest.raises(ValueError, match="factor 9 exceeds the image of 8 x 8 px"):
        imaging.area_average(image, 9)
    with pytest.raises(ValueError, match="float64"):
        imaging.area_average(image.astype(float), 2)


def test_parse_crop():
    assert parse_crop(" 645 x 481") == (481, 645)
    for text in ("645", "0x3", "axb", "6x4x2"):
        with pytest.raises(ValueError, match="width x height"):
            parse_crop(text)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_undone(tmp_path, grey, orientation):
    # What a viewer does to the stored rows, after the EXIF standard: where row 0 and column 0 are to lie
    seen = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: np.transpose,
        6: lambda a: np.rot90(a, -1),
        7: lambda a: np.rot90(a, 2).T,
        8: np.rot90,
    }[orientation](grey)
    exif = Image.Exif()
    exif[0x0112] = orientation
    for suffix in (".png", ".tif"):
        path = save(tmp_path / f"{orientation}{suffix}", grey, exif=exif)
        np.testing.assert_array_equal(imaging.read_grey(path), seen)
        assert imaging.size(path) == seen.shape


@pytest.mark.parametrize("options", [{}, {"bigtiff": True}, {"byteorder": ">"}, {"compression": "zlib"}])
def test_tiff_of_every_make(tmp_path, options):
    rng = np.random.default_rng(3)
    deep = rng.integers(0, 65536, (20, 33), dtype=np.uint16)
    shallow = rng.integers(0, 256, (20, 33), dtype=np.uint8)
    path = tmp_path / "a.tif"
    for image, expected in ((deep, np.round(deep / 257)), (shallow, shallow)):
        tifffile.imwrite(path, image, **options)
        np.testing.assert_array_equal(imaging.read_grey(path), expected)
    tifffile.imwrite(path, np.repeat(shallow[..., None], 3, axis=2), photometric="rgb", **options)
    np.testing.assert_array_equal(imaging.read_grey(path), shallow)


def test_tiff_of_which_0_is_white(tmp_path):
    deep = np.array([[0, 257, 40_000, 65535]], np.uint16)
    for name, image in (("deep", deep), ("shallow", np.array([[0, 1, 156, 255]], np.uint8))):
        path = tmp_path / f"{name}.tif"
        tifffile.imwrite(path, image, photometric="miniswhite")
        np.testing.assert_array_equal(imaging.read_grey(path), 255 - np.round(image * (255 / image.max())))


def test_signed_levels(tmp_path):
    path = tmp_path / "signed.tif"
    tifffile.imwrite(path, np.array([[0, 257, 32767]], np.int16))
    np.testing.assert_array_equal(imaging.read_grey(path), [[0, 1, 127]])
    tifffile.imwrite(path, np.array([[-1, 5]], np.int16))
    with pytest.raises(ImageError, match=r"signed\.tif has negative grey levels"):
        imaging.read_grey(path)
    tifffile.imwrite(path, np.array([[-1, 5]], np.int8))
    with pytest.raises(ImageError, match=r"signed\.tif has signed grey levels of 8 bits"):
        imaging.read_grey(path)


def test_of_several_pages_the_first_is_read_and_that_is_said(tmp_path):
    pages = np.random.default_rng(4).integers(0, 256, (3, 9, 11), dtype=np.uint8)
    files = [tmp_path / "stack.tif", save(tmp_path / "one.png", pages[1])]
    tifffile.imwrite(files[0], pages, photometric="minisblack")
    moving = [Image.fromarray(page) for page in pages]
    files.append(save(tmp_path / "moving.png", moving[2], save_all=True, append_images=moving[:2]))
    notes = []
    lazy, _ = imaging.stack(files, notes=notes, progress=False)
    np.testing.assert_array_equal(lazy.compute(), [pages[0], pages[1], pages[2]])
    assert notes == ["2 of 3 files have several pages; the first was read (stack.tif, moving.png)"]


def test_white_of_a_camera(tmp_path):
    levels = np.array([[0, 8, 9, 2048, 4087, 4095]], np.uint16)
    dim, bright = (
        save(tmp_path / f"{name}.png", image) for name, image in (("dim", levels // 2), ("b", levels))
    )
    notes = []
    lazy, _ = imaging.stack([dim, bright], white=4095, notes=notes, progress=False)
    expected = np.floor(np.stack([levels // 2, levels]) * (255 / 4095) + 0.5)
    np.testing.assert_array_equal(lazy.compute(), expected)
    assert not notes
    np.testing.assert_array_equal(imaging.read_grey(bright, white=2048), [[0, 1, 1, 255, 255, 255]])
    imaging.stack([dim, bright], white=2048, notes=notes, progress=False)
    assert notes == ["1 of 2 images have levels above white 2048 (b.png)"]
    with pytest.raises(ImageError, match="white 65536 is no grey level of 16 bits"):
        imaging.stack([dim], white=65536, progress=False)
    with pytest.raises(ImageError, match=r"eight\.png has 8 bits; white 4095"):
        imaging.stack(
            [bright, save(tmp_path / "eight.png", levels.astype(np.uint8))], white=4095, progress=False
        )


def test_16_bits_that_would_turn_dark_are_said(tmp_path):
    levels = np.array([[0, 100, 4000]], np.uint16)
    files = [save(tmp_path / "a.png", levels), save(tmp_path / "b.png", levels // 2)]
    notes = []
    imaging.stack(files, notes=notes, progress=False)
    assert len(notes) == 1
    assert notes[0].startswith("dark: 2 of 2 images have 16 bits but no grey level above 4000;")
    assert notes[0].endswith("12 bits took them, import with --white 4095 (a.png, b.png)")
    files.append(save(tmp_path / "c.png", levels * 16))  # fills the range: the others are dark of themselves
    notes.clear()
    imaging.stack(files, notes=notes, progress=False)
    assert not notes


def test_bar_and_crop_with_tiles(tmp_path):
    images = np.random.default_rng(5).integers(0, 256, (2, 30, 40), dtype=np.uint8)
    files = [save(tmp_path / f"{i}.png", image) for i, image in enumerate(images)]

    def tiles(bar, crop):
        taken = take(files, ["0", "1"], [1.0, 1.0], Tiling(8), {}, bar=[bar] * 2, crop=crop, progress=False)
        return taken.micrograph.compute(), taken.offset

    # A field of 24 rows above the bar, of which 24 x 20 px remain: 3 x 2 tiles, 2 px of margin beside them.
    found, offset = tiles(6, (24, 20))
    expected = [image[y : y + 8, x : x + 8] for image in images for y in (0, 8, 16) for x in (2, 10)]
    np.testing.assert_array_equal(found, expected)
    assert offset[:2] == [(0, 2), (0, 10)]
    for bar, crop, message in (
        (6, (25, 20), r"0\.png is 40 x 24 px, smaller than the crop to 20 x 25 px"),
        (30, None, r"0\.png is 40 x 30 px, nothing is left above the bar of 30 rows"),
        (-1, None, "bar -1 is no number of rows"),
    ):
        with pytest.raises(ImageError, match=message):
            tiles(bar, crop)
