"""Models by name."""

from __future__ import annotations

from typing import Any

from sklearn_kl.models._base import ParametricModel
from sklearn_kl.models._linear import LinearSoftmax
from sklearn_kl.models._low_rank import LowRankSoftmax
from sklearn_kl.models._mlp import MLPSoftmax
from sklearn_kl.models._ordinal import OrdinalSoftmax

MODELS: dict[str, type[ParametricModel]] = {
    "linear": LinearSoftmax,
    "low_rank": LowRankSoftmax,
    "mlp": MLPSoftmax,
    "ordinal": OrdinalSoftmax,
}


def make_model(model: Any, fit_intercept: bool = True) -> ParametricModel:
    """Return the model for a name, or an instance as it is.

    Parameters
    ----------
    model : str or ParametricModel
    fit_intercept : bool, default=True
        Of the model named "linear". The other names have intercepts, and an instance has options
        of its own.

    Raises
    ------
    ValueError
        For an unknown name, an object that is no model, and an intercept that cannot be left out.
    """
    if isinstance(model, str) and model == "linear":
        return LinearSoftmax(bool(fit_intercept))
    if not fit_intercept:
        raise ValueError(
            f"fit_intercept=False belongs to model='linear', and model is {model!r}. Leave "
            "fit_intercept alone; an instance has options of its own, such as "
            "LinearSoftmax(fit_intercept=False)."
        )
    if isinstance(model, str) and model in MODELS:
        return MODELS[model]()
    if hasattr(model, "bind") and not isinstance(model, type):
        return model
    raise ValueError(
        f"model must be one of {sorted(MODELS)} or an instance of a ParametricModel such as "
        f"sklearn_kl.models.MLPSoftmax(), got {model!r}."
    )
