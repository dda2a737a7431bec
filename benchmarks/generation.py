"""What writing an ensemble costs, beside plain zarr, and beside the sampling of what is written.

    python benchmarks/generation.py [--json FILE] [--rounds 5] [--micrographs 100000]

The store of pspgan and a plain zarr array of the same chunks, shards and compressor get and give back the
same micrographs in turns. Generation with its writing takes turns with the sampling of the same micrographs,
which are then thrown away; networks have random weights, which cost the same. Times are medians. Memory is
the largest resident set of a process of its own, above what it had once the network was there.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import scipy.ndimage
import torch
import zarr
from processes import in_a_process, resident
from side_by_side import entry, report, seconds, take_turns

from pspgan import ensemble
from pspgan.ensemble.damage import COMPRESSORS
from pspgan.generation import Model, generate
from pspgan.generation.job import Job
from pspgan.networks import FrozenGenerator, Generator
from pspgan.process import ProcessSpace
from pspgan.training.config import make_config

SPACE = ProcessSpace.uhcsdb()
CONDITION = "800-90-Q"
SIDE = 256  # px
SHARDS = 4
FILES = 2000  # that 100,000 micrographs may make at most


def store_rows(folder: Path, rounds: int) -> list[dict]:
    """Micrographs a second, written a shard at a time, and read all together or one by one."""
    n = SHARDS * ensemble.SHARD
    noise = np.random.default_rng(0).normal(size=(n, SIDE, SIDE)).astype(np.float32)
    grey = scipy.ndimage.gaussian_filter(noise, (0, 2, 2)) * 400 + 128
    images = grey.clip(0, 255).astype(np.uint8)
    names = (folder / f"{i}.zarr" for i in itertools.count())

    def ours() -> Path:
        return write_ours(next(names), images)

    def plain() -> Path:
        return write_plain(next(names), images)

    rates = take_turns({which.__name__: partial(seconds, which) for which in (ours, plain)}, rounds)
    rows = [entry(f"writing, {SIDE} px", n / rates["ours"], n / rates["plain"], "images/s")]
    stored = ensemble.open_ensemble(ours())["micrograph"]
    array = zarr.open_array(plain(), mode="r")
    few = range(0, n, SHARDS)
    for name, count, mine, theirs in (
        ("a shard at a time", n, partial(read_shards, stored), partial(read_shards, array)),
        ("one by one", len(few), lambda: [stored[i].values for i in few], lambda: [array[i] for i in few]),
    ):
        times = take_turns({"ours": partial(seconds, mine), "plain": partial(seconds, theirs)}, rounds)
        rates = [count / times[side] for side in ("ours", "plain")]
        rows.append(entry(f"reading, {SIDE} px, {name}", *rates, "images/s"))
    return rows


def write_ours(path: Path, images: np.ndarray) -> Path:
    """A store as generation fills it."""
    ensemble.create(layout_of(images), path)
    for part in ensemble.pending(path):
        ensemble.write_region(path, part.start, micrograph=images[part])
    ensemble.finish(path)
    return path


def write_plain(path: Path, images: np.ndarray) -> Path:
    """The same images in an array of zarr."""
    n, *side = images.shape
    shard = ensemble.SHARD
    array = zarr.create_array(
        path,
        shape=images.shape,
        dtype="uint8",
        chunks=(1, *side),
        shards=(shard, *side),
        compressors=COMPRESSORS,
    )
    for begin in range(0, n, shard):
        array[begin : begin + shard] = images[begin : begin + shard]
    return path


def layout_of(images: np.ndarray):
    """The ensemble that images make."""
    n = len(images)
    return ensemble.build(
        images,
        [SPACE.condition(CONDITION)] * n,
        SPACE,
        origin="generated",
        specimen=[CONDITION] * n,
        seed=range(n),
    )


def read_shards(stored) -> None:
    for begin in range(0, stored.shape[0], ensemble.SHARD):
        np.asarray(stored[begin : begin + ensemble.SHARD])


def a_model(preset: str, **settings: object) -> Model:
    """A generator of a preset, of random weights."""
    config = make_config(preset, **settings)
    draws = torch.Generator().manual_seed(0)
    network = Generator(
        SPACE,
        config.resolution,
        config.ch,
        config.latent,
        config.attention,
        embedding=config.embedding,
        init="orthogonal",
        generator=draws,
    )
    provenance = {"checkpoint_sha256": "none, of random weights"}
    return Model(FrozenGenerator(network.eval(), config.precision), preset, 1, 0.1, provenance)


NETWORKS = {
    "paper, 256 px": ("paper", {"precision": "float32"}, 2),
    "uhcs-64, 64 px": ("uhcs-64", {}, 8),
}


def generation_rows(folder: Path, rounds: int) -> list[dict]:
    """Seconds to generate some shards into a store, beside their sampling alone."""
    names = (folder / f"generated-{i}.zarr" for i in itertools.count())
    rows = []
    for name, (preset, settings, shards) in NETWORKS.items():
        model, n = a_model(preset, **settings), shards * ensemble.SHARD
        job = Job((SPACE.condition(CONDITION),), (n,), 0, 1.0, 64, None)

        def written(model: Model = model, n: int = n) -> object:
            return generate(model, [CONDITION], n, next(names), progress=False)

        def sampled(model: Model = model, job: Job = job, n: int = n) -> None:
            for begin in range(0, n, ensemble.SHARD):
                job.sample(model, slice(begin, begin + ensemble.SHARD), lambda count: None)

        job.sample(model, slice(0, 64), lambda count: None)
        times = take_turns({side.__name__: partial(seconds, side) for side in (written, sampled)}, rounds)
        label = f"generation with writing beside sampling alone, {n} images, {name}"
        rows.append(entry(label, times["written"], times["sampled"], "s"))
    return rows


def memory_rows() -> list[dict]:
    """GiB of sampling and writing many shards, beside the sampling of one."""
    ours, theirs = (in_a_process(peak_memory, shards) for shards in (16, 0))
    label = "generation with writing, 4096 images, uhcs-64, memory, beside sampling 256 alone"
    return [entry(label, ours, theirs, "GiB")]


def peak_memory(shards: int) -> float:
    """Largest resident set, in GiB, above that with the network in memory."""
    model = a_model("uhcs-64")
    model.sample([CONDITION])
    before = resident("VmRSS")
    if shards:
        with tempfile.TemporaryDirectory() as folder:
            generate(model, [CONDITION], shards * ensemble.SHARD, Path(folder) / "gen.zarr", progress=False)
    else:
        generate(model, [CONDITION], ensemble.SHARD, progress=False)
    return resident("VmHWM") - before


def file_rows(folder: Path, n: int) -> list[dict]:
    """How many files a large ensemble of small micrographs is."""
    path = folder / "many.zarr"
    ensemble.create(layout_of(np.broadcast_to(np.uint8(0), (n, 16, 16))), path)
    images = np.random.default_rng(0).integers(0, 256, (ensemble.SHARD, 16, 16), dtype=np.uint8)
    for part in ensemble.pending(path):
        ensemble.write_region(path, part.start, micrograph=images[: part.stop - part.start])
    ensemble.finish(path)
    files = sum(file.is_file() for file in path.rglob("*"))
    return [entry(f"files of {n} micrographs, beside the most allowed", files, FILES, "files")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there, too")
    parser.add_argument("--rounds", type=int, default=5, help="timed calls of each side")
    parser.add_argument("--micrographs", type=int, default=100_000, help="of the ensemble whose files count")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = store_rows(Path(folder), options.rounds)
        rows += generation_rows(Path(folder), options.rounds)
        rows += file_rows(Path(folder), options.micrographs)
    rows += memory_rows()
    report(rows, options.json)


if __name__ == "__main__":
    main()
