"""Endplates: one plane through each plate of a body, which its frame, angles and slips share.

A plate is concave, so the plane through it depends on where its middle is taken: a millimeter forward tips it by
almost a degree. The middle is that of the plate's oval, from the front rim to the two corners beside the canal: the
midline alone is too short, since the canal indents the plate from behind. Key function: `fit_plates`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinemet.anatomy.body import BodyShape, exits_along
from spinemet.anatomy.frame import VertebraFrame
from spinemet.anatomy.layers import carried, layer_steps
from spinemet.anatomy.medians import median
from spinemet.anatomy.sampling import INSIDE, LocalSamples, sample_box
from spinemet.anatomy.solving import solved
from spinemet.evidence import Point
from spinemet.image import Grid, Image

PLATE_SHARE, TAPER = 0.8, 0.4
"""The plane is fitted through this share of the plate's half width and half depth round its center. Weights fall
from 1 to 0 over `TAPER` round that share: a hard edge would cut the steps of the voxel layers anywhere."""
CORNER_BAND = (0.4, 0.7)
"""Where the corners beside the canal are read, as shares of the half width to either side of the middle."""
CORNER_BAND_MM = (1.5, 6.0)
"""The same above the inferior plate's middle: the pedicles stand on the upper half of a body and hide the corners."""
DEEPEST_INDENT = 0.1
"""The canal indents no plate by more than this share of its depth [D]; beyond, a pedicle was read."""
SIDES_AGREE_MM = 1.0
"""Half depths of both sides that differ by more are not both the body's own [D]: the smaller one counts."""
OVAL_EXPONENT = 2.5
"""A plate's outline is an ellipse with fuller corners."""
BEYOND_MM = 5.0
"""Bone farther than this beyond the plate's central plane is a process or a spur [D]."""
WITHIN_MM = 8.0
"""A plate is sought down to this far below its central plane [D]: deep hollows and broken-in plates."""
STEP_MM = (1.0, 1.0, 0.5)
BEHIND_MM = 7.0
"""Room in front of and behind the body in which its edges are sought."""
EDGE_STRIP_MM = 4.0
"""Half width of the midline strip in which the plate's front and back edges are found."""
EDGE_BAND_MM = (1.5, 4.0)
"""The body's front and back are read this far below the plate: its edge itself is rounded."""
EDGE_GAP_MM = 2.0
"""An empty run of this length ends the bone; smaller ones are holes."""
MIN_COLUMNS = 40
BOWL_REACH = (0.6, 0.85)
"""Shares of the oval from which the bowl is told, round by round."""
CENTER_MM, CENTER_PER_VOXEL = 0.5, 0.5
"""95 % half-width of the place of an oval's center along the plate: a constant in mm, and a share of the voxel along
it; measured on synthetic spines at 0.8 to 2 mm (seeds 21–28)."""
LAYER_FACTOR = 1.5
"""Errors at 2 mm exceed what the layers alone do to a smooth plate by this factor (same spines)."""
TILT_PER_CENTER_DEG = 1.5
"""How far a plane tips when its center moves by 1 mm, degrees per mm of residual: of a paraboloid 35 mm deep."""
PLACE_MM, PLACE_PER_VOXEL = 0.2, 0.3
"""95 % half-width of an edge's place: a constant in mm, and a share of the voxel along it. Measured likewise."""


@dataclass(frozen=True)
class Endplate:
    """One endplate.

    :param center: on the plane, at mid-width and in the middle between its edges, RAS.
    :param normal: outward unit normal, RAS.
    :param anterior: front edge in the midline, RAS; `posterior` likewise.
    :param residual: root mean square distance of the plate's surface from its plane, mm.
    :param tilt_error: 95 % half-width of the plane's angle in any direction, degrees.
    :param place_error: 95 % half-width of the edges' place along the plate, mm.
    :param half_depth: of the plate's oval, which reaches back to the corners beside the canal, mm.
    """

    center: Point
    normal: Point
    anterior: Point
    posterior: Point
    residual: float
    tilt_error: float
    place_error: float
    half_depth: float = 0.0

    @property
    def depth(self) -> float:
        """Distance between the edges in mm."""
        return float(np.linalg.norm(np.subtract(self.anterior, self.posterior)))


