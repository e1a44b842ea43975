"""KLInference against R, statsmodels, textbook formulas, simulation and invariances."""

import builtins
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, logit, softmax
from scipy.stats import entropy, norm
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline

import sklearn_kl._inference.information as module
from sklearn_kl import KLClassifier, KLInference
from sklearn_kl.datasets import load_housing, make_soft_classification

# statsmodels 0.15.0 on the data of `diabetes`, which also makes the groups:
#   A = sm.add_constant(X)
#   fit = sm.MNLogit(y, A).fit(method="newton", tol=1e-14)
#   sm.MNLogit(y, A).fit(method="newton", tol=1e-14, cov_type="cluster",
#                        cov_kwds={"groups": groups, "use_correction": False})
MNLOGIT = {
    "params": [
        [0.431418446773, 9.345903649281, 4.716213659392, 15.193308891842],
        [0.075456601983, 24.750786778627, 13.421283262045, 28.219845857674],
    ],
    "bse": [
        [0.151980476783, 3.623498752396, 3.20235094169, 3.635392983939],
        [0.169811535696, 4.124488213105, 3.606313373485, 4.192186309924],
    ],
    "pvalues": [
        [4.530569219647e-03, 9.901553523470e-03, 1.408225603112e-01, 2.924392236313e-05],
        [6.567859551622e-01, 1.961841968365e-09, 1.979584789725e-04, 1.678832665073e-11],
    ],
    "conf_int_90_low": [
        [0.18143280831, 3.385778584149, -0.551184901818, 9.213619556816],
        [-0.203858518405, 17.966607381983, 7.489425629745, 21.324313000939],
    ],
    "cluster_bse": [
        [0.148194991579, 3.858637398797, 3.296208843122, 3.273836937729],
        [0.125263416116, 3.736084560864, 3.420783771831, 4.259875857807],
    ],
    "aic": 758.7488814772448,
    "bic": 791.4793605338664,
    "llr": 227.44304613577992,
    "llr_pvalue": 2.689446242488016e-46,
}
# Logit(target > 140, A), its cov_type="HC0" and .get_prediction(A[:3]).summary_frame(alpha=0.05).
LOGIT = {
    "bse": [0.11621402401, 3.073258931852, 2.734503672369, 3.06656800755],
    "hc0_bse": [0.116398322395, 3.114142804324, 2.718672870802, 3.296915384325],
    "ci_lower": [0.754559, 0.063391, 0.598328],
    "ci_upper": [0.880999, 0.153645, 0.754669],
}


def fit(X, y, C=np.inf, tol=1e-13, **params):
    return KLClassifier(C=C, tol=tol, **params).fit(X, y)


def infer(X, y, C=np.inf, fit_intercept=True, **params):
    return KLInference.from_estimator(fit(X, y, C, fit_intercept=fit_intercept), X, y, **params)


@pytest.fixture(scope="module")
def diabetes():
    X, target = load_diabetes(return_X_y=True)
    return X[:, [2, 3, 8]], target, np.arange(len(X)) // 10


@pytest.fixture(scope="module")
def housing():
    return load_housing(return_X_y=True)


def repeat_votes(X, counts):
    """Rows and labels of single votes, and the row that each comes from."""
    rows, labels = np.divmod(np.arange(counts.size), counts.shape[1])
    times = counts.ravel().astype(int)
    return X[np.repeat(rows, times)], np.repeat(labels, times), np.repeat(rows, times)


# ---- Other software


def test_equals_multinom_of_r(housing, reference):
    expected = reference("housing")["multinom"]
    inference = infer(*housing)
    coef = np.column_stack([expected["intercept"], expected["coef"]])
    assert_allclose(inference.coef, coef, atol=1e-6)
    assert_allclose(inference.standard_error, expected["standard_error"], rtol=1e-6)
    assert inference.aic == pytest.approx(expected["aic"], abs=1e-7)
    assert inference.log_likelihood == pytest.approx(-expected["deviance"] / 2)
    # BIC(fit) of R, whose number of observations is the number of tenants.
    assert inference.bic == pytest.approx(3574.06388421, abs=1e-7)


def test_likelihood_ratio_equals_anova_of_r(housing):
    X, counts = housing
    # anova(multinom(Sat ~ Infl + Type), multinom(Sat ~ Infl + Type + Cont))
    result = infer(X, counts).likelihood_ratio_test(infer(X[:, :5], counts))
    assert result.statistic == pytest.approx(16.059732234615, abs=1e-6)
    assert result.df == 2
    assert result.p_value == pytest.approx(0.000325591797109, rel=1e-6)


