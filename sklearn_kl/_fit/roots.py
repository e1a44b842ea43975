"""Square roots of the Hessian: rows A with ``Hessian = A'A``, in features that are centred anew.

With the probabilities q_i of theta, masses m_i, M = sum_i m_i and s_i = m_i sum_k q_ik (1 - q_ik):

    mu_j = sum_i s_i x_ij / sum_i s_i,     D_j = sum_i s_i |x_ij| / sum_i s_i
    z_i  = (x_i - mu) / D, and a one where there is an intercept

A row that is sure of its class, as one that holds an outlier often is, has q_i (1 - q_i) = 0 and
drops out of mean, unit and Hessian, however large it is. Rows of A are, for the linear model,

    sqrt(m_i q_ik / M) (e_k - q_i) (x) z_i                      since sum_k q_k (e_k - q)(e_k - q)'
                                                                = diag(q) - q q'
    sqrt(m_i q_i (1 - q_i) / M) z_i                             for two classes
    sqrt(alpha) / D_j  at weight j                              of the penalty

and for cumulative logits a_ik = t_k - w'x_i, in w and the thresholds t, where the loss is convex,

    sqrt((t_ik + t_i,k+1) / M sigmoid(a_ik) sigmoid(-a_ik))     at the threshold k, times -z_i at w
    sqrt(T_k / M exp(-d_k)) / (1 - exp(-d_k))                   at two thresholds d_k apart

with T_k the mass of the class between them; theta has log d_k, so what stands at d_k is multiplied
by d_k. To work on A instead of A'A keeps what small rows say
beside those that are larger by 1e12.
"""

from functools import cached_property

import numpy as np
import scipy.sparse as sp
from scipy.special import expit

from sklearn_kl._data.products import class_major_product
from sklearn_kl.models._coordinates.whitening import Whitening

# In units of a column's size.
CONSTANT = 8 * np.finfo(np.float64).eps
# Units above which differences of features may overflow, and those below which, relative to the
# root of the penalty, its rows may.
LARGE, TINY = 1e300, 1e-100


class LinearRoots:
    """Rows of the Hessian's square root, of a LinearSoftmax.

    Parameters
    ----------
    objective : Objective
    theta : ndarray of shape (n_params,)
    """

    def __init__(self, objective, theta):
        self._objective, self._theta = objective, theta
        self._model = objective.model
        self._n_terms = self._model.n_params // self._model.n_logits
        self._ridge = objective.penalty.curvature(self._model.n_params)

    @cached_property
    def frame(self):
        """Preconditioner that centres and scales the features by the rows that can still change."""
        mean, unit = _centre(
            self._objective, self._spread, self._model.fit_intercept, self._model.n_logits
        )
        return Whitening(self._model, unit, None, mean, 1.0)

    @property
    def fixed(self):
        """Parameters that stay where they are: weights of constant features, by an intercept."""
        constant = self._objective.constant_features & self._model.fit_intercept
        constant = np.repeat(constant, self._model.n_logits)
        return np.pad(constant, (0, self._model.n_params - len(constant)))

    def rows(self, block):
        """Rows of A for a block of rows of X: shape (any, n_params)."""
        q, rest = self._probabilities(block)
        share = self._share(block)
        design = _design(block.X, self.frame.mean, self.frame.diagonal, share * (q * rest).sum(0))
        if self._model.fit_intercept:
            design = np.column_stack([design, np.ones(len(design))])
        if len(q) == 1:
            return np.sqrt(share * q[0] * rest[0])[:, None] * design
        roots = np.repeat(-q.T[:, None, :], len(q), axis=1)
        roots[:, range(len(q)), range(len(q))] = rest.T
        roots *= np.sqrt(share * q).T[:, :, None]
        rows = roots[:, :, None, :] * design[:, None, :, None]
        return rows.reshape(-1, self._model.n_params)

    def constant_rows(self):
        """Rows of A for the penalty."""
        unit = np.ones((self._n_terms, self._model.n_logits))
        unit[: self._model.n_features] = self.frame.diagonal[:, None]
        return _penalty_rows(self._ridge, unit.ravel())

    def symmetry(self):
        """Directions along which the loss does not change: shape (any, n_params)."""
        n_logits = self._model.n_logits
        ridge = self._ridge.reshape(self._n_terms, n_logits)
        # A penalty that differs between classes makes the matrix regular by itself.
        free = np.ptp(ridge, axis=1) == 0
        if n_logits == 1:
            free[:] = False
        return np.repeat(np.eye(self._n_terms)[free], n_logits, axis=1)

    def move(self, step, length):
        """Return theta after so many times a step."""
        return self._theta + length * step

    def reach(self, block, step):
        """Largest change that a step makes to the logits of every row, relative to each other.

        A class without mass can only lose its probability, exponentially: along that way twice
        the half of the squared decrement is exact, however far it goes.
        """
        present = self._objective.totals.class_mass > 0
        if not present.all() and len(present) == 2:
            return np.zeros(block.stored.shape[0])
        change = self._model.logits(step, block.X)
        return np.abs(change[0]) if len(change) == 1 else np.ptp(change[present], axis=0)

    def constant_reach(self, step):
        """Largest relative change that a step makes to what no row of X takes part in."""
        return 0.0

    def _share(self, block):
        return block.targets.mass / self._objective.totals.mass

    def _spread(self, block):
        q, rest = self._probabilities(block)
        return self._share(block) * (q * rest).sum(axis=0)

    def _probabilities(self, block):
        """Return the probabilities and what they lack of one, exact also where that is little."""
        z = self._model.logits(self._theta, block.X).astype(np.float64, copy=False)
        if len(z) == 1:
            return expit(z), expit(-z)
        z -= z.max(axis=0)
        np.exp(z, out=z)
        z /= z.sum(axis=0)
        top, every = z.argmax(axis=0), np.arange(z.shape[1])
        others = z.copy()
        others[top, every] = 0.0
        rest = 1.0 - z
        rest[top, every] = others.sum(axis=0)
        return z, rest


