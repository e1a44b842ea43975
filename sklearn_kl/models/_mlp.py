"""Multi-layer perceptrons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from sklearn_kl._numbers import is_whole
from sklearn_kl.models._layers import ACTIVATIONS, Activation, Layers


class MLPSoftmax(Layers):
    """Multi-layer perceptron: layers of weighted sums with an activation between them.

    For hidden layers 1 to L and the activation s::

        h_0 = x,  h_l = s(W_l' h_(l-1) + b_l),  z = W_(L+1)' h_L + b_(L+1)

    The network, the start and, with ``alpha = 1 / C``, the objective on labels are those of
    :class:`sklearn.neural_network.MLPClassifier`. Here it learns from distributions and counts
    too, and the whole of the data decides every step, so that a fit ends at a minimum. There may
    be several: `n_init` of :class:`sklearn_kl.KLClassifier` tries more starts than one.

    theta holds W_1 in C order, shape (n_features, n_units), then b_1, W_2, b_2, and so on. The
    penalty applies to the weights only.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Number of units of every hidden layer.
    activation : {"identity", "logistic", "relu", "tanh"}, default="relu"
        What the hidden units do to their weighted sums.

    See Also
    --------
    LowRankSoftmax : One hidden layer without activation.
    sklearn.neural_network.MLPClassifier : The same network for labels only.

    Notes
    -----
    The fit does not depend on the units of the features as far as the penalty is weak: the
    weights of the first layer start at random for features of mean zero and standard deviation
    one, and the solver works in coordinates in which the features are uncorrelated and the
    curvature of every layer is about one at the start. A fitted estimator shows the arrays as
    `coefs_` and `intercepts_`, like MLPClassifier.

    References
    ----------
    Glorot, X. and Bengio, Y. (2010). Understanding the difficulty of training deep feedforward
    neural networks. Proceedings of AISTATS, 9, 249-256.

    Examples
    --------
    Votes for the second class where both features have the same sign, which is more than a linear
    model can tell:

    >>> import numpy as np
    >>> from sklearn_kl import KLClassifier
    >>> from sklearn_kl.models import MLPSoftmax
    >>> X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> votes = np.array([[10, 90], [90, 10], [90, 10], [10, 90]])
    >>> clf = KLClassifier(model=MLPSoftmax((10,)), random_state=0).fit(X, votes)
    >>> clf.predict_proba(X).round(1)
    array([[0.1, 0.9],
           [0.9, 0.1],
           [0.9, 0.1],
           [0.1, 0.9]])
    """

    def __init__(self, hidden_layer_sizes: int | Sequence[int] = (100,), activation: str = "relu"):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation

    def bind(self, n_features: int, n_logits: int) -> Self:
        """Return a copy that knows the number of features and of logits.

        Raises
        ------
        ValueError
            For an unknown activation, no hidden layer, or sizes that are not whole numbers from 1.
        """
        if not isinstance(self.activation, str) or self.activation not in ACTIVATIONS:
            raise ValueError(
                f"activation must be one of {sorted(ACTIVATIONS)}, got {self.activation!r}."
            )
        hidden = self._widths
        if not hidden or not all(is_whole(size) and size >= 1 for size in hidden):
            raise ValueError(
                "hidden_layer_sizes must be a whole number of at least 1, or a sequence of such "
                f"numbers, for example (100,); got {self.hidden_layer_sizes!r}. Without hidden "
                "layers the model is LinearSoftmax()."
            )
        bound = super().bind(n_features, n_logits)
        # A list of the caller's may change later.
        bound.hidden_layer_sizes = hidden
        return bound

    def fitted_attributes(self, theta: np.ndarray, dtype: DTypeLike) -> dict[str, Any]:
        """Return the lists coefs_ and intercepts_, one array per layer."""
        arrays = [array.astype(dtype) for array in self.split(theta)]
        return {"coefs_": arrays[::2], "intercepts_": arrays[1::2]}

    @property
    def _widths(self) -> tuple:
        sizes = self.hidden_layer_sizes
        return tuple(sizes) if hasattr(sizes, "__iter__") else (sizes,)

    @property
    def _activation(self) -> Activation:
        return ACTIVATIONS[self.activation]