Surface = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""Columns (n, 2), their heights (n,) and their weights (n,)."""


def fit_plates(mask: Image, frame: VertebraFrame, shape: BodyShape) -> tuple[Endplate | None, Endplate | None]:
    """Superior and inferior endplate of a body, None where too little of one is found.

    :param mask: of the whole vertebra.
    :param shape: the body as found in `frame`.
    """
    samples = _samples(mask, frame, shape)
    rough = {+1: shape.upper, -1: shape.lower}
    middles = {sign: sum(_midline_edges(samples, plane, shape, sign)) / 2 for sign, plane in rough.items()}
    # Both plates' edges are read at the same depth below them, so their difference tells how far the body leans.
    lean = (middles[1] - middles[-1]) / 2
    half = (shape.width / 2, _half_depth(samples, shape))
    middle = shape.front - half[1]
    superior, inferior = (_plate(mask, frame, shape, samples, (middle + sign * lean, half), sign) for sign in (1, -1))
    return superior, inferior


def _samples(mask: Image, frame: VertebraFrame, shape: BodyShape) -> LocalSamples:
    """The whole vertebra sampled over its body, with room for both plates' slopes and for what lies behind it."""
    r, a = shape.middle[:2]
    high, low = (float(plane @ [1.0, r, a]) for plane in (shape.upper, shape.lower))
    slope = 0.3 * shape.depth
    lower = (shape.left, shape.posterior - BEHIND_MM, low - BEYOND_MM - slope)
    upper = (shape.right, shape.front + BEHIND_MM, high + BEYOND_MM + slope)
    return sample_box(mask, frame, lower, upper, STEP_MM)


def _half_depth(samples: LocalSamples, shape: BodyShape) -> float:
    """Half depth of the oval whose outline runs through the front rim and the corners beside the canal, mm.

    Read on lines backward beside the middle, below the pedicles; the posterior wall's midline where none is seen.
    """
    aside = np.abs(samples.axis(0) - shape.middle[0]) / (shape.width / 2)
    chosen = (aside >= CORNER_BAND[0]) & (aside <= CORNER_BAND[1])
    low = float(shape.lower @ [1.0, *shape.middle[:2]])
    band = (samples.axis(2) - low >= CORNER_BAND_MM[0]) & (samples.axis(2) - low <= CORNER_BAND_MM[1])
    lines = samples.values[chosen][:, :, band].transpose(0, 2, 1)
    ends = exits_along(lines, samples, 1, -1, EDGE_GAP_MM, float(shape.middle[1]))
    # The rim, not the waist: the farthest back of neighboring heights.
    leaning = shape.tilt * (samples.axis(2)[band] - shape.middle[2])
    ends = np.nanmin(np.where(np.isfinite(ends), ends - leaning, np.inf), axis=1)
    back = (1 - aside[chosen] ** OVAL_EXPONENT) ** (1 / OVAL_EXPONENT)
    halves = (shape.front - ends) / (1 + back)
    sides = [halves[(samples.axis(0)[chosen] > shape.middle[0]) == right] for right in (True, False)]
    # A pedicle or a rib's joint that reaches down to the plate looks like a deeper plate, mostly on one side.
    known = [float(np.median(side[np.isfinite(side)])) for side in sides if np.isfinite(side).any()]
    least, most = shape.depth / 2, shape.depth * (0.5 + DEEPEST_INDENT / 2)
    if not known:
        return least
    found = float(np.mean(known)) if np.ptp(known) <= SIDES_AGREE_MM else min(known)
    return float(np.clip(found, least, most))


def _plate(
    mask: Image,
    frame: VertebraFrame,
    shape: BodyShape,
    samples: LocalSamples,
    oval: tuple[float, tuple[float, float]],
    sign: int,
) -> Endplate | None:
    """One plate over an oval, given by its center's anterior coordinate and its half width and half depth."""
    middle, half = oval
    rough = shape.upper if sign > 0 else shape.lower
    center = (float(shape.middle[0]), middle)
    columns, heights, share = surface(samples, rough, center, half, sign)
    if len(columns) < MIN_COLUMNS:
        return None
    plane, residual = fit_plane(columns, heights, share)
    edges = _midline_edges(samples, plane, shape, sign)
    return as_plate(plane, (columns, heights, share), edges, residual, frame, mask, half, sign)


