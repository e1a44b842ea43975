"""What scikit-learn's tools do with a matrix of targets: every row of doc/scikit_learn_tools.md."""

import pickle
from functools import partial

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn.model_selection
from sklearn import clone, config_context
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import RFECV, SelectFromModel, SequentialFeatureSelector
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    RandomizedSearchCV,
    StratifiedKFold,
    check_cv,
    cross_validate,
    learning_curve,
    validation_curve,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_kl import KLClassifier, KLClassifierCV, TemperatureScaler
from sklearn_kl.datasets import make_soft_classification
from sklearn_kl.labels import ReplicatedRows
from sklearn_kl.metrics import get_scorer, neg_cross_entropy_scorer
from sklearn_kl.model_selection import SoftStratifiedKFold, cross_val_predict

X, VOTES, Y = make_soft_classification(150, 5, 3, random_state=0)
NAMES = np.array(["a", "b", "c"])
CODES = Y.argmax(axis=1)
LABELS = NAMES[CODES]
FRAME = pd.DataFrame(Y, columns=NAMES)
FOLDS = SoftStratifiedKFold(3)
GRID = {"C": [0.1, 1.0]}
SEARCHES = {
    "GridSearchCV": partial(GridSearchCV, param_grid=GRID),
    "RandomizedSearchCV": partial(RandomizedSearchCV, param_distributions=GRID, n_iter=2),
    "HalvingGridSearchCV": partial(
        HalvingGridSearchCV, param_grid=GRID, resource="max_iter", max_resources=200
    ),
}


def score_by_hand(model, splits, columns=slice(None)):
    """Return the negative cross-entropy of every fold."""
    data = X[:, columns]
    return [
        neg_cross_entropy_scorer(clone(model).fit(data[train], Y[train]), data[test], Y[test])
        for train, test in splits
    ]


@pytest.fixture
def routed():
    """Return a model and a scorer that ask for target_proba, with metadata routing enabled."""
    with config_context(enable_metadata_routing=True):
        model = KLClassifier().set_fit_request(target_proba=True)
        yield model, get_scorer("neg_cross_entropy").set_score_request(target_proba=True)


def label_folds():
    return StratifiedKFold(3).split(X, LABELS)


# --- folds -----------------------------------------------------------------------------------


def test_a_number_of_folds_means_unshuffled_kfold_for_a_matrix():
    assert isinstance(check_cv(5, Y, classifier=True), KFold)
    order = np.argsort(CODES, kind="stable")
    one_hot = np.eye(3)[CODES[order]]
    arguments = {"estimator": KLClassifier(), "X": X[order], "y": one_hot}
    arguments["scoring"] = neg_cross_entropy_scorer
    theirs = cross_validate(**arguments, cv=3)["test_score"].mean()
    ours = cross_validate(**arguments, cv=SoftStratifiedKFold(3))["test_score"].mean()
    shuffled = KFold(3, shuffle=True, random_state=0)
    expected = cross_validate(**arguments, cv=shuffled)["test_score"].mean()
    assert abs(ours - expected) < 0.05
    assert theirs < expected - 1.0


def test_cross_validate():
    result = cross_validate(KLClassifier(), X, Y, cv=FOLDS, scoring=neg_cross_entropy_scorer)
    expected = score_by_hand(KLClassifier(), FOLDS.split(X, Y))
    np.testing.assert_allclose(result["test_score"], expected, rtol=1e-12)


def test_cross_validate_by_metadata(routed):
    model, scorer = routed
    params = {"target_proba": FRAME}
    result = cross_validate(model, X, LABELS, cv=3, scoring=scorer, params=params)
    expected = score_by_hand(KLClassifier(), label_folds())
    np.testing.assert_allclose(result["test_score"], expected, rtol=1e-9)


# --- searches --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SEARCHES)
def test_searches(name):
    search = SEARCHES[name](KLClassifier(), cv=FOLDS, scoring=neg_cross_entropy_scorer)
    search.fit(X, Y)
    means = [np.mean(score_by_hand(KLClassifier(C=C), FOLDS.split(X, Y))) for C in GRID["C"]]
    assert search.best_params_["C"] == GRID["C"][np.argmax(means)]
    assert search.score(X, Y) == neg_cross_entropy_scorer(search.best_estimator_, X, Y)


