"""AnnotatorConfusionDisplay draws matrices, and how many votes they rest on."""

import builtins

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError

from sklearn_kl import AnnotatorClassifier
from sklearn_kl.metrics import AnnotatorConfusionDisplay

pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is in the extra plot")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def fitted():
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 2))
    words = np.array(["no", "yes"], dtype=object)[(X[:, 0] > 0).astype(int)]
    Y = pd.DataFrame({name: words.copy() for name in ("Ann", "Bob", "Cy")})
    Y.loc[10:, "Bob"] = None
    Y.loc[1:, "Cy"] = None
    return AnnotatorClassifier(annotators="confusion").fit(X, Y)


def test_draws_the_matrices_those_with_most_votes_first(fitted):
    display = AnnotatorConfusionDisplay.from_estimator(fitted)
    titles = [panel.get_title() for panel in display.axes_]
    assert titles == ["Ann (80 votes)", "Bob (10 votes)", "Cy (1 vote)"]
    for image, matrix in zip(display.images_, fitted.confusion_, strict=True):
        assert_array_equal(image.get_array(), matrix)
    labels = [text.get_text() for text in display.axes_[0].get_yticklabels()]
    assert labels == ["no", "yes"]
    numbers = [text.get_text() for text in display.axes_[1].texts]
    assert numbers == [f"{share:.2f}" for share in fitted.confusion_[1].ravel()]
    assert display.figure_.get_suptitle() == "AnnotatorClassifier"


def test_shows_the_annotators_that_are_asked_for(fitted):
    display = AnnotatorConfusionDisplay.from_estimator(fitted, annotators=["Cy", "Ann"])
    assert_array_equal(display.confusion, fitted.confusion_[[2, 0]])
    assert len(AnnotatorConfusionDisplay.from_estimator(fitted, annotators=2).axes_) == 2
    assert len(AnnotatorConfusionDisplay.from_estimator(fitted, annotators="Bob").axes_) == 1
    with pytest.raises(ValueError, match="annotators has \\['Dan'\\].*among the annotators"):
        AnnotatorConfusionDisplay.from_estimator(fitted, annotators=["Dan"])
    with pytest.raises(ValueError, match="annotators must be a whole number of at least 1"):
        AnnotatorConfusionDisplay.from_estimator(fitted, annotators=0)


def test_draws_into_given_axes_and_again(fitted):
    figure, axes = pyplot.subplots(1, 3)
    display = AnnotatorConfusionDisplay.from_estimator(fitted, ax=axes, cmap="Greens")
    assert display.figure_ is figure
    assert display.images_[0].get_cmap().name == "Greens"
    assert display.plot().figure_ is not figure
    with pytest.raises(ValueError, match="ax has 2 axes, but 3 annotators are shown"):
        display.plot(ax=axes[:2])


def test_many_classes_have_no_numbers():
    matrices = np.full((5, 9, 9), 1 / 9)
    display = AnnotatorConfusionDisplay(
        matrices, classes=np.arange(9), annotators=np.arange(5), n_votes=np.arange(5)
    ).plot()
    assert not display.axes_[0].texts
    assert len(display.figure_.axes) == 5
    lowest = [panel.xaxis.get_major_ticks()[0].label1.get_visible() for panel in display.axes_]
    assert lowest == [False, True, True, True, True]


def test_refuses_a_model_that_knows_no_annotators(fitted):
    equal = AnnotatorClassifier().fit([[0.0], [1.0], [2.0]], [0, 1, 1])
    with pytest.raises(ValueError, match='"equal".*annotators="confusion"'):
        AnnotatorConfusionDisplay.from_estimator(equal)
    with pytest.raises(NotFittedError):
        AnnotatorConfusionDisplay.from_estimator(AnnotatorClassifier())


def test_says_which_extra_has_matplotlib(fitted, monkeypatch):
    real_import = builtins.__import__

    def no_matplotlib(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_matplotlib)
    with pytest.raises(ImportError, match=r'AnnotatorConfusionDisplay needs.*"sklearn-kl\[plot\]"'):
        AnnotatorConfusionDisplay.from_estimator(fitted)
