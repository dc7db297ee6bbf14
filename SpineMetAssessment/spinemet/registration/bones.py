"""Bones move exactly rigidly: what lies in an outline goes with its vertebra, whatever the grid round it can say.

Two vertebrae that touch within a cell of a displacement grid cannot both move rigidly on it, and where they slide
along each other no continuous field can be exact. Points, outlines and images that are carried by the library
therefore take the motion of the bone they lie in; between the bones the field holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinemet.errors import BadInput
from spinemet.image import Grid, Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.registration.motion import Array, RigidMotion

Voxels = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]


@dataclass(frozen=True, eq=False)
class RigidBones:
    """Outlined vertebrae and where each went.

    :param vertebrae: outlines in the fixed image.
    :param motions: fixed to moving, RAS; outlines without one do not count.
    """

    vertebrae: LabelMap
    motions: Mapping[Level, RigidMotion]

    def to_moving(self, points: Array, otherwise: Array) -> Array:
        """Points (n, 3) of the fixed image in the moving image, RAS mm; `otherwise` (n, 3) where no bone is."""
        values, result = self._values(points), otherwise.copy()
        for value, motion in self._moved():
            own = values == value
            if own.any():
                result[own] = motion.apply(points[own])
        return result

    def to_fixed(self, points: Array, otherwise: Array) -> Array:
        """Points (n, 3) of the moving image in the fixed image; where two bones overlap, the upper one's way."""
        result, free = otherwise.copy(), np.ones(len(points), dtype=bool)
        for value, motion in self._moved():
            corners = motion.apply(self._box(value).corners)
            near = free & np.all((points >= corners.min(axis=0)) & (points <= corners.max(axis=0)), axis=1)
            chosen = np.flatnonzero(near)
            back = motion.inverse.apply(points[chosen])
            own = self._values(back) == value
            result[chosen[own]] = back[own]
            free[chosen[own]] = False
        return result

    def on_fixed(self, grid: Grid) -> Iterator[tuple[Voxels, Array]]:
        """Voxels (k, j, i) of a grid in the fixed image's space that lie in a bone, and their places in the moving."""
        for value, motion in self._moved():
            found = self._voxels(value, grid, RigidMotion.identity())
            if found is not None:
                yield found[0], motion.apply(found[1])

    def on_moving(self, grid: Grid) -> Iterator[tuple[Voxels, Array]]:
        """Voxels (k, j, i) of a grid in the moving image's space that lie in a bone, and their places in the fixed."""
        # The upper one comes last, so that it keeps what two bones claim.
        for value, motion in reversed(self._moved()):
            found = self._voxels(value, grid, motion)
            if found is not None:
                yield found[0], motion.inverse.apply(found[1])

    def _moved(self) -> list[tuple[int, RigidMotion]]:
        return [
            (value, self.motions[level]) for level, value in self.vertebrae.levels.items() if level in self.motions
        ]

    def _box(self, value: int) -> Grid:
        return self.vertebrae.image.grid.crop(self.vertebrae.region(value, 1))

    def _values(self, points: Array) -> NDArray[np.integer]:
        image = self.vertebrae.image
        index = np.floor(image.to_index(points) + 0.5).astype(np.intp)
        inside = np.all((index >= 0) & (index < image.shape[::-1]), axis=1)
        i, j, k = np.where(inside[:, None], index, 0).T
        return np.where(inside, image.array[k, j, i], 0)

    def _voxels(self, value: int, grid: Grid, motion: RigidMotion) -> tuple[Voxels, Array] | None:
        """The voxels of a grid that an outline covers after a motion, and their places (n, 3); None for none."""
        try:
            region = grid.region_around(motion.apply(self._box(value).corners))
        except BadInput:
            return None
        mask: Image = self.vertebrae.mask(value, 1)
        part = grid.crop(region)
        byte = mask.with_array(mask.array.view(np.uint8))
        k, j, i = np.nonzero(byte.resample(part, nearest=True, moved_by=motion.matrix).array)
        places = part.to_world(np.stack([i, j, k], axis=-1))
        return (k + region[0].start, j + region[1].start, i + region[2].start), places
