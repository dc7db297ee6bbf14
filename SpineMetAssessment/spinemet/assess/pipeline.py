"""From one study's images, outlines and answers to its Assessment: the steps in their order."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import numpy as np

from spinemet import anatomy
from spinemet.anatomy import Spine
from spinemet.anatomy.by_hand import with_hand_heights
from spinemet.answers import Answers
from spinemet.assess.along import assess_spine
from spinemet.assess.by_hand import with_hand_scores
from spinemet.assess.level import assess_level
from spinemet.assess.measured import MeasuredStudy
from spinemet.assess.prior import check_prior
from spinemet.assessment import Assessment, LevelAssessment, Numbering, Status
from spinemet.case import ImageRef, Patient, Role, Structure, TimePoint
from spinemet.errors import BadInput
from spinemet.grading import check_answers
from spinemet.image import Image
from spinemet.increment import Increment, fingerprint
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.progress import Progress, part, silent

REFERENCE_KVP = 120.0
"""Tube voltage for which published densities hold (clinical rules, section 5)."""


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
    prior: Assessment | None = None,
    store: Increment | None = None,
    details: bool = True,
    progress: Progress | None = None,
) -> Assessment:
    """Measure every outlined vertebra and score every one that a lesion involves.

    :param image: the reference image, in its own grid; `ref.role` says what it is.
    :param vertebrae: outlined vertebrae on the grid of `image`.
    :param lesions: outlined lesions on the grid of `image`; None when nothing was outlined.
    :param previous: an earlier result whose answers and overrides are kept where `answers` says nothing.
    :param prior: an assessment of the same patient at an earlier date: its heights come before the neighbors' as
        reference, and the change of alignment since then is shown.
    :param store: results of earlier runs to reuse; pass the same one again for live grading.
    :param details: False, after an edit, measures again only what the scores of the edited levels need. All else stays
        as it was before the edit: `store.pending` names what, and the last warning says so. Where the outline of a
        vertebra with a lesion changed, its parts, cortex and posterolateral involvement wait, too. For showing a score
        at once; a second call with details brings all of it up to date, and only such a result may leave the program.
        Of another image, or where an outline came or went, everything is measured all the same.
    :raises GridMismatch: outlines and image lie on different grids.
    :raises BadInput: the image has no numbers to measure in, nothing is outlined, or an answer is not a possible one.
    """
    report = progress or silent
    store = store if store is not None else Increment()
    _begin(store, (image, ref, *_outlined(vertebrae, lesions)), details=details)
    _check(image, vertebrae, lesions, store)
    answers = answers or Answers()
    if previous is not None:
        answers = answers.completed_by(previous.answers)
    check_answers(answers)
    if prior is not None:
        check_prior(prior, patient or Patient(), time_point or TimePoint())

    spine = _by_hand(anatomy.measure_spine(vertebrae, part(report, 0.0, 0.5), store=store), answers)
    report(0.5, "finding the involved levels")
    involvement = anatomy.involved_levels(spine, lesions) if lesions is not None else anatomy.Involvement({}, ())
    shape = _shape(vertebrae, spine, answers)
    study = MeasuredStudy(image, ref, vertebrae, lesions, spine, involvement, answers, store, shape, prior)
    results = {}
    for number, level in enumerate(spine.vertebrae):
        report(0.5 + 0.5 * number / len(spine.vertebrae), f"scoring {level}")
        results[level] = assess_level(study, level)
    imaged = anatomy.unoutlined_levels(spine.line, image.grid)
    results.update({level: _without_outline(level, inside) for level, inside in imaged.items()})
    report(1.0, "assessed")
    along = assess_spine(study)
    assessment = Assessment(
        patient=patient or Patient(),
        time_point=time_point or TimePoint(),
        images=(ref,),
        reference=ref.key,
        numbering=_numbering(vertebrae, spine, answers),
        levels=tuple(results[level] for level in sorted(results)),
        inputs=input_fingerprints(image, vertebrae, lesions, answers),
        answers=answers,
        parameters={"prior": prior.time_point.date or "date unknown"} if prior is not None else {},
        warnings=(*spine.notes, *involvement.notes, *_image_warnings(ref), *_pending(store)),
        spine=along,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )
    return with_hand_scores(assessment)


def input_fingerprints(
    image: Image, vertebrae: LabelMap, lesions: LabelMap | None, answers: Answers
) -> dict[str, str]:
    """Fingerprints by input name; a result is stale when one of them differs (`Assessment.stale`)."""
    inputs = {"image": image.fingerprint, "answers": fingerprint(answers)}
    inputs["vertebrae"] = vertebrae.only(Structure.VERTEBRA, Structure.SACRUM).fingerprint
    if lesions is not None:
        inputs["lesions"] = lesions.only(Structure.LESION).fingerprint
    return inputs


def _without_outline(level: Level, inside: bool) -> LevelAssessment:
    if inside:
        return LevelAssessment(level, Status.NOT_ASSESSABLE, "no outline, though the image may show it")
    return LevelAssessment(level, Status.NOT_IMAGED, "outside the image")


def _by_hand(spine: Spine, answers: Answers) -> Spine:
    """The spine with the heights that a person measured in place of the computed ones."""
    found = {level: with_hand_heights(item, answers.at(level).measurements) for level, item in spine.vertebrae.items()}
    return replace(spine, vertebrae=found)


def _shape(vertebrae: LabelMap, spine: Spine, answers: Answers) -> str:
    by_hand = {level.value: said.measurements for level, said in answers.levels.items() if said.measurements}
    # In a hurry a vertebra may still be seen from where its neighbors were.
    hints = list(spine.line.hints.values())
    return fingerprint(vertebrae, hints, by_hand)


def _outlined(vertebrae: LabelMap, lesions: LabelMap | None) -> tuple[list[Level], list[int]]:
    """Which levels and lesions have an outline."""
    return list(vertebrae.levels), lesions.values(Structure.LESION) if lesions is not None else []


def _begin(store: Increment, study: tuple[object, ...], *, details: bool) -> None:
    """Begin a run; in a hurry only if it is about the same as the last one."""
    stamp = fingerprint(*study)
    store.begin(hurry=not details and store.last("study", "") == stamp)
    store.run("study", "", (stamp,), lambda: stamp)


def _check(image: Image, vertebrae: LabelMap, lesions: LabelMap | None, store: Increment) -> None:
    image.require_grid(vertebrae.image)
    if lesions is not None:
        image.require_grid(lesions.image)
    if not vertebrae.levels:
        raise BadInput(f"{vertebrae.image.name} outlines no vertebra; choose the file with the vertebrae's labels.")
    store.run("image", "", (image,), lambda: _check_voxels(image))


def _check_voxels(image: Image) -> None:
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


def _pending(store: Increment) -> tuple[str, ...]:
    steps = sorted({f"{step} {place}".strip() for step, place in store.pending})
    return (f"Not measured again since the last edit: {', '.join(steps)}.",) if steps else ()


def _image_warnings(ref: ImageRef) -> tuple[str, ...]:
    warnings = []
    if ref.role is not Role.CT:
        warnings.append(
            "No CT: density, breaks of the cortex, rigidity and metal are not measured, and lytic and blastic bone"
            " cannot be told apart."
        )
    elif ref.contrast:
        warnings.append("Contrast-enhanced CT: densities are higher than without contrast.")
    if ref.role is Role.CT and ref.kvp is not None and ref.kvp != REFERENCE_KVP:
        warnings.append(f"The CT was taken at {ref.kvp:g} kVp; densities differ from those at {REFERENCE_KVP:g} kVp.")
    return tuple(warnings)
