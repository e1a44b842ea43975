"""Coordinates in which the Hessian at one theta is the identity, and a step therefore Newton's.

With the rows A of `roots`, ``Hessian = A'A = S P R' R P' S``: S scales the columns of A to length
one, P permutes them, R is upper triangular. In the coordinates ``v = R P' S u``, u those of A, the
Hessian is the identity, the gradient g_v is minus Newton's step, and ``||g_v||^2 / 2`` is what a
quadratic has left to lose: half of the squared Newton decrement.

R comes from a Cholesky factorisation of A'A where that loses nothing, and otherwise from a QR
factorisation with the columns pivoted and the rows sorted by size, which is stable row by row
(Cox and Higham 1998): one row of 1e12 leaves the others their digits.

A quadratic is a good model of f as far as no row's logits change by much more than one. The loss is
self-concordant in the generalised sense of Bach (2010): along a step that changes no row's logits
by more than rho relative to each other, its third derivative is at most rho times its second.
`reach` is that rho, over the rows that a step could not do without: to leave a row out of the
Hessian takes no more than the share of its leverage from it along any direction.

References
----------
Bach, F. (2010). Self-concordant analysis for logistic regression. Electronic Journal of Statistics,
4, 384-414.

Cox, A. J. and Higham, N. J. (1998). Stability of Householder QR factorization for weighted least
squares problems. Numerical Analysis 1997, Pitman Research Notes 380, 57-73.
"""

import numpy as np
import scipy.linalg

from sklearn_kl._data.lanes import Block
from sklearn_kl._data.rows import view_rows
from sklearn_kl._fit.roots import CONSTANT, LinearRoots, OrdinalRoots, all_blocks
from sklearn_kl.models import LinearSoftmax, OrdinalSoftmax

ROOTS: dict[type, type[LinearRoots | OrdinalRoots]] = {
    LinearSoftmax: LinearRoots,
    OrdinalSoftmax: OrdinalRoots,
}
# Rows times squared parameters up to which the matrix takes a few milliseconds.
FEW_MULTIPLICATIONS = 10**7
# The smallest pivot, of a matrix with a unit diagonal, that Cholesky's method is trusted with.
SMALLEST_PIVOT = 1e-4
# Below this share of its length a column is a combination of those before it, but for rounding.
FLAT = 1e-15
# Rows whose logits a step changes by less than this are no matter.
NEAR = 0.1
# Nor are those with a smaller leverage; of those that change most, so many are looked at.
MIN_LEVERAGE = 1e-3
MAX_ROWS = 100


class Curvature:
    """The Hessian at one theta, as a change of coordinates that makes it the identity.

    Parameters
    ----------
    objective : Objective
        Of a model in ROOTS.
    theta : ndarray of shape (n_params,)
    """

    def __init__(self, objective, theta):
        self._objective = objective
        self._roots = ROOTS[type(objective.model)](objective, theta)
        parts = [self._roots.rows(block) for block in all_blocks(objective.lanes)]
        rows = np.vstack([*parts, self._roots.constant_rows()])
        length = np.sqrt(np.einsum("ij,ij->j", rows, rows))
        # A penalty in the units of a column may leave nothing but rounding.
        self._moving = (length > CONSTANT) & ~self._roots.fixed
        rows[:, ~self._moving] = 0.0
        self._scale = np.where(self._moving, length, 1.0)
        rows /= self._scale
        free = self._roots.symmetry() / self._scale
        free /= np.linalg.norm(free, axis=1, keepdims=True)
        self._factor, self._pivots = _triangular(np.vstack([rows, free]))

    def to_theta(self, v):
        """Return the step of theta for one of v."""
        solved = scipy.linalg.solve_triangular(self._factor, v, check_finite=False)
        u = np.empty_like(solved)
        u[self._pivots] = solved
        u[~self._moving] = 0.0
        return self._roots.frame.to_theta(u / self._scale)

    def pull_gradient(self, gradient):
        """Return the gradient with respect to v, given the one with respect to theta."""
        pulled = self._roots.frame.pull_gradient(gradient) / self._scale
        return self._pull(np.where(self._moving, pulled, 0.0))

    def move(self, step, length):
        """Return theta after so many times a step."""
        return self._roots.move(step, length)

    def reach(self, step):
        """Largest change of a row's logits by a step of theta, over rows that matter."""
        blocks = all_blocks(self._objective.lanes)
        change = np.concatenate([self._roots.reach(block, step) for block in blocks])
        change[np.concatenate([block.targets.mass for block in blocks]) == 0] = 0.0
        constant = self._roots.constant_reach(step)
        order = np.argsort(-change)
        for row in order[:MAX_ROWS]:
            if change[row] <= max(NEAR, constant):
                break
            if self._leverage(row) > MIN_LEVERAGE:
                return float(change[row])
        else:
            row = order[-1] if len(order) <= MAX_ROWS else order[MAX_ROWS]
        return float(max(change[row], constant))

    def _pull(self, columns):
        return scipy.linalg.solve_triangular(
            self._factor, columns[self._pivots], trans=1, check_finite=False
        )

    def _leverage(self, row):
        """Share of the Hessian that comes from one row of X, along the direction of most."""
        for block in all_blocks(self._objective.lanes):
            if row < block.rows.stop:
                break
        here = slice(row - block.rows.start, row - block.rows.start + 1)
        stored, targets = view_rows(block.stored, here), block.targets.take(here)
        alone = Block(stored, targets, slice(row, row + 1), block.dtype)
        rows = self._roots.rows(alone)
        pulled = self._pull((rows / self._scale).T)
        return float((pulled * pulled).sum())


def is_cheap(objective):
    """Return whether there is a Curvature, and it takes a few milliseconds at most."""
    model = objective.model
    cost = objective.totals.n_samples * model.n_params**2
    return type(model) in ROOTS and cost <= FEW_MULTIPLICATIONS


def _triangular(rows):
    """Return R and pivots, ``rows[:, pivots]' rows[:, pivots] = R'R``; columns have length one."""
    n_params = rows.shape[1]
    factor, failed = scipy.linalg.lapack.dpotrf(rows.T @ rows, clean=1)
    if not failed and np.diagonal(factor).min() >= SMALLEST_PIVOT:
        return factor, np.arange(n_params)
    size = np.abs(rows).max(axis=1)
    rows = rows[np.argsort(-size)[: max(n_params, np.count_nonzero(size))]]
    factor, pivots = scipy.linalg.qr(rows, mode="r", pivoting=True, check_finite=False)
    factor = np.vstack([factor, np.zeros((n_params, n_params))])[:n_params]
    diagonal = np.diagonal(factor)
    # Along a direction without any curvature nothing moves far.
    factor[np.diag_indices(n_params)] = np.where(np.abs(diagonal) < FLAT, 1.0, diagonal)
    return factor, pivots
