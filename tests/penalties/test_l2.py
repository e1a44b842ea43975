"""The L2 penalty: value by hand, derivatives by finite differences."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import approx_fprime

from sklearn_kl.penalties import L2

INDEX = [slice(0, 3), np.array([True, True, True, False])]


@pytest.fixture
def theta():
    return np.array([1.0, -2.0, 0.5, 7.0])


@pytest.mark.parametrize("penalised", INDEX, ids=["slice", "mask"])
def test_value_by_hand_and_the_intercept_is_free(theta, penalised):
    # 3 / 2 * (1 + 4 + 0.25)
    assert L2(3.0, penalised).value(theta) == pytest.approx(7.875, rel=1e-15)


@pytest.mark.parametrize("penalised", INDEX, ids=["slice", "mask"])
def test_gradient_is_added_to_what_is_there(theta, penalised):
    out = np.ones(4)
    penalty = L2(3.0, penalised)
    penalty.add_gradient(theta, out=out)
    assert_allclose(out - 1, approx_fprime(theta, penalty.value, 1e-7), atol=1e-5)
    assert out[3] == 1


def test_hessian_product_is_the_change_of_the_gradient(theta):
    penalty, vector = L2(3.0, slice(0, 3)), np.array([0.5, 1.0, -1.0, 2.0])
    moved, here, product = np.zeros(4), np.zeros(4), np.zeros(4)
    penalty.add_gradient(theta + vector, out=moved)
    penalty.add_gradient(theta, out=here)
    penalty.add_hessian_product(vector, out=product)
    assert_allclose(product, moved - here)
    assert vector[:3] @ product[:3] == pytest.approx(penalty.curvature * (vector[:3] @ vector[:3]))


def test_it_has_no_l1_part():
    assert L2(3.0, slice(0, 3)).l1_strength == 0


def test_conjugate_is_the_least_upper_bound(theta):
    """Fenchel and Young: ``penalty(w) + penalty*(r) >= r'w``, equal where r is the gradient."""
    penalty, rng = L2(3.0, slice(0, 3)), np.random.default_rng(0)
    for _ in range(20):
        residual = rng.normal(size=3)
        assert penalty.value(theta) + penalty.conjugate(residual) >= residual @ theta[:3]
    gradient = 3 * theta[:3]
    assert penalty.value(theta) + penalty.conjugate(gradient) == pytest.approx(gradient @ theta[:3])


def test_no_strength_is_no_penalty_even_for_weights_that_overflow():
    penalty, out = L2(0.0, slice(0, 2)), np.zeros(3)
    theta = np.array([1e300, np.inf, 0.0])
    assert penalty.value(theta) == 0
    penalty.add_gradient(theta, out=out)
    assert_array_equal(out, 0)
    assert penalty.conjugate(np.zeros(2)) == 0
    assert penalty.conjugate(np.array([0.0, 1e-300])) == np.inf
