# %% [markdown]
# # Another material, from a plain table
#
# Nothing in pspgan but the source of UHCSDB and the simulated steel knows what a heat treatment is. Here a
# precipitation-hardened alloy goes the whole way: its factors are alloy content and quench rate, and they
# come from the headers of a table or from a file. The alloy is made up with two laws, so that what the
# linkage finds can be checked. Takes a minute or two on two CPU cores; everything is written to
# `other_material/`.

# %%
import csv
import math
from pathlib import Path

import numpy as np
from PIL import Image

import pspgan as psp
from pspgan.sources import geometry, sem

OUT = Path("other_material")
(OUT / "images").mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The laws that are put in
#
# The lever rule gives the area fraction of precipitates: matrix that holds 1 wt% and precipitates of
# 41 wt% share the alloy's content. The faster the quench, the more and the finer precipitates are nucleated:
# their mean diameter is a power law of the quench rate.

# %%
IN_MATRIX, IN_PRECIPITATE = 1.0, 41.0  # wt%
AT_1_K_PER_S = 0.5  # um
EXPONENT = -0.2
SPECIMEN_SCATTER = 0.05  # standard deviation of ln(diameter) between specimens


def area_fraction(content):
    return (content - IN_MATRIX) / (IN_PRECIPITATE - IN_MATRIX)


def mean_diameter(rate):
    return AT_1_K_PER_S * rate**EXPONENT


# %% [markdown]
# ## A table and a folder of images
#
# Yours exist already; skip this cell. Four contents and three rates, three specimens a combination, two
# fields a specimen. Two combinations are left out: nobody made these alloys.

# %%
UM_PER_PX = 0.04
NOT_MADE = [(7, 10), (5, 100)]

rng = np.random.default_rng(0)
rows = []
made = [(c, r) for c in (3, 5, 7, 9) for r in (1, 10, 100) if (c, r) not in NOT_MADE]
for heat, (content, rate) in enumerate((point for point in made for _ in range(3)), start=1):
    structure = geometry.Structure(
        mean_diameter=mean_diameter(rate) * math.exp(rng.normal(0, SPECIMEN_SCATTER)),
        diameter_sigma=0.25,
        particle_fraction=area_fraction(content),
    )
    for number in range(2):
        field = geometry.draw(structure, rng, (128, 128), UM_PER_PX)
        name = f"H{heat:02d}_{number}.png"
        Image.fromarray(sem.render(field.cover, rng, UM_PER_PX)).save(OUT / "images" / name)
        rows.append([name, f"H{heat:02d}", content, rate, "aged 8 h", "", UM_PER_PX])
rows[0][5] = "first one, slightly out of focus"

header = ["file", "heat", "content (wt%)", "quench rate (K/s)", "ageing", "remark", "um/px"]
with open(OUT / "alloy.csv", "w", newline="") as file:
    csv.writer(file).writerows([header, *rows])

# %% [markdown]
# ## Import: look at what the columns say
#
# Every column without another role becomes a factor, unless it cannot be one. The output says which, and
# offers a logarithmic axis where levels differ by multiples.

# %%
table = {"table": OUT / "alloy.csv", "images": OUT / "images"}
roles = {"specimen": "heat", "um_per_px": "um/px", "licence": "CC0", "attribution": "made up"}
print(psp.sources.describe(psp.sources.table.read(**table, **roles)))

# %% [markdown]
# ## Import: say what they mean
#
# A file of factors keeps that beside the data. It fixes the levels as well: a row with another one would be
# an error that names the row.

# %%
(OUT / "factors.yaml").write_text("""\
content:
  column: content (wt%)
  unit: wt%
  levels: [3, 5, 7, 9]
rate:
  column: quench rate (K/s)
  unit: K/s
  scale: log
""")
micrographs = psp.sources.table.read(**table, **roles, factors=OUT / "factors.yaml")
psp.write_ensemble(micrographs, OUT / "alloy.zarr", overwrite=True)
print(psp.sources.describe(micrographs))
print(psp.inspect(OUT / "alloy.zarr").summary())

# %% [markdown]
# ## Train, and generate
#
# Far too short and too narrow for good pictures: this shows the path. Leave `images` and what follows it
# out to get what the preset was tuned for. `7-10` is one of the combinations that nobody made, and `6-30`
# lies between the levels of both factors.

# %%
run = psp.train(
    OUT / "alloy.zarr",
    preset="demo",
    out=OUT / "run",
    overwrite=True,
    images=640,
    ch=8,
    batch=32,
    d_steps=1,
    sample_size=8,
)
model = psp.load(run)
conditions = [*model.space.observed_conditions, "7-10", "6-30"]
generated = psp.generate(model, conditions, n=8, out=OUT / "gen.zarr", overwrite=True)
print(generated["observed"].groupby("condition").all().to_series().to_string())

# %% [markdown]
# ## Measure, and link
#
# Scores are for specimens, and for whole combinations, that the fit has not seen.

# %%
psp.compute_statistics(OUT / "alloy.zarr", OUT / "gen.zarr")
linkage = psp.link(
    OUT / "alloy.zarr",
    out=OUT / "linkage",
    descriptors=["area_fraction", "mean_equivalent_diameter_um"],
    overwrite=True,
)
print(linkage.summary())

# %% [markdown]
# ## Are the laws found?
#
# The linkage is asked for the combinations that nobody made, too.

# %%
predicted = linkage.predict([f"{c}-{r}" for c in (3, 5, 7, 9) for r in (1, 10, 100)])["mean"]
fraction = predicted.sel(target="area_fraction").values.reshape(4, 3)
diameter = predicted.sel(target="mean_equivalent_diameter_um").values.reshape(4, 3)

per_wt = np.polyfit([3, 5, 7, 9], fraction.mean(axis=1), 1)[0]
exponent = np.polyfit(np.log([1, 10, 100]), np.log(diameter).mean(axis=0), 1)[0]
print(f"area fraction a wt%: put in {1 / (IN_PRECIPITATE - IN_MATRIX):.4f}, found {per_wt:.4f}")
print(f"exponent of the quench rate: put in {EXPONENT:.2f}, found {exponent:.3f}")
for content, rate in NOT_MADE:
    i, j = (3, 5, 7, 9).index(content), (1, 10, 100).index(rate)
    print(
        f"{content}-{rate}, never made: "
        f"area fraction {fraction[i, j]:.3f} (law {area_fraction(content):.3f}), "
        f"diameter {diameter[i, j]:.3f} um (law {mean_diameter(rate):.3f})"
    )

# %% [markdown]
# And the way back: alloys whose precipitates are a third of a micrometre wide and fill a tenth of the area.

# %%
wanted = linkage.suggest({"mean_equivalent_diameter_um": 0.33, "area_fraction": 0.1}, tolerance=0.15)
print(wanted.head(5).to_string(index=False))

# %% [markdown]
# ## One page to send to a colleague

# %%
page = psp.write_report(
    OUT / "alloy.zarr", OUT / "gen.zarr", linkage=linkage, run=run.folder, out=OUT / "report.html"
)
print(f"open {page}")
