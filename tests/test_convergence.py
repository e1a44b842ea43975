"""A fit that calls itself converged is at the minimum, whatever the features hold."""

import warnings

import numpy as np
import pytest
from scipy.special import expit, logsumexp
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning

from sklearn_kl import KLClassifier
from sklearn_kl.models import LinearSoftmax, Prepared
from sklearn_kl.solvers import LBFGS, Problem

EVERY_SOLVER = ["gd", "lbfgs", "newton-cg"]


def objective(X, y, C, coef, intercept):
    """Mean objective, summed row by row in extended precision."""
    z = X.astype(np.longdouble) @ coef.T.astype(np.longdouble) + intercept
    if z.shape[1] == 1:
        z = np.hstack([np.zeros_like(z), z])
    losses = logsumexp(z, axis=1) - z[np.arange(len(y)), y]
    return float((losses.sum() + (coef**2).sum() / (2 * C)) / len(y))


def value(clf, X, y):
    return objective(X, y, clf.C, clf.coef_, clf.intercept_)


def with_sentinel(rng):
    X = rng.standard_normal((50, 1))
    y = (rng.uniform(size=50) < expit(3 * X[:, 0])).astype(int)
    X[0] = 99999 if y[0] else -99999
    return X, y


def fit(X, y, **params):
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        return KLClassifier(**params).fit(X, y)


@pytest.mark.parametrize("solver", EVERY_SOLVER)
def test_one_code_for_a_missing_value(solver):
    X, y = with_sentinel(np.random.default_rng(0))
    clf = fit(X, y, solver=solver)
    # To be sure of its class is all that the row can ask for: then the others decide.
    others = KLClassifier(C=clf.C).fit(X[1:], y[1:])
    assert clf.coef_[0, 0] == pytest.approx(others.coef_[0, 0], abs=1e-3)
    assert clf.converged_


def test_three_rows_of_which_one_is_huge():
    X, y = np.array([[1e8], [10], [1]]), np.array([0, 0, 1])
    clf = fit(X, y)
    assert clf.predict(X).tolist() == [0, 0, 1]
    assert value(clf, X, y) == pytest.approx(0.1033085372, abs=1e-7)


# Minima found in extended precision, by Newton's method on QR factorisations.
@pytest.mark.parametrize("seed, minimum", [(0, 1.0611479942), (1, 0.2235153609), (3, 0.3730519224)])
def test_iris_with_outliers(seed, minimum):
    X, y = load_iris(return_X_y=True)
    rng = np.random.default_rng(seed)
    X[rng.uniform(size=X.shape) < 0.02] = 1e6
    clf = fit(X, y)
    assert value(clf, X, y) == pytest.approx(minimum, abs=1e-6)


def test_warm_start_goes_on_where_the_curvature_is_small():
    X, y = load_iris(return_X_y=True)
    for C in (1e4, 1e6):
        cold = fit(X, y, C=C, tol=1e-8)
        warm = KLClassifier(C=1e2, warm_start=True).fit(X, y).set_params(C=C).fit(X, y)
        assert warm.converged_
        assert value(warm, X, y) == pytest.approx(value(cold, X, y), abs=2e-7)


@pytest.mark.parametrize("model", ["linear", "ordinal"])
def test_the_end_of_a_path_is_a_fit(model):
    X, y = load_wine(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    path = KLClassifier(model).fit_path(X, y, [1e2, 1e4, 1e6, 1e8])
    for clf in path:
        assert clf.converged_
        alone = KLClassifier(model, C=clf.C, tol=1e-9).fit(X, y)
        assert value_of(clf, len(y)) == pytest.approx(value_of(alone, len(y)), abs=2e-7)


def value_of(clf, n_samples):
    weights = clf.coef_ if hasattr(clf, "coef_") else clf.ordinal_coef_
    return clf.cross_entropy_ + (weights**2).sum() / (2 * clf.C * n_samples)


# Minima of an interior point method, to 1e-10. With the BLAS of old versions the weakest penalty
# ends 1.4e-5 above its minimum, with new ones 1e-7.
@pytest.mark.parametrize(
    "C, minimum, above", [(1e3, 0.0116902152, 1e-6), (1e4, 0.0020932928, 2e-5)]
)
def test_lasso_near_separation(C, minimum, above):
    X, y = load_breast_cancer(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    clf = fit(X, y, C=C, l1_ratio=1.0)
    value = clf.cross_entropy_ + np.abs(clf.coef_).sum() / (C * len(y))
    assert value == pytest.approx(minimum, abs=above)


class BelowTheBound(Problem):
    """A function that is said to be positive, and is not."""

    convex = True
    lower_bound = 1.0

    def value_and_gradient(self, theta):
        return 0.5 + 0.5 * float(theta @ theta), theta.copy()


def test_a_value_below_its_bound_is_never_called_converged():
    result = LBFGS().minimize(BelowTheBound(), np.ones(2))
    assert not result.converged


def test_an_objective_that_is_not_finite_is_an_error():
    X, y = load_iris(return_X_y=True)

    class NeverFinite(LinearSoftmax):
        linear_in_theta = convex = False

        def prepare(self, lanes, totals):
            return Prepared()

        def logits(self, theta, X):
            return np.full_like(super().logits(theta, X), np.nan)

    clf = KLClassifier(NeverFinite(), random_state=0)
    with pytest.raises(ValueError, match="The objective is nan where the fit ended"):
        clf.fit(X, y)
    assert not hasattr(clf, "coef_")
