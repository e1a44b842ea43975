"""Votes in the other forms that people hold them in become counts by sample and class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from sklearn_kl._data.classes import check_distinct, split_mapping
from sklearn_kl._data.containers import (
    category_order,
    column_names,
    is_frame,
    is_missing,
    read_column,
    read_keys,
    unmask,
)
from sklearn_kl._data.rows import check_row_order
from sklearn_kl._typing import MatrixLike
from sklearn_kl.labels._votes import VoteTargets, votes_to_targets


def annotator_matrix_to_targets(
    matrix: MatrixLike,
    *,
    weights: ArrayLike | Mapping[Any, float] | None = None,
    classes: ArrayLike | None = None,
    abstain: Any = None,
    sparse_output: bool = False,
) -> VoteTargets:
    """Count the votes of a matrix with one row per sample and one column per annotator.

    This is the form of cleanlab's ``labels_multiannotator`` and, with ``abstain=-1``, of Snorkel's
    label matrix.

    Parameters
    ----------
    matrix : array-like or DataFrame of shape (n_samples, n_annotators)
        Labels; a missing value (None, NaN, pandas.NA) where an annotator gave none. The index of a
        DataFrame names the samples, its columns the annotators.
    weights : array-like of shape (n_annotators,), dict or Series, default=None
        Non-negative weight of every annotator: an array in the order of the columns, a dict or a
        Series by their names.
    classes : array-like of shape (n_classes,), default=None
        The classes in column order. None takes the sorted labels that occur, or the categories of
        columns that are all the same ordered Categorical.
    abstain : label or list of labels, default=None
        Labels that mean an abstention, such as -1.
    sparse_output : bool, default=False
        Whether the counts are a CSR array.

    Returns
    -------
    VoteTargets
        Counts with the rows of `matrix`.

    Raises
    ------
    ValueError
        If `matrix` is not a matrix, its index repeats a sample, or in the cases of
        `votes_to_targets`.

    See Also
    --------
    votes_to_targets : The same for one entry per vote.

    Examples
    --------
    >>> from sklearn_kl.labels import annotator_matrix_to_targets
    >>> votes = annotator_matrix_to_targets([["cat", "cat", None], ["dog", None, "cat"]])
    >>> votes.counts
    array([[2., 0.],
           [1., 1.]])
    >>> votes.classes.tolist()
    ['cat', 'dog']
    """
    if classes is None:
        classes = _common_order(matrix)
    labels = _label_matrix(matrix)
    n_samples, n_annotators = labels.shape
    people = _annotator_names(matrix, n_annotators)
    samples = _index_of(matrix, n_samples, "matrix")
    if weights is not None and not hasattr(weights, "keys"):
        weights = _weights_of_columns(weights, people)
    return votes_to_targets(
        np.repeat(samples, n_annotators),
        labels.ravel(),
        annotators=np.tile(people, n_samples),
        weights=_by_annotator(weights),
        classes=classes,
        sample_order=samples,
        abstain=abstain,
        sparse_output=sparse_output,
    )


def label_counts_to_targets(
    counts: Iterable[Mapping[Any, float]] | Mapping[Any, Mapping[Any, float]],
    *,
    classes: ArrayLike | None = None,
    sparse_output: bool = False,
) -> VoteTargets:
    """Count the votes of one dict of label to count per sample, as in ChaosNLI.

    Parameters
    ----------
    counts : sequence, Series or dict of dicts
        One ``{label: count}`` for every sample; a label that it does not hold has no votes. The
        index of a Series, or the keys of a dict, name the samples. None is a sample without votes.
    classes : array-like of shape (n_classes,), default=None
        The classes in column order. None takes the sorted labels that occur.
    sparse_output : bool, default=False
        Whether the counts are a CSR array.

    Returns
    -------
    VoteTargets
        Counts with the rows of `counts`.

    Raises
    ------
    ValueError
        If an entry is not a dict, a count is not a finite number of at least 0, a label is not in
        `classes`, or there are no votes.

    See Also
    --------
    votes_to_targets : The same for one entry per vote.

    Examples
    --------
    >>> from sklearn_kl.labels import label_counts_to_targets
    >>> votes = label_counts_to_targets([{"e": 76, "n": 24}, {"c": 100}], classes=["e", "n", "c"])
    >>> votes.counts
    array([[ 76.,  24.,   0.],
           [  0.,   0., 100.]])
    """
    samples, entries = _items(counts, "counts")
    row, labels, times = [], [], []
    for number, entry in enumerate(entries):
        for label, count in _pairs(entry, samples, number, "counts", "{label: count}"):
            if not (isinstance(count, Real) and 0 <= float(count) < np.inf):
                raise ValueError(
                    f"counts holds {count!r} for the label {label!r} of the sample "
                    f"{samples.tolist()[number]!r}: counts are finite numbers, at least 0."
                )
            row.append(number)
            labels.append(label)
            times.append(float(count))
    _check_any(labels, "counts")
    return votes_to_targets(
        samples[row],
        labels,
        weights=times,
        classes=classes,
        sample_order=samples,
        sparse_output=sparse_output,
    )


def label_lists_to_targets(
    labels: Iterable[Any] | Mapping[Any, Any],
    *,
    annotators: Iterable[Any] | Mapping[Any, Any] | None = None,
    weights: Mapping[Any, float] | None = None,
    classes: ArrayLike | None = None,
    abstain: Any = None,
    sep: str = ",",
    sparse_output: bool = False,
) -> VoteTargets:
    """Count the votes of cells that hold several labels, such as "1,0,1", as in LeWiDi.

    Parameters
    ----------
    labels : sequence, Series or dict of str or list
        For every sample its labels, as text with a separator or as a list. The index of a Series,
        or the keys of a dict, name the samples. An empty or missing cell is a sample without votes;
        an empty place in a cell is an abstention.
    annotators : sequence, Series or dict of str or list, default=None
        For every sample who gave the labels, in the same order, such as "Ann1,Ann2,Ann3".
    weights : dict or Series, default=None
        Non-negative weight of every annotator, ``{annotator: weight}``.
    classes : array-like of shape (n_classes,), default=None
        The classes in column order. None takes the sorted labels that occur. Labels in text are
        strings; where `classes` are numbers, they are read as numbers.
    abstain : label or list of labels, default=None
        Labels that mean an abstention, such as -1.
    sep : str, default=","
        What separates labels, and annotators, in text. Spaces around them do not count.
    sparse_output : bool, default=False
        Whether the counts are a CSR array.

    Returns
    -------
    VoteTargets
        Counts with the rows of `labels`.

    Raises
    ------
    ValueError
        If a sample has more or fewer annotators than labels, text is not a number though `classes`
        are, or in the cases of `votes_to_targets`.

    See Also
    --------
    votes_to_targets : The same for one entry per vote.

    Examples
    --------
    >>> from sklearn_kl.labels import label_lists_to_targets
    >>> votes = label_lists_to_targets(
    ...     ["1,0,1", "0,0"], annotators=["Ann1,Ann2,Ann3", "Ann1,Ann3"], classes=[0, 1]
    ... )
    >>> votes.counts
    array([[1., 2.],
           [2., 0.]])
    """
    check_row_order(labels=labels, annotators=annotators)
    samples, cells = _items(labels, "labels")
    groups: Sequence[Any] = [None] * len(cells)
    if annotators is not None:
        groups = _of_samples(annotators, samples, labels)
    row: list[int] = []
    votes: list[Any] = []
    people: list[Any] = []
    for number, (cell, group) in enumerate(zip(cells, groups, strict=True)):
        entries = _split(cell, sep)
        names = entries if annotators is None else _split(group, sep)
        if len(names) != len(entries):
            raise ValueError(
                f"The sample {samples.tolist()[number]!r} has {len(entries)} labels, {cell!r}, but "
                f"{len(names)} annotators, {group!r}. Every label needs the annotator who gave it."
            )
        row += [number] * len(entries)
        votes += entries
        people += names
    _check_any(votes, "labels")
    return votes_to_targets(
        samples[row],
        _read_text(votes, classes),
        annotators=None if annotators is None else people,
        weights=_by_annotator(weights),
        classes=classes,
        sample_order=samples,
        abstain=abstain,
        sparse_output=sparse_output,
    )


def annotation_dicts_to_targets(
    annotations: Iterable[Mapping[Any, Any]] | Mapping[Any, Mapping[Any, Any]],
    *,
    weights: Mapping[Any, float] | None = None,
    classes: ArrayLike | None = None,
    abstain: Any = None,
    sparse_output: bool = False,
) -> VoteTargets:
    """Count the votes of one dict of annotator to label per sample.

    Parameters
    ----------
    annotations : sequence, Series or dict of dicts
        One ``{annotator: label}`` for every sample. The index of a Series, or the keys of a dict,
        name the samples. None is a sample without votes; a missing label is an abstention.
    weights : dict or Series, default=None
        Non-negative weight of every annotator, ``{annotator: weight}``.
    classes : array-like of shape (n_classes,), default=None
        The classes in column order. None takes the sorted labels that occur. Where `classes` are
        numbers, text such as "1" is read as a number.
    abstain : label or list of labels, default=None
        Labels that mean an abstention, such as -1.
    sparse_output : bool, default=False
        Whether the counts are a CSR array.

    Returns
    -------
    VoteTargets
        Counts with the rows of `annotations`.

    Raises
    ------
    ValueError
        If an entry is not a dict, or in the cases of `votes_to_targets`.

    See Also
    --------
    votes_to_targets : The same for one entry per vote.

    Examples
    --------
    >>> from sklearn_kl.labels import annotation_dicts_to_targets
    >>> votes = annotation_dicts_to_targets(
    ...     {"t2": {"ann": "yes", "bob": "no"}, "t1": {"ann": "yes"}}, weights={"ann": 2, "bob": 1}
    ... )
    >>> votes.counts
    array([[1., 2.],
           [0., 2.]])
    >>> votes.samples.tolist()
    ['t2', 't1']
    """
    samples, entries = _items(annotations, "annotations")
    row, people, labels = [], [], []
    for number, entry in enumerate(entries):
        for name, label in _pairs(entry, samples, number, "annotations", "{annotator: label}"):
            row.append(number)
            people.append(name)
            labels.append(label)
    _check_any(labels, "annotations")
    return votes_to_targets(
        samples[row],
        _read_text(labels, classes),
        annotators=people,
        weights=_by_annotator(weights),
        classes=classes,
        sample_order=samples,
        abstain=abstain,
        sparse_output=sparse_output,
    )


def indicators_to_targets(
    indicators: MatrixLike,
    samples: ArrayLike,
    *,
    annotators: ArrayLike | None = None,
    weights: Mapping[Any, float] | None = None,
    classes: ArrayLike | None = None,
    sample_order: ArrayLike | None = None,
    sparse_output: bool = False,
) -> VoteTargets:
    """Count the votes of a table with one row per answer and one column of 0 and 1 per class.

    This is the form of GoEmotions. A row that marks several classes is one vote, shared equally; a
    row that marks none is an abstention.

    Parameters
    ----------
    indicators : array-like or DataFrame of shape (n_answers, n_classes)
        1 where an answer marks a class, 0 elsewhere. The columns of a DataFrame name the classes:
        leave other columns out, as in ``df[emotions]``.
    samples : array-like of shape (n_answers,)
        Which sample every answer is about.
    annotators : array-like of shape (n_answers,), default=None
        Who gives the answer. All marks of an annotator on one sample are one vote; None takes every
        row for an annotator of its own.
    weights : dict or Series, default=None
        Non-negative weight of every annotator, ``{annotator: weight}``.
    classes : array-like of shape (n_classes,), default=None
        The classes of the columns of an array, in their order. None takes the column names, or
        ``arange(n_classes)``.
    sample_order : array-like of shape (n_samples,), default=None
        The samples in row order, such as ``X.index``. None takes the sorted samples that occur.
    sparse_output : bool, default=False
        Whether the counts are a CSR array.

    Returns
    -------
    VoteTargets
        Counts, one row per sample.

    Raises
    ------
    ValueError
        If an entry of `indicators` is neither 0 nor 1, lengths differ, or in the cases of
        `votes_to_targets`.

    See Also
    --------
    votes_to_targets : The same for one entry per vote.

    Examples
    --------
    >>> from sklearn_kl.labels import indicators_to_targets
    >>> votes = indicators_to_targets(
    ...     [[1, 0], [1, 1], [0, 1]], samples=["t1", "t1", "t2"], classes=["joy", "anger"]
    ... )
    >>> votes.counts
    array([[1.5, 0.5],
           [0. , 1. ]])
    """
    check_row_order(indicators=indicators, samples=samples, annotators=annotators)
    marks = _marks(indicators)
    names = _class_names(indicators, classes, marks.shape[1])
    named = read_keys(samples, "samples")
    people = np.arange(len(marks)) if annotators is None else read_keys(annotators, "annotators")
    if not len(named) == len(people) == len(marks):
        raise ValueError(
            f"indicators has {len(marks)} rows, samples {len(named)} entries and annotators "
            f"{len(people)}: give one of each for every answer."
        )
    row, column = np.nonzero(marks)
    # Samples without a mark keep their row.
    row, column = np.append(row, np.arange(len(marks))), np.append(column, np.full(len(marks), -1))
    labels = read_keys([*names.tolist(), None], "classes")[column]
    return votes_to_targets(
        named[row],
        labels,
        annotators=people[row],
        weights=_by_annotator(weights),
        classes=names,
        sample_order=sample_order,
        sparse_output=sparse_output,
    )


def _common_order(matrix: Any) -> NDArray | None:
    """Return the categories that all columns of a frame have in the same order, or None."""
    if not (is_frame(matrix) and hasattr(matrix, "iloc") and matrix.shape[1]):
        return None
    first, *others = [category_order(matrix.iloc[:, j]) for j in range(matrix.shape[1])]
    if first is None or not all(
        other is not None and np.array_equal(first, other) for other in others
    ):
        return None
    return first


def _label_matrix(matrix: Any) -> NDArray:
    """Return labels as a 2-D array that keeps their types."""
    if isinstance(matrix, list | tuple):
        lengths = {len(row) if isinstance(row, list | tuple | np.ndarray) else -1 for row in matrix}
        if len(lengths) != 1 or lengths <= {-1, 0}:
            raise ValueError(
                "matrix must have one row per sample and one column per annotator, got rows of "
                f"lengths {sorted(lengths)[:5]}. For lists of different lengths there is "
                "label_lists_to_targets."
            )
        flat = read_column([label for row in matrix for label in row], "matrix")
        return flat.reshape(len(matrix), -1)
    if sp.issparse(matrix):
        raise ValueError(
            "matrix is sparse, where a place that is left out reads as the label 0: pass "
            "matrix.toarray(), with abstain=0 if that means that no label was given."
        )
    array = np.asarray(unmask(matrix))
    if array.ndim != 2:
        raise ValueError(
            "matrix must have one row per sample and one column per annotator, got the shape "
            f"{array.shape}. One entry per vote is the form of votes_to_targets."
        )
    return array


def _annotator_names(matrix: Any, n_annotators: int) -> NDArray:
    """Return the names of the columns, or their numbers."""
    if not is_frame(matrix):
        return np.arange(n_annotators)
    people = read_keys(list(matrix.columns), "the columns of matrix")
    check_distinct(people.tolist(), "The columns of matrix, which name the annotators,")
    return people


def _by_annotator(weights: Any) -> Any:
    """Return weights as a dict of annotators, which a Series stands for here in any case."""
    if weights is None:
        return None
    numbers, names = split_mapping(weights, "weights")
    if names is None:
        raise ValueError(
            "weights must be a dict or Series of annotator to weight, got "
            f"{type(weights).__name__}."
        )
    return dict(zip(names, numbers, strict=True))


def _weights_of_columns(weights: Any, people: Any) -> dict[Any, float]:
    values = np.asarray(weights)
    if values.shape != (len(people),):
        raise ValueError(
            f"weights has shape {values.shape}, but matrix has {len(people)} annotators. Give one "
            "weight for every column, or a dict of annotator to weight."
        )
    return dict(zip(people.tolist(), values.tolist(), strict=True))


def _index_of(data: Any, n_samples: int, name: str) -> NDArray:
    """Return the names of the samples that data is about: its index, or their numbers."""
    if not hasattr(data, "iloc"):
        return np.arange(n_samples)
    check_distinct(data.index.tolist(), f"The index of {name}, which names the samples,")
    return read_keys(data.index, f"the index of {name}")


def _items(data: Any, name: str) -> tuple[NDArray, list]:
    """Return the names of the samples, and what each of them has."""
    if isinstance(data, Mapping):
        return read_keys(list(data.keys()), name), list(data.values())
    if isinstance(data, str | bytes) or is_frame(data) or not isinstance(data, Iterable):
        raise ValueError(
            f"{name} must be a list, Series or dict with one entry per sample, got "
            f"{type(data).__name__}."
        )
    entries = list(data)
    return _index_of(data, len(entries), name), entries


def _is_gap(entry: Any) -> bool:
    return not hasattr(entry, "__len__") and bool(is_missing(read_keys([entry], "entry"))[0])


def _pairs(entry: Any, samples: NDArray, number: int, name: str, form: str) -> list:
    """Return the pairs of a dict; none of a missing one."""
    if isinstance(entry, Mapping):
        return list(entry.items())
    if _is_gap(entry):
        return []
    raise ValueError(
        f"{name} must hold one dict {form} per sample, but the sample "
        f"{samples.tolist()[number]!r} has {entry!r}. Lists of counts of the same length are a "
        f"matrix: numpy.array({name})."
    )


def _of_samples(annotators: Any, samples: NDArray, labels: Any) -> list:
    """Return the annotators of every sample, of a dict by its keys."""
    names, groups = _items(annotators, "annotators")
    if isinstance(annotators, Mapping) and isinstance(labels, Mapping):
        place = dict(zip(names.tolist(), groups, strict=True))
        missing = [sample for sample in samples.tolist() if sample not in place]
        if missing:
            raise ValueError(f"annotators has no entry for the samples {missing[:10]}.")
        return [place[sample] for sample in samples.tolist()]
    if len(groups) != len(samples):
        raise ValueError(
            f"labels has {len(samples)} samples, but annotators has {len(groups)} entries. Give "
            "one for every sample."
        )
    return groups


def _split(cell: Any, sep: str) -> list:
    """Return the entries of a cell; an empty place in text is missing."""
    if isinstance(cell, str):
        return [part.strip() or None for part in cell.split(sep)] if cell.strip() else []
    if hasattr(cell, "__len__"):
        return list(cell)
    return [] if _is_gap(cell) else [cell]


def _read_text(labels: list, classes: Any) -> list:
    """Return the labels, text as numbers where the classes are numbers."""
    if classes is None or read_keys(classes, "classes").dtype.kind not in "iufb":
        return labels
    return [_number(label) if isinstance(label, str) else label for label in labels]


def _number(text: str) -> float | int:
    try:
        value = float(text)
    except ValueError as error:
        raise ValueError(
            f"The label {text!r} is not a number, but the classes are. Give classes of strings."
        ) from error
    return int(value) if value.is_integer() else value


def _check_any(labels: list, name: str) -> None:
    if not labels:
        raise ValueError(f"{name} holds no vote: every sample is empty.")


def _marks(indicators: Any) -> NDArray[np.bool_]:
    """Return where an answer marks a class."""
    array = indicators.toarray() if sp.issparse(indicators) else np.asarray(indicators)
    if array.ndim != 2:
        raise ValueError(
            "indicators must have one row per answer and one column per class, got the shape "
            f"{array.shape}."
        )
    flat = read_column(array.ravel().tolist(), "indicators")
    wrong = is_missing(flat)
    wrong[~wrong] = [value not in (0, 1) for value in flat[~wrong].tolist()]
    if wrong.any():
        raise ValueError(
            f"indicators holds {flat[wrong][0]!r}, but its entries are 0 or 1. Leave out columns "
            "that are not classes."
        )
    return array.astype(bool)


def _class_names(indicators: Any, classes: Any, n_columns: int) -> NDArray:
    """Return the classes of the columns."""
    columns = column_names(indicators)
    names = columns if classes is None else read_keys(classes, "classes")
    if names is None:
        return np.arange(n_columns)
    if len(names) != n_columns or (columns is not None and names.tolist() != columns.tolist()):
        raise ValueError(
            f"indicators has {n_columns} columns, but classes are {names[:10].tolist()}. Give the "
            "class of every column, in order; the columns of a DataFrame have their names."
        )
    return names
