"""The only reader of y: turns labels, distributions and vote counts into one frozen description."""

from numbers import Real

import numpy as np
from sklearn.utils import check_consistent_length

from sklearn_kl._data.classes import (
    find_columns,
    read_classes,
    split_mapping,
    unknown_labels,
)
from sklearn_kl._data.containers import category_order, column_names, refuse_container
from sklearn_kl._data.reading import read_targets
from sklearn_kl._data.rows import check_row_order
from sklearn_kl._data.targets import LabelTargets, MatrixTargets, Targets
from sklearn_kl._sklearn import _check_sample_weight


def encode_targets(y, *, classes=None, sample_weight=None, class_weight=None, name="y"):
    """Describe y by one formula: labels are one-hot, a row of a matrix weighs its total.

    The number of dimensions alone decides: 1-D is labels, 2-D is distributions or counts.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_classes)
        Labels of any dtype; or a matrix of non-negative numbers as array, DataFrame (the column
        names become the classes) or sparse matrix.
    classes : array-like of shape (n_classes,), default=None
        The classes in column order. None takes the sorted labels, the categories of an ordered
        Categorical, used or not, the column names, or ``arange(n_classes)``.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights that multiply a row's total.
    class_weight : dict or "balanced", default=None
        Weights of the classes; "balanced" gives every class the same share of the mass.
    name : str, default="y"
        What error messages call the argument.

    Returns
    -------
    Targets

    Raises
    ------
    ValueError
        For negative, missing or infinite entries, continuous 1-D values, labels or columns that
        do not match `classes`, and a total mass of zero.
    """
    check_row_order(**{name: y, "sample_weight": sample_weight})
    if classes is not None:
        classes = read_classes(classes, "classes")
    given = read_targets(y, name, numbers_are_named=classes is not None)
    targets: Targets
    if given.values.ndim == 1:
        classes, codes = _encode_labels(given, classes, name)
        mass, weight = _weigh(np.ones(len(codes)), sample_weight, given.values)
        targets = LabelTargets(classes=classes, mass=mass, weight=weight, codes=codes)
    else:
        matrix, classes = _match_columns(given.values, given.columns, classes, name)
        mass, weight = _weigh(_row_sums(matrix), sample_weight, given.values)
        targets = MatrixTargets(classes=classes, mass=mass, weight=weight, matrix=matrix)
    _check_mass(mass, name, sample_weight)
    return targets if class_weight is None else _apply_class_weight(targets, class_weight, name)


def resolve_targets(y, target_proba=None, *, sample_weight=None, class_weight=None):
    """Describe y, or the matrix `target_proba` that stands in for the labels y.

    An array `target_proba` has one column per sorted label of y. A DataFrame names its classes,
    which are then sorted, so that a subset of rows without some class still knows them all. Where y
    is an ordered Categorical, its order takes the place of the sorted one.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_classes)
        Labels, if `target_proba` is given.
    target_proba : array-like of shape (n_samples, n_classes), default=None
        Distributions or counts.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative factors of the rows.
    class_weight : dict or "balanced", default=None
        Factors of the classes.

    Returns
    -------
    Targets

    Raises
    ------
    ValueError
        If y is not 1-D or its labels do not match the columns of `target_proba`.
    """
    weights = {"sample_weight": sample_weight, "class_weight": class_weight}
    check_row_order(y=y, target_proba=target_proba)
    if target_proba is None:
        return encode_targets(y, **weights)
    labels = encode_targets(y)
    if not isinstance(labels, LabelTargets):
        raise ValueError(
            f"y is a matrix with {labels.n_classes} columns and target_proba is given too. Pass "
            "the matrix alone, as y, or labels as y and the matrix as target_proba."
        )
    columns = column_names(target_proba)
    classes = labels.classes
    if columns is not None:
        classes = _classes_of_columns(labels, columns, ordered=category_order(y) is not None)
    refuse_container(target_proba, "target_proba")
    shape = target_proba.shape if hasattr(target_proba, "shape") else np.shape(target_proba)
    if len(shape) != 2:
        raise ValueError(
            f"target_proba must be a matrix with one column per class, got shape {tuple(shape)}. "
            "Labels alone are passed as y."
        )
    if shape[1] != len(classes):
        raise ValueError(
            f"target_proba has {shape[1]} columns, but y has {len(classes)} labels: "
            f"{classes[:10].tolist()}. An array needs one column per sorted label of y; if some "
            "label is missing from y, pass a DataFrame whose column names are the classes."
        )
    targets = encode_targets(target_proba, classes=classes, name="target_proba", **weights)
    check_consistent_length(labels.mass, targets.mass)
    return targets


