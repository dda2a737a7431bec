"""Image files that are none, were, or claim to be more; and names that are no names."""

from __future__ import annotations

import os
import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from ground import Case, Ground, Lay, csv, encoded, flipped, picture, png, truncated
from PIL import Image

_FORMS = {"png": "PNG", "tif": "TIFF", "jpg": "JPEG", "bmp": "BMP"}
_NAMES = (
    *(
        "a\nb.png",
        "\u202egnp.elif.png",
        "\x1b[2Jx.png",
        "🔥.png",
        "e\u0301.png",
        "--out.png",
        " .png",
        "..png",
    ),
    *("x" * 240 + ".png", "'\".png", "a\\b.png", "\udcff.png"),
)


def cases() -> Iterator[Case]:
    yield from _damaged()
    yield from _claims()
    yield from _greys()
    yield from _places()
    yield from _names()


def _image(content: bytes, suffix: str = "png", *options: str) -> Lay:
    """An import in which the second of three images has this content."""

    def lay(ground: Ground) -> list[str]:
        folder = ground.images()
        (folder / "b.png").unlink()
        (folder / f"b.{suffix}").write_bytes(content)
        ground.table(csv().replace("b.png", f"b.{suffix}"))
        return ground.import_table(*options)

    return lay


def _damaged() -> Iterator[Case]:
    rng = np.random.default_rng(3)
    for suffix, form in _FORMS.items():
        whole = encoded(picture(1), form)
        says = (f"b.{suffix}",)
        for k in range(4):
            yield Case(f"truncated {form}", str(k), _image(truncated(whole, rng), suffix), says)
        for k in range(4):
            damaged = flipped(whole, rng, 4, slice(0, 60))
            yield Case(f"{form} with bits of its head flipped", str(k), _image(damaged, suffix), says, "luck")
        for k in range(4):
            damaged = flipped(whole, rng, 6)
            yield Case(f"{form} with bits flipped", str(k), _image(damaged, suffix), says, "luck")
        yield Case("nothing in an image", suffix, _image(b"", suffix), says)
        yield Case("noise for an image", suffix, _image(rng.bytes(300), suffix), says)
    for name, content in (
        ("text", b"no image"),
        ("PDF", b"%PDF-1.4\n1 0 obj <<>> endobj"),
        ("SVG", b'<svg xmlns="http://www.w3.org/2000/svg"/>'),
        ("EPS", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 12\n(/etc/passwd) run\n"),
        ("HTML", b"<html>404 Not Found</html>"),
        ("ELF", b"\x7fELF" + bytes(100)),
        ("zip", b"PK\x05\x06" + bytes(18)),
        ("signature of a PNG and no more", b"\x89PNG\r\n\x1a\n"),
        ("git lfs pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"),
    ):
        yield Case("image that is something else", name, _image(content), ("b.png is no image",))


def _claims() -> Iterator[Case]:
    chunk = zlib.compress(bytes(2_000_000))
    wide = Image.new("1", (40_000, 3_000))
    for name, suffix, content, *says in (
        ("60000 x 60000", "png", claiming_png(60_000, 60_000), "b.png is refused", "60000"),
        ("12000 x 10000", "png", claiming_png(12_000, 10_000), "b.png is refused", "12000 x 10000 px"),
        ("2^31 x 2^31", "png", claiming_png(2**31 - 1, 2**31 - 1), "b.png is refused"),
        ("0 x 12", "png", claiming_png(0, 12), "b.png"),
        ("16 x 0", "png", claiming_png(16, 0), "b.png"),
        ("60000 x 60000", "bmp", claiming_bmp(60_000, 60_000), "b.bmp is refused"),
        ("0 x 0", "bmp", claiming_bmp(0, 0), "b.bmp"),
        ("-16 x 12", "bmp", claiming_bmp(-16, 12), "b.bmp"),
        ("65500 x 65500", "jpg", claiming_jpeg(65_500, 65_500), "b.jpg is refused"),
        ("0 x 0", "jpg", claiming_jpeg(0, 0), "b.jpg"),
        ("60000 x 60000", "tif", claiming_tiff(60_000, 60_000), "b.tif is refused"),
        ("0 x 0", "tif", claiming_tiff(0, 0), "b.tif"),
        ("2^32-1 entries", "tif", b"II*\x00\x08\x00\x00\x00\xff\xff" + bytes(20), "b.tif"),
        ("its directory is itself", "tif", b"II*\x00\x00\x00\x00\x00", "b.tif"),
        ("120 megapixels of nothing", "png", png(wide), "b.png is refused"),
        ("a text that unpacks to 2 MB", "png", with_text(chunk), "b.png"),
    ):
        yield Case("image that claims a size", f"{suffix} {name}", _image(content, suffix), tuple(says))
    for width, height in ((1, 1), (1, 5000), (5000, 1), (16, 13), (15, 12)):
        content = png(np.zeros((height, width), np.uint8))
        says = (f"b.png is {width} x {height} px, but 2 of 3 images are 16 x 12 px", "--crop")
        yield Case("image of another size", f"{width} x {height}", _image(content), says)
        says = ("b.png", "smaller than the crop to 16 x 12 px")
        if width < 16 or height < 12:
            lay = _image(content, "png", "--crop", "16x12")
            yield Case("image smaller than the crop", f"{width} x {height}", lay, says)
        if width < 12 or height < 12:
            lay = _image(content, "png", "--tile", "12")
            says = ("left out 1: field smaller than a tile (b.png)",)
            yield Case("image smaller than a tile", f"{width} x {height}", lay, says, "skip")


def _greys() -> Iterator[Case]:
    grey, rng = picture(1), np.random.default_rng(4)
    floats = grey.astype(np.float32)
    clear = np.dstack([grey] * 3 + [np.full_like(grey, 255)])
    clear[3, 3, 3] = 254
    palette = Image.fromarray(grey % 4, mode="P")
    palette.putpalette([0, 0, 0, 80, 80, 80, 160, 160, 160, 240, 240, 240])
    for name, suffix, content, says in (
        ("floats", "tif", encoded(floats, "TIFF"), "floating-point"),
        ("NaN", "tif", encoded(floats * np.nan, "TIFF"), "floating-point"),
        ("infinite", "tif", encoded(floats + np.inf, "TIFF"), "floating-point"),
        ("32 bits", "tif", encoded(grey.astype(np.int32) << 20, "TIFF"), "32-bit"),
        ("negative", "tif", encoded(-grey.astype(np.int32) - 1, "TIFF"), "negative"),
        ("transparent in one place", "png", png(clear), "transparent"),
        ("grey and transparent", "png", png(np.dstack([grey, grey])), "transparent"),
        ("a colour that is clear", "png", png(palette, transparency=2), "transparent"),
        ("clear by its name", "png", png(grey, transparency=int(grey[0, 0])), "transparent"),
        ("clear", "tif", encoded(clear, "TIFF"), "transparent"),
    ):
        yield Case("what has no grey level", name, _image(content, suffix), (f"b.{suffix} has", says))
    for k in range(3):  # 12 bits in 16
        content = png(rng.integers(0, 4096, (12, 16)).astype(np.uint16))
        says = ("dark: 1 of 3 images have 16 bits", "--white 4095 (b.png)")
        yield Case("grey levels that end early", str(k), _image(content), says, "skip")


def _places() -> Iterator[Case]:
    def at_b(make: Callable[[Path], object]) -> Lay:
        def lay(ground: Ground) -> list[str]:
            folder = ground.images()
            (folder / "b.png").unlink()
            make(folder / "b.png")
            ground.table()
            return ground.import_table()

        return lay

    says = ('left out 1: row without an image (row 3 "b.png")',)
    for name, make in (
        ("a folder", os.mkdir),
        ("a pipe without a writer", os.mkfifo),
        ("a link to itself", lambda path: os.symlink(path, path)),
        ("a link to nothing", lambda path: os.symlink("nothing", path)),
        ("a link to a folder", lambda path: os.symlink("..", path)),
        ("a link to a device", lambda path: os.symlink("/dev/zero", path)),
        ("a socket", _socket),
    ):
        yield Case("place of an image", name, at_b(make), says, "skip")
    lay = at_b(lambda path: os.symlink("/etc/passwd", path))
    yield Case("place of an image", "a link to /etc/passwd", lay, ("b.png is no image",))
    lay = at_b(lambda path: (path.write_bytes(png(picture(1))), path.chmod(0)))
    yield Case("place of an image", "a file of somebody else", lay, ("b.png", "ermission"), as_nobody=True)

    def folder(make: Callable[[Path], object]) -> Lay:
        def lay(ground: Ground) -> list[str]:
            ground.table()
            make(ground.folder / "images")
            return ground.import_table("--image", "file")

        return lay

    says = ("images: no such folder of images",)
    for name, make in (
        ("a file", Path.touch),
        ("a pipe", os.mkfifo),
        ("nothing", lambda path: None),
        ("a link to itself", lambda path: os.symlink(path, path)),
    ):
        yield Case("place of the images", name, folder(make), says)
    for name, make in (
        ("empty", os.mkdir),
        ("a loop of links", lambda path: (path.mkdir(), (path / "loop").symlink_to(path))),
        ("of other files", lambda path: (path.mkdir(), (path / "a.txt").touch())),
    ):
        says = ("heat.csv and images: nothing to import", "left out 3: row without an image")
        yield Case("place of the images", name, folder(make), says)
    lay = folder(lambda path: path.mkdir(0))
    yield Case("place of the images", "of somebody else", lay, ("images", "ermission"), as_nobody=True)


def _socket(path: Path) -> None:
    # Bound by a relative name: a socket's address is short.
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


def _names() -> Iterator[Case]:
    def extra(name: str, content: bytes) -> Lay:
        def lay(ground: Ground) -> list[str]:
            (ground.images() / name).write_bytes(content)
            ground.table()
            return ground.import_table()

        return lay

    def damaged(name: str) -> Lay:
        def lay(ground: Ground) -> list[str]:
            (ground.images() / name).write_bytes(b"no image")
            quoted = name.replace('"', '""')
            ground.table(csv().replace("b.png", f'"{quoted}"'))
            return ground.import_table()

        return lay

    def several(*names: str, cell: str) -> Lay:
        def lay(ground: Ground) -> list[str]:
            folder = ground.images()
            (folder / "b.png").unlink()
            for name in names:
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).write_bytes(png(picture(1)))
            ground.table(csv().replace("b.png", cell))
            return ground.import_table()

        return lay

    for name in _NAMES:
        shown = name if name.isprintable() else name.encode("unicode_escape").decode().replace("\\\\", "\\")
        says = (f"left out 1: image without a row ({shown})",)
        yield Case("image without a row", repr(name[:40]), extra(name, png(picture(5))), says, "skip")
        if name not in (" .png", "\udcff.png", "a\\b.png"):
            says = (f"{shown[-60:]} is no image that can be read",)
            yield Case("damaged image of that name", repr(name[:40]), damaged(name), says)
    for cell, *names in (
        ("d", "d.png", "d.tif"),
        ("d.png", "one/d.png", "two/d.png"),
        ("D.PNG", "d.png", "d.pNg"),
        ("d.PNG", "x/D.png", "x/d.png"),
    ):
        says = ("heat.csv, row 3", f'file "{cell}" may be', names[0], names[1])
        yield Case(
            "several images of one name", f"{cell} of {', '.join(names)}", several(*names, cell=cell), says
        )
    lay = several("\u00e9.png", "e\u0301.png", cell="\u00c9.png")
    yield Case("several images of one name", "composed and decomposed", lay, ("heat.csv, row 3", "may be"))


def claiming_png(width: int, height: int) -> bytes:
    """A file of some dozen bytes of data that says it is so large."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", head)
        + _chunk(b"IDAT", zlib.compress(bytes(99)))
        + _chunk(b"IEND")
    )


def with_text(packed: bytes) -> bytes:
    whole = png(picture(1))
    return whole[:33] + _chunk(b"zTXt", b"Comment\x00\x00" + packed) + whole[33:]


def _chunk(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def claiming_bmp(width: int, height: int) -> bytes:
    whole = bytearray(encoded(picture(1), "BMP"))
    whole[18:26] = struct.pack("<ii", width, height)
    return bytes(whole)


def claiming_jpeg(width: int, height: int) -> bytes:
    whole = bytearray(encoded(picture(1), "JPEG"))
    at = whole.index(b"\xff\xc0") + 5
    whole[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(whole)


def claiming_tiff(width: int, height: int) -> bytes:
    image = Image.fromarray(picture(1))
    return (
        encoded(image, "TIFF")
        .replace(struct.pack("<HHII", 256, 4, 1, 16), struct.pack("<HHII", 256, 4, 1, width))
        .replace(struct.pack("<HHII", 257, 4, 1, 12), struct.pack("<HHII", 257, 4, 1, height))
    )
