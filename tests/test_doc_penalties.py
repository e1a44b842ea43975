"""The code in doc/penalties.md runs and prints what the page says, and so do its equations."""

import doctest
from pathlib import Path

import numpy as np
import pytest

from sklearn_kl import KLClassifier
from sklearn_kl.datasets import make_soft_classification

PAGE = Path(__file__).resolve().parents[1] / "doc" / "penalties.md"


def test_the_code_of_the_page_runs():
    test = doctest.DocTestParser().get_doctest(
        PAGE.read_text(encoding="utf-8"), {}, PAGE.name, str(PAGE), 0
    )
    report = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    result = runner.run(test, out=report.append)
    assert result.attempted == len(test.examples) > 30
    assert result.failed == 0, "".join(report)


@pytest.mark.parametrize("n_classes", [2, 3, 4])
@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
def test_weights_leave_zero_where_the_page_says(n_classes, l1_ratio):
    X, votes, _ = make_soft_classification(80, 5, n_classes, random_state=0)
    share = votes.sum(axis=0) / votes.sum()
    residual = votes.sum(axis=1, keepdims=True) * share - votes
    C_0 = l1_ratio / np.abs(X.T @ residual).max()
    clf = KLClassifier(l1_ratio=l1_ratio, tol=1e-10)
    assert not clf.set_params(C=0.999 * C_0).fit(X, votes).coef_.any()
    assert clf.set_params(C=1.01 * C_0).fit(X, votes).coef_.any()


def test_zero_is_the_median_of_a_features_coefficients():
    X, votes, _ = make_soft_classification(80, 5, 3, random_state=0)
    coef = KLClassifier(l1_ratio=1.0, tol=1e-10).fit(X, votes).coef_
    assert (np.median(coef, axis=0) == 0).all()


def test_l2_makes_a_features_coefficients_sum_to_zero():
    X, votes, _ = make_soft_classification(80, 5, 3, random_state=0)
    np.testing.assert_allclose(KLClassifier().fit(X, votes).coef_.sum(axis=0), 0, atol=1e-7)
