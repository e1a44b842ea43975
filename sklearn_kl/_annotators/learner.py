"""The classifier's part: a fit to a matrix of targets, and what its penalty costs."""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from sklearn_kl._classifier import KLClassifier
from sklearn_kl._data.encode import encode_targets
from sklearn_kl._data.rows import take_rows
from sklearn_kl._fit.penalty import Penalty
from sklearn_kl._replicated import ReplicatedRows
from sklearn_kl._temperature import TemperatureScaler

# These hand a matrix of targets on to their estimator as it is.
_WRAPPERS = (TemperatureScaler, GridSearchCV, RandomizedSearchCV)


@dataclass(frozen=True, eq=False)
class Learned:
    """A fitted classifier, its log-probabilities of the training rows, and its penalty.

    Parameters
    ----------
    classifier : classifier
    log_proba : ndarray of shape (n_samples, n_classes)
        Nats.
    penalty : float
        Nats, for the objective that is a sum over rows; 0 where it is not known.
    """

    classifier: Any
    log_proba: NDArray
    penalty: float


class Learner:
    """Fits clones of a classifier to matrices of targets for the same rows.

    Parameters
    ----------
    classifier : classifier
        One that takes matrices of targets, or any that takes sample weights.
    X : array-like of n_samples rows
        Features, in whatever the classifier takes.
    weight : ndarray of shape (n_samples,) or None
        Non-negative weights of the rows.
    """

    def __init__(self, classifier: Any, X: Any, weight: NDArray | None) -> None:
        self.classifier = classifier if takes_matrices(classifier) else replicate(classifier)
        self.X = X
        self._weight = weight
        # A pipeline or a search takes no weights, but rows of counts weigh their total anyway.
        weighs = has_fit_parameter(self.classifier, "sample_weight")
        self._fit_params = {} if weight is None or not weighs else {"sample_weight": weight}
        self._factor = None if weight is None or weighs else weight[:, None]

    def take(self, rows: NDArray) -> "Learner":
        """Return a learner of some rows."""
        weight = None if self._weight is None else self._weight[rows]
        return Learner(self.classifier, take_rows(self.X, rows), weight)

    def learn(self, targets: NDArray, after: Learned | None = None) -> Learned:
        """Fit to targets, a KLClassifier from where another fit ended.

        Parameters
        ----------
        targets : ndarray of shape (n_samples, n_classes)
            Distributions or counts, which the weights of the rows multiply; a row of zeros is
            unlabelled.
        after : Learned, default=None
            Another fit, which is left as it is.

        Returns
        -------
        Learned
        """
        if self._factor is not None:
            targets = targets * self._factor
        classifier = clone(self.classifier) if after is None else self._after(after)
        classifier.fit(self.X, targets, **self._fit_params)
        log_proba = log_probabilities(classifier, self.X)
        return Learned(classifier, log_proba, self._penalty(classifier, targets, log_proba))

    def finish(self, learned: Learned) -> Any:
        """Return the fitted classifier with the parameters that it was given."""
        last = _last_step(learned.classifier)
        if _warm_starts(last):
            last.set_params(warm_start=_last_step(self.classifier).warm_start)
        return learned.classifier

    def _after(self, learned):
        if not _warm_starts(_last_step(learned.classifier)):
            return clone(self.classifier)
        classifier = copy.deepcopy(learned.classifier)
        _last_step(classifier).set_params(warm_start=True)
        return classifier

    def _penalty(self, classifier, targets, log_proba):
        """Return what the objective has beyond the cross-entropy of the targets, nats."""
        last = _last_step(classifier)
        if not isinstance(last, KLClassifier):
            return 0.0
        C = getattr(last, "C_", last.C)
        penalty = Penalty.from_C(C, last.l1_ratio, 1.0, last.model_.penalised)
        return penalty.value(last._last_theta()) + self._prior_cost(
            classifier, last.prior, targets, log_proba
        )

    def _prior_cost(self, classifier, prior, targets, log_proba):
        """Cross-entropy with the prior's votes, nats."""
        if prior is None:
            return 0.0
        X = classifier[:-1].transform(self.X) if isinstance(classifier, Pipeline) else self.X
        given = encode_targets(targets, **self._fit_params)
        rows = slice(None)
        votes = prior.mix(given, X).block(rows) - given.block(rows)
        return -float((votes.T * np.where(votes.T > 0, log_proba, 0.0)).sum())


def check_weighs_classes_alike(classifier: Any) -> None:
    """Raise if a classifier weighs classes, so that its probabilities are not the classes' own."""
    for name, value in classifier.get_params().items():
        if name.split("__")[-1] == "class_weight" and value is not None:
            raise ValueError(
                f"The classifier has {name}={value!r}. Confusion matrices are estimated with its "
                "probabilities, which have to be those of the classes as they occur: leave "
                'class_weight at None, or count votes with annotators="equal".'
            )


def takes_matrices(classifier: Any) -> bool:
    """Say whether a classifier's fit takes a matrix of targets, as this package has them."""
    last = _last_step(classifier)
    if isinstance(last, (KLClassifier, ReplicatedRows)):
        return True
    return isinstance(last, _WRAPPERS) and takes_matrices(last.estimator)


def replicate(classifier: Any) -> Any:
    """Return the classifier with ReplicatedRows around it, or around a pipeline's last step."""
    if not isinstance(classifier, Pipeline):
        return ReplicatedRows(classifier)
    name, last = classifier.steps[-1]
    return clone(classifier).set_params(**{name: replicate(last)})


def log_probabilities(classifier: Any, X: Any) -> NDArray:
    """Log-probabilities of all classes, nats: from the classifier itself where it has them."""
    with np.errstate(divide="ignore"):
        if hasattr(classifier, "predict_log_proba"):
            return np.asarray(classifier.predict_log_proba(X), dtype=np.float64)
        return np.log(np.asarray(classifier.predict_proba(X), dtype=np.float64))


def _last_step(classifier):
    return _last_step(classifier.steps[-1][1]) if isinstance(classifier, Pipeline) else classifier


def _warm_starts(classifier):
    return isinstance(classifier, KLClassifier) and "warm_start" in classifier.get_params(False)
