"""The likelihood of votes on held-out items, by which models of the votes are compared."""

from functools import partial

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy.special import logsumexp

from sklearn_kl._annotators.em import Data, fit_equal, fit_joint
from sklearn_kl._annotators.learner import log_probabilities
from sklearn_kl._annotators.votes import AnnotatorVotes

COMPARED = ("equal", "confusion")


def vote_log_likelihood(log_proba: NDArray, votes: AnnotatorVotes, matrices: NDArray | None):
    """Log-likelihood of the votes on every sample.

    Parameters
    ----------
    log_proba : ndarray of shape (n_samples, n_classes)
        The classifier's, nats.
    votes : AnnotatorVotes
    matrices : ndarray of shape (n_annotators, n_classes, n_classes) or None
        Confusion matrices. None means that every vote is a draw from the classifier's distribution.

    Returns
    -------
    ndarray of shape (n_samples,)
        Nats; 0 for a sample without votes.
    """
    if matrices is None:
        return (votes.counts * np.where(votes.counts > 0, log_proba, 0.0)).sum(axis=1)
    return logsumexp(log_proba + votes.log_likelihood(matrices), axis=1)


def compare_models(data: Data, splits: list, smoothing: float | str, n_jobs: int | None) -> dict:
    """Mean cross-entropy of held-out votes by model, nats per vote.

    Parameters
    ----------
    data : Data
        All samples.
    splits : list of (train, test)
        Arrays of rows. Annotators of the test rows are known from the training rows.
    smoothing : float or "auto"
        Strength of the prior.
    n_jobs : int or None
        Number of processes.

    Returns
    -------
    dict of str to float
    """
    score = partial(_score, data, smoothing)
    tasks = [(kind, train, test) for train, test in splits for kind in COMPARED]
    scores = Parallel(n_jobs=n_jobs)(delayed(score)(*task) for task in tasks)
    mass = sum(data.weight[test] @ data.votes.totals[test] for _, test in splits)
    totals = {
        kind: sum(found for (name, *_), found in zip(tasks, scores, strict=True) if name == kind)
        for kind in COMPARED
    }
    return {kind: -float(total / mass) for kind, total in totals.items()}


def _score(data, smoothing, kind, train, test):
    """Log-likelihood of the votes on the test rows under a model of the training rows."""
    part = data.take(train)
    fit = fit_equal(part) if kind == "equal" else fit_joint(part, kind, smoothing)
    held_out = data.take(test)
    log_proba = log_probabilities(fit.learned.classifier, held_out.learner.X)
    matrices = None if kind == "equal" else fit.matrices
    return float(held_out.weight @ vote_log_likelihood(log_proba, held_out.votes, matrices))
