"""Sums over the rows that a linear model needs once: class sums, means, variances, correlations."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.sparse as sp

from sklearn_kl._data.lanes import Largest
from sklearn_kl._data.products import transposed_product

# Up to this many features all rows enter the correlation matrix; it costs
# n_features / (4 n_classes) passes of the objective. Above, a row sample does.
MAX_FULL_FEATURES = 128
# Above this many features the Cholesky factor costs more than it saves.
MAX_DENSE_FEATURES = 2048
SAMPLE_ROWS_PER_FEATURE = 8
MIN_SAMPLE_ROWS = 4096
# The correlation is computed in panels of columns, so that threads can share the work.
PANEL_FEATURES = 256
# Units no smaller than this have a reciprocal, and what is far below has no variance to speak of.
SMALLEST_SCALE = 1e-290
# Second moments are read again about a better centre at most this often.
MAX_SHIFTS = 2


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
        Correlation of the columns, ones on the diagonal; only the lower triangle is to be read.
        None where it would not pay.
    n_rows : int
    """

    class_sums: np.ndarray
    class_mass: np.ndarray
    deviation: np.ndarray
    correlation: np.ndarray | None
    n_rows: int

    @property
    def class_share(self):
        """Share of every class in the mass: ndarray of shape (n_classes,)."""
        return self.class_mass / self.class_mass.sum()

    @property
    def mean(self):
        """Mean of every column, rows weighing their mass: ndarray of shape (n_features,)."""
        return self.class_sums.sum(axis=1) / self.class_mass.sum()


def collect_moments(lanes, totals, *, centred):
    """Read every row once and return its Moments.

    Parameters
    ----------
    lanes : Lanes
    totals : Totals
        Of the targets that the rows carry.
    centred : bool
        Whether second moments are taken about the mean or about zero.

    Returns
    -------
    Moments
    """
    shift, scale, class_sums, second = _read_in_units(lanes, totals, centred)
    mean = class_sums.sum(axis=1) / totals.mass
    for _ in range(MAX_SHIFTS if centred else 0):
        lost = _lost_to_cancellation(mean, shift, scale, second, lanes.dtype)
        if not lost.any():
            break
        shift = np.where(lost, mean, shift)
        class_sums, second = _read_all(lanes, totals, shift, scale)
    if centred:
        offset = (mean - shift) / scale
        second -= offset * offset if second.ndim == 1 else np.outer(offset, offset)
    deviation = np.sqrt(np.maximum(_variances(second), 0.0))
    if centred:
        deviation[_constant(lanes, deviation * scale, mean)] = 0.0
    correlation = None
    if second.ndim == 2:
        correlation = _normalise(second, deviation)
    elif len(second) <= MAX_DENSE_FEATURES and not lanes.sparse:
        correlation = _sample_correlation(lanes, shift, scale, centred)
    return Moments(class_sums, totals.class_mass, deviation * scale, correlation, totals.n_samples)


def _read_in_units(lanes, totals, centred):
    """Return shift, scale, and the sums about that shift in units of that scale."""
    shift, scale = _pilot(lanes, centred)
    class_sums, second = _read_all(lanes, totals, shift, scale)
    # Squares of numbers below 1e-150 vanish beside what is not zero.
    vanished = (_variances(second) < np.finfo(lanes.dtype).tiny) & class_sums.any(axis=1)
    if vanished.any() or not np.isfinite(second).all():
        # A column is larger than the pilot rows say, or sparse and smaller, by more than 1e150.
        scale = _largest(lanes)
        class_sums, second = _read_all(lanes, totals, shift, scale)
    return shift, scale, class_sums, second


def _variances(second):
    return second if second.ndim == 1 else np.diag(second)


def _lost_to_cancellation(mean, shift, scale, second, dtype):
    """Say of which columns the mean square about the shift has lost the variance in its digits."""
    with np.errstate(over="ignore", invalid="ignore"):
        offset = np.abs(mean - shift)
        square = (offset / scale) ** 2
        lost = _variances(second) - square < np.sqrt(np.finfo(dtype).eps) * square
    # The mean itself is known no better.
    return lost & (offset > 8 * np.finfo(np.float64).eps * np.abs(mean))


def _constant(lanes, deviation, mean):
    """Columns of which all values are the same, among those whose deviation may be rounding."""
    columns = np.flatnonzero((deviation < 1e-12 * np.abs(mean)) | (deviation == 0))
    return columns[lanes.are_constant(columns)] if columns.size else columns


def _pilot(lanes, centred):
    """Guess mean and largest deviation of every column from a few rows.

    Second moments about a rough mean, in rough units, lose no digits to cancellation and do not
    overflow. Where the columns are harmless as they are, the guess is 0 and 1, which costs nothing.
    """
    zero, one = np.zeros(lanes.n_features), np.ones(lanes.n_features)
    if lanes.sparse:
        return zero, one
    rows = lanes.glimpse(64).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        # From the first row, so that a constant column is centred to zeros exactly.
        shift = rows[0] + ((rows - rows[0]) / len(rows)).sum(axis=0) if centred else zero
        scale = np.abs(rows - shift).max(axis=0)
    beyond = ~np.isfinite(scale)
    shift, scale = np.where(beyond, 0.0, shift), np.where(beyond, np.abs(rows).max(axis=0), scale)
    limits = np.finfo(lanes.dtype)
    harmless = (1e-3 * np.abs(shift) <= scale) & (scale < limits.max**0.25)
    harmless &= (scale > limits.tiny**0.25) | (scale == 0)
    scale[scale == 0] = 1.0
    return (zero, one) if harmless.all() else (shift, scale)


