"""Warnings that name the line of the caller, however deep in the package they arise."""

import inspect
import warnings

# scikit-learn's decorator stands between the caller and a method that supports callbacks.
_INSIDE = ("sklearn_kl", "sklearn.callback")


def warn_caller(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn as if the line that called the package had warned.

    Parameters
    ----------
    message : str
        What happened, and the way out.
    category : type, default=UserWarning
        The class of the warning.
    """
    level, frame = 1, inspect.currentframe()
    while frame is not None and _is_inside(frame.f_globals.get("__name__", "")):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def _is_inside(module):
    return any(module == package or module.startswith(package + ".") for package in _INSIDE)
