"""LabelMap: one integer image and the outline that each of its values stands for."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy import ndimage

from spinemet.case import Outline, Structure
from spinemet.errors import BadInput
from spinemet.image import Image, Region
from spinemet.levels import Level, shifted


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
    def _boxes(self) -> dict[int, Region]:
        """Bounding region of every value that has voxels, with or without an outline."""
        found = ndimage.find_objects(self.image.array)
        return {value: region for value, region in enumerate(found, start=1) if region}

    @cached_property
    def _digests(self) -> dict[int, bytes]:
        """Digests of the voxels of single values, made when they are first asked for."""
        return {}

    @property
    def _regions(self) -> dict[int, Region]:
        return {value: self._boxes[value] for value in self.outlines if value in self._boxes}

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
        return self._same_voxels(outlines=kept)

    def renamed(self, outlines: dict[int, Outline], *, notes: tuple[str, ...] | None = None) -> LabelMap:
        """The same voxels under other outlines."""
        return self._same_voxels(outlines=outlines, notes=self.notes if notes is None else notes)

    def shifted(self, step: int, *, spine: Collection[Level] = ()) -> LabelMap:
        """The same voxels with all vertebrae, and the lesions that name one, called `step` levels farther down.

        An outlined sacrum is no vertebra that was miscounted: it keeps its name.

        :param step: toward the tail; negative toward the head.
        :param spine: levels of the vertebrae, where this label map holds their lesions only: they tell the variants.
        :raises BadInput: a level would be named beyond C1 or S5, or like an outline that keeps its name.
        """
        fixed = [item.level for item in self.present.values() if item.structure is Structure.SACRUM and item.level]
        moving = {
            value: outline.level
            for value, outline in self.outlines.items()
            if outline.structure is not Structure.SACRUM and outline.level not in (None, Level.OCC)
        }
        names = shifted([level for level in (*moving.values(), *spine) if level], step, fixed=fixed)
        outlines = {
            value: replace(outline, level=names[outline.level])
            if value in moving and outline.level is not None
            else outline
            for value, outline in self.outlines.items()
        }
        way = "toward the feet" if step > 0 else "toward the head"
        return replace(
            self.renamed(outlines), numbering=f"{self.numbering}, names shifted by {abs(step)} {way}".lstrip(", ")
        )

    def edited(self, region: Region, values: Iterable[int]) -> LabelMap:
        """The label map after its voxels were changed in place; what is known of other values is kept.

        This one must not be used any more.

        :param region: holds every voxel that changed.
        :param values: every value that a changed voxel had or has now; background does not matter.
        """
        boxes, digests = dict(self._boxes), dict(self._digests)
        for value in set(values):
            digests.pop(value, None)
            around = _union(region, boxes.pop(value, region))
            found = ndimage.find_objects((self.image.array[around] == value).view(np.uint8))
            if found:
                boxes[value] = _shifted(found[0], around)
        result = replace(self, image=self.image.with_array(self.image.array))
        result.__dict__.update(_boxes=dict(sorted(boxes.items())), _digests=digests)
        return result

    def _same_voxels(self, **changes: Any) -> LabelMap:
        result = replace(self, **changes)
        result.__dict__["_digests"] = self._digests
        if "_boxes" in self.__dict__:
            result.__dict__["_boxes"] = self._boxes
        return result

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
            identity = (outline.structure.value, str(outline.level), outline.lesion_id)
            entries.append(repr(identity).encode() + self.digest(value))
        digest = hashlib.blake2b(digest_size=16)
        for entry in sorted(entries):
            digest.update(len(entry).to_bytes(8, "little") + entry)
        return digest.hexdigest()

    def digest(self, value: int) -> bytes:
        """Digest of the shape and place of one value; made once. :raises KeyError: no voxel has it."""
        if value not in self._digests:
            mask = self.mask(value, margin_voxels=0)
            content = repr(mask.shape).encode() + mask.grid.place + np.packbits(mask.array).tobytes()
            self._digests[value] = hashlib.blake2b(content, digest_size=16).digest()
        return self._digests[value]


def _union(one: Region, other: Region) -> Region:
    k, j, i = (slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(one, other, strict=True))
    return (k, j, i)


def _shifted(inner: tuple[slice, ...], outer: Region) -> Region:
    k, j, i = (slice(a.start + b.start, a.stop + b.start) for a, b in zip(inner, outer, strict=True))
    return (k, j, i)
