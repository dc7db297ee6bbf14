"""ESCC, epidural spinal cord compression (Bilsky 2010, J Neurosurg Spine 13:324), from measures at one level.

The ladder: 0 bone only; 1a epidural tumor, sac not deformed; 1b sac deformed, cord not abutted; 1c cord abutted, not
compressed; 2 cord compressed, fluid still visible; 3 cord compressed, no fluid visible. The source gives words, not
millimeters: `Thresholds` holds ours. A decision whose measure lies within its error of the threshold keeps both
answers, and every grade that these leave open is stated.

Key functions: `grade` for a level with a cord, `grade_below_conus` where there is none, `grade_ct` for CT alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import product

from spinemet.errors import BadInput
from spinemet.evidence import Measurement, Source
from spinemet.levels import Level


class Grade(str, Enum):
    """Bilsky's six grades, ascending."""

    NONE = "0"
    EPIDURAL = "1a"
    DEFORMED = "1b"
    ABUTTED = "1c"
    COMPRESSED = "2"
    OBLITERATED = "3"

    @property
    def order(self) -> int:
        return list(Grade).index(self)

    @property
    def words(self) -> str:
        return _WORDS[self]


_WORDS = {
    Grade.NONE: "no epidural tumor",
    Grade.EPIDURAL: "epidural tumor, thecal sac not deformed",
    Grade.DEFORMED: "thecal sac deformed, cord not touched",
    Grade.ABUTTED: "thecal sac deformed, tumor touches the cord without compressing it",
    Grade.COMPRESSED: "cord compressed, fluid still visible",
    Grade.OBLITERATED: "cord compressed, no fluid visible",
}

HIGH_GRADE_NOMS = (Grade.COMPRESSED, Grade.OBLITERATED)
"""High grade as NOMS means it (Laufer 2013)."""

HIGH_GRADE_IMAGING = (Grade.ABUTTED, Grade.COMPRESSED, Grade.OBLITERATED)
"""High grade as studies of automatic grading mean it (Hallinan 2022)."""


@dataclass(frozen=True)
class Thresholds:
    """Our own operational choices for what Bilsky puts in words; every one can be overridden.

    :param tumor_mm: thickness from which tumor in the canal counts as epidural disease.
    :param tumor_pixels: and this many acquired pixels,
    :param tumor_pixels_at_most_mm: but never more than this: coarse pixels must not hide a mass.
    :param film_pixels: thinner tumor, down to this many pixels, leaves 1a open; a film of one voxel measures so much.
    :param indentation_mm: the sac is deformed beyond this.
    :param contact_pixels: tumor touches the cord when no more than this many acquired pixels of fluid lie between.
    :param contact_at_most_mm: and never more fluid than this.
    :param sure_contact_mm: tumor that runs along the cord's edge over this length touches it for sure.
    :param sure_pixel_mm: but only where pixels are no wider than this.
    :param hiding_mm: tumor may hide between voxels wider than this from side to side.
    :param cord_loss: share of depth or area that a compressed cord has lost.
    :param fluid_left: share of the usual fluid below which none is visible.
    :param wide_pixel_mm: pixels wider than this in the cut tell nothing sure.
    """

    tumor_mm: float = 1.5
    tumor_pixels: float = 2.0
    tumor_pixels_at_most_mm: float = 3.0
    film_pixels: float = 0.25
    indentation_mm: float = 1.0
    contact_pixels: float = 0.5
    contact_at_most_mm: float = 0.7
    sure_contact_mm: float = 2.0
    sure_pixel_mm: float = 1.5
    cord_loss: float = 0.15
    fluid_left: float = 0.10
    wide_pixel_mm: float = 3.0
    hiding_mm: float = 2.0


DEFAULT = Thresholds()


