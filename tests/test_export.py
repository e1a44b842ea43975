"""The exported LogisticRegression predicts what the classifier predicts, in and out of ONNX."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer, log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kl import KLClassifier
from sklearn_kl._export import to_logistic_regression
from sklearn_kl.datasets import make_soft_classification
from sklearn_kl.models import LinearSoftmax


def votes_of(n_classes, **params):
    return make_soft_classification(200, 5, n_classes, n_votes=5, random_state=0, **params)[:2]


@pytest.mark.parametrize("n_classes", [2, 3, 6])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_same_probabilities(n_classes, fit_intercept):
    X, votes = votes_of(n_classes)
    clf = KLClassifier(C=10, fit_intercept=fit_intercept).fit(X, votes)
    model = to_logistic_regression(clf)
    assert isinstance(model, LogisticRegression)
    assert_allclose(model.predict_proba(X), clf.predict_proba(X), rtol=0, atol=1e-12)
    assert_array_equal(model.predict(X), clf.predict(X))
    assert_allclose(model.decision_function(X), clf.decision_function(X), rtol=1e-12, atol=1e-12)
    assert model.n_features_in_ == 5
    assert model.n_iter_.tolist() == [clf.n_iter_]


def test_string_labels():
    X, votes = votes_of(3)
    y = np.array(["no", "maybe", "yes"])[votes.argmax(axis=1)]
    clf = KLClassifier().fit(X, y)
    model = to_logistic_regression(clf)
    assert_array_equal(model.classes_, ["maybe", "no", "yes"])
    assert_allclose(model.predict_proba(X), clf.predict_proba(X), rtol=0, atol=1e-12)
    assert_array_equal(model.predict(X), clf.predict(X))


@pytest.mark.parametrize("names", [["no", "yes"], ["yes", "no"], ["low", "medium", "high"]])
def test_classes_are_sorted_so_that_scorers_read_the_right_columns(names):
    X, votes = votes_of(len(names))
    clf = KLClassifier().fit(X, pd.DataFrame(votes, columns=names))
    model = to_logistic_regression(clf)
    assert model.classes_.tolist() == sorted(names)
    assert clf.classes_.tolist() == names
    expected = pd.DataFrame(clf.predict_proba(X), columns=clf.classes_)[sorted(names)]
    assert_allclose(model.predict_proba(X), expected, rtol=0, atol=1e-12)
    assert_array_equal(model.predict(X), clf.predict(X))
    y = clf.predict(X)
    loss = log_loss(y, expected.to_numpy(), labels=sorted(names))
    assert get_scorer("neg_log_loss")(model, X, y) == pytest.approx(-loss)


def test_feature_names_are_kept():
    X, votes = votes_of(3)
    frame = pd.DataFrame(X, columns=list("abcde"))
    model = to_logistic_regression(KLClassifier().fit(frame, votes))
    assert model.feature_names_in_.tolist() == list("abcde")
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame.rename(columns={"a": "z"}))


def test_export_shares_no_memory_with_the_classifier():
    X, votes = votes_of(2)
    clf = KLClassifier().fit(X, votes)
    before = clf.predict_proba(X)
    model = to_logistic_regression(clf)
    model.coef_[:] = 0
    model.intercept_[:] = 0
    model.classes_[:] = 7
    assert_array_equal(clf.predict_proba(X), before)
    assert clf.classes_.tolist() == [0, 1]


def test_clone_refits_the_same_model_on_labels():
    X, votes = votes_of(3)
    y = votes.argmax(axis=1)
    clf = KLClassifier(C=0.1, class_weight="balanced", tol=1e-12).fit(X, y)
    refit = clone(to_logistic_regression(clf)).set_params(tol=1e-8).fit(X, y)
    assert_allclose(refit.predict_proba(X), clf.predict_proba(X), atol=1e-5)


def test_float32_is_kept():
    X, votes = votes_of(3)
    X = X.astype(np.float32)
    clf = KLClassifier().fit(X, votes)
    model = to_logistic_regression(clf)
    assert model.coef_.dtype == np.float32
    assert_allclose(model.predict_proba(X), clf.predict_proba(X), atol=1e-6)


def test_what_has_no_coefficients_is_refused():
    X, votes = votes_of(3)
    pipeline = make_pipeline(StandardScaler(), KLClassifier()).fit(X, votes)
    with pytest.raises(TypeError, match="For a pipeline, pass its last step"):
        to_logistic_regression(pipeline)


@pytest.mark.parametrize("names", [["no", "yes"], ["low", "medium", "high"]])
@pytest.mark.parametrize("in_pipeline", [False, True])
def test_round_trip_through_onnx(names, in_pipeline):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        skl2onnx = pytest.importorskip("skl2onnx", reason="skl2onnx is in the extra dev")
        runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is in the extra dev")
    X, votes = votes_of(len(names))
    X = X.astype(np.float32)
    Z = StandardScaler().fit_transform(X) if in_pipeline else X
    clf = KLClassifier().fit(Z, pd.DataFrame(votes, columns=names))
    model = to_logistic_regression(clf)
    if in_pipeline:
        model = make_pipeline(StandardScaler().fit(X), model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = skl2onnx.to_onnx(model, X[:1], options={"zipmap": False})
        session = runtime.InferenceSession(
            graph.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        labels, proba = session.run(None, {session.get_inputs()[0].name: X})
    assert_allclose(proba, model.predict_proba(X), atol=1e-5)
    assert_array_equal(labels, model.predict(X))


def test_the_intercept_is_that_of_the_model():
    X, votes = votes_of(3)
    clf = KLClassifier(LinearSoftmax(fit_intercept=False)).fit(X, votes)
    assert clf.to_logistic_regression().fit_intercept is False
    assert KLClassifier("low_rank").fit(X, votes).to_logistic_regression().fit_intercept is True


def test_method_of_the_classifier():
    X, counts, _ = make_soft_classification(60, 3, 3, random_state=0)
    clf = KLClassifier().fit(X, counts)
    model = clf.to_logistic_regression()
    assert_allclose(model.predict_proba(X), clf.predict_proba(X), rtol=0, atol=1e-12)
    with pytest.raises(NotFittedError):
        KLClassifier().to_logistic_regression()
