"""The vertebral body in a local frame: walls, endplate surfaces and their planes.

Everything here is in local (right, anterior, superior) millimeters of a provisional frame whose origin lies
inside the body.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.anatomy.frame import VertebraFrame
from spinemet.anatomy.medians import known_median, median, taken
from spinemet.anatomy.sampling import INSIDE, LocalSamples, sample_box
from spinemet.anatomy.solving import solved
from spinemet.errors import NotMeasurable
from spinemet.image import Image

CANAL_GAP_MM = 4.0
"""Empty run that ends the body at its posterior wall [D]; smaller voids count as holes inside the bone."""
SIDE_GAP_MM = 2.0
"""Empty run that ends the body at its side and front [D]; a transverse foramen is wider."""
RIM_MM = 4.0
"""How far a plate's rim may reach beyond the waist [D]."""
RIM_HEIGHT_MM = 2.0
"""Height over which a rim must hold to count [D]."""
RIM_BANDS = ((0.06, 0.18), (0.18, 0.35), (0.35, 0.65), (0.65, 0.82), (0.82, 0.94))
"""Bands of height, as shares from the inferior to the superior plate, in which walls are read."""
ABOVE_PLATE_MM = 5.0
"""Bone farther than this beyond the central plane of the plate is not the plate [D]: a facet, an uncinate process."""
BELOW_PLATE_MM, BELOW_PLATE = 6.0, 0.35
"""A plate is sought this far (mm, and share of the height) below its central plane [D]."""
BOWL_ROUNDS = 6
"""How often at most the plate is sought anew along the bowl that was found of it; it grows toward its rim."""
EDGE_MM = 1.0
"""Columns within this distance of the plate's edge are left out: the edge is rounded."""
CENTRAL_PLATE = 0.7
"""Share of the plate's width and depth round its center through which the endplate plane is fitted."""
MIDDLE_BAND = 0.25
"""Walls are read within this share of the height above and below mid-height."""
MAX_WALL_TILT = 0.45
"""Steepest posterior wall believed (tangent of its angle to the superior axis) [D]."""


@dataclass(frozen=True, eq=False)
class BodyShape:
    """Walls and endplates of a body in local millimeters.

    :param posterior: anterior coordinate of the posterior wall at height 0.
    :param tilt: how far the posterior wall moves forward per mm upward.
    :param front: anterior coordinate of the anterior wall (its rim), mid-sagittal.
    :param left: right coordinate of the left side (its rim) at mid-depth; negative.
    :param right: right coordinate of the right side (its rim) at mid-depth.
    :param columns: (n, 2) right and anterior coordinates of the columns of the body.
    :param top: (n,) height of the superior surface over each column; `bottom` likewise.
    :param upper: superior plane as coefficients of (1, right, anterior); `lower` likewise.
    """

    posterior: float
    tilt: float
    front: float
    left: float
    right: float
    columns: NDArray[np.float64]
    top: NDArray[np.float64]
    bottom: NDArray[np.float64]
    upper: NDArray[np.float64]
    lower: NDArray[np.float64]

    @property
    def depth(self) -> float:
        return self.front - self.posterior

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        """Distance of both planes over the middle."""
        return float((self.upper - self.lower) @ [1.0, *self.middle[:2]])

    @property
    def middle(self) -> NDArray[np.float64]:
        """Center of the body: mid-width, mid-depth, halfway between the planes."""
        r, a = (self.left + self.right) / 2, (self.front + self.posterior) / 2
        return np.array([r, a, float((self.upper + self.lower) @ [1.0, r, a]) / 2])

    @property
    def axis(self) -> NDArray[np.float64]:
        """Bisector of both endplates' normals: the superior axis in local coordinates."""
        normals = [np.array([-plane[1], -plane[2], 1.0]) for plane in (self.upper, self.lower)]
        total = sum(normal / np.linalg.norm(normal) for normal in normals)
        return np.asarray(total / np.linalg.norm(total))


