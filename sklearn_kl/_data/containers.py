"""What people hold data in: lists, Series, Categoricals, frames, sparse matrices."""

from numbers import Number
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray


def refuse_container(data: Any, name: str) -> None:
    """Raise for what holds no labels or matrix by itself, and say how to get at them.

    Parameters
    ----------
    data : object
        What was passed.
    name : str
        What error messages call it.

    Raises
    ------
    ValueError
        For a VoteTargets, a table of pyarrow, a dict, a set or other iterator, masked values, a
        sparse vector or column, and columns in several levels.
    """
    if isinstance(data, tuple) and hasattr(data, "counts"):
        raise ValueError(
            f"{name} is a {type(data).__name__}, of counts, their classes and samples. Pass "
            f"{name}.to_frame(), which names both, or {name}.counts; the rows must be in the order "
            "of X, as sample_order=X.index makes them."
        )
    if type(data).__module__.split(".")[0] == "pyarrow" and hasattr(data, "column_names"):
        raise ValueError(f"{name} is a pyarrow table: pass {name}.to_pandas().")
    if isinstance(data, dict | set | frozenset | str | bytes) or hasattr(data, "__next__"):
        raise ValueError(
            f"{name} is a {type(data).__name__}, which has no order of rows. Pass an array, a list "
            "or a Series with one entry per row of X; sklearn_kl.labels has readers for votes."
        )
    if np.ma.isMaskedArray(data) and np.ma.getmaskarray(data).any():
        raise ValueError(
            f"{name} is a masked array with {int(np.ma.getmaskarray(data).sum())} masked values, "
            "which are missing. Drop their rows, or pass a matrix with rows of zeros for them."
        )
    if sp.issparse(data) and (data.ndim == 1 or data.shape[1] == 1):
        raise ValueError(
            f"{name} is sparse with the shape {data.shape}, but a sparse {name} is a matrix with "
            f"one column per class. Labels are dense: {name}.toarray().ravel()."
        )
    _check_levels(data, name)


def _check_levels(data: Any, name: str) -> None:
    """Raise for columns in several levels."""
    n_levels = getattr(getattr(data, "columns", None), "nlevels", 1)
    if n_levels > 1:
        raise ValueError(
            f"The columns of {name} have {n_levels} levels, but each names one class: "
            'df.columns = df.columns.map("_".join) makes one level of them, '
            "df.columns.droplevel(0) drops one."
        )


def column_names(data: Any) -> NDArray | None:
    """Column names of a DataFrame as an array of classes, or None for anything else."""
    if not is_frame(data):
        return None
    _check_levels(data, "a DataFrame of targets")
    names = list(data.columns)
    missing = [place for place, name in enumerate(names) if _is_missing(name)]
    if missing:
        raise ValueError(
            f"The column names of a DataFrame of targets are its classes, but column {missing[0]} "
            "has none. Name it or drop it."
        )
    if len(set(names)) < len(names):
        repeated = sorted({str(name) for name in names if names.count(name) > 1})
        raise ValueError(
            f"The column names of a DataFrame of targets are its classes and must differ; "
            f"{repeated} appear more than once. Rename or sum these columns."
        )
    if len({isinstance(name, str) for name in names}) > 1:
        raise TypeError(
            f"The column names of a DataFrame of targets mix strings and numbers: {names[:10]}. "
            "Use one type, for example df.columns = df.columns.astype(str)."
        )
    return np.asarray(names)


def is_frame(data: Any) -> bool:
    """Say whether data is a DataFrame of pandas, polars or their like."""
    n_dims = getattr(data, "ndim", len(getattr(data, "shape", ())))
    return hasattr(data, "columns") and n_dims == 2


def only_column(frame: Any) -> Any:
    """Return the one column of a DataFrame as a Series, which keeps the order of its categories."""
    return frame.iloc[:, 0] if hasattr(frame, "iloc") else frame[:, 0]


def category_order(data: Any) -> NDArray | None:
    """Return the categories of an ordered Categorical or polars Enum; None for anything else."""
    dtype = getattr(data, "dtype", None)
    categories = getattr(dtype, "categories", None)
    # A polars Enum is ordered by definition, and says no more of it.
    if categories is None or not getattr(dtype, "ordered", type(dtype).__name__ == "Enum"):
        return None
    return np.asarray(categories)


