"""Display of the KL divergence by class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from sklearn_kl._data.rows import check_row_order
from sklearn_kl._typing import MatrixLike
from sklearn_kl.metrics._decomposition import class_kl_contributions
from sklearn_kl.metrics._pairs import check_pair
from sklearn_kl.metrics._plot._base import (
    INFINITE,
    beyond,
    get_axes,
    look,
    predict_named,
    set_title,
    short_names,
)
from sklearn_kl.metrics._vote_noise import mean_class_noise

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class KLContributionsDisplay:
    """Bars of what each class adds to the KL divergence from the targets, in nats.

    For counts of votes, a mark on each bar says what the class would add on average if the model
    were the truth: up to there the number of votes explains the bar.

    Parameters
    ----------
    contributions : ndarray of shape (n_classes,)
        Contribution of every class, nats, as of `class_kl_contributions`.
    classes : ndarray of shape (n_classes,)
        The classes.
    vote_noise : ndarray of shape (n_classes,), default=None
        What the number of votes explains of every contribution, nats; None for no votes.
    estimator_name : str, default=None
        Name of the model, which titles the axes.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure of the axes.
    bars_ : matplotlib BarContainer
        The bars, the first class on top. One that is infinite is hatched, and longer than all
        others.
    noise_ : matplotlib PathCollection or None
        The marks of the noise of votes.

    See Also
    --------
    class_kl_contributions : The numbers.

    Examples
    --------
    >>> from sklearn_kl.metrics import KLContributionsDisplay
    >>> votes = [[2, 1, 1], [0, 3, 1]]
    >>> proba = [[0.4, 0.3, 0.3], [0.1, 0.7, 0.2]]
    >>> display = KLContributionsDisplay.from_predictions(votes, proba, labels=["a", "b", "c"])
    >>> len(display.bars_)
    3
    """

    def __init__(
        self,
        contributions: np.ndarray,
        *,
        classes: np.ndarray,
        vote_noise: Any = None,
        estimator_name: str | None = None,
    ):
        self.contributions = contributions
        self.classes = classes
        self.vote_noise = vote_noise
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: MatrixLike,
        y: MatrixLike,
        *,
        sample_weight: ArrayLike | None = None,
        name: str | None = None,
        sort: bool = False,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the contributions for a fitted classifier.

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
        name : str, default=None
            Name of the model; None takes that of its class.
        sort : bool, default=False
            Whether the largest contribution comes first.
        ax : matplotlib Axes, default=None
            Axes to draw into; None makes a figure.
        **kwargs : dict
            Passed to the bars.

        Returns
        -------
        KLContributionsDisplay
            The display, drawn.
        """
        check_row_order(X=X, y=y)
        prediction, name = predict_named(estimator, X, name)
        return cls.from_predictions(
            y,
            prediction.proba,
            sample_weight=sample_weight,
            labels=prediction.classes,
            name=name,
            sort=sort,
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
        name: str | None = None,
        sort: bool = False,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the contributions for predictions.

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
        name : str, default=None
            Name of the model.
        sort : bool, default=False
            Whether the largest contribution comes first.
        ax : matplotlib Axes, default=None
            Axes to draw into; None makes a figure.
        **kwargs : dict
            Passed to the bars.

        Returns
        -------
        KLContributionsDisplay
            The display, drawn.
        """
        targets, proba = check_pair(y_true, y_proba, labels, sample_weight)
        contributions = class_kl_contributions(
            y_true, y_proba, sample_weight=sample_weight, labels=labels
        )
        classes, noise = targets.classes, mean_class_noise(y_true, targets, proba)
        if sort:
            order = np.argsort(-contributions, kind="stable")
            contributions, classes = contributions[order], classes[order]
            noise = None if noise is None else noise[order]
        display = cls(contributions, classes=classes, vote_noise=noise, estimator_name=name)
        return display.plot(ax=ax, **kwargs)

    def plot(self, *, ax: Axes | None = None, **kwargs: Any) -> Self:
        """Draw a bar for each class.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw into; None makes a figure.
        **kwargs : dict
            Passed to the bars.

        Returns
        -------
        KLContributionsDisplay
            This display.
        """
        names = short_names(self.classes)
        self.ax_, self.figure_ = get_axes(ax, self, height=1.2 + 0.22 * len(names))
        rows = np.arange(len(names))
        infinite = np.isinf(self.contributions)
        widths = np.where(infinite, beyond(self.contributions), self.contributions)
        options = {"color": look(0).color, "height": 0.7} | kwargs
        self.bars_ = self.ax_.barh(rows, widths, **options)
        for bar, endless in zip(self.bars_, infinite, strict=True):
            bar.set_hatch("//" if endless else None)
        numbers = [INFINITE if np.isinf(each) else f"{each:#.3g}" for each in self.contributions]
        self.ax_.bar_label(self.bars_, numbers, padding=3, fontsize="small")
        self.noise_ = None
        if self.vote_noise is not None:
            self.noise_ = self.ax_.scatter(
                self.vote_noise,
                rows,
                marker="|",
                s=250,
                color="black",
                zorder=3,
            )
        self.ax_.margins(x=0.12)
        small = {"fontsize": "small"} if len(names) > 15 else {}
        self.ax_.set_yticks(rows, names, parse_math=False, **small)
        self.ax_.set_ylim(len(names) - 0.4, -0.6)
        self.ax_.set(xlabel="Contribution to the KL divergence (nats)", ylabel="Class")
        set_title(self.ax_, self._title())
        return self

    def _title(self):
        source = "targets" if self.noise_ is None else "votes"
        title = f"KL divergence from the {source} {np.sum(self.contributions):.3g} nats"
        if self.estimator_name is not None:
            title = f"{self.estimator_name}: {title}"
        if self.noise_ is not None:
            title += f"\nmarks: what their number explains, {np.sum(self.vote_noise):.3g}"
        return title
