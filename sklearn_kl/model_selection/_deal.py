"""How rows, and groups of rows, are dealt to parts whose targets are to be alike."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linear_sum_assignment
from scipy.special import entr

# More classes than this are watched through random sums of them: dense rows of 10,000 classes
# would be too much.
_MAX_QUANTITIES = 128
# Rows of one round of dealing, if the parts' sizes allow; rounds cost the cube of it.
_MAX_ROUND = 128
# Quantities are whole numbers up to this. What tells two splits apart is then never the rounding
# of a sum, which depends on how an array lies in memory and on the unit of the votes.
_GRID = 2.0**20
# Strengths within this share of the largest of a row are tied: more than float32 rounds off.
_TIED = 1e-6
# Pairs of more groups than this are not searched for swaps: a table of them would be too large.
_MAX_SWAPPED = 512


def strengths_of_rows(targets: Any) -> sp.csr_array:
    """Return the strengths of the rows in one form, whatever form they came in.

    Returns
    -------
    CSR array of shape (n_samples, n_classes)
        Float64, the largest entry 1, without zeros, columns of a row ascending. The unit of the
        votes drops out, so that no square overflows or underflows.
    """
    strengths = targets.to_csr()
    strengths.sum_duplicates()
    strengths.eliminate_zeros()
    strengths.data /= strengths.data.max()
    return strengths


def leading_class(strengths: sp.csr_array) -> np.ndarray:
    """Return the column of every row's heaviest class, the first of those that are tied.

    An unlabelled row leads with ``n_classes``, a class of its own.
    """
    n_samples, n_classes = strengths.shape
    rows = _entry_rows(strengths)
    largest = np.zeros(n_samples)
    np.maximum.at(largest, rows, strengths.data)
    leads = strengths.data >= (1.0 - _TIED) * largest[rows]
    leading = np.full(n_samples, n_classes)
    # Backwards, since the last of several assignments to a row stays.
    leading[rows[leads][::-1]] = strengths.indices[leads][::-1]
    return leading


def deal_in_blocks(leading: np.ndarray, n_parts: int) -> np.ndarray:
    """Give every part a run of consecutive rows of each stratum, as StratifiedKFold does.

    Parameters
    ----------
    leading : ndarray of shape (n_samples,) of int
        Stratum of every row.
    n_parts : int

    Returns
    -------
    ndarray of shape (n_samples,) of int
        Part of every row. Within a stratum it ascends.
    """
    _, first, stratum = np.unique(leading, return_index=True, return_inverse=True)
    # Numbered by first appearance: so the names of the strata do not matter.
    stratum = np.argsort(np.argsort(first))[stratum]
    order = np.argsort(stratum, kind="stable")
    # A round over the sorted rows says how many of a stratum a part gets.
    slots = np.arange(len(leading)) % n_parts
    part = np.empty(len(leading), dtype=np.intp)
    part[order] = slots[np.lexsort((slots, stratum[order]))]
    return part


def deal_evenly(
    strengths: sp.csr_array, slots: np.ndarray, n_parts: int, rng: np.random.RandomState
) -> np.ndarray:
    """Give every row to a part at random, such that the targets of all parts are alike.

    Parameters
    ----------
    strengths : CSR array of shape (n_samples, n_classes)
        As of `strengths_of_rows`.
    slots : ndarray of shape (n_samples,) of int
        Parts in the order in which they take rows.
    n_parts : int
    rng : RandomState
        Source of the order of the rows.

    Returns
    -------
    ndarray of shape (n_samples,) of int
        Part of every row.
    """
    n_samples = strengths.shape[0]
    order = rng.permutation(n_samples)
    order = order[np.argsort(leading_class(strengths)[order], kind="stable")]
    part = np.empty(n_samples, dtype=np.intp)
    part[order] = slots
    if _is_hard(strengths):
        return part
    quantities = _of_unit_norm(_quantities(strengths))
    share = np.bincount(slots, minlength=n_parts) / n_samples
    length = _round_length(share)
    excess = np.zeros((n_parts, quantities.shape[1]))
    for start in range(0, n_samples, length):
        rows, takers = order[start : start + length], slots[start : start + length]
        dealt = quantities[rows]
        # Linear in the rows: the squares of the rows themselves do not depend on who takes them.
        i, j = linear_sum_assignment(dealt @ (excess[takers] / share[takers, None]).T)
        part[rows[i]] = takers[j]
        np.add.at(excess, takers[j], dealt[i])
        excess -= share[:, None] * dealt.sum(axis=0)
    return part


def deal_groups(
    strengths: sp.csr_array,
    groups: np.ndarray,
    n_parts: int,
    rng: np.random.RandomState | None,
) -> np.ndarray:
    """Give every group of rows to a part, such that targets and sizes of all parts are alike.

    Parameters
    ----------
    strengths : CSR array of shape (n_samples, n_classes)
        As of `strengths_of_rows`.
    groups : ndarray of shape (n_samples,) of int
        Group of every row, numbered from 0 without gaps; `n_parts` of them or more have mass.
    n_parts : int
    rng : RandomState or None
        Source of the order of groups of the same size; None leaves the order of their numbers.

    Returns
    -------
    ndarray of shape (n_groups,) of int
        Part of every group. Every part has a group with mass.
    """
    quantities = np.column_stack([_quantities(strengths), np.ones(strengths.shape[0])])
    totals = group_sums(groups, quantities)
    labelled = group_sums(groups, np.diff(strengths.indptr)) > 0
    totals = _of_unit_norm(totals)
    n_groups = len(totals)
    order = np.arange(n_groups) if rng is None else rng.permutation(n_groups)
    # The largest first, while there is most room to make up for them.
    order = order[np.lexsort((-np.square(totals[order]).sum(axis=1), ~labelled[order]))]
    part = np.empty(n_groups, dtype=np.intp)
    excess = np.tile(-totals.sum(axis=0) / n_parts, (n_parts, 1))
    for group in order:
        part[group] = np.argmin(excess @ totals[group])
        excess[part[group]] += totals[group]
    return _swap_groups(totals, labelled, part, n_parts) if n_groups <= _MAX_SWAPPED else part


def group_sums(groups: np.ndarray, rows: Any) -> Any:
    """Return the sums over the rows of every group of a dense or sparse array."""
    indicator = sp.csr_array((np.ones(len(groups)), (groups, np.arange(len(groups)))))
    return indicator @ rows


def _swap_groups(totals, labelled, part, n_parts):
    """Return the parts after the swaps of two groups that make the parts most alike.

    An empty seat in each part makes the move of a group a swap, too.
    """
    totals = np.vstack([totals, np.zeros((n_parts, totals.shape[1]))])
    labelled = np.append(labelled, np.zeros(n_parts, dtype=bool))
    part = np.append(part, np.arange(n_parts))
    products = totals @ totals.T
    squares = products.diagonal()[:, None] + products.diagonal() - 2.0 * products
    excess = group_sums(part, totals) - totals.sum(axis=0) / n_parts
    for _ in range(10 * len(totals)):
        held = totals @ excess.T
        own = held[np.arange(len(part)), part]
        # By how much the sum of squares of the excess falls if rows i and j change places.
        across = held[:, part]
        gain = 2.0 * (own[:, None] + own[None] - across - across.T) - 2.0 * squares
        # A part keeps a group with mass.
        lone = labelled & (np.bincount(part, weights=labelled)[part] == 1)
        gain[lone[:, None] & ~labelled[None]] = gain[~labelled[:, None] & lone[None]] = 0.0
        i, j = np.unravel_index(np.argmax(gain), gain.shape)
        if gain[i, j] <= 1e-9:
            break
        excess[part[i]] += totals[j] - totals[i]
        excess[part[j]] += totals[i] - totals[j]
        part[i], part[j] = part[j], part[i]
    return part[:-n_parts]


def _is_hard(strengths):
    """Return whether every labelled row has one class and they all weigh the same."""
    per_row = np.diff(strengths.indptr)
    return bool(per_row.max() == 1 and strengths.data.min() == 1.0)


def _quantities(strengths):
    """Return what is to be even for every row: strengths of the classes, and entropy.

    Returns
    -------
    ndarray of shape (n_samples, n_quantities)
        Whole numbers.
    """
    mass = np.asarray(strengths.sum(axis=1)).ravel()
    share = strengths.copy()
    share.data = entr(share.data / _or_one(mass)[_entry_rows(share)])
    entropy = mass * np.asarray(share.sum(axis=1)).ravel()
    n_classes = strengths.shape[1]
    if n_classes > _MAX_QUANTITIES:
        sums = np.random.RandomState(0).normal(size=(n_classes, _MAX_QUANTITIES))
        columns = strengths @ (sums / _or_one(_column_norms(strengths))[:, None])
    else:
        columns = strengths.toarray()
    columns = np.column_stack([columns, entropy])
    return np.rint(columns / _or_one(np.abs(columns).max(axis=0)) * _GRID)


def _column_norms(strengths):
    """Return the root sum of squares of every column; of columns near zero, too."""
    largest = _or_one(strengths.max(axis=0).toarray())
    scaled = strengths.data / largest[strengths.indices]
    squares = np.bincount(strengths.indices, weights=scaled**2, minlength=strengths.shape[1])
    return largest * np.sqrt(squares)


def _of_unit_norm(columns):
    """Return the columns divided by their root sums of squares."""
    return columns / _or_one(np.linalg.norm(columns, axis=0))


def _or_one(values):
    """Return a flat array with ones in place of zeros, to divide by."""
    values = np.asarray(values, dtype=np.float64).ravel()
    return np.where(values > 0, values, 1.0)


def _entry_rows(matrix):
    """Return the row of every entry of a CSR array."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


def _round_length(share):
    """Return the number of rows of a round: if the limit allows, every part takes one or more."""
    smallest = share[share > 0].min()
    return min(_MAX_ROUND, max(2, round(1.0 / smallest)))
