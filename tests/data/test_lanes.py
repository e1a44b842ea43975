"""Row blocks: they cover X once, copy nothing, and their sums do not depend on threads."""

import os
import subprocess
import sys
import threading
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal
from threadpoolctl import threadpool_info, threadpool_limits

from sklearn_kl._data.encode import encode_targets
from sklearn_kl._data.lanes import Lanes, Largest, _count_threads, deal_lanes, lane_runner

SHAPES = [(1, 1), (7, 3), (100_000, 3), (4_000, 500), (20_000, 50)]


def dense(shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n_logits", [1, 10, 1000])
def test_blocks_are_all_rows_once_in_order(shape, n_logits):
    X = dense(shape)
    blocks = [block for lane in deal_lanes(X, n_logits) for block in lane]
    bounds = [(block.rows.start, block.rows.stop) for block in blocks]
    assert bounds[0][0] == 0
    assert bounds[-1][1] == len(X)
    assert all(left[1] == right[0] for left, right in pairwise(bounds))
    for block in blocks:
        assert_array_equal(block.X, X[block.rows])
        assert np.shares_memory(block.X, X)


@pytest.mark.parametrize("container", [sp.csr_matrix, sp.csr_array, sp.csc_matrix, sp.csc_array])
@pytest.mark.parametrize("n_rows", [1, 5_000, 100_000])
def test_sparse_blocks_are_views(container, n_rows):
    rng = np.random.default_rng(0)
    X = container(sp.random(n_rows, 7, density=0.3, random_state=rng, format="csr"))
    blocks = [block for lane in deal_lanes(X, 3) for block in lane]
    for block in blocks:
        assert abs(sp.csr_array(block.X) - sp.csr_array(X)[block.rows]).sum() == 0
        if X.nnz:
            assert np.shares_memory(block.X.data, X.data)
    assert sum(block.X.shape[0] for block in blocks) == n_rows


def test_what_a_row_takes_and_the_gradient_bound_blocks_and_lanes():
    X = np.zeros((20_000, 10))
    few, many = deal_lanes(X, 5), deal_lanes(X, 500)
    assert len(many[0][0].X) < len(few[0][0].X)
    # 64 MiB of gradients: four lanes of 2 million parameters each, and never less than two lanes.
    assert len(deal_lanes(X, 500, 2 * 10**6)) == 4
    assert len(deal_lanes(X, 500, 10**8)) == 2
    # Sparse rows are a block per lane, unless what they take besides is more than 64 MiB.
    sparse = sp.csr_array((500_000, 10))
    assert deal_lanes(sparse, 5)[0][0].X.shape[0] == 31_250
    assert deal_lanes(sparse, 500)[0][0].X.shape[0] == 16_777


def test_blocks_keep_64_bit_indices():
    X = sp.random(50_000, 7, density=0.3, random_state=0, format="csr")
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    blocks = [block for lane in deal_lanes(X, 3) for block in lane]
    assert len(blocks) > 1
    parts = sp.vstack([sp.csr_array(block.X) for block in blocks])
    assert abs(parts - sp.csr_array(X)).sum() == 0


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array, sp.csc_array])
def test_sums_are_the_same_for_any_number_of_threads(container):
    X = container(np.random.default_rng(0).normal(size=(60_000, 20)).astype(np.float32))
    lanes = deal_lanes(X, 10)

    def work(lane):
        return (sum(np.asarray(block.X.sum(axis=0)).ravel() for block in lane),)

    def total(n_jobs):
        with lane_runner(lanes, n_jobs) as runner:
            return runner.sum(work)[0]

    expected = total(1)
    for n_jobs in (2, 3, None, -1):
        assert_array_equal(total(n_jobs), expected)


def test_blas_has_one_thread_inside_and_its_own_afterwards():
    def blas_threads():
        return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]

    before = blas_threads()
    with lane_runner(deal_lanes(dense((10, 2)), 3), 2):
        assert set(blas_threads()) <= {1}
    assert blas_threads() == before


def blas_threads():
    return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]


def test_contexts_of_several_threads_leave_blas_as_it_was():
    """One enters before the other leaves: in turn, they would restore what the other had set."""
    before, lanes = blas_threads(), deal_lanes(dense((10, 2)), 3)
    entered, left = threading.Event(), threading.Event()

    def other():
        with lane_runner(lanes, 1):
            entered.set()
            left.wait(10)

    with threadpool_limits(2, user_api="blas"):
        usual = blas_threads()
        thread = threading.Thread(target=other)
        with lane_runner(lanes, 1):
            thread.start()
            assert entered.wait(10)
        # The other is still inside.
        assert set(blas_threads()) <= {1}
        left.set()
        thread.join()
        assert blas_threads() == usual
    assert blas_threads() == before


