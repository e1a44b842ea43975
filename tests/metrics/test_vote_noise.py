"""The KL divergence that the number of votes explains, and the test of a deviance."""

from itertools import product
from math import factorial

import mpmath
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import rel_entr
from scipy.stats import kstest

from sklearn_kl._data import counts as votes_module
from sklearn_kl.metrics import _vote_noise, deviance_test, kl_divergence, vote_noise


def by_enumeration(n, q):
    """Expectation over all divisions of n votes."""
    mean = 0.0
    for votes in product(range(n + 1), repeat=len(q)):
        if sum(votes) == n and not any(v and not p for v, p in zip(votes, q, strict=True)):
            share = np.array(votes) / n
            chance = factorial(n) * np.prod(np.array(q) ** votes)
            chance /= np.prod([float(factorial(v)) for v in votes])
            mean += chance * rel_entr(share, q).sum()
    return mean


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8])
@pytest.mark.parametrize(
    "q", [[0.5, 0.5], [0.2, 0.3, 0.5], [0.9, 0.1, 0.0], [1.0, 0.0], [1e-9, 1 - 1e-9, 0.0]]
)
def test_equals_the_mean_over_all_votes(n, q):
    np.testing.assert_allclose(vote_noise(n, [q])[0], by_enumeration(n, q), atol=1e-14)


def test_one_vote_has_the_entropy():
    np.testing.assert_allclose(
        vote_noise(1, [[0.25, 0.75]])[0], -0.25 * np.log(0.25) - 0.75 * np.log(0.75)
    )


def test_two_votes_by_hand():
    # They agree on k with probability q_k^2, and are then log(1 / q_k) away.
    q = np.array([0.2, 0.3, 0.5])
    agree = (q**2 * -np.log(q)).sum()
    differ = sum(
        q[i] * q[j] * -np.log(4 * q[i] * q[j]) / 2 for i in range(3) for j in range(3) if i != j
    )
    assert vote_noise(2, [q])[0] == pytest.approx(agree + differ, rel=1e-14)


def test_many_votes_by_exact_arithmetic():
    def expected(n, q):
        with mpmath.workdps(25):
            total = mpmath.mpf(0)
            for p in map(mpmath.mpf, q):
                total -= p * mpmath.log(p)
                for v in range(1, n):
                    share = mpmath.mpf(v) / n
                    chance = mpmath.binomial(n, v) * p**v * (1 - p) ** (n - v)
                    total += chance * share * mpmath.log(share)
            return float(total)

    q = [2.0**-20, 0.25, 0.75 - 2.0**-20]
    for n in (50, 1001):
        assert vote_noise(n, [q])[0] == pytest.approx(expected(n, q), abs=2e-12)


def test_both_ways_of_summing_agree():
    p = np.array([0.0, 1e-300, 1e-8, 0.003, 0.2, 0.5])
    for n in (2, 30, 400):
        for mirrored in (False, True):
            np.testing.assert_allclose(
                votes_module._by_window(n, p, mirrored),
                votes_module._by_polynomial(n, p, mirrored),
                atol=1e-12,
            )


def test_many_votes_approach_the_chi_squared_mean():
    q = np.array([[0.1, 0.2, 0.3, 0.4]])
    for n in (900, 10_000, 10**6):
        assert 2 * n * vote_noise(n, q)[0] == pytest.approx(3, rel=10 / n)


@settings(max_examples=30, derandomize=True, deadline=None)
@given(st.integers(1, 40), st.lists(st.floats(1e-6, 1), min_size=2, max_size=6))
def test_equals_the_mean_of_drawn_votes(n, weights):
    q = np.array(weights) / sum(weights)
    drawn = np.random.default_rng(0).multinomial(n, q, size=4000) / n
    rows = rel_entr(drawn, q).sum(axis=1)
    error = rows.std() / np.sqrt(len(rows))
    assert vote_noise(n, [q])[0] == pytest.approx(rows.mean(), abs=5 * error + 1e-4)


def test_rows_have_their_own_number_of_votes():
    q = np.array([[0.5, 0.5], [0.2, 0.8], [0.5, 0.5]])
    found = vote_noise([3, 0, 7], q)
    assert np.isnan(found[1])
    np.testing.assert_array_equal(found[[0, 2]], [vote_noise(3, q[:1])[0], vote_noise(7, q[:1])[0]])


def test_permuted_classes_and_float32():
    q = np.random.default_rng(0).dirichlet(np.ones(5), 20)
    np.testing.assert_allclose(vote_noise(4, q[:, ::-1]), vote_noise(4, q), atol=1e-14)
    np.testing.assert_allclose(vote_noise(4, q.astype(np.float32)), vote_noise(4, q), atol=1e-5)


