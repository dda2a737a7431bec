"""Links that lead out of docs/: pages link as files do, so that they also work where the repository is read.

The home page is the README; links to the README, from other pages, therefore lead to the home page.
"""

import os
import re
from pathlib import Path

from sphinx.application import Sphinx

_TARGET = re.compile(r"\]\((?!https?:|#)([^)#]+)")


def _moved(text: str, source: Path, destination: Path) -> str:
    """Text with its relative links changed as they must be when it moves between folders."""
    return _TARGET.sub(lambda link: f"]({os.path.relpath(source / link[1], destination)}", text)


def _read(app: Sphinx, page: str, text: list[str]) -> None:
    docs = Path(app.srcdir)
    readme = docs.parent / "README.md"
    if page == "index":
        text[0] = _moved(readme.read_text(), readme.parent, docs) + text[0].partition("\n---\n")[2]
    to_readme = os.path.relpath(readme, (docs / page).parent)
    to_home = os.path.relpath(docs / "index.md", (docs / page).parent)
    text[0] = text[0].replace(f"]({to_readme}", f"]({to_home}")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", _read)
    return {"parallel_read_safe": True}
