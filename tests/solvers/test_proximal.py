"""L1 penalties in the solvers: closed forms, conditions of optimality, zeros, errors."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp, softmax

from sklearn_kl._fit.penalty import Penalty
from sklearn_kl.models import Preconditioner
from sklearn_kl.solvers import LBFGS, GradientDescent, NewtonCG, Problem
from sklearn_kl.solvers._faces import ACCURACY, FaceDescent, soft_threshold, steepest_slope
from sklearn_kl.solvers._methods import SOLVERS
from sklearn_kl.solvers._proximal import Identity, QuasiNewtonModel


class WithPenalty(Problem):
    """A problem with an attribute `penalty`."""

    penalty: Any

    @property
    def thresholds(self):
        return self.penalty.thresholds(self.n_params)


@dataclass
class Lasso(WithPenalty):
    """``1/2 theta'A theta - b'theta`` plus a penalty."""

    A: np.ndarray
    b: np.ndarray
    penalty: Any
    exact_hessian = True

    @property
    def n_params(self):
        return len(self.b)

    def value_and_gradient(self, theta):
        gradient = self.A @ theta - self.b
        value = 0.5 * theta @ (gradient - self.b) + self.penalty.value(theta)
        self.penalty.add_gradient(theta, out=gradient)
        return value, gradient

    def hessian(self, theta):
        return lambda vector: self.A @ vector


@dataclass
class Multinomial(WithPenalty):
    """Mean cross-entropy of labels under softmax(X W), W in C order, plus a penalty."""

    penalty: Any
    seed: int = 0
    n_params = 24
    X: np.ndarray = field(init=False)
    y: np.ndarray = field(init=False)

    def __post_init__(self):
        rng = np.random.default_rng(self.seed)
        self.X = rng.normal(size=(200, 8)) * np.geomspace(0.1, 10, 8)
        self.X[:, 1] += 0.9 * self.X[:, 2]
        self.y = rng.integers(3, size=200)
        self.X[:, 4] += self.y

    def value_and_gradient(self, theta):
        z = self.X @ theta.reshape(8, 3)
        loss = (logsumexp(z, axis=1) - z[np.arange(200), self.y]).mean()
        residual = softmax(z, axis=1) - np.eye(3)[self.y]
        gradient = (self.X.T @ residual).ravel() / 200
        self.penalty.add_gradient(theta, out=gradient)
        return loss + self.penalty.value(theta), gradient


@dataclass
class Scaling(Preconditioner):
    """A diagonal preconditioner."""

    scale: np.ndarray

    def to_theta(self, v):
        return v * self.scale

    def from_theta(self, theta):
        return theta / self.scale

    def pull_gradient(self, gradient):
        return gradient * self.scale


def distance_from_optimality(problem, theta):
    """Largest violation of the conditions for a minimum, entry by entry."""
    _, gradient = problem.value_and_gradient(theta)
    strength = problem.thresholds
    at_zero = np.maximum(np.abs(gradient) - strength, 0)
    return np.where(theta == 0, at_zero, np.abs(gradient + strength * np.sign(theta))).max()


def positive_definite(n, condition, seed=0):
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.normal(size=(n, n)))[0]
    return (Q * np.geomspace(1 / condition, 1, n)) @ Q.T, rng.normal(size=n)


@pytest.mark.parametrize("l2", [0.0, 0.5])
@pytest.mark.parametrize("penalised", ["slice", "mask"])
def test_a_separable_quadratic_is_soft_thresholded(l2, penalised):
    curvature, b = np.array([2.0, 0.5, 1.0, 4.0]), np.array([3.0, -1.0, 0.4, -9.0])
    mask = np.array([True, True, True, False])
    index = slice(0, 3) if penalised == "slice" else mask
    problem = Lasso(np.diag(curvature), b, Penalty(index, l2, 0.5))
    result = LBFGS().minimize(problem, np.zeros(4), tol=1e-14)
    # sign(b) max(|b| - l1, 0) / (a + l2); the last entry is free.
    expected = [2.5 / (2.0 + l2), -0.5 / (0.5 + l2), 0.0, -9.0 / 4.0]
    assert_allclose(result.theta, expected, atol=1e-6)
    assert result.theta[2] == 0
    assert result.converged


def test_a_mask_may_leave_out_any_entry():
    problem = Lasso(np.eye(3), np.ones(3), Penalty(np.array([True, False, True]), 0.0, 0.25))
    assert_allclose(LBFGS().minimize(problem, np.zeros(3)).theta, [0.75, 1.0, 0.75])


@pytest.mark.parametrize("l2", [0.0, 0.01])
@pytest.mark.parametrize("condition", [1, 100, 10_000])
@pytest.mark.parametrize("start", [0.0, 1.0])
def test_correlated_quadratic_meets_the_conditions_of_optimality(condition, l2, start):
    A, centre = positive_definite(30, condition)
    problem = Lasso(A, A @ (3 * centre), Penalty(slice(0, 25), l2, 0.1))
    result = LBFGS().minimize(problem, np.full(30, start), tol=1e-14)
    assert result.converged
    assert distance_from_optimality(problem, result.theta) < 1e-6
    assert (result.theta[:25] == 0).any()
    assert (result.theta[25:] != 0).all()


@pytest.mark.parametrize("l1", [0.3, 0.03, 0.003])
@pytest.mark.parametrize("l2", [0.0, 0.01])
@pytest.mark.parametrize("seed", [0, 1])
def test_multinomial_meets_the_conditions_of_optimality(l1, l2, seed):
    problem = Multinomial(Penalty(slice(0, 24), l2, l1), seed)
    scaling = Scaling(np.repeat(1 / problem.X.std(axis=0), 3))
    for preconditioner in (None, scaling):
        result = LBFGS().minimize(problem, np.zeros(24), preconditioner=preconditioner, tol=1e-13)
        assert result.converged
        assert distance_from_optimality(problem, result.theta) < 1e-5
        assert (result.theta == 0).any()


@pytest.mark.parametrize("l1", [0.1, 0.01])
def test_the_gap_is_honest(l1):
    problem = Multinomial(Penalty(slice(0, 24), 0.0, l1))
    scaling = Scaling(np.repeat(1 / problem.X.std(axis=0), 3))
    best = LBFGS().minimize(problem, np.zeros(24), preconditioner=scaling, tol=1e-14).value
    for tol in (1e-3, 1e-5, 1e-7, 1e-9):
        result = LBFGS().minimize(problem, np.zeros(24), preconditioner=scaling, tol=tol)
        assert result.gap <= tol
        assert result.value - best <= 4 * tol


def test_the_gap_does_not_exceed_the_distance_from_a_lower_bound():
    class Bounded(Lasso):
        lower_bound = -0.25

    problem = Bounded(np.eye(2), np.ones(2), Penalty(slice(0, 2), 0.0, 0.5))
    seen = []
    result = LBFGS().minimize(problem, np.full(2, 9.0), tol=1e-12, on_iteration=seen.append)
    assert all(it.gap <= it.value + 0.25 for it in seen)
    assert result.value == pytest.approx(-0.25)


def test_the_gradient_is_that_of_the_smooth_part_in_theta():
    problem = Multinomial(Penalty(slice(0, 24), 0.01, 0.02))
    scaling = Scaling(np.geomspace(0.01, 100, 24))
    result = LBFGS().minimize(problem, np.zeros(24), preconditioner=scaling, max_iter=3)
    value, gradient = problem.value_and_gradient(result.theta)
    assert result.value == pytest.approx(value, rel=1e-14)
    assert_allclose(result.gradient, gradient, rtol=1e-10, atol=1e-14)


def test_iterations_are_reported_in_theta_and_only_go_down():
    problem, seen = Multinomial(Penalty(slice(0, 24), 0.0, 0.02)), []
    scaling = Scaling(np.geomspace(0.5, 2, 24))
    result = LBFGS().minimize(
        problem, np.zeros(24), preconditioner=scaling, on_iteration=lambda it: seen.append(it)
    )
    assert [it.number for it in seen] == list(range(1, result.n_iter + 1))
    assert_array_equal(seen[-1].theta, result.theta)
    for it in seen:
        assert it.value == pytest.approx(problem.value_and_gradient(it.theta)[0], rel=1e-12)
    values = [it.value for it in seen]
    assert values == sorted(values, reverse=True)


def test_a_strong_penalty_leaves_the_start_at_zero():
    problem = Lasso(np.eye(2), np.ones(2), Penalty(slice(0, 2), 0.0, 1.5))
    result = LBFGS().minimize(problem, np.zeros(2))
    assert result.converged
    assert result.n_iter == 0
    assert_array_equal(result.theta, 0)


def test_on_iteration_stops_and_max_iter_is_not_converged():
    problem = Multinomial(Penalty(slice(0, 24), 0.0, 0.01))
    result = LBFGS().minimize(
        problem, np.zeros(24), tol=1e-14, on_iteration=lambda it: it.number == 2
    )
    assert result.stopped
    assert result.n_iter == 2
    result = LBFGS().minimize(problem, np.zeros(24), tol=1e-14, max_iter=2)
    assert result.n_iter == 2
    assert not result.converged
    assert "iterations" in result.message


def test_a_function_that_is_not_convex_still_goes_down_to_a_stationary_point():
    class Wave(WithPenalty):
        """``sum cos(theta) + 0.1 ||theta||_1``: saddles and maxima on the way."""

        n_params = 5
        penalty = Penalty(slice(0, 5), 0.0, 0.1)

        def value_and_gradient(self, theta):
            return np.cos(theta).sum() + self.penalty.value(theta), -np.sin(theta)

    problem = Wave()
    result = LBFGS().minimize(problem, np.linspace(-2, 2.5, 5), tol=1e-12)
    assert result.converged
    assert distance_from_optimality(problem, result.theta) < 1e-5


@pytest.mark.parametrize("solver", [NewtonCG(), GradientDescent()], ids=repr)
def test_solvers_for_smooth_problems_say_so(solver):
    problem = Lasso(np.eye(2), np.ones(2), Penalty(slice(0, 2), 0.0, 0.5))
    message = rf"{type(solver).__name__} minimises smooth .*l1_ratio.*solver=\"lbfgs\".*l1_ratio=0"
    with pytest.raises(ValueError, match=message):
        solver.minimize(problem, np.zeros(2))
    smooth = replace(problem, penalty=Penalty(slice(0, 2), 0.5))
    assert_allclose(solver.minimize(smooth, np.zeros(2)).theta, 2 / 3, atol=1e-3)


def test_only_lbfgs_declares_that_it_handles_an_l1_penalty():
    assert [name for name, solver in SOLVERS.items() if solver.handles_l1] == ["lbfgs"]


def test_soft_threshold_and_slope_by_hand():
    thresholds = np.array([1.0, 1.0, 1.0, 0.0])
    assert_array_equal(
        soft_threshold(np.array([3.0, -0.5, -2.0, 0.2]), thresholds), [2.0, 0.0, -1.0, 0.2]
    )
    x, gradient = np.array([0.0, 0.0, -2.0, 0.0]), np.array([1.5, -0.5, 0.25, -3.0])
    assert_array_equal(steepest_slope(x, gradient, thresholds), [0.5, 0.0, -0.75, -3.0])


@pytest.mark.parametrize("condition", [1, 1000])
def test_face_descent_reduces_the_slope_and_knows_what_it_gained(condition):
    A, b = positive_definite(40, condition)
    start, thresholds = np.linspace(-1, 1, 40), np.full(40, 0.2)
    thresholds[:3] = 0
    gradient = A @ start - b
    descent = FaceDescent(lambda d: A @ d, lambda x: x, gradient, start, thresholds)
    descent.run()
    x = start + descent.step

    def value(x):
        return 0.5 * x @ A @ x - b @ x + thresholds @ np.abs(x)

    left = np.linalg.norm(steepest_slope(x, A @ x - b, thresholds))
    assert left <= ACCURACY * np.linalg.norm(steepest_slope(start, gradient, thresholds))
    assert_allclose(descent.image, A @ descent.step, atol=1e-12)
    gained = value(start) - value(x)
    assert gained <= descent.promise <= 1.02 * gained
    assert (x == 0).any()


def test_face_descent_falls_to_the_kinks_where_there_is_no_curvature():
    descent = FaceDescent(
        lambda d: 0 * d, lambda x: x, np.array([0.5, -0.5]), np.array([1.0, 2.0]), np.ones(2)
    )
    descent.run()
    assert_allclose(descent.step, [-1.0, -2.0])


def test_the_model_has_the_curvature_of_the_last_step():
    """The secant equation ``B s = y``, and products on an index are parts of the whole."""
    A, _ = positive_definite(12, 50)
    model, rng = QuasiNewtonModel(Identity(), memory=4), np.random.default_rng(1)
    for _ in range(7):
        step = rng.normal(size=12)
        model.update(step, A @ step, foreseen=step @ step)
    everything = np.arange(12)
    product, _ = model.restricted(everything)
    assert_allclose(product(step), A @ step, atol=1e-10)
    B = np.array([product(row) for row in np.eye(12)])
    assert_allclose(B, B.T, atol=1e-12)
    assert np.linalg.eigvalsh(B).min() > 0
    index = np.array([1, 4, 5])
    part, _ = model.restricted(index)
    assert_allclose(part(np.array([1.0, -2.0, 0.5])), B[np.ix_(index, index)] @ [1.0, -2.0, 0.5])
    assert model.trust <= 1


def test_a_step_without_curvature_teaches_nothing():
    model = QuasiNewtonModel(Identity(), memory=4)
    model.update(np.ones(3), -np.ones(3), foreseen=3.0)
    product, _ = model.restricted(np.arange(3))
    assert_array_equal(product(np.ones(3)), np.ones(3))
    assert model.trust == 1
