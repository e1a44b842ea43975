"""KLClassifierCV chooses what GridSearchCV chooses."""

import inspect
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, UnsetMetadataPassedError
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    PredefinedSplit,
    ShuffleSplit,
    StratifiedKFold,
)
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.fixes import parse_version

from sklearn_kl import KLClassifier, KLClassifierCV
from sklearn_kl.datasets import make_soft_classification
from sklearn_kl.metrics import get_scorer, neg_cross_entropy_scorer
from sklearn_kl.model_selection import SoftStratifiedKFold

X, VOTES, TRUTH = make_soft_classification(120, n_votes=3, random_state=0)
LABELS = np.array(["b", "c", "a"])[VOTES.argmax(axis=1)]
CS = [0.001, 0.01, 0.1, 1.0, 10.0]


@parametrize_with_checks(
    [
        KLClassifierCV(Cs=[0.01, 0.1, 1.0], cv=2),
        KLClassifierCV(Cs=[0.1, 1.0], cv=SoftStratifiedKFold(2)),
    ]
)
def test_estimator_check(estimator, check):
    check(estimator)


@pytest.mark.parametrize("y", [VOTES, LABELS, TRUTH], ids=["votes", "labels", "distributions"])
@pytest.mark.parametrize("scoring", [None, "accuracy", "neg_kl_divergence"])
def test_chooses_what_grid_search_chooses(y, scoring):
    if scoring == "accuracy" and y.ndim == 2:
        pytest.skip("accuracy is for labels")
    ours = KLClassifierCV(Cs=CS, scoring=scoring, tol=1e-11).fit(X, y)
    cv = StratifiedKFold(5) if y.ndim == 1 else SoftStratifiedKFold(5)
    scorer = neg_cross_entropy_scorer if scoring is None else get_scorer(scoring)
    search = GridSearchCV(KLClassifier(tol=1e-11), {"C": CS}, cv=cv, scoring=scorer).fit(X, y)
    assert search.best_params_["C"] == ours.C_
    folds = [search.cv_results_[f"split{fold}_test_score"] for fold in range(5)]
    np.testing.assert_allclose(ours.scores_, folds, atol=1e-5)
    np.testing.assert_array_equal(ours.predict_proba(X), search.predict_proba(X))


def test_last_fit_is_that_of_the_chosen_c():
    model = KLClassifierCV(Cs=CS, fit_intercept=False, solver="newton-cg").fit(X, VOTES)
    alone = KLClassifier(C=model.C_, fit_intercept=False, solver="newton-cg").fit(X, VOTES)
    np.testing.assert_array_equal(model.coef_, alone.coef_)
    assert model.kl_divergence_ == alone.kl_divergence_
    assert model.n_iter_ == alone.n_iter_


def test_path_starts_from_the_fit_before():
    n_iter = []

    def watch(model, X, y):
        n_iter.append(model.n_iter_)
        return neg_cross_entropy_scorer(model, X, y)

    KLClassifierCV(Cs=np.logspace(-2, 2, 12), cv=2, scoring=watch).fit(X, VOTES)
    warm = sum(n_iter)
    n_iter.clear()
    cv = SoftStratifiedKFold(2)
    grid = {"C": np.logspace(-2, 2, 12)}
    GridSearchCV(KLClassifier(), grid, cv=cv, scoring=watch, refit=False).fit(X, VOTES)
    assert warm < sum(n_iter)


def test_candidates():
    model = KLClassifierCV(Cs=4, cv=2).fit(X, VOTES)
    np.testing.assert_allclose(model.Cs_, np.logspace(-4, 4, 4))
    assert model.scores_.shape == (2, 4)
    assert KLClassifierCV(Cs=[1.0, 0.1, 1.0], cv=2).fit(X, VOTES).Cs_.tolist() == [0.1, 1.0]


@pytest.mark.parametrize(
    "Cs", [0, [], [1.0, -1.0], [np.nan], True, "many", None, [[1.0], [2.0, 3.0]]]
)
def test_bad_candidates(Cs):
    with pytest.raises(ValueError, match="Cs"):
        KLClassifierCV(Cs=Cs).fit(X, VOTES)


