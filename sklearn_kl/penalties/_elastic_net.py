"""The elastic net: weights that are not needed become exactly zero."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class ElasticNet:
    """``l2_strength / 2 * ||w||^2 + l1_strength * ||w||_1`` in the mean objective.

    Parameters
    ----------
    l2_strength : float
        Nats per squared unit of theta; 0 for the lasso.
    l1_strength : float
        Nats per unit of theta.
    penalised : slice or ndarray of bool
        Index of the penalised parameters w in theta.

    References
    ----------
    Zou, H. and Hastie, T. (2005). Regularization and variable selection via the elastic net.
    Journal of the Royal Statistical Society B, 67, 301-320.
    """

    l2_strength: float
    l1_strength: float
    penalised: Any

    @property
    def curvature(self):
        """Second derivative of the smooth part along every penalised parameter."""
        return self.l2_strength

    def value(self, theta):
        """Penalty in nats, the part that is not smooth included."""
        weights = theta[self.penalised]
        smooth = 0.5 * self.l2_strength * float(weights @ weights)
        return smooth + self.l1_strength * float(np.abs(weights).sum())

    def add_gradient(self, theta, out):
        """Add the gradient of the smooth part to out, in place."""
        if self.l2_strength:
            out[self.penalised] += self.l2_strength * theta[self.penalised]

    def add_hessian_product(self, vector, out):
        """Add the Hessian of the smooth part times a vector to out, in place."""
        self.add_gradient(vector, out)

    def conjugate(self, residual):
        """Excess over l1_strength, squared, over twice l2_strength; for the lasso 0 or infinite."""
        excess = np.maximum(np.abs(residual) - self.l1_strength, 0.0)
        if self.l2_strength == 0:
            return np.inf if excess.any() else 0.0
        return float(excess @ excess) / (2 * self.l2_strength)
