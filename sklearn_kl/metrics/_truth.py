"""KL divergence from the distributions that votes were drawn from, not from the votes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sklearn_kl._data import simplex
from sklearn_kl._typing import MatrixLike
from sklearn_kl.metrics._entropy_bounds import MeanWithError, entropy_rows, ordered
from sklearn_kl.metrics._pairs import check_pair, mean_divergence, row_values
from sklearn_kl.metrics._vote_noise import vote_noise
from sklearn_kl.metrics._votes import Votes, check_confidence, check_groups, lay_out

# Divergences below this, in nats, cannot be told from rounding.
_NO_DIVERGENCE = 1e-12


@dataclass(frozen=True)
class KLToTruth:
    """How far a model is from the distributions that votes were drawn from.

    Parameters
    ----------
    low : float
        Estimated lower bound of the mean KL divergence from the truth, nats.
    high : float or None
        Estimated upper bound, nats; None where no row has two votes, which cannot bound it.
    interval : tuple of (float, float or None)
        Holds the divergence with the given confidence: the bounds and the error of their estimates.
    confidence : float
        The level of the interval.
    plug_in : float
        Mean KL divergence from the votes themselves, nats: too large on average.
    vote_noise : float
        What `plug_in` would be on average if the model were the truth, nats.
    cross_entropy : float
        Mean cross-entropy of the votes, nats: on average that of the truth.
    d2 : tuple of (float, float) or None
        Estimated bounds of the share of the divergence of the class prior from the truth that the
        model removes: `d2_kl_score` without the noise. None where the prior may be the truth.
    n_samples : int
        Number of rows with mass.

    See Also
    --------
    kl_to_truth : Makes it.

    Examples
    --------
    >>> from sklearn_kl.metrics import kl_to_truth
    >>> print(kl_to_truth(["a", "b", "b", "b"], [0.75, 0.75, 0.75, 0.75]))
    KL to the truth: at least 0.000 nats (95%: 0.000); one vote a row cannot bound it from above;
    to the votes 0.562, where their number alone explains 0.562.
    """

    low: float
    high: float | None
    interval: tuple[float, float | None]
    confidence: float
    plug_in: float
    vote_noise: float
    cross_entropy: float
    d2: tuple[float, float] | None
    n_samples: int

    def __str__(self) -> str:
        """Say it in one line."""
        level = f"{self.confidence:.0%}"
        if self.high is None:
            truth = (
                f"at least {self.low:.3f} nats ({level}: {self.interval[0]:.3f}); one vote a row "
                "cannot bound it from above"
            )
        else:
            truth = (
                f"{self.low:.3f} to {self.high:.3f} nats ({level}: {self.interval[0]:.3f} to "
                f"{self.interval[1]:.3f})"
            )
        return (
            f"KL to the truth: {truth}; to the votes {self.plug_in:.3f}, where their number alone "
            f"explains {self.vote_noise:.3f}."
        )


def kl_to_truth(
    votes: MatrixLike,
    y_proba: ArrayLike,
    *,
    challenger: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    confidence: float = 0.95,
    groups: ArrayLike | None = None,
) -> KLToTruth:
    """Bound the mean KL divergence of a model from the truth behind votes, in nats.

    The truth is the distribution p that the votes of a row are drawn from. The KL divergence from
    the votes themselves also holds their noise (`vote_noise`), which says nothing about the model:
    it falls with the number of votes. The cross-entropy does not, so ``E KL(p || q)`` is the
    cross-entropy less the entropy of p, which `entropy_bounds` brackets.

    Parameters
    ----------
    votes : array-like of shape (n_samples, n_classes) or (n_samples,)
        Counts of votes that the model was not fitted to: whole numbers as an array, a sparse matrix
        or a DataFrame whose column names are the classes; or labels, one vote a row. A row of zeros
        counts for nothing.
    y_proba : array-like of shape (n_samples, n_classes) or (n_samples,)
        The predictions q, rows that sum to one; for two classes also the probability of the second
        class alone.
    challenger : array-like of shape (n_samples, n_classes) or (n_samples,), default=None
        Predictions h of another model, which was not fitted to the same rows either, such as those
        of `cross_val_predict`: by how much it is better is a lower bound, since
        ``E_p log(h / q) = KL(p || q) - KL(p || h)``. The better the challenger, the closer the
        bound.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows, which multiply their mass, the number of votes, in the mean.
    labels : array-like of shape (n_classes,), default=None
        The class of each column of the predictions, as for `cross_entropy_loss`.
    confidence : float, default=0.95
        Level of the interval.
    groups : array-like of shape (n_samples,), default=None
        Rows that belong together have the same value. None takes the rows as independent.

    Returns
    -------
    KLToTruth
        The bounds, the interval, and the divergence from the votes with what their number alone
        explains.

    Raises
    ------
    ValueError
        In the cases of `entropy_bounds` and `cross_entropy_loss`, for `challenger` too.

    See Also
    --------
    kl_divergence : The divergence from the votes themselves.
    entropy_bounds : What is known of the entropy without a model.
    compare_kl : The difference of two models, in which the entropy cancels.

    Notes
    -----
    The lower bound is the larger of the cross-entropy less the upper bound of the entropy, the gain
    of the challenger, and 0; each of the first two has half of the error probability of the lower
    end. Where a vote falls on a class with probability zero, the divergence from the truth is
    infinite, and so are all ends. Where a class with probability zero has no vote, the bounds take
    it for impossible. A very small probability with no vote makes the cross-entropy look better
    than it is, as it does in every mean over few rows.

    On the votes that a model was fitted to, the cross-entropy is too small, and so are the bounds.

    References
    ----------
    .. [1] L. Paninski, "Estimation of Entropy and Mutual Information", Neural Computation 15(6),
       2003. :doi:`10.1162/089976603321780272`

    Examples
    --------
    Three votes a row, and a model that is the truth: the divergence from the votes is all noise.

    >>> import numpy as np
    >>> from sklearn_kl.metrics import kl_to_truth
    >>> rng = np.random.default_rng(0)
    >>> p = rng.dirichlet([2.0, 2.0, 2.0], size=5000)
    >>> votes = rng.multinomial(3, p)
    >>> print(kl_to_truth(votes, p))
    KL to the truth: 0.000 to 0.042 nats (95%: 0.000 to 0.057);
    to the votes 0.381, where their number alone explains 0.384.

    A model that ignores the features:

    >>> print(kl_to_truth(votes, np.full((5000, 3), 1 / 3), challenger=p))
    KL to the truth: 0.141 to 0.183 nats (95%: 0.132 to 0.201);
    to the votes 0.522, where their number alone explains 0.430.
    """
    confidence = check_confidence(confidence)
    pair = targets, y_proba = check_pair(votes, y_proba, labels, sample_weight, name="votes")
    laid_out = lay_out(targets)
    group = check_groups(groups, laid_out.kept)
    loss = row_values(simplex.cross_entropy, *pair)[laid_out.kept]
    if np.isinf(loss).any():
        bounds: dict[str, Any] = {"low": np.inf, "high": np.inf, "interval": (np.inf, np.inf)}
        cross_entropy = np.inf
    else:
        gain = None
        if challenger is not None:
            better = _challenger_loss(votes, challenger, labels, laid_out.kept)
            gain = MeanWithError(loss - better, laid_out.mass, group)
        bounds = _bounds(laid_out, loss, gain, group, confidence)
        cross_entropy = float(laid_out.mass @ loss / laid_out.mass.sum())
    noise = vote_noise(laid_out.n_votes, y_proba[laid_out.kept])
    return KLToTruth(
        **bounds,
        confidence=confidence,
        plug_in=mean_divergence(simplex.kl_divergence, *pair),
        vote_noise=float(laid_out.mass @ noise / laid_out.mass.sum()),
        cross_entropy=cross_entropy,
        d2=_removed(laid_out, cross_entropy, bounds),
        n_samples=laid_out.n_rows,
    )


def _challenger_loss(votes: Any, challenger: Any, labels: Any, kept: np.ndarray) -> np.ndarray:
    """Cross-entropy of the challenger for every row that weighs something."""
    try:
        targets, proba = check_pair(votes, challenger, labels, None, name="votes")
    except ValueError as error:
        raise ValueError(f"challenger cannot be judged by votes. {error}") from error
    return row_values(simplex.cross_entropy, targets, proba)[kept]


def _removed(
    votes: Votes, cross_entropy: float, bounds: dict[str, Any]
) -> tuple[float, float] | None:
    """Bounds of ``1 - KL / KL of the class prior`` from bounds of the KL divergence."""
    gain = float(simplex.entropy(votes.class_shares())) - cross_entropy
    if np.isinf(cross_entropy):
        return -np.inf, -np.inf
    # The entropy is not negative, so that no KL divergence is more than the cross-entropy.
    ends = [bounds["low"], cross_entropy if bounds["high"] is None else bounds["high"]]
    if bounds["interval"][0] + gain <= _NO_DIVERGENCE:
        return None
    shares = sorted(gain / (end + gain) for end in ends)
    return shares[0], shares[1]


def _bounds(
    votes: Votes, loss: np.ndarray, gain: MeanWithError | None, group: np.ndarray, confidence: float
) -> dict[str, Any]:
    """Return the ends of the KL divergence and their limits, given every row's cross-entropy."""
    entropy_low, entropy_high = entropy_rows(votes)
    below = MeanWithError(loss - entropy_high, votes.mass, group)
    above = MeanWithError(loss - entropy_low, votes.mass, group)
    cross_entropy = MeanWithError(loss, votes.mass, group).mean
    low, lower_confidence, limits = below.mean, confidence, [0.0]
    if gain is not None and np.isfinite(gain.mean):
        # Two chances to miss the lower end: each gets half of its error.
        lower_confidence = (1.0 + confidence) / 2.0
        low = max(low, gain.mean)
        limits.append(gain.limit(-1, lower_confidence))
    even = cross_entropy - float(np.log(votes.n_classes))
    limits.append(below.limit(-1, lower_confidence, extreme=even))
    low, high = ordered(low, above.mean, np.inf)
    if votes.n_votes.max() == 1:
        return {"low": low, "high": None, "interval": (max(limits), None)}
    upper = max(above.limit(1, confidence, extreme=cross_entropy), 0.0)
    return {"low": low, "high": high, "interval": (max(limits), upper)}
