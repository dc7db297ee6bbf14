"""The Epidural panel: grades from outlines on an MR, cuts, the profile that follows the cursor, overrides, live."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gui.host import click, pick, select_row, texts, type_text

from __feature__ import true_property  # noqa: F401  # isort: skip

from gui import epidural_spine
from gui.epidural_spine import LEVEL, paint
from spinemet.levels import Level


@pytest.fixture
def epidural(empty_panel: SimpleNamespace) -> SimpleNamespace:
    """The module over a synthetic T2 with an epidural tumor of grade 2 at T8: `panel` and its `ui`."""
    import slicer

    scene = empty_panel.application.scene
    crosshair = scene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
    if crosshair is None:
        crosshair = scene.AddNode(slicer.vtkMRMLCrosshairNode())
    volume, segmentation = epidural_spine.add_to(scene)
    widget = empty_panel.widget
    widget.initializeParameterNode()
    widget._parameterNode.reader = "AB"
    widget._parameterNode.openPanels = "EpiduralPanel"
    empty_panel.application.settle()
    panel = widget.panel("EpiduralPanel")
    return SimpleNamespace(
        application=empty_panel.application, widget=widget, logic=widget.logic, panel=panel, ui=panel.ui,
        volume=volume, segmentation=segmentation, crosshair=crosshair, node=widget._parameterNode,
    )  # fmt: skip


@pytest.fixture
def graded(epidural: SimpleNamespace) -> SimpleNamespace:
    click(epidural.ui.gradeButton)
    epidural.application.settle()
    assert _message(epidural) == ""
    return epidural


def _message(opened: SimpleNamespace) -> str:
    return str(opened.widget.ui.messageLabel.text)


def _row(opened: SimpleNamespace, level: Level = LEVEL) -> list[str]:
    return next(row for row in texts(opened.ui.levelTable) if row[0] == level.value)


def _view(opened: SimpleNamespace, name: str = "Red") -> np.ndarray:
    """Axes and middle of a slice view."""
    from spinemet.scene.volumes import array_of

    node = opened.application.scene.GetSingletonNode(name, "vtkMRMLSliceNode")
    return array_of(node.GetSliceToRAS())


def test_an_empty_scene_says_what_it_waits_for(empty_panel: SimpleNamespace) -> None:
    ui = empty_panel.widget.panel("EpiduralPanel").ui
    assert not ui.gradeButton.enabled
    assert "MR" in ui.gradeButton.toolTip
    assert not ui.straightenButton.enabled
    assert not ui.plotButton.enabled
    assert not ui.undoButton.enabled
    assert all(not button.enabled and button.toolTip for button in (ui.gradeButton, ui.canalComboBox))


def test_image_outlines_and_parts_are_chosen_beforehand(epidural: SimpleNamespace) -> None:
    ui = epidural.ui
    assert ui.mrVolumeSelector.currentNode() is epidural.volume
    assert ui.outlinesSelector.currentNode() is epidural.segmentation
    chosen = [ui.canalComboBox, ui.sacComboBox, ui.cordComboBox, ui.tumorComboBox]
    assert [combo.itemText(combo.currentIndex) for combo in chosen] == [
        "Spinal canal", "Thecal sac", "Spinal cord", "all lesions",
    ]  # fmt: skip
    assert ui.levelsWordsLabel.text == "vertebrae outlined on the T2"


def test_the_built_grade_is_found_and_stands_in_the_header(graded: SimpleNamespace) -> None:
    assert _row(graded)[1].startswith("2")
    assert _row(graded)[2] == "suggested"
    assert graded.panel.state().startswith("T8 ESCC 2")
    assert graded.ui.summaryLabel.text.startswith("Worst T8: ESCC 2")
    assert "levels from vertebrae outlined on the T2" in graded.ui.summaryLabel.text
    assert not graded.ui.plotLabel.pixmap.isNull()
    assert graded.ui.detailTitle.text.startswith("T8")
    assert "mm" in graded.ui.measuresLabel.text


def test_the_assessment_holds_the_grades_and_a_saved_scene_brings_them_back(
    graded: SimpleNamespace, tmp_path: Any
) -> None:
    import slicer

    before = graded.logic.epidural(graded.node)
    assert before.at(LEVEL).escc.grade.value == "2"
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    graded.application.close_scene()
    assert graded.panel.state() == ""
    assert slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    graded.application.settle()
    assert graded.panel.state().startswith("T8 ESCC 2")
    assert _row(graded)[1].startswith("2")
    assert not graded.ui.straightenButton.enabled
    assert "Grade" in graded.ui.straightenButton.toolTip


def test_a_row_turns_the_views_into_the_cut_across_the_canal(graded: SimpleNamespace) -> None:
    cut = graded.logic.epidural(graded.node).at(LEVEL).cut
    select_row(graded.ui.levelTable, "T8")
    view = _view(graded)
    across = np.cross(cut.right, cut.anterior)
    assert abs(view[:3, 2] @ across) == pytest.approx(1.0, abs=1e-3)
    assert view[:3, 3] == pytest.approx(cut.center, abs=0.1)
    graded.application.scene.GetSingletonNode("Red", "vtkMRMLSliceNode").GetSliceToRAS().Identity()
    click(graded.ui.cutButton)
    assert _view(graded)[:3, 3] == pytest.approx(cut.center, abs=0.1)


def test_the_slider_moves_the_views_and_the_cursor_moves_the_slider(graded: SimpleNamespace) -> None:
    profile = graded.logic.epidural(graded.node).profile
    graded.ui.placeSlider.value = 20
    middle = _view(graded)[:3, 3]
    nearest = np.linalg.norm(np.array(profile.centers) - middle, axis=1).argmin()
    assert profile.places[nearest] - profile.places[0] == pytest.approx(20, abs=1.6)
    target = len(profile.places) - 3
    before = graded.ui.plotLabel.pixmap.toImage()
    graded.crosshair.SetCursorPositionRAS(list(profile.centers[target]))
    assert graded.ui.placeSlider.value == pytest.approx(profile.places[target] - profile.places[0], abs=1)
    assert graded.ui.plotLabel.pixmap.toImage() != before
    here = graded.ui.placeSlider.value
    graded.crosshair.SetCursorPositionRAS([500.0, 500.0, 500.0])
    assert graded.ui.placeSlider.value == here


def test_a_picked_grade_stands_in_place_and_is_taken_back(graded: SimpleNamespace) -> None:
    ui = graded.ui
    type_before = _row(graded)[1]
    assert not ui.reasonEdit.enabled
    pick(ui.gradeComboBox, "1b")
    assert _row(graded)[1:3] == ["1b", "AB"]
    assert "Suggested: 2" in ui.measuresLabel.text
    type_text(ui.reasonEdit, "motion")
    assert _row(graded)[3] == "motion"
    assert graded.logic.answers(graded.node).at(LEVEL).escc.reason == "motion"
    click(ui.gradeButton)
    assert _row(graded)[1] == "1b", "a computed value never overwrites a person's"
    click(ui.undoButton)
    click(ui.undoButton)
    assert _row(graded)[1] == type_before
    assert not ui.undoButton.enabled
    pick(ui.gradeComboBox, "3")
    pick(ui.gradeComboBox, "as suggested")
    assert _row(graded)[1] == type_before


def test_a_grade_can_be_picked_without_any_outline(panel: SimpleNamespace) -> None:
    opened = panel.widget.panel("EpiduralPanel")
    panel.widget._parameterNode.openPanels = "EpiduralPanel"
    panel.application.settle()
    pick(opened.ui.addLevelComboBox, "T10")
    pick(opened.ui.gradeComboBox, "1c")
    assert [row[:3] for row in texts(opened.ui.levelTable)] == [["T10", "1c", "a person"]]
    assert opened.state() == "T10 ESCC 1c"
    click(panel.ui.assessButton)
    assert opened.state() == "T10 ESCC 1c", "measuring the CT leaves what a person picked"
    click(opened.ui.undoButton)
    assert opened.state() == ""
    pick(opened.ui.addLevelComboBox, "L3")
    pick(opened.ui.gradeComboBox, "1b")
    panel.application.settle()
    row = next(row for row in texts(panel.ui.levelTable) if row[0] == "L3")
    assert row[2] == "1b", "the table of levels shows the grade, too"


def test_marrow_and_roots_stand_below_the_measures_of_their_level(graded: SimpleNamespace) -> None:
    select_row(graded.ui.levelTable, LEVEL.value)
    marrow = {item.level.value for item in graded.logic.epidural(graded.node).marrow}
    assert marrow == {LEVEL.value}
    assert "abnormal marrow on T2" in graded.ui.measuresLabel.text


def test_an_edit_is_graded_live_in_time(graded: SimpleNamespace) -> None:
    logic = graded.logic

    def erase(array: np.ndarray, value: int) -> None:
        array[array == value] = 0

    seconds = []
    for number in range(6):

        def shave(array: np.ndarray, value: int, number: int = number) -> None:
            where = np.argwhere(array == value)
            k, j, i = where[len(where) // 2 + number]
            array[k, j, i] = 0

        paint(graded, "tumor", shave)
        assert logic.gradingCanal
        # Processor time: other programs may keep the clock running.
        begin = time.process_time()
        logic.finishCanal()
        seconds.append(time.process_time() - begin)
    assert min(seconds) < 0.1, seconds
    paint(graded, "tumor", erase)
    logic.finishCanal()
    assert _row(graded)[1].startswith("0")
    assert _message(graded) == ""


def test_without_live_an_edit_says_that_grades_are_outdated(graded: SimpleNamespace) -> None:
    click(graded.ui.liveCheckBox)
    before = _row(graded)

    def erase(array: np.ndarray, value: int) -> None:
        array[array == value] = 0

    paint(graded, "tumor", erase)
    graded.widget.refresh()
    assert not graded.logic.gradingCanal
    assert "press Grade again" in graded.ui.hintLabel.text
    assert "outdated" in graded.panel.state()
    assert _row(graded) == before
    click(graded.ui.gradeButton)
    assert _row(graded)[1].startswith("0")


def test_a_canal_that_cannot_be_followed_is_a_sentence_and_changes_nothing(epidural: SimpleNamespace) -> None:
    def erase(array: np.ndarray, value: int) -> None:
        array[np.isin(array, (1, 2, 3))] = 0

    paint(epidural, "canal", erase)
    nodes = epidural.application.scene.GetNumberOfNodes()
    click(epidural.ui.gradeButton)
    assert "canal" in _message(epidural)
    assert epidural.application.scene.GetNumberOfNodes() == nodes
    assert epidural.logic.epidural(epidural.node) is None


def test_live_failures_are_said_in_the_panel(graded: SimpleNamespace) -> None:
    def erase(array: np.ndarray, value: int) -> None:
        array[np.isin(array, (1, 2, 3))] = 0

    before = _row(graded)
    paint(graded, "canal", erase)
    graded.logic.finishCanal()
    assert "canal" in graded.ui.hintLabel.text
    assert _row(graded) == before


def test_parts_can_be_left_out(epidural: SimpleNamespace) -> None:
    pick(epidural.ui.cordComboBox, "not outlined")
    assert "No cord" in epidural.ui.hintLabel.text
    pick(epidural.ui.canalComboBox, "Thecal sac")
    pick(epidural.ui.sacComboBox, "Thecal sac")
    pick(epidural.ui.tumorComboBox, "Lesion 1")
    assert epidural.panel.choice().of("cord") == ()
    assert epidural.panel.choice().of("tumor") == ("lesion-1",)
    pick(epidural.ui.canalComboBox, "not outlined")
    pick(epidural.ui.sacComboBox, "not outlined")
    assert not epidural.ui.gradeButton.enabled
    assert "canal" in epidural.ui.gradeButton.toolTip


def test_without_levels_the_button_says_what_to_do(epidural: SimpleNamespace) -> None:
    segments = epidural.segmentation.GetSegmentation()
    for key in [key for key in segments.GetSegmentIDs() if "vertebra" in key]:
        segments.RemoveSegment(key)
    epidural.widget.refresh()
    assert not epidural.ui.gradeButton.enabled
    assert "levels" in epidural.ui.gradeButton.toolTip


def test_the_image_is_bent_straight_and_cannot_be_measured_in(graded: SimpleNamespace) -> None:
    click(graded.ui.straightenButton)
    node = graded.node.parameterNode.GetNodeReference("SpineMet.Epidural.straightened")
    assert node.GetImageData().GetDimensions()[2] > 50
    assert "straight" in graded.logic.whyNotMeasurable(node)
    count = graded.application.scene.GetNumberOfNodes()
    click(graded.ui.straightenButton)
    assert graded.application.scene.GetNumberOfNodes() == count


def test_the_plot_button_shows_the_chart(graded: SimpleNamespace) -> None:
    click(graded.ui.plotButton)
    chart = graded.node.parameterNode.GetNodeReference("SpineMet.Epidural.chart")
    assert chart.GetNumberOfPlotSeriesNodes() == 4
    assert graded.logic.showPlot(graded.node)


def test_what_the_program_outlined_widens_the_errors_until_a_person_confirms_it(graded: SimpleNamespace) -> None:
    from SpineMetAssessmentLib.OutlineMarks import markUnedited

    def error() -> float:
        item = graded.logic.epidural(graded.node).at(LEVEL)
        return next(m.uncertainty for m in item.measurements if m.name == "cord depth")

    exact = error()
    assert not graded.ui.machineFrame.visible
    choice = graded.panel.choice()
    markUnedited(graded.segmentation, [key for part in ("cord", "tumor") for key in choice.of(part)])
    click(graded.ui.gradeButton)
    assert error() > exact
    assert "cord" in graded.ui.machineLabel.text
    assert "canal" not in graded.ui.machineLabel.text
    assert "not edited" in graded.logic.epidural(graded.node).notes[0]
    click(graded.ui.confirmButton)
    assert not graded.ui.machineFrame.visible
    assert error() == exact
    assert graded.logic.epidural(graded.node).notes == ()


def test_a_conus_that_a_person_says_counts(graded: SimpleNamespace) -> None:
    pick(graded.ui.conusComboBox, "L2")
    assert graded.logic.epidural(graded.node).conus is Level.L2
    pick(graded.ui.conusComboBox, "as outlined")
    assert graded.logic.epidural(graded.node).conus is not Level.L2


def test_a_ct_whose_description_says_myelogram_is_one(graded: SimpleNamespace) -> None:
    assert not graded.logic.isMyelogram(graded.volume)
    graded.logic.setRole(graded.volume, "CT")
    assert not graded.logic.isMyelogram(graded.volume)
    graded.volume.SetName("CT myelography")
    assert graded.logic.isMyelogram(graded.volume)
