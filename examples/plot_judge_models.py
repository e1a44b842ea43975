"""
Judge models where the truth is a distribution
==============================================

Ten annotators vote on every row, and they disagree. How far a model is from the distributions
behind their votes, what its cross-entropy is made of, and whether another model is really better,
are questions that votes can answer and majority labels cannot. The votes are a sample: some of the
KL divergence from them comes from their number alone.
"""

# %%
# Three models
# ------------
# One with a penalty, one without on few rows and too many features, which is overconfident,
# and the latter with a temperature fitted to rows of its own.
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator

from sklearn_kl import KLClassifier, TemperatureScaler
from sklearn_kl.datasets import make_soft_classification
from sklearn_kl.metrics import (
    DistributionDisplay,
    KLContributionsDisplay,
    KLDecompositionDisplay,
    KLPathDisplay,
    ReliabilityDisplay,
    compare_kl,
    kl_decomposition,
    kl_to_truth,
)

X, votes = make_soft_classification(3000, 30, n_votes=10, class_sep=1.5, random_state=0)[:2]
train, tune, test = slice(0, 80), slice(80, 400), slice(400, None)
penalised = KLClassifier(C=0.1).fit(X[train], votes[train])
too_sure = KLClassifier(C=1e3).fit(X[train], votes[train])
scaled = TemperatureScaler(FrozenEstimator(too_sure)).fit(X[tune], votes[tune])
models = {"penalised": penalised, "overconfident": too_sure, "overconfident, scaled": scaled}
print(f"temperature {scaled.temperature_:.2f}")

# %%
# What the cross-entropy is made of
# ---------------------------------
# The entropy is that of the votes, which is less than that of the distributions behind them: what
# is missing is in the grouping term, as noise of ten votes, and no model removes it. What grouping
# holds beyond it a better model removes, and calibration a better map of the same model's
# probabilities: that is what the temperature does.
for name, model in models.items():
    parts = kl_decomposition(votes[test], model.predict_proba(X[test]))
    terms = ", ".join(f"{term} {value:.4f}" for term, value in parts.as_dict().items())
    print(f"{name}: {parts.cross_entropy:.4f} = {terms}; noise of the votes {parts.vote_noise:.4f}")
    print(f"  {kl_to_truth(votes[test], model.predict_proba(X[test]))}")
KLDecompositionDisplay.from_estimator(models, X[test], votes[test])

# %%
# Is the difference real?
# -----------------------
# Both models are judged on the same rows, so the interval is about their difference alone.
for name in ("overconfident", "overconfident, scaled"):
    result = compare_kl(
        votes[test],
        penalised.predict_proba(X[test]),
        models[name].predict_proba(X[test]),
        random_state=0,
    )
    low, high = result.confidence_interval
    print(
        f"penalised - {name}: {result.difference:+.4f} nats, 95 % interval {low:+.4f}, {high:+.4f}"
    )

# %%
# Reliability
# -----------
# On the diagonal, what is predicted is what the annotators say.
figure, axes = plt.subplots(1, 2, figsize=(9, 4.5), layout="constrained")
for ax, name in zip(axes, ("overconfident", "overconfident, scaled"), strict=True):
    ReliabilityDisplay.from_estimator(models[name], X[test], votes[test], name=name, ax=ax)

# %%
# The path of the fit
# -------------------
# A fitted model knows its last parameters alone; fits that stop earlier give the models on the way.
# The validation curve turns while the training curve still falls.
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)
    proba_path = [
        clone(too_sure).set_params(max_iter=k).fit(X[train], votes[train]).predict_proba(X[tune])
        for k in range(1, too_sure.n_iter_ + 1)
    ]
display = KLPathDisplay.from_estimator(too_sure, y_val=votes[tune], proba_path=proba_path)
best = int(np.argmin(display.validation_cross_entropy)) + 1
print(f"best on validation rows after {best} of {too_sure.n_iter_} iterations")

# %%
# Classes and rows
# ----------------
KLContributionsDisplay.from_estimator(too_sure, X[test], votes[test], name="overconfident")
DistributionDisplay.from_estimator(too_sure, X[test], votes[test])
DistributionDisplay.from_estimator(scaled, X[test], votes[test], rows=20, kind="ternary")
plt.show()
