"""OutlineWatch: the label maps of a segmentation node, kept current by looking only at what an edit changed.

What changed is found by comparing the voxels of every layer with a copy of them, never from the segment that an event
names: painting A over B changes B, too. All work comes in steps of about a millisecond.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinemet.case import Outline, Structure
from spinemet.image import Image, Region
from spinemet.labelmap import LabelMap
from spinemet.scene.segmentations import LABELMAP, layers_of, outlines_of, placed_on, require_levels_once
from spinemet.scene.volumes import image_from_volume

KINDS = ("vertebrae", "lesions")
_KIND_OF = {Structure.VERTEBRA: "vertebrae", Structure.SACRUM: "vertebrae", Structure.LESION: "lesions"}
_SLAB_VOXELS = 1 << 20
"""Voxels that are compared in one step."""


@dataclass
class _Layer:
    """A layer as it was seen last.

    :param region: the part of the reference grid on which `voxels` are kept.
    :param voxels: a copy of the layer's voxels there.
    :param tables: for each kind of label map, the map's value of every label.
    :param stamp: where the voxels lie in memory and when they were modified.
    """

    region: Region
    voxels: NDArray[Any]
    tables: dict[str, NDArray[Any]] = field(default_factory=dict)
    stamp: tuple[str, int] = ("", 0)

    def cover(self, region: Region) -> None:
        """Keep at least this region; what was not kept so far was empty."""
        union = _union(self.region, region) if self.voxels.size else region
        if union == self.region:
            return
        voxels = np.zeros(_size(union), self.voxels.dtype)
        if self.voxels.size:
            voxels[_within(self.region, union)] = self.voxels
        self.region, self.voxels = union, voxels


@dataclass(frozen=True)
class _Seen:
    """Segments with voxels: what each of them is, and those that are neither bone nor lesion."""

    wanted: dict[str, tuple[str, int, str]]
    """Kind, label and layer by segment ID; a layer goes by the name of the first segment that was seen in it."""
    others: frozenset[str]


class OutlineWatch:
    """The vertebrae and the lesions of a segmentation node on the grid of a reference volume.

    Gives the same label maps as `labelmaps_from_segmentation`; `update` changes their voxels in place.

    :param node: the segmentation node.
    :param reference: the volume node on whose grid the label maps are.
    :param lesion_segment_ids: segments that the user says are lesions.
    :raises BadInput: the reference holds no voxels, or lies under a non-linear transform.
    """

    def __init__(self, node: Any, reference: Any, lesion_segment_ids: Collection[str] = ()) -> None:
        self.node = node
        self.lesion_segment_ids = list(lesion_segment_ids)
        self.image: Image = image_from_volume(reference)
        self._seen: _Seen | None = None
        self._layers: dict[str, _Layer] = {}
        self._values: dict[str, dict[str, int]] = {}
        self._maps: dict[str, LabelMap] = {}
        self._fresh: set[str] = set()
        self._dirty: dict[str, tuple[Region, set[int]]] = {}
        self._lost: dict[str, Counter[int]] = {}

    @property
    def vertebrae(self) -> LabelMap:
        """Vertebrae and sacrum, as of the last `update`."""
        return self._maps["vertebrae"]

    @property
    def lesions(self) -> LabelMap:
        """Lesions, as of the last `update`."""
        return self._maps["lesions"]

    def read(self) -> tuple[LabelMap, LabelMap]:
        """Bring both label maps up to date at once."""
        for _ in self.update():
            pass
        return self.vertebrae, self.lesions

    def update(self) -> Iterator[None]:
        """Bring both label maps up to date, in steps. Who stops before the end goes on with the next call.

        :raises BadInput: a level twice, not a labelmap segmentation, or a non-linear transform above it.
        """
        present = [item for item in self.lesion_segment_ids if self.node.GetSegmentation().GetSegment(item)]
        outlines = outlines_of(self.node, present)
        require_levels_once(self.node, outlines)
        kinds = {key: _KIND_OF[item.structure] for key, item in outlines.items() if item.structure in _KIND_OF}
        layers = [
            (layer, labels, self._stamp(next(iter(labels.values())))) for layer, labels in layers_of(self.node, kinds)
        ]
        yield
        if not self._goes_on(kinds, layers):
            yield from self._start_over(kinds)
        names = self._note(kinds, layers)
        for name, (image, labels, stamp) in zip(names, layers, strict=True):
            yield from self._follow(self._layer(name, image, labels, kinds), image, stamp)
        for name in [name for name in self._layers if name not in names]:
            yield from self._follow(self._layers[name], None, ("", 0))
        self._settle(kinds, outlines)

    def _stamp(self, segment_id: str) -> tuple[str, int]:
        data = self.node.GetSegmentation().GetSegment(segment_id).GetRepresentation(LABELMAP)
        return data.GetAddressAsString(""), data.GetMTime()

    def _goes_on(self, kinds: dict[str, str], layers: list[Any]) -> bool:
        """Whether what was seen last can be followed: no segment lost, relabeled, or moved to another layer."""
        if self._seen is None:
            return False
        now = {key: (kinds[key], label) for _, labels, _ in layers for label, key in labels.items()}
        for key, (kind, label, _) in self._seen.wanted.items():
            if kinds.get(key) != kind or (key in now and now[key] != (kind, label)):
                return False
        if any(key in self._seen.others for key in now):
            return False
        before = self._seen.wanted
        homes = [{before[key][2] for key in labels.values() if key in before} for _, labels, _ in layers]
        known = [home for found in homes for home in found]
        return all(len(found) <= 1 for found in homes) and len(set(known)) == len(known)

    def _start_over(self, kinds: dict[str, str]) -> Iterator[None]:
        self._seen, self._layers, self._dirty = None, {}, {}
        self._values = {kind: {} for kind in KINDS}
        name = self.node.GetName() or "segmentation"
        for kind in KINDS:
            few = sum(item == kind for item in kinds.values()) < 256
            array = np.zeros(self.image.shape, np.uint8 if few else np.uint16)
            image = replace(self.image, array=array, name=name)
            self._maps[kind] = LabelMap(image, {}, numbering="names of the segments")
            self._lost[kind] = Counter()
            yield
        self._fresh = set(KINDS)

    def _note(self, kinds: dict[str, str], layers: list[Any]) -> list[str]:
        """Remember what is seen now; the names of the layers, each that of the first segment ever seen in it."""
        for key, kind in kinds.items():
            self._values[kind].setdefault(key, max(self._values[kind].values(), default=0) + 1)
        before = self._seen.wanted if self._seen is not None else {}
        names = []
        wanted = dict(before)
        for _, labels, _ in layers:
            name = next((before[key][2] for key in labels.values() if key in before), next(iter(labels.values())))
            names.append(name)
            wanted.update({key: (kinds[key], label, name) for label, key in labels.items()})
        segmentation = self.node.GetSegmentation()
        others = [key for key in segmentation.GetSegmentIDs() if key not in kinds and _has_voxels(segmentation, key)]
        self._seen = _Seen(wanted, frozenset(others))
        return names

    def _layer(self, name: str, image: Image, labels: dict[int, str], kinds: dict[str, str]) -> _Layer:
        nowhere = (slice(0, 0), slice(0, 0), slice(0, 0))
        layer = self._layers.setdefault(name, _Layer(nowhere, np.zeros((0, 0, 0), image.array.dtype)))
        if layer.voxels.dtype != image.array.dtype:
            layer.voxels = layer.voxels.astype(image.array.dtype)
        size = max(256, *(label + 1 for label in labels))
        if image.array.dtype.itemsize > 1:
            size = max(size, int(image.array.max(initial=0)) + 1)
        for kind in KINDS:
            own = {label: self._values[kind][key] for label, key in labels.items() if kinds[key] == kind}
            if own or kind in layer.tables:
                table = np.zeros(size, self._maps[kind].image.array.dtype)
                old = layer.tables.get(kind, table)[:size]
                table[: len(old)] = old
                table[list(own)] = list(own.values())
                layer.tables[kind] = table
        return layer

    def _follow(self, layer: _Layer, image: Image | None, stamp: tuple[str, int]) -> Iterator[None]:
        """Find where a layer differs from the copy, and write that part of the label maps anew."""
        if layer.stamp == stamp:
            return
        placed = placed_on(image, self.image.grid) if image is not None else None
        if placed is not None:
            layer.cover(placed.region)
        for slab in _slabs(layer.voxels.shape):
            old = layer.voxels[slab]
            if placed is None:
                new = np.zeros_like(old)
            elif placed.region == layer.region:
                new = placed.array[slab]
            else:
                new = _laid_on(_shifted(slab, layer.region), placed.region, placed.array)
            if not np.array_equal(old, new):
                self._write(layer, slab, new)
            yield
        # Only now: who stops before compares again.
        layer.stamp = stamp

    def _write(self, layer: _Layer, slab: Region, new: NDArray[Any]) -> None:
        """Take over one slab of a layer, and write the part that changed into the label maps."""
        box = _box_of(layer.voxels[slab] != new)
        inner = _shifted(box, slab)
        whole = _shifted(inner, layer.region)
        before = {kind: self._composed(kind, whole)[1] for kind in layer.tables}
        layer.voxels[inner] = new[box]
        for kind in layer.tables:
            written, lost = self._composed(kind, whole)
            self._lost[kind].update(lost)
            self._lost[kind].subtract(before[kind])
            target = self._maps[kind].image.array[whole]
            different = written != target
            values = set(_values_in(target[different])) | set(_values_in(written[different]))
            target[...] = written
            region, known = self._dirty.get(kind, (whole, set()))
            self._dirty[kind] = (_union(region, whole), known | values)

    def _composed(self, kind: str, whole: Region) -> tuple[NDArray[Any], Counter[int]]:
        """A region of a label map from all layers: the first outline keeps a voxel; how many each later one lost."""
        array = np.zeros(_size(whole), self._maps[kind].image.array.dtype)
        lost: Counter[int] = Counter()
        for layer in self._layers.values():
            shared = _shared(whole, layer.region) if kind in layer.tables else None
            if shared is None:
                continue
            incoming = layer.tables[kind][layer.voxels[_within(shared, layer.region)]]
            target = array[_within(shared, whole)]
            both = (incoming > 0) & (target > 0)
            if both.any():
                lost.update(incoming[both].tolist())
                incoming[both] = 0
            target += incoming
        return array, lost

    def _settle(self, kinds: dict[str, str], outlines: dict[str, Outline]) -> None:
        """Name what is outlined now, and say of which values the voxels changed."""
        for kind in KINDS:
            labelmap = self._maps[kind]
            region, values = self._dirty.pop(kind, (None, set()))
            if kind in self._fresh:
                # Nothing is known of the single values yet; what is known of them is found when it is asked for.
                labelmap = replace(labelmap)
            elif region is not None:
                labelmap = labelmap.edited(region, values - {0})
            identities = {self._values[kind][key]: outlines[key] for key in kinds if kinds[key] == kind}
            notes = tuple(
                f"{identities[value].name} overlaps another outline, which keeps the shared voxels."
                for value, count in sorted(self._lost[kind].items())
                if count > 0 and value in identities
            )
            self._maps[kind] = labelmap.renamed(identities, notes=notes)
        self._fresh = set()


def _has_voxels(segmentation: Any, segment_id: str) -> bool:
    data = segmentation.GetSegment(segment_id).GetRepresentation(LABELMAP)
    return data is not None and not data.IsEmpty()


def _slabs(shape: tuple[int, ...]) -> Iterator[Region]:
    """The array in pieces of whole planes, about `_SLAB_VOXELS` each."""
    planes = max(1, _SLAB_VOXELS // max(1, shape[1] * shape[2]))
    for start in range(0, shape[0], planes):
        yield (slice(start, min(start + planes, shape[0])), slice(0, shape[1]), slice(0, shape[2]))


def _laid_on(region: Region, source: Region, array: NDArray[Any]) -> NDArray[Any]:
    """What an array that covers `source` holds on `region`; 0 where it does not reach."""
    result = np.zeros(_size(region), array.dtype)
    shared = _shared(region, source)
    if shared is not None:
        result[_within(shared, region)] = array[_within(shared, source)]
    return result


def _box_of(mask: NDArray[np.bool_]) -> Region:
    """Bounding region of the true voxels; there is at least one."""
    ends = []
    for axis in range(3):
        line = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        ends.append(slice(int(line[0]), int(line[-1]) + 1))
    return (ends[0], ends[1], ends[2])


def _values_in(array: NDArray[Any]) -> list[int]:
    return [int(value) for value in np.flatnonzero(np.bincount(array.ravel()))] if array.size else []


def _size(region: Region) -> tuple[int, int, int]:
    k, j, i = (part.stop - part.start for part in region)
    return (k, j, i)


def _union(one: Region, other: Region) -> Region:
    k, j, i = (slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(one, other, strict=True))
    return (k, j, i)


def _shared(one: Region, other: Region) -> Region | None:
    k, j, i = (slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(one, other, strict=True))
    return (k, j, i) if all(part.start < part.stop for part in (k, j, i)) else None


def _within(region: Region, outer: Region) -> Region:
    """A region in the indices of an array that covers `outer`."""
    k, j, i = (slice(a.start - b.start, a.stop - b.start) for a, b in zip(region, outer, strict=True))
    return (k, j, i)


def _shifted(inner: Region, outer: Region) -> Region:
    """A region given in the indices of an array that covers `outer`, in the indices of the whole."""
    k, j, i = (slice(a.start + b.start, a.stop + b.start) for a, b in zip(inner, outer, strict=True))
    return (k, j, i)
