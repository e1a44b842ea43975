"""Scorers: right values for every kind of classifier and target, in scikit-learn's own tools."""

import copy
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import sklearn
from numpy.testing import assert_allclose
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.feature_selection import SequentialFeatureSelector
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.metrics import brier_score_loss, log_loss, make_scorer
from sklearn.metrics import get_scorer as sklearn_get_scorer
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    StratifiedKFold,
    cross_val_score,
    cross_validate,
    learning_curve,
    validation_curve,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from sklearn_kl import KLClassifier
from sklearn_kl.metrics import (
    cross_entropy_loss,
    d2_kl_score,
    d2_kl_scorer,
    get_scorer,
    get_scorer_names,
    kl_divergence,
    neg_cross_entropy_scorer,
    neg_kl_divergence_scorer,
)

SCORERS = [neg_cross_entropy_scorer, neg_kl_divergence_scorer, d2_kl_scorer]
NAMES = ["neg_cross_entropy", "neg_kl_divergence", "d2_kl"]
CV = StratifiedKFold(3)


def metric_values(y_true, y_proba, **options):
    """Return what the three scorers should give."""
    return [
        -cross_entropy_loss(y_true, y_proba, **options),
        -kl_divergence(y_true, y_proba, **options),
        d2_kl_score(y_true, y_proba, **options),
    ]


def scores(estimator, X, y_true, **options):
    return [scorer(estimator, X, y_true, **options) for scorer in SCORERS]


class Fixed(ClassifierMixin, BaseEstimator):
    """Predicts the rows of X, whatever y was."""

    def __init__(self, classes=None):
        self.classes = classes

    def fit(self, X, y):
        self.classes_ = np.arange(X.shape[1]) if self.classes is None else np.array(self.classes)
        return self

    def predict_proba(self, X):
        return np.asarray(X)


def fixed(classes):
    return Fixed(classes).fit(np.empty((1, len(classes))), None)


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.fixture(scope="module")
def binary(iris):
    X, y = iris
    return X[50:], np.array(["no", "yes"])[y[50:] - 1]


@pytest.fixture(scope="module")
def votes(iris):
    """Votes of five annotators for 150 flowers, the iris classes and their true distribution."""
    X, y = iris
    q = LogisticRegression(C=0.1).fit(X, y).predict_proba(X)
    return np.random.default_rng(0).multinomial(5, q).astype(float)


# --- values ------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", ["iris", "binary"])
def test_labels_score_as_scikit_learns_scorers(data, request):
    X, y = request.getfixturevalue(data)
    weight = np.random.default_rng(0).uniform(size=len(y))
    model = LogisticRegression().fit(X, y)
    expected = sklearn_get_scorer("neg_log_loss")(model, X, y)
    assert neg_cross_entropy_scorer(model, X, y) == pytest.approx(expected, rel=1e-12)
    assert neg_kl_divergence_scorer(model, X, y) == pytest.approx(expected, rel=1e-12)
    expected = metric_values(y, model.predict_proba(X), sample_weight=weight)
    assert_allclose(scores(model, X, y, sample_weight=weight), expected, rtol=1e-12)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_distributions_score_as_the_metrics(iris, votes, n_classes):
    X, y_true = iris[0], votes[:, :n_classes] + 1
    model = KLClassifier().fit(X, y_true)
    expected = metric_values(y_true, model.predict_proba(X))
    for form in (y_true, sp.csr_array(y_true), pd.DataFrame(y_true)):
        assert_allclose(scores(model, X, form), expected, rtol=1e-12)


