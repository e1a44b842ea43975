"""KLClassifier against other software: LogisticRegression, nnet, glmnet and published results."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
from numpy.testing import assert_allclose
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version

from sklearn_kl import KLClassifier
from sklearn_kl.datasets import load_housing, make_soft_classification
from sklearn_kl.metrics import neg_kl_divergence_scorer
from sklearn_kl.solvers._methods import SOLVERS


def logistic_regression(X, y, *, sample_weight=None, C=1.0, **params):
    """Fit by Newton's method until rounding stops it."""
    if np.isinf(C) and parse_version(sklearn.__version__) < parse_version("1.8"):
        params["penalty"] = None
    else:
        params["C"] = C
    model = LogisticRegression(tol=1e-12, max_iter=10_000, solver="newton-cg", **params)
    with warnings.catch_warnings():
        # It cannot tell rounding from a failed line search.
        warnings.simplefilter("ignore")
        return model.fit(X, y, sample_weight=sample_weight)


def assert_same_model(clf, reference, rtol=1e-5):
    """Compare coefficients, which without a penalty are free up to a constant over classes."""
    size = np.abs(reference.coef_).max()
    coef = clf.coef_ - clf.coef_.mean(axis=0) * (len(clf.coef_) > 1)
    expected = reference.coef_ - reference.coef_.mean(axis=0) * (len(clf.coef_) > 1)
    assert clf.coef_.shape == reference.coef_.shape
    assert clf.intercept_.shape == reference.intercept_.shape
    assert_allclose(coef, expected, rtol=rtol, atol=rtol * size)
    intercept = clf.intercept_ - clf.intercept_.mean() * (len(clf.coef_) > 1)
    expected = reference.intercept_ - reference.intercept_.mean() * (len(clf.coef_) > 1)
    assert_allclose(intercept, expected, rtol=rtol, atol=rtol * size)


def noisy_labels(n_classes, n_samples=400, n_features=6):
    X, y, _ = make_soft_classification(n_samples, n_features, n_classes, n_votes=1, random_state=0)
    return X * np.geomspace(0.3, 3, n_features) + 0.5, y.argmax(axis=1)


def int64_csr(X):
    X = sp.csr_array(X)
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X


def int64_csc(X):
    X = sp.csc_array(X)
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X


# ---- LogisticRegression on labels


@pytest.mark.parametrize("n_classes", [2, 3, 10])
@pytest.mark.parametrize("C", [1e-3, 1.0, 1e3, np.inf])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_labels(n_classes, C, fit_intercept):
    X, y = noisy_labels(n_classes)
    params = {"C": C, "fit_intercept": fit_intercept}
    clf = KLClassifier(tol=1e-13, **params).fit(X, y)
    reference = logistic_regression(X, y, **params)
    assert_same_model(clf, reference)
    assert_allclose(clf.predict_proba(X), reference.predict_proba(X), rtol=1e-4)
    assert_allclose(clf.predict_log_proba(X), reference.predict_log_proba(X), atol=1e-4)


@pytest.mark.parametrize("solver", sorted(SOLVERS))
@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_labels_by_every_solver(solver, n_classes):
    X, y = noisy_labels(n_classes)
    clf = KLClassifier(solver=solver, tol=1e-13).fit(X, y)
    assert_same_model(clf, logistic_regression(X, y))


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    "container",
    [sp.csr_matrix, sp.csr_array, sp.csc_matrix, sp.csc_array, int64_csr, int64_csc],
)
def test_sparse_features(container, n_classes):
    X, y = noisy_labels(n_classes)
    X[np.abs(X) < 0.5] = 0
    clf = KLClassifier(tol=1e-13).fit(container(X), y)
    assert_same_model(clf, logistic_regression(X, y))
    assert_allclose(
        clf.predict_proba(container(X)), clf.predict_proba(X), rtol=1e-10, err_msg="prediction"
    )


@pytest.mark.parametrize("n_classes", [2, 3, 10])
@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 3.0, 1: 0.2}])
@pytest.mark.parametrize("weighted", [True, False])
def test_weights(n_classes, class_weight, weighted):
    X, y = noisy_labels(n_classes)
    weight = np.random.default_rng(0).exponential(size=len(X)) if weighted else None
    clf = KLClassifier(class_weight=class_weight, tol=1e-13).fit(X, y, sample_weight=weight)
    if class_weight == "balanced" and weighted:
        # By hand: an old LogisticRegression balances the number of rows, not their weight.
        mass = np.bincount(y, weights=weight)
        class_weight = dict(enumerate(mass.sum() / (n_classes * mass)))
    reference = logistic_regression(X, y, class_weight=class_weight, sample_weight=weight)
    assert_same_model(clf, reference)


def test_defaults_predict_the_digits_as_logistic_regression_does():
    X, y = load_digits(return_X_y=True)
    X = X / 16
    clf = KLClassifier().fit(X, y)
    reference = logistic_regression(X, y)
    assert clf.converged_
    assert_allclose(clf.predict_proba(X), reference.predict_proba(X), atol=2e-3)
    assert (clf.predict(X) == reference.predict(X)).mean() > 0.999


# ---- LogisticRegression on replicated rows: distributions and counts


def replicate(X, y):
    """One row per class of every row, weighing its entry of y."""
    n_samples, n_classes = y.shape
    rows, labels = np.divmod(np.arange(n_samples * n_classes), n_classes)
    weight = y.ravel()
    return X[rows], labels, weight


