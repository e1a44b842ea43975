"""TemperatureScaler: one number that makes a classifier's probabilities less or more confident."""

from typing import Any, Self

import numpy as np
import sklearn
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq, minimize_scalar
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import Bunch, check_array, check_consistent_length, get_tags, indexable
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from sklearn_kl._data.classes import spread_columns, unknown_labels
from sklearn_kl._data.containers import column_names
from sklearn_kl._data.encode import (
    encode_targets,
    expected_accuracy,
    plain_labels,
    resolve_targets,
)
from sklearn_kl._data.rows import check_row_order, take_param_rows, take_rows
from sklearn_kl._data.simplex import log_softmax
from sklearn_kl._data.targets import LabelTargets, Targets
from sklearn_kl._numbers import check_flag
from sklearn_kl._typing import MatrixLike
from sklearn_kl.model_selection._split import make_splitter

# Far beyond what miscalibrated models need, and no end that a separable data set could run to.
_LARGEST = 20.0
# Temperatures at which the mixture's cross-entropy, which may have several minima, is looked at.
_GRID_SIZE = 33


class TemperatureScaler(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    """Divide a classifier's logits by the temperature of least cross-entropy.

    With the log-probabilities ``z = log q(x)`` of a classifier, it predicts::

        softmax(z / T)

    where T minimises the cross-entropy of targets that the classifier was not fitted on: labels,
    distributions or vote counts. A temperature above 1 makes a model less confident. What is
    predicted as the most probable class does not change.

    A probability of zero, as a forest predicts it, no temperature changes. With `mixing` it
    predicts ``(1 - w) softmax(z / T) + w shares``, where the class shares of the targets get the
    weight w of least cross-entropy.

    Parameters
    ----------
    estimator : classifier
        Classifier with ``predict_proba``, fitted in `fit`. To fit the temperature alone, pass a
        fitted one as ``FrozenEstimator(estimator)``, and data that it was not fitted on.
    cv : int, splitter or iterable, default=5
        How rows are held out to find the temperature; the classifier itself is then fitted on all
        rows. A number means as many stratified folds without shuffling, by StratifiedKFold for
        labels and SoftStratifiedKFold for a matrix. Not used with a FrozenEstimator.
    mixing : bool, default=False
        Whether to mix the class shares in.

    Attributes
    ----------
    temperature_ : float
        The temperature T, between 1/20 and 20 times the largest difference of two logits, or that
        over 20 and 20 if it is less than 1. An end of this range means that the cross-entropy still
        falls there, as it does if all held-out labels are predicted right. 1 where it does not
        depend on T.
    mixing_weight_ : float
        The weight w of the class shares, 0 without `mixing`.
    class_shares_ : ndarray of shape (n_classes,)
        Share of every class in the mass of the targets.
    estimator_ : classifier
        The classifier, fitted on all rows.
    classes_ : ndarray of shape (n_classes,)
        Class of every column of the probabilities.
    raw_cross_entropy_ : float
        Mean cross-entropy of the held-out targets before scaling, nats. Rows weigh their mass.
    cross_entropy_ : float
        The same of what is predicted.
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
    :func:`scipy.optimize.brentq` finds over log T. With `mixing` it is convex in w for every T; the
    least over T is sought on a grid, and then between its neighbours.

    With metadata routing enabled, `sample_weight`, `target_proba` and other metadata go to the
    classifier's ``fit`` as it requests them, and `groups` to a splitter that needs them. The
    temperature is fitted with `sample_weight` and `target_proba` in any case.

    References
    ----------
    Guo, C., Pleiss, G., Sun, Y. and Weinberger, K. Q. (2017). On calibration of modern neural
    networks. International Conference on Machine Learning.

    Berta, E., Holzmueller, D., Jordan, M. I. and Bach, F. (2025). Rethinking early stopping:
    refine, then calibrate. arXiv:2501.19195. Its "ts-mix" mixes with a fixed weight.

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

    def __init__(self, estimator: Any, *, cv: Any = 5, mixing: bool = False):
        self.estimator = estimator
        self.cv = cv
        self.mixing = mixing

    def fit(
        self,
        X: Any,
        y: MatrixLike,
        sample_weight: ArrayLike | None = None,
        target_proba: MatrixLike | None = None,
        **fit_params: Any,
    ) -> Self:
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
        target_proba : array-like of shape (n_samples, n_classes), default=None
            Distributions or counts to fit the temperature to in place of `y`, which must then be
            labels; also passed to the classifier. An array has one column per sorted label of `y`;
            a DataFrame names its classes.
        **fit_params : dict
            Passed to the classifier's ``fit``, those with one entry per row in parts; `groups` goes
            to the splitter. With metadata routing enabled all go to whom requested them.

        Returns
        -------
        self : TemperatureScaler
            Fitted estimator.

        Raises
        ------
        ValueError
            If a class that a held-out row has is predicted with probability zero, which no
            temperature changes, and `mixing` is False; if `sample_weight` or `target_proba` is
            given and the classifier does not take it.
        """
        check_flag(self.mixing, "mixing")
        check_row_order(X=X, y=y, target_proba=target_proba, sample_weight=sample_weight)
        targets = resolve_targets(y, target_proba, sample_weight=sample_weight)
        X, y = indexable(X, y)
        check_consistent_length(X, targets.mass)
        routed = self._route(sample_weight, target_proba, fit_params)
        if isinstance(self.estimator, FrozenEstimator):
            self.estimator_ = self.estimator
        else:
            self.estimator_ = clone(self.estimator).fit(X, y, **routed.estimator.fit)
        self.classes_ = self.estimator_.classes_
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))
        strengths = self._strengths(y, target_proba, targets, sample_weight)
        log_proba = self._held_out(X, y, targets, routed)
        self._fit_map(log_proba, strengths)
        return self

    def _fit_map(self, log_proba, strengths):
        """Fit temperature and weight to the strengths of rows with held-out log-probabilities."""
        self.class_shares_ = strengths.sum(axis=0) / strengths.sum()
        if not self.mixing:
            _check_possible(log_proba, strengths, self.classes_)
        held_out = ~np.isnan(log_proba).any(axis=1)
        log_proba, strengths = log_proba[held_out], strengths[held_out]
        if not strengths.any():
            raise ValueError(
                "cv holds out no row with mass, and the temperature has nothing to fit."
            )
        if self.mixing:
            fitted = fit_mixture(log_proba, strengths, self.class_shares_)
        else:
            fitted = fit_temperature(log_proba, strengths), 0.0
        self.temperature_, self.mixing_weight_ = fitted
        self.raw_cross_entropy_ = _cross_entropy(log_proba, strengths)
        self.cross_entropy_ = _cross_entropy(self._map(log_proba), strengths)

    def _map(self, log_proba):
        """Return the log-probabilities that are predicted for those of the classifier."""
        with np.errstate(over="ignore"):
            scaled = log_softmax(log_proba / self.temperature_)
        return _mix(scaled, self.mixing_weight_, self.class_shares_)

    def predict_log_proba(self, X: Any) -> NDArray:
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
        return self._map(_log_proba(self.estimator_, X))

    def predict_proba(self, X: Any) -> NDArray:
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

    def predict(self, X: Any) -> NDArray:
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

    def score(self, X: Any, y: MatrixLike, sample_weight: ArrayLike | None = None) -> float:
        """Accuracy; for a matrix of targets, the probability they give to the predicted class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels, distributions or counts.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative factors of the rows.

        Returns
        -------
        float
            Between 0 and 1; greater is better.
        """
        check_row_order(X=X, y=y, sample_weight=sample_weight)
        codes = self.predict_log_proba(X).argmax(axis=1)
        return expected_accuracy(y, codes, self.classes_, sample_weight)

    def get_metadata_routing(self) -> MetadataRouter:
        """Say what metadata this estimator, the classifier and the splitter request.

        Returns
        -------
        MetadataRouter
            As of scikit-learn's meta-estimators.
        """
        router = MetadataRouter(owner=type(self).__name__).add_self_request(self)
        if not isinstance(self.estimator, FrozenEstimator):
            mapping = MethodMapping().add(caller="fit", callee="fit")
            router.add(estimator=self.estimator, method_mapping=mapping)
            mapping = MethodMapping().add(caller="fit", callee="split")
            router.add(splitter=self.cv, method_mapping=mapping)
        return router

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = get_tags(self.estimator).input_tags.sparse
        return tags

    def _route(self, sample_weight, target_proba, fit_params):
        """Return what the classifier's fit and the splitter are to be given."""
        metadata = {"sample_weight": sample_weight, "target_proba": target_proba}
        if isinstance(self.estimator, FrozenEstimator):
            return Bunch(estimator=Bunch(fit={}), splitter=Bunch(split={}))
        if sklearn.get_config()["enable_metadata_routing"]:
            return process_routing(self, "fit", **metadata, **fit_params)
        metadata = {name: value for name, value in metadata.items() if value is not None}
        for name in metadata:
            if not has_fit_parameter(self.estimator, name):
                raise ValueError(
                    f"{name} is given, but {type(self.estimator).__name__}.fit does not take it. "
                    "Fit the classifier first, and pass it as FrozenEstimator(classifier); or "
                    "enable metadata routing."
                )
        split = {"groups": fit_params.pop("groups")} if "groups" in fit_params else {}
        return Bunch(estimator=Bunch(fit=metadata | fit_params), splitter=Bunch(split=split))

    def _strengths(self, y, target_proba, targets, sample_weight):
        """Shares of the total mass in the targets, columns in the order of `classes_`."""
        if target_proba is None or column_names(target_proba) is not None:
            given = (y, "y") if target_proba is None else (target_proba, "target_proba")
            targets = encode_targets(
                given[0], classes=self.classes_, sample_weight=sample_weight, name=given[1]
            )
        elif unknown := unknown_labels(targets.classes, self.classes_):
            raise ValueError(
                f"y contains labels that are not among the classes {self.classes_[:10].tolist()} "
                f"of the classifier: {unknown[:10]}."
            )
        strengths = targets.share_of_total().block(slice(None)).T
        return spread_columns(strengths, targets.classes, self.classes_, 0.0)

    def _held_out(self, X, y, targets: Targets, routed):
        """Log-probabilities of all rows by models that were not fitted on them; nan where none."""
        if isinstance(self.estimator, FrozenEstimator):
            return _log_proba(self.estimator_, X)
        n_samples = targets.n_samples
        log_proba = np.full((n_samples, len(self.classes_)), np.nan)
        labels = isinstance(targets, LabelTargets) or np.ndim(y) == 1
        splitter = make_splitter(self.cv, matrix=not labels)
        plain = plain_labels(encode_targets(y)) if labels else y
        for train, test in splitter.split(np.empty(n_samples), plain, **routed.splitter.split):
            params = {
                name: take_param_rows(value, train, n_samples)
                for name, value in routed.estimator.fit.items()
            }
            model = clone(self.estimator).fit(take_rows(X, train), take_rows(y, train), **params)
            predicted = _log_proba(model, take_rows(X, test))
            log_proba[test] = spread_columns(predicted, model.classes_, self.classes_, -np.inf)
        # A row that no fold holds out, as with ShuffleSplit, says nothing about the temperature.
        return log_proba


