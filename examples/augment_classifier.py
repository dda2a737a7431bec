# %% [markdown]
# # Do generated micrographs help a classifier?
#
# Tell microconstituents of simulated steel apart, add generated micrographs, and find out on specimens that
# neither the classifier nor the generator has seen whether that helped. Takes about a minute on two CPU
# cores; everything is written to `augment_classifier/`.

# %%
from pathlib import Path

import pspgan as psp
from pspgan.classification import NetworkClassifier, TrainedPerFold, label_by_condition

OUT = Path("augment_classifier")
OUT.mkdir(exist_ok=True)

# %% [markdown]
# ## Labelled micrographs
#
# Yours come from `pspgan import`, with a column of labels. What matters beside the label is the specimen:
# fields of one specimen resemble one another, and a score that has them on both sides flatters.

# %%
conditions = ["700-5-Q", "750-5-Q", "800-3H-Q", "800-24H-Q", "970-5-FC", "1100-1H-650-1H"]
steel = psp.simulate(n=96, size=32, seed=0, conditions=conditions)
print(steel["micrograph"].groupby("microconstituent").count("sample").isel(y=0, x=0).to_series())

# %% [markdown]
# ## Without generated micrographs
#
# Texture features and logistic regression, each specimen judged by a classifier that has not seen it.

# %%
baseline = psp.classify(steel, folds=4, out=OUT / "baseline", overwrite=True)
print(baseline.summary())
baseline.figure().savefig(OUT / "baseline.png", dpi=100)

# %% [markdown]
# ## With them
#
# A generator for each fold, trained on that fold's training specimens alone. This one is far too small and
# too short for good pictures, so do not expect help: leave `settings` out, or give `{"minutes": 10}`, for
# what the preset was tuned for. Generated micrographs are labelled as most specimens of their condition are:

# %%
print(label_by_condition(steel).to_string(index=False))

# %% [markdown]
# The same number of repeated real micrographs is tried beside: it adds weight, and nothing new.

# %%
generator = TrainedPerFold(
    OUT / "augmented" / "generators",
    preset="demo",
    ratio=1.0,
    settings={"images": 320, "ch": 4, "latent": 8, "embedding": 4, "batch": 16, "sample_size": 2},
)
augmented = psp.classify(steel, generator, [1.0], folds=2, out=OUT / "augmented", overwrite=True)
print(augmented.summary())
augmented.figure().savefig(OUT / "augmented.png", dpi=100)

# %% [markdown]
# ## Into your own training
#
# `SyntheticMix` is a torch data set of both, at any ratio, class by class. Split the specimens first, and
# train the generator on the part `train`.

# %%
split = psp.split(steel, "specimen", held_out=0.25)
run = psp.train(split, "demo", OUT / "run", overwrite=True, split="train", **generator.settings)
generated = psp.generate(run, "observed", n=24)
mix = psp.SyntheticMix(psp.ensemble.part_of(split, "train"), generated, ratio=0.5)
print(mix.summary())
network = NetworkClassifier(steps=40, view=32).fit(mix.micrograph, [mix.classes[k] for k in mix.label])
network.save(OUT / "network.safetensors")

# %% [markdown]
# Other tools take folders: `dataset/train/<class>/*.png`, and `held_out` without generated ones.

# %%
parts = psp.classification.mixed_parts(split, generated, ratio=0.5)
manifest = psp.export_folders(parts, OUT / "dataset", overwrite=True)
print(manifest.groupby(["part", "class", "origin"]).size())
