"""The Study panel: from a folder, the database or loaded volumes to images that stand for something."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gui.host import click, pick, texts, type_text
from small_dicom import write_series
from small_rt import FRAME, write_structures

from __feature__ import true_property  # noqa: F401  # isort: skip

from gui import small_spine

IMAGE, ROLE, WHY = range(3)
MR = {"Modality": "MR", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4", "RescaleIntercept": "0"}


def _choose_folder(panel: SimpleNamespace, folder: Path) -> None:
    panel.study.ui.folderEdit.currentPath = str(folder)
    panel.application.settle()


def _role_of(panel: SimpleNamespace, row: int) -> Any:
    return panel.study.ui.roleTable.cellWidget(row, ROLE)


def _volume(scene: Any, name: str, values: np.ndarray) -> Any:
    import slicer

    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    slicer.util.updateVolumeFromArray(node, values.astype(np.int16))
    return node


# What is loaded already


def test_a_volume_of_which_nothing_is_known_is_not_taken_for_a_ct(empty_panel: SimpleNamespace) -> None:
    _volume(empty_panel.application.scene, "image", np.arange(27).reshape(3, 3, 3))
    empty_panel.widget.initializeParameterNode()
    empty_panel.application.settle()
    assert texts(empty_panel.study.ui.roleTable)[0][WHY] == "nothing says what it is; choose its role"
    assert _role_of(empty_panel, 0).itemText(_role_of(empty_panel, 0).currentIndex) == "unknown"
    assert empty_panel.study.state() == "1 of 1 images unknown"
    assert "choose its role in Study" in empty_panel.ui.assessButton.toolTip
    pick(_role_of(empty_panel, 0), "CT")
    empty_panel.application.settle()
    assert texts(empty_panel.study.ui.roleTable)[0][WHY] == "chosen by you"
    assert empty_panel.study.state() == "1 image ✓"
    assert "CT ✓" in empty_panel.widget.ui.studyLabel.text.replace("\u00a0", " ")
    assert "choose its role" not in empty_panel.ui.assessButton.toolTip


@pytest.mark.parametrize(
    ("name", "values", "role", "why"),
    [
        ("sag T2", [0, 100], "T2", "its name says so"),
        ("T1 post Gd", [0, 100], "T1+Gd", "its name says so"),
        ("spine", [-1000, 900], "CT", "its values, from -1000 to 900, are Hounsfield units"),
    ],
)
def test_a_guessed_role_says_its_reason(
    empty_panel: SimpleNamespace, name: str, values: list[int], role: str, why: str
) -> None:
    _volume(empty_panel.application.scene, name, np.array(values * 4).reshape(2, 2, 2))
    empty_panel.application.settle()
    assert _role_of(empty_panel, 0).itemText(_role_of(empty_panel, 0).currentIndex) == role
    assert texts(empty_panel.study.ui.roleTable)[0][WHY] == why


def test_a_volume_without_voxels_has_a_role_only_by_its_name(empty_panel: SimpleNamespace) -> None:
    node = empty_panel.application.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "image")
    assert empty_panel.widget.logic.roleOf(node).role.value == "unknown"


def test_the_study_line_names_time_point_date_and_images(panel: SimpleNamespace) -> None:
    assert panel.widget.ui.studyLabel.text.replace("\u00a0", " ") == "Baseline 2026-03-02   CT ✓  T2 –  T1+Gd –  PET –"
    assert panel.study.ui.patientLabel.text == "unknown"


def test_roles_chosen_by_hand_survive_save_and_reopen(empty_panel: SimpleNamespace, tmp_path: Path) -> None:
    import slicer

    _volume(empty_panel.application.scene, "image", np.arange(27).reshape(3, 3, 3))
    empty_panel.application.settle()
    pick(_role_of(empty_panel, 0), "STIR")
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    empty_panel.application.close_scene()
    assert slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    empty_panel.application.settle()
    assert texts(empty_panel.study.ui.roleTable)[0][WHY] == "chosen by you"
    assert "STIR ✓" in empty_panel.widget.ui.studyLabel.text.replace("\u00a0", " ")


# From a folder


def test_a_folder_is_asked_for_first(empty_panel: SimpleNamespace) -> None:
    assert not empty_panel.study.ui.folderButton.enabled
    assert "folder" in empty_panel.study.ui.folderButton.toolTip


def test_a_dicom_folder_comes_in_with_roles_patient_and_date(empty_panel: SimpleNamespace, tmp_path: Path) -> None:
    write_series(tmp_path / "ct")
    write_series(
        tmp_path / "t2", seed=1, SeriesInstanceUID="1.2.3.5", SeriesDescription="T2 sag", **MR,
        EchoTime="100", RepetitionTime="3000", ScanningSequence="SE",
    )  # fmt: skip
    _choose_folder(empty_panel, tmp_path)
    click(empty_panel.study.ui.folderButton)
    assert empty_panel.widget.ui.messageLabel.text == ""
    rows = texts(empty_panel.study.ui.roleTable)
    roles = {_role_of(empty_panel, row).itemText(_role_of(empty_panel, row).currentIndex) for row in range(len(rows))}
    assert roles == {"CT", "T2"}
    assert all(row[WHY] for row in rows)
    assert empty_panel.study.ui.patientLabel.text == "Doe^Jane, SECRET-7, F, 1950-01-02"
    assert empty_panel.widget.ui.studyLabel.text.replace("\u00a0", " ").startswith("Baseline 2024-03-05   CT ✓  T2 ✓")
    chosen = empty_panel.widget._parameterNode.referenceVolume
    assert empty_panel.widget.logic.roleOf(chosen).role.value == "CT"
    assert chosen.GetAttribute("DICOM.instanceUIDs")
    # PHI stays out of the nodes' names.
    assert "Doe" not in chosen.GetName() + "".join(row[IMAGE] for row in rows)


def test_without_slicers_dicom_module_our_own_reader_loads(
    empty_panel: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "DICOMLib", None)
    write_series(tmp_path / "ct")
    _choose_folder(empty_panel, tmp_path)
    click(empty_panel.study.ui.folderButton)
    assert empty_panel.study.ui.patientLabel.text == "Doe^Jane, SECRET-7, F, 1950-01-02"
    assert "2024-03-05" in empty_panel.widget.ui.studyLabel.text.replace("\u00a0", " ")


def test_a_nifti_folder_comes_in(empty_panel: SimpleNamespace, tmp_path: Path) -> None:
    from spinemet.study import write_image

    write_image(small_spine.images()[0], tmp_path / "ct.nii.gz")
    _choose_folder(empty_panel, tmp_path)
    click(empty_panel.study.ui.folderButton)
    assert empty_panel.study.state() == "1 image ✓"
    assert "file name" in texts(empty_panel.study.ui.roleTable)[0][WHY]
    assert empty_panel.study.ui.patientLabel.text == "unknown"


def test_several_studies_are_offered_and_one_is_loaded(empty_panel: SimpleNamespace, tmp_path: Path) -> None:
    for number, date in enumerate(("20240305", "20240701")):
        write_series(
            tmp_path / date, seed=number, StudyDate=date, SeriesDate=date, AcquisitionDate=date,
            StudyInstanceUID=f"1.2.3.{number + 1}", SeriesInstanceUID=f"1.2.3.4{number}",
        )  # fmt: skip
    _choose_folder(empty_panel, tmp_path)
    click(empty_panel.study.ui.folderButton)
    ui = empty_panel.study.ui
    assert ui.choiceFrame.visible
    assert [ui.studyComboBox.itemText(n) for n in range(2)] == ["2024-03-05: CT", "2024-07-01: CT"]
    pick(ui.studyComboBox, "2024-07-01")
    click(ui.loadButton)
    assert not ui.choiceFrame.visible
    assert "2024-07-01" in empty_panel.widget.ui.studyLabel.text.replace("\u00a0", " ")
    # The second study of this patient becomes a time point of its own.
    click(ui.folderButton)
    pick(ui.studyComboBox, "2024-03-05")
    click(ui.loadButton)
    assert ui.timePointComboBox.count == 2
    assert "2024-03-05" in empty_panel.widget.ui.studyLabel.text.replace("\u00a0", " ")
    assert "follow-up 1" in ui.timePointComboBox.itemText(ui.timePointComboBox.currentIndex)
    pick(ui.timePointComboBox, "2024-07-01")
    assert "2024-07-01" in empty_panel.widget.ui.studyLabel.text.replace("\u00a0", " ")


def test_a_folder_without_images_is_a_sentence_and_changes_nothing(
    empty_panel: SimpleNamespace, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "notes.txt").write_text("nothing", encoding="utf-8")
    nodes = empty_panel.application.scene.GetNumberOfNodes()
    _choose_folder(empty_panel, tmp_path)
    with caplog.at_level(logging.ERROR):
        click(empty_panel.study.ui.folderButton)
    assert "holds no image" in empty_panel.widget.ui.messageLabel.text
    assert len(caplog.records) == 1
    assert empty_panel.application.scene.GetNumberOfNodes() == nodes


def test_a_stopped_loading_leaves_no_volume_behind(empty_panel: SimpleNamespace, tmp_path: Path) -> None:
    write_series(tmp_path / "a")
    write_series(tmp_path / "b", seed=2, SeriesInstanceUID="1.2.3.6", **MR, SeriesDescription="T2")
    scene, widget = empty_panel.application.scene, empty_panel.widget
    _choose_folder(empty_panel, tmp_path)
    nodes = scene.GetNumberOfNodes()
    show = widget._progress

    def stop_at_the_second(fraction: float, text: str) -> None:
        if scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode"):
            widget.onStop()
        show(fraction, text)

    widget._progress = stop_at_the_second
    click(empty_panel.study.ui.folderButton)
    assert widget.ui.messageLabel.text == "Stopped; nothing was changed."
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0
    assert scene.GetNumberOfNodes() == nodes
    assert empty_panel.study.ui.patientLabel.text == "unknown"


def test_a_volume_that_slicer_places_elsewhere_is_not_measured_in(
    empty_panel: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import slicer
    from DICOMLib import DICOMUtils

    load = DICOMUtils.loadSeriesByUID

    def shifted(uids: list[str]) -> list[str]:
        found = load(uids)
        for key in found:
            slicer.mrmlScene.GetNodeByID(key).SetOrigin(5.0, 0.0, 0.0)
        return found

    monkeypatch.setattr(DICOMUtils, "loadSeriesByUID", shifted)
    write_series(tmp_path / "ct")
    _choose_folder(empty_panel, tmp_path)
    click(empty_panel.study.ui.folderButton)
    assert "read its geometry differently" in texts(empty_panel.study.ui.roleTable)[0][WHY]
    assert "read its geometry differently" in empty_panel.widget.logic.whatIsMissing(empty_panel.widget._parameterNode)


CUBE = [np.array([[-10.0, -20, z], [2, -20, z], [2, -8, z], [-10, -8, z]]) for z in (32.0, 34.0, 36.0)]
"""A square on three slices of `write_series`, LPS mm."""


def test_contours_of_radiotherapy_come_along_as_outlines(empty_panel: SimpleNamespace, tmp_path: Path) -> None:
    write_series(tmp_path / "ct", FrameOfReferenceUID=FRAME)
    rois = {"GTV": CUBE, "L3": CUBE[:1], "marker": [("POINT", CUBE[0][:1])]}
    write_structures(tmp_path / "RS.dcm", rois, types=["GTV"])
    _choose_folder(empty_panel, tmp_path)
    click(empty_panel.study.ui.folderButton)
    node = empty_panel.widget._parameterNode
    assert empty_panel.widget.ui.messageLabel.text.startswith("Outlines of the study: CT structures: GTV")
    assert node.segmentation.GetNodeReference("referenceImageGeometryRef") is node.referenceVolume
    assert list(empty_panel.widget.logic.levelsOf(node.segmentation).values()) == ["L3"]
    assert list(node.lesionSegmentIDs) == ["roi-1"]


def test_contours_on_another_image_are_left_out_and_said(empty_panel: SimpleNamespace, tmp_path: Path) -> None:
    write_series(tmp_path / "ct", FrameOfReferenceUID="1.2.9")
    write_structures(tmp_path / "RS.dcm", {"GTV": CUBE}, types=["GTV"])
    _choose_folder(empty_panel, tmp_path)
    click(empty_panel.study.ui.folderButton)
    assert "left out: " in empty_panel.widget.ui.messageLabel.text
    assert "was drawn on an image that was not loaded" in empty_panel.widget.ui.messageLabel.text
    assert not empty_panel.widget._parameterNode.segmentation
    assert empty_panel.widget._parameterNode.referenceVolume


# From the database


def test_an_empty_database_is_a_sentence(empty_panel: SimpleNamespace) -> None:
    click(empty_panel.study.ui.databaseButton)
    assert "holds no CT, MR or PET" in empty_panel.widget.ui.messageLabel.text


def test_a_closed_database_disables_its_button_and_says_why(empty_panel: SimpleNamespace) -> None:
    import slicer

    slicer.dicomDatabase._value_isOpen = False
    empty_panel.widget.refresh()
    assert not empty_panel.study.ui.databaseButton.enabled
    assert "open the DICOM module once" in empty_panel.study.ui.databaseButton.toolTip


def test_a_study_of_the_database_is_loaded(empty_panel: SimpleNamespace, tmp_path: Path) -> None:
    import slicer

    write_series(tmp_path / "ct")
    slicer.dicomDatabase._add(tmp_path)
    click(empty_panel.study.ui.databaseButton)
    assert empty_panel.widget.ui.messageLabel.text == ""
    assert empty_panel.study.ui.patientLabel.text.startswith("Doe^Jane")


def test_a_volume_that_slicer_loaded_is_read_from_its_header(empty_panel: SimpleNamespace, tmp_path: Path) -> None:
    import slicer
    from DICOMLib import DICOMUtils

    write_series(tmp_path / "ct")
    slicer.dicomDatabase._add(tmp_path)
    DICOMUtils.loadSeriesByUID(["1.2.3.4"])
    empty_panel.widget.initializeParameterNode()
    empty_panel.application.settle()
    assert texts(empty_panel.study.ui.roleTable)[0][WHY] == "the kind of object (CT)"
    assert "2024-03-05" in empty_panel.widget.ui.studyLabel.text.replace("\u00a0", " ")


def test_files_that_left_the_database_are_a_sentence(empty_panel: SimpleNamespace, tmp_path: Path) -> None:
    import shutil

    import slicer

    write_series(tmp_path / "ct")
    slicer.dicomDatabase._add(tmp_path)
    shutil.rmtree(tmp_path / "ct")
    click(empty_panel.study.ui.databaseButton)
    assert "no longer where the database says" in empty_panel.widget.ui.messageLabel.text


# Who and when


def test_patient_and_date_flow_into_the_assessment(panel: SimpleNamespace) -> None:
    import slicer

    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "patient")
    for name, text in (
        ("PatientID", "7"),
        ("PatientName", "Doe"),
        ("PatientSex", "x"),
        ("PatientBirthDate", "19500102"),
    ):
        hierarchy.SetItemAttribute(patient, f"DICOM.{name}", text)
    study = hierarchy.CreateStudyItem(patient, "study")
    item = hierarchy.GetItemByDataNode(panel.spine.volume) or hierarchy.CreateItem(study, panel.spine.volume)
    hierarchy.SetItemParent(item, study)
    click(panel.ui.assessButton)
    made = panel.widget.logic.assessment(panel.widget._parameterNode)
    assert (made.patient.patient_id, made.patient.name, made.patient.sex) == ("7", "Doe", "")
    assert made.patient.birth_date == "1950-01-02"
    assert made.time_point.date == "2026-03-02"


def test_images_of_another_patient_are_left_out_and_said(empty_panel: SimpleNamespace, tmp_path: Path) -> None:
    write_series(tmp_path / "a")
    write_series(
        tmp_path / "b", seed=3, PatientID="OTHER", StudyInstanceUID="1.9", SeriesInstanceUID="1.9.1", **MR,
        SeriesDescription="T2",
    )  # fmt: skip
    for name in ("a", "b"):
        _choose_folder(empty_panel, tmp_path / name)
        click(empty_panel.study.ui.folderButton)
    assert "several patients" in empty_panel.study.ui.warningLabel.text
    assert "T2 ✓  T1" in empty_panel.widget.ui.studyLabel.text.replace("\u00a0", " ")
    assert "CT –" in empty_panel.widget.ui.studyLabel.text.replace("\u00a0", " ")


def test_ct_and_mri_far_apart_are_warned_about(empty_panel: SimpleNamespace, tmp_path: Path) -> None:
    write_series(tmp_path / "ct", AcquisitionDate="20240305")
    write_series(
        tmp_path / "t2", seed=1, SeriesInstanceUID="1.2.3.5", SeriesDescription="T2", AcquisitionDate="20240401", **MR
    )
    _choose_folder(empty_panel, tmp_path)
    click(empty_panel.study.ui.folderButton)
    assert "CT and MRI lie 27 days apart" in empty_panel.study.ui.warningLabel.text


# Readers


def test_a_blinded_second_reader_starts_empty_and_the_first_is_kept(assessed: SimpleNamespace) -> None:
    study = assessed.study.ui
    type_text(study.readerEdit, "AB")
    pick(assessed.ui.painComboBox, "mechanical")
    click(study.blindedCheckBox)
    type_text(study.readerEdit, "CD")
    logic, node = assessed.widget.logic, assessed.widget._parameterNode
    assert logic.answers(node).levels == {}
    assert logic.assessment(node).answers.levels == {}
    assert not study.otherReadersLabel.visible
    pick(assessed.ui.painComboBox, "none")
    type_text(study.readerEdit, "AB")
    assert [item.pain for item in logic.answers(node).levels.values()] == ["mechanical"]
    click(study.blindedCheckBox)
    assert study.otherReadersLabel.text == "Also read by CD."


def test_an_open_second_reader_goes_on_from_what_stands_there(assessed: SimpleNamespace) -> None:
    type_text(assessed.study.ui.readerEdit, "AB")
    pick(assessed.ui.painComboBox, "mechanical")
    type_text(assessed.study.ui.readerEdit, "CD")
    said = assessed.widget.logic.answers(assessed.widget._parameterNode)
    assert [item.pain for item in said.levels.values()] == ["mechanical"]


def test_damaged_readings_are_said(assessed: SimpleNamespace) -> None:
    assessed.widget._parameterNode.readings = "{"
    type_text(assessed.study.ui.readerEdit, "EF")
    assert "damaged" in assessed.widget.ui.messageLabel.text


def test_a_new_time_point_waits_for_an_image_of_this_one(empty_panel: SimpleNamespace) -> None:
    assert not empty_panel.study.ui.newTimePointButton.enabled
    spine = small_spine.add_to(empty_panel.application.scene)
    empty_panel.widget._parameterNode.referenceVolume = spine.volume
    click(empty_panel.study.ui.newTimePointButton)
    assert empty_panel.study.ui.timePointComboBox.count == 2
