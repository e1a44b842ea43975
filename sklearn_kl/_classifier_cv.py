"""KLClassifierCV: choose the strength of the penalty by cross-validation along a warm path."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import sklearn
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Bunch
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import check_is_fitted

from sklearn_kl._classifier import KLClassifier
from sklearn_kl._data.encode import encode_targets, plain_labels
from sklearn_kl._data.rows import take_param_rows, take_rows
from sklearn_kl._data.targets import LabelTargets
from sklearn_kl._numbers import check_whole
from sklearn_kl._parametric import ParametricClassifier
from sklearn_kl._sklearn import _check_sample_weight, scorer_of_classes
from sklearn_kl._typing import MatrixLike
from sklearn_kl._warn import warn_caller
from sklearn_kl.metrics import get_scorer
from sklearn_kl.metrics._scorers import ProbabilityScorer
from sklearn_kl.model_selection._split import make_splitter

# Parameters that all fits share: those of KLClassifier but C, which is chosen, and warm_start,
# which a choice on other rows would make meaningless.
_SHARED = {
    name: parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
    for name, parameter in inspect.signature(KLClassifier).parameters.items()
    if name not in ("C", "warm_start")
}


class KLClassifierCV(ParametricClassifier):
    """KLClassifier that chooses C by cross-validation.

    On every fold, C goes from small to large and each fit of a convex model starts from the
    parameters of the one before. The C with the best mean score over folds is chosen, the smallest
    of equals, and the model is fitted to all rows with it: the choice and the model of
    ``GridSearchCV(KLClassifier(), {"C": Cs})``, with fewer passes over the data. All folds know all
    classes of `y`, whichever of them their training rows hold.

    Parameters
    ----------
    Cs : int or array-like of float, default=10
        The candidates, or how many to take between 1e-4 and 1e4, evenly in the logarithm.
    cv : int, splitter or iterable of splits, default=None
        A number of folds, 5 for None, means SoftStratifiedKFold for a matrix of targets and
        StratifiedKFold for labels.
    scoring : str, callable or None, default=None
        A name of :func:`sklearn_kl.metrics.get_scorer` or a scorer ``(estimator, X, y)``; the
        greater the better. None means the negative cross-entropy. `score` uses it too.
    {shared}

    Attributes
    ----------
    C_ : float
        The chosen C.
    Cs_ : ndarray of shape (n_Cs,)
        The candidates, ascending.
    scores_ : ndarray of shape (n_folds, n_Cs)
        Score of every fold's test rows.
    classes_ : ndarray of shape (n_classes,)
        Class of every column of the probabilities.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if they are all strings.
    n_iter_ : int
        Number of iterations of the final fit, on all rows with the chosen C. Other fitted
        attributes, such as `coef_`, are those of the final fit too: see KLClassifier.

    See Also
    --------
    KLClassifier : The model with a given C.

    Notes
    -----
    With `sample_weight`, the test rows are weighted too. With `target_proba`, folds are
    stratified by the labels `y` and scored against the test rows of `target_proba`, so `scoring`
    must take a matrix of targets. Where metadata routing is enabled, a scorer gets what it
    requests instead, with the labels `y`; a scorer given by its name in this package, or by None,
    requests both.

    Scorers of scikit-learn that judge the probabilities of labels are told all classes. A `prior`
    with probabilities of given rows fits no fold: use a class prior or a fitted model.

    Examples
    --------
    >>> from sklearn_kl import KLClassifierCV
    >>> from sklearn_kl.datasets import make_soft_classification
    >>> X, votes, q = make_soft_classification(n_samples=200, random_state=0)
    >>> model = KLClassifierCV(Cs=[0.01, 0.1, 1.0, 10.0]).fit(X, votes)
    >>> model.C_
    1.0
    >>> model.scores_.shape
    (5, 4)
    """

    C_: float
    Cs_: np.ndarray
    scores_: np.ndarray

    def __init__(
        self,
        Cs: int | ArrayLike = 10,
        *,
        cv: Any = None,
        scoring: str | Callable | None = None,
        **shared: Any,
    ):
        unknown = [name for name in shared if name not in _SHARED]
        if unknown:
            raise TypeError(f"KLClassifierCV has no parameter {unknown[0]!r}.")
        self.Cs = Cs
        self.cv = cv
        self.scoring = scoring
        for name, parameter in _SHARED.items():
            setattr(self, name, shared.get(name, parameter.default))

    def fit(
        self,
        X: MatrixLike,
        y: MatrixLike,
        sample_weight: ArrayLike | None = None,
        target_proba: MatrixLike | None = None,
        **params: Any,
    ) -> Self:
        """Choose C, and fit the model to all rows with it.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features; float32 is kept.
        y : array-like of shape (n_samples,) or {array-like, sparse matrix} of shape \
                (n_samples, n_classes)
            Labels, or a matrix of distributions or vote counts. A row of zeros is unlabelled.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative factors of the rows.
        target_proba : {array-like, sparse matrix} of shape (n_samples, n_classes), default=None
            Distributions or counts to train on in place of `y`, which must then be labels.
        **params : dict
            `groups`, for the splitter `cv`. Where metadata routing is enabled, whatever the
            splitter and the scorer request.

        Returns
        -------
        self : KLClassifierCV
            Fitted estimator.

        Raises
        ------
        ValueError
            If `Cs` is empty or not all positive, `cv` gives no splits, `scoring` does not return
            a number or cannot judge these classes, or as for KLClassifier.
        TypeError
            If `params` has other entries than `groups` and metadata routing is not enabled.

        Warns
        -----
        ConvergenceWarning
            If some fit stops before it reaches `tol`.
        UserWarning
            If a score is NaN, or no candidate has a finite score.
        """
        candidates = _check_candidates(self.Cs)
        shared = {name: getattr(self, name) for name in _SHARED}
        estimator = KLClassifier(**shared | {"verbose": 0})
        estimator._check_params()
        checked, targets = estimator._check_data(X, y, sample_weight, target_proba)
        routed = self._route_fit(sample_weight, target_proba, params)
        labels = plain_labels(targets) if isinstance(targets, LabelTargets) else None
        matrix = labels is None and target_proba is None
        splitter = make_splitter(self.cv, matrix=matrix)
        splits = list(splitter.split(X, y if labels is None else labels, **routed.splitter.split))
        if not splits:
            raise ValueError(f"cv={self.cv!r} gives no splits. Is it an iterator that is used up?")
        _check_mass_of_splits(splits, targets.mass, judged="sample_weight" in routed.scorer.score)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, checked)
        if labels is not None and target_proba is None and np.asarray(y).ndim == 2:
            y = labels  # a column, of which one warning is enough
        trained = y if target_proba is None else target_proba
        score_params = routed.scorer.score
        if weight is not None and "sample_weight" in score_params:
            score_params = score_params | {"sample_weight": weight}
        paths = _Paths(
            estimator,
            candidates,
            given=X,
            checked=checked,
            trained=trained,
            weight=weight,
            classes=targets.classes,
            judged=y if _routing_enabled() else trained,
            scorer=self._make_scorer(targets.classes),
            score_params=score_params,
        )
        scores = np.array([paths.scores(train, test) for train, test in splits])
        chosen = float(candidates[_best_candidate(scores, candidates)])
        paths.warn_if_not_converged()
        model = KLClassifier(C=chosen, **shared)
        model.fit(X, y, sample_weight=sample_weight, target_proba=target_proba)
        self._adopt(model, Cs_=candidates, scores_=scores, C_=chosen)
        return self

    def score(
        self,
        X: MatrixLike,
        y: MatrixLike,
        sample_weight: ArrayLike | None = None,
        **params: Any,
    ) -> float:
        """Score by `scoring`; without one, the negative mean cross-entropy in nats.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,) or {array-like, sparse matrix} of shape \
                (n_samples, n_classes)
            Labels, distributions or counts.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative factors of the rows.
        **params : dict
            What the scorer requests, such as `target_proba`, where metadata routing is enabled.

        Returns
        -------
        float
            Greater is better.

        Raises
        ------
        TypeError
            If there are `params` and metadata routing is not enabled.
        """
        check_is_fitted(self)
        given = params if sample_weight is None else {"sample_weight": sample_weight, **params}
        if _routing_enabled():
            given = process_routing(self, "score", **given).scorer.score
        else:
            _refuse_params(params, "score")
        scorer = self._make_scorer(self.classes_)
        return _check_score(scorer(self, X, y, **given), self.scoring)

    def get_metadata_routing(self) -> MetadataRouter:
        """Say what `fit` and `score` take, and what they hand to the splitter and the scorer.

        Returns
        -------
        MetadataRouter
            See the user guide of scikit-learn on metadata routing.
        """
        to_splitter = MethodMapping().add(caller="fit", callee="split")
        to_scorer = MethodMapping().add(caller="fit", callee="score")
        to_scorer.add(caller="score", callee="score")
        router = MetadataRouter(owner=type(self).__name__).add_self_request(self)
        router.add(splitter=self.cv, method_mapping=to_splitter)
        return router.add(scorer=self._make_scorer(), method_mapping=to_scorer)

    def _route_fit(self, sample_weight, target_proba, params):
        """Return what the splitter and the scorer are to be given."""
        given = {"sample_weight": sample_weight, "target_proba": target_proba, **params}
        given = {name: value for name, value in given.items() if value is not None}
        if _routing_enabled():
            return process_routing(self, "fit", **given)
        _refuse_params(params, "fit", "groups")
        return Bunch(
            splitter=Bunch(split={name: given[name] for name in ("groups",) if name in given}),
            scorer=Bunch(score={name: given[name] for name in ("sample_weight",) if name in given}),
        )

    def _make_scorer(self, classes=None):
        """Return the scorer of these classes; one that was named requests what it can use."""
        scorer = get_scorer("neg_cross_entropy" if self.scoring is None else self.scoring)
        if not isinstance(scorer, ProbabilityScorer):
            return scorer if classes is None else scorer_of_classes(scorer, classes)
        if (self.scoring is None or isinstance(self.scoring, str)) and _routing_enabled():
            scorer.set_score_request(sample_weight=True, target_proba=True)
        return scorer

    def _adopt(self, model, **chosen):
        """Take over the fitted attributes of the final fit; of a fit before none is left."""
        for name in self._fitted_attributes():
            delattr(self, name)
        for name, value in (model._fitted_attributes() | chosen).items():
            setattr(self, name, value)


def _derive_from(source: type) -> None:
    """Complete the signature and the docstring of KLClassifierCV by what it shares."""
    own = list(inspect.signature(KLClassifierCV.__init__).parameters.values())[:-1]
    signature = inspect.Signature([*own, *_SHARED.values()])
    KLClassifierCV.__init__.__signature__ = signature  # type: ignore[attr-defined]
    given, text = inspect.getdoc(source), inspect.getdoc(KLClassifierCV)
    if given is None or text is None:  # python -OO
        return
    names = "|".join(_SHARED)
    shared = re.findall(rf"^(?:{names}) : .*\n(?: .*\n)+", given, re.MULTILINE)
    KLClassifierCV.__doc__ = text.replace("{shared}\n", "".join(shared)) + "\n"


_derive_from(KLClassifier)


@dataclass(eq=False)
class _Paths:
    """Scores of the candidates, fold by fold.

    Parameters
    ----------
    estimator : KLClassifier
        What is fitted, for every C.
    Cs : ndarray of shape (n_Cs,)
        The candidates.
    given, checked : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
        Features as they came, for priors and scorers, and as an array, for training.
    trained : array-like of shape (n_samples,) or (n_samples, n_classes)
        Targets to train on.
    weight : ndarray of shape (n_samples,) or None
        Sample weights.
    classes : ndarray of shape (n_classes,)
        All classes, whether or not a fold has them.
    judged : array-like of shape (n_samples,) or (n_samples, n_classes)
        Targets that scorers are given as y.
    scorer : callable
    score_params : dict
        Further parameters of the scorer.
    """

    estimator: KLClassifier
    Cs: np.ndarray
    given: Any
    checked: Any
    trained: Any
    weight: np.ndarray | None
    classes: np.ndarray
    judged: Any
    scorer: Callable
    score_params: dict
    _converged: list[bool] = field(default_factory=list)

    def scores(self, train: np.ndarray, test: np.ndarray) -> list[float]:
        """Fit the path to the training rows, and return the scores of its models on the others."""
        targets = encode_targets(
            take_rows(self.trained, train),
            classes=self.classes,
            sample_weight=take_rows(self.weight, train),
            class_weight=self.estimator.class_weight,
        )
        X, given = take_rows(self.checked, train), take_rows(self.given, train)
        X_test, y_test = take_rows(self.given, test), take_rows(self.judged, test)
        params = {
            name: take_param_rows(value, test, self.checked.shape[0])
            for name, value in self.score_params.items()
        }
        scores = []
        for model, _ in self.estimator._fit_along(self.Cs, X, targets, given):
            scores.append(_check_score(self.scorer(model, X_test, y_test, **params), self.scorer))
            self._converged.append(model.converged_)
        return scores

    def warn_if_not_converged(self) -> None:
        """Say how many fits on folds stopped too early."""
        n_fits, n_converged = len(self._converged), sum(self._converged)
        if n_converged < n_fits:
            warn_caller(
                f"{n_fits - n_converged} of the {n_fits} fits on the folds of KLClassifierCV "
                f"stopped before they converged to tol={self.estimator.tol:.1e}, so that scores_ "
                f"are inexact. Increase max_iter (now {self.estimator.max_iter}) or tol, or leave "
                "out large values of Cs.",
                ConvergenceWarning,
            )


def _routing_enabled():
    return sklearn.get_config()["enable_metadata_routing"]


def _refuse_params(params, method, *known):
    unknown = [name for name in params if name not in known]
    if unknown:
        raise TypeError(
            f"KLClassifierCV.{method} got an unexpected argument {unknown[0]!r}. Metadata for the "
            "splitter and the scorer needs sklearn.set_config(enable_metadata_routing=True)."
        )


def _check_mass_of_splits(splits, mass, *, judged):
    """Raise where a part of a split has nothing to train on, or to judge by with the weights."""
    for number, parts in enumerate(splits):
        for name, rows in zip(("training", "test"), parts, strict=True):
            if (judged or name == "training") and not mass[rows].any():
                raise ValueError(
                    f"All {name} rows of split {number} of cv weigh nothing. Shuffle the "
                    "rows, or use other splits."
                )


def _check_score(score, scoring):
    """Return a score as a float."""
    if np.ndim(score) == 0 and isinstance(np.asarray(score).item(), Real):
        return float(score)
    raise ValueError(f"scoring must return a number, got {score!r} from {scoring!r}.")


def _check_candidates(Cs):
    """Return the values of C to try, ascending."""
    if isinstance(Cs, Integral):
        return np.logspace(-4, 4, check_whole(Cs, "Cs"))
    try:
        candidates = np.unique(np.asarray(Cs, dtype=np.float64))
    except (TypeError, ValueError):
        candidates = np.empty(0)
    if not (candidates.size and (candidates > 0).all()):
        raise ValueError(
            f"Cs must be a number of candidates or hold values of C above 0, got {Cs!r}."
        )
    return candidates


def _best_candidate(scores, candidates):
    """Return the first candidate with the greatest mean score over folds."""
    with np.errstate(invalid="ignore"):
        means = scores.mean(axis=0)
    missing = np.isnan(means)
    if not np.isfinite(means).any():
        warn_caller(
            f"No candidate has a finite mean score: they are {means[:10].tolist()}, and the "
            "smallest C is taken. Try scoring on a part of the rows, or another one."
        )
    elif missing.any():
        warn_caller(
            f"{np.isnan(scores).sum()} scores are NaN, so the candidates C="
            f"{candidates[missing][:10].tolist()} cannot be chosen. Try scoring on a part of the "
            "rows, or another one."
        )
    return int(np.argmax(np.where(missing, -np.inf, means)))
