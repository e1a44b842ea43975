"""Features as models take them: dense, CSR or CSC, in float64 or float32."""

from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data


def validate_features(estimator: Any, X: Any, *, reset: bool = False) -> Any:
    """Validate X and compare it with what the estimator was fitted on, or remember what it is.

    Parameters
    ----------
    estimator : estimator
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Not copied if it is an array of floats, CSR or CSC.
    reset : bool, default=False
        Whether the estimator is being fitted, and stores the number and names of the features.

    Returns
    -------
    ndarray, CSR or CSC of shape (n_samples, n_features)
        Finite numbers, float64 or float32.
    """
    # scikit-learn looks for NaN in the sum of all numbers first, which may overflow either way.
    with np.errstate(over="ignore", invalid="ignore"):
        return validate_data(
            estimator,
            X,
            reset=reset,
            accept_sparse=["csr", "csc"],
            dtype=[np.float64, np.float32],
        )
