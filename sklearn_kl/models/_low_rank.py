"""Low-rank linear models."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from sklearn_kl._numbers import check_whole
from sklearn_kl.models._layers import ACTIVATIONS, Activation, Layers


class LowRankSoftmax(Layers):
    """Linear model whose coefficients have a low rank: ``z = V'(U' x + c) + b``.

    With many classes it has far fewer parameters than a full matrix of coefficients, and classes
    share what they learn about the features.

    The L2 penalty applies to both factors. Since the least of ``1/2 (||U||^2 + ||V||^2)`` over all
    factors of one product ``U V`` is its nuclear norm, the sum of its singular values, the optimum
    is that of a linear model with ``C * cross-entropy + ||U V||_*``, as long as `rank` is
    not below the rank of that optimum. So C lowers the rank, softly, and `rank` limits it.

    Parameters
    ----------
    rank : int, default=10
        Largest rank of the coefficients. Values of ``min(n_features, n_classes)`` or more impose
        no limit.

    See Also
    --------
    LinearSoftmax : The model without a limit to the rank, and with an L2 penalty on the
        coefficients themselves.
    MLPSoftmax : Hidden units with an activation.

    Notes
    -----
    theta holds U, shape (n_features, rank), c, V, shape (rank, n_logits), and b. A fitted
    estimator shows the product as `coef_`, shape (n_logits, n_features), and `intercept_`, like a
    linear model.

    References
    ----------
    Srebro, N., Rennie, J. D. M. and Jaakkola, T. S. (2004). Maximum-margin matrix factorization.
    Advances in Neural Information Processing Systems, 17.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kl import KLClassifier
    >>> from sklearn_kl.datasets import make_soft_classification
    >>> from sklearn_kl.models import LowRankSoftmax
    >>> X, votes, _ = make_soft_classification(200, 8, 6, random_state=0)
    >>> clf = KLClassifier(model=LowRankSoftmax(2), random_state=0).fit(X, votes)
    >>> clf.coef_.shape
    (6, 8)
    >>> int(np.linalg.matrix_rank(clf.coef_))
    2
    """

    linear_in_features = True

    def __init__(self, rank: int = 10):
        self.rank = rank

    def bind(self, n_features: int, n_logits: int) -> Self:
        """Return a copy that knows the number of features and of logits.

        Raises
        ------
        ValueError
            If `rank` is not a whole number from 1.
        """
        check_whole(self.rank, "rank")
        return super().bind(n_features, n_logits)

    def fitted_attributes(self, theta: np.ndarray, dtype: DTypeLike) -> dict[str, Any]:
        """Return coef_, shape (n_logits, n_features), and intercept_, of the product."""
        U, c, V, b = self.split(theta)
        coef = np.ascontiguousarray((U @ V).T, dtype=dtype)
        return {"coef_": coef, "intercept_": (V.T @ c + b).astype(dtype)}

    @property
    def _widths(self) -> tuple[int]:
        return (self.rank,)

    @property
    def _activation(self) -> Activation:
        return ACTIVATIONS["identity"]