def surface(
    samples: LocalSamples,
    plane: NDArray[np.float64],
    center: tuple[float, float],
    half: tuple[float, float],
    sign: int,
) -> Surface:
    """Outermost bone near a plane over the plate's oval.

    :param plane: height over (1, right, anterior), about where the plate is.
    :param center: right and anterior of the oval's center, mm; `half` its half width and half depth.
    :param sign: +1 for a superior surface, -1 for an inferior one.
    :return: columns (n, 2), their heights (n,) in mm, and their weights (n,).
    """
    r, a = np.meshgrid(samples.axis(0), samples.axis(1), indexing="ij")
    shares = np.abs((r - center[0]) / half[0]) ** OVAL_EXPONENT + np.abs((a - center[1]) / half[1]) ** OVAL_EXPONENT
    radius = shares ** (1 / OVAL_EXPONENT)
    oval = radius <= PLATE_SHARE + TAPER / 2
    columns, values = np.column_stack([r[oval], a[oval]]), samples.values[oval]
    expected = plane[0] + columns @ plane[1:]
    heights = _crossings(values, samples.axis(2), expected, sign)
    # The rims of a deep bowl stand far beyond its central plane: look again along the bowl that the middle shows.
    for reach in BOWL_REACH:
        near = np.isfinite(heights) & (radius[oval] <= reach)
        if np.count_nonzero(near) < MIN_COLUMNS:
            break
        expected = _powers(columns) @ _robust_fit(_powers(columns[near]), heights[near])[0]
        heights = _crossings(values, samples.axis(2), expected, sign)
    known = np.isfinite(heights)
    weight = np.clip((PLATE_SHARE + TAPER / 2 - radius[oval]) / TAPER, 0.0, 1.0)
    return columns[known], heights[known], weight[known]


def _powers(columns: NDArray[np.float64], most: int = 2) -> NDArray[np.float64]:
    """All products of both coordinates (in cm) up to a power together."""
    x, y = columns.T / 10.0
    return np.column_stack([x**n * y**m for n in range(most + 1) for m in range(most + 1 - n)])


