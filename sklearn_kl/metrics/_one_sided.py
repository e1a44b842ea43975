"""Polynomials above and below ``-p log p`` that votes estimate without bias.

A table beta of shape (d + 1,) stands for the polynomial of degree d

    B(p) = sum_v beta_v C(d, v) p^v (1 - p)^(d - v) = E[beta_V],  V ~ Binomial(d, p),

so that ``beta_v`` of the votes v for a class estimates B of its probability without bias, whatever
that is. If ``B(p) >= -p log p`` on [0, 1], the sum over classes estimates an upper bound of the
entropy, and below likewise. Among the polynomials on one side, a linear program takes the one that
is closest in the mean over the probabilities at hand, whose distribution G the votes show as well
as is needed: G decides how tight the bound is, never whether it holds.
"""

from functools import lru_cache

import numpy as np
from scipy.optimize import linprog
from scipy.special import comb, entr, gammaln

# Degrees for which tables are made; n votes use the largest of them that is at most n.
DEGREES = np.array([1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100])
# Up to this degree every number of a table is free; above, tables are linear between knots.
_FREE_DEGREE = 12
# What a table pays, in nats of tightness, for each nat by which it leaves the plug-in entropy:
# without it the tables of high degrees oscillate, and their estimates with them. Two standard
# errors of a mean over 5,000 rows; the bounds hardly change from a third of it to thrice.
_PRICE_OF_SPREAD = 0.03
# Share of the distribution of the probabilities that stays spread out whatever the votes say.
_SHARE_UNKNOWN = 0.05
_EM_STEPS = 100


def largest_degree(n_votes: np.ndarray) -> np.ndarray:
    """Degree of the table for every number of votes."""
    return DEGREES[np.searchsorted(DEGREES, n_votes, side="right") - 1]


@lru_cache(maxsize=4)
def _grid(n_points: int) -> np.ndarray:
    """Probabilities from 0 to 1, dense near 0, where the entropy bends."""
    steps = np.linspace(0.0, 1.0, n_points)
    return np.unique(np.concatenate([steps**4, steps]))


@lru_cache(maxsize=64)
def _bernstein(degree: int, n_points: int) -> np.ndarray:
    """Chance of every number of votes at every probability of the grid."""
    return _chances(degree, _grid(n_points))


def _chances(degree: int, p: np.ndarray) -> np.ndarray:
    votes = np.arange(degree + 1)
    p = p[..., None]
    return comb(degree, votes) * p**votes * (1.0 - p) ** (degree - votes)


_COARSE, _FINE = 251, 2001


