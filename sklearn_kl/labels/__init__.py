"""Targets from where people have them: votes, labels, a teacher; and other models for them."""

from sklearn_kl._replicated import ReplicatedRows
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
    "apply_temperature",
    "mix_targets",
    "normalize_rows",
    "smooth_labels",
    "votes_to_targets",
]
