"""Writes dawid_skene.json: posteriors of crowd-kit's Dawid-Skene model.

Run in this folder, with crowd-kit installed: python make_dawid_skene.py
"""

import json
import random

import pandas as pd

ACCURACY = [0.9, 0.8, 0.7, 0.6, 0.5, 0.34, 0.75]
N_ITEMS, N_CLASSES = 80, 3


def draw_votes():
    """Draw labels of a hidden class, -1 where an annotator does not vote."""
    rng = random.Random(0)
    rows = []
    for _ in range(N_ITEMS):
        hidden = rng.choices(range(N_CLASSES), weights=[5, 3, 2])[0]
        row = [-1] * len(ACCURACY)
        for annotator in rng.sample(range(len(ACCURACY)), rng.choice([2, 3, 5])):
            right = rng.random() < ACCURACY[annotator]
            row[annotator] = hidden if right else (hidden + rng.randint(1, 2)) % N_CLASSES
        rows.append(row)
    return rows


def main():
    """Fit until nothing changes, and write votes and posteriors."""
    # Not at the top: the tests' collection imports this file, and needs no crowd-kit.
    from crowdkit.aggregation import DawidSkene

    votes = draw_votes()
    frame = pd.DataFrame(
        [
            (task, worker, label)
            for task, row in enumerate(votes)
            for worker, label in enumerate(row)
            if label >= 0
        ],
        columns=["task", "worker", "label"],
    )
    # A negative tolerance never ends the search early.
    model = DawidSkene(n_iter=500, tol=-1.0).fit(frame)
    posterior = model.probas_.sort_index().sort_index(axis=1)
    result = {
        "votes": votes,
        "posterior": posterior.round(9).to_numpy().tolist(),
        "prior": model.priors_.sort_index().round(9).tolist(),
    }
    with open("dawid_skene.json", "w", encoding="utf-8") as file:
        json.dump(result, file)
        file.write("\n")


if __name__ == "__main__":
    main()