def test_scorers_of_this_package_are_passed_as_objects():
    assert KLClassifierCV(Cs=[1.0], scoring="neg_kl_divergence").fit(X, Y).C_ == 1.0
    with pytest.raises(ValueError, match="must be a str among"):
        GridSearchCV(KLClassifier(), GRID, scoring="neg_kl_divergence").fit(X, LABELS)
    scoring = get_scorer("neg_kl_divergence")
    assert GridSearchCV(KLClassifier(), GRID, scoring=scoring, cv=FOLDS).fit(X, Y).best_score_ < 0


@pytest.mark.parametrize("name", SEARCHES)
def test_searches_by_metadata(name, routed):
    model, scorer = routed
    search = SEARCHES[name](model, cv=3, scoring=scorer).fit(X, LABELS, target_proba=FRAME)
    means = [np.mean(score_by_hand(KLClassifier(C=C), label_folds())) for C in GRID["C"]]
    assert search.best_params_["C"] == GRID["C"][np.argmax(means)]
    assert search.classes_.tolist() == NAMES.tolist()
    direct = KLClassifier(**search.best_params_).fit(X, Y)
    np.testing.assert_allclose(search.predict_proba(X), direct.predict_proba(X), atol=1e-10)


def test_halving_over_samples_needs_labels(routed):
    arguments = {"param_grid": GRID, "cv": FOLDS}
    search = HalvingGridSearchCV(KLClassifier(), **arguments, scoring=neg_cross_entropy_scorer)
    with pytest.raises(ValueError, match="y should be a 1d array"):
        search.fit(X, Y)
    model, scorer = routed
    search = HalvingGridSearchCV(model, param_grid=GRID, cv=3, scoring=scorer)
    assert search.fit(X, LABELS, target_proba=FRAME).best_params_["C"] in GRID["C"]


def test_klclassifiercv_splits_a_matrix_well_by_itself():
    assert KLClassifierCV(Cs=GRID["C"], cv=3).fit(X, Y).C_ == 1.0


# --- curves ----------------------------------------------------------------------------------


def test_curves():
    arguments = {"X": X, "y": Y, "cv": FOLDS, "scoring": neg_cross_entropy_scorer}
    sizes, _, by_size = learning_curve(KLClassifier(), **arguments, train_sizes=[0.5, 1.0])
    expected = score_by_hand(KLClassifier(), FOLDS.split(X, Y))
    assert sizes.tolist() == [50, 100]
    np.testing.assert_allclose(by_size[-1], expected, rtol=1e-12)
    _, by_C = validation_curve(KLClassifier(), **arguments, param_name="C", param_range=GRID["C"])
    np.testing.assert_allclose(by_C[1], expected, rtol=1e-12)


def test_curves_by_metadata(routed):
    model, scorer = routed
    arguments = {"X": X, "y": LABELS, "cv": 3, "scoring": scorer}
    arguments["params"] = {"target_proba": FRAME}
    expected = score_by_hand(KLClassifier(), label_folds())
    _, _, by_size = learning_curve(
        model, **arguments, train_sizes=[1.0], shuffle=True, random_state=0
    )
    np.testing.assert_allclose(by_size[0], expected, atol=1e-4)
    _, by_C = validation_curve(model, **arguments, param_name="C", param_range=[1.0])
    np.testing.assert_allclose(by_C[0], expected, rtol=1e-9)


# --- features --------------------------------------------------------------------------------


def test_permutation_importance():
    data = np.column_stack([X, np.zeros(150)])
    arguments = {"scoring": neg_cross_entropy_scorer, "n_repeats": 2, "random_state": 0}
    direct = permutation_importance(KLClassifier().fit(data, Y), data, Y, **arguments)
    assert (direct.importances_mean[:5] > 0).all()
    assert direct.importances_mean[5] == 0
    model = KLClassifier().fit(data, LABELS, target_proba=FRAME)
    routed = permutation_importance(model, data, FRAME, **arguments)
    np.testing.assert_allclose(routed.importances_mean, direct.importances_mean, atol=1e-9)


def test_feature_elimination_and_selection():
    noisy = np.column_stack([X, np.random.default_rng(0).normal(size=(150, 3))])
    arguments = {"cv": FOLDS, "scoring": neg_cross_entropy_scorer}
    kept = RFECV(KLClassifier(), **arguments).fit(noisy, Y).support_
    assert kept[:5].sum() >= 4
    forward = SequentialFeatureSelector(KLClassifier(), n_features_to_select=1, **arguments)
    chosen = forward.fit(X, Y).get_support(indices=True)
    alone = [
        np.mean(score_by_hand(KLClassifier(), FOLDS.split(X, Y), columns=[column]))
        for column in range(5)
    ]
    assert chosen.tolist() == [np.argmax(alone)]
    by_weight = SelectFromModel(KLClassifier()).fit(X, Y)
    norms = np.abs(by_weight.estimator_.coef_).sum(axis=0)
    np.testing.assert_array_equal(by_weight.get_support(), norms >= norms.mean())


