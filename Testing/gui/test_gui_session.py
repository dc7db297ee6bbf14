"""Whole sessions: load, outline, assess, override, export, save the scene, close it, open it: the same state."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gui.host import click, pick, texts, type_text

from __feature__ import true_property  # noqa: F401  # isort: skip

from spinemet import phantom
from spinemet.case import Role, Structure
from spinemet.labelmap import LabelMap
from spinemet.levels import Level

SHORT = (Level.L1, Level.L2, Level.L3)
"""Seed 1 has a lesion and a collapse at L2."""
STS_REASON = "shared data sts/STS_018 is not here"


def _load(panel: SimpleNamespace, folder: Path) -> None:
    """Load a folder through the Study panel."""
    panel.study.ui.folderEdit.currentPath = str(folder)
    panel.application.settle()
    click(panel.study.ui.folderButton)
    panel.application.settle()


def _import(panel: SimpleNamespace, path: Path, numbering: str) -> None:
    """Import a label map through the Outline panel."""
    panel.outline.ui.labelFileEdit.currentPath = str(path)
    panel.application.settle()
    pick(panel.outline.ui.numberingComboBox, numbering)
    click(panel.outline.ui.importButton)
    assert panel.widget.ui.messageLabel.text.startswith("Imported."), panel.widget.ui.messageLabel.text


def _session(panel: SimpleNamespace, folder: Path) -> None:
    from SpineMetAssessmentLib import Scenarios

    folder.mkdir()
    panel.widget._parameterNode.reader = "AB"
    Scenarios.wholeSession(panel.widget, str(folder))
    panel.application.settle()


def _write_synthetic(folder: Path, levels: tuple[Level, ...], spacing: tuple[float, float, float]) -> None:
    """The CT of a synthetic patient as a study of its own, the outlines beside it in VerSe's numbering."""
    from spinemet.study import NUMBERINGS, write_image, write_labels

    spec = phantom.random_spec(1)
    short = replace(
        spec,
        levels=levels,
        modalities=(Role.CT,),
        ct_spacing=spacing,
        lesions=tuple(item for item in spec.lesions if item.level in levels),
        collapses=tuple(item for item in spec.collapses if item.level in levels),
        epidural=(),
        listhesis=(),
        answers=(),
    )
    patient = phantom.create(short)
    (folder / "study").mkdir(parents=True)
    write_image(patient.images[Role.CT], folder / "study" / "CT.nii.gz")
    bones = patient.vertebrae.only(Structure.VERTEBRA)
    verse = next(item for item in NUMBERINGS if item.name == "VerSe")
    # The lowest number of a level is that of its bone.
    numbers = {outline.level: number for number, outline in sorted(verse.outlines.items(), reverse=True)}
    table = np.zeros(int(bones.image.array.max()) + 1, np.uint8)
    for value, outline in bones.present.items():
        table[value] = numbers[outline.level]
    write_labels(LabelMap(bones.image.with_array(table[bones.image.array]), {}), folder / "vertebrae.nii.gz")
    write_labels(patient.lesions, folder / "lesions.nii.gz")


def test_a_session_with_a_synthetic_study(empty_panel: SimpleNamespace, tmp_path: Path) -> None:
    _write_synthetic(tmp_path, SHORT, (1.2, 1.2, 1.5))
    _load(empty_panel, tmp_path / "study")
    _import(empty_panel, tmp_path / "vertebrae.nii.gz", "VerSe")
    _import(empty_panel, tmp_path / "lesions.nii.gz", "every label is a lesion")
    _session(empty_panel, tmp_path / "out")


@pytest.mark.bars
def test_a_session_with_the_whole_synthetic_patient(empty_panel: SimpleNamespace, tmp_path: Path) -> None:
    from SpineMetAssessmentLib.Samples import makeSyntheticPatient

    makeSyntheticPatient(None)
    empty_panel.widget.initializeParameterNode()
    _session(empty_panel, tmp_path / "out")


