"""How often the intervals of `entropy_bounds` and `kl_to_truth` hold the truth; how wide they are.

Worlds with known distributions, from which votes are drawn again and again; a model that is wrong
in a known way. An interval must hold the mean of the rows drawn and the mean of the world: the
rarer of the two is counted.

    python benchmarks/votes.py            # the tables of benchmarks/results/votes.md, half an hour
    python benchmarks/votes.py --draws 20 # a look
"""

import argparse
import itertools
import time
from multiprocessing import Pool

import numpy as np
from scipy.special import entr, rel_entr

from sklearn_kl import KLClassifier
from sklearn_kl.metrics import entropy_bounds, kl_to_truth
from sklearn_kl.model_selection import cross_val_predict

CLASSES = (2, 3, 5, 10)
# The entropy of even rows is log K, the end of an interval that is cut there.
ROUNDING = 1e-12
VOTES = (2, 3, 5, 10, 30, "1-3", "2-30")


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def dirichlet(strength):
    return lambda rng, n_rows, k: rng.dirichlet(np.full(k, strength), n_rows)


def unequal(rng, n_rows, k):
    return rng.dirichlet(0.5 ** np.arange(k) * 2, n_rows)


def linear(rng, n_rows, k):
    weights = np.random.default_rng(k).normal(size=(6, k))
    return softmax(rng.normal(size=(n_rows, 6)) @ weights)


def sure(rng, n_rows, k):
    return 0.98 * np.eye(k)[rng.integers(k, size=n_rows)] + 0.02 / k


def very_sure(rng, n_rows, k):
    return 0.999 * np.eye(k)[rng.integers(k, size=n_rows)] + 0.001 / k


def sure_or_even(rng, n_rows, k):
    known = np.eye(k)[rng.integers(k, size=n_rows)]
    return np.where(rng.random((n_rows, 1)) < 0.5, known, 1 / k)


WORLDS = {
    "Dirichlet 0.1": dirichlet(0.1),
    "Dirichlet 1": dirichlet(1.0),
    "Dirichlet 10": dirichlet(10.0),
    "unequal classes": unequal,
    "linear softmax": linear,
    "sure": sure,
    "very sure": very_sure,
    "sure or even": sure_or_even,
}


def wrong_model(p):
    """Too unsure by half, and a class too high."""
    flat = np.sqrt(p)
    q = 0.8 * flat / flat.sum(axis=1, keepdims=True) + 0.1 / p.shape[1]
    q[:, 0] += 0.1
    return q


def number_of_votes(votes, rng, n_rows):
    if isinstance(votes, int):
        return np.full(n_rows, votes)
    low, high = map(int, votes.split("-"))
    return rng.integers(low, high + 1, n_rows)


def one_draw(world, k, votes, n_rows, seed):
    """Return the rows' and the estimates' entropy and KL, weighed by votes."""
    rng = np.random.default_rng(seed)
    p = WORLDS[world](rng, n_rows, k)
    q, n = wrong_model(p), number_of_votes(votes, rng, n_rows)
    drawn = rng.multinomial(n, p)
    weight = n / n.sum()
    entropy, kl = entr(p).sum(axis=1) @ weight, rel_entr(p, q).sum(axis=1) @ weight
    found_entropy, found_kl = entropy_bounds(drawn), kl_to_truth(drawn, q)
    return [
        (true, r.low, r.high, *r.interval, r.plug_in)
        for true, r in ((entropy, found_entropy), (kl, found_kl))
    ]


def summary(task):
    """Return the line of a world, a number of classes and of votes."""
    world, k, votes, n_rows, n_draws = task
    draws = np.array([one_draw(world, k, votes, n_rows, seed) for seed in range(n_draws)])
    line = []
    for true, low, high, start, end, plug_in in np.moveaxis(draws, 0, 2):
        start, end = start - ROUNDING, end + ROUNDING
        of_rows = np.mean((start <= true) & (true <= end))
        of_world = np.mean((start <= true.mean()) & (true.mean() <= end))
        line += [
            min(of_rows, of_world),
            np.mean(low - true),
            np.mean(high - true),
            np.mean(end - start) / 2,
            np.mean(plug_in - true),
        ]
    return line


