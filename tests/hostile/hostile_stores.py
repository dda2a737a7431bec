"""Ensembles on disk that somebody or something has damaged."""

from __future__ import annotations

import importlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from ground import Case, Ground, Lay, flipped, truncated

import pspgan as psp
from pspgan import ensemble
from pspgan.ensemble.store import write_coordinate
from pspgan.networks import Generator, save_weights
from pspgan.sources import heat_treatment
from pspgan.training import make_config

Change = Callable[[Path], object]
_INDEX = 16 + 4  # bytes at the end of a shard of one chunk: its offset and length, and a checksum


def make_templates(folder: Path) -> None:
    """``real.zarr`` with statistics, and ``run``, a generator of random weights."""
    real = psp.simulate(12, 32, conditions=["800-5-Q", "900-5-Q", "800-90-FC"], progress=False)
    ensemble.write_ensemble(real, folder / "real.zarr", progress=False)
    psp.compute_statistics(folder / "real.zarr", progress=False)
    space = heat_treatment.SPACE.observing(["800-5-Q", "900-5-Q"])
    config = make_config("demo", resolution=32, ch=4, latent=8, embedding=4)
    draws = torch.Generator().manual_seed(0)
    generator = Generator(space, 32, 4, 8, "none", embedding=4, init="orthogonal", generator=draws)
    data = {"licence": "", "attribution": "", "um_per_px": 0.07, "reduction": 1}
    meta = {"process_space": space.to_json(), "config": config.model_dump(), "preset": "demo", "data": data}
    (folder / "run").mkdir()
    meta |= {"pspgan": psp.__version__, "images": 10}
    save_weights(folder / "run" / "generator.safetensors", generator.state_dict(), meta)
    # What torch loads late is loaded before a command is timed.
    importlib.import_module("torch._dynamo")
    psp.load(folder / "run").sample(["800-5-Q"])


def cases() -> Iterator[Case]:
    yield from _metadata()
    yield from _attributes()
    yield from _arrays()
    yield from _shards()
    yield from _statistics()
    yield from _runs()


def _store(change: Change, *words: str) -> Lay:
    def lay(ground: Ground) -> list[str]:
        change(ground.copy("real.zarr"))
        return [*(words or ("inspect",)), "real.zarr"] if len(words) < 2 else list(words)

    return lay


def _rewritten(path: str, change: Callable[[bytes], bytes]) -> Change:
    def rewrite(store: Path) -> None:
        file = store / path
        file.write_bytes(change(file.read_bytes()))

    return rewrite


def _edited(path: str, *keys: str | int, value: object) -> Change:
    """One entry of a JSON file set; removed where the value is ``...``."""

    def edit(store: Path) -> None:
        file = store / path
        whole = json.loads(file.read_text())
        inner = whole
        for key in keys[:-1]:
            inner = inner[key]
        if value is ...:
            del inner[keys[-1]]
        else:
            inner[keys[-1]] = value
        file.write_text(json.dumps(whole))

    return edit


def _metadata() -> Iterator[Case]:
    rng = np.random.default_rng(5)
    for name, content in (
        ("empty", b""),
        ("no JSON", b"{"),
        ("a list", b"[]"),
        ("null", b"null"),
        ("a number", b"7"),
        ("an empty object", b"{}"),
        ("no UTF-8", b"\xff\xfe{}"),
        ("deep", b"[" * 100_000),
        ("NaN", b'{"zarr_format": NaN}'),
        ("of zarr 2", b'{"zarr_format": 2, "node_type": "group"}'),
        ("of zarr 99", b'{"zarr_format": 99, "node_type": "group", "attributes": {}}'),
        ("of something else", b'{"zarr_format": 3, "node_type": "table", "attributes": {}}'),
        ("attributes are a list", b'{"zarr_format": 3, "node_type": "group", "attributes": [1]}'),
        ("of nothing", b'{"zarr_format": 3, "node_type": "group", "attributes": {}}'),
    ):
        lay = _store(_rewritten("zarr.json", lambda whole, content=content: content))
        yield Case("zarr.json of a store", name, lay, ("real.zarr",))
        lay = _store(_rewritten("temperature/zarr.json", lambda whole, content=content: content))
        yield Case("zarr.json of an array", name, lay, ("real.zarr",))
    for k in range(5):
        cut = _rewritten("zarr.json", lambda whole, rng=rng: truncated(whole, rng))
        yield Case("truncated zarr.json", str(k), _store(cut), ("real.zarr",))
    for k in range(8):
        name = ("zarr.json", "micrograph/zarr.json", "condition/zarr.json", "um_per_px/zarr.json")[k % 4]
        flip = _rewritten(name, lambda whole, rng=rng: flipped(whole, rng, 2))
        yield Case("zarr.json with bits flipped", str(k), _store(flip), ("real.zarr",), "luck")
    for verb in ("inspect", "split", "stats", "link", "report", "train"):
        for name, make in (
            ("a file", Path.touch),
            ("an empty folder", Path.mkdir),
            ("a pipe", os.mkfifo),
            ("a link to itself", lambda path: path.symlink_to(path)),
            ("a folder of images", lambda path: (path.mkdir(), (path / "a.png").touch())),
        ):
            lay = _nothing(verb, make)
            yield Case(f"no store, {verb}", name, lay, ("real.zarr",))


