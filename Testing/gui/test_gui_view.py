"""The views as a user sets them: layouts, cuts along the vertebra, bone in 3D, marks, the prior that follows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gui.host import click, pick, select_row

from __feature__ import true_property  # noqa: F401  # isort: skip

import spinemet.assess
import spinemet.scene.result  # noqa: F401
from gui import small_spine


@pytest.fixture
def viewed(assessed: SimpleNamespace) -> SimpleNamespace:
    """The small spine, assessed, with View unfolded; `view` is the module's head."""
    assessed.view = assessed.widget.ui
    click(assessed.view.viewButton)
    return assessed


@pytest.fixture
def window(viewed: SimpleNamespace) -> Iterator[Any]:
    """Slicer's own layout logic, which makes the views of a layout."""
    import slicer

    logic = slicer.vtkMRMLLayoutLogic()
    logic.SetMRMLScene(viewed.application.scene)
    viewed.widget.refresh()
    yield logic.GetLayoutNode()
    logic.SetMRMLScene(None)


def _slice(panel: SimpleNamespace, name: str = "Red") -> np.ndarray:
    matrix = panel.application.scene.GetSingletonNode(name, "vtkMRMLSliceNode").GetSliceToRAS()
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def _settle_grading(panel: SimpleNamespace) -> None:
    """New surfaces are heard as an edit; what a person does meanwhile is looked at once that is graded."""
    end = time.monotonic() + 20.0
    while (panel.widget.logic.grading or panel.widget._soon.active) and time.monotonic() < end:
        time.sleep(0.005)
        panel.application.settle()


def _box(panel: SimpleNamespace, group: str) -> Any:
    return panel.widget._view._marks[group]


def test_view_is_folded_until_it_is_asked_for(assessed: SimpleNamespace) -> None:
    ui = assessed.widget.ui
    assert not ui.viewFrame.visible
    click(ui.viewButton)
    assert ui.viewFrame.visible
    click(ui.viewButton)
    assert not ui.viewFrame.visible


def test_without_a_window_or_a_prior_the_choices_say_so(viewed: SimpleNamespace) -> None:
    assert not viewed.view.layoutComboBox.enabled
    assert viewed.view.layoutComboBox.toolTip == "There is no window to lay out."
    assert not viewed.view.linkCheckBox.enabled
    assert viewed.view.linkCheckBox.toolTip == "There is no assessed earlier time point."


def test_without_outlines_bone_waits(empty_panel: SimpleNamespace) -> None:
    click(empty_panel.widget.ui.viewButton)
    assert not empty_panel.widget.ui.boneComboBox.enabled
    assert empty_panel.widget.ui.boneComboBox.toolTip == "Waits for outlines."


def test_a_layout_is_shown_and_filled(viewed: SimpleNamespace, window: Any) -> None:
    pick(viewed.view.layoutComboBox, "Assess")
    assert window.GetViewArrangement() == 55301
    layers = viewed.application.scene.GetSingletonNode("Yellow", "vtkMRMLSliceCompositeNode")
    assert layers.GetBackgroundVolumeID() == viewed.spine.volume.GetID()
    table = viewed.application.scene.GetSingletonNode("SpineMetTable", "vtkMRMLTableViewNode")
    assert table.GetTableNode() is not None


def test_a_level_is_cut_in_its_own_frame_until_told_otherwise(viewed: SimpleNamespace) -> None:
    select_row(viewed.ui.levelTable, "L3")
    frame = viewed.assess.level().frame
    assert np.allclose(_slice(viewed)[:3, 2], frame.superior, atol=1e-3)
    click(viewed.view.alongCheckBox)
    assert np.allclose(np.abs(_slice(viewed)[:3, 2]), (0, 0, 1), atol=1e-6)
    select_row(viewed.ui.levelTable, "L4")
    assert np.allclose(np.abs(_slice(viewed)[:3, 2]), (0, 0, 1), atol=1e-6)
    click(viewed.view.alongCheckBox)
    assert np.allclose(_slice(viewed)[:3, 2], viewed.assess.level().frame.superior, atol=1e-3)


