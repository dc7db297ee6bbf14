"""Endplates as angles and slips need them: planes fitted anew over the plate's oval, with their edges in the midline.

A plate is concave, so the plane through it depends on where its middle is taken: a millimeter forward tips it by
almost a degree. Heights do not care; angles do. Key function: `endplates`.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinemet.anatomy.frame import VertebraFrame
from spinemet.anatomy.sampling import INSIDE, LocalSamples, sample_box
from spinemet.anatomy.vertebra import Vertebra
from spinemet.evidence import Point
from spinemet.image import Image

PLATE_SHARE, TAPER = 0.8, 0.4
"""The plane is fitted through this share of the plate's half width and half depth round its center. Weights fall
from 1 to 0 over `TAPER` round that share: a hard edge would cut the steps of the voxel layers anywhere."""
PLATE_CENTER = 0.472
"""Where the center of the plate's oval lies, as a share of the midline depth from the posterior wall [D]: the oval is
indented from behind, so its center lies behind the middle of what is left of it."""
PLATE_HALF_DEPTH = 0.53
"""Half depth of the oval as a share of the midline depth [D], for the same reason."""
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
ANGLE_PER_LAYER = 1.15
"""95 % half-width (radians) of a plate's slope if a voxel layer were as thick as the plate is long; it falls with the
power 1.5 of their ratio, since a plate crosses many layers. Measured on solids and synthetic spines at 0.8 to 3 mm."""
ANGLE_PER_BOWL_DEG = 0.35
"""The same in degrees per mm of residual: the deeper the bowl, the more it matters where its middle is taken."""
PLACE_MM, PLACE_PER_VOXEL = 0.2, 0.3
"""95 % half-width of an edge's place: a constant in mm, and a share of the voxel along it. Measured likewise."""


@dataclass(frozen=True)
class Plate:
    """One endplate.

    :param center: on the plane, at mid-width and in the middle between its edges, RAS.
    :param normal: outward unit normal, RAS.
    :param anterior: front edge in the midline, RAS; `posterior` likewise.
    :param residual: root mean square distance of the plate's surface from its plane, mm.
    :param tilt_error: 95 % half-width of the plane's angle in any direction, degrees.
    :param place_error: 95 % half-width of the edges' place along the plate, mm.
    """

    center: Point
    normal: Point
    anterior: Point
    posterior: Point
    residual: float
    tilt_error: float
    place_error: float

    @property
    def depth(self) -> float:
        """Distance between the edges in mm."""
        return float(np.linalg.norm(np.subtract(self.anterior, self.posterior)))


@dataclass(frozen=True)
class Plates:
    """Both endplates of a vertebra, None where there is none to be found; then `reason` says why."""

    superior: Plate | None
    inferior: Plate | None
    reason: str = ""


_KNOWN: weakref.WeakKeyDictionary[Vertebra, Plates] = weakref.WeakKeyDictionary()


def endplates(vertebra: Vertebra) -> Plates:
    """Endplates of a measured vertebra; kept as long as the vertebra is, since both never change."""
    found = _KNOWN.get(vertebra)
    if found is None:
        found = _KNOWN[vertebra] = _fit(vertebra)
    return found


def _fit(vertebra: Vertebra) -> Plates:
    depth, width = vertebra.depth.value, vertebra.width.value
    if vertebra.body is None or vertebra.reason or depth is None or width is None:
        return Plates(None, None, vertebra.reason or f"{vertebra.level} has no measured body")
    rough = {
        sign: local_plane(vertebra.frame, plate.center, plate.normal)
        for sign, plate in ((1, vertebra.superior_endplate), (-1, vertebra.inferior_endplate))
        if plate is not None
    }
    samples = _samples(vertebra, [float(plane[0]) for plane in rough.values()], depth, width)
    wall = vertebra.wall[0]
    middles = {sign: sum(_midline_edges(samples, plane, wall, depth, sign)) / 2 for sign, plane in rough.items()}
    # Both plates' edges are read at the same depth below them, so their difference tells how far the body leans.
    lean = (middles[1] - middles[-1]) / 2 if len(middles) == 2 else 0.0
    found = {
        sign: _plate(vertebra, samples, plane, wall + PLATE_CENTER * depth + sign * lean, sign)
        for sign, plane in rough.items()
    }
    superior, inferior = found.get(1), found.get(-1)
    missing = [name for name, plate in (("superior", superior), ("inferior", inferior)) if plate is None]
    reason = f"the {' and the '.join(missing)} endplate of {vertebra.level} is not found" if missing else ""
    return Plates(superior, inferior, reason)


def _samples(vertebra: Vertebra, heights: list[float], depth: float, width: float) -> LocalSamples:
    """The whole vertebra sampled over its body, with room for both plates' slopes and for what lies behind it."""
    slope = 0.3 * depth
    lower = (-width / 2, vertebra.wall[0] - BEHIND_MM, min(heights) - BEYOND_MM - slope)
    upper = (width / 2, vertebra.wall[0] + depth + BEHIND_MM, max(heights) + BEYOND_MM + slope)
    return sample_box(vertebra.mask, vertebra.frame, lower, upper, STEP_MM)


