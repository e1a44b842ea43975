"""Solvers on functions with a known minimum: Rosenbrock and quadratics."""

import warnings
from dataclasses import dataclass

import numpy as np
import pytest
import scipy.optimize
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from sklearn_kl.models import Preconditioner
from sklearn_kl.solvers import LBFGS, GradientDescent, NewtonCG, Problem, Solver
from sklearn_kl.solvers._methods import SOLVERS, make_solver

EVERY = [LBFGS(), NewtonCG(), GradientDescent()]


class Rosenbrock(Problem):
    """Minimum 0 at (1, ..., 1)."""

    def value_and_gradient(self, theta):
        return scipy.optimize.rosen(theta), scipy.optimize.rosen_der(theta)

    def hessian(self, theta):
        return lambda vector: scipy.optimize.rosen_hess_prod(theta, vector)


@dataclass
class Quadratic(Problem):
    """``offset + 1/2 (theta - centre)' A (theta - centre)``."""

    A: np.ndarray
    centre: np.ndarray
    offset: float = 0.0

    def value_and_gradient(self, theta):
        slope = self.A @ (theta - self.centre)
        return self.offset + 0.5 * (theta - self.centre) @ slope, slope

    def hessian(self, theta):
        return lambda vector: self.A @ vector


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


def quadratic(condition, n=6, seed=0):
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.normal(size=(n, n)))[0]
    eigenvalues = np.geomspace(1 / condition, 1, n)
    return Quadratic((Q * eigenvalues) @ Q.T, rng.normal(size=n), offset=3.0)


@pytest.mark.parametrize("solver", [LBFGS(), NewtonCG()], ids=repr)
@pytest.mark.parametrize("n", [2, 5])
def test_rosenbrock(solver, n):
    start = np.full(n, -1.2)
    result = solver.minimize(Rosenbrock(), start, tol=1e-12)
    assert result.converged
    assert not result.stopped
    assert_allclose(result.theta, 1.0, atol=1e-4)
    assert result.value == pytest.approx(0, abs=1e-11)
    assert_array_equal(start, -1.2)


def test_gradient_descent_is_on_its_way_in_rosenbrocks_valley():
    result = GradientDescent().minimize(
        Rosenbrock(), np.array([-1.2, 1.0]), tol=1e-8, max_iter=2000
    )
    assert result.value < 1e-4


@pytest.mark.parametrize("solver", EVERY, ids=repr)
@pytest.mark.parametrize("condition", [1, 10, 100])
def test_quadratic_to_the_tolerance(solver, condition):
    problem = quadratic(condition)
    for tol in (1e-3, 1e-6, 1e-9):
        result = solver.minimize(problem, np.zeros(6), tol=tol)
        assert result.converged
        assert result.gap <= tol
        assert result.value - 3.0 <= 3 * tol
        value, gradient = problem.value_and_gradient(result.theta)
        assert result.value == pytest.approx(value, rel=1e-15)
        assert_allclose(result.gradient, gradient, atol=1e-14)


@pytest.mark.parametrize("solver", EVERY, ids=repr)
def test_start_at_the_minimum(solver):
    problem = quadratic(10)
    result = solver.minimize(problem, problem.centre)
    assert result.converged
    assert result.value == 3.0
    assert_allclose(result.theta, problem.centre)


@pytest.mark.parametrize("solver", EVERY, ids=repr)
def test_preconditioner_changes_the_road_and_not_the_minimum(solver):
    scale = np.geomspace(1e-4, 1e4, 6)
    centre = np.arange(1.0, 7.0) * scale
    problem = Quadratic(np.diag(scale**-2.0), centre)
    result = solver.minimize(problem, np.zeros(6), preconditioner=Scaling(scale), tol=1e-10)
    assert result.converged
    assert_allclose(result.theta / scale, np.arange(1.0, 7.0), atol=1e-4)
    assert result.n_iter <= 5


@pytest.mark.parametrize("solver", EVERY, ids=repr)
def test_the_gradient_is_with_respect_to_theta_whatever_the_coordinates(solver):
    problem, scaling = quadratic(100), Scaling(np.geomspace(0.1, 10, 6))
    result = solver.minimize(problem, np.zeros(6), preconditioner=scaling, max_iter=2)
    assert_allclose(result.gradient, problem.value_and_gradient(result.theta)[1], rtol=1e-12)


