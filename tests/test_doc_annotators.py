"""The code in doc/annotators.md runs and prints what the page says."""

import doctest
from pathlib import Path

import pytest

from sklearn_kl import AnnotatorClassifier
from sklearn_kl._annotators.confusion import MAX_STRENGTH, POOLED_VOTES

PAGE = Path(__file__).resolve().parents[1] / "doc" / "annotators.md"


def test_the_code_of_the_page_runs():
    test = doctest.DocTestParser().get_doctest(
        PAGE.read_text(encoding="utf-8"), {}, PAGE.name, str(PAGE), 0
    )
    report = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    result = runner.run(test, out=report.append)
    assert result.attempted == len(test.examples) > 15
    assert result.failed == 0, "".join(report)


def test_the_strengths_are_those_of_the_page():
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert MAX_STRENGTH == {"one-coin": 10, "confusion": 100}
    assert POOLED_VOTES == 1
    assert "at most 100 votes per class, and 10 per annotator" in text
    assert "drawn to the diagonal, by one vote per class" in text


@pytest.mark.parametrize("name", ["equal", "confusion", "one-coin", "auto"])
def test_the_table_has_every_model(name):
    assert f'| `"{name}"` |' in PAGE.read_text(encoding="utf-8")
    AnnotatorClassifier(annotators=name).fit([[0.0], [1.0]] * 5, [[0, 0], [1, 1]] * 5)
