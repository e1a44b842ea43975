"""What a parametric model q_theta is: sizes, logits, and the pullback of a gradient."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import DTypeLike
from sklearn.base import BaseEstimator

from sklearn_kl._data.lanes import Lanes
from sklearn_kl._data.targets import Totals

# The logits of a block, and the function (d_logits, out) that adds their pullback to out.
LogitsAndPull: TypeAlias = tuple[np.ndarray, Callable[[np.ndarray, np.ndarray], None]]

# A class without mass starts at this share, since its best logit is not finite.
SMALLEST_SHARE = 1e-8


def positive_shares(class_mass: np.ndarray) -> np.ndarray:
    """Return the shares of the classes in the mass, none of them below SMALLEST_SHARE."""
    return np.maximum(class_mass / class_mass.sum(), SMALLEST_SHARE)


def share_logits(class_mass: np.ndarray, n_logits: int) -> np.ndarray:
    """Return the logits that predict the shares of the classes: shape (n_logits,)."""
    log_share = np.log(positive_shares(class_mass))
    return log_share[1:] - log_share[:1] if n_logits == 1 else log_share - log_share.mean()


class PenaltyLike(Protocol):
    """What a change of coordinates may ask of the penalty that it should suit."""

    @property
    def smooth(self) -> bool:
        """Whether there is no L1 part; if there is one, coordinates must not mix parameters."""

    def curvature(self, n_params: int) -> np.ndarray:
        """Second derivative of the smooth part along every parameter: shape (n_params,)."""

    def centre(self, weights: np.ndarray, index: np.ndarray) -> np.ndarray:
        """Shift every row of weights, at these places in theta, to where the penalty is least."""


class Preconditioner:
    """An invertible linear change of coordinates, ``theta = T v``, that makes the problem round.

    A subclass defines `to_theta`, `from_theta` and `pull_gradient`.

    Attributes
    ----------
    metric : object or None
        How a problem with an L1 penalty curves in these coordinates (see SoftmaxMetric); None
        where that is not known.
    """

    metric: Any = None

    def to_theta(self, v: np.ndarray) -> np.ndarray:
        """Return ``T v``."""
        raise NotImplementedError(f"{type(self).__name__} must define to_theta.")

    def from_theta(self, theta: np.ndarray) -> np.ndarray:
        """Return ``T^-1 theta``."""
        raise NotImplementedError(f"{type(self).__name__} must define from_theta.")

    def pull_gradient(self, gradient: np.ndarray) -> np.ndarray:
        """Return ``T' gradient``, the gradient with respect to v."""
        raise NotImplementedError(f"{type(self).__name__} must define pull_gradient.")

    def from_standardised(self, theta: np.ndarray) -> np.ndarray:
        """Return theta, given theta for features of mean zero and standard deviation one.

        Only a model asks for it that draws its start at random for such features.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must define from_standardised(theta), since the start of this "
            "model is drawn for features of mean zero and standard deviation one: return theta for "
            "the features as they are. Or define initial(class_mass, rng, preconditioner) of the "
            "model."
        )


@dataclass(frozen=True, eq=False)
class Prepared:
    """What a model computes once from the data, before the first evaluation.

    Parameters
    ----------
    statistic : ndarray of shape (n_params,) or None
        For logits that are linear in theta, the vector T with
        ``sum_ik t_ik z_ik(theta) = T @ theta``: all that the model ever needs to know of the
        targets besides their mass. None for any other model.
    mean : ndarray of shape (n_features,) or None
        Mean of the features, rows weighing their mass, where the logits are linear in theta.
    precondition : callable or None
        ``precondition(penalty)`` returns a Preconditioner for a PenaltyLike; a path of penalties
        shares the rest. None works in theta itself.
    """

    statistic: np.ndarray | None = None
    mean: np.ndarray | None = None
    precondition: Callable[[Any], Preconditioner] | None = None

    def preconditioner(self, penalty: Any) -> Preconditioner | None:
        """Return the change of coordinates that suits a penalty, or None.

        Raises
        ------
        TypeError
            If `precondition` returns anything but a Preconditioner.
        """
        if self.precondition is None:
            return None
        found = self.precondition(penalty)
        if not isinstance(found, Preconditioner):
            raise TypeError(
                "precondition(penalty) must return an instance of a subclass of "
                f"sklearn_kl.models.Preconditioner, got {found!r}."
            )
        return found


class ParametricModel(BaseEstimator):
    """A function from theta and rows of X to logits; ``q_theta = softmax(logits)``.

    The objective owns softmax, loss, weights and targets: a model is complete with `shapes`,
    `logits` and `pullback`. Its constructor takes hyperparameters only, as that of any estimator,
    and `bind` tells a copy the sizes of the data. A model holds nothing that depends on theta,
    so threads can share it.

    theta is one vector of float64, and `split` views it as the arrays of `shapes`. Logits are
    class-major, shape (n_logits, n_rows): one logit per class, or a single logit of the second
    class, beside 0 for the first, when there are two. A row's logits must depend on that row
    alone, since rows come in blocks.

    Attributes
    ----------
    n_features : int
        Number of columns of X; known after `bind`.
    n_logits : int
        Number of classes, or 1 for two classes; known after `bind`.
    convex : bool
        Class attribute: whether every stationary point of the cross-entropy is its minimum, so
        that one start is enough.
    ordered : bool
        Class attribute: whether the order of the classes means something.
    linear_in_theta : bool
        Class attribute: whether ``logits(theta, X)`` is linear in theta, so that
        ``logits(v, X)`` is the derivative along v.
    linear_in_features : bool
        Class attribute: whether the logits are affine in the features, so that
        `fitted_attributes` gives ``coef_`` and ``intercept_`` as linear classifiers have them.
    certified : bool
        Class attribute: whether duality bounds the distance from the minimum. The certificate
        needs weights that are all penalised, beside intercepts: theta as LinearSoftmax has it.
    """

    convex = False
    ordered = False
    linear_in_theta = False
    linear_in_features = False
    certified = False
    n_features: int
    n_logits: int

    def bind(self, n_features: int, n_logits: int) -> Self:
        """Return a copy that knows the number of features and of logits."""
        bound = copy.copy(self)
        bound.n_features, bound.n_logits = n_features, n_logits
        return bound

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the arrays that theta holds one after the other: tuple of tuples of int."""
        raise NotImplementedError(f"{type(self).__name__} must define shapes or n_params.")

    @property
    def n_params(self) -> int:
        """Length of theta."""
        return sum(math.prod(shape) for shape in self.shapes)

    @property
    def penalised(self) -> slice | np.ndarray:
        """What the penalty applies to, an index into theta: a slice or a boolean mask.

        Unless a model says otherwise, arrays of two or more dimensions are weights and penalised,
        and vectors are intercepts and free.
        """
        parts = [np.full(math.prod(shape), len(shape) > 1) for shape in self.shapes]
        return np.concatenate(parts)

    @property
    def row_size(self) -> int:
        """Numbers that the computation of one row keeps, from which the size of blocks follows."""
        return self.n_logits

    def split(self, theta: np.ndarray) -> list[Any]:
        """View theta as a list of arrays of `shapes`; writing to them changes theta."""
        views, start = [], 0
        for shape in self.shapes:
            stop = start + math.prod(shape)
            views.append(theta[start:stop].reshape(shape))
            start = stop
        return views

    def initial(
        self, class_mass: np.ndarray, rng: Any, preconditioner: Preconditioner | None = None
    ) -> np.ndarray:
        """Return theta to start from.

        Parameters
        ----------
        class_mass : ndarray of shape (n_classes,)
            Total strength of every class in the targets.
        rng : numpy.random.Generator
            Source of random numbers for models that need different starts.
        preconditioner : Preconditioner or None
            The change of coordinates that `prepare` offers; a start that is random in its
            coordinates does not depend on the units of the features.

        Returns
        -------
        ndarray of shape (n_params,), float64
        """
        return 0.1 * rng.standard_normal(self.n_params)

    def prepare(self, lanes: Lanes, totals: Totals) -> Prepared:
        """Return what is computed once from the data: by default, nothing.

        Parameters
        ----------
        lanes : Lanes
            The rows in blocks, each with its X and its targets.
        totals : Totals
            Classes, masses and entropy of all targets.

        Returns
        -------
        Prepared
        """
        return Prepared()

    def logits(self, theta: np.ndarray, X: Any) -> np.ndarray:
        """Return the logits of the rows of X.

        Parameters
        ----------
        theta : ndarray of shape (n_params,), float64
        X : ndarray, CSR or CSC of shape (n_rows, n_features), float64 or float32
            Work in the dtype of X is fastest.

        Returns
        -------
        ndarray of shape (n_logits, n_rows)
            A fresh array: the objective overwrites it.
        """
        raise NotImplementedError(f"{type(self).__name__} must define logits.")

    def pullback(self, theta: np.ndarray, X: Any, d_logits: np.ndarray, out: np.ndarray) -> None:
        """Add ``sum_ri d_logits[r, i] * d z_ri / d theta`` to out, in place.

        Parameters
        ----------
        theta : ndarray of shape (n_params,), float64
        X : ndarray, CSR or CSC of shape (n_rows, n_features)
        d_logits : ndarray of shape (n_logits, n_rows)
            Not to be changed.
        out : ndarray of shape (n_params,), float64
            ``self.split(out)`` gives the arrays to add to.
        """
        raise NotImplementedError(f"{type(self).__name__} must define pullback.")

    def vjp(self, theta: np.ndarray, X: Any) -> LogitsAndPull:
        """Return the logits and the function ``pull(d_logits, out)`` that pulls back at theta.

        A model whose pullback can use what was computed for the logits overrides this.
        """
        return self.logits(theta, X), partial(self.pullback, theta, X)

    def fitted_attributes(self, theta: np.ndarray, dtype: DTypeLike) -> dict[str, Any]:
        """Return the attributes that a fitted estimator shows besides `model_` and `theta_`.

        Parameters
        ----------
        theta : ndarray of shape (n_params,)
        dtype : dtype
            That of X.

        Returns
        -------
        dict
        """
        return {}

    def state(self, theta: np.ndarray, dtype: DTypeLike) -> dict[str, Any]:
        """Return the attributes that predictions of a fitted estimator need.

        Parameters
        ----------
        theta : ndarray of shape (n_params,)
        dtype : dtype
            That of X.

        Returns
        -------
        dict
            Those of `fitted_attributes`, and `theta_` where these do not say all.
        """
        return {"theta_": theta} | self.fitted_attributes(theta, dtype)

    def theta_from(self, attributes: Mapping[str, Any]) -> np.ndarray:
        """Return theta, given a mapping that holds what `state` returned.

        Returns
        -------
        ndarray of shape (n_params,), float64
        """
        return attributes["theta_"]