def test_feature_elimination_and_selection_by_metadata(routed):
    model, scorer = routed
    arguments = {"cv": 3, "scoring": scorer}
    params = {"target_proba": FRAME}
    assert RFECV(model, **arguments).fit(X, LABELS, **params).n_features_ >= 4
    forward = SequentialFeatureSelector(model, n_features_to_select=2, **arguments)
    assert forward.fit(X, LABELS, **params).get_support().sum() == 2
    selected = SelectFromModel(model).fit(X, LABELS, **params)
    direct = SelectFromModel(KLClassifier()).fit(X, Y)
    np.testing.assert_array_equal(selected.get_support(), direct.get_support())


# --- estimators of estimators ----------------------------------------------------------------


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda model: CalibratedClassifierCV(model, cv=3), "Unknown label type"),
        (
            lambda model: StackingClassifier([("kl", model)], final_estimator=model),
            "Unknown label type",
        ),
        (lambda model: VotingClassifier([("kl", model)], voting="soft"), "not supported"),
        (lambda model: BaggingClassifier(model, n_estimators=2), "y should be a 1d array"),
    ],
    ids=["CalibratedClassifierCV", "StackingClassifier", "VotingClassifier", "BaggingClassifier"],
)
def test_these_refuse_a_matrix(make, message):
    with pytest.raises((ValueError, NotImplementedError), match=message):
        make(KLClassifier()).fit(X, Y)


def test_ensembles_by_metadata_want_integer_labels(routed):
    model, _ = routed
    target = {"target_proba": Y}
    direct = KLClassifier().fit(X, Y).predict_proba(X)
    voting = VotingClassifier([("kl", model)], voting="soft").fit(X, CODES, **target)
    np.testing.assert_allclose(voting.predict_proba(X), direct, atol=1e-12)
    bagging = BaggingClassifier(model, n_estimators=2, random_state=0).fit(X, CODES, **target)
    for fitted, rows in zip(bagging.estimators_, bagging.estimators_samples_, strict=True):
        expected = KLClassifier().fit(X[rows], Y[rows]).predict_proba(X)
        np.testing.assert_allclose(fitted.predict_proba(X), expected, atol=1e-9)
    with pytest.raises(ValueError, match="there use the integers 0, 1, ... as labels"):
        BaggingClassifier(model, n_estimators=2).fit(X, LABELS, target_proba=FRAME)


def test_stacking_by_metadata_hands_the_targets_to_the_final_estimator_too(routed):
    model, _ = routed
    target = {"target_proba": pd.DataFrame(Y)}
    stack = StackingClassifier([("kl", model)], final_estimator=model, cv=3)
    stack.fit(X, CODES, **target)
    direct = KLClassifier().fit(X, Y)
    np.testing.assert_allclose(stack.estimators_[0].coef_, direct.coef_, atol=1e-12)
    cv = StratifiedKFold(3)
    inputs = cross_val_predict(KLClassifier(), X, Y, cv=list(cv.split(X, CODES)))
    final = KLClassifier().fit(inputs, Y)
    np.testing.assert_allclose(stack.final_estimator_.coef_, final.coef_, atol=1e-6)
    with pytest.raises(TypeError, match="unexpected keyword argument 'target_proba'"):
        StackingClassifier([("kl", model)], final_estimator=LogisticRegression()).fit(
            X, CODES, **target
        )


def test_calibration_by_metadata_calibrates_to_the_labels(routed):
    model, _ = routed
    calibrated = CalibratedClassifierCV(model, cv=3).fit(X, LABELS, target_proba=FRAME)
    sharp = neg_cross_entropy_scorer(calibrated, X, Y)
    assert sharp < neg_cross_entropy_scorer(KLClassifier().fit(X, Y), X, Y) - 0.1


# --- predictions out of fold -----------------------------------------------------------------


