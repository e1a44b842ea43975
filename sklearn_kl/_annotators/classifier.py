"""AnnotatorClassifier: learn from the labels of annotators who differ in skill."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import check_cv
from sklearn.utils import check_consistent_length, get_tags
from sklearn.utils.validation import check_is_fitted

from sklearn_kl._annotators.em import Data, fit_equal, fit_joint
from sklearn_kl._annotators.held_out import compare_models, vote_log_likelihood
from sklearn_kl._annotators.learner import (
    Learner,
    check_weighs_classes_alike,
    log_probabilities,
)
from sklearn_kl._annotators.read import read_votes
from sklearn_kl._annotators.votes import AnnotatorVotes
from sklearn_kl._classifier import KLClassifier
from sklearn_kl._data.rows import check_row_order
from sklearn_kl._fit.report import _show_log
from sklearn_kl._numbers import check_number, check_whole
from sklearn_kl._sklearn import _check_sample_weight
from sklearn_kl._warn import warn_caller
from sklearn_kl.model_selection import SoftStratifiedKFold

_MODELS = ("auto", "equal", "confusion", "one-coin")


class AnnotatorClassifier(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """Classifier that learns from annotators' labels, and how reliable each of them is.

    There are two reasons why annotators disagree, and `annotators` says which is meant:

    - The item itself is ambiguous: every vote is a draw from its distribution q(x), by annotators
      of equal skill. That is "equal": the classifier is fitted to the counts of votes.
    - The item has one true class k, drawn from q(x), and annotators err: annotator a says l with
      the probability ``P_a[k, l]``. That is "confusion", the joint model of [2]_; with "one-coin"
      there is one accuracy per annotator, and errors are spread evenly.

    For the latter the classifier and the annotators' confusion matrices maximise together::

        sum_i w_i log sum_k q_k(x_i) prod_a P_a[k, y_ia] + log prior(P) - penalty(q)

    by the EM algorithm, which alternates between the posterior of the hidden classes and a fit of
    the classifier to it. Neither model is right always, and "auto" takes the one under which
    votes on held-out items are more likely.

    Parameters
    ----------
    classifier : classifier, default=None
        What turns features into probabilities; None means ``KLClassifier()``. A classifier that
        takes matrices of targets, or a pipeline or search around one, is fitted to the posterior
        as it is, any other through `ReplicatedRows`. It must not memorise the rows that it is
        fitted to, as deep trees do: then its probabilities only repeat the votes.
    annotators : {"auto", "equal", "confusion", "one-coin"}, default="auto"
        Model of the votes. "auto" compares "equal" with "confusion".
    missing : label, default=None
        A label that means no vote, such as -1. None, NaN and pandas.NA are gaps in any case.
    smoothing : float or "auto", default="auto"
        Strength of the prior of the confusion matrices, in votes per class of every annotator (for
        "one-coin" per annotator). "auto" takes the strength under which the votes are most likely,
        but at most 100 (10 for "one-coin"). With 0 there is no prior.
    tol : float, default=1e-6
        EM ends when an iteration gains no more than this, nats per vote.
    max_iter : int, default=1000
        Largest number of iterations of each EM.
    cv : int, splitter or iterable of splits, default=None
        How items are held out by "auto"; a number of folds, 5 for None, means folds with even
        shares of the votes.
    random_state : int, RandomState instance or None, default=0
        Shuffles the items before they are dealt into folds, by default alike in every call. Each
        annotator should have votes in all folds, so that runs of items are no folds.
    n_jobs : int, default=None
        Number of processes that fit the folds of "auto"; None means 1, -1 all processors.
    verbose : int, default=0
        If positive, log a line per iteration to the logger "sklearn_kl".

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels that occur, sorted, or the categories of a DataFrame's ordered columns.
    classifier_ : classifier
        The fitted classifier. It was trained on a matrix of targets, so its classes are positions
        in `classes_`.
    annotators_ : {"equal", "confusion", "one-coin"}
        The model of the votes, chosen or given.
    annotator_names_ : ndarray of shape (n_annotators,)
        Column names of a DataFrame, or 0, 1, ...
    n_votes_ : ndarray of shape (n_annotators,) of int
        Number of votes of every annotator.
    confusion_ : ndarray of shape (n_annotators, n_classes, n_classes)
        Probability of every vote (last) given the hidden class. With "equal" these are identities,
        since every vote is taken at its word, and say nothing of the annotators.
    pooled_confusion_ : ndarray of shape (n_classes, n_classes)
        What the prior expects of an annotator without votes: the matrix of all of them together.
    annotator_accuracy_ : ndarray of shape (n_annotators,)
        Probability that an annotator names the hidden class, of the classes as they occur.
    smoothing_ : float
        Strength of the prior, votes.
    posterior_ : ndarray of shape (n_samples, n_classes)
        Probability of the hidden class of every training item, given its features and votes; with
        "equal" the shares of its votes. Without votes it is the classifier's.
    held_out_cross_entropy_ : dict of str to float
        What "auto" compared: by model the mean cross-entropy of held-out votes, nats per vote.
        Empty if it compared nothing.
    cross_entropy_ : float
        Mean cross-entropy of the training votes, nats per vote.
    log_likelihood_path_ : ndarray of shape (n_iter_,)
        The penalised log-likelihood after every iteration of the last EM, nats per vote: what is
        maximised, with the prior and the penalty. It never falls. The penalty is that of a
        KLClassifier; of other classifiers it is not known, and counts as 0.
    n_iter_ : int
        Number of iterations of the last EM; 1 with "equal".
    converged_ : bool
        Whether EM ended by `tol`.
    n_features_in_ : int
        Number of features seen in fit, if the classifier tells.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if the classifier tells.

    See Also
    --------
    AnnotatorVotes : Votes in long format, in sparse memory.
    sklearn_kl.metrics.AnnotatorConfusionDisplay : Draws the confusion matrices.
    sklearn_kl.labels.votes_to_targets : Counts votes.

    Notes
    -----
    The prior draws the matrix of an annotator to the errors of all annotators together, at the
    annotator's own accuracy, which is itself drawn to that of all; it is a Dirichlet distribution
    whose strength says how many votes it is worth, and stays the same during EM. The common matrix
    is drawn to the diagonal by one vote per class. EM starts at the shares of the votes, first with
    one accuracy for all, then with one for each, and only then with free matrices: that is how the
    hidden classes keep the names of the votes.

    An item without votes has no part in the fit. An annotator without votes has the pooled matrix.
    With one annotator there is nobody to compare with: "auto" is "equal".

    Sample weights multiply the log-likelihood of an item.

    References
    ----------
    .. [1] A. P. Dawid and A. M. Skene, "Maximum likelihood estimation of observer error-rates using
       the EM algorithm", Applied Statistics 28, 1979, 20-28.
    .. [2] V. C. Raykar et al., "Learning from crowds", Journal of Machine Learning Research 11,
       2010, 1297-1322.

    Examples
    --------
    Five annotators label three items in four each, and the last always says "no":

    >>> import numpy as np
    >>> from sklearn_kl import AnnotatorClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 2))
    >>> truth = np.where(X[:, 0] > 0, "yes", "no")
    >>> Y = np.repeat(truth[:, None], 5, axis=1).astype(object)
    >>> Y[:, 4] = "no"
    >>> Y[rng.uniform(size=Y.shape) < 0.25] = None
    >>> model = AnnotatorClassifier().fit(X, Y)
    >>> model.annotators_
    'confusion'
    >>> model.confusion_[[0, 4], 1].round(1)
    array([[0., 1.],
           [1., 0.]])
    """

    def __init__(
        self,
        classifier: Any = None,
        *,
        annotators: str = "auto",
        missing: Any = None,
        smoothing: float | str = "auto",
        tol: float = 1e-6,
        max_iter: int = 1000,
        cv: Any = None,
        random_state: Any = 0,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.classifier = classifier
        self.annotators = annotators
        self.missing = missing
        self.smoothing = smoothing
        self.tol = tol
        self.max_iter = max_iter
        self.cv = cv
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(
        self, X: ArrayLike, y: Any, sample_weight: ArrayLike | None = None
    ) -> "AnnotatorClassifier":
        """Fit the classifier and the annotators' confusion matrices.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Whatever the classifier takes.
        y : array-like of shape (n_samples, n_annotators) or (n_samples,), or AnnotatorVotes
            Labels with gaps: an array or list in which None, NaN or `missing` is a gap; a
            DataFrame, whose columns name the annotators; a sparse matrix of labels other than 0,
            whose entries are the votes. 1-D is one annotator.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative factors of the items.

        Returns
        -------
        self : AnnotatorClassifier
            Fitted estimator.

        Raises
        ------
        ValueError
            If a parameter is out of range, y holds no vote or a single class, or the classifier
            has a `class_weight` with a model that reads votes by its probabilities.
        TypeError
            If labels mix strings and numbers, or the classifier gives no probabilities.

        Warns
        -----
        ConvergenceWarning
            If EM stops at `max_iter`.
        UserWarning
            If "auto" finds a class with votes on fewer items than there are folds.
        """
        self._check_params()
        votes = read_votes(y, self.missing)
        check_consistent_length(X, votes)
        _check_order(X, y, votes)
        if votes.n_classes < 2:
            raise ValueError(
                "AnnotatorClassifier needs at least 2 classes, but the votes have 1 class: "
                f"{votes.classes.tolist()[0]!r}."
            )
        data = self._data(X, votes, sample_weight)
        held_out: dict[str, float] = {}
        kind = self.annotators
        if kind == "auto":
            held_out = self._compare(data)
            kind = min(held_out, key=held_out.__getitem__) if held_out else "equal"
        fit = fit_equal(data) if kind == "equal" else fit_joint(data, kind, self.smoothing)
        self._store(data, kind, fit, held_out)
        if not fit.converged:
            gain = fit.path[-1] - fit.path[-2] if len(fit.path) > 1 else np.inf
            warn_caller(
                f"AnnotatorClassifier stopped after {self.n_iter_} iterations of EM, of which the "
                f"last gained {gain:.1e} nats per vote, more than tol={self.tol:.1e}. Increase "
                f"max_iter (now {self.max_iter}) or tol.",
                ConvergenceWarning,
            )
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray:
        """Probability of every class, whatever annotators would say.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`; rows sum to one.
        """
        check_is_fitted(self)
        return self.classifier_.predict_proba(X)

    def predict_log_proba(self, X: ArrayLike) -> NDArray:
        """Logarithm of the probability of every class.

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
        return log_probabilities(self.classifier_, X)

    def predict(self, X: ArrayLike) -> NDArray:
        """Most probable class.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples,)
            Entries of `classes_`.
        """
        codes = self.predict_proba(X).argmax(axis=1)
        return self.classes_[codes]

    def annotator_proba(self, X: ArrayLike, annotator: Any) -> NDArray:
        """Probability of what an annotator would say.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Features.
        annotator : str or int
            One of `annotator_names_`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            ``predict_proba(X) @ confusion_[a]``; columns in the order of `classes_`.

        Raises
        ------
        ValueError
            If the annotator was not seen in fit.
        """
        check_is_fitted(self)
        known = self.annotator_names_.tolist()
        if annotator not in known:
            raise ValueError(
                f"The annotator {annotator!r} was not seen in fit, which knows {known[:10]}. What "
                "an unknown annotator would say is predict_proba(X) @ pooled_confusion_."
            )
        return self.predict_proba(X) @ self.confusion_[known.index(annotator)]

    def vote_log_likelihood(
        self, X: ArrayLike, y: Any, sample_weight: ArrayLike | None = None
    ) -> float:
        """Mean log-likelihood of votes, by which models of annotators are compared.

        It is a scorer: ``GridSearchCV(..., scoring=AnnotatorClassifier.vote_log_likelihood)``.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples, n_annotators) or (n_samples,), or AnnotatorVotes
            Labels with gaps, as for `fit`. Annotators are matched by name, or by position if there
            are no names. One who was not seen in fit has the pooled matrix.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative factors of the items.

        Returns
        -------
        float
            Nats per vote; greater is better.

        Raises
        ------
        ValueError
            If y holds no vote, a label that is not in `classes_`, or columns that have no names and
            are not as many as the annotators.
        """
        check_is_fitted(self)
        votes = read_votes(y, self.missing, classes=self.classes_)
        check_consistent_length(X, votes)
        weight = _weights(sample_weight, votes)
        matrices = None if self.annotators_ == "equal" else self._matrices(votes)
        found = vote_log_likelihood(self.predict_log_proba(X), votes, matrices)
        return float(weight @ found / (weight @ votes.totals))

    def score(self, X: ArrayLike, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """Accuracy; for a matrix of votes, the share of votes for the predicted class.

        The latter judges annotators as well as the classifier: `vote_log_likelihood` tells them
        apart.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,) or (n_samples, n_annotators), or AnnotatorVotes
            True labels, or votes as for `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative factors of the items.

        Returns
        -------
        float
            Between 0 and 1; greater is better.
        """
        if np.ndim(y) == 1 and not isinstance(y, AnnotatorVotes):
            return super().score(X, y, sample_weight)
        codes = self.predict_proba(X).argmax(axis=1)
        votes = read_votes(y, self.missing, classes=self.classes_)
        check_consistent_length(X, votes)
        weight = _weights(sample_weight, votes)
        hits = votes.counts[np.arange(len(votes)), codes]
        return float(weight @ hits / (weight @ votes.totals))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = get_tags(self._inner())
        tags.input_tags = inner.input_tags
        if inner.classifier_tags is not None:
            tags.classifier_tags.poor_score = inner.classifier_tags.poor_score
            tags.classifier_tags.multi_class = inner.classifier_tags.multi_class
        tags.non_deterministic = inner.non_deterministic
        return tags

    def _inner(self):
        return KLClassifier() if self.classifier is None else self.classifier

    def _check_params(self):
        if not isinstance(self.annotators, str) or self.annotators not in _MODELS:
            raise ValueError(
                f"annotators must be one of {', '.join(map(repr, _MODELS))}, got "
                f"{self.annotators!r}. The names of annotators are the columns of y."
            )
        if not (isinstance(self.smoothing, str) and self.smoothing == "auto"):
            check_number(
                self.smoothing, "smoothing", '"auto" or a number of at least 0', low=0, closed="low"
            )
        check_number(self.tol, "tol", "a number of at least 0", low=0, closed="low")
        check_whole(self.max_iter, "max_iter")
        inner = self._inner()
        if not hasattr(inner, "predict_proba"):
            raise TypeError(
                f"{type(inner).__name__} has no predict_proba, and votes are read by the "
                "probabilities of the classes. Use a classifier that has it."
            )

        if self.annotators != "equal":
            check_weighs_classes_alike(inner)

    def _data(self, X, votes, sample_weight):
        weight = None if sample_weight is None else _weights(sample_weight, votes)
        learner = Learner(self._inner(), X, weight)
        weight = np.ones(len(votes)) if weight is None else weight
        if not weight @ votes.totals > 0:
            raise ValueError(
                "Every item with votes has sample_weight zero. At least one must carry weight."
            )
        if self.verbose:
            _show_log()
        return Data(learner, votes, weight, self.tol, self.max_iter, bool(self.verbose))

    def _compare(self, data):
        """Cross-entropy of held-out votes by model; empty if only one annotator gave votes."""
        if np.count_nonzero(data.votes.n_votes) < 2:
            return {}
        if self.cv is None or isinstance(self.cv, Integral):
            n_folds = 5 if self.cv is None else check_whole(self.cv, "cv", least=2)
            n_voted = np.count_nonzero(data.votes.totals)
            if n_voted < n_folds:
                raise ValueError(
                    f"cv means {n_folds} folds of items, but only {n_voted} items have votes. Use "
                    'fewer folds, or choose the model by annotators="equal" or "confusion".'
                )
            splitter = SoftStratifiedKFold(
                n_folds,
                shuffle=True,
                random_state=self.random_state,
            )
        else:
            splitter = check_cv(self.cv)
        splits = list(splitter.split(data.votes.counts, data.votes.counts))
        return compare_models(data, splits, self.smoothing, self.n_jobs)

    def _store(self, data, kind, fit, held_out):
        self.classes_ = data.votes.classes
        self.classifier_ = data.learner.finish(fit.learned)
        self.annotators_ = kind
        self.annotator_names_ = data.votes.annotators
        self.n_votes_ = data.votes.n_votes
        self.confusion_ = fit.matrices
        self.posterior_ = fit.posterior
        share = data.weight @ fit.posterior / data.weight.sum()
        self.annotator_accuracy_ = np.diagonal(fit.matrices, axis1=1, axis2=2) @ share
        self.pooled_confusion_ = fit.pooled
        self.smoothing_ = fit.prior.strength
        self.held_out_cross_entropy_ = held_out
        self.cross_entropy_ = fit.cross_entropy
        self.log_likelihood_path_ = np.array(fit.path)
        self.n_iter_ = len(fit.path)
        self.converged_ = fit.converged
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.classifier_, name):
                setattr(self, name, getattr(self.classifier_, name))

    def _matrices(self, votes):
        """Confusion matrix of every column of some votes."""
        known = self.annotator_names_.tolist()
        if votes.unnamed and votes.shape[1] != len(known):
            raise ValueError(
                f"y has {votes.shape[1]} columns without names, but fit saw {len(known)} "
                "annotators. Give one column for each, or a DataFrame whose columns name them."
            )
        names = known if votes.unnamed else votes.annotators.tolist()
        place = {name: position for position, name in enumerate(known)}
        return np.array(
            [
                self.confusion_[place[name]] if name in place else self.pooled_confusion_
                for name in names
            ]
        )


def _check_order(X, y, votes):
    """Raise if features and votes name the same samples in another order."""
    if votes.samples is not None and hasattr(X, "iloc"):
        y = type(X)(index=votes.samples)
    check_row_order(X=X, y=y)


def _weights(sample_weight, votes):
    """Return the weights of the samples as an array."""
    if sample_weight is None:
        return np.ones(len(votes))
    return _check_sample_weight(
        sample_weight, votes.totals, dtype=np.float64, ensure_non_negative=True
    )