def fit_temperature(log_proba: NDArray, strengths: NDArray) -> float:
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
        The temperature, within its range; 1 where the cross-entropy does not depend on it.
    """
    logits, strengths = _shifted_logits(log_proba, strengths)
    mass = strengths.sum(axis=1, keepdims=True)
    finite = np.where(np.isfinite(logits), logits, 0.0)

    def derivative(log_temperature):
        """Of the total cross-entropy, by the inverse of the temperature."""
        proba = np.exp(log_softmax(logits * np.exp(-log_temperature)))
        return float(((mass * proba - strengths) * finite).sum())

    low, high = _log_range(logits)
    slope = derivative(0.0)
    if slope == 0:
        return 1.0
    if slope > 0:
        if derivative(high) >= 0:
            return float(np.exp(high))
        low = 0.0
    else:
        if derivative(low) <= 0:
            return float(np.exp(low))
        high = 0.0
    return float(np.exp(brentq(derivative, low, high, xtol=1e-12)))


def fit_mixture(log_proba: NDArray, strengths: NDArray, shares: NDArray) -> tuple[float, float]:
    """Find the temperature, and the weight of the class shares, of least cross-entropy.

    Parameters
    ----------
    log_proba : ndarray of shape (n_samples, n_classes)
        As of `fit_temperature`.
    strengths : ndarray of shape (n_samples, n_classes)
        As of `fit_temperature`.
    shares : ndarray of shape (n_classes,)
        Probabilities to mix in; zero for classes without mass alone.

    Returns
    -------
    temperature : float
    weight : float
        From 0 to 1.
    """
    logits, strengths = _shifted_logits(log_proba, strengths)
    entries = strengths > 0
    strength, share = strengths[entries], np.broadcast_to(shares, strengths.shape)[entries]

    def best_weight(log_temperature):
        log_q = log_softmax(logits * np.exp(-log_temperature))[entries]
        weight = _best_weight(np.exp(log_q), strength, share)
        return weight, -float(strength @ _mix(log_q, weight, share))

    def loss(log_temperature):
        return best_weight(log_temperature)[1]

    low, high = _log_range(logits)
    grid = np.unique(np.append(np.linspace(low, high, _GRID_SIZE), 0.0))
    losses = [loss(point) for point in grid]
    # Of temperatures that are as good, the one that changes least.
    nearest = np.lexsort((np.abs(grid), losses))[0]
    ends = grid[max(nearest - 1, 0)], grid[min(nearest + 1, len(grid) - 1)]
    search = minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-9})
    best = search.x if search.fun < losses[nearest] else grid[nearest]
    return float(np.exp(best)), best_weight(best)[0]


def _best_weight(proba, strength, share):
    """Weight of the shares of least cross-entropy, for given probabilities of what happened."""

    def derivative(weight):
        with np.errstate(divide="ignore", over="ignore"):
            slopes = (proba - share) / ((1.0 - weight) * proba + weight * share)
        # Finite, as the search needs it.
        return float(strength @ np.maximum(slopes, -1e300))

    if derivative(0.0) >= 0:
        return 0.0
    if derivative(1.0) <= 0:
        return 1.0
    smallest = np.finfo(np.float64).tiny
    if derivative(smallest) >= 0:
        return smallest
    return float(brentq(derivative, smallest, 1.0, xtol=1e-15))


def _mix(log_q, weight, shares):
    """Logarithm of the probabilities q mixed with the shares."""
    with np.errstate(divide="ignore"):
        return np.logaddexp(np.log1p(-weight) + log_q, np.log(weight) + np.log(shares))


def _shifted_logits(log_proba, strengths):
    """Return rows that count, the largest logit of each 0, and their shares of the mass."""
    kept = (strengths.sum(axis=1) > 0) & ~np.isnan(log_proba).any(axis=1)
    logits, strengths = log_proba[kept], strengths[kept]
    return logits - logits.max(axis=1, keepdims=True), strengths / strengths.sum()


def _log_range(logits):
    """Return the ends of log T: far from where logits are of the size of 1 once T divided them."""
    spread = -float(logits.min(where=np.isfinite(logits), initial=0.0)) or 1.0
    return float(np.log(min(1.0, spread) / _LARGEST)), float(np.log(max(1.0, spread) * _LARGEST))


def _cross_entropy(log_proba, strengths):
    """Mean cross-entropy, in nats."""
    terms = strengths * np.where(strengths > 0, log_proba, 0.0)
    return float(-terms.sum() / strengths.sum())


def _check_possible(log_proba, strengths, classes):
    """Raise if a class with mass has probability zero."""
    impossible = (log_proba == -np.inf) & (strengths > 0)
    if impossible.any():
        row, column = np.argwhere(impossible)[0]
        raise ValueError(
            f"Class {classes.tolist()[column]!r} of row {row} is predicted with probability zero, "
            "by the model that was not fitted on that row: no temperature changes that. Set "
            "mixing=True, which mixes the class shares in; or use a classifier that gives no "
            "zeros, or fewer folds if a class has fewer rows than there are folds."
        )


def _log_proba(estimator, X):
    """Log-probabilities, from the classifier itself where it has them: they do not underflow."""
    with np.errstate(divide="ignore"):
        if hasattr(estimator, "predict_log_proba"):
            return np.asarray(estimator.predict_log_proba(X), dtype=np.float64)
        return np.log(check_array(estimator.predict_proba(X), dtype=np.float64))
