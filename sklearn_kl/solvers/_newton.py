"""The last word on convergence: Newton's decrement, and Newton steps where it says go on."""

from functools import partial

import numpy as np

# Armijo's condition, and how often a step is halved for it.
SUFFICIENT = 1e-4
MAX_HALVINGS = 60
# A quadratic says how far the minimum is as long as no logit changes by more than this.
TRUSTED_REACH = 0.7
# The value has stopped falling when so many steps in a row gain no more than rounding.
PATIENCE = 3
CONVERGED = "Newton's decrement is within the tolerance."
EXCEEDED = "Maximum number of iterations has been exceeded."
ROUNDED = "Newton's steps found no lower value."
STOPPED = "`callback` raised `StopIteration`."


def newton_steps(descent, max_iter):
    """Go on from where a first-order method ended until Newton's decrement is within tol.

    1. Look at the Hessian where the descent is, as coordinates that make it the identity.
    2. Its square bounds the gap if Newton's step stays where the quadratic holds.
    3. Stop if the gap is within tol, or nothing is to be gained any more.
    4. Go along the step until the value has fallen enough; far, where the quadratic does not hold.

    Parameters
    ----------
    descent : Descent
        Of a smooth convex problem with `curvature`.
    max_iter : int
        Largest number of iterations in all.

    Returns
    -------
    str
        Why it ended.
    """
    descent.leave_coordinates()
    idle = 0
    while True:
        curvature = descent.problem.curvature(descent.theta)
        gradient = curvature.pull_gradient(descent.theta_gradient)
        squared = float(gradient @ gradient)
        step = -curvature.to_theta(gradient)
        reach = curvature.reach(step)
        within = reach <= TRUSTED_REACH or idle == PATIENCE
        descent.judge(squared if within else np.inf)
        if descent.converged:
            return CONVERGED
        if descent.n_iter >= max_iter or idle == PATIENCE:
            return EXCEEDED if descent.n_iter >= max_iter else ROUNDED
        value = descent.accepted.value
        move = partial(curvature.move, step)
        if not line_search(descent, move, squared, far=reach > TRUSTED_REACH):
            idle = PATIENCE
            continue
        if descent.stopped:
            return STOPPED
        idle = idle + 1 if value - descent.accepted.value <= descent.rounding else 0


def line_search(descent, move, squared, *, far):
    """Accept the first of the lengths 1, 1/2, ... that lowers the value enough, or return False.

    Far from where the quadratic holds, lengths 2, 4, ... are tried as long as the value falls: a
    row that is about to be sure moves by no more than one logit a step.
    """
    value, length = descent.accepted.value, 1.0
    for _ in range(MAX_HALVINGS):
        point = descent.evaluate(move(length))
        if point.value <= value - SUFFICIENT * length * squared + descent.rounding:
            break
        length *= 0.5
    else:
        return False
    while far and length >= 1.0:
        length *= 2.0
        further = descent.evaluate(move(length))
        if not further.value < point.value - descent.tol:
            break
        point = further
    descent.accept(point, np.inf)
    return True
