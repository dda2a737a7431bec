"""Factors of a table from a YAML file, or from its headers and cells; and what the import says of them."""

import json
import shlex

import numpy as np
import pytest
import yaml
from PIL import Image

from pspgan import ensemble
from pspgan.sources import SourceError, describe, table
from pspgan.sources.factors import RESERVED
from pspgan.sources.inference import factor_name, split_header
from pspgan.sources.options import parse_factors
from pspgan.statistics.descriptors import DESCRIPTORS

HEADER = [
    "file",
    "rod",
    "temperature (degC)",
    "time [min]",
    "rate / K/s",
    "bath (medium)",
    "alloy",
    "remark",
    "note",
]
# 12 micrographs of 6 rods: every combination of 2 x 3 x 2, the rate following the time.
ROWS = [
    [f"f{k}.png", f"R{k // 2}", T, t, 0.2 * t, bath, "Fe-2C", "scratched" if k == 3 else "", f"field {k}"]
    for k, (T, t, bath) in enumerate(
        (T, t, bath) for T in (20, 900) for t in (1, 8, 64) for bath in ("Q", "AR")
    )
]
SPOKEN = {"specimen": "rod", "progress": False}


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for k in range(12):
        Image.fromarray(np.full((8, 8), k, dtype=np.uint8)).save(folder / f"f{k}.png")
    return folder


@pytest.fixture
def write(tmp_path):
    """Writes ``heat.csv``; a column of the rows may be replaced, or others added."""

    def write(**columns):
        header, rows = [*HEADER], [list(map(str, row)) for row in ROWS]
        for name, cells in columns.items():
            if name not in header:
                header.append(name)
            for row, cell in zip(rows, cells, strict=True):
                row[header.index(name) :] = [str(cell), *row[header.index(name) + 1 :]]
        path = tmp_path / "heat.csv"
        path.write_text("".join(",".join(line) + "\n" for line in [header, *rows]))
        return path

    return write


@pytest.fixture
def factors(tmp_path):
    """Writes ``factors.yaml``."""

    def write(text):
        path = tmp_path / "factors.yaml"
        path.write_text(text)
        return path

    return write


YAML = """\
time: {column: "time [min]", unit: min, scale: log, levels: [64, 1, 8, 512]}
bath:
  column: bath (medium)
  levels: [no, Q, AR]     # "no" is a name here, not a truth value
  map: {AR: no}
rod:
"""


# Aliases that stand for 10^12 words.
BOMB = "&a0 [x, x, x, x, x, x, x, x, x, x]"
for k in range(1, 12):
    BOMB = f"&a{k} [{', '.join([BOMB, *[f'*a{k - 1}'] * 9])}]"


def lines_on(dataset, start):
    return [line for line in describe(dataset).splitlines() if line.startswith(start)]


def test_a_file_of_factors(write, images, factors):
    ds = table.read(write(), images, factors=factors(YAML), **SPOKEN)
    space = ensemble.space_of(ds)
    assert space.names == ("time", "bath", "rod")
    assert space["time"].levels == (64.0, 1.0, 8.0, 512.0)
    assert (space["time"].unit, space["time"].scale) == ("min", "log")
    assert space["bath"].levels == ("no", "Q", "AR")
    assert space["rod"].kind == "nominal"
    assert ds["condition"].values[:2].tolist() == ["1-Q-R0", "1-no-R0"]
    # Class indices follow the file: 64 min is the first level, Q the fifth of all.
    assert space.encode({"time": 64, "bath": "Q", "rod": "R5"})[0].nonzero()[0].tolist() == [0, 5, 12]
    assert len(space.observed) == 12
    assert lines_on(ds, "factor ") == [
        'factor time (column "time [min]"): ordinal, 4 levels, 1 to 512 min, log axis; in no row: 512',
        'factor bath (column "bath (medium)"): nominal, 3 levels: no, Q, AR; in no row: AR',
        "factor rod: nominal, 6 levels: R0, R1, R2, R3, R4, R5",
    ]
    same = table.read(write(), images, factors=yaml.load(YAML, yaml.BaseLoader) | {"rod": {}}, **SPOKEN)
    assert same.identical(ds)


