"""Which column a label belongs to, and columns for all classes."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from sklearn_kl._data.classes import find_columns, spread_columns, unknown_labels


@pytest.mark.parametrize(
    "labels, classes, columns",
    [
        (["b", "x", "a", "b"], ["a", "b"], [1, -1, 0, 1]),
        (np.array([2.0, 0.5]), np.array([0, 1, 2]), [2, -1]),
        (np.array([True, False]), [0, 1], [1, 0]),
        (["1"], [1, 2], [-1]),
        ([0, "a"], ["a", "b"], [-1, 0]),
        (pd.Index(["a", "b"]), np.array(["b", "a"], dtype=object), [1, 0]),
        ([], ["a"], []),
        (np.array([2**63 + 1], np.uint64), np.array([2**63, 2**63 + 1], np.uint64), [1]),
        (np.array(["2020-01-02"], "M8[D]"), np.array(["2020-01-01", "2020-01-02"], "M8[ns]"), [1]),
    ],
)
def test_labels_are_found_by_value_and_never_across_strings_and_numbers(labels, classes, columns):
    found = find_columns(labels, classes)
    assert found.dtype == np.intp
    assert found.tolist() == columns


def test_unknown_labels_keep_their_order_and_type():
    assert unknown_labels(["z", 1, "a", "y"], np.array(["a", "b"])) == ["z", 1, "y"]


def test_columns_go_to_the_places_of_their_classes():
    proba = np.array([[0.25, 0.75], [1.0, 0.0]], np.float32)
    full = spread_columns(proba, ["c", "a"], np.array(["a", "b", "c"]), -np.inf)
    assert_array_equal(full, [[0.75, -np.inf, 0.25], [0.0, -np.inf, 1.0]])
    assert full.dtype == np.float32
    assert spread_columns(proba, ["a", "c"], ["a", "c"], 0.0) is proba
    assert_array_equal(spread_columns(proba, ["c", "a"], ["a", "c"], 0.0), proba[:, ::-1])


def test_classes_that_nobody_asked_for_are_named():
    with pytest.raises(ValueError, match=r"knows the classes \['z'\].* not among \['a', 'b'\]"):
        spread_columns(np.eye(2), ["a", "z"], ["a", "b"], 0.0)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float32, "U2", bool])
def test_many_labels_are_found_as_few_are(dtype):
    labels = np.random.default_rng(0).integers(0, 12, 3000).astype(dtype)
    classes = [5, 1, 3] if dtype != "U2" else ["5", "11", "3"]
    assert_array_equal(find_columns(labels, classes), find_columns(labels.tolist(), classes))
