"""KLInference: how sure the coefficients and probabilities of a fitted linear model are.

With d columns a_i = (1, x_i) of the design, contrasts eta_ik = a_i' beta_k of every class k with
the reference class, strengths t_ik, masses m_i = sum_k t_ik, M = sum_i m_i and q_i = softmax:

    L(beta)      = sum_ik t_ik log q_ik = -M * mean cross-entropy
    score_i      = (t_i - m_i q_i) (x) a_i, the reference class left out
    information  = sum_i m_i (diag(q_i) - q_i q_i') (x) a_i a_i'  [+ penalty]
    covariance   = information^-1
    sandwich     = G / (G - 1) * information^-1 (sum_g s_g s_g') information^-1,
                   s_g the sum of score_i over the rows of group g

Parameters are ordered by class, then by column, the intercept first, as R orders those of
nnet::multinom. Sums are taken over features less their mean, which keeps the information of far-off
features, such as years, well conditioned; the covariance is moved back at the end.
"""

import copy
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from scipy.optimize import linprog
from scipy.special import entr, expit, logsumexp
from scipy.stats import chi2, norm
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_kl._blocks import deal_lanes, lane_runner
from sklearn_kl._simplex import log_softmax
from sklearn_kl._targets import encode_targets, resolve_targets

# The information matrix is dense: 3.2 GB at this size, and its inverse as much again.
MAX_PARAMS = 20_000
# Below this reciprocal condition number of the scaled information, no digit of the result is sure.
SMALLEST_RCOND = 1e-13
# A logit known to no better than this, on a row of the data, calls for a test of separation.
UNSURE_LOGIT = 5.0
# Above this size that test takes minutes (7 s at a quarter), and the standard error alone decides.
MAX_CONSTRAINT_NUMBERS = 2 * 10**7
# Further from the optimum than this many standard errors, a fit has not converged for inference.
FAR_FROM_OPTIMUM = 0.1
# Numbers that the scores of a batch of groups may hold at once.
BATCH_SIZE = 2**22


@dataclass(frozen=True)
class LikelihoodRatioTest:
    """Test of a model against a smaller one that is nested in it.

    Parameters
    ----------
    statistic : float
        Twice the mass times the difference of the mean cross-entropies.
    df : int
        Number of parameters that the smaller model lacks.
    p_value : float
        Probability of a statistic at least as large if the smaller model is true, by the
        chi-squared distribution with `df` degrees of freedom.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kl import KLClassifier, KLInference
    >>> from sklearn_kl.datasets import load_housing
    >>> X, counts = load_housing(return_X_y=True)
    >>> clf = KLClassifier(C=np.inf, tol=1e-12).fit(X, counts)
    >>> result = KLInference.from_estimator(clf, X, counts).likelihood_ratio_test()
    >>> round(result.statistic, 2), result.df
    (178.79, 12)
    """

    statistic: float
    df: int
    p_value: float


