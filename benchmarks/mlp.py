"""A perceptron on distributions beside scikit-learn's on labels, by time to equal cross-entropy.

A teacher network gives 20,000 rows of 50 features a distribution over the classes; labels are
drawn from the distributions, or are their most probable classes. MLPClassifier cannot learn from
the distributions: it gets the labels and runs to its own default end, which sets the goals.
KLClassifier(model="mlp") has the same network of 100 units and the same penalty, C = 1 / alpha:

same labels    until its cross-entropy on the same labels is as low as MLPClassifier's
distributions  where labels are drawn: until its cross-entropy on the distributions is as low as
               that of MLPClassifier's probabilities on them, which both learners aim at;
               where they are most probable: until it is above its least possible cross-entropy,
               the entropy of the distributions, by as little as MLPClassifier is above zero

Where torch is installed, Adam on the distributions themselves is a third peer, in float32 with the
batches of MLPClassifier. KLClassifier computes in float64.

All cross-entropies are of the training rows, recomputed from the probabilities by one function.
KLClassifier's fit is timed with the number of iterations after which its path first meets the goal.
Whole fits are timed, repeats interleaved, and medians reported; all may use every core. A peer
that takes long is timed once.
"""

import argparse
import importlib.util
import json
import time
import warnings
from pathlib import Path
from statistics import median

import numpy as np
from scipy.special import rel_entr, softmax, xlogy
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from sklearn_kl import KLClassifier
from sklearn_kl.models import MLPSoftmax

RESULTS = Path(__file__).with_name("results")
ALPHA = 1e-4
# A fit that takes longer is not repeated.
LONG = 30.0
TORCH_EPOCHS = 100


def teacher(n_samples, n_features, n_classes, rng):
    """Features, and the distributions that a random network with 30 hidden units gives them."""
    X = rng.standard_normal((n_samples, n_features))
    hidden = np.maximum(X @ rng.standard_normal((n_features, 30)) / np.sqrt(n_features), 0)
    logits = hidden @ rng.standard_normal((30, n_classes)) * (3 / np.sqrt(30))
    return X, softmax(logits, axis=1)


def cross_entropy(targets, proba):
    """Mean cross-entropy in nats of a matrix of targets."""
    return float((rel_entr(targets, proba) - xlogy(targets, targets)).sum(axis=1).mean())


def mlp_classifier(solver):
    """Return a function that fits MLPClassifier to labels: (probabilities, iterations)."""

    def run(X, labels):
        peer = MLPClassifier(solver=solver, alpha=ALPHA, random_state=0).fit(X, labels)
        return peer.predict_proba(X), peer.n_iter_

    return run


def torch_adam(X, q):
    """Fit the same network to distributions by Adam: (probabilities, epochs)."""
    import torch

    torch.manual_seed(0)
    inputs, targets = (torch.from_numpy(array.astype(np.float32)) for array in (X, q))
    network = torch.nn.Sequential(
        torch.nn.Linear(X.shape[1], 100), torch.nn.ReLU(), torch.nn.Linear(100, q.shape[1])
    )
    optimizer = torch.optim.Adam(network.parameters())
    for _ in range(TORCH_EPOCHS):
        for rows in torch.randperm(len(X)).split(200):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(inputs[rows]), targets[rows]).backward()
            optimizer.step()
    with torch.no_grad():
        return network(inputs).double().softmax(dim=1).numpy(), TORCH_EPOCHS


PEERS = {
    "MLPClassifier adam": mlp_classifier("adam"),
    "MLPClassifier lbfgs": mlp_classifier("lbfgs"),
    "torch adam": torch_adam,
}


def timed(work):
    """Return what the function returns, and its seconds."""
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def kl_classifier(max_iter):
    # A tolerance of zero leaves the end to max_iter.
    return KLClassifier(model=MLPSoftmax(), C=1 / ALPHA, tol=0, max_iter=max_iter, random_state=0)


def iterations_to(X, targets, goal, limit):
    """Return the iterations of KLClassifier to a cross-entropy of at most the goal, or None."""
    path = kl_classifier(limit).fit(X, targets).loss_path_
    met = np.flatnonzero(path <= goal)
    return int(met[0]) + 1 if len(met) else None