@dataclass(frozen=True)
class EsccMeasures:
    """What the decisions rest on, at the worst cut of a level. Lengths in mm.

    :param thickness: of epidural tumor; 0 for none.
    :param indentation: of the sac against its reference.
    :param gap: between tumor and cord.
    :param cord_loss: the greater loss of the cord's depth or area against its reference, %.
    :param cord_loss_mm: the same as a length.
    :param cord_shift: how far the cord is pushed against its reference.
    :param fluid_left: fluid against its reference, %.
    :param pixel: length that one acquired voxel smears together toward the tumor.
    :param contact_edge: length of the cord's edge along which tumor lies in the cut; None where nobody measured it.
    :param lateral_pixel: length that one acquired voxel smears together from side to side.
    :param contact_length: along the canal; with the two depths of the cord it only makes the reason plainer.
    :param tumor_beside: tumor lies in the bone at the canal's wall.
    :param outline_error: how far the edges of tumor and cord may lie off beside each other, beyond what voxels do.
    """

    thickness: Measurement
    indentation: Measurement
    gap: Measurement
    cord_loss: Measurement
    cord_loss_mm: Measurement
    cord_shift: Measurement
    fluid_left: Measurement
    pixel: float
    contact_edge: Measurement | None = None
    lateral_pixel: float = 0.0
    tumor_beside: bool = False
    contact_length: Measurement | None = None
    cord_depth: Measurement | None = None
    expected_depth: Measurement | None = None
    outline_error: float = 0.0

    @property
    def all(self) -> tuple[Measurement, ...]:
        return (
            self.thickness, self.indentation, self.gap, self.cord_loss, self.cord_loss_mm, self.cord_shift,
            self.fluid_left, *(() if self.contact_length is None else (self.contact_length,)),
        )  # fmt: skip


@dataclass(frozen=True)
class EsccResult:
    """The grade of one level.

    :param grade: the suggestion, or a person's; None while unknown.
    :param possible: every grade that the measures leave open, ascending; equals (grade,) when sure.
    :param reason: one sentence with the millimeters.
    :param modified: the wording below the conus or on CT, not validated; "" for Bilsky's own.
    :param suggested: the computed result that an override replaced.
    """

    level: Level
    grade: Grade | None
    possible: tuple[Grade, ...]
    source: Source
    reason: str
    measurements: tuple[Measurement, ...] = ()
    limits: tuple[str, ...] = ()
    modified: str = ""
    reader: str = ""
    suggested: EsccResult | None = None

    def __post_init__(self) -> None:
        if not self.possible or tuple(sorted(set(self.possible), key=lambda item: item.order)) != self.possible:
            raise ValueError(f"the possible grades at {self.level} must be ascending and unique")
        if self.grade is not None and self.grade not in self.possible:
            raise ValueError(f"the grade at {self.level} is not among its possible grades")

    @property
    def near_threshold(self) -> bool:
        """Another grade lies within the error of a measure."""
        return self.grade is not None and len(self.possible) > 1

    @property
    def alternatives(self) -> tuple[Grade, ...]:
        return tuple(item for item in self.possible if item is not self.grade)

    def high_grade(self, definition: Sequence[Grade] = HIGH_GRADE_NOMS) -> bool | None:
        """Whether it is high grade, None while the possible grades disagree."""
        answers = {item in definition for item in self.possible}
        return answers.pop() if len(answers) == 1 else None

    def overridden(self, grade: Grade, *, reason: str, reader: str) -> EsccResult:
        """This result with a person's grade; the computed suggestion stays visible."""
        computed = self.suggested or self
        return replace(
            computed, grade=grade, possible=(grade,), source=Source.OVERRIDDEN,
            reason=reason or computed.reason, reader=reader, suggested=computed,
        )  # fmt: skip


@dataclass(frozen=True)
class _Decision:
    """One question of the ladder: its answer, and whether the other answer lies within the error."""

    yes: bool | None
    sure: bool = True

    @property
    def answers(self) -> tuple[bool, ...]:
        if self.yes is None:
            return (False, True)
        return (self.yes,) if self.sure else (self.yes, not self.yes)


