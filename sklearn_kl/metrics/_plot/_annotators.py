"""Display of the confusion matrices of annotators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from sklearn_kl._numbers import check_whole
from sklearn_kl.metrics._plot._base import get_panels, short_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Dark text is read up to this share, light text above it.
_DARK = 0.6
_PANELS_IN_A_LINE = 4


class AnnotatorConfusionDisplay:
    """A panel for every annotator: how often they say what (columns) by hidden class (rows).

    Every panel has the number of votes that its matrix rests on: with few votes it is mostly the
    prior's.

    Parameters
    ----------
    confusion : ndarray of shape (n_annotators, n_classes, n_classes)
        Probability of every vote (last) given the hidden class.
    classes : array-like of shape (n_classes,)
        The classes.
    annotators : array-like of shape (n_annotators,)
        Names of the annotators.
    n_votes : array-like of shape (n_annotators,)
        Number of votes of every annotator.
    estimator_name : str, default=None
        Name of the model, which titles the figure.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        A panel for every annotator.
    figure_ : matplotlib Figure
        The figure of the axes.
    images_ : list of matplotlib AxesImage
        The matrices as drawn.

    See Also
    --------
    sklearn_kl.AnnotatorClassifier : Estimates the matrices.

    Examples
    --------
    >>> from sklearn_kl.metrics import AnnotatorConfusionDisplay
    >>> display = AnnotatorConfusionDisplay(
    ...     [[[0.9, 0.1], [0.2, 0.8]]], classes=["no", "yes"], annotators=["Ann"], n_votes=[120]
    ... ).plot()
    >>> display.axes_[0].get_title()
    'Ann (120 votes)'
    """

    def __init__(
        self,
        confusion: ArrayLike,
        *,
        classes: ArrayLike,
        annotators: ArrayLike,
        n_votes: ArrayLike,
        estimator_name: str | None = None,
    ) -> None:
        self.confusion = confusion
        self.classes = classes
        self.annotators = annotators
        self.n_votes = n_votes
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        annotators: int | ArrayLike = 8,
        name: str | None = None,
        ax: Axes | ArrayLike | None = None,
        **kwargs: Any,
    ) -> AnnotatorConfusionDisplay:
        """Draw the matrices that a classifier has estimated.

        Parameters
        ----------
        estimator : AnnotatorClassifier
            Fitted.
        annotators : int or array-like, default=8
            Which annotators to show: names, in this order, or how many, the one with the most votes
            first.
        name : str, default=None
            Name of the model; None takes that of its class.
        ax : matplotlib Axes or array of Axes, default=None
            Axes to draw into, one for each annotator; None makes a figure.
        **kwargs : dict
            Passed to ``imshow``.

        Returns
        -------
        AnnotatorConfusionDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the model of the votes is "equal", which estimates no matrices, or a name is not that
            of an annotator.
        """
        check_is_fitted(estimator, "confusion_")
        if estimator.annotators_ == "equal":
            raise ValueError(
                'The model of the votes is "equal": it takes every vote at its word, and knows '
                'nothing of the annotators. Fit with annotators="confusion" to see their matrices.'
            )
        place = _places(estimator, annotators)
        display = cls(
            estimator.confusion_[place],
            classes=estimator.classes_,
            annotators=estimator.annotator_names_[place],
            n_votes=estimator.n_votes_[place],
            estimator_name=type(estimator).__name__ if name is None else name,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(
        self, *, ax: Axes | ArrayLike | None = None, **kwargs: Any
    ) -> AnnotatorConfusionDisplay:
        """Draw a panel for each annotator.

        Parameters
        ----------
        ax : matplotlib Axes or array of Axes, default=None
            Axes to draw into, one for each annotator; None makes a figure.
        **kwargs : dict
            Passed to ``imshow``.

        Returns
        -------
        AnnotatorConfusionDisplay
            This display.

        Raises
        ------
        ValueError
            If `ax` is not one for each annotator.
        """
        names = short_names(self.annotators)
        side = 1.3 + 0.35 * min(len(np.asarray(self.classes)), 10)
        self.axes_ = get_panels(
            ax,
            len(names),
            self,
            what="annotators",
            n_columns=_PANELS_IN_A_LINE,
            size=(side, side + 0.2),
        )
        self.figure_ = self.axes_[0].figure
        self.images_ = []
        numbers = np.asarray(self.n_votes).tolist()
        for panel, matrix, person, n_votes in zip(
            self.axes_, np.asarray(self.confusion), names, numbers, strict=True
        ):
            self.images_.append(_draw_matrix(panel, matrix, short_names(self.classes), kwargs))
            title = f"{person} ({n_votes} vote{'' if n_votes == 1 else 's'})"
            panel.set_title(title, fontsize=10, parse_math=False)
        self._label(whole_figure=ax is None)
        return self

    def _label(self, *, whole_figure):
        """Name the axes: once in a figure of our own, of others' at the first and last panel."""
        said, hidden = "What the annotator says", "Hidden class"
        if whole_figure:
            self.figure_.supxlabel(said, fontsize="medium")
            self.figure_.supylabel(hidden, fontsize="medium")
            if self.estimator_name is not None:
                self.figure_.suptitle(self.estimator_name, parse_math=False)
        else:
            self.axes_[0].set_ylabel(hidden)
            self.axes_[-1].set_xlabel(said)


def _places(estimator, annotators):
    """Return the positions of the annotators to show."""
    if np.ndim(annotators) == 0 and not isinstance(annotators, str):
        n_shown = check_whole(annotators, "annotators")
        return np.argsort(-estimator.n_votes_, kind="stable")[:n_shown]
    known = estimator.annotator_names_.tolist()
    wanted = [annotators] if isinstance(annotators, str) else np.asarray(annotators).tolist()
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        raise ValueError(
            f"annotators has {unknown[:10]}, which are not among the annotators {known[:10]}."
        )
    return np.array([known.index(name) for name in wanted])


def _draw_matrix(panel, matrix, names, kwargs):
    """Draw a matrix of shares, with numbers where they can be read."""
    image = panel.imshow(matrix, **({"vmin": 0.0, "vmax": 1.0, "cmap": "Blues"} | kwargs))
    place = np.arange(len(names))
    if len(names) <= 6:
        for row in place:
            for column in place:
                share = matrix[row, column]
                shade = "white" if share > _DARK else "black"
                panel.text(
                    column, row, f"{share:.2f}", ha="center", va="center", color=shade, fontsize=8
                )
    slanted = max(map(len, names)) > 3
    options = {"rotation": 45, "ha": "right"} if slanted else {}
    panel.set_xticks(place, names, parse_math=False, **options)
    panel.set_yticks(place, names, parse_math=False)
    return image
