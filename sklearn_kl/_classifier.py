"""KLClassifier: validate, wire the parts, store what was fitted."""

import warnings
from numbers import Integral, Real

import numpy as np
from scipy.special import expit, log_expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted, check_scalar, validate_data

from sklearn_kl._blocks import deal_lanes, lane_runner
from sklearn_kl._callbacks import (
    WRAPPER_FRAMES,
    CallbackSupportMixin,
    FitReport,
    with_callbacks,
)
from sklearn_kl._certificate import certified_gap
from sklearn_kl._export import to_logistic_regression
from sklearn_kl._objective import Objective
from sklearn_kl._simplex import log_softmax
from sklearn_kl._targets import encode_targets, resolve_targets
from sklearn_kl.models import LinearSoftmax
from sklearn_kl.penalties import L2
from sklearn_kl.solvers import make_solver


class KLClassifier(CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    """Classifier that minimises the KL divergence to labels, distributions or vote counts.

    For rows with strengths ``Y_ik`` and weights ``w_i`` it minimises::

        J(W, b) = C * sum_i w_i sum_k Y_ik * (-log q_k(x_i)) + 1/2 ||W||^2
        q(x) = softmax(W x + b)

    over the coefficients W and intercepts b. Labels are one-hot rows, and J is then exactly the
    objective of :class:`sklearn.linear_model.LogisticRegression` with the same C. A row of a
    distribution or of counts weighs its total, so counts are the same as repeated labels. The
    cross-entropy exceeds the entropy of the targets, which no model can change, by the KL
    divergence: that is what training reduces.

    Parameters
    ----------
    C : float, default=1.0
        Inverse strength of the L2 penalty, greater than 0; ``np.inf`` means no penalty.
    fit_intercept : bool, default=True
        Whether to fit b. It is not penalised.
    class_weight : dict or "balanced", default=None
        Factors of the classes' strengths; "balanced" gives each class the same total.
    solver : {"lbfgs", "newton-cg", "gd"} or Solver, default="lbfgs"
        Quasi-Newton, trust-region Newton with exact Hessian products, or gradient descent; all by
        :func:`scipy.optimize.minimize`, and all reach the same minimum. An instance from
        :mod:`sklearn_kl.solvers` carries options of its own, which grid search can reach as
        ``solver__max_iter``.
    tol : float, default=1e-7
        Stop when the mean objective is at most this many nats above its minimum, by estimate.
        The estimate does not depend on the units of the features or on the number of rows.
    max_iter : int, default=1000
        Largest number of iterations.
    warm_start : bool, default=False
        Start from the coefficients of the last fit.
    n_jobs : int, default=None
        Number of threads. None means as many as BLAS would use; -1 means all processors. The
        result is the same, bit for bit, for every choice.
    random_state : int, RandomState instance or None, default=None
        Not used by the linear model, whose objective is convex.
    verbose : int, default=0
        If positive, log a line per iteration to the logger "sklearn_kl".

    Attributes
    ----------
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Coefficients W; a single row, of the second class, if there are two classes.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts b; zeros if `fit_intercept` is False.
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
        Mean entropy of the training targets, nats: the least that any model could reach.
    kl_divergence_ : float
        Mean KL divergence from the model to the training targets, nats: the difference.
    optimality_gap_ : float or None
        Certified upper bound, by duality, of the distance of the mean objective from its minimum,
        nats. It can be far above the real distance when the penalty is weak. None where there is
        no certificate: without a penalty.
    loss_path_ : ndarray of shape (n_iter_,)
        Training cross-entropy after every iteration, nats.
    converged_ : bool
        Whether the fit reached `tol`.

    See Also
    --------
    sklearn_kl.metrics.kl_divergence : Judge probabilities against distributions.
    sklearn.linear_model.LogisticRegression : The same model for labels only.

    Notes
    -----
    With 1-D `y`, ``fit(X, y, target_proba=P)`` trains on the matrix P all the same. Tools that
    split by labels or insist on them see `y`, the model sees P; ask for it with
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
        *,
        C=1.0,
        fit_intercept=True,
        class_weight=None,
        solver="lbfgs",
        tol=1e-7,
        max_iter=1000,
        warm_start=False,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.C = C
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @with_callbacks
    def fit(self, X, y, sample_weight=None, target_proba=None):
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
            there are fewer than two classes, or all rows weigh nothing.

        Warns
        -----
        ConvergenceWarning
            If the estimated distance from the minimum stays above `tol`.
        """
        self._check_params()
        X, targets = self._check_data(X, y, sample_weight, target_proba)
        n_classes = targets.n_classes
        model = LinearSoftmax(
            X.shape[1], 1 if n_classes == 2 else n_classes, bool(self.fit_intercept)
        )
        penalty = L2(self._strength(targets), model.n_penalised)
        targets = targets.share_of_total()
        report = FitReport(
            self,
            penalty,
            lambda theta: self._predictive(model, targets.classes, theta, X.dtype),
            max_iter=self.max_iter,
            X=X,
            y=y,
            sample_weight=sample_weight,
        )
        with lane_runner(deal_lanes(X, model.n_logits), self.n_jobs) as lanes:
            prepared = model.prepare(lanes, targets, penalty)
            objective = Objective(model, penalty, targets, lanes, prepared.statistic, prepared.mean)
            result = make_solver(self.solver).minimize(
                objective,
                self._first_theta(model, targets),
                preconditioner=prepared.preconditioner,
                tol=self.tol,
                max_iter=self.max_iter,
                on_iteration=report,
            )
            gap = certified_gap(objective, result.theta, result.value, result.gradient)
        self._store(objective, result, gap)
        vars(self).update(report.attributes(result.theta))
        self.loss_path_ = report.path
        report.close()
        return self

    def decision_function(self, X):
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
        X = validate_data(
            self, X, reset=False, accept_sparse=["csr", "csc"], dtype=[np.float64, np.float32]
        )
        model = LinearSoftmax(X.shape[1], len(self.intercept_))
        theta = model.join(self.coef_.T, self.intercept_)
        logits = model.logits(theta, X)
        return logits[0] if model.n_logits == 1 else np.ascontiguousarray(logits.T)

    def predict_proba(self, X):
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
        if logits.ndim == 1:
            return np.column_stack([expit(-logits), expit(logits)])
        return np.exp(log_softmax(logits))

    def predict_log_proba(self, X):
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

    def predict(self, X):
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

    def score(self, X, y, sample_weight=None):
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
        codes = self._predict_codes(X)
        if np.ndim(y) == 1 and not hasattr(y, "columns"):
            return super().score(X, y, sample_weight)
        targets = encode_targets(y, classes=self.classes_, sample_weight=sample_weight)
        check_consistent_length(codes, targets.mass)
        return targets.expected_accuracy(codes)

    def to_logistic_regression(self):
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
        return tags

    def _check_params(self):
        check_scalar(self.C, "C", Real, min_val=0, include_boundaries="neither")
        check_scalar(self.tol, "tol", Real, min_val=0)
        check_scalar(self.max_iter, "max_iter", Integral, min_val=1)
        if np.isnan(self.C) or np.isnan(self.tol):
            raise ValueError(f"C and tol must be numbers, got C={self.C} and tol={self.tol}.")

    def _check_data(self, X, y, sample_weight, target_proba):
        """Return X as an array or CSR or CSC matrix that is not copied, and the Targets."""
        X = validate_data(self, X, accept_sparse=["csr", "csc"], dtype=[np.float64, np.float32])
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
        return X, targets

    def _strength(self, targets):
        """Strength of the L2 penalty in the mean objective."""
        with np.errstate(over="ignore"):
            strength = 1.0 / np.float64(self.C) / targets.mass.sum()
        # Far below, the weights are zero to the last digit already.
        return float(min(strength, 1e300))

    def _first_theta(self, model, targets):
        """Theta to start from: the last fit's with warm_start, else the model's choice."""
        if not (self.warm_start and hasattr(self, "coef_")):
            return model.initial(targets.class_mass())
        shape = (model.n_logits, model.n_features)
        if self.coef_.shape != shape or not np.array_equal(self.classes_, targets.classes):
            raise ValueError(
                f"warm_start=True continues from a model with {self.coef_.shape[1]} features and "
                f"the classes {list(self.classes_[:10])}, but X has {model.n_features} features "
                f"and y the classes {list(targets.classes[:10])}. Set warm_start=False or fit a "
                "clone."
            )
        return model.join(self.coef_.T, self.intercept_).astype(np.float64)

    def _predictive(self, model, classes, theta, dtype):
        """Fitted attributes that predictions need."""
        weights, intercept = model.split(theta)
        if intercept is None:
            intercept = np.zeros(model.n_logits)
        return {
            "coef_": np.ascontiguousarray(weights.T, dtype=dtype),
            "intercept_": intercept.astype(dtype),
            "classes_": classes,
        }

    def _store(self, objective, result, gap):
        """Set the attributes that describe the fit, and warn if it did not converge."""
        self.n_iter_ = result.n_iter
        self.cross_entropy_ = result.value - objective.penalty.value(result.theta)
        self.target_entropy_ = objective.lower_bound
        self.kl_divergence_ = self.cross_entropy_ - self.target_entropy_
        self.optimality_gap_ = gap
        self.converged_ = result.converged
        if result.converged or result.stopped:
            return
        certified = (
            ""
            if self.optimality_gap_ is None
            else (f" (certified: at most {self.optimality_gap_:.1e})")
        )
        warnings.warn(
            f"KLClassifier stopped after {result.n_iter} iterations, before it converged: the "
            f"objective is an estimated {result.gap:.1e} nats above its minimum{certified}, and "
            f"tol={self.tol:.1e}; the gradient norm is {np.linalg.norm(result.gradient):.1e}. "
            f"Increase max_iter (now {self.max_iter}) or tol, or add a penalty with a smaller C "
            f"(now {self.C:g}). The solver said: {result.message}",
            ConvergenceWarning,
            stacklevel=3 + WRAPPER_FRAMES,
        )

    def _predict_codes(self, X):
        logits = self.decision_function(X)
        return (logits > 0).astype(int) if logits.ndim == 1 else logits.argmax(axis=1)
