"""Any factors go the whole way, from a table to the report: nothing on it asks what they are."""

import ast
import csv
import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from synthetic import disc_image

import pspgan as psp
from pspgan import ensemble

SPACES = {
    "one nominal": {"supplier": ["A", "B-2", "C"]},
    "one ordinal": {"strain rate (1/s)": [0.01, 1, 100]},
    "four": {
        "Cu (wt%)": [1.5, 4],
        "route": ["cast", "forged"],
        "reduction / %": [10, 50],
        "humidity [%]": [20, 80],
    },
}
NAMES = {
    "one nominal": ("supplier",),
    "one ordinal": ("strain_rate",),
    "four": ("Cu", "route", "reduction", "humidity"),
}
# A combination that no micrograph shows.
UNSEEN = {"one nominal": None, "one ordinal": "10", "four": "4-forged-50-80"}


def write_table(folder, levels, left_out):
    """Two specimens a combination, two micrographs of discs each, larger from combination to combination."""
    (folder / "images").mkdir()
    rng, rows = np.random.default_rng(0), []
    for k, point in enumerate(itertools.product(*levels.values())):
        if "-".join(map(str, point)) == left_out:
            continue
        for specimen, field in itertools.product("ab", "12"):
            name = f"c{k}{specimen}{field}.png"
            Image.fromarray(disc_image(2 + 0.2 * k, rng, size=48)).save(folder / "images" / name)
            rows.append([name, f"{k}{specimen}", 0.1, *point])
    with (folder / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["file", "bar no.", "um/px", *levels], *rows])
    return folder / "table.csv"


def test_only_sources_of_steel_know_what_was_done_to_steel():
    knowing = {
        *("sources/uhcsdb.py", "sources/steel.py"),
        "process/space.py",  # for uhcsdb()
        "linkage/kinetic_fit.py",  # of Arrhenius' law, whatever the factor's name: it is found by its unit
    }
    package = Path(psp.__file__).parent
    found = {
        file.relative_to(package).as_posix()
        for file in package.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and node.value in ("temperature", "cooling", "Q", "FC")
    }
    assert found == knowing


@pytest.mark.slow
@pytest.mark.parametrize("kind", SPACES)
def test_from_a_table_to_the_report(tmp_path, kind):
    table = write_table(tmp_path, SPACES[kind], UNSEEN[kind])
    real, gen, run, linkage = (tmp_path / name for name in ("real.zarr", "gen.zarr", "run", "linkage"))
    dataset = psp.sources.table.read(
        table, tmp_path / "images", specimen="bar no.", um_per_px="um/px", progress=False
    )
    ensemble.write_ensemble(dataset, real, progress=False)
    space = ensemble.space_of(dataset)
    assert space.names == NAMES[kind]
    n = len(space.observed)
    assert n == np.prod([len(values) for values in SPACES[kind].values()]) - (kind == "four")

    inspection = psp.inspect(real, progress=False)
    assert f"{4 * n} micrographs, {n} of " in inspection.summary()
    assert {f"coverage_{name}.png" for name in space.names} <= {
        f.name for f in inspection.write(tmp_path / "i")
    }
    parts = ensemble.split(real, "specimen", 0.25)["split"].values
    assert 0 < (parts == "held_out").sum() <= n

    small = {"resolution": 32, "ch": 4, "latent": 8, "embedding": 4, "batch": 8, "images": 16}
    trained = psp.train(real, "demo", run, split="train", sample_size=2, progress=False, **small)
    conditions = [*space.observed_conditions, *filter(None, [UNSEEN[kind]])]
    model = psp.load(trained)
    if UNSEEN[kind]:
        with pytest.warns(UserWarning, match=f"never saw {UNSEEN[kind]}"):
            generated = psp.generate(model, conditions, n=2, out=gen, progress=False)
    else:
        generated = psp.generate(model, conditions, n=2, out=gen, progress=False)
    assert generated["observed"].values.sum() == 2 * n
    assert generated.sizes["sample"] == 2 * len(conditions)

    statistics = psp.compute_statistics(real, gen, progress=False)
    assert [s.sizes["sample"] for s in statistics] == [4 * n, 2 * len(conditions)]
    found = psp.link(real, out=linkage, n_components=1, regressor="ridge", descriptors=["area_fraction"])
    first, last = space.observed_conditions[0], space.observed_conditions[-1]
    area = found.predict([first, last])["mean"].sel(target="area_fraction").values
    assert area[1] > area[0]  # larger discs
    page = psp.write_report(real, gen, linkage=found, run=run, out=tmp_path / "report.html")
    assert all(name in page.read_text() for name in space.names)
