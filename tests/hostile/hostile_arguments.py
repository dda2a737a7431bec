"""Options of every command, out of range, of the wrong kind, or in the wrong place."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ground import Case, Ground, Lay

_HUGE = "9" * 30


def cases() -> Iterator[Case]:
    yield from _import_table()
    yield from _simulate_and_generate()
    yield from _readers()
    yield from _outputs()


def _imported(*options: str) -> Lay:
    def lay(ground: Ground) -> list[str]:
        ground.images()
        ground.table()
        return ground.import_table(*options)

    return lay


def _import_table() -> Iterator[Case]:
    for options, *says in (
        (["--bar", "-1"], "bar -1"),
        (["--bar", "-1000000000"], "bar -1000000000"),
        (["--bar", "12"], "a.png is 16 x 12 px", "bar of 12 rows"),
        (["--bar", "1000000000"], "a.png is 16 x 12 px", "bar of 1000000000 rows"),
        (["--bar", "12", "--tile", "4"], "a.png is 16 x 12 px", "bar of 12 rows"),
        (["--bar", "99", "--tile", "4"], "a.png is 16 x 12 px", "bar of 99 rows"),
        (["--bar", "-3", "--tile", "4"], "bar -3"),
        (["--bar", "6", "--crop", "16x12"], "a.png is 16 x 6 px, smaller than the crop to 16 x 12 px"),
        (["--bar", "6", "--crop", "16x12", "--tile", "4"], "a.png is 16 x 6 px, smaller than the crop"),
        (["--crop", "17x12"], "a.png is 16 x 12 px, smaller than the crop to 17 x 12 px"),
        (["--crop", "17x12", "--tile", "4"], "a.png is 16 x 12 px, smaller than the crop to 17 x 12 px"),
        (["--crop", "99999999999999999999x1"], "a.png", "smaller than the crop"),
        *(
            (["--crop", text], f'crop "{text}" is no size')
            for text in ("0x0", "-1x5", "5", "5x5x5", "x", "5 x")
        ),
        *(
            (["--crop", text], f'crop "{text}" is no size')
            for text in ("1e3x2", "∞x∞", "nanxnan", "4.5x4", " ")
        ),
        (["--crop", ""], 'crop "" is no size'),
        (["--tile", "0"], "tile 0"),
        (["--tile", "-4"], "tile -4"),
        (["--tile", "13"], "no tile of 13 px", "left out 3: field smaller than a tile"),
        (["--tile", _HUGE], "no tile of", "left out 3: field smaller than a tile"),
        (["--tile", "4", "--crop", "3x3"], "no tile of 4 px", "field smaller than a tile"),
        (["--tile", "4", "--tile-um-per-px", "-1.0"], "tile_um_per_px -1.0"),
        *(
            (["--tile", "4", "--tile-um-per-px", text], f'"{text}" is no pixel size')
            for text in ("nan", "inf", "x", "", "0.1,,1", "0x10", "½")
        ),
        (["--tile", "4", "--tile-um-per-px", "0.1,0.1"], "one twice"),
        (["--tile", "4", "--tile-um-per-px", "0"], "tile_um_per_px 0"),
        (["--tile", "4", "--tile-um-per-px", "0.1"], "pixel size unknown"),
        (["--tile", "4", "--tile-um-per-px", "1e300", "--um-per-px", "um"], "field smaller than a tile"),
        (["--tile", "4", "--tile-um-per-px", "1e-300", "--um-per-px", "um"], "too large to be enlarged"),
        (
            ["--tile", "4", "--tile-um-per-px", "1e-9", "--um-per-px", "um", "--enlarge", "1e9"],
            "more than 1000000 tiles",
        ),
        (["--tile-um-per-px", "0.1"], "--tile"),
        *(
            (["--tile", "4", "--enlarge", text], f"enlarge {text}")
            for text in ("0.5", "-1.0", "nan", "inf", "0.0")
        ),
        *(
            (["--um-per-px", text], f"um_per_px {text} is no pixel size")
            for text in ("0", "-1", "nan", "inf")
        ),
        (["--um-per-px", ""], 'no column ""'),
        (["--um-per-px", "0,1"], 'no column "0,1"'),
        (["--um-per-px", "1e400"], "um_per_px inf is no pixel size"),
        (["--specimen", "ro"], 'no column "ro"; the nearest is "rod"'),
        (["--image", "../file"], 'no column "../file"'),
        (["--microconstituent", "\x1b[2J"], 'no column "\\x1b[2J"'),
        (["--factor", "temperature=T"], 'factor "temperature=T" gives a factor again'),
        *(
            (["--factor", text], f'factor "{text}" is not NAME=COLUMN')
            for text in ("", "=", "=T", "a=", "a=b:c:d:e")
        ),
        (["--factor", "a=T:degC:cubic"], 'scale "cubic" is none of linear, log, nominal'),
        (["--factor", "a=T:degC:nominal"], 'nominal and cannot have the unit "degC"'),
        (["--factor", "a=cool:degC"], 'a "Q" is not a number'),
        (["--factor", "a=nothing"], 'no column "nothing"'),
        *(
            (["--factor", f"{name}=T"], f'factor "{name}"')
            for name in (
                "micrograph",
                "sample",
                "x",
                "condition",
                "statistics",
                "split",
                "../../evil",
                "/evil",
            )
        ),
        *(
            (["--factor", f"{name}=T"], f'factor "{name}"')
            for name in ("a/b", "a\\b", ".", "..", ".hidden", "__a")
        ),
        (["--factor", "a\nb=T"], 'factor "a\\nb"'),
        (["--factor", "zarr.json=T"], 'factor "zarr.json"'),
        *(
            (["--map", text], f'map "{text}" is not NAME:SPELLING=LEVEL')
            for text in ("", "x", ":=", "cooling=Q")
        ),
        (["--map", "pressure:a=b"], 'map: "pressure" is none of the factors'),
        (["--map", "cooling:Q=A", "--map", "cooling:Q=B"], 'cooling "Q" is mapped already'),
        (["--map", "cooling:Q=", "--map", "cooling:AR="], "nothing to import", "left out 3"),
        (["--map", "temperature:800=hot"], 'row 2: temperature "hot" is not a number'),
        (["--white", "0"], "white 0"),
        (["--white", "-5"], "white -5"),
        (["--white", "65536"], "white 65536"),
        (["--white", "4095"], "white", "a.png", "8 bits"),
    ):
        name = " ".join(options)[:60]
        yield Case("option of import table", name, _imported(*options), tuple(says))
    for option in ("--bar", "--tile", "--enlarge", "--white"):
        for text in ("x", "", "1,5", "0x10", "½"):
            yield Case(
                "option that is no number", f"{option} {text!r}", _imported(option, text), (option,), "usage"
            )
    for words, says in (
        (["import"], "Usage"),
        (["import", "nothing"], "nothing"),
        (["import", "table"], "TABLE"),
        (["import", "table", "heat.csv"], "IMAGES"),
        (["import", "table", "heat.csv", "images", "--factor"], "--factor"),
        (["import", "table", "heat.csv", "images", "more", "--factor", "a"], "more"),
        (["import", "uhcsdb"], "FOLDER"),
        (["import", "uhcsdb", ".", "--crops", "4x4"], "--crops"),
        (["simulated"], "simulated"),
    ):
        yield Case("command line", " ".join(words), lambda ground, words=words: words, (says,), "usage")


def _words(*words: object, copies: tuple[str, ...] = ()) -> Lay:
    def lay(ground: Ground) -> list[object]:
        for name in copies:
            ground.copy(name)
        return list(words)

    return lay


def _simulate_and_generate() -> Iterator[Case]:
    for options, *says in (
        (["-n", 0], "n is 0"),
        (["-n", -5], "n is -5"),
        (["-n", 1_000_000, "--size", 16384], "not enough memory"),
        (["--size", 0], 'size "0" is no size'),
        (["--size", -64], 'size "-64" is no size'),
        (["--size", "64x"], 'size "64x" is no size'),
        (["--size", "64x8"], "size is 8 px"),
        (["--size", 10**9], f'size "{10**9}" is no size'),
        (["--size", _HUGE], "is no size"),
        (["--size", "many"], 'size "many" is no size'),
        (["--framing", "centre"], 'framing "centre" is none of grain, boundary, random'),
        (["--specimens", 0], "specimens is 0"),
        (["--workers", -1], "workers is -1"),
        (["--size", 15], "size is 15 px"),
        (["--seed", -1], "seed is -1"),
        (["--um-per-px", "0"], "um_per_px is 0"),
        (["--um-per-px", "-1"], "um_per_px is -1"),
        (["--um-per-px", "nan"], '"nan" is no pixel size'),
        (["--um-per-px", "inf"], '"inf" is no pixel size'),
        (["--um-per-px", "many"], '"many" is no pixel size'),
        (["--um-per-px", "0.1,0.1"], "or one twice"),
        (["--um-per-px", "0.1,,1"], '"0.1,,1" is no pixel size'),
    ):
        small = ["-n", 3, "--size", 16]
        lay = _words("simulate", *small, *options, "-o", "out.zarr")
        yield Case("option of simulate", " ".join(map(str, options)), lay, tuple(says))
    for options, *says in (
        (["-n", 0], "n = 0"),
        (["-n", -1], "n = -1"),
        (["-n", 10**15], "n"),
        (["--seed", -1], "seed -1 is negative"),
        (["--seed", 2**63], "seed"),
        (["--seed", 10**40], "seed"),
        (["--batch", 0], "batch 0"),
        (["--batch", -3], "batch -3"),
        (["--precision", "float16"], 'precision "float16"'),
        (["--precision", ""], 'precision ""'),
    ):
        lay = _words("generate", "run", "-n", 2, *options, "-o", "out.zarr", copies=("run",))
        yield Case("option of generate", " ".join(map(str, options)), lay, tuple(says))
    yield Case("option of simulate", f"-n {10**15}", _words("simulate", "-n", 10**15), ("-n",), "usage")
    for verb, options in (
        ("simulate", ["-n", "--seed", "--specimens", "--workers"]),
        ("generate", ["-n", "--batch"]),
    ):
        for option in options:
            lay = _words(verb, *(["run"] if verb == "generate" else []), option, "many")
            yield Case("option that is no number", f"{verb} {option}", lay, (option,), "usage")


def _readers() -> Iterator[Case]:
    store = ("real.zarr",)
    for words, *says in (
        (["split", "real.zarr", "--by", "heat"], 'by "heat" is neither specimen nor condition'),
        (["split", "real.zarr", "--by", ""], 'by "" is neither'),
        *(
            (["split", "real.zarr", "--held-out", text], f"held_out {text}")
            for text in ("0", "1", "-0.5", "nan", "inf")
        ),
        (["split", "real.zarr", "--seed", "-1"], "seed -1"),
        (["stats", "real.zarr", "--reduction", "0"], "reduction 0"),
        (["stats", "real.zarr", "--reduction", "-1"], "reduction -1"),
        (["stats", "real.zarr", "--reduction", _HUGE], f"reduction {_HUGE}"),
        (["stats", "real.zarr", "--cutoff", "-1"], "cutoff -1"),
        (["stats", "real.zarr", "--cutoff", "1000"], "cutoff 1000"),
        (["stats", "real.zarr", "--cutoff", _HUGE], f"cutoff {_HUGE}"),
        (["stats", "real.zarr", "--phases", "magic"], 'method "magic" is none of'),
        (["stats", "real.zarr", "--engine", "steam"], 'engine "steam" is none of'),
        (["stats", "real.zarr", "gone.zarr"], "gone.zarr: no such ensemble"),
        (["link", "real.zarr", "--n-components", "0", "-o", "out"], "n_components is 0"),
        (["link", "real.zarr", "--n-components", "-3", "-o", "out"], "n_components is -3"),
        (["link", "real.zarr", "--regressor", "oracle", "-o", "out"], 'regressor "oracle" is none of'),
        (["link", "real.zarr", "--seed", "-1", "-o", "out"], "seed"),
        (["link", "real.zarr", "--seed", _HUGE, "-o", "out"], "seed"),
        (["link", "real.zarr", "run", "-o", "out"], "run"),
        (["report", "real.zarr", "real.zarr", "-o", "out.html"], "real.zarr holds simulated micrographs"),
        (["report", "real.zarr", "gone.zarr", "-o", "out.html"], "gone.zarr: no such ensemble"),
        (["report", "real.zarr", "--linkage", "gone", "-o", "out.html"], "gone: no linkage there"),
        (["report", "real.zarr", "--linkage", "real.zarr", "-o", "out.html"], "real.zarr: no linkage there"),
        (["report", "real.zarr", "--run", "gone", "-o", "out.html"], "gone: no such training run"),
        (["report", "real.zarr", "--run", "real.zarr/zarr.json", "-o", "out.html"], "zarr.json"),
        (["report", "run", "-o", "out.html"], "run"),
        (["inspect", "run"], "run is no zarr store"),
        (["inspect", "real.zarr/micrograph"], "micrograph"),
        (["inspect", "real.zarr/../../etc/passwd"], "passwd: no such ensemble"),
        (["generate", "real.zarr", "-o", "out.zarr"], "real.zarr holds no generator.safetensors"),
        (["generate", "real.zarr/zarr.json", "-o", "out.zarr"], "zarr.json cannot be read"),
        (["train", "real.zarr", "--preset", "huge", "-o", "out"], 'preset "huge" is none of'),
        (["train", "real.zarr", "--from", "gone", "-o", "out"], "gone"),
        (["train", "real.zarr", "--from", "real.zarr", "-o", "out"], "real.zarr"),
        (["train", "real.zarr", "--device", "toaster", "-o", "out"], "toaster"),
        (["train", "real.zarr", "--preset", "demo", "--device", "cuda:99", "-o", "out"], "cuda:99"),
        (["train", "real.zarr", "--preset", "demo", "--device", "cuda:-7", "-o", "out"], "cuda:-7"),
        (["train", "real.zarr", "--split", "train", "-o", "out"], "real.zarr has no coordinate"),
        (["train", "real.zarr", "--split", "test", "-o", "out"], "split"),
        (["train", "real.zarr", "--minutes", "-1", "-o", "out"], "minutes"),
        (["train", "real.zarr", "--minutes", "nan", "-o", "out"], "minutes"),
        (["train", "real.zarr", "--images", "0", "-o", "out"], "images"),
        (["train", "real.zarr", "--seed", "-1", "-o", "out"], "seed"),
        (["train", "real.zarr", "--resume", "--overwrite", "-o", "out"], "--resume"),
        (["train", "run", "-o", "out"], "run is no zarr store"),
    ):
        lay = _words(*words, copies=("real.zarr", "run"))
        yield Case(f"option of {words[0]}", " ".join(words[1:])[:60], lay, tuple(says))
    for words, says in (
        (["stats"], "STORES"),
        (["inspect"], "STORE"),
        (["split", "real.zarr", "--held-out", "some"], "--held-out"),
        (["split", "real.zarr", "more"], "more"),
        (["stats", "real.zarr", "--cutoff", "1.5"], "--cutoff"),
        (["link", "real.zarr", "--n-components", "two"], "--n-components"),
        (["report"], "REAL"),
        (["report", "real.zarr", "a", "b"], "b"),
        (["train", "real.zarr", "--images", "1e6"], "--images"),
        (["train", "real.zarr", "-x"], "-x"),
    ):
        yield Case("command line", " ".join(words), _words(*words, copies=store), (says,), "usage")


def _outputs() -> Iterator[Case]:
    def at(name: str, make, words: list[str]) -> Lay:
        def lay(ground: Ground) -> list[str]:
            ground.images()
            ground.table()
            ground.copy("real.zarr")
            ground.copy("run")
            make(ground.folder)
            return [word.replace("OUT", name) for word in words]

        return lay

    table = Ground.import_table(None)
    table[table.index("out.zarr")] = "OUT"
    commands = {
        "import": table,
        "simulate": ["simulate", "-n", "2", "--size", "16", "-o", "OUT"],
        "generate": ["generate", "run", "-n", "2", "-o", "OUT"],
        "train": ["train", "real.zarr", "--preset", "demo", "--set", "resolution=32", "-o", "OUT"],
        "link": ["link", "real.zarr", "-o", "OUT"],
    }
    for verb in ("import", "simulate", "generate", "train"):
        words = commands[verb]
        for name, path, make in (
            ("below a file", "heat.csv/out", lambda folder: None),
            ("a name of 300 characters", "x" * 300, lambda folder: None),
            ("a link to itself", "loop", lambda folder: (folder / "loop").symlink_to("loop")),
            ("below a link to itself", "loop/out", lambda folder: (folder / "loop").symlink_to("loop")),
        ):
            yield Case(f"output of {verb}", name, at(path, make, words), (path.split("/")[0][:40],))
    for verb in ("import", "simulate", "generate", "link"):
        words = commands[verb]
        for name, path, more, make, says in (
            ("there already", "real.zarr", [], lambda folder: None, "real.zarr exists"),
            ("a folder of images", "images", ["--overwrite"], lambda folder: None, "images exists and is no"),
            ("a file", "heat.csv", ["--overwrite"], lambda folder: None, "heat.csv exists and is no"),
            ("a pipe", "pipe", ["--overwrite"], lambda f: os.mkfifo(f / "pipe"), "pipe exists and is no"),
            ("here", ".", ["--overwrite"], lambda folder: None, ""),
        ):
            yield Case(f"output of {verb}", name, at(path, make, [*words, *more]), (says,))
