"""The bridge to scipy.optimize: coordinates, memory of the last evaluations, stopping."""

import warnings
from typing import Any

import numpy as np
import scipy.optimize

from sklearn_kl.solvers._base import GapEstimate, Iteration, Result

# Below this many units of rounding of the objective, a gap cannot be told from zero.
ROUNDING_UNITS = 4


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
    on_iteration : callable or None
        Called with an Iteration; a true result stops the descent.
    """

    def __init__(self, problem, theta0, preconditioner, *, tol, on_iteration=None):
        self.problem = problem
        self.preconditioner = preconditioner
        self.tol = tol
        self.lower_bound = getattr(problem, "lower_bound", -np.inf)
        self.on_iteration = on_iteration
        self.n_evaluations = 0
        self.n_iter = 0
        self.stopped = False
        self._estimate = GapEstimate()
        self._hessian: tuple[Any, Any] = (None, None)
        v0 = theta0 if preconditioner is None else preconditioner.from_theta(theta0)
        self._evaluated = None
        self.start = np.array(v0, dtype=np.float64)
        self.accepted = self._evaluate(self.start)
        self.gap = self._estimate.update(self.start, self.accepted[2])

    def value_and_gradient(self, v):
        """Value and gradient in the coordinates v."""
        _, value, gradient = self._evaluate(v)
        return value, gradient

    def hessian_product(self, v, direction):
        """Hessian at v times a direction, both in the coordinates v."""
        if self._hessian[0] is None or not np.array_equal(self._hessian[0], v):
            self._hessian = (v.copy(), self.problem.hessian(self._theta(v)))
        product = self._hessian[1](self._theta(direction))
        return self._pull(product)

    def after_iteration(self, intermediate_result):
        """Judge and report the iterate that SciPy accepted; StopIteration ends its method."""
        self.n_iter += 1
        self.accepted = self._evaluate(intermediate_result.x)
        v, value, gradient = self.accepted
        self.gap = min(self._estimate.update(v, gradient), value - self.lower_bound)
        if self.on_iteration is not None:
            iteration = Iteration(self.n_iter, self._theta(v), value, self.gap)
            self.stopped = bool(self.on_iteration(iteration))
        if self.stopped or self.converged:
            raise StopIteration

    @property
    def converged(self):
        """Whether the gap is at most the tolerance, or as small as rounding allows."""
        return self.gap <= max(self.tol, self._rounding)

    @property
    def _rounding(self):
        return ROUNDING_UNITS * np.finfo(np.float64).eps * abs(self.accepted[1])

    def run(self, method, *, hessp=False, **options):
        """Minimise with a method of scipy.optimize.minimize and return the Result."""
        if self.gap <= self._rounding:
            return self._result("The start is the minimum.")
        with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
            # Convergence is judged here, and reported once, in nats. At the minimum itself, a
            # trust region compares a gain of zero with a predicted gain of zero.
            warnings.simplefilter("ignore", scipy.optimize.OptimizeWarning)
            outcome = scipy.optimize.minimize(
                self.value_and_gradient,
                self.start,
                jac=True,
                method=method,
                hessp=self.hessian_product if hessp else None,
                callback=lambda intermediate_result: self.after_iteration(intermediate_result),
                options=options,
            )
        if not self.converged and "hess_inv" in outcome:
            # The method can gain nothing more; what it has learnt of the curvature says how far
            # it may be, where steps along a flat direction spoil the estimate.
            gradient = self.accepted[2]
            self.gap = min(self.gap, 0.5 * float(gradient @ outcome.hess_inv(gradient)))
        return self._result(str(outcome.message))

    def _result(self, message):
        v, value, gradient = self.accepted
        return Result(
            theta=self._theta(v),
            value=value,
            gradient=gradient,
            gap=self.gap,
            converged=self.converged,
            stopped=self.stopped,
            n_iter=self.n_iter,
            n_evaluations=self.n_evaluations,
            message=message,
        )

    def _evaluate(self, v):
        if self._evaluated is None or not np.array_equal(self._evaluated[0], v):
            value, gradient = self.problem.value_and_gradient(self._theta(v))
            self.n_evaluations += 1
            self._evaluated = (v.copy(), value, self._pull(gradient))
        return self._evaluated

    def _theta(self, v):
        return v.copy() if self.preconditioner is None else self.preconditioner.to_theta(v)

    def _pull(self, gradient):
        if self.preconditioner is None:
            return gradient
        return self.preconditioner.pull_gradient(gradient)
