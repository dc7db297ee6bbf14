"""The course of the canal: a smooth line with a cut across it at every millimeter, and the way back to voxels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from spinemet.image import Grid, Image, Region

Array = NDArray[np.float64]

STEP_MM = 1.0
"""Distance of neighboring cuts."""
ANGLES = 40
"""Rays in a cut."""
RADIAL_MM = 0.4
"""Distance of neighboring samples on a ray."""
SMOOTH_MM = 5.0
"""The line bends over lengths greater than this: a canal has no kinks [D]."""


@dataclass(frozen=True, eq=False)
class Course:
    """A line from head to tail with a cut across it at every point.

    :param points: (n, 3) RAS, about `STEP_MM` apart.
    """

    points: Array

    @cached_property
    def tangents(self) -> Array:
        """Unit vectors (n, 3) toward the tail."""
        ways = np.gradient(self.points, axis=0)
        return np.asarray(ways / np.linalg.norm(ways, axis=1, keepdims=True))

    @cached_property
    def axes(self) -> tuple[Array, Array]:
        """Unit vectors (n, 3) across the line: to the patient's right, and to the front."""
        # Where the line runs from back to front, as in the sacrum, the head is in front of the cut.
        wanted = np.where(np.abs(self.tangents[:, 1:2]) < 0.9, [[0.0, 1.0, 0.0]], [[0.0, 0.0, 1.0]])
        front = wanted - np.sum(wanted * self.tangents, axis=1, keepdims=True) * self.tangents
        front /= np.linalg.norm(front, axis=1, keepdims=True)
        return np.cross(self.tangents, front) * -1.0, front

    @property
    def length(self) -> float:
        """In mm."""
        return float(np.sum(np.linalg.norm(np.diff(self.points, axis=0), axis=1)))

    def moved(self, right: Array, front: Array) -> Course:
        """The line moved within its cuts by so many mm (n,), smooth and evenly divided again."""
        u, v = self.axes
        return smooth_course(self.points + right[:, None] * u + front[:, None] * v)

    def rays(self, reach_mm: float) -> Array:
        """RAS positions (cuts, angles, radii, 3) of the samples; angles run from right over front."""
        u, v = self.axes
        angle = 2 * np.pi * np.arange(ANGLES) / ANGLES
        ways = np.cos(angle)[None, :, None] * u[:, None] + np.sin(angle)[None, :, None] * v[:, None]
        radii = RADIAL_MM * np.arange(round(reach_mm / RADIAL_MM) + 1)
        return np.asarray(self.points[:, None, None] + radii[None, None, :, None] * ways[:, :, None])

    def unrolled(self, image: Image, reach_mm: float) -> NDArray[np.float32]:
        """Values (cuts, angles, radii) of an image round the line; NaN where the image does not reach."""
        return np.asarray(image.sample(self.rays(reach_mm)))

    def region(self, grid: Grid, reach_mm: float) -> Region:
        """The part of a grid that lies near the line. :raises BadInput: the line lies outside."""
        return grid.region_around(self.points, reach_mm)

    def place(self, ras: Array) -> tuple[Array, Array, Array, Array]:
        """Cut (index, fractional), angle (index, fractional), radius mm and mm past an end of positions (n, 3)."""
        _, nearest = cKDTree(self.points).query(ras)
        away = ras - self.points[nearest]
        u, v = self.axes
        ahead = np.sum(away * self.tangents[nearest], axis=1)
        cut = nearest + ahead / STEP_MM
        last = len(self.points) - 1
        past = np.maximum(np.maximum(-cut, cut - last), 0.0) * STEP_MM
        right, front = np.sum(away * u[nearest], axis=1), np.sum(away * v[nearest], axis=1)
        angle = np.arctan2(front, right) / (2 * np.pi) * ANGLES % ANGLES
        return np.clip(cut, 0, last), angle, np.hypot(right, front), past

    def filled(self, grid: Grid, walls: NDArray[np.float32]) -> tuple[Region, list[NDArray[np.bool_]]]:
        """Voxels inside of walls: the region that holds them, and a mask on it for each wall.

        :param walls: radii in mm (walls, cuts, angles); a NaN anywhere in a cut leaves that cut out.
        """
        region = self.region(grid, float(np.nanmax(walls, initial=1.0)) + 2.0)
        part = grid.crop(region)
        k, j, i = np.indices(part.shape, dtype=np.float64)
        points = part.to_world(np.stack([i.ravel(), j.ravel(), k.ravel()], axis=1))
        away, _ = cKDTree(self.points).query(points, distance_upper_bound=float(np.nanmax(walls, initial=1.0)) + 2.0)
        near = np.flatnonzero(np.isfinite(away))
        cut, angle, radius, past = self.place(points[near])
        masks = []
        for wall in walls:
            ring = np.concatenate([wall, wall[:, :1]], axis=1)
            inside = np.zeros(len(points), dtype=bool)
            limit = ndimage.map_coordinates(np.nan_to_num(ring, nan=-1e3), [cut, angle], order=1, mode="nearest")
            inside[near] = (radius < limit) & (past <= STEP_MM / 2)
            masks.append(inside.reshape(part.shape))
        return region, masks


def smooth_course(points: Array, smooth_mm: float = SMOOTH_MM) -> Course:
    """A course through about these points (n, 3), n ≥ 2, from head to tail."""
    even = _divided(points, STEP_MM)
    # Mirrored about its ends, the line keeps its ends and their direction.
    sigma = smooth_mm / STEP_MM
    pad = min(len(even) - 1, int(4 * sigma))
    head = 2 * even[0] - even[pad:0:-1]
    tail = 2 * even[-1] - even[-2 : -pad - 2 : -1]
    line = ndimage.gaussian_filter1d(np.concatenate([head, even, tail]), sigma, axis=0)[pad : pad + len(even)]
    return Course(_divided(line, STEP_MM))


def _divided(points: Array, step_mm: float) -> Array:
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    kept = np.concatenate([[True], steps > 1e-6])
    points, length = points[kept], np.concatenate([[0.0], np.cumsum(steps[steps > 1e-6])])
    count = max(2, round(length[-1] / step_mm) + 1)
    wanted = np.linspace(0.0, length[-1], count)
    return np.stack([np.interp(wanted, length, points[:, n]) for n in range(3)], axis=1)
