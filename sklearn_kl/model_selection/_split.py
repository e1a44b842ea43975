"""Splitters that keep the mass of every class even across the parts, for any kind of target."""

import warnings
from numbers import Integral

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linear_sum_assignment
from sklearn.model_selection import (
    BaseCrossValidator,
    BaseShuffleSplit,
    ShuffleSplit,
    StratifiedKFold,
    check_cv,
)
from sklearn.utils import check_random_state, check_scalar

from sklearn_kl._data.encode import encode_targets

# More classes than this are watched through random sums of them: dense rows of 10,000 classes
# would be too much.
_MAX_QUANTITIES = 128
# Rows of one round of dealing, if the parts' sizes allow; rounds cost the cube of it.
_MAX_ROUND = 128


class SoftStratifiedKFold(BaseCrossValidator):
    """K folds with even shares of every class's mass and of the targets' entropy.

    For labels every fold has the floor or the ceiling of ``n_k / n_splits`` rows of class k, as
    with :class:`sklearn.model_selection.StratifiedKFold`. For distributions and counts, rows are
    dealt in rounds of `n_splits`, one to each fold, so that the sums over folds of every class's
    strengths and of the rows' entropy stay as close as the rows of a round allow. Unlabelled rows
    are dealt evenly too. Fold sizes differ by one row at most.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    shuffle : bool, default=False
        Whether to deal the rows of a class in random order. Otherwise a split depends on y alone.
    random_state : int, RandomState instance or None, default=None
        Source of the order, with `shuffle`.

    See Also
    --------
    SoftStratifiedShuffleSplit : Repeated random splits into two parts.
    cross_val_predict : Splits a matrix of targets by it.

    Notes
    -----
    Each round is the linear assignment of its rows to the folds that minimises the sum over folds
    of squared deviations from an even share, each quantity in units of its root sum of squares
    over rows, which is what a random split leaves of it. With more than 128 classes random sums of
    classes are watched in place of each.

    Rows are taken as independent: where rows belong together, as those of one person,
    use scikit-learn's splitters by groups.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kl.model_selection import SoftStratifiedKFold
    >>> votes = np.array([[9, 1], [9, 1], [6, 4], [6, 4], [3, 7], [3, 7], [1, 9], [1, 9]])
    >>> for train, test in SoftStratifiedKFold(2).split(votes, votes):
    ...     print(test, votes[test].sum(axis=0))
    [0 2 4 6] [19 21]
    [1 3 5 7] [19 21]
    """

    def __init__(self, n_splits=5, *, shuffle=False, random_state=None):
        check_scalar(n_splits, "n_splits", Integral, min_val=2)
        if not isinstance(shuffle, bool | np.bool_):
            raise TypeError(f"shuffle must be True or False, got {shuffle!r}.")
        if not shuffle and random_state is not None:
            raise ValueError(
                "random_state has no effect without shuffle: set shuffle=True, or leave "
                "random_state=None."
            )
        self.n_splits = n_splits
        self.shuffle = shuffle
        self.random_state = random_state

    def get_n_splits(self, X=None, y=None, groups=None):
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

    def split(self, X, y, groups=None):
        """Yield the rows of every fold and of its complement.

        Parameters
        ----------
        X : array-like of n_samples rows
            Only its length matters.
        y : array-like of shape (n_samples,) or {array-like, sparse matrix} of shape \
                (n_samples, n_classes)
            Labels, distributions or counts.
        groups : object, default=None
            Ignored.

        Yields
        ------
        train : ndarray of int
            Rows to train on, ascending.
        test : ndarray of int
            Rows to test on, ascending.

        Raises
        ------
        ValueError
            If fewer than `n_splits` rows have mass.

        Warns
        -----
        UserWarning
            If fewer than `n_splits` rows have mass of some class, which then is missing from some
            folds.
        """
        yield from super().split(X, y, groups)

    def _iter_test_masks(self, X=None, y=None, groups=None):
        targets = encode_targets(y)
        n_labelled = np.count_nonzero(targets.mass)
        if n_labelled < self.n_splits:
            raise ValueError(
                f"n_splits={self.n_splits}, but only {n_labelled} rows of y have mass: every fold "
                "needs one. Use fewer folds."
            )
        _warn_of_rare_classes(targets, self.n_splits, "folds", "n_splits")
        rng = check_random_state(self.random_state) if self.shuffle else None
        slots = np.arange(targets.n_samples) % self.n_splits
        fold = _deal(targets, slots, self.n_splits, rng)
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
    SoftStratifiedKFold : Every row is tested on once; says how rows are dealt.

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

    def __init__(self, n_splits=10, *, test_size=None, train_size=None, random_state=None):
        super().__init__(
            n_splits, test_size=test_size, train_size=train_size, random_state=random_state
        )

    def split(self, X, y, groups=None):
        """Yield the rows of every training and test part.

        Parameters
        ----------
        X : array-like of n_samples rows
            Only its length matters.
        y : array-like of shape (n_samples,) or {array-like, sparse matrix} of shape \
                (n_samples, n_classes)
            Labels, distributions or counts.
        groups : object, default=None
            Ignored.

        Yields
        ------
        train : ndarray of int
            Rows to train on, in random order.
        test : ndarray of int
            Rows to test on, in random order.

        Warns
        -----
        UserWarning
            If fewer than two rows have mass of some class, which then is missing from some parts.
        """
        yield from super().split(X, y, groups)

    def _iter_indices(self, X, y, groups=None):
        targets = encode_targets(y)
        _warn_of_rare_classes(targets, 2, "parts", "the two parts")
        n_train, n_test = self._sizes(targets.n_samples)
        rng = check_random_state(self.random_state)
        for _ in range(self.n_splits):
            slots = _interleave([n_train, n_test, targets.n_samples - n_train - n_test], rng)
            part = _deal(targets, slots, 3, rng)
            yield tuple(rng.permutation(np.flatnonzero(part == number)) for number in (0, 1))

    def _sizes(self, n_samples):
        """Return the number of rows to train and to test on, by scikit-learn's rules."""
        plain = ShuffleSplit(1, test_size=self.test_size, train_size=self.train_size)
        train, test = next(plain.split(np.empty(n_samples)))
        return len(train), len(test)


