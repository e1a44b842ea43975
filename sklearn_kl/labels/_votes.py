"""Votes in long format, one entry per vote, become counts by sample and class."""

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.utils import check_consistent_length

from sklearn_kl._data.classes import find_columns, unknown_labels
from sklearn_kl._data.encode import encode_targets


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
    classes: np.ndarray
    samples: np.ndarray

    def to_frame(self):
        """Return the counts as a DataFrame, whose column names tell an estimator the classes.

        Returns
        -------
        pandas.DataFrame of shape (n_samples, n_classes)
            The samples are its index.
        """
        import pandas as pd

        counts = self.counts.toarray() if sp.issparse(self.counts) else self.counts
        return pd.DataFrame(counts, index=self.samples, columns=self.classes)


def votes_to_targets(
    samples,
    labels,
    *,
    annotators=None,
    weights=None,
    classes=None,
    sample_order=None,
    abstain=None,
    sparse_output=False,
):
    """Count votes in long format, one entry per vote, by sample and class.

    An estimator that fits on the counts weighs a sample by its number of votes;
    `normalize_rows` makes every sample weigh one.

    Parameters
    ----------
    samples : array-like of shape (n_votes,)
        Which sample every vote is about.
    labels : array-like of shape (n_votes,)
        The class that is voted for. A missing value (None, NaN) is an abstention, which counts
        for nothing. Whole numbers that a missing value turned into floats become integers again.
    annotators : array-like of shape (n_votes,), default=None
        Who gives the vote. An annotator who votes several times on one sample has one vote, shared
        equally; None counts every entry as a vote of its own.
    weights : array-like of shape (n_votes,) or dict, default=None
        Non-negative weight of every vote, or of every annotator as ``{annotator: weight}``.
    classes : array-like of shape (n_classes,), default=None
        The classes in column order. None takes the sorted labels that occur.
    sample_order : array-like of shape (n_samples,), default=None
        The samples in row order, such as the index of the features; those without a vote get a
        row of zeros. None takes the sorted samples that occur, with or without a valid vote.
    abstain : label, default=None
        A label that means an abstention, such as -1.
    sparse_output : bool, default=False
        Whether the counts are a CSR array.

    Returns
    -------
    VoteTargets
        The counts of shape (n_samples, n_classes) and what its columns and rows are.

    Raises
    ------
    ValueError
        If lengths differ, a sample is missing or not in `sample_order`, a label is not in
        `classes`, `sample_order` or `classes` repeat an entry, an annotator has no weight, or no
        vote is left.

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
    samples, labels = _column(samples, "samples"), _column(labels, "labels")
    annotators = None if annotators is None else _column(annotators, "annotators")
    check_consistent_length(samples, labels, annotators)
    if _is_missing(samples).any():
        raise ValueError("samples holds missing values: name the sample of every vote, or drop it.")
    weight = _vote_weights(weights, annotators, len(labels))
    samples, row = _row_numbers(samples, sample_order)
    valid = ~_is_missing(labels) if abstain is None else ~_is_missing(labels) & (labels != abstain)
    if not valid.any():
        raise ValueError("labels holds no vote: every entry is missing or an abstention.")
    if annotators is not None:
        weight[valid] *= _shares_of_repeats(row[valid], annotators[valid])
    votes = encode_targets(
        _whole_numbers(labels, valid),
        classes=_distinct(classes, "classes"),
        sample_weight=weight[valid],
        name="labels",
    )
    shape = (len(samples), votes.n_classes)
    counts = sp.coo_array((votes.mass, (row[valid], votes.codes)), shape=shape).tocsr()
    return VoteTargets(counts if sparse_output else counts.toarray(), votes.classes, samples)


def _column(values, name):
    """Return one column of the votes as a 1-D array."""
    values = np.asarray(values)
    if values.ndim != 1:
        raise ValueError(f"{name} must be 1-D, one entry per vote, got shape {values.shape}.")
    return values


def _is_missing(values):
    """Return where an array holds NaN, NaT, None or pandas.NA."""
    if values.dtype.kind in "fcmM":
        return np.isnat(values) if values.dtype.kind in "mM" else np.isnan(values)
    if values.dtype.kind != "O":
        return np.zeros(len(values), dtype=bool)
    # pandas.NA answers no comparison, so it is known by its type.
    return np.array(
        [v is None or type(v).__name__ == "NAType" or v != v for v in values], dtype=bool
    )


def _whole_numbers(labels, valid):
    """Return the valid labels, as integers where missing values had turned these into floats."""
    kept = labels[valid]
    if kept.dtype.kind == "O":
        return np.array(kept.tolist())
    if kept.dtype.kind == "f" and np.isnan(labels).any() and (kept == np.rint(kept)).all():
        return kept.astype(np.int64)
    return kept


def _distinct(values, name):
    """Return an array of entries that must differ, or None."""
    if values is None:
        return None
    values = np.asarray(values)
    distinct, times = np.unique(values, return_counts=True)
    if len(distinct) < len(values):
        repeated = distinct[times > 1][:10].tolist()
        raise ValueError(f"{name} must not repeat an entry, but holds {repeated} more than once.")
    return values


def _row_numbers(samples, sample_order):
    """Return the sample of every row, and the row of every vote."""
    present, inverse = np.unique(samples, return_inverse=True)
    if sample_order is None:
        return present, inverse
    order = _distinct(sample_order, "sample_order")
    rows = find_columns(present, order)
    unknown = unknown_labels(present, order)
    if unknown:
        raise ValueError(
            f"{len(unknown)} samples with votes are not in sample_order: {unknown[:10]}. Add them, "
            "or keep only the votes on samples that are in it."
        )
    return order, rows[inverse]


def _vote_weights(weights, annotators, n_votes):
    """Return a new array of the weight of every vote."""
    if weights is None:
        return np.ones(n_votes)
    if not hasattr(weights, "keys") or hasattr(weights, "index"):
        weight = np.array(weights, dtype=np.float64)
        if weight.shape != (n_votes,):
            raise ValueError(
                f"weights has shape {weight.shape}, but there are {n_votes} votes. Give one weight "
                "per vote, or a dict of annotator to weight."
            )
        return weight
    if annotators is None:
        raise ValueError("weights is a dict of annotator to weight: pass annotators too.")
    names, inverse = np.unique(annotators, return_inverse=True)
    missing = [name for name in names.tolist() if name not in weights]
    if missing:
        raise ValueError(f"weights has no entry for the annotators {missing[:10]}.")
    return np.array([weights[name] for name in names.tolist()], dtype=np.float64)[inverse]


def _shares_of_repeats(row, annotators):
    """Return one over the number of votes of the same annotator on the same sample."""
    names, who = np.unique(annotators, return_inverse=True)
    _, inverse, times = np.unique(row * len(names) + who, return_inverse=True, return_counts=True)
    return 1.0 / times[inverse]