def find_body(
    mask: Image,
    frame: VertebraFrame,
    radius: float,
    step: tuple[float, float, float],
    ends: NDArray[np.float64] | None = None,
) -> BodyShape:
    """Body round the origin of `frame`.

    :param radius: of the largest circle inside the body, mm.
    :param step: sampling along right, anterior and superior, mm.
    :param ends: from `row_ends` of the outline, which saves sampling where no bone is.
    :raises NotMeasurable: no body with two endplates and a posterior wall is found there.
    """
    reach = np.array([2.6 * radius + 6.0, 1.8 * radius + 8.0, 1.6 * radius + 14.0])
    # Whole steps from the origin to both sides: mirrored and flipped outlines are sampled at the same places.
    reach = np.ceil(reach / step) * np.array(step)
    samples = sample_box(mask, frame, -reach, reach + 0.5 * np.array(step), step, ends)
    inside = samples.values >= INSIDE
    low, high = _center_height(inside, samples, radius)
    middle, half = (low + high) / 2, max(MIDDLE_BAND * (high - low), samples.step[2])
    band = np.abs(samples.axis(2) - middle) <= half
    strip = np.abs(samples.axis(0)) <= max(3.0, samples.step[0])
    posterior, tilt = _posterior_wall(samples, strip, band)
    front = _front_rim(samples, strip)
    center = (posterior + front) / 2
    core = np.abs(samples.axis(1) - center) <= max(3.0, samples.step[1])
    across = samples.values[:, core].transpose(1, 2, 0)
    right = _side_rim(across, samples, +1, (low, high))
    left = _side_rim(across, samples, -1, (low, high))
    walls = (left, right, posterior, front)
    upper, lower = _central_planes(samples, walls, band, inside)
    columns, top, bottom = _plates(samples, walls, upper, lower)
    return BodyShape(posterior, tilt, front, left, right, columns, top, bottom, upper, lower)


def _center_height(inside: NDArray[np.bool_], samples: LocalSamples, radius: float) -> tuple[float, float]:
    """Median lower and upper end of the bone in the columns round the origin."""
    near = np.hypot(samples.axis(0)[:, None], samples.axis(1)[None, :]) <= max(0.4 * radius, 1.5 * samples.step[0])
    lines = inside[near]
    lines = lines[lines.any(axis=1)]
    if len(lines) == 0:
        raise NotMeasurable("No vertebral body is found in front of the canal.")
    heights = samples.axis(2)
    low = median(heights[lines.argmax(axis=1)])
    high = median(heights[lines.shape[1] - 1 - lines[:, ::-1].argmax(axis=1)])
    return low, high


def _posterior_wall(samples: LocalSamples, strip: NDArray[np.bool_], band: NDArray[np.bool_]) -> tuple[float, float]:
    """Position of the posterior wall at height 0 and its tilt, from the way back to the canal in the middle strip."""
    lines = samples.values[strip][:, :, band].transpose(0, 2, 1)
    ends = exits_along(lines, samples, 1, -1, CANAL_GAP_MM)
    heights = samples.axis(2)[band]
    per_height = known_median(ends, axis=0)
    known = np.isfinite(per_height)
    if known.sum() < 2:
        raise NotMeasurable("The posterior wall of the vertebral body is not found.")
    tilt = float(np.clip(np.polyfit(heights[known], per_height[known], 1)[0], -MAX_WALL_TILT, MAX_WALL_TILT))
    return median(per_height[known] - tilt * heights[known]), tilt


def _front_rim(samples: LocalSamples, strip: NDArray[np.bool_]) -> float:
    """Coordinate of the anterior rim: the farthest front that neighboring heights agree on.

    Nothing lies in front of a body, so each height's outermost bone is taken; neither the waist between the plates
    nor a single spur decides, nor plates that have sunk behind the rim.
    """
    position = samples.axis(1)
    lines = samples.values[strip].transpose(0, 2, 1)
    lines = lines[:, :, position >= 0]
    bone = lines >= INSIDE
    last = lines.shape[-1] - 1 - bone[..., ::-1].argmax(axis=-1)
    within, without = taken(lines, last), taken(lines, np.minimum(last + 1, lines.shape[-1] - 1))
    share = np.clip((within - INSIDE) / np.maximum(within - without, 1e-6), 0.0, 1.0)
    ends = position[position >= 0][0] + (last + share) * samples.step[1]
    some = bone.any(axis=-1)
    heights = some.mean(axis=0) > 0.5
    if not heights.any():
        raise NotMeasurable("The anterior wall of the vertebral body is not found.")
    profile = known_median(np.where(some, ends, np.nan)[:, heights], axis=0)
    width = min(profile.size, max(1, round(RIM_HEIGHT_MM / samples.step[2])))
    agreed = np.median(np.lib.stride_tricks.sliding_window_view(profile, width), axis=1)
    return min(float(agreed.max()), median(profile) + RIM_MM)


