"""Features far from zero, in any precision and layout, are fitted as those about zero are."""

import numpy as np
import pytest
import scipy.sparse as sp

from sklearn_kl import KLClassifier
from sklearn_kl._data.precision import largest_offset
from sklearn_kl.metrics import cross_entropy_loss, kl_divergence

RNG = np.random.default_rng(0)
N = 2_000
Z = RNG.standard_normal((N, 3))
Y = (Z @ RNG.standard_normal((3, 3)) + RNG.gumbel(size=(N, 3))).argmax(axis=1)
LAYOUTS = {
    "dense": np.asarray,
    "fortran": np.asfortranarray,
    "csr": sp.csr_array,
    "csc": sp.csc_array,
}


def test_latitudes_beside_one_hot_columns_in_float32():
    latitude = (40.75 + 0.03 * Z[:, 0]).astype(np.float32)
    area = np.eye(24)[RNG.integers(24, size=N)]
    X = np.column_stack([latitude, area]).astype(np.float32)
    y = (Z[:, 0] + RNG.logistic(size=N) > 0).astype(int)
    single, double = (KLClassifier(C=100).fit(X.astype(d), y) for d in (np.float32, np.float64))
    assert single.coef_[0, 0] > 20
    np.testing.assert_allclose(single.coef_, double.coef_, rtol=1e-6)
    assert single.cross_entropy_ == double.cross_entropy_


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["linear", "lasso", "ordinal"])
@pytest.mark.parametrize("offset", [-300.0, 2015.0, 1e4])
def test_float32_is_fitted_as_the_same_numbers_in_float64(offset, kind, layout):
    options = {"linear": {}, "lasso": {"l1_ratio": 1.0}, "ordinal": {"model": "ordinal"}}[kind]
    X = (offset + 3 * Z).astype(np.float32)
    single, double = (
        KLClassifier(**options).fit(LAYOUTS[layout](X.astype(dtype)), Y)
        for dtype in (np.float32, np.float64)
    )
    about_zero = KLClassifier(**options).fit(X.astype(np.float64) - offset, Y)
    assert single.converged_
    assert single.cross_entropy_ == pytest.approx(double.cross_entropy_, abs=1e-7)
    assert single.cross_entropy_ == pytest.approx(about_zero.cross_entropy_, abs=1e-6)
    q = double.predict_proba(X.astype(np.float64))
    assert kl_divergence(q, about_zero.predict_proba(X.astype(np.float64) - offset)) < 1e-6
    # What float32 coefficients and products are off by.
    assert kl_divergence(q, single.predict_proba(LAYOUTS[layout](X))) < 1e-6


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("offset", [1e5, 1e8, -1e8])
def test_float64_far_from_zero(offset, layout):
    moved = offset + Z
    about_zero = KLClassifier().fit(moved - offset, Y)
    clf = KLClassifier().fit(LAYOUTS[layout](moved), Y)
    assert clf.converged_
    np.testing.assert_allclose(clf.coef_, about_zero.coef_, atol=2e-4)
    assert clf.cross_entropy_ == pytest.approx(about_zero.cross_entropy_, abs=1e-7)
    assert clf.cross_entropy_ == pytest.approx(
        cross_entropy_loss(Y, clf.predict_proba(LAYOUTS[layout](moved))), abs=1e-6
    )


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("value", [0.1, 2015.3, -1e8])
def test_a_constant_column_is_constant_whatever_its_value(value, layout):
    X = np.column_stack([Z, np.full(N, value)])
    clf = KLClassifier().fit(LAYOUTS[layout](X), Y)
    assert (clf.coef_[:, 3] == 0).all()
    assert clf.cross_entropy_ == pytest.approx(KLClassifier().fit(Z, Y).cross_entropy_, abs=1e-7)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_how_far_a_column_is(layout):
    def offset(X):
        return largest_offset(LAYOUTS[layout](X))

    assert offset(Z) == 0
    assert offset(np.column_stack([Z, np.full(N, 7.0)])) == 0
    assert offset(Z + 1e3) == pytest.approx(1e3, rel=0.1)
    assert offset(np.column_stack([Z, np.arange(N) == 17])) == 0


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("fill", [1e20, -3e38, 1.0])
def test_rows_without_mass_are_absent_whatever_fills_them(fill, dtype, layout):
    X = Z[:500].astype(dtype)
    filled = np.vstack([X[:250], np.full((40, 3), fill, dtype), X[250:]])
    weight = np.insert(np.ones(500), 250, np.zeros(40))
    labels = np.insert(Y[:500], 250, np.arange(40) % 3)
    onehot = np.insert(np.eye(3)[Y[:500]], 250, np.zeros((40, 3)), axis=0)
    for options in ({}, {"l1_ratio": 1.0}, {"model": "ordinal"}):
        expected = KLClassifier(**options).fit(LAYOUTS[layout](X), Y[:500])
        q = expected.predict_proba(X)
        weighted = KLClassifier(**options).fit(LAYOUTS[layout](filled), labels, weight)
        unlabelled = KLClassifier(**options).fit(LAYOUTS[layout](filled), onehot)
        for clf in (weighted, unlabelled):
            np.testing.assert_allclose(clf.predict_proba(X), q, rtol=0, atol=1e-6)
            assert clf.cross_entropy_ == pytest.approx(expected.cross_entropy_, abs=1e-7)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("options", [{}, {"model": "ordinal"}, {"model": "mlp", "tol": 1e-2}])
def test_rows_whose_logits_overflow_have_the_probabilities_of_their_direction(
    options, dtype, layout
):
    clf = KLClassifier(C=100, random_state=0, **options).fit(Z[:300].astype(dtype), Y[:300])
    directions = np.vstack([np.eye(3), -np.eye(3), [[1, -1, 1], [-1, 1, 1]]]).astype(dtype)
    far = np.vstack([Z[:2].astype(dtype), np.finfo(dtype).max * directions])
    expected = clf.predict_proba(2.0**20 * directions)
    q = clf.predict_proba(LAYOUTS[layout](far))
    np.testing.assert_allclose(q[2:], expected, atol=1e-6)
    np.testing.assert_allclose(q[:2], clf.predict_proba(Z[:2].astype(dtype)), rtol=1e-5)
    assert not np.isnan(clf.predict_log_proba(LAYOUTS[layout](far))).any()
    assert np.isfinite(clf.decision_function(LAYOUTS[layout](far))).all()


def test_rows_whose_logits_overflow_two_classes_and_sparse_coefficients():
    clf = KLClassifier(C=100).fit(Z, Y > 0)
    far = 1.5e308 * np.sign(clf.coef_) * [[1], [-1]]
    np.testing.assert_array_equal(clf.predict_proba(far), [[0, 1], [1, 0]])
    np.testing.assert_array_equal(clf.sparsify().predict_proba(far), [[0, 1], [1, 0]])
