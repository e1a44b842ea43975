"""AnnotatorVotes: who said what about which sample, in sparse memory."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_consistent_length

from sklearn_kl._data.encode import encode_targets
from sklearn_kl.labels import votes_to_targets


@dataclass(frozen=True, eq=False)
class AnnotatorVotes:
    """Votes by sample and annotator in sparse memory, as a matrix of labels with gaps would say.

    Made by `from_long`; `AnnotatorClassifier` takes it in place of a matrix of labels. Like one,
    it has a row per sample and a column per annotator, and ``votes[rows]`` are some of its rows.

    Parameters
    ----------
    table : CSR array of shape (n_samples, n_annotators * n_classes)
        Number of votes of annotator a for class l in column ``a * n_classes + l``.
    classes : ndarray of shape (n_classes,)
        What can be voted for.
    annotators : ndarray of shape (n_annotators,)
        Names of the annotators.
    samples : ndarray of shape (n_samples,) or None
        Names of the samples.
    unnamed : bool, default=False
        Whether the annotators are columns without names, which their positions stand for.

    See Also
    --------
    sklearn_kl.AnnotatorClassifier : Learns from it.
    sklearn_kl.labels.votes_to_targets : Counts votes, whoever gave them.

    Examples
    --------
    >>> from sklearn_kl import AnnotatorVotes
    >>> votes = AnnotatorVotes.from_long(
    ...     samples=["a", "a", "b"], labels=["cat", "dog", "dog"], annotators=["Ann", "Bob", "Ann"]
    ... )
    >>> votes.shape
    (2, 2)
    >>> votes.counts
    array([[1., 1.],
           [0., 1.]])
    """

    table: Any
    classes: NDArray
    annotators: NDArray
    samples: NDArray | None = None
    unnamed: bool = False

    ndim = 2

    @classmethod
    def from_long(
        cls,
        samples: ArrayLike,
        labels: ArrayLike,
        annotators: ArrayLike,
        *,
        classes: ArrayLike | None = None,
        sample_order: ArrayLike | None = None,
        abstain: Any = None,
    ) -> "AnnotatorVotes":
        """Read votes in long format: one entry per vote.

        Parameters
        ----------
        samples : array-like of shape (n_votes,)
            Which sample every vote is about.
        labels : array-like of shape (n_votes,)
            The class that is voted for; None, NaN and `abstain` are no votes.
        annotators : array-like of shape (n_votes,)
            Who gives the vote. Several votes of an annotator on one sample share one vote.
        classes : array-like of shape (n_classes,), default=None
            The classes in column order; None takes the sorted labels that occur.
        sample_order : array-like of shape (n_samples,), default=None
            The samples in row order, such as the index of the features. None takes the sorted
            samples that occur.
        abstain : label, default=None
            A label that means an abstention, such as -1.

        Returns
        -------
        AnnotatorVotes
            With a row for every sample; it may be without votes.

        Raises
        ------
        ValueError
            In the cases of `sklearn_kl.labels.votes_to_targets`, or if an annotator is missing.
        """
        check_consistent_length(samples, labels, annotators)
        each = votes_to_targets(
            np.arange(len(np.asarray(labels))),
            labels,
            classes=classes,
            abstain=abstain,
            sparse_output=True,
        )
        who = encode_targets(annotators, name="annotators")
        valid = np.flatnonzero(np.asarray(each.counts.sum(axis=1)).ravel())
        n_classes, n_annotators = len(each.classes), who.n_classes
        # An abstention is a column of its own here, so that its sample is known.
        cell = np.full(len(who.codes), n_annotators * n_classes)
        cell[valid] = who.codes[valid] * n_classes + each.counts.indices
        counted = votes_to_targets(
            samples,
            cell,
            annotators=who.codes,
            classes=np.arange(n_annotators * n_classes + 1),
            sample_order=sample_order,
            sparse_output=True,
        )
        return cls(counted.counts[:, :-1], each.classes, who.classes, counted.samples)

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of samples and of annotators."""
        return self.table.shape[0], len(self.annotators)

    @cached_property
    def totals(self) -> NDArray:
        """Votes of every sample: ndarray of shape (n_samples,)."""
        return np.asarray(self.table.sum(axis=1)).ravel()

    @cached_property
    def counts(self) -> NDArray:
        """Votes by sample and class: ndarray of shape (n_samples, n_classes)."""
        entries = self.table.tocoo()
        cells = entries.row.astype(np.int64) * self.n_classes + entries.col % self.n_classes
        size = self.table.shape[0] * self.n_classes
        return np.bincount(cells, entries.data, minlength=size).reshape(-1, self.n_classes)

    @property
    def n_votes(self) -> NDArray:
        """Votes of every annotator: ndarray of shape (n_annotators,) of int."""
        columns = np.asarray(self.table.sum(axis=0)).reshape(-1, self.n_classes)
        return np.rint(columns.sum(axis=1)).astype(np.int64)

    def __len__(self) -> int:
        return self.table.shape[0]

    def __getitem__(self, rows: Any) -> "AnnotatorVotes":
        # Tools of scikit-learn index the rows of an array by (rows, ...).
        rows = rows[0] if isinstance(rows, tuple) else rows
        if np.ndim(rows) == 0 and not isinstance(rows, slice):
            rows = [rows]
        names = None if self.samples is None else self.samples[rows]
        return replace(self, table=self.table[rows], samples=names)

    def log_likelihood(self, matrices: NDArray) -> NDArray:
        """Log-likelihood of every sample's votes for every hidden class.

        Parameters
        ----------
        matrices : ndarray of shape (n_annotators, n_classes, n_classes)
            Confusion matrices, hidden class by vote.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Nats; minus infinity where a vote is impossible.
        """
        with np.errstate(divide="ignore"):
            logs = np.log(matrices)
        return self.table @ logs.transpose(0, 2, 1).reshape(-1, self.n_classes)

    def expected_counts(self, weight: NDArray) -> NDArray:
        """Votes by annotator, hidden class and vote.

        Parameters
        ----------
        weight : ndarray of shape (n_samples, n_classes)
            Probability that each class is the hidden one, times the weight of the sample.

        Returns
        -------
        ndarray of shape (n_annotators, n_classes, n_classes)
            Hidden class before vote.
        """
        sums = np.asarray(self.table.T @ weight)
        return sums.reshape(-1, self.n_classes, self.n_classes).transpose(0, 2, 1)
