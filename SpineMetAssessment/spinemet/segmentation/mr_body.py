"""Vertebral bodies in an MR, each from one click: the closed wall round the click where marrow gives way to cortex.

Cortical bone and endplates are dark in T1 and T2, so one rule serves both. A rounded block is fitted first: its whole
surface is not led astray where noise or tumor hides a piece of the wall. Then the wall is sought near the block. What
is brighter than marrow (tumor, a basivertebral vein) may be crossed; what is dark for long, or fluid, may not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.image import Grid, Image, Region
from spinemet.segmentation.canal_surface import best_wall

Array = NDArray[np.float64]

ROWS, ANGLES = 25, 40
RADIAL_MM = 0.5
REACH_MM = 34.0
"""Longest ray: half the width of a large lumbar body, obliquely to a rim [D]."""
LEAST_MM = 5.0
"""The click lies at least so deep in the body [D]."""
TYPICAL_PITCH_MM = 32.0
"""Distance of neighboring bodies where only one was clicked."""
TYPICAL_SHARES = (0.64, 0.64, 0.48, 0.48, 0.39, 0.39)
"""Half width (twice), half depth and half height of a body as shares of the pitch: where the search begins [D]."""
ROUND = 2.6
"""Exponent of the body's outline seen from above: between an ellipse (2) and a rectangle."""
STRAY_MM = 3.0
"""Farthest that a body's wall lies from the block that fits it best [D]."""
DARK = 0.55
"""Share of the marrow's signal below which a place is cortex, ligament or annulus [D]."""
GRAIN_MM = 0.7
"""Noise and trabeculae are blurred over this (standard deviation): the wall is sought at a coarser scale."""
FLUID = 2.0
"""Signal, as a multiple of the marrow's, above which a place is the sac and no bone, not even with tumor [D]."""
CORTEX_MM = 1.3
"""The body ends so far outside of the marrow's edge: thickness of cortex and endplate, blurred by the voxels [D]."""
MOST_SHIFT_MM = 4.0
"""The click is moved no farther than this toward the body's middle in a round [D]."""
ROUNDS = 2


@dataclass(frozen=True, eq=False)
class Pose:
    """Where a body lies and how it is turned.

    :param center: RAS.
    :param axes: 3×3, rows are the unit vectors to the right, to the front and to the head.
    :param pitch: mm to the next body; None where no neighbor was clicked.
    """

    center: Array
    axes: Array
    pitch: float | None = None


@dataclass(frozen=True, eq=False)
class BodyWall:
    """The wall round a body: radii in mm (rows from tail to head, angles)."""

    pose: Pose
    radii: NDArray[np.float32]
    edge: float

    def filled(self, grid: Grid) -> tuple[Region, NDArray[np.bool_]]:
        """Voxels inside: the region that holds them and a mask on it."""
        region = grid.region_around(self.pose.center[None], float(self.radii.max()) + 1.0)
        part = grid.crop(region)
        k, j, i = np.indices(part.shape, dtype=np.float64)
        local = (part.to_world(np.stack([i, j, k], axis=-1)) - self.pose.center) @ self.pose.axes.T
        radius = np.linalg.norm(local, axis=-1)
        row = (np.arcsin(np.clip(local[..., 2] / np.maximum(radius, 1e-6), -1, 1)) / np.pi + 0.5) * (ROWS - 1)
        angle = np.arctan2(local[..., 1], local[..., 0]) / (2 * np.pi) * ANGLES % ANGLES
        ring = np.concatenate([self.radii, self.radii[:, :1]], axis=1)
        return region, radius < ndimage.map_coordinates(ring, [row, angle], order=1, mode="nearest")


def body_wall(image: Image, pose: Pose) -> BodyWall:
    """The wall of the body round a pose's center; the center is moved to the middle of what was found."""
    for _ in range(ROUNDS):
        wall = _wall(image, pose)
        ways = _ways(pose)
        weight = wall.radii[..., None] ** 3 * np.cos(_rises())[:, None, None]
        shift = 0.75 * np.sum(weight * wall.radii[..., None] * ways, axis=(0, 1)) / weight.sum()
        # A body that the image cuts off must not be looked for at its neighbor's place.
        shift *= min(1.0, MOST_SHIFT_MM / max(float(np.linalg.norm(shift)), 1e-6))
        pose = Pose(pose.center + shift, pose.axes, pose.pitch)
    return _wall(image, pose)


def _rises() -> Array:
    return np.linspace(-np.pi / 2, np.pi / 2, ROWS)


def _ways(pose: Pose) -> Array:
    """Unit vectors (rows, angles, 3) of the rays, RAS."""
    rise, turn = np.meshgrid(_rises(), 2 * np.pi * np.arange(ANGLES) / ANGLES, indexing="ij")
    local = np.stack([np.cos(rise) * np.cos(turn), np.cos(rise) * np.sin(turn), np.sin(rise)], axis=-1)
    return local @ pose.axes


