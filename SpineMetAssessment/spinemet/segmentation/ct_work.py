"""The grid on which vertebrae are sought: isotropic voxels along the patient's axes, cropped to what matters."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from spinemet.image import Grid, Image

OUTSIDE_HU = -2000.0
"""Value beyond the image's edge; no tissue has it."""
HIGHEST_HU = 3000.0
BONE_SPACING_MM, BONE_HU = (1.5, 3.0), (140.0, 105.0)
"""Spacings, and the brightness from which on a voxel counts as bone of an arch."""


def work_image(image: Image, spacing_mm: float, ras: ArrayLike | None = None, margin_mm: float = 0.0) -> Image:
    """`image` in HU (float32) on voxels of `spacing_mm` along right, anterior and superior.

    :param ras: points (n, 3) whose surroundings are wanted; None for the whole image.
    :param margin_mm: how far from the points.
    :raises BadInput: the points lie outside of the image.
    """
    source = image if ras is None else image.crop_around(box_corners(ras, margin_mm))
    grid = aligned_grid(source.grid, spacing_mm, ras, margin_mm)
    values = np.clip(source.array, -1100, HIGHEST_HU).astype(np.float32)
    # A voxel of the coarse grid stands for all fine ones within it, not for the nearest two.
    width = np.maximum(1, np.rint(spacing_mm / source.spacing)).astype(int)[::-1]
    if width.max() > 1:
        values = ndimage.uniform_filter(values, tuple(int(n) for n in width), mode="nearest")
    return source.with_array(values).resample(grid, outside=OUTSIDE_HU)


def bone_hu(spacing: NDArray[np.float64]) -> float:
    """Brightness from which on a voxel of this spacing shows bone of an arch.

    A transverse process is 3 to 5 mm thin: thick voxels share it with muscle and fat.
    """
    return float(np.interp(float(np.max(spacing)), BONE_SPACING_MM, BONE_HU))


def box_corners(ras: ArrayLike, margin_mm: float) -> NDArray[np.float64]:
    """Corners (8, 3) of the box along the patient's axes that holds the points with a margin."""
    points = np.asarray(ras, dtype=float).reshape(-1, 3)
    low, high = points.min(axis=0) - margin_mm, points.max(axis=0) + margin_mm
    return np.stack(np.meshgrid(*zip(low, high, strict=True), indexing="ij"), axis=-1).reshape(-1, 3)


def aligned_grid(grid: Grid, spacing_mm: float, ras: ArrayLike | None = None, margin_mm: float = 0.0) -> Grid:
    """Isotropic grid along the patient's axes over `grid`, or over the part of it round the points."""
    low, high = grid.corners.min(axis=0), grid.corners.max(axis=0)
    if ras is not None:
        corners = box_corners(ras, margin_mm)
        low, high = np.maximum(low, corners.min(axis=0)), np.minimum(high, corners.max(axis=0))
    count = np.maximum(1, np.floor((high - low) / spacing_mm + 1e-6).astype(int) + 1)
    matrix = np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0])
    matrix[:3, 3] = low + ((high - low) - (count - 1) * spacing_mm) / 2
    return Grid((int(count[2]), int(count[1]), int(count[0])), matrix)


def sample(image: Image, ras: NDArray[np.float64]) -> NDArray[Any]:
    """Linear interpolation at RAS points (…, 3); `OUTSIDE_HU` beyond the edge."""
    return image.sample(ras, outside=OUTSIDE_HU)
