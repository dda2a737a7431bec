"""Figures of ensembles, statistics, linkages and training, each a function from data to a matplotlib Figure.

Save one with ``figure.savefig("coverage.pdf")``; what functions take is in their docstrings.
"""

from ..linkage.means import by_condition, by_specimen
from .classification import classification_scores
from .coverage import combinations, coverage, level_counts
from .descriptors import (
    descriptor_along,
    descriptor_comparison,
    evolution_path,
)
from .evaluation import (
    feature_figures,
    nearest_training,
    ratios_to_real,
    readings,
    shares_beyond_real,
)
from .evolution import evolution
from .inspection import pairs_of_micrographs, pixel_sizes
from .linkage import (
    component_scatter,
    held_out_predictions,
    predicted_against_measured,
    scores,
    suggestions,
)
from .micrographs import (
    choose,
    comparable,
    conditions_in,
    evolution_micrographs,
    micrograph_grid,
    seeds_along,
    side_by_side,
)
from .segmentation import segmentations
from .spatial import two_point
from .training import (
    loss_curves,
    read_log,
    read_metrics,
    training_accuracy,
    training_error,
    training_variety,
)

__all__ = [
    "by_condition",
    "by_specimen",
    "choose",
    "classification_scores",
    "combinations",
    "comparable",
    "component_scatter",
    "conditions_in",
    "coverage",
    "descriptor_along",
    "descriptor_comparison",
    "evolution",
    "evolution_micrographs",
    "evolution_path",
    "feature_figures",
    "held_out_predictions",
    "level_counts",
    "loss_curves",
    "micrograph_grid",
    "nearest_training",
    "pairs_of_micrographs",
    "pixel_sizes",
    "predicted_against_measured",
    "ratios_to_real",
    "read_log",
    "read_metrics",
    "readings",
    "scores",
    "seeds_along",
    "segmentations",
    "shares_beyond_real",
    "side_by_side",
    "suggestions",
    "training_accuracy",
    "training_error",
    "training_variety",
    "two_point",
]
