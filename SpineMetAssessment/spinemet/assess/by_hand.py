"""Levels that a person scores without outlines: what was not outlined is unknown until it is picked from a list."""

from __future__ import annotations

from dataclasses import replace

from spinemet.anatomy import Posterolateral, Side
from spinemet.answers import Answers
from spinemet.assessment import Assessment, LevelAssessment, Numbering, Status
from spinemet.case import ImageRef, Patient, TimePoint
from spinemet.evidence import unknown
from spinemet.grading import check_answers, grade
from spinemet.levels import Level

NOT_OUTLINED = "no lesion is outlined here; pick a value from the list"


def with_hand_scores(assessment: Assessment) -> Assessment:
    """The assessment with a score for every level at which a person says that a lesion is, outlined or not."""
    said = {
        level for level, answers in assessment.answers.levels.items() if answers.involved and not answers.instrumented
    }
    missing = {level for level in said if assessment[level].sins is None and not _metal_asks(assessment, level)}
    if not missing:
        return assessment
    levels = tuple(_scored(item, assessment.answers) if item.level in missing else item for item in assessment.levels)
    return replace(assessment, levels=levels)


def _metal_asks(assessment: Assessment, level: Level) -> bool:
    """Whether metal in the bone ended the score, and nobody denied it yet."""
    item, answers = assessment[level], assessment.answers.at(level)
    asked = item.hardware is not None and item.hardware.suggested and answers.instrumented is None
    return asked and item.status is Status.NOT_ASSESSABLE


def assessment_by_hand(
    ref: ImageRef, answers: Answers, *, patient: Patient | None = None, time_point: TimePoint | None = None
) -> Assessment:
    """An assessment from answers alone, without any outline.

    :param ref: the image that the reader looked at.
    :raises BadInput: an answer is not a possible one.
    """
    check_answers(answers)
    reason = "nothing is outlined"
    return with_hand_scores(
        Assessment(
            patient=patient or Patient(),
            time_point=time_point or TimePoint(),
            images=(ref,),
            reference=ref.key,
            numbering=Numbering("a person", answers.levels_confirmed),
            levels=tuple(
                LevelAssessment(level, Status.NOT_ASSESSABLE, reason)
                for level in sorted({*Level.ordinary(), *answers.levels})
            ),
            inputs={},
            answers=answers,
        )
    )


def _scored(item: LevelAssessment, answers: Answers) -> LevelAssessment:
    nothing = unknown("lesion in the part", "%", NOT_OUTLINED)
    arch = Posterolateral(dict.fromkeys(Side, (nothing,)), (), dict.fromkeys(Side, ()))
    result = grade(
        item.level,
        answers=answers.at(item.level),
        confirmed=answers.levels_confirmed,
        loss=item.measurement("height loss") or unknown("height loss", "%", NOT_OUTLINED),
        involvement=unknown("body involvement", "%", NOT_OUTLINED),
        lytic_share=unknown("lytic share", "%", NOT_OUTLINED),
        arch=arch,
    )
    return replace(
        item, status=Status.SCORED, sins=result, reason=item.reason or "scored by a person, nothing outlined"
    )
