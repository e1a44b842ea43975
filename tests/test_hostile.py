"""Hostile numbers: a finite model or a clear error, never a NaN, never a RuntimeWarning.

The tests run with every warning as an error.
"""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning

from sklearn_kl import KLClassifier
from sklearn_kl.datasets import make_soft_classification
from sklearn_kl.models import LowRankSoftmax, MLPSoftmax
from sklearn_kl.solvers._methods import SOLVERS

EVERY_SOLVER = sorted(SOLVERS)


def problem(n_classes=3, n_samples=60, n_features=4):
    X, y, _ = make_soft_classification(n_samples, n_features, n_classes, random_state=0)
    return X, y


def fit(X, y, may_stop_early=False, **params):
    """Fit and check that everything is finite; only a ConvergenceWarning may be excused."""
    with warnings.catch_warnings():
        if may_stop_early:
            warnings.simplefilter("ignore", ConvergenceWarning)
        clf = KLClassifier(**params).fit(X, y)
    assert_finite(clf, X)
    return clf


def assert_finite(clf, X):
    for name in ("coef_", "intercept_", "cross_entropy_", "target_entropy_", "loss_path_"):
        assert np.isfinite(getattr(clf, name)).all(), name
    gap = clf.optimality_gap_
    assert gap is None or (np.isfinite(gap) and gap >= 0)
    proba = clf.predict_proba(X)
    assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
    assert (proba >= 0).all()
    assert not np.isnan(clf.predict_log_proba(X)).any()


@pytest.mark.parametrize("solver", EVERY_SOLVER)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_separable_without_a_penalty(solver, n_classes):
    X = np.arange(12.0)[:, None]
    y = np.arange(12) // (12 // n_classes)
    clf = fit(X, y, may_stop_early=solver == "gd", C=np.inf, solver=solver)
    assert clf.score(X, y) == 1
    assert clf.cross_entropy_ < (1e-2 if solver == "gd" else 1e-6)


@pytest.mark.parametrize("solver", ["lbfgs", "newton-cg"])
def test_a_separated_class_does_not_spoil_the_others(solver):
    X, y = problem()
    X = np.column_stack([X, np.zeros(60)])
    y[:10] = [0, 0, 5]
    X[:10, -1] = 1
    clf = fit(X, y, C=np.inf, solver=solver, may_stop_early=True)
    reference = KLClassifier(C=1e6).fit(X, y)
    assert clf.cross_entropy_ == pytest.approx(reference.cross_entropy_, abs=1e-3)


@pytest.mark.parametrize("solver", EVERY_SOLVER)
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("C", [1.0, np.inf])
@pytest.mark.parametrize("scale", [1e-150, 1e-20, 1e20, 1e150, "mixed"])
def test_features_of_any_unit(solver, n_classes, C, scale):
    X, y = problem(n_classes)
    if scale == "mixed":
        scale = np.array([1e-150, 1.0, 1e20, 1e150])
    clf = fit(X * scale, y, C=C, solver=solver)
    assert clf.converged_
    if np.isinf(C):
        # Without a penalty the unit is of no account.
        assert_allclose(
            clf.predict_proba(X * scale), KLClassifier(C=C).fit(X, y).predict_proba(X), atol=5e-3
        )


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_float32_features_of_any_unit(scale):
    X, y = problem()
    clf = fit((X * scale).astype(np.float32), y, C=np.inf)
    expected = KLClassifier(C=np.inf).fit(X, y).predict_proba(X)
    assert_allclose(clf.predict_proba((X * scale).astype(np.float32)), expected, atol=5e-3)


@pytest.mark.parametrize("container", [sp.csr_array, sp.csc_array])
@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_sparse_features_of_any_unit(container, scale):
    X, y = problem()
    X[np.abs(X) < 0.5] = 0
    clf = fit(container(X * scale), y, C=np.inf)
    assert_allclose(
        clf.predict_proba(X * scale), KLClassifier(C=np.inf).fit(X, y).predict_proba(X), atol=5e-3
    )


@pytest.mark.parametrize("offset", [1e4, 1e8])
def test_features_far_from_zero(offset):
    X, y = problem()
    clf = fit(X + offset, y, C=np.inf)
    assert_allclose(
        clf.predict_proba(X + offset), KLClassifier(C=np.inf).fit(X, y).predict_proba(X), atol=1e-2
    )


@pytest.mark.parametrize("solver", EVERY_SOLVER)
@pytest.mark.parametrize("C", [1.0, np.inf])
@pytest.mark.parametrize("constant", [0.0, 1.0, -1e150, 1e-150])
def test_constant_column(solver, C, constant):
    X, y = problem()
    expected = KLClassifier(C=C).fit(X, y).predict_proba(X)
    X = np.column_stack([X, np.full(len(X), constant)])
    clf = fit(X, y, C=C, solver=solver)
    assert_allclose(clf.predict_proba(X), expected, atol=5e-3)


