"""Every metric against its definition in 50 digits, over targets and predictions of any size."""

from functools import partial

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mpmath import mpf
from numpy.testing import assert_allclose

from sklearn_kl import metrics
from sklearn_kl._data import simplex

DIGITS = 50
TINY = 5e-324  # the smallest positive number
SIZES = [0.0, TINY, 1e-310, 1e-300, 1e-100, 1e-40, 1e-16, 1e-8, 1e-3, 0.3, 1.0, 7.0]
slow = settings(max_examples=60, deadline=None, derandomize=True)


@st.composite
def rows(draw, n_rows, n_classes):
    """Rows that are not negative, of very different numbers, none of them zero throughout."""
    size = st.sampled_from(SIZES) | st.floats(0.0, 1.0)
    weights = draw(
        st.lists(
            st.lists(size, min_size=n_classes, max_size=n_classes), min_size=n_rows, max_size=n_rows
        )
    )
    weights = np.array(weights)
    assume((weights.max(axis=1) > 0).all())
    return weights


@st.composite
def pairs(draw):
    """Targets of any mass, and predictions in some dtype: others, nearly the same, or the same."""
    n_rows, n_classes = draw(st.integers(1, 3)), draw(st.integers(2, 5))
    y_true = draw(rows(n_rows, n_classes))
    assume(y_true.sum() > 1e-300)
    y_proba = y_true / y_true.sum(axis=1, keepdims=True)
    kind = draw(st.sampled_from(["other", "near", "same"]))
    if kind == "other":
        y_proba = draw(rows(n_rows, n_classes))
    elif kind == "near":
        noise = np.random.default_rng(draw(st.integers(0, 99))).standard_normal(y_proba.shape)
        y_proba = y_proba * np.abs(1 + draw(st.sampled_from([1e-15, 1e-9, 1e-4, 0.03])) * noise)
    y_proba = y_proba / y_proba.sum(axis=1, keepdims=True)
    return y_true, y_proba.astype(draw(st.sampled_from([np.float64, np.float32])))


def exact(y_true, y_proba):
    """Pairs of distributions as lists of exact numbers; targets divided by their totals."""
    for p, q in zip(y_true, y_proba, strict=True):
        p = [mpf(float(value)) for value in p]
        yield [share(value, sum(p)) for value in p], [mpf(float(value)) for value in q]


def share(value, total):
    """Return the share of a class, which is no less than the smallest number if it has mass."""
    if value / total > 1e-300 or value == 0:
        return value / total
    return max(mpf(float(value / total)), mpf(TINY))


def product_log(factor, value):
    """Return ``factor log(value)``, 0 for a factor of 0."""
    if factor == 0:
        return mpf(0)
    return mpmath.inf * -1 if value == 0 else factor * mpmath.log(value)


def cross_entropy(p, q):
    return -sum(map(product_log, p, q))


def entropy(p, q):
    return cross_entropy(p, p)


def kl(p, q):
    return sum(kl_term(a, b) + a - b for a, b in zip(p, q, strict=True))


def kl_term(a, b):
    if a > 0 and b == 0:
        return mpmath.inf
    return (a * mpmath.log(a / b) if a > 0 else 0) - a + b


def js(p, q):
    middle = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
    return (kl(p, middle) + kl(q, middle)) / 2


def relative(p, q):
    return [abs(a - b) / (a + b) if a + b else mpf(0) for a, b in zip(p, q, strict=True)]


def cosine(p, q):
    lengths = [mpmath.sqrt(sum(value**2 for value in row)) for row in (p, q)]
    return sum(a * b for a, b in zip(p, q, strict=True)) / (lengths[0] * lengths[1])


DEFINITIONS = {
    "cross_entropy_loss": cross_entropy,
    "kl_divergence": kl,
    "js_divergence": js,
    "chebyshev_distance": lambda p, q: max(abs(a - b) for a, b in zip(p, q, strict=True)),
    "clark_distance": lambda p, q: mpmath.sqrt(sum(value**2 for value in relative(p, q))),
    "canberra_distance": lambda p, q: sum(relative(p, q)),
    "cosine_similarity_score": cosine,
    "intersection_similarity_score": lambda p, q: sum(map(min, p, q)),
}


def mean(values, mass):
    """Mean of the rows that have mass in double precision, which sums have, too."""
    if mpmath.inf in values:
        return np.inf
    mass = [mpf(float(value)) for value in mass]
    return float(sum(m * v for m, v in zip(mass, values, strict=True)) / sum(mass))


@pytest.mark.parametrize("name", DEFINITIONS)
@slow
@given(pair=pairs())
def test_row_metrics(name, pair):
    y_true, y_proba = pair
    with mpmath.workdps(DIGITS):
        values = [DEFINITIONS[name](*row) for row in exact(y_true, y_proba)]
        expected = mean(values, y_true.sum(axis=1))
        values = [float(value) for value in values]
    metric = getattr(metrics, name)
    # Targets are divided by their totals, and means are sums: roundings of numbers of about one.
    close = {"rtol": 1e-12, "atol": 2e-15}
    assert_allclose(metric(y_true, y_proba, per_sample=True), values, **close)
    assert_allclose(metric(y_true, y_proba), expected, **close)


