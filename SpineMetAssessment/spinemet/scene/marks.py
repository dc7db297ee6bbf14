"""Marks: what was measured, as points in space, before any node is made of it.

A mark is a line, an angle, a plane, a curve or a list of points with the name of the measurement that it shows.
Key functions: `marks_from` collects those of an assessment; `value_of` measures a mark whose points a person moved.
Knows the anatomy and no scene.
"""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property, partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spinemet.anatomy.alignment.angles import Landmarks, landmarks, sagittal_angle, unit, upward
from spinemet.anatomy.alignment.cobb import SCOLIOSIS_DEG, Curve, coronal_cobb, sagittal_cobb
from spinemet.anatomy.alignment.listhesis import SLIP_MM, listhesis
from spinemet.anatomy.alignment.whole import neighbors, segmental_kyphosis
from spinemet.anatomy.arch.ring import ArchRing, arch_ring
from spinemet.anatomy.canal_line import body_line, canal_line
from spinemet.anatomy.endplate import Endplate
from spinemet.anatomy.heights import Column, Plane
from spinemet.anatomy.lesions.cortex import CorticalBreaks
from spinemet.anatomy.lesions.wbb import SECTORS, WbbZones
from spinemet.anatomy.spine import Spine
from spinemet.anatomy.vertebra import Vertebra
from spinemet.assessment import Assessment, LevelAssessment
from spinemet.errors import NotMeasurable
from spinemet.evidence import Measurement, Point
from spinemet.increment import Increment
from spinemet.levels import Level

SYMBOLS = {Column.ANTERIOR: "Ha", Column.MIDDLE: "Hm", Column.POSTERIOR: "Hp"}
"""Short, since three of them stand beside each other; the folder says the level."""
LABEL_IN_FRONT_MM = 12.0
"""A level's name stands this far in front of its body: there it covers no bone in a lateral view."""
HALF_DEPTH_MM = 17.0
"""Half depth of a body that was not measured."""
ARM_MM = 45.0
"""Length of an angle's arms."""
RING_BEYOND_MM = 8.0
"""The ring of WBB sectors lies this far in front of the body."""
LEAST_SHARE = 5.0
"""Parts of the arch with less lesion than this (%) get no name in the picture."""
MOST_BREAK_POINTS = 40
_DIGITS = 4
INVOLVED_SECTORS = "WBB sectors involved"


class Kind(str, Enum):
    """Shape of a mark, named as Slicer's markups are."""

    LINE = "Line"
    ANGLE = "Angle"
    PLANE = "Plane"
    CURVE = "Curve"
    CLOSED_CURVE = "ClosedCurve"
    POINTS = "Fiducial"


class Group(str, Enum):
    """What a mark belongs to; a group is shown and hidden as a whole."""

    LABELS = "levels"
    HEIGHTS = "heights"
    ENDPLATES = "endplates"
    ANGLES = "segmental angles"
    SLIPS = "slips"
    PARTS = "involved parts"
    BREAKS = "cortical breaks"
    WBB = "WBB sectors"
    CURVES = "spinal curves"
    COBB = "Cobb angles"


HIDDEN_AT_FIRST = frozenset((Group.ENDPLATES, Group.WBB, Group.CURVES, Group.COBB))
"""Groups that would cover the picture; they are shown when asked for."""


