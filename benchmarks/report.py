"""Tables and plots of what run.py measured. `python benchmarks/report.py full` redraws them all."""

import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from statistics import median
from textwrap import fill

from peers import PEERS
from problems import PROBLEMS
from threadpoolctl import threadpool_info

RESULTS = Path(__file__).with_name("results")
PLOTS = Path(__file__).resolve().parents[1] / "doc" / "benchmarks"
GOAL = 1e-6

# Okabe and Ito's colours, told apart also by those who see fewer; no two peers share colour and
# marker.
STYLES = {
    "kl": ("#000000", "o", "-"),
    "kl-newton-cg": ("#000000", "s", "--"),
    "kl-unpenalised": ("#000000", "^", ":"),
    "lr-lbfgs": ("#D55E00", "o", "-"),
    "lr-newton-cg": ("#E69F00", "s", "-"),
    "lr-newton-cholesky": ("#CC79A7", "D", "-"),
    "lr-saga": ("#D55E00", "x", "--"),
    "torch": ("#56B4E9", "v", "-"),
    "glmnet": ("#009E73", "o", "-"),
    "mnlogit": ("#0072B2", "s", "-"),
    "multinom": ("#009E73", "^", "--"),
    "pyldl": ("#0072B2", "v", "--"),
}


def summarise(name, lines):
    """Return the figures to report of the lines that measure.py printed, or the reason for none."""
    fits = [line["fit"] for line in lines if "fit" in line]
    if not fits:
        return {"skipped": lines[0]["skipped"]}
    last = lines[-1]
    if "repeats" in last:
        fit = next(fit for fit in fits if fit["tol"] == last["tol"])
        return {
            **fit,
            "seconds": median(last["repeats"]),
            "n_repeats": len(last["repeats"]),
            "pass_seconds": last["pass_seconds"],
        }
    # It was ended: what it had reached by then.
    fit = min(fits, key=lambda fit: fit["gap"])
    seconds = fit["seconds"] * PROBLEMS[name].n_fits
    return {**fit, "seconds": seconds, "n_repeats": 1, "pass_seconds": None}


def environment():
    """Versions that the figures depend on."""
    packages = ("sklearn-kl", "scikit-learn", "numpy", "scipy")
    blas = [
        f"{lib['internal_api']} {lib['version']}, {lib['num_threads']} threads"
        for lib in threadpool_info()
        if lib["user_api"] == "blas"
    ]
    versions = {name: version(name) for name in packages}
    return {"python": platform.python_version(), **versions, "blas": sorted(set(blas))}


def save(stem, name, results):
    """Merge the measurements of a problem into ``results/stem.json``; rewrite ``stem.md``."""
    path = RESULTS / f"{stem}.json"
    saved = json.loads(path.read_text()) if path.exists() else {"environment": {}, "problems": {}}
    saved["environment"] = environment()
    saved["problems"].setdefault(name, {}).update(results)
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps(saved, indent=1) + "\n")
    write_markdown(stem, saved)
    return saved["problems"]


def write_markdown(stem, saved):
    """Write all tables of a results file."""
    lines = [f"- {key}: {value}" for key, value in saved["environment"].items()]
    tables = [
        table(name, saved["problems"][name]) for name in PROBLEMS if name in saved["problems"]
    ]
    text = "\n\n".join(["# Benchmarks", LEGEND, "\n".join(lines), *tables])
    (RESULTS / f"{stem}.md").write_text(text + "\n")


LEGEND = """\
Seconds are medians after a warm-up. The gap is the mean objective above its minimum, in nats; a
peer is shown at the loosest tolerance that brings it to 1e-6, else as near as it came (in
brackets), and KLClassifier at its default tolerance. Memory is the peak over the data in MiB. A
pass is one `X @ W` plus one `X.T @ Z`. The peers marked * fit without a penalty and are compared
with KLClassifier(C=inf)."""


