"""What else a series' header tells of it: kernel, contrast phase, b-value, view, fat saturation, burned-in text."""

from __future__ import annotations

import re

from spinemet.case import Role
from spinemet.study.dicom_files import DicomFile
from spinemet.study.frames import Frame
from spinemet.study.names import words

Trait = str | float | bool

# Names of vendors: Siemens B/I/J/H/U/Br and two digits of sharpness, GE and Philips words, Canon FC numbers.
SHARPEST_SOFT_KERNEL = 49
"""Siemens kernels of a higher number are sharp (B50 and beyond)."""
SOFT_CANON = range(1, 30)
"""Canon's FC01 to FC29 are soft; FC30 and beyond are for bone and lung."""
_BONE_WORDS = ("bone", "edge", "ultra", "sharp", "lung", "boneplus", "knochen")
_SOFT_WORDS = ("standard", "stnd", "soft", "std", "smooth", "detail", "weichteil")
_PHILIPS_SHARP = {"YB", "YC", "YD", "YE", "D", "L", "YA", "E"}
_PHILIPS_SOFT = {"A", "B", "C", "F"}
_PHASES = {
    "arterial": "arterial",
    "art": "arterial",
    "arteriell": "arterial",
    "venous": "portal venous",
    "portal": "portal venous",
    "pv": "portal venous",
    "venös": "portal venous",
    "delayed": "delayed",
    "late": "delayed",
    "native": "native",
    "nativ": "native",
    "plain": "native",
    "noncontrast": "native",
}
_VIEWS = {
    "AP": "AP",
    "PA": "AP",
    "LL": "lateral",
    "RL": "lateral",
    "LAT": "lateral",
    "LATERAL": "lateral",
    "RLO": "oblique",
    "LLO": "oblique",
    "RO": "oblique",
    "LO": "oblique",
}
_VIEW_WORDS = {
    "ap": "AP",
    "pa": "AP",
    "frontal": "AP",
    "lat": "lateral",
    "lateral": "lateral",
    "seitlich": "lateral",
    "ll": "lateral",
    "oblique": "oblique",
}
_POSTURES = {"flexion": "flexion", "flex": "flexion", "extension": "extension", "ext": "extension"}
_INTRATHECAL = ("intrathecal", "subarachnoid", "myelo", "isp", "it")


def traits_of(frame: Frame, role: Role) -> dict[str, Trait]:
    """What the header of one frame tells about its series beyond the role."""
    file = frame.file
    found: dict[str, Trait] = {}
    if role is Role.CT:
        found |= _of_ct(frame)
    elif role.is_mr:
        if frame.b_value is not None:
            found["b-value"] = frame.b_value
        if frame.echo_time is not None:
            found["echo time"] = frame.echo_time
    elif role is Role.PET:
        found["units"] = file.text("Units").upper()
    elif role is Role.RADIOGRAPH:
        found |= _of_radiograph(file)
    if file.text("BurnedInAnnotation").upper() == "YES":
        found["burned-in annotation"] = True
    if file.text("LossyImageCompression") in ("01", "1"):
        found["lossy"] = True
    return found


def _of_ct(frame: Frame) -> dict[str, Trait]:
    file = frame.file
    found: dict[str, Trait] = {}
    value = frame.get("ConvolutionKernel", "CTReconstructionSequence")
    name = str(value[0] if isinstance(value, list) else value or "").strip()
    if name:
        found["kernel name"] = name
        kind = kernel_kind(name)
        if kind:
            found["kernel"] = kind
    named = words(file.text("SeriesDescription"))
    route = words(file.text("ContrastBolusRoute"))
    if any(word.startswith("myelo") for word in named) or any(word.startswith(_INTRATHECAL) for word in route):
        found["myelogram"] = True
    phase = next((_PHASES[word] for word in named if word in _PHASES), "")
    if phase:
        found["phase"] = phase
    return found


def kernel_kind(name: str) -> str:
    """ "bone", "soft" or, when the name is not known, "" ."""
    lowered = name.lower()
    if any(word in lowered for word in _BONE_WORDS):
        return "bone"
    if any(word in lowered for word in _SOFT_WORDS):
        return "soft"
    canon = re.fullmatch(r"fc(\d+).*", lowered)
    if canon:
        return "soft" if int(canon[1]) in SOFT_CANON else "bone"
    siemens = re.match(r"[a-z]{1,2}(\d{2})", lowered)
    if siemens:
        return "soft" if int(siemens[1]) <= SHARPEST_SOFT_KERNEL else "bone"
    if name.upper() in _PHILIPS_SHARP:
        return "bone"
    return "soft" if name.upper() in _PHILIPS_SOFT else ""


def _of_radiograph(file: DicomFile) -> dict[str, Trait]:
    found: dict[str, Trait] = {}
    named = words(f"{file.text('SeriesDescription')} {file.text('ProtocolName')}")
    view = _VIEWS.get(file.text("ViewPosition").upper(), "")
    view = view or next((_VIEW_WORDS[word] for word in named if word in _VIEW_WORDS), "")
    if view:
        found["view"] = view
    posture = next((_POSTURES[word] for word in named if word in _POSTURES), "")
    if posture:
        found["posture"] = posture
    return found
