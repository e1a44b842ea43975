"""Folds carry even shares of every class's mass and of the entropy of the targets."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.special import entr
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold, cross_validate

from sklearn_kl import KLClassifier
from sklearn_kl.metrics import neg_cross_entropy_scorer
from sklearn_kl.model_selection import SoftStratifiedKFold, SoftStratifiedShuffleSplit


def unevenness(splitter, Y):
    """Root mean square, over folds, classes and entropy, of the relative excess of a fold."""
    total = Y.sum(axis=1)
    quantities = np.column_stack([Y, entr(Y / np.where(total, total, 1)[:, None]).sum(axis=1)])
    quantities[:, -1] *= total
    excess = [
        quantities[test].mean(axis=0) / quantities.mean(axis=0) - 1
        for _, test in splitter.split(Y, Y)
    ]
    return np.sqrt(np.mean(np.square(excess)))


def counts_by_fold(splitter, y):
    return np.array(
        [np.bincount(y[test], minlength=y.max() + 1) for _, test in splitter.split(y, y)]
    )


@pytest.mark.parametrize("n_splits", [2, 5, 10])
@pytest.mark.parametrize("shuffle", [False, True])
def test_real_distributions_are_ten_times_as_even_as_by_kfold(shared_data, n_splits, shuffle):
    _, Y = shared_data("Yeast_alpha")
    seed = 0 if shuffle else None
    ours = unevenness(SoftStratifiedKFold(n_splits, shuffle=shuffle, random_state=seed), Y)
    theirs = unevenness(KFold(n_splits, shuffle=shuffle, random_state=seed), Y)
    by_leading = StratifiedKFold(n_splits, shuffle=shuffle, random_state=seed)
    leading = [test for _, test in by_leading.split(Y, Y.argmax(axis=1))]
    assert ours < 0.1 * theirs + 1e-5
    assert ours < 0.5 * unevenness(Fixed(leading), Y)


class Fixed:
    """Splitter of given test rows."""

    def __init__(self, tests):
        self.tests = tests

    def split(self, X, y):
        return [(None, test) for test in self.tests]


def test_distributions_sorted_by_class():
    rng = np.random.default_rng(0)
    codes = np.sort(rng.integers(0, 4, 1000))
    Y = rng.dirichlet(np.ones(4), 1000) * 0.4 + 0.6 * np.eye(4)[codes]
    assert unevenness(KFold(5), Y) > 0.5
    assert unevenness(SoftStratifiedKFold(5), Y) < 0.002


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shuffle", [False, True])
def test_labels_are_as_even_as_by_stratified_kfold(seed, shuffle):
    rng = np.random.default_rng(seed)
    y = rng.choice(5, p=[0.5, 0.3, 0.1, 0.06, 0.04], size=317)
    arguments = {"shuffle": shuffle, "random_state": seed if shuffle else None}
    ours = counts_by_fold(SoftStratifiedKFold(5, **arguments), y)
    theirs = counts_by_fold(StratifiedKFold(5, **arguments), y)
    assert (np.ptp(ours, axis=0) <= np.ptp(theirs, axis=0)).all()
    assert np.ptp(ours.sum(axis=1)) <= 1
    one_hot = [test for _, test in SoftStratifiedKFold(5, **arguments).split(y, np.eye(5)[y])]
    same = [test for _, test in SoftStratifiedKFold(5, **arguments).split(y, y)]
    assert all(np.array_equal(a, b) for a, b in zip(one_hot, same, strict=True))


@pytest.mark.parametrize(
    "make", [np.array, sp.csr_array, sp.csc_matrix, pd.DataFrame, lambda Y: Y.tolist()]
)
def test_folds_are_a_partition_in_any_container(make):
    Y = np.random.default_rng(0).poisson(2.0, (83, 3)).astype(float)
    splits = list(SoftStratifiedKFold(4).split(np.zeros(83), make(Y)))
    tested = np.concatenate([test for _, test in splits])
    assert sorted(tested) == list(range(83))
    assert {len(test) for _, test in splits} == {20, 21}
    for train, test in splits:
        assert np.array_equal(np.setdiff1d(np.arange(83), test), train)
    expected = list(SoftStratifiedKFold(4).split(np.zeros(83), Y))
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(splits, expected, strict=True))


def test_many_classes_are_watched_by_sums():
    rng = np.random.default_rng(0)
    weight = 1.0 / np.arange(1, 301)
    Y = sp.csr_array(rng.multinomial(40, weight / weight.sum(), 500).astype(float))
    Y = Y[:, np.flatnonzero(Y.sum(axis=0) >= 20)]
    assert Y.shape[1] > 128
    ours = unevenness(SoftStratifiedKFold(5), Y.toarray())
    assert ours < 0.8 * unevenness(KFold(5), Y.toarray())


def test_unlabelled_rows_are_spread():
    Y = np.random.default_rng(0).dirichlet(np.ones(3), 100)
    Y[:50] = 0.0
    unlabelled = [np.sum(test < 50) for _, test in SoftStratifiedKFold(5).split(Y, Y)]
    assert unlabelled == [10] * 5


@pytest.mark.parametrize("splitter", [SoftStratifiedKFold, SoftStratifiedShuffleSplit])
def test_random_state_decides(splitter):
    Y = np.random.default_rng(0).dirichlet(np.ones(3), 100)

    def tests(seed):
        shuffle = {"shuffle": True} if splitter is SoftStratifiedKFold else {}
        return [test.tolist() for _, test in splitter(3, random_state=seed, **shuffle).split(Y, Y)]

    assert tests(0) == tests(0)
    assert tests(0) != tests(1)


@pytest.mark.parametrize(
    "y",
    [
        np.repeat([0, 1, 2], [50, 3, 47]),
        np.eye(3)[[0] * 50 + [1] * 3 + [2] * 47] * 0.8 + [[0.1, 0, 0.1]],
    ],
)
def test_rare_class_warns_and_still_splits(y):
    with pytest.warns(
        UserWarning, match="1 of 3 classes .* fewer rows than n_splits \\(5\\).*{1: 3}"
    ):
        splits = list(SoftStratifiedKFold(5).split(y, y))
    rare = np.arange(50, 53)
    assert sorted(np.isin(test, rare).sum() for _, test in splits) == [0, 0, 1, 1, 1]


def test_class_without_mass_is_no_warning():
    Y = np.column_stack([np.ones(20), np.ones(20), np.zeros(20)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(SoftStratifiedKFold(5).split(Y, Y))


def test_every_class_rare():
    with pytest.warns(UserWarning, match="12 of 12 classes"):
        splits = list(SoftStratifiedKFold(5).split(np.zeros(12), np.arange(12)))
    assert {len(test) for _, test in splits} == {2, 3}


def test_fewer_rows_with_mass_than_folds():
    Y = np.zeros((10, 2))
    Y[:3] = 0.5
    with pytest.raises(ValueError, match="n_splits=5, but only 3 rows of y have mass"):
        list(SoftStratifiedKFold(5).split(Y, Y))


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"n_splits": 1}, ValueError, "n_splits"),
        ({"n_splits": 2.5}, TypeError, "n_splits"),
        ({"shuffle": 1}, TypeError, "shuffle must be True or False"),
        ({"random_state": 0}, ValueError, "set shuffle=True"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        SoftStratifiedKFold(**arguments)


def test_is_a_splitter_of_scikit_learn():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(60, 2)), rng.dirichlet(np.ones(3), 60)
    for cv in (SoftStratifiedKFold(3), SoftStratifiedShuffleSplit(3, random_state=0)):
        assert cv.get_n_splits() == 3
        result = cross_validate(KLClassifier(), X, Y, cv=cv, scoring=neg_cross_entropy_scorer)
        assert len(result["test_score"]) == 3
        search = GridSearchCV(KLClassifier(), {"C": [0.1, 1]}, cv=cv, scoring="accuracy")
        assert search.fit(X, Y.argmax(axis=1)).n_splits_ == 3
    assert repr(SoftStratifiedKFold(3)) == (
        "SoftStratifiedKFold(n_splits=3, random_state=None, shuffle=False)"
    )


@pytest.mark.parametrize("sizes", [{"test_size": 0.3}, {"test_size": 30, "train_size": 50}, {}])
def test_shuffle_split_has_the_sizes_asked_for(sizes):
    Y = np.random.default_rng(0).dirichlet(np.ones(3), 101)
    n_test = {0.3: 31, 30: 30, None: 11}[sizes.get("test_size")]
    n_train = sizes.get("train_size", 101 - n_test)
    for train, test in SoftStratifiedShuffleSplit(3, random_state=0, **sizes).split(Y, Y):
        assert (len(train), len(test)) == (n_train, n_test)
        assert len(set(train) | set(test)) == n_train + n_test


def test_shuffle_split_is_even():
    rng = np.random.default_rng(0)
    Y = rng.dirichlet(np.ones(4), 1000)
    for test_size in (0.1, 0.25):
        splitter = SoftStratifiedShuffleSplit(5, test_size=test_size, random_state=0)
        random = KFold(round(1 / test_size), shuffle=True, random_state=0)
        assert unevenness(splitter, Y) < 0.2 * unevenness(random, Y)
    y = np.repeat(np.arange(3), [700, 200, 100])
    for _, test in SoftStratifiedShuffleSplit(5, test_size=0.2, random_state=0).split(y, y):
        assert abs(np.bincount(y[test]) - [140, 40, 20]).max() <= 1


def test_shuffle_split_warns_of_a_class_with_one_row():
    y = np.repeat([0, 1], [20, 1])
    with pytest.warns(UserWarning, match="fewer rows than the two parts"):
        next(SoftStratifiedShuffleSplit(1, random_state=0).split(y, y))
