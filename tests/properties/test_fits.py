"""A fit and its twin agree: other order, layout, units, origin, repetition, names."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_kl import KLClassifier
from sklearn_kl.datasets import make_soft_classification

MODELS = {
    "linear": {},
    "no penalty": {"C": np.inf},
    "lasso": {"C": 0.05, "l1_ratio": 1.0},
    "elastic net": {"C": 0.05, "l1_ratio": 0.5},
    "ordinal": {"model": "ordinal"},
}
LAYOUTS = {
    "Fortran": np.asfortranarray,
    "strided": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "read-only": lambda X: np.frombuffer(X.tobytes(), X.dtype).reshape(X.shape),
    "CSR": sp.csr_array,
    "CSC": sp.csc_matrix,
    "DataFrame": pd.DataFrame,
    "list": np.ndarray.tolist,
}
# Within tol = 1e-10 nats of the minimum, the probabilities of most rows are off by its root.
CLOSE = {"rtol": 0, "atol": 2e-4}
some = settings(max_examples=8, deadline=None, derandomize=True)
models = pytest.mark.parametrize("name", MODELS)


def make(seed, n_classes=3, dtype=np.float64):
    """Features that are exact in float32, and votes with rows of all masses."""
    X, votes, _ = make_soft_classification(120, 4, n_classes, n_votes=5, random_state=seed)
    votes = votes.astype(float)
    votes[::7] *= 3
    return (np.round(X * 64) / 64).astype(dtype), votes


def fit(name, X, y, **fit_options):
    options = {"tol": 1e-10} | MODELS[name] | fit_options.pop("options", {})
    return KLClassifier(**options).fit(X, y, **fit_options)


def assert_twins(clf, X, twin, X_twin, order=slice(None)):
    """Compare probabilities and what was reached; `order` is that of the twin's classes."""
    assert clf.converged_
    assert twin.converged_
    assert_allclose(twin.predict_proba(X_twin)[:, order], clf.predict_proba(X), **CLOSE)
    assert twin.cross_entropy_ == pytest.approx(clf.cross_entropy_, abs=1e-6)
    assert twin.target_entropy_ == pytest.approx(clf.target_entropy_, abs=1e-12)


@models
@some
@given(seed=st.integers(0, 9), n_classes=st.integers(2, 4))
def test_order_of_rows_and_columns(name, seed, n_classes):
    X, votes = make(seed, n_classes)
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(len(X)), rng.permutation(X.shape[1])
    clf = fit(name, X, votes)
    assert_twins(clf, X[rows], fit(name, X[rows], votes[rows]), X[rows])
    assert_twins(clf, X, fit(name, X[:, columns], votes), X[:, columns])


@models
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout(name, layout, dtype):
    X, votes = make(1, dtype=dtype)
    # Rounding in float32 ends a search before a smaller tol is met.
    options = {"options": {"tol": 1e-7}} if dtype == np.float32 else {}
    moved = LAYOUTS[layout](X)
    clf, twin = fit(name, X, votes, **options), fit(name, moved, votes, **options)
    assert_allclose(twin.predict_proba(moved), clf.predict_proba(X), rtol=0, atol=1e-3)
    if layout == "read-only":
        assert_array_equal(twin.predict_proba(moved), clf.predict_proba(X))


@models
@some
@given(seed=st.integers(0, 9))
def test_precision(name, seed):
    X, votes = make(seed)
    clf = fit(name, X, votes)
    single = KLClassifier(**MODELS[name]).fit(X.astype(np.float32), votes)
    assert single.cross_entropy_ == pytest.approx(clf.cross_entropy_, abs=3e-5)
    assert_allclose(single.predict_proba(X.astype(np.float32)), clf.predict_proba(X), atol=3e-3)


@models
@some
@given(
    seed=st.integers(0, 9),
    exponents=st.lists(st.integers(-120, 120), min_size=4, max_size=4),
    origin=st.sampled_from([0.0, -3.0, 1e3, 2.0**20]),
)
def test_units_and_origin(name, seed, exponents, origin):
    """Without a penalty units do not matter, and with one all may be scaled with its strength."""
    X, votes = make(seed)
    clf = fit(name, X, votes)
    moved = X + origin
    assert_twins(clf, X, fit(name, moved, votes), moved)
    if name == "no penalty":
        units = 2.0 ** np.array(exponents)
    else:
        units = np.full(4, 2.0 ** (exponents[0] // 2))
    penalised = {"options": {}}
    if name in ("linear", "ordinal"):
        penalised = {"options": {"C": MODELS[name].get("C", 1.0) / units[0] ** 2}}
    elif name == "lasso":
        penalised = {"options": {"C": MODELS[name]["C"] / units[0]}}
    elif name == "elastic net":
        return
    assert_twins(clf, X, fit(name, X * units, votes, **penalised), X * units)


@models
@some
@given(seed=st.integers(0, 9), n_classes=st.integers(2, 4))
def test_repetition(name, seed, n_classes):
    """A row is there twice, weighs two or has its counts doubled; labels stand for counts."""
    X, votes = make(seed, n_classes)
    times = np.random.default_rng(seed).integers(0, 3, len(X))
    repeated = fit(name, np.repeat(X, times, axis=0), np.repeat(votes, times, axis=0))
    assert_twins(repeated, X, fit(name, X, votes, sample_weight=times), X)
    assert_twins(repeated, X, fit(name, X, votes * times[:, None]), X)
    row, column = np.nonzero(votes)
    count = votes[row, column].astype(int)
    labels = fit(name, np.repeat(X[row], count, axis=0), np.repeat(column, count))
    clf = fit(name, X, votes)
    assert_allclose(labels.predict_proba(X), clf.predict_proba(X), **CLOSE)
    assert labels.cross_entropy_ == pytest.approx(clf.cross_entropy_, abs=1e-6)


@models
@some
@given(seed=st.integers(0, 9), n_classes=st.integers(2, 4))
def test_names_and_order_of_classes(name, seed, n_classes):
    X, votes = make(seed, n_classes)
    clf = fit(name, X, votes)
    names = [f"class {code}" for code in range(n_classes)]
    named = fit(name, X, pd.DataFrame(votes, columns=names))
    assert named.classes_.tolist() == names
    assert_allclose(named.predict_proba(X), clf.predict_proba(X), rtol=1e-9)
    # An order can only be turned round; without one, the columns may stand anywhere.
    order = np.arange(n_classes)[::-1]
    if name != "ordinal":
        order = np.random.default_rng(seed).permutation(n_classes)
    twin = fit(name, X, votes[:, order])
    assert_twins(clf, X, twin, X, np.argsort(order))
