"""Reading real images: each gives a result or one sentence, and agrees with other programs and published values."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from spinemet.case import Role, Structure
from spinemet.errors import BadInput, GridMismatch, SpineMetError
from spinemet.study import read_image, read_labels, read_lesions, read_study
from spinemet.study.describe import describe
from spinemet.study.index import index

LUMBAR = {"T11": 33, "T12": 32, "L1": 31, "L2": 30, "L3": 29, "L4": 28, "L5": 27, "S1": 26}


def levels_of(path: Path, **options) -> dict[str, int]:
    return {str(level): value for level, value in read_labels(path, **options).levels.items()}


def sentence_or_none(call, *arguments) -> str | None:
    """None when the call works; its sentence when it is refused. Any other error fails the test."""
    try:
        call(*arguments)
    except SpineMetError as error:
        sentence = str(error)
        assert sentence.endswith((".", ")"))
        assert "\n" not in sentence
        assert len(sentence) < 400
        return sentence
    return None


# The lumbar CT and the DICOM folder of the totalsegmentator package


def test_the_lumbar_ct_and_its_labels_share_a_grid_and_are_named(totalsegmentator_files):
    ct = read_image(totalsegmentator_files / "example_ct.nii.gz")
    assert ct.ref.role is Role.CT
    labels = totalsegmentator_files / "spine_report/example_ct_report/totalseg.nii.gz"
    assert levels_of(labels, reference=ct.image) == LUMBAR
    assert read_labels(labels).numbering == "TotalSegmentator (detected)"


def test_the_dicom_slices_lie_2_mm_apart_and_agree_with_itk(totalsegmentator_files):
    folder = totalsegmentator_files / "example_ct_dicom"
    image = read_image(folder).image
    names = sorted(str(path) for path in folder.iterdir())
    places = sorted((float(sitk.ReadImage(name).GetOrigin()[2]), name) for name in names)
    other = sitk.ReadImage([name for _, name in places])
    assert image.shape == (20, 512, 512)
    assert image.spacing[2] == pytest.approx(2.0)
    assert np.array_equal(image.array, sitk.GetArrayFromImage(other))
    x, y, z = other.TransformIndexToPhysicalPoint((511, 0, 19))
    assert np.allclose(image.to_world([511, 0, 19]), (-x, -y, z), atol=1e-3)


def test_labels_stored_with_other_axes_fall_onto_the_dicom_grid(totalsegmentator_files):
    ct = read_image(totalsegmentator_files / "example_ct_dicom").image
    labels = read_labels(totalsegmentator_files / "example_seg_dicom.nii.gz", ct)
    assert {str(level) for level in labels.levels} == {"T11", "T12"}
    # Bone is dense and the cord is not: labels on the wrong rows would mix both.
    bone = ct.array[labels.binary(labels.value_of(next(iter(labels.levels))))].mean()
    cord = ct.array[labels.binary(labels.values(Structure.CORD)[0])].mean()
    assert bone > 120
    assert cord < 70


def test_labels_of_another_image_are_refused(totalsegmentator_files):
    ct = read_image(totalsegmentator_files / "example_ct.nii.gz").image
    with pytest.raises(GridMismatch, match=r"example_seg_dicom.*example_ct"):
        read_labels(totalsegmentator_files / "example_seg_dicom.nii.gz", ct)


# TPTBox's samples


@pytest.fixture
def tptbox_samples(tptbox_files) -> Path:
    return next(path.parent for path in sorted(tptbox_files.rglob("sample_ct")))


def test_verse_numbers_are_found_on_ct(tptbox_samples):
    folder = tptbox_samples / "sample_ct"
    study = read_study(folder)
    labels = folder / "sub-ct_seg-vert_label-22_msk.nii.gz"
    assert study.reference().ref.role is Role.CT
    assert labels in study.label_files
    assert levels_of(labels, reference=study.reference().image) == {"L2": 21, "L3": 22, "L4": 23}


def test_lumbar_vertebrae_numbered_as_cervical_are_not_believed(tptbox_samples):
    labels = tptbox_samples / "sample_mri" / "sub-mri_seg-vert_label-6_msk.nii.gz"
    with pytest.raises(BadInput, match="C5–C7"):
        read_labels(labels)
    told = read_labels(labels, numbering="verse")
    assert any("check the numbering" in note for note in told.notes)


# The images beside the repository


@pytest.mark.parametrize(
    ("patient", "modality", "role", "milliliters", "mean", "highest"),
    [
        ("STS_018", "CT", Role.CT, 116.5, 24.03, None),
        ("STS_018", "PET", Role.PET, 117.6, 2.00, 4.32),
        ("STS_018", "MR_T1", Role.T1, None, None, None),
        ("STS_002", "CT", Role.CT, 53.3, 59.02, None),
        ("STS_002", "PET", Role.PET, 54.3, 7.37, 21.68),
        ("STS_002", "MR_T1", Role.T1, None, None, None),
    ],
)
def test_published_volumes_and_values_are_reproduced(shared_data, patient, modality, role, milliliters, mean, highest):
    folder = shared_data / "sts" / patient
    series = read_image(folder / modality / "image")
    lesions = read_lesions(folder / "nifti_masks" / f"{modality}_mask.nii.gz", series.image)
    inside = series.image.array[lesions.binary(1)]
    assert series.ref.role is role
    if milliliters is not None:
        assert inside.size * series.image.voxel_volume / 1000 == pytest.approx(milliliters, abs=0.06)
        assert inside.mean() == pytest.approx(mean, abs=0.006)
    if highest is not None:
        assert inside.max() == pytest.approx(highest, abs=0.006)


def test_a_patient_s_folder_gives_ct_t1_and_pet_and_two_patients_are_refused(shared_data):
    study = read_study(shared_data / "sts" / "STS_018")
    assert [item.ref.role for item in study.series] == [Role.CT, Role.T1, Role.PET]
    assert study.reference().ref.role is Role.CT
    assert study.patient.patient_id
    told = " ".join([*study.notes, *(item.source + item.image.name for item in study.series)])
    assert study.patient.patient_id not in told
    assert study.patient.name not in told
    with pytest.raises(BadInput, match="two patients"):
        read_study(shared_data / "sts")


def test_the_index_tells_both_patients_apart_and_all_their_roles(shared_data):
    found = index(shared_data / "sts")
    assert len(found.patients) == 2
    for patient in found.patients:
        items = [item for study in patient.studies for item in (*study.series, *study.objects)]
        roles = sorted(item.ref.role.value for item in items)
        assert roles == ["CT", "PET", "RTSTRUCT", "RTSTRUCT", "RTSTRUCT", "T1"]
        assert all(item.judgments[0].reasons for item in items)
        printed = describe(found) + json.dumps(found.to_json())
        assert patient.patient.patient_id not in printed
        assert patient.patient.name not in printed


def test_radiotherapy_objects_and_radiographs_are_told_by_role(shared_data):
    roles = [
        item.ref.role
        for patient in index(shared_data / "rt_edge").patients
        for study in patient.studies
        for item in study.objects
    ]
    assert sorted(roles) == [Role.RTDOSE, Role.RTDOSE, Role.RTDOSE, Role.RTPLAN, Role.RTSTRUCT]
    series = [
        item for patient in index(shared_data / "xray").patients for study in patient.studies for item in study.series
    ]
    assert [item.ref.role for item in series] == [Role.RADIOGRAPH, Role.RADIOGRAPH]
    pytest.importorskip("openjpeg", reason="pydicom needs pylibjpeg-openjpeg to decode one of them")
    for item in series:
        # Not compared with ITK, which inverts the values of MONOCHROME1.
        assert np.array_equal(item.view().array[0], pydicom.dcmread(item.files[0].path).pixel_array)


def test_the_20_slices_are_one_axial_ct_in_the_index(totalsegmentator_files):
    series = index(totalsegmentator_files / "example_ct_dicom").study().series
    assert [(item.ref.role, item.plane, item.grid.shape) for item in series] == [(Role.CT, "axial", (20, 512, 512))]
    assert any("SliceThickness says 3.00" in note for note in series[0].notes)


@pytest.mark.parametrize(
    ("name", "first", "last", "count"),
    [("sub-verse010_seg-vert_msk.nii.gz", "L1", "L5", 5), ("sub-gl003_dir-ax_seg-vert_msk.nii.gz", "C1", "T5", 12)],
)
def test_expert_vertebra_masks_are_named(shared_data, name, first, last, count):
    labels = read_labels(shared_data / "verse" / name)
    levels = [str(level) for level in labels.levels]
    assert (levels[0], levels[-1], len(levels)) == (first, last, count)
    assert labels.numbering == "VerSe (detected)"


def test_every_file_gives_a_result_or_a_sentence(shared_data):
    for path in sorted(shared_data.rglob("*")):
        if path.is_dir():
            sentence_or_none(read_study, path)
        elif ".nii" in path.name or path.suffix == ".nrrd":
            for call in (read_image, read_labels, read_lesions):
                sentence_or_none(call, path)
            sentence_or_none(lambda path=path: read_image(path).image)
        elif path.parent.name != "image" or path.name.startswith("000001"):
            # A slice stands for its series, so one of each is enough.
            sentence_or_none(lambda path=path: read_image(path).image)


def test_every_folder_of_the_package_gives_a_result_or_a_sentence(totalsegmentator_files):
    for path in [totalsegmentator_files, *sorted(totalsegmentator_files.rglob("*"))]:
        if path.is_dir():
            sentence_or_none(read_study, path)
