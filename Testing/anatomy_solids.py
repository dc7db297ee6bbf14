"""Vertebra-like solids of known size, voxelized on any grid: truth for the tests of anatomy by construction."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from spinemet.case import Outline, Structure
from spinemet.image import Grid, Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level


@dataclass(frozen=True)
class Solid:
    """A vertebra made of a boxy body, a ring round the canal and processes; mm and degrees.

    Own coordinates: x to the right, y to the front, z to the head; the body's center is the origin and both plates
    tilt equally, so z is the bisector of their normals.

    :param height: of the body at mid-depth without concavity.
    :param wedge: angle between the plates; positive when the front is higher.
    :param lateral: angle between the plates seen from the front; positive when the right side is higher.
    :param concavity: depth of each plate's hollow at its middle.
    :param closed: whether the laminae meet behind the canal.
    """

    width: float = 44.0
    depth: float = 33.0
    height: float = 27.0
    wedge: float = 0.0
    lateral: float = 0.0
    concavity: float = 0.0
    canal: float = 9.0
    closed: bool = True

    def scaled(self, factor: float) -> Solid:
        return replace(
            self,
            width=self.width * factor,
            depth=self.depth * factor,
            height=self.height * factor,
            concavity=self.concavity * factor,
            canal=self.canal * factor,
        )

    def plate(self, x: NDArray, y: NDArray) -> NDArray:
        """Height of the superior surface over the middle plane; the inferior one mirrors it."""
        rho = np.clip((2 * x / self.width) ** 2 + (2 * y / self.depth) ** 2, 0, 1)
        slopes = np.tan(np.deg2rad(self.wedge / 2)) * y + np.tan(np.deg2rad(self.lateral / 2)) * x
        return np.asarray(self.height / 2 + slopes - self.concavity * (1 - rho))

    def height_at(self, share_of_depth: float, share_of_width: float = 0.0) -> float:
        """True height at a share of the depth from the posterior wall and of the width from the middle."""
        x, y = np.array(share_of_width * self.width), np.array((share_of_depth - 0.5) * self.depth)
        return float(2 * self.plate(x, y))

    def in_body(self, points: NDArray) -> NDArray[np.bool_]:
        x, y, z = np.moveaxis(points, -1, 0)
        outline = (2 * np.abs(x) / self.width) ** 4 + (2 * np.abs(y) / self.depth) ** 4 <= 1
        return np.asarray(outline & (np.abs(z) <= self.plate(x, y)))

    def in_arch(self, points: NDArray) -> NDArray[np.bool_]:
        x, y, z = np.moveaxis(points, -1, 0)
        back = -self.depth / 2
        radius = np.hypot(x, y - (back - self.canal))
        size = self.canal / 9.0
        ring = (radius >= self.canal) & (radius <= self.canal + 6 * size) & (np.abs(z) <= 8 * size)
        if not self.closed:
            ring &= np.abs(x) >= 5 * size
        pedicles = (np.abs(np.abs(x) - self.canal - 3 * size) <= 4 * size) & (np.abs(z - 3 * size) <= 6 * size)
        pedicles &= (y <= back + 2) & (y >= back - self.canal)
        behind = back - 2 * self.canal
        spinous = (np.abs(x) <= 3 * size) & (y <= behind - 2) & (y >= behind - 28 * size) & (np.abs(z + 4) <= 8 * size)
        wings = (np.abs(y - back + self.canal) <= 4 * size) & (np.abs(z) <= 5 * size)
        wings &= (np.abs(x) >= self.canal + 2 * size) & (np.abs(x) <= self.canal + 28 * size)
        # Where the body's outline curves away, the arch reaches it, but never over its plates.
        own = (y <= back) | ((y <= back + 2) & (np.abs(z) <= self.plate(x, y)))
        return np.asarray((ring | pedicles | (spinous & self.closed) | wings) & own & ~self.in_body(points))

    def inside(self, points: NDArray) -> NDArray[np.bool_]:
        return self.in_body(points) | self.in_arch(points)

    @property
    def reach(self) -> NDArray[np.float64]:
        """Half extents of a box round the origin that holds everything."""
        size = self.canal / 9.0
        sideways = max(self.width / 2, self.canal + 28 * size)
        return np.array([sideways, self.depth / 2 + 2 * self.canal + 30 * size, self.plate_reach]) + 2.0

    @property
    def plate_reach(self) -> float:
        corner = self.plate(np.array([-1, -1, 1, 1]) * self.width / 2, np.array([-1, 1, -1, 1]) * self.depth / 2)
        return float(max(corner.max(), 14.0))


def turned(*, pitch: float = 0.0, roll: float = 0.0, yaw: float = 0.0) -> NDArray[np.float64]:
    """Rotation matrix by degrees round the right (pitch), anterior (roll) and superior (yaw) axes."""
    return np.asarray(Rotation.from_euler("xyz", [pitch, roll, yaw], degrees=True).as_matrix())


def voxelize(
    solid: Solid,
    *,
    spacing: ArrayLike = 1.0,
    axes: NDArray | None = None,
    pose: NDArray | None = None,
    center: ArrayLike = (0.0, 0.0, 0.0),
    phase: ArrayLike = (0.3, 0.1, 0.2),
) -> Image:
    """Voxels whose centers lie in the solid.

    :param spacing: mm along i, j, k.
    :param axes: rotation of the voxel grid in RAS; None for axial.
    :param pose: rotation of the solid in RAS.
    :param center: RAS position of the body's center.
    :param phase: where the body's center falls within a voxel.
    """
    steps = np.broadcast_to(np.asarray(spacing, dtype=float), (3,))
    grid_axes = np.eye(3) if axes is None else axes
    turn = np.eye(3) if pose is None else pose
    half = np.ceil(np.abs(grid_axes.T @ turn) @ solid.reach / steps).astype(int) + 3
    matrix = np.eye(4)
    matrix[:3, :3] = grid_axes * steps
    matrix[:3, 3] = np.asarray(center) - matrix[:3, :3] @ (half + np.asarray(phase))
    shape = tuple(int(n) for n in (2 * half + 1)[::-1])
    grid = Grid((shape[0], shape[1], shape[2]), matrix)
    k, j, i = np.indices(grid.shape)
    local = (grid.to_world(np.stack([i, j, k], axis=-1)) - np.asarray(center)) @ turn
    return Image(solid.inside(local), grid.ijk_to_ras, name="solid")


def stack(solids: dict[Level, Solid], *, spacing: ArrayLike = 1.0, disc: float = 9.0) -> LabelMap:
    """Label map of solids piled up with discs of equal height, the first level on top, all upright."""
    steps = np.broadcast_to(np.asarray(spacing, dtype=float), (3,))
    reach = np.max([solid.reach for solid in solids.values()], axis=0)
    total = sum(solid.height + disc for solid in solids.values())
    shape = np.ceil(np.array([2 * reach[0] + 8, 2 * reach[1] + 8, total + 60]) / steps).astype(int)
    matrix = np.diag([*steps, 1.0])
    matrix[:3, 3] = (-reach[0] - 4, -reach[1] - 4, -total - 30)
    grid = Grid((int(shape[2]), int(shape[1]), int(shape[0])), matrix)
    array = np.zeros(grid.shape, np.uint8)
    height = 0.0
    outlines = {}
    for value, (level, solid) in enumerate(solids.items(), start=1):
        height -= solid.height / 2
        box = solid.reach * np.array([[-1.0], [1.0]]) + (0.0, 0.0, height)
        region = grid.region_around(box)
        k, j, i = np.indices(array[region].shape)
        points = grid.crop(region).to_world(np.stack([i, j, k], axis=-1)) - (0.0, 0.0, height)
        array[region][solid.inside(points) & (array[region] == 0)] = value
        outlines[value] = Outline(Structure.VERTEBRA, level)
        height -= solid.height / 2 + disc
    return LabelMap(Image(array, matrix, name="solids"), outlines)
