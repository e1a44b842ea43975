"""What EM computes: posteriors, a penalised likelihood that never falls, and its maximum."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import xlogy
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kl import AnnotatorClassifier, KLClassifier
from sklearn_kl._annotators.confusion import (
    ConfusionPrior,
    likely_strength,
    personal_prior,
    shared_prior,
)
from sklearn_kl.penalties import KLToPrior

JOINT = ["confusion", "one-coin"]


def joint_by_hand(model, X, Y):
    """Joint log-probability of hidden class and votes, vote by vote."""
    proba = model.predict_proba(X)
    joint = np.log(proba)
    for item, annotator in itertools.product(*map(range, Y.shape)):
        if Y[item, annotator] >= 0:
            joint[item] += np.log(model.confusion_[annotator, :, Y[item, annotator]])
    return joint


@pytest.mark.parametrize("kind", JOINT)
def test_posterior_and_likelihood_are_those_of_bayes_rule(make_world, kind):
    X, Y, *_ = make_world("blind", 0, n_items=60)
    Y[:3] = -1
    model = AnnotatorClassifier(annotators=kind, missing=-1).fit(X, Y)
    joint = joint_by_hand(model, X, Y)
    total = np.log(np.exp(joint).sum(axis=1))
    assert_allclose(model.posterior_, np.exp(joint - total[:, None]), atol=1e-12)
    assert_allclose(model.posterior_[:3], model.predict_proba(X[:3]), atol=1e-12)
    assert model.cross_entropy_ == pytest.approx(-total.sum() / (Y >= 0).sum(), abs=1e-12)
    found = model.vote_log_likelihood(X, Y)
    assert found == pytest.approx(-model.cross_entropy_, abs=1e-12)


def test_dawid_skene_is_that_of_crowd_kit(reference):
    expected = reference("dawid_skene")
    Y = expected["votes"].astype(int)
    X = np.zeros((len(Y), 1))
    for prior in (DummyClassifier(strategy="prior"), KLClassifier(C=np.inf, tol=1e-13)):
        model = AnnotatorClassifier(
            prior, annotators="confusion", smoothing=0, missing=-1, tol=0, max_iter=2000
        ).fit(X, Y)
        assert model.converged_
        assert_allclose(model.posterior_, expected["posterior"], atol=1e-6)
        assert_allclose(model.predict_proba(X[:1])[0], expected["prior"], atol=1e-6)
        assert (np.diff(model.log_likelihood_path_) >= 0).all()


CLASSIFIERS = {
    "linear": KLClassifier(),
    "strong penalty": KLClassifier(C=0.01),
    "lasso": KLClassifier(C=0.1, l1_ratio=1.0),
    "prior": KLClassifier(prior=KLToPrior([0.6, 0.2, 0.2], strength=0.5)),
    "loose": KLClassifier(tol=1e-3),
    "pipeline": make_pipeline(StandardScaler(), KLClassifier(C=0.1)),
    "mlp": KLClassifier("mlp", tol=1e-4, max_iter=30, random_state=0),
    "LogisticRegression": LogisticRegression(C=0.01),
    "forest": RandomForestClassifier(5, min_samples_leaf=20),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_the_objective_never_falls(make_world, name):
    X, Y, *_ = make_world("blind", 1, n_items=100)
    model = AnnotatorClassifier(
        CLASSIFIERS[name], annotators="confusion", missing=-1, max_iter=15
    ).fit(X, Y)
    assert len(model.log_likelihood_path_) == model.n_iter_ > 1
    assert (np.diff(model.log_likelihood_path_) >= 0).all()


@pytest.mark.parametrize("kind", JOINT)
def test_the_objective_is_likelihood_prior_and_penalty(make_world, kind):
    X, Y, *_ = make_world("blind", 2, n_items=80)
    clf = KLClassifier(C=0.5)
    model = AnnotatorClassifier(clf, annotators=kind, missing=-1, smoothing=3.0).fit(X, Y)
    joint = joint_by_hand(model, X, Y)
    likelihood = np.log(np.exp(joint).sum(axis=1)).sum()
    penalty = (model.classifier_.coef_**2).sum() / 2 / 0.5
    # A prior without votes but those of the pooled matrix is the same for every annotator.
    if kind == "one-coin":
        votes = 3.0 / 3 * model.pooled_confusion_
        prior = xlogy(votes, model.confusion_).sum()
        expected = (likelihood + prior - penalty) / (Y >= 0).sum()
        assert model.log_likelihood_path_[-1] == pytest.approx(expected, abs=1e-10)
    else:
        without = (likelihood - penalty) / (Y >= 0).sum()
        assert model.log_likelihood_path_[-1] < without


@pytest.mark.parametrize("pipeline", [False, True])
def test_the_votes_of_a_prior_are_part_of_the_objective(make_world, pipeline):
    X, Y, *_ = make_world("blind", 2, n_items=80)
    Y[:5] = -1
    shares = np.array([0.5, 0.3, 0.2])
    clf = KLClassifier(C=np.inf, prior=KLToPrior(shares, strength=0.5))
    model = AnnotatorClassifier(
        make_pipeline(StandardScaler(), clf) if pipeline else clf,
        annotators="one-coin",
        missing=-1,
        smoothing=0,
    ).fit(X, Y)
    likelihood = np.log(np.exp(joint_by_hand(model, X, Y)).sum(axis=1)).sum()
    cost = -0.5 * (shares * np.log(model.predict_proba(X))).sum()
    expected = (likelihood - cost) / (Y >= 0).sum()
    assert model.log_likelihood_path_[-1] == pytest.approx(expected, abs=1e-10)


def test_the_classifier_goes_on_from_where_it_was(make_world):
    X, Y, *_ = make_world("blind", 2)
    model = AnnotatorClassifier(annotators="confusion", missing=-1).fit(X, Y)
    cold = KLClassifier().fit(X, model.posterior_)
    assert model.classifier_.n_iter_ < cold.n_iter_ / 2


def test_no_matrix_nearby_is_better(make_world):
    X, Y, *_ = make_world("blind", 3, n_items=150)
    model = AnnotatorClassifier(annotators="one-coin", missing=-1, smoothing=2.0, tol=1e-12)
    model.fit(X, Y)

    def objective(confusion):
        moved = AnnotatorClassifier().set_params(missing=-1)
        moved.__dict__.update(model.__dict__)
        moved.confusion_ = confusion
        likelihood = np.log(np.exp(joint_by_hand(moved, X, Y)).sum(axis=1)).sum()
        return likelihood + xlogy(2.0 / 3 * model.pooled_confusion_, confusion).sum()

    best = objective(model.confusion_)
    eye = np.eye(3)
    for annotator, step in itertools.product([0, 5], [-1e-3, 1e-3]):
        confusion = model.confusion_.copy()
        accuracy = confusion[annotator, 0, 0] + step
        if 0 < accuracy < 1:
            confusion[annotator] = accuracy * eye + (1 - accuracy) / 2 * (1 - eye)
            assert objective(confusion) < best


@pytest.mark.parametrize("kind", ["equal", *JOINT])
def test_a_weight_is_a_repetition(make_world, kind):
    X, Y, X_new, *_ = make_world("blind", 4, n_items=80)
    weight = np.tile([0, 1, 2, 3], 20)
    options = {"annotators": kind, "missing": -1, "tol": 1e-10}
    weighted = AnnotatorClassifier(**options).fit(X, Y, sample_weight=weight)
    repeated = AnnotatorClassifier(**options).fit(
        np.repeat(X, weight, axis=0), np.repeat(Y, weight, axis=0)
    )
    assert_allclose(weighted.predict_proba(X_new), repeated.predict_proba(X_new), atol=1e-4)
    assert_allclose(weighted.confusion_, repeated.confusion_, atol=1e-4)
    piped = AnnotatorClassifier(make_pipeline(KLClassifier()), **options)
    piped.fit(X, Y, sample_weight=weight)
    assert_allclose(piped.predict_proba(X_new), weighted.predict_proba(X_new), atol=1e-4)


@pytest.mark.parametrize("kind", ["auto", "equal", *JOINT])
def test_items_without_votes_change_nothing_but_have_a_posterior(make_world, kind):
    X, Y, X_new, *_ = make_world("blind", 5, n_items=120)
    options = {"annotators": kind, "missing": -1}
    alone = AnnotatorClassifier(**options).fit(X, Y)
    silent = np.full((30, Y.shape[1]), -1)
    both = AnnotatorClassifier(**options).fit(np.vstack([X, X_new[:30]]), np.vstack([Y, silent]))
    assert both.annotators_ == alone.annotators_
    assert abs(both.n_iter_ - alone.n_iter_) <= 1
    assert_allclose(both.predict_proba(X_new), alone.predict_proba(X_new), atol=1e-3)
    assert_allclose(both.posterior_[120:], both.predict_proba(X_new[:30]), atol=1e-12)


def test_order_of_classes_and_annotators_does_not_matter(make_world):
    X, Y, X_new, *_ = make_world("blind", 6)
    model = AnnotatorClassifier(annotators="confusion", missing=-1).fit(X, Y)
    renamed = np.where(Y < 0, -1, np.array([2, 0, 1])[Y])
    moved = AnnotatorClassifier(annotators="confusion", missing=-1).fit(X, renamed[:, ::-1])
    order = [2, 0, 1]
    assert_allclose(moved.predict_proba(X_new)[:, order], model.predict_proba(X_new), atol=1e-4)
    assert_allclose(moved.confusion_[::-1][:, order][:, :, order], model.confusion_, atol=1e-4)


def test_classes_keep_their_names_though_somebody_swaps_them(make_world):
    X, Y, _, _, label = make_world("blind", 7)
    swaps = Y.copy()
    swaps[:, 4] = np.where(Y[:, 4] < 0, -1, np.array([1, 0, 2])[Y[:, 4]])
    model = AnnotatorClassifier(annotators="confusion", missing=-1).fit(X, swaps)
    assert (model.posterior_.argmax(axis=1) == label).mean() > 0.95
    assert model.confusion_[4, 0, 1] > 0.8
    assert model.confusion_[4, 1, 0] > 0.8
    careful = np.delete(np.arange(4, 12), 0)
    assert (np.diagonal(model.confusion_[careful], axis1=1, axis2=2) > 0.8).all()


@pytest.mark.parametrize("seed", range(3))
def test_classes_keep_their_names_where_annotators_are_weak(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(300, 2))
    label = X.argmax(axis=1)
    right = rng.uniform(size=(300, 9)) < 0.58
    Y = np.where(right, label[:, None], 1 - label[:, None])
    model = AnnotatorClassifier(annotators="confusion").fit(X, Y)
    assert (model.posterior_.argmax(axis=1) == label).mean() > 0.85


def test_few_votes_shrink_to_the_pooled_matrix_and_none_are_it(make_world):
    X, Y, *_ = make_world("blind", 8)
    rare = np.full((len(Y), 2), -1)
    rare[:2, 0] = (Y[:2].max(axis=1) + 1) % 3
    model = AnnotatorClassifier(annotators="confusion", missing=-1)
    model.fit(X, np.hstack([Y, rare]))
    assert model.n_votes_[-2:].tolist() == [2, 0]
    assert_allclose(model.confusion_[-1], model.pooled_confusion_, atol=1e-12)
    off = np.abs(model.confusion_ - model.pooled_confusion_).max(axis=(1, 2))
    assert off[:3].min() > 0.2
    strong = model.set_params(smoothing=1000.0).fit(X, np.hstack([Y, rare]))
    assert np.abs(strong.confusion_[-2] - strong.pooled_confusion_).max() < 0.05


def test_smoothing_by_hand():
    counts = np.array([[[8.0, 2.0], [1.0, 3.0]]])
    mean = np.array([[0.9, 0.1], [0.4, 0.6]])
    found = ConfusionPrior("confusion", mean, 10.0, mean).estimate(counts)
    assert_allclose(found, [[[17 / 20, 3 / 20], [5 / 14, 9 / 14]]])
    coin = np.array([[0.8, 0.2], [0.2, 0.8]])
    found = ConfusionPrior("one-coin", coin, 10.0, coin).estimate(counts)
    assert_allclose(found[0, 0, 0], (11 + 8) / (14 + 10))
    assert_allclose(found.sum(axis=2), 1)


def test_empirical_bayes_finds_the_strength():
    rng = np.random.default_rng(0)
    mean = np.array([[0.8, 0.2], [0.3, 0.7]])
    for strength in (2.0, 20.0):
        rows = [rng.dirichlet(strength * row, size=3000) for row in mean]
        counts = np.stack([rng.multinomial(25, row) for row in rows], axis=1).astype(float)
        assert likely_strength("confusion", counts, mean) == pytest.approx(strength, rel=0.15)
    alike = rng.multinomial(25, mean, size=(500, 2)).astype(float)
    assert likely_strength("confusion", alike, mean) > 90


def test_the_prior_of_a_person_has_their_accuracy_and_the_errors_of_all():
    rng = np.random.default_rng(0)
    counts = rng.uniform(1, 5, size=(6, 3, 3)) + 20 * np.eye(3) * np.arange(6)[:, None, None]
    counts[5] = 0
    prior = personal_prior(counts, 5.0)
    shared = shared_prior("confusion", counts, 5.0).mean
    assert_allclose(prior.mean.sum(axis=2), 1)
    assert_allclose(prior.mean[5], shared)
    ratio = prior.mean[:, 0, 1] / prior.mean[:, 0, 2]
    assert_allclose(ratio, shared[0, 1] / shared[0, 2])
    assert (np.diff(np.diagonal(prior.mean[:5], axis1=1, axis2=2), axis=0) > 0).all()


def test_counts_are_what_equal_is_fitted_to(make_world):
    X, Y, X_new, *_ = make_world("ambiguous", 9)
    model = AnnotatorClassifier(annotators="equal", missing=-1).fit(X, Y)
    counts = np.stack([(Y == k).sum(axis=1) for k in range(3)], axis=1)
    clf = KLClassifier().fit(X, counts)
    assert_allclose(model.predict_proba(X_new), clf.predict_proba(X_new), atol=1e-12)
    assert model.cross_entropy_ == pytest.approx(clf.cross_entropy_)
    assert_array_equal(model.confusion_, np.broadcast_to(np.eye(3), (12, 3, 3)))
    assert_allclose(model.posterior_, counts / 3)
    assert model.n_iter_ == 1
