"""The one rule for probabilities: what is rounding, and what the error of the rest says."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.special import softmax

from sklearn_kl._data.distributions import check_distributions, sum_tolerance, zero_rounding


@pytest.mark.parametrize("n_classes", [2, 10, 1000, 50_000])
def test_softmax_in_float32_is_allowed_in_any_dtype(n_classes):
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=3, size=(20, n_classes)).astype(np.float32)
    raw = np.exp(logits - logits.max(axis=1, keepdims=True))
    # Added up one by one, as a simple loop does, which is the least exact.
    proba = raw / np.cumsum(raw, axis=1, dtype=np.float32)[:, -1:]
    assert np.abs(proba.sum(axis=1, dtype=float) - 1).max() > 1e-8
    assert check_distributions(proba, "p") is proba
    assert_array_equal(check_distributions(proba.astype(np.float64), "p"), proba)


def test_float16_may_miss_by_more():
    proba = softmax(np.random.default_rng(0).normal(size=(50, 10)), axis=1)
    check_distributions(proba.astype(np.float16), "p")
    with pytest.raises(ValueError, match="must sum to one within"):
        check_distributions(proba.astype(np.float16).astype(np.float64), "p")


def test_tolerance_by_hand():
    eps = 2.0**-23
    assert sum_tolerance(2) == sum_tolerance(16, np.float32) == 16 * eps
    assert sum_tolerance(1000) == 1000 * eps
    assert sum_tolerance(10**6) == pytest.approx(np.sqrt(eps))
    assert sum_tolerance(100, np.float16) == pytest.approx(2.0**-5)


@pytest.mark.parametrize("least", [-1e-17, -1e-300, -2e-16])
def test_a_negative_rounding_error_is_zero_on_a_copy(least):
    proba = np.array([[1 - least, least], [0.5, 0.5]])
    proba.flags.writeable = False
    checked = check_distributions(proba, "p")
    assert_array_equal(checked, [[1 - least, 0.0], [0.5, 0.5]])
    assert proba[0, 1] == least


def test_numbers_below_rounding_are_named():
    with pytest.raises(ValueError, match="p contains the negative value -1e-05.*predict_proba"):
        zero_rounding(np.array([1.0, -1e-5]), "p")


@pytest.mark.parametrize("digits", [2, 3, 4, 5])
def test_rounded_digits_are_named_with_the_way_to_mend_them(digits):
    proba = np.full((4, 3), 1 / 3).round(digits)
    fix = rf"row 0 sums to 0.9\d+\. The numbers are rounded to {digits} digits.*normalize_rows\(p\)"
    for dtype in (np.float64, np.float32):
        with pytest.raises(ValueError, match=fix):
            check_distributions(proba.astype(dtype), "p")
    one = rf"they sum to 0.9\d+\. The numbers are rounded to {digits} digits.*p / p.sum\(\)"
    with pytest.raises(ValueError, match=one):
        check_distributions(proba[0], "p")


def test_seven_digits_are_enough():
    check_distributions(np.full((4, 3), 1 / 3).round(7), "p")


@pytest.mark.parametrize(
    "proba, message",
    [
        ([[0.5, 0.5], [0.5, 0.6]], r"row 1 sums to 1.1\. If they are counts.*normalize_rows\(p\)"),
        ([[3.0, 1.0]], "row 0 sums to 4. If they are counts.*normalize_rows"),
        ([[0.0, 0.0]], "row 0 sums to 0"),
        ([[0.5], [0.6]], "row 0 sums to 0.5. Pass the probabilities of the second of two .* 1-D"),
        ([1e308, 1e308], "they sum to inf"),
    ],
)
def test_other_sums_are_refused(proba, message):
    with pytest.raises(ValueError, match=message):
        check_distributions(np.array(proba), "p")
    with pytest.raises(ValueError, match="Say more.$"):
        check_distributions(np.array(proba), "p", hint="Say more.")
