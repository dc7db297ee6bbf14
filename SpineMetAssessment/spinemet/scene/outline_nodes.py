"""Single segments read and written, whole segmentations taken out and put back without loss, overlaps included.

Key functions: `mask_of` and `set_mask` for one segment, `layers_from_segmentation` for all, `add_outlines`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray

from spinemet.case import Outline, Structure
from spinemet.errors import BadInput
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.scene.segmentations import layers_of, outlines_of, placed_on, segmentation_from_labelmaps
from spinemet.scene.volumes import image_data, image_from_volume, matrix_to_world, vtk_matrix


def mask_of(node: Any, reference: Any, segment_id: str) -> Image | None:
    """One segment as a boolean crop of the reference volume's grid, in the world; None when it is empty.

    :raises BadInput: there is no such segment, or no labelmap in the node.
    """
    if node.GetSegmentation().GetSegment(segment_id) is None:
        raise BadInput(f"{node.GetName()} has no such segment any more; choose another one.")
    image = image_from_volume(reference)
    for layer, labels in layers_of(node, [segment_id]):
        placed = placed_on(layer, image.grid)
        if placed is None:
            continue
        found = placed.array == next(iter(labels))
        if not found.any():
            continue
        crop = image.crop(placed.region)
        return Image(found, crop.ijk_to_ras, frame=image.frame, name=node.GetName() or "segment")
    return None


def set_mask(node: Any, segment_id: str, mask: Image | None) -> None:
    """Let one segment be a mask; all other segments keep their voxels, also where they overlap it.

    :param mask: boolean, in the world; None empties the segment.
    """
    segment = node.GetSegmentation().GetSegment(segment_id)
    if segment is None:
        raise BadInput(f"{node.GetName()} has no such segment any more; choose another one.")
    if mask is None or not mask.array.any():
        node.GetSegmentation().ClearSegment(segment_id)
        return
    data = image_data(mask.array.astype(np.uint8), slicer.vtkOrientedImageData)
    data.SetImageToWorldMatrix(vtk_matrix(np.linalg.inv(matrix_to_world(node)) @ mask.ijk_to_ras))
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    if not logic.SetBinaryLabelmapToSegment(data, node, segment_id, logic.MODE_REPLACE):
        raise BadInput(f"{segment.GetName()} could not be changed; look at its segmentation.")


def layers_from_segmentation(node: Any, reference: Any) -> list[LabelMap]:
    """All segments with voxels on the reference's grid, as one label map for each layer of the node.

    What `segmentation_from_labelmaps` makes of them has the same segments with the same voxels and identities. A
    segment that is none of ours is `Structure.OTHER` under its name.

    :raises BadInput: no labelmap in the node, or a non-linear transform above it.
    """
    image = image_from_volume(reference)
    known = outlines_of(node)
    segmentation = node.GetSegmentation()
    found = []
    for layer, labels in layers_of(node, list(segmentation.GetSegmentIDs())):
        placed = placed_on(layer, image.grid)
        if placed is None:
            continue
        highest = max(max(labels), int(placed.array.max(initial=0)))
        array: NDArray[Any] = np.zeros(image.shape, np.uint8 if highest < 256 else np.uint16)
        array[placed.region] = np.where(np.isin(placed.array, list(labels)), placed.array, 0)
        outlines = {
            value: known.get(key, Outline(Structure.OTHER, name=segmentation.GetSegment(key).GetName() or key))
            for value, key in labels.items()
        }
        own = Image(array, image.ijk_to_ras, frame=image.frame, name=node.GetName() or "segmentation")
        found.append(LabelMap(own, outlines, "names of the segments"))
    return found


def add_outlines(node: Any, reference: Any, labels: LabelMap) -> list[str]:
    """New segments for all outlines of a label map on the reference's grid; returns their IDs.

    :raises GridMismatch: the label map lies on another grid.
    """
    scene = node.GetScene()
    extra = segmentation_from_labelmaps(scene, [labels], reference, "outlines to add")
    before = set(node.GetSegmentation().GetSegmentIDs())
    was_modifying = node.StartModify()
    try:
        for segment_id in extra.GetSegmentation().GetSegmentIDs():
            node.GetSegmentation().CopySegmentFromSegmentation(extra.GetSegmentation(), segment_id)
    finally:
        node.EndModify(was_modifying)
        scene.RemoveNode(extra)
    return [key for key in node.GetSegmentation().GetSegmentIDs() if key not in before]
