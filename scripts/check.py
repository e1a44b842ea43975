"""Run every check of the project in this Python's environment and say which ones failed."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHON = sys.executable

CHECKS = {
    "lint": [PYTHON, "-m", "ruff", "check"],
    "format": [PYTHON, "-m", "ruff", "format", "--check"],
    "types": [PYTHON, "-m", "mypy"],
    "layers": [PYTHON, "-c", "from importlinter.cli import lint_imports_command as run; run()"],
    "tests": [PYTHON, "-m", "pytest", "-q", "-n", "auto", "--maxprocesses", "4"],
}


def run(name, command, folder):
    """Run one check, its output going to the terminal, and return whether it passed."""
    print(f"--- {name}", flush=True)
    start = time.perf_counter()
    environment = os.environ | {"MPLBACKEND": "Agg"}
    process = subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL)
    passed = process.returncode == 0
    seconds = time.perf_counter() - start
    print(f"--- {name}: {'passed' if passed else 'FAILED'} in {seconds:.0f} s\n", flush=True)
    return passed


def main():
    """Run all checks, then all examples, in spite of failures; return the exit code."""
    failed = [name for name, command in CHECKS.items() if not run(name, command, ROOT)]
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted(ROOT.glob("examples/*.py")):
            if not run(path.name, [PYTHON, str(path)], folder):
                failed.append(path.name)
    print(f"Failed: {', '.join(failed)}" if failed else "All checks passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
