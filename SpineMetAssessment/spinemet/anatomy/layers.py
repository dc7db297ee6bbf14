"""What the steps between voxel layers do to a smooth surface: the error of a plate that is read from an outline.

An outline knows a surface to a layer of voxels. How much of that is left after a fit depends on how many layers the
surface crosses; it is found by pushing surfaces through the layers at several offsets. Not the surface that was found
alone: one that lies within a single layer reads as flat, and so do its tilted and bowed neighbors, of which any may be
the true one. So these are pushed through the layers as well.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spinemet.anatomy.frame import VertebraFrame
from spinemet.image import Grid

OFFSETS = 8
"""Offsets of the surface against the layers, evenly spaced over one layer."""
BENDS = np.array([(tip, lean, (tip + lean + 4) % 3 - 1) for tip in (-1, 0, 1) for lean in (-1, 0, 1)], dtype=float)
"""Neighbors of a surface: tipped forward or back, leaned to a side, bowed; every pair of steps once (Latin square)."""
BATCH = 3
"""Rows multiplied at once: a large product wakes the other threads of BLAS, which then spin longer than it takes."""
BEND_LAYERS = 0.4
"""How far a neighbor departs from the surface at its rim, in voxel layers. From synthetic spines at 0.5 to 3 mm (seeds
1001–1500): without neighbors a tilt at 3 mm could err by 60 times its stated error."""


def layer_steps(
    columns: NDArray[np.float64], heights: NDArray[np.float64], frame: VertebraFrame, grid: Grid
) -> NDArray[np.float64]:
    """Deviations that the outline's voxel layers give to a smooth surface and its neighbors.

    :param columns: (n, 2) right and anterior coordinates in `frame`, mm.
    :param heights: (n,) superior coordinates of the surface over them, mm.
    :return: (m, n) outlined minus smooth height, mm, one row for each neighbor at each offset.
    """
    # Indices along right, anterior and superior; the layers are those of the axis that the surface's normal is
    # nearest to.
    to_index = grid.ras_to_ijk[:3, :3] @ frame.axes.T
    along = int(np.argmax(np.abs(grid.directions.T @ np.array(frame.superior))))
    right, anterior, superior = to_index[along]
    index = columns @ np.array([right, anterior]) + superior * heights
    low, high = columns.min(axis=0), columns.max(axis=0)
    aside, ahead = ((2 * columns - low - high) / np.maximum(high - low, 1e-9)).T
    bends = BEND_LAYERS * BENDS @ np.stack([ahead, aside, aside**2 + ahead**2 - 0.5])
    offsets = (np.arange(OFFSETS) + 0.5) / OFFSETS
    shifted = (index + bends)[:, None, :] + offsets[:, None]
    # The surface of an outline lies halfway between the last voxel inside and the first one outside.
    steps = (np.floor(shifted) + 0.5 - shifted) / superior
    return np.asarray(steps.reshape(-1, len(heights)))


def carried(steps: NDArray[np.float64], smoother: NDArray[np.float64]) -> NDArray[np.float64]:
    """What steps (m, n) add to the p coefficients that a smoother (p, n) makes of heights: (m, p)."""
    return np.asarray((steps.reshape(-1, BATCH, steps.shape[1]) @ smoother.T).reshape(len(steps), -1))


def spread_95(upper: NDArray[np.float64], lower: NDArray[np.float64]) -> float:
    """Half-width that holds 95 % of the differences of two independent errors, each given by its samples."""
    return float(np.percentile(np.abs(upper[:, None] - lower[None, :]), 95))
