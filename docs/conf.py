"""How `make docs` turns these pages into a site: `sphinx-build -W docs build/docs`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

import pspgan

project = "pspgan"
author = "pspgan developers"
copyright = author
version = release = pspgan.__version__

extensions = [
    "myst_parser",  # pages are Markdown, readable where they lie
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",  # Args, Returns and Raises of docstrings
    "sphinx_copybutton",
    "outside_links",
    "public_names",
    "command_line",
]
exclude_patterns = ["_extensions"]
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]

default_role = "code"  # one backtick in a docstring is code
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
add_module_names = False
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"

# Furo brings its styles and scripts along and takes the reader's own fonts: nothing is fetched.
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_title = f"pspgan {version}"
html_copy_source = False
html_show_sourcelink = False
copybutton_exclude = ".linenos, .gp, .go"  # of a session what was typed
