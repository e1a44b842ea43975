"""No public function changes what it is given, or returns or keeps a view of it."""

import copy

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from sklearn_kl import KLClassifier, KLClassifierCV, KLInference, TemperatureScaler, labels, metrics
from sklearn_kl.labels import ReplicatedRows
from sklearn_kl.model_selection import (
    SoftStratifiedGroupKFold,
    SoftStratifiedKFold,
    SoftStratifiedShuffleSplit,
    cross_val_predict,
)
from sklearn_kl.penalties import KLToPrior

mpl.use("Agg")

RNG = np.random.default_rng(0)
N, K = 60, 3
X = RNG.standard_normal((N, 4))
PROBA = RNG.dirichlet(np.ones(K), N)
COUNTS = np.array([RNG.multinomial(5, p) for p in PROBA]).astype(float)
PRIOR = np.full(K, 1 / K)
FITTED = KLClassifier().fit(X, COUNTS)


def repeat(dense):
    """CSR with columns in no order and every entry in two parts, as one entry per vote gives."""
    half = sp.coo_array(dense / 2)
    row, column = half.coords if hasattr(half, "coords") else (half.row, half.col)
    order = np.lexsort((-np.tile(column, 2), np.tile(row, 2)))
    data, indices = np.tile(half.data, 2)[order], np.tile(column, 2)[order]
    indptr = np.r_[0, np.cumsum(2 * np.bincount(row, minlength=len(dense)))]
    return sp.csr_array((data, indices.astype(np.int32), indptr.astype(np.int32)), dense.shape)


FORMS = {
    "array": np.array,
    "float32": lambda dense: np.array(dense, dtype=np.float32),
    "CSR": repeat,
    "CSR matrix": lambda dense: sp.csr_matrix(repeat(dense)),
    "CSC": lambda dense: sp.csc_array(dense),
    "DataFrame": lambda dense: pd.DataFrame(
        dense, columns=[f"c{i}" for i in range(dense.shape[1])]
    ),
}


def buffers(data):
    """Arrays that hold the numbers of some data."""
    if isinstance(data, dict):
        return [part for value in data.values() for part in buffers(value)]
    if sp.issparse(data):
        return [data.data, data.indices, data.indptr]
    if hasattr(data, "to_numpy"):
        return [data.to_numpy(copy=False)]
    return [data] if isinstance(data, np.ndarray) else []


def results(value):
    """Numbers of whatever a function returns."""
    if isinstance(value, BaseEstimator):
        return results(vars(value))
    if isinstance(value, dict):
        return [part for name in sorted(value) for part in results(value[name])]
    if isinstance(value, list | tuple):
        return [part for item in value for part in results(item)]
    return [np.array(part) for part in buffers(value)] + [value] * isinstance(value, float)


def check(function, **inputs):
    """Call a function with read-only inputs, and again see what it returned once they change."""
    before = [part.copy() for part in buffers(inputs)]
    # Those of a DataFrame are made anew, and cannot be written to.
    own = [
        part for item in inputs.values() if not hasattr(item, "to_numpy") for part in buffers(item)
    ]
    for part in own:
        part.flags.writeable = False
    value = function(**inputs)
    for part, old in zip(buffers(inputs), before, strict=True):
        assert_array_equal(part, old)
    returned = copy.deepcopy(results(value))
    for part in own:
        part.flags.writeable = True
        if part.dtype.kind == "f":
            part[...] = 0.25
    for now, then in zip(results(value), returned, strict=True):
        assert_array_equal(now, then)
    plt.close("all")


def fit(**options):
    return lambda **data: KLClassifier(**options).fit(**data)


FITS = {
    "KLClassifier": fit(),
    "no penalty": fit(C=np.inf, solver="newton-cg"),
    "lasso": fit(l1_ratio=1.0, class_weight="balanced"),
    "ordinal": fit(model="ordinal"),
    "perceptron": fit(model="mlp", tol=1e-2, random_state=0),
    "prior": fit(prior=KLToPrior(PRIOR)),
    "fit_path": lambda **data: KLClassifier().fit_path(Cs=[0.1, 1.0], **data),
    "KLClassifierCV": lambda **data: KLClassifierCV(Cs=[0.1, 1.0], cv=2).fit(**data),
    "TemperatureScaler": lambda **data: TemperatureScaler(KLClassifier(), cv=2).fit(**data),
    "ReplicatedRows": lambda **data: ReplicatedRows(LogisticRegression()).fit(**data),
}


@pytest.mark.parametrize("form_y", [*FORMS, "labels"])
@pytest.mark.parametrize("name", FITS)
def test_fits(name, form_y):
    for form_x in FORMS:
        y = COUNTS.argmax(axis=1) if form_y == "labels" else FORMS[form_y](COUNTS)
        if form_y == "DataFrame" and form_x == "DataFrame":
            continue
        weight = RNG.uniform(0.5, 2.0, N)
        check(FITS[name], X=FORMS[form_x](X), y=y, sample_weight=weight)


