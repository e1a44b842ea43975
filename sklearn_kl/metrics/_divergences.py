"""Entropies, divergences and the share of a divergence that a model removes."""

from numbers import Real

import numpy as np
import scipy.sparse as sp
from sklearn.utils import check_array

from sklearn_kl import _simplex
from sklearn_kl._targets import column_names, encode_targets

# Functions that look at a row only where y_true has mass: of a label's row, at one number.
_READ_ON_SUPPORT = (_simplex.entropy, _simplex.cross_entropy, _simplex.kl_divergence)
# Numbers of a block of rows: small enough for its temporaries to stay in cache.
_BLOCK_SIZE = 2**16
# Mean divergences below this, in nats, cannot be told from the rounding of a sum over many rows.
_NO_DIVERGENCE = 1e-12


def cross_entropy_loss(
    y_true, y_proba, *, sample_weight=None, labels=None, base=None, per_sample=False
):
    """Cross-entropy ``H(p, q) = -sum_k p_k log q_k`` of the predictions, in nats.

    The smaller the better; its least value is the entropy of the targets, 0 for labels. For labels
    it is the log loss, without scikit-learn's clipping.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_classes)
        The targets p: labels; or distributions or vote counts as an array, a sparse matrix or a
        DataFrame whose column names are the classes. A row of zeros is unlabelled.
    y_proba : array-like of shape (n_samples, n_classes) or (n_samples,)
        The predictions q, rows that sum to one; for two classes also the probability of the second
        class alone.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows, which multiply their mass in the mean.
    labels : array-like of shape (n_classes,), default=None
        The class of each column of `y_proba`, in that order. None takes the column names of
        `y_proba` if it is a DataFrame, and otherwise the sorted labels of `y_true` or its columns.
        They are not sorted, whereas scikit-learn's `log_loss` sorts the labels it is given.
    base : float, default=None
        Base of the logarithm, such as 2 for bits. None is e, for nats.
    per_sample : bool, default=False
        Whether to return the value of every row instead of their mean. `sample_weight` does not
        change these values.

    Returns
    -------
    float or ndarray of shape (n_samples,)
        The mean over rows, each weighing its mass (1 for a label, the sum of a matrix's row) times
        `sample_weight`, so that counts equal repeated labels; or the value of every row, nan where
        it is unlabelled. Infinite where a class with mass is predicted with probability zero.

    Raises
    ------
    ValueError
        If `y_proba` holds negative or missing numbers, or its rows do not sum to one within the
        square root of the machine epsilon of its dtype; if the classes of `y_true` and the columns
        of `y_proba` do not match; if the total mass is zero; if `base` is not greater than 1.

    See Also
    --------
    kl_divergence : The cross-entropy less the entropy of the targets.

    Notes
    -----
    Nothing is clipped or renormalised. ``cross_entropy_loss - entropy`` equals `kl_divergence` to
    rounding on every input.

    References
    ----------
    .. [1] T. M. Cover and J. A. Thomas, "Elements of Information Theory", 2nd edition, Wiley, 2006,
       chapter 2.

    Examples
    --------
    >>> from sklearn_kl.metrics import cross_entropy_loss
    >>> cross_entropy_loss(["cat", "dog"], [[0.5, 0.5], [0.75, 0.25]], base=2)
    1.5

    Votes of annotators: three for "cat", one for "dog".

    >>> votes = [[3, 1]]
    >>> round(cross_entropy_loss(votes, [[0.75, 0.25]]), 6)
    0.562335
    """
    pair = _check_pair(y_true, y_proba, labels, sample_weight)
    return _evaluate(_simplex.cross_entropy, pair, base, per_sample)


