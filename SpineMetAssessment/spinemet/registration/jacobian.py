"""How a displacement field stretches space: determinants of its Jacobian, and where it folds."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from spinemet.image import Grid


def determinants(displacements: NDArray[np.float32], grid: Grid) -> NDArray[np.float32]:
    """Smallest and largest determinant of x + u(x) in every cell, (2, k−1, j−1, i−1).

    Taken at the eight corners of each cell, where the linear interpolation between the nodes bends most.

    :param displacements: (k, j, i, 3) RAS mm at the nodes of `grid`.
    """
    # In the grid's own axes differences are simple; a determinant does not care about turned axes.
    inverse = np.linalg.inv(grid.ijk_to_ras[:3, :3]).astype(np.float32)
    local = displacements @ inverse.T
    slopes = [np.diff(local, axis=axis) for axis in (2, 1, 0)]
    size = [n - 1 for n in grid.shape]
    low = np.full(size, np.inf, dtype=np.float32)
    high = np.full(size, -np.inf, dtype=np.float32)
    for k, j, i in itertools.product((0, 1), repeat=3):
        part = [slice(None, -1) if not at else slice(1, None) for at in (k, j, i)]
        along_i = slopes[0][part[0], part[1], :]
        along_j = slopes[1][part[0], :, part[2]]
        along_k = slopes[2][:, part[1], part[2]]
        found = _determinant(along_i, along_j, along_k)
        np.minimum(low, found, out=low)
        np.maximum(high, found, out=high)
    return np.stack([low, high])


def folded_nodes(displacements: NDArray[np.float32], grid: Grid, least: float = 0.0) -> NDArray[np.bool_]:
    """Nodes (k, j, i) of the cells whose smallest determinant is not above `least`."""
    cells = determinants(displacements, grid)[0] <= least
    nodes = np.zeros(grid.shape, dtype=bool)
    if cells.any():
        for corner in itertools.product((slice(None, -1), slice(1, None)), repeat=3):
            nodes[corner] |= cells
    return nodes


def _determinant(i: NDArray[np.float32], j: NDArray[np.float32], k: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of unit vectors plus three slopes (…, 3)."""
    a, b, c = 1 + i[..., 0], i[..., 1], i[..., 2]
    d, e, f = j[..., 0], 1 + j[..., 1], j[..., 2]
    g, h, m = k[..., 0], k[..., 1], 1 + k[..., 2]
    return np.asarray(a * (e * m - f * h) - b * (d * m - f * g) + c * (d * h - e * g), dtype=np.float32)
