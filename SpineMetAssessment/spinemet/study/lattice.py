"""Label maps onto the grid of their image when both share the same voxel lattice.

Other programs store the same voxels with the axes in another order or direction, and 3D Slicer stores only the box
that the segments fill. Both are put right without resampling; anything else is another grid.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spinemet.errors import GridMismatch
from spinemet.image import Grid, Image

LATTICE_TOLERANCE_VOXELS = 0.05
"""How far voxel centers of both grids may differ: files round their matrices (ours)."""


def on_grid(labels: Image, reference: Image | None, *, crop_allowed: bool) -> Image:
    """The labels as voxels of the reference's grid and in its frame.

    :param crop_allowed: accept labels that cover only a part of the reference (or reach beyond it with zeros only).
    :raises GridMismatch: the voxels do not coincide.
    """
    if reference is None:
        return labels
    turned = _turned(labels, reference.grid)
    if turned is None:
        reference.require_grid(labels)
        return replace(labels, ijk_to_ras=reference.ijk_to_ras, frame=reference.frame)
    start = _whole_offset(turned, reference.grid)
    if start is None or (not crop_allowed and (start.any() or turned.shape != reference.shape)):
        reference.require_grid(labels)
        return replace(labels, ijk_to_ras=reference.ijk_to_ras, frame=reference.frame)
    array = turned.array
    if start.any() or turned.shape != reference.shape:
        array = _placed(turned, start, reference, labels)
    return replace(labels, array=array, ijk_to_ras=reference.ijk_to_ras, frame=reference.frame)


def _turned(labels: Image, grid: Grid) -> Image | None:
    """The labels with their axes in the order and direction of `grid`'s; None when the axes differ otherwise."""
    cross = grid.ras_to_ijk[:3, :3] @ labels.ijk_to_ras[:3, :3]
    signed = np.rint(cross)
    if np.any(np.abs(signed).sum(axis=0) != 1) or np.any(np.abs(signed).sum(axis=1) != 1):
        return None
    source = [int(np.flatnonzero(signed[axis])[0]) for axis in range(3)]
    flip = [signed[axis, source[axis]] < 0 for axis in range(3)]
    array = labels.array.transpose([2 - source[axis] for axis in (2, 1, 0)])
    array = array[tuple(slice(None, None, -1) if flip[axis] else slice(None) for axis in (2, 1, 0))]
    matrix = labels.ijk_to_ras.copy()
    matrix[:3, :3] = labels.ijk_to_ras[:3, source]
    size = labels.shape[::-1]
    for axis in range(3):
        if flip[axis]:
            matrix[:3, 3] += matrix[:3, axis] * (size[source[axis]] - 1)
            matrix[:3, axis] *= -1
    return replace(labels, array=array, ijk_to_ras=matrix)


def _whole_offset(labels: Image, grid: Grid) -> NDArray[np.int64] | None:
    """Index (i, j, k) in `grid` of the labels' first voxel; None when both lattices do not coincide."""
    last = np.array(labels.shape[::-1]) - 1
    corners = np.array(list(np.ndindex(2, 2, 2)), dtype=float) * last
    found = grid.to_index(labels.to_world(corners))
    start = np.rint(found[0])
    if np.max(np.abs(found - (start + corners))) > LATTICE_TOLERANCE_VOXELS:
        return None
    return np.asarray(start.astype(np.int64))


def _placed(turned: Image, start: NDArray[np.int64], reference: Image, labels: Image) -> NDArray:
    array = np.zeros(reference.shape, dtype=turned.array.dtype)
    low = np.maximum(start, 0)[::-1]
    high = np.minimum(start + turned.shape[::-1], reference.shape[::-1])[::-1]
    inner = tuple(slice(int(a), int(max(a, b))) for a, b in zip(low, high, strict=True))
    offset = start[::-1]
    outer = tuple(slice(int(part.start - o), int(part.stop - o)) for part, o in zip(inner, offset, strict=True))
    if np.count_nonzero(turned.array) != np.count_nonzero(turned.array[outer]):
        raise GridMismatch(
            f"{labels.name} has labels outside {reference.name}; choose the image that it was drawn on."
        )
    array[inner] = turned.array[outer]
    return array
