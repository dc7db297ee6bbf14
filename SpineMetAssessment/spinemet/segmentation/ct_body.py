"""The surface of a vertebral body in a CT: a wall seen from the body's axis and two endplates.

Each is sought as the smooth surface on which brightness falls most toward the outside. Where the edge is missing
(a lytic hole, a pedicle, the basivertebral vein, a disc calcified through) the surface runs on from where it is seen,
so that what lies inside belongs to the body whatever its density.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.image import Grid, Image
from spinemet.segmentation.ct_work import OUTSIDE_HU, sample

Array = NDArray[np.float64]

CLIP_HU = (0.0, 320.0)
"""Below is soft tissue, fat and lung alike; above are cortex, contrast and metal alike."""
ANGLES = 72
RADII_MM = np.arange(5.0, 36.0, 0.75)
PLATE_STIFF = 1.6
PLATE_STEP_MM = 2.0
PLATE_REACH_MM = 26.0
HEIGHT_STEP_MM = 0.5
WALL_STEP_MM = 1.5
INWARD_MM = 0.6
"""How far within the steepest fall the surface lies: smoothing moves the edge of a round body outward."""
CUT_MM = 18.0
"""How far a body is followed toward a plate that lies beyond the image."""
CANAL_MM = 4.0
"""Least distance from the canal's middle to its front wall."""
PLATE_TILTS = np.tan(np.deg2rad(np.arange(-16.0, 17.0, 4.0)))


@dataclass(frozen=True, eq=False)
class BodyFrame:
    """Where a body lies: its middle, its axes, and how far above and below the middle the discs' middles are.

    :param axes: 3×3, rows right, front, up.
    :param canal: how far the canal's middle lies before the body's middle, mm (negative: behind).
    :param below: height of the disc below (mm, negative), at the body's axis; −inf at the image's edge.
    :param above: height of the disc above (mm).
    """

    center: Array
    axes: Array
    canal: float
    below: float
    above: float

    def to_local(self, ras: Array) -> Array:
        return np.asarray((ras - self.center) @ self.axes.T)

    def to_ras(self, local: Array) -> Array:
        return np.asarray(local @ self.axes + self.center)


