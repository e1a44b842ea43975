"""Penalties that a user can add to the mean cross-entropy."""

from sklearn_kl.penalties._prior import KLToPrior

__all__ = ["KLToPrior"]
