"""Checks that a user's model keeps the protocol, with messages that say what is wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import clone

from sklearn_kl._data.encode import encode_targets
from sklearn_kl._data.lanes import Lanes, deal_lanes
from sklearn_kl.models._base import ParametricModel, Prepared

# The number of logits of two classes, and of three.
N_LOGITS = (1, 3)


def check_model(
    model: ParametricModel, *, n_features: int = 4, n_rows: int = 12, random_state: int = 0
) -> None:
    """Check that a model keeps the protocol of ParametricModel.

    Hyperparameters, sizes, starts, logits and pullback are tried on random rows, for two and for
    three classes, and the pullback is compared with finite differences.

    Parameters
    ----------
    model : ParametricModel
        An instance that is not bound.
    n_features : int, default=4
        Number of columns of the random rows.
    n_rows : int, default=12
        Number of random rows, at least 2.
    random_state : int, default=0
        Seed of rows, theta and starts.

    Raises
    ------
    ValueError
        At the first thing that is wrong. The message names it and the remedy. Exceptions that the
        model itself raises come through as they are.

    See Also
    --------
    ParametricModel : The protocol.

    Examples
    --------
    >>> from sklearn_kl.models import LinearSoftmax, check_model
    >>> check_model(LinearSoftmax())
    """
    _check_is_model(model)
    _check_constructor(model)
    for n_logits in N_LOGITS:
        bound = _check_bind(model, n_features, n_logits)
        rng = np.random.default_rng(random_state)
        X = rng.standard_normal((n_rows, n_features))
        d_logits = rng.standard_normal((n_logits, n_rows))
        # The first checks make sure that there is a theta, and do without.
        case = _Case(bound, np.empty(0), X, d_logits, random_state)
        for check in BEFORE_THETA:
            check(case)
        start = bound.initial(np.ones(max(2, n_logits)), case.rng())
        case = replace(case, theta=start + 0.5 * rng.standard_normal(bound.n_params))
        for check in WITH_THETA:
            check(case)


@dataclass(frozen=True, eq=False)
class _Case:
    """A bound model and where to try it."""

    model: ParametricModel
    theta: np.ndarray
    X: np.ndarray
    d_logits: np.ndarray
    seed: int

    def rng(self):
        return np.random.default_rng(self.seed)

    def logits(self, theta=None, X=None):
        """Return logits; copies, so that checks do not depend on one another."""
        theta = self.theta if theta is None else theta
        X = self.X if X is None else X
        return np.array(self.model.logits(theta.copy(), X.copy()))

    def gradient(self):
        """Return what pullback adds."""
        out = np.zeros(self.model.n_params)
        self.model.pullback(self.theta.copy(), self.X.copy(), self.d_logits.copy(), out)
        return out

    def error(self, message):
        """Return a ValueError that says which model it is about."""
        n_features = self.X.shape[1]
        return ValueError(
            f"{type(self.model).__name__} bound to n_features={n_features} and "
            f"n_logits={len(self.d_logits)}: {message}"
        )


@dataclass(frozen=True)
class _Penalty:
    """All that `Prepared.precondition` may ask of a penalty, without and with an L1 part."""

    penalised: Any
    smooth: bool

    def curvature(self, n_params):
        out = np.zeros(n_params)
        out[self.penalised] = 1e-3
        return out

    def centre(self, weights, index):
        return weights - weights.mean(axis=1, keepdims=True)


def _check_is_model(model):
    if isinstance(model, type) or not isinstance(model, ParametricModel):
        raise ValueError(
            f"model must be an instance of a subclass of ParametricModel, got {model!r}."
        )
    if "n_features" in vars(model) or "n_logits" in vars(model):
        raise ValueError(
            f"{type(model).__name__} is bound already: pass it as its constructor returns it, "
            "without n_features and n_logits."
        )


def _check_constructor(model):
    """Hyperparameters are stored as they came, so that clone and grid search work."""
    try:
        clone(model)
    except (AttributeError, RuntimeError, TypeError) as error:
        raise ValueError(
            f"{type(model).__name__} cannot be cloned ({error}) The constructor must store every "
            "parameter under its own name, unchanged, and take no *args. Convert parameters in "
            "bind or where they are used."
        ) from error


def _check_bind(model, n_features, n_logits):
    """Bind returns a copy and leaves the model as it was."""
    name, before = type(model).__name__, dict(vars(model))
    bound = model.bind(n_features, n_logits)
    if not isinstance(bound, type(model)):
        raise ValueError(f"bind of {name} must return a copy of the model, got {bound!r}.")
    if bound is model or _changed(before, vars(model)):
        raise ValueError(
            f"bind of {name} changes the model itself: set the sizes on a copy and return that, as "
            "super().bind(n_features, n_logits) does."
        )
    sizes = tuple(getattr(bound, key, None) for key in ("n_features", "n_logits"))
    if sizes != (n_features, n_logits):
        raise ValueError(
            f"bind of {name} must set n_features={n_features} and n_logits={n_logits}, got {sizes}."
        )
    return bound


def _check_sizes(case):
    n_params = case.model.n_params
    if not isinstance(n_params, Integral) or n_params < 1:
        raise case.error(f"n_params must be a positive int, got {n_params!r}.")
    sizes = _array_sizes(case.model)
    if sizes is not None and sum(sizes) != n_params:
        raise case.error(
            f"n_params is {n_params}, but the arrays of shapes={case.model.shapes} hold "
            f"{sum(sizes)} numbers. Define shapes alone: n_params follows from it."
        )
    row_size = case.model.row_size
    if not isinstance(row_size, Integral) or row_size < 1:
        raise case.error(f"row_size must be a positive int, got {row_size!r}.")


def _check_penalised(case):
    penalised, n_params = case.model.penalised, case.model.n_params
    mask = isinstance(penalised, np.ndarray) and penalised.dtype == bool
    if isinstance(penalised, slice) or (mask and penalised.shape == (n_params,)):
        return
    found = f"an array of shape {penalised.shape}" if mask else repr(penalised)
    raise case.error(
        "penalised must be an index into theta, a slice or a boolean ndarray of shape (n_params,) "
        f"= ({n_params},), got {found}."
    )


def _check_initial(case):
    n_classes = max(2, len(case.d_logits))
    # The last class may have no mass: a column of zeros.
    masses = {"ones": np.ones(n_classes), "a zero": np.arange(n_classes)[::-1].astype(float)}
    for words, class_mass in masses.items():
        theta = case.model.initial(class_mass, case.rng())
        _check_start(case, theta, f"initial, for a class_mass with {words},")
        if not np.array_equal(theta, case.model.initial(class_mass, case.rng())):
            raise case.error(
                "initial returns different starts for generators with the same seed: draw from "
                "rng only, so that random_state decides."
            )
    if case.model.convex:
        _check_start_without_rng(case, np.ones(n_classes))


def _check_start(case, theta, what):
    expected = f"a float64 ndarray of shape (n_params,) = ({case.model.n_params},)"
    if not isinstance(theta, np.ndarray) or theta.dtype != np.float64:
        found = getattr(theta, "dtype", type(theta).__name__)
        raise case.error(f"{what} must return {expected}, got {found}.")
    if theta.shape != (case.model.n_params,):
        raise case.error(f"{what} must return {expected}, got shape {theta.shape}.")
    if not np.isfinite(theta).all():
        raise case.error(f"{what} returns values that are not finite.")


def _check_start_without_rng(case, class_mass):
    try:
        case.model.initial(class_mass, None)
    except Exception as error:
        raise case.error(
            "convex is True, so that there is one start and initial gets rng=None, but it raised "
            f"{type(error).__name__}: {error} Return a start that is not random, such as zeros, "
            "or leave convex False."
        ) from error


def _check_logits(case):
    expected = case.d_logits.shape
    theta, X = case.theta.copy(), case.X.copy()
    z = case.model.logits(theta, X)
    if not isinstance(z, np.ndarray) or z.shape != expected:
        found = f"shape {z.shape}" if isinstance(z, np.ndarray) else type(z).__name__
        raise case.error(
            f"logits must return an ndarray of shape (n_logits, n_rows) = {expected}, got {found}. "
            "It is class-major: one row per class, and a single row for two classes."
        )
    if z.dtype.kind != "f" or not np.isfinite(z).all():
        raise case.error(f"logits must be finite floats, got dtype {z.dtype} with {z.min()}.")
    kept = z.copy()
    z[:] = np.nan
    again = case.model.logits(theta, X)
    if np.isnan(theta).any() or np.isnan(X).any() or not np.array_equal(again, kept):
        raise case.error(
            "logits must return a fresh array on every call, since the objective overwrites it; "
            "overwriting one result changed the next, or theta or X. Return a copy."
        )


def _check_rows(case):
    """Rows come in blocks of any size: the logits of some rows are those columns of all."""
    z = case.logits()
    for rows in (slice(0, 1), slice(1, len(case.X))):
        part = case.logits(X=case.X[rows])
        if part.shape != z[:, rows].shape or not _close(part, z[:, rows]):
            raise case.error(
                f"the logits of rows {rows.start} to {rows.stop - 1} alone are not those columns "
                "of the logits of all rows. A row's logits must depend on that row only: no mean "
                "or scale over the rows of X, no random numbers. What depends on all rows belongs "
                "into prepare or a transformer before the model."
            )


def _check_inputs(case):
    inputs = {"theta": case.theta.copy(), "X": case.X.copy(), "d_logits": case.d_logits.copy()}
    theta, X, d_logits = inputs.values()

    def check_unchanged(caller):
        for key, array in inputs.items():
            if not np.array_equal(array, getattr(case, key)):
                raise case.error(f"{caller} changes {key} in place: work on a copy.")

    case.model.logits(theta, X)
    check_unchanged("logits")
    case.model.pullback(theta, X, d_logits, np.zeros(case.model.n_params))
    check_unchanged("pullback")
    _, pull = case.model.vjp(theta, X)
    pull(d_logits, np.zeros(case.model.n_params))
    check_unchanged("vjp")


def _check_adds(case):
    """Pullback adds to out, where the sum over the blocks before stands."""
    gradient = case.gradient()
    start = 1.0 + np.arange(case.model.n_params)
    out = start.copy()
    returned = case.model.pullback(case.theta, case.X, case.d_logits, out)
    if returned is not None and np.array_equal(out, start):
        raise case.error("pullback returns the gradient: it must add it to out, in place.")
    if not _close(out, start + gradient):
        raise case.error(
            "pullback must add to out, which holds the sum over the rows before, and not overwrite "
            "it: write out += ..., or arrays = self.split(out) and arrays[0] += ..."
        )


def _check_differences(case):
    """Pullback is the derivative of ``sum(d_logits * logits)``, by central differences."""
    gradient, expected = case.gradient(), np.empty(case.model.n_params)
    step = np.finfo(np.float64).eps ** (1 / 3)
    for index, value in enumerate(case.theta):
        ahead, behind = case.theta.copy(), case.theta.copy()
        ahead[index] += step * max(1.0, abs(value))
        behind[index] -= step * max(1.0, abs(value))
        change = np.vdot(case.d_logits, case.logits(ahead) - case.logits(behind))
        expected[index] = change / (ahead[index] - behind[index])
    tolerance = 1e-5 * np.abs(expected) + 1e-6 * np.abs(expected).max() + 1e-9
    # A nan is as wrong as can be.
    excess = np.nan_to_num(np.abs(gradient - expected) / tolerance, nan=np.inf)
    worst = int(excess.argmax())
    if excess[worst] > 1:
        n_wrong = int((excess > 1).sum())
        raise case.error(
            "pullback is not the derivative of the logits. The worst parameter is "
            f"{_name_parameter(case.model, worst)}: pullback gives {gradient[worst]:.6g}, finite "
            f"differences of logits give {expected[worst]:.6g}. {n_wrong} of {len(gradient)} "
            "parameters differ."
        )


def _check_vjp(case):
    """Vjp returns what logits returns, and a function that does what pullback does."""
    z, pull = case.model.vjp(case.theta, case.X)
    if np.shape(z) != case.d_logits.shape or not _close(z, case.logits()):
        raise case.error("vjp must return the same logits as logits(theta, X).")
    # The objective turns the logits into their gradient in place before it pulls back.
    z[:] = case.d_logits
    out = np.ones(case.model.n_params)
    pull(z, out)
    if not _close(out - 1, case.gradient()):
        raise case.error(
            "the function that vjp returns must add to out what pullback adds, also after the "
            "logits that vjp returned are overwritten: keep a copy of them if it needs them."
        )


def _check_no_state(case):
    """Threads share a model, each with rows of its own."""
    gradient, pulled = case.gradient(), np.zeros(case.model.n_params)
    case.model.vjp(case.theta, case.X)[1](case.d_logits, pulled)
    _, pull = case.model.vjp(case.theta, case.X)
    before = dict(vars(case.model))
    case.model.vjp(case.theta[::-1] + 1, case.X[:1])
    changed = _changed(before, vars(case.model))
    if changed:
        raise case.error(
            f"logits or vjp sets the attribute {changed[0]}, which threads would overwrite for "
            "each other. Keep nothing in the model that depends on theta or X; vjp can hand "
            "values on to the function that it returns."
        )
    out = np.zeros(case.model.n_params)
    pull(case.d_logits, out)
    if not _close(out, pulled) or not _close(case.gradient(), gradient):
        raise case.error(
            "the gradient changes when the logits of other rows are computed in between: the model "
            "keeps something that depends on theta or X. vjp can hand values on to the function "
            "that it returns."
        )


def _check_float32(case):
    """X of float32 is given as it is, and costs digits only."""
    X = case.X.astype(np.float32)
    z, pull = case.model.vjp(case.theta, X)
    if not _close(z, case.logits(X=X.astype(np.float64)), 1e-3):
        raise case.error(
            "the logits of X in float32 differ from those in float64 by more than rounding. "
            "theta is float64: cast it by theta.astype(X.dtype), or let NumPy promote X."
        )
    out = np.zeros(case.model.n_params)
    pull(case.d_logits.astype(z.dtype), out)
    if not _close(out, case.gradient(), 1e-3):
        raise case.error("the pullback for X in float32 differs by more than rounding.")


def _check_linear(case):
    if not case.model.linear_in_theta:
        return
    other = case.theta[::-1] - 1.0
    combined = case.logits(case.theta + 2 * other)
    if not _close(combined, case.logits() + 2 * case.logits(other)):
        raise case.error(
            "linear_in_theta is True, but logits(a + 2 b) is not logits(a) + 2 logits(b): leave "
            "it False."
        )


def _check_attributes(case):
    """Fitted classifiers show these; coef_ and intercept_ mean what they mean elsewhere."""
    attributes = case.model.fitted_attributes(case.theta.copy(), np.float64)
    names = list(attributes) if isinstance(attributes, dict) else [attributes]
    wrong = [name for name in names if not (isinstance(name, str) and name.endswith("_"))]
    if wrong:
        raise case.error(
            "fitted_attributes must return a dict of names that end with an underscore, as those "
            f"of fitted estimators do, got {wrong[0]!r}."
        )
    if not case.model.linear_in_features:
        return
    n_logits, n_features = len(case.d_logits), case.X.shape[1]
    coef, intercept = attributes.get("coef_"), attributes.get("intercept_")
    if np.shape(coef) != (n_logits, n_features) or np.shape(intercept) != (n_logits,):
        raise case.error(
            "linear_in_features is True, so that fitted_attributes must return coef_ of shape "
            f"{(n_logits, n_features)} and intercept_ of shape {(n_logits,)}, got shapes "
            f"{np.shape(coef)} and {np.shape(intercept)}."
        )
    if not _close((case.X @ coef.T + intercept).T, case.logits()):
        raise case.error(
            "linear_in_features is True, but the logits are not coef_ @ x + intercept_, with what "
            "fitted_attributes returns: leave it False if they are not affine in the features."
        )


def _check_prepared(case):
    """Check that what prepare offers agrees with the logits, and is invertible."""
    n_classes = max(2, len(case.d_logits))
    counts = case.rng().integers(1, 5, size=(len(case.X), n_classes))
    targets = encode_targets(counts.astype(float)).share_of_total()
    lanes = Lanes(deal_lanes(case.X, case.model.row_size, case.model.n_params, targets=targets))
    prepared = case.model.prepare(lanes, targets.totals())
    if not isinstance(prepared, Prepared):
        raise case.error(f"prepare must return a Prepared, got {prepared!r}.")
    if prepared.statistic is not None:
        strength = targets.strengths()[n_classes - len(case.d_logits) :]
        if not _close(prepared.statistic @ case.theta, np.vdot(strength, case.logits())):
            raise case.error(
                "the statistic T that prepare returns does not satisfy T @ theta = sum of targets "
                "* logits, as it must for every theta. Leave it None unless logits are linear in "
                "theta."
            )
    for smooth in (True, False):
        penalty = _Penalty(case.model.penalised, smooth)
        try:
            preconditioner = prepared.preconditioner(penalty)
        except TypeError as error:
            raise case.error(str(error)) from error
        if preconditioner is not None:
            _check_preconditioner(case, preconditioner, np.ones(n_classes))


def _check_preconditioner(case, preconditioner, class_mass):
    u, v = case.rng().standard_normal((2, case.model.n_params))
    theta = preconditioner.to_theta(v)
    if not _close(preconditioner.from_theta(theta), v, 1e-6):
        raise case.error(
            "the preconditioner is not invertible: from_theta(to_theta(v)) must be v for every v."
        )
    combined = preconditioner.to_theta(u + 2 * v)
    if not _close(combined, preconditioner.to_theta(u) + 2 * theta, 1e-6):
        raise case.error("to_theta of the preconditioner must be a linear map: T @ v.")
    if not _close(preconditioner.pull_gradient(u) @ v, u @ theta, 1e-6):
        raise case.error(
            "pull_gradient of the preconditioner must be T' gradient, the adjoint of to_theta: "
            "pull_gradient(u) @ v must equal u @ to_theta(v)."
        )
    start = case.model.initial(class_mass, case.rng(), preconditioner)
    _check_start(case, start, "initial, given the preconditioner,")


def _close(found, expected, tolerance=1e-9):
    """Whether arrays agree up to rounding, relative to their largest entry."""
    scale = np.nan_to_num(np.abs(expected)).max(initial=1.0)
    return np.allclose(found, expected, rtol=0, atol=tolerance * scale, equal_nan=True)


def _changed(before, after):
    """Names of attributes that are new or another object."""
    return [key for key in after if key not in before or after[key] is not before[key]]


def _array_sizes(model):
    """Sizes of the arrays that theta holds, or None where the model does not say."""
    try:
        shapes = model.shapes
    except NotImplementedError:
        return None
    return [int(np.prod(shape)) for shape in shapes]


def _name_parameter(model, index):
    """Say which entry of which array of `shapes` a parameter is."""
    sizes = _array_sizes(model)
    if sizes is None or len(sizes) == 1:
        return f"theta[{index}]"
    bounds = np.cumsum([0, *sizes])
    for number, (low, high) in enumerate(pairwise(bounds)):
        if low <= index < high:
            shape = model.shapes[number]
            entry = tuple(int(i) for i in np.unravel_index(index - low, shape))
            return f"theta[{index}], entry {entry} of array {number} of shapes, {shape}"
    raise AssertionError("the sizes add up to n_params")


BEFORE_THETA = (_check_sizes, _check_penalised, _check_initial)
WITH_THETA = (
    _check_logits,
    _check_inputs,
    _check_no_state,
    _check_rows,
    _check_adds,
    _check_differences,
    _check_vjp,
    _check_float32,
    _check_linear,
    _check_attributes,
    _check_prepared,
)
