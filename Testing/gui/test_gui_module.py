"""The module as a user meets it: choose, assess, read, answer, override, export, save, reopen."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gui.host import click, pick, select_row, texts, type_text

from __feature__ import true_property  # noqa: F401  # isort: skip

from gui import small_spine

LEVEL, SINS, ESCC, COLLAPSE, BODY, TYPE, MARK = range(7)


def _row(panel: SimpleNamespace, level: str) -> list[str]:
    return next(row for row in texts(panel.ui.levelTable) if row[LEVEL] == level)


def _possible(panel: SimpleNamespace, level: str = "L3") -> tuple[int, ...]:
    result = panel.widget.logic.assessment(panel.widget._parameterNode)
    return next(item for item in result.scored if item.level.value == level).sins.possible_totals


def _slice_center(application: Any) -> np.ndarray:
    node = application.scene.GetFirstNodeByClass("vtkMRMLSliceNode")
    matrix = node.GetSliceToRAS()
    return np.array([matrix.GetElement(row, 3) for row in range(3)])


# Opening


def test_an_empty_scene_says_what_to_do_first(empty_panel: SimpleNamespace) -> None:
    assert not empty_panel.ui.assessButton.enabled
    assert empty_panel.ui.assessButton.toolTip == "Choose the CT first."
    assert empty_panel.ui.hintLabel.text == "Choose the CT first."
    assert not empty_panel.ui.resultFrame.visible


def test_the_module_names_its_developers_its_place_and_its_limits(empty_panel: SimpleNamespace) -> None:
    parent = empty_panel.application.module.parent
    assert parent.contributors == ["SpineMet developers"]
    assert parent.categories == ["Oncology", "Quantification"]
    assert "Research use only" in parent.helpText
    assert "Research use only" in empty_panel.widget.ui.researchUseLabel.text
    assert not parent.icon.isNull()


def test_ct_outlines_and_lesions_that_are_there_are_chosen(panel: SimpleNamespace) -> None:
    assert panel.ui.referenceVolumeSelector.currentNode() is panel.spine.volume
    assert panel.ui.segmentationSelector.currentNode() is panel.spine.segmentation
    assert panel.ui.lesionList.count == 1
    assert panel.ui.assessButton.enabled


def test_choosing_the_nodes_by_hand_enables_assess(empty_panel: SimpleNamespace) -> None:
    spine = small_spine.add_to(empty_panel.application.scene)
    empty_panel.ui.referenceVolumeSelector.setCurrentNode(spine.volume)
    assert "segmentation" in empty_panel.ui.assessButton.toolTip
    empty_panel.ui.segmentationSelector.setCurrentNode(spine.segmentation)
    empty_panel.application.settle()
    assert empty_panel.ui.assessButton.enabled
    assert empty_panel.ui.lesionList.count == 1


def test_an_empty_segmentation_is_said(panel: SimpleNamespace) -> None:
    empty = panel.application.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "nothing in it")
    panel.ui.segmentationSelector.setCurrentNode(empty)
    panel.application.settle()
    assert not panel.ui.assessButton.enabled
    assert "empty" in panel.ui.assessButton.toolTip


# Lesions


def test_lesions_are_found_by_tag_and_by_name_and_other_segments_are_offered(panel: SimpleNamespace) -> None:
    segmentation = panel.spine.segmentation.GetSegmentation()
    for name in ("Metastasis of T12", "TUMOR", "aorta"):
        segmentation.AddEmptySegment(name, name)
    candidates = panel.widget.logic.lesionCandidates(panel.spine.segmentation)
    assert {key: found for key, found in candidates.items() if key in ("Metastasis of T12", "TUMOR", "aorta")} == {
        "Metastasis of T12": True,
        "TUMOR": True,
        "aorta": False,
    }
    assert len(candidates) == 4


def test_a_choice_of_lesions_is_kept_when_a_segment_is_added(panel: SimpleNamespace) -> None:
    import qt

    panel.ui.lesionList.item(0).setCheckState(qt.Qt.Unchecked)
    panel.application.settle()
    assert list(panel.widget._parameterNode.lesionSegmentIDs) == []
    assert "No lesion is checked" in panel.ui.hintLabel.text
    panel.spine.segmentation.GetSegmentation().AddEmptySegment("Lesion 2", "Lesion 2")
    panel.widget.refresh()
    assert list(panel.widget._parameterNode.lesionSegmentIDs) == []
    assert panel.ui.lesionList.count == 2


def test_other_outlines_open_the_question_of_lesions_again(panel: SimpleNamespace) -> None:
    import qt

    panel.ui.lesionList.item(0).setCheckState(qt.Qt.Unchecked)
    other = panel.application.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "other")
    other.GetSegmentation().AddEmptySegment("bone_metastasis", "bone_metastasis")
    panel.ui.segmentationSelector.setCurrentNode(other)
    panel.application.settle()
    assert list(panel.widget._parameterNode.lesionSegmentIDs) == ["bone_metastasis"]


def test_the_ct_is_chosen_before_other_volumes_and_label_maps_never(empty_panel: SimpleNamespace) -> None:
    scene = empty_panel.application.scene
    scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "T2")
    scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    scene.GetFirstNodeByName("CT").SetAttribute("SpineMet.Key", "ct")
    scene.GetFirstNodeByName("CT").SetAttribute("SpineMet.Role", "CT")
    scene.GetFirstNodeByName("CT").SetAttribute("SpineMet.Frame", "frame-1")
    empty_panel.widget.initializeParameterNode()
    assert empty_panel.ui.referenceVolumeSelector.currentNode().GetName() == "CT"


# Assessing


def test_assessing_lists_every_imaged_level_and_scores_the_one_with_the_lesion(assessed: SimpleNamespace) -> None:
    rows = texts(assessed.ui.levelTable)
    assert [row[LEVEL] for row in rows] == ["L1", "L2", "L3", "L4", "L5"]
    assert [row[SINS] for row in rows if row[LEVEL] != "L3"] == ["no lesion outlined"] * 4
    # Location L3 is mobile, 2 points (Fisher 2010); pain and alignment were not asked.
    assert (assessed.ui.locationPointsLabel.text, assessed.ui.painPointsLabel.text) == ("2", "0/1/3")
    assert assessed.ui.summaryLabel.text.startswith("Worst: L3")
    assert "levels unconfirmed" in assessed.ui.summaryLabel.text


def test_undecided_is_gray(assessed: SimpleNamespace) -> None:
    row = select_row(assessed.ui.levelTable, "L3")
    color = assessed.ui.levelTable.item(row, SINS).foreground().color()
    assert color.red() == color.green() == color.blue()


def test_levels_that_were_not_imaged_are_listed_on_request(assessed: SimpleNamespace) -> None:
    click(assessed.ui.showAllCheckBox)
    assessed.application.settle()
    rows = texts(assessed.ui.levelTable)
    assert len(rows) == 29
    assert _row(assessed, "T4")[SINS] == "not imaged"


def test_assessing_fills_the_scene(assessed: SimpleNamespace) -> None:
    scene = assessed.application.scene
    assert scene.GetNumberOfNodesByClass("vtkMRMLTableNode") >= 1
    marks = scene.GetNumberOfNodesByClass("vtkMRMLMarkupsNode")
    assert marks >= 1
    click(assessed.ui.assessButton)
    assessed.application.settle()
    assert scene.GetNumberOfNodesByClass("vtkMRMLMarkupsNode") == marks


def test_clicking_a_level_takes_all_views_there(assessed: SimpleNamespace) -> None:
    select_row(assessed.ui.levelTable, "L5")
    assert _slice_center(assessed.application)[2] < -50
    select_row(assessed.ui.levelTable, "L3")
    assessed.application.settle()
    center = _slice_center(assessed.application)
    # The lesion's true center, within the size of the body.
    assert np.linalg.norm(center - assessed.spine.lesion_center) < 20
    assert assessed.ui.detailTitle.text.startswith("L3")


def test_clicking_evidence_shows_the_measurements_behind_a_component(assessed: SimpleNamespace) -> None:
    click(assessed.ui.collapseEvidenceButton)
    assert "mm" in assessed.ui.evidenceLabel.text or "%" in assessed.ui.evidenceLabel.text


# Answers


def test_an_answer_changes_the_total_by_its_points(assessed: SimpleNamespace) -> None:
    before = _possible(assessed)
    pick(assessed.ui.painComboBox, "none")
    without = _possible(assessed)
    pick(assessed.ui.painComboBox, "mechanical")
    assert _possible(assessed) == tuple(total + 3 for total in without)
    assert before[0] == without[0]
    assert assessed.ui.painPointsLabel.text == "3"
    assert assessed.ui.painSourceLabel.text == "you ✓"


def test_all_six_components_by_pick_list_give_the_published_total(assessed: SimpleNamespace) -> None:
    picks = {
        "pain": "mechanical", "alignment": "subluxation", "boneLesion": "lytic", "collapse": ">50 % (3)",
        "posterolateral": "bilateral",
    }  # fmt: skip
    for name, option in picks.items():
        pick(getattr(assessed.ui, f"{name}ComboBox"), option)
    # 2 for L2–L4, then 3 + 4 + 2 + 3 + 3 (Fisher 2010): 17 of 18, unstable.
    assert _row(assessed, "L3")[SINS] == "17 unstable"


def test_an_answer_can_be_taken_back(assessed: SimpleNamespace) -> None:
    before = _possible(assessed)
    pick(assessed.ui.painComboBox, "occasional")
    pick(assessed.ui.painComboBox, "not asked yet")
    assert _possible(assessed) == before


def test_an_override_keeps_its_reason_its_reader_and_the_suggestion(assessed: SimpleNamespace) -> None:
    type_text(assessed.study.ui.readerEdit, "AB")
    pick(assessed.ui.posterolateralComboBox, "bilateral")
    assert assessed.ui.reasonEdit.enabled
    type_text(assessed.ui.reasonEdit, "right pedicle broken on the MRI")
    result = assessed.widget.logic.assessment(assessed.widget._parameterNode)
    finding = result.worst.sins.components["posterolateral"]
    assert (finding.points, finding.source.value) == (3, "overridden")
    assert (finding.reason, finding.reader) == ("right pedicle broken on the MRI", "AB")
    assert finding.suggested is not None
    assert "Suggested" in assessed.ui.evidenceLabel.text


def test_assessing_again_never_overwrites_answers(assessed: SimpleNamespace) -> None:
    pick(assessed.ui.painComboBox, "mechanical")
    pick(assessed.ui.collapseComboBox, "none")
    kept = json.loads(assessed.widget._parameterNode.answers)
    click(assessed.ui.assessButton)
    assert json.loads(assessed.widget._parameterNode.answers) == kept
    assert kept["levels"]["L3"]["pain"] == "mechanical"
    assert kept["levels"]["L3"]["overrides"]["collapse"]["points"] == 0


def test_pain_of_one_level_is_not_copied_to_another(assessed: SimpleNamespace) -> None:
    pick(assessed.ui.painComboBox, "mechanical")
    assert list(json.loads(assessed.widget._parameterNode.answers)["levels"]) == ["L3"]


def test_confirming_the_levels_takes_the_caution_away(assessed: SimpleNamespace) -> None:
    click(assessed.ui.levelsConfirmedCheckBox)
    assessed.application.settle()
    assert "unconfirmed" not in assessed.ui.summaryLabel.text


def test_the_wheel_never_changes_an_answer(assessed: SimpleNamespace) -> None:
    import ctk

    assert assessed.ui.painComboBox.scrollWheelEffect == ctk.ctkComboBox.NeverScroll


# Errors


def test_outlines_without_any_vertebra_are_said_before_anyone_presses(panel: SimpleNamespace) -> None:
    other = panel.application.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "other")
    other.GetSegmentation().AddEmptySegment("liver", "liver")
    panel.ui.segmentationSelector.setCurrentNode(other)
    panel.application.settle()
    assert not panel.ui.assessButton.enabled
    assert "No segment is recognized as a vertebra" in panel.ui.assessButton.toolTip
    assert "No segment is recognized as a vertebra" in panel.ui.hintLabel.text


def test_a_volume_without_voxels_is_a_sentence_in_the_panel(panel: SimpleNamespace) -> None:
    empty = panel.application.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
    panel.ui.referenceVolumeSelector.setCurrentNode(empty)
    panel.widget.logic.setRole(empty, "CT")
    panel.widget.refresh()
    click(panel.ui.assessButton)
    assert "holds no voxels" in panel.widget.ui.messageLabel.text


def test_the_message_goes_with_the_next_success(panel: SimpleNamespace) -> None:
    panel.widget.showMessage("something was wrong")
    click(panel.ui.assessButton)
    assert panel.widget.ui.messageLabel.text == ""


def test_a_damaged_stored_assessment_is_said(assessed: SimpleNamespace) -> None:
    text = assessed.application.scene.GetFirstNodeByClass("vtkMRMLTextNode")
    text.SetText("{")
    assessed.widget.refresh()
    assert "damaged" in assessed.widget.ui.messageLabel.text


def test_damaged_answers_are_said(assessed: SimpleNamespace) -> None:
    assessed.widget._parameterNode.answers = "{"
    assert "answers stored in this scene are damaged" in assessed.widget.ui.messageLabel.text


def test_stop_ends_a_run_and_changes_nothing(panel: SimpleNamespace) -> None:
    before = panel.application.scene.GetNumberOfNodes()
    show = panel.widget._progress

    def stop_at_once(fraction: float, text: str) -> None:
        panel.widget.onStop()
        show(fraction, text)

    panel.widget._progress = stop_at_once
    click(panel.ui.assessButton)
    assert panel.widget.ui.messageLabel.text == "Stopped; nothing was changed."
    assert panel.application.scene.GetNumberOfNodes() == before
    assert panel.widget.ui.panelsFrame.enabled


# Scene and module life


def test_closing_the_scene_empties_the_panel_and_a_second_study_can_follow(assessed: SimpleNamespace) -> None:
    assessed.application.close_scene()
    assert not assessed.ui.assessButton.enabled
    assert assessed.ui.referenceVolumeSelector.currentNode() is None
    assert not assessed.ui.resultFrame.visible
    spine = small_spine.add_to(assessed.application.scene)
    assessed.ui.referenceVolumeSelector.setCurrentNode(spine.volume)
    assessed.ui.segmentationSelector.setCurrentNode(spine.segmentation)
    assessed.application.settle()
    click(assessed.ui.assessButton)
    assert assessed.ui.summaryLabel.text.startswith("Worst: L3")
    assert assessed.widget.logic.answers(assessed.widget._parameterNode).levels == {}


def test_a_saved_scene_reopens_with_the_same_state_and_without_computing(
    assessed: SimpleNamespace, tmp_path: Path
) -> None:
    import slicer

    type_text(assessed.study.ui.readerEdit, "AB")
    pick(assessed.ui.painComboBox, "mechanical")
    rows, kept = texts(assessed.ui.levelTable), assessed.widget._parameterNode.answers
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    assessed.application.close_scene()
    assessed.widget.logic.assess = None  # whoever computes now fails
    assert slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    assessed.application.settle()
    assert texts(assessed.ui.levelTable) == rows
    assert assessed.widget._parameterNode.answers == kept
    assert assessed.study.ui.readerEdit.text == "AB"
    assert assessed.ui.referenceVolumeSelector.currentNode().GetName() == "CT"
    assert "Outdated" not in assessed.ui.hintLabel.text
    assert assessed.ui.detailTitle.text.startswith("L3")


def test_leaving_and_entering_the_module_keeps_the_state(assessed: SimpleNamespace) -> None:
    pick(assessed.ui.painComboBox, "mechanical")
    rows = texts(assessed.ui.levelTable)
    assessed.application.representation.exit()
    assessed.application.representation.enter()
    assert texts(assessed.ui.levelTable) == rows
    assert assessed.ui.painSourceLabel.text == "you ✓"


def test_reloading_reads_the_library_anew_and_keeps_the_state(assessed: SimpleNamespace) -> None:
    import sys

    library = sys.modules["spinemet.levels"]
    rows = texts(assessed.ui.levelTable)
    old = assessed.widget
    old.onReload()
    assessed.application.settle()
    new = assessed.application.widget
    assert new is not old
    assert sys.modules["spinemet.levels"] is not library
    assert texts(new.panel("AssessPanel").ui.levelTable) == rows
    click(new.panel("AssessPanel").ui.assessButton)
    assert new.ui.messageLabel.text == ""


def test_an_edit_before_saving_is_seen_after_reopening(assessed: SimpleNamespace, tmp_path: Path) -> None:
    import slicer

    slicer.util.arrayFromVolume(assessed.spine.volume)[:] += 1
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    assessed.application.close_scene()
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    assessed.application.settle()
    assert "Outdated: image changed since" in assessed.ui.hintLabel.text


def test_a_removed_result_is_no_longer_shown(assessed: SimpleNamespace) -> None:
    assessed.application.scene.RemoveNode(assessed.application.scene.GetFirstNodeByClass("vtkMRMLTextNode"))
    assessed.application.settle()
    assert not assessed.ui.resultFrame.visible


def test_a_removed_parameter_node_is_replaced(assessed: SimpleNamespace) -> None:
    assessed.application.scene.RemoveNode(assessed.widget._parameterNode.parameterNode)
    assessed.application.settle()
    assert assessed.application.scene.IsNodePresent(assessed.widget._parameterNode.parameterNode)
    click(assessed.ui.assessButton)
    assert assessed.widget.ui.messageLabel.text == ""


def test_a_removed_segmentation_leaves_a_panel_that_says_so(assessed: SimpleNamespace) -> None:
    assessed.application.scene.RemoveNode(assessed.spine.segmentation)
    assessed.application.settle()
    assert not assessed.ui.assessButton.enabled
    assert "segmentation" in assessed.ui.assessButton.toolTip


def test_no_observer_is_left_after_cleanup(assessed: SimpleNamespace) -> None:
    assessed.widget.cleanup()
    assert assessed.widget.Observations == []
    assert assessed.assess.Observations == []


def test_the_self_test_for_slicer_runs(empty_panel: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    import SpineMetAssessment

    # The synthetic patient itself goes through the same scenario in test_gui_session.
    monkeypatch.setattr(
        SpineMetAssessment, "makeSyntheticPatient", lambda _: small_spine.add_to(empty_panel.application.scene)
    )
    SpineMetAssessment.SpineMetAssessmentTest().runTest()


# Looks


def test_opening_the_module_takes_less_than_a_second(application: Any) -> None:
    import time

    small_spine.add_to(application.scene)
    start = time.process_time()
    application.open_module()
    assert time.process_time() - start < 1.0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nothing_is_cut_at_420_pixels(assessed: SimpleNamespace, tmp_path: Path, dark: bool) -> None:
    from PySide6 import QtGui, QtWidgets

    from gui.host.application import dark_palette, has_fonts

    if not has_fonts():
        pytest.skip("Qt finds no fonts here; on Debian: fonts-dejavu-core")
    pick(assessed.ui.painComboBox, "mechanical")
    pick(assessed.ui.alignmentComboBox, "normal")
    with dark_palette(dark):
        width, height = assessed.application.grab(tmp_path / "panel.png", width=420)
        assert (width, (tmp_path / "panel.png").stat().st_size > 10_000) == (420, True)
        assert 500 < height < 1400
    panel = assessed.application.representation
    assert panel.minimumSizeHint.width() <= 420
    for label in panel.findChildren(QtWidgets.QLabel):
        if label.visible and not label.wordWrap:
            assert label.width >= label.sizeHint.width(), f"{label.objectName} is cut"
    for button in panel.findChildren(QtWidgets.QPushButton):
        if button.visible:
            assert button.width >= button.minimumSizeHint.width(), f"{button.objectName} is cut"
    table = assessed.ui.levelTable
    assert not table.horizontalScrollBar().visible
    for row in range(table.rowCount):
        for column in range(table.columnCount):
            item = table.item(row, column)
            needed = QtGui.QFontMetrics(item.font()).horizontalAdvance(item.text()) + 6
            needed += 0 if item.icon().isNull() else table.iconSize.width() + 4
            assert table.columnWidth(column) >= needed, item.text()
