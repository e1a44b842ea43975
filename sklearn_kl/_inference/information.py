"""The information of the rows of a fit: what KLInference inverts, and whether it may.

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

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from scipy.optimize import linprog
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_kl._data.encode import encode_targets, resolve_targets
from sklearn_kl._data.lanes import deal_lanes, lane_runner
from sklearn_kl._data.simplex import log_softmax
from sklearn_kl.models import LinearSoftmax

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


@dataclass(frozen=True, eq=False)
class Rows:
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
        for block in blocks(self.X, len(self.beta)):
            yield self.design(block.X), block.rows

    def design(self, X):
        return design(X, self.centre, self.has_intercept)

    def log_proba(self, A):
        """Log-probabilities of the rows of a design: shape (n_rows, n_classes)."""
        return log_softmax(insert_zeros(A @ self.beta.T, self.contrasts))

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


def check_estimator(clf):
    """Return the strength 1 / C of the penalty in the total, or raise."""
    check_is_fitted(clf)
    C = chosen_C(clf)
    plain = isinstance(getattr(clf, "model_", None), LinearSoftmax)
    if C is None or not plain or (clf.l1_ratio != 0 and np.isfinite(C)) or clf.prior is not None:
        raise TypeError(
            "KLInference needs a fitted KLClassifier with the linear model, no prior and an L2 "
            f"penalty or none, got {clf!r}. Of a pipeline, pass the last step and the transformed "
            "features."
        )
    return 1.0 / C


def chosen_C(clf):
    """C of the fit; KLClassifierCV stores the one it chose as C_."""
    return getattr(clf, "C_", getattr(clf, "C", None))


def read_rows(clf, X, y, sample_weight, target_proba, reference):
    """Validate the data of the fit."""
    X = check_X(clf, X)
    classes = clf.classes_
    position = 0 if reference is None else find_class(classes, reference)
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
    coef = contrast_coef(clf, position)
    _check_size(coef.size)
    names = getattr(clf, "feature_names_in_", [f"x{i}" for i in range(X.shape[1])])
    centred = clf.model_.fit_intercept and not sp.issparse(X)
    centre = X.mean(axis=0, dtype=np.float64) if centred else np.zeros(X.shape[1])
    terms = ["intercept"] * bool(clf.model_.fit_intercept) + [str(name) for name in names]
    return Rows(X, targets, position, centre, centred_coef(coef, centre), terms)


def check_X(clf, X):
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


def find_class(classes, reference):
    found = [i for i, label in enumerate(classes.tolist()) if label == reference]
    if not found:
        raise ValueError(
            f"reference={reference!r} is not a class: the classes are {classes[:10].tolist()}."
        )
    return found[0]


def check_groups(groups, mass):
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


def contrast_coef(clf, reference):
    """Coefficients less those of the reference class: shape (n_contrasts, n_terms)."""
    coef = clf.coef_.toarray() if sp.issparse(clf.coef_) else clf.coef_
    coef = np.asarray(coef, dtype=np.float64)
    if clf.model_.fit_intercept:
        coef = np.column_stack([clf.intercept_, coef]).astype(np.float64)
    if len(coef) == 1:
        coef = np.vstack([np.zeros_like(coef), coef])
    return np.delete(coef - coef[reference], reference, axis=0)


def centred_coef(coef, centre):
    """Coefficients of features less the centre: only the intercept changes."""
    beta = coef.copy()
    if coef.shape[1] > len(centre):
        beta[:, 0] += coef[:, 1:] @ centre
    return beta


def blocks(X, n_logits):
    """Yield the row blocks; BLAS has one thread meanwhile.

    The products of a block are small: on two busy cores two threads waited for each other and
    took 100 times as long as one.
    """
    with lane_runner(deal_lanes(X, n_logits), n_jobs=1) as lanes:
        yield from lanes.blocks


def design(X, centre, has_intercept):
    """Columns of the parameters, float64: a one for the intercept, and the centred features."""
    if sp.issparse(X):
        A = sp.csr_array(X, dtype=np.float64)
        ones = [np.ones((X.shape[0], 1))] * has_intercept
        return sp.hstack([*ones, A], format="csr") if has_intercept else A
    A = np.ones((len(X), len(centre) + has_intercept))
    np.subtract(X, centre, out=A[:, int(has_intercept) :])
    return A


def insert_zeros(eta, contrasts):
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


def add_penalty(information, score, rows, strength):
    """Add the penalty's curvature to the information, and its slope to the score, in place."""
    if strength == 0:
        return
    shape = strength * _penalty_shape(rows)
    slopes = slice(int(rows.has_intercept), None)
    score[:, slopes] -= shape @ rows.beta[:, slopes]
    for term in range(len(rows.term_names))[slopes]:
        information[:, term, :, term] += shape


def penalised_share(covariance, rows, strength):
    """Trace of ``information^-1 penalty``: the parameters that the penalty takes away."""
    if strength == 0:
        return 0
    blocks = covariance.reshape(rows.beta.shape * 2)
    slopes = range(len(rows.term_names))[int(rows.has_intercept) :]
    shape = strength * _penalty_shape(rows)
    return sum(np.vdot(shape, blocks[:, term, :, term]) for term in slopes)


def invert(information):
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


def raise_singular(undetermined):
    shown = "; ".join(undetermined[:10]) + ("; ..." if len(undetermined) > 10 else "")
    raise ValueError(
        f"The information matrix is singular: the data do not determine {len(undetermined)} of "
        f"the coefficients ({shown}). Drop features that are constant or a combination of others, "
        "or fit with a penalty (a finite C)."
    )


def check_separation(rows, covariance):
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
            largest = max(largest, row_products(A, blocks[j, :, j]).max())
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


def row_products(A, matrix):
    """``a_i' matrix a_i`` of every row of a design."""
    product = A @ matrix
    if sp.issparse(A):
        return np.asarray(A.multiply(product).sum(axis=1)).ravel()
    return np.einsum("ij,ij->i", A, product)


def warn_if_far(distance, mass):
    if distance <= FAR_FROM_OPTIMUM:
        return
    warnings.warn(
        f"The coefficients are {distance:.2g} standard errors from the optimum for these data. "
        "Pass the X, y and weights that clf was fitted on; if they are, fit with a smaller tol, "
        f"such as tol={5e-5 / mass:.0e}.",
        ConvergenceWarning,
        stacklevel=3,
    )


def sandwich(covariance, rows, codes):
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
