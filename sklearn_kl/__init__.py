"""Train and judge probabilistic classifiers on label distributions."""

from sklearn_kl._annotators.classifier import AnnotatorClassifier
from sklearn_kl._annotators.votes import AnnotatorVotes
from sklearn_kl._classifier import KLClassifier
from sklearn_kl._classifier_cv import KLClassifierCV
from sklearn_kl._inference.inference import KLInference
from sklearn_kl._temperature import TemperatureScaler

__version__ = "0.1.0"

__all__ = [
    "AnnotatorClassifier",
    "AnnotatorVotes",
    "KLClassifier",
    "KLClassifierCV",
    "KLInference",
    "TemperatureScaler",
]
