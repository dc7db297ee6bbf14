"""Index of a disc or folder dump: patients, their time points, and the series of each with role, geometry and reason.

Only headers are read. Nothing here prints or logs who a patient is; `describe` and `Index.to_json` number the
patients unless they are asked for the identity.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spinemet.case import Patient, Role, TimePoint
from spinemet.errors import BadInput
from spinemet.progress import Progress, part
from spinemet.study.dicom import read_dicom
from spinemet.study.dicom_files import DIRECTORY, DicomFile, iso_date, read_headers
from spinemet.study.header_cache import HeaderCache
from spinemet.study.identity import by_patient, patient
from spinemet.study.reader import dated
from spinemet.study.series import Series, Study
from spinemet.study.sources import Found, disc_of, is_zip, members, source_of, walk
from spinemet.study.volumes import is_volume_name

FORMAT = "spinemet-index"
VERSION = 1


@dataclass(frozen=True, eq=False)
class IndexedPatient:
    """One patient of an index.

    :param number: from 1, in the order in which their files were found.
    :param studies: one a date, the earliest first; `timepoints.time_points` makes baseline and follow-ups of them.
    """

    number: int
    patient: Patient
    studies: tuple[Study, ...]


@dataclass(frozen=True, eq=False)
class Index:
    """What lies in a folder.

    :param files: number of files that were looked at; `objects` of them are DICOM objects.
    :param volumes: images of other formats (NIfTI, NRRD, MetaImage), which name no patient.
    :param notes: sentences on what could not be looked into.
    """

    patients: tuple[IndexedPatient, ...]
    files: int
    objects: int
    volumes: tuple[Path, ...]
    notes: tuple[str, ...]

    def study(self, patient: int = 1, date: str = "") -> Study:
        """The study of a patient (by number) at a date (ISO), or at the only date.

        :raises BadInput: there is no such patient or date, or there are several dates and none was named.
        """
        found = next((item for item in self.patients if item.number == patient), None)
        if found is None:
            raise BadInput(f"There is no patient {patient}; the index holds {len(self.patients)}.")
        matching = [item for item in found.studies if not date or item.time_point.date == date]
        if len(matching) != 1:
            dates = ", ".join(item.time_point.date or "no date" for item in found.studies)
            raise BadInput(f"Choose one of the dates of patient {patient}: {dates}.")
        return matching[0]

    def to_json(self, *, show_identity: bool = False) -> dict[str, Any]:
        """The index as plain data; names, numbers, birth dates and paths only with `show_identity`."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "files": self.files,
            "objects": self.objects,
            "patients": [_patient_json(item, show_identity) for item in self.patients],
            "volumes": [str(path) for path in self.volumes] if show_identity else len(self.volumes),
            "notes": list(self.notes),
        }


def index(
    path: str | os.PathLike[str],
    progress: Progress | None = None,
    cache: Path | None = None,
    *,
    roles: Mapping[str, Role] | None = None,
) -> Index:
    """Find out what lies in a folder, a zip archive or a file; only headers are read.

    :param cache: folder in which headers are kept for the next time; None keeps nothing. See `header_cache`.
    :param roles: the user's choice of role, by the key of the series.
    :raises BadInput: there is nothing at `path`.
    """
    root = disc_of(Path(path))
    if not root.exists():
        raise BadInput("There is nothing at the path that was given; check it for a typing error.")
    found = _found(root)
    candidates = [item for item in found.files if not is_volume_name(item.path)]
    store = HeaderCache(cache) if cache is not None else None
    try:
        files, damaged, others = read_headers(candidates, part(progress, 0.0, 0.9), store)
    finally:
        if store is not None:
            store.close()
    volumes = tuple(item.path for item in found.files if is_volume_name(item.path))
    objects = [file for file in files if file.sop_class != DIRECTORY]
    groups = by_patient(objects)
    report = part(progress, 0.9, 1.0)
    patients = []
    for number, group in enumerate(groups, 1):
        report((number - 1) / len(groups), f"judging the series of patient {number} of {len(groups)}")
        patients.append(_patient(number, group, roles))
    notes = [*found.notes]
    if len(objects) < len(files):
        notes.append(f"{len(files) - len(objects)} DICOMDIR were left aside; the files themselves were looked at.")
    if damaged:
        notes.append(f"{len(damaged)} files are damaged or cut short and could not be read.")
    if others:
        notes.append(f"{others} files are no images.")
    return Index(tuple(patients), len(found.files), len(objects), volumes, tuple(notes))


def _found(root: Path) -> Found:
    if root.is_dir():
        return walk(root)
    return members(root) if is_zip(root) else Found([source_of(root)])


def _patient(number: int, files: Sequence[DicomFile], roles: Mapping[str, Role] | None) -> IndexedPatient:
    who = patient(files)
    by_date: dict[str, list[DicomFile]] = defaultdict(list)
    for date, group in _by_study_date(files):
        by_date[date] += group
    studies = []
    for date in sorted(by_date):
        series, objects, notes = read_dicom(by_date[date], roles)
        refused = [f"Not used: {item.refusal}" for item in series if item.refusal]
        name = f"the study of patient {number}" + (f" on {date}" if date else "")
        study = dated(Study(who, TimePoint(), tuple(series), (*notes, *refused), (), name, tuple(objects)))
        # Which dates are baseline and which follow-ups, `timepoints` says.
        studies.append(replace(study, time_point=TimePoint(date, "")))
    return IndexedPatient(number, who, tuple(studies))


def _by_study_date(files: Sequence[DicomFile]) -> list[tuple[str, list[DicomFile]]]:
    """Files by the date of their study; a study over midnight has the date on which it began."""
    by_study: dict[str, list[DicomFile]] = defaultdict(list)
    for file in files:
        by_study[file.text("StudyInstanceUID")].append(file)
    result = []
    for uid, group in by_study.items():
        if uid:
            dates = sorted(filter(None, (_date(file) for file in group)))
            result.append((dates[0] if dates else "", group))
        else:
            # Without study UIDs, each file's own date is all that there is.
            result += [(_date(file), [file]) for file in group]
    return result


def _date(file: DicomFile) -> str:
    names = ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate")
    return next(filter(None, (iso_date(file.text(name)) for name in names)), "")


def _patient_json(item: IndexedPatient, show_identity: bool) -> dict[str, Any]:
    result: dict[str, Any] = {"number": item.number}
    if show_identity:
        who = item.patient
        result |= {"id": who.patient_id, "name": who.name, "birth_date": who.birth_date, "sex": who.sex}
    result["studies"] = [
        {
            "date": study.time_point.date,
            "series": [_series_json(series, show_identity) for series in (*study.series, *study.objects)],
            "notes": list(study.notes),
        }
        for study in item.studies
    ]
    return result


def _series_json(item: Series, show_identity: bool) -> dict[str, Any]:
    grid = item.grid
    result: dict[str, Any] = {
        "key": item.ref.key,
        "role": item.ref.role.value,
        "source": item.source,
        "date": item.ref.date,
        "usable": item.usable and item.ref.role.is_image,
        "refusal": item.refusal,
        "plane": item.plane,
        "size": list(grid.shape[::-1]) if grid is not None else None,
        "spacing_mm": [round(float(value), 4) for value in grid.spacing] if grid is not None else None,
        "traits": dict(item.traits),
        "judgments": [
            {"role": judgment.role.value, "score": judgment.score, "reasons": list(judgment.reasons)}
            for judgment in item.judgments
        ],
        "notes": list(item.notes),
    }
    if show_identity:
        result["files"] = [str(file.path) for file in item.files]
    return result
