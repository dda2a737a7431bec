"""What README and docs print: their code blocks, and how they are run in order, as a reader would."""

import re
import shlex
from pathlib import Path

from pspgan.cli import main

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# Instead of minutes of training, and of the conditions of the simulated steel.
TINY_SETTINGS = {"images": 32, "ch": 4, "latent": 8, "embedding": 4, "batch": 8, "sample_size": 2}
TINY = " ".join(f"--set {key}={value}" for key, value in TINY_SETTINGS.items())
FEW = ["800-5-Q", "800-90-Q", "800-24H-Q", "900-5-AR", "970-5-FC", "970-24H-Q"]


def blocks(page, language):
    return [code for tag, code in FENCE.findall(page.read_text()) if tag == language]


def commands_of(code):
    """Lines of a shell block, continuation lines joined, without comments."""
    lines = (line.partition(" #")[0].strip() for line in code.replace("\\\n", " ").splitlines())
    return [" ".join(line.split()) for line in lines if line and not line.startswith("#")]


def shortened(text, replacements):
    """Text in which sizes and minutes are cut; each must be there, as often as is said."""
    for long, (short, count) in replacements.items():
        assert text.count(long) == count, f"{long!r} is there {text.count(long)} times, not {count}"
        text = text.replace(long, short)
    return text


class Reader:
    """Follows a page: Python in one session, `pspgan` in this process, in the folder where one is.

    Args:
        monkeypatch, capsys: of pytest.
    """

    def __init__(self, monkeypatch, capsys):
        self._monkeypatch, self._capsys = monkeypatch, capsys
        self.names = {}
        self.told = ""  # what was printed last

    def python(self, code):
        exec(compile(code, "<page>", "exec"), self.names)
        self.told = self._capsys.readouterr().out

    def shell(self, line):
        words = shlex.split(line)
        assert words[0] == "pspgan", f"{line}: another program; say what stands for it"
        self._monkeypatch.setattr("sys.argv", words)
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        said = self._capsys.readouterr()
        assert code == 0, f"{line}\n{said.out}{said.err}"
        self.told += said.out

    def follow(self, page, replacements=None, otherwise=()):
        """Run every block of a page in order.

        Args:
            page: Markdown file.
            replacements: what is cut -> (what stands for it, how often it is there).
            otherwise: lines of other programs, which are not run; each must be there.
        """
        left = set(otherwise)
        text, ended = shortened(page.read_text(), replacements or {}), 0
        for block in FENCE.finditer(text):
            (tag, code), between, ended = block.groups(), text[ended : block.start()], block.end()
            if tag == "python":
                self.python(code)
            elif tag == "sh":
                self.told = ""
                for line in commands_of(code):
                    if line in otherwise:
                        left.discard(line)
                    else:
                        self.shell(line)
            elif tag == "text" and not between.strip():  # right after a block: what that one prints
                missing = [line for line in code.splitlines() if line not in self.told.splitlines()]
                assert not missing, f"{missing}\nis not in\n{self.told}"
            else:
                assert tag in ("text", "pycon"), f"{page.name}: nothing is known of blocks of {tag!r}"
        assert not left, f"{page.name} has no {left}"
