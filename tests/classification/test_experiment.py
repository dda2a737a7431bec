"""The experiment, where the answer is known: generated micrographs that help, that do nothing, that leak."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from textures import generated_ensemble, real_ensemble, template_ensemble
from typer.testing import CliRunner

from pspgan.classification import classify
from pspgan.cli import app
from pspgan.ensemble import EnsembleError, specimens_seen, write_ensemble
from pspgan.generation.loading import _specimens

COUNTS = {"a": 20, "b": 20, "c": 20}


def flattened(micrographs):
    return micrographs.reshape(len(micrographs), -1) / 25.0


@pytest.fixture
def classifier():
    """Takes the nearest mean picture; fast, and no better than its means."""
    return make_pipeline(
        FunctionTransformer(flattened), LinearDiscriminantAnalysis(solver="lsqr", shrinkage=1.0)
    )


@pytest.fixture(scope="module")
def real():
    return template_ensemble(COUNTS, seed=0)


def knowing(real, name, seed):
    """A generator that has learned what the classes look like."""
    seen = np.unique(real["specimen"].values)
    return template_ensemble(dict.fromkeys("abc", 500), seed=1000 + seed, seen=seen, origin="generated")


def ignorant(real, name, seed):
    """A generator that has learned nothing: the same noise for every class."""
    seen = np.unique(real["specimen"].values)
    counts = dict.fromkeys("abc", 20)
    return template_ensemble(counts, seed=seed, strength=0.0, seen=seen, origin="generated")


def overall(found, arm, against):
    table = found.differences.set_index(["arm", "against", "class"])
    return table.sort_index().loc[(arm, against, "all")]


def test_generated_micrographs_that_help_are_found_to(real, classifier):
    found = classify(real, knowing, [20.0], classifier=classifier, repeats=3, progress=False)
    scores = found.scores[found.scores["class"] == "all"].set_index("arm")["f1"]
    assert scores["synthetic"] > scores["real"] + 0.1
    for against in ("real", "repeated"):
        row = overall(found, "synthetic", against)
        assert row["verdict"] == "better"
        assert row["low"] > 0 < row["folds_low"]
        assert row["p"] < 0.1
    assert overall(found, "repeated", "real")["verdict"] == "null"
    assert "helped, and more than repeating real ones" in found.summary()
    confusion = found.confusion("synthetic", "20")
    assert confusion.to_numpy().sum() == pytest.approx(60)  # every micrograph once a repeat
    assert np.trace(confusion) > np.trace(found.confusion())
    assert "guessing by the classes' shares 0.333" in found.summary()


def test_generated_noise_is_reported_as_a_null_result(real, classifier):
    found = classify(real, ignorant, [1.0], classifier=classifier, repeats=2, progress=False)
    assert overall(found, "synthetic", "real")["verdict"] == "null"
    assert "null result" in found.summary()


def test_what_is_added_is_counted_and_only_training_specimens_are_given(real, classifier):
    given = []

    def watching(real, name, seed):
        given.append((name, set(real["specimen"].values.tolist())))
        return knowing(real, name, seed)

    ratios = [1.0, {"a": 2.0}]
    found = classify(real, watching, ratios, classifier=classifier, folds=4, progress=False)
    alone = classify(real, knowing, ratios[1:], classifier=classifier, folds=2, progress=False)
    assert "of b, c nothing was added" in alone.summary()
    assert [name for name, _ in given] == [f"repeat0-fold{k}" for k in range(4)]
    for record in found.records:
        tested = set(found.specimen[record["sample"]].tolist())
        assert not tested & dict(given)[f"repeat0-fold{record['fold']}"]
        train = record["train"]
        wanted = {"0": {}, "1": train, "a:2": {"a": 2 * train["a"]}}[record["ratio"]]
        assert record["added"] == wanted


def test_a_generator_that_has_seen_the_test_fold_is_refused(real, classifier):
    def leaking(train, name, seed):
        return knowing(real, name, seed)  # of all specimens

    with pytest.raises(EnsembleError, match="on both sides of the split"):
        classify(real, leaking, classifier=classifier, progress=False)

    def silent(train, name, seed):
        return template_ensemble(dict.fromkeys("abc", 500), seed=0, origin="generated")

    with pytest.raises(EnsembleError, match="does not say which specimens"):
        classify(real, silent, classifier=classifier, progress=False)


def test_specimens_seen_are_those_of_all_that_was_appended():
    generated = generated_ensemble({"A": "round"}, 1, ["s2", "s1"])
    assert specimens_seen(generated) == ["s1", "s2"]
    for more, seen in (({"specimens": ["s3"]}, ["s1", "s2", "s3"]), ({}, None)):
        told = json.dumps({"specimens": ["s1", "s2"], "appended": [more]})
        appended = generated.assign_attrs(provenance=told)
        if seen is None:
            with pytest.raises(EnsembleError, match="does not say"):
                specimens_seen(appended)
        else:
            assert specimens_seen(appended) == seen


@pytest.mark.parametrize(
    ("before", "seen"),
    [
        (None, ["s1", "s2"]),
        ({"data": {"specimens": ["s3"]}}, ["s1", "s2", "s3"]),  # fine-tuned from a run that saw another
        ({"data": {}}, None),  # from a run of an earlier release
        ({"data": None}, None),  # from the published weights
    ],
)
def test_what_was_seen_before_fine_tuning_counts(before, seen):
    meta = {"data": {"specimens": ["s2", "s1"]}, "start_from": before}
    assert _specimens(meta) == seen


def test_a_killed_experiment_goes_on(tmp_path, real, classifier):
    whole = classify(real, knowing, [1.0], classifier=classifier, progress=False)
    calls = []

    def killed(train, name, seed):
        calls.append(name)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return knowing(train, name, seed)

    options = {"classifier": classifier, "out": tmp_path / "out", "progress": False}
    with pytest.raises(KeyboardInterrupt):
        classify(real, killed, [1.0], **options)
    with open(tmp_path / "out" / "folds.jsonl", "a") as file:
        file.write('{"repeat": 0, "fo')  # cut off while it was written
    found = classify(real, killed, [1.0], **options)
    assert calls == [f"repeat0-fold{k}" for k in (0, 1, 2, 2, 3, 4)]
    pd.testing.assert_frame_equal(found.scores, whole.scores)
    pd.testing.assert_frame_equal(found.differences, whole.differences)
    with pytest.raises(FileExistsError, match=r"another experiment \(seed differ\)"):
        classify(real, knowing, [1.0], seed=1, **options)
    with open(tmp_path / "out" / "folds.jsonl", "a") as file:
        file.write("no JSON\n")
    with pytest.raises(ValueError, match=r"folds\.jsonl, line \d+ is damaged .*start anew"):
        classify(real, knowing, [1.0], **options)
    classify(real, None, seed=1, overwrite=True, **options)
    assert len((tmp_path / "out" / "folds.jsonl").read_text().splitlines()) == 1 + 5


def test_an_ensemble_that_exists_is_judged_on_what_its_generator_has_not_seen(real, classifier):
    side = np.where(np.char.find(real["specimen"].values.astype(str), "-1") > 0, "held_out", "train")
    split = real.assign_coords(split=("sample", side))
    seen = np.unique(real["specimen"].values[side == "train"])
    generated = template_ensemble(dict.fromkeys("abc", 99), seed=5, seen=seen, origin="generated")
    found = classify(split, generated, [2.0], classifier=classifier, progress=False)
    assert overall(found, "synthetic", "real")["verdict"] == "cannot tell"  # of a single fold
    assert "one division into training and held-out specimens" in found.summary()
    assert set(found.predictions()["specimen"]) == {"a-1", "b-1", "c-1"}
    assert np.isnan(overall(found, "synthetic", "real")["p"])  # of one fold no test can be made
    with pytest.raises(EnsembleError, match="has no split"):
        classify(real, generated, classifier=classifier, progress=False)
    seen_all = template_ensemble(
        dict.fromkeys("abc", 99), seed=5, seen=np.unique(real["specimen"].values), origin="generated"
    )
    with pytest.raises(EnsembleError, match="on both sides"):
        classify(split, seen_all, classifier=classifier, progress=False)


def test_tiles_vote_for_their_micrograph():
    real = real_ensemble({"round": [2] * 4, "lamellar": [2] * 4}, size=64)

    def generator(train, name, seed):
        seen = np.unique(train["specimen"].values)
        return generated_ensemble({"A": "round", "B": "lamellar"}, 40, seen, seed=seed)

    found = classify(real, generator, [0.5], folds=2, progress=False)
    assert found.records[0]["train"] == {"round": 16, "lamellar": 16}  # four tiles a micrograph
    assert len(found.predictions()) == 3 * 16  # a class a micrograph, in each arm
    assert found.scores["f1"].min() > 0.9


def test_classes_that_cannot_be_judged_are_left_out_and_said():
    real = real_ensemble({"round": [2, 2], "coarse": [2, 2], "lamellar": [3]})
    labels = real["microconstituent"].values.copy()
    labels[0] = ""
    found = classify(
        real.assign_coords(microconstituent=("sample", labels)), folds=2, progress=False, reduction=2
    )
    assert found.classes == ("coarse", "round")
    assert "left out: lamellar: 3 micrographs, all of one specimen" in found.summary()
    assert "left out: 1 micrographs without a label" in found.summary()
    assert len(found.differences) == 0
    with pytest.raises(EnsembleError, match="reduction 3 is no multiple"):
        classify(real.assign_attrs(reduction=2), folds=2, reduction=3, progress=False)
    with pytest.raises(EnsembleError, match="fewer than two classes"):
        classify(real.isel(sample=slice(4)), folds=2, progress=False)


def test_python_of_the_page_runs():
    page = Path(__file__).resolve().parents[2] / "docs" / "classification.md"
    (code,) = re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    names = {}
    exec(code, names)
    assert names["found"].classes == ("pearlite", "spheroidite")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "real.zarr"
    write_ensemble(real_ensemble({"round": [3] * 4, "lamellar": [3] * 4}), path, progress=False)
    return path


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


def test_the_command_without_a_generator(tmp_path, store):
    done = run("classify", store, "-o", tmp_path / "out", "--folds", 2)
    assert done.exit_code == 0
    assert "F1, mean over classes" in done.output
    assert "next: pspgan classify" in done.output
    assert (tmp_path / "out" / "scores.png").read_bytes().startswith(b"\x89PNG")
    scores = pd.read_csv(tmp_path / "out" / "scores.csv")
    assert scores[scores["class"] == "all"]["f1"].item() > 0.9
    assert (tmp_path / "out" / "summary.txt").read_text() in done.output + "\n"
    with pytest.raises(ValueError, match="choose one"):
        run("classify", store, "--augment", "--generated", store)
    with pytest.raises(ValueError, match="neither texture nor network"):
        run("classify", store, "--classifier", "svm")


def test_the_commands_with_a_generator_trained_for_each_fold(tmp_path, store):
    tiny = ["images=32", "ch=4", "latent=8", "embedding=4", "batch=8", "sample_size=2"]
    settings = [word for pair in tiny for word in ("--set", pair)]
    command = (
        "classify",
        store,
        "--augment",
        "--preset",
        "demo",
        *settings,
        "--folds",
        2,
        "--ratios",
        "0.5,1",
    )
    done = run(*command, "-o", tmp_path / "out")
    assert done.exit_code == 0
    assert "Ratio 0.5: " in done.output
    differences = pd.read_csv(tmp_path / "out" / "differences.csv")
    assert set(zip(differences["arm"], differences["against"], strict=True)) == {
        ("synthetic", "real"),
        ("repeated", "real"),
        ("synthetic", "repeated"),
    }
    runs = sorted((tmp_path / "out" / "generators").glob("*/run/config.json"))
    seen = [set(json.loads(path.read_text())["data"]["specimens"]) for path in runs]
    assert [len(names) for names in seen] == [4, 4]
    assert not seen[0] & seen[1]
    (tmp_path / "out" / "scores.csv").unlink()
    before = [path.stat().st_mtime_ns for path in runs]
    assert run(*command, "-o", tmp_path / "out").exit_code == 0  # nothing is left to do but to write
    assert [path.stat().st_mtime_ns for path in runs] == before
    assert (tmp_path / "out" / "scores.csv").exists()


def test_the_command_that_exports(tmp_path, store):
    generated = tmp_path / "gen.zarr"
    write_ensemble(generated_ensemble({"A": "round", "B": "lamellar"}, 30, []), generated, progress=False)
    out = tmp_path / "dataset"
    done = run("export", store, "--generated", generated, "--ratio", "lamellar=2", "-o", out)
    assert "lamellar: 12, 24" in done.output
    assert len(list((out / "train" / "lamellar").glob("generated_*.png"))) == 24
    assert len(list((out / "train" / "round").glob("*.png"))) == 12
