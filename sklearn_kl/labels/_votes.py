"""Votes in long format, one entry per vote, become counts by sample and class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_consistent_length

from sklearn_kl._data.classes import (
    check_distinct,
    find_columns,
    read_classes,
    split_mapping,
    unknown_labels,
)
from sklearn_kl._data.containers import (
    category_order,
    is_missing,
    mixes_types,
    read_column,
    read_keys,
)
from sklearn_kl._data.encode import encode_targets
from sklearn_kl._data.rows import check_row_order

if TYPE_CHECKING:
    import pandas as pd


class VoteTargets(NamedTuple):
    """Votes counted by sample and class; unpacks as ``counts, classes, samples``.

    Parameters
    ----------
    counts : ndarray or CSR array of shape (n_samples, n_classes)
        Votes, or sums of their weights; a row of zeros is a sample without a vote.
    classes : ndarray of shape (n_classes,)
        The class of every column.
    samples : ndarray of shape (n_samples,)
        The sample of every row.

    See Also
    --------
    votes_to_targets : Makes it.

    Examples
    --------
    >>> from sklearn_kl.labels import votes_to_targets
    >>> counts, classes, samples = votes_to_targets([1, 1, 2], ["no", "yes", "yes"])
    >>> counts
    array([[1., 1.],
           [0., 1.]])
    """

    counts: Any
    classes: NDArray
    samples: NDArray

    def to_frame(self) -> pd.DataFrame:
        """Return the counts as a DataFrame, whose column names tell an estimator the classes.

        Its index are the samples: an estimator refuses it beside features whose index holds the
        same samples in another order.

        Returns
        -------
        pandas.DataFrame of shape (n_samples, n_classes)
            The samples are its index.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError('to_frame needs pandas: pip install "sklearn-kl[pandas]".') from error
        counts = self.counts.toarray() if sp.issparse(self.counts) else self.counts
        return pd.DataFrame(counts, index=pd.Index(self.samples), columns=self.classes)


def votes_to_targets(
    samples: ArrayLike,
    labels: ArrayLike,
    *,
    annotators: ArrayLike | None = None,
    weights: ArrayLike | Mapping[Any, float] | None = None,
    classes: ArrayLike | None = None,
    sample_order: ArrayLike | None = None,
    abstain: Any = None,
    sparse_output: bool = False,
) -> VoteTargets:
    """Count votes in long format, one entry per vote, by sample and class.

    An estimator that fits on the counts weighs a sample by its number of votes;
    `normalize_rows` makes every sample weigh one.

    Parameters
    ----------
    samples : array-like of shape (n_votes,)
        Which sample every vote is about; a tuple is a name, too.
    labels : array-like of shape (n_votes,)
        The class that is voted for. A missing value (None, NaN, NaT, pandas.NA) is an abstention,
        which counts for nothing. Whole numbers that a missing value turned into floats become
        integers again.
    annotators : array-like of shape (n_votes,), default=None
        Who gives the vote. An annotator who votes several times on one sample has one vote, shared
        equally; None counts every entry as a vote of its own.
    weights : array-like of shape (n_votes,), dict or Series, default=None
        Non-negative weight of every vote, or of every annotator as ``{annotator: weight}`` or as a
        Series whose index names the annotators.
    classes : array-like of shape (n_classes,), default=None
        The classes in column order. None takes the categories of an ordered Categorical, or the
        sorted labels that occur. Labels such as 0.5 and 3.5 need it.
    sample_order : array-like of shape (n_samples,), default=None
        The samples in row order, such as ``X.index``; those without a vote get a row of zeros.
        None takes the sorted samples that occur, with or without a valid vote, which is seldom the
        order of the features.
    abstain : label or list of labels, default=None
        Labels that mean an abstention, such as -1.
    sparse_output : bool, default=False
        Whether the counts are a CSR array.

    Returns
    -------
    VoteTargets
        The counts of shape (n_samples, n_classes) and what its columns and rows are.

    Raises
    ------
    ValueError
        If lengths differ, a sample is missing or not in `sample_order`, the annotator of a vote is
        missing, a label is not in `classes`, `sample_order` or `classes` repeat an entry, an
        annotator has no weight, `abstain` is a string and the labels are not, or the reverse, or no
        vote is left.
    TypeError
        If the labels mix strings and others.

    See Also
    --------
    normalize_rows : Makes every sample weigh one.

    Examples
    --------
    >>> from sklearn_kl.labels import votes_to_targets
    >>> votes = votes_to_targets(
    ...     samples=["a", "a", "a", "b", "b"],
    ...     labels=["cat", "cat", "dog", "dog", None],
    ...     sample_order=["b", "a", "c"],
    ... )
    >>> votes.counts
    array([[0., 1.],
           [2., 1.],
           [0., 0.]])
    >>> votes.classes.tolist(), votes.samples.tolist()
    (['cat', 'dog'], ['b', 'a', 'c'])
    """
    check_row_order(samples=samples, labels=labels, annotators=annotators)
    index = _votes_index(samples, labels, annotators)
    classes = category_order(labels) if classes is None else read_classes(classes, "classes")
    votes = read_column(labels, "labels")
    named = read_keys(samples, "samples")
    people = None if annotators is None else read_keys(annotators, "annotators")
    _check_columns(samples=named, labels=votes, annotators=people)
    weight = _vote_weights(weights, people, index, len(votes))
    rows_of, row = _row_numbers(named, sample_order)
    valid = ~_abstentions(votes, abstain, classes)
    if not valid.any():
        raise ValueError("labels holds no vote: every entry is missing or an abstention.")
    _check_weights(weight[valid])
    if people is not None:
        weight[valid] *= _shares_of_repeats(row[valid], _annotator_codes(people, valid))
    targets = encode_targets(
        _whole_numbers(votes, valid), classes=classes, sample_weight=weight[valid], name="labels"
    )
    shape = (len(rows_of), targets.n_classes)
    counts = sp.coo_array((targets.mass, (row[valid], targets.codes)), shape=shape).tocsr()
    return VoteTargets(counts if sparse_output else counts.toarray(), targets.classes, rows_of)


