"""
Choose a penalty by cross-entropy on label distributions
========================================================

Every row carries the votes of ten annotators. A pipeline standardises the features, a grid search
chooses C by the cross-entropy of held-out votes, and the entropy of the votes shows how much of
that no model can remove. Since the data are simulated, the true probabilities are known.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from sklearn_kl import KLClassifier
from sklearn_kl.datasets import make_soft_classification
from sklearn_kl.metrics import get_scorer, kl_divergence
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
# The gap between a curve and the floor is the KL divergence.

results = search.cv_results_
C = results["param_klclassifier__C"].astype(float)
held_out = -results["mean_test_neg_cross_entropy"]
floor = np.mean(held_out + results["mean_test_neg_kl_divergence"])
figure, axis = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
axis.plot(C, held_out, "o-", color="#d55e00", label="held-out rows")
axis.plot(
    C, -results["mean_train_neg_cross_entropy"], "s--", color="#0072b2", label="training rows"
)
axis.axhline(floor, color="black", lw=1, ls=":", label="entropy of the votes")
axis.axvline(best, color="#bbbbbb", zorder=0)
axis.set(xscale="log", xlabel="C", ylabel="cross-entropy (nats)", title=f"best C = {best:.1e}")
axis.legend()
figure.savefig("grid_search_kl.png", dpi=150)
print("Saved grid_search_kl.png")
