"""Terminology of segments: our own context with every vertebral level, and identity read back from codes.

Slicer's built-in lists know only a generic "Vertebra". `SpineMet-spine.term.json` beside this file names every
level C1–S5, T13 and L6, the metastasis, the canal, the thecal sac, the cord and the disc. Vertebrae C1–L5 carry
their SNOMED CT code, what has no single standard code a private one of the scheme 99SPINEMET.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slicer

from spinemet.case import Outline, Structure
from spinemet.colors import RGB, STRUCTURE_COLORS
from spinemet.errors import MissingDependency
from spinemet.levels import Level, Region
from spinemet.scene.session import module_logic

CONTEXT = "SpineMet spine"
CONTEXT_FILE = Path(__file__).with_name("SpineMet-spine.term.json")
SNOMED = "SCT"
PRIVATE = "99SPINEMET"


@dataclass(frozen=True)
class Code:
    """A coded concept: value, coding scheme and meaning."""

    value: str
    scheme: str
    meaning: str

    @property
    def key(self) -> tuple[str, str]:
        """What identifies the concept; the meaning is only for people."""
        return (self.scheme, self.value)


ANATOMY = Code("123037004", SNOMED, "Anatomical Structure")
ALTERED = Code("49755003", SNOMED, "Morphologically Altered Structure")
SACRUM = Code("54735007", SNOMED, "Sacrum")
METASTASIS = Code("14799000", SNOMED, "Neoplasm, Secondary")
"""As DICOM codes a metastasis (CID 7159); its site is said by the level, not by the code."""

_STRUCTURES = {
    Structure.SACRUM: SACRUM,
    Structure.LESION: METASTASIS,
    Structure.CANAL: Code("61853006", SNOMED, "Spinal canal"),
    Structure.THECAL_SAC: Code("thecal-sac", PRIVATE, "Thecal sac"),
    Structure.CORD: Code("2748008", SNOMED, "Spinal cord"),
    Structure.DISC: Code("360499006", SNOMED, "Intervertebral disc"),
}


def level_code(level: Level) -> Code:
    """Code of the bone at `level`: SNOMED CT for C1–L5, else private."""
    if level.snomed_code:
        return Code(level.snomed_code, SNOMED, level.title)
    return Code(f"vertebra-{level.value}", PRIVATE, level.title)


def bone_of(level: Level) -> Outline:
    """The outline of the bone at `level`: a vertebra, from S1 on a part of the sacrum."""
    return Outline(Structure.SACRUM if level.region is Region.SACRAL else Structure.VERTEBRA, level)


def code_of(outline: Outline) -> Code | None:
    """Code of what an outline encloses, None for what our context does not hold."""
    if outline.structure in (Structure.VERTEBRA, Structure.SACRUM) and outline.level not in (None, Level.OCC):
        return level_code(outline.level)
    return _STRUCTURES.get(outline.structure)


def entry_of(outline: Outline) -> str:
    """Terminology entry of an outline as vtkSegment.SetTerminology takes it; "" when it is not in our context."""
    code = code_of(outline)
    if code is None:
        return ""
    category = ALTERED if outline.structure is Structure.LESION else ANATOMY
    texts = (CONTEXT, *_triple(category), *_triple(code), *[""] * 10)
    return str(slicer.vtkSlicerTerminologiesModuleLogic.SerializeTerminologyEntry(*texts))


def outline_of(entry: str) -> Outline | None:
    """The outline that a serialized terminology entry names, from any context; None when its type is not ours.

    A sacrum without a level is taken for the whole one, which S1 stands for.
    """
    parts = entry.split("~")
    type_parts = parts[2].split("^") if len(parts) > 2 else []
    return _OUTLINES.get((type_parts[0], type_parts[1])) if len(type_parts) > 1 else None


def load_terminology() -> None:
    """Make our context known to the terminologies module of the application or session, once."""
    logic = module_logic("terminologies")
    if logic.IsTerminologyContextLoaded(CONTEXT):
        return
    if logic.LoadTerminologyFromFile(str(CONTEXT_FILE)) != CONTEXT:
        raise MissingDependency(f"{CONTEXT_FILE.name} is missing or damaged; install SpineMet again.")


def context() -> dict[str, Any]:
    """The context as Slicer's terminology JSON holds it; `SpineMet-spine.term.json` is this."""
    levels = [level for level in Level if level is not Level.OCC]
    vertebrae = [_type(level_code(level), Structure.VERTEBRA) for level in levels]
    others = [_type(code, structure) for structure, code in _STRUCTURES.items() if structure is not Structure.LESION]
    return {
        "SegmentationCategoryTypeContextName": CONTEXT,
        "@schema": "https://raw.githubusercontent.com/qiicr/dcmqi/master/doc/schemas/segment-context-schema.json#",
        "SegmentationCodes": {
            "Category": [
                {**_plain(ANATOMY), "showAnatomy": False, "Type": [*vertebrae, *others]},
                {**_plain(ALTERED), "showAnatomy": True, "Type": [_type(METASTASIS, Structure.LESION)]},
            ]
        },
    }


def _type(code: Code, structure: Structure) -> dict[str, Any]:
    return {"recommendedDisplayRGBValue": _bytes(STRUCTURE_COLORS[structure]), **_plain(code)}


def _plain(code: Code) -> dict[str, str]:
    return {"CodeMeaning": code.meaning, "CodingSchemeDesignator": code.scheme, "CodeValue": code.value}


def _triple(code: Code) -> tuple[str, str, str]:
    return (code.value, code.scheme, code.meaning)


def _bytes(color: RGB) -> list[int]:
    return [round(255 * channel) for channel in color]


_OUTLINES = {
    **{level_code(level).key: bone_of(level) for level in Level if level is not Level.OCC},
    **{code.key: Outline(structure) for structure, code in _STRUCTURES.items()},
    SACRUM.key: bone_of(Level.S1),
}
