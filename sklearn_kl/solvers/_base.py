"""What a solver is given, what it returns, and how it judges convergence."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


class Problem:
    """A function to minimise, smooth but for an L1 penalty: what a solver is given.

    A subclass defines `value_and_gradient`, and whatever of the rest is not as it stands here.
    """

    @property
    def lower_bound(self) -> float:
        """What the value can never fall below, nats: a solver that comes within `tol` is done."""
        return -np.inf

    @property
    def convex(self) -> bool:
        """Whether every stationary point is a minimum.

        Where it is not, a solver has converged, too, once ten iterations gain at most `tol` each.
        """
        return True

    @property
    def exact_hessian(self) -> bool:
        """Whether `hessian` is there, exact, and a product with it costs about an evaluation."""
        return False

    @property
    def thresholds(self) -> np.ndarray | None:
        """Strength of the L1 penalty along every parameter, shape (n_params,), or None."""
        return None

    @property
    def has_curvature(self) -> bool:
        """Whether `curvature` is there, and takes milliseconds."""
        return False

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the value in nats and the gradient of the smooth part.

        The value includes ``thresholds @ |theta|``.
        """
        raise NotImplementedError(f"{type(self).__name__} must define value_and_gradient.")

    def hessian(self, theta: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """Return the function ``v -> Hessian(theta) @ v`` of the smooth part."""
        raise NotImplementedError(
            f"{type(self).__name__} has no hessian, which this solver needs: define it, or use "
            "LBFGS or GradientDescent."
        )

    def curvature(self, theta: np.ndarray) -> Any:
        """Return coordinates in which the Hessian at theta is the identity.

        They have the methods `to_theta`, `pull_gradient`, `move` and `reach` of a Curvature.
        """
        raise NotImplementedError(f"{type(self).__name__} has no curvature.")

    def precise_at(self, theta: np.ndarray, accuracy: float) -> "Problem":
        """Return the same function, evaluated at theta with errors below the accuracy, nats."""
        return self


@dataclass(frozen=True, eq=False)
class Iteration:
    """What is known after an iteration.

    Parameters
    ----------
    number : int
        1 for the first.
    theta : ndarray of shape (n_params,)
    value : float
        Objective in nats.
    gap : float
        Estimated distance of the value from the minimum, nats.
    """

    number: int
    theta: np.ndarray
    value: float
    gap: float


@dataclass(frozen=True, eq=False)
class Result:
    """Where a solver ended.

    Parameters
    ----------
    theta : ndarray of shape (n_params,)
    value : float
        Objective in nats.
    gradient : ndarray of shape (n_params,)
        Gradient with respect to theta, of the smooth part.
    gap : float
        Estimated distance of the value from the minimum, nats.
    converged : bool
        Whether the gap is at most the tolerance, or as small as rounding allows.
    stopped : bool
        Whether `on_iteration` asked to stop.
    n_iter : int
    n_evaluations : int
        Evaluations of value and gradient.
    message : str
        Why the solver ended, in SciPy's words where SciPy ended it.
    """

    theta: np.ndarray
    value: float
    gradient: np.ndarray
    gap: float
    converged: bool
    stopped: bool
    n_iter: int
    n_evaluations: int
    message: str


class GapEstimate:
    """Estimate how far a value is from the minimum, from gradients alone.

    For a quadratic, ``f - f* <= ||g||^2 / (2 c)``, where c is the smallest curvature. The curvature
    along the last steps, ``c = s'y / s's``, stands in for it: what is left to gain lies along the
    directions in which progress is still being made. The estimate is in the units of f, so it does
    not change when features are rescaled or rows repeated.

    Parameters
    ----------
    memory : int, default=10
        Number of steps that are remembered.
    """

    def __init__(self, memory=10):
        self._curvatures: deque[float] = deque(maxlen=memory)
        self._last = None

    def update(self, x, gradient):
        """Take in the next iterate and return the estimated gap at it."""
        if self._last is not None:
            step, change = x - self._last[0], gradient - self._last[1]
            squared_length = step @ step
            if squared_length > 0 and step @ change > 0:
                self._curvatures.append((step @ change) / squared_length)
        self._last = (x.copy(), gradient.copy())
        return float(gradient @ gradient) / (2 * min(self._curvatures, default=1.0))
