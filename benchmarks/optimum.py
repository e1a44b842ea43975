"""The minimum of a problem, found once by two solvers and kept with the results."""

import json
import math
import sys
import time
import warnings
from pathlib import Path

from problems import PROBLEMS
from sklearn.exceptions import ConvergenceWarning

from sklearn_kl import KLClassifier

OPTIMA = Path(__file__).with_name("results") / "optima.json"
ACCURACY = 1e-10


def optimum(name, problem, *, penalised=True):
    """Return the lowest mean objective known, in nats.

    The file `optima.json` keeps it with what vouches for it: the spread of two solvers, and the
    gap that the better one certifies.
    """
    known = json.loads(OPTIMA.read_text()) if OPTIMA.exists() else {}
    key = f"{name}{'' if penalised else ' unpenalised'}"
    data = problem.fingerprint()
    if known.get(key, {}).get("data") != data:
        known[key] = {"data": data, **find_optimum(problem, penalised)}
        OPTIMA.parent.mkdir(exist_ok=True)
        OPTIMA.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
    found = known[key]
    if min(found["spread"], found["certified"] or math.inf) > ACCURACY:
        print(f"{key}: the optimum is not known to {ACCURACY} nats: {found}", file=sys.stderr)
    return found["value"]


def find_optimum(problem, penalised):
    """Minimise with both solvers down to rounding and compare them."""
    fits, start = {}, time.perf_counter()
    for solver in ("newton-cg", "lbfgs"):
        model = KLClassifier(
            C=1.0 if penalised else math.inf, solver=solver, tol=1e-13, max_iter=5000
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(problem.X, problem.y)
        value = problem.mean_objective(model.coef_, model.intercept_, penalised=penalised)
        fits[value] = model.optimality_gap_
    return {
        "value": min(fits),
        "spread": max(fits) - min(fits),
        "certified": fits[min(fits)],
        "seconds": round(time.perf_counter() - start, 1),
    }


if __name__ == "__main__":
    for name in sys.argv[1:] or PROBLEMS:
        problem = PROBLEMS[name].make()
        print(name, optimum(name, problem))
