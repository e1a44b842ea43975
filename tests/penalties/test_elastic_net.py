"""The elastic net: value by hand, derivatives by finite differences, conjugate by definition."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import approx_fprime

from sklearn_kl.penalties import L2, ElasticNet

INDEX = [slice(0, 3), np.array([True, True, True, False])]
THETA = np.array([1.0, -2.0, 0.5, 7.0])


@pytest.mark.parametrize("penalised", INDEX, ids=["slice", "mask"])
def test_value_by_hand_and_the_intercept_is_free(penalised):
    # 3 / 2 * (1 + 4 + 0.25) + 2 * (1 + 2 + 0.5)
    assert ElasticNet(3.0, 2.0, penalised).value(THETA) == pytest.approx(14.875, rel=1e-15)
    assert ElasticNet(0.0, 2.0, penalised).value(THETA) == pytest.approx(7.0, rel=1e-15)


@pytest.mark.parametrize("penalised", INDEX, ids=["slice", "mask"])
@pytest.mark.parametrize("l2", [3.0, 0.0])
def test_gradient_is_that_of_the_smooth_part_and_is_added(penalised, l2):
    penalty, out = ElasticNet(l2, 2.0, penalised), np.ones(4)
    penalty.add_gradient(THETA, out=out)
    kinks = 2.0 * np.sign(THETA) * [1, 1, 1, 0]
    assert_allclose(out - 1 + kinks, approx_fprime(THETA, penalty.value, 1e-7), atol=1e-5)
    assert out[3] == 1


def test_hessian_product_is_that_of_its_l2_part():
    vector, product, expected = np.array([0.5, 1.0, -1.0, 2.0]), np.zeros(4), np.zeros(4)
    ElasticNet(3.0, 2.0, slice(0, 3)).add_hessian_product(vector, out=product)
    L2(3.0, slice(0, 3)).add_hessian_product(vector, out=expected)
    assert_array_equal(product, expected)
    assert ElasticNet(3.0, 2.0, slice(0, 3)).curvature == 3.0


def test_conjugate_is_the_least_upper_bound():
    """Fenchel and Young: ``penalty(w) + penalty*(r) >= r'w``, equal where r is a subgradient."""
    penalty, rng = ElasticNet(3.0, 2.0, slice(0, 3)), np.random.default_rng(0)
    for _ in range(50):
        w, residual = rng.normal(size=3), 4 * rng.normal(size=3)
        assert penalty.value(w) + penalty.conjugate(residual) >= residual @ w
    w = np.array([1.0, -2.0, 0.0])
    subgradient = 3 * w + [2.0, -2.0, 1.5]
    assert penalty.value(w) + penalty.conjugate(subgradient) == pytest.approx(subgradient @ w)


def test_conjugate_by_hand():
    residual = np.array([5.0, -1.0, -4.0])
    # ((5 - 2)^2 + 0 + (4 - 2)^2) / (2 * 3)
    assert ElasticNet(3.0, 2.0, slice(0, 3)).conjugate(residual) == pytest.approx(13 / 6)


def test_conjugate_of_the_lasso_is_zero_or_infinite():
    lasso = ElasticNet(0.0, 2.0, slice(0, 2))
    assert lasso.conjugate(np.array([2.0, -2.0])) == 0
    assert lasso.conjugate(np.array([2.0, -2.1])) == np.inf
