"""Sums over the rows that a linear model needs once: class sums, means, variances, correlations."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp

# Up to this many features all rows enter the correlation matrix; it costs
# n_features / (4 n_classes) passes of the objective. Above, a row sample does.
MAX_FULL_FEATURES = 128
# Above this many features the Cholesky factor costs more than it saves.
MAX_DENSE_FEATURES = 2048
SAMPLE_ROWS_PER_FEATURE = 16
MIN_SAMPLE_ROWS = 8192


@dataclass(frozen=True, eq=False)
class Moments:
    """First and second moments of X under the mass of the targets.

    Parameters
    ----------
    class_sums : ndarray of shape (n_features, n_classes)
        ``sum_i t_ik x_i``.
    class_mass : ndarray of shape (n_classes,)
        ``sum_i t_ik``.
    deviation : ndarray of shape (n_features,)
        Standard deviation of every column about its mean (about zero for a model without an
        intercept), rows weighing their mass.
    correlation : ndarray of shape (n_features, n_features) or None
        Correlation of the columns, with ones on the diagonal; None where it would not pay.
    """

    class_sums: np.ndarray
    class_mass: np.ndarray
    deviation: np.ndarray
    correlation: np.ndarray | None

    @property
    def mean(self):
        """Mean of every column, rows weighing their mass: ndarray of shape (n_features,)."""
        return self.class_sums.sum(axis=1) / self.class_mass.sum()


def collect_moments(lanes, targets, *, centred):
    """Read every row once and return its Moments.

    Parameters
    ----------
    lanes : Lanes
    targets : Targets
    centred : bool
        Whether second moments are taken about the mean or about zero.

    Returns
    -------
    Moments
    """
    shift, scale = _pilot(lanes, centred)
    class_sums, second = _read_all(lanes, targets, shift, scale)
    if not np.isfinite(second).all():
        # A column outside the pilot rows is larger than they say by more than 1e150.
        scale = _largest(lanes)
        class_sums, second = _read_all(lanes, targets, shift, scale)
    total = targets.mass.sum()
    if centred:
        offset = (class_sums.sum(axis=1) / total - shift) / scale
        second = second / total - (
            offset * offset if second.ndim == 1 else np.outer(offset, offset)
        )
    else:
        second = second / total
    variance = second if second.ndim == 1 else np.diag(second)
    deviation = np.sqrt(np.maximum(variance, 0.0))
    if second.ndim == 2:
        correlation = _normalise(second, deviation)
    elif _wants_sample(lanes, len(second)):
        correlation = _sample_correlation(lanes, targets, shift, scale, centred)
    else:
        correlation = None
    return Moments(class_sums, targets.class_mass(), deviation * scale, correlation)


def _read_all(lanes, targets, shift, scale):
    """Sum class sums and second moments (in units of scale, about shift) over all rows."""
    with np.errstate(over="ignore", invalid="ignore"):
        return lanes.sum(partial(_lane_moments, targets=targets, shift=shift, scale=scale))


def _lane_moments(lane, targets, shift, scale):
    n_features = len(scale)
    dense = not sp.issparse(lane[0].X)
    class_sums = np.zeros((n_features, targets.n_classes))
    full = dense and n_features <= MAX_FULL_FEATURES
    second = np.zeros((n_features, n_features) if full else n_features)
    for block in lane:
        strength = targets.block(block.rows).astype(block.X.dtype, copy=False)
        mass = targets.mass[block.rows].astype(block.X.dtype, copy=False)
        if dense:
            class_sums += block.X.T @ strength.T
            rows = _standardise(block.X, shift, scale)
            if full:
                rows *= np.sqrt(mass)[:, None]
                second += rows.T @ rows
            else:
                second += mass @ np.square(rows, out=rows)
        else:
            class_sums += block.X.T @ np.ascontiguousarray(strength.T)
            second += block.X.multiply(block.X).T @ mass / scale**2
    return class_sums, second


def _standardise(X, shift, scale):
    """Return a new array ``(X - shift) / scale`` in the dtype of X."""
    rows = X - shift.astype(X.dtype)
    rows /= scale.astype(X.dtype)
    return rows


def _pilot(lanes, centred):
    """Guess mean and largest deviation of every column, against rounding and overflow."""
    block = next(lanes.blocks)
    n_features = block.X.shape[1]
    if sp.issparse(block.X):
        return np.zeros(n_features), np.ones(n_features)
    rows = block.X[:: max(1, block.X.shape[0] // 64)].astype(np.float64)
    shift = (rows / len(rows)).sum(axis=0) if centred else np.zeros(n_features)
    scale = np.abs(rows - shift).max(axis=0)
    return shift, np.where(scale > 0, scale, 1.0)


def _largest(lanes):
    """Largest absolute value of every column, 1 for a column of zeros."""
    largest = 0.0
    for block in lanes.blocks:
        here = abs(block.X).max(axis=0)
        largest = np.maximum(largest, here.toarray().ravel() if sp.issparse(here) else here)
    return np.where(largest > 0, largest, 1.0).astype(np.float64)


def _wants_sample(lanes, n_features):
    return n_features <= MAX_DENSE_FEATURES and not sp.issparse(next(lanes.blocks).X)


def _sample_correlation(lanes, targets, shift, scale, centred):
    """Correlation of the columns over evenly spaced rows."""
    wanted = max(MIN_SAMPLE_ROWS, SAMPLE_ROWS_PER_FEATURE * len(scale))
    step = max(1, targets.n_samples // wanted)
    second: Any = 0.0
    mean: Any = 0.0
    total = 0.0
    for block in lanes.blocks:
        mass = targets.mass[block.rows][::step]
        rows = _standardise(block.X[::step], shift, scale).astype(np.float32, copy=False)
        rows *= np.sqrt(mass, dtype=np.float32)[:, None]
        second = second + rows.T @ rows
        mean = mean + np.sqrt(mass, dtype=np.float32) @ rows
        total += mass.sum()
    second = second.astype(np.float64) / total
    if centred:
        second -= np.outer(mean, mean) / total**2
    return _normalise(second, np.sqrt(np.maximum(np.diag(second), 0.0)))


def _normalise(second, deviation):
    """Scale second moments to correlations; a constant column correlates with nothing."""
    unit = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    correlation = second * unit * unit[:, None]
    np.fill_diagonal(correlation, 1.0)
    return correlation
