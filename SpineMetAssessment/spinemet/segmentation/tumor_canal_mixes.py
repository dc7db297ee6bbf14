"""What looks like something else in a canal: mixes of two tissues in one voxel, and fat within the sac's outline."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.image import Image
from spinemet.segmentation.canal_mr import CANAL, CORD, SAC
from spinemet.segmentation.tumor_turns import tidied

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

FEWEST = 3
"""Voxels under a stroke from which a look can be learned."""
FLUID = 0.75
"""Least share of the difference between cord and fluid from which a voxel is fluid, not fat or a mix [D]."""
MIXED = 1.5
"""How many spreads of the tumor's values brighter or darker a neighbor is that is no tumor [D]."""
FINE = 1.5
"""Axes with voxels up to this many times the finest are fine."""
BESIDE_FLUID_PIXELS = 1.2
"""Within this distance of fluid a voxel of the sac may share it."""
NEAR_CORD_MM = 12.0
"""Sac is judged only this near a cord: farther down, roots fill it [D]."""
LEAST_FAT = 0.2
"""Share of the difference between cord and fluid below which a voxel of the sac is as dark as cord or roots [D]."""


def without_fluid(values: NDArray[np.generic], labels: NDArray[np.uint8], within: Bools) -> Bools:
    """What a stroke covers without the fluid that it crosses on its way round the sac; all of it if little is left."""
    cord, sac = labels == CORD, labels == SAC
    if not cord.any() or not (within & sac).any():
        return within
    dark, fluid = (float(np.median(values[mask])) for mask in (cord, sac))
    seen = within & sac
    seen[seen] = (values[seen].astype(float) - dark) / (fluid - dark or 1.0) > FLUID
    left = within & ~seen
    return left if np.count_nonzero(left) >= FEWEST else within


def fat_in_sac(image: Image, labels: NDArray[np.uint8], tumor: Bools, fluid_value: float) -> Bools:
    """Fat that the sac's outline took for fluid, as it does where tumor presses all fluid away.

    :param labels: canal, sac and cord, as `CanalOutline.labels`, before tumor is taken from them.
    """
    values = np.nan_to_num(image.array.astype(np.float32), posinf=0.0, neginf=0.0)
    sac, cord = (labels == SAC) & ~tumor, labels == CORD
    if not tumor.any() or not cord.any() or not sac.any():
        return np.zeros_like(tumor)
    spacing = image.spacing[::-1]
    dark = float(np.median(values[cord]))
    share = (values - dark) / ((fluid_value - dark) or 1.0)
    fluid = sac & (share > FLUID)
    away = ndimage.distance_transform_edt(~fluid, sampling=spacing) if fluid.any() else np.full(sac.shape, np.inf)
    far = sac & (away > BESIDE_FLUID_PIXELS * float(spacing.min())) & (share > LEAST_FAT)
    far &= ndimage.distance_transform_edt(~cord, sampling=spacing) <= NEAR_CORD_MM
    # A dark spot amid fluid is a flow void.
    epidural = (labels == CANAL) | tumor
    return np.asarray(ndimage.binary_propagation(ndimage.binary_dilation(epidural) & far, mask=far))


def mixed_voxels(image: Image, values: Floats, look: tuple[float, float]) -> Bools:
    """Voxels between what is brighter and what is darker than tumor: their mix looks like it, all along a wall.

    :param look: middle and spread of the tumor's values.
    """
    (middle, spread), spacing = look, image.spacing[::-1]
    bright, dark = values > middle + MIXED * spread, values < middle - MIXED * spread
    mixed = np.zeros(values.shape, bool)
    # Across thick slices a voxel between two unlike ones may hold tumor alone.
    for axis in np.flatnonzero(spacing <= FINE * spacing.min()):
        for step in (1, -1):
            mixed |= _shifted(bright, int(axis), step) & _shifted(dark, int(axis), -step)
    return mixed


def without_mixes(mask: Bools, inside: Bools, mixed: Bools) -> Bools:
    """What hangs together with the strokes without mixed voxels, and one layer of these on it."""
    left = tidied(mask & (~mixed | inside), inside, np.zeros_like(mask))
    return left | ndimage.binary_dilation(left) & mask


def shared_with_fluid(values: Floats, mask: Bools, look: float, fluid: float) -> Bools:
    """Voxels between tumor and fluid of which tumor has the larger part: their value may be that of fat."""
    if abs(fluid - look) < 1e-3:
        return np.zeros_like(mask)
    share = (values - look) / (fluid - look)
    mixed, pure = (share > 0) & (share < 0.5) & ~mask, share > 0.8
    found = np.zeros_like(mask)
    for axis in range(3):
        for step in (1, -1):
            found |= mixed & _shifted(mask, axis, step) & _shifted(pure, axis, -step)
    return found


def _shifted(mask: Bools, axis: int, step: int) -> Bools:
    moved = np.roll(mask, step, axis=axis)
    moved[tuple((0 if step > 0 else -1) if other == axis else slice(None) for other in range(3))] = False
    return moved
