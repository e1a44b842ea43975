"""The one home of class columns: which column a label belongs to, and columns for all classes."""

from collections import Counter
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kl._data.containers import is_missing, mixes_types, read_keys

# Labels of an array from which on each is looked up once only.
_MANY = 1000


def find_columns(labels: Any, classes: Any) -> NDArray[np.intp]:
    """Find the column of every label among the classes.

    Labels match as in Python: 1 is 1.0 and True, but never "1".

    Parameters
    ----------
    labels : array-like of shape (n_labels,)
        Labels, in any order.
    classes : array-like of shape (n_classes,)
        The class of every column; they differ.

    Returns
    -------
    ndarray of shape (n_labels,) of int
        Columns; -1 for a label that is not among the classes.
    """
    if isinstance(labels, np.ndarray) and labels.dtype.kind in "iufbU" and labels.size > _MANY:
        # Most labels occur many times: sorting an array is faster than looking up each of them.
        present, inverse = np.unique(labels, return_inverse=True)
        return find_columns(present.tolist(), classes)[inverse]
    labels, classes = _keys(labels, classes)
    place = {label: column for column, label in enumerate(classes)}
    return np.array([place.get(label, -1) for label in labels], dtype=np.intp)


def unknown_labels(labels: Any, classes: Any) -> list:
    """Return those of the labels that are not among the classes, in their order."""
    missing = find_columns(labels, classes) < 0
    return [label for label, absent in zip(_as_list(labels), missing, strict=True) if absent]


def spread_columns(values: Any, known: Any, classes: Any, absent: float) -> NDArray:
    """Put columns into the places of all classes.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_known)
        What is known, such as the probabilities of a model that has not seen every class.
    known : array-like of shape (n_known,)
        The class of every column of the values.
    classes : array-like of shape (n_classes,)
        All classes.
    absent : float
        What the other classes get.

    Returns
    -------
    ndarray of shape (n_samples, n_classes)
        The values themselves if their columns are those of the classes.

    Raises
    ------
    ValueError
        If some of the known classes are not among the classes.
    """
    columns = find_columns(known, classes)
    if (columns < 0).any():
        raise ValueError(
            f"The model knows the classes {unknown_labels(known, classes)[:10]}, which are not "
            f"among {_as_list(classes)[:10]}. Fit it on the same classes."
        )
    if len(columns) == len(classes) and (columns == np.arange(len(classes))).all():
        return values
    full = np.full((len(values), len(classes)), absent, dtype=values.dtype)
    full[:, columns] = values
    return full


def read_classes(classes: Any, name: str) -> NDArray:
    """Return classes in column order as an array, or raise if they are none.

    Parameters
    ----------
    classes : array-like of shape (n_classes,)
        Names of the columns.
    name : str
        What error messages call them.

    Returns
    -------
    ndarray of shape (n_classes,)
    """
    array = read_keys(classes, name)
    if array.ndim != 1 or not len(array):
        raise ValueError(
            f"{name} must name at least one class, in a 1-D array or list, got {classes!r}."
        )
    if is_missing(array).any():
        raise ValueError(f"{name} holds a missing value: {array[:10].tolist()}.")
    if mixes_types(array):
        raise TypeError(
            f"{name} mixes strings and others, {array[:10].tolist()}, which never match. Convert "
            "them to one type."
        )
    check_distinct(array.tolist(), name)
    return array


def check_distinct(values: list, name: str) -> None:
    """Raise if an entry comes more than once."""
    repeated = [value for value, times in Counter(values).items() if times > 1]
    if repeated:
        raise ValueError(
            f"{name} must not repeat an entry, but holds {repeated[:10]} more than once."
        )


def split_mapping(values: Any, name: str) -> tuple[Any, list | None]:
    """Return the numbers and the names of a dict or Series; of anything else None for names.

    A Series is read by its index wherever its entries stand for classes or people.

    Parameters
    ----------
    values : dict, Series or array-like
        Numbers.
    name : str
        What error messages call them.

    Returns
    -------
    values : list, or what was given
    names : list or None
    """
    if not hasattr(values, "keys") or hasattr(values, "columns"):
        return values, None
    names = list(values.keys())
    check_distinct(names, f"The index of {name}")
    return [number for _, number in values.items()], names


def named_numbers(values: Any, name: str) -> tuple[Any, list | None]:
    """As `split_mapping`, for values that must be numbers, at least one."""
    numbers, names = split_mapping(values, name)
    if names is None:
        return numbers, None
    if not names:
        raise ValueError(f"{name} names no class: give a number for at least one.")
    for label, value in zip(names, numbers, strict=True):
        if not isinstance(value, Real):
            raise ValueError(f"{name} gives {label!r} the value {value!r}, which is not a number.")
    return numbers, names


def name_columns(names: list, classes: NDArray, name: str) -> NDArray[np.intp]:
    """Return the columns of the names that a dict, Series or frame gives, all of them classes."""
    unknown = unknown_labels(names, classes)
    if not unknown:
        return find_columns(names, classes)
    raise ValueError(
        f"{name} has the classes {unknown[:10]}, which are not among the classes of y: "
        f"{classes[:10].tolist()}. Name the same classes in both; a Series is read by its index, "
        f"and {name}.to_numpy() by position; if y lacks some, pass it as a DataFrame with a column "
        "for every class, from labels for example by "
        "pd.get_dummies(y).reindex(columns=all_classes, fill_value=0)."
    )


def _as_list(labels: Any) -> list:
    # Not through an array, which would turn the numbers of a mixed list into strings.
    return labels.tolist() if hasattr(labels, "tolist") else list(labels)


def _keys(labels: Any, classes: Any) -> tuple[list, list]:
    """Return both as lists of what Python compares by value."""
    kinds = [getattr(getattr(each, "dtype", None), "kind", "") for each in (labels, classes)]
    if all(kind in ("m", "M") for kind in kinds):
        # In nanoseconds tolist gives numbers, in other units dates.
        common = np.result_type(labels, classes)
        numbers = [np.asarray(each, common).astype(np.int64) for each in (labels, classes)]
        return numbers[0].tolist(), numbers[1].tolist()
    return _as_list(labels), _as_list(classes)
