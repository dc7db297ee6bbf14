"""Codes of outlines: terminology entries and tags by which segments keep their identity in files and scenes.

Vertebrae C1–L5 carry their SNOMED CT code, what has no single standard code a private one of the scheme
99SPINEMET. An entry has Slicer's serialized form, context~category~type~…, each code as scheme^value^meaning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from spinemet.case import Outline, Structure
from spinemet.levels import Level, Region

CONTEXT = "SpineMet spine"
"""Name of our terminology context in Slicer."""
SNOMED = "SCT"
PRIVATE = "99SPINEMET"

TAG_STRUCTURE = "SpineMet.Structure"
TAG_LEVEL = "SpineMet.Level"
TAG_LESION_ID = "SpineMet.LesionID"
TAG_FRAME = "SpineMet.Frame"


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

    @property
    def text(self) -> str:
        """As it stands in a serialized entry."""
        return f"{self.scheme}^{self.value}^{self.meaning}"


ANATOMY = Code("123037004", SNOMED, "Anatomical Structure")
ALTERED = Code("49755003", SNOMED, "Morphologically Altered Structure")
SACRUM = Code("54735007", SNOMED, "Sacrum")
METASTASIS = Code("14799000", SNOMED, "Neoplasm, Secondary")
"""Its site is said by the level, not by the code."""

STRUCTURES = {
    Structure.SACRUM: SACRUM,
    Structure.LESION: METASTASIS,
    Structure.CANAL: Code("61853006", SNOMED, "Spinal canal"),
    Structure.THECAL_SAC: Code("thecal-sac", PRIVATE, "Thecal sac"),
    Structure.CORD: Code("2748008", SNOMED, "Spinal cord"),
    Structure.DISC: Code("360499006", SNOMED, "Intervertebral disc"),
}
"""Codes of the structures that are not one vertebra."""


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
    is_bone = outline.structure in (Structure.VERTEBRA, Structure.SACRUM)
    if is_bone and outline.level is not None and outline.level is not Level.OCC:
        return level_code(outline.level)
    return STRUCTURES.get(outline.structure)


def category_of(outline: Outline) -> Code:
    """A lesion is altered, everything else normal anatomy."""
    return ALTERED if outline.structure is Structure.LESION else ANATOMY


def entry_of(outline: Outline) -> str:
    """Serialized terminology entry of an outline; "" when it is not in our context."""
    code = code_of(outline)
    if code is None:
        return ""
    return f"{CONTEXT}~{category_of(outline).text}~{code.text}~^^~~^^~^^"


def outline_of(entry: str) -> Outline | None:
    """The outline that a serialized entry names, from any context; None when its type is not ours.

    A sacrum without a level is taken for the whole one, which S1 stands for.
    """
    parts = entry.split("~")
    kind = parts[2].split("^") if len(parts) > 2 else []
    return _OUTLINES.get((kind[0], kind[1])) if len(kind) > 1 else None


def name_of(outline: Outline) -> str:
    """What people read: the outline's own name, else "L3 vertebra", "Sacrum", "Lesion 1", "Spinal canal"."""
    if outline.name:
        return outline.name
    if outline.structure is Structure.VERTEBRA and outline.level is not None:
        return outline.level.title
    if outline.structure is Structure.LESION:
        match = re.fullmatch(r"lesion[ _-]?(\d+)", outline.lesion_id, re.IGNORECASE)
        return f"Lesion {match[1]}" if match else f"Lesion {outline.lesion_id}".rstrip()
    return outline.structure.value.capitalize()


def tags_of(outline: Outline) -> dict[str, str]:
    """The tags by which a segment keeps its identity; empty ones are left out."""
    tags = {
        TAG_STRUCTURE: outline.structure.value,
        TAG_LEVEL: outline.level.value if outline.level else "",
        TAG_LESION_ID: outline.lesion_id,
        TAG_FRAME: outline.frame,
    }
    return {key: value for key, value in tags.items() if value}


_OUTLINES = {
    **{level_code(level).key: bone_of(level) for level in Level if level is not Level.OCC},
    **{code.key: Outline(structure) for structure, code in STRUCTURES.items()},
    SACRUM.key: bone_of(Level.S1),
}
