"""What the steps between voxel layers do to a smooth surface: the error of a plate that is read from an outline.

An outline knows a surface to a layer of voxels. How much of that is left after a fit depends on how many layers the
surface crosses; it is found by pushing the surface through the layers at several offsets.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spinemet.anatomy.frame import VertebraFrame
from spinemet.image import Grid

OFFSETS = 10
"""Offsets of the surface against the layers, evenly spaced over one layer."""


def layer_steps(
    columns: NDArray[np.float64], heights: NDArray[np.float64], frame: VertebraFrame, grid: Grid
) -> NDArray[np.float64]:
    """Deviations that the outline's voxel layers give to a smooth surface.

    :param columns: (n, 2) right and anterior coordinates in `frame`, mm.
    :param heights: (n,) superior coordinates of the surface over them, mm.
    :return: (`OFFSETS`, n) outlined minus smooth height, mm, one row for each offset.
    """
    # Indices along right, anterior and superior; the layers are those of the axis that the surface's normal is
    # nearest to.
    to_index = grid.ras_to_ijk[:3, :3] @ frame.axes.T
    along = int(np.argmax(np.abs(grid.directions.T @ np.array(frame.superior))))
    right, anterior, superior = to_index[along]
    index = columns @ np.array([right, anterior]) + superior * heights
    offsets = (np.arange(OFFSETS) + 0.5) / OFFSETS
    shifted = index + offsets[:, None]
    # The surface of an outline lies halfway between the last voxel inside and the first one outside.
    return np.asarray((np.floor(shifted) + 0.5 - shifted) / superior)


def spread_95(upper: NDArray[np.float64], lower: NDArray[np.float64]) -> float:
    """Half-width that holds 95 % of the differences of two independent errors, each given by its samples."""
    return float(np.percentile(np.abs(upper[:, None] - lower[None, :]), 95))
