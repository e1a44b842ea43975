"""The elastic net: values by hand, derivatives by finite differences, vectors of strengths."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import approx_fprime, minimize, minimize_scalar

from sklearn_kl._data.encode import encode_targets
from sklearn_kl._fit.penalty import MAX_STRENGTH, Penalty
from sklearn_kl._fit.train import Settings, train
from sklearn_kl.datasets import make_soft_classification
from sklearn_kl.models import LinearSoftmax, MLPSoftmax, OrdinalSoftmax
from sklearn_kl.solvers import LBFGS, GradientDescent, NewtonCG

INDEX = [slice(0, 3), np.array([True, True, True, False])]
THETA = np.array([1.0, -2.0, 0.5, 7.0])
# The last parameter is free, whatever the vectors say there.
STRENGTHS = {
    "L2": (3.0, 0.0),
    "lasso": (0.0, 2.0),
    "elastic net": (3.0, 2.0),
    "vectors": (np.array([3.0, 0.0, 1.0, 9.0]), np.array([2.0, 1.0, 0.0, 9.0])),
    "vector and scalar": (np.array([3.0, 0.0, 1.0, 9.0]), 2.0),
}


@pytest.mark.parametrize("penalised", INDEX, ids=["slice", "mask"])
def test_value_by_hand_and_the_intercept_is_free(penalised):
    # 3 / 2 * (1 + 4 + 0.25) and 2 * (1 + 2 + 0.5)
    assert Penalty(penalised, 3.0, 0.0).value(THETA) == pytest.approx(7.875, rel=1e-15)
    assert Penalty(penalised, 0.0, 2.0).value(THETA) == pytest.approx(7.0, rel=1e-15)
    assert Penalty(penalised, 3.0, 2.0).value(THETA) == pytest.approx(14.875, rel=1e-15)
    # 3/2 * 1 + 1/2 * 0.25 and 2 * 1 + 1 * 2
    by_vectors = Penalty(penalised, *STRENGTHS["vectors"])
    assert by_vectors.value(THETA) == pytest.approx(1.625 + 4.0, rel=1e-15)


@pytest.mark.parametrize("penalised", INDEX, ids=["slice", "mask"])
@pytest.mark.parametrize("name", STRENGTHS)
def test_gradient_is_that_of_the_smooth_part_and_is_added(penalised, name):
    penalty, out = Penalty(penalised, *STRENGTHS[name]), np.ones(4)
    penalty.add_gradient(THETA, out=out)
    thresholds = penalty.thresholds(4)
    kinks = 0 if thresholds is None else thresholds * np.sign(THETA)
    assert_allclose(out - 1 + kinks, approx_fprime(THETA, penalty.value, 1e-7), atol=1e-5)
    assert out[3] == 1


@pytest.mark.parametrize("penalised", INDEX, ids=["slice", "mask"])
@pytest.mark.parametrize("name", STRENGTHS)
def test_curvature_and_hessian_products_are_changes_of_the_gradient(penalised, name):
    penalty, vector = Penalty(penalised, *STRENGTHS[name]), np.array([0.5, 1.0, -1.0, 2.0])
    moved, here, product = np.zeros(4), np.zeros(4), np.zeros(4)
    penalty.add_gradient(THETA + vector, out=moved)
    penalty.add_gradient(THETA, out=here)
    penalty.add_hessian_product(vector, out=product)
    assert_allclose(product, moved - here)
    assert_allclose(product, penalty.curvature(4) * vector)


def test_thresholds_are_the_slopes_at_zero():
    assert Penalty(slice(0, 3), 3.0).thresholds(4) is None
    assert Penalty(slice(0, 3), 3.0).smooth
    assert_array_equal(Penalty(slice(0, 3), 3.0, 2.0).thresholds(4), [2, 2, 2, 0])
    by_vectors = Penalty(slice(0, 3), *STRENGTHS["vectors"])
    assert_array_equal(by_vectors.thresholds(4), [2, 1, 0, 0])
    assert not by_vectors.smooth
    # What stands at free parameters alone is no penalty.
    nothing = Penalty(slice(0, 3), np.array([0, 0, 0, 1.0]), np.array([0, 0, 0, 1.0]))
    assert nothing.smooth
    assert nothing.is_zero


@pytest.mark.parametrize("name", STRENGTHS)
def test_conjugate_is_the_least_upper_bound(name):
    """Fenchel and Young: ``penalty(w) + penalty*(r) >= r'w``, equal where r is a subgradient."""
    penalty, rng = Penalty(slice(0, 3), *STRENGTHS[name]), np.random.default_rng(0)
    for _ in range(50):
        w, residual = rng.normal(size=4), 4 * rng.normal(size=3)
        assert penalty.value(w) + penalty.conjugate(residual) >= residual @ w[:3]
    w = np.array([1.0, -2.0, 0.0, 5.0])
    subgradient = penalty.curvature(4) * w
    if not penalty.smooth:
        subgradient += penalty.thresholds(4) * [1.0, -1.0, 0.75, 0.0]
    subgradient = subgradient[:3]
    reached = penalty.value(w) + penalty.conjugate(subgradient)
    assert reached == pytest.approx(subgradient @ w[:3])