def test_equals_mnlogit_of_statsmodels(diabetes):
    X, target, groups = diabetes
    y = np.digitize(target, [100, 180])
    inference = infer(X, y)
    assert_allclose(inference.coef, MNLOGIT["params"], rtol=1e-5)
    assert_allclose(inference.standard_error, MNLOGIT["bse"], rtol=1e-6)
    assert_allclose(inference.z, np.divide(MNLOGIT["params"], MNLOGIT["bse"]), rtol=1e-5)
    assert_allclose(inference.p_value, MNLOGIT["pvalues"], rtol=1e-4)
    low, high = inference.confidence_interval(0.9)
    assert_allclose(low, MNLOGIT["conf_int_90_low"], rtol=1e-4)
    assert_allclose(low + high, 2 * inference.coef)
    assert inference.aic == pytest.approx(MNLOGIT["aic"], abs=1e-6)
    assert inference.bic == pytest.approx(MNLOGIT["bic"], abs=1e-6)
    null = inference.likelihood_ratio_test()
    assert null.statistic == pytest.approx(MNLOGIT["llr"], abs=1e-6)
    assert null.df == 6
    assert null.p_value == pytest.approx(MNLOGIT["llr_pvalue"], rel=1e-5)
    robust = infer(X, y, groups=groups)
    expected = np.array(MNLOGIT["cluster_bse"]) * np.sqrt(45 / 44)
    assert robust.n_groups == 45
    assert_allclose(robust.standard_error, expected, rtol=1e-6)


def test_equals_logit_of_statsmodels(diabetes):
    X, target, _ = diabetes
    y = target > 140
    inference = infer(X, y)
    assert inference.reference is False
    assert_allclose(inference.standard_error[0], LOGIT["bse"], rtol=1e-6)
    robust = infer(X, y, groups=np.arange(len(X)))
    expected = np.array(LOGIT["hc0_bse"]) * np.sqrt(len(X) / (len(X) - 1))
    assert_allclose(robust.standard_error[0], expected, rtol=1e-6)
    low, high = inference.predict_proba_interval(X[:3])
    assert_allclose(low[:, 1], LOGIT["ci_lower"], atol=1e-6)
    assert_allclose(high[:, 1], LOGIT["ci_upper"], atol=1e-6)


def test_equals_statsmodels_that_is_installed(diabetes):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        discrete = pytest.importorskip("statsmodels.discrete.discrete_model")
        X, target, _ = diabetes
        y = np.digitize(target, [80, 120, 200])
        A = np.column_stack([np.ones(len(X)), X])
        result = discrete.MNLogit(y, A).fit(method="newton", tol=1e-14, disp=0)
    inference = infer(X, y)
    assert_allclose(inference.covariance, result.cov_params(), rtol=1e-5, atol=1e-6)


# ---- Invariances and definitions


def test_covariance_is_the_inverse_of_finite_differences(housing):
    X, counts = housing
    inference = infer(X, counts)
    A = np.column_stack([np.ones(len(X)), X])

    def score(coef):
        q = softmax(np.column_stack([np.zeros(len(A)), A @ coef.reshape(2, -1).T]), axis=1)
        return ((counts - counts.sum(axis=1, keepdims=True) * q)[:, 1:].T @ A).ravel()

    theta = inference.coef.ravel()
    steps = 1e-5 * np.eye(len(theta))
    hessian = [(score(theta - step) - score(theta + step)) / 2e-5 for step in steps]
    assert_allclose(inference.covariance, np.linalg.inv(hessian), rtol=1e-6, atol=1e-9)


def test_counts_are_repeated_labels(housing):
    X, counts = housing
    rows, labels, _ = repeat_votes(X, counts)
    one, other = infer(X, counts), infer(rows, labels)
    assert_allclose(one.covariance, other.covariance, rtol=1e-6, atol=1e-9)
    for name in ("aic", "bic", "log_likelihood", "mass"):
        assert getattr(one, name) == pytest.approx(getattr(other, name))


def test_a_group_of_votes_is_a_row_of_counts(housing):
    X, counts = housing
    rows, labels, groups = repeat_votes(X, counts)
    one = infer(X, counts, groups=np.arange(len(X)))
    other = infer(rows, labels, groups=[f"group {group}" for group in groups])
    assert_allclose(one.covariance, other.covariance, rtol=1e-6, atol=1e-9)


