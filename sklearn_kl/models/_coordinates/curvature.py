"""The curvature of the linear model, used when an L1 penalty rules out whitening."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

# With the correlations of the features an iteration gains far more, but takes up to 150 products
# with them. From this many rows per feature it pays: at 100 (20,000 x 200, 5 classes, correlation
# 0.9) a fit took a quarter to a tenth of the time, at 1 (2,000 x 2,000) about 20 times as long.
ROWS_PER_FEATURE = 8


@dataclass(frozen=True, eq=False)
class SoftmaxMetric:
    """Approximate Hessian ``(diag(pi) - pi pi') (x) Cov(X) + l2 I``, in scaled coordinates.

    pi are the shares of the classes; it is the Hessian itself where all weights are zero. To shift
    the weights of a feature by the same amount in all classes changes no probability, and along
    that direction the metric has the curvature of the penalty alone. The lasso has a kink there,
    and with the identity in place of ``diag(pi) - pi pi'`` fits took up to 17 times as many
    evaluations.

    Parameters
    ----------
    whitening : Whitening
        Without a factor: the coordinates of the weights are v = D w.
    correlation : ndarray of shape (n_features, n_features) or None
        h times the covariance, divided by D on both sides; None takes its diagonal alone.
    variance : ndarray of shape (n_features,)
        The diagonal of that matrix.
    shares : ndarray of shape (n_classes,)
        pi, positive.
    penalty : Penalty
    """

    whitening: Any
    correlation: np.ndarray | None
    variance: np.ndarray
    shares: np.ndarray
    penalty: Any

    @cached_property
    def classes(self):
        """Hessian with respect to the intercepts, over h: shape (n_logits, n_logits)."""
        pi = self.shares[-self.whitening.model.n_logits :]
        return (np.diag(pi) - np.outer(pi, pi)) / self.whitening.intercept_scale**2

    @cached_property
    def ridge(self):
        """Curvature of the penalty along the weights' coordinates: (n_features, n_logits)."""
        model = self.whitening.model
        along_theta = model.split(self.penalty.curvature(model.n_params))[0]
        return along_theta / self.whitening.diagonal[:, None] ** 2

    def product(self, v):
        """Return the metric times a vector of coordinates."""
        weights, intercept = self.whitening.model.split(v)
        mixed = weights @ self.classes
        if self.correlation is None:
            mixed *= self.variance[:, None]
        else:
            mixed = self.correlation @ mixed
        mixed += self.ridge * weights
        if intercept is not None:
            intercept = self.classes @ intercept
        return self.whitening.model.join(mixed, intercept)

    def restricted(self, index):
        """Return the metric of vectors that hold the entries of an index only, all others zero.

        Parameters
        ----------
        index : ndarray of int
            Into v, sorted.

        Returns
        -------
        RestrictedSoftmaxMetric
        """
        return RestrictedSoftmaxMetric(self, index)


class RestrictedSoftmaxMetric:
    """A SoftmaxMetric on some of the coordinates, at the cost of these.

    Parameters
    ----------
    metric : SoftmaxMetric
    index : ndarray of int
        Into v, sorted.
    """

    def __init__(self, metric, index):
        model, diagonal = metric.whitening.model, metric.whitening.diagonal
        self._n_logits, self._classes, self._penalty = (
            model.n_logits,
            metric.classes,
            metric.penalty,
        )
        self._n_weights = np.searchsorted(index, model.n_features * model.n_logits)
        feature, logit = np.divmod(index[: self._n_weights], model.n_logits)
        rows, row = np.unique(feature, return_inverse=True)
        self._position = row * model.n_logits + logit
        self._correlation = metric.correlation
        if self._correlation is not None:
            self._correlation = self._correlation[np.ix_(rows, rows)]
        self._variance, self._ridge = metric.variance[rows, None], metric.ridge[rows]
        logit = index[self._n_weights :] - model.n_features * model.n_logits
        self._intercepts = self._classes[np.ix_(logit, logit)]
        self._scale = diagonal[rows, None]
        count = np.bincount(row, minlength=len(rows))
        self._whole = (count == model.n_logits) & np.isfinite(diagonal[rows])
        # Places in theta of the weights of the features that are whole.
        self._places = rows[self._whole, None] * model.n_logits + np.arange(model.n_logits)

    def product(self, d):
        """Return the metric times d, at the entries of the index."""
        weights = self._scatter(d)
        mixed = weights @ self._classes
        if self._correlation is None:
            mixed *= self._variance
        else:
            mixed = self._correlation @ mixed
        mixed += self._ridge * weights
        intercept = self._intercepts @ d[self._n_weights :]
        return np.concatenate([mixed.ravel()[self._position], intercept])

    def recentre(self, x):
        """Shift the weights of a feature alike in all classes to where the penalty is least.

        It leaves alone a feature of which not all classes are in the index.
        """
        if self._n_logits == 1 or not self._whole.any():
            return x
        weights, scale = self._scatter(x), self._scale[self._whole]
        centred = self._penalty.centre(weights[self._whole] / scale, self._places)
        weights[self._whole] = scale * centred
        return np.concatenate([weights.ravel()[self._position], x[self._n_weights :]])

    def _scatter(self, d):
        weights = np.zeros((len(self._ridge), self._n_logits))
        weights.ravel()[self._position] = d[: self._n_weights]
        return weights
