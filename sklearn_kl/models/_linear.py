"""The linear model: logits that are affine in the features."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from sklearn_kl._data.lanes import Lanes
from sklearn_kl._data.products import class_major_product, transposed_product
from sklearn_kl._data.targets import Totals
from sklearn_kl.models._base import ParametricModel, Preconditioner, Prepared, share_logits
from sklearn_kl.models._coordinates.moments import collect_moments
from sklearn_kl.models._coordinates.whitening import whiten


class LinearSoftmax(ParametricModel):
    """Multinomial logistic regression: ``z = W' x + b``.

    theta holds W in C order, shape (n_features, n_logits), then b of shape (n_logits,) if there
    is an intercept. Feature-major, because a product with sparse X reads and writes whole rows
    of W, and BLAS transposes for free.

    Parameters
    ----------
    fit_intercept : bool, default=True
        Whether there is a b. It is not penalised.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kl.models import LinearSoftmax
    >>> model = LinearSoftmax().bind(n_features=2, n_logits=3)
    >>> model.n_params
    9
    >>> model.logits(np.ones(9), np.array([[0.5, -1.0]])).ravel()
    array([0.5, 0.5, 0.5])
    """

    convex = True
    linear_in_theta = True
    linear_in_features = True
    certified = True

    def __init__(self, fit_intercept: bool = True):
        self.fit_intercept = fit_intercept

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of W and of b."""
        weights = (self.n_features, self.n_logits)
        return (weights, (self.n_logits,)) if self.fit_intercept else (weights,)

    @property
    def penalised(self) -> slice | np.ndarray:
        """The weights, which stand first."""
        return slice(0, self.n_features * self.n_logits)

    def split(self, theta: np.ndarray) -> list[Any]:
        """View theta as weights (n_features, n_logits) and intercept (n_logits,) or None."""
        n_weights = self.n_features * self.n_logits
        weights = theta[:n_weights].reshape(self.n_features, self.n_logits)
        return [weights, theta[n_weights:] if self.fit_intercept else None]

    def join(self, weights: np.ndarray, intercept: np.ndarray | None) -> np.ndarray:
        """Inverse of split."""
        if not self.fit_intercept or intercept is None:
            return weights.ravel()
        return np.concatenate([weights.ravel(), intercept])

    def initial(
        self, class_mass: np.ndarray, rng: Any = None, preconditioner: Preconditioner | None = None
    ) -> np.ndarray:
        """Weights zero, and the intercept that predicts the class shares."""
        theta = np.zeros(self.n_params)
        intercept = self.split(theta)[1]
        if intercept is not None:
            intercept[:] = share_logits(class_mass, self.n_logits)
        return theta

    def prepare(self, lanes: Lanes, totals: Totals) -> Prepared:
        """Collect the sufficient statistic and the moments for the whitening in one pass over X."""
        moments = collect_moments(lanes, totals, centred=self.fit_intercept)
        n_skipped = len(moments.class_mass) - self.n_logits
        intercept = moments.class_mass[n_skipped:] if self.fit_intercept else None
        statistic = self.join(moments.class_sums[:, n_skipped:], intercept)
        return Prepared(statistic, moments.mean, partial(whiten, self, moments))

    def logits(self, theta: np.ndarray, X: Any) -> np.ndarray:
        """Logits of the rows of X: ndarray of shape (n_logits, n_rows)."""
        weights, intercept = self.split(theta.astype(X.dtype, copy=False))
        z = class_major_product(X, weights)
        if intercept is not None:
            z += intercept[:, None]
        return z

    def pullback(self, theta: np.ndarray, X: Any, d_logits: np.ndarray, out: np.ndarray) -> None:
        """Add the gradient of ``sum(d_logits * logits)`` to out, in place."""
        weights, intercept = self.split(out)
        weights += transposed_product(X, d_logits)
        if intercept is not None:
            intercept += d_logits.sum(axis=1)

    def fitted_attributes(self, theta: np.ndarray, dtype: DTypeLike) -> dict[str, Any]:
        """Return coef_, shape (n_logits, n_features), and intercept_, shape (n_logits,)."""
        weights, intercept = self.split(theta)
        if intercept is None:
            intercept = np.zeros(self.n_logits)
        return {
            "coef_": np.ascontiguousarray(weights.T, dtype=dtype),
            "intercept_": intercept.astype(dtype),
        }

    def state(self, theta: np.ndarray, dtype: DTypeLike) -> dict[str, Any]:
        """Return coef_ and intercept_, which say all."""
        return self.fitted_attributes(theta, dtype)

    def theta_from(self, attributes: Mapping[str, Any]) -> np.ndarray:
        """Return theta, given coef_ and intercept_."""
        weights = np.asarray(attributes["coef_"]).T
        return self.join(weights, attributes["intercept_"]).astype(np.float64)
