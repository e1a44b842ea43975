"""Counts of votes among targets, and the KL divergence that their number explains."""

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
from scipy.special import entr

from sklearn_kl._data.targets import MatrixTargets, Targets

# Up to this many votes the sum over all counts is a polynomial whose terms do not overflow.
_MAX_POLYNOMIAL = 1000
# Standard deviations from the mean beyond which counts have no chance in double precision.
_WINDOW = 9.0
# With a larger variance of a class's votes than this, the series is exact to twelve digits.
_MANY = 1e6
_BLOCK_NUMBERS = 2**16
# Rows of a mean are thinned out so that it takes no more additions than this, a third of a second.
_MAX_ADDITIONS = 2 * 10**8


def votes_per_row(targets: Targets) -> np.ndarray | None:
    """Return the number of votes of every row, or None where there are no counts of several votes.

    Labels, distributions and targets with class weights are none.
    """
    if not isinstance(targets, MatrixTargets) or targets.class_weight is not None:
        return None
    values = targets.matrix.data if sp.issparse(targets.matrix) else targets.matrix
    if not _are_whole(values):
        return None
    n_votes = np.asarray(targets.matrix.sum(axis=1, dtype=np.float64)).ravel()
    return n_votes if n_votes.max() > 1 else None


def _are_whole(values: np.ndarray) -> bool:
    # Most matrices that are no counts show it in their first rows.
    n_rows = max(1, _BLOCK_NUMBERS * len(values) // max(values.size, 1))
    blocks = (values[start : start + n_rows] for start in range(0, len(values), n_rows))
    return all(bool((block == np.rint(block)).all()) for block in blocks)


def mean_vote_noise(targets: Targets, predict: Callable[[slice], np.ndarray]) -> float | None:
    """Mean KL divergence from votes that is expected of the predictions, rows weighing their mass.

    Parameters
    ----------
    targets : Targets
        Votes.
    predict : callable
        Distributions of a slice of rows, ndarray of shape (n_rows, n_classes).

    Returns
    -------
    float or None
        Nats; None where the targets are not counts of several votes. Of evenly spaced rows where
        the sum over all would take long.
    """
    n_votes = votes_per_row(targets)
    if n_votes is None:
        return None
    step = int(np.ceil(_additions(n_votes).sum() * targets.n_classes / _MAX_ADDITIONS))
    n_rows = step * max(1, _BLOCK_NUMBERS // targets.n_classes)
    total = mass = 0.0
    for start in range(0, targets.n_samples, n_rows):
        rows = slice(start, min(start + n_rows, targets.n_samples), max(step, 1))
        share, known = targets.mass[rows], targets.mass[rows] > 0
        noise = class_vote_noise(n_votes[rows][known], predict(rows)[known])
        total += float(share[known] @ noise.sum(axis=1))
        mass += float(share.sum())
    return total / mass if mass > 0 else None


def _additions(n_votes: np.ndarray) -> np.ndarray:
    """About how many additions the noise of a number takes; a window's cost ten times as much."""
    return np.where(n_votes <= _MAX_POLYNOMIAL, n_votes, 10.0 * (np.sqrt(81.0 * n_votes) + 80.0))


def class_vote_noise(n_votes: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Share of every class in the noise of every row, as `class_kl_contributions` has it.

    Parameters
    ----------
    n_votes : ndarray of shape (n_rows,)
        Whole numbers.
    q : ndarray of shape (n_rows, n_classes)
        Distributions, float64.

    Returns
    -------
    ndarray of shape (n_rows, n_classes)
        Nan for a row without votes.
    """
    noise = np.full(q.shape, np.nan)
    numbers, place = np.unique(n_votes, return_inverse=True)
    groups = np.split(np.argsort(place, kind="stable"), np.cumsum(np.bincount(place))[:-1])
    n_rows = max(1, _BLOCK_NUMBERS // q.shape[1])
    for n, rows in zip(numbers.tolist(), groups, strict=True):
        for start in range(0, len(rows) if n > 0 else 0, n_rows):
            block = rows[start : start + n_rows]
            noise[block] = _noise(int(n), q[block])
    return noise


def _noise(n: int, q: np.ndarray) -> np.ndarray:
    """Noise of the classes of rows that all have n votes: ``E[p log(p / q) - p + q]``."""
    many = float(n) * q * (1.0 - q) > _MANY
    noise = np.empty(q.shape)
    noise[many] = _by_series(float(n), q[many])
    noise[~many] = _by_chances(n, q[~many])
    return noise


def _by_series(n: float, q: np.ndarray) -> np.ndarray:
    """Compute it by moments of the deviation from q, to second order in 1 / (n q)."""
    rest = 1.0 - q
    return (rest / 2 + (rest**2 / 4 - rest * (rest - q) / 6) / q / n) / n


def _by_chances(n: int, q: np.ndarray) -> np.ndarray:
    """Compute it as a sum over the numbers of votes."""
    expected = _by_polynomial if n <= _MAX_POLYNOMIAL else _by_window
    plug_in = expected(n, np.minimum(q, 0.5), False)
    # At most one class of a row, or two that are even, which both ways of counting have right.
    large = q > 0.5
    plug_in[large] = expected(n, np.maximum(1.0 - q[large], 0.0), True)
    return entr(q) - plug_in


def _by_polynomial(n: int, p: np.ndarray, mirrored: bool) -> np.ndarray:
    """E[entr(V / n)] for V or, mirrored, for n - V, with V ~ Binomial(n, p) and p at most 1/2."""
    votes = np.arange(1, n)
    value = entr((n - votes if mirrored else votes) / n)
    # C(n, v) entr(v / n) in the odds, from the highest power down: all terms are positive.
    log_choose = np.concatenate([[0.0], np.cumsum(np.log((n - votes + 1) / votes))])
    weights = np.exp(log_choose[1:]) * value
    odds = p / (1.0 - p)
    total = np.zeros(p.shape)
    for weight in weights[::-1]:
        total += weight
        total *= odds
    return total * (1.0 - p) ** n


def _by_window(n: int, p: np.ndarray, mirrored: bool) -> np.ndarray:
    """Compute the same around the mean, where alone the chances are not nil."""
    n = float(n)  # type: ignore[assignment]  # beyond 64 bits NumPy would take it for an object
    centre = np.rint(n * p)
    reach = int(np.ceil(_WINDOW * np.sqrt(n * (p * (1.0 - p)).max(initial=0.0)) + 40.0))
    odds = p / (1.0 - p)

    def value(votes: np.ndarray) -> np.ndarray:
        return entr((n - votes if mirrored else votes) / n)

    total, chances = value(centre), np.ones(p.shape)
    for step in (1, -1):
        votes, chance = centre.copy(), np.ones(p.shape)
        for _ in range(reach):
            if step == 1:
                chance = chance * (np.maximum(n - votes, 0.0) / (votes + 1.0) * odds)
                votes = np.minimum(votes + 1.0, n)
            else:
                down = np.divide(
                    votes, (n - votes + 1.0) * odds, out=np.zeros(p.shape), where=votes > 0
                )
                chance = chance * down
                votes = np.maximum(votes - 1.0, 0.0)
            total += chance * value(votes)
            chances += chance
    return total / chances
