"""Reads y: the labels of annotators in a matrix with gaps, whatever holds it."""

from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.exceptions import DataConversionWarning

from sklearn_kl._annotators.votes import AnnotatorVotes
from sklearn_kl._data.classes import check_distinct
from sklearn_kl._data.containers import (
    category_order,
    is_frame,
    is_missing,
    mixes_types,
    read_column,
    read_keys,
)
from sklearn_kl._data.encode import encode_targets
from sklearn_kl._warn import warn_caller


def read_votes(y: Any, missing: Any = None, *, classes: NDArray | None = None) -> AnnotatorVotes:
    """Return the votes of a matrix of labels with gaps.

    Parameters
    ----------
    y : array-like of shape (n_samples, n_annotators) or (n_samples,), or AnnotatorVotes
        Labels; None, NaN, pandas.NA, masked entries and entries that a sparse matrix does not store
        are gaps. 1-D is one annotator.
    missing : label, default=None
        A label that is a gap, too.
    classes : ndarray of shape (n_classes,), default=None
        What may be voted for. None takes the labels that occur, sorted, or the categories of
        ordered columns.

    Returns
    -------
    AnnotatorVotes
        Its annotators are the names of a DataFrame's columns, or 0, 1, ...

    Raises
    ------
    ValueError
        If there is no vote, or a label is not among the classes or no label at all.
    TypeError
        If the labels mix strings and others.
    """
    if y is None:
        raise ValueError("This estimator requires y to be passed, but the target y is None.")
    if isinstance(y, AnnotatorVotes):
        return y if classes is None else _with_classes(y, classes)
    shape, names, order, (rows, columns, labels) = _cells(y)
    if mixes_types(labels):
        raise TypeError(
            "The labels in y mix strings and others, which never match. Convert them to one type, "
            "and leave None where a label is missing."
        )
    if not is_missing(read_column([missing], "missing"))[0]:
        kept = labels != _check_type(missing, labels)
        rows, columns, labels = rows[kept], columns[kept], labels[kept]
    if not len(labels):
        raise ValueError("y holds no vote: every entry is missing.")
    encoded = encode_targets(labels, classes=order if classes is None else classes)
    n_classes = encoded.n_classes
    place = columns * n_classes + encoded.codes
    size = (shape[0], shape[1] * n_classes)
    table = sp.coo_array((np.ones(len(place)), (rows, place)), shape=size).tocsr()
    annotators = np.arange(shape[1]) if names is None else names
    return AnnotatorVotes(table, encoded.classes, annotators, unnamed=names is None)


def _cells(y):
    """Return shape, names of columns or None, class order or None, and (rows, columns, labels)."""
    if getattr(y, "ndim", None) == 1 and hasattr(y, "to_frame"):
        y = y.to_frame()
    if is_frame(y):
        return _cells_of_frame(y)
    if sp.issparse(y):
        return y.shape, None, None, _cells_of_sparse(y)
    values = _label_matrix(y)
    rows, columns = np.nonzero(~_gaps(values))
    return values.shape, None, None, (rows, columns, _whole(values[rows, columns], values))


def _cells_of_frame(frame):
    """Read column by column, since every column has a type of its own."""
    names = read_keys(list(frame.columns), "the columns of y")
    check_distinct(names.tolist(), "The columns of y, which name the annotators,")
    rows, labels, orders = [], [], []
    for position in range(len(names)):
        column = frame.iloc[:, position] if hasattr(frame, "iloc") else frame[:, position]
        orders.append(category_order(column))
        values = read_column(column, "y")
        present = np.flatnonzero(~is_missing(values))
        rows.append(present)
        labels.append(_whole(values[present], values))
    order = _common_order(orders)
    columns = np.repeat(np.arange(len(names)), [len(part) for part in rows])
    kinds = {part.dtype.kind for part in labels if len(part)}
    if len(kinds) > 1:
        labels = [part.astype(object) for part in labels]
    together = np.concatenate([part for part in labels if len(part)] or [np.empty(0)])
    cells = np.concatenate(rows or [columns]), columns, read_column(together, "y")
    return (len(frame), len(names)), names, order, cells


