"""Training any model: starts, warm starts, paths, and what a fit leaves behind."""

import logging
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from sklearn_kl import KLClassifier, KLClassifierCV, KLInference
from sklearn_kl._data.lanes import deal_lanes
from sklearn_kl.datasets import make_soft_classification
from sklearn_kl.models import (
    CallableModel,
    LinearSoftmax,
    LowRankSoftmax,
    MLPSoftmax,
    OrdinalSoftmax,
)
from sklearn_kl.penalties import KLToPrior

X, VOTES, TRUTH = make_soft_classification(150, 4, 3, n_votes=5, random_state=0)
NAMES = ["linear", "mlp", "low_rank", "ordinal"]
NON_CONVEX = [MLPSoftmax((5,), activation="tanh"), LowRankSoftmax(2)]


def objective(clf, X, votes):
    """J / (C * total votes), from the fitted attributes alone."""
    penalised = clf.model_.split(clf.theta_)[::2]
    penalty = sum((w**2).sum() for w in penalised) / 2
    log_q = clf.predict_log_proba(X)
    return -(votes * log_q).sum() / votes.sum() + penalty / clf.C / votes.sum()


@pytest.mark.parametrize("name", NAMES)
def test_names_are_the_default_instances(name):
    instance = {
        "linear": LinearSoftmax(),
        "mlp": MLPSoftmax(),
        "low_rank": LowRankSoftmax(),
        "ordinal": OrdinalSoftmax(),
    }[name]
    params = {"random_state": 0, "tol": 1e-4}
    by_name = KLClassifier(name, **params).fit(X, VOTES)
    by_instance = KLClassifier(instance, **params).fit(X, VOTES)
    assert_array_equal(by_name.predict_proba(X), by_instance.predict_proba(X))
    assert isinstance(by_name.model_, type(instance))
    assert by_name.kl_divergence_ == pytest.approx(by_name.cross_entropy_ - by_name.target_entropy_)
    log_q = by_name.predict_log_proba(X)
    assert by_name.cross_entropy_ == pytest.approx(-(VOTES * log_q).sum() / VOTES.sum(), rel=1e-12)


@pytest.mark.parametrize("model", ["linaer", LinearSoftmax, None, 3])
def test_what_is_no_model(model):
    with pytest.raises(ValueError, match="model must be one of .* or an instance of a Parametric"):
        KLClassifier(model).fit(X, VOTES)


@pytest.mark.parametrize("model", ["mlp", LinearSoftmax()])
def test_fit_intercept_belongs_to_the_name_linear(model):
    with pytest.raises(ValueError, match="fit_intercept=False belongs to model='linear'"):
        KLClassifier(model, fit_intercept=False).fit(X, VOTES)
    by_instance = KLClassifier(LinearSoftmax(fit_intercept=False)).fit(X, VOTES)
    by_name = KLClassifier(fit_intercept=False).fit(X, VOTES)
    assert_array_equal(by_instance.coef_, by_name.coef_)
    assert not by_instance.intercept_.any()


def test_what_is_no_prior():
    with pytest.raises(ValueError, match="prior must be None or a KLToPrior"):
        KLClassifier(prior=[0.5, 0.5]).fit(X, VOTES)


@pytest.mark.parametrize("model", NON_CONVEX)
def test_the_best_of_several_starts_is_kept(model):
    fits = {
        n_init: KLClassifier(model, C=10, n_init=n_init, random_state=1).fit(X, VOTES)
        for n_init in (1, 2, 3, 6)
    }
    values = [objective(clf, X, VOTES) for clf in fits.values()]
    # The first starts are the same, so more of them are never worse.
    assert values == sorted(values, reverse=True)
    best = fits[6]
    assert len(best.loss_path_) == best.n_iter_
    assert best.loss_path_[-1] == pytest.approx(best.cross_entropy_, rel=1e-12)


def test_starts_follow_the_random_state():
    model = MLPSoftmax((5,), activation="tanh")
    first = KLClassifier(model, random_state=0).fit(X, VOTES)
    again = KLClassifier(model, random_state=0).fit(X, VOTES)
    other = KLClassifier(model, random_state=1).fit(X, VOTES)
    assert_array_equal(first.theta_, again.theta_)
    assert np.abs(first.theta_ - other.theta_).max() > 1e-3
    state = np.random.RandomState(0)
    one = KLClassifier(model, random_state=state).fit(X, VOTES)
    two = KLClassifier(model, random_state=state).fit(X, VOTES)
    assert np.abs(one.theta_ - two.theta_).max() > 1e-3


