"""A user's own function as a model, its gradient by hand, by JAX or by PyTorch."""

import pickle
import sys
import types

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import check_estimator

from sklearn_kl import KLClassifier
from sklearn_kl.models import LinearSoftmax
from sklearn_kl.models._callable import CallableModel
from sklearn_kl.models._check import check_model


def linear(theta, X):
    """Logits of multinomial logistic regression without intercepts."""
    return X @ theta.reshape(X.shape[1], -1)


def linear_gradient(theta, X, d_logits):
    return (X.T @ d_logits).ravel()


def n_weights(n_features, n_classes):
    return n_features * n_classes


def affine(theta, X):
    """Logits with intercepts, which stand last."""
    n_weights = len(theta) * X.shape[1] // (X.shape[1] + 1)
    return linear(theta[:n_weights], X) + theta[n_weights:]


def affine_gradient(theta, X, d_logits):
    return np.concatenate([linear_gradient(theta, X, d_logits), d_logits.sum(axis=0)])


def n_affine(n_features, n_classes):
    return (n_features + 1) * n_classes


def curved_numpy(theta, X):
    return np.tanh(linear(theta, X))


def curved_gradient(theta, X, d_logits):
    return linear_gradient(theta, X, d_logits * (1 - curved_numpy(theta, X) ** 2))


def curved_jax(theta, X):
    import jax.numpy as jnp

    return jnp.tanh(linear(theta, X))


def curved_torch(theta, X):
    import torch

    return torch.tanh(linear(theta, X))


CURVED = {"jax": curved_jax, "torch": curved_torch}


def hand_made(fn=linear, n_params=n_weights, gradient=linear_gradient, **options):
    return CallableModel(fn, n_params, gradient=gradient, **options)


def curved(package):
    if package == "numpy":
        return hand_made(curved_numpy, gradient=curved_gradient)
    pytest.importorskip(package)
    return CallableModel(CURVED[package], n_weights, gradient=package)


def automatic(package):
    pytest.importorskip(package)
    return package


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# Logits and gradients


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array, sp.csc_array])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_columns_of_the_function_are_classes(rng, container, dtype):
    X, theta = rng.normal(size=(7, 3)).astype(dtype), rng.normal(size=12)
    values = X @ theta.reshape(3, 4).astype(dtype)
    z = hand_made().bind(3, 4).logits(theta, container(X))
    assert_allclose(z, values.T, rtol=1e-5)
    assert z.dtype == dtype
    assert z.flags.c_contiguous
    z = hand_made().bind(3, 1).logits(theta[:6], container(X))
    W = theta[:6].reshape(3, 2).astype(dtype)
    assert_allclose(z, [X @ (W[:, 1] - W[:, 0])], rtol=1e-4)
    assert z.dtype == dtype


@pytest.mark.parametrize("package", ["numpy", "jax", "torch"])
def test_models_keep_the_protocol(package):
    check_model(curved(package), n_rows=5)


@pytest.mark.parametrize("package", ["jax", "torch"])
@pytest.mark.parametrize("n_logits", [1, 3])
def test_automatic_gradients_are_those_by_hand_to_the_last_digits(rng, package, n_logits):
    X, theta, d = rng.normal(size=(9, 3)), rng.normal(size=9), rng.normal(size=(n_logits, 9))
    model, expected = curved(package).bind(3, n_logits), curved("numpy").bind(3, n_logits)
    theta = theta[: model.n_params]
    z, pull = model.vjp(theta, X)
    assert z.dtype == np.float64
    assert_allclose(z, expected.logits(theta, X), rtol=1e-13)
    outs = np.zeros((3, len(theta)))
    expected.pullback(theta, X, d, outs[0])
    model.pullback(theta, X, d, outs[1])
    pull(d, outs[2])
    # Float32 would be wrong in the seventh digit.
    assert_allclose(outs[1:], outs[[0, 0]], rtol=1e-13, atol=1e-13)


def test_jax_precision_stays_as_it_was(rng):
    jax = pytest.importorskip("jax")
    before = jax.config.jax_enable_x64
    model = curved("jax").bind(3, 3)
    z, pull = model.vjp(np.ones(9), rng.normal(size=(4, 3)))
    pull(z, np.zeros(9))
    assert jax.config.jax_enable_x64 == before
    assert jax.numpy.ones(2).dtype == (np.float64 if before else np.float32)


