"""Proximal quasi-Newton: a smooth function plus absolute values, with exact zeros."""

from collections import deque
from typing import NamedTuple

import numpy as np
import scipy.optimize

from sklearn_kl.solvers._faces import FaceDescent, steepest_slope

# Armijo's condition, and how often a step is halved for it.
SUFFICIENT = 1e-4
MAX_HALVINGS = 30
# A step along which the metric sees this many times the curvature there is teaches nothing.
MIN_CURVATURE = 1e-8
# Up to this many parameters the exact Hessian is formed, and its model minimised to this accuracy.
FEW_PARAMETERS = 200
THOROUGH = 1e-4
THOROUGH_PRODUCTS = 5000
SYMMETRIC = 1e-10


class Identity:
    """The metric of coordinates in which the problem is round already, or not known."""

    def product(self, d):
        """Return d."""
        return d

    def recentre(self, x):
        """Return x: no direction is known to be free of curvature."""
        return x

    def restricted(self, index):
        """Return the metric of vectors that hold the entries of an index only."""
        return self


class QuasiNewtonModel:
    """Quadratic model of a smooth function: ``g'd + 1/2 d'Bd``.

    B is a metric H, times the curvature c along the last step relative to H, corrected by the
    last steps s (rows of S) and changes y of the gradient (rows of Y), in BFGS's compact form::

        B = c H - W' M^-1 W,   W = [c S H; Y],   M = [c S H S', L; L', -D]

    where L is what stands below the diagonal D of ``S Y'``.

    Parameters
    ----------
    metric : object
        With the methods of Identity.
    memory : int
        Number of steps that are remembered.

    References
    ----------
    Byrd, R. H., Nocedal, J. and Schnabel, R. B. (1994). Representations of quasi-Newton matrices
    and their use in limited memory methods. Mathematical Programming, 63, 129-156.
    """

    def __init__(self, metric, memory):
        self._metric = metric
        self._pairs: deque[tuple[np.ndarray, ...]] = deque(maxlen=memory)
        self._ratios: deque[float] = deque(maxlen=memory)

    @property
    def trust(self):
        """The least, over the last steps, of curvature found by curvature foreseen; at most 1.

        If all of the curvature is at least that share of B, the function can fall by what the
        model falls, divided by it, and no further.
        """
        return min(1.0, min(self._ratios, default=1.0))

    def update(self, step, change, foreseen):
        """Take in a step, the change of the gradient, and ``step' B step``."""
        image = self._metric.product(step)
        curvature = step @ change
        if curvature > MIN_CURVATURE * (step @ image):
            self._pairs.append((step, change, image))
            self._ratios.append(float(curvature / foreseen))

    def restricted(self, index):
        """Return the functions product (with B) and recentre of vectors of the index's entries."""
        metric = self._metric.restricted(index)
        if not self._pairs:
            return metric.product, metric.recentre
        S, Y, images = (np.array(rows) for rows in zip(*self._pairs, strict=True))
        scale = (S[-1] @ Y[-1]) / (S[-1] @ images[-1])
        inner = S @ Y.T
        lower = np.tril(inner, -1)
        M = np.block([[scale * (S @ images.T), lower], [lower.T, -np.diag(np.diag(inner))]])
        W = np.vstack([scale * images[:, index], Y[:, index]])
        solved = np.linalg.solve(M, W)
        return (lambda d: scale * metric.product(d) - (solved @ d) @ W), metric.recentre


class _Plan(NamedTuple):
    """A step, B times it, the decrease that it promises, and whether the model was solved."""

    step: np.ndarray
    image: np.ndarray
    promise: float
    finished: bool


