"""Frames: one plane of pixels each, from single-frame files and from frames of enhanced multi-frame objects alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spinemet.study.dicom_files import DicomFile
from spinemet.study.dictionary import PRIVATE_B_VALUES
from spinemet.study.elements import Header

LARGEST_COUNT = 100_000
"""More frames than this in one object are damage (ours)."""
LARGEST_B_VALUE = 1e6
"""GE adds multiples of 1e9 as flags to the b-value, which itself stays far below this."""


def number(value: Any) -> float | None:
    """A header's number, None when it is absent, empty, several, not a number or not finite."""
    try:
        result = float(value)
    except (TypeError, ValueError):
        return None
    return result if math.isfinite(result) else None


def whole(value: Any) -> int:
    """A count of a header, 0 when it is absent, damaged or negative."""
    result = number(value)
    return int(result) if result is not None and 0 < result < 2**31 else 0


def vector(value: Any, count: int) -> tuple[float, ...] | None:
    """`count` finite numbers of a header element, None when it is anything else."""
    if not isinstance(value, list) or len(value) != count:
        return None
    numbers = [found for item in value if (found := number(item)) is not None]
    return tuple(numbers) if len(numbers) == count else None


@dataclass(frozen=True, eq=False)
class Frame:
    """One plane of pixels.

    :param index: number of the frame in its file, from 0.
    :param position: of the center of the first pixel, LPS mm; None when the header does not say.
    :param orientation: unit vectors along a row and along a column, LPS.
    :param pitch: distance between rows and between columns in mm.
    :param scale: rescale slope and intercept as the header writes them.
    :param groups: functional groups of the frame, its own first, then those shared; none in single-frame files.
    """

    file: DicomFile
    index: int
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    pitch: tuple[float, ...] | None
    scale: tuple[Any, Any]
    groups: tuple[Header, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns; 0 where the header does not say."""
        return whole(self.file.header.get("Rows")), whole(self.file.header.get("Columns"))

    @property
    def where(self) -> str:
        """The file's name, and the frame's number in a multi-frame object."""
        name = f'"{self.file.name}"'
        return f"frame {self.index + 1} of {name}" if self.groups else name

    def get(self, keyword: str, *sequences: str) -> Any:
        """An element of the frame: from the named functional group, else from the data set itself."""
        if self.groups and sequences:
            found = _in_groups(self.groups, sequences, keyword)
            if found is not None:
                return found
        return self.file.header.get(keyword)

    @property
    def echo_time(self) -> float | None:
        """In ms."""
        value = number(self.get("EffectiveEchoTime", "MREchoSequence")) if self.groups else None
        return value if value is not None else number(self.get("EchoTime"))

    @property
    def inversion_time(self) -> float | None:
        """In ms; the first of several."""
        value = self.get("InversionTimes", "MRModifierSequence") if self.groups else None
        if isinstance(value, list):
            value = value[0] if value else None
        return number(value) if value is not None else number(self.get("InversionTime"))

    @property
    def repetition_time(self) -> float | None:
        """In ms."""
        return number(self.get("RepetitionTime", "MRTimingAndRelatedParametersSequence"))

    @property
    def b_value(self) -> float | None:
        """Diffusion weighting in s/mm², from the standard's element, else from the vendor's private one."""
        value = number(self.get("DiffusionBValue", "MRDiffusionSequence"))
        return value if value is not None else private_b_value(self.file.header)

    @property
    def image_type(self) -> tuple[str, ...]:
        """Values of the image type in upper case, of a multi-frame object's frame its own."""
        value = None
        for sequence in ("MRImageFrameTypeSequence", "CTImageFrameTypeSequence", "PETFrameTypeSequence"):
            value = value or (_in_groups(self.groups, (sequence,), "FrameType") if self.groups else None)
        value = value or self.file.header.get("ImageType")
        listed = value if isinstance(value, list) else [value] if value else []
        return tuple(str(item).upper() for item in listed)

    @property
    def diffusion_direction(self) -> tuple[float, ...] | None:
        """Unit vector of the diffusion gradient."""
        path = ("MRDiffusionSequence", "DiffusionGradientDirectionSequence")
        found = _in_groups(self.groups, path, "DiffusionGradientOrientation")
        return vector(found if found is not None else self.file.header.get("DiffusionGradientOrientation"), 3)


def _in_groups(groups: Sequence[Header], sequences: Sequence[str], keyword: str) -> Any:
    """The element at the end of a path of sequences, in the first group that has it."""
    for group in groups:
        level: Header | None = group
        for sequence in sequences:
            inside = level.items(sequence) if level is not None else []
            level = inside[0] if inside else None
        if level is not None and keyword in level:
            return level.get(keyword)
    return None


def private_b_value(header: Header) -> float | None:
    """The b-value that Siemens, GE or Philips write into private elements; None when there is none."""
    for tag, creator in PRIVATE_B_VALUES.items():
        block = (tag & 0xFFFF0000) | (tag >> 8 & 0xFF)
        if str(header.by_tag(block) or "").strip().upper() != creator:
            continue
        value = header.by_tag(tag)
        if isinstance(value, list):
            value = value[0] if value else None
        result = number(value)
        if result is not None:
            return result % 1e6 if result > LARGEST_B_VALUE else result
    return None


def frames_of(file: DicomFile) -> list[Frame]:
    """The frames of one file in its own order; of a single-frame file just one."""
    header = file.header
    own = header.items("PerFrameFunctionalGroupsSequence")
    if not own:
        return [
            Frame(
                file,
                0,
                vector(header.get("ImagePositionPatient"), 3),
                vector(header.get("ImageOrientationPatient"), 6),
                vector(header.get("PixelSpacing"), 2),
                (header.get("RescaleSlope"), header.get("RescaleIntercept")),
            )
        ]
    shared = tuple(header.items("SharedFunctionalGroupsSequence")[:1])
    return [_enhanced(file, index, (group, *shared)) for index, group in enumerate(own[:LARGEST_COUNT])]


def _enhanced(file: DicomFile, index: int, groups: tuple[Header, ...]) -> Frame:
    values = "PixelValueTransformationSequence"
    return Frame(
        file,
        index,
        vector(_in_groups(groups, ("PlanePositionSequence",), "ImagePositionPatient"), 3),
        vector(_in_groups(groups, ("PlaneOrientationSequence",), "ImageOrientationPatient"), 6),
        vector(_in_groups(groups, ("PixelMeasuresSequence",), "PixelSpacing"), 2),
        (_in_groups(groups, (values,), "RescaleSlope"), _in_groups(groups, (values,), "RescaleIntercept")),
        groups,
    )
