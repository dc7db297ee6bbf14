"""Bone in 3D: see-through so that the lesion shows, or cut open by a plane that a surgeon drags.

Both work on the closed surfaces of the segmentation itself, so nothing is copied and outlines stay editable.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np
import slicer

from spinemet.anatomy.frame import VertebraFrame
from spinemet.case import Structure
from spinemet.errors import Cancelled
from spinemet.progress import Progress, silent
from spinemet.scene.mark_nodes import remove_displayed
from spinemet.scene.markups import SHOWS, serves_nothing
from spinemet.scene.segmentations import outlines_of

ROLE_CLIP = "SpineMet.Clip"
ROLE_PLANE = "SpineMet.ClippingPlane"
SURFACE = "Closed surface"
"""Name of the representation, vtkSegmentationConverter's CLOSED_SURFACE."""
OURS = "SpineMet.Clipping"
"""Attribute of the plane and of the clip node."""
PLANE_MM = 120.0
"""Side of the clipping plane's handle."""
PLANE_COLOR = (0.8, 0.8, 0.8)


class Look(str, Enum):
    """How opaque bone is; lesions always are."""

    SOLID = "solid"
    SEE_THROUGH = "see-through"
    GHOST = "ghost"
    HIDDEN = "lesions only"


OPACITY = {Look.SOLID: 1.0, Look.SEE_THROUGH: 0.45, Look.GHOST: 0.15, Look.HIDDEN: 0.0}


def set_look(segmentation: Any, look: Look) -> None:
    """Make all bones of a segmentation as opaque in 3D as `look` says."""
    segmentation.CreateDefaultDisplayNodes()
    display = segmentation.GetDisplayNode()
    was_modifying = display.StartModify()
    for segment_id, outline in outlines_of(segmentation).items():
        is_bone = outline.structure in (Structure.VERTEBRA, Structure.SACRUM)
        display.SetSegmentOpacity3D(segment_id, OPACITY[look] if is_bone else 1.0)
    display.EndModify(was_modifying)


def make_surfaces(segmentation: Any, progress: Progress | None = None) -> None:
    """Make the closed surfaces of all segments that have none, one after the other.

    :raises spinemet.errors.Cancelled: the user stopped; the surfaces that were made are gone again.
    """
    report = progress or silent
    holder = segmentation.GetSegmentation()
    before = [key for key in holder.GetSegmentIDs() if holder.GetSegment(key).GetRepresentation(SURFACE)]
    wanted = [key for key in holder.GetSegmentIDs() if key not in before]
    try:
        for number, key in enumerate(wanted):
            report(number / len(wanted), f"Surface of {holder.GetSegment(key).GetName()}")
            # All at once could not be stopped.
            alone = slicer.vtkSegmentation()
            alone.SetSourceRepresentationName(holder.GetSourceRepresentationName())
            alone.CopySegmentFromSegmentation(holder, key)
            if alone.CreateRepresentation(SURFACE):
                holder.GetSegment(key).AddRepresentation(SURFACE, alone.GetSegment(key).GetRepresentation(SURFACE))
    except Cancelled:
        for key in wanted:
            holder.GetSegment(key).RemoveRepresentation(SURFACE)
        raise
    segmentation.CreateClosedSurfaceRepresentation()