@pytest.mark.parametrize("solver", EVERY_SOLVER)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("C", [1.0, np.inf])
@pytest.mark.parametrize("y", [[0, 1, 0, 1], [0, 1, 2, 0]])
def test_features_that_are_all_zero(solver, fit_intercept, C, y):
    X = np.zeros((4, 2))
    clf = fit(X, y, solver=solver, fit_intercept=fit_intercept, C=C)
    share = np.bincount(y) / 4 if fit_intercept else np.full(max(y) + 1, 1 / (max(y) + 1))
    assert_allclose(clf.predict_proba(X), np.tile(share, (4, 1)), atol=1e-3)


@pytest.mark.parametrize("solver", EVERY_SOLVER)
@pytest.mark.parametrize("C", [1.0, np.inf])
@pytest.mark.parametrize("row", [[0.25, 0.75], [0.2, 0.3, 0.5], [3, 0, 4]])
def test_one_row(solver, C, row):
    clf = fit([[1.0, -2.0]], [row], C=C, solver=solver)
    share = np.array(row) / np.sum(row)
    assert_allclose(clf.predict_proba([[1.0, -2.0]]), [share], atol=2e-3)


@pytest.mark.parametrize("solver", EVERY_SOLVER)
def test_collinear_columns_without_a_penalty(solver):
    X, y = problem()
    expected = KLClassifier(C=np.inf).fit(X, y).predict_proba(X)
    X = np.hstack([X, X, X[:, :1] + X[:, 1:2]])
    clf = fit(X, y, C=np.inf, solver=solver)
    assert_allclose(clf.predict_proba(X), expected, atol=5e-3)


@pytest.mark.parametrize("solver", EVERY_SOLVER)
@pytest.mark.parametrize("C", [1.0, np.inf])
def test_more_features_than_rows(solver, C):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(10, 200)), rng.dirichlet(np.ones(3), size=10)
    clf = fit(X, y, C=C, solver=solver)
    assert clf.converged_


@pytest.mark.parametrize("y", [["a"] * 5, [1] * 5, [True] * 5, [0.0] * 5])
def test_one_class(y):
    with pytest.raises(ValueError, match="at least 2 classes, but y has 1 class: "):
        KLClassifier().fit(np.eye(5), y)


@pytest.mark.parametrize("solver", EVERY_SOLVER)
@pytest.mark.parametrize("C", [1e-2, 1.0, np.inf])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_a_class_without_mass(solver, C, n_classes):
    X, y = problem(n_classes)
    y[:, 0] = 0
    clf = fit(X, y, C=C, solver=solver)
    assert clf.predict_proba(X)[:, 0].max() < 1e-3
    if n_classes > 2:
        others = KLClassifier(C=C).fit(X, y[:, 1:]).predict_proba(X)
        assert_allclose(clf.predict_proba(X)[:, 1:], others, atol=5e-3)


def test_labels_whose_weights_are_zero_leave_a_class_without_mass():
    X, y = problem()
    labels = y.argmax(axis=1)
    weight = (labels != 1).astype(float)
    clf = KLClassifier().fit(X, labels, sample_weight=weight)
    assert_finite(clf, X)
    assert clf.classes_.tolist() == [0, 1, 2]
    assert clf.predict_proba(X)[:, 1].max() < 1e-3


@pytest.mark.parametrize("solver", ["lbfgs", "newton-cg"])
def test_a_thousand_classes(solver):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(1500, 5)), np.arange(1500) % 1000
    clf = fit(X, y, solver=solver)
    assert clf.converged_
    assert clf.coef_.shape == (1000, 5)


@pytest.mark.parametrize("solver", EVERY_SOLVER)
@pytest.mark.parametrize("mass", [1e-300, 1e-30, 1e30, 1e300])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_any_total_mass(solver, mass, n_classes):
    # The size of the mass only changes how C compares with it.
    X, y = problem(n_classes)
    share = y / y.sum()
    expected = KLClassifier(tol=1e-13).fit(X, share)
    for options in ({"y": share * mass}, {"y": share, "sample_weight": np.full(60, mass)}):
        clf = KLClassifier(C=1.0 / mass, solver=solver, tol=1e-13).fit(X, **options)
        assert_finite(clf, X)
        assert clf.cross_entropy_ == pytest.approx(expected.cross_entropy_, abs=1e-6)
    for C in (1.0, np.inf):
        fit(X, share * mass, C=C, solver=solver, may_stop_early=True)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_masses_of_rows_from_tiny_to_huge(n_classes):
    X, y = problem(n_classes)
    y = y * np.geomspace(1e-300, 1e300, 60)[:, None]
    fit(X, y)
    fit(X, y, C=np.inf, may_stop_early=True)


