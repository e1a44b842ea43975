"""What holds y: the same targets in every container, and nothing missing, mixed or out of order."""

import copy

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import DataConversionWarning

from sklearn_kl import KLClassifier, TemperatureScaler
from sklearn_kl._data.encode import encode_targets, resolve_targets
from sklearn_kl._data.rows import check_row_order, take_rows
from sklearn_kl.labels import ReplicatedRows, VoteTargets, apply_temperature, normalize_rows
from sklearn_kl.metrics import d2_kl_score, entropy, kl_divergence, neg_cross_entropy_scorer
from sklearn_kl.model_selection import SoftStratifiedKFold

COUNTS = np.array([[3.0, 0.0, 1.0], [0.0, 0.0, 0.0], [2.0, 5.0, 0.0], [0.0, 2.0, 2.0]])


def one_entry_per_vote(counts, container=sp.csr_array, dtype=np.float64):
    """The counts as a sparse matrix that holds a one for every vote, rows and places shuffled."""
    rng = np.random.default_rng(0)
    rows, columns = np.nonzero(counts)
    times = counts[rows, columns].astype(int)
    rows, columns = np.repeat(rows, times), np.repeat(columns, times)
    order = rng.permutation(len(rows))
    rows, columns = rows[order], columns[order]
    data = np.ones(len(rows), dtype)
    if container is sp.coo_array:
        return sp.coo_array((data, (rows, columns)), shape=counts.shape)
    major, minor = (rows, columns) if container is sp.csr_array else (columns, rows)
    order = np.argsort(major, kind="stable")
    n_major = counts.shape[0] if container is sp.csr_array else counts.shape[1]
    indptr = np.concatenate([[0], np.cumsum(np.bincount(major, minlength=n_major))])
    return container((data, minor[order], indptr), shape=counts.shape)


def assert_same(targets, expected):
    assert_array_equal(targets.classes, expected.classes)
    assert_array_equal(targets.mass, expected.mass)
    assert_array_equal(targets.class_mass(), expected.class_mass())
    assert_array_equal(targets.block(slice(None)), expected.block(slice(None)))
    assert_allclose(targets.row_entropy(), expected.row_entropy(), rtol=1e-13, atol=1e-15)


# ---- sparse matrices with one entry per vote


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.uint8, bool])
@pytest.mark.parametrize("container", [sp.csr_array, sp.csc_array, sp.coo_array])
def test_repeated_entries_are_added_up_and_the_callers_are_left(container, dtype):
    votes = one_entry_per_vote(COUNTS, container, dtype)
    votes.data.flags.writeable = False
    before = copy.deepcopy(votes)
    assert_same(encode_targets(votes), encode_targets(COUNTS))
    for name in ("data", "row", "col") if container is sp.coo_array else ("data", "indices"):
        assert_array_equal(getattr(votes, name), getattr(before, name))
    assert votes.nnz == COUNTS.sum()


def test_many_votes_of_small_integers_do_not_overflow():
    entries = np.zeros(1000, np.intp)
    for votes in (
        sp.coo_array((np.ones(1000, np.int8), (entries, entries)), shape=(1, 2)),
        sp.csr_array((np.ones(1000, np.int8), entries, [0, 1000]), shape=(1, 2)),
    ):
        assert_array_equal(encode_targets(votes).mass, [1000])


def test_explicit_zeros_and_opposite_entries_count_for_nothing():
    votes = sp.csr_array(([2.0, 0.0, 3.0, -3.0], [0, 1, 1, 1], [0, 4]), shape=(1, 2))
    targets = encode_targets(votes)
    assert targets.entropy() == 0.0
    assert_array_equal(targets.block(slice(None)).T, [[2.0, 0.0]])


