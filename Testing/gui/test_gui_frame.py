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
    for panel in (empty_panel.study, empty_panel.outline, empty_panel.report):
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
