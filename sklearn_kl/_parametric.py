"""ParametricClassifier: what a fitted model predicts, whoever fitted it."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from scipy.sparse import csr_array, issparse
from scipy.special import expit, log_expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sklearn_kl._data.features import validate_features
from sklearn_kl._data.lanes import deal_lanes
from sklearn_kl._data.simplex import log_softmax
from sklearn_kl._export import to_logistic_regression
from sklearn_kl._typing import MatrixLike
from sklearn_kl.models._names import MODELS, make_model

# Rows whose logits overflow are brought nearer in steps by this factor.
_STEP = 2.0**-16
_MAX_STEPS = 128


def _has_coef(clf):
    """Say whether the model is linear in the features; an attribute error tells what it is.

    Parameters may have been set since a fit: what was fitted counts.
    """
    fitted = getattr(clf, "model_", None)
    model = make_model(clf.model, clf.fit_intercept) if fitted is None else fitted
    if not model.linear_in_features:
        found = clf.model if fitted is None else fitted
        raise AttributeError(f"Only linear models have coef_, and this one is {found!r}.")
    return True


class ParametricClassifier(ClassifierMixin, BaseEstimator):
    """Classifier that predicts from the fitted attributes `model_`, `classes_` and parameters."""

    model: Any
    fit_intercept: bool
    model_: Any
    classes_: np.ndarray
    coef_: Any
    intercept_: np.ndarray
    theta_: np.ndarray
    n_features_in_: int
    feature_names_in_: np.ndarray
    n_iter_: int
    cross_entropy_: float
    target_entropy_: float
    kl_divergence_: float
    optimality_gap_: float | None
    loss_path_: np.ndarray
    converged_: bool

    def decision_function(self, X: MatrixLike) -> np.ndarray:
        """Logits of every class, or of the second class if there are two.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            Logits; positive means the second class if there are two.
        """
        check_is_fitted(self)
        X = validate_features(self, X)
        # What overflows is found and mended below.
        with np.errstate(over="ignore", invalid="ignore"):
            if issparse(getattr(self, "coef_", None)):
                logits = safe_sparse_dot(X, self.coef_.T, dense_output=True) + self.intercept_
            else:
                logits = self._compute_logits(X)
            beyond = np.flatnonzero(~np.isfinite(logits).all(axis=1))
            if beyond.size:
                logits[beyond] = self._compute_far_logits(X[beyond])
        return logits[:, 0] if self.model_.n_logits == 1 else logits

    def predict_proba(self, X: MatrixLike) -> np.ndarray:
        """Probability of every class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`; rows sum to one.
        """
        logits = self.decision_function(X)
        return self._to_proba(logits[:, None] if logits.ndim == 1 else logits)

    def _to_proba(self, logits: np.ndarray) -> np.ndarray:
        """Probabilities of every class, from logits of shape (n_samples, n_logits)."""
        if self.model_.n_logits == 1:
            return np.column_stack([expit(-logits[:, 0]), expit(logits[:, 0])])
        return np.exp(log_softmax(logits))

    def predict_log_proba(self, X: MatrixLike) -> np.ndarray:
        """Logarithm of the probability of every class, finite where the probability underflows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Nats; columns in the order of `classes_`.
        """
        logits = self.decision_function(X)
        if logits.ndim == 1:
            return np.column_stack([log_expit(-logits), log_expit(logits)])
        return log_softmax(logits)

    def predict(self, X: MatrixLike) -> np.ndarray:
        """Most probable class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples,)
            Entries of `classes_`.
        """
        codes = self._predict_codes(X)
        return self.classes_[codes]

    @available_if(_has_coef)
    def sparsify(self) -> Self:
        """Turn `coef_` into a sparse matrix, which the L1 penalty makes small.

        Returns
        -------
        self : KLClassifier
            Fitted estimator, which predicts the same.
        """
        check_is_fitted(self)
        self.coef_ = csr_array(self.coef_)
        return self

    @available_if(_has_coef)
    def densify(self) -> Self:
        """Turn a sparse `coef_` back into an array.

        Returns
        -------
        self : KLClassifier
            Fitted estimator.
        """
        check_is_fitted(self)
        self.coef_ = self._dense_coef()
        return self

    @available_if(_has_coef)
    def to_logistic_regression(self) -> LogisticRegression:
        """Return a fitted LogisticRegression that predicts the same probabilities.

        Whatever knows scikit-learn's own estimators, such as converters to ONNX or PMML, can then
        serve the model.

        Returns
        -------
        sklearn.linear_model.LogisticRegression
            With sorted `classes_`, as scikit-learn's tools assume; where the columns of a
            DataFrame were in another order, the columns of the probabilities move along.
        """
        return to_logistic_regression(self)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        # Classes without an order are more than a model of ordered ones can learn.
        model = MODELS.get(self.model) if isinstance(self.model, str) else self.model
        tags.classifier_tags.poor_score = getattr(model, "ordered", False)
        return tags

    def _last_theta(self):
        """Parameters of the last fit."""
        attributes = dict(vars(self))
        if issparse(attributes.get("coef_")):
            attributes["coef_"] = self._dense_coef()
        return self.model_.theta_from(attributes)

    def _compute_logits(self, X):
        """Logits of all rows, shape (n_samples, n_logits), block by block to save memory."""
        model, theta = self.model_, self._last_theta()
        logits = np.empty((X.shape[0], model.n_logits), X.dtype)
        for lane in deal_lanes(X, model.row_size, model.n_params):
            for block in lane:
                logits[block.rows] = model.logits(theta, block.X).T
        return logits

    def _compute_far_logits(self, X):
        """Logits of rows so far out that they overflow: those of points on the way to zero.

        There the logits are numbers, and so large that only the direction of a row decides between
        the classes, as it does where the row is.
        """
        logits = np.full((X.shape[0], self.model_.n_logits), np.nan, X.dtype)
        left = np.arange(X.shape[0])
        for _ in range(_MAX_STEPS):
            X = X * X.dtype.type(_STEP)
            logits[left] = self._compute_logits(X)
            beyond = ~np.isfinite(logits[left]).all(axis=1)
            if not beyond.any():
                break
            X, left = X[beyond], left[beyond]
        return logits

    def _dense_coef(self):
        return self.coef_.toarray() if issparse(self.coef_) else self.coef_

    def _predict_codes(self, X):
        logits = self.decision_function(X)
        return (logits > 0).astype(int) if logits.ndim == 1 else logits.argmax(axis=1)

    def _fitted_attributes(self):
        """Return the fitted attributes by name, none before a fit."""
        params = self.get_params(deep=False)
        return {
            name: value
            for name, value in vars(self).items()
            if name.endswith("_") and not name.startswith("_") and name not in params
        }
