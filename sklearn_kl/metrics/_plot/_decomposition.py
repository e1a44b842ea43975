"""Display of the decompositions of several models, as stacked bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from sklearn_kl._data.rows import check_row_order
from sklearn_kl._typing import MatrixLike
from sklearn_kl.metrics._decomposition import kl_decomposition
from sklearn_kl.metrics._plot._base import (
    COLORS,
    INFINITE,
    beyond,
    get_axes,
    predict_named,
    short_names,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_LABELS = {
    "entropy": "entropy of the targets",
    "vote_noise": "vote noise (more votes)",
    "grouping": "grouping (rows it does not tell apart)",
    "calibration": "calibration (recalibrate)",
    "within_bin": "within bins",
}
_FILL = {
    "entropy": {"color": "#BFBFBF"},
    "vote_noise": {"color": "#DDDDDD", "hatch": "xx"},
    "grouping": {"color": COLORS[0]},
    "calibration": {"color": COLORS[5], "hatch": "//"},
    "within_bin": {"color": COLORS[3], "hatch": ".."},
}


class KLDecompositionDisplay:
    """Stacked bars of the terms of the cross-entropy, a bar for each model.

    A negative term within bins is drawn to the left of zero; the terms sum to the cross-entropy,
    which the axes name at the end of the bar. An infinite one ends beyond all that are finite. For
    counts of votes, the part of the grouping term that their number explains is a part of its own:
    no more than there is of it.

    Parameters
    ----------
    decompositions : dict of str to KLDecomposition
        The decomposition of every model, by its name.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure of the axes.
    bars_ : dict of str to matplotlib BarContainer
        The bars of every term, by its name.

    See Also
    --------
    kl_decomposition : The numbers.

    Examples
    --------
    >>> from sklearn_kl.metrics import KLDecompositionDisplay
    >>> votes = [[2, 0], [1, 1], [1, 1], [0, 2]]
    >>> models = {"sure": [0.1, 0.1, 0.9, 0.9], "prior": [0.5, 0.5, 0.5, 0.5]}
    >>> display = KLDecompositionDisplay.from_predictions(votes, models)
    >>> list(display.bars_)
    ['entropy', 'vote_noise', 'calibration']
    """

    def __init__(self, decompositions: Any):
        self.decompositions = decompositions

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: MatrixLike,
        y: MatrixLike,
        *,
        sample_weight: ArrayLike | None = None,
        method: str = "recalibrated",
        n_bins: int | None = None,
        name: str | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the decomposition of one fitted classifier or of several.

        Parameters
        ----------
        estimator : classifier or dict of str to classifier
            Fitted, with ``predict_proba`` and ``classes_``; a dict names several.
        X : array-like of shape (n_samples, n_features)
            Data to predict.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels, distributions or vote counts.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, which multiply their mass.
        method : {"recalibrated", "binned"}, default="recalibrated"
            As of `kl_decomposition`.
        n_bins : int, default=None
            As of `kl_decomposition`.
        name : str, default=None
            Name of a single model; None takes that of its class.
        ax : matplotlib Axes, default=None
            Axes to draw into; None makes a figure.
        **kwargs : dict
            Passed to the bars.

        Returns
        -------
        KLDecompositionDisplay
            The display, drawn.
        """
        models = estimator if isinstance(estimator, dict) else {name: estimator}
        parts = {}
        for key, model in models.items():
            check_row_order(X=X, y=y)
            prediction, shown = predict_named(model, X, key)
            parts[shown] = kl_decomposition(
                y,
                prediction.proba,
                sample_weight=sample_weight,
                labels=prediction.classes,
                method=method,
                n_bins=n_bins,
            )
        return cls(parts).plot(ax=ax, **kwargs)

    @classmethod
    def from_predictions(
        cls,
        y_true: MatrixLike,
        y_proba: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        method: str = "recalibrated",
        n_bins: int | None = None,
        name: str = "model",
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the decomposition of one model's predictions or of several models'.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels, distributions or vote counts.
        y_proba : array-like of shape (n_samples, n_classes) or dict of str to array-like
            Predicted probabilities; a dict names those of several models.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, which multiply their mass.
        labels : array-like of shape (n_classes,), default=None
            The class of each column of the predictions.
        method : {"recalibrated", "binned"}, default="recalibrated"
            As of `kl_decomposition`.
        n_bins : int, default=None
            As of `kl_decomposition`.
        name : str, default="model"
            Name of a single model.
        ax : matplotlib Axes, default=None
            Axes to draw into; None makes a figure.
        **kwargs : dict
            Passed to the bars.

        Returns
        -------
        KLDecompositionDisplay
            The display, drawn.
        """
        models = y_proba if isinstance(y_proba, dict) else {name: y_proba}
        options = {"sample_weight": sample_weight, "labels": labels}
        parts = {
            key: kl_decomposition(y_true, proba, method=method, n_bins=n_bins, **options)
            for key, proba in models.items()
        }
        return cls(parts).plot(ax=ax, **kwargs)

    def plot(self, *, ax: Axes | None = None, **kwargs: Any) -> Self:
        """Draw a stacked bar for each model.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw into; None makes a figure.
        **kwargs : dict
            Passed to the bars.

        Returns
        -------
        KLDecompositionDisplay
            This display.
        """
        parts = list(self.decompositions.values())
        self.ax_, self.figure_ = get_axes(ax, self, height=1.5 + 0.4 * len(parts))
        rows = np.arange(len(parts))
        terms = np.array([[_shown(part)[term] for term in _LABELS] for part in parts])
        endless = beyond(np.where(np.isfinite(terms), terms, 0.0).sum(axis=1))
        above, below = np.zeros(len(parts)), np.zeros(len(parts))
        self.bars_ = {}
        for term, values in zip(_LABELS, terms.T, strict=True):
            if np.abs(values).max() < 1e-12:
                continue
            left = np.where(values >= 0, above, below)
            # An infinite term ends beyond all finite sums, where the number says what it is.
            widths = np.where(np.isinf(values), endless - left, values)
            options = {"height": 0.6, "edgecolor": "white", "label": _LABELS[term], **_FILL[term]}
            self.bars_[term] = self.ax_.barh(rows, widths, left=left, **(options | kwargs))
            above, below = above + np.maximum(widths, 0), below + np.minimum(widths, 0)
        # Set, since edges that stacked bars share would allow no margin for the numbers.
        self.ax_.set_xlim(1.12 * below.min(), 1.15 * above.max())
        self._label_axes(rows, above)
        return self

    def _label_axes(self, rows, ends):
        for row, part in enumerate(self.decompositions.values()):
            infinite = np.isinf(part.cross_entropy)
            self.ax_.annotate(
                INFINITE if infinite else f"{part.cross_entropy:#.3g}",
                (ends[row], row),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
            )
        self.ax_.axvline(0, color="black", linewidth=0.8)
        self.ax_.set_yticks(rows, short_names(list(self.decompositions)), parse_math=False)
        self.ax_.invert_yaxis()
        self.ax_.set_xlabel("Cross-entropy (nats)")
        self.ax_.legend(
            loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False, fontsize="small"
        )


def _shown(part):
    """Return the terms of a decomposition, what the votes' number explains apart from grouping."""
    noise = min(part.vote_noise or 0.0, part.grouping)
    return part.as_dict() | {"vote_noise": noise, "grouping": part.grouping - noise}
