"""
Choose a penalty by cross-entropy on label distributions
========================================================

Every row carries the votes of ten annotators. A pipeline standardises the features, a grid search
chooses C by the cross-entropy of held-out votes. The entropy of the probabilities behind the votes,
below which no model gets on held-out votes, is bracketed by the votes alone. Since the data are
simulated, the true probabilities are known, and the bracket can be checked.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from sklearn_kl import KLClassifier
from sklearn_kl.datasets import make_soft_classification
from sklearn_kl.metrics import entropy, entropy_bounds, get_scorer, kl_divergence
from sklearn_kl.model_selection import SoftStratifiedKFold

X, votes, q = make_soft_classification(
    n_samples=600, n_features=12, n_classes=4, n_votes=10, random_state=0
)
X_train, X_test, votes_train, _, _, q_test = train_test_split(X, votes, q, random_state=0)

# %%
# Squares and products of the features are noise here, which makes the penalty matter. The scorers
# know that y is a matrix; the splitter keeps the share of every class even across folds.

pipeline = make_pipeline(StandardScaler(), PolynomialFeatures(2), KLClassifier())
search = GridSearchCV(
    pipeline,
    {"klclassifier__C": np.logspace(-5, 1, 13)},
    scoring={name: get_scorer(name) for name in ["neg_cross_entropy", "neg_kl_divergence"]},
    refit="neg_kl_divergence",
    cv=SoftStratifiedKFold(5, shuffle=True, random_state=0),
    return_train_score=True,
)
search.fit(X_train, votes_train)

best = search.best_params_["klclassifier__C"]
print(f"Best C: {best:.1e}, held-out KL to the votes: {-search.best_score_:.4f} nats")
for C in [1e-5, best, 10.0]:
    model = pipeline.set_params(klclassifier__C=C).fit(X_train, votes_train)
    divergence = kl_divergence(q_test, model.predict_proba(X_test))
    print(f"C = {C:.1e}: KL to the true probabilities {divergence:.4f} nats")

# %%
# The gap between the curve of held-out rows and the band is the KL divergence from the truth: the
# band holds the entropy of the truth with 95 % confidence. The entropy of the votes is lower, since
# ten votes show less than there is; the gap to it is the KL divergence from the votes. On training
# rows the cross-entropy falls below the entropy of the truth: the model follows the votes.

results = search.cv_results_
C = results["param_klclassifier__C"].astype(float)
held_out = -results["mean_test_neg_cross_entropy"]
floor = np.mean(held_out + results["mean_test_neg_kl_divergence"])
figure, axis = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
axis.plot(C, held_out, "o-", color="#d55e00", label="held-out rows")
axis.plot(
    C, -results["mean_train_neg_cross_entropy"], "s--", color="#0072b2", label="training rows"
)
bounds = entropy_bounds(votes_train)
truth = entropy(q)
axis.axhspan(
    *bounds.interval, color="#009e73", alpha=0.25, lw=0, label="entropy of the truth, 95 %"
)
axis.axhline(floor, color="black", lw=1, ls=":", label="entropy of the votes")
print(f"{bounds} The true one is {truth:.3f}.")
axis.axvline(best, color="#bbbbbb", zorder=0)
axis.set(xscale="log", xlabel="C", ylabel="cross-entropy (nats)", title=f"best C = {best:.1e}")
axis.legend()
figure.savefig("grid_search_kl.png", dpi=150)
print("Saved grid_search_kl.png")
