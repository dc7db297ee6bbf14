"""Label maps to one segmentation node and back, without loss where outlines overlap.

Each label map becomes one layer of the segmentation, so vertebrae share a layer and lesions lie over them in
another. What a segment is stands in its tags; names and terminology are for people and for other modules, and
are read only where tags are missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray

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
from spinemet.image import Grid, Image, Region
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.scene.terminology import load_terminology
from spinemet.scene.volumes import array_of, image_data, image_from_volume, matrix_to_world, voxels, vtk_matrix

LABELMAP = "Binary labelmap"
"""Name of the representation, vtkSegmentationConverter's BINARY_LABELMAP."""
FILL_OPACITY = 0.2
"""In slices, so that the bone can be read through its outline."""
_BONES = (Structure.VERTEBRA, Structure.SACRUM)
_NAMES = (
    re.compile(r"(?:vertebrae?|vertebra_body)[ _-](?P<level>\w+)", re.IGNORECASE),
    re.compile(r"(?P<level>\w+)[ _-]vertebra", re.IGNORECASE),
    re.compile(r"(?P<level>\w+)"),
)


def segmentation_from_labelmaps(
    scene: Any, labelmaps: Sequence[LabelMap], reference: Any, name: str = "Spine segmentation"
) -> Any:
    """Add one segmentation node with a segment for each outline that has voxels.

    :param labelmaps: on the grid of `reference`; each becomes a layer, so outlines of different maps may overlap.
    :param reference: the volume node that the outlines belong to; under a transform, the node follows it.
    :raises GridMismatch: a label map lies on another grid than the reference.
    """
    image = image_from_volume(reference)
    for labelmap in labelmaps:
        image.require_grid(labelmap.image)
    load_terminology()
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.SetReferenceImageGeometryParameterFromVolumeNode(reference)
    node.SetAndObserveTransformNodeID(reference.GetTransformNodeID())
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetOpacity2DFill(FILL_OPACITY)
    matrix = vtk.vtkMatrix4x4()
    reference.GetIJKToRASMatrix(matrix)
    segmentation = node.GetSegmentation()
    segmentation.SetSourceRepresentationName(LABELMAP)
    was_modifying = node.StartModify()
    try:
        for labelmap in labelmaps:
            if labelmap.present:
                layer = _layer(labelmap, array_of(matrix))
                for value, outline in labelmap.present.items():
                    segmentation.AddSegment(_segment(outline, value, layer), _segment_id(segmentation, outline))
    finally:
        node.EndModify(was_modifying)
    return node


def outlines_of(node: Any, lesion_segment_ids: Collection[str] = ()) -> dict[str, Outline]:
    """What each segment stands for, by segment ID; segments that cannot be told are left out.

    Read from the tags, else from the terminology, else from the exact name ("vertebrae_L3", "L3 vertebra", "L3",
    "sacrum").

    :param lesion_segment_ids: segments that the user says are lesions, whatever else they carry.
    :raises BadInput: a segment asked for is not there.
    """
    segmentation = node.GetSegmentation()
    for segment_id in lesion_segment_ids:
        if segmentation.GetSegment(segment_id) is None:
            raise BadInput(f"{node.GetName()} has no segment {segment_id}; choose the lesion segments again.")
    found = {}
    for segment_id in segmentation.GetSegmentIDs():
        segment = segmentation.GetSegment(segment_id)
        outline = _identity(segment)
        if segment_id in lesion_segment_ids and (outline is None or outline.structure is not Structure.LESION):
            outline = Outline(Structure.LESION)
        if outline is None:
            continue
        if outline.structure is Structure.LESION and not outline.lesion_id:
            # A segment's ID is the one thing about it that renaming does not change.
            outline = replace(outline, lesion_id=segment_id)
        found[segment_id] = replace(outline, frame=_tag(segment, TAG_FRAME), name=segment.GetName() or "")
    return _sacrum_below_s1(found)


def labelmaps_from_segmentation(
    node: Any, reference: Any, lesion_segment_ids: Collection[str] = ()
) -> tuple[LabelMap, LabelMap]:
    """The vertebrae (with the sacrum) and the lesions as label maps on the reference volume's grid, in the world.

    :raises BadInput: a level twice, not a labelmap segmentation, or a non-linear transform above it.
    """
    require_levels_once(node, outlines_of(node, lesion_segment_ids))
    vertebrae = labelmap_from_segmentation(
        node, reference, lambda outline: outline.structure in _BONES, lesion_segment_ids
    )
    lesions = labelmap_from_segmentation(
        node, reference, lambda outline: outline.structure is Structure.LESION, lesion_segment_ids
    )
    return vertebrae, lesions