def test_everything_behind_the_door_sees_the_sum_of_repeated_entries():
    votes = one_entry_per_vote(COUNTS)
    X = np.array([[0.0], [1.0], [2.0], [4.0]])
    dense, sparse = KLClassifier().fit(X, COUNTS), KLClassifier().fit(X, votes)
    assert_array_equal(sparse.coef_, dense.coef_)
    assert sparse.kl_divergence_ == pytest.approx(dense.kl_divergence_, rel=1e-12)
    assert sparse.kl_divergence_ > 0
    proba = dense.predict_proba(X)
    for score in (kl_divergence, d2_kl_score):
        assert score(votes, proba) == pytest.approx(score(COUNTS, proba), rel=1e-12)
    assert entropy(votes) == pytest.approx(entropy(COUNTS), rel=1e-12)
    assert sparse.score(X, votes) == pytest.approx(dense.score(X, COUNTS))
    models = [ReplicatedRows(KLClassifier()).fit(X, y).predict_proba(X) for y in (votes, COUNTS)]
    assert_allclose(*models, rtol=1e-10)
    models = [TemperatureScaler(KLClassifier(), cv=2).fit(X, y) for y in (votes, COUNTS)]
    assert models[0].temperature_ == models[1].temperature_
    for each in (normalize_rows, lambda y: apply_temperature(y, 2.0)):
        assert_allclose(each(votes).toarray(), each(COUNTS), rtol=1e-15)
    X, Y = np.arange(40.0)[:, None], np.random.default_rng(0).poisson(1.0, (40, 3)).astype(float)
    for sparse, dense in zip(
        SoftStratifiedKFold(4).split(X, one_entry_per_vote(Y)),
        SoftStratifiedKFold(4).split(X, Y),
        strict=True,
    ):
        assert_array_equal(sparse[1], dense[1])


# ---- the same targets in every container

counts = st.lists(
    st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=6
).filter(lambda rows: sum(map(sum, rows)) > 0)  # fmt: skip


@settings(deadline=None, derandomize=True, max_examples=40)
@given(counts)
def test_every_container_of_a_matrix_gives_the_same_targets(rows):
    matrix = np.array(rows, dtype=float)
    expected = encode_targets(matrix)
    frozen = matrix.copy()
    frozen.flags.writeable = False
    for y in (
        rows,
        [list(row) for row in rows],
        matrix.astype(int),
        matrix.astype(np.float32),
        matrix.astype(object),
        np.asfortranarray(matrix),
        frozen,
        np.repeat(matrix, 2, axis=0)[::2],
        sp.csr_matrix(matrix),
        sp.csc_array(matrix),
        sp.lil_array(matrix),
        one_entry_per_vote(matrix),
        one_entry_per_vote(matrix, sp.csc_array, bool),
        one_entry_per_vote(matrix, sp.coo_array, np.int8),
    ):
        assert_same(encode_targets(y), expected)
    named = encode_targets(pd.DataFrame(matrix, columns=["c", "a", "b"]))
    for y in (
        pd.DataFrame(matrix, columns=["c", "a", "b"]).convert_dtypes(),
        pd.DataFrame(matrix, columns=["c", "a", "b"]).astype(object),
        pd.DataFrame(matrix, columns=["c", "a", "b"]).astype(pd.SparseDtype(float, 0.0)),
        pd.DataFrame(matrix, columns=["c", "a", "b"]).astype(pd.SparseDtype(float)),
        pd.DataFrame(matrix, columns=["c", "a", "b"]).astype({"a": pd.SparseDtype(float, 0.0)}),
        pl.DataFrame(dict(zip("cab", matrix.T, strict=True))),
    ):
        assert_same(encode_targets(y), named)
    assert named.classes.tolist() == ["c", "a", "b"]


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=8))
def test_every_container_of_labels_gives_the_same_targets(labels):
    expected = encode_targets(np.array(labels))
    frozen = np.array(labels)
    frozen.flags.writeable = False
    for y in (
        labels,
        tuple(labels),
        [float(label) for label in labels],
        [np.int8(label) for label in labels],
        frozen,
        np.array(labels, dtype=object),
        pd.Series(labels, index=range(5, 5 + len(labels))),
        pd.Series(labels, dtype="Int64"),
        pd.Series(labels, dtype=object),
        pd.Series(labels, dtype="category"),
        pd.Categorical(labels, categories=sorted(set(labels)), ordered=True),
        pd.Index(labels),
        pl.Series(labels),
    ):
        assert_same(encode_targets(y), expected)
    strings = [f"s{label + 3}" for label in labels]
    named = encode_targets(np.array(strings))
    for y in (
        strings,
        np.array(strings, dtype=object),
        pd.Series(strings),
        pd.Series(strings, dtype="string"),
        pd.Series(strings, dtype="category"),
        pl.Series(strings),
        pl.Series(strings, dtype=pl.Categorical),
        pl.Series(strings, dtype=pl.Enum(sorted(set(strings)))),
    ):
        assert_same(encode_targets(y), named)


