"""One scored level: its components with their evidence, its pictures and its heights."""

from __future__ import annotations

from collections.abc import Sequence

from spinemet.assessment import Assessment, LevelAssessment
from spinemet.evidence import Finding, Measurement
from spinemet.report import wording
from spinemet.report.body_block import body_details, body_facts
from spinemet.report.drawing import Figure
from spinemet.report.heights import body_heights
from spinemet.report.lesion_block import lesion_details, lesion_facts
from spinemet.report.markup import Markup, join, tag
from spinemet.report.pieces import (
    facts,
    figure,
    grade_badge,
    sentence,
    value_text,
)
from spinemet.scores.sins import COMPONENTS, SinsResult

_MOST_EVIDENCE = 4
_COUNTING = ("pedicle", "facet", "joint", "arch")
"""Ends of the names of the posterolateral parts that count for SINS."""


def level_section(item: LevelAssessment, figures: Sequence[Figure], assessment: Assessment) -> Markup:
    """One scored level: its components with their evidence, its pictures and its heights; the rest folded away."""
    result = item.sins
    assert result is not None
    decides = wording.what_decides(result)
    return tag(
        "section",
        tag(
            "h2", item.level.title, tag("span", f"SINS {wording.totals(result)}", class_="score"), grade_badge(result),
        ),
        tag("p", decides[:1].upper() + decides[1:] + ". " if decides else "", wording.consultation(result), " ",
            sentence(item.reason), class_="lead"),
        _limits_line(result.limits),
        notes_list(item),
        component_table(result),
        tag("div", *(figure(picture) for picture in figures), heights_table(item), class_="figures"),
        _beside_the_score(item, assessment),
        id=item.level.value, class_="level-section",
    )  # fmt: skip


def _beside_the_score(item: LevelAssessment, assessment: Assessment) -> Markup | None:
    canal_seen = any(ref.role.is_mr for ref in assessment.images if ref.key == assessment.reference)
    lines = [*lesion_facts(item, canal_seen=canal_seen), *body_facts(item)]
    if not lines:
        return None
    return join(tag("h3", "Beside the score"), facts(lines), lesion_details(item), *body_details(item, assessment))


def notes_list(item: LevelAssessment) -> Markup | None:
    """What a reader must know of a level; a question to answer stands out."""
    return (
        join(
            *(
                tag("p", sentence(note), class_="warning" if "confirm or deny" in note else "note")
                for note in item.notes
            )
        )
        if item.notes
        else None
    )


def component_table(result: SinsResult) -> Markup:
    """The six components with points, source and evidence."""
    titles = ("Component", "Finding", "Points", "Source", "Evidence", "Compared with", "Notes")
    return tag(
        "table",
        tag("thead", tag("tr", *(tag("th", title, scope="col") for title in titles))),
        tag("tbody", *(_component_row(name, result.components[name]) for name in COMPONENTS)),
        tag(
            "tfoot",
            tag("tr", tag("th", "Total", scope="row"), tag("td", wording.category(result)),
                tag("td", wording.totals(result), class_="points"), tag("td", _total_note(result), colspan=4)),
        ),
        class_="components",
    )  # fmt: skip


def heights_table(item: LevelAssessment) -> Markup | None:
    """Own and reference height and loss, front to back; None when no height was measured."""
    rows = body_heights(item)
    if not rows:
        return None
    columns: list[tuple[str, list[Measurement | None]]] = [
        ("Left quarter", [row.left for row in rows]),
        ("Mid-sagittal", [row.own for row in rows]),
        ("Right quarter", [row.right for row in rows]),
        ("Reference", [row.reference for row in rows]),
        ("Loss", [row.loss for row in rows]),
    ]
    shown = [(title, values) for title, values in columns if any(values)]
    methods = dict.fromkeys(row.reference.method for row in rows if row.reference and row.reference.known)
    unknowns = dict.fromkeys(m.reason for _, line in shown for m in line if m is not None and not m.known)
    reasons = [tag("small", "Unknown: ", "; ".join(unknowns), ".")] if unknowns else []
    return tag(
        "table",
        tag("caption", "Height of the body", f". Reference: {'; '.join(methods)}" if methods else None, "."),
        tag("thead", tag("tr", tag("td"), *(tag("th", title, scope="col") for title, _ in shown))),
        tag(
            "tbody",
            *(
                tag("tr", tag("th", row.place, scope="row"), *(tag("td", _short_value(line[n])) for _, line in shown))
                for n, row in enumerate(rows)
            ),
        ),
        tag("tfoot", tag("tr", tag("td", *reasons, colspan=len(shown) + 1))) if reasons else None,
        class_="heights",
    )  # fmt: skip


