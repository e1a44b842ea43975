"""How far columns lie from zero in units of their deviation, which says what rounding spoils.

A logit w x is wrong by eps w |x|, eps being the unit of rounding, while it varies by w times the
deviation of x. Only the ratio of the two matters.
"""

from typing import Any

import numpy as np
import scipy.sparse as sp

# In float32 the error is 2e-6 of the variation at this offset: fits to 1e-7 nats still end.
MAX_FLOAT32_OFFSET = 30.0
# The sum over all targets of their logits grows with the offset, and so does what it is subtracted
# from: at an offset of 1e8 the rounding was 4e-6 nats. Row by row nothing is lost.
MAX_SUM_OFFSET = 1e4
# How many numbers are looked at: few enough to take no memory worth the name.
MAX_SAMPLE_ROWS = 4096
SAMPLE_NUMBERS = 2**18


def largest_offset(X: Any) -> float:
    """Find the largest mean over deviation of a column that is not constant, by a sample of rows.

    Parameters
    ----------
    X : ndarray, CSR or CSC of shape (n_samples, n_features)

    Returns
    -------
    float
        0 where no column is further than MAX_FLOAT32_OFFSET from zero.
    """
    columns, offsets = _sample_offsets(X)
    far = offsets > MAX_FLOAT32_OFFSET
    # What does not vary in the sample may vary elsewhere.
    for position in np.flatnonzero(np.isinf(offsets)):
        far[position] = not _is_constant(X, columns[position])
    return float(np.max(offsets, where=far, initial=0.0))


def _sample_offsets(X: Any) -> tuple[np.ndarray, np.ndarray]:
    """Columns that may lie far from zero, and mean over deviation of each in a sample of rows."""
    n_samples, n_features = X.shape
    step = max(1, n_samples // min(MAX_SAMPLE_ROWS, max(64, SAMPLE_NUMBERS // n_features)))
    columns = np.arange(n_features)
    sample = X[::step]
    if sp.issparse(X):
        # With a zero among a thousand values a column is less than 32 deviations from zero.
        columns = np.flatnonzero(_count_stored(X) > 0.999 * n_samples)
        sample = sample[:, columns].toarray() if columns.size else np.zeros((1, 0))
    sample = sample.astype(np.float64)
    first = sample[0].copy()
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        sample -= first
        mean = sample.mean(axis=0)
        sample -= mean
        deviation = np.sqrt(np.square(sample, out=sample).mean(axis=0))
        return columns, np.abs(first + mean) / deviation


def _count_stored(X: Any) -> np.ndarray:
    """Count the stored entries of every column of a CSR or CSC matrix."""
    if X.format == "csc":
        return np.diff(X.indptr)
    count = np.zeros(X.shape[1], dtype=np.intp)
    # A few at a time, since they are converted to integers of another size.
    for start in range(0, len(X.indices), SAMPLE_NUMBERS):
        count += np.bincount(X.indices[start : start + SAMPLE_NUMBERS], minlength=X.shape[1])
    return count


def _is_constant(X: Any, column: int) -> bool:
    some = X[:, [column]] if sp.issparse(X) else X[:, column]
    return some.max() == some.min()
