"""Settings of a training and conditions, as nobody should write them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from ground import Case, Ground, Lay

_BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]\n" for k in range(1, 12)
)


def cases() -> Iterator[Case]:
    yield from _files()
    yield from _values()
    yield from _conditions()


def _config(make: Callable[[Path], object]) -> Lay:
    def lay(ground: Ground) -> list[str]:
        ground.copy("real.zarr")
        make(ground.folder / "c.yaml")
        return ["train", "real.zarr", "--preset", "demo", "--config", "c.yaml", "-o", "out"]

    return lay


def _files() -> Iterator[Case]:
    for name, content, *says in (
        ("no YAML", "batch: [8\n", "c.yaml is no YAML"),
        ("tabs", "batch:\t8\n\tch: 4\n", "c.yaml"),
        ("a list", "- batch\n- 8\n", "c.yaml holds no settings"),
        ("a word", "batch\n", "c.yaml holds no settings"),
        ("empty", "", "c.yaml holds no settings"),
        ("a comment", "# batch: 8\n", "c.yaml holds no settings"),
        ("two documents", "batch: 8\n---\nch: 4\n", "c.yaml is no YAML"),
        ("Python", "batch: !!python/object/apply:os.system [reboot]\n", "c.yaml is no YAML"),
        ("an unknown tag", "batch: !secret 8\n", "c.yaml is no YAML"),
        ("an alias of nothing", "batch: *gone\n", "c.yaml is no YAML"),
        ("an alias of itself", "batch: &a [*a]\n", "batch"),
        ("a list for a key", "? [a, b]\n: 8\n", "c.yaml is no YAML"),
        ("a number for a key", "8: batch\n", "c.yaml", "8"),
        ("a date for a key", "2001-01-01: 8\n", "c.yaml", "2001"),
        ("null for a key", "~: 8\n", "c.yaml", "None"),
        ("a key twice", "batch: 8\nbatch: 16\n", "c.yaml", '"batch"'),
        ("an unknown key", "batchs: 8\n", 'unknown setting "batchs"', '"batch"'),
        ("a key of 1000 characters", f"{'b' * 1000}: 8\n", "unknown setting"),
        ("an escape sequence for a key", '"\\e[2J": 8\n', "unknown setting", "\\x1b[2J"),
        ("brackets", "batch: " + "[" * 2_000, "c.yaml"),
        ("billion laughs", _BOMB, 'unknown setting "a0"'),
        ("a laughing value", _BOMB.replace("a11:", "batch:"), 'unknown setting "a0"'),
        ("control characters", "batch: 8\x07\n", "c.yaml is no YAML"),
        ("settings within settings", "training:\n  batch: 8\n", 'unknown setting "training"'),
    ):
        lay = _config(lambda path, content=content: path.write_text(content))
        yield Case("YAML", name, lay, tuple(says))
    bomb = "batch:\n" + "".join(f"  {line}\n" for line in _BOMB.splitlines())
    yield Case(
        "YAML", "billion laughs of one setting", _config(lambda path: path.write_text(bomb)), ("batch",)
    )
    for name, content in (
        ("latin-1", b"batch: 8 # \xe4\n"),
        ("noise", bytes(range(256))),
        ("zeros", bytes(99)),
    ):
        lay = _config(lambda path, content=content: path.write_bytes(content))
        yield Case("YAML", name, lay, ("c.yaml is no YAML",))
    for name, make in (
        ("a folder", os.mkdir),
        ("nothing", lambda path: None),
        ("a link to itself", lambda path: path.symlink_to(path)),
    ):
        yield Case("place of the settings", name, _config(make), ("c.yaml",))


def _set(*pairs: str) -> Lay:
    def lay(ground: Ground) -> list[str]:
        ground.copy("real.zarr")
        return ["train", "real.zarr", "--preset", "demo", *(f"--set={pair}" for pair in pairs), "-o", "out"]

    return lay


def _values() -> Iterator[Case]:
    for pair in (
        *("batch=0", "batch=-8", "batch=1", "batch=.nan", "batch=8.5", "batch=eight", "batch=", "batch=[8]"),
        *(
            "batch=1e400",
            "batch=99999999999999999999999",
            "batch=2001-01-01",
            "ch=5",
            "ch=-4",
            "ch=4000000000",
        ),
        *("latent=0", "latent=1e30", "embedding=99999999999", "resolution=33", "resolution=-64", "lr_g=0"),
        *("lr_g=.nan", "lr_g=.inf", "lr_d=1e999", "beta1=1", "beta2=.nan", "decay_g=-1", "d_steps=0"),
        *("accumulation=3", "averaging_halflife=.inf", "augment=colour", "augment=[color]", "precision=16"),
        *("augment_probability=1.5", "attention=yes", "init=zeros", "split=test", "balance=all", "images=-5"),
        *(
            "epochs=.inf",
            "epochs=.nan",
            "minutes=0",
            "minutes=.inf",
            "log_every=0",
            "sample_size=1",
            "seed=-1",
        ),
        *(
            "seed=99999999999999999999999",
            "reduction=0",
            "reduction=1000000",
            "reduction=99999999999999999999",
        ),
        *("fake_conditions=any", "resolution=512"),
    ):
        key = pair.partition("=")[0]
        yield Case("setting", pair, _set(pair), (key,))
    for pair, says in (
        ("batch", '"batch" is not KEY=VALUE'),
        ("=8", 'unknown setting ""'),
        ("batch=[8", "batch=[8"),
        ("batch=*a", "batch=*a"),
        ("batch=!!python/name:os.system", "batch="),
        ("batch=" + "[" * 2_000, "batch="),
        ("batch=a: b: c", "batch=a: b: c"),
        ("Batch=8", 'unknown setting "Batch"; did you mean "batch"'),
        ("__class__=8", 'unknown setting "__class__"'),
        ("batch =8 =9", "batch"),
    ):
        yield Case("setting that cannot be read", pair[:40], _set(pair), (says,))


def _conditions() -> Iterator[Case]:
    texts = (
        *("800", "800-5", "800-5-", "800-5-WQX", "-800-5-Q", "800--5-Q", "nan-5-Q", "inf-5-Q", "1e3-5-Q"),
        *("800-5X-Q", "0x320-5-Q", "80O-5-Q", "99999-5-Q", "800-0-Q", "800-5-Q-5", "800-5-Q-", "800,5,Q"),
        *("../../etc/passwd", "800-5-\u202eQ", "800-5-Q\n800", "🔥-5-Q", "Q-5-800", "9" * 5000 + "-5-Q"),
        *("800-5-" + "Q" * 5000, "-".join("Q" * 3000), "%s-%s-%s", "\x1b[2J", "800-1e400-Q"),
    )
    for text in texts:
        first = next(part for part in text.split(",") if part)
        shown = first[:20] if first[:20].isprintable() else first[:20].encode("unicode_escape").decode()
        for verb, words in (("simulate", ["-n", 3, "--size", 16]), ("generate", ["run", "-n", 2])):
            lay = _asked(verb, [*words, f"--conditions={text}"])
            yield Case(f"condition, {verb}", repr(text[:40]), lay, (f'condition "{shown}',))
    for text in ("", ",", " , ,"):
        for verb, words in (("simulate", ["-n", 3, "--size", 16]), ("generate", ["run", "-n", 2])):
            lay = _asked(verb, [*words, f"--conditions={text}"])
            yield Case(f"condition, {verb}", repr(text), lay, ("condition",))


def _asked(verb: str, words: list[object]) -> Lay:
    def lay(ground: Ground) -> list[object]:
        if verb == "generate":
            ground.copy("run")
        return [verb, *words, "-o", "out.zarr"]

    return lay