def dense_or_csr(data: Any) -> Any:
    """Return sparse data as a CSR array with one entry per place; anything else as it is.

    Entries of the same place are added up, as SciPy does, on a copy, and in float64 if they are
    integers or booleans, which could overflow. A DataFrame of sparse columns becomes sparse if the
    values that it leaves out are zeros.
    """
    if is_frame(data) and hasattr(data, "iloc"):
        fills = [getattr(dtype, "fill_value", None) for dtype in data.dtypes]
        leaves_zeros_out = bool(fills) and all(fill is not None and fill == 0 for fill in fills)
        data = data.sparse.to_coo() if leaves_zeros_out else dense_columns(data)
    if not sp.issparse(data):
        return data
    if data.dtype.kind in "biu":
        data = data.astype(np.float64)
    # Another header of the same numbers, since the flags of the caller's would be set by a look.
    data = sp.csr_array(data)
    if not data.has_canonical_format:
        data = data.copy()
        data.sum_duplicates()
    return data


def dense_columns(data: Any) -> Any:
    """Return a DataFrame that has sparse columns as an array; anything else as it is."""
    if not (is_frame(data) and hasattr(data, "iloc")):
        return data
    if not any(hasattr(dtype, "fill_value") for dtype in data.dtypes):
        return data
    return np.column_stack([np.asarray(data.iloc[:, j]) for j in range(data.shape[1])])


def read_column(values: Any, name: str) -> NDArray:
    """Return a sequence of labels or names as a 1-D array that keeps the types of its entries.

    An array of a list of strings and NaN would hold the string "nan", and of 1 and "1" two
    strings; objects are kept where such things are mixed, and numbers become an array of numbers.

    Parameters
    ----------
    values : array-like of shape (n_entries,)
        A list, tuple, array, Series, Index or Categorical.
    name : str
        What error messages call it.

    Returns
    -------
    ndarray of shape (n_entries,)
        Of objects where an entry is missing and the others are not floats; `is_missing` finds it.

    Raises
    ------
    ValueError
        If the entries are lists or arrays.
    """
    array = _as_array(values, name)
    if array.ndim != 1:
        return array
    strings = array.dtype.kind == "U" and isinstance(values, list | tuple)
    if strings and not all(isinstance(value, str) for value in values):
        array = _objects(values)
    if array.dtype.kind == "T":
        array = array.astype(object)
    if array.dtype.kind != "O":
        return array
    for row, value in enumerate(array.tolist()):
        if hasattr(value, "__len__") and not isinstance(value, str | bytes):
            raise ValueError(
                f"Unknown label type: every entry of {name} should be one value, but entry {row} "
                f"is {value!r}. Rows of probabilities or counts are passed as a matrix: "
                f"numpy.stack({name}), or a DataFrame of them; sklearn_kl.labels has readers for "
                "lists of votes."
            )
    numbers = all(isinstance(value, Number | np.bool_) for value in array.tolist())
    return np.array(array.tolist()) if numbers else array


def read_keys(values: Any, name: str) -> NDArray:
    """Return names of samples or annotators as a 1-D array; tuples are names, too."""
    in_a_list = isinstance(values, list | tuple)
    entries = values if in_a_list else np.asarray(values)
    may_be_tuples = in_a_list or (entries.ndim == 1 and entries.dtype.kind == "O")
    if may_be_tuples and any(isinstance(value, tuple) for value in entries):
        return _objects(entries)
    return read_column(values, name)


def is_missing(values: NDArray) -> NDArray[np.bool_]:
    """Return where an array holds NaN, NaT, None or pandas.NA."""
    if values.dtype.kind in "mM":
        return np.isnat(values)
    if values.dtype.kind in "fc":
        return np.isnan(values)
    if values.dtype.kind != "O":
        return np.zeros(len(values), dtype=bool)
    return np.array([_is_missing(value) for value in values.tolist()], dtype=bool)


def _is_missing(value: Any) -> bool:
    if isinstance(value, str):
        return False
    # pandas.NA answers no comparison, so it is known by its type.
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, Number | np.generic) and bool(value != value)


def unmask(values: Any) -> Any:
    """Return a masked array as objects, None where it is masked; anything else as it is."""
    mask = np.ma.getmaskarray(values) if np.ma.isMaskedArray(values) else None
    if mask is None or not mask.any():
        return values
    objects = np.array(values, dtype=object)
    objects[mask] = None
    return objects


def mixes_types(values: NDArray) -> bool:
    """Say whether an array of objects holds both strings and others, which do not sort."""
    if values.dtype.kind != "O":
        return False
    return len({isinstance(value, str) for value in values.tolist()}) > 1


def _as_array(values: Any, name: str) -> NDArray:
    values = unmask(values)
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ValueError(
            f"The rows of {name} differ in length, or are of different kinds: {error} A matrix of "
            "targets has one column per class in every row."
        ) from error


def _objects(values: Any) -> NDArray:
    """Return an array of objects, whatever they are."""
    array = np.empty(len(values), dtype=object)
    for position, value in enumerate(values):
        array[position] = value
    return array
