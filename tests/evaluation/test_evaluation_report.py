"""What an evaluation says: its table, text, findings, files, figures, and what it refuses."""

import html
import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from synthetic import discs, grid_conditions
from typer.testing import CliRunner

from pspgan import evaluate, figures, write_ensemble, write_evaluation, write_report
from pspgan.cli import app
from pspgan.ensemble import EnsembleError, part_of, space_of, split
from pspgan.evaluation.fidelity import FEATURE_KINDS
from pspgan.evaluation.findings import findings
from pspgan.process import ProcessSpace
from pspgan.training import Run, make_config

CONDITIONS = grid_conditions(6)


def generated(conditions=CONDITIONS, fields=6, seed=2):
    return discs(conditions, origin="generated", specimens=1, fields=fields, specimen_sd=0, seed=seed)


@pytest.fixture(scope="module")
def real():
    return discs(CONDITIONS, origin="real", specimens=4, fields=4, seed=1)


@pytest.fixture(scope="module")
def report(real):
    """Of real micrographs with a split."""
    return evaluate(split(real, "specimen", held_out=0.3), generated(), splits=10)


class TestTable:
    def test_tidy(self, report):
        table = report.table
        keys = ["condition", "part", "kind", "quantity"]
        assert not table.duplicated(keys).any()
        assert table[[*keys, "unit", "split", "n"]].notna().all(axis=None)
        kinds = {"distance", "spread", "scale", "consistency", "near_duplicates", "memorisation", "leakage"}
        assert set(table["kind"]) == kinds | set(FEATURE_KINDS)
        for name in ("generated", "real"):
            known = table[[name, f"{name}_low", f"{name}_high"]].dropna()
            assert (known[f"{name}_low"] <= known[f"{name}_high"]).all()
        factors = table.query("kind == 'consistency' and condition == 'all'").set_index("quantity")
        # All are of one bath; of four levels, guessing between the middle ones is one step off on average.
        assert list(factors.index) == ["heat", "hours"]
        assert factors["chance"].tolist() == [1.0, 1.0]

    def test_parts_of_a_split(self, report):
        """Seen and held-out specimens apart, each with its own real figure."""
        lines = report.table.query("condition == 'all' and kind == 'distance' and quantity == 'two_point'")
        assert lines["part"].tolist() == ["all", "train", "held_out"]
        assert lines.set_index("part").loc["train", "real"] > 0
        text = str(report.findings[0])
        assert "as real halves by specimen in 6 of 6 conditions" in text
        assert "beside specimens seen in training" in text
        # Copies are looked for among the specimens that training has seen.
        held_out = {f"{c}/{k}" for c in CONDITIONS for k in range(4)} - {
            pair.specimen for pair in report.pairs
        }
        assert len(held_out) > 4

    def test_conditions_of_one_side_are_left_out_and_named(self, real):
        gen = generated([*CONDITIONS[:3], "550-2-oil"], fields=4)
        found = evaluate(real, gen, splits=4)
        assert found.only_generated == ["550-2-oil"]
        assert found.only_real == sorted(CONDITIONS[3:])
        assert set(found.table["condition"]) == {"all", *CONDITIONS[:3]}
        assert "only generated, left out: 550-2-oil" in str(found)

    def test_a_limit_is_kept_and_said(self, real):
        found = evaluate(real, generated(fields=3), splits=4, limit=24)
        assert any("24 tiles were drawn (limit 24)" in note for note in found.notes)
        assert found.table.query("kind == 'leakage'")["n"].max() <= 24
        assert "limit 24" in str(found)

    def test_the_seed_decides(self, real):
        before = np.random.get_state()[1].copy()  # noqa: NPY002
        part, gen = real.isel(sample=slice(48)), generated(CONDITIONS[:3], 4)
        first, same, other = (evaluate(part, gen, seed=s, splits=3).table for s in (3, 3, 4))
        pd.testing.assert_frame_equal(first, same)
        assert not first.equals(other)
        np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