def test_weights_are_repetitions(housing):
    X, counts = housing
    clf = KLClassifier(C=np.inf, tol=1e-13).fit(X, counts, sample_weight=np.full(len(X), 4))
    weighted = KLInference.from_estimator(clf, X, counts, sample_weight=np.full(len(X), 4))
    assert_allclose(weighted.standard_error, infer(X, counts).standard_error / 2, rtol=1e-6)


def test_sandwich_does_not_depend_on_the_scale_of_the_weights(housing):
    X, counts = housing
    weight = np.full(len(X), 4.0)
    clf = KLClassifier(C=np.inf, tol=1e-13).fit(X, counts, sample_weight=weight)
    groups = np.arange(len(X)) % 12
    weighted = KLInference.from_estimator(clf, X, counts, sample_weight=weight, groups=groups)
    plain = infer(X, counts, groups=groups)
    assert_allclose(weighted.covariance, plain.covariance, rtol=1e-6, atol=1e-9)


def test_target_proba_stands_in_for_y(housing):
    X, counts = housing
    y = np.arange(len(X)) % 3
    clf = KLClassifier(C=np.inf, tol=1e-13).fit(X, y, target_proba=counts)
    inference = KLInference.from_estimator(clf, X, y, target_proba=counts)
    assert_allclose(inference.covariance, infer(X, counts).covariance, rtol=1e-6, atol=1e-9)


def test_unlabelled_rows_count_for_nothing(housing):
    X, counts = housing
    more = np.vstack([X, 5 + X]), np.vstack([counts, np.zeros_like(counts)])
    groups = np.arange(48)
    assert_allclose(infer(*more).covariance, infer(X, counts).covariance, rtol=1e-6, atol=1e-9)
    robust = infer(*more, groups=groups)
    assert robust.n_groups == 24
    filled = KLInference.from_estimator(fit(X, counts), np.vstack([X, 1e300 + X]), more[1])
    assert_allclose(filled.covariance, infer(X, counts).covariance, rtol=1e-6, atol=1e-9)
    assert_allclose(robust.covariance, infer(X, counts, groups=groups[:24]).covariance, rtol=1e-5)


def test_reference_class_changes_the_contrasts_only(housing):
    X, counts = housing
    first, last = infer(X, counts), infer(X, counts, reference=2)
    assert_array_equal(last.contrast_classes, [0, 1])
    assert_allclose(last.coef[0], -first.coef[1])
    assert_allclose(last.standard_error[0], first.standard_error[1])
    assert last.aic == pytest.approx(first.aic)
    intervals = first.predict_proba_interval(X), last.predict_proba_interval(X)
    assert_allclose(*intervals)


def test_reference_of_two_classes_changes_the_sign(diabetes):
    X, target, _ = diabetes
    y = np.where(target > 140, "high", "low")
    high, low = infer(X, y), infer(X, y, reference="low")
    assert (high.reference, low.reference) == ("high", "low")
    assert_allclose(low.coef, -high.coef)
    assert_allclose(low.covariance, high.covariance)


