"""AnnotatorClassifier in two worlds: KL to the truth on new rows, what "auto" takes, and seconds.

    python benchmarks/annotators.py            # both worlds, eight draws each
    python benchmarks/annotators.py --large    # 20,000 items, 500 annotators, 5 votes, 10 classes

In both worlds a linear softmax gives the truth q(x) of 5 classes, 8 features, and 1,000 items have
3 votes each by 30 annotators. Blind: every item has one class, drawn from q(x); 30 % of the
annotators answer without looking, each by a habit of its own, and the others name the class.
Ambiguous: every vote is a draw from q(x), and the annotators are perfect.
"""

import argparse
import resource
import time

import numpy as np
from sklearn.dummy import DummyClassifier

from sklearn_kl import AnnotatorClassifier, AnnotatorVotes, KLClassifier
from sklearn_kl.datasets import make_soft_classification
from sklearn_kl.metrics import kl_divergence

N_NEW = 5000
CLASS_SEP = {"blind": 4.0, "ambiguous": 1.5}


def draw(proba, rng):
    """Draw a class code from every row."""
    return (rng.uniform(size=(len(proba), 1)) > proba.cumsum(axis=1)[:, :-1]).sum(axis=1)


def make_world(kind, seed, *, sizes=(1000, 30, 3), n_features=8, n_classes=5, blind=0.3):
    """Draw a world.

    Returns
    -------
    X, votes : features and AnnotatorVotes of the items
    X_new, q_new : features and true distributions of new rows
    label : class codes of the items, which the annotators of the blind world look at
    """
    n_items, n_annotators, n_votes = sizes
    rng = np.random.default_rng(seed)
    X, _, q = make_soft_classification(
        n_items + N_NEW,
        n_features,
        n_classes,
        n_votes=0,
        class_sep=CLASS_SEP[kind],
        random_state=seed,
    )
    label = draw(q[:n_items], rng)
    who = np.concatenate([rng.choice(n_annotators, n_votes, replace=False) for _ in range(n_items)])
    item = np.repeat(np.arange(n_items), n_votes)
    if kind == "blind":
        habits = rng.dirichlet(np.ones(n_classes), size=n_annotators)
        answers = np.where(who < blind * n_annotators, draw(habits[who], rng), label[item])
    else:
        answers = draw(q[item], rng)
    votes = AnnotatorVotes.from_long(
        item, answers, who, classes=np.arange(n_classes), sample_order=np.arange(n_items)
    )
    return X[:n_items], votes, X[n_items:], q[n_items:], label


def dawid_skene_posterior(votes):
    """Posterior of the classes by votes alone: the classifier is a class prior."""
    nothing = np.zeros((len(votes), 1))
    prior = DummyClassifier(strategy="prior")
    model = AnnotatorClassifier(prior, annotators="confusion", smoothing=0)
    return model.fit(nothing, votes).posterior_


def judge(kind, seed):
    """Return KL to the truth by way of learning, and the fitted "auto"."""
    X, votes, X_new, q_new, label = make_world(kind, seed)
    auto = AnnotatorClassifier().fit(X, votes)
    models = {
        "true labels": KLClassifier().fit(X, label),
        "counts": KLClassifier().fit(X, votes.counts),
        "Dawid-Skene posterior": KLClassifier().fit(X, dawid_skene_posterior(votes)),
        "one-coin": AnnotatorClassifier(annotators="one-coin").fit(X, votes),
        "confusion": AnnotatorClassifier(annotators="confusion").fit(X, votes),
        "auto": auto,
    }
    return {n: kl_divergence(q_new, m.predict_proba(X_new)) for n, m in models.items()}, auto


def compare_worlds(n_draws):
    """Print the table of both worlds."""
    for kind, right in [("blind", "confusion"), ("ambiguous", "equal")]:
        draws = [judge(kind, seed) for seed in range(n_draws)]
        print(f"\n{kind}: KL to the truth on {N_NEW} new rows, nats, mean of {n_draws} draws")
        for name in draws[0][0]:
            values = [found[name] for found, _ in draws]
            print(
                f"    {name:<24} {np.mean(values):.4f}   ({min(values):.4f} to {max(values):.4f})"
            )
        taken = [auto.annotators_ for _, auto in draws]
        print(f"    auto takes {right!r} in {taken.count(right)} of {n_draws} draws")
        for name in draws[0][1].held_out_cross_entropy_:
            values = [auto.held_out_cross_entropy_[name] for _, auto in draws]
            print(f"    held-out votes, {name:<10} {np.mean(values):.4f} nats per vote")


def time_large():
    """Print seconds and memory of large fits."""
    for kind in ("blind", "ambiguous"):
        X, votes, X_new, q_new, _ = make_world(
            kind, 0, sizes=(20_000, 500, 5), n_features=20, n_classes=10
        )
        for annotators in ("equal", "one-coin", "confusion", "auto"):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            start, cpu = time.perf_counter(), time.process_time()
            model = AnnotatorClassifier(annotators=annotators).fit(X, votes)
            wall, cpu = time.perf_counter() - start, time.process_time() - cpu
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
            kl = kl_divergence(q_new, model.predict_proba(X_new))
            print(
                f"{kind:<10} {annotators:<10} -> {model.annotators_:<10} {wall:6.1f} s, CPU "
                f"{cpu:6.1f} s, {model.n_iter_:3d} iterations, +{grown:.0f} MiB, KL {kl:.4f}",
                flush=True,
            )


def main():
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", action="store_true", help="time large fits instead")
    parser.add_argument("--draws", type=int, default=8, help="draws of each world")
    arguments = parser.parse_args()
    if arguments.large:
        time_large()
    else:
        compare_worlds(arguments.draws)


if __name__ == "__main__":
    main()
