"""check_model: correct models pass, and every defect is found and named."""

import copy
from functools import cached_property

import numpy as np
import pytest

from sklearn_kl import KLClassifier
from sklearn_kl.models import (
    LinearSoftmax,
    LowRankSoftmax,
    MLPSoftmax,
    OrdinalSoftmax,
    ParametricModel,
    Preconditioner,
    Prepared,
)
from sklearn_kl.models._check import check_model


class Curved(ParametricModel):
    """Correct: z = tanh(x' W) * scale + b."""

    def __init__(self, scale=2.0):
        self.scale = scale

    @property
    def shapes(self):
        return (self.n_features, self.n_logits), (self.n_logits,)

    def logits(self, theta, X):
        W, b = self.split(theta)
        return (self.scale * np.tanh(X @ W) + b).T

    def pullback(self, theta, X, d_logits, out):
        W, _ = self.split(theta)
        d_W, d_b = self.split(out)
        d_W += X.T @ (self.scale * (1 - np.tanh(X @ W) ** 2) * d_logits.T)
        d_b += d_logits.sum(axis=1)


class Diagonal(Preconditioner):
    """Correct: T is a diagonal matrix."""

    def __init__(self, diagonal):
        self.diagonal = diagonal

    def to_theta(self, v):
        return self.diagonal * v

    def from_theta(self, theta):
        return theta / self.diagonal

    def pull_gradient(self, gradient):
        return self.diagonal * gradient


class OnlySizes(Curved):
    """Correct without shapes: a penalty on everything, n_params alone."""

    @property
    def shapes(self):
        raise NotImplementedError

    @property
    def n_params(self):
        return (self.n_features + 1) * self.n_logits

    @property
    def penalised(self):
        return slice(None)

    def split(self, theta):
        n_weights = self.n_features * self.n_logits
        return theta[:n_weights].reshape(self.n_features, self.n_logits), theta[n_weights:]


@pytest.mark.parametrize(
    "model",
    [
        Curved(),
        OnlySizes(),
        LinearSoftmax(),
        LinearSoftmax(fit_intercept=False),
        MLPSoftmax(hidden_layer_sizes=(5,)),
        MLPSoftmax(hidden_layer_sizes=(4, 3), activation="tanh"),
        LowRankSoftmax(rank=2),
        OrdinalSoftmax(),
    ],
    ids=repr,
)
def test_correct_models_pass(model):
    before = dict(vars(model))
    assert check_model(model) is None
    assert check_model(model, n_features=1, n_rows=2, random_state=3) is None
    assert vars(model) == before


# Constructor and bind


class Converts(Curved):
    def __init__(self, scale=2):
        self.scale = np.array(scale)


class Renames(Curved):
    def __init__(self, factor=2.0):
        self.scale = factor


class Variadic(Curved):
    def __init__(self, *scales):
        self.scale = 2.0


class BindsItself(Curved):
    def bind(self, n_features, n_logits):
        self.n_features, self.n_logits = n_features, n_logits
        return self


class BindLeavesTraces(Curved):
    def bind(self, n_features, n_logits):
        self.scale_ = self.scale
        return super().bind(n_features, n_logits)


class BindsNothing(Curved):
    def bind(self, n_features, n_logits):
        super().bind(n_features, n_logits)


class BindSwaps(Curved):
    def bind(self, n_features, n_logits):
        bound = copy.copy(self)
        bound.n_features, bound.n_logits = n_logits, n_features
        return bound


@pytest.mark.parametrize(
    "model, words",
    [
        (Curved, "must be an instance of a subclass of ParametricModel"),
        (Diagonal(1.0), "must be an instance of a subclass of ParametricModel"),
        (Curved().bind(4, 3), "Curved is bound already: .* without n_features"),
        (Converts(), "Converts cannot be cloned .*parameter scale.* Convert parameters in bind"),
        (Renames(), "Renames cannot be cloned .*store every parameter under its own name"),
        (Variadic(), r"Variadic cannot be cloned .*take no \*args"),
        (BindsItself(), "bind of BindsItself changes the model itself: set the sizes on a copy"),
        (BindLeavesTraces(), "bind of BindLeavesTraces changes the model itself"),
        (BindsNothing(), "bind of BindsNothing must return a copy of the model, got None"),
        (BindSwaps(), r"bind of BindSwaps must set n_features=4 and n_logits=1, got \(1, 4\)"),
    ],
)
def test_defects_of_the_object_are_named(model, words):
    with pytest.raises(ValueError, match=words):
        check_model(model)


