"""Voxels stay where they are in the world, whatever the grid."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from spinemet.errors import BadInput, GridMismatch
from spinemet.image import Grid, Image


def rotation(axis: tuple[float, float, float], degrees: float) -> np.ndarray:
    """Rodrigues' formula."""
    n = np.array(axis, dtype=float) / np.linalg.norm(axis)
    k = np.array([[0, -n[2], n[1]], [n[2], 0, -n[0]], [-n[1], n[0], 0]])
    a = np.radians(degrees)
    return np.eye(3) + np.sin(a) * k + (1 - np.cos(a)) * k @ k


def oblique_matrix(spacing=(0.7, 0.9, 3.0), flip: bool = False) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = rotation((1, 2, 3), 25) @ np.diag([-spacing[0] if flip else spacing[0], *spacing[1:]])
    matrix[:3, 3] = (-31.5, 12.25, 740.0)
    return matrix


@pytest.fixture(params=[False, True], ids=["right-handed", "left-handed"])
def oblique(request) -> Image:
    values = np.random.default_rng(4).integers(-900, 1500, (7, 11, 13)).astype(np.int16)
    return Image(values, oblique_matrix(flip=request.param), name="oblique")


def test_world_and_index_are_each_others_inverse(oblique):
    ijk = np.random.default_rng(0).uniform(-5, 20, (50, 3))
    assert np.allclose(oblique.to_index(oblique.to_world(ijk)), ijk)


def test_spacing_and_voxel_volume_come_from_the_matrix(oblique):
    assert np.allclose(oblique.spacing, (0.7, 0.9, 3.0))
    assert oblique.voxel_volume == pytest.approx(0.7 * 0.9 * 3.0)


def test_simpleitk_sees_every_voxel_at_the_same_place(oblique):
    image = oblique.to_sitk()
    for i, j, k in [(0, 0, 0), (12, 10, 6), (3, 9, 2)]:
        lps = np.array(image.TransformIndexToPhysicalPoint((i, j, k)))
        assert np.allclose(lps * (-1, -1, 1), oblique.to_world((i, j, k)), atol=1e-5)
        assert image.GetPixel(i, j, k) == oblique.array[k, j, i]


def test_a_round_trip_through_simpleitk_changes_nothing(oblique):
    back = Image.from_sitk(oblique.to_sitk())
    assert back.grid.matches(oblique.grid, 1e-4)
    assert np.array_equal(back.array, oblique.array)


def test_a_crop_is_a_view_at_the_same_place(oblique):
    crop = oblique.crop((slice(2, 5), slice(1, 9), slice(4, 12)))
    assert np.shares_memory(crop.array, oblique.array)
    assert np.allclose(crop.to_world((0, 0, 0)), oblique.to_world((4, 1, 2)))
    assert np.allclose(crop.to_world((2, 3, 1)), oblique.to_world((6, 4, 3)))


def test_a_crop_around_points_holds_them_and_the_margin(oblique):
    points = oblique.to_world([[5, 5, 3], [6, 7, 4]])
    crop = oblique.crop_around(points, margin_mm=1.0)
    ball = np.random.default_rng(1).normal(size=(200, 3))
    ball /= np.linalg.norm(ball, axis=1, keepdims=True)
    assert np.all(crop.grid.contains(points[0] + ball))
    assert crop.array.size < oblique.array.size


def test_a_crop_outside_the_image_is_refused(oblique):
    with pytest.raises(BadInput, match="outside"):
        oblique.crop_around(oblique.to_world([[500, 500, 500]]))


def test_sampling_a_linear_ramp_gives_the_ramp(oblique):
    gradient = np.array([0.5, -2.0, 1.25])
    k, j, i = np.indices(oblique.shape)
    ramp = oblique.to_world(np.stack([i, j, k], axis=-1)) @ gradient
    image = Image(ramp.astype(np.float64), oblique.ijk_to_ras)
    points = oblique.to_world(np.random.default_rng(2).uniform(0, [12, 10, 6], (100, 3)))
    assert np.allclose(image.sample(points, dtype=np.float64), points @ gradient, atol=1e-6)


def test_sampling_outside_says_so(oblique):
    assert np.isnan(oblique.sample(oblique.to_world([-3.0, 0, 0])))


