"""Features, weights and penalties at the ends of the range of floats."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning

from sklearn_kl import KLClassifier
from sklearn_kl.metrics import kl_divergence

RNG = np.random.default_rng(0)
N = 300
Z = RNG.standard_normal((N, 3))
Y = (Z @ RNG.standard_normal((3, 3)) + RNG.gumbel(size=(N, 3))).argmax(axis=1)
LAYOUTS = {"dense": np.asarray, "csr": sp.csr_array, "csc": sp.csc_array}
FREE = KLClassifier(C=np.inf).fit(Z, Y)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e-160, 1e160, 1e300, 1e307, 4e307])
def test_units_at_the_ends(scale, layout):
    X = LAYOUTS[layout](Z * scale)
    clf = KLClassifier(C=np.inf).fit(X, Y)
    assert clf.converged_
    assert clf.cross_entropy_ == pytest.approx(FREE.cross_entropy_, abs=3e-7)
    assert_allclose(clf.predict_proba(X), FREE.predict_proba(Z), atol=2e-3)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("options", [{}, {"l1_ratio": 1.0}, {"model": "ordinal"}])
def test_the_largest_numbers_of_either_sign(options, layout):
    signs = np.where(Z > 0, 1.0, -1.0)
    largest = LAYOUTS[layout](1.7e308 * signs)
    clf = KLClassifier(**options).fit(largest, Y)
    assert clf.converged_
    # In such units a penalty weighs nothing.
    free = KLClassifier(**options | {"C": np.inf, "l1_ratio": 0.0}).fit(signs, Y)
    assert clf.cross_entropy_ == pytest.approx(free.cross_entropy_, abs=3e-7)
    assert_allclose(clf.predict_proba(largest), free.predict_proba(signs), atol=2e-3)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("options", [{}, {"l1_ratio": 1.0}, {"model": "ordinal"}])
def test_tiny_columns_beside_huge_ones(options, layout):
    X = Z * [1e-310, 1e154, 1.0]
    clf = KLClassifier(**options).fit(LAYOUTS[layout](X), Y)
    assert clf.converged_
    # The penalty allows no weight to the first, and none that matters on the second is too small.
    expected = KLClassifier(**options).fit(X * [0.0, 1e-150, 1.0], Y)
    assert clf.cross_entropy_ == pytest.approx(expected.cross_entropy_, abs=1e-5)


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_balanced_weights_beyond_the_range(form):
    targets = np.eye(3)[Y]
    rare, rarest = (
        KLClassifier(class_weight="balanced").fit(Z, form(targets * [1, 1, factor]))
        for factor in (1e-15, 1e-300)
    )
    assert_allclose(rarest.coef_, rare.coef_, atol=2e-3)
    targets[:, 2] *= 1e-311
    with pytest.raises(ValueError, match="would weigh class 2, of mass .*e-3.., by more than"):
        KLClassifier(class_weight="balanced").fit(Z, form(targets))


@pytest.mark.parametrize("C", [1e-300, 1e-100, 1e-20, 1e-10])
def test_the_divergence_is_not_negative_under_a_penalty_that_drowns_it(C):
    targets = 0.8 * np.eye(3)[Y] + 0.2 / 3
    clf = KLClassifier("mlp", C=C, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        clf.fit(Z, targets)
    expected = kl_divergence(targets, clf.predict_proba(Z))
    assert clf.kl_divergence_ == pytest.approx(expected, rel=1e-6)
    assert (clf.loss_path_ >= clf.target_entropy_).all()


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_small_divergences_keep_their_digits(form, n_classes):
    q = np.exp(Z @ RNG.standard_normal((3, n_classes)))
    q /= q.sum(axis=1, keepdims=True)
    clf = KLClassifier(C=np.inf, tol=1e-12).fit(Z, form(q), sample_weight=1 + np.arange(N) % 3)
    expected = kl_divergence(q, clf.predict_proba(Z), sample_weight=1 + np.arange(N) % 3)
    assert 0 <= clf.kl_divergence_ < 1e-11
    assert clf.kl_divergence_ == pytest.approx(expected, rel=1e-2, abs=5e-17)
    assert clf.cross_entropy_ >= clf.target_entropy_


def test_labels_told_apart_for_sure():
    X = np.where(Y == 1, 1e3, -1e3)[:, None]
    clf = KLClassifier(C=1e6).fit(X, Y == 1)
    assert 0 <= clf.kl_divergence_ == clf.cross_entropy_ < 1e-6