@pytest.mark.parametrize("form", FORMS)
def test_predictions_and_inference(form):
    def use(clf):
        return lambda X, y, sample_weight: [
            clf.predict_proba(X),
            clf.predict_log_proba(X),
            clf.score(X, y, sample_weight),
        ]

    scaler = TemperatureScaler(FrozenEstimator(FITTED)).fit(X, COUNTS)
    features, weight = FORMS[form](X), np.ones(N)
    names = {"CSR": "array", "DataFrame": "CSR"}
    for clf in (KLClassifier().fit(features, COUNTS), scaler):
        if clf is scaler and form == "DataFrame":
            continue
        y = FORMS[names.get(form, form)](COUNTS)
        check(use(clf), X=FORMS[form](X), y=y, sample_weight=weight.copy())

    def infer(X, y, sample_weight, groups):
        clf = KLClassifier(C=np.inf).fit(X, y, sample_weight=sample_weight)
        inference = KLInference.from_estimator(
            clf, X, y, sample_weight=sample_weight, groups=groups
        )
        return [inference.coef, inference.covariance, inference.predict_proba_interval(X)]

    y = FORMS[names.get(form, form)](COUNTS)
    check(infer, X=features, y=y, sample_weight=weight, groups=np.arange(N) // 2)


METRICS = [
    "cross_entropy_loss",
    "kl_divergence",
    "js_divergence",
    "d2_kl_score",
    "chebyshev_distance",
    "clark_distance",
    "canberra_distance",
    "manhattan_distance",
    "wasserstein_distance",
    "ranked_probability_score",
    "cosine_similarity_score",
    "intersection_similarity_score",
    "class_kl_contributions",
    "kl_decomposition",
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", METRICS)
def test_metrics(name, form):
    metric = getattr(metrics, name)
    check(metric, y_true=FORMS[form](COUNTS), y_proba=PROBA.copy(), sample_weight=np.ones(N))
    if form == "DataFrame":
        y_proba = FORMS[form](PROBA)
        check(metric, y_true=FORMS[form](COUNTS), y_proba=y_proba, sample_weight=np.ones(N))


@pytest.mark.parametrize("form", FORMS)
def test_other_judgements(form):
    y, weight = FORMS[form](COUNTS), np.ones(N)
    check(metrics.entropy, y_true=y, sample_weight=weight)
    for function in (metrics.deviance_test, metrics.kl_to_truth):
        check(function, votes=FORMS[form](COUNTS), y_proba=PROBA.copy())
    check(metrics.entropy_bounds, votes=FORMS[form](COUNTS), sample_weight=np.ones(N))

    def compare(y_true, proba_a, proba_b):
        return metrics.compare_kl(y_true, proba_a, proba_b, n_resamples=20, random_state=0)

    check(compare, y_true=FORMS[form](COUNTS), proba_a=PROBA.copy(), proba_b=PROBA[::-1].copy())
    for scorer in ("neg_kl_divergence", "d2_kl", "cosine_similarity"):
        y = COUNTS.copy() if form == "DataFrame" else FORMS[form](COUNTS)
        features = X.copy() if form == "DataFrame" else FORMS[form](X)
        scored = metrics.get_scorer(scorer)
        check(lambda X, y, s=scored: s(FITTED, X, y), X=features, y=y)
    for display in (metrics.ReliabilityDisplay, metrics.KLDecompositionDisplay):
        check(display.from_predictions, y_true=FORMS[form](COUNTS), y_proba=PROBA.copy())


@pytest.mark.parametrize("form", FORMS)
def test_what_makes_targets_of_targets(form):
    check(labels.normalize_rows, y=FORMS[form](COUNTS))
    check(lambda y: labels.smooth_labels(y, 0.1), y=FORMS[form](COUNTS))
    check(lambda y, p: labels.smooth_labels(y, 0.1, prior=p), y=FORMS[form](COUNTS), p=PRIOR.copy())
    check(lambda y: labels.apply_temperature(y, 2.0), y=FORMS[form](PROBA))
    check(lambda y, t: labels.mix_targets(y, t), y=FORMS[form](COUNTS), t=PROBA.copy())


@pytest.mark.parametrize("form", FORMS)
def test_splits(form):
    data = {"X": X.copy(), "y": FORMS[form](COUNTS)}
    check(lambda X, y: list(SoftStratifiedKFold(3).split(X, y)), **data)
    check(lambda X, y: list(SoftStratifiedShuffleSplit(2, random_state=0).split(X, y)), **data)
    grouped = SoftStratifiedGroupKFold(3)
    check(lambda X, y, g: list(grouped.split(X, y, g)), **data, g=np.arange(N) // 2)
    check(lambda X, y: cross_val_predict(KLClassifier(), X, y, cv=2), **data)


def test_repeated_entries_are_what_they_add_up_to():
    repeated = repeat(COUNTS)
    assert not repeated.has_canonical_format
    assert repeated.nnz == 2 * np.count_nonzero(COUNTS)
    assert_allclose(repeated.toarray(), COUNTS)
    sums, plain = (KLClassifier().fit(X, y) for y in (repeated, COUNTS))
    assert_allclose(sums.coef_, plain.coef_, atol=1e-6)
    assert_allclose(sums.kl_divergence_, plain.kl_divergence_, atol=1e-9)
    from_rows, plain = (KLClassifier(C=np.inf).fit(rows, COUNTS) for rows in (repeat(X), X))
    assert_allclose(from_rows.coef_, plain.coef_, atol=1e-3)
    inferences = (KLInference.from_estimator(plain, rows, COUNTS) for rows in (repeat(X), X))
    errors = [inference.standard_error for inference in inferences]
    assert_allclose(*errors, rtol=1e-6)


def test_the_check_of_this_file_sees_changes_and_views():
    with pytest.raises(ValueError, match="read-only"):
        check(lambda y: y.sum_duplicates(), y=repeat(COUNTS))
    with pytest.raises(AssertionError):
        check(lambda y: y[:5], y=COUNTS.copy())
    with pytest.raises(AssertionError):
        check(lambda y: y.T, y=repeat(COUNTS))