def goals(kind, labels, q, proba):
    """Return what KLClassifier has to reach: name -> (targets, cross-entropy)."""
    if kind == "distributions":
        return {kind: (q, cross_entropy(q, proba))}
    on_labels = cross_entropy(np.eye(q.shape[1])[labels], proba)
    drawn = kind == "labels drawn"
    goal = cross_entropy(q, proba) if drawn else cross_entropy(q, q) + on_labels
    return {"same labels": (labels, on_labels), "distributions": (q, goal)}


def compare(X, q, kind, labels, peer, *, repeats, limit):
    """Time a peer to its end, and KLClassifier to its goals."""
    (proba, iterations), first = timed(lambda: peer(X, labels))
    cases = goals(kind, labels, q, proba)
    numbers = {name: iterations_to(X, y, goal, limit) for name, (y, goal) in cases.items()}
    peer_seconds, seconds = [first], {name: [] for name in cases}
    for repeat in range(repeats):
        if repeat and first < LONG:
            peer_seconds.append(timed(lambda: peer(X, labels))[1])
        for name, (y, _) in cases.items():
            if numbers[name]:
                clf = kl_classifier(numbers[name])
                seconds[name].append(timed(lambda clf=clf, y=y: clf.fit(X, y))[1])
    result = {"peer": {"seconds": median(peer_seconds), "iterations": iterations}}
    for name, (_, goal) in cases.items():
        result[name] = {
            "goal": goal,
            "iterations": numbers[name],
            "seconds": median(seconds[name]) if seconds[name] else None,
        }
    return result


def show(result, entropy):
    """Print one comparison."""
    peer = result["peer"]
    print(f"  peer          {peer['seconds']:8.2f} s, {peer['iterations']} iterations or epochs")
    for name in ("same labels", "distributions"):
        if name not in result:
            continue
        case = result[name]
        goal = f"cross-entropy {case['goal']:.4f}"
        if name == "distributions":
            goal += f", {case['goal'] - entropy:.1g} above the entropy"
        if case["seconds"] is None:
            print(f"  {name:13} not reached: {goal}")
            continue
        ratio = peer["seconds"] / case["seconds"]
        print(
            f"  {name:13} {case['seconds']:8.2f} s, {case['iterations']} iterations, "
            f"{ratio:.1f} times faster to {goal}"
        )


def comparisons(q, peers, rng):
    """Yield the peers with what they are trained on: name, kind, targets."""
    drawn = (q.cumsum(axis=1) < rng.uniform(size=(len(q), 1))).sum(axis=1)
    labels = {"labels drawn": drawn, "most probable labels": q.argmax(axis=1)}
    for name in peers:
        kinds = {"distributions": q} if name.startswith("torch") else labels
        for kind, targets in kinds.items():
            yield name, kind, targets


def main():
    installed = [name for name in PEERS if name.split()[0] != "torch" or has_torch()]
    parser = argparse.ArgumentParser(description="A perceptron beside scikit-learn's.")
    parser.add_argument("--classes", default="5,10", help="numbers of classes, default 5,10")
    parser.add_argument("--peers", default=",".join(installed), help=f"of {', '.join(installed)}")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--limit", type=int, default=1000, help="most iterations of KLClassifier")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    path = RESULTS / "mlp.json"
    saved = json.loads(path.read_text()) if path.exists() else {}
    RESULTS.mkdir(exist_ok=True)
    for n_classes in map(int, options.classes.split(",")):
        rng = np.random.default_rng(0)
        X, q = teacher(20_000, 50, n_classes, rng)
        entropy = cross_entropy(q, q)
        for name, kind, targets in comparisons(q, options.peers.split(","), rng):
            print(f"{n_classes} classes, {name} on {kind}", flush=True)
            counts = {"repeats": options.repeats, "limit": options.limit}
            result = compare(X, q, kind, targets, PEERS[name], **counts)
            show(result, entropy)
            saved[f"{n_classes} classes, {name}, {kind}"] = {"entropy": entropy, **result}
            path.write_text(json.dumps(saved, indent=1) + "\n")


def has_torch():
    return importlib.util.find_spec("torch") is not None


if __name__ == "__main__":
    main()
