"""Row blocks of a data matrix, worked through in lanes over threads and summed in a fixed order."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from threading import Lock
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp
import threadpoolctl
from joblib import cpu_count, effective_n_jobs
from threadpoolctl import ThreadpoolController

from sklearn_kl._data.rows import view_rows

# X_b and its logits should stay in a core's cache between the two products that read them.
# 1 to 2 MiB were the fastest on every shape from 20 to 500 features; below, the overhead of the
# calls shows, above, the second product reads from memory again.
BLOCK_BYTES = 4 * 2**20
# Every lane owns one gradient; together they may take this much memory.
LANE_BYTES = 64 * 2**20
MAX_LANES = 16


@dataclass(frozen=True, eq=False)
class Block:
    """Consecutive rows, complete by themselves: all that an evaluation needs to know of them.

    Parameters
    ----------
    stored : ndarray, CSR or CSC of shape (n_rows, n_features)
        X as it is; in memory, a view of the whole and never a copy.
    targets : Targets or None
        Of these rows; None where rows are only predicted.
    rows : slice
        Where they stand among all rows.
    dtype : dtype
        In which to work with the rows.
    kept : dict
        What one sum over the rows leaves for the next, see `keep`.
    """

    stored: Any
    targets: Any
    rows: slice
    dtype: np.dtype
    kept: dict = field(default_factory=dict)

    @property
    def X(self) -> Any:
        """The rows in the dtype to work in: the view itself, unless that is another."""
        if self.stored.dtype == self.dtype:
            return self.stored
        if not sp.issparse(self.stored):
            return self.stored.astype(self.dtype)
        return _with_data(self.stored, np.asarray(self.stored.data).astype(self.dtype))

    def keep(self, theta: np.ndarray, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """Return ``compute()``, which stays beside the rows until it is asked for at another theta.

        Where the rows live, one lane works on a block at a time.
        """
        if not np.array_equal(self.kept.get("theta", np.empty(0)), theta):
            self.kept.update(theta=theta.copy(), value=compute())
        return self.kept["value"]


Lane: TypeAlias = tuple[Block, ...]


@dataclass(frozen=True, eq=False)
class Lanes:
    """Blocks dealt into lanes, and how to run a function over the lanes.

    A lane adds up its blocks one after the other; the lanes' sums are added in lane order. Blocks
    and lanes follow from the shape of X alone, so a sum is the same, bit for bit, for any number
    of threads. `sum` is the only way to touch rows, besides a few of them in `glimpse` and
    `sample`.

    Parameters
    ----------
    lanes : tuple of tuple of Block
    run : callable
        ``run(function, items)`` is `map`, or does the same over threads.
    """

    lanes: tuple[Lane, ...]
    run: Callable = map

    def sum(self, work: Callable[[Lane], tuple]) -> list:
        """Add up ``work(lane)``, a tuple of numbers and arrays, over the lanes in order.

        ``work`` is a value that holds no rows, so that it could be sent to where these are.
        """
        parts = iter(self.run(work, self.lanes))
        totals = list(next(parts))
        for part in parts:
            for index, term in enumerate(part):
                totals[index] += term
        return totals

    def glimpse(self, n_rows: int) -> Any:
        """Return about this many rows of X, as it is, from its first block, evenly spaced."""
        X = self._first.stored
        return X[:: max(1, X.shape[0] // n_rows)]

    def sample(self, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Return at least this many rows of a dense X, if it has them, and their masses.

        They are evenly spaced within every block.
        """
        step = max(1, self.n_samples // n_rows)
        blocks = [block for lane in self.lanes for block in lane]
        mass = np.concatenate([block.targets.mass[::step] for block in blocks])
        return np.concatenate([block.X[::step] for block in blocks]), mass

    def are_constant(self, columns: np.ndarray) -> np.ndarray:
        """Say of every one of some columns of X whether all its values are the same."""
        highest, lowest = self.sum(Extremes(columns))
        return highest.values == -lowest.values

    @property
    def dtype(self) -> np.dtype:
        """The dtype to work in."""
        return self._first.dtype

    @property
    def sparse(self) -> bool:
        """Whether X is sparse."""
        return sp.issparse(self._first.stored)

    @property
    def n_features(self) -> int:
        """Number of columns of X."""
        return self._first.stored.shape[1]

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return self.lanes[-1][-1].rows.stop

    @property
    def _first(self) -> Block:
        return self.lanes[0][0]


class Largest:
    """An array of which `Lanes.sum` takes the largest of every entry instead of the sum."""

    def __init__(self, values: np.ndarray):
        self.values = values

    def __iadd__(self, other: "Largest") -> "Largest":
        return Largest(np.maximum(self.values, other.values))


@dataclass(frozen=True, eq=False)
class Extremes:
    """Work on a lane: the largest values, and the largest of the negated ones, of some columns."""

    columns: np.ndarray

    def __call__(self, lane: Lane) -> tuple[Largest, Largest]:
        """Return one Largest of each kind, of shape (n_columns,)."""
        highest = Largest(np.full(len(self.columns), -np.inf))
        lowest = Largest(np.full(len(self.columns), -np.inf))
        for block in lane:
            some = block.stored[:, self.columns]
            some = some.toarray() if sp.issparse(some) else some
            highest += Largest(some.max(axis=0))
            lowest += Largest(-some.min(axis=0))
        return highest, lowest


def deal_lanes(
    X: Any,
    row_size: int,
    n_params: int | None = None,
    *,
    targets: Any = None,
    dtype: np.dtype | None = None,
) -> tuple[Lane, ...]:
    """Cut X into row blocks and deal them into lanes.

    Parameters
    ----------
    X : ndarray, CSR or CSC of shape (n_samples, n_features)
    row_size : int
        Numbers that a row takes besides its features: its logits, for a linear model.
    n_params : int, default=None
        Length of a lane's gradient; None means that of `row_size` linear functions.
    targets : Targets or None
        What the blocks carry of them; None where rows are only predicted.
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
    blocks = [_take_block(X, targets, rows, dtype) for rows in slices]
    bounds = np.linspace(0, len(blocks), min(max_lanes, len(blocks)) + 1).astype(int)
    return tuple(tuple(blocks[low:high]) for low, high in pairwise(bounds))


def _take_block(X: Any, targets: Any, rows: slice, dtype: np.dtype) -> Block:
    return Block(view_rows(X, rows), None if targets is None else targets.take(rows), rows, dtype)


def _rows_per_block(X: Any, row_size: int, max_lanes: int, itemsize: int) -> int:
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


def _with_data(X: Any, data: np.ndarray) -> Any:
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
    with _ONE_BLAS_THREAD:
        if n_threads == 1:
            yield Lanes(lanes)
            return
        with ThreadPoolExecutor(n_threads) as pool:
            yield Lanes(lanes, pool.map)


def _count_threads(n_jobs):
    if n_jobs is not None:
        return effective_n_jobs(n_jobs)
    return _ONE_BLAS_THREAD.usual_threads()


@cache
def _controller() -> ThreadpoolController:
    """Find the loaded BLAS libraries: it takes milliseconds, so once a process."""
    return ThreadpoolController()


class _OneBlasThread:
    """A context that holds BLAS to one thread as long as any thread of the process is inside.

    The number of threads of BLAS belongs to the process. Contexts of concurrent fits that each
    saved and restored it would interleave, and the last to leave would restore what another set.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._usual = 1
        self._limit: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._usual = _count_blas_threads()
                self._limit = _controller().limit(limits=1, user_api="blas")
                _yield_control()
            self._inside += 1

    def __exit__(self, *error: Any) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._limit.restore_original_limits()
                _yield_control()

    def usual_threads(self) -> int:
        """Return the number of threads of BLAS outside."""
        with self._lock:
            return self._usual if self._inside else _count_blas_threads()

    def forget_other_threads(self) -> None:
        """Leave, in a process that was forked, where the threads that were inside do not go on."""
        self._lock = Lock()
        if self._inside:
            self._inside = 0
            self._limit.restore_original_limits()
            _yield_control()


def _yield_control() -> None:
    """Let any thread set the number of threads of BLAS next, not only the one that just did.

    threadpoolctl 3.8 and newer would ignore the last thread to leave, where another came first.
    """
    openblas = getattr(threadpoolctl, "OpenBLASController", None)
    getattr(openblas, "clear_controlling_thread", lambda: None)()


def _count_blas_threads() -> int:
    libraries = _controller().select(user_api="blas").lib_controllers
    return max((library.num_threads for library in libraries), default=cpu_count())


_ONE_BLAS_THREAD = _OneBlasThread()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ONE_BLAS_THREAD.forget_other_threads)
