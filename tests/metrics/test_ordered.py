"""Measures of classes that have an order."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_validate

from sklearn_kl import KLClassifier, metrics
from sklearn_kl.datasets import load_wine_ratings
from sklearn_kl.metrics import (
    get_scorer,
    manhattan_distance,
    ranked_probability_score,
    wasserstein_distance,
)

P = np.array([[0.5, 0.3, 0.2], [0.0, 0.0, 1.0], [0.25, 0.5, 0.25], [1.0, 0.0, 0.0]])
Q = np.array([[0.4, 0.4, 0.2], [1.0, 0.0, 0.0], [0.25, 0.5, 0.25], [0.0, 1.0, 0.0]])
BY_HAND = {
    "manhattan_distance": [0.2, 2.0, 0.0, 2.0],
    "wasserstein_distance": [0.1, 2.0, 0.0, 1.0],
    "ranked_probability_score": [0.01, 2.0, 0.0, 1.0],
}
SCORERS = {
    "manhattan_distance": "neg_manhattan_distance",
    "wasserstein_distance": "neg_wasserstein_distance",
    "ranked_probability_score": "neg_ranked_probability_score",
}
ORDERED = ["wasserstein_distance", "ranked_probability_score"]


@pytest.fixture
def measure(request):
    return getattr(metrics, request.param)


every = pytest.mark.parametrize("measure", BY_HAND, indirect=True)
ordered = pytest.mark.parametrize("measure", ORDERED, indirect=True)


@pytest.mark.parametrize("name", BY_HAND)
def test_values_by_hand(name):
    measure = getattr(metrics, name)
    np.testing.assert_allclose(measure(P, Q, per_sample=True), BY_HAND[name], atol=1e-12)
    assert measure(P, Q) == pytest.approx(np.mean(BY_HAND[name]), abs=1e-12)


def test_wasserstein_equals_transport_on_positions():
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(6), 20), rng.dirichlet(np.ones(6), 20)
    positions = np.array([0.0, 1.0, 5.0, 2.5, -3.0, 10.0])
    pairs = list(zip(p, q, strict=True))
    by_scipy = [stats.wasserstein_distance(range(6), range(6), *pair) for pair in pairs]
    np.testing.assert_allclose(wasserstein_distance(p, q, per_sample=True), by_scipy, atol=1e-12)
    by_scipy = [stats.wasserstein_distance(positions, positions, *pair) for pair in pairs]
    found = wasserstein_distance(p, q, positions=positions, per_sample=True)
    np.testing.assert_allclose(found, by_scipy, atol=1e-12)


def test_the_trap_of_two_arguments():
    p, q = [[0.2, 0.3, 0.5]], [[0.5, 0.3, 0.2]]
    assert stats.wasserstein_distance(p[0], q[0]) == 0
    assert wasserstein_distance(p, q) == pytest.approx(0.6, abs=1e-12)


def test_ranked_probability_score_of_votes_is_that_of_single_votes_less_their_spread():
    votes, proba = np.array([[3, 1, 2]]), [[0.2, 0.5, 0.3]]
    single = ranked_probability_score([0, 0, 0, 1, 2, 2], proba * 6)
    cumulative = np.array([3, 4]) / 6
    spread = (cumulative * (1 - cumulative)).sum()
    assert ranked_probability_score(votes, proba) == pytest.approx(single - spread, abs=1e-12)


@every
def test_zero_where_the_prediction_is_the_target(measure):
    assert measure(P, P) == 0
    assert measure([0, 2], [[1, 0, 0], [0, 0, 1]], labels=[0, 1, 2]) == 0


@every
def test_labels_counts_sparse_frames_and_weights(measure):
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=30)
    proba = rng.dirichlet(np.ones(3), 30)
    one_hot = np.eye(3)[labels]
    expected = measure(labels, proba, per_sample=True)
    np.testing.assert_allclose(measure(one_hot, proba, per_sample=True), expected, atol=1e-15)
    sparse = measure(sp.csr_array(one_hot), proba, per_sample=True)
    np.testing.assert_allclose(sparse, expected, atol=1e-15)
    named = pd.DataFrame(one_hot, columns=["low", "middle", "high"])
    np.testing.assert_allclose(measure(named, proba, per_sample=True), expected, atol=1e-15)
    weight = np.arange(30) % 3
    repeated = np.repeat(np.arange(30), weight)
    assert measure(labels, proba, sample_weight=weight) == pytest.approx(
        measure(labels[repeated], proba[repeated])
    )
    counts = np.array([[2, 1, 1], [0, 0, 0]])
    found = measure(counts, proba[:2], per_sample=True)
    assert found[0] == pytest.approx(measure(counts[:1] / 4, proba[:1]))
    assert np.isnan(found[1])
    assert measure(counts, proba[:2]) == pytest.approx(found[0])


@ordered
def test_numbers_are_ordered_by_value_whatever_the_columns(measure):
    order = [2, 0, 1]
    expected = measure(P, Q)
    assert measure(P[:, order], Q[:, order], labels=order) == pytest.approx(expected, abs=1e-15)
    assert measure(P[:, order], Q[:, order]) != pytest.approx(expected, abs=1e-3)


def test_the_manhattan_distance_knows_no_order():
    order = [2, 0, 1]
    assert manhattan_distance(P[:, order], Q[:, order]) == pytest.approx(manhattan_distance(P, Q))


@ordered
def test_strings_need_their_order(measure):
    votes, proba = ["low", "high", "middle"], np.eye(3)
    with pytest.raises(ValueError, match=r"\['high', 'low', 'middle'\].*need not be their order"):
        measure(votes, proba)
    names = ["low", "middle", "high"]
    expected = measure([0, 2, 1], proba)
    assert measure(votes, proba, labels=names) == expected
    assert measure(votes, pd.DataFrame(proba, columns=names)) == expected
    assert measure(["no", "yes"], [0.25, 0.5]) > 0


@pytest.mark.parametrize(
    "positions, message",
    [
        ([0, 1], "positions must hold a finite number for each of the 3 columns"),
        ([0, 1, np.inf], "positions must hold a finite number"),
        ([0, 1, 1], "positions must differ"),
    ],
)
def test_wrong_positions(positions, message):
    with pytest.raises(ValueError, match=message):
        wasserstein_distance(P, Q, positions=positions)


@pytest.mark.parametrize("name", SCORERS)
def test_scorers(name):
    X, votes = load_wine_ratings(return_X_y=True)
    scorer = get_scorer(SCORERS[name])
    found = cross_validate(KLClassifier(), X, votes, scoring=scorer, cv=KFold(4))["test_score"]
    for score, (train, test) in zip(found, KFold(4).split(X), strict=True):
        proba = KLClassifier().fit(X[train], votes[train]).predict_proba(X[test])
        assert score == pytest.approx(-getattr(metrics, name)(votes[test], proba), rel=1e-12)
    search = GridSearchCV(KLClassifier(), {"C": [0.01, 1.0]}, scoring=scorer, cv=KFold(4))
    assert search.fit(X, votes).best_score_ < 0
    assert SCORERS[name] in metrics.get_scorer_names()


@pytest.mark.parametrize("name", ORDERED)
def test_a_grade_that_the_training_fold_lacked_keeps_its_place(name):
    X = np.arange(8.0)[:, None]
    model = LogisticRegression().fit(X, [1, 1, 1, 1, 3, 3, 3, 3])
    proba = model.predict_proba(X[:1])[0]
    expected = getattr(metrics, name)([2], [[proba[0], 0, proba[1]]], labels=[1, 2, 3])
    assert get_scorer(SCORERS[name])(model, X[:1], [2]) == pytest.approx(-expected)


@pytest.mark.parametrize("name", ORDERED)
def test_scorers_refuse_labels_that_are_strings(name):
    X, y = np.arange(6.0)[:, None], ["low", "low", "middle", "middle", "high", "high"]
    model = LogisticRegression().fit(X, y)
    with pytest.raises(ValueError, match="a scorer needs numbers for classes"):
        get_scorer(SCORERS[name])(model, X, y)
    frame = pd.DataFrame(np.repeat(np.eye(3), 2, axis=0), columns=["low", "middle", "high"])
    by_votes = KLClassifier().fit(X, frame)
    assert get_scorer(SCORERS[name])(by_votes, X, frame) < 0
