"""The first page: who and when, the answer, and every level with how it ended."""

from __future__ import annotations

from spinemet.assessment import RESEARCH_USE, Assessment, LevelAssessment, Status
from spinemet.colors import GRADE_COLORS, LESION, RGB, VERTEBRA
from spinemet.evidence import Finding, Source
from spinemet.report import wording
from spinemet.report.markup import Content, Markup, join, tag
from spinemet.report.pieces import (
    grade_badge,
    grade_color,
    reference_of,
    sentence,
    swatch,
    value_text,
)
from spinemet.scores.sins import COMPONENTS, SinsResult

_SEX = {"M": "male", "F": "female", "O": "other"}


def header(assessment: Assessment) -> Markup:
    """Who, when and which images, and what the report is for."""
    patient, reference = assessment.patient, reference_of(assessment)
    facts: list[tuple[str, Content]] = [
        ("Patient", patient.name or "name unknown"),
        ("ID", patient.patient_id or "unknown"),
        ("Born", patient.birth_date or "unknown"),
        ("Sex", _SEX.get(patient.sex, "unknown")),
        ("Study", f"{assessment.time_point.date or 'date unknown'}, {assessment.time_point.label}"),
        ("Measured on", reference),
    ]
    return tag(
        "header",
        tag("div", tag("h1", "SpineMet assessment"), tag("p", RESEARCH_USE, class_="use"), class_="title"),
        tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in facts)),
    )


def warnings(assessment: Assessment) -> Markup:
    """What must be known before anything else: unconfirmed numbering and warnings of the study."""
    parts = []
    numbering = assessment.numbering
    if not numbering.confirmed:
        notes = " ".join(numbering.notes)
        parts.append(
            tag(
                "p", tag("strong", "Levels unconfirmed. "), f"The names rest on: {numbering.basis}. {notes} ",
                "Confirm the numbering before using this report.", class_="warning",
            )
        )  # fmt: skip
    parts += [tag("p", tag("strong", "Warning. "), sentence(words), class_="warning") for words in assessment.warnings]
    return join(*parts)


def answer(assessment: Assessment) -> Markup:
    """The worst level and its score, in sight at once; every other scored level beside it."""
    worst = assessment.worst
    if worst is None or worst.sins is None:
        return _no_answer(assessment)
    result = worst.sins
    others = [item for item in assessment.scored if item is not worst]
    decides = wording.what_decides(result)
    return tag(
        "section",
        tag(
            "div",
            tag("p", "Worst level" if others else "Scored level", class_="kicker"),
            tag("p", tag("a", worst.level, href=f"#{worst.level}"), class_="level"),
        ),
        tag(
            "div",
            tag("p", "SINS ", tag("strong", wording.totals(result)), class_="total"),
            tag("p", decides, class_="decides") if decides else None,
        ),
        tag(
            "div",
            tag("p", grade_badge(result), class_="grade"),
            tag("p", wording.consultation(result), class_="advice"),
        ),
        tag(
            "div",
            tag("p", "Other scored levels", class_="kicker"),
            tag("ul", *(_other_level(item) for item in others)),
        )
        if others
        else None,
        class_="answer", style=f"border-color:{grade_color(result)}", aria_label="Result",
    )  # fmt: skip


def levels_table(assessment: Assessment) -> Markup:
    """Every level from C1 to S5 with how it ended."""
    head = tag(
        "tr",
        tag("th", "Level", scope="col"),
        tag("th", "SINS", scope="col"),
        *(tag("th", tag("abbr", short, title=wording.COMPONENT_TITLES[name]), scope="col")
          for name, short in zip(COMPONENTS, ("Loc", "Pain", "Bone", "Align", "Coll", "Post"), strict=True)),
        tag("th", "Key evidence", scope="col"),
    )  # fmt: skip
    rows = [_level_row(group) for group in wording.grouped(assessment)]
    return tag(
        "table",
        tag("caption", "All levels, head to tail. ? is unknown, never zero; ≈ is near a threshold."),
        tag("thead", head),
        tag("tbody", *rows),
        class_="levels",
    )


def legend() -> Markup:
    """What the colors of outlines mean, in words."""
    grades: list[tuple[RGB, str]] = [
        (color, "undecided (broken line)" if key is None else key.value) for key, color in GRADE_COLORS.items()
    ]
    entries = [*grades, (VERTEBRA, "not scored"), (LESION, "lesion")]
    return tag("ul", *(tag("li", swatch(color), words) for color, words in entries), class_="legend")


def _no_answer(assessment: Assessment) -> Markup:
    outlined = any(item.lesion_ids for item in assessment.levels)
    why = (
        "Lesions are outlined, but none lies in a level that could be scored; see the levels below."
        if outlined
        else "No lesion is outlined in any level that the image shows."
    )
    return tag(
        "section",
        tag("div", tag("p", "Result", class_="kicker"), tag("p", "No level was scored", class_="total")),
        tag("div", tag("p", why, " This does not mean that the spine is stable.", class_="advice")),
        class_="answer", aria_label="Result",
    )  # fmt: skip


def _other_level(item: LevelAssessment) -> Markup:
    assert item.sins is not None
    dot = tag("span", class_="swatch", style=f"background:{grade_color(item.sins)}")
    words = f"{wording.totals(item.sins)}, {wording.category(item.sins)}"
    return tag("li", dot, tag("a", item.level, href=f"#{item.level}"), " ", words)


def _level_row(group: wording.LevelGroup) -> Markup:
    item = group.levels[0]
    name = f"{group.name} (cut)" if item.cut else group.name
    if item.sins is None or item.status is not Status.SCORED:
        words = f"{item.status.value}{': ' + item.reason if item.reason and item.reason != item.status.value else ''}"
        return tag(
            "tr", tag("th", name, scope="row"), tag("td", words, colspan=8), class_=item.status.value.replace(" ", "-")
        )
    result = item.sins
    total = tag("td", swatch(GRADE_COLORS[result.category]), tag("strong", wording.totals(result)),
                tag("small", wording.category(result)), class_="sum")  # fmt: skip
    return tag(
        "tr",
        tag("th", tag("a", name, href=f"#{item.level}"), scope="row"),
        total,
        *(tag("td", _compact_points(result.components[part]), class_="points") for part in COMPONENTS),
        tag("td", _key_evidence(result)),
        class_="scored",
    )


def _compact_points(finding: Finding) -> Content:
    near = tag("abbr", "≈", title="near a threshold") if finding.near_threshold else None
    person = {Source.ENTERED: "entered", Source.OVERRIDDEN: "overridden"}.get(finding.source)
    mark = tag("small", "✎", title=person) if person == "overridden" else None
    return join(near, wording.points(finding), mark)


def _key_evidence(result: SinsResult) -> Markup:
    """What the image shows of the three components that it decides: label and most decisive measurement."""
    parts = []
    for name in ("bone_lesion", "collapse", "posterolateral"):
        finding = result.components[name]
        first = finding.measurements[0] if finding.measurements and finding.measurements[0].known else None
        if not finding.known or name == "posterolateral":
            first = None
        value = f" ({first.name} {value_text(first)})" if first else ""
        words = f"{finding.label or 'unknown'}{value}"
        parts.append(tag("li", tag("span", f"{wording.COMPONENT_TITLES[name]}: ", class_="quiet"), words))
    return tag("ul", *parts)
