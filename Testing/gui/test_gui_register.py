"""The Register panel: one click registers, every level says how far it can be trusted, and all of it can be undone."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gui.host import click, pick, select_row, texts

from __feature__ import true_property  # noqa: F401  # isort: skip

from gui import small_pair
from spinemet.levels import Level

LEVEL, TRUST, MOVED, ERROR, LANDMARKS = range(5)
TRUTH_MM = 0.6
"""Voxels of the MR are 1.2 × 1.2 × 4 mm."""


@pytest.fixture
def pair(empty_panel: SimpleNamespace) -> SimpleNamespace:
    """The small pair in the scene, the panel unfolded: `register` (the panel), `rui` (its widgets), `nodes`."""
    nodes = small_pair.add_to(empty_panel.application.scene)
    empty_panel.widget.initializeParameterNode()
    empty_panel.widget._parameterNode.openPanels = "RegisterPanel"
    empty_panel.application.settle()
    empty_panel.register = empty_panel.widget.panel("RegisterPanel")
    empty_panel.rui = empty_panel.register.ui
    empty_panel.nodes = nodes
    return empty_panel


@cache
def _result() -> tuple[Any, Any]:
    """What one click on Register finds, computed once for all tests that need it to stand."""
    from spinemet.case import Role
    from spinemet.registration import register
    from spinemet.registration.by_hand import concluded

    made = small_pair.patient()
    images = made.images[Role.CT], made.images[Role.T2]
    return concluded(register(*images, made.vertebrae), *images, made.vertebrae, keys=("ct", "t2"))


@pytest.fixture
def registered(pair: SimpleNamespace) -> SimpleNamespace:
    """The small pair, registered."""
    widget = pair.widget
    widget.logic._showRegistration(widget._parameterNode, pair.register._chosen(), *_result())
    widget.refresh()
    pair.application.settle()
    return pair


def _message(panel: SimpleNamespace) -> str:
    return str(panel.widget.ui.messageLabel.text)


def _error(panel: SimpleNamespace, level: Level, motion: np.ndarray) -> float:
    """Distance in mm of a 4×4 motion from the truth, at the middle of the bone."""
    center = np.append(_result()[0].vertebrae[small_pair.LEVELS.index(level)].center, 1.0)
    return float(np.linalg.norm((motion - panel.nodes.motions[level]) @ center))


def _world(node: Any, point: np.ndarray) -> np.ndarray:
    """Where a point of the moving volume's own space lies in the scene now."""
    import vtk
    from slicer import vtkMRMLTransformNode

    transform = vtk.vtkGeneralTransform()
    vtkMRMLTransformNode.GetTransformBetweenNodes(node.GetParentTransformNode(), None, transform)
    return np.array(transform.TransformPoint(point))


def _nodes(panel: SimpleNamespace, kind: str) -> int:
    return int(panel.application.scene.GetNumberOfNodesByClass(kind))


def _points(panel: SimpleNamespace, off_mm: float = 0.0) -> None:
    """Place a pair in every vertebra, the moving points `off_mm` to the right of where they belong."""
    chosen = panel.register._chosen
    for number, row in enumerate(_result()[0].vertebrae):
        # Not all on one line.
        here = np.add(row.center, (8.0 * (number == 1), 8.0 * (number == 1), 0.0))
        there = panel.nodes.motions[row.level] @ np.append(here, 1.0)
        for side, place in ((0, here), (1, there[:3] + np.array([off_mm, 0, 0]))):
            node = panel.widget.logic.addLandmark(chosen(), side, tuple(place))
            names = ("fixedLandmarks", "movingLandmarks")
            setattr(panel.register.panelState, names[side], node)
    panel.application.settle()


def _composites(panel: SimpleNamespace) -> list[tuple[Any, ...]]:
    from spinemet.scene.register_views import _composites, _layers

    return [_layers(layers) for layers in _composites(panel.application.scene)]


# Before


