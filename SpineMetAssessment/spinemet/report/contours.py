"""Outlines of a sampled mask as closed lines of subpixel accuracy (marching squares)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LEFT, _TOP, _RIGHT, _BOTTOM = range(4)
_SEGMENTS: dict[int, tuple[tuple[int, int], ...]] = {
    1: ((_LEFT, _TOP),), 2: ((_TOP, _RIGHT),), 3: ((_LEFT, _RIGHT),), 4: ((_RIGHT, _BOTTOM),),
    5: ((_LEFT, _TOP), (_RIGHT, _BOTTOM)), 6: ((_TOP, _BOTTOM),), 7: ((_LEFT, _BOTTOM),), 8: ((_BOTTOM, _LEFT),),
    9: ((_BOTTOM, _TOP),), 10: ((_TOP, _RIGHT), (_BOTTOM, _LEFT)), 11: ((_BOTTOM, _RIGHT),), 12: ((_RIGHT, _LEFT),),
    13: ((_RIGHT, _TOP),), 14: ((_TOP, _LEFT),),
}  # fmt: skip
"""Edges crossed in a cell by its corners above the threshold (top left 1, top right 2, bottom right 4, bottom
left 8), directed so that the inside lies to the left: so each edge is entered once and left once."""


def contours(values: NDArray[np.floating], threshold: float = 0.5) -> list[NDArray[np.float64]]:
    """Closed lines where `values` (rows, columns) crosses `threshold`.

    Each line is an array (n, 2) of (column, row) positions; pixel centers lie at whole numbers, and its first point
    is not repeated at its end. What touches the border is closed along it, half a pixel outside at most.
    """
    padded = np.pad(np.nan_to_num(np.asarray(values, dtype=float)), 1, constant_values=0.0)
    crossings = _crossings(padded, threshold)
    following = _links(padded > threshold)
    lines = []
    while following:
        start, edge = following.popitem()
        line = [start]
        while edge != start:
            line.append(edge)
            edge = following.pop(edge)
        lines.append(crossings[np.array(line)] - 1.0)
    return lines


def enclosed_area(lines: list[NDArray[np.float64]]) -> float:
    """Area inside the lines, holes taken off, in square pixels."""
    total = 0.0
    for line in lines:
        x, y = line.T
        total += 0.5 * float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))
    return abs(total)


def _crossings(values: NDArray[np.float64], threshold: float) -> NDArray[np.float64]:
    """Where grid edges are crossed, by number: 2·pixel is the edge to the right, 2·pixel + 1 the edge down."""
    rows, columns = values.shape
    row, column = np.mgrid[0:rows, 0:columns].astype(float)
    points = np.stack([np.stack([column, row], axis=-1)] * 2, axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        points[:, :-1, 0, 0] += (threshold - values[:, :-1]) / (values[:, 1:] - values[:, :-1])
        points[:-1, :, 1, 1] += (threshold - values[:-1]) / (values[1:] - values[:-1])
    return points.reshape(-1, 2)


def _links(inside: NDArray[np.bool_]) -> dict[int, int]:
    """For every crossed edge the one that follows it along the outline."""
    columns = inside.shape[1]
    corner = inside.astype(np.uint8)
    case = corner[:-1, :-1] | corner[:-1, 1:] << 1 | corner[1:, 1:] << 2 | corner[1:, :-1] << 3
    links: dict[int, int] = {}
    rows, cols = np.nonzero((case > 0) & (case < 15))
    for kind, pixel in zip(case[rows, cols].tolist(), (rows * columns + cols).tolist(), strict=True):
        edges = (2 * pixel + 1, 2 * pixel, 2 * (pixel + 1) + 1, 2 * (pixel + columns))
        for start, stop in _SEGMENTS[kind]:
            links[edges[start]] = edges[stop]
    return links
