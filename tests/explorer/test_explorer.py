"""The explorer in a browser: what is chosen is shown, by mouse and keyboard, on wide and narrow screens."""

import numpy as np
import pytest
import scipy.stats
from looking import grey, micrographs, numbers, overflowing
from scene import BETWEEN, HELD_OUT, SEEDS, SEEN, UNSEEN
from synthetic import SPACE, discs

import pspgan as psp
from pspgan.ensemble import write_ensemble
from pspgan.linkage.distance import nearest_observed
from pspgan.process import ProcessSpace
from pspgan.report.evaluation import evaluation
from pspgan.report.explorer import Explorer
from pspgan.report.explorer.choices import choices, combinations, difference, value_text
from pspgan.report.explorer.pictures import pictures
from pspgan.report.facts import at_a_glance, limits, process_coverage
from pspgan.report.inputs import Inputs
from pspgan.report.page import page_of
from pspgan.report.verdict import verdict
from pspgan.statistics import radial_average

LABELS = {condition: SPACE.condition(condition).label for condition in (*SEEN, HELD_OUT, UNSEEN, BETWEEN)}


@pytest.fixture(scope="session")
def report(made, tmp_path_factory):
    """The explorer, and three of the other sections, which have tests of their own."""
    inputs = Inputs.open(made.real, made.gen, made.linkage, made.run, None, None, None)
    sections = [process_coverage(inputs), evaluation(inputs), limits(inputs)]
    path = tmp_path_factory.mktemp("page") / "report.html"
    found = verdict(inputs)
    text = page_of(Explorer.of(inputs), at_a_glance(inputs), sections, verdict=found)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def page(tab, report):
    tab.goto(report.as_uri())
    tab.wait_for_selector("#exploring:not([hidden])")
    return tab


def go_to(page, condition):
    page.locator("#jump").select_option(str(SPACE.condition(condition)))
    assert page.inner_text("[data-at=label]") == LABELS[condition]


def test_the_mouse_chooses_and_everything_changes(page):
    go_to(page, "800-1-water")
    before = {at: page.inner_text(f"[data-at={at}]") for at in ("label", "says", "real-title", "descriptors")}
    shown, curve = micrographs(page, "real"), page.locator("[data-at=curves] polyline").first
    points = curve.get_attribute("points")
    page.get_by_label("oil").check()
    assert page.inner_text("[data-at=label]") == "800-1-oil"
    page.locator("#factor-0").fill("0")
    assert page.inner_text("[data-at=label]") == "500-1-oil"
    for at, text in before.items():
        assert page.inner_text(f"[data-at={at}]") != text, at
    assert (micrographs(page, "real") != shown).any()
    assert curve.get_attribute("points") != points
    assert page.locator("#jump").input_value() == "500-1-oil"


def test_the_keyboard_chooses(page):
    go_to(page, "500-1-oil")
    page.focus("#factor-1")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("[data-at=label]") == LABELS["500-4-oil"]
    slider = page.locator("#factor-1")
    assert slider.get_attribute("aria-valuetext") == "4 h, observed"
    page.keyboard.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "16 h, never observed"
    assert "never observed" in page.inner_text("[role=status]")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")  # the other radio button
    assert page.inner_text("[data-at=label]") == "500-16-water"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_values_stand_in_order_whatever_their_index_and_those_between_levels_are_offered(page):
    texts = []
    page.focus("#factor-0")
    page.keyboard.press("Home")
    for _ in range(5):
        texts.append(page.inner_text("[data-factor='0'] output"))
        page.keyboard.press("ArrowRight")
    assert texts == ["500 °C", "550 °C", "600 °C", "700 °C", "800 °C"]