def test_weights_train_and_judge():
    weight = np.random.default_rng(0).integers(0, 3, 120).astype(float)
    by_weight = KLClassifierCV(Cs=CS, cv=KFold(3)).fit(X, VOTES, sample_weight=weight)
    by_counts = KLClassifierCV(Cs=CS, cv=KFold(3)).fit(X, VOTES * weight[:, None])
    np.testing.assert_allclose(by_weight.scores_, by_counts.scores_, atol=1e-6)
    assert by_weight.C_ == by_counts.C_


@pytest.mark.parametrize("make", [np.array, lambda P: pd.DataFrame(P, columns=["a", "b", "c"])])
def test_target_proba_stands_in_for_labels(make):
    with config_context(enable_metadata_routing=True):
        model = KLClassifierCV(Cs=CS).set_fit_request(target_proba=True)
        model.fit(X, LABELS, target_proba=make(TRUTH))
    cv = list(StratifiedKFold(5).split(X, LABELS))
    expected = KLClassifierCV(Cs=CS, cv=cv).fit(X, TRUTH)
    assert model.classes_.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(model.scores_, expected.scores_, atol=1e-12)
    assert model.C_ == expected.C_


def test_names_of_features_are_kept():
    frame = pd.DataFrame(X, columns=list("vwxyz"))
    model = KLClassifierCV(Cs=CS).fit(frame, VOTES)
    assert model.feature_names_in_.tolist() == list("vwxyz")
    assert model.predict_proba(frame).shape == (120, 3)


# ---- What it shares with KLClassifier


def test_parameters_are_those_of_the_classifier():
    ours = inspect.signature(KLClassifierCV).parameters
    theirs = inspect.signature(KLClassifier).parameters
    assert set(ours) == set(theirs) - {"C", "warm_start"} | {"Cs", "cv", "scoring"}
    assert set(KLClassifierCV().get_params(deep=False)) == set(ours)
    for name in set(ours) & set(theirs):
        assert ours[name].default == theirs[name].default
        assert getattr(KLClassifierCV(), name) == theirs[name].default
        assert f"\n{name} : " in KLClassifierCV.__doc__
    model = KLClassifierCV(3, tol=1e-3, solver="newton-cg")
    assert repr(clone(model)) == "KLClassifierCV(Cs=3, solver='newton-cg', tol=0.001)"
    assert model.set_params(max_iter=7).max_iter == 7


@pytest.mark.parametrize("name", ["C", "warm_start", "to1"])
def test_other_parameters_are_refused(name):
    with pytest.raises(TypeError, match=f"KLClassifierCV has no parameter '{name}'"):
        KLClassifierCV(**{name: 1})


def test_only_what_it_can_do_is_offered():
    for name in ("fit_path", "set_callbacks"):
        assert not hasattr(KLClassifierCV(), name)


def test_predicts_like_the_classifier():
    model = KLClassifierCV(Cs=CS, l1_ratio=1.0).fit(X, LABELS)
    alone = KLClassifier(C=model.C_, l1_ratio=1.0).fit(X, LABELS)
    for name in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        np.testing.assert_array_equal(getattr(model, name)(X), getattr(alone, name)(X))
    proba = model.predict_proba(X)
    np.testing.assert_allclose(model.to_logistic_regression().predict_proba(X), proba)
    np.testing.assert_allclose(model.sparsify().predict_proba(X), proba)
    np.testing.assert_allclose(model.densify().predict_proba(X), proba)
    assert isinstance(model.converged_, bool)


@pytest.mark.parametrize("y", [VOTES, LABELS], ids=["votes", "labels"])
@pytest.mark.parametrize("scoring", [None, "neg_kl_divergence", "accuracy", "neg_log_loss"])
def test_score_uses_scoring(y, scoring):
    if scoring in ("accuracy", "neg_log_loss") and y.ndim == 2:
        pytest.skip("for labels")
    weight = np.arange(120.0)
    model = KLClassifierCV(Cs=CS, scoring=scoring).fit(X, y)
    scorer = get_scorer(scoring or "neg_cross_entropy")
    assert model.score(X, y) == scorer(model, X, y)
    assert model.score(X, y, weight) == scorer(model, X, y, sample_weight=weight)
    search = GridSearchCV(KLClassifier(), {"C": [model.C_]}, scoring=scorer).fit(X, y)
    assert model.score(X, y) == search.score(X, y)


