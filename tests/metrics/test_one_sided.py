"""Tables of one-sided polynomials: on their side everywhere, unbiased, and close."""

from fractions import Fraction
from itertools import product
from math import comb

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import entr
from scipy.stats import hypergeom

from sklearn_kl.metrics import _one_sided
from sklearn_kl.metrics._one_sided import (
    DEGREES,
    hypergeometric,
    largest_degree,
    mixing_distribution,
    one_sided_table,
    worst_miss,
)

TABLED = [int(degree) for degree in DEGREES if degree > 1]


def polynomial(table, p):
    """Bernstein polynomial by its definition."""
    d = len(table) - 1
    p = np.asarray(p, dtype=float)
    return sum(b * comb(d, v) * p**v * (1 - p) ** (d - v) for v, b in enumerate(table))


def mixing(name, n_classes):
    """A distribution over the grid: what votes of some world would give, or none."""
    grid = _one_sided._grid(_one_sided._COARSE)
    density = {
        "spread": np.gradient(grid),
        "sure": 1.0 * (grid < 1e-3) + 1.0 * (grid > 0.99),
        "even": np.exp(-0.5 * ((grid - 1 / n_classes) / 0.01) ** 2),
    }[name]
    return density / density.sum()


@pytest.mark.parametrize("name", ["spread", "sure", "even"])
@pytest.mark.parametrize("degree", TABLED)
def test_tables_stay_on_their_side(degree, name):
    weight = mixing(name, 5)
    low, high = (one_sided_table(degree, weight, side, 5) for side in (-1, 1))
    p = np.unique(np.concatenate([np.geomspace(1e-15, 1, 4001), np.linspace(0, 1, 4001)]))
    assert (polynomial(high, p) - entr(p)).min() >= 0
    assert (polynomial(low, p) - entr(p)).max() <= 0


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("degree", [2, 3, 5, 10, 20])
def test_extrema_between_the_points_of_a_grid(degree, side):
    table = one_sided_table(degree, mixing("spread", 3), side, 3)
    grid = np.unique(np.concatenate([np.geomspace(1e-12, 1, 300), np.linspace(0, 1, 300)]))

    def room(p):
        return side * (float(polynomial(table, p)) - float(entr(p)))

    values = np.array([room(p) for p in grid])
    for i in range(1, len(grid) - 1):
        if values[i] <= min(values[i - 1], values[i + 1]):
            found = minimize_scalar(
                room,
                bounds=(grid[i - 1], grid[i + 1]),
                method="bounded",
                options={"xatol": 1e-14},
            )
            assert found.fun >= -1e-13


def test_a_table_touches_the_entropy_up_to_rounding():
    for side in (-1, 1):
        table = one_sided_table(6, mixing("spread", 4), side, 4)
        assert abs(worst_miss(table, side)) < 1e-12


def test_a_table_that_misses_is_moved_by_its_worst_miss():
    # The plug-in of two votes is below: its polynomial is log(2) p (1 - p).
    table = entr(np.arange(3) / 2)
    p = np.linspace(0, 1, 100_001)
    miss = (entr(p) - np.log(2) * p * (1 - p)).max()
    assert worst_miss(table, 1) == pytest.approx(miss, abs=1e-9)
    assert worst_miss(table, -1) < 1e-12


def test_a_failed_search_still_bounds(monkeypatch):
    class Failed:
        status = 4
        x = None

    monkeypatch.setattr(_one_sided, "linprog", lambda *args, **kwargs: Failed())
    p = np.linspace(0, 1, 2001)
    for side in (-1, 1):
        table = one_sided_table(4, mixing("spread", 2), side, 2)
        assert (side * (polynomial(table, p) - entr(p))).min() >= 0


def test_degrees():
    n_votes = np.array([1, 2, 6, 7, 8, 9, 10, 14, 15, 99, 100, 12345])
    np.testing.assert_array_equal(
        largest_degree(n_votes), [1, 2, 6, 6, 8, 8, 10, 10, 15, 50, 100, 100]
    )


@pytest.mark.parametrize("n, degree", [(3, 3), (5, 2), (7, 6), (40, 30), (1000, 8)])
def test_draws_of_some_of_the_votes(n, degree):
    count = np.unique(np.linspace(0, n, 9).astype(int)).astype(float)
    found = hypergeometric(degree, np.full(len(count), float(n)), count)
    expected = [hypergeom.pmf(np.arange(degree + 1), n, int(v), degree) for v in count]
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("n, degree", [(2, 2), (3, 2), (4, 3), (5, 3)])
def test_estimates_are_unbiased_by_enumeration(n, degree):
    p = (Fraction(1, 7), Fraction(4, 7), Fraction(2, 7))
    table = np.linspace(-1.0, 2.0, degree + 1) ** 2
    mean = 0.0
    for names in product(range(3), repeat=n):
        chance = float(np.prod([p[k] for k in names]))
        votes = np.bincount(names, minlength=3).astype(float)
        mean += chance * (hypergeometric(degree, np.full(3, float(n)), votes) @ table).sum()
    assert mean == pytest.approx(polynomial(table, [float(x) for x in p]).sum(), rel=1e-13)


def test_the_mixing_distribution_finds_two_kinds_of_rows():
    rng = np.random.default_rng(0)
    p = np.where(rng.random(20_000) < 0.3, 0.1, 0.7)
    histogram = np.bincount(rng.binomial(10, p), minlength=11).astype(float)
    weight = mixing_distribution({10: histogram}, 2)
    grid = _one_sided._grid(_one_sided._COARSE)
    assert weight.sum() == pytest.approx(1)
    assert weight[grid < 0.35].sum() == pytest.approx(0.3, abs=0.04)
    assert weight @ grid == pytest.approx(p.mean(), abs=0.02)


def test_the_bounds_are_closer_where_the_probabilities_are_known():
    spread, even = mixing("spread", 5), mixing("even", 5)
    grid = _one_sided._grid(_one_sided._COARSE)
    for side in (-1, 1):
        room = [
            side * (even @ (polynomial(one_sided_table(3, w, side, 5), grid) - entr(grid)))
            for w in (spread, even)
        ]
        assert room[1] < room[0]
