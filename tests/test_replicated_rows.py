"""ReplicatedRows lets classifiers that know only labels train on distributions and counts."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn import config_context
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_limits

from sklearn_kl import KLClassifier
from sklearn_kl.labels import ReplicatedRows
from sklearn_kl.metrics import neg_cross_entropy_scorer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
COUNTS = RNG.integers(0, 4, size=(60, 3)).astype(float)
COUNTS[5] = 0.0


@parametrize_with_checks(
    [
        ReplicatedRows(LogisticRegression()),
        ReplicatedRows(GaussianNB()),
        ReplicatedRows(LinearSVC()),
    ]
)
def test_estimator_check(estimator, check):
    check(estimator)


def repeated(X, counts):
    """Return every row as often as it has votes, and the labels."""
    rows, codes = np.nonzero(counts)
    times = counts[rows, codes].astype(int)
    return X[np.repeat(rows, times)], np.repeat(codes, times)


def test_counts_are_repeated_rows():
    model = ReplicatedRows(LogisticRegression(tol=1e-10)).fit(X, COUNTS)
    by_hand = LogisticRegression(tol=1e-10).fit(*repeated(X, COUNTS))
    np.testing.assert_allclose(model.predict_proba(X), by_hand.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("container", [np.array, sp.csr_array, sp.csc_matrix, pd.DataFrame])
def test_distributions_have_the_weighted_moments(container):
    proba = RNG.dirichlet(np.ones(3), size=60)
    model = ReplicatedRows(GaussianNB(var_smoothing=0)).fit(X, container(proba))
    means = (proba.T @ X) / proba.sum(axis=0)[:, None]
    np.testing.assert_allclose(model.classifier_.theta_, means, rtol=1e-12)
    np.testing.assert_allclose(model.classifier_.class_prior_, proba.mean(axis=0), rtol=1e-12)


def test_agrees_with_klclassifier_on_the_same_objective():
    proba = RNG.dirichlet(np.ones(3), size=60)
    replicated = ReplicatedRows(LogisticRegression(C=0.7, tol=1e-10, max_iter=1000)).fit(X, proba)
    direct = KLClassifier(C=0.7, tol=1e-12).fit(X, proba)
    np.testing.assert_allclose(replicated.predict_proba(X), direct.predict_proba(X), atol=1e-5)


def test_weights_multiply_and_scale_the_rows():
    weight = RNG.integers(0, 3, size=60).astype(float)
    by_weight = ReplicatedRows(GaussianNB()).fit(X, COUNTS, sample_weight=weight)
    by_counts = ReplicatedRows(GaussianNB()).fit(X, COUNTS * weight[:, None])
    np.testing.assert_allclose(by_weight.predict_proba(X), by_counts.predict_proba(X))


@pytest.mark.parametrize(
    "classifier",
    [
        GradientBoostingClassifier(n_estimators=5, random_state=0),
        HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=2),
        RandomForestClassifier(n_estimators=20, random_state=0),
    ],
)
def test_ensembles_learn_from_distributions(classifier):
    proba = np.column_stack([X[:, 0] > 0, X[:, 0] <= 0]) * 0.8 + 0.1
    # Threads that wait for each other take long on a busy machine.
    with threadpool_limits(1):
        model = ReplicatedRows(classifier).fit(X, proba)
    prior = np.log(0.5)
    assert neg_cross_entropy_scorer(model, X, proba) > prior


def test_labels_are_passed_on():
    y = np.array(["b", "a", "c"])[RNG.integers(0, 3, 60)]
    model = ReplicatedRows(KNeighborsClassifier()).fit(X, y)
    assert model.classes_.tolist() == ["a", "b", "c"]
    assert (model.predict(X) == KNeighborsClassifier().fit(X, y).predict(X)).all()


def test_class_without_mass_has_probability_zero():
    frame = pd.DataFrame(COUNTS, columns=["red", "blue", "green"]).assign(blue=0.0)
    model = ReplicatedRows(LogisticRegression()).fit(X, frame)
    proba = model.predict_proba(X)
    assert model.classes_.tolist() == ["red", "blue", "green"]
    assert (proba[:, 1] == 0).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1.0)
    order = model.classifier_.classes_.tolist()
    assert order == ["green", "red"]
    np.testing.assert_array_equal(proba[:, [2, 0]], model.classifier_.predict_proba(X))
    assert (model.predict_log_proba(X)[:, 1] == -np.inf).all()


def test_target_proba_stands_in_for_labels():
    y = np.array(["a", "b", "c"])[np.arange(60) % 3]
    by_route = ReplicatedRows(GaussianNB()).fit(X, y, target_proba=COUNTS)
    direct = ReplicatedRows(GaussianNB()).fit(X, COUNTS)
    assert by_route.classes_.tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(by_route.predict_proba(X), direct.predict_proba(X))


def test_frames_reach_a_pipeline_as_they_are():
    frame = pd.DataFrame({"size": X[:, 0], "colour": np.where(X[:, 1] > 0, "red", "blue")})
    encode = make_column_transformer(
        (StandardScaler(), ["size"]), (OneHotEncoder(drop="if_binary"), ["colour"])
    )
    model = make_pipeline(encode, ReplicatedRows(LogisticRegression())).fit(frame, COUNTS)
    assert model.predict_proba(frame).shape == (60, 3)
    alone = ReplicatedRows(HistGradientBoostingClassifier(categorical_features="from_dtype"))
    with threadpool_limits(1):
        alone.fit(frame.astype({"colour": "category"}), COUNTS)
    assert alone.feature_names_in_.tolist() == ["size", "colour"]


def test_score_is_the_mass_on_the_predicted_class():
    model = ReplicatedRows(LogisticRegression()).fit(X, COUNTS)
    hits = COUNTS[np.arange(60), model.predict(X)].sum() / COUNTS.sum()
    assert model.score(X, COUNTS) == pytest.approx(hits, rel=1e-12)
    labels = COUNTS.argmax(axis=1)
    assert model.score(X, labels) == np.mean(model.predict(X) == labels)


def test_classifier_without_weights_is_refused():
    with pytest.raises(TypeError, match="KNeighborsClassifier.fit takes no sample_weight"):
        ReplicatedRows(KNeighborsClassifier()).fit(X, COUNTS)
    with pytest.raises(TypeError, match="put ReplicatedRows around the last step"):
        ReplicatedRows(make_pipeline(GaussianNB())).fit(X, COUNTS)


def test_offers_what_the_classifier_offers():
    assert not hasattr(ReplicatedRows(LinearSVC()), "predict_proba")
    assert hasattr(ReplicatedRows(GaussianNB()), "predict_log_proba")


def test_length_mismatch_is_named():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ReplicatedRows(GaussianNB()).fit(X[:-1], COUNTS)


class Noted(GaussianNB):
    """Takes one more value per row."""

    def fit(self, X, y, sample_weight=None, notes=None):
        self.notes_ = notes
        return super().fit(X, y, sample_weight=sample_weight)


@pytest.mark.parametrize("enabled", [True, False])
def test_metadata_of_rows_are_replicated(enabled):
    with config_context(enable_metadata_routing=enabled):
        inner = Noted().set_fit_request(notes=True) if enabled else Noted()
        model = ReplicatedRows(inner).fit(X, COUNTS, notes=np.arange(60))
    rows, _ = np.nonzero(COUNTS)
    np.testing.assert_array_equal(model.classifier_.notes_, rows)


def test_weights_are_routed_without_a_request_of_the_classifier():
    # It is given the weights of the replicated rows in any case.
    weight = np.linspace(0.5, 2, 60)
    with config_context(enable_metadata_routing=True):
        model = ReplicatedRows(GaussianNB()).set_fit_request(sample_weight=True, target_proba=True)
        model.set_score_request(sample_weight=False)
        search = GridSearchCV(model, {"classifier__var_smoothing": [1e-9]}, cv=3)
        search.fit(X, COUNTS.argmax(axis=1), sample_weight=weight, target_proba=COUNTS)
    direct = ReplicatedRows(GaussianNB()).fit(X, COUNTS, sample_weight=weight)
    np.testing.assert_allclose(search.predict_proba(X), direct.predict_proba(X))
