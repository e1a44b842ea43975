"""Rows of whatever holds the data: arrays, sparse matrices, DataFrames, lists."""

import numpy as np
import scipy.sparse as sp


def take_rows(data, rows):
    """Return the rows of some data, in that order, in the container that holds it.

    Parameters
    ----------
    data : array-like, sparse matrix or DataFrame of n_samples rows, or None
        The data; None gives None.
    rows : ndarray of int
        Row numbers, which may repeat.

    Returns
    -------
    array-like, sparse matrix, DataFrame or None
    """
    if data is None:
        return None
    if hasattr(data, "iloc"):
        return data.iloc[rows]
    if sp.issparse(data):
        return data.tocsr()[rows]
    return data[rows] if hasattr(data, "shape") else np.asarray(data)[rows]
