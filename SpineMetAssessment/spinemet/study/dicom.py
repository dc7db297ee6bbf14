"""DICOM files to series: grouping, roles, geometry, and refusals with their reason."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from spinemet.case import ImageRef, Role
from spinemet.errors import BadInput
from spinemet.image import Image
from spinemet.progress import Progress
from spinemet.study.color import is_color, read_gray
from spinemet.study.dicom_files import DIRECTORY, DicomFile, iso_date
from spinemet.study.dicom_pixels import read_pixels, require_readable
from spinemet.study.dicom_stack import Stack, capital, lay_out_for_viewing, stack_slices, without_copies
from spinemet.study.dictionary import PRIVATE_MOSAIC
from spinemet.study.frames import Frame, frames_of, number
from spinemet.study.identity import description_of, title_of
from spinemet.study.roles import Verdict, contrast_of, judge
from spinemet.study.series import Reader, Series
from spinemet.study.splitting import Part, split

VOLUME_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.2": "CT",
    "1.2.840.10008.5.1.4.1.1.4": "MR",
    "1.2.840.10008.5.1.4.1.1.128": "PET",
}
MULTI_FRAME_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.2.1": "enhanced CT",
    "1.2.840.10008.5.1.4.1.1.2.2": "legacy converted enhanced CT",
    "1.2.840.10008.5.1.4.1.1.4.1": "enhanced MR",
    "1.2.840.10008.5.1.4.1.1.4.4": "legacy converted enhanced MR",
    "1.2.840.10008.5.1.4.1.1.130": "enhanced PET",
    "1.2.840.10008.5.1.4.1.1.128.1": "legacy converted enhanced PET",
}
RADIOGRAPH_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.1": "CR",
    "1.2.840.10008.5.1.4.1.1.1.1": "DX",
    "1.2.840.10008.5.1.4.1.1.1.1.1": "DX",
    "1.2.840.10008.5.1.4.1.1.12.1": "XA",
    "1.2.840.10008.5.1.4.1.1.12.2": "RF",
}
_ROLE_KINDS = {Role.SECONDARY: "secondary capture"}


def read_dicom(
    files: Sequence[DicomFile], roles: Mapping[str, Role] | None = None
) -> tuple[list[Series], list[Series], list[str]]:
    """Images, other objects, and notes on what was set aside.

    Pixels are not read yet. A series that must not be measured in is returned with its refusal.

    :param roles: the user's choice of role by the key of the series.
    """
    by_series: dict[str, list[DicomFile]] = defaultdict(list)
    others: dict[str, list[DicomFile]] = defaultdict(list)
    for file in files:
        kind = file.sop_class
        if kind in VOLUME_CLASSES or kind in MULTI_FRAME_CLASSES or kind in RADIOGRAPH_CLASSES:
            by_series[file.series_key].append(file)
        elif kind != DIRECTORY:
            others[file.series_key].append(file)
    chosen = roles or {}
    series = [item for uid, members in by_series.items() for item in _all_of(uid, members, chosen)]
    objects = [_object(uid, members, chosen) for uid, members in others.items()]
    aside = Counter[str]()
    for item in objects:
        aside[_ROLE_KINDS.get(item.ref.role) or item.files[0].text("Modality") or "other"] += len(item.files)
    listed = ", ".join(f"{count} {kind}" for kind, count in sorted(aside.items()))
    return series, objects, [f"Set aside, being no CT, MR or PET slices: {listed}."] if aside else []


def _all_of(uid: str, files: list[DicomFile], chosen: Mapping[str, Role]) -> list[Series]:
    """The series of one series UID, one for each stack that it holds."""
    files = sorted(files, key=lambda file: str(file.path))
    if files[0].sop_class in RADIOGRAPH_CLASSES:
        return [
            _radiograph(file, uid if n == 0 else f"{uid}#{n + 1}", chosen) for n, file in enumerate(_distinct(files))
        ]
    frames, copies = without_copies([frame for file in files for frame in frames_of(file)])
    parts = split(frames)
    if all("LOCALIZER" in part.frames[0].image_type for part in parts):
        return [_of_part(Part(frames), uid, copies, 1, chosen)]
    keys = [uid if index == 0 else f"{uid}#{index + 1}" for index in range(len(parts))]
    return [_of_part(part, key, copies, len(parts), chosen) for part, key in zip(parts, keys, strict=True)]


def _distinct(files: Sequence[DicomFile]) -> list[DicomFile]:
    return list({file.sop_instance: file for file in reversed(files)}.values())[::-1]


def _of_part(part: Part, key: str, copies: list[str], parts: int, chosen: Mapping[str, Role]) -> Series:
    frames = part.frames
    first = frames[0].file
    title = title_of(first, _kind(first))
    for name, value in part.traits:
        title += f", {name} {value}" if name in _TOLD else ""
    verdict = judge(frames, chosen.get(key))
    notes = [*_notes(part, verdict, parts), *copies]
    ref = _reference(first, key, verdict.role)
    files = tuple({id(frame.file): frame.file for frame in frames}.values())
    many = len(files) < len(frames)
    source = f"{len(frames)} frames of {_files(files)}, {title}" if many else f"{_files(files)}, {title}"
    grid, refusal, stack = None, "", None
    try:
        stack = _stack(frames, title, verdict)
        grid, notes = stack.grid, [*notes, *stack.notes]
    except BadInput as error:
        refusal = str(error)
    return Series(
        ref,
        source,
        _reader(stack, title, ref.frame) if stack is not None else _unread,
        grid,
        tuple(notes),
        refusal,
        _viewer(frames, title, ref.frame) if refusal else None,
        verdict.judgments,
        verdict.traits,
        files,
    )


_TOLD = {"echo time", "b-value", "time point", "inversion time", "image type", "trigger time", "acquisition"}


def _notes(part: Part, verdict: Verdict, parts: int) -> list[str]:
    first = part.frames[0].file
    notes = [verdict.sentence] if verdict.sentence else []
    if not first.text("SeriesInstanceUID"):
        notes.append(
            "The files have no series UID; those of one folder, frame and series number are taken as a series."
        )
    if parts > 1 and part.traits:
        told = ", ".join(f"{name} {value}" for name, value in part.traits)
        notes.append(f"The series holds {parts} stacks parted by what differs; this is the one of {told}.")
    elif parts > 1:
        notes.append(f"The series holds {parts} stacks of different orientation or matrix; this is one of them.")
    if verdict.role in (Role.PET, Role.PET_NAC):
        notes.append(_units(first))
    if verdict.role is Role.CT and number(part.frames[0].scale[1]) is None:
        notes.append("The header has no rescale intercept; the values are taken as Hounsfield units.")
    if "burned-in annotation" in verdict.traits:
        notes.append("Text is burned into the pixels (BurnedInAnnotation): it may name the patient.")
    if "lossy" in verdict.traits:
        notes.append("The pixels were compressed with loss; values may be off.")
    return notes


def _reader(stack: Stack, title: str, frame: str) -> Reader:
    def read(progress: Progress | None) -> Image:
        return Image(read_pixels(stack, title, progress), stack.grid.ijk_to_ras, frame=frame, name=title)

    return read


def _viewer(frames: Sequence[Frame], title: str, frame: str) -> Reader:
    def read(progress: Progress | None) -> Image:
        if is_color(frames[0].file):
            return Image(read_gray(frames[0].file, title), np.eye(4), frame=frame, name=title)
        shape = frames[0].shape
        alike = [item for item in frames if item.shape == shape]
        require_readable(alike, title)
        stack = lay_out_for_viewing(alike)
        return Image(read_pixels(stack, title, progress), stack.grid.ijk_to_ras, frame=frame, name=title)

    return read


def _unread(progress: Progress | None) -> Image:
    raise AssertionError("a refused series is never read")


def _stack(frames: Sequence[Frame], title: str, verdict: Verdict) -> Stack:
    first = frames[0]
    kind = first.file.sop_class
    if kind in MULTI_FRAME_CLASSES and not first.groups:
        raise BadInput(
            f"{capital(title)} is stored as {MULTI_FRAME_CLASSES[kind]} (multi-frame), but does not say where each "
            "frame lies; export it as single-frame DICOM, or convert it to NIfTI."
        )
    if verdict.role is Role.LOCALIZER and verdict.judgments[0].reasons != ("chosen by the user",):
        only = "only one slice" if len(frames) == 1 else f"{len(frames)} slices"
        raise BadInput(f"{capital(title)} is a localizer of {only}, made for planning and not for measuring.")
    if verdict.role is Role.SECONDARY:
        raise BadInput(f"{capital(title)} is a picture of a screen, no original image; nothing can be measured in it.")
    if "MOSAIC" in first.image_type or (number(first.file.header.by_tag(PRIVATE_MOSAIC)) or 0) > 1:
        raise BadInput(
            f"{capital(title)} is a Siemens mosaic (many slices in one picture); "
            "convert it to enhanced DICOM or NIfTI first."
        )
    require_readable(frames, title)
    return stack_slices(frames, title)


def _radiograph(file: DicomFile, key: str, chosen: Mapping[str, Role]) -> Series:
    """A projection: to be looked at and measured as such, never as a volume."""
    title = title_of(file, _kind(file))
    frames = frames_of(file)[:1]
    verdict = judge(frames, chosen.get(key))
    part = Part(frames)
    ref = _reference(file, key, verdict.role)
    refusal = ""
    try:
        require_readable(frames, title)
    except BadInput as error:
        refusal = str(error)

    def read(progress: Progress | None) -> Image:
        raise BadInput(f"{capital(title)} is a radiograph, a projection and no volume; it has no depth to measure in.")

    return Series(
        ref,
        f"{_files([file])}, {title}",
        read,
        None,
        tuple(_notes(part, verdict, 1)),
        refusal,
        _viewer(frames, title, ref.frame),
        verdict.judgments,
        verdict.traits,
        (file,),
    )


def _object(uid: str, files: list[DicomFile], chosen: Mapping[str, Role]) -> Series:
    """What is no image of the patient, with the reason for which it is set aside."""
    first = files[0]
    title = title_of(first, _kind(first))
    frames = frames_of(first)[:1]
    verdict = judge(frames, chosen.get(uid))
    ref = _reference(first, uid, verdict.role)
    if verdict.role is Role.SECONDARY:
        why = "is a picture of a screen or paper, not an original image; nothing can be measured in it"
    elif verdict.role in (Role.RTSTRUCT, Role.RTDOSE, Role.RTPLAN, Role.SEG, Role.SR):
        why = f"is an {verdict.role.value} object, not an image of the patient"
    else:
        why = "is of a kind that SpineMet does not read"
    notes = tuple(_notes(Part(frames), verdict, 1))
    viewer = _viewer([frame for file in files for frame in frames_of(file)[:1]], title, ref.frame)
    return Series(
        ref,
        f"{_files(files)}, {title}",
        _unread,
        None,
        notes,
        f"{capital(title)} {why}.",
        viewer if first.has_pixels else None,
        verdict.judgments,
        verdict.traits,
        tuple(files),
    )


def _files(files: Sequence[DicomFile]) -> str:
    return "1 DICOM file" if len(files) == 1 else f"{len(files)} DICOM files"


def _kind(file: DicomFile) -> str:
    return VOLUME_CLASSES.get(file.sop_class) or file.text("Modality") or "DICOM"


def _units(file: DicomFile) -> str:
    units = file.text("Units").upper()
    if units == "GML":
        return "The PET values are SUV already (g/mL)."
    if units == "BQML":
        return "The PET values are activity (Bq/mL); no SUV was computed."
    return f"The PET values have the unit {units or '(none given)'}; no SUV was computed."


def _reference(file: DicomFile, key: str, role: Role) -> ImageRef:
    dates = (
        iso_date(file.text(name)) for name in ("AcquisitionDate", "AcquisitionDateTime", "SeriesDate", "StudyDate")
    )
    return ImageRef(
        key=key,
        role=role,
        frame=file.text("FrameOfReferenceUID") or key,
        series_uid=file.text("SeriesInstanceUID"),
        study_uid=file.text("StudyInstanceUID"),
        description=description_of(file),
        date=next(filter(None, dates), ""),
        patient_position=file.text("PatientPosition"),
        kvp=number(file.header.get("KVP")),
        contrast=contrast_of(file),
    )


def files_of_same_series(files: Sequence[DicomFile], path: Path) -> list[DicomFile]:
    """The files that belong to the series of the file at `path`."""
    chosen = next((file for file in files if file.path == path), None)
    if chosen is None:
        return []
    return [file for file in files if file.series_key == chosen.series_key]
