"""The L2 penalty."""

from dataclasses import dataclass


@dataclass(frozen=True)
class L2:
    """Squared norm: ``strength / 2 * ||theta[:n_penalised]||^2`` in the mean objective.

    Parameters
    ----------
    strength : float
        Nats per squared unit of theta; ``1 / (C * total mass)`` for scikit-learn's C.
    n_penalised : int
        The penalised parameters stand first in theta.
    """

    strength: float
    n_penalised: int

    @property
    def curvature(self):
        """Second derivative along every penalised parameter."""
        return self.strength

    def value(self, theta):
        """Penalty in nats."""
        if self.strength == 0:
            return 0.0
        weights = theta[: self.n_penalised]
        return 0.5 * self.strength * float(weights @ weights)

    def add_gradient(self, theta, out):
        """Add the gradient to out, in place."""
        if self.strength:
            out[: self.n_penalised] += self.strength * theta[: self.n_penalised]

    def add_hessian_product(self, vector, out):
        """Add the Hessian times a vector to out, in place."""
        self.add_gradient(vector, out)