@dataclass(frozen=True, eq=False)
class KLInference:
    """Standard errors, tests and intervals of a fitted linear :class:`KLClassifier`.

    The covariance of the coefficients is the inverse of the observed information, which is the
    total mass times the Hessian of the mean cross-entropy; with groups it is the sandwich
    estimate. Coefficients are those of the logits ``log(q_k / q_reference)``, as only differences
    between classes can be identified. Make it with :meth:`from_estimator`.

    Parameters
    ----------
    estimator : KLClassifier
        The fitted classifier.
    reference : object
        Class that the others are compared with.
    contrast_classes : ndarray of shape (n_contrasts,)
        The other classes, in the order of `classes_`.
    term_names : list of str of length n_terms
        "intercept", if there is one, and the names of the features, or x0, x1, ...
    coef : ndarray of shape (n_contrasts, n_terms)
        Coefficients less those of the reference class, the intercept first.
    centre : ndarray of shape (n_features,)
        What is subtracted from the features in `centred_covariance`.
    centred_covariance : ndarray of shape (n_params, n_params)
        Covariance of the coefficients of the centred features, by class, then by term.
    cross_entropy : float
        Mean cross-entropy of the targets, nats. Rows weigh their mass.
    class_mass : ndarray of shape (n_classes,)
        Mass of every class, in the order of `classes_`.
    effective_n_params : float
        Number of parameters; less with a penalty, see Notes.
    n_groups : int or None
        Number of groups with mass, if the covariance is the sandwich estimate.
    distance_to_optimum : float
        Estimated distance of the coefficients from the optimum, in standard errors: no
        standardised combination of coefficients is off by more.

    See Also
    --------
    sklearn_kl.metrics.compare_kl : Compare models that are not nested, on other rows.

    Notes
    -----
    The likelihood is that of independent draws of labels, as many as the mass: a row of vote counts
    counts every vote, a row of a distribution or a label counts once, and weights count
    repetitions. A distribution that stands for many votes, weights that are no repetitions (such
    as `class_weight`) and votes that depend on each other need `groups`; ``groups=range(n)`` takes
    every row for itself.

    With a penalty (finite C) the information includes the penalty: the covariance is that of the
    normal approximation of the posterior under independent normal priors with variance C of all
    classes' coefficients. Penalised coefficients are biased towards zero, so p values and
    confidence intervals do not keep their level; the number of parameters in AIC and BIC is the
    trace of ``(information + penalty)^-1 information``. The likelihood-ratio test needs C=np.inf.

    References
    ----------
    .. [1] A. Agresti, "Categorical Data Analysis", 3rd ed., Wiley, 2013, chapters 5 and 8.

    .. [2] H. White, "Maximum Likelihood Estimation of Misspecified Models", Econometrica 50,
       1982, 1-25. :doi:`10.2307/1912526`

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kl import KLClassifier, KLInference
    >>> from sklearn_kl.datasets import load_housing
    >>> X, counts = load_housing(return_X_y=True)
    >>> clf = KLClassifier(C=np.inf, tol=1e-12).fit(X, counts)
    >>> inference = KLInference.from_estimator(clf, X, counts)
    >>> inference.coef[:, :2].round(3)
    array([[-0.419,  0.446],
           [-0.139,  0.735]])
    >>> inference.standard_error[:, :2].round(3)
    array([[0.173, 0.142],
           [0.159, 0.137]])
    >>> round(inference.aic, 2)
    3498.08
    """

    estimator: Any = field(repr=False)
    reference: Any
    contrast_classes: np.ndarray
    term_names: list[str]
    coef: np.ndarray = field(repr=False)
    centre: np.ndarray = field(repr=False)
    centred_covariance: np.ndarray = field(repr=False)
    cross_entropy: float
    class_mass: np.ndarray
    effective_n_params: float
    n_groups: int | None
    distance_to_optimum: float

    @classmethod
    def from_estimator(
        cls, clf, X, y, *, sample_weight=None, target_proba=None, groups=None, reference=None
    ):
        """Compute the covariance of a fitted classifier's coefficients.

        Parameters
        ----------
        clf : KLClassifier
            Fitted classifier. Without a penalty (``C=np.inf``) it is maximum likelihood.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The features it was fitted on.
        y : array-like of shape (n_samples,) or {array-like, sparse matrix} of shape \
                (n_samples, n_classes)
            The labels, distributions or vote counts it was fitted on.
        sample_weight : array-like of shape (n_samples,), default=None
            The weights it was fitted with; `class_weight` is known from `clf`.
        target_proba : {array-like, sparse matrix} of shape (n_samples, n_classes), default=None
            The matrix it was fitted on in place of `y`.
        groups : array-like of shape (n_samples,), default=None
            Which rows may depend on each other, such as the annotator or the item of a row. The
            covariance is then the cluster-robust sandwich, with the factor G / (G - 1) for G
            groups; a few dozen groups are the least it can be trusted with. None takes all draws
            as independent and the model as true.
        reference : object, default=None
            Class that the others are compared with; None takes the first of `classes_`.

        Returns
        -------
        KLInference
            Everything there is to know about the coefficients.

        Raises
        ------
        TypeError
            If `clf` is not a linear KLClassifier.
        ValueError
            If the data do not determine the coefficients: a class without mass, collinear
            features, or, without a penalty, separated classes; if there are too many parameters,
            or `groups` or `reference` is invalid.

        Warns
        -----
        ConvergenceWarning
            If the coefficients are more than 0.1 standard errors from the optimum of these data:
            they are not the data of the fit, or its `tol` is too large. Because standard errors
            shrink with the mass, a fit needs a `tol` of about ``5e-5 / mass``.
        """
        strength = _check_estimator(clf)
        rows = _read_rows(clf, X, y, sample_weight, target_proba, reference)
        group_codes = None if groups is None else _check_groups(groups, rows.targets.mass)
        information, score, cross_entropy = rows.sums()
        _add_penalty(information, score, rows, strength)
        covariance, undetermined = _invert(information)
        if strength == 0:
            _check_separation(rows, covariance)
        if covariance is None:
            _raise_singular([rows.param_names()[i] for i in undetermined])
        distance = float(np.sqrt(max(score.ravel() @ covariance @ score.ravel(), 0)))
        _warn_if_far(distance, rows.targets.mass.sum())
        n_params = len(covariance) - _penalised_share(covariance, rows, strength)
        if group_codes is not None:
            covariance = _sandwich(covariance, rows, group_codes)
        return cls(
            estimator=copy.copy(clf),
            reference=rows.targets.classes.tolist()[rows.reference],
            contrast_classes=rows.targets.classes[rows.contrasts],
            term_names=rows.term_names,
            coef=_contrast_coef(clf, rows.reference),
            centre=rows.centre,
            centred_covariance=covariance,
            cross_entropy=cross_entropy,
            class_mass=rows.targets.class_mass(),
            effective_n_params=float(n_params),
            n_groups=None if group_codes is None else int(group_codes.max()) + 1,
            distance_to_optimum=distance,
        )

    @property
    def n_params(self):
        """Number of coefficients, penalised or not."""
        return self.coef.size

    @property
    def mass(self):
        """Total mass of the targets: the number of labels or votes."""
        return float(self.class_mass.sum())

    @property
    def covariance(self):
        """Covariance of the coefficients, ordered by class, then by term."""
        n_contrasts, n_terms = self.coef.shape
        covariance = self.centred_covariance.copy()
        if n_terms > len(self.centre):
            # The intercept is that of the centred features less centre @ slopes, on either side.
            for _ in range(2):
                by_term = covariance.reshape(n_contrasts, n_terms, -1)
                by_term[:, 0] -= np.einsum("t,jtp->jp", self.centre, by_term[:, 1:])
                covariance = np.ascontiguousarray(covariance.T)
        return covariance

    @property
    def standard_error(self):
        """Standard errors, ndarray of shape (n_contrasts, n_terms)."""
        # A sandwich variance of zero can come out negative by rounding.
        return np.sqrt(np.diag(self.covariance).clip(min=0)).reshape(self.coef.shape)

    @property
    def z(self):
        """Coefficients in standard errors, ndarray of shape (n_contrasts, n_terms)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.coef / self.standard_error

    @property
    def p_value(self):
        """Two-sided p values of the Wald tests that a coefficient is 0, like `z` in shape."""
        return 2 * norm.sf(np.abs(self.z))

    @property
    def log_likelihood(self):
        """Log-likelihood of the labels or votes: minus the mass times the cross-entropy, nats."""
        return -self.mass * self.cross_entropy

    @property
    def aic(self):
        """Akaike's criterion: twice the number of parameters less twice the log-likelihood."""
        return 2 * self.effective_n_params - 2 * self.log_likelihood

    @property
    def bic(self):
        """Bayesian criterion; its number of observations is the mass, so every vote counts."""
        return np.log(self.mass) * self.effective_n_params - 2 * self.log_likelihood

    def confidence_interval(self, confidence_level=0.95):
        """Wald intervals of the coefficients.

        Parameters
        ----------
        confidence_level : float, default=0.95
            Level of every interval, between 0 and 1.

        Returns
        -------
        low : ndarray of shape (n_contrasts, n_terms)
            Lower ends.
        high : ndarray of shape (n_contrasts, n_terms)
            Upper ends.
        """
        half = _quantile(confidence_level) * self.standard_error
        return self.coef - half, self.coef + half

    def likelihood_ratio_test(self, smaller=None):
        """Test this model against one that is nested in it.

        Parameters
        ----------
        smaller : KLInference, default=None
            Inference for a classifier with a subset of the features, fitted on the same targets.
            None stands for the intercepts alone, whose fit are the class shares.

        Returns
        -------
        LikelihoodRatioTest
            Statistic, degrees of freedom and p value.

        Raises
        ------
        ValueError
            If a model is penalised or has groups, the targets differ, or the smaller model is not
            nested in this one. Whether the features are a subset is not checked.
        """
        if smaller is None:
            if len(self.centre) == len(self.term_names):
                raise ValueError(
                    "The model of the intercepts alone is not nested in a model that was fitted "
                    "with fit_intercept=False. Pass the inference of the smaller model."
                )
            share = self.class_mass / self.mass
            n_params, cross_entropy = len(self.coef), float(entr(share).sum())
        else:
            _check_same_targets(self, smaller)
            n_params, cross_entropy = smaller.n_params, smaller.cross_entropy
        for model in (self, smaller or self):
            _check_likelihood(model)
        df = self.n_params - n_params
        statistic = 2 * self.mass * (cross_entropy - self.cross_entropy)
        if df < 1 or statistic < -0.01:
            raise ValueError(
                f"smaller is not nested in this model: it has {n_params} parameters and the mean "
                f"cross-entropy {cross_entropy:.8g}; this model has {self.n_params} and "
                f"{self.cross_entropy:.8g}. A nested model has fewer parameters and, if both fits "
                "converged, no smaller cross-entropy."
            )
        statistic = max(statistic, 0.0)
        return LikelihoodRatioTest(float(statistic), df, float(chi2.sf(statistic, df)))

    def summary(self, confidence_level=0.95):
        """Table of the coefficients.

        Parameters
        ----------
        confidence_level : float, default=0.95
            Level of the intervals, between 0 and 1.

        Returns
        -------
        DataFrame of shape (n_params, 6)
            Columns coef, standard_error, z, p_value, low and high; a row for every class but the
            reference and every term, which are the levels of the index.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError(
                'KLInference.summary needs pandas: pip install "sklearn-kl[pandas]".'
            ) from error
        low, high = self.confidence_interval(confidence_level)
        columns = {
            "coef": self.coef,
            "standard_error": self.standard_error,
            "z": self.z,
            "p_value": self.p_value,
            "low": low,
            "high": high,
        }
        index = pd.MultiIndex.from_product(
            [self.contrast_classes.tolist(), self.term_names], names=["class", "term"]
        )
        return pd.DataFrame({name: value.ravel() for name, value in columns.items()}, index=index)

    def predict_proba_interval(self, X, confidence_level=0.95):
        """Intervals of the probabilities, by the delta method.

        An interval is that of ``log(q_k / (1 - q_k))``, mapped back, so it lies between 0 and 1.
        It is about the probability, not about the label of a row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.
        confidence_level : float, default=0.95
            Level of every interval, between 0 and 1.

        Returns
        -------
        low : ndarray of shape (n_samples, n_classes)
            Lower ends; columns in the order of the classifier's `classes_`.
        high : ndarray of shape (n_samples, n_classes)
            Upper ends.
        """
        quantile = _quantile(confidence_level)
        X = _check_X(self.estimator, X)
        n_contrasts, n_terms = self.coef.shape
        has_intercept = n_terms > len(self.centre)
        beta = _centred_coef(self.coef, self.centre)
        covariance = self.centred_covariance.reshape(n_contrasts, n_terms, n_contrasts, n_terms)
        position = _find_class(self.estimator.classes_, self.reference)
        contrasts = np.delete(np.arange(n_contrasts + 1), position)
        low, high = np.empty((2, X.shape[0], n_contrasts + 1))
        for block in _blocks(X, n_contrasts):
            A = _design(block.X, self.centre, has_intercept)
            logit, error = _one_against_rest(A, beta, covariance, contrasts)
            low[block.rows] = expit(logit - quantile * error)
            high[block.rows] = expit(logit + quantile * error)
        return low, high


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows of a fit, as a design matrix by blocks, and the contrasts they are explained by.

    Parameters
    ----------
    X : ndarray or CSR array of shape (n_samples, n_features)
    targets : Targets
    reference : int
        Position of the reference class.
    centre : ndarray of shape (n_features,)
        Subtracted from the features; zeros for sparse X or without an intercept.
    beta : ndarray of shape (n_contrasts, n_terms)
        Coefficients of the centred features.
    term_names : list of str
    """

    X: Any
    targets: Any
    reference: int
    centre: np.ndarray
    beta: np.ndarray
    term_names: list

    @property
    def contrasts(self):
        """Positions of the classes other than the reference."""
        return np.delete(np.arange(self.targets.n_classes), self.reference)

    @property
    def has_intercept(self):
        return len(self.term_names) > len(self.centre)

    def param_names(self):
        """Names of the parameters, in their order, for messages."""
        classes = self.targets.classes[self.contrasts]
        return [f"{label}: {term}" for label in classes for term in self.term_names]

    def blocks(self):
        """Yield the design matrix of every block, and its rows."""
        for block in _blocks(self.X, len(self.beta)):
            yield self.design(block.X), block.rows

    def design(self, X):
        return _design(X, self.centre, self.has_intercept)

    def log_proba(self, A):
        """Log-probabilities of the rows of a design: shape (n_rows, n_classes)."""
        return log_softmax(_insert_zeros(A @ self.beta.T, self.contrasts))

    def residuals(self, A, rows):
        """Strengths less expected strengths of the contrasts: shape (n_contrasts, n_rows)."""
        expected = np.exp(self.log_proba(A)).T * self.targets.mass[rows]
        return (self.targets.block(rows) - expected)[self.contrasts]

    def sums(self):
        """Information, shape 2 * (n_contrasts, n_terms); score; and mean cross-entropy."""
        information = np.zeros(self.beta.shape * 2)
        score = np.zeros(self.beta.shape)
        loss = 0.0
        for A, rows in self.blocks():
            log_q = self.log_proba(A)
            q, mass = np.exp(log_q), self.targets.mass[rows]
            strength = self.targets.block(rows)
            loss -= np.vdot(strength.T, log_q)
            score += ((strength - q.T * mass)[self.contrasts]) @ A
            _add_information(A, q, mass, self.contrasts, out=information)
        for j in range(len(score)):
            for k in range(j):
                information[k, :, j] = information[j, :, k].T
        return information, score, float(loss / self.targets.mass.sum())


