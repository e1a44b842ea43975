"""Reports of a running fit: log lines and scikit-learn's callbacks."""

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from sklearn_kl.solvers._base import Iteration

if TYPE_CHECKING:
    _Method = TypeVar("_Method", bound=Callable)

    class CallbackSupportMixin:
        """As scikit-learn's, which has no types."""

    def with_callbacks(method: _Method) -> _Method:
        """Return a method of the same signature."""

else:
    try:  # scikit-learn 1.9 and newer, experimental there
        from sklearn.callback import CallbackSupportMixin, with_callbacks
    except ImportError:

        class CallbackSupportMixin:
            """Stands in where scikit-learn knows no callbacks."""

        def with_callbacks(method):
            """Return the method as it is."""
            return method


__all__ = ["CallbackSupportMixin", "FitReport", "with_callbacks"]

logger = logging.getLogger("sklearn_kl")


class FitReport:
    """What is told of a fit while it runs, as a context: it is open from begin to end.

    An iteration begins where the last one ended. One that ends without a new iterate, as when a
    line search finds nothing, ends where it began.

    Parameters
    ----------
    estimator : KLClassifier
        The one that is being fitted. On leaving the context it holds its fitted attributes.
    attributes : callable or None
        ``attributes(theta)`` returns the fitted attributes that predictions need.
    data : dict or None
        What callbacks are handed: X, y and metadata. None calls no callbacks.
    n_starts : int
        Number of times that the iterations may begin anew.
    """

    def __init__(
        self,
        estimator: Any,
        attributes: Callable[[np.ndarray], dict] | None = None,
        data: dict | None = None,
        n_starts: int = 1,
    ):
        self._estimator = estimator
        self._attributes = attributes
        self._data = data
        self._n_starts = n_starts
        self._fit: Any = None
        self._iteration: Any = None
        self._began_at = np.empty(0)

    def __enter__(self) -> "FitReport":
        estimator = self._estimator
        if estimator.verbose:
            _show_log()
        if self._data is not None and hasattr(estimator, "_init_callback_context"):
            max_subtasks = estimator.max_iter * self._n_starts
            self._fit = estimator._init_callback_context(max_subtasks=max_subtasks)
            self._fit.call_on_fit_task_begin(estimator=estimator, **self._data)
        return self

    def __exit__(self, kind: Any, *error: Any) -> None:
        if kind is None and self._fit is not None:
            self._end_unfinished()
            self._call(self._fit.call_on_fit_task_end, {})

    def begin_iteration(self, theta: np.ndarray) -> None:
        """Tell that an iteration begins at theta."""
        if self._fit is None:
            return
        self._end_unfinished()
        self._began_at = theta
        self._iteration = self._fit.subcontext(task_name="iteration")
        self._call(self._iteration.call_on_fit_task_begin, partial(self._attributes_at, theta))

    def end_iteration(self, iteration: Iteration, cross_entropy: float) -> bool:
        """Tell where an iteration ended, and return whether a callback asks to stop."""
        if self._estimator.verbose:
            logger.info(
                "%s iteration %d: cross-entropy %.9g nats, estimated gap %.1e nats",
                type(self._estimator).__name__,
                iteration.number,
                cross_entropy,
                iteration.gap,
            )
        if self._fit is None:
            return False
        task, self._iteration = self._iteration, None
        return self._call(task.call_on_fit_task_end, partial(self._attributes_at, iteration.theta))

    def _end_unfinished(self) -> None:
        if self._iteration is not None:
            task, self._iteration = self._iteration, None
            self._call(task.call_on_fit_task_end, partial(self._attributes_at, self._began_at))

    def _call(self, hook: Callable, attributes: Any) -> bool:
        data = self._data or {}
        return hook(estimator=self._estimator, reconstruction_attributes=attributes, **data)

    def _attributes_at(self, theta: np.ndarray) -> dict:
        return {} if self._attributes is None else self._attributes(theta)


def _show_log():
    """Let the package's log lines reach the terminal, unless the application set up logging."""
    if not logger.hasHandlers():
        logger.addHandler(logging.StreamHandler())
    if not logger.isEnabledFor(logging.INFO):
        logger.setLevel(logging.INFO)
