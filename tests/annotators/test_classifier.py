"""AnnotatorClassifier: what it learns, what "auto" takes, and how scikit-learn's tools use it."""

import logging
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kl import AnnotatorClassifier, AnnotatorVotes, KLClassifier, TemperatureScaler
from sklearn_kl.labels import ReplicatedRows
from sklearn_kl.metrics import kl_divergence


def codes_to_long(Y):
    item, who = np.nonzero(Y >= 0)
    return AnnotatorVotes.from_long(
        item, Y[item, who], who, sample_order=np.arange(len(Y)), classes=np.unique(Y[Y >= 0])
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind, right", [("blind", "confusion"), ("ambiguous", "equal")])
def test_auto_takes_the_model_of_the_world(make_world, kind, right, seed):
    X, Y, X_new, q_new, label = make_world(kind, seed)
    model = AnnotatorClassifier(missing=-1).fit(X, Y)
    assert model.annotators_ == right
    found = model.held_out_cross_entropy_
    assert set(found) == {"equal", "confusion"}
    assert found[right] == min(found.values())
    wrong = AnnotatorClassifier(
        annotators="equal" if right == "confusion" else "confusion", missing=-1
    ).fit(X, Y)
    kl = kl_divergence(q_new, model.predict_proba(X_new))
    assert kl < 0.2 * kl_divergence(q_new, wrong.predict_proba(X_new))
    if kind == "blind":
        told = KLClassifier().fit(X, label)
        assert kl < 1.5 * kl_divergence(q_new, told.predict_proba(X_new))
        assert model.annotator_accuracy_[:3].max() < 0.8 < model.annotator_accuracy_[4:].min()


def test_held_out_cross_entropy_by_hand(make_world):
    X, Y, *_ = make_world("blind", 0, n_items=90)
    folds = list(KFold(3, shuffle=True, random_state=0).split(X))
    model = AnnotatorClassifier(missing=-1, cv=folds).fit(X, Y)
    for kind in ("equal", "confusion"):
        one = AnnotatorClassifier(annotators=kind, missing=-1)
        total = 0.0
        for train, test in folds:
            n_votes = (Y[test] >= 0).sum()
            fitted = one.fit(X[train], Y[train])
            total -= n_votes * fitted.vote_log_likelihood(X[test], Y[test])
        found = model.held_out_cross_entropy_[kind]
        assert found == pytest.approx(total / (Y >= 0).sum(), abs=1e-12)


def test_one_annotator_is_a_classifier_of_labels():
    X, y = np.arange(8.0)[:, None], np.array(list("aabbabbb"))
    model = AnnotatorClassifier().fit(X, y)
    clf = KLClassifier().fit(X, y)
    assert model.annotators_ == "equal"
    assert model.held_out_cross_entropy_ == {}
    assert_allclose(model.predict_proba(X), clf.predict_proba(X), atol=1e-6)
    assert model.score(X, y) == clf.score(X, y)


def test_one_vote_an_item_still_tells_who_is_blind(make_world):
    X, Y, X_new, q_new, _ = make_world("blind", 1, n_items=900, n_votes=1)
    model = AnnotatorClassifier(missing=-1).fit(X, Y)
    equal = AnnotatorClassifier(annotators="equal", missing=-1).fit(X, Y)
    assert model.annotators_ == "confusion"
    kl = kl_divergence(q_new, model.predict_proba(X_new))
    assert kl < 0.3 * kl_divergence(q_new, equal.predict_proba(X_new))


def test_every_form_of_votes_gives_the_same_model(make_world):
    pd = pytest.importorskip("pandas")
    X, Y, X_new, *_ = make_world("blind", 2, n_items=120)
    model = AnnotatorClassifier(missing=-1).fit(X, Y)
    words = np.array(["ant", "bee", "cow", None], dtype=object)[Y]
    frame = pd.DataFrame(words, columns=[f"p{number}" for number in range(12)])
    for form in (words, frame, codes_to_long(Y), words.tolist()):
        other = AnnotatorClassifier().fit(X, form)
        assert_array_equal(other.predict_proba(X_new), model.predict_proba(X_new))
        assert_array_equal(other.confusion_, model.confusion_)
    named = AnnotatorClassifier().fit(X, frame)
    assert named.classes_.tolist() == ["ant", "bee", "cow"]
    assert named.annotator_names_.tolist() == list(frame.columns)
    assert set(named.predict(X_new)) <= {"ant", "bee", "cow"}


def test_what_an_annotator_would_say(make_world):
    X, Y, X_new, *_ = make_world("blind", 3, n_items=150)
    model = AnnotatorClassifier(annotators="confusion", missing=-1).fit(X, Y)
    said = model.annotator_proba(X_new, 3)
    assert_allclose(said, model.predict_proba(X_new) @ model.confusion_[3])
    assert_allclose(said.sum(axis=1), 1)
    with pytest.raises(ValueError, match="annotator 99 was not seen in fit.*pooled_confusion_"):
        model.annotator_proba(X_new, 99)
    equal = model.set_params(annotators="equal").fit(X, Y)
    assert_allclose(equal.annotator_proba(X_new, 3), equal.predict_proba(X_new))


def test_votes_of_annotators_in_another_order_and_of_unknown_ones(make_world):
    pd = pytest.importorskip("pandas")
    X, Y, *_ = make_world("blind", 4, n_items=150)
    frame = pd.DataFrame(np.where(Y < 0, np.nan, Y), columns=list("abcdefghijkl"))
    model = AnnotatorClassifier(annotators="confusion").fit(X, frame)
    expected = model.vote_log_likelihood(X, frame)
    assert model.vote_log_likelihood(X, frame[frame.columns[::-1]]) == pytest.approx(expected)
    with pytest.raises(ValueError, match="y has 11 columns without names, but fit saw 12"):
        model.vote_log_likelihood(X, frame.to_numpy()[:, 1:])
    stranger = frame[["a"]].dropna().rename(columns={"a": "new"})
    rows = stranger.index
    said = (model.predict_proba(X) @ model.pooled_confusion_)[rows, stranger["new"].astype(int)]
    found = model.vote_log_likelihood(X[rows], stranger)
    assert found == pytest.approx(np.log(said).mean())


def test_score_counts_votes_for_the_predicted_class(make_world):
    X, Y, _, _, label = make_world("ambiguous", 5)
    model = AnnotatorClassifier(missing=-1).fit(X, Y)
    hits = (Y == model.predict(X)[:, None]) & (Y >= 0)
    assert model.score(X, Y) == pytest.approx(hits.sum() / (Y >= 0).sum())
    assert model.score(X, label) == pytest.approx((model.predict(X) == label).mean())


@pytest.mark.parametrize("kind", ["equal", "confusion"])
@pytest.mark.parametrize(
    "classifier",
    [
        LogisticRegression(),
        make_pipeline(StandardScaler(), LogisticRegression()),
        ReplicatedRows(LogisticRegression()),
        make_pipeline(StandardScaler(), KLClassifier()),
        TemperatureScaler(KLClassifier(), cv=2),
        GridSearchCV(KLClassifier(), {"C": [1.0]}, cv=2),
        CalibratedClassifierCV(KLClassifier(), cv=2),
    ],
    ids=["plain", "pipeline", "replicated", "KL pipeline", "scaled", "search", "calibrated"],
)
def test_any_classifier(make_world, classifier, kind):
    X, Y, X_new, *_ = make_world("blind", 6, n_items=150)
    weight = np.tile([1.0, 2.0], 75)
    own = AnnotatorClassifier(annotators=kind, missing=-1).fit(X, Y, sample_weight=weight)
    model = AnnotatorClassifier(classifier, annotators=kind, missing=-1, tol=1e-4)
    model.fit(X, Y, sample_weight=weight)
    apart = np.abs(own.predict_proba(X_new) - model.predict_proba(X_new)).mean()
    assert apart < 0.08
    assert model.n_features_in_ == 4
    assert type(model.classifier) is type(classifier)


def test_a_classifier_that_reads_columns_by_name(make_world):
    pd = pytest.importorskip("pandas")
    X, Y, *_ = make_world("blind", 7, n_items=100)
    frame = pd.DataFrame(X, columns=list("abcd"))
    columns = ColumnTransformer([("scale", StandardScaler(), ["a", "b"])], remainder="drop")
    model = AnnotatorClassifier(make_pipeline(columns, KLClassifier()), missing=-1)
    model.fit(frame, Y)
    assert model.feature_names_in_.tolist() == list("abcd")
    assert model.predict_proba(frame).shape == (100, 3)


def test_an_ordinal_model_knows_the_order_of_categories():
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 1))
    grades = pd.CategoricalDtype(["low", "medium", "high"], ordered=True)
    cut = pd.cut(X[:, 0], [-np.inf, -0.6, 0.6, np.inf], labels=grades.categories)
    Y = pd.DataFrame({"a": cut, "b": cut, "c": cut}).astype(grades)
    model = AnnotatorClassifier(KLClassifier("ordinal"), annotators="confusion").fit(X, Y)
    assert model.classes_.tolist() == ["low", "medium", "high"]
    assert model.predict([[-2.0], [0.0], [2.0]]).tolist() == ["low", "medium", "high"]


