"""What the objective asks of a parametric model q_theta."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np


class Preconditioner(Protocol):
    """An invertible change of coordinates, ``theta = T v``, in which the problem is round."""

    def to_theta(self, v: np.ndarray) -> np.ndarray:
        """Return ``T v``."""

    def from_theta(self, theta: np.ndarray) -> np.ndarray:
        """Return ``T^-1 theta``."""

    def pull_gradient(self, gradient: np.ndarray) -> np.ndarray:
        """Return ``T' gradient``, the gradient with respect to v."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """What a model computes once from the data, before the first evaluation.

    Parameters
    ----------
    statistic : ndarray of shape (n_params,) or None
        For logits that are linear in theta, the vector T with
        ``sum_ik t_ik z_ik(theta) = T @ theta``: all that the model ever needs to know of the
        targets besides their mass. None for any other model.
    preconditioner : Preconditioner or None
        None works in theta itself.
    mean : ndarray of shape (n_features,) or None
        Mean of the features, rows weighing their mass, where the model has computed it.
    """

    statistic: np.ndarray | None = None
    preconditioner: Preconditioner | None = None
    mean: np.ndarray | None = None


class ParametricModel(Protocol):
    """A function from theta and rows of X to logits; ``q_theta = softmax(logits)``.

    A model holds no state that depends on theta. Logits are class-major, shape
    (n_logits, n_rows), with one logit per class, or a single logit of the second class
    (the first one's is 0) when there are two. The objective owns softmax and loss: a model is
    complete with its logits and the pullback of a gradient through them. Parameters that are
    penalised stand first in theta.
    """

    n_params: int
    n_logits: int
    n_penalised: int

    def initial(self, class_mass: np.ndarray) -> np.ndarray:
        """Return theta to start from, float64 of shape (n_params,)."""

    def prepare(self, lanes, targets, penalty) -> Prepared:
        """Return what is computed once from the data."""

    def logits(self, theta: np.ndarray, X) -> np.ndarray:
        """Return a fresh array of shape (n_logits, n_rows) in the dtype of X."""

    def pullback(self, theta: np.ndarray, X, d_logits: np.ndarray, out: np.ndarray) -> None:
        """Add ``sum_ri d_logits[r, i] * d z_ri / d theta`` to out, in place."""
