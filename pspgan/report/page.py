"""The page itself: the explorer and the sections that were written, laid out as one HTML file."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
from collections.abc import Sequence
from importlib import resources

import jinja2
import markupsafe

from .. import __version__
from .blocks import Section, is_number, number
from .explorer import Explorer
from .verdict import Verdict

_SCRIPTS = ("explorer/drawing.js", "explorer/explorer.js", "sections.js")


def page_of(
    explorer: Explorer,
    facts: Sequence[tuple[str, str]],
    sections: Sequence[Section],
    live: bool = False,
    verdict: Verdict | None = None,
) -> str:
    """The text of the page.

    Args:
        explorer: its first section.
        facts: the numbers at its top, (value, what it counts).
        sections: what follows.
        live: whether a server answers for any combination and seed, see `pspgan.app`.
        verdict: what was found, below the numbers.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pspgan.report", "."),
        autoescape=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["number"] = number
    environment.tests["measure"] = is_number
    folder = resources.files("pspgan.report")
    script = "\n".join(folder.joinpath(name).read_text("utf-8") for name in _SCRIPTS)
    return environment.get_template("page.html").render(
        title="Process and microstructure",
        lead=_lead(explorer),
        facts=facts,
        verdict=verdict,
        explorer=explorer,
        sections=sections,
        live=live,
        data=_as_json(explorer.data(live)),
        script=markupsafe.Markup(script),
        # The browser runs this script and no other, whatever the texts of the data hold.
        script_sha256=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        version=__version__,
        date=datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
    )


def _lead(explorer: Explorer) -> str:
    *names, last = explorer.space.names
    factors = f"{', '.join(names)} and {last}" if names else last
    what = f"Micrographs ({explorer.reference}) processed under {factors}"
    if explorer.generated is not None:
        what += ", and micrographs that a conditional generator made for the same conditions"
    return what + "."


def _as_json(data: object) -> markupsafe.Markup:
    """JSON that no text in it can end early: < is escaped."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return markupsafe.Markup(text.replace("<", "\\u003c"))
