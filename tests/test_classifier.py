"""KLClassifier: what it promises about its data, its attributes, its errors and its neighbours."""

import pickle
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import scipy.stats
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_info, threadpool_limits

from sklearn_kl import KLClassifier
from sklearn_kl.datasets import load_housing, make_soft_classification
from sklearn_kl.metrics import (
    cross_entropy_loss,
    get_scorer,
    kl_divergence,
    neg_kl_divergence_scorer,
)
from sklearn_kl.models import CallableModel
from sklearn_kl.solvers import LBFGS, GradientDescent, NewtonCG
from sklearn_kl.solvers._methods import SOLVERS

EVERY_SOLVER = sorted(SOLVERS)
EXACT = KLClassifier(tol=1e-14)


def make_data(n_samples=100, n_features=4, n_classes=3, **options):
    return make_soft_classification(n_samples, n_features, n_classes, random_state=0, **options)


@pytest.fixture
def soft():
    """Features, vote counts and distributions."""
    return make_data()


@pytest.fixture
def hard():
    """Features and labels a, b, c."""
    X, y, _ = make_data(n_votes=1)
    return X, np.array(["a", "b", "c"])[y.argmax(axis=1)]


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def same_model(left, right, **tolerance):
    tolerance = tolerance or {"rtol": 1e-5, "atol": 1e-6}
    assert_allclose(left.coef_, right.coef_, **tolerance)
    assert_allclose(left.intercept_, right.intercept_, **tolerance)


# ---- invariances


def test_counts_are_repeated_labels():
    X, y, _ = make_data()
    rows = np.repeat(X, y.sum(axis=1), axis=0)
    labels = np.concatenate([np.repeat(np.arange(3), row) for row in y])
    grouped, repeated = clone(EXACT).fit(X, y), clone(EXACT).fit(rows, labels)
    same_model(grouped, repeated)
    assert grouped.cross_entropy_ == pytest.approx(repeated.cross_entropy_, rel=1e-9)


@pytest.mark.parametrize("kind", ["labels", "counts", "distributions"])
def test_weight_is_repetition(kind):
    X, counts, q = make_data()
    y = {"labels": counts.argmax(axis=1), "counts": counts, "distributions": q}[kind]
    weight = np.random.default_rng(0).integers(0, 4, size=100)
    weighted = clone(EXACT).fit(X, y, sample_weight=weight)
    repeated = clone(EXACT).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight, axis=0))
    same_model(weighted, repeated)


def test_one_hot_rows_are_labels(soft):
    X, y, _ = soft
    labels = y.argmax(axis=1)
    same_model(clone(EXACT).fit(X, np.eye(3)[labels]), clone(EXACT).fit(X, labels))


def test_the_order_of_the_classes_does_not_matter(soft):
    X, y, _ = soft
    order = [2, 0, 1]
    plain, permuted = clone(EXACT).fit(X, y), clone(EXACT).fit(X, y[:, order])
    assert_allclose(permuted.coef_, plain.coef_[order], rtol=1e-5, atol=1e-6)
    assert_allclose(permuted.predict_proba(X), plain.predict_proba(X)[:, order], atol=1e-6)


def test_swapping_two_classes_turns_the_sign():
    X, y, _ = make_data(n_classes=2)
    plain, swapped = clone(EXACT).fit(X, y), clone(EXACT).fit(X, y[:, ::-1])
    assert_allclose(swapped.coef_, -plain.coef_, rtol=1e-5, atol=1e-6)
    assert_allclose(swapped.intercept_, -plain.intercept_, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("solver", EVERY_SOLVER)
def test_units_and_origin_of_the_features_do_not_matter_without_a_penalty(solver, soft):
    X, y, _ = soft
    scale, origin = np.array([1e-6, 1.0, 50.0, 1e6]), np.array([0.0, 10.0, -3.0, 1e6])
    clf = KLClassifier(C=np.inf, solver=solver, tol=1e-12)
    proba = clf.fit(X, y).predict_proba(X)
    moved = X * scale + origin
    assert_allclose(clf.fit(moved, y).predict_proba(moved), proba, atol=1e-5)


def test_row_order_does_not_matter(soft):
    X, y, _ = soft
    same_model(clone(EXACT).fit(X, y), clone(EXACT).fit(X[::-1], y[::-1]))


def test_mass_and_C_are_exchangeable(soft):
    X, y, _ = soft
    same_model(KLClassifier(C=3.0, tol=1e-14).fit(X, y), clone(EXACT).fit(X, 3 * y))


@pytest.mark.parametrize("C", [1.0, np.inf])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_coefficients_of_more_than_two_classes_sum_to_zero(C, fit_intercept, soft):
    X, y, _ = soft
    clf = KLClassifier(C=C, fit_intercept=fit_intercept).fit(X, y)
    assert_allclose(clf.coef_.sum(axis=0), 0, atol=1e-10)
    assert clf.intercept_.sum() == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array, sp.csc_array])
