"""The objective against its formula and its derivatives against finite differences."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import approx_fprime
from scipy.special import log_softmax

import sklearn_kl._fit.objective
from sklearn_kl._data.encode import encode_targets
from sklearn_kl._data.lanes import Lanes, deal_lanes
from sklearn_kl._fit.objective import Objective
from sklearn_kl._fit.penalty import Penalty
from sklearn_kl.models import LinearSoftmax, MLPSoftmax, OrdinalSoftmax

N, P = 40, 5
CONTAINERS = [np.asarray, sp.csr_array, sp.csc_array]
KINDS = ["labels", "two labels", "distributions", "two columns", "counts", "sparse counts"]


def make_y(kind):
    rng = np.random.default_rng(1)
    counts = rng.poisson(0.7, size=(N, 4)).astype(float)
    return {
        "labels": rng.integers(4, size=N),
        "two labels": rng.integers(2, size=N),
        "distributions": rng.dirichlet(np.ones(4), size=N),
        "two columns": rng.dirichlet(np.ones(2), size=N),
        "counts": counts,
        "sparse counts": sp.csr_array(counts),
    }[kind]


def make_X(dtype=np.float64):
    return np.random.default_rng(0).normal(size=(N, P)).astype(dtype)


def build(X, y, *, strength=0.1, fit_intercept=True, prepared=True, **weights):
    """Objective of a linear model; without what is prepared, it reads the targets every time."""
    targets = encode_targets(y, **weights)
    n_logits = 1 if targets.n_classes == 2 else targets.n_classes
    model = LinearSoftmax(fit_intercept).bind(X.shape[1], n_logits)
    penalty = Penalty(model.penalised, strength)
    lanes = Lanes(deal_lanes(X, n_logits, targets=targets))
    if not prepared:
        return Objective(model, penalty, targets.totals(), lanes)
    found = model.prepare(lanes, targets.totals())
    return Objective(model, penalty, targets.totals(), lanes, found.statistic, found.mean)


def random_theta(objective, seed=2):
    return np.random.default_rng(seed).normal(size=objective.model.n_params)


def by_the_formula(objective, theta, X):
    """``1/M sum_ik t_ik (-log q_ik) + strength / 2 ||W||^2`` with SciPy's softmax."""
    W, b = objective.model.split(theta)
    logits = X @ W + (0 if b is None else b)
    if objective.model.n_logits == 1:
        logits = np.column_stack([np.zeros(len(X)), logits])
    blocks = [block for lane in objective.lanes.lanes for block in lane]
    strength = np.hstack([block.targets.strengths() for block in blocks]).T
    loss = -(strength * log_softmax(logits, axis=1)).sum() / strength.sum()
    return loss + objective.penalty.l2 / 2 * (W**2).sum()


@pytest.mark.parametrize("prepared", [True, False])
@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_value_and_derivatives(kind, container, fit_intercept, prepared):
    X = make_X()
    weights = {"sample_weight": np.random.default_rng(3).uniform(size=N), "class_weight": {1: 2.5}}
    objective = build(
        container(X), make_y(kind), fit_intercept=fit_intercept, prepared=prepared, **weights
    )
    theta = random_theta(objective)
    value, gradient = objective.value_and_gradient(theta)
    assert value == pytest.approx(by_the_formula(objective, theta, X), rel=1e-12)
    assert objective.cross_entropy(theta) == pytest.approx(
        value - objective.penalty.value(theta), rel=1e-12
    )
    slope = approx_fprime(theta, lambda t: objective.value_and_gradient(t)[0], 1e-6)
    assert_allclose(gradient, slope, atol=3e-6)
    vector, step = random_theta(objective, 4), 1e-5
    forward = objective.value_and_gradient(theta + step * vector)[1]
    backward = objective.value_and_gradient(theta - step * vector)[1]
    product = objective.hessian(theta)(vector)
    assert_allclose(product, (forward - backward) / (2 * step), atol=1e-8)


