"""Our terminology context in Slicer: every vertebral level with its code.

Slicer's built-in lists know only a generic "Vertebra". `SpineMet-spine.term.json` beside this file names every
level C1–S5, T13 and L6, the metastasis, the canal, the thecal sac, the cord and the disc. Vertebrae C1–L5 carry
their SNOMED CT code, what has no single standard code a private one of the scheme 99SPINEMET.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spinemet.case import Structure
from spinemet.codes import ALTERED, ANATOMY, CONTEXT, METASTASIS, STRUCTURES, Code, level_code
from spinemet.colors import RGB, STRUCTURE_COLORS
from spinemet.errors import MissingDependency
from spinemet.levels import Level
from spinemet.scene.session import module_logic

CONTEXT_FILE = Path(__file__).with_name("SpineMet-spine.term.json")


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
    others = [_type(code, structure) for structure, code in STRUCTURES.items() if structure is not Structure.LESION]
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


def _bytes(color: RGB) -> list[int]:
    return [round(255 * channel) for channel in color]
