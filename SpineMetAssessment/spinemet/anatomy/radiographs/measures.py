"""Measures on a radiograph, from landmarks: body heights and their loss, Cobb angle, segmental kyphosis, listhesis.

Angles and ratios need no pixel spacing. Lengths are given in the patient's plane where the radiograph is calibrated
or its magnification is estimated, at the detector where only that spacing is known, and refused where none is.
A radiograph has no place in RAS: measurements have no position, their landmarks say where to look.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spinemet.anatomy.heights import Column
from spinemet.anatomy.radiographs.landmarks import BodyLandmarks, Plate, Points, landmark_sd, propagated
from spinemet.evidence import Measurement, unknown
from spinemet.levels import Level, adjacent
from spinemet.radiograph import PixelScale, Radiograph, SpacingSource, View

HEIGHT_METHOD = "landmarks, along the body's own axis"
LOSS_METHOD = "landmarks, against the heights of the neighbors"
ANGLE_METHOD = "landmarks, between the endplates"
SLIP_METHOD = "landmarks, along the superior endplate below"
FARTHEST_NEIGHBOR = 3
"""A reference farther away than this many levels is none [D]: heights grow by up to 1.5 mm a level."""
MEYERDING_PERCENT = (25.0, 50.0, 75.0, 100.0)
"""Upper ends of Meyerding's grades I to IV, slip in percent of the endplate below; beyond is V."""

Heights = Mapping[Column, Measurement]


@dataclass(frozen=True)
class Slip:
    """How far a body stands forward (positive) or backward on the one below.

    :param percent: of the superior endplate below.
    :param millimeters: in the patient's plane; unknown on a radiograph that cannot tell.
    :param meyerding: grade 1 to 5 of a forward slip, 0 when none is measured beyond its error; None when unknown.
    :param possible: all grades within the error of the measurement.
    """

    percent: Measurement
    millimeters: Measurement
    meyerding: int | None
    possible: tuple[int, ...]

    @property
    def direction(self) -> str:
        """ "forward", "backward", "none" within the error, "" when unknown."""
        value, margin = self.percent.value, self.percent.uncertainty or 0.0
        if value is None:
            return ""
        return "none" if abs(value) <= margin else "forward" if value > 0 else "backward"


def body_heights(radiograph: Radiograph, body: BodyLandmarks, *, sd_pixels: float | None = None) -> Heights:
    """Anterior, middle and posterior height of a body on a lateral radiograph, mm.

    From endplate to endplate along the bisector of both plates' normals; the middle height needs six landmarks.

    :param sd_pixels: standard deviation of a landmark; by default LANDMARK_SD_SHARE of the plates' length.
    """
    scale = radiograph.scale
    names = {column: f"{column.value} height" for column in Column}
    reason = _wrong_view(radiograph, View.LATERAL) or _no_plates(body) or no_lengths(scale)
    if reason:
        return {column: unknown(name, "mm", reason, HEIGHT_METHOD) for column, name in names.items()}
    at_detector = scale.source is SpacingSource.IMAGER and not scale.in_patient
    result = {}
    for column, name in names.items():
        found = _height(body, column, scale, sd_pixels)
        if found is None:
            result[column] = unknown(name, "mm", "the middles of both endplates are not marked", HEIGHT_METHOD)
            continue
        value, margin = found
        result[column] = Measurement(
            f"{name} at the detector" if at_detector else name,
            value,
            "mm",
            HEIGHT_METHOD,
            uncertainty=float(np.hypot(margin, value * scale.magnification_error)),
            limits=length_limits(radiograph),
        )
    return result


def height_losses(
    radiograph: Radiograph,
    level: Level,
    bodies: Sequence[BodyLandmarks],
    *,
    unusable: Collection[Level] = frozenset(),
    sd_pixels: float | None = None,
) -> Heights:
    """Height loss of each column against the nearest usable neighbors above and below, %, never below 0.

    A ratio: it needs no pixel spacing. Interpolated by distance between two neighbors; one neighbor is flagged.

    :param bodies: landmarks of the body at `level` and of its neighbors.
    :param unusable: fractured, involved, cemented or cut levels; never a reference.
    """
    present = {body.level: body for body in bodies}
    names = {column: f"{column.value} height loss" for column in Column}
    reason = _wrong_view(radiograph, View.LATERAL)
    if not reason:
        reason = _no_plates(present[level]) if level in present else f"{level} has no landmarks"
    if reason:
        return {column: unknown(name, "%", reason, LOSS_METHOD) for column, name in names.items()}
    return {
        column: _loss(radiograph, present[level], column, present, unusable, sd_pixels)
        for column, name in names.items()
    }


