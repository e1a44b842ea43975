"""Displays draw the numbers they are about, into axes of the caller if there are some."""

import builtins

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from sklearn_kl import KLClassifier
from sklearn_kl.metrics import (
    DistributionDisplay,
    KLContributionsDisplay,
    KLDecompositionDisplay,
    KLPathDisplay,
    ReliabilityDisplay,
    class_kl_contributions,
    cross_entropy_loss,
    entropy,
    kl_decomposition,
    kl_divergence,
    vote_noise,
)

pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is in the extra plot")

CLASSES = ["dog", "cat", "eel"]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def fitted():
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 3))
    counts = rng.poisson(np.exp(X @ rng.normal(size=(3, 3))))
    votes = pd.DataFrame(counts, columns=CLASSES)
    return KLClassifier().fit(X, votes), X, votes


def draw(display, fitted, **options):
    model, X, votes = fitted
    if display is KLPathDisplay:
        return display.from_estimator(model, **options)
    return display.from_estimator(model, X, votes, **options)


ALL = [
    DistributionDisplay,
    KLContributionsDisplay,
    KLDecompositionDisplay,
    KLPathDisplay,
    ReliabilityDisplay,
]


@pytest.mark.parametrize("display", ALL)
def test_says_which_extra_has_matplotlib(display, fitted, monkeypatch):
    real_import = builtins.__import__

    def no_matplotlib(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_matplotlib)
    with pytest.raises(ImportError, match=rf'{display.__name__} needs .*"sklearn-kl\[plot\]"'):
        draw(display, fitted)


@pytest.mark.parametrize("display", ALL)
def test_draws_into_given_axes_and_again(display, fitted):
    options = {"rows": [0]} if display is DistributionDisplay else {}
    figure, ax = pyplot.subplots()
    drawn = draw(display, fitted, ax=ax, **options)
    assert drawn.figure_ is figure
    assert pyplot.get_fignums() == [figure.number]
    assert drawn.plot() is drawn
    assert drawn.figure_ is not figure


def test_estimator_and_predictions_agree(fitted):
    model, X, votes = fitted
    proba = model.predict_proba(X)
    shares = KLContributionsDisplay.from_estimator(model, X, votes)
    np.testing.assert_array_equal(
        shares.contributions, KLContributionsDisplay.from_predictions(votes, proba).contributions
    )
    lines = [
        display.lines_
        for display in (
            ReliabilityDisplay.from_estimator(model, X, votes),
            ReliabilityDisplay.from_predictions(votes, proba, labels=CLASSES),
        )
    ]
    for first, second in zip(*lines, strict=True):
        np.testing.assert_array_equal(first.get_xydata(), second.get_xydata())


def test_path_ends_at_the_fit_above_its_floor(fitted):
    model, _, votes = fitted
    display = KLPathDisplay.from_estimator(model, color="black")
    path = display.lines_[0].get_ydata()
    assert path[-1] == pytest.approx(model.cross_entropy_)
    assert display.floors_[0].get_ydata()[0] == pytest.approx(entropy(votes))
    assert len(display.lines_) == 1
    assert display.lines_[0].get_color() == "black"


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_path_of_validation_rows(fitted):
    model, X, votes = fitted
    first = clone(model).set_params(max_iter=1).fit(X[:60], votes[:60])
    last = clone(model).set_params(max_iter=2).fit(X[:60], votes[:60])
    proba_path = [part.predict_proba(X[60:]) for part in (first, last)]
    display = KLPathDisplay.from_estimator(last, y_val=votes[60:], proba_path=proba_path)
    expected = [cross_entropy_loss(votes[60:], proba) for proba in proba_path]
    np.testing.assert_allclose(display.lines_[1].get_ydata(), expected)
    assert display.floors_[1].get_ydata()[0] == pytest.approx(entropy(votes[60:]))
    alone = KLPathDisplay.from_predictions(votes[60:], proba_path, name="any model")
    np.testing.assert_allclose(alone.lines_[0].get_ydata(), expected)
    assert alone.ax_.get_title() == "any model"


def test_path_needs_both_parts_of_a_validation_curve(fitted):
    model, _, votes = fitted
    with pytest.raises(ValueError, match="proba_path is missing: a validation curve needs both"):
        KLPathDisplay.from_estimator(model, y_val=votes)
    with pytest.raises(ValueError, match="proba_path is empty"):
        KLPathDisplay.from_predictions(votes, [])


def test_reliability_by_hand():
    y_true = [[1, 0, 0], [0, 1, 0], [0, 2, 0], [0, 0, 0]]
    proba = [[0.6, 0.2, 0.2], [0.6, 0.2, 0.2], [0.1, 0.7, 0.2], [1, 0, 0]]
    display = ReliabilityDisplay.from_predictions(
        y_true, proba, labels=CLASSES, classes=["cat", "dog"]
    )
    np.testing.assert_allclose(display.lines_[0].get_xydata(), [[0.2, 0.5], [0.7, 1.0]])
    np.testing.assert_allclose(display.lines_[1].get_xydata(), [[0.1, 0.0], [0.6, 0.5]])
    np.testing.assert_allclose(display.mass[0], [0.5, 0.5])
    with pytest.raises(ValueError, match=r"classes has \['cow'\], but the model knows \['dog'"):
        ReliabilityDisplay.from_predictions(y_true, proba, labels=CLASSES, classes=["cow"])


