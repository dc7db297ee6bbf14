"""Epidural disease from files: what was outlined on an MR of the study, and where its levels lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from spinemet.anatomy import measure_spine
from spinemet.assessment import Assessment
from spinemet.case import Role, Structure
from spinemet.epidural import EpiduralOutlines, assess_epidural, describe
from spinemet.errors import BadInput, GridMismatch
from spinemet.evidence import Point
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.progress import Progress
from spinemet.registration.record import RegistrationRecord
from spinemet.study import Series, Study, read_labels, read_lesions
from spinemet.study.canal_labels import nested_masks, read_canal

PREFERRED = (Role.T2, Role.T1_GD, Role.STIR, Role.T1)
"""MR images for the grade, the first one first (clinical rules, section 2)."""


@dataclass(frozen=True)
class EpiduralFiles:
    """Label maps on the grid of one MR of the study.

    :param canal: 1 bony canal, 2 thecal sac, 3 cord.
    :param tumor: every number is tumor.
    :param vertebrae: names the levels on the MR; without it the CT's levels are carried over.
    :param registration: registration.json of the CT (fixed) and this MR (moving), to carry the CT's levels over.
    """

    canal: Path
    tumor: Path
    vertebrae: Path | None = None
    registration: Path | None = None


@dataclass(frozen=True, eq=False)
class EpiduralStudy:
    """What `read_epidural` found.

    :param labels: canal, sac and cord; `tumor` every number a lesion; both on the grid of `series`.
    """

    series: Series
    outlines: EpiduralOutlines
    labels: LabelMap
    tumor: LabelMap
    places: Mapping[Level, Point]
    placed_by: str


def read_epidural(files: EpiduralFiles, study: Study, assessment: Assessment) -> EpiduralStudy:
    """Read the outlines, and find the MR they belong to and its levels.

    :param assessment: of the CT, whose vertebrae give the levels when `files` names none on the MR.
    :raises BadInput: no MR fits the outlines, or nothing tells where the levels lie on it.
    """
    series, labels = _series_of(files.canal, study)
    image = series.image
    tumor = read_lesions(files.tumor, image)
    masks = nested_masks(labels)
    outlines = EpiduralOutlines(
        masks[Structure.CANAL],
        masks.get(Structure.THECAL_SAC),
        masks.get(Structure.CORD),
        tumor.image.with_array(tumor.image.array > 0),
    )
    places, placed_by = _places(files, series, assessment)
    return EpiduralStudy(series, outlines, labels, tumor, places, placed_by)


def with_epidural(assessed: Assessment, found: EpiduralStudy, progress: Progress | None = None) -> Assessment:
    """The assessment with ESCC grades and everything measured along the canal."""
    role, ref = found.series.ref.role, found.series.ref
    images: dict[Role, Image] = {role: found.series.image}
    disease = assess_epidural(found.outlines, found.places, role=role, images=images, progress=progress)
    details = describe(disease, image=ref.key, role=role, placed_by=found.placed_by, answers=assessed.answers)
    shown = assessed.images if any(item.key == ref.key for item in assessed.images) else (*assessed.images, ref)
    inputs = {
        **assessed.inputs,
        "canal": found.labels.fingerprint,
        "tumor on MR": found.tumor.fingerprint,
        "MR": found.series.image.fingerprint,
    }
    return replace(assessed, epidural=details, images=shown, inputs=inputs)


def _series_of(path: Path, study: Study) -> tuple[Series, LabelMap]:
    """The MR on whose grid the outlines lie."""
    tried = []
    for role in (*PREFERRED, Role.CT):
        for series in study.by_role(role):
            if series.refusal:
                continue
            try:
                return series, read_canal(path, series.image)
            except GridMismatch:
                tried.append(series.ref.role.value)
    listed = ", ".join(tried) or "none that can be measured"
    raise BadInput(f"{path.name} lies on the grid of no MR of the study (looked at: {listed}); outline it on one.")


def _places(files: EpiduralFiles, series: Series, assessment: Assessment) -> tuple[dict[Level, Point], str]:
    if files.vertebrae is not None:
        return places_of_labels(
            read_labels(files.vertebrae, series.image)
        ), f"vertebrae outlined on the {series.ref.role.value}"
    known = {item.level: item.frame.origin for item in assessment.levels if item.frame is not None}
    if files.registration is not None:
        record = RegistrationRecord.load(files.registration)
        moved = {}
        for row in record.vertebrae:
            if row.level in known:
                x, y, z, _ = np.array(row.matrix) @ np.array([*known[row.level], 1.0])
                moved[row.level] = (float(x), float(y), float(z))
        if not moved:
            raise BadInput(
                f"{files.registration.name} moves none of the outlined vertebrae; register with their labels."
            )
        return moved, f"registration to the CT ({record.verdict.value})"
    reference = next((item for item in assessment.images if item.key == assessment.reference), None)
    if reference is not None and reference.frame and reference.frame == series.ref.frame and known:
        return known, "the common frame of reference of both images"
    raise BadInput(
        f"Nothing tells where the levels lie on the {series.ref.role.value}; give the vertebrae outlined on it, or the"
        " registration.json of both images."
    )


def places_of_labels(labels: LabelMap) -> dict[Level, Point]:
    """Centers (RAS) of the bodies; of the whole outline where no body is found in it, as on thick slices."""
    spine = measure_spine(labels)
    places = {}
    for level, value in labels.levels.items():
        vertebra = spine.vertebrae.get(level)
        if vertebra is not None and vertebra.measured:
            places[level] = vertebra.frame.origin
            continue
        mask = labels.mask(value, margin_voxels=0)
        x, y, z = mask.to_world(np.argwhere(mask.array)[:, ::-1].mean(axis=0))
        places[level] = (float(x), float(y), float(z))
    return places
