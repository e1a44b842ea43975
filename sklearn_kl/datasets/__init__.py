"""Real data in which every row has a distribution, and data from a known one."""

from sklearn_kl.datasets._generator import make_soft_classification
from sklearn_kl.datasets._housing import load_housing
from sklearn_kl.datasets._wine import load_wine_ratings

__all__ = ["load_housing", "load_wine_ratings", "make_soft_classification"]
