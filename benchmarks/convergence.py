"""Whether fits that call themselves converged are at the minimum, on features with outliers.

Every fit is judged by Newton's method in extended precision, on QR factorisations that keep what
small rows say beside those that are larger by 1e12. It shares nothing with the package.
"""

import argparse
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sklearn_kl import KLClassifier

EXTENDED = np.longdouble
TINY = EXTENDED("1e-2000")
DAMPINGS = (0.0, 1e-6, 1e-3, 1e-1, 1.0, 30.0)


class Reference:
    """Mean objective of a linear model; theta has shape (n_features + 1, n_logits)."""

    def __init__(self, X, y, n_classes, C):
        targets = np.eye(n_classes)[y] if np.ndim(y) == 1 else y
        self.targets = targets.astype(EXTENDED)
        self.mass = self.targets.sum(axis=1)
        self.share = np.sqrt(self.mass / self.mass.sum())
        self.A = np.hstack([X, np.ones((len(X), 1))]).astype(EXTENDED)
        self.binary = n_classes == 2
        self.alpha = 1 / (EXTENDED(C) * self.mass.sum())

    def log_proba(self, theta):
        """Logarithms of the probabilities: shape (n_samples, n_classes)."""
        z = self.A @ theta
        z = np.hstack([np.zeros_like(z), z]) if self.binary else z
        z = z - z.max(axis=1, keepdims=True)
        return z - np.log(np.exp(z).sum(axis=1, keepdims=True))

    def value(self, theta):
        """Return the objective, nats; infinite where it is not a number."""
        loss = -(self.targets * self.log_proba(theta)).sum() / self.mass.sum()
        value = loss + self.alpha / 2 * (theta[:-1] ** 2).sum()
        return value if np.isfinite(value) else EXTENDED(np.inf)

    def least_squares(self, theta):
        """Return B and r with Hessian B'B and gradient B'r."""
        log_q = self.log_proba(theta)
        q, asked = np.exp(log_q), self.targets / self.mass[:, None]
        lacking = np.stack([np.delete(q, k, axis=1).sum(axis=1) for k in range(q.shape[1])], axis=1)
        off = np.where(asked == 1, -lacking, q - asked)
        blocks, residuals = [], []
        for k in [1] if self.binary else range(q.shape[1]):
            root = np.exp(log_q.sum(axis=1) / 2) if self.binary else np.exp(log_q[:, k] / 2)
            factor = np.ones((len(q), 1), EXTENDED) if self.binary else -q.copy()
            if not self.binary:
                factor[:, k] = lacking[:, k]
            factor *= (self.share * root)[:, None]
            blocks.append((self.A[:, :, None] * factor[:, None, :]).reshape(len(q), -1))
            residuals.append(self.share * off[:, k] / np.maximum(root, TINY))
        n_weights = theta[:-1].size
        penalty = np.zeros((n_weights, theta.size), EXTENDED)
        penalty[np.arange(n_weights), np.arange(n_weights)] = np.sqrt(self.alpha)
        residuals.append(np.sqrt(self.alpha) * theta[:-1].ravel())
        return np.vstack([*blocks, penalty]), np.concatenate(residuals)


def least_squares(B, r, damping):
    """Minimise ``||B d + r||`` by Householder's method, columns pivoted and rows sorted by size."""
    scale = np.sqrt((B * B).sum(axis=0))
    scale[scale == 0] = 1
    B = np.vstack([B / scale, damping * np.eye(B.shape[1], dtype=EXTENDED)])
    r = -np.concatenate([r, np.zeros(B.shape[1], EXTENDED)])
    order = np.argsort(-np.abs(B).max(axis=1))
    B, r = B[order], r[order]
    n_columns = rank = B.shape[1]
    pivots = np.arange(n_columns)
    for j in range(n_columns):
        norms = (B[j:, j:] ** 2).sum(axis=0)
        k = j + int(np.argmax(norms))
        if norms[k - j] <= 1e-34:
            rank = j
            break
        B[:, [j, k]], pivots[[j, k]] = B[:, [k, j]], pivots[[k, j]]
        top = j + int(np.argmax(np.abs(B[j:, j])))
        B[[j, top]], r[[j, top]] = B[[top, j]], r[[top, j]]
        v = B[j:, j].copy()
        v[0] += np.copysign(np.sqrt((v * v).sum()), v[0])
        factor = 2 / (v * v).sum()
        B[j:, j:] -= np.outer(v, factor * (v @ B[j:, j:]))
        r[j:] -= v * (factor * (v @ r[j:]))
    d = np.zeros(n_columns, EXTENDED)
    for j in range(rank - 1, -1, -1):
        d[j] = (r[j] - B[j, j + 1 : rank] @ d[j + 1 : rank]) / B[j, j]
    out = np.zeros(n_columns, EXTENDED)
    out[pivots] = d
    return out / scale


