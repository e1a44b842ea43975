"""The terms sum to the cross-entropy, have the values of the definitions and the stated bias."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import kl_div, softmax

from sklearn_kl.metrics import (
    KLDecomposition,
    class_kl_contributions,
    cross_entropy_loss,
    entropy,
    kl_decomposition,
    kl_divergence,
    vote_noise,
)

METHODS = ["binned", "recalibrated"]


def make_pair(n=300, n_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, n_classes))
    p = softmax(logits + rng.normal(scale=0.5, size=logits.shape), axis=1)
    return p, softmax(2.0 * logits + np.arange(n_classes) / 5, axis=1), rng


def make_targets(kind, p, rng):
    if kind == "distributions":
        return p
    if kind == "labels":
        return np.array([rng.choice(p.shape[1], p=row) for row in p])
    return np.stack([rng.multinomial(rng.integers(0, 9), row) for row in p])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["distributions", "labels", "counts"])
@pytest.mark.parametrize("weighted", [False, True])
def test_terms_sum_to_the_cross_entropy(method, kind, weighted):
    p, q, rng = make_pair()
    y = make_targets(kind, p, rng)
    weight = rng.integers(0, 4, size=len(y)) if weighted else None
    parts = kl_decomposition(y, q, sample_weight=weight, method=method)
    assert isinstance(parts, KLDecomposition)
    assert sum(parts.as_dict().values()) == pytest.approx(parts.cross_entropy, abs=1e-13)
    assert parts.cross_entropy == pytest.approx(cross_entropy_loss(y, q, sample_weight=weight))
    assert parts.entropy == pytest.approx(entropy(y, sample_weight=weight), abs=1e-15)
    assert parts.kl_divergence == pytest.approx(kl_divergence(y, q, sample_weight=weight))
    assert parts.uncertainty - parts.resolution == pytest.approx(parts.refinement)
    assert min(parts.grouping, parts.calibration) >= 0
    assert parts.resolution >= -1e-12 or method == "recalibrated"


def test_by_hand():
    # Two kinds of prediction, each with two rows; see Broecker (2009), equation 13.
    labels = [0, 0, 0, 1]
    q = [[0.8, 0.2], [0.8, 0.2], [0.4, 0.6], [0.4, 0.6]]
    parts = kl_decomposition(labels, q, method="binned")
    calibration = 0.5 * np.log(1 / 0.8) + 0.5 * (0.5 * np.log(0.5 / 0.4) + 0.5 * np.log(0.5 / 0.6))
    uncertainty = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert parts.n_bins == 2
    assert parts.entropy == 0
    assert parts.calibration == pytest.approx(calibration)
    assert parts.grouping == pytest.approx(0.5 * np.log(2))
    assert parts.uncertainty == pytest.approx(uncertainty)
    assert parts.resolution == pytest.approx(uncertainty - 0.5 * np.log(2))
    assert parts.within_bin == 0


def test_one_bin_compares_the_means():
    p, q, _ = make_pair()
    parts = kl_decomposition(p, q, method="binned", n_bins=1)
    assert parts.resolution == pytest.approx(0, abs=1e-13)
    assert parts.calibration == pytest.approx(kl_div(p.mean(axis=0), q.mean(axis=0)).sum())


@pytest.mark.parametrize("method", METHODS)
def test_perfect_and_constant_predictions(method):
    p, _, _ = make_pair()
    perfect = kl_decomposition(p[:10], p[:10], method=method)
    assert perfect.kl_divergence == pytest.approx(0, abs=1e-12)
    prior = np.tile(p.mean(axis=0), (len(p), 1))
    constant = kl_decomposition(p, prior, method=method)
    assert constant.calibration == pytest.approx(0, abs=1e-12)
    assert constant.resolution == pytest.approx(0, abs=1e-12)
    assert constant.n_bins == (1 if method == "binned" else None)


def test_recalibration_removes_the_calibration_term():
    _, q, rng = make_pair(2000)
    y = make_targets("labels", softmax(0.5 * np.log(q) + np.array([0.3, 0, -0.3]), axis=1), rng)
    parts = kl_decomposition(y, q, method="recalibrated")
    truth = cross_entropy_loss(y, softmax(0.5 * np.log(q) + np.array([0.3, 0, -0.3]), axis=1))
    assert parts.refinement <= truth
    assert parts.refinement == pytest.approx(truth, abs=0.003)


@pytest.mark.parametrize("method", METHODS)
def test_invariances(method):
    p, q, rng = make_pair()
    counts = make_targets("counts", p, rng)
    parts = kl_decomposition(counts, q, method=method)
    permuted = kl_decomposition(counts[:, [2, 0, 1]], q[:, [2, 0, 1]], method=method)
    sparse = kl_decomposition(sp.csr_matrix(counts), q, method=method)
    repeats = rng.integers(0, 3, size=len(p))
    weighted = kl_decomposition(p, q, sample_weight=repeats, method=method)
    repeated = kl_decomposition(
        np.repeat(p, repeats, axis=0), np.repeat(q, repeats, axis=0), method=method
    )
    for first, second in [(parts, permuted), (parts, sparse), (weighted, repeated)]:
        assert second.as_dict() == pytest.approx(first.as_dict(), abs=1e-7)


@pytest.mark.parametrize("method", METHODS)
def test_labels_have_the_entropy_of_counts_in_their_grouping(method):
    p, q, rng = make_pair()
    counts = make_targets("counts", p, rng)
    rows, labels = np.nonzero(counts)
    times = counts[rows, labels]
    of_counts = kl_decomposition(counts, q, method=method)
    of_labels = kl_decomposition(labels, q[rows], sample_weight=times, method=method)
    assert of_labels.entropy == 0
    assert of_labels.grouping == pytest.approx(of_counts.refinement)
    assert of_labels.calibration == pytest.approx(of_counts.calibration, abs=1e-7)


@pytest.mark.parametrize(
    "options, n_free", [({"method": "binned", "n_bins": 5}, 5 * 2), ({"method": "recalibrated"}, 3)]
)
def test_bias_is_as_documented(options, n_free):
    _, q, rng = make_pair(400)
    found = [
        kl_decomposition(make_targets("labels", q, rng), q, **options).calibration
        for _ in range(60)
    ]
    # A chi-squared variable over 2n: its standard error here is 4 to 11 %.
    assert np.mean(found) == pytest.approx(n_free / (2 * len(q)), rel=0.3)


def test_more_bins_leave_less_within_them():
    p, q, _ = make_pair(400, 2)
    parts = kl_decomposition(p, q, method="binned", n_bins=8)
    assert parts.n_bins == 8
    fine = kl_decomposition(p, q, method="binned", n_bins=100)
    assert abs(fine.within_bin) < abs(parts.within_bin) < 0.01


def test_infinite_where_a_class_with_mass_is_ruled_out():
    y, q = [0, 1, 1], [[1.0, 0.0], [1.0, 0.0], [0.5, 0.5]]
    for method, infinite in (("binned", "calibration"), ("recalibrated", "grouping")):
        parts = kl_decomposition(y, q, method=method)
        assert parts.cross_entropy == np.inf
        assert sum(parts.as_dict().values()) == np.inf
        assert [term for term, value in parts.as_dict().items() if np.isinf(value)] == [infinite]


def test_zeros_that_are_right_are_kept():
    y, q = [0, 1, 1, 2], [[0.9, 0.1, 0], [0.3, 0.7, 0], [0.6, 0.4, 0], [0, 0, 1]]
    for method in METHODS:
        parts = kl_decomposition(y, q, method=method)
        assert sum(parts.as_dict().values()) == pytest.approx(parts.cross_entropy)


@given(
    st.integers(0, 10**6),
    st.sampled_from(METHODS),
    st.sampled_from([1e-320, 1e-310, 5e-324, 1e-300]),
    st.sampled_from([1.0, 1e-200]),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_terms_sum_where_probabilities_and_weights_nearly_vanish(seed, method, least, weight):
    rng = np.random.default_rng(seed)
    p, q = rng.dirichlet(np.full(3, 0.3), (2, 30))
    q[rng.random(q.shape) < 0.3] = least
    p[rng.random(p.shape) < 0.2] = least
    q[:, 0], p[:, 0] = 1 - q[:, 1] - q[:, 2], 1 - p[:, 1] - p[:, 2]
    q, p = q[(q > 0).all(axis=1)], p[(q > 0).all(axis=1)]
    weights = np.where(rng.random(len(q)) < 0.5, weight, 1.0)
    parts = kl_decomposition(p, q, sample_weight=weights, method=method)
    assert np.isfinite(list(parts.as_dict().values())).all()
    assert sum(parts.as_dict().values()) == pytest.approx(parts.cross_entropy, rel=1e-12)


def test_terms_sum_where_rows_do_so_up_to_float32():
    p, q, _ = make_pair(50)
    for method in METHODS:
        parts = kl_decomposition(p, p * (1 + 1e-6), method=method)
        assert sum(parts.as_dict().values()) == pytest.approx(parts.cross_entropy, abs=1e-14)
        parts = kl_decomposition(p, q.astype(np.float32), method=method)
        assert sum(parts.as_dict().values()) == pytest.approx(parts.cross_entropy, abs=1e-14)


def test_the_default_finds_the_terms_of_ten_classes():
    # With c known: 10 bins would put grouping at 0.52 and 0.21 of it below zero, within bins.
    rng = np.random.default_rng(0)
    z = 1.5 * rng.normal(size=(1000, 10))
    p = softmax(z + 0.7 * rng.normal(size=z.shape), axis=1)
    q = softmax(1.7 * z + np.linspace(0, 0.5, 10), axis=1)
    c = np.mean([softmax(z + 0.7 * rng.normal(size=z.shape), axis=1) for _ in range(200)], axis=0)
    parts = kl_decomposition(p, q)
    assert parts.method == "recalibrated"
    assert parts.calibration == pytest.approx(kl_divergence(c, q), rel=0.1)
    assert parts.grouping == pytest.approx(kl_divergence(p, c), rel=0.1)


def test_bins_have_no_effect_on_a_recalibration():
    with pytest.raises(ValueError, match='n_bins=5 has no effect .*: set method="binned"'):
        kl_decomposition([0, 1], [0.5, 0.5], n_bins=5)


@pytest.mark.parametrize("n_bins", [0, 2.0, True, "all"])
def test_bad_n_bins(n_bins):
    with pytest.raises(ValueError, match="n_bins must be a whole number of at least 1, got"):
        kl_decomposition([0, 1], [0.5, 0.5], n_bins=n_bins)


def test_bad_method():
    with pytest.raises(ValueError, match='"binned" or "recalibrated", got \'isotonic\''):
        kl_decomposition([0, 1], [0.5, 0.5], method="isotonic")


def test_contributions_equal_scipy_and_sum_to_the_divergence():
    p, q, rng = make_pair()
    weight = rng.random(len(p))
    rows = class_kl_contributions(p, q, per_sample=True)
    np.testing.assert_allclose(rows, kl_div(p, q), atol=1e-15)
    np.testing.assert_allclose(rows.sum(axis=1), kl_divergence(p, q, per_sample=True))
    mean = class_kl_contributions(p, q, sample_weight=weight)
    np.testing.assert_allclose(mean, weight @ rows / weight.sum())
    assert mean.sum() == pytest.approx(kl_divergence(p, q, sample_weight=weight))
    assert (rows >= 0).all()


def test_contributions_blame_the_class_that_is_predicted_too_often():
    shares = class_kl_contributions(["a", "a"], [[0.6, 0.4, 0], [0.8, 0.2, 0]], labels=list("abc"))
    np.testing.assert_allclose(shares[1:], [0.3, 0])
    assert class_kl_contributions([[2, 2]], [[0.5, 0.5]]).tolist() == [0.0, 0.0]


def test_contributions_of_unlabelled_and_of_ruled_out():
    votes = [[0, 0], [1, 1], [0, 3]]
    q = [[0.5, 0.5], [1.0, 0.0], [0.25, 0.75]]
    rows = class_kl_contributions(votes, q, per_sample=True)
    assert np.isnan(rows[0]).all()
    assert rows[1, 1] == np.inf
    mean = class_kl_contributions(votes, q)
    assert np.isfinite(mean[0])
    assert mean[1] == np.inf


def test_vote_noise_is_that_of_the_calibrated_predictions():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(3), 3000)
    votes = rng.multinomial(4, p)
    parts = kl_decomposition(votes, p)
    # The model is the truth: all that grouping holds comes from the number of votes.
    assert parts.vote_noise == pytest.approx(vote_noise(4, p).mean(), rel=0.02)
    assert parts.grouping == pytest.approx(parts.vote_noise, rel=0.05)
    sharp = p**3 / (p**3).sum(axis=1, keepdims=True)
    assert kl_decomposition(votes, sharp).vote_noise == pytest.approx(parts.vote_noise, rel=0.01)


def test_vote_noise_by_hand_in_bins():
    # Both rows have the same prediction, and c is (1/2, 1/2): two votes are log(2) / 2 away.
    parts = kl_decomposition([[2, 0], [0, 2]], [[0.5, 0.5], [0.5, 0.5]], method="binned")
    assert parts.vote_noise == pytest.approx(np.log(2) / 2)
    assert parts.grouping == pytest.approx(np.log(2))


@pytest.mark.parametrize("y", [["a", "b"], [[0.5, 0.5], [0.25, 0.75]], [[1, 0], [0, 1]]])
def test_no_vote_noise_of_what_is_no_votes(y):
    assert kl_decomposition(y, [[0.4, 0.6], [0.3, 0.7]]).vote_noise is None


def test_vote_noise_weighs_the_mass_and_skips_rows_without():
    votes = np.array([[2, 1], [0, 0], [3, 5]])
    proba = np.array([[0.6, 0.4], [0.5, 0.5], [0.3, 0.7]])
    weight = [1.0, 1.0, 0.5]
    parts = kl_decomposition(votes, proba, sample_weight=weight, method="binned", n_bins=3)
    rows = vote_noise([3, 8], [[2 / 3, 1 / 3], [3 / 8, 5 / 8]])
    assert parts.vote_noise == pytest.approx(rows @ [3 / 7, 4 / 7])
