"""Rows of two frames whose indexes are in another order are never paired silently, anywhere."""

import numpy as np
import pandas as pd
import pytest
from sklearn.frozen import FrozenEstimator

from sklearn_kl import KLClassifier, KLClassifierCV, KLInference, TemperatureScaler
from sklearn_kl.labels import ReplicatedRows, mix_targets
from sklearn_kl.metrics import (
    DistributionDisplay,
    KLContributionsDisplay,
    KLDecompositionDisplay,
    ReliabilityDisplay,
    chebyshev_distance,
    class_kl_contributions,
    compare_kl,
    cross_entropy_loss,
    d2_kl_score,
    entropy,
    get_scorer,
    js_divergence,
    kl_decomposition,
    kl_divergence,
)
from sklearn_kl.model_selection import cross_val_predict
from sklearn_kl.penalties import KLToPrior

RNG = np.random.default_rng(0)
INDEX = [f"t{i}" for i in range(30)]
X = pd.DataFrame(RNG.standard_normal((30, 2)), index=INDEX, columns=["u", "v"])
VOTES = pd.DataFrame(RNG.integers(1, 5, (30, 2)), index=INDEX, columns=["no", "yes"])
LABELS = VOTES.idxmax(axis=1)
WEIGHT = pd.Series(RNG.uniform(1, 2, 30), index=INDEX)
MODEL = KLClassifier().fit(X, VOTES)
PROBA = pd.DataFrame(MODEL.predict_proba(X), index=INDEX, columns=["no", "yes"])


def moved(data):
    return data.iloc[::-1]


FITS = {
    "KLClassifier": KLClassifier(),
    "KLClassifierCV": KLClassifierCV(Cs=[0.1, 1.0], cv=2),
    "ReplicatedRows": ReplicatedRows(KLClassifier()),
    "TemperatureScaler": TemperatureScaler(KLClassifier(), cv=2),
    "FrozenEstimator": TemperatureScaler(FrozenEstimator(MODEL)),
    "path": lambda X, y, sample_weight: KLClassifier().fit_path(
        X, y, [1.0], sample_weight=sample_weight
    ),
}


@pytest.mark.parametrize("name", FITS)
@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("y", [VOTES, LABELS], ids=["votes", "labels"])
def test_fits(name, which, y):
    data = [X, y, WEIGHT]
    fit = getattr(FITS[name], "fit", FITS[name])
    fit(*data[:2], sample_weight=data[2])
    data[which] = moved(data[which])
    with pytest.raises(ValueError, match="carry the same index in another order"):
        fit(*data[:2], sample_weight=data[2])


@pytest.mark.parametrize("model", [KLClassifier(), ReplicatedRows(KLClassifier())])
def test_target_proba(model):
    model.fit(X, LABELS, target_proba=VOTES)
    with pytest.raises(ValueError, match="rows of X and target_proba carry the same index"):
        model.fit(X, LABELS, target_proba=moved(VOTES))
    with pytest.raises(ValueError, match="rows of y and target_proba carry the same index"):
        model.fit(X.to_numpy(), LABELS, target_proba=moved(VOTES))


@pytest.mark.parametrize("name", [name for name in FITS if name != "path"])
@pytest.mark.parametrize("y", [VOTES, LABELS], ids=["votes", "labels"])
def test_scores(name, y):
    model = FITS[name].fit(X, y)
    model.score(X, y)
    with pytest.raises(ValueError, match="carry the same index in another order"):
        model.score(X, moved(y))


@pytest.mark.parametrize(
    "metric",
    [
        cross_entropy_loss,
        kl_divergence,
        js_divergence,
        d2_kl_score,
        chebyshev_distance,
        class_kl_contributions,
        kl_decomposition,
    ],
    ids=lambda metric: metric.__name__,
)
def test_metrics(metric):
    metric(VOTES, PROBA, sample_weight=WEIGHT)
    for data in (
        (moved(VOTES), PROBA, WEIGHT),
        (VOTES, moved(PROBA), WEIGHT),
        (VOTES, PROBA, moved(WEIGHT)),
        (VOTES, PROBA.to_numpy(), moved(WEIGHT)),
        (VOTES.to_numpy(), PROBA, moved(WEIGHT)),
    ):
        with pytest.raises(ValueError, match="carry the same index in another order"):
            metric(*data[:2], sample_weight=data[2])


def test_other_functions_of_two_tables():
    data = {"X": X, "y_true": VOTES}
    scorer = get_scorer("neg_kl_divergence")
    for call in (
        lambda: scorer(MODEL, X, moved(VOTES)),
        lambda: scorer(MODEL, X, VOTES, sample_weight=moved(WEIGHT)),
        lambda: scorer(MODEL, X, LABELS, target_proba=moved(VOTES)),
        lambda: entropy(VOTES, sample_weight=moved(WEIGHT)),
        lambda: compare_kl(VOTES, moved(PROBA), PROBA),
        lambda: compare_kl(VOTES, PROBA, moved(PROBA)),
        lambda: mix_targets(VOTES, moved(PROBA)),
        lambda: KLClassifier(prior=KLToPrior(moved(PROBA))).fit(X, VOTES),
        lambda: KLInference.from_estimator(MODEL, X, moved(VOTES)),
        lambda: cross_val_predict(KLClassifier(), X, moved(VOTES)),
        lambda: cross_val_predict(KLClassifier(), X, VOTES, params={"weight": moved(WEIGHT)}),
    ):
        with pytest.raises(ValueError, match="carry the same index in another order"):
            call()
    assert scorer(MODEL, **data) < 0


@pytest.mark.parametrize(
    "display",
    [DistributionDisplay, KLContributionsDisplay, KLDecompositionDisplay, ReliabilityDisplay],
)
def test_displays(display):
    pytest.importorskip("matplotlib")
    with pytest.raises(ValueError, match="rows of X and y carry the same index"):
        display.from_estimator(MODEL, X, moved(VOTES))


def test_the_score_of_labels_is_the_accuracy():
    codes = MODEL.predict(X)
    assert MODEL.score(X, LABELS) == np.mean(codes == LABELS)
    weighted = np.average(codes == LABELS, weights=WEIGHT)
    assert MODEL.score(X, LABELS, sample_weight=WEIGHT) == pytest.approx(weighted, rel=1e-15)
    unknown = LABELS.where(LABELS == "no", "never seen")
    assert MODEL.score(X, unknown) == np.mean((codes == LABELS) & (LABELS == "no"))
    with pytest.raises(ValueError, match="y holds labels such as 0, but the classes are .*'no'"):
        MODEL.score(X, np.zeros(30, int))
