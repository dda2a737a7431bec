"""Settings of a training, their presets, and errors that name the nearest known key."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable
from typing import Any, ClassVar, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..networks import RESOLUTIONS
from ..ops import draw_diff_augment
from ..wording import quoted


class ConfigError(ValueError):
    """A setting that does not exist or cannot hold its value; the message names it and the way out."""


class TrainingConfig(BaseModel):
    """Everything that decides how a training goes. The defaults are the paper's, but for ``fake_conditions``.

    Lengths are counted in real images shown to the discriminator; ``epochs`` are passes over as many images
    as the data set has micrographs. ``reduction`` area-averages that many source pixels, along each axis,
    into one before crops of ``resolution`` px are taken.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    # Networks (paper, Fig. A.8)
    resolution: int = 256
    ch: int = Field(64, gt=0, le=4096, multiple_of=4)
    latent: int = Field(384, gt=0, le=65536)
    embedding: int = Field(128, gt=0, le=65536)
    attention: Literal["biggan", "sagan", "none"] = "biggan"
    init: Literal["normal", "orthogonal"] = "normal"
    init_bias: Literal["uniform", "zero"] = "uniform"
    init_embedding: float = Field(0.02, gt=0, description="standard deviation of the embeddings")

    # Data
    split: Literal["all", "train", "held_out"] = "all"
    reduction: int = Field(1, ge=1)
    balance: Literal["microconstituent", "condition", "none"] = "microconstituent"
    # Drawn level by level, as the paper's code does, 201 of 224 combinations have no real counterpart
    fake_conditions: Literal["observed", "independent"] = "observed"

    # DiffAugment (Zhao et al. 2020); strength and probability apply to every operation of the policy
    augment: str = "color,translation,cutout"
    augment_strength: float = Field(1.0, ge=0)
    augment_probability: float = Field(1.0, ge=0, le=1)

    # Optimisation (paper, Section 2.2); weight decay is Adam's own, added to the gradient
    batch: int = Field(96, ge=2, le=65536)
    accumulation: int = Field(1, ge=1)
    d_steps: int = Field(4, ge=1)
    lr_g: float = Field(2e-4, gt=0)
    lr_d: float = Field(2e-4, gt=0)
    beta1: float = Field(0.9, ge=0, lt=1)
    beta2: float = Field(0.999, ge=0, lt=1)
    decay_g: float = Field(1e-3, ge=0)
    decay_d: float = Field(5e-4, ge=0)
    averaging_halflife: float = Field(
        0, ge=0, description="of the averaged generator, in images; 0 keeps the raw one"
    )
    precision: Literal["float32", "bfloat16", "auto"] = "float32"

    # Length: whichever of images and epochs is set, and at most so many minutes in all
    images: int | None = Field(None, gt=0)
    epochs: float | None = Field(None, gt=0)
    minutes: float | None = Field(None, gt=0)

    # Record, every so many images; sample_size micrographs of each condition are generated and measured
    log_every: int = Field(1_000, gt=0)
    sample_every: int = Field(20_000, gt=0)
    sample_size: int = Field(64, ge=2)
    checkpoint_every: int = Field(20_000, gt=0)
    # A slow machine takes hours for as many images: a checkpoint so long after the last one in any case
    checkpoint_minutes: float = Field(10, gt=0)
    seed: int = Field(0, ge=0, lt=2**63)

    @model_validator(mode="after")
    def _fits_together(self) -> TrainingConfig:
        if self.resolution not in RESOLUTIONS:
            raise ValueError(f"resolution {self.resolution} is none of {', '.join(map(str, RESOLUTIONS))} px")
        shape = (1, 1, self.resolution, self.resolution)
        draw_diff_augment(shape, self.augment, torch.Generator())  # raises where the policy is none
        if self.batch % self.accumulation:
            raise ValueError(f"batch {self.batch} is not a multiple of accumulation {self.accumulation}")
        if self.batch // self.accumulation < 2:
            raise ValueError(
                f"batch {self.batch} in {self.accumulation} parts leaves batch norm a single image"
            )
        if (self.images is None) == (self.epochs is None):
            raise ValueError("set exactly one of images and epochs")
        return self

    def total_images(self, micrographs: int) -> int:
        """Length of the training in real images, at least one, for a data set of so many micrographs."""
        return self.images if self.images is not None else max(1, round(self.epochs * micrographs))