def grade(
    level: Level, measures: EsccMeasures, *, thresholds: Thresholds = DEFAULT, limits: tuple[str, ...] = ()
) -> EsccResult:
    """Grade a level that has a cord.

    :param limits: what a reader must know about the images or outlines; they are passed on.
    """
    decisions = _decisions(measures, thresholds)
    possible = {_ladder(*answers) for answers in product(*(item.answers for item in decisions))}
    if measures.pixel > thresholds.wide_pixel_mm and measures.thickness.value:
        limits = (*limits, f"one voxel is {measures.pixel:.1f} mm wide in the cut: no statement on contact")
        possible |= {_ladder(decisions[0].yes is True, True, contact, False, False) for contact in (False, True)}
    if measures.tumor_beside and measures.lateral_pixel > thresholds.hiding_mm and not decisions[0].yes:
        limits = (*limits, f"slices {measures.lateral_pixel:.1f} mm apart from side to side: lateral tumor may hide")
        possible.add(Grade.EPIDURAL)
    if measures.thickness.value and measures.lateral_pixel > thresholds.wide_pixel_mm >= measures.pixel:
        limits = (*limits, "sagittal slices: no statement on contact at the sides")
    if decisions[0].yes and decisions[2].yes and decisions[1].yes is False:
        limits = (*limits, "tumor touches the cord though the sac is not deformed: confirm")
        possible.add(Grade.DEFORMED)
    if decisions[0].yes and decisions[2].yes is False and decisions[3].yes:
        limits = (*limits, "the cord is thinner than expected though no tumor touches it: is all tumor outlined?")
        possible |= {Grade.COMPRESSED} if decisions[4].yes is False else {Grade.COMPRESSED, Grade.OBLITERATED}
    found = None if any(item.yes is None for item in decisions[: _needed(decisions)]) else _nominal(decisions)
    ordered = tuple(item for item in Grade if item in possible)
    if found is not None and found not in ordered:
        ordered = tuple(item for item in Grade if item in possible or item is found)
    source = Source.MEASURED if found is not None else Source.UNKNOWN
    return EsccResult(level, found, ordered, source, _reason(found, measures), measures.all, limits)


MODIFIED = "modified, unvalidated: below the conus there is no cord to compress"


def grade_below_conus(
    level: Level, measures: EsccMeasures, sac_loss: Measurement, *, thresholds: Thresholds = DEFAULT,
    limits: tuple[str, ...] = (),
) -> EsccResult:  # fmt: skip
    """A level without cord: how much of the sac is lost and whether fluid is left, in words that are not validated.

    :param sac_loss: loss of the sac's area against its reference, %.
    """
    tumor, deformed, *_ = _decisions(measures, thresholds)
    possible = {_ladder(a, b, False, False, False) for a, b in product(tumor.answers, deformed.answers)}
    ordered = tuple(item for item in Grade if item in possible)
    asked = (tumor,) if tumor.yes is False else (tumor, deformed)
    known = all(item.yes is not None for item in asked)
    found = _ladder(bool(tumor.yes), bool(deformed.yes), False, False, False) if known else None
    fluid = measures.fluid_left
    effaced = _at_most(fluid, 100 * thresholds.fluid_left).yes
    visible = "not judged" if effaced is None else "effaced" if effaced else "visible"
    reason = f"sac compromise {sac_loss.text(0)}, fluid {visible}"
    source = Source.MEASURED if found is not None else Source.UNKNOWN
    return EsccResult(level, found, ordered, source, reason, (*measures.all, sac_loss), limits, MODIFIED)


CT_LOW_SHARE, CT_HIGH_SHARE = 25.0, 50.0
"""Shares of the canal (%) below which tumor on CT suggests low grade, and above which high grade. Ours."""

CT_ONLY = "CT only, three classes: MRI needed for a grade"


