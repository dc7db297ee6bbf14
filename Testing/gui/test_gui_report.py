"""The Report panel: choose, preview, copy, export."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest

from gui.host import answer, click, pick, type_text

from __feature__ import true_property  # noqa: F401  # isort: skip


def _choose_folder(panel: SimpleNamespace, folder: Path) -> None:
    panel.report.ui.folderEdit.currentPath = str(folder)
    panel.application.settle()


def _message(panel: SimpleNamespace) -> str:
    return str(panel.widget.ui.messageLabel.text)


def test_without_an_assessment_every_button_says_what_it_waits_for(panel: SimpleNamespace) -> None:
    ui = panel.report.ui
    for button in (ui.copyButton, ui.exportButton):
        assert not button.enabled
        assert "press Assess first" in button.toolTip
    assert "press Assess first" in ui.previewText.plainText
    assert not ui.openButton.enabled


def test_the_preview_holds_the_answer_and_no_name(assessed: SimpleNamespace) -> None:
    type_text(assessed.study.ui.readerEdit, "AB")
    pick(assessed.ui.painComboBox, "mechanical")
    text = assessed.report.ui.previewText.plainText
    assert "Worst level: L3, SINS" in text
    assert "Pain: mechanical, 3 (entered" in text
    assert "Alignment: unknown (0/2/4 points possible)" in text
    assert "L1: no lesion outlined, not scored." in text
    assert "Levels unconfirmed" in text
    assert "Research use only" in text


def test_copy_puts_the_text_on_the_clipboard(assessed: SimpleNamespace) -> None:
    import slicer

    click(assessed.report.ui.copyButton)
    assert slicer.app.clipboard().text() == assessed.report.ui.previewText.plainText
    assert "clipboard" in _message(assessed)


def test_export_waits_for_a_folder_and_then_writes_what_is_checked(assessed: SimpleNamespace, tmp_path: Path) -> None:
    ui = assessed.report.ui
    assert "folder" in ui.exportButton.toolTip
    _choose_folder(assessed, tmp_path / "out")
    for box in (ui.reportCheckBox, ui.dataCheckBox):
        click(box)
    assert "what to write" in ui.exportButton.toolTip
    for box in (ui.reportCheckBox, ui.dataCheckBox, ui.sceneCheckBox):
        click(box)
    click(ui.exportButton)
    assert _message(assessed).endswith("assessment.json, report.html, scene.mrb")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "assessment.json",
        "report.html",
        "scene.mrb",
    ]
    written = json.loads((tmp_path / "out" / "assessment.json").read_text(encoding="utf-8"))
    assert written["worst_level"] == "L3"
    assert assessed.report.state() == "written"


def test_the_report_opens_in_the_browser(
    assessed: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    answer(monkeypatch, "QDesktopServices", openUrl=lambda url: opened.append(url.toLocalFile()))
    _choose_folder(assessed, tmp_path)
    click(assessed.report.ui.exportButton)
    click(assessed.report.ui.openButton)
    assert opened == [str(tmp_path / "report.html")]


def test_a_folder_that_cannot_be_written_is_a_sentence(
    assessed: SimpleNamespace, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    _choose_folder(assessed, tmp_path / "file")
    with caplog.at_level(logging.ERROR):
        click(assessed.report.ui.exportButton)
    assert "choose a folder" in _message(assessed)
    assert len(caplog.records) == 1


def test_changed_inputs_must_be_assessed_again_first(assessed: SimpleNamespace) -> None:
    from spinemet.errors import BadInput

    logic, node = assessed.widget.logic, assessed.widget._parameterNode
    # As if the outlines had changed and live grading were off.
    logic.stale = lambda parameterNode: ("outlines",)
    assessed.widget.refresh()
    assert "press Assess again" in assessed.report.ui.exportButton.toolTip
    with pytest.raises(BadInput, match="press Assess again"):
        logic.exportReport(node, "nowhere")
    with pytest.raises(BadInput, match="press Assess again"):
        logic.risText(node)
    assert assessed.widget.ui.answerLabel.text.endswith("(outdated)")


def test_nothing_chosen_is_nothing_written(assessed: SimpleNamespace, tmp_path: Path) -> None:
    from spinemet.errors import BadInput

    with pytest.raises(BadInput, match="Choose what to write"):
        assessed.widget.logic.exportReport(assessed.widget._parameterNode, str(tmp_path), content=())


def test_choices_and_folder_survive_save_and_reopen(assessed: SimpleNamespace, tmp_path: Path) -> None:
    import slicer

    _choose_folder(assessed, tmp_path / "out")
    click(assessed.report.ui.sceneCheckBox)
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    assessed.application.close_scene()
    assert assessed.report.ui.folderEdit.currentPath == ""
    assert slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    assessed.application.settle()
    assert assessed.report.ui.folderEdit.currentPath == str(tmp_path / "out")
    assert assessed.report.ui.sceneCheckBox.checked