# Sizes and starts


def property_of(**values):
    """Subclass of Curved with properties replaced: each is a function of the model."""
    return type("Defect", (Curved,), {key: property(value) for key, value in values.items()})()


def method_of(base=Curved, **methods):
    return type("Defect", (base,), methods)()


@pytest.mark.parametrize(
    "model, words",
    [
        (property_of(n_params=lambda self: 5.0), "n_params must be a positive int, got 5.0"),
        (
            property_of(n_params=lambda self: 4),
            r"n_params is 4, but the arrays of shapes=\(\(4, 1\), \(1,\)\) hold 5 numbers",
        ),
        (property_of(row_size=lambda self: 0), "row_size must be a positive int, got 0"),
        (property_of(penalised=lambda self: 3), "penalised must be an index .*got 3"),
        (
            property_of(penalised=lambda self: np.ones(self.n_params)),
            "a slice or a boolean ndarray of shape .*got array",
        ),
        (
            property_of(penalised=lambda self: np.ones(2, bool)),
            r"of shape \(n_params,\) = \(5,\), got an array of shape \(2,\)",
        ),
    ],
)
def test_defects_of_sizes_are_named(model, words):
    with pytest.raises(ValueError, match=words):
        check_model(model)


def log_share(self, class_mass, rng, preconditioner=None):
    theta = np.zeros(self.n_params)
    with np.errstate(divide="ignore"):
        theta[-self.n_logits :] = np.log(class_mass)[-self.n_logits :]
    return theta


def ignores_rng(self, class_mass, rng, preconditioner=None):
    return np.random.default_rng().standard_normal(self.n_params)


@pytest.mark.parametrize(
    "methods, words",
    [
        ({"initial": lambda self, *_: np.zeros(3)}, r"initial.*\(n_params,\) = \(5,\).*got shape"),
        ({"initial": lambda self, *_: np.zeros(5, np.float32)}, "float64 ndarray .*got float32"),
        ({"initial": lambda self, *_: [0.0] * 5}, "float64 ndarray .*got list"),
        ({"initial": log_share}, "for a class_mass with a zero, returns values that are not fin"),
        ({"initial": ignores_rng}, "different starts for generators with the same seed"),
        ({"convex": True}, "convex is True.*initial gets rng=None, but it raised AttributeError"),
    ],
)
def test_defects_of_starts_are_named(methods, words):
    with pytest.raises(ValueError, match=words):
        check_model(method_of(**methods))


# Logits


class Constant(Curved):
    """Returns the same array again and again."""

    def bind(self, n_features, n_logits):
        bound = super().bind(n_features, n_logits)
        bound.ones = np.ones((n_logits, 100))
        return bound

    def logits(self, theta, X):
        return self.ones[:, : len(X)]


class ViewOfX(Curved):
    def logits(self, theta, X):
        return X.T[: self.n_logits]


def standardised(self, theta, X):
    return Curved.logits(self, theta, X - X.mean(axis=0))


def in_place(name):
    """Changes one of its arguments before it does what is right."""

    def pullback(self, theta, X, d_logits, out):
        Curved.pullback(self, theta, X, d_logits, out)
        {"theta": theta, "X": X, "d_logits": d_logits}[name][:] *= 2

    return pullback


def clips_X(self, theta, X):
    X[:] = np.minimum(X, 1.0)
    return Curved.logits(self, theta, X)


