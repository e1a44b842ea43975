"""
Annotators who differ in skill, and items that are ambiguous
============================================================

Two reasons why annotators disagree, and what is lost if one is taken for the other:

- some annotators answer without looking. Counts weigh them like the others, and the model becomes
  as unsure as they are; a joint model of the classifier and of a confusion matrix for each
  annotator finds them out;
- items are ambiguous, and every vote is a draw from a distribution. Then counts are right, and the
  joint model explains what is real disagreement as errors, and is badly overconfident.

``AnnotatorClassifier`` compares the two by votes on items that were held out, and takes the one
under which they are more likely. The votes are simulated, so that every model can be judged by its
KL divergence to the truth.
"""

import numpy as np
import pandas as pd

from sklearn_kl import AnnotatorClassifier
from sklearn_kl.datasets import make_soft_classification
from sklearn_kl.metrics import AnnotatorConfusionDisplay, kl_divergence

CLASSES = np.array(["cat", "dog", "fox"], dtype=object)
PEOPLE = ["Ann", "Bob", "Cleo", "Dan", "Eve", "Finn", "Gil", "Hana"]
N_ITEMS = 600


def draw(proba):
    """Draw a class code from every row."""
    return (rng.uniform(size=(len(proba), 1)) > proba.cumsum(axis=1)[:, :-1]).sum(axis=1)


# %%
# Who looks, and who does not. Bob often says "dog" where there is a fox, Gil always says "cat", and
# Hana answers at random. Three people see every item; the others leave a gap.

looks = np.broadcast_to(0.9 * np.eye(3) + 0.1 / 3, (8, 3, 3)).copy()
looks[1, 2] = [0.05, 0.65, 0.3]
looks[6] = [0.98, 0.01, 0.01]
looks[7] = 1 / 3

worlds = {"some answer blindly": 4.0, "items are ambiguous": 1.5}
for world, class_sep in worlds.items():
    rng = np.random.default_rng(1)
    X, _, q = make_soft_classification(
        N_ITEMS + 5000, 5, 3, n_votes=0, class_sep=class_sep, random_state=1
    )
    hidden = draw(q[:N_ITEMS])
    Y = pd.DataFrame(np.full((N_ITEMS, 8), None, dtype=object), columns=PEOPLE)
    for person in range(8):
        said = draw(looks[person, hidden] if world == "some answer blindly" else q[:N_ITEMS])
        Y.iloc[:, person] = CLASSES[said]
    Y = Y.where(rng.uniform(size=Y.shape).argsort(axis=1) < 3, None)

    print(f"\n{world}: KL to the truth on new rows, and cross-entropy of held-out votes, in nats")
    auto = AnnotatorClassifier().fit(X[:N_ITEMS], Y)
    for name in ("equal", "confusion"):
        model = AnnotatorClassifier(annotators=name).fit(X[:N_ITEMS], Y)
        kl = kl_divergence(q[N_ITEMS:], model.predict_proba(X[N_ITEMS:]))
        held_out = auto.held_out_cross_entropy_[name]
        taken = "  <- taken by auto" if name == auto.annotators_ else ""
        print(f"    {name:<10} {kl:.4f}   {held_out:.4f}{taken}")
    if world == "some answer blindly":
        print(Y.head(3).to_string())
        chosen = auto

# %%
# The matrices that the joint model finds, with the votes that each rests on.

display = AnnotatorConfusionDisplay.from_estimator(
    chosen, annotators=PEOPLE, name="Some annotators answer blindly: what the joint model finds"
)
display.figure_.savefig("annotators.png", dpi=150)
print("\nSaved annotators.png")
