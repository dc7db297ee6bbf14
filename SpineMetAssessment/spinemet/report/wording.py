"""Scores in plain words: totals still possible, what decides them, statuses of levels in groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from spinemet.assessment import Assessment, LevelAssessment, Status
from spinemet.evidence import Finding, Source
from spinemet.scores.sins import SURGICAL_CONSULTATION, SinsResult, category_of

COMPONENT_TITLES = {
    "location": "Location",
    "pain": "Pain",
    "bone_lesion": "Bone lesion",
    "alignment": "Alignment",
    "collapse": "Body collapse",
    "posterolateral": "Posterolateral",
}
SOURCE_WORDS = {
    Source.MEASURED: "measured",
    Source.ENTERED: "entered",
    Source.OVERRIDDEN: "overridden",
    Source.UNKNOWN: "unknown",
}
_MOST_LISTED = 5


def listed(items: Iterable[object], last: str = "or") -> str:
    """ "10, 11 or 13"."""
    words = [str(item) for item in items]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}" if words else ""


def totals(result: SinsResult) -> str:
    """The total, or the totals still possible: "12", "10, 11 or 13", "5 to 18"."""
    if result.total is not None:
        return str(result.total)
    return possible(result.possible_totals)


def possible(points: Sequence[int]) -> str:
    """Points still possible; a long list by its ends."""
    return listed(points) if len(points) <= _MOST_LISTED else f"{points[0]} to {points[-1]}"


def what_decides(result: SinsResult) -> str:
    """Which components leave the total open: "pain decides"; empty when nothing does."""
    unknown = [COMPONENT_TITLES[name].lower() for name in result.unknown]
    if len(unknown) == 1:
        return f"{unknown[0]} decides"
    if unknown:
        return f"{listed(unknown, 'and')} decide"
    near = [COMPONENT_TITLES[name].lower() for name, item in result.components.items() if len(item.possible) > 1]
    if near:
        return f"{possible(result.possible_totals)} possible: {listed(near, 'and')} near a threshold"
    return ""


def category(result: SinsResult) -> str:
    """The category, or "undecided" with the categories still possible."""
    if result.category is not None:
        return result.category.value
    names = dict.fromkeys(category_of(total).value for total in result.possible_totals)
    return f"undecided: {listed(names)}"


def consultation(result: SinsResult) -> str:
    """Whether the published score advises to consult a surgeon."""
    if result.consultation_advised is None:
        return f"Surgical consultation is advised from {SURGICAL_CONSULTATION} points on; this score is undecided."
    if result.consultation_advised:
        return f"Surgical consultation advised (SINS ≥ {SURGICAL_CONSULTATION})."
    return f"Below {SURGICAL_CONSULTATION} points, where the score begins to advise surgical consultation."


def points(finding: Finding) -> str:
    """Points with what else is possible: "2", "2 (2 or 3)", "? (0, 1 or 3)"."""
    if finding.points is None:
        return "?"
    return str(finding.points)


@dataclass(frozen=True)
class LevelGroup:
    """Neighboring levels that share a row: one level, or a run that could not be looked at."""

    levels: tuple[LevelAssessment, ...]

    @property
    def name(self) -> str:
        first, last = self.levels[0].level, self.levels[-1].level
        return str(first) if first is last else f"{first}–{last}"


def grouped(assessment: Assessment) -> list[LevelGroup]:
    """All levels from head to tail; runs not imaged or not assessable for the same reason become one row."""
    groups: list[LevelGroup] = []
    for item in assessment.levels:
        last = groups[-1].levels[-1] if groups else None
        alike = last is not None and (last.status, last.reason) == (item.status, item.reason)
        if alike and item.status in (Status.NOT_IMAGED, Status.NOT_ASSESSABLE) and not item.cut:
            groups[-1] = LevelGroup((*groups[-1].levels, item))
        else:
            groups.append(LevelGroup((item,)))
    return groups
