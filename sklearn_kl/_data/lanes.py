"""Row blocks of a data matrix, worked through in lanes over threads and summed in a fixed order."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
import scipy.sparse as sp
from joblib import cpu_count, effective_n_jobs
from threadpoolctl import ThreadpoolController

# X_b and its logits should stay in a core's cache between the two products that read them.
# 1 to 2 MiB were the fastest on every shape from 20 to 500 features; below, the overhead of the
# calls shows, above, the second product reads from memory again.
BLOCK_BYTES = 4 * 2**20
# Every lane owns one gradient; together they may take this much memory.
LANE_BYTES = 64 * 2**20
MAX_LANES = 16


@dataclass(frozen=True, eq=False)
class Block:
    """Consecutive rows: a view of X, never a copy, and where they stand.

    Parameters
    ----------
    stored : ndarray, CSR or CSC of shape (n_rows, n_features)
        The view.
    rows : slice
    dtype : dtype
        In which to work with the rows.
    """

    stored: np.ndarray | sp.csr_array | sp.csc_array
    rows: slice
    dtype: np.dtype

    @property
    def X(self):
        """The rows in the dtype to work in: the view itself, unless that is another."""
        if self.stored.dtype == self.dtype:
            return self.stored
        if not sp.issparse(self.stored):
            return self.stored.astype(self.dtype)
        return _with_data(self.stored, np.asarray(self.stored.data).astype(self.dtype))


@dataclass(frozen=True, eq=False)
class Lanes:
    """Blocks dealt into lanes, and how to run a function over the lanes.

    A lane adds up its blocks one after the other; the lanes' sums are added in lane order. Blocks
    and lanes follow from the shape of X alone, so a sum is the same, bit for bit, for any number
    of threads.
    """

    lanes: tuple[tuple[Block, ...], ...]
    run: Callable = map

    def sum(self, work):
        """Add up ``work(lane)``, a tuple of numbers and arrays, over the lanes in order."""
        parts = iter(self.run(work, self.lanes))
        totals = list(next(parts))
        for part in parts:
            for index, term in enumerate(part):
                totals[index] += term
        return totals

    @property
    def blocks(self) -> Iterator[Block]:
        """All blocks in row order."""
        return (block for lane in self.lanes for block in lane)


def deal_lanes(X, row_size, n_params=None, dtype=None):
    """Cut X into row blocks and deal them into lanes.

    Parameters
    ----------
    X : ndarray, CSR or CSC of shape (n_samples, n_features)
    row_size : int
        Numbers that a row takes besides its features: its logits, for a linear model.
    n_params : int, default=None
        Length of a lane's gradient; None means that of `row_size` linear functions.
    dtype : dtype, default=None
        In which to work with the rows; None means that of X.

    Returns
    -------
    tuple of tuple of Block
    """
    n_samples, n_features = X.shape
    gradient_bytes = 8 * (row_size * (n_features + 1) if n_params is None else n_params)
    max_lanes = int(np.clip(LANE_BYTES // gradient_bytes, 2, MAX_LANES))
    dtype = X.dtype if dtype is None else dtype
    n_rows = _rows_per_block(X, row_size, max_lanes, dtype.itemsize)
    slices = [slice(low, min(low + n_rows, n_samples)) for low in range(0, n_samples, n_rows)]
    blocks = [Block(_take_rows(X, rows), rows, dtype) for rows in slices]
    bounds = np.linspace(0, len(blocks), min(max_lanes, len(blocks)) + 1).astype(int)
    return tuple(tuple(blocks[low:high]) for low, high in pairwise(bounds))


def _rows_per_block(X, row_size, max_lanes, itemsize):
    """Rows of a block: what fits the cache for dense X, one block per lane for sparse X."""
    n_samples, n_features = X.shape
    if not sp.issparse(X):
        n_rows = BLOCK_BYTES // (itemsize * (n_features + row_size))
        return 1 << (int(np.clip(n_rows, 256, 16384)).bit_length() - 1)
    if X.format == "csc":
        # Rows of a CSC matrix cannot be viewed, only copied.
        return n_samples
    # A product with a sparse block sweeps a whole gradient, so few large blocks are better, as long
    # as what a row takes besides does not fill the memory.
    most = max(4096, LANE_BYTES // (itemsize * row_size))
    return min(max(4096, -(-n_samples // max_lanes)), most)


def _take_rows(X, rows):
    """View rows of X without copying its values."""
    if not sp.issparse(X):
        return X[rows]
    if rows.start == 0 and rows.stop == X.shape[0]:
        return X
    bounds = X.indptr[rows.start : rows.stop + 1]
    entries = slice(bounds[0], bounds[-1])
    # Set one by one: the constructor copies arrays that are views of a small part of another.
    view = sp.csr_array((rows.stop - rows.start, X.shape[1]), dtype=X.dtype)
    view.data = X.data[entries]
    view.indices = X.indices[entries]
    view.indptr = bounds - bounds[0]
    return view


def _with_data(X, data):
    """Return a sparse matrix with the structure of X, which it shares, and other values."""
    view = type(X)(X.shape, dtype=data.dtype)
    view.data, view.indices, view.indptr = data, X.indices, X.indptr
    return view


@contextmanager
def lane_runner(lanes, n_jobs):
    """Yield Lanes that run over threads, BLAS held to one thread inside each.

    Parameters
    ----------
    lanes : tuple of tuple of Block
    n_jobs : int or None
        Number of threads; None takes as many as BLAS may use now, so that a worker process that
        was given one core uses one. A single lane runs without a pool.
    """
    n_threads = 1 if len(lanes) == 1 else min(_count_threads(n_jobs), len(lanes))
    with _controller().limit(limits=1, user_api="blas"):
        if n_threads == 1:
            yield Lanes(lanes)
            return
        with ThreadPoolExecutor(n_threads) as pool:
            yield Lanes(lanes, pool.map)


def _count_threads(n_jobs):
    if n_jobs is not None:
        return effective_n_jobs(n_jobs)
    counts = [lib.num_threads for lib in _controller().select(user_api="blas").lib_controllers]
    return max(counts, default=cpu_count())


@cache
def _controller():
    """Find the loaded BLAS libraries: it takes milliseconds, so once a process."""
    return ThreadpoolController()