# ---- ordered categories


@pytest.mark.parametrize(
    "make",
    [
        lambda y, order: pd.Categorical(y, categories=order, ordered=True),
        lambda y, order: pd.Series(pd.Categorical(y, categories=order, ordered=True)),
        lambda y, order: pd.Index(pd.Categorical(y, categories=order, ordered=True)),
        lambda y, order: pl.Series(y, dtype=pl.Enum(order)),
    ],
    ids=["Categorical", "Series", "Index", "Enum"],
)
def test_ordered_categories_are_the_classes_in_their_order_used_or_not(make):
    y = make(["high", "low", "high"], ["low", "medium", "high"])
    targets = encode_targets(y)
    assert targets.classes.tolist() == ["low", "medium", "high"]
    assert targets.codes.tolist() == [2, 0, 2]
    assert_array_equal(targets.class_mass(), [1, 0, 2])
    # Among given classes only the labels that occur have to be known.
    assert encode_targets(y, classes=["high", "low"]).codes.tolist() == [0, 1, 0]


def test_ordered_categories_of_a_frame_with_one_column():
    y = pd.DataFrame({"y": pd.Categorical(["b", "a"], categories=["b", "a"], ordered=True)})
    with pytest.warns(DataConversionWarning):
        assert encode_targets(y).classes.tolist() == ["b", "a"]


def test_categories_of_other_kinds():
    assert encode_targets(pd.cut([1.0, 2.0, 9.0], [0, 5, 10])).codes.tolist() == [0, 0, 1]
    stars = pd.Categorical([0.5, 3.5, 0.5], ordered=True)
    assert encode_targets(stars).classes.tolist() == [0.5, 3.5]
    days = pd.Categorical(pd.to_datetime(["2020-01-02", "2020-01-01"]), ordered=True)
    assert encode_targets(days).codes.tolist() == [1, 0]


def test_a_missing_value_of_ordered_categories():
    y = pd.Categorical(["a", None], categories=["b", "a"], ordered=True)
    with pytest.raises(ValueError, match="a label is missing, the first in row 1"):
        encode_targets(y)


def test_target_proba_of_ordered_labels_is_in_their_order():
    y = pd.Categorical(["high", "low"], categories=["low", "high"], ordered=True)
    assert resolve_targets(y, [[0.25, 0.75], [0.5, 0.5]]).classes.tolist() == ["low", "high"]
    frame = pd.DataFrame({"high": [0.75, 0.5], "low": [0.25, 0.5]})
    targets = resolve_targets(y, frame)
    assert targets.classes.tolist() == ["low", "high"]
    assert_array_equal(targets.block(slice(None)).T, [[0.25, 0.75], [0.5, 0.5]])


# ---- what is missing or mixed


@pytest.mark.parametrize(
    "y",
    [
        ["a", np.nan, "b"],
        ("a", float("nan"), "b"),
        ["a", None, "b"],
        ["a", pd.NA, "b"],
        [1, pd.NA, 2],
        [1, None, 2],
        [True, None, False],
        pd.Series(["a", pd.NA, "b"], dtype="string"),
        pd.Series([1, None, 2], dtype="Int64"),
        pd.Series([True, None, False], dtype="boolean"),
        pl.Series(["a", None, "b"]),
        np.array(["2020-01-01", "NaT", "2020-01-02"], dtype="M8[D]"),
        pd.Series(pd.to_datetime(["2020-01-01", None, "2020-01-02"])),
        [pd.Timestamp("2020-01-01"), pd.NaT, pd.Timestamp("2020-01-02")],
        np.ma.array([0, 1, 1], mask=[0, 1, 0]),
    ],
)
def test_a_missing_label_is_no_class(y):
    with pytest.raises(ValueError, match=r"label is missing, the first in row 1|NaN|1 masked"):
        encode_targets(y)