def _classes_of_columns(labels, columns, *, ordered):
    """Return the columns of target_proba in the order of the classes that it is read in."""
    used = labels.classes[labels.class_mass() > 0]
    unknown = unknown_labels(used, columns)
    if unknown:
        raise ValueError(
            f"y contains labels that are not columns of target_proba: {unknown[:10]} are not "
            f"among {columns[:10].tolist()}. Name the columns by the labels of y; "
            "scikit-learn's cross_val_predict replaces labels by integers before it fits, so "
            "there use the integers 0, 1, ... as labels and column names."
        )
    if not ordered:
        return np.sort(columns)
    return labels.classes[find_columns(labels.classes, columns) >= 0]


def expected_accuracy(y, codes, classes, sample_weight=None):
    """Share of the mass of y that predicted classes hit; of labels, the accuracy.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_classes)
        Labels, of which any that are not among the classes count as missed, or a matrix.
    codes : ndarray of shape (n_samples,) of int
        Columns of the predicted classes.
    classes : ndarray of shape (n_classes,)
        The classes that are known.
    sample_weight : array-like of shape (n_samples,), default=None
        Factors of the rows.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If lengths differ, or labels are strings where classes are numbers, or the reverse.
    """
    given = read_targets(y, "y", numbers_are_named=True)
    check_consistent_length(codes, given.values)
    if given.values.ndim == 2:
        targets = encode_targets(y, classes=classes, sample_weight=sample_weight)
        return targets.expected_accuracy(codes)
    present, label_codes = _unique_inverse(given.values)
    hint = _hint_of_types(present, classes)
    if hint:
        raise ValueError(
            f"y holds labels such as {present.tolist()[0]!r}, but the classes are "
            f"{classes[:10].tolist()}.{hint}"
        )
    weight = _check_weight(sample_weight, given.values)
    hits = find_columns(present, classes)[label_codes] == codes
    return float(np.average(hits, weights=weight))


def plain_labels(targets):
    """Return the labels of targets as an array that every splitter of scikit-learn takes."""
    if targets.classes.dtype.kind == "O" and not isinstance(targets.classes[0], str):
        return targets.codes
    return targets.classes[targets.codes]


def _encode_labels(given, classes, name):
    """Return the classes and the code of every label among them."""
    if given.order is None:
        present, codes = _unique_inverse(given.values)
    else:
        codes = find_columns(given.values, given.order)
        present = read_classes(given.order, f"the categories of {name}")
    if classes is None:
        return present, codes
    used = np.bincount(codes, minlength=len(present)) > 0
    columns = find_columns(present, classes)
    unknown = used & (columns < 0)
    if unknown.any():
        raise ValueError(
            f"{name} contains labels that are not among the classes {classes[:10].tolist()}: "
            f"{present[unknown][:10].tolist()}.{_hint_of_types(present, classes)}"
        )
    return classes, columns[codes]


def _hint_of_types(labels, classes):
    """Return what to do where one are strings and the others numbers."""
    if isinstance(labels.tolist()[0], str) == isinstance(classes.tolist()[0], str):
        return ""
    return (
        " Strings and numbers never match. The classes of a matrix without column names are "
        "numbers: name them, for example by pandas.DataFrame(counts, columns=names)."
    )


def _unique_inverse(y):
    """Return the sorted distinct labels and the position of every label among them."""
    if y.dtype.kind not in "iu" or not len(y):
        return np.unique(y, return_inverse=True)
    low, high = int(y.min()), int(y.max())
    if high - low > 4 * len(y) + 1000:
        return np.unique(y, return_inverse=True)
    # Counting small integers is many times faster than sorting them.
    wide = y if y.dtype.kind == "u" else y.astype(np.int64, copy=False)
    offset = (wide - wide.dtype.type(low)).astype(np.intp, copy=False)
    present = np.bincount(offset) > 0
    position = np.cumsum(present) - 1
    return np.flatnonzero(present).astype(y.dtype) + y.dtype.type(low), position[offset]


