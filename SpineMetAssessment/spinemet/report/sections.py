"""The report's parts as HTML: header, answer, levels, one section a scored level, limits and method."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from spinemet import __version__
from spinemet.assessment import RESEARCH_USE, Assessment, LevelAssessment, Status
from spinemet.colors import GRADE_COLORS, LESION, RGB, VERTEBRA, hexadecimal
from spinemet.evidence import Finding, Measurement, Source
from spinemet.report import wording
from spinemet.report.drawing import Figure
from spinemet.report.heights import body_heights
from spinemet.report.markup import Content, Markup, join, tag
from spinemet.scores.sins import COMPONENTS, SinsResult

SINS_CITATION = (
    "Fisher CG, DiPaola CP, Ryken TC, et al. A novel classification system for spinal instability in neoplastic "
    "disease: an evidence-based approach and expert consensus from the Spine Oncology Study Group. "
    "Spine 2010;35(22):E1221–E1229."
)
_CATEGORIES = (
    "0–6 stable, 7–12 potentially unstable, 13–18 unstable; surgical consultation is advised from 7 points on."
)
_POSITIONS = {
    "HF": "head first",
    "FF": "feet first",
    "S": "supine",
    "P": "prone",
    "DL": "left side down",
    "DR": "right side down",
}
_SEX = {"M": "male", "F": "female", "O": "other"}
_MOST_EVIDENCE = 4
_DIGITS = {"HU": 0}


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


def reference_of(assessment: Assessment) -> str:
    """The image that was measured in, in words."""
    for ref in assessment.images:
        if ref.key == assessment.reference:
            words = [ref.role.value, ref.description, ref.date, position_words(ref.patient_position)]
            return ", ".join(word for word in words if word)
    return "unknown image"


def position_words(code: str) -> str:
    """ "HFS" as "head first, supine"; an unknown code as it is."""
    head, lies = _POSITIONS.get(code[:2]), _POSITIONS.get(code[2:])
    return f"{head}, {lies}" if head and lies else code


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
    parts += [tag("p", tag("strong", "Warning. "), words, class_="warning") for words in assessment.warnings]
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


def level_section(item: LevelAssessment, figures: Sequence[Figure]) -> Markup:
    """One scored level: its components with their evidence, its pictures and its heights."""
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
        component_table(result),
        tag("div", *(figure(picture) for picture in figures), heights_table(item), class_="figures"),
        id=item.level.value, class_="level-section",
    )  # fmt: skip


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


def figure(picture: Figure, class_: str | None = None) -> Markup:
    """A picture with its caption."""
    return tag("figure", picture.svg, tag("figcaption", picture.caption), class_=class_)


def legend() -> Markup:
    """What the colors of outlines mean, in words."""
    grades: list[tuple[RGB, str]] = [
        (color, "undecided (broken line)" if key is None else key.value) for key, color in GRADE_COLORS.items()
    ]
    entries = [*grades, (VERTEBRA, "not scored"), (LESION, "lesion")]
    return tag("ul", *(tag("li", swatch(color), words) for color, words in entries), class_="legend")


def swatch(color: RGB) -> Markup:
    return tag("span", class_="swatch", style=f"background:{hexadecimal(color)}")


def grade_badge(result: SinsResult) -> Markup:
    """The category in words on its color."""
    return tag("span", wording.category(result), class_="badge", style=f"background:{grade_color(result)}")


def grade_color(result: SinsResult) -> str:
    return hexadecimal(GRADE_COLORS[result.category])


def limits(assessment: Assessment, window: str, missing: Iterable[str]) -> Markup:
    """What the report does not say, how to read it, and where its rules come from."""
    points = [
        *(sentence(words) for words in missing),
        *_never_measured(assessment),
        "A level without an outlined lesion was not scored; that does not make it stable.",
        "Images taken lying down underestimate deformity and slip.",
        "Each level is scored on its own; scores are never added up.",
    ]
    return tag(
        "section",
        tag("h2", "Limits, and how to read this"),
        tag("ul", *(tag("li", words) for words in points)),
        tag(
            "dl",
            tag("dt", "?"),
            tag("dd", "Not known. It keeps every score open that it could have; it is never counted as zero."),
            tag("dt", "±"),
            tag("dd", "How far the value may be off, mostly from the size of the voxels."),
            tag("dt", "≈"),
            tag("dd", "A threshold lies within the ±: the score beyond it is possible, too, and kept in the totals."),
            tag("dt", "measured · entered · overridden"),
            tag("dd", "Computed from the images · said by a person · replaced by a person; the suggestion stays."),
            class_="reading",
        ),
        tag("p", "SINS: ", SINS_CITATION, f" {_CATEGORIES}"),
        images_table(assessment),
        *(measurements_table(item) for item in assessment.levels),
        method(assessment, window),
        class_="limits",
    )  # fmt: skip


def images_table(assessment: Assessment) -> Markup:
    """The images and when they were taken."""
    titles = ("Image", "Series", "Date", "Position", "kVp", "Contrast", "Used for")
    contrast = {True: "yes", False: "no", None: "unknown"}
    return tag(
        "table",
        tag("caption", "Images"),
        tag("thead", tag("tr", *(tag("th", title, scope="col") for title in titles))),
        tag(
            "tbody",
            *(
                tag("tr", tag("th", ref.role.value, scope="row"), tag("td", ref.description or "–"),
                    tag("td", ref.date or "unknown"), tag("td", position_words(ref.patient_position) or "unknown"),
                    tag("td", f"{ref.kvp:g}" if ref.kvp else "–"), tag("td", contrast[ref.contrast]),
                    tag("td", "measuring" if ref.key == assessment.reference else "–"))
                for ref in assessment.images
            ),
        ),
    )  # fmt: skip


def method(assessment: Assessment, window: str) -> Markup:
    """How values came about and from what, folded away."""
    measured = [m for item in assessment.levels for m in item.measurements]
    measured += [
        m for item in assessment.scored if item.sins for f in item.sins.components.values() for m in f.measurements
    ]
    methods: dict[str, dict[str, None]] = {}
    for measurement in measured:
        if measurement.known:
            methods.setdefault(measurement.method, {})[measurement.name] = None
    facts = [
        ("Software", f"SpineMet {__version__}"),
        ("Made", assessment.created or "time not recorded"),
        (
            "Levels",
            f"{assessment.numbering.basis}; {'confirmed' if assessment.numbering.confirmed else 'unconfirmed'}",
        ),
        (
            "Pictures",
            f"sampled linearly on planes of each vertebra's own frame; {window}; dark gray is outside the image",
        ),
        *((f"Input “{name}”", digest) for name, digest in assessment.inputs.items()),
        *((f"Setting “{name}”", value) for name, value in assessment.parameters.items()),
        *((sentence(how), ", ".join(names)) for how, names in methods.items()),
    ]
    return tag(
        "details",
        tag("summary", "Method, settings and fingerprints of the inputs"),
        tag("dl", *(join(tag("dt", name), tag("dd", words)) for name, words in facts), class_="method"),
    )


def value_text(measurement: Measurement | None) -> str:
    """A value with ± and unit; an unknown one with its reason; "–" for none."""
    if measurement is None:
        return "–"
    words = measurement.text(_DIGITS.get(measurement.unit, 1))
    return words.replace(" ", "\N{NO-BREAK SPACE}") if measurement.known else words


def _short_value(measurement: Measurement | None) -> str:
    return "unknown" if measurement is not None and not measurement.known else value_text(measurement)


def sentence(words: str) -> str:
    """`words` with a capital and a full stop."""
    words = words.strip()
    return words and words[0].upper() + words[1:] + ("" if words[-1] in ".!?" else ".")


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
    shown = [m for m in finding.measurements if m.known][:_MOST_EVIDENCE]
    if not shown:
        shown = list(finding.measurements[:1])
    if not shown:
        return Markup("–")
    return tag("ul", *(tag("li", f"{m.name} ", tag("b", value_text(m))) for m in shown))


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


def _never_measured(assessment: Assessment) -> list[str]:
    """Components that no scored level has a measurement or an answer for, with the reasons given."""
    words = []
    for name in COMPONENTS:
        findings = [item.sins.components[name] for item in assessment.scored if item.sins]
        if findings and not any(finding.known for finding in findings):
            reasons = "; ".join(dict.fromkeys(finding.reason for finding in findings if finding.reason))
            words.append(
                f"{wording.COMPONENT_TITLES[name]} is unknown at every scored level: {reasons or 'not assessed'}."
            )
    return words
