"""Training: solve along a path of penalties, from one start or several."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from sklearn_kl._data.lanes import Lanes, deal_lanes, lane_runner
from sklearn_kl._data.precision import MAX_FLOAT32_OFFSET, MAX_SUM_OFFSET, largest_offset
from sklearn_kl._data.rows import take_rows
from sklearn_kl._data.targets import Targets
from sklearn_kl._fit.certificate import certified_gap
from sklearn_kl._fit.objective import Objective
from sklearn_kl._fit.penalty import Penalty
from sklearn_kl._fit.report import FitReport
from sklearn_kl.models import ParametricModel, Preconditioner
from sklearn_kl.solvers import Result, Solver
from sklearn_kl.solvers._base import Iteration

# Below this many nats, cross-entropy less entropy has lost digits, and the sum is taken directly.
SMALL_DIVERGENCE = 1e-5
# Above this many nats, the penalty takes digits of the cross-entropy that is added to it.
DROWNING_PENALTY = 100.0


@dataclass(frozen=True, eq=False)
class Settings:
    """How to train, whatever is trained.

    Parameters
    ----------
    solver : Solver
    tol : float
        Nats.
    max_iter : int
        Of every start.
    n_init : int
        Number of starts of a model that is not convex.
    n_jobs : int or None
        Number of threads.
    random_state : int, RandomState instance or None
        Determines these starts.
    """

    solver: Solver
    tol: float = 1e-7
    max_iter: int = 1000
    n_init: int = 1
    n_jobs: int | None = None
    random_state: Any = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """Where the training under one penalty ended.

    Parameters
    ----------
    result : Result
    cross_entropy, target_entropy : float
        Of the targets that the model is judged by, nats.
    kl_divergence : float
        Their difference, nats; where it is small, summed row by row.
    gap : float or None
        Certified distance from the minimum, nats, where there is a certificate.
    loss_path : ndarray of shape (n_iter,)
        Cross-entropy of the targets trained on after every iteration, nats.
    """

    result: Result
    cross_entropy: float
    target_entropy: float
    kl_divergence: float
    gap: float | None
    loss_path: np.ndarray


def train(
    model: ParametricModel,
    X: Any,
    targets: Targets,
    penalties: Sequence[Penalty],
    settings: Settings,
    *,
    judged: Targets | None = None,
    start: np.ndarray | None = None,
    report: FitReport | None = None,
) -> list[Outcome]:
    """Train a model under several penalties, a convex one from where it ended under the one before.

    Parameters
    ----------
    model : ParametricModel
        Bound to the sizes of the data.
    X : ndarray, CSR or CSC of shape (n_samples, n_features)
    targets : Targets
        What the model is trained on.
    penalties : sequence of Penalty
        Of the mean objective; neighbours should be alike.
    settings : Settings
    judged : Targets or None
        What the model is judged by, where that is not what it is trained on.
    start : ndarray of shape (n_params,) or None
        Theta to start from; None takes the model's own starts.
    report : FitReport or None
        Told of every iteration.

    Returns
    -------
    list of Outcome
        One per penalty.
    """
    X, targets, judged = _rows_with_mass(X, targets, judged)
    shares = targets.share_of_total()
    seed = None
    if start is None and not model.convex:
        seed = check_random_state(settings.random_state).randint(2**31, size=4)
    outcomes = []
    offset = largest_offset(X)
    dtype = np.dtype(np.float64) if offset > MAX_FLOAT32_OFFSET else X.dtype
    blocks = deal_lanes(X, model.row_size, model.n_params, targets=shares, dtype=dtype)
    with lane_runner(blocks, settings.n_jobs) as lanes:
        # BLAS outside would leave its threads spinning on the cores that ours need.
        totals = shares.totals()
        apart = None if judged is None else _judged_apart(X, model, judged, lanes)
        prepared = model.prepare(lanes, totals)
        statistic = prepared.statistic if offset <= MAX_SUM_OFFSET else None
        for penalty in penalties:
            objective = Objective(model, penalty, totals, lanes, statistic, prepared.mean)
            preconditioner = prepared.preconditioner(penalty)
            if start is None:
                starts = _own_starts(objective, preconditioner, settings.n_init, seed)
            else:
                starts = iter([start])
            result, path = _best_of(objective, preconditioner, starts, settings, report)
            outcomes.append(_judge(objective, result, path, apart))
            # What a strong penalty leaves of a model that is not convex can be a saddle.
            start = result.theta if model.convex else None
    return outcomes


def _rows_with_mass(
    X: Any, targets: Targets, judged: Targets | None
) -> tuple[Any, Targets, Targets | None]:
    """Return the rows that weigh anything: what fills the others must not count."""
    rows = np.flatnonzero(targets.mass > 0)
    if len(rows) == targets.n_samples:
        return X, targets, judged
    return take_rows(X, rows), targets.take(rows), None if judged is None else judged.take(rows)


def _own_starts(
    objective: Objective, preconditioner: Preconditioner | None, n_init: int, seed: Any
) -> Iterator[np.ndarray]:
    """Yield the model's own starts: one, or where it is not convex as many as are asked for."""
    model, class_mass = objective.model, objective.totals.class_mass
    rng = None if model.convex else np.random.default_rng(seed)
    for _ in range(1 if model.convex else n_init):
        yield model.initial(class_mass, rng, preconditioner)


