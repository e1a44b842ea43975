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


# ---- what is missing, mixed or in another order


@pytest.mark.parametrize(
    "labels",
    [
        ["a", np.nan, "b"],
        ("a", None, "b"),
        ["a", pd.NA, "b"],
        pd.Series(["a", pd.NA, "b"], dtype="string"),
        pd.Series(["a", None, "b"], dtype="category"),
        pl.Series(["a", None, "b"]),
    ],
)
def test_a_missing_string_is_an_abstention_and_no_class(labels):
    counts, classes, _ = votes_to_targets([0, 1, 2], labels)
    assert classes.tolist() == ["a", "b"]
    np.testing.assert_array_equal(counts, [[1, 0], [0, 0], [0, 1]])


def test_a_date_that_is_no_time_is_an_abstention():
    days = np.array(["2020-01-01", "NaT"], dtype="M8[D]")
    np.testing.assert_array_equal(votes_to_targets([0, 1], days).counts, [[1], [0]])


@pytest.mark.parametrize("labels", [[1.0, "1"], ["1", 1], np.array(["1", 1, None], dtype=object)])
def test_strings_and_numbers_are_not_merged(labels):
    with pytest.raises(TypeError, match="labels mix strings and others"):
        votes_to_targets(range(len(labels)), labels)


@pytest.mark.parametrize(
    "labels, abstain",
    [
        (["-1", "x", "?"], ["-1", "?"]),
        (["-1", "x", "?"], {"-1", "?"}),
        (pd.Series(["-1", "x", "?", pd.NA], dtype="string"), np.array(["?", "-1"])),
        (pd.Series(["?", "x", None], dtype=object), "?"),
        ([-1, 5, -9], (-1, -9)),
        ([-1.0, 5.0, np.nan], [-1, None]),
        ([1.0, 5.0, np.nan], 1),
        (pd.Series([-1, 5, None], dtype="Int64"), -1),
    ],
)
def test_several_labels_can_mean_an_abstention(labels, abstain):
    votes = votes_to_targets(np.zeros(len(labels), int), labels, abstain=abstain)
    np.testing.assert_array_equal(votes.counts, [[1.0]])
    assert votes.classes.tolist() in (["x"], [5])


@pytest.mark.parametrize("labels, abstain", [(["-1", "1"], -1), ([-1, 1], "-1"), ([-1, 1], ["?"])])
def test_an_abstention_that_never_matches_is_an_error(labels, abstain):
    with pytest.raises(ValueError, match="abstain=.* never matches labels such as .*type of the"):
        votes_to_targets([0, 1], labels, abstain=abstain)
    with pytest.raises(ValueError, match=r"abstain=-1 is among the classes \[-1, 1\]"):
        votes_to_targets([0, 1], [-1, 1], abstain=-1, classes=[-1, 1])


@pytest.mark.parametrize(
    "annotators",
    [
        [1.0, np.nan, np.nan],
        ["x", None, np.nan],
        pd.Series([1, None, None], dtype="Int64"),
        pd.Series(["x", None, None], dtype="string"),
        pl.Series(["x", None, None]),
    ],
)
def test_missing_annotators_are_not_one_person(annotators):
    message = "annotators holds missing values in 2 votes, the first in vote 1.*as one person"
    with pytest.raises(ValueError, match=message):
        votes_to_targets([0, 0, 0], ["a", "b", "a"], annotators=annotators)


def test_who_abstained_need_not_be_named():
    votes = votes_to_targets(
        [0, 0, 0], ["a", None, "a"], annotators=["x", None, "y"], weights={"x": 2, "y": 3}
    )
    np.testing.assert_array_equal(votes.counts, [[5.0]])


def test_annotators_of_several_types_are_apart():
    arguments = {"samples": [0, 0, 0], "labels": ["a", "b", "a"]}
    votes = votes_to_targets(**arguments, annotators=["x", 1, 1.0])
    np.testing.assert_array_equal(votes.counts, [[1.5, 0.5]])
    votes = votes_to_targets(**arguments, annotators=[("x", 1), ("x", 1), ("y", 1)])
    np.testing.assert_array_equal(votes.counts, [[1.5, 0.5]])


def test_a_series_of_weights_is_read_by_the_names_of_annotators():
    skills = pd.Series({"bob": 0.5, "ann": 2.0, "cid": 1.0, "eve": 9.0})
    by_series = votes_to_targets(
        VOTES["task"], VOTES["label"], annotators=VOTES["worker"], weights=skills
    )
    np.testing.assert_array_equal(by_series.counts, [[0.5, 3.0], [2.5, 0.0], [0.0, 0.0]])
    # As many annotators as votes.
    votes = votes_to_targets([0, 0], ["a", "b"], annotators=["ann", "bob"], weights=skills[:2])
    np.testing.assert_array_equal(votes.counts, [[2.0, 0.5]])
    numbered = pd.Series([5.0, 7.0], index=[1, 0])
    votes = votes_to_targets([0, 0, 0], ["a", "b", "a"], annotators=[0, 1, 1], weights=numbered)
    np.testing.assert_array_equal(votes.counts, [[9.5, 2.5]])
    with pytest.raises(ValueError, match=r"weights has no entry for the annotators \['bob'\]"):
        votes_to_targets([0, 0], ["a", "b"], annotators=["ann", "bob"], weights=skills[1:2])


