"""The benchmark problems, and the one objective by which every result is judged."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.io
import scipy.sparse as sp
from scipy.special import logsumexp

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
ROWS_AT_ONCE = 16384


@dataclass(frozen=True, eq=False)
class Problem:
    """Data to fit, C = 1 throughout.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n_samples, n_features), float64
    y : ndarray of shape (n_samples,) of int32, or (n_samples, n_classes) of float64
        Labels 0, 1, ..., or distributions or counts.
    """

    X: np.ndarray | sp.csr_array
    y: np.ndarray

    @property
    def n_classes(self):
        """Number of classes."""
        return self.y.shape[1] if self.y.ndim == 2 else int(self.y.max()) + 1

    @property
    def n_logits(self):
        """Number of logits: one for two classes."""
        return 1 if self.n_classes == 2 else self.n_classes

    @property
    def total_mass(self):
        """Sum of the targets."""
        return float(self.y.sum()) if self.y.ndim == 2 else float(len(self.y))

    def mean_objective(self, coef, intercept, *, penalised=True):
        """Mean cross-entropy in nats, plus ``||coef||^2 / (2 total_mass)`` if penalised.

        `coef` and `intercept` are as in LogisticRegression. Everything is float64, and nothing is
        shared with the packages that are compared.
        """
        total = 0.0
        for start in range(0, self.X.shape[0], ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            z = self.X[rows] @ coef.T + intercept
            if z.shape[1] == 1:
                z = np.hstack([np.zeros_like(z), z])
            y = self.y[rows]
            if y.ndim == 1:
                total += logsumexp(z, axis=1).sum() - z[np.arange(len(y)), y].sum()
            else:
                total += y.sum(axis=1) @ logsumexp(z, axis=1) - np.vdot(y, z)
        penalty = np.vdot(coef, coef) / 2 if penalised else 0.0
        return float((total + penalty) / self.total_mass)

    def fingerprint(self):
        """Tell these data from any other."""
        digest = hashlib.sha256(self.y.tobytes())
        arrays = [self.X.data, self.X.indices] if sp.issparse(self.X) else [self.X]
        for array in arrays:
            digest.update(np.ascontiguousarray(array))
        return digest.hexdigest()[:16]

    def save(self, folder):
        """Write the arrays as .npy files."""
        np.save(folder / "y.npy", self.y)
        if not sp.issparse(self.X):
            np.save(folder / "X.npy", self.X)
            return
        for part in ("data", "indices", "indptr"):
            np.save(folder / f"{part}.npy", getattr(self.X, part))
        np.save(folder / "shape.npy", np.array(self.X.shape, dtype=np.int32))

    @classmethod
    def load(cls, folder):
        """Read what save wrote."""
        y = np.load(folder / "y.npy")
        if (folder / "X.npy").exists():
            return cls(np.load(folder / "X.npy"), y)
        parts = tuple(np.load(folder / f"{part}.npy") for part in ("data", "indices", "indptr"))
        return cls(sp.csr_array(parts, shape=tuple(np.load(folder / "shape.npy"))), y)


@dataclass(frozen=True)
class Spec:
    """How to make a problem.

    Parameters
    ----------
    title : str
    make : callable
        Without arguments; raises FileNotFoundError where the data are not to be had.
    has_unpenalised : bool, default=True
        Whether the objective without a penalty has a minimum.
    n_fits : int, default=1
        Number of fits that are timed as one.
    """

    title: str
    make: Callable[[], Problem]
    has_unpenalised: bool = True
    n_fits: int = 1


def labels(n_samples, n_features, n_classes, *, correlation=0.0, decades=0):
    """Gaussian features with one common factor, units spread over `decades`, and drawn labels."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_samples, n_features))
    if correlation:
        X *= np.sqrt(1 - correlation)
        X += np.sqrt(correlation) * rng.standard_normal((n_samples, 1))
    W = 2 * rng.standard_normal((n_features, n_classes)) / np.sqrt(n_features)
    y = _draw(rng, X @ W)
    if decades:
        X *= np.logspace(0, decades, n_features)
    return Problem(X, y)


