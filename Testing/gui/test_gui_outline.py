"""The Outline panel: label maps in, new segments with our terms, names moved with their answers."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gui.host import click, pick, texts

from __feature__ import true_property  # noqa: F401  # isort: skip

from gui import small_spine
from spinemet.case import ImageRef, Role, Structure
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level

SEGMENT, LEVEL = range(2)


def _names(panel: SimpleNamespace) -> list[str]:
    return [row[SEGMENT] for row in texts(panel.outline.ui.levelTable)]


def _combo(panel: SimpleNamespace, row: int) -> Any:
    return panel.outline.ui.levelTable.cellWidget(row, LEVEL)


def _message(panel: SimpleNamespace) -> str:
    return str(panel.widget.ui.messageLabel.text)


@pytest.fixture
def ct_only(empty_panel: SimpleNamespace, tmp_path: Path) -> SimpleNamespace:
    """The CT of the small spine alone, its outlines as files in VerSe's numbering: `vertebrae`, `lesions`."""
    from spinemet.scene import volume_from_image
    from spinemet.study import write_labels

    image, vertebrae, lesions = small_spine.images()
    volume_from_image(
        empty_panel.application.scene, image, ImageRef("ct", Role.CT, "frame-1", date="2026-03-02"), "CT"
    )
    empty_panel.widget.initializeParameterNode()
    empty_panel.application.settle()
    values = np.where(vertebrae.image.array > 0, vertebrae.image.array + 19, 0).astype(np.uint8)
    write_labels(LabelMap(image.with_array(values), {}), tmp_path / "vertebrae.nii.gz")
    write_labels(lesions, tmp_path / "lesions.nii.gz")
    empty_panel.vertebrae, empty_panel.lesions = tmp_path / "vertebrae.nii.gz", tmp_path / "lesions.nii.gz"
    return empty_panel


def _import(panel: SimpleNamespace, path: Path, numbering: str) -> None:
    panel.outline.ui.labelFileEdit.currentPath = str(path)
    panel.application.settle()
    pick(panel.outline.ui.numberingComboBox, numbering)
    click(panel.outline.ui.importButton)


# Import


def test_import_says_what_it_waits_for(empty_panel: SimpleNamespace) -> None:
    ui = empty_panel.outline.ui
    assert not ui.importButton.enabled
    assert ui.importButton.toolTip == "Choose the image in Study first."
    assert not ui.vertebraButton.enabled
    assert not ui.segmentEditor.visible


def test_vertebrae_and_lesions_come_in_and_can_be_assessed(ct_only: SimpleNamespace) -> None:
    assert "file" in ct_only.outline.ui.importButton.toolTip
    _import(ct_only, ct_only.vertebrae, "VerSe")
    assert _message(ct_only).startswith("Imported.")
    assert _names(ct_only) == [f"{level} vertebra" for level in small_spine.LEVELS]
    _import(ct_only, ct_only.lesions, "every label is a lesion")
    assert ct_only.outline.state() == "L1–L5 · 1 lesion"
    assert ct_only.outline.ui.segmentEditor._undo == 1
    assert ct_only.application.scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1
    click(ct_only.ui.assessButton)
    assert ct_only.widget.ui.answerLabel.text.startswith("Worst: L3")


def test_the_same_levels_twice_are_refused_and_nothing_changes(ct_only: SimpleNamespace) -> None:
    _import(ct_only, ct_only.vertebrae, "VerSe")
    nodes = ct_only.application.scene.GetNumberOfNodes()
    _import(ct_only, ct_only.vertebrae, "VerSe")
    assert "L1 is outlined already" in _message(ct_only)
    assert ct_only.application.scene.GetNumberOfNodes() == nodes
    assert len(_names(ct_only)) == 5


def test_a_label_map_on_another_grid_is_a_sentence(ct_only: SimpleNamespace, tmp_path: Path) -> None:
    from spinemet.study import write_labels

    image = Image(np.full((4, 4, 4), 20, np.uint8), np.eye(4), name="other")
    write_labels(LabelMap(image, {}), tmp_path / "other.nii.gz")
    _import(ct_only, tmp_path / "other.nii.gz", "VerSe")
    assert "grid" in _message(ct_only)
    assert ct_only.application.scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_an_empty_label_map_is_a_sentence(ct_only: SimpleNamespace, tmp_path: Path) -> None:
    from spinemet.study import write_labels

    image = small_spine.images()[0]
    write_labels(LabelMap(image.with_array(np.zeros(image.shape, np.uint8)), {}), tmp_path / "none.nii.gz")
    _import(ct_only, tmp_path / "none.nii.gz", "every label is a lesion")
    assert "empty" in _message(ct_only)