def test_it_says_what_it_waits_for(empty_panel: SimpleNamespace) -> None:
    ui = empty_panel.widget.panel("RegisterPanel").ui
    assert not ui.registerButton.enabled
    assert ui.registerButton.toolTip.startswith("Choose the fixed image")
    for button in (ui.againButton, ui.undoButton, ui.compareComboBox, ui.nudgeButton, ui.fixedPointButton):
        assert not button.enabled
        assert button.toolTip


def test_ct_stays_and_the_other_series_is_offered_with_role_and_date(pair: SimpleNamespace) -> None:
    ui = pair.rui
    assert ui.fixedComboBox.itemText(ui.fixedComboBox.currentIndex).startswith("CT 2026-03-02")
    assert ui.movingComboBox.itemText(ui.movingComboBox.currentIndex).startswith("T2 2026-03-03")
    assert pair.register.panelState.segmentation is pair.nodes.segmentation
    pick(ui.movingComboBox, "CT 2026")
    assert ui.registerButton.toolTip == "Choose two different images."
    pick(ui.movingComboBox, "Choose")
    pick(ui.movingComboBox, "T2 2026")
    assert ui.registerButton.enabled


# Register


def test_one_click_brings_every_vertebra_home_and_hardens_nothing(pair: SimpleNamespace) -> None:
    from spinemet.scene import registration_of
    from spinemet.scene.register_views import level_motions

    voxels = pair.nodes.t2.GetImageData().GetMTime()
    click(pair.rui.registerButton)
    assert _message(pair).startswith("Registered")
    rows = texts(pair.rui.levelTable)
    assert [row[LEVEL] for row in rows] == [str(level) for level in small_pair.LEVELS]
    assert all(row[TRUST] == "✓ its own" and row[ERROR].startswith("±") for row in rows)
    assert pair.register.state() == "3 of 3 levels trusted"
    assert pair.rui.verdictLabel.visible
    assert "started from" in pair.rui.verdictLabel.text
    assert pair.nodes.t2.GetImageData().GetMTime() == voxels
    nodes = registration_of(pair.nodes.t2)
    assert nodes is not None and nodes.grid is not None
    motions = level_motions(pair.application.scene, pair.widget._parameterNode, pair.nodes.t2)
    for level in small_pair.LEVELS:
        assert _error(pair, level, motions[level]) < TRUTH_MM
        row = _result()[0].vertebrae[small_pair.LEVELS.index(level)]
        there = pair.nodes.motions[level] @ np.append(row.center, 1.0)
        assert np.linalg.norm(_world(pair.nodes.t2, there[:3]) - row.center) < TRUTH_MM


def test_the_registration_comes_back_with_its_scene_and_can_be_undone_there(
    registered: SimpleNamespace, tmp_path: Any
) -> None:
    import slicer

    path = str(tmp_path / "registered.mrb")
    assert slicer.util.saveScene(path)
    registered.application.close_scene()
    assert registered.register.state() == ""
    assert slicer.util.loadScene(path)
    registered.application.settle()
    assert registered.register.state() == "3 of 3 levels trusted"
    moving = registered.register.panelState.movingVolume
    assert moving.GetParentTransformNode() is not None
    click(registered.rui.undoButton)
    assert moving.GetParentTransformNode() is None
    assert _nodes(registered, "vtkMRMLGridTransformNode") == 0


def test_transforms_lie_in_the_folder_of_the_results_else_beside_the_volume(pair: SimpleNamespace) -> None:
    from slicer import vtkMRMLSubjectHierarchyNode

    hierarchy = vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(pair.application.scene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "study")
    folder = hierarchy.CreateFolderItem(study, "results")
    hierarchy.CreateItem(study, pair.nodes.t2)
    logic, chosen = pair.widget.logic, pair.register._chosen()
    logic._showRegistration(pair.widget._parameterNode, chosen, *_result())
    transform = pair.nodes.t2.GetParentTransformNode()
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(transform)) == study
    table = pair.application.scene.AddNewNodeByClass("vtkMRMLTableNode", "results")
    hierarchy.CreateItem(folder, table)
    pair.widget._parameterNode.parameterNode.SetNodeReferenceID("SpineMet.Table", table.GetID())
    logic._showRegistration(pair.widget._parameterNode, chosen, *_result())
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(transform)) == folder
    logic.undoRegistration(pair.nodes.t2)
    logic.undoRegistration(pair.nodes.t2)


