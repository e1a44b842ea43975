"""Numbers that are out of range, or no numbers, are errors that name the parameter."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_kl.datasets import make_soft_classification
from sklearn_kl.metrics import (
    chebyshev_distance,
    compare_kl,
    cross_entropy_loss,
    entropy,
    js_divergence,
    kl_decomposition,
    kl_divergence,
)
from sklearn_kl.model_selection import (
    SoftStratifiedGroupKFold,
    SoftStratifiedKFold,
    SoftStratifiedShuffleSplit,
)

VOTES = [[1, 2], [3, 1], [0, 2], [2, 2]]
PROBA = [[0.5, 0.5], [0.3, 0.7], [0.2, 0.8], [0.9, 0.1]]

NO_NUMBERS = st.sampled_from([True, "a", [1], None, 1j, np.array([1.0, 2.0])])
NO_WHOLE_NUMBERS = NO_NUMBERS | st.floats()
NO_FLAGS = st.sampled_from([0, 1, 1.0, "yes", [True], None])
NO_SEEDS = st.integers(max_value=-1) | st.integers(2**32) | st.floats() | st.just("a")


def below(least):
    return st.integers(max_value=least - 1)


def out_of(low, high=np.inf):
    """Numbers that are not strictly between two others, and what is no number."""
    numbers = [st.floats(max_value=low), st.sampled_from([np.nan, np.inf, -np.inf])]
    numbers += [st.floats(high)] if np.isfinite(high) else [st.just(10**400)]
    return st.one_of(*numbers)


def folds(splitter):
    return lambda **wrong: next(splitter(**wrong).split(VOTES, VOTES, None))


# What is called, the parameter, and values that it must refuse. None is left out where it is the
# default.
CASES = [
    (compare_kl, "n_resamples", below(2) | NO_WHOLE_NUMBERS),
    (compare_kl, "confidence_level", out_of(0, 1) | NO_NUMBERS),
    (compare_kl, "random_state", NO_SEEDS),
    (kl_decomposition, "n_bins", (below(1) | NO_WHOLE_NUMBERS).filter(lambda v: v is not None)),
    *(
        (metric, "base", (out_of(1) | NO_NUMBERS).filter(lambda v: v is not None))
        for metric in (cross_entropy_loss, kl_divergence, js_divergence, entropy)
    ),
    (kl_divergence, "per_sample", NO_FLAGS),
    (entropy, "per_sample", NO_FLAGS),
    (chebyshev_distance, "per_sample", NO_FLAGS),
    (make_soft_classification, "n_samples", below(1) | NO_WHOLE_NUMBERS),
    (make_soft_classification, "n_features", below(1) | NO_WHOLE_NUMBERS),
    (make_soft_classification, "n_classes", below(2) | NO_WHOLE_NUMBERS),
    (make_soft_classification, "n_votes", below(0) | st.integers(2**63) | NO_WHOLE_NUMBERS),
    (
        make_soft_classification,
        "class_sep",
        st.floats(max_value=0, exclude_max=True) | st.sampled_from([np.nan, np.inf]) | NO_NUMBERS,
    ),
    (
        make_soft_classification,
        "weights",
        st.lists(out_of(0) | st.just("a"), min_size=3, max_size=3),
    ),
    (make_soft_classification, "random_state", NO_SEEDS),
    *(
        (folds(splitter), "n_splits", below(least) | NO_WHOLE_NUMBERS)
        for splitter, least in (
            (SoftStratifiedKFold, 2),
            (SoftStratifiedGroupKFold, 2),
            (SoftStratifiedShuffleSplit, 1),
        )
    ),
    (folds(SoftStratifiedShuffleSplit), "random_state", NO_SEEDS),
    *(
        (
            folds(SoftStratifiedShuffleSplit),
            size,
            (out_of(0, 1) | below(1) | NO_NUMBERS).filter(lambda v: v is not None),
        )
        for size in ("test_size", "train_size")
    ),
]
POSITIONAL = {
    compare_kl: (VOTES, PROBA, PROBA[::-1]),
    entropy: (VOTES,),
    make_soft_classification: (),
}


def call(function, **wrong):
    if function is kl_decomposition:
        wrong["method"] = "binned"
    if function not in POSITIONAL and getattr(function, "__name__", "") == "<lambda>":
        return function(**wrong)
    return function(*POSITIONAL.get(function, (VOTES, PROBA)), **wrong)


@pytest.mark.parametrize("function, parameter, values", CASES)
def test_values_out_of_range_are_named(function, parameter, values):
    @given(values)
    @settings(max_examples=25, deadline=None, derandomize=True, database=None)
    def check(value):
        with pytest.raises((TypeError, ValueError), match=parameter):
            call(function, **{parameter: value})

    check()


@pytest.mark.parametrize("class_sep", [1e50, 1e150, 1e308, np.finfo(float).max])
def test_a_huge_separation_leaves_one_class_to_every_row(class_sep):
    X, y, q = make_soft_classification(50, class_sep=class_sep, random_state=0)
    assert np.isfinite(X).all()
    np.testing.assert_array_equal(np.sort(q, axis=1), [[0.0, 0.0, 1.0]] * 50)
    np.testing.assert_array_equal(y, 10 * q)


def test_two_resamples_are_enough():
    result = compare_kl(VOTES, PROBA, PROBA[::-1], n_resamples=2, random_state=0)
    assert np.isfinite([result.standard_error, *result.confidence_interval]).all()