@pytest.mark.parametrize("model", ["linear", "ordinal"])
def test_convex_models_draw_no_random_numbers(model):
    state = np.random.RandomState(0)
    KLClassifier(model, random_state=state, n_init=5).fit(X, VOTES)
    assert state.randint(10**6) == np.random.RandomState(0).randint(10**6)


@pytest.mark.parametrize("model", NON_CONVEX)
@pytest.mark.parametrize("solver", ["lbfgs", "newton-cg"])
def test_solvers_reach_a_stationary_point(model, solver):
    clf = KLClassifier(model, solver=solver, tol=1e-10, random_state=0).fit(X, VOTES)
    value = objective(clf, X, VOTES)
    rng = np.random.default_rng(0)
    for _ in range(5):
        moved = clone(clf).fit(X, VOTES)
        moved.theta_ = clf.theta_ + 1e-3 * rng.normal(size=clf.theta_.size)
        assert objective(moved, X, VOTES) > value - 1e-9


@pytest.mark.parametrize("model", [*NON_CONVEX, OrdinalSoftmax(), LinearSoftmax()])
def test_number_of_threads_changes_nothing(model):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 4))
    y = rng.integers(3, size=20_000)
    one, two = (
        KLClassifier(model, n_jobs=n_jobs, random_state=0, max_iter=5, tol=0.1).fit(X, y)
        for n_jobs in (1, 2)
    )
    assert_array_equal(one.predict_proba(X[:50]), two.predict_proba(X[:50]))


@pytest.mark.parametrize("model", [*NON_CONVEX, OrdinalSoftmax(), LinearSoftmax()])
def test_warm_start_goes_on_from_the_last_theta(model):
    clf = KLClassifier(model, warm_start=True, random_state=0, n_init=2, tol=1e-9).fit(X, VOTES)
    before = clf.cross_entropy_
    clf.fit(X, VOTES)
    assert clf.n_iter_ <= 10
    assert clf.cross_entropy_ == pytest.approx(before, abs=1e-6)


# The last has as many parameters, in the same arrays.
@pytest.mark.parametrize(
    "other", ["linear", MLPSoftmax((6,), activation="tanh"), LowRankSoftmax(5)]
)
def test_warm_start_from_another_model(other):
    clf = KLClassifier(MLPSoftmax((5,), activation="tanh"), warm_start=True, random_state=0)
    clf.fit(X, VOTES).set_params(model=other)
    with pytest.raises(ValueError, match=r"continues from MLPSoftmax.* with 43 parameters, but"):
        clf.fit(X, VOTES)


def test_a_fit_leaves_nothing_of_the_one_before():
    frame = pd.DataFrame(X, columns=list("abcd"))
    clf = KLClassifier().fit(frame, VOTES)
    clf.set_params(model=LowRankSoftmax(2), random_state=0).fit(frame, VOTES)
    assert hasattr(clf, "theta_")
    clf.set_params(model=MLPSoftmax((5,), activation="tanh")).fit(frame, VOTES)
    assert not hasattr(clf, "coef_")
    assert clf.optimality_gap_ is None
    assert clf.feature_names_in_.tolist() == list("abcd")
    clf.set_params(model="linear").fit(frame, VOTES)
    assert not hasattr(clf, "theta_")
    assert_array_equal(clf.coef_, KLClassifier().fit(X, VOTES).coef_)


@pytest.mark.parametrize("params", [{}, {"l1_ratio": 0.5}, {"model": OrdinalSoftmax()}])
def test_fit_path_is_a_fit_for_every_C(params):
    frame = pd.DataFrame(X, columns=list("abcd"))
    Cs = [1.0, 0.01, 0.1]
    estimator = KLClassifier(**params, tol=1e-10)
    path = estimator.fit_path(frame, VOTES, Cs)
    assert [clf.C for clf in path] == Cs
    for clf in path:
        alone = clone(clf).fit(frame, VOTES)
        assert_allclose(clf.predict_proba(frame), alone.predict_proba(frame), atol=2e-5)
        assert clf.cross_entropy_ == pytest.approx(alone.cross_entropy_, abs=1e-6)
        assert len(clf.loss_path_) == clf.n_iter_
        assert clf.feature_names_in_.tolist() == list("abcd")
    assert not hasattr(estimator, "classes_")


