"""Type annotations: every public signature has them, and a user's type checker sees them."""

import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import sklearn_kl

ROOT = Path(sklearn_kl.__file__).parent

SCRIPT = """\
import numpy as np
from sklearn_kl import KLClassifier, KLClassifierCV, KLInference
from sklearn_kl.labels import smooth_labels
from sklearn_kl.metrics import d2_kl_score
from sklearn_kl.model_selection import SoftStratifiedKFold

X = np.zeros((4, 2))
votes = [[1, 2], [0, 3], [2, 2], [4, 0]]
model = KLClassifier("linear", C=np.inf).fit(X, votes, sample_weight=[1, 1, 2, 1])
reveal_type(model)
reveal_type(model.predict_proba(X))
reveal_type(model.cross_entropy_)
reveal_type(KLClassifierCV(Cs=[0.1, 1.0], cv=SoftStratifiedKFold(2)).fit(X, votes).C_)
reveal_type(d2_kl_score(votes, model.predict_proba(X)))
reveal_type(KLInference.from_estimator(model, X, votes).predict_proba_interval(X))
KLClassifier(C="high")
KLClassifier().fit(X)
smooth_labels(votes, strength=0.1)
model.cross_entropy_ + "nats"
"""
SEEN = [
    "KLClassifier",
    "ndarray",
    "float",
    "float",
    "float",
    "tuple[numpy.ndarray",
]
ERRORS = {16: "arg-type", 17: "call-arg", 18: "call-arg", 19: "operator"}


def public_functions():
    """Every function, method and property that users can name: pairs of name and function."""
    modules = [sklearn_kl.__name__]
    for info in pkgutil.walk_packages(sklearn_kl.__path__, "sklearn_kl."):
        if not any(part.startswith("_") for part in info.name.split(".")):
            modules.append(info.name)
    found = {}
    for module in map(importlib.import_module, modules):
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value):
                found.update(_methods(value))
            elif inspect.isfunction(value):
                found[f"{value.__module__}.{name}"] = value
    return sorted(found.items())


def _methods(cls):
    for parent in inspect.getmro(cls):
        if not parent.__module__.startswith(sklearn_kl.__name__):
            continue
        for name, member in vars(parent).items():
            if name.startswith("_") and name not in ("__init__", "__call__"):
                continue
            # What is decorated: properties, class methods, available_if of scikit-learn.
            for wrapped in ("fget", "__func__", "fn"):
                member = getattr(member, wrapped, member)
            if inspect.isfunction(member) and member.__module__ == parent.__module__:
                yield f"{parent.__module__}.{parent.__name__}.{name}", inspect.unwrap(member)


@pytest.mark.parametrize(
    "function", [pytest.param(function, id=name) for name, function in public_functions()]
)
def test_signature_is_annotated(function):
    signature = inspect.signature(function)
    missing = [
        name
        for name, parameter in signature.parameters.items()
        if parameter.annotation is parameter.empty and name not in ("self", "cls")
    ]
    if signature.return_annotation is signature.empty and function.__name__ != "__init__":
        missing.append("return")
    assert not missing


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "py.typed").exists()


def test_what_a_type_checker_sees_of_a_script(tmp_path):
    if find_spec("mypy") is None:
        pytest.skip("mypy is in the extra dev")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    options = ["--strict", "--follow-imports=silent", "--config-file=", "--hide-error-context"]
    result = subprocess.run(
        [sys.executable, "-m", "mypy", *options, script.name],
        cwd=tmp_path,
        env=os.environ | {"MYPYPATH": str(ROOT.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in result.stdout.splitlines() if line.startswith("script.py:")]
    seen = [line.split("Revealed type is ")[1] for line in lines if "Revealed type" in line]
    assert len(seen) == len(SEEN), result.stdout + result.stderr
    for line, expected in zip(seen, SEEN, strict=True):
        assert expected in line
    errors = [line for line in lines if ": error: " in line]
    found = {int(line.split(":")[1]): line.rsplit("[", 1)[1].rstrip("]") for line in errors}
    assert found == ERRORS, result.stdout