def test_the_keys_turn_the_views_and_hide_the_outlines(viewed: SimpleNamespace) -> None:
    select_row(viewed.ui.levelTable, "L3")
    keys = {key: call for key, _what, call in viewed.widget.shortcuts()}
    keys["Alt+S"]()
    assert not viewed.widget.logic.cutsAlong(viewed.widget._parameterNode)
    display = viewed.spine.segmentation.GetDisplayNode()
    keys["Alt+O"]()
    assert not display.GetVisibility2D()
    keys["Alt+O"]()
    assert display.GetVisibility2D()


def test_every_key_does_one_thing(panel: SimpleNamespace) -> None:
    keys = [key for key, _what, _call in panel.widget.shortcuts()]
    assert len(keys) == len(set(keys))


def test_a_kind_of_marks_is_hidden_shown_and_kept_with_the_time_point(viewed: SimpleNamespace) -> None:
    from spinemet.scene.mark_nodes import mark_nodes

    def seen() -> set[bool]:
        nodes = mark_nodes(viewed.widget._parameterNode.parameterNode)
        heights = [node for node in nodes if node.GetAttribute("SpineMet.Mark").startswith("heights/L3")]
        return {bool(node.GetDisplayNode().GetVisibility()) for node in heights}

    assert _box(viewed, "heights").checked
    assert seen() == {True}
    click(_box(viewed, "heights"))
    assert seen() == {False}
    assert "heights" not in viewed.widget.logic.shownMarks(viewed.widget._parameterNode)
    click(_box(viewed, "heights"))
    assert seen() == {True}


def test_bone_is_shown_in_3d_see_through_and_taken_out_again(viewed: SimpleNamespace) -> None:
    segmentation = viewed.spine.segmentation
    pick(viewed.view.boneComboBox, "ghost")
    assert segmentation.GetSegmentation().ContainsRepresentation("Closed surface")
    display = segmentation.GetDisplayNode()
    assert display.GetSegmentOpacity3D("L2_vertebra") == pytest.approx(0.15)
    assert display.GetSegmentOpacity3D("lesion-1") == 1.0
    pick(viewed.view.boneComboBox, "not shown")
    assert not segmentation.GetSegmentation().ContainsRepresentation("Closed surface")


def test_bone_is_cut_open_at_the_level_and_closed_again(viewed: SimpleNamespace) -> None:
    scene = viewed.application.scene
    select_row(viewed.ui.levelTable, "L3")
    pick(viewed.view.cutComboBox, "cut sagittal")
    planes = [
        scene.GetNthNodeByClass(n, "vtkMRMLMarkupsPlaneNode")
        for n in range(scene.GetNumberOfNodesByClass("vtkMRMLMarkupsPlaneNode"))
    ]
    plane = next(node for node in planes if node.GetAttribute("SpineMet.Clipping"))
    assert np.allclose(plane.GetCenterWorld(), viewed.assess.level().frame.origin, atol=1e-3)
    assert viewed.spine.segmentation.GetDisplayNode().GetClipping()
    assert viewed.view.boneComboBox.currentText == "solid"
    pick(viewed.view.cutComboBox, "whole")
    assert scene.GetFirstNodeByClass("vtkMRMLClipNode") is None
    assert not viewed.spine.segmentation.GetDisplayNode().GetClipping()


@pytest.mark.parametrize("deleted", ["plane", "outlines"])
def test_a_deleted_plane_or_outline_takes_the_clipping_along(viewed: SimpleNamespace, deleted: str) -> None:
    scene, segmentation = viewed.application.scene, viewed.spine.segmentation
    pick(viewed.view.cutComboBox, "cut axial")
    plane = segmentation.GetDisplayNode().GetNodeReference("SpineMet.ClippingPlane")
    scene.RemoveNode(plane if deleted == "plane" else segmentation)
    _settle_grading(viewed)
    assert scene.GetFirstNodeByClass("vtkMRMLClipNode") is None
    if deleted == "plane":
        assert not segmentation.GetDisplayNode().GetClipping()
        assert viewed.view.cutComboBox.currentText == "whole"