class OrdinalFrame:
    """Preconditioner: centred and scaled features beside the thresholds of an OrdinalSoftmax.

    Parameters
    ----------
    model : OrdinalSoftmax
    mean, unit : ndarray of shape (n_features,)
    """

    def __init__(self, model, mean, unit):
        self._model, self.mean, self.unit = model, mean, unit

    def to_theta(self, v):
        """Return theta for the coordinates v."""
        coef, first, steps = self._model.split(v)
        coef = coef / self.unit
        return np.concatenate([coef, first + self.mean @ coef, steps])

    def pull_gradient(self, gradient):
        """Return the gradient with respect to v, given the one with respect to theta."""
        coef, first, steps = self._model.split(gradient)
        return np.concatenate([(coef + self.mean * first) / self.unit, first, steps])


class OrdinalRoots:
    """Rows of the Hessian's square root, of an OrdinalSoftmax.

    Parameters
    ----------
    objective : Objective
    theta : ndarray of shape (n_params,)
    """

    def __init__(self, objective, theta):
        self._objective, self._model, self._theta = objective, objective.model, theta
        self._coef, self._thresholds, self._width = self._model.cumulative(theta)

    @cached_property
    def frame(self):
        """OrdinalFrame that centres and scales the features by the rows that can change."""
        mean, unit = _centre(self._objective, lambda block: self._weights(block).sum(0), True, 1)
        return OrdinalFrame(self._model, mean, unit)

    @property
    def fixed(self):
        """Parameters that stay where they are: weights of constant features."""
        constant = self._objective.constant_features
        return np.pad(constant, (0, self._model.n_params - len(constant)))

    def rows(self, block):
        """Rows of A for a block of rows of X: shape (any, n_params)."""
        weights = self._weights(block)
        design = _design(block.X, self.frame.mean, self.frame.unit, weights.sum(0))
        rows = np.zeros((*weights.shape, self._model.n_params))
        at_coef, at_first, at_steps = self._model.split(np.arange(self._model.n_params))
        rows[:, :, at_coef] = -design
        rows[:, :, at_first] = 1.0
        # A threshold moves with all steps below it.
        rows[:, :, at_steps] = np.tri(len(weights), len(at_steps), -1)[:, None] * self._width
        rows *= np.sqrt(weights)[:, :, None]
        return rows.reshape(-1, self._model.n_params)

    def constant_rows(self):
        """Rows of A for the penalty and for the classes between two thresholds."""
        width = np.maximum(self._width, np.finfo(np.float64).tiny)
        roots = width * np.sqrt(self._inner_share * np.exp(-width)) / -np.expm1(-width)
        between = np.zeros((len(roots), self._model.n_params))
        between[np.arange(len(roots)), self._model.split(np.arange(self._model.n_params))[2]] = (
            roots
        )
        unit = np.ones(self._model.n_params)
        unit[: self._model.n_features] = self.frame.unit
        ridge = self._objective.penalty.curvature(self._model.n_params)
        return np.vstack([_penalty_rows(ridge, unit), between])

    def symmetry(self):
        """Directions along which the loss does not change: none."""
        return np.zeros((0, self._model.n_params))

    def move(self, step, length):
        """Return theta after so many times a step, which is straight for thresholds that part.

        Those that approach each other do so by a factor, and never meet.
        """
        moved = length * step
        steps = self._model.split(moved)[2]
        steps[:] = np.where(steps > 0, np.log1p(np.maximum(steps, 0.0)), steps)
        return self._theta + moved

    def reach(self, block, step):
        """Largest change that a step makes to the cumulative logits of every row."""
        coef, thresholds = self._changes(step)
        change = class_major_product(block.X, coef[:, None])[0]
        return np.maximum(np.abs(thresholds.max() - change), np.abs(thresholds.min() - change))

    def constant_reach(self, step):
        """Largest relative change that a step makes to the distance of two thresholds."""
        steps = np.abs(self._model.split(step)[2])
        return float(steps[self._inner_share > 0].max(initial=0.0))

    @cached_property
    def _inner_share(self):
        mass = self._objective.totals.class_mass[1:-1]
        return mass[: len(self._width)] / self._objective.totals.mass

    def _changes(self, step):
        coef, first, steps = self._model.split(step)
        return coef, np.cumsum(np.concatenate([first, steps * self._width]))

    def _weights(self, block):
        """Curvature along every cumulative logit: shape (n_thresholds, n_rows)."""
        strengths = block.targets.strengths() / self._objective.totals.mass
        position = class_major_product(block.X, self._coef[:, None])[0]
        cumulative = self._thresholds[:, None] - position
        return (strengths[:-1] + strengths[1:]) * expit(cumulative) * expit(-cumulative)


