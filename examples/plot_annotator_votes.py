"""
Train on annotator votes instead of majority labels
===================================================

Nine judges graded the bitterness of eight wines, and 1,681 tenants said how satisfied they were
with their housing. The usual recipe keeps the majority vote of every row and throws the
disagreement away. Here KLClassifier trains on the votes themselves, and both are judged on the
votes of rows that were left out of training. Votes are a sample: at the end stands how far each
model is from the truth behind them, from-to, beside what their number alone explains.

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
from sklearn_kl.metrics import compare_kl, cross_entropy_loss, kl_divergence, kl_to_truth


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
# the share of held-out votes that name the predicted class. The KL divergence is from the votes.

print(f"{'data':<8} {'model':<36} {'cross-entropy':>13} {'KL':>7} {'accuracy':>9} {'seconds':>8}")
predictions = {}
for name, load in [("wine", load_wine_ratings), ("housing", load_housing)]:
    X, votes = load(return_X_y=True)
    by_votes, votes_seconds = held_out_proba(fit_votes, X, votes)
    by_majority, majority_seconds = held_out_proba(fit_majority, X, votes)
    smoothed = 0.99 * by_majority + 0.01 / votes.shape[1]
    predictions[name] = (votes, by_votes, by_majority, smoothed)
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
# How far each model is from the truth, the distributions that the votes were drawn from. Their
# entropy is bracketed by the votes alone, and the other model serves as a challenger: by how much
# it is better is a lower bound. With votes for a class that is predicted with probability zero, the
# distance is infinite.

print()
for name, (votes, by_votes, by_majority, smoothed) in predictions.items():
    print(f"{name:<8} on votes  {kl_to_truth(votes, by_votes, challenger=smoothed)}")
    print(f"{name:<8} majority  {kl_to_truth(votes, by_majority)}")
    print(f"{name:<8} smoothed  {kl_to_truth(votes, smoothed, challenger=by_votes)}")
    result = compare_kl(votes, by_votes, smoothed, random_state=0)
    low, high = result.confidence_interval
    print(
        f"{name:<8} on votes it is {-result.difference:.3f} nats closer to the truth "
        f"than smoothed majority (95%: {-high:.3f} to {-low:.3f})"
    )

# %%
# What the judges said of every wine, and what the two models expected them to say. Nine votes say
# little of one wine: the bars' lines are the 95 % intervals of Wilson for the share of judges, of
# whom these nine are a sample. A model whose points are mostly inside agrees with what was said.

votes, by_votes, by_majority, _ = predictions["wine"]
n_judges = votes.sum(axis=1, keepdims=True)
share, z = votes / n_judges, 1.96
middle = (share + z**2 / (2 * n_judges)) / (1 + z**2 / n_judges)
reach = np.sqrt(share * (1 - share) / n_judges + z**2 / (4 * n_judges**2)) * z
reach = reach / (1 + z**2 / n_judges)
low, high = np.maximum(middle - reach, 0), np.minimum(middle + reach, 1)
for model, proba in (("KLClassifier on votes", by_votes), ("LogisticRegression", by_majority)):
    inside = np.mean((low <= proba) & (proba <= high))
    print(f"{model}: {inside:.0%} of its probabilities for wines are in the intervals of the votes")

grades = np.arange(1, 6)
figure, axes = plt.subplots(2, 4, figsize=(10, 5), sharex=True, sharey=True, layout="constrained")
for row, axis in enumerate(axes.flat):
    axis.bar(grades, share[row], color="#cccccc", label="votes of 9 judges")
    axis.vlines(grades, low[row], high[row], color="#666666", label="what 9 votes can say (95 %)")
    axis.plot(
        grades - 0.12, by_votes[row], "o", color="#0072b2", label="KLClassifier on votes", ms=5
    )
    axis.plot(
        grades + 0.12,
        by_majority[row],
        "s",
        color="#d55e00",
        label="LogisticRegression on majority",
        ms=5,
        mfc="white",
    )
    axis.set_title(f"wine {row + 1}", fontsize=10)
    axis.set(ylim=(0, 1.02), xticks=grades)
figure.supxlabel("bitterness grade")
figure.supylabel("share of judges")
figure.legend(
    *axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=9
)
figure.savefig("annotator_votes.png", dpi=150)
print("\nSaved annotator_votes.png")
