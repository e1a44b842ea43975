"""The bridge to scipy.optimize: coordinates, memory of the last evaluations, stopping."""

from collections import deque
from typing import Any, NamedTuple

import numpy as np
import scipy.optimize

from sklearn_kl.solvers._base import GapEstimate, Iteration, Result
from sklearn_kl.solvers._faces import steepest_slope
from sklearn_kl.solvers._newton import newton_steps

# Below this many units of rounding of the objective, a gap cannot be told from zero.
ROUNDING_UNITS = 4
# A function that is not convex is at a minimum when this many iterations gain tol each or less.
PATIENCE = 10
# Share of the tolerance that rounding may take.
PRECISION = 1e-3


class _Point(NamedTuple):
    """An evaluation: coordinates, value, and the gradient in them and with respect to theta."""

    v: np.ndarray
    value: float
    gradient: np.ndarray
    theta_gradient: np.ndarray


class Descent:
    """One minimisation, seen by SciPy in the coordinates of the preconditioner.

    It evaluates, remembers, counts, judges and reports; the method that moves is SciPy's.

    Parameters
    ----------
    problem : Problem
    theta0 : ndarray of shape (n_params,)
    preconditioner : Preconditioner or None
    tol : float
        Stop when the estimated gap is at most this many nats.
    on_begin : callable or None
        Called with theta before each iteration.
    on_iteration : callable or None
        Called with an Iteration; a true result stops the descent.
    """

    def __init__(self, problem, theta0, preconditioner, *, tol, on_begin=None, on_iteration=None):
        self.problem = problem
        self.preconditioner = preconditioner
        self.tol = tol
        self.lower_bound = problem.lower_bound
        self.convex = problem.convex
        self.exact_hessian = problem.exact_hessian
        self.thresholds = self._thresholds()
        self.newton = self.convex and self.thresholds is None and problem.has_curvature
        self.on_begin = on_begin
        self.on_iteration = on_iteration
        self._begun = False
        self.n_evaluations = 0
        self.n_iter = 0
        self.stopped = False
        self._estimate = GapEstimate()
        self._values: deque[float] = deque(maxlen=PATIENCE + 1)
        self._hessian: tuple[Any, Any] = (None, None)
        v0 = theta0 if preconditioner is None else preconditioner.from_theta(theta0)
        self._evaluated: _Point | None = None
        self.start = np.array(v0, dtype=np.float64)
        self.accepted = self.evaluate(self.start)
        self.gap = self._estimate.update(self.start, self._slope(self.accepted))

    def value_and_gradient(self, v):
        """Value and gradient in the coordinates v."""
        if not np.array_equal(v, self.accepted.v):
            self._begin()
        point = self.evaluate(v)
        return point.value, point.gradient

    def hessian_product(self, v, direction):
        """Hessian at v times a direction, both in the coordinates v."""
        self._begin()
        if self._hessian[0] is None or not np.array_equal(self._hessian[0], v):
            self._hessian = (v.copy(), self.problem.hessian(self._theta(v)))
        product = self._hessian[1](self._theta(direction))
        return self._pull(product)

    @property
    def metric(self):
        """How a problem with an L1 penalty curves in the coordinates, or None."""
        return None if self.preconditioner is None else self.preconditioner.metric

    def _begin(self):
        """Say that an iteration begins at what was accepted last, with the first work for it."""
        if not self._begun and self.on_begin is not None:
            self.on_begin(self._theta(self.accepted.v))
        self._begun = True

    def after_iteration(self, intermediate_result):
        """Judge and report the iterate that SciPy accepted; StopIteration ends its method."""
        point = self.evaluate(intermediate_result.x)
        gap = intermediate_result.get("gap")
        if gap is None:
            gap = self._estimate.update(point.v, self._slope(point))
        self.accept(point, gap)
        if self.stopped or self.converged or self._hand_over:
            raise StopIteration

    @property
    def _hand_over(self):
        """Whether Newton's method goes on from here."""
        return self.newton and (self.gap <= self._near or self.n_iter >= self._patience)

    def _progress(self):
        """Return the mean gain of the last iterations, for a function that is not convex.

        There gradients say little of what is to come, and with kinks, as those of relu, they do
        not even vanish at a minimum. Infinite for a convex function, and before there are enough
        iterations.
        """
        if self.convex or len(self._values) <= PATIENCE:
            return np.inf
        return (self._values[0] - self._values[-1]) / PATIENCE

    @property
    def converged(self):
        """Whether the gap is at most the tolerance, or as small as rounding allows.

        A value below its lower bound is wrong, by rounding or by the model, and proves nothing.
        """
        allowed = max(self.tol, self.rounding)
        return bool(self.gap <= allowed and self.accepted.value >= self.lower_bound - allowed)

    @property
    def rounding(self):
        """Differences of values that are not to be told from zero."""
        return ROUNDING_UNITS * np.finfo(np.float64).eps * abs(self.accepted.value)

    def run(self, method, *, hessp=False, near=1.0, patience=40, **options):
        """Minimise with a method of scipy.optimize.minimize and return the Result.

        Where the Hessian is to be had, Newton's method goes on from an estimated gap of `near`
        times the tolerance, or after as many iterations as the patience allows.
        """
        self._near, self._patience = near * self.tol, patience
        if self.gap <= self.rounding and not self.newton:
            return self._result("The start is the minimum.")
        # At the minimum itself, a trust region compares a gain of zero with a predicted gain of
        # zero. An error state belongs to the thread; filters of warnings would be the process's.
        with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
            if self._hand_over:
                return self._result(newton_steps(self, options["maxiter"]))
            outcome = self._minimize(method, hessp, options)
            if self.newton and not self.stopped:
                return self._result(newton_steps(self, options["maxiter"]))
        if not self.converged and not self.stopped and self.n_iter < options["maxiter"]:
            self.gap = min(self.gap, self._gap_of_curvature(outcome))
        return self._result(str(outcome.message))

    def _minimize(self, method, hessp, options):
        return scipy.optimize.minimize(
            self.value_and_gradient,
            self.start,
            jac=True,
            method=method,
            hessp=self.hessian_product if hessp else None,
            callback=lambda intermediate_result: self.after_iteration(intermediate_result),
            options=options,
        )

    def _gap_of_curvature(self, outcome):
        """Gap by all that a method has learnt of the curvature, where it can gain nothing more.

        Steps along flat directions, and rounding, spoil the other estimates.
        """
        if "promise" in outcome:
            return outcome.promise
        if "hess_inv" not in outcome:
            return np.inf
        gradient = self.accepted.gradient
        return 0.5 * float(gradient @ outcome.hess_inv(gradient))

    @property
    def theta(self):
        """The iterate that was accepted last."""
        return self._theta(self.accepted.v)

    @property
    def theta_gradient(self):
        """Gradient with respect to theta at the iterate that was accepted last."""
        return self.accepted.theta_gradient

    def leave_coordinates(self):
        """From here on, work in theta itself, and evaluate so that nothing large cancels."""
        theta, last = self.theta, self.accepted
        self.preconditioner, self._evaluated = None, None
        precise = self.problem.precise_at(theta, PRECISION * self.tol)
        if precise is self.problem:
            self._evaluated = _Point(theta, last.value, last.theta_gradient, last.theta_gradient)
        self.problem = precise
        self.accepted = self.evaluate(theta)

    def accept(self, point, gap):
        """Take in the next iterate and report it."""
        self._begin()
        self._begun = False
        self.n_iter += 1
        self.accepted = point
        self._values.append(point.value)
        self.judge(gap)
        if self.on_iteration is not None:
            iteration = Iteration(self.n_iter, self.theta, point.value, self.gap)
            self.stopped = bool(self.on_iteration(iteration))

    def judge(self, gap):
        """Set the gap, of which nothing can be below the lower bound of the value."""
        excess = max(self.accepted.value - self.lower_bound, 0.0)
        self.gap = min(gap, excess, self._progress())

    def _result(self, message):
        return Result(
            theta=self._theta(self.accepted.v),
            value=self.accepted.value,
            gradient=self.accepted.theta_gradient,
            gap=self.gap,
            converged=self.converged,
            stopped=self.stopped,
            n_iter=self.n_iter,
            n_evaluations=self.n_evaluations,
            message=message,
        )

    def evaluate(self, v):
        """Return the _Point at v, remembered if it was the last one."""
        if self._evaluated is None or not np.array_equal(self._evaluated.v, v):
            value, gradient = self.problem.value_and_gradient(self._theta(v))
            self.n_evaluations += 1
            self._evaluated = _Point(v.copy(), value, self._pull(gradient), gradient)
        return self._evaluated

    def _thresholds(self):
        """Strength of the L1 penalty along every coordinate, or None for a smooth problem."""
        strengths = self.problem.thresholds
        if strengths is None:
            return None
        # The penalised parameters have coordinates of their own, in other units.
        return self._pull(strengths) * (strengths > 0)

    def _slope(self, point):
        """Gradient, or with an L1 penalty the subgradient of least norm."""
        v, _, gradient, _ = point
        if self.thresholds is None:
            return gradient
        return steepest_slope(v, gradient, self.thresholds)

    def _theta(self, v):
        return v.copy() if self.preconditioner is None else self.preconditioner.to_theta(v)

    def _pull(self, gradient):
        if self.preconditioner is None:
            return gradient
        return self.preconditioner.pull_gradient(gradient)