@pytest.mark.parametrize("solver", EVERY_SOLVER)
def test_n_jobs_changes_no_bit(container, solver):
    X, y, _ = make_data(n_samples=40_000, n_features=20, n_votes=3)
    if container is not np.asarray:
        X[np.abs(X) < 1] = 0
    fits = [
        KLClassifier(n_jobs=n_jobs, solver=solver, tol=1e-4).fit(container(X), y)
        for n_jobs in (1, 2, 3, None)
    ]
    for other in fits[1:]:
        assert_array_equal(other.coef_, fits[0].coef_)
        assert_array_equal(other.intercept_, fits[0].intercept_)
        assert_array_equal(other.loss_path_, fits[0].loss_path_)
        assert other.optimality_gap_ == fits[0].optimality_gap_


def test_the_same_fit_twice_is_the_same_to_the_bit(soft):
    X, y, _ = soft
    assert_array_equal(KLClassifier().fit(X, y).coef_, KLClassifier().fit(X, y).coef_)


# ---- what X may be


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_array, sp.csc_array])
def test_float32_in_float32_out(container, n_classes):
    X, y, _ = make_data(n_classes=n_classes)
    clf = KLClassifier().fit(container(X.astype(np.float32)), y)
    expected = KLClassifier().fit(X, y)
    for name in ("coef_", "intercept_"):
        assert getattr(clf, name).dtype == np.float32
        assert getattr(expected, name).dtype == np.float64
    single = container(X.astype(np.float32))
    for method in ("decision_function", "predict_proba", "predict_log_proba"):
        assert getattr(clf, method)(single).dtype == np.float32
        assert getattr(expected, method)(container(X)).dtype == np.float64
        assert_allclose(
            getattr(clf, method)(single), getattr(expected, method)(X), rtol=1e-3, atol=1e-3
        )
    assert_allclose(clf.predict_proba(single).sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("dtype", [int, bool, np.uint8, np.float16])
def test_other_dtypes_are_float64(dtype, soft):
    X, y, _ = soft
    X = (X > 0).astype(dtype)
    clf = KLClassifier().fit(X, y)
    assert clf.coef_.dtype == np.float64
    same_model(clf, KLClassifier().fit(X.astype(float), y))


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_frame_of_features_gives_their_names(frame, soft):
    X, y, _ = soft
    X_frame = frame({f"x{i}": X[:, i] for i in range(4)})
    if not hasattr(StandardScaler().fit(X_frame), "feature_names_in_"):
        pytest.skip("this version of scikit-learn does not know the names of this frame")
    clf = KLClassifier().fit(X_frame, y)
    assert clf.feature_names_in_.tolist() == ["x0", "x1", "x2", "x3"]
    assert clf.n_features_in_ == 4
    assert_array_equal(clf.coef_, KLClassifier().fit(X, y).coef_)
    with pytest.raises(ValueError, match="feature names"):
        clf.predict(X_frame[["x1", "x0", "x2", "x3"]])


def test_layouts_of_memory_give_the_same_model(soft):
    X, y, _ = soft
    wide = np.zeros((200, 8))
    wide[::2, ::2] = X
    for layout in (np.asfortranarray(X), wide[::2, ::2], X[::-1][::-1]):
        same_model(clone(EXACT).fit(layout, y), clone(EXACT).fit(X, y))


def test_read_only_memory_map(tmp_path, soft):
    X, y, _ = soft
    path = tmp_path / "X.npy"
    np.save(path, X)
    mapped = np.load(path, mmap_mode="r")
    assert not mapped.flags.writeable
    clf = KLClassifier().fit(mapped, y)
    assert_array_equal(clf.coef_, KLClassifier().fit(X, y).coef_)
    assert_array_equal(clf.predict_proba(mapped), clf.predict_proba(X))


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array, sp.csc_array])
@pytest.mark.parametrize("solver", EVERY_SOLVER)
def test_inputs_are_not_changed(container, solver, soft):
    X, y, _ = soft
    X = X.copy() + 5
    X[np.abs(X) < 1] = 0
    inputs = [container(X), y.astype(float), np.ones(100)]
    arrays = inputs[1:]
    arrays += [X.data, X.indices, X.indptr] if sp.issparse(X := inputs[0]) else [X]
    before = [array.copy() for array in arrays]
    for array in arrays:
        array.flags.writeable = False
    clf = KLClassifier(solver=solver, class_weight="balanced")
    clf.fit(inputs[0], inputs[1], sample_weight=inputs[2]).score(*inputs)
    clf.predict_log_proba(inputs[0])
    for now, then in zip(arrays, before, strict=True):
        assert_array_equal(now, then)


def peak_bytes(function, *args):
    """Largest memory allocated on top of what was there."""
    tracemalloc.start()
    try:
        function(*args)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", EVERY_SOLVER)