def _add_information(A, q, mass, contrasts, *, out):
    """Add the blocks on and below the diagonal, in place."""
    for j, class_j in enumerate(contrasts):
        for k, class_k in enumerate(contrasts[: j + 1]):
            if j == k:
                # The sum of the others keeps its digits where q is almost one.
                weight = q[:, class_j] * np.delete(q, class_j, axis=1).sum(axis=1)
            else:
                weight = -q[:, class_j] * q[:, class_k]
            weight *= mass
            if sp.issparse(A):
                out[j, :, k] += (A.T @ (sp.diags_array(weight) @ A)).toarray()
            else:
                out[j, :, k] += A.T @ (A * weight[:, None])


def _check_estimator(clf):
    """Return the strength 1 / C of the penalty in the total, or raise."""
    check_is_fitted(clf)
    C = _chosen_C(clf)
    known = all(hasattr(clf, name) for name in ("coef_", "intercept_", "cross_entropy_"))
    if C is None or not known or getattr(clf, "l1_ratio", None) not in (None, 0):
        raise TypeError(
            "KLInference needs a fitted KLClassifier with the linear model and an L2 penalty or "
            f"none, got {clf!r}. Of a pipeline, pass the last step and the transformed features."
        )
    return 1.0 / C


def _chosen_C(clf):
    """C of the fit; KLClassifierCV stores the one it chose as C_."""
    return getattr(clf, "C_", getattr(clf, "C", None))


