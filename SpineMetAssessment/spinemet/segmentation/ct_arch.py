"""The arches of vertebrae in a CT: bone behind the bodies, shared out among them.

From each body and its lamina a front runs through bone, fast in bright bone and slow where a dark sheet lies between
two bright ones, as in a facet joint. Who reaches a voxel first owns it. A rib is a rival of its own, and so
is every neighbor that nobody asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.image import Image
from spinemet.progress import Progress, silent
from spinemet.segmentation.ct_body import BodySurface
from spinemet.segmentation.ct_discs import Column
from spinemet.segmentation.ct_work import OUTSIDE_HU, sample

FAST_HU = 350.0
"""Bone this bright is passed at full speed."""
JOINT_HU = 50.0
"""A sheet this much darker than both its sides is passed at a third of the speed."""
JOINT_MM = 4.0
REACH_MM = 75.0
"""How far a front runs, counted at full speed."""
BEHIND_MM, BESIDE_MM, BELOW_MM, ABOVE_MM = 80.0, 65.0, 60.0, 30.0
"""How far beyond the body's middle an arch may reach."""
RIBLESS_WIDTH_MM, RIBLESS_SLOPE = 20.0, 1.5
"""Bodies of more than this half width bear no ribs; their transverse processes begin farther to the front."""
RIB_MM, RIB_WIDTHS = 12.0, 1.9
"""Bone farther to the side than this plus so many half widths of the body at its height is rib."""
FACET_SLOPE = 0.7
"""A facet joint lies about this far behind the canal's middle for each mm that it lies to the side."""
FACET_LATE = 2.0
"""A front is held up this much for each mm on the wrong side of that line."""
LAMINA_HU = 140.0
LAMINA_LATE_MM = 12.0
"""The lamina starts later than the body, by so much: it is a guess."""
BELOW_WIDTHS = 0.85
"""Below its own disc a vertebra has only articular processes, no farther to the side than so many half widths."""
_FAR = 1e6


def share_out(
    work: Image, column: Column, bodies: Sequence[BodySurface], least_hu: float, progress: Progress | None = None
) -> NDArray[np.uint8]:
    """Labels on the grid of `work`: 1, 2, … for the bodies in their order with their arches, 0 elsewhere.

    :param least_hu: brightness from which on a voxel shows bone.
    """
    labels = np.zeros(work.shape, np.uint8)
    for value, body in enumerate(bodies, 1):
        region, mask = body.mask(work.grid)
        labels[region][mask & (labels[region] == 0)] = value
    speed = _speed(work.array, least_hu)
    speed[labels > 0] = 0.0
    aside, ahead = _from_canal(work, column)
    arrival = np.full(work.shape, _FAR, np.float32)
    owner = np.zeros(work.shape, np.uint8)
    in_bodies = labels > 0
    report = progress or silent
    for value, body in enumerate(bodies, 1):
        report((value - 1) / len(bodies), "parting the arches")
        region = _region(work, body)
        width = body.half_width
        side, front = np.abs(aside[region]), ahead[region]
        local = speed[region].copy()
        # Beside and in front of the body's back lie ribs, vessels and osteophytes of others.
        ahead_of_arch = 4.0 + RIBLESS_SLOPE * max(0.0, width - RIBLESS_WIDTH_MM)
        local[(front > ahead_of_arch) & (side > width + 2.0)] = 0.0
        local[front > -body.frame.canal - body.back + 10.0] = 0.0
        own = labels[region] == value
        seeds = own & ndimage.binary_dilation(local > 0)
        local[seeds] = 1.0
        foreign, late = _not_own(work, body, region)
        local[foreign] = 0.0
        lamina = _lamina(work, body, region, local)
        time = _march(local, seeds, lamina, work.spacing[0]) + late
        time[own] = 0.0
        nearer = (time < arrival[region]) & (~in_bodies[region] | own)
        arrival[region][nearer] = time[nearer]
        owner[region][nearer] = value
    if bodies:
        ribs = (np.abs(aside) > _reach_aside(work, bodies)[:, None, None]) & (speed > 0)
        rival = _march(speed, ribs, np.zeros_like(ribs), work.spacing[0])
        owner[(rival < arrival) & ~in_bodies] = 0
    owner[arrival >= REACH_MM] = 0
    return owner


def _reach_aside(work: Image, bodies: Sequence[BodySurface]) -> NDArray[np.float64]:
    """How far to the side arches reach at most in each axial plane of `work`, mm."""
    rising = sorted(bodies, key=lambda body: float(body.frame.center[2]))
    reach = [RIB_MM + RIB_WIDTHS * body.half_width for body in rising]
    height = work.ijk_to_ras[2, 3] + work.spacing[2] * np.arange(work.shape[0])
    return np.interp(height, [float(body.frame.center[2]) for body in rising], reach)


def _speed(hu: NDArray[np.float32], least_hu: float) -> NDArray[np.float32]:
    """How fast a front runs: 0 outside of bone, up to 1."""
    smooth = ndimage.gaussian_filter(np.clip(hu, -100, 700), 0.5)
    size = 3
    dark = ndimage.grey_closing(smooth, (size, size, size)) - smooth
    speed = np.clip((smooth - 80.0) / (FAST_HU - 80.0), 0.1, 1.0) / (1 + (dark / JOINT_HU) * 2)
    speed[(smooth < least_hu) | (hu <= OUTSIDE_HU + 1)] = 0.0
    return np.asarray(speed, np.float32)


