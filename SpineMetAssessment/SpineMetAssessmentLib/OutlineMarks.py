"""OutlineMarks: remembers which segments SpineMet outlined by itself and nobody edited or confirmed since."""

from collections.abc import Iterable
from typing import Any

_LABELMAP = "Binary labelmap"


def markUnedited(node: Any, segmentIDs: Iterable[str]) -> None:
    """Say of segments that they are as the program left them."""
    from spinemet.study.unedited import UNEDITED

    for segmentID in segmentIDs:
        mark = _markOf(node, segmentID)
        if mark:
            node.GetSegmentation().GetSegment(segmentID).SetTag(UNEDITED, mark)


def isUnedited(node: Any, segmentID: str) -> bool:
    """Whether a segment is as the program left it: no voxel differs, and nobody said that its edges are right."""
    said = _saidOf(node, segmentID)
    return bool(said) and said == _markOf(node, segmentID)


def confirm(node: Any, segmentIDs: Iterable[str]) -> None:
    """A person looked at these segments and found their edges right."""
    from spinemet.study.unedited import UNEDITED

    for segmentID in segmentIDs:
        if _saidOf(node, segmentID):
            node.GetSegmentation().GetSegment(segmentID).RemoveTag(UNEDITED)


def stampOf(node: Any, segmentID: str) -> Any:
    """Cheap to ask for; while it is the same, `isUnedited` is."""
    segment = node.GetSegmentation().GetSegment(segmentID)
    data = segment.GetRepresentation(_LABELMAP) if segment is not None else None
    return (data.GetMTime() if data is not None else 0, _saidOf(node, segmentID))


def _saidOf(node: Any, segmentID: str) -> str:
    import vtk

    from spinemet.study.unedited import UNEDITED

    segment, text = node.GetSegmentation().GetSegment(segmentID), vtk.reference("")
    return str(text) if segment is not None and segment.GetTag(UNEDITED, text) else ""


def _markOf(node: Any, segmentID: str) -> str:
    from spinemet.scene.volumes import voxels
    from spinemet.study.unedited import voxel_mark

    segment = node.GetSegmentation().GetSegment(segmentID)
    data = segment.GetRepresentation(_LABELMAP) if segment is not None else None
    if data is None or data.GetNumberOfPoints() == 0 or data.GetPointData().GetScalars() is None:
        return ""
    return voxel_mark(voxels(data) == segment.GetLabelValue())
