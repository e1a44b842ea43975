"""
Train on annotator votes instead of majority labels
===================================================

Nine judges graded the bitterness of eight wines, and 1,681 tenants said how satisfied they were
with their housing. The usual recipe keeps the majority vote of every row and throws the
disagreement away. Here KLClassifier trains on the votes themselves, and both are judged on the
votes of rows that were left out of training.

A majority label never names a class that is nobody's first choice, so LogisticRegression gives
such classes probability zero and votes for them cost infinitely many nats. The row "smoothed"
mixes its predictions with 1% of the uniform distribution.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneOut

from sklearn_kl import KLClassifier
from sklearn_kl.datasets import load_housing, load_wine_ratings
from sklearn_kl.metrics import cross_entropy_loss, kl_divergence


def held_out_proba(fit, X, votes):
    """Predict every row with a model that was trained on all others; return seconds too."""
    proba, start = np.zeros(votes.shape), time.perf_counter()
    for train, test in LeaveOneOut().split(X):
        model = fit(X[train], votes[train])
        proba[np.ix_(test, model.classes_)] = model.predict_proba(X[test])
    return proba, time.perf_counter() - start


def fit_votes(X, votes):
    """Train on the votes."""
    return KLClassifier().fit(X, votes)


def fit_majority(X, votes):
    """Train on the most frequent vote of every row."""
    return LogisticRegression(max_iter=1000).fit(X, votes.argmax(axis=1))


def expected_accuracy(votes, proba):
    """Share of the votes that name the predicted class."""
    return votes[np.arange(len(votes)), proba.argmax(axis=1)].sum() / votes.sum()


# %%
# The table: held-out cross-entropy and KL divergence in nats, lower is better; the accuracy is
# the share of held-out votes that name the predicted class.

print(f"{'data':<8} {'model':<36} {'cross-entropy':>13} {'KL':>7} {'accuracy':>9} {'seconds':>8}")
predictions = {}
for name, load in [("wine", load_wine_ratings), ("housing", load_housing)]:
    X, votes = load(return_X_y=True)
    by_votes, votes_seconds = held_out_proba(fit_votes, X, votes)
    by_majority, majority_seconds = held_out_proba(fit_majority, X, votes)
    smoothed = 0.99 * by_majority + 0.01 / votes.shape[1]
    predictions[name] = (votes, by_votes, by_majority)
    for model, proba, seconds in [
        ("KLClassifier on votes", by_votes, votes_seconds),
        ("LogisticRegression on majority votes", by_majority, majority_seconds),
        ("  the same, smoothed by 1%", smoothed, majority_seconds),
    ]:
        print(
            f"{name:<8} {model:<36} {cross_entropy_loss(votes, proba):>13.3f} "
            f"{kl_divergence(votes, proba):>7.3f} {expected_accuracy(votes, proba):>9.3f} "
            f"{seconds:>8.3f}"
        )

# %%
# What the judges said of every wine, and what the two models expected them to say.

votes, by_votes, by_majority = predictions["wine"]
grades, height = np.arange(1, 6), by_majority.max() * 1.1
figure, axes = plt.subplots(2, 4, figsize=(10, 5), sharex=True, sharey=True, layout="constrained")
for row, axis in enumerate(axes.flat):
    axis.bar(grades, votes[row] / votes[row].sum(), color="#bbbbbb", label="votes of 9 judges")
    axis.plot(grades, by_votes[row], "o-", color="#0072b2", label="KLClassifier on votes")
    axis.plot(
        grades, by_majority[row], "s--", color="#d55e00", label="LogisticRegression on majority"
    )
    axis.set_title(f"wine {row + 1}", fontsize=10)
    axis.set(ylim=(0, height), xticks=grades)
figure.supxlabel("bitterness grade")
figure.supylabel("share of judges")
figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
figure.savefig("annotator_votes.png", dpi=150)
print("\nSaved annotator_votes.png")
