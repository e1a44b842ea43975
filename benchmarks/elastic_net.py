"""Elastic net and lasso to the same gap: KLClassifier, LogisticRegression(saga), R's glmnet."""

import argparse
import math
import shutil
import subprocess
import tempfile
import time
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from problems import labels, sparse_labels
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from sklearn_kl import KLClassifier

GAP = 1e-6


def wide():
    """Far more features than matter, as many as rows."""
    rng = np.random.default_rng(0)
    problem = labels(2000, 2000, 3)
    z = problem.X[:, :20] @ rng.standard_normal((20, 3))
    y = (z + rng.gumbel(size=z.shape)).argmax(axis=1).astype(np.int32)
    return type(problem)(problem.X, y)


PROBLEMS = {
    "20,000 x 50, 5 classes": lambda: labels(20_000, 50, 5),
    "20,000 x 200, 5 classes, scales 1 to 1,000, correlation 0.9": lambda: labels(
        20_000, 200, 5, correlation=0.9, decades=3
    ),
    "2,000 x 2,000, 3 classes, 20 features matter": wide,
    "20,000 x 20,000 sparse, 5 classes": lambda: sparse_labels(20_000, 20_000, 5),
}

R_CODE = """
arguments <- commandArgs(trailingOnly = TRUE)
folder <- arguments[1]; alpha <- as.numeric(arguments[2]); lambda <- as.numeric(arguments[3])
thresh <- as.numeric(arguments[4])
read <- function(name, what) {
  path <- file.path(folder, name)
  readBin(path, what, file.size(path) / (if (what == "integer") 4 else 8))
}
shape <- read("shape.bin", "integer")
if (file.exists(file.path(folder, "X.bin"))) {
  X <- matrix(read("X.bin", "double"), shape[1], shape[2], byrow = TRUE)
} else {
  j <- read("indices.bin", "integer")
  rows <- Matrix::sparseMatrix(j = j, p = read("indptr.bin", "integer"), dims = shape,
                               x = read("data.bin", "double"), index1 = FALSE, repr = "R")
  X <- as(rows, "CsparseMatrix")
}
y <- factor(read("y.bin", "integer"))
path <- lambda * 10^seq(2, 0, length.out = 9)
start <- proc.time()[3]
fit <- glmnet::glmnet(X, y, family = "multinomial", alpha = alpha, lambda = path,
                      standardize = FALSE, thresh = thresh, maxit = 1e6)
cat(proc.time()[3] - start, "\\n")
b <- sapply(coef(fit, s = lambda), as.vector)
writeBin(as.vector(b), file.path(folder, "coef.bin"))
"""


@dataclass(frozen=True)
class Setting:
    """A problem with a penalty, and its minimum.

    Parameters
    ----------
    problem : Problem
    C, l1_ratio : float
    best : float
        The lowest mean objective known, nats.
    """

    problem: object
    C: float
    l1_ratio: float
    best: float = math.inf

    def objective(self, coef, intercept):
        """Mean cross-entropy plus penalty, in float64."""
        loss = self.problem.mean_objective(coef, intercept, penalised=False)
        penalty = (1 - self.l1_ratio) / 2 * np.vdot(coef, coef)
        penalty += self.l1_ratio * np.abs(coef).sum()
        return loss + penalty / (self.C * len(self.problem.y))


def fit_kl(setting, tol=1e-7, repeats=5):
    """Return seconds, coef and intercept of KLClassifier, the median of several fits."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        clf = KLClassifier(C=setting.C, l1_ratio=setting.l1_ratio, tol=tol)
        clf.fit(setting.problem.X, setting.problem.y)
        seconds.append(time.perf_counter() - start)
    return median(seconds), clf.coef_, clf.intercept_


def fit_saga(setting, cap):
    """Double the passes until the gap is small or the next fit would take longer than the cap."""
    max_iter = 8
    while True:
        clf = LogisticRegression(
            C=setting.C, l1_ratio=setting.l1_ratio, solver="saga", tol=1e-12, max_iter=max_iter
        )
        start = time.perf_counter()
        clf.fit(setting.problem.X, setting.problem.y)
        seconds = time.perf_counter() - start
        gap = setting.objective(clf.coef_, clf.intercept_) - setting.best
        if gap <= GAP or 2 * seconds > cap or clf.n_iter_[0] < max_iter:
            return seconds, clf.coef_, clf.intercept_
        max_iter *= 2


def fit_glmnet(setting, cap):
    """Lower glmnet's threshold until the gap is small; None where R or glmnet is absent."""
    if shutil.which("Rscript") is None:
        return None
    answer = None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(setting.problem, folder)
        strength = 1 / (setting.C * len(setting.problem.y))
        for thresh in (1e-7, 1e-9, 1e-11):
            command = ["Rscript", "-e", R_CODE, folder, setting.l1_ratio, strength, thresh]
            try:
                done = subprocess.run(
                    [str(part) for part in command],
                    capture_output=True,
                    text=True,
                    timeout=cap,
                    check=True,
                )
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
                return answer
            b = np.fromfile(folder / "coef.bin").reshape(setting.problem.n_classes, -1)
            answer = float(done.stdout.split()[-1]), b[:, 1:], b[:, 0]
            if setting.objective(*answer[1:]) - setting.best <= GAP:
                return answer
    return answer


def write(problem, folder):
    """Write the arrays as raw numbers for R."""
    np.array(problem.X.shape, dtype=np.int32).tofile(folder / "shape.bin")
    problem.y.astype(np.int32).tofile(folder / "y.bin")
    if isinstance(problem.X, np.ndarray):
        problem.X.tofile(folder / "X.bin")
        return
    for part in ("data", "indices", "indptr"):
        getattr(problem.X, part).tofile(folder / f"{part}.bin")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ours", action="store_true", help="KLClassifier alone")
    parser.add_argument("--cap", type=float, default=60.0, help="seconds of a peer's fit, 60")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    peers = {"KLClassifier": fit_kl}
    if not options.ours:
        peers["LogisticRegression(saga)"] = partial(fit_saga, cap=options.cap)
        peers["glmnet"] = partial(fit_glmnet, cap=options.cap)
    for title, make in PROBLEMS.items():
        problem = make()
        for C in (0.01, 1.0):
            for l1_ratio in (1.0, 0.5):
                setting = Setting(problem, C, l1_ratio)
                best = setting.objective(*fit_kl(setting, tol=1e-12, repeats=1)[1:])
                print(f"\n{title}, C={C}, l1_ratio={l1_ratio}: minimum {best:.9f}")
                report(Setting(problem, C, l1_ratio, best), peers)


def report(setting, peers):
    """Print a row per peer: seconds, gap in nats, share of zeros."""
    for name, fit in peers.items():
        answer = fit(setting)
        if answer is None:
            print(f"  {name:26} no answer in time")
            continue
        seconds, coef, intercept = answer
        gap = setting.objective(coef, intercept) - setting.best
        zeros = np.mean(coef == 0)
        print(f"  {name:26} {seconds:9.3f} s  gap {gap:8.1e}  zeros {zeros:6.1%}", flush=True)


if __name__ == "__main__":
    main()
