"""load_wine_ratings against tables published elsewhere."""

import numpy as np
import pytest

from sklearn_kl.datasets import load_wine_ratings


def test_counts_by_treatment_are_those_published():
    # The same experiment, aggregated over bottles, is the data frame wine of the R package VGAM.
    X, y = load_wine_ratings(return_X_y=True)
    cells = {(0, 0): [4, 9, 5, 0, 0], (0, 1): [1, 7, 8, 2, 0]}
    cells |= {(1, 0): [0, 5, 8, 3, 2], (1, 1): [0, 1, 5, 7, 5]}
    for (temp, contact), counts in cells.items():
        rows = (X == [temp, contact]).all(axis=1)
        assert rows.sum() == 2
        assert y[rows].sum(axis=0).tolist() == counts


def test_each_judge_rates_each_wine_once():
    wine = load_wine_ratings()
    pairs = set(zip(wine.ratings.wine.tolist(), wine.ratings.judge.tolist(), strict=True))
    assert pairs == {(w, j) for w in range(8) for j in range(1, 10)}
    assert (wine.target.sum(axis=1) == 9).all()


def test_single_ratings_are_those_of_the_source():
    ratings = load_wine_ratings().ratings
    marks = {j: ratings.mark[ratings.judge == j].tolist() for j in (1, 9)}
    grades = {j: ratings.grade[ratings.judge == j].tolist() for j in (1, 9)}
    assert marks == {
        1: [36, 48, 47, 67, 77, 60, 83, 90],
        9: [12, 29, 47, 28, 47, 38, 72, 65],
    }
    assert grades == {1: [2, 3, 3, 4, 4, 4, 5, 5], 9: [1, 2, 3, 2, 3, 2, 4, 4]}


def test_counts_are_the_ratings_counted():
    wine = load_wine_ratings()
    counts = np.zeros((8, 5), dtype=int)
    np.add.at(counts, (wine.ratings.wine, wine.ratings.grade - 1), 1)
    np.testing.assert_array_equal(wine.target, counts)
    assert wine.target_names.tolist() == [1, 2, 3, 4, 5]


def test_frames_say_the_same_as_arrays():
    pandas = pytest.importorskip("pandas")
    wine, framed = load_wine_ratings(), load_wine_ratings(as_frame=True)
    dummies = pandas.get_dummies(framed.data, prefix_sep="", drop_first=True)
    assert wine.feature_names == list(dummies.columns) == ["tempwarm", "contactyes"]
    np.testing.assert_array_equal(wine.data, dummies)
    np.testing.assert_array_equal(wine.target, framed.target)
    assert list(framed.target.columns) == [1, 2, 3, 4, 5]
    assert framed.frame.shape == (8, 7)
    assert framed.ratings.shape == (72, 4)
    for name, column in framed.ratings.items():
        np.testing.assert_array_equal(column, wine.ratings[name])


def test_pair_is_the_bunch():
    pandas = pytest.importorskip("pandas")
    X, y = load_wine_ratings(return_X_y=True, as_frame=True)
    wine = load_wine_ratings(as_frame=True)
    pandas.testing.assert_frame_equal(X, wine.data)
    pandas.testing.assert_frame_equal(y, wine.target)
    assert "Randall" in wine.DESCR
