"""The penalty that the parameters of an estimator ask for."""

import numpy as np

from sklearn_kl.penalties._elastic_net import ElasticNet
from sklearn_kl.penalties._l2 import L2

# Far above, the weights are zero to the last digit already.
MAX_STRENGTH = 1e300


def make_penalty(C, l1_ratio, total_mass, penalised):
    """Return the penalty of the mean objective.

    Parameters
    ----------
    C : float
        Inverse strength in the objective that is a sum over rows.
    l1_ratio : float
        Share of the L1 penalty.
    total_mass : float
        Total mass of the targets, by which the sum is divided.
    penalised : slice or ndarray of bool
        Index into theta.

    Returns
    -------
    L2 or ElasticNet
    """
    with np.errstate(over="ignore"):
        strength = float(min(1.0 / np.float64(C) / total_mass, MAX_STRENGTH))
    if l1_ratio == 0 or strength == 0:
        return L2(strength, penalised)
    return ElasticNet((1 - l1_ratio) * strength, l1_ratio * strength, penalised)
