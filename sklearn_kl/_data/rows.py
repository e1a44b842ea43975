"""Rows of whatever holds the data: arrays, sparse matrices, DataFrames, lists."""

from itertools import combinations
from typing import Any

import numpy as np
import scipy.sparse as sp


def take_rows(data: Any, rows: np.ndarray) -> Any:
    """Return the rows of some data, in that order, in the container that holds it.

    Parameters
    ----------
    data : array-like, sparse matrix or DataFrame of n_samples rows, or None
        The data; None gives None.
    rows : ndarray of int
        Row numbers, which may repeat.

    Returns
    -------
    array-like, sparse matrix, DataFrame or None
    """
    if data is None:
        return None
    if hasattr(data, "iloc"):
        return data.iloc[rows]
    if sp.issparse(data):
        if data.format == "coo" and data.dtype.kind in "biu":
            # Its repeated entries are added up on the way, which small integers could not hold.
            data = data.astype(np.float64)
        return data.tocsr()[rows]
    return data[rows] if hasattr(data, "shape") else np.asarray(data)[rows]


def check_row_order(**data):
    """Raise if two of the data carry the same index in another order.

    Rows are paired by position, as everywhere in scikit-learn. Indexes that hold other labels, as
    that of a part has beside a fresh one, say nothing about the order.

    Parameters
    ----------
    **data : array-like, sparse matrix, DataFrame or None
        What is about the same rows, by the names that error messages call it.

    Raises
    ------
    ValueError
        If the same labels come in another order.
    """
    indexes = {name: value.index for name, value in data.items() if hasattr(value, "iloc")}
    for first, second in combinations(indexes, 2):
        moved = _first_moved(indexes[first], indexes[second])
        if moved is not None:
            row, here, there = moved
            raise ValueError(
                f"The rows of {first} and {second} carry the same index in another order: row "
                f"{row} is {here!r} in {first} and {there!r} in {second}. Rows are paired by "
                f"position: pass {second}.loc[{first}.index], or, if the positions are right, "
                f"{second}.reset_index(drop=True) and the same of {first}."
            )


def _first_moved(first, second):
    """Return the first row whose labels differ, and both, if the indexes hold the same; or None."""
    if len(first) != len(second) or first.equals(second):
        return None
    if not (first.isin(second).all() and second.isin(first).all()):
        return None
    pairs = zip(first.tolist(), second.tolist(), strict=True)
    return next(((row, *pair) for row, pair in enumerate(pairs) if pair[0] != pair[1]), None)


def take_param_rows(value: Any, rows: np.ndarray, n_samples: int) -> Any:
    """Return the rows of a parameter that has one entry for each of them, or else the parameter."""
    if hasattr(value, "__array__") and not hasattr(value, "shape"):
        value = np.asarray(value)
    if hasattr(value, "shape"):
        length = value.shape[0] if len(value.shape) else None
    else:
        length = len(value) if isinstance(value, list | tuple) else None
    return take_rows(value, rows) if length == n_samples else value


def view_rows(X: Any, rows: slice | np.ndarray) -> Any:
    """Return some rows of X, without a copy of their values if they are consecutive.

    Parameters
    ----------
    X : ndarray, CSR or CSC of shape (n_samples, n_features)
    rows : slice or ndarray of int
        Rows of a CSC matrix, which cannot be viewed, are copied unless these are all.

    Returns
    -------
    ndarray or sparse array of shape (n_rows, n_features)
    """
    if not sp.issparse(X) or not isinstance(rows, slice):
        return X[rows]
    start, stop, _ = rows.indices(X.shape[0])
    if start == 0 and stop == X.shape[0]:
        return X
    if X.format != "csr":
        return X[rows]
    bounds = X.indptr[start : stop + 1]
    entries = slice(bounds[0], bounds[-1])
    # Set one by one: the constructor copies arrays that are views of a small part of another.
    view = sp.csr_array((stop - start, X.shape[1]), dtype=X.dtype)
    view.data = X.data[entries]
    view.indices = X.indices[entries]
    view.indptr = bounds - bounds[0]
    return view