def minimum(problem, theta, max_iter=100, tol=1e-13):
    """Lowest value that damped Newton steps find from theta."""
    theta, idle = theta.astype(EXTENDED), 0
    value = problem.value(theta)
    for _ in range(max_iter):
        found = _lower(problem, theta, value)
        if found is None:
            break
        idle = idle + 1 if value - found[0] < tol else 0
        value, theta = found
        if idle == 2:
            break
    return value


def _lower(problem, theta, value):
    """Return a lower value and its theta, or None."""
    B, r = problem.least_squares(theta)
    for damping in DAMPINGS:
        step = least_squares(B, r, damping).reshape(theta.shape)
        for halvings in range(0, 80 if damping >= 1 else 16, 2):
            ahead = theta + step / EXTENDED(2) ** halvings
            if ahead.shape[1] > 1:
                ahead = ahead - ahead.mean(axis=1, keepdims=True)
            there = problem.value(ahead)
            if there < value:
                return there, ahead
    return None


def draw(rng, kind):
    """Return X, y, the number of classes and C of a random problem of a kind."""
    n_samples, n_features = int(rng.integers(30, 200)), int(rng.integers(1, 11))
    n_classes = int(rng.choice([2, 3]))
    X = rng.normal(size=(n_samples, n_features))
    z = X @ rng.normal(size=(n_features, n_classes)) * rng.choice([0.5, 1, 3])
    y = _targets(rng, z, rng.choice(["labels", "counts", "distributions"]))
    if kind == "outliers":
        X = with_outliers(rng, X)
    elif kind == "Cauchy":
        X = X / np.abs(rng.normal(size=X.shape))
    else:
        X = np.exp(rng.choice([1, 2, 4]) * X)
    return X, y, n_classes, 10 ** rng.uniform(-2, 6)


def _targets(rng, z, kind):
    n_classes = z.shape[1]
    if kind == "labels":
        y = (z + rng.gumbel(size=z.shape)).argmax(axis=1)
        y[:n_classes] = np.arange(n_classes)
        return y
    q = np.exp(z - z.max(axis=1, keepdims=True))
    q /= q.sum(axis=1, keepdims=True)
    if kind == "counts":
        return np.array([rng.multinomial(5, row) for row in q]) + 0.01
    return np.array([rng.dirichlet(5 * row + 0.05) for row in q])


def with_outliers(rng, X):
    """Set 1 to 5 % of the cells of 1 to 3 columns to a code, or to noise, of 1e4 to 1e12."""
    X = X.copy()
    n_samples, n_features = X.shape
    n_columns = min(n_features, int(rng.integers(1, 4)))
    for column in rng.choice(n_features, size=n_columns, replace=False):
        n_rows = max(1, round(n_samples * rng.uniform(0.01, 0.05)))
        rows, size = rng.choice(n_samples, n_rows, replace=False), 10 ** rng.uniform(4, 12)
        noise = rng.choice([np.ones(n_rows), rng.choice([-1.0, 1.0], n_rows)])
        X[rows, column] = size * (rng.standard_normal(n_rows) if rng.integers(3) == 0 else noise)
    return X


def run(kind, solver, n_fits):
    """Print how many fits end far from the minimum, and how many say that they did not converge."""
    far = unconverged = violated = 0
    worst = 0.0
    for seed in range(n_fits):
        X, y, n_classes, C = draw(np.random.default_rng(seed), kind)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            clf = KLClassifier(C=C, solver=solver).fit(X, y)
        problem = Reference(X, y, n_classes, C)
        theta = np.vstack([clf.coef_.T, clf.intercept_])
        starts = (theta, np.zeros_like(theta))
        value = problem.value(theta.astype(EXTENDED))
        gap = float(value - min(minimum(problem, start) for start in starts))
        unconverged += not clf.converged_
        far += clf.converged_ and gap > 10 * clf.tol
        worst = max(worst, gap) if clf.converged_ else worst
        bound = clf.optimality_gap_
        violated += bound is not None and gap > bound * 1.001 + 1e-14
    print(
        f"{kind:10} {solver:10} fits {n_fits:5}  converged, but more than 10 tol above {far:4}  "
        f"worst {worst:.1e}  not converged {unconverged:4}  bound below the gap {violated}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fits", type=int, default=1000)
    parser.add_argument("--solvers", nargs="+", default=["lbfgs", "newton-cg", "gd"])
    parser.add_argument("--kinds", nargs="+", default=["outliers", "Cauchy", "lognormal"])
    options = parser.parse_args()
    for kind in options.kinds:
        for solver in options.solvers:
            with np.errstate(all="ignore"):
                run(kind, solver, options.fits)


if __name__ == "__main__":
    main()
