"""Points of one image and the other image rendered as the first one's scanner would see it.

The coarser image gives the points: its voxels are what was truly measured. The finer image is rendered along the
axes of the coarser one and averaged over the length of its voxels, so that thick slices meet thick slices.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.errors import BadInput
from spinemet.image import Grid, Image
from spinemet.labelmap import LabelMap
from spinemet.registration.metric import FEWEST_POINTS, Array, Floats, Points, Volume, in_target_bins
from spinemet.registration.motion import RigidMotion

ZONE_STEP_MM = 1.6
"""Grid on which distances to bone are known."""
RENDER_STEP_MM = 1.0
"""Voxels longer than 1.5 times this, or than those of the image that is rendered, are averages of several ones."""
OFF_BEAT, OFF_BEAT_SMOOTHED = 0.81, 1.27
"""Rendered voxels are so many times as long as the points' own: were both in step, the optimum would snap to places
where interpolation blurs less (Pluim 2000). Smoothed images need fewer."""
MATCHED_FROM = 1.5
"""The points' image is averaged along its axis if the other image's voxels are so many times as long there."""
FAR = 1e3


def coarse(image: Image, spacing_mm: float) -> Image:
    """Means over blocks of voxels of about `spacing_mm` (float32)."""
    factor = [max(1, min(round(spacing_mm / s), n)) for s, n in zip(image.spacing, image.shape[::-1], strict=True)]
    if factor == [1, 1, 1]:
        return image.with_array(image.array.astype(np.float32))
    source = sitk.GetImageFromArray(np.ascontiguousarray(image.array))
    array = sitk.GetArrayFromImage(sitk.Cast(sitk.BinShrink(source, factor), sitk.sitkFloat32))
    matrix = image.ijk_to_ras.copy()
    matrix[:3, :3] *= factor
    matrix[:3, 3] = image.to_world((np.array(factor) - 1) / 2)
    return Image(array, matrix, image.frame, image.name)


def zone(labels: LabelMap, value: int, margin_mm: float) -> Image:
    """Distance in mm (float32) to one outlined bone on a coarse crop; `FAR` inside other bones."""
    reach = [int(np.ceil((margin_mm + ZONE_STEP_MM) / s)) + 1 for s in labels.image.spacing[::-1]]
    region = tuple(
        slice(max(0, part.start - r), part.stop + r) for part, r in zip(labels.region(value), reach, strict=True)
    )
    crop = labels.image.crop((region[0], region[1], region[2]))
    step = [max(1, int(ZONE_STEP_MM / s)) for s in crop.spacing]
    array = crop.array[:: step[2], :: step[1], :: step[0]]
    matrix = crop.ijk_to_ras.copy()
    matrix[:3, :3] *= step
    pad = [int(np.ceil(margin_mm / (s * n))) + 1 for s, n in zip(crop.spacing, step, strict=True)]
    array = np.pad(array, [(pad[2],) * 2, (pad[1],) * 2, (pad[0],) * 2])
    matrix[:3, 3] = crop.ijk_to_ras[:3, 3] - matrix[:3, :3] @ np.array(pad, dtype=float)
    own = array == value
    distance = ndimage.distance_transform_edt(~own, sampling=(crop.spacing * step)[::-1]).astype(np.float32)
    distance[(array != 0) & ~own] = FAR
    return Image(distance, matrix, labels.image.frame, "zone")


def zone_corners(distance: Image, margin_mm: float) -> Array:
    """RAS positions (8, 3) of a box round the part of a zone within a margin."""
    near = np.argwhere(distance.array <= margin_mm)
    low, high = near.min(axis=0)[::-1], near.max(axis=0)[::-1]
    picks = np.stack(np.meshgrid(*np.stack([low, high], axis=1), indexing="ij"), axis=-1).reshape(-1, 3)
    return distance.to_world(picks)


def zone_points(
    image: Image,
    distance: Image,
    margin_mm: float,
    to_zone: RigidMotion,
    other: Image,
    at_most: int,
    smooth_mm: float = 0.0,
) -> tuple[Array, NDArray] | None:
    """Positions (n, 3) and values (n,) of the voxels of `image` that lie near a bone; None when it has none there.

    :param distance: mm to the bone (`zone`).
    :param margin_mm: how near.
    :param to_zone: carries the image's points to the zone.
    :param other: the image that they will be compared with; thick voxels there smear this one likewise.
    """
    try:
        region = image.grid.region_around(to_zone.inverse.apply(zone_corners(distance, margin_mm)))
    except BadInput:
        return None
    crop = image.crop(region)
    matrix = distance.grid.ras_to_ijk @ to_zone.matrix @ crop.ijk_to_ras
    k, j, i = (np.arange(n, dtype=np.float32) for n in crop.shape)
    m = matrix.astype(np.float32)
    inside = np.ones(crop.shape, dtype=bool)
    index = np.zeros(crop.shape, dtype=np.int32)
    stride = 1
    for axis, size in enumerate(distance.shape[::-1]):
        along = (m[axis, 0] * i + m[axis, 1] * j[:, None]) + (m[axis, 2] * k + m[axis, 3] + 0.5)[:, None, None]
        whole = along.astype(np.int32)
        inside &= (along >= 0) & (whole < size)
        index += stride * whole
        stride *= size
    index[~inside] = 0
    inside &= distance.array.ravel()[index] <= margin_mm
    chosen = np.flatnonzero(inside)
    if chosen.size < FEWEST_POINTS:
        return None
    if chosen.size > at_most:
        chosen = np.sort(np.random.default_rng(0).choice(chosen, at_most, replace=False))
    values = smoothed(_smeared(crop, other, to_zone), crop.grid, smooth_mm).ravel()[chosen]
    ck, cj, ci = np.unravel_index(chosen, crop.shape)
    return crop.to_world(np.stack([ci, cj, ck], axis=-1)), values


def _smeared(crop: Image, other: Image, to_other: RigidMotion) -> NDArray:
    """Averages along those axes of a crop along which the other image's voxels are much longer."""
    array = crop.array
    cosines = np.abs((to_other.matrix[:3, :3] @ crop.grid.directions).T @ other.grid.directions)
    for axis in range(3):
        length = float(np.max(np.where(cosines[axis] > 0.8, other.spacing, 0.0)))
        if length >= MATCHED_FROM * crop.spacing[axis]:
            weights = _box(length / float(crop.spacing[axis]))
            array = ndimage.correlate1d(array.astype(np.float32, copy=False), weights, axis=2 - axis, mode="nearest")
    return np.asarray(array)


