"""AssessWords: how grades, totals and measurements are worded in the panel; no widget."""

from typing import Any

from slicer.i18n import tr as _

_TOTALS_LISTED = 3
"""Up to so many possible totals are listed, more are shown as a span."""


def category(result: Any) -> str:
    return result.category.value if result.category is not None else _("undecided")


def totals(result: Any) -> str:
    """ "14", "14 ≈ 12" near a threshold, "10, 11, 13" while undecided, "8–16" for many."""
    possible = result.possible_totals
    if result.total is not None and len(possible) > 1:
        others = [str(total) for total in possible if total != result.total]
        return f"{result.total} ≈ {', '.join(others)}" if len(others) < _TOTALS_LISTED else _span(possible)
    if len(possible) > _TOTALS_LISTED:
        return _span(possible)
    return ", ".join(str(total) for total in possible)


def outdated(result: Any) -> str:
    """Which components are still as they were before the last edit; empty when none is."""
    names = [name.replace("_", " ") for name, item in result.components.items() if item.outdated]
    return _("being measured again: {components}").format(components=", ".join(names)) if names else ""


def allTotals(result: Any) -> str:
    if len(result.possible_totals) == 1:
        return ""
    return _("Still possible: {totals}").format(totals=", ".join(str(total) for total in result.possible_totals))


def openQuestions(result: Any) -> str:
    """Which components are unknown; else what a reader must know."""
    open_ = [name.replace("_", " ") for name in result.unknown]
    return _("unknown: {components}").format(components=", ".join(open_)) if open_ else "; ".join(result.limits)


def namedPoints(result: Any) -> str:
    pairs = ((name.replace("_", " "), item.points) for name, item in result.components.items())
    return "\n".join(f"{name}: {points if points is not None else '?'}" for name, points in pairs)


def suggestion(finding: Any) -> str:
    if not finding.known:
        return _("unknown")
    return f"{finding.label} ({finding.points})"


def points(finding: Any) -> str:
    """ "3", "2 ≈ 3" near a threshold, "0/1/3" while unknown; with "…" while it is being measured again."""
    waits = " …" if finding.outdated else ""
    if finding.points is None:
        return "/".join(str(item) for item in finding.possible) + waits
    others = [str(item) for item in finding.possible if item != finding.points]
    near = "≈ " + ", ".join(others) if others else ("≈" if finding.near_threshold else "")
    return f"{finding.points} {near}".strip() + waits


def source(finding: Any) -> str:
    """Who said so: measured, you (or the other reader's name), unknown."""
    if finding.source.value in ("entered", "overridden"):
        return finding.reader or _("you")
    return str(finding.source.value)


def measured(finding: Any) -> str:
    """The measurement behind a finding in a few words; empty when there is none."""
    item = next((item for item in finding.measurements if item.known), None)
    return f"{item.name} {item.text(0)}" if item is not None else ""


def percent(item: Any) -> str:
    """A share or loss for a table cell; "–" while unknown."""
    if item is None or not item.known:
        return "–"
    around = f" ±{item.uncertainty:.0f}" if item.uncertainty is not None else ""
    return f"{item.value:.0f}{around} %"


def summary(assessment: Any) -> str:
    worst = assessment.worst
    if worst is None:
        return _("No level is scored: no outlined lesion lies in an outlined vertebra.")
    text = _("Worst: {level}, SINS {total}, {category}").format(
        level=worst.level.value, total=totals(worst.sins), category=category(worst.sins)
    )
    return text if assessment.numbering.confirmed else text + _(" (levels unconfirmed)")


def change(now: Any, before: Any) -> str:
    """What the prior said about a level beside what is said now."""
    if before is None or before.sins is None:
        return _("not scored")
    text = f"SINS {totals(before.sins)} {category(before.sins)}"
    if now.sins is None or now.sins.total is None or before.sins.total is None:
        return text
    difference = now.sins.total - before.sins.total
    return _("{text}, now {difference:+d}").format(text=text, difference=difference) if difference else text


def _span(possible: Any) -> str:
    return f"{possible[0]}–{possible[-1]}"
