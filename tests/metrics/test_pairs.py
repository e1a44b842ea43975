"""Predicted probabilities are read by one rule, whatever judges them."""

import numpy as np
import pytest

from sklearn_kl.metrics import (
    KLContributionsDisplay,
    class_kl_contributions,
    compare_kl,
    cross_entropy_loss,
    d2_kl_score,
    kl_decomposition,
    kl_divergence,
    neg_kl_divergence_scorer,
)


class Told:
    """A fitted classifier that predicts what it was given."""

    def __init__(self, y_proba):
        self.y_proba = y_proba
        self.classes_ = np.arange(y_proba.shape[1])

    def predict_proba(self, X):
        return self.y_proba


def judge_everywhere(y_true, y_proba):
    """Return the functions that read predicted probabilities, each to be called."""
    model = Told(y_proba)
    return [
        lambda: cross_entropy_loss(y_true, y_proba),
        lambda: d2_kl_score(y_true, y_proba),
        lambda: kl_decomposition(y_true, y_proba),
        lambda: class_kl_contributions(y_true, y_proba),
        lambda: compare_kl(y_true, y_proba, y_proba, n_resamples=2),
        lambda: neg_kl_divergence_scorer(model, y_true, y_true),
        lambda: KLContributionsDisplay.from_predictions(y_true, y_proba).plot,
        lambda: KLContributionsDisplay.from_estimator(model, y_true, y_true).plot,
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_classes", [3, 1000])
def test_sums_that_are_off_by_rounding_are_judged_everywhere(dtype, n_classes):
    pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is in the extra plot")
    rng = np.random.default_rng(0)
    y_true = rng.dirichlet(np.ones(n_classes), 4)
    raw = np.exp(rng.normal(size=(4, n_classes)).astype(np.float32))
    y_proba = (raw / np.cumsum(raw, axis=1)[:, -1:]).astype(dtype)
    for call in judge_everywhere(y_true, y_proba):
        call()
    off = 3e-6 if n_classes == 3 else 1.5e-4
    for call in judge_everywhere(y_true, y_proba * (1 + np.array([off], dtype=dtype))):
        with pytest.raises(ValueError, match="must sum to one within .*normalize_rows"):
            call()
    pyplot.close("all")


@pytest.mark.parametrize("y_proba", [[1 + 2e-16, 0.5], [-1e-17, 0.5], np.float32([1 + 2e-7, 0.5])])
def test_rounding_errors_outside_of_the_unit_interval_are_judged(y_proba):
    inside = np.clip(y_proba, 0, 1)
    loss, expected = (cross_entropy_loss(["b", "a"], each) for each in (y_proba, inside))
    assert loss == pytest.approx(expected, abs=1e-6)
    both = np.column_stack([1 - np.asarray(y_proba, float), y_proba])
    assert kl_divergence(both.clip(0), both) == pytest.approx(0, abs=1e-6)
