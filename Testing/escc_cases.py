"""Synthetic segments for the bars of ESCC: what each is asked to be, and what is measured against its construction.

Every factor (level, direction, room, slices, planes, posture) is drawn from a case's own seed; grades cycle. Cases 1
to `CASES` are the bar; cases from `TUNING` on are for whoever fits an error, and are never asserted on.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from spinemet.case import Role, Structure
from spinemet.epidural import EpiduralDisease, EpiduralOutlines, assess_epidural
from spinemet.errors import BadInput
from spinemet.evidence import Point
from spinemet.levels import Level
from spinemet.phantom import Segment, SegmentSpec, create_segment
from spinemet.phantom.segment_spec import DIRECTIONS, GRADES
from spinemet.phantom.segment_tube import Axis
from spinemet.scores.escc import HIGH_GRADE_NOMS, EsccResult, Grade
from spinemet.segmentation.canal_mr import outline_canal
from spinemet.segmentation.clicks import Click
from spinemet.segmentation.edge_error import EDGE_ERROR_MM
from spinemet.segmentation.tumor_epidural import outline_epidural_tumor
from tumor_reader import along

CASES = 180
"""In `make bars`."""
SAMPLE = tuple(range(1, 13))
"""In `make test`."""
TUNING = 1001
"""First case that may be used to fit an error."""
LEVELS = tuple(level for level in Level if Level.C3 <= level <= Level.L1 and not level.is_variant)
OWN_CASES = range(301, 349)
"""Outlined by our own tools in `make bars`; those from 1 to 48 and from 201 to 248 were looked at."""
OWN_SAMPLE = (4, 5, 6, 8)
SLICES = (0.6, 1.0, 1.5, 2.0, 3.0, 4.0)


@dataclass(frozen=True, eq=False)
class Trial:
    """One segment, graded from its true masks or from our own outlines.

    :param errors: measured minus true, in pixels (lengths) or pixels of the outline's rim (areas), by measure.
    """

    number: int
    segment: Segment
    disease: EpiduralDisease
    result: EsccResult
    seconds: float

    @property
    def truth(self) -> Grade:
        return Grade(self.segment.truth["grade"])

    @property
    def slices(self) -> float:
        return self.segment.spec.spacing[1]

    @property
    def exact(self) -> bool:
        return self.result.grade is self.truth

    @property
    def off_by(self) -> int:
        """How many grades the suggestion lies off; 9 for none."""
        return 9 if self.result.grade is None else abs(self.result.grade.order - self.truth.order)

    @property
    def high_right(self) -> bool:
        """Whether low or high grade (2–3) is the truth's."""
        return (self.result.grade in HIGH_GRADE_NOMS) == (self.truth in HIGH_GRADE_NOMS)

    def line(self) -> str:
        """One line for a person who reads the bar's output."""
        spec = self.segment.spec
        found = self.disease.levels[spec.level]
        shown = ("epidural thickness", "sac indentation", "tumor to cord", "cord loss", "cord loss as a length")
        return (
            f"{self.number} {'ok ' if self.exact else 'BAD'} {spec.level} {self.truth.value} ->"
            f" {self.result.grade and self.result.grade.value} {[item.value for item in self.result.possible]}"
            f" {spec.direction}, {spec.plane} {spec.spacing[0]:.2f}/{spec.spacing[1]:.1f} px {found.pixel:.2f}: "
            + ", ".join(f"{name} {found[name].text()}" for name in (*shown, "fluid left"))
        )


def spec_of(number: int) -> SegmentSpec:
    """The segment of a case."""
    rng = np.random.default_rng([number, 8])
    return SegmentSpec(
        level=LEVELS[rng.integers(len(LEVELS))],
        grade=GRADES[number % len(GRADES)],
        direction=list(DIRECTIONS)[rng.integers(len(DIRECTIONS))],
        room_mm=float(rng.uniform(0.5, 2.5)),
        flattening=float(rng.uniform(0.25, 0.4)),
        half_length_mm=float(rng.uniform(10, 14)),
        curvature_deg=float(rng.uniform(-25, 25)),
        spacing=(float(rng.uniform(0.5, 0.8)), float(rng.choice(SLICES))),
        plane="axial" if rng.random() < 0.7 else "sagittal",
        tilt_deg=tuple(float(value) for value in rng.uniform(-12, 12, 3)),
        pose_deg=tuple(float(value) for value in rng.uniform(-8, 8, 3)),
        modalities=(),
        seed=number,
    )


