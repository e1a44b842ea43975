"""KL divergence from the truth behind votes."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.special import entr, rel_entr

from sklearn_kl import KLClassifier
from sklearn_kl.metrics import (
    cross_entropy_loss,
    d2_kl_score,
    entropy_bounds,
    kl_divergence,
    kl_to_truth,
    vote_noise,
)
from sklearn_kl.model_selection import cross_val_predict


def world(n_votes, strength=1.0, n_rows=2000, n_classes=4, seed=0):
    """The truth, votes, and a model that is too unsure and biased."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(n_classes, strength), n_rows)
    flat = np.sqrt(p)
    q = 0.8 * flat / flat.sum(axis=1, keepdims=True) + 0.1 / n_classes
    q[:, 0] += 0.1
    return p, rng.multinomial(n_votes, p), q


def ends(result):
    figures = [result.low, result.high, *result.interval]
    return np.array([*figures, result.plug_in, result.vote_noise, result.cross_entropy], float)


@pytest.mark.parametrize("strength", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("n_votes", [2, 3, 10])
def test_intervals_hold_the_truth(n_votes, strength):
    held, n_draws = 0, 10
    for seed in range(n_draws):
        p, votes, q = world(n_votes, strength, n_rows=1000, seed=seed)
        low, high = kl_to_truth(votes, q).interval
        held += low <= rel_entr(p, q).sum(axis=1).mean() <= high
    assert held >= n_draws - 1


def test_the_truth_itself_is_at_no_distance():
    p, votes, _ = world(5)
    result = kl_to_truth(votes, p)
    assert result.interval[0] == 0
    assert result.high < 0.08
    assert result.plug_in == pytest.approx(result.vote_noise, rel=0.05)


def test_figures_that_are_those_of_other_functions():
    _, votes, q = world(5)
    result = kl_to_truth(votes, q)
    assert result.plug_in == kl_divergence(votes, q)
    assert result.cross_entropy == pytest.approx(cross_entropy_loss(votes, q), rel=1e-14)
    assert result.vote_noise == pytest.approx(vote_noise(5, q).mean(), rel=1e-14)
    bounds = entropy_bounds(votes)
    assert result.low == pytest.approx(result.cross_entropy - bounds.high, rel=1e-10)
    assert result.high == pytest.approx(result.cross_entropy - bounds.low, rel=1e-10)


@pytest.mark.parametrize("n_votes", [1, 2, 10])
def test_a_challenger_of_the_right_family(n_votes):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(5000, 3))
    logits = X @ rng.normal(size=(3, 4))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    votes = rng.multinomial(n_votes, p)
    q = 0.7 * p + 0.075
    h = cross_val_predict(KLClassifier(), X, votes, method="predict_proba")
    result = kl_to_truth(votes, q, challenger=h)
    # The luck of 5,000 single votes is about 0.01 nats.
    assert result.low == pytest.approx(rel_entr(p, q).sum(axis=1).mean(), abs=0.01 + 0.01 / n_votes)
    assert kl_to_truth(votes, q).low <= result.low


def test_a_bad_challenger_does_no_harm():
    _, votes, q = world(5)
    alone = kl_to_truth(votes, q)
    worse = kl_to_truth(votes, q, challenger=np.full(q.shape, 0.25))
    assert worse.low == alone.low
    # The lower end has two chances to be wrong, and pays for the second.
    assert worse.interval[0] <= alone.interval[0]
    impossible = np.tile([1.0, 0.0, 0.0, 0.0], (len(q), 1))
    np.testing.assert_array_equal(ends(kl_to_truth(votes, q, challenger=impossible)), ends(alone))


def test_one_vote_a_row_has_no_upper_end():
    p, votes, q = world(1)
    result = kl_to_truth(votes, q, challenger=p)
    assert result.high is None
    assert result.interval[1] is None
    assert result.low == pytest.approx(rel_entr(p, q).sum(axis=1).mean(), abs=0.05)
    assert "one vote a row cannot bound it from above" in str(result)
    labels = kl_to_truth(votes.argmax(axis=1), q, challenger=p)
    np.testing.assert_array_equal(ends(labels), ends(result))


def test_other_rows_with_more_votes_give_an_upper_end():
    rng = np.random.default_rng(0)
    p, _, q = world(1)
    n_votes = np.repeat([1, 6], 1000)
    result = kl_to_truth(rng.multinomial(n_votes, p), q)
    truth = rel_entr(p, q).sum(axis=1) @ n_votes / n_votes.sum()
    assert result.interval[0] <= truth <= result.interval[1]
    assert result.high < result.cross_entropy


def test_an_impossible_vote_is_infinitely_far():
    result = kl_to_truth([[1, 1], [2, 0]], [[1.0, 0.0], [0.5, 0.5]])
    np.testing.assert_array_equal(ends(result)[[0, 1, 2, 3, 4, 6]], np.inf)
    assert np.isfinite(result.vote_noise)
    assert "inf to inf nats" in str(result)


def test_an_impossible_class_without_votes_is_taken_as_impossible():
    votes = np.array([[3, 1, 0], [1, 3, 0]] * 20)
    q = np.array([[0.7, 0.3, 0.0], [0.3, 0.7, 0.0]] * 20)
    result = kl_to_truth(votes, q)
    assert np.isfinite(ends(result)).all()