def cobb_angle(
    radiograph: Radiograph,
    upper: BodyLandmarks,
    lower: BodyLandmarks,
    *,
    lower_plate: str = "inferior",
    sd_pixels: float | None = None,
) -> Measurement:
    """Angle between the superior endplate of `upper` and the inferior one of `lower`, degrees.

    In a lateral view kyphosis is positive and lordosis negative; in a frontal view the angle has no sign and the name
    says to which side the curve is convex. Of a body without its inferior plate (the sacrum) the superior one counts.

    :param lower_plate: "superior" measures to the upper plate of `lower` (L1–S1 lordosis).
    """
    frontal = radiograph.view.is_frontal
    name = f"Cobb angle {upper.level}–{lower.level}" if frontal else f"kyphosis {upper.level}–{lower.level}"
    first = upper.superior
    second = lower.superior if lower_plate == "superior" or lower.inferior is None else lower.inferior
    if radiograph.view is View.OBLIQUE:
        return unknown(name, "deg", "the view is oblique; angles need a lateral or frontal one", ANGLE_METHOD)
    if upper.level >= lower.level:
        return unknown(name, "deg", f"{upper.level} does not lie above {lower.level}", ANGLE_METHOD)
    if first is None or second is None:
        missing = upper.level if first is None else lower.level
        return unknown(name, "deg", f"an endplate of {missing} has no landmarks", ANGLE_METHOD)
    value, margin = _angle(radiograph, (upper, lower), first, second, sd_pixels)
    limits = view_limits(radiograph)
    if not frontal:
        return Measurement(name, value, "deg", ANGLE_METHOD, uncertainty=margin, limits=limits)
    # Where the right ends approach each other, the curve is concave to the right.
    side = "" if abs(value) <= margin else ", convex to the left" if value > 0 else ", convex to the right"
    return Measurement(f"{name}{side}", abs(value), "deg", ANGLE_METHOD, uncertainty=margin, limits=limits)


def segmental_kyphosis(
    radiograph: Radiograph, above: BodyLandmarks, below: BodyLandmarks, *, sd_pixels: float | None = None
) -> Measurement:
    """Angle between the superior endplate of the level above and the inferior one of the level below, degrees.

    Kyphosis is positive. Where the level below is the sacrum, its superior endplate stands in.
    """
    name = f"segmental kyphosis {above.level}/{below.level}"
    reason = _wrong_view(radiograph, View.LATERAL)
    if reason:
        return unknown(name, "deg", reason, ANGLE_METHOD)
    angle = cobb_angle(radiograph, above, below, sd_pixels=sd_pixels)
    if angle.value is None:
        return unknown(name, "deg", angle.reason, ANGLE_METHOD)
    limits = angle.limits
    if below.inferior is None:
        limits = (*limits, f"to the superior endplate of {below.level}")
    return Measurement(name, angle.value, "deg", ANGLE_METHOD, uncertainty=angle.uncertainty, limits=limits)


def listhesis(
    radiograph: Radiograph, above: BodyLandmarks, below: BodyLandmarks, *, sd_pixels: float | None = None
) -> Slip:
    """Slip of a body on the one below, between their posterior corners along the superior endplate below.

    Forward is positive. Meyerding grades count forward slips only.
    """
    reason = _wrong_view(radiograph, View.LATERAL)
    if not reason and (above.inferior is None or below.superior is None):
        reason = f"the endplates between {above.level} and {below.level} have no landmarks"
    names = f"slip of {above.level} on {below.level}"
    if reason or above.inferior is None or below.superior is None:
        return Slip(unknown(names, "%", reason, SLIP_METHOD), unknown(names, "mm", reason, SLIP_METHOD), None, ())
    scale = radiograph.scale
    points = scale.to_plane([*above.inferior, *below.superior])
    sd = landmark_sd((above, below), scale, sd_pixels)
    percent = Measurement(
        names,
        100 * slip_share(points),
        "%",
        SLIP_METHOD,
        uncertainty=100 * propagated(slip_share, points, sd),
        limits=view_limits(radiograph),
    )
    grade, possible = _meyerding(percent)
    return Slip(percent, _slip_mm(radiograph, names, points, sd), grade, possible)


def no_lengths(scale: PixelScale) -> str:
    """Why no length can be measured; "" when one can."""
    if scale.source is SpacingSource.NONE:
        return "the radiograph has no pixel spacing; only angles and ratios can be measured"
    return ""