def test_dense_features_are_never_copied(dtype, solver):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30_000, 100), dtype=dtype)
    X += 10
    y = rng.integers(2, size=len(X))
    clf = KLClassifier(solver=solver, n_jobs=1, tol=1e-3)
    assert peak_bytes(clf.fit, X, y) < X.nbytes * 0.6
    assert peak_bytes(clf.predict_proba, X) < X.nbytes * 0.4


@pytest.mark.parametrize("container", [sp.csr_array, sp.csc_array])
def test_sparse_features_are_never_copied_or_densified(container):
    # In every row 40 of 2000 columns.
    rng = np.random.default_rng(0)
    columns = 50 * np.arange(40) + rng.integers(50, size=(60_000, 40))
    indices, indptr = columns.ravel().astype(np.int32), 40 * np.arange(60_001, dtype=np.int32)
    entries = (rng.uniform(10, 11, size=indices.size), indices, indptr)
    X = container(sp.csr_array(entries, shape=(60_000, 2_000)))
    y = np.arange(60_000) % 2
    n_bytes = X.data.nbytes + X.indices.nbytes
    assert peak_bytes(KLClassifier(n_jobs=1, tol=1e-3).fit, X, y) < n_bytes * 0.6
    # Dense, it would take 25 times as much.
    assert n_bytes < 60_000 * 2_000 * 8 / 25


# ---- what y may be


@pytest.mark.parametrize(
    "convert, classes",
    [
        (lambda y: y.tolist(), ["a", "b", "c"]),
        (pd.Series, ["a", "b", "c"]),
        (lambda y: pd.Series(y, dtype="category"), ["a", "b", "c"]),
        (lambda y: pd.Categorical(y, categories=["c", "b", "a"]), ["a", "b", "c"]),
        (pl.Series, ["a", "b", "c"]),
        (lambda y: y.astype(object), ["a", "b", "c"]),
        (lambda y: y == "a", [False, True]),
        (lambda y: pd.Series(y == "a", dtype="boolean"), [False, True]),
        (lambda y: np.searchsorted(["a", "b", "c"], y) - 5, [-5, -4, -3]),
        (lambda y: np.searchsorted(["a", "b", "c"], y).astype(float), [0.0, 1.0, 2.0]),
    ],
)
def test_labels_of_any_type(convert, classes, hard):
    X, labels = hard
    y = convert(labels)
    clf = KLClassifier().fit(X, y)
    assert clf.classes_.tolist() == classes
    assert clf.predict(X).dtype == clf.classes_.dtype
    codes = np.unique(np.asarray(y), return_inverse=True)[1]
    same_model(clf, KLClassifier().fit(X, codes))
    assert clf.score(X, y) == (clf.predict(X) == np.asarray(y)).mean()


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_frame_of_targets_names_the_classes(frame, soft):
    X, y, _ = soft
    clf = KLClassifier().fit(X, frame({"low": y[:, 0], "mid": y[:, 1], "high": y[:, 2]}))
    assert clf.classes_.tolist() == ["low", "mid", "high"]
    assert_allclose(clf.coef_, KLClassifier().fit(X, y).coef_, rtol=1e-10)
    assert set(clf.predict(X)) <= {"low", "mid", "high"}


@pytest.mark.parametrize("container", [sp.csr_matrix, sp.csr_array, sp.csc_array, sp.coo_array])
def test_sparse_counts(container, soft):
    X, y, _ = soft
    same_model(clone(EXACT).fit(X, container(y)), clone(EXACT).fit(X, y))


def test_classes_of_a_plain_matrix_are_its_columns(soft):
    X, y, _ = soft
    assert KLClassifier().fit(X, y).classes_.tolist() == [0, 1, 2]
    assert KLClassifier().fit(X, y.tolist()).classes_.tolist() == [0, 1, 2]


def test_a_column_of_labels_warns(hard):
    X, labels = hard
    with pytest.warns(DataConversionWarning, match="ravel"):
        clf = KLClassifier().fit(X, labels[:, None])
    assert clf.classes_.tolist() == ["a", "b", "c"]


def test_unlabelled_rows_count_for_nothing(soft):
    X, y, _ = soft
    labelled = np.arange(100) % 3 > 0
    with_zeros = clone(EXACT).fit(X, y * labelled[:, None])
    without = clone(EXACT).fit(X[labelled], y[labelled])
    same_model(with_zeros, without)
    assert with_zeros.target_entropy_ == pytest.approx(without.target_entropy_, rel=1e-12)


# ---- fitted attributes


