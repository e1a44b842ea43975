"""KLInference: standard errors, tests and intervals of a fitted linear model."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr, expit, logsumexp
from scipy.stats import chi2, norm
from sklearn.base import BaseEstimator

from sklearn_kl._inference.information import (
    Design,
    check_groups,
    check_linear,
    check_separation,
    check_X,
    chosen_C,
    invert,
    raise_singular,
    read_rows,
    row_products,
    sandwich,
    warn_if_far,
)
from sklearn_kl._numbers import check_number
from sklearn_kl._typing import MatrixLike

if TYPE_CHECKING:
    from pandas import DataFrame


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
    design : Design
        How features become columns: the classes' positions and the centre of the features.
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
    repetitions. A distribution that stands for many votes, weights that are not repeat counts (such
    as `class_weight`) and votes that depend on each other need `groups`; ``groups=range(n)`` makes
    every row a group of its own.

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
    design: Design = field(repr=False)
    centred_covariance: np.ndarray = field(repr=False)
    cross_entropy: float
    class_mass: np.ndarray
    effective_n_params: float
    n_groups: int | None
    distance_to_optimum: float

    @classmethod
    def from_estimator(
        cls,
        clf: BaseEstimator,
        X: MatrixLike,
        y: MatrixLike,
        *,
        sample_weight: ArrayLike | None = None,
        target_proba: MatrixLike | None = None,
        groups: ArrayLike | None = None,
        reference: Any = None,
    ) -> Self:
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
            groups; it needs a few dozen groups to be trusted. None assumes independent draws and
            a correct model.
        reference : object, default=None
            Class that the others are compared with; None takes the first of `classes_`.

        Returns
        -------
        KLInference
            Coefficients, their covariance and the likelihood.

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
            shrink as the mass grows, a fit needs a `tol` of about ``5e-5 / mass``.
        """
        check_linear(clf)
        rows = read_rows(clf, X, y, sample_weight, target_proba, reference)
        group_codes = None if groups is None else check_groups(groups, rows.targets.mass)
        information, score, cross_entropy = rows.sums()
        covariance, undetermined = invert(information)
        if rows.penalty is None:
            check_separation(rows, covariance)
        if covariance is None:
            raise_singular([rows.param_names()[i] for i in undetermined])
        distance = float(np.sqrt(max(score.ravel() @ covariance @ score.ravel(), 0)))
        warn_if_far(distance, rows.targets.mass.sum())
        n_params = len(covariance) - rows.penalised_share(covariance)
        if group_codes is not None:
            covariance = sandwich(covariance, rows, group_codes)
        design, targets = rows.design, rows.targets
        return cls(
            estimator=copy.copy(clf),
            reference=targets.classes.tolist()[design.reference],
            contrast_classes=targets.classes[design.contrasts],
            term_names=rows.term_names,
            coef=design.contrast_coef(clf),
            design=design,
            centred_covariance=covariance,
            cross_entropy=cross_entropy,
            class_mass=targets.class_mass(),
            effective_n_params=float(n_params),
            n_groups=None if group_codes is None else int(group_codes.max()) + 1,
            distance_to_optimum=distance,
        )

    @property
    def centre(self) -> np.ndarray:
        """What is subtracted from the features in `centred_covariance`: shape (n_features,)."""
        return self.design.centre

    @property
    def n_params(self) -> int:
        """Number of coefficients, penalised or not."""
        return self.coef.size

    @property
    def mass(self) -> float:
        """Total mass of the targets: the number of labels or votes."""
        return float(self.class_mass.sum())

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of the coefficients, ordered by class, then by term."""
        return self.design.uncentred_covariance(self.centred_covariance)

    @property
    def standard_error(self) -> np.ndarray:
        """Standard errors, ndarray of shape (n_contrasts, n_terms)."""
        # A sandwich variance of zero can come out negative by rounding.
        return np.sqrt(np.diag(self.covariance).clip(min=0)).reshape(self.coef.shape)

    @property
    def z(self) -> np.ndarray:
        """Coefficients in standard errors, ndarray of shape (n_contrasts, n_terms)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.coef / self.standard_error

    @property
    def p_value(self) -> np.ndarray:
        """Two-sided p values of the Wald tests that a coefficient is 0, like `z` in shape."""
        return 2 * norm.sf(np.abs(self.z))

    @property
    def log_likelihood(self) -> float:
        """Log-likelihood of the labels or votes: minus the mass times the cross-entropy, nats."""
        return -self.mass * self.cross_entropy

    @property
    def aic(self) -> float:
        """Akaike's criterion: twice the number of parameters less twice the log-likelihood."""
        return 2 * self.effective_n_params - 2 * self.log_likelihood

    @property
    def bic(self) -> float:
        """Bayesian criterion; its number of observations is the mass, so every vote counts."""
        return np.log(self.mass) * self.effective_n_params - 2 * self.log_likelihood

    def confidence_interval(self, confidence_level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
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

    def likelihood_ratio_test(self, smaller: KLInference | None = None) -> LikelihoodRatioTest:
        """Test this model against one that is nested in it.

        Parameters
        ----------
        smaller : KLInference, default=None
            Inference for a classifier with a subset of the features, fitted on the same targets.
            None stands for the intercepts alone, whose probabilities are the class shares.

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
            if not self.design.has_intercept:
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

    def summary(self, confidence_level: float = 0.95) -> DataFrame:
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

    def predict_proba_interval(
        self, X: MatrixLike, confidence_level: float = 0.95
    ) -> tuple[np.ndarray, np.ndarray]:
        """Intervals of the probabilities, by the delta method.

        An interval is that of ``log(q_k / (1 - q_k))``, mapped back, so it lies between 0 and 1.
        It covers the probability, not the label of a row.

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
        X = check_X(self.estimator, X)
        beta = self.design.centred_coef(self.coef)
        covariance = self.centred_covariance.reshape(self.design.shape * 2)
        low, high = np.empty((2, X.shape[0], len(beta) + 1))
        for A, rows in self.design.column_blocks(X):
            logit, error = _one_against_rest(A, beta, covariance, self.design)
            low[rows] = expit(logit - quantile * error)
            high[rows] = expit(logit + quantile * error)
        return low, high


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
    C = chosen_C(model.estimator)
    if np.isfinite(C):
        raise ValueError(
            f"The likelihood-ratio test needs maximum likelihood fits, but one has C={C:g}. Fit "
            "both with C=np.inf."
        )
    if model.n_groups is not None:
        raise ValueError(
            "The likelihood-ratio test assumes independent votes, but one model has groups. "
            "Use its z and p values, or make both inferences without groups."
        )


def _quantile(confidence_level):
    level = check_number(confidence_level, "confidence_level", "between 0 and 1", low=0, high=1)
    return norm.isf((1 - level) / 2)


def _one_against_rest(A, beta, covariance, design):
    """Logits ``log(q_k / (1 - q_k))`` and their standard errors: both (n_rows, n_classes).

    The derivative with respect to eta_j is 1 for j = k, and -q_j / (1 - q_k) otherwise.
    """
    logits = design.logits(A, beta)
    n_rows, n_classes = logits.shape
    between = np.zeros((n_classes, n_classes, n_rows))
    for j, class_j in enumerate(design.contrasts):
        for k, class_k in enumerate(design.contrasts[: j + 1]):
            product = row_products(A, covariance[j, :, k])
            between[class_j, class_k] = between[class_k, class_j] = product
    logit, error = np.empty((2, n_rows, n_classes))
    for k in range(n_classes):
        others = np.delete(logits, k, axis=1)
        rest = logsumexp(others, axis=1)
        slope = np.insert(-np.exp(others - rest[:, None]), k, 1.0, axis=1)
        logit[:, k] = logits[:, k] - rest
        # A variance of zero can come out negative by rounding.
        error[:, k] = np.sqrt(np.einsum("ij,jki,ik->i", slope, between, slope).clip(min=0))
    return logit, error
