"""The report is one file that needs nothing else, shows every section, and says what is missing."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from PIL import Image
from synthetic import SPACE, discs

from pspgan.classification import classify
from pspgan.ensemble import build, open_ensemble, write_ensemble
from pspgan.evaluation import Finding, Report
from pspgan.linkage import Linkage, link
from pspgan.process import ProcessSpace
from pspgan.report import cautions, write_report
from pspgan.report.classification import classification as classification_section
from pspgan.report.comparison import descriptors
from pspgan.report.evaluation import evaluation as evaluation_section
from pspgan.report.evolution import evolution
from pspgan.report.explorer import Explorer
from pspgan.report.facts import at_a_glance
from pspgan.report.inputs import Inputs
from pspgan.report.page import page_of
from pspgan.report.verdict import verdict
from pspgan.statistics import compute_statistics

CONDITIONS = ["500-1-oil", "500-4-oil", "500-64-oil", "600-16-water", "700-4-oil", "800-1-water"]
AREA_FRACTION = 0.3  # wanted
UNSEEN = "500-16-oil"  # on the line of the first three
VOID = {"meta", "img", "br", "link", "input", "hr"}
FIGURES = (
    "coverage",
    "micrographs",
    "evolution",
    "two-point",
    "descriptors",
    "linkage",
    "suggestion",
    "classification",
    "training",
)


class Page(HTMLParser):
    """Reads a page: which tags nest properly, text and images a section, everything that could be fetched."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.section = ""
        self.text: dict[str, str] = {}
        self.images: dict[str, list[dict]] = {}
        self.attributes: list[tuple[str, str, str]] = []
        self.tags: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs.items()]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "section" and "id" in attrs:
            self.section = attrs["id"]
        if tag == "img":
            self.images.setdefault(self.section, []).append(attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text[self.section] = self.text.get(self.section, "") + data


def decode(source: str) -> np.ndarray | ElementTree.Element:
    """Grey levels of an embedded bitmap, or the parsed tree of an embedded drawing."""
    kind, payload = re.fullmatch(r"data:image/(png|jpeg|svg\+xml);base64,(.+)", source).groups()
    data = base64.b64decode(payload, validate=True)
    if kind == "svg+xml":
        return ElementTree.fromstring(data)
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.fixture(scope="module")
def stores(tmp_path_factory) -> dict[str, Path]:
    """Simulated and generated ensembles with statistics, a linkage, and the folder of a run."""
    folder = tmp_path_factory.mktemp("report")
    real = discs(CONDITIONS, size=64)
    real.attrs |= {"licence": "CC BY <4.0>", "attribution": "A. Nonymous"}
    seen = discs([*CONDITIONS, UNSEEN], origin="generated", seed=1, specimens=1, fields=3)
    seed = np.tile(np.arange(3), len(CONDITIONS) + 1)
    fake = build(
        seen["micrograph"].values,
        seen["condition"].values.tolist(),
        SPACE.observing(CONDITIONS),
        origin="generated",
        specimen=seen["specimen"].values.tolist(),
        seed=seed,
        um_per_px=0.1,
    )
    paths = {"real": folder / "real.zarr", "gen": folder / "gen.zarr"}
    for path, ensemble in zip(paths.values(), (real, fake), strict=True):
        write_ensemble(ensemble, path, progress=False)
    compute_statistics(*paths.values(), progress=False)
    link(*paths.values(), out=folder / "linkage", n_components=2, regressor="ridge")
    run = folder / "run"
    (run / "samples").mkdir(parents=True)
    lines = [
        {"images": 100 * i, "loss_d_real": 4 / i, "loss_d_fake": 3 / i, "loss_g": i} for i in range(1, 9)
    ]
    figures = {"distance": 0.7, "distance_real": 0.1, "diversity": 0.9, "variety": 0.5}
    figures |= {"accuracy_bath": 0.6, "accuracy_bath_real": 0.8}
    lines += [{"images": 100 * i} | figures for i in (4, 8)]
    lines += [{"images": 800, "warning": "the generator collapses: seeds of <800-5-Q> differ little"}]
    (run / "log.jsonl").write_text("\n".join(map(json.dumps, lines)))
    row = {"condition": "500-1-oil", "micrographs": 6, "area_fraction": 0.31, "area_fraction_real": 0.29}
    row |= {"distance": 0.123, "variety": 0.456, "diversity": 0.9, "accuracy_bath": 0.654}
    rows = [{"images": i} | row | {"distance": i / 1e3} for i in (400, 800)]
    (run / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for name in ("000000100.png", "000000800.png"):
        Image.fromarray(np.full((8, 8), int(name[6:9]) // 4, np.uint8)).save(run / "samples" / name)
    return paths | {"linkage": folder / "linkage", "run": run}


@pytest.fixture(scope="module")
def classified(stores, tmp_path_factory) -> Path:
    """Folder of a classification of the real ensemble by temperature."""
    folder = tmp_path_factory.mktemp("classified") / "classification"
    real = open_ensemble(stores["real"])
    hot = np.where(real["heat"].values > 550, "hot", "cold")
    classify(real.assign_coords(microconstituent=("sample", hot)), folds=2, out=folder, progress=False)
    return folder


@pytest.fixture(scope="module")
def full(stores, classified, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("page") / "new" / "report.html"
    evaluation = pd.DataFrame({"metric": ["distance"], "generated": [0.12345]})
    made = write_report(
        stores["real"],
        stores["gen"],
        linkage=stores["linkage"],
        run=stores["run"],
        out=out,
        evaluation=evaluation,
        classification=classified,
        target={"area_fraction": AREA_FRACTION},
    )
    assert made == out
    return out


def test_page_is_one_file_that_fetches_nothing(full):
    page = Page(full)
    assert not {"link", "iframe", "object"} & set(page.tags)
    policy = next(value for _, name, value in page.attributes if name == "content" and "default-src" in value)
    assert "default-src 'none'; img-src data:;" in policy
    assert "connect-src 'none'" in policy
    for tag, name, value in page.attributes:
        assert not name.startswith("on"), (tag, name)
        if name in ("src", "srcset", "href", "action", "poster", "background"):
            assert value.startswith(("data:image/", "#")), (tag, name, value[:60])
    assert not re.search(r"url\(|@import|@font-face", full.read_text(encoding="utf-8"))
    assert full.stat().st_size < 8e6
    assert [path.name for path in full.parent.iterdir()] == ["report.html"]


def test_links_lead_to_sections_and_ids_are_unique(full):
    page = Page(full)
    ids = [value for _, name, value in page.attributes if name == "id"]
    links = [value.removeprefix("#") for tag, name, value in page.attributes if (tag, name) == ("a", "href")]
    assert len(ids) == len(set(ids))
    above = ["evaluation", "linkage"]  # from the lines at the top; the others are of the bar
    assert links[:2] == above
    assert links[2:] == [i for i in ids if i in links]
    assert {"explorer", *FIGURES} < set(links)


def test_every_section_has_described_images_that_show_something(full):
    page = Page(full)
    for section in FIGURES:
        assert page.images[section], section
    for section, images in page.images.items():
        for image in images:
            assert len(image["alt"]) > 20, section
            content = decode(image["src"])
            if isinstance(content, np.ndarray):
                assert content.ndim == 2
                assert content.std() > 0 or section == "training"
            else:
                assert len(list(content.iter("{http://www.w3.org/2000/svg}path"))) > 10


def test_micrographs_on_the_page_are_those_of_the_stores(full, stores):
    shown = [decode(image["src"]) for image in Page(full).images["micrographs"]]
    real, fake = (open_ensemble(stores[name])["micrograph"].values for name in ("real", "gen"))
    known = [one[8:-8, 8:-8].tobytes() for one in real] + [one.tobytes() for one in fake]
    assert len(shown) == len(CONDITIONS) * (4 + 3) + 3
    assert all(image.tobytes() in known for image in shown)


def test_unseen_conditions_are_marked_once_and_the_last_grid_is_shown(full):
    page = Page(full)
    assert page.text["micrographs"].count("not seen in training") == 1
    assert "no micrograph of this combination" in page.text["micrographs"]
    assert int(decode(page.images["training"][-1]["src"])[0, 0]) == 200


def test_training_shows_its_figures_and_what_it_warned_of(full):
    page = Page(full)
    text = page.text["training"]
    assert "At 800 images: the generator collapses: seeds of <800-5-Q> differ little" in text
    assert "After 800 images" in text
    assert all(value in text for value in ("0.8", "0.456", "0.654"))
    assert "0.4" not in re.sub("0.456", "", text)  # of an earlier measurement
    titles = ("distance of", "Variety of", "condition the discriminator names")
    alts = [image["alt"] for image in page.images["training"]]
    assert all(any(title in alt for alt in alts) for title in titles)


def test_growth_laws_stand_under_the_evolution_with_what_they_are_worth(full):
    text = Page(full).text
    assert "Growth law" in text["evolution"]
    assert "the data do not tell the parameter" in text["evolution"]
    assert "Where the scatter comes from" in text["linkage"]
    assert "Generated conditions that nobody saw" in text["linkage"]


def test_suggested_conditions_are_those_of_the_linkage(full, stores):
    found = Linkage.load(stores["linkage"]).suggest({"area_fraction": AREA_FRACTION})
    text = Page(full).text["suggestion"]
    assert f"Wanted: area fraction {AREA_FRACTION:g}" in text
    assert f"most probable of {len(found)} conditions" in text
    assert all(condition in text for condition in found["condition"].head(10))


def test_classification_is_shown_as_it_was_written(full, classified):
    text = Page(full).text["classification"]
    assert (classified / "summary.txt").read_text() in text
    assert "no classification" not in text.casefold()


def test_what_cannot_be_shown_is_refused(stores, tmp_path):
    out = tmp_path / "page.html"
    with pytest.raises(ValueError, match="proposed by a linkage, and none is given"):
        write_report(stores["real"], target={"area_fraction": 0.3}, out=out)
    with pytest.raises(FileNotFoundError, match=r"run holds no classification: scores\.csv is missing"):
        write_report(stores["real"], classification=stores["run"], out=out)
    assert not out.exists()


def test_evolution_holds_every_value_of_the_series(full):
    page = Page(full)
    headings = [page.text["evolution"].find(f"{hours} h") for hours in (1, 4, 16, 64)]
    assert headings == sorted(headings)
    assert min(headings) > 0
    tiles = [image["alt"] for image in page.images["evolution"] if "micrograph, " in image["alt"]]
    assert len(tiles) == 3 + 3 * 4  # simulated in three conditions; in four, generated by three seeds
    assert sum("generated" in alt and "500-16-oil" in alt for alt in tiles) == 3


BAR = re.compile(r'<span class="bar" style="width:([0-9.]+)px"></span>([0-9.]+) µm')
TILE = re.compile(r'title="([^"]+)" width="(\d+)">(?:<span class="scale">' + BAR.pattern + ")?")


def test_bars_are_as_long_as_they_say(full):
    """All pixels are of 0.1 um: one bar for every row of micrographs, and one for the evolution."""
    page = full.read_text(encoding="utf-8")
    found = [(float(length), float(um)) for length, um in BAR.findall(page)]
    assert len(found) == len(CONDITIONS) + 1 + 1
    for length, um in found:
        assert um / length == pytest.approx(4.8 / 144, rel=1e-2)  # 48 px on 144


def test_micrographs_of_mixed_pixel_sizes_have_their_own_bars(stores, tmp_path):
    real, fake = (open_ensemble(stores[name]).load() for name in ("real", "gen"))
    sizes = np.resize([0.1, 0.4, np.nan, 0.4, 0.1], real.sizes["sample"])
    real = real.assign_coords(um_per_px=("sample", sizes)).drop_encoding()
    out = write_report(real, fake.drop_encoding(), out=tmp_path / "mixed.html")
    tiles = TILE.findall(re.sub(r'src="data:[^"]+"', 'src=""', out.read_text(encoding="utf-8")))
    fields = {"4.8": 0, "19.2": 0, None: 0}
    for title, width, length, um in tiles:
        field = re.search("field ([0-9.]+) µm wide", title)
        if SPACE.condition(UNSEEN).label in title:
            continue  # of these there are no real ones: one bar for the row
        fields[field and field[1]] += 1
        assert bool(field) == bool(length)
        if field:
            assert float(um) / float(length) == pytest.approx(float(field[1]) / float(width), rel=1e-2)
    assert min(fields.values()) > 3


def test_numbers_of_the_tables_are_those_of_the_data(full):
    page = Page(full)
    assert re.search(rf"{len(CONDITIONS)} of the 32 possible combinations", page.text["coverage"])
    row = f"{SPACE.condition(CONDITIONS[0]).label}500" + "1oil" + "6" + "2"
    assert row in re.sub(r"\s", "", page.text["coverage"])
    assert "CC BY <4.0>" in page.text["provenance"]  # and so it was escaped
    assert "0.123" in page.text["evaluation"]


def test_what_is_missing_is_said_with_its_command(stores, tmp_path):
    bare = tmp_path / "bare.zarr"
    write_ensemble(discs(CONDITIONS[:3]), bare, progress=False)
    page = Page(write_report(bare, out=tmp_path / "bare.html"))
    commands = {
        "micrographs": "pspgan generate RUN",
        "two-point": "pspgan stats bare.zarr",
        "descriptors": "pspgan stats bare.zarr",
        "linkage": "pspgan link bare.zarr",
        "training": "--run RUN",
        "evaluation": "--evaluation",
    }
    for section, command in commands.items():
        assert command in page.text[section], section
        assert section not in page.images, section
    assert len(page.images["coverage"]) == 3


FINDINGS = [
    Finding("scale", "none found", "Lengths are 1.01 times.", "a caveat"),
    Finding("consistency, heat", "cannot tell", "Real micrographs do not show heat either.", "a caveat"),
    Finding("consistency, bath", "cannot tell", "Real micrographs do not show bath either.", "a caveat"),
    Finding("difference", "found", "Mean two-point statistics differ <3.00> times.", "a caveat"),
]


def top(inputs: Inputs, path: Path) -> Page:
    """The page without its sections, whose first lines are what was found."""
    made = page_of(Explorer.of(inputs), at_a_glance(inputs), [], verdict=verdict(inputs))
    path.write_text(made, encoding="utf-8")
    return Page(path)


def test_findings_stand_at_the_top_with_the_faults_first(stores, tmp_path):
    found = Report(pd.DataFrame(), [], [], (8, 8), 1, findings=FINDINGS)
    inputs = Inputs.open(stores["real"], stores["gen"], stores["linkage"], None, found, None, None)
    text = re.sub(r"\s+", " ", top(inputs, tmp_path / "page.html").text[""])
    lines = (
        "What the evaluation found",
        "Difference: fault found. Mean two-point statistics differ <3.00> times.",
        "Consistency (heat, bath): cannot tell.",
        "Scale: no fault found.",
        "Linkage: On held-out conditions the fit on simulated specimens beats the mean for",
    )
    places = [text.find(line) for line in lines]
    assert places == sorted(places)
    assert min(places) > text.find("of the linkage fitted on simulated micrographs alone") > 0
    assert "No evaluation was given" not in text


def test_the_command_of_the_evaluation_keeps_what_the_report_was_made_from(stores, classified, tmp_path):
    given = (stores["real"], stores["gen"], stores["linkage"], stores["run"], None, classified)
    inputs = Inputs.open(*given, {"area_fraction": AREA_FRACTION}, tmp_path / "a report.html")
    text = top(inputs, tmp_path / "page.html").text[""]
    paths = {"linkage": stores["linkage"], "run": stores["run"], "classification": classified}
    command = f"pspgan report {stores['real']} {stores['gen']}"
    command += "".join(f" --{name} {path}" for name, path in paths.items())
    command += f" --target area_fraction={AREA_FRACTION:g} --evaluation -o '{tmp_path / 'a report.html'}'"
    assert command in text
    assert command in str(evaluation_section(inputs).blocks)
    assert "Difference" not in text


def test_a_page_without_generated_micrographs_says_how_they_are_evaluated(tmp_path):
    inputs = Inputs.open(discs(CONDITIONS[:2]), None, None, None, None, None, None)
    text = top(inputs, tmp_path / "page.html").text[""]
    assert "No generated micrographs were given" in text
    assert "pspgan report real.zarr gen.zarr --evaluation" in text


def test_no_classification_is_proposed_where_there_are_no_labels(stores):
    real = open_ensemble(stores["real"])
    inputs = Inputs.open(real, None, None, None, None, None, None)
    assert "no microconstituent labels" in str(classification_section(inputs).blocks)
    labels = np.full(real.sizes["sample"], "pearlite")
    labelled = real.assign_coords(microconstituent=("sample", labels))
    inputs = Inputs.open(labelled, None, None, None, None, None, None)
    assert "pspgan classify real.zarr" in str(classification_section(inputs).blocks)


def test_captions_say_what_descriptors_depend_on():
    """Micrographs of 64 px beside 32 px of another size of pixels, which is not known of all."""
    names, in_um = ["connectivity", "mean_intercept_length"], ["mean_intercept_length_um"]
    real, small = discs(CONDITIONS[:2], size=64), discs(CONDITIONS[:2], size=32, origin="generated")
    text = cautions.of_fields(real, small, names)
    assert "64 × 64 source pixels of simulated micrographs, 32 × 32 of generated ones" in text
    assert "clusters that span the field and intercept lengths" in text
    assert cautions.of_fields(real, small.assign_attrs(reduction=2), names) == ""
    assert cautions.of_magnification(real, names) == ""
    mixed = real.assign_coords(um_per_px=("sample", np.resize([0.1, 0.102], real.sizes["sample"])))
    assert "depend on the magnifications" in cautions.of_magnification(mixed, names)
    assert cautions.of_magnification(mixed, in_um) == ""
    assert "here they are in pixels" in cautions.of_units(names, in_um)
    assert "here they are in µm" in cautions.of_units(in_um, names)
    assert cautions.of_units(names, names) == cautions.of_units(["perimeter"], names) == ""


def test_captions_of_one_magnification_say_what_seeds_are(full):
    text = Page(full).text
    for section in ("explorer", "descriptors"):
        assert "seeds of one generator, which are no specimens" in text[section]
        assert "magnification" not in text[section]
    assert "The linkage predicts lengths in" not in text["explorer"]


def test_lengths_of_mixed_magnification_are_said_to_be_and_no_growth_law_is_fitted(stores, tmp_path):
    """Known pixel sizes of 0.1 and 0.4 um beside generated micrographs of unknown ones, half as large."""
    real, fake = discs(CONDITIONS, size=64), discs(CONDITIONS, size=32, origin="generated", specimens=1)
    sizes = np.resize([0.1, 0.4], real.sizes["sample"])
    real = real.assign_coords(um_per_px=("sample", sizes))
    fake = fake.assign_coords(um_per_px=("sample", np.full(fake.sizes["sample"], np.nan)))
    paths = [tmp_path / "real.zarr", tmp_path / "gen.zarr"]
    for path, ensemble in zip(paths, (real, fake), strict=True):
        write_ensemble(ensemble, path, progress=False)
    compute_statistics(*paths, progress=False)
    inputs = Inputs.open(*paths, stores["linkage"], None, None, None, None)
    assert isinstance(inputs.statistics, dict)
    explored = top(inputs, tmp_path / "page.html").text["explorer"]
    described = str([getattr(block, "caption", "") for block in descriptors(inputs).blocks])
    for text in (explored, described):
        assert "64 × 64 source pixels of simulated micrographs, 32 × 32 of generated ones" in text
        assert "depend on the magnifications" in text
    assert "The linkage predicts lengths in µm; here they are in pixels" in explored
    evolved = str(evolution(inputs).blocks)
    assert "No growth law is fitted: lengths are in pixels" in evolved
    assert "pixel sizes of simulated micrographs differ" in evolved
    assert "exponent n" not in evolved


def test_statistics_that_cannot_be_compared_are_left_out_with_a_reason(stores, tmp_path):
    other = tmp_path / "other.zarr"
    write_ensemble(discs(CONDITIONS), other, progress=False)
    compute_statistics(other, cutoff=3, progress=False)
    page = Page(write_report(other, stores["gen"], out=tmp_path / "page.html"))
    assert "cutoff is 3" in page.text["descriptors"]
    assert "descriptors" not in page.images
    assert page.images["micrographs"]


def test_datasets_in_memory_and_other_factors_work(tmp_path):
    space = ProcessSpace.infer(
        {"stirring": [10.0, 10.0, 20.0, 20.0], "mould": ["sand", "die", "sand", "die"]}
    )
    rng = np.random.default_rng(0)
    dataset = build(
        rng.integers(0, 256, (4, 16, 16), dtype=np.uint8),
        [str(c) for c in space.observed_conditions],
        space,
        origin="real",
        specimen=list("abcd"),
    )
    page = Page(write_report(dataset, out=tmp_path / "page.html"))
    assert "stirring" in page.text["coverage"]
    assert "Evolution with stirring" in page.text["evolution"]
    assert not re.search("temperature|cooling", " ".join(page.text.values()))


def test_an_existing_report_is_replaced_and_a_failed_one_leaves_it(stores, tmp_path):
    out = tmp_path / "report.html"
    out.write_text("old")
    with pytest.raises(FileNotFoundError, match="no such training run"):
        write_report(stores["real"], run=tmp_path / "none", out=out)
    assert out.read_text() == "old"
    write_report(discs(CONDITIONS[:2]), out=out)
    assert out.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert list(tmp_path.iterdir()) == [out]


def test_wrong_inputs_are_named(stores, tmp_path):
    with pytest.raises(FileNotFoundError, match="no such ensemble"):
        write_report(tmp_path / "none.zarr", out=tmp_path / "x.html")
    with pytest.raises(ValueError, match=r"gen\.zarr holds generated micrographs"):
        write_report(stores["gen"], out=tmp_path / "x.html")
    with pytest.raises(ValueError, match=r"real\.zarr holds simulated micrographs; the second"):
        write_report(stores["real"], stores["real"], out=tmp_path / "x.html")
    with pytest.raises(ValueError, match="differ in factors"):
        write_report(_other_space(), stores["gen"], out=tmp_path / "x.html")
    assert not list(tmp_path.iterdir())


def _other_space() -> xr.Dataset:
    space = ProcessSpace.infer({"stirring": [10.0]})
    return build(np.zeros((1, 8, 8), np.uint8), ["10"], space, origin="real", specimen=["a"])
