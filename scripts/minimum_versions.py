"""Print the lower bounds of the dependencies in pyproject.toml as exact versions, for pip."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def minimum_versions(extra):
    """Return lines such as ``numpy==1.26.0`` for the dependencies and those of one extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = project["dependencies"] + project["optional-dependencies"][extra]
    return [requirement.replace(">=", "==") for requirement in requirements]


if __name__ == "__main__":
    print("\n".join(minimum_versions("plot")))
