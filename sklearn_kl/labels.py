"""Targets from where people have them: votes, labels, a teacher; and other models for them."""

from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.utils import check_consistent_length

from sklearn_kl._data.classes import find_columns, unknown_labels
from sklearn_kl._data.distributions import check_distributions
from sklearn_kl._data.encode import column_names, encode_targets
from sklearn_kl._replicated import ReplicatedRows

__all__ = [
    "ReplicatedRows",
    "VoteTargets",
    "apply_temperature",
    "mix_targets",
    "normalize_rows",
    "smooth_labels",
    "votes_to_targets",
]


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


def smooth_labels(y, epsilon=0.1, *, prior=None, classes=None):
    """Move a share of every row's mass from its labels to a prior over the classes.

    The result is ``(1 - epsilon) * Y + epsilon * m * prior``, where Y is one-hot for labels and m
    is the row's total: 1 for labels and distributions, the number of votes for counts.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_classes)
        Labels, distributions or counts.
    epsilon : float, default=0.1
        Share that is moved, between 0 and 1.
    prior : array-like of shape (n_classes,), default=None
        Probabilities of the classes, in column order; None means uniform.
    classes : array-like of shape (n_classes,), default=None
        The classes in column order. None takes the sorted labels or the columns.

    Returns
    -------
    ndarray or DataFrame of shape (n_samples, n_classes)
        Targets with the totals of `y`; a DataFrame if `y` is one. A row of zeros stays so.

    Raises
    ------
    ValueError
        If `epsilon` is not in [0, 1] or `prior` is not a distribution over the classes.

    References
    ----------
    .. [1] C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens and Z. Wojna, "Rethinking the Inception
       Architecture for Computer Vision", CVPR 2016, section 7.

    Examples
    --------
    >>> from sklearn_kl.labels import smooth_labels
    >>> smooth_labels(["no", "yes", "yes"], 0.2)
    array([[0.9, 0.1],
           [0.1, 0.9],
           [0.1, 0.9]])
    """
    _check_share(epsilon, "epsilon")
    targets = encode_targets(y, classes=_distinct(classes, "classes"))
    strengths = _strengths(targets)
    share = _check_prior(prior, targets.n_classes)
    smoothed = (1 - epsilon) * strengths + epsilon * targets.mass[:, None] * share
    return _like(smoothed, targets.classes, y)


def apply_temperature(y_proba, temperature):
    """Flatten distributions (temperature above 1) or sharpen them (below 1).

    A row p becomes ``p_k**(1 / T) / sum_j p_j**(1 / T)``, which is the softmax of its logits
    divided by T. It keeps its total, so that counts weigh what they did.

    Parameters
    ----------
    y_proba : array-like or sparse matrix of shape (n_samples, n_classes)
        Distributions, such as a teacher's predictions, or counts.
    temperature : float
        The divisor T, greater than 0; 1 changes nothing.

    Returns
    -------
    ndarray, CSR array or DataFrame of shape (n_samples, n_classes)
        The rows at that temperature, in the container of `y_proba`. Zeros stay zeros.

    Raises
    ------
    ValueError
        If `y_proba` is not a matrix or `temperature` not a finite number above 0.

    Notes
    -----
    In distillation [1]_ the student is trained on the teacher's softened probabilities by a
    softmax at the same temperature; predictions of a student that is trained without one are as
    soft as the targets.

    References
    ----------
    .. [1] G. Hinton, O. Vinyals and J. Dean, "Distilling the Knowledge in a Neural Network", 2015,
       arXiv:1503.02531.

    Examples
    --------
    >>> from sklearn_kl.labels import apply_temperature
    >>> apply_temperature([[0.8, 0.2], [0.5, 0.5]], 2.0).round(3)
    array([[0.667, 0.333],
           [0.5  , 0.5  ]])
    """
    if not (isinstance(temperature, Real) and 0 < temperature < np.inf):
        raise ValueError(f"temperature must be a finite number above 0, got {temperature!r}.")
    targets = _encode_matrix(y_proba, "y_proba")
    # Shares of the largest entry are at most one, so that no power overflows.
    shares = _divide_rows(targets.matrix, _flat(targets.matrix.max(axis=1)))
    shares = shares ** (1.0 / temperature)
    totals = _flat(shares.sum(axis=1)) / np.where(targets.mass > 0, targets.mass, 1.0)
    return _like(_divide_rows(shares, totals), targets.classes, y_proba)


