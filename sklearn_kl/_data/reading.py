"""Validate y as labels or as a matrix, whatever holds it; y itself is never changed."""

import warnings
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import check_array

from sklearn_kl._data.containers import (
    category_order,
    column_names,
    dense_or_csr,
    is_frame,
    is_missing,
    mixes_types,
    only_column,
    read_column,
    refuse_container,
)


class Given(NamedTuple):
    """What y holds.

    Parameters
    ----------
    values : ndarray of shape (n_samples,), or ndarray or CSR array of shape (n_samples, n_classes)
        Labels, or a matrix of finite, non-negative float32 or float64 numbers.
    columns : ndarray of shape (n_classes,) or None
        Names of the columns of a DataFrame.
    order : ndarray of shape (n_categories,) or None
        Categories of ordered labels, those without a row included.
    """

    values: Any
    columns: NDArray | None
    order: NDArray | None


def read_targets(y: Any, name: str, *, numbers_are_named: bool = False) -> Given:
    """Read y as labels or as a matrix; the number of dimensions alone decides.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_classes)
        Labels or a matrix.
    name : str
        What error messages call it.
    numbers_are_named : bool, default=False
        Whether someone said what the classes are, so that labels such as 0.5 are meant.

    Returns
    -------
    Given

    Raises
    ------
    ValueError, TypeError
        For what is neither labels nor a matrix of non-negative finite numbers.
    """
    if y is None:
        raise ValueError(
            f"This estimator requires {name} to be passed, but the target {name} is None."
        )
    refuse_container(y, name)
    columns = column_names(y)
    if columns is not None and len(columns) == 1:
        _warn_of_a_column(len(y), name)
        y, columns = only_column(y), None
    order = category_order(y)
    y = dense_or_csr(y)
    if not sp.issparse(y) and not is_frame(y):
        y = read_column(y, name)
        if y.ndim == 2 and y.shape[1] == 1:
            _warn_of_a_column(len(y), name)
            y = read_column(y.ravel(), name)
        if y.ndim == 1:
            return Given(_check_labels(y, order, name, numbers_are_named), None, order)
    y = check_array(y, accept_sparse="csr", ensure_2d=False, dtype=None, input_name=name)
    if y.ndim != 2:
        raise ValueError(f"{name} should be 1-D labels or a 2-D matrix, got {y.ndim} dimensions.")
    return Given(_check_matrix(y, name), columns, None)


def sorts_strings(y: Any) -> bool:
    """Say whether y are labels that are strings in an order that nobody gave."""
    if column_names(y) is not None:
        if len(y.columns) > 1:
            return False
        y = only_column(y)
    if category_order(y) is not None or sp.issparse(y):
        return False
    labels = np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] > 1:
        return False
    return any(isinstance(label, str) for label in labels.ravel()[:1].tolist())


def _warn_of_a_column(n_rows: int, name: str) -> None:
    warnings.warn(
        f"A column-vector {name} was passed when a 1d array was expected: its {n_rows} values are "
        f"read as labels. Use {name}.ravel() for labels; a matrix of targets needs one column per "
        "class.",
        DataConversionWarning,
        stacklevel=5,
    )


def _check_labels(y: NDArray, order: NDArray | None, name: str, numbers_are_named: bool) -> NDArray:
    """Raise for 1-D values that are not labels."""
    if y.dtype.kind != "f":
        missing = is_missing(y)
        if missing.any():
            raise ValueError(
                f"Input {name} contains NaN or None: a label is missing, the first in row "
                f"{int(missing.argmax())}. Drop the row, or pass a matrix of targets with a row of "
                "zeros for it."
            )
        if mixes_types(y):
            raise TypeError(
                f"The labels in {name} mix types that do not sort, strings and others. Convert "
                f"them to one type first, for example numpy.array({name}).astype(str)."
            )
    y = check_array(y, ensure_2d=False, dtype=None, input_name=name)
    if order is not None:
        return y
    if y.dtype.kind == "f" and not numbers_are_named:
        _check_whole_numbers(y, name)
    if y.dtype.kind not in "iufbUmMO" or (y.dtype.kind == "O" and not isinstance(y[0], str)):
        raise ValueError(
            f"Unknown label type: {name} holds {type(y[0]).__name__} objects, such as {y[0]!r}. "
            "Labels are strings or numbers; others can be the categories of an ordered Categorical."
        )
    return y


def _check_whole_numbers(y: NDArray, name: str) -> None:
    fractions = y != np.rint(y)
    if not fractions.any():
        return
    value = y[fractions.argmax()]
    if y.min() >= 0 and y.max() <= 1:
        fix = (
            "Probabilities of the second of two classes are passed as a matrix: "
            f"numpy.column_stack([1 - {name}, {name}])."
        )
    else:
        fix = (
            "Measurements are a matter of regression. If such numbers are the names of classes, "
            f"as half stars are, say so with pandas.Categorical({name}, ordered=True), or with the "
            "parameter for classes where there is one."
        )
    raise ValueError(f"Unknown label type: continuous. {name} holds {value:g} as a label. {fix}")


def _check_matrix(y: Any, name: str) -> Any:
    """Raise for a matrix that holds anything but non-negative finite numbers."""
    if y.dtype.kind not in "fiub":
        y = _as_numbers(y, name)
    if y.dtype not in (np.float64, np.float32):
        y = y.astype(np.float64)
    values = y.data if sp.issparse(y) else y
    least = values.min(initial=0.0)
    if least >= 0:
        return y
    limit = _rounding_of_rows(y)
    if (values < -limit).any():
        raise ValueError(
            f"Negative values in {name}: the smallest is {least:g}. A matrix of targets holds "
            "probabilities or counts, which are not negative."
        )
    if not sp.issparse(y):
        return np.where(y < 0, y.dtype.type(0), y)
    y = y.copy()
    y.data[y.data < 0] = 0
    return y


def _as_numbers(y: Any, name: str) -> Any:
    """Return a matrix of objects as one of floats."""
    try:
        return check_array(y, dtype=np.float64, input_name=name)
    except (TypeError, ValueError) as error:
        if str(error).startswith("Input"):
            raise
        raise ValueError(
            f"{name} has the shape {y.shape}, so it should hold probabilities or counts, one "
            f"column per class, but its entries are of other kinds: {error} Labels are 1-D."
        ) from error


def _rounding_of_rows(y: Any) -> NDArray:
    """Return what rounding can take off an entry of each row, as a column, or for each entry."""
    total = np.asarray(abs(y).sum(axis=1, dtype=np.float64)).ravel()
    limit = 16 * np.finfo(y.dtype).eps * total
    return np.repeat(limit, np.diff(y.indptr)) if sp.issparse(y) else limit[:, None]
