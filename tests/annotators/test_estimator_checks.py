"""scikit-learn's own checks, where the labels are those of one annotator."""

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_kl import AnnotatorClassifier, KLClassifier

ESTIMATORS = [
    AnnotatorClassifier(),
    AnnotatorClassifier(KLClassifier(C=10.0), annotators="confusion", tol=1e-3),
    AnnotatorClassifier(annotators="one-coin", smoothing=2.0, tol=1e-3),
    AnnotatorClassifier(LogisticRegression(max_iter=1000), annotators="equal"),
    AnnotatorClassifier(make_pipeline(KLClassifier())),
]


@parametrize_with_checks(ESTIMATORS)
def test_estimator_check(estimator, check):
    check(estimator)