def labelmap_from_segmentation(
    node: Any, reference: Any, wanted: Callable[[Outline], bool], lesion_segment_ids: Collection[str] = ()
) -> LabelMap:
    """The segments whose outline is `wanted` as one label map; values count up from 1 in the segments' order.

    Internal labelmaps on the reference's grid are copied, others are resampled (nearest neighbor). A label map holds
    one outline in each voxel: where wanted segments overlap each other the first one keeps it, and a note says so.

    :raises BadInput: not a labelmap segmentation, or a non-linear transform above it.
    """
    image = image_from_volume(reference)
    outlines = {key: item for key, item in outlines_of(node, lesion_segment_ids).items() if wanted(item)}
    values = {segment_id: value for value, segment_id in enumerate(outlines, start=1)}
    array = np.zeros(image.shape, np.uint8 if len(values) < 256 else np.uint16)
    notes = []
    for layer, labels in layers_of(node, values):
        placed = placed_on(layer, image.grid)
        if placed is None:
            continue
        target, source = array[placed.region], placed.array
        table = np.zeros(max(int(source.max(initial=0)), max(labels)) + 1, array.dtype)
        for label, segment_id in labels.items():
            table[label] = values[segment_id]
        incoming = table[source]
        lost = np.unique(incoming[(incoming > 0) & (target > 0)])
        names = {value: outlines[segment_id].name for segment_id, value in values.items()}
        notes += [f"{names[int(value)]} overlaps another outline, which keeps the shared voxels." for value in lost]
        np.copyto(target, incoming, where=(incoming > 0) & (target == 0))
    labelmap = Image(array, image.ijk_to_ras, frame=image.frame, name=node.GetName() or "segmentation")
    identities = {values[segment_id]: outline for segment_id, outline in outlines.items()}
    return LabelMap(labelmap, identities, numbering="names of the segments", notes=tuple(notes))


def _sacrum_below_s1(outlines: dict[str, Outline]) -> dict[str, Outline]:
    """Where S1 has a segment of its own, one only called "sacrum" is the rest of it (as in TotalSegmentator)."""
    s1 = [key for key, item in outlines.items() if item.structure in _BONES and item.level is Level.S1]
    rest = [key for key in s1 if outlines[key].name.strip().lower() == "sacrum"]
    if len(s1) == 2 and len(rest) == 1:
        return {**outlines, rest[0]: replace(outlines[rest[0]], level=None)}
    return outlines


def require_levels_once(node: Any, outlines: dict[str, Outline]) -> None:
    seen: dict[Level, str] = {}
    for outline in outlines.values():
        if outline.structure not in _BONES or outline.level is None:
            continue
        if outline.level in seen:
            raise BadInput(
                f"{node.GetName()} holds {outline.level} twice, as {seen[outline.level]} and {outline.name};"
                " correct the levels."
            )
        seen[outline.level] = outline.name


@dataclass(frozen=True)
class _Placed:
    """A layer's voxels on a region of the reference grid."""

    region: Region
    array: NDArray[Any]


def layers_of(node: Any, segment_ids: Collection[str]) -> Iterator[tuple[Image, dict[int, str]]]:
    """Internal labelmaps in the world, each once, with the label value of every wanted segment in it."""
    if not segment_ids:
        return
    segmentation = node.GetSegmentation()
    if segmentation.GetSourceRepresentationName() != LABELMAP and not segmentation.CreateRepresentation(LABELMAP):
        raise BadInput(f"{node.GetName()} holds no labelmap; convert it in the Segmentations module.")
    to_world = matrix_to_world(node)
    shared: dict[str, tuple[Any, dict[int, str]]] = {}
    for segment_id in segment_ids:
        segment = segmentation.GetSegment(segment_id)
        data = segment.GetRepresentation(LABELMAP)
        if data is None or data.IsEmpty() or data.GetPointData().GetScalars() is None:
            continue
        _, labels = shared.setdefault(data.GetAddressAsString(""), (data, {}))
        labels[segment.GetLabelValue()] = segment_id
    for data, labels in shared.values():
        matrix = vtk.vtkMatrix4x4()
        data.GetImageToWorldMatrix(matrix)
        full = array_of(matrix)
        # The matrix speaks of index (0, 0, 0); the voxels begin at the extent's corner.
        corner = full.copy()
        corner[:3, 3] += full[:3, :3] @ np.array(data.GetExtent()[::2], dtype=float)
        yield Image(voxels(data), to_world @ corner, name=node.GetName() or "segmentation"), labels


