"""OutlineMendLogic: mends one segment by the library's edits: reads the scene, and writes masks when told to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import slicer
from slicer.i18n import tr as _

from SpineMetAssessmentLib.LogicPart import LogicPart

_ROOM_MM = 25.0
"""What is looked at round a segment."""
_OWN, _OTHERS = 1, 2
"""Values of the segment and of its neighbors in the label map that is edited."""


@dataclass(frozen=True)
class MendResult:
    """What an edit gives.

    :param masks: by segment ID; None empties the segment.
    :param added: outlines of new segments and their masks.
    """

    masks: dict[str, Any]
    added: tuple[tuple[Any, Any], ...] = ()


class OutlineMendLogic(LogicPart):
    """Edits of a segment that leave its neighbors alone."""

    def mend(
        self, node: Any, volume: Any, segmentID: str, edit: Callable[[Any, int], Any], whole: bool = False
    ) -> MendResult:
        """A segment after `edit(labels, value)`, a function of spinemet.segmentation.edit or .interpolate.

        :param whole: the edit may reach everywhere in the image, not only near the segment.
        :raises spinemet.errors.SpineMetError: it cannot be done; nothing changes.
        """
        labels = self._editable(node, volume, segmentID, whole)
        after = edit(labels, _OWN)
        masks = {segmentID: after.image.with_array(after.image.array == _OWN)}
        added = [
            (item, after.image.with_array(after.image.array == value))
            for value, item in after.present.items()
            if value not in (_OWN, _OTHERS)
        ]
        return MendResult(masks, tuple(added))

    def mergeInto(self, node: Any, volume: Any, segmentID: str, into: str) -> MendResult:
        """One segment's voxels given to another one; the first is left empty, and removed by `applyMend`.

        :raises spinemet.errors.BadInput: it is one and the same segment, or empty.
        """
        from spinemet.errors import BadInput
        from spinemet.scene import image_from_volume
        from spinemet.scene.outline_nodes import mask_of

        if segmentID == into:
            raise BadInput(_("Choose another segment to merge with."))
        first, second = (mask_of(node, volume, key) for key in (segmentID, into))
        if first is None:
            raise BadInput(_("The segment is empty; outline something first, or choose another one."))
        image = image_from_volume(volume)
        import numpy as np

        from spinemet.segmentation.tumor_correct import placed

        whole = tuple(slice(0, n) for n in image.shape)
        array = np.zeros(image.shape, bool)
        for mask in (first, second):
            if mask is not None:
                array |= placed(mask, image, whole)
        return MendResult({segmentID: None, into: image.with_array(array)})

    def planeOfView(self, name: str) -> Any:
        """The plane that a slice view shows, a spinemet Plane; its normal points headward, or leftward.

        :raises spinemet.errors.BadInput: there is no such view.
        """
        from spinemet.errors import BadInput
        from spinemet.segmentation.edit import Plane

        for node in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
            if node.GetName() == name:
                matrix = node.GetSliceToRAS()
                normal = [matrix.GetElement(row, 2) for row in range(3)]
                largest = max(normal, key=abs)
                sign = -1.0 if largest < 0 else 1.0
                point = tuple(matrix.GetElement(row, 3) for row in range(3))
                return Plane(point, tuple(sign * x for x in normal))
        raise BadInput(_("The view {name} is not shown; choose another one.").format(name=name))

    def viewNames(self) -> list[str]:
        """The slice views of the scene."""
        return [node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLSliceNode")]

    def applyMend(self, parameterNode: Any, node: Any, result: MendResult) -> list[str]:
        """Write an edit into the scene; returns the IDs of new segments."""
        from spinemet.scene.outline_nodes import set_mask

        added = []
        with slicer.util.NodeModify(node):
            for key, mask in result.masks.items():
                if mask is None:
                    node.GetSegmentation().RemoveSegment(key)
                else:
                    set_mask(node, key, mask)
            for outline, mask in result.added:
                key = self._addSegmentFor(node, outline)
                set_mask(node, key, mask)
                added.append(key)
        self.updateLesionSegments(parameterNode)
        return added

    def _editable(self, node: Any, volume: Any, segmentID: str, whole: bool) -> Any:
        """A segment (1) and the neighbors that it must not enter (2), on a crop of the image's grid."""
        import numpy as np

        from spinemet.case import Outline, Structure
        from spinemet.errors import BadInput
        from spinemet.image import Image
        from spinemet.labelmap import LabelMap
        from spinemet.scene import image_from_volume, outlines_of
        from spinemet.scene.outline_nodes import mask_of
        from spinemet.segmentation.tumor_correct import placed, region_of

        mask = mask_of(node, volume, segmentID)
        if mask is None:
            raise BadInput(_("The segment is empty; outline something first, or choose another one."))
        image = image_from_volume(volume)
        known = outlines_of(node)
        own = known.get(
            segmentID, Outline(Structure.OTHER, name=node.GetSegmentation().GetSegment(segmentID).GetName())
        )
        found = np.argwhere(mask.array)
        start = np.array([part.start for part in region_of(image.grid, mask.grid)])
        room = np.ceil(_ROOM_MM / image.spacing[::-1]).astype(int)
        low = np.maximum(found.min(axis=0) + start - room, 0)
        high = np.minimum(found.max(axis=0) + start + room + 1, image.shape)
        every = tuple(slice(0, n) for n in image.shape)
        region = every if whole else tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        crop = image.crop(region)
        array = np.zeros(crop.shape, np.uint8)
        if own.structure in (Structure.VERTEBRA, Structure.SACRUM):
            for key, item in known.items():
                if key == segmentID or item.structure not in (Structure.VERTEBRA, Structure.SACRUM):
                    continue
                other = mask_of(node, volume, key)
                if other is not None:
                    array[placed(other, image, every)[region]] = _OTHERS
        inner = mask.crop(tuple(slice(int(a), int(b)) for a, b in zip(found.min(0), found.max(0) + 1, strict=True)))
        array[placed(inner, image, every)[region]] = _OWN
        outlines = {_OWN: own, _OTHERS: Outline(Structure.OTHER, name="neighbors")}
        return LabelMap(Image(array, crop.ijk_to_ras, frame=image.frame, name=own.name or "outline"), outlines)