def _common_order(orders):
    """Return the order of categories that all columns have, or None if none has one."""
    if all(order is None for order in orders):
        return None
    if not all(order is not None and np.array_equal(order, orders[0]) for order in orders):
        raise ValueError(
            "Some columns of y are ordered categories, and others are not or have another order. "
            "Give all columns the same ordered categories."
        )
    return orders[0]


def _cells_of_sparse(y):
    entries = sp.csr_array(y, copy=True)
    entries.sum_duplicates()
    if not entries.data.all():
        raise ValueError(
            "y is sparse and stores the label 0, which many operations drop as if it were a gap. "
            "Number the classes from 1, or pass votes in long form by AnnotatorVotes.from_long."
        )
    entries = entries.tocoo()
    rows, columns = entries.nonzero()
    return rows.astype(np.intp), columns.astype(np.intp), entries.data


def _label_matrix(y):
    """Return y as a 2-D array; nested lists as objects, among which None stays None."""
    values = y if isinstance(y, np.ndarray) else _read_list(y)
    if values.ndim == 1:
        return values[:, None]
    if values.ndim != 2 or not values.shape[1]:
        raise ValueError(
            f"y must have one column per annotator or be 1-D, got the shape {values.shape}."
        )
    if values.shape[1] == 1:
        warn_caller(
            "A column-vector y was passed when a 1d array was expected: it is read as the labels "
            "of one annotator. Use y.ravel(), or a DataFrame whose columns name the annotators.",
            DataConversionWarning,
        )
    return values


def _read_list(y):
    if not isinstance(y, list | tuple):
        return np.asarray(y)
    lengths = {len(row) if isinstance(row, list | tuple | np.ndarray) else -1 for row in y}
    if lengths == {-1}:
        return read_column(y, "y")
    if len(lengths) != 1:
        raise ValueError(
            f"The rows of y differ in length: {sorted(lengths)[:5]}. Every annotator has a place "
            "in every row; None is a gap."
        )
    flat = read_column([label for row in y for label in row], "y")
    return flat.reshape(len(y), -1)


def _gaps(values):
    """Return where a matrix has no label."""
    masked = np.ma.getmaskarray(values)
    return masked | is_missing(np.asarray(values).ravel()).reshape(values.shape)


def _whole(labels, values):
    """Return labels, as integers if they are whole numbers that gaps had turned into floats."""
    labels = np.asarray(labels)
    if labels.dtype.kind == "O" and labels.size:
        return read_column(labels.tolist(), "y")
    finite = labels.dtype.kind == "f" and labels.size < values.size and np.isfinite(labels).all()
    return labels.astype(np.int64) if finite and (labels == np.rint(labels)).all() else labels


def _check_type(missing, labels):
    """Return `missing`, if it is of the labels' type."""
    if len(labels) and isinstance(missing, str) != isinstance(labels.tolist()[0], str):
        raise ValueError(
            f"missing={missing!r} never matches labels such as {labels.tolist()[0]!r}, since "
            "strings and others differ. Pass it in the type of the labels."
        )
    return missing


def _with_classes(votes, classes):
    """Return votes whose columns are those of other classes."""
    if np.array_equal(votes.classes, classes):
        return votes
    entries = votes.table.tocoo()
    rows, columns = entries.nonzero()
    annotator, code = np.divmod(columns.astype(np.intp), votes.n_classes)
    codes = encode_targets(votes.classes[code], classes=classes).codes
    table = sp.coo_array(
        (entries.data, (rows, annotator * len(classes) + codes)),
        shape=(len(votes), votes.shape[1] * len(classes)),
    )
    return replace(votes, table=table.tocsr(), classes=classes)
