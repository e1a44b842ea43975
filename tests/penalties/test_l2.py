"""The L2 penalty: value by hand, derivatives by finite differences."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import approx_fprime

from sklearn_kl.penalties import L2


@pytest.fixture
def theta():
    return np.array([1.0, -2.0, 0.5, 7.0])


def test_value_by_hand_and_the_intercept_is_free(theta):
    # 3 / 2 * (1 + 4 + 0.25)
    assert L2(3.0, 3).value(theta) == pytest.approx(7.875, rel=1e-15)


def test_gradient_is_added_to_what_is_there(theta):
    out = np.ones(4)
    penalty = L2(3.0, 3)
    penalty.add_gradient(theta, out=out)
    assert_allclose(out - 1, approx_fprime(theta, penalty.value, 1e-7), atol=1e-5)
    assert out[3] == 1


def test_hessian_product_is_the_change_of_the_gradient(theta):
    penalty, vector = L2(3.0, 3), np.array([0.5, 1.0, -1.0, 2.0])
    moved, here, product = np.zeros(4), np.zeros(4), np.zeros(4)
    penalty.add_gradient(theta + vector, out=moved)
    penalty.add_gradient(theta, out=here)
    penalty.add_hessian_product(vector, out=product)
    assert_allclose(product, moved - here)
    assert vector[:3] @ product[:3] == pytest.approx(penalty.curvature * (vector[:3] @ vector[:3]))


def test_no_strength_is_no_penalty_even_for_weights_that_overflow():
    penalty, out = L2(0.0, 2), np.zeros(3)
    theta = np.array([1e300, np.inf, 0.0])
    assert penalty.value(theta) == 0
    penalty.add_gradient(theta, out=out)
    assert_array_equal(out, 0)
