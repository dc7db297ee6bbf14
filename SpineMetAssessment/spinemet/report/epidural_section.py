"""Epidural disease: the grade of every level with its reason, the profile along the canal, and the worst cut."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from spinemet.assessment import Assessment
from spinemet.details import EpiduralDetails, EpiduralLevel
from spinemet.evidence import Measurement, Source
from spinemet.report.epidural_pictures import profile_chart, reformat_picture, worst_cut
from spinemet.report.markup import Content, Markup, tag
from spinemet.report.pieces import facts, facts_table, figure, sentence, value_text
from spinemet.report.sources import Sources
from spinemet.scores.escc import HIGH_GRADE_IMAGING, EsccResult, Grade


def epidural(sources: Sources) -> Markup | None:
    """The section, None when nobody outlined the canal."""
    details = sources.assessment.epidural
    if details is None:
        return None
    worst = details.worst
    pictures = [picture for picture in (worst_cut(sources), reformat_picture(sources)) if picture is not None]
    chart = profile_chart(details)
    return tag(
        "section",
        tag("h2", "Epidural disease (ESCC)"),
        tag("p", *_answer(worst, details), class_="escc-answer"),
        tag("p", _basis(sources.assessment, details), class_="note"),
        tag("div", *(figure(picture) for picture in pictures), class_="figures") if pictures else None,
        figure(chart, "chart") if chart else None,
        _table(details),
        _worst_measures(worst),
        tag("p", "Nerve roots: ", " ".join(sentence(words) for words in details.foramina))
        if details.foramina
        else None,
        class_="epidural",
        id="ESCC",
    )


def grade_text(result: EsccResult) -> str:
    """The grade, with every other grade that is possible; what CT or the level's place allows where there is none."""
    if result.grade is None:
        return "?"
    others = ", ".join(item.value for item in result.alternatives)
    return f"{result.grade.value} (or {others})" if others else result.grade.value


def _answer(worst: EpiduralLevel | None, details: EpiduralDetails) -> list[Content]:
    if worst is None or worst.escc.grade is None:
        return [tag("strong", "No level could be graded. "), "This does not mean that the cord is free."]
    result = worst.escc
    if result.grade is Grade.NONE and not result.near_threshold:
        return [tag("strong", "ESCC 0 "), "at every level that the image shows: no tumor in the canal."]
    high = result.high_grade()
    class_ = "high grade" if high else "low grade" if high is False else "low or high grade"
    wide = result.high_grade(HIGH_GRADE_IMAGING)
    also = " (high where 1c counts as high)" if wide and not high else ""
    words = result.modified or f"{class_}{also}"
    return [
        "Worst level ", tag("strong", str(result.level)), ": ESCC ", tag("strong", grade_text(result)),
        f", {words}. {sentence(result.reason)}",
    ]  # fmt: skip


def _basis(assessment: Assessment, details: EpiduralDetails) -> str:
    ref = next((item for item in assessment.images if item.key == details.image), None)
    date = f" of {ref.date}" if ref is not None and ref.date else ""
    conus = f" The cord ends at {details.conus}." if details.conus else ""
    return (
        f"Measured on the {details.role.value}{date} in cuts perpendicular to the canal; levels from"
        f" {details.placed_by}.{conus} Thresholds are our own; a person confirms the grade on the image."
    )


def _table(details: EpiduralDetails) -> Markup:
    """A row a level; neighboring levels without tumor share one."""
    rows = []
    for free, group in itertools.groupby(details.levels, _without_tumor):
        levels = list(group)
        rows += [_free_row(levels)] if free else [_row(item) for item in levels]
    titles = ("Level", "ESCC", "Said", *_COLUMNS, "Reason")
    words = (
        "? is unknown, – does not apply or is unknown for the reason given; a grade in brackets lies within the error."
    )
    return facts_table(words, titles, rows)


def _without_tumor(item: EpiduralLevel) -> str:
    """Key of levels that are surely free and say no more than that; "" for all others."""
    result = item.escc
    sure = result.grade is Grade.NONE and not result.near_threshold and result.source is Source.MEASURED
    return (result.modified or "free") if sure and not result.limits else ""


def _free_row(levels: Sequence[EpiduralLevel]) -> Markup:
    first, last = levels[0].escc, levels[-1].escc
    name = str(first.level) if len(levels) == 1 else f"{first.level}–{last.level}"
    words = "; ".join(word for word in ("no tumor in the canal", first.modified) if word)
    cells = [tag("td", "–") for _ in _COLUMNS]
    return tag(
        "tr", tag("th", name, scope="row"), tag("td", tag("strong", "0")), tag("td", "suggested"), *cells,
        tag("td", words),
    )  # fmt: skip


def _row(item: EpiduralLevel) -> Markup:
    result = item.escc
    person = f"by {result.reader or 'a person'}"
    who = {Source.OVERRIDDEN: person, Source.ENTERED: person, Source.MEASURED: "suggested"}.get(
        result.source, "unknown"
    )
    notes = [result.reason, result.modified, *result.limits]
    if result.suggested is not None:
        notes.append(f"suggested: {grade_text(result.suggested)}")
    values = [_named(item, name) for name in _COLUMNS.values()]
    return tag(
        "tr", tag("th", result.level, scope="row"), tag("td", tag("strong", grade_text(result))), tag("td", who),
        *(tag("td", value_text(value) if value is not None and value.known else "–") for value in values),
        tag("td", "; ".join(note for note in notes if note)),
    )  # fmt: skip


_COLUMNS = {
    "Thickness": "epidural thickness",
    "Of the canal": "epidural share of the canal",
    "To the cord": "tumor to cord",
}


def _named(item: EpiduralLevel, name: str) -> Measurement | None:
    return next((m for m in item.measurements if m.name == name), None)


def _worst_measures(worst: EpiduralLevel | None) -> Markup | None:
    if worst is None or not worst.measurements:
        return None
    known = [(m.name[:1].upper() + m.name[1:], value_text(m)) for m in worst.measurements]
    return tag("details", tag("summary", f"All measures of the worst cut at {worst.escc.level}"), facts(known))