def all_blocks(lanes):
    """Return the blocks of rows in memory, in the order of the rows."""
    return [block for lane in lanes.lanes for block in lane]


def _centre(objective, spread, centred, n_columns):
    """Return mean and size of the features over rows that weigh ``spread(block)``."""
    total, n_features = 0.0, objective.model.n_features
    first, size = np.zeros(n_features), np.zeros(n_features)
    for block in all_blocks(objective.lanes):
        weight = spread(block)
        total += weight.sum()
        # In one order, since the last digits of a product with a vector depend on it.
        X = _canonical(block.X) if sp.issparse(block.X) else np.ascontiguousarray(block.X)
        first += X.T @ weight
        size += abs(X).T @ weight
    mean = first / total if centred and total > 0 else np.zeros(n_features)
    unit = np.where(size > 0, size / (total or 1.0), 1.0)
    # Of columns so small that the penalty leaves them no weight, its own unit: no row overflows.
    penalty = objective.penalty.curvature(objective.model.n_params)[: n_features * n_columns]
    floor = TINY * np.sqrt(penalty.reshape(n_features, -1).max(axis=1))
    return mean, np.maximum(unit, floor)


def _canonical(X):
    """Return the matrix with sorted and distinct entries, which SciPy else makes of it in place."""
    if X.has_canonical_format:
        return X
    X = X.copy()
    X.sum_duplicates()
    return X


def _design(X, mean, unit, weight):
    """Centred and scaled features, zero in rows without weight, however large these are."""
    moving = weight > 0
    design = np.zeros(X.shape)
    part = X[moving]
    # A quarter of numbers near the largest, whose differences overflow.
    shrink = 0.25 if unit.max(initial=0.0) > LARGE else 1.0
    design[moving] = (part.toarray() if sp.issparse(part) else part) * shrink - mean * shrink
    design /= unit * shrink
    # What a constant column leaves is rounding.
    design[np.abs(design) < CONSTANT] = 0.0
    return design


def _penalty_rows(curvature, unit):
    """Rows of A for a penalty with this curvature along every parameter, the weights first."""
    penalised = np.flatnonzero(curvature)
    rows = np.zeros((len(penalised), len(curvature)))
    rows[np.arange(len(penalised)), penalised] = np.sqrt(curvature[penalised]) / unit[penalised]
    return rows