class TestText:
    def test_reads(self, report):
        text = str(report)
        assert f"{len(CONDITIONS)} conditions, tiles of 48 x 48 px of 1 source px" in text
        assert all(c in text for c in CONDITIONS)
        assert "halves by specimen" in text
        for subject in ("difference", "scale", "consistency, heat", "diversity", "memorisation", "leakage"):
            assert f"{subject}: " in text
        assert "is like sample" in text

    def test_verdicts_follow_the_figures(self):
        """A table made by hand: each line that is changed changes its verdict."""
        columns = ["kind", "quantity", "unit", "generated", "real", "ratio", "chance"]
        rows = [
            ("distance", "two_point", "1", 1.1, 1.0, 1.1, np.nan),
            ("spread", "two_point", "1", 0.95, 1.0, 0.95, np.nan),
            ("scale", "two_point", "1", 1.0, 1.0, 1.0, np.nan),
            ("consistency", "heat", "level steps", 0.4, 0.4, 1.0, 1.0),
            ("near_duplicates", "pixels", "1", 0.01, 0.01, 1.0, np.nan),
            ("memorisation", "pixels", "1", 0.01, 0.01, 1.0, np.nan),
            ("leakage", "flat_square", "1", 0.01, 0.01, 1.0, np.nan),
        ]
        table = pd.DataFrame(rows, columns=columns).assign(condition="all", part="all", split="specimen")
        for name in ("generated", "real", "ratio"):
            table[f"{name}_low"], table[f"{name}_high"] = table[name] * 0.95, table[name] * 1.05

        def verdicts(index=None, value=None):
            changed = table.copy()
            if index is not None:
                for name, factor in (("generated", 1), ("generated_low", 0.95), ("generated_high", 1.05)):
                    changed.loc[index, name] = value * factor
                for name in ("ratio", "ratio_low", "ratio_high"):
                    changed.loc[index, name] = (
                        changed.loc[index, name.replace("ratio", "generated")] / changed.loc[index, "real"]
                    )
            return [one.verdict for one in findings(changed)]

        assert verdicts() == ["none found"] * 6
        unsized = {one.subject: one for one in findings(table, sized=False)}
        assert unsized["scale"].verdict == "cannot tell"
        assert "Lengths are 1.00 [0.95, 1.05] times" in unsized["scale"].text
        faults = {0: (0, 1.5), 1: (3, 0.6), 2: (1, 2.0), 3: (2, 1.0), 4: (3, 0.3), 5: (4, 0.2), 6: (5, 0.2)}
        for row, (finding, value) in faults.items():
            expected = ["none found"] * 6
            expected[finding] = "found"
            assert verdicts(row, value) == expected, table.loc[row, "kind"]
        table.loc[3, ["real", "real_low", "real_high"]] = 0.97, 0.8, 1.1
        assert verdicts()[2] == "cannot tell"


class TestHeldOutConditions:
    """Nothing that training has seen is of these conditions."""

    @pytest.fixture(scope="class")
    def parted(self, real):
        return split(real, "condition", held_out=0.3)

    @pytest.fixture(scope="class")
    def unseen(self, parted):
        return generated(sorted(set(part_of(parted, "held_out")["condition"].values.tolist())))

    def test_copies_are_looked_for_in_what_training_has_seen(self, parted, unseen):
        table = evaluate(parted, unseen, splits=3).table
        held = set(table.loc[table["kind"] == "memorisation", "quantity"])
        assert held == {"pixels"}  # features, and the same specimen, are of these conditions
        assert "held_out" in set(table["part"])
        assert "train" not in set(table["part"])

    def test_without_what_training_has_seen(self, parted, unseen):
        found = evaluate(part_of(parted, "held_out"), unseen, splits=3)
        (finding,) = (one for one in found.findings if one.subject == "memorisation")
        assert finding.verdict == "cannot tell"
        assert "with its split" in finding.caveat


class TestRefused:
    def test_nothing_in_common(self, real):
        with pytest.raises(ValueError, match=r"no condition is in both.*generated 550-2-oil"):
            evaluate(real, generated(["550-2-oil"]))

    def test_a_specimen_on_both_sides_of_the_split(self, real):
        leaky = split(real, "specimen", held_out=0.3)
        sides = leaky["split"].values.copy()
        specimen = leaky["specimen"].values[sides == "held_out"][0]
        sides[np.flatnonzero(leaky["specimen"].values == specimen)[0]] = "train"
        with pytest.raises(EnsembleError, match=f'specimen "{specimen}" is on both sides'):
            evaluate(leaky.assign_coords(split=("sample", sides)), generated())

    @pytest.mark.parametrize("options", [{"splits": 0}, {"limit": 1}, {"trained_on": "half"}])
    def test_numbers_and_words(self, real, options):
        with pytest.raises(ValueError, match=str(next(iter(options.values())))):
            evaluate(real, generated(), **options)

    def test_a_part_without_a_split(self, real):
        with pytest.raises(EnsembleError, match="pspgan split"):
            evaluate(real, generated(), trained_on="train")


