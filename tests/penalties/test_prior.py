"""KLToPrior: the targets it makes, the priors it reads, what it refuses, and how it is cloned."""

import copy
import pickle
import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kl._data.encode import encode_targets
from sklearn_kl._data.targets import BLOCK_NUMBERS
from sklearn_kl.penalties import KLToPrior

CLASSES = ["a", "b", "c"]
COUNTS = np.array([[3.0, 0.0, 1.0], [0.0, 0.0, 0.0], [2.0, 5.0, 0.0], [0.0, 0.5, 0.5]])
ROWS = np.array([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0], [0.25, 0.25, 0.5], [0.1, 0.1, 0.8]])
WEIGHT = np.array([1.0, 2.0, 0.0, 0.5])
X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0], [3.0, 1.0]])


class Answers(BaseEstimator):
    """A classifier that answers with the probabilities it was made of."""

    def __init__(self, proba, classes):
        self.proba = proba
        self.classes_ = classes

    def predict_proba(self, X):
        return self.proba


def mix(prior, y=COUNTS, strength=2.0, X=None, **options):
    """Strengths and masses after mixing."""
    targets = encode_targets(y, **options)
    mixed = KLToPrior(prior, strength=strength).mix(targets, X)
    assert_array_equal(mixed.classes, targets.classes)
    assert_allclose(mixed.mass, strengths(mixed).sum(axis=1), rtol=1e-15)
    return strengths(mixed)


def strengths(targets):
    return targets.block(slice(None)).T


def test_the_prior_counts_as_strength_votes_on_every_row():
    by_hand = [[3.4, 0.6, 2.0], [2.0, 0.0, 0.0], [2.5, 5.5, 1.0], [0.2, 0.7, 2.1]]
    assert_allclose(mix(ROWS), by_hand, rtol=1e-15)


def test_a_row_of_the_prior_is_for_all_rows():
    assert_allclose(mix([0.2, 0.3, 0.5]), COUNTS + np.array([0.4, 0.6, 1.0]), rtol=1e-15)


def test_labels_become_one_hot_rows_plus_the_prior():
    one_hot = [[0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0]]
    assert_allclose(mix(ROWS, ["b", "a", "c", "b"]), one_hot + 2.0 * ROWS, rtol=1e-15)


def test_weights_are_for_prior_and_targets_and_a_weight_of_zero_takes_both_away():
    expected = WEIGHT[:, None] * (COUNTS + 2.0 * ROWS)
    assert_allclose(mix(ROWS, sample_weight=WEIGHT), expected, rtol=1e-15)
    assert_array_equal(mix(ROWS, sample_weight=WEIGHT)[2], 0)


@pytest.mark.parametrize("y", [COUNTS, [0, 1, 2, 0]])
def test_class_weight_is_for_the_targets_only(y):
    class_weight = {0: 3.0, 2: 0.5}
    matrix = np.eye(3)[y] if np.ndim(y) == 1 else y
    expected = WEIGHT[:, None] * (matrix * [3.0, 1.0, 0.5] + 2.0 * ROWS)
    found = mix(ROWS, y, sample_weight=WEIGHT, class_weight=class_weight)
    assert_allclose(found, expected, rtol=1e-15)


@pytest.mark.parametrize(
    "kind", [sp.csr_matrix, sp.csc_array, np.float32, pd.DataFrame, pl.DataFrame]
)
def test_every_container_of_counts(kind):
    y = COUNTS.astype(np.float32) if kind is np.float32 else kind(COUNTS)
    assert_allclose(mix([0.2, 0.3, 0.5], y), mix([0.2, 0.3, 0.5]), rtol=1e-7)


def test_rows_of_every_block_are_mixed():
    n_samples = BLOCK_NUMBERS // 3 * 2 + 5
    rng = np.random.default_rng(0)
    y, prior = rng.integers(0, 9, (n_samples, 3)), rng.dirichlet(np.ones(3), n_samples)
    weight = rng.random(n_samples)
    found = mix(prior, y, sample_weight=weight)
    assert_allclose(found, weight[:, None] * (y + 2.0 * prior), rtol=1e-14)


@pytest.mark.parametrize("prior", [ROWS, "not even looked at"])
def test_strength_zero_is_no_prior(prior):
    targets = encode_targets(COUNTS)
    assert KLToPrior(prior, strength=0).mix(targets, None) is targets


@pytest.mark.parametrize(
    "prior",
    [
        {"c": 0.5, "a": 0.2, "b": 0.3},
        pd.Series([0.5, 0.2, 0.3], index=["c", "a", "b"]),
        pd.Series([0.5, 0.2, 0.3], index=pd.CategoricalIndex(["c", "a", "b"])),
        pd.DataFrame([[0.3, 0.5, 0.2]] * 4, columns=["b", "c", "a"], index=[7, 1, 7, 2]),
        pl.DataFrame({"b": [0.3] * 4, "c": [0.5] * 4, "a": [0.2] * 4}),
        Answers(np.array([[0.5, 0.3, 0.2]] * 4), ["c", "b", "a"]),
        Answers(np.array([[0.5, 0.3, 0.2]] * 4), np.array(["c", "b", "a"], dtype=object)),
        [0.2, 0.3, 0.5],
        [[0.2, 0.3, 0.5]] * 4,
        pl.Series([0.2, 0.3, 0.5]),
    ],
    ids=lambda prior: type(prior).__name__,
)
def test_classes_are_matched_by_name_or_by_the_order_of_the_classes(prior):
    y = ["b", "a", "c", "b"]
    assert_allclose(mix(prior, y), mix(np.array([0.2, 0.3, 0.5]), y), rtol=1e-15)


