"""Motion of a segment between flexion and extension radiographs, with White and Panjabi's thresholds.

Each film is measured in its own plane: translation in percent of the endplate below, so that two magnifications do
not matter, and angles between whole bodies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinemet.anatomy.radiographs.landmarks import (
    TWO_SIDED_95,
    BodyLandmarks,
    Plate,
    Points,
    landmark_sd,
    propagated,
)
from spinemet.anatomy.radiographs.measures import (
    between,
    handedness,
    length_limits,
    listhesis,
    no_lengths,
    segmental_kyphosis,
    view_limits,
)
from spinemet.evidence import Measurement, unknown
from spinemet.levels import Level, Region
from spinemet.radiograph import Bending, Radiograph

METHOD = "landmarks, flexion against extension"
TRANSLATION_LIMIT_MM = {Region.CERVICAL: 3.5, Region.LUMBAR: 4.5}
"""Translation beyond which White and Panjabi call a segment unstable (1990), by the region of the level above."""
LUMBAR_MOTION_LIMIT_DEG = {**dict.fromkeys((Level.L1, Level.L2, Level.L3), 15.0), Level.L4: 20.0, Level.L5: 25.0}
"""Sagittal rotation between flexion and extension beyond which they do, by the level above."""
RESTING_LIMIT_DEG = {Region.CERVICAL: 11.0, Region.LUMBAR: 22.0}
"""Angulation at rest, compared with the segments next to it, beyond which they do."""


@dataclass(frozen=True)
class Segment:
    """Landmarks of a segment on one radiograph."""

    radiograph: Radiograph
    above: BodyLandmarks
    below: BodyLandmarks


@dataclass(frozen=True)
class Motion:
    """How a segment moves from extension to flexion.

    :param translation_percent: of the superior endplate below; forward in flexion is positive.
    :param translation_mm: the same in the patient's plane.
    :param rotation: of the body above against the one below, degrees; flexion is positive.
    :param magnification_ratio: size of the bodies in flexion over that in extension.
    """

    translation_percent: Measurement
    translation_mm: Measurement
    rotation: Measurement
    magnification_ratio: Measurement

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        return (self.translation_mm, self.translation_percent, self.rotation, self.magnification_ratio)


def segment_motion(flexion: Segment, extension: Segment, *, sd_pixels: float | None = None) -> Motion:
    """Translation and rotation of a segment between two lateral radiographs.

    :param sd_pixels: standard deviation of a landmark on both; by default a share of the plates' length.
    """
    level, below = flexion.above.level, flexion.below.level
    names = ("translation", "translation", "rotation", "size in flexion over extension")
    units = ("%", "mm", "deg", "")
    reason = _mismatch(flexion, extension)
    slips = [listhesis(item.radiograph, item.above, item.below, sd_pixels=sd_pixels) for item in (flexion, extension)]
    reason = reason or next((slip.percent.reason for slip in slips if not slip.percent.known), "")
    if reason:
        missing = [
            unknown(f"{name} {level}/{below}", unit, reason, METHOD) for name, unit in zip(names, units, strict=True)
        ]
        return Motion(*missing)
    size = _size_ratio(f"{names[3]} {level}/{below}", flexion, extension, sd_pixels)
    limits = _common_limits(flexion, extension)
    if size.value is not None and abs(size.value - 1) > (size.uncertainty or 0.0):
        compared = "larger" if size.value > 1 else "smaller"
        limits = (*limits, f"the bodies are {100 * abs(size.value - 1):.0f} % {compared} in flexion")
    percent = Measurement(
        f"translation {level}/{below}",
        _value(slips[0].percent) - _value(slips[1].percent),
        "%",
        METHOD,
        uncertainty=float(np.hypot(slips[0].percent.uncertainty or 0.0, slips[1].percent.uncertainty or 0.0)),
        limits=limits,
    )
    return Motion(
        percent,
        _translation_mm(percent, flexion, extension, limits),
        _rotation(flexion, extension, limits, sd_pixels),
        size,
    )


def resting_angulation(segment: Segment, neighbor: Segment, *, sd_pixels: float | None = None) -> Measurement:
    """Segmental kyphosis of a segment beyond that of a neighboring one on the same radiograph, degrees."""
    name = (
        f"angulation {segment.above.level}/{segment.below.level} beyond {neighbor.above.level}/{neighbor.below.level}"
    )
    own, other = (
        segmental_kyphosis(item.radiograph, item.above, item.below, sd_pixels=sd_pixels)
        for item in (segment, neighbor)
    )
    if own.value is None or other.value is None:
        return unknown(name, "deg", own.reason or other.reason, METHOD)
    value, margin = own.value - other.value, float(np.hypot(own.uncertainty or 0.0, other.uncertainty or 0.0))
    limit = RESTING_LIMIT_DEG.get(segment.above.level.region)
    limits = (*own.limits, _against(abs(value), margin, limit, "deg", "at rest"))
    return Measurement(name, value, "deg", "landmarks, at rest", uncertainty=margin, limits=limits)


def _mismatch(flexion: Segment, extension: Segment) -> str:
    if (flexion.above.level, flexion.below.level) != (extension.above.level, extension.below.level):
        return "the two radiographs are marked at different levels"
    if flexion.radiograph.bending is Bending.EXTENSION or extension.radiograph.bending is Bending.FLEXION:
        return "the headers say that flexion and extension are exchanged; confirm which is which"
    return ""


def _common_limits(flexion: Segment, extension: Segment) -> tuple[str, ...]:
    limits = [limit for item in (flexion, extension) for limit in view_limits(item.radiograph)]
    if Bending.UNKNOWN in (flexion.radiograph.bending, extension.radiograph.bending):
        limits.append("flexion and extension as the reader named them; the files do not say")
    return tuple(dict.fromkeys(limits))


def _translation_mm(
    percent: Measurement, flexion: Segment, extension: Segment, limits: tuple[str, ...]
) -> Measurement:
    """Translation in mm: the percentage of the plate below, whose length comes from the films that can give one."""
    measuring = [item for item in (flexion, extension) if item.radiograph.scale.in_patient]
    if not measuring:
        reason = next(filter(None, (no_lengths(item.radiograph.scale) for item in (flexion, extension))), "")
        reason = reason or "the pixel spacing is the detector's and the magnification is not known"
        return unknown(percent.name, "mm", f"{reason}; use the percentage", METHOD)
    lengths = [_length(item.below.superior, item) for item in measuring if item.below.superior]
    length = float(np.mean(lengths))
    error = max(item.radiograph.scale.magnification_error for item in measuring)
    value = _value(percent) * length / 100
    margin = float(np.hypot((percent.uncertainty or 0.0) * length / 100, value * error))
    own = [limit for item in measuring for limit in length_limits(item.radiograph)]
    threshold = TRANSLATION_LIMIT_MM.get(flexion.above.level.region)
    said = _against(abs(value), margin, threshold, "mm", "translation")
    return Measurement(
        percent.name, value, "mm", METHOD, uncertainty=margin, limits=tuple(dict.fromkeys((*own, *limits, said)))
    )


def _rotation(flexion: Segment, extension: Segment, limits: tuple[str, ...], sd_pixels: float | None) -> Measurement:
    angles = [_bodies_angle(item, flexion, extension, sd_pixels) for item in (flexion, extension)]
    value = angles[0][0] - angles[1][0]
    margin = float(np.hypot(angles[0][1], angles[1][1]))
    level = flexion.above.level
    said = _against(abs(value), margin, LUMBAR_MOTION_LIMIT_DEG.get(level), "deg", "flexion–extension motion")
    name = f"rotation {level}/{flexion.below.level}"
    return Measurement(name, value, "deg", METHOD, uncertainty=margin, limits=(*limits, said))


def _bodies_angle(item: Segment, flexion: Segment, extension: Segment, sd_pixels: float | None) -> tuple[float, float]:
    """Kyphotic angle between two bodies on one film, by the plates that both films show, and its half-width."""
    scale = item.radiograph.scale
    upper, lower = (_shared(item, flexion, extension, which) for which in ("above", "below"))
    points = scale.to_plane([pixel for plate in (*upper, *lower) for pixel in plate])
    hanging = handedness(item.above, item.below, scale)
    split = 2 * len(upper)

    def measure(moved: Points) -> float:
        return hanging * between(_direction(moved[:split]), _direction(moved[split:]))

    sd = landmark_sd((item.above, item.below), scale, sd_pixels)
    return measure(points), propagated(measure, points, sd)


def _shared(item: Segment, flexion: Segment, extension: Segment, which: str) -> list[Plate]:
    """The plates of one body on one film that both films show."""
    own, first, second = (getattr(segment, which) for segment in (item, flexion, extension))
    names = ("superior", "inferior")
    return [getattr(own, name) for name in names if getattr(first, name) and getattr(second, name)]


def _direction(points: Points) -> Points:
    """Mean direction of plates given as pairs of points."""
    along = points[0::2] - points[1::2]
    return np.asarray((along / np.linalg.norm(along, axis=1, keepdims=True)).sum(axis=0))


def _size_ratio(name: str, flexion: Segment, extension: Segment, sd_pixels: float | None) -> Measurement:
    """Size of the plates in flexion over that in extension, each in its film's own plane."""
    films = (flexion.radiograph.scale, extension.radiograph.scale)
    if (films[0].step_mm is None) != (films[1].step_mm is None):
        return unknown(name, "", "only one of the two radiographs has a pixel spacing", METHOD)
    sizes, shares = [], []
    for item in (flexion, extension):
        plates = [*_shared(item, flexion, extension, "above"), *_shared(item, flexion, extension, "below")]
        size = float(np.mean([_length(plate, item) for plate in plates]))
        sd = landmark_sd((item.above, item.below), item.radiograph.scale, sd_pixels)
        sizes.append(size)
        # Both ends of every plate have an error; the mean of the plates has less of it.
        shares.append(TWO_SIDED_95 * sd * np.sqrt(2 / len(plates)) / size)
    ratio = sizes[0] / sizes[1]
    return Measurement(name, ratio, "", METHOD, uncertainty=float(ratio * np.hypot(*shares)))


def _length(plate: Plate, item: Segment) -> float:
    first, second = item.radiograph.scale.to_plane(plate)
    return float(np.linalg.norm(first - second))


def _value(measurement: Measurement) -> float:
    assert measurement.value is not None
    return measurement.value


def _against(value: float, margin: float, limit: float | None, unit: str, what: str) -> str:
    """The comparison with a threshold in words."""
    if limit is None:
        return f"White and Panjabi give no threshold for {what} at this level"
    sign = "°" if unit == "deg" else f" {unit}"
    if abs(value - limit) <= margin:
        return f"near White and Panjabi's threshold of {limit:g}{sign} ({what})"
    side = "above" if value > limit else "below"
    return f"{side} White and Panjabi's threshold of {limit:g}{sign} ({what})"
