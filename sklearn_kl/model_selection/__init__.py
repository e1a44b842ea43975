"""Splitters and out-of-fold predictions that accept a matrix of targets."""

from sklearn_kl.model_selection._predict import cross_val_predict
from sklearn_kl.model_selection._split import (
    SoftStratifiedGroupKFold,
    SoftStratifiedKFold,
    SoftStratifiedShuffleSplit,
)

__all__ = [
    "SoftStratifiedGroupKFold",
    "SoftStratifiedKFold",
    "SoftStratifiedShuffleSplit",
    "cross_val_predict",
]
