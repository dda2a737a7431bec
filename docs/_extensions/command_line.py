"""The directive `command-line`: what `--help` says of every verb, as Typer writes it in Markdown."""

import re
import subprocess
import sys

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class CommandLine(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        told = subprocess.run(
            [sys.executable, "-m", "typer", "pspgan.cli", "utils", "docs", "--name", "pspgan"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        # Its first heading is the page's; the verbs are sections of it.
        verbs = re.sub(r"^# .*\n", "", told)
        return self.parse_text_to_nodes(verbs, allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("command-line", CommandLine)
    return {"parallel_read_safe": True}
