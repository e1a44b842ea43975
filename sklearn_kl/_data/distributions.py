"""The one rule for probabilities: how far rounding may take their sum from one."""

import numpy as np
from numpy.typing import DTypeLike, NDArray

# Roundings that a single number may go through, whatever the number of classes: an exponential, a
# division, a mean over models.
_MIN_ROUNDINGS = 16


def sum_tolerance(n_classes: int, dtype: DTypeLike = np.float64) -> float:
    """Return by how much rounding can take the sum of probabilities away from one.

    That is the machine epsilon once for every class, as in a sum of so many terms, at least 16
    times and at most its square root. Epsilon is that of float32, since float64 numbers may come
    from a float32 model, or of float16 where the numbers are float16.

    Parameters
    ----------
    n_classes : int
        Number of probabilities in a row.
    dtype : dtype, default=float64
        Of the probabilities.

    Returns
    -------
    float
        1.9e-6 up to 16 classes, 1.2e-4 for a thousand, 3.5e-4 at most.
    """
    eps = _epsilon(dtype)
    return eps * min(max(n_classes, _MIN_ROUNDINGS), eps**-0.5)


def check_distributions(proba: NDArray, name: str, *, hint: str = "") -> NDArray:
    """Raise unless every row holds probabilities that sum to one but for rounding.

    Parameters
    ----------
    proba : ndarray of float of shape (n_classes,) or (n_samples, n_classes)
        One distribution or rows of them, finite. Not changed.
    name : str
        What the error message calls them.
    hint : str, default=""
        What the error message says at its end.

    Returns
    -------
    ndarray of the same shape
        `proba`, or a copy in which negative numbers of the size of rounding are zeros. Sums are
        left as they are.

    Raises
    ------
    ValueError
        For a number below zero, or a row that does not sum to one.
    """
    proba = zero_rounding(proba, name)
    tolerance = sum_tolerance(proba.shape[-1], proba.dtype)
    with np.errstate(over="ignore"):
        sums = np.atleast_1d(proba.sum(axis=-1, dtype=np.float64))
    worst = int(np.argmax(np.abs(sums - 1.0)))
    if abs(sums[worst] - 1.0) <= tolerance:
        return proba
    rows = proba.ndim == 2
    what = f"The rows of {name}" if rows else f"The probabilities of {name}"
    which = f"row {worst} sums" if rows else "they sum"
    raise ValueError(
        f"{what} must sum to one within {tolerance:.1e}, but {which} to {sums[worst]:.10g}. "
        f"{_advice(proba, sums[worst], name)} {hint}".rstrip()
    )


def zero_rounding(proba: NDArray, name: str) -> NDArray:
    """Return probabilities in which -1e-17 and the like is 0; raise for a number below that.

    Parameters
    ----------
    proba : ndarray of float
        Probabilities, of any shape. Not changed.
    name : str
        What the error message calls them.

    Returns
    -------
    ndarray of the same shape
        `proba` itself if no number is negative.
    """
    least = proba.min(initial=0.0)
    if least >= 0:
        return proba
    if least < -_MIN_ROUNDINGS * _epsilon(proba.dtype):
        raise ValueError(
            f"{name} contains the negative value {least:g}, but probabilities lie between 0 and 1. "
            "Pass the output of predict_proba, not of decision_function or predict_log_proba."
        )
    return np.where(proba < 0, proba.dtype.type(0), proba)


def _epsilon(dtype: DTypeLike) -> float:
    dtype = np.dtype(dtype)
    return float(np.finfo(dtype if dtype == np.float16 else np.float32).eps)


def _advice(proba: NDArray, worst: float, name: str) -> str:
    """Return how to mend a sum: of numbers that were rounded, or of something else."""
    n_classes = proba.shape[-1]
    if proba.ndim == 2 and n_classes == 1:
        return "Pass the probabilities of the second of two classes as a 1-D array."
    rows = proba.ndim == 2
    # The argument of a caller, or what a sentence calls the output of a model.
    argument = f"({name})" if name.isidentifier() else ""
    mend = f"sklearn_kl.labels.normalize_rows{argument}" if rows else f"{name} / {name}.sum()"
    digits = _printed_digits(proba) if abs(worst) < 2 else None
    if digits is not None and abs(worst - 1.0) <= 0.51 * n_classes * 10.0**-digits:
        return (
            f"The numbers are rounded to {digits} digits, as CSV and JSON files often hold them: "
            f"{mend} makes the sums one again, or write more digits."
        )
    return f"If they are counts, or proportional to probabilities otherwise, use {mend}."


def _printed_digits(proba: NDArray) -> int | None:
    """Return to how many decimal places all numbers are rounded, from 2 to 7; None if to more."""
    sample = np.asarray(proba, dtype=np.float64).reshape(-1)[:10_000]
    slack = 1e-7 if proba.dtype != np.float64 else 1e-12
    for digits in range(2, 8):
        if np.abs(sample - sample.round(digits)).max(initial=0.0) <= slack:
            return digits
    return None
