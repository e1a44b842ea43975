"""Cross-entropy, divergences, what they are made of, scorers and displays of predictions."""

from sklearn_kl.metrics._comparison import KLComparison, compare_kl
from sklearn_kl.metrics._decomposition import (
    KLDecomposition,
    class_kl_contributions,
    kl_decomposition,
)
from sklearn_kl.metrics._divergences import (
    cross_entropy_loss,
    d2_kl_score,
    entropy,
    js_divergence,
    kl_divergence,
)
from sklearn_kl.metrics._entropy_bounds import EntropyBounds, entropy_bounds
from sklearn_kl.metrics._label_distribution import (
    canberra_distance,
    chebyshev_distance,
    clark_distance,
    cosine_similarity_score,
    intersection_similarity_score,
)
from sklearn_kl.metrics._ordered import (
    manhattan_distance,
    ranked_probability_score,
    wasserstein_distance,
)
from sklearn_kl.metrics._plot._annotators import AnnotatorConfusionDisplay
from sklearn_kl.metrics._plot._contributions import KLContributionsDisplay
from sklearn_kl.metrics._plot._decomposition import KLDecompositionDisplay
from sklearn_kl.metrics._plot._distribution import DistributionDisplay
from sklearn_kl.metrics._plot._kl_path import KLPathDisplay
from sklearn_kl.metrics._plot._reliability import ReliabilityDisplay
from sklearn_kl.metrics._scorers import (
    d2_kl_scorer,
    get_scorer,
    get_scorer_names,
    neg_cross_entropy_scorer,
    neg_kl_divergence_scorer,
)
from sklearn_kl.metrics._truth import KLToTruth, kl_to_truth
from sklearn_kl.metrics._vote_noise import DevianceTest, deviance_test, vote_noise

__all__ = [
    "AnnotatorConfusionDisplay",
    "DevianceTest",
    "DistributionDisplay",
    "EntropyBounds",
    "KLComparison",
    "KLContributionsDisplay",
    "KLDecomposition",
    "KLDecompositionDisplay",
    "KLPathDisplay",
    "KLToTruth",
    "ReliabilityDisplay",
    "canberra_distance",
    "chebyshev_distance",
    "clark_distance",
    "class_kl_contributions",
    "compare_kl",
    "cosine_similarity_score",
    "cross_entropy_loss",
    "d2_kl_score",
    "d2_kl_scorer",
    "deviance_test",
    "entropy",
    "entropy_bounds",
    "get_scorer",
    "get_scorer_names",
    "intersection_similarity_score",
    "js_divergence",
    "kl_decomposition",
    "kl_divergence",
    "kl_to_truth",
    "manhattan_distance",
    "neg_cross_entropy_scorer",
    "neg_kl_divergence_scorer",
    "ranked_probability_score",
    "vote_noise",
    "wasserstein_distance",
]