def placed_on(layer: Image, grid: Grid) -> _Placed | None:
    """The part of a layer that lies on the grid, copied where both share voxels, else resampled; None if apart."""
    start = grid.to_index(layer.grid.corners[0])
    offset = np.rint(start).astype(int)
    steps = grid.ras_to_ijk[:3, :3] @ layer.ijk_to_ras[:3, :3]
    reach = np.array(layer.shape[::-1])
    if np.abs(start - offset).max() < 0.01 and np.abs((steps - np.eye(3)) * reach).max() < 0.01:
        low = np.maximum(offset, 0)
        high = np.minimum(offset + reach, np.array(grid.shape[::-1]))
        if np.any(high <= low):
            return None
        region = tuple(slice(int(a), int(b)) for a, b in zip(low[::-1], high[::-1], strict=True))
        inner = tuple(
            slice(int(a - o), int(b - o)) for a, b, o in zip(low[::-1], high[::-1], offset[::-1], strict=True)
        )
        return _Placed((region[0], region[1], region[2]), layer.array[inner])
    try:
        around = grid.region_around(layer.grid.corners, margin_mm=float(layer.spacing.max()))
    except BadInput:
        return None
    return _Placed(around, layer.resample(grid.crop(around), nearest=True).array)


def _layer(labelmap: LabelMap, ijk_to_ras: NDArray[np.float64]) -> Any:
    """All outlines of a label map as one vtkOrientedImageData on their common bounding region."""
    regions = [labelmap.region(value) for value in labelmap.present]
    k, j, i = (
        slice(min(region[axis].start for region in regions), max(region[axis].stop for region in regions))
        for axis in range(3)
    )
    array = labelmap.image.array[k, j, i]
    highest = max(labelmap.present)
    kept = np.zeros(max(int(array.max()), highest) + 1, np.uint8 if highest < 256 else np.uint16)
    kept[list(labelmap.present)] = list(labelmap.present)
    layer = image_data(kept[array], slicer.vtkOrientedImageData)
    layer.SetExtent(i.start, i.stop - 1, j.start, j.stop - 1, k.start, k.stop - 1)
    layer.SetImageToWorldMatrix(vtk_matrix(ijk_to_ras))
    return layer


def _segment(outline: Outline, value: int, layer: Any) -> Any:
    segment = slicer.vtkSegment()
    segment.SetName(name_of(outline))
    segment.SetNameAutoGenerated(False)
    segment.SetColor(*STRUCTURE_COLORS[outline.structure])
    segment.SetColorAutoGenerated(False)
    for tag, text in tags_of(outline).items():
        segment.SetTag(tag, text)
    entry = entry_of(outline)
    if entry:
        segment.SetTerminology(entry)
    segment.SetLabelValue(value)
    segment.AddRepresentation(LABELMAP, layer)
    return segment


def _segment_id(segmentation: Any, outline: Outline) -> str:
    wanted = outline.lesion_id if outline.structure is Structure.LESION else name_of(outline).replace(" ", "_")
    return str(segmentation.GenerateUniqueSegmentID(wanted or "Segment"))


def _identity(segment: Any) -> Outline | None:
    return (
        _from_tags(segment)
        or outline_of(segment.GetTerminology() or "")
        or _from_name((segment.GetName() or "").strip())
    )


def _from_tags(segment: Any) -> Outline | None:
    structure, level = _tag(segment, TAG_STRUCTURE), _tag(segment, TAG_LEVEL)
    try:
        return Outline(Structure(structure), Level(level) if level else None, _tag(segment, TAG_LESION_ID))
    except ValueError:
        # No tags, or tags of a later version.
        return None


def _from_name(name: str) -> Outline | None:
    if name.lower() == "sacrum":
        return bone_of(Level.S1)
    for pattern in _NAMES:
        match = pattern.fullmatch(name)
        if match is None:
            continue
        try:
            return bone_of(Level.parse(match["level"]))
        except BadInput:
            continue
    return None


def _tag(segment: Any, tag: str) -> str:
    text = vtk.reference("")
    return str(text) if segment.GetTag(tag, text) else ""
