"""Small systems of normal equations, solved fast where they are sound and by least squares where they are not."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

SOUND = 1e-5
"""Least ratio of the Cholesky pivots of a matrix that is far from singular."""


def solved(matrix: NDArray[Any], vector: NDArray[Any]) -> NDArray[np.float64]:
    """The solution of a symmetric positive system (n, n); that of least norm where the matrix is singular."""
    factor, solution, failed = lapack.dposv(matrix, vector)
    if not failed:
        pivots = factor.diagonal()
        if pivots.min() > SOUND * pivots.max():
            return np.asarray(solution)
    return np.asarray(np.linalg.lstsq(matrix, vector, rcond=None)[0])
