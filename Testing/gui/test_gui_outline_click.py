"""The Outline panel by click: vertebrae, canal and tumors from points in the views; refusals change nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gui.host import click, pick

from __feature__ import true_property  # noqa: F401  # isort: skip

from segmentation_ct_cases import SICK, clicks_in, dice
from spinemet.case import ImageRef, Role, Structure
from spinemet.image import Image
from spinemet.levels import Level
from spinemet.phantom import SegmentSpec, create, create_segment

CENTER = (4.0, -6.0, 9.0)


def at(right: float, anterior: float, superior: float) -> np.ndarray:
    """A point so many mm from the ball's center."""
    return np.array([CENTER[0] + right, CENTER[1] + anterior, CENTER[2] + superior])


@pytest.fixture(scope="module")
def patient():
    return create(SICK)


@pytest.fixture(scope="module")
def segment():
    return create_segment(SegmentSpec(grade="0", seed=1001, modalities=(Role.T2,), curvature_deg=12.0))


def _open(panel: SimpleNamespace, image: Image, role: Role, name: str) -> SimpleNamespace:
    from spinemet.scene import volume_from_image

    ref = ImageRef(name, role, "frame-1", description=name, date="2026-03-02")
    panel.volume = volume_from_image(panel.application.scene, image, ref, name)
    panel.image = image
    panel.widget.initializeParameterNode()
    panel.application.settle()
    panel.node = panel.widget._parameterNode
    panel.openui = panel.outline.ui
    return panel


@pytest.fixture
def ct(empty_panel: SimpleNamespace, patient) -> SimpleNamespace:
    """A synthetic patient's CT, nothing outlined."""
    return _open(empty_panel, patient.images[Role.CT], Role.CT, "CT")


@pytest.fixture
def ball(empty_panel: SimpleNamespace) -> SimpleNamespace:
    """A bright ball of 10 mm in even tissue, as a T1."""
    matrix = np.diag([1.0, 1.0, 1.2, 1.0])
    matrix[:3, 3] = at(-32, -32, -30)
    k, j, i = np.indices((50, 64, 64))
    image = Image(np.zeros((50, 64, 64), np.int16), matrix, frame="frame-1", name="T1")
    away = np.linalg.norm(image.to_world(np.stack([i, j, k], axis=-1)) - CENTER, axis=-1)
    values = np.where(away < 10, 400, 200) + np.random.default_rng(1).normal(0, 15, away.shape)
    empty_panel.truth = away < 10
    return _open(empty_panel, image.with_array(values.astype(np.int16)), Role.T1, "T1")


def place(panel: SimpleNamespace, *points: Any, end: bool = False) -> None:
    """What the mouse does in a view: points into the active list; `end` is the double click."""
    scene = panel.application.scene
    selection = scene.GetFirstNodeByClass("vtkMRMLSelectionNode")
    interaction = scene.GetFirstNodeByClass("vtkMRMLInteractionNode")
    assert interaction.GetCurrentInteractionMode() == interaction.Place, "the mouse places nothing"
    node = scene.GetNodeByID(selection.GetActivePlaceNodeID())
    for point in points:
        node.AddControlPointWorld([float(x) for x in point])
    if end:
        interaction.SetCurrentInteractionMode(interaction.ViewTransform)
    for _ in range(4):
        panel.application.settle()


def message(panel: SimpleNamespace) -> str:
    return str(panel.widget.ui.messageLabel.text)


def mask(panel: SimpleNamespace, segment_id: str) -> np.ndarray:
    from spinemet.scene.outline_nodes import mask_of
    from spinemet.segmentation.tumor_correct import placed

    node = panel.widget.logic.segmentationOn(panel.node, panel.outline.clicks.volume)
    found = mask_of(node, panel.outline.clicks.volume, segment_id)
    whole = tuple(slice(0, n) for n in panel.image.shape)
    return np.zeros(panel.image.shape, bool) if found is None else placed(found, panel.image, whole)


def outlines(panel: SimpleNamespace) -> dict:
    from spinemet.scene import outlines_of

    node = panel.widget.logic.segmentationOn(panel.node, panel.outline.clicks.volume)
    return outlines_of(node) if node else {}


# What the buttons say


def test_without_an_image_every_tool_says_what_it_waits_for(empty_panel: SimpleNamespace) -> None:
    ui = empty_panel.outline.ui
    for name in ("clickVertebra", "clickCanal", "insidePoint", "outsideStroke", "tumorBox"):
        button = getattr(ui, f"{name}Button")
        assert not button.enabled
        assert button.toolTip == "Choose the image in Study first."
    assert ui.acceptTumorButton.toolTip == "Waits for a mark in a tumor."
    assert not ui.clickHintLabel.visible


