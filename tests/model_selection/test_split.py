"""Folds carry even shares of every class's mass and of the entropy of the targets."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import entr
from sklearn import config_context
from sklearn.datasets import load_digits
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    StratifiedKFold,
    cross_validate,
)

from sklearn_kl import KLClassifier
from sklearn_kl.metrics import neg_cross_entropy_scorer
from sklearn_kl.model_selection import (
    SoftStratifiedGroupKFold,
    SoftStratifiedKFold,
    SoftStratifiedShuffleSplit,
    cross_val_predict,
)


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
def test_real_distributions_are_ten_times_as_even_as_by_kfold(shared_data, n_splits):
    _, Y = shared_data("Yeast_alpha")
    ours = unevenness(SoftStratifiedKFold(n_splits, shuffle=True, random_state=0), Y)
    theirs = unevenness(KFold(n_splits, shuffle=True, random_state=0), Y)
    by_leading = StratifiedKFold(n_splits, shuffle=True, random_state=0)
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
    assert unevenness(SoftStratifiedKFold(5), Y) < 0.05
    assert unevenness(SoftStratifiedKFold(5, shuffle=True, random_state=0), Y) < 0.002


def folds(splitter, y, *args):
    """Fold of every row."""
    n_samples = y.shape[0] if hasattr(y, "shape") else len(y)
    fold = np.full(n_samples, -1)
    for number, (_, test) in enumerate(splitter.split(np.empty(n_samples), y, *args)):
        fold[test] = number
    return fold


@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(2, 7))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_unshuffled_folds_are_those_of_stratified_kfold_by_heaviest_class(seed, n_folds, n_classes):
    rng = np.random.default_rng(seed)
    y = np.append(rng.integers(n_classes, size=rng.integers(40, 90)), np.arange(n_classes))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        expected = folds(StratifiedKFold(n_folds), y)
        for targets in (y, np.array(list("abcdefg"))[y], np.eye(n_classes)[y]):
            assert np.array_equal(folds(SoftStratifiedKFold(n_folds), targets), expected)
        soft = np.eye(n_classes)[y] + rng.dirichlet(np.ones(n_classes), len(y)) * 0.5
        assert np.array_equal(folds(SoftStratifiedKFold(n_folds), soft), expected)


def test_unshuffled_folds_do_not_part_neighbours():
    # Rows of the digits lie writer by writer. Dealt like cards, the same rows would give 0.10.
    X, y = load_digits(return_X_y=True)
    options = {"estimator": KLClassifier(C=10), "X": X / 16, "scoring": neg_cross_entropy_scorer}
    ours = cross_validate(y=np.eye(10)[y], cv=SoftStratifiedKFold(5), **options)["test_score"]
    theirs = cross_validate(y=y, cv=StratifiedKFold(5), **options)["test_score"]
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    walk = np.exp(np.random.default_rng(0).normal(size=(300, 3)).cumsum(axis=0) / 5)
    fold, leading = folds(SoftStratifiedKFold(5), walk), walk.argmax(axis=1)
    for k in range(3):
        assert (np.diff(fold[leading == k]) >= 0).all()


# Votes that are not whole numbers once they are scaled, ties among them.
FORMS = {
    "Fortran": np.asfortranarray,
    "float32": np.float32,
    "integer": lambda Y: Y.astype(np.int64),
    "every other column": lambda Y: np.repeat(Y, 2, axis=1)[:, ::2],
    "DataFrame": pd.DataFrame,
    "CSR": sp.csr_array,
    "CSC": sp.csc_array,
    "CSR, one entry per vote": lambda Y: sp.csr_array(
        sp.coo_array((np.ones(int(Y.sum())), _votes(Y)), shape=Y.shape)
    ),
    "list": lambda Y: Y.tolist(),
    "times 10": lambda Y: 10.0 * Y,
    "times 0.1": lambda Y: 0.1 * Y,
    "times 1e160": lambda Y: 1e160 * Y,
    "times 1e-170": lambda Y: 1e-170 * Y,
    "percent": lambda Y: Y / 3.0,
}


def _votes(Y):
    rows, columns = np.nonzero(Y)
    times = Y[rows, columns].astype(int)
    return np.repeat(rows, times), np.repeat(columns, times)


SPLITTERS = {
    "in blocks": lambda Y: folds(SoftStratifiedKFold(4), Y),
    "shuffled": lambda Y: folds(SoftStratifiedKFold(4, shuffle=True, random_state=0), Y),
    "groups": lambda Y: folds(SoftStratifiedGroupKFold(4), Y, np.arange(Y_ROWS) // 3),
    "split": lambda Y: np.sort(
        next(SoftStratifiedShuffleSplit(1, test_size=0.3, random_state=0).split(Y_X, Y))[1]
    ),
}
Y_ROWS = 60
Y_X = np.empty(Y_ROWS)


@pytest.mark.parametrize("split", SPLITTERS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("n_classes", [3, 150])
@pytest.mark.filterwarnings("ignore:.*classes have mass in fewer:UserWarning")
def test_folds_know_the_targets_and_not_how_they_are_held(split, form, n_classes):
    rng = np.random.default_rng(0)
    Y = rng.multinomial(4, np.full(n_classes, 1 / n_classes), Y_ROWS).astype(float)
    np.testing.assert_array_equal(SPLITTERS[split](FORMS[form](Y)), SPLITTERS[split](Y))


@given(
    st.integers(0, 10**6),
    st.floats(1e-150, 1e150),
    st.sampled_from(["in blocks", "shuffled", "groups", "split"]),
)
@settings(max_examples=60, deadline=None, derandomize=True)
@pytest.mark.filterwarnings("ignore:.*classes have mass in fewer:UserWarning")
def test_the_unit_of_the_votes_moves_no_row(seed, unit, split):
    Y = np.random.default_rng(seed).integers(0, 5, size=(Y_ROWS, 3)).astype(float)
    np.testing.assert_array_equal(SPLITTERS[split](unit * Y), SPLITTERS[split](Y))


def test_rows_of_all_magnitudes_are_split():
    Y = np.random.default_rng(0).integers(1, 9, size=(40, 3)) * np.logspace(-300, 300, 40)[:, None]
    assert (
        np.bincount(folds(SoftStratifiedKFold(4, shuffle=True, random_state=0), Y)).tolist()
        == [10] * 4
    )
    huge = np.eye(2)[[0, 1] * 20] * 1e200
    for test in [test for _, test in SoftStratifiedKFold(4).split(huge, huge)]:
        np.testing.assert_allclose(huge[test].sum(axis=0), 5e200)


@pytest.mark.parametrize("splitter", [SoftStratifiedKFold(3), SoftStratifiedShuffleSplit(3)])
def test_groups_are_not_swallowed(splitter):
    y = np.arange(12) % 2
    message = f"groups parameter is ignored by {type(splitter).__name__}.*SoftStratifiedGroupKFold"
    with pytest.warns(UserWarning, match=message) as record:
        splitter.split(y, y, np.arange(12))
    assert record[0].filename == __file__


# --- groups ----------------------------------------------------------------------------------


def make_groups(seed, n_groups=12, n_samples=120):
    rng = np.random.default_rng(seed)
    share = rng.dirichlet(np.ones(n_groups))
    groups = np.append(np.arange(n_groups), rng.choice(n_groups, n_samples - n_groups, p=share))
    centre = rng.dirichlet(np.ones(3), n_groups)
    return groups, np.array([rng.multinomial(8, centre[group]) for group in groups])


@given(st.integers(0, 10**6), st.integers(2, 6), st.booleans())
@settings(max_examples=30, deadline=None, derandomize=True)
def test_no_group_is_in_both_parts(seed, n_splits, shuffle):
    groups, Y = make_groups(seed)
    names = np.array([f"person {group}" for group in groups])
    splitter = SoftStratifiedGroupKFold(
        n_splits, shuffle=shuffle, random_state=seed if shuffle else None
    )
    tested = []
    for train, test in splitter.split(Y, Y, names):
        assert not set(names[train]) & set(names[test])
        assert len(test) > 0
        assert np.array_equal(np.setdiff1d(np.arange(len(Y)), test), train)
        tested.append(test)
    assert np.array_equal(np.sort(np.concatenate(tested)), np.arange(len(Y)))
    numbered = folds(splitter, Y, groups.astype(float))
    assert np.array_equal(numbered, folds(splitter, Y, names))


def test_few_groups_are_spread_about_as_evenly_as_can_be():
    # Twelve groups in two folds: all 2,048 ways can be tried.
    for seed in range(5):
        groups, Y = make_groups(seed)
        quantities = np.column_stack([Y, 8 * _row_entropy(Y), np.ones(len(Y))])
        totals = np.stack([quantities[groups == g].sum(axis=0) for g in range(12)])
        totals /= np.linalg.norm(totals, axis=0)
        ways = (np.arange(2**11)[:, None] >> np.arange(12)) & 1
        cost = np.square(ways @ totals - totals.sum(axis=0) / 2).sum(axis=1)
        fold = folds(SoftStratifiedGroupKFold(2), Y, groups)
        way = np.array([fold[groups == g][0] for g in range(12)])
        ours = np.square(way @ totals - totals.sum(axis=0) / 2).sum()
        assert ours <= np.quantile(cost, 0.05)


def _row_entropy(Y):
    return entr(Y / Y.sum(axis=1, keepdims=True)).sum(axis=1)


def test_many_groups_are_more_even_than_by_kfold():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(600), rng.integers(1, 5, 600))
    Y = rng.dirichlet(np.ones(4), len(groups))
    ours = [test for _, test in SoftStratifiedGroupKFold(5).split(Y, Y, groups)]
    theirs = [test for _, test in GroupKFold(5).split(Y, Y, groups)]
    assert unevenness(Fixed(ours), Y) < 0.2 * unevenness(Fixed(theirs), Y)
    sizes = np.bincount(folds(SoftStratifiedGroupKFold(5), Y, groups))
    assert np.ptp(sizes) <= 4


def test_every_fold_of_groups_has_mass():
    Y = np.zeros((40, 2))
    Y[[0, 20, 39]] = 1.0
    groups = np.arange(40) // 2
    for _, test in SoftStratifiedGroupKFold(3).split(Y, Y, groups):
        assert Y[test].sum() == 2
    with pytest.raises(ValueError, match="n_splits=4, but only 3 groups have mass"):
        list(SoftStratifiedGroupKFold(4).split(Y, Y, groups))


def test_rare_classes_are_counted_by_group():
    y = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    with pytest.warns(UserWarning, match="fewer groups than n_splits .3.*Groups by class: {1: 2}"):
        list(SoftStratifiedGroupKFold(3).split(y, y, [0, 1, 2, 3, 4, 4, 5, 5]))


@pytest.mark.parametrize(
    "groups, message",
    [
        (None, "needs groups, the group of every row"),
        ([1, 2, None, 3], "groups has no group for 1 rows, the first of them row 2"),
        ([1.0, 2.0, np.nan, np.nan], "no group for 2 rows"),
        (pd.array(["a", pd.NA, "b", "c"]), "no group for 1 rows, the first of them row 1"),
        ([[1], [2], [3], [4]], "groups must be 1-D"),
        ([1, 2, 3], "inconsistent numbers of samples"),
    ],
)
def test_bad_groups(groups, message):
    y = [0, 1, 0, 1]
    with pytest.raises(ValueError, match=message):
        list(SoftStratifiedGroupKFold(2).split(y, y, groups))


def test_groups_reach_the_folds_through_scikit_learn():
    groups, Y = make_groups(0)
    X = np.random.default_rng(0).normal(size=(len(Y), 2))
    cv = SoftStratifiedGroupKFold(3)
    scores = [
        neg_cross_entropy_scorer(KLClassifier().fit(X[train], Y[train]), X[test], Y[test])
        for train, test in cv.split(X, Y, groups)
    ]
    options = {"cv": cv, "scoring": neg_cross_entropy_scorer}
    with config_context(enable_metadata_routing=True):
        # As of scikit-learn's splitters by groups, without a request.
        params = {"groups": groups}
        result = cross_validate(KLClassifier(), X, Y, params=params, **options)
        np.testing.assert_allclose(result["test_score"], scores)
        search = GridSearchCV(KLClassifier(), {"C": [1.0]}, **options).fit(X, Y, **params)
        assert search.best_score_ == pytest.approx(np.mean(scores))
        with pytest.raises(ValueError, match="needs groups"):
            cross_validate(KLClassifier(), X, Y, params={}, **options)
    result = cross_val_predict(KLClassifier(), X, Y, cv=cv, groups=groups)
    train, test = next(cv.split(X, Y, groups))
    expected = KLClassifier().fit(X[train], Y[train]).predict_proba(X[test])
    np.testing.assert_array_equal(result[test], expected)


def test_people_of_s_jaffe_are_kept_apart(shared_data):
    X, Y = shared_data("SJAFFE")
    # The file does not name the people; its rows come person by person.
    people = np.arange(len(Y)) * 10 // len(Y)
    for train, test in SoftStratifiedGroupKFold(5).split(X, Y, people):
        assert len(set(people[test])) == 2
        assert not set(people[train]) & set(people[test])
    ours = [test for _, test in SoftStratifiedGroupKFold(5).split(X, Y, people)]
    theirs = [test for _, test in GroupKFold(5).split(X, Y, people)]
    assert unevenness(Fixed(ours), Y) < 0.7 * unevenness(Fixed(theirs), Y)


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
    ours = unevenness(SoftStratifiedKFold(5, shuffle=True, random_state=0), Y.toarray())
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
        ({"n_splits": True}, (TypeError, ValueError), "n_splits"),
        ({"shuffle": 1}, TypeError, "shuffle must be True or False"),
        ({"random_state": 0}, ValueError, "set shuffle=True"),
    ],
)
@pytest.mark.parametrize("splitter", [SoftStratifiedKFold, SoftStratifiedGroupKFold])
def test_bad_arguments(splitter, arguments, error, message):
    with pytest.raises(error, match=message):
        splitter(**arguments)


def test_is_a_splitter_of_scikit_learn():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(60, 2)), rng.dirichlet(np.ones(3), 60)
    for cv in (SoftStratifiedKFold(3), SoftStratifiedShuffleSplit(3, random_state=0)):
        assert cv.get_n_splits() == 3
        result = cross_validate(KLClassifier(), X, Y, cv=cv, scoring=neg_cross_entropy_scorer)
        assert len(result["test_score"]) == 3
        search = GridSearchCV(KLClassifier(), {"C": [0.1, 1]}, cv=cv, scoring="accuracy")
        assert search.fit(X, Y.argmax(axis=1)).n_splits_ == 3
    for splitter in (SoftStratifiedKFold, SoftStratifiedGroupKFold):
        expected = f"{splitter.__name__}(n_splits=3, random_state=None, shuffle=False)"
        assert repr(splitter(3)) == expected
        assert splitter(3).get_n_splits() == 3


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
