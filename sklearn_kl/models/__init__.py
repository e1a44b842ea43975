"""Parametric models q_theta: theta and features in, logits out."""

from sklearn_kl.models._base import ParametricModel, Prepared
from sklearn_kl.models._linear import LinearSoftmax

__all__ = ["LinearSoftmax", "ParametricModel", "Prepared"]
