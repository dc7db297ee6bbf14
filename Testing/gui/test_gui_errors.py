"""Every step that can fail shows a sentence in the panel, leaves the scene as it was, and logs once."""

from __future__ import annotations

import ast
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gui import troubles
from gui.host import answer, click, pick, type_text
from gui.scene_state import state_of

from __feature__ import true_property  # noqa: F401  # isort: skip

import spinemet.assess
import spinemet.scene.result  # noqa: F401

MODULE = Path(__file__).resolve().parents[2] / "SpineMetAssessment"


@dataclass(frozen=True)
class Case:
    """A step that fails.

    :param opened: the fixture it starts from.
    :param act: what the user does, given the fixture, a folder and pytest's monkeypatch.
    :param says: what the sentence holds.
    """

    opened: str
    act: Callable[[SimpleNamespace, Path, pytest.MonkeyPatch], None]
    says: str


def _look_into(panel: SimpleNamespace, path: Path) -> None:
    panel.study.ui.folderEdit.currentPath = str(path)
    panel.application.settle()
    click(panel.study.ui.folderButton)


def _import(panel: SimpleNamespace, path: Path, numbering: str = "find out the numbering") -> None:
    panel.outline.ui.labelFileEdit.currentPath = str(path)
    panel.application.settle()
    pick(panel.outline.ui.numberingComboBox, numbering)
    click(panel.outline.ui.importButton)


def _export_to(panel: SimpleNamespace, path: Path) -> None:
    panel.report.ui.folderEdit.currentPath = str(path)
    panel.application.settle()
    click(panel.report.ui.exportButton)


def _nothing_in_folder(panel: SimpleNamespace, folder: Path, patch: pytest.MonkeyPatch) -> None:
    _look_into(panel, folder)


def _no_folder(panel: SimpleNamespace, folder: Path, patch: pytest.MonkeyPatch) -> None:
    _look_into(panel, folder / "gone")


def _a_text_file_as_study(panel: SimpleNamespace, folder: Path, patch: pytest.MonkeyPatch) -> None:
    (folder / "note.txt").write_text("no image", encoding="utf-8")
    _look_into(panel, folder / "note.txt")


def _a_torn_image(panel: SimpleNamespace, folder: Path, patch: pytest.MonkeyPatch) -> None:
    (folder / "ct.nii.gz").write_bytes(_written(folder)[:2000])
    _look_into(panel, folder / "ct.nii.gz")


