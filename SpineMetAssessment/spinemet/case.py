"""Who and when: patient, time point, image and outline. Identity lives here, never in names."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from spinemet.levels import Level


class Role(str, Enum):
    """What an image stands for in the assessment."""

    CT = "CT"
    T1 = "T1"
    T1_GD = "T1+Gd"
    T2 = "T2"
    STIR = "STIR"
    PET = "PET"
    RADIOGRAPH = "radiograph"
    UNKNOWN = "unknown"

    @property
    def is_mr(self) -> bool:
        return self in (Role.T1, Role.T1_GD, Role.T2, Role.STIR)


class Structure(str, Enum):
    """What an outline encloses."""

    VERTEBRA = "vertebra"
    SACRUM = "sacrum"
    LESION = "lesion"
    CANAL = "spinal canal"
    THECAL_SAC = "thecal sac"
    CORD = "spinal cord"
    DISC = "intervertebral disc"
    OTHER = "other"


@dataclass(frozen=True)
class Patient:
    """A patient. Nothing of this goes into logs or file names.

    :param birth_date: ISO date, or "".
    :param sex: "M", "F", "O", or "" when unknown.
    """

    patient_id: str = ""
    name: str = ""
    sex: str = ""
    birth_date: str = ""


@dataclass(frozen=True)
class TimePoint:
    """One date at which a patient was imaged.

    :param date: ISO date of the study, or "" when the files do not say.
    :param label: "baseline", "follow-up 1", …
    """

    date: str = ""
    label: str = "baseline"


@dataclass(frozen=True)
class ImageRef:
    """Names one image: which series, what for, in which frame of reference.

    :param key: identifier within the study, free of PHI (series UID, or the file's name).
    :param role: what the image stands for.
    :param frame: frame-of-reference UID, or the key when the files do not say.
    :param description: the series description.
    :param date: ISO date of acquisition, or "".
    :param patient_position: "HFS", "FFP", …, or "".
    """

    key: str
    role: Role
    frame: str
    series_uid: str = ""
    study_uid: str = ""
    description: str = ""
    date: str = ""
    patient_position: str = ""
    kvp: float | None = None
    contrast: bool | None = None


@dataclass(frozen=True)
class Outline:
    """Names one outlined structure.

    :param level: vertebral level of a vertebra, or of the vertebra that a lesion was assigned to by a person.
    :param lesion_id: identity of a lesion over time ("lesion-1"); "" for everything else.
    :param frame: frame of reference of the image on which it was drawn.
    """

    structure: Structure
    level: Level | None = None
    lesion_id: str = ""
    frame: str = ""
    name: str = ""
