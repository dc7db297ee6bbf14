"""Reading DICOM: order, geometry, values and refusals, on small series written here slice by slice.

Geometry is compared with the numbers that the series were written from, and with ITK's own series reader.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless

from small_dicom import AXIAL, MR_CLASS, PET_CLASS, write_series, write_slice
from spinemet.case import Role
from spinemet.errors import BadInput, Cancelled
from spinemet.study import read_image, read_study

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])


def oblique() -> tuple[float, ...]:
    """Direction cosines of a coronal-like slice turned by 20° and 35°."""
    a, b = np.radians(20), np.radians(35)
    row = np.array([np.cos(a), np.sin(a), 0.0])
    column = np.array([-np.sin(a) * np.sin(b), np.cos(a) * np.sin(b), -np.cos(b)])
    return tuple(float(x) for x in (*row, *column))


def file_at(folder: Path, depth: float) -> Path:
    """The file whose slice lies at z = `depth`."""
    for path in sorted(folder.iterdir()):
        if abs(pydicom.dcmread(path, stop_before_pixels=True).ImagePositionPatient[2] - depth) < 1e-6:
            return path
    raise AssertionError(depth)


# Order and geometry


def test_slices_are_ordered_by_position_whatever_their_numbers_and_names(tmp_path):
    volume = write_series(tmp_path / "s")
    image = read_image(tmp_path / "s").image
    assert np.array_equal(image.array, volume.astype(int) - 1024)
    assert image.array.dtype == np.int16


def test_voxels_lie_where_the_header_puts_them(tmp_path):
    write_series(tmp_path / "s", origin=(-10.0, -20.0, 30.0))
    image = read_image(tmp_path / "s").image
    # Index (i, j, k) = (4, 3, 2): 4 columns of 0.5 mm, 3 rows of 0.8 mm, 2 slices of 2 mm, LPS to RAS.
    assert np.allclose(image.to_world([4, 3, 2]), [10 - 2.0, 20 - 2.4, 34.0])
    assert np.allclose(image.spacing, [0.5, 0.8, 2.0])


@pytest.mark.parametrize("orientation", [AXIAL, (0, 1, 0, 0, 0, -1), (-1, 0, 0, 0, 1, 0), oblique()])
@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_geometry_and_order_agree_with_itk(tmp_path, orientation, direction):
    normal = np.cross(orientation[:3], orientation[3:])
    write_series(tmp_path / "s", orientation=orientation, step=direction * 1.7 * normal)
    image = read_image(tmp_path / "s").image
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path / "s"))
    other = sitk.ReadImage(names)
    corners = [(0, 0, 0), (8, 6, 5), (8, 0, 5), (0, 6, 0)]
    expected = [LPS_TO_RAS @ other.TransformContinuousIndexToPhysicalPoint([float(n) for n in c]) for c in corners]
    assert np.allclose(image.to_world(corners), expected, atol=1e-4)
    assert np.array_equal(image.array, sitk.GetArrayFromImage(other))


def test_spacing_comes_from_positions_and_a_contradicting_thickness_is_noted(tmp_path):
    write_series(tmp_path / "s", SliceThickness="5")
    series = read_image(tmp_path / "s")
    assert series.image.spacing[2] == pytest.approx(2.0)
    assert any("2.00 mm apart, though SliceThickness says 5.00" in note for note in series.notes)


def test_gantry_tilt_stays_in_the_matrix_and_is_noted(tmp_path):
    write_series(tmp_path / "s", step=(0.0, 2.0 * np.tan(np.radians(12)), 2.0))
    series = read_image(tmp_path / "s")
    assert series.image.grid.is_sheared
    shift = series.image.to_world([0, 0, 1]) - series.image.to_world([0, 0, 0])
    assert np.allclose(shift, [0, -2.0 * np.tan(np.radians(12)), 2.0], atol=1e-6)
    assert any("tilt of 12.0°" in note for note in series.notes)


def test_orientation_noise_does_not_split_a_series(tmp_path):
    write_series(tmp_path / "s", count=3)
    for number, path in enumerate(sorted((tmp_path / "s").iterdir())):
        dataset = pydicom.dcmread(path)
        dataset.ImageOrientationPatient = [1.0, 0.0005 + 1e-5 * number, 0.0, -0.0005, 1.0, 0.0]
        dataset.save_as(path)
    assert read_image(tmp_path / "s").image.shape == (3, 7, 9)


def test_a_file_stands_for_its_series_in_the_folder(tmp_path):
    write_series(tmp_path / "s")
    write_series(tmp_path / "s" / "deeper", SeriesInstanceUID="1.2.3.5")
    assert read_image(tmp_path / "s" / "I002").image.shape == (6, 7, 9)


def test_files_without_preamble_and_meta_header_are_read(tmp_path):
    volume = write_series(tmp_path / "s", syntax=ImplicitVRLittleEndian)
    for path in (tmp_path / "s").iterdir():
        data = path.read_bytes()
        length = int.from_bytes(data[140:144], "little")
        path.write_bytes(data[144 + length :])
    assert np.array_equal(read_image(tmp_path / "s").image.array, volume.astype(int) - 1024)


def test_series_without_uids_are_told_apart_by_their_traits(tmp_path):
    write_series(tmp_path / "s", drop=("SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"))
    series = read_image(tmp_path / "s")
    assert series.image.shape == (6, 7, 9)
    assert any("no series UID" in note for note in series.notes)


# Values


def test_rescale_is_applied_slice_by_slice(tmp_path):
    folder = tmp_path / "s"
    folder.mkdir()
    stored = np.full((4, 5), 100, dtype=np.uint16)
    for k, slope in enumerate((0.5, 2.25, 3.0)):
        write_slice(
            folder / f"p{k}", stored, (0, 0, 4.0 * k), SOPClassUID=PET_CLASS, Modality="PT", Units="BQML",
            RescaleSlope=str(slope), RescaleIntercept="0",
        )  # fmt: skip
    series = read_image(folder)
    assert series.image.array[:, 0, 0].tolist() == [50.0, 225.0, 300.0]
    assert series.image.array.dtype == np.float32
    assert series.ref.role is Role.PET
    assert any("Bq/mL" in note for note in series.notes)


def test_values_beyond_16_bits_stay_whole(tmp_path):
    folder = tmp_path / "s"
    folder.mkdir()
    for k in range(2):
        write_slice(folder / f"m{k}", np.full((4, 5), 60000 + k, np.uint16), (0, 0, k), RescaleIntercept="0")
    array = read_image(folder).image.array
    assert array.dtype == np.int32
    assert array[:, 0, 0].tolist() == [60000, 60001]


def test_bits_above_the_stored_ones_are_no_part_of_the_value(tmp_path):
    folder = tmp_path / "s"
    folder.mkdir()
    for k in range(2):
        pixels = np.array([[0x0123 | 0xA000, 0x0FFF]] * 2, dtype=np.uint16)
        write_slice(folder / f"o{k}", pixels, (0, 0, k), BitsStored=12, HighBit=11, RescaleIntercept="0")
    assert read_image(folder).image.array[0, 0].tolist() == [0x0123, 0x0FFF]


def test_signed_12_bit_values_keep_their_sign(tmp_path):
    folder = tmp_path / "s"
    folder.mkdir()
    for k in range(2):
        pixels = np.array([[0x0FFF, 0x0800]] * 2, dtype=np.uint16)
        write_slice(
            folder / f"o{k}", pixels, (0, 0, k), BitsStored=12, HighBit=11, PixelRepresentation=1, RescaleIntercept="0"
        )
    assert read_image(folder).image.array[0, 0].tolist() == [-1, -2048]


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless])
def test_other_transfer_syntaxes_give_the_same_voxels(tmp_path, syntax):
    volume = write_series(tmp_path / "s", syntax=syntax)
    assert np.array_equal(read_image(tmp_path / "s").image.array, volume.astype(int) - 1024)


def test_the_reference_carries_what_later_steps_ask_for(tmp_path):
    write_series(
        tmp_path / "s", PatientPosition="FFP", KVP="120", ContrastBolusAgent="APPLIED", AcquisitionDate="20240306"
    )
    ref = read_image(tmp_path / "s").ref
    assert (ref.patient_position, ref.kvp, ref.contrast, ref.date) == ("FFP", 120.0, True, "2024-03-06")
    assert (ref.frame, ref.series_uid, ref.role) == ("1.2.3.9", "1.2.3.4", Role.CT)
    patient = read_study(tmp_path / "s").patient
    assert (patient.patient_id, patient.sex, patient.birth_date) == ("SECRET-7", "F", "1950-01-02")


# Refusals


def refused(folder: Path) -> str:
    with pytest.raises(BadInput) as caught:
        read_study(folder)
    sentence = str(caught.value)
    assert "SECRET" not in sentence
    assert "Doe" not in sentence
    return sentence


def test_a_missing_slice_is_refused_and_its_neighbors_named(tmp_path):
    write_series(tmp_path / "s")
    above, below, gone = (file_at(tmp_path / "s", z) for z in (32.0, 36.0, 34.0))
    gone.unlink()
    sentence = refused(tmp_path / "s")
    assert "lacks a slice" in sentence
    assert above.name in sentence
    assert below.name in sentence


def test_truncated_pixels_are_refused_and_the_file_named(tmp_path):
    write_series(tmp_path / "s")
    path = tmp_path / "s" / "I003"
    path.write_bytes(path.read_bytes()[:-40])
    sentence = refused(tmp_path / "s")
    assert "I003" in sentence
    assert "cut short" in sentence


def test_a_file_cut_within_its_header_is_refused(tmp_path):
    write_series(tmp_path / "s")
    path = tmp_path / "s" / "I003"
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"\x28\x00\x02\x01")])
    assert "I003" in refused(tmp_path / "s")


def test_truncated_compressed_pixels_are_refused_when_read(tmp_path):
    write_series(tmp_path / "s", syntax=RLELossless)
    path = tmp_path / "s" / "I003"
    path.write_bytes(path.read_bytes()[:-90])
    with pytest.raises(BadInput, match="I003"):
        _ = read_study(tmp_path / "s").reference().image


def test_two_patients_are_refused_without_naming_them(tmp_path):
    write_series(tmp_path / "s" / "a")
    write_series(tmp_path / "s" / "b", SeriesInstanceUID="1.2.3.5", PatientID="SECRET-8", PatientName="Doe^John")
    assert "two patients" in refused(tmp_path / "s")


def test_one_identity_with_two_birth_dates_is_two_patients(tmp_path):
    write_series(tmp_path / "s" / "a")
    write_series(tmp_path / "s" / "b", SeriesInstanceUID="1.2.3.5", PatientBirthDate="19610101")
    assert "two patients" in refused(tmp_path / "s")


def test_other_spellings_of_a_name_are_one_patient(tmp_path):
    write_series(tmp_path / "s" / "a")
    write_series(tmp_path / "s" / "b", SeriesInstanceUID="1.2.3.5", PatientName="DOE^JANE^")
    assert len(read_study(tmp_path / "s").series) == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"count": 1}, "only one slice"),
        ({"PixelSpacing": [0.0, 0.5]}, "pixel size"),
        ({"drop": ("PixelSpacing",)}, "pixel size"),
        ({"drop": ("ImageOrientationPatient",)}, "oriented"),
        ({"drop": ("ImagePositionPatient",)}, "where its slice lies"),
        ({"orientation": (1, 0, 0, 1, 0, 0), "step": (0, 0, 2)}, "perpendicular"),
        ({"RescaleSlope": "0"}, "slope of zero"),
        ({"NumberOfFrames": "4"}, "multi-frame"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2.1"}, "multi-frame"),
        ({"SamplesPerPixel": 3}, "color"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.481.3", "Modality": "RTSTRUCT"}, "no CT, MR or PET"),
    ],
)
def test_what_cannot_be_measured_in_is_refused_with_its_reason(tmp_path, changes, words):
    write_series(tmp_path / "s", **changes)
    assert words in refused(tmp_path / "s")


def test_two_different_images_at_one_position_are_refused(tmp_path):
    write_series(tmp_path / "s")
    write_slice(tmp_path / "s" / "extra", np.ones((7, 9), np.uint16), (-10.0, -20.0, 34.0))
    assert "same position" in refused(tmp_path / "s")


def test_several_images_at_each_position_are_refused_as_such(tmp_path):
    write_series(tmp_path / "s" / "a")
    write_series(tmp_path / "s" / "b", seed=1)
    assert "2 images at each position" in refused(tmp_path / "s")


def test_copies_of_files_are_left_out(tmp_path):
    volume = write_series(tmp_path / "s")
    (tmp_path / "s" / "copy").write_bytes((tmp_path / "s" / "I001").read_bytes())
    series = read_image(tmp_path / "s")
    assert np.array_equal(series.image.array, volume.astype(int) - 1024)
    assert any("1 copies" in note for note in series.notes)


def test_uneven_slices_are_noted_when_slight_and_refused_when_gross(tmp_path):
    for name, shift in (("slight", 0.2), ("gross", 0.9)):
        write_series(tmp_path / name)
        path = file_at(tmp_path / name, 34.0)
        dataset = pydicom.dcmread(path)
        dataset.ImagePositionPatient = [-10.0, -20.0, 34.0 + shift]
        dataset.save_as(path)
    assert any("unevenly spaced" in note for note in read_image(tmp_path / "slight").notes)
    assert "unevenly" in refused(tmp_path / "gross")


def test_slices_shifted_sideways_are_refused(tmp_path):
    write_series(tmp_path / "s")
    path = file_at(tmp_path / "s", 34.0)
    dataset = pydicom.dcmread(path)
    dataset.ImagePositionPatient = [-8.0, -20.0, 34.0]
    dataset.save_as(path)
    assert "sideways" in refused(tmp_path / "s")


def test_a_refused_ct_is_not_silently_replaced_by_another_series(tmp_path):
    write_series(tmp_path / "s" / "ct")
    file_at(tmp_path / "s" / "ct", 34.0).unlink()
    write_series(
        tmp_path / "s" / "mr", orientation=(0, 1, 0, 0, 0, -1), SOPClassUID=MR_CLASS, Modality="MR",
        SeriesInstanceUID="1.2.3.5", SeriesDescription="T2 sag",
    )  # fmt: skip
    study = read_study(tmp_path / "s")
    assert [item.ref.role for item in study.series if item.usable] == [Role.T2]
    assert any("lacks a slice" in note for note in study.notes)
    with pytest.raises(BadInput, match="lacks a slice"):
        study.reference()


def test_damaged_bytes_never_crash_the_reader(tmp_path):
    folder = tmp_path / "s"
    folder.mkdir()
    good = write_slice(folder / "a", np.ones((6, 6), np.uint16), (0, 0, 0)).read_bytes()
    write_slice(folder / "b", np.ones((6, 6), np.uint16), (0, 0, 2))
    rng = np.random.default_rng(7)
    for _ in range(100):
        data = bytearray(good)
        for place in rng.integers(132, len(data), size=4):
            data[place] = rng.integers(256)
        (folder / "a").write_bytes(bytes(data[: rng.integers(140, len(data) + 1)]))
        try:
            for series in read_study(folder).series:
                if series.usable:
                    assert series.image.array.ndim == 3
        except BadInput as error:
            assert str(error).endswith((".", ")"))


# Studies


def test_other_objects_and_localizers_are_set_aside_and_told(tmp_path):
    write_series(tmp_path / "s" / "ct")
    write_slice(
        tmp_path / "s" / "rs", np.ones((2, 2), np.uint16), (0, 0, 0), SeriesInstanceUID="1.2.3.6", Modality="RTSTRUCT",
        SOPClassUID="1.2.840.10008.5.1.4.1.1.481.3",
    )  # fmt: skip
    write_slice(
        tmp_path / "s" / "scout", np.ones((2, 2), np.uint16), (0, 0, 0), SeriesInstanceUID="1.2.3.7",
        ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
    )  # fmt: skip
    (tmp_path / "s" / "readme.txt").write_text("hello " * 50)
    study = read_study(tmp_path / "s")
    assert study.reference().ref.series_uid == "1.2.3.4"
    assert any("1 RTSTRUCT" in note for note in study.notes)
    assert any("1 other files" in note for note in study.notes)
    assert any("only one slice" in note for note in study.notes)


@pytest.mark.parametrize(
    ("elements", "role"),
    [
        ({"SeriesDescription": "T1 TSE sag"}, Role.T1),
        ({"SeriesDescription": "T1 TSE sag", "ContrastBolusAgent": "Gadovist"}, Role.T1_GD),
        ({"SeriesDescription": "t1_tse_sag +km"}, Role.T1),
        ({"SeriesDescription": "t1 tse sag km"}, Role.T1_GD),
        ({"SeriesDescription": "t2_tirm_sag"}, Role.STIR),
        ({"SeriesDescription": "", "ScanningSequence": "SE", "RepetitionTime": "500", "EchoTime": "12"}, Role.T1),
        ({"SeriesDescription": "", "ScanningSequence": "SE", "RepetitionTime": "3500", "EchoTime": "100"}, Role.T2),
        (
            {"SeriesDescription": "sag", "ScanningSequence": ["SE", "IR"], "RepetitionTime": "3500", "EchoTime": "60",
             "InversionTime": "160"},
            Role.STIR,
        ),
        ({"SeriesDescription": "sag"}, Role.UNKNOWN),
    ],
)  # fmt: skip
def test_mri_contrasts_are_found_by_description_or_times(tmp_path, elements, role):
    write_series(tmp_path / "s", SOPClassUID=MR_CLASS, Modality="MR", **elements)
    assert read_image(tmp_path / "s").ref.role is role


def test_reading_can_be_cancelled(tmp_path):
    write_series(tmp_path / "s")

    def stop(fraction: float, text: str) -> None:
        raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        read_study(tmp_path / "s", stop)
    with pytest.raises(Cancelled):
        read_image(tmp_path / "s").load(stop)
