"""The metric for L1 penalties: the Hessian itself at weights of zero; centring by brute force."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_kl._data.encode import encode_targets
from sklearn_kl._data.lanes import deal_lanes, lane_runner
from sklearn_kl._fit.objective import Objective
from sklearn_kl._fit.penalty import Penalty
from sklearn_kl.models import LinearSoftmax


def problem(n_classes, l2, *, fit_intercept=True, n_rows=300):
    """Return an Objective, its preconditioner, and theta with weights of zero."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 5)) * [1, 2, 10, 0.1, 1] + [0, 3, 1, 0, 0]
    X[:, 1] += 0.8 * X[:, 0]
    targets = encode_targets(rng.integers(n_classes, size=n_rows)).share_of_total()
    n_logits = 1 if n_classes == 2 else n_classes
    model = LinearSoftmax(fit_intercept).bind(5, n_logits)
    penalty = Penalty(model.penalised, l2, 0.01)
    with lane_runner(deal_lanes(X, model.row_size, model.n_params, targets=targets), 1) as lanes:
        totals = targets.totals()
        prepared = model.prepare(lanes, totals)
        objective = Objective(model, penalty, totals, lanes, prepared.statistic, prepared.mean)
        return objective, prepared.preconditioner(penalty), model.initial(targets.class_mass())


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("l2", [0.0, 0.03])
def test_it_is_the_hessian_where_the_weights_are_zero(n_classes, l2):
    objective, whitening, theta = problem(n_classes, l2)
    hessian, rng = objective.hessian(theta), np.random.default_rng(1)
    for _ in range(3):
        v = rng.normal(size=len(theta))
        expected = whitening.pull_gradient(hessian(whitening.to_theta(v)))
        assert_allclose(whitening.metric.product(v), expected, atol=1e-10)


@pytest.mark.parametrize("n_rows", [300, 30])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_restriction_to_an_index_is_a_part_of_the_whole(fit_intercept, n_rows):
    """With few rows for the features, the metric is diagonal."""
    _, whitening, theta = problem(3, 0.03, fit_intercept=fit_intercept, n_rows=n_rows)
    metric = whitening.metric
    assert (metric.correlation is None) == (n_rows == 30)
    everything = np.array([metric.product(row) for row in np.eye(len(theta))])
    assert_allclose(everything, everything.T, atol=1e-12)
    index = np.array([0, 2, 3, 4, 5, 12, len(theta) - 1])
    d = np.linspace(-1, 2, len(index))
    assert_allclose(
        metric.restricted(index).product(d), everything[np.ix_(index, index)] @ d, atol=1e-12
    )


def test_shifting_a_feature_in_all_classes_has_the_curvature_of_the_penalty():
    _, whitening, theta = problem(3, 0.03)
    shift = np.zeros_like(theta)
    shift[3:6] = whitening.diagonal[1]
    assert_allclose(shift @ whitening.metric.product(shift), 3 * 0.03, rtol=1e-6)


def test_recentring_lowers_the_penalty_and_keeps_what_is_not_whole():
    objective, whitening, theta = problem(3, 0.03)
    v = np.arange(1.0, len(theta) + 1)
    index = np.array([0, 1, 2, 4, 5, 15, 16, 17])
    before, after = np.zeros_like(v), np.zeros_like(v)
    before[index] = v[index]
    after[index] = whitening.metric.restricted(index).recentre(v[index])
    assert_array_equal(after[3:], before[3:])
    value = objective.penalty.value
    assert value(whitening.to_theta(after)) < value(whitening.to_theta(before))
    assert_allclose(np.diff(after[:3]), np.diff(before[:3]))


def test_a_smooth_penalty_needs_no_metric():
    objective, _, _ = problem(3, 0.03)
    model = objective.model
    prepared = model.prepare(objective.lanes, objective.totals)
    assert prepared.preconditioner(Penalty(model.penalised, 0.03)).metric is None
