"""KLToPrior: a KL penalty towards a prior, as targets that the prior is mixed into."""

import copy
from numbers import Real
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_array, check_scalar

from sklearn_kl._data.classes import name_columns, named_numbers
from sklearn_kl._data.containers import is_frame, refuse_container
from sklearn_kl._data.distributions import check_distributions
from sklearn_kl._data.encode import column_names, encode_targets
from sklearn_kl._data.rows import check_row_order
from sklearn_kl._data.targets import BLOCK_NUMBERS, Targets


class KLToPrior(BaseEstimator):
    """KL penalty that pulls a model's probabilities towards those of a prior.

    ``KLClassifier(prior=KLToPrior(prior))`` adds to its objective J::

        C * strength * sum_i w_i KL(prior_i || q_theta(x_i))

    with the sample weights w_i: the prior has as many votes on every row as `strength` says. Since
    the entropy of the prior does not depend on theta, this is the same as adding
    ``strength * prior_i`` to the targets of row i, and the fit is done that way, by any model and
    solver. An unlabelled row learns from the prior alone.

    Parameters
    ----------
    prior : array-like, dict or fitted classifier
        What is known beforehand, as probabilities of the classes:

        - for all rows alike, a 1-D array in the order of `classes_`, or a dict or Series that maps
          a class to its probability;
        - row by row, a 2-D array with one row per row of X and one column per class; the columns
          of a DataFrame are matched by name. It cannot be used where only some of the rows are
          trained on, as in cross-validation;
        - a fitted classifier with `predict_proba`, to be asked about the X that `fit` is given:
          transfer, continual learning, distillation.

        Classes that a dict, DataFrame or classifier does not name have the prior probability 0.
    strength : float, default=1.0
        Votes of the prior on every row, at least 0; with targets that are distributions, the
        weight of the prior against one for the target. 0 means no prior.

    See Also
    --------
    sklearn_kl.labels.mix_targets : Mix a matrix into targets beforehand.
    sklearn_kl.labels.smooth_labels : Mix the same distribution into every row beforehand.

    Notes
    -----
    Clones share the prior itself, unlike those of other estimators, which would come without what
    was learned. Its parameters are not among those of the penalty; ``prior__strength`` of a
    KLClassifier is.

    `class_weight` changes the targets only, not the prior.

    References
    ----------
    .. [1] D. Yu, K. Yao, H. Su, G. Li and F. Seide, "KL-divergence regularized deep neural network
       adaptation for improved large vocabulary speech recognition", ICASSP 2013, 7893-7897.
    .. [2] G. Hinton, O. Vinyals and J. Dean, "Distilling the Knowledge in a Neural Network", 2015,
       arXiv:1503.02531.

    Examples
    --------
    A model of other data helps where there are only ten new rows with one vote each:

    >>> from sklearn_kl import KLClassifier
    >>> from sklearn_kl.datasets import make_soft_classification
    >>> from sklearn_kl.metrics import kl_divergence
    >>> from sklearn_kl.penalties import KLToPrior
    >>> X, votes, q = make_soft_classification(n_samples=1000, n_votes=1, random_state=0)
    >>> old = KLClassifier().fit(X[:500], votes[:500])
    >>> for prior in [None, KLToPrior(old, strength=2.0)]:
    ...     new = KLClassifier(prior=prior).fit(X[500:510], votes[500:510])
    ...     print(f"{kl_divergence(q, new.predict_proba(X)):.3f}")
    0.243
    0.086
    """

    def __init__(self, prior: Any, *, strength: float = 1.0) -> None:
        self.prior = prior
        self.strength = strength

    def mix(self, targets: Targets, X: Any) -> Targets:
        """Return targets of strength ``t_ik + strength * w_i * prior_ik``.

        Parameters
        ----------
        targets : Targets
            As `encode_targets` returns them; not changed.
        X : array-like of shape (n_samples, n_features)
            What a prior that is a classifier is asked about; not used otherwise.

        Returns
        -------
        Targets
            With a dense matrix of float64; `targets` itself if the strength is 0.

        Raises
        ------
        ValueError
            If the strength is not a finite number of at least 0, if the prior's rows are not
            distributions, or if its rows or classes do not match those of the targets.
        NotFittedError
            If the prior is a classifier without `classes_`.
        """
        check_scalar(self.strength, "strength", Real, min_val=0)
        if not np.isfinite(self.strength):
            raise ValueError(f"strength must be a finite number, got {self.strength}.")
        if self.strength == 0:
            return targets
        if is_frame(self.prior):
            check_row_order(X=X, prior=self.prior)
        proba, names = _read(self.prior, X)
        proba = _check_rows(proba, targets.n_samples)
        columns = _columns(names, proba, targets.classes)
        # Of this size, there are this matrix and the classifier's answer, and no other.
        mixed = np.zeros((targets.n_samples, targets.n_classes))
        mixed[:, columns] = proba
        _add_strengths(mixed, targets, self.strength)
        return encode_targets(mixed, classes=targets.classes, name="y plus the prior")

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return `prior` and `strength`; the parameters of the prior are not included.

        Parameters
        ----------
        deep : bool, default=True
            Not used.

        Returns
        -------
        dict
            Parameter names mapped to their values.
        """
        return super().get_params(deep=False)

    def set_params(self, **params: Any) -> Self:
        """Set `prior` or `strength`.

        Parameters
        ----------
        **params : dict
            New values.

        Returns
        -------
        self : KLToPrior
            This object.

        Raises
        ------
        ValueError
            For any other name, parameters of the prior among them.
        """
        nested = [name for name in params if name.startswith("prior__")]
        if nested:
            raise ValueError(
                f"{nested} would change the fitted prior, which is shared by all clones of this "
                "penalty. Fit another classifier and set it as prior."
            )
        return super().set_params(**params)

    def __sklearn_clone__(self):
        return copy.copy(self)


def _add_strengths(mixed, targets, strength):
    """Turn the prior's probabilities, in place, into strengths of prior and targets together."""
    n_rows = max(1, BLOCK_NUMBERS // targets.n_classes)
    # A sum that overflows is found, and explained, when the result is encoded.
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, targets.n_samples, n_rows):
            rows = slice(start, start + n_rows)
            weight = 1.0 if targets.weight is None else targets.weight[rows, None]
            mixed[rows] *= strength * weight
            mixed[rows] += targets.block(rows).T