def table(name, results):
    """Markdown table of one problem, quickest first among those that reached the goal."""
    rows = {peer: summarise(name, lines) for peer, lines in results.items()}
    measured = {peer: row for peer, row in rows.items() if "skipped" not in row}
    order = sorted(
        measured, key=lambda peer: (measured[peer]["gap"] > GOAL, measured[peer]["seconds"])
    )
    header = "| | seconds | ratio | gap | memory | iterations | evaluations | passes | tol |"
    lines = [
        f"## ({name}) {PROBLEMS[name].title}",
        "",
        header,
        "|---|" + "---:|" * 8,
        *(_row(peer, measured) for peer in order),
    ]
    skipped = [
        f"{PEERS[peer].title}: {row['skipped']}" for peer, row in rows.items() if "skipped" in row
    ]
    return "\n".join(lines) + ("\n\nNot run: " + "; ".join(skipped) + "." if skipped else "")


def _row(peer, measured):
    row = measured[peer]
    ours = measured.get("kl" if PEERS[peer].penalised else "kl-unpenalised")
    gap = f"{row['gap']:.1e}"
    n_passes = row["seconds"] / row["pass_seconds"] if row["pass_seconds"] else None
    cells = [
        PEERS[peer].title + ("" if PEERS[peer].penalised else " *"),
        f"{row['seconds']:.3g}",
        f"{row['seconds'] / ours['seconds']:.2f}" if ours else "",
        gap if row["gap"] <= GOAL else f"({gap})",
        _number(row["memory"]),
        _number(row["iterations"]),
        _number(row["evaluations"]),
        f"{n_passes:.1f}" if n_passes else "",
        f"{row['tol']:.0e}",
    ]
    return "| " + " | ".join(cells) + " |"


def _number(value):
    return "" if value is None else f"{value:.0f}"


def plot(stem, name, results):
    """Draw gap against seconds, a curve a peer over its tolerances.

    Full runs are drawn into doc/benchmarks, any other beside its results.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(7.5, 4.5), layout="constrained")
    for peer, style in STYLES.items():
        if fits := _curve(name, results.get(peer, [])):
            _draw_curve(ax, peer, fits, style)
    _label_axes(ax, name)
    fig.legend(loc="outside right upper", fontsize="small", frameon=False)
    path = PLOTS / f"{name}.png" if stem == "full" else RESULTS / f"{stem}-{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(path, dpi=120)
    plt.close(fig)


def _curve(name, lines):
    """Return the fits of a peer by falling tolerance."""
    fits = [entry["fit"] for entry in lines if "fit" in entry]
    if not fits:
        return []
    # The fit that was repeated counts with its median, as in the table.
    chosen = summarise(name, lines)
    chosen["seconds"] /= PROBLEMS[name].n_fits
    fits = [chosen if fit["tol"] == chosen["tol"] else fit for fit in fits]
    return sorted(fits, key=lambda fit: -fit["tol"])


def _draw_curve(ax, peer, fits, style):
    colour, marker, line = style
    ax.plot(
        [fit["seconds"] for fit in fits],
        [max(fit["gap"], 1e-12) for fit in fits],
        color=colour,
        marker=marker,
        linestyle=line,
        markersize=5,
        label=PEERS[peer].title + ("" if PEERS[peer].penalised else " *"),
    )


def _label_axes(ax, name):
    from matplotlib.ticker import LogLocator, NullFormatter

    ax.axhline(GOAL, color="0.6", linewidth=1)
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="seconds of a fit",
        ylabel="nats above the minimum",
    )
    # Few labels, which never touch, for ranges of less than a decade and of several.
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_title(fill(f"({name}) {PROBLEMS[name].title}", 56), loc="left", fontsize="medium")


def main(stem):
    saved = json.loads((RESULTS / f"{stem}.json").read_text())
    write_markdown(stem, saved)
    for name, results in saved["problems"].items():
        plot(stem, name, results)


if __name__ == "__main__":
    main(*sys.argv[1:])