def test_pet_is_for_tumors_only(empty_panel: SimpleNamespace) -> None:
    values = np.ones((20, 20, 20), np.float32)
    panel = _open(empty_panel, Image(values, np.diag([4.0, 4, 4, 1]), frame="f", name="PET"), Role.PET, "PET")
    ui = panel.outline.ui
    assert "PET shows neither bone nor canal" in ui.clickVertebraButton.toolTip
    assert ui.insidePointButton.enabled


# Vertebrae


def test_one_click_a_vertebra_and_the_level_counts_on(ct: SimpleNamespace, patient) -> None:
    ui = ct.outline.ui
    pick(ui.clickLevelComboBox, "L1")
    click(ui.clickVertebraButton)
    assert ui.clickVertebraButton.checked
    assert ui.clickHintLabel.text == "Click into the body of L1."
    for level in (Level.L1, Level.L2):
        place(ct, clicks_in(patient.vertebrae, (level,))[0].position)
    assert [item.level for item in outlines(ct).values()] == [Level.L1, Level.L2]
    assert ui.segmentEditor._undo == 1  # the first segmentation had nothing to save
    assert ui.clickHintLabel.text == "Click into the body of L3."
    truth = patient.vertebrae
    for key, item in outlines(ct).items():
        assert dice(mask(ct, key), truth.image.array == truth.levels[item.level]) > 0.75
    segment = ct.node.segmentation.GetSegmentation().GetNthSegment(0)
    assert (segment.GetName(), "SpineMet spine" in segment.GetTerminology()) == ("L1 vertebra", True)
    click(ui.clickVertebraButton)
    assert not ui.clickVertebraButton.checked
    scene = ct.application.scene
    assert scene.GetNumberOfNodesByClass("vtkMRMLMarkupsFiducialNode") == 0
    interaction = scene.GetFirstNodeByClass("vtkMRMLInteractionNode")
    assert interaction.GetCurrentInteractionMode() == interaction.ViewTransform


def test_all_vertebrae_near_one_named_click(ct: SimpleNamespace, patient) -> None:
    ui = ct.outline.ui
    pick(ui.clickLevelComboBox, "L2")
    click(ui.clickWholeCheckBox)
    click(ui.clickVertebraButton)
    place(ct, clicks_in(patient.vertebrae, (Level.L2,))[0].position)
    levels = [item.level for item in outlines(ct).values()]
    assert {Level.L1, Level.L2, Level.L3} <= set(levels)
    assert "outlines were added" in message(ct)


def _nothing_changed(panel: SimpleNamespace, point: Any, said: str) -> None:
    before = {key: mask(panel, key).sum() for key in outlines(panel)}
    nodes = panel.application.scene.GetNumberOfNodes()
    saved = panel.outline.ui.segmentEditor._undo
    place(panel, point)
    assert said in message(panel)
    assert {key: mask(panel, key).sum() for key in outlines(panel)} == before
    assert panel.application.scene.GetNumberOfNodes() == nodes
    assert panel.outline.ui.segmentEditor._undo == saved


def test_clicks_outside_in_air_and_on_what_is_outlined_are_sentences(ct: SimpleNamespace, patient) -> None:
    ui = ct.outline.ui
    pick(ui.clickLevelComboBox, "L1")
    click(ui.clickVertebraButton)
    _nothing_changed(ct, (900.0, 0.0, 0.0), "outside")
    air = ct.image.to_world(np.argwhere(ct.image.array < -700)[0][::-1])
    _nothing_changed(ct, air, "air")
    l1 = clicks_in(patient.vertebrae, (Level.L1,))[0].position
    place(ct, l1)
    pick(ui.clickLevelComboBox, "L1")
    _nothing_changed(ct, l1, "L1 is outlined already")
    pick(ui.clickLevelComboBox, "L4")
    place(ct, l1)
    assert list(outlines(ct)) == [next(iter(outlines(ct)))]


# Canal


