"""Displays draw the numbers they are about, into axes of the caller if there are some."""

import builtins

import numpy as np
import pytest
from scipy.special import softmax
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
    with pytest.raises(ValueError, match="ax has 1 axes, but 4 rows are shown: pass one for each"):
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


# --- names and numbers that pictures find hard -----------------------------------------------

ODD = ["_hidden", "$cost$", "5 $ or so", "Ärger", "two\nlines", f"{'very ' * 12}long 1"]
ODD.append(f"{'very ' * 12}long 2")


def make_named(n_classes, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(200, n_classes))
    votes = np.array([rng.multinomial(9, softmax(row)) for row in logits])
    names = (ODD + [f"class {k}" for k in range(n_classes)])[:n_classes]
    return votes, softmax(1.5 * logits, axis=1), names


def shown(texts):
    """What texts say once they are drawn: matplotlib must not read them as mathematics."""
    texts = [text for text in texts if text.get_text()]
    assert not any(text.get_parse_math() for text in texts if "$" in text.get_text())
    return [text.get_text() for text in texts]


EXPECTED = ["_hidden", "$cost$", "5 $ or so", "Ärger", "two lines"]
EXPECTED += ["very very very …y long 1", "very very very …y long 2"]


@pytest.mark.parametrize("n_classes", [2, 7, 40])
@pytest.mark.parametrize("figsize", [(3, 2), (6.4, 4.8)])
def test_names_are_shown_as_they_are_at_any_size(n_classes, figsize):
    votes, proba, names = make_named(n_classes)
    options = {"labels": names}
    expected = (EXPECTED + names[7:])[:n_classes]
    with pyplot.rc_context({"figure.figsize": figsize}):
        lines = ReliabilityDisplay.from_predictions(
            votes, proba, name="$a$", classes=names, **options
        )
        bars = KLContributionsDisplay.from_predictions(votes, proba, name="_$b$", **options)
        rows = DistributionDisplay.from_predictions(votes, proba, rows=[3], **options)
    for display in (lines, bars, rows):
        display.figure_.draw_without_rendering()
    assert shown(bars.ax_.get_yticklabels()) == expected
    assert shown([bars.ax_.title])[0].startswith("_$b$: KL divergence")
    assert shown(rows.axes_[0].get_xticklabels()) == expected
    if n_classes == 40:
        titles = shown([panel.title for panel in lines.axes_])
        assert len(set(titles)) == 40
        assert titles[:3] == expected[:3]
    else:
        legend = lines.ax_.get_legend()
        assert shown(legend.get_texts()) == ["perfectly calibrated", *expected]
        assert shown([lines.ax_.title]) == ["$a$"]


def test_names_of_corners_and_models_are_shown_as_they_are():
    votes, proba, _ = make_named(3)
    corners = DistributionDisplay.from_predictions(
        votes, proba, labels=["$a$", "_b", "$"], kind="ternary"
    )
    assert {"$a$", "_b", "$"} <= set(shown(corners.axes_[0].texts))
    models = {"$x$": proba, "_y": proba}
    display = KLDecompositionDisplay.from_predictions(votes, models)
    assert shown(display.ax_.get_yticklabels()) == ["$x$", "_y"]
    path = KLPathDisplay.from_predictions(votes, [proba], name="$x$")
    assert shown([path.ax_.title]) == ["$x$"]


def test_a_legend_of_many_classes_says_how_many_are_left_out():
    votes, proba, names = make_named(40)
    _, ax = pyplot.subplots()
    display = ReliabilityDisplay.from_predictions(votes, proba, labels=names, ax=ax)
    assert len(display.lines_) == 40
    texts = shown(ax.get_legend().get_texts())
    assert len(texts) == 15
    assert texts[-1] == "and 27 more"


def test_classes_can_have_axes_of_their_own():
    votes, proba, _ = make_named(3)
    _, grid = pyplot.subplots(1, 3)
    display = ReliabilityDisplay.from_predictions(votes, proba, ax=grid)
    assert [panel is ax for panel, ax in zip(display.axes_, grid, strict=True)] == [True] * 3
    assert [line.axes for line in display.lines_] == grid.tolist()
    with pytest.raises(ValueError, match="ax has 2 axes, but 3 classes are shown"):
        ReliabilityDisplay.from_predictions(votes, proba, ax=grid[:2])


