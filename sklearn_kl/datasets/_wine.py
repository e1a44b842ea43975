"""Bitterness of wine (Randall 1989): nine judges who disagree about eight wines."""

from typing import Any

import numpy as np
from sklearn.utils import Bunch

from sklearn_kl.datasets._bunch import CountTable, import_pandas

DESCRIPTION = """\
Bitterness of wine
------------------

Eight wines from a factorial experiment on what makes wine bitter: two bottles for each of the four
ways to crush the grapes. Nine judges marked the bitterness of every wine from 0 (none) to 100
(intense); grades 1 to 5 group the marks into 0-19, 20-39, 40-59, 60-79 and 80-100. A wine's target
is the number of judges who gave each grade.

Factors (the level named first is the baseline of the dummy coding):
    temp: temperature when the grapes were crushed: cold, warm
    contact: whether the juice had contact with the skins: no, yes
Target:
    Grade of bitterness: 1 (least bitter) to 5 (most bitter)
    (5, 22, 26, 12 and 7 of the 72 ratings)

The single ratings, with their judges, are in `ratings`. The data frame `wine` of the R package
ordinal holds the same ratings; its bottle is the wine's position plus one.

References
    Randall, J. H. (1989). The analysis of sensory data by generalised linear model.
    Biometrical Journal 31(7), 781-793. doi:10.1002/bimj.4710310703
    Tutz, G. and Hennevogl, W. (1996). Random effects in ordinal regression models.
    Computational Statistics & Data Analysis 22(5), 537-557.
"""

FACTORS = {"temp": ("cold", "warm"), "contact": ("no", "yes")}
GRADES = (1, 2, 3, 4, 5)

# Levels of temp and contact, then the marks of judges 1 to 9: a line is a bottle.
# fmt: off
WINES = (
    (0, 0, 36, 17, 36, 46, 26, 46, 13, 25, 12),
    (0, 0, 48, 22, 50, 27, 45, 30, 19, 32, 29),
    (0, 1, 47, 14, 42, 48, 61, 54, 31, 39, 47),
    (0, 1, 67, 50, 23, 32, 41, 37, 29, 40, 28),
    (1, 0, 77, 30, 80, 57, 48, 32, 22, 51, 47),
    (1, 0, 60, 51, 81, 37, 41, 60, 43, 45, 38),
    (1, 1, 83, 90, 73, 84, 58, 88, 32, 42, 72),
    (1, 1, 90, 70, 62, 58, 55, 73, 49, 67, 65),
)
# fmt: on


def load_wine_ratings(*, return_X_y: bool = False, as_frame: bool = False) -> Any:
    """Load the bitterness of eight wines as nine judges saw it: counts of five grades.

    The data of Randall [1]_, in the R package ordinal as `wine`. No wine got one grade from all
    judges: the target is a distribution, and `ratings` says who gave which grade.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Return DataFrames: the factors as categorical columns, and counts whose column names are
        the grades, which become `classes_` in a fit. Arrays hold the factors in treatment coding,
        like R's `model.matrix`: a 0/1 column for every level but the first.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : ndarray or DataFrame of shape (8, 2)
            Dummies ``tempwarm, contactyes``, or the categorical columns ``temp, contact``.
        target : ndarray or DataFrame of shape (8, 5)
            Numbers of judges who gave the grades 1, 2, 3, 4 and 5.
        frame : DataFrame of shape (8, 7) or None
            `data` and `target` side by side, if `as_frame` is True.
        ratings : Bunch of arrays or DataFrame
            The 72 ratings one by one, in the columns `wine` (row of `data`, from 0), `judge` (1 to
            9), `mark` (0 to 100) and `grade` (1 to 5).
        feature_names : list of str
            Column names of `data`.
        target_names : ndarray of shape (5,)
            The grades.
        DESCR : str
            Description and sources.

    (data, target) : tuple
        If `return_X_y` is True.

    Raises
    ------
    ImportError
        If `as_frame` is True and pandas is not installed.

    References
    ----------
    .. [1] Randall, J. H. (1989). The analysis of sensory data by generalised linear model.
       Biometrical Journal 31(7), 781-793. :doi:`10.1002/bimj.4710310703`

    Examples
    --------
    >>> from sklearn_kl.datasets import load_wine_ratings
    >>> wine = load_wine_ratings()
    >>> wine.target[0]  # three judges found the first wine least bitter
    array([3, 4, 2, 0, 0])

    A row per rating, for models and splits that know the judges:

    >>> X, y, judge = wine.data[wine.ratings.wine], wine.ratings.grade, wine.ratings.judge
    >>> X.shape, y.shape
    ((72, 2), (72,))
    """
    pandas = import_pandas("load_wine_ratings") if as_frame else None
    levels, marks = np.split(np.array(WINES), [len(FACTORS)], axis=1)
    grades = np.minimum(marks // 20 + 1, GRADES[-1])
    counts = (grades[:, :, None] == GRADES).sum(axis=1)
    bunch = CountTable(FACTORS, levels, counts, GRADES, DESCRIPTION).bunch(pandas)
    if return_X_y:
        return bunch.data, bunch.target
    wine, judge = np.indices(marks.shape)
    ratings = {"wine": wine, "judge": judge + 1, "mark": marks, "grade": grades}
    ratings = {name: column.ravel() for name, column in ratings.items()}
    bunch.ratings = Bunch(**ratings) if pandas is None else pandas.DataFrame(ratings)
    return bunch
