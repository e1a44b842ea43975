"""Targets beside predicted probabilities: validation, values of rows, weighted means."""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils import check_array

from sklearn_kl._data import simplex
from sklearn_kl._data.containers import (
    column_names,
    dense_columns,
    is_frame,
    read_column,
    refuse_container,
)
from sklearn_kl._data.distributions import check_distributions, sum_tolerance, zero_rounding
from sklearn_kl._data.encode import encode_targets
from sklearn_kl._data.rows import check_row_order
from sklearn_kl._data.targets import LabelTargets, MatrixTargets, Targets
from sklearn_kl._numbers import check_flag, check_number

# Functions that look at a row only where y_true has mass: of a label's row, at one number.
_READ_ON_SUPPORT = (simplex.entropy, simplex.cross_entropy, simplex.kl_divergence)
# Numbers of a block of rows: small enough for its temporaries to stay in cache.
_BLOCK_SIZE = 2**16
# Mean divergences below this, in nats, cannot be told from the rounding of a sum over many rows.
_NO_DIVERGENCE = 1e-12
_SEPARATE_QUESTIONS = "Scores of separate yes-or-no questions cannot be judged as one distribution."


def row_values(function: Callable, targets: Targets, *y_proba: NDArray) -> NDArray:
    """Value of a row function of the simplex for every row, in nats.

    Parameters
    ----------
    function : callable
        A function of `_data.simplex` of one or two distributions.
    targets : Targets
        The first distribution.
    *y_proba : ndarray of shape (n_samples, n_classes)
        The second distribution, if there is one.

    Returns
    -------
    ndarray of shape (n_samples,)
        Float64; nan where a row is unlabelled.
    """
    n_samples = targets.n_samples
    if isinstance(targets, LabelTargets) and function in _READ_ON_SUPPORT:
        picked = [q[np.arange(n_samples), targets.codes, None].astype(np.float64) for q in y_proba]
        return function(np.ones((n_samples, 1)), *picked)
    values = np.empty(n_samples)
    n_rows = max(1, _BLOCK_SIZE // targets.n_classes)
    for start in range(0, n_samples, n_rows):
        rows = slice(start, start + n_rows)
        # Whatever the dtype of a prediction, its numbers are judged in float64.
        parts = (q[rows].astype(np.float64, copy=False) for q in y_proba)
        values[rows] = function(distributions(targets, rows), *parts)
    return values


def mean_divergence(divergence: Callable, targets: Targets, y_proba: NDArray) -> float:
    """Mean of a row function of the simplex in nats, rows weighing their mass."""
    return _weighted_mean(row_values(divergence, targets, y_proba), targets.mass)


def explained_divergence(targets: Targets, y_proba: NDArray) -> float:
    """Share of the KL divergence of the class prior that y_proba removes."""
    missed = mean_divergence(simplex.kl_divergence, targets, y_proba)
    class_mass = targets.class_mass()
    prior = class_mass / targets.mass.sum()
    if isinstance(targets, LabelTargets):
        to_explain = float(simplex.entropy(prior))
    else:
        # Not zero for a class whose share underflows: its rows weigh nothing, and would be
        # infinite.
        prior = np.where(class_mass > 0, np.maximum(prior, np.finfo(np.float64).tiny), 0.0)
        rows = np.broadcast_to(prior, (targets.n_samples, targets.n_classes))
        to_explain = mean_divergence(simplex.kl_divergence, targets, rows)
    if to_explain > _NO_DIVERGENCE:
        return 1.0 - missed / to_explain
    return 1.0 if missed <= _NO_DIVERGENCE else -np.inf


def check_proba(y_proba: Any, *, name: str = "y_proba") -> NDArray:
    """Validate predicted probabilities.

    Parameters
    ----------
    y_proba : array-like of shape (n_samples, n_classes) or (n_samples,)
        Probabilities of all classes, or of the second of two.
    name : str, default="y_proba"
        What error messages call the argument.

    Returns
    -------
    ndarray of shape (n_samples, n_classes)
        Floating-point numbers, as they were given; negative rounding errors are zeros.
    """
    refuse_container(y_proba, name)
    y_proba = dense_columns(y_proba)
    if not (is_frame(y_proba) or sp.issparse(y_proba)):
        y_proba = read_column(y_proba, name)
    y_proba = check_array(y_proba, dtype="numeric", ensure_2d=False, input_name=name)
    if y_proba.dtype not in (np.float16, np.float32, np.float64):
        y_proba = y_proba.astype(np.float64)
    if y_proba.ndim == 2:
        return check_distributions(y_proba, name, hint=_SEPARATE_QUESTIONS)
    second = zero_rounding(y_proba, name)
    if second.max() > 1.0 + sum_tolerance(2, second.dtype):
        raise ValueError(
            f"{name} contains {second.max():g}, but probabilities lie between 0 and 1. Pass the "
            "output of predict_proba, not of decision_function or predict_log_proba."
        )
    second = second.astype(np.float64)
    return np.column_stack([np.maximum(1.0 - second, 0.0), second])


def check_pair(
    y_true: Any, y_proba: Any, labels: Any, sample_weight: Any, *, name: str = "y_true"
) -> tuple[Targets, NDArray]:
    """Return the targets and the predictions, their columns in the same order."""
    check_row_order(**{name: y_true, "y_proba": y_proba, "sample_weight": sample_weight})
    refuse_container(y_proba, "y_proba")
    names = column_names(y_proba)
    y_proba = check_proba(y_proba)
    n_columns = y_proba.shape[1]
    classes = names if labels is None else _check_labels(labels, names, n_columns)
    targets = encode_targets(y_true, classes=classes, sample_weight=sample_weight, name=name)
    if targets.n_classes != n_columns:
        what = "distinct labels" if isinstance(targets, LabelTargets) else "columns"
        raise ValueError(
            f"{name} has {targets.n_classes} {what}, {targets.classes[:10].tolist()}, but y_proba "
            f"is about {n_columns} classes. Pass labels= with the class of each column of y_proba, "
            "in order."
        )
    check_same_rows(targets, y_proba, name)
    return targets, y_proba


def weighted_pair(
    y_true: Any, y_proba: Any, labels: Any, sample_weight: Any
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Return what a mean over rows needs.

    Returns
    -------
    p : ndarray of shape (n_kept, n_classes)
        Distributions of the targets of the rows that weigh something.
    q : ndarray of shape (n_kept, n_classes)
        Their predictions, float64.
    weight : ndarray of shape (n_kept,)
        Their weights, which sum to one.
    kept : ndarray of shape (n_samples,) of bool
        Which rows these are.
    """
    targets, y_proba = check_pair(y_true, y_proba, labels, sample_weight)
    kept = targets.mass > 0
    weight = targets.mass[kept] / targets.mass.sum()
    p = distributions(targets, slice(None)).astype(np.float64)
    return p[kept], y_proba[kept].astype(np.float64), weight, kept


def check_same_rows(targets: Targets, y_proba: NDArray, name: str = "y_true") -> None:
    """Raise unless there is one row of y_proba for every row of the targets."""
    if targets.n_samples != len(y_proba):
        raise ValueError(
            f"{name} has {targets.n_samples} rows, but y_proba has {len(y_proba)}. Pass one "
            "prediction for every row."
        )


def _check_labels(labels, names, n_columns):
    """Return the classes of the columns of y_proba."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or len(labels) != n_columns:
        raise ValueError(
            f"labels must give the class of each of the {n_columns} columns of y_proba, got an "
            f"array of shape {labels.shape}: {labels.tolist()[:10]}."
        )
    given = labels.tolist()
    if len(set(given)) < n_columns:
        repeated = sorted({label for label in given if given.count(label) > 1})
        raise ValueError(f"labels must differ, but {repeated[:10]} appear more than once.")
    if names is not None and given != names.tolist() and set(given) == set(names.tolist()):
        raise ValueError(
            f"labels are {given[:10]}, but the columns of y_proba are named "
            f"{names.tolist()[:10]}. Leave labels out: the names say the class of each column."
        )
    return labels


def distributions(targets: Targets, rows: slice) -> NDArray:
    """Distributions of a slice of rows, nan where unlabelled, whatever the sample weight.

    Returns
    -------
    ndarray of shape (n_rows, n_classes)
    """
    return targets.take(rows).distributions()


def row_entropy(targets: Targets) -> NDArray:
    """Entropy of every row's distribution, nan where unlabelled."""
    if not (isinstance(targets, MatrixTargets) and sp.issparse(targets.matrix)):
        return row_values(simplex.entropy, targets)
    rows = targets.row_entropy()
    rows[targets.matrix.sum(axis=1) == 0] = np.nan
    return rows


def evaluate(
    divergence: Callable, pair: tuple[Targets, NDArray], base: float | None, per_sample: bool
) -> Any:
    """Return the mean of a row function over a pair of targets and predictions, or its values."""
    targets, _ = pair
    return summarise(row_values(divergence, *pair), targets.mass, base, per_sample)


def summarise(rows: NDArray, mass: NDArray, base: float | None, per_sample: bool) -> Any:
    """Return the values of the rows, or their mean, in the unit that base asks for."""
    rows = rows / _nats_per_unit(base)
    return rows if check_flag(per_sample, "per_sample") else _weighted_mean(rows, mass)


def _nats_per_unit(base):
    if base is None:
        return 1.0
    allowed = "a number greater than 1, such as 2 for bits, or None for nats"
    return float(np.log(check_number(base, "base", allowed, low=1)))


def _weighted_mean(values, mass):
    """Mean of the values of rows that have mass, as a float."""
    counted = mass > 0
    values = values[counted]
    # Apart, since an infinite value times a share that underflows to zero would be nan.
    if np.isinf(values).any():
        return np.inf
    return float((mass[counted] / mass.sum()) @ values)
