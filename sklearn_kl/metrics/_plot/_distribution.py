"""Display of target and predicted distributions of chosen rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from sklearn_kl._data import simplex
from sklearn_kl._data.rows import check_row_order
from sklearn_kl._numbers import check_whole
from sklearn_kl._typing import MatrixLike
from sklearn_kl.metrics._pairs import check_pair, distributions
from sklearn_kl.metrics._plot._base import (
    FLOOR_COLOR,
    PREDICTED_COLOR,
    TARGET_COLOR,
    get_axes,
    get_panels,
    predict_named,
    short_names,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Names below the bars of a panel; of more classes every second or third has room.
_MOST_TICKS = 40
_HEIGHT = np.sqrt(3) / 2
# Corners of the triangle of three classes: left, right, top.
_CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, _HEIGHT]])


class DistributionDisplay:
    """Target and predicted distribution of chosen rows, as bars or in a triangle.

    Parameters
    ----------
    target : ndarray of shape (n_shown, n_classes)
        Distributions of the targets.
    predicted : ndarray of shape (n_shown, n_classes)
        Predicted distributions.
    classes : ndarray of shape (n_classes,)
        The classes.
    rows : ndarray of shape (n_shown,)
        Which rows these are.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        A panel for each row, or the triangle alone.
    figure_ : matplotlib Figure
        The figure of the axes.
    target_artists_ : list
        Bars of the targets for each row, or the markers in the triangle.
    predicted_artists_ : list
        The same for the predictions.

    See Also
    --------
    KLContributionsDisplay : All rows, by class.

    Examples
    --------
    >>> from sklearn_kl.metrics import DistributionDisplay
    >>> votes = [[2, 1, 1], [0, 3, 1], [0, 0, 4]]
    >>> proba = [[0.4, 0.3, 0.3], [0.1, 0.7, 0.2], [0.1, 0.1, 0.8]]
    >>> display = DistributionDisplay.from_predictions(votes, proba, rows=[0, 2])
    >>> len(display.axes_)
    2
    """

    def __init__(
        self, target: np.ndarray, predicted: np.ndarray, *, classes: np.ndarray, rows: np.ndarray
    ):
        self.target = target
        self.predicted = predicted
        self.classes = classes
        self.rows = rows

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: MatrixLike,
        y: MatrixLike,
        *,
        rows: Any = 4,
        kind: str = "bar",
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw what a fitted classifier predicts beside the targets.

        Parameters
        ----------
        estimator : classifier
            Fitted, with ``predict_proba`` and ``classes_``.
        X : array-like of shape (n_samples, n_features)
            Data to predict.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels, distributions or vote counts.
        rows : int or array-like of int, default=4
            The rows to show; a number shows as many of the first.
        kind : {"bar", "ternary"}, default="bar"
            A panel of bars for each row; or a triangle for three classes, in which a line
            joins the target of each row to its prediction.
        ax : matplotlib Axes or array of Axes, default=None
            Axes to draw into, one for each row if ``kind="bar"``; None makes a figure.
        **kwargs : dict
            Passed to the bars or markers.

        Returns
        -------
        DistributionDisplay
            The display, drawn.
        """
        check_row_order(X=X, y=y)
        prediction, _ = predict_named(estimator, X)
        return cls.from_predictions(
            y, prediction.proba, labels=prediction.classes, rows=rows, kind=kind, ax=ax, **kwargs
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: MatrixLike,
        y_proba: ArrayLike,
        *,
        labels: ArrayLike | None = None,
        rows: Any = 4,
        kind: str = "bar",
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw predictions beside the targets.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels, distributions or vote counts.
        y_proba : array-like of shape (n_samples, n_classes) or (n_samples,)
            Predicted probabilities.
        labels : array-like of shape (n_classes,), default=None
            The class of each column of `y_proba`.
        rows : int or array-like of int, default=4
            The rows to show; a number shows as many of the first.
        kind : {"bar", "ternary"}, default="bar"
            A panel of bars for each row; or a triangle for three classes, in which a line
            joins the target of each row to its prediction.
        ax : matplotlib Axes or array of Axes, default=None
            Axes to draw into, one for each row if ``kind="bar"``; None makes a figure.
        **kwargs : dict
            Passed to the bars or markers.

        Returns
        -------
        DistributionDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If `kind` is unknown, or "ternary" for another number of classes than three; if `rows`
            are not among the rows; if `ax` is not one for each row.
        """
        targets, proba = check_pair(y_true, y_proba, labels, None)
        rows = _check_rows(rows, targets.n_samples)
        display = cls(
            distributions(targets, slice(None))[rows],
            proba[rows],
            classes=targets.classes,
            rows=rows,
        )
        return display.plot(kind=kind, ax=ax, **kwargs)

    def plot(self, *, kind: str = "bar", ax: Axes | None = None, **kwargs: Any) -> Self:
        """Draw the rows.

        Parameters
        ----------
        kind : {"bar", "ternary"}, default="bar"
            A panel of bars for each row, or a triangle.
        ax : matplotlib Axes or array of Axes, default=None
            Axes to draw into, one for each row if ``kind="bar"``; None makes a figure.
        **kwargs : dict
            Passed to the bars or markers.

        Returns
        -------
        DistributionDisplay
            This display.

        Raises
        ------
        ValueError
            If `kind` is unknown, or "ternary" for another number of classes than three; if `ax`
            is not one for each row.
        """
        if kind not in ("bar", "ternary"):
            raise ValueError(f'kind must be "bar" or "ternary", got {kind!r}.')
        if kind == "ternary" and len(self.classes) != 3:
            raise ValueError(
                f'kind="ternary" shows three classes, and there are {len(self.classes)}: use '
                'kind="bar".'
            )
        self.target_artists_: list[Any] = []
        self.predicted_artists_: list[Any] = []
        if kind == "bar":
            self._plot_bars(ax, kwargs)
        else:
            self._plot_triangle(ax, kwargs)
        return self

    def _plot_bars(self, ax, kwargs):
        names, place = short_names(self.classes), np.arange(len(self.classes))
        width = min(max(3.2, 0.5 + 0.16 * len(names)), 7.0)
        longest = max(map(len, names))
        self.axes_ = get_panels(
            ax,
            len(self.rows),
            self,
            what="rows",
            n_columns=2 if width < 5 else 1,
            size=(width, 2.1),
            names_height=0.3 + 0.07 * longest,
        )
        self.figure_ = self.axes_[0].figure
        divergence = simplex.kl_divergence(self.target, self.predicted)
        for panel, p, q, row, kl in zip(
            self.axes_, self.target, self.predicted, self.rows, divergence, strict=True
        ):
            bars = {"width": 0.4} | kwargs
            self.target_artists_.append(
                panel.bar(place - 0.2, p, **({"color": TARGET_COLOR, "label": "target"} | bars))
            )
            predicted = {"color": PREDICTED_COLOR, "hatch": "//", "edgecolor": "white"}
            self.predicted_artists_.append(
                panel.bar(place + 0.2, q, **(predicted | {"label": "predicted"} | bars))
            )
            what = "unlabelled" if np.isnan(kl) else f"KL {kl:.3g} nats"
            panel.set_title(f"row {row}: {what}", fontsize="medium")
            _name_bars(panel, names)
        self.axes_[0].set_ylabel("Probability")
        self.axes_[0].legend(fontsize="small")

    def _plot_triangle(self, ax, kwargs):
        panel, self.figure_ = get_axes(ax, self)
        self.axes_ = np.array([panel], dtype=object)
        _draw_triangle(panel, short_names(self.classes))
        start, end = self.target @ _CORNERS, self.predicted @ _CORNERS
        for tail, head in zip(start, end, strict=True):
            panel.annotate(
                "", head, tail, arrowprops={"arrowstyle": "-", "color": FLOOR_COLOR}, zorder=2
            )
        options = {"linestyle": "none", "zorder": 3, "markersize": 6} | kwargs
        self.target_artists_ += panel.plot(
            *start.T, **({"color": TARGET_COLOR, "marker": "o", "label": "target"} | options)
        )
        self.predicted_artists_ += panel.plot(
            *end.T, **({"color": PREDICTED_COLOR, "marker": "^", "label": "predicted"} | options)
        )
        panel.legend(
            loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=2, fontsize="small", frameon=False
        )


def _check_rows(rows, n_samples):
    """Return the numbers of the rows to show."""
    if np.ndim(rows) == 0:
        return np.arange(min(check_whole(rows, "rows"), n_samples))
    numbers = np.asarray(rows)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu" or not len(numbers):
        raise ValueError(f"rows must be a whole number or a list of row numbers, got {rows!r}.")
    outside = numbers[(numbers < 0) | (numbers >= n_samples)]
    if len(outside):
        raise ValueError(f"rows has {outside[:10].tolist()}, but there are {n_samples} rows.")
    return numbers


def _name_bars(panel, names):
    """Name the classes below their bars."""
    step = -(-len(names) // _MOST_TICKS)
    names = names[::step]
    longest = max(map(len, names))
    options: dict = {"rotation": 0, "ha": "center"}
    if len(names) > 12 or longest > 12:
        options = {"rotation": 90, "ha": "center", "fontsize": "x-small"}
    elif longest > 3:
        options = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    panel.set_xticks(step * np.arange(len(names)), names, parse_math=False, **options)


def _draw_triangle(panel, names):
    """Draw the triangle of three classes, with lines at every quarter."""
    outline = _CORNERS[[0, 1, 2, 0]]
    panel.plot(*outline.T, color="black", linewidth=1, zorder=1)
    for share in (0.25, 0.5, 0.75):
        for k in range(3):
            others = np.delete(np.arange(3), k)
            ends = share * _CORNERS[k] + (1 - share) * _CORNERS[others]
            panel.plot(*ends.T, color="#D9D9D9", linewidth=0.8, zorder=0)
    for name, corner in zip(names, _CORNERS, strict=True):
        top = corner[1] > 0
        panel.annotate(
            name,
            corner,
            xytext=(0, 6 if top else -6),
            textcoords="offset points",
            ha="center",
            va="bottom" if top else "top",
            parse_math=False,
        )
    panel.set_aspect("equal")
    # Room for the half of the names that sticks out.
    panel.margins(0.12 + 0.01 * max(map(len, names)), 0.15)
    panel.set_axis_off()
