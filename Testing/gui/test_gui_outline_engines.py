"""The Outline panel's engines: buttons with time and reason, work beside the window, cancel, outlines as one edit."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gui.host import click

from __feature__ import true_property  # noqa: F401  # isort: skip

from engine_stand_ins import StandIn
from gui import small_spine
from spinemet.case import ImageRef, Role
from spinemet.levels import Level

pytestmark = pytest.mark.skipif(os.name == "nt", reason="stand-in executables are scripts with a first line for Unix")


@pytest.fixture
def ct(empty_panel: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The small spine's CT without outlines, and TotalSegmentator's stand-in, which knows them."""
    from spinemet.scene import volume_from_image

    monkeypatch.setenv("SPINEMET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "")
    for name in ("SPINEMET_TOTALSPINESEG", "SPINEMET_SPINEPS", "SPINEMET_NNINTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    image, vertebrae, _ = small_spine.images()
    panel = empty_panel
    panel.program = StandIn(tmp_path / "bin", "TotalSegmentator").install(monkeypatch)
    panel.program.answer(
        image.with_array(np.where(vertebrae.image.array > 0, 32 - vertebrae.image.array, 0).astype(np.uint8))
    )
    ref = ImageRef("ct", Role.CT, "frame-1", date="2026-03-02")
    panel.volume = volume_from_image(panel.application.scene, image, ref, "CT")
    panel.widget.initializeParameterNode()
    panel.application.settle()
    panel.vertebrae = vertebrae
    return panel


def buttons(panel: SimpleNamespace) -> dict[str, Any]:
    shown = [button for button in panel.outline._engines._buttons if not button.isHidden()]
    return {button.text.split("  ")[0]: button for button in shown}


def wait(panel: SimpleNamespace, seconds: float = 30.0) -> None:
    """Let the window live until the engine has ended."""
    until = time.monotonic() + seconds
    while panel.outline._engines.running:
        assert time.monotonic() < until, "the engine did not end"
        panel.application.settle()
        time.sleep(0.02)
    panel.application.settle()


def message(panel: SimpleNamespace) -> str:
    return str(panel.widget.ui.messageLabel.text)


def outlines(panel: SimpleNamespace) -> dict:
    from spinemet.scene import outlines_of

    node = panel.widget._parameterNode.segmentation
    return outlines_of(node) if node else {}


def test_every_engine_of_the_image_has_a_button_that_says_its_time_or_what_it_lacks(ct: SimpleNamespace) -> None:
    found = buttons(ct)
    assert list(found) == ["SpineMet", "TotalSegmentator fast", "TotalSegmentator", "TotalSpineSeg"]
    assert found["TotalSegmentator"].text.endswith("about 10 min")
    assert found["TotalSegmentator"].enabled
    assert not found["TotalSpineSeg"].enabled
    assert "TotalSpineSeg is not installed" in found["TotalSpineSeg"].toolTip
    assert "3 of 4 can run here" in ct.outline.ui.engineLabel.text
    assert ct.outline.ui.engineCancelButton.isHidden()


def test_without_an_image_all_engines_wait_for_it(empty_panel: SimpleNamespace) -> None:
    for button in buttons(empty_panel).values():
        assert not button.enabled
        assert button.toolTip == "Choose the image in Study first."


def test_an_engine_works_beside_the_window_and_its_outlines_come_as_one_edit(ct: SimpleNamespace) -> None:
    click(buttons(ct)["TotalSegmentator"])
    assert "takes about 10 min. You may go on meanwhile." in message(ct)
    assert ct.widget.ui.panelsFrame.enabled
    assert not buttons(ct)["SpineMet"].enabled
    wait(ct)
    assert [item.level for item in outlines(ct).values()] == list(small_spine.LEVELS)
    assert message(ct).startswith("TotalSegmentator added 5 outlines; check the levels.")
    node = ct.widget._parameterNode.segmentation
    from spinemet.scene import labelmaps_from_segmentation

    vertebrae, _ = labelmaps_from_segmentation(node, ct.volume)
    assert vertebrae.fingerprint == ct.vertebrae.fingerprint
    assert ct.outline.ui.engineProgressBar.isHidden()


def test_a_second_run_keeps_what_is_outlined(ct: SimpleNamespace) -> None:
    click(buttons(ct)["TotalSegmentator"])
    wait(ct)
    node = ct.widget._parameterNode.segmentation
    node.GetSegmentation().RemoveSegment("L3_vertebra")
    ct.application.settle()
    click(buttons(ct)["TotalSegmentator"])
    wait(ct)
    assert "Kept as they were: L1, L2, L4, L5." in message(ct)
    assert len(outlines(ct)) == 5
    assert len(ct.program.calls) == 1  # remembered
    assert ct.outline.ui.segmentEditor._undo == 1
    click(buttons(ct)["TotalSegmentator"])
    wait(ct)
    assert "outlined already" in message(ct)


def test_cancel_ends_the_engine_and_changes_nothing(ct: SimpleNamespace) -> None:
    ct.program.behave("sleep")
    click(buttons(ct)["TotalSegmentator"])
    until = time.monotonic() + 20
    while not (ct.program.folder / "pids").exists():
        assert time.monotonic() < until
        ct.application.settle()
        time.sleep(0.02)
    ct.application.settle()
    assert not ct.outline.ui.engineCancelButton.isHidden()
    click(ct.outline.ui.engineCancelButton)
    wait(ct)
    assert message(ct) == "Stopped; nothing was changed."
    assert outlines(ct) == {}
    assert ct.outline.ui.engineProgressBar.isHidden()


def test_an_engine_that_fails_is_a_sentence(ct: SimpleNamespace) -> None:
    ct.program.behave("fail")
    click(buttons(ct)["TotalSegmentator"])
    wait(ct)
    assert "the memory is too small" in message(ct)
    assert outlines(ct) == {}
    assert buttons(ct)["TotalSegmentator"].enabled


def test_closing_the_scene_ends_an_engine_quietly(ct: SimpleNamespace) -> None:
    ct.program.behave("sleep")
    click(buttons(ct)["TotalSegmentator"])
    ct.application.close_scene()
    assert not ct.outline._engines.running
    ct.application.settle()
    assert message(ct) == ""


def test_an_engine_goes_on_while_another_module_is_open(ct: SimpleNamespace) -> None:
    click(buttons(ct)["TotalSegmentator"])
    ct.application.representation.exit()
    until = time.monotonic() + 30
    while ct.outline._engines.running:
        assert time.monotonic() < until
        ct.application.settle()
        time.sleep(0.02)
    assert ct.application.scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
    ct.application.representation.enter()
    ct.application.settle()
    assert len(outlines(ct)) == 5


def test_an_image_that_was_deleted_gets_nothing(ct: SimpleNamespace) -> None:
    ct.program.behave("sleep")
    click(buttons(ct)["TotalSegmentator"])
    ct.application.scene.RemoveNode(ct.volume)
    ct.application.settle()
    ct.outline._engines.onCancel()
    wait(ct)
    assert ct.application.scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_round_nothing_is_a_sentence(ct: SimpleNamespace) -> None:
    click(ct.outline.ui.engineAroundCheckBox)
    click(buttons(ct)["TotalSegmentator"])
    assert "Nothing is outlined yet" in message(ct)
    assert ct.program.calls == []


def test_our_own_outlining_names_no_level(ct: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    from spinemet.case import Outline, Structure
    from spinemet.labelmap import LabelMap
    from spinemet.segmentation.engines import own

    def found(image: Any, clicks: Any, progress: Any) -> Any:
        array = (ct.vertebrae.image.array == 2).astype(np.uint8)
        named = {1: Outline(Structure.VERTEBRA, None, name="vertebra 1 from the head")}
        return SimpleNamespace(labels=LabelMap(image.with_array(array), named))

    monkeypatch.setattr(own, "outline_vertebrae", found)
    click(buttons(ct)["SpineMet"])
    wait(ct)
    assert [(item.level, item.name) for item in outlines(ct).values()] == [(None, "vertebra 1 from the head")]
    assert Level.L2 not in [item.level for item in outlines(ct).values()]


def test_slicers_module_lends_its_command(
    ct: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import slicer

    from spinemet.scene import outline_engines

    assert outline_engines.modules_totalsegmentator() == ((), None)
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "TotalSegmentator").write_text("")
    logic = SimpleNamespace(totalSegmentatorWeightsPath=str(tmp_path / "weights"))
    widget = SimpleNamespace(self=lambda: SimpleNamespace(logic=logic))
    module = SimpleNamespace(widgetRepresentation=lambda: widget)
    monkeypatch.setattr(slicer.modules, "totalsegmentator", module, raising=False)
    monkeypatch.setattr(outline_engines.sysconfig, "get_path", lambda name: str(tmp_path / "scripts"))
    monkeypatch.setattr(outline_engines.shutil, "which", lambda name: "/slicer/PythonSlicer")
    command, weights = outline_engines.modules_totalsegmentator()
    assert command == ("/slicer/PythonSlicer", str(tmp_path / "scripts" / "TotalSegmentator"))
    assert weights == tmp_path / "weights"
    ct.widget.refresh()
    assert "TotalSegmentator (Slicer's module)" in buttons(ct)
    assert "has no weights yet" in buttons(ct)["TotalSegmentator (Slicer's module)"].toolTip
