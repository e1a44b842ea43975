"""Targets: what a model is trained on or judged against, whatever form it came in."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from scipy.special import entr

from sklearn_kl._data.rows import view_rows

# Numbers of a block of rows: small enough for its temporaries to stay in cache.
BLOCK_NUMBERS = 2**16


@dataclass(frozen=True, eq=False)
class Totals:
    """What a fit asks of the targets of all rows together, wherever the rows are.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        The class of every column.
    n_samples : int
        Number of rows.
    mass : float
        Sum of all strengths.
    class_mass : ndarray of shape (n_classes,)
        Sum of the strengths of every class.
    entropy : float
        Mean entropy of the rows' distributions in nats, rows weighing their mass.
    """

    classes: np.ndarray
    n_samples: int
    mass: float
    class_mass: np.ndarray
    entropy: float

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)


@dataclass(frozen=True, eq=False, kw_only=True)
class Targets(ABC):
    """What a model is trained on or judged against, whatever form it came in.

    Row i asks for the class k with the strength
    ``t_ik = weight_i * class_weight_k * Y_ik / unit``, where Y is one-hot for labels. Its mass is
    ``m_i = sum_k t_ik`` and its distribution ``t_i / m_i``; a row of mass zero is unlabelled and
    counts for nothing.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        The class of every column.
    mass : ndarray of shape (n_samples,)
        Total strength of every row, float64.
    weight : ndarray of shape (n_samples,) or None
        Sample weights; None when every row weighs one.
    class_weight : ndarray of shape (n_classes,) or None
        Class weights; None when every class weighs one.
    unit : float
        What a strength of one stands for.
    """

    classes: np.ndarray
    mass: np.ndarray
    weight: np.ndarray | None = None
    class_weight: np.ndarray | None = None
    unit: float = 1.0

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return len(self.mass)

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)

    @abstractmethod
    def take(self, rows: slice | np.ndarray) -> Self:
        """Return the targets of some rows; those of consecutive ones are views."""

    @abstractmethod
    def strengths(self) -> np.ndarray:
        """Strengths, class-major: ndarray of shape (n_classes, n_samples), float64.

        Class-major is the layout in which the objective works: reductions over classes are then
        long contiguous vector operations.
        """

    @abstractmethod
    def class_mass(self) -> np.ndarray:
        """Total strength of every class: ndarray of shape (n_classes,), float64."""

    @abstractmethod
    def row_entropy(self) -> np.ndarray:
        """Entropy of every row's distribution in nats, 0 for an unlabelled row."""

    @abstractmethod
    def distributions(self) -> np.ndarray:
        """Y over the sum of every row, nan where that is zero: shape (n_samples, n_classes)."""

    @abstractmethod
    def entries(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Row, class code and strength of every entry that has one, rows ascending."""

    @abstractmethod
    def to_csr(self) -> sp.csr_array:
        """Return Y itself, without any weight, as a CSR array of float64 that is a copy."""

    @abstractmethod
    def with_class_weight(self, class_weight: np.ndarray) -> Self:
        """Return the same targets with these class weights, shape (n_classes,)."""

    def block(self, rows: slice | np.ndarray) -> np.ndarray:
        """Strengths of some rows, class-major: ndarray of shape (n_classes, n_rows)."""
        return self.take(rows).strengths()

    def expected_accuracy(self, codes: np.ndarray) -> float:
        """Share of the mass that rows give to the classes with these codes, one per row."""
        hits = self.strengths()[codes, np.arange(self.n_samples)]
        return float(hits.sum() / self.mass.sum())

    def share_of_total(self) -> Self:
        """Return the same targets in units of their total mass, which is then one.

        Means do not change, and sums neither overflow nor underflow.
        """
        total = self.mass.sum()
        return replace(self, unit=self.unit * total, mass=self.mass / total)

    def entropy(self) -> float:
        """Mean entropy of the targets in nats, rows weighing their mass; computed once."""
        return self._mean_entropy

    def totals(self) -> Totals:
        """Return what a fit asks of all rows together."""
        return Totals(
            self.classes, self.n_samples, self.mass.sum(), self.class_mass(), self.entropy()
        )

    @cached_property
    def _mean_entropy(self) -> float:
        return float(self.mass @ self.row_entropy() / self.mass.sum())

    def _taken(self, rows: slice | np.ndarray) -> dict[str, Any]:
        """Return the fields of some rows that all kinds of targets have."""
        weight = None if self.weight is None else self.weight[rows]
        return {
            "classes": self.classes,
            "mass": self.mass[rows],
            "weight": weight,
            "class_weight": self.class_weight,
            "unit": self.unit,
        }


@dataclass(frozen=True, eq=False, kw_only=True)
class LabelTargets(Targets):
    """Targets of which every row is one label.

    Parameters
    ----------
    codes : ndarray of shape (n_samples,) of int
        Column of the label of every row.
    """

    codes: np.ndarray

    def take(self, rows: slice | np.ndarray) -> Self:
        """Return the targets of some rows; those of consecutive ones are views."""
        return type(self)(codes=self.codes[rows], **self._taken(rows))

    def strengths(self) -> np.ndarray:
        """Strengths, class-major: ndarray of shape (n_classes, n_samples), float64."""
        strengths = np.zeros((self.n_classes, self.n_samples))
        strengths[self.codes, np.arange(self.n_samples)] = self.mass
        return strengths

    def class_mass(self) -> np.ndarray:
        """Total strength of every class: ndarray of shape (n_classes,), float64."""
        return np.bincount(self.codes, weights=self.mass, minlength=self.n_classes)

    def row_entropy(self) -> np.ndarray:
        """Zero: a label is certain."""
        return np.zeros(self.n_samples)

    def distributions(self) -> np.ndarray:
        """Y itself: ones and zeros, shape (n_samples, n_classes)."""
        return (self.codes[:, None] == np.arange(self.n_classes)).astype(np.float64)

    def entries(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Row, class code and strength of every entry that has one, rows ascending."""
        rows = np.flatnonzero(self.mass)
        return rows, self.codes[rows], self.mass[rows]

    def to_csr(self) -> sp.csr_array:
        """Return Y itself, without any weight, as a CSR array of float64 that is a copy."""
        bounds, shape = np.arange(self.n_samples + 1), (self.n_samples, self.n_classes)
        return sp.csr_array((np.ones(self.n_samples), self.codes, bounds), shape=shape)

    def with_class_weight(self, class_weight: np.ndarray) -> Self:
        """Return the same targets with these class weights, shape (n_classes,)."""
        mass = self.mass * class_weight[self.codes]
        return replace(self, class_weight=class_weight, mass=mass)


@dataclass(frozen=True, eq=False, kw_only=True)
class MatrixTargets(Targets):
    """Targets of which every row is a distribution or holds counts.

    Parameters
    ----------
    matrix : ndarray or CSR array of shape (n_samples, n_classes)
        Y as it was given.
    """

    matrix: Any

    def take(self, rows: slice | np.ndarray) -> Self:
        """Return the targets of some rows; those of consecutive ones are views."""
        return type(self)(matrix=view_rows(self.matrix, rows), **self._taken(rows))

    def strengths(self) -> np.ndarray:
        """Strengths, class-major: ndarray of shape (n_classes, n_samples), float64."""
        strengths = self._unweighted()
        if self.weight is not None or self.unit != 1.0:
            strengths *= self._row_weight()
        return strengths

    def class_mass(self) -> np.ndarray:
        """Total strength of every class: ndarray of shape (n_classes,), float64."""
        totals = self.matrix.T @ self._row_weight()
        return totals if self.class_weight is None else totals * self.class_weight

    def row_entropy(self) -> np.ndarray:
        """Entropy of every row's distribution in nats, 0 for an unlabelled row."""
        if sp.issparse(self.matrix):
            return self._sparse_row_entropy()
        entropy = np.empty(self.n_samples)
        n_rows = max(1, BLOCK_NUMBERS // self.n_classes)
        for start in range(0, self.n_samples, n_rows):
            share = self.take(slice(start, start + n_rows))._unweighted()
            total = share.sum(axis=0)
            share /= np.where(total > 0, total, 1.0)
            # A logarithm of all numbers is several times faster than one of the positive ones.
            log_share = np.log(np.maximum(share, np.finfo(np.float64).tiny))
            np.negative((share * log_share).sum(axis=0), out=entropy[start : start + n_rows])
        return entropy + 0.0

    def distributions(self) -> np.ndarray:
        """Y over the sum of every row, nan where that is zero: shape (n_samples, n_classes)."""
        dense = self.matrix.toarray() if sp.issparse(self.matrix) else self.matrix
        total = dense.sum(axis=1, dtype=np.float64, keepdims=True)
        share = np.divide(dense, total, out=np.full(dense.shape, np.nan), where=total > 0)
        # A class with mass is not to be lost to underflow: whether it is predicted at all counts.
        lost = (share == 0) & (dense > 0)
        return np.where(lost, np.nextafter(0.0, 1.0), share) if lost.any() else share

    def entries(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Row, class code and strength of every entry that has one, rows ascending."""
        rows, codes = self.matrix.nonzero()
        strength = np.asarray(self.matrix[rows, codes], dtype=np.float64).ravel()
        if self.class_weight is not None:
            strength = strength * self.class_weight[codes]
        if self.weight is not None or self.unit != 1.0:
            strength = strength * self._row_weight()[rows]
        kept = strength > 0
        return rows[kept], codes[kept], strength[kept]

    def to_csr(self) -> sp.csr_array:
        """Return Y itself, without any weight, as a CSR array of float64 that is a copy."""
        return sp.csr_array(self.matrix, dtype=np.float64, copy=True)

    def with_class_weight(self, class_weight: np.ndarray) -> Self:
        """Return the same targets with these class weights, shape (n_classes,)."""
        mass = np.asarray(self.matrix @ class_weight, dtype=np.float64).ravel()
        mass = mass if self.weight is None else mass * self.weight
        return replace(self, class_weight=class_weight, mass=mass / self.unit)

    def _unweighted(self) -> np.ndarray:
        """Strengths as if every row weighed one."""
        dense = self.matrix.toarray() if sp.issparse(self.matrix) else self.matrix
        strengths = dense.T.astype(np.float64, order="C")
        if self.class_weight is not None:
            strengths *= self.class_weight[:, None]
        return strengths

    def _row_weight(self) -> np.ndarray:
        """Return what multiplies the entries of every row."""
        weight = np.ones(self.n_samples) if self.weight is None else self.weight
        return weight / self.unit

    def _sparse_row_entropy(self) -> np.ndarray:
        share = sp.csr_array(self.matrix, dtype=np.float64, copy=True)
        if self.class_weight is not None:
            share.data *= self.class_weight[share.indices]
        total = np.asarray(share.sum(axis=1)).ravel()
        share.data /= np.repeat(np.where(total > 0, total, 1.0), np.diff(share.indptr))
        share.data = entr(share.data)
        return np.asarray(share.sum(axis=1)).ravel()