def test_sparse_and_float32_features(housing):
    X, counts = housing
    dense = infer(X, counts)
    for matrix in (sp.csr_matrix(X), sp.csc_array(X), X.astype(np.float32)):
        # A gradient in float32 is no more exact than this.
        clf = fit(matrix, counts, tol=1e-10)
        inference = KLInference.from_estimator(clf, matrix, counts, groups=np.arange(24) // 2)
        expected = infer(X, counts, groups=np.arange(len(X)) // 2)
        assert_allclose(inference.standard_error, expected.standard_error, rtol=1e-4)
        plain = KLInference.from_estimator(clf, matrix, counts)
        assert_allclose(plain.covariance, dense.covariance, rtol=1e-4, atol=1e-6)
        intervals = inference.predict_proba_interval(matrix), expected.predict_proba_interval(X)
        assert_allclose(*intervals, rtol=1e-4)


def test_far_off_features_keep_their_standard_errors(diabetes):
    X, target, groups = diabetes
    y = np.digitize(target, [100, 180])
    near, far = infer(X, y, groups=groups), infer(X + 1000, y, groups=groups)
    assert_allclose(far.standard_error[:, 1:], near.standard_error[:, 1:], rtol=1e-4)
    assert_allclose(far.predict_proba_interval(X + 1000), near.predict_proba_interval(X), rtol=1e-4)


@pytest.mark.parametrize("offset", [1e4, 1e7])
def test_far_off_sparse_features_keep_their_standard_errors(diabetes, offset):
    X, target, groups = diabetes
    # Exact in units of 2^-20, beside a feature of many zeros.
    X = np.round(np.column_stack([X, X[:, 0] * (X[:, 1] > 0)]) * 2**20) / 2**20
    y = np.digitize(target, [100, 180])
    far = X + np.array([offset, 0, -offset, 0])
    near, off = infer(X, y, groups=groups), infer(sp.csr_array(far), y, groups=groups)
    assert_array_equal(np.flatnonzero(off.centre), [0, 2])
    assert_allclose(off.standard_error[:, 1:], near.standard_error[:, 1:], rtol=1e-4)
    for container in (np.asarray, sp.csc_array):
        intervals = off.predict_proba_interval(container(far))
        assert_allclose(intervals, near.predict_proba_interval(X), rtol=1e-4)


def test_no_intercept(diabetes):
    X, target, _ = diabetes
    inference = infer(X, target > 140, fit_intercept=False)
    assert inference.term_names == ["x0", "x1", "x2"]
    q = expit(X @ inference.coef[0])
    information = (X.T * (q * (1 - q))) @ X
    assert_allclose(inference.covariance, np.linalg.inv(information), rtol=1e-6)
    with pytest.raises(ValueError, match="intercepts alone is not nested"):
        inference.likelihood_ratio_test()


def test_blocks_and_batches_do_not_matter(diabetes, monkeypatch):
    X, target, groups = diabetes
    X, target = np.vstack([X] * 20), np.hstack([target] * 20)
    groups = np.hstack([groups + 45 * i for i in range(20)])
    y = np.digitize(target, [100, 180])
    clf = fit(X, y)
    whole = KLInference.from_estimator(clf, X, y, groups=groups)
    monkeypatch.setattr("sklearn_kl._data.lanes.BLOCK_BYTES", 2**10)
    monkeypatch.setattr(module, "BATCH_SIZE", 2**10)
    parts = KLInference.from_estimator(clf, X, y, groups=groups)
    assert_allclose(parts.covariance, whole.covariance, rtol=1e-8, atol=1e-12)
    assert_allclose(parts.predict_proba_interval(X), whole.predict_proba_interval(X), rtol=1e-8)


def test_standard_errors_are_those_of_repeated_sampling(housing):
    X, counts = housing
    q = fit(X, counts).predict_proba(X)
    rng = np.random.default_rng(0)
    draws = np.stack([rng.multinomial(counts.sum(axis=1).astype(int), q) for _ in range(200)])
    coefs = [infer(X, draw).coef for draw in draws]
    expected = np.std(coefs, axis=0)
    assert_allclose(infer(X, counts).standard_error, expected, rtol=0.2)


# ---- The same rows in any container


def textbook(coef, X, counts, reference, has_intercept, groups):
    """All that KLInference tells, by dense formulas in the coefficients themselves, C=inf."""
    A = np.column_stack([np.ones(len(X)), X]) if has_intercept else X
    n_classes = counts.shape[1]
    contrasts = [k for k in range(n_classes) if k != reference]
    logits = np.zeros((len(A), n_classes))
    logits[:, contrasts] = A @ coef.T
    q, mass = softmax(logits, axis=1), counts.sum(axis=1)
    spread = np.einsum("ij,jk->ijk", q, np.eye(n_classes)) - q[:, :, None] * q[:, None, :]
    curvature = spread[np.ix_(range(len(A)), contrasts, contrasts)]
    information = np.einsum("ijk,i,is,it->jskt", curvature, mass, A, A)
    covariance = np.linalg.inv(information.reshape(coef.size, coef.size))
    if groups is not None:
        scores = ((counts - mass[:, None] * q)[:, contrasts, None] * A[:, None]).reshape(len(A), -1)
        sums = np.array([scores[groups == g].sum(axis=0) for g in np.unique(groups)])
        covariance = len(sums) / (len(sums) - 1) * covariance @ sums.T @ sums @ covariance
    # d log(q_k / (1 - q_k)) / d eta_j = (1[j = k] - q_j) / (1 - q_k)
    slope = (np.eye(n_classes) - q[:, None]) / (1 - q[:, :, None])
    slope = np.einsum("ikj,it->ikjt", slope[:, :, contrasts], A).reshape(len(A), n_classes, -1)
    error = np.sqrt(np.einsum("ikp,pq,ikq->ik", slope, covariance, slope))
    half = norm.ppf(0.95) * error
    log_likelihood = np.vdot(counts, np.log(q))
    return SimpleNamespace(
        covariance=covariance,
        standard_error=np.sqrt(np.diag(covariance)).reshape(coef.shape),
        interval=(expit(logit(q) - half), expit(logit(q) + half)),
        log_likelihood=log_likelihood,
        aic=2 * coef.size - 2 * log_likelihood,
        bic=np.log(mass.sum()) * coef.size - 2 * log_likelihood,
        null=2 * (log_likelihood + mass.sum() * entropy(counts.sum(axis=0))),
    )


CONTAINERS = {
    "array": np.asarray,
    "Fortran": np.asfortranarray,
    "float32": np.float32,
    "frame": pd.DataFrame,
    "CSR": sp.csr_array,
    "CSC": sp.csc_matrix,
    "list": np.ndarray.tolist,
}


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    fitted=st.sampled_from(sorted(CONTAINERS)),
    predicted=st.sampled_from(sorted(CONTAINERS)),
    n_classes=st.integers(2, 4),
    has_intercept=st.booleans(),
    form=st.sampled_from(["labels", "counts", "sparse counts", "distributions"]),
    shift=st.sampled_from([0.0, 5.0, 64.0]),
    clustered=st.booleans(),
    data=st.data(),
)
def test_equals_textbook_formulas(
    fitted, predicted, n_classes, has_intercept, form, shift, clustered, data
):
    reference = data.draw(st.integers(0, n_classes - 1))
    X, votes, truth = make_soft_classification(90, 3, n_classes, n_votes=4, random_state=1)
    # Exact in float32, so that containers hold the same numbers.
    X = np.round(X * 64) / 64 + shift
    counts = {"labels": np.eye(n_classes)[votes.argmax(axis=1)], "distributions": truth}.get(
        form, votes.astype(float)
    )
    y = {"labels": votes.argmax(axis=1), "sparse counts": sp.csc_array(counts)}.get(form, counts)
    groups = np.arange(90) // 3 if clustered else None
    clf = KLClassifier(C=np.inf, tol=1e-11, fit_intercept=has_intercept)
    with warnings.catch_warnings():
        # Rounding of float32 gradients may end a search above so small a tol.
        warnings.simplefilter("ignore", ConvergenceWarning)
        clf.fit(CONTAINERS[fitted](X), y)
    inference = KLInference.from_estimator(
        clf, CONTAINERS[fitted](X), y, groups=groups, reference=reference
    )
    expected = textbook(inference.coef, X, counts, reference, has_intercept, groups)
    close = {"rtol": 2e-5, "atol": 1e-7}
    assert_allclose(inference.covariance, expected.covariance, **close)
    assert_allclose(inference.standard_error, expected.standard_error, **close)
    assert_allclose(inference.z, inference.coef / expected.standard_error, **close)
    low, high = inference.confidence_interval(0.9)
    assert_allclose(high - low, 2 * norm.ppf(0.95) * expected.standard_error, **close)
    new = CONTAINERS[predicted](X)
    assert_allclose(inference.predict_proba_interval(new, 0.9), expected.interval, **close)
    for name in ("log_likelihood", "aic", "bic"):
        assert getattr(inference, name) == pytest.approx(getattr(expected, name), rel=1e-6)
    if has_intercept and not clustered:
        statistic = inference.likelihood_ratio_test().statistic
        assert statistic == pytest.approx(expected.null, abs=1e-3)


def test_sparse_rows_in_batches(diabetes, monkeypatch):
    X, target, _ = diabetes
    inference = infer(X, np.digitize(target, [100, 180]))
    expected = inference.predict_proba_interval(X)
    monkeypatch.setattr(module, "BATCH_SIZE", 2**7)
    assert_allclose(inference.predict_proba_interval(sp.csr_array(X)), expected, rtol=1e-10)


# ---- Penalty


def test_penalised_covariance_is_the_inverse_hessian_of_the_log_posterior(housing):
    """Normal priors of variance C on the coefficients of all classes: Laplace's approximation.

    The Hessian is taken in all 21 coefficients. Only the sum of the three intercepts is left
    undetermined, so the first is fixed; the contrasts do not depend on that.
    """
    X, counts = housing
    inference = infer(X, counts, C=0.1)
    A = np.column_stack([np.ones(len(X)), X])
    q = inference.estimator.predict_proba(X)
    mass = counts.sum(axis=1)
    weight = -q[:, :, None] * q[:, None, :]
    weight[:, range(3), range(3)] += q
    full = np.einsum("ijk,i,is,it->jskt", weight, mass, A, A).reshape(21, 21)
    full += 10 * np.diag(np.tile([0] + [1] * 6, 3))
    kept = np.arange(21) != 0
    posterior = np.zeros((21, 21))
    posterior[np.ix_(kept, kept)] = np.linalg.inv(full[np.ix_(kept, kept)])
    contrast = np.kron([[-1, 1, 0], [-1, 0, 1]], np.eye(7))
    assert_allclose(inference.covariance, contrast @ posterior @ contrast.T, rtol=1e-6, atol=1e-9)
    data = full - 10 * np.diag(np.tile([0] + [1] * 6, 3))
    expected = np.trace(posterior @ data)
    assert inference.effective_n_params == pytest.approx(expected, rel=1e-6)
    assert inference.effective_n_params < inference.n_params == 14
    assert inference.aic == pytest.approx(2 * expected - 2 * inference.log_likelihood)
    assert inference.distance_to_optimum < 1e-3


def test_penalised_two_classes(diabetes):
    X, target, _ = diabetes
    inference = infer(X, target > 140, C=2.0)
    A = np.column_stack([np.ones(len(X)), X])
    q = inference.estimator.predict_proba(X)[:, 1]
    information = (A.T * (q * (1 - q))) @ A + np.diag([0, 0.5, 0.5, 0.5])
    assert_allclose(inference.covariance, np.linalg.inv(information), rtol=1e-6)
    assert inference.distance_to_optimum < 1e-3


def test_a_weak_penalty_changes_nothing(housing):
    weak, none = infer(*housing, C=1e9), infer(*housing)
    assert_allclose(weak.covariance, none.covariance, rtol=1e-5, atol=1e-8)
    assert weak.effective_n_params == pytest.approx(14)
    assert none.effective_n_params == 14.0


# ---- Intervals of probabilities


def test_intervals_hold_the_probability_and_stay_between_0_and_1(housing):
    X, counts = housing
    inference = infer(X, counts)
    low, high = inference.predict_proba_interval(X, 0.95)
    proba = inference.estimator.predict_proba(X)
    assert ((low > 0) & (low < proba) & (proba < high) & (high < 1)).all()
    assert_allclose(logit(low) + logit(high), 2 * logit(proba), atol=1e-9)
    wider = inference.predict_proba_interval(X, 0.99)
    assert (wider[0] < low).all()
    assert (wider[1] > high).all()
    far = inference.predict_proba_interval(1e4 * X)
    assert np.isfinite(far).all()
    assert (far[0] >= 0).all()
    assert (far[1] <= 1).all()


def test_interval_equals_the_delta_method_by_finite_differences(housing):
    X, counts = housing
    inference = infer(X, counts)
    A = np.column_stack([np.ones(len(X)), X])

    def logits(theta):
        q = softmax(np.column_stack([np.zeros(len(A)), A @ theta.reshape(2, -1).T]), axis=1)
        return logit(q)

    theta = inference.coef.ravel()
    steps = 1e-6 * np.eye(len(theta))
    slope = np.stack([(logits(theta + step) - logits(theta - step)) / 2e-6 for step in steps])
    variance = np.einsum("pik,pq,qik->ik", slope, inference.covariance, slope)
    low, high = inference.predict_proba_interval(X, 0.9)
    expected = norm.ppf(0.95) * np.sqrt(variance)
    assert_allclose((logit(high) - logit(low)) / 2, expected, rtol=1e-6)


def test_intervals_follow_the_columns_of_the_classifier(housing):
    X, counts = housing
    grades = ["Low", "Medium", "High"]
    named = infer(X, pd.DataFrame(counts, columns=grades), reference="Medium")
    assert named.contrast_classes.tolist() == ["Low", "High"]
    expected = infer(X, counts).predict_proba_interval(X)
    assert_allclose(named.predict_proba_interval(X), expected)


def test_refitting_the_classifier_does_not_change_the_inference(housing):
    X, counts = housing
    clf = fit(X, counts)
    inference = KLInference.from_estimator(clf, X, counts)
    before = inference.predict_proba_interval(X)
    clf.fit(X[:, :2], counts[:, :2])
    assert_array_equal(inference.predict_proba_interval(X), before)


# ---- Summary


def test_summary(housing):
    X, counts = housing
    grades = pd.DataFrame(counts, columns=["Low", "Medium", "High"])
    frame = pd.DataFrame(X, columns=list("abcdef"))
    inference = infer(frame, grades)
    table = inference.summary(0.9)
    assert table.columns.tolist() == ["coef", "standard_error", "z", "p_value", "low", "high"]
    assert table.index.names == ["class", "term"]
    assert table.index[0] == ("Medium", "intercept")
    row = table.loc[("High", "c")]
    assert row["coef"] == inference.coef[1, 3]
    assert row["standard_error"] == inference.standard_error[1, 3]
    assert row["low"] == inference.confidence_interval(0.9)[0][1, 3]


def test_summary_without_pandas_names_the_extra(housing, monkeypatch):
    inference = infer(*housing)
    original = builtins.__import__

    def without_pandas(name, *args, **kwargs):
        if name == "pandas":
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_pandas)
    with pytest.raises(ImportError, match=r"sklearn-kl\[pandas\]"):
        inference.summary()