def rendered(
    image: Image, points: Points, like: Image, to_image: RigidMotion, margin_mm: float, smooth_mm: float = 0.0
) -> Volume:
    """`image` round the points, through `to_image`, along the axes of `like` and averaged over its voxels."""
    directions, spacing = like.grid.directions, like.spacing
    finest = max(RENDER_STEP_MM, float(image.spacing.min()))
    parts = [max(1, round(s / finest)) if s >= 1.5 * finest else 1 for s in spacing]
    beat = OFF_BEAT if smooth_mm <= 0 else OFF_BEAT_SMOOTHED
    step = beat * spacing / parts
    along = points.position @ np.linalg.inv(directions).T
    low = along.min(axis=0) - margin_mm - spacing
    size = np.ceil((along.max(axis=0) + margin_mm + spacing - low) / step).astype(int) + 1
    matrix = np.eye(4)
    matrix[:3, :3] = directions * step
    matrix[:3, 3] = directions @ low
    grid = Grid((int(size[2]), int(size[1]), int(size[0])), matrix)
    array = through(image, grid, to_image)
    for axis, n in enumerate(parts):
        if n > 1:
            array = _averaged(array, _box(n / beat), 2 - axis)
    return Volume(in_target_bins(smoothed(array, grid, smooth_mm)), grid.ras_to_ijk)


def smoothed(array: NDArray, grid: Grid, width_mm: float) -> NDArray:
    """An array (k, j, i) after a Gaussian of standard deviation `width_mm`; itself when that is 0."""
    if width_mm <= 0:
        return array
    sigma = width_mm / grid.spacing[::-1]
    for axis in range(3):
        if sigma[axis] > 0.3:
            array = ndimage.gaussian_filter1d(array.astype(np.float32, copy=False), sigma[axis], axis, truncate=2.5)
    return array


def through(image: Image, grid: Grid, motion: RigidMotion) -> Floats:
    """Linear interpolation of `image` at the voxels of a grid carried by `motion`; NaN where it does not reach."""
    to_index = image.grid.ras_to_ijk @ motion.matrix @ grid.ijk_to_ras
    size = np.array(grid.shape[::-1])
    corners = np.stack(np.meshgrid(*[(0, n - 1) for n in size], indexing="ij"), axis=-1).reshape(-1, 3)
    reach = corners @ to_index[:3, :3].T + to_index[:3, 3]
    low = np.clip(np.floor(reach.min(axis=0)).astype(int) - 1, 0, None)
    high = np.minimum(np.ceil(reach.max(axis=0)).astype(int) + 2, image.shape[::-1])
    if np.any(high <= low):
        return np.full(grid.shape, np.nan, dtype=np.float32)
    crop = np.ascontiguousarray(image.array[low[2] : high[2], low[1] : high[1], low[0] : high[0]])
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(to_index[:3, :3].ravel().tolist())
    transform.SetTranslation((to_index[:3, 3] - low).tolist())
    result = sitk.Resample(
        sitk.GetImageFromArray(crop),
        [int(n) for n in size],
        transform,
        sitk.sitkLinear,
        (0.0,) * 3,
        (1.0,) * 3,
        np.eye(3).ravel().tolist(),
        float("nan"),
        sitk.sitkFloat32,
    )
    return np.asarray(sitk.GetArrayFromImage(result))


def _averaged(array: Floats, weights: Array, axis: int) -> Floats:
    """Weighted means along an axis; NaN where they would reach beyond the array.

    Adding shifted arrays takes a fifth of the time of scipy's correlate1d, which works in double precision.
    """
    half = len(weights) // 2
    result = np.full_like(array, np.nan)
    size = array.shape[axis] - 2 * half
    if size <= 0:
        return result
    source, target = np.moveaxis(array, axis, 0), np.moveaxis(result, axis, 0)
    mean = source[:size] * np.float32(weights[0])
    for n, weight in enumerate(weights[1:], start=1):
        mean += source[n : n + size] * np.float32(weight)
    target[half : half + size] = mean
    return result


def _box(length: float) -> Array:
    """Weights of a mean over `length` samples, which need not be a whole number."""
    half = max(0, int(np.ceil((length - 1) / 2 - 1e-9)))
    weights = np.ones(2 * half + 1)
    if half:
        weights[0] = weights[-1] = (length - (2 * half - 1)) / 2
    return np.asarray(weights / weights.sum())