def test_cross_val_predict_of_scikit_learn_trains_on_ranks():
    arguments = {"X": X, "y": Y, "cv": FOLDS, "method": "predict_proba"}
    theirs = sklearn.model_selection.cross_val_predict(KLClassifier(), **arguments)
    ours = cross_val_predict(KLClassifier(), **arguments)
    ranks = np.column_stack([np.unique(column, return_inverse=True)[1] for column in Y.T])
    for train, test in FOLDS.split(X, Y):
        on_ranks = KLClassifier().fit(X[train], ranks[train]).predict_proba(X[test])
        on_targets = KLClassifier().fit(X[train], Y[train]).predict_proba(X[test])
        np.testing.assert_allclose(theirs[test], on_ranks, atol=1e-12)
        np.testing.assert_array_equal(ours[test], on_targets)
    assert abs(theirs - ours).max() > 0.02


def test_cross_val_predict_by_metadata_wants_integer_labels(routed):
    model, _ = routed
    arguments = {"cv": 3, "method": "predict_proba"}
    predict = sklearn.model_selection.cross_val_predict
    theirs = predict(model, X, CODES, **arguments, params={"target_proba": pd.DataFrame(Y)})
    ours = cross_val_predict(model, X, LABELS, **arguments, params={"target_proba": FRAME})
    np.testing.assert_allclose(theirs, ours, atol=1e-9)
    with pytest.raises(ValueError, match="replaces labels by integers"):
        predict(model, X, LABELS, **arguments, params={"target_proba": FRAME})


# --- pipelines -------------------------------------------------------------------------------


def test_column_transformer_pipeline_and_set_output(routed):
    frame = pd.DataFrame(X, columns=list("vwxyz")).assign(kind=np.where(X[:, 0] > 0, "s", "t"))
    encode = make_column_transformer(
        (StandardScaler(), list("vwxyz")), (OneHotEncoder(sparse_output=False), ["kind"])
    ).set_output(transform="pandas")
    pipeline = make_pipeline(encode, KLClassifier())
    pipeline.fit(frame, FRAME)
    assert pipeline[-1].feature_names_in_[0] == "standardscaler__v"
    assert pipeline.classes_.tolist() == NAMES.tolist()
    selected = SelectFromModel(KLClassifier()).set_output(transform="pandas").fit(frame[["v"]], Y)
    assert selected.transform(frame[["v"]]).columns.tolist() == ["v"]
    grid = {"klclassifier__C": GRID["C"]}
    search = GridSearchCV(pipeline, grid, cv=FOLDS, scoring=neg_cross_entropy_scorer)
    assert search.fit(frame, Y).best_params_["klclassifier__C"] in GRID["C"]
    model, _ = routed
    by_metadata = make_pipeline(encode, model).fit(frame, LABELS, target_proba=FRAME)
    expected = pipeline.predict_proba(frame)
    np.testing.assert_allclose(by_metadata.predict_proba(frame), expected, atol=1e-10)


# --- copies ----------------------------------------------------------------------------------


ESTIMATORS = [
    KLClassifier(C=0.5),
    KLClassifierCV(Cs=[0.1, 1.0], cv=2),
    ReplicatedRows(LogisticRegression()),
]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda model: type(model).__name__)
def test_clone_pickle_and_joblib(estimator, tmp_path):
    fitted = clone(estimator).fit(X, FRAME)
    unfitted = clone(fitted)
    assert repr(unfitted) == repr(estimator)
    assert not hasattr(unfitted, "classes_")
    joblib.dump(fitted, tmp_path / "model.joblib")
    for copy in (pickle.loads(pickle.dumps(fitted)), joblib.load(tmp_path / "model.joblib")):
        np.testing.assert_array_equal(copy.predict_proba(X), fitted.predict_proba(X))
        assert copy.classes_.tolist() == NAMES.tolist()


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda model: type(model).__name__)
def test_skops(estimator):
    skops = pytest.importorskip("skops.io", reason="skops is in the extra dev")
    fitted = make_pipeline(StandardScaler(), clone(estimator)).fit(X, FRAME)
    content = skops.dumps(fitted)
    unknown = skops.get_untrusted_types(data=content)
    assert all(name.startswith("sklearn_kl.") for name in unknown)
    loaded = skops.loads(content, trusted=unknown)
    np.testing.assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))


# --- ordered labels --------------------------------------------------------------------------

GRADES = ["low", "medium", "high"]
RANKS = np.digitize(2 * X[:, 0] + np.random.default_rng(0).logistic(size=150), [-1.0, 1.0])
ORDERED = pd.Series(pd.Categorical.from_codes(RANKS, categories=GRADES, ordered=True))
# Where the columns of sorted names stand among the grades.
SORTED = [2, 0, 1]


