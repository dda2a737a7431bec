"""UHCSDB: a small database of the same make, as SQLite and as CSV, and the real one where it is there."""

import csv
import json
import shutil
import sqlite3

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from pspgan import ensemble
from pspgan.process import ProcessSpace
from pspgan.sources import ImageError, SourceError, describe, uhcsdb

# sample_id: time, its unit, temperature, its unit, cooling
SAMPLES = {
    1: (None, None, None, None, None),
    2: (8.0, "H", 800.0, "C", "WQ"),
    5: (1.0, "H", 1100.0, "C", "650-1H"),
    18: (85.0, "H", 800.0, "C", "Q"),
    29: (90.0, "M", 970.0, "C", "AR"),
    31: (90.0, "M", 970.0, "C", "FC"),
    32: (90.0, "M", 970.0, "C", "WC"),
    33: (90.0, "M", 970.0, "C", "WQ-2C"),
}
# micrograph_id: micron bar, its unit, its pixels, sample, primary microconstituent
MICROGRAPHS = {
    3: (10.0, "um", 100, 18, "spheroidite"),
    12: (500.0, "nm", 100, 31, "network"),
    2: (1.0, "mm", 400, 32, "pearlite+spheroidite"),
    40: (5.0, "", 129, 5, "pearlite"),
    41: (5.0, "um", 50, 33, "spheroidite+widmanstatten"),
    42: (5.0, "um", 50, 29, "pearlite+widmanstatten"),
    43: (5.0, "um", 50, 2, "spheroidite"),
    50: (5.0, "um", 50, 2, "spheroidite"),  # no image
    60: (5.0, "um", 50, 1, "martensite"),  # no annealing data
    61: (5.0, "um", 50, None, "network"),  # no sample
    70: (5.0, "um", 50, 2, "crack"),
    71: (5.0, "um", 50, 2, None),
    80: (5.0, "um", 50, 1, "spheroidite"),  # neither image nor annealing data
}
WITH_IMAGE = (2, 3, 12, 40, 41, 42, 43, 60, 61, 70, 71, 99)
SAMPLE_COLUMNS = ("anneal_time", "anneal_time_unit", "anneal_temperature", "anneal_temp_unit", "cool_method")
MICROGRAPH_COLUMNS = (
    "micron_bar",
    "micron_bar_units",
    "micron_bar_px",
    "sample_key",
    "primary_microconstituent",
)


def picture(number, shape=(20, 30)):
    return np.random.default_rng(number).integers(0, 256, shape, dtype=np.uint8)


def write_sqlite(path, samples=SAMPLES, micrographs=MICROGRAPHS):
    with sqlite3.connect(path) as connection:
        connection.execute(f"CREATE TABLE sample (sample_id INTEGER, {', '.join(SAMPLE_COLUMNS)})")
        connection.execute(
            f"CREATE TABLE micrograph (micrograph_id INTEGER, {', '.join(MICROGRAPH_COLUMNS)})"
        )
        connection.executemany(
            "INSERT INTO sample VALUES (?, ?, ?, ?, ?, ?)", [(key, *row) for key, row in samples.items()]
        )
        connection.executemany(
            "INSERT INTO micrograph VALUES (?, ?, ?, ?, ?, ?)",
            [(key, *row) for key, row in micrographs.items()],
        )
    connection.close()
    return path


def write_csv(path, samples=SAMPLES, micrographs=MICROGRAPHS, drop=()):
    columns = ["", "micrograph_id", *MICROGRAPH_COLUMNS, "sample_id", *SAMPLE_COLUMNS]
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, [c for c in columns if c not in drop], extrasaction="ignore")
        table.writeheader()
        for i, (key, row) in enumerate(micrographs.items()):
            sample = row[3]
            treatment = samples.get(sample, (None,) * 5)
            number = None if sample is None else float(sample)  # as pandas exports a column with gaps
            values = (i, key, *row, number, *treatment)
            table.writerow(dict(zip(columns, values, strict=True)))
    return path


@pytest.fixture
def folder(tmp_path):
    images = tmp_path / "micrographs"
    images.mkdir()
    for number in WITH_IMAGE:
        Image.fromarray(picture(number)).save(images / f"micrograph{number}.png")
    write_sqlite(tmp_path / "microstructures.sqlite")
    write_csv(tmp_path / "uhcs-metadata.csv")
    return tmp_path


def left_out(ds):
    return json.loads(ds.attrs["provenance"])["left_out"]


