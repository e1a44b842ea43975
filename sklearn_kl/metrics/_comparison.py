"""Paired comparison of two models on the same rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import bootstrap

from sklearn_kl._data import simplex
from sklearn_kl._numbers import check_number, check_seed, check_whole
from sklearn_kl._typing import MatrixLike
from sklearn_kl.metrics._pairs import weighted_pair

# Numbers that a batch of resamples may hold at once.
_BATCH_SIZE = 2**20


@dataclass(frozen=True)
class KLComparison:
    """Difference of the KL divergences of two models on the same rows.

    Parameters
    ----------
    difference : float
        Mean KL divergence of model a less that of model b, nats; negative where a is better.
    confidence_interval : tuple of (float, float)
        Lower and upper end of the bootstrap interval of the difference, nats.
    confidence_level : float
        The level of the interval.
    standard_error : float
        Standard deviation of the resampled differences, nats.
    share_a_better : float
        Share of the resamples in which a has the smaller divergence; ties count half.
    kl_a : float
        Mean KL divergence of model a, nats.
    kl_b : float
        Mean KL divergence of model b, nats.
    n_samples : int
        Number of rows with mass.

    See Also
    --------
    compare_kl : Makes it.

    Examples
    --------
    >>> from sklearn_kl.metrics import compare_kl
    >>> votes = [[1, 1], [3, 1]]
    >>> result = compare_kl(votes, [0.5, 0.25], [0.25, 0.5], random_state=0)
    >>> result.n_samples, result.kl_a, round(result.kl_b, 4)
    (2, 0.0, 0.1352)
    """

    difference: float
    confidence_interval: tuple[float, float]
    confidence_level: float
    standard_error: float
    share_a_better: float
    kl_a: float
    kl_b: float
    n_samples: int


def compare_kl(
    y_true: MatrixLike,
    proba_a: ArrayLike,
    proba_b: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    confidence_level: float = 0.95,
    n_resamples: int = 2000,
    random_state: Any = None,
) -> KLComparison:
    """Compare two models by the difference of their KL divergences, with a confidence interval.

    Both models are judged on the same rows, so that what makes a row hard for both cancels in
    ``KL(p || q_a) - KL(p || q_b)``. The interval tells a difference from the luck of the rows.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_classes)
        The targets p: labels; or distributions or vote counts as an array, a sparse matrix or a
        DataFrame whose column names are the classes. A row of zeros is unlabelled.
    proba_a : array-like of shape (n_samples, n_classes) or (n_samples,)
        Predictions of model a, rows that sum to one; for two classes also the probability of the
        second class alone.
    proba_b : array-like of shape (n_samples, n_classes) or (n_samples,)
        Predictions of model b for the same rows and classes.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows, which multiply their mass in the means.
    labels : array-like of shape (n_classes,), default=None
        The class of each column of the predictions, in that order. None takes their column names
        if they are DataFrames, and otherwise the sorted labels of `y_true` or its columns.
    confidence_level : float, default=0.95
        Level of the interval, between 0 and 1.
    n_resamples : int, default=2000
        Number of bootstrap resamples, at least 2.
    random_state : int, RandomState instance or None, default=None
        Source of the resamples.

    Returns
    -------
    KLComparison
        The difference in nats, its interval and the share of resamples in which a is better.

    Raises
    ------
    ValueError
        In the cases of `cross_entropy_loss`; if a model gives a class with mass the probability
        zero, whose divergence is infinite; if fewer than two rows have mass; if
        `confidence_level` is not between 0 and 1, or `n_resamples` is less than 2.

    See Also
    --------
    kl_divergence : The divergence of one model.

    Notes
    -----
    Rows are resampled with their weights, and the interval is the percentile interval of the
    weighted mean, by :func:`scipy.stats.bootstrap`. It takes the rows as independent: for rows
    that belong together, such as those of one person, it is too narrow. The models are taken as
    they are: how they would differ if trained on other data is not in it. The share is not the p
    value of a test, though a share near 0 or 1 is as telling.

    References
    ----------
    .. [1] B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap", Chapman and Hall,
       1993, chapter 13.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kl.metrics import compare_kl
    >>> votes = np.array([[4, 1], [3, 2], [1, 4], [2, 3], [5, 0], [0, 5]])
    >>> sharp = [[0.8, 0.2], [0.6, 0.4], [0.2, 0.8], [0.4, 0.6], [0.9, 0.1], [0.1, 0.9]]
    >>> prior = np.full((6, 2), 0.5)
    >>> result = compare_kl(votes, sharp, prior, random_state=0)
    >>> round(result.difference, 3), result.share_a_better
    (-0.267, 1.0)
    >>> low, high = result.confidence_interval
    >>> low < result.difference < high < 0
    True
    """
    check_number(confidence_level, "confidence_level", "between 0 and 1", low=0, high=1)
    # A single resample has no standard deviation.
    check_whole(n_resamples, "n_resamples", least=2)
    rng = check_seed(random_state)
    rows_a, weight = _divergences(y_true, proba_a, labels, sample_weight, "proba_a")
    rows_b, _ = _divergences(y_true, proba_b, labels, sample_weight, "proba_b")
    if len(weight) < 2:
        raise ValueError(
            "Only one row of y_true has mass, and a bootstrap needs at least two: judge the models "
            "on more rows."
        )
    difference = rows_a - rows_b
    resampled = _resample(difference * weight, weight, confidence_level, n_resamples, rng)
    means, (low, high) = resampled
    return KLComparison(
        difference=float(weight @ difference),
        confidence_interval=(float(low), float(high)),
        confidence_level=float(confidence_level),
        standard_error=float(means.std(ddof=1)),
        share_a_better=float(np.mean(means < 0) + 0.5 * np.mean(means == 0)),
        kl_a=float(weight @ rows_a),
        kl_b=float(weight @ rows_b),
        n_samples=len(weight),
    )


def _divergences(y_true, y_proba, labels, sample_weight, name):
    """Return the KL divergence of every row with mass, and the weights of these rows."""
    try:
        p, q, weight, kept = weighted_pair(y_true, y_proba, labels, sample_weight)
    except ValueError as error:
        raise ValueError(f"{name} cannot be judged by y_true. {error}") from error
    rows = simplex.kl_divergence(p, q)
    if np.isinf(rows).any():
        row = np.flatnonzero(kept)[np.argmax(np.isinf(rows))]
        raise ValueError(
            f"{name} gives probability zero to a class that has mass in row {row}: its KL "
            "divergence is infinite, and no interval tells by how much. Use a model without zero "
            "probabilities, or compare js_divergence."
        )
    return rows, weight


def _resample(products, weight, confidence_level, n_resamples, rng):
    """Bootstrap the ratio of two sums over rows.

    Returns
    -------
    means : ndarray of shape (n_resamples,)
    interval : tuple of (float, float)
    """
    result = bootstrap(
        (products, weight),
        _ratio_of_sums,
        paired=True,
        vectorized=True,
        n_resamples=n_resamples,
        batch=max(1, _BATCH_SIZE // len(weight)),
        confidence_level=confidence_level,
        method="percentile",
        random_state=rng,
    )
    return result.bootstrap_distribution, result.confidence_interval


def _ratio_of_sums(products, weight, axis=-1):
    return products.sum(axis=axis) / weight.sum(axis=axis)