@pytest.mark.parametrize("model", [MLPSoftmax((4,), activation="tanh"), OrdinalSoftmax()])
@pytest.mark.parametrize("kind", ["labels", "two labels", "counts"])
def test_derivatives_of_models_that_are_not_linear(model, kind):
    X, targets = make_X(), encode_targets(make_y(kind))
    bound = model.bind(P, 1 if targets.n_classes == 2 else targets.n_classes)
    lanes = Lanes(deal_lanes(X, bound.row_size, bound.n_params, targets=targets))
    objective = Objective(bound, Penalty(bound.penalised, 0.1), targets.totals(), lanes)
    theta, vector = random_theta(objective), random_theta(objective, 4)
    _, gradient = objective.value_and_gradient(theta)
    slope = approx_fprime(theta, lambda t: objective.value_and_gradient(t)[0], 1e-6)
    assert_allclose(gradient, slope, atol=1e-5)
    hessian = objective.hessian(theta)
    matrix = approx_fprime(theta, lambda t: objective.value_and_gradient(t)[1], 1e-6)
    assert_allclose(hessian(vector), matrix @ vector, atol=2e-5)
    assert_allclose(hessian(1e6 * vector), 1e6 * hessian(vector), rtol=1e-6, atol=1e-3)
    assert not hessian(np.zeros_like(vector)).any()


