"""Reports of a running fit: log lines, the path of the loss, and scikit-learn's callbacks."""

import logging

import numpy as np

try:  # scikit-learn 1.9 and newer, experimental there
    from sklearn.callback import CallbackSupportMixin, with_callbacks

    WRAPPER_FRAMES = 1  # between fit and its caller, which a warning should name
except ImportError:
    WRAPPER_FRAMES = 0

    class CallbackSupportMixin:
        """Stands in where scikit-learn knows no callbacks."""

    def with_callbacks(method):
        """Return the method as it is."""
        return method


__all__ = ["WRAPPER_FRAMES", "CallbackSupportMixin", "FitReport", "with_callbacks"]

logger = logging.getLogger("sklearn_kl")


class FitReport:
    """What a solver calls after every iteration of one fit.

    Parameters
    ----------
    estimator : estimator
        The one that is being fitted.
    penalty : Penalty
        Subtracted from the objective to give the cross-entropy.
    attributes : callable
        ``attributes(theta)`` returns the fitted attributes that predictions need.
    max_iter : int
    X, y : array-like
        Training data, handed to callbacks.
    sample_weight : array-like or None
    """

    def __init__(self, estimator, penalty, attributes, *, max_iter, X, y, sample_weight):
        self.estimator = estimator
        self.penalty = penalty
        self.attributes = attributes
        self.loss_path = []
        self._data = {"X": X, "y": y}
        if sample_weight is not None:
            self._data["metadata"] = {"sample_weight": sample_weight}
        self._context = None
        if hasattr(estimator, "_init_callback_context"):
            self._context = estimator._init_callback_context(max_subtasks=max_iter)
            self._context.call_on_fit_task_begin(estimator=estimator, **self._data)
        if estimator.verbose:
            _show_log()

    def __call__(self, iteration):
        """Record an Iteration and return whether a callback asks to stop."""
        loss = iteration.value - self.penalty.value(iteration.theta)
        self.loss_path.append(loss)
        if self.estimator.verbose:
            logger.info(
                "%s iteration %d: cross-entropy %.9g nats, estimated gap %.1e nats",
                type(self.estimator).__name__,
                iteration.number,
                loss,
                iteration.gap,
            )
        if self._context is None:
            return False
        task = self._context.subcontext(task_name="iteration")
        task.call_on_fit_task_begin(estimator=self.estimator, **self._data)
        return task.call_on_fit_task_end(
            estimator=self.estimator,
            reconstruction_attributes=lambda: self.attributes(iteration.theta),
            **self._data,
        )

    def close(self):
        """Tell callbacks that the fit is over; the estimator holds its fitted attributes."""
        if self._context is not None:
            self._context.call_on_fit_task_end(
                estimator=self.estimator, reconstruction_attributes={}, **self._data
            )

    @property
    def path(self):
        """Training cross-entropy after every iteration, nats: ndarray of shape (n_iter,)."""
        return np.array(self.loss_path)


def _show_log():
    """Let the package's log lines reach the terminal, unless the application set up logging."""
    if not logger.hasHandlers():
        logger.addHandler(logging.StreamHandler())
    if not logger.isEnabledFor(logging.INFO):
        logger.setLevel(logging.INFO)
