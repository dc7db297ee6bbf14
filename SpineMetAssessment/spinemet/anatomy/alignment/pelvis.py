"""Sacrum, hips and plumb line: pelvic incidence, and slope, tilt and sagittal axis as the patient lay.

Pelvic incidence belongs to the pelvis and holds in any posture. Sacral slope, pelvic tilt and the C7 plumb line of a
lying patient are not those of a standing one: they carry the posture in their names.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinemet.anatomy.alignment.angles import SUPINE, Landmarks, midpoint, unit
from spinemet.anatomy.endplate import Endplate
from spinemet.anatomy.spine import Spine
from spinemet.evidence import Measurement, Point, unknown
from spinemet.levels import Level

VERTICAL = np.array([0.0, 0.0, 1.0])
"""The table's long axis stands for the vertical of a lying patient, RAS."""
HIP_ERROR_MM = 2.0
"""How well a femoral head's center is known (95 %) [D]."""
C7_ERROR_MM = 1.0
NO_HIPS = "the centers of the femoral heads are not given"


@dataclass(frozen=True)
class Pelvis:
    """Pelvic parameters in degrees, and the sagittal axis in mm.

    :param incidence: angle between the perpendicular of the S1 endplate and the line to the middle of the hips.
    :param slope: of the S1 endplate against the horizontal, as the patient lay; `tilt` of the line from the hips.
    :param axis: how far C7's center lies in front of the posterior corner of S1, as the patient lay.
    """

    incidence: Measurement
    slope: Measurement
    tilt: Measurement
    axis: Measurement

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        return (self.incidence, self.slope, self.tilt, self.axis)


def pelvis(
    marks: Landmarks, spine: Spine, *, hips: tuple[Point, Point] | None = None, posture: str = SUPINE
) -> Pelvis:
    """Pelvic parameters of a lying patient.

    :param hips: centers of the left and the right femoral head, RAS, in any order.
    """
    names = ("pelvic incidence", f"sacral slope ({posture})", f"pelvic tilt ({posture})", f"C7–S1 axis ({posture})")
    plate = marks.superior(Level.S1)
    if plate is None:
        reason = marks.reason(Level.S1)
        return Pelvis(*(unknown(name, "mm" if name.startswith("C7") else "deg", reason) for name in names))
    limit = (f"measured {posture}: not the value of a standing patient",)
    side = marks.right[Level.S1] if hips is None else _hip_axis(hips)
    slope = Measurement(
        names[1], _slope(plate, side), "deg", "S1 endplate against the horizontal, the table's long axis as vertical",
        plate.center, plate.tilt_error, limits=limit,
    )  # fmt: skip
    axis = _axis(names[3], plate, side, spine, limit)
    if hips is None:
        return Pelvis(unknown(names[0], "deg", NO_HIPS), slope, unknown(names[2], "deg", NO_HIPS), axis)
    middle = midpoint(*hips)
    margin = float(np.degrees(HIP_ERROR_MM / max(float(np.linalg.norm(np.subtract(plate.center, middle))), 1.0)))
    incidence = Measurement(
        names[0], _incidence(plate, middle, side), "deg",
        "perpendicular of the S1 endplate to the line to the middle of the hips", plate.center,
        float(np.hypot(plate.tilt_error, margin)),
    )  # fmt: skip
    tilt = Measurement(
        names[2], _tilt(plate, middle, side), "deg", "line from the middle of the hips to S1 against the vertical",
        plate.center, margin, limits=limit,
    )  # fmt: skip
    return Pelvis(incidence, slope, tilt, axis)


def _hip_axis(hips: tuple[Point, Point]) -> NDArray[np.float64]:
    axis = unit(np.subtract(hips[1], hips[0]))
    return axis if axis[0] > 0 else -axis


def _upright(side: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Vertical and front within the sagittal plane whose normal is `side`."""
    up = unit(VERTICAL - side * (VERTICAL @ side))
    return up, np.cross(up, side)


def _slope(plate: Endplate, side: NDArray[np.float64]) -> float:
    up, front = _upright(side)
    normal = np.asarray(plate.normal)
    return float(np.degrees(np.arctan2(normal @ front, normal @ up)))


def _tilt(plate: Endplate, middle: Point, side: NDArray[np.float64]) -> float:
    up, front = _upright(side)
    line = np.subtract(plate.center, middle)
    return float(np.degrees(np.arctan2(-line @ front, line @ up)))


def _incidence(plate: Endplate, middle: Point, side: NDArray[np.float64]) -> float:
    """From the two lines alone, without any vertical: so that incidence = tilt + slope is a check."""
    down, line = -np.asarray(plate.normal), np.subtract(middle, plate.center)
    down, line = down - side * (down @ side), line - side * (line @ side)
    return float(np.degrees(np.arctan2(np.cross(down, line) @ side, down @ line)))


def _axis(name: str, plate: Endplate, side: NDArray[np.float64], spine: Spine, limit: tuple[str, ...]) -> Measurement:
    c7 = spine.vertebrae.get(Level.C7)
    if c7 is None or not c7.measured:
        return unknown(name, "mm", "C7 is not outlined" if c7 is None else c7.reason)
    _, front = _upright(side)
    value = float(np.subtract(c7.frame.origin, plate.posterior) @ front)
    margin = float(np.hypot(plate.place_error, C7_ERROR_MM))
    return Measurement(
        name, value, "mm", "C7's center in front of the posterior corner of S1", plate.posterior, margin, limits=limit
    )