def test_cutting_open_without_a_measured_level_is_a_sentence(panel: SimpleNamespace) -> None:
    click(panel.widget.ui.viewButton)
    pick(panel.widget.ui.cutComboBox, "cut coronal")
    assert "Choose a measured level" in panel.widget.ui.messageLabel.text
    assert panel.widget.ui.cutComboBox.currentText == "whole"


MOVED = np.array([[0.9848, -0.1736, 0.0, 25.0], [0.1736, 0.9848, 0.0, -12.0], [0.0, 0.0, 1.0, 40.0], [0, 0, 0, 1.0]])
"""How the patient lay otherwise at the earlier time point: turned by ten degrees and shifted (RAS, mm)."""


@pytest.fixture
def beside(viewed: SimpleNamespace, window: Any) -> SimpleNamespace:
    """The prior, the same spine elsewhere, beside the current time point; `scroll` moves a view as the wheel does."""
    import slicer

    from spinemet.scene.volumes import vtk_matrix

    widget, logic, scene = viewed.widget, viewed.widget.logic, viewed.application.scene
    now = widget._parameterNode
    earlier = small_spine.add_to(scene)
    _date(earlier.volume, "2025-11-02")
    moved = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "as the patient lay")
    moved.SetMatrixTransformToParent(vtk_matrix(MOVED))
    for node in (earlier.volume, earlier.segmentation):
        node.SetAndObserveTransformNodeID(moved.GetID())
    prior = logic.addTimePoint()
    prior.referenceVolume, prior.segmentation = earlier.volume, earlier.segmentation
    logic.assess(prior)
    widget.useTimePoint(now.parameterNode)
    pick(viewed.view.layoutComboBox, "Prior beside current")
    logics = {}
    for name in ("Red", "SpineMetPriorAxial"):
        logics[name] = slicer.vtkMRMLSliceLogic()
        logics[name].SetMRMLScene(scene)
        logics[name].SetSliceNode(scene.GetSingletonNode(name, "vtkMRMLSliceNode"))

    def scroll(name: str, by_mm: float) -> None:
        view = logics[name]
        view.StartSliceNodeInteraction(slicer.vtkMRMLSliceNode.SliceToRASFlag)
        view.SetSliceOffset(view.GetSliceOffset() + by_mm)
        view.EndSliceNodeInteraction()

    viewed.scroll = scroll
    return viewed


def test_the_priors_views_follow_to_the_same_vertebra_while_one_scrolls(beside: SimpleNamespace) -> None:
    logic = beside.widget.logic
    click(beside.view.linkCheckBox)
    assert logic.priorLinked
    select_row(beside.ui.levelTable, "L4")
    for by_mm in (0.0, 3.0, 17.0, 38.0, -60.0):
        beside.scroll("Red", by_mm)
        here, there = _slice(beside), _slice(beside, "SpineMetPriorAxial")
        # The same place of the same bone, from L5 to L2 and between them.
        assert np.allclose(there[:3, 3], (MOVED @ here)[:3, 3], atol=0.5)
        assert (there[:3, 2] @ (MOVED @ here)[:3, 2]) > 0.9999
    beside.scroll("SpineMetPriorAxial", 12.0)
    assert np.allclose(_slice(beside, "SpineMetPriorAxial")[:3, 3], (MOVED @ _slice(beside))[:3, 3], atol=0.5)


def test_views_that_are_not_linked_stay_where_they_are(beside: SimpleNamespace) -> None:
    click(beside.view.linkCheckBox)
    click(beside.view.linkCheckBox)
    before = _slice(beside, "SpineMetPriorAxial")
    beside.scroll("Red", 20.0)
    assert np.array_equal(_slice(beside, "SpineMetPriorAxial"), before)


def test_closing_the_scene_lets_go_of_the_priors_views(beside: SimpleNamespace) -> None:
    click(beside.view.linkCheckBox)
    beside.application.close_scene()
    assert not beside.widget.logic.priorLinked


def _date(volume: Any, date: str) -> None:
    from spinemet.scene import ref_from_volume
    from spinemet.scene.volumes import set_ref

    set_ref(volume, replace(ref_from_volume(volume), date=date))
