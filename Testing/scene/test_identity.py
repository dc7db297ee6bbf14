"""Who and when of a volume: from Slicer's DICOM database, else from the headers behind the node."""

from __future__ import annotations

import numpy as np
import pytest

from spinemet.case import Patient, Role
from spinemet.image import Image
from spinemet.scene import add_synthetic_patient, identity_of, labelmaps_from_segmentation, volume_from_image

HEADER = {
    "0010,0020": "ID-77", "0010,0010": "Roe^Richard", "0010,0040": "m", "0010,0030": "19600102",
    "0008,0020": "20260302", "0020,000D": "1.2.3", "0020,000E": "1.2.3.4", "0020,0052": "1.2.3.9",
}  # fmt: skip


class Database:
    """What is used of ctkDICOMDatabase."""

    isOpen = True

    def __init__(self, header):
        self.header = header

    def instanceValue(self, instance, tag):
        return self.header.get(tag, "") if instance == "1.2.3.4.1" else ""


@pytest.fixture
def a_volume(a_session):
    return volume_from_image(a_session.scene, Image(np.zeros((2, 2, 2), np.int16), np.eye(4), name="CT"), name="CT")


def test_the_database_tells_who_and_when(a_volume):
    a_volume.SetAttribute("DICOM.instanceUIDs", "1.2.3.4.1 1.2.3.4.2")
    found = identity_of(a_volume, Database(HEADER))
    assert found.patient == Patient("ID-77", "Roe^Richard", "M", "1960-01-02")
    assert (found.time_point.date, found.study_uid) == ("2026-03-02", "1.2.3")
    assert (found.series_uid, found.frame_uid) == ("1.2.3.4", "1.2.3.9")


@pytest.mark.parametrize(("date", "iso"), [("2026.03.02", "2026-03-02"), ("", ""), ("2026", ""), ("yesterday", "")])
def test_dates_are_dates_or_nothing(a_volume, date, iso):
    a_volume.SetAttribute("DICOM.instanceUIDs", "1.2.3.4.1")
    assert identity_of(a_volume, Database({**HEADER, "0008,0020": date})).time_point.date == iso


def test_a_volume_without_headers_has_no_identity(a_volume):
    assert identity_of(a_volume, Database(HEADER)).patient == Patient()
    assert identity_of(a_volume).study_uid == ""


def test_headers_of_the_files_tell_when_the_database_does_not(a_session, a_volume, tmp_path):
    from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3.4.1"
    header = FileDataset(tmp_path / "slice", Dataset(), file_meta=meta, preamble=b"\0" * 128)
    header.PatientID, header.StudyDate, header.StudyInstanceUID = "ID-78", "20260601", "1.2.9"
    header.save_as(tmp_path / "slice", enforce_file_format=True)
    (tmp_path / "notes.txt").write_text("not DICOM")
    storage = a_session.scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(str(tmp_path / "notes.txt"))
    storage.AddFileName(str(tmp_path / "slice"))
    a_volume.SetAndObserveStorageNodeID(storage.GetID())
    a_volume.SetAttribute("DICOM.instanceUIDs", "9.9.9")
    found = identity_of(a_volume, Database(HEADER))
    assert (found.patient.patient_id, found.time_point.date, found.study_uid) == ("ID-78", "2026-06-01", "1.2.9")


@pytest.mark.bars
def test_the_synthetic_patient_comes_into_the_scene(a_session):
    volumes, segmentation, answers = add_synthetic_patient(a_session.scene, seed=3, roles=(Role.CT,))
    assert list(volumes) == [Role.CT]
    vertebrae, lesions = labelmaps_from_segmentation(segmentation, volumes[Role.CT])
    assert len(vertebrae.levels) >= 5 and lesions.present
    assert answers.levels
