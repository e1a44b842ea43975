"""Vote counts drawn from a known distribution of the classes."""

from numbers import Integral, Real

import numpy as np
from scipy.special import softmax
from sklearn.utils import check_random_state, check_scalar


def make_soft_classification(
    n_samples=100,
    n_features=5,
    n_classes=3,
    *,
    n_votes=10,
    class_sep=1.0,
    weights=None,
    random_state=None,
):
    """Draw features, vote counts and the distribution that the votes were drawn from.

    A softmax-linear model, so that the model of :class:`sklearn_kl.KLClassifier` is true::

        x ~ N(0, I),  q(x) = softmax(W x + log weights),  y ~ Multinomial(n_votes, q(x))

    where the entries of W are normal with the variance ``class_sep ** 2 / n_features``. The
    entropy of q is what no model can remove from the cross-entropy.

    Parameters
    ----------
    n_samples : int, default=100
        Number of rows.
    n_features : int, default=5
        Number of features.
    n_classes : int, default=3
        Number of classes, at least 2.
    n_votes : int or array-like of shape (n_samples,), default=10
        Votes of every row. 1 gives one-hot rows, 0 an unlabelled row.
    class_sep : float, default=1.0
        Standard deviation of the logits. 0 makes the features useless; with 10 nearly every row
        has one clear class.
    weights : array-like of shape (n_classes,), default=None
        Shares of the classes at ``x = 0``, up to a factor; None makes them equal.
    random_state : int, RandomState instance or None, default=None
        Pass an int for the same data in every call.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        Features.
    y : ndarray of shape (n_samples, n_classes) of int
        Vote counts.
    q : ndarray of shape (n_samples, n_classes)
        The true q(y|x); its rows sum to 1.

    Raises
    ------
    ValueError
        For sizes, votes, a separation or weights out of range.

    Examples
    --------
    >>> from sklearn_kl.datasets import make_soft_classification
    >>> X, y, q = make_soft_classification(n_samples=500, n_votes=20, random_state=0)
    >>> X.shape, y.shape, q.shape
    ((500, 5), (500, 3), (500, 3))
    >>> bool(abs(y / 20 - q).mean() < 0.1)
    True
    """
    check_scalar(n_samples, "n_samples", Integral, min_val=1)
    check_scalar(n_features, "n_features", Integral, min_val=1)
    check_scalar(n_classes, "n_classes", Integral, min_val=2)
    check_scalar(class_sep, "class_sep", Real, min_val=0, max_val=np.inf, include_boundaries="left")
    votes = _check_votes(n_votes, n_samples)
    log_weights = _check_weights(weights, n_classes)
    rng = check_random_state(random_state)
    X = rng.standard_normal((n_samples, n_features))
    coef = rng.standard_normal((n_classes, n_features)) * (class_sep / np.sqrt(n_features))
    q = softmax(X @ coef.T + log_weights, axis=1)
    return X, _draw_counts(votes, q, rng), q


def _check_votes(n_votes, n_samples):
    """Return the votes of every row as integers."""
    votes = np.asarray(n_votes)
    if votes.dtype.kind not in "iu" or votes.ndim > 1 or (votes < 0).any():
        raise ValueError(
            f"n_votes must be an integer or one integer per row, none negative, got {n_votes!r}."
        )
    if votes.ndim == 1 and len(votes) != n_samples:
        raise ValueError(
            f"n_votes has {len(votes)} entries, but n_samples is {n_samples}: give one integer "
            "per row, or one for all."
        )
    return np.broadcast_to(votes, n_samples)


def _check_weights(weights, n_classes):
    """Return the logarithms of the weights."""
    if weights is None:
        return np.zeros(n_classes)
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != (n_classes,) or not (np.isfinite(weights) & (weights > 0)).all():
        raise ValueError(
            f"weights must be n_classes={n_classes} finite numbers greater than 0, got "
            f"{weights.tolist()!r}."
        )
    return np.log(weights)


def _draw_counts(votes, q, rng):
    """Draw a multinomial count for every row, class by class.

    Each class takes a binomial share of the votes that the classes before it left over. Unlike
    ``RandomState.multinomial`` this takes another q and number of votes for every row.
    """
    counts = np.empty(q.shape, dtype=np.int64)
    left = votes.astype(np.int64)
    # Sums from the end, so that the last class has exactly all of what is left.
    tails = np.cumsum(q[:, ::-1], axis=1)[:, ::-1]
    for k in range(q.shape[1]):
        share = np.divide(q[:, k], tails[:, k], out=np.zeros(len(q)), where=tails[:, k] > 0)
        counts[:, k] = rng.binomial(left, share)
        left = left - counts[:, k]
    return counts