# ---- Scores, fold by fold

PLAIN = ["accuracy", "f1_macro", "neg_log_loss", "roc_auc_ovr"]
# scikit-learn 1.6 knows it for two classes only.
BRIER = ["neg_brier_score"] if parse_version(sklearn.__version__) >= parse_version("1.7") else []
OURS = ["neg_cross_entropy", "neg_kl_divergence", "d2_kl", "cosine_similarity"]


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    form=st.sampled_from(["labels", "votes", "sparse", "frame"]),
    number=st.integers(0, 2**31 - 1),
    splitter=st.sampled_from(["folds", "shuffled", "list", "by group", "one test set"]),
    weighted=st.booleans(),
    class_weight=st.sampled_from([None, "balanced"]),
)
def test_scores_are_those_of_grid_search(form, number, splitter, weighted, class_weight):
    names = PLAIN + BRIER + OURS if form == "labels" else OURS
    scoring = get_scorer(names[number % len(names)])
    y = {
        "labels": LABELS,
        "votes": VOTES,
        "sparse": sp.csc_array(VOTES),
        "frame": pd.DataFrame(VOTES, columns=["b", "c", "a"]),
    }[form]
    rng = np.random.default_rng(number)
    groups = rng.integers(0, 6, 120)
    cv = {
        "folds": StratifiedKFold(4) if form == "labels" else SoftStratifiedKFold(4),
        "shuffled": ShuffleSplit(2, test_size=0.4, random_state=number),
        "list": [(np.arange(80), np.arange(80, 120)), (np.arange(40, 120), np.arange(40))],
        "by group": GroupKFold(3),
        "one test set": PredefinedSplit(np.where(np.arange(120) % 3, -1, 0)),
    }[splitter]
    params = {"tol": 1e-12, "class_weight": class_weight}
    metadata = {"groups": groups} if splitter == "by group" else {}
    if weighted:
        metadata["sample_weight"] = rng.integers(1, 4, 120).astype(float)
    with config_context(enable_metadata_routing=True):
        scoring.set_score_request(sample_weight=True)
        ours = KLClassifierCV(Cs=CS, cv=cv, scoring=scoring, **params)
        ours.fit(X, y, **metadata)
        model = KLClassifier(**params).set_fit_request(sample_weight=True)
        search = GridSearchCV(model, {"C": CS}, cv=cv, scoring=scoring, refit=False)
        search.fit(X, y, **metadata)
    n_folds = len(ours.scores_)
    expected = [search.cv_results_[f"split{fold}_test_score"] for fold in range(n_folds)]
    np.testing.assert_allclose(ours.scores_, expected, atol=2e-6)
    means = np.mean(expected, axis=0)
    assert means[CS.index(ours.C_)] == pytest.approx(means.max(), abs=2e-6)


@pytest.mark.parametrize("scoring", [None, *BRIER, "neg_log_loss", "accuracy"])
@pytest.mark.parametrize("class_weight", [None, "balanced", {"a": 2.0, "c": 0.5}])
def test_folds_know_classes_that_their_rows_lack(scoring, class_weight):
    y = np.sort(LABELS)  # every fold of unshuffled KFold lacks most of some class
    one_hot = pd.DataFrame(np.eye(3)[np.searchsorted(["a", "b", "c"], y)], columns=list("abc"))
    params = {"Cs": CS, "cv": KFold(3), "class_weight": class_weight, "tol": 1e-10}
    model = KLClassifierCV(scoring=scoring, **params).fit(X, y)
    assert np.isfinite(model.scores_).all()
    if scoring is None:
        expected = KLClassifierCV(**params).fit(X, one_hot)
        # How far a class without rows has gone towards zero depends on the way there.
        np.testing.assert_allclose(model.scores_, expected.scores_, rtol=1e-4)
        assert model.C_ == expected.C_
        assert KLClassifierCV(**params).fit(X, y, target_proba=one_hot).C_ == model.C_


def test_a_class_weight_of_a_class_that_no_row_has_is_refused():
    with pytest.raises(ValueError, match=r"\['d'\] of class_weight are not among the classes"):
        KLClassifierCV(Cs=CS, class_weight={"d": 2.0}).fit(X, LABELS)


