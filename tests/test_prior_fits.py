"""KLClassifier with a prior: its objective, the equalities it promises, its neighbours."""

import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from scipy.special import log_softmax, rel_entr
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kl import KLClassifier
from sklearn_kl.datasets import make_soft_classification
from sklearn_kl.labels import mix_targets
from sklearn_kl.metrics import cross_entropy_loss, kl_divergence, neg_kl_divergence_scorer
from sklearn_kl.penalties import KLToPrior

TOL = 1e-13


@pytest.fixture(scope="module")
def data():
    """Features, vote counts and distributions."""
    return make_soft_classification(60, 3, 3, n_votes=4, random_state=0)


@pytest.fixture(scope="module")
def other(data):
    """A classifier that was fitted on other data with the same features and classes."""
    X, votes, _ = make_soft_classification(200, 3, 3, n_votes=4, random_state=1)
    return KLClassifier(tol=TOL).fit(X, votes)


def fit(X, y, prior=None, strength=1.0, *, sample_weight=None, **options):
    penalty = None if prior is None else KLToPrior(prior, strength=strength)
    clf = KLClassifier(**{"prior": penalty, "tol": TOL, **options})
    return clf.fit(X, y, sample_weight=sample_weight)


def assert_same_fit(clf, expected, atol=1e-6):
    assert_allclose(clf.coef_, expected.coef_, atol=atol)
    assert_allclose(
        clf.decision_function(np.eye(3)), expected.decision_function(np.eye(3)), atol=atol
    )


def test_the_objective_is_the_stated_one(data):
    X, votes, q = data
    C, strength, shape = 0.7, 2.5, (3, 4)
    weight = np.random.default_rng(0).uniform(0.5, 2.0, len(X))

    def objective(theta):
        W, b = np.split(theta.reshape(shape), [3], axis=1)
        log_q = log_softmax(X @ W.T + b.T, axis=1)
        cross_entropy = -(votes * log_q).sum(axis=1)
        divergence = rel_entr(q, np.exp(log_q)).sum(axis=1)
        return C * weight @ (cross_entropy + strength * divergence) + 0.5 * (W**2).sum()

    found = minimize(objective, np.zeros(shape).ravel(), method="BFGS", options={"gtol": 1e-4})
    clf = fit(X, votes, q, strength, C=C, sample_weight=weight)
    theta = np.column_stack([clf.coef_, clf.intercept_])
    assert objective(theta.ravel()) <= found.fun + 1e-8
    assert_allclose(clf.coef_, found.x.reshape(shape)[:, :3], atol=1e-4)


@pytest.mark.parametrize("kind", ["labels", "distributions"])
@pytest.mark.parametrize("C", [0.3, np.inf])
def test_a_prior_is_the_same_as_mixing_it_into_the_targets(data, other, kind, C):
    X, votes, q = data
    y = votes.argmax(axis=1) if kind == "labels" else q
    strength = 0.6
    mixed = mix_targets(y, other.predict_proba(X), strength / (1 + strength))
    assert_same_fit(fit(X, y, other, strength, C=C), fit(X, mixed, C=C * (1 + strength)))


def test_a_prior_is_the_same_as_more_votes(data, other):
    X, votes, _ = data
    assert_same_fit(fit(X, votes, other, 3.0), fit(X, votes + 3.0 * other.predict_proba(X)))


def test_a_class_prior_is_the_same_as_smoothing_counts(data):
    X, votes, _ = data
    assert_same_fit(fit(X, votes, [0.5, 0.3, 0.2], 2.0), fit(X, votes + np.array([1.0, 0.6, 0.4])))


def test_two_classes(data):
    X, votes, _ = data
    y = votes[:, :2]
    assert_same_fit(fit(X, y, [0.9, 0.1], 2.0), fit(X, y + np.array([1.8, 0.2])))


def test_weights_count_repetitions_of_rows_with_their_prior(data, other):
    X, votes, _ = data
    weight = np.arange(len(X)) % 3
    repeated = np.repeat(np.arange(len(X)), weight)
    whole = fit(X[repeated], votes[repeated], other)
    assert_same_fit(fit(X, votes, other, sample_weight=weight), whole)


def test_class_weight_leaves_the_prior_alone(data, other):
    X, votes, _ = data
    expected = fit(X, votes * [3.0, 1.0, 0.5] + other.predict_proba(X))
    assert_same_fit(fit(X, votes, other, class_weight={0: 3.0, 2: 0.5}), expected)


def test_strength_zero_is_no_prior_bit_for_bit(data, other):
    X, votes, _ = data
    assert_array_equal(fit(X, votes, other, 0.0).coef_, fit(X, votes).coef_)