# Presets


def test_presets_add_segments_with_our_names_terms_and_colors(ct_only: SimpleNamespace) -> None:
    from spinemet.scene import outlines_of

    ui = ct_only.outline.ui
    pick(ui.presetLevelComboBox, "T12")
    click(ui.vertebraButton)
    click(ui.tumorButton)
    click(ui.tumorButton)
    click(ui.canalButton)
    node = ct_only.widget._parameterNode.segmentation
    found = outlines_of(node)
    assert [item.structure for item in found.values()] == [
        Structure.VERTEBRA, Structure.LESION, Structure.LESION, Structure.CANAL,
    ]  # fmt: skip
    assert [item.lesion_id for item in found.values()][1:3] == ["lesion-1", "lesion-2"]
    assert next(iter(found.values())).level is Level.T12
    segments = [node.GetSegmentation().GetNthSegment(n) for n in range(4)]
    assert [segment.GetName() for segment in segments] == ["T12 vertebra", "Lesion 1", "Lesion 2", "Spinal canal"]
    assert all("SpineMet spine" in segment.GetTerminology() for segment in segments)
    assert node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole()).GetName() == "CT"
    editor = ui.segmentEditor
    assert editor.currentSegmentID() == list(found)[-1]
    assert editor._effect == "Paint"
    assert editor.sourceVolumeNode().GetName() == "CT"


def test_a_level_that_is_there_is_not_added_again(panel: SimpleNamespace) -> None:
    pick(panel.outline.ui.presetLevelComboBox, "L3")
    click(panel.outline.ui.vertebraButton)
    assert "L3 is outlined already" in _message(panel)
    assert len(_names(panel)) == 5


def test_from_the_evidence_into_the_editor(panel: SimpleNamespace) -> None:
    panel.widget._parameterNode.openPanels = ""
    lesion = next(iter(panel.widget._parameterNode.lesionSegmentIDs))
    panel.outline.editAt(lesion, panel.spine.lesion_center)
    assert "OutlinePanel" in panel.widget._parameterNode.openPanels
    assert panel.outline.ui.segmentEditor.currentSegmentID() == lesion


# Names


def test_one_level_is_renamed_and_the_renaming_taken_back(panel: SimpleNamespace) -> None:
    pick(_combo(panel, 0), "T12")
    assert _names(panel)[0] == "T12 vertebra"
    click(panel.outline.ui.undoNamesButton)
    assert _names(panel)[0] == "L1 vertebra"
    assert not panel.outline.ui.undoNamesButton.enabled
    panel.outline.onUndoNames()  # nothing left to take back
    assert _names(panel)[0] == "L1 vertebra"


def test_a_name_that_is_taken_is_refused(panel: SimpleNamespace) -> None:
    pick(_combo(panel, 0), "L2")
    assert "L2 is outlined already" in _message(panel)
    assert _names(panel)[0] == "L1 vertebra"
    assert _combo(panel, 0).itemText(_combo(panel, 0).currentIndex) == "L1"


def test_the_same_name_again_changes_nothing(panel: SimpleNamespace) -> None:
    pick(_combo(panel, 0), "L1")
    assert not panel.outline.ui.undoNamesButton.enabled


def test_all_names_move_by_one_and_the_answers_with_them(assessed: SimpleNamespace) -> None:
    pick(assessed.ui.painComboBox, "mechanical")
    click(assessed.ui.levelsConfirmedCheckBox)
    logic, node = assessed.widget.logic, assessed.widget._parameterNode
    node.readings = '{"CD": "{\\"levels\\": {\\"L3\\": {\\"pain\\": \\"none\\"}}}"}'
    click(assessed.outline.ui.headwardButton)
    assert _names(assessed) == ["T12 vertebra", "L1 vertebra", "L2 vertebra", "L3 vertebra", "L4 vertebra"]
    assert {level.value: item.pain for level, item in logic.answers(node).levels.items()} == {"L2": "mechanical"}
    assert '\\"L2\\"' in node.readings
    assert not logic.answers(node).levels_confirmed
    click(assessed.outline.ui.tailwardButton)
    assert _names(assessed)[0] == "L1 vertebra"
    click(assessed.outline.ui.undoNamesButton)
    click(assessed.outline.ui.undoNamesButton)
    assert logic.answers(node).levels_confirmed
    assert [level.value for level in logic.answers(node).levels] == ["L3"]