def _best_of(
    objective: Objective,
    preconditioner: Preconditioner | None,
    starts: Iterable[np.ndarray],
    settings: Settings,
    report: FitReport | None,
) -> tuple[Result, np.ndarray]:
    """Minimise from every start; return the Result with the lowest value and its loss path."""
    found: list[tuple[Result, np.ndarray]] = []
    for theta in starts:
        watch = _Watch(objective, report)
        result = settings.solver.minimize(
            objective,
            theta,
            preconditioner=preconditioner,
            tol=settings.tol,
            max_iter=settings.max_iter,
            on_begin=watch.begin,
            on_iteration=watch.end,
        )
        found.append((result, np.array(watch.losses)))
        if result.stopped:
            break
    best = min(found, key=lambda pair: _rank(pair[0]))
    if not np.isfinite(best[0].value):
        raise ValueError(
            f"The objective is {best[0].value} where the fit ended, not a finite number: the "
            "logits of the model overflow or are NaN. Rescale X or the weights, for example by "
            "StandardScaler; of a model of your own, see what check_model says."
        )
    return best


class _Watch:
    """Keep the cross-entropy after every iteration from one start, and tell the report."""

    def __init__(self, objective: Objective, report: FitReport | None):
        self._objective, self._report = objective, report
        self.losses: list[float] = []

    def begin(self, theta: np.ndarray) -> None:
        if self._report is not None:
            self._report.begin_iteration(theta)

    def end(self, iteration: Iteration) -> bool:
        loss = _cross_entropy(self._objective, iteration.theta, iteration.value)
        self.losses.append(loss)
        return self._report is not None and self._report.end_iteration(iteration, loss)


def _rank(result: Result) -> float:
    """Return the value, by which starts are compared; one that ended in no number comes last."""
    return result.value if np.isfinite(result.value) else np.inf


def _cross_entropy(objective: Objective, theta: np.ndarray, value: float) -> float:
    """Return the mean cross-entropy, by the objective's value unless the penalty drowns it."""
    penalty = objective.penalty.value(theta)
    return value - penalty if penalty < DROWNING_PENALTY else objective.cross_entropy(theta)


def _judged_apart(X: Any, model: ParametricModel, judged: Targets, lanes: Lanes) -> Objective:
    """Return the cross-entropy of other targets: what was prepared does not hold for these."""
    shares = judged.share_of_total()
    blocks = deal_lanes(X, model.row_size, model.n_params, targets=shares, dtype=lanes.dtype)
    nothing = Penalty(model.penalised)
    return Objective(model, nothing, shares.totals(), replace(lanes, lanes=blocks))


def _judge(
    objective: Objective, result: Result, path: np.ndarray, apart: Objective | None
) -> Outcome:
    """Return the Outcome: what the result means for the targets that the model is judged by."""
    theta = result.theta
    gap = None
    if objective.model.certified:
        gap = certified_gap(objective, theta, result.value, result.gradient)
    if apart is None:
        judge, cross_entropy = objective, _cross_entropy(objective, theta, result.value)
    else:
        judge, cross_entropy = apart, apart.cross_entropy(theta)
    divergence = cross_entropy - judge.lower_bound
    if divergence < SMALL_DIVERGENCE:
        divergence = judge.divergence(theta)
        cross_entropy = judge.lower_bound + divergence
    return Outcome(result, cross_entropy, judge.lower_bound, divergence, gap, path)
