"""Whole sessions: load, outline, assess, override, export, save the scene, close it, open it: the same state."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from gui.host import click, pick

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


@pytest.mark.bars
def test_a_session_with_an_oncologic_study_without_outlines(
    empty_panel: SimpleNamespace, shared_data: Path, tmp_path: Path
) -> None:
    """Nothing outlines the spine of this patient: levels are scored by pick-lists."""
    folder = shared_data / "sts" / "STS_018"
    if not folder.is_dir():
        pytest.skip(STS_REASON)
    _load(empty_panel, folder)
    if empty_panel.study.ui.choiceFrame.visible:
        click(empty_panel.study.ui.loadButton)
    node = empty_panel.widget._parameterNode
    assert node.referenceVolume, empty_panel.widget.ui.messageLabel.text
    panel = empty_panel.assess
    pick(panel.ui.addLevelComboBox, "T11")
    for component, option in (
        ("pain", "mechanical"),
        ("alignment", "normal"),
        ("bone_lesion", "lytic"),
        ("collapse", ">50 %"),
        ("posterolateral", "none"),
    ):
        panel.onPicked(component, option)
    level = empty_panel.widget.logic.assessment(node).worst
    assert (level.level, level.sins.total) == (Level.T11, 3 + 3 + 2 + 0 + 3 + 0)


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
