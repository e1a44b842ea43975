"""Bounds of the entropy of the distributions that votes were drawn from, without a model."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student_t

from sklearn_kl._typing import MatrixLike
from sklearn_kl.metrics._one_sided import (
    hypergeometric,
    largest_degree,
    mixing_distribution,
    one_sided_table,
)
from sklearn_kl.metrics._votes import Votes, check_confidence, check_groups, read_votes

# Classes whose shares of the votes are within a factor of about three use the same polynomials.
_LEVEL_RATIO = 3.0
_MAX_LEVEL = 3
# Numbers that the chances of drawing votes may hold at once.
_BLOCK_NUMBERS = 2**20


@dataclass(frozen=True)
class EntropyBounds:
    """Bounds of the mean entropy of the distributions that votes were drawn from.

    Parameters
    ----------
    low : float
        Estimated lower bound, nats.
    high : float
        Estimated upper bound, nats.
    interval : tuple of (float, float)
        Holds the entropy with the given confidence: the bounds and the error of their estimates.
    confidence : float
        The level of the interval.
    plug_in : float
        Mean entropy of the shares of the votes, nats: too small on average.
    n_samples : int
        Number of rows with mass.

    See Also
    --------
    entropy_bounds : Makes it.

    Examples
    --------
    >>> from sklearn_kl.metrics import entropy_bounds
    >>> print(entropy_bounds([[1, 0], [0, 1]]))
    Entropy of the truth: between 0.000 and 0.693 nats (95%: 0.000 to 0.693); of the votes 0.000.
    """

    low: float
    high: float
    interval: tuple[float, float]
    confidence: float
    plug_in: float
    n_samples: int

    def __str__(self) -> str:
        """Say it in one line."""
        return (
            f"Entropy of the truth: between {self.low:.3f} and {self.high:.3f} nats "
            f"({self.confidence:.0%}: {self.interval[0]:.3f} to {self.interval[1]:.3f}); "
            f"of the votes {self.plug_in:.3f}."
        )


def entropy_bounds(
    votes: MatrixLike,
    *,
    sample_weight: ArrayLike | None = None,
    confidence: float = 0.95,
    groups: ArrayLike | None = None,
) -> EntropyBounds:
    """Bound the mean entropy of the distributions that votes were drawn from, in nats.

    No model is involved. The entropy of the votes themselves is smaller than that of the
    distributions, by about ``(n_classes - 1) / (2 n)`` nats for n votes a row, and by more for few;
    one vote has none. The bounds estimate without bias what polynomials above and below the
    entropy are in the mean, whatever the distributions.

    Parameters
    ----------
    votes : array-like of shape (n_samples, n_classes) or (n_samples,)
        Counts of votes: whole numbers as an array, a sparse matrix or a DataFrame; or labels, one
        vote a row. A row of zeros counts for nothing. Rows may have different numbers of votes.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows, which multiply their mass in the mean. The mass of a row is its number
        of votes; ``sample_weight = 1 / votes.sum(axis=1)`` gives every row the same.
    confidence : float, default=0.95
        Level of the interval.
    groups : array-like of shape (n_samples,), default=None
        Rows that belong together, such as those of one person, have the same value. None takes the
        rows as independent.

    Returns
    -------
    EntropyBounds
        The bounds, the interval and the entropy of the votes.

    Raises
    ------
    ValueError
        If `votes` holds negative, missing or broken numbers; if the total mass is zero; if
        `confidence` is not between 0 and 1; if `groups` has not one entry for each row.

    See Also
    --------
    kl_to_truth : How far a model is from these distributions.
    entropy : The entropy of the votes themselves.

    Notes
    -----
    n votes estimate every polynomial of degree at most n in the probability of a class without
    bias. A linear program finds the polynomial above ``-p log p`` that is closest to it in the mean
    over the probabilities that the votes suggest, and the one below; they are moved by the largest
    miss on [0, 1], so that they bound the entropy of every distribution. Rows with more votes than
    a degree average over all draws of that many of their votes; the largest degree is 100. Rows
    with one vote give 0 below, and above the entropy of the class shares.

    The interval adds the error of the estimated means to both ends: the delta method over rows, or
    over groups, with quantiles of Student's t, and one more row that agrees with itself below and
    is even above, so that a handful of unanimous rows does not pass for certainty. It takes votes
    of a row as independent draws from one distribution, and rows, or groups, as independent. The
    polynomials follow the votes: with ten rows both bounds may lie on the same side of the truth,
    and the interval is what holds it.

    References
    ----------
    .. [1] L. Paninski, "Estimation of Entropy and Mutual Information", Neural Computation 15(6),
       2003. :doi:`10.1162/089976603321780272`
    .. [2] Y. Wu and P. Yang, "Minimax Rates of Entropy Estimation on Large Alphabets via Best
       Polynomial Approximation", IEEE Transactions on Information Theory 62(6), 2016.
       :doi:`10.1109/TIT.2016.2548468`

    Examples
    --------
    Three votes a row, drawn from distributions whose mean entropy is 0.5 nats for two classes:

    >>> import numpy as np
    >>> from sklearn_kl.metrics import entropy_bounds
    >>> p = np.random.default_rng(0).beta(1, 1, size=4000)
    >>> first = np.random.default_rng(1).binomial(3, p)
    >>> result = entropy_bounds(np.column_stack([first, 3 - first]))
    >>> print(f"{result.low:.2f} to {result.high:.2f}, of the votes {result.plug_in:.2f}")
    0.45 to 0.50, of the votes 0.31
    """
    confidence = check_confidence(confidence)
    laid_out = read_votes(votes, sample_weight)
    group = check_groups(groups, laid_out.kept)
    low, high = entropy_rows(laid_out)
    largest = float(np.log(laid_out.n_classes))
    below = MeanWithError(low, laid_out.mass, group)
    above = MeanWithError(high, laid_out.mass, group)
    ends = ordered(below.mean, above.mean, largest)
    interval = (
        below.limit(-1, confidence, extreme=0.0),
        above.limit(1, confidence, extreme=largest),
    )
    return EntropyBounds(
        *ends,
        interval=(max(interval[0], 0.0), min(interval[1], largest)),
        confidence=confidence,
        plug_in=float(laid_out.mass @ laid_out.entropy() / laid_out.mass.sum()),
        n_samples=laid_out.n_rows,
    )


def ordered(low: float, high: float, largest: float) -> tuple[float, float]:
    """Return the ends between 0 and the largest value; their middle where they cross by chance."""
    low, high = np.clip([low, high], 0.0, largest)
    if low > high:
        low = high = 0.5 * (low + high)
    return float(low), float(high)


class MeanWithError:
    """Weighted mean of values of rows, and limits for what it estimates.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
        Value of every row.
    mass : ndarray of shape (n_rows,)
        Their weights.
    group : ndarray of shape (n_rows,) of int
        Rows with the same number are not independent of each other.
    """

    def __init__(self, values: np.ndarray, mass: np.ndarray, group: np.ndarray):
        self._share = mass / mass.sum()
        self._group = group
        self._values = values
        self.mean = float(self._share @ values)

    def limit(self, side: int, confidence: float, extreme: float | None = None) -> float:
        """Upper (side 1) or lower (side -1) limit, each missed with probability (1 - confidence)/2.

        Parameters
        ----------
        side : {1, -1}
            Which end.
        confidence : float
            Level of the interval that has this end and the other one.
        extreme : float, default=None
            Value of one more group, of mean mass.
        """
        totals = np.bincount(self._group, self._share * (self._values - self.mean))
        n_groups = len(totals)
        if n_groups < 2:
            return side * np.inf
        mean = self.mean
        squares = float(totals @ totals)
        if extreme is not None:
            shift = (extreme - mean) / (n_groups + 1)
            mean = mean + shift
            squares += shift**2
        error = np.sqrt(squares * n_groups / (n_groups - 1))
        return float(mean + side * student_t.ppf(0.5 + confidence / 2, n_groups - 1) * error)


def entropy_rows(votes: Votes) -> tuple[np.ndarray, np.ndarray]:
    """Estimates whose means bound the mean entropy below and above.

    Returns
    -------
    low, high : ndarray of shape (n_rows,)
        Nats. A single row's estimate may be negative, or more than any entropy.
    """
    pairs = _Pairs(votes)
    if votes.n_classes == 1:
        return np.zeros(votes.n_rows), np.zeros(votes.n_rows)
    low, high = (pairs.row_values(tables) for tables in pairs.tables())
    single = votes.n_votes == 1
    if single.any():
        named = single[votes.row]
        low[single] = 0.0
        # The cross-entropy from the class shares is never below the entropy.
        high[votes.row[named]] = -np.log(votes.class_shares()[votes.column[named]])
    return low, high


class _Pairs:
    """Distinct combinations of number of votes, votes for a class, and level of the class."""

    def __init__(self, votes: Votes):
        self._votes = votes
        level = _class_levels(votes.class_shares())
        self._level_sizes = np.bincount(level)
        n_levels = len(self._level_sizes)
        self._n_values, self._n_of_row = np.unique(votes.n_votes, return_inverse=True)
        # A class that no vote of the row is for is the count 0 of its level.
        key_n = self._n_of_row[votes.row] * n_levels + level[votes.column]
        width = int(votes.count.max()) + 1
        key, self._place = _distinct(key_n, votes.count, len(self._n_values) * n_levels, width)
        zeros = np.arange(len(self._n_values) * n_levels)
        self._n_named = len(key[0])
        self._key = np.concatenate([key[0], zeros])
        self._count = np.concatenate([key[1], np.zeros(len(zeros))])
        self._level = self._key % n_levels
        self._n = self._n_values[self._key // n_levels]
        self._degree = largest_degree(self._n)

    def _masses(self) -> np.ndarray:
        """Mass of the classes of rows that are each pair."""
        votes = self._votes
        named = np.bincount(self._place, votes.mass[votes.row], self._n_named)
        of_n = np.bincount(self._n_of_row, votes.mass, len(self._n_values))
        zeros = np.outer(of_n, self._level_sizes).ravel()
        zeros -= np.bincount(self._key[: self._n_named], named, len(zeros))
        return np.concatenate([named, np.maximum(zeros, 0.0)])

    def _blocks(self, degree: int, level: int) -> Any:
        """Yield pairs of a degree and level, with the chances of drawing that many votes."""
        found = np.flatnonzero((self._degree == degree) & (self._level == level))
        for start in range(0, len(found), max(1, _BLOCK_NUMBERS // (degree + 1))):
            pairs = found[start : start + max(1, _BLOCK_NUMBERS // (degree + 1))]
            yield pairs, hypergeometric(degree, self._n[pairs], self._count[pairs])

    def tables(self) -> tuple[dict[Any, np.ndarray], dict[Any, np.ndarray]]:
        """Tables below and above, by degree and level."""
        mass = self._masses()
        degrees = [int(degree) for degree in np.unique(self._degree) if degree > 1]
        low, high = {}, {}
        for level, size in enumerate(self._level_sizes):
            if size == 0 or not degrees:
                continue
            histograms = {
                degree: sum(mass[pairs] @ chance for pairs, chance in self._blocks(degree, level))
                for degree in degrees
            }
            weight = mixing_distribution(histograms, self._votes.n_classes)
            for degree in degrees:
                low[degree, level] = one_sided_table(degree, weight, -1, size)
                high[degree, level] = one_sided_table(degree, weight, 1, size)
        return low, high

    def row_values(self, tables: dict[Any, np.ndarray]) -> np.ndarray:
        """Sum of the estimates of the classes, for every row."""
        value = np.zeros(len(self._key))
        for (degree, level), table in tables.items():
            for pairs, chance in self._blocks(degree, level):
                value[pairs] = chance @ table
        zeros = value[self._n_named :]
        every_class = zeros.reshape(len(self._n_values), -1) @ self._level_sizes
        gain = value[: self._n_named] - zeros[self._key[: self._n_named]]
        return every_class[self._n_of_row] + self._votes.row_sums(gain[self._place])


def _class_levels(shares: np.ndarray) -> np.ndarray:
    """Group the classes by the order of magnitude of their share."""
    with np.errstate(divide="ignore"):
        below = np.log(shares.max() / shares) / np.log(_LEVEL_RATIO)
    return np.rint(np.minimum(below, _MAX_LEVEL)).astype(np.intp)


def _distinct(
    key: np.ndarray, count: np.ndarray, n_keys: int, width: int
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Distinct pairs of a key and a count, and the position of every pair among them."""
    if n_keys * width <= 2**22:
        # Counting small integers is many times faster than sorting them.
        code = key * width + count.astype(np.intp)
        present = np.bincount(code, minlength=1) > 0
        position = np.cumsum(present) - 1
        distinct = np.flatnonzero(present)
        return (distinct // width, (distinct % width).astype(np.float64)), position[code]
    counts, code = np.unique(count, return_inverse=True)
    distinct, place = np.unique(key * len(counts) + code, return_inverse=True)
    return (distinct // len(counts), counts[distinct % len(counts)]), place