def proximal_quasi_newton(fun, x0, args=(), jac=None, hessp=None, callback=None, **options):
    """Minimise ``f(x) + thresholds @ |x|``, as a custom method of scipy.optimize.minimize.

    A step minimises a quadratic model of f plus the absolute values, over the entries that are
    not zero or should not be, and is halved until the function falls enough. The decrease that
    the next model promises, over its `trust`, estimates the distance from the minimum. Where most
    of the last steps had to be halved, the exact Hessian takes the place of the model; and where
    the distance is within `tol`, but the model was not solved or some of these steps were halved,
    it has the last word.

    Parameters
    ----------
    fun : callable
        ``f(x) + thresholds @ |x|``.
    x0 : ndarray of shape (n,)
    args : tuple
        Not used.
    jac : callable
        Gradient of f.
    hessp : callable or None
        ``hessp(x, d)``, the Hessian of f times d; None does without.
    callback : callable
        Called with an OptimizeResult of `x`, `fun` and `gap`; StopIteration ends the descent.
    **options
        `thresholds`, an ndarray of shape (n,), not negative; `metric`, or None for the identity;
        `memory`, `maxiter` and `tol`.

    Returns
    -------
    OptimizeResult
        With `promise`, the decrease that the last model promises.

    References
    ----------
    Lee, J. D., Sun, Y. and Saunders, M. A. (2014). Proximal Newton-type methods for minimizing
    composite functions. SIAM Journal on Optimization, 24, 1420-1443.
    """
    thresholds = options["thresholds"]
    metric = options["metric"] or Identity()
    model = QuasiNewtonModel(metric, options["memory"])
    lengths: deque[float] = deque(maxlen=options["memory"])
    x, value, gradient = x0, fun(x0), jac(x0)
    plan = _plan(model, x, gradient, thresholds)
    message = "Maximum number of iterations has been exceeded."
    for _ in range(options["maxiter"]):
        slope = gradient @ plan.step + thresholds @ (np.abs(x + plan.step) - np.abs(x))
        length = _line_search(fun, x, plan.step, value, slope)
        if length is None:
            message = "The line search found no lower value."
            break
        lengths.append(length)
        x, last = x + length * plan.step, gradient
        value, gradient = fun(x), jac(x)
        model.update(length * plan.step, gradient - last, length**2 * (plan.step @ plan.image))
        plan = _plan(model, x, gradient, thresholds)
        gap = plan.promise / model.trust
        doubtful = gap <= options["tol"] and (not plan.finished or min(lengths) < 1)
        struggling = len(lengths) == options["memory"] and np.median(lengths) < 0.5
        if (doubtful or struggling) and hessp is not None:
            plan = _plan(_ExactModel(hessp, x, metric), x, gradient, thresholds)
            gap = plan.promise
        try:
            callback(scipy.optimize.OptimizeResult(x=x, fun=value, gap=gap))
        except StopIteration:
            message = "`callback` raised `StopIteration`."
            break
    return scipy.optimize.OptimizeResult(
        x=x, fun=value, jac=gradient, promise=plan.promise, message=message
    )


class _ExactModel:
    """Quadratic model of a smooth function at x, with its Hessian."""

    def __init__(self, hessp, x, metric):
        self._hessp, self._x, self._metric = hessp, x, metric
        self.thorough = len(x) <= FEW_PARAMETERS

    def restricted(self, index):
        """Return the functions product and recentre of vectors of the index's entries."""

        def product(d):
            whole = np.zeros_like(self._x)
            whole[index] = d
            return self._hessp(self._x, whole)[index]

        recentre = self._metric.restricted(index).recentre
        if not self.thorough:
            return product, recentre
        matrix = np.array([product(row) for row in np.eye(len(index))])
        # Of a Hessian with the digits of float32 no more is to be had than products tell.
        if np.abs(matrix - matrix.T).max(initial=0.0) > SYMMETRIC * np.abs(matrix).max(initial=0.0):
            self.thorough = False
            return product, recentre
        return lambda d: matrix @ d, recentre


def _plan(model, x, gradient, thresholds):
    """Return the step that minimises a model, as a _Plan."""
    slope = steepest_slope(x, gradient, thresholds)
    index = np.flatnonzero((x != 0) | (slope != 0))
    product, recentre = model.restricted(index)
    descent = FaceDescent(product, recentre, gradient[index], x[index], thresholds[index])
    if getattr(model, "thorough", False):
        descent.run(accuracy=THOROUGH, max_products=THOROUGH_PRODUCTS)
    else:
        descent.run()
    step, image = np.zeros_like(x), np.zeros_like(x)
    step[index], image[index] = descent.step, descent.image
    return _Plan(step, image, descent.promise, descent.finished)


def _line_search(fun, x, step, value, slope):
    """Return the first of the lengths 1, 1/2, ... that lowers the value enough, or None."""
    rounding = np.finfo(np.float64).eps * abs(value)
    for halvings in range(MAX_HALVINGS):
        length = 0.5**halvings
        if fun(x + length * step) <= value + SUFFICIENT * length * slope + rounding:
            return length
    return None
