"""TemperatureScaler: equals a search, honest folds, all kinds of targets, scikit-learn's checks."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, ShuffleSplit, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from sklearn_kl import KLClassifier
from sklearn_kl._temperature import TemperatureScaler, fit_temperature
from sklearn_kl.metrics import cross_entropy_loss, neg_cross_entropy_scorer

ESTIMATORS = [TemperatureScaler(model, cv=3) for model in (LogisticRegression(), KLClassifier())]
CHECKS = [pair for model in ESTIMATORS for pair in estimator_checks_generator(model)]


def name_of(value):
    """Name of an estimator or of a check, which is a partial function."""
    return type(value.estimator).__name__ if hasattr(value, "estimator") else value.func.__name__


@pytest.mark.parametrize("estimator, check", CHECKS, ids=name_of)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def make_data(n=300, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    P = softmax(X @ rng.normal(size=(4, 3)), axis=1)
    labels = np.array([rng.choice(["a", "b", "c"], p=row) for row in P])
    votes = np.array([rng.multinomial(rng.integers(0, 6), row) for row in P])
    return X, {"labels": labels, "distributions": P, "counts": votes}


def sure_model(X, y):
    """A model whose logits are too large by a factor."""
    model = KLClassifier().fit(X, y)
    model.coef_, model.intercept_ = 3 * model.coef_, 3 * model.intercept_
    return model


@pytest.mark.parametrize("kind", ["labels", "distributions", "counts"])
def test_temperature_is_that_of_a_search(kind):
    X, targets = make_data()
    y = targets[kind]
    model = sure_model(X, y)
    weight = np.random.default_rng(1).integers(0, 3, size=len(X))
    scaled = TemperatureScaler(FrozenEstimator(model)).fit(X, y, sample_weight=weight)
    logits = model.decision_function(X)

    def loss(log_t):
        proba = softmax(logits / np.exp(log_t), axis=1)
        return cross_entropy_loss(y, proba, sample_weight=weight, labels=model.classes_)

    search = minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-9})
    assert scaled.temperature_ == pytest.approx(np.exp(search.x), rel=1e-6)
    assert scaled.cross_entropy_ == pytest.approx(search.fun, rel=1e-12)
    assert scaled.raw_cross_entropy_ == pytest.approx(loss(0.0))
    assert scaled.temperature_ == pytest.approx(3, rel=0.15)


def test_frozen_estimator_is_not_fitted_again():
    X, targets = make_data()
    model = sure_model(X, targets["labels"])
    coef = model.coef_.copy()
    scaled = TemperatureScaler(FrozenEstimator(model)).fit(X, targets["distributions"])
    np.testing.assert_array_equal(model.coef_, coef)
    np.testing.assert_array_equal(scaled.predict(X), model.predict(X))
    assert scaled.predict_proba(X).max() < model.predict_proba(X).max()


@pytest.mark.parametrize("kind", ["labels", "distributions", "counts"])
def test_temperature_of_held_out_rows(kind):
    X, targets = make_data(60)
    y = targets[kind]
    base = KLClassifier(C=1e4)
    scaled = TemperatureScaler(base, cv=4).fit(X, y)
    cv = StratifiedKFold(4) if kind == "labels" else KFold(4, shuffle=True, random_state=0)
    held_out = np.empty((60, 3))
    for train, test in cv.split(X, y if kind == "labels" else None):
        held_out[test] = base.fit(X[train], y[train]).predict_log_proba(X[test])
    strengths = (y[:, None] == np.array(["a", "b", "c"])) * 1.0 if kind == "labels" else y
    assert scaled.temperature_ == pytest.approx(fit_temperature(held_out, strengths))
    expected = softmax(base.fit(X, y).predict_log_proba(X) / scaled.temperature_, axis=1)
    np.testing.assert_allclose(scaled.predict_proba(X), expected)
    assert scaled.score(X, y) == base.score(X, y)


def test_overfitting_is_undone_on_new_rows():
    X, targets = make_data(2000)
    noise = np.random.default_rng(2).normal(size=(2000, 16))
    X = np.hstack([X, noise])
    y = targets["counts"]
    raw = KLClassifier(C=1e4).fit(X[:60], y[:60])
    scaled = TemperatureScaler(KLClassifier(C=1e4)).fit(X[:60], y[:60])
    assert scaled.temperature_ > 1
    losses = [-neg_cross_entropy_scorer(model, X[60:], y[60:]) for model in (raw, scaled)]
    assert losses[1] < losses[0]


def test_where_scikit_learn_refuses_a_matrix():
    X, targets = make_data(60)
    with pytest.raises(ValueError):
        CalibratedClassifierCV(KLClassifier()).fit(X, targets["distributions"])
    assert TemperatureScaler(KLClassifier()).fit(X, targets["distributions"]).temperature_ > 0


def test_data_frames_and_pipelines():
    pd = pytest.importorskip("pandas")
    X, targets = make_data(80)
    frame = pd.DataFrame(X, columns=list("wxyz"))
    votes = pd.DataFrame(targets["counts"], columns=["c", "a", "b"])
    scaled = TemperatureScaler(make_pipeline(StandardScaler(), KLClassifier())).fit(frame, votes)
    assert scaled.feature_names_in_.tolist() == list("wxyz")
    assert scaled.classes_.tolist() == ["c", "a", "b"]
    with pytest.raises(ValueError, match="Pipeline.fit does not take it.*FrozenEstimator"):
        scaled.fit(frame, votes, sample_weight=np.ones(80))


def test_rows_that_no_fold_holds_out_do_not_count():
    X, targets = make_data(80)
    cv = ShuffleSplit(1, test_size=20, random_state=0)
    scaled = TemperatureScaler(KLClassifier(), cv=cv).fit(X, targets["distributions"])
    train, test = next(cv.split(X))
    model = KLClassifier().fit(X[train], targets["distributions"][train])
    alone = TemperatureScaler(FrozenEstimator(model)).fit(X[test], targets["distributions"][test])
    assert scaled.temperature_ == pytest.approx(alone.temperature_)
    assert scaled.raw_cross_entropy_ == pytest.approx(alone.raw_cross_entropy_)


def test_ends_of_the_range():
    X = np.arange(20.0)[:, None]
    y = np.repeat([0, 1], 10)
    right = TemperatureScaler(FrozenEstimator(KLClassifier().fit(X, y))).fit(X, y)
    assert right.temperature_ == pytest.approx(1 / 20)
    wrong = TemperatureScaler(FrozenEstimator(KLClassifier().fit(X, y))).fit(X, 1 - y)
    assert wrong.temperature_ == pytest.approx(20)
    assert np.isfinite(right.predict_log_proba(X)).all()


def test_zero_probability_is_named():
    X, targets = make_data(40)
    message = "Class '.' of row .* is predicted with probability zero.*no temperature"
    with pytest.raises(ValueError, match=message):
        TemperatureScaler(KNeighborsClassifier(1)).fit(X, targets["labels"])


def test_zeros_that_are_right_are_no_obstacle():
    y = np.array([0, 0, 1, 2])
    log_proba = np.log(
        [[0.6, 0.4, 1e-300], [0.6, 0.4, 1e-300], [0.6, 0.4, 1e-300], [0.3, 0.3, 0.4]]
    )
    log_proba[:3, 2] = -np.inf
    temperature = fit_temperature(log_proba, np.eye(3)[y])
    assert 1 / 20 < temperature < 20


def test_labels_that_a_frozen_model_does_not_know():
    X, targets = make_data(40)
    model = FrozenEstimator(DummyClassifier().fit(X, targets["labels"]))
    with pytest.raises(ValueError, match="labels that are not among the classes"):
        TemperatureScaler(model).fit(X, np.repeat(["a", "d"], 20))
