"""make_soft_classification: the votes come from the q that it returns."""

import numpy as np
import pytest
import scipy.stats

from sklearn_kl.datasets import make_soft_classification


def test_shares_approach_the_true_distribution():
    _, y, q = make_soft_classification(50, n_classes=4, n_votes=10**6, random_state=0)
    # The standard deviation of a share is at most 5e-4.
    np.testing.assert_allclose(y / 10**6, q, atol=3e-3)


def test_counts_have_the_spread_of_a_multinomial():
    # Pearson's statistic of every row, chi-squared with 2 degrees of freedom if y ~ q.
    _, y, q = make_soft_classification(4000, n_votes=200, random_state=0)
    statistic = ((y - 200 * q) ** 2 / (200 * q)).sum(axis=1)
    assert scipy.stats.kstest(statistic, scipy.stats.chi2(2).cdf).pvalue > 0.01


def test_distribution_is_softmax_linear():
    X, _, q = make_soft_classification(200, 3, 4, weights=[1, 2, 3, 4], random_state=0)
    np.testing.assert_allclose(q.sum(axis=1), 1.0)
    logits = np.log(q) - np.log(q).mean(axis=1, keepdims=True)
    design = np.column_stack([np.ones(200), X])
    coef, *_ = np.linalg.lstsq(design, logits, rcond=None)
    np.testing.assert_allclose(design @ coef, logits, atol=1e-10)
    intercept = np.exp(coef[0] - coef[0].max())
    np.testing.assert_allclose(intercept, [0.25, 0.5, 0.75, 1.0])


def test_class_sep_is_the_spread_of_the_logits():
    _, _, q = make_soft_classification(500, 400, 8, class_sep=2.0, random_state=0)
    assert np.std(np.log(q / q[:, :1])[:, 1:]) == pytest.approx(2 * np.sqrt(2), rel=0.1)
    _, _, flat = make_soft_classification(10, class_sep=0, random_state=0)
    np.testing.assert_allclose(flat, 1 / 3)
    _, _, sharp = make_soft_classification(1000, class_sep=1e6, random_state=0)
    assert sharp.max(axis=1).min() > 0.99


def test_votes_can_differ_by_row():
    votes = [0, 1, 7, 1000]
    _, y, _ = make_soft_classification(4, n_votes=votes, random_state=0)
    assert y.sum(axis=1).tolist() == votes
    assert y.dtype == np.int64


def test_same_seed_same_data():
    first, again = (make_soft_classification(random_state=3) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(first[1], make_soft_classification(random_state=4)[1])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_samples": 0}, "n_samples must be a whole number of at least 1, got 0"),
        ({"n_features": 0}, "n_features must be a whole number of at least 1, got 0"),
        ({"n_classes": 1}, "n_classes must be a whole number of at least 2, got 1"),
        ({"class_sep": -1.0}, "class_sep must be finite and at least 0, got -1.0"),
        ({"class_sep": np.inf}, "class_sep must be finite and at least 0, got inf"),
        ({"n_votes": -1}, "n_votes must be an integer .* none negative, got -1"),
        ({"n_votes": 2.5}, "n_votes must be an integer .* got 2.5"),
        ({"n_votes": [1, 2]}, "n_votes has 2 entries, but n_samples is 100: give one integer"),
        ({"weights": [1, 2]}, "weights must be n_classes=3 finite numbers greater than 0"),
        ({"weights": [1, 0, 1]}, r"weights must be .* got \[1.0, 0.0, 1.0\]"),
    ],
)
def test_errors_name_the_argument_the_value_and_the_fix(wrong, message):
    with pytest.raises(ValueError, match=message):
        make_soft_classification(**wrong)
