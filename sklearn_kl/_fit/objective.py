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

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from sklearn_kl._data.lanes import Lanes
from sklearn_kl._data.targets import Targets
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
    targets : Targets
    lanes : Lanes
        The rows of X.
    statistic : ndarray of shape (n_params,) or None
        T where the logits are linear in theta.
    mean : ndarray of shape (n_features,) or None
        Mean of the features, rows weighing their mass, where the model is linear: it saves the
        pass over X at weights of zero, where most fits start.
    """

    model: ParametricModel
    penalty: Penalty
    targets: Targets
    lanes: Lanes
    statistic: np.ndarray | None = None
    mean: Any = None

    @property
    def convex(self):
        """Whether every stationary point is a minimum, so that gradients tell how far it is."""
        return self.model.convex

    @property
    def exact_hessian(self):
        """Whether products with the Hessian cost no more than an evaluation, and are exact."""
        return self.model.linear_in_theta

    @property
    def lower_bound(self):
        """Entropy of the targets, nats: no theta has a lower value."""
        return self.targets.entropy()

    @property
    def thresholds(self):
        """Strength of the L1 penalty along every parameter, or None where there is none."""
        return self.penalty.thresholds(self.model.n_params)

    @cached_property
    def total_mass(self):
        """M, by which sums over rows are divided."""
        return self.targets.mass.sum()

    def cross_entropy(self, theta):
        """Mean cross-entropy of the targets under q_theta, in nats."""
        return self._mean_loss_and_gradient(theta)[0]

    def value_and_gradient(self, theta):
        """Return f(theta), a float in nats, and its gradient, an ndarray of shape (n_params,)."""
        value, gradient = self._mean_loss_and_gradient(theta)
        self.penalty.add_gradient(theta, out=gradient)
        return value + self.penalty.value(theta), gradient

    def hessian(self, theta):
        """Return the function ``v -> Hessian(theta) @ v``.

        It is exact for logits linear in theta, and a difference of gradients otherwise.
        """
        if self.model.linear_in_theta:
            return Hessian.at(self, theta)
        return partial(self._difference_product, theta)

    def _difference_product(self, theta, vector):
        """Central difference of gradients: what rounding and curvature spoil is balanced."""
        precision = np.finfo(next(self.lanes.blocks).X.dtype).eps
        length = np.linalg.norm(vector)
        if length == 0:
            return np.zeros_like(vector)
        step = precision ** (1 / 3) * max(1.0, np.linalg.norm(theta)) / length
        _, ahead = self.value_and_gradient(theta + step * vector)
        _, behind = self.value_and_gradient(theta - step * vector)
        return (ahead - behind) / (2 * step)

    def _mean_loss_and_gradient(self, theta):
        known = self.statistic is not None and self.mean is not None
        if known and not theta[self.model.penalised].any():
            loss, gradient = self._loss_and_gradient_at_mean(theta)
        else:
            loss, gradient = self.lanes.sum(partial(self._lane_loss_and_gradient, theta))
        if self.statistic is not None:
            # The logits were computed from theta rounded to the dtype of X; so is this term.
            dtype = next(self.lanes.blocks).X.dtype
            loss -= self.statistic @ theta.astype(dtype, copy=False)
            gradient -= self.statistic
        gradient /= self.total_mass
        return float(loss / self.total_mass), gradient

    def _lane_loss_and_gradient(self, theta, lane):
        loss, gradient = 0.0, np.zeros(self.model.n_params)
        for block in lane:
            z, pull = self.model.vjp(theta, block.X)
            if self.statistic is None:
                strength = self._strength(block.rows)
                loss -= np.vdot(strength, z)
            loss += _loss_and_masses(z, self.targets.mass[block.rows])
            if self.statistic is None:
                z -= strength
            pull(z, gradient)
        return loss, gradient

    def _loss_and_gradient_at_mean(self, theta):
        """Sum over rows when all weights are zero: as if the mean row carried all the mass."""
        mean_row = np.reshape(self.mean, (1, -1))
        z = self.model.logits(theta, mean_row)
        loss = _loss_and_masses(z, np.array([self.total_mass]))
        gradient = np.zeros(self.model.n_params)
        self.model.pullback(theta, mean_row, z, out=gradient)
        return loss, gradient

    def _strength(self, rows):
        """Strengths that match the logits: those of the second class if there is one logit."""
        return self.targets.block(rows)[self.targets.n_classes - self.model.n_logits :]


@dataclass(frozen=True, eq=False)
class Hessian:
    """Hessian of the objective at one theta: ``sum_i J_i' (m_i/M (diag(q_i) - q_i q_i')) J_i``.

    For logits linear in theta, where J_i does not depend on it.

    Parameters
    ----------
    objective : Objective
    theta : ndarray of shape (n_params,)
    kept : dict or None
        Probabilities of every block by its first row, so that a product costs the two passes over
        X that it needs and no exponential; None where they would take too much memory.
    """

    objective: Objective
    theta: np.ndarray
    kept: dict | None

    @classmethod
    def at(cls, objective, theta):
        """Hessian at theta, probabilities kept if they take at most KEPT_BYTES."""
        hessian = cls(objective, theta, None)
        lanes = objective.lanes
        itemsize = next(lanes.blocks).X.dtype.itemsize
        if itemsize * objective.model.n_logits * objective.targets.n_samples > KEPT_BYTES:
            return hessian
        lists = lanes.run(hessian._lane_probabilities, lanes.lanes)
        probabilities = [q for lane in lists for q in lane]
        starts = [block.rows.start for block in lanes.blocks]
        return cls(objective, theta, dict(zip(starts, probabilities, strict=True)))

    def __call__(self, vector):
        """Return ``Hessian @ vector``, an ndarray of shape (n_params,)."""
        out = self.loss_product(vector)
        self.objective.penalty.add_hessian_product(vector, out=out)
        return out

    def loss_product(self, vector):
        """Return the Hessian of the cross-entropy alone times a vector."""
        (out,) = self.objective.lanes.sum(partial(self._lane_product, vector))
        return out / self.objective.total_mass

    def intercept_block(self):
        """Second derivative with respect to a shift of all logits: shape (n_logits, n_logits)."""
        (block,) = self.objective.lanes.sum(self._lane_intercept_block)
        return block / self.objective.total_mass

    def _lane_probabilities(self, lane):
        return [self._probabilities(block) for block in lane]

    def _lane_product(self, vector, lane):
        model = self.objective.model
        out = np.zeros(model.n_params)
        for block in lane:
            q = self._probabilities(block)
            d = model.logits(vector, block.X)
            d *= q
            d -= q * d.sum(axis=0)
            d *= self.objective.targets.mass[block.rows].astype(d.dtype, copy=False)
            model.pullback(vector, block.X, d, out=out)
        return (out,)

    def _lane_intercept_block(self, lane):
        n_logits = self.objective.model.n_logits
        out = np.zeros((n_logits, n_logits))
        for block in lane:
            q = self._probabilities(block)
            weighted = q * self.objective.targets.mass[block.rows]
            out[np.diag_indices(n_logits)] += weighted.sum(axis=1)
            out -= weighted @ q.T
        return (out,)

    def _probabilities(self, block):
        if self.kept is not None:
            return self.kept[block.rows.start]
        z = self.objective.model.logits(self.theta, block.X)
        _loss_and_masses(z, np.ones(z.shape[1]))
        return z


def _loss_and_masses(z, mass):
    """Return ``sum_i mass_i logsumexp(z_i)`` and turn z into ``mass * softmax(z)``, in place.

    Parameters
    ----------
    z : ndarray of shape (n_logits, n_rows)
        Logits, class-major: every step is a contiguous vector operation over rows.
    mass : ndarray of shape (n_rows,)

    Returns
    -------
    float
    """
    if len(z) == 1:
        return _binary_loss_and_masses(z[0], mass)
    top = z.max(axis=0)
    z -= top
    np.exp(z, out=z)
    total = z.sum(axis=0)
    z *= np.divide(mass, total, dtype=z.dtype, casting="same_kind")
    log_total = np.log(total, out=total)
    log_total += top
    return float(mass @ log_total)


def _binary_loss_and_masses(z, mass):
    """Return ``sum_i mass_i log(1 + exp(z_i))`` and turn z into ``mass / (1 + exp(-z))``."""
    small = np.exp(-np.abs(z))
    loss = float(mass @ (np.maximum(z, 0) + np.log1p(small)))
    np.divide(mass * np.where(z > 0, 1, small), 1 + small, out=z, casting="same_kind")
    return loss