def _wall(image: Image, pose: Pose) -> BodyWall:
    cost, edge = _costs(image, pose)
    block = _radii(_fitted(cost, pose), pose)
    away = RADIAL_MM * np.arange(cost.shape[2]) - block[..., None]
    barred = np.abs(away) > STRAY_MM
    found = best_wall(np.where(barred, np.inf, cost + 0.01 * away**2).astype(np.float32), 0.12, 0.12)
    at = np.clip(np.rint(found).astype(int), 0, cost.shape[2] - 1)
    shown = float(np.median(np.take_along_axis(edge, at[..., None], axis=2)))
    return BodyWall(pose, (found * RADIAL_MM + CORTEX_MM).astype(np.float32), shown)


def _costs(image: Image, pose: Pose) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cost of a wall (rows, angles, radii), and the edge that is seen there as a share of the marrow's signal."""
    ways = _ways(pose)
    radii = RADIAL_MM * np.arange(round(REACH_MM / RADIAL_MM) + 1)
    near = image.crop(image.grid.region_around(pose.center[None], REACH_MM + 4.0))
    # Across thick slices nothing is gained by blurring.
    soft = ndimage.gaussian_filter(
        np.nan_to_num(near.array).astype(np.float32), np.where(near.spacing < 2.5, GRAIN_MM / near.spacing, 0.0)[::-1]
    )
    raw = near.with_array(soft).sample(pose.center + ways[:, :, None] * radii[:, None])
    marrow = float(np.nanmedian(raw[:, :, : round(6.0 / RADIAL_MM)]))
    values = np.nan_to_num(raw / max(marrow, 1e-6)).astype(np.float32)
    values = np.clip(ndimage.gaussian_filter(values, (0.5, 0.5, 0.0), mode=("nearest", "wrap", "nearest")), 0.0, 3.0)
    half = max(1, round(1.0 / RADIAL_MM))
    padded = np.pad(values, [(0, 0), (0, 0), (half, half)], mode="edge")
    inner, outer = padded[:, :, : -2 * half], padded[:, :, 2 * half :]
    fall = np.minimum(inner, 1.0) - np.minimum(outer, 1.0)
    edge = np.maximum(fall, 0.5 * (np.maximum(outer, FLUID) - np.maximum(inner, FLUID)))
    dark = np.maximum(DARK - values, 0.0) / DARK + np.clip(values - FLUID, 0.0, 1.0)
    passed = np.minimum((np.cumsum(dark, axis=2) - 0.5 * dark) * RADIAL_MM, 4.0)
    # Marrow is worth going on for, until something dark was crossed.
    marrow_seen = np.cumsum(np.exp(-((passed / 0.5) ** 2)) * (values > DARK), axis=2) * RADIAL_MM
    return 0.4 * passed - 0.012 * marrow_seen - 1.5 * np.clip(edge, -0.3, 1.0), edge


def _fitted(cost: NDArray[np.float32], pose: Pose) -> Array:
    """The rounded block (see `_radii`) whose whole surface costs least, by descent from a typical body."""
    pitch = pose.pitch or TYPICAL_PITCH_MM
    start = np.array([*(np.array(TYPICAL_SHARES) * pitch), 0.0])
    rows, angles = np.indices(cost.shape[:2])
    area = np.cos(_rises())[:, None] + 0.05

    def total(block: Array) -> float:
        radii = _radii(block, pose)
        at = np.clip(np.rint(radii / RADIAL_MM).astype(int), 0, cost.shape[2] - 1)
        unlike = float(np.sum(np.log(np.maximum(block[:6], 1.0) / start[:6]) ** 2))
        weight = area * np.maximum(radii, 1.0) ** 2
        return float(np.sum(weight * cost[rows, angles, at]) / weight.sum()) + 0.8 * unlike + 0.3 * block[6] ** 2

    best, least = start, total(start)
    for step in (4.0, 2.0, 1.0, 0.5):
        better = True
        while better:
            better = False
            for number in range(len(best)):
                for sign in (-1.0, 1.0):
                    trial = best.copy()
                    trial[number] += sign * step * (1.0 if number < 6 else 0.04)
                    trial[:6] = np.maximum(trial[:6], LEAST_MM)
                    if (value := total(trial)) < least - 1e-6:
                        best, least, better = trial, value, True
    return best


def _radii(block: Array, pose: Pose) -> Array:
    """Radii (rows, angles) of a rounded block: right, left, front, back, head, tail in mm, and the plates' slope."""
    ways = _ways(pose) @ pose.axes.T
    right = np.where(ways[..., 0] > 0, block[0], block[1])
    front = np.where(ways[..., 1] > 0, block[2], block[3])
    side = (np.abs(ways[..., 0] / right) ** ROUND + np.abs(ways[..., 1] / front) ** ROUND) ** (1 / ROUND)
    # Distance from a plate that rises to the front by the slope, per mm along the ray.
    up = ways[..., 2] - block[6] * ways[..., 1]
    plate = np.abs(up) / np.where(up > 0, block[4], block[5])
    return np.minimum(1.0 / np.maximum(np.maximum(side, plate), 1e-3), REACH_MM)
