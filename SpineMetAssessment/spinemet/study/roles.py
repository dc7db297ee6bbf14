"""Roles of images: what a series is for, from its DICOM header, its file name or its values."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from spinemet.case import Role
from spinemet.image import Image

# Repetition, echo and inversion times in ms that part the contrasts of spin-echo MRI at 1.5 and 3 T (ours).
T1_LONGEST_TR_MS = 1200.0
T1_LONGEST_TE_MS = 40.0
T2_SHORTEST_TE_MS = 60.0
STIR_LONGEST_TI_MS = 300.0
# Air is −1000 HU and cortical bone above 300 HU; MRI and PET have no values this low (ours).
CT_LOW_HU = -200
CT_HIGH_HU = 150

_TOKENS: dict[str, Role] = {
    "ct": Role.CT,
    "t1": Role.T1,
    "t1w": Role.T1,
    "t1gd": Role.T1_GD,
    "t1c": Role.T1_GD,
    "t1ce": Role.T1_GD,
    "t2": Role.T2,
    "t2w": Role.T2,
    "stir": Role.STIR,
    "tirm": Role.STIR,
    "pet": Role.PET,
}
_LABEL_WORDS = (
    "seg",
    "label",
    "mask",
    "msk",
    "lesion",
    "totalseg",
    "centerline",
    "contour",
    "vertebra",
    "structure",
    "canal",
    "cord",
)
_CONTRAST_WORDS = {"gd", "gado", "km", "post", "contrast", "ce", "kontrast"}
_ENTITY = re.compile(r"label-\d+")


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[^a-z0-9+]+", text.lower()) if word]


def stem(path: Path) -> str:
    """File name without its image suffixes (".nii.gz", ".seg.nrrd")."""
    return re.sub(r"(\.seg)?\.(nii\.gz|nii|nrrd|nhdr|mha|mhd)$", "", path.name, flags=re.IGNORECASE)


def is_label_name(path: Path) -> bool:
    """Whether a file's name says that it holds labels ("x.seg.nrrd", "ct_seg.nii.gz", "labels.nrrd")."""
    if ".seg." in path.name.lower():
        return True
    # BIDS writes "label-22" into the names of images that show structure 22.
    words = _words(_ENTITY.sub("", stem(path).lower()))
    return any(word.startswith(_LABEL_WORDS) for word in words)


def role_of_text(text: str) -> Role:
    """The role that the words of a file name or description name; the last one counts, else UNKNOWN."""
    words = _words(text)
    found = [_TOKENS[word] for word in words if word in _TOKENS]
    if not found:
        return Role.UNKNOWN
    if Role.STIR in found:
        return Role.STIR
    role = found[-1]
    return Role.T1_GD if role is Role.T1 and _CONTRAST_WORDS.intersection(words) else role


def role_of_values(image: Image) -> Role:
    """CT when the values can only be Hounsfield units, else UNKNOWN."""
    low, high = float(np.min(image.array)), float(np.max(image.array))
    return Role.CT if low <= CT_LOW_HU and high >= CT_HIGH_HU else Role.UNKNOWN


def role_of_header(header: Any) -> tuple[Role, str]:
    """Role of a DICOM series and the sentence that says how it was found ("" when the modality says it).

    :param header: pydicom dataset of one of its slices.
    """
    modality = str(header.get("Modality", "")).upper()
    image_type = [str(item).upper() for item in header.get("ImageType", None) or []]
    if "LOCALIZER" in image_type:
        return Role.UNKNOWN, "Set aside: it is a localizer."
    if modality == "CT":
        return Role.CT, ""
    if modality == "PT":
        return Role.PET, ""
    if modality in ("CR", "DX"):
        return Role.RADIOGRAPH, ""
    if modality == "MR":
        return _role_of_mr(header)
    return Role.UNKNOWN, f"Its modality {modality or 'is missing and'} has no role in the assessment."


def _role_of_mr(header: Any) -> tuple[Role, str]:
    description = f"{header.get('SeriesDescription', '')} {header.get('ProtocolName', '')}"
    named = role_of_text(description)
    timed = _role_of_times(header)
    if timed is Role.STIR or (named is Role.UNKNOWN and timed is not Role.UNKNOWN):
        role, basis = timed, "its repetition, echo and inversion times"
    elif named is not Role.UNKNOWN and named.is_mr:
        role, basis = named, "its description"
    else:
        return Role.UNKNOWN, "Neither its description nor its echo times say which MRI contrast it has."
    if role is Role.T1 and str(header.get("ContrastBolusAgent", "") or "").strip():
        role, basis = Role.T1_GD, f"{basis} and the contrast agent in its header"
    return role, f"Taken as {role.value} from {basis}."


def _role_of_times(header: Any) -> Role:
    sequence = " ".join(str(item) for item in _listed(header.get("ScanningSequence", None)))
    repetition, echo = number(header.get("RepetitionTime")), number(header.get("EchoTime"))
    inversion = number(header.get("InversionTime"))
    if "IR" in sequence and inversion is not None and 0 < inversion <= STIR_LONGEST_TI_MS:
        return Role.STIR
    if "SE" not in sequence or repetition is None or echo is None:
        return Role.UNKNOWN
    if echo >= T2_SHORTEST_TE_MS:
        return Role.T2
    if repetition <= T1_LONGEST_TR_MS and echo <= T1_LONGEST_TE_MS:
        return Role.T1
    return Role.UNKNOWN


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)


def number(value: Any) -> float | None:
    """A header's number, None when it is absent, empty, not a number or not finite."""
    try:
        result = float(value)
    except (TypeError, ValueError):
        return None
    return result if np.isfinite(result) else None
