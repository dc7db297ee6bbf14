"""The pipeline of one patient at one time point: names the steps and their order, computes nothing itself.

Each step runs through an `Increment` keyed by the level and the fingerprints of what it depends on, so that after
an edit only the vertebrae that changed, and what is compared with them, are measured again.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property

import numpy as np

from spinemet import anatomy
from spinemet.anatomy import (
    BoneReference,
    CollapseMeasurement,
    LesionMeasures,
    Posterolateral,
    Spine,
    SpineLine,
    Vertebra,
)
from spinemet.anatomy.alignment.angles import posture_of
from spinemet.anatomy.alignment.deformity import alignment_candidates
from spinemet.anatomy.alignment.whole import Alignment, measure_alignment
from spinemet.answers import Answers
from spinemet.assessment import Assessment, LevelAssessment, Numbering, Status
from spinemet.case import ImageRef, Patient, Role, Structure, TimePoint
from spinemet.errors import BadInput
from spinemet.grading import check_answers, grade
from spinemet.image import Image
from spinemet.increment import Increment, fingerprint
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.progress import Progress, part, silent


def assess(
    image: Image,
    ref: ImageRef,
    vertebrae: LabelMap,
    lesions: LabelMap | None = None,
    *,
    patient: Patient | None = None,
    time_point: TimePoint | None = None,
    answers: Answers | None = None,
    previous: Assessment | None = None,
    store: Increment | None = None,
    progress: Progress | None = None,
) -> Assessment:
    """Measure every outlined vertebra and score every one that a lesion involves.

    :param image: the reference image, in its own grid; `ref.role` says what it is.
    :param vertebrae: outlined vertebrae on the grid of `image`.
    :param lesions: outlined lesions on the grid of `image`; None when nothing was outlined.
    :param previous: an earlier result whose answers and overrides are kept where `answers` says nothing.
    :param store: results of earlier runs to reuse; pass the same one again for live grading.
    :raises GridMismatch: outlines and image lie on different grids.
    :raises BadInput: the image has no numbers to measure in, nothing is outlined, or an answer is not a possible one.
    """
    report = progress or silent
    _check(image, vertebrae, lesions)
    store = store if store is not None else Increment()
    store.begin()
    answers = answers or Answers()
    if previous is not None:
        answers = answers.completed_by(previous.answers)
    check_answers(answers)

    spine = _measure_spine(vertebrae, store, part(report, 0.0, 0.7))
    report(0.7, "finding the involved levels")
    involvement = anatomy.involved_levels(spine, lesions) if lesions is not None else anatomy.Involvement({}, ())
    study = _Study(image, ref, spine, lesions, involvement, answers, store)
    results = {level: study.level(level) for level in spine.vertebrae}
    imaged = anatomy.unoutlined_levels(spine.line, image.grid)
    results.update({level: _without_outline(level, inside) for level, inside in imaged.items()})
    report(1.0, "assessed")
    return Assessment(
        patient=patient or Patient(),
        time_point=time_point or TimePoint(),
        images=(ref,),
        reference=ref.key,
        numbering=_numbering(vertebrae, spine, answers),
        levels=tuple(results[level] for level in sorted(results)),
        inputs=input_fingerprints(image, vertebrae, lesions, answers),
        answers=answers,
        warnings=(*spine.notes, *involvement.notes, *_image_warnings(ref)),
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


def input_fingerprints(
    image: Image, vertebrae: LabelMap, lesions: LabelMap | None, answers: Answers
) -> dict[str, str]:
    """Fingerprints by input name; a result is stale when one of them differs (`Assessment.stale`)."""
    inputs = {"image": image.fingerprint, "answers": fingerprint(answers)}
    inputs["vertebrae"] = vertebrae.only(Structure.VERTEBRA, Structure.SACRUM).fingerprint
    if lesions is not None:
        inputs["lesions"] = lesions.only(Structure.LESION).fingerprint
    return inputs


@dataclass(frozen=True)
class _Study:
    """What the assessment of one level may look at."""

    image: Image
    ref: ImageRef
    spine: Spine
    lesions: LabelMap | None
    involvement: anatomy.Involvement
    answers: Answers
    store: Increment

    @property
    def involved(self) -> Collection[Level]:
        """Levels with a lesion: never a reference."""
        return self.involvement.levels.keys()

    @property
    def excluded(self) -> set[Level]:
        """Levels that a person said are instrumented or cemented: never a reference."""
        return {level for level, said in self.answers.levels.items() if said.instrumented}

    @property
    def posture(self) -> str:
        """How the patient lay."""
        return posture_of(self.ref.patient_position)

    @cached_property
    def alignment(self) -> Alignment:
        """Angles and slips between all vertebrae, measured once."""
        return measure_alignment(self.spine, posture=self.posture)

    @property
    def ct(self) -> Image | None:
        """The image as Hounsfield units, None when it is no CT."""
        return self.image if self.ref.role is Role.CT else None

    def level(self, level: Level) -> LevelAssessment:
        """One outlined level: measured always, scored when a lesion involves it."""
        vertebra = self.spine[level]
        if self.answers.at(level).instrumented:
            return _unscored(vertebra, Status.NOT_ASSESSABLE, "instrumented or cemented: SINS does not apply")
        if level not in self.involvement.levels:
            return _unscored(vertebra, Status.NO_LESION, vertebra.reason)
        loss = anatomy.collapse(level, self.spine, involved=self.involved, excluded=self.excluded)
        reference = anatomy.bone_reference(self.ct, self.spine, level, involved=self.involved, excluded=self.excluded)
        return _scored(
            vertebra, loss, self._lesion(vertebra, reference), reference, self._posterolateral(vertebra), self
        )

    def _posterolateral(self, vertebra: Vertebra) -> Posterolateral:
        assert self.lesions is not None
        level = vertebra.level
        parts = self.store.run("parts", level, (vertebra.mask, vertebra.frame), lambda: anatomy.partition(vertebra))
        lesion = anatomy.lesion_mask(vertebra, self.lesions, self.involvement.levels[level])
        return self.store.run(
            "posterolateral", level, (vertebra.mask, vertebra.frame, lesion),
            lambda: anatomy.posterolateral(parts, vertebra, lesion),
        )  # fmt: skip

    def _lesion(self, vertebra: Vertebra, reference: BoneReference) -> LesionMeasures:
        assert self.lesions is not None
        lesion = anatomy.lesion_mask(vertebra, self.lesions, self.involvement.levels[vertebra.level])
        return self.store.run(
            "lesion",
            vertebra.level,
            (self.image, vertebra.mask, vertebra.frame, lesion, reference),
            lambda: anatomy.measure_lesion(self.ct, vertebra, lesion, reference),
        )


def _scored(
    vertebra: Vertebra,
    loss: CollapseMeasurement,
    lesion: LesionMeasures,
    reference: BoneReference,
    arch: Posterolateral,
    study: _Study,
) -> LevelAssessment:
    level = vertebra.level
    columns = tuple(loss.columns.values())
    result = grade(
        level,
        answers=study.answers.at(level),
        confirmed=study.answers.levels_confirmed,
        loss=loss.loss,
        involvement=lesion.body_involvement,
        lytic_share=lesion.lytic_share,
        arch_involved=arch.involved,
        collapse_evidence=columns,
        lesion_evidence=(lesion.lytic_fraction, lesion.blastic_fraction, lesion.mean_hu, reference.mean),
        arch_evidence=arch.measurements,
        arch_reason=arch.reason,
        alignment_candidates=alignment_candidates(level, study.spine, unusable=study.excluded, posture=study.posture),
    )
    assert study.lesions is not None
    return LevelAssessment(
        level,
        Status.SCORED,
        vertebra.reason,
        result,
        (
            *vertebra.measurements,
            *loss.measurements,
            *lesion.measurements,
            *arch.measurements,
            *study.alignment.at(level),
            reference.mean,
            reference.deviation,
        ),
        vertebra.frame,
        lesion.position,
        tuple(study.lesions.outlines[value].lesion_id for value in study.involvement.levels[level]),
        bool(vertebra.cut),
    )


def _unscored(vertebra: Vertebra, status: Status, reason: str) -> LevelAssessment:
    return LevelAssessment(
        vertebra.level,
        status,
        reason,
        None,
        vertebra.measurements,
        vertebra.frame,
        vertebra.frame.origin,
        cut=bool(vertebra.cut),
    )


def _without_outline(level: Level, inside: bool) -> LevelAssessment:
    if inside:
        return LevelAssessment(level, Status.NOT_ASSESSABLE, "no outline, though the image may show it")
    return LevelAssessment(level, Status.NOT_IMAGED, "outside the image")


def _measure_spine(vertebrae: LabelMap, store: Increment, progress: Progress) -> Spine:
    line = store.run("spine line", "", (vertebrae,), lambda: anatomy.spine_line(vertebrae))
    measured = {}
    for number, (level, value) in enumerate(vertebrae.levels.items()):
        progress(number / len(vertebrae.levels), f"measuring {level}")
        measured[level] = _measure_vertebra(vertebrae.mask(value, anatomy.MASK_MARGIN_VOXELS), level, line, store)
    return Spine(measured, line, anatomy.order_notes(vertebrae, line))


def _measure_vertebra(mask: Image, level: Level, line: SpineLine, store: Increment) -> Vertebra:
    hint = line.hints[level]
    return store.run("vertebra", level, (mask, hint), lambda: anatomy.measure_vertebra(mask, level, hint=hint))


def _check(image: Image, vertebrae: LabelMap, lesions: LabelMap | None) -> None:
    image.require_grid(vertebrae.image)
    if lesions is not None:
        image.require_grid(lesions.image)
    if not vertebrae.levels:
        raise BadInput(f"{vertebrae.image.name} outlines no vertebra; choose the file with the vertebrae's labels.")
    values = image.array
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise BadInput(f"{image.name} has voxels that are not numbers (NaN); export it again.")
    if values.min() == values.max():
        raise BadInput(f"{image.name} has the same value everywhere; choose another image.")


def _numbering(vertebrae: LabelMap, spine: Spine, answers: Answers) -> Numbering:
    basis = vertebrae.numbering or "names of the outlines"
    variants = tuple(
        f"{level} is a transitional level; confirm the numbering" for level in spine.vertebrae if level.is_variant
    )
    return Numbering(basis, answers.levels_confirmed, (*variants, *vertebrae.notes))


def _image_warnings(ref: ImageRef) -> tuple[str, ...]:
    warnings = []
    if ref.role is not Role.CT:
        warnings.append("No CT: lytic and blastic bone cannot be told apart by density.")
    elif ref.contrast:
        warnings.append("Contrast-enhanced CT: densities are higher than without contrast.")
    if ref.role is Role.CT and ref.kvp is not None and ref.kvp != REFERENCE_KVP:
        warnings.append(f"The CT was taken at {ref.kvp:g} kVp; densities differ from those at {REFERENCE_KVP:g} kVp.")
    return tuple(warnings)


REFERENCE_KVP = 120.0
"""Tube voltage for which published densities hold (clinical rules, section 5)."""
