# %% [markdown]
# # UHCSDB: look before you train
#
# The Ultrahigh Carbon Steel micrograph DataBase has micrographs of one steel after many heat treatments,
# taken at magnifications that differ 700 times. This reads it, says what to know before anything is trained
# on it, brings it to one pixel size, and holds specimens out. Put the database and its images into `uhcsdb/`
# (the README says where to get them), or name their folder: `python uhcsdb.py FOLDER`. Takes about a minute;
# everything is written to `uhcsdb_example/`.

# %%
import sys
from pathlib import Path

import pspgan as psp

FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 and Path(sys.argv[1]).is_dir() else "uhcsdb")
OUT = Path("uhcsdb_example")
OUT.mkdir(exist_ok=True)

# %% [markdown]
# ## Read
#
# Nothing is decoded until it is used. What was left out, and why, is counted and listed.

# %%
micrographs = psp.sources.uhcsdb.read(FOLDER)
print(psp.sources.describe(micrographs))
psp.write_ensemble(micrographs, OUT / "real.zarr", overwrite=True)

# %% [markdown]
# ## Look it over
#
# Gaps, confounding, and micrographs that show the same place. The warning to heed here: the pixel size tells
# the microconstituent, since networks were taken at low magnification. A network that sees both learns
# magnification as if it were structure.

# %%
inspection = psp.inspect(OUT / "real.zarr")
print(inspection.summary())
inspection.write(OUT / "inspection")

# %% [markdown]
# ## One pixel size
#
# Micrographs that resolve 0.1 um are averaged down to it and cut into tiles, which keep their specimen. The
# networks drop out: none of them was taken so close. At 1 um they are all that remains, but for what is
# averaged down from higher magnification.

# %%
fine = psp.sources.uhcsdb.read(FOLDER, tile=psp.sources.Tiling(256, um_per_px=0.1))
coarse = psp.sources.uhcsdb.read(FOLDER, tile=psp.sources.Tiling(256, um_per_px=1.0, enlarge=2))
for name, tiles in (("fine", fine), ("coarse", coarse)):
    psp.write_ensemble(tiles, OUT / f"{name}.zarr", overwrite=True)
    print(f"{name}:", psp.sources.describe(tiles))
    print(tiles["microconstituent"].to_series().value_counts().to_string())

# %% [markdown]
# ## Hold specimens out
#
# Whole ones, as many as leave every combination another. `psp.train(..., split="train")` then sees the rest.

# %%
split = psp.split(OUT / "fine.zarr", by="specimen", held_out=0.2, seed=0)
print(split["split"].to_series().value_counts().to_string())

# %% [markdown]
# ## Beside the simulated steel
#
# The simulator draws the same treatment at the same scale, and knows the truth.

# %%
conditions = ["800-90-Q", "800-8H-Q", "900-90-Q", "970-5-FC", "1100-1H-650-1H"]
steel = psp.simulate(n=20, size=256, um_per_px=0.1, conditions=conditions, framing="random")
figure = psp.figures.side_by_side(fine, steel, conditions)
figure.savefig(OUT / "real_beside_simulated.png", dpi=120)
print(f"figures and tables are in {OUT}")
