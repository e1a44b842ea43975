"""Row functions on the simplex against SciPy, by hand and at their limits."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_kl._data.simplex import (
    cross_entropy,
    entropy,
    js_divergence,
    kl_divergence,
    log_softmax,
)

TINY = 5e-324  # the smallest positive number


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.full(6, 0.5), 200), rng.dirichlet(np.full(6, 0.5), 200)
    p[::3, 1] = 0.0
    return p / p.sum(axis=1, keepdims=True), q


def test_log_softmax_is_scipys():
    logits = np.random.default_rng(0).normal(scale=20, size=(50, 7))
    assert_allclose(log_softmax(logits), scipy.special.log_softmax(logits, axis=-1), rtol=1e-13)


def test_log_softmax_is_finite_for_huge_logits():
    logits = np.array([[1e150, 0.0, -1e150], [1e308, 1e308, 1e308]])
    assert_allclose(log_softmax(logits), [[0, -1e150, -2e150], [-np.log(3)] * 3])


def test_log_softmax_ignores_a_constant_added_to_a_row():
    logits = np.array([[0.25, -1.5, 3.0]])
    assert_array_equal(log_softmax(logits + 1024), log_softmax(logits))


def test_entropy_and_kl_are_scipys(pair):
    p, q = pair
    assert_allclose(entropy(p), scipy.stats.entropy(p, axis=1), rtol=1e-13)
    assert_allclose(kl_divergence(p, q), scipy.stats.entropy(p, q, axis=1), rtol=1e-12)


def test_cross_entropy_less_entropy_is_kl(pair):
    p, q = pair
    assert_allclose(cross_entropy(p, q) - entropy(p), kl_divergence(p, q), atol=1e-14)


def test_js_is_the_mean_divergence_from_the_middle(pair):
    p, q = pair
    middle = (p + q) / 2
    expected = (kl_divergence(p, middle) + kl_divergence(q, middle)) / 2
    assert_allclose(js_divergence(p, q), expected, atol=1e-14)
    assert_array_equal(js_divergence(p, q), js_divergence(q, p))


@pytest.mark.parametrize("divergence", [kl_divergence, js_divergence])
def test_divergence_of_equal_rows_is_exactly_zero(divergence, pair):
    assert_array_equal(divergence(pair[0], pair[0]), 0.0)


@pytest.mark.parametrize("divergence", [cross_entropy, kl_divergence])
def test_infinite_only_where_mass_meets_zero(divergence):
    p = np.array([[0.5, 0.5], [0.0, 1.0], [TINY, 1.0]])
    q = np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    assert_array_equal(divergence(p, q), [np.inf, 0.0, np.inf])


def test_subnormal_probabilities_stay_finite():
    p, q = np.array([[0.5, 0.5], [TINY, 1.0]]), np.array([[TINY, 1.0], [1.0, TINY]])
    assert_allclose(cross_entropy(p, q), [-0.5 * np.log(TINY), -np.log(TINY)])
    assert_allclose(kl_divergence(p, q), cross_entropy(p, q) - entropy(p), rtol=1e-14)
    assert js_divergence(np.array([TINY, 1.0]), np.array([0.0, 1.0])) == 0.0


def test_js_is_never_negative(pair):
    p, _ = pair
    nearby = p * (1 + 1e-9 * np.random.default_rng(1).normal(size=p.shape))
    nearby /= nearby.sum(axis=1, keepdims=True)
    assert (js_divergence(p, nearby) >= 0).all()


def test_perfect_prediction_is_a_positive_zero():
    certain = np.array([[0.0, 1.0]])
    assert not np.signbit(cross_entropy(certain, certain)).any()
