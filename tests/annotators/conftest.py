"""Small worlds of annotators."""

import numpy as np
import pytest

from sklearn_kl.datasets import make_soft_classification


def draw(proba, rng):
    return (rng.uniform(size=(len(proba), 1)) > proba.cumsum(axis=1)[:, :-1]).sum(axis=1)


@pytest.fixture(scope="session")
def make_world():
    """Return ``make(kind, seed)``: X, Y with -1 for gaps, X_new, true q of these, hidden labels.

    "blind": items have one class, and 30 % of the annotators answer by a habit of their own.
    "ambiguous": every vote is a draw from q(x).
    """

    def make(kind, seed, n_items=400, n_annotators=12, n_votes=3, n_classes=3):
        rng = np.random.default_rng(seed)
        sep = {"blind": 4.0, "ambiguous": 1.5}[kind]
        X, _, q = make_soft_classification(
            n_items + 1000, 4, n_classes, n_votes=0, class_sep=sep, random_state=seed
        )
        label = draw(q[:n_items], rng)
        habits = rng.dirichlet(np.ones(n_classes), size=n_annotators)
        Y = np.full((n_items, n_annotators), -1)
        for row in range(n_items):
            who = rng.choice(n_annotators, n_votes, replace=False)
            blind = draw(habits[who], rng)
            looked = np.full(n_votes, label[row])
            if kind == "ambiguous":
                Y[row, who] = draw(np.repeat(q[row : row + 1], n_votes, axis=0), rng)
            else:
                Y[row, who] = np.where(who < 0.3 * n_annotators, blind, looked)
        return X[:n_items], Y, X[n_items:], q[n_items:], label

    return make
