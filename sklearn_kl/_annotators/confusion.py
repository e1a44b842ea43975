"""Confusion matrices of annotators: from expected counts and a prior, and how strong that is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import gammaln, xlogy

# Votes per class with which the matrix of all annotators together is drawn to the diagonal.
POOLED_VOTES = 1.0
# Empirical Bayes sees too little variety among annotators who have few votes, since the hidden
# classes were found as if all were alike. In simulations from 1 to 100 votes an annotator, these
# bounds cost less than 5 % where there is no variety and gain up to 40 % where there is.
MAX_STRENGTH = {"one-coin": 10.0, "confusion": 100.0}
MIN_STRENGTH = 0.1


@dataclass(frozen=True, eq=False)
class ConfusionPrior:
    """Pseudo-votes that the annotators' matrices are estimated with.

    A Dirichlet distribution with the parameters ``1 + votes`` for every row of every matrix, whose
    mode is the share of the counts with these votes added.

    Parameters
    ----------
    kind : {"confusion", "one-coin"}
        Whether every entry is free, or there is one accuracy per annotator.
    mean : ndarray of shape (n_classes, n_classes) or (n_annotators, n_classes, n_classes)
        Confusion matrix that every annotator is drawn to; rows sum to one.
    strength : float
        Votes: per class for "confusion", per annotator for "one-coin".
    shared : ndarray of shape (n_classes, n_classes)
        What is expected of an annotator without votes.
    """

    kind: str
    mean: NDArray
    strength: float
    shared: NDArray

    @property
    def votes(self) -> NDArray:
        """Pseudo-votes of every pair of hidden class and vote, in the shape of the mean."""
        n_rows = 1 if self.kind == "confusion" else self.mean.shape[-1]
        return self.strength / n_rows * self.mean

    def estimate(self, counts: NDArray) -> NDArray:
        """Most probable matrices for expected counts.

        Parameters
        ----------
        counts : ndarray of shape (n_annotators, n_classes, n_classes)
            Votes by annotator, hidden class and vote.

        Returns
        -------
        ndarray of shape (n_annotators, n_classes, n_classes)
            Rows sum to one; those without a vote, real or of the prior, are the mean's.
        """
        total = counts + self.votes
        if self.kind == "one-coin":
            total = _one_coin(total)
        mass = total.sum(axis=2, keepdims=True)
        return np.where(mass > 0, total / np.where(mass > 0, mass, 1.0), self.mean)

    def log_density(self, matrices: NDArray) -> float:
        """Logarithm of the prior's density, up to a constant, in nats."""
        return float(xlogy(self.votes, matrices).sum())


def pooled_prior(kind: str, n_classes: int, smoothing: float | str) -> ConfusionPrior:
    """Return the prior of the matrix that all annotators share: half diagonal, half uniform."""
    mean = (np.eye(n_classes) + 1.0 / n_classes) / 2
    n_rows = 1 if kind == "confusion" else n_classes
    return ConfusionPrior(kind, mean, 0.0 if smoothing == 0 else POOLED_VOTES * n_rows, mean)


def shared_prior(kind: str, counts: NDArray, smoothing: float | str) -> ConfusionPrior:
    """Return the prior that draws every annotator to the matrix of all of them together."""
    pooled = pooled_prior(kind, counts.shape[1], smoothing)
    mean = pooled.estimate(counts.sum(axis=0, keepdims=True))[0]
    return ConfusionPrior(kind, mean, _strength(kind, counts, mean, smoothing), mean)


def personal_prior(counts: NDArray, smoothing: float | str) -> ConfusionPrior:
    """Return the prior of free matrices: the errors of all annotators at the accuracy of each.

    The odds of the diagonal entries of the shared matrix are multiplied by one factor for each
    annotator, the ratio of the odds of two accuracies: the annotator's, which is itself drawn to
    the shared one, and the shared one. The other entries of a row keep their proportions. Someone
    without votes has the shared matrix.
    """
    shared = shared_prior("confusion", counts, smoothing)
    one_coin = shared_prior("one-coin", counts, smoothing)
    accuracy = one_coin.estimate(counts)[:, 0, 0]
    factor = _odds(accuracy) / _odds(one_coin.mean[0, 0])
    odds = factor[:, None] * _odds(np.diagonal(shared.mean))
    right = odds / (1 + odds)
    diagonal = np.eye(len(shared.mean), dtype=bool)
    errors = np.where(diagonal, 0.0, shared.mean)
    errors /= errors.sum(axis=1, keepdims=True)
    mean = np.where(diagonal, right[:, :, None], (1 - right)[:, :, None] * errors)
    strength = _strength("confusion", counts, mean, smoothing)
    return ConfusionPrior("confusion", mean, strength, shared.mean)


def likely_strength(kind: str, counts: NDArray, mean: NDArray) -> float:
    """Strength of the prior under which the counts are most likely: empirical Bayes.

    Parameters
    ----------
    kind : {"confusion", "one-coin"}
        What is counted: rows of matrices, or right and wrong votes.
    counts : ndarray of shape (n_annotators, n_classes, n_classes)
        Expected counts.
    mean : ndarray of shape (n_classes, n_classes) or (n_annotators, n_classes, n_classes)
        Mean of the prior.

    Returns
    -------
    float
        Maximises the likelihood of counts whose probabilities are drawn from a Dirichlet
        distribution with the parameters ``strength * mean``, within bounds.
    """
    if kind == "one-coin":
        right = np.trace(counts, axis1=1, axis2=2)
        counts = np.stack([right, counts.sum(axis=(1, 2)) - right], axis=1)[:, None]
        mean = np.array([[mean[0, 0], 1 - mean[0, 0]]])
    totals = counts.sum(axis=2)

    def loss(log_strength: float) -> float:
        strength = np.exp(log_strength)
        entries = gammaln(strength * mean + counts) - gammaln(strength * mean)
        rows = gammaln(strength) - gammaln(strength + totals)
        return -float(entries.sum() + rows.sum())

    bounds = np.log([MIN_STRENGTH, MAX_STRENGTH[kind]])
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-3})
    return float(np.exp(found.x))


def _strength(kind, counts, mean, smoothing):
    return likely_strength(kind, counts, mean) if smoothing == "auto" else float(smoothing)


def _odds(proba):
    return proba / (1 - proba)


def _one_coin(counts):
    """Return the counts as if all classes were as easy and all errors as frequent."""
    n_classes = counts.shape[1]
    right = np.trace(counts, axis1=1, axis2=2)[:, None, None]
    wrong = counts.sum(axis=(1, 2))[:, None, None] - right
    diagonal = np.eye(n_classes)
    return right * diagonal + wrong * (1 - diagonal) / (n_classes - 1)