def show_clipping_plane(scene: Any, segmentation: Any, frame: VertebraFrame, *, cut: str = "sagittal") -> Any:
    """Cut the surfaces open along a plane of a vertebra's own frame, and return the plane, a markup to drag.

    The half in front of the plane's arrow goes: the right half, the front half or the upper half.

    :param cut: "sagittal", "coronal" or "axial".
    """
    display = _display(segmentation)
    plane = display.GetNodeReference(ROLE_PLANE)
    if plane is None:
        plane = scene.AddNewNodeByClass("vtkMRMLMarkupsPlaneNode", "SpineMet clipping plane")
        plane.SetAttribute(OURS, "1")
        plane.CreateDefaultDisplayNodes()
        _set_display(plane.GetDisplayNode())
        display.SetNodeReferenceID(ROLE_PLANE, plane.GetID())
    normal = {"sagittal": frame.right, "coronal": frame.anterior, "axial": frame.superior}[cut]
    was_modifying = plane.StartModify()
    plane.SetPlaneType(plane.PlaneTypePointNormal)
    plane.SetSizeMode(plane.SizeModeAbsolute)
    plane.SetSize(PLANE_MM, PLANE_MM)
    plane.SetCenterWorld(*frame.origin)
    plane.SetNormalWorld(*np.negative(normal))
    plane.EndModify(was_modifying)
    clip = display.GetNodeReference(ROLE_CLIP)
    if clip is None:
        clip = scene.AddNewNodeByClass("vtkMRMLClipNode", "SpineMet clip")
        clip.SetAttribute(OURS, "1")
        clip.SetHideFromEditors(True)
        display.SetNodeReferenceID(ROLE_CLIP, clip.GetID())
    if not clip.HasClippingNodeID(plane.GetID()):
        clip.RemoveAllClippingNodeIDs()
        clip.AddAndObserveClippingNodeID(plane.GetID())
        clip.SetNthClippingNodeState(0, slicer.vtkMRMLClipNode.ClipPositiveSpace)
    display.SetAndObserveClipNodeID(clip.GetID())
    display.SetClipping(True)
    # The cut surface is closed, so that bone looks like bone and not like a shell.
    display.SetClippingCapSurface(True)
    return plane


def remove_clipping_plane(scene: Any, segmentation: Any) -> None:
    """Show whole surfaces again, and remove the plane."""
    display = _display(segmentation)
    display.SetClipping(False)
    display.SetAndObserveClipNodeID(None)
    plane, clip = display.GetNodeReference(ROLE_PLANE), display.GetNodeReference(ROLE_CLIP)
    if plane is not None:
        remove_displayed(scene, plane)
    if clip is not None:
        scene.RemoveNode(clip)


def remove_clip_orphans(scene: Any) -> None:
    """Remove planes and clip nodes whose outlines were deleted, and the clipping whose plane was."""
    displays = [
        scene.GetNthNodeByClass(index, "vtkMRMLSegmentationDisplayNode")
        for index in range(scene.GetNumberOfNodesByClass("vtkMRMLSegmentationDisplayNode"))
    ]
    used = [display for display in displays if not serves_nothing(display)]
    for display in used:
        if display.GetNodeReference(ROLE_CLIP) is not None and display.GetNodeReference(ROLE_PLANE) is None:
            remove_clipping_plane(scene, display.GetDisplayableNode())
    held = {display.GetNodeReferenceID(role) for display in used for role in (ROLE_PLANE, ROLE_CLIP)}
    for kind in ("vtkMRMLMarkupsPlaneNode", "vtkMRMLClipNode"):
        for node in [scene.GetNthNodeByClass(index, kind) for index in range(scene.GetNumberOfNodesByClass(kind))]:
            if not node.GetAttribute(OURS) or node.GetID() in held:
                continue
            if kind == "vtkMRMLClipNode":
                scene.RemoveNode(node)
            else:
                remove_displayed(scene, node)


def _display(segmentation: Any) -> Any:
    segmentation.CreateDefaultDisplayNodes()
    return segmentation.GetDisplayNode()


def _set_display(display: Any) -> None:
    display.SetAttribute(SHOWS, "1")
    display.SetColor(*PLANE_COLOR)
    display.SetSelectedColor(*PLANE_COLOR)
    display.SetFillOpacity(0.08)
    display.SetOutlineOpacity(0.6)
    display.SetHandlesInteractive(True)
    display.SetScaleHandleVisibility(False)
    display.SetPropertiesLabelVisibility(False)
    display.SetPointLabelsVisibility(False)