@pytest.mark.parametrize(
    ("condition", "badge"),
    [
        (SEEN[0], ""),
        (HELD_OUT, "not seen in training"),
        (UNSEEN, "never observed"),
        (BETWEEN, "never observed"),
    ],
)
def test_the_badge_tells_what_was_never_observed(page, condition, badge):
    go_to(page, condition)
    shown = page.locator("[data-at=badge]")
    assert shown.is_visible() == bool(badge)
    assert shown.inner_text() == badge
    said = page.inner_text("[role=status]")
    assert said.startswith(", ".join(filter(None, [LABELS[condition], badge])) + ".")
    assert ("Nobody observed" in said) == (badge == "never observed")
    assert f"{SEEDS} generated micrographs" in said
    group = page.locator(f"#jump option[value='{SPACE.condition(condition)}']").locator("..")
    assert group.get_attribute("label") == ("never observed" if badge == "never observed" else "observed")


def test_what_nobody_generated_has_its_command_and_the_nearest_real_ones(page, made):
    go_to(page, "800-1-water")
    page.locator("#factor-1").fill("3")
    asked = SPACE.condition("800-64-water")
    command = page.inner_text("[data-at=command]")
    assert command == f'pspgan generate {made.run} --conditions "{asked.label}" -n 32 -o asked.zarr'
    assert page.locator("[data-at=generated] img").count() == 0
    steps, (nearest,) = nearest_observed(SPACE.observing([*SEEN, HELD_OUT]), [asked])
    near = page.inner_text("[data-at=near]")
    assert nearest.label in near
    assert f"{steps[0]:g} level steps away: {difference(asked, nearest)}" in near
    assert nearest.label in page.inner_text("[data-at=real-title]")
    real = psp.open_ensemble(made.real)
    known = real["micrograph"].values[real["condition"].values == str(nearest)]
    assert all(any((one == other).all() for other in known) for one in micrographs(page, "real"))


def test_seeds_change_and_come_round(page, made):
    go_to(page, UNSEEN)
    gen = psp.open_ensemble(made.gen).psp.condition(UNSEEN)
    for seeds in ([0, 1, 2, 3], [4, 5, 0, 1], [2, 3, 4, 5], [0, 1, 2, 3]):
        assert page.inner_text("[data-at=seeds]") == f"seeds {', '.join(map(str, seeds))}"
        expected = gen["micrograph"].values[[gen["seed"].values.tolist().index(seed) for seed in seeds]]
        np.testing.assert_array_equal(micrographs(page, "generated"), expected)
        page.get_by_role("button", name="Other seeds").click()


def test_scale_bars_are_as_long_as_they_say(page):
    """32 px of 0.1 um are 3.2 um."""
    go_to(page, SEEN[0])
    for width in (1280, 400):
        page.set_viewport_size({"width": width, "height": 900})
        tiles = page.locator("#explorer .tile")
        assert tiles.count() == 8
        for tile in tiles.all():
            image, bar = (tile.locator(part).bounding_box()["width"] for part in ("img", ".bar"))
            (length,) = numbers(tile.locator(".length").inner_text())
            assert bar == pytest.approx(length / 3.2 * image, rel=0.01)


def test_numbers_are_those_of_the_statistics(page, made):
    go_to(page, SEEN[2])
    cells = {
        row.locator("th").inner_text(): [cell.inner_text() for cell in row.locator("td").all()]
        for row in page.locator("[data-at=descriptors] tbody tr").all()
    }
    name = str(SPACE.condition(SEEN[2]))
    real, gen = (psp.open_statistics(path) for path in (made.real, made.gen))
    mine = real.isel(sample=np.flatnonzero(real["condition"].values == name))
    means = mine["area_fraction"].groupby("specimen").mean().values
    reach = scipy.stats.t.ppf(0.95, len(means) - 1) * means.std(ddof=1) / np.sqrt(len(means))
    found = numbers(cells["area fraction"][0])
    expected = [means.mean(), max(means.mean() - reach, 0), min(means.mean() + reach, 1), len(means)]
    assert found == pytest.approx(expected, rel=6e-3)
    values = gen["area_fraction"].values[gen["condition"].values == name]
    low, high = scipy.stats.t.interval(0.9, SEEDS - 1, values.mean(), scipy.stats.sem(values))
    assert numbers(cells["area fraction"][1]) == pytest.approx([values.mean(), low, high, SEEDS], rel=6e-3)
    predicted = psp.Linkage.load(made.linkage).predict(name, level=0.9).sel(target="area_fraction")
    expected = [predicted[part].item() for part in ("mean", "low", "high")]
    assert numbers(cells["area fraction"][2]) == pytest.approx(expected, rel=6e-3)
    assert page.locator("[data-at=descriptors] .real circle.single").count() >= len(means)