def grade_ct(level: Level, thickness: Measurement, canal_share: Measurement) -> EsccResult:
    """What CT alone suggests: nothing seen, low or high grade; never a grade, and never 0.

    :param canal_share: share of the canal that tumor takes, %.
    """
    low, high = (Grade.EPIDURAL, Grade.DEFORMED), HIGH_GRADE_IMAGING
    possible: tuple[Grade, ...]
    share = canal_share.value
    if share is None:
        return replace(unknown_grade(level, canal_share.reason), modified=CT_ONLY)
    if not thickness.value or thickness.value < DEFAULT.tumor_mm:
        possible, words = (Grade.NONE, *low), "no epidural tumor seen on CT"
    elif share < CT_LOW_SHARE:
        possible, words = low, f"tumor takes {share:.0f} % of the canal: low grade suspected"
    elif share > CT_HIGH_SHARE:
        possible, words = high, f"tumor takes {share:.0f} % of the canal: high grade suspected"
    else:
        possible, words = (*low, *high), f"tumor takes {share:.0f} % of the canal: low or high grade"
    return EsccResult(level, None, possible, Source.UNKNOWN, words, (thickness, canal_share), (), CT_ONLY)


def unknown_grade(level: Level, reason: str, possible: Sequence[Grade] = tuple(Grade)) -> EsccResult:
    """A level that could not be graded, with the reason."""
    return EsccResult(level, None, tuple(possible), Source.UNKNOWN, reason)


def entered_grade(level: Level, chosen: str, *, reader: str, reason: str = "") -> EsccResult:
    """A grade that a person picked without any outline. :raises BadInput: not a grade."""
    if chosen not in {item.value for item in Grade}:
        raise BadInput(f'"{chosen}" is not an ESCC grade; use {", ".join(item.value for item in Grade)}.')
    picked = Grade(chosen)
    return EsccResult(level, picked, (picked,), Source.ENTERED, reason or picked.words, reader=reader)


def worst(results: Sequence[EsccResult]) -> EsccResult | None:
    """The level with the highest grade; of equals the one that may be higher, then the one whose cord has lost most.

    Of levels whose cords have lost as much within the error, the one where tumor touches the cord over the greatest
    length, then the one with the thickest tumor: a tumor that crosses a disc lies at the level that holds most of it.
    """
    graded = [item for item in results if item.grade is not None or item.source is not Source.UNKNOWN]
    if not graded:
        return None

    def measured(item: EsccResult, name: str) -> float:
        return next((m.value for m in item.measurements if m.name == name and m.value is not None), 0.0)

    def rank(item: EsccResult) -> tuple[int, int]:
        return (item.grade.order if item.grade else -1, item.possible[-1].order)

    highest = max(rank(item) for item in graded)
    equals = [item for item in graded if rank(item) == highest]
    most = max(equals, key=lambda item: measured(item, "cord loss"))
    error = next((m.uncertainty or 0.0 for m in most.measurements if m.name == "cord loss"), 0.0)
    alike = [item for item in equals if measured(item, "cord loss") >= measured(most, "cord loss") - error]
    return max(alike, key=lambda item: (measured(item, "contact with the cord"), measured(item, "epidural thickness")))


def _decisions(m: EsccMeasures, t: Thresholds) -> tuple[_Decision, _Decision, _Decision, _Decision, _Decision]:
    """Is there epidural tumor; is the sac deformed; the cord touched; the cord compressed; the fluid gone?"""
    tumor = _at_least(m.thickness, max(t.tumor_mm, min(t.tumor_pixels * m.pixel, t.tumor_pixels_at_most_mm)))
    if tumor.yes is False and m.thickness.value and m.thickness.value >= t.film_pixels * m.pixel:
        # Thinner than the rule asks, yet there: nothing sure.
        tumor = _Decision(False, sure=False)
    deformed = _at_least(m.indentation, t.indentation_mm)
    if deformed.yes and tumor.yes is False and m.thickness.value and m.thickness.value >= t.tumor_mm:
        # Coarse pixels must not call a mass too thin that dents the sac.
        tumor = _Decision(True, sure=False)
    compressed = _at_least(m.cord_loss, 100 * t.cord_loss)
    if compressed.yes and not _at_least(m.cord_loss_mm, m.pixel).yes:
        # Less than a pixel of the cord is gone: the share says so, the image hardly can.
        compressed = _Decision(True, sure=False)
    contact = _contact(m, compressed, t)
    effaced = _at_most(m.fluid_left, 100 * t.fluid_left)
    if effaced.yes and compressed.yes is False and not compressed.sure:
        # Where no fluid is left and the cord's own loss cannot tell, the fluid does.
        compressed = _Decision(True, sure=False)
    if compressed.yes is False and m.cord_shift.value is not None and m.cord_shift.value >= m.pixel:
        # A cord that is pushed as a whole is abutted; whether it is pressed, too, stays open.
        compressed = _Decision(False, sure=False)
    return tumor, deformed, contact, compressed, effaced


