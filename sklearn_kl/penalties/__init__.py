"""Penalties that are added to the mean cross-entropy."""

from sklearn_kl.penalties._base import Penalty
from sklearn_kl.penalties._l2 import L2

__all__ = ["L2", "Penalty"]
