"""Scorers: the metrics in the form that scikit-learn's model selection calls."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import get_scorer as _get_sklearn_scorer
from sklearn.metrics import get_scorer_names as _get_sklearn_scorer_names

from sklearn_kl._data import simplex
from sklearn_kl._data.classes import find_columns
from sklearn_kl._data.encode import column_names, encode_targets
from sklearn_kl._data.rows import check_row_order
from sklearn_kl._data.targets import LabelTargets, Targets
from sklearn_kl._sklearn import RequestMethod, _BaseScorer
from sklearn_kl._typing import MatrixLike
from sklearn_kl.metrics._label_distribution import (
    canberra_rows,
    chebyshev_rows,
    clark_rows,
    cosine_rows,
    intersection_rows,
)
from sklearn_kl.metrics._ordered import (
    manhattan_rows,
    ordered_mean,
    ranked_probability_rows,
    wasserstein_rows,
)
from sklearn_kl.metrics._pairs import (
    check_proba,
    check_same_rows,
    explained_divergence,
    mean_divergence,
)


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a classifier predicts, and the class of each column.

    Parameters
    ----------
    proba : ndarray of shape (n_samples, n_classes)
        Probabilities.
    classes : ndarray of shape (n_classes,)
        The classes_ of the classifier.
    source : str
        What error messages call the classifier.
    """

    proba: np.ndarray
    classes: np.ndarray
    source: str


class ProbabilityScorer(_BaseScorer):
    """Score of a classifier's predicted probabilities; the greater the better.

    The columns of ``estimator.predict_proba(X)`` belong to ``estimator.classes_``, in that order.

    - `y_true` of labels is matched with the classes, whichever of them it holds.
    - A DataFrame is matched by its column names, which must include all classes.
    - Any other matrix has one column per class, in the order of the classes.
    - A label or column name that is not among the classes, such as one that was absent from the
      training fold, is predicted with probability zero: the score is minus infinity if it has
      mass. A stratified splitter avoids such folds.

    Parameters
    ----------
    estimator : classifier
        Fitted classifier, or Pipeline or search that ends in one, with ``predict_proba`` and
        ``classes_``.
    X : array-like of shape (n_samples, n_features)
        Data to predict.
    y_true : array-like of shape (n_samples,) or (n_samples, n_classes)
        Labels; or distributions or vote counts as an array, a sparse matrix or a DataFrame.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows, which multiply their mass.
    target_proba : array-like of shape (n_samples, n_classes), default=None
        Distributions or vote counts to judge by instead of `y_true`, which then is not read. With
        metadata routing enabled, ``set_score_request(target_proba=True)`` on a copy, as of
        `get_scorer`, has scikit-learn pass it, and `sample_weight` likewise.

    Returns
    -------
    float
        The score.

    Raises
    ------
    AttributeError
        If the estimator has no ``predict_proba``.
    TypeError
        If the classes are strings for `y_true` and numbers for the estimator, or the reverse.
    ValueError
        If the columns of a matrix do not match the classes, and in the cases of
        `cross_entropy_loss`.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_kl.metrics import neg_cross_entropy_scorer
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], ["no", "yes", "no", "yes"]
    >>> model = LogisticRegression().fit(X, y)
    >>> round(neg_cross_entropy_scorer(model, X, y), 3)
    -0.611

    The probabilities can be judged by votes too, one column for each class of the model.

    >>> votes = [[5, 0], [3, 2], [2, 3], [0, 5]]
    >>> round(neg_cross_entropy_scorer(model, X, votes), 3)
    -0.544
    """

    # scikit-learn 1.6 does not look at the signature for what a scorer may request.
    __metadata_request__score = {"sample_weight": None, "target_proba": None}

    def __init__(self, name: str, value: Callable, sign: int):
        """Make the scorer `name` of sign * value(Targets, ndarray of probabilities)."""
        super().__init__(
            partial(score_prediction, value), sign, kwargs={}, response_method="predict_proba"
        )
        self._name = name

    def __repr__(self) -> str:
        return f"get_scorer({self._name!r})"

    def __call__(
        self,
        estimator: Any,
        X: Any,
        y_true: MatrixLike,
        *,
        sample_weight: ArrayLike | None = None,
        target_proba: MatrixLike | None = None,
    ) -> float:
        """Score an estimator, with or without metadata routing; see the class."""
        return self._score(
            None, estimator, X, y_true, sample_weight=sample_weight, target_proba=target_proba
        )

    def _score(self, method_caller, estimator, X, y_true, **metadata):
        # Without method_caller: what it caches is one column for two classes, and the pos_label of
        # another scorer decides which.
        check_row_order(X=X, y_true=y_true, **metadata)
        prediction = predict(estimator, X)
        # The sum turns a perfect score of -0.0 into 0.0.
        return self._sign * self._score_func(y_true, prediction, **metadata) + 0.0


