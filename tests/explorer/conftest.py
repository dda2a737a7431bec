"""A browser without a window, and a page to look at in it: discs beside what an untrained generator makes."""

import os
import shutil

import pytest
from scene import BETWEEN, HELD_OUT, HOSTILE, SEEDS, SEEN, UNSEEN, Made
from synthetic import SPACE, discs
from untrained import make_run

import pspgan as psp


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Made:
    folder = tmp_path_factory.mktemp("explorer")
    paths = Made(*(folder / name for name in ("real.zarr", "gen.zarr", "linkage", "run")))
    real = discs([*SEEN, HELD_OUT], size=32)
    names = real["specimen"].values.tolist()
    names[0] = HOSTILE
    psp.write_ensemble(real.assign_coords(specimen=("sample", names)), paths.real, progress=False)
    paths.run.mkdir()
    data = {"um_per_px": 0.1, "reduction": 1, "source": str(paths.real), "micrographs": len(names)}
    make_run(paths.run, SPACE.observing(SEEN), data, reduction=1)
    with pytest.warns(UserWarning, match="never saw"):
        psp.generate(paths.run, [*SEEN, HELD_OUT, UNSEEN, BETWEEN], SEEDS, paths.gen, progress=False)
    psp.compute_statistics(paths.real, paths.gen, progress=False)
    psp.link(paths.real, out=paths.linkage, n_components=2, regressor="ridge")
    return paths


@pytest.fixture(scope="session")
def chromium():
    """A Chromium without a window."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("PSPGAN_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("no Chromium: apt-get install chromium, or name one in PSPGAN_CHROMIUM")
    with sync_api.sync_playwright() as playwright:
        # As root, which containers often are, its sandbox cannot be had.
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium):
    """A page of the browser, 1280 px wide, that may complain of nothing and fetch nothing from elsewhere."""
    complaints, asked = [], []
    tab = chromium.new_page(viewport={"width": 1280, "height": 900})
    tab.set_default_timeout(60_000)  # machines of tests are busy
    tab.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))
    tab.complaints = complaints
    yield tab
    assert complaints == []
    assert asked
    assert all(url.startswith(("file://", "http://127.0.0.1:", "data:image/")) for url in asked)
    tab.close()
