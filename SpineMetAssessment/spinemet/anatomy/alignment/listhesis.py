"""Listhesis: how far a vertebra has slipped on the one below, forward, backward or to a side.

The slip is the displacement of the centers of the two endplates that face each other, along the bisector of both
plates (after Frobin 1997, Clin Biomech 12:S1): it needs no corner of a body, and bodies of different depth that stand
centered on each other have none. In percent of the lower endplate's depth it gives Meyerding's grade.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from spinemet.anatomy.alignment.angles import Landmarks, midpoint, unit, upward
from spinemet.anatomy.alignment.white_panjabi import translation_note
from spinemet.anatomy.endplate import Endplate
from spinemet.anatomy.frame import cross
from spinemet.evidence import Measurement, unknown
from spinemet.levels import Level, Region

METHOD = "between the centers of the facing endplates, along the disc"
SLIP_MM = 3.0
"""A displacement from this on is called a slip (clinical rules, section 1) [D]."""
MEYERDING = ((25.0, "I"), (50.0, "II"), (75.0, "III"), (100.0, "IV"))
"""Upper ends, in percent of the lower endplate's depth, of grades I to IV; more is V (spondyloptosis)."""
EDGES_DISAGREE_MM = 2.5
"""From this difference on between centers and posterior walls the reader is told both [D]: a spur shifts a center."""


@dataclass(frozen=True)
class Listhesis:
    """Slip of one vertebra on the one below.

    :param sagittal: mm, forward positive.
    :param lateral: mm, to the patient's right positive.
    :param percent: size of the sagittal slip in percent of the lower endplate's depth.
    :param direction: "anterolisthesis", "retrolisthesis", "lateral slip to the right", …, or "" below `SLIP_MM`.
    :param grade: Meyerding's "I" to "V" of an anterolisthesis, with a second one where the ± reaches it ("I or II").
    """

    above: Level
    below: Level
    sagittal: Measurement
    lateral: Measurement
    percent: Measurement
    direction: str = ""
    grade: str = ""

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        return (self.sagittal, self.lateral, self.percent)


def listhesis(marks: Landmarks, above: Level, below: Level) -> Listhesis:
    """Slip of `above` on `below`; unknown, with the reason, where one of the facing endplates is."""
    pair = f"{above} on {below}"
    names = (f"slip of {pair}", f"lateral slip of {pair}", f"slip of {pair}, share")
    upper, lower = marks.inferior(above), marks.superior(below)
    if upper is None or lower is None:
        reason = marks.reason(above if upper is None else below)
        sagittal, lateral, percent = (
            unknown(name, unit_, reason, METHOD) for name, unit_ in zip(names, ("mm", "mm", "%"), strict=True)
        )
        return Listhesis(above, below, sagittal, lateral, percent)
    right = marks.pair_right(above, below)
    up = unit(upward(upper, superior=False) + upward(lower, superior=True))
    front = unit(cross(up, right))
    side = cross(front, up)
    moved = np.subtract(upper.center, lower.center)
    position = midpoint(upper.center, lower.center)
    # Where the disc's direction is unsure, so is what is along it.
    tilt = np.tan(np.radians(np.hypot(upper.tilt_error, lower.tilt_error) / 2)) * float(np.linalg.norm(moved))
    margin = float(np.linalg.norm([upper.place_error, lower.place_error, tilt]))
    forward = float(moved @ front)
    sagittal = Measurement(
        names[0], forward, "mm", METHOD, position, margin, limits=_disagreement(upper, lower, front, forward)
    )
    sagittal = replace(sagittal, limits=_with(sagittal.limits, translation_note(sagittal, below)))
    hidden = _no_middle(above, below)
    lateral = (
        unknown(names[1], "mm", hidden, METHOD)
        if hidden
        else Measurement(names[1], float(moved @ side), "mm", METHOD, position, margin)
    )
    lateral = replace(lateral, limits=_with(lateral.limits, translation_note(lateral, below)))
    return _graded(above, below, sagittal, lateral, names[2], lower.depth)


def measured_anew(found: Listhesis, sagittal: Measurement, depth: float | None) -> Listhesis:
    """The slip of a pair with another sagittal displacement; share, direction and grade follow.

    :param depth: of the lower endplate, mm; None where it is not known.
    """
    return _graded(found.above, found.below, sagittal, found.lateral, found.percent.name, depth)


def _graded(
    above: Level, below: Level, sagittal: Measurement, lateral: Measurement, name: str, depth: float | None
) -> Listhesis:
    """With the share of the depth, under `name`, the direction and Meyerding's grade."""
    if sagittal.value is None or depth is None:
        percent = unknown(name, "%", "the depth of the lower endplate is not known", sagittal.method)
        return Listhesis(above, below, sagittal, lateral, percent)
    share, margin = 100 * abs(sagittal.value) / depth, 100 * (sagittal.uncertainty or 0.0) / depth
    direction = _direction(sagittal.value, lateral.value)
    grade = _grades(share, margin) if sagittal.value >= SLIP_MM else ""
    percent = Measurement(
        name, share, "%", "slip / depth of the lower endplate", sagittal.position, margin,
        limits=tuple(text for text in (direction, f"Meyerding {grade}" if grade else "") if text),
    )  # fmt: skip
    return Listhesis(above, below, sagittal, lateral, percent, direction, grade)


def _no_middle(above: Level, below: Level) -> str:
    """Why the middle between the sides of one of the two bodies is not known, or ""."""
    if below is Level.S1:
        return "the outline of the sacrum does not show the middle of its endplate"
    if above.region is Region.CERVICAL:
        return "the sides of cervical bodies run into their transverse processes"
    return ""


def meyerding(percent: float) -> str:
    """Grade of a slip in percent of the lower endplate's depth: ≤25 I, ≤50 II, ≤75 III, ≤100 IV, more V."""
    return next((grade for most, grade in MEYERDING if percent <= most), "V")


def _grades(percent: float, margin: float) -> str:
    grades = [meyerding(max(percent + shift, 0.0)) for shift in (-margin, 0.0, margin)]
    return " or ".join(dict.fromkeys(grades))


def _direction(forward: float, sideward: float | None) -> str:
    words = []
    if abs(forward) >= SLIP_MM:
        words.append("anterolisthesis" if forward > 0 else "retrolisthesis")
    if sideward is not None and abs(sideward) >= SLIP_MM:
        words.append(f"lateral slip to the {'right' if sideward > 0 else 'left'}")
    return " and ".join(words)


def _disagreement(upper: Endplate, lower: Endplate, front: np.ndarray, forward: float) -> tuple[str, ...]:
    walls = float(np.subtract(upper.posterior, lower.posterior) @ front)
    if abs(walls - forward) < EDGES_DISAGREE_MM:
        return ()
    return (f"the posterior walls are {walls:+.1f} mm apart; a spur or bodies of different depth shift the centers",)


def _with(limits: tuple[str, ...], note: str) -> tuple[str, ...]:
    return (*limits, note) if note else limits
