"""The L2 penalty."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class L2:
    """Squared norm: ``strength / 2 * ||w||^2`` in the mean objective.

    Parameters
    ----------
    strength : float
        Nats per squared unit of theta; ``1 / (C * total mass)`` for scikit-learn's C.
    penalised : slice or ndarray of bool
        Index of the penalised parameters w in theta.
    """

    strength: float
    penalised: Any

    @property
    def curvature(self):
        """Second derivative along every penalised parameter."""
        return self.strength

    @property
    def l1_strength(self):
        """Zero: the penalty is smooth."""
        return 0.0

    def value(self, theta):
        """Penalty in nats."""
        if self.strength == 0:
            return 0.0
        weights = theta[self.penalised]
        return 0.5 * self.strength * float(weights @ weights)

    def add_gradient(self, theta, out):
        """Add the gradient to out, in place."""
        if self.strength:
            out[self.penalised] += self.strength * theta[self.penalised]

    def add_hessian_product(self, vector, out):
        """Add the Hessian times a vector to out, in place."""
        self.add_gradient(vector, out)

    def conjugate(self, residual):
        """Squared norm over twice the strength; infinite without a penalty, but at zero."""
        if self.strength == 0:
            return np.inf if residual.any() else 0.0
        return float(residual @ residual) / (2 * self.strength)