def test_grid_search_by_the_likelihood_of_votes(make_world):
    X, Y, *_ = make_world("blind", 8, n_items=150)
    grid = {"classifier__C": [1e-4, 1.0]}
    for votes in (Y, codes_to_long(Y)):
        search = GridSearchCV(
            AnnotatorClassifier(KLClassifier(), annotators="confusion", missing=-1),
            grid,
            scoring=AnnotatorClassifier.vote_log_likelihood,
            cv=KFold(3, shuffle=True, random_state=0),
            error_score="raise",
        ).fit(X, votes)
        assert search.best_params_ == {"classifier__C": 1.0}


def test_cross_validation_of_a_pipeline(make_world):
    X, Y, *_ = make_world("blind", 9, n_items=90)
    model = make_pipeline(StandardScaler(), AnnotatorClassifier(missing=-1))
    scores = cross_val_score(model, X, Y, cv=KFold(3), error_score="raise")
    assert (scores > 0.5).all()


def test_clone_and_pickle(make_world):
    X, Y, X_new, *_ = make_world("blind", 10, n_items=100)
    model = AnnotatorClassifier(KLClassifier(C=2.0), missing=-1).fit(X, Y)
    again = clone(model).fit(X, Y)
    loaded = pickle.loads(pickle.dumps(model))
    for other in (again, loaded):
        assert_array_equal(other.predict_proba(X_new), model.predict_proba(X_new))
    assert not hasattr(model.classifier, "coef_")
    assert model.classifier_.get_params()["warm_start"] is False