@pytest.mark.parametrize("C, mass", [(1.0, 1e-320), (1.0, 5e-324), (1e-200, 1e-200)])
def test_mass_that_underflows_is_a_clear_error_or_no_matter(C, mass):
    X, y = problem()
    try:
        fit(X, (y > 3) * mass, C=C, may_stop_early=True)
    except ValueError as error:
        assert "mass" in str(error)  # noqa: PT017


def test_mass_that_overflows_is_a_clear_error():
    X, y = problem()
    for options in (
        {"y": y * 1e307},
        {"y": y, "sample_weight": np.full(60, 1e308)},
    ):
        with pytest.raises(ValueError, match="total mass .* is inf.* scale"):
            KLClassifier().fit(X, **options)


@pytest.mark.parametrize("C", [1e-300, 1e-30, 1e30, 1e300])
@pytest.mark.parametrize("solver", EVERY_SOLVER)
def test_any_strength_of_the_penalty(C, solver):
    X, y = problem()
    clf = fit(X, y, C=C, solver=solver)
    if C < 1:
        assert_allclose(clf.predict_proba(X), np.tile(y.sum(axis=0) / y.sum(), (60, 1)), atol=1e-3)


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array, sp.csc_array])
def test_a_column_with_one_huge_entry(container):
    X, y = problem()
    X[30, 0] = 1e200
    fit(container(X), y)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
def test_missing_and_infinite_features(bad, container):
    X, y = problem()
    X[3, 1] = bad
    with pytest.raises(ValueError, match="NaN|infinity"):
        KLClassifier().fit(container(X), y)
    clf = KLClassifier().fit(np.nan_to_num(X, posinf=0, neginf=0), y)
    with pytest.raises(ValueError, match="NaN|infinity"):
        clf.predict_proba(container(X))


def test_prediction_for_huge_features_is_finite():
    X, y = problem()
    for clf in (KLClassifier().fit(X, y), KLClassifier().fit(X, y[:, :2])):
        assert_finite(clf, X * 1e150)


MODELS = [
    "linear",
    MLPSoftmax((4,)),
    MLPSoftmax((3, 2), activation="tanh"),
    LowRankSoftmax(2),
    "ordinal",
]
HOSTILE_FEATURES = {
    "scales from 1e-8 to 1e8": lambda X: X * np.geomspace(1e-8, 1e8, X.shape[1]),
    "huge": lambda X: X * 1e150,
    "tiny": lambda X: X * 1e-150,
    "far from zero": lambda X: X + 1e6,
    "a constant": lambda X: np.where(np.arange(X.shape[1]) == 0, 3.0, X),
    "all alike": lambda X: np.repeat(X[:, :1], X.shape[1], axis=1),
    "zeros": np.zeros_like,
    "huge float32": lambda X: (X * 1e15).astype(np.float32),
    "CSR": sp.csr_array,
    "CSC": sp.csc_array,
}


@pytest.mark.parametrize("features", HOSTILE_FEATURES)
@pytest.mark.parametrize("params", [{}, {"C": np.inf}, {"C": 0.5, "l1_ratio": 1.0}], ids=str)
@pytest.mark.parametrize("model", MODELS, ids=str)
def test_any_model_on_any_features(model, params, features):
    rng = np.random.default_rng(0)
    X = HOSTILE_FEATURES[features](rng.normal(size=(40, 5)))
    # A class without mass, and unlabelled rows.
    Y = rng.dirichlet(np.full(4, 0.3), size=40)
    Y[:, -1] = 0
    Y[::3] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        clf = KLClassifier(model, random_state=0, max_iter=60, tol=1e-5, **params).fit(X, Y)
    assert np.isfinite(clf.loss_path_).all()
    # No worse than the shares of the classes, from which the path falls.
    share = Y.sum(axis=0) / Y.sum()
    assert clf.cross_entropy_ <= -(share * np.log(np.maximum(share, 1e-300))).sum() + 1e-4
    proba = clf.predict_proba(X)
    assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
    assert not np.isnan(clf.predict_log_proba(X)).any()


@pytest.mark.parametrize("model", MODELS[1:], ids=str)
def test_any_model_on_one_labelled_row(model):
    Y = np.zeros((3, 2))
    Y[1] = [0.25, 0.75]
    clf = KLClassifier(model, random_state=0).fit(np.eye(3), Y)
    assert_allclose(clf.predict_proba(np.eye(3))[1], [0.25, 0.75], atol=1e-2)