def test_two_clicks_outline_canal_sac_and_cord_on_an_image_of_its_own(ct: SimpleNamespace, segment) -> None:
    from spinemet.scene import volume_from_image

    image = segment.images[Role.T2]
    ref = ImageRef("t2", Role.T2, "frame-1", description="T2", date="2026-03-02")
    volume_from_image(ct.application.scene, image, ref, "T2 sagittal")
    ct.application.settle()
    ui = ct.outline.ui
    pick(ui.clickImageComboBox, "T2 sagittal")
    ct.image = image
    click(ui.clickCanalButton)
    truth = segment.structures.image
    index = np.argwhere(truth.array == 3)
    ends = [
        truth.to_world(index[index[:, 0] == k].mean(axis=0)[::-1])
        for k in (index[:, 0].max() - 4, index[:, 0].min() + 4)
    ]
    place(ct, ends[0])
    assert ui.clickHintLabel.text == "Click the other end."
    assert outlines(ct) == {}
    place(ct, ends[1])
    found = {item.structure: mask(ct, key) for key, item in outlines(ct).items()}
    assert list(found) == [Structure.CANAL, Structure.THECAL_SAC, Structure.CORD]
    assert dice(found[Structure.CORD], truth.array == 3) > 0.85
    assert not (found[Structure.CORD] & ~found[Structure.CANAL]).any()
    assert "Outlined: spinal canal, thecal sac, spinal cord." in message(ct)
    assert not ui.clickCanalButton.checked
    # The reference image's segmentation has nothing of it.
    assert not ct.node.segmentation
    assert ui.segmentEditor.sourceVolumeNode().GetName() == "T2 sagittal"