def _read_all(lanes, totals, shift, scale):
    """Class sums, and mean squares and products in units of scale about shift, of all rows."""
    full = len(scale) <= MAX_FULL_FEATURES and not lanes.sparse
    n_classes = totals.n_classes
    work = partial(_lane_moments, n_classes=n_classes, shift=shift, scale=scale, full=full)
    class_sums, second = lanes.sum(work)
    return class_sums, second / totals.mass


def _lane_moments(lane, *, n_classes, shift, scale, full):
    n_features = len(scale)
    class_sums = np.zeros((n_features, n_classes))
    second = np.zeros((n_features, n_features) if full else n_features)
    for block in lane:
        X = block.X
        strength = block.targets.strengths().astype(X.dtype, copy=False)
        class_sums += transposed_product(X, strength)
        mass = block.targets.mass.astype(X.dtype, copy=False)
        # A thread has an error state of its own. What overflows here is done again in other units.
        with np.errstate(over="ignore", invalid="ignore"):
            if sp.issparse(X):
                _add_squares(X, shift, scale, mass, out=second)
                continue
            rows = _standardise(X, shift, scale)
            second += _gram(rows, mass) if full else mass @ (rows * rows)
    return class_sums, second


def _add_squares(X, shift, scale, mass, out):
    """Add ``mass @ ((X - shift) / scale)**2`` to out, in place, for a block of sparse X."""
    # A CSC matrix is one block: a few columns at a time, so that it is not copied as a whole.
    step = -(-X.shape[1] // 32) if X.format == "csc" else X.shape[1]
    for low in range(0, X.shape[1], step):
        columns = slice(low, low + step)
        part = X if step == X.shape[1] else X[:, columns]
        unit = 1 / scale[columns]
        if not shift[columns].any():
            out[columns] += part.multiply(unit).power(2).T @ mass
            continue
        stored = sp.coo_array(part)
        column = stored.col
        square = ((stored.data - shift[columns][column]) * unit[column]) ** 2
        weight = mass[stored.row]
        size = len(unit)
        out[columns] += np.bincount(column, weights=weight * square, minlength=size)
        # Entries that are not stored are zeros, which lie off the shift, too.
        absent = mass.sum() - np.bincount(column, weights=weight, minlength=size)
        absent[np.bincount(column, minlength=size) == X.shape[0]] = 0.0
        out[columns] += absent * (shift[columns] * unit) ** 2


def _standardise(X, shift, scale):
    """Return ``(X - shift) / scale`` in the dtype of X, or X itself if that is the same."""
    if not shift.any() and (scale == 1).all():
        return X
    rows = X - shift.astype(X.dtype)
    rows /= scale.astype(X.dtype)
    return rows


def _gram(rows, mass):
    """Return ``rows' diag(mass) rows``; a product of an array with itself costs half of another."""
    if mass.min() == mass.max():
        return mass[0] * (rows.T @ rows)
    weighted = rows * np.sqrt(mass)[:, None]
    return weighted.T @ weighted


def _largest(lanes):
    """Largest absolute value of every column, 1 for a column of zeros."""
    (largest,) = lanes.sum(_lane_largest)
    largest = np.where(largest.values > 0, largest.values, 1.0).astype(np.float64)
    return np.maximum(largest, SMALLEST_SCALE)


def _lane_largest(lane):
    largest = Largest(np.zeros(lane[0].stored.shape[1]))
    for block in lane:
        here = abs(block.stored).max(axis=0)
        largest += Largest(here.toarray().ravel() if sp.issparse(here) else here)
    return (largest,)


def _sample_correlation(lanes, shift, scale, centred):
    """Lower triangle of the correlation of the columns over evenly spaced rows, in float32."""
    X, mass = lanes.sample(max(MIN_SAMPLE_ROWS, SAMPLE_ROWS_PER_FEATURE * len(scale)))
    if not mass.any():
        return None
    share = mass / mass.sum()
    rows = np.array(_standardise(X, shift, scale), dtype=np.float32)
    if centred:
        rows -= share.astype(np.float32) @ rows
    rows *= np.sqrt(share)[:, None]

    def panel(start):
        stop = min(start + PANEL_FEATURES, len(scale))
        return rows[:, start:].T @ rows[:, start:stop]

    second = np.zeros((len(scale), len(scale)))
    starts = range(0, len(scale), PANEL_FEATURES)
    for start, part in zip(starts, lanes.run(panel, starts), strict=True):
        second[start:, start : start + PANEL_FEATURES] = part
    return _normalise(second, np.sqrt(np.diag(second)))


def _normalise(second, deviation):
    """Scale second moments to correlations; a constant column correlates with nothing."""
    unit = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    second *= unit
    second *= unit[:, None]
    np.fill_diagonal(second, 1.0)
    return second
