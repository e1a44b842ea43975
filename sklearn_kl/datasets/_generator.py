"""Vote counts drawn from a known distribution of the classes."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax

from sklearn_kl._numbers import check_number, check_seed, check_whole

# The logits of a larger separation overflow, and with this one every row has one clear class.
_LARGEST_SEPARATION = 1e100


def make_soft_classification(
    n_samples: int = 100,
    n_features: int = 5,
    n_classes: int = 3,
    *,
    n_votes: ArrayLike = 10,
    class_sep: float = 1.0,
    weights: ArrayLike | None = None,
    random_state: Any = None,
) -> tuple[NDArray, NDArray, NDArray]:
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
        For sizes, votes, a separation, weights or a seed out of range or that are no numbers.

    Examples
    --------
    >>> from sklearn_kl.datasets import make_soft_classification
    >>> X, y, q = make_soft_classification(n_samples=500, n_votes=20, random_state=0)
    >>> X.shape, y.shape, q.shape
    ((500, 5), (500, 3), (500, 3))
    >>> bool(abs(y / 20 - q).mean() < 0.1)
    True
    """
    check_whole(n_samples, "n_samples")
    check_whole(n_features, "n_features")
    check_whole(n_classes, "n_classes", least=2)
    class_sep = check_number(class_sep, "class_sep", "finite and at least 0", low=0, closed="low")
    class_sep = min(class_sep, _LARGEST_SEPARATION)
    votes = _check_votes(n_votes, n_samples)
    log_weights = _check_weights(weights, n_classes)
    rng = check_seed(random_state)
    X = rng.standard_normal((n_samples, n_features))
    coef = rng.standard_normal((n_classes, n_features)) * (class_sep / np.sqrt(n_features))
    q = softmax(X @ coef.T + log_weights, axis=1)
    return X, _draw_counts(votes, q, rng), q


def _check_votes(n_votes, n_samples):
    """Return the votes of every row as integers."""
    votes = np.asarray(n_votes)
    counts = votes.dtype.kind in "iu" and votes.ndim <= 1
    if not counts or (votes < 0).any() or (votes > np.iinfo(np.int64).max).any():
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
    wanted = f"weights must be n_classes={n_classes} finite numbers greater than 0"
    try:
        numbers = np.asarray(weights, dtype=np.float64)
    except (OverflowError, TypeError, ValueError) as error:
        raise ValueError(f"{wanted}, got {weights!r}.") from error
    if numbers.shape != (n_classes,) or not (np.isfinite(numbers) & (numbers > 0)).all():
        raise ValueError(f"{wanted}, got {numbers.tolist()!r}.")
    return np.log(numbers)


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