def mix_targets(y, teacher_proba, teacher_weight=0.5, *, classes=None):
    """Mix targets with the probabilities of a teacher.

    The result is ``(1 - a) * Y + a * T``, where Y is one-hot for labels, T is the teacher's
    matrix and a is its weight. The cross-entropy of a model to the mix is the same mix of its
    cross-entropies to Y and to T. An unlabelled row of `y` keeps the teacher's part, and so
    weighs a.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_classes)
        Labels, distributions or counts. A row of zeros is unlabelled.
    teacher_proba : array-like of shape (n_samples, n_classes)
        The teacher's probabilities. An array has its columns in the order of the classes; a
        DataFrame is matched by its column names.
    teacher_weight : float, default=0.5
        The share a, between 0 and 1.
    classes : array-like of shape (n_classes,), default=None
        The classes in column order, such as ``teacher.classes_``. None takes the columns of `y`,
        or for labels those of `teacher_proba` if it is a DataFrame, or else the sorted labels.

    Returns
    -------
    ndarray or DataFrame of shape (n_samples, n_classes)
        The mix; a DataFrame if `y` or the teacher's matrix is one.

    Raises
    ------
    ValueError
        If `teacher_weight` is not in [0, 1], or rows or classes do not match.

    References
    ----------
    .. [1] G. Hinton, O. Vinyals and J. Dean, "Distilling the Knowledge in a Neural Network", 2015,
       arXiv:1503.02531.

    Examples
    --------
    >>> from sklearn_kl.labels import mix_targets
    >>> mix_targets(["no", "yes"], [[0.6, 0.4], [0.2, 0.8]], 0.5)
    array([[0.8, 0.2],
           [0.1, 0.9]])
    """
    _check_share(teacher_weight, "teacher_weight")
    frame = teacher_proba if column_names(y) is None else y
    classes = _distinct(classes, "classes")
    if classes is None and np.ndim(y) == 1:
        classes = column_names(teacher_proba)
    targets = encode_targets(y, classes=classes)
    teacher = _encode_matrix(teacher_proba, "teacher_proba", targets.classes)
    check_consistent_length(targets.mass, teacher.mass)
    mixed = (1 - teacher_weight) * _strengths(targets) + teacher_weight * _strengths(teacher)
    return _like(mixed, targets.classes, frame)


def normalize_rows(y):
    """Divide every row by its total, so that every sample weighs one however many votes it has.

    Nothing else in this package does so: counts weigh their total.

    Parameters
    ----------
    y : array-like or sparse matrix of shape (n_samples, n_classes)
        Counts, or any non-negative numbers.

    Returns
    -------
    ndarray, CSR array or DataFrame of shape (n_samples, n_classes)
        Distributions, in the container of `y`. A row of zeros stays so: unlabelled.

    Raises
    ------
    ValueError
        If `y` is not a matrix, holds a negative, missing or infinite number, or only zeros.

    Examples
    --------
    >>> from sklearn_kl.labels import normalize_rows
    >>> normalize_rows([[3, 1], [0, 10], [0, 0]])
    array([[0.75, 0.25],
           [0.  , 1.  ],
           [0.  , 0.  ]])
    """
    targets = _encode_matrix(y, "y")
    return _like(_divide_rows(targets.matrix, targets.mass), targets.classes, y)


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


def _encode_matrix(y, name, classes=None):
    """Return the Targets of a matrix; labels raise."""
    targets = encode_targets(y, classes=classes, name=name)
    if targets.codes is not None:
        raise ValueError(
            f"{name} must be a matrix with one column per class, got 1-D values. "
            "smooth_labels(y, 0) makes labels one-hot."
        )
    return targets


def _strengths(targets):
    """Return strengths as a row-major matrix."""
    return np.ascontiguousarray(targets.block(slice(None)).T)


def _check_share(value, name):
    if not (isinstance(value, Real) and 0 <= value <= 1):
        raise ValueError(f"{name} must be a number from 0 to 1, got {value!r}.")


def _check_prior(prior, n_classes):
    """Return the prior as an array; None is uniform."""
    if prior is None:
        return np.full(n_classes, 1.0 / n_classes)
    prior = np.asarray(prior, dtype=np.float64)
    if prior.shape != (n_classes,):
        raise ValueError(
            f"prior has shape {prior.shape}, but there are {n_classes} classes: give one "
            "probability per class."
        )
    return check_distributions(prior, "prior")


def _flat(values):
    """Return the maxima or sums of rows as a 1-D array."""
    values = values.toarray() if sp.issparse(values) else np.asarray(values)
    return values.ravel().astype(np.float64)


def _divide_rows(matrix, divisor):
    """Return every row over its divisor; a row of zeros stays so."""
    divisor = np.where(divisor > 0, divisor, 1.0)
    if not sp.issparse(matrix):
        return matrix / divisor[:, None]
    divided = sp.csr_array(matrix, dtype=np.float64, copy=True)
    divided.data /= np.repeat(divisor, np.diff(divided.indptr))
    return divided


def _like(values, classes, frame):
    """Return the values as a DataFrame if the other one is."""
    if column_names(frame) is None:
        return values
    if hasattr(frame, "index"):
        return type(frame)(values, index=frame.index, columns=classes)
    return type(frame)(values, schema=[str(name) for name in classes], orient="row")
