"""The site of the documentation builds without a warning, needs no network, and leaves no public name out."""

import inspect
import re
from html.parser import HTMLParser

import pytest
import typer.main
from printed import DOCS

import pspgan
from pspgan.cli import app

build = pytest.importorskip("sphinx.cmd.build", reason="Sphinx is not installed: pip install 'pspgan[docs]'")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Folder of the built site; warnings are errors, as in `make docs`."""
    folder = tmp_path_factory.mktemp("site")
    doctrees = tmp_path_factory.mktemp("doctrees")
    assert (
        build.main(["-W", "--keep-going", "-q", "-b", "html", "-d", str(doctrees), str(DOCS), str(folder)])
        == 0
    )
    return folder


class Fetched(HTMLParser):
    """Addresses that a browser fetches by itself when it shows a page."""

    def __init__(self):
        super().__init__()
        self.addresses = []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag in ("script", "img", "iframe", "source", "video"):
            self.addresses.append(attributes.get("src"))
        elif tag == "link" and attributes.get("rel") not in ("canonical", "next", "prev"):
            self.addresses.append(attributes.get("href"))


def public_modules(module=pspgan):
    found = [module]
    for name in module.__all__:
        if inspect.ismodule(value := getattr(module, name)):
            found += public_modules(value)
    return found


def commands(command=None, path=("pspgan",)):
    """Every command of the command line with its words."""
    command = command or typer.main.get_command(app)
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*path, name))


def test_no_page_needs_the_network(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        parser = Fetched()
        parser.feed(page.read_text())
        assert any(parser.addresses)
        for address in filter(None, parser.addresses):
            assert not re.match(r"(https?:)?//", address), f"{page.name} fetches {address}"
    for style in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", style.read_text()), style


def test_the_home_page_is_the_readme(site):
    home = (site / "index.html").read_text()
    assert "simulated_steel" in home
    assert 'href="tutorials/uhcsdb.html"' in home
    assert "make demo" in re.sub(r"<[^>]+>", "", home)


@pytest.mark.parametrize("module", public_modules(), ids=lambda module: module.__name__)
def test_every_public_name_is_described(site, module):
    shown = "".join(page.read_text() for page in (site / "reference" / "python").glob("*.html"))
    for name in module.__all__:
        value = getattr(module, name)
        if name.startswith("__") or inspect.ismodule(value):
            continue
        # An entry of its own, or a link to the one that it has in another module.
        homes = [
            other for other in public_modules() if name in other.__all__ and getattr(other, name) is value
        ]
        assert any(f'id="{home.__name__}.{name}"' in shown for home in homes), f"{module.__name__}.{name}"
        if inspect.isclass(value) or inspect.isroutine(value):
            assert value.__doc__, f"{module.__name__}.{name} has no docstring"


def test_every_command_and_option_has_help(site):
    page = (site / "reference" / "command-line.html").read_text()
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))
    for path, command in commands():
        words = " ".join(path)
        assert command.help, words
        assert words in text
        for parameter in command.params:
            assert getattr(parameter, "help", None), f"{words}: {parameter.name} has no help"
            for option in parameter.opts:
                assert option in text, f"{words} {option}"
