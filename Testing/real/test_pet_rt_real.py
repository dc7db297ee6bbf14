"""Real PET, structure sets and doses: volumes and uptake of a published table, and geometry worked out by hand."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from spinemet.errors import BadInput
from spinemet.image import Image
from spinemet.study import read_image
from spinemet.study.pet import pet_values
from spinemet.study.rtdose import read_dose
from spinemet.study.rtstruct import read_structures
from spinemet.study.suv import SuvKind

# The data's README: GTV in mL on CT and PET, SUV mean and max in it, mean HU of the CT.
TABLE = {
    "STS_018": {"CT": 116.5, "PET": 117.6, "mean": 2.00, "max": 4.32, "HU": 24.03},
    "STS_002": {"CT": 53.3, "PET": 54.3, "mean": 7.37, "max": 21.68, "HU": 59.02},
}


def filled(mask: Image, on: Image) -> np.ndarray:
    """A cropped mask on the full grid."""
    start = np.rint(on.to_index(mask.to_world(np.zeros(3)))).astype(int)[::-1]
    result = np.zeros(on.shape, dtype=bool)
    result[tuple(slice(a, a + n) for a, n in zip(start, mask.shape, strict=True))] = mask.array
    return result


@pytest.mark.parametrize("patient", TABLE)
@pytest.mark.parametrize("modality", ["CT", "PET", "MR_T1"])
def test_contours_become_the_published_masks(shared_data, patient, modality) -> None:
    folder = shared_data / "sts" / patient
    image = read_image(folder / modality / "image").image
    roi = read_structures(folder / modality / "mask" / "RS.dcm").rois[0]
    assert (roi.name, roi.interpreted_type) == (f"GTV_Mass_{modality}", "GTV")
    found = filled(read_structures(folder / modality / "mask" / "RS.dcm").mask(1, image), image)
    volume = found.sum() * image.voxel_volume / 1000
    if modality in TABLE[patient]:
        assert volume == pytest.approx(TABLE[patient][modality], rel=0.01)
    # Independent of the voxels, the contours' areas times their distance.
    assert roi.volume.value == pytest.approx(volume, rel=0.025)
    published = Image.from_sitk(sitk.ReadImage(str(folder / "nifti_masks" / f"{modality}_mask.nii.gz")))
    truth = published.resample(image.grid, nearest=True).array > 0
    assert 2 * np.sum(found & truth) / (found.sum() + truth.sum()) > 0.999


@pytest.mark.parametrize("patient", TABLE)
def test_uptake_and_density_in_the_tumor_are_the_published_ones(shared_data, patient) -> None:
    folder = shared_data / "sts" / patient
    pet = pet_values(read_image(folder / "PET" / "image"))
    assert (pet.kind, pet.unit, pet.is_fdg) == (SuvKind.BW, "g/mL", True)
    inside = pet.image.array[filled(read_structures(folder / "PET" / "mask" / "RS.dcm").mask(1, pet.image), pet.image)]
    assert inside.mean(dtype=float) == pytest.approx(TABLE[patient]["mean"], rel=0.005)
    assert inside.max() == pytest.approx(TABLE[patient]["max"], rel=0.005)
    ct = read_image(folder / "CT" / "image").image
    inside = ct.array[filled(read_structures(folder / "CT" / "mask" / "RS.dcm").mask(1, ct), ct)]
    assert inside.mean(dtype=float) == pytest.approx(TABLE[patient]["HU"], abs=0.01)


@pytest.mark.parametrize("patient", TABLE)
def test_a_tumor_drawn_on_ct_is_the_same_on_the_pet(shared_data, patient) -> None:
    folder = shared_data / "sts" / patient
    pet = read_image(folder / "PET" / "image").image
    structures = read_structures(folder / "CT" / "mask" / "RS.dcm")
    mask = structures.mask("GTV_Mass_CT", pet)
    assert mask.array.sum() * mask.voxel_volume / 1000 == pytest.approx(TABLE[patient]["PET"], rel=0.03)
    maps = structures.label_maps(pet)
    assert np.count_nonzero(maps[0].image.array) == mask.array.sum()


@pytest.mark.parametrize("name", ["RD.TBB_feet_in_supine.dcm", "rtdose_non_square_pixels.dcm"])
def test_real_doses_lie_where_their_headers_say(shared_data, name) -> None:
    path = shared_data / "rt_edge" / name
    dose = read_dose(path)
    header = pydicom.dcmread(path, force=True)
    frames, rows, columns = int(header.NumberOfFrames), int(header.Rows), int(header.Columns)
    assert dose.image.shape == (frames, rows, columns)
    row, column = np.split(np.array(header.ImageOrientationPatient, dtype=float), 2)
    pitch = [float(value) for value in header.PixelSpacing]
    offsets = [float(value) for value in header.GridFrameOffsetVector]
    rng = np.random.default_rng(0)
    stored = np.frombuffer(header.PixelData, dtype=f"<u{header.BitsAllocated // 8}").reshape(dose.image.shape)
    for _ in range(50):
        k, j, i = (int(rng.integers(n)) for n in dose.image.shape)
        by_hand = np.array(header.ImagePositionPatient, dtype=float) + row * pitch[1] * i + column * pitch[0] * j
        by_hand = by_hand + np.cross(row, column) * offsets[k]
        np.testing.assert_allclose(dose.image.to_world([i, j, k]), by_hand * [-1, -1, 1], atol=1e-4)
        gray = int(stored[k, j, i]) * float(header.DoseGridScaling)
        assert dose.image.array[k, j, i] == pytest.approx(gray, rel=1e-6)


def test_a_feet_first_dose_decreases_in_z(shared_data) -> None:
    image = read_dose(shared_data / "rt_edge" / "RD.TBB_feet_in_supine.dcm").image
    assert image.to_world([0, 0, 80])[2] == pytest.approx(100 - 200)
    assert image.frame.startswith("1.2.246.352")


def test_a_relative_dose_a_plan_and_points_are_refused(shared_data) -> None:
    folder = shared_data / "rt_edge"
    with pytest.raises(BadInput, match="RELATIVE"):
        read_dose(folder / "pydicom_rtdose.dcm")
    for read in (read_dose, read_structures):
        with pytest.raises(BadInput, match="is no RT"):
            read(folder / "pydicom_rtplan.dcm")
    structures = read_structures(folder / "pydicom_rtstruct.dcm")
    assert [bool(roi.refusal) for roi in structures.rois] == [False, True, True]
    # Three contours of 400 × 300 mm (the upper ones drawn with one more corner), 10 mm apart.
    assert structures.roi("patient").volume.value == pytest.approx(3 * 40 * 30, rel=1e-6)
