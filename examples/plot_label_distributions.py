"""
Six measures of label distribution learning
===========================================

In the literature on label distribution learning (Geng 2016), a model is judged by six measures at
once, by ten-fold cross-validation. Here is that table for `KLClassifier`, on the emotions that
raters saw in faces (s-JAFFE and s-BU_3DFE), beside the SA-BFGS algorithm, which minimises the same
divergence without a penalty.

The two data sets come as files of that literature, SJAFFE.mat and SBU_3DFE.mat. The environment
variable SKLEARN_KL_DATA names their folder; without them, the example generates votes.
"""

# %%
# The data
# --------
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import scipy.io
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_kl import KLClassifier
from sklearn_kl.datasets import make_soft_classification
from sklearn_kl.metrics import DistributionDisplay, KLContributionsDisplay, get_scorer

beside_the_project = Path(__file__).resolve().parents[2] / "shared" / "data"
folder = Path(os.environ.get("SKLEARN_KL_DATA", beside_the_project))
# The files do not name their classes.
EMOTIONS = [f"emotion {number}" for number in range(1, 7)]


def load_data():
    """Return the data sets by name: features, distributions and names of the classes."""
    data = {}
    for name in ("SJAFFE", "SBU_3DFE"):
        if (folder / f"{name}.mat").exists():
            content = scipy.io.loadmat(folder / f"{name}.mat")
            data[name] = content["features"], content["labels"], EMOTIONS
    if not data:
        print("SKLEARN_KL_DATA names no folder with SJAFFE.mat or SBU_3DFE.mat: generated votes.\n")
        X, votes = make_soft_classification(400, 10, 4, n_votes=20, random_state=0)[:2]
        data["generated"] = X, votes / votes.sum(axis=1, keepdims=True), list("abcd")
    return data


# %%
# Other results
# -------------
# - "published": SA-BFGS of Geng (2016), as the README of PyLDL 0.1.2 reports it ("Results of the
#   original MATLAB implementation"); for s-JAFFE alone. We found no source to check a row for
#   s-BU_3DFE against, and so give none.
# - "PyLDL": `SA_BFGS` of PyLDL 0.1.2 with its default options on the very folds used here, run once
#   (NumPy's global seed set to 0 before each fit), mean and standard deviation over the folds.
MEASURES = {
    "Chebyshev": "neg_chebyshev_distance",
    "Clark": "neg_clark_distance",
    "Canberra": "neg_canberra_distance",
    "KL": "neg_kl_divergence",
    "cosine": "cosine_similarity",
    "intersection": "intersection_similarity",
}
OTHERS = {
    "SJAFFE": {
        "published": [
            *((0.107, 0.015), (0.399, 0.044), (0.820, 0.103)),
            *((0.064, 0.016), (0.940, 0.015), (0.860, 0.019)),
        ],
        "PyLDL": [
            *((0.0905, 0.0084), (0.3527, 0.0259), (0.7160, 0.0589)),
            *((0.0478, 0.0073), (0.9562, 0.0065), (0.8810, 0.0099)),
        ],
    },
    "SBU_3DFE": {
        "PyLDL": [
            *((0.1173, 0.0032), (0.3752, 0.0096), (0.7923, 0.0163)),
            *((0.0646, 0.0034), (0.9365, 0.0035), (0.8580, 0.0032)),
        ],
    },
}

# %%
# Ten folds
# ---------
# The penalty is chosen inside each training fold, by the KL divergence: no held-out row is looked
# at. The five distances are printed without the sign that makes them scores. Of Chebyshev, Clark,
# Canberra and KL less is better; of cosine and intersection more.
scoring = {name: get_scorer(scorer) for name, scorer in MEASURES.items()}
model = make_pipeline(
    StandardScaler(),
    GridSearchCV(
        KLClassifier(),
        {"C": [0.01, 0.03, 0.1, 0.3]},
        scoring=get_scorer("neg_kl_divergence"),
        cv=KFold(3, shuffle=True, random_state=1),
    ),
)
folds = KFold(10, shuffle=True, random_state=0)


def format_row(name, values):
    cells = "  ".join(f"{mean:.3f} ± {spread:.3f}" for mean, spread in values)
    return f"{name:13s} {cells}"


data = load_data()
for name, (X, y, _) in data.items():
    result = cross_validate(model, X, y, cv=folds, scoring=scoring)
    scores = [result[f"test_{measure}"] for measure in MEASURES]
    rows = {"KLClassifier": [(abs(score.mean()), score.std()) for score in scores]}
    print(f"{name}: {X.shape[0]} rows, {X.shape[1]} features, {y.shape[1]} classes")
    print(" " * 14 + "  ".join(f"{measure:13s}" for measure in MEASURES))
    for source, values in (rows | OTHERS.get(name, {})).items():
        print(format_row(source, values))
    print()

# %%
# Rows and classes
# ----------------
# What the numbers mean: some held-out rows, and the classes that carry their divergence.
name, (X, y, classes) = next(iter(data.items()))
train, test = next(folds.split(X))
model.fit(X[train], y[train])
proba = model.predict_proba(X[test])
hardest = np.argsort(-(y[test] * np.log(y[test] / proba, where=y[test] > 0, out=0 * proba)).sum(1))
display = DistributionDisplay.from_predictions(
    y[test], proba, labels=classes, rows=[*hardest[:2], *hardest[-2:]]
)
display.figure_.suptitle(f"{name}: the two worst and the two best of {len(test)} held-out rows")
KLContributionsDisplay.from_predictions(y[test], proba, labels=classes, name=name, sort=True)
plt.show()
