"""The patient's own normal bone: trabecular HU of uninvolved bodies near a lesion."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.anatomy.sampling import crop_like
from spinemet.anatomy.spine import Spine
from spinemet.anatomy.vertebra import Vertebra
from spinemet.evidence import Measurement, unknown
from spinemet.image import Grid, Image, Region
from spinemet.levels import Level, adjacent

WITHIN_LEVELS = 2
"""References lie at most this many levels away (clinical rules, section 1) [D]."""
ERODED_MM = 3.0
"""Bone nearer to the surface than this is no trabecular reference [D]."""
SMOOTHED_MM = 3.0
"""Diameter of the ball over which the median of HU is taken before any comparison [D]."""
SAMPLED_VOXELS = 6000
"""Reference voxels looked at in each body, evenly spread: enough for a mean and an SD."""
MIN_REFERENCE_ML = 1.0
"""Less trabecular bone than this gives no reference [D]."""
METHOD = (
    f"uninvolved bodies within {WITHIN_LEVELS} levels, {ERODED_MM:g} mm below the surface, smoothed {SMOOTHED_MM:g} mm"
)


@dataclass(frozen=True)
class BoneReference:
    """Trabecular density of the patient's uninvolved bone.

    :param mean: HU; unknown, with its reason, when there is no usable bone.
    :param deviation: standard deviation of the smoothed HU.
    :param levels: where it was taken.
    """

    mean: Measurement
    deviation: Measurement
    levels: tuple[Level, ...] = ()


def bone_reference(
    ct: Image | None,
    spine: Spine,
    level: Level,
    *,
    involved: Collection[Level],
    excluded: Collection[Level] = frozenset(),
    sample: Callable[[Vertebra], NDArray[np.float32]] | None = None,
) -> BoneReference:
    """Trabecular mean and SD round `level`.

    :param ct: HU on the grid of the vertebra outlines; None without a CT.
    :param involved: levels with a lesion; never used.
    :param excluded: levels with cement or hardware; never used.
    :param sample: gives the densities of one vertebra in place of `trabecular`, to keep what did not change.
    :raises GridMismatch: the CT does not lie on the outlines' grid.
    """
    if ct is None:
        return _none("no CT: density is measured in Hounsfield units only")
    values: list[NDArray[np.float32]] = []
    levels = []
    for item in _near(level, set(spine.vertebrae)):
        if item in involved or item in excluded or not spine[item].measured:
            continue
        vertebra = spine[item]
        found = sample(vertebra) if sample is not None else trabecular(ct, vertebra.mask, vertebra.body)
        if found.size:
            values.append(found)
            levels.append(item)
    pooled = np.concatenate(values) if values else np.zeros(0, np.float32)
    if pooled.size * ct.voxel_volume / 1000 < MIN_REFERENCE_ML:
        return _none(f"no uninvolved vertebral body within {WITHIN_LEVELS} levels to compare the density with")
    position = spine[levels[0]].frame.origin
    return BoneReference(
        Measurement("reference bone density", float(pooled.mean()), "HU", METHOD, position),
        Measurement("reference bone density SD", float(pooled.std()), "HU", METHOD, position),
        tuple(levels),
    )


def trabecular(ct: Image, mask: Image, body: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """Smoothed HU of a body's voxels deeper than `ERODED_MM` below the bone's surface."""
    if body is None or not body.any():
        return np.zeros(0, np.float32)
    region = _box(body)
    inner = mask.crop(region)
    deep = body[region] & (depth_below_surface(inner.array, inner.grid) > ERODED_MM)
    return smoothed_inside(crop_like(ct, inner.grid).array, deep, inner.grid, at_most=SAMPLED_VOXELS)


def smoothed_inside(
    values: NDArray, region: NDArray[np.bool_], grid: Grid, *, at_most: int | None = None
) -> NDArray[np.float32]:
    """Median over a ball of `SMOOTHED_MM` round a region's voxels, of voxels of the region only.

    Nothing beside the region (cortex, disc, soft tissue) comes in, and lytic next to blastic bone keeps its edge,
    which a Gaussian would turn into "normal" bone.

    :param at_most: look at about this many voxels of the region, evenly thinned; all when None.
    """
    flat = np.flatnonzero(region)
    if flat.size == 0:
        return np.zeros(0, np.float32)
    reach = np.floor(SMOOTHED_MM / 2 / grid.spacing[::-1] + 1e-6).astype(int)
    offsets = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij"), axis=-1).reshape(-1, 3)
    offsets = offsets[np.linalg.norm(offsets * grid.spacing[::-1], axis=1) <= SMOOTHED_MM / 2 + 1e-6]
    padding = [(n, n) for n in reach]
    masked = np.pad(np.where(region, values, np.inf).astype(np.float32), padding, constant_values=np.inf)
    centers = np.unravel_index(flat[:: 1 if at_most is None else max(1, flat.size // at_most)], region.shape)
    starts = np.ravel_multi_index([c + n for c, n in zip(centers, reach, strict=True)], masked.shape)
    steps = offsets @ np.array([masked.shape[1] * masked.shape[2], masked.shape[2], 1])
    gathered = np.sort(masked.ravel()[starts[:, None] + steps], axis=1)
    count = np.isfinite(gathered).sum(axis=1)
    rows = np.arange(len(gathered))
    return np.asarray((gathered[rows, (count - 1) // 2] + gathered[rows, count // 2]) / 2)


def depth_below_surface(array: NDArray[np.bool_], grid: Grid) -> NDArray[np.float64]:
    """Distance in mm of every voxel inside to the surface, half a voxel before the nearest voxel outside.

    The border of the array counts as outside only where the array holds background there.
    """
    spacing = grid.spacing[::-1]
    distance = ndimage.distance_transform_edt(array, sampling=spacing)
    return np.asarray(np.where(array, distance - 0.5 * float(spacing.min()), 0.0))


def _near(level: Level, present: set[Level]) -> list[Level]:
    found = []
    for step in (-1, 1):
        item: Level | None = level
        for _ in range(WITHIN_LEVELS):
            item = adjacent(item, step, present) if item is not None else None
            if item is not None and item in present:
                found.append(item)
    return sorted(found)


def _box(array: NDArray[np.bool_]) -> Region:
    """Bounding region with one voxel of margin."""
    found = ndimage.find_objects(array.astype(np.uint8))[0]
    k, j, i = (slice(max(0, s.start - 1), s.stop + 1) for s in found)
    return (k, j, i)


def _none(reason: str) -> BoneReference:
    return BoneReference(
        unknown("reference bone density", "HU", reason, METHOD),
        unknown("reference bone density SD", "HU", reason, METHOD),
    )
