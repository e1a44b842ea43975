"""Out-of-fold predictions that hand every kind of target through to the estimator."""

from typing import Any

import numpy as np
import sklearn
from sklearn.base import clone, is_classifier
from sklearn.utils import Bunch, indexable
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.parallel import Parallel, delayed

from sklearn_kl._data.classes import spread_columns
from sklearn_kl._data.encode import plain_labels, resolve_targets
from sklearn_kl._data.rows import check_row_order, take_param_rows, take_rows
from sklearn_kl._data.targets import MatrixTargets
from sklearn_kl.model_selection._split import make_splitter

# What a class gets that the training rows of a fold do not have.
_ABSENT = {"predict_proba": 0.0, "predict_log_proba": -np.inf}
_METHODS = ("predict_proba", "predict_log_proba", "decision_function", "predict")


def cross_val_predict(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    cv: Any = None,
    method: str = "predict_proba",
    n_jobs: int | None = None,
    params: dict[str, Any] | None = None,
    groups: Any = None,
) -> np.ndarray:
    """Predict every row by a clone of the estimator that was trained without it.

    The estimator sees `y` as it is. :func:`sklearn.model_selection.cross_val_predict` replaces
    every column of a matrix `y` by the ranks of its values, and labels by integers, before it fits.

    Parameters
    ----------
    estimator : classifier
        With `fit` and `method`. It is cloned.
    X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
        Features.
    y : array-like of shape (n_samples,) or {array-like, sparse matrix} of shape \
            (n_samples, n_classes)
        Labels, distributions or counts.
    cv : int, splitter or iterable of splits, default=None
        Every row must be tested on exactly once. A number of folds, 5 for None, means
        SoftStratifiedKFold for a matrix, and scikit-learn's StratifiedKFold for labels, both
        without shuffling.
    method : {"predict_proba", "predict_log_proba", "decision_function", "predict"}, \
            default="predict_proba"
        What to call on the test rows.
    n_jobs : int, default=None
        Number of processes that fit folds, as for :class:`joblib.Parallel`. None means 1 unless in
        a joblib context; -1 means all processors.
    params : dict, default=None
        Arguments of `fit`, such as ``sample_weight`` or ``target_proba``; those with one entry per
        row are split. With metadata routing enabled they go to whom asked for them.
    groups : array-like of shape (n_samples,), default=None
        Groups of rows for the splitter; with metadata routing enabled part of `params`.

    Returns
    -------
    ndarray of shape (n_samples, n_classes) or (n_samples,)
        Predictions in the order of the rows. Columns belong to the sorted labels of `y`, the
        column names of a DataFrame, or the columns of a matrix; likewise for a ``target_proba`` in
        `params`. A class that the training rows of a fold lack has the probability zero.

    Raises
    ------
    ValueError
        If `method` is unknown, the splits do not test on every row once, the estimator knows
        classes that `y` does not, or, for ``method="decision_function"``, does not know them all.
    TypeError
        If the estimator takes the columns of `y` for outputs of their own.

    See Also
    --------
    SoftStratifiedKFold : The default splitter for a matrix.
    sklearn_kl.labels.ReplicatedRows : Trains classifiers that only know labels on a matrix.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kl import KLClassifier
    >>> from sklearn_kl.model_selection import cross_val_predict
    >>> X = np.arange(10.0)[:, None]
    >>> votes = np.column_stack([10 - np.arange(10), np.arange(10)])
    >>> cross_val_predict(KLClassifier(), X, votes)[:2].round(2)
    array([[0.91, 0.09],
           [0.86, 0.14]])
    """
    if method not in _METHODS:
        raise ValueError(f"method must be one of {', '.join(_METHODS)}, got {method!r}.")
    check_row_order(**{"X": X, "y": y, "groups": groups} | (params or {}))
    X, y, groups = indexable(X, y, groups)
    params = {} if params is None else params
    targets = resolve_targets(y, params.get("target_proba"))
    matrix = isinstance(targets, MatrixTargets) and params.get("target_proba") is None
    splitter = make_splitter(cv, matrix=matrix, classifier=is_classifier(estimator))
    routed = _route(estimator, splitter, params, groups)
    labels = y if isinstance(targets, MatrixTargets) else plain_labels(targets)
    splits = list(splitter.split(X, labels, **routed.splitter.split))
    tested = np.concatenate([test for _, test in splits])
    if not np.array_equal(np.sort(tested), np.arange(targets.n_samples)):
        raise ValueError(
            "The splits of cv do not test on every row exactly once, as cross_val_predict needs. "
            "Use folds, such as SoftStratifiedKFold, in place of random or repeated splits."
        )
    predictions = Parallel(n_jobs=n_jobs)(
        delayed(_fit_and_predict)(
            clone(estimator), X, y, train, test, method=method, fit_params=routed.estimator.fit
        )
        for train, test in splits
    )
    if method != "predict":
        parts = [_align(part, known, targets.classes, method) for part, known in predictions]
    else:
        parts = [part for part, _ in predictions]
    predicted = np.concatenate(parts)
    in_order = np.empty_like(predicted)
    in_order[tested] = predicted
    return in_order


def _route(estimator, splitter, params, groups):
    """Return what `estimator.fit` and `splitter.split` are to be given."""
    if not sklearn.get_config()["enable_metadata_routing"]:
        return Bunch(estimator=Bunch(fit=params), splitter=Bunch(split={"groups": groups}))
    if groups is not None:
        raise ValueError(
            "With metadata routing enabled, pass groups in params: params={'groups': groups}."
        )
    router = MetadataRouter(owner="cross_val_predict")
    router.add(splitter=splitter, method_mapping=MethodMapping().add(caller="fit", callee="split"))
    router.add(estimator=estimator, method_mapping=MethodMapping().add(caller="fit", callee="fit"))
    return process_routing(router, "fit", **params)


def _fit_and_predict(estimator, X, y, train, test, *, method, fit_params):
    """Fit to the training rows; return predictions for the test rows and the classes they know."""
    n_samples = X.shape[0] if hasattr(X, "shape") else len(X)
    fit_params = {
        name: take_param_rows(value, train, n_samples) for name, value in fit_params.items()
    }
    estimator.fit(take_rows(X, train), take_rows(y, train), **fit_params)
    predicted = getattr(estimator, method)(take_rows(X, test))
    if isinstance(predicted, list) or (method == "predict" and np.ndim(predicted) != 1):
        raise TypeError(
            f"{type(estimator).__name__} takes the columns of y for outputs of their own, not for "
            "one distribution. Wrap it: ReplicatedRows(classifier) of sklearn_kl.labels."
        )
    return np.asarray(predicted), getattr(estimator, "classes_", None)


def _align(columns, known, classes, method):
    """Return predictions with a column for every class, from those of the known classes."""
    if method not in _ABSENT and not np.array_equal(known, classes):
        raise ValueError(
            f"The training rows of a fold lack classes: it knows {known[:10].tolist()}, and y has "
            f"{classes[:10].tolist()}. {method} has no value for the others: use "
            "method='predict_proba', or fewer folds."
        )
    return spread_columns(columns, known, classes, _ABSENT.get(method, np.nan))