def kl_divergence(y_true, y_proba, *, sample_weight=None, labels=None, base=None, per_sample=False):
    """Kullback-Leibler divergence ``KL(p || q) = sum_k p_k log(p_k / q_k)``, in nats.

    The smaller the better; 0 where the predictions q equal the targets p. It is the cross-entropy
    less the entropy of the targets: what a model could still learn.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_classes)
        The targets p: labels; or distributions or vote counts as an array, a sparse matrix or a
        DataFrame whose column names are the classes. A row of zeros is unlabelled.
    y_proba : array-like of shape (n_samples, n_classes) or (n_samples,)
        The predictions q, rows that sum to one; for two classes also the probability of the second
        class alone.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows, which multiply their mass in the mean.
    labels : array-like of shape (n_classes,), default=None
        The class of each column of `y_proba`, in that order. None takes the column names of
        `y_proba` if it is a DataFrame, and otherwise the sorted labels of `y_true` or its columns.
    base : float, default=None
        Base of the logarithm, such as 2 for bits. None is e, for nats.
    per_sample : bool, default=False
        Whether to return the value of every row instead of their mean. `sample_weight` does not
        change these values.

    Returns
    -------
    float or ndarray of shape (n_samples,)
        The mean over rows, each weighing its mass times `sample_weight`; or the value of every
        row, nan where it is unlabelled. Infinite where a class with mass is predicted with
        probability zero.

    Raises
    ------
    ValueError
        In the cases of `cross_entropy_loss`.

    See Also
    --------
    js_divergence : A symmetric and finite divergence.
    d2_kl_score : The divergence relative to that of the class prior.

    References
    ----------
    .. [1] S. Kullback and R. A. Leibler, "On Information and Sufficiency", Annals of Mathematical
       Statistics 22(1), 1951.

    Examples
    --------
    >>> from sklearn_kl.metrics import kl_divergence
    >>> kl_divergence([[0.5, 0.5]], [[0.5, 0.5]])
    0.0
    >>> kl_divergence([[1, 1], [4, 0]], [[0.25, 0.75], [0.5, 0.5]], base=2, per_sample=True)
    array([0.20751875, 1.        ])
    """
    pair = _check_pair(y_true, y_proba, labels, sample_weight)
    return _evaluate(_simplex.kl_divergence, pair, base, per_sample)


def js_divergence(y_true, y_proba, *, sample_weight=None, labels=None, base=None, per_sample=False):
    """Jensen-Shannon divergence of targets and predictions, in nats.

    The smaller the better: 0 where the predictions q equal the targets p, and never more than
    ``log 2``. It is the mean of ``KL(p || m)`` and ``KL(q || m)`` with ``m = (p + q) / 2``.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_classes)
        The targets p: labels; or distributions or vote counts as an array, a sparse matrix or a
        DataFrame whose column names are the classes. A row of zeros is unlabelled.
    y_proba : array-like of shape (n_samples, n_classes) or (n_samples,)
        The predictions q, rows that sum to one; for two classes also the probability of the second
        class alone.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows, which multiply their mass in the mean.
    labels : array-like of shape (n_classes,), default=None
        The class of each column of `y_proba`, in that order. None takes the column names of
        `y_proba` if it is a DataFrame, and otherwise the sorted labels of `y_true` or its columns.
    base : float, default=None
        Base of the logarithm, such as 2 for bits. None is e, for nats.
    per_sample : bool, default=False
        Whether to return the value of every row instead of their mean. `sample_weight` does not
        change these values.

    Returns
    -------
    float or ndarray of shape (n_samples,)
        The mean over rows, each weighing its mass times `sample_weight`; or the value of every
        row, nan where it is unlabelled. Its square root is the Jensen-Shannon distance.

    Raises
    ------
    ValueError
        In the cases of `cross_entropy_loss`.

    See Also
    --------
    kl_divergence : The divergence that maximum likelihood minimises.

    References
    ----------
    .. [1] J. Lin, "Divergence Measures Based on the Shannon Entropy", IEEE Transactions on
       Information Theory 37(1), 1991.

    Examples
    --------
    >>> from sklearn_kl.metrics import js_divergence
    >>> js_divergence([[1, 0], [0.5, 0.5]], [[0, 1], [0.5, 0.5]], base=2, per_sample=True)
    array([1., 0.])
    """
    pair = _check_pair(y_true, y_proba, labels, sample_weight)
    return _evaluate(_simplex.js_divergence, pair, base, per_sample)


