"""The peers: how each is loaded, given its data, fitted, and read."""

# Methods are documented once, in Peer.
# ruff: noqa: D102

import math
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import scipy.sparse as sp

HALF_DECADES = [10.0 ** (-k / 2) for k in range(2, 29)]


class Unsuitable(Exception):
    """A peer cannot be run on a problem or is not installed; the message says why."""


class Peer:
    """One way to fit a problem.

    Attributes
    ----------
    title : str
    penalised : bool
        False for software that offers no L2 penalty of its own choice of parameters; it is judged
        by the objective without one.
    tolerances : list of float
        From loose to tight.
    default : float or None
        The tolerance that is reported if not the loosest that comes near the optimum.
    first_iterations : int
        Limit of the first fit, from which the time of an iteration is learnt.
    """

    title = ""
    penalised = True
    tolerances = HALF_DECADES
    default = None
    first_iterations = 10

    def check(self, problem):
        """Raise Unsuitable if the problem is out of reach."""

    def load(self):
        """Import the software."""

    def prepare(self, problem, folder):
        """Bring the data into the form that `fit` takes. Not timed, but its memory counts."""
        self.X, self.y = problem.X, problem.y

    def fit(self, tol, max_iter):
        """Fit once."""
        raise NotImplementedError

    def timed_fit(self, tol, max_iter):
        """Fit once and return the seconds it took."""
        start = time.perf_counter()
        self.fit(tol, max_iter)
        return time.perf_counter() - start

    def solution(self):
        """Return coefficients and intercepts as LogisticRegression has them."""
        return self.model.coef_, self.model.intercept_

    def effort(self):
        """Return the numbers of iterations and evaluations, None where the peer does not say."""
        return int(np.max(self.model.n_iter_)), None

    def extra_memory(self):
        """Peak of the memory over the data in MiB, if it is in another process than this."""
        return None

    def close(self):
        """End what `prepare` started."""


class KL(Peer):
    """KLClassifier, reported at its default tolerance."""

    default = 1e-7
    # The default comes first, so that it is measured even where time allows one fit only.
    tolerances = [default, *(10.0**-k for k in (1, 2, 3, 4, 5, 6, 8, 9))]
    # Its fits are short; no limit is needed.
    first_iterations = 1000

    def __init__(self, title, **params):
        self.title = title
        self.params = params
        self.penalised = params.get("C", 1.0) < math.inf

    def load(self):
        """Import the package, and count the evaluations of its objective."""
        from sklearn_kl import KLClassifier
        from sklearn_kl._fit.objective import Objective

        self.make = KLClassifier
        self.n_evaluations = 0
        evaluate = Objective.value_and_gradient

        def counted(objective, theta):
            self.n_evaluations += 1
            return evaluate(objective, theta)

        Objective.value_and_gradient = counted

    def fit(self, tol, max_iter):
        self.n_evaluations = 0
        params = {"tol": tol, "max_iter": max_iter, **self.params}
        self.model = self.make(**params).fit(self.X, self.y)

    def effort(self):
        return self.model.n_iter_, self.n_evaluations


class Logistic(Peer):
    """LogisticRegression; targets that are no labels as replicated rows with weights."""

    # A Hessian of at most 1 GiB.
    MAX_CHOLESKY_PARAMS = 11_000

    def __init__(self, solver, first_iterations):
        self.title = f"LogisticRegression({solver})"
        self.solver = solver
        self.first_iterations = first_iterations

    def check(self, problem):
        n_params = problem.X.shape[1] * problem.n_logits
        if self.solver == "newton-cholesky" and n_params > self.MAX_CHOLESKY_PARAMS:
            raise Unsuitable(f"a Hessian of {n_params:,} x {n_params:,}")
        if self.solver == "saga" and problem.y.ndim == 2:
            raise Unsuitable("stochastic steps are no match on replicated rows")

    def load(self):
        from sklearn.linear_model import LogisticRegression

        self.make = LogisticRegression

    def prepare(self, problem, folder):
        self.X, self.y, self.weight = problem.X, problem.y, None
        if problem.y.ndim == 2:
            rows, self.y = np.nonzero(problem.y)
            self.X, self.weight = problem.X[rows], problem.y[rows, self.y]

    def fit(self, tol, max_iter):
        self.model = self.make(solver=self.solver, tol=tol, max_iter=max_iter)
        self.model.fit(self.X, self.y, self.weight)


class MNLogit(Peer):
    """statsmodels.MNLogit by Newton's method: labels only, no penalty."""

    title = "statsmodels MNLogit"
    penalised = False
    # The tolerance of its Newton method is on the parameters, whose units differ.
    tolerances = HALF_DECADES[::2]
    first_iterations = 1

    def check(self, problem):
        if problem.y.ndim == 2:
            raise Unsuitable("labels only")

    def load(self):
        import statsmodels.api

        self.api = statsmodels.api

    def prepare(self, problem, folder):
        _check_dense(problem)
        self.X, self.y = self.api.add_constant(problem.X), problem.y

    def fit(self, tol, max_iter):
        model = self.api.MNLogit(self.y, self.X)
        self.result = model.fit(method="newton", maxiter=max_iter, tol=tol, disp=False)

    def solution(self):
        params = np.asarray(self.result.params).T
        if len(params) > 1:
            params = np.vstack([np.zeros(params.shape[1]), params])
        return params[:, 1:], params[:, 0]

    def effort(self):
        return self.result.mle_retvals["iterations"], None


