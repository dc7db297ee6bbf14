"""Sac, cord, canal and bodies in real MR images from clicks, against manual masks where there are any."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from spinemet.case import Role, Structure
from spinemet.image import Image
from spinemet.segmentation.canal_mr import CanalOutline, outline_canal
from spinemet.segmentation.clicks import Click
from spinemet.segmentation.mr_vertebrae import FIRST_DISC, outline_bodies

CORD_BAR = 0.85


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * float((one & other).sum()) / max(1, int(one.sum() + other.sum()))


def read(path: Path) -> Image:
    return Image.from_sitk(sitk.ReadImage(str(path)), name=path.name)


def points_of(mask: Image, wanted: np.ndarray) -> np.ndarray:
    k, j, i = np.nonzero(wanted)
    return mask.to_world(np.stack([i, j, k], axis=1))


def end_clicks(points: np.ndarray, inset: float = 0.1) -> list[Click]:
    """A click in the middle of the structure near each of its ends."""
    high, low = points[:, 2].max(), points[:, 2].min()
    heights = (high - inset * (high - low), low + inset * (high - low))
    places = [points[np.abs(points[:, 2] - z) < 1.0].mean(axis=0) for z in heights]
    return [Click((float(x), float(y), float(z)), structure=Structure.CORD) for x, y, z in places]


@pytest.mark.parametrize(
    ("image", "truth", "role"),
    [
        ("t2/t2.nii.gz", "t2/t2_seg-manual.nii.gz", Role.T2),
        ("t1/t1w.nii.gz", "t1/t1w_seg-manual.nii.gz", Role.T1),
        ("t2/t2_fake_lesion.nii.gz", "t2/t2_fake_lesion_sc_seg.nii.gz", Role.T2),
    ],
)
def test_cord_from_two_clicks_agrees_with_the_given_mask(
    shared_data: Path, image: str, truth: str, role: Role
) -> None:
    scan, mask = read(shared_data / "sct" / image), read(shared_data / "sct" / truth)
    cord = mask.array > 0
    found = outline_canal(scan, end_clicks(points_of(mask, cord)), role)
    share = dice(found.mask(Structure.CORD).array, cord)
    print(f"{image}: cord Dice {share:.3f}")
    assert share >= CORD_BAR


@pytest.fixture(scope="module")
def thoracolumbar(shared_data: Path) -> tuple[Image, CanalOutline]:
    image = read(shared_data / "sct" / "t2_lumbar.nii.gz")
    clicks = [Click(tuple(image.to_world(place).tolist())) for place in ([22, 68, 195], [30, 95, 6])]
    return image, outline_canal(image, clicks, Role.T2)


def test_the_thoracolumbar_canal_is_followed_from_top_to_bottom(thoracolumbar: tuple[Image, CanalOutline]) -> None:
    image, found = thoracolumbar
    sac = found.mask(Structure.THECAL_SAC).array
    slices = np.flatnonzero(sac.any(axis=(1, 2)))
    assert slices[0] <= 2
    assert slices[-1] >= image.shape[0] - 3
    assert len(slices) == slices[-1] - slices[0] + 1
    # In every slice the sac lies where the fluid is: brighter than everything within 10 mm outside of the canal.
    bright = [np.median(image.array[k][sac[k]]) > np.median(image.array[k]) * 2 for k in slices]
    assert np.mean(bright) > 0.98


def test_the_thoracolumbar_cord_ends_once(thoracolumbar: tuple[Image, CanalOutline]) -> None:
    _, found = thoracolumbar
    cord = np.flatnonzero(found.mask(Structure.CORD).array.any(axis=(1, 2)))
    assert len(cord) == cord[-1] - cord[0] + 1
    # By eye the conus lies between a half and two thirds of the way down the image.
    assert cord[-1] >= 195
    assert 50 < cord[0] < 130


def test_bodies_of_the_lumbar_crop_from_a_click_each(tptbox_files: Path) -> None:
    folder = tptbox_files / "sample_mri"
    image = read(folder / "sub-mri_label-6_T2w.nii.gz")
    part = read(folder / "sub-mri_seg-subreg_label-6_msk.nii.gz").array
    number = read(folder / "sub-mri_seg-vert_label-6_msk.nii.gz").array
    # The uppermost body is cut off by the image.
    values, clicks = (5, 6, 7), []
    for value in values:
        middle = points_of(image, (number == value) & np.isin(part, (49, 50))).mean(axis=0)
        clicks.append(Click(tuple((middle + np.array([1.5, -1.5, 1.0])).tolist())))
    found = outline_bodies(image, clicks).image.array
    agreement = [dice(found == n, (number == v) & np.isin(part, (49, 50))) for n, v in enumerate(values, start=1)]
    disc = dice(found == FIRST_DISC + 2, (number == 106) & (part == 100))
    print("agreement with a network's bodies:", [f"{a:.3f}" for a in agreement], f"disc {disc:.3f}")
    assert min(agreement[1:]) >= 0.75


def test_canal_of_the_lumbar_crop_from_two_clicks(tptbox_files: Path) -> None:
    folder = tptbox_files / "sample_mri"
    image = read(folder / "sub-mri_label-6_T2w.nii.gz")
    part = read(folder / "sub-mri_seg-subreg_label-6_msk.nii.gz").array
    canal = np.isin(part, (60, 61))
    found = outline_canal(image, end_clicks(points_of(image, canal)), Role.T2)
    agreement = dice(found.mask(Structure.CANAL).array, canal)
    print(f"agreement with a network's canal: {agreement:.3f}")
    assert agreement >= 0.6