def test_reliability_bins_have_even_mass_and_two_classes_show_the_second():
    q = np.linspace(0.01, 0.99, 80)
    labels = (np.arange(80) % 3 == 0).astype(int)
    display = ReliabilityDisplay.from_predictions(labels, q, n_bins=4)
    assert display.classes.tolist() == [1]
    np.testing.assert_allclose(display.mass[0], 0.25)
    np.testing.assert_allclose(display.predicted[0], q.reshape(4, 20).mean(axis=1))
    np.testing.assert_allclose(display.observed[0], labels.reshape(4, 20).mean(axis=1))


def test_contributions_are_the_bars(fitted):
    model, X, votes = fitted
    display = KLContributionsDisplay.from_estimator(model, X, votes, sort=True, color="black")
    widths = [bar.get_width() for bar in display.bars_]
    shares = class_kl_contributions(votes, model.predict_proba(X))
    np.testing.assert_allclose(widths, np.sort(shares)[::-1])
    names = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert names == [CLASSES[k] for k in np.argsort(-shares)]
    assert f"{kl_divergence(votes, model.predict_proba(X)):.3g} nats" in display.ax_.get_title()


def test_bars_of_a_decomposition_sum_to_the_cross_entropy(fitted):
    model, X, votes = fitted
    other = LogisticRegression().fit(X, votes.to_numpy().argmax(axis=1))
    proba = {"soft": model.predict_proba(X), "hard": other.predict_proba(X)}
    display = KLDecompositionDisplay.from_predictions(votes, proba)
    for row, name in enumerate(proba):
        total = sum(bars[row].get_width() for bars in display.bars_.values())
        assert total == pytest.approx(cross_entropy_loss(votes, proba[name]))
    names = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert names == list(proba)
    fitted_display = KLDecompositionDisplay.from_estimator({"soft": model}, X, votes)
    assert fitted_display.decompositions["soft"] == display.decompositions["soft"]
    single = KLDecompositionDisplay.from_estimator(model, X, votes, method="recalibrated")
    assert list(single.decompositions) == ["KLClassifier"]
    expected = kl_decomposition(votes, proba["soft"], method="recalibrated")
    assert single.decompositions["KLClassifier"] == expected


def test_distributions_are_the_bars(fitted):
    model, X, votes = fitted
    display = DistributionDisplay.from_estimator(model, X, votes, rows=[5, 2, 7])
    assert len(display.axes_) == 3
    heights = [bar.get_height() for bar in display.target_artists_[1]]
    np.testing.assert_allclose(heights, votes.iloc[2] / votes.iloc[2].sum())
    heights = [bar.get_height() for bar in display.predicted_artists_[1]]
    np.testing.assert_allclose(heights, model.predict_proba(X)[2])
    assert display.axes_[1].get_title().startswith("row 2: KL ")
    assert len(DistributionDisplay.from_estimator(model, X, votes, rows=1).axes_) == 1


def test_triangle_places_sure_rows_at_its_corners():
    proba = [[1, 0, 0], [0, 1, 0], [1 / 3, 1 / 3, 1 / 3]]
    display = DistributionDisplay.from_predictions(
        [0, 1, 2], proba, labels=[0, 1, 2], kind="ternary"
    )
    top = np.sqrt(3) / 2
    np.testing.assert_allclose(
        display.predicted_artists_[0].get_xydata(), [[0, 0], [1, 0], [0.5, top / 3]]
    )
    np.testing.assert_allclose(
        display.target_artists_[0].get_xydata(), [[0, 0], [1, 0], [0.5, top]]
    )


def test_distributions_refuse_what_they_cannot_show(fitted):
    model, X, votes = fitted
    with pytest.raises(ValueError, match='"ternary" shows three classes, and there are 2'):
        DistributionDisplay.from_predictions([0, 1], [0.2, 0.8], kind="ternary")
    with pytest.raises(ValueError, match='kind must be "bar" or "ternary", got \'pie\''):
        DistributionDisplay.from_estimator(model, X, votes, kind="pie")
    with pytest.raises(ValueError, match="ax has 1 axes, but 4 rows are shown"):
        DistributionDisplay.from_estimator(model, X, votes, ax=pyplot.subplots()[1])


def test_votes_are_drawn_with_what_their_number_explains():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(3), 200)
    votes = rng.multinomial(4, p)
    bars = KLDecompositionDisplay.from_predictions(votes, {"truth": p}).bars_
    parts = kl_decomposition(votes, p)
    assert bars["vote_noise"][0].get_width() == pytest.approx(min(parts.vote_noise, parts.grouping))
    total = sum(container[0].get_width() for container in bars.values())
    assert total == pytest.approx(parts.cross_entropy)
    assert "vote_noise" not in KLDecompositionDisplay.from_predictions(votes / 4, p).bars_

    contributions = KLContributionsDisplay.from_predictions(votes, p, sort=True)
    marks = contributions.noise_.get_offsets()[:, 0]
    assert marks.sum() == pytest.approx(vote_noise(4, p).mean())
    assert "what their number explains" in contributions.ax_.get_title()
    assert KLContributionsDisplay.from_predictions(votes / 4, p).noise_ is None

    path = KLPathDisplay.from_predictions(votes, [np.full(p.shape, 1 / 3), p])
    assert path.train_vote_noise == pytest.approx(vote_noise(4, p).mean())
    (band,) = path.bands_
    assert f"{path.train_vote_noise:.3g}" in band.get_label()
    assert KLPathDisplay.from_predictions(votes / 4, [p]).bands_ == []
