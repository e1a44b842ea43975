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
SAMPLE_ROWS = 4096


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
    columns, offsets = _far_columns(X)
    if not columns.size:
        return 0.0
    return float(np.max(offsets, where=~_is_constant(X, columns), initial=0.0))


def _far_columns(X: Any) -> tuple[np.ndarray, np.ndarray]:
    """Columns that lie far from zero in a sample of the rows, and how far."""
    if sp.issparse(X):
        # With a zero among a thousand values a column is less than 32 deviations from zero.
        candidates = np.flatnonzero(_count_stored(X) > 0.999 * X.shape[0])
        sample = X[:, candidates].toarray() if candidates.size else np.zeros((1, 0))
    else:
        candidates, sample = np.arange(X.shape[1]), X
    sample = sample[:: max(1, len(sample) // SAMPLE_ROWS)].astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        sample -= (first := sample[0].copy())
        mean = sample.mean(axis=0)
        deviation = np.sqrt(np.square(sample - mean).mean(axis=0))
        offsets = np.abs(first + mean) / deviation
    far = offsets > MAX_FLOAT32_OFFSET
    return candidates[far], offsets[far]


def _count_stored(X: Any) -> np.ndarray:
    """Count the stored entries of every column of a CSR or CSC matrix."""
    return np.diff(X.indptr) if X.format == "csc" else np.bincount(X.indices, minlength=X.shape[1])


def _is_constant(X: Any, columns: np.ndarray) -> np.ndarray:
    some = X[:, columns]
    low, high = some.min(axis=0), some.max(axis=0)
    if sp.issparse(some):
        low, high = low.toarray().ravel(), high.toarray().ravel()
    return low == high