def sparse_labels(n_samples, n_features, n_classes, *, per_row=100):
    """Word counts as log(1 + count): Zipf-distributed columns, `per_row` words a row."""
    rng = np.random.default_rng(0)
    columns = np.minimum(rng.zipf(1.3, size=n_samples * per_row) - 1, n_features - 1)
    rows = np.repeat(np.arange(n_samples), per_row)
    X = sp.coo_array((np.ones(len(rows)), (rows, columns)), shape=(n_samples, n_features)).tocsr()
    X = sp.csr_array(
        (np.log1p(X.data), X.indices.astype(np.int32), X.indptr.astype(np.int32)), shape=X.shape
    )
    logits = X @ (0.7 * rng.standard_normal((n_features, n_classes)))
    # The commonest words are in every row and would leave some classes without any.
    return Problem(X, _draw(rng, logits - logits.mean(axis=0)))


def votes(n_samples, n_features, n_classes, *, n_votes=5, smoothed=False):
    """Votes drawn from a linear model; smoothed ones are distributions without a zero."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_samples, n_features))
    z = X @ (1.5 * rng.standard_normal((n_features, n_classes)) / np.sqrt(n_features))
    counts = rng.multinomial(n_votes, np.exp(z - logsumexp(z, axis=1, keepdims=True)))
    if smoothed:
        return Problem(X, (counts + 0.1) / (n_votes + 0.1 * n_classes))
    return Problem(X, counts.astype(np.float64))


def distributions(name):
    """Label distributions from the folder SKLEARN_KL_DATA, or ../shared/data of the project."""
    folder = Path(os.environ.get("SKLEARN_KL_DATA", SHARED_DATA))
    path = folder / f"{name}.mat"
    if not path.exists():
        raise FileNotFoundError(f"no {path.name} there: SKLEARN_KL_DATA can name its folder")
    content = scipy.io.loadmat(path)
    return Problem(
        *(np.ascontiguousarray(content[key], dtype=np.float64) for key in ("features", "labels"))
    )


def iris():
    """Fisher's iris data: 150 rows, 4 features, 3 classes."""
    from sklearn.datasets import load_iris

    X, y = load_iris(return_X_y=True)
    return Problem(X, y.astype(np.int32))


def _draw(rng, logits):
    """Draw labels from softmax(logits) by the Gumbel trick."""
    return (logits + rng.gumbel(size=logits.shape)).argmax(axis=1).astype(np.int32)


PROBLEMS = {
    "a": Spec("100,000 x 50, 10 classes", lambda: labels(100_000, 50, 10)),
    "b": Spec(
        "100,000 x 50, 10 classes, scales 1 to 1,000, correlation 0.9",
        lambda: labels(100_000, 50, 10, correlation=0.9, decades=3),
    ),
    "c": Spec(
        "20,000 x 500, 5 classes, correlation 0.5", lambda: labels(20_000, 500, 5, correlation=0.5)
    ),
    "d": Spec("1,000,000 x 20, 2 classes", lambda: labels(1_000_000, 20, 2)),
    "e-movie": Spec(
        "Movie: 7,755 x 1,869, distributions over 5 classes", lambda: distributions("Movie")
    ),
    "e-sbu": Spec(
        "SBU_3DFE: 2,500 x 243, distributions over 6 classes", lambda: distributions("SBU_3DFE")
    ),
    "f": Spec(
        "sparse 50,000 x 100,000, 100 words a row, 20 classes",
        lambda: sparse_labels(50_000, 100_000, 20),
        has_unpenalised=False,
    ),
    "g": Spec("50,000 x 100, 5 votes a row over 30 classes", lambda: votes(50_000, 100, 30)),
    "g-smooth": Spec(
        "50,000 x 100, smoothed distributions over 30 classes",
        lambda: votes(50_000, 100, 30, smoothed=True),
    ),
    "h": Spec("iris, 1,000 fits", iris, has_unpenalised=False, n_fits=1000),
    "i": Spec(
        "wide 2,000 x 20,000, 5 classes", lambda: labels(2000, 20_000, 5), has_unpenalised=False
    ),
}
