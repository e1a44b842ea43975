"""The measures of the literature equal PyLDL's, and their scorers equal the functions."""

import numpy as np
import pytest
from sklearn.model_selection import KFold, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kl import KLClassifier, metrics

P = np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [1 / 3, 1 / 3, 1 / 3], [0.05, 0.9, 0.05]])
Q = np.array([[0.4, 0.4, 0.2], [0.25, 0.15, 0.6], [0.2, 0.5, 0.3], [0.1, 0.7, 0.2]])

# pyldl.metrics of python-ldl 0.1.2 on P and Q, where its clipping changes nothing.
PYLDL = {
    "chebyshev_distance": [0.1, 0.2, 0.16666666666666669, 0.2],
    "clark_distance": [
        0.1809802262062124,
        0.4940461847368738,
        0.3244535145479134,
        0.6976647555317033,
    ],
    "canberra_distance": [
        0.25396825396825395,
        0.7714285714285715,
        0.5026315789473683,
        1.0583333333333336,
    ],
    "kl_divergence": [
        0.025267153921570515,
        0.0979700739631929,
        0.0702403437718841,
        0.12221090836882377,
    ],
    "cosine_similarity_score": [
        0.9733285267845753,
        0.9595141206014843,
        0.936585811581694,
        0.9722636080391893,
    ],
    "intersection_similarity_score": [0.9, 0.8, 0.8333333333333334, 0.8],
}
# At p = (1, 0, 0) and q = (0.5, 0.5, 0).
SPARSE = {
    "chebyshev_distance": 0.5,
    "clark_distance": np.sqrt(1 / 9 + 1),
    "canberra_distance": 1 / 3 + 1,
    "cosine_similarity_score": 1 / np.sqrt(2),
    "intersection_similarity_score": 0.5,
}
SCORERS = {
    "chebyshev_distance": ("neg_chebyshev_distance", -1),
    "clark_distance": ("neg_clark_distance", -1),
    "canberra_distance": ("neg_canberra_distance", -1),
    "cosine_similarity_score": ("cosine_similarity", 1),
    "intersection_similarity_score": ("intersection_similarity", 1),
}


@pytest.mark.parametrize("name", PYLDL)
def test_equals_pyldl(name):
    measure = getattr(metrics, name)
    np.testing.assert_allclose(measure(P, Q, per_sample=True), PYLDL[name], rtol=1e-13)
    assert measure(P, Q) == pytest.approx(np.mean(PYLDL[name]), rel=1e-13)


@pytest.mark.parametrize("name", SPARSE)
def test_zeros_of_both_add_nothing(name):
    measure = getattr(metrics, name)
    proba = [[0.5, 0.5, 0.0]]
    assert measure([[1, 0, 0]], proba) == pytest.approx(SPARSE[name])
    assert measure(["a"], proba, labels=["a", "b", "c"]) == pytest.approx(SPARSE[name])


@pytest.mark.parametrize("name", SPARSE)
def test_best_value_and_range(name):
    measure = getattr(metrics, name)
    is_score = name.endswith("score")
    assert measure(P, P) == pytest.approx(1.0 if is_score else 0.0)
    worst = {"clark_distance": np.sqrt(2), "canberra_distance": 2}.get(name, 0 if is_score else 1)
    assert measure([0, 1], [[0.0, 1.0], [1.0, 0.0]]) == pytest.approx(worst)


@pytest.mark.parametrize("name", SPARSE)
def test_rows_weigh_their_mass_and_weight(name):
    measure = getattr(metrics, name)
    counts = np.array([[4, 0, 0], [1, 1, 0], [0, 0, 0]])
    proba = [[0.5, 0.25, 0.25], [0.2, 0.3, 0.5], [1, 0, 0]]
    rows = measure(counts, proba, per_sample=True)
    assert np.isnan(rows[2])
    assert measure(counts, proba) == pytest.approx((4 * rows[0] + 2 * rows[1]) / 6)
    weighted = measure(counts, proba, sample_weight=[1, 3, 9])
    assert weighted == pytest.approx((4 * rows[0] + 6 * rows[1]) / 10)
    order = [2, 0, 1]
    permuted = measure(counts[:, order], np.array(proba)[:, order])
    assert permuted == pytest.approx(measure(counts, proba))


@pytest.mark.parametrize("name", SCORERS)
def test_scorer_equals_the_function(name):
    scoring, sign = SCORERS[name]
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 2)), rng.dirichlet(np.ones(3), size=40)
    scorer = metrics.get_scorer(scoring)
    model = KLClassifier().fit(X, y)
    expected = sign * getattr(metrics, name)(y, model.predict_proba(X))
    assert scorer(model, X, y) == pytest.approx(expected)
    scores = cross_val_score(KLClassifier(), X, y, scoring=scorer, cv=4)
    assert np.isfinite(scores).all()
    assert scoring in metrics.get_scorer_names()


def test_six_measures_beat_the_published_ones_on_s_jaffe(shared_data):
    # SA-BFGS of Geng (2016) by ten-fold cross-validation, as PyLDL's README reports it.
    published = {
        "neg_chebyshev_distance": -0.107,
        "neg_clark_distance": -0.399,
        "neg_canberra_distance": -0.820,
        "neg_kl_divergence": -0.064,
        "cosine_similarity": 0.940,
        "intersection_similarity": 0.860,
    }
    X, y = shared_data("SJAFFE")
    result = cross_validate(
        make_pipeline(StandardScaler(), KLClassifier(C=0.03)),
        X,
        y,
        cv=KFold(10, shuffle=True, random_state=0),
        scoring={name: metrics.get_scorer(name) for name in published},
    )
    for name, value in published.items():
        assert result[f"test_{name}"].mean() > value
