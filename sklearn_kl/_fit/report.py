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
    estimator : KLClassifier
        The one that is being fitted.
    attributes : callable
        ``attributes(model, theta)`` returns the fitted attributes that predictions need.
    data : dict or None
        What callbacks are handed: X, y and metadata. None calls no callbacks.
    """

    def __init__(self, estimator, attributes, data=None):
        self.estimator = estimator
        self.attributes = attributes
        self.loss_path = []
        self._objective = None
        self._context = None
        self._data = data

    def open(self, objective):
        """Tell callbacks that the fit begins; cross-entropies are those of an Objective."""
        self._objective = objective
        if self.estimator.verbose:
            _show_log()
        if self._data is None or not hasattr(self.estimator, "_init_callback_context"):
            return
        n_starts = 1 if objective.model.convex else self.estimator.n_init
        context = self.estimator._init_callback_context(
            max_subtasks=self.estimator.max_iter * n_starts
        )
        context.call_on_fit_task_begin(estimator=self.estimator, **self._data)
        self._context = context

    def restart(self):
        """Forget the path: another start begins."""
        self.loss_path = []

    def __call__(self, iteration):
        """Record an Iteration and return whether a callback asks to stop."""
        loss = iteration.value - self._objective.penalty.value(iteration.theta)
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
            reconstruction_attributes=lambda: self.attributes(
                self._objective.model, iteration.theta
            ),
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
