"""What the KL divergence from votes would be if the model were the truth."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import xlogy
from scipy.stats import chi2, norm
from sklearn.utils import check_array, check_random_state

from sklearn_kl._data import simplex
from sklearn_kl._data.counts import class_vote_noise, votes_per_row
from sklearn_kl._data.encode import encode_targets
from sklearn_kl._typing import MatrixLike
from sklearn_kl.metrics._pairs import check_pair, check_proba, row_values
from sklearn_kl.metrics._votes import lay_out

# A count is large enough for the chi-squared approximation where this many votes are expected.
_LARGE_COUNT = 5.0
_SHARE_LARGE = 0.8
# Votes that a simulation of the deviance draws at most, counted as rows times classes.
_MAX_SIMULATED = 2 * 10**7
_MIN_RESAMPLES = 20


def vote_noise(n_votes: ArrayLike, y_proba: ArrayLike) -> np.ndarray:
    """Expect this KL divergence from n votes to the distribution that they come from, in nats.

    This much of a KL divergence from votes is explained by their number: a model that is the truth
    has it too, about ``(n_classes - 1) / (2 n)`` where all classes expect several votes.

    Parameters
    ----------
    n_votes : int or array-like of shape (n_samples,)
        Number of votes of every row.
    y_proba : array-like of shape (n_samples, n_classes) or (n_samples,)
        Probabilities that the votes are drawn with, rows that sum to one; for two classes also
        the probability of the second class alone.

    Returns
    -------
    ndarray of shape (n_samples,)
        The expectation for every row, exact to rounding; nan for a row without votes.

    Raises
    ------
    ValueError
        If `n_votes` holds anything but whole numbers that are not negative, or has not one for each
        row of `y_proba`; if `y_proba` holds no probabilities.

    See Also
    --------
    deviance_test : Whether the divergence from the votes exceeds this.
    kl_to_truth : How far a model is from the truth.

    Notes
    -----
    The expectation is ``H(q) - E[H(V / n)]``. The votes V_k for a class are binomial, and the sum
    over their values is finite.

    References
    ----------
    .. [1] L. Paninski, "Estimation of Entropy and Mutual Information", Neural Computation 15(6),
       2003. :doi:`10.1162/089976603321780272`

    Examples
    --------
    Two votes agree with probability 1/2, and are then log 2 away from an even distribution:

    >>> from sklearn_kl.metrics import vote_noise
    >>> vote_noise([2, 1], [[0.5, 0.5], [0.5, 0.5]]).round(4)
    array([0.3466, 0.6931])
    """
    y_proba = check_proba(y_proba).astype(np.float64)
    n_votes = _check_n_votes(n_votes, len(y_proba))
    # Rounding must not make negative what is a mean of divergences.
    return np.maximum(class_vote_noise(n_votes, y_proba).sum(axis=1), 0.0)


def mean_class_noise(y: Any, targets: Any, y_proba: np.ndarray) -> np.ndarray | None:
    """Mean noise of every class if y holds counts of several votes, rows weighing their mass."""
    # Read anew: targets may hold a column for a class that y lacks, but counts are counts.
    n_votes = votes_per_row(encode_targets(y))
    if n_votes is None:
        return None
    kept = targets.mass > 0
    noise = class_vote_noise(n_votes[kept], y_proba[kept].astype(np.float64))
    return targets.mass[kept] @ noise / targets.mass.sum()


def _check_n_votes(n_votes: Any, n_samples: int) -> np.ndarray:
    if np.ndim(n_votes) == 0:
        n_votes = np.full(n_samples, n_votes)
    n_votes = check_array(n_votes, ensure_2d=False, dtype=np.float64, input_name="n_votes")
    if n_votes.shape != (n_samples,):
        raise ValueError(
            f"n_votes must be one number, or one for each of the {n_samples} rows of y_proba; got "
            f"an array of shape {n_votes.shape}."
        )
    wrong = (n_votes < 0) | (n_votes != np.rint(n_votes))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"n_votes must hold whole numbers that are not negative, but row {row} has "
            f"{n_votes[row]:g}."
        )
    return n_votes


@dataclass(frozen=True)
class DevianceTest:
    """Whether votes are further from a model than votes drawn from it would be.

    Parameters
    ----------
    deviance : float
        Twice the sum over rows of the number of votes times the KL divergence, in nats.
    expected : float
        Its expectation if the model were the truth.
    p_value : float
        Chance that votes drawn from the model are at least that far from it.
    overdispersion : float
        Pearson's statistic over its degrees of freedom: 1 for votes drawn from the model, more if
        the model is wrong or votes of a row hang together.
    degrees_of_freedom : int
        Number of rows times one less than the classes they may name, less the parameters.
    reference : str
        "chi-squared" or "simulation": what the deviance was compared with.

    See Also
    --------
    deviance_test : Makes it.

    Examples
    --------
    >>> from sklearn_kl.metrics import deviance_test
    >>> result = deviance_test([[60, 40], [40, 60]], [[0.5, 0.5], [0.5, 0.5]])
    >>> result.reference, round(result.deviance, 2), round(result.p_value, 3)
    ('chi-squared', 8.05, 0.018)
    """

    deviance: float
    expected: float
    p_value: float
    overdispersion: float
    degrees_of_freedom: int
    reference: str


def deviance_test(
    votes: MatrixLike,
    y_proba: ArrayLike,
    n_params: int = 0,
    *,
    labels: ArrayLike | None = None,
    n_resamples: int = 999,
    random_state: Any = None,
) -> DevianceTest:
    """Test whether votes are further from a model than votes drawn from it would be.

    Parameters
    ----------
    votes : array-like of shape (n_samples, n_classes) or (n_samples,)
        Counts of votes, whole numbers; or labels, one vote a row.
    y_proba : array-like of shape (n_samples, n_classes) or (n_samples,)
        Predictions of the model, rows that sum to one.
    n_params : int, default=0
        Number of parameters that were fitted to the same votes without a penalty; 0 for votes that
        the model has not seen.
    labels : array-like of shape (n_classes,), default=None
        The class of each column of `y_proba`, as for `cross_entropy_loss`.
    n_resamples : int, default=999
        Number of sets of votes that are drawn from the model where counts are small; fewer where
        there are so many numbers that a normal approximation is exact enough.
    random_state : int, RandomState instance or None, default=None
        Source of these votes.

    Returns
    -------
    DevianceTest
        The deviance, its expectation, the p value and the overdispersion.

    Raises
    ------
    ValueError
        In the cases of `kl_to_truth`; if `n_params` is negative, or not less than the degrees of
        freedom; if `n_resamples` is less than 20.

    See Also
    --------
    vote_noise : The expectation for every row.

    Notes
    -----
    Where at least 80 % of the expected counts are 5 or more and none is below 1 the reference is
    chi-squared. Elsewhere votes are drawn from the predictions; parameters that were fitted to the
    votes shift the draws by `n_params` and narrow them by its variance, as they do for a
    chi-squared distribution. A small p value says that the model is wrong, or that votes of a row
    are not independent. A large one says that the votes do not show it: one vote a row shows next
    to nothing.

    References
    ----------
    .. [1] P. McCullagh and J. A. Nelder, "Generalized Linear Models", 2nd edition, Chapman and
       Hall, 1989, section 4.4.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kl.metrics import deviance_test
    >>> rng = np.random.default_rng(0)
    >>> p = rng.dirichlet([1.0, 1.0, 1.0], size=500)
    >>> votes = rng.multinomial(3, p)
    >>> deviance_test(votes, p, random_state=0).p_value > 0.05
    True
    >>> deviance_test(votes, np.full((500, 3), 1 / 3), random_state=0).p_value
    0.001
    """
    targets, y_proba = check_pair(votes, y_proba, labels, None, name="votes")
    laid_out = lay_out(targets)
    q = y_proba[laid_out.kept].astype(np.float64)
    kl = row_values(simplex.kl_divergence, targets, y_proba)[laid_out.kept]
    n_votes = laid_out.n_votes
    deviance = 2.0 * float(n_votes @ kl) if np.isfinite(kl).all() else np.inf
    freedom = int(((q > 0).sum(axis=1) - 1).sum()) - _check_n_params(n_params)
    if freedom < 0 or (freedom == 0 and n_params > 0):
        raise ValueError(
            f"n_params is {n_params}, but the votes have only {freedom + n_params} degrees of "
            "freedom: a model with as many parameters is never further from them than it must be. "
            "Pass votes that the model was not fitted to, and n_params=0."
        )
    expected = 2.0 * float(n_votes @ vote_noise(n_votes, q)) - n_params
    counts = (n_votes[:, None] * q)[q > 0]
    large = np.mean(counts >= _LARGE_COUNT) >= _SHARE_LARGE and counts.min() >= 1.0
    if freedom == 0 or not np.isfinite(deviance):
        p_value, reference = float(np.isfinite(deviance)), "chi-squared"
    elif large:
        p_value, reference = float(chi2.sf(deviance, freedom)), "chi-squared"
    else:
        draws = _Draws(n_votes, q, n_resamples, check_random_state(random_state))
        p_value, reference = draws.p_value(deviance, expected, n_params), "simulation"
    return DevianceTest(
        deviance=deviance,
        expected=expected,
        p_value=p_value,
        overdispersion=_pearson(laid_out, q) / freedom if freedom else np.nan,
        degrees_of_freedom=freedom,
        reference=reference,
    )


def _check_n_params(n_params: int) -> int:
    if isinstance(n_params, bool) or n_params != int(n_params) or n_params < 0:
        raise ValueError(f"n_params must be a whole number that is not negative, got {n_params!r}.")
    return int(n_params)


def _pearson(votes: Any, q: np.ndarray) -> float:
    """Sum of ``(votes - expected)^2 / expected``, which is ``sum votes^2 / expected - n``."""
    picked = q[votes.row, votes.column]
    if (picked == 0).any():
        return np.inf
    return float((votes.count**2 / (picked * votes.n_votes[votes.row])).sum() - votes.n_votes.sum())


class _Draws:
    """Deviances of votes that are drawn from the model.

    Parameters
    ----------
    n_votes : ndarray of shape (n_rows,)
    q : ndarray of shape (n_rows, n_classes)
    n_resamples : int
    rng : RandomState
    """

    def __init__(self, n_votes: np.ndarray, q: np.ndarray, n_resamples: int, rng: Any):
        if isinstance(n_resamples, bool) or n_resamples < _MIN_RESAMPLES:
            raise ValueError(
                f"n_resamples must be at least {_MIN_RESAMPLES}, got {n_resamples!r}: the p value "
                "is a share of them."
            )
        affordable = max(_MIN_RESAMPLES, _MAX_SIMULATED // q.size)
        self._complete = affordable >= n_resamples
        n_draws = min(n_resamples, affordable)
        generator = np.random.default_rng(rng.randint(2**31))
        chances = q / q.sum(axis=1, keepdims=True)
        counts = n_votes.astype(np.int64)
        with np.errstate(divide="ignore"):
            log_q = np.log(q)
        sums, squares = np.zeros(len(q)), np.zeros(len(q))
        self._deviances = np.empty(n_draws)
        for draw in range(n_draws):
            votes = generator.multinomial(counts, chances).astype(np.float64)
            rows = xlogy(votes, votes / n_votes[:, None]) - votes * np.where(votes > 0, log_q, 0.0)
            deviance = 2.0 * rows.sum(axis=1)
            sums += deviance
            squares += deviance**2
            self._deviances[draw] = deviance.sum()
        # The rows are independent, so their variances add up, known far better than that of sums.
        self._variance = float((squares - sums**2 / n_draws).sum() / (n_draws - 1))

    def p_value(self, deviance: float, expected: float, n_params: int) -> float:
        """Chance of at least this deviance, given its expectation and the parameters fitted."""
        # Fitting takes a chi-squared share out of the deviance: n_params of its mean, twice that
        # of its variance.
        variance = max(self._variance - 2.0 * n_params, 0.05 * self._variance)
        if not self._complete:
            return float(norm.sf((deviance - expected) / np.sqrt(variance)))
        centred = self._deviances - (expected + n_params)
        draws = expected + centred * np.sqrt(variance / self._variance)
        # Ties up to rounding are ties.
        reached = np.sum(draws >= deviance * (1.0 - 1e-12))
        return float((1 + reached) / (1 + len(draws)))