def test_rows_and_images_are_joined(folder):
    ds = uhcsdb.read(folder, progress=False)
    assert ds["micrograph"].chunks is not None
    assert ds["condition"].values.tolist() == [
        "970-90-Q",
        "800-5100-Q",
        "970-90-FC",
        "1100-60-650-1H",
        "970-90-Q",
        "970-90-AR",
        "800-480-Q",
    ]
    assert ds["specimen"].values.tolist() == ["32", "18", "31", "5", "33", "29", "2"]
    assert ds["microconstituent"].values.tolist()[:3] == ["pearlite+spheroidite", "spheroidite", "network"]
    np.testing.assert_allclose(ds["um_per_px"].values, [2.5, 0.1, 0.005, np.nan, 0.1, 0.1, 0.1])
    for i, number in enumerate((2, 3, 12, 40, 41, 42, 43)):
        np.testing.assert_array_equal(ds["micrograph"][i].values, picture(number))
    space = ensemble.space_of(ds)
    assert not space.difference(ProcessSpace.uhcsdb())
    assert len(space.observed) == 6
    assert ds.attrs["origin"] == "real"
    assert ds.attrs["licence"] == "CC BY 3.0 US"
    assert "11256/940" in ds.attrs["attribution"]
    assert "s40192-017-0097-0" in ds.attrs["attribution"]


def test_what_is_left_out_is_listed_and_told(folder):
    (folder / "micrographs" / "overview.png").write_bytes(b"")
    shutil.copy(folder / "micrographs" / "micrograph3.png", folder / "micrograph3.tif")
    ds = uhcsdb.read(folder, progress=False)
    assert left_out(ds) == {
        "image not named micrograph<ID>": ["micrographs/overview.png"],
        "second file of a micrograph": ["micrograph3.tif"],
        "row without an image": ["50"],
        "image without annealing data": ["60", "61"],
        "image of none of the published microconstituents": ["70", "71"],
        "image without a row in the metadata": ["99"],
    }
    told = describe(ds).splitlines()
    assert told[0] == "7 micrographs, 6 combinations, 7 specimens (30 x 20 px)"
    assert "pixel size unknown for 1 of 7" in told
    assert "left out 2: image without annealing data (60, 61)" in told


def test_csv_gives_the_same_ensemble(folder):
    from_sqlite = uhcsdb.read(folder, progress=False)
    from_csv = uhcsdb.read(folder, folder / "uhcs-metadata.csv", progress=False)
    assert_same(from_sqlite, from_csv)
    (folder / "microstructures.sqlite").unlink()
    assert uhcsdb.read(folder, progress=False).identical(from_csv)


def assert_same(a, b):
    assert left_out(a) == left_out(b)
    provenance = [json.loads(ds.attrs["provenance"]) for ds in (a, b)]
    assert {key for key in provenance[0] if provenance[0][key] != provenance[1][key]} == {
        "source",
        "source_sha256",
    }
    xr.testing.assert_identical(a.assign_attrs(provenance=""), b.assign_attrs(provenance=""))


def test_survives_the_store(folder):
    ds = uhcsdb.read(folder, progress=False)
    store = ensemble.open_ensemble(ensemble.write_ensemble(ds, folder / "real.zarr", progress=False))
    np.testing.assert_array_equal(store["micrograph"].values, ds["micrograph"].values)
    assert describe(store) == describe(ds)


def test_database_is_opened_read_only(folder):
    before = (folder / "microstructures.sqlite").read_bytes()
    (folder / "microstructures.sqlite").chmod(0o444)
    uhcsdb.read(folder, progress=False)
    assert (folder / "microstructures.sqlite").read_bytes() == before
    assert not list(folder.glob("microstructures.sqlite-*"))


def test_instrument_bar_is_cut_off_where_there_is_one(tmp_path):
    write_sqlite(tmp_path / "microstructures.sqlite")
    frame, cropped = picture(3, (522, 645)), picture(12, (484, 645))
    Image.fromarray(frame).save(tmp_path / "micrograph3.tif")
    Image.fromarray(cropped).save(tmp_path / "micrograph12.png")
    ds = uhcsdb.read(tmp_path, progress=False)
    np.testing.assert_array_equal(ds["micrograph"].values, [frame[:484], cropped])
    assert "instrument bar of 38 rows cut off 1 of 2" in describe(ds)
    (tmp_path / "micrograph12.png").unlink()
    assert uhcsdb.read(tmp_path, bar=0, progress=False).sizes["y"] == 522


