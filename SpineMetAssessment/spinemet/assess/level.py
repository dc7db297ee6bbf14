"""One level, from what was measured of it to what the assessment says of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spinemet.anatomy import CollapseMeasurement, LesionMeasures, Part, Posterolateral, Vertebra
from spinemet.anatomy.arch.trajectory import pedicle_angles
from spinemet.anatomy.bone.fracture import Fracture, fracture
from spinemet.anatomy.bone.rigidity import RigidityProfile
from spinemet.anatomy.lesions.cortex import CorticalBreaks
from spinemet.anatomy.lesions.enostosis import EnostosisHint, enostosis_hint
from spinemet.anatomy.lesions.extent import LesionExtent
from spinemet.anatomy.lesions.metal import Foreign, MetalFinding
from spinemet.anatomy.lesions.tomita import assess_tomita
from spinemet.assess.measured import MeasuredStudy
from spinemet.assess.outdated import with_outdated
from spinemet.assessment import LevelAssessment, Status
from spinemet.case import Role
from spinemet.details import BodyDetails, Break, Hardware, LesionDetails, PedicleAxis, RigidityCurve
from spinemet.evidence import Measurement
from spinemet.grading import grade
from spinemet.levels import Level

COLLAPSED = 15.0
"""From this height loss on (%), a body is also compared with the volume it had [D]: below it is not collapsed."""


def assess_level(study: MeasuredStudy, level: Level) -> LevelAssessment:
    """One outlined level: measured always, scored when a lesion involves it."""
    vertebra = study.spine[level]
    reason = _not_applicable(study, level)
    if reason:
        return _unscored(study, vertebra, Status.NOT_ASSESSABLE, reason)
    if level not in study.involved:
        return _unscored(study, vertebra, Status.NO_LESION, vertebra.reason)
    return _scored(study, vertebra)


def _not_applicable(study: MeasuredStudy, level: Level) -> str:
    """Why SINS does not apply: a person said so, or the bone holds metal and nobody said that it does not."""
    said, found = study.answers.at(level), study.metal[level]
    if said.instrumented:
        who = f" by {said.reader}" if said.reader else ""
        return f"instrumented or cemented (entered{who}): SINS does not apply"
    if found.unmistakable and said.instrumented is None:
        return (
            f"{found.within.text()} of metal lie within the bone: SINS does not apply, unless a person says otherwise"
        )
    return ""


def _scored(study: MeasuredStudy, vertebra: Vertebra) -> LevelAssessment:
    level = vertebra.level
    asked = len(study.store.pending)
    mask, reference, loss = study.lesion_mask(level), study.reference(level), study.loss(level)
    lesion = study.lesion(level, mask, reference)
    breaks = study.breaks(level, mask)
    arch = study.posterolateral(level, mask, breaks)
    extent, zones = study.extent(level)
    treatment = study.answers.at(level).treatment
    enostosis = enostosis_hint(
        study.ct, study.ref, vertebra, mask, treated=None if treatment is None else treatment != "none"
    )
    rigidity = study.rigidity(level)
    broken = fracture(vertebra, loss, scoliosis=study.alignment.coronal.angle)
    expected = study.expected(level, loss, lesion) if (loss.loss.value or 0.0) >= COLLAPSED else ()
    columns = tuple(loss.columns.values())
    result = grade(
        level,
        answers=study.answers.at(level),
        confirmed=study.answers.levels_confirmed,
        loss=loss.loss,
        involvement=lesion.body_involvement,
        lytic_share=lesion.lytic_share,
        arch=arch,
        collapse_evidence=(*columns, *expected),
        lesion_evidence=(lesion.lytic_fraction, lesion.blastic_fraction, lesion.mean_hu, reference.mean),
        alignment_candidates=(*study.candidates(level), *study.changes(level)),
    )
    result = with_outdated(result, study.store.pending[asked:])
    return LevelAssessment(
        level,
        Status.SCORED,
        vertebra.reason,
        result,
        (
            *_form(study, vertebra, broken),
            *loss.measurements,
            *lesion.measurements,
            *expected,
            *_lesion_measurements(lesion, breaks, extent, arch, enostosis),
            *rigidity.measurements,
            reference.mean,
            reference.deviation,
        ),
        vertebra.frame,
        lesion.position,
        _lesion_ids(study, level),
        bool(vertebra.cut),
        _notes(study, vertebra, loss, broken),
        _hardware(study.metal[level]),
        LesionDetails(
            tuple(Break(item.area, item.part, item.wall) for item in breaks.breaks),
            zones,
            assess_tomita(extent, study.involvement, epidural_seen=study.ref.role is not Role.CT),
            enostosis.text() or (f"not compared: {enostosis.reason}" if enostosis.reason else ""),
        ),
        BodyDetails(broken, _rigidity_curves(study, level, rigidity.neighbors), _pedicle_axes(study, level)),
    )


def _unscored(study: MeasuredStudy, vertebra: Vertebra, status: Status, reason: str) -> LevelAssessment:
    level = vertebra.level
    loss = study.loss(level)
    broken = fracture(vertebra, loss, scoliosis=study.alignment.coronal.angle)
    return LevelAssessment(
        level,
        status,
        reason,
        None,
        (*_form(study, vertebra, broken), loss.loss),
        vertebra.frame,
        vertebra.frame.origin,
        _lesion_ids(study, level),
        bool(vertebra.cut),
        _notes(study, vertebra, loss, broken),
        _hardware(study.metal[level]),
        None,
        BodyDetails(broken, (), _pedicle_axes(study, level)),
    )


def _form(study: MeasuredStudy, vertebra: Vertebra, broken: Fracture) -> tuple[Measurement, ...]:
    """The vertebra's own measures, and what the CT shows of metal in it."""
    level = vertebra.level
    found = study.metal[level]
    foreign = found.measurements if found.kind is not Foreign.NONE or found.affected else ()
    pedicles = [
        item
        for pedicle in study.pedicles(level).values()
        for item in (*pedicle.measurements, *pedicle_angles(pedicle, vertebra.frame))
    ]
    along = (*study.alignment.at(level), *study.changes(level))
    return (*vertebra.measurements, broken.asymmetry, *pedicles, *foreign, *along)