def _from_canal(work: Image, column: Column) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How far each voxel lies to the right and in front of the canal's middle in its own axial plane, mm."""
    k, j, i = (np.arange(n) for n in work.shape)
    origin, step = work.ijk_to_ras[:3, 3], work.spacing[0]
    height = origin[2] + step * k
    order = np.argsort(column.canal[:, 2])
    x = np.interp(height, column.canal[order, 2], column.canal[order, 0])
    y = np.interp(height, column.canal[order, 2], column.canal[order, 1])
    aside = np.broadcast_to((origin[0] + step * i)[None, None, :] - x[:, None, None], work.shape)
    ahead = np.broadcast_to((origin[1] + step * j)[None, :, None] - y[:, None, None], work.shape)
    return aside.astype(np.float32), ahead.astype(np.float32)


def _region(work: Image, body: BodySurface) -> tuple[slice, slice, slice]:
    ends = np.array(
        [[x, y, z] for x in (-BESIDE_MM, BESIDE_MM) for y in (-BEHIND_MM, 20.0) for z in (-BELOW_MM, ABOVE_MM)]
    )
    return work.grid.region_around(body.frame.to_ras(ends))


def _not_own(
    work: Image, body: BodySurface, region: tuple[slice, slice, slice]
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Where a vertebra has no bone, and by how many mm its front is held up where it hardly has any.

    Beside its lower disc lie the next one's pedicles, above its body the last one's spine. In a facet joint the upper
    vertebra lies behind and toward the middle, the lower one in front and to the side.
    """
    frame = body.frame
    crop = work.grid.crop(region)
    k, j, i = np.indices(crop.shape, dtype=np.float32)
    x, y, z = np.moveaxis(frame.to_local(crop.to_world(np.stack([i, j, k], axis=-1))), -1, 0)
    behind = y - frame.canal
    below = z < max(frame.below, -20.0) + 2.0
    above = z > min(frame.above, 20.0) - 2.0
    foreign = below & ((behind > -3.0) | (np.abs(x) > BELOW_WIDTHS * body.half_width))
    foreign |= above & ((np.abs(x) < 5.0) | (behind < -18.0))
    medial = -behind - FACET_SLOPE * np.abs(x)
    upper, lower = z > 0.5 * min(frame.above, 20.0), z < 0.8 * max(frame.below, -20.0)
    late = FACET_LATE * (np.maximum(medial, 0) * upper + np.maximum(-medial, 0) * lower)
    return np.asarray(foreign), np.asarray(late, np.float32)


def _lamina(
    work: Image, body: BodySurface, region: tuple[slice, slice, slice], speed: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Voxels of the region in the middle of the body's own lamina; none when none is seen."""
    frame = body.frame
    height = (min(frame.above, 16.0) - max(frame.below, -16.0)) or 25.0
    z = np.arange(-0.8 * height, 0.2 * height, 1.0)
    x = np.arange(-6.0, 6.1, 2.0)
    y = frame.canal - np.arange(4.0, 17.0, 1.0)
    local = np.stack(np.meshgrid(z, y, x, indexing="ij")[::-1], axis=-1)
    hu = np.clip(sample(work, frame.to_ras(local)), 0, 500)
    bright = ndimage.gaussian_filter1d(hu.max(axis=1).mean(axis=1), 2.0)
    expected = -0.35 * height
    at = int(np.argmax(bright - 0.35 * (z - expected) ** 2))
    if bright[at] < LAMINA_HU:
        return np.zeros(speed.shape, bool)
    crop = work.grid.crop(region)
    k, j, i = np.indices(crop.shape, dtype=np.float32)
    points = frame.to_local(crop.to_world(np.stack([i, j, k], axis=-1)))
    near = (np.abs(points[..., 0]) < 7) & (np.abs(points[..., 2] - z[at]) < 4)
    near &= (points[..., 1] < frame.canal - 3) & (points[..., 1] > frame.canal - 20)
    return near & (speed > 0)


def _march(
    speed: NDArray[np.float32], seeds: NDArray[np.bool_], late: NDArray[np.bool_], step_mm: float
) -> NDArray[np.float32]:
    """When a front from the seeds, and from the late seeds after `LAMINA_LATE_MM`, arrives, in mm at full speed."""
    seeds, late = seeds & (speed > 0), late & (speed > 0) & ~seeds
    if not seeds.any() and not late.any():
        return np.full(speed.shape, _FAR, np.float32)
    image = sitk.GetImageFromArray(speed)
    image.SetSpacing([float(step_mm)] * 3)
    march = sitk.FastMarchingImageFilter()
    march.SetTrialPoints([*np.argwhere(seeds)[:, ::-1].tolist(), *np.argwhere(late)[:, ::-1].tolist()])
    march.SetInitialTrialValues([0.0] * int(seeds.sum()) + [LAMINA_LATE_MM] * int(late.sum()))
    march.SetStoppingValue(REACH_MM)
    time = sitk.GetArrayFromImage(march.Execute(image))
    time[speed <= 0] = _FAR
    time[seeds] = 0.0
    return np.asarray(np.minimum(time, _FAR), np.float32)