def _read_rows(clf, X, y, sample_weight, target_proba, reference):
    """Validate the data of the fit."""
    X = _check_X(clf, X)
    classes = clf.classes_
    position = 0 if reference is None else _find_class(classes, reference)
    weights = {"sample_weight": sample_weight, "class_weight": clf.class_weight}
    if target_proba is None:
        targets = encode_targets(y, classes=classes, **weights)
    else:
        targets = resolve_targets(y, target_proba, **weights)
        if not np.array_equal(targets.classes, classes):
            raise ValueError(
                f"target_proba has the classes {targets.classes[:10].tolist()}, but clf was fitted "
                f"on {classes[:10].tolist()}. Pass the data of the fit."
            )
    check_consistent_length(X, targets.mass)
    empty = classes[targets.class_mass() == 0]
    if len(empty):
        raise ValueError(
            f"The classes {empty[:10].tolist()} have no mass in y: their coefficients have no "
            "finite optimum. Fit without these classes."
        )
    coef = _contrast_coef(clf, position)
    _check_size(coef.size)
    names = getattr(clf, "feature_names_in_", [f"x{i}" for i in range(X.shape[1])])
    centred = clf.fit_intercept and not sp.issparse(X)
    centre = X.mean(axis=0, dtype=np.float64) if centred else np.zeros(X.shape[1])
    terms = ["intercept"] * bool(clf.fit_intercept) + [str(name) for name in names]
    return _Rows(X, targets, position, centre, _centred_coef(coef, centre), terms)


