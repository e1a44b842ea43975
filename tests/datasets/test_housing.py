"""load_housing against published totals and R."""

import numpy as np
import pytest

from sklearn_kl.datasets import load_housing


def test_totals_are_those_of_the_survey():
    X, y = load_housing(return_X_y=True)
    size = y.sum(axis=1)
    assert y.sum() == 1681
    assert y.sum(axis=0).tolist() == [567, 446, 668]
    # Tenants with Infl Medium and High, Type Apartment, Atrium and Terrace, Cont High.
    assert (size @ X).tolist() == [659, 395, 765, 239, 277, 968]


def test_every_group_is_there_once():
    X, _ = load_housing(return_X_y=True)
    assert X.shape == (24, 6)
    assert len(np.unique(X, axis=0)) == 24
    assert set(X.ravel()) == {0.0, 1.0}


def test_frame_holds_single_entries_of_the_source():
    pytest.importorskip("pandas")
    frame = load_housing(as_frame=True).frame
    counts = frame.set_index(["Infl", "Type", "Cont"]).T
    assert counts["Low", "Tower", "Low"].tolist() == [21, 21, 28]
    assert counts["Medium", "Atrium", "High"].tolist() == [10, 22, 24]
    assert counts["High", "Terrace", "High"].tolist() == [5, 6, 13]


def test_frame_has_categories_in_order():
    pytest.importorskip("pandas")
    housing = load_housing(as_frame=True)
    levels = {name: list(column.cat.categories) for name, column in housing.data.items()}
    assert levels == {
        "Infl": ["Low", "Medium", "High"],
        "Type": ["Tower", "Apartment", "Atrium", "Terrace"],
        "Cont": ["Low", "High"],
    }
    assert housing.feature_names == ["Infl", "Type", "Cont"]
    assert list(housing.target.columns) == ["Low", "Medium", "High"]
    assert housing.frame.shape == (24, 6)


def test_arrays_are_the_treatment_coding_of_the_frame():
    pandas = pytest.importorskip("pandas")
    housing = load_housing()
    dummies = pandas.get_dummies(load_housing(as_frame=True).data, prefix_sep="", drop_first=True)
    assert housing.feature_names == list(dummies.columns)
    np.testing.assert_array_equal(housing.data, dummies)
    np.testing.assert_array_equal(housing.target, load_housing(as_frame=True).target)


def test_likelihood_of_rs_model_is_rs(reference):
    # The groups, their order and the coding are R's: its coefficients give its deviance.
    housing = load_housing()
    r = reference("housing")
    fit = r["multinom"]
    assert housing.feature_names == r["feature_names"]
    assert housing.target_names.tolist() == r["target_names"]
    logits = np.zeros((24, 3))
    logits[:, 1:] = housing.data @ fit["coef"].T + fit["intercept"]
    proba = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(proba, fit["proba"], rtol=1e-12)
    deviance = -2 * (housing.target * np.log(proba)).sum()
    assert deviance == pytest.approx(fit["deviance"], rel=1e-13)
    assert deviance == pytest.approx(3470.083866, abs=5e-7)


def test_bunch_and_pair_agree():
    housing = load_housing()
    X, y = load_housing(return_X_y=True)
    np.testing.assert_array_equal(X, housing.data)
    np.testing.assert_array_equal(y, housing.target)
    assert housing.frame is None
    assert "Madsen" in housing.DESCR


def test_changing_the_arrays_does_not_change_the_next_call():
    X, y = load_housing(return_X_y=True)
    X[:] = y[:] = 0
    assert load_housing().target.sum() == 1681
    assert load_housing().data.any()
