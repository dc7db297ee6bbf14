"""RT dose grids: where each frame lies, what the values are, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from small_rt import FRAME, write_dose
from spinemet.errors import BadInput
from spinemet.image import LPS_RAS, Image
from spinemet.study.rtdose import read_dose

POSITION = np.array([-10.0, -20.0, 30.0])


def values(shape=(4, 5, 6)) -> np.ndarray:
    return np.arange(np.prod(shape)).reshape(shape) + 1


def lps_of(image: Image, k: int, j: int, i: int) -> np.ndarray:
    return image.to_world([i, j, k]) * [-1, -1, 1]


def test_a_dose_is_scaled_and_placed(tmp_path) -> None:
    dose = read_dose(write_dose(tmp_path / "d.dcm", values()))
    np.testing.assert_allclose(dose.image.array, values() * 0.001, rtol=1e-6)
    assert dose.image.array.dtype == np.float32
    # Pixel spacing is first between rows (y), then between columns (x).
    np.testing.assert_allclose(lps_of(dose.image, 3, 2, 1), [-8.5, -16.0, 39.0], atol=1e-9)
    assert (dose.image.frame, dose.summation, dose.dose_type, dose.notes) == (FRAME, "PLAN", "PHYSICAL", ())


def test_sixteen_bits_are_read_too(tmp_path) -> None:
    dose = read_dose(write_dose(tmp_path / "d.dcm", values(), bits=16))
    np.testing.assert_allclose(dose.image.array, values() * 0.001, rtol=1e-6)


@pytest.mark.parametrize(
    ("orientation", "offsets", "last"),
    [
        # The last frame (k = 3) at (row 2, column 1), by hand from DICOM C.7.6.2 and C.8.8.3.2.
        ((1, 0, 0, 0, 1, 0), (0, 3, 6, 9), (-8.5, -16.0, 39.0)),
        ((1, 0, 0, 0, 1, 0), (0, -3, -6, -9), (-8.5, -16.0, 21.0)),
        ((1, 0, 0, 0, 1, 0), (30, 33, 36, 39), (-8.5, -16.0, 39.0)),
        ((1, 0, 0, 0, 1, 0), (30, 27, 24, 21), (-8.5, -16.0, 21.0)),
        # Feet first supine: the normal points down, and so do relative offsets, but not absolute ones.
        ((-1, 0, 0, 0, 1, 0), (0, 3, 6, 9), (-11.5, -16.0, 21.0)),
        ((-1, 0, 0, 0, 1, 0), (30, 33, 36, 39), (-11.5, -16.0, 39.0)),
        # Head first prone: both in-plane axes are turned, and the normal points up.
        ((-1, 0, 0, 0, -1, 0), (0, 3, 6, 9), (-11.5, -24.0, 39.0)),
        # Sagittal frames: rows run along y, columns along −z, and the normal along −x.
        ((0, 1, 0, 0, 0, -1), (0, 3, 6, 9), (-19.0, -18.5, 26.0)),
    ],
)
def test_frames_lie_where_their_offsets_say(tmp_path, orientation, offsets, last) -> None:
    path = write_dose(
        tmp_path / "d.dcm", values(), ImageOrientationPatient=list(orientation), GridFrameOffsetVector=list(offsets)
    )
    image = read_dose(path).image
    np.testing.assert_allclose(lps_of(image, 3, 2, 1), last, atol=1e-9)
    np.testing.assert_allclose(lps_of(image, 0, 0, 0), POSITION, atol=1e-9)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"DoseUnits": "RELATIVE"}, "RELATIVE"),
        ({"DoseUnits": None}, "no unit"),
        ({"DoseType": "ERROR"}, "error of a dose"),
        ({"DoseGridScaling": None}, "scaling"),
        ({"DoseGridScaling": "0"}, "scaling"),
        ({"GridFrameOffsetVector": None}, "place of each"),
        ({"GridFrameOffsetVector": [0.0, 3.0, 6.0]}, "place of each"),
        ({"GridFrameOffsetVector": [0.0, 3.0, 6.0, 10.0]}, "unevenly"),
        ({"GridFrameOffsetVector": [0.0, 0.0, 0.0, 0.0]}, "unevenly"),
        ({"GridFrameOffsetVector": [5.0, 8.0, 11.0, 14.0]}, "uncertain"),
        ({"ImageOrientationPatient": [1, 0, 0, 0.5, 1, 0]}, "perpendicular"),
        ({"ImageOrientationPatient": None}, "where its grid lies"),
        ({"PixelSpacing": [0.0, 1.0]}, "where its grid lies"),
        ({"NumberOfFrames": 1, "GridFrameOffsetVector": None}, "single plane"),
        ({"PixelData": b"\0" * 40}, "cut short"),
        ({"BitsAllocated": 8}, "8 bits"),
        ({"Modality": "CT", "SOPClassUID": "1.2.3"}, "no RT dose"),
    ],
)
def test_what_is_no_dose_or_has_no_place_is_refused(tmp_path, changed, reason) -> None:
    path = write_dose(tmp_path / "d.dcm", values(), **changed)
    with pytest.raises(BadInput, match=reason):
        read_dose(path)


def test_absolute_offsets_of_slices_that_are_not_axial_are_refused(tmp_path) -> None:
    path = write_dose(
        tmp_path / "d.dcm",
        values(),
        ImageOrientationPatient=[0, 1, 0, 0, 0, -1],
        GridFrameOffsetVector=[30, 33, 36, 39],
    )
    with pytest.raises(BadInput, match="uncertain"):
        read_dose(path)


def test_a_dose_of_a_beam_and_an_unknown_frame_are_said(tmp_path) -> None:
    dose = read_dose(
        write_dose(
            tmp_path / "d.dcm", values(), DoseSummationType="BEAM", DoseType="EFFECTIVE", FrameOfReferenceUID=None
        )
    )
    notes = " ".join(dose.notes)
    assert "one beam" in notes and "effective dose" in notes and "frame of reference" in notes


def test_a_dose_on_another_grid_follows_a_linear_field(tmp_path) -> None:
    # Stored values are linear in the world, so that linear interpolation is exact.
    k, j, i = np.indices((8, 10, 12))
    stored = 1000 + 30 * (1.5 * i - 10) + 20 * (2 * j - 20) + 10 * (3 * k + 30)
    dose = read_dose(write_dose(tmp_path / "d.dcm", stored))
    turn = np.array([[0.96, -0.28, 0], [0.28, 0.96, 0], [0, 0, 1.0]])
    matrix = np.eye(4)
    matrix[:3, :3] = turn * 0.7
    matrix[:3, 3] = (-4.0, -12.0, 34.0)
    other = Image(np.zeros((9, 8, 7), np.int16), LPS_RAS @ matrix, frame=FRAME)
    found = dose.on(other)
    k, j, i = np.indices(other.shape)
    x, y, z = np.moveaxis(other.to_world(np.stack([i, j, k], -1)) * [-1, -1, 1], -1, 0)
    np.testing.assert_allclose(found.array, 0.001 * (1000 + 30 * x + 20 * y + 10 * z), rtol=1e-5)
    assert found.grid.matches(other.grid)


def test_beyond_the_dose_grid_nothing_is_known(tmp_path) -> None:
    dose = read_dose(write_dose(tmp_path / "d.dcm", values()))
    matrix = np.eye(4)
    matrix[:3, 3] = (500, 0, 0)
    far = Image(np.zeros((2, 2, 2), np.int16), matrix, frame=FRAME)
    assert np.isnan(dose.on(far).array).all()


def test_another_frame_of_reference_is_refused_unless_a_transform_is_given(tmp_path) -> None:
    dose = read_dose(write_dose(tmp_path / "d.dcm", values()))
    moved = np.eye(4)
    moved[:3, 3] = (5.0, 0.0, 0.0)
    matrix = dose.image.ijk_to_ras.copy()
    matrix[0, 3] += 5.0
    other = Image(np.zeros(dose.image.shape, np.int16), matrix, frame="1.2.3.10")
    with pytest.raises(BadInput, match="another frame of reference"):
        dose.on(other)
    np.testing.assert_allclose(dose.on(other, moved_by=moved).array, dose.image.array, rtol=1e-6)