def test_conjugate_by_hand():
    residual = np.array([5.0, -1.0, -4.0])
    # ((5 - 2)^2 + 0 + (4 - 2)^2) / (2 * 3)
    assert Penalty(slice(0, 3), 3.0, 2.0).conjugate(residual) == pytest.approx(13 / 6)
    # (5 - 2)^2 / 6 + (4 - 0)^2 / 2; the second has no L2 part, and is within its L1 part.
    by_vectors = Penalty(slice(0, 3), *STRENGTHS["vectors"])
    assert by_vectors.conjugate(residual) == pytest.approx(9 / 6 + 8)
    assert by_vectors.conjugate(np.array([0.0, 1.1, 0.0])) == np.inf


def test_conjugate_of_the_lasso_is_zero_or_infinite():
    lasso = Penalty(slice(0, 2), 0.0, 2.0)
    assert lasso.conjugate(np.array([2.0, -2.0])) == 0
    assert lasso.conjugate(np.array([2.0, -2.1])) == np.inf


def test_share_within_the_l1_part():
    residual = np.array([4.0, -1.0, 0.0])
    assert Penalty(slice(0, 3), 1.0).share_within_l1(residual) == 0
    assert Penalty(slice(0, 3), 0.0, 2.0).share_within_l1(residual) == 0.5
    assert Penalty(slice(0, 3), 0.0, 9.0).share_within_l1(residual) == 1
    assert Penalty(slice(0, 3), 1.0).share_within_l1(np.zeros(3)) == 1
    by_vectors = Penalty(slice(0, 3), 0.0, np.array([3.0, 0.25, 0.0]))
    assert by_vectors.share_within_l1(residual) == 0.25
    assert by_vectors.conjugate(0.25 * residual) == 0


def test_no_strength_is_no_penalty_even_for_weights_that_overflow():
    for l2, l1 in ((0.0, 0.0), (np.zeros(3), np.zeros(3))):
        penalty, out = Penalty(slice(0, 2), l2, l1), np.zeros(3)
        theta = np.array([1e300, np.inf, 0.0])
        assert penalty.is_zero
        assert penalty.value(theta) == 0
        penalty.add_gradient(theta, out=out)
        assert_array_equal(out, 0)
        assert penalty.conjugate(np.zeros(2)) == 0
        assert penalty.conjugate(np.array([0.0, 1e-300])) == np.inf


@pytest.mark.parametrize("l1_ratio", [0.0, 0.25, 1.0])
def test_C_is_divided_among_the_parts_and_by_the_mass(l1_ratio):
    penalty = Penalty.from_C(0.5, l1_ratio, 40.0, slice(0, 3))
    assert penalty.l2 == pytest.approx((1 - l1_ratio) * 0.05)
    assert penalty.l1 == pytest.approx(l1_ratio * 0.05)
    assert Penalty.from_C(np.inf, l1_ratio, 40.0, slice(0, 3)).is_zero
    strongest = Penalty.from_C(1e-308, l1_ratio, 1e-300, slice(0, 3))
    assert strongest.l2 + strongest.l1 == pytest.approx(MAX_STRENGTH)


# ---- centring