@pytest.mark.parametrize("kind", ["labels", "counts", "distributions", "sparse counts"])
@pytest.mark.parametrize("weighted", [True, False])
def test_attributes_are_what_the_metrics_say(kind, weighted):
    X, counts, q = make_data()
    y = {
        "labels": counts.argmax(axis=1),
        "counts": counts,
        "distributions": q,
        "sparse counts": sp.csr_array(counts),
    }[kind]
    weight = np.random.default_rng(0).uniform(size=100) if weighted else None
    clf = KLClassifier().fit(X, y, sample_weight=weight)
    proba = clf.predict_proba(X)
    loss = cross_entropy_loss(y, proba, sample_weight=weight)
    assert clf.cross_entropy_ == pytest.approx(loss, rel=1e-11)
    divergence = kl_divergence(y, proba, sample_weight=weight)
    assert clf.kl_divergence_ == pytest.approx(divergence, rel=1e-9)
    assert clf.target_entropy_ == pytest.approx(loss - divergence, abs=1e-12)
    if kind == "distributions":
        mean = np.average(scipy.stats.entropy(q, axis=1), weights=weight)
        assert clf.target_entropy_ == pytest.approx(mean, rel=1e-12)
    if kind == "labels":
        assert clf.target_entropy_ == 0
    assert clf.converged_
    assert clf.n_features_in_ == 4
    assert not hasattr(clf, "feature_names_in_")
    assert clf.n_iter_ == len(clf.loss_path_)
    assert 0 <= clf.optimality_gap_ < 1e-4


@pytest.mark.parametrize("n_classes, rows", [(2, 1), (3, 3)])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_shapes_are_those_of_logistic_regression(n_classes, rows, fit_intercept):
    X, y, _ = make_data(n_classes=n_classes)
    clf = KLClassifier(fit_intercept=fit_intercept).fit(X, y)
    assert clf.coef_.shape == (rows, 4)
    assert clf.intercept_.shape == (rows,)
    assert fit_intercept or not clf.intercept_.any()
    shape = (100,) if n_classes == 2 else (100, 3)
    assert clf.decision_function(X).shape == shape
    assert clf.predict_proba(X).shape == (100, n_classes)
    assert clf.coef_.flags.c_contiguous


@pytest.mark.parametrize("n_classes", [2, 3])
def test_predictions_agree_with_each_other(n_classes):
    X, y, _ = make_data(n_classes=n_classes)
    clf = KLClassifier().fit(X, y)
    logits = X @ clf.coef_.T + clf.intercept_
    assert_allclose(clf.decision_function(X), logits.squeeze(), rtol=1e-12, atol=1e-12)
    proba = clf.predict_proba(X)
    assert_allclose(proba.sum(axis=1), 1, rtol=1e-13)
    assert_allclose(clf.predict_log_proba(X), np.log(proba), rtol=1e-10)
    assert_array_equal(clf.predict(X), proba.argmax(axis=1))


def test_log_probabilities_are_finite_where_probabilities_underflow():
    for n_classes in (2, 3):
        X, y, _ = make_data(n_classes=n_classes)
        clf = KLClassifier().fit(X, y)
        far = X * 1e5
        assert (clf.predict_proba(far) == 0).any()
        assert np.isfinite(clf.predict_log_proba(far)).all()
        assert clf.predict_log_proba(far).min() < -1000


@pytest.mark.parametrize("solver", EVERY_SOLVER)
def test_the_intercept_makes_mean_predictions_the_class_shares(solver, soft):
    # The condition for the minimum along an intercept that is not penalised.
    X, y, _ = soft
    clf = KLClassifier(C=0.01, solver=solver, tol=1e-13).fit(X, y)
    mass = y.sum(axis=1)
    assert_allclose(mass @ clf.predict_proba(X), y.sum(axis=0), rtol=1e-6)


def test_the_truth_is_found():
    X, y, q = make_data(n_samples=5000, n_votes=50)
    clf = KLClassifier(C=np.inf).fit(X, y)
    assert kl_divergence(q, clf.predict_proba(X)) < 1e-4
    assert clf.kl_divergence_ == pytest.approx(
        np.average(kl_divergence(y, q, per_sample=True)), abs=1e-3
    )


# ---- score


def test_score_of_labels_is_accuracy(hard):
    X, labels = hard
    weight = np.arange(100.0)
    clf = KLClassifier().fit(X, labels)
    assert clf.score(X, labels) == accuracy_score(labels, clf.predict(X))
    assert clf.score(X, labels.tolist(), weight) == pytest.approx(
        accuracy_score(labels, clf.predict(X), sample_weight=weight)
    )


def test_score_of_distributions_is_the_mean_probability_of_the_predicted_class(soft):
    X, y, q = soft
    clf = KLClassifier().fit(X, q)
    codes, rows, weight = clf.predict(X), np.arange(100), np.arange(100.0)
    assert clf.score(X, q) == pytest.approx(q[rows, codes].mean())
    assert clf.score(X, q, weight) == pytest.approx(np.average(q[rows, codes], weights=weight))
    assert clf.score(X, y) == pytest.approx(y[rows, codes].sum() / y.sum())
    assert clf.score(X, sp.csr_array(y)) == pytest.approx(y[rows, codes].sum() / y.sum())
    # Unlabelled rows are not judged.
    assert clf.score(X, y * (rows < 50)[:, None]) == pytest.approx(
        y[:50][rows[:50], codes[:50]].sum() / y[:50].sum()
    )


