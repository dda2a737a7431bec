"""Image files as grey micrographs: decoding, the instrument bar, lazy stacks, and area averages.

Pillow reads the files. Every image is decoded once when a stack is made, so that a damaged file is named at
once and not hours later; the pixels are then dropped and read again when they are used.
"""

from __future__ import annotations

import hashlib
import io
import os
import struct
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import dask.array
import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from ..progress import progress_bar
from .summary import some

if TYPE_CHECKING:
    from .tiles import Window

SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp")

# What Pillow raises on a file that is damaged or no image.
_DAMAGED = (OSError, EOFError, SyntaxError, ValueError, struct.error, zlib.error)
_WHITE = 65535
_DARK = 2**14 - 1  # of 16 bits: what no image exceeds, a camera of 10, 12 or 14 bits has probably written
_WIDTH, _PHOTOMETRIC, _SAMPLE_FORMAT = 256, 262, 339  # tags of a TIFF
_MIN_IS_WHITE, _SIGNED = 0, 2  # values of them
_TURNED = (5, 6, 7, 8)  # EXIF orientations that swap rows and columns


class ImageError(ValueError):
    """An image that cannot be used; the message names the file."""


def size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Rows and columns of an image as it is meant to be seen, from its header.

    Raises:
        FileNotFoundError: there is no such file.
        ImageError: it is no image, or so large that it looks like a decompression bomb.
    """
    try:
        with Image.open(path) as image:
            width, height = image.size
            # Of a TIFF Pillow may have turned the size already.
            as_stored = width == getattr(image, "tag_v2", {}).get(_WIDTH, width)
            turned = as_stored and image.getexif().get(ExifTags.Base.Orientation) in _TURNED
    except FileNotFoundError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(path, str(error)) from None
    except _DAMAGED as error:
        raise _damaged(path, error) from None
    return (width, height) if turned else (height, width)


def remaining_size(path: str | os.PathLike[str], bar: int, crop: tuple[int, int] | None) -> tuple[int, int]:
    """Rows and columns that bar and crop leave of an image, from its header.

    Raises:
        FileNotFoundError: there is no such file.
        ImageError: it is no image, too large, or bar and crop leave nothing of it.
    """
    return _remaining(size(path), path, bar, crop)


def read_grey(
    path: str | os.PathLike[str],
    *,
    bar: int = 0,
    crop: tuple[int, int] | None = None,
    white: int | None = None,
) -> np.ndarray:
    """Decode an image to grey levels, (y, x) uint8.

    Colour becomes luma (ITU-R BT.601, as Pillow computes it), 16 bits become 8 over the full range
    (65535 -> 255) or that of the camera (``white``), an EXIF orientation is applied; of a file with several
    pages the first is read.

    Args:
        path: the image file.
        bar: rows of the instrument bar, cut off the bottom.
        crop: rows and columns to keep, from the upper left corner; everything where None.
        white: grey level of 16 bits that becomes 255, as do all above; 65535 where None.

    Raises:
        FileNotFoundError: there is no such file.
        ImageError: it is damaged, no image, too large, partly transparent, of floating point, smaller than
            what ``bar`` and ``crop`` leave, or, with ``white``, of 8 bits.
    """
    return _decode(Path(path).read_bytes(), path, bar, crop, white)[0]


def stack(
    files: Sequence[str | os.PathLike[str]],
    *,
    bar: int | Sequence[int] = 0,
    crop: tuple[int, int] | None = None,
    windows: Sequence[Window] | None = None,
    white: int | None = None,
    notes: list[str] | None = None,
    progress: bool = True,
) -> tuple[dask.array.Array, str]:
    """Images of one size, or parts of images of any, as a lazy array, (sample, y, x) uint8, a chunk an image.

    Every file is decoded once to check it, in threads; nothing is kept.

    Args:
        files: the images, in sample order.
        bar: rows of the instrument bar to cut off, one number for all or one an image.
        crop: rows and columns to keep of each, from the upper left corner.
        windows: parts of images to take in place of these, all of one side; those of one image together.
        white: grey level of images of 16 bits that becomes 255, in all of them; 65535 where None.
        notes: takes lines on what was read of files with several pages, and on grey levels that look wrong.
        progress: show a bar on a terminal.

    Returns:
        The array, and the SHA-256 over the contents of the files in order.

    Raises:
        ImageError: a file cannot be used, or is of another size than most; the message names it.
    """
    paths = tuple(os.fspath(file) for file in files)
    bars = (bar,) * len(paths) if isinstance(bar, int) else tuple(bar)
    if not paths:
        raise ImageError("no image to read")
    if len(bars) != len(paths):
        raise ValueError(f"{len(bars)} bar heights for {len(paths)} images")
    if min(bars) < 0:
        raise ImageError(f"bar {min(bars)} is no number of rows; 0 cuts nothing off")
    if white is not None and not 1 <= white <= _WHITE:
        raise ImageError(f"white {white} is no grey level of 16 bits; they end at {_WHITE}")
    parts = None if windows is None else tuple(tuple(g) for _, g in groupby(windows, lambda w: w.image))
    source = _Stack(paths, bars, crop, parts, white)
    shapes, found, digest, failures = [], [], hashlib.sha256(), []
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        checks = pool.map(source.check, range(len(paths)))
        for shape, sha256, facts, failure in progress_bar(
            checks, total=len(paths), unit="image", desc="checking", shown=progress
        ):
            shapes.append(shape)
            found.append(facts)
            digest.update(sha256)
            if failure:
                failures.append(failure)
    if failures:
        others = f" ({len(failures) - 1} more cannot be used either)" if len(failures) > 1 else ""
        raise ImageError(failures[0] + others)
    if notes is not None:
        notes += _noted([Path(path).name for path in paths], found, white)
    if parts is not None:
        side = windows[0].side
        return source.lazy(tuple(map(len, parts)), side, side), digest.hexdigest()
    (height, width), usual = Counter(shapes).most_common(1)[0]
    for path, shape in zip(paths, shapes, strict=True):
        if shape != (height, width):
            cut = " after cutting off the bar" if any(bars) else ""
            common = f"{min(s[1] for s in shapes)}x{min(s[0] for s in shapes)}"
            raise ImageError(
                f"{path} is {_words(shape)}{cut}, but {usual} of {len(paths)} images are "
                f"{_words((height, width))}. Move the {len(paths) - usual} others elsewhere, "
                f"or cut all images to one size (--crop {common})"
            )
    return source.lazy((1,) * len(paths), height, width), digest.hexdigest()


def area_average(micrograph: np.ndarray, factor: int) -> np.ndarray:
    """Average ``factor`` x ``factor`` pixels into one along the last two axes, rounding halves up.

    Rows and columns that do not fill a last pixel are dropped. Exact integer arithmetic, the same everywhere.

    Args:
        micrograph: (..., y, x) uint8.
        factor: source pixels averaged along each axis.

    Returns:
        (..., y // factor, x // factor) uint8.

    Raises:
        ValueError: ``factor`` is no positive integer or exceeds the image, or the dtype is not uint8.

    >>> area_average(np.array([[0, 1, 9], [2, 3, 9]], np.uint8), 2)
    array([[2]], dtype=uint8)
    """
    micrograph = np.asarray(micrograph)
    if micrograph.dtype != np.uint8 or micrograph.ndim < 2:
        raise ValueError(f"area_average takes (..., y, x) uint8, not {micrograph.shape} {micrograph.dtype}")
    if factor != int(factor) or factor < 1:
        raise ValueError(f"factor {factor} is no positive integer")
    factor = int(factor)
    rows, columns = (length // factor for length in micrograph.shape[-2:])
    if not rows or not columns:
        raise ValueError(f"factor {factor} exceeds the image of {_words(micrograph.shape[-2:])}")
    if factor == 1:
        return micrograph.copy()
    dtype = np.uint16 if 255 * factor**2 + factor**2 // 2 <= np.iinfo(np.uint16).max else np.uint32
    # Rows are summed first: those additions run along contiguous memory.
    total = micrograph[..., 0 : rows * factor : factor, :].astype(dtype)
    for i in range(1, factor):
        total += micrograph[..., i : rows * factor : factor, :]
    average = total[..., 0 : columns * factor : factor].copy()
    for i in range(1, factor):
        average += total[..., i : columns * factor : factor]
    average += dtype(factor**2 // 2)
    average //= dtype(factor**2)
    return average.astype(np.uint8)


@dataclass(frozen=True)
class _Stack:
    """Decodes an image when dask asks for its block; travels to other processes as plain values."""

    paths: tuple[str, ...]
    bars: tuple[int, ...]
    crop: tuple[int, int] | None
    parts: tuple[tuple[Window, ...], ...] | None  # the windows of each image that has some
    white: int | None

    def __call__(self, block_id: tuple[int, ...] | None = None) -> np.ndarray:
        i = block_id[0] if self.parts is None else self.parts[block_id[0]][0].image
        grey = read_grey(self.paths[i], bar=self.bars[i], crop=self.crop, white=self.white)
        if self.parts is None:
            return grey[np.newaxis]
        return np.stack([window.cut(grey) for window in self.parts[block_id[0]]])

    def lazy(self, samples: tuple[int, ...], height: int, width: int) -> dask.array.Array:
        chunks = (samples, (height,), (width,))
        return dask.array.map_blocks(self, chunks=chunks, dtype=np.uint8, meta=np.empty((0, 0, 0), np.uint8))

    def check(self, i: int) -> tuple[tuple[int, int], bytes, _Facts, str]:
        """Shape, SHA-256, what else is known and, where the file cannot be used, what is wrong with it."""
        try:
            content = Path(self.paths[i]).read_bytes()
            grey, facts = _decode(content, self.paths[i], self.bars[i], self.crop, self.white)
        except (ImageError, OSError) as error:
            return (0, 0), b"", _Facts(False, None), str(error)
        return grey.shape, hashlib.sha256(content).digest(), facts, ""


@dataclass(frozen=True)
class _Facts:
    """Whether a file has more pages than one, and its highest grey level where it has 16 bits."""

    pages: bool
    highest: int | None


def _noted(names: Sequence[str], found: Sequence[_Facts], white: int | None) -> list[str]:
    """What people should know of how images were read, a line each."""
    lines = []
    pages = [name for name, facts in zip(names, found, strict=True) if facts.pages]
    if pages:
        lines.append(
            f"{len(pages)} of {len(names)} files have several pages; the first was read ({some(pages)})"
        )
    deep = [
        (name, facts.highest) for name, facts in zip(names, found, strict=True) if facts.highest is not None
    ]
    highest = max((level for _, level in deep), default=_WHITE)
    if white is None and highest <= _DARK:
        camera = max(2 ** int(highest).bit_length() - 1, 1)
        lines.append(
            f"dark: {len(deep)} of {len(names)} images have 16 bits but no grey level above {highest}; where "
            f"a camera of {camera.bit_length()} bits took them, import with --white {camera} "
            f"({some([name for name, _ in deep])})"
        )
    brighter = [name for name, level in deep if white is not None and level > white]
    if brighter:
        lines.append(
            f"{len(brighter)} of {len(names)} images have levels above white {white} ({some(brighter)})"
        )
    return lines


def _decode(
    content: bytes,
    path: str | os.PathLike[str],
    bar: int,
    crop: tuple[int, int] | None,
    white: int | None,
) -> tuple[np.ndarray, _Facts]:
    try:
        # Of a TIFF that it maps from the disk Pillow mistakes the orientation, so it never sees the path.
        with Image.open(io.BytesIO(content)) as image:
            limit = Image.MAX_IMAGE_PIXELS
            if limit is not None and image.width * image.height > limit:
                raise _too_large(path, f"{image.width} x {image.height} px exceed {limit} pixels")
            pages = getattr(image, "is_animated", False)
            grey, highest = _grey(image, path, white)
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(path, str(error)) from None
    except _DAMAGED as error:
        raise _damaged(path, error) from None
    height, width = _remaining(grey.shape, path, bar, crop)
    return np.ascontiguousarray(grey[:height, :width]), _Facts(pages, highest)


def _remaining(
    shape: tuple[int, int], path: str | os.PathLike[str], bar: int, crop: tuple[int, int] | None
) -> tuple[int, int]:
    """Rows and columns that bar and crop leave of a shape."""
    if bar < 0:
        raise ImageError(f"bar {bar} is no number of rows; 0 cuts nothing off")
    height, width = shape[0] - bar, shape[1]
    if height < 1:
        raise ImageError(f"{path} is {_words(shape)}, nothing is left above the bar of {bar} rows")
    if crop is None:
        return height, width
    if height < crop[0] or width < crop[1]:
        raise ImageError(f"{path} is {_words((height, width))}, smaller than the crop to {_words(crop)}")
    return crop


def _grey(
    image: Image.Image, path: str | os.PathLike[str], white: int | None
) -> tuple[np.ndarray, int | None]:
    """Grey levels as they are meant to be seen, and the highest of the file where it has 16 bits."""
    tags = dict(getattr(image, "tag_v2", {}))
    image = ImageOps.exif_transpose(image)
    if image.mode == "I" or image.mode.startswith("I;16"):
        depth = np.asarray(image)
        if depth.min() < 0:
            raise ImageError(f"{path} has negative grey levels; save it with 8 or 16 bits, from 0 on")
        if depth.max() > _WHITE:
            raise ImageError(f"{path} has 32-bit grey levels; save it with 8 or 16 bits")
        if tags.get(_PHOTOMETRIC) == _MIN_IS_WHITE:  # which Pillow turns over in 8 bits only
            depth = _WHITE - depth
        top = white or _WHITE
        levels = (np.minimum(depth, top).astype(np.uint32) * 510 + top) // (2 * top)  # halves up
        return levels.astype(np.uint8), int(depth.max())
    if white is not None:
        raise ImageError(f"{path} has 8 bits; white {white} is for images of 16 bits: import them apart")
    return _grey_of_bytes(image, path, tags), None


def _grey_of_bytes(
    image: Image.Image, path: str | os.PathLike[str], tags: Mapping[int, object]
) -> np.ndarray:
    if tags.get(_SAMPLE_FORMAT) == (_SIGNED,):
        raise ImageError(f"{path} has signed grey levels of 8 bits; save it with levels from 0 to 255")
    if image.mode == "F":
        raise ImageError(f"{path} has floating-point grey levels; save it with 8 or 16 bits")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getextrema()[3][0] < 255:
            raise ImageError(f"{path} has transparent pixels, which have no grey level; save it opaque")
        image = image.convert("RGB")
    return np.asarray(image.convert("L"))


def _words(shape: Sequence[int]) -> str:
    return f"{shape[1]} x {shape[0]} px"


def _damaged(path: str | os.PathLike[str], error: Exception) -> ImageError:
    if "truncated" in str(error).lower():
        what = "is truncated: the end of the file is missing"
    else:
        what = "is no image that can be read, or is damaged"
    why = "no known format" if isinstance(error, UnidentifiedImageError) else error
    return ImageError(f"{path} {what} ({why}). Replace the file, or move it elsewhere to go on without it")


def _too_large(path: str | os.PathLike[str], why: str) -> ImageError:
    return ImageError(
        f"{path} is refused, a file this large may be a decompression bomb ({why}). "
        "Cut it into tiles, or, if you trust it, raise PIL.Image.MAX_IMAGE_PIXELS"
    )