def entropy(y_true, *, sample_weight=None, base=None, per_sample=False):
    """Entropy ``H(p) = -sum_k p_k log p_k`` of the targets, in nats.

    The mean disagreement inside the rows: 0 for labels, and the least cross-entropy that any
    prediction can reach.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_classes)
        The targets p: labels; or distributions or vote counts as an array, a sparse matrix or a
        DataFrame. A row of zeros is unlabelled.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows, which multiply their mass in the mean.
    base : float, default=None
        Base of the logarithm, such as 2 for bits. None is e, for nats.
    per_sample : bool, default=False
        Whether to return the value of every row instead of their mean. `sample_weight` does not
        change these values.

    Returns
    -------
    float or ndarray of shape (n_samples,)
        The mean over rows, each weighing its mass times `sample_weight`; or the value of every
        row, nan where it is unlabelled.

    Raises
    ------
    ValueError
        If `y_true` holds negative or missing numbers, if the total mass is zero, or if `base` is
        not greater than 1.

    See Also
    --------
    cross_entropy_loss : The sum of this entropy and `kl_divergence`.

    References
    ----------
    .. [1] C. E. Shannon, "A Mathematical Theory of Communication", Bell System Technical Journal
       27(3), 1948.

    Examples
    --------
    >>> from sklearn_kl.metrics import entropy
    >>> votes = [[2, 2], [4, 0]]
    >>> entropy(votes, base=2)
    0.5
    """
    targets = encode_targets(y_true, sample_weight=sample_weight, name="y_true")
    return _summarise(_row_entropy(targets), targets.mass, base, per_sample)


def d2_kl_score(y_true, y_proba, *, sample_weight=None, labels=None):
    """Share of the KL divergence of the class-prior prediction that the predictions remove.

    ``D2 = 1 - KL(p || q) / KL(p || prior)``, where the prior is the mean of the targets given,
    rows weighing their mass times `sample_weight`. The greater the better: 1 is perfect, 0 is no
    better than predicting the prior for every row, and a negative score is worse than that.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_classes)
        The targets p: labels; or distributions or vote counts as an array, a sparse matrix or a
        DataFrame whose column names are the classes. A row of zeros is unlabelled.
    y_proba : array-like of shape (n_samples, n_classes) or (n_samples,)
        The predictions q, rows that sum to one; for two classes also the probability of the second
        class alone.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows, which multiply their mass.
    labels : array-like of shape (n_classes,), default=None
        The class of each column of `y_proba`, in that order. None takes the column names of
        `y_proba` if it is a DataFrame, and otherwise the sorted labels of `y_true` or its columns.

    Returns
    -------
    float
        At most 1; minus infinity where a class with mass is predicted with probability zero.

    Raises
    ------
    ValueError
        In the cases of `cross_entropy_loss`.

    See Also
    --------
    kl_divergence : The divergence itself.

    Notes
    -----
    For labels the score is scikit-learn's `d2_log_loss_score`, without its clipping. Where all
    rows have the same target the prior is perfect (its divergence is below 1e-12 nats, the
    rounding of a mean): predictions that are perfect too score 1.0, all others minus infinity.

    References
    ----------
    .. [1] A. C. Cameron and F. A. G. Windmeijer, "An R-squared measure of goodness of fit for some
       common nonlinear regression models", Journal of Econometrics 77(2), 1997.

    Examples
    --------
    >>> from sklearn_kl.metrics import d2_kl_score
    >>> votes = [[3, 1], [1, 3]]
    >>> d2_kl_score(votes, [[0.75, 0.25], [0.25, 0.75]])
    1.0
    >>> round(d2_kl_score(votes, [[0.7, 0.3], [0.3, 0.7]]), 3)
    0.953
    """
    return explained_divergence(*_check_pair(y_true, y_proba, labels, sample_weight))


