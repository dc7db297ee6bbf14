"""One level from its measurements and answers to a SINS: puts the evidence of anatomy before the rules of scores."""

from __future__ import annotations

from collections.abc import Iterable

from spinemet.anatomy.lesions.posterolateral import INVOLVED_PERCENT
from spinemet.answers import Answers, LevelAnswers
from spinemet.errors import BadInput
from spinemet.evidence import Finding, Measurement
from spinemet.levels import Level
from spinemet.scores import sins
from spinemet.scores.sins import SinsResult

PART_THRESHOLD = f"pedicle, facet or costovertebral joint involved from {INVOLVED_PERCENT:g} % of its volume"
ARCH_LIMIT = "a fracture of the arch without a lesion is not looked for"


def grade(
    level: Level,
    *,
    answers: LevelAnswers,
    confirmed: bool,
    loss: Measurement,
    involvement: Measurement,
    lytic_share: Measurement,
    arch_involved: dict[str, bool | None],
    collapse_evidence: Iterable[Measurement] = (),
    lesion_evidence: Iterable[Measurement] = (),
    arch_evidence: Iterable[Measurement] = (),
    arch_reason: str = "",
    alignment_candidates: tuple[Measurement, ...] = (),
) -> SinsResult:
    """SINS of one involved level; a person's overrides win and keep the suggestion in sight.

    :param confirmed: whether a person confirmed the numbering of the levels.
    :param answers: checked by `check_answers`.
    """
    findings = [
        sins.location(level, confirmed=confirmed),
        sins.pain(answers.pain, reader=answers.reader),
        sins.bone_lesion(lytic_share, evidence=lesion_evidence),
        sins.alignment(answers.alignment, reader=answers.reader, candidates=alignment_candidates),
        sins.collapse(loss, involvement, evidence=collapse_evidence),
        sins.posterolateral(
            arch_involved, arch_evidence, threshold=PART_THRESHOLD, limits=(ARCH_LIMIT,), reason=arch_reason
        ),
    ]
    limits = () if confirmed else ("levels unconfirmed",)
    return sins.score([_overridden(finding, answers) for finding in findings], limits=limits)


def check_answers(answers: Answers) -> None:
    """:raises BadInput: an answer or override is not one of the possible ones; the sentence names level and value."""
    for level, said in answers.levels.items():
        for component, option in (("pain", said.pain), ("alignment", said.alignment)):
            if option is not None and option != "unknown" and option not in sins.OPTIONS[component]:
                raise BadInput(
                    f'{level}: "{option}" is not an answer for {component};'
                    f" use one of {', '.join(sins.OPTIONS[component])}."
                )
        for component, override in said.overrides.items():
            if component not in sins.OPTIONS:
                raise BadInput(f'{level}: "{component}" is no component; use one of {", ".join(sins.COMPONENTS)}.')
            possible = set(sins.OPTIONS[component].values())
            if override.points not in possible:
                raise BadInput(
                    f"{level}: {override.points} points are not possible for {component};"
                    f" use one of {', '.join(str(points) for points in sorted(possible))}."
                )


def _overridden(finding: Finding, answers: LevelAnswers) -> Finding:
    override = answers.overrides.get(finding.component)
    if override is None:
        return finding
    options = sins.OPTIONS[finding.component]
    label = next(name for name, points in options.items() if points == override.points)
    return finding.overridden(override.points, reason=override.reason, reader=override.reader, label=label)
