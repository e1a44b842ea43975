"""ReplicatedRows: train any classifier with sample weights on distributions or counts."""

from typing import Any, Self

import numpy as np
import sklearn
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils import check_consistent_length, get_tags
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    get_routing_for_object,
    process_routing,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from sklearn_kl._data.classes import find_columns, spread_columns
from sklearn_kl._data.encode import expected_accuracy, resolve_targets
from sklearn_kl._data.rows import check_row_order, take_param_rows, take_rows
from sklearn_kl._data.targets import LabelTargets
from sklearn_kl._typing import MatrixLike


def _classifier_has(name):
    """Return a check that the wrapped classifier has a method."""

    def check(self):
        getattr(getattr(self, "classifier_", self.classifier), name)
        return True

    return check


class ReplicatedRows(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """Train any classifier that takes sample weights on distributions or vote counts.

    A row with the strengths ``Y_ik`` becomes one row for every class k with ``Y_ik > 0``, labelled
    k and with the sample weight ``w_i * Y_ik``. For a classifier whose loss is a weighted sum over
    rows, such as a log loss, this is exactly the loss of the distributions. Labels are passed on
    as they are.

    Parameters
    ----------
    classifier : classifier
        Its ``fit`` takes ``sample_weight``, unless there are only labels. It is cloned.

    Attributes
    ----------
    classifier_ : classifier
        The fitted clone. Its classes are those with mass.
    classes_ : ndarray of shape (n_classes,)
        Class of every column of the probabilities: the sorted labels, a DataFrame's column names,
        or ``arange(n_classes)``.
    n_features_in_ : int
        Number of features seen in fit, if the classifier tells.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if the classifier tells.

    See Also
    --------
    sklearn_kl.KLClassifier : Trains on distributions directly, without copies of rows.

    Notes
    -----
    Anything that counts rows counts the copies: `min_samples_leaf` of trees, a bootstrap, and an
    early stopping or calibration that splits the rows by itself, where copies of one row come to
    both sides. Inside a Pipeline put it last, around the classifier alone, so that transformers see
    every row once.

    Examples
    --------
    >>> from sklearn.ensemble import GradientBoostingClassifier
    >>> from sklearn_kl.labels import ReplicatedRows
    >>> X = [[0.0], [1.0], [2.0], [3.0]]
    >>> votes = [[6, 0], [4, 2], [1, 5], [0, 6]]
    >>> model = ReplicatedRows(GradientBoostingClassifier(random_state=0)).fit(X, votes)
    >>> model.predict_proba([[1.0]]).round(2)
    array([[0.67, 0.33]])
    """

    def __init__(self, classifier: Any):
        self.classifier = classifier

    def fit(
        self,
        X: Any,
        y: MatrixLike,
        sample_weight: ArrayLike | None = None,
        target_proba: MatrixLike | None = None,
        **fit_params: Any,
    ) -> Self:
        """Fit a clone of the classifier to the replicated rows.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Whatever the classifier takes.
        y : array-like of shape (n_samples,) or {array-like, sparse matrix} of shape \
                (n_samples, n_classes)
            Labels, or a matrix of distributions or vote counts. A row of zeros is left out.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative factors of the rows.
        target_proba : {array-like, sparse matrix} of shape (n_samples, n_classes), default=None
            Distributions or counts to train on in place of `y`, which must then be labels. An
            array has one column per sorted label of `y`; a DataFrame names its classes.
        **fit_params : dict
            Passed to the classifier's ``fit``; those with one entry per row are replicated, too.
            With metadata routing enabled, those that it requested.

        Returns
        -------
        self : ReplicatedRows
            Fitted estimator.

        Raises
        ------
        ValueError
            If y holds NaN, infinite or negative values, or all rows weigh nothing.
        TypeError
            If the classifier takes no sample weights but they are needed.
        """
        check_row_order(X=X, y=y, target_proba=target_proba, sample_weight=sample_weight)
        targets = resolve_targets(y, target_proba, sample_weight=sample_weight)
        check_consistent_length(X, targets.mass)
        if sklearn.get_config()["enable_metadata_routing"]:
            fit_params = process_routing(self, "fit", **fit_params).classifier.fit
        if isinstance(targets, LabelTargets) and sample_weight is None:
            labels = targets.classes[targets.codes]
            self.classifier_ = clone(self.classifier).fit(X, labels, **fit_params)
        else:
            self._check_takes_weights()
            rows, codes, weight = targets.entries()
            fit_params = {
                name: take_param_rows(value, rows, targets.n_samples)
                for name, value in fit_params.items()
            }
            self.classifier_ = clone(self.classifier).fit(
                take_rows(X, rows), targets.classes[codes], sample_weight=weight, **fit_params
            )
        self.classes_ = targets.classes
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.classifier_, name):
                setattr(self, name, getattr(self.classifier_, name))
        return self

    def predict(self, X: Any) -> NDArray:
        """Class that the classifier predicts.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples,)
            Entries of `classes_`.
        """
        check_is_fitted(self)
        return self.classifier_.predict(X)

    @available_if(_classifier_has("predict_proba"))
    def predict_proba(self, X: Any) -> NDArray:
        """Probability of every class; zero for a class that had no mass.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        check_is_fitted(self)
        return self._for_all_classes(self.classifier_.predict_proba(X), 0.0)

    @available_if(_classifier_has("predict_log_proba"))
    def predict_log_proba(self, X: Any) -> NDArray:
        """Logarithm of the probability of every class; minus infinity for one without mass.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Nats; columns in the order of `classes_`.
        """
        check_is_fitted(self)
        return self._for_all_classes(self.classifier_.predict_log_proba(X), -np.inf)

    def score(self, X: Any, y: MatrixLike, sample_weight: ArrayLike | None = None) -> float:
        """Accuracy; for a matrix of targets, the probability they give to the predicted class.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,) or {array-like, sparse matrix} of shape \
                (n_samples, n_classes)
            Labels, distributions or counts.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative factors of the rows.

        Returns
        -------
        float
            Between 0 and 1; greater is better.
        """
        check_row_order(X=X, y=y, sample_weight=sample_weight)
        codes = find_columns(self.predict(X), self.classes_)
        return expected_accuracy(y, codes, self.classes_, sample_weight)

    def get_metadata_routing(self) -> MetadataRouter:
        """Say what metadata this estimator and the classifier request.

        Returns
        -------
        MetadataRouter
            As of scikit-learn's meta-estimators. The classifier need not request `sample_weight`:
            it is given the weights of the replicated rows in any case.
        """
        request = get_routing_for_object(self.classifier)
        fit_request = getattr(request, "fit", None)
        if fit_request is not None and fit_request.requests.get("sample_weight", True) is None:
            fit_request.add_request(param="sample_weight", alias=True)
        mapping = MethodMapping().add(caller="fit", callee="fit")
        router = MetadataRouter(owner=type(self).__name__).add_self_request(self)
        return router.add(classifier=request, method_mapping=mapping)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = get_tags(self.classifier)
        tags.input_tags = inner.input_tags
        if inner.classifier_tags is not None:
            tags.classifier_tags.poor_score = inner.classifier_tags.poor_score
            tags.classifier_tags.multi_class = inner.classifier_tags.multi_class
        tags.non_deterministic = inner.non_deterministic
        return tags

    def _check_takes_weights(self):
        if not has_fit_parameter(self.classifier, "sample_weight"):
            name = type(self.classifier).__name__
            raise TypeError(
                f"{name}.fit takes no sample_weight, by which ReplicatedRows trains on "
                "distributions, counts and weights. Use a classifier that takes it; in a Pipeline, "
                "put ReplicatedRows around the last step."
            )

    def _for_all_classes(self, columns, absent):
        """Return the classifier's columns in the places of `classes_`."""
        return spread_columns(columns, self.classifier_.classes_, self.classes_, absent)
