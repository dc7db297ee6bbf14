"""The frame round the panels: head, help, keys, folding, messages, start-up, and the script without a window."""

from __future__ import annotations

import importlib.util
import logging
import subprocess
import sys
import types
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PySide6 import QtCore

from gui.host import click

from __feature__ import true_property  # noqa: F401  # isort: skip

from gui import small_spine

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPT = REPOSITORY / "SpineMetAssessment" / "Resources" / "Scripts" / "assess_study.py"


def _script() -> Any:
    spec = importlib.util.spec_from_file_location("assess_study", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Head and help


def test_the_head_says_that_nothing_is_there(empty_panel: SimpleNamespace) -> None:
    ui = empty_panel.widget.ui
    assert (ui.studyLabel.text, ui.answerLabel.text) == ("No study yet", "Not assessed yet")
    assert not ui.worstButton.enabled
    assert "Waits" in ui.worstButton.toolTip


def test_the_answer_stays_in_sight_and_leads_to_the_worst_level(assessed: SimpleNamespace) -> None:
    ui = assessed.widget.ui
    assert ui.answerLabel.text.startswith("Worst: L3  SINS ")
    click(ui.worstButton)
    matrix = assessed.application.scene.GetFirstNodeByClass("vtkMRMLSliceNode").GetSliceToRAS()
    assert abs(matrix.GetElement(2, 3) - assessed.spine.lesion_center[2]) < 15


def test_the_arrow_opens_the_study_panel(empty_panel: SimpleNamespace) -> None:
    empty_panel.widget._parameterNode.openPanels = ""
    assert empty_panel.widget._headers[empty_panel.study].collapsed
    click(empty_panel.widget.ui.studyButton)
    assert not empty_panel.widget._headers[empty_panel.study].collapsed
    empty_panel.widget.openPanel("NoSuchPanel")


def test_help_explains_the_open_panels_and_lists_the_keys(empty_panel: SimpleNamespace) -> None:
    ui = empty_panel.widget.ui
    assert not ui.helpLabel.visible
    click(ui.helpButton)
    assert ui.helpLabel.visible
    assert "<b>Study</b>" in ui.helpLabel.text
    assert "<b>Report</b>" not in ui.helpLabel.text
    assert "Alt+Z" in ui.helpLabel.text
    empty_panel.widget._headers[empty_panel.report].collapsed = False
    assert "<b>Report</b>" in ui.helpLabel.text
    click(ui.helpButton)
    assert not ui.helpLabel.visible


def test_every_panel_has_a_help_text(empty_panel: SimpleNamespace) -> None:
    for panel in empty_panel.widget.panels:
        assert panel.help
        assert empty_panel.widget._headers[panel].toolTip == panel.help


def test_keys_work_only_while_the_module_is_open(panel: SimpleNamespace) -> None:
    widget = panel.widget
    assert len(widget._shortcuts) >= 1
    panel.application.representation.exit()
    assert widget._shortcuts == []
    panel.application.representation.enter()
    assert len(widget._shortcuts) >= 1


def test_folded_panels_stay_folded_in_a_saved_scene(panel: SimpleNamespace, tmp_path: Path) -> None:
    import slicer

    headers = panel.widget._headers
    headers[panel.study].collapsed = True
    headers[panel.report].collapsed = False
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    panel.application.close_scene()
    assert not headers[panel.study].collapsed
    assert slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    panel.application.settle()
    assert headers[panel.study].collapsed
    assert not headers[panel.report].collapsed


def test_a_node_that_comes_is_shown_soon_after(empty_panel: SimpleNamespace) -> None:
    small_spine.add_to(empty_panel.application.scene)
    empty_panel.application.settle()
    assert empty_panel.study.ui.roleTable.rowCount == 1


def test_an_unknown_panel_is_none(empty_panel: SimpleNamespace) -> None:
    assert empty_panel.widget.panel("NoSuchPanel") is None


def test_the_modules_help_names_every_panel(empty_panel: SimpleNamespace) -> None:
    text = empty_panel.application.module.parent.helpText
    assert all(panel.title in text for panel in empty_panel.widget.panels)


def test_the_head_shows_the_worst_escc_too_and_leads_there(empty_panel: SimpleNamespace) -> None:
    from gui import epidural_spine

    epidural_spine.add_to(empty_panel.application.scene)
    empty_panel.widget.initializeParameterNode()
    empty_panel.widget._parameterNode.openPanels = "EpiduralPanel"
    empty_panel.application.settle()
    click(empty_panel.widget.panel("EpiduralPanel").ui.gradeButton)
    ui = empty_panel.widget.ui
    # Grade 2 at T8 by construction.
    assert ui.answerLabel.text == "No level is scored · T8 ESCC 2 high grade"
    assert ui.worstButton.enabled
    click(ui.worstButton)
    place = empty_panel.widget.logic.worstPlace(empty_panel.widget._parameterNode)
    matrix = empty_panel.application.scene.GetFirstNodeByClass("vtkMRMLSliceNode").GetSliceToRAS()
    assert (place[0], matrix.GetElement(2, 3)) == ("T8", pytest.approx(place[1][2], abs=1.0))


# What deleted nodes leave behind


@pytest.mark.parametrize("how", ["one by one", "in a batch", "while the module is left"])
def test_deleted_marks_leave_no_display_and_no_storage(assessed: SimpleNamespace, tmp_path: Path, how: str) -> None:
    import slicer

    from spinemet.scene.mark_nodes import mark_nodes

    scene = assessed.application.scene
    # Storage nodes come with saving.
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    marks = mark_nodes(assessed.widget._parameterNode.parameterNode)[:5]
    servants = [key for node in marks for key in (node.GetDisplayNodeID(), node.GetStorageNodeID())]
    assert all(scene.GetNodeByID(key) is not None for key in servants)
    if how == "while the module is left":
        assessed.application.representation.exit()
    if how == "in a batch":
        scene.StartState(scene.BatchProcessState)
    for node in marks:
        scene.RemoveNode(node)
    if how == "in a batch":
        scene.EndState(scene.BatchProcessState)
    if how == "while the module is left":
        assessed.application.representation.enter()
    # While a live regrade is being shown, clearing away waits.
    for _ in range(200):
        assessed.application.settle()
        if not (assessed.widget.logic.grading or assessed.widget._soon.active):
            break
        QtCore.QThread.msleep(5)
    assert [key for key in servants if scene.GetNodeByID(key) is not None] == []


# Panels

PANEL = """
from slicer.i18n import tr as _

from SpineMetAssessmentLib.Panel import Panel


class PlanPanel(Panel):
    title = _("Plan")
    help = _("Plan what to do.")

    def setup(self):
        self.ui.planButton.clicked.connect(self.onPlan)

    def state(self):
        return _("nothing planned")

    def onPlan(self):
        self.host.showMessage(_("Planned."))
"""
PANEL_UI = """
<ui version="4.0"><class>PlanPanel</class><widget class="qMRMLWidget" name="PlanPanel">
<layout class="QVBoxLayout" name="layout"><item>
<widget class="QPushButton" name="planButton"><property name="text"><string>Plan</string></property></widget>
</item></layout></widget>
<customwidgets><customwidget><class>qMRMLWidget</class><extends>QWidget</extends><header>qMRMLWidget.h</header>
<container>1</container></customwidget></customwidgets></ui>
"""


def test_a_panel_is_one_file_one_ui_and_one_line(
    application: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CMake entries come from `make lists`."""
    (tmp_path / "PlanPanel.ui").write_text(PANEL_UI.strip(), encoding="utf-8")
    widget = application.open_module()
    source: dict[str, Any] = {}
    exec("from __future__ import annotations\nfrom __feature__ import true_property\n" + PANEL, source)
    find = widget.resourcePath
    monkeypatch.setattr(
        widget, "resourcePath", lambda name: str(tmp_path / "PlanPanel.ui") if "PlanPanel" in name else find(name)
    )
    # As the line in PANELS does at the start.
    widget.setupPanels((source["PlanPanel"],))
    widget.refresh()
    panel = widget.panel("PlanPanel")
    assert widget._headers[panel].text.endswith("Plan  –  nothing planned")
    click(panel.ui.planButton)
    assert widget.ui.messageLabel.text == "Planned."


def test_every_widget_that_is_disabled_says_why(empty_panel: SimpleNamespace) -> None:
    from PySide6 import QtWidgets

    widget = empty_panel.widget
    widget.ui.viewButton.checked = True
    widget._parameterNode.openPanels = " ".join(type(item).__name__ for item in widget.panels)
    empty_panel.application.settle()
    root = empty_panel.application.representation
    kinds = (QtWidgets.QAbstractButton, QtWidgets.QComboBox, QtWidgets.QLineEdit)
    disabled = [item for kind in kinds for item in root.findChildren(kind) if not item.enabled and item.visible]
    assert disabled
    assert not [name for item in disabled if (name := item.objectName) and "qt_" not in name and not item.toolTip]


# Errors


def test_what_cannot_be_shown_is_said_and_logged_once(
    assessed: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        assessed.widget._parameterNode.readings = "{"
        assessed.widget.refresh()
        assessed.widget.refresh()
    assert "damaged" in assessed.widget.ui.messageLabel.text
    assert len(caplog.records) == 1


def test_the_unexpected_is_raised_and_leaves_no_node(panel: SimpleNamespace) -> None:
    import slicer

    scene = panel.application.scene
    nodes = scene.GetNumberOfNodes()
    with pytest.raises(ZeroDivisionError), panel.widget.running("failed"):
        scene.AddNewNodeByClass("vtkMRMLTextNode")
        1 / 0  # noqa: B018
    assert scene.GetNumberOfNodes() == nodes
    assert panel.widget.ui.panelsFrame.enabled
    assert slicer.app._paused == 0


# Start-up


def test_layouts_and_samples_are_registered_once_the_application_has_started(
    application: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import slicer

    application.open_module()
    from SpineMetAssessmentLib import Samples, Startup

    registered: list[dict[str, Any]] = []
    logic = SimpleNamespace(registerCustomSampleDataSource=lambda **what: registered.append(what))
    module = types.ModuleType("SampleData")
    module.SampleDataLogic = logic  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "SampleData", module)
    layouts = slicer.vtkMRMLLayoutNode()
    manager = SimpleNamespace(layoutLogic=lambda: SimpleNamespace(GetLayoutNode=lambda: layouts))
    slicer.app._layoutManager = manager
    Startup.registerAll()
    assert [item["sampleName"] for item in registered] == [Samples.CT_NAME, Samples.PATIENT_NAME]
    assert all(len(item["uris"]) == len(item["fileNames"]) == len(item["checksums"]) for item in registered)
    assert registered[0]["checksums"] == [f"SHA256:{Samples.CT_SHA256}"]
    assert layouts.IsLayoutDescription(55301)
    slicer.app._layoutManager = None
    Startup.registerLayouts()


def test_the_sample_ct_is_unpacked_from_its_archive_and_loaded(
    application: Any, totalsegmentator_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    from spinemet.samples import SAMPLES, cache_folder

    application.open_module()
    from SpineMetAssessmentLib import Samples

    sample = SAMPLES["totalsegmentator"]
    assert (sample.archive, sample.sha256) == (Samples.CT_FILE, Samples.CT_SHA256)
    shutil.copy(cache_folder() / sample.archive, tmp_path)
    archive = str(tmp_path / sample.archive)
    module = types.ModuleType("SampleData")
    module.SampleDataLogic = lambda: SimpleNamespace(  # type: ignore[attr-defined]
        downloadSourceIntoCache=lambda source: [archive]
    )
    monkeypatch.setitem(sys.modules, "SampleData", module)
    volume, segmentation = Samples.loadLumbarCT(None)
    assert volume.GetImageData().GetNumberOfPoints() > 1_000_000
    assert "L3 vertebra" in [
        segmentation.GetSegmentation().GetNthSegment(n).GetName()
        for n in range(segmentation.GetSegmentation().GetNumberOfSegments())
    ]


# Without a window


def test_the_script_refuses_bad_arguments_with_a_code_and_ends(capsys: pytest.CaptureFixture[str]) -> None:
    script = _script()
    assert script.run(["--", "nowhere"]) == 2
    assert "--out" in capsys.readouterr().err


def test_the_script_ends_with_a_code_whatever_happens(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from spinemet import cli

    def fail(arguments: Any) -> int:
        raise RuntimeError("a fault")

    monkeypatch.setattr(cli, "main", fail)
    script = _script()
    assert script.run([]) == script.FAULT
    assert "a fault" in capsys.readouterr().err


def test_the_script_leaves_through_slicer_inside_slicer(application: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import slicer

    codes: list[int] = []
    monkeypatch.setattr(slicer.util, "exit", codes.append)
    _script().leave(3)
    assert codes == [3]


def test_the_script_runs_in_plain_python_and_writes_the_results(tmp_path: Path) -> None:
    from spinemet.study import write_image, write_labels

    image, vertebrae, lesions = small_spine.images()
    write_image(image, tmp_path / "ct.nii.gz")
    write_labels(vertebrae, tmp_path / "bones.seg.nrrd")
    write_labels(lesions, tmp_path / "tumor.seg.nrrd")
    command = [
        sys.executable, str(SCRIPT), "--", str(tmp_path / "ct.nii.gz"), "--out", str(tmp_path / "out"),
        "--labels", str(tmp_path / "bones.seg.nrrd"), "--lesions", str(tmp_path / "tumor.seg.nrrd"), "--quiet",
    ]  # fmt: skip
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["assessment.json", "report.html", "scene.mrb"]
