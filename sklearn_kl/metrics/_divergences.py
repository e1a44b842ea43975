"""Entropies, divergences and the share of a divergence that a model removes."""

from typing import Any

from numpy.typing import ArrayLike

from sklearn_kl._data import simplex
from sklearn_kl._data.encode import encode_targets
from sklearn_kl._typing import MatrixLike
from sklearn_kl.metrics._pairs import (
    check_pair,
    evaluate,
    explained_divergence,
    row_entropy,
    summarise,
)


def cross_entropy_loss(
    y_true: MatrixLike,
    y_proba: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    base: float | None = None,
    per_sample: bool = False,
) -> Any:
    """Cross-entropy ``H(p, q) = -sum_k p_k log q_k`` of the predictions, in nats.

    The smaller the better; its least value is the entropy of the targets given, 0 for labels. For
    labels it is the log loss, without scikit-learn's clipping. On votes that a model was not fitted
    to it is on average the cross-entropy of the truth behind them, however few the votes are.

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
        They are not sorted, whereas scikit-learn's `log_loss` sorts the labels it is given.
    base : float, default=None
        Base of the logarithm, such as 2 for bits. None is e, for nats.
    per_sample : bool, default=False
        Whether to return the value of every row instead of their mean. `sample_weight` does not
        change these values.

    Returns
    -------
    float or ndarray of shape (n_samples,)
        The mean over rows, each weighing its mass (1 for a label, the sum of a matrix's row) times
        `sample_weight`, so that counts equal repeated labels; or the value of every row, nan where
        it is unlabelled. Infinite where a class with mass is predicted with probability zero.

    Raises
    ------
    ValueError
        If `y_proba` holds negative or missing numbers, or its rows do not sum to one within what
        rounding in float32 does to so many classes (1.9e-6 up to 16 classes, 1.2e-4 for 1,000), or
        in float16 if it is that; if the classes of `y_true` and the columns of `y_proba` do not
        match; if the total mass is zero; if `base` is not greater than 1.

    See Also
    --------
    kl_divergence : The cross-entropy less the entropy of the targets.

    Notes
    -----
    Nothing is clipped or renormalised. ``cross_entropy_loss - entropy`` equals `kl_divergence` to
    rounding on every input.

    References
    ----------
    .. [1] T. M. Cover and J. A. Thomas, "Elements of Information Theory", 2nd edition, Wiley, 2006,
       chapter 2.

    Examples
    --------
    >>> from sklearn_kl.metrics import cross_entropy_loss
    >>> cross_entropy_loss(["cat", "dog"], [[0.5, 0.5], [0.75, 0.25]], base=2)
    1.5

    Votes of annotators: three for "cat", one for "dog".

    >>> votes = [[3, 1]]
    >>> round(cross_entropy_loss(votes, [[0.75, 0.25]]), 6)
    0.562335
    """
    pair = check_pair(y_true, y_proba, labels, sample_weight)
    return evaluate(simplex.cross_entropy, pair, base, per_sample)


def kl_divergence(
    y_true: MatrixLike,
    y_proba: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    base: float | None = None,
    per_sample: bool = False,
) -> Any:
    """Kullback-Leibler divergence ``KL(p || q) = sum_k p_k log(p_k / q_k)``, in nats.

    The smaller the better; 0 where the predictions q equal the targets p. It is the cross-entropy
    less the entropy of the targets given.

    It is the distance from these targets. Where they are votes, a sample, it also holds what the
    number of votes explains (`vote_noise`): about ``(n_classes - 1) / (2 n)`` nats for n votes a
    row, which no model can learn. How far a model is from the truth behind the votes is the
    question of `kl_to_truth`; differences between models are not affected.

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
    base : float, default=None
        Base of the logarithm, such as 2 for bits. None is e, for nats.
    per_sample : bool, default=False
        Whether to return the value of every row instead of their mean. `sample_weight` does not
        change these values.

    Returns
    -------
    float or ndarray of shape (n_samples,)
        The mean over rows, each weighing its mass times `sample_weight`; or the value of every
        row, nan where it is unlabelled. Infinite where a class with mass is predicted with
        probability zero.

    Raises
    ------
    ValueError
        In the cases of `cross_entropy_loss`.

    See Also
    --------
    kl_to_truth : How far a model is from the truth that votes were drawn from.
    js_divergence : A symmetric and finite divergence.
    d2_kl_score : The divergence relative to that of the class prior.

    References
    ----------
    .. [1] S. Kullback and R. A. Leibler, "On Information and Sufficiency", Annals of Mathematical
       Statistics 22(1), 1951.

    Examples
    --------
    >>> from sklearn_kl.metrics import kl_divergence
    >>> kl_divergence([[0.5, 0.5]], [[0.5, 0.5]])
    0.0
    >>> kl_divergence([[1, 1], [4, 0]], [[0.25, 0.75], [0.5, 0.5]], base=2, per_sample=True)
    array([0.20751875, 1.        ])
    """
    pair = check_pair(y_true, y_proba, labels, sample_weight)
    return evaluate(simplex.kl_divergence, pair, base, per_sample)


