"""Splitters that keep the mass of every class even across the parts, for any kind of target."""

import warnings
from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.model_selection import (
    BaseCrossValidator,
    BaseShuffleSplit,
    ShuffleSplit,
    StratifiedKFold,
    check_cv,
)
from sklearn.utils import check_array

from sklearn_kl._data.encode import encode_targets
from sklearn_kl._numbers import check_flag, check_number, check_seed, check_whole
from sklearn_kl.model_selection._deal import (
    deal_evenly,
    deal_groups,
    deal_in_blocks,
    group_sums,
    leading_class,
    strengths_of_rows,
)


class _SoftFolds(BaseCrossValidator):
    """What folds of rows and folds of groups share: parameters and their checks."""

    def __init__(
        self,
        n_splits: int = 5,
        *,
        shuffle: bool = False,
        random_state: Any = None,
    ):
        check_whole(n_splits, "n_splits", least=2)
        check_flag(shuffle, "shuffle")
        if not shuffle and random_state is not None:
            raise ValueError(
                "random_state has no effect without shuffle: set shuffle=True, or leave "
                "random_state=None."
            )
        self.n_splits = n_splits
        self.shuffle = shuffle
        self.random_state = random_state

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds.

        Parameters
        ----------
        X : object, default=None
            Ignored.
        y : object, default=None
            Ignored.
        groups : object, default=None
            Ignored.

        Returns
        -------
        int
            Number of folds.
        """
        return self.n_splits

    def _rng(self):
        """Return the source of random orders, None without shuffle."""
        return check_seed(self.random_state) if self.shuffle else None


class SoftStratifiedKFold(_SoftFolds):
    """K folds with even shares of every class's mass, for distributions and counts, too.

    :class:`sklearn.model_selection.StratifiedKFold` for any kind of target. Fold sizes differ by
    one row at most.

    - Without `shuffle`, rows that are neighbours stay together: the rows that lead with the same
      class are cut into `n_splits` runs of consecutive rows. For labels and one-hot rows these are
      the folds of `StratifiedKFold`.
    - With `shuffle`, rows are dealt in random order such that the sums over folds of every class's
      strengths and of the rows' entropy stay even: about a hundred times as even as random folds
      of a few thousand distributions, ten times as even for 200. For labels every fold has the
      floor or the ceiling of ``n_k / n_splits`` rows of class k.

    Rows without mass are shared out evenly, too. The unit of the votes does not matter, nor how
    they are stored.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    shuffle : bool, default=False
        Whether to deal the rows in random order. Use it for rows that are independent of each
        other. Where neighbours are alike, as in a time series or in pages of one writer, shuffled
        folds test on what was trained on.
    random_state : int, RandomState instance or None, default=None
        Source of the order, with `shuffle`.

    See Also
    --------
    SoftStratifiedGroupKFold : Keeps all rows of a person, or of any other group, in one fold.
    SoftStratifiedShuffleSplit : Repeated random splits into two parts.
    cross_val_predict : Splits a matrix of targets by it.

    Notes
    -----
    With `shuffle`, rows sorted by their heaviest class are dealt in rounds of `n_splits`, one to
    each fold. A round is the linear assignment of its rows to the folds that minimises the sum over
    folds of squared deviations from an even share, each quantity in units of its root sum of
    squares over rows, which is what a random split leaves of it. With more than 128 classes random
    sums of classes are watched in place of each.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kl.model_selection import SoftStratifiedKFold
    >>> votes = np.array([[9, 1], [8, 2], [7, 3], [6, 4], [1, 9], [2, 8], [3, 7], [4, 6]])
    >>> for train, test in SoftStratifiedKFold(2).split(votes, votes):
    ...     print(test, votes[test].sum(axis=0))
    [0 1 4 5] [20 20]
    [2 3 6 7] [20 20]
    """

    def split(self, X: Any, y: Any, groups: Any = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Split the rows into every fold and its complement.

        Parameters
        ----------
        X : array-like of n_samples rows
            Only its length matters.
        y : array-like of shape (n_samples,) or {array-like, sparse matrix} of shape \
                (n_samples, n_classes)
            Labels, distributions or counts.
        groups : object, default=None
            Ignored, with a warning if it is given.

        Returns
        -------
        iterator of tuple of (ndarray of int, ndarray of int)
            The rows to train on and those to test on, both ascending, for every fold.

        Raises
        ------
        ValueError
            If fewer than `n_splits` rows have mass.

        Warns
        -----
        UserWarning
            If fewer than `n_splits` rows have mass of some class, which then is missing from some
            folds; if `groups` is given.
        """
        _warn_of_groups(self, groups)
        return super().split(X, y)

    def _iter_test_masks(self, X=None, y=None, groups=None):
        targets = encode_targets(y)
        n_labelled = np.count_nonzero(targets.mass)
        if n_labelled < self.n_splits:
            raise ValueError(
                f"n_splits={self.n_splits}, but only {n_labelled} rows of y have mass: every fold "
                "needs one. Use fewer folds."
            )
        strengths = strengths_of_rows(targets)
        _warn_of_rare_classes(targets.classes, strengths, self.n_splits, "folds", "n_splits")
        rng = self._rng()
        if rng is None:
            fold = deal_in_blocks(leading_class(strengths), self.n_splits)
        else:
            slots = np.arange(targets.n_samples) % self.n_splits
            fold = deal_evenly(strengths, slots, self.n_splits, rng)
        for number in range(self.n_splits):
            yield fold == number