def test_columns_of_the_targets_keep_their_order():
    y = pd.DataFrame(COUNTS, columns=["c", "a", "b"])
    assert_allclose(
        mix({"a": 0.2, "b": 0.3, "c": 0.5}, y), COUNTS + np.array([1.0, 0.4, 0.6]), rtol=1e-15
    )


@pytest.mark.parametrize(
    "prior",
    [
        {2: 0.25, 0: 0.75},
        pd.DataFrame({2: [0.25] * 4, 0: [0.75] * 4}),
        Answers([[0.25, 0.75]] * 4, np.array([2, 0])),
    ],
    ids=lambda prior: type(prior).__name__,
)
def test_classes_that_the_prior_does_not_name_get_nothing_from_it(prior):
    assert_allclose(mix(prior), COUNTS + np.array([1.5, 0.0, 0.5]), rtol=1e-15)


def test_a_classifier_is_asked_about_the_rows():
    model = LogisticRegression().fit(X, [2, 0, 0, 1])
    expected = COUNTS + 2.0 * model.predict_proba(X)
    assert_allclose(mix(model, X=X), expected, rtol=1e-15)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, [2, 0, 0, 1])
    assert_allclose(mix(pipeline, X=X), COUNTS + 2.0 * pipeline.predict_proba(X), rtol=1e-15)


def test_a_classifier_sees_the_frame_it_was_fitted_on():
    frame = pd.DataFrame(X, columns=["u", "v"])
    model = LogisticRegression().fit(frame, [2, 0, 0, 1])
    expected = COUNTS + 2.0 * model.predict_proba(frame)
    assert_allclose(mix(model, X=frame), expected, rtol=1e-15)


def test_rows_that_sum_to_one_within_rounding_have_the_mass_of_their_entries():
    prior = [0.2, 0.3, 0.5 + 9e-7]
    assert mix(prior).sum() == pytest.approx(COUNTS.sum() + 8 * sum(prior), rel=1e-15)


def test_nothing_is_changed_in_place():
    y, prior, weight = COUNTS.copy(), ROWS.copy(), WEIGHT.copy()
    for array in (y, prior, weight):
        array.setflags(write=False)
    targets = encode_targets(y, sample_weight=weight)
    before = copy.deepcopy(targets)
    for kind in (prior, prior[0], Answers(prior, [0, 1, 2])):
        KLToPrior(kind).mix(targets, None)
    for name, value in vars(before).items():
        assert_array_equal(getattr(targets, name), value)


def test_one_matrix_is_made_beside_the_prior():
    n_samples, n_classes = 40_000, 20
    targets = encode_targets(np.arange(n_samples) % n_classes, sample_weight=np.ones(n_samples))
    prior = np.full((n_samples, n_classes), 1 / n_classes)
    tracemalloc.start()
    try:
        KLToPrior(prior).mix(targets, None)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * prior.nbytes