def test_two_classes_reach_a_metric_as_a_matrix():
    # scikit-learn's make_scorer hands the metric one column of the two, beside a y_true of both:
    # y_true * log(y_proba) then is an error, or a wrong number if there are two rows.
    X, y_true = np.array([[0.25, 0.75], [0.5, 0.5]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    model = fixed([0, 1])

    def written_down(y_true, y_proba):
        return -np.sum(y_true * np.log(y_proba), axis=-1).mean()

    trap = make_scorer(written_down, response_method="predict_proba", greater_is_better=False)
    right = (np.log(0.25) + np.log(0.5)) / 2
    assert trap(model, X, y_true) == pytest.approx((np.log(0.75) + np.log(0.5)) / 2)
    assert neg_cross_entropy_scorer(model, X, y_true) == pytest.approx(right)
    assert written_down(y_true, model.predict_proba(X)) == pytest.approx(-right)


def test_columns_belong_to_the_classes_of_the_model():
    # In an order that is not sorted, as some classifiers keep them.
    X, model = [[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]], fixed(["c", "a", "b"])
    expected = (np.log(0.7) + np.log(0.3)) / 2
    assert neg_cross_entropy_scorer(model, X, ["c", "b"]) == pytest.approx(expected)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_frames_are_matched_by_name(frame):
    X, model = [[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]], fixed(["c", "a", "b"])
    y_true = frame({"a": [0, 1], "b": [0, 1], "c": [2, 0]})
    expected = metric_values([[2, 0, 0], [0, 1, 1]], X)
    assert_allclose(scores(model, X, y_true), expected)
    with_unused = y_true.assign(z=0) if frame is pd.DataFrame else y_true.with_columns(z=pl.lit(0))
    assert_allclose(scores(model, X, with_unused), expected)


def test_a_frame_of_one_column_holds_labels():
    X, y = pd.DataFrame([[0.25, 0.75], [0.5, 0.5]]), pd.DataFrame({"answer": [1, 0]})
    with pytest.warns(sklearn.exceptions.DataConversionWarning, match="column-vector y_true"):
        value = neg_cross_entropy_scorer(fixed([0, 1]), X, y)
    assert value == pytest.approx((np.log(0.75) + np.log(0.5)) / 2)


def test_target_proba_replaces_labels(iris, votes):
    X, y = iris
    model = LogisticRegression().fit(X, y)
    expected = metric_values(votes, model.predict_proba(X))
    assert_allclose(scores(model, X, y, target_proba=votes), expected, rtol=1e-12)
    named = pd.DataFrame(votes)[[2, 0, 1]]
    assert_allclose(scores(model, X, y, target_proba=named), expected, rtol=1e-12)
    weight = np.arange(150.0)
    expected = metric_values(votes, model.predict_proba(X), sample_weight=weight)
    weighted = scores(model, X, y, target_proba=votes, sample_weight=weight)
    assert_allclose(weighted, expected, rtol=1e-12)


def test_a_class_that_the_test_data_lack(iris):
    X, y = iris
    model = LogisticRegression().fit(X, y)
    some = y != 1
    expected = -log_loss(y[some], model.predict_proba(X[some]), labels=[0, 1, 2])
    assert neg_cross_entropy_scorer(model, X[some], y[some]) == pytest.approx(expected)
    # make_scorer cannot tell which column is missing.
    plain = make_scorer(cross_entropy_loss, response_method="predict_proba")
    with pytest.raises(ValueError, match="2 distinct labels"):
        plain(model, X[some], y[some])


def test_a_class_that_the_training_data_lacked(iris, votes):
    X, y = iris
    model = LogisticRegression().fit(X[y != 1], y[y != 1])
    assert scores(model, X, y) == [-np.inf] * 3
    assert scores(model, X, y, target_proba=pd.DataFrame(votes)) == [-np.inf] * 3
    # Nothing is lost where the class has no mass.
    known = pd.DataFrame(votes * [1, 0, 1])
    expected = metric_values(votes[:, [0, 2]], model.predict_proba(X))
    assert_allclose(scores(model, X, known), expected, rtol=1e-12)
    unweighted = neg_cross_entropy_scorer(model, X, y, sample_weight=y != 1)
    expected = neg_cross_entropy_scorer(model, X[y != 1], y[y != 1])
    assert unweighted == pytest.approx(expected)


def test_a_model_of_one_class():
    model = DummyClassifier().fit([[0], [1]], ["a", "a"])
    assert scores(model, [[0]], ["a"]) == [0.0, 0.0, 1.0]
    assert neg_cross_entropy_scorer(model, [[0], [1]], ["a", "b"]) == -np.inf


def test_a_perfect_score_is_a_positive_zero():
    value = neg_cross_entropy_scorer(fixed([0, 1]), [[1.0, 0.0]], [0])
    assert value == 0
    assert not np.signbit(value)


def test_averages_of_float32_models_are_probabilities(iris):
    X, y = iris[0].astype(np.float32), iris[1]
    members = [("a", LogisticRegression()), ("b", GaussianNB())]
    model = VotingClassifier(members, voting="soft", weights=[0.3, 0.6]).fit(X, y)
    expected = -log_loss(y, model.predict_proba(X).astype(np.float32))
    assert neg_cross_entropy_scorer(model, X, y) == pytest.approx(expected, rel=1e-5)


# --- in scikit-learn's tools -------------------------------------------------------------------


@pytest.mark.parametrize("data", ["iris", "binary"])
def test_cross_validate(data, request):
    X, y = request.getfixturevalue(data)
    model = make_pipeline(StandardScaler(), LogisticRegression())
    scoring = {name: get_scorer(name) for name in [*NAMES, "neg_log_loss"]}
    result = cross_validate(model, X, y, cv=CV, scoring=scoring, return_train_score=True)
    for part in ("test", "train"):
        expected = result[f"{part}_neg_log_loss"]
        assert_allclose(result[f"{part}_neg_cross_entropy"], expected, rtol=1e-12)
        assert_allclose(result[f"{part}_neg_kl_divergence"], expected, rtol=1e-12)
    assert (result["test_d2_kl"] > 0.5).all()
    for name in NAMES:
        alone = cross_val_score(model, X, y, cv=CV, scoring=get_scorer(name))
        assert_allclose(alone, result[f"test_{name}"])


@pytest.mark.parametrize("n_classes", [2, 3])
def test_cross_validate_on_distributions(iris, votes, n_classes):
    X, y_true = iris[0], votes[:, :n_classes] + 1
    cv = KFold(3, shuffle=True, random_state=0)
    model = make_pipeline(StandardScaler(), KLClassifier())
    result = cross_validate(model, X, y_true, cv=cv, scoring=dict(zip(NAMES, SCORERS, strict=True)))
    for fold, (train, test) in enumerate(cv.split(X)):
        y_proba = clone(model).fit(X[train], y_true[train]).predict_proba(X[test])
        expected = metric_values(y_true[test], y_proba)
        assert_allclose([result[f"test_{name}"][fold] for name in NAMES], expected, rtol=1e-10)


def test_another_scorers_pos_label_does_not_change_ours(binary):
    X, y = binary
    brier = make_scorer(
        brier_score_loss, response_method="predict_proba", greater_is_better=False, pos_label="no"
    )
    scoring = {"first": brier, "ours": neg_cross_entropy_scorer}
    result = cross_validate(LogisticRegression(), X, y, cv=CV, scoring=scoring)
    alone = cross_val_score(LogisticRegression(), X, y, cv=CV, scoring=neg_cross_entropy_scorer)
    assert_allclose(result["test_ours"], alone)


def test_grid_search_chooses_as_with_log_loss(iris):
    X, y = iris
    model = make_pipeline(StandardScaler(), LogisticRegression())
    grid = {"logisticregression__C": [0.01, 1.0, 100.0]}
    ours = GridSearchCV(model, grid, scoring=neg_cross_entropy_scorer, cv=CV).fit(X, y)
    theirs = GridSearchCV(model, grid, scoring="neg_log_loss", cv=CV).fit(X, y)
    assert ours.best_params_ == theirs.best_params_
    mean = "mean_test_score"
    assert_allclose(ours.cv_results_[mean], theirs.cv_results_[mean], rtol=1e-10)
    assert ours.score(X, y) == pytest.approx(theirs.score(X, y))
    assert neg_cross_entropy_scorer(ours, X, y) == pytest.approx(ours.score(X, y))


def test_grid_search_with_several_scorers_on_distributions(iris, votes):
    grid, scoring = {"C": [0.01, 1.0]}, {name: get_scorer(name) for name in NAMES}
    search = GridSearchCV(KLClassifier(), grid, scoring=scoring, refit="neg_kl_divergence")
    search = clone(search).fit(iris[0], votes)
    results = search.cv_results_
    assert search.best_index_ == np.argmax(results["mean_test_neg_kl_divergence"])
    # The two differ by the entropy of the votes of a fold, which no model changes.
    gap = results["mean_test_neg_kl_divergence"] - results["mean_test_neg_cross_entropy"]
    assert gap[0] == pytest.approx(gap[1])
    assert gap[0] > 0


def test_learning_and_validation_curves(iris):
    X, y = iris
    model, options = LogisticRegression(), {"cv": CV}
    curves = []
    for scoring in (neg_cross_entropy_scorer, "neg_log_loss"):
        *_, learning = learning_curve(
            model,
            X,
            y,
            train_sizes=[60, 90],
            shuffle=True,
            random_state=0,
            scoring=scoring,
            **options,
        )
        _, validation = validation_curve(
            model, X, y, param_name="C", param_range=[0.1, 1], scoring=scoring, **options
        )
        curves.append([learning, validation])
    for ours, theirs in zip(*curves, strict=True):
        assert_allclose(ours, theirs, rtol=1e-10)


def test_permutation_importance(iris):
    X, y = iris
    model = LogisticRegression().fit(X, y)
    options = {"random_state": 0, "n_repeats": 2, "sample_weight": np.arange(150.0)}
    ours = permutation_importance(model, X, y, scoring=neg_cross_entropy_scorer, **options)
    theirs = permutation_importance(model, X, y, scoring="neg_log_loss", **options)
    assert_allclose(ours.importances, theirs.importances, rtol=1e-8)
    scoring = dict(zip(NAMES, SCORERS, strict=True))
    several = permutation_importance(model, X, y, scoring=scoring, **options)
    assert_allclose(several["neg_cross_entropy"].importances, ours.importances)
    assert (several["d2_kl"].importances_mean[2:] > 0).all()


def test_permutation_importance_on_distributions(iris, votes):
    model = KLClassifier().fit(iris[0], votes)
    result = permutation_importance(
        model, iris[0], votes, scoring=neg_kl_divergence_scorer, random_state=0, n_repeats=2
    )
    assert result.importances_mean.argmax() == 2


@pytest.mark.parametrize("data", ["iris", "binary"])
def test_calibrated_and_selected_models(data, request):
    X, y = request.getfixturevalue(data)
    calibrated = CalibratedClassifierCV(LinearSVC(), cv=2).fit(X, y)
    expected = -log_loss(y, calibrated.predict_proba(X))
    assert neg_cross_entropy_scorer(calibrated, X, y) == pytest.approx(expected)
    selector = SequentialFeatureSelector(
        LogisticRegression(),
        n_features_to_select=1,
        cv=2,
        scoring=neg_cross_entropy_scorer,
    )
    assert selector.fit(X, y).get_support()[2:].any()


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("data", ["iris", "binary"])
def test_logistic_regression_cv(data, request):
    X, y = request.getfixturevalue(data)
    options = {"Cs": [0.1, 10], "cv": CV}
    ours = LogisticRegressionCV(scoring=neg_cross_entropy_scorer, **options).fit(X, y)
    theirs = LogisticRegressionCV(scoring="neg_log_loss", **options).fit(X, y)
    assert_allclose(ours.C_, theirs.C_)
    for label, values in ours.scores_.items() if isinstance(ours.scores_, dict) else []:
        assert_allclose(values, theirs.scores_[label], rtol=1e-10)


def test_scoring_monitor(iris):
    callback = pytest.importorskip("sklearn.callback", reason="came with scikit-learn 1.9")
    for scoring in (neg_cross_entropy_scorer, {"score": neg_cross_entropy_scorer}):
        monitor, model = callback.ScoringMonitor(scoring=scoring), LogisticRegression()
        model.set_callbacks(monitor).fit(*iris)
        last = monitor.get_logs().data[-1]["score"]
        assert last == pytest.approx(neg_cross_entropy_scorer(model, *iris))


# --- metadata routing --------------------------------------------------------------------------


def test_sample_weight_is_routed(routing, iris):
    X, y = iris
    weight = np.random.default_rng(0).uniform(size=150)
    model = LogisticRegression().set_fit_request(sample_weight=False)
    ours = get_scorer("neg_cross_entropy").set_score_request(sample_weight=True)
    theirs = sklearn_get_scorer("neg_log_loss").set_score_request(sample_weight=True)
    result = cross_validate(
        model,
        X,
        y,
        cv=CV,
        scoring={"ours": ours, "theirs": theirs},
        params={"sample_weight": weight},
    )
    assert_allclose(result["test_ours"], result["test_theirs"], rtol=1e-12)
    ignoring = get_scorer("neg_cross_entropy").set_score_request(sample_weight=False)
    model.set_fit_request(sample_weight=True)
    weighted_fit = cross_validate(
        model, X, y, cv=CV, scoring=ignoring, params={"sample_weight": weight}
    )
    assert not np.allclose(weighted_fit["test_score"], result["test_ours"])


@pytest.mark.parametrize("frame", [np.asarray, pd.DataFrame, sp.csr_array])
def test_target_proba_is_routed_to_fit_and_score(routing, iris, votes, frame):
    X, y = iris
    model = KLClassifier().set_fit_request(target_proba=True)
    scoring = {
        name: get_scorer(name).set_score_request(target_proba=True, sample_weight=False)
        for name in NAMES
    }
    result = cross_validate(
        model, X, y, cv=CV, scoring=scoring, params={"target_proba": frame(votes)}
    )
    for fold, (train, test) in enumerate(CV.split(X, y)):
        y_proba = KLClassifier().fit(X[train], votes[train]).predict_proba(X[test])
        expected = metric_values(votes[test], y_proba)
        assert_allclose([result[f"test_{name}"][fold] for name in NAMES], expected, rtol=1e-6)


def test_target_proba_is_routed_through_a_grid_search(routing, iris, votes):
    scorer = get_scorer("neg_kl_divergence").set_score_request(target_proba="votes")
    search = GridSearchCV(LogisticRegression(), {"C": [0.01, 100]}, scoring=scorer, cv=CV)
    search.fit(*iris, votes=votes)
    by_labels = GridSearchCV(search.estimator, search.param_grid, scoring="neg_log_loss", cv=CV)
    assert search.best_params_ == {"C": 0.01}
    assert by_labels.fit(*iris).best_params_ == {"C": 100}
    assert search.score(*iris, votes=votes) == pytest.approx(
        -kl_divergence(votes, search.predict_proba(iris[0]))
    )


def test_a_fold_without_a_class_is_scored_by_a_frame_of_targets(routing, iris, votes):
    X, y = iris
    model = KLClassifier().set_fit_request(target_proba=True)
    scorer = get_scorer("neg_kl_divergence").set_score_request(target_proba=True)
    # Unshuffled folds: each lacks one label, but not its votes.
    options = {"cv": KFold(3), "scoring": scorer, "error_score": "raise"}
    named = pd.DataFrame(votes)
    values = cross_validate(model, X, y, params={"target_proba": named}, **options)["test_score"]
    assert np.isfinite(values).all()


def test_metadata_must_be_asked_for_or_declined(routing, iris, votes):
    model = KLClassifier().set_fit_request(target_proba=True)
    with pytest.raises(UnsetMetadataPassedError, match="target_proba"):
        cross_validate(model, *iris, scoring=get_scorer("d2_kl"), params={"target_proba": votes})


def test_score_requests_add_up_and_know_their_names(routing):
    scorer = get_scorer("d2_kl").set_score_request(sample_weight=True)
    assert scorer.set_score_request(target_proba="votes") is scorer
    requests = scorer.get_metadata_routing().score.requests
    assert requests == {"sample_weight": True, "target_proba": "votes"}
    with pytest.raises(TypeError, match=r"Unexpected args: \{'weight'\}"):
        scorer.set_score_request(weight=True)
    # The scorers of the module and other copies are untouched.
    for other in (d2_kl_scorer, get_scorer("d2_kl")):
        requests = other.get_metadata_routing().score.requests
        assert requests == {"sample_weight": None, "target_proba": None}


def test_score_requests_need_metadata_routing():
    with pytest.raises(RuntimeError, match="enable_metadata_routing=True"):
        get_scorer("d2_kl").set_score_request(sample_weight=True)


# --- as objects --------------------------------------------------------------------------------


@pytest.mark.parametrize("scorer", SCORERS)
def test_scorers_can_be_pickled_and_copied(scorer, binary):
    X, y = binary
    model = LogisticRegression().fit(X, y)
    for other in (
        pickle.loads(pickle.dumps(scorer)),
        copy.deepcopy(scorer),
        clone(scorer, safe=False),
    ):
        assert other(model, X, y) == scorer(model, X, y)
        assert repr(other) == repr(scorer)


def test_copies_keep_their_requests(routing):
    scorer = get_scorer("d2_kl").set_score_request(target_proba=True)
    search = clone(GridSearchCV(LogisticRegression(), {}, scoring=scorer))
    assert search.scoring.get_metadata_routing().score.requests["target_proba"] is True
    assert pickle.loads(pickle.dumps(scorer)).get_metadata_routing().score.requests["target_proba"]


def test_get_scorer_of_a_scorer_is_a_copy():
    with sklearn.config_context(enable_metadata_routing=True):
        copied = get_scorer(d2_kl_scorer).set_score_request(target_proba=True)
        assert copied is not d2_kl_scorer
        for scorer, expected in ((copied, True), (d2_kl_scorer, None)):
            assert scorer.get_metadata_routing().score.requests["target_proba"] is expected


@pytest.mark.parametrize("name, scorer", list(zip(NAMES, SCORERS, strict=True)))
def test_get_scorer(name, scorer):
    assert repr(scorer) == f"get_scorer({name!r})"
    assert repr(eval(repr(scorer))) == repr(scorer)
    assert get_scorer(name) is not scorer
    assert repr(get_scorer(scorer)) == repr(scorer)


def test_get_scorer_passes_other_names_on():
    assert repr(get_scorer("accuracy")) == repr(sklearn_get_scorer("accuracy"))
    assert get_scorer(None) is None
    assert set(NAMES) < set(get_scorer_names())
    assert "neg_log_loss" in get_scorer_names()
    for name in get_scorer_names():
        get_scorer(name)
    with pytest.raises(ValueError, match=r"'kl' is not a scorer .* \['neg_cross_entropy', 'neg_kl"):
        get_scorer("kl")


# --- errors ------------------------------------------------------------------------------------


def test_no_predict_proba_raises(binary):
    X, y = binary
    for model in (LinearSVC(), make_pipeline(LinearSVC())):
        model.fit(X, y)
        with pytest.raises(
            AttributeError, match=r"has no predict_proba, .* CalibratedClassifierCV"
        ):
            d2_kl_scorer(model, X, y)


def test_an_unfitted_model_raises(binary):
    with pytest.raises(NotFittedError):
        d2_kl_scorer(LogisticRegression(), *binary)


def test_a_model_of_several_outputs_raises(iris, votes):
    model = RandomForestClassifier(n_estimators=2).fit(iris[0], votes > 1)
    with pytest.raises(ValueError, match=r"RandomForestClassifier gives a list of 3 arrays"):
        d2_kl_scorer(model, iris[0], votes)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_a_multilabel_model_raises(iris, votes):
    model = MLPClassifier(max_iter=2).fit(iris[0], votes > 1)
    with pytest.raises(ValueError, match=r"predict_proba of MLPClassifier must sum .* yes-or-no"):
        d2_kl_scorer(model, iris[0], votes)


def test_a_model_without_classes_raises():
    model = Fixed()
    with pytest.raises(
        ValueError, match=r"Fixed predicts the prob.* of 2 classes, but has no class"
    ):
        d2_kl_scorer(model, [[0.5, 0.5]], [0])
    model.classes_ = [0, 1, 2]
    with pytest.raises(ValueError, match="of 2 classes, but has 3 classes_"):
        d2_kl_scorer(model, [[0.5, 0.5]], [0])


@pytest.mark.parametrize(
    "error, y_true, message",
    [
        (
            TypeError,
            ["0", "1"],
            r"classes of y_true are \['0', '1'\], but those of Fixed are \[0, 1",
        ),
        (TypeError, pd.DataFrame({"0": [1, 1], "1": [1, 1]}), r"strings and numbers never match"),
        (
            ValueError,
            [[1, 1, 1], [1, 1, 1]],
            r"y_true has 3 columns, but Fixed knows 2 .* DataFrame",
        ),
        (ValueError, pd.DataFrame({0: [1, 1], 5: [1, 1]}), r"The columns of y_true are \[.*0.*5"),
        (ValueError, [0.3, 0.4], r"Unknown label type: continuous"),
        (ValueError, [0, 1, 1], r"y_true has 3 rows, but y_proba has 2"),
        (ValueError, None, r"requires y_true to be passed"),
        (ValueError, [[0, 0], [0, 0]], r"total mass of the targets is zero"),
    ],
)
def test_targets_that_do_not_match_raise(error, y_true, message):
    with pytest.raises(error, match=message):
        d2_kl_scorer(fixed([0, 1]), [[0.5, 0.5], [0.5, 0.5]], y_true)


@pytest.mark.parametrize("target_proba", [[0.5, 0.5], [[0.5], [0.5]], [0, 1]])
def test_target_proba_must_be_a_matrix(target_proba):
    with pytest.raises(ValueError, match=r"target_proba has shape \(2,.* one column per class"):
        d2_kl_scorer(fixed([0, 1]), [[0.5, 0.5]] * 2, [0, 1], target_proba=target_proba)


def test_target_proba_without_names_must_have_every_class(iris, votes):
    X, y = iris
    model = LogisticRegression().fit(X[y != 1], y[y != 1])
    with pytest.raises(
        ValueError, match=r"target_proba has 3 columns, but LogisticRegression knows"
    ):
        d2_kl_scorer(model, X, y, target_proba=votes)


def test_unknown_metadata_raise(binary):
    model = LogisticRegression().fit(*binary)
    with pytest.raises(TypeError, match="unexpected keyword argument 'weight'"):
        d2_kl_scorer(model, *binary, weight=[1])
