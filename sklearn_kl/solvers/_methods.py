"""The solvers: each is a method of scipy.optimize.minimize with the settings that suit it."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral

import numpy as np
import scipy.optimize
from sklearn.base import BaseEstimator

from sklearn_kl.models._base import Preconditioner
from sklearn_kl.solvers._base import Iteration, Problem, Result
from sklearn_kl.solvers._proximal import proximal_quasi_newton
from sklearn_kl.solvers._scipy import Descent

# With 40 remembered steps instead of 10, a perceptron of 6,000 parameters is at 0.128 nats after
# 150 iterations instead of 0.155, in the same time. With 80,000 parameters the algebra on them
# takes 30% longer and gains nothing, and linear models do as well with 10.
FEW_PARAMETERS = 2 * 10**4
MANY_PARAMETERS = 10**6
# Where the Hessian is to be had, Newton steps are faster from within this many times the tolerance.
NEAR = 1e5
# Wolfe's conditions, and how many lengths are tried for them.
SUFFICIENT_DECREASE, STEEP = 1e-4, 0.25
MAX_TRIALS = 60


class Solver(BaseEstimator):
    """Minimise a Problem; subclasses say how.

    A subclass defines ``_descend(descent, max_iter)``, and `check_options` if it has options of
    its own. When to stop is said by whoever calls `minimize`; for a fit that is the estimator.

    Parameters
    ----------
    precondition : bool, default=True
        Work in coordinates in which the problem is nearly round, where the model offers them.
        False is the textbook's algorithm on the parameters themselves.

    Attributes
    ----------
    handles_l1 : bool
        Class attribute: whether the solver can minimise a problem with an L1 penalty.
    """

    handles_l1 = False

    def __init__(self, *, precondition: bool = True):
        self.precondition = precondition

    def check_options(self) -> None:
        """Raise a ValueError that says which option is out of range, and what would be valid."""
        if not isinstance(self.precondition, bool | np.bool_):
            raise ValueError(
                f"precondition of {type(self).__name__} must be True or False, got "
                f"{self.precondition!r}."
            )

    def minimize(
        self,
        problem: Problem,
        theta0: np.ndarray,
        *,
        preconditioner: Preconditioner | None = None,
        tol: float = 1e-7,
        max_iter: int = 1000,
        on_begin: Callable[[np.ndarray], None] | None = None,
        on_iteration: Callable[[Iteration], bool | None] | None = None,
    ) -> Result:
        """Minimise the problem from theta0.

        Parameters
        ----------
        problem : Problem
        theta0 : ndarray of shape (n_params,)
            Not changed.
        preconditioner : Preconditioner, default=None
            Change of coordinates to work in. With an L1 penalty it must do no more to the
            penalised parameters than to scale them one by one.
        tol : float, default=1e-7
            Stop when the estimated distance from the minimum is at most this many nats.
        max_iter : int, default=1000
            Largest number of iterations.
        on_begin : callable, default=None
            Called with theta before each iteration.
        on_iteration : callable, default=None
            Called with an Iteration after each one; a true result stops the solver.

        Returns
        -------
        Result

        Raises
        ------
        ValueError
            If an option is out of range, or the problem has an L1 penalty and the solver cannot
            handle it.
        """
        self.check_options()
        if problem.thresholds is not None and not self.handles_l1:
            raise ValueError(
                f"{type(self).__name__} minimises smooth penalties only, and l1_ratio is greater "
                'than 0. Use solver="lbfgs", which also does l1_ratio > 0, or set l1_ratio=0.'
            )
        descent = Descent(
            problem,
            theta0,
            preconditioner if self.precondition else None,
            tol=tol,
            on_begin=on_begin,
            on_iteration=on_iteration,
        )
        return self._descend(descent, max_iter)

    def _descend(self, descent, max_iter):
        raise NotImplementedError(f"{type(self).__name__} must define _descend.")


class LBFGS(Solver):
    """Limited-memory quasi-Newton: the default.

    With an L1 penalty it is a proximal quasi-Newton method: every step minimises a quadratic
    model of the smooth part plus the absolute values themselves, so that weights become exactly
    zero. Splitting every weight into a positive and a negative part for L-BFGS-B took 1.4 to
    over 50 times as long.

    Parameters
    ----------
    precondition : bool, default=True
        Work in coordinates in which the problem is nearly round.
    memory : int, default=None
        Number of steps from which the curvature is inferred; None means 10, or 40 for up to 20,000
        parameters of a model that is not convex, or 5 for more than a million parameters, where
        the algebra on remembered steps takes half of the time. With an L1 penalty it is at most
        10.

    References
    ----------
    Byrd, R. H., Lu, P., Nocedal, J. and Zhu, C. (1995). A limited memory algorithm for bound
    constrained optimization. SIAM Journal on Scientific Computing, 16, 1190-1208.

    Lee, J. D., Sun, Y. and Saunders, M. A. (2014). Proximal Newton-type methods for minimizing
    composite functions. SIAM Journal on Optimization, 24, 1420-1443.
    """

    handles_l1 = True

    def __init__(self, *, precondition: bool = True, memory: int | None = None):
        super().__init__(precondition=precondition)
        self.memory = memory

    def check_options(self) -> None:
        """Raise a ValueError that says which option is out of range, and what would be valid."""
        super().check_options()
        memory = self.memory
        whole = isinstance(memory, Integral) and not isinstance(memory, bool)
        if memory is not None and not (whole and memory >= 1):
            raise ValueError(
                f"memory of {type(self).__name__} must be a whole number of at least 1, the number "
                f"of steps to remember, or None, got {memory!r}."
            )

    def _descend(self, descent, max_iter):
        memory = _default_memory(descent) if self.memory is None else int(self.memory)
        if descent.thresholds is not None:
            return descent.run(
                proximal_quasi_newton,
                hessp=descent.exact_hessian,
                maxiter=max_iter,
                tol=descent.tol,
                memory=min(memory, 10),
                thresholds=descent.thresholds,
                metric=descent.metric,
            )
        # ftol and gtol of zero leave the judgement to the gap.
        return descent.run(
            "L-BFGS-B",
            near=NEAR,
            maxiter=max_iter,
            maxcor=memory,
            ftol=0.0,
            gtol=0.0,
            maxfun=np.inf,
        )


def _default_memory(descent):
    n_params = len(descent.start)
    if not descent.convex and n_params <= FEW_PARAMETERS:
        return 40
    return 10 if n_params <= MANY_PARAMETERS else 5


class NewtonCG(Solver):
    """Trust-region Newton with exact Hessian products, by conjugate gradients (Steihaug).

    Parameters
    ----------
    precondition : bool, default=True
        Work in coordinates in which the problem is nearly round.

    References
    ----------
    Nocedal, J. and Wright, S. J. (2006). Numerical Optimization, second edition, chapter 7.
    """

    def _descend(self, descent, max_iter):
        return descent.run("trust-ncg", hessp=True, maxiter=max_iter, gtol=0.0)


class GradientDescent(Solver):
    """Steepest descent with a line search that meets the Wolfe conditions.

    With ``precondition=False`` it is what textbooks start with, and as slow.

    Parameters
    ----------
    precondition : bool, default=True
        Work in coordinates in which the problem is nearly round.
    """

    def _descend(self, descent, max_iter):
        return descent.run(_steepest_descent, patience=200, maxiter=max_iter)


def _steepest_descent(fun, x0, args=(), jac=None, callback=None, maxiter=1000, **unused):
    """Steepest descent as a custom method of scipy.optimize.minimize."""
    x, value, gradient, step = x0, fun(x0), jac(x0), 1.0
    message = "Maximum number of iterations has been exceeded."
    for _ in range(maxiter):
        direction = -step * gradient
        length = _wolfe_length(fun, jac, x, direction, value, gradient @ direction)
        if length is None:
            message = "The line search found no lower value."
            break
        step *= length
        x = x + length * direction
        value, gradient = fun(x), jac(x)
        try:
            callback(scipy.optimize.OptimizeResult(x=x, fun=value))
        except StopIteration:
            message = "`callback` raised `StopIteration`."
            break
    return scipy.optimize.OptimizeResult(x=x, fun=value, jac=gradient, message=message)


def _wolfe_length(fun, jac, x, direction, value, slope):
    """Return a length that meets the strong Wolfe conditions, or None.

    By bisection, after Lewis and Overton (2013). scipy.optimize.line_search warns where it fails,
    and to silence it takes filters of warnings that are shared by all threads.

    Parameters
    ----------
    fun, jac : callable
    x, direction : ndarray of shape (n,)
    value, slope : float
        At x, the slope along the direction.

    References
    ----------
    Lewis, A. S. and Overton, M. L. (2013). Nonsmooth optimization via quasi-Newton methods.
    Mathematical Programming, 141, 135-163.
    """
    low, high, length = 0.0, np.inf, 1.0
    for _ in range(MAX_TRIALS):
        ahead = x + length * direction
        if not fun(ahead) <= value + SUFFICIENT_DECREASE * length * slope:
            high = length
        else:
            left = jac(ahead) @ direction
            if abs(left) <= -STEEP * slope:
                return length
            low, high = (length, high) if left < 0 else (low, length)
        length = 2 * low if high == np.inf else 0.5 * (low + high)
    return None


SOLVERS = {"lbfgs": LBFGS, "newton-cg": NewtonCG, "gd": GradientDescent}


def make_solver(solver: str | Solver) -> Solver:
    """Return the solver that a name stands for, or an instance itself: solvers keep no state.

    Raises
    ------
    ValueError
        For an unknown name, an object that is no Solver, or an option out of range.
    """
    if isinstance(solver, str) and solver in SOLVERS:
        return SOLVERS[solver]()
    if not isinstance(solver, Solver):
        raise ValueError(
            f"solver must be one of {sorted(SOLVERS)} or an instance of a Solver such as "
            f"sklearn_kl.solvers.LBFGS(), got {solver!r}."
        )
    solver.check_options()
    return solver