# _BaseScorer's own method forgets what an earlier call requested, and takes unknown names. Assigned
# here since scikit-learn 1.9 replaces a RequestMethod that it finds in the body of a class.
ProbabilityScorer.set_score_request = RequestMethod("score", ["sample_weight", "target_proba"])


def predict(estimator: Any, X: Any) -> Prediction:
    """Return the Prediction of a fitted classifier."""
    source = type(estimator).__name__
    if not hasattr(estimator, "predict_proba"):
        raise AttributeError(
            f"{source} has no predict_proba, which this scorer needs. Wrap the classifier in "
            "CalibratedClassifierCV, or set the parameter that enables probabilities."
        )
    y_proba = estimator.predict_proba(X)
    if isinstance(y_proba, list):
        raise ValueError(
            f"predict_proba of {source} gives a list of {len(y_proba)} arrays: it was fitted on a "
            "matrix and took every column for a target of its own. Fit it on labels, or use a "
            "classifier that trains on distributions."
        )
    y_proba = check_proba(y_proba, name=f"the predict_proba of {source}")
    classes = getattr(estimator, "classes_", None)
    if classes is None or len(classes) != y_proba.shape[1]:
        found = "no classes_" if classes is None else f"{len(classes)} classes_"
        raise ValueError(
            f"{source} predicts the probabilities of {y_proba.shape[1]} classes, but has {found}. "
            "A classifier needs the attribute classes_, the class of each column."
        )
    return Prediction(y_proba, np.asarray(classes), source)


def score_prediction(
    value: Callable,
    y_true: Any,
    y_proba: Prediction,
    *,
    sample_weight: Any = None,
    target_proba: Any = None,
) -> float:
    """Evaluate a function of targets and probabilities on a Prediction.

    Parameters
    ----------
    value : callable
        Function of Targets and ndarray of shape (n_samples, n_classes) that returns a float.
    y_true : array-like of shape (n_samples,) or (n_samples, n_classes)
        Labels, distributions or counts.
    y_proba : Prediction
        Named as in scikit-learn, which takes the other arguments for metadata.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows.
    target_proba : array-like of shape (n_samples, n_classes), default=None
        Distributions or counts that replace y_true.

    Returns
    -------
    float
    """
    name = "y_true"
    if target_proba is not None:
        name, y_true = "target_proba", _check_matrix(target_proba)
    targets = match_classes(y_true, y_proba, sample_weight=sample_weight, name=name)
    check_same_rows(targets, y_proba.proba, name)
    n_unknown = targets.n_classes - len(y_proba.classes)
    if n_unknown == 0:
        return value(targets, y_proba.proba)
    return value(targets, np.pad(y_proba.proba, [(0, 0), (0, n_unknown)]))


def match_classes(y_true: Any, prediction: Prediction, *, sample_weight: Any, name: str) -> Targets:
    """Return Targets over the classes of a prediction, followed by those it does not know."""
    names = column_names(y_true)
    if names is not None and len(names) > 1:
        classes = _append_unknown(prediction, names, name)
        return encode_targets(y_true, classes=classes, sample_weight=sample_weight, name=name)
    targets = encode_targets(y_true, sample_weight=sample_weight, name=name)
    if isinstance(targets, LabelTargets):
        classes = _append_unknown(prediction, targets.classes, name)
        columns = find_columns(targets.classes, classes)
        return replace(targets, classes=classes, codes=columns[targets.codes])
    if targets.n_classes != len(prediction.classes):
        raise ValueError(
            f"{name} has {targets.n_classes} columns, but {prediction.source} knows "
            f"{len(prediction.classes)} classes: {prediction.classes[:10].tolist()}. Pass a "
            "DataFrame whose column names are the classes if a class may be absent from the data "
            "that a model was fitted on, as in a fold of a cross-validation."
        )
    return replace(targets, classes=prediction.classes)


def _append_unknown(prediction, labels, name):
    """Return the classes of a prediction, followed by the labels that are not among them."""
    unknown = find_columns(labels, prediction.classes) < 0
    if not unknown.any():
        return prediction.classes
    classes = [*prediction.classes.tolist(), *labels.tolist()]
    if len({isinstance(label, str) for label in classes}) > 1:
        raise TypeError(
            f"The classes of {name} are {labels[:10].tolist()}, but those of {prediction.source} "
            f"are {prediction.classes[:10].tolist()}: strings and numbers never match. Convert "
            f"{name} to the type of the labels that the model was fitted on; if that was a matrix "
            "without column names, name them, as pandas.DataFrame(counts, columns=names) does."
        )
    return np.concatenate([prediction.classes, labels[unknown]])


