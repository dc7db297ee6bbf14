"""DICOM files to series: patient, grouping, roles and refusals."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from spinemet.case import ImageRef, Patient, Role
from spinemet.errors import BadInput
from spinemet.image import Image
from spinemet.progress import Progress
from spinemet.study.dicom_files import DicomFile
from spinemet.study.dicom_pixels import read_pixels, require_readable
from spinemet.study.dicom_stack import Stack, split_by_plane, stack_slices
from spinemet.study.roles import number, role_of_header
from spinemet.study.series import Series

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
_OTHER_KINDS = {
    "1.2.840.10008.5.1.4.1.1.7": "secondary capture",
    "1.2.840.10008.5.1.4.1.1.7.2": "secondary capture",
    "1.2.840.10008.5.1.4.1.1.7.4": "secondary capture",
}
_DIRECTORY = "1.2.840.10008.1.3.10"


def patient_of(files: Sequence[DicomFile], where: str) -> Patient:
    """The one patient whom all files belong to.

    :raises BadInput: the files belong to several patients. The sentence names none of them.
    """
    objects = [file for file in files if file.sop_class != _DIRECTORY]
    known = {
        keyword: {_plain(file.text(keyword)): file.text(keyword) for file in objects if file.text(keyword)}
        for keyword in ("PatientID", "PatientBirthDate", "PatientSex", "PatientName")
    }
    telling = ["PatientID", "PatientBirthDate"] if known["PatientID"] else ["PatientName", "PatientBirthDate"]
    count = max(len(known[keyword]) for keyword in telling)
    if count > 1:
        number_of = "two patients" if count == 2 else f"{count} patients"
        raise BadInput(f"{where} holds images of {number_of}; choose a folder with the images of one patient.")
    first = {keyword: next(iter(values.values()), "") for keyword, values in known.items()}
    sex = first["PatientSex"].upper()
    return Patient(
        patient_id=first["PatientID"],
        name=first["PatientName"],
        sex=sex if sex in ("M", "F", "O") else "",
        birth_date=iso_date(first["PatientBirthDate"]),
    )


def _plain(text: str) -> str:
    """Text without case, padding and the name's separators, so that spellings of one name are one."""
    return re.sub(r"[\s^]+", " ", text).strip().casefold()


def iso_date(text: str) -> str:
    """DICOM date (YYYYMMDD) as an ISO date; "" when it is none."""
    match = re.fullmatch(r"(\d{4})\.?(\d{2})\.?(\d{2})", text.strip())
    return "-".join(match.groups()) if match else ""


def read_dicom(files: Sequence[DicomFile]) -> tuple[list[Series], list[str]]:
    """Series of single-frame CT, MR and PET, and notes on what was set aside.

    Voxels are not read yet. A series that must not be measured in is returned with its refusal.
    """
    by_series: dict[str, list[DicomFile]] = defaultdict(list)
    aside: Counter[str] = Counter()
    series: list[Series] = []
    for file in files:
        kind = file.sop_class
        if kind in VOLUME_CLASSES or kind in MULTI_FRAME_CLASSES:
            by_series[file.series_key].append(file)
        elif kind != _DIRECTORY:
            aside[_OTHER_KINDS.get(kind) or file.text("Modality") or "other"] += 1
    for uid, members in by_series.items():
        groups = split_by_plane(members)
        for index, group in enumerate(sorted(groups, key=len, reverse=True)):
            series.append(_series(group, uid if index == 0 else f"{uid}#{index + 1}", parts=len(groups)))
    listed = ", ".join(f"{count} {kind}" for kind, count in sorted(aside.items()))
    return series, [f"Set aside, being no CT, MR or PET slices: {listed}."] if aside else []