def test_processes_and_shuffled_folds(make_world):
    X, Y, *_ = make_world("blind", 11, n_items=100)
    one = AnnotatorClassifier(missing=-1).fit(X, Y)
    two = AnnotatorClassifier(missing=-1, n_jobs=2).fit(X, Y)
    assert one.held_out_cross_entropy_ == two.held_out_cross_entropy_
    other = AnnotatorClassifier(missing=-1, random_state=1).fit(X, Y)
    assert one.held_out_cross_entropy_ != other.held_out_cross_entropy_


def test_a_class_that_somebody_weights_is_no_probability(make_world):
    X, Y, *_ = make_world("blind", 0, n_items=60)
    for inner in (KLClassifier(class_weight="balanced"), LogisticRegression(class_weight={0: 2})):
        for classifier in (inner, make_pipeline(StandardScaler(), inner)):
            model = AnnotatorClassifier(classifier, missing=-1)
            with pytest.raises(ValueError, match='class_weight.*annotators="equal"'):
                model.fit(X, Y)
    AnnotatorClassifier(inner, annotators="equal", missing=-1).fit(X, Y)


@pytest.mark.parametrize(
    "params, error, message",
    [
        ({"annotators": "best"}, ValueError, "annotators must be one of 'auto'.*got 'best'"),
        ({"annotators": ["Ann"]}, ValueError, "names of annotators are the columns of y"),
        ({"smoothing": -1.0}, ValueError, "smoothing must be"),
        ({"smoothing": "some"}, ValueError, "smoothing must be"),
        ({"tol": -1.0}, ValueError, "tol must be"),
        ({"max_iter": 0}, ValueError, "max_iter must be"),
        ({"cv": 1}, ValueError, "cv must be a whole number of at least 2"),
        ({"cv": 13}, ValueError, "cv means 13 folds of items, but only 12 items have votes"),
        ({"classifier": RidgeClassifier()}, TypeError, "RidgeClassifier has no predict_proba"),
    ],
)
def test_parameters_that_are_refused(params, error, message):
    Y = np.array([[0, 1], [1, 1], [0, 0]] * 4)
    with pytest.raises(error, match=message):
        AnnotatorClassifier(**params).fit(np.arange(12.0)[:, None], Y)