def test_score_finds_the_classes_by_column_name(soft):
    X, _, q = soft
    frame = pd.DataFrame(q, columns=["low", "mid", "high"])
    clf = KLClassifier().fit(X, frame)
    assert clf.score(X, frame[["high", "low", "mid"]]) == clf.score(X, frame)
    with pytest.raises(ValueError, match="columns of y are .* but the classes are"):
        clf.score(X, frame.rename(columns={"low": "none"}))


def test_score_errors(soft):
    X, y, _ = soft
    clf = KLClassifier().fit(X, y)
    with pytest.raises(ValueError, match="2 columns, but there are 3 classes"):
        clf.score(X, y[:, :2])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        clf.score(X, y[:50])
    with pytest.raises(ValueError, match="mass of the targets is zero"):
        clf.score(X, 0 * y)


# ---- parameters and errors


@pytest.mark.parametrize(
    "params, words",
    [
        ({"C": 0}, "C must be a number greater than 0.*got 0"),
        ({"C": -1.0}, "C must be .*got -1.0"),
        ({"C": np.nan}, "C must be .*got nan"),
        ({"tol": -1e-9}, "tol must be a number of at least 0, in nats, got -1e-09"),
        ({"tol": np.nan}, "tol must be .*got nan"),
        ({"max_iter": 0}, "max_iter must be a whole number of at least 1, got 0"),
        ({"solver": "saga"}, r"solver must be one of \['gd', 'lbfgs', 'newton-cg'\].*'saga'"),
        ({"solver": LBFGS}, "an instance of a Solver such as"),
        ({"class_weight": "even"}, "class_weight must be a dict.*got 'even'"),
        ({"class_weight": {7: 1.0}}, r"classes \[7\] of class_weight are not among the classes"),
        ({"class_weight": {0: -1.0}}, "finite and not negative"),
    ],
)
def test_bad_parameters(params, words, soft):
    X, y, _ = soft
    with pytest.raises(ValueError, match=words):
        KLClassifier(**params).fit(X, y)


@pytest.mark.parametrize("params", [{"C": "1"}, {"tol": None}, {"max_iter": 10.5}])
def test_parameters_of_a_wrong_type(params, soft):
    X, y, _ = soft
    with pytest.raises(TypeError, match=f"{next(iter(params))} must be a"):
        KLClassifier(**params).fit(X, y)


def test_rounding_of_float32_is_named_as_a_cause():
    X, y = load_digits(return_X_y=True)
    with pytest.warns(ConvergenceWarning, match="X is float32, and rounding may have ended"):
        KLClassifier(tol=1e-12).fit(X.astype(np.float32), y)


def test_parameters_are_keywords_only():
    with pytest.raises(TypeError):
        KLClassifier("linear", 1.0)


def test_bad_data(soft):
    X, y, _ = soft
    for bad_X, bad_y, words in [
        (X, None, "requires y to be passed, but the target y is None"),
        (X, y[:50], "inconsistent numbers of samples: \\[100, 50\\]"),
        (X, -y, "Negative values in y"),
        (X, X[:, 0], "Unknown label type: continuous"),
        (X, np.full(100, "a"), "at least 2 classes, but y has 1 class: .*'a'"),
        (X[:, 0], y, "Expected 2D array, got 1D array"),
        (X[:, :0], y, "0 feature"),
        (X.astype(complex), y, "Complex data not supported"),
    ]:
        with pytest.raises(ValueError, match=words):
            KLClassifier().fit(bad_X, bad_y)
    clf = KLClassifier().fit(X, y)
    with pytest.raises(ValueError, match="3 features, but KLClassifier is expecting 4"):
        clf.predict_proba(X[:, :3])


@pytest.mark.parametrize(
    "method", ["predict", "predict_proba", "predict_log_proba", "decision_function"]
)
def test_not_fitted(method, soft):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(KLClassifier(), method)(soft[0])


@pytest.mark.parametrize("solver", EVERY_SOLVER)
@pytest.mark.parametrize("C", [1.0, np.inf])
def test_convergence_warning_says_what_was_reached_and_what_to_do(solver, C, soft):
    X, y, _ = soft
    clf = KLClassifier(C=C, max_iter=1, tol=1e-9, solver=solver)
    with pytest.warns(ConvergenceWarning) as record:
        clf.fit(X, y)
    (message,) = [str(entry.message) for entry in record]
    for words in (
        "stopped after 1 iteration",
        "nats above its minimum",
        "tol=1.0e-09",
        "gradient norm is",
        "Increase max_iter (now 1)",
        "smaller C",
    ):
        assert words in message
    assert ("certified" in message) == (clf.optimality_gap_ is not None)
    # The warning points to the line that called fit.
    assert record[0].filename == __file__
    assert not clf.converged_
    assert clf.n_iter_ == 1
    assert np.isfinite(clf.predict_proba(X)).all()


# ---- warm start


