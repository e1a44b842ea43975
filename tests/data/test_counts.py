"""Counts of votes among targets."""

import numpy as np
import pytest
import scipy.sparse as sp

from sklearn_kl import KLClassifier
from sklearn_kl._data import counts as module
from sklearn_kl._data.counts import mean_vote_noise, votes_per_row
from sklearn_kl._data.encode import encode_targets
from sklearn_kl.metrics import vote_noise


def sample(n_rows=200, n_votes=4, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 3))
    logits = X @ rng.normal(size=(3, 4))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return X, rng.multinomial(n_votes, p)


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
def test_numbers_of_votes(container):
    found = votes_per_row(encode_targets(container([[2.0, 1.0], [0.0, 0.0], [1.0, 4.0]])))
    np.testing.assert_array_equal(found, [3, 0, 5])


@pytest.mark.parametrize(
    "y", [["a", "b"], [[0.5, 0.5], [1, 0]], [[1, 0], [0, 1]], [[1.5, 1.5], [1, 2]]]
)
def test_no_votes(y):
    assert votes_per_row(encode_targets(y)) is None


def test_class_weights_make_no_votes_of_votes():
    targets = encode_targets([[2, 1], [0, 3]], class_weight={0: 2.0})
    assert votes_per_row(targets) is None


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array, sp.csc_array])
def test_a_fit_says_what_the_number_of_votes_explains(container):
    X, votes = sample()
    weight = np.arange(200) % 3
    clf = KLClassifier().fit(container(X), votes, sample_weight=weight)
    rows = vote_noise(4, clf.predict_proba(container(X)))
    assert clf.vote_noise_ == pytest.approx(rows @ weight / weight.sum(), rel=1e-12)
    assert type(clf.vote_noise_) is float


def test_a_model_that_is_the_truth_is_that_far_from_new_votes():
    X, votes = sample(20_000)
    clf = KLClassifier(C=np.inf).fit(X, votes)
    assert clf.kl_divergence_ == pytest.approx(clf.vote_noise_, rel=0.02)


def test_two_classes_unequal_numbers_and_unlabelled_rows():
    rng = np.random.default_rng(0)
    X, first = rng.normal(size=(60, 2)), rng.integers(0, 4, 60)
    votes = np.column_stack([first, rng.integers(0, 4, 60)])
    clf = KLClassifier().fit(X, votes)
    n_votes = votes.sum(axis=1)
    rows = vote_noise(n_votes, clf.predict_proba(X))[n_votes > 0]
    assert clf.vote_noise_ == pytest.approx(rows @ n_votes[n_votes > 0] / n_votes.sum())


def test_none_where_the_targets_are_no_votes():
    X, votes = sample()
    assert KLClassifier().fit(X, votes / 4).vote_noise_ is None
    assert KLClassifier().fit(X, votes.argmax(axis=1)).vote_noise_ is None
    assert KLClassifier(class_weight={0: 2.0}).fit(X, votes).vote_noise_ is None


def test_paths_have_it_too():
    X, votes = sample()
    for clf in KLClassifier().fit_path(X, votes, [0.1, 1.0]):
        assert clf.vote_noise_ == pytest.approx(vote_noise(4, clf.predict_proba(X)).mean())


def test_many_rows_are_thinned_out_evenly(monkeypatch):
    X, votes = sample()
    targets = encode_targets(votes)
    proba = KLClassifier().fit(X, votes).predict_proba(X)
    monkeypatch.setattr(module, "_MAX_ADDITIONS", 4 * 4 * 200 // 5)
    found = mean_vote_noise(targets, proba.__getitem__)
    assert found == pytest.approx(vote_noise(4, proba[::5]).mean())


def test_blocks_of_rows_add_up(monkeypatch):
    X, votes = sample()
    proba = KLClassifier().fit(X, votes).predict_proba(X)
    monkeypatch.setattr(module, "_BLOCK_NUMBERS", 2)
    found = mean_vote_noise(encode_targets(votes), proba.__getitem__)
    assert found == pytest.approx(vote_noise(4, proba).mean())


@pytest.mark.parametrize("n", [10**5, 2 * 10**6])
def test_the_series_for_many_votes_equals_the_sum(n):
    q = np.array([[0.2, 0.3, 0.5], [0.005, 0.9, 0.095]])
    series = module._by_series(float(n), q)
    np.testing.assert_allclose(series, module._by_chances(n, q), rtol=1e-6)
    # Of first order, twice n times the noise of a row is the number of classes less one.
    np.testing.assert_allclose(2 * n * series.sum(axis=1), 2.0, rtol=1e-3)


@pytest.mark.parametrize("scale", [1e12, 1e30, 1e290])
def test_counts_of_any_size_take_no_time(scale):
    X, votes = sample()
    clf = KLClassifier().fit(X, votes * scale)
    assert clf.vote_noise_ == pytest.approx(3 / (2 * 4 * scale), rel=1e-3)
