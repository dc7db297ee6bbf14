"""Who and when of a volume node: read from the DICOM headers behind it, never from names.

In the application the DICOM database answers; headless, or for files loaded past it, the headers themselves do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import slicer

from spinemet.case import Patient, TimePoint

INSTANCES = "DICOM.instanceUIDs"
"""Attribute by which Slicer's DICOM plugins name the files of a volume."""
_TAGS = {
    "patient_id": "0010,0020",
    "name": "0010,0010",
    "sex": "0010,0040",
    "birth_date": "0010,0030",
    "study_date": "0008,0020",
    "study_uid": "0020,000D",
    "series_uid": "0020,000E",
    "frame_uid": "0020,0052",
}
_SEXES = ("M", "F", "O")


@dataclass(frozen=True)
class Identity:
    """Who a volume shows, and when.

    :param study_uid: of the DICOM study, "" when there is none; `series_uid` and `frame_uid` likewise.
    """

    patient: Patient = field(default_factory=Patient)
    time_point: TimePoint = field(default_factory=TimePoint)
    study_uid: str = ""
    series_uid: str = ""
    frame_uid: str = ""


def identity_of(volume: Any, database: Any = None) -> Identity:
    """Patient, date and UIDs of a volume node; empty where no header tells.

    :param database: ctkDICOMDatabase; by default that of the application, when it is open.
    """
    database = database if database is not None else getattr(slicer, "dicomDatabase", None)
    instance = next(iter((volume.GetAttribute(INSTANCES) or "").split()), "")
    if instance and database is not None and getattr(database, "isOpen", True):
        found = _read(lambda tag: str(database.instanceValue(instance, tag) or ""))
        if found.patient.patient_id or found.study_uid:
            return found
    return _from_files(_files(volume))


def _files(volume: Any) -> Iterator[Path]:
    storage = volume.GetStorageNode()
    if storage is None:
        return
    if storage.GetFileName():
        yield Path(storage.GetFullNameFromFileName())
    for index in range(storage.GetNumberOfFileNames()):
        yield Path(storage.GetFullNameFromNthFileName(index))


def _from_files(files: Iterable[Path]) -> Identity:
    """From the first file that is DICOM; a NIfTI or NRRD file says nothing."""
    for file in files:
        if file.is_file() and _is_dicom(file):
            import pydicom

            header = pydicom.dcmread(file, stop_before_pixels=True, force=False)
            return _read(partial(_text, header))
    return Identity()


def _is_dicom(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def _text(header: Any, tag: str) -> str:
    group, element = (int(part, 16) for part in tag.split(","))
    found = header.get((group, element))
    return "" if found is None or found.value is None else str(found.value)


def _read(value: Callable[[str], str]) -> Identity:
    tags = {name: value(tag).strip() for name, tag in _TAGS.items()}
    sex = tags["sex"].upper()
    patient = Patient(tags["patient_id"], tags["name"], sex if sex in _SEXES else "", _date(tags["birth_date"]))
    return Identity(
        patient, TimePoint(_date(tags["study_date"])), tags["study_uid"], tags["series_uid"], tags["frame_uid"]
    )


def _date(dicom: str) -> str:
    """ "20260302" as "2026-03-02"; anything else is no date."""
    digits = dicom.replace(".", "").replace("-", "")
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}" if len(digits) == 8 and digits.isdigit() else ""
