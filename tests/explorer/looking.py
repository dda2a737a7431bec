"""What is to be seen on a page: pictures, numbers, and what does not fit."""

import base64
import io
import re

import numpy as np
from PIL import Image

# What reaches beyond the right edge, and is not in a part that scrolls by itself.
OVERFLOWING = """() => [...document.body.querySelectorAll("*")].filter((one) =>
    one.getBoundingClientRect().right > innerWidth + 1 && one.getClientRects().length
    && !one.closest(".scroll, nav, pre, svg, .unseen-text")).map((one) => one.outerHTML.slice(0, 90))"""


def grey(source: str) -> np.ndarray:
    """Grey levels of an embedded micrograph, (y, x) uint8."""
    kind, payload = re.fullmatch(r"data:image/(png|jpeg);base64,(.+)", source).groups()
    image = Image.open(io.BytesIO(base64.b64decode(payload, validate=True)))
    assert image.format.lower() == kind
    return np.asarray(image)


def micrographs(tab, side: str) -> np.ndarray:
    """What is shown on the side ``real`` or ``generated``, (tile, y, x) uint8."""
    sources = tab.locator(f"[data-at={side}] img").evaluate_all("all => all.map(one => one.src)")
    return np.stack([grey(source) for source in sources])


def numbers(text: str) -> list[float]:
    """The numbers in a cell of a table."""
    return [float(one.replace("−", "-")) for one in re.findall(r"−?\d+(?:\.\d+)?(?:e-?\d+)?", text)]


def overflowing(tab) -> list[str]:
    """Elements that make the page wider than the screen."""
    assert tab.evaluate("document.documentElement.scrollWidth") <= tab.viewport_size["width"]
    return tab.evaluate(OVERFLOWING)