@dataclass(frozen=True)
class Mark:
    """One thing to draw.

    :param name: the measurement's name in the assessment, or what the mark is; unique within levels and group.
    :param title: what the picture says beside it, short.
    :param levels: the level, or both levels of a pair, that it is about; empty for the whole spine.
    :param points: RAS. Line: both ends. Angle: end, vertex, end. Plane: its center. Curves and points: any number.
    :param labels: of the points, where each has its own.
    :param axis: unit vector (RAS). Plane: outward normal. Angle: right of its sagittal plane, which gives the sign;
        None for the size alone. Line: direction that counts as positive; None for its length.
    :param size: of a plane, mm: across and along its depth.
    :param unit: of the measured value; "" where a mark shows none.
    """

    kind: Kind
    group: Group
    name: str
    title: str
    levels: tuple[Level, ...]
    points: tuple[Point, ...]
    labels: tuple[str, ...] = ()
    axis: Point | None = None
    size: tuple[float, float] | None = None
    unit: str = ""
    description: str = ""

    @property
    def key(self) -> str:
        """By which a mark of the same measurement is found again."""
        return "/".join((self.group.value, "–".join(level.value for level in self.levels), self.name))

    @cached_property
    def text(self) -> str:
        """JSON of what a node remembers of it."""
        plain = {
            "kind": self.kind.value,
            "group": self.group.value,
            "name": self.name,
            "levels": [level.value for level in self.levels],
            "points": [[round(value, _DIGITS) for value in point] for point in self.points],
            "labels": list(self.labels),
            "axis": list(self.axis) if self.axis is not None else None,
            "size": list(self.size) if self.size is not None else None,
            "unit": self.unit,
            "says": self.description,
        }
        return json.dumps(plain, ensure_ascii=False)


class KeptMarks:
    """Marks of assessments that follow each other: only those of what changed are made anew."""

    def __init__(self) -> None:
        self._known: dict[object, tuple[tuple[object, ...], tuple[Mark, ...]]] = {}

    def of(
        self, key: object, seen: tuple[object, ...], make: Callable[[], Iterable[Mark]], *, waits: bool = False
    ) -> tuple[Mark, ...]:
        """The marks under a key, made anew unless they were made from the very same objects.

        :param waits: whether those made before are good enough for now, whatever they were made from.
        """
        known = self._known.get(key)
        if known is not None and (waits or _identical(known[0], seen)):
            return known[1]
        found = tuple(make())
        self._known[key] = (seen, found)
        return found