@pytest.mark.parametrize("solver", EVERY_SOLVER)
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_warm_start_continues(solver, n_classes, fit_intercept):
    X, y, _ = make_data(n_classes=n_classes)
    clf = KLClassifier(solver=solver, fit_intercept=fit_intercept, warm_start=True).fit(X, y)
    cold = clf.n_iter_
    first = clf.coef_
    clf.fit(X, y)
    assert clf.n_iter_ <= 1 < cold
    assert_allclose(clf.coef_, first, atol=1e-3)


def test_warm_start_reaches_the_same_minimum_for_another_C(soft):
    X, y, _ = soft
    clf = KLClassifier(tol=1e-14, warm_start=True, C=0.01).fit(X, y)
    same_model(clf.set_params(C=1.0).fit(X, y), clone(EXACT).fit(X, y))


def test_warm_start_in_steps_is_one_fit(soft):
    X, y, _ = soft
    clf = KLClassifier(warm_start=True, max_iter=1, solver="newton-cg")
    losses = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for _ in range(8):
            losses.append(clf.fit(X, y).cross_entropy_)
    assert clf.converged_
    assert losses[-1] == pytest.approx(KLClassifier().fit(X, y).cross_entropy_, abs=1e-5)


def test_without_warm_start_fits_do_not_remember(soft):
    X, y, _ = soft
    clf = KLClassifier().fit(X * 3, y[::-1])
    assert_array_equal(clf.fit(X, y).coef_, KLClassifier().fit(X, y).coef_)


def test_warm_start_from_another_problem_is_an_error(soft):
    X, y, _ = soft
    clf = KLClassifier(warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="from a model with 4 features .* X has 3 features.*clone"):
        clf.fit(X[:, :3], y)
    with pytest.raises(ValueError, match="Set warm_start=False or fit a clone"):
        clf.fit(X, pd.DataFrame(y, columns=["a", "b", "c"]))
    with pytest.raises(ValueError, match="warm_start=True continues"):
        clf.fit(X, y[:, :2])


# ---- a citizen of scikit-learn


def test_clone_repr_and_pickle(soft):
    X, y, _ = soft
    clf = KLClassifier(C=2.0, solver=LBFGS(memory=5)).fit(X, y)
    assert repr(clf) == "KLClassifier(C=2.0, solver=LBFGS(memory=5))"
    copy = pickle.loads(pickle.dumps(clf))
    assert_array_equal(copy.predict_proba(X), clf.predict_proba(X))
    assert copy.optimality_gap_ == clf.optimality_gap_
    fresh = clone(clf)
    assert not hasattr(fresh, "coef_")
    assert fresh.solver is not clf.solver
    assert fresh.get_params()["solver__memory"] == 5


def test_fit_leaves_the_parameters_alone(soft):
    X, y, _ = soft
    solver, class_weight = GradientDescent(), {0: 2.0}
    clf = KLClassifier(solver=solver, class_weight=class_weight)
    before = pickle.dumps(clf.get_params())
    clf.fit(X, y)
    assert clf.solver is solver
    assert clf.class_weight is class_weight
    assert pickle.dumps(clf.get_params()) == before


def test_parameters_of_the_solver_in_a_grid_search(hard):
    X, labels = hard
    precondition = [True, False]
    grid = {"solver": [LBFGS(), NewtonCG()], "solver__precondition": precondition, "C": [0.1, 1.0]}
    search = GridSearchCV(KLClassifier(), grid, cv=3, scoring="neg_log_loss").fit(X, labels)
    assert len(search.cv_results_["params"]) == 8
    assert search.best_estimator_.get_params()["solver__precondition"] in precondition


def test_the_estimator_alone_says_when_to_stop(hard):
    with pytest.warns(ConvergenceWarning, match=r"tol=1.0e-12; .*Increase max_iter \(now 1\)"):
        KLClassifier(solver=LBFGS(), max_iter=1, tol=1e-12).fit(*hard)


@pytest.mark.parametrize("memory", [0, -1, np.nan, "ten"])
def test_options_of_a_solver_are_checked_before_the_fit(memory, hard):
    clf = KLClassifier().fit(*hard)
    clf.set_params(solver=LBFGS(memory=memory))
    with pytest.raises(ValueError, match="memory of LBFGS must be a whole number of at least 1"):
        clf.fit(*hard)


def test_grid_search_over_C_by_the_divergence_from_distributions(soft):
    X, _, q = soft
    search = GridSearchCV(
        make_pipeline(StandardScaler(), KLClassifier()),
        {"klclassifier__C": [1e-4, 100.0]},
        cv=KFold(3, shuffle=True, random_state=0),
        scoring=neg_kl_divergence_scorer,
    ).fit(X, q)
    assert search.best_params_ == {"klclassifier__C": 100.0}
    assert search.best_score_ > -0.01


def test_pipeline_with_categorical_frames():
    housing = load_housing(as_frame=True)
    model = make_pipeline(
        make_column_transformer((OneHotEncoder(drop="first"), ["Infl", "Type", "Cont"])),
        KLClassifier(C=np.inf),
    ).fit(housing.data, housing.target)
    assert model.classes_.tolist() == ["Low", "Medium", "High"]
    assert model[-1].cross_entropy_ == pytest.approx(3470.083866 / (2 * 1681), abs=1e-7)


