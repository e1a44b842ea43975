"""A model from a user's function; its gradient is a second function, or JAX's or PyTorch's work."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from numbers import Integral
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from sklearn_kl.models._base import LogitsAndPull, ParametricModel, Preconditioner


class CallableModel(ParametricModel):
    """Model whose logits a function computes: ``q_theta(x) = softmax(fn(theta, x))``.

    Parameters
    ----------
    fn : callable
        ``fn(theta, X)`` returns the logits, shape (n_rows, n_classes), one column per class, also
        for two classes. theta has shape (n_params,) and the dtype of X. A row's logits must depend
        on that row alone. With ``gradient="jax"`` it is written with :mod:`jax.numpy` and gets JAX
        arrays; with ``gradient="torch"`` it gets tensors. To pickle or to fit in other processes,
        it must be a function at the top level of a module, not a lambda.
    n_params : int or callable
        Length of theta, or a function ``(n_features, n_classes) -> int``.
    gradient : callable or {"jax", "torch"}
        A function ``(theta, X, d_logits)`` that returns ``sum_ik d_logits[i, k] * d fn(theta,
        X)[i, k] / d theta``, shape (n_params,), for d_logits of shape (n_rows, n_classes); it must
        work for any d_logits. Or the package that differentiates `fn`: "jax" (0.8 or newer), which
        also compiles it, once per number of rows, or "torch".
    init : None, array-like of shape (n_params,) or callable, default=None
        Where fits start: a point, or a function of a :class:`numpy.random.Generator`. None draws
        from a normal distribution with standard deviation 0.1.
    penalised : slice, array-like of bool of shape (n_params,) or None, default=slice(None)
        What the penalty applies to, an index into theta: by default everything; None is nothing.

    Raises
    ------
    ValueError
        From `bind`, if a parameter is none of the above; from evaluations, if a function returns
        another shape, or X is sparse where JAX or PyTorch differentiates.
    ImportError
        From `bind`, if the package that `gradient` names is not installed.

    Notes
    -----
    JAX computes in the precision of X, float64 included, whatever `jax_enable_x64` says elsewhere.
    Neither package's number of threads is changed.

    Examples
    --------
    Logits ``exp(-r_k) * x_k`` with one parameter r_k per class:

    >>> import numpy as np
    >>> from sklearn_kl.models import CallableModel
    >>> def scaled(theta, X):
    ...     return X * np.exp(-theta)
    >>> def scaled_gradient(theta, X, d_logits):
    ...     return -(d_logits * X).sum(axis=0) * np.exp(-theta)
    >>> model = CallableModel(scaled, 3, gradient=scaled_gradient).bind(n_features=3, n_logits=3)
    >>> model.logits(np.zeros(3), np.array([[1.0, 2.0, 3.0]]))
    array([[1.],
           [2.],
           [3.]])
    """

    # Attributes in place of the properties of the base class: here they are hyperparameters.
    n_params: Any = None
    penalised: Any = slice(None)

    def __init__(
        self,
        fn: Callable,
        n_params: int,
        *,
        gradient: Callable | str,
        init: Callable[[np.random.Generator], np.ndarray] | None = None,
        penalised: slice | ArrayLike = slice(None),
    ):
        self.fn = fn
        self.n_params = n_params
        self.gradient = gradient
        self.init = init
        self.penalised = penalised

    def bind(self, n_features: int, n_logits: int) -> Self:
        """Return a copy that knows the sizes, `n_params` a number and `penalised` an index."""
        bound = super().bind(n_features, n_logits)
        if not callable(self.fn):
            raise ValueError(f"fn must be a function (theta, X) -> logits, got {self.fn!r}.")
        bound._function  # noqa: B018, a wrong gradient or a missing package shows before any work
        bound.n_params = self._count_params(bound)
        bound.penalised = _as_index(self.penalised, bound.n_params)
        return bound

    @property
    def n_classes(self) -> int:
        """Number of classes; known after `bind`."""
        return 2 if self.n_logits == 1 else self.n_logits

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """One vector: only the function knows what theta is made of."""
        return ((self.n_params,),)

    def initial(
        self, class_mass: np.ndarray, rng: Any, preconditioner: Preconditioner | None = None
    ) -> np.ndarray:
        """Return what `init` says."""
        if self.init is None:
            return super().initial(class_mass, rng, preconditioner)
        theta = np.array(self.init(rng) if callable(self.init) else self.init, dtype=np.float64)
        _check_shape("init" if not callable(self.init) else "init(rng)", theta, (self.n_params,))
        return theta

    def logits(self, theta: np.ndarray, X: Any) -> np.ndarray:
        """Return the logits of the rows of X, in the dtype of X."""
        return self._to_logits(self._function.values(theta.astype(X.dtype), X), X)

    def pullback(self, theta: np.ndarray, X: Any, d_logits: np.ndarray, out: np.ndarray) -> None:
        """Add the gradient of ``sum(d_logits * logits)`` to out, in place."""
        self._add(self._function.pull(theta.astype(X.dtype), X), d_logits, out)

    def vjp(self, theta: np.ndarray, X: Any) -> LogitsAndPull:
        """Return the logits and the function that pulls back, which shares their computation."""
        values, pull = self._function.vjp(theta.astype(X.dtype), X)
        return self._to_logits(values, X), partial(self._add, pull)

    @property
    def _function(self):
        if callable(self.gradient):
            return _WithGradient(self.fn, self.gradient)
        if not isinstance(self.gradient, str) or self.gradient not in AUTOMATIC:
            raise ValueError(
                "gradient must be a function (theta, X, d_logits) -> array of shape (n_params,), "
                f'"jax" or "torch", got {self.gradient!r}.'
            )
        return AUTOMATIC[self.gradient](self.fn, _import(self.gradient))

    def _count_params(self, bound):
        n_params = self.n_params
        if callable(n_params):
            n_params = n_params(bound.n_features, bound.n_classes)
        if not isinstance(n_params, Integral) or isinstance(n_params, bool) or n_params < 1:
            raise ValueError(
                "n_params must be a positive int or a function (n_features, n_classes) that "
                f"returns one, got {n_params!r}."
            )
        return int(n_params)

    def _to_logits(self, values, X):
        """Turn what fn returned into fresh class-major logits: of the second class if it is two."""
        _check_shape("fn(theta, X)", values, (X.shape[0], self.n_classes), "(n_rows, n_classes)")
        if self.n_logits == 1:
            return (values[:, 1] - values[:, 0]).astype(X.dtype)[np.newaxis]
        return np.array(values.T, dtype=X.dtype, order="C")

    def _add(self, pull, d_logits, out):
        if self.n_logits == 1:
            d_values = np.column_stack([-d_logits[0], d_logits[0]])
        else:
            d_values = np.array(d_logits.T, order="C")
        gradient = pull(d_values)
        _check_shape("gradient(theta, X, d_logits)", gradient, (self.n_params,), "(n_params,)")
        out += gradient


@dataclass(frozen=True)
class _WithGradient:
    """NumPy functions. `pull` and the second value of `vjp` map d_values to a gradient."""

    fn: Any
    gradient: Any

    def values(self, theta, X):
        return np.asarray(self.fn(theta, X))

    def pull(self, theta, X):
        return lambda d_values: np.asarray(self.gradient(theta, X, d_values))

    def vjp(self, theta, X):
        return self.values(theta, X), self.pull(theta, X)


@dataclass(frozen=True)
class _WithJax:
    """A function of JAX arrays. The context of 64 bits belongs to the thread, not the process."""

    fn: Any
    jax: Any

    def values(self, theta, X):
        _refuse_sparse(X, "jax")
        with self.jax.enable_x64(True):
            return np.asarray(_compile(self.fn).values(theta, X))

    def pull(self, theta, X):
        return self.vjp(theta, X)[1]

    def vjp(self, theta, X):
        _refuse_sparse(X, "jax")
        compiled = _compile(self.fn)
        with self.jax.enable_x64(True):
            values, residuals = compiled.vjp(theta, X)
            values = np.asarray(values)

        def pull(d_values):
            with self.jax.enable_x64(True):
                return np.asarray(compiled.pull(residuals, d_values.astype(values.dtype)))

        return values, pull


@dataclass(frozen=True)
class _Compiled:
    values: Any
    vjp: Any
    pull: Any


@lru_cache(maxsize=32)
def _compile(fn):
    """Compile a function of JAX arrays; JAX keeps one program per number of rows.

    Kept here and not in the model, which could not be pickled with it. What `vjp` returns for
    `pull` are arrays that JAX carries from one program to the other: logits are computed once.
    """
    jax = _import("jax")
    return _Compiled(
        jax.jit(fn),
        jax.jit(lambda theta, X: jax.vjp(lambda t: fn(t, X), theta)),
        jax.jit(lambda residuals, d_values: residuals(d_values)[0]),
    )


@dataclass(frozen=True)
class _WithTorch:
    """A function of tensors."""

    fn: Any
    torch: Any

    def values(self, theta, X):
        with self.torch.no_grad():
            return self._call(self._tensor(theta), X).numpy()

    def pull(self, theta, X):
        return self.vjp(theta, X)[1]

    def vjp(self, theta, X):
        leaf = self._tensor(theta).requires_grad_()
        with self.torch.enable_grad():
            values = self._call(leaf, X)
        if not values.requires_grad:
            raise ValueError(
                "fn(theta, X) has no gradient: compute it from theta by torch functions alone, "
                "without detach, NumPy or no_grad."
            )

        def pull(d_values):
            seed = self._tensor(d_values)
            # Kept, so that it can be pulled back again; it is freed with the values.
            (gradient,) = self.torch.autograd.grad(values, leaf, seed, retain_graph=True)
            return gradient.numpy()

        return values.detach().numpy(), pull

    def _call(self, theta, X):
        _refuse_sparse(X, "torch")
        values = self.fn(theta, self._tensor(X))
        if not isinstance(values, self.torch.Tensor):
            raise ValueError(f"fn(theta, X) must return a tensor, got {type(values).__name__}.")
        return values

    def _tensor(self, array):
        # A copy: tensors can be neither read-only nor views backwards, and fn may write to them.
        return self.torch.from_numpy(np.array(array, order="C"))


AUTOMATIC = {"jax": _WithJax, "torch": _WithTorch}


def _import(package):
    try:
        module = importlib.import_module(package)
    except ImportError as error:
        raise ImportError(
            f'CallableModel(gradient="{package}") needs the package {package}: pip install '
            f"{package}. Or pass a function as gradient."
        ) from error
    if package == "jax" and not hasattr(module, "enable_x64"):
        raise ImportError(
            f'CallableModel(gradient="jax") needs jax 0.8 or newer, found {module.__version__}: '
            'pip install "jax>=0.8".'
        )
    return module


def _refuse_sparse(X, package):
    if sp.issparse(X):
        raise ValueError(
            f'X is sparse, which CallableModel(gradient="{package}") does not take: pass '
            "X.toarray(), or a function as gradient, which gets X as it is."
        )


def _check_shape(what, array, shape, names="(n_params,)"):
    if array.shape != shape:
        raise ValueError(
            f"{what} must have shape {names} = {shape}, got an array of shape {array.shape}."
        )


def _as_index(penalised, n_params):
    """Check what the penalty applies to and return it as a slice or boolean mask."""
    if penalised is None:
        return slice(0)
    if isinstance(penalised, slice):
        return penalised
    mask = np.asarray(penalised)
    if mask.dtype != bool or mask.shape != (n_params,):
        raise ValueError(
            f"penalised must be a slice, None, or a boolean mask of shape (n_params,) = "
            f"({n_params},), got {penalised!r}."
        )
    return mask
