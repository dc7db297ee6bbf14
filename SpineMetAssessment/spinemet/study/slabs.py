"""Slabs: the contours of a region as a body with thickness, and the voxels that lie in it.

A contour stands for the slab halfway to its neighbors; the outermost reach half the usual distance beyond.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinemet.image import Grid
from spinemet.study.polygons import Polygon, fill, inside

# Tolerances of ours. Planning systems round coordinates to a hundredth of a millimeter or better.
SAME_PLANE_MM = 0.1
"""Contours this close along the normal lie in one plane."""
SKIPPED_SLICE = 1.5
"""A distance wider than this many times the usual one has a slice without a contour."""
LARGEST_BRIDGE = 2.5
"""Up to this many times the usual distance, a region whose contours overlap goes on through it."""
BOUNDARY_MM = 1e-4
"""A voxel this close to the border of two slabs belongs to the upper one."""
_POINTS_AT_ONCE = 500_000


@dataclass(frozen=True, eq=False)
class Slab:
    """Contours of one plane and the part of the normal for which they stand, in mm.

    :param polygons: corners (n, 2) along the plane's two axes, in mm.
    """

    depth: float
    low: float
    high: float
    polygons: tuple[Polygon, ...]


def build_slabs(contours: Sequence[NDArray[np.float64]], title: str) -> tuple[tuple[Slab, ...], list[str]]:
    """Contours (n, 3) in the plane's axes, grouped by plane and given their thickness."""
    depths = np.array([points[:, 2].mean() for points in contours])
    order = np.argsort(depths, kind="stable")
    planes: list[list[int]] = []
    for index in order:
        if planes and depths[index] - depths[planes[-1][0]] <= SAME_PLANE_MM:
            planes[-1].append(int(index))
        else:
            planes.append([int(index)])
    notes: list[str] = []
    polygons = [_without_copies([contours[index][:, :2] for index in plane]) for plane in planes]
    copies = len(contours) - sum(len(plane) for plane in polygons)
    if copies:
        notes.append(f"{title}: {copies} contours drawn twice were taken once.")
    places = np.array([depths[plane].mean() for plane in planes])
    if len(places) == 1:
        notes.append(f"{title} has contours in one plane only; its mask is one voxel thick.")
        return (Slab(places[0], places[0], places[0], tuple(polygons[0])),), notes
    gaps = np.diff(places)
    usual = float(np.median(gaps))
    # Reach of each contour downward and upward: halfway to its neighbor, or half the usual distance at an end.
    reach = np.full((len(places), 2), usual / 2)
    for n, gap in enumerate(gaps):
        wide = gap > SKIPPED_SLICE * usual
        bridged = not wide or (gap <= LARGEST_BRIDGE * usual and _overlap(polygons[n], polygons[n + 1]))
        if bridged:
            reach[n, 1] = reach[n + 1, 0] = gap / 2
        if wide:
            verb = "goes on through" if bridged else "is parted by"
            notes.append(f"{title} {verb} a distance of {gap:.1f} mm without contours (usual: {usual:.1f} mm).")
    slabs = [
        Slab(float(place), float(place - down), float(place + up), tuple(plane))
        for place, (down, up), plane in zip(places, reach, polygons, strict=True)
    ]
    return tuple(slabs), notes


def _without_copies(polygons: list[Polygon]) -> list[Polygon]:
    """Each polygon once: a copy would undo its original."""
    kept: dict[bytes, Polygon] = {}
    for polygon in polygons:
        corners = polygon[:-1] if len(polygon) > 1 and np.array_equal(polygon[0], polygon[-1]) else polygon
        rounded = np.round(corners, 3) + 0.0
        key = rounded[np.lexsort(rounded.T)].tobytes()
        kept.setdefault(key, polygon)
    return list(kept.values())


def _overlap(below: Sequence[Polygon], above: Sequence[Polygon]) -> bool:
    """Whether the boxes round the contours of two planes overlap."""
    boxes = [(np.min(np.concatenate(part), axis=0), np.max(np.concatenate(part), axis=0)) for part in (below, above)]
    return bool(np.all(np.maximum(boxes[0][0], boxes[1][0]) < np.minimum(boxes[0][1], boxes[1][1])))


