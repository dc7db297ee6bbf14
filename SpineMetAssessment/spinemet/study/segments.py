"""Segments of a .seg.nrrd file: its header's keys to outlines and back.

The keys are those of 3D Slicer's segmentation files (Segment0_ID, Segment0_Name, …); identity stands in the tags
`SpineMet.*`, then in the terminology's code, and last in the name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from spinemet.case import Outline, Structure
from spinemet.codes import (
    TAG_FRAME,
    TAG_LESION_ID,
    TAG_LEVEL,
    TAG_STRUCTURE,
    bone_of,
    entry_of,
    name_of,
    outline_of,
    tags_of,
)
from spinemet.colors import STRUCTURE_COLORS
from spinemet.errors import BadInput
from spinemet.levels import Level
from spinemet.study.unedited import UNEDITED

TERMINOLOGY_TAG = "TerminologyEntry"
_LESION_WORDS = {"lesion", "tumor", "tumour", "metastasis", "met", "mets", "gtv", "neoplasm"}
_VERTEBRA_WORDS = {"vertebra", "vertebrae", "vert", "level"}
_PHRASES = {
    "sacrum": Outline(Structure.SACRUM, Level.S1),
    "spinal canal": Outline(Structure.CANAL),
    "vertebral canal": Outline(Structure.CANAL),
    "canal": Outline(Structure.CANAL),
    "thecal sac": Outline(Structure.THECAL_SAC),
    "dural sac": Outline(Structure.THECAL_SAC),
    "spinal cord": Outline(Structure.CORD),
    "cord": Outline(Structure.CORD),
}


@dataclass(frozen=True)
class Segment:
    """One segment as the file names it.

    :param outline: what it encloses; None when nothing of the spine can be told from it.
    """

    identifier: str
    name: str
    value: int
    layer: int
    outline: Outline | None


def read_segments(metadata: Mapping[str, str], where: str) -> list[Segment]:
    """Segments in a file's header; empty for an ordinary NRRD.

    :raises BadInput: a segment's value or layer is not a number, or its tags name no structure or level.
    """
    numbers = sorted({int(match[1]) for key in metadata if (match := re.fullmatch(r"Segment(\d+)_ID", key))})
    return [_segment(metadata, index, where) for index in numbers]


def _segment(metadata: Mapping[str, str], index: int, where: str) -> Segment:
    prefix = f"Segment{index}_"
    name = metadata.get(prefix + "Name", "")
    try:
        # Files of Slicer before 4.11 have one layer a segment and the value 1.
        value = int(metadata.get(prefix + "LabelValue", "1"))
        layer = int(metadata.get(prefix + "Layer", str(index)))
        outline = _outline(name, _tags(metadata.get(prefix + "Tags", "")))
    except (ValueError, BadInput) as error:
        raise BadInput(
            f"{where}: the header of segment {index + 1} is damaged; save the segmentation again."
        ) from error
    return Segment(metadata[prefix + "ID"], name, value, layer, outline)


def _tags(text: str) -> dict[str, str]:
    pairs = (item.split(":", 1) for item in text.split("|") if ":" in item)
    return {key.strip(): value for key, value in pairs}


def _outline(name: str, tags: Mapping[str, str]) -> Outline | None:
    if tags.get(TAG_STRUCTURE):
        level = tags.get(TAG_LEVEL, "")
        return Outline(
            Structure(tags[TAG_STRUCTURE]),
            Level(level) if level else None,
            tags.get(TAG_LESION_ID, ""),
            tags.get(TAG_FRAME, ""),
            name,
        )
    found = outline_of(tags.get(TERMINOLOGY_TAG, "")) or outline_of_name(name)
    return None if found is None else Outline(found.structure, found.level, name=name)


def outline_of_name(name: str) -> Outline | None:
    """What an exact name says ("vertebrae_L3", "L3 vertebra", "L3", "sacrum", "lesion 2"); None for other names."""
    words = [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]
    levels = [level for word in words if (level := _level(word)) is not None]
    rest = [word for word in words if _level(word) is None]
    if _LESION_WORDS.intersection(rest):
        return Outline(Structure.LESION, levels[0] if len(levels) == 1 else None)
    if " ".join(rest) in _PHRASES and not levels:
        return _PHRASES[" ".join(rest)]
    if len(levels) == 1 and set(rest) <= _VERTEBRA_WORDS:
        return bone_of(levels[0])
    if levels and set(rest) <= {"disc", "disk", "ivd"} and rest:
        return Outline(Structure.DISC, levels[0])
    return None


def _level(word: str) -> Level | None:
    try:
        return Level.parse(word)
    except BadInput:
        return None


def segment_metadata(
    outlines: Mapping[int, Outline], extents: Mapping[int, tuple[int, ...]], size: tuple[int, ...],
    marks: Mapping[int, str] = MappingProxyType({}),
) -> dict[str, str]:  # fmt: skip
    """Header keys of a one-layer .seg.nrrd.

    :param outlines: outline of each value.
    :param extents: first and last index along i, j and k of each value.
    :param size: number of voxels along i, j and k.
    :param marks: by value, of outlines that a program made and nobody edited, see `spinemet.study.unedited`.
    """
    keys = {
        "Segmentation_ContainedRepresentationNames": "Binary labelmap|",
        "Segmentation_MasterRepresentation": "Binary labelmap",
        "Segmentation_ReferenceImageExtentOffset": "0 0 0",
    }
    for index, (value, outline) in enumerate(outlines.items()):
        prefix = f"Segment{index}_"
        red, green, blue = STRUCTURE_COLORS[outline.structure]
        extent = extents.get(value, (0, size[0] - 1, 0, size[1] - 1, 0, size[2] - 1))
        keys |= {
            prefix + "ID": f"Segment_{value}",
            prefix + "Name": _one_line(name_of(outline)),
            prefix + "NameAutoGenerated": "0",
            prefix + "Color": f"{red:.6g} {green:.6g} {blue:.6g}",
            prefix + "ColorAutoGenerated": "0",
            prefix + "LabelValue": str(value),
            prefix + "Layer": "0",
            prefix + "Extent": " ".join(str(n) for n in extent),
            prefix + "Tags": _tag_text(outline, marks.get(value, "")),
        }
    return keys


def _tag_text(outline: Outline, mark: str) -> str:
    tags = {TERMINOLOGY_TAG: entry_of(outline), **tags_of(outline), UNEDITED: mark}
    return "".join(f"{key}:{_one_line(value).replace('|', '/')}|" for key, value in tags.items() if value)


def _one_line(text: str) -> str:
    return " ".join(text.split())
