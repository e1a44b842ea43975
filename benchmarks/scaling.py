"""How the time of KLClassifier grows with rows, shrinks with threads, and what a tiny fit costs."""

import argparse
import cProfile
import json
import pstats
import time
from pathlib import Path
from statistics import median

import numpy as np
from problems import PROBLEMS, iris, labels
from sklearn.linear_model import LogisticRegression

from sklearn_kl import KLClassifier

RESULTS = Path(__file__).with_name("results")


def seconds_of(*works, repeats=5):
    """Median seconds of each function, the calls interleaved, after a warm-up."""
    seconds = [[] for _ in works]
    for _ in range(repeats + 1):
        for work, record in zip(works, seconds, strict=True):
            start = time.perf_counter()
            work()
            record.append(time.perf_counter() - start)
    return [median(record[1:]) for record in seconds]


def fit(X, y, n_jobs=None):
    return lambda: KLClassifier(n_jobs=n_jobs).fit(X, y)


def rows():
    """Seconds from 10,000 to 1,000,000 rows on the shape of (d), and their ratio per decade."""
    sizes = np.logspace(4, 6, 5).astype(int)
    problem = labels(sizes[-1], 20, 2)
    seconds = [seconds_of(fit(problem.X[:n], problem.y[:n]))[0] for n in sizes]
    for n, s in zip(sizes, seconds, strict=True):
        print(f"{n:>9,} rows: {s:.4f} s, {1e9 * s / n:.0f} ns a row")
    decades = [high / low for low, high in zip(seconds, seconds[2:], strict=False)]
    print("ratio per decade:", ", ".join(f"{ratio:.1f}" for ratio in decades))
    return {"rows": sizes.tolist(), "seconds": seconds, "ratio_per_decade": decades}


def threads():
    """Seconds with one thread and with two on (a) and (g)."""
    result = {}
    for name in ("a", "g"):
        problem = PROBLEMS[name].make()
        one, two = seconds_of(*(fit(problem.X, problem.y, n_jobs) for n_jobs in (1, 2)))
        print(f"({name}): {one:.3f} s on one thread, {two:.3f} s on two: {one / two:.2f} times")
        result[name] = {"one": one, "two": two, "speed_up": one / two}
    return result


def tiny(n_fits=1000):
    """Seconds of 1,000 fits of iris, beside LogisticRegression at its default tolerance."""
    problem = iris()

    def many(make):
        return lambda: [make().fit(problem.X, problem.y) for _ in range(n_fits)]

    # Its default limit of 100 iterations is too low for iris by a few.
    peer = many(lambda: LogisticRegression(max_iter=1000))
    ours, theirs = seconds_of(many(KLClassifier), peer, repeats=3)
    print(f"{n_fits} fits of iris: {ours:.2f} s, LogisticRegression {theirs:.2f} s")
    return {"n_fits": n_fits, "KLClassifier": ours, "LogisticRegression": theirs}


def profile(name, n_lines=25):
    """Print where the time of KLClassifier goes on one problem, after a warm-up."""
    problem = PROBLEMS[name].make()
    fit(problem.X, problem.y)()
    profiler = cProfile.Profile()
    profiler.enable()
    # One thread, since the profiler sees no other; few fits of iris would be too short.
    for _ in range(PROBLEMS[name].n_fits):
        fit(problem.X, problem.y, 1)()
    profiler.disable()
    pstats.Stats(profiler).strip_dirs().sort_stats("tottime").print_stats(n_lines)


PARTS = {"rows": rows, "threads": threads, "tiny": tiny}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--profile", choices=list(PROBLEMS), help="only profile that problem")
    options = parser.parse_args()
    if options.profile:
        profile(options.profile)
        return
    path = RESULTS / "scaling.json"
    saved = json.loads(path.read_text()) if path.exists() else {}
    RESULTS.mkdir(exist_ok=True)
    for part in options.parts or PARTS:
        saved[part] = PARTS[part]()
        path.write_text(json.dumps(saved, indent=1) + "\n")


if __name__ == "__main__":
    main()
