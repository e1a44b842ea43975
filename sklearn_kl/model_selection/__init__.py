"""Splitters and out-of-fold predictions that take a matrix of targets for what it is."""

from sklearn_kl.model_selection._predict import cross_val_predict
from sklearn_kl.model_selection._split import SoftStratifiedKFold, SoftStratifiedShuffleSplit

__all__ = ["SoftStratifiedKFold", "SoftStratifiedShuffleSplit", "cross_val_predict"]
