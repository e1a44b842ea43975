"""The KL divergence to the targets, summed row by row: no difference of two larger numbers."""

from dataclasses import dataclass

import numpy as np
from scipy.special import xlogy

from sklearn_kl._data.lanes import Lane
from sklearn_kl._data.simplex import kl_divergence, log_softmax
from sklearn_kl.models import ParametricModel


@dataclass(frozen=True, eq=False)
class Divergence:
    """Work on a lane: the sum over its rows of mass times ``KL(p_i || q_theta(. | x_i))``.

    Parameters
    ----------
    model : ParametricModel
    theta : ndarray of shape (n_params,)
    """

    model: ParametricModel
    theta: np.ndarray

    def __call__(self, lane: Lane) -> tuple[float]:
        """Return the sum, nats."""
        total = 0.0
        for block in lane:
            z = self.model.logits(self.theta, block.X).astype(np.float64, copy=False)
            strengths, mass = block.targets.strengths(), block.targets.mass
            share = strengths / np.where(mass > 0, mass, 1.0)
            total += float(mass @ _divergences(share.T, z.T))
        return (total,)


def _divergences(p: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Return the KL divergence of every row from the softmax of logits, finite where these are."""
    if logits.shape[1] == 1:
        logits = np.hstack([np.zeros_like(logits), logits])
    log_q = log_softmax(logits)
    rows = kl_divergence(p, np.exp(log_q))
    # A probability of zero may have a logarithm all the same.
    rare = np.isinf(rows)
    rows[rare] = (xlogy(p[rare], p[rare]) - p[rare] * log_q[rare]).sum(axis=1)
    return rows
