"""Distances from strokes along paths that shun the image's edges: the cortex between tumor and muscle counts."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from spinemet.image import Grid

_WALL = 12.0
"""How much longer a millimeter of a strong edge is than one of even tissue."""
_STRONG_IN_NOISE = 5.0
"""Step between neighbors, in standard deviations of the noise, that is a strong edge."""
_JOINED = 2
"""Voxels joined along each axis: an estimate is enough, and marching is slow."""


def path_mm(seeds: NDArray[np.bool_], values: NDArray[np.float32], grid: Grid, noise: float) -> NDArray[np.float32]:
    """Length in mm of the shortest path from the seeds to every voxel (k, j, i); the seeds are not empty."""
    wall = np.zeros(values.shape, np.float32)
    for axis in range(3):
        step = np.abs(np.diff(values, axis=axis)) * np.float32(1 / (_STRONG_IN_NOISE * noise))
        for side in (slice(1, None), slice(None, -1)):
            part = wall[tuple(side if other == axis else slice(None) for other in range(3))]
            np.maximum(part, step, out=part)
    factors = [_JOINED if n >= 2 * _JOINED else 1 for n in values.shape]
    slow = 1 + _WALL * np.minimum(_most(wall, factors), 1) ** 2
    starts = np.argwhere(_most(seeds.astype(np.float32), factors) > 0)[:, ::-1]
    speed = sitk.GetImageFromArray((1 / slow).astype(np.float32))
    speed.SetSpacing((grid.spacing * factors[::-1]).tolist())
    march = sitk.FastMarchingImageFilter()
    march.SetTrialPoints([[int(n) for n in start] for start in starts])
    found = np.minimum(sitk.GetArrayFromImage(march.Execute(speed)), 1e6).astype(np.float32)
    for axis, factor in enumerate(factors):
        found = np.repeat(found, factor, axis=axis)
    k, j, i = values.shape
    return np.asarray(found[:k, :j, :i])


def _most(values: NDArray[np.float32], factors: list[int]) -> NDArray[np.float32]:
    """The largest value among the joined voxels."""
    values = np.pad(values, [(0, -n % f) for n, f in zip(values.shape, factors, strict=True)], mode="edge")
    for axis, factor in enumerate(factors):
        parts = [
            values[tuple(slice(first, None, factor) if other == axis else slice(None) for other in range(3))]
            for first in range(factor)
        ]
        values = np.maximum.reduce(parts)
    return values
