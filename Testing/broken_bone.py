"""A vertebra of plain blocks with a cortical shell, a lesion and holes of known size, as a CT on any grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from anatomy_solids import turned
from spinemet.anatomy import LevelHint, Vertebra, measure_vertebra
from spinemet.image import Grid, Image
from spinemet.levels import Level

SHELL_HU, MARROW_HU, SOFT_HU, LYTIC_HU = 900.0, 170.0, 50.0, 45.0
SHELL_MM = 1.2
FINE_MM = 0.4
WIDTH, DEPTH, HEIGHT, CANAL_WIDTH, CANAL_DEPTH = 44.0, 32.0, 26.0, 24.0, 17.0
"""Of the body and the canal in mm: flat endplates, a flat posterior wall and a rectangular canal."""


LOW, HIGH = np.array([-26.0, -66.0, -18.0]), np.array([26.0, 21.0, 18.0])
"""Box that holds the bone, own coordinates."""


@dataclass(frozen=True)
class Hole:
    """A round hole through the shell: a cylinder along one axis, open to one side.

    :param center: own coordinates, on the surface.
    :param axis: 0 right, 1 anterior, 2 superior.
    """

    center: tuple[float, float, float]
    axis: int
    radius: float

    @property
    def area(self) -> float:
        return float(np.pi * self.radius**2)


def bone(points: NDArray) -> NDArray[np.bool_]:
    """Whether points in own coordinates (right, anterior, superior from the body's center) lie in bone."""
    x, y, z = np.moveaxis(points, -1, 0)
    back = -DEPTH / 2
    # A round front, a flat back.
    outline = np.where(y < 0, np.abs(x) <= WIDTH / 2, (2 * x / WIDTH) ** 2 + (2 * y / DEPTH) ** 2 <= 1)
    body = outline & (np.abs(y) <= DEPTH / 2) & (np.abs(z) <= HEIGHT / 2)
    side = (np.abs(np.abs(x) - CANAL_WIDTH / 2 - 3.5) <= 3.5) & (y <= back) & (y >= back - CANAL_DEPTH - 6)
    pedicle = side & (np.abs(z - 3) <= 7)
    lamina = (np.abs(x) <= CANAL_WIDTH / 2 + 7) & (np.abs(y - back + CANAL_DEPTH + 3) <= 3) & (np.abs(z) <= 8)
    spinous = (np.abs(x) <= 3.5) & (y <= back - CANAL_DEPTH - 5) & (y >= back - CANAL_DEPTH - 28) & (np.abs(z) <= 8)
    return np.asarray(body | pedicle | lamina | spinous)


@dataclass(frozen=True, eq=False)
class BrokenBone:
    """Images of one vertebra on a grid, and where its center lies."""

    ct: Image
    mask: Image
    lesion: Image
    vertebra: Vertebra
    pose: NDArray
    center: NDArray

    def to_ras(self, own: tuple[float, float, float]) -> NDArray:
        return np.asarray(own) @ self.pose.T + self.center


def broken_bone(
    lesion_center: tuple[float, float, float],
    lesion_radius: float,
    holes: tuple[Hole, ...] = (),
    *,
    spacing: tuple[float, float, float] = (0.8, 0.8, 0.8),
    axes: NDArray | None = None,
    pose: NDArray | None = None,
    blur_mm: float = 0.4,
    noise_hu: float = 15.0,
    seed: int = 0,
) -> BrokenBone:
    """Paint finely in own coordinates, blur as a scanner does, average over the voxels of the grid.

    The lesion is a ball below an intact shell; a hole takes the shell away and fills it with tumor.
    """
    grid_axes = np.eye(3) if axes is None else axes
    turn = np.eye(3) if pose is None else pose
    center = np.array([4.0, -11.0, 23.0])
    fine, hu = _fine(lesion_center, lesion_radius, holes)
    hu = ndimage.gaussian_filter(hu, blur_mm / FINE_MM)
    own = np.eye(4)
    own[:3, :3] = turn
    own[:3, 3] = center
    in_world = Image(hu, own @ fine.ijk_to_ras)
    grid = _grid(grid_axes, turn, center, spacing)
    k, j, i = np.indices(grid.shape)
    index = np.stack([i, j, k], axis=-1).astype(float)
    values = np.zeros(grid.shape, np.float32)
    counts = [max(1, round(step / 0.7)) for step in spacing]
    offsets = np.stack(np.meshgrid(*[(np.arange(n) + 0.5) / n - 0.5 for n in counts], indexing="ij"), -1)
    for offset in offsets.reshape(-1, 3):
        values += in_world.sample(grid.to_world(index + offset), outside=SOFT_HU)
    values /= len(offsets.reshape(-1, 3))
    values += np.random.default_rng(seed).normal(0, noise_hu, values.shape).astype(np.float32)
    local = (grid.to_world(index) - center) @ turn
    inside = bone(local)
    tumor = inside & _tumor(local, lesion_center, lesion_radius, holes)
    mask = Image(inside, grid.ijk_to_ras)
    hint = LevelHint(tuple(turn[:, 2]), tuple(turn[:, 1]))
    vertebra = measure_vertebra(mask, Level.L2, hint=hint)
    return BrokenBone(Image(values, grid.ijk_to_ras), mask, Image(tumor, grid.ijk_to_ras), vertebra, turn, center)


def oblique() -> NDArray:
    """A tilted, left-handed grid."""
    return turned(pitch=17, roll=-12, yaw=25) @ np.diag([-1.0, 1.0, 1.0])


@cache
def _depth() -> tuple[Grid, NDArray, NDArray]:
    """The fine grid, its points, and how deep below the bone's surface they lie."""
    shape = np.ceil((HIGH - LOW) / FINE_MM).astype(int)
    matrix = np.diag([FINE_MM, FINE_MM, FINE_MM, 1.0])
    matrix[:3, 3] = LOW + FINE_MM / 2
    grid = Grid(tuple(shape[::-1]), matrix)
    k, j, i = np.indices(grid.shape)
    points = grid.to_world(np.stack([i, j, k], axis=-1)).astype(np.float32)
    depth = ndimage.distance_transform_edt(bone(points), sampling=FINE_MM) - FINE_MM / 2
    return grid, points, depth


def _fine(lesion_center, lesion_radius, holes) -> tuple[Grid, NDArray]:
    grid, points, depth = _depth()
    inside, shell = depth > 0, (depth > 0) & (depth < SHELL_MM)
    hu = np.where(inside, MARROW_HU, SOFT_HU).astype(np.float32)
    away = np.linalg.norm(points - np.array(lesion_center, np.float32), axis=-1)
    hu[inside & (away <= lesion_radius)] = LYTIC_HU
    hu[shell] = SHELL_HU
    for hole in holes:
        hu[shell & _through(points, hole)] = LYTIC_HU
    return grid, hu


def _tumor(points, center, radius, holes) -> NDArray[np.bool_]:
    found = np.linalg.norm(points - np.array(center), axis=-1) <= radius
    for hole in holes:
        found |= _through(points, hole)
    return found


def _through(points, hole: Hole) -> NDArray[np.bool_]:
    away = points - np.array(hole.center)
    along = np.abs(away[..., hole.axis])
    across = np.delete(away, hole.axis, axis=-1)
    return (np.linalg.norm(across, axis=-1) <= hole.radius) & (along <= 3.0)


def _grid(axes, turn, center, spacing) -> Grid:
    corners = np.array([[x, y, z] for x in (LOW[0], HIGH[0]) for y in (LOW[1], HIGH[1]) for z in (LOW[2], HIGH[2])])
    world = corners @ turn.T + center
    index = world @ axes
    first, last = index.min(axis=0) - 2, index.max(axis=0) + 2
    matrix = np.eye(4)
    matrix[:3, :3] = axes * np.array(spacing)
    matrix[:3, 3] = axes @ first
    shape = np.ceil((last - first) / np.array(spacing)).astype(int)
    return Grid((int(shape[2]), int(shape[1]), int(shape[0])), matrix)