def _plate(
    vertebra: Vertebra, samples: LocalSamples, rough: NDArray[np.float64], middle: float, sign: int
) -> Plate | None:
    """One plate round a center `middle` mm in front of the frame's origin."""
    depth, width = vertebra.depth.value, vertebra.width.value
    assert depth is not None and width is not None
    half = (width / 2, PLATE_HALF_DEPTH * depth)
    columns, heights, share = surface(samples, rough, (0.0, middle), half, sign)
    if len(columns) < MIN_COLUMNS:
        return None
    plane, residual = fit_plane(columns, heights, share)
    edges = _midline_edges(samples, plane, vertebra.wall[0], depth, sign)
    return as_plate(plane, edges, residual, vertebra.frame, vertebra.mask, half, sign)


def local_plane(frame: VertebraFrame, center: Point, normal: Point) -> NDArray[np.float64]:
    """A plane as the height over (1, right, anterior) in a frame's millimeters."""
    r, a, s = frame.to_local(center)
    x, y, z = frame.axes @ np.asarray(normal)
    return np.array([s + (x * r + y * a) / z, -x / z, -y / z])


def surface(
    samples: LocalSamples,
    plane: NDArray[np.float64],
    center: tuple[float, float],
    half: tuple[float, float],
    sign: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
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
    columns = np.column_stack([r[oval], a[oval]])
    expected = plane[0] + columns @ plane[1:]
    heights = _crossings(samples.values[oval], samples.axis(2), expected, sign)
    known = np.isfinite(heights)
    weight = np.clip((PLATE_SHARE + TAPER / 2 - radius[oval]) / TAPER, 0.0, 1.0)
    return columns[known], heights[known], weight[known]


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
    middle = columns.mean(axis=0)
    x, y = ((columns - middle) / 10.0).T
    bowl = np.column_stack([np.ones(len(x)), x, y, x * x, x * y, y * y, x**3, x * x * y, x * y * y, y**3])
    weight = np.ones(len(x))
    for _ in range(3):
        scaled = bowl * weight[:, None]
        rest = heights - bowl @ np.linalg.lstsq(scaled.T @ bowl, scaled.T @ heights, rcond=None)[0]
        spread = 4.7 * max(1.4826 * float(np.median(np.abs(rest))), 0.4)
        weight = np.clip(1 - (rest / spread) ** 2, 0, None) ** 2
    if share is not None:
        weight = weight * share
    basis = np.column_stack([np.ones(len(columns)), columns])
    scaled = basis * weight[:, None]
    plane = np.linalg.lstsq(scaled.T @ basis, scaled.T @ heights, rcond=None)[0]
    residual = float(np.sqrt(np.average((heights - basis @ plane) ** 2, weights=weight)))
    return np.asarray(plane), residual


def _midline_edges(
    samples: LocalSamples, plane: NDArray[np.float64], wall: float, depth: float, sign: int
) -> tuple[float, float]:
    """Anterior coordinate of the plate's back and front edge in the midline."""
    middle = wall + depth / 2
    back, front = exits(samples, plane, middle, -1, sign), exits(samples, plane, middle, +1, sign)
    # Where a pedicle or an ossified ligament hides the edge, the wall of the whole body stands in.
    return back if abs(back - wall) < 5.0 else wall, front if abs(front - wall - depth) < 6.0 else wall + depth


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
    count = max(1, round(EDGE_GAP_MM / step))
    if lines.shape[1] <= count:
        return float("nan")
    empty = np.all(np.lib.stride_tricks.sliding_window_view(lines < INSIDE, count, axis=1), axis=2)
    first = np.argmax(empty, axis=1)
    good = np.any(empty, axis=1) & (first > 0)
    if not good.any():
        return float("nan")
    lines, first = lines[good], first[good]
    at = np.arange(len(lines))
    within, without = lines[at, first - 1], lines[at, first]
    share = (within - INSIDE) / np.maximum(within - without, 1e-6)
    # The mean of the middle half jumps less than the median where a spur gives lines of two lengths.
    ends = np.sort(position[order[0]] + way * step * (first - 1 + share))
    return float(ends[len(ends) // 4 : len(ends) - len(ends) // 4].mean())


def as_plate(
    plane: NDArray[np.float64],
    edges: tuple[float, float],
    residual: float,
    frame: VertebraFrame,
    bone: Image,
    half: tuple[float, float],
    sign: int,
) -> Plate:
    """A plate in RAS from its plane and edges in a frame's millimeters."""
    normal = sign * np.array([-plane[1], -plane[2], 1.0])
    normal = normal / np.linalg.norm(normal) @ frame.axes
    back, front = (_point(frame.to_ras([0.0, a, plane[0] + plane[2] * a])) for a in edges)
    center = _point((np.array(back) + np.array(front)) / 2)
    voxel = np.sqrt(((frame.axes @ bone.grid.ijk_to_ras[:3, :3]) ** 2).sum(axis=1))
    length = 2 * PLATE_SHARE * min(half)
    tilt = float(np.degrees(ANGLE_PER_LAYER * (voxel[2] / length) ** 1.5))
    tilt = float(np.hypot(tilt, ANGLE_PER_BOWL_DEG * residual))
    place = float(np.hypot(PLACE_MM, PLACE_PER_VOXEL * voxel[1]))
    return Plate(center, _point(normal), front, back, residual, tilt, place)


def _point(vector: NDArray[np.float64]) -> Point:
    x, y, z = (float(v) for v in vector)
    return (x, y, z)
