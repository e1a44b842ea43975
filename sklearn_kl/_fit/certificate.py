"""A certificate of optimality: by duality, how far a linear model can be from the minimum."""

import numpy as np


def certified_gap(objective, theta, value, gradient):
    """Upper bound of ``f(theta) - min f`` in nats, for about the price of one evaluation.

    For any distributions r_i, ``logsumexp(z) >= r'z + entropy(r)``. Insert it for every row, with
    ``G(r) = 1/M sum_i x_i (m_i r_i - t_i)'``, and minimise over W and b::

        min f >= 1/M sum_i m_i entropy(r_i) - penalty*(-G(r))
        if sum_i (m_i r_i - t_i) = 0,     which the unpenalised intercept requires

    where penalty* is the convex conjugate: ``||G||^2 / (2 alpha)`` for L2, and for the lasso zero
    as long as no entry of G exceeds the strength. The model's own probabilities q_i meet the
    condition up to the intercept's gradient g_b only. Tilting all rows alike,
    ``r_ik = q_ik (1 + d_k - q_i'd)``, with ``B d = -g_b`` and B the Hessian with respect to the
    intercept, restores it exactly. With ``u = Hessian (0, d)`` of the cross-entropy::

        G(r) = G(q) + u_W,   1/M sum_i m_i entropy(r_i) >= mean entropy(q_i) - u'theta - d'Bd

    since ``entropy(r) = -r'log q - KL(r || q)`` and KL is at most the chi-squared divergence,
    whose mean is d'Bd. All that is lost is of second order, so the bound is as tight near the
    minimum as ``||gradient||^2 / (2 alpha)``, to which it reduces for L2 without an intercept.

    Between r_i and the distributions t_i / m_i of the targets, which have ``G = 0``, everything is
    allowed: ``s r_i + (1 - s) t_i / m_i`` has ``G = s G(r)`` and at least the entropy
    ``s entropy(r_i) + (1 - s) entropy(t_i / m_i)``. Of s = 1 and the largest s that keeps every
    entry of G below the L1 strength, which is 0 for L2, the better one is taken.

    Parameters
    ----------
    objective : Objective
        Of a LinearSoftmax.
    theta : ndarray of shape (n_params,)
    value : float
        Objective at theta, nats.
    gradient : ndarray of shape (n_params,)
        Gradient at theta, of the smooth part where the penalty is not smooth.

    Returns
    -------
    float or None
        None where there is no certificate: without a penalty nothing bounds W, and too far from
        the minimum, or with a class that no target has, no tilt gives distributions.

    References
    ----------
    Boyd, S. and Vandenberghe, L. (2004). Convex Optimization, sections 5.1 and 3.3.
    """
    model, penalty = objective.model, objective.penalty
    if penalty.is_zero:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        residual = gradient.copy()
        penalty.add_gradient(-theta, out=residual)
        # entropy(q) = logsumexp(z) - q'z, and the loss is the mean of logsumexp(z) - t'z / m.
        mean_entropy = value - penalty.value(theta) - residual @ theta
        if model.fit_intercept:
            tilted = _tilt(objective, theta, residual)
            if tilted is None:
                return None
            change, divergence = tilted
            residual = residual + change
            mean_entropy -= change @ theta + divergence
        residual, left_over = model.split(residual)
        if left_over is not None:
            residual = residual - np.outer(objective.mean, left_over)
        bound = value - _dual_value(objective, residual.ravel(), mean_entropy)
    return max(float(bound), 0.0) if np.isfinite(bound) else None


def _dual_value(objective, residual, mean_entropy):
    """Return the greater of the dual values that the residual and a part of it give."""
    penalty = objective.penalty
    return max(
        share * mean_entropy
        + (1 - share) * objective.lower_bound
        - penalty.conjugate(share * residual)
        for share in {1.0, penalty.share_within_l1(residual)}
    )


def _tilt(objective, theta, residual):
    """Return ``u`` and ``d'Bd``, or None where the tilted rows would be no distributions."""
    shift = objective.model.split(residual)[1]
    hessian = objective.hessian(theta)
    curvature = hessian.intercept_block()
    # Shifting all logits alike changes nothing; adding that direction makes the matrix regular.
    regular = curvature + np.trace(curvature) / len(shift) if len(shift) > 1 else curvature
    try:
        d = np.linalg.solve(regular, -shift)
    except np.linalg.LinAlgError:
        return None
    # With one logit the first class has tilt zero.
    if max(d.max(), 0.0) - min(d.min(), 0.0) > 1:
        return None
    direction = np.zeros_like(theta)
    objective.model.split(direction)[1][:] = d
    return hessian.loss_product(direction), d @ curvature @ d
