"""A matrix of labels with gaps means the same in whatever holds it."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal
from sklearn.exceptions import DataConversionWarning

from sklearn_kl import AnnotatorVotes
from sklearn_kl._annotators.read import read_votes

WORDS = [["cat", None], ["dog", "cat"], [None, "dog"], [None, None]]
CODES = [[0, -1], [1, 0], [-1, 1], [-1, -1]]
TABLE = [[1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]


def with_nan(rows):
    return [[np.nan if label is None else label for label in row] for row in rows]


ARRAYS = {
    "list": (WORDS, None),
    "list with nan": (with_nan(WORDS), None),
    "objects": (np.array(WORDS, dtype=object), None),
    "objects with nan": (np.array(with_nan(WORDS), dtype=object), None),
    "strings": (np.array([[word or "?" for word in row] for row in WORDS]), "?"),
    "integers": (np.array(CODES), -1),
    "list of integers": (CODES, -1),
    "floats": (np.where(np.array(CODES) < 0, np.nan, CODES), None),
    "floats with a code": (np.array(CODES, dtype=float), -1),
    "masked": (np.ma.masked_equal(CODES, -1), None),
    "sparse": (sp.csr_array(np.array(CODES) + 1), None),
    "sparse matrix": (sp.coo_matrix(np.array(CODES) + 1), None),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(name):
    y, missing = ARRAYS[name]
    votes = read_votes(y, missing)
    assert_array_equal(votes.table.toarray(), TABLE)
    assert votes.annotators.tolist() == [0, 1]
    assert votes.unnamed
    expected = [["cat", "dog"], [0, 1], [1, 2]]
    assert votes.classes.tolist() in expected
    # Without a gap, floats are what the caller wrote.
    assert votes.classes.dtype.kind in ("f" if name == "floats with a code" else "Ui")


def test_frames():
    pd = pytest.importorskip("pandas")
    words = pd.DataFrame(WORDS, columns=["Ann", "Bob"])
    codes = pd.DataFrame(np.where(np.array(CODES) < 0, np.nan, CODES), columns=["Ann", "Bob"])
    frames = [words, words.astype("string"), words.astype("category"), codes, codes.astype("Int64")]
    for frame in [*frames, codes.astype("boolean")]:
        votes = read_votes(frame)
        assert_array_equal(votes.table.toarray(), TABLE)
        assert votes.annotators.tolist() == ["Ann", "Bob"]
    numbered = read_votes(codes.set_axis([17, 3], axis=1))
    assert numbered.annotators.tolist() == [17, 3]


def test_ordered_categories_are_the_classes_in_their_order():
    pd = pytest.importorskip("pandas")
    sizes = pd.CategoricalDtype(["small", "medium", "large"], ordered=True)
    frame = pd.DataFrame([["large", None], ["small", "large"]], columns=["a", "b"], dtype=object)
    votes = read_votes(frame.astype(sizes))
    assert votes.classes.tolist() == ["small", "medium", "large"]
    assert_array_equal(votes.counts, [[0, 0, 1], [1, 0, 1]])
    assert read_votes(frame["a"].astype(sizes)).classes.tolist() == sizes.categories.tolist()
    with pytest.raises(ValueError, match="others are not or have another order"):
        read_votes(frame.astype({"a": sizes}))


def test_polars_frames():
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame(WORDS, schema=["Ann", "Bob"], orient="row")
    assert_array_equal(read_votes(frame).table.toarray(), TABLE)
    order = pl.Enum(["dog", "cat"])
    ordered = pl.DataFrame(WORDS, schema={"Ann": order, "Bob": order}, orient="row")
    assert read_votes(ordered).classes.tolist() == ["dog", "cat"]


def test_one_annotator():
    assert_array_equal(read_votes(["no", "yes", None]).counts, [[1, 0], [0, 1], [0, 0]])
    with pytest.warns(DataConversionWarning, match="labels of one annotator"):
        assert read_votes(np.array([[0], [1]])).shape == (2, 1)


@pytest.mark.parametrize(
    "y, missing, error, message",
    [
        (WORDS, -1, ValueError, "missing=-1 never matches labels such as 'cat'"),
        ([["a", 1]], None, TypeError, "mix strings and others"),
        ([[0.5, 1.5]], None, ValueError, "Unknown label type"),
        ([[None, np.nan]], None, ValueError, "y holds no vote"),
        (CODES[3:], -1, ValueError, "y holds no vote"),
        ([["a"], ["a", "b"]], None, ValueError, "differ in length"),
        (np.zeros((2, 0)), None, ValueError, "one column per annotator"),
        (np.zeros((2, 2, 2)), None, ValueError, "one column per annotator"),
        (np.array([[np.inf, 1.0]]), None, ValueError, "infinity"),
        (None, None, ValueError, "requires y to be passed"),
        (sp.csr_array(([0, 1], ([0, 0], [0, 1]))), None, ValueError, "stores the label 0"),
    ],
)
def test_what_is_refused(y, missing, error, message):
    with pytest.raises(error, match=message):
        read_votes(y, missing)


def test_names_of_annotators_differ():
    pd = pytest.importorskip("pandas")
    with pytest.raises(ValueError, match="name the annotators"):
        read_votes(pd.DataFrame([[0, 1]], columns=["a", "a"]))


def test_long_form_is_the_matrix():
    long = AnnotatorVotes.from_long(
        samples=["w", "x", "x", "y", "z"],
        labels=["cat", "dog", "cat", "dog", None],
        annotators=["Ann", "Ann", "Bob", "Bob", "Ann"],
    )
    assert_array_equal(long.table.toarray(), TABLE)
    assert long.classes.tolist() == ["cat", "dog"]
    assert long.annotators.tolist() == ["Ann", "Bob"]
    assert long.samples.tolist() == ["w", "x", "y", "z"]
    assert long.n_votes.tolist() == [2, 2]
    order = AnnotatorVotes.from_long(
        ["b", "a"], [1, -1], [7, 7], classes=[0, 1], sample_order=["c", "a", "b"], abstain=-1
    )
    assert_array_equal(order.counts, [[0, 0], [0, 0], [0, 1]])


def test_repeated_votes_of_a_person_share_one():
    votes = AnnotatorVotes.from_long([0, 0, 0], [0, 1, 1], ["Ann", "Ann", "Bob"])
    assert_array_equal(votes.table.toarray(), [[0.5, 0.5, 0, 1]])
    assert votes.n_votes.tolist() == [1, 1]


def test_long_form_needs_to_know_who():
    with pytest.raises(ValueError, match="annotators"):
        AnnotatorVotes.from_long([0, 1], [0, 1], ["Ann", None])


def test_rows_of_votes():
    votes = read_votes(WORDS)
    for rows in (
        [1, 2],
        np.array([False, True, True, False]),
        slice(1, 3),
        (np.array([1, 2]), ...),
    ):
        assert_array_equal(votes[rows].table.toarray(), TABLE[1:3])
    assert votes.shape == (4, 2)
    assert len(votes[1]) == 1


def test_classes_that_are_known():
    votes = read_votes([[2, 0]], classes=np.array([0, 1, 2]))
    assert_array_equal(votes.counts, [[1, 0, 1]])
    assert_array_equal(read_votes(votes, classes=np.array([2, 1, 0])).counts, [[1, 0, 1]])
    few = AnnotatorVotes.from_long([0], ["b"], ["Ann"])
    assert_array_equal(read_votes(few, classes=np.array(["a", "b"])).counts, [[0, 1]])
    with pytest.raises(ValueError, match="not among the classes"):
        read_votes([[3, 3]], classes=np.array([0, 1]))


def test_nothing_is_changed():
    y = np.array(WORDS, dtype=object)
    before = y.copy()
    read_votes(y)
    assert_array_equal(y, before)
    sparse = sp.csr_array(np.array(CODES) + 1)
    data = sparse.data.copy()
    read_votes(sparse, 2)
    assert_array_equal(sparse.data, data)