@pytest.mark.parametrize("y", [[1.0, "1"], ["1", 1], (True, "True"), np.array([1, "1"], object)])
def test_strings_and_numbers_are_not_made_one_another(y):
    with pytest.raises(TypeError, match="labels in y mix types.*astype"):
        encode_targets(y)


def test_masked_matrix():
    with pytest.raises(ValueError, match="masked array with 1 masked values"):
        encode_targets(np.ma.array([[0.5, 0.5]], mask=[[0, 1]]))


def test_labels_that_are_fractions_need_to_be_named():
    with pytest.raises(ValueError, match="Unknown label type: continuous.*0.5.*Categorical"):
        encode_targets([0.5, 3.5])
    assert encode_targets([0.5, 3.5], classes=[3.5, 0.5]).codes.tolist() == [1, 0]


# ---- containers that hold neither labels nor a matrix


class FakeArrow:
    __module__ = "pyarrow.lib"
    column_names = ("a", "b")


@pytest.mark.parametrize(
    "y, words",
    [
        (pd.Series([[0.2, 0.8], [0.5, 0.5]]), r"entry 0 is \[0.2, 0.8\].*numpy.stack\(y\)"),
        (pl.Series([[0.2, 0.8], [0.5, 0.5]]), "entry 0 is .*numpy.stack"),
        ([[1, 2], [3]], "rows of y differ in length"),
        ([0.25, 0.75], r"continuous.*second of two.*numpy.column_stack\(\[1 - y, y\]\)"),
        ([12.5, 7.25], "continuous.*Measurements are a matter of regression"),
        (
            pd.DataFrame(
                [[1, 2]], columns=pd.MultiIndex.from_tuples([("v", "a"), ("v", "b")])
            ),
            r'columns of y have 2 levels.*"_".join.*droplevel',
        ),
        (FakeArrow(), r"y is a pyarrow table: pass y.to_pandas\(\)"),
        (VoteTargets(COUNTS, np.arange(3), np.arange(4)), r"y is a VoteTargets.*y.to_frame\(\)"),
        (sp.csr_array(COUNTS[:, :1]), r"sparse with the shape \(4, 1\)"),
        ({"a": 1}, "y is a dict, which has no order of rows"),
        ({1, 2}, "y is a set"),
        ("yes", "y is a str"),
        ((label for label in "ab"), "y is a generator"),
        ([b"a", b"b"], "Unknown label type: y holds bytes"),
        (pd.DataFrame({"task": ["t1"], "n": [2]}), r"shape \(1, 2\), so it should hold.*t1"),
        (pd.Series(pd.period_range("2020", periods=2)), "Unknown label type: y holds Period"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_is_neither_labels_nor_a_matrix(y, words):
    with pytest.raises(ValueError, match=f"(?s){words}"):
        encode_targets(y)


def test_a_sparse_vector_is_no_target():
    y = sp.coo_array(COUNTS[:, 0])
    if y.ndim == 2:
        pytest.skip("SciPy before 1.13 makes a row of it")
    with pytest.raises(ValueError, match=r"sparse with the shape \(4,\).*y.toarray\(\).ravel"):
        encode_targets(y)
    with pytest.raises(ValueError, match=r"sparse with the shape \(4,\)"):
        KLClassifier().fit(np.ones((4, 1)), y)


def test_strings_beside_unnamed_columns_say_how_to_name_them():
    with pytest.raises(ValueError, match=r"classes \[0, 1, 2\]: \['a', 'b'\].*columns=names"):
        encode_targets(pd.Series(["a", "b"]), classes=[0, 1, 2])


@pytest.mark.parametrize(
    "classes, words",
    [
        ([], r"classes must name at least one class.*got \[\]"),
        ([["a", "b"]], "classes must name at least one class, in a 1-D array"),
        (["a", "b", "a"], r"classes must not repeat an entry, but holds \['a'\]"),
        (["a", None], "classes holds a missing value"),
        ([0.0, np.nan], "classes holds a missing value"),
    ],
)
def test_classes_that_are_none(classes, words):
    with pytest.raises(ValueError, match=words):
        encode_targets(["a", "b"], classes=classes)
    with pytest.raises(TypeError, match="classes mixes strings and others"):
        encode_targets(["a", "b"], classes=["a", 1])


@pytest.mark.parametrize("weight", ["a", None, np.nan, -1, 1j, [1]])
def test_class_weights_are_numbers(weight):
    with pytest.raises(ValueError, match="class_weight gives the class 0 the weight .*numbers"):
        encode_targets([0, 1], class_weight={0: weight})


def test_class_weight_of_a_series_is_read_by_its_index():
    by_name = encode_targets(["a", "b"], class_weight=pd.Series({"b": 3.0, "a": 2.0}))
    assert_array_equal(by_name.mass, [2.0, 3.0])
    with pytest.raises(ValueError, match="index of class_weight must not repeat"):
        encode_targets([0, 1], class_weight=pd.Series([1.0, 2.0], index=[0, 0]))


# ---- rounding


@pytest.mark.parametrize("make", [np.array, sp.csr_array, pd.DataFrame])
def test_negative_rounding_errors_of_a_row_are_zeros_on_a_copy(make):
    matrix = [[1 + 2e-16, -2e-16], [1e6, -1e-10], [1e-200, -1e-217]]
    y = make(matrix)
    expected = np.array([[1 + 2e-16, 0], [1e6, 0], [1e-200, 0]])
    assert_array_equal(encode_targets(y).block(slice(None)).T, expected)
    assert_array_equal(y.toarray() if sp.issparse(y) else np.asarray(y), matrix)
    for wrong in ([[1.0, -1e-10]], [[1e-200, -1e-210]]):
        with pytest.raises(ValueError, match="Negative values in y"):
            encode_targets(make(wrong))


# ---- rows in another order

INDEX = ["t2", "t1", "t3"]


def test_an_index_in_another_order_is_not_paired():
    y = pd.Series(["a", "b", "a"], index=sorted(INDEX))
    weight = pd.Series([1.0, 2.0, 3.0], index=INDEX)
    message = (
        r"rows of y and sample_weight carry the same index in another order: row 0 is 't1' in y "
        r"and 't2' in sample_weight.*sample_weight.loc\[y.index\].*reset_index\(drop=True\)"
    )
    with pytest.raises(ValueError, match=message):
        encode_targets(y, sample_weight=weight)
    assert_array_equal(encode_targets(y, sample_weight=weight.loc[y.index]).mass, [2, 1, 3])
    assert_array_equal(encode_targets(y, sample_weight=weight.to_numpy()).mass, [1, 2, 3])


@pytest.mark.parametrize(
    "first, second, moved",
    [
        ([1, 2, 3], [1, 2, 3], False),
        ([1, 2, 3], [1.0, 2.0, 3.0], False),
        ([1, 2, 3], [3, 2, 1], True),
        (range(3), [0, 2, 1], True),
        (range(3), [7, 8, 9], False),
        (range(3), [0, 2, 5], False),
        (["a", "a", "b"], ["a", "b", "a"], True),
        ([("a", 1), ("a", 2)], [("a", 2), ("a", 1)], True),
        (["a", 1], [1, "a"], True),
        (range(3), [2, 1], False),
    ],
)
def test_which_indexes_say_that_rows_are_in_another_order(first, second, moved):
    data = {
        "X": pd.DataFrame(np.ones((len(first), 1)), index=pd.Index(first)),
        "y": pd.Series(np.ones(len(second)), index=pd.Index(second)),
    }
    if not moved:
        check_row_order(**data, other=np.ones(3), sparse=sp.csr_array(np.eye(2)), nothing=None)
        return
    with pytest.raises(ValueError, match="rows of X and y carry the same index in another order"):
        check_row_order(**data)


def test_rows_of_repeated_entries_do_not_overflow():
    votes = one_entry_per_vote(np.array([[300.0, 0.0], [0.0, 2.0]]), sp.coo_array, np.int8)
    assert_array_equal(take_rows(votes, np.array([1, 0])).toarray(), [[0, 2], [300, 0]])
    flags = one_entry_per_vote(np.array([[3.0, 0.0]]), sp.coo_array, bool)
    assert_array_equal(take_rows(flags, np.array([0])).toarray(), [[3, 0]])


# ---- the same words wherever targets and probabilities come in

VOTE_TARGETS = VoteTargets(COUNTS, np.array(["a", "b", "c"]), np.arange(4))
PROBA = np.full((4, 3), [0.2, 0.3, 0.5])
ROWS = np.arange(4.0)[:, None]


@pytest.mark.parametrize(
    "call",
    [
        lambda y: KLClassifier().fit(ROWS, y),
        lambda y: KLClassifier().fit(ROWS, COUNTS).score(ROWS, y),
        lambda y: KLClassifier().fit(ROWS, [0, 1, 2, 0], target_proba=y),
        lambda y: ReplicatedRows(KLClassifier()).fit(ROWS, y),
        lambda y: TemperatureScaler(KLClassifier(), cv=2).fit(ROWS, y),
        lambda y: kl_divergence(y, PROBA),
        lambda y: kl_divergence(COUNTS, y),
        lambda y: neg_cross_entropy_scorer(KLClassifier().fit(ROWS, COUNTS), ROWS, y),
        normalize_rows,
    ],
)
def test_votes_with_their_names_are_not_targets_yet(call):
    with pytest.raises(ValueError, match=r"is a VoteTargets.*\.to_frame\(\).*\.counts"):
        call(VOTE_TARGETS)
    with pytest.raises(ValueError, match="columns of .* have 2 levels"):
        call(pd.DataFrame(COUNTS, columns=pd.MultiIndex.from_product([["v"], list("abc")])))


def test_columns_of_lists_and_sparse_columns_of_probabilities():
    with pytest.raises(ValueError, match=r"entry 0 is \[0.2, 0.3, 0.5\].*numpy.stack\(y_proba\)"):
        kl_divergence(COUNTS, pd.Series(PROBA.tolist()))
    frame = pd.DataFrame(PROBA, columns=["a", "b", "c"])
    for sparse in (frame.astype(pd.SparseDtype(float)), frame.astype({"a": "Sparse[float]"})):
        assert kl_divergence(["a", "b", "c", "a"], sparse) == kl_divergence([0, 1, 2, 0], PROBA)
    with pytest.raises(TypeError, match="dense data is required"):
        kl_divergence(COUNTS, frame.astype(pd.SparseDtype(float, 0.0)).sparse.to_coo())


def test_sparse_columns_stay_sparse():
    frame = pd.DataFrame(COUNTS, columns=["a", "b", "c"], index=list("wxyz"))
    sparse = frame.astype(pd.SparseDtype(float, 0.0))
    shares = normalize_rows(sparse)
    assert (shares.index.tolist(), shares.columns.tolist()) == (list("wxyz"), ["a", "b", "c"])
    assert all(isinstance(dtype, pd.SparseDtype) for dtype in shares.dtypes)
    pd.testing.assert_frame_equal(shares.sparse.to_dense(), normalize_rows(frame))


def test_strings_beside_a_model_of_unnamed_columns():
    clf = KLClassifier().fit(ROWS, COUNTS)
    with pytest.raises(ValueError, match=r"labels such as 'a'.*\[0, 1, 2\].*columns=names"):
        clf.score(ROWS, pd.Series(list("abca")))
    with pytest.raises(TypeError, match="strings and numbers never match.*columns=names"):
        neg_cross_entropy_scorer(clf, ROWS, pd.Series(list("abca")))


@pytest.mark.parametrize("names", [["a", np.nan, "b"], [1.0, np.nan, 2.0], [0, None, 1]])
def test_a_column_without_a_name_is_no_class(names):
    with pytest.raises(ValueError, match="column 1 has none. Name it or drop it"):
        encode_targets(pd.DataFrame(COUNTS, columns=pd.Index(names, dtype=object)))


@pytest.mark.parametrize(
    "weight, words",
    [
        (pd.Series(list("abca")), "sample_weight must hold one number per row.*'a'"),
        (np.ma.array([1.0, 1.0, 1.0, 1.0], mask=[1, 0, 0, 0]), "sample_weight is a masked array"),
        ({"a": 1.0}, "sample_weight is a dict"),
    ],
)
def test_weights_of_rows_are_numbers(weight, words):
    with pytest.raises(ValueError, match=words):
        encode_targets(COUNTS, sample_weight=weight)
