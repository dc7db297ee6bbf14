"""What a level's form and density say beside the score: fracture, rigidity, pedicles, alignment with its neighbors."""

from __future__ import annotations

from collections.abc import Sequence

from spinemet.assessment import Assessment, LevelAssessment
from spinemet.details import BodyDetails
from spinemet.report import wording
from spinemet.report.alignment_section import segments_table
from spinemet.report.markup import Content, Markup, tag
from spinemet.report.pieces import facts_table, figure, value_text
from spinemet.report.rigidity_chart import rigidity_chart

_PEDICLE = ("width", "height", "transverse angle", "sagittal angle")


def body_facts(item: LevelAssessment) -> list[tuple[str, Content]]:
    """Fracture and rigidity in a line each."""
    if item.body is None:
        return []
    return [("Fracture", _fracture(item.body)), *_rigidity(item)]


def body_details(item: LevelAssessment, assessment: Assessment) -> list[Markup]:
    """Rigidity by slice, the segments above and below, and the pedicles, each folded away."""
    if item.body is None:
        return []
    found = []
    chart = rigidity_chart(item.body.rigidity)
    if chart is not None:
        found.append(_folded(f"Rigidity of {item.level}, slice by slice", figure(chart, "chart")))
    segments = _segments(item, assessment)
    if segments is not None:
        found.append(_folded(f"Alignment of {item.level} with its neighbors", segments))
    pedicles = pedicles_table([item])
    if pedicles is not None:
        found.append(_folded(f"Pedicles of {item.level}, for the surgeon", pedicles))
    return found


def pedicles_table(items: Sequence[LevelAssessment]) -> Markup | None:
    """Width, height and direction of both pedicles at their narrowest; None where none was looked for."""
    rows = []
    for item in items:
        for side in ("left", "right"):
            found = [item.measurement(f"{side} pedicle {what}") for what in _PEDICLE]
            if found[0] is None:
                continue
            if not found[0].known:
                rows.append(
                    tag("tr", tag("th", f"{item.level} {side}", scope="row"),
                        tag("td", f"unknown: {found[0].reason}", colspan=len(_PEDICLE)))
                )  # fmt: skip
                continue
            cells = [tag("td", value_text(m), *_limits(m.limits if m else ())) for m in found]
            rows.append(tag("tr", tag("th", f"{item.level} {side}", scope="row"), *cells))
    if not rows:
        return None
    titles = ("Pedicle", "Width", "Height", "Toward the midline", "Toward the head")
    caption = "At the isthmus. Angles of the axis from back to front, in the vertebra’s own frame."
    return facts_table(caption, titles, rows)


def _limits(limits: tuple[str, ...]) -> list[Markup]:
    return [tag("br"), tag("small", "; ".join(limits))] if limits else []


def _fracture(body: BodyDetails) -> str:
    grade = body.fracture.grade
    if not grade.known:
        return f"unknown ({grade.reason})"
    words = f"Genant {grade.points}, {grade.label}" if grade.points else "no height loss of a fracture (Genant 0)"
    if len(grade.possible) > 1:
        words += f"; ≈ near a threshold, grade {wording.listed(grade.possible)} possible"
    if body.fracture.side:
        words += f"; {'; '.join(body.fracture.limits)}"
    return words


def _rigidity(item: LevelAssessment) -> list[tuple[str, Content]]:
    axial, bending = (item.measurement(f"{kind} rigidity against the neighbors") for kind in ("axial", "bending"))
    if axial is None or bending is None:
        return []
    if not axial.known:
        return [("Rigidity", f"unknown ({axial.reason})")]
    others = axial.method.rpartition("that of ")[2]
    words = f"axial {value_text(axial)}, bending {value_text(bending)} of {others} (weakest slice; uncalibrated)"
    return [("Rigidity", words)]


def _segments(item: LevelAssessment, assessment: Assessment) -> Markup | None:
    if assessment.spine is None:
        return None
    own = [segment for segment in assessment.spine.segments if item.level in (segment.above, segment.below)]
    return segments_table(own) if own else None


def _folded(title: str, content: Markup) -> Markup:
    return tag("details", tag("summary", title), content)