@pytest.mark.parametrize("params", [{}, {"l1_ratio": 0.5}, {"model": OrdinalSoftmax()}])
def test_fit_path_goes_on_from_the_model_before(params):
    clf = KLClassifier(**params, random_state=0)
    first, second = clf.fit_path(X, VOTES, [1.0, 1.0 + 1e-9])
    assert second.n_iter_ < first.n_iter_ / 2
    assert second.cross_entropy_ == pytest.approx(first.cross_entropy_, abs=1e-6)


@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
@pytest.mark.parametrize("model", NON_CONVEX)
def test_fit_path_of_what_is_not_convex_is_a_fit_for_every_C(model, l1_ratio):
    # The smallest C leaves weights of zero, a saddle from which no larger one would get away.
    clf = KLClassifier(model, l1_ratio=l1_ratio, random_state=0, n_init=2)
    for fitted in clf.fit_path(X, VOTES, [1e-5, 1.0]):
        alone = clone(fitted).fit(X, VOTES)
        assert_allclose(fitted.theta_, alone.theta_, rtol=1e-12, atol=1e-12)
    assert fitted.kl_divergence_ < 0.3


def test_a_start_that_ends_in_no_number_is_not_kept():
    # Whether the logits are numbers depends on the sign of a parameter that has no gradient.
    for seed in range(4):
        model = CallableModel(_half_undefined, 2, gradient=_half_undefined_gradient)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            clf = KLClassifier(model, n_init=8, random_state=seed).fit(X, VOTES[:, :2])
        assert np.isfinite(clf.cross_entropy_)


def _half_undefined(theta, X):
    z = np.column_stack([np.zeros(len(X)), X[:, 0] * theta[0]])
    return z if theta[1] > 0 else np.full_like(z, np.nan)


def _half_undefined_gradient(theta, X, d_logits):
    return np.array([d_logits[:, 1] @ X[:, 0], 0.0])


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("first", NAMES)
@pytest.mark.parametrize("second", NAMES)
def test_cross_validation_forgets_the_model_before(first, second, n_classes):
    X, votes, _ = make_soft_classification(60, 3, n_classes, random_state=0)
    params = {"Cs": [0.01], "cv": 2, "random_state": 0, "tol": 1e-3}
    clf = KLClassifierCV(model=first, **params).fit(X, votes)
    clf.set_params(model=second).fit(X, votes)
    fresh = KLClassifierCV(model=second, **params).fit(X, votes)
    assert_array_equal(clf.predict_proba(X), fresh.predict_proba(X))
    assert vars(clf).keys() == vars(fresh).keys()


def test_what_is_no_prior_is_refused():
    with pytest.raises(ValueError, match="prior must be None or a KLToPrior"):
        KLClassifierCV(prior=[0.2, 0.3, 0.5]).fit(X, VOTES)
    with pytest.raises(ValueError, match="prior must be None or a KLToPrior"):
        KLClassifier(prior=KLToPrior).fit(X, VOTES)


def test_a_parameter_whose_name_ends_like_an_attribute_survives_a_fit():
    class WithGamma(KLClassifier):
        def __init__(self, gamma_=1.0):
            super().__init__()
            self.gamma_ = gamma_

    assert WithGamma(gamma_=2.0).fit(X, VOTES).gamma_ == 2.0


def test_the_fitted_model_shares_no_list_with_its_parameters():
    sizes = [5]
    clf = KLClassifier(MLPSoftmax(sizes), random_state=0, tol=0.1).fit(X, VOTES)
    before = clf.predict_proba(X)
    sizes[0] = 7
    assert_array_equal(clf.predict_proba(X), before)


@pytest.mark.parametrize("model", [LinearSoftmax(), LinearSoftmax(False), *NON_CONVEX])
@pytest.mark.parametrize("n_logits", [1, 3])
def test_theta_comes_back_from_what_a_fitted_estimator_holds(model, n_logits):
    bound = model.bind(4, n_logits)
    theta = np.random.default_rng(0).normal(size=bound.n_params)
    assert_array_equal(bound.theta_from(bound.state(theta, np.dtype(float))), theta)


