"""KLClassifier(l1_ratio > 0) against scikit-learn's saga, R's glmnet, and what must hold."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import scale

from sklearn_kl import KLClassifier
from sklearn_kl.datasets import load_housing
from sklearn_kl.solvers import LBFGS

# The name of the penalty is not given any more, but implied, from scikit-learn 1.8 on.
VERSION = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
PENALTY = {} if VERSION >= (1, 8) else {"penalty": "elasticnet"}

DATA = {
    "iris": load_iris,
    "wine": load_wine,
    "breast cancer, two classes": load_breast_cancer,
}


def load(name):
    X, y = DATA[name](return_X_y=True)
    return scale(X), y


def mean_objective(clf, X, y):
    """Mean cross-entropy plus penalty of any fitted linear classifier, in float64."""
    coef, intercept = np.asarray(clf.coef_, float), np.asarray(clf.intercept_, float)
    z = X @ coef.T + intercept
    if z.shape[1] == 1:
        z = np.hstack([np.zeros_like(z), z])
    loss = (logsumexp(z, axis=1) - z[np.arange(len(y)), y]).mean()
    penalty = (1 - clf.l1_ratio) / 2 * (coef**2).sum() + clf.l1_ratio * np.abs(coef).sum()
    return loss + penalty / (clf.C * len(y))


def fit_saga(X, y, C, l1_ratio, **parameters):
    saga = LogisticRegression(
        C=C, l1_ratio=l1_ratio, solver="saga", tol=1e-10, max_iter=20_000, random_state=0,
        **PENALTY, **parameters,
    )  # fmt: skip
    with warnings.catch_warnings():
        # Close to the minimum it does not always see that it has arrived.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return saga.fit(X, y)


@pytest.mark.parametrize("C", [0.01, 0.1])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
@pytest.mark.parametrize("name", DATA)
def test_the_minimum_and_the_zeros_of_saga(name, l1_ratio, C):
    X, y = load(name)
    saga = fit_saga(X, y, C, l1_ratio)
    clf = KLClassifier(C=C, l1_ratio=l1_ratio).fit(X, y)
    assert clf.converged_
    assert mean_objective(clf, X, y) <= mean_objective(saga, X, y) + 1e-7
    exact = KLClassifier(C=C, l1_ratio=l1_ratio, tol=1e-13).fit(X, y)
    assert_allclose(exact.coef_, saga.coef_, atol=2e-4)
    assert_array_equal(exact.coef_ == 0, saga.coef_ == 0)
    assert (exact.coef_ == 0).any()


def test_without_an_intercept():
    X, y = load("iris")
    saga = fit_saga(X, y, 0.1, 0.7, fit_intercept=False)
    clf = KLClassifier(C=0.1, l1_ratio=0.7, fit_intercept=False, tol=1e-13).fit(X, y)
    assert_allclose(clf.coef_, saga.coef_, atol=1e-5)
    assert_array_equal(clf.intercept_, 0)


@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_glmnet_on_counts(reference, alpha):
    data, counts = load_housing(return_X_y=True)
    expected = next(fit for fit in reference("housing")["glmnet"] if fit["alpha"] == alpha)
    C = 1 / (expected["lambda"] * counts.sum())
    clf = KLClassifier(C=C, l1_ratio=alpha, tol=1e-14).fit(data, counts)
    value = clf.cross_entropy_ + expected["lambda"] * (
        (1 - alpha) / 2 * (clf.coef_**2).sum() + alpha * np.abs(clf.coef_).sum()
    )
    assert value == pytest.approx(expected["objective"], abs=1e-12)
    assert_allclose(clf.coef_, expected["coef"], atol=1e-5)
    assert_array_equal(clf.coef_ == 0, expected["coef"] == 0)
    assert_allclose(clf.predict_proba(data), expected["proba"], atol=1e-6)


@pytest.mark.parametrize("container", [sp.csr_array, sp.csc_array, np.float32], ids=str)
def test_any_container_has_the_same_minimum(container):
    X, y = load("wine")
    X[np.abs(X) < 0.5] = 0
    dense = KLClassifier(C=0.1, l1_ratio=0.5).fit(X, y)
    data = X.astype(np.float32) if container is np.float32 else container(X)
    clf = KLClassifier(C=0.1, l1_ratio=0.5).fit(data, y)
    assert mean_objective(clf, X, y) == pytest.approx(mean_objective(dense, X, y), abs=3e-7)
    assert clf.coef_.dtype == data.dtype


def test_more_features_than_rows_are_mostly_not_used():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 200))
    y = (X[:, :3] @ [2.0, -2.0, 2.0] + 0.3 * rng.normal(size=60) > 0).astype(int)
    clf = KLClassifier(C=0.2, l1_ratio=1.0, tol=1e-9).fit(X, y)
    saga = fit_saga(X, y, 0.2, 1.0)
    assert abs(mean_objective(clf, X, y) - mean_objective(saga, X, y)) < 1e-8
    used = np.flatnonzero(clf.coef_[0])
    assert {0, 1, 2} <= set(used)
    assert len(used) < 30


def test_ratio_zero_is_the_default():
    X, y = load("iris")
    assert_array_equal(KLClassifier(l1_ratio=0.0).fit(X, y).coef_, KLClassifier().fit(X, y).coef_)


def test_a_small_ratio_is_near_the_l2_penalty():
    X, y = load("iris")
    clf = KLClassifier(l1_ratio=1e-6, tol=1e-12).fit(X, y)
    assert_allclose(clf.coef_, KLClassifier(tol=1e-12).fit(X, y).coef_, atol=1e-4)


@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
@pytest.mark.parametrize("name", ["wine", "breast cancer, two classes"])
def test_a_strong_penalty_leaves_the_class_shares(name, l1_ratio):
    X, y = load(name)
    clf = KLClassifier(C=1e-8, l1_ratio=l1_ratio).fit(X, y)
    assert not clf.coef_.any()
    assert clf.converged_
    assert_allclose(clf.predict_proba(X[:1])[0], np.bincount(y) / len(y), atol=1e-9)


@pytest.mark.parametrize("name", DATA)
def test_the_gap_is_below_a_millionth_on_raw_units(name):
    X, y = DATA[name](return_X_y=True)
    X = X * np.geomspace(0.01, 100, X.shape[1])
    for l1_ratio in (0.5, 1.0):
        clf = KLClassifier(l1_ratio=l1_ratio).fit(X, y)
        best = clone(clf).set_params(tol=1e-12).fit(X, y)
        assert clf.converged_
        assert mean_objective(clf, X, y) - mean_objective(best, X, y) < 1e-6


def test_a_class_without_mass_and_columns_without_variance():
    X, y = load("iris")
    X = np.column_stack([X, np.ones(len(X)), np.zeros(len(X))])
    onehot = np.eye(4)[y]
    clf = KLClassifier(C=0.1, l1_ratio=0.5, tol=1e-10).fit(X, onehot)
    plain = KLClassifier(C=0.1, l1_ratio=0.5, tol=1e-10).fit(X[:, :4], y)
    assert_array_equal(clf.coef_[:, 4:], 0)
    assert_allclose(clf.predict_proba(X)[:, :3], plain.predict_proba(X[:, :4]), atol=1e-4)


def test_counts_are_repeated_labels():
    X, y = load("iris")
    twice = KLClassifier(C=0.05, l1_ratio=1.0, tol=1e-12).fit(np.vstack([X, X]), np.r_[y, y])
    counts = KLClassifier(C=0.05, l1_ratio=1.0, tol=1e-12).fit(X, 2 * np.eye(3)[y])
    assert_allclose(counts.coef_, twice.coef_, atol=1e-6)


@pytest.mark.parametrize("solver", ["newton-cg", "gd"])
def test_the_other_solvers_name_the_way_out(solver):
    X, y = load("iris")
    with pytest.raises(ValueError, match=r'l1_ratio is greater than 0. Use solver="lbfgs"'):
        KLClassifier(l1_ratio=0.5, solver=solver).fit(X, y)


def test_without_coordinates_the_minimum_is_the_same():
    X, y = load("wine")
    plain = KLClassifier(C=0.1, l1_ratio=0.5, solver=LBFGS(precondition=False)).fit(X, y)
    scaled = KLClassifier(C=0.1, l1_ratio=0.5).fit(X, y)
    assert abs(mean_objective(plain, X, y) - mean_objective(scaled, X, y)) < 5e-7


def test_n_jobs_does_not_change_a_bit():
    X, y = load("wine")
    X, y = np.tile(X, (60, 1)), np.tile(y, 60)
    fits = [KLClassifier(C=0.001, l1_ratio=0.5, n_jobs=n).fit(X, y) for n in (1, 2)]
    assert_array_equal(fits[0].coef_, fits[1].coef_)


@pytest.mark.parametrize(
    ("standardised", "C", "minimum"), [(True, 1e3, 0.0116902), (False, 1e4, 0.0192021)]
)
def test_nearly_separable_data(standardised, C, minimum):
    # Minima of runs with tol=1e-10. The curvature at zero weights says little here; a fit that
    # trusts it ends 6e-4 and 1.4e-4 above them.
    X, y = load_breast_cancer(return_X_y=True)
    X = scale(X) if standardised else X
    clf = KLClassifier(C=C, l1_ratio=1.0).fit(X, y)
    value = clf.cross_entropy_ + np.abs(clf.coef_).sum() / C / len(y)
    assert minimum - 1e-7 < value < minimum + 1e-5