def _lesion_measurements(
    lesion: LesionMeasures,
    breaks: CorticalBreaks,
    extent: LesionExtent,
    arch: Posterolateral,
    enostosis: EnostosisHint,
) -> tuple[Measurement, ...]:
    shares = {item.name: item for item in extent.measurements}
    body = f"lesion in {Part.BODY.title}"
    if body in shares:
        shares[body] = replace(lesion.body_involvement, name=body)
    # The shares of parts that count for SINS were measured with the ± of their borders; these stand.
    shares.update({item.name: item for item in arch.measurements})
    densities = (enostosis.mean, enostosis.maximum) if enostosis.mean.known else ()
    return (*shares.values(), breaks.area, breaks.wall_area, breaks.covered, *breaks.by_part.values(), *densities)


def _lesion_ids(study: MeasuredStudy, level: Level) -> tuple[str, ...]:
    if study.lesions is None:
        return ()
    return tuple(study.lesions.outlines[value].lesion_id for value in study.involvement.levels.get(level, ()))


def _hardware(found: MetalFinding) -> Hardware | None:
    """What to ask a person; None where there is nothing to ask."""
    if found.instrumented is None or (found.kind is Foreign.NONE and not found.affected):
        return None
    return Hardware(found.kind, found.instrumented, found.affected)


def _notes(study: MeasuredStudy, vertebra: Vertebra, loss: CollapseMeasurement, broken: Fracture) -> tuple[str, ...]:
    """Sentences for the reader."""
    notes = [*vertebra.notes]
    found = study.metal[vertebra.level]
    if found.instrumented and study.answers.at(vertebra.level).instrumented is None:
        notes.append(f"instrumented or cemented? The CT shows {found.kind.value} here; confirm or deny it")
    elif found.affected:
        notes.append(found.affected)
    if note := study.prior_note(vertebra.level):
        notes.append(note)
    if vertebra.level in study.involved and vertebra.measured and loss.loss.value is None and not loss.neighbors:
        notes.append("no vertebra to compare the height with: see the heights along the spine")
    return (*notes, *broken.limits)


def _rigidity_curves(study: MeasuredStudy, level: Level, neighbors: tuple[Level, ...]) -> tuple[RigidityCurve, ...]:
    if study.streaks(level):
        return ()
    profiles = [(item, study.rigidity_profile(item)) for item in (level, *neighbors)]
    if profiles[0][1] is None:
        return ()
    return tuple(_curve(item, profile) for item, profile in profiles if profile is not None)


def _curve(level: Level, profile: RigidityProfile) -> RigidityCurve:
    bending = np.minimum(profile.sagittal, profile.coronal)
    heights, axial, least = (
        tuple(round(value, 3) for value in line.tolist()) for line in (profile.heights, profile.axial, bending)
    )
    return RigidityCurve(level, heights, axial, least)


def _pedicle_axes(study: MeasuredStudy, level: Level) -> tuple[PedicleAxis, ...]:
    return tuple(
        PedicleAxis(side, item.center, item.axis)
        for side, item in study.pedicles(level).items()
        if item.center is not None and item.axis is not None
    )
