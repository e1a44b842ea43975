"""What importing the package brings in, and where private names of scikit-learn may be used."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import sklearn_kl

SOURCES = sorted(Path(sklearn_kl.__file__).parent.rglob("*.py"))


def private_imports(path):
    """Private names and modules of scikit-learn that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            root, *parts = name.split(".")
            if root == "sklearn" and any(part.startswith("_") for part in parts):
                yield name


def test_private_names_of_sklearn_have_one_importer():
    importers = {path.name for path in SOURCES if any(private_imports(path))}
    assert importers <= {"_sklearn.py"}


def test_names_that_belong_to_the_package_alone_are_not_public():
    for module, names in {
        "models": {"MODELS", "make_model"},
        "penalties": {"L2", "ElasticNet", "Penalty", "make_penalty"},
        "solvers": {"SOLVERS", "make_solver", "Iteration"},
    }.items():
        found = importlib.import_module(f"sklearn_kl.{module}")
        assert not names & set(found.__all__)
        assert not [name for name in names if hasattr(found, name)]


def test_works_without_optional_packages():
    code = """\
import sys

class Absent:
    def find_spec(self, name, *args):
        if name in {"pandas", "polars", "matplotlib"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
import sklearn_kl

model = sklearn_kl.KLClassifier().fit([[0.0], [1.0], [2.0]], [[3, 1], [1, 1], [0, 2]])
print(model.predict([[0.0], [2.0]]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[0 1]", done.stderr
