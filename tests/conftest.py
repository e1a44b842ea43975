"""Fixtures for all tests."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import scipy.io

os.environ["MPLBACKEND"] = "Agg"

TESTS = Path(__file__).resolve().parent
SHARED_DATA = TESTS.parents[1] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data():
    """Return ``load(name) -> (X, Y)`` for the label distributions that are not part of the project.

    Skips the test where the file is absent. The environment variable SKLEARN_KL_DATA names the
    folder, which is ``../shared/data`` beside the project otherwise.
    """
    folder = Path(os.environ.get("SKLEARN_KL_DATA", SHARED_DATA))

    def load(name):
        path = folder / f"{name}.mat"
        if not path.exists():
            pytest.skip(f"no {path.name} in {folder}: SKLEARN_KL_DATA can name its folder")
        content = scipy.io.loadmat(path)
        return tuple(
            np.ascontiguousarray(content[key], dtype=np.float64) for key in ("features", "labels")
        )

    return load


@pytest.fixture(scope="session")
def reference():
    """Return ``load(name)`` for the results of other software in ``tests/references/name.json``.

    Lists of numbers are arrays.
    """

    def load(name):
        text = (TESTS / "references" / f"{name}.json").read_text(encoding="utf-8")
        return _as_arrays(json.loads(text))

    return load


def _as_arrays(value):
    if isinstance(value, dict):
        return {key: _as_arrays(entry) for key, entry in value.items()}
    if isinstance(value, list) and not isinstance(value[0], (str, dict)):
        return np.array(value)
    return [_as_arrays(entry) for entry in value] if isinstance(value, list) else value