@pytest.mark.parametrize(
    "model, words",
    [
        (
            method_of(logits=lambda self, theta, X: Curved.logits(self, theta, X).T),
            r"shape \(n_logits, n_rows\) = \(1, 12\), got shape \(12, 1\). It is class-major",
        ),
        (
            method_of(logits=lambda self, theta, X: [0.0]),
            "logits must return an ndarray .*got list",
        ),
        (
            method_of(logits=lambda self, theta, X: np.ones((self.n_logits, len(X)), int)),
            "finite floats, got dtype int64",
        ),
        (
            method_of(logits=lambda self, theta, X: np.full((self.n_logits, len(X)), np.inf)),
            "finite floats, got dtype float64 with inf",
        ),
        (Constant(), "fresh array on every call"),
        (ViewOfX(), "fresh array on every call.* or theta or X"),
        (method_of(logits=standardised), "rows 0 to 0 alone .*must depend on that row only"),
        (method_of(logits=clips_X), "logits changes X in place: work on a copy"),
        (method_of(pullback=in_place("theta")), "pullback changes theta in place"),
        (method_of(pullback=in_place("X")), "pullback changes X in place"),
        (method_of(pullback=in_place("d_logits")), "pullback changes d_logits in place"),
    ],
)
def test_defects_of_logits_are_named(model, words):
    with pytest.raises(ValueError, match=words):
        check_model(model)


# Pullback and vjp


def overwrites(self, theta, X, d_logits, out):
    out[:] = 0
    Curved.pullback(self, theta, X, d_logits, out)


def returns(self, theta, X, d_logits, out):
    fresh = np.zeros_like(out)
    Curved.pullback(self, theta, X, d_logits, fresh)
    return fresh


def forgets_the_scale(self, theta, X, d_logits, out):
    Curved.pullback(self, theta, X, d_logits, out)
    d_W = self.split(out)[0]
    d_W[2] += 0.5


def not_a_number(self, theta, X, d_logits, out):
    out += np.nan


def vjp_without_intercept(self, theta, X):
    W, _ = self.split(theta)
    return self.scale * np.tanh(X @ W).T, lambda d, out: self.pullback(theta, X, d, out)


def vjp_that_needs_its_logits(self, theta, X):
    z = self.logits(theta, X)
    _, b = self.split(theta)

    def pull(d_logits, out):
        d_W, d_b = self.split(out)
        # tanh from the logits, which are d_logits by now.
        tanh = (z - b[:, None]) / self.scale
        d_W += X.T @ (self.scale * (1 - tanh**2) * d_logits).T
        d_b += d_logits.sum(axis=1)

    return z, pull


@pytest.mark.parametrize(
    "methods, words",
    [
        ({"pullback": overwrites}, r"must add to out.* and not overwrite it: write out \+="),
        ({"pullback": returns}, "pullback returns the gradient: it must add it to out, in place"),
        (
            {"pullback": forgets_the_scale},
            r"not the derivative of the logits. The worst parameter is theta\[2\], entry \(2, 0\) "
            r"of array 0 of shapes, \(4, 1\): pullback gives \S+, finite differences of logits "
            r"give \S+. 1 of 5 parameters differ",
        ),
        ({"vjp": vjp_without_intercept}, "vjp must return the same logits"),
        ({"vjp": vjp_that_needs_its_logits}, "after the logits that vjp returned are overwritten"),
    ],
)
def test_defects_of_derivatives_are_named(methods, words):
    with pytest.raises(ValueError, match=words):
        check_model(method_of(**methods))


def test_a_gradient_that_is_not_a_number_is_wrong():
    with pytest.raises(ValueError, match=r"worst parameter is theta\[0\].*: pullback gives nan"):
        check_model(method_of(pullback=not_a_number))


def test_the_difference_between_pullback_and_finite_differences_is_what_the_message_says():
    model = method_of(pullback=forgets_the_scale)
    with pytest.raises(ValueError) as caught:
        check_model(model)
    words = str(caught.value).split()
    gives = [float(words[i + 1].rstrip(".,")) for i, word in enumerate(words) if word[:3] == "giv"]
    assert gives[0] - gives[1] == pytest.approx(0.5, abs=1e-5)