def test_precondition_false_ignores_the_preconditioner():
    problem, useless = quadratic(10), Scaling(np.full(6, np.nan))
    result = LBFGS(precondition=False).minimize(problem, np.zeros(6), preconditioner=useless)
    assert result.converged


@pytest.mark.parametrize("solver", EVERY, ids=repr)
def test_iterations_are_reported_in_theta_and_end_at_the_result(solver):
    problem, seen = quadratic(100), []
    scaling = Scaling(np.geomspace(0.5, 2, 6))
    result = solver.minimize(
        problem, np.zeros(6), preconditioner=scaling, on_iteration=lambda it: seen.append(it)
    )
    assert [it.number for it in seen] == list(range(1, result.n_iter + 1))
    assert_allclose(seen[-1].theta, result.theta)
    for it in seen:
        assert it.value == pytest.approx(problem.value_and_gradient(it.theta)[0], rel=1e-12)
    values = [it.value for it in seen]
    assert values == sorted(values, reverse=True)
    assert result.n_evaluations >= result.n_iter


@pytest.mark.parametrize("solver", EVERY, ids=repr)
def test_on_iteration_stops(solver):
    result = solver.minimize(
        quadratic(100), np.zeros(6), tol=1e-12, on_iteration=lambda it: it.number == 2
    )
    assert result.stopped
    assert result.n_iter == 2


@pytest.mark.parametrize("solver", EVERY, ids=repr)
def test_max_iter_is_not_converged(solver):
    result = solver.minimize(quadratic(1000), np.zeros(6), tol=1e-14, max_iter=2)
    assert result.n_iter == 2
    assert not result.converged
    assert result.gap > 1e-14
    assert result.message


def test_where_the_iterations_end_the_gap_is_the_one_last_reported():
    """What L-BFGS has learnt of the curvature after two steps says little."""
    seen = []
    result = LBFGS().minimize(
        quadratic(1000), np.zeros(6), tol=1e-14, max_iter=2, on_iteration=seen.append
    )
    assert result.gap == seen[-1].gap


def test_what_is_not_convex_has_converged_when_ten_iterations_gain_little():
    class Corner(Rosenbrock):
        convex = False

    values = []
    result = GradientDescent().minimize(
        Corner(),
        np.array([-1.2, 1.0]),
        tol=1e-3,
        max_iter=5000,
        on_iteration=lambda iteration: values.append(iteration.value),
    )
    assert result.converged
    assert result.gap == pytest.approx((values[-11] - values[-1]) / 10, rel=1e-12)


def test_the_gap_never_exceeds_the_distance_from_a_lower_bound():
    class Slope(Problem):
        """Falls towards 0 for ever, as the loss of separable data does."""

        lower_bound = 0.0

        def value_and_gradient(self, theta):
            return np.exp(-theta).sum(), -np.exp(-theta)

        def hessian(self, theta):
            return lambda vector: np.exp(-theta) * vector

    for solver in (LBFGS(), NewtonCG()):
        seen = []
        result = solver.minimize(Slope(), np.zeros(2), tol=1e-6, on_iteration=seen.append)
        assert result.converged
        assert result.value <= 3e-6
        assert all(it.gap <= it.value for it in seen)


@pytest.mark.parametrize("name", sorted(SOLVERS))
def test_names_make_solvers(name):
    assert isinstance(make_solver(name), SOLVERS[name])


@pytest.mark.parametrize("solver", EVERY, ids=repr)
def test_solvers_are_cloned_with_their_settings(solver):
    copy = clone(solver.set_params(precondition=False))
    solver.set_params(precondition=True)
    assert copy.get_params()["precondition"] is False


@pytest.mark.parametrize("solver", ["saga", None, 3, LBFGS])
def test_unknown_solver(solver):
    with pytest.raises(ValueError, match=r"solver must be one of \['gd', 'lbfgs', 'newton-cg'\]"):
        make_solver(solver)