def test_a_stroke_in_the_outlined_canal_is_tumor_there_and_remembered_as_ours(empty_panel: SimpleNamespace) -> None:
    from SpineMetAssessmentLib.OutlineMarks import confirm, isUnedited

    sick = create_segment(SegmentSpec(grade="2", seed=1001, modalities=(Role.T2,), curvature_deg=12.0))
    mr = _open(empty_panel, sick.images[Role.T2], Role.T2, "T2")
    ui, truth = mr.outline.ui, sick.structures.image
    click(ui.clickCanalButton)
    index = np.argwhere(truth.array == 3)
    places = (index[:, 0].max() - 4, index[:, 0].min() + 4)
    place(mr, *(truth.to_world(index[index[:, 0] == k].mean(axis=0)[::-1]) for k in places))
    node = mr.node.segmentation
    before = {item.structure: key for key, item in outlines(mr).items()}
    assert all(isUnedited(node, key) for key in before.values())
    epidural = (sick.lesions.image.array > 0) & (truth.array == 1)
    middle = np.argwhere(epidural)
    k = int(np.median(middle[:, 0]))
    click(ui.insideStrokeButton)
    row = middle[middle[:, 0] == k]
    row = row[np.abs(row[:, 1] - np.median(row[:, 1])) < 1]
    place(mr, *(truth.to_world(row[n][::-1]) for n in (len(row) // 4, 3 * len(row) // 4)), end=True)
    assert message(mr) == ""
    assert "In the outlined canal" in ui.clickHintLabel.text
    click(ui.acceptTumorButton)
    key = next(key for key, item in outlines(mr).items() if item.structure is Structure.LESION)
    assert dice(mask(mr, key) & (truth.array > 0), epidural) > 0.6
    assert not (mask(mr, key) & mask(mr, before[Structure.CORD])).any()
    assert isUnedited(node, key)
    assert isUnedited(node, before[Structure.CORD])
    confirm(node, [before[Structure.CORD]])
    assert not isUnedited(node, before[Structure.CORD])
    from spinemet.scene.outline_nodes import mask_of, set_mask

    shaved = mask_of(node, mr.volume, key)
    shaved.array[tuple(np.argwhere(shaved.array)[0])] = False
    set_mask(node, key, shaved)
    assert not isUnedited(node, key), "one voxel that a person took away makes it a person's"


def test_two_clicks_at_one_place_are_a_sentence(ct: SimpleNamespace) -> None:
    click(ct.outline.ui.clickCanalButton)
    place(ct, (0, 0, 0), (1, 0, 0))
    assert message(ct)
    assert outlines(ct) == {}


# Tumors


def preview(panel: SimpleNamespace) -> Any:
    return panel.application.scene.GetSingletonNode("SpineMet.TumorPreview", "vtkMRMLSegmentationNode")


def test_a_click_previews_the_tumor_and_accepting_writes_it(ball: SimpleNamespace) -> None:
    ui = ball.outline.ui
    click(ui.insidePointButton)
    place(ball, CENTER)
    assert preview(ball) is not None
    assert preview(ball).GetHideFromEditors()
    assert not preview(ball).GetSaveWithScene()
    assert outlines(ball) == {}
    assert ui.clickHintLabel.text.startswith("Proposed: ")
    assert ball.widget.logic.tumorState.proposal.is_refined
    click(ui.acceptTumorButton)
    ((key, item),) = outlines(ball).items()
    assert (item.structure, item.lesion_id) == (Structure.LESION, "lesion-1")
    assert dice(mask(ball, key), ball.truth) > 0.9
    assert preview(ball) is None
    assert ui.tumorComboBox.itemData(ui.tumorComboBox.currentIndex) == key
    assert list(ball.node.lesionSegmentIDs) == [key]


def test_marks_are_taken_back_and_set_again(ball: SimpleNamespace) -> None:
    ui = ball.outline.ui
    click(ui.insideStrokeButton)
    place(ball, at(-4, 0, 0), at(4, 0, 0), end=True)
    first = ball.widget.logic.tumorState.mask.array.sum()
    click(ui.outsidePointButton)
    place(ball, at(0, 7, 0))
    assert ball.widget.logic.tumorState.mask.array.sum() < first
    click(ui.undoMarkButton)
    assert ball.widget.logic.tumorState.mask.array.sum() == pytest.approx(first, rel=0.1)
    assert ui.redoMarkButton.enabled
    click(ui.redoMarkButton)
    assert len(ball.widget.logic.tumorState.marks) == 2
    click(ui.endTumorButton)
    assert ball.widget.logic.tumorState is None
    assert preview(ball) is None
    assert not ui.undoMarkButton.enabled


def test_strokes_correct_what_was_accepted_each_as_one_undo(ball: SimpleNamespace) -> None:
    ui = ball.outline.ui
    click(ui.tumorBoxButton)
    scene = ball.application.scene
    roi = scene.GetNodeByID(scene.GetFirstNodeByClass("vtkMRMLSelectionNode").GetActivePlaceNodeID())
    roi.SetCenterWorld(CENTER)
    roi.SetSizeWorld([26, 26, 26])
    place(ball, end=True)
    click(ui.acceptTumorButton)
    key = next(iter(outlines(ball)))
    before = mask(ball, key).sum()
    assert dice(mask(ball, key), ball.truth) > 0.85
    saved = ui.segmentEditor._undo
    click(ui.insidePointButton)
    place(ball, at(14, 0, 0))
    assert mask(ball, key).sum() > before
    assert ui.segmentEditor._undo == saved + 1
    assert len(outlines(ball)) == 1
    click(ui.undoMarkButton)
    assert mask(ball, key).sum() == before


def test_a_tumor_that_exists_is_corrected_not_replaced(ball: SimpleNamespace) -> None:
    ui = ball.outline.ui
    click(ui.insidePointButton)
    place(ball, CENTER)
    click(ui.acceptTumorButton)
    click(ui.endTumorButton)
    key = next(iter(outlines(ball)))
    accepted = mask(ball, key)
    assert ui.tumorComboBox.currentIndex == 0
    pick(ui.tumorComboBox, "Lesion 1")
    click(ui.insidePointButton)
    place(ball, at(14, 0, 0))
    assert (mask(ball, key) & accepted).sum() == accepted.sum()
    assert mask(ball, key).sum() > accepted.sum()


def test_slicers_own_growing_can_be_chosen(ball: SimpleNamespace) -> None:
    ui = ball.outline.ui
    assert [ui.tumorMethodComboBox.itemText(n) for n in range(ui.tumorMethodComboBox.count)] == [
        "graph cut", "Slicer's grow from seeds",
    ]  # fmt: skip
    assert "nninteractive-client" in ui.tumorMethodComboBox.toolTip
    pick(ui.tumorMethodComboBox, "Slicer's grow")
    click(ui.insideStrokeButton)
    place(ball, at(-5, 0, 0), at(5, 0, 0), end=True)
    assert "Grown from the strokes by Slicer's grow from seeds." in ui.clickHintLabel.text
    assert ball.widget.logic.tumorState.mask.array.any()


def test_a_server_elsewhere_is_said_to_get_the_image(ball: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    from spinemet.segmentation.engines import nninteractive

    monkeypatch.setattr(nninteractive, "is_installed", lambda package: True)
    ui = ball.outline.ui
    for address, said in (
        ("http://127.0.0.1:1527", "nnInteractive"),
        ("http://gpu.lab:1527", "sends the image to gpu.lab"),
    ):
        ui.serverLineEdit.text = address
        ui.serverLineEdit.editingFinished.emit()
        ball.application.settle()
        assert said in ui.tumorMethodComboBox.itemText(2)
    assert ui.tumorMethodComboBox.currentIndex == 0


def test_marks_that_cannot_be_used_leave_nothing(ball: SimpleNamespace) -> None:
    ui = ball.outline.ui
    click(ui.insidePointButton)
    _nothing_changed(ball, (900.0, 0.0, 0.0), "outside")
    scene = ball.application.scene
    assert scene.GetFirstNodeByClass("vtkMRMLMarkupsFiducialNode").GetNumberOfControlPoints() == 0
    assert ball.widget.logic.tumorState is None
    click(ui.outsidePointButton)
    _nothing_changed(ball, CENTER, "Nothing marks the tumor's inside")
    pick(ui.tumorLimitComboBox, "in bone")
    click(ui.insidePointButton)
    _nothing_changed(ball, CENTER, "outline the vertebra first")


def test_no_contrast_is_a_sentence_and_what_was_accepted_stays(ball: SimpleNamespace) -> None:
    ui = ball.outline.ui
    click(ui.insidePointButton)
    place(ball, CENTER)
    click(ui.acceptTumorButton)
    click(ui.endTumorButton)
    key = next(iter(outlines(ball)))
    before = mask(ball, key)
    click(ui.insidePointButton)
    place(ball, at(-22, -22, 18))
    assert "does not stand out from its surroundings" in message(ball)
    assert ball.widget.logic.tumorState is None
    assert preview(ball) is None
    assert np.array_equal(mask(ball, key), before)


@pytest.mark.parametrize("tool", ["clickVertebra", "clickCanal", "insidePoint"])
def test_a_single_slice_is_a_sentence(empty_panel: SimpleNamespace, tool: str) -> None:
    values = np.random.default_rng(0).integers(100, 900, (1, 40, 40)).astype(np.int16)
    panel = _open(empty_panel, Image(values, np.diag([1.0, 1, 5, 1]), frame="f", name="T2"), Role.T2, "T2")
    button = getattr(panel.outline.ui, f"{tool}Button")
    click(button)
    place(panel, (20, 20, 0), (20, 35, 0)) if tool == "clickCanal" else place(panel, (20, 20, 0))
    assert "slice" in message(panel)
    assert outlines(panel) == {}


def test_a_volume_of_several_values_is_a_sentence(ct: SimpleNamespace) -> None:
    import vtk

    data = vtk.vtkImageData()
    data.SetDimensions(10, 10, 10)
    data.AllocateScalars(vtk.VTK_SHORT, 3)
    ct.volume.SetAndObserveImageData(data)
    click(ct.outline.ui.insidePointButton)
    place(ct, (0, 0, 0))
    assert "one value in each voxel" in message(ct)


# Its life


def test_leaving_the_module_puts_the_tool_down_and_keeps_what_is_proposed(ball: SimpleNamespace) -> None:
    ui = ball.outline.ui
    click(ui.insidePointButton)
    place(ball, CENTER)
    ball.application.representation.exit()
    scene = ball.application.scene
    assert scene.GetNumberOfNodesByClass("vtkMRMLMarkupsFiducialNode") == 0
    assert preview(ball) is not None
    ball.application.representation.enter()
    ball.application.settle()
    assert not ui.insidePointButton.checked
    click(ui.acceptTumorButton)
    assert message(ball).startswith("The tumor was outlined")
    assert [item.lesion_id for item in outlines(ball).values()] == ["lesion-1"]


def test_closing_the_scene_while_a_tool_is_up(ball: SimpleNamespace) -> None:
    click(ball.outline.ui.insidePointButton)
    place(ball, CENTER)
    ball.application.close_scene()
    assert not ball.outline.ui.insidePointButton.enabled
    assert ball.widget.logic.tumorState is None


@pytest.mark.parametrize("tool", ["clickVertebra", "insidePoint", "outsideStroke", "tumorBox"])
def test_a_mouse_that_is_given_another_task_puts_the_tool_down(ball: SimpleNamespace, tool: str) -> None:
    button = getattr(ball.outline.ui, f"{tool}Button")
    click(button)
    place(ball, end=True)
    assert not button.checked
    assert message(ball) == ""


def test_another_tool_takes_the_first_ones_place(ball: SimpleNamespace) -> None:
    ui = ball.outline.ui
    click(ui.insidePointButton)
    click(ui.outsidePointButton)
    assert (ui.insidePointButton.checked, ui.outsidePointButton.checked) == (False, True)
    assert ball.application.scene.GetNumberOfNodesByClass("vtkMRMLMarkupsFiducialNode") == 1