def test_a_fit_beside_another_takes_as_many_threads_as_alone():
    lanes = deal_lanes(dense((10, 2)), 3)
    with threadpool_limits(2, user_api="blas"):
        usual = _count_threads(None)
        with lane_runner(lanes, 1):
            assert _count_threads(None) == usual
        assert _count_threads(3) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_process_that_is_forked_beside_a_fit_has_its_threads_back():
    code = """\
import os, sys, threading
from threadpoolctl import threadpool_info, threadpool_limits
import numpy as np
from sklearn_kl._data.lanes import deal_lanes, lane_runner

def blas_threads():
    return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]

threadpool_limits(2, user_api="blas")
usual = blas_threads()
lanes = deal_lanes(np.zeros((10, 2)), 3)
with lane_runner(lanes, 1):
    child = os.fork()
    if child == 0:
        inside = blas_threads()
        with lane_runner(lanes, 1):
            pass
        os._exit(0 if inside == usual == blas_threads() else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_n_jobs_bounds_the_threads():
    lanes = deal_lanes(dense((100_000, 50)), 3)
    assert len(lanes) > 2
    for n_jobs in (1, 2):
        names = set()

        def work(lane, names=names):
            names.add(threading.current_thread().name)
            return (len(lane),)

        with lane_runner(lanes, n_jobs) as runner:
            runner.sum(work)
        assert len(names) <= n_jobs


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array, sp.csc_array])
@pytest.mark.parametrize("form", ["labels", "matrix", "sparse matrix"])
def test_a_block_is_complete_by_itself(container, form):
    rng = np.random.default_rng(0)
    X, votes = dense((40_000, 3)), rng.poisson(1.0, size=(40_000, 4)).astype(float)
    y = {"labels": votes.argmax(axis=1), "matrix": votes, "sparse matrix": sp.csr_array(votes)}
    targets = encode_targets(y[form], sample_weight=rng.uniform(size=40_000)).share_of_total()
    lanes = Lanes(deal_lanes(container(X), 4, targets=targets))
    blocks = [block for lane in lanes.lanes for block in lane]
    assert len(blocks) > 1 or container is sp.csc_array
    for block in blocks:
        assert block.targets.n_samples == block.X.shape[0]
        assert_array_equal(block.targets.mass, targets.mass[block.rows])
        assert_array_equal(block.targets.strengths(), targets.block(block.rows))
    (mass,) = lanes.sum(lambda lane: (sum(block.targets.mass.sum() for block in lane),))
    assert mass == pytest.approx(1.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_array, sp.csc_array])
def test_lanes_know_what_they_hold(container, dtype):
    lanes = Lanes(deal_lanes(container(dense((30_000, 3)).astype(dtype)), 4))
    assert lanes.dtype == dtype
    assert (lanes.n_samples, lanes.n_features) == (30_000, 3)
    assert lanes.sparse == (container is not np.asarray)


def test_a_sample_is_some_rows_of_every_block_with_their_masses():
    X = dense((100_000, 3))
    targets = encode_targets(np.arange(100_000) % 2, sample_weight=np.arange(1.0, 100_001))
    lanes = Lanes(deal_lanes(X, 2, targets=targets))
    rows, mass = lanes.sample(5_000)
    assert 5_000 <= len(rows) <= 5_500
    assert_array_equal(rows[:, 0] / 3 + 1, mass)
    everything, mass = lanes.sample(10**6)
    assert_array_equal(everything, X)
    assert_array_equal(mass, targets.mass)
    few = lanes.glimpse(64)
    assert 64 <= len(few) <= 128
    assert np.shares_memory(few, X)


def test_sums_of_the_largest_are_the_largest():
    X = np.random.default_rng(0).normal(size=(100_000, 3))
    lanes = Lanes(deal_lanes(X, 2))
    assert len(lanes.lanes) > 2

    def work(lane):
        largest = Largest(np.full(3, -np.inf))
        for block in lane:
            largest += Largest(block.X.max(axis=0))
        return (largest,)

    (largest,) = lanes.sum(work)
    assert_array_equal(largest.values, X.max(axis=0))


def test_what_is_kept_beside_the_rows_belongs_to_one_theta():
    block = deal_lanes(dense((10, 2)), 2)[0][0]
    calls = []

    def compute():
        calls.append(len(calls))
        return np.array(calls)

    theta = np.zeros(3)
    first = block.keep(theta, compute)
    assert block.keep(theta.copy(), compute) is first
    # A theta that is changed in place is another one.
    theta[0] = 1.0
    assert block.keep(theta, compute) is not first
    assert len(calls) == 2


def test_an_error_in_a_lane_reaches_the_caller():
    def work(lane):
        raise MemoryError("too large")

    with (
        lane_runner(deal_lanes(dense((100_000, 50)), 3), 2) as runner,
        pytest.raises(MemoryError, match="too large"),
    ):
        runner.sum(work)
