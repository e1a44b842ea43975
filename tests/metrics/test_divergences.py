"""Metrics: values by hand and from SciPy and scikit-learn, invariances, limits, errors."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import scipy.stats
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import jensenshannon
from sklearn.metrics import d2_log_loss_score, log_loss

from sklearn_kl.metrics import (
    cross_entropy_loss,
    d2_kl_score,
    entropy,
    js_divergence,
    kl_divergence,
)

LOSSES = [cross_entropy_loss, kl_divergence, js_divergence]
SCORES = [*LOSSES, d2_kl_score]
LOG2 = np.log(2)


def name(function):
    return getattr(function, "__name__", None)


def make_counts(n_samples=300, n_classes=4, seed=0):
    """Vote counts with zeros and predictions for them."""
    rng = np.random.default_rng(seed)
    proba = rng.dirichlet(np.ones(n_classes), n_samples)
    counts = rng.multinomial(rng.integers(1, 9, n_samples), proba).astype(float)
    return counts, rng.dirichlet(np.ones(n_classes), n_samples)


def make_labels(n_samples=300, n_classes=4, seed=0):
    """String labels of all classes and predictions for them."""
    rng = np.random.default_rng(seed)
    codes = np.r_[np.arange(n_classes), rng.integers(n_classes, size=n_samples - n_classes)]
    return np.array(list("abcdefgh"))[codes], rng.dirichlet(np.ones(n_classes), n_samples)


# --- values ------------------------------------------------------------------------------------


def test_cross_entropy_by_hand():
    votes = [[3, 1], [0, 2]]
    y_proba = [[0.5, 0.5], [0.75, 0.25]]
    assert_allclose(cross_entropy_loss(votes, y_proba, per_sample=True), [LOG2, 2 * LOG2])
    assert cross_entropy_loss(votes, y_proba) == pytest.approx((4 * LOG2 + 2 * 2 * LOG2) / 6)


def test_kl_by_hand():
    expected = 0.5 * np.log(0.5 / 0.25) + 0.5 * np.log(0.5 / 0.75)
    assert kl_divergence([[0.5, 0.5]], [[0.25, 0.75]]) == pytest.approx(expected)


def test_entropy_by_hand():
    votes = [[1, 1, 0, 0], [5, 0, 0, 0], [1, 1, 1, 1]]
    assert_allclose(entropy(votes, per_sample=True), [LOG2, 0, 2 * LOG2])
    assert entropy(votes) == pytest.approx((2 * LOG2 + 4 * 2 * LOG2) / 11)
    assert entropy(["a", "b", "a"]) == 0.0


def test_js_by_hand():
    values = js_divergence([[1, 0], [1, 1], [1, 0]], [[0, 1], [0.5, 0.5], [1, 0]], per_sample=True)
    assert_allclose(values, [LOG2, 0, 0])
    # m = (3/4, 1/4)
    half = 0.5 * np.log(4 / 3) + 0.5 * (0.5 * np.log(2 / 3) + 0.5 * np.log(2))
    assert js_divergence(["a"], [[0.5, 0.5]], labels=["a", "b"]) == pytest.approx(half)


def test_d2_by_hand():
    # The prior is (1/2, 1/2): divergence log 2; the model's is log(4/3).
    score = d2_kl_score(["a", "b"], [[0.75, 0.25], [0.25, 0.75]])
    assert score == pytest.approx(1 - np.log(4 / 3) / LOG2)
    assert d2_kl_score(["a", "b"], [[0.25, 0.75], [0.75, 0.25]]) == pytest.approx(-1)


@pytest.mark.parametrize("divergence", [kl_divergence, js_divergence], ids=name)
@pytest.mark.parametrize("targets", ["counts", "labels"])
def test_perfect_predictions_diverge_by_exactly_zero(divergence, targets):
    counts, _ = make_counts()
    y_true = counts if targets == "counts" else list("abcd") * 20
    perfect = (
        counts / counts.sum(1, keepdims=True)
        if targets == "counts"
        else np.eye(4)[[0, 1, 2, 3] * 20]
    )
    assert divergence(y_true, perfect) == 0.0
    assert_array_equal(divergence(y_true, perfect, per_sample=True), 0.0)


def test_rows_are_scipys():
    counts, y_proba = make_counts()
    options = {"base": 2, "per_sample": True}
    kl = scipy.stats.entropy(counts, y_proba, base=2, axis=1)
    assert_allclose(kl_divergence(counts, y_proba, **options), kl, rtol=1e-12, atol=1e-15)
    h = scipy.stats.entropy(counts, base=2, axis=1)
    assert_allclose(entropy(counts, **options), h, rtol=1e-13)
    assert_allclose(cross_entropy_loss(counts, y_proba, **options), h + kl, rtol=1e-12)
    js = jensenshannon(counts, y_proba, base=2, axis=1) ** 2
    assert_allclose(js_divergence(counts, y_proba, **options), js, rtol=1e-10)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3, 6])
def test_labels_give_scikit_learns_log_loss_and_d2(n_classes, weighted):
    y_true, y_proba = make_labels(n_classes=n_classes)
    weight = np.random.default_rng(1).uniform(size=len(y_true)) if weighted else None
    expected = log_loss(y_true, y_proba, sample_weight=weight)
    for loss in (cross_entropy_loss, kl_divergence):
        assert loss(y_true, y_proba, sample_weight=weight) == pytest.approx(expected, rel=1e-12)
    expected = d2_log_loss_score(y_true, y_proba, sample_weight=weight)
    assert d2_kl_score(y_true, y_proba, sample_weight=weight) == pytest.approx(expected, rel=1e-12)


def test_label_distributions_of_real_ratings(shared_data):
    _, y_true = shared_data("SJAFFE")
    prior = np.broadcast_to(y_true.mean(axis=0), y_true.shape)
    expected = scipy.stats.entropy(y_true, prior, axis=1)
    assert_allclose(kl_divergence(y_true, prior, per_sample=True), expected, rtol=1e-11)
    assert d2_kl_score(y_true, prior) == pytest.approx(0, abs=1e-10)


# --- the identity H(p, q) - H(p) = KL ----------------------------------------------------------


def identity_cases():
    counts, y_proba = make_counts(n_classes=5)
    yield "counts", counts, y_proba
    yield "sparse counts", sp.csr_array(counts), y_proba
    yield "float32", counts.astype(np.float32), y_proba.astype(np.float32)
    yield "float32 distributions", (counts / counts.sum(1, keepdims=True)).astype("f4"), y_proba
    yield "labels", counts.argmax(axis=1), y_proba
    yield "nearly equal", [[0.3, 0.7]], [[0.3 + 1e-9, 0.7 - 1e-9]]
    yield "sum within tolerance", [[0.3, 0.7]], [[0.3, 0.7 + 1e-9]]
    yield "infinite", [[0.5, 0.5], [1, 0]], [[0.0, 1.0], [1.0, 0.0]]
    yield "subnormal", [[0.5, 0.5], [1e-310, 1.0]], [[1e-310, 1.0], [1.0, 1e-310]]
    yield "tiny masses", np.multiply(counts, 1e-300), y_proba
    yield "huge masses", np.multiply(counts, 1e300), y_proba
    yield "unlabelled row", [[0, 0], [1, 3]], [[0.0, 1.0], [0.5, 0.5]]


@pytest.mark.parametrize(
    "y_true, y_proba", [pytest.param(*c[1:], id=c[0]) for c in identity_cases()]
)
def test_cross_entropy_less_entropy_is_kl(y_true, y_proba):
    for per_sample in (True, False):
        options = {"per_sample": per_sample}
        difference = cross_entropy_loss(y_true, y_proba, **options) - entropy(y_true, **options)
        assert_allclose(
            kl_divergence(y_true, y_proba, **options), difference, atol=1e-13, rtol=1e-13
        )


def test_thousand_classes_and_many_blocks():
    counts, y_proba = make_counts(n_samples=200, n_classes=1000)
    rows = cross_entropy_loss(counts, y_proba, per_sample=True)
    expected = [
        -(c[c > 0] / c.sum()) @ np.log(q[c > 0]) for c, q in zip(counts, y_proba, strict=True)
    ]
    assert_allclose(rows, expected, rtol=1e-12)


# --- infinite, unlabelled and unweighted rows --------------------------------------------------


@pytest.mark.parametrize("y_true", [["a", "b"], [[1, 0], [0, 2]], [[3.0, 0.5], [1, 1]]])
def test_mass_on_a_class_of_probability_zero_is_infinite(y_true):
    y_proba = [[0.0, 1.0], [0.5, 0.5]]
    for loss in (cross_entropy_loss, kl_divergence):
        assert loss(y_true, y_proba) == np.inf
        assert_array_equal(np.isinf(loss(y_true, y_proba, per_sample=True)), [True, False])
    assert d2_kl_score(y_true, y_proba) == -np.inf
    assert js_divergence(y_true, y_proba) < LOG2


@pytest.mark.parametrize("score", SCORES, ids=name)
def test_an_infinite_row_without_weight_changes_nothing(score):
    y_true, y_proba = [[1, 0], [3, 1], [0, 2]], [[0.0, 1.0], [0.5, 0.5], [0.25, 0.75]]
    assert score(y_true, y_proba, sample_weight=[0, 1, 1]) == score(y_true[1:], y_proba[1:])
    labels = ["a", "a", "b"]
    assert score(labels, y_proba, sample_weight=[0, 1, 1]) == score(labels[1:], y_proba[1:])


@pytest.mark.parametrize("as_matrix", [np.asarray, sp.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("score", SCORES, ids=name)
def test_unlabelled_rows_weigh_nothing(score, as_matrix):
    y_true, y_proba = np.array([[0, 0], [3, 1], [0, 2]]), [[0.0, 1.0], [0.5, 0.5], [0.25, 0.75]]
    assert score(as_matrix(y_true), y_proba) == score(y_true[1:], y_proba[1:])


@pytest.mark.parametrize("as_matrix", [np.asarray, sp.csr_array], ids=["dense", "sparse"])
def test_unlabelled_rows_are_nan_per_sample(as_matrix):
    y_true, y_proba = as_matrix(np.array([[0, 0], [3, 1]])), [[0.0, 1.0], [0.5, 0.5]]
    values = [loss(y_true, y_proba, per_sample=True) for loss in LOSSES]
    for rows in [*values, entropy(y_true, per_sample=True)]:
        assert_array_equal(np.isnan(rows), [True, False])


def test_an_infinite_row_of_negligible_weight_stays_infinite():
    # Its share of the total underflows to zero, and 0 * inf would be nan.
    assert cross_entropy_loss([[1e-320, 0], [1e10, 0]], [[0.0, 1.0], [1.0, 0.0]]) == np.inf


def test_d2_with_a_class_of_negligible_mass():
    # The share of the first class underflows, and the prior would give it probability zero.
    y_true, good = [[1e-320, 0, 0], [0, 1e10, 0], [0, 0, 1e10]], [0.2, 0.6, 0.2]
    y_proba = [good, good, [0.2, 0.2, 0.6]]
    assert d2_kl_score(y_true, y_proba) == pytest.approx(1 + np.log(0.6) / LOG2)
    assert d2_kl_score(y_true, [[0.0, 0.5, 0.5], *y_proba[1:]]) == -np.inf


def test_values_of_rows_do_not_depend_on_sample_weight():
    counts, y_proba = make_counts()
    weight = np.arange(len(counts))
    for loss in LOSSES:
        weighted = loss(counts, y_proba, sample_weight=weight, per_sample=True)
        assert_array_equal(weighted, loss(counts, y_proba, per_sample=True))


# --- invariances -------------------------------------------------------------------------------


@pytest.mark.parametrize("score", SCORES, ids=name)
def test_classes_may_be_permuted(score):
    counts, y_proba = make_counts()
    order = [2, 0, 3, 1]
    assert score(counts[:, order], y_proba[:, order]) == pytest.approx(score(counts, y_proba))
    labels, y_proba = make_labels()
    permuted = score(labels, y_proba[:, order], labels=np.array(list("abcd"))[order])
    assert permuted == pytest.approx(score(labels, y_proba))


@pytest.mark.parametrize("score", SCORES, ids=name)
def test_sample_weight_is_repetition(score):
    times = np.random.default_rng(1).integers(0, 4, 300)
    for y_true, y_proba in (make_counts(), make_labels()):
        weighted = score(y_true, y_proba, sample_weight=times)
        repeated = score(np.repeat(y_true, times, axis=0), np.repeat(y_proba, times, axis=0))
        assert weighted == pytest.approx(repeated, rel=1e-12)


def test_counts_are_repeated_labels():
    counts, y_proba = make_counts()
    rows, codes = np.nonzero(counts)
    times = counts[rows, codes].astype(int)
    labels, repeated = np.repeat(codes, times), np.repeat(y_proba[rows], times, axis=0)
    expected = log_loss(labels, repeated)
    assert cross_entropy_loss(counts, y_proba) == pytest.approx(expected, rel=1e-12)
    assert cross_entropy_loss(labels, repeated) == pytest.approx(expected, rel=1e-12)


def test_entropy_of_weighted_rows_is_that_of_repeated_rows():
    counts, _ = make_counts()
    times = np.random.default_rng(1).integers(0, 4, 300)
    repeated = entropy(np.repeat(counts, times, axis=0))
    assert entropy(counts, sample_weight=times) == pytest.approx(repeated, rel=1e-12)


@pytest.mark.parametrize("loss", LOSSES, ids=name)
def test_base_changes_the_unit(loss):
    counts, y_proba = make_counts()
    assert loss(counts, y_proba, base=2) == pytest.approx(loss(counts, y_proba) / LOG2)
    assert loss(counts, y_proba, base=np.e) == pytest.approx(loss(counts, y_proba))
    rows = loss(counts, y_proba, base=10, per_sample=True)
    assert_allclose(rows, loss(counts, y_proba, per_sample=True) / np.log(10))


def test_base_changes_the_unit_of_entropy():
    assert entropy([[1, 1, 1, 1]], base=2) == 2
    assert_array_equal(entropy([[1, 1, 1, 1]], base=2, per_sample=True), [2])


def test_js_is_symmetric_and_bounded():
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.full(3, 0.1), 100), rng.dirichlet(np.full(3, 0.1), 100)
    p, q = p / p.sum(1, keepdims=True), q / q.sum(1, keepdims=True)
    forth, back = js_divergence(p, q, per_sample=True), js_divergence(q, p, per_sample=True)
    assert_allclose(forth, back, atol=1e-15)
    assert (forth >= 0).all()
    assert (forth <= LOG2).all()


@pytest.mark.parametrize("score", SCORES, ids=name)
def test_inputs_are_left_alone(score):
    counts, y_proba = make_counts()
    sparse = sp.csr_array(counts)
    before = counts.copy(), y_proba.copy(), sparse.data.copy()
    score(counts, y_proba)
    score(sparse, y_proba)
    for old, new in zip(before, (counts, y_proba, sparse.data), strict=True):
        assert_array_equal(old, new)


# --- d2 ----------------------------------------------------------------------------------------


def test_d2_of_the_class_prior_is_zero():
    counts, _ = make_counts()
    weight = np.random.default_rng(1).uniform(size=len(counts))
    prior = np.average(counts, axis=0, weights=weight)
    y_proba = np.broadcast_to(prior / prior.sum(), counts.shape)
    assert d2_kl_score(counts, y_proba, sample_weight=weight) == pytest.approx(0, abs=1e-13)


def test_d2_ignores_the_entropy_of_the_targets():
    # The best prediction scores one, which a share of the cross-entropy would never reach.
    votes = [[3, 1], [1, 3], [2, 2]]
    perfect = [[0.75, 0.25], [0.25, 0.75], [0.5, 0.5]]
    assert d2_kl_score(votes, perfect) == 1.0


@pytest.mark.parametrize(
    "y_true", [["a"] * 3, [[1, 0]] * 3, [[0.1, 0.3]] * 3], ids=["labels", "certain", "uncertain"]
)
def test_d2_of_constant_targets(y_true):
    p = [0.25, 0.75] if y_true[0] == [0.1, 0.3] else [1.0, 0.0]
    assert d2_kl_score(y_true, [p] * 3, labels=["a", "b"]) == 1.0
    assert d2_kl_score(y_true, [[0.5, 0.5]] * 3, labels=["a", "b"]) == -np.inf


# --- forms of y_true and y_proba ---------------------------------------------------------------


@pytest.mark.parametrize("score", SCORES, ids=name)
def test_probability_of_the_second_class_is_enough(score):
    labels, y_proba = make_labels(n_classes=2)
    counts, _ = make_counts(n_classes=2)
    for y_true in (labels, counts):
        assert score(y_true, y_proba[:, 1]) == pytest.approx(score(y_true, y_proba))
    one_class = score(["b", "b"], [0.5, 0.25], labels=["a", "b"])
    assert one_class == score(["b", "b"], [[0.5, 0.5], [0.75, 0.25]], labels=["a", "b"])


@pytest.mark.parametrize("make", [sp.csr_array, sp.csc_array, sp.coo_matrix, sp.csr_matrix])
@pytest.mark.parametrize("score", SCORES, ids=name)
def test_sparse_targets_score_as_dense_ones(score, make):
    counts, y_proba = make_counts()
    assert score(make(counts), y_proba) == pytest.approx(score(counts, y_proba), rel=1e-14)
    assert entropy(make(counts)) == pytest.approx(entropy(counts), rel=1e-14)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize("score", SCORES, ids=name)
def test_frames_match_by_column_names(score, frame):
    counts, y_proba = make_counts(n_classes=3)
    expected = score(counts, y_proba)
    y_true = frame({name: counts[:, k] for k, name in enumerate("abc")})
    predicted = frame({name: y_proba[:, "abc".index(name)] for name in "cab"})
    assert score(y_true, predicted) == pytest.approx(expected)
    assert score(y_true, y_proba) == pytest.approx(expected)
    assert score(y_true, y_proba[:, [2, 0, 1]], labels=list("cab")) == pytest.approx(expected)
    labels = np.array(list("abc"))[counts.argmax(axis=1)]
    assert score(labels, predicted) == pytest.approx(score(labels, y_proba))


def test_labels_name_the_columns_in_their_order():
    # log_loss sorts them and reads the first column as "a".
    y_true, y_proba = ["a", "b"], [[0.1, 0.9], [0.8, 0.2]]
    loss = cross_entropy_loss(y_true, y_proba, labels=["b", "a"])
    assert loss == pytest.approx(-(np.log(0.9) + np.log(0.8)) / 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sorted_loss = log_loss(y_true, y_proba, labels=["b", "a"])
    assert sorted_loss == pytest.approx(-np.log(0.1 * 0.2) / 2)


def test_labels_may_name_classes_without_a_row():
    y_proba = [[0.5, 0.25, 0.25], [0.25, 0.25, 0.5]]
    assert cross_entropy_loss([1, 7], y_proba, labels=[1, 4, 7]) == pytest.approx(LOG2)


def test_float32_predictions_may_miss_one_by_their_precision():
    rng = np.random.default_rng(0)
    y_proba = rng.dirichlet(np.ones(50), 200).astype(np.float32)
    labels = np.arange(200) % 50
    assert np.abs(y_proba.sum(axis=1, dtype=float) - 1).max() > 1e-9
    expected = -np.log(y_proba[np.arange(200), labels].astype(float)).mean()
    assert cross_entropy_loss(labels, y_proba) == pytest.approx(expected, rel=1e-14)
    half = (y_proba / y_proba.sum(axis=1, keepdims=True)).astype(np.float16)
    assert cross_entropy_loss(labels, half) == pytest.approx(expected, rel=1e-3)


def test_pandas_categoricals_booleans_and_integers_are_labels():
    y_proba = [[0.5, 0.5], [0.25, 0.75]]
    for y_true in (pd.Series(["a", "b"], dtype="category"), [False, True], pd.Series([3, 5])):
        assert cross_entropy_loss(y_true, y_proba) == pytest.approx((LOG2 + np.log(4 / 3)) / 2)


# --- errors ------------------------------------------------------------------------------------

TWO = [[0.5, 0.5], [0.25, 0.75]]


@pytest.mark.parametrize("score", SCORES, ids=name)
@pytest.mark.parametrize(
    "y_proba, message",
    [
        (
            [[1.1, -0.1], [0.5, 0.5]],
            r"y_proba contains the negative value -0.1, but probabilities lie between 0 and 1",
        ),
        ([[-1.0, -2.0], [-0.5, -1.0]], r"Pass the output of predict_proba, not of decision_func"),
        ([0.5, 1.5], r"y_proba contains 1.5, but probabilities lie between 0 and 1"),
        (
            [[0.5, 0.5], [0.5, 0.6]],
            r"must sum to one within 1.9e-06, but row 1 sums to 1.1\. .*normalize_rows\(y_proba\)",
        ),
        (
            [[0.0, 0.0], [0.5, 0.5]],
            r"row 0 sums to 0\. .*yes-or-no questions cannot be",
        ),
        ([[0.5], [0.6]], r"row 0 sums to 0.5. Pass the probabilities of the second of two .* 1-D"),
        ([[0.5, np.nan], [0.5, 0.5]], r"y_proba contains NaN"),
        ([[0.5, np.inf], [0.5, 0.5]], r"y_proba contains infinity"),
        ([TWO], r"Found array with dim 3"),
        ([[0.5, 0.5]], r"y_true has 2 rows, but y_proba has 1\. Pass one prediction for every row"),
    ],
)
def test_wrong_predictions_raise(score, y_proba, message):
    with pytest.raises(ValueError, match=message):
        score(["a", "b"], y_proba)


def test_sparse_predictions_raise():
    with pytest.raises(TypeError, match=r"y_proba.*dense data is required"):
        kl_divergence(["a", "b"], sp.csr_array(TWO))


@pytest.mark.parametrize(
    "y_true, y_proba, labels, message",
    [
        (
            ["a", "b", "c"],
            [*TWO, [1, 0]],
            None,
            r"3 distinct labels, \['a', 'b', 'c'\].* 2 classes",
        ),
        (
            ["a", "a"],
            TWO,
            None,
            r"1 distinct labels, \['a'\], but .* Pass labels= with the class of",
        ),
        (["a", "b", "c"], [0.1, 0.2, 0.3], None, r"3 distinct labels.* about 2 classes"),
        ([[1, 2, 3]], [[0.5, 0.5]], None, r"y_true has 3 columns, \[0, 1, 2\], but .* 2 classes"),
        ([[1, 2, 3]], [[0.5, 0.5]], ["a", "b"], r"y_true has 3 columns, but there are 2 classes"),
        (
            ["a", "b"],
            TWO,
            ["a", "b", "c"],
            r"each of the 2 columns of y_proba, got .* shape \(3,\)",
        ),
        (["a", "b"], TWO, "ab", r"labels must give the class of each of the 2 columns"),
        (["a", "b"], TWO, ["a", "a"], r"labels must differ, but \['a'\] appear more than once"),
        (["a", "z"], TWO, ["a", "b"], r"y_true contains labels that are not among the classes"),
        (["a", "b"], pd.DataFrame(TWO), None, r"y_true contains labels that are not among the cl"),
        (["a", "b"], pd.DataFrame(TWO, columns=["b", "a"]), ["a", "b"], r"Leave labels out"),
        (pd.DataFrame({"x": [1, 0], "y": [0, 1]}), TWO, ["a", "b"], r"The columns of y_true are"),
        ([0.3, 0.7], TWO, None, r"Unknown label type: continuous"),
        ([[-1, 2], [1, 1]], TWO, None, r"Negative values in y_true: the smallest is -1"),
        ([[np.nan, 2], [1, 1]], TWO, None, r"y_true contains NaN"),
    ],
)
@pytest.mark.parametrize("score", SCORES, ids=name)
def test_classes_that_do_not_match_raise(score, y_true, y_proba, labels, message):
    with pytest.raises(ValueError, match=message):
        score(y_true, y_proba, labels=labels)


def test_labels_are_needed_beside_unnamed_columns_only():
    y_proba = pd.DataFrame(TWO)
    assert kl_divergence(["a", "b"], y_proba, labels=["a", "b"]) == kl_divergence(["a", "b"], TWO)


@pytest.mark.parametrize("base", [1, 0.5, 0, -2, np.inf, np.nan, "2", True])
@pytest.mark.parametrize("loss", LOSSES, ids=name)
def test_base_must_be_greater_than_one(loss, base):
    with pytest.raises(ValueError, match=r"base must be a number greater than 1, .* got "):
        loss(["a", "b"], TWO, base=base)
    with pytest.raises(ValueError, match=r"base must be a number greater than 1, .* got "):
        entropy(["a", "b"], base=base)


@pytest.mark.parametrize("score", [*SCORES, lambda y, q, **kw: entropy(y, **kw)], ids=name)
def test_zero_total_weight_raises(score):
    with pytest.raises(ValueError, match="total mass of the targets is zero: every row of y_true"):
        score([[0, 0], [0, 0]], TWO)
    with pytest.raises(ValueError, match=r"has sample_weight zero|at least one non-zero"):
        score(["a", "b"], TWO, sample_weight=[0, 0])


@pytest.mark.parametrize("score", SCORES, ids=name)
def test_bad_sample_weight_raises(score):
    with pytest.raises(ValueError, match=r"[Nn]egative"):
        score(["a", "b"], TWO, sample_weight=[1, -1])
    with pytest.raises(ValueError, match=r"inconsistent|shape"):
        score(["a", "b"], TWO, sample_weight=[1, 1, 1])


def test_no_warning_at_any_limit():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for score in SCORES:
            score([[1e-320, 0], [1e300, 1], [0, 0]], [[0.0, 1.0], [1e-320, 1.0], [1.0, 0.0]])