def test_what_was_fitted_says_whether_there_are_coefficients():
    """Parameters that are set after a fit are those of the next."""
    clf = KLClassifier().fit(X, VOTES).set_params(model="mlp")
    before = clf.predict_proba(X)
    assert_allclose(clf.sparsify().predict_proba(X), before, rtol=1e-12)
    clf.densify().to_logistic_regression()
    clf = KLClassifier("mlp", tol=0.1).fit(X, VOTES).set_params(model="linear")
    assert not hasattr(clf, "sparsify")


@pytest.mark.parametrize("model", ["ordinal", OrdinalSoftmax()])
def test_models_of_ordered_classes_say_so(model):
    assert KLClassifier(model).__sklearn_tags__().classifier_tags.poor_score
    for other in ("linear", "mlp", LowRankSoftmax(), "no model", None):
        assert not KLClassifier(other).__sklearn_tags__().classifier_tags.poor_score


@pytest.mark.parametrize(
    "params, message",
    [
        ({"C": 0}, "C must be a number greater than 0, or np.inf for no penalty, got 0"),
        ({"C": "1"}, "C must be a number greater than 0"),
        ({"C": True}, "C must be a number greater than 0"),
        ({"C": float("nan")}, "C must be a number greater than 0"),
        ({"tol": -1}, "tol must be a number of at least 0, in nats, got -1"),
        ({"l1_ratio": 2}, "l1_ratio must be a number from 0 to 1, got 2"),
        ({"max_iter": 0.5}, "max_iter must be a whole number of at least 1, got 0.5"),
        ({"n_init": True}, "n_init must be a whole number of at least 1, got True"),
        ({"n_jobs": 0}, "n_jobs must be a number of threads, -1 for all processors or None"),
        ({"n_jobs": 1.5}, "n_jobs must be a number of threads.*got 1.5"),
        ({"n_jobs": True}, "n_jobs must be a number of threads.*got True"),
        ({"n_jobs": "two"}, "n_jobs must be a number of threads.*got 'two'"),
        ({"model": LowRankSoftmax(True)}, "rank must be a whole number of at least 1, got True"),
        ({"model": LowRankSoftmax(2.0)}, "rank must be a whole number of at least 1, got 2.0"),
        ({"model": MLPSoftmax(True)}, "hidden_layer_sizes must be .*got True"),
        ({"model": MLPSoftmax((3, False))}, r"hidden_layer_sizes must be .*got \(3, False\)"),
    ],
)
def test_what_is_out_of_range_is_named(params, message):
    with pytest.raises(ValueError, match=message):
        KLClassifier(**params).fit(X, VOTES)


@pytest.mark.parametrize("C", [10**20, 10**400, np.float32(1e20), np.int64(10**18)])
def test_C_may_be_a_whole_number_of_any_size(C):
    clf, free = KLClassifier(C=C).fit(X, VOTES), KLClassifier(C=np.inf).fit(X, VOTES)
    assert clf.cross_entropy_ == pytest.approx(free.cross_entropy_, abs=1e-6)


def test_inference_takes_no_penalty_for_none():
    clf = KLClassifier(C=np.inf, l1_ratio=1.0, tol=1e-10).fit(X, VOTES)
    plain = KLClassifier(C=np.inf, tol=1e-10).fit(X, VOTES)
    errors = [KLInference.from_estimator(c, X, VOTES).standard_error for c in (clf, plain)]
    assert_allclose(errors[0], errors[1], rtol=1e-8)


def test_blocks_and_lanes_follow_from_the_model(monkeypatch):
    given = []

    def record(X, row_size, n_params, **blocks):
        given.append((row_size, n_params))
        return deal_lanes(X, row_size, n_params, **blocks)

    monkeypatch.setattr("sklearn_kl._fit.train.deal_lanes", record)
    monkeypatch.setattr("sklearn_kl._parametric.deal_lanes", record)
    clf = KLClassifier(MLPSoftmax((5,)), random_state=0, tol=0.1).fit(X, VOTES)
    clf.predict(X)
    # Of 4 features, 5 units and 3 logits: (4 + 1) * 5 + (5 + 1) * 3 parameters.
    assert set(given) == {(2 * (5 + 3), 43)}