def make_splitter(cv, *, matrix, classifier=True):
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
    n_splits = 5 if cv is None else cv
    if matrix:
        return SoftStratifiedKFold(n_splits)
    return StratifiedKFold(n_splits) if classifier else check_cv(n_splits)


def _warn_of_rare_classes(targets, n_parts, parts, reason):
    """Warn of classes that have mass in fewer rows than there are parts."""
    if targets.codes is not None:
        n_rows = np.bincount(targets.codes, minlength=targets.n_classes)
    else:
        n_rows = np.asarray((targets.matrix > 0).sum(axis=0)).ravel()
    rare = (n_rows > 0) & (n_rows < n_parts)
    if rare.any():
        names = dict(zip(targets.classes[rare][:10].tolist(), n_rows[rare].tolist(), strict=False))
        warnings.warn(
            f"{rare.sum()} of {targets.n_classes} classes have mass in fewer rows than {reason} "
            f"({n_parts}), so that some {parts} have none of them. Rows by class: {names}.",
            UserWarning,
            stacklevel=4,
        )


def _interleave(sizes, rng):
    """Return a sequence that spreads `sizes[p]` entries p evenly, from a random start."""
    part = np.repeat(np.arange(len(sizes)), sizes)
    place = np.concatenate([(np.arange(size) + rng.uniform()) / max(size, 1) for size in sizes])
    return part[np.argsort(place, kind="stable")]


def _deal(targets, slots, n_parts, rng):
    """Give every row to a part, such that the targets of all parts are alike.

    Parameters
    ----------
    targets : Targets
    slots : ndarray of shape (n_samples,) of int
        Parts in the order in which they take rows.
    n_parts : int
    rng : RandomState or None
        None deals rows in the order they have.

    Returns
    -------
    ndarray of shape (n_samples,) of int
        Part of every row.
    """
    n_samples = targets.n_samples
    order = np.arange(n_samples) if rng is None else rng.permutation(n_samples)
    leading = _leading_class(targets)
    order = order[np.argsort(leading[order], kind="stable")]
    part = np.empty(n_samples, dtype=np.intp)
    part[order] = slots
    if _is_hard(targets):
        return part
    quantities = _quantities(targets)
    share = np.bincount(slots, minlength=n_parts) / n_samples
    length = _round_length(share)
    excess = np.zeros((n_parts, quantities.shape[1]))
    for start in range(0, n_samples, length):
        rows, takers = order[start : start + length], slots[start : start + length]
        dealt = quantities[rows]
        # Linear in the rows: the squares of the rows themselves do not depend on who takes them.
        i, j = linear_sum_assignment(dealt @ (excess[takers] / share[takers, None]).T)
        part[rows[i]] = takers[j]
        np.add.at(excess, takers[j], dealt[i])
        excess -= share[:, None] * dealt.sum(axis=0)
    return part


def _leading_class(targets):
    """Return the code of every row's heaviest class; unlabelled rows are a class of their own."""
    if targets.codes is not None:
        return targets.codes
    leading = np.asarray(targets.matrix.argmax(axis=1)).ravel()
    return np.where(targets.mass > 0, leading, targets.n_classes)


def _is_hard(targets):
    """Return whether every labelled row has one class and they all weigh the same."""
    if targets.codes is not None:
        return True
    labelled = targets.mass[targets.mass > 0]
    n_entries = (
        targets.matrix.count_nonzero()
        if sp.issparse(targets.matrix)
        else np.count_nonzero(targets.matrix)
    )
    return n_entries == len(labelled) and labelled.min() == labelled.max()


def _quantities(targets):
    """Return what is to be even for every row: strengths of the classes, and entropy.

    Returns
    -------
    ndarray of shape (n_samples, n_quantities)
        Columns of unit norm.
    """
    strengths = targets.matrix
    if targets.n_classes > _MAX_QUANTITIES:
        sums = np.random.RandomState(0).normal(size=(targets.n_classes, _MAX_QUANTITIES))
        squares = strengths.multiply(strengths) if sp.issparse(strengths) else strengths**2
        strengths = strengths @ (sums / _or_one(np.sqrt(squares.sum(axis=0)))[:, None])
    elif sp.issparse(strengths):
        strengths = strengths.toarray()
    entropy = targets.mass * targets.row_entropy()
    quantities = np.column_stack([strengths, entropy]).astype(np.float64)
    return quantities / _or_one(np.linalg.norm(quantities, axis=0))


def _or_one(values):
    """Return a flat array with ones in place of zeros, to divide by."""
    values = np.asarray(values, dtype=np.float64).ravel()
    return np.where(values > 0, values, 1.0)


def _round_length(share):
    """Return the number of rows of a round: if the limit allows, every part takes one or more."""
    smallest = share[share > 0].min()
    return min(_MAX_ROUND, max(2, round(1.0 / smallest)))
