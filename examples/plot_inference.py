"""
How sure are the coefficients?
==============================

Satisfaction of 1681 tenants in Copenhagen with their housing, in three grades, counted in 24 groups
by their influence on the management, the type of their housing and their contact with neighbours.
:class:`~sklearn_kl.KLClassifier` without a penalty is maximum likelihood on these counts, and
:class:`~sklearn_kl.KLInference` says how far chance alone could have moved its coefficients: the
numbers are those of ``summary(nnet::multinom(...))`` in R.
"""

# %%
# Fit and summarise
# -----------------
# Standard errors shrink with the number of tenants, so the fit has to be closer to the optimum than
# predictions would need.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sklearn_kl import KLClassifier, KLInference
from sklearn_kl.datasets import load_housing

housing = load_housing()
X = pd.DataFrame(housing.data, columns=housing.feature_names)
counts = pd.DataFrame(housing.target, columns=housing.target_names)
clf = KLClassifier(C=np.inf, tol=1e-10).fit(X, counts)
inference = KLInference.from_estimator(clf, X, counts, reference="Low")
table = inference.summary()
print(table.round(3).to_string())
print(f"AIC {inference.aic:.2f}, BIC {inference.bic:.2f}")

# %%
# Coefficients with 95 % intervals
# --------------------------------
# Each is a difference of log-odds against the grade "Low", and against the baseline of its factor:
# low influence, tower blocks, low contact. High influence multiplies the odds of "High" against
# "Low" by five; terraces divide them by four. For atrium houses the data do not tell the sign.
figure, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
terms = housing.feature_names
place = np.arange(len(terms))[::-1]
for grade, shift, marker in (("Medium", 0.12, "s"), ("High", -0.12, "o")):
    rows = table.loc[grade].loc[terms]
    error = [rows["coef"] - rows["low"], rows["high"] - rows["coef"]]
    ax.errorbar(rows["coef"], place + shift, xerr=error, fmt=marker, capsize=3, label=grade)
ax.axvline(0, color="black", linewidth=0.8)
ax.set_yticks(place, terms)
ax.set_xlabel('Log-odds against the grade "Low", with 95 % interval')
ax.legend(title="Grade")
ax.set_title("Satisfaction with housing")

# %%
# Does contact matter?
# --------------------
# The likelihood-ratio test compares the model with one that lacks the feature.
without = X.drop(columns="ContHigh")
smaller = KLClassifier(C=np.inf, tol=1e-10).fit(without, counts)
test = inference.likelihood_ratio_test(KLInference.from_estimator(smaller, without, counts))
print(f"chi-squared {test.statistic:.2f} on {test.df} degrees of freedom, p = {test.p_value:.5f}")

# %%
# How sure are the probabilities?
# -------------------------------
# Intervals of the model's probability of the grade "High" beside the shares that were counted.
# They are narrower than the counts of one group alone would allow, since all groups have a say; and
# they are about the probability: shares of few tenants scatter around it more widely.
low, high = inference.predict_proba_interval(X)
column = list(clf.classes_).index("High")
proba = clf.predict_proba(X)[:, column]
share = counts["High"] / counts.sum(axis=1)
order = np.argsort(proba)
figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
error = [(proba - low[:, column])[order], (high[:, column] - proba)[order]]
ax.errorbar(
    np.arange(24), proba[order], yerr=error, fmt="o", capsize=3, label="Model, 95 % interval"
)
size = counts.sum(axis=1).iloc[order]
ax.scatter(
    np.arange(24), share.iloc[order], s=size, color="C1", alpha=0.5, label="Share of tenants"
)
ax.set_xlabel("Group, by the model's probability (area of a share: tenants in the group)")
ax.set_ylabel('Probability of the grade "High"')
ax.set_ylim(0, 1)
ax.legend(loc="upper left")
plt.show()