def test_probabilities_of_two_classes_by_scorers_of_labels():
    y = np.where(LABELS == "a", "yes", "no")
    proba = KLClassifier(C=0.1).fit(X[40:], y[40:]).predict_proba(X[:40])[:, 1]
    cv = [(np.arange(40, 120), np.arange(40))]
    model = KLClassifierCV(Cs=[0.1], cv=cv, scoring="neg_brier_score").fit(X, y)
    assert model.scores_[0, 0] == pytest.approx(-np.mean((proba - (y[:40] == "yes")) ** 2))
    one = KLClassifierCV(Cs=[0.1], cv=[(np.arange(120), np.flatnonzero(y == "no"))])
    assert np.isfinite(one.set_params(scoring="neg_log_loss").fit(X, y).scores_).all()


@pytest.mark.parametrize("scoring", [None, "accuracy", "f1_macro", "d2_kl"])
def test_classes_in_an_order_of_their_own(scoring):
    grades = pd.Series(pd.Categorical(LABELS, ["b", "c", "a"], ordered=True))
    ordered = KLClassifierCV(Cs=CS, scoring=scoring, tol=1e-12).fit(X, grades)
    assert ordered.classes_.tolist() == ["b", "c", "a"]
    plain = KLClassifierCV(Cs=CS, scoring=scoring, tol=1e-12).fit(X, LABELS)
    np.testing.assert_allclose(ordered.scores_, plain.scores_, atol=1e-5)
    assert ordered.score(X, grades) == pytest.approx(plain.score(X, LABELS), abs=1e-5)


@pytest.mark.parametrize("scoring", ["neg_log_loss", "roc_auc_ovr"])
def test_a_scorer_that_would_mistake_the_columns_is_refused(scoring):
    grades = pd.Series(pd.Categorical(LABELS, ["b", "c", "a"], ordered=True))
    model = KLClassifierCV(Cs=CS, scoring=scoring)
    with pytest.raises(ValueError, match=r"takes classes to be sorted.*\['b', 'c', 'a'\]"):
        model.fit(X, grades)
    model.set_params(scoring=None).fit(X, grades).set_params(scoring=scoring)
    with pytest.raises(ValueError, match="takes classes to be sorted"):
        model.score(X, grades)


def test_equal_scores_give_the_smallest_c():
    for Cs in (CS, CS[::-1]):
        model = KLClassifierCV(Cs=Cs, cv=2, scoring=lambda model, X, y: 1.0).fit(X, LABELS)
        assert model.C_ == min(CS)


def test_a_candidate_whose_score_is_nan_is_not_chosen():
    def scoring(model, X, y):
        return np.nan if model.C in (0.01, 10.0) else model.C

    with pytest.warns(UserWarning, match=r"4 scores are NaN.*C=\[0\.01, 10\.0\]") as caught:
        model = KLClassifierCV(Cs=CS, cv=2, scoring=scoring).fit(X, LABELS)
    assert model.C_ == 1.0
    assert caught[0].filename == __file__


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_warns_if_no_candidate_can_be_judged(value):
    model = KLClassifierCV(Cs=[0.1, 1.0], cv=3, scoring=lambda model, X, y: value)
    with pytest.warns(UserWarning, match="No candidate has a finite mean score") as caught:
        model.fit(X, LABELS)
    assert model.C_ == 0.1
    assert caught[0].filename == __file__


def test_a_part_without_mass_is_named():
    weight = np.arange(120) >= 40
    first = [(np.arange(40), np.arange(80))]
    for cv, message in [(KFold(3), "test rows of split 0"), (first, "training rows of split 0")]:
        with pytest.raises(ValueError, match=f"All {message} of cv weigh nothing"):
            KLClassifierCV(Cs=CS, cv=cv).fit(X, LABELS, sample_weight=weight.astype(float))


@pytest.mark.parametrize("value", ["high", [0.5], None, {"accuracy": 1.0}])
def test_a_score_must_be_a_number(value):
    model = KLClassifierCV(Cs=CS, cv=2, scoring=lambda model, X, y: value)
    with pytest.raises(ValueError, match="scoring must return a number"):
        model.fit(X, LABELS)


