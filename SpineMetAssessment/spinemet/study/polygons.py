"""Points in polygons by the even-odd rule: the XOR of all polygons of a plane, keyholes included.

Half-open everywhere: a point on a left or lower edge is inside, on a right or upper edge outside, so that polygons
which share an edge share no point and leave none out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Polygon = NDArray[np.float64]
"""Corners (n, 2) in (x, y); the last is joined to the first."""


def fill(polygons: Sequence[Polygon], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Which pixels (y, x), at whole coordinates, have their center inside an odd number of polygons.

    :param shape: number of rows (y) and columns (x).
    """
    rows, columns = shape
    x0, y0, x1, y1 = _edges(polygons)
    # Rows that an edge crosses: from its lower end (included) to its upper end (left out).
    low = np.clip(np.ceil(np.minimum(y0, y1)), 0, rows).astype(np.int64)
    high = np.clip(np.ceil(np.maximum(y0, y1)), 0, rows).astype(np.int64)
    edge, row = _expanded(low, high)
    x = x0[edge] + (row - y0[edge]) * (x1[edge] - x0[edge]) / (y1[edge] - y0[edge])
    # A crossing turns all pixels from here on to the right; those right of the image turn none.
    first = np.clip(np.ceil(x), 0, columns).astype(np.int64)
    turns = np.bincount(row * (columns + 1) + first, minlength=rows * (columns + 1)).reshape(rows, columns + 1)
    return np.asarray(np.cumsum(turns[:, :columns], axis=1) % 2 == 1)


def inside(points: NDArray[np.float64], polygons: Sequence[Polygon]) -> NDArray[np.bool_]:
    """Which points (n, 2) lie inside an odd number of polygons."""
    order = np.argsort(points[:, 1], kind="stable")
    xs, ys = points[order, 0], points[order, 1]
    x0, y0, x1, y1 = _edges(polygons)
    low = np.searchsorted(ys, np.minimum(y0, y1), side="left")
    high = np.searchsorted(ys, np.maximum(y0, y1), side="left")
    edge, point = _expanded(low, high)
    x = x0[edge] + (ys[point] - y0[edge]) * (x1[edge] - x0[edge]) / (y1[edge] - y0[edge])
    crossings = np.bincount(point[xs[point] >= x], minlength=len(points))
    result = np.empty(len(points), dtype=bool)
    result[order] = crossings % 2 == 1
    return result


def area(polygons: Sequence[Polygon]) -> float:
    """Area inside an odd number of polygons, none of which cross: holes, and islands within them, by nesting."""
    total = 0.0
    for index, polygon in enumerate(polygons):
        others = [other for number, other in enumerate(polygons) if number != index]
        depth = sum(int(inside(polygon[:1], [other])[0]) for other in others)
        total += abs(signed_area(polygon)) * (-1) ** depth
    return total


def signed_area(polygon: Polygon) -> float:
    """Area of one polygon, positive when its corners run from x to y."""
    x, y = (polygon - polygon[0]).T
    return float(0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


def _edges(polygons: Sequence[Polygon]) -> tuple[NDArray[np.float64], ...]:
    """Both ends (x0, y0, x1, y1) of all edges that are not level; level ones cross no row."""
    starts = np.concatenate([np.asarray(polygon, dtype=float) for polygon in polygons])
    ends = np.concatenate([np.roll(polygon, -1, axis=0) for polygon in polygons])
    # Both directions of an edge must give the same crossings to the last bit: a keyhole's channel cancels.
    swap = ends[:, 1] < starts[:, 1]
    starts[swap], ends[swap] = ends[swap], starts[swap].copy()
    steep = starts[:, 1] != ends[:, 1]
    return starts[steep, 0], starts[steep, 1], ends[steep, 0], ends[steep, 1]


def _expanded(low: NDArray[np.int64], high: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every whole number from `low` to below `high` of each range, with the range's index."""
    counts = high - low
    index = np.repeat(np.arange(len(low)), counts)
    within = np.arange(len(index)) - np.repeat(np.cumsum(counts) - counts, counts)
    return index, low[index] + within