def _nothing(verb: str, make: Change) -> Lay:
    def lay(ground: Ground) -> list[str]:
        make(ground.folder / "real.zarr")
        return [verb, "real.zarr", *(() if verb in ("split", "stats", "inspect") else ("-o", "out"))]

    return lay


def _attributes() -> Iterator[Case]:
    space = '{"factors": [{"name": "a", "kind": "ordinal", "levels": [NaN], "unit": "", "scale": "linear"}]}'
    for key, value in (
        *(("schema", value) for value in (None, 7, "pspgan", ...)),
        *(("schema_version", value) for value in (0, 3, "1", True, None, 1e300, ...)),
        *(("origin", value) for value in ("stolen", None, ["real"], ...)),
        *(
            ("process_space", value)
            for value in ("", "{}", "[]", "null", '{"factors": 7}', space, 7, {}, ...)
        ),
        ("process_space", '{"factors": [{"name": "../x", "kind": "nominal", "levels": ["a"]}]}'),
        ("process_space", '{"factors": [], "observed": []}'),
        *(("provenance", value) for value in ("", "{", "[]", 7, None, ...)),
        *(("reduction", value) for value in (0, -1, "one", None, 1.5, 10**30, ...)),
        *(("complete", value) for value in (False, "yes", None, 7, ...)),
        *(("licence", value) for value in (None, 7, ...)),
        *(("attribution", value) for value in (None, [], ...)),
    ):
        lay = _store(_edited("zarr.json", "attributes", key, value=value))
        named = "half-written" if value is False else f'attribute "{key}"'
        yield Case("attribute of a store", f"{key} {value!r}"[:60], lay, ("real.zarr", named))


def _arrays() -> Iterator[Case]:
    for name in ("micrograph", "temperature", "cooling", "condition", "specimen", "um_per_px"):
        lay = _store(lambda store, name=name: shutil.rmtree(store / name))
        yield Case("array that is missing", name, lay, ("real.zarr", f'"{name}"'))
        lay = _store(_edited(f"{name}/zarr.json", "shape", 0, value=13))
        yield Case("array of another length", name, lay, ("real.zarr",))
    for name, keys, value in (
        ("temperature", ["data_type"], "int64"),
        ("temperature", ["data_type"], "float7"),
        ("temperature", ["fill_value"], "zero"),
        ("temperature", ["codecs"], []),
        ("temperature", ["codecs"], [{"name": "rot13"}]),
        ("temperature", ["chunk_grid", "configuration", "chunk_shape"], [0]),
        ("temperature", ["chunk_grid", "configuration", "chunk_shape"], [-1]),
        ("temperature", ["shape"], [-12]),
        ("temperature", ["shape"], [12, 1]),
        ("temperature", ["dimension_names"], ["other"]),
        ("micrograph", ["data_type"], "float32"),
        ("micrograph", ["data_type"], "int8"),
        ("micrograph", ["shape"], [12, 32]),
        ("micrograph", ["dimension_names"], ["sample", "x", "y"]),
        ("micrograph", ["dimension_names"], ["sample", "y", "y"]),
        ("micrograph", ["dimension_names"], None),
        ("specimen", ["data_type"], "float64"),
        ("condition", ["data_type"], "bool"),
        ("um_per_px", ["data_type"], "string"),
    ):
        lay = _store(_edited(f"{name}/zarr.json", *keys, value=value))
        yield Case("array of another kind", f"{name} {keys[-1]} {value!r}"[:60], lay, ("real.zarr",))
    for name, values, *says in (
        ("um_per_px", [-0.1], '"um_per_px"', "sample 4"),
        ("um_per_px", [0.0], '"um_per_px"', "sample 4"),
        ("um_per_px", [np.inf], '"um_per_px"', "sample 4"),
        ("temperature", [np.nan], "sample 4"),
        ("temperature", [1e9], "sample 4", "temperature"),
        ("time", [-5.0], "sample 4", "time"),
        ("cooling", ["WQX"], "sample 4", 'cooling "WQX"'),
        ("specimen", [""], '"specimen"', "sample 4"),
        ("condition", ["1-2-Q"], "sample 4", '"1-2-Q"'),
        ("condition", [""], "sample 4"),
        ("split", ["elsewhere"], '"split"', '"elsewhere"'),
    ):
        lay = _store(_value(name, values[0]))
        yield Case("value in a store", f"{name} {values[0]!r}", lay, ("real.zarr", *says))


def _value(name: str, value: object) -> Change:
    def change(store: Path) -> None:
        dataset = ensemble.open_ensemble(store)
        values = dataset[name].values.tolist() if name in dataset.variables else ["train"] * 12
        values[4] = value
        write_coordinate(store, dataset["condition"].copy(data=np.array(values)).rename(name))

    return change


