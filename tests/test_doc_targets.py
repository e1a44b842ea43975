"""The code in doc/targets.md runs and prints what the page says, and its tables are true."""

import doctest
from pathlib import Path

import numpy as np

import sklearn_kl.labels
from sklearn_kl._data.distributions import sum_tolerance

PAGE = Path(__file__).resolve().parents[1] / "doc" / "targets.md"


def test_the_code_of_the_page_runs():
    test = doctest.DocTestParser().get_doctest(
        PAGE.read_text(encoding="utf-8"), {}, PAGE.name, str(PAGE), 0
    )
    report = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    result = runner.run(test, out=report.append)
    assert result.attempted == len(test.examples) > 15
    assert result.failed == 0, "".join(report)


def test_the_table_names_every_reader():
    text = PAGE.read_text(encoding="utf-8")
    readers = [name for name in sklearn_kl.labels.__all__ if name.endswith("_to_targets")]
    assert len(readers) == 6
    assert all(f"`{name}(" in text for name in readers)


def test_the_tolerance_is_that_of_the_page():
    assert f"{np.finfo(np.float32).eps:.1e}" == "1.2e-07"
    assert f"{sum_tolerance(2):.1e}" == "1.9e-06"
    assert f"{sum_tolerance(10**6):.1e}" == "3.5e-04"
