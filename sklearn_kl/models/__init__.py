"""Parametric models q_theta: theta and features in, logits out."""

from sklearn_kl.models._base import ParametricModel, Preconditioner, Prepared
from sklearn_kl.models._callable import CallableModel
from sklearn_kl.models._check import check_model
from sklearn_kl.models._linear import LinearSoftmax
from sklearn_kl.models._low_rank import LowRankSoftmax
from sklearn_kl.models._mlp import MLPSoftmax
from sklearn_kl.models._ordinal import OrdinalSoftmax

__all__ = [
    "CallableModel",
    "LinearSoftmax",
    "LowRankSoftmax",
    "MLPSoftmax",
    "OrdinalSoftmax",
    "ParametricModel",
    "Preconditioner",
    "Prepared",
    "check_model",
]