def test_fit_path_weighs_rows_and_takes_target_proba():
    weight = np.random.default_rng(0).uniform(size=len(X))
    labels = VOTES.argmax(axis=1)
    (clf,) = KLClassifier().fit_path(X, labels, [0.5], sample_weight=weight, target_proba=TRUTH)
    alone = KLClassifier(C=0.5).fit(X, TRUTH, sample_weight=weight)
    assert_allclose(clf.coef_, alone.coef_, rtol=1e-10)


@pytest.mark.parametrize("Cs", [[], [1.0, 0.0], [-1.0], [np.nan], [[1.0]]])
def test_fit_path_needs_positive_Cs(Cs):
    with pytest.raises(ValueError, match="Cs must hold at least one value of C, all above 0"):
        KLClassifier().fit_path(X, VOTES, Cs)


def test_fit_path_warns_in_the_name_of_its_caller():
    with pytest.warns(ConvergenceWarning, match="stopped after 1 iteration") as caught:
        KLClassifier(max_iter=1, tol=0).fit_path(X, VOTES, [1.0])
    assert caught[0].filename == __file__


@pytest.mark.parametrize("n_classes", [2, 3])
def test_sparse_coefficients_predict_the_same(n_classes):
    X, votes, _ = make_soft_classification(100, 6, n_classes, random_state=0)
    clf = KLClassifier(C=0.01, l1_ratio=1.0).fit(X, votes)
    expected, coef = clf.predict_proba(X), clf.coef_.copy()
    assert clf.sparsify() is clf
    assert clf.coef_.nnz == (coef != 0).sum() < coef.size
    assert_allclose(clf.predict_proba(X), expected, rtol=1e-12)
    assert_allclose(clf.to_logistic_regression().predict_proba(X), expected, rtol=1e-10)
    clf.set_params(warm_start=True).fit(X, votes)
    assert_allclose(clf.predict_proba(X), expected, atol=1e-3)
    clf.sparsify().densify().densify()
    assert isinstance(clf.coef_, np.ndarray)


def test_only_linear_models_have_coefficients():
    clf = KLClassifier("mlp")
    for name in ("sparsify", "densify", "to_logistic_regression"):
        assert not hasattr(clf, name)
        assert hasattr(KLClassifier("low_rank"), name)
    with pytest.raises(AttributeError, match="has no attribute 'sparsify'") as caught:
        clf.sparsify()
    assert "Only linear models have coef_, and this one is 'mlp'" in str(caught.value.__cause__)
    with pytest.raises(NotFittedError):
        KLClassifier().sparsify()


def test_a_low_rank_model_is_exported_and_has_no_standard_errors():
    clf = KLClassifier(LowRankSoftmax(2), random_state=0).fit(X, VOTES)
    model = clf.to_logistic_regression()
    assert_allclose(model.predict_proba(X), clf.predict_proba(X), rtol=0, atol=1e-12)
    for other in (clf, KLClassifier(l1_ratio=1.0).fit(X, VOTES)):
        with pytest.raises(TypeError, match="linear model, no prior and an L2"):
            KLInference.from_estimator(other, X, VOTES)


def test_inference_refuses_a_prior():
    clf = KLClassifier(prior=KLToPrior([0.2, 0.3, 0.5])).fit(X, VOTES)
    with pytest.raises(TypeError, match="no prior"):
        KLInference.from_estimator(clf, X, VOTES)


@pytest.mark.parametrize(
    "params",
    [
        {"model": LowRankSoftmax(1)},
        {"model": MLPSoftmax((2,), activation="tanh"), "n_init": 4},
        {"l1_ratio": 1.0},
        {"prior": KLToPrior([0.1, 0.2, 0.7])},
    ],
)
def test_cross_validation_takes_any_model(params):
    model = KLClassifierCV(Cs=[0.01, 1.0], **params, random_state=0).fit(X, VOTES)
    expected = KLClassifier(C=model.C_, **params, random_state=0).fit(X, VOTES)
    assert_array_equal(model.predict_proba(X), expected.predict_proba(X))
    assert model.scores_.shape == (5, 2)


def test_log_lines_of_every_start(caplog):
    clf = KLClassifier(LowRankSoftmax(1), n_init=2, random_state=0, verbose=1)
    with caplog.at_level(logging.INFO, logger="sklearn_kl"):
        clf.fit(X, VOTES)
    firsts = [line for line in caplog.messages if "iteration 1:" in line]
    assert len(firsts) == 2