def challenged(n_rows, votes, seed):
    """By how much the lower end misses the KL when the challenger is of the right family."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 6))
    p = softmax(X @ np.random.default_rng(5).normal(size=(6, 5)))
    drawn, q = rng.multinomial(votes, p), wrong_model(p)
    h = cross_val_predict(KLClassifier(), X, drawn, method="predict_proba")
    true = rel_entr(p, q).sum(axis=1).mean()
    return kl_to_truth(drawn, q, challenger=h).low - true, kl_to_truth(drawn, q).low - true


def wide(n_rows=20000, k=5, votes=10):
    """Return half the width of both intervals at 20,000 rows of ten votes, for every world."""
    for world in WORLDS:
        rng = np.random.default_rng(0)
        p = WORLDS[world](rng, n_rows, k)
        drawn = rng.multinomial(votes, p)
        found = entropy_bounds(drawn), kl_to_truth(drawn, wrong_model(p))
        yield world, *((r.interval[1] - r.interval[0]) / 2 for r in found)


def seconds(k=30, n_rows=100_000):
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.full(k, 0.3), n_rows)
    for votes in (2, 5, 10, 30, "2-30"):
        drawn = rng.multinomial(number_of_votes(votes, rng, n_rows), p)
        start = time.perf_counter()
        entropy_bounds(drawn)
        middle = time.perf_counter()
        kl_to_truth(drawn, 0.5 * p + 0.5 / k)
        yield votes, middle - start, time.perf_counter() - middle


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--worlds", default=",".join(WORLDS), help="names, with commas between")
    options = parser.parse_args()
    tasks = list(itertools.product(options.worlds.split(","), CLASSES, VOTES))
    print(f"{options.draws} draws of {options.rows} rows; nats, means over the draws\n")
    names = ["held", "low", "high", "half-width", "plug-in"]
    print("| world | classes | votes | " + " | ".join(f"H {name}" for name in names), end=" | ")
    print(" | ".join(f"KL {name}" for name in names), "|")
    print("|---|---:|---:" + "|---:" * 10 + "|")
    lines = []
    with Pool(options.jobs) as pool:
        run = pool.imap(summary, [(*task, options.rows, options.draws) for task in tasks])
        for task, line in zip(tasks, run, strict=True):
            lines.append(line)
            figures = [f"{x:.3f}" if i % 5 in (0, 3) else f"{x:+.3f}" for i, x in enumerate(line)]
            print("|", " | ".join(map(str, [*task, *figures])), "|", flush=True)
    held = np.array(lines)[:, [0, 5]]
    print(f"\nLeast share of draws held: entropy {held[:, 0].min()}, KL {held[:, 1].min()}\n")
    print("20,000 rows, 10 votes, 5 classes: half-width of the entropy's and the KL's interval\n")
    for world, *widths in wide():
        print(f"- {world}: {widths[0]:.4f}, {widths[1]:.4f}")
    print("\nChallenger of the right family, 5,000 rows: low less true KL, with and without\n")
    for votes in (1, 2, 3, 10):
        misses = np.array([challenged(5000, votes, seed) for seed in range(10)])
        print(
            f"- {votes} votes: {misses[:, 0].mean():+.4f} (largest {np.abs(misses[:, 0]).max():.4f}"
            f"), {misses[:, 1].mean():+.4f}"
        )
    print("\nSeconds for 100,000 rows x 30 classes: entropy_bounds, kl_to_truth\n")
    for votes, *times in seconds():
        print(f"- {votes} votes: {times[0]:.2f}, {times[1]:.2f}")


if __name__ == "__main__":
    main()