def test_repr_is_short(housing):
    text = repr(infer(*housing))
    assert "KLInference(reference=0" in text
    assert len(text) < 500


# ---- What the data do not determine


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
def test_collinear_features_are_named(diabetes, container):
    X, target, _ = diabetes
    X = np.column_stack([X, X[:, 0] + 2 * X[:, 1]])
    with pytest.raises(ValueError, match=r"do not determine 1 of the coefficients \(True: x\d\)"):
        infer(container(X), target > 140)


def test_constant_and_empty_features_are_named(diabetes):
    X, target, _ = diabetes
    with pytest.raises(ValueError, match=r"\(True: x3\).*constant"):
        infer(np.column_stack([X, np.full(len(X), 3.0)]), target > 140)
    with pytest.raises(ValueError, match=r"2 of the coefficients \(1: x3; 2: x3\)"):
        infer(sp.csr_array(np.column_stack([X, 0 * target])), np.digitize(target, [100, 180]))


def test_collinear_features_are_fine_with_a_penalty(diabetes):
    X, target, _ = diabetes
    inference = infer(np.column_stack([X, X[:, 0]]), target > 140, C=1.0)
    assert np.isfinite(inference.standard_error).all()


@pytest.mark.parametrize("tol", [1e-4, 1e-7, 1e-12])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
def test_separated_classes_have_no_standard_errors(tol, container):
    X, y = load_iris(return_X_y=True)
    X = container(X)
    clf = KLClassifier(C=np.inf, tol=tol).fit(X, y)
    with pytest.raises(ValueError, match=r"separated.*penalty"):
        KLInference.from_estimator(clf, X, y)


