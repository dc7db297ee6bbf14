"""Epidural disease from files: what was outlined on an MR of the study, and where its levels lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spinemet.anatomy import measure_spine
from spinemet.anatomy.epidural import marrow_of_levels
from spinemet.anatomy.lesions.marrow import MarrowReferences
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
from spinemet.segmentation.edge_error import EDGE_ERROR_MM
from spinemet.study import Series, Study, read_labels, read_lesions
from spinemet.study.canal_labels import nested_masks, read_canal
from spinemet.study.unedited import marks_of, unedited

PREFERRED = (Role.T2, Role.T1_GD, Role.STIR, Role.T1)
"""MR images for the grade, the first one first (clinical rules, section 2)."""


@dataclass(frozen=True)
class EpiduralFiles:
    """Label maps on the grid of one MR of the study.

    :param canal: 1 bony canal, 2 thecal sac, 3 cord.
    :param tumor: every number is tumor.
    :param vertebrae: names the levels on the MR; without it the CT's levels are carried over, marrow stays unknown.
    :param registration: registration.json of the CT (fixed) and this MR (moving), to carry the CT's levels over.
    :param roots: 1 nerve roots in the foramina, 2 the fat round them.
    :param tissue: 1 disc, 2 muscle, 3 normal marrow, to compare the tumor's signal with.
    :param conus: the last level with cord, as a person says.
    :param outline_error_mm: how far the outlines' edges may lie off; 0 as a person drew them. Where it is 0, outlines
        that SpineMet made and nobody edited, as their files say, lie off as far as `EDGE_ERROR_MM` says.
    """

    canal: Path
    tumor: Path
    vertebrae: Path | None = None
    registration: Path | None = None
    roots: Path | None = None
    tissue: Path | None = None
    conus: Level | None = None
    outline_error_mm: float = 0.0


@dataclass(frozen=True, eq=False)
class EpiduralStudy:
    """What `read_epidural` found.

    :param labels: canal, sac and cord; `tumor` every number a lesion; both on the grid of `series`.
    :param images: what lies in the same space, by role, the outlined image among them.
    :param vertebrae: as outlined on the image, None where they were not.
    :param on_ct: the CT's lesions in this space, by level.
    """

    series: Series
    outlines: EpiduralOutlines
    labels: LabelMap
    tumor: LabelMap
    places: Mapping[Level, Point]
    placed_by: str
    images: Mapping[Role, Image]
    vertebrae: LabelMap | None = None
    beside: MarrowReferences | None = None
    on_ct: Mapping[Level, Image] | None = None
    conus: Level | None = None
    outline_error_mm: float | Mapping[str, float] = 0.0


def read_epidural(
    files: EpiduralFiles, study: Study, assessment: Assessment, lesions: LabelMap | None = None
) -> EpiduralStudy:
    """Read the outlines, and find the MR they belong to, its levels, and what else lies in its space.

    :param assessment: of the CT, whose vertebrae give the levels when `files` names none on the MR.
    :param lesions: outlined on the CT, to say what of the tumor the CT does not show.
    :raises BadInput: no MR fits the outlines, or nothing tells where the levels lie on it.
    """
    series, labels = _series_of(files.canal, study)
    image = series.image
    tumor = read_lesions(files.tumor, image)
    masks = nested_masks(labels)
    roots = _by_number(files.roots, image, ("nerve roots", "foraminal fat"))
    tissue = _by_number(files.tissue, image, ("disc", "muscle", "normal marrow"))
    outlines = EpiduralOutlines(
        masks[Structure.CANAL],
        masks.get(Structure.THECAL_SAC),
        masks.get(Structure.CORD),
        tumor.image.with_array(tumor.image.array > 0),
        roots.get("nerve roots"),
        roots.get("foraminal fat"),
    )
    vertebrae = read_labels(files.vertebrae, image) if files.vertebrae is not None else None
    motions = _motions(files, series, assessment)
    places, placed_by = _places(files, series, assessment, vertebrae, motions)
    on_ct = None if lesions is None or motions is None else _carried(lesions, places, motions)
    beside = MarrowReferences(tissue.get("disc"), tissue.get("muscle"), tissue.get("normal marrow"))
    return EpiduralStudy(
        series, outlines, labels, tumor, places, placed_by, _images(study, series), vertebrae, beside, on_ct,
        files.conus, files.outline_error_mm or _errors_of(files, labels, tumor),
    )  # fmt: skip


def _errors_of(files: EpiduralFiles, labels: LabelMap, tumor: LabelMap) -> dict[str, float]:
    """How far the outlines lie off that SpineMet made and nobody edited, by name."""
    names = {Structure.CANAL: "canal", Structure.THECAL_SAC: "sac", Structure.CORD: "cord"}
    machines = unedited(labels, marks_of(files.canal))
    found = {names[labels.outlines[value].structure] for value in machines}
    if unedited(tumor, marks_of(files.tumor)):
        found.add("tumor")
    return {name: length for name, length in EDGE_ERROR_MM.items() if name in found}


def with_epidural(assessed: Assessment, found: EpiduralStudy, progress: Progress | None = None) -> Assessment:
    """The assessment with ESCC grades and everything measured along the canal, at nerve roots and in the marrow."""
    role, ref, bones = found.series.ref.role, found.series.ref, found.vertebrae
    disease = assess_epidural(
        found.outlines,
        found.places,
        role=role,
        myelogram="myelogram" in found.series.traits,
        images=found.images,
        bone=None if bones is None else bones.image.with_array(bones.image.array > 0),
        conus=found.conus,
        outline_error_mm=found.outline_error_mm,
        progress=progress,
    )
    tumor = found.outlines.tumor
    marrow = {}
    if bones is not None and tumor is not None and role.is_mr:
        marrow = marrow_of_levels(found.images, bones, tumor, beside=found.beside, on_ct=found.on_ct)
    details = describe(
        disease, image=ref.key, role=role, placed_by=found.placed_by, answers=assessed.answers, marrow=marrow,
        notes=error_notes(found.outline_error_mm),
    )  # fmt: skip
    shown = assessed.images if any(item.key == ref.key for item in assessed.images) else (*assessed.images, ref)
    inputs = {
        **assessed.inputs,
        "canal": found.labels.fingerprint,
        "tumor on MR": found.tumor.fingerprint,
        "MR": found.series.image.fingerprint,
    }
    return replace(assessed, epidural=details, images=shown, inputs=inputs)


def error_notes(error_mm: float | Mapping[str, float]) -> tuple[str, ...]:
    """What a reader must know of outlines that lie off, in a sentence; nothing of those that a person drew."""
    if isinstance(error_mm, Mapping):
        if not error_mm:
            return ()
        listed = ", ".join(f"{name} ±{length:g} mm" for name, length in error_mm.items())
        return (f"outlined by SpineMet and not edited: {listed} at the edges; every ± holds it",)
    return (f"edges of the outlines may lie ±{error_mm:g} mm off; every ± holds it",) if error_mm else ()


def _series_of(path: Path, study: Study) -> tuple[Series, LabelMap]:
    """The MR on whose grid the outlines lie."""
    tried = []
    for role in (*PREFERRED, Role.CT):
        for series in study.by_role(role):
            if series.refusal:
                continue
            try:
                plain_ct = role is Role.CT and "myelogram" not in series.traits
                return series, read_canal(path, series.image, canal_alone=plain_ct)
            except GridMismatch:
                tried.append(series.ref.role.value)
    listed = ", ".join(tried) or "none that can be measured"
    raise BadInput(f"{path.name} lies on the grid of no MR of the study (looked at: {listed}); outline it on one.")


IN_ITS_SPACE = (
    Role.T1, Role.T2, Role.STIR, Role.DIXON_IN, Role.DIXON_OPPOSED, Role.DIXON_FAT, Role.DIXON_WATER, Role.ADC,
    Role.CT,
)  # fmt: skip
"""Images that say something of marrow, or of what presses, where they lie in the space of the outlined one."""


def _images(study: Study, outlined: Series) -> dict[Role, Image]:
    """The outlined image and, of each other role, the first one in its space: its frame of reference, or its grid."""
    found = {outlined.ref.role: outlined.image}
    for role in IN_ITS_SPACE:
        for series in study.by_role(role) if role not in found else ():
            alike = series.grid is not None and outlined.image.grid.matches(series.grid)
            if not series.refusal and (series.ref.frame == outlined.ref.frame or alike):
                found[role] = series.image
                break
    return found


def _by_number(path: Path | None, reference: Image, names: tuple[str, ...]) -> dict[str, Image]:
    """Masks of a label map whose numbers 1, 2, … stand for names; without a file none.

    :raises BadInput: unreadable, or it holds none of the numbers.
    """
    if path is None:
        return {}
    image = read_labels(path, reference, structure=Structure.OTHER).image
    masks = {name: image.with_array(image.array == number) for number, name in enumerate(names, start=1)}
    found = {name: mask for name, mask in masks.items() if mask.array.any()}
    if not found:
        listed = ", ".join(f"{number} {name}" for number, name in enumerate(names, start=1))
        raise BadInput(f"{path.name} outlines nothing that is known; number it {listed}.")
    return found


Motions = Mapping[Level, NDArray[np.float64]]


def _motions(files: EpiduralFiles, series: Series, assessment: Assessment) -> tuple[Motions, str] | None:
    """4×4 matrices (RAS) that bring each level of the CT onto the outlined image, and in words from where."""
    known = [item.level for item in assessment.levels if item.frame is not None]
    if files.registration is not None:
        record = RegistrationRecord.load(files.registration)
        moved = {row.level: np.array(row.matrix) for row in record.vertebrae if row.level in known}
        if not moved:
            raise BadInput(
                f"{files.registration.name} moves none of the outlined vertebrae; register with their labels."
            )
        return moved, f"registration to the CT ({record.verdict.value})"
    reference = next((item for item in assessment.images if item.key == assessment.reference), None)
    if reference is not None and reference.frame and reference.frame == series.ref.frame and known:
        return {level: np.eye(4) for level in known}, "the common frame of reference of both images"
    return None


def _places(
    files: EpiduralFiles, series: Series, assessment: Assessment, vertebrae: LabelMap | None,
    motions: tuple[Motions, str] | None,
) -> tuple[dict[Level, Point], str]:  # fmt: skip
    if vertebrae is not None:
        return places_of_labels(vertebrae), f"vertebrae outlined on the {series.ref.role.value}"
    if motions is None:
        raise BadInput(
            f"Nothing tells where the levels lie on the {series.ref.role.value}; give the vertebrae outlined on it, or"
            " the registration.json of both images."
        )
    moved = {}
    for level, matrix in motions[0].items():
        frame = assessment[level].frame
        assert frame is not None
        x, y, z, _ = matrix @ np.array([*frame.origin, 1.0])
        moved[level] = (float(x), float(y), float(z))
    return moved, motions[1]


_REACH_MM = 60.0
"""A vertebra with its arch lies within this distance of its body's middle."""


def _carried(lesions: LabelMap, places: Mapping[Level, Point], motions: tuple[Motions, str]) -> dict[Level, Image]:
    """The CT's lesions round each level, brought into the outlined image's space by that level's own motion."""
    found = {}
    for level, matrix in motions[0].items():
        if level not in places:
            continue
        x, y, z, _ = np.linalg.inv(matrix) @ np.array([*places[level], 1.0])
        try:
            crop = lesions.image.crop_around([[x, y, z]], _REACH_MM)
        except BadInput:
            continue
        found[level] = Image(crop.array > 0, matrix @ crop.ijk_to_ras, name="lesions on CT")
    return found


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
