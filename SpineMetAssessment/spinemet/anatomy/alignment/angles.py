"""Angles between endplates in a plane of the spine, and where the endplates of every level are.

Kyphosis is positive, lordosis negative. The plane is the spine's own (from the vertebrae's frames), never the image's.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spinemet.anatomy.alignment.sacrum import sacral_endplate
from spinemet.anatomy.endplate import Endplate
from spinemet.anatomy.frame import cross
from spinemet.anatomy.spine import Spine
from spinemet.anatomy.vertebra import Vertebra
from spinemet.evidence import Measurement, Point, unknown
from spinemet.levels import Level

SUPINE = "supine"
POSTURES = {"S": SUPINE, "P": "prone", "DL": "lying on the left side", "DR": "lying on the right side"}
"""How a patient lies, by the end of DICOM's patient position ("HFS", "FFP", "HFDL")."""


def posture_of(patient_position: str) -> str:
    """How the patient lay, in words, from DICOM's patient position; "lying" when the files do not say."""
    return POSTURES.get(patient_position.strip().upper()[2:], "lying")


def posture_limit(posture: str) -> str:
    """What a reader must know about angles of a patient who lies."""
    return f"{posture}: standing may differ, kyphosis is underestimated"


@dataclass(frozen=True)
class Plates:
    """Both endplates of a vertebra, None where there is none to be found; then `reason` says why."""

    superior: Endplate | None
    inferior: Endplate | None
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Endplates and sagittal directions of all levels of a spine.

    :param plates: by level from head to tail; S1 has a superior endplate only.
    :param right: unit vectors to the patient's right (RAS), from the vertebrae's own frames.
    """

    plates: dict[Level, Plates]
    right: dict[Level, NDArray[np.float64]]

    def superior(self, level: Level) -> Endplate | None:
        return self.plates[level].superior if level in self.plates else None

    def inferior(self, level: Level) -> Endplate | None:
        return self.plates[level].inferior if level in self.plates else None

    def reason(self, level: Level) -> str:
        """Why an endplate of a level is missing."""
        return self.plates[level].reason if level in self.plates else f"{level} is not outlined"

    def pair_right(self, above: Level, below: Level) -> NDArray[np.float64]:
        """Right of a pair: the normal of its sagittal plane, RAS."""
        return unit(self.right[above] + self.right[below])


_KNOWN: weakref.WeakKeyDictionary[Spine, Landmarks] = weakref.WeakKeyDictionary()


def landmarks(spine: Spine) -> Landmarks:
    """Endplates of a spine; kept as long as the spine is, since it never changes."""
    found = _KNOWN.get(spine)
    if found is None:
        found = _KNOWN[spine] = _find(spine)
    return found


def _find(spine: Spine) -> Landmarks:
    plates: dict[Level, Plates] = {}
    for level, item in spine.vertebrae.items():
        if level is not Level.S1:
            plates[level] = plates_of(item)
    right = {level: np.array(item.frame.right) for level, item in spine.vertebrae.items()}
    if Level.S1 in spine.vertebrae:
        plate, reason = sacral_endplate(spine)
        plates[Level.S1] = Plates(plate, None, reason)
        # The sacrum has no frame of its own; it takes the front of the vertebra above, as its endplate did.
        above = [level for level in plates if level < Level.S1 and plates[level].inferior is not None]
        if above:
            right[Level.S1] = right[above[-1]]
    return Landmarks(plates, right)


def plates_of(vertebra: Vertebra) -> Plates:
    """Endplates of a vertebra, with the reason where one is missing."""
    if not vertebra.measured:
        return Plates(None, None, vertebra.reason or f"{vertebra.level} has no measured body")
    both = {"superior": vertebra.superior_endplate, "inferior": vertebra.inferior_endplate}
    missing = [name for name, plate in both.items() if plate is None]
    reason = f"the {' and the '.join(missing)} endplate of {vertebra.level} is not found" if missing else ""
    return Plates(both["superior"], both["inferior"], reason)


def unit(vector: ArrayLike) -> NDArray[np.float64]:
    """The vector with length 1."""
    found = np.asarray(vector, dtype=float)
    return np.asarray(found / max(float(np.linalg.norm(found)), 1e-12))


def upward(plate: Endplate, *, superior: bool) -> NDArray[np.float64]:
    """Normal of a plate toward the head, RAS."""
    return np.asarray(plate.normal) if superior else -np.asarray(plate.normal)


def sagittal_angle(upper: ArrayLike, lower: ArrayLike, right: NDArray[np.float64]) -> float:
    """Degrees by which the upper of two headward normals leans forward against the lower, seen from the right."""
    first, second = np.asarray(upper, dtype=float), np.asarray(lower, dtype=float)
    first, second = first - right * (first @ right), second - right * (second @ right)
    return -float(np.degrees(np.arctan2(cross(second, first) @ right, second @ first)))


def angle_measurement(
    name: str, value: float, method: str, plates: tuple[Endplate, Endplate], limits: tuple[str, ...] = ()
) -> Measurement:
    """An angle between two plates with its ± and the point between them."""
    return Measurement(
        name, value, "deg", method,
        position=midpoint(plates[0].center, plates[1].center),
        uncertainty=float(np.hypot(plates[0].tilt_error, plates[1].tilt_error)),
        limits=limits,
    )  # fmt: skip


def between(
    name: str, marks: Landmarks, above: Level, below: Level, method: str, limits: tuple[str, ...] = ()
) -> Measurement:
    """Sagittal angle between the superior endplate of `above` and the inferior one of `below` (S1: superior)."""
    upper = marks.superior(above)
    lower = marks.superior(below) if below is Level.S1 else marks.inferior(below)
    if upper is None or lower is None:
        return unknown(name, "deg", marks.reason(above if upper is None else below), method)
    value = sagittal_angle(
        upward(upper, superior=True), upward(lower, superior=below is Level.S1), marks.pair_right(above, below)
    )
    return angle_measurement(name, value, method, (upper, lower), limits)


def midpoint(one: Point, other: Point) -> Point:
    x, y, z = ((a + b) / 2 for a, b in zip(one, other, strict=True))
    return (x, y, z)
