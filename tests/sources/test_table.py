"""Any table with a folder of images: CSV and XLSX, mapping, what is left out, errors that name the cell."""

import json
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from PIL import Image

from pspgan import ensemble
from pspgan.sources import ImageError, SourceError, describe, table
from pspgan.sources.options import parse_factors, parse_map

HEADER = ["file", "T (degC)", "t_min", "cool", "rod", "scale", "class"]
ROWS = [
    ["a.png", 800, 5, "Q", "rod 1", 0.1, "spheroidite"],
    ["sub/b.tif", 900, 90, "AR", "rod 1", "", "network"],
    ["c", 800, 1440, "Q", "rod 2", 0.5, ""],
    ["d.png", 850.5, 5, "WQX", "rod 3", 0.1, "pearlite"],
]
ARGUMENTS = {
    "factors": {
        "temperature": {"column": "T (degC)", "unit": "degC"},
        "time": {"column": "t_min", "unit": "min", "scale": "log"},
        "cooling": {"column": "cool"},
    },
    "map": {"cooling": {"WQX": "Q"}},
    "specimen": "rod",
    "progress": False,
}


def write_csv(path, rows=ROWS, header=HEADER, delimiter=","):
    path.write_text(
        "".join(delimiter.join(map(str, line)) + "\n" for line in [header, *rows]), encoding="utf-8"
    )
    return path


def write_xlsx(path, rows=ROWS, header=HEADER):
    book = openpyxl.Workbook()
    for line in [header, *rows]:
        book.active.append([None if cell == "" else cell for cell in line])
    book.save(path)
    return path


def picture(number):
    return np.random.default_rng(number).integers(0, 256, (8, 9), dtype=np.uint8)


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    (folder / "sub").mkdir(parents=True)
    for number, name in enumerate(("a.png", "sub/b.tif", "c.png", "sub/d.png")):
        Image.fromarray(picture(number)).save(folder / name)
    return folder


@pytest.fixture
def heat(tmp_path):
    return write_csv(tmp_path / "heat.csv")


def saying(name, **keys):
    """The arguments, with something else said of one factor."""
    return ARGUMENTS | {"factors": ARGUMENTS["factors"] | {name: keys}}


def replaced(row, column, value):
    """The rows, with one cell replaced; ``row`` as a spreadsheet numbers it."""
    rows = [list(line) for line in ROWS]
    rows[row - 2][HEADER.index(column)] = value
    return rows


def test_columns_become_factors(heat, images):
    ds = table.read(heat, images, **ARGUMENTS, um_per_px="scale", microconstituent="class", licence="CC0")
    assert ds["condition"].values.tolist() == ["800-5-Q", "900-90-AR", "800-1440-Q", "850.5-5-Q"]
    assert ds["specimen"].values.tolist() == ["rod 1", "rod 1", "rod 2", "rod 3"]
    assert ds["microconstituent"].values.tolist() == ["spheroidite", "network", "", "pearlite"]
    np.testing.assert_array_equal(ds["um_per_px"].values, [0.1, np.nan, 0.5, 0.1])
    assert ds["micrograph"].chunks is not None
    np.testing.assert_array_equal(ds["micrograph"].values, [picture(i) for i in range(4)])
    space = ensemble.space_of(ds)
    assert space.names == ("temperature", "time", "cooling")
    assert space["temperature"].levels == (800.0, 850.5, 900.0)
    assert (space["time"].unit, space["time"].scale, space["cooling"].kind) == ("min", "log", "nominal")
    assert space["cooling"].levels == ("AR", "Q")
    assert len(space.observed) == 4
    assert ds.attrs["origin"] == "real"
    assert ds.attrs["licence"] == "CC0"


def test_every_form_of_the_table_gives_the_same(heat, images, tmp_path):
    expected = table.read(heat, images, **ARGUMENTS).load()
    forms = [
        write_xlsx(tmp_path / "heat.xlsx"),
        write_csv(tmp_path / "semicolon.csv", delimiter=";"),
        write_csv(tmp_path / "tab.tsv", delimiter="\t"),
        tmp_path / "bom.csv",
    ]
    forms[-1].write_text(heat.read_text(), encoding="utf-8-sig")
    for path in forms:
        ds = table.read(path, images, **ARGUMENTS)
        assert ds.assign_attrs(provenance="").identical(expected.assign_attrs(provenance="")), path


