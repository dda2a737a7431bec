# %% [markdown]
# # The whole path on simulated steel
#
# Simulate annealed steel, train a small generator on it, ask it for micrographs, measure both alike, and
# link process to structure. The truth is known, so every answer can be checked. Takes about a minute on two
# CPU cores; everything is written to `simulated_steel/`.

# %%
from pathlib import Path

from matplotlib import pyplot as plt

import pspgan as psp
from pspgan.sources.heat_treatment import Steel

OUT = Path("simulated_steel")
OUT.mkdir(exist_ok=True)

# %% [markdown]
# ## Look at the material
#
# A condition is written as temperature (degC), time and cooling: `800-24H-Q` is 800 degC, 24 hours, quench.
# Small fields lie within a grain; large ones show the carbide network around the grains, in which particles
# are a texture that pixels no longer resolve.

# %%
conditions = ["700-5-Q", "800-5-Q", "800-24H-Q", "970-90-Q", "970-5-FC", "1100-1H-650-1H"]
near = psp.simulate(n=6, size=160, seed=3, conditions=conditions)
far = psp.simulate(n=6, size=160, seed=3, conditions=conditions, um_per_px=1.5)

figure, axes = plt.subplots(2, 6, figsize=(9.6, 3.6), layout="constrained")
for row, ensemble in zip(axes, (near, far), strict=True):
    for axis, image, condition in zip(row, ensemble["micrograph"].values, conditions, strict=True):
        axis.imshow(image, cmap="gray", vmin=0, vmax=255)
        axis.set(title=condition if ensemble is near else "", xticks=[], yticks=[])
    width = ensemble.sizes["x"] * float(ensemble["um_per_px"][0])
    row[0].set_ylabel(f"{width:.0f} µm wide")
figure.savefig(OUT / "gallery.png", dpi=100)

# %% [markdown]
# ## Simulate, and keep the ensemble
#
# 23 of the 120 combinations of levels, four specimens each. `phase`, the coordinates `true_*` and
# `particle_diameter` hold the truth.

# %%
steel = psp.simulate(n=360, size=64, seed=0)
psp.write_ensemble(steel, OUT / "steel.zarr", overwrite=True)
print(psp.open_ensemble(OUT / "steel.zarr"))

# %% [markdown]
# ## Train
#
# Far too short and too narrow for good pictures: this shows the path. Leave `images` and what follows it
# out to get what the preset was tuned for.

# %%
run = psp.train(
    OUT / "steel.zarr",
    preset="demo",
    out=OUT / "run",
    overwrite=True,
    images=1_000,
    ch=8,
    batch=32,
    d_steps=1,
)
last = run.log[-1]
print(f"{last['images']} images in {last['seconds']:.0f} s; grids of samples are in {run.folder / 'samples'}")

# %% [markdown]
# ## Generate
#
# One seed is one latent vector: the same seed under several conditions is "the same field, treated
# otherwise". 850 degC lies between levels; training saw no such combination, and the ensemble says so
# (`observed`).

# %%
model = psp.load(run)
print(model)
print(*model.describe(["800-24H-Q", "850-6H-Q"]), sep="\n")
generated = psp.generate(model, "observed", n=8, out=OUT / "gen.zarr", overwrite=True)

shown = ["700-5-Q", "800-90-Q", "800-24H-Q", "970-5-FC"]
psp.figures.side_by_side(steel, generated, shown).savefig(OUT / "side_by_side.png", dpi=120)

# %% [markdown]
# ## Measure both alike, and compare
#
# A ratio near 1 says that generated micrographs differ from simulated ones as simulated ones differ from
# one another.

# %%
psp.compute_statistics(OUT / "steel.zarr", OUT / "gen.zarr")
print(psp.evaluate(OUT / "steel.zarr", OUT / "gen.zarr"))

# %% [markdown]
# ## Link process to structure
#
# Scores are for specimens, and for whole conditions, that the fit has not seen.

# %%
linkage = psp.link(OUT / "steel.zarr", out=OUT / "linkage", overwrite=True)
print(linkage.summary())

# %% [markdown]
# The simulator's own law of coarsening beside the linkage, at times between the levels. The linkage lies
# above the law at short times: particles are then two pixels wide, and the pearlite that is left counts as
# particles, too. A diameter is always one by some method of measuring.

# %%
minutes = [5, 15, 40, 90, 180, 480, 900, 1440]
predicted = linkage.predict([f"800-{time}-Q" for time in minutes], return_std=True)
diameter = predicted.sel(target="mean_equivalent_diameter_um")

figure, axis = plt.subplots(figsize=(5, 3.5), layout="constrained")
axis.plot(
    minutes, [Steel().mean_diameter(800, time) for time in minutes], "k--", label="law of the simulator"
)
axis.errorbar(
    minutes, diameter["mean"], diameter["std"], marker="o", capsize=3, label="linkage, a new specimen"
)
axis.set(xscale="log", xlabel="time at 800 degC (min)", ylabel="mean particle diameter (µm)")
axis.legend()
figure.savefig(OUT / "coarsening.png", dpi=120)

# %% [markdown]
# And the way back: treatments whose predicted particles are half a micrometre wide, the most probable
# first.

# %%
wanted = linkage.suggest({"mean_equivalent_diameter_um": 0.5}, tolerance=0.15)
print(wanted.head(5).to_string(index=False))

# %% [markdown]
# ## One page to send to a colleague

# %%
page = psp.write_report(
    OUT / "steel.zarr", OUT / "gen.zarr", linkage=linkage, run=run.folder, out=OUT / "report.html"
)
print(f"open {page}")
