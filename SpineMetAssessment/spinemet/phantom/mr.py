"""MR images of a synthetic patient: thick slices, own posture, bias field, Rician noise."""

from __future__ import annotations

import numpy as np

from spinemet.case import Role
from spinemet.image import Grid, Image
from spinemet.levels import Level
from spinemet.phantom.background import background
from spinemet.phantom.model import Model
from spinemet.phantom.noise import rician
from spinemet.phantom.paint import Canvas, paint
from spinemet.phantom.solids import Array
from spinemet.phantom.stack import turn
from spinemet.phantom.tissue import Tissue, values

NOISE = 18.0
"""Standard deviation of the complex noise; cerebrospinal fluid on T2 is 980."""

GRAIN = 0.05
"""Spread of marrow signal, relative."""

_SLICE_SAMPLES = 4
"""Each thick slice is the mean of this many thin ones: through-plane partial volume."""

_PROTOCOL: dict[Role, tuple[tuple[float, float, float], tuple[int, int, int], tuple[float, float, float]]] = {
    # in-plane and slice spacing mm, voxels (i, j, k), obliquity about right, anterior, superior in degrees
    Role.T1: ((0.75, 0.75, 4.0), (384, 432, 17), (2.0, 1.5, 3.0)),
    Role.T2: ((0.7, 0.7, 4.0), (384, 448, 17), (2.0, 1.5, 3.0)),
    Role.STIR: ((0.9, 0.9, 4.4), (304, 352, 15), (2.0, 2.5, 3.0)),
}
_AXIAL = ((0.6, 0.6, 3.0), (320, 320, 90))


def mr_grid(model: Model, role: Role) -> Grid:
    """Sagittal slices from left to right; rows run to the feet, columns to the back. The field of view may cut.

    An axial T2 (`spec.mr_plane`) runs to the left, to the back and to the head.
    """
    spacing, size, tilt = _PROTOCOL[role]
    poses = model.mr.poses
    middle = np.mean([poses[level][:3, 3] for level in (Level.T11, Level.L1, Level.L5)], axis=0)
    center = middle + np.array([0.0, -22.0, 0.0])
    axes = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
    if role is Role.T2 and model.spec.mr_plane == "axial":
        spacing, size = _AXIAL
        axes = np.array([[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]])
    wanted = model.spec.mr
    if wanted.spacing is not None:
        ni, nj, nk = (int(n) for n in np.ceil(np.array(size) * np.array(spacing) / wanted.spacing))
        spacing, size = wanted.spacing, (ni, nj, nk)
    matrix = np.eye(4)
    matrix[:3, :3] = turn(*tilt)[:3, :3] @ (axes * np.array(spacing)[:, None]).T
    matrix[:3, 3] = center - matrix[:3, :3] @ ((np.array(size) - 1) / 2)
    grid = Grid((size[2], size[1], size[0]), np.round(matrix, 6))
    return grid if wanted.cut_mm == (0.0, 0.0) else _cut(grid, wanted.cut_mm)


def _cut(grid: Grid, cut_mm: tuple[float, float]) -> Grid:
    """The grid without so many millimeters at its upper and lower edge."""
    axis = int(np.argmax(np.abs(grid.directions[2])))
    upper, lower = (round(cut / float(grid.spacing[axis])) for cut in cut_mm)
    first, last = (upper, lower) if grid.directions[2, axis] < 0 else (lower, upper)
    region = [slice(None)] * 3
    region[2 - axis] = slice(first, grid.shape[2 - axis] - last)
    return grid.crop((region[0], region[1], region[2]))


def make_mr(model: Model, role: Role) -> Image:
    """One MR series (int16, arbitrary units)."""
    grid = mr_grid(model, role)
    fine = _thin_slices(grid)
    table = values(role, model.spec.trabecular_hu)
    seed = model.spec.seed * 10 + list(_PROTOCOL).index(role)
    volume = background(model.mr, fine, [table], model.spec.seed)[0]
    width = float(1.1 * np.mean(grid.spacing[:2]))
    canvas = Canvas(fine, [table], [volume.reshape(-1)], width, [GRAIN * table[Tissue.MARROW]])
    paint(canvas, model, model.mr, model.spec.seed)
    thick = volume.reshape(grid.shape[0], _SLICE_SAMPLES, *grid.shape[1:]).mean(axis=1)
    thick *= _bias(grid, seed)
    noisy = rician(thick, NOISE * model.spec.mr.noise, seed)
    return Image(np.clip(np.rint(noisy), 0, 32767).astype(np.int16), grid.ijk_to_ras, name=role.value)


def _thin_slices(grid: Grid) -> Grid:
    n = _SLICE_SAMPLES
    matrix = grid.ijk_to_ras.copy()
    matrix[:3, 3] = grid.to_world([0.0, 0.0, (1 / n - 1) / 2])
    matrix[:3, 2] /= n
    return Grid((grid.shape[0] * n, *grid.shape[1:]), matrix)


def _bias(grid: Grid, seed: int) -> Array:
    """Sensitivity of the spine coil: brighter at the back, falling off toward the ends by up to a fifth."""
    rng = np.random.default_rng([seed, 8])
    k, j, i = (np.linspace(-1, 1, n, dtype=np.float32) for n in grid.shape)
    a, b = rng.uniform(-0.06, 0.06, 2)
    direction = np.argmax(np.abs(grid.directions[1]))
    depth = (k[:, None, None], j[None, :, None], i[None, None, :])[2 - int(direction)]
    toward_back = depth * np.float32(-np.sign(grid.directions[1, direction]))
    field = 1 + 0.14 * toward_back + a * k[:, None, None] + b * j[None, :, None] - 0.08 * (j * j)[None, :, None]
    return np.asarray(field, dtype=np.float32)