def _check_X(clf, X):
    X = validate_data(
        clf, X, reset=False, accept_sparse=["csr", "csc"], dtype=[np.float64, np.float32]
    )
    return sp.csr_array(X) if sp.issparse(X) else X


def _check_size(n_params):
    if n_params > MAX_PARAMS:
        raise ValueError(
            f"The covariance of {n_params:,} parameters is a dense matrix of "
            f"{8 * n_params**2 / 1e9:,.1f} GB; at most {MAX_PARAMS:,} parameters are supported. "
            "Fit fewer features or classes."
        )


def _find_class(classes, reference):
    found = [i for i, label in enumerate(classes.tolist()) if label == reference]
    if not found:
        raise ValueError(
            f"reference={reference!r} is not a class: the classes are {classes[:10].tolist()}."
        )
    return found[0]


def _check_groups(groups, mass):
    """Return the code of every row's group; -1 for a row without mass."""
    groups = np.asarray(groups)
    if groups.ndim != 1:
        raise ValueError(f"groups must be 1-D, got shape {groups.shape}.")
    check_consistent_length(groups, mass)
    missing = np.array([group is None or group != group for group in groups.tolist()])
    if missing.any():
        raise ValueError(
            f"groups has no value in row {int(missing.argmax())}. Give a row that depends on no "
            "other a group of its own."
        )
    codes = np.full(len(groups), -1)
    present, codes[mass > 0] = np.unique(groups[mass > 0], return_inverse=True)
    if len(present) < 2:
        raise ValueError(
            "groups puts all rows with mass into one group; a sandwich covariance needs at least "
            "2, and a few dozen to be trusted."
        )
    return codes


