"""KLClassifier: validate, wire the parts, store what was fitted."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_consistent_length

from sklearn_kl._data.counts import mean_vote_noise
from sklearn_kl._data.encode import expected_accuracy, resolve_targets
from sklearn_kl._data.features import validate_features
from sklearn_kl._data.reading import sorts_strings
from sklearn_kl._data.rows import check_row_order
from sklearn_kl._fit.penalty import Penalty
from sklearn_kl._fit.report import (
    CallbackSupportMixin,
    FitReport,
    with_callbacks,
)
from sklearn_kl._fit.train import Settings, train
from sklearn_kl._numbers import check_number, check_whole, is_whole
from sklearn_kl._parametric import ParametricClassifier
from sklearn_kl._sklearn import InvalidParameterError
from sklearn_kl._typing import MatrixLike
from sklearn_kl._warn import warn_caller
from sklearn_kl.models import ParametricModel
from sklearn_kl.models._names import make_model
from sklearn_kl.penalties import KLToPrior
from sklearn_kl.solvers import Solver
from sklearn_kl.solvers._methods import make_solver

# Attributes of the data, which validation sets before the fit.
_SEEN = ("n_features_in_", "feature_names_in_")


class KLClassifier(CallbackSupportMixin, ParametricClassifier):
    """Classifier that minimises the KL divergence to labels, distributions or vote counts.

    For rows with strengths ``Y_ik`` and weights ``w_i`` it minimises::

        J(theta) = C * sum_i w_i sum_k Y_ik * (-log q_k(x_i))
                   + (1 - l1_ratio) / 2 * ||W||^2 + l1_ratio * ||W||_1
        q(x) = softmax(logits(theta, x)), for the linear model softmax(W x + b)

    over the parameters theta of a model, W being its weights and b its intercepts, which are free.
    Labels are one-hot rows, and J of the linear model is then exactly the objective of
    :class:`sklearn.linear_model.LogisticRegression` with the same C. A row of a
    distribution or of counts weighs its total, so counts are the same as repeated labels. The
    cross-entropy exceeds the entropy of the targets given, which no model can change, by the KL
    divergence: that is what training reduces. With votes for targets, it is the divergence from the
    votes, not from the truth behind them.

    Parameters
    ----------
    model : {"linear", "mlp", "low_rank", "ordinal"} or ParametricModel, default="linear"
        What turns features into logits. An instance from :mod:`sklearn_kl.models`, or of a class
        of your own, carries options, which grid search can reach as ``model__rank``.
    C : float, default=1.0
        Inverse strength of the penalty, greater than 0; ``np.inf`` means no penalty.
    l1_ratio : float, default=0.0
        Share of the L1 penalty, from 0, which is L2 alone, to 1, the lasso. Above 0 some weights
        become exactly zero.
    prior : KLToPrior or None, default=None
        Pulls the predictions towards a class prior, another model's or given ones.
    fit_intercept : bool, default=True
        Whether the linear model has intercepts.
    class_weight : dict or "balanced", default=None
        Factors of the classes' strengths; "balanced" gives each class the same total.
    solver : {"lbfgs", "newton-cg", "gd"} or Solver, default="lbfgs"
        Quasi-Newton, trust-region Newton with exact Hessian products, or gradient descent; all by
        :func:`scipy.optimize.minimize`, and all reach the same minimum. An instance from
        :mod:`sklearn_kl.solvers` carries options of its method, which grid search can reach as
        ``solver__memory``.
    tol : float, default=1e-7
        Stop when the mean objective is at most this many nats above its minimum, by estimate.
        The estimate does not depend on the units of the features or on the number of rows. A
        model that is not convex has also converged when ten iterations gain no more than this each.
    max_iter : int, default=1000
        Largest number of iterations.
    n_init : int, default=1
        Number of random starts of a model whose objective is not convex; the one that ends with
        the lowest objective is kept.
    warm_start : bool, default=False
        Start from the parameters of the last fit; `n_init` is then ignored.
    n_jobs : int, default=None
        Number of threads. None means as many as BLAS would use; -1 means all processors. The
        result is the same, bit for bit, for every choice.
    random_state : int, RandomState instance or None, default=None
        Determines the random starts. Not used by a model whose objective is convex.
    verbose : int, default=0
        If positive, log a line per iteration to the logger "sklearn_kl".

    Attributes
    ----------
    coef_ : ndarray or sparse matrix of shape (1, n_features) or (n_classes, n_features)
        Coefficients W of a linear model; a single row, of the second class, if there are two
        classes. Sparse after `sparsify`.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts b of a linear model; zeros if `fit_intercept` is False.
    model_ : ParametricModel
        The model, bound to the sizes of the data.
    theta_ : ndarray of shape (n_params,)
        Parameters of any model but the linear one; ``model_.split(theta_)`` gives their arrays.
    classes_ : ndarray of shape (n_classes,)
        Class of every column of the probabilities: the sorted labels, a DataFrame's column names,
        or ``arange(n_classes)``.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if they are all strings.
    n_iter_ : int
        Number of iterations.
    cross_entropy_ : float
        Mean cross-entropy of the training targets under the model, nats. Rows weigh their mass.
    target_entropy_ : float
        Mean entropy of the training targets, nats: no model has a lower cross-entropy on them. That
        of votes, a sample, is less than that of the distributions that they were drawn from.
    kl_divergence_ : float
        Mean KL divergence of the model from the training targets, nats: the difference. Where these
        are votes it is no distance from the truth: see `vote_noise_`, and
        :func:`sklearn_kl.metrics.kl_to_truth` for votes that were held out.
    vote_noise_ : float or None
        What `kl_divergence_` would be on average if the model were the truth, nats: it comes from
        the number of votes alone. A model that was fitted to the votes comes closer to them. None
        where the targets are not counts of several votes, or classes have weights. Of evenly spaced
        rows if there are so many, with so many votes, that it would take long.
    optimality_gap_ : float or None
        Certified upper bound, by duality, of the distance of the mean objective from its minimum,
        nats. It can be far above the real distance when the penalty is weak. None where there is
        no certificate: without a penalty, and for models that are not linear.
    loss_path_ : ndarray of shape (n_iter_,)
        Training cross-entropy after every iteration, nats, that of a prior included.
    converged_ : bool
        Whether the fit reached `tol`.

    See Also
    --------
    sklearn_kl.metrics.kl_divergence : Judge probabilities against distributions.
    sklearn.linear_model.LogisticRegression : The same model for labels only.

    Notes
    -----
    With 1-D `y`, ``fit(X, y, target_proba=P)`` trains on P instead. Tools that
    split by labels or insist on them see `y`, the model sees P; request it with
    ``set_fit_request(target_proba=True)`` where metadata routing is enabled.

    References
    ----------
    Boehning, D. (1992). Multinomial logistic regression algorithm. Annals of the Institute of
    Statistical Mathematics, 44, 197-200. :doi:`10.1007/BF00048682`

    Examples
    --------
    Six annotators voted on each of four items:

    >>> import numpy as np
    >>> from sklearn_kl import KLClassifier
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> votes = np.array([[6, 0], [4, 2], [1, 5], [0, 6]])
    >>> clf = KLClassifier().fit(X, votes)
    >>> clf.predict_proba([[1.5]]).round(2)
    array([[0.43, 0.57]])
    >>> bool(np.isclose(clf.cross_entropy_ - clf.target_entropy_, clf.kl_divergence_))
    True
    """

    def __init__(
        self,
        model: str | ParametricModel = "linear",
        *,
        C: float = 1.0,
        l1_ratio: float = 0.0,
        prior: KLToPrior | None = None,
        fit_intercept: bool = True,
        class_weight: dict[Any, float] | str | None = None,
        solver: str | Solver = "lbfgs",
        tol: float = 1e-7,
        max_iter: int = 1000,
        n_init: int = 1,
        warm_start: bool = False,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        self.model = model
        self.C = C
        self.l1_ratio = l1_ratio
        self.prior = prior
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.n_init = n_init
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @with_callbacks
    def fit(
        self,
        X: MatrixLike,
        y: MatrixLike,
        sample_weight: ArrayLike | None = None,
        target_proba: MatrixLike | None = None,
    ) -> Self:
        """Fit the model.

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
            Distributions or counts to train on in place of `y`, which must then be labels. An
            array has one column per sorted label of `y`; a DataFrame names its classes.

        Returns
        -------
        self : KLClassifier
            Fitted estimator.

        Raises
        ------
        ValueError
            If a parameter is out of range, X or y holds NaN, infinite or (y) negative values,
            there are fewer than two classes, all rows weigh nothing, or the objective is not a
            finite number.

        Warns
        -----
        ConvergenceWarning
            If the estimated distance from the minimum stays above `tol`.
        """
        self._check_params()
        data = {"X": X, "y": y}
        if sample_weight is not None:
            data["metadata"] = {"sample_weight": sample_weight}
        with _kept_on_error(self):
            X, targets = self._check_data(X, y, sample_weight, target_proba)
            model = self._bind(X.shape[1], targets.n_classes)
            start = None
            if self.warm_start and hasattr(self, "model_"):
                start = self._warm_theta(model, targets.classes)
            attributes = partial(_predictive, model, targets.classes, dtype=X.dtype)
            n_starts = 1 if model.convex else self.n_init
            with FitReport(self, attributes, data, n_starts) as report:
                given = data["X"]
                (outcome,) = self._train(
                    model, X, targets, given, [_check_C(self.C)], start, report
                )
                self._store(model, outcome, targets.classes, X.dtype)
                self._store_vote_noise(X, targets)
        self._warn_if_not_converged(outcome.result, X.dtype)
        return self

    def fit_path(
        self,
        X: MatrixLike,
        y: MatrixLike,
        Cs: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        target_proba: MatrixLike | None = None,
    ) -> list[Self]:
        """Fit the model for several C, a convex one from the parameters of the one before.

        C goes from small to large, and what is computed from the data once serves all: this is
        faster than a fit for every C, with the same results to within `tol`. A model that is not
        convex is fitted from its own starts for every C, since a strong penalty leads to a saddle
        from where nothing leads away. Callbacks are not called.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features; float32 is kept.
        y : array-like of shape (n_samples,) or {array-like, sparse matrix} of shape \
                (n_samples, n_classes)
            Labels, or a matrix of distributions or vote counts.
        Cs : array-like of float of shape (n_Cs,)
            Values of C, greater than 0.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative factors of the rows.
        target_proba : {array-like, sparse matrix} of shape (n_samples, n_classes), default=None
            As for `fit`.

        Returns
        -------
        list of KLClassifier
            Fitted clones of this estimator, in the order of `Cs`.

        Raises
        ------
        ValueError
            If Cs is empty or not all positive, or as for `fit`.

        Warns
        -----
        ConvergenceWarning
            If some fit stays above `tol`.

        Examples
        --------
        >>> from sklearn_kl import KLClassifier
        >>> from sklearn_kl.datasets import make_soft_classification
        >>> X, votes, q = make_soft_classification(n_samples=200, random_state=0)
        >>> path = KLClassifier(l1_ratio=1.0).fit_path(X, votes, Cs=[0.001, 0.005, 1.0])
        >>> [int((clf.coef_ != 0).any(axis=0).sum()) for clf in path]
        [0, 3, 5]
        """
        values = _check_Cs(Cs)
        reader = clone(self).set_params(C=float(values.min()))
        reader._check_params()
        checked, targets = reader._check_data(X, y, sample_weight, target_proba)
        path = []
        for clf, result in reader._fit_along(values, checked, targets, X):
            clf._store_vote_noise(checked, targets)
            clf._warn_if_not_converged(result, checked.dtype)
            path.append(clf)
        return path

    def _fit_along(self, Cs, X, targets, given):
        """Yield a fitted clone for every C, in their order, and the Result of its fit.

        Parameters
        ----------
        Cs : ndarray of shape (n_Cs,)
        X : ndarray, CSR or CSC of shape (n_samples, n_features)
            Checked by this estimator, which knows the names of the features since.
        targets : Targets
        given : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            X as a prior is asked about it.
        """
        order = np.argsort(Cs, kind="stable")
        model = self._bind(X.shape[1], targets.n_classes)
        with FitReport(self) as report:
            outcomes = self._train(model, X, targets, given, Cs[order], None, report)
        seen = {name: value for name, value in vars(self).items() if name in _SEEN}
        for C, place in zip(Cs, np.argsort(order), strict=True):
            clf = clone(self).set_params(C=float(C))
            vars(clf).update(seen)
            clf._store(model, outcomes[place], targets.classes, X.dtype)
            yield clf, outcomes[place].result

    def score(self, X: MatrixLike, y: MatrixLike, sample_weight: ArrayLike | None = None) -> float:
        """Accuracy; for a matrix of targets, the expected accuracy.

        For labels it is the share of rows whose label is predicted. For distributions or counts it
        is the mean probability that the target gives to the predicted class, which is the
        accuracy on labels drawn from the targets. Likelihood-based scores are in
        :mod:`sklearn_kl.metrics`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
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
        codes = self._predict_codes(X)
        return expected_accuracy(y, codes, self.classes_, sample_weight)

    def _check_params(self):
        _check_C(self.C)
        check_number(self.tol, "tol", "a number of at least 0, in nats", low=0, closed="low")
        check_number(
            self.l1_ratio, "l1_ratio", "a number from 0 to 1", low=0, high=1, closed="both"
        )
        check_whole(self.max_iter, "max_iter")
        check_whole(self.n_init, "n_init")
        if self.n_jobs is not None and not (is_whole(self.n_jobs) and self.n_jobs != 0):
            raise InvalidParameterError(
                f"n_jobs must be a number of threads, -1 for all processors or None for as many as "
                f"BLAS would use, got {self.n_jobs!r}."
            )
        if self.prior is not None and (
            not hasattr(self.prior, "mix") or isinstance(self.prior, type)
        ):
            raise ValueError(
                "prior must be None or a KLToPrior, such as sklearn_kl.penalties.KLToPrior("
                f"[0.5, 0.5]), got {self.prior!r}."
            )

    def _check_data(self, X, y, sample_weight, target_proba):
        """Return X as an array or CSR or CSC matrix that is not copied, and the Targets."""
        check_row_order(X=X, y=y, target_proba=target_proba, sample_weight=sample_weight)
        X = validate_features(self, X, reset=True)
        targets = resolve_targets(
            y,
            target_proba,
            sample_weight=sample_weight,
            class_weight=self.class_weight,
        )
        check_consistent_length(X, targets.mass)
        if targets.n_classes < 2:
            raise ValueError(
                f"KLClassifier needs at least 2 classes, but y has 1 class: {targets.classes[0]!r}."
            )
        self._warn_of_string_order(y, targets.classes)
        return X, targets

    def _warn_of_string_order(self, y, classes):
        """Warn if a model of ordered classes takes them as strings sort."""
        ordered = make_model(self.model, self.fit_intercept).ordered
        # Two classes are the same in either order.
        if ordered and len(classes) > 2 and sorts_strings(y):
            warn_caller(
                f"The ordinal model takes the classes in the order {classes[:10].tolist()}, in "
                "which strings sort. Say which order is meant: pass labels as "
                "pandas.Categorical(y, categories=[...], ordered=True), as numbers, or as a matrix "
                "whose columns are in order."
            )

    def _train(self, model, X, targets, given, Cs, start, report):
        """Train on the targets, with the prior mixed in if there is one, for every C."""
        mixed = targets if self.prior is None else self.prior.mix(targets, given)
        settings = Settings(
            make_solver(self.solver),
            self.tol,
            self.max_iter,
            self.n_init,
            self.n_jobs,
            self.random_state,
        )
        total = mixed.mass.sum()
        penalties = [Penalty.from_C(C, self.l1_ratio, total, model.penalised) for C in Cs]
        judged = None if self.prior is None else targets
        return train(
            model, X, mixed, penalties, settings, judged=judged, start=start, report=report
        )

    def _bind(self, n_features, n_classes):
        """Return the model for these sizes."""
        model = make_model(self.model, self.fit_intercept)
        return model.bind(n_features, 1 if n_classes == 2 else n_classes)

    def _warm_theta(self, model, classes):
        """Parameters of the last fit, for a model and classes that must be the same."""
        known = self.model_
        if known.n_features != model.n_features or not np.array_equal(self.classes_, classes):
            raise ValueError(
                f"warm_start=True continues from a model with {known.n_features} features and "
                f"the classes {list(self.classes_[:10])}, but X has {model.n_features} features "
                f"and y the classes {list(classes[:10])}. Set warm_start=False or fit a clone."
            )
        theta = self._last_theta()
        if type(known) is not type(model) or len(theta) != model.n_params:
            raise ValueError(
                f"warm_start=True continues from {known!r} with {len(theta)} parameters, but the "
                f"model is now {model!r} with {model.n_params}. Set warm_start=False or fit a "
                "clone."
            )
        return theta

    def _forget_fit(self):
        """Delete all fitted attributes but those that validation sets."""
        for name in self._fitted_attributes():
            if name not in _SEEN:
                delattr(self, name)

    def _store(self, model, outcome, classes, dtype):
        """Set the fitted attributes; of a fit before, with another model perhaps, none is left."""
        result = outcome.result
        self._forget_fit()
        for name, value in _predictive(model, classes, result.theta, dtype).items():
            setattr(self, name, value)
        self.n_iter_ = result.n_iter
        self.cross_entropy_ = outcome.cross_entropy
        self.target_entropy_ = outcome.target_entropy
        self.kl_divergence_ = outcome.kl_divergence
        self.optimality_gap_ = outcome.gap
        self.loss_path_ = outcome.loss_path
        self.converged_ = result.converged

    def _store_vote_noise(self, X, targets):
        """Set what the number of votes explains; apart, since folds of a search need none."""
        self.vote_noise_ = mean_vote_noise(
            targets, lambda rows: self._to_proba(self._compute_logits(X[rows]).astype(np.float64))
        )

    def _warn_if_not_converged(self, result, dtype):
        if result.converged or result.stopped:
            return
        gap = self.optimality_gap_
        certified = "" if gap is None else f" (certified: at most {gap:.1e})"
        rounding = ""
        if dtype == np.float32 and result.n_iter < self.max_iter:
            rounding = "X is float32, and rounding may have ended the search: pass float64. "
        warn_caller(
            f"KLClassifier stopped after {result.n_iter} iteration"
            f"{'s' * (result.n_iter != 1)}, before it converged: the "
            f"objective is an estimated {result.gap:.1e} nats above its minimum{certified}, and "
            f"tol={self.tol:.1e}; the gradient norm is {_norm(result.gradient):.1e}. "
            f"Increase max_iter (now {self.max_iter}) or tol, or add a penalty with a smaller C "
            f"(now {float(self.C):g}). {rounding}The solver said: {result.message}",
            ConvergenceWarning,
        )


def _predictive(model, classes, theta, dtype):
    """Fitted attributes that predictions need."""
    return {"model_": model, "classes_": classes} | model.state(theta, dtype)


@contextmanager
def _kept_on_error(clf):
    """Put the fitted attributes back as they were if a fit fails, also those of validation."""
    before = clf._fitted_attributes()
    try:
        yield
    except BaseException:
        for name in clf._fitted_attributes():
            delattr(clf, name)
        vars(clf).update(before)
        raise


def _check_C(C):
    """Return C as a float."""
    allowed = "a number greater than 0, or np.inf for no penalty"
    return check_number(C, "C", allowed, low=0, closed="high")


def _check_Cs(Cs):
    """Return the values of C as an array."""
    values = np.atleast_1d(np.asarray(Cs, dtype=np.float64))
    if values.ndim != 1 or not values.size or not (values > 0).all():
        raise ValueError(f"Cs must hold at least one value of C, all above 0, got {Cs!r}.")
    return values


def _norm(vector):
    """Euclidean norm, also where squares overflow."""
    largest = np.abs(vector).max()
    return largest * np.linalg.norm(vector / largest) if 0 < largest < np.inf else largest
