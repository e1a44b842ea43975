"""Train and judge probabilistic classifiers on label distributions."""

from sklearn_kl._classifier import KLClassifier

__version__ = "0.1.0"

__all__ = ["KLClassifier"]
