"""The spinal canal in a CT as a path: a tube of soft tissue with bone all round it.

Between laminae and at the foramina the ring of bone is open in a single axial slice; within a slab it is closed. So
bone is gathered over a slab, rays look for it in the axial plane, and the best path through all slices is
found by dynamic programming.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.image import Image
from spinemet.segmentation.ct_work import OUTSIDE_HU

GRID_MM = 3.0
BONE_HU = 170.0
SLAB_MM = 9.0
"""Half the height of the slab in which bone must close the ring."""
REACH_MM = 18.0
"""How far from the canal's middle bone may begin."""
SOFT_HU = (-70.0, 130.0)
FAT_PRICE = 0.15
"""Price of a middle as dark as fat, from half as dark on: fat fills the gap between a body, its rib and the arch."""
FAT_HU = -80.0
RAYS = 16
WANTED = 0.72
"""Share of rays that must meet bone; a place with less speaks against the canal."""


def canal_path(work: Image, near: NDArray[np.float64] | None = None, reach_mm: float = 55.0) -> NDArray[np.float64]:
    """RAS points (n, 3), from tail to head and smooth, along the middle of the canal; empty when none is found.

    :param work: HU on a grid along the patient's axes with voxels of `GRID_MM`.
    :param near: points on the spine; the canal is sought no farther than `reach_mm` from their line.
    """
    score = _score(work)
    if near is not None:
        score[~_near(work, near, reach_mm)] = -1.0
    voxels = _best_path(score)
    if len(voxels) < 4:
        return np.zeros((0, 3))
    smooth = ndimage.gaussian_filter1d(voxels.astype(float), 6.0 / GRID_MM, axis=0, mode="nearest")
    smooth[:, 0] = voxels[:, 0]
    return work.to_world(smooth[:, ::-1])


def _score(work: Image) -> NDArray[np.float32]:
    """How much each voxel looks like the middle of a canal, from −1 to 1."""
    hu = work.array
    size = round(2 * SLAB_MM / GRID_MM) + 1
    bone = ndimage.maximum_filter1d(hu > BONE_HU, size, axis=0)
    soft = ndimage.uniform_filter(hu, 3, mode="nearest")
    steps = int(REACH_MM / GRID_MM)
    met = np.zeros(hu.shape, np.float32)
    first = np.full((RAYS, *hu.shape), steps + 1, np.int8)
    padded = np.pad(bone, ((0, 0), (steps, steps), (steps, steps)))
    for n in range(RAYS):
        angle = 2 * np.pi * n / RAYS
        for step in range(steps, 0, -1):
            j, i = (round(float(step * f)) + steps for f in (np.sin(angle), np.cos(angle)))
            hit = padded[:, j : j + hu.shape[1], i : i + hu.shape[2]]
            first[n][hit] = step
    met = (first <= steps).mean(axis=0, dtype=np.float32)
    # The middle is where opposite rays are equally long.
    half = RAYS // 2
    uneven = np.abs(first[:half].astype(np.float32) - first[half:]).mean(axis=0)
    score = (met - WANTED) / (1 - WANTED) - 0.12 * uneven
    score -= FAT_PRICE * np.clip((hu - FAT_HU / 2) / (FAT_HU / 2), 0.0, 1.0)
    free = ~ndimage.maximum_filter1d(hu > BONE_HU, 3, axis=0)
    usable = free & (soft > SOFT_HU[0]) & (soft < SOFT_HU[1]) & (hu > OUTSIDE_HU + 1)
    return np.where(usable, np.clip(score, -1, 1), -1).astype(np.float32)


def _near(work: Image, points: NDArray[np.float64], reach_mm: float) -> NDArray[np.bool_]:
    """Voxels whose axial distance from the line through `points` (carried on beyond its ends) is small."""
    order = np.argsort(points[:, 2])
    k, j, i = (np.arange(n) for n in work.shape)
    height = work.to_world(np.stack([0 * k, 0 * k, k], axis=-1))[:, 2]
    x = np.interp(height, points[order, 2], points[order, 0])
    y = np.interp(height, points[order, 2], points[order, 1])
    origin = work.ijk_to_ras[:3, 3]
    dx = origin[0] + GRID_MM * i[None, None, :] - x[:, None, None]
    dy = origin[1] + GRID_MM * j[None, :, None] - y[:, None, None]
    # The canal lies behind a click in the body and in front of one in the arch.
    return np.asarray((np.abs(dx) < reach_mm / 2) & (np.abs(dy) < reach_mm))


def _best_path(score: NDArray[np.float32]) -> NDArray[np.int64]:
    """Voxels (k, j, i) of the path through successive slices with the largest sum; it may begin and end anywhere."""
    slices, height, width = score.shape
    total = np.zeros_like(score)
    came = np.zeros(score.shape, np.int8)
    moves = [(dj, di) for dj in (-1, 0, 1) for di in (-1, 0, 1)]
    for k in range(slices):
        if k == 0:
            total[0] = score[0]
            came[0] = -1
            continue
        before = np.pad(total[k - 1], 1, constant_values=-9)
        ways = np.stack(
            [before[1 + dj : 1 + dj + height, 1 + di : 1 + di + width] - 0.1 * (abs(dj) + abs(di)) for dj, di in moves]
        )
        best = ways.argmax(axis=0)
        gain = np.take_along_axis(ways, best[None], axis=0)[0]
        starts = gain <= 0
        total[k] = score[k] + np.where(starts, 0, gain)
        came[k] = np.where(starts, -1, best)
    k, j, i = (int(n) for n in np.unravel_index(int(total.argmax()), total.shape))
    path = []
    while True:
        path.append((k, j, i))
        move = came[k, j, i]
        if move < 0:
            break
        dj, di = moves[move]
        k, j, i = k - 1, j + dj, i + di
    return np.array(path[::-1])
