"""Troubles: what may have happened to the scene before a user goes on, and what a failing step must have said."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from __feature__ import true_property  # noqa: F401  # isort: skip

SITUATIONS: dict[str, Callable[[SimpleNamespace], None]] = {}
"""What may have happened to the scene, by its name."""


def _situation(prepare: Callable[[SimpleNamespace], None]) -> Callable[[SimpleNamespace], None]:
    SITUATIONS[prepare.__name__.replace("_", " ")] = prepare
    return prepare


@_situation
def nothing_happened(panel: SimpleNamespace) -> None:
    pass


@_situation
def the_scene_is_empty(panel: SimpleNamespace) -> None:
    panel.application.close_scene()


@_situation
def the_outlines_were_deleted(panel: SimpleNamespace) -> None:
    panel.application.scene.RemoveNode(panel.spine.segmentation)


@_situation
def the_image_was_deleted(panel: SimpleNamespace) -> None:
    panel.application.scene.RemoveNode(panel.spine.volume)


@_situation
def the_time_point_was_deleted(panel: SimpleNamespace) -> None:
    panel.application.scene.RemoveNode(panel.widget._parameterNode.parameterNode)


@_situation
def the_table_was_deleted(panel: SimpleNamespace) -> None:
    panel.application.scene.RemoveNode(panel.application.scene.GetFirstNodeByClass("vtkMRMLTableNode"))


@_situation
def the_lesion_was_deleted(panel: SimpleNamespace) -> None:
    panel.spine.segmentation.GetSegmentation().RemoveSegment("lesion-1")


@_situation
def the_answers_are_damaged(panel: SimpleNamespace) -> None:
    panel.widget._parameterNode.answers = "{"


@_situation
def other_readers_answers_are_damaged(panel: SimpleNamespace) -> None:
    panel.widget._parameterNode.readings = "{"


@_situation
def the_stored_assessment_is_damaged(panel: SimpleNamespace) -> None:
    panel.application.scene.GetFirstNodeByClass("vtkMRMLTextNode").SetText("{")


@_situation
def the_image_lost_its_voxels(panel: SimpleNamespace) -> None:
    panel.spine.volume.SetAndObserveImageData(None)


@_situation
def the_outlines_were_bent(panel: SimpleNamespace) -> None:
    import slicer
    import vtk

    grid = vtk.vtkImageData()
    grid.SetDimensions(2, 2, 2)
    grid.AllocateScalars(vtk.VTK_DOUBLE, 3)
    transform = slicer.vtkOrientedGridTransform()
    transform.SetDisplacementGridData(grid)
    node = panel.application.scene.AddNewNodeByClass("vtkMRMLGridTransformNode")
    node.SetAndObserveTransformFromParent(transform)
    panel.spine.segmentation.SetAndObserveTransformNodeID(node.GetID())


@_situation
def every_outline_was_erased(panel: SimpleNamespace) -> None:
    segmentation = panel.spine.segmentation.GetSegmentation()
    for key in segmentation.GetSegmentIDs():
        segmentation.GetSegment(key).GetRepresentation("Binary labelmap").Initialize()
    segmentation.InvokeEvent(segmentation.SourceRepresentationModified)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage().removeprefix("SpineMet: ") for record in caplog.records]


def faults(panel: SimpleNamespace, caplog: pytest.LogCaptureFixture) -> list[str]:
    """What is wrong with the log and the message after a step that may have failed."""
    logged = said(caplog)
    shown = panel.widget.ui.messageLabel.text
    texts = shown + panel.ui.hintLabel.text
    return [
        *(f"logged {logged.count(text)} times: {text}" for text in dict.fromkeys(logged) if logged.count(text) > 1),
        *(f"logged, and not shown: {text}" for text in dict.fromkeys(logged) if text not in texts),
        *(f"unexpected: {record.exc_text}" for record in caplog.records if record.exc_info),
    ]
