"""Bounds of the entropy behind votes."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import entr

from sklearn_kl.metrics import entropy, entropy_bounds
from sklearn_kl.metrics._entropy_bounds import MeanWithError


def draw(n_votes, strength=1.0, n_rows=2000, n_classes=4, seed=0):
    """Distributions and votes from them."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(n_classes, strength), n_rows)
    return p, rng.multinomial(n_votes, p)


def ends(result):
    return np.array([result.low, result.high, *result.interval, result.plug_in])


@pytest.mark.parametrize("strength", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("n_votes", [2, 3, 10, 30])
def test_intervals_hold_the_truth(n_votes, strength):
    held, n_draws = 0, 10
    for seed in range(n_draws):
        p, votes = draw(n_votes, strength, n_rows=1000, seed=seed)
        low, high = entropy_bounds(votes).interval
        held += low <= entr(p).sum(axis=1).mean() <= high
    assert held >= n_draws - 1


def test_unequal_numbers_of_votes_weigh_their_number():
    rng = np.random.default_rng(0)
    p = np.vstack([rng.dirichlet(np.full(3, 0.2), 1500), rng.dirichlet(np.full(3, 20.0), 1500)])
    n_votes = np.repeat([3, 12], 1500)
    result = entropy_bounds(rng.multinomial(n_votes, p))
    rows = entr(p).sum(axis=1)
    assert result.interval[0] <= rows @ n_votes / n_votes.sum() <= result.interval[1]
    assert result.interval[0] > rows.mean()


def test_more_votes_bring_the_bounds_together():
    widths = []
    for n_votes in (2, 3, 5, 10, 30, 100):
        result = entropy_bounds(draw(n_votes)[1])
        widths.append(result.high - result.low)
    assert widths == sorted(widths, reverse=True)
    assert widths[3] < 0.04
    assert widths[-1] < 0.002


def test_half_width_at_20000_rows_of_ten_votes():
    result = entropy_bounds(draw(10, n_rows=20_000, n_classes=5)[1])
    assert (result.interval[1] - result.interval[0]) / 2 < 0.02


def test_one_vote_a_row_by_hand():
    # Nothing is known below; above, the entropy of the shares 3/4 and 1/4.
    result = entropy_bounds(["a", "b", "a", "a"] * 50)
    assert result.low == 0
    assert result.high == pytest.approx(entr([0.25, 0.75]).sum())
    assert result.interval[0] == 0
    assert result.interval[1] > result.high


def test_two_votes_by_hand():
    # The best polynomial of degree 2 below is a multiple of p (1 - p), at most where it touches:
    # -p log p >= p (1 - p) for it has the same slope at 1. Two votes differ with probability
    # sum p (1 - p): the lower end is at least the share of rows that disagree.
    votes = np.array([[1, 1]] * 30 + [[2, 0]] * 40 + [[0, 2]] * 30)
    result = entropy_bounds(votes)
    assert result.low >= 0.3 - 1e-6
    assert result.high <= np.log(2)
    assert result.plug_in == pytest.approx(0.3 * np.log(2))


@pytest.mark.parametrize("n_votes", [1, 2, 5, 30, 250])
def test_plug_in_is_the_entropy_of_the_votes(n_votes):
    votes = draw(n_votes, n_rows=50)[1]
    assert entropy_bounds(votes).plug_in == pytest.approx(entropy(votes), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("n_votes", [2, 7, 30])
def test_invariances(n_votes):
    votes = draw(n_votes, n_rows=300)[1]
    rng = np.random.default_rng(1)
    expected = ends(entropy_bounds(votes))
    close = {"rtol": 1e-7, "atol": 1e-7}
    np.testing.assert_allclose(ends(entropy_bounds(votes[:, [2, 0, 3, 1]])), expected, **close)
    np.testing.assert_allclose(ends(entropy_bounds(votes[rng.permutation(300)])), expected, **close)
    np.testing.assert_array_equal(ends(entropy_bounds(sp.csr_array(votes))), expected)
    np.testing.assert_array_equal(ends(entropy_bounds(pd.DataFrame(votes))), expected)
    np.testing.assert_array_equal(ends(entropy_bounds(votes.astype(np.float32))), expected)
    weights = np.full(300, 0.125)
    np.testing.assert_allclose(
        ends(entropy_bounds(votes, sample_weight=weights)), expected, **close
    )


@pytest.mark.parametrize("n_votes", [1, 2, 7])
def test_a_weight_is_a_repetition(n_votes):
    votes = draw(n_votes, n_rows=200)[1]
    weight = np.arange(200) % 3
    weighted = entropy_bounds(votes, sample_weight=weight)
    rows = np.repeat(np.arange(200), weight)
    # The rows repeated are no new evidence: as groups, they have the same interval too.
    repeated = entropy_bounds(votes[rows], groups=rows)
    np.testing.assert_allclose(ends(repeated), ends(weighted), rtol=1e-6, atol=1e-7)
    assert entropy_bounds(votes[rows]).interval[0] >= weighted.interval[0]


def test_groups_of_like_rows_widen_the_interval():
    rng = np.random.default_rng(0)
    p = rng.dirichlet([0.5, 0.5, 0.5], 40)
    person = np.repeat(np.arange(40), 25)
    votes = rng.multinomial(5, p[person])
    alone, together = entropy_bounds(votes), entropy_bounds(votes, groups=person.astype(str))
    assert (together.low, together.high) == (alone.low, alone.high)
    assert np.diff(together.interval) > 1.5 * np.diff(alone.interval)


def test_unlabelled_and_weightless_rows_count_for_nothing():
    votes = draw(3, n_rows=100)[1]
    more = np.vstack([votes, np.zeros((5, 4)), np.ones((2, 4))])
    weight = np.repeat([1.0, 0.0], [105, 2])
    groups = np.concatenate([np.arange(105), [0, 0]])
    result = entropy_bounds(more, sample_weight=weight, groups=groups)
    np.testing.assert_array_equal(ends(result), ends(entropy_bounds(votes)))
    assert result.n_samples == 100


def test_classes_without_votes_change_little():
    votes = draw(8, n_rows=2000)[1]
    padded = np.hstack([votes, np.zeros((2000, 3))])
    result, more = entropy_bounds(votes), entropy_bounds(padded)
    assert more.plug_in == result.plug_in
    assert result.high <= more.high < result.high + 0.01


def test_duplicate_entries_of_a_sparse_matrix_are_summed():
    votes = sp.coo_array(([1, 1, 2, 0], ([0, 0, 1, 1], [0, 0, 1, 0])), shape=(2, 2))
    as_csr = sp.csr_array(
        (np.array([1.0, 1.0, 2.0]), np.array([0, 0, 1]), np.array([0, 2, 3])), shape=(2, 2)
    )
    expected = ends(entropy_bounds([[2, 0], [0, 2]]))
    np.testing.assert_array_equal(ends(entropy_bounds(votes)), expected)
    np.testing.assert_array_equal(ends(entropy_bounds(as_csr)), expected)
    np.testing.assert_array_equal(as_csr.data, [1, 1, 2])


def test_one_class_has_no_entropy():
    result = entropy_bounds(["a", "a", "a"])
    np.testing.assert_array_equal(ends(result), 0)


def test_one_row_tells_nothing_with_confidence():
    result = entropy_bounds([[5, 5]])
    assert result.interval == (0.0, np.log(2))
    assert 0 < result.low <= result.high <= np.log(2)


def test_unanimous_rows_are_not_certain():
    result = entropy_bounds([[4, 0], [0, 4], [4, 0]] * 4)
    assert result.low == 0
    assert result.high < 0.1
    # 48 votes that agree: a share of 1 - 3/48 behind them would not surprise.
    assert result.interval[1] > entr([3 / 48, 45 / 48]).sum() / 4
    assert result.interval[0] == 0


def test_higher_confidence_is_wider():
    votes = draw(3)[1]
    widths = [np.diff(entropy_bounds(votes, confidence=c).interval)[0] for c in (0.5, 0.9, 0.99)]
    assert widths == sorted(widths)


def test_huge_and_very_different_numbers_of_votes():
    votes = np.array([[10**6, 3 * 10**6], [1, 2], [123_456, 7], [40, 60]])
    result = entropy_bounds(votes, sample_weight=1 / votes.sum(axis=1))
    assert result.interval[0] <= result.plug_in <= result.interval[1]
    alone = entropy_bounds(np.tile(votes[:1], (9, 1)))
    assert alone.low == pytest.approx(entr([0.25, 0.75]).sum(), abs=0.01)
    assert alone.high == pytest.approx(entr([0.25, 0.75]).sum(), abs=0.01)
    assert result.n_samples == 4


def test_sorting_and_counting_find_the_same_pairs(monkeypatch):
    from sklearn_kl.metrics import _entropy_bounds

    votes = draw(9, n_rows=300)[1]
    expected = ends(entropy_bounds(votes))
    distinct = _entropy_bounds._distinct
    monkeypatch.setattr(
        _entropy_bounds,
        "_distinct",
        lambda key, count, n_keys, width: distinct(key, count, 2**40, 1),
    )
    np.testing.assert_allclose(ends(entropy_bounds(votes)), expected, rtol=1e-9)


def test_mean_with_error_by_hand():
    values, mass = np.array([1.0, 2.0, 6.0]), np.array([2.0, 1.0, 1.0])
    mean = MeanWithError(values, mass, np.arange(3))
    assert mean.mean == 2.5
    squares = (0.5 * 1.5) ** 2 + (0.25 * 0.5) ** 2 + (0.25 * 3.5) ** 2
    error = np.sqrt(squares * 3 / 2)
    # 4.302653 is the quantile 0.975 of Student's t with two degrees of freedom.
    assert mean.limit(1, 0.95) == pytest.approx(2.5 + 4.302653 * error, rel=1e-6)
    assert mean.limit(-1, 0.95) == pytest.approx(2.5 - 4.302653 * error, rel=1e-6)
    assert mean.limit(1, 0.95, extreme=10.0) > mean.limit(1, 0.95)


@settings(max_examples=15, derandomize=True, deadline=None)
@given(
    st.integers(1, 12).flatmap(
        lambda n_rows: st.lists(
            st.lists(st.integers(0, 5), min_size=3, max_size=3), min_size=n_rows, max_size=n_rows
        )
    )
)
def test_ends_are_in_order(votes):
    votes = np.array(votes)
    if votes.sum() == 0:
        return
    result = entropy_bounds(votes)
    assert 0 <= result.interval[0] <= result.low <= result.high
    assert result.high <= result.interval[1] <= np.log(3) + 1e-12


def test_prints_one_line():
    result = entropy_bounds([[2, 0], [1, 1]] * 20)
    assert "\n" not in str(result)
    assert f"between {result.low:.3f} and {result.high:.3f} nats (95%:" in str(result)


@pytest.mark.parametrize(
    "votes, arguments, message",
    [
        ([[0.5, 0.5], [1, 1]], {}, "votes must hold whole numbers of votes, but row 0 holds 0.5"),
        ([[1, 1], [0.5, 1]], {}, "row 1 holds 0.5"),
        ([[1, -1]], {}, "Negative values in votes"),
        ([[np.nan, 1]], {}, "votes contains NaN"),
        ([[0, 0]], {}, "The total mass of the targets is zero: every row of votes sums to zero"),
        ([[1, 1]], {"confidence": 1.0}, "confidence must be between 0 and 1, got 1.0"),
        ([[1, 1]], {"groups": [1, 2]}, "groups must give the group of each of the 1 rows of votes"),
        ([[1, 1]], {"sample_weight": [-1]}, "Negative values"),
    ],
)
def test_errors(votes, arguments, message):
    with pytest.raises(ValueError, match=message):
        entropy_bounds(votes, **arguments)
