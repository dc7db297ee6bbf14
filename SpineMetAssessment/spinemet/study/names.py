"""What the words of file names and series descriptions say an image is."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from spinemet.case import Role
from spinemet.image import Image

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
    "dwi": Role.DWI,
    "adc": Role.ADC,
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


def words(text: str) -> list[str]:
    """Lower-case words of a name or description."""
    return [word for word in re.split(r"[^a-z0-9+]+", text.lower()) if word]


def stem(path: Path) -> str:
    """File name without its image suffixes (".nii.gz", ".seg.nrrd")."""
    return re.sub(r"(\.seg)?\.(nii\.gz|nii|nrrd|nhdr|mha|mhd)$", "", path.name, flags=re.IGNORECASE)


def is_label_name(path: Path) -> bool:
    """Whether a file's name says that it holds labels ("x.seg.nrrd", "ct_seg.nii.gz", "labels.nrrd")."""
    if ".seg." in path.name.lower():
        return True
    # BIDS writes "label-22" into the names of images that show structure 22.
    named = words(_ENTITY.sub("", stem(path).lower()))
    return any(word.startswith(_LABEL_WORDS) for word in named)


def role_of_text(text: str) -> Role:
    """The role that the words of a file name or description name; the last one counts, else UNKNOWN."""
    named = words(text)
    found = [_TOKENS[word] for word in named if word in _TOKENS]
    if not found:
        return Role.UNKNOWN
    for telling in (Role.STIR, Role.ADC, Role.DWI):
        if telling in found:
            return telling
    role = found[-1]
    return Role.T1_GD if role is Role.T1 and _CONTRAST_WORDS.intersection(named) else role


def role_of_values(image: Image) -> Role:
    """CT when the values can only be Hounsfield units, else UNKNOWN."""
    low, high = float(np.min(image.array)), float(np.max(image.array))
    return Role.CT if low <= CT_LOW_HU and high >= CT_HIGH_HU else Role.UNKNOWN