@pytest.mark.parametrize(
    "prior, message",
    [
        ([0.5, 0.5], "prior has 2 probabilities in a row, but there are 3 classes: .0, 1, 2."),
        (ROWS[:, :2] / ROWS[:, :2].sum(axis=1, keepdims=True), "2 probabilities in a row"),
        (ROWS[:3], "3 rows, but there are 4 rows to train on.*fitted classifier as prior"),
        ([0.2, 0.3, 0.500002], "prior must sum to one within 1.9e-06.* but they sum to 1.000002"),
        (COUNTS, "row 2 sums to 7. If they are counts.*normalize_rows.prior.*strength"),
        ([1e308, 1e308, 0.0], "they sum to inf"),
        ([0.2, 0.9, -0.1], "prior contains the negative value -0.1"),
        ([0.2, np.nan, 0.8], "Input prior contains NaN"),
        ([np.inf, 0.0, 0.0], "Input prior contains infinity"),
        ({0: 0.5, 1: 0.25, "d": 0.25}, "classes .'d'., which are not among.*pd.get_dummies"),
        (pd.Series([0.5, 0.5], index=["a", "b"]), "classes .'a', 'b'., which are not"),
        (pd.DataFrame(ROWS, columns=CLASSES), "classes .'a', 'b', 'c'., which are not"),
        (Answers(ROWS, [0, 1, 5]), "classes .5., which are not"),
        (Answers(ROWS, [0, 1]), r"returned shape \(4, 3\), but the prior has 2 classes"),
        (Answers(ROWS[0], [0, 1, 2]), r"returned shape \(3,\)"),
        (Answers(2 * ROWS, [0, 1, 2]), "row 0 sums to 2"),
        ("uniform", "prior must hold probabilities.*got 'uniform'"),
        (None, "prior must hold probabilities.*got None"),
        (0.5, "prior must hold probabilities.*got 0.5"),
        (ROWS[None], "prior must hold probabilities"),
    ],
)
def test_a_prior_that_makes_no_sense_is_refused(prior, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        mix(prior)


@pytest.mark.parametrize("model", [LogisticRegression(), LogisticRegression])
def test_a_classifier_that_is_not_fitted_is_refused(model):
    with pytest.raises(NotFittedError, match="has predict_proba but no classes_: fit it"):
        mix(model, X=X)


@pytest.mark.parametrize("strength", [-1.0, np.nan, np.inf])
def test_strength_out_of_range_is_refused(strength):
    with pytest.raises(ValueError, match="strength"):
        mix(ROWS, strength=strength)


def test_strength_that_is_no_number_is_refused():
    with pytest.raises(TypeError, match="strength must be an instance of"):
        mix(ROWS, strength="1")


def test_a_strength_that_overflows_is_refused():
    with pytest.raises(ValueError, match="y plus the prior"):
        mix(ROWS, strength=1e308, sample_weight=np.full(4, 1e10))


def test_a_clone_keeps_the_prior_and_has_parameters_of_its_own():
    penalty = KLToPrior(LogisticRegression().fit(X, [2, 0, 0, 1]), strength=3.0)
    twin = clone(penalty)
    assert twin is not penalty
    assert twin.prior is penalty.prior
    assert twin.set_params(strength=5.0).strength == 5.0
    assert penalty.strength == 3.0
    assert_array_equal(clone(twin).prior.predict_proba(X), penalty.prior.predict_proba(X))


def test_parameters_of_the_prior_are_out_of_reach():
    model = LogisticRegression().fit(X, [2, 0, 0, 1])
    penalty = KLToPrior(model)
    assert penalty.get_params(deep=True) == {"prior": model, "strength": 1.0}
    with pytest.raises(ValueError, match="prior__C.*shared by all clones.*Fit another"):
        penalty.set_params(prior__C=9.0)
    with pytest.raises(ValueError, match="Invalid parameter 'scale'"):
        penalty.set_params(scale=9.0)
    assert model.C == 1.0


def test_pickle_and_repr():
    penalty = KLToPrior(LogisticRegression().fit(X, [2, 0, 0, 1]), strength=3.0)
    again = pickle.loads(pickle.dumps(penalty))
    assert_array_equal(mix(again.prior, X=X), mix(penalty.prior, X=X))
    assert repr(again) == "KLToPrior(prior=LogisticRegression(), strength=3.0)"
    assert "KLToPrior" in penalty._repr_html_()


def test_a_float32_teacher_of_a_thousand_classes_is_a_prior():
    rng = np.random.default_rng(0)
    raw = np.exp(rng.normal(scale=3, size=(300, 1000)).astype(np.float32))
    teacher = raw / np.cumsum(raw, axis=1, dtype=np.float32)[:, -1:]
    assert np.abs(teacher.sum(axis=1, dtype=float) - 1).max() > 1e-6
    targets = encode_targets(np.ones((300, 1000)))
    KLToPrior(Answers(teacher, np.arange(1000))).mix(targets, None)
    KLToPrior(teacher).mix(targets, None)


def test_a_negative_rounding_error_of_the_prior_is_zero():
    assert_array_equal(mix([1.0, -1e-17, 0.0]), mix([1.0, 0.0, 0.0]))


def test_rows_of_the_prior_in_another_order_are_not_paired():
    rows = pd.DataFrame(ROWS, columns=[0, 1, 2], index=["a", "b", "c", "d"])
    frame = pd.DataFrame(X, index=["a", "b", "d", "c"])
    with pytest.raises(ValueError, match="rows of X and prior carry the same index in another"):
        mix(rows, X=frame)
    assert_allclose(mix(rows, X=frame.sort_index()), COUNTS + 2.0 * ROWS)
    # The index of a Series names classes, not rows.
    mix(pd.Series([0.25, 0.25, 0.5], index=[2, 1, 0]), X=pd.DataFrame(X[:3]), y=COUNTS[:3])


@pytest.mark.parametrize(
    "prior, message",
    [
        ({0: "a", 1: 1.0}, "prior gives 0 the value 'a', which is not a number"),
        (pd.Series([[0.2, 0.8]]), "prior gives 0 the value .0.2, 0.8., which is not a number"),
        ({}, "prior names no class"),
        (pd.Series([0.5, 0.5], index=[0, 0]), "index of prior must not repeat an entry"),
        (
            pd.DataFrame(ROWS, columns=pd.MultiIndex.from_product([["p"], CLASSES])),
            "columns of prior have 2 levels",
        ),
    ],
)
def test_names_and_numbers_of_a_prior(prior, message):
    with pytest.raises(ValueError, match=message):
        mix(prior)
