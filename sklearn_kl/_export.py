"""Export: a fitted classifier as scikit-learn's LogisticRegression, which other tools can read."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import check_is_fitted


def to_logistic_regression(clf: Any) -> LogisticRegression:
    """Return a fitted LogisticRegression with the probabilities of a fitted classifier.

    Exporters to ONNX or PMML and other tools that know
    :class:`sklearn.linear_model.LogisticRegression` can then serve a model that was trained on
    distributions or vote counts.

    Parameters
    ----------
    clf : KLClassifier
        Fitted classifier with the linear model.

    Returns
    -------
    LogisticRegression
        Fitted, with copies of the coefficients. Its `classes_` are sorted, as scikit-learn's
        metrics and scorers assume. Where those of `clf` are not, being the column names of a
        DataFrame, the columns of the probabilities are in another order than those of `clf`.

    Raises
    ------
    TypeError
        If `clf` has no linear coefficients.

    Notes
    -----
    `C`, `fit_intercept`, `class_weight`, `tol` and `max_iter` are passed on, so that a clone of the
    result is the nearest that LogisticRegression can fit to labels; `tol` has another unit there.
    `l1_ratio` is not passed on, since the default solver there takes none.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kl import KLClassifier
    >>> from sklearn_kl._export import to_logistic_regression
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> votes = np.array([[6, 0], [4, 2], [1, 5], [0, 6]])
    >>> clf = KLClassifier().fit(X, votes)
    >>> model = to_logistic_regression(clf)
    >>> model
    LogisticRegression(...)
    >>> bool(np.allclose(model.predict_proba(X), clf.predict_proba(X), rtol=0, atol=1e-12))
    True
    """
    check_is_fitted(clf)
    if not all(hasattr(clf, name) for name in ("coef_", "intercept_", "classes_")):
        raise TypeError(
            "to_logistic_regression needs a fitted KLClassifier with the linear model, got "
            f"{clf!r}. For a pipeline, pass its last step."
        )
    model = LogisticRegression(
        # KLClassifierCV stores the C that it chose as C_.
        C=clf.C_ if hasattr(clf, "C_") else clf.C,
        fit_intercept=getattr(clf.model_, "fit_intercept", True),
        class_weight=clf.class_weight,
        tol=clf.tol,
        max_iter=clf.max_iter,
    )
    model.coef_, model.intercept_, model.classes_ = _sort_classes(clf)
    model.n_iter_ = np.array([clf.n_iter_], dtype=np.int32)
    model.n_features_in_ = clf.n_features_in_
    if hasattr(clf, "feature_names_in_"):
        model.feature_names_in_ = clf.feature_names_in_.copy()
    return model


def _sort_classes(clf):
    """Return copies of coefficients, intercepts and classes, the classes sorted."""
    order = np.argsort(clf.classes_, kind="stable")
    coef = clf.coef_.toarray() if sp.issparse(clf.coef_) else clf.coef_
    if len(coef) > 1:
        return coef[order], clf.intercept_[order], clf.classes_[order]
    # One logit, that of the second class: swapping the classes changes its sign.
    sign = 1 if order[0] == 0 else -1
    return sign * coef, sign * clf.intercept_, clf.classes_[order]
