"""Checks of numbers that callers pass: errors name the argument, its value and what is allowed."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from sklearn_kl._sklearn import InvalidParameterError


def check_whole(value: Any, name: str, *, least: int = 1) -> int:
    """Return a whole number of at least `least`.

    Parameters
    ----------
    value : object
        What was passed. True and False are no numbers.
    name : str
        What the error message calls it.
    least : int, default=1
        The smallest number allowed.

    Returns
    -------
    int

    Raises
    ------
    InvalidParameterError
        If it is something else. As in scikit-learn, that is both a ValueError and a TypeError.
    """
    if not is_whole(value) or value < least:
        raise InvalidParameterError(
            f"{name} must be a whole number of at least {least}, got {value!r}."
        )
    return int(value)


def is_whole(value: Any) -> bool:
    """Whether something is a whole number; True and False are not."""
    return isinstance(value, Integral) and not isinstance(value, bool | np.bool_)


def check_number(
    value: Any, name: str, allowed: str, *, low: float, high: float = np.inf, closed: str = ""
) -> float:
    """Return a number between `low` and `high`.

    Parameters
    ----------
    value : object
        What was passed. True and False are no numbers.
    name : str
        What the error message calls it.
    allowed : str
        The range in words, which the error message states.
    low, high : float
        Ends of the range.
    closed : {"", "low", "high", "both"}, default=""
        Which ends are allowed.

    Returns
    -------
    float

    Raises
    ------
    InvalidParameterError
        If it is something else, such as nan.
    """
    wanted = f"{name} must be {allowed}, got {value!r}."
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise InvalidParameterError(wanted)
    try:
        number = float(value)
    except OverflowError:
        number = np.inf if value > 0 else -np.inf  # type: ignore[operator]
    inside = low < number < high
    at_low, at_high = closed in ("low", "both"), closed in ("high", "both")
    if not (inside or (at_low and number == low) or (at_high and number == high)):
        raise InvalidParameterError(wanted)
    return number


def check_flag(value: Any, name: str) -> bool:
    """Return True or False; raise for anything else."""
    if not isinstance(value, bool | np.bool_):
        raise InvalidParameterError(f"{name} must be True or False, got {value!r}.")
    return bool(value)


def check_seed(random_state: Any) -> np.random.RandomState:
    """Return the generator that `random_state` stands for."""
    try:
        return check_random_state(random_state)
    except ValueError as error:
        raise InvalidParameterError(
            "random_state must be a whole number from 0 to 2**32 - 1, a numpy RandomState or "
            f"None, got {random_state!r}."
        ) from error
