"""The elastic net on the parameters: the only place that knows what it is made of."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

# Far above, the weights are zero to the last digit already.
MAX_STRENGTH = 1e300


@dataclass(frozen=True, eq=False)
class Penalty:
    """``sum_j l2_j / 2 * theta_j^2 + l1_j * |theta_j|`` over the penalised parameters, in nats.

    It is added to the mean cross-entropy. The first term is its smooth part; the solver takes care
    of the second.

    Parameters
    ----------
    penalised : slice or ndarray of bool of shape (n_params,)
        Index of the penalised parameters in theta.
    l2 : float or ndarray of shape (n_params,)
        Nats per squared unit of theta, not negative: one number for all of them, or one for each.
    l1 : float or ndarray of shape (n_params,)
        Nats per unit of theta, not negative.

    References
    ----------
    Zou, H. and Hastie, T. (2005). Regularization and variable selection via the elastic net.
    Journal of the Royal Statistical Society B, 67, 301-320.
    """

    penalised: Any
    l2: Any = 0.0
    l1: Any = 0.0

    @classmethod
    def from_C(cls, C: float, l1_ratio: float, total_mass: float, penalised: Any) -> "Penalty":
        """Return the penalty of the mean objective that C and l1_ratio stand for.

        Parameters
        ----------
        C : float
            As in the objective that is a sum over rows.
        l1_ratio : float
            Share of the L1 part.
        total_mass : float
            Total mass of the targets, by which the sum is divided.
        penalised : slice or ndarray of bool
        """
        with np.errstate(over="ignore"):
            strength = float(min(1.0 / np.float64(C) / total_mass, MAX_STRENGTH))
        return cls(penalised, (1 - l1_ratio) * strength, l1_ratio * strength)

    @cached_property
    def smooth(self) -> bool:
        """Whether there is no L1 part."""
        return not np.any(self._l1)

    @property
    def is_zero(self) -> bool:
        """Whether nothing is penalised."""
        return self.smooth and self._flat

    def value(self, theta: np.ndarray) -> float:
        """Penalty at theta, the L1 part included."""
        weights, value = theta[self.penalised], 0.0
        # A part that is not there is zero, though weights overflow.
        if not self._flat:
            alike = np.ndim(self._l2) == 0
            squares = self._l2 * (weights @ weights) if alike else self._l2 @ (weights * weights)
            value = 0.5 * float(squares)
        if not self.smooth:
            sizes = np.abs(weights)
            alike = np.ndim(self._l1) == 0
            value += float(self._l1 * sizes.sum() if alike else self._l1 @ sizes)
        return value

    def add_gradient(self, theta: np.ndarray, out: np.ndarray) -> None:
        """Add the gradient of the smooth part at theta to out, in place."""
        if not self._flat:
            out[self.penalised] += self._l2 * theta[self.penalised]

    def add_hessian_product(self, vector: np.ndarray, out: np.ndarray) -> None:
        """Add the Hessian of the smooth part times a vector to out, in place."""
        self.add_gradient(vector, out)

    def curvature(self, n_params: int) -> np.ndarray:
        """Second derivative of the smooth part along every parameter: shape (n_params,)."""
        return self._spread(self._l2, n_params)

    def thresholds(self, n_params: int) -> np.ndarray | None:
        """Slope of the L1 part along every parameter, shape (n_params,); None if it is smooth."""
        return None if self.smooth else self._spread(self._l1, n_params)

    def conjugate(self, residual: np.ndarray) -> float:
        """Return ``sup_w residual @ w - penalty(w)`` over the penalised parameters w.

        It is ``(|residual| - l1)_+^2 / (2 l2)``, summed; where l2 is 0, zero or infinite.
        """
        excess = np.maximum(np.abs(residual) - self._l1, 0.0)
        if np.ndim(self._l2) == 0 and self._l2:
            return float(excess @ excess) / (2 * self._l2)
        l2 = np.broadcast_to(self._l2, excess.shape)
        if excess[l2 == 0].any():
            return np.inf
        curved = l2 > 0
        return 0.5 * float((excess[curved] ** 2 / l2[curved]).sum())

    def share_within_l1(self, residual: np.ndarray) -> float:
        """Return the largest s up to 1 for which ``|s * residual| <= l1`` at every penalised one.

        There, the conjugate is zero.
        """
        used = residual != 0
        l1 = np.broadcast_to(self._l1, residual.shape)[used]
        return float((l1 / np.abs(residual[used])).min(initial=1.0))

    def centre(self, weights: np.ndarray, index: np.ndarray) -> np.ndarray:
        """Shift every row by the constant that makes the penalty least.

        The slope of the penalty with respect to the shift c of weights w_k, in ascending order, is
        ``sum_k l2_k (c - w_k) + sum_k l1_k sign(c - w_k)``. It is zero where c is the median of the
        w_k and of ``(sum_k l2_k w_k + b_i) / sum_k l2_k``, i = 0, ..., K, with b_i the sum of l1_k
        over k > i less that over k <= i. Without an L2 part c is the median of the w_k, weighted by
        l1_k, and the point nearest to zero where a whole interval is.

        Parameters
        ----------
        weights : ndarray of shape (n_rows, K)
            Penalised parameters.
        index : ndarray of int of shape (n_rows, K)
            Their places in theta.

        Returns
        -------
        ndarray of shape (n_rows, K)
        """
        alike = np.ndim(self.l2) == np.ndim(self.l1) == 0
        turns = self._turns_alike(weights) if alike else self._turns(weights, index)
        return weights - np.median(np.hstack([weights, turns]), axis=1, keepdims=True)

    def _turns_alike(self, weights: np.ndarray) -> np.ndarray:
        """Return the ``(sum_k l2_k w_k + b_i) / sum_k l2_k`` where all strengths are equal."""
        n_classes = weights.shape[1]
        balance = n_classes - 2.0 * np.arange(n_classes + 1)
        if self.l2:
            slope = self.l1 / self.l2 / n_classes
            return weights.mean(axis=1, keepdims=True) + slope * balance
        turns = np.where(balance == 0, 0.0, np.copysign(np.inf, balance))
        return np.broadcast_to(turns, (len(weights), n_classes + 1))

    def _turns(self, weights: np.ndarray, index: np.ndarray) -> np.ndarray:
        """Return the ``(sum_k l2_k w_k + b_i) / sum_k l2_k`` for any strengths."""
        l2 = self.l2[index] if np.ndim(self.l2) else np.full(index.shape, self.l2)
        l1 = self.l1[index] if np.ndim(self.l1) else np.full(index.shape, self.l1)
        ordered = np.take_along_axis(l1, weights.argsort(axis=1), axis=1)
        zero = np.zeros((len(weights), 1))
        above = np.hstack([np.cumsum(ordered[:, ::-1], axis=1)[:, ::-1], zero])
        below = np.hstack([zero, np.cumsum(ordered, axis=1)])
        balance, total = above - below, l2.sum(axis=1, keepdims=True)
        limit = np.where(balance == 0, 0.0, np.copysign(np.inf, balance))
        with np.errstate(divide="ignore", invalid="ignore"):
            turns = ((l2 * weights).sum(axis=1, keepdims=True) + balance) / total
        return np.where(total > 0, turns, limit)

    @cached_property
    def _flat(self) -> bool:
        return not np.any(self._l2)

    @cached_property
    def _l2(self) -> Any:
        return self.l2[self.penalised] if np.ndim(self.l2) else self.l2

    @cached_property
    def _l1(self) -> Any:
        return self.l1[self.penalised] if np.ndim(self.l1) else self.l1

    def _spread(self, strength: Any, n_params: int) -> np.ndarray:
        spread = np.zeros(n_params)
        spread[self.penalised] = strength
        return spread