def test_cropped_images_in_class_folders(folder):
    expected = uhcsdb.read(folder, progress=False).load()
    for name, numbers in {"network": [12], "spheroidite": [3, 43], "rest": [2, 40, 41, 42]}.items():
        (folder / name).mkdir()
        for number in numbers:
            image = folder / "micrographs" / f"micrograph{number}.png"
            image.rename(folder / name / f"Croppedmicrograph{number}.png")
    ds = uhcsdb.read(folder, progress=False)
    np.testing.assert_array_equal(ds["micrograph"].values, expected["micrograph"].values)
    assert ds.drop_vars("image").coords.equals(expected.drop_vars("image").coords)


def test_label_images_elsewhere_are_not_read(folder):
    expected = describe(uhcsdb.read(folder, progress=False))
    labels = folder / "segmentation" / "labels"
    labels.mkdir(parents=True)
    shutil.copy(folder / "micrographs" / "micrograph3.png", labels / "micrograph50.png")
    assert describe(uhcsdb.read(folder, progress=False)) == expected


def test_missing_files(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: no such folder"):
        uhcsdb.read(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"gone\.sqlite: no such database"):
        uhcsdb.read(folder, tmp_path / "gone.sqlite")
    with pytest.raises(FileNotFoundError, match=r"gone\.csv: no such table"):
        uhcsdb.read(folder, tmp_path / "gone.csv")
    with pytest.raises(
        FileNotFoundError, match=r"neither microstructures\.sqlite nor uhcs-metadata\.csv.*--metadata"
    ):
        uhcsdb.read(folder / "micrographs")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(SourceError, match=r"nothing to import.*row without an image"):
        uhcsdb.read(empty, folder / "uhcs-metadata.csv")


def test_missing_tables_and_columns(folder):
    database = folder / "microstructures.sqlite"
    with sqlite3.connect(database) as connection:
        connection.execute("ALTER TABLE sample RENAME COLUMN anneal_temperature TO anneal_temp")
    connection.close()
    with pytest.raises(
        SourceError, match='table "sample", has no column "anneal_temperature"; the nearest is "anneal_temp'
    ):
        uhcsdb.read(folder)
    with sqlite3.connect(database) as connection:
        connection.execute("DROP TABLE sample")
    connection.close()
    with pytest.raises(SourceError, match=r'has no table "sample" \(tables: micrograph\)'):
        uhcsdb.read(folder)
    database.write_bytes(b"this is no database, but long enough to be looked at" * 20)
    with pytest.raises(SourceError, match=r"microstructures\.sqlite cannot be read as an SQLite database"):
        uhcsdb.read(folder)
    table = write_csv(folder / "short.csv", drop=("cool_method",))
    with pytest.raises(SourceError, match=r'short\.csv has no column "cool_method"'):
        uhcsdb.read(folder, table)


@pytest.mark.parametrize(
    ("sample", "micrograph", "message"),
    [
        (
            (8.0, "H", 800.0, "C", "OQ"),
            {},
            r'cooling "OQ" is none of Q, WQ, .*650-1H; map .*--map cooling:OQ=Q',
        ),
        ((8.0, "D", 800.0, "C", "Q"), {}, r'anneal_time_unit "D" is neither M \(minutes\) nor H'),
        ((8.0, "H", 1073.0, "K", "Q"), {}, r'anneal_temp_unit "K" is not C'),
        ((8.0, "H", 1200.0, "C", "Q"), {}, r"temperature 1200 lies outside 700 to 1100 degC"),
        (("8 h", "H", 800.0, "C", "Q"), {}, r'anneal_time "8 h" is not a number'),
        (SAMPLES[2], {43: ("wide", "um", 50, 2, "spheroidite")}, r'micron_bar "wide" is not a number'),
    ],
)
def test_bad_values_name_row_value_and_way_out(folder, sample, micrograph, message):
    samples, micrographs = SAMPLES | {2: sample}, MICROGRAPHS | micrograph
    database = write_sqlite(folder / "bad.sqlite", samples, micrographs)
    with pytest.raises(SourceError, match=rf"bad\.sqlite, micrograph 43: .*{message}"):
        uhcsdb.read(folder, database)
    table = write_csv(folder / "bad.csv", samples, micrographs)
    with pytest.raises(
        SourceError, match=rf"bad\.csv, row 8: .*{message}"
    ):  # the seventh row below the header
        uhcsdb.read(folder, table)


def test_ids_must_be_unique_whole_numbers(folder):
    table = folder / "uhcs-metadata.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines, lines[1]]))
    with pytest.raises(SourceError, match=rf"row {len(lines) + 1}: micrograph 3 has a row already .*row 2"):
        uhcsdb.read(folder, table)
    table.write_text("\n".join([lines[0], lines[1].replace(",3,", ",x3,", 1)]))
    with pytest.raises(SourceError, match='row 2: micrograph_id "x3" is not a number'):
        uhcsdb.read(folder, table)


def test_spelling_can_be_mapped(folder):
    database = write_sqlite(folder / "oil.sqlite", SAMPLES | {2: (8.0, "H", 800.0, "C", "OQ")})
    ds = uhcsdb.read(folder, database, map={"cooling": {"OQ": "Q"}}, progress=False)
    assert ds["condition"].values[-1] == "800-480-Q"
    with pytest.raises(SourceError, match='"oil" is none of'):
        uhcsdb.read(folder, database, map={"cooling": {"OQ": "oil"}})
    with pytest.raises(SourceError, match="only cooling can be mapped"):
        uhcsdb.read(folder, database, map={"time": {"long": "90"}})


def test_time_between_levels_is_kept(folder):
    database = write_sqlite(folder / "six.sqlite", SAMPLES | {2: (6.0, "H", 800.0, "C", "Q")})
    assert uhcsdb.read(folder, database, progress=False)["condition"].values[-1] == "800-360-Q"


def test_bad_images_are_named(folder):
    path = folder / "micrographs" / "micrograph12.png"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ImageError, match=r"micrograph12\.png is truncated.*Replace the file"):
        uhcsdb.read(folder, progress=False)
    Image.fromarray(picture(12, (21, 30))).save(path)
    with pytest.raises(
        ImageError, match=r"micrograph12\.png is 30 x 21 px, but 6 of 7 images are 30 x 20 px"
    ):
        uhcsdb.read(folder, progress=False)
    assert uhcsdb.read(folder, crop=(20, 30), progress=False).sizes == {"sample": 7, "y": 20, "x": 30}


