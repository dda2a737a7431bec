"""The live explorer shows what the generator makes, to this machine alone, and writes nothing."""

import http.client
import json
import os
import signal
import sys
import threading
from urllib.parse import urlencode, urlsplit

import numpy as np
import pytest
from looking import grey, micrographs, overflowing
from scene import BETWEEN, SEEN
from synthetic import SPACE, discs
from untrained import make_run

import pspgan as psp
from pspgan.cli import main
from pspgan.live.answering import open_answering
from pspgan.live.server import Server
from pspgan.process import ProcessSpace

ASKED = {"heat": "533", "hours": "10", "bath": "oil"}  # between levels
LABEL = "533-10-oil"


@pytest.fixture(scope="session")
def server(made):
    """Serves a run alone, which knows its data, and a linkage."""
    with Server(open_answering(made.run, linkage=made.linkage)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def page(tab, server):
    tab.goto(server.url)
    tab.wait_for_selector("[data-at=generated] img")
    return tab


def get(server, path, host=None):
    """Status, headers and content of what is asked for."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    connection.request("GET", path, headers={} if host is None else {"Host": host})
    reply = connection.getresponse()
    text = reply.read().decode()
    connection.close()
    return reply.status, reply.headers, text


def condition(server, query):
    status, _, text = get(server, f"/condition?{urlencode(query)}")
    return status, json.loads(text)


def sampled(run, label, seeds):
    """Grey levels of what the model makes, (seed, y, x)."""
    with pytest.warns(UserWarning, match="never saw"):
        made = psp.load(run).sample([label] * len(seeds), seeds=seeds)[:, 0].numpy()
    return np.rint((made + 1) * 127.5)


def test_what_is_shown_is_what_the_model_samples(server, made):
    status, answer = condition(server, ASKED | {"@seed": "5"})
    assert (status, answer["label"], answer["badge"]) == (200, LABEL, "never observed")
    tiles = answer["generated"]["micrographs"]
    assert all(f"seed {seed}" in tile[1] for seed, tile in zip(range(5, 9), tiles, strict=True))
    difference = np.abs(np.stack([grey(tile[0]) for tile in tiles]) - sampled(made.run, LABEL, [5, 6, 7, 8]))
    assert difference.max() <= 1  # of rounding
    assert (difference > 0).mean() < 1e-3


def test_what_was_generated_is_measured_and_predicted(server, made):
    _, answer = condition(server, SPACE.condition(SEEN[0]).as_dict() | {"@seed": "5"})
    again = psp.generate(made.run, SEEN[:1], n=4, seed=5, progress=False)
    mean, _, _, n, _ = answer["generated"]["descriptors"][0]
    assert n == 4
    assert mean == pytest.approx(again.psp.descriptors()["area_fraction"].values.mean(), rel=1e-3)
    assert answer["generated"]["profile"]["mean"][0] == pytest.approx(mean, rel=1e-3)
    predicted = psp.Linkage.load(made.linkage).predict(SEEN[0])["mean"].sel(target="area_fraction")
    assert answer["predicted"]["descriptors"][0][0] == pytest.approx(predicted.item(), rel=1e-3)


def test_values_between_levels_and_seeds_are_typed(page, made):
    page.locator("#exact-0").fill("533")
    page.locator("#exact-1").fill("10")
    page.locator("#exact-1").press("Enter")
    page.wait_for_selector(f"h3:has-text('{LABEL}')")
    assert page.inner_text("[data-at=badge]") == "never observed"
    assert page.inner_text("[data-factor='0'] output") == "533 °C"
    assert page.locator("#factor-1").get_attribute("aria-valuetext") == "10 h, never observed"
    assert page.locator("#jump").input_value() == ""
    assert "heat 500 °C instead of 533 °C" in page.inner_text("[data-at=near]")
    for seeds in ([0, 1, 2, 3], [4, 5, 6, 7]):
        page.wait_for_selector(f"[data-at=seeds]:has-text('seeds {seeds[0]}, ')")
        assert np.abs(micrographs(page, "generated") - sampled(made.run, LABEL, seeds)).max() <= 1
        page.get_by_role("button", name="Other seeds").click()
    page.locator("#seed").fill("123")
    page.locator("#seed").press("Enter")
    page.wait_for_selector("[data-at=seeds]:has-text('seeds 123, 124, 125, 126')")


def test_the_keyboard_moves_along_levels(page):
    labels = [SPACE.condition(text).label for text in SEEN[:2]]
    page.locator("#jump").select_option(SEEN[0])
    page.wait_for_selector(f"h3:has-text('{labels[0]}')")
    before = micrographs(page, "generated")
    page.focus("#factor-1")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(f"h3:has-text('{labels[1]}')")
    assert (micrographs(page, "generated") != before).any()
    assert not page.locator("[data-at=badge]").is_visible()
    for width in (1280, 400):
        page.set_viewport_size({"width": width, "height": 900})
        assert overflowing(page) == []


def test_errors_stand_on_the_page(page):
    page.locator("#exact-0").fill("5000")
    page.locator("#exact-0").press("Enter")
    page.wait_for_selector(".error")
    assert "heat 5000 lies outside 500 to 800 degC" in page.inner_text("[role=status]")
    page.locator("#exact-0").fill("600")
    page.locator("#exact-0").press("Enter")
    page.wait_for_selector("[data-at=says]:not(.error)")
    page.route("**/condition?*", lambda route: route.abort())
    page.get_by_role("button", name="Other seeds").click()
    page.wait_for_selector(".error")
    assert "is pspgan app still running?" in page.inner_text("[role=status]")
    page.complaints.clear()  # the browser's own, of the 400 and of the lost connection


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({}, "do not match this process space: heat, hours, bath"),
        (ASKED | {"bath": "air"}, 'bath "air" is none of oil, water'),
        (ASKED | {"heat": "nan"}, "heat nan lies outside"),
        (ASKED | {"@seed": "-1"}, 'seed "-1" is no whole number from 0 to'),
        (ASKED | {"@seed": str(2**53)}, "is no whole number from 0 to"),
        (ASKED | {"colour": "red"}, "do not match this process space"),
        ([*ASKED.items(), ("heat", "600")], "a value is given twice"),
    ],
)
def test_bad_requests_are_told_what_is_wrong(server, query, message):
    status, answer = condition(server, query)
    assert status == 400
    assert message in answer["error"]


def test_nobody_else_is_answered(server):
    assert server.server_address[0] == "127.0.0.1"
    port = server.server_port
    for host in ("evil.example", f"evil.example:{port}", f"127.0.0.1:{port + 1}", "localhost", ""):
        status, _, text = get(server, "/", host)
        assert status == 403, host
        assert server.url in text
    status, headers, text = get(server, "/", f"localhost:{port}")
    assert (status, text) == (200, server.answering.page)
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in headers
    assert get(server, "/../../etc/passwd")[0] == 404


def test_the_command_serves_until_it_is_interrupted_and_writes_nothing(made, monkeypatch, capsys):
    def files():
        return {path: path.stat().st_mtime_ns for path in made.run.parent.rglob("*")}

    before, pages = files(), []

    def look_and_interrupt(url):
        connection = http.client.HTTPConnection(urlsplit(url).netloc)
        connection.request("GET", "/")
        pages.append(connection.getresponse().read().decode())
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(
        "webbrowser.open", lambda url: threading.Thread(target=look_and_interrupt, args=[url]).start()
    )
    options = ["--real", made.real, "--gen", made.gen, "--linkage", made.linkage]
    monkeypatch.setattr(sys, "argv", ["pspgan", "app", *map(str, [made.run, *options])])
    # Started in the background a shell has it ignored, and then Python has no handler.
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(SystemExit) as stop:
        main()
    signal.signal(signal.SIGINT, usual)
    assert not stop.value.code
    said = capsys.readouterr()
    assert "run, beside real.zarr: http://127.0.0.1:" in said.err
    assert said.out == "stopped\n"
    assert 'id="exact-0"' in pages[0]
    assert files() == before


def test_numbers_of_a_given_ensemble_are_shown_where_it_has_the_condition(made):
    answering = open_answering(made.run, gen=made.gen)
    side = answering.condition([*SPACE.condition(BETWEEN).as_dict().items(), ("@seed", "40")])["generated"]
    assert side["count"] == psp.open_ensemble(made.gen).psp.condition(BETWEEN).sizes["sample"]
    assert "seed 40" in side["micrographs"][0][1]


def test_a_run_whose_data_are_gone_still_generates(tmp_path, made):
    data = {"um_per_px": None, "reduction": 1, "source": "gone.zarr"}
    run = make_run(tmp_path, SPACE.observing(SEEN), data, reduction=1)
    answering = open_answering(run)
    assert "gone.zarr, are not there; name them with --real" in answering.about
    answer = answering.condition(list(ASKED.items()))
    assert (answer["real"], len(answer["generated"]["micrographs"])) == ("", 4)
    with pytest.raises(ValueError, match=r"are shown beside real micrographs: .*gone\.zarr"):
        open_answering(run, linkage=made.linkage)


def test_statistics_that_do_not_fit_are_said_and_the_rest_is_shown(tmp_path, made):
    large = tmp_path / "large.zarr"
    psp.write_ensemble(discs(SEEN, size=80, specimens=1, fields=1), large, progress=False)
    psp.compute_statistics(large, progress=False)
    answering = open_answering(made.run, real=large)
    assert "cutoff 32 does not fit" in answering.explorer.missing.text
    assert answering.condition(list(ASKED.items()))["generated"]["profile"]["n"] == 4


def test_other_spaces_and_taken_ports_are_refused(made, tmp_path, server):
    space = ProcessSpace.infer({"stirring": [10.0]})
    run = make_run(tmp_path, space, {"um_per_px": None, "reduction": 1, "source": "in memory"}, reduction=1)
    with pytest.raises(ValueError, match="differ in factors heat, hours, bath against stirring"):
        open_answering(run, real=made.real)
    with pytest.raises(OSError, match=f"port {server.server_port} cannot be had"):
        Server(server.answering, server.server_port)