def _check_matrix(target_proba):
    """Raise for target_proba that is not a matrix with a column for every class."""
    shape = np.shape(target_proba)
    if len(shape) != 2 or shape[1] < 2:
        raise ValueError(
            f"target_proba has shape {shape}, but must be a matrix with one column per class. Pass "
            "labels as y instead."
        )
    return target_proba


neg_cross_entropy_scorer = ProbabilityScorer(
    "neg_cross_entropy", partial(mean_divergence, simplex.cross_entropy), sign=-1
)
neg_kl_divergence_scorer = ProbabilityScorer(
    "neg_kl_divergence", partial(mean_divergence, simplex.kl_divergence), sign=-1
)
d2_kl_scorer = ProbabilityScorer("d2_kl", explained_divergence, sign=1)

# The other measures of the literature on label distributions: by name only.
_LABEL_DISTRIBUTION = (
    ("neg_chebyshev_distance", chebyshev_rows, -1),
    ("neg_clark_distance", clark_rows, -1),
    ("neg_canberra_distance", canberra_rows, -1),
    ("cosine_similarity", cosine_rows, 1),
    ("intersection_similarity", intersection_rows, 1),
)

# Measures of classes with an order, and the one beside them that knows none.
_ORDERED = (
    ("neg_wasserstein_distance", partial(ordered_mean, wasserstein_rows)),
    ("neg_ranked_probability_score", partial(ordered_mean, ranked_probability_rows)),
    ("neg_manhattan_distance", partial(mean_divergence, manhattan_rows)),
)

_SCORERS = {
    scorer._name: scorer
    for scorer in (
        neg_cross_entropy_scorer,
        neg_kl_divergence_scorer,
        d2_kl_scorer,
        *(
            ProbabilityScorer(name, partial(mean_divergence, rows), sign)
            for name, rows, sign in _LABEL_DISTRIBUTION
        ),
        *(ProbabilityScorer(name, value, -1) for name, value in _ORDERED),
    )
}


def get_scorer(scoring: str | Callable | None) -> Callable:
    """Get a scorer by its name, from this package or from scikit-learn.

    Parameters
    ----------
    scoring : str, callable or None
        "neg_cross_entropy", "neg_kl_divergence", "d2_kl", "neg_chebyshev_distance",
        "neg_clark_distance", "neg_canberra_distance", "cosine_similarity",
        "intersection_similarity", "neg_wasserstein_distance", "neg_ranked_probability_score",
        "neg_manhattan_distance", or what `sklearn.metrics.get_scorer` takes.

    Returns
    -------
    callable
        ``scorer(estimator, X, y_true)``. A name, or a scorer of this package, gives a new copy
        every time, so that ``set_score_request`` on it changes no other scorer.

    Raises
    ------
    ValueError
        If neither knows the name.

    See Also
    --------
    get_scorer_names : The names.

    Notes
    -----
    A string passed as ``scoring`` to GridSearchCV and other tools of scikit-learn is looked up
    among its own names alone: pass the scorer that this function returns, as below. KLClassifierCV
    takes the names.

    The scorers of this module, such as `neg_kl_divergence_scorer`, are one object for everybody who
    imports them: request metadata of a copy, as in
    ``get_scorer("neg_kl_divergence").set_score_request(target_proba=True)``.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn_kl.metrics import get_scorer
    >>> X, y = load_iris(return_X_y=True)
    >>> scoring = {name: get_scorer(name) for name in ("neg_cross_entropy", "accuracy")}
    >>> grid = {"C": [0.1, 1.0]}
    >>> search = GridSearchCV(
    ...     LogisticRegression(max_iter=1000), grid, scoring=scoring, refit="neg_cross_entropy"
    ... )
    >>> search.fit(X, y).best_params_
    {'C': 1.0}
    """
    if isinstance(scoring, str) and scoring in _SCORERS:
        scoring = _SCORERS[scoring]
    if isinstance(scoring, ProbabilityScorer):
        return copy.deepcopy(scoring)
    try:
        return _get_sklearn_scorer(scoring)
    except ValueError as error:
        raise ValueError(
            f"{scoring!r} is not a scorer or the name of one. sklearn_kl has {list(_SCORERS)}; "
            "sklearn_kl.metrics.get_scorer_names() also lists those of scikit-learn."
        ) from error


def get_scorer_names() -> list[str]:
    """List the names that `get_scorer` knows.

    Returns
    -------
    list of str
        Sorted names of this package's scorers and of scikit-learn's.

    See Also
    --------
    get_scorer : The scorer of a name.

    Examples
    --------
    >>> from sklearn_kl.metrics import get_scorer_names
    >>> "d2_kl" in get_scorer_names()
    True
    """
    return sorted([*_SCORERS, *_get_sklearn_scorer_names()])
