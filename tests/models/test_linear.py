"""The linear model: logits, pullback and what it prepares from the data."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from scipy.optimize import approx_fprime

from sklearn_kl._data.encode import encode_targets
from sklearn_kl._data.lanes import Lanes, deal_lanes
from sklearn_kl._fit.penalty import Penalty
from sklearn_kl.models import LinearSoftmax

CONTAINERS = [np.asarray, sp.csr_array, sp.csc_array]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def prepare(model, X, y, strength=0.0, **options):
    targets = encode_targets(y, **options)
    lanes = Lanes(deal_lanes(X, model.n_logits, targets=targets))
    prepared = model.prepare(lanes, targets.totals())
    return targets, prepared, prepared.preconditioner(Penalty(model.penalised, strength))


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("n_logits", [1, 4])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_logits_are_affine(rng, container, n_logits, fit_intercept):
    X, W, b = rng.normal(size=(7, 3)), rng.normal(size=(3, n_logits)), rng.normal(size=n_logits)
    model = LinearSoftmax(fit_intercept).bind(3, n_logits)
    expected = X @ W + (b if fit_intercept else 0)
    z = model.logits(model.join(W, b), container(X))
    assert_allclose(z, expected.T, rtol=1e-13)
    assert z.flags.c_contiguous
    weights, intercept = model.split(model.join(W, b))
    assert_allclose(weights, W)
    assert (intercept is None) == (not fit_intercept)
    assert model.n_params == 3 * n_logits + n_logits * fit_intercept


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("n_logits", [1, 4])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_pullback_is_the_gradient_by_finite_differences(rng, container, n_logits, fit_intercept):
    X, d = rng.normal(size=(7, 3)), rng.normal(size=(n_logits, 7))
    model = LinearSoftmax(fit_intercept).bind(3, n_logits)
    theta = rng.normal(size=model.n_params)
    out = np.ones(model.n_params)
    model.pullback(theta, container(X), d, out=out)
    expected = approx_fprime(theta, lambda t: np.vdot(d, model.logits(t, container(X))), 1e-6)
    assert_allclose(out - 1, expected, atol=1e-6)


@pytest.mark.parametrize("n_rows", [1, 63, 64, 1000, 5000])
def test_products_of_any_number_of_rows(rng, n_rows):
    X, d = rng.normal(size=(n_rows, 20)), rng.normal(size=(5, n_rows))
    model = LinearSoftmax().bind(20, 5)
    theta, out = rng.normal(size=model.n_params), np.zeros(model.n_params)
    W, b = model.split(theta)
    assert_allclose(model.logits(theta, X), (X @ W + b).T, rtol=1e-10, atol=1e-12)
    model.pullback(theta, X, d, out=out)
    assert_allclose(out, model.join(X.T @ d.T, d.sum(axis=1)), rtol=1e-10, atol=1e-10)


def test_logits_have_the_dtype_of_the_features(rng):
    model = LinearSoftmax().bind(3, 2)
    theta = rng.normal(size=model.n_params)
    for dtype in (np.float32, np.float64):
        assert model.logits(theta, rng.normal(size=(7, 3)).astype(dtype)).dtype == dtype


def test_the_start_predicts_the_class_shares():
    mass = np.array([2.0, 5.0, 1.0])
    _, intercept = LinearSoftmax().bind(4, 3).split(LinearSoftmax().bind(4, 3).initial(mass))
    assert_allclose(np.exp(intercept) / np.exp(intercept).sum(), mass / 8)
    theta = LinearSoftmax().bind(4, 1).initial(np.array([2.0, 6.0]))
    assert_allclose(theta, [0, 0, 0, 0, np.log(3)])
    assert np.isfinite(LinearSoftmax().bind(4, 3).initial(np.array([2.0, 0.0, 1.0]))).all()


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("kind", ["labels", "two labels", "counts", "sparse counts"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_statistic_replaces_the_targets(rng, container, kind, fit_intercept):
    X, weight = rng.normal(size=(30, 4)), rng.uniform(size=30)
    counts = rng.poisson(1.0, size=(30, 3)).astype(float)
    y = {
        "labels": rng.integers(3, size=30),
        "two labels": rng.integers(2, size=30),
        "counts": counts,
        "sparse counts": sp.csr_array(counts),
    }[kind]
    model = LinearSoftmax(fit_intercept).bind(4, 1 if kind == "two labels" else 3)
    targets, prepared, _ = prepare(model, container(X), y, sample_weight=weight)
    theta = rng.normal(size=model.n_params)
    strength = targets.block(slice(None))[-model.n_logits :]
    expected = np.vdot(strength, model.logits(theta, container(X)))
    assert prepared.statistic @ theta == pytest.approx(expected, rel=1e-11)
    mass = targets.mass
    assert_allclose(prepared.mean, mass @ X / mass.sum(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n_features", [4, 200])
def test_preconditioner_is_an_invertible_linear_map(rng, container, fit_intercept, n_features):
    X = rng.normal(size=(300, n_features)) * np.geomspace(1e-3, 1e3, n_features) + 1
    model = LinearSoftmax(fit_intercept).bind(n_features, 3)
    _, _, T = prepare(model, container(X), rng.integers(3, size=300), strength=1e-3)
    u, v = rng.normal(size=(2, model.n_params))
    assert_allclose(T.from_theta(T.to_theta(v)), v, rtol=1e-6, atol=1e-6)
    assert_allclose(T.to_theta(u + 2 * v), T.to_theta(u) + 2 * T.to_theta(v), rtol=1e-7, atol=1e-6)
    # T' is the adjoint of T.
    assert T.pull_gradient(u) @ v == pytest.approx(u @ T.to_theta(v), rel=1e-7)