def strengths_of_every_kind(kind, shape):
    rng = np.random.default_rng(3)
    if kind == "scalars":
        return 0.3, 1.0
    if kind == "lasso":
        return 0.0, 1.0
    if kind == "by row":
        return tuple(np.repeat(rng.uniform(0.1, 2, (2, shape[0])), shape[1], axis=1))
    l2, l1 = rng.uniform(0.1, 2, (2, np.prod(shape)))
    if kind == "lasso vector":
        return np.zeros_like(l2), l1
    if kind == "parts missing":
        l2[::2], l1[1::3] = 0.0, 0.0
    return l2, l1


@pytest.mark.parametrize("n_classes", [2, 3, 4, 5])
@pytest.mark.parametrize(
    "kind", ["scalars", "lasso", "by row", "vectors", "lasso vector", "parts missing"]
)
def test_centre_minimises_the_penalty_over_shifts(n_classes, kind):
    weights = np.random.default_rng(0).normal(size=(20, n_classes)) + 1
    index = np.arange(weights.size).reshape(weights.shape)
    penalty = Penalty(slice(0, weights.size), *strengths_of_every_kind(kind, weights.shape))
    centred = penalty.centre(weights, index)
    for number, row in enumerate(weights):

        def value(moved, number=number):
            theta = np.zeros(weights.size)
            theta[index[number]] = moved
            return penalty.value(theta)

        best = minimize_scalar(lambda c, row=row, value=value: value(row - c), tol=1e-12).fun
        assert value(centred[number]) <= best + 1e-9
        assert_allclose(np.diff(centred[number]), np.diff(row))


def test_centre_looks_up_the_strengths_of_the_rows_that_it_is_given():
    weights = np.random.default_rng(0).normal(size=(6, 3))
    index = np.arange(18).reshape(6, 3)
    penalty = Penalty(slice(0, 18), *strengths_of_every_kind("vectors", weights.shape))
    some = np.array([4, 1])
    expected = penalty.centre(weights, index)[some]
    assert_allclose(penalty.centre(weights[some], index[some]), expected)


@pytest.mark.parametrize("l1", [1.0, np.ones(4)])
def test_centre_of_an_even_lasso_moves_as_little_as_it_must(l1):
    weights = np.array([[1.0, 2.0, 5.0, 9.0], [-1.0, -3.0, 2.0, 4.0], [-2.0, -4.0, -1.0, -3.0]])
    centred = Penalty(slice(None), 0.0, l1).centre(weights, np.tile(np.arange(4), (3, 1)))
    assert_array_equal((weights - centred)[:, 0], [2.0, 0.0, -2.0])


def test_vectors_of_equal_strengths_are_the_scalars():
    weights = np.random.default_rng(0).normal(size=(6, 3))
    index = np.arange(18).reshape(6, 3)
    scalars = Penalty(slice(0, 18), 0.3, 0.7)
    vectors = Penalty(slice(0, 18), np.full(19, 0.3), np.full(19, 0.7))
    theta = np.append(weights.ravel(), 5.0)
    assert vectors.value(theta) == pytest.approx(scalars.value(theta), rel=1e-15)
    assert_array_equal(vectors.curvature(19), scalars.curvature(19))
    assert_array_equal(vectors.thresholds(19), scalars.thresholds(19))
    assert_allclose(vectors.centre(weights, index), scalars.centre(weights, index), atol=1e-15)
    residual = 3 * weights.ravel()
    assert vectors.conjugate(residual) == pytest.approx(scalars.conjugate(residual), rel=1e-15)
    assert vectors.share_within_l1(residual) == scalars.share_within_l1(residual)


# ---- fits under a strength for every feature

X, VOTES, _ = make_soft_classification(300, 6, 3, random_state=0)
FACTORS = np.array([0.2, 1.0, 3.0, 0.5, 10.0, 1.0])
EXACT = {"tol": 1e-12, "max_iter": 2000}


def first_layer(model, factors):
    """Factors of theta that multiply the strengths of a feature's weights."""
    spread = np.ones(model.n_params)
    n_units = model.shapes[0][1] if len(model.shapes[0]) > 1 else 1
    spread[: len(factors) * n_units] = np.repeat(factors, n_units)
    return spread


def run(model, X, penalty, solver=None, **settings):
    targets = encode_targets(VOTES)
    settings = Settings(solver or LBFGS(), random_state=0, **(EXACT | settings))
    (outcome,) = train(model, X, targets, [penalty], settings)
    return outcome