def test_jax_compiles_once_per_number_of_rows(rng):
    automatic("jax")
    traces = []

    def fn(theta, X):
        traces.append(X.shape)
        return linear(theta, X)

    # Bound again, as in every fit of a search.
    for _ in range(3):
        model = clone(CallableModel(fn, n_weights, gradient="jax")).bind(2, 3)
        for n_rows in (8, 8, 5):
            model.vjp(np.ones(6), np.ones((n_rows, 2)))
    assert traces == [(8, 2), (5, 2)]


@pytest.mark.parametrize("package", ["jax", "torch"])
def test_functions_get_arrays_of_their_package_in_the_precision_of_the_features(package):
    module = pytest.importorskip(package)
    array = module.Array if package == "jax" else module.Tensor
    seen = []

    def fn(theta, X):
        assert isinstance(theta, array)
        assert isinstance(X, array)
        seen.append((str(theta.dtype)[-7:], str(X.dtype)[-7:]))
        return linear(theta, X)

    model = CallableModel(fn, 4, gradient=package).bind(2, 1)
    for dtype in ("float32", "float64"):
        assert model.logits(np.ones(4), np.ones((3, 2), dtype)).dtype == dtype
    assert seen == [("float32", "float32"), ("float64", "float64")]


@pytest.mark.parametrize("package", ["jax", "torch"])
def test_layout_of_the_features_does_not_matter(rng, package):
    X, theta = rng.normal(size=(6, 4)), rng.normal(size=12)
    model = curved(package).bind(4, 3)
    expected = model.logits(theta, X)
    backwards = np.ascontiguousarray(X[::-1])[::-1]
    read_only = X.copy()
    read_only.flags.writeable = False
    for view in (np.asfortranarray(X), backwards, read_only):
        assert_allclose(model.logits(theta, view), expected, rtol=1e-14)


def test_a_function_may_return_what_it_was_given():
    X, d = np.eye(3), np.full((3, 3), 2.0, order="F")
    model = hand_made(lambda theta, X: X, 1, lambda theta, X, d: np.multiply(d, 0, out=d)[0, :1])
    bound = model.bind(3, 3)
    bound.logits(np.zeros(1), X)[:] = 7
    assert_array_equal(X, np.eye(3))
    bound.pullback(np.zeros(1), X, d, np.zeros(1))
    assert_array_equal(d, np.full((3, 3), 2.0))


@pytest.mark.parametrize("package", ["jax", "torch"])
def test_a_function_may_return_more_precision_than_it_got(rng, package):
    module = pytest.importorskip(package)

    def fn(theta, X):
        # Where a tensor asks for a gradient itself, as the weights of a torch.nn.Module do.
        one = np.ones(1) if package == "jax" else module.nn.Parameter(module.ones(1).double())
        return linear(theta, X) * one

    X, theta, d = rng.normal(size=(4, 2)), np.ones(6), rng.normal(size=(3, 4))
    model, out = CallableModel(fn, 6, gradient=package).bind(2, 3), np.zeros(6)
    z, pull = model.vjp(theta, X.astype(np.float32))
    assert z.dtype == np.float32
    assert_array_equal(model.logits(theta, X.astype(np.float32)), z)
    pull(d.astype(np.float32), out)
    assert_allclose(out, (X.T @ d.T).ravel(), rtol=1e-4)


@pytest.mark.parametrize("package", ["numpy", "jax", "torch"])
def test_a_gradient_can_be_pulled_back_twice(rng, package):
    X, d, out = rng.normal(size=(4, 2)), rng.normal(size=(3, 4)), np.zeros((2, 6))
    _, pull = curved(package).bind(2, 3).vjp(np.ones(6), X)
    pull(d, out[0])
    pull(2 * d, out[1])
    assert_allclose(out[1], 2 * out[0], rtol=1e-12)


def test_torch_functions_work_under_no_grad(rng):
    torch = pytest.importorskip("torch")
    model = curved("torch").bind(2, 3)
    X, d, out = rng.normal(size=(4, 2)), rng.normal(size=(3, 4)), np.zeros(6)
    with torch.no_grad():
        model.pullback(np.ones(6), X, d, out)
    expected = np.zeros(6)
    curved("numpy").bind(2, 3).pullback(np.ones(6), X, d, expected)
    assert_allclose(out, expected, rtol=1e-12)


# Parameters


def test_number_of_parameters():
    assert hand_made(n_params=5).bind(4, 3).n_params == 5
    assert hand_made().bind(4, 3).n_params == 12
    # Two classes have two columns.
    assert hand_made().bind(4, 1).n_params == 8
    model = hand_made()
    assert model.bind(4, 3).shapes == ((12,),)
    assert model.n_params is n_weights


