"""TemperatureScaler: equals a search, honest folds, all kinds of targets, scikit-learn's checks."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn import config_context
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, ShuffleSplit, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from sklearn_kl import KLClassifier
from sklearn_kl._temperature import TemperatureScaler, fit_mixture, fit_temperature
from sklearn_kl.labels import ReplicatedRows
from sklearn_kl.metrics import cross_entropy_loss, get_scorer, neg_cross_entropy_scorer
from sklearn_kl.model_selection import SoftStratifiedGroupKFold, SoftStratifiedKFold

ESTIMATORS = [TemperatureScaler(model, cv=3) for model in (LogisticRegression(), KLClassifier())]
ESTIMATORS.append(TemperatureScaler(LogisticRegression(), cv=3, mixing=True))
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
    cv = StratifiedKFold(4) if kind == "labels" else SoftStratifiedKFold(4)
    held_out = np.empty((60, 3))
    for train, test in cv.split(X, y):
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
    largest = np.abs(KLClassifier().fit(X, y).decision_function(X)).max()
    assert wrong.temperature_ == pytest.approx(20 * largest)
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


# --- the minimum is one ----------------------------------------------------------------------

HOSTILE = {
    "huge logits": (lambda z: 1e6 * z, 1e6),
    "tiny logits": (lambda z: 1e-6 * z, 1e-6),
    "far from zero": (lambda z: 3 * z + 1e8, 3),
    "one row decides": (lambda z: np.vstack([1e5 * z[:1], z[1:]]), None),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_temperature_is_a_minimum_for_hostile_logits(name):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(400, 3))
    strengths = np.array([rng.multinomial(4, softmax(row)) for row in z]) * 1e150
    make, expected = HOSTILE[name]
    logits = make(z)
    temperature = fit_temperature(logits, strengths)
    if expected is not None:
        assert temperature == pytest.approx(expected, rel=0.2)

    def loss(t):
        scaled = logits / t
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        log_q = scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))
        return -(strengths / strengths.sum() * log_q).sum()

    least = min(loss(t) for t in np.geomspace(1e-9, 1e9, 2001))
    assert loss(temperature) <= least + 1e-12


@pytest.mark.parametrize(
    "logits", [np.zeros((5, 3)), np.zeros((5, 1)), np.full((5, 2), -1e300), [[0, -1e9]] * 5]
)
def test_where_the_temperature_does_not_matter_it_is_one(logits):
    strengths = np.zeros(np.shape(logits))
    strengths[:, 0] = 1.0
    assert fit_temperature(np.array(logits, dtype=float), strengths) == 1.0


def test_classifier_of_one_class():
    X = np.arange(6.0)[:, None]
    frozen = FrozenEstimator(DummyClassifier().fit(X, np.zeros(6)))
    for mixing in (False, True):
        scaled = TemperatureScaler(frozen, mixing=mixing).fit(X, np.zeros(6))
        assert scaled.temperature_ == 1.0
        np.testing.assert_array_equal(scaled.predict_proba(X), np.ones((6, 1)))


# --- mixing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["labels", "distributions", "counts"])
def test_forests_are_scaled_with_a_mixture(kind):
    X, targets = make_data(240)
    forest = RandomForestClassifier(20, random_state=0)
    model = forest if kind == "labels" else ReplicatedRows(forest)
    y = targets[kind]
    if kind == "labels":
        with pytest.raises(ValueError, match="Set mixing=True"):
            TemperatureScaler(model).fit(X[:120], y[:120])
    scaled = TemperatureScaler(model, mixing=True).fit(X[:120], y[:120])
    assert 0 <= scaled.mixing_weight_ < 1
    assert np.isfinite(scaled.cross_entropy_)
    assert scaled.cross_entropy_ < scaled.raw_cross_entropy_
    proba = scaled.predict_proba(X[120:])
    np.testing.assert_allclose(proba.sum(axis=1), 1.0)
    if kind == "labels":
        assert scaled.raw_cross_entropy_ == np.inf
        assert scaled.mixing_weight_ > 0
        assert proba.min() > 0
    by_hand = softmax(
        np.log(np.maximum(scaled.estimator_.predict_proba(X[120:]), 1e-300)) / scaled.temperature_,
        axis=1,
    )
    weight = scaled.mixing_weight_
    expected = (1 - weight) * by_hand + weight * scaled.class_shares_
    np.testing.assert_allclose(proba, expected, atol=1e-12)
    shares = np.unique(y[:120], return_counts=True)[1] / 120 if kind == "labels" else y[:120].sum(0)
    np.testing.assert_allclose(scaled.class_shares_, shares / shares.sum())


@pytest.mark.parametrize("seed", range(6))
def test_mixture_is_the_least_of_all(seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=3, size=(60, 3))
    strengths = np.array([rng.multinomial(3, softmax(row / 2)) for row in logits]) * 1.0
    logits[rng.random(logits.shape) < (0.3 if seed % 2 else 0.0)] = -np.inf
    logits[:, 0] = np.where(np.isinf(logits).all(axis=1), 0.0, logits[:, 0])
    shares = strengths.sum(axis=0) / strengths.sum()

    def loss(temperature, weight):
        with np.errstate(divide="ignore", invalid="ignore"):
            mixed = (1 - weight) * softmax(logits / temperature, axis=1) + weight * shares
            terms = np.where(strengths > 0, strengths * np.log(mixed), 0.0)
        return -terms.sum() / strengths.sum()

    temperature, weight = fit_mixture(logits, strengths, shares)
    ours = loss(temperature, weight)
    found = min(
        loss(t, w) for t in np.geomspace(0.05, 200, 120) for w in np.linspace(0.0, 1.0, 101)
    )
    assert ours <= found + 1e-9
    for t, w in [(1.001, 0.0), (0.999, 0.0), (1.0, 1e-3), (1.0, -1e-3)]:
        assert ours <= loss(temperature * t, np.clip(weight + w, 0.0, 1.0)) + 1e-12


def test_mixture_of_a_model_that_knows_nothing():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(scale=5, size=(2000, 3)), rng.choice(3, 2000, p=[0.6, 0.3, 0.1])
    shares = np.bincount(labels) / 2000
    temperature, weight = fit_mixture(logits, np.eye(3)[labels], shares)
    assert weight > 0.9 or temperature > 20


# --- folds and metadata ----------------------------------------------------------------------


def test_splitters_of_matrices():
    X, targets = make_data(60)
    for kind in ("labels", "distributions"):
        y = targets[kind]
        by_splitter = TemperatureScaler(KLClassifier(), cv=SoftStratifiedKFold(4)).fit(X, y)
        by_number = TemperatureScaler(KLClassifier(), cv=4).fit(X, y)
        assert by_splitter.temperature_ == by_number.temperature_


class Spy(KLClassifier):
    """Remembers what its fits were given."""

    seen: list = []

    def fit(self, X, y, sample_weight=None, target_proba=None, rows=None):
        Spy.seen.append((len(X), sample_weight, target_proba, rows))
        return super().fit(X, y, sample_weight=sample_weight, target_proba=target_proba)


def fit_routed(enabled):
    X, targets = make_data(60)
    groups, rows = np.arange(60) // 6, np.arange(60)
    Spy.seen.clear()
    with config_context(enable_metadata_routing=enabled):
        model = Spy()
        if enabled:
            model.set_fit_request(sample_weight=True, target_proba=True, rows=True)
        scaler = TemperatureScaler(model, cv=GroupKFold(3))
        scaler.fit(
            X,
            targets["labels"],
            sample_weight=np.arange(60.0),
            target_proba=targets["distributions"],
            groups=groups,
            rows=rows,
        )
    return X, targets, groups, rows, scaler


@pytest.mark.parametrize("enabled", [True, False])
def test_metadata_reach_the_classifier_the_folds_and_the_temperature(enabled):
    X, targets, groups, rows, scaler = fit_routed(enabled)
    assert len(Spy.seen) == 4
    folds = [rows, *(train for train, _ in GroupKFold(3).split(X, groups=groups))]
    for (n_rows, weight, target_proba, seen), part in zip(Spy.seen, folds, strict=True):
        assert n_rows == len(part)
        np.testing.assert_array_equal(seen, part)
        np.testing.assert_array_equal(weight, part)
        np.testing.assert_array_equal(target_proba, targets["distributions"][part])
    direct = TemperatureScaler(KLClassifier(), cv=list(GroupKFold(3).split(X, groups=groups)))
    direct.fit(X, targets["distributions"], sample_weight=np.arange(60.0))
    assert scaler.temperature_ == pytest.approx(direct.temperature_, rel=1e-9)
    assert scaler.classes_.tolist() == ["a", "b", "c"]


def test_metadata_reach_folds_within_a_search():
    X, targets = make_data(60)
    with config_context(enable_metadata_routing=True):
        model = KLClassifier().set_fit_request(target_proba=True)
        scaler = TemperatureScaler(model, cv=SoftStratifiedGroupKFold(3))
        scaler.set_fit_request(target_proba=True)
        scorer = get_scorer("neg_cross_entropy").set_score_request(target_proba=True)
        search = GridSearchCV(scaler, {"estimator__C": [0.1]}, cv=GroupKFold(3), scoring=scorer)
        groups = np.arange(60) % 12
        search.fit(X, targets["labels"], groups=groups, target_proba=targets["distributions"])
    assert np.isfinite(search.best_score_)


def test_temperature_of_votes_for_a_model_of_labels():
    X, targets = make_data(200)
    model = FrozenEstimator(LogisticRegression(C=100).fit(X[:50], targets["labels"][:50]))
    by_route = TemperatureScaler(model).fit(
        X[50:], targets["labels"][50:], target_proba=targets["distributions"][50:]
    )
    direct = TemperatureScaler(model).fit(X[50:], targets["distributions"][50:])
    assert by_route.temperature_ == direct.temperature_
    with pytest.raises(ValueError, match="target_proba is given, but LogisticRegression.fit"):
        TemperatureScaler(LogisticRegression()).fit(
            X, targets["labels"], target_proba=targets["distributions"]
        )


def test_mixing_is_a_flag():
    X, targets = make_data(40)
    with pytest.raises(ValueError, match="mixing must be True or False, got 0.1"):
        TemperatureScaler(KLClassifier(), mixing=0.1).fit(X, targets["labels"])
