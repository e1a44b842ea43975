"""scikit-learn's own checks of an estimator, all of them, for every solver and every model."""

import pytest
from numpy.testing import assert_array_equal
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_kl import KLClassifier
from sklearn_kl.models import LowRankSoftmax, MLPSoftmax, OrdinalSoftmax
from sklearn_kl.solvers import LBFGS, GradientDescent, NewtonCG
from sklearn_kl.solvers._methods import SOLVERS

ESTIMATORS = [KLClassifier(solver=name) for name in sorted(SOLVERS)] + [
    KLClassifier(solver=LBFGS(memory=5)),
    KLClassifier(solver=NewtonCG(precondition=False)),
    KLClassifier(solver=GradientDescent(precondition=True)),
    KLClassifier(C=10.0, class_weight="balanced", warm_start=True, n_jobs=1),
    KLClassifier(C=0.5, l1_ratio=1.0),
    KLClassifier(l1_ratio=0.5),
    # Perceptrons are not asked for minima to rounding, as users would not.
    KLClassifier("mlp", tol=1e-4, random_state=0),
    KLClassifier(MLPSoftmax((5, 5), activation="tanh"), tol=1e-4, n_init=2),
    KLClassifier("low_rank", tol=1e-5),
    KLClassifier(LowRankSoftmax(2), solver="newton-cg", tol=1e-5, random_state=0),
    KLClassifier("ordinal"),
    KLClassifier(OrdinalSoftmax(), solver="newton-cg"),
]


# The checks' labels are strings at times, of which the ordinal model says how it orders them.
@pytest.mark.filterwarnings("ignore:The ordinal model takes the classes:UserWarning")
@parametrize_with_checks(ESTIMATORS)
def test_estimator_check(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", sorted(SOLVERS))
def test_solver_name_and_default_instance_give_the_same_model(name):
    X = [[0.0, 1.0], [1.0, 0.5], [2.0, -1.0], [3.0, 0.0]]
    by_name = KLClassifier(solver=name).fit(X, [0, 1, 2, 1])
    by_instance = KLClassifier(solver=SOLVERS[name]()).fit(X, [0, 1, 2, 1])
    assert_array_equal(by_name.coef_, by_instance.coef_)
