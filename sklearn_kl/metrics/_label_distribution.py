"""The other five measures of the label-distribution-learning literature."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_kl._typing import MatrixLike
from sklearn_kl.metrics._pairs import check_pair, evaluate


def chebyshev_distance(
    y_true: MatrixLike,
    y_proba: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    per_sample: bool = False,
) -> Any:
    """Chebyshev distance ``max_k |p_k - q_k|`` of targets and predictions.

    The smaller the better, between 0 and 1: the error of the class that is predicted worst.

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
    kl_divergence : The divergence that maximum likelihood minimises.

    Notes
    -----
    Rows of distributions have mass 1, and the mean is the plain mean of the literature. A row of
    vote counts weighs its total, as in all metrics here; divide the rows by their totals for a
    mean in which each weighs the same.

    References
    ----------
    .. [1] X. Geng, "Label Distribution Learning", IEEE Transactions on Knowledge and Data
       Engineering 28(7), 2016, table 1. :doi:`10.1109/TKDE.2016.2545658`

    Examples
    --------
    >>> from sklearn_kl.metrics import chebyshev_distance
    >>> chebyshev_distance([[0.5, 0.25, 0.25]], [[0.25, 0.375, 0.375]])
    0.25
    """
    pair = check_pair(y_true, y_proba, labels, sample_weight)
    return evaluate(chebyshev_rows, pair, None, per_sample)


def clark_distance(
    y_true: MatrixLike,
    y_proba: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    per_sample: bool = False,
) -> Any:
    """Clark distance ``sqrt(sum_k ((p_k - q_k) / (p_k + q_k))^2)`` of targets and predictions.

    The smaller the better, between 0 and the square root of the number of classes. Relative errors
    count alike for rare and frequent classes; a class that the target lacks adds 1 to the sum,
    however small its predicted probability is.

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
        row, nan where it is unlabelled. A class that both distributions lack adds nothing.

    Raises
    ------
    ValueError
        In the cases of `cross_entropy_loss`.

    See Also
    --------
    canberra_distance : The sum of absolute relative errors.

    References
    ----------
    .. [1] X. Geng, "Label Distribution Learning", IEEE Transactions on Knowledge and Data
       Engineering 28(7), 2016, table 1. :doi:`10.1109/TKDE.2016.2545658`

    Examples
    --------
    >>> from sklearn_kl.metrics import clark_distance
    >>> clark_distance([[0.75, 0.25, 0.0]], [[0.25, 0.75, 0.0]]) ** 2
    0.5000000000000001
    """
    pair = check_pair(y_true, y_proba, labels, sample_weight)
    return evaluate(clark_rows, pair, None, per_sample)


def canberra_distance(
    y_true: MatrixLike,
    y_proba: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    per_sample: bool = False,
) -> Any:
    """Canberra distance ``sum_k |p_k - q_k| / (p_k + q_k)`` of targets and predictions.

    The smaller the better, between 0 and the number of classes. Relative errors count alike for
    rare and frequent classes; a class that the target lacks adds 1, however small its predicted
    probability is.

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
        row, nan where it is unlabelled. A class that both distributions lack adds nothing.

    Raises
    ------
    ValueError
        In the cases of `cross_entropy_loss`.

    See Also
    --------
    clark_distance : The root of the sum of squared relative errors.

    References
    ----------
    .. [1] X. Geng, "Label Distribution Learning", IEEE Transactions on Knowledge and Data
       Engineering 28(7), 2016, table 1. :doi:`10.1109/TKDE.2016.2545658`

    Examples
    --------
    >>> from sklearn_kl.metrics import canberra_distance
    >>> canberra_distance([[0.75, 0.25, 0.0]], [[0.25, 0.75, 0.0]])
    1.0
    """
    pair = check_pair(y_true, y_proba, labels, sample_weight)
    return evaluate(canberra_rows, pair, None, per_sample)


def cosine_similarity_score(
    y_true: MatrixLike,
    y_proba: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    per_sample: bool = False,
) -> Any:
    """Cosine ``p'q / (||p|| ||q||)`` of the angle between targets and predictions.

    The greater the better, between 0 and 1.

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
    intersection_similarity_score : The mass that both distributions share.

    References
    ----------
    .. [1] X. Geng, "Label Distribution Learning", IEEE Transactions on Knowledge and Data
       Engineering 28(7), 2016, table 1. :doi:`10.1109/TKDE.2016.2545658`

    Examples
    --------
    >>> from sklearn_kl.metrics import cosine_similarity_score
    >>> round(cosine_similarity_score([[0.75, 0.25]], [[0.25, 0.75]]), 6)
    0.6
    """
    pair = check_pair(y_true, y_proba, labels, sample_weight)
    return evaluate(cosine_rows, pair, None, per_sample)


def intersection_similarity_score(
    y_true: MatrixLike,
    y_proba: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    per_sample: bool = False,
) -> Any:
    """Intersection ``sum_k min(p_k, q_k)``, the mass that targets and predictions share.

    The greater the better, between 0 and 1: one less the total variation distance.

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
    cosine_similarity_score : The cosine of the angle between the distributions.

    References
    ----------
    .. [1] X. Geng, "Label Distribution Learning", IEEE Transactions on Knowledge and Data
       Engineering 28(7), 2016, table 1. :doi:`10.1109/TKDE.2016.2545658`

    Examples
    --------
    >>> from sklearn_kl.metrics import intersection_similarity_score
    >>> intersection_similarity_score([[0.75, 0.25]], [[0.25, 0.75]])
    0.5
    """
    pair = check_pair(y_true, y_proba, labels, sample_weight)
    return evaluate(intersection_rows, pair, None, per_sample)


def chebyshev_rows(p: NDArray, q: NDArray) -> NDArray:
    """Largest difference of every row."""
    return np.abs(p - q).max(axis=-1)


def clark_rows(p: NDArray, q: NDArray) -> NDArray:
    """Euclidean norm of the relative differences of every row."""
    return np.sqrt((_relative_difference(p, q) ** 2).sum(axis=-1))


def canberra_rows(p: NDArray, q: NDArray) -> NDArray:
    """Sum of the relative differences of every row."""
    return _relative_difference(p, q).sum(axis=-1)


def cosine_rows(p: NDArray, q: NDArray) -> NDArray:
    """Cosine of the angle between the rows."""
    norms = np.linalg.norm(p, axis=-1) * np.linalg.norm(q, axis=-1)
    # Rounding must not take it above one.
    return np.minimum((p * q).sum(axis=-1) / norms, 1.0)


def intersection_rows(p: NDArray, q: NDArray) -> NDArray:
    """Mass that both rows give to the same classes."""
    return np.minimum(p, q).sum(axis=-1)


def _relative_difference(p: NDArray, q: NDArray) -> NDArray:
    """Return ``|p - q| / (p + q)``, 0 where both are 0."""
    difference, total = np.abs(p - q), p + q
    # Not total > 0, which would turn the nan of an unlabelled row into a zero.
    return np.divide(difference, total, out=np.zeros_like(total), where=total != 0)
