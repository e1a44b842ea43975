"""Display of mean targets against predicted probabilities, for each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from sklearn_kl._data.classes import find_columns, unknown_labels
from sklearn_kl._data.rows import check_row_order
from sklearn_kl._numbers import check_whole
from sklearn_kl._typing import MatrixLike
from sklearn_kl.metrics._pairs import check_pair, weighted_pair
from sklearn_kl.metrics._plot._base import (
    FLOOR_COLOR,
    draw_legend,
    get_axes,
    get_panels,
    look,
    predict_named,
    set_title,
    short_names,
)

# Lines that one legend has room for; more classes get axes of their own.
_MOST_LINES = 10
# The same class of another model: its colour and marker in another style.
_OTHER_MODELS: tuple[dict, ...] = (
    {},
    {"linestyle": "--", "markerfacecolor": "white"},
    {"linestyle": ":", "fillstyle": "left"},
    {"linestyle": "-.", "fillstyle": "bottom"},
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class ReliabilityDisplay:
    """Mean target against mean predicted probability, for bins of the predictions of each class.

    scikit-learn's `CalibrationDisplay` for distributions, counts and more than two classes. On the
    diagonal, what is predicted is what happens; below it the class is predicted too often.

    Parameters
    ----------
    predicted : list of ndarray
        Mean prediction in every bin, for each class shown.
    observed : list of ndarray
        Mean target in every bin, for each class shown.
    mass : list of ndarray
        Share of the mass in every bin, for each class shown.
    classes : ndarray of shape (n_shown,)
        The classes shown.
    estimator_name : str, default=None
        Name of the model, which titles the axes.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes, or the first of them.
    axes_ : ndarray of matplotlib Axes
        All axes: with more than 10 classes each has its own, unless axes are given.
    figure_ : matplotlib Figure
        The figure of the axes.
    lines_ : list of matplotlib Line2D
        A line for each class.
    diagonal_ : matplotlib Line2D
        Perfect calibration.

    See Also
    --------
    KLDecompositionDisplay : What miscalibration costs in nats.

    Examples
    --------
    >>> from sklearn_kl import KLClassifier
    >>> from sklearn_kl.datasets import load_housing
    >>> from sklearn_kl.metrics import ReliabilityDisplay
    >>> X, counts = load_housing(return_X_y=True)
    >>> clf = KLClassifier().fit(X, counts)
    >>> display = ReliabilityDisplay.from_estimator(clf, X, counts, n_bins=4)
    >>> len(display.lines_) == len(clf.classes_)
    True
    """

    def __init__(
        self,
        predicted: Sequence[np.ndarray],
        observed: Sequence[np.ndarray],
        mass: Sequence[np.ndarray],
        *,
        classes: np.ndarray,
        estimator_name: str | None = None,
    ):
        self.predicted = predicted
        self.observed = observed
        self.mass = mass
        self.classes = classes
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: MatrixLike,
        y: MatrixLike,
        *,
        sample_weight: ArrayLike | None = None,
        classes: ArrayLike | None = None,
        n_bins: int | None = 8,
        name: str | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the reliability of a fitted classifier.

        Parameters
        ----------
        estimator : classifier
            Fitted, with ``predict_proba`` and ``classes_``.
        X : array-like of shape (n_samples, n_features)
            Data to predict.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels, distributions or vote counts.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, which multiply their mass.
        classes : array-like, default=None
            The classes to show; None shows all, of two the second.
        n_bins : int, default=8
            Number of bins of about the same mass.
        name : str, default=None
            Name of the model; None takes that of its class.
        ax : matplotlib Axes or array of Axes, default=None
            Axes to draw into, one for all classes or for each; None makes a figure. Several models
            can share axes.
        **kwargs : dict
            Passed to the lines.

        Returns
        -------
        ReliabilityDisplay
            The display, drawn.
        """
        check_row_order(X=X, y=y)
        prediction, name = predict_named(estimator, X, name)
        return cls.from_predictions(
            y,
            prediction.proba,
            sample_weight=sample_weight,
            labels=prediction.classes,
            classes=classes,
            n_bins=n_bins,
            name=name,
            ax=ax,
            **kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: MatrixLike,
        y_proba: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        classes: ArrayLike | None = None,
        n_bins: int | None = 8,
        name: str | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the reliability of predictions.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels, distributions or vote counts.
        y_proba : array-like of shape (n_samples, n_classes) or (n_samples,)
            Predicted probabilities.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, which multiply their mass.
        labels : array-like of shape (n_classes,), default=None
            The class of each column of `y_proba`.
        classes : array-like, default=None
            The classes to show; None shows all, of two the second.
        n_bins : int, default=8
            Number of bins of about the same mass.
        name : str, default=None
            Name of the model.
        ax : matplotlib Axes or array of Axes, default=None
            Axes to draw into, one for all classes or for each; None makes a figure. Several models
            can share axes.
        **kwargs : dict
            Passed to the lines.

        Returns
        -------
        ReliabilityDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If one of `classes` is not among the classes.
        """
        check_whole(n_bins, "n_bins")
        known = check_pair(y_true, y_proba, labels, sample_weight)[0].classes
        p, q, weight, _ = weighted_pair(y_true, y_proba, labels, sample_weight)
        columns = _shown(known, classes)
        curves = [_curve(q[:, k], p[:, k], weight, n_bins) for k in columns]
        predicted, observed, mass = zip(*curves, strict=True)
        display = cls(
            list(predicted),
            list(observed),
            list(mass),
            classes=known[columns],
            estimator_name=name,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, *, ax: Axes | None = None, **kwargs: Any) -> Self:
        """Draw a line for each class, and the diagonal.

        Parameters
        ----------
        ax : matplotlib Axes or array of Axes, default=None
            Axes to draw into, one for all classes or for each; None makes a figure. Several models
            can share axes.
        **kwargs : dict
            Passed to the lines.

        Returns
        -------
        ReliabilityDisplay
            This display.
        """
        self.axes_ = self._get_axes(ax)
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        self.diagonal_, *_ = [_draw_diagonal(panel) for panel in self.axes_]
        names = short_names(self.classes)
        model = len({line.kl_model for line in _curves(self.ax_)})
        style = _OTHER_MODELS[model % len(_OTHER_MODELS)]
        self.lines_ = []
        for k, panel in enumerate(np.broadcast_to(self.axes_, len(names))):
            options = {**vars(look(k)), **style, "markersize": 5, "label": names[k]} | kwargs
            lines = panel.plot(self.predicted[k], self.observed[k], **options)
            for line in lines:
                line.kl_model, line.kl_class = model, names[k]
                line.kl_estimator = self.estimator_name
            self.lines_ += lines
        self._set_limits()
        if len(self.axes_) > 1:
            self._label_panels()
        else:
            self._label_axes()
        return self

    def _get_axes(self, ax):
        """Return the axes for all classes, or one for each."""
        n_shown = len(self.classes)
        axes = None if ax is None else np.asarray(ax, dtype=object).ravel()
        if (axes is None and n_shown > _MOST_LINES) or (axes is not None and len(axes) != 1):
            n_columns = min(8, int(np.ceil(np.sqrt(n_shown))))
            return get_panels(
                axes, n_shown, self, what="classes", n_columns=n_columns, size=(1.5, 1.6)
            )
        return np.array([get_axes(None if axes is None else axes[0], self)[0]], dtype=object)

    def _set_limits(self):
        curves = [line for panel in self.axes_ for line in _curves(panel)]
        top = 1.05 * max(*(np.max(line.get_xydata()) for line in curves), 1e-3)
        for panel in self.axes_:
            limits = (-0.02 * top, min(top, 1.02))
            panel.set(xlim=limits, ylim=limits, aspect="equal")

    def _label_panels(self):
        for panel, name in zip(self.axes_, short_names(self.classes, 16), strict=True):
            panel.set_title(name, parse_math=False, fontsize="x-small")
        self.figure_.supxlabel("Mean predicted probability", fontsize="medium")
        self.figure_.supylabel("Mean target", fontsize="medium")
        if self.estimator_name is not None:
            self.figure_.suptitle(self.estimator_name, parse_math=False, fontsize="medium")

    def _label_axes(self):
        self.ax_.set(xlabel="Mean predicted probability", ylabel="Mean target")
        curves = _curves(self.ax_)
        alone = len({line.kl_model for line in curves}) == 1
        # The title names one model, the legend each of several.
        self.ax_.set_title("")
        set_title(self.ax_, self.estimator_name if alone else None)
        entries = [line.kl_class if alone else _class_and_model(line) for line in curves]
        draw_legend(
            self.ax_,
            [self.diagonal_, *curves],
            ["perfectly calibrated", *entries],
            title="Class",
            fontsize="small" if len(entries) < _MOST_LINES else "x-small",
            # Where curves along the diagonal leave most room.
            loc="upper left",
        )


def _draw_diagonal(panel):
    """Return the line of perfect calibration, drawn if it is not there yet."""
    for line in panel.lines:
        if hasattr(line, "kl_diagonal"):
            return line
    style = {"color": FLOOR_COLOR, "linestyle": ":", "label": "perfectly calibrated"}
    (line,) = panel.plot([0, 1], [0, 1], **style)
    line.kl_diagonal = True
    return line


def _curves(panel):
    """Return the lines of classes that this display and earlier ones drew into the axes."""
    return [line for line in panel.lines if hasattr(line, "kl_model")]


def _class_and_model(line):
    name = line.kl_estimator
    model = f"model {line.kl_model + 1}" if name is None else short_names([name])[0]
    return f"{line.kl_class}, {model}"


def _shown(known, classes):
    """Return the columns of the classes to show."""
    if classes is None:
        return np.arange(len(known)) if len(known) != 2 else np.array([1])
    unknown = unknown_labels(classes, known)
    if unknown:
        raise ValueError(f"classes has {unknown}, but the model knows {known[:10].tolist()}.")
    return find_columns(classes, known)


def _curve(predicted, observed, weight, n_bins):
    """Means in bins of about the same mass; equal predictions share a bin."""
    position = np.unique(predicted, return_inverse=True)[1]
    mass = np.bincount(position, weights=weight)
    middle = np.cumsum(mass) - 0.5 * mass
    bins = np.minimum((middle / mass.sum() * n_bins).astype(int), n_bins - 1)[position]
    total = np.bincount(bins, weights=weight, minlength=n_bins)
    kept = total > 0
    means = [
        np.bincount(bins, weights=weight * column, minlength=n_bins)[kept] / total[kept]
        for column in (predicted, observed)
    ]
    return means[0], means[1], total[kept]
