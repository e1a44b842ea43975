"""Measures for classes that have an order: how far the mass is off, not only how much of it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_kl._data.encode import column_names
from sklearn_kl._data.targets import LabelTargets, Targets
from sklearn_kl._typing import MatrixLike
from sklearn_kl.metrics._pairs import check_pair, evaluate, mean_divergence


def wasserstein_distance(
    y_true: MatrixLike,
    y_proba: ArrayLike,
    *,
    positions: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    per_sample: bool = False,
) -> Any:
    """Wasserstein distance ``sum_k |P_k - Q_k| (x_(k+1) - x_k)`` of targets and predictions.

    The smaller the better: the mass that has to be moved, times how far along the positions x of
    the classes; P and Q are the cumulative sums of p and q. Neighbouring classes are 1 apart unless
    `positions` says otherwise.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_classes)
        The targets p: labels; or distributions or vote counts as an array, a sparse matrix or a
        DataFrame whose column names are the classes. A row of zeros is unlabelled.
    y_proba : array-like of shape (n_samples, n_classes) or (n_samples,)
        The predictions q, rows that sum to one; for two classes also the probability of the second
        class alone.
    positions : array-like of shape (n_classes,), default=None
        Where the class of each column of `y_proba` lies. None takes 0, 1, ... in the order of the
        classes: by value if they are numbers, and otherwise in the order of the columns.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows, which multiply their mass in the mean.
    labels : array-like of shape (n_classes,), default=None
        The class of each column of `y_proba`, in that order. None takes the column names of
        `y_proba` if it is a DataFrame, and otherwise the sorted labels of `y_true` or its columns.
    per_sample : bool, default=False
        Whether to return the value of every row instead of their mean.

    Returns
    -------
    float or ndarray of shape (n_samples,)
        The mean over rows, each weighing its mass times `sample_weight`; or the value of every
        row, nan where it is unlabelled. At most ``n_classes - 1`` without `positions`.

    Raises
    ------
    ValueError
        In the cases of `cross_entropy_loss`; if `y_true` holds labels that are strings and neither
        `labels`, column names nor `positions` say in which order they come; if `positions` are not
        one finite number for each class, all different.

    See Also
    --------
    ranked_probability_score : The squared distance of the cumulative sums, a proper score.
    manhattan_distance : The measure that knows no order.

    Notes
    -----
    `scipy.stats.wasserstein_distance` of two rows of probabilities takes them for samples, and says
    how far the probabilities are apart as numbers: 0 for any two orders of the same numbers. The
    classes are its values, and the rows are its third and fourth argument, the weights.

    With distributions, whose rows have mass 1, the mean is the average Wasserstein distance of the
    LeWiDi tasks.

    References
    ----------
    .. [1] E. Leonardelli et al., "LeWiDi-2025 at NLPerspectives: The Third Edition of the Learning
       with Disagreements Shared Task", 2025. :arxiv:`2510.08460`

    Examples
    --------
    >>> from sklearn_kl.metrics import wasserstein_distance
    >>> wasserstein_distance([[1.0, 0.0, 0.0]] * 2, [[0, 1, 0], [0, 0, 1]], per_sample=True)
    array([1., 2.])
    """
    pair = check_pair(y_true, y_proba, labels, sample_weight)
    if positions is None:
        order, gaps = _order(pair[0], named=_says_order(y_proba, labels))
    else:
        order, gaps = _check_positions(positions, pair[0].n_classes)
    return evaluate(partial(wasserstein_rows, order=order, gaps=gaps), pair, None, per_sample)


def ranked_probability_score(
    y_true: MatrixLike,
    y_proba: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    per_sample: bool = False,
) -> Any:
    """Ranked probability score ``sum_k (P_k - Q_k)^2`` of targets and predictions.

    The smaller the better: 0 where the predictions equal the targets; P and Q are the cumulative
    sums of p and q over the classes in their order. Mass that is one class off costs less than
    mass that is two off.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_classes)
        The targets p: labels; or distributions or vote counts as an array, a sparse matrix or a
        DataFrame whose column names are the classes. A row of zeros is unlabelled.
    y_proba : array-like of shape (n_samples, n_classes) or (n_samples,)
        The predictions q, rows that sum to one; for two classes also the probability of the second
        class alone.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows, which multiply their mass in the mean.
    labels : array-like of shape (n_classes,), default=None
        The class of each column of `y_proba`, in that order. None takes the column names of
        `y_proba` if it is a DataFrame, and otherwise the sorted labels of `y_true` or its columns.
    per_sample : bool, default=False
        Whether to return the value of every row instead of their mean.

    Returns
    -------
    float or ndarray of shape (n_samples,)
        The mean over rows, each weighing its mass times `sample_weight`; or the value of every
        row, nan where it is unlabelled. At most ``n_classes - 1``.

    Raises
    ------
    ValueError
        In the cases of `cross_entropy_loss`; if `y_true` holds labels that are strings and neither
        `labels` nor column names say in which order they come.

    See Also
    --------
    wasserstein_distance : The absolute distance of the cumulative sums.
    kl_divergence : The divergence that maximum likelihood minimises.

    Notes
    -----
    Classes that are numbers are ordered by value, others as the columns are; for a scorer these are
    the ``classes_`` of the estimator, which most classifiers sort by the alphabet. The score is not
    divided by ``n_classes - 1``, as some texts do. For a row of votes it is the mean score of the
    single votes less ``sum_k P_k (1 - P_k)``, which no prediction changes; it is proper, and its
    mean over rows compares models.

    References
    ----------
    .. [1] E. S. Epstein, "A Scoring System for Probability Forecasts of Ranked Categories", Journal
       of Applied Meteorology 8(6), 1969.
    .. [2] T. Gneiting and A. E. Raftery, "Strictly Proper Scoring Rules, Prediction, and
       Estimation", Journal of the American Statistical Association 102, 2007.

    Examples
    --------
    >>> from sklearn_kl.metrics import ranked_probability_score
    >>> ranked_probability_score([1, 1], [[0.5, 0.5, 0.0], [0.5, 0.0, 0.5]], labels=[1, 2, 3],
    ...     per_sample=True)
    array([0.25, 0.5 ])
    """
    pair = check_pair(y_true, y_proba, labels, sample_weight)
    order, _ = _order(pair[0], named=_says_order(y_proba, labels))
    return evaluate(partial(ranked_probability_rows, order=order), pair, None, per_sample)


def manhattan_distance(
    y_true: MatrixLike,
    y_proba: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    per_sample: bool = False,
) -> Any:
    """Manhattan distance ``sum_k |p_k - q_k|`` of targets and predictions.

    The smaller the better, between 0 and 2: twice the mass that is in the wrong class. It knows no
    order of the classes.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_classes)
        The targets p: labels; or distributions or vote counts as an array, a sparse matrix or a
        DataFrame whose column names are the classes. A row of zeros is unlabelled.
    y_proba : array-like of shape (n_samples, n_classes) or (n_samples,)
        The predictions q, rows that sum to one; for two classes also the probability of the second
        class alone.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows, which multiply their mass in the mean.
    labels : array-like of shape (n_classes,), default=None
        The class of each column of `y_proba`, in that order. None takes the column names of
        `y_proba` if it is a DataFrame, and otherwise the sorted labels of `y_true` or its columns.
    per_sample : bool, default=False
        Whether to return the value of every row instead of their mean.

    Returns
    -------
    float or ndarray of shape (n_samples,)
        The mean over rows, each weighing its mass times `sample_weight`; or the value of every
        row, nan where it is unlabelled.

    Raises
    ------
    ValueError
        In the cases of `cross_entropy_loss`.

    See Also
    --------
    wasserstein_distance : The measure for classes with an order.
    intersection_similarity_score : One less half of this distance.

    Notes
    -----
    With distributions, whose rows have mass 1, the mean is the average Manhattan distance of the
    LeWiDi tasks. It is not proper: for labels, the best prediction is the most probable class.

    References
    ----------
    .. [1] E. Leonardelli et al., "LeWiDi-2025 at NLPerspectives: The Third Edition of the Learning
       with Disagreements Shared Task", 2025. :arxiv:`2510.08460`

    Examples
    --------
    >>> from sklearn_kl.metrics import manhattan_distance
    >>> manhattan_distance([[0.5, 0.25, 0.25]], [[0.25, 0.375, 0.375]])
    0.5
    """
    pair = check_pair(y_true, y_proba, labels, sample_weight)
    return evaluate(manhattan_rows, pair, None, per_sample)


def manhattan_rows(p: NDArray, q: NDArray) -> NDArray:
    """Manhattan distance of every row."""
    return np.abs(p - q).sum(axis=-1)


def wasserstein_rows(p: NDArray, q: NDArray, *, order: NDArray, gaps: NDArray) -> NDArray:
    """Wasserstein distance of every row, between classes that lie `gaps` apart in their order."""
    return np.abs(_cumulative_difference(p, q, order)) @ gaps


def ranked_probability_rows(p: NDArray, q: NDArray, *, order: NDArray) -> NDArray:
    """Ranked probability score of every row."""
    return (_cumulative_difference(p, q, order) ** 2).sum(axis=-1)


def ordered_mean(rows: Callable, targets: Targets, y_proba: NDArray) -> float:
    """Mean over rows of a measure of ordered classes, for scorers."""
    order, gaps = _order(targets, named=False)
    if rows is wasserstein_rows:
        return mean_divergence(partial(rows, order=order, gaps=gaps), targets, y_proba)
    return mean_divergence(partial(rows, order=order), targets, y_proba)


def _cumulative_difference(p: NDArray, q: NDArray, order: NDArray) -> NDArray:
    # The last of the sums is the difference of two ones.
    return np.cumsum((p - q)[..., order], axis=-1)[..., :-1]


def _says_order(y_proba: Any, labels: Any) -> bool:
    """Whether the user wrote the classes in some order, by `labels` or column names."""
    return labels is not None or column_names(y_proba) is not None


def _order(targets: Targets, *, named: bool) -> tuple[NDArray, NDArray]:
    """Columns in the order of their classes, and the gaps of one between them."""
    classes = targets.classes
    n_classes = len(classes)
    order = np.arange(n_classes)
    if classes.dtype.kind in "iufb":
        order = np.argsort(classes, kind="stable")
    elif isinstance(targets, LabelTargets) and not named and n_classes > 2:
        raise ValueError(
            f"The classes are strings, and sorted as strings they are {classes[:10].tolist()}: "
            "that need not be their order. Pass labels= with the classes in order, one for each "
            "column of y_proba; a scorer needs numbers for classes, or a DataFrame of votes whose "
            "columns are in order."
        )
    return order, np.ones(n_classes - 1)


def _check_positions(positions: ArrayLike, n_classes: int) -> tuple[NDArray, NDArray]:
    """Columns in the order of their positions, and the gaps between them."""
    positions = np.asarray(positions, dtype=np.float64)
    if positions.shape != (n_classes,) or not np.isfinite(positions).all():
        raise ValueError(
            f"positions must hold a finite number for each of the {n_classes} columns of y_proba, "
            f"got {positions.tolist()}."
        )
    order = np.argsort(positions, kind="stable")
    gaps = np.diff(positions[order])
    if (gaps == 0).any():
        raise ValueError(f"positions must differ, got {positions.tolist()}.")
    return order, gaps
