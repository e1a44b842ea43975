"""Penalties that are added to the mean cross-entropy."""

from sklearn_kl.penalties._base import Penalty
from sklearn_kl.penalties._elastic_net import ElasticNet
from sklearn_kl.penalties._l2 import L2
from sklearn_kl.penalties._make import make_penalty
from sklearn_kl.penalties._prior import KLToPrior

__all__ = ["L2", "ElasticNet", "KLToPrior", "Penalty", "make_penalty"]
