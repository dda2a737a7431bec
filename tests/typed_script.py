"""A user's script on the main path. Never run: a type checker reads it, and is told what each step gives."""

from pathlib import Path
from typing import assert_type

import numpy as np
import pandas as pd
import xarray as xr
from torch import Tensor

import pspgan as psp

space = psp.ProcessSpace.uhcsdb()
assert_type(space, psp.ProcessSpace)
assert_type(space.condition("800-5-Q"), psp.ProcessCondition)
assert_type(space.condition("800-5-Q").observed, bool)

real = psp.sources.uhcsdb.read("uhcsdb/")
assert_type(real, xr.Dataset)
assert_type(psp.simulate(n=4, size=32), xr.Dataset)
assert_type(psp.write_ensemble(real, "real.zarr"), Path)

run = psp.train("real.zarr", preset="uhcs-64", out="run", minutes=1)
assert_type(run, psp.Run)
model = psp.load(run)
assert_type(model, psp.Model)
assert_type(model.sample(["800-5-Q", "850-6H-Q"], seeds=[0, 1]), Tensor)
generated = psp.generate(model, conditions="observed", n=64, out="gen.zarr")
assert_type(generated, xr.Dataset)

psp.compute_statistics("real.zarr", "gen.zarr")
assert_type(psp.two_point_statistics(np.zeros((1, 8, 8, 2)), [(0, 0)]), np.ndarray)
linkage = psp.Linkage().fit(real)
assert_type(linkage, psp.Linkage)
assert_type(linkage.predict(["850-6H-Q"], return_std=True), xr.Dataset)
assert_type(linkage.suggest({"area_fraction": 0.15}), pd.DataFrame)
report = psp.evaluate(real, generated)
assert_type(report.findings[0].text, str)
assert_type(psp.write_report(real, generated, linkage=linkage, run="run"), Path)

draws = psp.ops.draw_diff_augment((4, 1, 32, 32))
augmented = psp.ops.diff_augment(model.sample("800-5-Q"), draws)
assert_type(augmented, Tensor)
assert_type(psp.ops.omni_loss(augmented, augmented), Tensor)
