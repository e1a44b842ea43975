"""Rows that weigh nothing are absent, whatever finite numbers fill them."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from sklearn_kl import KLClassifier, KLClassifierCV, KLInference, TemperatureScaler, metrics
from sklearn_kl.labels import ReplicatedRows
from sklearn_kl.models import LowRankSoftmax, MLPSoftmax
from sklearn_kl.penalties import KLToPrior

mpl.use("Agg")

RNG = np.random.default_rng(0)
N = 200
X = RNG.standard_normal((N, 3)).astype(np.float32)
Y = (X @ RNG.standard_normal((3, 3)) + RNG.gumbel(size=(N, 3))).argmax(axis=1)
# At both ends and in the middle, so that the first row of everything is one of them.
AT = [0, 0, 77, N]
FILLS = [1.0, -1e20, 3e38, 1e300, -1.7e308]
LAYOUTS = [np.asarray, np.asfortranarray, sp.csr_array, sp.csc_array, np.asarray]
KINDS = ["weight", "row of zeros", "weight of a distribution"]
MODELS = {
    "linear": {},
    "balanced": {"class_weight": "balanced"},
    "no penalty": {"C": np.inf},
    "newton": {"solver": "newton-cg"},
    "lasso": {"l1_ratio": 1.0},
    "ordinal": {"model": "ordinal"},
    "low rank": {"model": LowRankSoftmax(1), "random_state": 0},
    "perceptron": {"model": MLPSoftmax((4,)), "random_state": 0, "tol": 1e-3},
    "prior": {"prior": KLToPrior([0.2, 0.3, 0.5])},
    "model as prior": {"prior": KLToPrior(KLClassifier(C=0.01).fit(X, Y))},
}
FITTED = KLClassifier(C=10.0, tol=1e-9).fit(X.astype(np.float64), Y)


def make_data(kind, fill, layout):
    """X, y and the weights, without and with four rows more."""
    dtype = np.float32 if abs(fill) < 3.4e38 else np.float64
    few = layout(X.astype(dtype))
    many = layout(np.insert(X.astype(dtype), AT, dtype(fill), axis=0))
    onehot = np.eye(3)[Y]
    weight = np.insert(np.ones(N), AT, 0.0)
    if kind == "weight":
        return (few, Y, None), (many, np.insert(Y, AT, [0, 1, 2, 2]), weight)
    if kind == "row of zeros":
        return (few, onehot, None), (many, np.insert(onehot, AT, 0.0, axis=0), None)
    return (few, onehot, None), (many, np.insert(onehot, AT, [0.2, 0.3, 0.5], axis=0), weight)


def assert_absent(evaluate, kind, atol=1e-7):
    """Compare what a function of X, y and the weights returns without and with the rows."""
    for fill, layout in zip(FILLS, LAYOUTS, strict=True):
        few, many = make_data(kind, fill, layout)
        assert_allclose(evaluate(*many), evaluate(*few), rtol=1e-6, atol=atol)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MODELS)
def test_fits(name, kind):
    if kind == "row of zeros" and "prior" in name:
        pytest.skip("An unlabelled row learns from the prior, and counts.")

    def fit(X_fit, y, weight):
        clf = KLClassifier(**MODELS[name]).fit(X_fit, y, sample_weight=weight)
        return np.r_[clf.predict_proba(X).ravel(), clf.cross_entropy_, clf.target_entropy_]

    # The total mass is rounded otherwise, and where tol ends a model that is not convex varies.
    assert_absent(fit, kind, atol=1e-3 if "rank" in name or name == "perceptron" else 1e-7)


def infer(X_fit, y, weight):
    groups = np.arange(X_fit.shape[0]) // 2
    if X_fit.shape[0] > N:
        groups = np.insert(np.arange(N) // 2, AT, [1000, 1001, 1002, 1003])
    clustered = KLInference.from_estimator(FITTED, X_fit, y, sample_weight=weight, groups=groups)
    plain = KLInference.from_estimator(FITTED, X_fit, y, sample_weight=weight)
    numbers = [plain.bic, plain.cross_entropy, *clustered.z.ravel(), *plain.z.ravel()]
    return np.array([*numbers, *np.ravel(plain.predict_proba_interval(X))])


def scale(X_fit, y, weight):
    scaler = TemperatureScaler(FrozenEstimator(FITTED)).fit(X_fit, y, sample_weight=weight)
    return [scaler.temperature_, scaler.cross_entropy_, scaler.raw_cross_entropy_]


def choose(X_fit, y, weight):
    # The same folds; the other rows stand in the parts that are trained on and judged.
    fold = np.arange(N) % 2
    if X_fit.shape[0] > N:
        fold = np.insert(fold, AT, [0, 1, 0, 1])
    cv = [(np.flatnonzero(fold == 0), np.flatnonzero(fold == 1))]
    clf = KLClassifierCV(Cs=[0.01, 1.0], cv=cv).fit(X_fit, y, sample_weight=weight)
    return np.r_[np.ravel(clf.scores_), clf.predict_proba(X[:5]).ravel()]


def score(X_fit, y, weight):
    keywords = {} if weight is None else {"sample_weight": weight}
    names = ["neg_cross_entropy", "neg_kl_divergence", "d2_kl", "cosine_similarity"]
    scores = [metrics.get_scorer(name)(FITTED, X_fit, y, **keywords) for name in names]
    return [*scores, FITTED.score(X_fit, y, **keywords)]


def judge(X_fit, y, weight):
    proba = FITTED.predict_proba(X_fit)
    parts = metrics.kl_decomposition(y, proba, sample_weight=weight)
    terms = metrics.class_kl_contributions(y, proba, sample_weight=weight)
    prior = np.full_like(proba, 1 / 3)
    comparison = metrics.compare_kl(y, proba, prior, sample_weight=weight, random_state=0)
    low, high = comparison.confidence_interval
    return [*parts.as_dict().values(), *terms, comparison.difference, low, high]


def draw(X_fit, y, weight):
    display = metrics.ReliabilityDisplay.from_estimator(FITTED, X_fit, y, sample_weight=weight)
    lines = [line.get_ydata() for line in display.ax_.get_lines()]
    plt.close("all")
    return np.concatenate(lines)


def replicate(X_fit, y, weight):
    clf = ReplicatedRows(LogisticRegression()).fit(X_fit, y, sample_weight=weight)
    return clf.predict_proba(X).ravel()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("evaluate", [infer, scale, choose, score, judge, draw, replicate])
def test_everything_else(evaluate, kind):
    assert_absent(evaluate, kind)


@pytest.mark.parametrize("fill", [np.nan, np.inf])
def test_what_is_no_number_stays_an_error(fill):
    _, (X_fit, y, weight) = make_data("weight", 1.0, np.asarray)
    X_fit[0] = fill
    with pytest.raises(ValueError, match="X contains"):
        KLClassifier().fit(X_fit, y, sample_weight=weight)
