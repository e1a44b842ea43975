"""Solvers over scipy.optimize, reached through one contract."""

from sklearn_kl.solvers._base import Problem, Result
from sklearn_kl.solvers._methods import LBFGS, GradientDescent, NewtonCG, Solver

__all__ = ["LBFGS", "GradientDescent", "NewtonCG", "Problem", "Result", "Solver"]