def hypergeometric(degree: int, n_votes: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Chance of 0, ..., degree votes for a class among `degree` that are drawn from n.

    Returns
    -------
    ndarray of shape (n_pairs, degree + 1)
    """
    drawn = np.arange(degree + 1.0)
    count, rest = count[:, None], (n_votes - count)[:, None]
    possible = (drawn <= count) & (degree - drawn <= rest)
    hit, miss = np.where(possible, drawn, 0.0), np.where(possible, degree - drawn, 0.0)
    with np.errstate(invalid="ignore"):
        log_chance = _log_choose(count, hit) + _log_choose(rest, miss)
    log_chance = np.where(possible, log_chance, -np.inf)
    chance = np.exp(log_chance - log_chance.max(axis=1, keepdims=True))
    return chance / chance.sum(axis=1, keepdims=True)


def _log_choose(n: np.ndarray, k: np.ndarray) -> np.ndarray:
    # Where fewer than k are there, the caller drops the value.
    return gammaln(n + 1) - gammaln(k + 1) - gammaln(np.maximum(n - k, 0.0) + 1)


def mixing_distribution(histograms: dict[int, np.ndarray], n_classes: int) -> np.ndarray:
    """Distribution over the coarse grid of the probabilities that votes were drawn with.

    The maximum likelihood estimate by a few steps of EM, with a share that stays spread out.

    Parameters
    ----------
    histograms : dict of int to ndarray of shape (degree + 1,)
        Mass of every number of votes out of `degree`.
    n_classes : int
        The spread-out share has the density ``1 / n_classes + p``.

    Returns
    -------
    ndarray of shape (n_points,)
    """
    grid = _grid(_COARSE)
    unknown = (1.0 / n_classes + grid) * np.gradient(grid)
    unknown /= unknown.sum()
    chances = np.hstack([_bernstein(degree, _COARSE) for degree in histograms])
    mass = np.concatenate(list(histograms.values()))
    seen = mass > 0
    chances, mass = chances[:, seen], mass[seen] / mass.sum()
    known = np.full(len(grid), 1.0 / len(grid))
    for _ in range(_EM_STEPS):
        known *= chances @ (mass / (known @ chances))
    return (1.0 - _SHARE_UNKNOWN) * known / known.sum() + _SHARE_UNKNOWN * unknown


def one_sided_table(degree: int, weight: np.ndarray, side: int, n_terms: float) -> np.ndarray:
    """Table of the polynomial above (side 1) or below (side -1) that is closest in the mean.

    Parameters
    ----------
    degree : int
        Number of votes.
    weight : ndarray of shape (n_points,)
        Distribution of the probabilities over the coarse grid.
    side : {1, -1}
        Above or below.
    n_terms : float
        Number of classes whose polynomials are summed.

    Returns
    -------
    ndarray of shape (degree + 1,)
    """
    share = np.arange(degree + 1) / degree
    plug_in = entr(share)
    free = np.eye(degree + 1)
    if degree > _FREE_DEGREE:
        plug_in = plug_in + 0.5 * (1.0 - share) / degree
        free = _hats(degree)
    chances = _bernstein(degree, _COARSE)
    moves = chances @ free
    n_free = free.shape[1]
    # Variables: the moves away from the plug-in, and the largest of them.
    above = np.hstack([-side * moves, np.zeros((len(moves), 1))])
    within = np.hstack([np.vstack([np.eye(n_free), -np.eye(n_free)]), -np.ones((2 * n_free, 1))])
    missing = entr(_grid(_COARSE)) - chances @ plug_in
    result = linprog(
        np.append(side * n_terms * (weight @ moves), _PRICE_OF_SPREAD),
        A_ub=np.vstack([above, within]),
        b_ub=np.concatenate([-side * missing, np.zeros(2 * n_free)]),
        bounds=[(None, None)] * n_free + [(0.0, None)],
        method="highs",
    )
    # The move that closes what is missing makes any table one-sided, that of a failed search too.
    table = plug_in + free @ result.x[:-1] if result.status == 0 else plug_in
    return table + side * worst_miss(table, side)


def _hats(degree: int) -> np.ndarray:
    """Piecewise linear functions of the votes, with knots that are dense near 0."""
    knots = [0.0]
    while knots[-1] < degree:
        knots.append(min(degree, max(knots[-1] + 1.0, np.rint(1.25 * knots[-1]))))
    votes = np.arange(degree + 1.0)
    return np.stack([np.interp(votes, knots, hat) for hat in np.eye(len(knots))], axis=1)


def worst_miss(table: np.ndarray, side: int) -> float:
    """By how much at most a polynomial is on the wrong side of ``-p log p``, nats; or less than 0.

    The extrema are found on a fine grid, and each is searched in ever finer steps.
    """
    degree = len(table) - 1
    grid = _grid(_FINE)

    def miss(p: np.ndarray, chances: np.ndarray) -> np.ndarray:
        return side * (entr(p) - chances @ table)

    values = miss(grid, _bernstein(degree, _FINE))
    inner = np.flatnonzero((values[1:-1] >= values[:-2]) & (values[1:-1] >= values[2:])) + 1
    worst = float(values.max())
    low, high = grid[inner - 1], grid[inner + 1]
    for _ in range(3):
        p = low[:, None] + (high - low)[:, None] * np.linspace(0.0, 1.0, 17)
        fine = miss(p, _chances(degree, p))
        worst = max(worst, float(fine.max(initial=-np.inf)))
        best = np.argmax(fine, axis=1)
        rows = np.arange(len(p))
        low, high = p[rows, np.maximum(best - 1, 0)], p[rows, np.minimum(best + 1, 16)]
    rounding = 64.0 * np.finfo(np.float64).eps * (1.0 + float(np.abs(table).max()))
    return worst + rounding