def test_curves_start_at_the_area_fraction_and_have_axes_with_units(page, made):
    go_to(page, SEEN[0])
    page.locator("[data-at=two-point] summary").click()
    rows = page.locator("[data-at=curves-table] tbody tr")
    for k, path in enumerate((made.real, made.gen)):
        statistics = psp.open_statistics(path)
        mine = statistics["condition"].values == str(SPACE.condition(SEEN[0]))
        found = numbers(rows.first.locator("td").nth(k).inner_text())[0]
        assert found == pytest.approx(statistics["area_fraction"].values[mine].mean(), rel=6e-3)
    texts = page.locator("[data-at=curves] text").all_text_contents()
    assert "vector length (µm)" in texts
    assert "two-point probability, phases 1,1" in texts
    # A pixel is 0.1 um, and the last ring lies at the cutoff.
    assert numbers(rows.last.locator("th").inner_text()) == [pytest.approx(1.5, abs=0.1)]
    curves = page.locator("[data-at=curves] polyline")
    assert curves.count() == 3  # the linkage's, too
    assert page.locator("[data-at=curves] svg").get_attribute("aria-label").startswith("Curves of the")


def test_the_linkage_s_curve_is_there_for_what_nobody_saw_and_has_its_uncertainty(page, made):
    asked = SPACE.condition("500-64-water")
    page.locator("#factor-0").fill("0")
    page.locator("#factor-1").fill("3")
    page.get_by_label("water").check()
    assert page.inner_text("[data-at=label]") == asked.label
    assert "(dotted)" in page.inner_text("[data-at=curves-words]")
    page.locator("[data-at=two-point] summary").click()
    rows = page.locator("[data-at=curves-table] tbody tr")
    shown = np.array([numbers(rows.nth(i).locator("td").last.inner_text()) for i in range(rows.count())])
    fitted = psp.Linkage.load(made.linkage)
    with pytest.warns(UserWarning, match="observed=False"):
        found = fitted.predict([asked], return_std=True)
    pair = fitted.basis_.mean["correlation"].values.tolist().index("1,1")
    components = (fitted.basis_.mean[axis].values for axis in ("dy", "dx"))
    # Many draws of the scores, reconstructed, have the mean and the scatter that are shown.
    n = len(fitted.basis_.components)
    scores = np.random.default_rng(0).normal(found["mean"][0, :n], found["std"][0, :n], (20_000, n))
    _, drawn = radial_average(fitted.basis_.reconstruct(scores)[..., pair], *components)
    np.testing.assert_allclose(shown[:, 0], drawn.mean(axis=0), rtol=0.01, atol=1e-3)
    np.testing.assert_allclose(shown[:, 1], drawn.std(axis=0), rtol=0.03, atol=1e-3)


def test_the_caption_of_a_table_stays_on_a_narrow_screen_and_the_table_scrolls(page):
    page.set_viewport_size({"width": 400, "height": 900})
    figure = page.locator("#coverage figure:has(table)")
    assert figure.locator("figcaption").evaluate("one => one.getBoundingClientRect().right") <= 400
    box = figure.locator(".scroll")
    assert box.evaluate("one => one.scrollWidth > one.clientWidth")
    assert "scroll" in box.evaluate("one => getComputedStyle(one).backgroundAttachment")


