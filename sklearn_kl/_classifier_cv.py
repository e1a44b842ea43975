"""KLClassifierCV: choose the strength of the penalty by cross-validation along a warm path."""

import warnings
from numbers import Integral

import numpy as np
from sklearn.utils.validation import check_scalar

from sklearn_kl._classifier import KLClassifier
from sklearn_kl._data.encode import plain_labels
from sklearn_kl._data.rows import take_rows
from sklearn_kl.metrics import get_scorer, neg_cross_entropy_scorer
from sklearn_kl.model_selection._split import make_splitter

# Parameters that the model of the chosen C shares with the path.
_SHARED = (
    "model",
    "l1_ratio",
    "prior",
    "fit_intercept",
    "class_weight",
    "solver",
    "tol",
    "max_iter",
    "n_init",
    "n_jobs",
    "random_state",
)


class KLClassifierCV(KLClassifier):
    """KLClassifier that chooses C by cross-validation.

    On every fold, C goes from small to large and each fit of a convex model starts from the
    parameters of the one before. The C with the best mean score over folds is chosen, the smallest
    of equals, and the model is fitted to all rows with it: the choice and the model of
    ``GridSearchCV(KLClassifier(), {"C": Cs})``, with fewer passes over the data. Callbacks are not
    called.

    Parameters
    ----------
    Cs : int or array-like of float, default=10
        The candidates, or how many to take between 1e-4 and 1e4, evenly in the logarithm.
    cv : int, splitter or iterable of splits, default=None
        A number of folds, 5 for None, means SoftStratifiedKFold for a matrix of targets and
        StratifiedKFold for labels.
    scoring : str, callable or None, default=None
        A name of :func:`sklearn_kl.metrics.get_scorer` or a scorer ``(estimator, X, y)``; the
        greater the better. None means the negative cross-entropy.
    model : {"linear", "mlp", "low_rank", "ordinal"} or ParametricModel, default="linear"
        As for KLClassifier.
    l1_ratio : float, default=0.0
        Share of the L1 penalty, from 0 to 1, the lasso.
    prior : KLToPrior or None, default=None
        As for KLClassifier; a class prior or a fitted model, since given rows fit no fold.
    fit_intercept : bool, default=True
        Whether the linear model has intercepts.
    class_weight : dict or "balanced", default=None
        Factors of the classes' strengths; "balanced" gives each class the same total.
    solver : {"lbfgs", "newton-cg", "gd"} or Solver, default="lbfgs"
        As for KLClassifier.
    tol : float, default=1e-7
        Stop a fit when the mean objective is at most this many nats above its minimum, by
        estimate.
    max_iter : int, default=1000
        Largest number of iterations of a fit.
    n_init : int, default=1
        Number of random starts of a model whose objective is not convex, at every C.
    n_jobs : int, default=None
        Number of threads of every fit. None means as many as BLAS would use; -1 means all
        processors.
    random_state : int, RandomState instance or None, default=None
        As for KLClassifier.
    verbose : int, default=0
        Above 0, log the iterations of the last fit.

    Attributes
    ----------
    C_ : float
        The chosen C.
    Cs_ : ndarray of shape (n_Cs,)
        The candidates, ascending.
    scores_ : ndarray of shape (n_folds, n_Cs)
        Score of every fold's test rows.
    coef_ : ndarray of shape (n_classes, n_features) or (1, n_features)
        Coefficients; one row, of the second class, if there are two classes.
    intercept_ : ndarray of shape (n_classes,) or (1,)
        Intercepts; zeros without `fit_intercept`.
    classes_ : ndarray of shape (n_classes,)
        Class of every column of the probabilities.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if they are all strings.
    n_iter_ : int
        Number of iterations of the last fit; so are the other attributes of KLClassifier.

    See Also
    --------
    KLClassifier : The model with a given C.

    Notes
    -----
    With `sample_weight`, the test rows are weighted too. With `target_proba`, folds are
    stratified by the labels `y` and scored against the test rows of `target_proba`, so `scoring`
    must take a matrix of targets.

    Examples
    --------
    >>> from sklearn_kl import KLClassifierCV
    >>> from sklearn_kl.datasets import make_soft_classification
    >>> X, votes, q = make_soft_classification(n_samples=200, random_state=0)
    >>> model = KLClassifierCV(Cs=[0.001, 0.01, 0.1, 1.0]).fit(X, votes)
    >>> model.C_
    0.1
    >>> model.scores_.shape
    (5, 4)
    """

    def __init__(
        self,
        Cs=10,
        *,
        cv=None,
        scoring=None,
        model="linear",
        l1_ratio=0.0,
        prior=None,
        fit_intercept=True,
        class_weight=None,
        solver="lbfgs",
        tol=1e-7,
        max_iter=1000,
        n_init=1,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.Cs = Cs
        self.cv = cv
        self.scoring = scoring
        self.model = model
        self.l1_ratio = l1_ratio
        self.prior = prior
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.n_init = n_init
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @property
    def fit_path(self):
        raise AttributeError(
            "KLClassifierCV chooses C along a path of its own: use KLClassifier.fit_path."
        )

    def fit(self, X, y, sample_weight=None, target_proba=None):
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

        Returns
        -------
        self : KLClassifierCV
            Fitted estimator.

        Raises
        ------
        ValueError
            If `Cs` holds no positive number, or in the cases of KLClassifier.

        Warns
        -----
        ConvergenceWarning
            If some fit stops before it reaches `tol`.
        UserWarning
            If no candidate has a finite score.
        """
        candidates = _check_candidates(self.Cs)
        shared = {name: getattr(self, name) for name in _SHARED}
        estimator = KLClassifier(**shared)
        estimator._check_params()
        _, targets = self._check_data(X, y, sample_weight, target_proba)
        self._forget_fit()
        matrix = targets.codes is None and target_proba is None
        splits = make_splitter(self.cv, matrix=matrix).split(
            X, y if targets.codes is None else plain_labels(targets)
        )
        data = (X, y if target_proba is None else target_proba, targets.weight)
        scorer = neg_cross_entropy_scorer if self.scoring is None else get_scorer(self.scoring)
        self.Cs_ = candidates
        self.scores_ = np.array(
            [
                _scores_along_path(
                    estimator,
                    candidates,
                    scorer,
                    train=[take_rows(part, train) for part in data],
                    test=[take_rows(part, test) for part in data],
                )
                for train, test in splits
            ]
        )
        self.C_ = float(candidates[_best_candidate(self.scores_)])
        model = KLClassifier(C=self.C_, **shared, verbose=self.verbose)
        model.fit(X, y, sample_weight=sample_weight, target_proba=target_proba)
        vars(self).update(
            {name: value for name, value in vars(model).items() if name.endswith("_")}
        )
        return self


def _check_candidates(Cs):
    """Return the values of C to try, ascending."""
    if isinstance(Cs, Integral):
        check_scalar(Cs, "Cs", Integral, min_val=1)
        return np.logspace(-4, 4, Cs)
    candidates = np.unique(np.asarray(Cs, dtype=np.float64))
    if not (candidates.size and (candidates > 0).all()):
        raise ValueError(
            f"Cs must be a number of candidates or hold values of C above 0, got {Cs!r}."
        )
    return candidates


def _scores_along_path(estimator, candidates, scorer, *, train, test):
    """Fit the path to the training rows, and return the scores of its models on the test rows.

    Parameters
    ----------
    estimator : KLClassifier
    candidates : ndarray of shape (n_Cs,)
        Values of C.
    scorer : callable
    train, test : list
        X, y and sample_weight or None.

    Returns
    -------
    list of floats
    """
    X, y, weight = test
    weighted = {} if weight is None else {"sample_weight": weight}
    X_train, y_train, weight_train = train
    path = estimator.fit_path(X_train, y_train, candidates, sample_weight=weight_train)
    return [scorer(model, X, y, **weighted) for model in path]


def _best_candidate(scores):
    """Return the first candidate with the greatest mean score over folds."""
    means = scores.mean(axis=0)
    if not np.isfinite(means).any():
        warnings.warn(
            f"No candidate has a finite mean score: they are {means[:10].tolist()}, and the "
            "smallest C is taken. A fold whose training rows lack a class of its test rows scores "
            "minus infinity: use fewer folds or a stratified splitter.",
            UserWarning,
            stacklevel=3,
        )
    return int(np.argmax(np.where(np.isnan(means), -np.inf, means)))