def test_options_of_the_command_line(heat, images):
    options = ["temperature=T (degC):degC", "time=t_min:min:log", "cooling=cool"]
    assert parse_factors(options) == ARGUMENTS["factors"]
    assert parse_map(["cooling:WQX=Q"]) == ARGUMENTS["map"]
    assert parse_factors(["grade::nominal"]) == {"grade": {"column": "grade", "scale": "nominal"}}
    assert parse_factors(["grade=alloy::nominal"]) == {"grade": {"column": "alloy", "scale": "nominal"}}
    assert parse_map(["time:n/a="]) == {"time": {"n/a": ""}}
    for bad in ("=T", "T=", "a=b:c:log:e", "", "a=b::cubic"):
        with pytest.raises(ValueError, match=r"NAME=COLUMN|is none of linear, log, nominal"):
            parse_factors([bad])
    with pytest.raises(ValueError, match='factor "a=c" gives a factor again'):
        parse_factors(["a=b", "a=c"])
    for bad in ("cooling=Q", "cooling:WQX", ":WQX=Q", "cooling:=Q"):
        with pytest.raises(ValueError, match="NAME:SPELLING=LEVEL"):
            parse_map([bad])
    with pytest.raises(ValueError, match="mapped already"):
        parse_map(["cooling:WQX=Q", "cooling:WQX=AR"])


def test_what_is_left_out_is_listed_and_told(images, tmp_path):
    rows = [*ROWS[:2], ["gone.png", *ROWS[0][1:]], ["", *ROWS[0][1:]], [""] * 7, replaced(4, "t_min", " ")[2]]
    ds = table.read(write_csv(tmp_path / "heat.csv", rows), images, **ARGUMENTS)
    assert json.loads(ds.attrs["provenance"])["left_out"] == {
        "row without an image": ['row 4 "gone.png"', 'row 5 ""'],
        "row where time is blank": ["row 7"],  # row 6 is a blank line
        "image without a row": ["sub/d.png"],
    }
    told = describe(ds).splitlines()
    assert told[0] == "2 micrographs, 2 combinations, 1 specimen (9 x 8 px)"
    assert 'left out 2: row without an image (row 4 "gone.png", row 5 "")' in told


def test_blank_lines_do_not_shift_row_numbers(images, tmp_path):
    path = tmp_path / "heat.csv"
    lines = write_csv(path, replaced(5, "t_min", "soon")).read_text().splitlines()
    path.write_text("\n".join([lines[0], "", "", *lines[1:]]))
    with pytest.raises(SourceError, match=r'heat\.csv, row 7: time "soon" is not a number'):
        table.read(path, images, **ARGUMENTS)


def test_without_a_specimen_every_image_is_one_and_that_is_said(heat, images):
    arguments = ARGUMENTS | {"specimen": None}
    with pytest.warns(UserWarning, match=r"heat\.csv: no specimen column.*--specimen COLUMN"):
        ds = table.read(heat, images, **arguments)
    assert ds["specimen"].values.tolist() == ["a.png", "sub/b.tif", "c.png", "sub/d.png"]
    assert "cannot be grouped by physical sample" in describe(ds)


def test_pixel_size_of_all(heat, images):
    assert (table.read(heat, images, **ARGUMENTS, um_per_px=0.25)["um_per_px"].values == 0.25).all()
    ds = table.read(heat, images, **ARGUMENTS)
    assert np.isnan(ds["um_per_px"].values).all()
    assert "pixel size unknown for 4 of 4" in describe(ds)
    with pytest.raises(SourceError, match="um_per_px 0 is no pixel size"):
        table.read(heat, images, **ARGUMENTS, um_per_px=0)


def test_bar_and_crop(heat, images):
    ds = table.read(heat, images, **ARGUMENTS, bar=2, crop=(5, 4))
    np.testing.assert_array_equal(ds["micrograph"].values, [picture(i)[:5, :4] for i in range(4)])