@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_overflows_and_axe_finds_nothing(page, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page.set_viewport_size({"width": width, "height": 900})
    for condition in (SEEN[0], UNSEEN):
        go_to(page, condition)
        page.locator("[data-at=two-point] details").evaluate("one => one.open = true")
        assert overflowing(page) == []
    page.locator("#factor-1").fill("3")  # which nobody generated
    assert overflowing(page) == []
    results = axe.Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_the_page_without_scripts_and_on_paper(chromium, report):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert "needs JavaScript" in page.inner_text("#explorer")
    assert not page.locator("#exploring").is_visible()
    assert all(section.is_visible() for section in page.locator("main > section").all())
    context.close()


def test_print_leaves_out_what_one_cannot_press(page):
    page.emulate_media(media="print")
    for what in ("nav", ".controls", "#others"):
        assert not page.locator(what).first.is_visible(), what
    assert page.locator("[data-at=generated] img").first.is_visible()
    assert all(section.is_visible() for section in page.locator("main > section").all())


def test_the_bar_leads_to_sections_and_says_which_is_read(page):
    page.get_by_role("link", name="Limits").click()
    current = page.locator("nav a[aria-current]")
    page.wait_for_selector("nav a[href='#limits'][aria-current]")
    assert current.all_inner_texts() == ["Limits"]
    top = page.locator("#limits").bounding_box()["y"]
    bar = page.locator("nav").bounding_box()
    assert bar["y"] + bar["height"] <= top + 1  # it covers nothing


def test_texts_of_the_data_are_no_scripts(page):
    go_to(page, SEEN[0])
    assert page.evaluate("window.ran") is None
    alts = page.locator("[data-at=real] img").evaluate_all("all => all.map(one => one.alt)")
    assert any("</script>" in alt for alt in alts)


def test_every_condition_has_pictures_before_any_has_many():
    ensemble = discs(SEEN, size=32, specimens=2, fields=3)
    conditions = SPACE.conditions(SEEN)
    (all_of_them,) = pictures([(ensemble, 4)], conditions, None, 1e9)
    assert {len(tiles) for tiles in all_of_them.values()} == {4}
    size = max(len(tile.src) for tiles in all_of_them.values() for tile in tiles)
    (some,) = pictures([(ensemble, 4)], conditions, None, 7.5 * size)
    counts = [len(some[str(condition)]) for condition in conditions]
    assert max(counts) - min(counts) == 1
    assert sum(len(tile.src) for tiles in some.values() for tile in tiles) < 8.5 * size
    assert (grey(some[SEEN[0]][0].src) == ensemble["micrograph"].values[0]).all()


def test_large_micrographs_are_shown_smaller_and_their_bars_with_them():
    ensemble = discs(SEEN[:1], size=600, specimens=1, fields=1)
    (tile,) = pictures([(ensemble, 1)], SPACE.conditions(SEEN[:1]), None, 1e9)[0][SEEN[0]]
    assert grey(tile.src).shape == (200, 200)
    share, text = tile.scale
    assert float(text.split()[0]) == pytest.approx(share * 600 * 0.1, rel=1e-3)


def test_choices_of_many_combinations_are_those_there_are():
    space = ProcessSpace.uhcsdb()
    several = choices(space, [space.condition("850-6H-Q")])
    assert several[0].values == (700, 750, 800, 850, 900, 970, 1000, 1100)
    assert several[1].texts[1:3] == ["60 min (1H)", "90 min"]
    assert several[2].values == space["cooling"].levels
    given = space.conditions(["800-5-Q"])
    assert len(combinations(space, several, given, 288)) == 8 * 9 * 4
    assert combinations(space, several, given, 287) == given
    assert value_text(space["temperature"], 800.0) == "800 °C"


def test_real_micrographs_alone_are_explored_as_well(tab, tmp_path):
    path = tmp_path / "bare.zarr"
    write_ensemble(discs(SEEN[:3], size=32), path, progress=False)
    inputs = Inputs.open(path, None, None, None, None, None, None)
    page = tmp_path / "bare.html"
    page.write_text(page_of(Explorer.of(inputs), at_a_glance(inputs), []), encoding="utf-8")
    tab.goto(page.as_uri())
    assert tab.locator("[data-at=real] img").count() == 4
    assert "pspgan stats bare.zarr" in tab.inner_text("#explorer")
    assert tab.inner_text("[data-at=command]").startswith("pspgan generate RUN")
    assert not tab.locator("[data-at=two-point]").is_visible()