def outlines_of(segment: Segment) -> EpiduralOutlines:
    """The true masks."""
    image = segment.structures.image
    return EpiduralOutlines(
        canal=image.with_array(image.array > 0),
        sac=image.with_array(image.array >= 2),
        cord=image.with_array(image.array == 3),
        tumor=image.with_array(segment.lesions.image.array > 0),
    )


def places_of(segment: Segment) -> dict[Level, Point]:
    """The middle of each level's bone (RAS)."""
    bone = segment.vertebrae.image
    places = {}
    for level in segment.levels:
        x, y, z = bone.to_world(np.argwhere(bone.array == level.order)[:, ::-1]).mean(axis=0)
        places[level] = (float(x), float(y), float(z))
    return places


def run(number: int) -> Trial:
    """Build and grade a case."""
    return tried(number, create_segment(spec_of(number)))


def tried(number: int, segment: Segment) -> Trial:
    """Grade a segment from its true masks."""
    return _graded(number, segment, outlines_of(segment))


def _graded(number: int, segment: Segment, outlines: EpiduralOutlines, **said: Any) -> Trial:
    places = places_of(segment)
    begin = time.perf_counter()
    disease = assess_epidural(outlines, places, **said)
    seconds = time.perf_counter() - begin
    return Trial(number, segment, disease, disease.results[segment.spec.level], seconds)


def end_clicks(segment: Segment) -> list[Click]:
    """A click about 6 mm from each end of the cord, or of the sac where there is no cord."""
    image = segment.structures.image
    inner = np.argwhere(image.array == (3 if segment.spec.has_cord else 2))
    points = image.to_world(inner[:, ::-1])
    low, high = points[:, 2].min(), points[:, 2].max()
    ends = [points[np.abs(points[:, 2] - z) < 2.1].mean(axis=0) for z in (high - 6.0, low + 6.0)]
    return [Click((float(x), float(y), float(z)), structure=Structure.CORD) for x, y, z in ends]


def own_outlines(segment: Segment, role: Role = Role.T2) -> EpiduralOutlines:
    """Three interactions: a click at either end of the canal, and a shaky stroke through the tumor in the canal.

    A reader who sees none in the canal draws through what he sees in the bone.
    """
    image, true = segment.images[role], outlines_of(segment)
    assert true.tumor is not None
    canal = outline_canal(image, end_clicks(segment), role)
    tumor = true.tumor.array
    epidural = tumor & true.canal.array
    stroke = along(epidural if epidural.any() else tumor, image, np.random.default_rng([segment.spec.seed, 5]))
    try:
        return EpiduralOutlines(**outline_epidural_tumor(image, canal, [stroke], role).masks)
    except BadInput:
        # What is refused stays unknown, and is no grade.
        named = {"canal": Structure.CANAL, "sac": Structure.THECAL_SAC, "cord": Structure.CORD}
        return EpiduralOutlines(**{name: canal.mask(item) for name, item in named.items()})


def run_own(number: int, role: Role = Role.T2) -> Trial:
    """Build a case, and grade it from our own outlines."""
    segment = create_segment(replace(spec_of(number), modalities=(role,)))
    return _graded(number, segment, own_outlines(segment, role), role=role, outline_error_mm=EDGE_ERROR_MM)


@cache
def own_trials(whole: bool) -> tuple[Trial, ...]:
    """The cases of the bar on our own outlines, or of its sample."""
    return tuple(run_own(number) for number in (OWN_CASES if whole else OWN_SAMPLE))


@cache
def trials(whole: bool) -> tuple[Trial, ...]:
    """The cases of the bar, or of its sample."""
    return tuple(run(number) for number in (range(1, CASES + 1) if whole else SAMPLE))


def along_the_axis(segment: Segment, point: Point) -> float:
    """Where a point (RAS) lies along the segment's own axis, mm."""
    own = np.linalg.inv(segment.own_to_ras) @ np.array([*point, 1.0])
    return float(Axis.of(segment.spec).coordinates(own[0], own[1], own[2])[0])


def true_measure(trial: Trial, name: str) -> float:
    """A measure of the segment's construction at the cut that was found worst."""
    profile = trial.segment.truth["profile"]
    cut = trial.disease.levels[trial.segment.spec.level].cut
    assert cut is not None
    place = along_the_axis(trial.segment, trial.disease.cuts.position(cut))
    return float(np.interp(place, profile["s_mm"], profile[name]))


def coarser(number: int, **changed: object) -> SegmentSpec:
    """A case's segment with something changed."""
    return replace(spec_of(number), **changed)  # type: ignore[arg-type]