def measurements_table(item: LevelAssessment) -> Markup | None:
    """Everything measured at a level, folded away."""
    scored = [] if item.sins is None else [m for f in item.sins.components.values() for m in f.measurements]
    found = list(dict.fromkeys((*item.measurements, *scored)))
    if not found:
        return None
    titles = ("Measurement", "Value", "Method", "Where (R, A, S mm)", "Limits")
    return tag(
        "details",
        tag("summary", f"All measurements of {item.level} ({len(found)})"),
        tag(
            "table",
            tag("thead", tag("tr", *(tag("th", title, scope="col") for title in titles))),
            tag(
                "tbody",
                *(
                    tag("tr", tag("th", m.name, scope="row"), tag("td", value_text(m)), tag("td", m.method),
                        tag("td", _where(m)), tag("td", "; ".join(m.limits)))
                    for m in found
                ),
            ),
        ),
        class_=None if item.sins else "unscored",
    )  # fmt: skip


def _component_row(name: str, finding: Finding) -> Markup:
    return tag(
        "tr",
        tag("th", wording.COMPONENT_TITLES[name], scope="row"),
        tag("td", finding.label or ("unknown" if not finding.known else "–"), _replaced(finding)),
        tag("td", _points_cell(finding), class_="points"),
        tag("td", wording.SOURCE_WORDS[finding.source], _reader(finding)),
        tag("td", _evidence(finding)),
        tag("td", finding.threshold or "–"),
        tag("td", _notes(finding)),
        class_=finding.source.value,
    )  # fmt: skip


def _reader(finding: Finding) -> Markup | None:
    return join(tag("br"), tag("small", finding.reader)) if finding.reader else None


def _points_cell(finding: Finding) -> Markup:
    if not finding.known:
        return join(tag("strong", "?"), tag("br"), tag("small", f"{wording.possible(finding.possible)} possible"))
    if len(finding.possible) > 1:
        return join(
            tag("abbr", "≈", title="near a threshold"), " ", tag("strong", finding.points), tag("br"),
            tag("small", f"{wording.possible(finding.possible)} possible"),
        )  # fmt: skip
    near = join(tag("abbr", "≈", title="near a threshold"), " ") if finding.near_threshold else None
    return join(near, tag("strong", finding.points))


def _replaced(finding: Finding) -> Markup | None:
    """What an override replaced, and why."""
    suggested = finding.suggested
    if suggested is None:
        return None
    was = f"{suggested.label or 'unknown'} ({wording.points(suggested)})"
    return tag(
        "small", "replaced: ", tag("s", was), f" – {finding.reason}" if finding.reason else None,
        class_="replaced",
    )  # fmt: skip


def _evidence(finding: Finding) -> Markup:
    known = [m for m in finding.measurements if m.known]
    if finding.component == "posterolateral":
        return _parts_evidence(known, finding)
    shown = known[:_MOST_EVIDENCE] or list(finding.measurements[:1])
    if not shown:
        return Markup("–")
    return tag("ul", *(_evidence_line(m) for m in shown))


def _evidence_line(measurement: Measurement) -> Markup:
    return tag("li", f"{measurement.name} ", tag("b", value_text(measurement)))


def _parts_evidence(known: list[Measurement], finding: Finding) -> Markup:
    """The parts with lesion, the most involved first; parts without any in one line."""
    held = sorted((m for m in known if m.value), key=lambda m: -(m.value or 0.0))[:_MOST_EVIDENCE]
    free = [m.name.removeprefix("lesion in ") for m in known if not m.value and m.name.endswith(_COUNTING)]
    lines = [_evidence_line(m) for m in held]
    if free:
        lines.append(tag("li", "no lesion in ", ", ".join(free)))
    if not lines:
        lines = [_evidence_line(m) for m in finding.measurements[:1]]
    return tag("ul", *lines) if lines else Markup("–")


def _notes(finding: Finding) -> Markup:
    words = [] if finding.suggested is not None else [finding.reason]
    words += [*finding.limits, *(limit for m in finding.measurements for limit in m.limits)]
    unique = [word for word in dict.fromkeys(words) if word]
    return tag("ul", *(tag("li", word) for word in unique)) if unique else Markup("–")


def _limits_line(items: tuple[str, ...]) -> Markup | None:
    return tag("p", tag("strong", "Limits: "), "; ".join(items), ".", class_="note") if items else None


def _total_note(result: SinsResult) -> str:
    if result.total is not None and len(result.possible_totals) == 1:
        return wording.consultation(result)
    words = wording.what_decides(result)
    return f"{words[:1].upper()}{words[1:]}. {wording.consultation(result)}"


def _where(measurement: Measurement) -> str:
    place = measurement.position
    return "–" if place is None else ", ".join(f"{value:.0f}" for value in place)


def _short_value(measurement: Measurement | None) -> str:
    return "unknown" if measurement is not None and not measurement.known else value_text(measurement)
