# %% [markdown]
# # Your own images, from a table
#
# Any table with a row an image, and any folder of images: say which columns are process factors and which
# names the specimen. Here both are made up first, a sintered powder whose pores grow with time and vanish
# with temperature. Takes some seconds; everything is written to `own_images/`.

# %%
import csv
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

import pspgan as psp

OUT = Path("own_images")
(OUT / "images").mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## A table and a folder of images
#
# Yours exist already; skip this cell. Three specimens a treatment, two images a specimen.

# %%
rng = np.random.default_rng(0)
rows = []
for temperature in (1100, 1200, 1300):
    for hours in (1, 4, 16):
        for _ in range(3):
            scatter = rng.normal(0, 0.1)  # specimens of one treatment differ
            for image in range(2):
                size = 1.5 * hours**0.33 * np.exp(scatter)
                field = gaussian_filter(rng.standard_normal((96, 96)), size, mode="wrap")
                porosity = (0.35 - 0.1 * (temperature - 1100) / 100) * np.exp(scatter)
                pores = field > np.quantile(field, 1 - porosity)
                grey = np.where(pores, 190, 80) + rng.normal(0, 12, field.shape)
                name = f"S{len(rows) // 2:02d}_{image}.png"
                Image.fromarray(grey.clip(0, 255).astype(np.uint8)).save(OUT / "images" / name)
                rows.append([name, f"S{len(rows) // 2:02d}", temperature, hours, 0.5])

with open(OUT / "sintering.csv", "w", newline="") as file:
    csv.writer(file).writerows([["file", "specimen", "T", "hours", "um_per_px"], *rows])

# %% [markdown]
# ## Import
#
# Columns of numbers become ordinal factors, with a unit and an axis; columns of names nominal ones. Where
# factors are left out, or come from a file, see `other_material.py`. The specimen column is what keeps
# scores honest: images of one specimen are never on both sides of a split.

# %%
micrographs = psp.sources.table.read(
    OUT / "sintering.csv",
    OUT / "images",
    factors={
        "temperature": {"column": "T", "unit": "degC"},
        "time": {"column": "hours", "unit": "h", "scale": "log"},
    },
    specimen="specimen",
    um_per_px="um_per_px",
    licence="CC0",
    attribution="made up",
)
psp.write_ensemble(micrographs, OUT / "sintering.zarr", overwrite=True)
print(psp.sources.describe(micrographs))

# %% [markdown]
# ## Measure
#
# Otsu's threshold splits each image into dark (phase 0) and bright (phase 1, here the pores); look whether
# that is what you mean by a phase before you believe a number.

# %%
(statistics,) = psp.compute_statistics(OUT / "sintering.zarr")
print(
    statistics[["area_fraction", "mean_chord_length_um"]].groupby("condition").mean().to_dataframe().round(3)
)

# %% [markdown]
# ## Link
#
# R2 on held-out specimens, and on held-out treatments, which is the harder question.

# %%
linkage = psp.link(
    OUT / "sintering.zarr",
    out=OUT / "linkage",
    descriptors=["area_fraction", "mean_chord_length_um", "correlation_length_um"],
    overwrite=True,
)
print(linkage.summary())

# %% [markdown]
# A treatment between the levels, and treatments that should give 20 % of pores.

# %%
predicted = linkage.predict("1250-8H", return_std=True)
print(predicted[["mean", "std"]].to_dataframe().round(3))
print(linkage.suggest({"area_fraction": 0.2}, tolerance=0.1).head(5).to_string(index=False))

# %% [markdown]
# From here on `psp.train(OUT / "sintering.zarr", ...)` learns to make such images; see
# `simulated_steel.py`.
