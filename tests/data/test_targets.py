"""encode_targets and resolve_targets: what every kind of y means, and what is refused."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import scipy.stats
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import DataConversionWarning

from sklearn_kl._data.encode import encode_targets, resolve_targets

VOTES = np.array([[3.0, 0.0, 1.0], [0.0, 0.0, 0.0], [2.0, 5.0, 0.0], [0.5, 0.25, 0.25]])
SPARSE = [sp.csr_matrix, sp.csr_array, sp.csc_matrix, sp.csc_array, sp.coo_array]


def strengths(targets):
    """Strengths as (n_samples, n_classes)."""
    return targets.block(slice(None)).T


def one_hot(y, classes):
    return (np.asarray(y)[:, None] == np.asarray(classes)).astype(float)


@pytest.mark.parametrize(
    "y, classes",
    [
        (["b", "a", "c", "a"], ["a", "b", "c"]),
        ([2, -1, 7, 2], [-1, 2, 7]),
        ([10**9, 0, -(10**9), 0], [-(10**9), 0, 10**9]),
        ([True, False, True, True], [False, True]),
        ([1.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0]),
        (np.array([255, 0, 3, 255], dtype=np.uint8), [0, 3, 255]),
        (np.array([2**63 + 5, 2**63, 2**63, 2**63 + 5], dtype=np.uint64), [2**63, 2**63 + 5]),
        (np.array([-128, 127, 0, 127], dtype=np.int8), [-128, 0, 127]),
        (np.array(["b", "a", "c", "a"], dtype=object), ["a", "b", "c"]),
    ],
)
def test_labels_are_one_hot_rows_of_the_sorted_labels(y, classes):
    targets = encode_targets(y)
    assert_array_equal(targets.classes, classes)
    assert_array_equal(targets.classes[targets.codes], np.asarray(y))
    assert_array_equal(strengths(targets), one_hot(y, targets.classes))
    assert targets.entropy() == 0.0


def test_classes_keep_the_dtype_of_the_labels():
    for dtype in (np.int8, np.uint64, np.int64, np.float32, bool, "U1"):
        y = np.array([0, 1, 1]).astype(dtype)
        assert encode_targets(y).classes.dtype == y.dtype


@pytest.mark.parametrize(
    "y",
    [
        pd.Series(["low", "high", "low"]),
        pd.Series(["low", "high", "low"], dtype="category"),
        pd.Categorical(["low", "high", "low"], categories=["low", "high", "never"]),
        pd.Series(["low", "high", "low"], dtype="string"),
        pl.Series(["low", "high", "low"]),
        ("low", "high", "low"),
    ],
    ids=["object", "category", "categorical", "string", "polars", "tuple"],
)
def test_series_of_strings(y):
    targets = encode_targets(y)
    assert targets.classes.tolist() == ["high", "low"]
    assert targets.codes.tolist() == [1, 0, 1]


@pytest.mark.parametrize("dtype", ["boolean", "Int64", "int64", "bool"])
def test_series_of_numbers(dtype):
    targets = encode_targets(pd.Series([1, 0, 1], dtype=dtype))
    assert targets.codes.tolist() == [1, 0, 1]


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.uint8])
def test_matrix_rows_weigh_their_total(dtype):
    votes = np.array([[3, 0, 1], [0, 0, 0], [2, 5, 0]], dtype=dtype)
    targets = encode_targets(votes)
    assert_array_equal(targets.classes, [0, 1, 2])
    assert_array_equal(targets.mass, [4, 0, 7])
    assert_array_equal(strengths(targets), votes)
    assert_array_equal(targets.class_mass(), [5, 5, 1])


def test_a_list_of_rows_is_a_matrix():
    assert_array_equal(strengths(encode_targets(VOTES.tolist())), VOTES)


@pytest.mark.parametrize("container", SPARSE)
@pytest.mark.parametrize("class_weight", [None, {0: 2.0, 2: 0.5}, "balanced"])
def test_sparse_counts_are_the_dense_ones(container, class_weight):
    weight = np.array([1.0, 2.0, 0.5, 3.0])
    options = {"sample_weight": weight, "class_weight": class_weight}
    dense, sparse = encode_targets(VOTES, **options), encode_targets(container(VOTES), **options)
    assert_allclose(strengths(sparse), strengths(dense), rtol=1e-15)
    assert_allclose(sparse.mass, dense.mass, rtol=1e-15)
    assert_allclose(sparse.class_mass(), dense.class_mass(), rtol=1e-15)
    assert_allclose(sparse.row_entropy(), dense.row_entropy(), rtol=1e-13, atol=1e-15)


def test_sparse_bool_and_64_bit_indices():
    votes = sp.csr_array(VOTES > 0)
    votes.indices, votes.indptr = votes.indices.astype(np.int64), votes.indptr.astype(np.int64)
    assert_array_equal(strengths(encode_targets(votes)), VOTES > 0)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_column_names_are_the_classes_in_their_order(frame):
    y = frame({"low": [3, 0], "medium": [1, 1], "high": [0, 6]})
    targets = encode_targets(y)
    assert targets.classes.tolist() == ["low", "medium", "high"]
    assert_array_equal(strengths(targets), [[3, 1, 0], [0, 1, 6]])


def test_columns_of_a_frame_are_put_in_the_order_of_given_classes():
    y = pd.DataFrame({"b": [1.0, 0.0], "a": [2.0, 3.0]})
    targets = encode_targets(y, classes=["a", "b"])
    assert_array_equal(strengths(targets), [[2, 1], [3, 0]])


def test_labels_are_found_among_given_classes_in_any_order():
    targets = encode_targets(["b", "c", "b"], classes=["c", "a", "b"])
    assert targets.classes.tolist() == ["c", "a", "b"]
    assert targets.codes.tolist() == [2, 0, 2]
    assert_array_equal(targets.class_mass(), [1, 0, 2])


def test_mass_is_total_times_weight_times_class_weight():
    weight, factor = np.array([1.0, 2.0, 0.5, 3.0]), np.array([2.0, 1.0, 0.5])
    targets = encode_targets(VOTES, sample_weight=weight, class_weight={0: 2.0, 2: 0.5})
    expected = VOTES * weight[:, None] * factor
    assert_allclose(strengths(targets), expected)
    assert_allclose(targets.mass, expected.sum(axis=1))
    assert_allclose(targets.class_mass(), expected.sum(axis=0))
    y = np.array([2, 0, 0, 1])
    targets = encode_targets(y, sample_weight=weight, class_weight={0: 2.0, 2: 0.5})
    assert_allclose(strengths(targets), one_hot(y, [0, 1, 2]) * weight[:, None] * factor)


@pytest.mark.parametrize("y", [VOTES, np.array([2, 0, 0, 1]), sp.csr_array(VOTES)])
def test_balanced_gives_every_class_the_same_mass_and_keeps_the_total(y):
    weight = np.array([1.0, 2.0, 0.5, 3.0])
    plain = encode_targets(y, sample_weight=weight)
    balanced = encode_targets(y, sample_weight=weight, class_weight="balanced")
    assert_allclose(balanced.class_mass(), plain.mass.sum() / 3)


def test_balanced_ignores_a_class_without_mass():
    targets = encode_targets(np.array([[1.0, 3.0, 0.0]]), class_weight="balanced")
    assert targets.class_mass()[2] == 0
    assert_allclose(targets.class_mass()[0], targets.class_mass()[1])


def test_entropy_is_scipys_with_rows_weighing_their_mass():
    rng = np.random.default_rng(0)
    votes = rng.poisson(1.0, size=(500, 6)).astype(float)
    weight = rng.uniform(0, 2, size=500)
    targets = encode_targets(votes, sample_weight=weight)
    labelled = votes.sum(axis=1) > 0
    expected = np.zeros(500)
    expected[labelled] = scipy.stats.entropy(votes[labelled], axis=1)
    assert_allclose(targets.row_entropy(), expected, rtol=1e-13, atol=1e-15)
    mass = votes.sum(axis=1) * weight
    assert targets.entropy() == pytest.approx(mass @ expected / mass.sum(), rel=1e-13)


def test_entropy_by_hand():
    assert encode_targets([[1, 1], [2, 0]]).entropy() == pytest.approx(np.log(2) / 2, rel=1e-15)
    assert encode_targets([[1e-300, 1e-300]]).entropy() == pytest.approx(np.log(2), rel=1e-12)
    assert encode_targets([[5e-324, 1.0]]).entropy() < 1e-300


def test_entropy_of_many_rows_does_not_depend_on_their_order():
    # More rows than one internal block.
    votes = np.random.default_rng(0).poisson(2.0, size=(40_000, 3)).astype(float)
    forward, backward = encode_targets(votes), encode_targets(votes[::-1])
    assert_array_equal(forward.row_entropy(), backward.row_entropy()[::-1])


def test_blocks_are_slices_of_the_whole():
    for y in (VOTES, sp.csr_array(VOTES), np.array([2, 0, 0, 1])):
        targets = encode_targets(y, sample_weight=[1, 2, 3, 4], class_weight={1: 3.0})
        assert_array_equal(
            targets.block(slice(1, 3)), targets.block(slice(None))[:, 1:3], strict=True
        )


FORMS = {"labels": np.array([2, 0, 0, 1]), "dense": VOTES, "sparse": sp.csr_array(VOTES)}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("weighted", [False, True])
def test_everything_agrees_in_units_of_the_total_mass(form, weighted):
    """Strengths, masses, weights, class masses and entries are those of before over the total."""
    weights = {"sample_weight": [1, 2, 0, 4], "class_weight": {1: 3.0}} if weighted else {}
    before = encode_targets(FORMS[form], **weights)
    total = before.mass.sum()
    after = before.share_of_total()
    assert after.mass.sum() == pytest.approx(1.0, rel=1e-15)
    assert_allclose(after.strengths() * total, before.strengths(), rtol=1e-14)
    assert_allclose(after.strengths().sum(axis=0), after.mass, rtol=1e-14, atol=1e-17)
    assert_allclose(after.class_mass(), after.strengths().sum(axis=1), rtol=1e-14)
    assert after.entropy() == pytest.approx(before.entropy(), rel=1e-14)
    rows, codes, strength = after.entries()
    whole = np.zeros((4, 3))
    whole[rows, codes] = strength
    assert_allclose(whole, after.strengths().T, rtol=1e-14, atol=1e-17)
    totals = after.totals()
    assert totals.mass == pytest.approx(1.0, rel=1e-15)
    assert (totals.n_samples, totals.n_classes) == (4, 3)
    assert_array_equal(totals.class_mass, after.class_mass())
    again = after.with_class_weight(np.array([1.0, 2.0, 1.0]))
    assert_allclose(again.strengths().sum(axis=0), again.mass, rtol=1e-14, atol=1e-17)


@pytest.mark.parametrize("form", FORMS)
def test_some_rows_are_targets_by_themselves(form):
    weights = {"sample_weight": [1, 2, 3, 4], "class_weight": {1: 3.0}}
    whole = encode_targets(FORMS[form], **weights).share_of_total()
    for rows in (slice(1, 3), slice(None), slice(3, 9), np.array([3, 0])):
        part = whole.take(rows)
        assert_array_equal(part.strengths(), whole.strengths()[:, rows])
        assert_array_equal(part.mass, whole.mass[rows])
        assert_array_equal(part.row_entropy(), whole.row_entropy()[rows])
        assert_array_equal(part.distributions(), whole.distributions()[rows])
        assert part.totals().n_samples == len(whole.mass[rows])
    part = whole.take(slice(1, 3))
    assert np.shares_memory(part.mass, whole.mass)
    if form == "sparse":
        assert np.shares_memory(part.matrix.data, whole.matrix.data)
    held, all_held = (part.codes, whole.codes) if form == "labels" else (part.matrix, whole.matrix)
    if form != "sparse":
        assert np.shares_memory(held, all_held)


def test_input_is_not_changed_and_may_be_read_only():
    votes, weight = VOTES.copy(), np.array([1.0, 2.0, 0.5, 3.0])
    votes.flags.writeable = weight.flags.writeable = False
    targets = encode_targets(votes, sample_weight=weight, class_weight="balanced")
    targets.block(slice(None))[:] = -1
    targets.entropy()
    assert_array_equal(votes, VOTES)
    assert_array_equal(weight, [1.0, 2.0, 0.5, 3.0])


def test_matrices_of_floats_are_not_copied():
    for y in (VOTES, VOTES.astype(np.float32)):
        assert np.shares_memory(encode_targets(y).matrix, y)
    counts = sp.csr_array(VOTES)
    assert np.shares_memory(encode_targets(counts).matrix.data, counts.data)


def test_a_column_is_labels_with_a_warning():
    with pytest.warns(DataConversionWarning, match="3 values are read as labels.*y.ravel()"):
        targets = encode_targets(np.array([[1], [2], [1]]))
    assert targets.classes.tolist() == [1, 2]


# ---- what is refused, in words that name the argument and the fix


@pytest.mark.parametrize(
    "y, words",
    [
        (None, "requires y to be passed, but the target y is None"),
        (np.ones((2, 2, 2)), "dim 3"),
        ([0.5, 1.5, 0.2], "Unknown label type"),
        ([0.0, np.nan], "NaN"),
        ([0.0, np.inf], "infinity"),
        (np.array(["a", None], dtype=object), "label is missing.*row of zeros"),
        (np.array(["a", np.nan], dtype=object), "NaN"),
        ([[0.5, np.nan]], "NaN"),
        ([[0.5, np.inf]], "infinity"),
        ([[0.5, -0.25], [1, 2]], "Negative values in y: the smallest is -0.25"),
        (sp.csr_array([[0.5, -0.25], [1, 2]]), "Negative values in y: the smallest is -0.25"),
        ([[0.0, 0.0], [0.0, 0.0]], "mass of the targets is zero: every row of y sums to zero"),
        (np.full((2, 2), 1e308), "total mass of y.*inf.*scale y or sample_weight down"),
        ([["a", "b"], ["c", "d"]], "could not convert|Unable to convert|dtype"),
        ([], "0 sample"),
        (np.ones((3, 0)), "0 feature"),
    ],
)
def test_bad_y(y, words):
    with pytest.raises(ValueError, match=words):
        encode_targets(y)


def test_bad_y_is_called_what_the_caller_calls_it():
    with pytest.raises(ValueError, match="Negative values in y_true"):
        encode_targets([[-1, 1]], name="y_true")
    with pytest.raises(ValueError, match="Input y_true contains NaN"):
        encode_targets([[np.nan, 1]], name="y_true")


def test_labels_of_mixed_types():
    with pytest.raises(TypeError, match="labels in y mix types.*Convert them to one type"):
        encode_targets(np.array(["a", 1], dtype=object))


def test_a_single_value_is_no_target():
    with pytest.raises((TypeError, ValueError)):
        encode_targets(1.0)


def test_missing_values_of_pandas():
    for y in (pd.Series(["a", None, "b"]), pd.Series(["a", None], dtype="category")):
        with pytest.raises(ValueError, match="NaN|missing"):
            encode_targets(y)
    with pytest.raises(ValueError, match="NaN"):
        encode_targets(pd.DataFrame({"a": [1.0, None], "b": [0.0, 1.0]}))


@pytest.mark.parametrize(
    "weight, words",
    [
        ([1.0, -1.0, 1.0, 1.0], "[Nn]egative values in.*sample_weight"),
        ([1.0, np.nan, 1.0, 1.0], "sample_weight contains NaN"),
        ([1.0, 1.0], "sample_weight.shape == \\(2,\\), expected \\(4,\\)"),
        ([0.0, 0.0, 0.0, 0.0], "has sample_weight zero|at least one non-zero number"),
        ([0.0, 7.0, 0.0, 0.0], "sums to zero or has sample_weight zero"),
        ([1e308, 1.0, 1e308, 1.0], "total mass"),
    ],
)
def test_bad_sample_weight(weight, words):
    with pytest.raises(ValueError, match=words):
        encode_targets(VOTES, sample_weight=weight)


@pytest.mark.parametrize(
    "class_weight, words",
    [
        ("even", "class_weight must be a dict.*'balanced' or None, got 'even'"),
        ([1, 2, 3], "class_weight must be a dict"),
        ({0: 1, 9: 2}, r"classes \[9\] of class_weight are not among the classes \[0, 1, 2\]"),
        ({0: -1}, "finite and not negative"),
        ({0: np.inf}, "finite and not negative"),
        ({0: 0, 1: 0, 2: 0}, "mass of the targets is zero.*times class_weight"),
    ],
)
def test_bad_class_weight(class_weight, words):
    with pytest.raises(ValueError, match=words):
        encode_targets(VOTES, class_weight=class_weight)


@pytest.mark.parametrize(
    "y, classes, words",
    [
        (["a", "z"], ["a", "b"], r"y contains labels.*classes \['a', 'b'\]: \['z'\]"),
        ([1, 5], [1, 2, 3], r"classes \[1, 2, 3\]: \[5\]"),
        (VOTES, ["a", "b"], "y has 3 columns, but there are 2 classes.*one column per class"),
        (
            pd.DataFrame({"a": [1], "z": [1]}),
            ["a", "b"],
            r"columns of y are \['a', 'z'\], but the classes are \['a', 'b'\].*Rename",
        ),
        (pd.DataFrame({"a": [1], "b": [1]}), ["a", "b", "c"], "add missing ones as zeros"),
    ],
)
def test_y_that_does_not_match_the_classes(y, classes, words):
    with pytest.raises(ValueError, match=words):
        encode_targets(y, classes=classes)


def test_bad_column_names():
    twice = pd.DataFrame(np.ones((2, 2)), columns=["a", "a"])
    with pytest.raises(ValueError, match=r"\['a'\] appear more than once. Rename or sum"):
        encode_targets(twice)
    with pytest.raises(TypeError, match=r"mix strings and numbers: \['a', 1\].*astype\(str\)"):
        encode_targets(pd.DataFrame(np.ones((2, 2)), columns=["a", 1]))


# ---- target_proba, the matrix that stands in for labels


def test_array_has_one_column_per_sorted_label():
    targets = resolve_targets(["b", "c", "a", "a"], VOTES)
    assert targets.classes.tolist() == ["a", "b", "c"]
    assert_array_equal(strengths(targets), VOTES)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_frame_names_its_classes_which_are_sorted(frame):
    P = frame({"b": [0.2, 0.9], "a": [0.8, 0.0], "c": [0.0, 0.1]})
    # No row has the label c, as can happen in a fold.
    targets = resolve_targets(["a", "b"], P)
    assert targets.classes.tolist() == ["a", "b", "c"]
    assert_allclose(strengths(targets), [[0.8, 0.2, 0.0], [0.0, 0.9, 0.1]])


def test_sparse_target_proba():
    targets = resolve_targets([0, 1, 2, 0], sp.csr_array(VOTES), sample_weight=[1, 2, 3, 4])
    assert_array_equal(targets.mass, VOTES.sum(axis=1) * [1, 2, 3, 4])


def test_weights_apply_to_target_proba():
    options = {"sample_weight": [1, 2, 3, 4], "class_weight": {2: 5.0}}
    by_route = resolve_targets([0, 1, 2, 0], VOTES, **options)
    assert_array_equal(strengths(by_route), strengths(encode_targets(VOTES, **options)))


@pytest.mark.parametrize(
    "y, proba, words",
    [
        (VOTES, VOTES, "y is a matrix with 3 columns and target_proba is given too"),
        ([0, 1, 0, 1], VOTES, "target_proba has 3 columns, but y has 2 labels.*pass a DataFrame"),
        ([0, 1, 2, 3], VOTES, "target_proba has 3 columns, but y has 4 labels"),
        ([0, 1, 2], VOTES, "inconsistent numbers of samples"),
        ([0, 1, 2, 0], -VOTES, "Negative values in target_proba"),
        ([0, 1, 2, 0], VOTES * np.nan, "target_proba contains NaN"),
        ([0, 1, 2, 0], VOTES * 0, "every row of target_proba sums to zero"),
        (
            ["x", "y", "x", "y"],
            pd.DataFrame(VOTES, columns=["x", "z", "w"]),
            r"\['y'\] are not among \['x', 'z', 'w'\]. Name the columns by the labels.*"
            "cross_val_predict replaces labels by integers",
        ),
    ],
)
def test_bad_target_proba(y, proba, words):
    with pytest.raises(ValueError, match=words):
        resolve_targets(y, proba)


def test_one_dimensional_target_proba_is_refused():
    for proba in ([0, 1, 2], [0.5, 0.25, 0.25], 0.5):
        with pytest.raises((TypeError, ValueError), match="target_proba"):
            resolve_targets([0, 1, 2], proba)
