"""One call that serves the live explorer until it is interrupted."""

from __future__ import annotations

import contextlib
import os
import webbrowser
from typing import TYPE_CHECKING

import xarray as xr

from ..generation import Model
from ..progress import note
from ..training import Run
from .answering import open_answering
from .server import Server

if TYPE_CHECKING:
    from ..linkage import Linkage


def app(
    run: Model | Run | str | os.PathLike[str],
    *,
    real: str | os.PathLike[str] | xr.Dataset | None = None,
    gen: str | os.PathLike[str] | xr.Dataset | None = None,
    linkage: str | os.PathLike[str] | Linkage | None = None,
    port: int = 0,
    browser: bool = True,
    device: str | None = None,
) -> None:
    """Serve the explorer of a trained generator to browsers of this machine, until Ctrl-C.

    The page is that of `write_report`, but any condition, also between levels, and any seed is generated when
    it is chosen. Nothing is written, and nobody else can reach it: it listens to 127.0.0.1 alone.

    Args:
        run: what `load` takes, or the model that it gave.
        real: ensemble of real or simulated micrographs; by default what the run was trained on, where that
            is still there.
        gen: ensemble of generated ones, whose numbers are shown for the conditions that it has.
        linkage: a fitted linkage, or its folder, for its predictions.
        port: to listen to; 0 takes a free one.
        browser: open the page in a browser.
        device: where it generates, see `load`.

    Raises:
        FileNotFoundError: a path with nothing there.
        EnsembleError: a store that is no ensemble.
        ValueError: ensembles of the wrong origin, or of another process space; nothing real to show ``gen``
            or ``linkage`` beside.
        OSError: the port cannot be had.
    """
    answering = open_answering(run, real, gen, linkage, device)
    with Server(answering, port) as server:
        note(f"{answering.model.name}, {answering.about}: {server.url} (Ctrl-C ends it)")
        if browser:
            webbrowser.open(server.url)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()