def _read(prior, X):
    """Return the prior's probabilities, and the class of every column or None."""
    if hasattr(prior, "predict_proba"):
        return _predict(prior, X)
    if is_frame(prior):
        refuse_container(prior, "prior")
    numbers, names = named_numbers(prior, "prior")
    if names is not None:
        return numbers, names
    if np.ndim(prior) not in (1, 2):
        raise ValueError(
            "prior must hold probabilities of the classes (a 1-D or 2-D array, a DataFrame, or a "
            f"dict of class to probability) or be a fitted classifier with predict_proba, got "
            f"{prior!r}."
        )
    columns = column_names(prior)
    return prior, None if columns is None else columns.tolist()


def _predict(model, X):
    """Return what a classifier predicts for X, and its classes."""
    classes = getattr(model, "classes_", None)
    if classes is None:
        raise NotFittedError(
            f"The prior {model!r} has predict_proba but no classes_: fit it before it is used as a "
            "prior. A grid over prior__prior hands on clones, which are not fitted: search over "
            "whole penalties instead, {'prior': [KLToPrior(a), KLToPrior(b)]}."
        )
    proba, names = model.predict_proba(X), np.asarray(classes).tolist()
    if np.ndim(proba) != 2 or np.shape(proba)[1] != len(names):
        raise ValueError(
            f"predict_proba of the prior returned shape {np.shape(proba)}, but the prior has "
            f"{len(names)} classes. It must return one column per entry of classes_."
        )
    return proba, names


def _check_rows(proba, n_samples):
    """Return the prior as an array whose rows are distributions, one for each sample or for all."""
    proba = check_array(proba, dtype=[np.float64, np.float32], ensure_2d=False, input_name="prior")
    if proba.ndim == 2 and len(proba) != n_samples:
        raise ValueError(
            f"prior has {len(proba)} rows, but there are {n_samples} rows to train on. The rows of "
            "a matrix belong to the rows of X, and cross_validate, GridSearchCV and other tools "
            "that train on some of the rows do not split it along: there, pass a fitted classifier "
            "as prior."
        )
    return check_distributions(
        proba, "prior", hint="How much the prior counts is said by strength."
    )


def _columns(names, proba, classes):
    """Return where the prior's columns belong among the classes."""
    if names is None:
        if proba.shape[-1] != len(classes):
            raise ValueError(
                f"prior has {proba.shape[-1]} probabilities in a row, but there are "
                f"{len(classes)} classes: {classes[:10].tolist()}. Give one for each class in this "
                "order, or a dict or DataFrame that names the classes."
            )
        return slice(None)
    return name_columns(names, classes, "prior")