def test_a_series_of_weights_of_votes_goes_with_the_rows_of_the_votes():
    frame = pd.DataFrame({"task": [1, 1, 2], "label": list("aba"), "who": [0, 1, 1]})
    sure = pd.Series([1.0, 2.0, 3.0])
    arguments = {"samples": frame["task"], "labels": frame["label"]}
    expected = [[1.0, 2.0], [3.0, 0.0]]
    for annotators in (None, frame["who"]):
        votes = votes_to_targets(**arguments, annotators=annotators, weights=sure)
        np.testing.assert_array_equal(votes.counts, expected)
    by_task = frame.set_index("who", drop=False)
    votes = votes_to_targets(
        by_task["task"],
        by_task["label"],
        annotators=by_task["who"],
        weights=sure.set_axis([0, 1, 1]),
    )
    np.testing.assert_array_equal(votes.counts, expected)
    with pytest.raises(ValueError, match="weights carry the same index in another order"):
        votes_to_targets(**arguments, weights=sure[::-1])
    with pytest.raises(ValueError, match="read in two ways.*weights.to_dict.*weights.to_numpy"):
        votes_to_targets([0, 0], ["a", "b"], annotators=[1, 0], weights=pd.Series([5.0, 7.0]))


def test_columns_of_votes_with_indexes_in_another_order_are_not_paired():
    with pytest.raises(ValueError, match="rows of samples and labels carry the same index"):
        votes_to_targets(VOTES["task"], VOTES["label"][::-1])


@pytest.mark.parametrize("weights", [["x", "y"], [1.0, np.inf], [np.nan, 1.0]])
def test_weights_are_finite_numbers(weights):
    with pytest.raises(ValueError, match="weights must hold numbers|not finite in weights"):
        votes_to_targets([0, 1], ["a", "b"], weights=weights)


def test_counts_in_another_order_than_the_features_are_not_paired():
    X = pd.DataFrame({"x": [0.0, 1.0, 2.0]}, index=["t2", "t3", "t1"])
    votes = votes_to_targets(VOTES["task"], VOTES["label"]).to_frame()
    with pytest.raises(ValueError, match="rows of X and y carry the same index in another order"):
        KLClassifier().fit(X, votes)
    ordered = votes_to_targets(VOTES["task"], VOTES["label"], sample_order=X.index).to_frame()
    fitted = KLClassifier().fit(X, ordered)
    np.testing.assert_array_equal(fitted.coef_, KLClassifier().fit(X, votes.loc[X.index]).coef_)


# ---- names and classes of other kinds


def test_tuples_name_samples():
    names = [("a", 2), ("a", 1), ("a", 2)]
    votes = votes_to_targets(names, ["x", "y", "y"])
    assert votes.samples.tolist() == [("a", 1), ("a", 2)]
    np.testing.assert_array_equal(votes.counts, [[0, 1], [1, 1]])
    index = pd.MultiIndex.from_tuples([("b", 0), ("a", 2), ("a", 1)])
    frame = votes_to_targets(names, ["x", "y", "y"], sample_order=index).to_frame()
    assert frame.index.equals(index)
    np.testing.assert_array_equal(frame, [[0, 0], [1, 1], [0, 1]])


def test_half_stars_are_classes_if_they_are_named():
    votes = votes_to_targets([0, 0, 1], [0.5, 3.5, 3.5], classes=[0.5, 2, 3.5])
    np.testing.assert_array_equal(votes.counts, [[1, 0, 1], [0, 0, 1]])
    with pytest.raises(ValueError, match="labels holds 0.5 as a label.*parameter for classes"):
        votes_to_targets([0, 0, 1], [0.5, 3.5, 3.5])


def test_classes_of_an_ordered_categorical_are_in_its_order():
    grades = pd.Categorical(["high", None, "low"], categories=["low", "fair", "high"], ordered=True)
    votes = votes_to_targets([0, 0, 0], grades)
    assert votes.classes.tolist() == ["low", "fair", "high"]
    np.testing.assert_array_equal(votes.counts, [[1, 0, 1]])


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"classes": []}, ValueError, "classes must name at least one class"),
        ({"samples": [1, "a", 1]}, TypeError, "samples holds names that do not sort.*sample_order"),
        ({"sample_order": pd.DataFrame({"x": [0, 1]})}, ValueError, "DataFrame X, pass X.index"),
        ({"samples": ["a", None, "b"]}, ValueError, "samples holds missing values.*in vote 1"),
        ({"annotators": [[1], [2], [3]]}, ValueError, "annotators must be 1-D"),
    ],
)
def test_errors_of_names_and_classes(change, error, message):
    with pytest.raises(error, match=message):
        votes_to_targets(**{"samples": [0, 0, 1], "labels": [1, 0, 1], **change})


def test_samples_that_do_not_sort_can_be_ordered():
    votes = votes_to_targets(["a", 1], ["x", "y"], sample_order=[1, "a"])
    np.testing.assert_array_equal(votes.counts, [[0, 1], [1, 0]])