@pytest.mark.parametrize("solver", [LBFGS(), NewtonCG(), GradientDescent()], ids=repr)
@pytest.mark.parametrize("model", [LinearSoftmax(), OrdinalSoftmax()], ids=repr)
def test_a_strength_for_every_feature_is_a_unit_for_every_feature(model, solver):
    """``f_j w_j^2`` is the penalty ``v_j^2`` on the weights of ``x_j / sqrt(f_j)``."""
    bound = model.bind(6, 3)
    l2 = 0.01 * first_layer(bound, FACTORS)
    tol = {"tol": 1e-9} if isinstance(solver, GradientDescent) else {}
    by_vector = run(bound, X, Penalty(bound.penalised, l2), solver, **tol)
    rescaled = run(bound, X / np.sqrt(FACTORS), Penalty(bound.penalised, 0.01), solver, **tol)
    assert by_vector.result.converged
    assert by_vector.result.value == pytest.approx(rescaled.result.value, abs=1e-8)
    theta = rescaled.result.theta / np.sqrt(first_layer(bound, FACTORS))
    assert_allclose(by_vector.result.theta, theta, atol=1e-3)
    if by_vector.gap is not None:
        assert 0 <= by_vector.gap <= 1e-6


@pytest.mark.parametrize("l2", [0.0, 0.01])
@pytest.mark.parametrize("model", [LinearSoftmax(), OrdinalSoftmax()], ids=repr)
def test_a_lasso_of_a_strength_for_every_feature(model, l2):
    """Squares go with the square of a unit, absolute values with the unit."""
    bound = model.bind(6, 3)
    factors = first_layer(bound, FACTORS)
    by_vector = run(bound, X, Penalty(bound.penalised, l2 * factors**2, 0.03 * factors))
    rescaled = run(bound, X / FACTORS, Penalty(bound.penalised, l2, 0.03))
    assert by_vector.result.value == pytest.approx(rescaled.result.value, abs=1e-8)
    assert_allclose(by_vector.result.theta, rescaled.result.theta / factors, atol=1e-3)
    zeros = by_vector.result.theta == 0
    assert_array_equal(zeros, rescaled.result.theta == 0)
    assert zeros.any()


def test_the_first_layer_of_a_perceptron_has_a_strength_for_every_feature():
    model = MLPSoftmax(4, "tanh").bind(6, 3)
    l2 = 0.01 * first_layer(model, FACTORS)
    settings = {"max_iter": 15, "tol": 0.0}
    by_vector = run(model, X, Penalty(model.penalised, l2), **settings)
    rescaled = run(model, X / np.sqrt(FACTORS), Penalty(model.penalised, 0.01), **settings)
    assert by_vector.result.value == pytest.approx(rescaled.result.value, rel=1e-6)


def test_strengths_that_differ_from_class_to_class_reach_the_minimum():
    """Some weights free, some nearly fixed, against SciPy's own minimiser."""
    model = LinearSoftmax().bind(6, 3)
    l2 = np.append(np.tile([0.0, 0.01, 10.0], 6), np.zeros(3))
    penalty = Penalty(model.penalised, l2)
    outcome = run(model, X, penalty)

    def objective(theta):
        W, b = model.split(theta)
        z = X @ W + b
        log_q = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        return -(VOTES * log_q).sum() / VOTES.sum() + penalty.value(theta)

    best = minimize(objective, np.zeros(model.n_params), options={"gtol": 1e-9}).fun
    assert outcome.result.converged
    assert outcome.result.value == pytest.approx(best, abs=1e-8)


def test_a_feature_without_strength_is_free():
    """A lasso that removes every weight that it may."""
    model = LinearSoftmax().bind(6, 3)
    l1 = 10.0 * first_layer(model, np.array([0.0, 1, 1, 1, 1, 1]))
    outcome = run(model, X, Penalty(model.penalised, 0.0, l1))
    weights = model.split(outcome.result.theta)[0]
    assert not weights[1:].any()
    alone = run(LinearSoftmax().bind(1, 3), X[:, :1], Penalty(slice(0, 3)))
    assert outcome.cross_entropy == pytest.approx(alone.cross_entropy, abs=1e-8)
