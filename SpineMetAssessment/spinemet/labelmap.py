"""LabelMap: one integer image and the outline that each of its values stands for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import ndimage

from spinemet.case import Outline, Structure
from spinemet.errors import BadInput
from spinemet.image import Image, Region
from spinemet.levels import Level


@dataclass(frozen=True, eq=False)
class LabelMap:
    """Outlines as an integer image. Structures that overlap belong in separate label maps.

    :param image: integer voxels (k, j, i).
    :param outlines: the outline of each value; values without an entry are ignored.
    :param numbering: which convention named the values, and how it was found ("TotalSegmentator, detected").
    :param notes: sentences for the reader (ignored labels, flagged variants).
    """

    image: Image
    outlines: dict[int, Outline]
    numbering: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.image.array.dtype.kind not in "ui":
            raise BadInput(f"{self.image.name} holds {self.image.array.dtype} values; a label map holds integers.")

    @cached_property
    def _regions(self) -> dict[int, Region]:
        found = ndimage.find_objects(self.image.array)
        return {value: found[value - 1] for value in self.outlines if value <= len(found) and found[value - 1]}

    @property
    def present(self) -> dict[int, Outline]:
        """The outlines that have at least one voxel."""
        return {value: self.outlines[value] for value in self._regions}

    def region(self, value: int, margin_voxels: int = 0) -> Region:
        """Bounding region of a value, clipped to the image. :raises KeyError: no voxel has it."""
        low_high = zip(self._regions[value], self.image.shape, strict=True)
        k, j, i = (slice(max(0, s.start - margin_voxels), min(n, s.stop + margin_voxels)) for s, n in low_high)
        return (k, j, i)

    def mask(self, value: int, margin_voxels: int = 2) -> Image:
        """Boolean image of one value on its bounding region plus a margin."""
        crop = self.image.crop(self.region(value, margin_voxels))
        return crop.with_array(crop.array == value)

    def only(self, *structures: Structure) -> LabelMap:
        """The same voxels, with the outlines of these structures alone."""
        kept = {value: outline for value, outline in self.outlines.items() if outline.structure in structures}
        return replace(self, outlines=kept)

    def values(self, structure: Structure) -> list[int]:
        """Values with at least one voxel that stand for `structure`."""
        return [value for value, outline in self.present.items() if outline.structure is structure]

    def value_of(self, level: Level) -> int | None:
        """The value of the vertebra (or sacrum, for S1) at `level`, None when it has no voxel."""
        for value, outline in self.present.items():
            if outline.structure in (Structure.VERTEBRA, Structure.SACRUM) and outline.level is level:
                return value
        return None

    @cached_property
    def levels(self) -> dict[Level, int]:
        """Levels that have voxels, from head to tail, with their values."""
        pairs = [
            (outline.level, value)
            for value, outline in self.present.items()
            if outline.structure in (Structure.VERTEBRA, Structure.SACRUM) and outline.level is not None
        ]
        return dict(sorted(pairs, key=lambda pair: pair[0].order))

    def binary(self, value: int) -> np.ndarray:
        """Whole-volume boolean array of one value; prefer `mask`, which is a crop."""
        return np.asarray(self.image.array == value)

    @cached_property
    def fingerprint(self) -> str:
        """Digest of what is outlined where: the outlines' identities, shapes and places.

        The numbers that stand for the outlines, and the empty space round them, do not matter; so a label map has
        the same fingerprint after its way through a segmentation node or a file.
        """
        entries = []
        for value, outline in self.present.items():
            mask = self.mask(value, margin_voxels=0)
            identity = (outline.structure.value, str(outline.level), outline.lesion_id, mask.shape)
            entries.append(repr(identity).encode() + mask.grid.place + np.packbits(mask.array).tobytes())
        digest = hashlib.blake2b(digest_size=16)
        for entry in sorted(entries):
            digest.update(len(entry).to_bytes(8, "little") + entry)
        return digest.hexdigest()