def test_a_feature_that_only_one_class_has_separates(diabetes):
    X, target, _ = diabetes
    y = target > 140
    only = y & (np.arange(len(y)) % 5 == 0)
    X = np.column_stack([X, only])
    with pytest.raises(ValueError, match=r"separated"):
        infer(X, y)
    assert np.isfinite(infer(X, y, C=1.0).standard_error).all()


def test_almost_separated_classes_have_standard_errors():
    X = np.array([*np.arange(10), 4.1, *np.arange(5, 15)], dtype=float)[:, None]
    y = np.array([0] * 10 + [1] + [1] * 10)
    X = np.vstack([X[y == 0] * 0.46, X[y == 1]])
    y = np.sort(y)
    assert X[y == 0].max() > X[y == 1].min()
    inference = infer(X, y)
    assert np.sqrt(inference.covariance[0, 0]) > module.LARGE_LOGIT_ERROR
    assert np.isfinite(inference.standard_error).all()


def test_votes_on_both_sides_do_not_separate():
    X = np.arange(6.0)[:, None]
    votes = np.array([[9, 1], [9, 1], [8, 2], [2, 8], [1, 9], [1, 9]])
    assert np.isfinite(infer(X, votes).standard_error).all()


def test_large_unsure_data_are_taken_as_separated(monkeypatch):
    X, y = load_iris(return_X_y=True)
    monkeypatch.setattr(module, "MAX_CONSTRAINT_NUMBERS", 10)
    with pytest.raises(ValueError, match="separated|tell classes apart without error"):
        infer(X, y)