@pytest.fixture(scope="module")
def real(shared):
    return uhcsdb.read(shared / "uhcsdb", progress=False)


def test_real_subset(real):
    assert real.sizes == {"sample": 429, "y": 481, "x": 645}
    assert describe(real).startswith("429 micrographs, 21 combinations, 25 specimens")
    assert {reason: len(names) for reason, names in left_out(real).items()} == {"row without an image": 169}
    constituents, counts = np.unique(real["microconstituent"].values.astype(str), return_counts=True)
    assert dict(zip(constituents.tolist(), counts.tolist(), strict=True)) == {
        "network": 79,
        "pearlite": 15,
        "pearlite+spheroidite": 21,
        "pearlite+widmanstatten": 5,
        "spheroidite": 256,
        "spheroidite+widmanstatten": 53,
    }
    scale = real["um_per_px"].values
    assert scale.min() == pytest.approx(0.5 / 90)
    assert 3.8 < scale.max() < 3.9
    assert scale[real["microconstituent"].values.astype(str) == "network"].min() > 0.5
    # "AC1 970C 90M 65C 4H FC": an intermediate step that only the label tells of
    assert set(real["condition"].values.astype(str)[real["specimen"].values.astype(str) == "31"]) <= {
        "970-90-FC"
    }


def test_real_csv_gives_the_same_ensemble(real, shared):
    folder = shared / "uhcsdb"
    assert_same(real, uhcsdb.read(folder, folder / "uhcs-metadata.csv", progress=False))


def test_all_598_rows_give_the_published_level_counts(shared, tmp_path):
    """With an image for every row of the metadata, the counts are those of the paper's data."""
    for number in range(1, 1733):
        Image.new("L", (2, 2)).save(tmp_path / f"micrograph{number}.png")
    ds = uhcsdb.read(tmp_path, shared / "uhcsdb" / "microstructures.sqlite", progress=False)
    assert ds.sizes["sample"] == 598
    counts = {
        name: dict(
            zip(*(part.tolist() for part in np.unique(ds[name].values, return_counts=True)), strict=True)
        )
        for name in ("temperature", "time")
    }
    assert counts["temperature"] == {970: 344, 800: 149, 900: 60, 1100: 16, 1000: 14, 700: 11, 750: 4}
    assert counts["time"] == {90: 173, 1440: 115, 180: 100, 5: 89, 480: 69, 5100: 31, 60: 16, 2880: 5}
    cooling = ds["cooling"].values.astype(str).tolist()
    assert {level: cooling.count(level) for level in set(cooling)} == {
        "Q": 489,
        "FC": 73,
        "AR": 20,
        "650-1H": 16,
    }
    assert len(set(ds["condition"].values.astype(str))) == 23
    assert len(set(ds["specimen"].values.astype(str))) == 37