def test_an_instance_is_used_as_it_is():
    solver = LBFGS(memory=3)
    assert make_solver(solver) is solver


@pytest.mark.parametrize("name", ["tol", "max_iter"])
@pytest.mark.parametrize("solver", [LBFGS, NewtonCG, GradientDescent])
def test_when_to_stop_is_no_option_of_a_solver(solver, name):
    with pytest.raises(TypeError, match=name):
        solver(**{name: 1})


@pytest.mark.parametrize("memory", [0, -1, 2.0, np.nan, "ten", True, [5]])
def test_memory_is_a_whole_number_from_1(memory):
    message = r"memory of LBFGS must be a whole number of at least 1, .*, got "
    with pytest.raises(ValueError, match=message):
        LBFGS(memory=memory).minimize(quadratic(10), np.zeros(6))
    with pytest.raises(ValueError, match=message):
        make_solver(LBFGS(memory=memory))


@pytest.mark.parametrize("memory", [1, np.int32(3), 10_000])
def test_any_memory_from_1_reaches_the_minimum(memory):
    result = LBFGS(memory=memory).minimize(quadratic(10), np.zeros(6), tol=1e-10)
    assert result.converged
    assert result.value == pytest.approx(3.0, abs=1e-9)


@pytest.mark.parametrize("precondition", [None, "no", 1, np.nan])
@pytest.mark.parametrize("solver", [LBFGS, NewtonCG, GradientDescent])
def test_precondition_is_true_or_false(solver, precondition):
    message = f"precondition of {solver.__name__} must be True or False, got "
    with pytest.raises(ValueError, match=message):
        solver(precondition=precondition).minimize(quadratic(10), np.zeros(6))


class Bare(Problem):
    """All that a problem must define."""

    def value_and_gradient(self, theta):
        return 0.5 * theta @ theta, theta


def test_a_problem_needs_nothing_but_value_and_gradient():
    for solver in (LBFGS(), GradientDescent()):
        assert_allclose(solver.minimize(Bare(), np.ones(3)).theta, 0, atol=1e-3)
    with pytest.raises(NotImplementedError, match="Bare has no hessian.*LBFGS or GradientDescent"):
        NewtonCG().minimize(Bare(), np.ones(3))
    with pytest.raises(NotImplementedError, match="Problem must define value_and_gradient"):
        LBFGS().minimize(Problem(), np.ones(3))


def test_a_solver_of_a_users_own_defines_how_it_descends():
    class Newton(Solver):
        """Scipy's Newton-CG, which is not among the solvers here."""

        def _descend(self, descent, max_iter):
            return descent.run("Newton-CG", hessp=True, maxiter=max_iter, xtol=1e-12)

    result = Newton().minimize(quadratic(10), np.zeros(6), tol=1e-9)
    assert result.converged
    assert make_solver(Newton()).get_params() == {"precondition": True}
    with pytest.raises(NotImplementedError, match="Solver must define _descend"):
        Solver().minimize(quadratic(10), np.zeros(6))


def test_a_preconditioner_that_is_not_finished_says_what_is_missing():
    class Half(Preconditioner):
        pass

    with pytest.raises(NotImplementedError, match="Half must define from_theta"):
        LBFGS().minimize(quadratic(10), np.zeros(6), preconditioner=Half())


def test_a_line_search_that_fails_is_told_by_the_result_and_by_no_warning():
    class Uphill(Bare):
        """With the gradient of another function."""

        def value_and_gradient(self, theta):
            return 0.5 * theta @ theta, -theta

    filters = list(warnings.filters)
    result = GradientDescent().minimize(Uphill(), np.ones(3), max_iter=50)
    assert not result.converged
    assert result.n_iter == 0
    assert "line search" in result.message
    assert warnings.filters == filters


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_gradient_descent_finds_the_length_of_its_first_step(scale):
    """Far too long and far too short steps, by bisection and doubling."""
    problem = Quadratic(scale * np.eye(2), np.ones(2))
    result = GradientDescent().minimize(problem, np.zeros(2), tol=1e-9 * scale, max_iter=20)
    assert result.converged
    assert_allclose(result.theta, 1.0, atol=1e-3)