def test_a_class_without_mass(housing):
    X, counts = housing
    counts = counts * np.array([1, 0, 1])
    clf = KLClassifier(C=1.0).fit(X, counts)
    with pytest.raises(ValueError, match=r"classes \[1\] have no mass in y"):
        KLInference.from_estimator(clf, X, counts)


# ---- Other errors and warnings


def test_other_data_than_those_of_the_fit_are_noticed(diabetes):
    X, target, _ = diabetes
    clf = fit(X, target > 140)
    with pytest.warns(ConvergenceWarning, match=r"standard errors from the optimum.*Pass the X, y"):
        inference = KLInference.from_estimator(clf, 2 * X, target > 140)
    assert inference.distance_to_optimum > 1


def test_a_fit_that_stopped_too_early_for_its_mass_is_noticed(housing):
    X, counts = housing
    clf = KLClassifier(C=np.inf, tol=1e-4).fit(X, 1e4 * counts)
    with pytest.warns(ConvergenceWarning, match=r"smaller tol, such as tol=3e-12"):
        KLInference.from_estimator(clf, X, 1e4 * counts)
    clf.set_params(tol=3e-12).fit(X, 1e4 * counts)
    assert KLInference.from_estimator(clf, X, 1e4 * counts).distance_to_optimum < 0.1


