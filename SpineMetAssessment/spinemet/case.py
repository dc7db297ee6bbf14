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
    """STIR, or T2 with its fat saturated."""
    DIXON_IN = "Dixon in phase"
    DIXON_OPPOSED = "Dixon opposed phase"
    DIXON_FAT = "Dixon fat"
    DIXON_WATER = "Dixon water"
    DWI = "DWI"
    ADC = "ADC"
    PET = "PET"
    PET_NAC = "PET without attenuation correction"
    RADIOGRAPH = "radiograph"
    LOCALIZER = "localizer"
    SECONDARY = "secondary capture"
    RTSTRUCT = "RTSTRUCT"
    RTDOSE = "RTDOSE"
    RTPLAN = "RTPLAN"
    SEG = "SEG"
    SR = "SR"
    UNKNOWN = "unknown"

    @property
    def is_mr(self) -> bool:
        return self in _MR_ROLES

    @property
    def is_image(self) -> bool:
        """Whether it shows the patient, as against structures, doses, plans, reports and pictures of screens."""
        return self not in _OBJECT_ROLES


_MR_ROLES = frozenset((
    Role.T1, Role.T1_GD, Role.T2, Role.STIR, Role.DIXON_IN, Role.DIXON_OPPOSED, Role.DIXON_FAT, Role.DIXON_WATER,
    Role.DWI, Role.ADC,
))  # fmt: skip
_OBJECT_ROLES = frozenset((Role.RTSTRUCT, Role.RTDOSE, Role.RTPLAN, Role.SEG, Role.SR, Role.SECONDARY))


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
