"""Marks of outlines that a program made and nobody edited: they fit the voxels as the program left them.

Whoever edits an outline changes its voxels, and the mark fits no more; whoever looks at it and finds it right takes
the mark away. Key functions: `voxel_mark` makes one, `marks_of` finds those of a file, `unedited` compares.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.labelmap import LabelMap
from spinemet.study.volumes import read_info

UNEDITED = "SpineMet.Unedited"
"""Tag of a segment, and key of a file with numbers alone, that hold marks."""
NIFTI_TEXT = "ITK_FileNotes"
"""NIfTI has no keys of one's own; its description, of 80 letters, is this one."""
_MARKS = re.compile(rf"{re.escape(UNEDITED)}[:=]([0-9a-f ]+)")


def voxel_mark(mask: NDArray[np.bool_]) -> str:
    """Eight letters that tell a mask (k, j, i) from any other one; its place in the array does not matter."""
    box = ndimage.find_objects(mask.view(np.uint8) if mask.dtype == bool else mask.astype(np.uint8))
    inner = np.ascontiguousarray(mask[box[0]]) if box else np.zeros((0, 0, 0), bool)
    return f"{zlib.crc32(np.packbits(inner).tobytes(), zlib.crc32(repr(inner.shape).encode())):08x}"


def marks_of_labels(labels: LabelMap) -> dict[int, str]:
    """The mark of each outline, by value, to be written with it."""
    return {value: voxel_mark(labels.image.array[labels.region(value)] == value) for value in labels.present}


def header_of(marks: Mapping[int, str]) -> dict[str, str]:
    """What a file with numbers alone holds besides its voxels."""
    text = " ".join(marks.values())
    return {UNEDITED: text, NIFTI_TEXT: f"{UNEDITED}={text}"} if text else {}


def marks_of(path: str | os.PathLike[str]) -> frozenset[str]:
    """The marks in a file's header; empty for files of other programs."""
    metadata = read_info(Path(path), components=True).metadata
    texts = [metadata.get(UNEDITED, ""), *(found for text in metadata.values() for found in _MARKS.findall(text))]
    return frozenset(mark for text in texts for mark in text.split())


def unedited(labels: LabelMap, marks: Collection[str]) -> frozenset[int]:
    """The values of a label map whose outlines are as a program left them."""
    if not marks:
        return frozenset()
    return frozenset(value for value, mark in marks_of_labels(labels).items() if mark in marks)
