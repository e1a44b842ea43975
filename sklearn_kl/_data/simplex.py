"""Row functions on the probability simplex: log-softmax, entropy, cross-entropy, divergences.

Every function is pure and works along the last axis, in nats, without clipping: ``0 log 0`` is 0,
and a divergence is infinite where it is infinite, without a warning. Divergences are sums of terms
that are not negative, so that rows which hardly differ do not cancel to rounding errors.
"""

import numpy as np
from scipy.special import entr, xlog1py, xlogy

# Relative difference |q - p| / (q + p) up to which a series is more exact than logarithms.
_NEAR = 0.05


def log_softmax(logits):
    """Logarithm of the softmax along the last axis.

    Parameters
    ----------
    logits : ndarray of shape (..., n_classes)
        Any finite numbers; adding a constant to a row changes nothing.

    Returns
    -------
    ndarray of shape (..., n_classes)
        Log-probabilities, finite wherever the differences of the logits are.
    """
    with np.errstate(over="ignore"):
        shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def entropy(p):
    """Shannon entropy ``-sum_k p_k log p_k`` of every row, in nats."""
    return entr(p).sum(axis=-1)


def cross_entropy(p, q):
    """Cross-entropy ``-sum_k p_k log q_k`` of every row, in nats; infinite where q_k = 0 < p_k."""
    # Subtracted from zero, since a negated sum would show a perfect row as -0.0.
    return 0.0 - xlogy(p, q).sum(axis=-1)


def kl_divergence(p, q):
    """Kullback-Leibler divergence ``sum_k p_k log(p_k / q_k)`` of every row, in nats.

    For rows that sum to one it is not negative; infinite where ``q_k = 0 < p_k``.
    """
    terms, difference, near = _divergence_terms(p, q)
    rows = terms.sum(axis=-1)
    if near.any():
        # Not zero where the sums of the rows are rounded.
        rows = rows - _exact_sum(np.where(near, difference, 0.0))
    # Between rows that sum to one but for the last digit, the divergence is not negative.
    rounding = np.finfo(np.float64).eps * terms.shape[-1]
    return np.where((rows < 0) & (rows >= -rounding), 0.0, rows)


def kl_terms(p, q):
    """Share ``p_k log(p_k / q_k) - p_k + q_k`` of every class in the KL divergence, in nats.

    No share is negative. Their sum is the divergence as far as the rows sum to one.

    Returns
    -------
    ndarray of shape (..., n_classes)
    """
    terms, difference, near = _divergence_terms(p, q)
    return np.where(near, terms, np.maximum(terms + difference, 0.0))


def js_divergence(p, q):
    """Jensen-Shannon divergence ``H((p + q) / 2) - (H(p) + H(q)) / 2`` of every row, in nats.

    Symmetric, and between 0 and ``log 2`` for rows that sum to one.
    """
    p, q = np.asarray(p, np.float64), np.asarray(q, np.float64)
    # A class adds (p + q) / 4 times (1 + u) log(1 + u) + (1 - u) log(1 - u), which is about u^2 for
    # small u. There both logarithms would cancel, and 2 u atanh(u) + log(1 - u^2) is taken.
    u = _differences(p, q)[1]
    terms = xlog1py(1 + u, u) + xlog1py(1 - u, -u)
    near = np.abs(u) < 0.5
    terms[near] = 2 * u[near] * np.arctanh(u[near]) + np.log1p(-(u[near] ** 2))
    return (0.25 * (p + q) * terms).sum(axis=-1)


def _differences(p, q):
    """Return ``q - p`` and ``(q - p) / (q + p)``, 0 where both are 0."""
    difference, total = q - p, q + p
    # Not total > 0, which would turn the nan of an unlabelled row into a zero.
    relative = np.divide(difference, total, out=np.zeros_like(total), where=total != 0)
    return difference, relative


def _divergence_terms(p, q):
    """Terms of the KL divergence, each exact to a few roundings.

    Returns
    -------
    terms : ndarray of shape (..., n_classes)
        ``p_k log(p_k / q_k)``; where p_k and q_k are near, ``p_k log(p_k / q_k) - p_k + q_k``,
        since the bare terms, of either sign, would cancel.
    difference : ndarray of shape (..., n_classes)
        ``q_k - p_k``.
    near : ndarray of shape (..., n_classes) of bool
    """
    p, q = np.broadcast_arrays(np.asarray(p, np.float64), np.asarray(q, np.float64))
    difference, relative = _differences(p, q)
    near = np.abs(relative) <= _NEAR
    with np.errstate(all="ignore"):
        ratio = p / q
        terms = xlogy(p, ratio)
    limits = np.finfo(np.float64)
    # Where a number is subnormal the quotient overflows or has few digits, and the divergence
    # would be infinite beside a finite cross-entropy.
    inexact = ~((ratio >= limits.tiny) & (ratio <= limits.max))
    terms[inexact] = xlogy(p[inexact], p[inexact]) - xlogy(p[inexact], q[inexact])
    terms[near] = _near_terms(p[near], difference[near], relative[near])
    return terms, difference, near


def _near_terms(p, difference, relative):
    """Return ``p_k log(p_k / q_k) - p_k + q_k`` where the relative difference s is small.

    With ``log(q / p) = 2 atanh(s) = 2 (s + s^3 / 3 + s^5 / 5 + ...)`` the terms of first order go,
    and ``s (q - p) - 2 p (s^3 / 3 + s^5 / 5 + ...)`` is left.
    """
    square = relative * relative
    series = np.zeros_like(square)
    for power in (13, 11, 9, 7, 5, 3):
        series = series * square + 1 / power
    return relative * (difference - 2 * p * square * series)


def _exact_sum(values):
    """Sum along the last axis, with what rounding takes from the partial sums added at the end."""
    partial = np.cumsum(values, axis=-1)
    before = partial[..., :-1]
    added = partial[..., 1:] - before
    lost = (before - (partial[..., 1:] - added)) + (values[..., 1:] - added)
    return partial[..., -1] + lost.sum(axis=-1)
