"""Cumulative logits: the model of ordered classes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from scipy.special import expit, log_expit

from sklearn_kl._data.lanes import Lanes
from sklearn_kl._data.products import class_major_product, transposed_product
from sklearn_kl._data.targets import Totals
from sklearn_kl.models._base import (
    LogitsAndPull,
    ParametricModel,
    Preconditioner,
    Prepared,
    positive_shares,
)
from sklearn_kl.models._coordinates.first_layer import FirstLayerWhitening, whiten_first_layer
from sklearn_kl.models._coordinates.moments import collect_moments

# A line search may try any step; exp of more than 88 is no float32.
MAX_LOG = 80.0


class OrdinalSoftmax(ParametricModel):
    """Cumulative logits, or proportional odds: the model of ordered classes, such as ratings.

    One direction w in the features orders the rows, and thresholds cut it into the classes::

        P(y <= k | x) = sigmoid(t_k - w' x),  t_1 < t_2 < ... < t_(K-1)
        z_k = log q_k = log(P(y <= k | x) - P(y <= k - 1 | x))

    Each extra class costs one parameter, where a linear softmax model needs as many as there are
    features. The odds of class k or lower change with x by the same factor for every k. With
    two classes it is logistic regression.

    theta holds w, which the penalty applies to, then t_1 and the logarithms of the differences of
    successive thresholds, so that these stay in order. In w and the thresholds the log-likelihood
    is concave (Pratt 1981), so every stationary point is the minimum and one start is enough.

    The order of the classes is that of `classes_`: the categories of an ordered Categorical in
    theirs, numbers by value, the columns of a matrix as they are. Strings sort by the alphabet
    ("bad", "fair", "good" happen to be in order; "high", "low", "medium" are not), and a fit warns
    which order it took.

    See Also
    --------
    LinearSoftmax : Classes without an order.

    Notes
    -----
    A fitted estimator shows w as `ordinal_coef_`, shape (n_features,), and t as `thresholds_`,
    shape (n_classes - 1,). Signs are those of R's ``MASS::polr``: a positive coefficient moves
    rows to higher classes.

    References
    ----------
    McCullagh, P. (1980). Regression models for ordinal data. Journal of the Royal Statistical
    Society, Series B, 42, 109-142.

    Pratt, J. W. (1981). Concavity of the log likelihood. Journal of the American Statistical
    Association, 76, 103-106.

    Examples
    --------
    Satisfaction of tenants in three grades, which their influence on the management raises:

    >>> from sklearn_kl import KLClassifier
    >>> from sklearn_kl.datasets import load_housing
    >>> from sklearn_kl.models import OrdinalSoftmax
    >>> housing = load_housing()
    >>> clf = KLClassifier(model=OrdinalSoftmax()).fit(housing.data, housing.target)
    >>> housing.feature_names
    ['InflMedium', 'InflHigh', 'TypeApartment', 'TypeAtrium', 'TypeTerrace', 'ContHigh']
    >>> clf.ordinal_coef_.round(1)
    array([ 0.6,  1.3, -0.5, -0.3, -1.1,  0.4])
    >>> clf.thresholds_.round(1)
    array([-0.5,  0.7])
    """

    convex = True
    ordered = True

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the coefficients, the first threshold and the logarithms of differences."""
        return (self.n_features,), (1,), (max(self.n_logits - 2, 0),)

    @property
    def penalised(self) -> slice | np.ndarray:
        """The coefficients, which stand first."""
        return slice(0, self.n_features)

    @property
    def row_size(self) -> int:
        """Logits, cumulative logits, and a few temporary arrays of their size."""
        return 4 * self.n_logits

    def initial(
        self, class_mass: np.ndarray, rng: Any = None, preconditioner: Preconditioner | None = None
    ) -> np.ndarray:
        """Coefficients zero, and the thresholds that predict the class shares."""
        theta = np.zeros(self.n_params)
        _, first, steps = self.split(theta)
        share = positive_shares(class_mass)
        below, above = np.cumsum(share)[:-1], np.cumsum(share[::-1])[-2::-1]
        thresholds = np.log(below / above)
        first[:] = thresholds[0]
        steps[:] = np.log(np.diff(thresholds))
        return theta

    def prepare(self, lanes: Lanes, totals: Totals) -> Prepared:
        """Read the moments of the features for a whitening of the coefficients."""
        moments = collect_moments(lanes, totals, centred=True)
        return Prepared(precondition=partial(self._precondition, moments))

    def logits(self, theta: np.ndarray, X: Any) -> np.ndarray:
        """Logarithms of the probabilities, or the one logit of the second of two classes."""
        return self.vjp(theta, X)[0]

    def pullback(self, theta: np.ndarray, X: Any, d_logits: np.ndarray, out: np.ndarray) -> None:
        """Add the gradient of ``sum(d_logits * logits)`` to out, in place."""
        self.vjp(theta, X)[1](d_logits, out)

    def vjp(self, theta: np.ndarray, X: Any) -> LogitsAndPull:
        """Return the logits and the pullback, which knows the cumulative logits."""
        coef, first, steps = self.split(theta)
        weights = coef.astype(X.dtype, copy=False)[:, None]
        position = class_major_product(X, weights)
        if self.n_logits == 1:
            position -= first
            return position, partial(self._pull_binary, X)
        width = _widths(steps)
        thresholds = _thresholds(first, width)
        cumulative = thresholds.astype(X.dtype)[:, None] - position
        log_below = log_expit(cumulative)
        z = np.zeros((self.n_logits, X.shape[0]), X.dtype)
        z[:-1] = log_below
        # log_expit(-a) = log_expit(a) - a
        log_below -= cumulative
        z[1:] += log_below
        # sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)), the last factor alike
        # for all rows, and exact for classes of any width.
        z[1:-1] += _log_share(steps, width).astype(X.dtype)[:, None]
        return z, partial(self._pull, X, width, cumulative)

    def fitted_attributes(self, theta: np.ndarray, dtype: DTypeLike) -> dict[str, Any]:
        """Return ordinal_coef_, shape (n_features,), and thresholds_, shape (n_classes - 1,)."""
        coef, first, steps = self.split(theta)
        thresholds = _thresholds(first, _widths(steps))
        return {"ordinal_coef_": coef.astype(dtype), "thresholds_": thresholds.astype(dtype)}

    def cumulative(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the coefficients, the thresholds, and the differences of these."""
        coef, first, steps = self.split(theta)
        width = _widths(steps)
        return coef, _thresholds(first, width), width

    def _pull_binary(self, X, d_logits, out):
        coef, first, _ = self.split(out)
        coef += transposed_product(X, d_logits)[:, 0]
        first -= d_logits.sum()

    def _pull(self, X, width, cumulative, d_logits, out):
        """Add the gradient of ``sum(d_logits * logits)`` to out.

        Parameters
        ----------
        X : ndarray, CSR or CSC of shape (n_rows, n_features)
        width : ndarray of shape (n_classes - 2,)
            Differences of the thresholds.
        cumulative : ndarray of shape (n_classes - 1, n_rows)
            ``t_k - w' x``.
        d_logits : ndarray of shape (n_classes, n_rows)
        out : ndarray of shape (n_params,)
        """
        d = expit(cumulative)
        d *= d_logits[:-1] + d_logits[1:]
        np.subtract(d_logits[:-1], d, out=d)
        coef, first, steps = self.split(out)
        coef -= transposed_product(X, d.sum(axis=0, keepdims=True))[:, 0]
        d_thresholds = d.sum(axis=1, dtype=np.float64)
        first += d_thresholds.sum()
        # A wider class moves all thresholds above it, and takes more of what is between two.
        above = np.cumsum(d_thresholds[::-1])[-2::-1]
        steps += above * width + d_logits[1:-1].sum(axis=1) * _log_share_slope(width)

    def _precondition(self, moments, penalty):
        """Whiten w; the first threshold takes the mean with the other sign than an intercept."""
        share = moments.class_share
        # Information of one row on its position; a quarter for two equal classes.
        h = max((1.0 - (share**3).sum()) / 3, 1e-6)
        ridge = penalty.curvature(self.n_params)[: self.n_features, None]
        whitening = whiten_first_layer(moments, h, ridge, mixing=penalty.smooth)
        n_steps = self.n_params - self.n_features - 1
        return FirstLayerWhitening(
            replace(whitening, mean=-whitening.mean), np.full(n_steps, np.sqrt(h))
        )


def _widths(steps):
    """Return the differences of successive thresholds, given their logarithms."""
    return np.exp(np.minimum(steps, MAX_LOG))


def _thresholds(first, width):
    """Return all thresholds, given the first and their differences."""
    return np.cumsum(np.concatenate([first, width]))


def _log_share(steps, width):
    """Return ``log(1 - exp(-width))``, also where the width underflows."""
    tiny = np.finfo(np.float64).tiny
    return np.where(width > tiny, np.log(-np.expm1(-np.maximum(width, tiny))), steps)


def _log_share_slope(width):
    """Return the derivative of ``log(1 - exp(-width))`` along the logarithm of the width."""
    positive = np.maximum(width, np.finfo(np.float64).tiny)
    return positive * np.exp(-positive) / -np.expm1(-positive)
