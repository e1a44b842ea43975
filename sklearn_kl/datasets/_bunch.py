"""Small tables of factors and counts in the forms that scikit-learn's loaders return."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import Bunch


@dataclass(frozen=True, eq=False)
class CountTable:
    """Groups of observations: the levels of some factors and counts of the classes.

    Parameters
    ----------
    factors : dict of str to tuple of str
        Levels of every factor; the first is the baseline of the dummy coding.
    levels : ndarray of shape (n_groups, n_factors) of int
        Positions of the levels of every group.
    counts : ndarray of shape (n_groups, n_classes) of int
    classes : tuple
        Class of every column of the counts.
    description : str
    """

    factors: Mapping[str, tuple[str, ...]]
    levels: np.ndarray
    counts: np.ndarray
    classes: tuple
    description: str

    def dummies(self) -> tuple[np.ndarray, list[str]]:
        """Treatment coding: a 0/1 column for every level but the first, and the columns' names."""
        columns, names = [], []
        for levels, (factor, labels) in zip(self.levels.T, self.factors.items(), strict=True):
            columns += [levels == position for position in range(1, len(labels))]
            names += [factor + label for label in labels[1:]]
        return np.column_stack(columns).astype(np.float64), names

    def bunch(self, pandas: Any = None) -> Bunch:
        """Arrays, or DataFrames with categorical columns if the module pandas is given."""
        data, feature_names = self.dummies()
        target, frame = self.counts, None
        if pandas is not None:
            feature_names = list(self.factors)
            data = pandas.DataFrame(
                {
                    factor: pandas.Categorical.from_codes(levels, labels)
                    for levels, (factor, labels) in zip(
                        self.levels.T, self.factors.items(), strict=True
                    )
                }
            )
            target = pandas.DataFrame(target, columns=list(self.classes))
            frame = pandas.concat([data, target], axis=1)
        return Bunch(
            data=data,
            target=target,
            frame=frame,
            feature_names=feature_names,
            target_names=np.array(self.classes),
            DESCR=self.description,
        )


def import_pandas(caller):
    """Return the module pandas, or say how to get it."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            f"{caller} with as_frame=True requires pandas. Install it with: "
            'pip install "sklearn-kl[pandas]"'
        ) from error
    return pandas
