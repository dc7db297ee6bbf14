"""Roles of series: from the standard's attributes, from descriptions, ranked with reasons, overridden by the user."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from enhanced_dicom import ENHANCED_MR, item, write_enhanced
from small_dicom import AXIAL, MR_CLASS, PET_CLASS, write_series, write_slice
from spinemet.case import Role
from spinemet.study import read_image, read_study
from spinemet.study.index import index
from spinemet.study.traits import kernel_kind

MR = {"SOPClassUID": MR_CLASS, "Modality": "MR"}
PET = {"SOPClassUID": PET_CLASS, "Modality": "PT", "Units": "BQML"}
SE = {"ScanningSequence": "SE"}
SAGITTAL = (0, 1, 0, 0, 0, -1)


@pytest.mark.parametrize(
    ("elements", "role"),
    [
        # The standard's attributes
        (MR | {"SeriesDescription": "ADC", "ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"]}, Role.ADC),
        (MR | {"SeriesDescription": "", "ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "TRACEW"]}, Role.DWI),
        (MR | {"SeriesDescription": "ep2d", "DiffusionBValue": 800.0}, Role.DWI),
        (MR | SE | {"RepetitionTime": "4000", "EchoTime": "100", "DiffusionBValue": 0.0}, Role.T2),
        (MR | {"ImageType": ["DERIVED", "PRIMARY", "DIXON", "WATER"]}, Role.DIXON_WATER),
        (MR | {"ImageType": ["DERIVED", "PRIMARY", "M", "FAT"]}, Role.DIXON_FAT),
        (MR | {"ImageType": ["ORIGINAL", "PRIMARY", "M", "IN_PHASE"]}, Role.DIXON_IN),
        (MR | {"ImageType": ["ORIGINAL", "PRIMARY", "M", "OUT_PHASE"]}, Role.DIXON_OPPOSED),
        (MR | SE | {"RepetitionTime": "500", "EchoTime": "12", "ContrastBolusAgent": "Dotarem"}, Role.T1_GD),
        (MR | SE | {"RepetitionTime": "500", "EchoTime": "12", "ContrastBolusAgent": "NONE"}, Role.T1),
        (MR | SE | {"RepetitionTime": "3500", "EchoTime": "100", "ScanOptions": "FS"}, Role.STIR),
        (MR | SE | {"RepetitionTime": "9000", "EchoTime": "110", "InversionTime": "2500",
                    "ScanningSequence": ["SE", "IR"], "SeriesDescription": "x"}, Role.UNKNOWN),
        (PET | {"CorrectedImage": ["DECY", "ATTN", "SCAT"]}, Role.PET),
        (PET | {"CorrectedImage": ["DECY", "RAN"]}, Role.PET_NAC),
        (PET | {"AttenuationCorrectionMethod": "NONE"}, Role.PET_NAC),
        # Descriptions
        (PET | {"SeriesDescription": "WB NAC"}, Role.PET_NAC),
        (PET, Role.PET),
        (MR | {"SeriesDescription": "t2_tse_fs_sag"}, Role.STIR),
        (MR | {"SeriesDescription": "T2 SPAIR SAG"}, Role.STIR),
        (MR | {"SeriesDescription": "t1_vibe_dixon_tra_W"}, Role.DIXON_WATER),
        (MR | {"SeriesDescription": "t1_vibe_dixon_tra_opp"}, Role.DIXON_OPPOSED),
        (MR | {"SeriesDescription": "DWI b800 sag"}, Role.DWI),
        (MR | {"SeriesDescription": "phase contrast"}, Role.UNKNOWN),
    ],
)  # fmt: skip
def test_roles_follow_attributes_first_and_descriptions_second(tmp_path, elements, role):
    write_series(tmp_path / "s", **elements)
    assert read_image(tmp_path / "s").ref.role is role


def test_attributes_win_over_a_description_that_contradicts_them(tmp_path):
    write_series(tmp_path / "s", **MR, SeriesDescription="T2 sag", ImageType=["DERIVED", "PRIMARY", "M", "ADC"])
    series = read_image(tmp_path / "s")
    assert series.ref.role is Role.ADC
    rejected = next(item for item in series.judgments if item.role is Role.T2)
    assert rejected.score < series.judgments[0].score
    assert rejected.reasons == ("its description",)


def test_every_judgment_is_ranked_and_has_a_reason(tmp_path):
    write_series(tmp_path / "s", **MR, **SE, RepetitionTime="3500", EchoTime="100", SeriesDescription="T1 sag")
    judgments = read_image(tmp_path / "s").judgments
    assert [item.score for item in judgments] == sorted((item.score for item in judgments), reverse=True)
    assert all(item.reasons for item in judgments)
    assert {Role.T1, Role.T2} <= {item.role for item in judgments}


def test_a_user_s_choice_comes_first_and_says_what_the_header_says(tmp_path):
    write_series(tmp_path / "s", **MR, SeriesDescription="T1 sag")
    series = read_study(tmp_path / "s", roles={"1.2.3.4": Role.T2}).series[0]
    assert series.ref.role is Role.T2
    assert any("user's choice" in note and "T1" in note for note in series.notes)
    assert [item.role for item in series.judgments] == [Role.T2, Role.T1]


def test_a_user_s_choice_holds_for_a_part_of_a_split_series_and_for_a_volume_file(tmp_path):
    folder = tmp_path / "s"
    folder.mkdir()
    for k in range(6):
        write_slice(
            folder / f"f{k}", np.ones((5, 5), np.uint16), (0, 0, 2 * (k // 2)), EchoTime="30" if k % 2 else "90", **MR,
            SOPInstanceUID=f"1.2.{k}",
        )  # fmt: skip
    keys = [item.ref.key for item in read_study(folder).series]
    assert keys == ["1.2.3.4", "1.2.3.4#2"]
    chosen = read_study(folder, roles={keys[1]: Role.T2}).series
    assert [item.ref.role for item in chosen].count(Role.T2) == 1
    image = read_study(folder).series[0].image
    from spinemet.study import write_image

    write_image(image, tmp_path / "v" / "x.nii.gz")
    assert read_study(tmp_path / "v", roles={"x.nii.gz": Role.STIR}).series[0].ref.role is Role.STIR


def test_axial_and_sagittal_t2_are_both_kept_and_the_sagittal_one_is_the_reference(tmp_path):
    for n, orientation in enumerate((AXIAL, SAGITTAL)):
        write_series(
            tmp_path / "s" / str(n), orientation=orientation, step=None if n == 0 else (3.0, 0.0, 0.0),
            SeriesInstanceUID=f"1.2.3.{40 + n}", SeriesDescription="T2 TSE", **MR,
        )  # fmt: skip
    study = read_study(tmp_path / "s")
    assert sorted(item.plane for item in study.by_role(Role.T2)) == ["axial", "sagittal"]
    assert study.reference().plane == "sagittal"


@pytest.mark.parametrize(
    ("kind", "modality", "role"),
    [
        ("1.2.840.10008.5.1.4.1.1.481.3", "RTSTRUCT", Role.RTSTRUCT),
        ("1.2.840.10008.5.1.4.1.1.481.2", "RTDOSE", Role.RTDOSE),
        ("1.2.840.10008.5.1.4.1.1.481.5", "RTPLAN", Role.RTPLAN),
        ("1.2.840.10008.5.1.4.1.1.66.4", "SEG", Role.SEG),
        ("1.2.840.10008.5.1.4.1.1.88.33", "SR", Role.SR),
        ("1.2.840.10008.5.1.4.1.1.7", "OT", Role.SECONDARY),
    ],
)
def test_objects_that_show_no_patient_are_set_aside_with_their_role(tmp_path, kind, modality, role):
    write_series(tmp_path / "s" / "ct")
    write_slice(
        tmp_path / "s" / "o", np.ones((2, 2), np.uint16), (0, 0, 0), SOPClassUID=kind, Modality=modality,
        SeriesInstanceUID="1.2.3.6",
    )  # fmt: skip
    study = read_study(tmp_path / "s")
    assert [item.ref.role for item in study.series] == [Role.CT]
    found = study.objects_of(role)
    assert len(found) == 1
    assert found[0].refusal and not role.is_image
    assert found[0].files[0].path == tmp_path / "s" / "o"


def test_a_screen_capture_stored_as_ct_is_not_measured_in(tmp_path):
    write_series(tmp_path / "s", ImageType=["DERIVED", "SECONDARY", "SCREEN SAVE"])
    series = index(tmp_path / "s").patients[0].studies[0].series[0]
    assert series.ref.role is Role.SECONDARY
    assert "picture of a screen" in series.refusal


def test_radiographs_have_a_view_and_a_posture_and_no_volume(tmp_path):
    write_slice(
        tmp_path / "x", np.ones((4, 4), np.uint16), (0, 0, 0), Modality="DX",
        SOPClassUID="1.2.840.10008.5.1.4.1.1.1.1", ViewPosition="LL", SeriesDescription="L-spine flexion",
    )  # fmt: skip
    series = read_study(tmp_path / "x").series[0]
    assert series.ref.role is Role.RADIOGRAPH
    assert (series.traits["view"], series.traits["posture"]) == ("lateral", "flexion")
    assert series.view().shape == (1, 4, 4)
    assert series.grid is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [("B60s", "bone"), ("B31f", "soft"), ("Br40d", "soft"), ("BONE", "bone"), ("BONEPLUS", "bone"),
     ("STANDARD", "soft"), ("FC30", "bone"), ("FC13", "soft"), ("YB", "bone"), ("B", "soft"), ("I70f", "bone"),
     ("xyz", "")],
)  # fmt: skip
def test_kernels_are_bone_or_soft_by_the_vendors_names(name, kind):
    assert kernel_kind(name) == kind


def test_ct_tells_its_kernel_phase_and_myelogram_and_a_plain_ct_comes_before_a_myelogram(tmp_path):
    write_series(tmp_path / "s" / "a", count=8, SeriesInstanceUID="1.2.3.41", SeriesDescription="CT myelo LWS",
                 ConvolutionKernel="B60s")  # fmt: skip
    write_series(tmp_path / "s" / "b", SeriesInstanceUID="1.2.3.42", SeriesDescription="Abdomen portal",
                 ConvolutionKernel="B30f")  # fmt: skip
    first, second = read_study(tmp_path / "s").by_role(Role.CT)
    assert (first.traits["phase"], first.traits["kernel"]) == ("portal venous", "soft")
    assert second.traits["myelogram"] is True
    assert second.traits["kernel"] == "bone"


def test_enhanced_mr_is_judged_by_its_functional_groups(tmp_path):
    volume = np.ones((4, 5, 6), np.int16)
    path = tmp_path / "e"
    groups = [
        {
            "MRTimingAndRelatedParametersSequence": item(RepetitionTime=4000.0),
            "MREchoSequence": item(EffectiveEchoTime=100.0),
            "MRImageFrameTypeSequence": item(AcquisitionContrast="T2", FrameType=["ORIGINAL", "PRIMARY", "M", "NONE"]),
            "MRModifierSequence": item(SpectrallySelectedSuppression="FAT"),
        }
    ] * 4
    positions = [(0, 0, 3 * k) for k in range(4)]
    write_enhanced(
        path, volume, positions, kind=ENHANCED_MR, modality="MR", frame_items=groups, EchoPulseSequence="SPIN"
    )
    assert read_image(path).ref.role is Role.STIR


def test_private_b_values_of_vendors_are_read(tmp_path):
    import pydicom

    for path, (creator, tag, value) in {
        "siemens": ("SIEMENS MR HEADER", 0x0019100C, "800"),
        "ge": ("GEMS_PARM_01", 0x00431039, ["1000000600", "8", "0", "0"]),
    }.items():
        write_series(tmp_path / path, **MR, SeriesDescription="ep2d")
        for file in Path(tmp_path / path).iterdir():
            dataset = pydicom.dcmread(file)
            block = dataset.private_block(tag >> 16, creator, create=True)
            block.add_new(tag & 0xFF, "IS", value)
            dataset.save_as(file)
        series = read_image(tmp_path / path)
        assert series.ref.role is Role.DWI
        assert series.traits["b-value"] == (800.0 if path == "siemens" else 600.0)


def test_the_plane_of_isotropic_dicom_is_that_of_its_slices(tmp_path):
    write_series(tmp_path / "s", count=30, PixelSpacing=[2.0, 2.0])
    assert read_image(tmp_path / "s").plane == "axial"
