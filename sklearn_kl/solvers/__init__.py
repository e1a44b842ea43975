"""Solvers over scipy.optimize, reached through one protocol."""

from sklearn_kl.solvers._base import Iteration, Problem, Result
from sklearn_kl.solvers._methods import (
    LBFGS,
    SOLVERS,
    GradientDescent,
    NewtonCG,
    Solver,
    make_solver,
)

__all__ = [
    "LBFGS",
    "SOLVERS",
    "GradientDescent",
    "Iteration",
    "NewtonCG",
    "Problem",
    "Result",
    "Solver",
    "make_solver",
]