def js_divergence(
    y_true: MatrixLike,
    y_proba: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    base: float | None = None,
    per_sample: bool = False,
) -> Any:
    """Jensen-Shannon divergence of targets and predictions, in nats.

    The smaller the better: 0 where the predictions q equal the targets p, and never more than
    ``log 2``. It is the mean of ``KL(p || m)`` and ``KL(q || m)`` with ``m = (p + q) / 2``.

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
    base : float, default=None
        Base of the logarithm, such as 2 for bits. None is e, for nats.
    per_sample : bool, default=False
        Whether to return the value of every row instead of their mean. `sample_weight` does not
        change these values.

    Returns
    -------
    float or ndarray of shape (n_samples,)
        The mean over rows, each weighing its mass times `sample_weight`; or the value of every
        row, nan where it is unlabelled. Its square root is the Jensen-Shannon distance.

    Raises
    ------
    ValueError
        In the cases of `cross_entropy_loss`.

    See Also
    --------
    kl_divergence : The divergence that maximum likelihood minimises.

    References
    ----------
    .. [1] J. Lin, "Divergence Measures Based on the Shannon Entropy", IEEE Transactions on
       Information Theory 37(1), 1991.

    Examples
    --------
    >>> from sklearn_kl.metrics import js_divergence
    >>> js_divergence([[1, 0], [0.5, 0.5]], [[0, 1], [0.5, 0.5]], base=2, per_sample=True)
    array([1., 0.])
    """
    pair = check_pair(y_true, y_proba, labels, sample_weight)
    return evaluate(simplex.js_divergence, pair, base, per_sample)


def entropy(
    y_true: MatrixLike,
    *,
    sample_weight: ArrayLike | None = None,
    base: float | None = None,
    per_sample: bool = False,
) -> Any:
    """Entropy ``H(p) = -sum_k p_k log p_k`` of the targets, in nats.

    The mean disagreement inside the rows: 0 for labels, and the least cross-entropy with these
    targets that any prediction can reach. That of votes, a sample, is less than that of the
    distributions which they were drawn from: `entropy_bounds` brackets the latter.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_classes)
        The targets p: labels; or distributions or vote counts as an array, a sparse matrix or a
        DataFrame. A row of zeros is unlabelled.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows, which multiply their mass in the mean.
    base : float, default=None
        Base of the logarithm, such as 2 for bits. None is e, for nats.
    per_sample : bool, default=False
        Whether to return the value of every row instead of their mean. `sample_weight` does not
        change these values.

    Returns
    -------
    float or ndarray of shape (n_samples,)
        The mean over rows, each weighing its mass times `sample_weight`; or the value of every
        row, nan where it is unlabelled.

    Raises
    ------
    ValueError
        If `y_true` holds negative or missing numbers, if the total mass is zero, or if `base` is
        not greater than 1.

    See Also
    --------
    cross_entropy_loss : The sum of this entropy and `kl_divergence`.

    References
    ----------
    .. [1] C. E. Shannon, "A Mathematical Theory of Communication", Bell System Technical Journal
       27(3), 1948.

    Examples
    --------
    >>> from sklearn_kl.metrics import entropy
    >>> votes = [[2, 2], [4, 0]]
    >>> entropy(votes, base=2)
    0.5
    """
    targets = encode_targets(y_true, sample_weight=sample_weight, name="y_true")
    return summarise(row_entropy(targets), targets.mass, base, per_sample)


def d2_kl_score(
    y_true: MatrixLike,
    y_proba: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    labels: ArrayLike | None = None,
) -> float:
    """Share of the KL divergence of the class-prior prediction that the predictions remove.

    ``D2 = 1 - KL(p || q) / KL(p || prior)``, where the prior is the mean of the targets given,
    rows weighing their mass times `sample_weight`. The greater the better: 1 is perfect, 0 is no
    better than predicting the prior for every row, and a negative score is worse than that.

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

    Returns
    -------
    float
        At most 1; minus infinity where a class with mass is predicted with probability zero.

    Raises
    ------
    ValueError
        In the cases of `cross_entropy_loss`.

    See Also
    --------
    kl_divergence : The divergence itself.
    kl_to_truth : Bounds of this share for the truth behind votes.

    Notes
    -----
    Both divergences are from the targets given. Where these are votes, both hold what the number of
    votes explains, about the same for both: the truth itself scores below 1, and the fewer votes,
    the lower. Models are ranked all the same as by the divergences from the truth, since the ratio
    falls with both; the share of these is bounded by the `d2` of `kl_to_truth`.

    For labels the score is scikit-learn's `d2_log_loss_score`, without its clipping. Where all
    rows have the same target the prior is perfect (its divergence is below 1e-12 nats, the
    rounding of a mean): predictions that are perfect too score 1.0, all others minus infinity.

    References
    ----------
    .. [1] A. C. Cameron and F. A. G. Windmeijer, "An R-squared measure of goodness of fit for some
       common nonlinear regression models", Journal of Econometrics 77(2), 1997.

    Examples
    --------
    >>> from sklearn_kl.metrics import d2_kl_score
    >>> votes = [[3, 1], [1, 3]]
    >>> d2_kl_score(votes, [[0.75, 0.25], [0.25, 0.75]])
    1.0
    >>> round(d2_kl_score(votes, [[0.7, 0.3], [0.3, 0.7]]), 3)
    0.953
    """
    return explained_divergence(*check_pair(y_true, y_proba, labels, sample_weight))