class TestFolder:
    def test_from_the_shell(self, real, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        write_ensemble(real, "real.zarr", progress=False)
        write_ensemble(generated(fields=4), "gen.zarr", progress=False)
        command = ["evaluate", "real.zarr", "gen.zarr", "--splits", "3", "-o", "out/evaluation"]
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, done.output
        assert "memorisation: none found" in done.output
        folder = tmp_path / "out" / "evaluation"
        assert {path.name for path in folder.iterdir()} == {
            "table.csv",
            "findings.txt",
            "findings.json",
            "ratios.png",
            "feature_spaces.png",
            "consistency.png",
            "shares.png",
            "nearest_training.png",
        }
        assert (folder / "findings.txt").read_text().strip() in done.output
        content = json.loads((folder / "findings.json").read_text())
        assert {one["verdict"] for one in content["findings"]} <= {"found", "none found", "cannot tell"}
        assert content["pairs"][0]["correlation"] == max(pair["correlation"] for pair in content["pairs"])
        table = pd.read_csv(folder / "table.csv")
        assert (table["condition"] == "all").sum() > 20
        with pytest.raises(FileExistsError, match="--overwrite"):
            write_evaluation("real.zarr", "gen.zarr", folder)
        (tmp_path / "mine").mkdir()
        with pytest.raises(FileExistsError, match="is no evaluation"):
            write_evaluation("real.zarr", "gen.zarr", "mine", overwrite=True)

    def test_what_a_run_knows(self, real, tmp_path):
        """Copies are looked for in the part that it was trained on; another space is refused."""
        parted = split(real, "specimen", held_out=0.3)
        write_ensemble(parted, tmp_path / "real.zarr", progress=False)
        write_ensemble(generated(fields=3), tmp_path / "gen.zarr", progress=False)
        stores = tmp_path / "real.zarr", tmp_path / "gen.zarr"
        config = make_config("demo", split="held_out", augment="cutout")
        Run(tmp_path / "run").create(config, "demo", space_of(real), {})
        found = write_evaluation(*stores, tmp_path / "out", run=tmp_path / "run", splits=3)
        assert found.notes == ["trained on: held_out; augmented by: cutout"]
        held_out = set(parted["specimen"].values[parted["split"].values == "held_out"])
        assert {pair.specimen for pair in found.pairs} <= held_out
        Run(tmp_path / "other").create(config, "demo", ProcessSpace.uhcsdb(), {})
        with pytest.raises(ValueError, match="another process space"):
            write_evaluation(*stores, tmp_path / "new", run=tmp_path / "other")
        assert not (tmp_path / "new").exists()

    def test_section_of_the_page(self, real, report, tmp_path):
        page = write_report(real, generated(), evaluation=report, out=tmp_path / "report.html").read_text(
            "utf-8"
        )
        section = page.partition('id="evaluation"')[2].partition("</section>")[0]
        for finding in report.findings:
            assert finding.text in html.unescape(section)
            assert finding.caveat in html.unescape(section)
        assert section.count("data:image/svg+xml") == 5

    def test_figures(self, report):
        for draw in (
            figures.ratios_to_real,
            figures.feature_figures,
            figures.readings,
            figures.shares_beyond_real,
            figures.nearest_training,
        ):
            figure = draw(report)
            assert isinstance(figure, Figure)
            figure.draw_without_rendering()
        pairs = figures.nearest_training(report)
        shown = pairs.axes[0].images[0].get_array()
        np.testing.assert_array_equal(shown, report.pairs[0].images[0])
        labels = figures.readings(report).axes[0].get_legend_handles_labels()[1]
        assert sorted(labels) == ["generated", "guessing", "real"]