def test_resampling_agrees_with_simpleitks_own_resampling(oblique):
    matrix = np.eye(4)
    matrix[:3, :3] = rotation((0, 1, 0), 10) * 1.1
    grid = Grid((9, 8, 10), matrix)
    matrix[:3, 3] = oblique.grid.center - grid.center
    grid = Grid((9, 8, 10), matrix)
    ours = oblique.resample(grid, outside=-1000)
    points = grid.to_world(np.stack(np.indices(grid.shape)[::-1], axis=-1))
    inside = oblique.grid.contains(points)
    ijk = oblique.to_index(points)
    interior = np.all((ijk >= 0) & (ijk <= np.array(oblique.shape[::-1]) - 1), axis=-1)
    assert interior.any() and (~inside).any()
    assert np.all(ours.array[~inside] == -1000)
    assert np.allclose(ours.array[interior], oblique.sample(points)[interior], atol=1.01)


def test_labels_resampled_onto_their_own_grid_are_unchanged(oblique):
    mask = oblique.with_array(oblique.array > 0)
    again = mask.resample(oblique.grid, nearest=True)
    assert again.array.dtype == bool
    assert np.array_equal(again.array, mask.array)


def test_moving_an_image_moves_its_content(oblique):
    move = np.eye(4)
    move[:3, 3] = oblique.grid.directions[:, 2] * oblique.spacing[2]
    moved = oblique.resample(oblique.grid, nearest=True, moved_by=move)
    assert np.array_equal(moved.array[1:], oblique.array[:-1])


def sheared() -> Image:
    matrix = np.diag([1.0, 1.0, 2.0, 1.0])
    matrix[1, 2] = 0.6  # each slice slides 0.6 mm: a gantry tilt of 17°
    return Image(np.zeros((10, 20, 20), dtype=np.float32), matrix, name="tilted")


def test_a_sheared_grid_is_recognized_and_not_handed_to_simpleitk():
    assert sheared().grid.is_sheared
    with pytest.raises(BadInput, match="gantry"):
        sheared().to_sitk()


def test_a_sheared_image_is_straightened_by_resampling():
    image = sheared()
    k, j, i = np.indices(image.shape)
    ramp = image.to_world(np.stack([i, j, k], axis=-1))[..., 1]
    straight = image.with_array(ramp.astype(np.float32)).resample(
        Grid((10, 20, 20), np.diag([1.0, 1, 2, 1])), outside=-99
    )
    expected = np.broadcast_to(np.arange(20)[:, None], (20, 20))
    valid = straight.array[5] != -99
    assert valid.sum() > 200
    assert np.allclose(straight.array[5][valid], expected[valid], atol=1e-4)


def test_another_grid_covers_the_same_field_of_view(oblique):
    fine = oblique.grid.with_spacing(0.5)
    assert np.allclose(fine.spacing, 0.5)
    assert np.allclose(fine.to_world([-0.5] * 3), oblique.to_world([-0.5] * 3))
    extent = np.array(fine.shape[::-1]) * 0.5
    assert np.all(extent >= np.array(oblique.shape[::-1]) * oblique.spacing - 1e-6)
    assert np.all(extent < np.array(oblique.shape[::-1]) * oblique.spacing + 0.5)


def test_grids_that_differ_are_named_in_the_refusal(oblique):
    other = Image(np.zeros(oblique.shape, dtype=np.uint8), np.eye(4), name="labels.nii.gz")
    with pytest.raises(GridMismatch, match=r"labels\.nii\.gz.*oblique.*resample"):
        oblique.require_grid(other)


def test_fingerprints_tell_voxels_and_place_apart(oblique):
    same = Image(oblique.array.copy(), oblique.ijk_to_ras.copy())
    assert same.fingerprint == oblique.fingerprint
    edited = oblique.array.copy()
    edited[3, 3, 3] += 1
    assert Image(edited, oblique.ijk_to_ras).fingerprint != oblique.fingerprint
    shifted = oblique.ijk_to_ras.copy()
    shifted[0, 3] += 0.01
    assert Image(oblique.array, shifted).fingerprint != oblique.fingerprint


@pytest.mark.parametrize("shape", [(5, 5), (0, 4, 4), (2, 3, 4, 5)])
def test_what_is_not_a_volume_is_refused(shape):
    with pytest.raises(BadInput, match="three dimensions"):
        Image(np.zeros(shape), np.eye(4))


@pytest.mark.parametrize("matrix", [np.zeros((4, 4)), np.full((4, 4), np.nan), np.eye(3)])
def test_a_useless_matrix_is_refused(matrix):
    with pytest.raises(BadInput, match="invertible"):
        Image(np.zeros((2, 2, 2)), matrix)


def test_color_images_are_refused():
    with pytest.raises(BadInput, match="scalar"):
        Image.from_sitk(sitk.Image([4, 4, 4], sitk.sitkVectorUInt8, 3))