def _series(files: list[DicomFile], key: str, parts: int) -> Series:
    files = sorted(files, key=lambda file: str(file.path))
    first = files[0]
    role, basis = role_of_header(first.header)
    title = _title(first)
    notes = [basis] if basis else []
    if not first.text("SeriesInstanceUID"):
        notes.append(
            "The files have no series UID; those of one folder, frame and series number are taken as a series."
        )
    if parts > 1:
        notes.append(f"The series holds {parts} stacks of different orientation or matrix; this is one of them.")
    if role is Role.PET:
        notes.append(_units(first))
    if role is Role.CT and number(first.header.get("RescaleIntercept")) is None:
        notes.append("The header has no rescale intercept; the values are taken as Hounsfield units.")
    ref = _reference(first, key, role)
    source = f"{len(files)} DICOM files, {title}"
    try:
        stack = _stack(files, title)
    except BadInput as error:
        return Series(ref, source, _unread, None, tuple(notes), refusal=str(error))

    def read(progress: Progress | None) -> Image:
        return Image(read_pixels(stack, title, progress), stack.grid.ijk_to_ras, frame=ref.frame, name=title)

    return Series(ref, source, read, stack.grid, (*notes, *stack.notes))


def _unread(progress: Progress | None) -> Image:
    raise AssertionError("a refused series is never read")


def _stack(files: list[DicomFile], title: str) -> Stack:
    kind = files[0].sop_class
    if kind in MULTI_FRAME_CLASSES:
        raise BadInput(
            f"{title} is stored as {MULTI_FRAME_CLASSES[kind]} (multi-frame), which cannot be read yet; "
            "export it as single-frame DICOM, or convert it to NIfTI."
        )
    for file in files:
        require_readable(file, title)
    return stack_slices(files, title)


def _title(file: DicomFile) -> str:
    """How to name a series in a sentence: modality, number and description, the latter only if free of PHI."""
    uid = file.text("SeriesInstanceUID")
    kind = VOLUME_CLASSES.get(file.sop_class, file.text("Modality") or "DICOM")
    label = file.text("SeriesNumber") or (uid and f"…{uid[-6:]}")
    description = file.text("SeriesDescription")
    secrets = [file.text("PatientID"), *re.split(r"[\s^=]+", file.text("PatientName"))]
    if description and not any(len(word) > 2 and word.casefold() in description.casefold() for word in secrets):
        return " ".join(filter(None, [kind, "series", label, f'"{description}"']))
    return " ".join(filter(None, [kind, "series", label]))


def _units(file: DicomFile) -> str:
    units = file.text("Units").upper()
    if units == "GML":
        return "The PET values are SUV already (g/mL)."
    if units == "BQML":
        return "The PET values are activity (Bq/mL); no SUV was computed."
    return f"The PET values have the unit {units or '(none given)'}; no SUV was computed."


def _reference(file: DicomFile, key: str, role: Role) -> ImageRef:
    dates = (iso_date(file.text(name)) for name in ("AcquisitionDate", "SeriesDate", "StudyDate"))
    return ImageRef(
        key=key,
        role=role,
        frame=file.text("FrameOfReferenceUID") or key,
        series_uid=file.text("SeriesInstanceUID"),
        study_uid=file.text("StudyInstanceUID"),
        description=file.text("SeriesDescription"),
        date=next(filter(None, dates), ""),
        patient_position=file.text("PatientPosition"),
        kvp=number(file.header.get("KVP")),
        contrast=_contrast(file),
    )


def _contrast(file: DicomFile) -> bool | None:
    """Whether contrast was given; None when the header does not say (an empty element says nothing)."""
    agent = file.text("ContrastBolusAgent").casefold()
    if not agent:
        return None
    return agent not in ("no", "none", "no contrast", "without", "non", "0")


def files_of_same_series(files: Sequence[DicomFile], path: Path) -> list[DicomFile]:
    """The files that belong to the series of the file at `path`."""
    chosen = next((file for file in files if file.path == path), None)
    if chosen is None:
        return []
    return [file for file in files if file.series_key == chosen.series_key]