def test_a_lesion_said_to_be_at_a_level_moves_with_its_vertebra(panel: SimpleNamespace) -> None:
    import vtk

    segment = panel.spine.segmentation.GetSegmentation().GetSegment("lesion-1")
    segment.SetTag("SpineMet.Level", "L3")
    click(panel.outline.ui.tailwardButton)
    level = vtk.reference("")
    segment.GetTag("SpineMet.Level", level)
    assert (str(level), segment.GetName()) == ("L4", "Lesion 1")
    click(panel.outline.ui.undoNamesButton)
    segment.GetTag("SpineMet.Level", level)
    assert str(level) == "L3"


def test_what_was_answered_at_a_level_without_outline_moves_too(panel: SimpleNamespace) -> None:
    logic, node = panel.widget.logic, panel.widget._parameterNode
    logic.setAnswer(node, "T12", "pain", "none", reader="AB")
    logic.setAnswer(node, "L1", "pain", "mechanical", reader="AB")
    logic.shiftLevels(node, -1)
    assert {level.value: said.pain for level, said in logic.answers(node).levels.items()} == {
        "T11": "none",
        "T12": "mechanical",
    }


def test_names_do_not_run_into_the_sacrum_or_off_the_spine(panel: SimpleNamespace) -> None:
    logic, node = panel.widget.logic, panel.widget._parameterNode
    logic.addSegment(node, "vertebra", "S1")
    panel.widget.refresh()
    click(panel.outline.ui.tailwardButton)
    assert "L5 would be called S1, as the outlined sacrum is" in _message(panel)
    logic.addSegment(node, "vertebra", "C1")
    panel.widget.refresh()
    click(panel.outline.ui.headwardButton)
    assert "C1 cannot be renamed: there is no name above C1" in _message(panel)
    assert _names(panel)[1] == "L1 vertebra"


def test_without_a_vertebra_there_is_nothing_to_rename(ct_only: SimpleNamespace) -> None:
    from spinemet.errors import BadInput

    assert not ct_only.outline.ui.headwardButton.enabled
    assert ct_only.outline.ui.headwardButton.toolTip == "Waits for an outlined vertebra."
    with pytest.raises(BadInput, match="nothing to rename"):
        ct_only.widget.logic.shiftLevels(ct_only.widget._parameterNode, 1)


def test_a_click_on_a_row_shows_the_vertebra(panel: SimpleNamespace) -> None:
    panel.outline.ui.levelTable.cellClicked.emit(4, SEGMENT)
    matrix = panel.application.scene.GetFirstNodeByClass("vtkMRMLSliceNode").GetSliceToRAS()
    assert matrix.GetElement(2, 3) == pytest.approx(-2 * small_spine.PITCH, abs=10.0)
    assert panel.outline.ui.segmentEditor.currentSegmentID() == "L5_vertebra"


# The editor's life


def test_the_editor_holds_views_and_keys_only_while_the_module_is_open(panel: SimpleNamespace) -> None:
    editor = panel.outline.ui.segmentEditor
    assert editor._views
    assert editor._keys
    panel.application.representation.exit()
    assert not editor._views
    assert not editor._keys
    assert editor.mrmlSegmentEditorNode() is None
    panel.application.representation.enter()
    assert editor._views
    assert editor.segmentationNode() is panel.spine.segmentation


def test_a_closed_scene_takes_the_editor_node_and_a_new_one_comes(panel: SimpleNamespace) -> None:
    panel.application.close_scene()
    spine = small_spine.add_to(panel.application.scene)
    panel.widget._parameterNode.segmentation = spine.segmentation
    panel.application.settle()
    assert panel.outline.ui.segmentEditor.segmentationNode() is spine.segmentation
    assert panel.application.scene.GetNumberOfNodesByClass("vtkMRMLSegmentEditorNode") == 1


def test_outlining_without_an_image_is_a_sentence(empty_panel: SimpleNamespace) -> None:
    from spinemet.errors import BadInput

    logic, node = empty_panel.widget.logic, empty_panel.widget._parameterNode
    with pytest.raises(BadInput, match="image to outline on"):
        logic.addSegment(node, "lesion")
    with pytest.raises(BadInput, match="drawn on"):
        logic.importLabels(node, "x.nii.gz")