def test_the_fit_moves_from_the_targets_to_the_prior(data, other):
    X, votes, _ = data
    prior = other.predict_proba(X)
    fits = [fit(X, votes, other, strength, C=np.inf) for strength in [0, 0.1, 1, 10, 1e6]]
    to_prior = [kl_divergence(prior, clf.predict_proba(X)) for clf in fits]
    to_votes = [clf.cross_entropy_ for clf in fits]
    assert (np.diff(to_prior) < 0).all()
    assert (np.diff(to_votes) > 0).all()
    assert to_prior[-1] < 1e-9
    assert_allclose(fits[-1].predict_proba(X), prior, atol=1e-3)


def test_a_strong_class_prior_is_predicted_everywhere(data):
    X, votes, _ = data
    clf = fit(X, votes, [0.5, 0.3, 0.2], 1e6)
    assert_allclose(clf.predict_proba(10 * X), [[0.5, 0.3, 0.2]] * len(X), atol=1e-4)


def test_the_fit_is_judged_by_the_targets_alone(data, other):
    X, votes, _ = data
    clf = fit(X, votes, other, 5.0)
    proba = clf.predict_proba(X)
    assert clf.cross_entropy_ == pytest.approx(cross_entropy_loss(votes, proba), rel=1e-12)
    assert clf.target_entropy_ == pytest.approx(fit(X, votes).target_entropy_, rel=1e-14)
    assert clf.kl_divergence_ == pytest.approx(kl_divergence(votes, proba), rel=1e-10)
    mixed = votes + 5.0 * other.predict_proba(X)
    assert clf.loss_path_[-1] == pytest.approx(cross_entropy_loss(mixed, proba), rel=1e-10)


def test_unlabelled_rows_learn_from_the_prior(data, other):
    X, votes, _ = data
    few = votes.copy()
    few[10:] = 0
    prior = other.predict_proba(X)
    clf = fit(X, few, other, 2.0)
    assert_same_fit(clf, fit(X, few + 2.0 * prior))
    without = fit(X[:10], few[:10], other, 2.0)
    assert kl_divergence(prior, clf.predict_proba(X)) < kl_divergence(
        prior, without.predict_proba(X)
    )


def test_sparse_counts_and_sparse_features(data, other):
    X, votes, _ = data
    clf = fit(
        sp.csr_array(X), sp.csr_array(votes), LogisticRegression().fit(X, votes.argmax(axis=1))
    )
    dense = fit(X, votes, LogisticRegression().fit(X, votes.argmax(axis=1)))
    assert_same_fit(clf, dense)


def test_a_prior_serves_labels_that_lack_a_class_once_they_are_a_frame(data, other):
    X, votes, _ = data
    y = np.where(votes[:, 0] > 1, 0, 1)
    with pytest.raises(ValueError, match="prior has the classes .2., .*pd.get_dummies"):
        fit(X, y, other)
    frame = pd.get_dummies(pd.Series(y)).reindex(columns=[0, 1, 2], fill_value=0)
    clf = fit(X, frame, other, 0.5)
    assert_same_fit(clf, fit(X, np.eye(3)[y] + 0.5 * other.predict_proba(X)))


def test_a_model_with_fewer_classes_teaches_the_classes_it_knows(data):
    X, votes, _ = data
    known = KLClassifier().fit(X, pd.DataFrame(votes[:, :2], columns=[2, 0]))
    proba = np.insert(known.predict_proba(X)[:, ::-1], 1, 0.0, axis=1)
    assert_same_fit(fit(X, votes, known, 2.0), fit(X, votes + 2.0 * proba))


@pytest.mark.parametrize("wrap", [lambda model: model, FrozenEstimator])
def test_cross_validation_keeps_the_fitted_prior(data, other, wrap):
    X, votes, _ = data
    clf = KLClassifier(prior=KLToPrior(wrap(other), strength=5.0), tol=TOL)
    result = cross_validate(
        clf, X, votes, cv=3, scoring=neg_kl_divergence_scorer, return_estimator=True
    )
    for fitted in result["estimator"]:
        assert fitted.prior is not clf.prior
        assert fitted.prior.prior is clf.prior.prior
    assert_same_fit(result["estimator"][0], fit(X[20:], votes[20:], other, 5.0), atol=1e-8)


def test_grid_search_over_the_strength(data, other):
    X, votes, _ = data
    clf = KLClassifier(prior=KLToPrior(other), tol=TOL)
    search = GridSearchCV(
        clf, {"prior__strength": [0.0, 5.0]}, scoring=neg_kl_divergence_scorer, error_score="raise"
    ).fit(X, votes)
    for strength, column in ((0.0, 0), (5.0, 1)):
        alone = clone(clf).set_params(prior__strength=strength)
        scores = cross_validate(alone, X, votes, scoring=neg_kl_divergence_scorer)["test_score"]
        assert search.cv_results_["mean_test_score"][column] == pytest.approx(scores.mean())
    assert clf.prior.strength == 1.0
    assert search.best_estimator_.prior.prior is other


