"""Reading radiographs: pixels as stored, spacing with its source, view and bending, and refusals in sentences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from small_dicom import write_slice
from spinemet.case import Role
from spinemet.errors import BadInput
from spinemet.radiograph import Bending, SpacingSource, View
from spinemet.study.radiograph import read_radiograph

CR, DX, RF = "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.12.2"
SECONDARY, CT = "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.2"
NOT_OF_A_FILM = (
    "ImagePositionPatient", "ImageOrientationPatient", "SliceThickness", "FrameOfReferenceUID", "RescaleSlope",
    "RescaleIntercept", "PixelSpacing",
)  # fmt: skip
PIXELS = np.random.default_rng(0).integers(0, 4096, (7, 9)).astype(np.uint16)


def write(tmp_path: Path, pixels=PIXELS, *, syntax=ExplicitVRLittleEndian, **elements) -> Path:
    header = {"SOPClassUID": DX, "Modality": "DX", "BitsStored": 12, "HighBit": 11, "SeriesDescription": ""}
    drop = set(NOT_OF_A_FILM) - set(elements)
    return write_slice(tmp_path / "film", pixels, (0, 0, 0), syntax=syntax, drop=drop, **header | elements)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless])
def test_pixels_are_read_as_stored(tmp_path, syntax) -> None:
    film = read_radiograph(write(tmp_path, syntax=syntax))
    assert np.array_equal(film.pixels, PIXELS)
    assert film.ref is not None and film.ref.role is Role.RADIOGRAPH and film.ref.date == "2024-03-05"
    assert not film.inverted and np.array_equal(film.shown, PIXELS)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("compressor", ["JPEG", "JPEG2000", "JPEGLS"])
def test_compressed_pixels_are_those_that_were_stored_whatever_the_photometric(
    tmp_path, compressor, photometric
) -> None:
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.SetFileName(str(tmp_path / "coded.dcm"))
    writer.UseCompressionOn()
    writer.SetCompressor(compressor)
    big = np.tile(PIXELS, (8, 8))
    writer.Execute(sitk.GetImageFromArray(big[None]))
    coded = pydicom.dcmread(tmp_path / "coded.dcm")
    if not coded.file_meta.TransferSyntaxUID.is_compressed:
        pytest.skip(f"this SimpleITK writes no {compressor}")
    path = write(tmp_path, big, PhotometricInterpretation=photometric, BitsStored=16, HighBit=15)
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = coded.file_meta.TransferSyntaxUID
    dataset.PixelData = coded.PixelData
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    dataset.save_as(path, enforce_file_format=True)
    film = read_radiograph(path)
    assert np.array_equal(film.pixels, big)
    assert film.inverted == (photometric == "MONOCHROME1")


def test_monochrome1_is_inverted_for_view_only(tmp_path) -> None:
    film = read_radiograph(
        write(tmp_path, PhotometricInterpretation="MONOCHROME1", WindowCenter="1000", WindowWidth="10")
    )
    assert film.inverted and np.array_equal(film.pixels, PIXELS)
    assert np.array_equal(film.shown, 4095.0 - PIXELS)
    picture = film.picture()
    assert np.all(picture[PIXELS < 990] == 255) and np.all(picture[PIXELS > 1010] == 0)


def test_signed_pixels_rescale_and_overlay_bits_are_understood(tmp_path) -> None:
    signed = np.array([[-5, 7], [100, -2048]], dtype=np.int16)
    film = read_radiograph(write(tmp_path, signed, RescaleSlope="0.5", RescaleIntercept="10"))
    assert film.pixels == pytest.approx(signed * 0.5 + 10)
    with_overlay = PIXELS | (1 << 14)
    assert np.array_equal(read_radiograph(write(tmp_path, with_overlay)).pixels, PIXELS)


SAME = {"ImagerPixelSpacing": [0.2, 0.2], "PixelSpacing": [0.2, 0.2]}
DIFFERENT = {"ImagerPixelSpacing": [0.2, 0.2], "PixelSpacing": [0.16, 0.16]}
FIDUCIAL = {"PixelSpacing": [0.16, 0.16], "PixelSpacingCalibrationType": "FIDUCIAL"}


@pytest.mark.parametrize(("elements", "source", "spacing", "said"), [
    ({}, SpacingSource.NONE, None, "only angles and ratios"),
    ({"PixelSpacing": [0.0, 0.0]}, SpacingSource.NONE, None, "outside"),
    ({"ImagerPixelSpacing": [0.2, 0.1]}, SpacingSource.IMAGER, (0.2, 0.1), "unknown factor"),
    (SAME, SpacingSource.IMAGER, (0.2, 0.2), "unknown factor"),
    ({"PixelSpacing": [0.2, 0.2]}, SpacingSource.IMAGER, (0.2, 0.2), "does not say in which plane"),
    (DIFFERENT, SpacingSource.CALIBRATED, (0.16, 0.16), "calibrated"),
    (FIDUCIAL, SpacingSource.CALIBRATED, (0.16, 0.16), "object of known size"),
    (DIFFERENT | {"PixelSpacingCalibrationType": "GEOMETRY"}, SpacingSource.CALIBRATED, (0.16, 0.16), "assumed depth"),
    ({"NominalScannedPixelSpacing": [0.17, 0.17]}, SpacingSource.IMAGER, (0.17, 0.17), "unknown factor"),
])  # fmt: skip
def test_the_spacing_says_in_which_plane_it_holds(tmp_path, elements, source, spacing, said) -> None:
    film = read_radiograph(write(tmp_path, **elements))
    assert film.scale.source is source and film.scale.spacing_mm == spacing
    assert any(said in note for note in film.notes)


@pytest.mark.parametrize(("elements", "magnification"), [
    ({"EstimatedRadiographicMagnificationFactor": "1.15"}, 1.15),
    ({"DistanceSourceToDetector": "1150", "DistanceSourceToPatient": "1000"}, 1.15),
    ({"DistanceSourceToDetector": "1000", "DistanceSourceToPatient": "1150"}, None),
    ({"DistanceSourceToDetector": "1150", "DistanceSourceToPatient": "0"}, None),
    ({"EstimatedRadiographicMagnificationFactor": "0.2"}, None),
])  # fmt: skip
def test_a_magnification_is_used_only_when_it_can_be(tmp_path, elements, magnification) -> None:
    scale = read_radiograph(write(tmp_path, ImagerPixelSpacing=[0.23, 0.23], **elements)).scale
    assert scale.magnification == pytest.approx(magnification)
    assert scale.in_patient == (magnification is not None)
    if magnification:
        assert scale.step_mm == pytest.approx((0.2, 0.2)) and scale.magnification_error > 0


def test_the_aspect_of_pixels_without_size_is_kept(tmp_path) -> None:
    assert read_radiograph(write(tmp_path, PixelAspectRatio=["2", "1"])).scale.aspect == 2.0


def code(value: str, meaning: str, modifier: str = "") -> list[Dataset]:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    if modifier:
        item.ViewModifierCodeSequence = code("1", modifier)
    return [item]


@pytest.mark.parametrize(("elements", "view"), [
    ({"ViewPosition": "AP"}, View.AP),
    ({"ViewPosition": "PA"}, View.PA),
    ({"ViewPosition": "LL"}, View.LATERAL),
    ({"ViewPosition": "RLO"}, View.OBLIQUE),
    ({"ViewPosition": "LLD"}, View.UNKNOWN),
    ({"PatientOrientation": ["L", "F"]}, View.FRONTAL),
    ({"PatientOrientation": ["P", "F"]}, View.LATERAL),
    ({"PatientOrientation": ["A", "FR"]}, View.LATERAL),
    ({"PatientOrientation": ["AL", "F"]}, View.OBLIQUE),
    ({"PatientOrientation": ["L", "F"], "SeriesDescription": "LWS a.p."}, View.FRONTAL),
    ({"PatientOrientation": ["L", "F"], "SeriesDescription": "L-SPINE AP"}, View.AP),
    ({"ViewCodeSequence": code("399067008", "lateral")}, View.LATERAL),
    ({"ViewCodeSequence": code("0", "postero-anterior")}, View.PA),
    ({"ViewCodeSequence": code("0", "postero-anterior oblique")}, View.OBLIQUE),
    ({"ViewCodeSequence": code("272479007", "postero-anterior")}, View.PA),
    ({"SeriesDescription": "LWS seitlich"}, View.LATERAL),
    ({"SeriesDescription": "L spine AP + LAT"}, View.UNKNOWN),
    ({"SeriesDescription": "lateral bending left"}, View.FRONTAL),
    ({"SeriesDescription": "Lumbar"}, View.UNKNOWN),
    ({"StudyDescription": "CHEST PA"}, View.UNKNOWN),
    ({}, View.UNKNOWN),
])  # fmt: skip
def test_the_view_comes_from_the_attributes_first(tmp_path, elements, view) -> None:
    assert read_radiograph(write(tmp_path, **elements)).view is view


def test_a_description_that_contradicts_the_view_is_said(tmp_path) -> None:
    film = read_radiograph(write(tmp_path, ViewPosition="AP", SeriesDescription="LSPINE LAT"))
    assert film.view is View.AP and any("Confirm the view" in note for note in film.notes)
    agreed = read_radiograph(write(tmp_path, ViewPosition="LL", SeriesDescription="LSPINE LAT"))
    assert not any("Confirm" in note for note in agreed.notes)


@pytest.mark.parametrize(("elements", "bending"), [
    ({"SeriesDescription": "C-SPINE FLEXION"}, Bending.FLEXION),
    ({"SeriesDescription": "LWS Reklination"}, Bending.EXTENSION),
    ({"SeriesDescription": "LSPINE LAT EXT"}, Bending.EXTENSION),
    ({"SeriesDescription": "Flexion/Extension"}, Bending.UNKNOWN),
    ({"SeriesDescription": "shoulder ext rotation"}, Bending.UNKNOWN),
    ({"ViewCodeSequence": code("399067008", "lateral", "Flexion")}, Bending.FLEXION),
    ({"SeriesDescription": "neutral"}, Bending.UNKNOWN),
])  # fmt: skip
def test_flexion_and_extension_are_told_apart(tmp_path, elements, bending) -> None:
    assert read_radiograph(write(tmp_path, **elements)).bending is bending


@pytest.mark.parametrize(("elements", "side"), [
    ({"ImageLaterality": "L"}, "L"), ({"Laterality": "R"}, "R"), ({"ImageLaterality": "U"}, ""),
    ({"ViewPosition": "LL"}, "L"), ({}, ""),
])  # fmt: skip
def test_the_side_is_read(tmp_path, elements, side) -> None:
    assert read_radiograph(write(tmp_path, **elements)).laterality == side


def test_single_fluoroscopy_frames_and_scanned_films_are_radiographs(tmp_path) -> None:
    assert read_radiograph(write(tmp_path, SOPClassUID=RF, Modality="RF", NumberOfFrames=1)).shape == (7, 9)
    assert read_radiograph(write(tmp_path, SOPClassUID=SECONDARY, Modality="CR")).shape == (7, 9)


@pytest.mark.parametrize(("elements", "said"), [
    ({"SOPClassUID": CT, "Modality": "CT"}, "no radiograph (modality CT)"),
    ({"SOPClassUID": SECONDARY, "Modality": "OT"}, "no radiograph"),
    ({"SOPClassUID": RF, "Modality": "RF", "NumberOfFrames": 12}, "12 frames"),
    ({"SamplesPerPixel": 3}, "color"),
    ({"PhotometricInterpretation": "PALETTE COLOR"}, "color"),
    ({"Rows": 0}, "cut short"),
    ({"Rows": 70}, "cut short"),
    ({"RescaleSlope": "0"}, "slope of zero"),
])  # fmt: skip
def test_what_is_no_radiograph_is_refused_with_a_sentence_free_of_names(tmp_path, elements, said) -> None:
    with pytest.raises(BadInput) as caught:
        read_radiograph(write(tmp_path, **elements))
    assert said in str(caught.value)
    assert "Doe" not in str(caught.value) and "SECRET" not in str(caught.value)


def test_files_of_other_kinds_are_refused(tmp_path) -> None:
    (tmp_path / "text").write_text("no image " * 40)
    (tmp_path / "empty").write_bytes(b"")
    whole = write(tmp_path).read_bytes()
    for name in ("text", "empty", "absent"):
        with pytest.raises(BadInput, match=name):
            read_radiograph(tmp_path / name)
    for length in range(0, len(whole), 37):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(BadInput, match="cut"):
            read_radiograph(tmp_path / "cut")


def test_a_damaged_value_in_the_header_says_nothing(tmp_path) -> None:
    data = write(tmp_path, ImagerPixelSpacing=[0.25, 0.25], PixelSpacing=[0.2, 0.2]).read_bytes()
    assert data.count(b"0.25\\0.25") == 1 and data.count(b"0.2\\0.2") == 1
    (tmp_path / "film").write_bytes(data.replace(b"0.2\\0.2", b"0.x\\0.2"))
    scale = read_radiograph(tmp_path / "film").scale
    assert scale.source is SpacingSource.IMAGER and scale.spacing_mm == (0.25, 0.25)


def test_changed_bytes_give_an_image_or_a_sentence(tmp_path) -> None:
    whole = bytearray(write(tmp_path, ImagerPixelSpacing=[0.2, 0.2], ViewCodeSequence=code("1", "x")).read_bytes())
    rng = np.random.default_rng(5)
    outcomes = set()
    for _ in range(300):
        data = whole.copy()
        for place in rng.integers(132, len(data), 6):
            data[place] = rng.integers(256)
        (tmp_path / "film").write_bytes(data)
        try:
            outcomes.add(type(read_radiograph(tmp_path / "film")))
        except BadInput:
            outcomes.add(BadInput)
    assert len(outcomes) == 2


def test_burned_in_text_and_raw_images_are_said(tmp_path) -> None:
    film = read_radiograph(write(tmp_path, BurnedInAnnotation="YES", SOPClassUID="1.2.840.10008.5.1.4.1.1.1.1.1"))
    assert any("burned" in note for note in film.notes) and any("processing" in note for note in film.notes)
    assert film.ref is not None and film.ref.key.startswith("1.2.826")


def test_cr_is_a_radiograph_too(tmp_path) -> None:
    assert read_radiograph(write(tmp_path, SOPClassUID=CR, Modality="CR")).shape == (7, 9)
