"""Where a tumor's outline is sought: a region round the marks, in coarse voxels first, then in the image's own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spinemet.image import Grid, Image, Region

COARSE_MM = 1.5
"""Voxels that are no smaller are not joined: half resolution is for fine grids."""
MOST_COARSE = 400_000
"""Voxels of the coarse grid beyond which more are joined, so that the first outline is there at once."""

Factors = tuple[int, int, int]
"""How many voxels are joined along k, j and i."""


@dataclass(frozen=True, eq=False)
class Work:
    """A region of an image at two resolutions.

    :param fine: the region in the image's own voxels; a view.
    :param region: where it lies in the whole image.
    :param factors: fine voxels in a coarse one, along k, j, i.
    """

    fine: Image
    region: Region
    factors: Factors

    @cached_property
    def coarse(self) -> Image:
        """Means of the joined voxels, float32; what is not a number counts as zero."""
        return replace(self.fine, array=self.joined(self.fine.array), ijk_to_ras=self.coarse_grid.ijk_to_ras)

    @cached_property
    def coarse_grid(self) -> Grid:
        grid, steps = self.fine.grid, np.array(self.factors[::-1])
        matrix = grid.ijk_to_ras.copy()
        matrix[:3, 3] = grid.to_world((steps - 1) / 2)
        matrix[:3, :3] = matrix[:3, :3] * steps
        k, j, i = (-(-n // factor) for n, factor in zip(grid.shape, self.factors, strict=True))
        return Grid((k, j, i), matrix)

    def joined(self, array: NDArray) -> NDArray[np.float32]:
        """Means over the joined voxels of a fine array; the last ones repeat the border."""
        values = np.nan_to_num(np.asarray(array, dtype=np.float32), posinf=0.0, neginf=0.0)
        values = np.pad(values, [(0, -n % f) for n, f in zip(values.shape, self.factors, strict=True)], mode="edge")
        # One axis after the other: numpy is slow at means over several short axes.
        for axis, factor in enumerate(self.factors):
            if factor > 1:
                parts = [values[_every(factor, first, axis)] for first in range(factor)]
                values = sum(parts[1:], start=parts[0]) * np.float32(1 / factor)
        return values

    def spread(self, array: NDArray) -> NDArray:
        """A coarse array in fine voxels, each value repeated."""
        for axis, factor in enumerate(self.factors):
            array = np.repeat(array, factor, axis=axis)
        k, j, i = self.fine.shape
        return array[:k, :j, :i]


def work_on(image: Image, region: Region, *, join: bool = True) -> Work:
    """Set up a region: voxels below 1.5 mm are joined to about twice the finest spacing, all to a bearable number.

    :param join: False to join them for that number's sake alone.
    """
    fine = image.crop(region)
    spacing = fine.spacing[::-1]
    finest = float(spacing.min())
    target = 2 * finest if join and finest < COARSE_MM else finest
    while True:
        factors = np.maximum(1, np.floor(target / spacing + 0.01)).astype(int)
        if np.prod(np.ceil(np.array(fine.shape) / factors)) <= MOST_COARSE:
            break
        target *= 1.15
    k, j, i = (min(int(factor), n) for factor, n in zip(factors, fine.shape, strict=True))
    return Work(fine, region, (k, j, i))


def box_of(mask: NDArray[np.bool_], margin: tuple[int, int, int]) -> Region:
    """The smallest region of a mask with so many voxels round it, within the array; the mask is not empty."""
    found = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        where = np.flatnonzero(mask.any(axis=others))
        low, high = int(where[0]) - margin[axis], int(where[-1]) + 1 + margin[axis]
        found.append(slice(max(0, low), min(mask.shape[axis], high)))
    return (found[0], found[1], found[2])


def _every(step: int, first: int, axis: int) -> tuple[slice, ...]:
    return tuple(slice(first, None, step) if other == axis else slice(None) for other in range(3))