@pytest.mark.parametrize("model", ["linear", "ordinal"])
@pytest.mark.parametrize("scoring", [None, "accuracy", "f1_macro", neg_cross_entropy_scorer])
def test_scores_of_ordered_labels_are_those_of_their_codes(model, scoring):
    clf = KLClassifier(model)
    scores = [
        cross_validate(clf, X, y, cv=3, scoring=scoring)["test_score"] for y in (ORDERED, RANKS)
    ]
    np.testing.assert_allclose(*scores, rtol=1e-12)
    search = GridSearchCV(clf, GRID, cv=3, scoring=scoring).fit(X, ORDERED)
    assert search.classes_.tolist() == GRADES
    codes = GridSearchCV(clf, GRID, cv=3, scoring=scoring).fit(X, RANKS)
    assert search.best_params_ == codes.best_params_
    importances = [
        permutation_importance(clf.fit(X, y), X, y, scoring=scoring, random_state=0, n_repeats=2)
        for y in (ORDERED, RANKS)
    ]
    np.testing.assert_allclose(*(each.importances for each in importances), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("scoring", ["neg_log_loss", "roc_auc_ovr"])
def test_scorers_of_probabilities_read_columns_as_if_sorted(scoring):
    scores = [
        cross_validate(KLClassifier(), X, y, cv=3, scoring=scoring)["test_score"].mean()
        for y in (ORDERED, RANKS)
    ]
    assert scores[0] < scores[1] - 0.2
    with pytest.raises(ValueError, match="takes classes to be sorted"):
        KLClassifierCV(Cs=[1.0], scoring=scoring).fit(X, ORDERED)


@pytest.mark.parametrize("model", ["linear", "ordinal"])
def test_calibration_of_ordered_labels_is_that_of_their_codes(model):
    named, coded = (
        CalibratedClassifierCV(KLClassifier(model), cv=3).fit(X, y) for y in (ORDERED, RANKS)
    )
    assert named.classes_.tolist() == ["high", "low", "medium"]
    np.testing.assert_allclose(named.predict_proba(X), coded.predict_proba(X)[:, SORTED], rtol=1e-9)


def test_tools_that_replace_labels_by_ranks_lose_their_order():
    def predictions(model, y):
        clf = KLClassifier(model)
        yield sklearn.model_selection.cross_val_predict(clf, X, y, cv=3, method="predict_proba")
        yield BaggingClassifier(clf, n_estimators=2, random_state=0).fit(X, y).predict_proba(X)
        yield VotingClassifier([("model", clf)], voting="soft").fit(X, y).predict_proba(X)

    for named, coded in zip(*(predictions("linear", y) for y in (ORDERED, RANKS)), strict=True):
        np.testing.assert_allclose(named, coded[:, SORTED], atol=1e-3)
    for named, coded in zip(*(predictions("ordinal", y) for y in (ORDERED, RANKS)), strict=True):
        assert np.abs(named - coded[:, SORTED]).max() > 0.1


@pytest.mark.parametrize("model", ["linear", "ordinal"])
def test_tools_of_this_package_keep_the_order_of_labels(model):
    clf = KLClassifier(model)
    named, coded = (cross_val_predict(clf, X, y, cv=3) for y in (ORDERED, RANKS))
    np.testing.assert_allclose(named, coded, rtol=1e-9)
    for wrapper in (TemperatureScaler(clf, cv=3), KLClassifierCV(model=model, Cs=[0.1, 1.0], cv=3)):
        proba = [clone(wrapper).fit(X, y).predict_proba(X) for y in (ORDERED, RANKS)]
        np.testing.assert_allclose(*proba, rtol=1e-6)
    replicated = ReplicatedRows(LogisticRegression()).fit(X, ORDERED)
    assert replicated.classes_.tolist() == GRADES
    expected = LogisticRegression().fit(X, RANKS).predict_proba(X)
    np.testing.assert_allclose(replicated.predict_proba(X), expected, rtol=1e-9)


def test_export_of_ordered_labels_sorts_them():
    clf = KLClassifier().fit(X, ORDERED)
    exported = clf.to_logistic_regression()
    assert exported.classes_.tolist() == ["high", "low", "medium"]
    np.testing.assert_allclose(exported.predict_proba(X), clf.predict_proba(X)[:, SORTED])