@slow
@given(pair=pairs())
def test_entropy(pair):
    y_true, _ = pair
    with mpmath.workdps(DIGITS):
        values = [entropy(*row) for row in exact(y_true, y_true)]
        expected = mean(values, y_true.sum(axis=1))
    assert_allclose(metrics.entropy(y_true, per_sample=True), np.array(values, float), atol=1e-15)
    assert_allclose(metrics.entropy(y_true), expected, atol=1e-15)


@slow
@given(pair=pairs())
def test_class_contributions(pair):
    y_true, y_proba = pair
    with mpmath.workdps(DIGITS):
        terms = [list(map(kl_term, *row)) for row in exact(y_true, y_proba)]
        mass = y_true.sum(axis=1)
        expected = [mean(column, mass) for column in zip(*terms, strict=True)]
        terms = [[float(term) for term in row] for row in terms]
    close = {"rtol": 1e-12, "atol": 1e-15}
    assert_allclose(
        metrics.class_kl_contributions(y_true, y_proba, per_sample=True), terms, **close
    )
    assert_allclose(metrics.class_kl_contributions(y_true, y_proba), expected, **close)


@slow
@given(pair=pairs())
def test_explained_divergence(pair):
    y_true, y_proba = pair
    with mpmath.workdps(DIGITS):
        total = [sum(mpf(float(value)) for value in column) for column in y_true.T]
        prior = [value / sum(total) for value in total]
        both = list(exact(y_true, y_proba))
        mass = y_true.sum(axis=1)
        to_explain = mean([kl(p, prior) for p, _ in both], mass)
        assume(to_explain > 1e-9)
        expected = 1 - mean([kl(*row) for row in both], mass) / to_explain
    assert_allclose(metrics.d2_kl_score(y_true, y_proba), expected, rtol=1e-6, atol=1e-6)


@slow
@given(pair=pairs(), method=st.sampled_from(["binned", "recalibrated"]))
def test_decomposition_sums_to_the_cross_entropy(pair, method):
    y_true, y_proba = pair
    with mpmath.workdps(DIGITS):
        both = list(exact(y_true, y_proba))
        mass = y_true.sum(axis=1)
        expected = mean([cross_entropy(*row) for row in both], mass)
        irreducible = mean([entropy(*row) for row in both], mass)
    assume(np.isfinite(expected))
    parts = metrics.kl_decomposition(y_true, y_proba, method=method)
    assert parts.entropy == pytest.approx(irreducible, abs=1e-14)
    assert sum(parts.as_dict().values()) == pytest.approx(expected, rel=1e-11, abs=1e-13)
    assert parts.cross_entropy == pytest.approx(expected, rel=1e-12, abs=1e-14)


# ---- Rows that hardly differ: all digits of the row functions


@st.composite
def near_rows(draw):
    """A distribution whose sum is exactly one, and another at a relative distance from it."""
    counts = np.array(draw(st.lists(st.integers(1, 2**20), min_size=1, max_size=5)))
    counts = np.append(counts, 2**23 - counts.sum())
    noise = np.random.default_rng(draw(st.integers(0, 99))).standard_normal(len(counts))
    p = counts / 2.0**23
    q = p * np.exp(10.0 ** draw(st.integers(-15, 0)) * noise)
    return p, q / q.sum()


def assert_all_digits(value, expected):
    assert abs(mpf(float(value)) - expected) <= 1e-13 * abs(expected)


@slow
@given(pair=near_rows())
def test_all_digits_of_small_divergences(pair):
    p, q = pair
    with mpmath.workdps(DIGITS):
        ((exact_p, exact_q),) = exact([p], [q])
        divergence = kl(exact_p, exact_q)
        # The sum of q, off by its last digit, can make it negative.
        assert_all_digits(simplex.kl_divergence(p, q), max(divergence, 0))
        assert_all_digits(simplex.js_divergence(p, q), js(exact_p, exact_q))
        for term, a, b in zip(simplex.kl_terms(p, q), exact_p, exact_q, strict=True):
            assert_all_digits(term, kl_term(a, b))


def test_a_difference_in_the_ninth_digit():
    p, q = np.array([0.2, 0.3, 0.5]), np.array([0.2 + 1e-9, 0.3 - 1e-9, 0.5])
    assert metrics.kl_divergence([p], [q]) == pytest.approx(3.1922242e-17, rel=1e-7)


@pytest.mark.parametrize("name", ["js_divergence", "cosine_similarity_score", "cross_entropy_loss"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_predictions_are_judged_in_double_precision(name, dtype):
    rng = np.random.default_rng(0)
    y_true = rng.dirichlet(np.ones(4), 50)
    y_proba = (rng.multinomial(1024, y_true) / 1024).astype(dtype)
    metric = partial(getattr(metrics, name), y_true, per_sample=True)
    assert_allclose(metric(y_proba), metric(y_proba.astype(float)), rtol=1e-15, atol=0)
