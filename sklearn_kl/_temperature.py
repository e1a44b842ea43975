"""TemperatureScaler: one number that makes a classifier's probabilities less or more sure."""

from numbers import Integral

import numpy as np
from scipy.optimize import brentq
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import KFold, check_cv
from sklearn.utils import check_array, check_consistent_length, get_tags, indexable
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from sklearn_kl._data.classes import spread_columns
from sklearn_kl._data.encode import encode_targets
from sklearn_kl._data.rows import take_rows
from sklearn_kl._data.simplex import log_softmax

# Far beyond what miscalibrated models need, and no end that a separable data set could run to.
_LOG_RANGE = (-np.log(20.0), np.log(20.0))


class TemperatureScaler(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    """Divide a classifier's logits by the temperature of least cross-entropy.

    With the log-probabilities ``z = log q(x)`` of a classifier, it predicts::

        softmax(z / T)

    where T minimises the cross-entropy of targets that the classifier was not fitted on: labels,
    distributions or vote counts. A temperature above 1 makes a model less sure. What is predicted
    as the most probable class does not change.

    Parameters
    ----------
    estimator : classifier
        Classifier with ``predict_proba``, fitted in `fit`. To fit the temperature alone, pass a
        fitted one as ``FrozenEstimator(estimator)``, and data that it was not fitted on.
    cv : int, splitter or iterable, default=5
        How rows are held out to find the temperature; the classifier itself is then fitted on all
        rows. A number means as many stratified folds for labels, and as many folds of rows
        shuffled with a fixed seed for a matrix. Not used with a FrozenEstimator.

    Attributes
    ----------
    temperature_ : float
        The temperature T, between 1/20 and 20. An end of this range means that the cross-entropy
        still falls there, as it does if all held-out labels are predicted right.
    estimator_ : classifier
        The classifier, fitted on all rows.
    classes_ : ndarray of shape (n_classes,)
        Class of every column of the probabilities.
    raw_cross_entropy_ : float
        Mean cross-entropy of the held-out targets before scaling, nats. Rows weigh their mass.
    cross_entropy_ : float
        The same at `temperature_`.
    n_features_in_ : int
        Number of features seen in fit, if the classifier counts them.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if they are all strings.

    See Also
    --------
    sklearn.calibration.CalibratedClassifierCV : Other maps, for labels only.
    sklearn_kl.metrics.kl_decomposition : How much of a divergence calibration can remove.

    Notes
    -----
    The cross-entropy is convex in 1/T; its derivative has one zero, which
    :func:`scipy.optimize.brentq` finds over log T.

    References
    ----------
    Guo, C., Pleiss, G., Sun, Y. and Weinberger, K. Q. (2017). On calibration of modern neural
    networks. International Conference on Machine Learning.

    Examples
    --------
    >>> from sklearn.frozen import FrozenEstimator
    >>> from sklearn_kl import KLClassifier, TemperatureScaler
    >>> from sklearn_kl.datasets import make_soft_classification
    >>> X, votes = make_soft_classification(n_samples=400, random_state=0)[:2]
    >>> overfitted = KLClassifier(C=100).fit(X[:20], votes[:20])
    >>> scaled = TemperatureScaler(FrozenEstimator(overfitted)).fit(X[20:], votes[20:])
    >>> scaled.temperature_ > 1, scaled.cross_entropy_ < scaled.raw_cross_entropy_
    (True, True)
    """

    def __init__(self, estimator, *, cv=5):
        self.estimator = estimator
        self.cv = cv

    def fit(self, X, y, sample_weight=None):
        """Fit the classifier, and the temperature on held-out rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features, in any form that the classifier takes.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels; or, if the classifier takes them, distributions or vote counts. Those are
            always taken for a FrozenEstimator.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative factors of the rows, also passed to the classifier.

        Returns
        -------
        self : TemperatureScaler
            Fitted estimator.

        Raises
        ------
        ValueError
            If a class that a held-out row has is predicted with probability zero, which no
            temperature changes; if `sample_weight` is given and the classifier does not take it.
        """
        targets = encode_targets(y, sample_weight=sample_weight)
        X, y = indexable(X, y)
        check_consistent_length(X, targets.mass)
        if isinstance(self.estimator, FrozenEstimator):
            self.estimator_ = self.estimator
        else:
            self._check_weight(sample_weight)
            self.estimator_ = _fit(self.estimator, X, y, sample_weight)
        self.classes_ = self.estimator_.classes_
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))
        targets = encode_targets(y, classes=self.classes_, sample_weight=sample_weight)
        log_proba = self._held_out(X, y, targets, sample_weight)
        strengths = targets.block(slice(None)).T
        _check_possible(log_proba, strengths, self.classes_)
        self.temperature_ = fit_temperature(log_proba, strengths)
        self.raw_cross_entropy_ = _cross_entropy(log_proba, strengths)
        scaled = log_softmax(log_proba / self.temperature_)
        self.cross_entropy_ = _cross_entropy(scaled, strengths)
        return self

    def predict_log_proba(self, X):
        """Logarithm of the scaled probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Nats; columns in the order of `classes_`.
        """
        check_is_fitted(self)
        return log_softmax(_log_proba(self.estimator_, X) / self.temperature_)

    def predict_proba(self, X):
        """Scaled probability of every class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`; rows sum to one.
        """
        return np.exp(self.predict_log_proba(X))

    def predict(self, X):
        """Most probable class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples,)
            Entries of `classes_`.
        """
        codes = self.predict_log_proba(X).argmax(axis=1)
        return self.classes_[codes]

    def score(self, X, y, sample_weight=None):
        """Score of the classifier, whose most probable class a temperature does not change.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels, or what else the classifier's score takes.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative factors of the rows.

        Returns
        -------
        float
            Accuracy, or what the classifier's score is.
        """
        check_is_fitted(self)
        return self.estimator_.score(X, y, sample_weight=sample_weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = get_tags(self.estimator).input_tags.sparse
        return tags

    def _check_weight(self, sample_weight):
        if sample_weight is None or has_fit_parameter(self.estimator, "sample_weight"):
            return
        raise ValueError(
            f"sample_weight is given, but {type(self.estimator).__name__}.fit does not take it. "
            "Fit the classifier first, and pass it as FrozenEstimator(classifier)."
        )

    def _held_out(self, X, y, targets, sample_weight):
        """Log-probabilities of all rows by models that were not fitted on them; nan where none."""
        if isinstance(self.estimator, FrozenEstimator):
            return _log_proba(self.estimator_, X)
        log_proba = np.full((targets.n_samples, targets.n_classes), -np.inf)
        seen = np.zeros(targets.n_samples, dtype=bool)
        for train, test in self._folds(X, targets):
            part = (take_rows(data, train) for data in (X, y, sample_weight))
            model = _fit(self.estimator, *part)
            predicted = _log_proba(model, take_rows(X, test))
            log_proba[test] = spread_columns(predicted, model.classes_, self.classes_, -np.inf)
            seen[test] = True
        # A row that no fold holds out, as with ShuffleSplit, says nothing about the temperature.
        log_proba[~seen] = np.nan
        return log_proba

    def _folds(self, X, targets):
        """Split the rows."""
        rows = np.zeros(targets.n_samples)
        if targets.codes is not None:
            return check_cv(self.cv, targets.codes, classifier=True).split(rows, targets.codes)
        if isinstance(self.cv, Integral):
            return KFold(self.cv, shuffle=True, random_state=0).split(rows)
        return check_cv(self.cv).split(rows)


def fit_temperature(log_proba, strengths):
    """Find the temperature of least cross-entropy.

    Parameters
    ----------
    log_proba : ndarray of shape (n_samples, n_classes)
        Log-probabilities or logits, minus infinity for a class that is ruled out; a row of nan
        counts for nothing.
    strengths : ndarray of shape (n_samples, n_classes)
        Strengths of the targets, rows of any mass.

    Returns
    -------
    float
        The temperature, within its range.
    """
    kept = (strengths.sum(axis=1) > 0) & ~np.isnan(log_proba).any(axis=1)
    logits, strengths = log_proba[kept], strengths[kept]
    logits = logits - logits.max(axis=1, keepdims=True)
    mass = strengths.sum(axis=1)
    finite = np.where(np.isfinite(logits), logits, 0.0)
    observed = float((strengths * finite).sum())

    def derivative(log_temperature):
        """Of the total cross-entropy, by the inverse of the temperature."""
        proba = np.exp(log_softmax(logits * np.exp(-log_temperature)))
        return float(mass @ (proba * finite).sum(axis=1)) - observed

    low, high = _LOG_RANGE
    if derivative(low) <= 0:
        return float(np.exp(low))
    if derivative(high) >= 0:
        return float(np.exp(high))
    return float(np.exp(brentq(derivative, low, high, xtol=1e-12)))


def _cross_entropy(log_proba, strengths):
    """Mean cross-entropy of the held-out rows, in nats."""
    kept = ~np.isnan(log_proba).any(axis=1)
    strengths = strengths[kept]
    terms = strengths * np.where(strengths > 0, log_proba[kept], 0.0)
    return float(-terms.sum() / strengths.sum())


def _check_possible(log_proba, strengths, classes):
    """Raise if a class with mass has probability zero, or if no row is held out."""
    impossible = (log_proba == -np.inf) & (strengths > 0)
    if impossible.any():
        row, column = np.argwhere(impossible)[0]
        raise ValueError(
            f"Class {classes.tolist()[column]!r} of row {row} is predicted with probability zero, "
            "by the model that was not fitted on that row: no temperature changes that. Use a "
            "classifier that gives no zeros, fewer folds, or data in which every class has more "
            "rows than there are folds."
        )
    if not strengths[~np.isnan(log_proba).any(axis=1)].any():
        raise ValueError("cv holds out no row with mass, and the temperature has nothing to fit.")


def _fit(estimator, X, y, sample_weight):
    """Fit a clone."""
    if sample_weight is None:
        return clone(estimator).fit(X, y)
    return clone(estimator).fit(X, y, sample_weight=sample_weight)


def _log_proba(estimator, X):
    """Log-probabilities, from the classifier itself where it has them: they do not underflow."""
    with np.errstate(divide="ignore"):
        if hasattr(estimator, "predict_log_proba"):
            return np.asarray(estimator.predict_log_proba(X), dtype=np.float64)
        return np.log(check_array(estimator.predict_proba(X), dtype=np.float64))