def row_values(function, targets, *y_proba):
    """Value of a row function of the simplex for every row, in nats.

    Parameters
    ----------
    function : callable
        A function of `_simplex` of one or two distributions.
    targets : Targets
        The first distribution.
    *y_proba : ndarray of shape (n_samples, n_classes)
        The second distribution, if there is one.

    Returns
    -------
    ndarray of shape (n_samples,)
        Float64; nan where a row is unlabelled.
    """
    n_samples = targets.n_samples
    if targets.codes is not None and function in _READ_ON_SUPPORT:
        picked = [q[np.arange(n_samples), targets.codes, None] for q in y_proba]
        return function(np.ones((n_samples, 1)), *picked)
    values = np.empty(n_samples)
    n_rows = max(1, _BLOCK_SIZE // targets.n_classes)
    for start in range(0, n_samples, n_rows):
        rows = slice(start, start + n_rows)
        values[rows] = function(_distributions(targets, rows), *(q[rows] for q in y_proba))
    return values


def mean_divergence(divergence, targets, y_proba):
    """Mean of a row function of the simplex in nats, rows weighing their mass."""
    return _weighted_mean(row_values(divergence, targets, y_proba), targets.mass)


def explained_divergence(targets, y_proba):
    """Share of the KL divergence of the class prior that y_proba removes."""
    missed = mean_divergence(_simplex.kl_divergence, targets, y_proba)
    prior = targets.class_mass() / targets.mass.sum()
    # The mean of KL(p || prior). A sum over rows would be infinite where a class has mass so small
    # that its share of the total underflows.
    unexplained = _weighted_mean(_row_entropy(targets), targets.mass)
    to_explain = float(_simplex.entropy(prior)) - unexplained
    if to_explain > _NO_DIVERGENCE:
        return 1.0 - missed / to_explain
    return 1.0 if missed <= _NO_DIVERGENCE else -np.inf


def check_proba(y_proba, *, name="y_proba", min_tolerance=0.0):
    """Validate predicted probabilities.

    Parameters
    ----------
    y_proba : array-like of shape (n_samples, n_classes) or (n_samples,)
        Probabilities of all classes, or of the second of two.
    name : str, default="y_proba"
        What error messages call the argument.
    min_tolerance : float, default=0.0
        By how much a row may always miss the sum of one; the square root of the machine epsilon of
        the dtype of `y_proba` is allowed where that is more.

    Returns
    -------
    ndarray of shape (n_samples, n_classes)
        Floating-point numbers, as they were given.
    """
    y_proba = check_array(y_proba, dtype="numeric", ensure_2d=False, input_name=name)
    if y_proba.dtype not in (np.float16, np.float32, np.float64):
        y_proba = y_proba.astype(np.float64)
    if y_proba.min() < 0 or (y_proba.ndim == 1 and y_proba.max() > 1):
        outside = y_proba.min() if y_proba.min() < 0 else y_proba.max()
        raise ValueError(
            f"{name} contains {outside:g}, but probabilities lie between 0 and 1. Pass the output "
            "of predict_proba, not of decision_function or predict_log_proba."
        )
    if y_proba.ndim == 1:
        second = y_proba.astype(np.float64)
        return np.column_stack([1.0 - second, second])
    tolerance = max(min_tolerance, float(np.sqrt(np.finfo(y_proba.dtype).eps)))
    _check_sums(y_proba, tolerance, name)
    return y_proba


def _check_sums(y_proba, tolerance, name):
    """Raise unless every row sums to one."""
    sums = y_proba.sum(axis=1, dtype=np.float64)
    worst = np.argmax(np.abs(sums - 1.0))
    if abs(sums[worst] - 1.0) <= tolerance:
        return
    if y_proba.shape[1] == 1:
        fix = "Pass the probabilities of the second of two classes as a 1-D array."
    else:
        fix = (
            "Divide the rows by their sums if they are proportional to probabilities; scores of "
            "separate yes-or-no questions cannot be judged as one distribution."
        )
    raise ValueError(
        f"The rows of {name} must sum to one within {tolerance:.1e}, but row {worst} sums to "
        f"{sums[worst]:.10g}. {fix}"
    )


def _check_pair(y_true, y_proba, labels, sample_weight):
    """Return the targets and the predictions, their columns in the same order."""
    names = column_names(y_proba)
    y_proba = check_proba(y_proba)
    n_columns = y_proba.shape[1]
    classes = names if labels is None else _check_labels(labels, names, n_columns)
    targets = encode_targets(y_true, classes=classes, sample_weight=sample_weight, name="y_true")
    if targets.n_classes != n_columns:
        what = "columns" if targets.codes is None else "distinct labels"
        raise ValueError(
            f"y_true has {targets.n_classes} {what}, {targets.classes[:10].tolist()}, but y_proba "
            f"is about {n_columns} classes. Pass labels= with the class of each column of y_proba, "
            "in order."
        )
    check_same_rows(targets, y_proba)
    return targets, y_proba


def check_same_rows(targets, y_proba, name="y_true"):
    """Raise unless there is one row of y_proba for every row of the targets."""
    if targets.n_samples != len(y_proba):
        raise ValueError(
            f"{name} has {targets.n_samples} rows, but y_proba has {len(y_proba)}. Pass one "
            "prediction for every row."
        )


def _check_labels(labels, names, n_columns):
    """Return the classes of the columns of y_proba."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or len(labels) != n_columns:
        raise ValueError(
            f"labels must give the class of each of the {n_columns} columns of y_proba, got an "
            f"array of shape {labels.shape}: {labels.tolist()[:10]}."
        )
    given = labels.tolist()
    if len(set(given)) < n_columns:
        repeated = sorted({label for label in given if given.count(label) > 1})
        raise ValueError(f"labels must differ, but {repeated[:10]} appear more than once.")
    if names is not None and given != names.tolist() and set(given) == set(names.tolist()):
        raise ValueError(
            f"labels are {given[:10]}, but the columns of y_proba are named "
            f"{names.tolist()[:10]}. Leave labels out: the names say the class of each column."
        )
    return labels


def _distributions(targets, rows):
    """Distributions of a slice of rows, nan where unlabelled, whatever the sample weight.

    Returns
    -------
    ndarray of shape (n_rows, n_classes)
    """
    if targets.codes is not None:
        return (targets.codes[rows, None] == np.arange(targets.n_classes)).astype(np.float64)
    matrix = targets.matrix[rows]
    dense = matrix.toarray() if sp.issparse(matrix) else matrix
    total = dense.sum(axis=1, dtype=np.float64, keepdims=True)
    return np.divide(dense, total, out=np.full(dense.shape, np.nan), where=total > 0)


def _row_entropy(targets):
    """Entropy of every row's distribution, nan where unlabelled."""
    if not sp.issparse(targets.matrix):
        return row_values(_simplex.entropy, targets)
    rows = targets.row_entropy()
    rows[targets.matrix.sum(axis=1) == 0] = np.nan
    return rows


def _evaluate(divergence, pair, base, per_sample):
    """Return the mean of a row function over a pair of targets and predictions, or its values."""
    targets, _ = pair
    return _summarise(row_values(divergence, *pair), targets.mass, base, per_sample)


def _summarise(rows, mass, base, per_sample):
    """Return the values of the rows, or their mean, in the unit that base asks for."""
    rows = rows / _nats_per_unit(base)
    return rows if per_sample else _weighted_mean(rows, mass)


def _nats_per_unit(base):
    if base is None:
        return 1.0
    is_number = isinstance(base, Real) and not isinstance(base, bool)
    if not is_number or not 1 < base < np.inf:
        raise ValueError(
            f"base must be a number greater than 1, such as 2 for bits, or None for nats; got "
            f"{base!r}."
        )
    return float(np.log(base))


def _weighted_mean(values, mass):
    """Mean of the values of rows that have mass, as a float."""
    counted = mass > 0
    values = values[counted]
    # Apart, since an infinite value times a share that underflows to zero would be nan.
    if np.isinf(values).any():
        return np.inf
    return float((mass[counted] / mass.sum()) @ values)
