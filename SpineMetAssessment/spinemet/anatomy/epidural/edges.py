"""Edges of an outline in a cut, found between its points: extents finer than the points lie apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Shares = NDArray[np.float32]

HALF = 0.5
"""Where the softened outline, interpolated, passes this, its edge lies."""

APEX_MM = 2.0
"""The rim this far to either side of its outermost point is taken as one arc: a step of the outline moves it little.
Ours, from synthetic segments; a rim 4 mm wide of a cord 9 mm wide is a parabola within 0.05 mm."""

_FEWEST_POINTS = 5


def depths(shares: Shares, step: float) -> Array:
    """Length (cuts,) in mm from the backmost to the frontmost edge; NaN where nothing is outlined.

    :param shares: softened outline (cuts, back to front, left to right).
    :param step: mm between points.
    """
    found = np.full(len(shares), np.nan)
    for n, cut in enumerate(shares):
        columns = np.flatnonzero((cut >= HALF).any(axis=0))
        if len(columns):
            part = cut[:, columns]
            front, back = (apex(_outermost(side), step) for side in (part, part[::-1]))
            found[n] = (front + back - (len(cut) - 1)) * step
    return found


def extents(shares: Shares, angles: Array, step: float) -> Array:
    """Length (cuts, angles) in mm of each cut's outline along each direction; NaN where nothing is outlined.

    :param angles: directions in radians from the columns' way to the rows' way; the second half repeats the first.
    """
    widths = np.full((len(shares), len(angles)), np.nan)
    half = angles[: len(angles) // 2]
    ways = np.stack([np.cos(half), np.sin(half)])
    for n, cut in enumerate(shares):
        rim = _rim(cut)
        if len(rim):
            widths[n] = np.tile(np.ptp(rim @ ways, axis=0) * step, 2)
    return widths


def apex(edge: Array, step: float) -> float:
    """The outermost place of an edge, its steps evened out over `APEX_MM`.

    :param edge: place (n,) of the edge in every column, in points, `step` mm apart.
    """
    most, reach = int(edge.argmax()), max(2, round(APEX_MM / step))
    near = edge[max(0, most - reach) : most + reach + 1]
    away = np.arange(len(near)) - min(most, reach)
    # Beyond a corner the edge is another one.
    kept = near > near.max() - APEX_MM / step
    if kept.sum() < _FEWEST_POINTS:
        return float(edge[most])
    bend, slope, height = np.polyfit(away[kept], near[kept], 2)
    if bend >= 0:
        return float(edge[most])
    top = float(np.clip(-slope / (2 * bend), away[kept].min(), away[kept].max()))
    return float(height + top * (slope + top * bend))


def _outermost(cut: Shares) -> Array:
    """Place (columns,) along the rows, in points, where each column's last edge lies; every column has one."""
    inside = cut >= HALF
    last = len(cut) - 1 - inside[::-1].argmax(axis=0)
    column = np.arange(cut.shape[1])
    here, beyond = cut[last, column], cut[np.minimum(last + 1, len(cut) - 1), column]
    return np.asarray(last + (here - HALF) / np.maximum(here - beyond, 1e-6), dtype=np.float64)


def _rim(cut: Shares) -> Array:
    """Points (n, 2) of the edge, column and row, between neighboring points of which one is inside."""
    found = []
    for axis in (0, 1):
        one, other = (cut[:-1], cut[1:]) if axis == 0 else (cut[:, :-1], cut[:, 1:])
        rows, columns = np.nonzero((one >= HALF) != (other >= HALF))
        a, b = one[rows, columns].astype(float), other[rows, columns].astype(float)
        share = (a - HALF) / (a - b)
        found.append(np.column_stack([columns + share * (axis == 1), rows + share * (axis == 0)]))
    return np.concatenate(found)
