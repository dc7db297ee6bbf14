"""Vertebra-like solids stacked into one label map, each in a pose of its own: truth for alignment by construction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anatomy_solids import Solid
from spinemet.case import Outline, Structure
from spinemet.image import Grid, Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level


@dataclass(frozen=True)
class Placed:
    """A solid at a level: its body's center (RAS) and its rotation in RAS."""

    level: Level
    solid: Solid
    center: tuple[float, float, float]
    pose: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))


def label_map(placed: Sequence[Placed], *, spacing: ArrayLike = 1.0, axes: NDArray | None = None) -> LabelMap:
    """All solids on one grid; the values are 1, 2, … in the order given.

    :param axes: rotation (or reflection) of the voxel grid in RAS; None for axial.
    """
    grid_axes = np.eye(3) if axes is None else np.asarray(axes, dtype=float)
    steps = np.broadcast_to(np.asarray(spacing, dtype=float), (3,))
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=float)
    points = np.concatenate([corners * item.solid.reach @ item.pose.T + item.center for item in placed]) @ grid_axes
    low, high = points.min(axis=0) - 3 * steps, points.max(axis=0) + 3 * steps
    i, j, k = np.ceil((high - low) / steps).astype(int)
    matrix = np.eye(4)
    matrix[:3, :3] = grid_axes * steps
    matrix[:3, 3] = grid_axes @ (low + 0.3 * steps)
    grid = Grid((int(k), int(j), int(i)), matrix)
    array = np.zeros(grid.shape, dtype=np.uint8)
    for value, item in enumerate(placed, start=1):
        box = corners * item.solid.reach @ item.pose.T + item.center
        region = grid.region_around(box)
        part = grid.crop(region)
        index = np.stack(np.indices(part.shape)[::-1], axis=-1)
        local = (part.to_world(index) - np.asarray(item.center)) @ item.pose
        array[region][item.solid.inside(local)] = value
    outlines = {n: Outline(Structure.VERTEBRA, item.level) for n, item in enumerate(placed, start=1)}
    return LabelMap(Image(array, matrix, name="solids"), outlines, "solids")
