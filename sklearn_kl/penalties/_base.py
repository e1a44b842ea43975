"""What the objective asks of a penalty."""

from typing import Protocol

import numpy as np


class Penalty(Protocol):
    """A smooth function of theta added to the mean cross-entropy, in nats."""

    @property
    def curvature(self) -> float:
        """A lower bound of the second derivative along every penalised parameter."""

    def value(self, theta: np.ndarray) -> float:
        """Penalty at theta."""

    def add_gradient(self, theta: np.ndarray, out: np.ndarray) -> None:
        """Add the gradient at theta to out, in place."""

    def add_hessian_product(self, vector: np.ndarray, out: np.ndarray) -> None:
        """Add the Hessian times a vector to out, in place."""