def _robust_fit(
    basis: NDArray[np.float64], heights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coefficients and weights of a smooth surface from which nodes and spurs fall out (Tukey's biweight)."""
    weight = np.ones(len(heights))
    fit = np.zeros(basis.shape[1])
    for _ in range(3):
        scaled = basis * weight[:, None]
        fit = solved(scaled.T @ basis, scaled.T @ heights)
        rest = heights - basis @ fit
        spread = 4.7 * max(1.4826 * median(np.abs(rest)), 0.4)
        weight = np.clip(1 - (rest / spread) ** 2, 0, None) ** 2
    return np.asarray(fit), weight


def _crossings(
    values: NDArray[np.float32], height: NDArray[np.float64], expected: NDArray[np.float64], sign: int
) -> NDArray[np.float64]:
    """Height at which each column, entered from outside, first meets bone; NaN where that is not near the plane."""
    if sign < 0:
        return -_crossings(values[:, ::-1], -height[::-1], -expected, 1)
    apart = height[None, :] - expected[:, None]
    bone = (values >= INSIDE) & (apart <= BEYOND_MM) & (apart >= -WITHIN_MM)
    last = values.shape[1] - 1 - bone[:, ::-1].argmax(axis=1)
    rows, after = np.arange(len(values)), np.minimum(last + 1, values.shape[1] - 1)
    within, without = values[rows, last], values[rows, after]
    share = np.clip((within - INSIDE) / np.maximum(within - without, 1e-6), 0.0, 1.0)
    # A column that is bone right up to the limit belongs to something that stands on the plate.
    return np.where(bone.any(axis=1) & (without < INSIDE), height[last] + share * (height[1] - height[0]), np.nan)


def fit_plane(
    columns: NDArray[np.float64], heights: NDArray[np.float64], share: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.float64], float]:
    """Least-squares plane through a plate, and the root mean square residual in mm.

    What departs from a smooth bowl (a Schmorl's node, a spur) loses its weight; the bowl itself does not.

    :param share: weights of the columns; 1 when left out.
    """
    weight = _robust_fit(_powers(columns - columns.mean(axis=0), 3), heights)[1]
    if share is not None:
        weight = weight * share
    basis = np.column_stack([np.ones(len(columns)), columns])
    scaled = basis * weight[:, None]
    plane = solved(scaled.T @ basis, scaled.T @ heights)
    residual = float(np.sqrt(np.average((heights - basis @ plane) ** 2, weights=weight)))
    return np.asarray(plane), residual


def _midline_edges(
    samples: LocalSamples, plane: NDArray[np.float64], shape: BodyShape, sign: int
) -> tuple[float, float]:
    """Anterior coordinate of the plate's back and front edge in the midline."""
    middle = float(shape.middle[1])
    back, front = exits(samples, plane, middle, -1, sign), exits(samples, plane, middle, +1, sign)
    # Where a pedicle or an ossified ligament hides the edge, the wall of the whole body stands in.
    return (
        back if abs(back - shape.posterior) < 5.0 else shape.posterior,
        front if abs(front - shape.front) < 6.0 else shape.front,
    )


def exits(samples: LocalSamples, plane: NDArray[np.float64], start: float, way: int, sign: int) -> float:
    """Mean coordinate at which lines just below a plate leave the bone, followed from `start` forward or backward.

    :param way: +1 forward, -1 backward.
    :return: NaN when no line leaves the bone within the samples.
    """
    position, step = samples.axis(1), float(samples.step[1])
    order = np.flatnonzero(position >= start) if way > 0 else np.flatnonzero(position <= start)[::-1]
    depths = np.arange(EDGE_BAND_MM[0], EDGE_BAND_MM[1] + 1e-6, 0.5)
    along = plane[0] + plane[2] * position[order]
    rows = np.rint((along[:, None] - sign * depths - samples.lower[2]) / samples.step[2]).astype(int)
    rows = np.clip(rows, 0, samples.values.shape[2] - 1)
    # (right, depth below the plate, way)
    strip = samples.values[np.abs(samples.axis(0)) <= EDGE_STRIP_MM]
    lines = strip[:, order[:, None], rows].transpose(0, 2, 1).reshape(-1, len(order))
    first = _first_gap(lines, max(1, round(EDGE_GAP_MM / step))) if way < 0 else _outermost(lines)
    good = (first > 0) & (first < lines.shape[1])
    if not good.any():
        return float("nan")
    lines, first = lines[good], first[good]
    at = np.arange(len(lines))
    within, without = lines[at, first - 1], lines[at, first]
    share = (within - INSIDE) / np.maximum(within - without, 1e-6)
    # The mean of the middle half jumps less than the median where a spur gives lines of two lengths.
    ends = np.sort(position[order[0]] + way * step * (first - 1 + share))
    return float(ends[len(ends) // 4 : len(ends) - len(ends) // 4].mean())


def _first_gap(lines: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """Index of the first run of `count` empty samples of each line, 0 where there is none."""
    if lines.shape[1] <= count:
        return np.zeros(len(lines), np.intp)
    empty = np.all(np.lib.stride_tricks.sliding_window_view(lines < INSIDE, count, axis=1), axis=2)
    return np.where(empty.any(axis=1), empty.argmax(axis=1), 0)


def _outermost(lines: NDArray[np.float32]) -> NDArray[np.intp]:
    """Index behind the last bone of each line, 0 where there is none: nothing lies in front of a body, so that what
    gapes before a spur does not end it."""
    bone = lines >= INSIDE
    return np.where(bone.any(axis=1), lines.shape[1] - bone[:, ::-1].argmax(axis=1), 0)


def _layer_error(read: Surface, frame: VertebraFrame, grid: Grid) -> float:
    """95 % half-width of a plane's slope that the steps between voxel layers leave, degrees."""
    columns, heights, share = read
    bowl = _powers(columns)
    smooth = bowl @ _robust_fit(bowl, heights)[0]
    basis = np.column_stack([np.ones(len(columns)), columns])
    weighed = basis * share[:, None]
    slopes = solved(weighed.T @ basis, carried(layer_steps(columns, smooth, frame, grid), weighed.T).T).T
    return float(np.degrees(1.96 * LAYER_FACTOR * np.sqrt(np.mean(slopes[:, 1:] ** 2))))


def as_plate(
    plane: NDArray[np.float64],
    read: Surface,
    edges: tuple[float, float],
    residual: float,
    frame: VertebraFrame,
    bone: Image,
    half: tuple[float, float],
    sign: int,
) -> Endplate:
    """A plate in RAS from its plane and edges in a frame's millimeters.

    :param read: what the plane was fitted through (`surface`).
    """
    normal = sign * np.array([-plane[1], -plane[2], 1.0])
    normal = normal / np.linalg.norm(normal) @ frame.axes
    back, front = (_point(frame.to_ras([0.0, a, plane[0] + plane[2] * a])) for a in edges)
    center = _point((np.array(back) + np.array(front)) / 2)
    voxel = np.sqrt(((frame.axes @ bone.grid.ijk_to_ras[:3, :3]) ** 2).sum(axis=1))
    centered = TILT_PER_CENTER_DEG * residual * float(np.hypot(CENTER_MM, CENTER_PER_VOXEL * voxel[1]))
    tilt = float(np.hypot(_layer_error(read, frame, bone.grid), centered))
    place = float(np.hypot(PLACE_MM, PLACE_PER_VOXEL * voxel[1]))
    return Endplate(center, _point(normal), front, back, residual, tilt, place, half[1])


def _point(vector: NDArray[np.float64]) -> Point:
    x, y, z = (float(v) for v in vector)
    return (x, y, z)
