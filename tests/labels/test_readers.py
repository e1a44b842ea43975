"""Every form of votes gives the counts that its votes in long format give."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_kl import KLClassifier
from sklearn_kl.labels import (
    annotation_dicts_to_targets,
    annotator_matrix_to_targets,
    indicators_to_targets,
    label_counts_to_targets,
    label_lists_to_targets,
    votes_to_targets,
)

NAMES = ["t2", "t1", "t3"]


def assert_same(votes, expected):
    assert votes.classes.tolist() == expected.classes.tolist()
    assert votes.samples.tolist() == expected.samples.tolist()
    np.testing.assert_array_equal(votes.counts, expected.counts)


# A table of votes by sample and annotator; None is a vote that was not given.
tables = (
    st.integers(1, 4)
    .flatmap(
        lambda width: st.lists(
            st.lists(st.sampled_from([None, 0, 1, 2]), min_size=width, max_size=width),
            min_size=1,
            max_size=6,
        )
    )
    .filter(lambda table: any(label is not None for row in table for label in row))
)


@settings(deadline=None, derandomize=True, max_examples=25)
@given(tables)
def test_round_trip_of_every_form(table):
    n_samples, n_annotators = len(table), len(table[0])
    votes = [
        (i, f"Ann{j}", label) for i, row in enumerate(table) for j, label in enumerate(row)
    ]  # fmt: skip
    rows, people, labels = zip(*votes, strict=True)
    weights = {f"Ann{j}": 0.5 + j for j in range(n_annotators)}
    for options in ({}, {"weights": weights}, {"classes": [2, 1, 0]}):
        expected = votes_to_targets(
            rows, labels, annotators=people, sample_order=range(n_samples), **options
        )
        given_rows = [[(f"Ann{j}", v) for j, v in enumerate(row) if v is not None] for row in table]
        frame = pd.DataFrame(table, columns=sorted(weights))
        as_lists = [[v for _, v in row] for row in given_rows]
        names = [[name for name, _ in row] for row in given_rows]
        for found in (
            annotator_matrix_to_targets(frame, **options),
            annotator_matrix_to_targets(frame.astype("Int64"), **options),
            annotator_matrix_to_targets(frame.astype(object), **options),
            annotation_dicts_to_targets([dict(row) for row in given_rows], **options),
            annotation_dicts_to_targets(
                [dict(zip(weights, row, strict=True)) for row in table], **options
            ),
            label_lists_to_targets(as_lists, annotators=names, **options),
        ):
            assert_same(found, expected)
        if "weights" not in options:
            plain = [[-1 if v is None else v for v in row] for row in table]
            assert_same(annotator_matrix_to_targets(plain, abstain=-1, **options), expected)
            snorkel = np.array(plain, dtype=np.int8)
            assert_same(annotator_matrix_to_targets(snorkel, abstain=-1, **options), expected)
            counts = [{v: row.count(v) for v in row} for row in as_lists]
            assert_same(label_counts_to_targets(counts, **options), expected)
    # As text the labels are strings, unless the classes are numbers.
    cells = [",".join("" if v is None else str(v) for v in row) for row in table]
    groups = [" , ".join(weights)] * n_samples
    if n_annotators > 1:
        expected = votes_to_targets(
            rows, labels, annotators=people, sample_order=range(n_samples), classes=[0, 1, 2]
        )
        found = label_lists_to_targets(cells, annotators=groups, classes=[0, 1, 2])
        assert_same(found, expected)
        text = label_lists_to_targets(cells, classes=["0", "1", "2"])
        np.testing.assert_array_equal(text.counts, expected.counts)
    marks = [[int(v == k) for k in range(3)] for row in table for v in row]
    found = indicators_to_targets(marks, rows, annotators=people)
    np.testing.assert_array_equal(
        found.counts,
        votes_to_targets(
            rows, labels, annotators=people, sample_order=range(n_samples), classes=[0, 1, 2]
        ).counts,
    )


# ---- names and order of samples


def test_rows_stay_in_their_order_and_have_their_names():
    frame = pd.DataFrame({"ann": ["a", None, "b"], "bob": ["b", "b", np.nan]}, index=NAMES)
    votes = annotator_matrix_to_targets(frame)
    assert votes.samples.tolist() == NAMES
    np.testing.assert_array_equal(votes.counts, [[1, 1], [0, 1], [0, 1]])
    cells = {"t2": "a,b", "t1": "b", "t3": "b"}
    for labels in (cells, pd.Series(cells)):
        assert_same(label_lists_to_targets(labels), votes)
    dicts = {name: row.dropna().to_dict() for name, row in frame.iterrows()}
    for annotations in (dicts, pd.Series(dicts)):
        assert_same(annotation_dicts_to_targets(annotations), votes)
    counts = {"t2": {"a": 1, "b": 1}, "t1": {"b": 1}, "t3": {"b": 1}}
    for form in (counts, pd.Series(counts)):
        assert_same(label_counts_to_targets(form), votes)


def test_what_a_reader_returns_is_what_fit_takes():
    X = pd.DataFrame({"x": [0.0, 1.0, 2.0]}, index=NAMES)
    counts = label_counts_to_targets({"t2": {"a": 3, "b": 1}, "t1": {"b": 2}, "t3": None})
    clf = KLClassifier().fit(X, counts.to_frame())
    assert clf.classes_.tolist() == ["a", "b"]
    by_array = KLClassifier().fit(X, counts.counts)
    np.testing.assert_array_equal(by_array.coef_, clf.coef_)
    with pytest.raises(ValueError, match="carry the same index in another order"):
        KLClassifier().fit(X.sort_index(), counts.to_frame())


def test_annotators_of_a_dict_are_matched_by_its_keys():
    labels = {"t2": "1,0", "t1": "0"}
    people = {"t1": "bob", "t2": "ann,bob"}
    votes = label_lists_to_targets(labels, annotators=people, weights={"ann": 5, "bob": 1})
    np.testing.assert_array_equal(votes.counts, [[1, 5], [1, 0]])
    with pytest.raises(ValueError, match=r"annotators has no entry for the samples \['t2'\]"):
        label_lists_to_targets(labels, annotators={"t1": "bob", "t3": "x"})
    with pytest.raises(ValueError, match="rows of labels and annotators carry the same index"):
        label_lists_to_targets(pd.Series(labels), annotators=pd.Series(people))


# ---- weights, categories, containers


def test_weights_of_annotators_in_every_form():
    table = [["a", "b"], ["b", None]]
    expected = [[2.0, 3.0], [0.0, 2.0]]
    for weights in ([2, 3], np.array([2.0, 3.0]), {0: 2, 1: 3}, pd.Series([3, 2], index=[1, 0])):
        votes = annotator_matrix_to_targets(table, weights=weights)
        np.testing.assert_array_equal(votes.counts, expected)
    one = annotator_matrix_to_targets([["a", "b"]], weights=pd.Series([2, 3]))
    np.testing.assert_array_equal(one.counts, [[2, 3]])
    with pytest.raises(ValueError, match="weights has shape .1,., but matrix has 2 annotators"):
        annotator_matrix_to_targets(table, weights=[1.0])
    with pytest.raises(ValueError, match="must be a dict or Series of annotator to weight"):
        annotation_dicts_to_targets([{"x": 1}], weights=[1.0])


def test_columns_of_one_ordered_category_give_the_classes_in_its_order():
    dtype = pd.CategoricalDtype(["low", "fair", "high"], ordered=True)
    frame = pd.DataFrame({"x": ["high", "low"], "y": [None, "high"]}).astype(dtype)
    votes = annotator_matrix_to_targets(frame)
    assert votes.classes.tolist() == ["low", "fair", "high"]
    np.testing.assert_array_equal(votes.counts, [[0, 0, 1], [1, 0, 1]])
    mixed = frame.assign(y=frame["y"].astype(str))
    assert annotator_matrix_to_targets(mixed[["x"]].assign(z=["low", "low"])).classes.tolist() == [
        "high",
        "low",
    ]


def test_polars_and_sparse_output():
    frame = pl.DataFrame({"ann": [1, None], "bob": [0, 0]})
    votes = annotator_matrix_to_targets(frame, sparse_output=True)
    assert isinstance(votes.counts, sp.csr_array)
    np.testing.assert_array_equal(votes.counts.toarray(), [[1, 1], [1, 0]])
    assert label_lists_to_targets(pl.Series(["1,0", "0"])).classes.tolist() == ["0", "1"]
    marks = pl.DataFrame({"joy": [1, 0], "anger": [1, 1]})
    votes = indicators_to_targets(marks, ["t1", "t2"], sparse_output=True)
    np.testing.assert_array_equal(votes.counts.toarray(), [[0.5, 0.5], [0, 1]])


def test_marks_of_an_annotator_on_a_sample_are_one_vote():
    marks = pd.DataFrame({"joy": [1, 1, 0, 0], "anger": [0, 1, 1, 0]})
    table = {"samples": ["s", "s", "s", "t"], "annotators": ["x", "x", "y", "z"]}
    votes = indicators_to_targets(marks, **table)
    np.testing.assert_allclose(votes.counts, [[2 / 3, 4 / 3], [0, 0]])
    assert votes.classes.tolist() == ["joy", "anger"]
    weighted = indicators_to_targets(
        marks, **table, weights={"x": 3, "y": 1, "z": 1}, sample_order=["t", "s"]
    )
    np.testing.assert_allclose(weighted.counts, [[0, 0], [2, 2]])
    for same in (marks.astype(bool), marks.astype(float), marks.to_numpy(), marks.astype("Int64")):
        np.testing.assert_allclose(indicators_to_targets(same, **table).counts, votes.counts)


def test_text_with_gaps_other_separators_and_numbers():
    cells = pd.Series(["1;0; ;1", "", None, "0", 1])
    votes = label_lists_to_targets(cells, sep=";", classes=[0, 1])
    np.testing.assert_array_equal(votes.counts, [[1, 2], [0, 0], [0, 0], [1, 0], [0, 1]])
    halves = label_lists_to_targets(["0.5,3.5", "3.5"], classes=[0.5, 3.5])
    np.testing.assert_array_equal(halves.counts, [[1, 1], [0, 1]])
    abstained = label_lists_to_targets(["-1,1", "0,1"], classes=[0, 1], abstain=-1)
    np.testing.assert_array_equal(abstained.counts, [[0, 1], [1, 1]])


@pytest.mark.parametrize(
    "read, message",
    [
        (lambda: annotator_matrix_to_targets(["a", "b"]), "one column per annotator"),
        (lambda: annotator_matrix_to_targets([["a"], ["a", "b"]]), "label_lists_to_targets"),
        (lambda: annotator_matrix_to_targets(np.array(["a"])), "form of votes_to_targets"),
        (lambda: annotator_matrix_to_targets([[None, np.nan]]), "labels holds no vote"),
        (
            lambda: annotator_matrix_to_targets(pd.DataFrame({"x": [1, 2]}, index=["t", "t"])),
            r"index of matrix, which names the samples, must not repeat.*\['t'\]",
        ),
        (lambda: label_counts_to_targets([[3, 1], [0, 2]]), r"one dict .*numpy.array\(counts\)"),
        (lambda: label_counts_to_targets([{"a": -1}]), "counts holds -1 for the label 'a'"),
        (lambda: label_counts_to_targets([{"a": None}]), "counts holds None for the label 'a'"),
        (lambda: label_counts_to_targets([{"a": "3"}]), "counts holds '3' for the label 'a'"),
        (lambda: label_counts_to_targets([{}, None]), "counts holds no vote"),
        (lambda: label_counts_to_targets([{"z": 1}], classes=["a"]), "not among the classes"),
        (lambda: label_counts_to_targets("a"), "must be a list, Series or dict.*got str"),
        (
            lambda: label_lists_to_targets(["1,0"], annotators=["Ann1"]),
            "sample .*0.* has 2 labels, '1,0', but 1 annotators, 'Ann1'",
        ),
        (
            lambda: label_lists_to_targets(["1,0", "1"], annotators=["Ann1,Ann2"]),
            "labels has 2 samples, but annotators has 1 entries",
        ),
        (
            lambda: label_lists_to_targets(["1,0"], annotators=["Ann1,"]),
            "annotators holds missing values",
        ),
        (lambda: label_lists_to_targets(["1,x"], classes=[0, 1]), "label 'x' is not a number"),
        (lambda: label_lists_to_targets(["", None]), "labels holds no vote"),
        (lambda: annotation_dicts_to_targets([["a", "b"]]), "one dict {annotator: label} per"),
        (lambda: indicators_to_targets([[2, 0]], ["t"]), "indicators holds 2|holds np.int64.2"),
        (lambda: indicators_to_targets([[None, 0]], ["t"]), "indicators holds None"),
        (
            lambda: indicators_to_targets(pd.DataFrame({"a": [1], "id": ["x"]}), ["t"]),
            "indicators holds 'x'.*Leave out columns",
        ),
        (lambda: indicators_to_targets([1, 0], ["t"]), "one row per answer"),
        (lambda: indicators_to_targets([[1, 0]], ["t", "u"]), "indicators has 1 rows, samples 2"),
        (lambda: indicators_to_targets([[1, 0]], ["t"], classes=["a"]), "indicators has 2 columns"),
    ],
)
def test_errors_name_the_argument_and_the_way_out(read, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        read()


def test_what_is_masked_is_missing():
    labels = np.ma.array([[0, 1], [1, 1]], mask=[[0, 1], [0, 0]])
    np.testing.assert_array_equal(annotator_matrix_to_targets(labels).counts, [[1, 0], [0, 2]])
    long = votes_to_targets([0, 0, 1, 1], labels.ravel())
    np.testing.assert_array_equal(long.counts, [[1, 0], [0, 2]])
    assert long.classes.tolist() == [0, 1]


def test_sparse_matrices_of_votes():
    with pytest.raises(ValueError, match=r"matrix is sparse.*matrix.toarray\(\), with abstain=0"):
        annotator_matrix_to_targets(sp.csr_array([[1, 0], [0, 2]]))
    marks = np.array([[1, 0], [1, 1]])
    expected = indicators_to_targets(marks, ["s", "t"])
    assert_same(indicators_to_targets(sp.csr_array(marks), ["s", "t"]), expected)


def test_votes_without_weight_are_nothing_to_count():
    with pytest.raises(ValueError, match="No vote has a weight above 0"):
        label_counts_to_targets([{"a": 0}, {"b": 0}])