def test_parameters_of_a_model_without_shapes_are_named_by_their_place_alone():
    def pullback(self, theta, X, d_logits, out):
        Curved.pullback(self, theta, X, d_logits, out)
        out[3] -= 1

    with pytest.raises(ValueError, match=r"worst parameter is theta\[3\]: pullback gives"):
        check_model(method_of(OnlySizes, pullback=pullback))


# State


class Remembers(Curved):
    """Keeps the activations of the last logits for the pullback."""

    def logits(self, theta, X):
        W, b = self.split(theta)
        self.tanh_ = np.tanh(X @ W)
        return (self.scale * self.tanh_ + b).T


class RemembersInAList(Curved):
    """Keeps theta in a container that stays the same object."""

    def bind(self, n_features, n_logits):
        bound = super().bind(n_features, n_logits)
        bound.kept = [0]
        return bound

    def logits(self, theta, X):
        self.kept[0] = theta.copy()
        return super().logits(theta, X)

    def pullback(self, theta, X, d_logits, out):
        super().pullback(self.kept[0], X, d_logits, out)


class CachesShapes(Curved):
    """Correct: what is kept does not depend on theta."""

    @cached_property
    def shapes(self):
        return (self.n_features, self.n_logits), (self.n_logits,)


@pytest.mark.parametrize(
    "model, words",
    [
        (Remembers(), "sets the attribute tanh_, which threads would overwrite"),
        (RemembersInAList(), "gradient changes when the logits of other rows are computed in betw"),
    ],
)
def test_state_is_found(model, words):
    with pytest.raises(ValueError, match=words):
        check_model(model)


# float32, linearity, what is prepared


def low_precision(self, theta, X):
    z = Curved.logits(self, theta, X)
    return np.round(z, 1) if X.dtype == np.float32 else z


def low_precision_vjp(self, theta, X):
    factor = 2 if X.dtype == np.float32 else 1
    return self.logits(theta, X), lambda d, out: self.pullback(theta, X, factor * d, out)


def prepares(**parts):
    return {"prepare": lambda self, lanes, totals: Prepared(**parts)}


def preconditioned(**methods):
    """A model whose diagonal preconditioner has methods replaced."""

    def prepare(self, lanes, totals):
        T = type("T", (Diagonal,), methods)(np.arange(1.0, self.n_params + 1))
        return Prepared(precondition=lambda penalty: T)

    return {"prepare": prepare}


def wrong_statistic(self, lanes, totals):
    return Prepared(statistic=np.ones(self.n_params))


def only_without_l1(self, lanes, totals):
    def precondition(penalty):
        T = Diagonal(np.full(self.n_params, 2.0))
        if not penalty.smooth:
            T.from_theta = lambda theta: theta
        return T

    return Prepared(precondition=precondition)


def start_needs_theta(self, class_mass, rng, preconditioner=None):
    theta = np.zeros(self.n_params)
    return theta if preconditioner is None else theta[1:]


@pytest.mark.parametrize(
    "methods, words",
    [
        ({"logits": low_precision}, r"float32 differ from those in float64.*astype\(X.dtype\)"),
        ({"vjp": low_precision_vjp}, "pullback for X in float32 differs"),
        ({"linear_in_theta": True}, "linear_in_theta is True, but .*leave it False"),
        ({"prepare": lambda self, lanes, totals: None}, "prepare must return a Prepared, got No"),
        ({"prepare": wrong_statistic}, "statistic T .* does not satisfy T @ theta"),
        (preconditioned(from_theta=lambda self, theta: theta), "not invertible: from_theta"),
        ({"prepare": only_without_l1}, "not invertible: from_theta"),
        (
            preconditioned(
                to_theta=lambda self, v: np.sinh(v), from_theta=lambda self, t: np.arcsinh(t)
            ),
            "must be a linear map",
        ),
        (preconditioned(pull_gradient=lambda self, g: g), "must be T' gradient, the adjoint"),
        (
            preconditioned() | {"initial": start_needs_theta},
            r"initial, given the preconditioner, must return .*got shape \(4,\)",
        ),
    ],
)
def test_defects_of_options_are_named(methods, words):
    with pytest.raises(ValueError, match=words):
        check_model(method_of(**methods))


