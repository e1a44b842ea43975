"""Measure one peer on one problem, in this process alone; run.py starts it and reads its lines.

Usage: measure.py PEER FOLDER OPTIMUM CAP REPEATS N_FITS. Every line printed is a JSON object:
{"skipped": reason}, {"fit": ...} for each tolerance, and {"repeats": ...} for the reported one.
"""

import contextlib
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from peers import PEERS, Unsuitable
from problems import Problem

GOAL = 1e-6
MAX_ITERATIONS = 1_000_000


def memory(field):
    """Resident memory now ("VmRSS") or at its peak ("VmHWM"), MiB; None if not to be had."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    line = next(line for line in status.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024


def reset_peak():
    """Let "VmHWM" start anew, where the system can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def pass_seconds(X, n_logits, repeats=7):
    """Seconds of one X @ W plus one X.T @ Z with the threads that BLAS takes; median."""
    rng = np.random.default_rng(0)
    W = rng.standard_normal((X.shape[1], n_logits))
    Z = rng.standard_normal((X.shape[0], n_logits))
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        X @ W
        X.T @ Z
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds[1:]))


def climb(peer, problem, optimum, cap):
    """Fit at ever tighter tolerances until the goal is met or the time is spent; yield the fits.

    The limit of iterations is set so that no fit should take longer than `cap` seconds, and no fit
    begins after twice that.
    """
    spent, skip, max_iter = 0.0, False, peer.first_iterations
    for tol in peer.tolerances:
        if skip:
            skip = False
            continue
        reset_peak()
        seconds = peer.timed_fit(tol, max_iter)
        peak = memory("VmHWM")
        spent += seconds
        iterations, evaluations = peer.effort()
        gap = problem.mean_objective(*peer.solution(), penalised=peer.penalised) - optimum
        yield {
            "tol": tol,
            "max_iter": max_iter,
            "seconds": seconds,
            "gap": gap,
            "iterations": iterations,
            "evaluations": evaluations,
            "peak": peak,
        }
        met = gap <= GOAL and peer.default is None
        if met or seconds > 0.6 * cap or spent > 2 * cap:
            return
        pace = seconds / (iterations or max_iter)
        max_iter = int(np.clip(cap / max(pace, 1e-9), 1, MAX_ITERATIONS))
        # Slow fits in decades, quick ones in half decades: the goal should not be overshot by far.
        skip = seconds > cap / 20 and peer.default is None


def choose(peer, fits):
    """Return the fit at the default, or else the first to meet the goal, or the nearest to it."""
    if peer.default is not None:
        return fits[0]
    return next((fit for fit in fits if fit["gap"] <= GOAL), min(fits, key=lambda fit: fit["gap"]))


def repeat(peer, fit, *, cap, repeats, n_fits):
    """Seconds of `n_fits` fits at a time, up to `repeats` times while less than `cap` is spent."""
    if n_fits == 1 and fit["seconds"] > cap / 2:
        return [fit["seconds"]]
    seconds = []
    while len(seconds) < repeats and sum(seconds) < cap:
        seconds.append(sum(peer.timed_fit(fit["tol"], fit["max_iter"]) for _ in range(n_fits)))
    return seconds


def warm_up(peer, problem):
    """Fit a handful of rows like those of the problem, so that code is loaded before memory is."""
    few = np.unique(problem.y, return_index=True)[1] if problem.y.ndim == 1 else np.arange(20)
    X = problem.X[few][:, :2]
    peer.prepare(
        Problem(np.ascontiguousarray(X) if not sp.issparse(X) else X, problem.y[few]), None
    )
    peer.timed_fit(1e-2, 10)


def emit(**line):
    """Print one line for run.py."""
    print(json.dumps(line), flush=True)


def main(name, folder, optimum, cap, repeats, n_fits):
    warnings.simplefilter("ignore")
    folder, cap, peer = Path(folder), float(cap), PEERS[name]
    in_python = not hasattr(peer, "name")
    try:
        peer.load()
        problem = Problem.load(folder)
        peer.check(problem)
        if in_python:
            warm_up(peer, problem)
        before = memory("VmRSS")
        peer.prepare(problem, folder)
    except (Unsuitable, ImportError) as error:
        emit(skipped=str(error))
        return
    fits = []
    for fit in climb(peer, problem, float(optimum), cap):
        peak = fit.pop("peak")
        fit["memory"] = peak - before if in_python and peak else peer.extra_memory()
        fits.append(fit)
        emit(fit=fit)
    chosen = choose(peer, fits)
    seconds = repeat(peer, chosen, cap=cap, repeats=int(repeats), n_fits=int(n_fits))
    peer.close()
    comparable = n_fits == "1" and not sp.issparse(problem.X)
    blas = pass_seconds(problem.X, problem.n_logits) if comparable else None
    emit(repeats=seconds, tol=chosen["tol"], pass_seconds=blas)


if __name__ == "__main__":
    main(*sys.argv[1:])
