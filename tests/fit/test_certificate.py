"""The certified gap: never below the true one, tight near the minimum; and what tol promises."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning

from sklearn_kl import KLClassifier
from sklearn_kl._data.encode import encode_targets
from sklearn_kl._data.lanes import Lanes, deal_lanes
from sklearn_kl._fit.certificate import certified_gap
from sklearn_kl._fit.objective import Objective
from sklearn_kl._fit.penalty import Penalty
from sklearn_kl.datasets import make_soft_classification
from sklearn_kl.models import LinearSoftmax
from sklearn_kl.solvers import NewtonCG
from sklearn_kl.solvers._methods import SOLVERS

KINDS = ["labels", "two labels", "distributions", "counts", "sparse counts", "unlabelled rows"]


def make_problem(kind, seed):
    rng = np.random.default_rng(seed)
    n_samples, n_features = int(rng.integers(5, 60)), int(rng.integers(1, 8))
    n_classes = 2 if kind == "two labels" else int(rng.integers(3, 6))
    X = rng.normal(size=(n_samples, n_features)) * np.geomspace(1, 30, n_features) + 1
    if "labels" in kind:
        # Every class is there.
        y = np.arange(n_samples) % n_classes
    elif kind == "distributions":
        y = rng.dirichlet(np.full(n_classes, 0.5), size=n_samples)
    else:
        y = rng.poisson(2.0, size=(n_samples, n_classes)).astype(float) + (kind == "counts")
    if kind == "unlabelled rows":
        y[::3] = 0
    return X, sp.csr_array(y) if kind == "sparse counts" else y


def build(X, y, *, C, fit_intercept, **weights):
    targets = encode_targets(y, **weights)
    n_logits = 1 if targets.n_classes == 2 else targets.n_classes
    model = LinearSoftmax(fit_intercept).bind(X.shape[1], n_logits)
    penalty = Penalty(model.penalised, 1 / (C * targets.mass.sum()))
    lanes = Lanes(deal_lanes(X, n_logits, targets=targets))
    totals = targets.totals()
    prepared = model.prepare(lanes, totals)
    objective = Objective(model, penalty, totals, lanes, prepared.statistic, prepared.mean)
    return objective, prepared.preconditioner(penalty)


def solve(objective, preconditioner):
    """Minimum to rounding."""
    return NewtonCG().minimize(
        objective,
        np.zeros(objective.model.n_params),
        preconditioner=preconditioner,
        tol=1e-15,
        max_iter=200,
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("C", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("kind", KINDS)
def test_never_below_the_true_gap(kind, C, seed):
    X, y = make_problem(kind, seed)
    rng = np.random.default_rng(seed)
    weights = {"sample_weight": rng.uniform(0.1, 3, size=len(X))} if seed % 2 else {}
    objective, preconditioner = build(X, y, C=C, fit_intercept=seed < 2, **weights)
    best = solve(objective, preconditioner)
    direction = rng.normal(size=best.theta.size)
    n_certified = 0
    for distance in (1.0, 0.1, 1e-2, 1e-4, 0.0):
        theta = best.theta + distance * direction
        value, gradient = objective.value_and_gradient(theta)
        bound = certified_gap(objective, theta, value, gradient)
        if bound is not None:
            n_certified += 1
            assert bound >= value - best.value - 1e-13
    assert n_certified >= 2


@pytest.mark.parametrize("distance", [0.3, 0.1, 1e-2, 1e-3])
@pytest.mark.parametrize("kind", KINDS)
def test_within_a_factor_when_only_the_intercept_is_off(kind, distance):
    # A strong penalty settles the weights, so that nothing hides what the intercept costs.
    X, y = make_problem(kind, 3)
    objective, preconditioner = build(X, y, C=1e-6, fit_intercept=True)
    best = solve(objective, preconditioner)
    theta = best.theta.copy()
    theta[objective.model.penalised.stop] += distance
    value, gradient = objective.value_and_gradient(theta)
    true_gap = value - best.value
    assert true_gap > 1e-8
    assert true_gap <= certified_gap(objective, theta, value, gradient) <= 3 * true_gap


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_tight_near_the_minimum(kind, fit_intercept):
    X, y = make_problem(kind, 0)
    objective, preconditioner = build(X, y, C=1.0, fit_intercept=fit_intercept)
    best = solve(objective, preconditioner)
    assert certified_gap(objective, best.theta, best.value, best.gradient) < 1e-10
    # Second order: a tenth of the distance is a hundredth of the bound.
    direction = np.random.default_rng(0).normal(size=best.theta.size)
    bounds = []
    for distance in (1e-5, 1e-6):
        theta = best.theta + distance * direction
        bounds.append(certified_gap(objective, theta, *objective.value_and_gradient(theta)))
    assert bounds[1] == pytest.approx(bounds[0] / 100, rel=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_without_an_intercept_it_is_at_most_the_strong_convexity_bound(kind):
    X, y = make_problem(kind, 1)
    objective, preconditioner = build(X, y, C=1.0, fit_intercept=False)
    theta = solve(objective, preconditioner).theta + 1e-3
    value, gradient = objective.value_and_gradient(theta)
    expected = gradient @ gradient / (2 * objective.penalty.l2)
    assert certified_gap(objective, theta, value, gradient) <= expected * (1 + 1e-6) + 1e-13


def test_no_certificate_without_a_penalty():
    X, y, _ = make_soft_classification(random_state=0)
    assert KLClassifier(C=np.inf).fit(X, y).optimality_gap_ is None


def test_a_weak_penalty_is_certified_by_the_entropy_of_the_targets():
    X, y, _ = make_soft_classification(random_state=0)
    clf = KLClassifier(C=1e6).fit(X, y)
    assert clf.optimality_gap_ <= objective_value(clf, y) - clf.target_entropy_ + 1e-12


def minimum(X, y, **params):
    """Smallest mean objective, to rounding."""
    return objective_value(KLClassifier(solver="newton-cg", tol=1e-14, **params).fit(X, y), y)


def objective_value(clf, y):
    mass = len(y) if np.ndim(y) == 1 else y.sum()
    penalty = 0.5 * (1 - clf.l1_ratio) * (clf.coef_**2).sum()
    penalty += clf.l1_ratio * np.abs(clf.coef_).sum()
    return clf.cross_entropy_ + penalty / (clf.C * mass)


@pytest.mark.parametrize("solver", sorted(SOLVERS))
@pytest.mark.parametrize("tol", [1e-3, 1e-5, 1e-7])
@pytest.mark.parametrize("C", [1e-2, 1.0, 100.0])
def test_tol_bounds_the_true_gap_in_nats(solver, tol, C):
    for n_classes, class_sep in ((2, 1.0), (5, 3.0)):
        X, y, _ = make_soft_classification(
            300, 8, n_classes, n_votes=5, class_sep=class_sep, random_state=0
        )
        X = X * np.geomspace(1e-2, 1e2, 8)
        for target in (y, y.argmax(axis=1)):
            clf = KLClassifier(C=C, solver=solver, tol=tol).fit(X, target)
            assert clf.converged_
            true_gap = objective_value(clf, target) - minimum(X, target, C=C)
            assert true_gap <= 4 * tol
            if clf.optimality_gap_ is not None:
                assert clf.optimality_gap_ >= true_gap - 1e-12


def test_stopping_does_not_depend_on_units_or_on_the_number_of_rows():
    X, y, _ = make_soft_classification(300, 8, 4, random_state=0)
    clf = KLClassifier(C=np.inf).fit(X, y)
    rescaled = KLClassifier(C=np.inf).fit(X * np.geomspace(1e-6, 1e6, 8), y)
    repeated = KLClassifier(C=np.inf).fit(np.tile(X, (5, 1)), np.tile(y, (5, 1)))
    heavier = KLClassifier(C=np.inf).fit(X, 1000 * y)
    assert clf.n_iter_ == rescaled.n_iter_ == repeated.n_iter_ == heavier.n_iter_


@pytest.mark.parametrize("C", [1.0, 1e-2])
def test_certificate_of_a_fit_that_was_cut_short(C):
    X, y, _ = make_soft_classification(300, 8, 4, class_sep=3.0, random_state=0)
    best = minimum(X, y, C=C)
    for max_iter in range(1, 8):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            clf = KLClassifier(C=C, max_iter=max_iter).fit(X, y)
        true_gap = objective_value(clf, y) - best
        if clf.optimality_gap_ is not None:
            assert clf.optimality_gap_ >= true_gap - 1e-14


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_certificate_of_float32(fit_intercept):
    X, y, _ = make_soft_classification(300, 8, 4, random_state=0)
    clf = KLClassifier(fit_intercept=fit_intercept).fit(X.astype(np.float32), y)
    assert clf.converged_
    true_gap = objective_value(clf, y) - minimum(X, y, fit_intercept=fit_intercept)
    assert true_gap <= clf.optimality_gap_ + 1e-7


@pytest.mark.parametrize("l1_ratio", [0.1, 0.9, 1.0])
@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_certificate_with_an_l1_penalty(l1_ratio, n_classes, fit_intercept):
    X, y, _ = make_soft_classification(300, 8, n_classes, class_sep=3.0, random_state=0)
    params = {"C": 0.1, "l1_ratio": l1_ratio, "fit_intercept": fit_intercept}
    exact = KLClassifier(tol=1e-13, **params).fit(X, y)
    best = objective_value(exact, y)
    # Of first order in what is left of the gradient for the lasso, of second order otherwise.
    assert exact.optimality_gap_ < (1e-5 if l1_ratio == 1 else 1e-9)
    for max_iter in range(1, 30, 4):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            clf = KLClassifier(max_iter=max_iter, **params).fit(X, y)
        if clf.optimality_gap_ is not None:
            assert clf.optimality_gap_ >= objective_value(clf, y) - best - 1e-13


def test_the_certificate_of_a_fit_is_in_the_units_of_theta():
    # Within the coordinates that the solver works in, the gradient would be another.
    X, y, _ = make_soft_classification(300, 8, 4, random_state=0)
    X = X * np.geomspace(1e-2, 1e2, 8)
    clf = KLClassifier(C=1.0, tol=1e-5).fit(X, y)
    objective, _ = build(X, y, C=1.0, fit_intercept=True)
    theta = objective.model.join(clf.coef_.T, clf.intercept_)
    expected = certified_gap(objective, theta, *objective.value_and_gradient(theta))
    assert clf.optimality_gap_ == pytest.approx(expected, rel=1e-5)