def _at_least(measure: Measurement, threshold: float) -> _Decision:
    if measure.value is None:
        return _Decision(None)
    return _Decision(measure.value >= threshold, abs(measure.value - threshold) > (measure.uncertainty or 0.0))


def _at_most(measure: Measurement, threshold: float) -> _Decision:
    if measure.value is None:
        return _Decision(None)
    return _Decision(measure.value <= threshold, abs(measure.value - threshold) > (measure.uncertainty or 0.0))


def _contact(m: EsccMeasures, compressed: _Decision, t: Thresholds) -> _Decision:
    """Near is not enough to be sure: tumor that runs along the cord, or presses it for sure, touches it."""
    limit = min(t.contact_pixels * m.pixel, t.contact_at_most_mm)
    near = _at_most(m.gap, limit)
    along = m.contact_edge.value if m.contact_edge is not None else None
    # Outlines that may be off by more than what counts as contact run along each other by chance.
    runs_along = along is not None and along >= t.sure_contact_mm and m.outline_error < limit
    if not near.yes:
        return near
    pressed = bool(compressed.yes and compressed.sure)
    fine = m.pixel <= t.sure_pixel_mm
    return _Decision(True, sure=pressed or (fine and (runs_along or near.sure)))


def _ladder(tumor: bool, deformed: bool, contact: bool, compressed: bool, effaced: bool) -> Grade:
    if not tumor:
        return Grade.NONE
    if not contact:
        return Grade.DEFORMED if deformed else Grade.EPIDURAL
    if not compressed:
        return Grade.ABUTTED
    return Grade.OBLITERATED if effaced else Grade.COMPRESSED


def _needed(decisions: Sequence[_Decision]) -> int:
    """How many decisions, in order, the nominal way through the ladder asks."""
    tumor, _, contact, compressed, _ = decisions
    if tumor.yes is False:
        return 1
    if contact.yes is False:
        return 3
    return 4 if compressed.yes is False else 5


def _nominal(decisions: Sequence[_Decision]) -> Grade:
    return _ladder(*(bool(item.yes) for item in decisions))


def _reason(found: Grade | None, m: EsccMeasures) -> str:
    """One sentence: what the tumor does, with the millimeters."""
    if found is None:
        missing = next((item for item in m.all if item.value is None), None)
        return f"{missing.name}: {missing.reason}" if missing is not None else "not measured"
    if found is Grade.NONE:
        if m.thickness.value:
            return f"tumor in the canal is {m.thickness.value:.1f} mm thick, too thin to count"
        return "no tumor in the canal"
    words = [f"epidural tumor {m.thickness.text()} thick"]
    if m.indentation.value is not None:
        words.append(f"sac indented {m.indentation.text()}")
    if found in HIGH_GRADE_IMAGING:
        length = m.contact_length.value if m.contact_length is not None else None
        words.append("touches the cord" + (f" over {length:.0f} mm" if length else ""))
        words += _cord_words(m)
        if found is not Grade.ABUTTED and m.fluid_left.value is not None:
            words.append(f"{m.fluid_left.value:.0f} % of the fluid is left")
    elif m.gap.value is not None:
        words.append(f"{m.gap.text()} from the cord")
    return ", ".join(words)


def _cord_words(m: EsccMeasures) -> list[str]:
    if m.cord_loss.value is None:
        return []
    lost = f"{max(m.cord_loss.value, 0.0):.0f} % less than expected"
    depth, expected = m.cord_depth, m.expected_depth
    if depth is None or expected is None or expected.value is None:
        return [f"cord {lost}"]
    return [f"cord depth {depth.text()} against {expected.value:.1f} ({lost})"]
