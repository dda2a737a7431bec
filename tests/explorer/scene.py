"""What the explorer is tried on: conditions that training saw and others, and where it all is."""

from dataclasses import dataclass
from pathlib import Path

SEEN = ["500-1-oil", "500-4-oil", "600-16-water", "700-4-oil", "800-1-water"]  # in training
HELD_OUT = "600-16-oil"  # measured, but not in training
UNSEEN = "500-16-oil"  # generated, by no means observed
BETWEEN = "550-4-oil"  # the same, between levels
SEEDS = 6
HOSTILE = "</script><script>window.ran = true</script>"  # the name of a specimen


@dataclass(frozen=True)
class Made:
    """Paths of what a report is made from."""

    real: Path
    gen: Path
    linkage: Path
    run: Path