def test_numbers_and_names_in_python(write, images):
    said = {"time": {"column": "time [min]", "levels": (64, 8, 1.0)}, "bath": {"column": "bath (medium)"}}
    space = ensemble.space_of(table.read(write(), images, factors=said, **SPOKEN))
    assert (space["time"].kind, space["time"].levels) == ("ordinal", (64.0, 8.0, 1.0))
    said["time"] |= {"scale": "nominal", "levels": (64, 8, 1)}
    space = ensemble.space_of(table.read(write(), images, factors=said, **SPOKEN))
    assert (space["time"].kind, space["time"].levels) == ("nominal", ("64", "8", "1"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "time: {scael: log}",
            r'factor time: unknown key "scael"; did you mean "scale"\? \(column, unit, scale',
        ),
        ("time: {scale: cubic}", 'factor time: scale "cubic" is none of linear, log, nominal'),
        ("time: minutes", r"factor time is 'minutes', not keys with values; write time: \{column: minutes\}"),
        ("time: [minutes]", r"factor time is \['minutes'\], not keys with values; write time: \{column: COL"),
        (f"time: {{levels: [{BOMB}]}}", r"factor time: levels 0: .*string \(got \[\["),
        ("time: {column: }", "factor time: column: .*at least 1 character"),
        ("time: {levels: 5}", "factor time: levels: .*tuple"),
        ("time: {levels: [1, 8, 8.0]}", "factor time repeats a level"),
        ("time: {levels: [0, 8], scale: log}", "factor time: level 0 cannot lie on a log axis"),
        ("time: {map: {a: [b]}}", r"factor time: map a: .*string \(got \['b'\]\)"),
        ("split: {column: rod}", 'factor "split": ensembles use that name for something else'),
        ("../x: {column: rod}", r'factor "\.\./x": a name has letters, digits and _'),
        ("T: {}\nT: {}", r'line 2: "T" is given in line 1 already; remove one of the two'),
        ("T: {unit: K, unit: degC}", r'line 1: "unit" is given in line 1 already'),
        ("T: {levels: [1", "is no YAML: "),
        ("? [a]\n: b", "is no YAML: .*unhashable key"),
        ("[" * 5000, "is no YAML: "),
        ("- time", "names no factor; write for example temperature: {column: T, unit: degC}"),
        ("", "names no factor"),
    ],
)
def test_what_a_file_gets_wrong_is_named(write, images, factors, text, message):
    path = factors(text)
    with pytest.raises(SourceError, match=message) as raised:
        table.read(write(), images, factors=path, **SPOKEN)
    assert str(raised.value).startswith(str(path))


