"""What the displays share: matplotlib, colours, names and predictions."""

from dataclasses import dataclass

import numpy as np

from sklearn_kl.metrics._scorers import predict

# Okabe and Ito (2008): distinct for all common forms of colour blindness. Its yellow is left out,
# which is too faint on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
TARGET_COLOR, PREDICTED_COLOR, FLOOR_COLOR = COLORS[0], COLORS[1], "#595959"


@dataclass(frozen=True, eq=False)
class Look:
    """Colour, marker and line of one of several series."""

    color: str
    marker: str
    linestyle: str


def look(position):
    """Return the Look of a series; no two of the first 28 are the same."""
    lines = ("-", "--", "-.", ":")
    return Look(
        COLORS[position % len(COLORS)],
        MARKERS[position % len(MARKERS)],
        lines[position // len(COLORS) % len(lines)],
    )


def get_axes(ax, display):
    """Return the axes to draw into and their figure, made if there are none.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    pyplot = import_pyplot(display)
    if ax is None:
        _, ax = pyplot.subplots(layout="constrained")
    return ax, ax.figure


def import_pyplot(display):
    """Import matplotlib.pyplot, or say how to install it."""
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(
            f'{type(display).__name__} needs matplotlib: pip install "sklearn-kl[plot]".'
        ) from error
    return pyplot


def predict_named(estimator, X, name=None):
    """Return the Prediction of a fitted classifier and what to call it."""
    return predict(estimator, X), type(estimator).__name__ if name is None else name


def class_names(targets_or_labels):
    """Return the names of classes as text."""
    return [str(label) for label in np.asarray(targets_or_labels).tolist()]