def fill_slabs(grid: Grid, slabs: Sequence[Slab], axes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The voxels (k, j, i) of a grid whose centers lie in a body of slabs.

    :param axes: 3×3, rows are the RAS unit vectors along x and y of the slabs' planes, and their normal.
    """
    axis = _slice_axis(grid, axes[2])
    return _fill_obliquely(grid, slabs, axes) if axis is None else _fill_slices(grid, slabs, axes, axis)


def _slice_axis(grid: Grid, normal: NDArray[np.float64]) -> int | None:
    """The grid's axis (0 i, 1 j, 2 k) whose slices are parallel to the contours, None when there is none."""
    # How far the depth changes over the crop along each axis.
    climb = np.abs(normal @ grid.ijk_to_ras[:3, :3]) * np.array(grid.shape[::-1])
    axis = int(np.argmax(climb))
    return axis if np.delete(climb, axis).max() <= SAME_PLANE_MM else None


def _fill_slices(grid: Grid, slabs: Sequence[Slab], axes: NDArray[np.float64], axis: int) -> NDArray[np.bool_]:
    """Scan lines on slices that are parallel to the contours."""
    size = grid.shape[::-1]
    x, y = [other for other in range(3) if other != axis]
    result = np.zeros((size[axis], size[y], size[x]), dtype=bool)
    middle = (np.array(size) - 1.0) / 2
    for index in range(size[axis]):
        middle[axis] = index
        depth = float(axes[2] @ grid.to_world(middle))
        slab = _slab_at(slabs, depth)
        if slab is None:
            continue
        polygons = []
        for polygon in slab.polygons:
            corners = np.column_stack([polygon, np.full(len(polygon), depth)]) @ axes
            polygons.append(grid.to_index(corners)[:, [x, y]])
        result[index] = fill(polygons, (size[y], size[x]))
    # From (slices, y, x) to (k, j, i).
    return np.ascontiguousarray(np.moveaxis(result, 0, 2 - axis))


def _slab_at(slabs: Sequence[Slab], depth: float) -> Slab | None:
    index = int(np.searchsorted([slab.low for slab in slabs], depth + BOUNDARY_MM, side="right")) - 1
    return slabs[index] if index >= 0 and depth < slabs[index].high - BOUNDARY_MM else None


def _fill_obliquely(grid: Grid, slabs: Sequence[Slab], axes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Every voxel center of a grid that cuts through the contours' planes, a few slices at a time."""
    result = np.zeros(grid.shape, dtype=bool)
    at_once = max(1, _POINTS_AT_ONCE // (grid.shape[1] * grid.shape[2]))
    for start in range(0, grid.shape[0], at_once):
        part = grid.crop((slice(start, start + at_once), slice(None), slice(None)))
        result[start : start + at_once] = _fill_points(part, slabs, axes)
    return result


def _fill_points(grid: Grid, slabs: Sequence[Slab], axes: NDArray[np.float64]) -> NDArray[np.bool_]:
    matrix, offset = axes @ grid.ijk_to_ras[:3, :3], axes @ grid.ijk_to_ras[:3, 3]
    k, j, i = (np.arange(n, dtype=float) for n in grid.shape)
    x, y, depth = (
        (
            (offset[row] + matrix[row, 2] * k)[:, None, None] + (matrix[row, 1] * j)[:, None] + matrix[row, 0] * i
        ).ravel()
        for row in range(3)
    )
    highs = np.array([slab.high for slab in slabs])
    index = np.searchsorted([slab.low for slab in slabs], depth + BOUNDARY_MM, side="right") - 1
    index[(index >= 0) & (depth >= highs[index] - BOUNDARY_MM)] = -1
    result = np.zeros(len(depth), dtype=bool)
    order = np.argsort(index, kind="stable")
    bounds = np.searchsorted(index[order], np.arange(len(slabs) + 1))
    for n, slab in enumerate(slabs):
        chosen = order[bounds[n] : bounds[n + 1]]
        if len(chosen):
            result[chosen] = inside(np.column_stack([x[chosen], y[chosen]]), slab.polygons)
    return result.reshape(grid.shape)