def length_limits(radiograph: Radiograph) -> tuple[str, ...]:
    """What a reader of a length on this radiograph must know."""
    scale = radiograph.scale
    if scale.source is SpacingSource.CALIBRATED:
        return view_limits(radiograph)
    if scale.magnification is None:
        said = "measured at the detector: longer than in the patient by an unknown magnification"
    elif scale.magnification_error:
        said = f"corrected for an estimated magnification of {scale.magnification:.2f}"
    else:
        return view_limits(radiograph)
    return (said, *view_limits(radiograph))


def view_limits(radiograph: Radiograph) -> tuple[str, ...]:
    """What a reader of anything measured on this radiograph must know."""
    limits = []
    if radiograph.view is View.UNKNOWN:
        limits.append("the file does not say from which side the radiograph was taken; taken as lateral")
    if radiograph.scale.source is SpacingSource.NONE and radiograph.scale.aspect == 1.0:
        limits.append("pixels taken as square")
    return tuple(limits)


def slip_share(points: Points) -> float:
    """Slip as a share of the plate below; points are the inferior plate above and the superior plate below."""
    above, below = points[1], points[3]
    plate = points[2] - points[3]
    return float((above - below) @ plate / (plate @ plate))


def _wrong_view(radiograph: Radiograph, wanted: View) -> str:
    if radiograph.view in (wanted, View.UNKNOWN):
        return ""
    return f"this needs a {wanted.value} view; the radiograph is a {radiograph.view.value} one"


def _no_plates(body: BodyLandmarks) -> str:
    if body.superior is None or body.inferior is None:
        return f"both endplates of {body.level} must be marked"
    return ""


def _height(
    body: BodyLandmarks, column: Column, scale: PixelScale, sd_pixels: float | None
) -> tuple[float, float] | None:
    """A height and its half-width in the scale's plane; None without the landmarks of the middle."""
    assert body.superior is not None and body.inferior is not None
    pixels = [*body.superior, *body.inferior]
    if column is Column.MIDDLE:
        if body.superior_middle is None or body.inferior_middle is None:
            return None
        pixels += [body.superior_middle, body.inferior_middle]
    pair = {Column.ANTERIOR: (0, 2), Column.POSTERIOR: (1, 3), Column.MIDDLE: (4, 5)}[column]

    def measure(points: Points) -> float:
        upper, lower = points[0] - points[1], points[2] - points[3]
        along = upper / np.linalg.norm(upper) + lower / np.linalg.norm(lower)
        axis = np.array([-along[1], along[0]]) / np.linalg.norm(along)
        return abs(float((points[pair[0]] - points[pair[1]]) @ axis))

    points = scale.to_plane(pixels)
    return measure(points), propagated(measure, points, landmark_sd((body,), scale, sd_pixels))


def _loss(
    radiograph: Radiograph,
    body: BodyLandmarks,
    column: Column,
    present: Mapping[Level, BodyLandmarks],
    unusable: Collection[Level],
    sd_pixels: float | None,
) -> Measurement:
    name, scale = f"{column.value} height loss", radiograph.scale
    own = _height(body, column, scale, sd_pixels)
    if own is None:
        return unknown(name, "%", "the middles of both endplates are not marked", LOSS_METHOD)
    if body.level in (Level.L5, Level.L6) and column is Column.POSTERIOR:
        return unknown(
            name, "%", f"{body.level} is normally wedge-shaped; its posterior height has no neighbor", LOSS_METHOD
        )
    found = {}
    for step in (-1, 1):
        neighbor = _neighbor(body.level, step, column, present, unusable, scale, sd_pixels)
        if neighbor is not None:
            found[neighbor[0]] = neighbor[1]
    if not found:
        return unknown(name, "%", "no usable neighbor to compare with", LOSS_METHOD)
    limits = list(view_limits(radiograph))
    if len(found) == 1:
        (only, (height, margin)), *_ = found.items()
        limits.append(f"one neighbor only ({only})")
    else:
        (above, first), (below, second) = found.items()
        share = _share_between(present[above], body, present[below], scale)
        height = (1 - share) * first[0] + share * second[0]
        margin = float(np.hypot((1 - share) * first[1], share * second[1]))
    if body.level in (Level.L5, Level.L6):
        limits.append(f"{body.level} is normally wedge-shaped: higher in front than its neighbors")
    ratio = own[0] / height
    if ratio > 1:
        limits.append(f"{100 * (ratio - 1):.0f} % higher than the reference")
    uncertainty = float(100 * ratio * np.hypot(own[1] / own[0], margin / height))
    value = max(0.0, 100 * (1 - ratio))
    return Measurement(name, value, "%", LOSS_METHOD, uncertainty=uncertainty, limits=tuple(limits))


