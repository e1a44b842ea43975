"""Public docstrings are complete: numpydoc's validation of everything that users can import."""

import importlib
import inspect
import pkgutil

import pytest

import sklearn_kl

# House style. GL01: the text starts on the line of the quotes. ES01, SA01: no extended summary and
# no See Also where they would say nothing. SS05 takes plural nouns for verbs. RT02: "self" has a
# name, as in scikit-learn.
NOT_REQUIRED = {"GL01", "ES01", "SA01", "SS05", "RT02"}
# Seams for other people's code: a protocol states parameters and results once, for all its
# implementations.
SEAMS = ("sklearn_kl.models.", "sklearn_kl.penalties.", "sklearn_kl.solvers.")
STATED_ONCE = {"PR01", "PR07", "RT01", "RT03", "EX01"}


def public_names():
    """Dotted names of public classes, functions and methods; an underscore makes a name private."""
    modules = [sklearn_kl.__name__]
    for info in pkgutil.walk_packages(sklearn_kl.__path__, "sklearn_kl."):
        if not any(part.startswith("_") for part in info.name.split(".")):
            modules.append(info.name)
    shortest = {}
    for module in map(importlib.import_module, modules):
        for name in module.__all__:
            value = getattr(module, name)
            if callable(value):
                shortest.setdefault(value, f"{module.__name__}.{name}")
    methods = [
        f"{dotted}.{name}"
        for value, dotted in shortest.items()
        if inspect.isclass(value)
        for parent in inspect.getmro(value)
        if parent.__module__.startswith(sklearn_kl.__name__)
        for name, member in vars(parent).items()
        if inspect.isroutine(member) and not name.startswith("_") and not name.endswith("_request")
    ]
    return sorted({*shortest.values(), *methods})


@pytest.mark.parametrize("name", public_names())
def test_docstring_is_complete(name):
    numpydoc = pytest.importorskip("numpydoc.validate", reason="numpydoc is in the extra dev")
    parent = numpydoc.Validator._load_obj(name.rpartition(".")[0])
    waived = NOT_REQUIRED | ({"EX01"} if inspect.isclass(parent) else set())
    if name.startswith(SEAMS):
        waived = waived | STATED_ONCE
    found = [
        f"{code}: {message}"
        for code, message in numpydoc.validate(name)["errors"]
        if code not in waived
    ]
    assert not found, "\n".join([name, *found])
