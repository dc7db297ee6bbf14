"""Whose files these are: patients told apart without ever naming one in a sentence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from spinemet.case import Patient
from spinemet.errors import BadInput
from spinemet.study.dicom_files import DIRECTORY, DicomFile, holds_identity, iso_date, plain_words


@dataclass(frozen=True)
class Person:
    """What tells one patient from another: the identity number (the name where there is none) and the birth date."""

    identity: str
    birth_date: str


def person_of(file: DicomFile) -> Person:
    """Whom a file belongs to, by its header."""
    number = plain_words(file.text("PatientID"))
    identity = f"id {number}" if number else f"name {plain_words(file.text('PatientName'))}".strip()
    return Person(identity if identity != "name" else "", iso_date(file.text("PatientBirthDate")))


def by_patient(files: Sequence[DicomFile]) -> list[list[DicomFile]]:
    """Files of each patient, in order of their first file.

    Files without a birth date belong to the one patient of the same identity; those without any identity to the
    patient whose study they are part of, else together to one of their own.
    """
    groups: dict[Person, list[DicomFile]] = defaultdict(list)
    for file in files:
        if file.sop_class != DIRECTORY:
            groups[person_of(file)].append(file)
    for person in [person for person in groups if not person.birth_date]:
        same = [other for other in groups if other.identity == person.identity and other.birth_date]
        if len(same) == 1:
            groups[same[0]] += groups.pop(person)
    _join_nameless(groups)
    place = {id(file): n for n, file in enumerate(files)}
    found = [sorted(group, key=lambda file: place[id(file)]) for group in groups.values()]
    return sorted(found, key=lambda group: place[id(group[0])])


def _join_nameless(groups: dict[Person, list[DicomFile]]) -> None:
    owners: dict[str, set[Person]] = defaultdict(set)
    for person, group in groups.items():
        if person.identity:
            for study in {file.text("StudyInstanceUID") for file in group}:
                owners[study].add(person)
    for person in [person for person in groups if not person.identity]:
        left: list[DicomFile] = []
        for file in groups.pop(person):
            owner = owners.get(file.text("StudyInstanceUID"), set())
            (groups[next(iter(owner))] if len(owner) == 1 else left).append(file)
        if left:
            groups[person] = left


def patient_of(files: Sequence[DicomFile], where: str) -> Patient:
    """The one patient whom all files belong to.

    :raises BadInput: the files belong to several patients. The sentence names none of them.
    """
    groups = by_patient(files)
    named = [group for group in groups if person_of(group[0]).identity]
    count = len(named) or len(groups)
    if count > 1:
        number_of = "two patients" if count == 2 else f"{count} patients"
        raise BadInput(f"{where} holds images of {number_of}; choose a folder with the images of one patient.")
    return patient(named[0] if named else files)


def patient(files: Sequence[DicomFile]) -> Patient:
    """The patient of files that are known to be of one patient."""

    def first(keyword: str) -> str:
        return next(filter(None, (file.text(keyword) for file in files)), "")

    sex = first("PatientSex").upper()
    return Patient(
        patient_id=first("PatientID"),
        name=first("PatientName"),
        sex=sex if sex in ("M", "F", "O") else "",
        birth_date=iso_date(first("PatientBirthDate")),
    )


def description_of(file: DicomFile) -> str:
    """The series description, "" when it holds a part of the patient's name or number."""
    description = file.text("SeriesDescription")
    return "" if holds_identity(description, file) else " ".join(description.split())


def title_of(file: DicomFile, kind: str) -> str:
    """How to name a series in a sentence: modality, number and description, the latter only if free of PHI."""
    uid = file.text("SeriesInstanceUID")
    label = file.text("SeriesNumber") or (uid and f"…{uid[-6:]}")
    description = description_of(file)
    quoted = f'"{description}"' if description else ""
    return " ".join(filter(None, [kind, "series", label, quoted]))