def _contrast_coef(clf, reference):
    """Coefficients less those of the reference class: shape (n_contrasts, n_terms)."""
    coef = np.asarray(clf.coef_, dtype=np.float64)
    if clf.fit_intercept:
        coef = np.column_stack([clf.intercept_, coef]).astype(np.float64)
    if len(coef) == 1:
        coef = np.vstack([np.zeros_like(coef), coef])
    return np.delete(coef - coef[reference], reference, axis=0)


def _centred_coef(coef, centre):
    """Coefficients of features less the centre: only the intercept changes."""
    beta = coef.copy()
    if coef.shape[1] > len(centre):
        beta[:, 0] += coef[:, 1:] @ centre
    return beta


def _blocks(X, n_logits):
    """Yield the row blocks; BLAS has one thread meanwhile.

    The products of a block are small: on two busy cores two threads waited for each other and
    took 100 times as long as one.
    """
    with lane_runner(deal_lanes(X, n_logits), n_jobs=1) as lanes:
        yield from lanes.blocks


def _design(X, centre, has_intercept):
    """Columns of the parameters, float64: a one for the intercept, and the centred features."""
    if sp.issparse(X):
        A = sp.csr_array(X, dtype=np.float64)
        ones = [np.ones((X.shape[0], 1))] * has_intercept
        return sp.hstack([*ones, A], format="csr") if has_intercept else A
    A = np.ones((len(X), len(centre) + has_intercept))
    np.subtract(X, centre, out=A[:, int(has_intercept) :])
    return A


def _insert_zeros(eta, contrasts):
    """Logits of all classes, that of the reference being zero."""
    logits = np.zeros((len(eta), len(contrasts) + 1))
    logits[:, contrasts] = eta
    return logits


def _penalty_shape(rows):
    """Curvature of the penalty with respect to the contrasts' slopes, by class, for C = 1.

    With more than two classes the penalty is on the coefficients of all of them. Given the
    contrasts it is least where the coefficients sum to zero, and this is its value there.
    """
    n_classes = rows.targets.n_classes
    return np.eye(1) if n_classes == 2 else np.eye(n_classes - 1) - 1 / n_classes


def _add_penalty(information, score, rows, strength):
    """Add the penalty's curvature to the information, and its slope to the score, in place."""
    if strength == 0:
        return
    shape = strength * _penalty_shape(rows)
    slopes = slice(int(rows.has_intercept), None)
    score[:, slopes] -= shape @ rows.beta[:, slopes]
    for term in range(len(rows.term_names))[slopes]:
        information[:, term, :, term] += shape


def _penalised_share(covariance, rows, strength):
    """Trace of ``information^-1 penalty``: the parameters that the penalty takes away."""
    if strength == 0:
        return 0
    blocks = covariance.reshape(rows.beta.shape * 2)
    slopes = range(len(rows.term_names))[int(rows.has_intercept) :]
    shape = strength * _penalty_shape(rows)
    return sum(np.vdot(shape, blocks[:, term, :, term]) for term in slopes)


