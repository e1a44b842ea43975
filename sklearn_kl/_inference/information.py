"""The information matrix of a fit, the design it is summed over, and whether it can be inverted.

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
features, such as years, well conditioned; the covariance is moved back at the end. Sparse features
near zero are left as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from scipy.optimize import linprog
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_consistent_length
from sklearn.utils.sparsefuncs import mean_variance_axis
from sklearn.utils.validation import check_is_fitted

from sklearn_kl._data.classes import find_columns
from sklearn_kl._data.encode import encode_targets, resolve_targets
from sklearn_kl._data.features import validate_features
from sklearn_kl._data.lanes import deal_lanes, lane_runner
from sklearn_kl._data.rows import check_row_order
from sklearn_kl._data.simplex import log_softmax
from sklearn_kl._data.targets import Targets
from sklearn_kl._warn import warn_caller
from sklearn_kl.models import LinearSoftmax

# The information matrix is dense: 3.2 GB at this size, and its inverse as much again.
MAX_PARAMS = 20_000
# Below this reciprocal condition number of the scaled information, no digit of the result is right.
SMALLEST_RCOND = 1e-13
# A logit with a larger standard error than this, on a row of the data, may mean separation.
LARGE_LOGIT_ERROR = 5.0
# Above this size that test takes minutes (7 s at a quarter), and the standard error alone decides.
MAX_CONSTRAINT_NUMBERS = 2 * 10**7
# Further from the optimum than this many standard errors, a fit has not converged for inference.
FAR_FROM_OPTIMUM = 0.1
# A sparse feature whose mean is more standard deviations than this from zero is centred.
FAR_OFF = 10.0
# Numbers that the scores of a batch of groups, or sparse rows made dense, may hold at once.
BATCH_SIZE = 2**22


@dataclass(frozen=True, eq=False)
class Design:
    """What the parameters stand for: the columns they multiply, the classes they compare.

    Parameters
    ----------
    reference : int
        Position of the reference class.
    contrasts : ndarray of shape (n_contrasts,)
        Positions of the other classes.
    centre : ndarray of shape (n_features,)
        Subtracted from the features: their means, or zeros without an intercept. Of sparse rows
        only far-off features, which have few zeros to lose, are centred.
    has_intercept : bool
        Whether the first column is an intercept.
    """

    reference: int
    contrasts: np.ndarray
    centre: np.ndarray
    has_intercept: bool

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of contrasts and of terms: the shape of the parameters."""
        return len(self.contrasts), len(self.centre) + self.has_intercept

    @property
    def slopes(self) -> range:
        """Positions of all terms but the intercept."""
        return range(int(self.has_intercept), self.shape[1])

    def columns(self, X: Any) -> Any:
        """Design matrix, float64: a one for the intercept, and the centred features."""
        first = self.slopes.start
        if not sp.issparse(X):
            A = np.ones((len(X), self.shape[1]))
            np.subtract(X, self.centre, out=A[:, first:])
            return A
        A = sp.csr_array(X, dtype=np.float64)
        (shifted,) = self.centre.nonzero()
        if len(shifted):
            n_rows = A.shape[0]
            places = (np.repeat(np.arange(n_rows), len(shifted)), np.tile(shifted, n_rows))
            shift = np.tile(self.centre[shifted], n_rows)
            A = A - sp.csr_array((shift, places), shape=A.shape)
        return sp.hstack([np.ones((A.shape[0], 1)), A], format="csr") if self.has_intercept else A

    def column_blocks(self, X: Any) -> Iterator[tuple[Any, slice]]:
        """Yield the design matrix block by block, and the rows; BLAS has one thread meanwhile.

        The products of a block are small: on two busy cores two threads waited for each other and
        took 100 times as long as one.
        """
        if sp.issparse(X) and self.centre.any():
            # Fuller once the centre is subtracted, so only a few rows at a time.
            n_rows = max(1, BATCH_SIZE // self.shape[1])
            for start in range(0, X.shape[0], n_rows):
                rows = slice(start, min(start + n_rows, X.shape[0]))
                yield self.columns(X[rows]), rows
            return
        with lane_runner(deal_lanes(X, len(self.contrasts)), n_jobs=1) as lanes:
            for lane in lanes.lanes:
                for block in lane:
                    yield self.columns(block.X), block.rows

    def logits(self, A: Any, beta: np.ndarray) -> np.ndarray:
        """Logits of all classes, zero for the reference: shape (n_rows, n_classes)."""
        logits = np.zeros((A.shape[0], len(self.contrasts) + 1))
        logits[:, self.contrasts] = A @ beta.T
        return logits

    def contrast_coef(self, clf: Any) -> np.ndarray:
        """Coefficients of a classifier less those of the reference class: shape `shape`."""
        coef = clf.coef_.toarray() if sp.issparse(clf.coef_) else clf.coef_
        coef = np.asarray(coef, dtype=np.float64)
        if self.has_intercept:
            coef = np.column_stack([clf.intercept_, coef]).astype(np.float64)
        if len(coef) == 1:
            coef = np.vstack([np.zeros_like(coef), coef])
        return np.delete(coef - coef[self.reference], self.reference, axis=0)

    def centred_coef(self, coef: np.ndarray) -> np.ndarray:
        """Coefficients of the centred features: only the intercept changes."""
        beta = coef.copy()
        if self.has_intercept:
            beta[:, 0] += coef[:, 1:] @ self.centre
        return beta

    def uncentred_covariance(self, covariance: np.ndarray) -> np.ndarray:
        """Covariance of the coefficients, from that of the centred features' coefficients."""
        covariance = covariance.copy()
        if self.has_intercept:
            # The intercept is that of the centred features less centre @ slopes, on either side.
            for _ in range(2):
                by_term = covariance.reshape(*self.shape, -1)
                by_term[:, 0] -= np.einsum("t,jtp->jp", self.centre, by_term[:, 1:])
                covariance = np.ascontiguousarray(covariance.T)
        return covariance


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a fit, and what it made of them.

    Parameters
    ----------
    X : ndarray or CSR array of shape (n_samples, n_features)
    targets : Targets
    design : Design
    beta : ndarray of shape (n_contrasts, n_terms)
        Coefficients of the centred features.
    penalty : ndarray of shape (n_contrasts, n_contrasts), or None
        Curvature of the penalty with respect to the coefficients of any one feature.
    term_names : list of str
    """

    X: Any
    targets: Targets
    design: Design
    beta: np.ndarray
    penalty: np.ndarray | None
    term_names: list[str]

    def param_names(self) -> list[str]:
        """Names of the parameters, in their order, for messages."""
        classes = self.targets.classes[self.design.contrasts]
        return [f"{label}: {term}" for label in classes for term in self.term_names]

    def column_blocks(self) -> Iterator[tuple[Any, slice]]:
        """Yield the design matrix of every block, and its rows."""
        yield from self.design.column_blocks(self.X)

    def log_proba(self, A: Any) -> np.ndarray:
        """Log-probabilities of the rows of a design matrix: shape (n_rows, n_classes)."""
        return log_softmax(self.design.logits(A, self.beta))

    def residuals(self, A: Any, rows: Any) -> np.ndarray:
        """Strengths less expected strengths of the contrasts: shape (n_contrasts, n_rows)."""
        expected = np.exp(self.log_proba(A)).T * self.targets.mass[rows]
        return (self.targets.block(rows) - expected)[self.design.contrasts]

    def sums(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Information, shape 2 * (n_contrasts, n_terms), and score, with the penalty; mean loss."""
        information = np.zeros(self.design.shape * 2)
        score = np.zeros(self.design.shape)
        loss = 0.0
        contrasts = self.design.contrasts
        for A, rows in self.column_blocks():
            log_q = self.log_proba(A)
            q, mass = np.exp(log_q), self.targets.mass[rows]
            strength = self.targets.block(rows)
            loss -= np.vdot(strength.T, log_q)
            score += ((strength - q.T * mass)[contrasts]) @ A
            _add_information(A, q, mass, contrasts, out=information)
        for j in range(len(score)):
            for k in range(j):
                information[k, :, j] = information[j, :, k].T
        self._add_penalty(information, score)
        return information, score, float(loss / self.targets.mass.sum())

    def _add_penalty(self, information, score):
        """Add the penalty's curvature to the information, and its slope to the score, in place."""
        if self.penalty is None:
            return
        slopes = self.design.slopes
        score[:, slopes] -= self.penalty @ self.beta[:, slopes]
        for term in slopes:
            information[:, term, :, term] += self.penalty

    def penalised_share(self, covariance: np.ndarray) -> float:
        """Trace of ``information^-1 penalty``: the parameters that the penalty takes away."""
        if self.penalty is None:
            return 0.0
        by_term = covariance.reshape(self.design.shape * 2)
        return sum(np.vdot(self.penalty, by_term[:, i, :, i]) for i in self.design.slopes)


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


def check_linear(clf: Any) -> None:
    """Raise unless this is a fitted linear classifier, with an L2 penalty or none."""
    check_is_fitted(clf)
    linear = hasattr(clf, "C") or hasattr(clf, "C_")
    linear = linear and isinstance(getattr(clf, "model_", None), LinearSoftmax)
    if not linear or (clf.l1_ratio != 0 and np.isfinite(chosen_C(clf))) or clf.prior is not None:
        raise TypeError(
            "KLInference needs a fitted KLClassifier with the linear model, no prior and an L2 "
            f"penalty or none, got {clf!r}. For a pipeline, pass its last step and the transformed "
            "features."
        )


def chosen_C(clf: Any) -> float:
    """C of the fit; KLClassifierCV stores the one it chose as C_."""
    return clf.C_ if hasattr(clf, "C_") else clf.C


def read_rows(
    clf: Any, X: Any, y: Any, sample_weight: Any, target_proba: Any, reference: Any
) -> Rows:
    """Validate the data of the fit."""
    check_row_order(X=X, y=y, target_proba=target_proba, sample_weight=sample_weight)
    X = check_X(clf, X)
    position = 0 if reference is None else _find_class(clf.classes_, reference)
    targets = _read_targets(clf, y, sample_weight, target_proba)
    check_consistent_length(X, targets.mass)
    empty = targets.classes[targets.class_mass() == 0]
    if len(empty):
        raise ValueError(
            f"The classes {empty[:10].tolist()} have no mass in y: their coefficients have no "
            "finite optimum. Fit without these classes."
        )
    present = targets.mass > 0
    if not present.all():
        # What stands in a row that counts for nothing, such as 1e300, is not looked at.
        X = X[np.where(present, np.arange(len(present)), np.argmax(present))]
    has_intercept = bool(clf.model_.fit_intercept)
    design = Design(
        reference=position,
        contrasts=np.delete(np.arange(targets.n_classes), position),
        centre=_centre(X) if has_intercept else np.zeros(X.shape[1]),
        has_intercept=has_intercept,
    )
    _check_size(design.shape[0] * design.shape[1])
    names = getattr(clf, "feature_names_in_", [f"x{i}" for i in range(X.shape[1])])
    return Rows(
        X,
        targets,
        design,
        beta=design.centred_coef(design.contrast_coef(clf)),
        penalty=_penalty_curvature(chosen_C(clf), targets.n_classes),
        term_names=["intercept"] * has_intercept + [str(name) for name in names],
    )


def _centre(X):
    """Return the means of the features; of sparse ones, only means of many standard deviations."""
    if not sp.issparse(X):
        return X.mean(axis=0, dtype=np.float64)
    mean, variance = mean_variance_axis(X.astype(np.float64), axis=0)
    return np.where(np.abs(mean) > FAR_OFF * np.sqrt(variance), mean, 0.0)


def _read_targets(clf, y, sample_weight, target_proba):
    """Return the Targets, in the order of the classifier's classes."""
    classes = clf.classes_
    weights = {"sample_weight": sample_weight, "class_weight": clf.class_weight}
    if target_proba is None:
        return encode_targets(y, classes=classes, **weights)
    targets = resolve_targets(y, target_proba, **weights)
    if not np.array_equal(targets.classes, classes):
        raise ValueError(
            f"target_proba has the classes {targets.classes[:10].tolist()}, but clf was fitted "
            f"on {classes[:10].tolist()}. Pass the data of the fit."
        )
    return targets


def _penalty_curvature(C, n_classes):
    """Curvature of the penalty with respect to one feature's contrasts, or None without one.

    With more than two classes the penalty is on the coefficients of all of them. Given the
    contrasts it is least where the coefficients sum to zero, and this is its value there.
    """
    if np.isinf(C):
        return None
    return 1.0 / C * (np.eye(1) if n_classes == 2 else np.eye(n_classes - 1) - 1 / n_classes)


def check_X(clf: Any, X: Any) -> Any:
    """Return features as the classifier takes them: an array, or CSR."""
    X = validate_features(clf, X)
    return sp.csr_array(X) if sp.issparse(X) else X


def _check_size(n_params):
    if n_params > MAX_PARAMS:
        raise ValueError(
            f"The covariance of {n_params:,} parameters is a dense matrix of "
            f"{8 * n_params**2 / 1e9:,.1f} GB; at most {MAX_PARAMS:,} parameters are supported. "
            "Fit fewer features or classes."
        )


def _find_class(classes, reference):
    (position,) = find_columns([reference], classes)
    if position < 0:
        raise ValueError(
            f"reference={reference!r} is not a class: the classes are {classes[:10].tolist()}."
        )
    return int(position)


def check_groups(groups: Any, mass: np.ndarray) -> np.ndarray:
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


def invert(information: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
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


def raise_singular(undetermined: list[str]) -> NoReturn:
    """Say which coefficients the data do not determine."""
    shown = "; ".join(undetermined[:10]) + ("; ..." if len(undetermined) > 10 else "")
    raise ValueError(
        f"The information matrix is singular: the data do not determine {len(undetermined)} of "
        f"the coefficients ({shown}). Drop features that are constant or a combination of others "
        "or that tell classes apart without error, or fit with a penalty (a finite C)."
    )


def check_separation(rows: Rows, covariance: np.ndarray | None) -> None:
    """Raise if some logit has no finite estimate, so that its standard error means nothing.

    With separated classes the cross-entropy falls for ever along some direction. A solver stops
    somewhere on the way, where the information is small, whether or not it is singular (covariance
    None).
    """
    error = np.inf if covariance is None else _largest_logit_error(rows, covariance)
    if error <= LARGE_LOGIT_ERROR:
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
    by_term = covariance.reshape(rows.design.shape * 2)
    largest = 0.0
    for A, _ in rows.column_blocks():
        for j in range(len(rows.beta)):
            largest = max(largest, row_products(A, by_term[j, :, j]).max())
    return np.sqrt(largest)


def _is_separated(rows):
    """Whether some direction improves on some rows and spoils none, by a linear program.

    By Albert and Anderson (1984) the maximum likelihood estimate exists if and only if there is
    none. None means that the linear program would be too large.
    """
    identity = np.zeros((rows.targets.n_classes, len(rows.beta)))
    identity[rows.design.contrasts] = np.eye(len(rows.beta))
    unit = _unit_scale(rows)
    parts, size = [], 0
    for A, block in rows.column_blocks():
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
    for A, _ in rows.column_blocks():
        top = abs(A).max(axis=0)
        np.maximum(largest, top.toarray().ravel() if sp.issparse(A) else top, out=largest)
    return 1 / largest


def row_products(A: Any, matrix: np.ndarray) -> np.ndarray:
    """``a_i' matrix a_i`` of every row of a design matrix."""
    product = A @ matrix
    if sp.issparse(A):
        return np.asarray(A.multiply(product).sum(axis=1)).ravel()
    return np.einsum("ij,ij->i", A, product)


def warn_if_far(distance: float, mass: float) -> None:
    """Warn the caller of the caller of a fit that is not at the optimum of the data."""
    if distance <= FAR_FROM_OPTIMUM:
        return
    warn_caller(
        f"The coefficients are {distance:.2g} standard errors from the optimum for these data. "
        "Pass the X, y and weights that clf was fitted on; if they are, fit with a smaller tol, "
        f"such as tol={5e-5 / mass:.0e}.",
        ConvergenceWarning,
    )


def sandwich(covariance: np.ndarray, rows: Rows, codes: np.ndarray) -> np.ndarray:
    """Cluster-robust covariance ``G / (G - 1) V S V``, S the sum of the groups' squared scores."""
    n_groups = codes.max() + 1
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(n_groups + 1))
    step = max(1, BATCH_SIZE // len(covariance))
    squares = np.zeros_like(covariance)
    for start in range(0, n_groups, step):
        stop = min(start + step, n_groups)
        members = order[bounds[start] : bounds[stop]]
        A = rows.design.columns(rows.X[members])
        place = (codes[members] - start, np.arange(len(members)))
        parts = []
        for residual in rows.residuals(A, members):
            total = sp.csr_array((residual, place), shape=(stop - start, len(members))) @ A
            parts.append(total.toarray() if sp.issparse(total) else total)
        scores = np.hstack(parts)
        squares += scores.T @ scores
    return n_groups / (n_groups - 1) * covariance @ squares @ covariance