def _votes_index(*columns: Any) -> Any:
    """Return the index that the columns of votes have, or None."""
    return next((column.index for column in columns if hasattr(column, "iloc")), None)


def _check_columns(samples: NDArray, labels: NDArray, annotators: NDArray | None) -> None:
    """Raise unless all columns of votes are 1-D, of the same length, and name the samples."""
    columns = {"samples": samples, "labels": labels, "annotators": annotators}
    for name, column in columns.items():
        if column is not None and column.ndim != 1:
            raise ValueError(f"{name} must be 1-D, one entry per vote, got shape {column.shape}.")
    check_consistent_length(*columns.values())

    missing = is_missing(samples)
    if missing.any():
        raise ValueError(
            f"samples holds missing values, the first in vote {int(missing.argmax())}: name the "
            "sample of every vote, or drop it."
        )


def _abstentions(labels: NDArray, abstain: Any, classes: NDArray | None) -> NDArray[np.bool_]:
    """Return where a label is missing or means an abstention."""
    missing = is_missing(labels)
    present = labels[~missing]
    if mixes_types(present):
        raise TypeError(
            "The labels in labels mix strings and others, which never match. Convert them to one "
            "type first, for example numpy.array(labels).astype(str)."
        )
    plain = isinstance(abstain, str) or not isinstance(abstain, Iterable)
    values = read_column([abstain] if plain else list(abstain), "abstain")
    values = values[~is_missing(values)].tolist()
    if not len(present) or not values:
        return missing
    strings = isinstance(present.tolist()[0], str)
    for value in values:
        if isinstance(value, str) != strings:
            raise ValueError(
                f"abstain={value!r} never matches labels such as {present.tolist()[0]!r}, since "
                "strings and others differ. Pass it in the type of the labels."
            )
    if classes is not None and (find_columns(values, classes) >= 0).any():
        raise ValueError(f"abstain={abstain!r} is among the classes {classes[:10].tolist()}, too.")
    return missing | (find_columns(labels, values) >= 0)


def _whole_numbers(labels: NDArray, valid: NDArray[np.bool_]) -> NDArray:
    """Return the valid labels, as integers where missing values had turned these into floats."""
    kept = labels[valid]
    if kept.dtype.kind == "O":
        return read_column(kept.tolist(), "labels")
    if kept.dtype.kind == "f" and np.isnan(labels).any() and (kept == np.rint(kept)).all():
        return kept.astype(np.int64)
    return kept


def _row_numbers(samples: NDArray, sample_order: ArrayLike | None) -> tuple[NDArray, NDArray]:
    """Return the sample of every row, and the row of every vote."""
    if sample_order is None:
        order = _sorted_distinct(samples)
        return order, find_columns(samples, order)
    order = read_keys(sample_order, "sample_order")
    if order.ndim != 1:
        raise ValueError(
            f"sample_order must be 1-D, one entry per sample, got shape {order.shape}. Of a "
            "DataFrame X, pass X.index."
        )
    check_distinct(order.tolist(), "sample_order")
    unknown = unknown_labels(list(dict.fromkeys(samples.tolist())), order)
    if unknown:
        raise ValueError(
            f"{len(unknown)} samples with votes are not in sample_order: {unknown[:10]}. Add them, "
            "or keep only the votes on samples that are in it."
        )
    return order, find_columns(samples, order)


