"""Whitening: coordinates in which the mean cross-entropy of a linear model is nearly round."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.linalg

from sklearn_kl.models._base import Preconditioner, positive_shares
from sklearn_kl.models._coordinates.curvature import ROWS_PER_FEATURE, SoftmaxMetric

# Added to the diagonal of the correlation matrix, so that collinear columns have a factor: the
# first that succeeds. Rounding in float32 calls for the larger ones.
RIDGES = (1e-8, 1e-5, 1e-2)


@dataclass(frozen=True, eq=False)
class Whitening(Preconditioner):
    """The change of coordinates ``W = D^-1 L^-T V``, ``b = c / s - W' mean``.

    The Hessian of the mean cross-entropy of a softmax is at most
    ``1/2 (I - 11'/K) (x) Cov(X)`` (Boehning 1992); with typical class probabilities it is about
    ``h Cov(X)`` for every class. With ``A = h Cov(X) + penalty = D L L' D``, where D holds the
    square roots of the diagonal of A, the Hessian with respect to V is about the identity. D
    apart from L keeps features of any unit within the range of floats. Subtracting the mean
    decouples the intercept without touching X.

    Parameters
    ----------
    model : LinearSoftmax
        Knows how theta splits into W and b.
    diagonal : ndarray of shape (n_features,)
        D.
    factor : ndarray of shape (n_features, n_features) or None
        Lower triangular L; None stands for the identity.
    mean : ndarray of shape (n_features,)
        Zero for a model without an intercept.
    intercept_scale : float
        s, the square root of h.
    metric : SoftmaxMetric or None
        Curvature in these coordinates, where an L1 penalty forbids to whiten it away.

    References
    ----------
    Boehning, D. (1992). Multinomial logistic regression algorithm. Annals of the Institute of
    Statistical Mathematics, 44, 197-200. :doi:`10.1007/BF00048682`
    """

    model: Any
    diagonal: np.ndarray
    factor: np.ndarray | None
    mean: np.ndarray
    intercept_scale: float
    metric: SoftmaxMetric | None = None

    def to_theta(self, v):
        """Return theta for the coordinates v."""
        weights, centre = self.model.split(v)
        weights = self._solve(weights, transposed=1) / self.diagonal[:, None]
        if centre is None:
            return weights.ravel()
        return self.model.join(weights, centre / self.intercept_scale - self.mean @ weights)

    def from_theta(self, theta):
        """Return the coordinates of theta."""
        weights, intercept = self.model.split(theta)
        v = weights * np.where(np.isfinite(self.diagonal), self.diagonal, 0.0)[:, None]
        v = v if self.factor is None else self.factor.T @ v
        if intercept is None:
            return v.ravel()
        return self.model.join(v, (intercept + self.mean @ weights) * self.intercept_scale)

    def pull_gradient(self, gradient):
        """Return the gradient with respect to v, given the one with respect to theta."""
        weights, intercept = self.model.split(gradient)
        if intercept is None:
            return self._solve(weights / self.diagonal[:, None]).ravel()
        centred = weights - np.outer(self.mean, intercept)
        return self.model.join(
            self._solve(centred / self.diagonal[:, None]), intercept / self.intercept_scale
        )

    def _solve(self, columns, transposed=0):
        if self.factor is None:
            return columns
        # BLAS itself: the checks of scipy.linalg.solve_triangular cost more than a small solve.
        return scipy.linalg.blas.dtrsm(1.0, self.factor, columns, lower=1, trans_a=transposed)


def logit_curvature(moments, n_logits):
    """Return h, the curvature of the mean cross-entropy along a logit at the class shares."""
    share = moments.class_share
    spread = 1.0 - share @ share
    return max(spread / 2 if n_logits == 1 else spread / len(share), 1e-6)


def factorise_curvature(moments, curvature, ridge, *, mixing, constant, ridges=RIDGES):
    """Factorise ``curvature * Cov(X) + diag(ridge)`` as ``D L L' D``.

    Parameters
    ----------
    moments : Moments
    curvature : float
        Of the mean cross-entropy along what the features are multiplied to.
    ridge : ndarray of shape (n_features,)
        Curvature of the penalty.
    mixing : bool
        Whether a coordinate may mix features.
    constant : float
        D of a column without variance; infinite keeps its weight at zero.
    ridges : tuple of float
        Added to the diagonal of the correlations: the first that succeeds.

    Returns
    -------
    diagonal : ndarray of shape (n_features,)
        D.
    part : ndarray of shape (n_features,)
        Share of the data in D.
    factor : ndarray of shape (n_features, n_features) or None
        Lower triangular L; None, the identity, where correlations are not known, or features must
        not mix.
    """
    data = np.sqrt(curvature) * moments.deviation
    diagonal = np.hypot(data, np.sqrt(ridge))
    diagonal[moments.deviation == 0] = constant
    part = data / diagonal
    factor = None
    if moments.correlation is not None and mixing:
        factor = _factorise(moments.correlation * part * part[:, None], ridges)
    return diagonal, part, factor


def whiten(model, moments, penalty):
    """Whitening of a linear model.

    Parameters
    ----------
    model : LinearSoftmax
    moments : Moments
    penalty : Penalty
        Its curvature adds to that of the data. Where it has an L1 part, features are scaled but
        not mixed, so that a weight of zero is a coordinate of zero.

    Returns
    -------
    Whitening
    """
    h = logit_curvature(moments, model.n_logits)
    # The intercept does all that a constant column could: its weight stays zero.
    constant = np.inf if model.fit_intercept else 1.0
    # Where the penalty differs from class to class, a feature has one coordinate scale still.
    ridge = model.split(penalty.curvature(model.n_params))[0].max(axis=1)
    diagonal, part, factor = factorise_curvature(
        moments, h, ridge, mixing=penalty.smooth, constant=constant
    )
    mean = moments.mean if model.fit_intercept else np.zeros(model.n_features)
    whitening = Whitening(model, diagonal, factor, mean, np.sqrt(h))
    if penalty.smooth:
        return whitening
    return replace(whitening, metric=_metric(whitening, moments, part, penalty))


def _metric(whitening, moments, part, penalty):
    """Return the SoftmaxMetric; part is the share of the data in D, by feature."""
    correlation = None
    if moments.correlation is not None and moments.n_rows >= ROWS_PER_FEATURE * len(part):
        lower = np.tril(moments.correlation, -1)
        correlation = (lower + lower.T) * part * part[:, None]
        np.fill_diagonal(correlation, part**2)
    # A class without mass would have no curvature at all.
    share = positive_shares(moments.class_mass)
    return SoftmaxMetric(whitening, correlation, part**2, share / share.sum(), penalty)


def _factorise(matrix, ridges):
    """Cholesky factor of a symmetric matrix with unit diagonal, or None if there is none.

    Only the lower triangle is read.
    """
    for ridge in ridges:
        np.fill_diagonal(matrix, 1.0 + ridge)
        try:
            return scipy.linalg.cholesky(matrix, lower=True, check_finite=False)
        except scipy.linalg.LinAlgError:
            continue
    return None
