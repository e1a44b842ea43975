"""What the displays share: matplotlib, colours, names and predictions."""

from dataclasses import dataclass
from textwrap import fill
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_kl.metrics._scorers import Prediction, predict

# Okabe and Ito (2008): distinct for all common forms of colour blindness. Its yellow is left out,
# which is too faint on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INFINITE = "\N{RIGHTWARDS ARROW} \N{INFINITY}"
# Names of a legend that a picture has room for.
MOST_NAMES = 14
# Inches. Names and legends need the smallest; more than the tallest no screen shows.
_SMALLEST, _TALLEST = (4.8, 3.6), 40.0
TARGET_COLOR, PREDICTED_COLOR, FLOOR_COLOR = COLORS[0], COLORS[1], "#595959"


@dataclass(frozen=True, eq=False)
class Look:
    """Colour, marker and line of one of several series."""

    color: str
    marker: str
    linestyle: str


def look(position: int) -> Look:
    """Return the Look of a series; no two of the first 28 are the same."""
    lines = ("-", "--", "-.", ":")
    return Look(
        COLORS[position % len(COLORS)],
        MARKERS[position % len(MARKERS)],
        lines[position // len(COLORS) % len(lines)],
    )


def get_axes(ax: Any, display: object, *, height: float | None = None) -> tuple[Any, Any]:
    """Return the axes to draw into and their figure, made if there are none.

    Parameters
    ----------
    ax : matplotlib Axes or None
        Axes of the caller.
    display : object
        Whom an error message is about.
    height : float, default=None
        Inches that a figure of its own should have, if more than usual.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    pyplot = import_pyplot(display)
    if ax is None:
        width, usual = np.maximum(pyplot.rcParams["figure.figsize"], _SMALLEST)
        size = (width, max(usual, min(height or 0.0, _TALLEST)))
        _, ax = pyplot.subplots(figsize=size, layout="constrained")
    return ax, ax.figure


def get_panels(
    ax: Any,
    n_panels: int,
    display: object,
    *,
    what: str,
    n_columns: int,
    size: tuple[float, float],
    names_height: float = 0.3,
) -> NDArray:
    """Return an axes for each of several panels, made if there are none.

    Parameters
    ----------
    ax : matplotlib Axes, array of them, or None
        Axes of the caller, one for each panel.
    n_panels : int
    display : object
        Whom an error message is about.
    what : str
        What has a panel of its own, for an error message.
    n_columns : int
        Panels side by side in a figure of its own.
    size : tuple of (float, float)
        Inches of a panel.
    names_height : float, default=0.3
        Inches that the names below the lowest panels take.

    Returns
    -------
    ndarray of shape (n_panels,) of matplotlib Axes
    """
    pyplot = import_pyplot(display)
    if ax is not None:
        axes = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
        if len(axes) != n_panels:
            raise ValueError(
                f"ax has {len(axes)} axes, but {n_panels} {what} are shown: pass one for each."
            )
        return axes
    n_columns = min(n_panels, n_columns)
    n_lines = -(-n_panels // n_columns)
    # All panels of a figure are of one height, so that names between them cost a line each.
    n_named = 1 if n_panels % n_columns == 0 else 2
    figure, grid = pyplot.subplots(
        n_lines,
        n_columns,
        sharex=True,
        sharey=True,
        squeeze=False,
        figsize=(size[0] * n_columns, 0.3 + names_height * n_named + size[1] * n_lines),
        layout="constrained",
    )
    for unused in grid.ravel()[n_panels:]:
        figure.delaxes(unused)
    # Panels above an empty place have the last labels of their column.
    for panel in grid.ravel()[max(n_panels - n_columns, 0) : n_panels]:
        panel.xaxis.set_tick_params(labelbottom=True)
    return grid.ravel()[:n_panels]


def import_pyplot(display: object) -> Any:
    """Import matplotlib.pyplot, or say how to install it."""
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(
            f'{type(display).__name__} needs matplotlib: pip install "sklearn-kl[plot]".'
        ) from error
    return pyplot


def predict_named(estimator: Any, X: Any, name: str | None = None) -> tuple[Prediction, str]:
    """Return the Prediction of a fitted classifier and what to call it."""
    return predict(estimator, X), type(estimator).__name__ if name is None else name


def short_names(labels: Any, longest: int = 24) -> list[str]:
    """Return names of classes or models that fit into a picture, and differ as the labels do."""
    labels = labels.tolist() if hasattr(labels, "tolist") else list(labels)
    names = [_cut(" ".join(str(label).split()), longest) for label in labels]
    return [
        f"{name} #{position}" if names.count(name) > 1 else name
        for position, name in enumerate(names, start=1)
    ]


def _cut(name: str, longest: int) -> str:
    """Return a name without its middle, if it is long: ends are what tells names apart."""
    if len(name) <= longest:
        return name
    tail = longest // 3
    return f"{name[: longest - tail - 1]}\N{HORIZONTAL ELLIPSIS}{name[-tail:]}"


def set_title(ax: Any, title: str | None, **options: Any) -> None:
    """Title the axes by text as it is, broken into lines that fit."""
    if title is not None:
        width = max(16, int(13 * ax.get_window_extent().width / ax.figure.dpi))
        lines = [fill(line, width, max_lines=3) for line in title.splitlines()]
        ax.set_title("\n".join(lines), parse_math=False, **options)


def draw_legend(ax: Any, handles: list, names: list[str], **options: Any) -> Any:
    """Draw a legend of the names as they are, of the first ones if there are too many.

    matplotlib hides names that begin with an underscore and reads dollars as mathematics, which
    names of classes may have.
    """
    n_left = len(names) - MOST_NAMES
    if n_left > 0:
        handles = [*handles[:MOST_NAMES], ax.plot([], [], linestyle="none")[0]]
        names = [*names[:MOST_NAMES], f"and {n_left} more"]
    legend = ax.legend(handles, [str(number) for number in range(len(names))], **options)
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set(parse_math=False, text=name)
    return legend


def beyond(values: NDArray) -> float:
    """Return a number that is greater than all finite ones, at which to draw infinity."""
    finite = np.abs(values[np.isfinite(values)])
    return 1.25 * float(finite.max(initial=0.0)) or 1.0