def _sorted_distinct(samples: NDArray) -> NDArray:
    try:
        if samples.dtype.kind != "O":
            return np.unique(samples)
        return read_keys(sorted(set(samples.tolist())), "samples")
    except TypeError as error:
        raise TypeError(
            f"samples holds names that do not sort: {error}. Pass sample_order, or convert them to "
            "one type, for example to strings."
        ) from error


def _vote_weights(
    weights: Any, annotators: NDArray | None, index: Any, n_votes: int
) -> NDArray[np.float64]:
    """Return a new array of the weight of every vote."""
    if weights is None:
        return np.ones(n_votes)
    if hasattr(weights, "iloc") and _is_per_vote(weights, annotators, index, n_votes):
        weights = weights.to_numpy()
    numbers, names = split_mapping(weights, "weights")
    try:
        numbers = np.array(numbers, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"weights must hold numbers: {error}.") from error
    if names is None:
        if numbers.shape != (n_votes,):
            raise ValueError(
                f"weights has shape {numbers.shape}, but there are {n_votes} votes. Give one "
                "weight per vote, or a dict of annotator to weight."
            )
        return numbers
    if annotators is None:
        raise ValueError("weights is a dict of annotator to weight: pass annotators too.")
    people = [name for name in dict.fromkeys(annotators.tolist()) if not _is_none(name)]
    missing = unknown_labels(people, names)
    if missing:
        raise ValueError(f"weights has no entry for the annotators {missing[:10]}.")
    # The last place is for a missing annotator, which only an abstention may have.
    return np.append(numbers, 0.0)[find_columns(annotators, names)]


def _is_none(name: Any) -> bool:
    return bool(is_missing(read_keys([name], "annotators"))[0])


def _is_per_vote(weights: Any, annotators: NDArray | None, index: Any, n_votes: int) -> bool:
    """Say whether a Series has a weight for every vote; if not, its index names annotators."""
    if len(weights) != n_votes or not weights.index.is_unique:
        return annotators is None or not weights.index.is_unique
    people = set() if annotators is None else set(annotators.tolist())
    same_rows = index is not None and weights.index.equals(index)
    if not people or not people <= set(weights.index.tolist()):
        if index is not None:
            check_row_order(labels=weights.set_axis(index), weights=weights)
        return True
    if same_rows and people != set(weights.index.tolist()):
        return True
    if not same_rows and weights.index.tolist() != list(range(n_votes)):
        return False
    by_vote = weights.to_numpy()
    if (by_vote == weights.loc[annotators].to_numpy()).all():
        return True
    raise ValueError(
        "weights is a Series that can be read in two ways: its index names all annotators, and it "
        "has an entry for every vote. Pass weights.to_dict() for weights of annotators, or "
        "weights.to_numpy() for weights of votes."
    )


def _check_weights(weight: NDArray) -> None:
    """Raise for a weight of a vote that is not finite or below zero."""
    wrong = ~(np.isfinite(weight) & (weight >= 0))
    if wrong.any():
        value = weight[wrong.argmax()]
        what = "Negative values" if value < 0 else "Values that are not finite"
        raise ValueError(f"{what} in weights: {value:g}. Weights are finite and at least 0.")
    if not weight.any():
        raise ValueError("No vote has a weight above 0: there is nothing to count.")


def _annotator_codes(annotators: NDArray, valid: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return a number for the annotator of every valid vote."""
    missing = is_missing(annotators) & valid
    if missing.any():
        raise ValueError(
            f"annotators holds missing values in {int(missing.sum())} votes, the first in vote "
            f"{int(missing.argmax())}: who gave them is unknown, and they would count as one "
            "person. Name the annotator of every vote, drop those votes, or leave annotators out "
            "to count every entry as a vote of its own."
        )
    people = annotators[valid]
    if people.dtype.kind != "O":
        return np.unique(people, return_inverse=True)[1]
    return find_columns(people, list(dict.fromkeys(people.tolist())))


def _shares_of_repeats(row: NDArray, who: NDArray) -> NDArray[np.float64]:
    """Return one over the number of votes of the same annotator on the same sample."""
    pair = row * (int(who.max()) + 1) + who
    _, inverse, times = np.unique(pair, return_inverse=True, return_counts=True)
    return 1.0 / times[inverse]
