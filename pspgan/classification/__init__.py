"""Microconstituents told from micrographs, with and without synthetic ones."""

from .baselines import NetworkClassifier, texture_classifier
from .experiment import classify
from .export import export_folders
from .folds import Fold, grouped_folds
from .labels import label_by_condition
from .mixing import SyntheticMix, mixed_parts
from .per_fold import TrainedPerFold
from .result import Classification

__all__ = [
    "Classification",
    "Fold",
    "NetworkClassifier",
    "SyntheticMix",
    "TrainedPerFold",
    "classify",
    "export_folders",
    "grouped_folds",
    "label_by_condition",
    "mixed_parts",
    "texture_classifier",
]