def _invert(information):
    """Invert the information.

    Returns
    -------
    inverse : ndarray of shape (n_params, n_params), or None if the information is singular
    undetermined : ndarray of int
        Parameters that the data do not determine given the others.
    """
    size = information.shape[0] * information.shape[1]
    information = information.reshape(size, size)
    scale = np.sqrt(np.diag(information))
    if not scale.all():
        return None, np.flatnonzero(scale == 0)
    scaled = information / scale / scale[:, None]
    factor, failed = scipy.linalg.lapack.dpotrf(scaled, lower=1)
    if not failed:
        norm_1 = np.abs(scaled).sum(axis=0).max()
        rcond, _ = scipy.linalg.lapack.dpocon(factor, norm_1, uplo="L")
        failed = rcond < SMALLEST_RCOND
    if failed:
        _, pivots, rank, _ = scipy.linalg.lapack.dpstrf(scaled, tol=size * SMALLEST_RCOND, lower=1)
        # The condition number may be too large though no single pivot is small.
        rank = min(int(rank), size - 1)
        return None, np.sort(pivots[rank:] - 1)
    inverse, _ = scipy.linalg.lapack.dpotri(factor, lower=1)
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    inverse /= scale
    inverse /= scale[:, None]
    return inverse, np.array([], dtype=int)


def _raise_singular(undetermined):
    shown = "; ".join(undetermined[:10]) + ("; ..." if len(undetermined) > 10 else "")
    raise ValueError(
        f"The information matrix is singular: the data do not determine {len(undetermined)} of "
        f"the coefficients ({shown}). Drop features that are constant or a combination of others, "
        "or fit with a penalty (a finite C)."
    )


def _check_separation(rows, covariance):
    """Raise if some logit has no finite estimate, so that its standard error means nothing.

    With separated classes the cross-entropy falls for ever along some direction. A solver stops
    somewhere on the way, where the information is small, whether or not it is singular (covariance
    None).
    """
    error = np.inf if covariance is None else _largest_logit_error(rows, covariance)
    if error <= UNSURE_LOGIT:
        return
    separated = _is_separated(rows)
    if separated or (separated is None and covariance is not None):
        raise ValueError(
            "Some classes are separated: a combination of the features tells them apart without "
            "error, so that the coefficients grow without bound and have no standard errors (where "
            f"the solver stopped, a logit of the data has the standard error {error:.2g}). Fit "
            "with a penalty (a finite C), drop the separating features, or add data."
        )


def _largest_logit_error(rows, covariance):
    """Largest standard error of a contrast's logit over the rows."""
    blocks = covariance.reshape(rows.beta.shape * 2)
    largest = 0.0
    for A, _ in rows.blocks():
        for j in range(len(rows.beta)):
            largest = max(largest, _row_products(A, blocks[j, :, j]).max())
    return np.sqrt(largest)


def _is_separated(rows):
    """Whether some direction improves on some rows and spoils none, by a linear program.

    By Albert and Anderson (1984) the maximum likelihood estimate exists if and only if there is
    none. None means that the linear program would be too large.
    """
    identity = np.zeros((rows.targets.n_classes, len(rows.beta)))
    identity[rows.contrasts] = np.eye(len(rows.beta))
    unit = _unit_scale(rows)
    parts, size = [], 0
    for A, block in rows.blocks():
        strength = rows.targets.block(block)
        A = sp.csr_array(A) @ sp.diags_array(unit)
        for k in range(len(identity)):
            # A class that the row has must not lose against any other class.
            against = np.delete(identity[k] - identity, k, axis=0)
            part = sp.kron(against, A[np.flatnonzero(strength[k] > 0)], format="csr")
            size += part.nnz
            if size > MAX_CONSTRAINT_NUMBERS:
                return None
            parts.append(part)
    advantage = sp.vstack(parts, format="csr")
    gain = np.asarray(advantage.sum(axis=0)).ravel()
    bounds = np.zeros(advantage.shape[0])
    result = linprog(-gain, A_ub=-advantage, b_ub=bounds, bounds=(-1, 1), method="highs")
    return result.status == 0 and -result.fun > 1e-6 * advantage.shape[0]


def _unit_scale(rows):
    """Factor of every column of the design that makes its largest entry one."""
    largest = np.full(len(rows.term_names), np.finfo(np.float64).tiny)
    for A, _ in rows.blocks():
        top = abs(A).max(axis=0)
        np.maximum(largest, top.toarray().ravel() if sp.issparse(A) else top, out=largest)
    return 1 / largest


