"""Row functions on the probability simplex: log-softmax, entropy, cross-entropy, divergences.

Every function is pure and works along the last axis, in nats, without clipping: ``0 log 0`` is 0,
and a divergence is infinite where it is infinite, without a warning.
"""

import numpy as np
from scipy.special import entr, xlogy


def log_softmax(logits):
    """Logarithm of the softmax along the last axis.

    Parameters
    ----------
    logits : ndarray of shape (..., n_classes)
        Any finite numbers; adding a constant to a row changes nothing.

    Returns
    -------
    ndarray of shape (..., n_classes)
        Log-probabilities, finite wherever the logits are.
    """
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

    For rows that sum to one it is not negative up to rounding; infinite where ``q_k = 0 < p_k``.
    """
    # Two logarithms: p_k / q_k overflows where q_k is subnormal, and the divergence would be
    # infinite beside a finite cross-entropy, as it is with rel_entr of SciPy 1.12.
    return (xlogy(p, p) - xlogy(p, q)).sum(axis=-1)


def js_divergence(p, q):
    """Jensen-Shannon divergence ``H((p + q) / 2) - (H(p) + H(q)) / 2`` of every row, in nats.

    Symmetric, and between 0 and ``log 2`` for rows that sum to one.
    """
    rows = (entr(0.5 * (p + q)) - 0.5 * (entr(p) + entr(q))).sum(axis=-1)
    # Rounding must not make it negative: its square root is a distance.
    return np.maximum(rows, 0.0)