def test_scoring_must_be_one_scorer():
    for scoring in (["accuracy", "d2_kl"], 3):
        with pytest.raises(ValueError, match="is not a scorer or the name of one"):
            KLClassifierCV(scoring=scoring).fit(X, LABELS)


# ---- Metadata


def test_groups_go_to_the_splitter():
    groups = np.arange(120) // 10
    expected = KLClassifierCV(Cs=CS, cv=list(GroupKFold(3).split(X, LABELS, groups)))
    expected.fit(X, LABELS)
    for routing in (False, True):
        with config_context(enable_metadata_routing=routing):
            model = KLClassifierCV(Cs=CS, cv=GroupKFold(3)).fit(X, LABELS, groups=groups)
        np.testing.assert_array_equal(model.scores_, expected.scores_)
    model = KLClassifierCV(Cs=CS, cv=LeaveOneGroupOut()).fit(X, VOTES, groups=groups)
    assert model.scores_.shape == (12, 5)
    with pytest.raises(ValueError, match="groups"):
        KLClassifierCV(Cs=CS, cv=GroupKFold(3)).fit(X, LABELS)


def test_unknown_metadata_is_refused():
    model = KLClassifierCV(Cs=CS, cv=2)
    with pytest.raises(TypeError, match="unexpected argument 'group'.*enable_metadata_routing"):
        model.fit(X, LABELS, group=np.arange(120))
    with pytest.raises(TypeError, match="unexpected argument 'target_proba'"):
        model.fit(X, LABELS).score(X, LABELS, target_proba=TRUTH)
    with (
        config_context(enable_metadata_routing=True),
        pytest.raises(TypeError, match="unexpected argument"),
    ):
        model.fit(X, LABELS, group=np.arange(120))


def test_weights_are_handed_to_a_scorer_that_asks_for_them():
    weight = np.random.default_rng(0).integers(1, 9, 120).astype(float)
    seen = []

    def watched(y_true, y_pred, sample_weight=None):
        seen.append(sample_weight)
        return accuracy_score(y_true, y_pred, sample_weight=sample_weight)

    def fit(**request):
        seen.clear()
        scorer = make_scorer(watched).set_score_request(**request)
        KLClassifierCV(Cs=[1.0], cv=[(np.arange(60), np.arange(60, 120))], scoring=scorer).fit(
            X, LABELS, sample_weight=weight
        )
        return seen[0]

    with config_context(enable_metadata_routing=True):
        np.testing.assert_array_equal(fit(sample_weight=True), weight[60:])
        assert fit(sample_weight=False) is None
        unset = KLClassifierCV(Cs=[1.0], scoring=get_scorer("d2_kl"))
        with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
            unset.fit(X, LABELS, sample_weight=weight)
        unset.set_params(scoring="d2_kl").fit(X, LABELS, sample_weight=weight)


def test_routed_distributions_train_and_judge_as_requested():
    with config_context(enable_metadata_routing=True):
        for requested in (True, False):
            scoring = get_scorer("neg_cross_entropy").set_score_request(target_proba=requested)
            cv = StratifiedKFold(5)
            ours = KLClassifierCV(Cs=CS, cv=cv, scoring=scoring, tol=1e-12)
            ours.fit(X, LABELS, target_proba=TRUTH)
            search = GridSearchCV(
                KLClassifier(tol=1e-12).set_fit_request(target_proba=True),
                {"C": CS},
                cv=cv,
                scoring=scoring,
            ).fit(X, LABELS, target_proba=TRUTH)
            means = search.cv_results_["mean_test_score"]
            np.testing.assert_allclose(ours.scores_.mean(axis=0), means, atol=1e-6)
            metadata = {"target_proba": TRUTH} if requested else {}
            assert ours.score(X, LABELS, **metadata) == scoring(ours, X, LABELS, **metadata)


def test_metadata_pass_through_a_search():
    weight = np.random.default_rng(0).integers(1, 9, 120).astype(float)
    groups = np.arange(120) // 10
    with config_context(enable_metadata_routing=True):
        inner = KLClassifierCV(Cs=[0.1, 1.0], cv=GroupKFold(2)).set_fit_request(sample_weight=True)
        scoring = get_scorer("neg_cross_entropy").set_score_request(sample_weight=True)
        search = GridSearchCV(inner, {"l1_ratio": [0.0, 1.0]}, cv=GroupKFold(3), scoring=scoring)
        search.fit(X, LABELS, sample_weight=weight, groups=groups)
    alone = KLClassifierCV(Cs=[0.1, 1.0], cv=GroupKFold(2), **search.best_params_)
    alone.fit(X, LABELS, sample_weight=weight, groups=groups)
    np.testing.assert_array_equal(search.best_estimator_.scores_, alone.scores_)


