"""Training: bind the model, then solve along a path of penalties, from one start or several."""

from dataclasses import dataclass

import numpy as np
from sklearn.utils import check_random_state

from sklearn_kl._data.lanes import deal_lanes, lane_runner
from sklearn_kl._fit.certificate import certified_gap
from sklearn_kl._fit.objective import Objective
from sklearn_kl.models import LinearSoftmax, ParametricModel
from sklearn_kl.penalties import make_penalty
from sklearn_kl.solvers import Result, make_solver


@dataclass(frozen=True, eq=False)
class Outcome:
    """Where the training of one estimator ended.

    Parameters
    ----------
    model : ParametricModel
        Bound to the sizes of the data.
    result : Result
    cross_entropy, target_entropy : float
        Of the targets, nats; those of a prior are not among them.
    gap : float or None
        Certified distance from the minimum, nats, where there is a certificate.
    loss_path : ndarray of shape (n_iter,)
    """

    model: ParametricModel
    result: Result
    cross_entropy: float
    target_entropy: float
    gap: float | None
    loss_path: np.ndarray


def train(estimators, reports, X, targets, trained_on, *, start=None):
    """Train estimators that differ in C alone, a convex model from where the one before ended.

    Parameters
    ----------
    estimators : list of KLClassifier
        Their parameters are read, nothing is set.
    reports : list of FitReport
        One per estimator.
    X : ndarray, CSR or CSC of shape (n_samples, n_features)
    targets : Targets
        What the model is judged by.
    trained_on : Targets
        The same, with a prior mixed in where there is one.
    start : callable or None
        ``start(model)`` returns theta to start from, or None for the model's own starts.

    Returns
    -------
    list of Outcome
    """
    first = estimators[0]
    model = first._bind(X.shape[1], targets.n_classes)
    total = trained_on.mass.sum()
    shares = trained_on.share_of_total()
    judged = shares if targets is trained_on else targets.share_of_total()
    theta = None if start is None else start(model)
    outcomes = []
    with lane_runner(deal_lanes(X, model.row_size, model.n_params), first.n_jobs) as lanes:
        prepared = model.prepare(lanes, shares)
        for estimator, report in zip(estimators, reports, strict=True):
            penalty = make_penalty(estimator.C, estimator.l1_ratio, total, model.penalised)
            objective = Objective(model, penalty, shares, lanes, prepared.statistic, prepared.mean)
            preconditioner = prepared.preconditioner(penalty)
            starts = _starts(estimator, model, shares, preconditioner, theta)
            result, path = _best_of(estimator, objective, preconditioner, starts, report)
            outcomes.append(_judge(objective, result, path, judged))
            # What a strong penalty leaves of a model that is not convex can be a saddle.
            theta = result.theta if model.convex else None
    return outcomes


def _starts(estimator, model, targets, preconditioner, theta):
    """Yield the thetas to start from: the given one alone, or as many as the estimator asks for."""
    if theta is not None:
        yield theta
        return
    class_mass = targets.class_mass()
    if model.convex:
        yield model.initial(class_mass, None, preconditioner)
        return
    seed = check_random_state(estimator.random_state).randint(2**31, size=4)
    rng = np.random.default_rng(seed)
    for _ in range(estimator.n_init):
        yield model.initial(class_mass, rng, preconditioner)


def _best_of(estimator, objective, preconditioner, starts, report):
    """Minimise from every start; return the Result with the lowest value and its loss path."""
    best = None
    report.open(objective)
    for theta in starts:
        report.restart()
        result = make_solver(estimator.solver).minimize(
            objective,
            theta,
            preconditioner=preconditioner,
            tol=estimator.tol,
            max_iter=estimator.max_iter,
            on_iteration=report,
        )
        if best is None or _rank(result) < _rank(best[0]):
            best = result, report.path
        if result.stopped:
            break
    return best


def _rank(result):
    """Return the value, by which starts are compared; one that ended in no number comes last."""
    return result.value if np.isfinite(result.value) else np.inf


def _judge(objective, result, path, judged):
    """Return the Outcome: what the result means for the targets that are not the prior's."""
    theta, model = result.theta, objective.model
    linear = isinstance(model, LinearSoftmax)
    gap = certified_gap(objective, theta, result.value, result.gradient) if linear else None
    if judged is objective.targets:
        cross_entropy = result.value - objective.penalty.value(theta)
        return Outcome(model, result, cross_entropy, objective.lower_bound, gap, path)
    # What was prepared holds for the targets with the prior, not for these.
    apart = Objective(model, objective.penalty, judged, objective.lanes)
    cross_entropy = apart.cross_entropy(theta)
    return Outcome(model, result, cross_entropy, apart.lower_bound, gap, path)
