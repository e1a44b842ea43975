"""The paired interval covers, narrows where models agree, and refuses what it cannot judge."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from scipy.special import softmax

from sklearn_kl.metrics import compare_kl, kl_divergence


def make_models(n, seed=0, n_classes=3):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, n_classes))
    p = softmax(logits, axis=1)
    a = softmax(logits + rng.normal(scale=0.4, size=logits.shape), axis=1)
    b = softmax(logits + rng.normal(scale=0.4, size=logits.shape), axis=1)
    return p, a, b


def test_difference_is_that_of_the_divergences():
    p, a, b = make_models(50)
    weight = np.arange(50)
    result = compare_kl(5 * p, a, b, sample_weight=weight, random_state=0)
    assert result.kl_a == pytest.approx(kl_divergence(p, a, sample_weight=weight))
    assert result.kl_b == pytest.approx(kl_divergence(p, b, sample_weight=weight))
    assert result.difference == pytest.approx(result.kl_a - result.kl_b)
    assert result.n_samples == 49
    low, high = result.confidence_interval
    assert low < result.difference < high
    with pytest.raises(FrozenInstanceError):
        result.difference = 0.0


def test_standard_error_is_that_of_a_mean():
    p, a, b = make_models(200)
    rows = kl_divergence(p, a, per_sample=True) - kl_divergence(p, b, per_sample=True)
    result = compare_kl(p, a, b, n_resamples=4000, random_state=0)
    expected = rows.std() / np.sqrt(len(rows))
    assert result.standard_error == pytest.approx(expected, rel=0.05)
    width = np.subtract(*result.confidence_interval[::-1])
    assert width == pytest.approx(2 * 1.96 * expected, rel=0.07)


def test_interval_covers_at_its_level():
    # Both models have the same expected divergence: 0 is the truth.
    covered = []
    for seed in range(200):
        result = compare_kl(
            *make_models(40, seed), n_resamples=300, confidence_level=0.8, random_state=seed
        )
        low, high = result.confidence_interval
        covered.append(low <= 0 <= high)
    assert 0.7 < np.mean(covered) < 0.88


def test_swapping_the_models_mirrors_the_result():
    p, a, b = make_models(60)
    first = compare_kl(p, a, b, random_state=3)
    second = compare_kl(p, b, a, random_state=3)
    np.testing.assert_allclose(
        np.negative(second.confidence_interval)[::-1], first.confidence_interval
    )
    assert second.share_a_better == pytest.approx(1 - first.share_a_better)
    assert first == compare_kl(p, a, b, random_state=np.random.RandomState(3))


def test_equal_models_tie():
    p, a, _ = make_models(30)
    result = compare_kl(p, a, a, random_state=0)
    assert result.confidence_interval == (0.0, 0.0)
    assert result.share_a_better == 0.5


def test_better_model_of_labels():
    labels = ["no", "no", "yes", "yes", "yes"] * 10
    sure = [0.1, 0.1, 0.9, 0.9, 0.9] * 10
    result = compare_kl(labels, sure, np.full(50, 0.5), random_state=0)
    assert result.share_a_better == 1
    assert result.confidence_interval[1] < 0


def test_zero_probability_is_named():
    with pytest.raises(ValueError, match="proba_b gives probability zero.* in row 2"):
        compare_kl([[0, 0], [1, 1], [0, 1]], [0.5, 0.5, 0.5], [0.5, 0.5, 0.0])


def test_refuses_single_rows_bad_levels_and_bad_predictions():
    with pytest.raises(ValueError, match="Only one row of y_true has mass"):
        compare_kl([[0, 0], [1, 1]], [0.5, 0.5], [0.5, 0.5])
    with pytest.raises(ValueError, match="confidence_level must be between 0 and 1, got 95"):
        compare_kl([0, 1], [0.5, 0.5], [0.5, 0.5], confidence_level=95)
    with pytest.raises(ValueError, match="proba_b cannot be judged by y_true.*must sum to one"):
        compare_kl([0, 1], [0.5, 0.5], [[0.5, 0.4], [0.5, 0.5]])
