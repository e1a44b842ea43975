"""Minimise a convex quadratic plus absolute values: conjugate gradients on faces."""

import numpy as np

# The slope that is left at the end, and that conjugate gradients leave on a face, as a share of
# what it was at the start. More exact steps save few evaluations of the objective.
ACCURACY = 0.1
MAX_PRODUCTS = 150
MAX_FACE_PRODUCTS = 50
MAX_HALVINGS = 30
# Curvatures below this share of the squared length are rounding.
FLAT = 1e-10


def soft_threshold(x, thresholds):
    """Return ``sign(x) max(|x| - thresholds, 0)``."""
    return x - np.clip(x, -thresholds, thresholds)


def steepest_slope(x, gradient, thresholds):
    """Subgradient of least norm of ``f(x) + thresholds @ |x|``, given the gradient of f.

    Its negative is the direction of steepest descent; it is zero only at a minimum of a convex f.

    Parameters
    ----------
    x, gradient, thresholds : ndarray of shape (n,)

    Returns
    -------
    ndarray of shape (n,)
    """
    moving = gradient + thresholds * np.sign(x)
    return np.where(x != 0, moving, soft_threshold(gradient, thresholds))


class FaceDescent:
    """Minimise ``g'd + 1/2 d'Bd + thresholds @ |x0 + d|`` over d.

    A proximal gradient step proposes which entries of ``x0 + d`` are zero and the signs of the
    others. With these fixed the function is quadratic, and conjugate gradients find the way to
    its minimum; entries whose sign would change on the way stop at zero. This repeats until the
    slope is ACCURACY times what it was, or MAX_PRODUCTS are used up.

    Parameters
    ----------
    product : callable
        ``product(d)`` returns ``B d``; B is positive semidefinite.
    recentre : callable
        ``recentre(x)`` returns the point with the least absolute values among those that differ
        from x in known directions of little curvature, along which gradients say little.
    gradient : ndarray of shape (n,)
        g.
    start : ndarray of shape (n,)
        x0.
    thresholds : ndarray of shape (n,)
        Not negative.

    References
    ----------
    More, J. J. and Toraldo, G. (1991). On the solution of large quadratic programming problems
    with bound constraints. SIAM Journal on Optimization, 1, 93-113.
    """

    def __init__(self, product, recentre, gradient, start, thresholds):
        self._product, self._recentre = product, recentre
        self._gradient, self._start, self._thresholds = gradient, start, thresholds
        self._x, self._slope, self._value = start, gradient, 0.0
        self._length = 1.0
        self._left_over, self._accuracy = 0.0, ACCURACY
        self.n_products = 0

    @property
    def step(self):
        """The best d so far."""
        return self._x - self._start

    @property
    def image(self):
        """B times the step."""
        return self._slope - self._gradient

    @property
    def promise(self):
        """Estimate of how far the minimum is below the start.

        On a quadratic the distance goes with the square of the slope, of which some is left.
        """
        return float(-self._value / (1.0 - min(self._left_over**2, 0.9)))

    @property
    def finished(self):
        """Whether the slope that is left is as small as was asked for."""
        return self._left_over <= self._accuracy

    def run(self, accuracy=ACCURACY, max_products=MAX_PRODUCTS):
        """Descend until the slope is `accuracy` times what it was, or the products are used up."""
        self._accuracy = accuracy
        slope = steepest_slope(self._x, self._slope, self._thresholds)
        first = np.linalg.norm(slope)
        self._left_over = 1.0
        while first > 0 and self._left_over > accuracy and self.n_products < max_products:
            before = self._value
            self._proximal_step(slope)
            self._move(self._recentre(self._x) - self._x)
            self._face_step()
            if not self._value < before:
                break
            slope = steepest_slope(self._x, self._slope, self._thresholds)
            self._left_over = float(np.linalg.norm(slope) / first)

    def _times(self, d):
        self.n_products += 1
        return self._product(d)

    def _move(self, step, product=None):
        """Move by a step if that lowers the value; return whether it did."""
        if not step.any():
            return False
        x, slope = self._x + step, self._slope + (self._times(step) if product is None else product)
        kinks = self._thresholds @ (np.abs(x) - np.abs(self._start))
        value = 0.5 * (x - self._start) @ (self._gradient + slope) + kinks
        if not value < self._value:
            return False
        self._x, self._slope, self._value = x, slope, value
        return True

    def _proximal_step(self, slope):
        """Take a proximal gradient step, as long as the curvature along the slope suggests."""
        squared = slope @ slope
        curvature = slope @ self._times(slope)
        if curvature > FLAT * squared:
            self._length = squared / curvature
        length = self._length
        for _ in range(MAX_HALVINGS):
            target = soft_threshold(self._x - length * self._slope, length * self._thresholds)
            if self._move(target - self._x):
                return
            length *= 0.5

    def _face_step(self):
        """Minimise with signs and zeros fixed, then go that way as far as the value falls."""
        sign, kinked = np.sign(self._x), self._thresholds > 0
        face = (sign != 0) | ~kinked
        slope = np.where(face, self._slope + self._thresholds * sign, 0.0)
        step, product = self._conjugate_gradients(slope, face)
        for _ in range(MAX_HALVINGS):
            crossing = kinked & face & ((self._x + step) * sign < 0)
            if not crossing.any():
                moved = self._move(step, product)
            else:
                moved = self._move(np.where(crossing, -self._x, step))
            if moved:
                return
            step, product = 0.5 * step, 0.5 * product

    def _conjugate_gradients(self, slope, face):
        """Return s that nearly minimises ``slope @ s + 1/2 s'Bs`` on the face, and ``B s``."""
        step, product = np.zeros_like(slope), np.zeros_like(slope)
        residual = -slope
        direction = residual
        squared = first = residual @ residual
        for iteration in range(MAX_FACE_PRODUCTS):
            if squared <= ACCURACY**2 * first:
                break
            image = self._times(direction)
            curvature = direction @ image
            if curvature <= FLAT * (direction @ direction):
                return (step, product) if iteration else (direction, image)
            length = squared / curvature
            step = step + length * direction
            product = product + length * image
            residual = residual - length * np.where(face, image, 0.0)
            previous, squared = squared, residual @ residual
            direction = residual + (squared / previous) * direction
        return step, product
