"""Votes in long format become counts."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp

from sklearn_kl import KLClassifier
from sklearn_kl.labels import (
    votes_to_targets,
)

VOTES = pd.DataFrame(
    {
        "task": ["t2", "t1", "t1", "t3", "t2", "t1"],
        "worker": ["ann", "ann", "bob", "bob", "bob", "cid"],
        "label": ["cat", "dog", "cat", None, "cat", "dog"],
    }
)


def test_counts_equal_a_crosstab():
    rng = np.random.default_rng(0)
    samples, labels = rng.integers(0, 40, 500), rng.choice(["a", "b", "c"], 500)
    votes = votes_to_targets(samples, labels)
    expected = pd.crosstab(samples, labels)
    np.testing.assert_array_equal(votes.counts, expected.to_numpy())
    assert votes.classes.tolist() == expected.columns.tolist()
    assert votes.samples.tolist() == expected.index.tolist()


def test_abstentions_keep_their_row_and_count_nothing():
    counts, classes, samples = votes_to_targets(VOTES["task"], VOTES["label"])
    assert samples.tolist() == ["t1", "t2", "t3"]
    assert classes.tolist() == ["cat", "dog"]
    np.testing.assert_array_equal(counts, [[1, 2], [2, 0], [0, 0]])


@pytest.mark.parametrize(
    "labels",
    [
        [1.0, 0.0, np.nan, 1.0],
        np.array([1, 0, None, 1], dtype=object),
        pd.Series([1, 0, None, 1]),
        pd.Series([1, 0, pd.NA, 1], dtype="Int64"),
        pl.Series([1, 0, None, 1]),
    ],
)
def test_missing_votes_do_not_turn_integer_labels_into_floats(labels):
    votes = votes_to_targets([0, 0, 0, 1], labels)
    assert votes.classes.tolist() == [0, 1]
    assert votes.classes.dtype.kind == "i"
    np.testing.assert_array_equal(votes.counts, [[1, 1], [0, 1]])


def test_abstain_names_a_label_that_is_no_vote():
    votes = votes_to_targets([0, 0, 1], [-1, 2, -1], abstain=-1, classes=[0, 1, 2])
    np.testing.assert_array_equal(votes.counts, [[0, 0, 1], [0, 0, 0]])


def test_order_of_rows_and_columns_can_be_given():
    votes = votes_to_targets(
        VOTES["task"],
        VOTES["label"],
        classes=["dog", "cow", "cat"],
        sample_order=pd.Index(["t9", "t3", "t2", "t1"]),
    )
    np.testing.assert_array_equal(votes.counts, [[0, 0, 0], [0, 0, 0], [0, 0, 2], [2, 0, 1]])
    assert votes.samples.tolist() == ["t9", "t3", "t2", "t1"]


def test_weights_of_votes_and_of_annotators():
    by_vote = votes_to_targets([0, 0, 1], [0, 1, 1], weights=[0.5, 2.0, 1.0])
    np.testing.assert_array_equal(by_vote.counts, [[0.5, 2.0], [0.0, 1.0]])
    skills = {"ann": 2.0, "bob": 0.5, "cid": 1.0}
    by_annotator = votes_to_targets(
        VOTES["task"], VOTES["label"], annotators=VOTES["worker"], weights=skills
    )
    np.testing.assert_array_equal(by_annotator.counts, [[0.5, 3.0], [2.5, 0.0], [0.0, 0.0]])


def test_an_annotator_has_one_vote_on_a_sample():
    arguments = {"samples": [0, 0, 0, 1, 0], "labels": ["a", "b", "b", "a", None]}
    votes = votes_to_targets(**arguments, annotators=["x", "x", "y", "x", "y"])
    np.testing.assert_array_equal(votes.counts, [[0.5, 1.5], [1.0, 0.0]])
    np.testing.assert_array_equal(votes_to_targets(**arguments).counts, [[1, 2], [1, 0]])


def test_sparse_counts_for_many_classes():
    rng = np.random.default_rng(0)
    samples, labels = rng.integers(0, 1000, 5000), rng.integers(0, 20_000, 5000)
    arguments = {"classes": np.arange(20_000), "sample_order": np.arange(1000)}
    votes = votes_to_targets(samples, labels, **arguments, sparse_output=True)
    assert isinstance(votes.counts, sp.csr_array)
    assert votes.counts.shape == (1000, 20_000)
    assert votes.counts.nnz <= 5000
    assert votes.counts.sum() == 5000
    assert votes.counts[samples[0], labels[0]] >= 1


def test_to_frame_tells_an_estimator_the_classes():
    votes = votes_to_targets(VOTES["task"], VOTES["label"])
    frame = votes.to_frame()
    assert frame.loc["t1", "dog"] == 2
    model = KLClassifier().fit([[0.0], [1.0], [2.0]], frame)
    assert model.classes_.tolist() == ["cat", "dog"]
    sparse = votes_to_targets(VOTES["task"], VOTES["label"], sparse_output=True)
    pd.testing.assert_frame_equal(sparse.to_frame(), frame)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"labels": [[1], [0], [1]]}, "labels must be 1-D"),
        ({"labels": [1, 0]}, "inconsistent numbers of samples"),
        ({"samples": [0, np.nan, 1]}, "samples holds missing values"),
        ({"labels": [None, None, None]}, "labels holds no vote"),
        ({"classes": [0, 2]}, "labels that are not among the classes"),
        ({"classes": [0, 1, 1]}, "classes must not repeat an entry, but holds \\[1\\]"),
        ({"sample_order": [0]}, "1 samples with votes are not in sample_order: \\[1\\]"),
        ({"sample_order": [0, 1, 1]}, "sample_order must not repeat"),
        ({"weights": [1.0]}, "3 votes. Give one weight per vote, or a dict"),
        ({"weights": [1.0, -1.0, 1.0]}, "Negative values"),
        ({"weights": {"x": 1.0}}, "pass annotators too"),
        (
            {"weights": {"x": 1.0}, "annotators": ["x", "y", "x"]},
            "no entry for the annotators \\['y'\\]",
        ),
    ],
)
def test_errors_of_votes_name_the_argument(change, message):
    with pytest.raises(ValueError, match=message):
        votes_to_targets(**{"samples": [0, 0, 1], "labels": [1, 0, 1], **change})
