"""Roles of DICOM series: what each is for, from the standard's attributes first and its description second.

Every clue speaks for or against a role with a weight; the role with the highest sum is taken, and the others stay
beside it with the reasons for which they were not. A user's choice comes before all clues.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from spinemet.case import Role
from spinemet.study.dicom_files import DicomFile
from spinemet.study.frames import Frame, number
from spinemet.study.names import role_of_text, words
from spinemet.study.traits import Trait, traits_of

__all__ = ["RoleJudgment", "Verdict", "contrast_of", "judge", "number"]

# Repetition, echo and inversion times in ms that part the contrasts of spin-echo MRI at 1.5 and 3 T (ours).
T1_LONGEST_TR_MS = 1200.0
T1_LONGEST_TE_MS = 40.0
T2_SHORTEST_TE_MS = 60.0
STIR_LONGEST_TI_MS = 300.0
FLAIR_SHORTEST_TI_MS = 1500.0

# Weights of clues (ours): what only the standard can mean, what it suggests, what a person wrote.
CERTAIN, STRONG, WRITTEN, WEAK = 100.0, 10.0, 6.0, 2.0

AGAINST = "against it: "
"""Begins the reasons that speak against a role."""

MODALITIES = {"CT": Role.CT, "PT": Role.PET, "CR": Role.RADIOGRAPH, "DX": Role.RADIOGRAPH, "RG": Role.RADIOGRAPH}
CLASSES = {
    "1.2.840.10008.5.1.4.1.1.2": Role.CT,
    "1.2.840.10008.5.1.4.1.1.2.1": Role.CT,
    "1.2.840.10008.5.1.4.1.1.2.2": Role.CT,
    "1.2.840.10008.5.1.4.1.1.128": Role.PET,
    "1.2.840.10008.5.1.4.1.1.130": Role.PET,
    "1.2.840.10008.5.1.4.1.1.128.1": Role.PET,
    "1.2.840.10008.5.1.4.1.1.1": Role.RADIOGRAPH,
    "1.2.840.10008.5.1.4.1.1.1.1": Role.RADIOGRAPH,
    "1.2.840.10008.5.1.4.1.1.1.1.1": Role.RADIOGRAPH,
    "1.2.840.10008.5.1.4.1.1.12.1": Role.RADIOGRAPH,
    "1.2.840.10008.5.1.4.1.1.12.2": Role.RADIOGRAPH,
    "1.2.840.10008.5.1.4.1.1.481.3": Role.RTSTRUCT,
    "1.2.840.10008.5.1.4.1.1.481.2": Role.RTDOSE,
    "1.2.840.10008.5.1.4.1.1.481.5": Role.RTPLAN,
    "1.2.840.10008.5.1.4.1.1.481.8": Role.RTPLAN,
    "1.2.840.10008.5.1.4.1.1.66.4": Role.SEG,
    "1.2.840.10008.5.1.4.1.1.66.7": Role.SEG,
    "1.2.840.10008.5.1.4.1.1.7": Role.SECONDARY,
    "1.2.840.10008.5.1.4.1.1.7.1": Role.SECONDARY,
    "1.2.840.10008.5.1.4.1.1.7.2": Role.SECONDARY,
    "1.2.840.10008.5.1.4.1.1.7.3": Role.SECONDARY,
    "1.2.840.10008.5.1.4.1.1.7.4": Role.SECONDARY,
    "1.2.840.10008.5.1.4.1.1.104.1": Role.SECONDARY,
}
MR_CLASSES = frozenset(f"1.2.840.10008.5.1.4.1.1.4{end}" for end in ("", ".1", ".3", ".4"))
_REPORTS = "1.2.840.10008.5.1.4.1.1.88."
_DIXON_TYPES = {
    "IN_PHASE": Role.DIXON_IN,
    "IP": Role.DIXON_IN,
    "OUT_PHASE": Role.DIXON_OPPOSED,
    "OPP_PHASE": Role.DIXON_OPPOSED,
    "OUT_OF_PHASE": Role.DIXON_OPPOSED,
    "OP": Role.DIXON_OPPOSED,
    "WATER": Role.DIXON_WATER,
    "W": Role.DIXON_WATER,
    "FAT": Role.DIXON_FAT,
    "F": Role.DIXON_FAT,
}
_DIXON_WORDS = {
    "in": Role.DIXON_IN,
    "inphase": Role.DIXON_IN,
    "opp": Role.DIXON_OPPOSED,
    "opposed": Role.DIXON_OPPOSED,
    "out": Role.DIXON_OPPOSED,
    "w": Role.DIXON_WATER,
    "water": Role.DIXON_WATER,
    "f": Role.DIXON_FAT,
    "fat": Role.DIXON_FAT,
}
_DIXON_NAMES = {"dixon", "ideal", "mdixon", "vibe", "lava", "flex"}
_ENHANCED_CONTRASTS = {
    "T1": Role.T1,
    "T2": Role.T2,
    "STIR": Role.STIR,
    "DIFFUSION": Role.DWI,
}
_FAT_SATURATION_WORDS = {"fs", "fatsat", "spair", "spir", "chess", "fatsup"}
_NO_AGENT = ("no", "none", "no contrast", "without", "non", "0", "ohne", "nein", "n/a")


@dataclass(frozen=True)
class RoleJudgment:
    """One role that a series may have.

    :param score: sum of the weights of the clues for and against.
    :param reasons: the clues as half sentences ("the echo time of 105 ms").
    """

    role: Role
    score: float
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """What a series was taken as, and what it was not.

    :param judgments: all roles with a clue, the taken one first.
    :param sentence: how the role was found; "" when the modality alone says it.
    :param traits: what else is known ("kernel": "bone", "b-value": 800.0, "view": "lateral").
    """

    judgments: tuple[RoleJudgment, ...]
    sentence: str
    traits: dict[str, Trait] = field(default_factory=dict)

    @property
    def role(self) -> Role:
        return self.judgments[0].role


class _Clues:
    """Collects clues for and against roles."""

    def __init__(self) -> None:
        self._scores: dict[Role, float] = defaultdict(float)
        self._reasons: dict[Role, list[str]] = defaultdict(list)

    def add(self, role: Role, weight: float, reason: str) -> None:
        self._scores[role] += weight
        self._reasons[role].append(reason if weight >= 0 else AGAINST + reason)

    def __contains__(self, role: Role) -> bool:
        return self._scores.get(role, 0.0) > 0

    def ranked(self) -> tuple[RoleJudgment, ...]:
        order = sorted(self._scores, key=lambda role: -self._scores[role])
        found = [RoleJudgment(role, self._scores[role], tuple(self._reasons[role])) for role in order]
        if not found or found[0].score <= 0:
            found.insert(0, RoleJudgment(Role.UNKNOWN, 0.0, ()))
        return tuple(found)


def judge(frames: Sequence[Frame], chosen: Role | None = None) -> Verdict:
    """The role of a part of a series, from its first frame and the number of frames.

    :param chosen: the user's choice, which is taken whatever the header says.
    """
    frame = frames[0]
    file = frame.file
    clues = _Clues()
    _add_kind(clues, frame, file)
    modality = file.text("Modality").upper()
    sop_role = CLASSES.get(file.sop_class)
    sentence = ""
    if modality == "MR" or file.sop_class in MR_CLASSES:
        _add_mr(clues, frame, file)
        sentence = _mr_sentence(clues)
    elif sop_role is Role.PET or modality == "PT":
        sentence = _add_pet(clues, file)
    if Role.LOCALIZER in clues:
        sentence = "Set aside: it is a localizer."
    ranked = clues.ranked()
    if not sentence and ranked[0].role is Role.UNKNOWN:
        sentence = f"Its modality {modality or 'is missing and'} has no role in the assessment."
    traits = traits_of(frame, ranked[0].role)
    if chosen is not None and chosen is not ranked[0].role:
        said = RoleJudgment(chosen, CERTAIN * 10, ("chosen by the user",))
        before = ranked[0].role.value
        ranked = (said, *(item for item in ranked if item.role is not chosen))
        sentence = f"Taken as {chosen.value} by the user's choice; the header speaks for {before}."
    return Verdict(ranked, sentence, traits)


def _add_kind(clues: _Clues, frame: Frame, file: DicomFile) -> None:
    """Clues from modality, class and image type that hold for all modalities."""
    kind = file.sop_class
    modality = file.text("Modality").upper()
    image_type = frame.image_type
    role = CLASSES.get(kind) or (Role.SR if kind.startswith(_REPORTS) else None)
    if role is not None:
        clues.add(role, CERTAIN, f"the kind of object ({modality or role.value})")
    elif modality in MODALITIES:
        clues.add(MODALITIES[modality], CERTAIN, f"the modality {modality}")
    if "LOCALIZER" in image_type:
        clues.add(Role.LOCALIZER, 3 * CERTAIN, "the image type LOCALIZER")
    elif modality in ("CT", "MR", "PT") and {"scout", "topogram", "localizer", "survey", "loc", "scanogram"} & set(
        words(file.text("SeriesDescription"))
    ):
        clues.add(Role.LOCALIZER, WEAK, "its description")
    telling = {"SCREEN SAVE", "SCREENSAVE", "SCREEN_CAPTURE"} & set(image_type)
    if telling or (file.text("ConversionType") and kind.startswith("1.2.840.10008.5.1.4.1.1.7")):
        clues.add(Role.SECONDARY, 3 * CERTAIN if telling else WEAK, "a picture taken from a screen or a paper")


def _add_pet(clues: _Clues, file: DicomFile) -> str:
    corrected = file.values("CorrectedImage")
    method = file.text("AttenuationCorrectionMethod").upper()
    description = file.text("SeriesDescription")
    if corrected:
        if "ATTN" in corrected:
            clues.add(Role.PET, STRONG, "its attenuation is corrected (CorrectedImage)")
            clues.add(Role.PET_NAC, -CERTAIN, "CorrectedImage, which names the attenuation,")
            return ""
        clues.add(Role.PET_NAC, 2 * CERTAIN, "CorrectedImage does not name the attenuation")
        return "Taken as PET without attenuation correction: CorrectedImage does not name the attenuation."
    if method and method not in ("NONE", "NO"):
        clues.add(Role.PET, STRONG, "the attenuation correction's method in the header")
        return ""
    if method or {"nac", "uncorrected", "nonac"} & set(words(description)):
        why = "the attenuation correction's method is none" if method else "its description"
        clues.add(Role.PET_NAC, 2 * CERTAIN, why)
        return f"Taken as PET without attenuation correction: {why}."
    return ""


def _add_mr(clues: _Clues, frame: Frame, file: DicomFile) -> None:
    _add_mr_type(clues, frame)
    _add_mr_times(clues, frame, file)
    description = f"{file.text('SeriesDescription')} {file.text('ProtocolName')}"
    named = role_of_text(description)
    if named is not Role.UNKNOWN and named.is_mr:
        if named in (Role.STIR, Role.DWI, Role.ADC) or not (Role.T1 in clues and named is Role.T1_GD):
            clues.add(named, WRITTEN if named is not Role.T1_GD else WRITTEN + WEAK, "its description")
        else:
            clues.add(Role.T1_GD, STRONG + WRITTEN, "the contrast in its description")
    found = set(words(description))
    if _DIXON_NAMES & found:
        for word, role in _DIXON_WORDS.items():
            if word in found:
                clues.add(role, WRITTEN + WEAK, f'"{word}" in its description')
    if Role.T2 in clues and (_fat_saturated(frame, file) or _FAT_SATURATION_WORDS & found):
        clues.add(Role.STIR, STRONG + 2 * WRITTEN, "its fat is saturated")
        clues.add(Role.T2, -WEAK, "its fat is saturated")
    if (Role.T1 in clues or Role.T1_GD in clues) and contrast_of(file):
        clues.add(Role.T1_GD, STRONG + 2 * WRITTEN, "the contrast agent in its header")
        clues.add(Role.T1, -WEAK, "a contrast agent was given")


def _add_mr_type(clues: _Clues, frame: Frame) -> None:
    image_type = frame.image_type
    for item in image_type[2:]:
        if item in _DIXON_TYPES:
            clues.add(_DIXON_TYPES[item], 2 * CERTAIN, f"the image type {item}")
    if "ADC" in image_type or "APPARENT_DIFFUSION_COEFFICIENT" in image_type:
        clues.add(Role.ADC, 2 * CERTAIN, "the image type ADC")
    elif {"DIFFUSION", "TRACEW", "TRACE", "DWI"} & set(image_type):
        clues.add(Role.DWI, 2 * CERTAIN, "the image type")
    elif frame.b_value:
        clues.add(Role.DWI, CERTAIN, f"the b-value of {frame.b_value:g} s/mm²")
    elif frame.b_value is not None and "EP" in frame.file.values("ScanningSequence"):
        # Some scanners write a b-value of zero into every MRI.
        clues.add(Role.DWI, STRONG + WRITTEN, "the b-value of 0 s/mm² of an echo-planar sequence")
    contrast = str(frame.get("AcquisitionContrast", "MRImageFrameTypeSequence") or "").upper()
    if contrast in _ENHANCED_CONTRASTS:
        clues.add(_ENHANCED_CONTRASTS[contrast], STRONG + WRITTEN, f"the acquisition contrast {contrast}")


def _add_mr_times(clues: _Clues, frame: Frame, file: DicomFile) -> None:
    sequence = " ".join(file.values("ScanningSequence"))
    pulse = file.text("EchoPulseSequence").upper()
    spin = "SE" in sequence or pulse in ("SPIN", "BOTH")
    repetition, echo, inversion = frame.repetition_time, frame.echo_time, frame.inversion_time
    inverted = "IR" in sequence or str(frame.get("InversionRecovery", "MRModifierSequence") or "") == "YES"
    if inverted and inversion is not None and 0 < inversion <= STIR_LONGEST_TI_MS:
        clues.add(Role.STIR, 2 * STRONG, f"the inversion time of {inversion:g} ms")
        return
    if not spin or repetition is None or echo is None:
        return
    if inverted and inversion is not None and inversion >= FLAIR_SHORTEST_TI_MS:
        return
    if echo >= T2_SHORTEST_TE_MS:
        clues.add(Role.T2, WRITTEN - 1, f"the echo time of {echo:g} ms")
        clues.add(Role.T1, -WEAK, f"the echo time of {echo:g} ms")
    elif repetition <= T1_LONGEST_TR_MS and echo <= T1_LONGEST_TE_MS:
        clues.add(Role.T1, WRITTEN - 1, f"the repetition time of {repetition:g} ms and echo time of {echo:g} ms")
        clues.add(Role.T2, -WEAK, f"the repetition time of {repetition:g} ms")


def _fat_saturated(frame: Frame, file: DicomFile) -> bool:
    suppression = str(frame.get("SpectrallySelectedSuppression", "MRModifierSequence") or "").upper()
    return "FS" in file.values("ScanOptions") or suppression == "FAT"


def _mr_sentence(clues: _Clues) -> str:
    best = clues.ranked()[0]
    if best.role is Role.UNKNOWN:
        return "Neither its description nor its echo times say which MRI contrast it has."
    if best.role is Role.LOCALIZER:
        return ""
    told = [reason for reason in best.reasons if not reason.startswith(AGAINST)]
    return f"Taken as {best.role.value} from {' and '.join(told)}."


def contrast_of(file: DicomFile) -> bool | None:
    """Whether contrast was given; None when the header does not say (an empty element says nothing)."""
    agent = file.text("ContrastBolusAgent").casefold()
    if not agent:
        return True if file.header.items("ContrastBolusAgentSequence") else None
    return agent not in _NO_AGENT
