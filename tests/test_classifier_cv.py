"""KLClassifierCV chooses what GridSearchCV chooses."""

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.utils.estimator_checks import parametrize_with_checks

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


@pytest.mark.parametrize("Cs", [0, [], [1.0, -1.0], [np.nan]])
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


def test_warns_if_no_candidate_can_be_judged():
    y = np.repeat(["a", "b", "c"], 40)
    with pytest.warns(UserWarning, match="No candidate has a finite mean score"):
        model = KLClassifierCV(Cs=[0.1, 1.0], cv=KFold(3)).fit(X, y)
    assert model.C_ == 0.1