def _neighbor(
    level: Level,
    step: int,
    column: Column,
    present: Mapping[Level, BodyLandmarks],
    unusable: Collection[Level],
    scale: PixelScale,
    sd_pixels: float | None,
) -> tuple[Level, tuple[float, float]] | None:
    """The nearest usable level in one direction, and its height with half-width."""
    item: Level | None = level
    for _ in range(FARTHEST_NEIGHBOR):
        item = adjacent(item, step, set(present)) if item is not None else None
        if item is None or item < Level.C3:
            return None
        body = present.get(item)
        if body is None or item in unusable or _no_plates(body):
            continue
        height = _height(body, column, scale, sd_pixels)
        if height is not None and height[0] > 0:
            return item, height
    return None


def _share_between(above: BodyLandmarks, body: BodyLandmarks, below: BodyLandmarks, scale: PixelScale) -> float:
    """How far down from `above` to `below` the body lies, 0 to 1; one half between adjacent levels."""
    present = {above.level, body.level, below.level}
    if adjacent(body.level, -1, present) is above.level and adjacent(body.level, 1, present) is below.level:
        return 0.5
    centers = [
        np.mean([scale.to_plane(plate).mean(axis=0) for plate in item.plates], axis=0) for item in (above, body, below)
    ]
    up, down = np.linalg.norm(centers[1] - centers[0]), np.linalg.norm(centers[2] - centers[1])
    return float(up / (up + down))


def _angle(
    radiograph: Radiograph, bodies: Sequence[BodyLandmarks], upper: Plate, lower: Plate, sd_pixels: float | None
) -> tuple[float, float]:
    """Signed angle between two plates and its half-width, degrees; positive where their first ends approach."""
    scale = radiograph.scale
    points = scale.to_plane([*upper, *lower])
    hanging = handedness(bodies[0], bodies[-1], scale)

    def measure(moved: Points) -> float:
        return hanging * between(moved[0] - moved[1], moved[2] - moved[3])

    return measure(points), propagated(measure, points, landmark_sd(bodies, scale, sd_pixels))


def between(first: Points, second: Points) -> float:
    """Angle from `first` to `second` in the picture, degrees, −180 to 180."""
    cross = float(first[0] * second[1] - first[1] * second[0])
    return float(np.degrees(np.arctan2(cross, float(first @ second))))


def handedness(upper: BodyLandmarks, lower: BodyLandmarks, scale: PixelScale) -> float:
    """1 or −1, so that a turn that closes two plates at their first ends is positive however the picture hangs."""
    top, bottom = (
        np.mean([scale.to_plane(plate).mean(axis=0) for plate in body.plates], axis=0) for body in (upper, lower)
    )
    up = top - bottom
    plates = [scale.to_plane(plate) for body in (upper, lower) for plate in body.plates]
    front = np.sum([plate[0] - plate[1] for plate in plates], axis=0)
    return 1.0 if front[0] * up[1] - front[1] * up[0] > 0 else -1.0


def _slip_mm(radiograph: Radiograph, name: str, points: Points, sd: float) -> Measurement:
    scale = radiograph.scale
    reason = no_lengths(scale)
    if not reason and not scale.in_patient:
        reason = "the pixel spacing is the detector's and the magnification is not known; use the percentage"
    if reason:
        return unknown(name, "mm", reason, SLIP_METHOD)

    def measure(moved: Points) -> float:
        return slip_share(moved) * float(np.linalg.norm(moved[2] - moved[3]))

    value = measure(points)
    margin = float(np.hypot(propagated(measure, points, sd), value * scale.magnification_error))
    return Measurement(name, value, "mm", SLIP_METHOD, uncertainty=margin, limits=length_limits(radiograph))


def _meyerding(percent: Measurement) -> tuple[int, tuple[int, ...]]:
    """Grade of a slip, and all grades within its error."""
    value, margin = percent.value or 0.0, percent.uncertainty or 0.0

    def grade(share: float) -> int:
        return 0 if share <= 0 else 1 + sum(share > limit for limit in MEYERDING_PERCENT)

    likely = 0 if value <= margin else grade(value)
    return likely, tuple(sorted({likely, *range(grade(value - margin), grade(value + margin) + 1)}))