@pytest.mark.parametrize("n_classes", [2, 3, 10])
@pytest.mark.parametrize("C", [1e-3, 1.0, np.inf])
@pytest.mark.parametrize("kind", ["distributions", "counts", "sparse counts"])
def test_soft_targets(n_classes, C, kind):
    X, counts, q = make_soft_classification(150, 4, n_classes, random_state=0)
    y = q if kind == "distributions" else counts.astype(float)
    rows, labels, weight = replicate(X, y)
    reference = logistic_regression(rows, labels, C=C, sample_weight=weight)
    target = sp.csr_array(y) if kind == "sparse counts" else y
    assert_same_model(KLClassifier(C=C, tol=1e-13).fit(X, target), reference)


@pytest.mark.parametrize("class_weight", ["balanced", {0: 3.0, 1: 0.2}])
def test_soft_targets_with_weights(class_weight):
    X, counts, _ = make_soft_classification(150, 4, 3, random_state=0)
    weight = np.random.default_rng(0).exponential(size=150)
    strength = counts * weight[:, None]
    # Class weights by hand: LogisticRegression would balance rows and not their mass.
    factor = (
        strength.sum() / (3 * strength.sum(axis=0))
        if class_weight == "balanced"
        else np.array([3.0, 0.2, 1.0])
    )
    rows, labels, replicated = replicate(X, strength * factor)
    reference = logistic_regression(rows, labels, sample_weight=replicated)
    clf = KLClassifier(class_weight=class_weight, tol=1e-13)
    assert_same_model(clf.fit(X, counts, sample_weight=weight), reference)


# ---- R on the housing data


def test_nnet_multinom(reference):
    X, y = load_housing(return_X_y=True)
    r = reference("housing")["multinom"]
    for solver in sorted(SOLVERS):
        clf = KLClassifier(C=np.inf, tol=1e-13, solver=solver).fit(X, y)
        assert 2 * 1681 * clf.cross_entropy_ == pytest.approx(3470.083866, abs=1e-6)
        assert 2 * 1681 * clf.cross_entropy_ == pytest.approx(r["deviance"], rel=1e-10)
        # R fixes the first class at the logit 0.
        assert_allclose(clf.coef_[1:] - clf.coef_[0], r["coef"], atol=2e-5)
        assert_allclose(clf.intercept_[1:] - clf.intercept_[0], r["intercept"], atol=2e-5)
        assert_allclose(clf.predict_proba(X), r["proba"], atol=5e-6)


@pytest.mark.parametrize(
    "index, mean_cross_entropy, objective",
    [(0, 1.035072883, 1.043624255), (1, 1.032205706, 1.033660580)],
)
def test_glmnet_ridge(reference, index, mean_cross_entropy, objective):
    X, y = load_housing(return_X_y=True)
    r = reference("housing")["glmnet"][index]
    assert r["alpha"] == 0
    clf = KLClassifier(C=1 / (1681 * r["lambda"]), tol=1e-14).fit(X, y)
    assert clf.cross_entropy_ == pytest.approx(mean_cross_entropy, abs=1e-9)
    assert clf.cross_entropy_ == pytest.approx(r["mean_cross_entropy"], rel=1e-8)
    value = clf.cross_entropy_ + r["lambda"] / 2 * (clf.coef_**2).sum()
    assert value == pytest.approx(objective, abs=1e-9)
    assert value == pytest.approx(r["objective"], rel=1e-12)
    assert_allclose(clf.coef_, r["coef"], atol=1e-6)
    assert_allclose(clf.intercept_ - clf.intercept_.mean(), r["intercept"], atol=1e-6)
    assert_allclose(clf.predict_proba(X), r["proba"], atol=1e-7)


def test_housing_three_ways(reference):
    # Groups of counts, tenants one by one, and shares weighing their number are one data set.
    X, y = load_housing(return_X_y=True)
    size = y.sum(axis=1)
    tenants = np.repeat(X, size, axis=0)
    labels = np.concatenate([np.repeat(np.arange(3), row) for row in y])
    grouped = KLClassifier(tol=1e-14).fit(X, y)
    single = KLClassifier(tol=1e-14).fit(tenants, labels)
    shares = KLClassifier(tol=1e-14).fit(X, y / size[:, None], sample_weight=size)
    assert_allclose(single.coef_, grouped.coef_, atol=1e-6)
    assert_allclose(shares.coef_, grouped.coef_, atol=1e-6)
    assert single.cross_entropy_ == pytest.approx(grouped.cross_entropy_, rel=1e-9)
    # But what no model can remove is known only for the groups.
    assert single.target_entropy_ == 0
    assert grouped.target_entropy_ > 0.9


# ---- published results


@pytest.mark.parametrize("seed", [0, 1])
def test_sjaffe_beats_the_published_fits(shared_data, seed):
    """At most 0.045 nats by 10-fold CV; SA-BFGS (Geng, 2016) is published with 0.064."""
    X, y = shared_data("SJAFFE")
    model = make_pipeline(StandardScaler(), KLClassifier(tol=1e-5))
    cv = KFold(10, shuffle=True, random_state=seed)
    inner = KFold(3, shuffle=True, random_state=seed)
    search = GridSearchCV(
        model, {"klclassifier__C": [0.01, 0.03, 0.1]}, cv=inner, scoring=neg_kl_divergence_scorer
    )
    scores = cross_validate(search, X, y, cv=cv, scoring=neg_kl_divergence_scorer)
    assert -scores["test_score"].mean() <= 0.045
