"""Display of the cross-entropy by iteration, above the entropy of the targets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from sklearn_kl._typing import MatrixLike
from sklearn_kl.metrics._divergences import cross_entropy_loss, entropy
from sklearn_kl.metrics._pairs import check_pair
from sklearn_kl.metrics._plot._base import FLOOR_COLOR, get_axes, look, set_title
from sklearn_kl.metrics._vote_noise import mean_class_noise

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class KLPathDisplay:
    """Cross-entropy by iteration, with the entropy of the targets as its floor.

    The distance from a curve to its floor is the KL divergence from the targets given. For counts
    of votes, the band above the floor is what the number of votes explains of it: a model that is
    the truth is at its upper edge, and one that is below follows the votes of the sample. Where
    the cross-entropy is infinite the curve has a gap, and an arrow at the upper edge.

    Parameters
    ----------
    train_cross_entropy : ndarray of shape (n_iter,)
        Mean cross-entropy of the training targets after every iteration, nats.
    train_entropy : float
        Mean entropy of the training targets, nats.
    validation_cross_entropy : ndarray of shape (n_iter,), default=None
        The same for data that the model was not fitted on.
    validation_entropy : float, default=None
        Mean entropy of these targets.
    train_vote_noise : float, default=None
        KL divergence from the training votes that their number explains, nats; None for no band.
    validation_vote_noise : float, default=None
        The same for the validation votes.
    estimator_name : str, default=None
        Name of the model, which titles the axes.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure of the axes.
    lines_ : list of matplotlib Line2D
        The curves: training, then validation.
    floors_ : list of matplotlib Line2D
        The entropies: of training, then of validation.
    bands_ : list of matplotlib artists
        What the number of votes explains: of training, then of validation.

    See Also
    --------
    KLDecompositionDisplay : What the last cross-entropy is made of.

    Examples
    --------
    >>> from sklearn_kl import KLClassifier
    >>> from sklearn_kl.datasets import load_housing
    >>> from sklearn_kl.metrics import KLPathDisplay
    >>> X, counts = load_housing(return_X_y=True)
    >>> display = KLPathDisplay.from_estimator(KLClassifier().fit(X, counts))
    >>> display.ax_.get_xlabel()
    'Iteration'
    """

    def __init__(
        self,
        train_cross_entropy: ArrayLike,
        *,
        train_entropy: float,
        validation_cross_entropy: ArrayLike | None = None,
        validation_entropy: float | None = None,
        train_vote_noise: Any = None,
        validation_vote_noise: Any = None,
        estimator_name: str | None = None,
    ):
        self.train_cross_entropy = train_cross_entropy
        self.train_entropy = train_entropy
        self.validation_cross_entropy = validation_cross_entropy
        self.validation_entropy = validation_entropy
        self.train_vote_noise = train_vote_noise
        self.validation_vote_noise = validation_vote_noise
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        y_val: MatrixLike | None = None,
        proba_path: Iterable[ArrayLike] | None = None,
        name: str | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the path of a fitted estimator, from its ``loss_path_``.

        Parameters
        ----------
        estimator : KLClassifier
            Fitted, with ``loss_path_`` and ``target_entropy_``.
        y_val : array-like of shape (n_val,) or (n_val, n_classes), default=None
            Targets of data that the estimator was not fitted on, if `proba_path` is given.
        proba_path : sequence of array-like of shape (n_val, n_classes), default=None
            Predictions for these data after iterations 1, 2, ..., as recorded by the caller: a
            fitted estimator only knows its last model. Fits with ``max_iter=1, 2, ...`` give them.
        name : str, default=None
            Name of the model; None takes that of its class.
        ax : matplotlib Axes, default=None
            Axes to draw into; None makes a figure.
        **kwargs : dict
            Passed to the lines of the curves.

        Returns
        -------
        KLPathDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If only one of `y_val` and `proba_path` is given.
        """
        check_is_fitted(estimator, "loss_path_")
        if (y_val is None) != (proba_path is None):
            missing = "y_val" if y_val is None else "proba_path"
            raise ValueError(
                f"{missing} is missing: a validation curve needs both y_val and proba_path, the "
                "predictions for these rows after every iteration."
            )
        display = cls(
            np.asarray(estimator.loss_path_),
            train_entropy=estimator.target_entropy_,
            train_vote_noise=getattr(estimator, "vote_noise_", None),
            estimator_name=type(estimator).__name__ if name is None else name,
        )
        if proba_path is not None:
            labels = estimator.classes_
            path = _cross_entropy_path(y_val, proba_path, labels=labels)
            display.validation_cross_entropy, display.validation_entropy = path
            display.validation_vote_noise = _last_noise(y_val, proba_path, labels=labels)
        return display.plot(ax=ax, **kwargs)

    @classmethod
    def from_predictions(
        cls,
        y_true: MatrixLike,
        proba_path: Iterable[ArrayLike] | None,
        *,
        sample_weight: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        name: str | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the path of any model's predictions, recorded after every iteration.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels, distributions or vote counts.
        proba_path : sequence of array-like of shape (n_samples, n_classes)
            Predictions after iterations 1, 2, ...
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, which multiply their mass.
        labels : array-like of shape (n_classes,), default=None
            The class of each column of the predictions.
        name : str, default=None
            Name of the model.
        ax : matplotlib Axes, default=None
            Axes to draw into; None makes a figure.
        **kwargs : dict
            Passed to the lines of the curves.

        Returns
        -------
        KLPathDisplay
            The display, drawn.
        """
        path, floor = _cross_entropy_path(
            y_true, proba_path, sample_weight=sample_weight, labels=labels
        )
        noise = _last_noise(y_true, proba_path, sample_weight=sample_weight, labels=labels)
        display = cls(path, train_entropy=floor, train_vote_noise=noise, estimator_name=name)
        return display.plot(ax=ax, **kwargs)

    def plot(self, *, ax: Axes | None = None, **kwargs: Any) -> Self:
        """Draw the curves and their floors.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw into; None makes a figure.
        **kwargs : dict
            Passed to the lines of the curves.

        Returns
        -------
        KLPathDisplay
            This display.
        """
        self.ax_, self.figure_ = get_axes(ax, self)
        self.lines_: list[Any] = []
        self.floors_: list[Any] = []
        self.bands_: list[Any] = []
        self._draw(self.train_cross_entropy, self.train_entropy, "train", kwargs)
        self._draw_band(self.train_entropy, self.train_vote_noise, "train")
        if self.validation_cross_entropy is not None:
            self._draw(self.validation_cross_entropy, self.validation_entropy, "validation", kwargs)
            self._draw_band(self.validation_entropy, self.validation_vote_noise, "validation")
        self.ax_.set(xlabel="Iteration", ylabel="Cross-entropy (nats)")
        set_title(self.ax_, self.estimator_name)
        self.ax_.xaxis.get_major_locator().set_params(integer=True)
        self.ax_.legend()
        return self

    def _draw(self, path, floor, what, kwargs):
        style = look(len(self.lines_))
        iterations = np.arange(1, len(path) + 1)
        label = f"{what}: KL from the targets {path[-1] - floor:.3g} nats at the end"
        options = {"color": style.color, "marker": style.marker, "markersize": 4} | kwargs
        lines = self.ax_.plot(iterations, path, label=label, **options)
        self.lines_.extend(lines)
        infinite = np.isinf(path)
        if infinite.any():
            # At the upper edge, wherever that comes to lie; the line leaves a gap.
            arrows = {"marker": "^", "linestyle": "none", "markersize": 9}
            top = self.ax_.get_xaxis_transform()
            height = np.full(infinite.sum(), 0.97)
            color = lines[0].get_color()
            self.ax_.plot(iterations[infinite], height, color=color, transform=top, **arrows)
        # The floor has the colour of its curve, so that the eye subtracts the right one.
        self.floors_.append(
            self.ax_.axhline(
                floor,
                color=lines[0].get_color() if self.validation_entropy is not None else FLOOR_COLOR,
                linestyle=("--", ":")[len(self.floors_)],
                label=f"entropy of the {what} targets, {floor:.3g}",
            )
        )

    def _draw_band(self, floor, noise, what):
        if noise is None:
            return
        color = self.floors_[-1].get_color()
        label = f"explained by the number of {what} votes, {noise:.3g}"
        self.bands_.append(
            self.ax_.axhspan(floor, floor + noise, color=color, alpha=0.12, lw=0, label=label)
        )


def _last_noise(y_true, proba_path, *, sample_weight=None, labels=None):
    """Return the vote noise of the last predictions, or None where y_true holds no votes."""
    pair = check_pair(y_true, proba_path[-1], labels, sample_weight)
    noise = mean_class_noise(y_true, *pair)
    return None if noise is None else float(noise.sum())


def _cross_entropy_path(y_true, proba_path, *, sample_weight=None, labels=None):
    """Return the cross-entropy after every iteration and the entropy of the targets."""
    path = [
        cross_entropy_loss(y_true, proba, sample_weight=sample_weight, labels=labels)
        for proba in proba_path
    ]
    if not path:
        raise ValueError("proba_path is empty: pass the predictions after at least one iteration.")
    return np.array(path), entropy(y_true, sample_weight=sample_weight)