def test_file_that_is_not_there(write, images, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.yaml: no such file of factors"):
        table.read(write(), images, factors=tmp_path / "gone.yaml", **SPOKEN)


def test_rows_outside_the_levels_are_named(write, images, factors):
    path = factors('bath: {column: "bath (medium)", levels: [Q, oil]}')
    with pytest.raises(
        SourceError, match=r'heat\.csv, row 3: bath "AR" is none of the levels Q, oil; map it'
    ) as e:
        table.read(write(), images, factors=path, **SPOKEN)
    assert str(e.value).endswith(f"or add it to the levels in {path}")
    path = factors('time: {column: "time [min]", levels: [1, 10, 64]}')
    with pytest.raises(SourceError, match=r'row 4: time "8" is none .* 1, 10, 64; .*--map time:8=10, or add'):
        table.read(write(), images, factors=path, **SPOKEN)
    ds = table.read(write(), images, factors=path, map={"time": {"8": "10"}}, **SPOKEN)
    assert ensemble.space_of(ds)["time"].levels == (1.0, 10.0, 64.0)
    assert set(ds["time"].values.tolist()) == {1.0, 10.0, 64.0}


def test_spellings_of_the_call_go_before_those_of_the_file(write, images, factors):
    path = factors('bath: {column: "bath (medium)", map: {AR: air, Q: water}}')
    ds = table.read(write(), images, factors=path, map={"bath": {"AR": "fan"}}, **SPOKEN)
    assert ensemble.space_of(ds)["bath"].levels == ("fan", "water")


def test_columns_become_factors_where_nobody_says(write, images):
    ds = table.read(write(), images, **SPOKEN)
    space = ensemble.space_of(ds)
    assert space.names == ("temperature", "time", "rate", "bath")
    assert [factor.kind for factor in space.factors] == ["ordinal"] * 3 + ["nominal"]
    assert [factor.unit for factor in space.factors] == ["degC", "min", "K/s", ""]
    assert {factor.scale for factor in space.factors} == {"linear"}
    told = describe(ds).splitlines()
    assert told[1:5] == [
        # 900 degC is no multiple of 20 degC, so that no other axis is offered.
        'factor temperature (column "temperature (degC)"): ordinal, 2 levels, 20 to 900 degC, linear axis',
        'factor time (column "time [min]"): ordinal, 3 levels, 1 to 64 min, linear axis; a log axis may fit: '
        "see below",
        'factor rate (column "rate / K/s"): ordinal, 3 levels, 0.2 to 12.8 K/s, linear axis; a log axis may '
        "fit: see below",
        'factor bath (column "bath (medium)"): nominal, 2 levels: AR, Q',
    ]
    assert told[6:] == [
        "no factor: alloy (Fe-2C in every row)",
        "no factor: remark (blank in 11 of 12 rows)",
        "no factor: note (text that differs in nearly every row, 12 of 12)",
        "pixel size unknown for 12 of 12",
    ]
    assert json.loads(ds.attrs["provenance"])["columns"] == {
        "temperature": "temperature (degC)",
        "time": "time [min]",
        "rate": "rate / K/s",
        "bath": "bath (medium)",
        "image": "file",
        "specimen": "rod",
    }


def test_options_that_are_told_do_what_they_say(write, images):
    """Written as told, they give the same space with the log axes."""
    ds = table.read(write(), images, **SPOKEN)
    (line,) = lines_on(ds, "factors are what the columns say; the same with a log axis: ")
    words = shlex.split(line.partition("axis: ")[2])
    assert words[::2] == ["--factor"] * 4
    named = table.read(write(), images, factors=parse_factors(words[1::2]), **SPOKEN)
    inferred, said = ensemble.space_of(ds), ensemble.space_of(named)
    assert [factor.scale for factor in said.factors] == ["linear", "log", "log", "linear"]
    assert inferred.observed == said.observed
    assert [(f.name, f.levels, f.unit, f.kind) for f in inferred.factors] == [
        (f.name, f.levels, f.unit, f.kind) for f in said.factors
    ]
    assert not [line for line in describe(named).splitlines() if "may fit" in line]


def test_one_named_factor_gets_one_option(write, images, factors):
    arguments = {"factors": {"t": {"column": "time [min]", "unit": "min"}}} | SPOKEN
    (line,) = lines_on(table.read(write(), images, **arguments), "factor ")
    assert line.endswith("; a log axis may fit: --factor 't=time [min]:min:log'")
    path = factors('t: {column: "time [min]"}')
    (line,) = lines_on(table.read(write(), images, **arguments | {"factors": path}), "factor ")
    assert line.endswith(f"1 to 64, linear axis; a log axis may fit: scale: log under t in {path}")
    # A colon in a header cannot be written as an option.
    table_ = write(**{"a:b": [1, 2, 400] * 4})
    arguments["factors"] = {"ratio": {"column": "a:b"}}
    (line,) = lines_on(table.read(table_, images, **arguments), "factor ")
    assert line.endswith(
        "a log axis may fit: scale: log under ratio in a file (--factors FILE), for the colon in a header"
    )
    flat = {"time [min]": [1, 2] * 6, "rate / K/s": [1, 2] * 6}
    ds = table.read(write(**flat, **{"a:b": [1, 2, 4] * 4}), images, **SPOKEN)
    (line,) = lines_on(ds, "factors are what the columns say; the same: ")
    assert line.endswith("named in a file (--factors FILE), for the colon in a header")


@pytest.mark.parametrize(
    ("cells", "kept"),
    [
        ([1, 31] * 6, True),
        ([1, 30] * 6, False),
        ([0, 31] * 6, False),
        ([-1, 31] * 6, False),
    ],
)
def test_a_log_axis_is_offered_for_wide_positive_levels_only(write, images, cells, kept):
    ds = table.read(write(strain=cells), images, factors={"strain": {}}, **SPOKEN)
    assert ("a log axis may fit: --factor strain::log" in describe(ds)) == kept


@pytest.mark.parametrize(
    ("name", "cells", "why"),
    [
        (
            "key",
            [f"K{k}" for k in range(10)] + ["K0", "K1"],
            "text that differs in nearly every row, 10 of 12",
        ),
        ("level", [f"K{k % 9}" for k in range(12)], ""),
        ("few", [5, 6, 7, 5, 6] + [""] * 7, "blank in 7 of 12 rows"),
        ("half", [5, 6, 7, 5, 6, 6] + [""] * 6, ""),
        ("same", ["8", "8.0"] * 6, "8 in every row"),
        ("run", range(101, 113), "numbers the rows"),
        ("dose", [2 * k for k in range(12)], ""),
        ("Sample", ["a", "b"] * 6, "if it is what it is called, --specimen Sample"),
        ("um_per_px", [0.1, 0.2] * 6, "if it is what it is called, --um-per-px um_per_px"),
        ("split", ["a", "b"] * 6, "ensembles use that name for something else"),
        ("#", [1, 2] * 6, "no letter to make a name of"),
    ],
)
def test_columns_that_can_be_no_factor_are_told_with_why(write, images, name, cells, why):
    ds = table.read(write(**{name: cells}), images, **SPOKEN)
    assert (name in ensemble.space_of(ds).names) == (not why)
    told = lines_on(ds, f"no factor: {name} (")
    assert len(told) == bool(why)
    assert all(why in line for line in told)


def test_spellings_reach_inferred_factors(write, images):
    path = write(**{"time [min]": ["n/a", 8, 64] * 4})
    with pytest.raises(
        SourceError, match=r'row 2: time "n/a" is not a number; .* --map time:n/a=NUMBER'
    ) as error:
        table.read(path, images, **SPOKEN)
    # Whoever calls it nominal has to name the others, too.
    assert "--factor 'time=time [min]::nominal' --factor 'rate=rate / K/s:K/s'" in str(error.value)
    ds = table.read(path, images, map={"time": {"n/a": ""}}, **SPOKEN)
    assert ensemble.space_of(ds)["time"].levels == (8.0, 64.0)
    assert ensemble.space_of(ds)["time"].unit == "min"
    assert json.loads(ds.attrs["provenance"])["left_out"] == {
        "row where time is blank": ["row 2", "row 5", "row 8", "row 11"]
    }


def test_nothing_that_could_be_a_factor(write, images, tmp_path):
    path = tmp_path / "bare.csv"
    path.write_text("file,rod,alloy\n" + "".join(f"f{k}.png,R{k // 2},Fe\n" for k in range(12)))
    with pytest.raises(
        SourceError, match=r"bare\.csv: no column can be a process factor; .*alloy \(Fe in every"
    ):
        table.read(path, images, **SPOKEN)


def test_headers_that_make_one_name(write, images):
    hardness = {"hardness (HV)": [100, 120] * 6, "hardness (HRC)": [20, 30] * 6}
    names = ensemble.space_of(table.read(write(**hardness), images, **SPOKEN)).names
    assert names[-2:] == ("hardness_HV", "hardness_HRC")
    with pytest.raises(SourceError, match='columns "T" and "t" both make the factor t, whatever its case'):
        table.read(write(T=[1, 2] * 6, t=[3, 4] * 6), images, **SPOKEN)
    path = write()
    path.write_text(path.read_text().replace("alloy", "rod"))
    with pytest.raises(SourceError, match=r'heat\.csv has 2 columns "rod"'):
        table.read(path, images, **SPOKEN)


@pytest.mark.parametrize(
    ("header", "called", "unit", "name"),
    [
        ("temperature (degC)", "temperature", "degC", "temperature"),
        ("time [min]", "time", "min", "time"),
        ("T / K", "T", "K", "T"),
        ("quench rate (K / s)", "quench rate", "K / s", "quench_rate"),
        ("rate / K/s", "rate", "K/s", "rate"),
        ("Q (activation) [kJ/(mol K)]", "Q (activation)", "kJ/(mol K)", "Q_activation"),
        ("energy (kJ/(mol K))", "energy", "kJ/(mol K)", "energy"),
        ("w/c ratio", "w/c ratio", "", "w_c_ratio"),
        ("Cr wt%", "Cr wt%", "", "Cr_wt"),
        ("Glühzeit (min)", "Glühzeit", "min", "Glühzeit"),
        ("2nd step", "2nd step", "", "_2nd_step"),
        ("(min)", "(min)", "", "min"),
        ("time ()", "time", "", "time"),
    ],
)
def test_headers_give_name_and_unit(header, called, unit, name):
    assert split_header(header) == (called, unit)
    assert factor_name(called) == name
    assert name.isidentifier()


def test_no_factor_can_hide_a_descriptor():
    assert set(RESERVED) >= set(DESCRIPTORS)
    assert set(RESERVED) >= {f"{name}_um" for name, (_, power, *_) in DESCRIPTORS.items() if power}
