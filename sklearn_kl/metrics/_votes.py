"""Counts of votes: read, checked to be whole numbers, and laid out by what was voted for."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.special import xlogy

from sklearn_kl._data.encode import encode_targets
from sklearn_kl._data.targets import LabelTargets


@dataclass(frozen=True, eq=False)
class Votes:
    """Whole numbers of votes of the rows that weigh something.

    Parameters
    ----------
    n_votes : ndarray of shape (n_rows,)
        Number of votes of every row, float64.
    mass : ndarray of shape (n_rows,)
        Weight of every row in a mean: its number of votes times its sample weight.
    kept : ndarray of shape (n_samples,) of bool
        Which of the rows given these are.
    n_classes : int
        Number of classes.
    row, column : ndarray of shape (n_named,) of int
        Row and class of every class that a row names.
    count : ndarray of shape (n_named,)
        The votes for it, float64.
    """

    n_votes: np.ndarray
    mass: np.ndarray
    kept: np.ndarray
    n_classes: int
    row: np.ndarray
    column: np.ndarray
    count: np.ndarray

    @property
    def n_rows(self) -> int:
        """Number of rows that weigh something."""
        return len(self.mass)

    def class_shares(self) -> np.ndarray:
        """Share of the mass that votes for every class."""
        strength = (self.mass / self.n_votes)[self.row] * self.count
        return np.bincount(self.column, strength, self.n_classes) / self.mass.sum()

    def row_sums(self, values: np.ndarray) -> np.ndarray:
        """Sum over the classes that a row names, given a value of each."""
        return np.bincount(self.row, values, self.n_rows)

    def entropy(self) -> np.ndarray:
        """Entropy of the shares of the votes of every row, nats."""
        share = self.count / self.n_votes[self.row]
        return np.maximum(0.0 - self.row_sums(xlogy(share, share)), 0.0)


def read_votes(votes: Any, sample_weight: Any = None) -> Votes:
    """Read counts of votes, or labels as one vote a row."""
    return lay_out(encode_targets(votes, sample_weight=sample_weight, name="votes"))


def lay_out(targets: Any) -> Votes:
    """Lay out Targets whose numbers are votes; raise if they are not whole."""
    kept = targets.mass > 0
    if isinstance(targets, LabelTargets):
        codes = targets.codes[kept]
        ones = np.ones(len(codes))
        rows = np.arange(len(codes))
        return Votes(ones, targets.mass[kept], kept, targets.n_classes, rows, codes, ones)
    matrix = sp.csr_array(targets.matrix, dtype=np.float64, copy=sp.issparse(targets.matrix))
    matrix.sum_duplicates()
    check_whole(matrix, "votes")
    matrix.eliminate_zeros()
    if not kept.all():
        matrix = matrix[kept]
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    count = matrix.data
    n_votes = np.bincount(row, count, matrix.shape[0])
    return Votes(n_votes, targets.mass[kept], kept, targets.n_classes, row, matrix.indices, count)


def check_whole(matrix: sp.csr_array, name: str) -> None:
    """Raise for a number that is not a whole number of votes."""
    broken = matrix.data != np.rint(matrix.data)
    if not broken.any():
        return
    first = int(np.argmax(broken))
    row = int(np.searchsorted(matrix.indptr, first, side="right")) - 1
    raise ValueError(
        f"{name} must hold whole numbers of votes, but row {row} holds {matrix.data[first]:g}: "
        "shares do not say how many votes they rest on, and their entropy cannot be told from the "
        "luck of the draw. Pass the counts; weights of rows are passed as sample_weight."
    )


def check_groups(groups: Any, kept: np.ndarray) -> np.ndarray:
    """Return the group of every row that weighs something, as integers from 0."""
    if groups is None:
        return np.arange(int(kept.sum()))
    groups = np.asarray(groups)
    if groups.shape != kept.shape:
        raise ValueError(
            f"groups must give the group of each of the {len(kept)} rows of votes, got an array "
            f"of shape {groups.shape}."
        )
    return np.unique(groups[kept], return_inverse=True)[1].ravel()


def check_confidence(confidence: float) -> float:
    """Return the level of an interval; raise unless it is one."""
    if isinstance(confidence, bool) or not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence!r}.")
    return float(confidence)
