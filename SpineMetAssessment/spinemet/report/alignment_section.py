"""Alignment and bone quality of the whole spine: curves and regions in sight, segments folded away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from spinemet.anatomy.alignment.listhesis import SLIP_MM
from spinemet.anatomy.bone.quality import BoneQuality
from spinemet.assessment import Assessment
from spinemet.details import Segment, SpineDetails
from spinemet.evidence import Measurement
from spinemet.report.density_chart import density_chart
from spinemet.report.markup import Content, Markup, join, tag
from spinemet.report.pieces import facts, facts_table, figure, sentence, value_text


def alignment(assessment: Assessment) -> Markup | None:
    """Curves, regions and the slips that count; every segment folded away."""
    spine = assessment.spine
    if spine is None or not (spine.segments or spine.regions):
        return None
    slips = [segment for segment in spine.segments if segment.direction]
    return tag(
        "section",
        tag("h2", "Alignment"),
        tag("p", f"Measured {spine.posture}: standing may differ, and kyphosis is underestimated.", class_="note"),
        facts([*_curves(spine), ("Slips", _slips(slips, spine)), *_regions(spine.regions)]),
        tag(
            "details",
            tag("summary", f"All segments ({len(spine.segments)})"),
            segments_table(spine.segments),
        )
        if spine.segments
        else None,
        class_="alignment",
    )


def bone_quality(assessment: Assessment) -> Markup | None:
    """Trabecular density along the spine against the published cut-offs, and what may be said from it."""
    if assessment.spine is None:
        return None
    quality = assessment.spine.quality
    chart = density_chart(quality)
    words = sentence(quality.category) if quality.category else f"No category: {quality.reason}."
    warnings = [sentence(text) for text in quality.warnings if text != quality.reason]
    return tag(
        "section",
        tag("h2", "Bone quality"),
        tag("p", tag("strong", words), " ", " ".join(warnings)),
        figure(chart, "chart") if chart else None,
        _left_out(quality),
        class_="quality",
    )


def segments_table(segments: Sequence[Segment]) -> Markup:
    """Angle, slips and rotation of neighboring vertebrae."""
    titles = ("Segment", "Kyphosis (+)", "Slip, forward (+)", "of the depth", "to the right (+)", "Rotation", "Notes")
    rows = []
    for segment in segments:
        values = (segment.kyphosis, segment.slip, segment.share, segment.lateral, segment.rotation)
        reasons = dict.fromkeys(value.reason for value in values if not value.known)
        notes = [segment.direction, f"Meyerding {segment.meyerding}" if segment.meyerding else "", *reasons]
        rows.append(
            tag(
                "tr", tag("th", f"{segment.above}–{segment.below}", scope="row"),
                *(tag("td", value_text(value) if value.known else "?") for value in values),
                tag("td", "; ".join(note for note in notes if note)),
            )
        )  # fmt: skip
    return facts_table("? is unknown; the reason stands at the end of the row.", titles, rows)


def _curves(spine: SpineDetails) -> list[tuple[str, Content]]:
    lines: list[tuple[str, Content]] = []
    for curve in spine.curves:
        angle = curve.angle
        title = angle.name[:1].upper() + angle.name[1:]
        if angle.value is None or curve.upper is None or curve.lower is None:
            lines.append((title, value_text(angle)))
            continue
        # Its name says that it is a lordosis; a sign would say so again.
        words = f"{value_text(replace(angle, value=abs(angle.value)))}, {curve.upper} to {curve.lower}"
        if angle.limits:
            words += f" ({'; '.join(angle.limits)})"
        elif curve.convex:
            words += f", convex to the {curve.convex}"
        lines.append((title, words))
    return lines


def _slips(slips: Sequence[Segment], spine: SpineDetails) -> Content:
    if not slips:
        unknown = ", ".join(f"{s.above}–{s.below}" for s in spine.segments if not s.slip.known)
        return f"none of {SLIP_MM:g} mm or more" + (f"; unknown at {unknown}" if unknown else "")
    return join(*(tag("div", _slip(segment)) for segment in slips))


def _slip(segment: Segment) -> str:
    grade = f", Meyerding {segment.meyerding}" if segment.meyerding else ""
    lateral = f", {value_text(segment.lateral)} to the right" if "lateral" in segment.direction else ""
    return f"{segment.above} on {segment.below}: {segment.direction}, {value_text(segment.slip)}{lateral}{grade}"


def _regions(regions: Sequence[Measurement]) -> list[tuple[str, Content]]:
    """Known ones a line each, unknown ones together by their reasons."""
    lines: list[tuple[str, Content]] = [(m.name[:1].upper() + m.name[1:], value_text(m)) for m in regions if m.known]
    reasons: dict[str, list[str]] = {}
    for m in regions:
        if not m.known:
            reasons.setdefault(m.reason, []).append(m.name)
    missing = [f"{', '.join(names)} ({reason})" for reason, names in reasons.items()]
    return [*lines, ("Not measured", "; ".join(missing))] if missing else lines


def _left_out(quality: BoneQuality) -> Markup | None:
    reasons: dict[str, list[str]] = {}
    for level, m in quality.densities.items():
        if not m.known:
            reasons.setdefault(m.reason, []).append(level.value)
    if not reasons:
        return None
    return tag(
        "p", "; ".join(f"{', '.join(names)}: {reason}" for reason, names in reasons.items()), ".", class_="quiet"
    )
