"""Cumulative logits: probabilities, gradients, extremes; fits by polr, clm and statsmodels."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import approx_fprime
from scipy.special import expit, log_expit, log_softmax

from sklearn_kl import KLClassifier
from sklearn_kl._data.encode import encode_targets
from sklearn_kl._data.lanes import Lanes, deal_lanes
from sklearn_kl._fit.objective import Objective
from sklearn_kl._fit.penalty import Penalty
from sklearn_kl.datasets import load_housing, load_wine_ratings
from sklearn_kl.models import OrdinalSoftmax
from sklearn_kl.solvers import LBFGS

CONTAINERS = [np.asarray, sp.csr_array, sp.csc_array]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def ratings(rng, n_samples=300, n_classes=5, n_features=3):
    """Ratings drawn from the model, with 0, 1, ... as grades."""
    X = rng.normal(size=(n_samples, n_features))
    latent = X @ rng.normal(size=n_features) + rng.logistic(size=n_samples)
    return X, np.digitize(latent, np.linspace(-2, 2, n_classes - 1))


def make_objective(model, X, y, C=1.0):
    """Return the mean objective and the coordinates that the model offers for it."""
    targets = encode_targets(y)
    penalty = Penalty.from_C(C, 0.0, targets.mass.sum(), model.penalised)
    shares = targets.share_of_total()
    totals = shares.totals()
    lanes = Lanes(deal_lanes(X, model.row_size, model.n_params, targets=shares))
    preconditioner = model.prepare(lanes, totals).preconditioner(penalty)
    return Objective(model, penalty, totals, lanes), preconditioner


# ---- Probabilities


@pytest.mark.parametrize("container", CONTAINERS)
def test_probabilities_are_differences_of_sigmoids(rng, container):
    X, model = rng.normal(size=(6, 2)), OrdinalSoftmax().bind(2, 4)
    theta = np.array([0.5, -2.0, -1.0, np.log(0.7), np.log(2.0)])
    position = X @ [0.5, -2.0]
    below = [np.zeros(6), *(expit(t - position) for t in (-1.0, -0.3, 1.7)), np.ones(6)]
    z = model.logits(theta, container(X))
    assert_allclose(np.exp(z), np.diff(below, axis=0), rtol=1e-12)
    assert z.flags.c_contiguous
    attributes = model.fitted_attributes(theta, np.float64)
    assert_allclose(attributes["thresholds_"], [-1.0, -0.3, 1.7])
    assert_array_equal(attributes["ordinal_coef_"], [0.5, -2.0])


def test_two_classes_are_logistic_regression(rng):
    X, model = rng.normal(size=(6, 2)), OrdinalSoftmax().bind(2, 1)
    theta = np.array([0.5, -2.0, 0.3])
    assert_allclose(model.logits(theta, X), [X @ [0.5, -2.0] - 0.3], rtol=1e-12)
    X, y = ratings(rng, n_classes=2)
    ordinal = KLClassifier(model=OrdinalSoftmax(), tol=1e-12).fit(X, y)
    linear = KLClassifier(tol=1e-12).fit(X, y)
    assert_allclose(ordinal.predict_proba(X), linear.predict_proba(X), rtol=1e-5)
    assert_allclose(ordinal.ordinal_coef_, linear.coef_[0], rtol=1e-4)
    assert_allclose(ordinal.thresholds_, -linear.intercept_, rtol=1e-4)


def test_a_narrow_class_has_width_times_density(rng):
    X, model = rng.normal(size=(5, 1)), OrdinalSoftmax().bind(1, 3)
    for log_width in (-29.0, -31.0, -40.0, -1000.0):
        z = model.logits(np.array([1.0, 0.2, log_width]), X)
        position = 0.2 - X[:, 0]
        assert_allclose(z[1], log_expit(position) + log_expit(-position) + log_width, rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("size", [1e3, 1e6, 1e30])
@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_huge_values_have_finite_logits_and_gradients(rng, n_classes, size, dtype):
    model = OrdinalSoftmax().bind(2, 1 if n_classes == 2 else n_classes)
    X = rng.normal(size=(8, 2)).astype(dtype)
    theta = np.concatenate([[size, -size, -size], np.full(model.n_params - 3, 1e3)])
    for sign in (1, -1):
        out = np.zeros(model.n_params)
        z, pull = model.vjp(sign * theta, X)
        assert np.isfinite(z).all()
        pull(rng.normal(size=z.shape).astype(dtype), out)
        assert np.isfinite(out).all()


# ---- Gradient, start, coordinates


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("n_logits", [1, 3, 6])
def test_pullback_is_the_gradient_by_finite_differences(rng, container, n_logits):
    X, d = rng.normal(size=(7, 3)), rng.normal(size=(n_logits, 7))
    model = OrdinalSoftmax().bind(3, n_logits)
    theta, out = rng.normal(size=model.n_params), np.ones(model.n_params)
    z, pull = model.vjp(theta, container(X))
    # The objective overwrites the logits before it pulls back.
    z[:] = np.nan
    pull(d, out)
    expected = approx_fprime(theta, lambda t: np.vdot(d, model.logits(t, container(X))), 1e-7)
    assert_allclose(out - 1, expected, atol=2e-6)


def test_float32_stays_float32(rng):
    X, d, model = rng.normal(size=(7, 3)), rng.normal(size=(4, 7)), OrdinalSoftmax().bind(3, 4)
    theta = rng.normal(size=model.n_params)
    exact, rounded = np.zeros((2, model.n_params))
    model.pullback(theta, X, d, exact)
    z, pull = model.vjp(theta, X.astype(np.float32))
    pull(d.astype(np.float32), rounded)
    assert z.dtype == np.float32
    assert_allclose(z, model.logits(theta, X), rtol=1e-5, atol=1e-5)
    assert_allclose(rounded, exact, rtol=1e-4, atol=1e-4)


def test_only_the_coefficients_are_penalised():
    model = OrdinalSoftmax().bind(3, 5)
    mask = np.zeros(model.n_params)
    mask[model.penalised] = 1
    assert_array_equal(mask, [1, 1, 1, 0, 0, 0, 0])


@pytest.mark.parametrize("mass", [[2.0, 6.0], [3.0, 1.0, 2.0, 4.0], [0.0, 1.0, 0.0, 3.0, 0.0]])
def test_the_start_predicts_the_class_shares(mass):
    mass = np.array(mass)
    model = OrdinalSoftmax().bind(3, 1 if len(mass) == 2 else len(mass))
    z = model.logits(model.initial(mass), np.ones((1, 3)))
    z = np.vstack([[0.0], z]) if len(mass) == 2 else z
    assert_allclose(np.exp(log_softmax(z, axis=0))[:, 0], mass / mass.sum(), atol=1e-7)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("n_classes", [2, 4])
def test_coordinates_are_an_invertible_linear_map(rng, container, n_classes):
    X, y = ratings(rng, n_classes=n_classes)
    X = X * np.array([1e-3, 1.0, 1e3]) + 1
    model = OrdinalSoftmax().bind(3, 1 if n_classes == 2 else n_classes)
    _, T = make_objective(model, container(X), y)
    u, v = rng.normal(size=(2, model.n_params))
    assert_allclose(T.from_theta(T.to_theta(v)), v, rtol=1e-6, atol=1e-6)
    assert_allclose(T.to_theta(u + 2 * v), T.to_theta(u) + 2 * T.to_theta(v), rtol=1e-9)
    assert T.pull_gradient(u) @ v == pytest.approx(u @ T.to_theta(v), rel=1e-9)


def test_units_of_the_features_cost_no_iterations(rng):
    X, y = ratings(rng)
    other = X * np.array([1e-4, 1.0, 1e4]) + np.array([1.0, -50.0, 1e5])
    fits = [KLClassifier(model="ordinal", C=np.inf).fit(rows, y) for rows in (X, other)]
    assert fits[0].cross_entropy_ == pytest.approx(fits[1].cross_entropy_, abs=1e-7)
    assert max(clf.n_iter_ for clf in fits) <= 20
    assert_allclose(fits[0].ordinal_coef_, fits[1].ordinal_coef_ * [1e-4, 1.0, 1e4], rtol=1e-2)


def test_correlation_of_the_features_costs_no_iterations(rng):
    X, y = ratings(rng)
    nearly_one = X[:, [0]] + 0.05 * X
    clf = KLClassifier(model="ordinal", C=np.inf).fit(nearly_one, y)
    assert clf.n_iter_ <= 20
    exact = KLClassifier(model="ordinal", C=np.inf).fit(X, y)
    assert clf.cross_entropy_ == pytest.approx(exact.cross_entropy_, abs=1e-6)


# ---- Fits


def test_housing_as_by_polr(reference):
    expected, housing = reference("ordinal")["polr_housing"], load_housing()
    assert housing.feature_names == expected["feature_names"]
    clf = KLClassifier(model=OrdinalSoftmax(), C=np.inf, tol=1e-13)
    clf.fit(housing.data, housing.target)
    assert_allclose(clf.ordinal_coef_, expected["coef"], atol=1e-4)
    assert_allclose(clf.thresholds_, expected["thresholds"], atol=1e-4)
    assert_allclose(clf.predict_proba(housing.data), expected["proba"], atol=1e-5)
    deviance = 2 * housing.target.sum() * clf.cross_entropy_
    assert deviance == pytest.approx(expected["deviance"], abs=1e-6)


def test_wine_as_by_clm(reference):
    expected, wine = reference("ordinal")["clm_wine"], load_wine_ratings()
    assert wine.feature_names == expected["feature_names"]
    clf = KLClassifier(model=OrdinalSoftmax(), C=np.inf, tol=1e-13).fit(wine.data, wine.target)
    assert_allclose(clf.ordinal_coef_, expected["coef"], atol=1e-4)
    assert_allclose(clf.thresholds_, expected["thresholds"], atol=1e-4)
    deviance = 2 * wine.target.sum() * clf.cross_entropy_
    assert deviance == pytest.approx(expected["deviance"], abs=1e-6)


def test_labels_as_by_statsmodels(rng):
    module = pytest.importorskip("statsmodels.miscmodels.ordinal_model")
    X, y = ratings(rng)
    model = module.OrderedModel(y, X, distr="logit")
    fit = model.fit(method="bfgs", disp=False, gtol=1e-8, maxiter=1000)
    clf = KLClassifier(model=OrdinalSoftmax(), C=np.inf, tol=1e-13).fit(X, y)
    assert_allclose(clf.ordinal_coef_, fit.params[:3], atol=1e-4)
    assert_allclose(clf.thresholds_, model.transform_threshold_params(fit.params)[1:-1], atol=1e-4)
    assert clf.cross_entropy_ == pytest.approx(-fit.llf / len(y), abs=1e-9)


def test_labels_are_counts_of_one(rng):
    X, y = ratings(rng)
    by_label = KLClassifier(model=OrdinalSoftmax(), tol=1e-12).fit(X, y + 1)
    by_count = KLClassifier(model=OrdinalSoftmax(), tol=1e-12).fit(X, np.eye(5)[y])
    assert_allclose(by_label.ordinal_coef_, by_count.ordinal_coef_, rtol=1e-6)


def test_the_reverse_order_turns_the_direction(rng):
    X, y = ratings(rng)
    up = KLClassifier(model=OrdinalSoftmax(), tol=1e-12).fit(X, y)
    down = KLClassifier(model=OrdinalSoftmax(), tol=1e-12).fit(X, 4 - y)
    assert_allclose(down.ordinal_coef_, -up.ordinal_coef_, rtol=1e-4)
    assert_allclose(down.thresholds_, -up.thresholds_[::-1], rtol=1e-4)


def test_every_start_leads_to_the_same_minimum(rng):
    X, y = ratings(rng)
    model = OrdinalSoftmax().bind(3, 5)
    assert model.convex
    objective, T = make_objective(model, X, y)
    values = [
        LBFGS().minimize(objective, rng.normal(size=7) * 2, preconditioner=T, tol=1e-11).value
        for _ in range(5)
    ]
    assert np.ptp(values) < 1e-9


@pytest.mark.parametrize("empty", [[0], [2], [4], [1, 2], [0, 4]])
def test_grades_that_nobody_gave(rng, empty):
    X, y = ratings(rng)
    counts = np.eye(5)[y]
    counts[:, empty] = 0
    clf = KLClassifier(model=OrdinalSoftmax()).fit(X, counts)
    proba = clf.predict_proba(X)
    assert proba[:, empty].max() < 1e-4
    kept = np.delete(np.arange(5), empty)
    fewer = KLClassifier(model=OrdinalSoftmax()).fit(X, counts[:, kept])
    assert_allclose(proba[:, kept], fewer.predict_proba(X), atol=1e-3)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "change",
    [
        lambda X: np.column_stack([X, np.ones(len(X)), np.zeros(len(X))]),
        lambda X: np.column_stack([X, X]),
        lambda X: X * 1e30,
        lambda X: X * 1e-30,
        lambda X: X[:5],
        lambda X: sp.csr_array(np.where(X > 1, X, 0)),
        lambda X: np.tile(X, 80),
    ],
)
def test_hostile_features(rng, change, dtype):
    X, y = ratings(rng)
    y[:5] = range(5)
    X = change(X).astype(dtype)
    clf = KLClassifier(model=OrdinalSoftmax(), tol=1e-4).fit(X, y[: X.shape[0]])
    assert np.isfinite(clf.predict_proba(X)).all()
    assert clf.ordinal_coef_.dtype == dtype


GRADES = ["low", "medium", "high"]
ORDERED_X = np.array([[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]])
ORDERED_Y = ["low", "low", "medium", "medium", "high", "high"]


@pytest.mark.parametrize(
    "y",
    [
        ORDERED_Y,
        pd.Series(ORDERED_Y),
        pd.Categorical(ORDERED_Y, categories=GRADES),
        pl.Series(ORDERED_Y),
    ],
    ids=["list", "Series", "Categorical", "polars"],
)
@pytest.mark.parametrize(
    "fit",
    [
        lambda clf, y: clf.fit(ORDERED_X, y),
        lambda clf, y: clf.fit_path(ORDERED_X, y, [1.0]),
        lambda clf, y: clf.fit(ORDERED_X, y, target_proba=np.eye(3)[[1, 1, 2, 2, 0, 0]]),
    ],
    ids=["fit", "fit_path", "target_proba"],
)
def test_strings_without_an_order_say_which_order_is_taken(y, fit):
    message = r"order \['high', 'low', 'medium'\], in which strings sort.*ordered=True"
    with pytest.warns(UserWarning, match=message) as caught:
        fit(KLClassifier("ordinal"), y)
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    "y",
    [
        pd.Categorical(ORDERED_Y, categories=GRADES, ordered=True),
        pd.Series(pd.Categorical(ORDERED_Y, categories=GRADES, ordered=True)),
        pl.Series(ORDERED_Y, dtype=pl.Enum(GRADES)),
        pd.DataFrame(np.eye(3)[[0, 0, 1, 1, 2, 2]], columns=GRADES),
        np.array([0, 0, 1, 1, 2, 2]),
        np.eye(3)[[0, 0, 1, 1, 2, 2]],
    ],
    ids=["Categorical", "Series", "Enum", "DataFrame", "numbers", "matrix"],
)
def test_an_order_that_is_given_is_taken_without_a_word(y):
    clf = KLClassifier("ordinal").fit(ORDERED_X, y)
    expected = KLClassifier("ordinal").fit(ORDERED_X, [0, 0, 1, 1, 2, 2])
    assert_allclose(clf.ordinal_coef_, expected.ordinal_coef_)
    assert_allclose(clf.thresholds_, expected.thresholds_)
    assert clf.ordinal_coef_ > 0.5
    if clf.classes_.dtype.kind in "UO":
        assert clf.classes_.tolist() == GRADES
        assert clf.predict([[0.0], [5.0]]).tolist() == ["low", "high"]


def test_two_strings_need_no_order():
    KLClassifier("ordinal").fit(ORDERED_X, ["low"] * 3 + ["high"] * 3)


@pytest.mark.parametrize("unused", GRADES)
def test_a_category_without_rows_changes_nothing_for_the_others(unused):
    y = pd.Categorical(
        [label if label != unused else "spare" for label in ORDERED_Y],
        categories=[*GRADES, "spare"],
        ordered=True,
    )
    full = KLClassifier("ordinal", tol=1e-10).fit(ORDERED_X, y)
    used = KLClassifier("ordinal", tol=1e-10).fit(ORDERED_X, y.remove_unused_categories())
    assert full.classes_.tolist() == [*GRADES, "spare"]
    known = [label != unused for label in full.classes_]
    proba = full.predict_proba(ORDERED_X)
    assert_allclose(proba[:, known], used.predict_proba(ORDERED_X), atol=1e-4)
    assert proba[:, np.logical_not(known)].max() < 1e-5