def _match_columns(y, columns, classes, name):
    """Return the matrix with its columns in the order of the classes, and the classes."""
    n_columns = y.shape[1]
    if classes is None:
        return y, np.arange(n_columns) if columns is None else columns
    if columns is None:
        if n_columns != len(classes):
            raise ValueError(
                f"{name} has {n_columns} columns, but there are {len(classes)} classes: "
                f"{classes[:10].tolist()}. Give one column per class, or a DataFrame whose column "
                "names are classes."
            )
        return y, classes
    order = find_columns(classes, columns)
    if len(columns) != len(classes) or (order < 0).any():
        raise ValueError(
            f"The columns of {name} are {columns[:10].tolist()}, but the classes are "
            f"{classes[:10].tolist()}. Rename the columns, or add missing ones as zeros."
        )
    return (y if (order == np.arange(n_columns)).all() else y[:, order]), classes


def _row_sums(matrix):
    with np.errstate(over="ignore"):
        return np.asarray(matrix.sum(axis=1, dtype=np.float64)).ravel()


def _weigh(total, sample_weight, y):
    """Return the masses of rows with these totals, and their weights or None."""
    weight = _check_weight(sample_weight, y)
    with np.errstate(over="ignore"):
        return (total if weight is None else total * weight), weight


def _check_weight(sample_weight, y):
    """Return non-negative float64 weights, or None when every row weighs one."""
    if sample_weight is None:
        return None
    refuse_container(sample_weight, "sample_weight")
    try:
        if not isinstance(sample_weight, Real):
            sample_weight = np.asarray(sample_weight, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"sample_weight must hold one number per row: {error}.") from error
    return _check_sample_weight(
        sample_weight, y, dtype=np.float64, ensure_non_negative=True, copy=True
    )


def _check_mass(mass, name, sample_weight):
    """Raise when nothing is left to learn from or to judge against."""
    with np.errstate(over="ignore"):
        total = mass.sum()
    if not np.isfinite(total):
        raise ValueError(
            f"The total mass of {name} times sample_weight is {total}: scale {name} or "
            "sample_weight down so that their sum is a finite number."
        )
    if total >= np.finfo(np.float64).tiny:
        return
    if total > 0:
        raise ValueError(
            f"The total mass of {name} times sample_weight is {total:g}, too small a number to "
            f"divide by: scale {name} or sample_weight up."
        )
    cause = f"every row of {name} sums to zero"
    if sample_weight is not None:
        cause += " or has sample_weight zero"
    raise ValueError(
        f"The total mass of the targets is zero: {cause}. At least one row must carry weight."
    )


def _apply_class_weight(targets, class_weight, name):
    """Return the targets with every class's strength multiplied by its weight."""
    class_mass = targets.class_mass()
    if isinstance(class_weight, str) and class_weight == "balanced":
        weight = _balanced_weight(class_mass, targets.classes)
    elif hasattr(class_weight, "keys"):
        weight = _class_weight_vector(class_weight, targets.classes)
    else:
        raise ValueError(
            f"class_weight must be a dict of class to weight, 'balanced' or None, got "
            f"{class_weight!r}."
        )
    weighted = targets.with_class_weight(weight)
    _check_mass(weighted.mass, f"{name} times class_weight", None)
    return weighted


def _balanced_weight(class_mass, classes):
    """Return the weights with which every class that has mass has the same."""
    share = np.zeros_like(class_mass)
    with np.errstate(over="ignore"):
        np.divide(class_mass.mean(), class_mass, where=class_mass > 0, out=share)
    if not np.isfinite(share).all():
        rare = int(np.argmax(share))
        raise ValueError(
            f"class_weight='balanced' would weigh class {classes.tolist()[rare]!r}, of mass "
            f"{class_mass[rare]:g}, by more than the largest number. Leave the class out, or give "
            "its rows weights of a size like those of the others."
        )
    return share


def _class_weight_vector(class_weight, classes):
    """Return the weights of a dict in the order of the classes, one where it is silent."""
    values, names = split_mapping(class_weight, "class_weight")
    unknown = unknown_labels(names, classes)
    if unknown:
        raise ValueError(
            f"The classes {unknown} of class_weight are not among the classes "
            f"{classes[:10].tolist()}. Remove or rename them."
        )
    for label, value in zip(names or [], values, strict=True):
        if not isinstance(value, Real) or not 0 <= float(value) < np.inf:
            raise ValueError(
                f"class_weight gives the class {label!r} the weight {value!r}: weights must be "
                "numbers, finite and not negative."
            )
    weight = np.ones(len(classes))
    weight[find_columns(names, classes)] = values
    return weight