def test_image_column(images, tmp_path):
    header = ["file", "copy", *HEADER[1:]]
    path = write_csv(tmp_path / "heat.csv", [[row[0], *row] for row in ROWS], header)
    with pytest.raises(
        SourceError, match=r"which column names the images.*file, copy do equally well.*--image"
    ):
        table.read(path, images, **ARGUMENTS)
    ds = table.read(path, images, image_column="copy", **ARGUMENTS)
    assert json.loads(ds.attrs["provenance"])["columns"]["image"] == "copy"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with pytest.raises(SourceError, match=r"no cell names an image in .*elsewhere"):
        table.read(path, elsewhere, **ARGUMENTS)
    with pytest.raises(SourceError, match=r"nothing to import.*left out 4: row without an image"):
        table.read(path, elsewhere, image_column="file", **ARGUMENTS)


@pytest.mark.parametrize("cell", ["D:\\scans\\sub\\d.PNG", "sub/d.png", "sub\\d", "D.png", "d"])
def test_ways_to_name_an_image(images, tmp_path, cell):
    ds = table.read(write_csv(tmp_path / "heat.csv", replaced(5, "file", cell)), images, **ARGUMENTS)
    np.testing.assert_array_equal(ds["micrograph"][3].values, picture(3))


def test_ambiguous_and_repeated_images(heat, images, tmp_path):
    Image.fromarray(picture(9)).save(images / "d.tif")
    with pytest.raises(SourceError, match=r'row 5: file "d" may be .*d\.tif or .*d\.png; write its path'):
        table.read(write_csv(tmp_path / "heat.csv", replaced(5, "file", "d")), images, **ARGUMENTS)
    with pytest.raises(SourceError, match=r"row 4: .*a\.png belongs to row 2 already"):
        table.read(write_csv(tmp_path / "heat.csv", replaced(4, "file", "a.png")), images, **ARGUMENTS)


def test_missing_column_names_the_nearest(heat, images):
    for change in (
        {"factors": {"temperature": {"column": "T (degK)"}}, "map": {}},
        {"specimen": "rot"},
        {"um_per_px": "Scael"},
        {"microconstituent": "klass"},
        {"image_column": "flie"},
    ):
        column, nearest = {
            "factors": ("T (degK)", "T (degC)"),
            "specimen": ("rot", "rod"),
            "um_per_px": ("Scael", "scale"),
            "microconstituent": ("klass", "class"),
            "image_column": ("flie", "file"),
        }[next(iter(change))]
        with pytest.raises(SourceError) as raised:
            table.read(heat, images, **ARGUMENTS | change)
        assert str(raised.value).startswith(f'{heat} has no column "{column}"; the nearest is "{nearest}"')


def test_repeated_column(images, tmp_path):
    path = write_csv(tmp_path / "heat.csv", [[*row, 1] for row in ROWS], [*HEADER, "t_min"])
    with pytest.raises(SourceError, match=r'heat\.csv has 2 columns "t_min"; rename all but one'):
        table.read(path, images, **ARGUMENTS)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("T (degC)", "9OO", 'temperature "9OO" is not a number; .*--map temperature:9OO=NUMBER$'),
        ("T (degC)", "nan", 'temperature "nan" is not a number'),
        ("T (degC)", "inf", 'temperature "inf" is not a number'),
        ("t_min", 0, r"time 0 cannot lie on a log axis.*--factor time=t_min:min:linear"),
        ("cool", "ar", 'cooling "ar" and "AR" differ only in case.*--map cooling:ar=AR'),
        ("rod", "", "rod is blank"),
        ("scale", "-1", "scale -1 is no pixel size"),
        ("scale", "x", 'scale "x" is not a number'),
    ],
)
def test_bad_values_name_row_value_and_way_out(images, tmp_path, column, value, message):
    rows = replaced(4, column, value)
    for path in (write_csv(tmp_path / "heat.csv", rows), write_xlsx(tmp_path / "heat.xlsx", rows)):
        with pytest.raises(SourceError, match=rf"heat\.\w+, row 4: {message}"):
            table.read(path, images, **ARGUMENTS, um_per_px="scale")


def test_numbers_among_names_must_be_explained(images, tmp_path):
    path = write_csv(tmp_path / "heat.csv", replaced(3, "cool", 12))
    with pytest.raises(
        SourceError, match=r'row 2: cooling "Q" is not a number.*--factor cooling=cool::nominal'
    ):
        table.read(path, images, **ARGUMENTS)
    ds = table.read(path, images, **saying("cooling", column="cool", scale="nominal"))
    assert ensemble.space_of(ds)["cooling"].levels == ("12", "Q")