@dataclass(frozen=True, eq=False)
class BodySurface:
    """A body's surface in its frame.

    :param heights: (z,) heights at which the wall is known, mm.
    :param wall: (z, angle) radius of the wall in mm; angle 0 is to the front, 90° to the right.
    :param center: (2,) right and front of the axis from which radii are counted.
    :param upper: (y, x) height of the upper endplate on a grid of `PLATE_STEP_MM`.
    :param edge: mean fall of brightness at the surface in HU, a sign of how well it is seen.
    """

    frame: BodyFrame
    heights: Array
    wall: Array
    upper: Array
    lower: Array
    edge: float

    @property
    def half_width(self) -> float:
        """Half of the body's width, mm."""
        quarter = ANGLES // 4
        middle = self.wall[len(self.wall) // 3 : -len(self.wall) // 3 or None]
        return float(np.median(middle[:, [quarter, -quarter]]))

    @property
    def back(self) -> float:
        """How far the posterior wall lies behind the axis, mm."""
        half = ANGLES // 2
        return float(np.median(self.wall[:, half - 3 : half + 4]))

    def depth(self, ras: Array) -> Array:
        """Signed distance (mm, about) of points (n, 3) from the surface, negative inside."""
        x, y, z = self.frame.to_local(ras).T
        radius = np.hypot(x, y)
        turn = (np.arctan2(x, y) / (2 * np.pi) * ANGLES) % ANGLES
        level = (z - self.heights[0]) / (self.heights[1] - self.heights[0])
        closed = np.concatenate([self.wall, self.wall[:, :1]], axis=1)
        wall = ndimage.map_coordinates(closed, [level, turn], order=1, mode="nearest")
        place = [(y + PLATE_REACH_MM) / PLATE_STEP_MM, (x + PLATE_REACH_MM) / PLATE_STEP_MM]
        upper = ndimage.map_coordinates(self.upper, place, order=1, mode="nearest")
        lower = ndimage.map_coordinates(self.lower, place, order=1, mode="nearest")
        return np.asarray(np.maximum(radius - wall, np.maximum(z - upper, lower - z)) + INWARD_MM)

    def depth_on(self, grid: Grid) -> tuple[tuple[slice, slice, slice], Array]:
        """Where on a grid the body lies, with a margin of 2 mm, and `depth` of the voxels there."""
        reach = float(self.wall.max()) + 2.0
        ends = [min(float(self.lower.min()), -3.0) - 2.0, max(float(self.upper.max()), 3.0) + 2.0]
        corners = np.array([[x, y, z] for x in (-reach, reach) for y in (-reach, reach) for z in ends])
        region = grid.region_around(self.frame.to_ras(corners))
        crop = grid.crop(region)
        k, j, i = np.indices(crop.shape, dtype=np.float32)
        points = crop.to_world(np.stack([i, j, k], axis=-1).reshape(-1, 3))
        return region, self.depth(points).reshape(crop.shape)

    def mask(self, grid: Grid, grow_mm: float = 0.0) -> tuple[tuple[slice, slice, slice], NDArray[np.bool_]]:
        """The body on a grid: the region that holds it, and its voxels there."""
        region, depth = self.depth_on(grid)
        return region, depth < grow_mm


def body_surface(work: Image, frame: BodyFrame) -> BodySurface:
    """The body's surface, from HU on isotropic voxels and where about the body lies."""
    upper, edge_up = _plate(work, frame, frame.above, +1)
    lower, edge_low = _plate(work, frame, frame.below, -1)
    heights, wall, edge_wall = _wall(work, frame, float(np.median(lower)), float(np.median(upper)))
    return BodySurface(frame, heights, wall, upper, lower, float(np.mean([edge_up, edge_low, edge_wall])))


def _plate(work: Image, frame: BodyFrame, disc: float, side: int) -> tuple[Array, float]:
    """Height of an endplate on the plate's grid, and how sharp its edge is in HU."""
    across = np.arange(-PLATE_REACH_MM, PLATE_REACH_MM + 0.1, PLATE_STEP_MM)
    y, x = np.meshgrid(across, across, indexing="ij")
    if not np.isfinite(disc):
        # The plate lies beyond the image.
        return np.full(x.shape, side * CUT_MM), 0.0
    low, high = 0.35 * abs(disc), abs(disc) + 4.0
    heights = np.arange(low, high, HEIGHT_STEP_MM)
    local = np.stack(np.broadcast_arrays(x[None], y[None], side * heights[:, None, None]), axis=-1)
    hu = sample(work, frame.to_ras(local))
    seen = hu > OUTSIDE_HU + 1
    smooth = ndimage.gaussian_filter(np.clip(hu, *CLIP_HU), (1.0 / HEIGHT_STEP_MM, 0.8, 0.8))
    fall = -np.gradient(smooth, axis=0) * 2 / HEIGHT_STEP_MM
    fall[~seen] = 0.0
    radius = np.hypot(x, y)
    weight = np.exp(-((radius / 16.0) ** 4))
    weight = weight / weight.sum()
    # A plane first, of the tilt and height with the most edge, nearer to the body than the disc's middle.
    expected = abs(disc) - 4.0
    best, plane = -np.inf, None
    for tilt_x in PLATE_TILTS:
        for tilt_y in PLATE_TILTS:
            shift = tilt_x * x + tilt_y * y
            offsets = np.arange(max(low + 2, expected - 7), min(high - 2, expected + 6), 1.0)
            for offset in offsets:
                place = np.clip((offset + shift - low) / HEIGHT_STEP_MM, 0, len(heights) - 1).astype(int)
                edge = np.take_along_axis(fall, place[None], axis=0)[0]
                score = float((edge * weight).sum()) - 0.8 * abs(offset - expected) - 15 * (tilt_x**2 + tilt_y**2)
                if score > best:
                    best, plane = score, offset + shift
    assert plane is not None
    # Then each place for itself, near the plane.
    fine = ndimage.gaussian_filter(fall, (0, 1.0, 1.0))
    away = heights[:, None, None] - plane[None]
    value = fine - PLATE_STIFF * away**2
    value[np.abs(away) > 6] = -np.inf
    height = heights[value.argmax(axis=0)]
    height = ndimage.median_filter(height, 5, mode="nearest")
    height = ndimage.gaussian_filter(height, 1.0, mode="nearest")
    beyond = radius > 22
    height[beyond] = (height + plane)[beyond] / 2
    return side * height, best


def _wall(work: Image, frame: BodyFrame, low: float, high: float) -> tuple[Array, Array, float]:
    """Radius of the wall by height and angle, and how sharp its edge is in HU."""
    heights = np.arange(max(low, -CUT_MM) - 1.5, min(high, CUT_MM) + 1.6, WALL_STEP_MM)
    angle = 2 * np.pi * np.arange(ANGLES) / ANGLES
    x, y = np.sin(angle)[:, None] * RADII_MM, np.cos(angle)[:, None] * RADII_MM
    local = np.stack(
        np.broadcast_arrays(x[None], y[None], heights[:, None, None]),
        axis=-1,
    )
    hu = sample(work, frame.to_ras(local))
    seen = hu > OUTSIDE_HU + 1
    smooth = ndimage.gaussian_filter1d(np.clip(hu, *CLIP_HU), 1.2, axis=2, mode="nearest")
    smooth = ndimage.gaussian_filter1d(smooth, 1.0, axis=1, mode="wrap")
    fall = -np.gradient(smooth, axis=2) * 2 / (RADII_MM[1] - RADII_MM[0])
    fall[~seen] = 0.0
    fall = ndimage.gaussian_filter1d(fall, 1.0, axis=0, mode="nearest")
    # The wall passes in front of the canal, through the pedicles' roots.
    fall[:, y < frame.canal + CANAL_MM] = -100.0
    rough = _closed_path(fall.mean(axis=0, keepdims=True) - 0.024 * (RADII_MM - 18.0) ** 2, 12.0)[0]
    prior = ndimage.gaussian_filter1d(RADII_MM[rough], 2.0, mode="wrap")
    away = RADII_MM[None] - prior[:, None]
    path = _closed_path(fall - 0.5 * away[None] ** 2, 14.0)
    wall = RADII_MM[path]
    edges = np.take_along_axis(fall, path[..., None], axis=2)[..., 0]
    wall = ndimage.gaussian_filter(wall, (0.7, 1.0), mode=("nearest", "wrap"))
    return heights, wall, float(np.median(edges))


def _closed_path(value: Array, stiffness: float) -> NDArray[np.int64]:
    """For each layer and row (rows go round) the column of the path with the largest sum; steps are paid for squared.

    :param value: (layers, rows, columns).
    """
    layers, rows, columns = value.shape
    # The middle one of two turns has forgotten where the path began and ended.
    twice = np.concatenate([value, value], axis=1)
    jumps = np.arange(-3, 4)
    total = twice[:, 0]
    came = np.zeros(twice.shape, np.int64)
    index = np.arange(columns)
    for row in range(1, 2 * rows):
        padded = np.pad(total, ((0, 0), (3, 3)), constant_values=-np.inf)
        ways = np.stack([padded[:, 3 + jump : 3 + jump + columns] - stiffness * jump**2 for jump in jumps])
        best = ways.argmax(axis=0)
        came[:, row] = index + jumps[best]
        total = twice[:, row] + np.take_along_axis(ways, best[None], axis=0)[0]
    path = np.empty((layers, 2 * rows), np.int64)
    path[:, -1] = total.argmax(axis=1)
    each = np.arange(layers)
    for row in range(2 * rows - 1, 0, -1):
        path[:, row - 1] = came[each, row, path[:, row]]
    start = rows // 2
    return np.roll(path[:, start : start + rows], start, axis=1)
