"""
A path of sparse models: which pixels tell digits apart
=======================================================

With an L1 penalty, weights that do too little for the fit are exactly zero. ``fit_path`` fits the
model for many values of C, each from where the one before ended: from one that knows the class
shares only to one that separates the training images. The cross-entropy of held-out images chooses.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sklearn_kl import KLClassifier
from sklearn_kl.metrics import cross_entropy_loss

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X / 16, y, test_size=0.5, random_state=0, stratify=y
)
Cs = np.logspace(-2, 2, 25)
path = KLClassifier(l1_ratio=1.0, tol=1e-5).fit_path(X_train, y_train, Cs)

held_out = np.array([cross_entropy_loss(y_test, clf.predict_proba(X_test)) for clf in path])
n_weights = np.array([np.count_nonzero(clf.coef_) for clf in path])
best = int(held_out.argmin())
for name, chosen in [("smallest C", 0), ("best C", best), ("largest C", len(Cs) - 1)]:
    print(
        f"{name} = {Cs[chosen]:.3g}: {n_weights[chosen]} of {path[chosen].coef_.size} weights, "
        f"held-out cross-entropy {held_out[chosen]:.3f} nats, "
        f"accuracy {path[chosen].score(X_test, y_test):.3f}"
    )

# %%
# Training goes on where held-out images are worse off; weights come in as C grows. Below, the
# weights of the best model: a pixel that is white has the weight zero.

figure = plt.figure(figsize=(9, 5.6), layout="constrained")
upper, lower = figure.subfigures(2, 1, height_ratios=[2.2, 1.6])
left, right = upper.subplots(1, 2)
left.plot(Cs, held_out, "o-", ms=3, color="#d55e00", label="held-out images")
left.plot(Cs, [clf.cross_entropy_ for clf in path], "s--", ms=3, label="training images")
left.set(xscale="log", xlabel="C", ylabel="cross-entropy (nats)")
left.axvline(Cs[best], color="#bbbbbb", zorder=0)
left.legend()
right.plot(Cs, n_weights, "o-", ms=3, color="#0072b2")
right.axvline(Cs[best], color="#bbbbbb", zorder=0)
right.set(xscale="log", xlabel="C", ylabel="weights that are not zero")

coef = path[best].coef_.reshape(10, 8, 8)
limit = np.abs(coef).max()
for digit, axis in enumerate(lower.subplots(2, 5).flat):
    axis.imshow(coef[digit], cmap="RdBu_r", vmin=-limit, vmax=limit)
    axis.set(xticks=[], yticks=[])
    axis.set_ylabel(str(digit), rotation=0, labelpad=8, va="center")
figure.savefig("elastic_net_path.png", dpi=150)
print("Saved elastic_net_path.png")
