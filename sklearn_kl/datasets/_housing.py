"""Satisfaction of tenants in Copenhagen (Madsen 1976): grouped counts of three grades."""

from itertools import product
from typing import Any

import numpy as np

from sklearn_kl.datasets._bunch import CountTable, import_pandas

DESCRIPTION = """\
Satisfaction with housing in Copenhagen
---------------------------------------

1681 tenants in selected areas of Copenhagen said how satisfied they were with their housing. Three
factors make 24 groups of them; a group's target is the number of its tenants in each of three
grades.

Factors (the level named first is the baseline of the dummy coding):
    Infl: influence that tenants feel they have on the management: Low, Medium, High
    Type: type of the housing: Tower, Apartment, Atrium, Terrace
    Cont: contact with other tenants: Low, High
Target:
    Satisfaction: Low, Medium, High (567, 446 and 668 tenants)

The order of the groups, the names and the levels are those of the data frame `housing` of the R
package MASS.

References
    Madsen, M. (1976). Statistical analysis of multiple contingency tables. Two examples.
    Scandinavian Journal of Statistics 3, 97-106.
    Cox, D. R. and Snell, E. J. (1984). Applied Statistics, Principles and Examples.
    Chapman & Hall.
    Venables, W. N. and Ripley, B. D. (2002). Modern Applied Statistics with S, 4th ed. Springer.
"""

FACTORS = {
    "Infl": ("Low", "Medium", "High"),
    "Type": ("Tower", "Apartment", "Atrium", "Terrace"),
    "Cont": ("Low", "High"),
}

# Infl varies fastest, then Type, then Cont: a line below is a block of one Type and Cont.
# fmt: off
COUNTS = (
    ((21, 21, 28), (34, 22, 36), (10, 11, 36)),
    ((61, 23, 17), (43, 35, 40), (26, 18, 54)),
    ((13,  9, 10), ( 8,  8, 12), ( 6,  7,  9)),
    ((18,  6,  7), (15, 13, 13), ( 7,  5, 11)),
    ((14, 19, 37), (17, 23, 40), ( 3,  5, 23)),
    ((78, 46, 43), (48, 45, 86), (15, 25, 62)),
    ((20, 23, 20), (10, 22, 24), ( 7, 10, 21)),
    ((57, 23, 13), (31, 21, 13), ( 5,  6, 13)),
)
# fmt: on


def load_housing(*, return_X_y: bool = False, as_frame: bool = False) -> Any:
    """Load the satisfaction of 1681 tenants: 24 groups, counts of three grades.

    The data of Madsen [1]_, in the R package MASS as `housing`: for every group of tenants, its
    perceived influence on the management (Infl), type of housing (Type) and contact with other
    tenants (Cont), and how many of its tenants are of low, medium and high satisfaction.

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

        data : ndarray of shape (24, 6) or DataFrame of shape (24, 3)
            Dummies ``InflMedium, InflHigh, TypeApartment, TypeAtrium, TypeTerrace, ContHigh``, or
            the categorical columns ``Infl, Type, Cont``.
        target : ndarray or DataFrame of shape (24, 3)
            Numbers of tenants of ``Low, Medium, High`` satisfaction.
        frame : DataFrame of shape (24, 6) or None
            `data` and `target` side by side, if `as_frame` is True.
        feature_names : list of str
            Column names of `data`.
        target_names : ndarray of shape (3,)
            The grades of satisfaction.
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
    .. [1] Madsen, M. (1976). Statistical analysis of multiple contingency tables. Two examples.
       Scandinavian Journal of Statistics 3, 97-106.

    Examples
    --------
    >>> from sklearn_kl.datasets import load_housing
    >>> housing = load_housing()
    >>> housing.data.shape, int(housing.target.sum())
    ((24, 6), 1681)
    >>> dict(zip(housing.target_names.tolist(), housing.target.sum(axis=0).tolist()))
    {'Low': 567, 'Medium': 446, 'High': 668}
    """
    pandas = import_pandas("load_housing") if as_frame else None
    sizes = [range(len(labels)) for labels in FACTORS.values()]
    # product varies its last argument fastest, the table its first factor.
    levels = np.array(list(product(*reversed(sizes))))[:, ::-1]
    counts = np.array(COUNTS).reshape(len(levels), -1)
    table = CountTable(FACTORS, levels, counts, ("Low", "Medium", "High"), DESCRIPTION)
    bunch = table.bunch(pandas)
    return (bunch.data, bunch.target) if return_X_y else bunch