# ---- Nothing outside the fit changes


@pytest.mark.parametrize("as_metadata", [False, True])
def test_sparse_targets_are_left_as_they_are(as_metadata):
    # One entry per vote, in the order in which they came.
    rng = np.random.default_rng(0)
    columns = np.concatenate([rng.permutation(np.repeat(np.arange(3), row)) for row in VOTES])
    indptr = np.concatenate([[0], np.cumsum(VOTES.sum(axis=1))])
    votes = sp.csr_array((np.ones(len(columns)), columns, indptr), shape=VOTES.shape)
    kept = [array.copy() for array in (votes.data, votes.indices, votes.indptr)]
    for array in (votes.data, votes.indices, votes.indptr):
        array.flags.writeable = False
    model = KLClassifierCV(Cs=CS)
    if as_metadata:
        model.fit(X, LABELS, target_proba=votes)
        expected = clone(model).fit(X, LABELS, target_proba=VOTES)
    else:
        model.fit(X, votes)
        expected = clone(model).fit(X, VOTES)
    for array, before in zip((votes.data, votes.indices, votes.indptr), kept, strict=True):
        np.testing.assert_array_equal(array, before)
    np.testing.assert_allclose(model.scores_, expected.scores_, atol=1e-9)
    assert model.C_ == expected.C_


def _explode_on_c(model, X, y):
    if model.C > 1:
        raise RuntimeError("no")
    return 0.0


@pytest.mark.parametrize("fitted_before", [False, True])
@pytest.mark.parametrize(
    ("params", "y"),
    [
        ({"scoring": _explode_on_c}, VOTES),
        ({"Cs": [-1.0]}, VOTES),
        ({"cv": iter([])}, VOTES),
        ({"max_iter": 0}, VOTES),
        ({}, -VOTES),
    ],
)
def test_a_failed_fit_leaves_everything_as_it_was(fitted_before, params, y):
    model = KLClassifierCV(Cs=CS)
    if fitted_before:
        model.fit(X[:, :2], LABELS)
    model.set_params(**params)
    before = dict(vars(model))
    with pytest.raises((ValueError, RuntimeError)):
        model.fit(X, y)
    assert vars(model) == before


def test_splits_of_an_iterator_that_is_used_up():
    cv = iter(list(KFold(2).split(X)))
    model = KLClassifierCV(Cs=CS, cv=cv).fit(X, VOTES)
    assert model.scores_.shape == (2, 5)
    with pytest.raises(ValueError, match="gives no splits"):
        model.fit(X, VOTES)


def test_threads_fit_at_the_same_time():
    def fit(seed):
        X, votes, _ = make_soft_classification(200, random_state=seed)
        return KLClassifierCV(Cs=CS, cv=3).fit(X, votes).scores_

    expected = [fit(seed) for seed in range(6)]
    with ThreadPoolExecutor(6) as pool:
        for scores, alone in zip(pool.map(fit, range(6)), expected, strict=True):
            np.testing.assert_array_equal(scores, alone)


def test_warnings_name_the_line_of_the_caller():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        KLClassifierCV(Cs=CS, cv=2, max_iter=1).fit(X, VOTES)
    messages = [str(warning.message) for warning in caught]
    assert {warning.category for warning in caught} == {ConvergenceWarning}
    assert {warning.filename for warning in caught} == {__file__}
    # One for all folds, one for the final fit.
    assert len(messages) == 2
    assert "of the 10 fits on the folds of KLClassifierCV" in messages[0]


def test_a_column_of_labels_is_read_once():
    with pytest.warns(Warning, match="column-vector y was passed") as caught:
        model = KLClassifierCV(Cs=CS).fit(X, LABELS[:, None])
    assert len(caught) <= 2
    np.testing.assert_array_equal(model.scores_, KLClassifierCV(Cs=CS).fit(X, LABELS).scores_)
