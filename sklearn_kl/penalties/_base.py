"""What the objective asks of a penalty."""

from typing import Any, Protocol

import numpy as np


class Penalty(Protocol):
    """A convex function of the penalised parameters, added to the mean cross-entropy, in nats.

    It is smooth, apart from ``l1_strength * ||w||_1``, of which the solver takes care.
    """

    @property
    def penalised(self) -> Any:
        """Index of the penalised parameters in theta: a slice or a boolean mask."""

    @property
    def curvature(self) -> float:
        """A lower bound of the second derivative along every penalised parameter."""

    @property
    def l1_strength(self) -> float:
        """Factor of the part that is not smooth, the sum of absolute values; 0 without one."""

    def value(self, theta: np.ndarray) -> float:
        """Penalty at theta."""

    def add_gradient(self, theta: np.ndarray, out: np.ndarray) -> None:
        """Add the gradient of the smooth part at theta to out, in place."""

    def add_hessian_product(self, vector: np.ndarray, out: np.ndarray) -> None:
        """Add the Hessian of the smooth part times a vector to out, in place."""

    def conjugate(self, residual: np.ndarray) -> float:
        """Return ``sup_w residual @ w - penalty(w)`` over the penalised parameters w."""
