"""What public signatures accept, by name."""

from typing import TypeAlias

import scipy.sparse as sp
from numpy.typing import ArrayLike

# Features, or a matrix of targets: an array, nested lists, a DataFrame or a sparse matrix.
MatrixLike: TypeAlias = ArrayLike | sp.sparray | sp.spmatrix
