"""Perceptrons and low-rank models: gradients, scikit-learn's objective, coordinates, fits."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import approx_fprime
from scipy.special import expit, logsumexp
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from sklearn_kl import KLClassifier
from sklearn_kl._data.encode import encode_targets
from sklearn_kl._data.lanes import Lanes, deal_lanes
from sklearn_kl._fit.objective import Objective
from sklearn_kl._fit.penalty import Penalty
from sklearn_kl.datasets import make_soft_classification
from sklearn_kl.metrics import kl_divergence
from sklearn_kl.models import LowRankSoftmax, MLPSoftmax

CONTAINERS = [np.asarray, sp.csr_array, sp.csc_array]
ACTIVATIONS = ["identity", "logistic", "relu", "tanh"]
MODELS = [
    *(MLPSoftmax((4,), activation) for activation in ACTIVATIONS),
    *(MLPSoftmax((4, 3, 5), activation) for activation in ACTIVATIONS),
    LowRankSoftmax(2),
]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def make_objective(model, X, y, C=np.inf):
    """Return the mean objective and the coordinates that the model offers for it."""
    targets = encode_targets(y)
    penalty = Penalty.from_C(C, 0.0, targets.mass.sum(), model.penalised)
    shares = targets.share_of_total()
    totals = shares.totals()
    lanes = Lanes(deal_lanes(X, model.row_size, model.n_params, targets=shares))
    preconditioner = model.prepare(lanes, totals).preconditioner(penalty)
    return Objective(model, penalty, totals, lanes), preconditioner


def start(model, class_mass, seed=0, preconditioner=None):
    return model.initial(np.asarray(class_mass), np.random.default_rng(seed), preconditioner)


def ill_scaled(X):
    """Scale and shift the columns of X: other units for the same features."""
    return X * np.geomspace(1e-3, 1e4, X.shape[1]) + np.geomspace(1e-2, 1e3, X.shape[1])


# ---- Logits and gradients


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("n_logits", [1, 3])
@pytest.mark.parametrize("model", MODELS, ids=str)
def test_pullback_is_the_gradient_by_finite_differences(rng, model, n_logits, container):
    model = model.bind(3, n_logits)
    X, d = rng.normal(size=(7, 3)), rng.normal(size=(n_logits, 7))
    theta, out = rng.normal(size=model.n_params), np.ones(model.n_params)
    model.pullback(theta, container(X), d, out)
    expected = approx_fprime(theta, lambda t: np.vdot(d, model.logits(t, container(X))), 1e-7)
    assert_allclose(out - 1, expected, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize(
    "activation, function",
    [
        ("identity", lambda x: x),
        ("logistic", lambda x: 1 / (1 + np.exp(-x))),
        ("relu", lambda x: np.where(x > 0, x, 0)),
        ("tanh", np.tanh),
    ],
)
def test_logits_are_those_of_the_formula(rng, activation, function, container):
    model = MLPSoftmax((4, 5), activation).bind(3, 2)
    theta, X = rng.normal(size=model.n_params), rng.normal(size=(7, 3))
    W1, b1, W2, b2, W3, b3 = model.split(theta)
    expected = function(function(X @ W1 + b1) @ W2 + b2) @ W3 + b3
    z = model.logits(theta, container(X))
    assert_allclose(z, expected.T, rtol=1e-12)
    assert z.flags.c_contiguous


def test_weights_are_penalised_and_intercepts_are_not():
    model = MLPSoftmax(4).bind(3, 2)
    mask = np.zeros(model.n_params)
    mask[model.penalised] = 1
    assert [float(part.mean()) for part in model.split(mask)] == [1, 0, 1, 0]
    assert model.shapes == ((3, 4), (4,), (4, 2), (2,))


def test_blocks_leave_room_for_outputs_and_gradients():
    assert MLPSoftmax((4, 3)).bind(7, 5).row_size == 2 * (4 + 3 + 5)


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_a_row_depends_on_itself_alone(rng, model):
    model = model.bind(3, 4)
    theta, X = rng.normal(size=model.n_params), rng.normal(size=(9, 3))
    assert_allclose(model.logits(theta, X)[:, 2:5], model.logits(theta, X[2:5]), rtol=1e-12)


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_float32_stays_float32(rng, model):
    model = model.bind(3, 4)
    theta = start(model, np.ones(4))
    X, d = rng.normal(size=(9, 3)), rng.normal(size=(4, 9))
    exact, rounded = np.zeros((2, model.n_params))
    model.pullback(theta, X, d, exact)
    z, pull = model.vjp(theta, X.astype(np.float32))
    pull(d.astype(np.float32), rounded)
    assert z.dtype == np.float32
    assert_allclose(z, model.logits(theta, X), rtol=1e-4, atol=1e-5)
    assert_allclose(rounded, exact, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_pullback_changes_nothing_and_adds(rng, activation):
    model = MLPSoftmax((4, 3), activation).bind(3, 3)
    theta, X, d = start(model, [1, 1, 1]), rng.normal(size=(7, 3)), rng.normal(size=(3, 7))
    before = theta.copy(), X.copy(), d.copy()
    z, pull = model.vjp(theta, X)
    # The objective overwrites the logits before it pulls back.
    z[:] = np.nan
    once, twice = np.zeros((2, model.n_params))
    pull(d, once)
    pull(d, twice)
    pull(d, twice)
    assert_allclose(twice, 2 * once, rtol=1e-12)
    for array, copy in zip((theta, X, d), before, strict=True):
        assert_array_equal(array, copy)


# ---- The objective of scikit-learn


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("hidden", [(6,), (5, 4)])
def test_objective_is_that_of_mlp_classifier(activation, n_classes, hidden):
    X, votes, _ = make_soft_classification(80, 4, n_classes, n_votes=1, random_state=0)
    y, alpha = votes.argmax(axis=1), 0.7
    peer = MLPClassifier(
        hidden, activation=activation, solver="lbfgs", alpha=alpha, max_iter=30, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        peer.fit(X, y)
    model = MLPSoftmax(hidden, activation).bind(4, 1 if n_classes == 2 else n_classes)
    layers = zip(peer.coefs_, peer.intercepts_, strict=True)
    theta = np.concatenate([part.ravel() for layer in layers for part in layer])
    objective, _ = make_objective(model, X, y, C=1 / alpha)
    assert objective.value_and_gradient(theta)[0] == pytest.approx(peer.loss_, rel=1e-12)


def test_the_fitted_network_is_shown_as_by_mlp_classifier():
    X, votes, _ = make_soft_classification(80, 4, 3, random_state=0)
    clf = KLClassifier(model=MLPSoftmax((6, 5), "tanh"), tol=1e-3, random_state=0).fit(X, votes)
    assert [W.shape for W in clf.coefs_] == [(4, 6), (6, 5), (5, 3)]
    h = X
    for W, b in zip(clf.coefs_[:-1], clf.intercepts_[:-1], strict=True):
        h = np.tanh(h @ W + b)
    assert_allclose(clf.decision_function(X), h @ clf.coefs_[-1] + clf.intercepts_[-1], rtol=1e-10)


# ---- Start and coordinates


@pytest.mark.parametrize("activation, factor", [("logistic", 2), ("relu", 6), ("tanh", 6)])
def test_the_start_is_that_of_mlp_classifier(activation, factor):
    model = MLPSoftmax((300,), activation).bind(200, 1)
    W, b, V, _ = model.split(start(model, [1, 1]))
    for array, bound in ((W, factor / 500), (b, factor / 500), (V, factor / 301)):
        assert np.abs(array).max() == pytest.approx(np.sqrt(bound), rel=0.03)
        assert array.std() == pytest.approx(np.sqrt(bound / 3), rel=0.15)


@pytest.mark.parametrize("n_logits, mass", [(1, [2.0, 6.0]), (3, [5.0, 2.0, 1.0])])
def test_the_last_intercepts_start_at_the_class_shares(n_logits, mass):
    model = MLPSoftmax(4).bind(3, n_logits)
    intercept = model.split(start(model, mass))[-1]
    logits = np.append(0, intercept) if n_logits == 1 else intercept
    assert_allclose(np.exp(logits - logsumexp(logits)), np.array(mass) / 8)
    assert np.isfinite(start(model, [1.0, 0.0, 2.0][-len(mass) :])).all()


def test_the_start_does_not_depend_on_units(rng):
    X, y = rng.normal(size=(50, 4)), rng.integers(3, size=50)
    model = MLPSoftmax(6).bind(4, 3)
    logits = []
    for rows in (X, ill_scaled(X)):
        _, preconditioner = make_objective(model, rows, y)
        logits.append(model.logits(start(model, [1, 1, 1], 0, preconditioner), rows))
    assert_allclose(logits[0], logits[1], rtol=1e-7)


def test_the_start_is_in_units_of_the_standard_deviation(rng):
    X = ill_scaled(rng.normal(size=(50, 1)) + 0.1 * rng.normal(size=(50, 4)))
    model = MLPSoftmax(60).bind(4, 3)
    _, T = make_objective(model, X, rng.integers(3, size=50))
    in_units = model.split(start(model, [1, 1, 1], 0, T))[0] * X.std(axis=0)[:, None]
    assert_allclose(in_units, model.split(start(model, [1, 1, 1]))[0], rtol=1e-7)


def test_directions_without_variance_are_stretched_tenfold_at_most(rng):
    X = rng.normal(size=(50, 3))[:, [0, 1, 2, 2]]
    model = MLPSoftmax(1).bind(4, 3)
    _, T = make_objective(model, X, rng.integers(3, size=50))
    columns = [model.split(T.to_theta(v))[0][:, 0] for v in np.eye(model.n_params)[:4]]
    sizes = np.linalg.svd(np.array(columns).T * X.std(axis=0)[:, None], compute_uv=False)
    assert sizes[0] / sizes[1] == pytest.approx(10, rel=0.3)


def test_constant_columns_keep_weights_of_zero(rng):
    X, votes, _ = make_soft_classification(60, 4, 3, random_state=0)
    X[:, 1] = 7.0
    clf = KLClassifier(model=MLPSoftmax(3), C=np.inf, tol=1e-2, random_state=0).fit(X, votes)
    assert not clf.coefs_[0][1].any()
    assert clf.coefs_[0][0].all()


def test_a_strong_penalty_costs_no_iterations():
    X, votes, _ = make_soft_classification(60, 4, 3, random_state=0)
    clf = KLClassifier(model=MLPSoftmax((6, 5), "tanh"), C=1e-7, random_state=0).fit(X, votes)
    assert clf.n_iter_ <= 10
    # The penalty leaves the class shares.
    shares = np.tile(votes.sum(axis=0) / votes.sum(), (60, 1))
    assert_allclose(clf.predict_proba(X), shares, atol=1e-3)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("model", [MLPSoftmax((5, 4), "logistic"), LowRankSoftmax(2)], ids=str)
def test_coordinates_are_an_invertible_linear_map(rng, model, container):
    model = model.bind(4, 3)
    X = ill_scaled(rng.normal(size=(60, 4)))
    _, T = make_objective(model, container(X), rng.integers(3, size=60), C=10.0)
    u, v = rng.normal(size=(2, model.n_params))
    assert_allclose(T.from_theta(T.to_theta(v)), v, rtol=1e-6, atol=1e-6)
    assert_allclose(T.to_theta(u + 2 * v), T.to_theta(u) + 2 * T.to_theta(v), rtol=1e-9)
    # T' is the adjoint of T.
    assert T.pull_gradient(u) @ v == pytest.approx(u @ T.to_theta(v), rel=1e-9)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden", [(40,), (40, 30, 20)])
@pytest.mark.parametrize("n_classes", [2, 5])
def test_the_curvature_of_every_array_starts_at_about_one(rng, activation, hidden, n_classes):
    X, y = ill_scaled(rng.normal(size=(400, 6))), rng.integers(n_classes, size=400)
    model = MLPSoftmax(hidden, activation).bind(6, 1 if n_classes == 2 else n_classes)
    _, T = make_objective(model, X, y)
    v = T.from_theta(start(model, np.ones(n_classes), 1, T))
    for part, shape in enumerate(model.shapes):
        curvatures = []
        for _ in range(30):
            direction = np.zeros(model.n_params)
            model.split(direction)[part][:] = rng.choice([-1.0, 1.0], shape)
            step = 1e-6 * direction
            change = model.logits(T.to_theta(v + step), X) - model.logits(T.to_theta(v - step), X)
            # The classes are about equal: the variance over them is the curvature of the loss.
            logits = np.vstack([0 * change, change]) if n_classes == 2 else change
            curvatures.append((logits / 2e-6).var(axis=0).mean() / (direction @ direction))
        # Saturated units of tanh lower it somewhat, layer by layer.
        assert 1 / 6 < np.mean(curvatures) < 3, shape


def test_a_lasso_scales_features_and_does_not_mix_them(rng):
    model = MLPSoftmax(5).bind(4, 3)
    X = rng.normal(size=(60, 4)) @ rng.normal(size=(4, 4))
    shares = encode_targets(rng.integers(3, size=60)).share_of_total()
    lanes = Lanes(deal_lanes(X, model.row_size, targets=shares))
    prepared = model.prepare(lanes, shares.totals())
    T = prepared.preconditioner(Penalty.from_C(1.0, 0.5, 60.0, model.penalised))
    one = np.zeros(model.n_params)
    model.split(one)[0][2, 3] = 1.0
    changed = np.flatnonzero(model.split(T.to_theta(one))[0])
    assert_array_equal(changed, [2 * 5 + 3])


def test_a_lasso_leaves_weights_of_exactly_zero():
    X, votes, _ = make_soft_classification(300, 4, 3, random_state=0)
    X = np.column_stack([X, np.random.default_rng(0).normal(size=(300, 2))])
    clf = KLClassifier(model=MLPSoftmax(5, "tanh"), C=0.02, l1_ratio=0.9, random_state=0)
    first, last = clf.fit(X, votes).coefs_
    assert not first[4:].any()
    assert (first[:4] != 0).any(axis=1).all()
    assert 0 < (last == 0).mean() < 1
    assert clf.kl_divergence_ < 0.3


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_a_fit_does_not_depend_on_units(activation):
    X, votes, _ = make_soft_classification(300, 5, 3, class_sep=2.0, random_state=0)
    losses = []
    for rows in (X, ill_scaled(X)):
        # A few iterations: rounding makes long ways part, though they end equally well.
        clf = KLClassifier(
            model=MLPSoftmax(10, activation), C=np.inf, max_iter=20, tol=0, random_state=0
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            losses.append(clf.fit(rows, votes).kl_divergence_)
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    # And it has come far from the constant model, 0.74 nats.
    assert losses[0] < 0.15


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "change",
    [
        lambda X: np.column_stack([X, np.ones(len(X)), np.zeros(len(X))]),
        lambda X: np.column_stack([X, X]),
        lambda X: X * 1e30,
        lambda X: X * 1e-30,
        lambda X: X[:4],
        lambda X: X[:1],
        lambda X: X[:, :1] * 0,
        lambda X: sp.csr_array(np.where(X > 1, X, 0)),
        lambda X: np.tile(X, 50),
    ],
)
def test_hostile_features(change, dtype):
    X, votes, _ = make_soft_classification(60, 4, 3, random_state=0)
    X = change(X).astype(dtype)
    clf = KLClassifier(model=MLPSoftmax(6), tol=1e-3, random_state=0).fit(X, votes[: X.shape[0]])
    assert np.isfinite(clf.predict_proba(X)).all()
    assert clf.kl_divergence_ < 0.75


# ---- Errors


@pytest.mark.parametrize("sizes", [(), 0, (5, -1), 2.5, (2.5,), "100", None])
def test_sizes_that_are_none(sizes):
    with pytest.raises(ValueError, match="hidden_layer_sizes must be a whole number of at least 1"):
        MLPSoftmax(sizes).bind(3, 2)


@pytest.mark.parametrize("sizes", [7, (7,), [7], np.array([7]), np.int64(7)])
def test_sizes_as_a_number_or_a_sequence(sizes):
    assert MLPSoftmax(sizes).bind(3, 2).shapes == ((3, 7), (7,), (7, 2), (2,))


@pytest.mark.parametrize("activation", ["sigmoid", None, ["relu"]])
def test_an_unknown_activation(activation):
    with pytest.raises(ValueError, match="activation must be one of .*'relu', 'tanh'.*, got"):
        MLPSoftmax(activation=activation).bind(3, 2)


@pytest.mark.parametrize("rank", [0, 1.5, None, "10"])
def test_a_rank_that_is_none(rank):
    with pytest.raises(ValueError, match="rank must be a whole number of at least 1, got"):
        LowRankSoftmax(rank).bind(3, 2)


# ---- Low rank


def test_a_full_rank_without_penalty_is_the_linear_model():
    X, votes, _ = make_soft_classification(300, 5, 4, random_state=0)
    low_rank = KLClassifier(model=LowRankSoftmax(4), C=np.inf, random_state=0).fit(X, votes)
    linear = KLClassifier(C=np.inf).fit(X, votes)
    assert low_rank.cross_entropy_ == pytest.approx(linear.cross_entropy_, abs=1e-6)
    assert_allclose(low_rank.predict_proba(X), linear.predict_proba(X), atol=2e-3)


def test_the_product_is_shown_as_a_linear_model():
    X, votes, _ = make_soft_classification(100, 6, 5, random_state=0)
    clf = KLClassifier(model=LowRankSoftmax(2), tol=1e-4, random_state=0).fit(X, votes)
    assert clf.coef_.shape == (5, 6)
    assert np.linalg.matrix_rank(clf.coef_) == 2
    assert_allclose(clf.decision_function(X), X @ clf.coef_.T + clf.intercept_, atol=1e-12)


def test_the_penalty_is_the_nuclear_norm():
    X, votes, _ = make_soft_classification(200, 6, 5, n_votes=5, random_state=0)
    C, model = 0.02, LowRankSoftmax(5)
    clf = KLClassifier(model=model, C=C, tol=1e-13, max_iter=10_000, random_state=0).fit(X, votes)
    U, _, V, _ = clf.model_.split(clf.theta_)
    nuclear_norm = np.linalg.svd(U @ V, compute_uv=False).sum()
    assert 0.5 * ((U**2).sum() + (V**2).sum()) == pytest.approx(nuclear_norm, rel=1e-5)
    # The minimum over all matrices, which is convex: minus the gradient of the loss is a
    # subgradient of the nuclear norm, of spectral norm 1 and aligned with the matrix.
    gradient = C * X.T @ (votes.sum(axis=1, keepdims=True) * clf.predict_proba(X) - votes)
    assert np.linalg.norm(gradient, 2) == pytest.approx(1.0, abs=1e-4)
    assert -np.vdot(gradient, U @ V) == pytest.approx(nuclear_norm, rel=1e-4)
    # The penalty has lowered the rank, below that of the linear model too.
    assert np.linalg.matrix_rank(clf.coef_, tol=1e-4) < 4


# ---- Two moons


def two_moons(n_samples, noise, rng):
    """Rows about two half circles, and the exact probabilities of their classes."""
    angle = np.linspace(0, np.pi, 400)
    first = np.column_stack([np.cos(angle), np.sin(angle)])
    moons = np.stack([first, [1.0, 0.5] - first])
    X = moons[rng.integers(2, size=n_samples), rng.integers(400, size=n_samples)]
    X = X + noise * rng.normal(size=X.shape)
    log_density = [
        logsumexp(-((X[:, None] - moon) ** 2).sum(axis=-1) / (2 * noise**2), axis=1)
        for moon in moons
    ]
    q = expit(log_density[1] - log_density[0])
    return X, np.column_stack([1 - q, q])


@pytest.mark.parametrize("model", [MLPSoftmax(), MLPSoftmax((20, 20), "tanh")], ids=str)
def test_votes_on_two_moons_give_the_true_probabilities(rng, model):
    X, q = two_moons(2000, 0.3, rng)
    votes = rng.binomial(10, q[:, 1])
    clf = KLClassifier(model=model, C=1.0, tol=1e-5, random_state=0)
    clf.fit(X, np.column_stack([10 - votes, votes]))
    X_fresh, q_fresh = two_moons(2000, 0.3, rng)
    # Asked are 0.01 nats; a linear model is 0.09 away.
    assert kl_divergence(q_fresh, clf.predict_proba(X_fresh)) < 0.003
