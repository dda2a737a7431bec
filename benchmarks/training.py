"""What training and sampling at the paper's size cost, beside the same networks written plainly as published.

    python benchmarks/training.py [--json FILE] [--batch 12] [--memory-batch 12] [--rounds 3]

The baseline is `plain_biggan`, with the reference operators, in float32, run eagerly; its generator step
collects gradients in the discriminator, as the published code does. Ours are the very steps of
`pspgan.training`, both as the same function (float32, attention "sagan") and as the default network in
bfloat16. Sampling is that of the frozen generator, beside the plain one in eval mode. Times are medians of
calls that take turns, each side in a process of its own: ours keep freed memory, as training and generation
do, the baseline has the defaults of the system. Memory is the largest resident set of a process that takes
two steps of each kind, above what the process had after its imports.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import torch
from plain_biggan import PlainDiscriminator, PlainGenerator, plain_names
from processes import STATUS, Calls, Side, in_a_process, resident
from side_by_side import entry, report, take_turns
from torch import Tensor, nn

from pspgan import ensemble, ops
from pspgan.memory import keep_freed_memory
from pspgan.networks import FrozenGenerator
from pspgan.process import ProcessSpace
from pspgan.training.batches import Batches, FakeConditions
from pspgan.training.config import TrainingConfig, make_config
from pspgan.training.distributed import Ranks
from pspgan.training.loop import discriminator_step, generator_step
from pspgan.training.state import TrainingState

CPU = torch.device("cpu")
ALONE = Ranks(CPU)
# Name of a row -> what it changes of the paper's settings.
OURS = {
    "float32, sagan": {"precision": "float32", "attention": "sagan"},
    "bfloat16, biggan": {"precision": "bfloat16", "attention": "biggan"},
}
MICROGRAPHS = 24  # to draw batches from


def micrographs(config: TrainingConfig) -> Batches:
    """Noise instead of steel, which costs the same."""
    space = ProcessSpace.uhcsdb()
    conditions = space.all_conditions[:MICROGRAPHS]
    side = config.resolution + 16
    grey = np.random.default_rng(0).integers(256, size=(MICROGRAPHS, side, side), dtype=np.uint8)
    specimen = [str(i) for i in range(MICROGRAPHS)]
    return Batches(ensemble.build(grey, conditions, space, origin="simulated", specimen=specimen), config)


class Ours:
    """A training of pspgan."""

    def __init__(self, config: TrainingConfig) -> None:
        self.config, self.batches = config, micrographs(config)
        self.fakes = FakeConditions(self.batches.space, config.fake_conditions, config.seed)
        self.state = TrainingState.start(self.batches.space, config, CPU)
        self.draws = torch.Generator().manual_seed(0)

    def discriminator_step(self) -> None:
        discriminator_step(self.config, self.batches, self.fakes, self.state, 0, self.draws, ALONE)

    def generator_step(self) -> None:
        generator_step(self.config, self.fakes, self.state, self.draws, ALONE)


class Plain:
    """The same training, as published."""

    def __init__(self, config: TrainingConfig) -> None:
        self.config, self.batches = config, micrographs(config)
        self.fakes = FakeConditions(self.batches.space, config.fake_conditions, config.seed)
        start = TrainingState.start(self.batches.space, config, CPU)
        self.generator = _same_weights(PlainGenerator(start.generator), start.generator)
        self.discriminator = _same_weights(PlainDiscriminator(start.discriminator), start.discriminator)
        betas = (config.beta1, config.beta2)
        self.optimizer_g = torch.optim.Adam(
            self.generator.parameters(), config.lr_g, betas, weight_decay=config.decay_g
        )
        self.optimizer_d = torch.optim.Adam(
            self.discriminator.parameters(), config.lr_d, betas, weight_decay=config.decay_d
        )
        self.draws = torch.Generator().manual_seed(0)

    def _fake(self, stream: int) -> tuple[Tensor, Tensor]:
        weights, target = self.fakes.draw(0, self.config.batch, stream)
        z = torch.randn(self.config.batch, self.config.latent, generator=self.draws)
        return self.generator(z, weights), target

    def _scores(self, image: Tensor) -> Tensor:
        drawn = ops.draw_diff_augment(image.shape, self.config.augment, generator=self.draws)
        return self.discriminator(ops.diff_augment(image, drawn, impl="reference"))

    def discriminator_step(self) -> None:
        self.optimizer_d.zero_grad()
        real = self.batches.real(0, self.config.batch)
        with torch.no_grad():
            fake, _ = self._fake(stream=1)
        on_real, on_fake = self._scores(torch.cat([real.image, fake])).chunk(2)
        none = torch.from_numpy(self.batches.space.target(None, real=False)).expand(len(fake), -1)
        loss = ops.omni_loss(on_real, real.target, impl="reference")
        (loss + ops.omni_loss(on_fake, none, impl="reference")).backward()
        self.optimizer_d.step()

    def generator_step(self) -> None:
        self.optimizer_g.zero_grad()
        fake, target = self._fake(stream=2)
        ops.omni_loss(self._scores(fake), target, impl="reference").backward()
        self.optimizer_g.step()


def _same_weights(plain: nn.Module, network: nn.Module) -> nn.Module:
    names = plain_names(network)
    plain.load_state_dict({names[name]: tensor.clone() for name, tensor in network.state_dict().items()})
    return plain


def step_rows(settings: dict, rounds: int) -> list[dict]:
    """Images a second of a discriminator and of a generator step."""
    sides = {"baseline": Side(training_steps, Plain, settings | {"attention": "sagan"}, keeps_memory=False)}
    for name, changes in OURS.items():
        sides[name] = Side(training_steps, Ours, settings | changes, keeps_memory=True)
    rows = []
    for step in ("discriminator step", "generator step"):
        rates = images_a_second(sides, step, rounds)
        rows += [entry(f"{step}, {which}", rates[which], rates["baseline"], "images/s") for which in OURS]
    for side in sides.values():
        side.close()
    return rows


def training_steps(kind: type[Ours] | type[Plain], settings: dict) -> Calls:
    training = kind(make_config("paper", **settings))
    steps = (training.discriminator_step, training.generator_step)
    return {step.__name__.replace("_", " "): (step, settings["batch"]) for step in steps}


def images_a_second(sides: dict[str, Side], call: str, rounds: int) -> dict[str, float]:
    """Median rate of a call on each side; the first of each does not count."""
    for side in sides.values():
        side.rate(call)
    return take_turns({name: partial(side.rate, call) for name, side in sides.items()}, rounds)


def sampling_rows(settings: dict, images: int, rounds: int) -> list[dict]:
    """Images a second from the frozen generator, beside the plain one in eval mode.

    The plain one is faster image by image or many at a time, by how the system hands out memory; the faster
    counts.
    """
    sides = {
        f"baseline, {n} at a time": Side(plain_sampling, settings, n, keeps_memory=False) for n in {1, images}
    }
    plain = list(sides)
    for attention in ("sagan", "biggan"):
        for precision in ("float32", "bfloat16"):
            changes = {"attention": attention}
            sides[f"{precision}, {attention}"] = Side(
                frozen_sampling, settings | changes, images, precision, keeps_memory=True
            )
    rates = images_a_second(sides, "sampling", rounds)
    for side in sides.values():
        side.close()
    baseline = max(rates.pop(name) for name in plain)
    return [entry(f"sampling, {name}", rate, baseline, "images/s") for name, rate in rates.items()]


def plain_sampling(settings: dict, images: int) -> Calls:
    baseline = Plain(make_config("paper", **settings | {"attention": "sagan"}))
    return _sampling(torch.no_grad()(baseline.generator.eval()), baseline, images)


def frozen_sampling(settings: dict, images: int, precision: str) -> Calls:
    ours = Ours(make_config("paper", **settings))
    return _sampling(FrozenGenerator(ours.state.generator.eval(), precision), ours, images)


def _sampling(generator: Callable[[Tensor, Tensor], Tensor], training: Ours | Plain, images: int) -> Calls:
    weights, _ = training.fakes.draw(0, images, stream=1)
    z = torch.randn(images, training.config.latent, generator=training.draws)
    return {"sampling": (partial(generator, z, weights), images)}


def memory_rows(settings: dict) -> list[dict]:
    """GiB of a training, all in all and without what networks and optimizers hold between steps."""
    if not STATUS.exists():
        print(f"memory is left out: it is read from {STATUS}, which only Linux has")
        return []
    baseline = in_a_process(peak_memory, Plain, settings | {"attention": "sagan"})
    rows = []
    for name, changes in OURS.items():
        ours = in_a_process(peak_memory, Ours, settings | changes)
        for part, mine, theirs in zip(("", ", of a step alone"), ours, baseline, strict=True):
            rows.append(entry(f"memory at batch {settings['batch']}, {name}{part}", mine, theirs, "GiB"))
    return rows


def peak_memory(kind: type[Ours] | type[Plain], settings: dict) -> tuple[float, float]:
    """Largest resident set, in GiB: above that after imports, and above that between the first steps."""
    imported = resident("VmRSS")
    with keep_freed_memory() if kind is Ours else nullcontext():
        training = kind(make_config("paper", **settings))
        training.discriminator_step()
        training.generator_step()
        between = resident("VmRSS")
        training.discriminator_step()
        training.generator_step()
        peak = resident("VmHWM")
    return peak - imported, peak - between


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there, too")
    parser.add_argument("--resolution", type=int, default=256, help="side of an image, px")
    parser.add_argument("--ch", type=int, default=64, help="width of the networks")
    parser.add_argument("--batch", type=int, default=12, help="images of a timed step")
    parser.add_argument("--images", type=int, default=16, help="sampled at a time")
    parser.add_argument("--memory-batch", type=int, default=12, help="images of a step whose memory is taken")
    parser.add_argument("--rounds", type=int, default=3, help="timed steps of each kind")
    options = parser.parse_args()
    settings = {"resolution": options.resolution, "ch": options.ch, "balance": "none"}
    rows = step_rows(settings | {"batch": options.batch}, options.rounds)
    rows += sampling_rows(settings, options.images, options.rounds)
    rows += memory_rows(settings | {"batch": options.memory_batch})
    report(rows, options.json)


if __name__ == "__main__":
    main()
