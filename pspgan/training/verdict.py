"""What a run's last measurement says, in words, and whether the run was long enough to say much."""

from __future__ import annotations

from dataclasses import dataclass

from .config import PRESETS, make_config
from .run import Run

_HARDLY = 0.5  # separation below which it is said that the generator hardly hears its condition
_FEW = 0.1  # of the preset's images
_FIGURES = ("separation", "variety", "distance", "distance_real")


@dataclass(frozen=True)
class Verdict:
    """What `judge` found.

    Attributes:
        measured: ``separation``, ``variety``, ``distance`` and ``distance_real`` of the last measurement, as
            far as there are; see `pspgan.training.metrics.Metrics.measure`.
        images: shown in all.
        images_of_preset: how many the preset shows; None where the package has it no longer.
    """

    measured: dict[str, float]
    images: int
    images_of_preset: int | None

    def lines(self, longer: str) -> list[str]:
        """The same in words.

        Args:
            longer: the command that trains on.
        """
        found = self.measured
        words = {"separation": "between conditions", "variety": "within a condition"}
        parts = [f"{found[name]:.2f} {where} ({name})" for name, where in words.items() if name in found]
        lines = [f"differences, 1 being the data's: {', '.join(parts)}"] if parts else []
        if "distance" in found:
            lines.append(
                f"distance from the data {found['distance']:.2f}; real micrographs stay below "
                f"{found['distance_real']:.2f}"
            )
        if found.get("separation", 1.0) < _HARDLY:
            lines.append(f"conditions differ less than half as much as the data's; train longer: {longer}")
        return lines + on_length(self.images, self.images_of_preset)


def judge(run: Run) -> Verdict:
    """Look at the last measurement of a run."""
    description, log = run.description, run.log
    measured = [line for line in log if "distance" in line]
    return Verdict(
        {name: measured[-1][name] for name in _FIGURES if name in measured[-1]} if measured else {},
        log[-1]["images"] if log else 0,
        images_of_preset(description["preset"], description["data"]["micrographs"]),
    )


def images_of_preset(preset: str, micrographs: int) -> int | None:
    """Real images that a preset shows of so many micrographs; None of a preset that there is not.

    >>> images_of_preset("uhcs-64", 600), images_of_preset("paper", 600), images_of_preset("of-old", 600)
    (400000, 3600000, None)
    """
    return make_config(preset).total_images(micrographs) if preset in PRESETS else None


def on_length(images: float, of_preset: int | None) -> list[str]:
    """A line where fewer than a tenth of the images that the preset shows are shown, and else none.

    >>> on_length(13_216, 400_000)
    ["13,216 of the preset's 400,000 images: less than a tenth"]
    >>> on_length(40_000, 400_000), on_length(1, None)
    ([], [])
    """
    if of_preset is None or images >= _FEW * of_preset:
        return []
    return [f"{images:,.0f} of the preset's {of_preset:,} images: less than a tenth"]
