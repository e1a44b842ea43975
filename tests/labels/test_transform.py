"""Targets made of targets: smoothing, temperature, mixing, rows of the same weight."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from scipy.special import log_softmax, softmax

from sklearn_kl.labels import (
    apply_temperature,
    mix_targets,
    normalize_rows,
    smooth_labels,
)
from sklearn_kl.metrics import cross_entropy_loss


def test_smoothing_by_hand():
    np.testing.assert_allclose(smooth_labels([0, 2, 1], 0.3), 0.7 * np.eye(3)[[0, 2, 1]] + 0.1)
    smoothed = smooth_labels([0, 1], 0.5, prior=[0.75, 0.25])
    np.testing.assert_allclose(smoothed, [[0.875, 0.125], [0.375, 0.625]])


def test_smoothing_keeps_the_mass_of_every_row():
    counts = np.array([[4.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    smoothed = smooth_labels(counts, 0.2)
    np.testing.assert_allclose(smoothed, [[3.6, 0.4], [1.0, 1.0], [0.0, 0.0]])
    np.testing.assert_allclose(smooth_labels(sp.csr_array(counts), 0.2), smoothed)


def test_smoothing_by_nothing_is_one_hot():
    np.testing.assert_array_equal(
        smooth_labels(["b", "a"], 0, classes=["a", "b", "c"]), [[0, 1, 0], [1, 0, 0]]
    )


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"epsilon": 1.5}, "epsilon must be a number from 0 to 1, got 1.5"),
        ({"epsilon": float("nan")}, "epsilon must be"),
        ({"prior": [1.0]}, "prior has shape"),
        ({"prior": [0.5, 0.6]}, "probabilities of prior must sum to one .* they sum to 1.1"),
        ({"prior": [1.5, -0.5]}, "prior contains the negative value -0.5"),
    ],
)
def test_errors_of_smoothing(arguments, message):
    with pytest.raises(ValueError, match=message):
        smooth_labels([0, 1], **arguments)


@pytest.mark.parametrize("temperature", [0.01, 0.5, 1.0, 2.0, 50.0])
def test_temperature_divides_logits(temperature):
    logits = np.random.default_rng(0).normal(scale=5, size=(50, 4))
    softened = apply_temperature(softmax(logits, axis=1), temperature)
    np.testing.assert_allclose(softened, softmax(logits / temperature, axis=1), atol=1e-12)


def test_temperature_keeps_zeros_totals_and_unlabelled_rows():
    counts = np.array([[8.0, 2.0, 0.0], [0.0, 0.0, 0.0], [1e-300, 1e-300, 0.0]])
    softened = apply_temperature(counts, 2.0)
    np.testing.assert_allclose(softened[0], [10 * 2 / 3, 10 / 3, 0.0])
    np.testing.assert_array_equal(softened[1], 0.0)
    np.testing.assert_allclose(softened[2], [1e-300, 1e-300, 0.0])
    sparse = apply_temperature(sp.csr_array(counts), 2.0)
    assert sp.issparse(sparse)
    np.testing.assert_allclose(sparse.toarray(), softened)


@pytest.mark.parametrize("temperature", [0.0, -1.0, np.inf, np.nan, "warm", None])
def test_bad_temperature(temperature):
    with pytest.raises(ValueError, match="temperature must be a finite number above 0"):
        apply_temperature([[0.5, 0.5]], temperature)


def test_cross_entropy_of_a_mix_is_the_mix_of_cross_entropies():
    rng = np.random.default_rng(0)
    teacher, model = rng.dirichlet(np.ones(3), 50), rng.dirichlet(np.ones(3), 50)
    y = rng.integers(0, 3, 50)
    mix = mix_targets(y, teacher, 0.3)
    expected = 0.7 * cross_entropy_loss(y, model) + 0.3 * cross_entropy_loss(teacher, model)
    assert cross_entropy_loss(mix, model) == pytest.approx(expected, rel=1e-12)
    rows = -(mix * log_softmax(np.log(model), axis=1)).sum(axis=1)
    assert rows.mean() == pytest.approx(expected, rel=1e-9)


def test_mix_matches_classes_by_name():
    teacher = pd.DataFrame({"yes": [0.8, 0.3], "maybe": [0.0, 0.2], "no": [0.2, 0.5]})
    mix = mix_targets(["no", "yes"], teacher, 0.5)
    assert mix.columns.tolist() == ["yes", "maybe", "no"]
    np.testing.assert_allclose(mix, [[0.4, 0.0, 0.6], [0.65, 0.1, 0.25]])
    array = mix_targets(
        ["no", "yes"], teacher[["no", "maybe", "yes"]].to_numpy(), classes=["no", "maybe", "yes"]
    )
    np.testing.assert_allclose(array, mix[["no", "maybe", "yes"]])
    y = pd.DataFrame({"no": [1, 0], "maybe": [0, 0], "yes": [0, 1]})
    by_frame = mix_targets(y, teacher, 0.5)
    np.testing.assert_allclose(by_frame[mix.columns], mix)


def test_unlabelled_row_of_a_mix_keeps_the_teacher():
    mix = mix_targets([[1.0, 0.0], [0.0, 0.0]], [[0.5, 0.5], [0.2, 0.8]], 0.25)
    np.testing.assert_allclose(mix, [[0.875, 0.125], [0.05, 0.2]])


@pytest.mark.parametrize(
    "arguments, message",
    [
        (([0, 1], [[0.5, 0.5]] * 3), "inconsistent numbers of samples"),
        (([0, 1], [[0.2, 0.3, 0.5]] * 2), "teacher_proba has 3 columns, but there are 2 classes"),
        (([0, 1], [0, 1]), "teacher_proba must be a matrix with one column per class"),
        (([0, 1], [[0.5, 0.5]] * 2, 2.0), "teacher_weight must be a number from 0 to 1"),
    ],
)
def test_errors_of_a_mix(arguments, message):
    with pytest.raises(ValueError, match=message):
        mix_targets(*arguments)


def test_normalized_rows_weigh_one():
    counts = np.array([[3, 1], [0, 7], [0, 0]])
    expected = [[0.75, 0.25], [0.0, 1.0], [0.0, 0.0]]
    np.testing.assert_array_equal(normalize_rows(counts), expected)
    sparse = normalize_rows(sp.csr_matrix(counts))
    assert sp.issparse(sparse)
    np.testing.assert_array_equal(sparse.toarray(), expected)


@pytest.mark.parametrize(
    "change",
    [normalize_rows, smooth_labels, lambda y: apply_temperature(y, 2.0)],
    ids=["normalize_rows", "smooth_labels", "apply_temperature"],
)
@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_frames_stay_frames_and_inputs_stay_untouched(change, make):
    y = make({"no": [3.0, 0.0], "yes": [1.0, 2.0]})
    before = np.array(y)
    changed = change(y)
    assert type(changed) is make
    assert list(changed.columns) == ["no", "yes"]
    np.testing.assert_array_equal(np.array(y), before)
    np.testing.assert_array_equal(np.array(changed), change(before))


def test_float32_matrices_keep_their_values():
    y = np.array([[0.25, 0.75]], dtype=np.float32)
    assert apply_temperature(y, 1.0).tolist() == [[0.25, 0.75]]


def test_a_prior_of_a_series_or_dict_is_read_by_its_names():
    y = pd.Series(["b", "b", "c", "b"])
    shares = y.value_counts(normalize=True)
    assert shares.index.tolist() == ["b", "c"]
    expected = [[0.0, 0.875, 0.125], [0.0, 0.375, 0.625]]
    for prior in (shares, shares[::-1], shares.to_dict(), {"a": 0.0, "b": 0.75, "c": 0.25}):
        smoothed = smooth_labels(["b", "c"], 0.5, prior=prior, classes=["a", "b", "c"])
        np.testing.assert_array_equal(smoothed, expected)
    with pytest.raises(ValueError, match=r"prior has the classes \['c'\].*prior.to_numpy\(\)"):
        smooth_labels(["a", "b"], 0.5, prior=shares)
    with pytest.raises(ValueError, match="index of prior must not repeat an entry"):
        smooth_labels(["a", "b"], 0.5, prior=pd.Series([0.5, 0.5], index=["a", "a"]))
    with pytest.raises(ValueError, match="prior holds .*finite numbers"):
        smooth_labels(["a", "b"], 0.5, prior=[np.nan, 1.0])


def test_a_teacher_holds_distributions_or_says_nothing():
    mixed = mix_targets(["a", "b"], [[0.75, 0.25], [0.0, 0.0]], 0.5)
    np.testing.assert_array_equal(mixed, [[0.875, 0.125], [0.0, 0.5]])
    with pytest.raises(ValueError, match="teacher_proba.*row 1 sums to 0.9999.*4 digits"):
        mix_targets(["a", "b"], [[0.5, 0.5], [0.3333, 0.6666]])
    with pytest.raises(ValueError, match="teacher_proba.*row 0 sums to 100"):
        mix_targets(["a", "b"], [[70, 30], [50, 50]])


def test_a_teacher_in_another_order_of_rows_is_not_mixed_in():
    y = pd.Series(["a", "b"], index=["s", "t"])
    teacher = pd.DataFrame({"a": [0.1, 0.7], "b": [0.9, 0.3]}, index=["t", "s"])
    with pytest.raises(ValueError, match="rows of y and teacher_proba carry the same index"):
        mix_targets(y, teacher)


def test_half_stars_can_be_smoothed():
    smoothed = smooth_labels([0.5, 3.5], 0.5, classes=[0.5, 3.5])
    np.testing.assert_array_equal(smoothed, [[0.75, 0.25], [0.25, 0.75]])


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"prior": "uniform"}, "prior must hold one probability per class.*got 'uniform'"),
        ({"prior": {}}, "prior names no class"),
        ({"prior": {0: "a"}}, "prior gives 0 the value 'a'"),
        ({"epsilon": True}, "epsilon must be a number from 0 to 1, got True"),
        ({"classes": []}, "classes must name at least one class"),
    ],
)
def test_more_errors_of_smoothing(arguments, message):
    with pytest.raises(ValueError, match=message):
        smooth_labels([0, 1], **arguments)
