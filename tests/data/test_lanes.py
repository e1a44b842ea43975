"""Row blocks: they cover X once, copy nothing, and their sums do not depend on threads."""

import threading
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal
from threadpoolctl import threadpool_info

from sklearn_kl._data.lanes import deal_lanes, lane_runner

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


def test_an_error_in_a_lane_reaches_the_caller():
    def work(lane):
        raise MemoryError("too large")

    with (
        lane_runner(deal_lanes(dense((100_000, 50)), 3), 2) as runner,
        pytest.raises(MemoryError, match="too large"),
    ):
        runner.sum(work)
