"""The Assess panel: questions, pick-lists without outlines, confirming, undo, the prior, and two readers."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from gui.host import answer, click, pick, select_row, texts, type_text

from __feature__ import true_property  # noqa: F401  # isort: skip

# What one test measured serves the next, so all of them need the same classes: the library is imported here, once.
import spinemet.assess
import spinemet.scene.result  # noqa: F401
from gui import small_spine

LEVEL, SINS, ESCC, COLLAPSE, BODY, TYPE, MARK = range(7)


def _row(panel: SimpleNamespace, level: str) -> list[str]:
    return next(row for row in texts(panel.ui.levelTable) if row[LEVEL] == level)


def _result(panel: SimpleNamespace, level: str = "L3") -> object:
    result = panel.widget.logic.assessment(panel.widget._parameterNode)
    return next(item for item in result.levels if item.level.value == level)


# The list of levels


def test_a_level_without_lesion_is_gray_and_says_so(assessed: SimpleNamespace) -> None:
    assert _row(assessed, "L1")[SINS] == "no lesion outlined"
    row = select_row(assessed.ui.levelTable, "L1")
    color = assessed.ui.levelTable.item(row, SINS).foreground().color()
    assert color.red() == color.green() == color.blue()
    assert assessed.ui.levelTable.item(row, SINS).icon().isNull()


def test_the_row_shows_collapse_body_share_and_type_with_their_units(assessed: SimpleNamespace) -> None:
    row = _row(assessed, "L3")
    measured = _result(assessed)
    loss = measured.measurement("height loss")
    # 13.4 of 27 mm are left in front: a loss of half.
    assert abs(loss.value - 50) <= 3 * loss.uncertainty
    assert row[COLLAPSE] == f"{loss.value:.0f} ±{loss.uncertainty:.0f} %"
    assert row[BODY].endswith(" %")
    assert row[TYPE] == "lytic"
    assert row[ESCC] == "–"


def test_while_pain_is_open_the_possible_totals_are_shown(assessed: SimpleNamespace) -> None:
    pick(assessed.ui.alignmentComboBox, "normal")
    pick(assessed.ui.collapseComboBox, ">50 % (3)")
    pick(assessed.ui.boneLesionComboBox, "mixed")
    pick(assessed.ui.posterolateralComboBox, "none")
    totals = _result(assessed).sins.possible_totals
    # Mechanical 3, occasional 1, none 0: never the total with 2.
    assert totals == (totals[0], totals[0] + 1, totals[0] + 3)
    assert _row(assessed, "L3")[SINS].startswith(", ".join(map(str, totals)))
    assert _row(assessed, "L3")[MARK] == "?"


def test_keys_go_to_the_next_and_the_previous_level(assessed: SimpleNamespace) -> None:
    select_row(assessed.ui.levelTable, "L3")
    assessed.assess.onNextLevel()
    assert assessed.ui.detailTitle.text.startswith("L4")
    assessed.assess.onPreviousLevel()
    assessed.assess.onPreviousLevel()
    assert assessed.ui.detailTitle.text.startswith("L2")
    for _ in range(9):
        assessed.assess.onPreviousLevel()
    assert assessed.ui.detailTitle.text.startswith("L1")


# Confirming


def test_a_suggestion_is_confirmed_for_the_whole_level_and_opens_again_when_it_changes(
    assessed: SimpleNamespace,
) -> None:
    for component, option in (("pain", "none"), ("alignment", "normal")):
        pick(getattr(assessed.ui, f"{component}ComboBox"), option)
    assert _row(assessed, "L3")[MARK] == "·"
    click(assessed.ui.confirmButton)
    assert _row(assessed, "L3")[MARK] == "✓"
    assert assessed.ui.collapseSourceLabel.text == "measured ✓"
    said = json.loads(assessed.widget._parameterNode.answers)["levels"]["L3"]["confirmed"]
    assert said["collapse"] == _result(assessed).sins.components["collapse"].points
    assessed.widget.logic.setMeasurements(assessed.widget._parameterNode, {("L3", "anterior height"): _hand(4.0)})
    assessed.widget.refresh()
    # 4 mm are left of 27: more than half is lost, and that was not what was confirmed.
    assert _result(assessed).sins.components["collapse"].points == 3
    assert _row(assessed, "L3")[MARK] == "·"


def _hand(value: float) -> object:
    from spinemet.answers import HandMeasurement

    return HandMeasurement(value, "mm", (), "AB")


def test_confirming_can_be_taken_back(assessed: SimpleNamespace) -> None:
    pick(assessed.ui.painComboBox, "none")
    pick(assessed.ui.alignmentComboBox, "normal")
    click(assessed.ui.confirmButton)
    click(assessed.ui.confirmButton)
    assert _row(assessed, "L3")[MARK] == "·"


# Pick-lists without outlines


def test_a_level_is_scored_by_pick_lists_alone_in_at_most_eight_clicks(empty_panel: SimpleNamespace) -> None:
    scene, ui = empty_panel.application.scene, empty_panel.ui
    assert "CT" in ui.addLevelComboBox.toolTip
    assert not ui.addLevelComboBox.enabled
    volume = small_spine.add_to(scene).volume
    scene.RemoveNode(scene.GetFirstNodeByClass("vtkMRMLSegmentationNode"))
    empty_panel.widget.initializeParameterNode()
    ui.referenceVolumeSelector.setCurrentNode(volume)
    empty_panel.application.settle()
    picks = [
        (ui.addLevelComboBox, "T11"),
        (ui.painComboBox, "mechanical"),
        (ui.boneLesionComboBox, "lytic"),
        (ui.alignmentComboBox, "normal"),
        (ui.collapseComboBox, ">50 % (3)"),
        (ui.posterolateralComboBox, "unilateral"),
    ]
    assert len(picks) <= 8
    for combo, option in picks:
        pick(combo, option)
    # 3 for T11, then 3 + 2 + 0 + 3 + 1 (Fisher 2010).
    assert _row(empty_panel, "T11")[SINS] == "12 potential"
    assert _row(empty_panel, "T11")[MARK] == "·"
    click(ui.confirmButton)
    assert _row(empty_panel, "T11")[MARK] == "✓"
    assert empty_panel.widget.ui.messageLabel.text == ""
    assert not ui.collapseEvidenceButton.enabled


def test_a_level_beside_outlined_ones_is_scored_and_taken_away_again(assessed: SimpleNamespace) -> None:
    pick(assessed.ui.addLevelComboBox, "T12")
    assert [row[LEVEL] for row in texts(assessed.ui.levelTable)] == ["T12", "L1", "L2", "L3", "L4", "L5"]
    assert assessed.ui.detailTitle.text.startswith("T12")
    click(assessed.ui.removeLevelButton)
    assert "T12" not in [row[LEVEL] for row in texts(assessed.ui.levelTable)]
    click(assessed.ui.undoButton)
    assert "T12" in [row[LEVEL] for row in texts(assessed.ui.levelTable)]


# Questions


def test_earlier_treatment_marks_the_score_as_unvalidated(assessed: SimpleNamespace) -> None:
    pick(assessed.ui.treatmentComboBox, "radiotherapy")
    type_text(assessed.ui.treatmentDateEdit, "2025-11")
    assert "after treatment, unvalidated" in _result(assessed).sins.limits
    said = json.loads(assessed.widget._parameterNode.answers)["levels"]["L3"]
    assert (said["treatment"], said["treatment_date"]) == ("radiotherapy", "2025-11")
    pick(assessed.ui.treatmentComboBox, "none")
    assert "after treatment, unvalidated" not in _result(assessed).sins.limits


def test_hardware_takes_the_level_out_of_the_scores(assessed: SimpleNamespace) -> None:
    click(assessed.ui.instrumentedCheckBox)
    assert _row(assessed, "L3")[SINS] == "not assessable"
    click(assessed.ui.undoButton)
    assert _row(assessed, "L3")[TYPE] == "lytic"


def test_the_patients_answers_are_kept_with_the_scene(assessed: SimpleNamespace) -> None:
    type_text(assessed.ui.primaryEdit, "kidney")
    pick(assessed.ui.kpsComboBox, "80")
    pick(assessed.ui.neurologyComboBox, "D")
    answers = json.loads(assessed.widget._parameterNode.answers)
    assert (answers["primary"], answers["kps"], answers["neurology"]) == ("kidney", 80, "D")
    pick(assessed.ui.kpsComboBox, "?")
    assert json.loads(assessed.widget._parameterNode.answers)["kps"] is None


# Undo


def test_answers_are_taken_back_and_made_again_one_by_one(assessed: SimpleNamespace) -> None:
    ui = assessed.ui
    assert not ui.undoButton.enabled
    pick(ui.painComboBox, "mechanical")
    pick(ui.collapseComboBox, "none")
    click(ui.undoButton)
    assert _result(assessed).sins.components["collapse"].source.value == "measured"
    assert _result(assessed).sins.components["pain"].points == 3
    click(ui.undoButton)
    assert _result(assessed).sins.components["pain"].points is None
    assert not ui.undoButton.enabled
    assert "No answer" in ui.undoButton.toolTip
    click(ui.redoButton)
    click(ui.redoButton)
    assert _result(assessed).sins.components["collapse"].source.value == "overridden"
    assert not ui.redoButton.enabled


# The suggestion, the prior and two readers


def test_an_override_leaves_the_suggestion_and_its_measurement_in_sight(assessed: SimpleNamespace) -> None:
    pick(assessed.ui.boneLesionComboBox, "blastic")
    assert "suggested: lytic (2)" in assessed.ui.boneLesionNoteLabel.text
    assert "2026-03-02" in assessed.ui.boneLesionNoteLabel.text
    assert assessed.ui.boneLesionComboBox.itemText(0) == "back to lytic (2)"


def test_the_prior_is_shown_beside_the_same_vertebra(assessed: SimpleNamespace) -> None:
    pick(assessed.ui.painComboBox, "none")
    pick(assessed.ui.alignmentComboBox, "normal")
    assert not assessed.ui.priorLabel.visible
    logic, node = assessed.widget.logic, assessed.widget._parameterNode
    stored = json.loads(logic._textNode(node.parameterNode).GetText())
    stored["time_point"]["date"] = "2025-12-01"
    scene = assessed.application.scene
    earlier = scene.AddNode(logic.createParameterNode())
    text = scene.AddNewNodeByClass("vtkMRMLTextNode", "earlier")
    text.SetText(json.dumps(stored))
    earlier.SetNodeReferenceID("SpineMet.Assessment", text.GetID())
    before = _result(assessed).sins.total
    pick(assessed.ui.painComboBox, "mechanical")
    assert assessed.ui.priorLabel.visible
    assert assessed.ui.priorLabel.text.startswith(f"Prior 2025-12-01: SINS {before}")
    assert "now +3" in assessed.ui.priorLabel.text
    select_row(assessed.ui.levelTable, "L1")
    assert "not scored" in assessed.ui.priorLabel.text


def test_a_blinded_second_reader_sees_nothing_of_the_first(assessed: SimpleNamespace) -> None:
    logic, node = assessed.widget.logic, assessed.widget._parameterNode
    node.reader = "AB"
    pick(assessed.ui.painComboBox, "mechanical")
    pick(assessed.ui.collapseComboBox, "none")
    logic.setReader(node, "CD", blinded=True)
    assessed.application.settle()
    result = _result(assessed).sins
    assert result.components["pain"].points is None
    assert result.components["collapse"].source.value == "measured"
    assert "AB" not in assessed.ui.collapseSourceLabel.text
    assert not assessed.ui.undoButton.enabled
    pick(assessed.ui.painComboBox, "none")
    assert assessed.ui.painSourceLabel.text.startswith("CD")
    logic.setReader(node, "AB")
    assessed.application.settle()
    assert _result(assessed).sins.components["pain"].points == 3
    assert assessed.ui.painSourceLabel.text.startswith("AB")


# Out of the panel


def test_the_table_is_copied_and_saved_as_csv(
    assessed: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import slicer

    click(assessed.ui.copyTableButton)
    lines = list(csv.reader(io.StringIO(slicer.app.clipboard().text()), delimiter="\t"))
    assert [line[0] for line in lines] == ["Level", "L1", "L2", "L3", "L4", "L5"]
    target = tmp_path / "table.csv"
    answer(monkeypatch, "QFileDialog", getSaveFileName=lambda *_: (str(target), ""))
    click(assessed.ui.saveTableButton)
    saved = list(csv.reader(io.StringIO(target.read_text(encoding="utf-8-sig"))))
    assert saved == lines


def test_evidence_leads_into_the_outline_and_says_when_it_cannot(assessed: SimpleNamespace) -> None:
    assert assessed.ui.editOutlineButton.enabled
    click(assessed.ui.collapseEvidenceButton)
    click(assessed.ui.editOutlineButton)
    assert "OutlinePanel" in assessed.widget._parameterNode.openPanels
    pick(assessed.ui.addLevelComboBox, "T12")
    assert not assessed.ui.editOutlineButton.enabled
    assert "Nothing is outlined" in assessed.ui.editOutlineButton.toolTip


def test_switching_a_levels_evidence_is_quick(assessed: SimpleNamespace) -> None:
    import time

    took = []
    for name in ("L1", "L3", "L5", "L3"):
        start = time.process_time()
        select_row(assessed.ui.levelTable, name)
        took.append(time.process_time() - start)
    assert sorted(took)[1] < 0.15