# What every preset for hours instead of weeks changes, found by training for 5 to 25 minutes on two cores.
# Betas, decay and balance were changed together and not tried one by one.
_QUICK: dict[str, Any] = {
    # Signals behind spectral norm are small; biases as large leave the discriminator nearly linear. With zero
    # biases its loss on simulated steel after 150 steps was below that after 500 without (3.32, 3.34).
    "init_bias": "zero",
    # Less momentum for two networks that chase each other, and a memory that fits a thousand steps.
    "beta1": 0.5,
    "beta2": 0.99,
    # At equal rates of 4e-4 all seeds of a condition of UHCSDB came out alike after 30,000 images (diversity
    # 0.5 of the data's); with a quarter of that for the generator they did not (0.9).
    "lr_d": 4e-4,
    "lr_g": 1e-4,
    # One generator step a discriminator step, and small batches: more steps in the same time.
    "d_steps": 1,
    "batch": 32,
    # A short training starts small anyway; decay would hold the embeddings near zero.
    "decay_g": 0.0,
    "decay_d": 0.0,
    # Every combination equally often.
    "balance": "condition",
    # A discriminator that sees each micrograph some hundred times, cropped and flipped at random, does not
    # memorise it; augmented it learns more slowly, and cutout leaked into the samples as dark squares.
    "augment": "",
    # Averaged weights smooth what single steps do to textures.
    "averaging_halflife": 5_000.0,
    "attention": "none",
}

#: What each preset changes of the class defaults of `TrainingConfig`, and why.
PRESETS: dict[str, dict[str, Any]] = {
    # The paper to the letter: its code draws the temperature, time and cooling of a fake independently.
    "paper": {"epochs": 6000, "fake_conditions": "independent"},
    # 64 px of micrographs reduced three times still hold tens of particles. Width and latent for about 120
    # images/s on two cores; bfloat16 gave 1.3 times the images/s where the CPU has it, a fifth elsewhere.
    # Embeddings of 0.02 left conditions alike in the first 30,000 images, those of 1 the seeds of a
    # condition. An hour, because textures turned into micrographs between 100,000 and 300,000 images.
    "uhcs-64": _QUICK
    | {
        "resolution": 64,
        "reduction": 3,
        "ch": 16,
        "latent": 96,
        "embedding": 32,
        "init_embedding": 0.1,
        "precision": "auto",
        "images": 400_000,
    },
    # Four times the pixels of a field a third larger: about 40 images/s on two cores, so hours. Attention and
    # twice the width together left 3. Only its first twelve minutes were tried.
    "uhcs-128": _QUICK
    | {
        "resolution": 128,
        "reduction": 2,
        "ch": 16,
        "latent": 128,
        "embedding": 32,
        "precision": "auto",
        "averaging_halflife": 10_000.0,
        "images": 600_000,
    },
    # Simulated steel in four minutes on two cores: small crops, and a faster generator, which here kept its
    # variety.
    "demo": _QUICK
    | {
        "resolution": 32,
        "ch": 16,
        "latent": 64,
        "embedding": 32,
        "lr_g": 2e-4,
        "averaging_halflife": 3_000.0,
        "images": 40_000,
        "sample_every": 10_000,
    },
}


def make_config(preset: str, **settings: Any) -> TrainingConfig:
    """A preset with some settings changed.

    Args:
        preset: ``paper``, ``uhcs-128``, ``uhcs-64`` or ``demo``.
        settings: any field of `TrainingConfig`; ``images`` replaces the preset's ``epochs`` and the reverse.

    Raises:
        ConfigError: an unknown preset or key (with the nearest known one), or a value that does not fit.
    """
    if preset not in PRESETS:
        raise ConfigError(f'preset "{preset}" is none of {", ".join(PRESETS)}{_nearest(preset, PRESETS)}')
    merged = PRESETS[preset] | settings
    for key, other in (("images", "epochs"), ("epochs", "images")):
        if settings.get(key) is not None and other not in settings:
            merged.pop(other, None)
    return validated(merged)


def validated(settings: dict[str, Any]) -> TrainingConfig:
    """Settings beside the class defaults, without a preset.

    Raises:
        ConfigError: an unknown key (with the nearest known one), or a value that does not fit.
    """
    check_keys(settings)
    try:
        return TrainingConfig(**settings)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "settings"
        raise ConfigError(
            f"{where}: {first['msg'].removeprefix('Value error, ')} (got {reprlib.repr(first['input'])})"[
                :400
            ]
        ) from None


def check_keys(settings: Iterable[str]) -> None:
    """Raise ConfigError for a setting that does not exist, naming the nearest one that does."""
    for key in settings:
        if key not in TrainingConfig.model_fields:
            raise ConfigError(
                f'unknown setting "{quoted(key, 60)}"{_nearest(key, TrainingConfig.model_fields)}'
            )


def _nearest(word: str, known: Any) -> str:
    close = difflib.get_close_matches(word[:60], list(known), n=1, cutoff=0.4)
    return f'; did you mean "{close[0]}"?' if close else ""