@pytest.mark.parametrize("n_votes", [1, 3])
def test_invariances(n_votes):
    p, votes, q = world(n_votes, n_rows=200)
    expected = ends(kl_to_truth(votes, q, challenger=p))
    order = [2, 0, 3, 1]
    moved = kl_to_truth(votes[:, order], q[:, order], challenger=p[:, order])
    np.testing.assert_allclose(ends(moved), expected, rtol=1e-6, atol=1e-7)
    sparse = kl_to_truth(sp.csr_array(votes), q, challenger=p)
    np.testing.assert_allclose(ends(sparse), expected, rtol=1e-12, atol=1e-12)
    names = ["a", "b", "c", "d"]
    frame = pd.DataFrame(votes, columns=names)[["d", "b", "a", "c"]]
    named = kl_to_truth(
        frame,
        pd.DataFrame(q, columns=names),
        challenger=pd.DataFrame(p, columns=names)[["b", "a", "d", "c"]],
    )
    np.testing.assert_allclose(ends(named), expected, rtol=1e-6, atol=1e-7)
    by_labels = kl_to_truth(frame, q, challenger=p, labels=names)
    np.testing.assert_allclose(ends(by_labels), expected, rtol=1e-6, atol=1e-7)


def test_a_weight_is_a_repetition():
    p, votes, q = world(3, n_rows=150)
    weight = np.arange(150) % 3
    rows = np.repeat(np.arange(150), weight)
    weighted = kl_to_truth(votes, q, challenger=p, sample_weight=weight)
    repeated = kl_to_truth(votes[rows], q[rows], challenger=p[rows], groups=rows)
    np.testing.assert_allclose(ends(repeated), ends(weighted), rtol=1e-6, atol=1e-7)


def test_two_classes_by_one_column():
    votes = np.array([[2, 1], [0, 3], [3, 0]] * 10)
    second = np.tile([0.3, 0.8, 0.2], 10)
    both = kl_to_truth(votes, np.column_stack([1 - second, second]))
    np.testing.assert_allclose(ends(kl_to_truth(votes, second)), ends(both), rtol=1e-12)


def test_inputs_stay_as_they_are():
    p, votes, q = world(3, n_rows=50)
    copies = [np.array(a) for a in (votes, q, p)]
    kl_to_truth(votes, q, challenger=p)
    for before, after in zip(copies, (votes, q, p), strict=True):
        np.testing.assert_array_equal(before, after)


def test_prints_one_line():
    _, votes, q = world(3, n_rows=50)
    text = str(kl_to_truth(votes, q, confidence=0.9))
    assert "\n" not in text
    assert "(90%: " in text
    assert "where their number alone explains" in text


@pytest.mark.parametrize(
    "votes, proba, arguments, message",
    [
        ([[0.5, 0.5]], [[0.5, 0.5]], {}, "votes must hold whole numbers of votes"),
        ([[1, 1]], [[0.5, 0.6]], {}, "The rows of y_proba must sum to one"),
        ([[1, 1]], [[0.5, 0.5]] * 2, {}, "votes has 1 rows, but y_proba has 2"),
        ([[1, 1, 0]], [[0.5, 0.5]], {}, "votes has 3 columns"),
        ([[1, 1]], [[0.5, 0.5]], {"challenger": [[1.0, 1.0]]}, "challenger cannot be judged by"),
        ([[1, 1]], [[0.5, 0.5]], {"challenger": [0.5, 0.5]}, "challenger cannot be judged by"),
        ([[1, 1]], [[0.5, 0.5]], {"confidence": 0}, "confidence must be between 0 and 1"),
        ([[1, 1]], [[0.5, 0.5]], {"groups": [[1]]}, "groups must give the group of each of the 1"),
    ],
)
def test_errors(votes, proba, arguments, message):
    with pytest.raises(ValueError, match=message):
        kl_to_truth(votes, proba, **arguments)


def test_the_entropy_of_the_truth_and_the_kl_add_up():
    p, votes, q = world(10)
    result = kl_to_truth(votes, q)
    truth = entr(p).sum(axis=1).mean() + rel_entr(p, q).sum(axis=1).mean()
    assert result.cross_entropy == pytest.approx(truth, abs=0.02)


def test_the_share_of_the_prior_that_is_removed():
    p, votes, q = world(10)
    prior = np.tile(votes.sum(axis=0) / votes.sum(), (len(p), 1))
    truth = 1 - rel_entr(p, q).sum() / rel_entr(p, prior).sum()
    low, high = kl_to_truth(votes, q).d2
    assert low - 0.02 <= truth <= high + 0.02
    assert d2_kl_score(votes, q) < low
    assert kl_to_truth(votes, p).d2[1] == pytest.approx(1, abs=0.01)
    # Worse than the prior: the share is negative.
    wrong = q[:, ::-1]
    low, high = kl_to_truth(votes, wrong).d2
    assert low <= high < 0
    truth = 1 - rel_entr(p, wrong).sum() / rel_entr(p, prior).sum()
    assert low - 0.1 <= truth <= high + 0.1


def test_no_share_where_the_prior_may_be_the_truth():
    votes = np.random.default_rng(0).multinomial(3, [0.2, 0.8], size=300)
    assert kl_to_truth(votes, np.full((300, 2), 0.5)).d2 is None
    assert kl_to_truth([[1, 1]] * 5, [[1.0, 0.0]] * 5).d2 == (-np.inf, -np.inf)
