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
from spinemet.scores.lee import DEGENERATIVE


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
        _roots(details) or _root_words(details),
        _marrow(details),
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
    notes = "".join(f" {sentence(note)}" for note in details.notes)
    return (
        f"Measured on the {details.role.value}{date} in cuts perpendicular to the canal; levels from"
        f" {details.placed_by}.{conus} Thresholds are our own; a person confirms the grade on the image.{notes}"
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


def _root_words(details: EpiduralDetails) -> Markup | None:
    """Sentences of assessments that kept no values."""
    if not details.foramina:
        return None
    return tag("p", "Nerve roots: ", " ".join(sentence(words) for words in details.foramina))


def _roots(details: EpiduralDetails) -> Markup | None:
    """A row for every foramen whose root was outlined; those that tumor touches first."""
    if not details.roots:
        return None
    rows = []
    for item in sorted(details.roots, key=lambda item: (-(item.measurements[1].value or 0.0), item.above.order)):
        others = [str(grade) for grade in item.possible if grade != item.lee]
        lee = "?" if item.lee is None else f"{item.lee} (or {', '.join(others)})" if others else str(item.lee)
        values = [value_text(m) if m.known else "–" for m in item.measurements]
        rows.append(tag(
            "tr", tag("th", f"{item.above}–{item.below} {item.side.value}", scope="row"), tag("td", item.root),
            *(tag("td", value) for value in values), tag("td", tag("strong", lee)), tag("td", item.reason),
        ))  # fmt: skip
    titles = ("Foramen", "Root", "Tumor to root", "Contact", "Root area lost", "Lee", "Reason")
    words = f"Nerve roots. {sentence(DEGENERATIVE)}"
    return facts_table(words, titles, rows)


def _marrow(details: EpiduralDetails) -> Markup | None:
    """What MRI says of the marrow of each level with tumor: a column a level; caveats below."""
    if not details.marrow:
        return None
    names = list(dict.fromkeys(m.name for item in details.marrow for m in item.measurements))
    found = {item.level: {m.name: m for m in item.measurements} for item in details.marrow}
    rows, limits = [], []
    for name in names:
        cells = [values.get(name) for values in found.values()]
        if any(m is not None and m.known for m in cells):
            shown = [value_text(m) if m is not None and m.known else "–" for m in cells]
            rows.append(tag("tr", tag("th", name[:1].upper() + name[1:], scope="row"), *(tag("td", s) for s in shown)))
            limits += [f"{name}: {limit}" for m in cells if m is not None for limit in m.limits]
    if not rows:
        return None
    words = "Marrow on MRI where tumor is outlined: values for a reader, without a verdict."
    caveats = "; ".join(dict.fromkeys(limits))
    return tag(
        "div", facts_table(words, ("Measure", *(str(level) for level in found)), rows),
        tag("p", sentence(caveats), class_="note") if caveats else None,
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