def test_parameters_of_the_prior_are_no_parameters_of_the_classifier(other):
    clf = KLClassifier(prior=KLToPrior(other))
    nested = {name for name in clf.get_params() if name.startswith("prior")}
    assert nested == {"prior", "prior__prior", "prior__strength"}
    with pytest.raises(ValueError, match="shared by all clones"):
        clf.set_params(prior__prior__C=9.0)
    assert other.C == 1.0


def test_rows_of_a_prior_are_not_split_along(data):
    X, votes, q = data
    clf = KLClassifier(prior=KLToPrior(q))
    with pytest.raises(ValueError, match="60 rows, but there are 40.*pass a fitted classifier"):
        cross_validate(clf, X, votes, cv=3, scoring=neg_kl_divergence_scorer, error_score="raise")


def test_the_prior_gets_the_frame_that_fit_got(data):
    X, votes, _ = data
    frame = pd.DataFrame(X, columns=["u", "v", "w"])
    old = make_pipeline(StandardScaler(), KLClassifier()).fit(frame[:30], votes[:30])
    clf = fit(frame, votes, old)
    assert_allclose(clf.coef_, fit(X, votes, old.predict_proba(frame)).coef_, atol=1e-10)


def test_the_last_step_of_a_pipeline_hands_on_what_the_steps_before_made(data):
    X, votes, _ = data
    old = make_pipeline(StandardScaler(), KLClassifier()).fit(3 * X[:30] + 1, votes[:30])
    scaler = FrozenEstimator(old[0])
    new = make_pipeline(scaler, KLClassifier(prior=KLToPrior(old[-1], strength=2.0), tol=TOL))
    new.fit(X, votes)
    expected = fit(scaler.transform(X), votes + 2.0 * old.predict_proba(X))
    assert_same_fit(new[-1], expected)


def test_a_model_can_be_its_own_prior_for_the_next_batch(data):
    X, votes, _ = data
    clf = KLClassifier(tol=TOL).fit(X[:30], votes[:30])
    before = clf.predict_proba(X[30:])
    again = clone(clf).set_params(prior=KLToPrior(clf)).fit(X[30:], votes[30:])
    assert_same_fit(again, fit(X[30:], votes[30:] + before))


def test_pickle_of_a_fit_with_a_prior(data, other):
    X, votes, _ = data
    clf = fit(X, votes, other)
    again = pickle.loads(pickle.dumps(clf))
    assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
    assert_array_equal(again.fit(X, votes).coef_, clf.coef_)


def test_the_data_and_the_prior_are_not_changed(data, other):
    X, votes, q = (array.copy() for array in data)
    weight = np.ones(len(X))
    for array in (X, votes, q, weight):
        array.setflags(write=False)
    coef = other.coef_.copy()
    fit(X, votes, q, sample_weight=weight)
    fit(X, votes, other, sample_weight=weight)
    assert_array_equal(other.coef_, coef)


@pytest.mark.parametrize(
    "options", [{"solver": "newton-cg"}, {"l1_ratio": 0.5, "tol": 1e-9}, {"n_jobs": 2}]
)
def test_every_way_of_fitting_takes_a_prior(data, other, options):
    X, votes, _ = data
    expected = fit(X, votes + 2.0 * other.predict_proba(X), **options)
    assert_same_fit(fit(X, votes, other, 2.0, **options), expected, atol=1e-4)


def test_a_path_of_fits_takes_a_prior(data, other):
    X, votes, _ = data
    Cs = [1.0, 0.01, 0.1]
    path = KLClassifier(prior=KLToPrior(other, strength=2.0), tol=TOL).fit_path(X, votes, Cs)
    for C, clf in zip(Cs, path, strict=True):
        assert_same_fit(clf, fit(X, votes, other, 2.0, C=C))


@pytest.mark.parametrize("prior", ["uniform", [0.5, 0.3, 0.2], LogisticRegression()])
def test_what_is_no_penalty_is_refused(data, prior):
    X, votes, _ = data
    with pytest.raises(ValueError, match="prior must be None or a KLToPrior"):
        KLClassifier(prior=prior).fit(X, votes)


def test_an_unfitted_prior_is_refused(data):
    X, votes, _ = data
    with pytest.raises(ValueError, match="has predict_proba but no classes_: fit it"):
        fit(X, votes, KLClassifier())