def test_stop_leaves_the_scene_as_it_was(pair: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    before = pair.application.scene.GetNumberOfNodes()
    progress = pair.widget._progress

    def stop_soon(fraction: float, text: str) -> None:
        if fraction > 0:
            pair.widget.ui.stopButton.click()
        progress(fraction, text)

    monkeypatch.setattr(pair.widget, "_progress", stop_soon)
    click(pair.rui.registerButton)
    assert _message(pair) == "Stopped; nothing was changed."
    assert pair.application.scene.GetNumberOfNodes() == before
    assert pair.nodes.t2.GetParentTransformNode() is None
    assert pair.register.state() == ""


def test_another_patients_image_is_refused_in_the_panel_and_the_scene_stays(pair: SimpleNamespace) -> None:
    from spinemet.case import Role

    array = small_pair.patient().images[Role.T2].array
    noise = np.random.default_rng(3).permutation(array.ravel()).reshape(array.shape)
    import slicer

    slicer.util.updateVolumeFromArray(pair.nodes.t2, noise)
    before = pair.application.scene.GetNumberOfNodes()
    click(pair.rui.registerButton)
    assert _message(pair)
    assert pair.rui.verdictLabel.text.startswith("<b>Refused.</b>")
    assert pair.register.state() == "refused"
    assert pair.application.scene.GetNumberOfNodes() == before
    assert pair.nodes.t2.GetParentTransformNode() is None
    pick(pair.rui.movingComboBox, "CT")
    assert not pair.rui.verdictLabel.visible


def test_images_whose_headers_name_two_patients_are_refused(
    pair: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spinemet.case import Patient

    ids = {pair.nodes.ct.GetID(): "A", pair.nodes.t2.GetID(): "B"}
    monkeypatch.setattr(pair.widget.logic, "patient", lambda node: Patient(patient_id=ids[node.GetID()]))
    pair.widget.logic.studyVolumes = lambda _parameter: [pair.nodes.ct, pair.nodes.t2]
    click(pair.rui.registerButton)
    assert "different patients" in pair.rui.verdictLabel.text


def test_a_transform_of_the_users_own_is_kept(pair: SimpleNamespace) -> None:
    own = pair.application.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "own")
    pair.nodes.t2.SetAndObserveTransformNodeID(own.GetID())
    logic = pair.widget.logic
    logic._showRegistration(pair.widget._parameterNode, pair.register._chosen(), *_result())
    pair.widget.refresh()
    click(pair.rui.undoButton)
    assert pair.nodes.t2.GetParentTransformNode() is own


# By hand


def test_a_nudge_moves_one_vertebra_marks_it_and_is_one_undo(registered: SimpleNamespace) -> None:
    ui = registered.rui
    place = _result()[0].vertebrae[1]
    there = registered.nodes.motions[Level.L3] @ np.append(place.center, 1.0)
    before = _world(registered.nodes.t2, there[:3])
    pick(ui.compareComboBox, "checkerboard")
    board = _composites(registered)[0][0]
    select_row(ui.levelTable, "L3")
    assert ui.nudgeLabel.text == "Nudge L3"
    ui.rightSpinBox.value, ui.superiorSpinBox.value, ui.turnRightSpinBox.value = 1.0, -0.5, 1.5
    click(ui.nudgeButton)
    assert "L3 was moved" in _message(registered)
    assert registered.application.scene.GetNodeByID(board) is None or _composites(registered)[0][0] != board
    assert ui.compareComboBox.currentIndex > 0
    after = _world(registered.nodes.t2, there[:3])
    assert np.allclose(after - before, [1.0, 0.0, -0.5], atol=0.1)
    assert texts(ui.levelTable)[1][TRUST] == "! by hand"
    assert "L3 was moved by hand" in ui.verdictLabel.text
    assert registered.register.state() == "2 of 3 levels trusted"
    now = np.array(registered.widget.logic.record(registered.nodes.t2).vertebrae[1].matrix)
    angle = np.degrees(np.arccos((np.trace(np.array(place.matrix)[:3, :3].T @ now[:3, :3]) - 1) / 2))
    assert angle == pytest.approx(1.5, abs=1e-3)
    assert ui.rightSpinBox.value == 0.0
    click(ui.undoButton)
    assert np.allclose(_world(registered.nodes.t2, there[:3]), before, atol=1e-3)
    assert registered.register.state() == "3 of 3 levels trusted"
    click(ui.undoButton)
    assert registered.nodes.t2.GetParentTransformNode() is None
    assert not ui.undoButton.enabled
    assert ui.compareComboBox.currentIndex == 0
    assert _nodes(registered, "vtkMRMLTextNode") == 0


def test_a_nudge_that_folds_the_image_is_refused(registered: SimpleNamespace) -> None:
    ui = registered.rui
    select_row(ui.levelTable, "L3")
    ui.superiorSpinBox.value = 30.0
    click(ui.nudgeButton)
    assert ui.verdictLabel.text.startswith("<b>Refused.</b>")
    assert "earlier registration stands" in ui.verdictLabel.text
    assert texts(ui.levelTable)[1][TRUST] == "✓ its own"


def test_again_from_here_finds_back_what_was_pushed_away(registered: SimpleNamespace) -> None:
    from spinemet.scene.register_views import level_motions

    ui = registered.rui
    select_row(ui.levelTable, "L3")
    ui.anteriorSpinBox.value = 1.5
    click(ui.nudgeButton)
    click(ui.againButton)
    assert _message(registered).startswith("Registered")
    assert texts(ui.levelTable)[1][TRUST] == "✓ its own"
    motions = level_motions(registered.application.scene, registered.widget._parameterNode, registered.nodes.t2)
    assert _error(registered, Level.L3, motions[Level.L3]) < TRUTH_MM


# Landmarks


def test_pairs_measure_the_error_of_every_level_and_go_with_their_image(registered: SimpleNamespace) -> None:
    ui = registered.rui
    click(ui.undoButton)
    _points(registered, off_mm=3.0)
    assert "3 pairs" in ui.landmarksLabel.text
    registered.widget.logic._showRegistration(
        registered.widget._parameterNode, registered.register._chosen(), *_result()
    )
    registered.widget.refresh()
    apart = [float(row[LANDMARKS]) for row in texts(ui.levelTable)]
    assert all(abs(value - 3.0) < TRUTH_MM for value in apart)
    node = registered.register.panelState.movingLandmarks
    assert node.GetParentTransformNode() is registered.nodes.t2.GetParentTransformNode()
    click(ui.undoButton)
    assert node.GetParentTransformNode() is None
    node.RemoveNthControlPoint(0)
    registered.widget.refresh()
    assert ui.landmarksLabel.text.startswith("The fixed image has 3 landmarks and the moving image 2")


def test_the_registration_starts_from_pairs_when_told(pair: SimpleNamespace) -> None:
    ui = pair.rui
    _points(pair)
    click(ui.startFromLandmarksCheckBox)
    assert "no measure of the error" in ui.landmarksLabel.text
    click(ui.registerButton)
    assert "landmark" in ui.verdictLabel.text
    assert all(float(row[LANDMARKS]) < 1.0 for row in texts(ui.levelTable))


def test_place_makes_a_list_where_none_is_and_lets_the_mouse_place(pair: SimpleNamespace) -> None:
    click(pair.rui.fixedPointButton)
    click(pair.rui.movingPointButton)
    state = pair.register.panelState
    assert state.fixedLandmarks is not None and state.movingLandmarks is not None
    assert state.fixedLandmarks is not state.movingLandmarks
    assert pair.rui.fixedLandmarksSelector.currentNode() is state.fixedLandmarks
    click(pair.rui.movingPointButton)
    assert _nodes(pair, "vtkMRMLMarkupsFiducialNode") == 2


# Compare


def test_every_comparison_is_shown_never_saved_and_taken_away_again(registered: SimpleNamespace) -> None:
    ui, before = registered.rui, _composites(registered)
    volumes = registered.application.scene.GetNumberOfNodes()
    fixed, moving = registered.nodes.ct.GetID(), registered.nodes.t2.GetID()
    pick(ui.compareComboBox, "blend")
    ui.opacitySlider.value = 30
    assert all(item[:2] == (fixed, moving) and item[2] == pytest.approx(0.3) for item in _composites(registered))
    pick(ui.compareComboBox, "checkerboard")
    assert not ui.opacitySlider.enabled
    assert all(item[0] not in (fixed, moving) for item in _composites(registered))
    pick(ui.compareComboBox, "edges")
    assert all(item[0] == fixed and item[3] for item in _composites(registered))
    edges = registered.application.scene.GetNodeByID(_composites(registered)[0][3])
    assert edges.GetHideFromEditors()
    assert not edges.GetSaveWithScene()
    assert not edges.GetDisplayNode().GetSaveWithScene()
    pick(ui.compareComboBox, "before / after")
    registered.register.onFlicker()
    earlier = registered.application.scene.GetNodeByID(_composites(registered)[0][1])
    assert earlier is not registered.nodes.t2
    assert earlier.GetImageData() is registered.nodes.t2.GetImageData()
    assert earlier.GetParentTransformNode() is None
    registered.register.onFlicker()
    assert _composites(registered)[0][1] == moving
    pick(ui.compareComboBox, "fixed / moving")
    registered.register.onFlicker()
    assert _composites(registered)[0][2] == 0.0
    pick(ui.compareComboBox, "as the views")
    assert _composites(registered) == before
    assert registered.application.scene.GetNumberOfNodes() == volumes
    assert len(registered.widget.logic.volumes()) == 2


def test_leaving_the_module_and_closing_the_scene_end_the_comparison(registered: SimpleNamespace) -> None:
    before = _composites(registered)
    assert {key for key, _what, _call in registered.register.shortcuts()} == {"Alt+C", "Alt+F"}
    registered.register.onCheckerboard()
    assert _composites(registered) != before
    registered.application.representation.exit()
    assert _composites(registered) == before
    registered.application.representation.enter()
    registered.register.onBeforeAfter()
    registered.application.close_scene()
    registered.application.settle()
    assert not registered.register._flickerTimer.active


# For others


def test_levels_are_not_carried_through_a_transform_that_was_changed(registered: SimpleNamespace) -> None:
    from spinemet.errors import BadInput
    from spinemet.scene.register_views import level_motions
    from spinemet.scene.volumes import vtk_matrix

    moved = np.eye(4)
    moved[0, 3] = 4.0
    registered.nodes.t2.GetParentTransformNode().SetMatrixTransformToParent(vtk_matrix(moved))
    with pytest.raises(BadInput, match="was changed"):
        level_motions(registered.application.scene, registered.widget._parameterNode, registered.nodes.t2)
    assert level_motions(registered.application.scene, registered.widget._parameterNode, registered.nodes.ct) == {}


def test_what_the_panel_never_asks_for_is_a_sentence_all_the_same(pair: SimpleNamespace) -> None:
    from dataclasses import replace

    import slicer

    from spinemet.errors import BadInput, Cancelled

    logic, chosen = pair.widget.logic, pair.register._chosen()
    fiducials = tuple(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name) for name in ("F", "M"))
    with_landmarks = replace(chosen, landmarks=fiducials, fromLandmarks=True)
    with pytest.raises(BadInput, match="There is no pair of landmarks to start from; place a point in both images"):
        logic.registerSeries(pair.widget._parameterNode, with_landmarks)
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "T")
    fiducials[1].SetAndObserveTransformNodeID(transform.GetID())
    with pytest.raises(BadInput, match="lies under another transform than the moving image; place the points anew"):
        logic._requireLandmarksLieRight(with_landmarks)
    slicer.mrmlScene.RemoveNode(chosen.moving)
    with pytest.raises(Cancelled, match="The images were removed in the meantime"):
        logic._requireStillThere(chosen)
