"""The linear model: logits that are affine in the features."""

from dataclasses import dataclass

import numpy as np

from sklearn_kl.models._base import Prepared
from sklearn_kl.models._moments import collect_moments
from sklearn_kl.models._products import class_major_product, transposed_product
from sklearn_kl.models._whitening import whiten


@dataclass(frozen=True)
class LinearSoftmax:
    """Multinomial logistic regression: ``z = W' x + b``.

    theta holds W in C order, shape (n_features, n_logits), then b of shape (n_logits,) if there
    is an intercept. Feature-major, because a product with sparse X reads and writes whole rows
    of W, and BLAS transposes for free.

    Parameters
    ----------
    n_features : int
    n_logits : int
        Number of classes, or 1 for two classes.
    fit_intercept : bool, default=True
    """

    n_features: int
    n_logits: int
    fit_intercept: bool = True

    @property
    def n_penalised(self):
        """Number of weights; the intercept is not penalised."""
        return self.n_features * self.n_logits

    @property
    def n_params(self):
        """Number of weights and intercepts."""
        return self.n_penalised + self.n_logits * self.fit_intercept

    def split(self, theta):
        """View theta as weights (n_features, n_logits) and intercept (n_logits,) or None."""
        weights = theta[: self.n_penalised].reshape(self.n_features, self.n_logits)
        return weights, theta[self.n_penalised :] if self.fit_intercept else None

    def join(self, weights, intercept):
        """Inverse of split."""
        parts = [weights.ravel()] + ([intercept] if self.fit_intercept else [])
        return np.concatenate(parts)

    def initial(self, class_mass):
        """Weights zero, and the intercept that predicts the class shares.

        A class without mass starts at a share of 1e-8, since its best intercept is not finite.
        """
        theta = np.zeros(self.n_params)
        if self.fit_intercept:
            log_share = np.log(np.maximum(class_mass / class_mass.sum(), 1e-8))
            centred = log_share - log_share.mean()
            theta[self.n_penalised :] = (
                log_share[1] - log_share[0] if self.n_logits == 1 else centred
            )
        return theta

    def prepare(self, lanes, targets, penalty):
        """Collect the sufficient statistic and the whitening in one pass over X."""
        return self.prepare_from(
            collect_moments(lanes, targets, centred=self.fit_intercept), penalty
        )

    def prepare_from(self, moments, penalty):
        """Return what moments collected before say, for example for several penalties."""
        n_skipped = len(moments.class_mass) - self.n_logits
        intercept = moments.class_mass[n_skipped:] if self.fit_intercept else None
        statistic = self.join(moments.class_sums[:, n_skipped:], intercept)
        return Prepared(statistic, whiten(self, moments, penalty.curvature), moments.mean)

    def logits(self, theta, X):
        """Logits of the rows of X: ndarray of shape (n_logits, n_rows)."""
        weights, intercept = self.split(theta.astype(X.dtype, copy=False))
        z = class_major_product(X, weights)
        if intercept is not None:
            z += intercept[:, None]
        return z

    def pullback(self, theta, X, d_logits, out):
        """Add the gradient of ``sum(d_logits * logits)`` to out, in place."""
        weights, intercept = self.split(out)
        weights += transposed_product(X, d_logits)
        if intercept is not None:
            intercept += d_logits.sum(axis=1)