def test_inside_other_estimators(hard):
    X, labels = hard
    assert OneVsRestClassifier(KLClassifier()).fit(X, labels).score(X, labels) > 0.5
    assert cross_val_score(KLClassifier(), X, labels, scoring="neg_log_loss").max() < 0


# ---- the metadata route: labels for the tools, distributions for the model


def test_target_proba_replaces_y(soft):
    X, y, q = soft
    labels = np.array(["a", "b", "c"])[y.argmax(axis=1)]
    for P in (q, q.tolist(), sp.csr_array(q)):
        clf = KLClassifier().fit(X, labels, target_proba=P)
        assert clf.classes_.tolist() == ["a", "b", "c"]
        same_model(clf, KLClassifier().fit(X, q))
    weight = np.arange(100.0)
    clf = KLClassifier().fit(X, labels, sample_weight=weight, target_proba=y)
    same_model(clf, KLClassifier().fit(X, y, sample_weight=weight))


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_a_frame_names_a_class_that_no_label_has(frame, soft):
    X, y, q = soft
    labels = np.where(y[:, 0] > y[:, 2], "a", "c")
    clf = KLClassifier().fit(
        X, labels, target_proba=frame({"c": q[:, 2], "a": q[:, 0], "b": q[:, 1]})
    )
    assert clf.classes_.tolist() == ["a", "b", "c"]
    same_model(clf, KLClassifier().fit(X, q))


@pytest.mark.parametrize(
    "proba, words",
    [
        (np.ones((100, 2)), "target_proba has 2 columns, but y has 3 labels"),
        (np.ones((50, 3)), "inconsistent numbers of samples"),
        (
            pd.DataFrame(np.ones((100, 2)), columns=["a", "b"]),
            r"not columns of target_proba: \['c'\]",
        ),
        (np.zeros((100, 3)), "every row of target_proba sums to zero"),
        (np.full((100, 3), np.nan), "target_proba contains NaN"),
        (np.ones(100), "target_proba"),
    ],
)
def test_target_proba_that_does_not_fit_y(proba, words, hard):
    X, labels = hard
    labels[:3] = ["a", "b", "c"]
    with pytest.raises(ValueError, match=words):
        KLClassifier().fit(X, labels, target_proba=proba)


def test_both_matrices_are_an_error(soft):
    X, y, q = soft
    with pytest.raises(ValueError, match="target_proba is given too.*alone, as y"):
        KLClassifier().fit(X, y, target_proba=q)


def out_of_fold(X, labels, P, cv):
    """Do by hand what cross_val_predict should."""
    proba = np.empty(P.shape)
    for train, test in cv.split(X, labels):
        proba[test] = KLClassifier().fit(X[train], P[train]).predict_proba(X[test])
    return proba


@pytest.mark.parametrize("kind", ["strings and array", "integers and frame"])
def test_cross_val_predict_with_stratified_folds(kind, soft, routing):
    X, y, q = soft
    codes, cv = y.argmax(axis=1), StratifiedKFold(3)
    labels, P = {
        "strings and array": (np.array(["a", "b", "c"])[codes], q),
        "integers and frame": (codes, pd.DataFrame(q, columns=[0, 1, 2])),
    }[kind]
    clf = KLClassifier().set_fit_request(target_proba=True)
    proba = cross_val_predict(
        clf, X, labels, cv=cv, method="predict_proba", params={"target_proba": P}
    )
    assert_allclose(proba, out_of_fold(X, labels, q, cv), rtol=1e-10)


def test_cross_val_predict_that_renames_the_labels_is_an_error_that_says_so(soft, routing):
    X, y, q = soft
    labels = np.array(["a", "b", "c"])[y.argmax(axis=1)]
    P = pd.DataFrame(q, columns=["a", "b", "c"])
    clf = KLClassifier().set_fit_request(target_proba=True)
    with pytest.raises(ValueError, match="cross_val_predict replaces labels by integers"):
        cross_val_predict(clf, X, labels, method="predict_proba", params={"target_proba": P})


def test_grid_search_with_stratified_folds(soft, routing):
    X, y, q = soft
    labels = np.array(["a", "b", "c"])[y.argmax(axis=1)]
    P = pd.DataFrame(q, columns=["a", "b", "c"])
    clf = KLClassifier().set_fit_request(target_proba=True)
    scorer = get_scorer("neg_cross_entropy").set_score_request(target_proba=True)
    search = GridSearchCV(clf, {"C": [0.1, 10.0]}, cv=3, scoring=scorer)
    search.fit(X, labels, target_proba=P)
    same_model(search.best_estimator_, KLClassifier(**search.best_params_).fit(X, q))