def test_map_to_blank_leaves_the_row_out(images, tmp_path):
    path = write_csv(tmp_path / "heat.csv", replaced(3, "t_min", "n/a"))
    ds = table.read(path, images, **ARGUMENTS | {"map": {"time": {"n/a": ""}, "cooling": {"WQX": "Q"}}})
    assert json.loads(ds.attrs["provenance"])["left_out"] == {"row where time is blank": ["row 3"]}


def test_arguments_that_do_not_fit(heat, images):
    for change, message in (
        ({"factors": {}}, "no factor given"),
        (saying("specimen", column="rod"), 'factor "specimen": ensembles use that name'),
        (saying("a/b", column="rod"), 'factor "a/b": a name has letters, digits and _'),
        (saying("Time"), 'factors "time" and "Time" differ only in case'),
        ({"map": {"cool": {}}}, 'map: "cool" is none of the factors temperature, time, cooling'),
        (saying("time", scale="cubic"), 'factor time: scale "cubic" is none of linear, log, nominal'),
        (saying("time", unit="min", scale="nominal"), 'time is nominal and cannot have the unit "min"'),
        (saying("time", scael="log"), r'factor time: unknown key "scael"; did you mean "scale"\? \(column,'),
        (saying("time", unit=["min"]), r"factor time: unit: .*string \(got \['min'\]\)"),
        (saying("time", levels=(5, "soon"), unit="min"), 'time has a unit, but its level "soon" is not a'),
        (saying("time", levels=(5, 5.0)), "factor time repeats a level"),
        (saying("cooling", levels=("q", "Q")), "cooling: levels differ only in case"),
        (saying("cooling", levels=()), "factor cooling has no levels"),
    ):
        with pytest.raises(SourceError, match=message):
            table.read(heat, images, **ARGUMENTS | change)
    with pytest.raises(SourceError, match=r"cooling is 'cool', not keys .* write cooling: \{column: cool\}"):
        table.read(heat, images, **ARGUMENTS | {"factors": {"cooling": "cool"}})


def test_files_that_are_no_table(heat, images, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.csv: no such table"):
        table.read(tmp_path / "gone.csv", images, **ARGUMENTS)
    with pytest.raises(FileNotFoundError, match="gone: no such folder of images"):
        table.read(heat, tmp_path / "gone", **ARGUMENTS)
    for name, content, message in (
        ("empty.csv", b"", "cannot be read as a table"),
        ("header.csv", b",\n1,2\n", "names no columns"),
        ("ragged.csv", b"file,t\na.png,5,Q\n", "row 2 has 3 cells, but the first row names 2 columns"),
        ("latin.csv", "file,t\n\xe4.png,5\n".encode("latin-1"), "is not UTF-8 text"),
        ("broken.xlsx", b"file,t\n", "cannot be read as a table"),
        ("old.xls", b"", r"\.xls workbooks are not read; save it as \.xlsx"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SourceError, match=rf"{name}.*{message}"):
            table.read(tmp_path / name, images, **ARGUMENTS)


@pytest.mark.parametrize(("name", "write"), [("heat.csv", write_csv), ("heat.xlsx", write_xlsx)])
def test_a_refused_table_is_closed(images, tmp_path, monkeypatch, name, write):
    opened, opening = [], Path.open

    def remembered(path, *args, **keys):
        opened.append(opening(path, *args, **keys))
        return opened[-1]

    monkeypatch.setattr(Path, "open", remembered)
    path = write(tmp_path / name, [[*ROWS[0], "more"], *ROWS])
    with pytest.raises(SourceError, match="row 2 has"):
        table.read(path, images, **ARGUMENTS)
    assert opened
    assert all(file.closed for file in opened)


def test_bad_images_are_named(heat, images):
    path = images / "sub" / "d.png"
    Image.fromarray(picture(3)[:7]).save(path)
    with pytest.raises(ImageError, match=r"d\.png is 9 x 7 px, but 3 of 4 images are 9 x 8 px.*--crop 9x7"):
        table.read(heat, images, **ARGUMENTS)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ImageError, match=r"d\.png is truncated|d\.png is no image"):
        table.read(heat, images, **ARGUMENTS)