def _shards() -> Iterator[Case]:
    rng = np.random.default_rng(6)
    shard, text = "micrograph/c/0/0/0", "condition/c/0"
    words = {
        "inspect": ("inspect",),
        "stats": ("stats", "real.zarr", "--overwrite"),
        "train": ("train", "real.zarr", "--preset", "demo", "--set", "resolution=32", "-o", "out"),
    }
    for verb, command in words.items():
        for name, change in (
            ("empty", lambda whole: b""),
            ("truncated", lambda whole: truncated(whole, rng, 0.2)),
            ("noise", lambda whole: rng.bytes(len(whole))),
            ("index overwritten", lambda whole: whole[:-_INDEX] + bytes(_INDEX)),
            ("images overwritten", lambda whole: b"\xff" * (len(whole) - _INDEX) + whole[-_INDEX:]),
        ):
            lay = _store(_rewritten(shard, change), *command)
            yield Case(f"damaged shard, {verb}", name, lay, ("real.zarr", "micrograph"))
        # As zarr writes a shard that holds a chunk of zeros: without it.
        lay = _store(_rewritten(shard, lambda whole: whole[:-_INDEX] + b"\xff" * 16 + whole[-4:]), *command)
        yield Case("a chunk of a shard missing", verb, lay, ("real.zarr", "micrograph", "samples 0 to 11"))
    for name, change in (
        ("empty", lambda whole: b""),
        ("truncated", lambda whole: truncated(whole, rng)),
        ("noise", lambda whole: rng.bytes(len(whole))),
    ):
        yield Case("damaged text", name, _store(_rewritten(text, change)), ("real.zarr", "condition"))
        lay = _store(_rewritten("temperature/c/0", change))
        yield Case("damaged numbers", name, lay, ("real.zarr", "temperature"))
    for name, make in (("a folder", os.mkdir), ("a pipe", os.mkfifo)):

        def swap(store: Path, make: Change = make) -> None:
            (store / text).unlink()
            make(store / text)

        if make is os.mkdir:
            yield Case("damaged text", name, _store(swap), ("real.zarr", "condition"))
    lay = _store(lambda store: (store / shard).unlink())
    yield Case("damaged shard, inspect", "missing", lay, ("real.zarr", "micrograph", "samples 0 to 11"))
    lay = _store(lambda store: (store / text).unlink())
    yield Case("damaged text", "missing", lay, ("real.zarr", "condition"))
    for k in range(4):
        flip = _rewritten(shard, lambda whole: flipped(whole, rng, 20))
        yield Case("shard with bits flipped", str(k), _store(flip), ("real.zarr", "micrograph"), "luck")


def _statistics() -> Iterator[Case]:
    for verb in ("link", "report"):
        out = ("-o", "out" if verb == "link" else "out.html")
        for name, change, says in (
            ("missing", lambda store: shutil.rmtree(store / "statistics"), "pspgan stats"),
            (
                "of fewer",
                _edited("statistics/zarr.json", "attributes", "micrographs", value=7),
                "7 micrographs",
            ),
            (
                "no settings",
                _edited("statistics/zarr.json", "attributes", "settings", value=...),
                "statistics",
            ),
            (
                "settings are 7",
                _edited("statistics/zarr.json", "attributes", "settings", value="7"),
                "statistics",
            ),
            ("no JSON", _rewritten("statistics/zarr.json", lambda whole: b"{"), "damaged"),
            ("without two_point", lambda store: shutil.rmtree(store / "statistics/two_point"), "statistics"),
            ("damaged", _rewritten("statistics/two_point/c/0/0/0/0", lambda whole: b""), "statistics"),
            ("a chunk gone", lambda store: (store / "statistics/two_point/c/0/0/0/0").unlink(), "samples 0"),
        ):
            ends = "luck" if verb == "report" else "error"  # a report says what it lacks
            lay = _store(change, verb, "real.zarr", *out)
            yield Case(f"statistics, {verb}", name, lay, ("real.zarr", says), ends)


def _runs() -> Iterator[Case]:
    rng = np.random.default_rng(7)

    def changed(change: Callable[[bytes], bytes], *words: str) -> Lay:
        def lay(ground: Ground) -> Sequence[object]:
            file = ground.copy("run") / "generator.safetensors"
            file.write_bytes(change(file.read_bytes()))
            return words or ["generate", "run", "-n", "2", "-o", "out.zarr"]

        return lay

    says = ("generator.safetensors",)
    for name, change in (
        ("empty", lambda whole: b""),
        ("text", lambda whole: b"no weights"),
        ("a head that claims 2^63", lambda whole: b"\xff" * 7 + b"\x7f" + whole[8:]),
        ("head only", lambda whole: whole[:200]),
        ("noise", lambda whole: rng.bytes(2000)),
        ("weights overwritten", lambda whole: whole[:-4000] + bytes(4000)),
        ("another settings' value", lambda whole: whole.replace(b'\\"latent\\": 8', b'\\"latent\\": 9')),
    ):
        yield Case("weights", name, changed(change), says)
    for k in range(3):
        yield Case("truncated weights", str(k), changed(lambda whole: truncated(whole, rng)), says)
    for k in range(5):
        yield Case("weights with bits flipped", str(k), changed(lambda whole: flipped(whole, rng, 3)), says)
