"""Targets from where people have them: votes, labels, a teacher; and other models for them."""

from sklearn_kl._replicated import ReplicatedRows
from sklearn_kl.labels._readers import (
    annotation_dicts_to_targets,
    annotator_matrix_to_targets,
    indicators_to_targets,
    label_counts_to_targets,
    label_lists_to_targets,
)
from sklearn_kl.labels._transform import (
    apply_temperature,
    mix_targets,
    normalize_rows,
    smooth_labels,
)
from sklearn_kl.labels._votes import VoteTargets, votes_to_targets

__all__ = [
    "ReplicatedRows",
    "VoteTargets",
    "annotation_dicts_to_targets",
    "annotator_matrix_to_targets",
    "apply_temperature",
    "indicators_to_targets",
    "label_counts_to_targets",
    "label_lists_to_targets",
    "mix_targets",
    "normalize_rows",
    "smooth_labels",
    "votes_to_targets",
]
