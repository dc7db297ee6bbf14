"""One level from its measurements and answers to a SINS: puts the evidence of anatomy before the rules of scores."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from spinemet.anatomy import Posterolateral
from spinemet.anatomy.by_hand import is_height
from spinemet.answers import FRANKEL, KPS, TREATMENTS, Answers, LevelAnswers
from spinemet.errors import BadInput
from spinemet.evidence import Finding, Measurement
from spinemet.levels import Level
from spinemet.scores import sins
from spinemet.scores.sins import SinsResult

AFTER_TREATMENT = "after treatment, unvalidated"
ARCH_LIMIT = "a fracture of the arch without a lesion is not looked for"


def grade(
    level: Level,
    *,
    answers: LevelAnswers,
    confirmed: bool,
    loss: Measurement,
    involvement: Measurement,
    lytic_share: Measurement,
    arch: Posterolateral,
    collapse_evidence: Iterable[Measurement] = (),
    lesion_evidence: Iterable[Measurement] = (),
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
        _posterolateral(arch),
    ]
    limits = () if confirmed else ("levels unconfirmed",)
    if answers.treated:
        limits = (*limits, AFTER_TREATMENT)
    return sins.score([_overridden(finding, answers) for finding in findings], limits=limits)


def _posterolateral(arch: Posterolateral) -> Finding:
    sides = sins.involved_sides(
        {side.value: shares for side, shares in arch.shares.items()},
        broken={side.value: [part.title for part in parts] for side, parts in arch.broken.items()},
        doubtful={side.value: [part.title for part in parts] for side, parts in arch.doubtful.items()},
    )
    return sins.posterolateral(
        sides.involved, arch.measurements, near=bool(sides.near), limits=(*sides.notes, ARCH_LIMIT),
        reason=sides.reason,
    )  # fmt: skip


def check_answers(answers: Answers) -> None:
    """:raises BadInput: an answer or override is not one of the possible ones; the sentence names level and value."""
    if answers.kps is not None and answers.kps not in KPS:
        raise BadInput(f"{answers.kps} is no Karnofsky performance status; use one of 10, 20 … 100.")
    if answers.neurology is not None and answers.neurology not in FRANKEL:
        raise BadInput(f'"{answers.neurology}" is no Frankel grade; use one of {", ".join(FRANKEL)}.')
    for level, said in answers.levels.items():
        for component, option in (("pain", said.pain), ("alignment", said.alignment)):
            if option is not None and option != "unknown" and option not in sins.OPTIONS[component]:
                raise BadInput(
                    f'{level}: "{option}" is not an answer for {component};'
                    f" use one of {', '.join(sins.OPTIONS[component])}."
                )
        if said.treatment is not None and said.treatment not in TREATMENTS:
            raise BadInput(f'{level}: "{said.treatment}" is no treatment; use one of {", ".join(TREATMENTS)}.')
        for name, hand in said.measurements.items():
            if not np.isfinite(hand.value):
                raise BadInput(f'{level}: "{name}" measured by hand must be a number, not {hand.value:g}.')
            if is_height(name) and hand.value <= 0:
                raise BadInput(f'{level}: "{name}" measured by hand must be above 0, not {hand.value:g}.')
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