class PyLDL(Peer):
    """SA_BFGS of python-ldl: distributions only, no penalty; the intercept is a column of ones."""

    title = "PyLDL SA_BFGS"
    penalised = False
    # It stops when a gradient summed over the rows is that small.
    tolerances = [10.0 ** (-k / 2) for k in range(-6, 19)]

    def check(self, problem):
        if problem.y.ndim == 1 or not np.allclose(problem.y.sum(axis=1), 1, atol=1e-3):
            raise Unsuitable("distributions only")

    def load(self):
        from pyldl.algorithms import SA_BFGS

        self.make = SA_BFGS

    def prepare(self, problem, folder):
        _check_dense(problem)
        self.X = np.hstack([problem.X, np.ones((len(problem.X), 1))])
        self.y = problem.y

    def fit(self, tol, max_iter):
        self.model = self.make(random_state=0)
        self.model.fit(self.X, self.y, max_iterations=max_iter, convergence_criterion=tol)

    def solution(self):
        return self.model.W[:-1].T, self.model.W[-1]

    def effort(self):
        return None, None


class Torch(Peer):
    """torch.optim.LBFGS on cross_entropy in float64, with a strong Wolfe line search."""

    title = "torch LBFGS"

    def load(self):
        import torch

        self.torch = torch

    def prepare(self, problem, folder):
        _check_dense(problem)
        self.X = self.torch.from_numpy(problem.X)
        y = self.torch.from_numpy(problem.y)
        self.binary, self.mass = problem.n_logits == 1, problem.total_mass
        self.y = y.double()[:, None] if self.binary else y.long() if y.ndim == 1 else y
        self.shape = problem.X.shape[1], problem.n_logits

    def fit(self, tol, max_iter):
        torch, functional = self.torch, self.torch.nn.functional
        loss = functional.binary_cross_entropy_with_logits if self.binary else None
        loss = loss or functional.cross_entropy
        W = torch.zeros(self.shape, dtype=torch.float64, requires_grad=True)
        b = torch.zeros(self.shape[1], dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS(
            [W, b],
            max_iter=max_iter,
            max_eval=10 * max_iter,
            tolerance_grad=tol,
            tolerance_change=0.0,
            history_size=10,
            line_search_fn="strong_wolfe",
        )

        def objective():
            optimizer.zero_grad()
            total = loss(self.X @ W + b, self.y, reduction="sum") + W.square().sum() / 2
            value = total / self.mass
            value.backward()
            return value

        optimizer.step(objective)
        self.fitted = W.detach().numpy().T, b.detach().numpy()
        self.state = optimizer.state[W]

    def solution(self):
        return self.fitted

    def effort(self):
        return self.state["n_iter"], self.state["func_evals"]


class R(Peer):
    """A package of R, timed inside R, which reads the data from files."""

    def __init__(self, name, title, penalised, tolerances):
        self.name, self.title, self.penalised = name, title, penalised
        self.tolerances = tolerances

    def check(self, problem):
        if self.name == "multinom" and sp.issparse(problem.X):
            raise Unsuitable("dense features only")
        if problem.X.shape[0] < 1000:
            raise Unsuitable("the clock of R is too coarse")

    def load(self):
        if shutil.which("Rscript") is None:
            raise Unsuitable("no Rscript")

    def prepare(self, problem, folder):
        self.folder, self.shape = folder, (-1, problem.X.shape[1] + 1)
        command = ["Rscript", str(Path(__file__).with_name("fit.R")), self.name, str(folder)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        answer = self.process.stdout.readline().strip()
        if answer != "ready":
            raise Unsuitable(answer)

    def timed_fit(self, tol, max_iter):
        print(f"{tol!r} {max_iter}", file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline().split()
        numbers = [None if word == "NA" else float(word) for word in answer]
        seconds, iterations, evaluations, self.memory = numbers
        self.efforts = iterations, evaluations
        return seconds

    def solution(self):
        b = np.fromfile(self.folder / "coef.bin").reshape(self.shape)
        return b[:, 1:], b[:, 0]

    def effort(self):
        return self.efforts

    def extra_memory(self):
        return self.memory

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def _check_dense(problem):
    if sp.issparse(problem.X):
        raise Unsuitable("dense features only")


PEERS = {
    "kl": KL("KLClassifier"),
    "kl-newton-cg": KL("KLClassifier(newton-cg)", solver="newton-cg"),
    "kl-unpenalised": KL("KLClassifier(C=inf)", C=math.inf),
    "lr-lbfgs": Logistic("lbfgs", 10),
    "lr-newton-cg": Logistic("newton-cg", 2),
    "lr-newton-cholesky": Logistic("newton-cholesky", 1),
    "lr-saga": Logistic("saga", 2),
    "torch": Torch(),
    "glmnet": R("glmnet", "R glmnet", True, HALF_DECADES[6:]),
    "mnlogit": MNLogit(),
    "multinom": R("multinom", "R nnet::multinom", False, HALF_DECADES[4:]),
    "pyldl": PyLDL(),
}
