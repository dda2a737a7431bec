"""What an installed pspgan has to do, from an empty folder and on CPU, in some twenty seconds.

Imports nothing of the repository. The commands are those on PATH. With --with-plugins the packages in
tests/plugins have to be installed, too.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

import pspgan as psp
from pspgan import ops

TINY = ("resolution=32", "ch=4", "latent=8", "embedding=4", "batch=8", "reduction=1")


def pspgan(*words: str) -> str:
    """Run a command; what it printed."""
    done = subprocess.run(["pspgan", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"pspgan {' '.join(words)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def check_installation() -> None:
    """It is the installed package, of the version that it says."""
    package = Path(psp.__file__).resolve()
    assert package.is_relative_to(Path(sys.prefix).resolve()), f"{package} is not in {sys.prefix}"
    assert importlib.metadata.version("pspgan") == psp.__version__
    assert f"pspgan {psp.__version__}" in pspgan("info")


def check_operators() -> None:
    """Compiled operators are there, and their values and derivatives are the references'."""
    status = ops.native_status()
    assert status.available, str(status)
    draw = torch.Generator().manual_seed(0)
    images = torch.randn(3, 1, 17, 24, generator=draw, requires_grad=True)
    draws = ops.draw_diff_augment(images.shape, policy="color,translation,cutout", generator=draw)
    scores = torch.randn(5, 9, generator=draw, requires_grad=True)
    labels = (torch.rand(5, 9, generator=draw) < 0.4).to(torch.int8)
    for tensor, function in (
        (images, lambda impl: ops.diff_augment(images, draws, impl=impl).square().sum()),
        (scores, lambda impl: ops.omni_loss(scores, labels, impl=impl)),
    ):
        native, reference = function("native"), function("reference")
        torch.testing.assert_close(native, reference)
        slopes = [torch.autograd.grad(value, tensor)[0] for value in (native, reference)]
        torch.testing.assert_close(*slopes)


def check_main_path() -> None:
    """Simulate, train a little, generate, open what was written."""
    conditions = "800-5-Q,800-24H-Q,970-90-Q"
    pspgan("simulate", "-n", "24", "--size", "32", "--conditions", conditions, "-o", "real.zarr")
    settings = [f"--set={one}" for one in TINY]
    pspgan("train", "real.zarr", "--preset", "demo", "--images", "32", *settings, "-o", "run")
    gen = psp.generate(psp.load("run"), "observed", n=4, out="gen.zarr", progress=False)
    written = psp.open_ensemble("gen.zarr")
    assert written["observed"].values.all()
    assert written["micrograph"].shape == gen["micrograph"].shape == (12, 32, 32)
    assert written["micrograph"].values.std() > 0


def check_plugins() -> None:
    """The example packages of tests/plugins, which are installed too, are found and used."""
    minutes = [5, 90] * 4
    grey = np.full((len(minutes), 32, 32), 60, np.uint8)
    grey[:, 8:14, 8:20] = 200  # one particle, 12 px long
    np.savez("scans.npz", micrograph=grey, minutes=minutes)
    pspgan("import", "scans", "scans.npz", "--um-per-px", "0.1", "-o", "scans.zarr")
    pspgan("stats", "scans.zarr")
    sides = psp.open_statistics("scans.zarr")["mean_longest_side_um"]
    assert sides.attrs["package"] == "particle-sides 1.0"
    np.testing.assert_allclose(sides, 1.2)


def main(with_plugins: bool) -> None:
    check_installation()
    check_operators()
    check_main_path()
    if with_plugins:
        check_plugins()
    print(
        f"pspgan {psp.__version__} in {sys.prefix}: installed whole, compiled operators right, main path runs"
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as empty, contextlib.chdir(empty):
        main(with_plugins=sys.argv[1:] == ["--with-plugins"])