def _side_rim(lines: NDArray[np.float32], samples: LocalSamples, sign: int, ends: tuple[float, float]) -> float:
    """Coordinate of the rim at one side: the outermost of bands of heights.

    :param lines: (lines, heights, samples along right).
    :param ends: lower and upper height of the body.
    """
    exits = sign * exits_along(lines, samples, 0, sign, SIDE_GAP_MM)
    share = (samples.axis(2) - ends[0]) / max(ends[1] - ends[0], 1e-6)
    found = []
    for start, stop in RIM_BANDS:
        band = exits[:, (share > start) & (share <= stop)]
        middle = float(known_median(band.ravel()))
        if np.isfinite(middle):
            found.append(middle)
    if not found:
        raise NotMeasurable("The sides of the vertebral body are not found.")
    # A process beside the body reaches farther than a rim does.
    return sign * min(max(found), median(np.array(found)) + RIM_MM)


def exits_along(
    lines: NDArray[np.float32], samples: LocalSamples, axis: int, sign: int, gap: float, start_mm: float = 0.0
) -> NDArray[np.float64]:
    """Where lines leave the bone when followed from `start_mm` along the last dimension.

    :param lines: (…, samples along `axis`), 0 outside to 1 inside.
    :param gap: length of an empty run in mm that counts as outside.
    :return: (…) coordinates of the surface by linear interpolation, NaN where a line has no bone.
    """
    position = samples.axis(axis)
    start = int(np.abs(position - start_mm).argmin())
    way = lines[..., start:] if sign > 0 else lines[..., start::-1]
    count = max(1, round(gap / samples.step[axis]))
    way = np.concatenate([way, np.zeros((*way.shape[:-1], count), dtype=way.dtype)], axis=-1)
    empty = np.cumsum(way >= INSIDE, axis=-1, dtype=np.int32)
    # A run of `count` empty samples: the running sum stands still over it.
    runs = np.concatenate([empty[..., count - 1 : count] == 0, empty[..., count:] == empty[..., :-count]], axis=-1)
    first = runs.argmax(axis=-1)
    last = np.maximum(first - 1, 0)
    within, without = taken(way, last), taken(way, first)
    share = (within - INSIDE) / np.maximum(within - without, 1e-6)
    ends = position[start] + sign * (last + share) * samples.step[axis]
    return np.where(first > 0, ends, np.nan)