@pytest.mark.parametrize(
    "n_votes, message",
    [
        (2.5, "n_votes must hold whole numbers that are not negative, but row 0 has 2.5"),
        ([3, -1], "row 1 has -1"),
        ([1, 2, 3], "one for each of the 2 rows of y_proba; got an array of shape"),
        ([np.nan, 1], "n_votes contains NaN"),
    ],
)
def test_wrong_numbers_of_votes(n_votes, message):
    with pytest.raises(ValueError, match=message):
        vote_noise(n_votes, [[0.5, 0.5], [0.5, 0.5]])


def test_deviance_by_hand():
    votes = np.array([[60, 40], [30, 70]])
    proba = np.full((2, 2), 0.5)
    result = deviance_test(votes, proba)
    by_hand = 2 * sum(v * np.log(v / 50) for v in votes.ravel())
    assert result.deviance == pytest.approx(by_hand)
    assert result.deviance == pytest.approx(2 * 200 * kl_divergence(votes, proba))
    assert result.degrees_of_freedom == 2
    assert result.overdispersion == pytest.approx((2 * 10**2 / 50 + 2 * 20**2 / 50) / 2)
    assert result.reference == "chi-squared"
    assert result.expected == pytest.approx(2 * 100 * vote_noise(100, proba).sum())


@pytest.mark.parametrize("n", [1, 2, 5])
def test_p_values_are_uniform_where_the_model_is_the_truth(n):
    rng = np.random.default_rng(n)
    p = rng.dirichlet([0.7, 0.7, 0.7], size=40)
    found = [
        deviance_test(rng.multinomial(n, p), p, n_resamples=49, random_state=seed).p_value
        for seed in range(100)
    ]
    assert kstest(found, "uniform").pvalue > 0.01


def test_many_rows_by_the_normal_approximation(monkeypatch):
    rng = np.random.default_rng(0)
    p = rng.dirichlet([0.7, 0.7, 0.7], size=400)
    votes = rng.multinomial(3, p)
    exact = deviance_test(votes, p, random_state=0)
    monkeypatch.setattr(_vote_noise, "_MAX_SIMULATED", 1)
    close = deviance_test(votes, p, random_state=0)
    assert close.p_value == pytest.approx(exact.p_value, abs=0.12)
    assert close.p_value != exact.p_value


def test_fitted_parameters_take_their_share():
    rng = np.random.default_rng(0)
    p_values = []
    for _ in range(100):
        q = rng.dirichlet([3.0, 3.0, 3.0])
        votes = rng.multinomial(2, np.tile(q, (10, 1)))
        fitted = np.tile(votes.sum(axis=0) / votes.sum(), (10, 1))
        if (fitted > 0).all():
            result = deviance_test(votes, fitted, 2, n_resamples=49, random_state=0)
            p_values.append(result.p_value)
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.1)


def test_wrong_models_and_votes_that_hang_together_are_found():
    rng = np.random.default_rng(0)
    p = rng.dirichlet([2.0, 2.0, 2.0], size=300)
    votes = rng.multinomial(4, p)
    assert deviance_test(votes, p, random_state=0).overdispersion == pytest.approx(1, abs=0.15)
    # Every judge votes twice.
    doubled = deviance_test(2 * rng.multinomial(2, p), p, random_state=0)
    assert doubled.p_value < 0.01
    assert doubled.overdispersion == pytest.approx(2, abs=0.4)


def test_unlabelled_rows_and_sparse_votes():
    votes = np.array([[3, 1], [0, 0], [1, 2]])
    proba = np.array([[0.6, 0.4], [0.5, 0.5], [0.3, 0.7]])
    result = deviance_test(votes, proba, random_state=0)
    assert result == deviance_test(votes[[0, 2]], proba[[0, 2]], random_state=0)
    assert result == deviance_test(sp.csr_array(votes), proba, random_state=0)


def test_impossible_votes_have_p_value_zero():
    result = deviance_test([[1, 1], [2, 2]], [[1.0, 0.0], [0.5, 0.5]])
    assert (result.deviance, result.p_value, result.overdispersion) == (np.inf, 0.0, np.inf)


def test_sure_predictions_leave_nothing_to_test():
    result = deviance_test([[2, 0]], [[1.0, 0.0]])
    assert (result.deviance, result.p_value, result.degrees_of_freedom) == (0.0, 1.0, 0)


@pytest.mark.parametrize("n_params", [-1, 0.5, True])
def test_wrong_number_of_parameters(n_params):
    with pytest.raises(ValueError, match="n_params must be a whole number that is not negative"):
        deviance_test([[1, 1]], [[0.5, 0.5]], n_params)


def test_as_many_parameters_as_degrees_of_freedom():
    with pytest.raises(ValueError, match="n_params is 1, but the votes have only 1 degrees"):
        deviance_test([[1, 1]], [[0.5, 0.5]], 1)


def test_too_few_resamples():
    with pytest.raises(ValueError, match="n_resamples must be at least 20, got 5"):
        deviance_test([[1, 1]], [[0.5, 0.5]], n_resamples=5)
