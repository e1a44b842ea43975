"""Coordinates at one theta: the Hessian is the identity in them, whatever the features are."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

from sklearn_kl._data.encode import encode_targets
from sklearn_kl._data.lanes import Lanes, deal_lanes
from sklearn_kl._fit.curvature import Curvature
from sklearn_kl._fit.objective import Objective
from sklearn_kl._fit.penalty import Penalty
from sklearn_kl.models import LinearSoftmax, OrdinalSoftmax


def build(model, X, y, *, C=1.0):
    targets = encode_targets(y)
    model = model.bind(X.shape[1], 1 if targets.n_classes == 2 else targets.n_classes)
    penalty = Penalty.from_C(C, 0.0, targets.mass.sum(), model.penalised)
    lanes = Lanes(deal_lanes(X, model.row_size, targets=targets))
    return Objective(model, penalty, targets.totals(), lanes)


def dense_hessian(objective, theta):
    product = objective.hessian(theta)
    return np.column_stack([product(column) for column in np.eye(len(theta))])


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_newtons_step_of_the_linear_model(n_classes, fit_intercept, container):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3)) * [1, 1e3, 1e-3] + [0, 1e3, 1]
    y = rng.dirichlet(np.ones(n_classes), size=40)
    objective = build(LinearSoftmax(fit_intercept), container(X), y)
    theta = 0.1 * rng.normal(size=objective.model.n_params) / 1e3
    # Where logits are shifted alike there is no curvature but the penalty's.
    weights, intercept = objective.model.split(theta)
    for part in (weights, intercept) if fit_intercept else (weights,):
        part -= part.mean(axis=-1, keepdims=True) if n_classes > 2 else 0
    gradient = objective.value_and_gradient(theta)[1]
    curvature = Curvature(objective, theta)
    pulled = curvature.pull_gradient(gradient)
    step = curvature.to_theta(-pulled)
    hessian = dense_hessian(objective, theta)
    expected = -np.linalg.lstsq(hessian, gradient, rcond=1e-15)[0]
    assert pulled @ pulled == pytest.approx(-gradient @ expected, rel=1e-4)
    assert_allclose(hessian @ step, -gradient, rtol=1e-5, atol=1e-7 * np.abs(gradient).max())


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_the_decrement_of_the_ordinal_model_is_that_of_its_thresholds(n_classes):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2)) + 3
    y = np.arange(60) % n_classes
    objective = build(OrdinalSoftmax(), X, y)
    model = objective.model
    thresholds = np.sort(rng.normal(size=n_classes - 1))
    beta = np.concatenate([0.3 * rng.normal(size=2), thresholds])

    def theta_of(beta):
        return np.concatenate([beta[:3], np.log(np.diff(beta[2:]))])

    def value(beta):
        return objective.value_and_gradient(theta_of(beta))[0]

    h = 1e-3 * np.eye(len(beta))
    gradient = np.array([value(beta + d) - value(beta - d) for d in h]) / 2e-3
    hessian = [
        [
            value(beta + d + e) - value(beta + d - e) - value(beta - d + e) + value(beta - d - e)
            for e in h
        ]
        for d in h
    ]
    expected = gradient @ np.linalg.solve(np.array(hessian) / 4e-6, gradient)
    theta = theta_of(beta)
    pulled = Curvature(objective, theta).pull_gradient(objective.value_and_gradient(theta)[1])
    assert model.n_params == len(beta)
    assert pulled @ pulled == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("size", [1e4, 1e8, 1e12])
def test_rows_that_are_sure_leave_the_others_their_digits(size):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 1)), np.arange(50) % 2
    theta = np.array([1.0, 0.2])
    plain = build(LinearSoftmax(), X[1:], y[1:], C=1e6)
    expected = Curvature(plain, theta).to_theta(np.array([0.3, -0.2])) * np.sqrt(50 / 49)
    X[0] = size
    sure = build(LinearSoftmax(), X, y, C=1e6)
    assert_allclose(Curvature(sure, theta).to_theta(np.array([0.3, -0.2])), expected, rtol=1e-5)


def test_reach_is_the_largest_change_of_a_row_that_matters():
    X = np.array([[1.0], [-2.0], [1e6]])
    objective = build(LinearSoftmax(), X, np.array([1, 0, 1]))
    # The last row is sure of its class, and takes no part in the Hessian.
    curvature = Curvature(objective, np.array([1.0, 0.0]))
    assert curvature.reach(np.array([0.5, 0.0])) == pytest.approx(1.0)
