"""Targets made of targets: smoothing, temperature, mixing, rows of the same weight."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_consistent_length

from sklearn_kl._data.classes import name_columns, named_numbers
from sklearn_kl._data.distributions import check_distributions
from sklearn_kl._data.encode import column_names, encode_targets
from sklearn_kl._data.rows import check_row_order
from sklearn_kl._data.targets import MatrixTargets
from sklearn_kl._typing import MatrixLike


def smooth_labels(
    y: MatrixLike,
    epsilon: float = 0.1,
    *,
    prior: ArrayLike | Mapping[Any, float] | None = None,
    classes: ArrayLike | None = None,
) -> Any:
    """Move a share of every row's mass from its labels to a prior over the classes.

    The result is ``(1 - epsilon) * Y + epsilon * m * prior``, where Y is one-hot for labels and m
    is the row's total: 1 for labels and distributions, the number of votes for counts.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_classes)
        Labels, distributions or counts.
    epsilon : float, default=0.1
        Share that is moved, between 0 and 1.
    prior : array-like of shape (n_classes,), dict or Series, default=None
        Probabilities of the classes: an array in column order, a dict or a Series by the names of
        the classes, such as ``y.value_counts(normalize=True)``, where a class that it does not name
        has the probability 0. None means uniform.
    classes : array-like of shape (n_classes,), default=None
        The classes in column order. None takes the sorted labels or the columns.

    Returns
    -------
    ndarray or DataFrame of shape (n_samples, n_classes)
        Targets with the totals of `y`; a DataFrame if `y` is one. A row of zeros stays so.

    Raises
    ------
    ValueError
        If `epsilon` is not in [0, 1], or `prior` names other classes or is not a distribution.

    References
    ----------
    .. [1] C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens and Z. Wojna, "Rethinking the Inception
       Architecture for Computer Vision", CVPR 2016, section 7.

    Examples
    --------
    >>> from sklearn_kl.labels import smooth_labels
    >>> smooth_labels(["no", "yes", "yes"], 0.2)
    array([[0.9, 0.1],
           [0.1, 0.9],
           [0.1, 0.9]])
    """
    _check_share(epsilon, "epsilon")
    targets = encode_targets(y, classes=classes)
    strengths = _strengths(targets)
    share = _read_prior(prior, targets.classes)
    smoothed = (1 - epsilon) * strengths + epsilon * targets.mass[:, None] * share
    return _like(smoothed, targets.classes, y)


def apply_temperature(y_proba: MatrixLike, temperature: float) -> Any:
    """Flatten distributions (temperature above 1) or sharpen them (below 1).

    A row p becomes ``p_k**(1 / T) / sum_j p_j**(1 / T)``, which is the softmax of its logits
    divided by T. It keeps its total, so that counts weigh what they did.

    Parameters
    ----------
    y_proba : array-like or sparse matrix of shape (n_samples, n_classes)
        Distributions, such as a teacher's predictions, or counts.
    temperature : float
        The divisor T, greater than 0; 1 changes nothing.

    Returns
    -------
    ndarray, CSR array or DataFrame of shape (n_samples, n_classes)
        The rows at that temperature, in the container of `y_proba`. Zeros stay zeros.

    Raises
    ------
    ValueError
        If `y_proba` is not a matrix or `temperature` not a finite number above 0.

    Notes
    -----
    In distillation [1]_ the student is trained on the teacher's softened probabilities by a
    softmax at the same temperature; predictions of a student that is trained without one are as
    soft as the targets.

    References
    ----------
    .. [1] G. Hinton, O. Vinyals and J. Dean, "Distilling the Knowledge in a Neural Network", 2015,
       arXiv:1503.02531.

    Examples
    --------
    >>> from sklearn_kl.labels import apply_temperature
    >>> apply_temperature([[0.8, 0.2], [0.5, 0.5]], 2.0).round(3)
    array([[0.667, 0.333],
           [0.5  , 0.5  ]])
    """
    if not (isinstance(temperature, Real) and 0 < temperature < np.inf):
        raise ValueError(f"temperature must be a finite number above 0, got {temperature!r}.")
    targets = _encode_matrix(y_proba, "y_proba")
    # Shares of the largest entry are at most one, so that no power overflows.
    shares = _divide_rows(targets.matrix, _flat(targets.matrix.max(axis=1)))
    shares = shares ** (1.0 / temperature)
    totals = _flat(shares.sum(axis=1)) / np.where(targets.mass > 0, targets.mass, 1.0)
    return _like(_divide_rows(shares, totals), targets.classes, y_proba)


def mix_targets(
    y: MatrixLike,
    teacher_proba: MatrixLike,
    teacher_weight: float = 0.5,
    *,
    classes: ArrayLike | None = None,
) -> Any:
    """Mix targets with the probabilities of a teacher.

    The result is ``(1 - a) * Y + a * T``, where Y is one-hot for labels, T is the teacher's
    matrix and a is its weight. The cross-entropy of a model to the mix is the same mix of its
    cross-entropies to Y and to T. An unlabelled row of `y` keeps the teacher's part, and so
    weighs a.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_classes)
        Labels, distributions or counts. A row of zeros is unlabelled.
    teacher_proba : array-like of shape (n_samples, n_classes)
        The teacher's probabilities; a row of zeros is one that it says nothing about. An array has
        its columns in the order of the classes; a DataFrame is matched by its column names.
    teacher_weight : float, default=0.5
        The share a, between 0 and 1.
    classes : array-like of shape (n_classes,), default=None
        The classes in column order, such as ``teacher.classes_``. None takes the columns of `y`,
        or for labels those of `teacher_proba` if it is a DataFrame, or else the sorted labels.

    Returns
    -------
    ndarray or DataFrame of shape (n_samples, n_classes)
        The mix; a DataFrame if `y` or the teacher's matrix is one.

    Raises
    ------
    ValueError
        If `teacher_weight` is not in [0, 1], the rows of `teacher_proba` do not sum to one, or rows
        or classes do not match.

    References
    ----------
    .. [1] G. Hinton, O. Vinyals and J. Dean, "Distilling the Knowledge in a Neural Network", 2015,
       arXiv:1503.02531.

    Examples
    --------
    >>> from sklearn_kl.labels import mix_targets
    >>> mix_targets(["no", "yes"], [[0.6, 0.4], [0.2, 0.8]], 0.5)
    array([[0.8, 0.2],
           [0.1, 0.9]])
    """
    _check_share(teacher_weight, "teacher_weight")
    check_row_order(y=y, teacher_proba=teacher_proba)
    frame = teacher_proba if column_names(y) is None else y
    if classes is None and np.ndim(y) == 1:
        classes = column_names(teacher_proba)
    targets = encode_targets(y, classes=classes)
    teacher = _encode_matrix(teacher_proba, "teacher_proba", targets.classes)
    check_consistent_length(targets.mass, teacher.mass)
    taught = _strengths(teacher)
    silent = taught.sum(axis=1, keepdims=True) == 0
    check_distributions(np.where(silent, 1.0 / targets.n_classes, taught), "teacher_proba")
    mixed = (1 - teacher_weight) * _strengths(targets) + teacher_weight * taught
    return _like(mixed, targets.classes, frame)


def normalize_rows(y: MatrixLike) -> Any:
    """Divide every row by its total, so that every sample weighs one however many votes it has.

    Nothing else in this package does so: counts weigh their total.

    Parameters
    ----------
    y : array-like or sparse matrix of shape (n_samples, n_classes)
        Counts, or any non-negative numbers.

    Returns
    -------
    ndarray, CSR array or DataFrame of shape (n_samples, n_classes)
        Distributions, in the container of `y`. A row of zeros stays so: unlabelled.

    Raises
    ------
    ValueError
        If `y` is not a matrix, holds a negative, missing or infinite number, or only zeros.

    Examples
    --------
    >>> from sklearn_kl.labels import normalize_rows
    >>> normalize_rows([[3, 1], [0, 10], [0, 0]])
    array([[0.75, 0.25],
           [0.  , 1.  ],
           [0.  , 0.  ]])
    """
    targets = _encode_matrix(y, "y")
    return _like(_divide_rows(targets.matrix, targets.mass), targets.classes, y)


def _encode_matrix(y: Any, name: str, classes: Any = None) -> Any:
    """Return the Targets of a matrix; labels raise."""
    targets = encode_targets(y, classes=classes, name=name)
    if not isinstance(targets, MatrixTargets):
        raise ValueError(
            f"{name} must be a matrix with one column per class, got 1-D values. "
            "smooth_labels(y, 0) makes labels one-hot."
        )
    return targets


def _strengths(targets: Any) -> NDArray[np.float64]:
    """Return strengths as a row-major matrix."""
    return np.ascontiguousarray(targets.block(slice(None)).T)


def _check_share(value: Any, name: str) -> None:
    if isinstance(value, bool) or not (isinstance(value, Real) and 0 <= float(value) <= 1):
        raise ValueError(f"{name} must be a number from 0 to 1, got {value!r}.")


def _read_prior(prior: Any, classes: NDArray) -> NDArray[np.float64]:
    """Return the prior as an array in the order of the classes; None is uniform."""
    n_classes = len(classes)
    if prior is None:
        return np.full(n_classes, 1.0 / n_classes)
    numbers, names = named_numbers(prior, "prior")
    try:
        share = np.asarray(numbers, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "prior must hold one probability per class, or be None for a uniform one, got "
            f"{prior!r}."
        ) from error
    if names is not None:
        full = np.zeros(n_classes)
        full[name_columns(names, classes, "prior")] = share
        share = full
    if share.shape != (n_classes,):
        raise ValueError(
            f"prior has shape {share.shape}, but there are {n_classes} classes: give one "
            "probability per class."
        )
    if not np.isfinite(share).all():
        raise ValueError(f"prior holds {share.tolist()}: probabilities are finite numbers.")
    return check_distributions(share, "prior")


def _flat(values: Any) -> NDArray[np.float64]:
    """Return the maxima or sums of rows as a 1-D array."""
    values = values.toarray() if sp.issparse(values) else np.asarray(values)
    return values.ravel().astype(np.float64)


def _divide_rows(matrix: Any, divisor: NDArray) -> Any:
    """Return every row over its divisor; a row of zeros stays so."""
    divisor = np.where(divisor > 0, divisor, 1.0)
    if not sp.issparse(matrix):
        return matrix / divisor[:, None]
    divided = sp.csr_array(matrix, dtype=np.float64, copy=True)
    divided.data /= np.repeat(divisor, np.diff(divided.indptr))
    return divided


def _like(values: Any, classes: NDArray, frame: Any) -> Any:
    """Return the values as a DataFrame if the other one is."""
    if column_names(frame) is None:
        return values
    if hasattr(frame, "index") and sp.issparse(values):
        return type(frame).sparse.from_spmatrix(values, index=frame.index, columns=classes)
    if hasattr(frame, "index"):
        return type(frame)(values, index=frame.index, columns=classes)
    return type(frame)(values, schema=[str(name) for name in classes], orient="row")
