"""Targets: what a model is trained on or judged against, whatever form it came in."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.special import entr

from sklearn_kl._data.rows import take_rows

# Numbers of a block of rows: small enough for its temporaries to stay in cache.
BLOCK_NUMBERS = 2**16


@dataclass(frozen=True, eq=False)
class Targets:
    """What a model is trained on or judged against, whatever form it came in.

    Row i asks for the class k with the strength ``t_ik = weight_i * class_weight_k * Y_ik``, where
    Y is one-hot for labels. Its mass is ``m_i = sum_k t_ik`` and its distribution ``t_i / m_i``; a
    row of mass zero is unlabelled and counts for nothing.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        The class of every column.
    codes : ndarray of shape (n_samples,) of int, or None
        Column of the label of every row; None for a matrix.
    matrix : ndarray or CSR array of shape (n_samples, n_classes), or None
        Distributions or counts as they were given; None for labels.
    weight : ndarray of shape (n_samples,) or None
        Sample weights; None when every row weighs one.
    class_weight : ndarray of shape (n_classes,) or None
        Class weights; None when every class weighs one.
    mass : ndarray of shape (n_samples,)
        Total strength of every row, float64.
    """

    classes: np.ndarray
    codes: Any
    matrix: Any
    weight: np.ndarray | None
    class_weight: np.ndarray | None
    mass: np.ndarray

    @property
    def n_samples(self):
        """Number of rows."""
        return len(self.mass)

    @property
    def n_classes(self):
        """Number of classes."""
        return len(self.classes)

    def block(self, rows):
        """Strengths of a slice of rows, class-major: ndarray of shape (n_classes, n_rows), float64.

        Class-major is the layout in which the objective works: reductions over classes are then
        long contiguous vector operations.
        """
        if self.codes is not None:
            codes, mass = self.codes[rows], self.mass[rows]
            strengths = np.zeros((self.n_classes, len(codes)))
            strengths[codes, np.arange(len(codes))] = mass
            return strengths
        strengths = self._class_major(rows)
        if self.weight is not None:
            strengths *= self.weight[rows]
        return strengths

    def take(self, rows):
        """Return the targets of some rows, an ndarray of int."""
        return replace(
            self,
            codes=take_rows(self.codes, rows),
            matrix=take_rows(self.matrix, rows),
            weight=take_rows(self.weight, rows),
            mass=self.mass[rows],
        )

    def expected_accuracy(self, codes):
        """Share of the mass that rows give to the classes with these codes, one per row."""
        hits = self.block(slice(None))[codes, np.arange(self.n_samples)]
        return float(hits.sum() / self.mass.sum())

    def share_of_total(self):
        """Return the same targets with every row's mass divided by the total, which is then one.

        Means do not change, and sums neither overflow nor underflow.
        """
        total = self.mass.sum()
        weight = self.weight
        if self.matrix is not None:
            weight = (np.ones(self.n_samples) if weight is None else weight) / total
        return replace(self, weight=weight, mass=self.mass / total)

    def _class_major(self, rows):
        """Strengths of a slice of rows of the matrix as if every row weighed one."""
        matrix = self.matrix[rows]
        dense = matrix.toarray() if sp.issparse(matrix) else matrix
        strengths = dense.T.astype(np.float64, order="C")
        if self.class_weight is not None:
            strengths *= self.class_weight[:, None]
        return strengths

    def class_mass(self):
        """Total strength of every class: ndarray of shape (n_classes,), float64."""
        if self.codes is not None:
            return np.bincount(self.codes, weights=self.mass, minlength=self.n_classes)
        ones = np.ones(self.n_samples) if self.weight is None else self.weight
        totals = self.matrix.T @ ones
        return totals if self.class_weight is None else totals * self.class_weight

    def row_entropy(self):
        """Entropy of every row's distribution in nats, 0 for an unlabelled row."""
        if self.codes is not None:
            return np.zeros(self.n_samples)
        if sp.issparse(self.matrix):
            return self._sparse_row_entropy()
        entropy = np.empty(self.n_samples)
        n_rows = max(1, BLOCK_NUMBERS // self.n_classes)
        for start in range(0, self.n_samples, n_rows):
            share = self._class_major(slice(start, start + n_rows))
            total = share.sum(axis=0)
            share /= np.where(total > 0, total, 1.0)
            # A logarithm of all numbers is several times faster than one of the positive ones.
            log_share = np.log(np.maximum(share, np.finfo(np.float64).tiny))
            np.negative((share * log_share).sum(axis=0), out=entropy[start : start + n_rows])
        return entropy + 0.0

    def _sparse_row_entropy(self):
        share = sp.csr_array(self.matrix, dtype=np.float64, copy=True)
        if self.class_weight is not None:
            share.data *= self.class_weight[share.indices]
        total = np.asarray(share.sum(axis=1)).ravel()
        share.data /= np.repeat(np.where(total > 0, total, 1.0), np.diff(share.indptr))
        share.data = entr(share.data)
        return np.asarray(share.sum(axis=1)).ravel()

    def entropy(self):
        """Mean entropy of the targets in nats, rows weighing their mass; computed once."""
        return self._mean_entropy

    @cached_property
    def _mean_entropy(self):
        return float(self.mass @ self.row_entropy() / self.mass.sum())
