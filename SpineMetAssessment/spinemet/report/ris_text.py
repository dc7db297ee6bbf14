"""The answer as plain text for the radiology information system: no picture, no table, nothing about who it is."""

from __future__ import annotations

from spinemet.assessment import RESEARCH_USE, Assessment, LevelAssessment, Status
from spinemet.evidence import Finding, Source
from spinemet.report.wording import COMPONENT_TITLES, SOURCE_WORDS, category, grouped, points, totals, what_decides


def ris_text(assessment: Assessment) -> str:
    """Lines of plain text: the worst level, every scored level with its components, and what limits them.

    The text names no patient: the RIS knows whose report it is.
    """
    images = ", ".join(
        " ".join(filter(None, (image.role.value, image.date or "without date"))) for image in assessment.images
    )
    lines = [f"Spinal metastases, SINS. Measured in: {images}."]
    lines.append(_worst(assessment))
    for item in assessment.scored:
        lines += ["", *_level(item)]
    unscored = [
        group for group in grouped(assessment) if group.levels[0].status in (Status.NO_LESION, Status.NOT_ASSESSABLE)
    ]
    if unscored:
        lines.append("")
        lines += [f"{group.name}: {group.levels[0].status.value}, not scored." for group in unscored]
    limits = list(dict.fromkeys((*assessment.warnings, *assessment.numbering.notes)))
    if not assessment.numbering.confirmed:
        limits.insert(0, f"Levels unconfirmed (by {assessment.numbering.basis}).")
    lines += ["", *limits, RESEARCH_USE]
    return "\n".join(lines) + "\n"


def _worst(assessment: Assessment) -> str:
    worst = assessment.worst
    if worst is None or worst.sins is None:
        return "No level is scored: no outlined lesion lies in an outlined vertebra."
    return f"Worst level: {worst.level}, SINS {totals(worst.sins)}, {category(worst.sins)}."


def _level(item: LevelAssessment) -> list[str]:
    assert item.sins is not None
    decides = what_decides(item.sins)
    lines = [f"{item.level}: SINS {totals(item.sins)}, {category(item.sins)}" + (f" ({decides})." if decides else ".")]
    lines += [f"- {_component(name, finding)}" for name, finding in item.sins.components.items()]
    return lines


def _component(name: str, finding: Finding) -> str:
    if not finding.known:
        possible = "/".join(str(value) for value in finding.possible)
        return f"{COMPONENT_TITLES[name]}: unknown ({possible} points possible)"
    source = SOURCE_WORDS[finding.source]
    who = f" by {finding.reader}" if finding.reader and finding.source is not Source.MEASURED else ""
    near = ", near a threshold" if finding.near_threshold else ""
    return f"{COMPONENT_TITLES[name]}: {finding.label}, {points(finding)} ({source}{who}{near})"
