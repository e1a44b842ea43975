"""The training objective: mean cross-entropy plus penalty, as a sum over row blocks.

With t_ik the strength of class k in row i, m_i = sum_k t_ik and M = sum_i m_i (see Targets), and
z_i = logits(theta, x_i), q_i = softmax(z_i):

    f(theta)        = 1/M sum_i [ m_i logsumexp(z_i) - sum_k t_ik z_ik ] + penalty(theta)
    df/dz_i         = 1/M (m_i q_i - t_i)
    d2f/dz_i dz_i'  = m_i/M (diag(q_i) - q_i q_i')

For two classes there is one logit, of the second class, and that of the first is zero.

If the logits are linear in theta, sum_ik t_ik z_ik = T' theta with a vector T that is summed once;
the targets then enter an evaluation through their mass only, whether they are labels,
distributions or counts.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from sklearn_kl._data.lanes import Block, Lane, Lanes
from sklearn_kl._data.targets import Totals
from sklearn_kl._fit.curvature import Curvature, is_cheap
from sklearn_kl._fit.divergence import Divergence
from sklearn_kl._fit.penalty import Penalty
from sklearn_kl.models import ParametricModel
from sklearn_kl.solvers import Problem

# Probabilities of all rows are kept between Hessian products up to this size.
KEPT_BYTES = 256 * 2**20


@dataclass(frozen=True, eq=False)
class Objective(Problem):
    """Mean cross-entropy in nats plus a penalty, as a function of theta.

    Parameters
    ----------
    model : ParametricModel
    penalty : Penalty
    totals : Totals
        Of the targets that the rows carry.
    lanes : Lanes
        The rows.
    statistic : ndarray of shape (n_params,) or None
        T where the logits are linear in theta.
    mean : ndarray of shape (n_features,) or None
        Mean of the features, rows weighing their mass, where the model is linear: it saves the
        pass over X at weights of zero, where most fits start.
    """

    model: ParametricModel
    penalty: Penalty
    totals: Totals
    lanes: Lanes
    statistic: np.ndarray | None = None
    mean: np.ndarray | None = None

    @property
    def convex(self) -> bool:
        """Whether every stationary point is a minimum, so that gradients tell how far it is."""
        return self.model.convex

    @property
    def exact_hessian(self) -> bool:
        """Whether products with the Hessian cost no more than an evaluation, and are exact."""
        return self.model.linear_in_theta

    @property
    def lower_bound(self) -> float:
        """Entropy of the targets, nats: no theta has a lower value."""
        return self.totals.entropy

    @property
    def thresholds(self) -> np.ndarray | None:
        """Strength of the L1 penalty along every parameter, or None where there is none."""
        return self.penalty.thresholds(self.model.n_params)

    def cross_entropy(self, theta: np.ndarray) -> float:
        """Mean cross-entropy of the targets under q_theta, in nats."""
        return self._mean_loss_and_gradient(theta)[0]

    def divergence(self, theta: np.ndarray) -> float:
        """Mean KL divergence of q_theta from the targets, in nats, summed row by row."""
        (total,) = self.lanes.sum(Divergence(self.model, theta))
        return float(total / self.totals.mass)

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Return f(theta), a float in nats, and its gradient, an ndarray of shape (n_params,)."""
        value, gradient = self._mean_loss_and_gradient(theta)
        self.penalty.add_gradient(theta, out=gradient)
        return value + self.penalty.value(theta), gradient

    @cached_property
    def constant_features(self) -> np.ndarray:
        """Which features have the same value in all rows: ndarray of bool, looked up once."""
        return self.lanes.are_constant(np.arange(self.model.n_features))

    @property
    def has_curvature(self) -> bool:
        """Whether `curvature` is to be had, for a few milliseconds."""
        return is_cheap(self)

    def curvature(self, theta: np.ndarray) -> Curvature:
        """Return the Curvature at theta: coordinates in which the Hessian is the identity."""
        return Curvature(self, theta)

    def precise_at(self, theta: np.ndarray, accuracy: float) -> "Objective":
        """Return the same function, evaluated so that sums err by less than the accuracy, nats.

        ``T' theta`` and the sum of all logsumexp nearly cancel. Where they are too large for that,
        the loss is summed row by row, of terms that are not negative.
        """
        if self.statistic is None:
            return self
        size = np.abs(self.statistic) @ np.abs(theta) / self.totals.mass
        if size * np.finfo(np.float64).eps <= accuracy:
            return self
        return replace(self, statistic=None, mean=None)

    def hessian(self, theta: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """Return the function ``v -> Hessian(theta) @ v``.

        It is exact for logits linear in theta, and a difference of gradients otherwise.
        """
        if self.model.linear_in_theta:
            return Hessian(self, theta)
        return partial(self._difference_product, theta)

    def _difference_product(self, theta: np.ndarray, vector: np.ndarray) -> np.ndarray:
        """Central difference of gradients: what rounding and curvature spoil is balanced."""
        precision = np.finfo(self.lanes.dtype).eps
        length = np.linalg.norm(vector)
        if length == 0:
            return np.zeros_like(vector)
        step = precision ** (1 / 3) * max(1.0, np.linalg.norm(theta)) / length
        _, ahead = self.value_and_gradient(theta + step * vector)
        _, behind = self.value_and_gradient(theta - step * vector)
        return (ahead - behind) / (2 * step)

    def _mean_loss_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        at_zero = not theta[self.model.penalised].any()
        if self.statistic is not None and self.mean is not None and at_zero:
            loss, gradient = self._loss_and_gradient_at_mean(theta, self.mean)
        else:
            work = LossAndGradient(self.model, theta, self.statistic is not None)
            loss, gradient = self.lanes.sum(work)
        if self.statistic is not None:
            # The logits were computed from theta rounded to the dtype of X; so is this term.
            loss -= self.statistic @ theta.astype(self.lanes.dtype, copy=False)
            gradient -= self.statistic
        gradient /= self.totals.mass
        return float(loss / self.totals.mass), gradient

    def _loss_and_gradient_at_mean(
        self, theta: np.ndarray, mean: np.ndarray
    ) -> tuple[float, np.ndarray]:
        """Sum over rows when all weights are zero: as if the mean row carried all the mass."""
        mean_row = np.reshape(mean, (1, -1))
        z = self.model.logits(theta, mean_row)
        loss, expected = _loss_and_expected(z, np.array([self.totals.mass]))
        gradient = np.zeros(self.model.n_params)
        self.model.pullback(theta, mean_row, expected, out=gradient)
        return loss, gradient


@dataclass(frozen=True, eq=False)
class LossAndGradient:
    """Work on a lane: the sum over its rows of the loss, and the gradient of that sum.

    Parameters
    ----------
    model : ParametricModel
    theta : ndarray of shape (n_params,)
    without_targets : bool
        Leave out ``- sum_ik t_ik z_ik``, for whoever knows it as ``- T' theta``.
    """

    model: ParametricModel
    theta: np.ndarray
    without_targets: bool

    def __call__(self, lane: Lane) -> tuple[float, np.ndarray]:
        """Return the loss, and the gradient of shape (n_params,)."""
        loss, gradient = 0.0, np.zeros(self.model.n_params)
        for block in lane:
            z, pull = self.model.vjp(self.theta, block.X)
            if self.without_targets:
                block_loss, slope = _loss_and_expected(z, block.targets.mass)
            else:
                strengths = block.targets.strengths()
                block_loss = _excess(z, strengths)
                _, slope = _loss_and_expected(z, block.targets.mass)
                # With one logit, the strengths of the second class.
                slope -= strengths[len(strengths) - len(slope) :]
            loss += block_loss
            pull(slope, gradient)
        return loss, gradient


@dataclass(frozen=True, eq=False)
class Hessian:
    """Hessian of the objective at one theta: ``sum_i J_i' (m_i/M (diag(q_i) - q_i q_i')) J_i``.

    For logits linear in theta, where J_i does not depend on it.

    Parameters
    ----------
    objective : Objective
    theta : ndarray of shape (n_params,)
    """

    objective: Objective
    theta: np.ndarray

    def __call__(self, vector: np.ndarray) -> np.ndarray:
        """Return ``Hessian @ vector``, an ndarray of shape (n_params,)."""
        out = self.loss_product(vector)
        self.objective.penalty.add_hessian_product(vector, out=out)
        return out

    def loss_product(self, vector: np.ndarray) -> np.ndarray:
        """Return the Hessian of the cross-entropy alone times a vector."""
        (out,) = self.objective.lanes.sum(HessianProduct(self._probabilities, vector))
        return out / self.objective.totals.mass

    def intercept_block(self) -> np.ndarray:
        """Second derivative with respect to a shift of all logits: shape (n_logits, n_logits)."""
        (block,) = self.objective.lanes.sum(InterceptBlock(self._probabilities))
        return block / self.objective.totals.mass

    @property
    def _probabilities(self) -> "Probabilities":
        model, lanes = self.objective.model, self.objective.lanes
        size = lanes.dtype.itemsize * model.n_logits * self.objective.totals.n_samples
        return Probabilities(model, self.theta, size <= KEPT_BYTES)


@dataclass(frozen=True, eq=False)
class Probabilities:
    """The probabilities of a block's rows at one theta.

    Parameters
    ----------
    model : ParametricModel
    theta : ndarray of shape (n_params,)
    keep : bool
        Whether they stay beside the rows, so that the next product costs the two passes over X
        that it needs and no exponential.
    """

    model: ParametricModel
    theta: np.ndarray
    keep: bool

    def of(self, block: Block) -> np.ndarray:
        """Return them as an array of shape (n_logits, n_rows), not to be changed."""
        compute = partial(self._compute, block.X)
        return block.keep(self.theta, compute) if self.keep else compute()

    def _compute(self, X: Any) -> np.ndarray:
        z = self.model.logits(self.theta, X)
        return _loss_and_expected(z, np.ones(z.shape[1]))[1]


@dataclass(frozen=True, eq=False)
class HessianProduct:
    """Work on a lane: the sum over its rows of the loss's Hessian times a vector."""

    probabilities: Probabilities
    vector: np.ndarray

    def __call__(self, lane: Lane) -> tuple[np.ndarray]:
        """Return the product, an ndarray of shape (n_params,)."""
        model = self.probabilities.model
        out = np.zeros(model.n_params)
        for block in lane:
            q = self.probabilities.of(block)
            d = model.logits(self.vector, block.X)
            d *= q
            d -= q * d.sum(axis=0)
            d *= block.targets.mass.astype(d.dtype, copy=False)
            model.pullback(self.vector, block.X, d, out=out)
        return (out,)


@dataclass(frozen=True, eq=False)
class InterceptBlock:
    """Work on a lane: the second derivative of its loss along shifts of all logits."""

    probabilities: Probabilities

    def __call__(self, lane: Lane) -> tuple[np.ndarray]:
        """Return an ndarray of shape (n_logits, n_logits)."""
        n_logits = self.probabilities.model.n_logits
        out = np.zeros((n_logits, n_logits))
        for block in lane:
            q = self.probabilities.of(block)
            weighted = q * block.targets.mass
            out[np.diag_indices(n_logits)] += weighted.sum(axis=1)
            out -= weighted @ q.T
        return (out,)


def _excess(z: np.ndarray, strengths: np.ndarray) -> float:
    """Return ``sum_ik t_ik (logsumexp(z_i) - z_ik)``, of which no term is negative.

    Parameters
    ----------
    z : ndarray of shape (n_logits, n_rows)
        Not changed.
    strengths : ndarray of shape (n_classes, n_rows)
    """
    if len(z) == 1:
        log_total = np.log1p(np.exp(-np.abs(z[0])))
        below = np.maximum(z[0], 0) + log_total, np.maximum(-z[0], 0) + log_total
        return float(strengths[0] @ below[0] + strengths[1] @ below[1])
    below = z.max(axis=0) - z
    below += np.log(np.exp(-below).sum(axis=0))
    return float(np.vdot(strengths, below))


def _loss_and_expected(z: np.ndarray, mass: np.ndarray) -> tuple[float, np.ndarray]:
    """Return ``sum_i mass_i logsumexp(z_i)`` and its gradient, the expected strengths.

    Parameters
    ----------
    z : ndarray of shape (n_logits, n_rows)
        Logits, class-major: every step is a contiguous vector operation over rows. They are
        overwritten.
    mass : ndarray of shape (n_rows,)

    Returns
    -------
    loss : float
    expected : ndarray of shape (n_logits, n_rows)
        ``mass_i softmax(z_i)``, in the memory of z.
    """
    if len(z) == 1:
        return _binary_loss_and_expected(z, mass)
    top = z.max(axis=0)
    z -= top
    np.exp(z, out=z)
    total = z.sum(axis=0)
    z *= np.divide(mass, total, dtype=z.dtype, casting="same_kind")
    log_total = np.log(total, out=total)
    log_total += top
    return float(mass @ log_total), z


def _binary_loss_and_expected(z: np.ndarray, mass: np.ndarray) -> tuple[float, np.ndarray]:
    """Return ``sum_i mass_i log(1 + exp(z_i))`` and ``mass_i / (1 + exp(-z_i))``."""
    small = np.exp(-np.abs(z[0]))
    loss = float(mass @ (np.maximum(z[0], 0) + np.log1p(small)))
    np.divide(mass * np.where(z[0] > 0, 1, small), 1 + small, out=z[0], casting="same_kind")
    return loss, z