class ThreeMethods:
    """As a Preconditioner, and no subclass of it."""

    def __init__(self, model):
        self.scale = np.arange(1.0, model.n_params + 1)

    def to_theta(self, v):
        return v * self.scale

    def from_theta(self, theta):
        return theta / self.scale

    def pull_gradient(self, gradient):
        return gradient * self.scale


class ThreeMethodsOfTheBase(ThreeMethods, Preconditioner):
    """Correct, and with nothing to say of standardised features."""


def perceptron(preconditioner):
    class Perceptron(MLPSoftmax):
        def prepare(self, lanes, totals):
            return Prepared(precondition=lambda penalty: preconditioner(self))

    return Perceptron((3,), "tanh")


@pytest.mark.parametrize(
    "preconditioner, error, words",
    [
        (ThreeMethods, TypeError, "must return an instance of a subclass of .*Preconditioner, got"),
        (ThreeMethodsOfTheBase, NotImplementedError, r"must define from_standardised\(theta\)"),
    ],
)
def test_a_perceptron_says_what_it_asks_of_a_preconditioner(preconditioner, error, words):
    model = perceptron(preconditioner)
    with pytest.raises(error, match=words):
        KLClassifier(model, random_state=0).fit(np.eye(4), [0, 1, 2, 1])
    with pytest.raises((error, ValueError), match=words):
        check_model(model)


def test_a_preconditioner_without_standardised_features_suits_other_starts():
    class Perceptron(MLPSoftmax):
        def prepare(self, lanes, totals):
            return Prepared(precondition=lambda penalty: ThreeMethodsOfTheBase(self))

        def initial(self, class_mass, rng, preconditioner=None):
            return super().initial(class_mass, rng)

    check_model(Perceptron((3,), "tanh"))


def test_defects_that_show_with_three_classes_only_are_found():
    def pullback(self, theta, X, d_logits, out):
        Curved.pullback(self, theta, X, d_logits[:1].repeat(len(d_logits), axis=0), out)

    with pytest.raises(ValueError, match="bound to n_features=4 and n_logits=3: pullback is not"):
        check_model(method_of(pullback=pullback))


class Affine(Curved):
    """Correct, and linear in the features."""

    linear_in_features = True

    def logits(self, theta, X):
        W, b = self.split(theta)
        return (X @ W + b).T

    def pullback(self, theta, X, d_logits, out):
        d_W, d_b = self.split(out)
        d_W += X.T @ d_logits.T
        d_b += d_logits.sum(axis=1)

    def fitted_attributes(self, theta, dtype):
        W, b = self.split(theta)
        return {"coef_": W.T, "intercept_": b}


def transposed(self, theta, dtype):
    W, b = self.split(theta)
    return {"coef_": W, "intercept_": b}


@pytest.mark.parametrize(
    "model, words",
    [
        (method_of(fitted_attributes=lambda *_: {"W": 1}), "end with an underscore.*got 'W'"),
        (method_of(fitted_attributes=lambda *_: None), "must return a dict .*got None"),
        (
            method_of(Affine, fitted_attributes=lambda *_: {}),
            r"coef_ of shape \(1, 4\) and intercept_ of shape \(1,\), got shapes \(\) and \(\)",
        ),
        (method_of(Affine, fitted_attributes=transposed), r"got shapes \(4, 1\) and \(1,\)"),
        (
            method_of(linear_in_features=True, fitted_attributes=Affine.fitted_attributes),
            "linear_in_features is True, but the logits are not coef_ @ x",
        ),
    ],
)
def test_defects_of_fitted_attributes_are_named(model, words):
    with pytest.raises(ValueError, match=words):
        check_model(model)


@pytest.mark.parametrize("model", [method_of(**preconditioned()), CachesShapes(), Affine()])
def test_correct_options_pass(model):
    assert check_model(model) is None


def test_exceptions_of_the_model_come_through():
    with pytest.raises(NotImplementedError, match="must define logits"):
        check_model(method_of(ParametricModel, shapes=Curved.shapes))
    with pytest.raises(NotImplementedError, match="must define shapes or n_params"):
        check_model(method_of(ParametricModel))
