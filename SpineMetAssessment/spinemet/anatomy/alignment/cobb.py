"""Cobb angles with automatic end vertebrae: upper endplate of the upper, lower endplate of the lower end vertebra.

The end vertebrae are the pair with the largest angle. A coronal curve is seen as on a radiograph, from the front of
the table; a patient who lies obliquely is seen from the mean front of the vertebrae.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spinemet.anatomy.alignment.angles import Landmarks, angle_measurement, sagittal_angle, unit, upward
from spinemet.anatomy.endplate import Endplate
from spinemet.evidence import Measurement, unknown
from spinemet.levels import Level

SCOLIOSIS_DEG = 10.0
"""A coronal curve below this is no scoliosis (Scoliosis Research Society)."""
METHOD = "upper endplate of the upper, lower endplate of the lower end vertebra; end vertebrae found"
OBLIQUE_DEG = 15.0
"""From this angle on between the table's front and the spine's the patient lies obliquely [D]; a scoliosis of 35°
turns the mean front of its vertebrae by about 10°."""

Ends = tuple[Level, Level]


@dataclass(frozen=True)
class Curve:
    """A curve between two end vertebrae.

    :param angle: degrees. Coronal: its size. Sagittal: kyphosis positive.
    :param convex: "right" or "left" for a coronal curve, else "".
    """

    angle: Measurement
    upper: Level | None = None
    lower: Level | None = None
    convex: str = ""


def coronal_cobb(marks: Landmarks) -> Curve:
    """The largest coronal curve."""
    name = "coronal Cobb angle"
    levels = _upper_ends(marks)
    if len(levels) < 2:
        return Curve(unknown(name, "deg", "fewer than two vertebrae with endplates", METHOD))
    up, right = _coronal_plane(marks)
    ends = _largest(marks, lambda upper, lower: abs(_coronal(upper, lower, up, right)), sacrum=False)
    if ends is None:
        return Curve(unknown(name, "deg", "fewer than two vertebrae with endplates", METHOD))
    upper, lower = _end_plates(marks, ends)
    first, second = upward(upper, superior=True), upward(lower, superior=False)
    value = _coronal(first, second, up, right)
    convex = "right" if value > 0 else "left"
    limits = () if abs(value) >= SCOLIOSIS_DEG else (f"below {SCOLIOSIS_DEG:g}°: no scoliosis",)
    method = f"{ends[0]}–{ends[1]}, convex to the {convex}; {METHOD}"
    return Curve(angle_measurement(name, abs(value), method, (upper, lower), limits), *ends, convex)


def sagittal_cobb(marks: Landmarks) -> tuple[Curve, Curve]:
    """The largest kyphosis and the largest lordosis; each unknown where no pair of plates curves that way."""

    def found(name: str, sign: int) -> Curve:
        levels = list(marks.right)
        right = unit(sum((marks.right[level] for level in levels), np.zeros(3))) if levels else np.array([1.0, 0, 0])
        ends = _largest(marks, lambda upper, lower: sign * sagittal_angle(upper, lower, right), sacrum=True)
        if ends is None:
            return Curve(unknown(name, "deg", "fewer than two vertebrae with endplates", METHOD))
        upper, lower = _end_plates(marks, ends)
        value = sagittal_angle(
            upward(upper, superior=True),
            upward(lower, superior=ends[1] is Level.S1),
            marks.pair_right(*ends),
        )
        if sign * value <= 0:
            return Curve(unknown(name, "deg", f"no part of the spine seen shows a {name.split()[1]}", METHOD))
        angle = angle_measurement(name, value, f"{ends[0]}–{ends[1]}; {METHOD}", (upper, lower))
        return Curve(replace(angle, name=name), *ends)

    return found("largest kyphosis", +1), found("largest lordosis", -1)


def _upper_ends(marks: Landmarks) -> list[Level]:
    return [level for level, plates in marks.plates.items() if plates.superior is not None and level is not Level.S1]


def _largest(
    marks: Landmarks, angle: Callable[[NDArray[np.float64], NDArray[np.float64]], float], *, sacrum: bool
) -> Ends | None:
    """The pair of levels with the largest angle between the headward normals of its outer plates."""
    starts = {level: marks.superior(level) for level in _upper_ends(marks)}
    ends = {level: marks.superior(level) if level is Level.S1 else marks.inferior(level) for level in marks.plates}
    if not sacrum:
        ends.pop(Level.S1, None)
    uppers = [(level, upward(plate, superior=True)) for level, plate in starts.items() if plate]
    lowers = [(level, upward(plate, superior=level is Level.S1)) for level, plate in ends.items() if plate]
    best: tuple[float, Ends] | None = None
    for above, upper in uppers:
        for below, lower in lowers:
            if below <= above:
                continue
            value = angle(upper, lower)
            if best is None or value > best[0]:
                best = (value, (above, below))
    return best[1] if best else None


def _end_plates(marks: Landmarks, ends: Ends) -> tuple[Endplate, Endplate]:
    upper = marks.superior(ends[0])
    lower = marks.superior(ends[1]) if ends[1] is Level.S1 else marks.inferior(ends[1])
    assert upper is not None and lower is not None
    return upper, lower


def _coronal_plane(marks: Landmarks) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Directions to the head and to the right that span the coronal plane, RAS."""
    centers = np.array(
        [plate.center for item in marks.plates.values() for plate in (item.superior, item.inferior) if plate]
    )
    up = unit(centers[0] - centers[-1])
    right = unit(sum(marks.right.values(), np.zeros(3)))
    front = unit(np.cross(up, right))
    # How far the spine leans forward does not matter: only a turn to a side shows kyphosis as scoliosis.
    if np.degrees(np.arctan2(abs(front[0]), front[1])) < OBLIQUE_DEG:
        return np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0])
    return up, unit(right - up * (right @ up))


def _coronal(
    upper: NDArray[np.float64], lower: NDArray[np.float64], up: NDArray[np.float64], right: NDArray[np.float64]
) -> float:
    """Degrees by which the lower plate leans farther right than the upper one; positive: convex to the right."""
    tilts = [np.arctan2(normal @ right, normal @ up) for normal in (lower, upper)]
    return float(np.degrees(tilts[0] - tilts[1]))