def test_start(rng):
    theta = hand_made().bind(50, 3).initial(np.ones(3), rng)
    assert theta.std() == pytest.approx(0.1, rel=0.2)
    point = np.array([1.0, 2.0])
    theta = hand_made(n_params=2, init=point).bind(4, 3).initial(np.ones(3), rng)
    theta += 1
    assert_array_equal(point, [1.0, 2.0])
    drawn = hand_made(n_params=2, init=lambda rng: rng.uniform(5, 6, 2)).bind(4, 3)
    starts = [drawn.initial(np.ones(3), np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert (np.array(starts) >= 5).all()
    assert_array_equal(starts[0], starts[1])
    assert (starts[0] != starts[2]).any()


@pytest.mark.parametrize(
    "penalised, expected",
    [
        (slice(None), [1, 1, 1, 1]),
        (slice(0, 3), [1, 1, 1, 0]),
        (None, [0, 0, 0, 0]),
        ([True, False, False, True], [1, 0, 0, 1]),
    ],
)
def test_what_the_penalty_applies_to(penalised, expected):
    chosen = np.zeros(4)
    chosen[hand_made(n_params=4, penalised=penalised).bind(4, 3).penalised] = 1
    assert_array_equal(chosen, expected)


def test_models_can_be_cloned_and_pickled(rng):
    for model in (hand_made(init=np.zeros(6)), curved("numpy")):
        copies = [clone(model), pickle.loads(pickle.dumps(model)), model.bind(2, 3)]
        copies.append(pickle.loads(pickle.dumps(copies[-1])))
        X, theta = rng.normal(size=(4, 2)), rng.normal(size=6)
        for copy in copies:
            z = copy.bind(2, 3).logits(theta, X)
            assert_array_equal(z, model.bind(2, 3).logits(theta, X))


def test_a_compiled_model_can_be_pickled(rng):
    model = curved("jax").bind(2, 3)
    z = model.logits(np.ones(6), np.ones((4, 2)))
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.logits(np.ones(6), np.ones((4, 2))), z)


# Errors


@pytest.mark.parametrize(
    "options, words",
    [
        ({"fn": "linear"}, r"fn must be a function \(theta, X\) -> logits, got 'linear'"),
        ({"gradient": "numpy"}, 'gradient must be a function .* "jax" or "torch", got \'numpy\''),
        ({"gradient": None}, "gradient must be a function .*got None"),
        ({"gradient": ["jax"]}, "gradient must be a function .*got .'jax'."),
        ({"n_params": 0}, "n_params must be a positive int or a function .*got 0"),
        ({"n_params": 2.0}, "n_params must be a positive int .*got 2.0"),
        ({"n_params": True}, "n_params must be a positive int .*got True"),
        ({"n_params": lambda p, k: p / k}, "that returns one, got 1.33"),
        ({"penalised": 3}, r"penalised must be a slice, None, or a boolean mask .*\(12,\), got 3"),
        ({"penalised": [True] * 5}, r"of shape \(n_params,\) = \(12,\), got \[True"),
        ({"penalised": [0.0] * 12}, "boolean mask of shape"),
    ],
)
def test_wrong_parameters_are_named_when_the_model_is_bound(options, words):
    with pytest.raises(ValueError, match=words):
        hand_made(**options).bind(4, 3)


@pytest.mark.parametrize(
    "init, words",
    [
        (np.zeros(3), r"init must have shape \(n_params,\) = \(12,\), got an array of shape \(3,"),
        (lambda rng: rng.random(2), r"init\(rng\) must have shape .*got an array of shape \(2,\)"),
    ],
)
def test_wrong_starts_are_named(rng, init, words):
    with pytest.raises(ValueError, match=words):
        hand_made(init=init).bind(4, 3).initial(np.ones(3), rng)


@pytest.mark.parametrize("package", ["numpy", "jax", "torch"])
@pytest.mark.parametrize("call", ["logits", "vjp"])
def test_wrong_shapes_of_logits_are_named(package, call):
    gradient = linear_gradient if package == "numpy" else automatic(package)
    model = CallableModel(lambda theta, X: X @ theta[:4], 8, gradient=gradient).bind(4, 1)
    with pytest.raises(
        ValueError,
        match=r"fn\(theta, X\) must have shape \(n_rows, n_classes\) = \(6, 2\), got .* \(6,\)",
    ):
        getattr(model, call)(np.ones(8), np.ones((6, 4)))


def test_wrong_shapes_of_gradients_are_named():
    model = hand_made(gradient=lambda theta, X, d: X.T @ d).bind(4, 3)
    with pytest.raises(
        ValueError,
        match=r"gradient\(theta, X, d_logits\) must have shape \(n_params,\) = \(12,\), got an "
        r"array of shape \(4, 3\)",
    ):
        model.pullback(np.ones(12), np.ones((6, 4)), np.ones((3, 6)), np.zeros(12))


@pytest.mark.parametrize("package", ["jax", "torch"])
@pytest.mark.parametrize("call", ["logits", "vjp"])
def test_sparse_features_are_refused_where_they_cannot_be_differentiated(package, call):
    model = curved(package).bind(4, 3)
    with pytest.raises(ValueError, match=rf'sparse.*gradient="{package}".*pass X.toarray\(\)'):
        getattr(model, call)(np.ones(12), sp.csr_array(np.ones((6, 4))))


@pytest.mark.parametrize("package", ["jax", "torch"])
def test_a_missing_package_is_named_when_the_model_is_bound(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    model = CallableModel(linear, n_weights, gradient=package)
    with pytest.raises(ImportError, match=f"needs the package {package}: pip install {package}"):
        model.bind(4, 3)


def test_an_old_jax_is_named(monkeypatch):
    old = types.ModuleType("jax")
    old.__version__ = "0.4.30"
    monkeypatch.setitem(sys.modules, "jax", old)
    with pytest.raises(ImportError, match="needs jax 0.8 or newer, found 0.4.30"):
        CallableModel(linear, n_weights, gradient="jax").bind(4, 3)


def test_torch_functions_without_gradient_are_named():
    automatic("torch")
    detached = CallableModel(lambda theta, X: linear(theta.detach(), X), 12, gradient="torch")
    with pytest.raises(ValueError, match="has no gradient: .* without detach, NumPy or no_grad"):
        detached.bind(4, 3).vjp(np.ones(12), np.ones((6, 4)))
    arrays = CallableModel(lambda theta, X: np.ones((6, 3)), 12, gradient="torch")
    with pytest.raises(ValueError, match="must return a tensor, got ndarray"):
        arrays.bind(4, 3).vjp(np.ones(12), np.ones((6, 4)))


# In KLClassifier


def soft_data(rng, n_classes, n_rows=200):
    X = rng.normal(size=(n_rows, 3))
    Q = np.exp(X @ rng.normal(size=(3, n_classes)))
    return X, Q / Q.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("package", ["numpy", "jax", "torch"])
def test_the_linear_model_written_as_a_function_is_the_linear_model(rng, package, n_classes):
    X, Y = soft_data(rng, n_classes)
    gradient = linear_gradient if package == "numpy" else automatic(package)
    model = CallableModel(linear, n_weights, gradient=gradient)
    clf = KLClassifier(model, C=1.0, tol=1e-12).fit(X, Y)
    # Two columns -w/2 and w/2 cost half of what the one column w of the linear model costs.
    expected = KLClassifier(
        LinearSoftmax(fit_intercept=False), C=2.0 if n_classes == 2 else 1.0, tol=1e-12
    ).fit(X, Y)
    assert_allclose(clf.predict_proba(X), expected.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("package", ["numpy", "jax", "torch"])
def test_threads_share_the_function(rng, package):
    X, Y = soft_data(rng, 3, n_rows=40_000)
    first, second = (
        KLClassifier(curved(package), tol=1e-4, n_jobs=n_jobs, random_state=0).fit(X, Y)
        for n_jobs in (1, 2)
    )
    assert_array_equal(first.theta_, second.theta_)


def test_parameters_of_the_model_in_grid_search(rng):
    X, Y = soft_data(rng, 3)
    labels = Y.argmax(axis=1)
    clf = KLClassifier(hand_made())
    grid = {"model__penalised": [slice(None), None], "model__init": [np.zeros(9), None]}
    search = GridSearchCV(clf, grid, scoring="neg_log_loss", cv=3).fit(X, labels)
    assert len(search.cv_results_["params"]) == 4
    assert search.best_estimator_.theta_.shape == (9,)
    assert clone(search.best_estimator_).model.n_params is n_weights


def test_fitted_classifiers_can_be_pickled(rng):
    X, Y = soft_data(rng, 3)
    clf = KLClassifier(hand_made()).fit(X, Y)
    again = pickle.loads(pickle.dumps(clf))
    assert_array_equal(again.predict_proba(X), clf.predict_proba(X))


def test_scikit_learn_checks():
    # Not one test per check: their names would hold the addresses of the functions.
    model = CallableModel(affine, n_affine, gradient=affine_gradient)
    check_estimator(KLClassifier(model), on_skip=None)