def _identical(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


def value_of(kind: Kind, points: ArrayLike, axis: Point | None) -> float | None:
    """Value of a mark from its points as they are now, in mm or degrees; None for kinds that have none.

    :param axis: as in `Mark`.
    """
    place = np.asarray(points, dtype=float)
    if kind is Kind.LINE and len(place) == 2:
        way = place[1] - place[0]
        return float(way @ np.asarray(axis)) if axis is not None else float(np.linalg.norm(way))
    if kind is Kind.ANGLE and len(place) == 3:
        first, second = place[0] - place[1], place[2] - place[1]
        if axis is not None:
            return sagittal_angle(first, second, np.asarray(axis, dtype=float))
        lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
        return float(np.degrees(np.arccos(np.clip(first @ second / lengths, -1.0, 1.0)))) if lengths else None
    return None


def marks_from(
    assessment: Assessment,
    store: Increment,
    levels: Collection[Level] | None = None,
    kept: KeptMarks | None = None,
) -> Iterator[Mark]:
    """What `marks_of` draws, with vertebrae, breaks and sectors as the assessment's own steps kept them.

    :param store: the one that was given to `assess` for this very assessment; what it kept of earlier ones is left.
        Where it left the alignment for later, the curves of the whole spine stay as they were, too.
    """
    now = {item.level: item.frame for item in assessment.levels}
    vertebrae = {item.level: item for item in store.results("vertebra").values() if now.get(item.level) == item.frame}
    spine = Spine(dict(sorted(vertebrae.items()))) if vertebrae else None
    involved = {item.level.value: item.level for item in assessment.scored}
    breaks = {involved[place]: found for place, found in store.results("cortex").items() if place in involved}
    wbb = {involved[place]: zones for place, (_, zones) in store.results("extent").items() if place in involved}
    waits = any(step == "alignment" for step, _ in store.pending)
    yield from marks_of(assessment, spine, levels=levels, breaks=breaks, wbb=wbb, kept=kept, waits=waits)


def marks_of(
    assessment: Assessment,
    spine: Spine | None = None,
    *,
    levels: Collection[Level] | None = None,
    breaks: Mapping[Level, CorticalBreaks] | None = None,
    wbb: Mapping[Level, WbbZones] | None = None,
    kept: KeptMarks | None = None,
    waits: bool = False,
) -> Iterator[Mark]:
    """Everything to draw for an assessment, one mark after the other; what is unknown has no mark.

    :param spine: the measured vertebrae behind the assessment; without them there are names and involved parts only.
    :param levels: whose heights, endplates, angles and slips to draw; by default the scored ones.
    :param breaks: cortical breaks by level, where measured; `wbb` likewise.
    :param kept: the marks of the assessments before this one.
    :param waits: whether the curves of the whole spine can stay as they were.
    """
    kept = kept if kept is not None else KeptMarks()
    wanted = {item.level for item in assessment.scored} if levels is None else set(levels)
    yield from _names(assessment, spine)
    for item in assessment.scored:
        yield from _parts(item)
    if spine is None:
        return
    marks, everything = landmarks(spine), tuple(spine.vertebrae.values())
    for level, vertebra in spine.vertebrae.items():
        if level in wanted:
            lesion = ((breaks or {}).get(level), (wbb or {}).get(level))
            # The sacrum takes its endplate and its front from the vertebrae above.
            seen = everything if level is Level.S1 else (vertebra,)
            yield from kept.of(level, (*seen, *lesion), partial(_level, vertebra, marks, *lesion))
    for above, below in neighbors(spine):
        if above in wanted or below in wanted:
            pair = everything if below is Level.S1 else (spine[above], spine[below])
            yield from kept.of((above, below), pair, partial(_pair, spine, marks, above, below))
    yield from kept.of("curves", everything, lambda: (*_curves(spine), *_cobb(marks)), waits=waits)


def _level(
    vertebra: Vertebra, marks: Landmarks, breaks: CorticalBreaks | None, zones: WbbZones | None
) -> Iterator[Mark]:
    yield from _heights(vertebra)
    yield from _endplates(vertebra, marks)
    yield from _breaks(vertebra.level, breaks)
    yield from _ring(vertebra, zones)


def _pair(spine: Spine, marks: Landmarks, above: Level, below: Level) -> Iterator[Mark]:
    yield from _segment(spine, marks, above, below)
    yield from _slip(marks, above, below)


def _names(assessment: Assessment, spine: Spine | None) -> Iterator[Mark]:
    """The names of all levels in front of their bodies, in one list of points."""
    placed = {}
    for item in assessment.levels:
        if item.frame is None:
            continue
        vertebra = spine.vertebrae.get(item.level) if spine is not None else None
        depth = vertebra.depth.value if vertebra is not None else None
        forward = (depth / 2 if depth is not None else HALF_DEPTH_MM) + LABEL_IN_FRONT_MM
        placed[item.level] = _point(item.frame.to_ras([0.0, forward, 0.0]))
    if placed:
        names = tuple(level.value for level in placed)
        yield Mark(Kind.POINTS, Group.LABELS, "levels", "Levels", (), tuple(placed.values()), names)


def _parts(item: LevelAssessment) -> Iterator[Mark]:
    """Names and shares of the posterolateral parts that the lesion involves."""
    assert item.sins is not None
    finding = item.sins.components["posterolateral"]
    shown = [
        (part.position, f"{part.name} {part.value:.0f} %")
        for part in (finding.suggested or finding).measurements
        if part.position is not None and part.unit == "%" and part.value is not None and part.value >= LEAST_SHARE
    ]
    if shown:
        points, labels = zip(*shown, strict=True)
        yield Mark(Kind.POINTS, Group.PARTS, "parts", f"{item.level} involved parts", (item.level,), points, labels)


def _heights(vertebra: Vertebra) -> Iterator[Mark]:
    level = vertebra.level
    for column in Column:
        height = vertebra.heights[Plane.MIDDLE][column]
        if height.superior is None or height.inferior is None:
            continue
        yield Mark(
            Kind.LINE,
            Group.HEIGHTS,
            height.measurement.name,
            SYMBOLS[column],
            (level,),
            (height.superior, height.inferior),
            unit="mm",
            description=_said(height.measurement),
        )


def _endplates(vertebra: Vertebra, marks: Landmarks) -> Iterator[Mark]:
    level, width = vertebra.level, vertebra.width.value
    for word, plate in (("superior", marks.superior(level)), ("inferior", marks.inferior(level))):
        if plate is not None and width is not None:
            yield Mark(
                Kind.PLANE,
                Group.ENDPLATES,
                f"{word} endplate",
                f"{level} {word} endplate",
                (level,),
                (plate.center,),
                axis=plate.normal,
                size=(width, plate.depth),
            )


def _segment(spine: Spine, marks: Landmarks, above: Level, below: Level) -> Iterator[Mark]:
    upper = marks.superior(above)
    lower = marks.superior(below) if below is Level.S1 else marks.inferior(below)
    angle = segmental_kyphosis(spine, above, below)
    if upper is None or lower is None or angle.value is None:
        return
    yield _sagittal(
        Group.ANGLES, angle, (above, below), (upper, lower), marks.pair_right(above, below), below is Level.S1
    )


def _sagittal(
    group: Group,
    angle: Measurement,
    levels: tuple[Level, Level],
    plates: tuple[Endplate, Endplate],
    right: NDArray[np.float64],
    sacrum: bool,
) -> Mark:
    """A sagittal angle as two arms parallel to the plates, which meet behind the bodies."""
    upper, lower = plates
    directions = [
        unit(np.cross(upward(plate, superior=superior), right)) for plate, superior in ((upper, True), (lower, sacrum))
    ]
    vertex = (np.array(upper.posterior) + np.array(lower.posterior)) / 2
    assert angle.value is not None
    curve = "kyphosis" if angle.value >= 0 else "lordosis"
    first, second = (_point(vertex + ARM_MM * direction) for direction in directions)
    return Mark(
        Kind.ANGLE,
        group,
        angle.name,
        f"{levels[0]}–{levels[1]} {curve}",
        levels,
        (first, _point(vertex), second),
        axis=_point(right),
        unit="deg",
        description=_said(angle),
    )


def _slip(marks: Landmarks, above: Level, below: Level) -> Iterator[Mark]:
    found = listhesis(marks, above, below)
    lower, upper = marks.superior(below), marks.inferior(above)
    forward = found.sagittal.value
    if lower is None or upper is None or forward is None or abs(forward) < SLIP_MM:
        return
    up = unit(upward(upper, superior=False) + upward(lower, superior=True))
    front = unit(np.cross(up, marks.pair_right(above, below)))
    yield Mark(
        Kind.LINE,
        Group.SLIPS,
        found.sagittal.name,
        f"{above} on {below} slip",
        (above, below),
        (lower.center, _point(np.array(lower.center) + forward * front)),
        axis=_point(front),
        unit="mm",
        description=_said(found.sagittal),
    )


def _breaks(level: Level, breaks: CorticalBreaks | None) -> Iterator[Mark]:
    if breaks is None or not breaks.breaks:
        return
    places = np.concatenate([item.points for item in breaks.breaks])
    thinned = places[:: max(1, -(-len(places) // MOST_BREAK_POINTS))]
    yield Mark(
        Kind.POINTS,
        Group.BREAKS,
        "cortical breaks",
        f"{level} cortical breaks",
        (level,),
        tuple(_point(place) for place in thinned),
        description=_said(breaks.area),
    )


def _ring(vertebra: Vertebra, zones: WbbZones | None) -> Iterator[Mark]:
    """The twelve sectors round the canal, at the height of the body's middle; the involved ones apart."""
    depth = vertebra.depth.value
    if zones is None or not zones.known or depth is None or not _foramen(vertebra).closed:
        return
    hole = _foramen(vertebra)
    middle = (hole.middle, (hole.front + hole.back) / 2)
    level, frame = vertebra.level, vertebra.frame
    radius = depth / 2 - middle[1] + RING_BEYOND_MM

    def at(turn: float) -> Point:
        """Place at `turn` sectors from the back over the patient's left."""
        angle = np.radians(turn * 360 / SECTORS)
        return _point(frame.to_ras([middle[0] - radius * np.sin(angle), middle[1] - radius * np.cos(angle), 0.0]))

    ring = tuple(at(sector) for sector in range(SECTORS))
    yield Mark(Kind.CLOSED_CURVE, Group.WBB, "WBB ring", f"{level} WBB", (level,), ring, description=zones.text())
    for name, sectors in (
        (INVOLVED_SECTORS, zones.sectors),
        ("WBB sectors free", tuple(sector for sector in range(1, SECTORS + 1) if sector not in zones.sectors)),
    ):
        if sectors:
            places = tuple(at(sector - 0.5) for sector in sectors)
            labels = tuple(str(sector) for sector in sectors)
            yield Mark(Kind.POINTS, Group.WBB, name, f"{level} {name}", (level,), places, labels)


def _curves(spine: Spine) -> Iterator[Mark]:
    try:
        curves = ((canal_line(spine, _rings(spine)), "Canal"), (body_line(spine), "Body centers"))
    except NotMeasurable:
        return
    for curve, title in curves:
        names = tuple(level.value for level in curve.knots)
        yield Mark(Kind.CURVE, Group.CURVES, curve.name, title, (), tuple(curve.knots.values()), names)


_RINGS: weakref.WeakKeyDictionary[Vertebra, ArchRing] = weakref.WeakKeyDictionary()


def _foramen(vertebra: Vertebra) -> ArchRing:
    """A vertebra's foramen, kept as long as the vertebra is: after an edit of one level the others are not sought."""
    found = _RINGS.get(vertebra)
    if found is None:
        found = _RINGS[vertebra] = arch_ring(vertebra)
    return found


def _rings(spine: Spine) -> dict[Level, ArchRing]:
    return {level: _foramen(item) for level, item in spine.vertebrae.items() if item.measured}


def _cobb(marks: Landmarks) -> Iterator[Mark]:
    for curve in sagittal_cobb(marks):
        ends = _ends(marks, curve)
        if ends is not None and curve.upper is not None and curve.lower is not None:
            pair = (curve.upper, curve.lower)
            yield _sagittal(Group.COBB, curve.angle, pair, ends, marks.pair_right(*pair), pair[1] is Level.S1)
    curve = coronal_cobb(marks)
    ends = _ends(marks, curve)
    if ends is None or curve.angle.value is None or curve.angle.value < SCOLIOSIS_DEG:
        return
    assert curve.upper is not None and curve.lower is not None
    yield _coronal(curve.angle, (curve.upper, curve.lower), ends, marks)


def _coronal(
    angle: Measurement, levels: tuple[Level, Level], plates: tuple[Endplate, Endplate], marks: Landmarks
) -> Mark:
    """A coronal angle as two arms to the right along the plates, from the middle between them."""
    upper, lower = (np.array(plate.center) for plate in plates)
    up = unit(upper - lower)
    right = unit(sum(marks.right.values(), np.zeros(3)))
    front = unit(np.cross(up, right))
    directions = [
        unit(np.cross(front, upward(plate, superior=superior)))
        for plate, superior in zip(plates, (True, False), strict=True)
    ]
    vertex = (upper + lower) / 2
    first, second = (_point(vertex + ARM_MM * direction) for direction in directions)
    return Mark(
        Kind.ANGLE, Group.COBB, angle.name, f"{levels[0]}–{levels[1]} Cobb", levels, (first, _point(vertex), second),
        unit="deg", description=_said(angle),
    )  # fmt: skip


def _ends(marks: Landmarks, curve: Curve) -> tuple[Endplate, Endplate] | None:
    if curve.upper is None or curve.lower is None:
        return None
    upper = marks.superior(curve.upper)
    lower = marks.superior(curve.lower) if curve.lower is Level.S1 else marks.inferior(curve.lower)
    return None if upper is None or lower is None else (upper, lower)


def _said(measurement: Measurement) -> str:
    """What the tooltip of a mark says."""
    texts: Iterable[str] = (measurement.text(), measurement.method, *measurement.limits)
    return "; ".join(texts)


def _point(vector: ArrayLike) -> Point:
    x, y, z = (float(value) for value in np.asarray(vector, dtype=float))
    return (x, y, z)