def _a_study_that_vanishes(panel: SimpleNamespace, folder: Path, patch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from SpineMetAssessmentLib import LoadLogic

    logic = panel.widget.logic
    (folder / "ct.nii.gz").write_bytes(_written(folder))
    (choice,) = logic.studiesIn(str(folder / "ct.nii.gz"))
    study = choice.read(None)
    study = replace(study, series=tuple(replace(item, refusal="It tilts.") for item in study.series))
    patch.setattr(logic, "studiesIn", lambda *_: [LoadLogic.StudyChoice("one", lambda progress: study)])
    _look_into(panel, folder)


def _a_study_without_roles(panel: SimpleNamespace, folder: Path, patch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from SpineMetAssessmentLib import LoadLogic

    logic = panel.widget.logic
    (folder / "ct.nii.gz").write_bytes(_written(folder))
    (choice,) = logic.studiesIn(str(folder / "ct.nii.gz"))
    study = replace(choice.read(None), series=())
    patch.setattr(logic, "studiesIn", lambda *_: [LoadLogic.StudyChoice("one", lambda progress: study)])
    _look_into(panel, folder)


def _an_empty_database(panel: SimpleNamespace, folder: Path, patch: pytest.MonkeyPatch) -> None:
    click(panel.study.ui.databaseButton)


def _a_database_without_its_files(panel: SimpleNamespace, folder: Path, patch: pytest.MonkeyPatch) -> None:
    import shutil

    import slicer

    from small_dicom import write_series

    write_series(folder / "ct")
    slicer.dicomDatabase._add(folder)
    shutil.rmtree(folder / "ct")
    click(panel.study.ui.databaseButton)


def _a_text_file_as_labels(panel: SimpleNamespace, folder: Path, patch: pytest.MonkeyPatch) -> None:
    (folder / "labels.nii.gz").write_text("no labels", encoding="utf-8")
    _import(panel, folder / "labels.nii.gz")


def _no_label_file(panel: SimpleNamespace, folder: Path, patch: pytest.MonkeyPatch) -> None:
    _import(panel, folder / "gone.nii.gz")


def _labels_of_another_grid(panel: SimpleNamespace, folder: Path, patch: pytest.MonkeyPatch) -> None:
    _import(panel, _labels(folder, np.ones((3, 4, 5), np.uint8)), "every label is a lesion")


def _labels_without_any(panel: SimpleNamespace, folder: Path, patch: pytest.MonkeyPatch) -> None:
    _import(panel, _labels(folder), "every label is a lesion")


def _labels_of_a_level_that_is_there(panel: SimpleNamespace, folder: Path, patch: pytest.MonkeyPatch) -> None:
    _import(panel, _labels(folder, value=22), "VerSe")


def _a_vertebra_that_is_there(panel: SimpleNamespace, folder: Path, patch: pytest.MonkeyPatch) -> None:
    pick(panel.outline.ui.presetLevelComboBox, "L3")
    click(panel.outline.ui.vertebraButton)


def _a_level_that_is_taken(panel: SimpleNamespace, folder: Path, patch: pytest.MonkeyPatch) -> None:
    pick(panel.outline.ui.levelTable.cellWidget(0, 1), "L2")


def _names_beyond_the_spine(panel: SimpleNamespace, folder: Path, patch: pytest.MonkeyPatch) -> None:
    segmentation = panel.spine.segmentation
    panel.widget.logic.setLevel(panel.widget._parameterNode, "L1_vertebra", "C1")
    segmentation.Modified()
    panel.widget.refresh()
    click(panel.outline.ui.headwardButton)


def _empty_outlines(panel: SimpleNamespace, folder: Path, patch: pytest.MonkeyPatch) -> None:
    troubles.every_outline_was_erased(panel)
    click(panel.ui.assessButton)


def _bent_outlines(panel: SimpleNamespace, folder: Path, patch: pytest.MonkeyPatch) -> None:
    troubles.the_outlines_were_bent(panel)
    click(panel.ui.assessButton)


def _no_voxels(panel: SimpleNamespace, folder: Path, patch: pytest.MonkeyPatch) -> None:
    troubles.the_image_lost_its_voxels(panel)
    click(panel.ui.assessButton)


def _a_damaged_answer(panel: SimpleNamespace, folder: Path, patch: pytest.MonkeyPatch) -> None:
    panel.widget._parameterNode.answers = "{"


def _a_damaged_reading(panel: SimpleNamespace, folder: Path, patch: pytest.MonkeyPatch) -> None:
    panel.widget._parameterNode.readings = "{"


def _a_damaged_result(panel: SimpleNamespace, folder: Path, patch: pytest.MonkeyPatch) -> None:
    troubles.the_stored_assessment_is_damaged(panel)
    type_text(panel.study.ui.readerEdit, "CD")


def _a_file_in_the_way(panel: SimpleNamespace, folder: Path, patch: pytest.MonkeyPatch) -> None:
    (folder / "file").write_text("in the way", encoding="utf-8")
    _export_to(panel, folder / "file")


def _a_folder_that_cannot_be_written(panel: SimpleNamespace, folder: Path, patch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    patch.setattr("tempfile.mkdtemp", refuse)
    patch.setattr("pathlib.Path.mkdir", refuse)
    patch.setattr("os.mkdir", refuse)
    _export_to(panel, folder / "out")


def _a_full_disk(panel: SimpleNamespace, folder: Path, patch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    patch.setattr("pathlib.Path.write_text", refuse)
    _export_to(panel, folder / "out")


def _a_table_nowhere(panel: SimpleNamespace, folder: Path, patch: pytest.MonkeyPatch) -> None:
    (folder / "file").write_text("in the way", encoding="utf-8")
    answer(patch, "QFileDialog", getSaveFileName=lambda *_, **__: str(folder / "file" / "table.csv"))
    click(panel.ui.saveTableButton)


def _a_cut_without_a_level(panel: SimpleNamespace, folder: Path, patch: pytest.MonkeyPatch) -> None:
    click(panel.widget.ui.viewButton)
    pick(panel.widget.ui.cutComboBox, "cut coronal")


def _an_empty_canal(panel: SimpleNamespace, folder: Path, patch: pytest.MonkeyPatch) -> None:
    segmentation = panel.canal[1].GetSegmentation()
    segmentation.GetSegment(segmentation.GetNthSegmentID(0)).GetRepresentation("Binary labelmap").Initialize()
    click(panel.widget.panel("EpiduralPanel").ui.gradeButton)


def _bent_canal(panel: SimpleNamespace, folder: Path, patch: pytest.MonkeyPatch) -> None:
    panel.spine = SimpleNamespace(segmentation=panel.canal[1])
    troubles.the_outlines_were_bent(panel)
    click(panel.widget.panel("EpiduralPanel").ui.gradeButton)


CASES = {
    "an empty folder": Case("empty_panel", _nothing_in_folder, "is empty; choose a folder"),
    "no folder": Case("empty_panel", _no_folder, "nothing at the path"),
    "a text file for a study": Case("empty_panel", _a_text_file_as_study, "note.txt"),
    "a torn image": Case("empty_panel", _a_torn_image, "ct.nii.gz"),
    "a study that is refused": Case("empty_panel", _a_study_that_vanishes, "tilts"),
    "a study without roles": Case("empty_panel", _a_study_without_roles, "No image of this study has a role"),
    "an empty database": Case("empty_panel", _an_empty_database, "The DICOM database holds no CT, MR or PET"),
    "a database without its files": Case(
        "empty_panel", _a_database_without_its_files, "The files of this study are no longer where the database says"
    ),
    "a text file for labels": Case("panel", _a_text_file_as_labels, "labels.nii.gz"),
    "no label file": Case("panel", _no_label_file, "gone.nii.gz"),
    "labels of another grid": Case("panel", _labels_of_another_grid, "grid"),
    "an empty label map": Case("panel", _labels_without_any, "The label map is empty"),
    "labels of a level that is there": Case("panel", _labels_of_a_level_that_is_there, "is outlined already"),
    "a vertebra that is there": Case("panel", _a_vertebra_that_is_there, "is outlined already"),
    "a level that is taken": Case("panel", _a_level_that_is_taken, "is outlined already"),
    "names beyond the spine": Case("panel", _names_beyond_the_spine, "C1"),
    "empty outlines": Case("panel", _empty_outlines, "Every vertebra's segment is empty"),
    "bent outlines": Case("panel", _bent_outlines, "transform"),
    "an image without voxels": Case("panel", _no_voxels, "holds no voxels"),
    "a damaged answer": Case("panel", _a_damaged_answer, "The answers stored in this scene are damaged"),
    "a damaged reading": Case("panel", _a_damaged_reading, "The other readers' answers in this scene are damaged"),
    "a damaged result": Case("assessed", _a_damaged_result, "The assessment stored in this scene is damaged"),
    "a file in the way": Case("assessed", _a_file_in_the_way, "choose a folder"),
    "a folder that is read only": Case("assessed", _a_folder_that_cannot_be_written, "out"),
    "a full disk": Case("assessed", _a_full_disk, "space"),
    "a table nowhere": Case("assessed", _a_table_nowhere, "file"),
    "a cut without a level": Case("panel", _a_cut_without_a_level, "Choose a measured level in Assess first"),
    "an empty canal": Case("canal", _an_empty_canal, "The canal is not outlined on this image"),
    "a bent canal": Case("canal", _bent_canal, "transform"),
}


@pytest.fixture
def canal(empty_panel: SimpleNamespace) -> SimpleNamespace:
    """A synthetic T2 with outlined canal and tumor; `canal` holds its nodes."""
    from gui import epidural_spine

    empty_panel.canal = epidural_spine.add_to(empty_panel.application.scene)
    empty_panel.widget.initializeParameterNode()
    empty_panel.application.settle()
    return empty_panel


def _written(folder: Path) -> bytes:
    """The small spine's CT as a NIfTI file."""
    from gui import small_spine
    from spinemet.study import write_image

    write_image(small_spine.images()[0], folder / "whole.nii.gz")
    whole = (folder / "whole.nii.gz").read_bytes()
    (folder / "whole.nii.gz").unlink()
    return whole


def _labels(folder: Path, array: np.ndarray | None = None, value: int = 0) -> Path:
    """A label map on the small spine's grid; of another shape where an array is given."""
    from gui import small_spine
    from spinemet.image import Image
    from spinemet.study import write_image

    image = small_spine.images()[0]
    if array is None:
        array = np.zeros(image.shape, np.uint8)
        array[40:50, 20:30, 20:30] = value
    write_image(Image(array, image.ijk_to_ras, frame=image.frame), folder / "labels.nii.gz")
    return folder / "labels.nii.gz"


@pytest.mark.parametrize("name", CASES)
def test_what_fails_is_said_changes_nothing_and_is_logged_once(
    name: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    case = CASES[name]
    panel = request.getfixturevalue(case.opened)
    watched = _Watched(panel)
    with caplog.at_level(logging.ERROR), monkeypatch.context() as patch:
        watched.before_every_step(patch)
        case.act(panel, tmp_path, patch)
        panel.application.settle()
    message = panel.widget.ui.messageLabel
    assert message.visible
    assert case.says in message.text
    assert [text for text in troubles.said(caplog) if case.says in text] == [message.text]
    assert not troubles.faults(panel, caplog)
    assert watched.after() == watched.before
    assert panel.widget.ui.panelsFrame.enabled


class _Watched:
    """The scene as it was when a step began, and as it is now."""

    def __init__(self, panel: SimpleNamespace) -> None:
        self._panel = panel
        self.before = self.after()

    def after(self) -> dict[str, Any]:
        return state_of(self._panel.application.scene, answers=False)

    def before_every_step(self, patch: pytest.MonkeyPatch) -> None:
        """What a case itself does to the scene before its step does not count."""
        running = self._panel.widget.running

        def watched(failed: str) -> Any:
            self.before = self.after()
            return running(failed)

        patch.setattr(self._panel.widget, "running", watched)


# Every sentence of the module's own

GUARDED = {
    "Choose the image that the label map was drawn on first.": ("outline", "importButton"),
    "Choose the image to outline on first.": ("outline", "vertebraButton"),
    "No vertebra is outlined yet; there is nothing to rename.": ("outline", "headwardButton"),
    "There is no table yet; press Assess first.": ("assess", "saveTableButton"),
    "Choose what to write: report, data or scene.": ("report", "exportButton"),
    "Nothing is outlined yet.": ("head", "boneComboBox"),
    "There is no window to lay out.": ("head", "layoutComboBox"),
    "Slicer's DICOM database is not open; open the DICOM module once.": ("study", "databaseButton"),
    "Register the two images first; then they can be compared.": ("register", "compareComboBox"),
    "Register with outlined vertebrae first; then each can be moved by hand.": ("register", "nudgeButton"),
    "The moving image was registered onto another image; choose that one as the fixed image.": (
        "register", "nudgeButton",
    ),
}  # fmt: skip
"""Sentences for callers of the logic; the panel disables the widget, and says why, before anyone gets there."""
ELSEWHERE = {
    "Stopped by the user.": "the host says that nothing was changed instead",
    "No image of this study could be loaded.": "a series that is left out says why itself",
}
"""Sentences that nobody reads, and why."""
LEAST = 12
"""Letters of a sentence by which a test knows it."""


def _raised() -> set[str]:
    """The sentences of all errors that the module itself raises."""
    found = set()
    for path in sorted((MODULE / "SpineMetAssessmentLib").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and node.exc is not None:
                texts = [item.value for item in ast.walk(node.exc) if isinstance(item, ast.Constant)]
                found |= {
                    text for text in texts if isinstance(text, str) and text.endswith(".") and path.stem != "Scenarios"
                }
    return found


def _tried() -> set[str]:
    """Texts in the GUI tests that may be parts of sentences."""
    found = set()
    for path in Path(__file__).parent.glob("test_gui_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) >= LEAST:
                found.add(node.value)
    return found


def test_every_sentence_of_the_modules_own_errors_is_tried() -> None:
    tried = _tried()
    unknown = {text for text in _raised() if not any(part in text or text in part for part in tried)}
    assert unknown == set()


@pytest.mark.parametrize("sentence", GUARDED)
def test_what_cannot_be_done_in_an_empty_scene_is_disabled_and_says_why(
    empty_panel: SimpleNamespace, sentence: str
) -> None:
    import slicer

    slicer.dicomDatabase._value_isOpen = False
    widget = empty_panel.widget
    widget.ui.viewButton.checked = True
    widget._parameterNode.openPanels = " ".join(type(item).__name__ for item in widget.panels)
    empty_panel.application.settle()
    panel, name = GUARDED[sentence]
    ui = widget.ui if panel == "head" else widget.panel(f"{panel.capitalize()}Panel").ui
    guarded = getattr(ui, name)
    assert not guarded.visible or (not guarded.enabled and guarded.toolTip)


# Stop


def _assess(panel: SimpleNamespace, folder: Path) -> None:
    click(panel.ui.assessButton)


def _load(panel: SimpleNamespace, folder: Path) -> None:
    (folder / "ct.nii.gz").write_bytes(_written(folder))
    _look_into(panel, folder / "ct.nii.gz")


def _import_labels(panel: SimpleNamespace, folder: Path) -> None:
    _import(panel, _labels(folder, value=1), "every label is a lesion")


def _export(panel: SimpleNamespace, folder: Path) -> None:
    _export_to(panel, folder / "out")
    assert not (folder / "out").exists()


def _answer(panel: SimpleNamespace, folder: Path) -> None:
    pick(panel.ui.collapseComboBox, "none")


def _read(panel: SimpleNamespace, folder: Path) -> None:
    type_text(panel.study.ui.readerEdit, "CD")


def _grade(panel: SimpleNamespace, folder: Path) -> None:
    click(panel.widget.panel("EpiduralPanel").ui.gradeButton)


def _show_bone(panel: SimpleNamespace, folder: Path) -> None:
    panel.widget.ui.viewButton.checked = True
    pick(panel.widget.ui.boneComboBox, "ghost")


STEPS = {
    "making surfaces": ("panel", _show_bone),
    "assessing": ("panel", _assess),
    "loading": ("empty_panel", _load),
    "importing": ("panel", _import_labels),
    "exporting": ("assessed", _export),
    "answering": ("assessed", _answer),
    "another reader": ("assessed", _read),
    "grading the canal": ("canal", _grade),
}
"""Steps that tell their progress, and so can be stopped; registering is in test_gui_register.py."""


@pytest.mark.parametrize("name", STEPS)
def test_every_long_step_can_be_stopped_and_then_changed_nothing(
    name: str, request: pytest.FixtureRequest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    opened, act = STEPS[name]
    panel = request.getfixturevalue(opened)
    widget, show = panel.widget, panel.widget._progress

    def stop_at_once(fraction: float, text: str) -> None:
        widget.onStop()
        show(fraction, text)

    widget._progress = stop_at_once
    before, said = state_of(panel.application.scene, answers=False), _answers(panel)
    with caplog.at_level(logging.ERROR):
        act(panel, tmp_path)
        panel.application.settle()
    assert widget.ui.messageLabel.text == "Stopped; nothing was changed."
    assert state_of(panel.application.scene, answers=False) == before
    assert _answers(panel) == said
    assert not caplog.records
    assert widget.ui.panelsFrame.enabled


def _answers(panel: SimpleNamespace) -> tuple[str, str]:
    node = panel.widget._parameterNode
    return (node.answers, node.reader)
