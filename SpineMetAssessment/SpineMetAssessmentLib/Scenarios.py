"""Scenarios: what Slicer's self-test and the tests outside Slicer both do with the module, as a user would.

Each begins with nodes in the scene and raises AssertionError with a sentence where the module does not hold.
"""

from pathlib import Path
from typing import Any

import slicer


def saysWhatIsMissing(widget: Any, volume: Any) -> None:
    """The module asks for an image, then for its role, then for outlines."""
    logic, node = widget.logic, widget.logic.getParameterNode()
    node.referenceVolume = None
    _require("CT" in logic.whatIsMissing(node), "without an image the CT is asked for")
    node.referenceVolume = volume
    _require("role" in logic.whatIsMissing(node), "an image that nothing names needs a role")
    logic.setRole(volume, "CT")
    node.segmentation = None
    _require("segmentation" in logic.whatIsMissing(node), "a CT without outlines asks for them")
    _require(not widget.panel("AssessPanel").ui.assessButton.enabled, "Assess waits for outlines")


def namesMoveWithTheirAnswers(widget: Any, volume: Any) -> None:
    """Outlines are added and named, their names moved by a level with what was answered, and moved back."""
    logic, node = widget.logic, widget.logic.getParameterNode()
    node.referenceVolume = volume
    for level in ("L2", "L3"):
        logic.addSegment(node, "vertebra", level)
    logic.addSegment(node, "lesion")
    logic.setAnswer(node, "L3", "pain", "mechanical", reader="AB")
    widget.panel("OutlinePanel").onShift(-1)
    _require(list(logic.levelsOf(node.segmentation).values()) == ["L1", "L2"], "all names move by one level")
    _require([level.value for level in logic.answers(node).levels] == ["L2"], "answers go with their vertebra")
    widget.panel("OutlinePanel").onUndoNames()
    _require(list(logic.levelsOf(node.segmentation).values()) == ["L2", "L3"], "names are taken back")
    _require([level.value for level in logic.answers(node).levels] == ["L3"], "and answers with them")


def readersAreBlinded(widget: Any) -> None:
    """A blinded second reader starts without answers; the first finds theirs again."""
    logic, node = widget.logic, widget.logic.getParameterNode()
    logic.setReader(node, "AB")
    logic.setAnswer(node, "L3", "pain", "none", reader="AB")
    logic.setReader(node, "CD", blinded=True)
    _require(not logic.answers(node).levels, "a blinded reader starts without answers")
    logic.setReader(node, "AB")
    _require(len(logic.answers(node).levels) == 1, "the first reader finds the own answers again")


def wholeSession(widget: Any, folder: str) -> None:
    """Assess, answer, override, confirm, export, save the scene, close it, open it again: the same state.

    :param folder: where report, data and scene are written.
    """
    panel = widget.panel("AssessPanel")
    panel.onAssess()
    _require(not widget.ui.messageLabel.text, f"assessing said: {widget.ui.messageLabel.text}")
    assessment = widget.logic.assessment(widget._parameterNode)
    _require(assessment is not None and assessment.worst is not None, "a level is scored")
    level = assessment.worst.level.value
    for component, option in (("pain", "mechanical"), ("alignment", "normal"), ("collapse", ">50 %")):
        panel.onPicked(component, option)
    panel.ui.reasonEdit.text = "seen on the MR"
    panel.onReason()
    panel.onConfirm()
    findings = panel.level().sins.components
    _require(panel.level().level.value == level, "the worst level is shown")
    _require(findings["pain"].points == 3 and findings["collapse"].points == 3, "the reader's points stand")
    _require(findings["collapse"].suggested is not None, "the suggestion stays in sight")
    exportsAndComesBack(widget, folder)


def sessionByHand(widget: Any, folder: str, level: str) -> None:
    """Score a level from pick-lists alone, override, confirm, export, save, close, open: the same state.

    :param level: a level without outlines.
    :param folder: where report, data, table and scene are written.
    """
    panel = widget.panel("AssessPanel")
    combo = panel.ui.addLevelComboBox
    combo.currentIndex = combo.findData(level)
    panel.onAddLevel(combo.currentIndex)
    _require(not widget.ui.messageLabel.text, f"adding a level said: {widget.ui.messageLabel.text}")
    _require(panel.level() is not None and panel.level().level.value == level, "the added level is shown")
    picks = (
        ("pain", "mechanical"),
        ("alignment", "normal"),
        ("bone_lesion", "lytic"),
        ("collapse", "<50 %"),
        ("posterolateral", "none"),
    )
    for component, option in picks:
        panel.onPicked(component, option)
    panel.onPicked("collapse", ">50 %")
    panel.ui.reasonEdit.text = "seen on the MR"
    panel.onReason()
    panel.onConfirm()
    findings = panel.level().sins.components
    _require(findings["pain"].points == 3 and findings["collapse"].points == 3, "what was said last stands")
    _require(all(item.known for item in findings.values()), "every component is answered in few picks")
    _require(findings["collapse"].reason == "seen on the MR", "the reason is kept")
    exportsAndComesBack(widget, folder)


def exportsAndComesBack(widget: Any, folder: str) -> None:
    """Export report, data and table, save the scene, close it, open it again: the same state.

    :param folder: where they are written.
    """
    panel = widget.panel("AssessPanel")
    report = widget.panel("ReportPanel")
    report.panelState.folder = folder
    report.onExport()
    written = sorted(path.name for path in Path(folder).iterdir())
    _require(written == ["assessment.json", "report.html"], f"report and data are written, not {written}")
    table = Path(folder) / "spinemet.csv"
    widget.logic.writeTable(widget._parameterNode, str(table))
    _require(panel.level().level.value in table.read_text(encoding="utf-8-sig"), "the table names the level")
    before = state(widget)
    scene = str(Path(folder) / "session.mrb")
    _require(slicer.util.saveScene(scene), "the scene is saved")
    slicer.mrmlScene.Clear(0)
    slicer.app.processEvents()
    _require(widget.logic.assessment(widget._parameterNode) is None, "a closed scene holds no assessment")
    _require(not panel.ui.resultFrame.visible, "and shows none")
    _require(slicer.util.loadScene(scene), "the scene opens again")
    slicer.app.processEvents()
    after = state(widget)
    for name, value in before.items():
        _require(after[name] == value, f"{name} after opening: {after[name]} in place of {value}")


def state(widget: Any) -> dict[str, Any]:
    """What a session holds: what was answered, what was graded, what is shown."""
    from spinemet.scene.mark_nodes import mark_nodes

    node, logic, ui = widget._parameterNode, widget.logic, widget.panel("AssessPanel").ui
    table = ui.levelTable
    assessment = logic.assessment(node)
    return {
        "answers": logic.answers(node),
        "levels": assessment.levels if assessment is not None else (),
        "staleness": logic.stale(node),
        "lesions": list(node.lesionSegmentIDs),
        "reader": node.reader,
        "table": [
            [table.item(row, column).text() if table.item(row, column) else "" for column in range(table.columnCount)]
            for row in range(table.rowCount)
        ],
        "level in sight": ui.detailTitle.text,
        "answer line": widget.ui.answerLabel.text,
        "report": widget.panel("ReportPanel").ui.previewText.plainText,
        "marks": sorted(mark.GetName() for mark in mark_nodes(node.parameterNode)),
    }


def _require(holds: Any, sentence: str) -> None:
    if not holds:
        raise AssertionError(sentence)
