"""
Targets from votes, labelling functions and a teacher
=====================================================

Three places where distributions over classes come from, and how each becomes a matrix of targets:

- a frame of task, worker and label, as crowd-sourcing tools such as crowd-kit hold it;
- a matrix of labelling functions' votes with abstentions, as weak supervision tools such as Snorkel
  hold it, and the probabilities that are made of it;
- the `predict_proba` of a large model, the teacher, for a small one, the student.

The features and the true distribution of every row are simulated, so that each model can be judged
by its KL divergence to the truth. The alternative is always to keep one label per row.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.special import softmax
from sklearn.ensemble import GradientBoostingClassifier

from sklearn_kl import KLClassifier
from sklearn_kl.datasets import make_soft_classification
from sklearn_kl.labels import (
    ReplicatedRows,
    apply_temperature,
    mix_targets,
    normalize_rows,
    votes_to_targets,
)
from sklearn_kl.metrics import kl_divergence

CLASSES = np.array(["cat", "dog", "fox"])
N_TASKS = 400
rng = np.random.default_rng(0)
X, more_votes, truth = make_soft_classification(8000 + N_TASKS, 8, 3, class_sep=1.5, random_state=0)
X_train, X_test, X_teacher = np.split(X, [N_TASKS, N_TASKS + 5000])
truth_train, truth_test, _ = np.split(truth, [N_TASKS, N_TASKS + 5000])


def draw(proba):
    """Draw a class code from every row."""
    return (rng.uniform(size=(len(proba), 1)) > proba.cumsum(axis=1)).sum(axis=1)


def divergence(targets):
    """KL divergence to the truth, nats, of a model that was trained on some targets."""
    return kl_divergence(truth_test, KLClassifier().fit(X_train, targets).predict_proba(X_test))


# %%
# A frame of task, worker and label. Some tasks have one vote, some nine; worker w0 answers at
# random. Counts weigh a task by its votes; `weights` gives each worker a skill.

features = pd.DataFrame(X_train, index=[f"task {row}" for row in range(N_TASKS)])
frames = []
for row, task in enumerate(features.index):
    workers = rng.choice(12, size=rng.choice([1, 3, 9]), replace=False)
    proba = np.where(workers[:, None] == 0, 1 / 3, truth_train[row])
    frames.append(pd.DataFrame({"task": task, "worker": workers, "label": CLASSES[draw(proba)]}))
frame = pd.concat(frames, ignore_index=True)
frame["worker"] = "w" + frame["worker"].astype(str)
print(frame.head(3).to_string(index=False))

skills = {f"w{number}": 0.0 if number == 0 else 1.0 for number in range(12)}
votes = votes_to_targets(
    frame["task"],
    frame["label"],
    annotators=frame["worker"],
    weights=skills,
    sample_order=features.index,
)
print(f"\nCounts of shape {votes.counts.shape}; the first task: {votes.counts[0]}")
answered = votes.counts.sum(axis=1) > 0
majority = np.where(answered[:, None], np.eye(3)[votes.counts.argmax(axis=1)], 0.0)
crowd = {
    "majority vote": divergence(majority),
    "every task weighs one": divergence(normalize_rows(votes.counts)),
    "every vote weighs one": divergence(votes.counts),
}

# %%
# Labelling functions that abstain (-1) where they know nothing. A label model turns their votes
# into probabilities; this one knows how often each function is right, and then the probabilities
# are the softmax of votes that weigh their log odds. It gives a uniform row where all functions
# abstain, which says "the classes are equally likely". Unlabelled is a row of zeros.

accuracy = {"f0": 0.9, "f1": 0.8, "f2": 0.7, "f3": 0.6}
hidden_label = draw(truth_train)
functions = np.full((N_TASKS, 4), -1)
for column, (share, right) in enumerate(zip([0.2, 0.2, 0.3, 0.3], accuracy.values(), strict=True)):
    other = (hidden_label + rng.integers(1, 3, N_TASKS)) % 3
    vote = np.where(rng.uniform(size=N_TASKS) < right, hidden_label, other)
    functions[:, column] = np.where(rng.uniform(size=N_TASKS) < share, vote, -1)
evidence = votes_to_targets(
    np.repeat(np.arange(N_TASKS), 4),
    functions.ravel(),
    annotators=np.tile(list(accuracy), N_TASKS),
    weights={name: np.log(right / ((1 - right) / 2)) for name, right in accuracy.items()},
    classes=[0, 1, 2],
    abstain=-1,
).counts
label_model_proba = softmax(evidence, axis=1)
silent = evidence.sum(axis=1) == 0
unlabelled = np.where(silent[:, None], 0.0, label_model_proba)
print(f"\nLabelling functions: {silent.sum()} of {N_TASKS} rows have no vote")
weak = {
    "most probable label": divergence(label_model_proba.argmax(axis=1)),
    "probabilities": divergence(label_model_proba),
    "probabilities,\nsilent rows unlabelled": divergence(unlabelled),
}

# %%
# A teacher that saw the votes on 3,000 other rows, boosted trees, and a linear student that has one
# label for each of its 400 rows. The mix of the two trains the student.

teacher = ReplicatedRows(
    GradientBoostingClassifier(n_estimators=40, learning_rate=0.2, random_state=0)
)
teacher.fit(X_teacher, more_votes[-3000:])
labels = draw(truth_train)
weights = np.linspace(0, 1, 6)
student = {
    temperature: [
        divergence(
            mix_targets(
                labels,
                apply_temperature(teacher.predict_proba(X_train), temperature),
                weight,
                classes=teacher.classes_,
            )
        )
        for weight in weights
    ]
    for temperature in (0.5, 1.0, 2.0)
}

# %%
# The table: KL divergence to the truth in nats, lower is better.

for title, results in [("crowd", crowd), ("weak supervision", weak)]:
    for name, value in results.items():
        print(f"{title:<18} {name.replace(chr(10), ' '):<40} {value:.4f}")
print(f"{'teacher':<18} {'labels alone':<40} {student[1.0][0]:.4f}")
print(f"{'':<18} {'mostly the teacher (0.8)':<40} {student[1.0][4]:.4f}")
print(f"{'':<18} {'the teacher alone':<40} {student[1.0][5]:.4f}")

figure, axes = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
for axis, title, results in [
    (axes[0], "Votes of workers", crowd),
    (axes[1], "Labelling functions", weak),
]:
    bars = axis.barh(list(results), list(results.values()), color=["#999999", "#56b4e9", "#0072b2"])
    axis.bar_label(bars, fmt="%.3f", padding=3)
    axis.invert_yaxis()
    axis.margins(x=0.3)
    axis.set(title=title, xlabel="KL to the truth (nats)")
for (temperature, values), color, marker in zip(
    student.items(), ["#d55e00", "#0072b2", "#009e73"], "s^o", strict=True
):
    axes[2].plot(weights, values, color=color, marker=marker, label=f"temperature {temperature:g}")
axes[2].set(title="Student of a teacher", xlabel="weight of the teacher")
axes[2].set(ylabel="KL to the truth (nats)", ylim=(0, None))
axes[2].legend()
figure.savefig("targets_from_votes.png", dpi=150)
print("\nSaved targets_from_votes.png")
