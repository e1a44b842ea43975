"""
Fine-tune a model on few rows with a KL prior
=============================================

A model was trained on many rows from one clinic. Another clinic, where patients and habits differ
somewhat, has only 25 cases, each judged by four doctors. :class:`~sklearn_kl.penalties.KLToPrior`
lets the old model cast votes of its own on every new row: with none, training starts from scratch;
with ever more, the old model stays as it was. The data are simulated, so that the distance to the
true probabilities of the new clinic is known.
"""

# %%
# Two clinics
# -----------
# The coefficients of the second are those of the first plus a change.
import matplotlib.pyplot as plt
import numpy as np
from scipy.special import softmax
from sklearn.model_selection import GridSearchCV

from sklearn_kl import KLClassifier
from sklearn_kl.metrics import kl_divergence, neg_cross_entropy_scorer
from sklearn_kl.model_selection import SoftStratifiedKFold
from sklearn_kl.penalties import KLToPrior

rng = np.random.default_rng(0)
n_features, n_classes, n_new, n_draws = 8, 3, 25, 20
coef_old = rng.normal(size=(n_features, n_classes))
coef_new = coef_old + 0.5 * rng.normal(size=coef_old.shape)


def draw(coef, n_rows):
    """Return features, the votes of four doctors, and the true probabilities."""
    X = rng.normal(size=(n_rows, n_features))
    q = softmax(X @ coef, axis=1)
    return X, rng.multinomial(4, q), q


X_old, votes_old, _ = draw(coef_old, 2000)
X_test, _, q_test = draw(coef_new, 2000)
new_rows = [draw(coef_new, n_new) for _ in range(n_draws)]
old = KLClassifier().fit(X_old, votes_old)


def divergence(clf):
    """Mean KL divergence of fits on every draw of 25 rows from the truth, with its spread."""
    values = [
        kl_divergence(q_test, clf.fit(X, votes).predict_proba(X_test)) for X, votes, _ in new_rows
    ]
    return np.percentile(values, [10, 50, 90])


# %%
# How much should the old model count?
# ------------------------------------
# Without it, the best C that anyone could choose is the bar to pass.
strengths = np.logspace(-2, 3, 13)
low, middle, high = np.transpose(
    [divergence(KLClassifier(prior=KLToPrior(old, strength=s))) for s in strengths]
)
scratch = min(divergence(KLClassifier(C=C))[1] for C in np.logspace(-3, 1, 9))
untouched = kl_divergence(q_test, old.predict_proba(X_test))
print(f"KL to the truth: old model {untouched:.3f}, new rows at the best C {scratch:.3f} nats")
print(f"Both together: {middle.min():.3f} nats at the strength {strengths[middle.argmin()]:.2g}")

# %%
# Cross-validation on 25 rows finds the strength; clones keep the fitted model.
search = GridSearchCV(
    KLClassifier(prior=KLToPrior(old)),
    {"prior__strength": strengths},
    scoring=neg_cross_entropy_scorer,
    cv=SoftStratifiedKFold(5, shuffle=True, random_state=0),
).fit(*new_rows[0][:2])
chosen = search.best_params_["prior__strength"]
found = kl_divergence(q_test, search.predict_proba(X_test))
print(f"Cross-validation chose the strength {chosen:.2g}: {found:.3f} nats")

figure, ax = plt.subplots(figsize=(6.6, 4.2), layout="constrained")
ax.fill_between(strengths, low, high, alpha=0.2, label=f"10 to 90 % of {n_draws} draws")
ax.plot(strengths, middle, "o-", label="new rows and old model, median")
ax.axhline(scratch, color="#d55e00", ls="--", label="new rows alone, at the best C")
ax.axhline(untouched, color="black", ls=":", label="old model alone")
ax.plot(chosen, found, "*", ms=13, color="#009e73", label="chosen by cross-validation, one draw")
ax.set(xscale="log", xlabel="strength: votes of the old model on every row (doctors: 4)")
ax.set(ylabel="KL to the true probabilities (nats)", ylim=(0, None))
figure.legend(loc="outside upper center", ncols=2)
figure.savefig("prior.png", dpi=150)
print("Saved prior.png")
