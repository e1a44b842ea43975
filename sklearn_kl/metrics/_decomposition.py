"""Where a cross-entropy comes from: entropy, grouping and calibration; classes and rows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import xlogy

from sklearn_kl._data import simplex
from sklearn_kl._data.counts import class_vote_noise, votes_per_row
from sklearn_kl._data.encode import encode_targets
from sklearn_kl._numbers import check_whole
from sklearn_kl._typing import MatrixLike
from sklearn_kl.metrics._pairs import weighted_pair

# What a cross-entropy is the sum of, in the order in which displays stack it.
TERMS = ("entropy", "grouping", "calibration", "within_bin")
# Predictions closer than this are the same: rounding must not decide on the bin of a row.
_SAME = 1e-12
_SMALLEST = np.nextafter(0.0, 1.0)


@dataclass(frozen=True)
class KLDecomposition:
    """Cross-entropy of predictions, split into terms that sum to it.

    ``cross_entropy = entropy + grouping + calibration + within_bin``; all are in nats, means over
    rows that weigh their mass.

    Parameters
    ----------
    cross_entropy : float
        Mean cross-entropy of the targets under the predictions.
    entropy : float
        Mean entropy of the targets given: no prediction of these targets loses less. That of votes
        is less than that of the distributions that they were drawn from; 0 for labels.
    grouping : float
        What is lost because rows with different targets get the same prediction; not negative. No
        recalibration changes it. A better model lowers it, but not by what `vote_noise` explains:
        rows with the same truth get different votes.
    calibration : float
        What is lost because a prediction differs from the mean target of the rows that get it; not
        negative. A recalibration of the same model removes it.
    within_bin : float
        What is left because the predictions in a bin differ, of any sign; 0 when they do not and
        for ``method="recalibrated"``.
    uncertainty : float
        Entropy of the mean target.
    method : str
        The estimator.
    n_bins : int or None
        Number of bins, None for ``method="recalibrated"``.
    vote_noise : float or None
        What the grouping would be on average if the calibrated predictions were the truth: it comes
        from the number of votes alone. None where the targets are not counts of votes; for labels,
        one vote a row, it would be all of the refinement.

    See Also
    --------
    kl_decomposition : Makes it.
    kl_to_truth : How far a model is from the truth behind the votes.

    Examples
    --------
    >>> from sklearn_kl.metrics import kl_decomposition
    >>> parts = kl_decomposition(["a", "b"], [[0.5, 0.5], [0.5, 0.5]])
    >>> round(parts.refinement, 3), parts.resolution, parts.calibration
    (0.693, 0.0, 0.0)
    """

    cross_entropy: float
    entropy: float
    grouping: float
    calibration: float
    within_bin: float
    uncertainty: float
    method: str
    n_bins: int | None
    vote_noise: float | None = None

    @property
    def kl_divergence(self) -> float:
        """Mean KL divergence from the targets given, nats: all terms but the entropy."""
        return self.grouping + self.calibration + self.within_bin

    @property
    def refinement(self) -> float:
        """Loss of the calibrated predictions, nats: entropy and grouping."""
        return self.entropy + self.grouping

    @property
    def resolution(self) -> float:
        """What the calibrated predictions know beyond the mean target, nats."""
        return self.uncertainty - self.refinement

    def as_dict(self) -> dict[str, float]:
        """Collect the terms that sum to the cross-entropy.

        Returns
        -------
        dict of str to float
            Entropy, grouping, calibration and within_bin, in nats.
        """
        return {name: getattr(self, name) for name in TERMS}


def kl_decomposition(
    y_true: MatrixLike,
    y_proba: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    method: str = "recalibrated",
    n_bins: int | None = None,
) -> KLDecomposition:
    """Split the cross-entropy into entropy, grouping and calibration, in nats.

    With c(q) the mean target of all rows that get the prediction q::

        mean H(p, q) = mean H(p)  +  mean KL(p || c)  +  mean KL(c || q)
                       entropy       grouping            calibration

    The terms are those of the targets given. For distributions, the entropy tells what annotators
    disagree about from what a model fails to tell apart. For votes, a sample, part of the former is
    in the grouping term, about ``(n_classes - 1) / (2 n)`` nats for n votes a row: `vote_noise` of
    the result says how much, and `entropy_bounds` brackets the entropy of the truth. For labels all
    of it is. Entropy and grouping are the refinement loss, which is the uncertainty (the entropy of
    the mean target) less the resolution.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_classes)
        The targets p: labels; or distributions or vote counts as an array, a sparse matrix or a
        DataFrame whose column names are the classes. A row of zeros is unlabelled.
    y_proba : array-like of shape (n_samples, n_classes) or (n_samples,)
        The predictions q, rows that sum to one; for two classes also the probability of the second
        class alone.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows, which multiply their mass.
    labels : array-like of shape (n_classes,), default=None
        The class of each column of `y_proba`, in that order. None takes the column names of
        `y_proba` if it is a DataFrame, and otherwise the sorted labels of `y_true` or its columns.
    method : {"recalibrated", "binned"}, default="recalibrated"
        How c is estimated; see Notes. Bins are for two or three classes.
    n_bins : int, default=None
        Largest number of bins, for ``method="binned"`` alone. None means 10.

    Returns
    -------
    KLDecomposition
        The terms, which sum to the cross-entropy to rounding. Where a class with mass is predicted
        with probability zero, grouping ("recalibrated") or calibration ("binned") is infinite.

    Raises
    ------
    ValueError
        In the cases of `cross_entropy_loss`; if `method` or `n_bins` is invalid.

    See Also
    --------
    class_kl_contributions : Which classes carry the divergence.

    Notes
    -----
    "recalibrated" takes for c the best member of the family ``softmax(a log q + b)``, with a slope
    a > 0 and an intercept b for each class, fitted to the same rows (for labels, Kull and Flach
    call such maps parametric recalibration). Its bias is about ``K / (2 n)`` nats for n labels of K
    classes: calibration is too large by it and grouping too small. Miscalibration that the family
    cannot repair counts as grouping, a probability of zero for a class with mass among it.

    "binned" groups similar predictions: the bin with the largest sum of squares about its mean is
    split at the mean of the class that varies most, until there are `n_bins`; equal predictions
    stay together, and the targets are not looked at. c is the mean target of a bin, and the
    calibration term compares it with the bin's mean prediction; `within_bin` is what the spread of
    the predictions in a bin adds (Stephenson et al. 2008, for the Brier score), so that the sum is
    exact. With few rows in a bin, c follows their noise: for n labels and K classes, calibration
    is too large and grouping too small by about ``n_bins (K - 1) / (2 n)`` nats. What differs
    inside of bins is taken for grouping, and with more than a few classes that is most of what a
    model knows. Of 2,000 distributions of K classes and a model that is overconfident:

    ===  ====================  ======================  ===================================
    K    truth: grouping,      "recalibrated":         "binned": grouping, calibration,
         calibration           grouping, calibration   within_bin
    ===  ====================  ======================  ===================================
    2    0.061, 0.087          0.064, 0.084            0.072, 0.079, -0.002
    5    0.119, 0.164          0.123, 0.160            0.283, 0.091, -0.091
    10   0.170, 0.223          0.163, 0.231            0.521, 0.080, -0.208
    ===  ====================  ======================  ===================================

    Distributions have less noise than labels.

    References
    ----------
    .. [1] J. Broecker, "Reliability, sufficiency, and the decomposition of proper scores",
       Quarterly Journal of the Royal Meteorological Society 135, 2009. :doi:`10.1002/qj.456`
    .. [2] M. Kull and P. Flach, "Novel Decompositions of Proper Scoring Rules for Classification",
       ECML PKDD, 2015. :doi:`10.1007/978-3-319-23528-8_5`
    .. [3] D. B. Stephenson, C. A. S. Coelho and I. T. Jolliffe, "Two Extra Components in the Brier
       Score Decomposition", Weather and Forecasting 23, 2008. :doi:`10.1175/2007WAF2006116.1`

    Examples
    --------
    Two annotators, a model that tells two kinds of rows apart and is overconfident:

    >>> from sklearn_kl.metrics import kl_decomposition
    >>> votes = [[2, 0], [1, 1], [1, 1], [0, 2]]
    >>> proba = [[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.1, 0.9]]
    >>> parts = kl_decomposition(votes, proba)
    >>> {name: round(value, 3) for name, value in parts.as_dict().items()}
    {'entropy': 0.347, 'grouping': 0.216, 'calibration': 0.092, 'within_bin': 0.0}
    >>> round(parts.cross_entropy, 3)
    0.655
    """
    if method not in ("binned", "recalibrated"):
        raise ValueError(f'method must be "binned" or "recalibrated", got {method!r}.')
    n_bins = _check_n_bins(n_bins, method)
    p, q, weight, kept = weighted_pair(y_true, y_proba, labels, sample_weight)
    if method == "binned":
        terms, calibrated = _binned_terms(p, q, weight, n_bins)
    else:
        terms, calibrated = _recalibrated_terms(p, q, weight)
    n_votes = votes_per_row(encode_targets(y_true))
    noise = None
    if n_votes is not None:
        noise = _mean(class_vote_noise(n_votes[kept], calibrated).sum(axis=1), weight)
    return KLDecomposition(
        cross_entropy=_mean(simplex.cross_entropy(p, q), weight),
        entropy=_mean(simplex.entropy(p), weight),
        uncertainty=float(simplex.entropy(weight @ p)),
        method=method,
        vote_noise=noise,
        **terms,
    )


def _check_n_bins(n_bins, method):
    """Return the largest number of bins."""
    if n_bins is None:
        return 10
    check_whole(n_bins, "n_bins")
    if method != "binned":
        raise ValueError(
            f'n_bins={n_bins} has no effect with method={method!r}: set method="binned", or leave '
            "n_bins=None."
        )
    return n_bins


def class_kl_contributions(
    y_true: MatrixLike,
    y_proba: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    per_sample: bool = False,
) -> NDArray:
    """Share of every class in the KL divergence, ``p_k log(p_k / q_k) - p_k + q_k``, in nats.

    No contribution is negative, each is 0 only where the class is predicted exactly, and they sum
    to the KL divergence. A class contributes whether it is predicted too rarely or too often.

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
        Whether to return the contributions of every row instead of their mean.

    Returns
    -------
    ndarray of shape (n_classes,) or (n_samples, n_classes)
        The mean over rows, each weighing its mass times `sample_weight`, in the order of the
        columns of `y_proba`; or the contributions in every row, nan where it weighs nothing. The
        sum over classes is `kl_divergence`, as exactly as the rows of `y_proba` sum to one.
        Infinite where a class with mass is predicted with probability zero.

    Raises
    ------
    ValueError
        In the cases of `cross_entropy_loss`.

    See Also
    --------
    kl_divergence : The sum of the contributions.

    Notes
    -----
    The bare terms ``p_k log(p_k / q_k)`` have the same sum, but are negative for a class that is
    predicted too often, however wrong that is; the terms ``q_k - p_k`` that mend this sum to zero.

    References
    ----------
    .. [1] I. Csiszar, "Why Least Squares and Maximum Entropy? An Axiomatic Approach to Inference
       for Linear Inverse Problems", Annals of Statistics 19(4), 1991.

    Examples
    --------
    >>> from sklearn_kl.metrics import class_kl_contributions
    >>> class_kl_contributions([[0.5, 0.5, 0.0]], [[0.5, 0.25, 0.25]]).round(4)
    array([0.    , 0.0966, 0.25  ])
    """
    p, q, weight, kept = weighted_pair(y_true, y_proba, labels, sample_weight)
    terms = simplex.kl_terms(p, q)
    if per_sample:
        rows = np.full((len(kept), p.shape[1]), np.nan)
        rows[kept] = terms
        return rows
    return np.array([_mean(column, weight) for column in terms.T])


def split_bins(q: NDArray, weight: NDArray, n_bins: int) -> list[NDArray]:
    """Group similar rows of a matrix.

    Parameters
    ----------
    q : ndarray of shape (n_rows, n_classes)
    weight : ndarray of shape (n_rows,)
    n_bins : int

    Returns
    -------
    list of ndarray
        Indices of the rows of every bin, at most `n_bins`; equal rows are in the same bin.
    """
    bins = [np.arange(len(q))]
    spreads = [_spread(q, weight, bins[0])]
    while len(bins) < n_bins:
        widest = _first_largest([spread.sum() for spread in spreads])
        if spreads[widest].sum() == 0:
            break
        rows, column = bins[widest], _first_largest(spreads[widest])
        low = _lower_side(q[rows, column], weight[rows])
        halves = [rows[low], rows[~low]]
        bins[widest : widest + 1] = halves
        spreads[widest : widest + 1] = [_spread(q, weight, half) for half in halves]
    return bins


def _spread(q, weight, rows):
    """Weighted sum of squares about the mean of every column, 0 for one that does not vary."""
    values, share = q[rows], weight[rows]
    centred = values - share @ values / share.sum()
    return np.where(np.ptp(values, axis=0) > _SAME, share @ centred**2, 0.0)


def _first_largest(values):
    """Position of the largest value; of the first, if they tie up to rounding."""
    values = np.asarray(values)
    return int(np.argmax(values >= values.max() * (1 - 1e-9)))


def _lower_side(values, weight):
    """Say which values are at most their weighted mean."""
    mean = weight @ values / weight.sum()
    # The largest value stays above where rounding or a tiny weight brings the mean to it.
    return values <= min(mean, values.max() - _SAME) + 0.5 * _SAME


def _binned_terms(p, q, weight, n_bins):
    """Terms with the mean target of a bin as the calibrated prediction, and these predictions."""
    bins = split_bins(q, weight, n_bins)
    grouping = calibration = within = 0.0
    calibrated = np.empty_like(p)
    for rows in bins:
        share = weight[rows]
        total = share.sum()
        mean_p, mean_q = _mean_row(p[rows], share), _mean_row(q[rows], share)
        calibrated[rows] = mean_p
        grouping += share @ simplex.kl_divergence(p[rows], mean_p)
        calibration += total * _log_ratio(mean_p, mean_p, mean_q)
        within += _mean(_log_ratio(p[rows], mean_q, q[rows]), share)
    terms = {
        "grouping": _mend_rounding(grouping),
        "calibration": _mend_rounding(calibration),
        "within_bin": float(within),
        "n_bins": len(bins),
    }
    return terms, calibrated


def _mean_row(rows, share):
    """Weighted mean of rows of probabilities."""
    mean = (share / share.sum()) @ rows
    return _keep_positive(mean, rows.any(axis=0))


def _keep_positive(values, positive):
    """Return the values with the smallest positive number where underflow made them zero.

    An underflow would make a term infinite of which the others know nothing. By how much such a
    number is off does not matter to their sum, in which it cancels.
    """
    return np.where(positive, np.maximum(values, _SMALLEST), values)


def _mend_rounding(value):
    """Return a mean of divergences, which rounding must not make negative."""
    # Where the rows of q exceed one by rounding in float32, the term is truly that much below zero.
    return max(float(value), 0.0) if value > -_SAME else float(value)


def _log_ratio(p, numerator, denominator):
    """Return ``sum_k p_k log(numerator_k / denominator_k)``, 0 where both are 0."""
    known = np.broadcast_to(numerator > 0, p.shape)
    strength = np.where(known, p, 0.0)
    return (xlogy(strength, numerator) - xlogy(strength, denominator)).sum(axis=-1)


def _recalibrated_terms(p, q, weight):
    """Terms with ``softmax(a log q + b)``, fitted, as calibrated predictions, and these."""
    terms = {"calibration": 0.0, "within_bin": 0.0, "n_bins": None}
    if np.isinf(simplex.cross_entropy(p, q)).any():
        # No member of the family is finite, so that recalibration changes nothing.
        return {"grouping": np.inf, **terms}, q
    recalibrated = _recalibrate(p, q, weight)
    grouping = _mean(simplex.kl_divergence(p, recalibrated), weight)
    calibration = _mean(_log_ratio(p, recalibrated, q), weight)
    terms |= {"grouping": _mend_rounding(grouping), "calibration": _mend_rounding(calibration)}
    return terms, recalibrated


def _recalibrate(p, q, weight):
    """Return the ``softmax(a log q + b)`` of least cross-entropy.

    The slope is ``a = exp(s)``; the problem is convex in a and b, and starts at the predictions
    themselves, so that the result is never worse than they are.
    """
    with np.errstate(divide="ignore"):
        logits = np.log(q)
    finite = np.where(q > 0, logits, 0.0)
    target_mean = weight @ p

    def log_proba(theta):
        # A slope of zero times the minus infinity of a class that was ruled out would be nan.
        return simplex.log_softmax(np.where(q > 0, np.exp(theta[0]) * finite + theta[1:], -np.inf))

    def loss(theta):
        log_q = log_proba(theta)
        fitted = np.exp(log_q)
        value = -weight @ (p * np.where(q > 0, log_q, 0.0)).sum(axis=1)
        slope = weight @ ((fitted - p) * finite).sum(axis=1)
        return value, np.concatenate([[np.exp(theta[0]) * slope], weight @ fitted - target_mean])

    start = np.zeros(1 + p.shape[1])
    bounds = [(-10.0, 10.0)] + [(-50.0, 50.0)] * p.shape[1]
    # Its own tolerance of the loss would end the search long before the gradient is small.
    options = {"gtol": 1e-9, "ftol": 1e-15}
    result = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    best = result.x if result.fun <= loss(start)[0] else start
    return _keep_positive(np.exp(log_proba(best)), q > 0)


def _mean(values, weight):
    """Weighted sum that stays infinite where a weight underflows."""
    return np.inf if np.isinf(values).any() else float(weight @ values)