def test_a_pipeline_passes_target_proba_on(soft, routing):
    X, y, q = soft
    model = make_pipeline(StandardScaler(), KLClassifier().set_fit_request(target_proba=True))
    model.fit(X, y.argmax(axis=1), target_proba=q)
    expected = KLClassifier().fit(StandardScaler().fit_transform(X), q)
    same_model(model[-1], expected)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibration(method, soft, routing):
    X, y, q = soft
    labels = y.argmax(axis=1)
    clf = KLClassifier().set_fit_request(target_proba=True)
    calibrated = CalibratedClassifierCV(clf, method=method, cv=StratifiedKFold(3))
    calibrated.fit(X, labels, target_proba=q)
    assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1)
    train, _ = next(StratifiedKFold(3).split(X, labels))
    inner = calibrated.calibrated_classifiers_[0].estimator
    same_model(inner, KLClassifier().fit(X[train], q[train]))


def test_target_proba_that_nobody_asked_for_is_an_error(soft, routing):
    X, y, q = soft
    search = GridSearchCV(KLClassifier(), {"C": [1.0]})
    with pytest.raises(ValueError, match="target_proba"):
        search.fit(X, y.argmax(axis=1), target_proba=q)


def test_without_routing_fit_parameters_reach_the_model_too(soft):
    X, y, q = soft
    labels = y.argmax(axis=1)
    search = GridSearchCV(KLClassifier(), {"C": [1.0]}, cv=3).fit(X, labels, target_proba=q)
    same_model(search.best_estimator_, KLClassifier().fit(X, q))
    model = make_pipeline(StandardScaler(), KLClassifier())
    model.fit(X, labels, klclassifier__target_proba=q)
    assert model[-1].target_entropy_ > 0


# ---- what a failed fit leaves

FAILING = {
    "labels": lambda X, y: (X, y[:-1]),
    "missing": lambda X, y: (np.where(X > 0, np.nan, X), y),
    "one class": lambda X, y: (X, np.zeros(len(X))),
    "classes of a warm start": lambda X, y: (X, np.arange(len(X)) % 4),
}


@pytest.mark.parametrize("why", FAILING)
@pytest.mark.parametrize("frame", [False, True])
def test_a_failed_refit_leaves_the_model_as_it_was(why, frame):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), np.arange(40) % 3
    wider = rng.normal(size=(40, 5))
    named = pd.DataFrame(X, columns=["a", "b", "c"])
    clf = KLClassifier(warm_start=True).fit(named if frame else X, y)
    before = dict(vars(clf))
    with pytest.raises(ValueError):
        clf.fit(*FAILING[why](wider, y))
    assert vars(clf).keys() == before.keys()
    assert all(vars(clf)[name] is before[name] for name in before)
    clf.predict(named if frame else X)


@pytest.mark.parametrize("why", ["labels", "one class"])
def test_a_failed_first_fit_leaves_no_fitted_attribute(why):
    X, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 3
    clf = KLClassifier()
    with pytest.raises(ValueError):
        clf.fit(*FAILING[why](X, y))
    assert not [name for name in vars(clf) if name.endswith("_")]


def test_an_interrupt_leaves_the_model_as_it_was():
    def interrupted(theta, X):
        raise KeyboardInterrupt

    X, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 3
    clf = KLClassifier().fit(X, y)
    coef = clf.coef_
    clf.set_params(model=CallableModel(interrupted, 3, gradient=interrupted))
    with pytest.raises(KeyboardInterrupt):
        clf.fit(np.ones((40, 7)), y)
    assert clf.coef_ is coef
    assert clf.n_features_in_ == 3


@pytest.mark.parametrize("params", [{"solver": name} for name in EVERY_SOLVER] + [{"l1_ratio": 1}])
def test_convergence_is_a_plain_bool(params):
    X, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 3
    clf = KLClassifier(**params).fit(X, y)
    assert clf.converged_ is True
    assert type(clf.n_iter_) is int
    for name in ("cross_entropy_", "target_entropy_", "kl_divergence_", "optimality_gap_"):
        assert type(getattr(clf, name)) is float, name


@pytest.mark.parametrize("solver", EVERY_SOLVER)
def test_concurrent_fits_change_nothing_of_the_process(solver):
    """The threads of BLAS and the filters of warnings are what they were, fits run or failed."""

    def state():
        pools = [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]
        return pools, list(warnings.filters), np.geterr()

    X, y = np.random.default_rng(0).normal(size=(2000, 5)), np.arange(2000) % 3
    expected = KLClassifier(solver=solver, n_jobs=1).fit(X, y).coef_

    def fit(number):
        if number % 4 == 3:
            with pytest.raises(ValueError, match="NaN"):
                KLClassifier(solver=solver).fit(np.full_like(X, np.nan), y)
            return expected
        return KLClassifier(solver=solver, n_jobs=number % 2 + 1).fit(X, y).coef_

    with threadpool_limits(2, user_api="blas"):
        before = state()
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(fit, range(24)))
        assert state() == before
    for coef in found:
        assert_array_equal(coef, expected)