@pytest.mark.bars
def test_a_session_with_the_lumbar_ct(
    empty_panel: SimpleNamespace, totalsegmentator_files: Path, tmp_path: Path
) -> None:
    (tmp_path / "study").mkdir()
    ct = totalsegmentator_files / "example_ct.nii.gz"
    (tmp_path / "study" / ct.name).write_bytes(ct.read_bytes())
    _load(empty_panel, tmp_path / "study")
    _import(
        empty_panel,
        totalsegmentator_files / "spine_report/example_ct_report/totalseg.nii.gz",
        "find out the numbering",
    )
    _paint_lesion(empty_panel, "L4")
    _session(empty_panel, tmp_path / "out")


def test_a_session_with_an_oncologic_study_without_outlined_vertebrae(
    empty_panel: SimpleNamespace, shared_data: Path, tmp_path: Path
) -> None:
    """CT, T1 and PET with a contoured sarcoma on each: nobody outlined the spine, so it is scored by pick-lists."""
    from SpineMetAssessmentLib import Scenarios

    folder = shared_data / "sts" / "STS_018"
    if not folder.is_dir():
        pytest.skip(STS_REASON)
    widget = empty_panel.widget
    _load(empty_panel, folder)
    study, outline, assess = empty_panel.study.ui, empty_panel.outline, empty_panel.assess.ui
    assert {widget.logic.roleOf(node).role for node in widget.logic.volumes()} == {Role.CT, Role.T1, Role.PET}
    assert all(row[-1] for row in texts(study.roleTable))
    assert study.patientLabel.text == "STS_018, STS_018, M"
    assert "CT and MRI lie 23 days apart" in study.warningLabel.text
    assert "PET ✓" in widget.ui.studyLabel.text.replace("\u00a0", " ")
    # The contours come along, each on its image; the volume on CT is that of IBSI's masks (see data/README).
    assert "GTV_Mass_CT" in widget.ui.messageLabel.text
    node = widget._parameterNode
    assert widget.logic.roleOf(node.referenceVolume).role is Role.CT
    assert _volume_ml(node.segmentation, node.referenceVolume, "roi-1") == pytest.approx(116.5, rel=0.01)
    assert outline.state() == "no vertebra · 1 lesion"
    assert "No segment is recognized as a vertebra" in assess.assessButton.toolTip
    type_text(study.readerEdit, "AB")
    (tmp_path / "out").mkdir()
    Scenarios.sessionByHand(widget, str(tmp_path / "out"), "L5")
    # L5 is junctional (3), then 3 + 2 + 0 + 3 + 0 (Fisher 2010).
    level = widget.logic.assessment(widget._parameterNode).worst
    assert (level.level, level.sins.total) == (Level.L5, 11)
    roles = {widget.logic.roleOf(node).role for node in widget.logic.volumes()}
    assert roles == {Role.CT, Role.T1, Role.PET}
    data = json.loads((tmp_path / "out" / "assessment.json").read_text(encoding="utf-8"))
    assert (data["worst_level"], data["patient"]["sex"]) == ("L5", "M")


def test_outlines_of_one_time_point_are_never_those_of_another(empty_panel: SimpleNamespace) -> None:
    from gui import small_spine

    spine = small_spine.add_to(empty_panel.application.scene)
    empty_panel.widget.initializeParameterNode()
    assert empty_panel.widget._parameterNode.segmentation is spine.segmentation
    click(empty_panel.study.ui.newTimePointButton)
    assert empty_panel.widget._parameterNode.segmentation is None


def _volume_ml(segmentation: Any, volume: Any, segment: str) -> float:
    """What a segment encloses, mL."""
    import slicer

    voxels = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, segment, volume)
    return float(np.prod(volume.GetSpacing()) * voxels.sum() / 1000)


def _paint_lesion(panel: SimpleNamespace, level: str) -> None:
    """Paint a lesion into the body of a level, as a person would."""
    import slicer

    node = panel.widget._parameterNode
    segment = next(key for key, name in panel.widget.logic.levelsOf(node.segmentation).items() if name == level)
    lesion = panel.widget.logic.addSegment(node, "lesion")
    bone = slicer.util.arrayFromSegmentBinaryLabelmap(node.segmentation, segment, node.referenceVolume)
    places = np.argwhere(bone)
    body = places[np.abs(places - places.mean(axis=0)).max(axis=1) < 6]
    painted = np.zeros_like(bone)
    painted[tuple(body.T)] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(painted, node.segmentation, lesion, node.referenceVolume)
    panel.application.settle()
