"""EM of a classifier and the confusion matrices of annotators, and the models that it fits."""

import logging
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import logsumexp

from sklearn_kl._annotators.confusion import (
    ConfusionPrior,
    personal_prior,
    pooled_prior,
    shared_prior,
)
from sklearn_kl._annotators.learner import Learned, Learner
from sklearn_kl._annotators.votes import AnnotatorVotes

logger = logging.getLogger("sklearn_kl")


@dataclass(frozen=True, eq=False)
class Data:
    """What a model of the votes is fitted to, and how long.

    Parameters
    ----------
    learner : Learner
        Holds the features.
    votes : AnnotatorVotes
    weight : ndarray of shape (n_samples,)
        Weights of the samples.
    tol : float
        Nats per vote.
    max_iter : int
    verbose : bool
        Whether to log every iteration.
    """

    learner: Learner
    votes: AnnotatorVotes
    weight: NDArray
    tol: float
    max_iter: int
    verbose: bool = False

    @cached_property
    def labelled(self) -> NDArray:
        """Whether a sample has votes: ndarray of shape (n_samples, 1)."""
        return (self.votes.totals > 0)[:, None]

    @cached_property
    def mass(self) -> float:
        """Total weight of the votes."""
        return self.weigh(self.votes.totals)

    @property
    def shares(self) -> NDArray:
        """Votes as distributions: ndarray of shape (n_samples, n_classes); zeros without votes."""
        return self.votes.counts / np.where(self.labelled, self.votes.totals[:, None], 1.0)

    def weigh(self, values: NDArray) -> float:
        """Weighted sum of a value of every sample."""
        # Not a product: a BLAS would wake threads that go on spinning on the classifier's cores.
        return float((self.weight * values).sum())

    def take(self, rows: NDArray) -> "Data":
        """Return the data of some samples."""
        return replace(
            self,
            learner=self.learner.take(rows),
            votes=self.votes[rows],
            weight=self.weight[rows],
        )

    def expected_counts(self, posterior: NDArray) -> NDArray:
        """Weighted votes by annotator, hidden class and vote."""
        return self.votes.expected_counts(posterior * self.weight[:, None])


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted model of the votes.

    Parameters
    ----------
    learned : Learned
        The classifier.
    prior : ConfusionPrior
    matrices : ndarray of shape (n_annotators, n_classes, n_classes)
        Confusion matrices.
    posterior : ndarray of shape (n_samples, n_classes)
        Of the hidden class, given features and votes.
    cross_entropy : float
        Of the votes, nats per vote.
    path : tuple of float
        The objective after every iteration, nats per vote.
    converged : bool
    """

    learned: Learned
    prior: ConfusionPrior
    matrices: NDArray
    posterior: NDArray
    cross_entropy: float
    path: tuple[float, ...]
    converged: bool

    @property
    def pooled(self) -> NDArray:
        """Matrix that is expected of an annotator without votes: (n_classes, n_classes)."""
        return self.prior.shared


def fit_equal(data: Data) -> Fit:
    """Fit the classifier to the counts: every vote is a draw from its distribution."""
    votes = data.votes
    learned = data.learner.learn(votes.counts)
    terms = votes.counts * np.where(votes.counts > 0, learned.log_proba, 0.0)
    log_likelihood = data.weigh(terms.sum(axis=1))
    identity = np.eye(votes.n_classes)
    matrices = np.broadcast_to(identity, (len(votes.annotators), *identity.shape)).copy()
    posterior = np.where(data.labelled, data.shares, np.exp(learned.log_proba))
    path = ((log_likelihood - learned.penalty) / data.mass,)
    prior = ConfusionPrior("confusion", identity, 0.0, identity)
    return Fit(learned, prior, matrices, posterior, -log_likelihood / data.mass, path, True)


def fit_joint(data: Data, kind: str, smoothing: float | str) -> Fit:
    """Fit the classifier and the annotators' matrices together.

    EM goes from the votes to one accuracy for all annotators, to one for each, to free matrices.
    Each is the start of the next, so that the hidden classes keep the names of the votes, and
    gives it the mean of its prior. Without smoothing there is no prior, and EM starts at the votes.

    Parameters
    ----------
    data : Data
    kind : {"confusion", "one-coin"}
        The last of them.
    smoothing : float or "auto"
        Strength of the prior in votes.

    Returns
    -------
    Fit
    """
    posterior = data.shares
    if smoothing == 0:
        prior = shared_prior(kind, data.expected_counts(posterior), 0.0)
        return _em(data, prior, posterior, kind)
    pooled = pooled_prior("one-coin", data.votes.n_classes, smoothing)
    fit = _em(_pooled(data), pooled, posterior, "annotators alike")
    prior = shared_prior("one-coin", data.expected_counts(fit.posterior), smoothing)
    fit = _em(data, prior, fit.posterior, "one-coin", learned=fit.learned)
    if kind == "one-coin":
        return fit
    prior = personal_prior(data.expected_counts(fit.posterior), smoothing)
    return _em(data, prior, fit.posterior, kind, learned=fit.learned)


def _em(data, prior, posterior, name, *, learned=None):
    """Raise the penalised log-likelihood of the votes, from a posterior, until it gains no more."""
    fit = None
    for iteration in range(data.max_iter):
        step = _step(data, prior, posterior if fit is None else fit.posterior, fit, learned)
        if fit is None and not np.isfinite(step.path[-1]):
            raise ValueError(
                "The classifier gives the probability zero to every class that the votes on some "
                "item leave possible. Use a classifier that gives no zeros, or a smoothing above 0."
            )
        if fit is not None and not step.path[-1] >= fit.path[-1]:
            return replace(fit, converged=True)
        gain = np.inf if fit is None else step.path[-1] - fit.path[-1]
        if data.verbose:
            logger.info(
                "AnnotatorClassifier %s, iteration %d: penalised log-likelihood %.9g nats per vote",
                name,
                iteration + 1,
                step.path[-1],
            )
        fit = step
        if gain <= data.tol:
            return replace(fit, converged=True)
    return fit


def _step(data, prior, posterior, fit, learned):
    """Fit the classifier and the matrices to a posterior.

    The classifier's step is not taken if it would lower the objective, as rounding, randomness or
    a penalty that is not known may do. Then the matrices alone move, which lowers it by rounding
    at most.
    """
    posterior = np.where(data.labelled, posterior, 0.0)
    matrices = prior.estimate(data.expected_counts(posterior))
    moved = data.learner.learn(posterior, learned if fit is None else fit.learned)
    step = _evaluate(data, prior, moved, matrices, fit)
    if fit is None or step.path[-1] >= fit.path[-1]:
        return step
    return _evaluate(data, prior, fit.learned, matrices, fit)


def _evaluate(data, prior, learned, matrices, fit):
    """Return the Fit with these parameters, one iteration after another."""
    joint = learned.log_proba + data.votes.log_likelihood(matrices)
    per_sample = logsumexp(joint, axis=1)
    with np.errstate(invalid="ignore"):
        posterior = np.exp(joint - per_sample[:, None])
    log_likelihood = data.weigh(per_sample)
    objective = (log_likelihood + prior.log_density(matrices) - learned.penalty) / data.mass
    path = (*(() if fit is None else fit.path), objective)
    cross_entropy = -log_likelihood / data.mass
    return Fit(learned, prior, matrices, posterior, cross_entropy, path, False)


def _pooled(data):
    """Return the same data as if one annotator had given all votes."""
    everyone = np.array(["everyone"])
    votes = replace(data.votes, table=csr_array(data.votes.counts), annotators=everyone)
    return replace(data, votes=votes)