class SoftStratifiedGroupKFold(_SoftFolds):
    """K folds of whole groups with even shares of every class's mass, entropy and rows.

    :class:`sklearn.model_selection.StratifiedGroupKFold` for any kind of target: where rows belong
    together, as the pictures of one person, no group is both trained and tested on.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    shuffle : bool, default=False
        Whether groups are taken in random order. What is even in the end decides on the folds
        first, so that few groups may have the same folds for any order.
    random_state : int, RandomState instance or None, default=None
        Source of the order, with `shuffle`.

    See Also
    --------
    SoftStratifiedKFold : Folds of rows that are independent.

    Notes
    -----
    Groups go to folds one by one, the largest first, each to where it brings the sum over folds of
    squared deviations from an even share down most; then groups move or change places while that
    lowers the sum (only the former with more than 512 groups). Each quantity counts in units of
    its root sum of squares over groups.

    With metadata routing enabled, scikit-learn's tools pass it `groups` without being asked to.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kl.model_selection import SoftStratifiedGroupKFold
    >>> votes = np.array([[9, 1], [8, 2], [1, 9], [9, 1], [2, 8], [1, 9]])
    >>> people = ["ann", "ann", "bob", "cy", "dee", "dee"]
    >>> for train, test in SoftStratifiedGroupKFold(2).split(votes, votes, people):
    ...     print(test, votes[test].sum(axis=0))
    [0 1 2] [18 12]
    [3 4 5] [12 18]
    """

    # As of scikit-learn's splitters by groups: groups are passed on without a request.
    __metadata_request__split = {"groups": True}

    def split(self, X: Any, y: Any, groups: Any = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Split the rows into every fold and its complement.

        Parameters
        ----------
        X : array-like of n_samples rows
            Only its length matters.
        y : array-like of shape (n_samples,) or {array-like, sparse matrix} of shape \
                (n_samples, n_classes)
            Labels, distributions or counts.
        groups : array-like of shape (n_samples,)
            Group of every row: strings or numbers.

        Returns
        -------
        iterator of tuple of (ndarray of int, ndarray of int)
            The rows to train on and those to test on, both ascending, for every fold.

        Raises
        ------
        ValueError
            If `groups` is None, or a row has no group; if fewer than `n_splits` groups have mass.

        Warns
        -----
        UserWarning
            If fewer than `n_splits` groups have mass of some class, which then is missing from
            some folds.
        """
        if groups is None:
            raise ValueError(
                "SoftStratifiedGroupKFold needs groups, the group of every row: pass groups to "
                "split, or to the tool that calls it."
            )
        return super().split(X, y, groups)

    def _iter_test_masks(self, X=None, y=None, groups=None):
        targets = encode_targets(y)
        group = _group_codes(groups)
        n_labelled = len(np.unique(group[targets.mass > 0]))
        if n_labelled < self.n_splits:
            raise ValueError(
                f"n_splits={self.n_splits}, but only {n_labelled} groups have mass: every fold "
                "needs one. Use fewer folds."
            )
        strengths = strengths_of_rows(targets)
        _warn_of_rare_classes(
            targets.classes,
            group_sums(group, strengths),
            self.n_splits,
            "folds",
            "n_splits",
            "groups",
        )
        fold = deal_groups(strengths, group, self.n_splits, self._rng())[group]
        for number in range(self.n_splits):
            yield fold == number


class SoftStratifiedShuffleSplit(BaseShuffleSplit):
    """Random splits in two with even shares of every class's mass and of the targets' entropy.

    Parameters
    ----------
    n_splits : int, default=10
        Number of splits, which are independent of each other.
    test_size : float or int, default=None
        Share or number of rows to test on. None takes what `train_size` leaves, or 0.1.
    train_size : float or int, default=None
        Share or number of rows to train on. None takes what `test_size` leaves.
    random_state : int, RandomState instance or None, default=None
        Source of the splits.

    See Also
    --------
    SoftStratifiedKFold : Every row is tested on once; its Notes say how rows are dealt.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kl.model_selection import SoftStratifiedShuffleSplit
    >>> votes = np.array([[9, 1], [1, 9]] * 10)
    >>> splitter = SoftStratifiedShuffleSplit(2, test_size=0.3, random_state=0)
    >>> for train, test in splitter.split(votes, votes):
    ...     print(len(train), len(test), votes[test].sum(axis=0))
    14 6 [30 30]
    14 6 [30 30]
    """

    def __init__(
        self,
        n_splits: int = 10,
        *,
        test_size: float | None = None,
        train_size: float | None = None,
        random_state: Any = None,
    ):
        check_whole(n_splits, "n_splits")
        _check_size(test_size, "test_size")
        _check_size(train_size, "train_size")
        super().__init__(
            n_splits, test_size=test_size, train_size=train_size, random_state=random_state
        )

    def split(self, X: Any, y: Any, groups: Any = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Split the rows into a training and a test part, at random.

        Parameters
        ----------
        X : array-like of n_samples rows
            Only its length matters.
        y : array-like of shape (n_samples,) or {array-like, sparse matrix} of shape \
                (n_samples, n_classes)
            Labels, distributions or counts.
        groups : object, default=None
            Ignored, with a warning if it is given.

        Returns
        -------
        iterator of tuple of (ndarray of int, ndarray of int)
            The rows to train on and those to test on, both in random order, for every split.

        Warns
        -----
        UserWarning
            If fewer than two rows have mass of some class, which then is missing from some parts;
            if `groups` is given.
        """
        _warn_of_groups(self, groups)
        return super().split(X, y)

    def _iter_indices(self, X, y, groups=None):
        targets = encode_targets(y)
        strengths = strengths_of_rows(targets)
        _warn_of_rare_classes(targets.classes, strengths, 2, "parts", "the two parts")
        n_train, n_test = self._sizes(targets.n_samples)
        rng = check_seed(self.random_state)
        for _ in range(self.n_splits):
            slots = _interleave([n_train, n_test, targets.n_samples - n_train - n_test], rng)
            part = deal_evenly(strengths, slots, 3, rng)
            yield tuple(rng.permutation(np.flatnonzero(part == number)) for number in (0, 1))

    def _sizes(self, n_samples):
        """Return the number of rows to train and to test on, by scikit-learn's rules."""
        plain = ShuffleSplit(1, test_size=self.test_size, train_size=self.train_size)
        train, test = next(plain.split(np.empty(n_samples)))
        return len(train), len(test)


def make_splitter(cv: Any, *, matrix: bool, classifier: bool = True) -> Any:
    """Return a splitter for `cv` as scikit-learn's tools take it, safe for a matrix y.

    Parameters
    ----------
    cv : int, splitter, iterable of splits or None
        None means 5 folds.
    matrix : bool
        Whether y is a matrix of targets.
    classifier : bool, default=True
        Whether folds of labels are stratified.

    Returns
    -------
    splitter
        For a number and a matrix a SoftStratifiedKFold, otherwise what scikit-learn makes of it.
    """
    if cv is not None and not isinstance(cv, Integral):
        return check_cv(cv)
    n_splits = 5 if cv is None else int(cv)
    if matrix:
        return SoftStratifiedKFold(n_splits)
    return StratifiedKFold(n_splits) if classifier else check_cv(n_splits)


def _check_size(size, name):
    """Raise unless a size is a number of rows, a share of them, or None."""
    if size is not None:
        whole = isinstance(size, Integral)
        allowed = "a share between 0 and 1, a whole number of rows or None"
        check_number(size, name, allowed, low=0, high=np.inf if whole else 1)


def _warn_of_groups(splitter, groups):
    """Warn that a splitter does not look at the groups, as scikit-learn's do."""
    if groups is not None:
        warnings.warn(
            f"The groups parameter is ignored by {type(splitter).__name__}: use "
            "SoftStratifiedGroupKFold to keep the rows of a group together.",
            UserWarning,
            stacklevel=3,
        )


def _warn_of_rare_classes(classes, strengths, n_parts, parts, reason, rows="rows"):
    """Warn of classes that have mass in fewer rows than there are parts."""
    n_rows = np.bincount(strengths.indices, minlength=len(classes))
    rare = (n_rows > 0) & (n_rows < n_parts)
    if rare.any():
        names = dict(zip(classes[rare][:10].tolist(), n_rows[rare].tolist(), strict=False))
        warnings.warn(
            f"{rare.sum()} of {len(classes)} classes have mass in fewer {rows} than {reason} "
            f"({n_parts}), so that some {parts} have none of them. {rows.capitalize()} by class: "
            f"{names}.",
            UserWarning,
            stacklevel=4,
        )


def _group_codes(groups):
    """Return the group of every row as a number from 0, by order of first appearance."""
    groups = check_array(
        groups, ensure_2d=False, dtype=None, ensure_all_finite=False, input_name="groups"
    )
    if groups.ndim != 1:
        raise ValueError(
            f"groups must be 1-D, the group of every row, got an array of shape {groups.shape}."
        )
    values = groups.tolist()
    missing = [row for row, value in enumerate(values) if _is_missing(value)]
    if missing:
        raise ValueError(
            f"groups has no group for {len(missing)} rows, the first of them row {missing[0]}: "
            "name one for each, or leave these rows out."
        )
    number: dict[Any, int] = {}
    return np.array([number.setdefault(value, len(number)) for value in values])


def _is_missing(value):
    """Return whether a value is None, NaN or pandas' NA, which equals nothing."""
    return value is None or (value != value) is not False


def _interleave(sizes, rng):
    """Return a sequence that spreads `sizes[p]` entries p evenly, from a random start."""
    part = np.repeat(np.arange(len(sizes)), sizes)
    place = np.concatenate([(np.arange(size) + rng.uniform()) / max(size, 1) for size in sizes])
    return part[np.argsort(place, kind="stable")]
