"""Conditions by name, one by one, or from a file; what is wrong in it is named with its line."""

import openpyxl
import pytest

import pspgan as psp
from pspgan.generation.conditions import asked_for
from pspgan.process import ConditionError, ProcessSpace

SPACE = ProcessSpace.uhcsdb().observing(["800-5-Q", "970-90-FC"])
HEADER = "temperature,time,cooling"


def asked(conditions, n=5):
    return {str(point): count for point, count in asked_for(SPACE, conditions, n).items()}


def test_words_and_lists():
    assert asked("observed") == {"800-5-Q": 5, "970-90-FC": 5}
    assert len(asked("all")) == 224
    assert asked("850-6H-Q") == {"850-360-Q": 5}
    assert asked(["800-5-Q", "970-90-FC", "800-5-Q"]) == {"800-5-Q": 5, "970-90-FC": 5}


def test_a_text_file_has_a_condition_a_line(tmp_path):
    path = tmp_path / "asked.txt"
    path.write_text("# quenched\n800-5-Q\n\n  850-6H-Q  # between levels\n1100-1H-650-1H\n")
    assert asked(path) == {"800-5-Q": 5, "850-360-Q": 5, "1100-60-650-1H": 5}
    assert asked(path, 2)["800-5-Q"] == 2


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_a_table_has_a_column_a_factor_and_n(tmp_path, suffix):
    rows = [["cooling", "n", "temperature", "time"], ["q", 3, 850, 360], ["650-1H", None, 1100, 60.5]]
    path = tmp_path / f"asked{suffix}"
    if suffix == ".csv":
        path.write_text("\n".join(",".join("" if c is None else str(c) for c in row) for row in rows))
    else:
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        book.save(path)
    assert asked(path) == {"850-360-Q": 3, "1100-60.5-650-1H": 5}
    path = tmp_path / "plain.csv"
    path.write_text(f"{HEADER}\n800,5,Q\n")
    assert asked(path, 7) == {"800-5-Q": 7}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "800-5-Q\n\n1200-5-Q\n", "a.txt, line 3: .*temperature 1200 lies outside 700 to 1100 degC"),
        (
            "a.txt",
            "800-5-WQX",
            'a.txt, line 1: .*cooling "WQX" is none of Q, FC.*; correct it, or remove the line',
        ),
        ("a.txt", "800-5-Q\n# x\n800-5-q", "a.txt, line 3: 800-5-Q stands in line 1 already; remove one"),
        ("a.txt", "# nothing\n\n", "a.txt names no conditions"),
        ("a.txt", b"800-5-Q\xff", "a.txt is not UTF-8 text"),
        ("a.csv", f"{HEADER}\n800,5,Q\n800,x,Q", 'a.csv, row 3: .*time "x" is not a number .*remove the row'),
        ("a.csv", f"{HEADER}\n800,,Q", 'a.csv, row 2: .*time "" is not a number'),
        ("a.csv", f"{HEADER}\n800,nan,Q", "a.csv, row 2: .*time nan lies outside"),
        ("a.csv", f"{HEADER}\n800,5,WQX", 'a.csv, row 2: .*cooling "WQX" is none of'),
        ("a.csv", f"{HEADER}\n", "a.csv names no conditions"),
        ("a.csv", "temperature,tyme,cooling\n800,5,Q", 'no column "time"; the nearest is "tyme"'),
        ("a.csv", f"{HEADER},N\n800,5,Q,3", 'a.csv: column "N" is neither a factor .* nor "n"'),
        ("a.csv", f"{HEADER},n\n800,5,Q,0", 'a.csv, row 2: n "0" is no number of micrographs, 1 to'),
        ("a.csv", f"{HEADER},n\n800,5,Q,2.5", 'a.csv, row 2: n "2.5" is no number of micrographs'),
        ("a.csv", f"{HEADER},n\n800,5,Q,many", 'a.csv, row 2: n "many" is not a number'),
        ("a.csv", f"{HEADER},n\n800,5,Q,1e30", 'a.csv, row 2: n "1e30" is no number of micrographs'),
        ("a.csv", f"{HEADER},n\n800,5,Q,3\n800,5,Q,4", "a.csv, row 3: 800-5-Q stands in row 2 already"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path, name, text, message):
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=message):
        asked(tmp_path / name)


def test_files_that_are_not_there(tmp_path):
    for name in ("a.txt", "a.csv"):
        with pytest.raises(FileNotFoundError, match=rf"{name}: no such"):
            asked(tmp_path / name)


def test_a_factor_may_be_called_n(tmp_path):
    space = ProcessSpace.infer({"n": [1.0, 5.0], "cooling": ["Q", "AR"]})
    path = tmp_path / "asked.csv"
    path.write_text("n,cooling\n2.5,Q\n")
    assert {str(p): c for p, c in asked_for(space, path, 7).items()} == {"2.5-Q": 7}


def test_micrographs_of_a_table_are_those_of_a_list(run, tmp_path):
    """As many of each condition as its row says, each condition from the first seed on."""
    path = tmp_path / "asked.csv"
    path.write_text(f"{HEADER},n\n970,90,FC,3\n800,5,Q,\n")
    made = psp.generate(run, path, 2, seed=10, progress=False)
    assert made["condition"].values.tolist() == ["970-90-FC"] * 3 + ["800-5-Q"] * 2
    assert made["seed"].values.tolist() == [10, 11, 12, 10, 11]
    each = psp.generate(run, ["970-90-FC", "800-5-Q"], 3, seed=10, progress=False)
    difference = made["micrograph"].values.astype(int) - each["micrograph"].values[:5]
    assert abs(difference).max() <= 1
    path.write_text(f"{HEADER}\n2000,90,FC\n")
    with pytest.raises(ConditionError, match="row 2"):
        psp.generate(run, path, out=tmp_path / "gen.zarr")
    assert not (tmp_path / "gen.zarr").exists()