def test_data_that_are_refused():
    X = np.arange(4.0)[:, None]
    Y = np.array([[0, 1], [1, 1], [0, -1], [1, 0]])
    with pytest.raises(ValueError, match="at least 2 classes, but the votes have 1 class: 7"):
        AnnotatorClassifier().fit(X, np.full((4, 2), 7))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        AnnotatorClassifier(missing=-1).fit(X[:3], Y)
    silent = np.array([[-1, -1], [1, 1], [0, -1], [1, 0]])
    with pytest.raises(ValueError, match="Every item with votes has sample_weight zero"):
        AnnotatorClassifier(missing=-1).fit(X, silent, sample_weight=[1, 0, 0, 0])
    with pytest.raises(NotFittedError):
        AnnotatorClassifier().vote_log_likelihood(X, Y)


def test_features_and_votes_whose_indexes_are_in_another_order():
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame({"x": [0.0, 1.0, 2.0]}, index=["a", "b", "c"])
    Y = pd.DataFrame({"Ann": [1, 1, 0], "Bob": [1, 0, 0]}, index=["c", "b", "a"])
    model = AnnotatorClassifier(annotators="confusion")
    with pytest.raises(ValueError, match="same index in another order"):
        model.fit(X, Y)
    long = AnnotatorVotes.from_long(["c", "b", "a"], [1, 1, 0], ["Ann", "Bob", "Ann"])
    model.fit(X, long)
    swapped = AnnotatorVotes.from_long(
        ["c", "b", "a"], [1, 1, 0], ["Ann", "Bob", "Ann"], sample_order=["c", "b", "a"]
    )
    with pytest.raises(ValueError, match="same index in another order"):
        model.fit(X, swapped)


def test_says_that_em_did_not_converge(make_world):
    X, Y, *_ = make_world("blind", 1, n_items=60)
    model = AnnotatorClassifier(annotators="confusion", missing=-1, max_iter=2)
    with pytest.warns(ConvergenceWarning, match="after 2 iterations of EM.*Increase max_iter"):
        model.fit(X, Y)
    assert not model.converged_


def test_verbose_logs_every_iteration(make_world, caplog):
    X, Y, *_ = make_world("blind", 2, n_items=60)
    with caplog.at_level(logging.INFO, logger="sklearn_kl"):
        model = AnnotatorClassifier(annotators="confusion", missing=-1, verbose=1).fit(X, Y)
    lines = [line for line in caplog.messages if "AnnotatorClassifier confusion" in line]
    assert len(lines) >= model.n_iter_
    assert f"{model.log_likelihood_path_[-1]:.9g} nats per vote" in lines[model.n_iter_ - 1]


def test_metadata_routing(make_world):
    sklearn = pytest.importorskip("sklearn")
    X, Y, X_new, *_ = make_world("blind", 3, n_items=60)
    weight = np.arange(60.0)
    expected = AnnotatorClassifier(annotators="confusion", missing=-1).fit(X, Y, weight)
    with sklearn.config_context(enable_metadata_routing=True):
        model = AnnotatorClassifier(annotators="confusion", missing=-1)
        piped = make_pipeline(model.set_fit_request(sample_weight=True))
        piped.fit(X, Y, sample_weight=weight)
    assert_array_equal(piped.predict_proba(X_new), expected.predict_proba(X_new))
