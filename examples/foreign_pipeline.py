# %% [markdown]
# # Only the parts: somebody else's PyTorch and PyMKS code
#
# You have a training loop, and an analysis in PyMKS, and want neither another loop nor another data format.
# Here the operators and the statistics of pspgan go into both: an ordinary small GAN gets DiffAugment and a
# loss with several labels an image, and its images are compared with the real ones by two-point statistics,
# principal components and a distance. Nothing here is an ensemble. Takes about a minute on two CPU cores;
# everything is written to `foreign_pipeline/`.

# %%
from pathlib import Path

import numpy as np
import torch
from matplotlib import pyplot as plt
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from torch import nn
from torch.nn.functional import one_hot

import pspgan as psp
from pspgan import ops
from pspgan.statistics import Flatten, Phases, TwoPointStatistics

OUT = Path("foreign_pipeline")
OUT.mkdir(exist_ok=True)
STEPS = 1500

# %% [markdown]
# ## Images and labels, as any code has them
#
# A tensor in [-1, 1] and two labels an image, temperature and cooling. Yours exist already; these are crops
# of simulated steel. For some images nobody noted the cooling (-1).

# %%
conditions = ["800-24H-Q", "970-24H-Q", "800-24H-FC", "970-24H-FC"]
steel = psp.simulate(n=320, size=32, seed=0, conditions=conditions)
images = torch.tensor(steel["micrograph"].values[:, None] / 127.5 - 1, dtype=torch.float32)
temperature = torch.tensor((steel["temperature"].values == 970).astype(int))
cooling = torch.tensor((steel["cooling"].values == "FC").astype(int))
cooling[torch.arange(0, len(cooling), 10)] = -1

# %% [markdown]
# ## The labels of the Omni loss
#
# A column a class: 800, 970, Q, FC, real, fake. 1 is yes, 0 no, and -1 *not known*: such a score is neither
# rewarded nor punished, so images without a cooling still teach temperature.


# %%
def labels_of_real(temperature, cooling):
    known = torch.where(cooling[:, None] < 0, -1, one_hot(cooling.clamp(min=0), 2))
    said = torch.tensor([1, 0]).expand(len(temperature), 2)
    return torch.cat([one_hot(temperature, 2), known, said], dim=1).to(torch.int8)


LABELS_OF_FAKE = torch.tensor([0, 0, 0, 0, 0, 1], dtype=torch.int8)

# %% [markdown]
# ## A plain loop
#
# Two small networks, Adam, and three lines of pspgan: draw, augment, loss. The same draws go to the real and
# the generated half of a batch; gradients flow through the augmentation into the generator.

# %%
torch.manual_seed(0)
generator = nn.Sequential(
    *(nn.Linear(32 + 4, 64 * 4 * 4), nn.Unflatten(1, (64, 4, 4)), nn.ReLU()),
    *(nn.Upsample(scale_factor=2), nn.Conv2d(64, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU()),
    *(nn.Upsample(scale_factor=2), nn.Conv2d(32, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()),
    *(nn.Upsample(scale_factor=2), nn.Conv2d(16, 1, 3, padding=1), nn.Tanh()),
)
discriminator = nn.Sequential(
    *(nn.Conv2d(1, 16, 4, 2, 1), nn.LeakyReLU(0.2)),
    *(nn.utils.spectral_norm(nn.Conv2d(16, 32, 4, 2, 1)), nn.LeakyReLU(0.2)),
    *(nn.utils.spectral_norm(nn.Conv2d(32, 64, 4, 2, 1)), nn.LeakyReLU(0.2)),
    *(nn.Flatten(), nn.Linear(64 * 4 * 4, 6)),
)
optimizer_g = torch.optim.Adam(generator.parameters(), 2e-4, betas=(0.5, 0.99))
optimizer_d = torch.optim.Adam(discriminator.parameters(), 4e-4, betas=(0.5, 0.99))


def generate(temperature, cooling):
    z = torch.randn(len(temperature), 32)
    return generator(torch.cat([z, one_hot(temperature, 2), one_hot(cooling, 2)], dim=1))


history = []
for step in range(STEPS):
    pick = torch.randint(len(images), (32,))
    asked = torch.randint(2, (32,)), torch.randint(2, (32,))
    draws = ops.draw_diff_augment((32, 1, 32, 32), policy="color,translation", probability=0.3)

    fake = ops.diff_augment(generate(*asked), draws)
    scores_real = discriminator(ops.diff_augment(images[pick], draws))
    loss_d = ops.omni_loss(scores_real, labels_of_real(temperature[pick], cooling[pick]))
    loss_d = loss_d + ops.omni_loss(discriminator(fake.detach()), LABELS_OF_FAKE.expand(32, 6))
    optimizer_d.zero_grad()
    loss_d.backward()
    optimizer_d.step()

    loss_g = ops.omni_loss(discriminator(fake), labels_of_real(*asked))
    optimizer_g.zero_grad()
    loss_g.backward()
    optimizer_g.step()
    history.append((float(loss_d), float(loss_g)))
    if (step + 1) % (STEPS // 3) == 0:
        print(f"step {step + 1}: discriminator {loss_d:.2f}, generator {loss_g:.2f}; {ops.native_status()}")

# %% [markdown]
# ## Real and generated, measured alike
#
# Grey levels to phases, phases to two-point statistics, statistics to scores: each a scikit-learn
# transformer, so that PyMKS's can stand in the place of any. The components are those of real images.

# %%
generator.eval()
with torch.no_grad():
    made = generate(temperature, cooling.clamp(min=0))
grey = ((made[:, 0].numpy() + 1) * 127.5).round().astype(np.uint8)

measure = make_pipeline(
    Phases("otsu", background=8), TwoPointStatistics([(1, 1)], periodic=False, cutoff=10), Flatten()
)
real_statistics = measure.fit_transform(steel["micrograph"].values)
made_statistics = measure.transform(grey)
components = PCA(2).fit(real_statistics)


def distance(a, b):
    """Root mean square difference of mean statistics."""
    return float(np.sqrt(np.mean((a.mean(axis=0) - b.mean(axis=0)) ** 2)))


half = np.random.default_rng(0).permutation(len(real_statistics))
halves = real_statistics[half[::2]], real_statistics[half[1::2]]
print(f"distance of generated from real: {distance(made_statistics, real_statistics):.4f}")
print(f"of real from real: {distance(*halves):.4f}")

figure, axis = plt.subplots(figsize=(5, 4), layout="constrained")
for statistics, label in ((real_statistics, "real"), (made_statistics, "generated")):
    axis.scatter(*components.transform(statistics).T, s=8, alpha=0.6, label=label)
axis.set(xlabel="first component", ylabel="second component")
axis.legend()
figure.savefig(OUT / "components.png", dpi=120)

# %% [markdown]
# ## In PyMKS
#
# The same two-point statistics by PyMKS, where it is installed (Python 3.11): the pipeline differs in a
# step, the numbers in their rounding.

# %%
try:
    from pymks import TwoPointCorrelation
except ImportError:
    print("PyMKS is not installed")
else:
    theirs = make_pipeline(
        Phases("otsu", background=8),
        TwoPointCorrelation(correlations=[(1, 1)], periodic_boundary=False, cutoff=10),
        Flatten(),
    )
    difference = np.abs(np.asarray(theirs.fit_transform(grey)) - made_statistics).max()
    print(f"PyMKS and pspgan differ by at most {difference:.1e}")
