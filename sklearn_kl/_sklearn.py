"""The only importer of private scikit-learn names, so that an upgrade has one file to check.

That guards names, not members. Two private interfaces are used besides: `_score`, `_score_func`,
`_sign`, `_kwargs` and `_response_method` of `_BaseScorer`, here and in `metrics/_scorers.py`; and
`_init_callback_context` of `CallbackSupportMixin`, in `_fit/report.py`, which does without where it
is missing.
"""

from collections.abc import Callable
from inspect import signature
from typing import Any

from sklearn.metrics import make_scorer
from sklearn.metrics._scorer import _BaseScorer
from sklearn.utils._metadata_requests import RequestMethod
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.validation import _check_sample_weight

__all__ = [
    "InvalidParameterError",
    "RequestMethod",
    "_BaseScorer",
    "_check_sample_weight",
    "scorer_of_classes",
]


def scorer_of_classes(scorer: Callable, classes: Any) -> Callable:
    """Return a scorer that knows all classes, where it judges probabilities of labels.

    scikit-learn's own take the classes from the labels that they judge, which may lack some, and
    the columns of the probabilities to be in sorted order.
    """
    if not isinstance(scorer, _BaseScorer) or scorer._response_method == "predict":
        return scorer
    if sorted(classes.tolist()) != classes.tolist():
        raise ValueError(
            f"The scorer {scorer!r} of scikit-learn takes classes to be sorted, but they are "
            f"{classes[:10].tolist()}. Use a scorer of sklearn_kl.metrics, such as "
            "'neg_cross_entropy', or one that judges predictions, such as 'accuracy'."
        )
    accepted = signature(scorer._score_func).parameters
    known = {"labels": classes}
    if len(classes) == 2:
        known["pos_label"] = classes[1]
    known = {name: value for name, value in known.items() if name in accepted}
    if not known or scorer._response_method != "predict_proba":
        return scorer
    return make_scorer(
        scorer._score_func,
        response_method="predict_proba",
        greater_is_better=scorer._sign > 0,
        **known | scorer._kwargs,
    )
