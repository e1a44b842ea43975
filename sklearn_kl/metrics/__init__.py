"""Cross-entropy, entropy and divergences of predicted probabilities, and scorers made of them."""

from sklearn_kl.metrics._divergences import (
    cross_entropy_loss,
    d2_kl_score,
    entropy,
    js_divergence,
    kl_divergence,
)
from sklearn_kl.metrics._scorers import (
    d2_kl_scorer,
    get_scorer,
    get_scorer_names,
    neg_cross_entropy_scorer,
    neg_kl_divergence_scorer,
)

__all__ = [
    "cross_entropy_loss",
    "d2_kl_score",
    "d2_kl_scorer",
    "entropy",
    "get_scorer",
    "get_scorer_names",
    "js_divergence",
    "kl_divergence",
    "neg_cross_entropy_scorer",
    "neg_kl_divergence_scorer",
]
