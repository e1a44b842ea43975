"""Run every peer on every benchmark problem and save the tables: see README.md."""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from optimum import ACCURACY, optimum
from peers import PEERS
from problems import PROBLEMS
from report import plot, save, table

HERE = Path(__file__).resolve().parent


def measure(peer, folder, *, best, options, n_fits):
    """Run measure.py in a process of its own; return its lines, also if it had to be ended."""
    python = dict(pair.split("=", 1) for pair in options.python).get(peer, sys.executable)
    numbers = [best, options.cap, options.repeats, n_fits]
    process = subprocess.Popen(
        [python, str(HERE / "measure.py"), peer, folder, *map(repr, numbers)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    watchdog = threading.Timer(5 * options.cap + 60, _end, [process])
    watchdog.start()
    try:
        output, errors = process.communicate()
    finally:
        watchdog.cancel()
        _end(process)
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    if not lines:
        last = (errors.strip().splitlines() or ["it took too long"])[-1]
        lines = [{"skipped": last}]
    return lines


def _end(process):
    """End a process and its children, R among them."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def run_problem(name, options):
    """Return the measurements of all peers on one problem, by peer."""
    spec = PROBLEMS[name]
    problem = spec.make()
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        problem.save(Path(folder))
        for peer in options.peers:
            penalised = PEERS[peer].penalised
            if not (penalised or spec.has_unpenalised):
                results[peer] = [{"skipped": "no minimum without a penalty"}]
                continue
            best = optimum(name, problem, penalised=penalised)
            print(f"{name}: {PEERS[peer].title}", file=sys.stderr, flush=True)
            lines = measure(peer, folder, best=best, options=options, n_fits=spec.n_fits)
            results[peer] = lines
            if any(line["fit"]["gap"] < -ACCURACY for line in lines if "fit" in line):
                print(f"{name}: {peer} is below the optimum: that is wrong.", file=sys.stderr)
    return results


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=_names_in(PROBLEMS), default=list(PROBLEMS))
    parser.add_argument("--peers", type=_names_in(PEERS), default=list(PEERS))
    parser.add_argument("--repeats", type=int, default=None, help="5, or 3 if quick")
    parser.add_argument("--cap", type=float, help="seconds of a fit: 120, or 20 if quick")
    parser.add_argument("--quick", action="store_true", help="less time for each peer")
    parser.add_argument("--plot", action="store_true", help="plot gap against seconds")
    parser.add_argument(
        "--python", action="append", default=[], metavar="PEER=PATH", help="interpreter of a peer"
    )
    options = parser.parse_args()
    options.repeats = options.repeats or (3 if options.quick else 5)
    options.cap = options.cap or (20.0 if options.quick else 120.0)
    return options


def _names_in(known):
    """Return the reader of a list of names, separated by commas."""

    def read(text):
        names = text.split(",")
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not one of {', '.join(known)}")
        return names

    return read


def main():
    options = parse_options()
    stem = "quick" if options.quick else "full"
    if os.getloadavg()[0] > 0.5:
        print("This machine is busy: the times will not mean much.", file=sys.stderr)
    for name in options.problems:
        try:
            results = run_problem(name, options)
        except FileNotFoundError as error:
            print(f"{name}: skipped, {error}")
            continue
        saved = save(stem, name, results)
        print(table(name, saved[name]))
        if options.plot:
            plot(stem, name, saved[name])


if __name__ == "__main__":
    main()