@pytest.mark.parametrize("kind", KINDS)
def test_value_and_derivatives_at_weights_of_zero(kind):
    # Where the fit starts: there the rows need not be read.
    X = make_X()
    objective = build(X, make_y(kind))
    theta = random_theta(objective)
    theta[objective.model.penalised] = 0
    value, gradient = objective.value_and_gradient(theta)
    assert value == pytest.approx(by_the_formula(objective, theta, X), rel=1e-12)
    slope = approx_fprime(theta, lambda t: objective.value_and_gradient(t)[0], 1e-6)
    assert_allclose(gradient, slope, atol=3e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_hessian_is_symmetric_and_not_negative(kind):
    objective = build(make_X(), make_y(kind), strength=0.0)
    hessian = objective.hessian(random_theta(objective))
    H = np.column_stack([hessian(unit) for unit in np.eye(objective.model.n_params)])
    assert_allclose(H, H.T, atol=1e-14)
    assert np.linalg.eigvalsh(H).min() > -1e-12
    n_logits = objective.model.n_logits
    assert_allclose(hessian.intercept_block(), H[-n_logits:, -n_logits:], atol=1e-14)


def test_hessian_without_kept_probabilities_is_the_same(monkeypatch):
    objective = build(make_X(), make_y("counts"))
    theta, vector = random_theta(objective), random_theta(objective, 4)
    kept = objective.hessian(theta)(vector)
    monkeypatch.setattr(sklearn_kl._fit.objective, "KEPT_BYTES", 0)
    assert_allclose(objective.hessian(theta)(vector), kept, rtol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_the_entropy_of_the_targets_is_a_lower_bound(kind):
    objective = build(make_X(), make_y(kind))
    for seed in range(5):
        theta = random_theta(objective, seed)
        assert objective.cross_entropy(theta) >= objective.lower_bound
        assert objective.value_and_gradient(theta)[0] >= objective.lower_bound


def test_a_constant_added_to_all_logits_changes_nothing():
    X, y = make_X(), make_y("counts")
    objective = build(X, y, strength=0.0)
    theta = random_theta(objective)
    W, b = objective.model.split(theta)
    moved = objective.model.join(W + np.arange(P)[:, None], b + 3.0)
    value, gradient = objective.value_and_gradient(theta)
    moved_value, moved_gradient = objective.value_and_gradient(moved)
    assert moved_value == pytest.approx(value, rel=1e-12)
    assert_allclose(moved_gradient, gradient, atol=1e-13)
    # So the gradient has no part along such a change.
    W_gradient, b_gradient = objective.model.split(gradient)
    assert_allclose(W_gradient.sum(axis=1), 0, atol=1e-14)
    assert b_gradient.sum() == pytest.approx(0, abs=1e-14)


def test_counts_are_repeated_labels():
    X, counts = make_X(), make_y("counts").astype(int)
    rows = np.repeat(np.arange(N), counts.sum(axis=1))
    labels = np.concatenate([np.repeat(np.arange(4), row) for row in counts])
    grouped, repeated = build(X, counts), build(X[rows], labels)
    theta = random_theta(grouped)
    value, gradient = grouped.value_and_gradient(theta)
    assert value == pytest.approx(repeated.value_and_gradient(theta)[0], rel=1e-13)
    assert_allclose(gradient, repeated.value_and_gradient(theta)[1], atol=1e-14)


def test_weight_is_repetition():
    X, y = make_X(), make_y("distributions")
    weight = np.random.default_rng(0).integers(0, 4, size=N)
    weighted = build(X, y, sample_weight=weight)
    repeated = build(np.repeat(X, weight, axis=0), np.repeat(y, weight, axis=0))
    theta = random_theta(weighted)
    assert weighted.value_and_gradient(theta)[0] == pytest.approx(
        repeated.value_and_gradient(theta)[0], rel=1e-13
    )


def test_two_columns_are_two_classes_of_which_the_first_has_logit_zero():
    X, y = make_X(), make_y("two columns")
    one_logit = build(X, y, strength=0.0)
    # A third class that nobody has, at a logit of -inf, leaves the softmax of two.
    theta = random_theta(one_logit)
    W, b = one_logit.model.split(theta)
    logits = np.column_stack([np.zeros(N), X @ W + b])
    expected = -(y * log_softmax(logits, axis=1)).sum() / y.sum()
    assert one_logit.cross_entropy(theta) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [800.0, 1e10, 1e150])
def test_huge_logits_give_finite_losses_without_warnings(kind, size):
    objective = build(make_X(), make_y(kind), strength=0.0)
    theta = size * random_theta(objective)
    value, gradient = objective.value_and_gradient(theta)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    assert value >= objective.lower_bound
    assert np.isfinite(objective.hessian(theta)(random_theta(objective))).all()


@pytest.mark.parametrize("kind", KINDS)
def test_float32_features_give_float64_sums_close_to_those_of_float64(kind):
    y = make_y(kind)
    double, single = build(make_X(), y), build(make_X(np.float32), y)
    theta = random_theta(double)
    value, gradient = single.value_and_gradient(theta)
    assert gradient.dtype == np.float64
    assert value == pytest.approx(double.value_and_gradient(theta)[0], rel=1e-6)
    assert_allclose(gradient, double.value_and_gradient(theta)[1], atol=1e-6)


def test_theta_is_not_changed():
    objective = build(make_X(), make_y("labels"))
    theta = random_theta(objective)
    theta.flags.writeable = False
    objective.value_and_gradient(theta)
    objective.hessian(theta)(theta)


def test_work_on_rows_pickles_without_them():
    """What would be sent to where the rows are is small, and does the same there."""
    X, y = np.random.default_rng(0).normal(size=(20_000, P)), np.arange(20_000) % 4
    sent = []

    def run(work, lanes):
        sent.append(pickle.dumps(work))
        return map(pickle.loads(sent[-1]), lanes)

    here = build(X, y)
    there = replace(here, lanes=replace(here.lanes, run=run))
    theta, vector = random_theta(here), random_theta(here, 4)
    for objective in (here, there):
        objective.model.prepare(objective.lanes, objective.totals)
    value, gradient = here.value_and_gradient(theta)
    assert there.value_and_gradient(theta)[0] == value
    assert_array_equal(there.value_and_gradient(theta)[1], gradient)
    assert_array_equal(there.hessian(theta)(vector), here.hessian(theta)(vector))
    assert_array_equal(
        there.hessian(theta).intercept_block(), here.hessian(theta).intercept_block()
    )
    assert len(sent) >= 5
    assert max(map(len, sent)) < 4_000
