"""Out-of-fold predictions: what scikit-learn does to a matrix of targets, and what ours does."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn.model_selection
from sklearn import config_context
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit, StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kl import KLClassifier
from sklearn_kl.datasets import make_soft_classification
from sklearn_kl.labels import ReplicatedRows
from sklearn_kl.metrics import kl_divergence
from sklearn_kl.model_selection import SoftStratifiedKFold, cross_val_predict

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 3))
LOGITS = X @ RNG.normal(size=(3, 4))
Y = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
NAMES = np.array(["d", "b", "a", "c"])


def by_hand(estimator, X, y, cv, method="predict_proba", n_columns=4):
    out = np.empty((len(X), n_columns))
    for train, test in cv.split(X, y):
        out[test] = getattr(estimator.fit(X[train], y[train]), method)(X[test])
    return out


@pytest.mark.parametrize("method", ["predict_proba", "predict_log_proba", "decision_function"])
def test_equals_a_loop(method):
    predicted = cross_val_predict(KLClassifier(), X, Y, method=method)
    expected = by_hand(KLClassifier(), X, Y, SoftStratifiedKFold(5), method)
    np.testing.assert_array_equal(predicted, expected)


def test_scikit_learn_trains_on_ranks_in_place_of_distributions():
    cv = KFold(5)
    arguments = {"cv": cv, "method": "predict_proba"}
    theirs = sklearn.model_selection.cross_val_predict(KLClassifier(C=100), X, Y, **arguments)
    ours = cross_val_predict(KLClassifier(C=100), X, Y, **arguments)
    ranks = np.column_stack([np.unique(column, return_inverse=True)[1] for column in Y.T])
    np.testing.assert_allclose(theirs, by_hand(KLClassifier(C=100), X, ranks, cv), atol=1e-10)
    np.testing.assert_array_equal(ours, by_hand(KLClassifier(C=100), X, Y, cv))
    assert kl_divergence(Y, ours) < 0.001
    assert kl_divergence(Y, theirs) > 0.1


def test_number_of_jobs_changes_nothing():
    arguments = {"estimator": KLClassifier(), "X": X, "y": Y}
    np.testing.assert_array_equal(
        cross_val_predict(**arguments, n_jobs=2), cross_val_predict(**arguments)
    )


@pytest.mark.parametrize("method", ["predict_proba", "decision_function", "predict"])
def test_labels_as_scikit_learn(method):
    y = NAMES[Y.argmax(axis=1)]
    arguments = {"X": X, "y": y, "cv": 3, "method": method}
    expected = sklearn.model_selection.cross_val_predict(LogisticRegression(), **arguments)
    predicted = cross_val_predict(LogisticRegression(), **arguments)
    np.testing.assert_array_equal(predicted, expected)


def test_columns_of_a_frame():
    frame = pd.DataFrame(Y, columns=NAMES)
    predicted = cross_val_predict(KLClassifier(), pd.DataFrame(X, columns=list("xyz")), frame)
    np.testing.assert_allclose(predicted, cross_val_predict(KLClassifier(), X, Y), atol=1e-10)
    labels = cross_val_predict(KLClassifier(), X, frame, method="predict")
    assert (labels == NAMES[predicted.argmax(axis=1)]).all()


@pytest.mark.parametrize("make", [sp.csr_array, sp.csc_matrix])
def test_sparse_targets_and_features(make):
    predicted = cross_val_predict(KLClassifier(tol=1e-10), make(X), make(Y))
    expected = cross_val_predict(KLClassifier(tol=1e-10), X, Y)
    np.testing.assert_allclose(predicted, expected, atol=1e-5)


def test_class_that_a_fold_lacks_is_zero_there():
    y = np.repeat(["b", "c", "a"], 30)
    cv = KFold(3)
    proba = cross_val_predict(KLClassifier(), X, y, cv=cv)
    for start, absent in ((0, 1), (30, 2), (60, 0)):
        rows = slice(start, start + 30)
        assert (proba[rows, absent] == 0).all()
        np.testing.assert_allclose(proba[rows].sum(axis=1), 1)
    log_proba = cross_val_predict(KLClassifier(), X, y, cv=cv, method="predict_log_proba")
    assert np.array_equal(np.isneginf(log_proba), proba == 0)
    with pytest.raises(ValueError, match="lack classes.*use method='predict_proba'"):
        cross_val_predict(KLClassifier(), X, y, cv=cv, method="decision_function")


def test_pipelines_and_wrapped_classifiers():
    model = make_pipeline(StandardScaler(), ReplicatedRows(GaussianNB()))
    predicted = cross_val_predict(model, X, Y)
    np.testing.assert_array_equal(predicted, by_hand(model, X, Y, SoftStratifiedKFold(5)))


def test_parameters_of_fit_are_split():
    weight = RNG.uniform(size=90)
    cv = SoftStratifiedKFold(5)
    expected = np.empty((90, 4))
    for train, test in cv.split(X, Y):
        model = KLClassifier().fit(X[train], Y[train], sample_weight=weight[train])
        expected[test] = model.predict_proba(X[test])
    for container in (np.array, list, pd.Series):
        params = {"sample_weight": container(weight)}
        predicted = cross_val_predict(KLClassifier(), X, Y, params=params)
        np.testing.assert_array_equal(predicted, expected)


@pytest.mark.parametrize("routing", [False, True])
def test_target_proba_by_metadata(routing):
    y = NAMES[Y.argmax(axis=1)]
    frame = pd.DataFrame(Y, columns=NAMES)
    with config_context(enable_metadata_routing=routing):
        model = KLClassifier()
        if routing:
            model = model.set_fit_request(target_proba=True, sample_weight=True)
        params = {"target_proba": frame, "sample_weight": np.ones(90)}
        predicted = cross_val_predict(model, X, y, params=params)
    sorted_columns = frame[sorted(NAMES)].to_numpy()
    expected = np.empty((90, 4))
    for train, test in StratifiedKFold(5).split(X, y):
        expected[test] = KLClassifier().fit(X[train], sorted_columns[train]).predict_proba(X[test])
    np.testing.assert_allclose(predicted, expected, atol=1e-10)


def test_metadata_that_nobody_asked_for_is_refused():
    with (
        config_context(enable_metadata_routing=True),
        pytest.raises(ValueError, match="sample_weight.*not explicitly set as requested"),
    ):
        cross_val_predict(KLClassifier(), X, Y, params={"sample_weight": np.ones(90)})


def test_groups_reach_the_splitter():
    groups = np.arange(90) % 4
    expected = np.empty((90, 4))
    for train, test in GroupKFold(4).split(X, Y, groups):
        expected[test] = KLClassifier().fit(X[train], Y[train]).predict_proba(X[test])
    cv = GroupKFold(4)
    predicted = cross_val_predict(KLClassifier(), X, Y, cv=cv, groups=groups)
    np.testing.assert_array_equal(predicted, expected)
    with config_context(enable_metadata_routing=True):
        routed = cross_val_predict(KLClassifier(), X, Y, cv=cv, params={"groups": groups})
        with pytest.raises(ValueError, match="pass groups in params"):
            cross_val_predict(KLClassifier(), X, Y, cv=cv, groups=groups)
    np.testing.assert_array_equal(routed, expected)


def test_float32_stays():
    assert cross_val_predict(KLClassifier(), X.astype(np.float32), Y).dtype == np.float32


@pytest.mark.parametrize(
    "cv", [ShuffleSplit(5, random_state=0), [(np.arange(50), np.arange(50, 90))]]
)
def test_splits_must_cover_every_row_once(cv):
    with pytest.raises(ValueError, match="do not test on every row exactly once"):
        cross_val_predict(KLClassifier(), X, Y, cv=cv)


def test_multi_output_classifiers_are_refused():
    counts = RNG.integers(0, 3, size=(90, 4))
    for method in ("predict_proba", "predict"):
        with pytest.raises(TypeError, match="outputs of their own.*ReplicatedRows"):
            cross_val_predict(KNeighborsClassifier(), X, counts, method=method)


def test_unknown_method():
    with pytest.raises(ValueError, match="method must be one of predict_proba"):
        cross_val_predict(KLClassifier(), X, Y, method="transform")


def test_finds_the_known_distribution():
    data, votes, truth = make_soft_classification(n_samples=2000, n_votes=20, random_state=0)
    proba = cross_val_predict(KLClassifier(C=10), data, votes)
    assert kl_divergence(truth, proba) < 0.001
