"""What the steps between voxels do to the width of a bar: the error of a pedicle that is read from an outline.

Walls along the voxels' layers are known to a layer, walls across them far better, since their steps even out. So the
bar's own walls are pushed through the outline's grid at many offsets, as `layers` does with endplates.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spinemet.anatomy.layers import spread_95
from spinemet.image import Grid

OFFSETS, ROWS, PLACES = 24, 6, 3
"""Offsets of the bar against the grid; heights and places along the bar at which its walls are looked at."""
NEARLY_TOP = 0.95
"""Walls are not followed farther up than this share of the half height: there they turn into the bar's top."""
PLASTIC = 1.2207440846057596
"""Powers of its inverse spread points evenly in three dimensions."""


def wall_steps(
    axes: NDArray[np.float64],
    size: tuple[float, float],
    grid: Grid,
    *,
    band_mm: float,
    length_mm: float,
) -> float:
    """Half-width (95 %) in mm of the error of a bar's width from the steps of the outline alone.

    :param axes: (3, 3), rows across, along and up, RAS unit vectors.
    :param size: width and height of the elliptic section, mm.
    :param band_mm: its width is read within this distance above and below the middle; `length_mm` over which part of
        its axis.
    """
    rows = ((np.arange(ROWS) + 0.5) / ROWS * 2 - 1) * band_mm
    up, along = (item.ravel() for item in np.meshgrid(rows, np.linspace(-0.5, 0.5, PLACES) * length_mm))
    share = np.clip(2 * up / size[1], -NEARLY_TOP, NEARLY_TOP)
    out = 0.5 * size[0] * np.sqrt(1 - share * share)
    to_index = grid.ras_to_ijk[:3, :3] @ axes.T
    offsets = np.outer(np.arange(1, OFFSETS + 1), PLASTIC ** -np.arange(1.0, 4.0)) % 1
    found = []
    for sign in (1, -1):
        normal = np.stack([sign * np.sqrt(1 - share * share) / size[0], np.zeros_like(up), share / size[1]])
        index = to_index @ np.stack([sign * out, along, up])
        gradient = np.linalg.inv(to_index).T @ normal
        main = int(np.abs(gradient).mean(axis=1).argmax())
        others = [axis for axis in range(3) if axis != main]
        slope = gradient[others] / gradient[main]
        place = index[:, None] + offsets.T[:, :, None]
        part = place[others] - np.floor(place[others])
        stepped = np.zeros(place.shape[1:])
        # An outline's surface between four rows of voxels lies between their ends, each halfway between two centers.
        for corner in np.ndindex(2, 2):
            away = np.array(corner)[:, None, None] - part
            end = np.floor(place[main] - (slope[:, None] * away).sum(axis=0)) + 0.5
            stepped += end * np.prod(np.abs(1 - np.array(corner)[:, None, None] - part), axis=0)
        moved = (stepped - place[main]) * (gradient[main] / normal[0])
        found.append(moved.mean(axis=1))
    return spread_95(found[0], found[1])