def test_two_models_on_one_axes_are_told_apart():
    votes, proba, _ = make_named(3)
    _, ax = pyplot.subplots()
    first = ReliabilityDisplay.from_predictions(votes, proba, name="first", ax=ax)
    assert shown([ax.title]) == ["first"]
    second = ReliabilityDisplay.from_predictions(votes, proba[::-1], name="second", ax=ax)
    assert first.diagonal_ is second.diagonal_
    for one, other in zip(first.lines_, second.lines_, strict=True):
        assert one.get_color() == other.get_color()
        assert one.get_linestyle() != other.get_linestyle()
        assert one.get_markerfacecolor() != other.get_markerfacecolor()
    texts = shown(ax.get_legend().get_texts())
    assert texts[1:] == [f"{k}, {model}" for model in ("first", "second") for k in "012"]
    assert ax.get_title() == ""
    largest = max(line.get_xydata().max() for line in [*first.lines_, *second.lines_])
    assert ax.get_xlim()[1] >= largest


def test_infinite_contributions_are_drawn_as_such():
    votes, proba, names = make_named(3)
    proba = np.column_stack([np.zeros(200), proba[:, 1] / proba[:, 1:].sum(axis=1), np.zeros(200)])
    proba[:, 2] = 1 - proba[:, 1]
    display = KLContributionsDisplay.from_predictions(votes, proba, labels=names)
    widths = [bar.get_width() for bar in display.bars_]
    assert np.isfinite(widths).all()
    assert widths[0] == max(widths) > 1.2 * widths[1] > 0
    assert display.bars_[0].get_hatch()
    assert "∞" in display.ax_.texts[0].get_text()
    assert "∞" not in display.ax_.texts[1].get_text()


def test_infinite_cross_entropies_are_longer_than_all_others():
    votes, proba, _ = make_named(3)
    zero = np.where(proba == proba.min(axis=1, keepdims=True), 0, proba)
    zero /= zero.sum(axis=1, keepdims=True)
    for method in ("recalibrated", "binned"):
        display = KLDecompositionDisplay.from_predictions(
            votes, {"finite": proba, "infinite": zero}, method=method
        )
        ends = [
            max(bars[row].get_x() + bars[row].get_width() for bars in display.bars_.values())
            for row in (0, 1)
        ]
        assert 1.2 * ends[0] <= ends[1] < display.ax_.get_xlim()[1]
        texts = [text.get_text() for text in display.ax_.texts]
        assert "∞" in texts[1]
        assert float(texts[0]) == pytest.approx(cross_entropy_loss(votes, proba), rel=0.01)


def test_infinite_points_of_a_path_are_marked():
    votes, proba, _ = make_named(3)
    zero = np.eye(3)[proba.argmin(axis=1)]
    display = KLPathDisplay.from_predictions(votes, [proba, zero, proba])
    display.figure_.draw_without_rendering()
    marks = [line for line in display.ax_.lines if line.get_marker() == "^"]
    assert [line.get_xdata().tolist() for line in marks] == [[2]]
    all_infinite = KLPathDisplay.from_predictions(votes, [zero, zero])
    all_infinite.figure_.draw_without_rendering()


def test_unlabelled_rows_are_named():
    display = DistributionDisplay.from_predictions([[0, 0], [1, 1]], [[0.5, 0.5]] * 2, rows=[0])
    assert display.axes_[0].get_title() == "row 0: unlabelled"


@pytest.mark.parametrize(
    "rows, message",
    [
        (0, "rows must be a whole number of at least 1, got 0"),
        (True, "rows must be a whole number"),
        (2.5, "rows must be a whole number"),
        ([0, 5], r"rows has \[5\], but there are 2 rows"),
        ([-1], r"rows has \[-1\]"),
        ([0.5], r"list of row numbers, got \[0.5\]"),
        ([], "list of row numbers"),
    ],
)
def test_rows_that_are_none(rows, message):
    with pytest.raises(ValueError, match=message):
        DistributionDisplay.from_predictions([[1, 0], [1, 1]], [[0.5, 0.5]] * 2, rows=rows)


@pytest.mark.parametrize("n_bins", [0, 2.5, True])
def test_bad_n_bins(n_bins):
    with pytest.raises(ValueError, match="n_bins must be a whole number of at least 1"):
        ReliabilityDisplay.from_predictions([0, 1], [0.5, 0.4], n_bins=n_bins)