def _central_planes(
    samples: LocalSamples, walls: tuple[float, float, float, float], band: NDArray[np.bool_], inside: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Planes through the central part of both plates, each reached from mid-height."""
    left, right, posterior, front = walls
    r = (samples.axis(0) - (left + right) / 2) / (right - left) * 2
    a = (samples.axis(1) - (front + posterior) / 2) / (front - posterior) * 2
    central = np.hypot(r[:, None], a[None, :]) <= CENTRAL_PLATE
    central &= inside[:, :, band].mean(axis=2) > 0.5
    values = samples.values[central]
    middle = float(samples.axis(2)[band].mean())
    top = exits_along(values, samples, 2, +1, SIDE_GAP_MM, middle)
    bottom = exits_along(values, samples, 2, -1, SIDE_GAP_MM, middle)
    known = np.isfinite(top) & np.isfinite(bottom)
    if known.sum() < 9:
        raise NotMeasurable("The vertebral body is too small for its endplates to be found.")
    columns = _columns(samples, central)[known]
    return _robust_plane(columns, top[known]), _robust_plane(columns, bottom[known])


def _plates(
    samples: LocalSamples,
    walls: tuple[float, float, float, float],
    upper: NDArray[np.float64],
    lower: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Columns of the body with the heights of its plates: the outermost surface not far beyond the central plane.

    The waist lies behind the rim, so a column near the rim may leave the bone between the plates; a facet above
    the plate is left out.
    """
    left, right, posterior, front = walls
    r, a = samples.axis(0), samples.axis(1)
    box = ((r >= left - RIM_MM) & (r <= right + RIM_MM))[:, None] & ((a >= posterior) & (a <= front + RIM_MM))[None, :]
    columns = _columns(samples, box)
    values = samples.values[box]
    basis = np.column_stack([np.ones(len(columns)), columns])
    high, low = basis @ upper, basis @ lower
    middle = (high + low) / 2
    reach = np.maximum(BELOW_PLATE_MM, BELOW_PLATE * (high - low))
    heights = samples.axis(2)
    from_above, from_below = _Columns(values, heights, +1), _Columns(values, heights, -1)
    top = from_above.outermost(high + ABOVE_PLATE_MM, np.maximum(middle, high - reach))
    bottom = from_below.outermost(low - ABOVE_PLATE_MM, np.minimum(middle, low + reach))
    # The rims of a deep bowl stand far from the plane through its middle: look again along the bowl.
    for _ in range(BOWL_ROUNDS):
        before = np.count_nonzero(np.isfinite(top) & np.isfinite(bottom))
        rise, fall = _bowl(columns, top, walls) - high, low - _bowl(columns, bottom, walls)
        top = from_above.outermost(high + ABOVE_PLATE_MM + np.fmax(rise, 0.0), np.maximum(middle, high - reach))
        bottom = from_below.outermost(low - ABOVE_PLATE_MM - np.fmax(fall, 0.0), np.minimum(middle, low + reach))
        if np.count_nonzero(np.isfinite(top) & np.isfinite(bottom)) <= before:
            break
    found = np.zeros_like(box)
    found[box] = np.isfinite(top) & np.isfinite(bottom)
    deep = ndimage.distance_transform_edt(np.pad(found, 1), sampling=samples.step[:2])[1:-1, 1:-1]
    keep = (deep > EDGE_MM)[box] & np.isfinite(top) & np.isfinite(bottom)
    return columns[keep], top[keep], bottom[keep]


def _bowl(
    columns: NDArray[np.float64], heights: NDArray[np.float64], walls: tuple[float, float, float, float]
) -> NDArray[np.float64]:
    """A paraboloid through the plate as far as it is known (NaN elsewhere), over all columns within the walls."""
    left, right, posterior, front = walls
    half = np.array([right - left, front - posterior]) / 2
    r, a = np.clip((columns - [(left + right) / 2, (front + posterior) / 2]) / half, -1.0, 1.0).T
    basis = np.column_stack([np.ones(len(r)), r, a, r * r, r * a, a * a])
    known = np.isfinite(heights)
    if np.count_nonzero(known) < 4 * basis.shape[1]:
        return np.full(len(r), np.nan)
    return np.asarray(basis @ solved(basis[known].T @ basis[known], basis[known].T @ heights[known]))


class _Columns:
    """Columns of samples that are entered from one side again and again.

    :param values: (n, heights), 0 outside to 1 inside.
    :param heights: of the samples, mm, evenly rising.
    :param sign: +1 when they are entered from above, -1 from below.
    """

    def __init__(self, values: NDArray[np.float32], heights: NDArray[np.float64], sign: int) -> None:
        self._values, self._heights = (values, heights) if sign > 0 else (values[:, ::-1], -heights[::-1])
        self._sign = sign
        order = np.arange(len(heights), dtype=np.int16)
        # Of every sample: the place of the first bone met when going inward from it, -1 where none is left.
        self._met = np.maximum.accumulate(np.where(self._values >= INSIDE, order, np.int16(-1)), axis=1)

    def outermost(self, limit: NDArray[np.float64], least: NDArray[np.float64]) -> NDArray[np.float64]:
        """Height (n,) at which each column, entered from `limit`, first meets bone; NaN when not before `least`."""
        values, heights = self._values, self._heights
        entry = np.searchsorted(heights, self._sign * limit, side="right") - 1
        end = np.searchsorted(heights, self._sign * least, side="left")
        rows = np.arange(len(values))
        last = np.where(entry >= 0, self._met[rows, np.maximum(entry, 0)], -1)
        met = (last >= 0) & (last >= end)
        last = np.maximum(last, 0)
        within, without = values[rows, last], values[rows, np.minimum(last + 1, len(heights) - 1)]
        share = np.clip((within - INSIDE) / np.maximum(within - without, 1e-6), 0.0, 1.0)
        crossing = self._sign * (heights[last] + share * (heights[1] - heights[0]))
        # A column that is bone right up to the limit belongs to a process above the plate.
        return np.where(met & (without < INSIDE), crossing, np.nan)


def _columns(samples: LocalSamples, chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    index = np.argwhere(chosen)
    return np.stack([samples.axis(0)[index[:, 0]], samples.axis(1)[index[:, 1]]], axis=1)


def _robust_plane(columns: NDArray[np.float64], heights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Least-squares plane in which depressions and spikes lose their weight (Tukey's biweight)."""
    basis = np.column_stack([np.ones(len(columns)), columns])
    weight = np.ones(len(columns))
    plane = np.zeros(3)
    for _ in range(4):
        scaled = basis * weight[:, None]
        plane = solved(scaled.T @ basis, scaled.T @ heights)
        residual = heights - basis @ plane
        scale = 4.7 * max(1.4826 * median(np.abs(residual)), 0.3)
        weight = np.clip(1 - (residual / scale) ** 2, 0, None) ** 2
    return np.asarray(plane)