def _row_products(A, matrix):
    """``a_i' matrix a_i`` of every row of a design."""
    product = A @ matrix
    if sp.issparse(A):
        return np.asarray(A.multiply(product).sum(axis=1)).ravel()
    return np.einsum("ij,ij->i", A, product)


def _warn_if_far(distance, mass):
    if distance <= FAR_FROM_OPTIMUM:
        return
    warnings.warn(
        f"The coefficients are {distance:.2g} standard errors from the optimum for these data. "
        "Pass the X, y and weights that clf was fitted on; if they are, fit with a smaller tol, "
        f"such as tol={5e-5 / mass:.0e}.",
        ConvergenceWarning,
        stacklevel=3,
    )


def _sandwich(covariance, rows, codes):
    """Cluster-robust covariance ``G / (G - 1) V S V``, S the sum of the groups' squared scores."""
    n_groups = codes.max() + 1
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(n_groups + 1))
    step = max(1, BATCH_SIZE // len(covariance))
    squares = np.zeros_like(covariance)
    for start in range(0, n_groups, step):
        stop = min(start + step, n_groups)
        members = order[bounds[start] : bounds[stop]]
        A = rows.design(rows.X[members])
        place = (codes[members] - start, np.arange(len(members)))
        scores = []
        for residual in rows.residuals(A, members):
            total = sp.csr_array((residual, place), shape=(stop - start, len(members))) @ A
            scores.append(total.toarray() if sp.issparse(total) else total)
        scores = np.hstack(scores)
        squares += scores.T @ scores
    return n_groups / (n_groups - 1) * covariance @ squares @ covariance


def _check_same_targets(model, smaller):
    if not isinstance(smaller, KLInference):
        raise TypeError(
            f"smaller must be a KLInference or None, got {smaller!r}. Make it with "
            "KLInference.from_estimator(clf, X, y)."
        )
    classes = model.estimator.classes_, smaller.estimator.classes_
    if not np.array_equal(*classes) or not np.allclose(
        model.class_mass, smaller.class_mass, rtol=1e-9, atol=0
    ):
        raise ValueError(
            "The models were not fitted on the same targets: the classes "
            f"{classes[0][:10].tolist()} have the mass {model.class_mass[:10].tolist()}, and "
            f"smaller has {smaller.class_mass[:10].tolist()} for {classes[1][:10].tolist()}."
        )


def _check_likelihood(model):
    """Raise where twice the difference of log-likelihoods is not chi-squared."""
    C = _chosen_C(model.estimator)
    if np.isfinite(C):
        raise ValueError(
            f"The likelihood-ratio test needs maximum likelihood fits, but one has C={C:g}. Fit "
            "both with C=np.inf."
        )
    if model.n_groups is not None:
        raise ValueError(
            "The likelihood-ratio test takes all votes as independent, but one model has groups. "
            "Use its z and p values, or make both inferences without groups."
        )


def _quantile(confidence_level):
    if not 0 < confidence_level < 1:
        raise ValueError(f"confidence_level must be between 0 and 1, got {confidence_level!r}.")
    return norm.isf((1 - confidence_level) / 2)


def _one_against_rest(A, beta, covariance, contrasts):
    """Logits ``log(q_k / (1 - q_k))`` and their standard errors: both (n_rows, n_classes).

    The derivative with respect to eta_j is 1 for j = k, and -q_j / (1 - q_k) otherwise.
    """
    logits = _insert_zeros(A @ beta.T, contrasts)
    n_rows, n_classes = logits.shape
    between = np.zeros((n_classes, n_classes, n_rows))
    for j, class_j in enumerate(contrasts):
        for k, class_k in enumerate(contrasts[: j + 1]):
            product = _row_products(A, covariance[j, :, k])
            between[class_j, class_k] = between[class_k, class_j] = product
    logit, error = np.empty((2, n_rows, n_classes))
    for k in range(n_classes):
        others = np.delete(logits, k, axis=1)
        rest = logsumexp(others, axis=1)
        slope = np.insert(-np.exp(others - rest[:, None]), k, 1.0, axis=1)
        logit[:, k] = logits[:, k] - rest
        # As above: a variance of zero, up to rounding.
        error[:, k] = np.sqrt(np.einsum("ij,jki,ik->i", slope, between, slope).clip(min=0))
    return logit, error