def test_class_weight_is_known_from_the_classifier(housing):
    X, counts = housing
    clf = fit(X, counts, class_weight={0: 1, 1: 2, 2: 0.5})
    inference = KLInference.from_estimator(clf, X, counts)
    assert_allclose(inference.class_mass, counts.sum(axis=0) * [1, 2, 0.5])
    assert inference.cross_entropy == pytest.approx(clf.cross_entropy_)


def test_labels_of_a_subset_are_matched_with_the_classes(housing):
    X, counts = housing
    clf = fit(X, pd.DataFrame(counts, columns=["Low", "Medium", "High"]))
    with pytest.raises(ValueError, match="labels that are not among the classes"):
        KLInference.from_estimator(clf, X, ["Poor"] * len(X))


def test_other_estimators_are_refused(housing):
    X, counts = housing
    with pytest.raises(TypeError, match="For a pipeline, pass its last step"):
        KLInference.from_estimator(make_pipeline(KLClassifier()).fit(X, counts), X, counts)


def test_too_many_parameters(monkeypatch, housing):
    monkeypatch.setattr(module, "MAX_PARAMS", 13)
    with pytest.raises(ValueError, match="covariance of 14 parameters is a dense matrix of 0.0 GB"):
        infer(*housing)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (np.zeros(24), "one group"),
        (np.zeros((24, 1)), "groups must be 1-D"),
        ([None] + ["a"] * 23, "no value in row 0"),
        ([1.0] * 5 + [np.nan] + [2.0] * 18, "no value in row 5"),
        (np.arange(23), "inconsistent numbers of samples"),
    ],
)
def test_invalid_groups(housing, groups, message):
    with pytest.raises(ValueError, match=message):
        infer(*housing, groups=groups)


def test_invalid_reference_and_level(housing):
    with pytest.raises(ValueError, match=r"reference='Low' is not a class.*\[0, 1, 2\]"):
        infer(*housing, reference="Low")
    inference = infer(*housing)
    for level in (0, 1, 95, np.nan):
        with pytest.raises(ValueError, match="confidence_level must be between 0 and 1"):
            inference.confidence_interval(level)


def test_likelihood_ratio_test_refuses_what_has_no_chi_squared_distribution(housing):
    X, counts = housing
    full, smaller = infer(X, counts), infer(X[:, :5], counts)
    with pytest.raises(ValueError, match=r"one has C=1\. Fit both with C=np.inf"):
        full.likelihood_ratio_test(infer(X[:, :5], counts, C=1.0))
    with pytest.raises(ValueError, match="one model has groups"):
        infer(X, counts, groups=range(24)).likelihood_ratio_test(smaller)
    with pytest.raises(ValueError, match="smaller is not nested"):
        smaller.likelihood_ratio_test(full)
    with pytest.raises(ValueError, match="not fitted on the same targets"):
        full.likelihood_ratio_test(infer(X[:, :5], 2 * counts))
    with pytest.raises(TypeError, match="smaller must be a KLInference"):
        full.likelihood_ratio_test(smaller.estimator)


def test_likelihood_ratio_of_a_null_feature_is_chi_squared():
    rng = np.random.default_rng(0)
    X, _, q = make_soft_classification(300, 3, 2, n_votes=10, random_state=0)
    p_values = []
    for _ in range(100):
        y = (rng.random(300) < q[:, 1]).astype(int)
        Z = np.column_stack([X, rng.normal(size=300)])
        p_values.append(infer(Z, y).likelihood_ratio_test(infer(X, y)).p_value)
    # A binomial of 100 and 0.1 is in this range with probability 0.998.
    assert 2 <= np.sum(np.array(p_values) < 0.1) <= 20


def test_input_is_not_changed(housing):
    X, counts = housing
    before = X.copy(), counts.copy()
    infer(X, counts, groups=range(24)).predict_proba_interval(X)
    assert_array_equal(X, before[0])
    assert_array_equal(counts, before[1])
