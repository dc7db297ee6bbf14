"""Images and volume nodes: voxels, place and identity survive both ways."""

from __future__ import annotations

import numpy as np
import pytest
import vtk

from spinemet.case import ImageRef, Role
from spinemet.errors import BadInput
from spinemet.image import Grid, Image
from spinemet.scene import image_from_volume, ref_from_volume, volume_from_image

ROTATION_20_ABOUT_S = np.array(
    [[0.9396926, -0.3420201, 0, 5.0], [0.3420201, 0.9396926, 0, -7.0], [0, 0, 1, 11.0], [0, 0, 0, 1]]
)


def under_linear_transform(scene, node, matrix):
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    vtk_matrix = vtk.vtkMatrix4x4()
    vtk_matrix.DeepCopy(matrix.ravel())
    transform.SetMatrixTransformToParent(vtk_matrix)
    node.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def under_bending_transform(scene, node, shift):
    """A thin-plate transform that moves everything by `shift`: non-linear in kind, known in effect."""
    points, moved = vtk.vtkPoints(), vtk.vtkPoints()
    for corner in np.ndindex(2, 2, 2):
        place = np.array(corner) * 200.0 - 100.0
        points.InsertNextPoint(place)
        moved.InsertNextPoint(place + shift)
    spline = vtk.vtkThinPlateSplineTransform()
    spline.SetSourceLandmarks(points)
    spline.SetTargetLandmarks(moved)
    spline.SetBasisToR()
    transform = scene.AddNewNodeByClass("vtkMRMLTransformNode")
    transform.SetAndObserveTransformToParent(spline)
    node.SetAndObserveTransformNodeID(transform.GetID())


def test_an_oblique_image_comes_back_with_its_voxels_and_place(a_session, a_small_spine):
    image = a_small_spine.image
    back = image_from_volume(volume_from_image(a_session.scene, image, a_small_spine.ref))
    assert np.array_equal(back.array, image.array)
    assert np.abs(back.ijk_to_ras - image.ijk_to_ras).max() < 1e-9
    assert back.frame == image.frame
    assert back.fingerprint == image.fingerprint


def test_a_left_handed_grid_stays_left_handed(a_session):
    image = Image(np.arange(24.0).reshape(2, 3, 4), np.diag([2.0, 3.0, -4.0, 1.0]))
    back = image_from_volume(volume_from_image(a_session.scene, image))
    assert np.linalg.det(back.ijk_to_ras) == pytest.approx(-24)


def test_slicer_places_a_voxel_where_the_image_does(a_session, a_small_spine):
    node = volume_from_image(a_session.scene, a_small_spine.image)
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    assert matrix.MultiplyPoint((7, 5, 3, 1))[:3] == pytest.approx(a_small_spine.image.to_world([7, 5, 3]))
    assert node.GetImageData().GetScalarComponentAsDouble(7, 5, 3, 0) == a_small_spine.image.array[3, 5, 7]


def test_the_array_is_the_nodes_own_and_not_the_callers(a_session, a_small_spine):
    image = Image(a_small_spine.image.array.copy(), a_small_spine.image.ijk_to_ras)
    node = volume_from_image(a_session.scene, image)
    node.GetImageData().SetScalarComponentFromDouble(1, 2, 3, 0, 1234)
    assert image_from_volume(node).array[3, 2, 1] == 1234
    assert image.array[3, 2, 1] == a_small_spine.image.array[3, 2, 1]


def test_what_the_image_is_travels_in_attributes_and_not_in_the_name(a_session, a_small_spine):
    node = volume_from_image(a_session.scene, a_small_spine.image, a_small_spine.ref)
    assert ref_from_volume(node) == a_small_spine.ref
    assert node.GetName() == "CT 2026-03-02"
    assert node.GetAttribute("SpineMet.Role") == "CT"
    assert node.GetAttribute("SpineMet.SeriesUid") == "1.2.3.4"


def test_a_volume_that_spinemet_did_not_make_has_no_reference(a_session):
    assert ref_from_volume(a_session.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")) is None


def test_a_ct_opens_in_a_bone_window_and_an_mr_does_not(a_session, a_small_spine):
    ct = volume_from_image(a_session.scene, a_small_spine.image, a_small_spine.ref)
    mr = volume_from_image(a_session.scene, a_small_spine.image, ImageRef("t2", Role.T2, "f"))
    assert (ct.GetDisplayNode().GetWindow(), ct.GetDisplayNode().GetLevel()) == (1800, 400)
    assert mr.GetDisplayNode().GetAutoWindowLevel()


@pytest.mark.parametrize("dtype", [bool, "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"])
def test_every_voxel_type_keeps_its_values_and_fingerprint(a_session, dtype):
    image = Image(np.arange(24).reshape(2, 3, 4).astype(dtype), np.eye(4))
    back = image_from_volume(volume_from_image(a_session.scene, image))
    assert np.array_equal(back.array, image.array)
    assert back.fingerprint == image.fingerprint


def test_numbers_too_large_for_a_scene_file_are_refused(a_session):
    with pytest.raises(BadInput, match="32 bits"):
        volume_from_image(a_session.scene, Image(np.full((2, 2, 2), 2**40), np.eye(4)))


def test_a_sheared_grid_is_refused_before_a_node_is_made(a_session):
    matrix = np.eye(4)
    matrix[1, 2] = 0.3
    before = a_session.scene.GetNumberOfNodes()
    with pytest.raises(BadInput, match="gantry tilt"):
        volume_from_image(a_session.scene, Image(np.zeros((2, 3, 4)), matrix))
    assert a_session.scene.GetNumberOfNodes() == before


def test_under_linear_transforms_the_image_lies_in_the_world(a_session, a_small_spine):
    node = volume_from_image(a_session.scene, a_small_spine.image)
    inner = under_linear_transform(a_session.scene, node, ROTATION_20_ABOUT_S)
    under_linear_transform(a_session.scene, inner, np.diag([1.0, 1.0, 1.0, 1.0]) + np.eye(4, k=3) * 100)
    world = image_from_volume(node).to_world([7, 5, 3])
    inside = np.append(a_small_spine.image.to_world([7, 5, 3]), 1)
    assert world == pytest.approx((ROTATION_20_ABOUT_S @ inside)[:3] + np.array([100, 0, 0]))


def test_under_a_nonlinear_transform_a_region_is_asked_for(a_session, a_small_spine):
    node = volume_from_image(a_session.scene, a_small_spine.image)
    under_bending_transform(a_session.scene, node, np.array([3.0, 0, 0]))
    with pytest.raises(BadInput, match="non-linear"):
        image_from_volume(node)


def test_under_a_nonlinear_transform_a_region_is_resampled_in_the_world(a_session):
    k, j, i = np.meshgrid(*map(np.arange, (20, 22, 24)), indexing="ij")
    ramp = Image((100.0 * i + 10 * j + k).astype(np.float32), np.eye(4))
    node = volume_from_image(a_session.scene, ramp)
    under_bending_transform(a_session.scene, node, np.array([3.0, -2.0, 0.5]))
    grid = Grid((4, 5, 6), np.array([[1.0, 0, 0, 8], [0, 1, 0, 8], [0, 0, 1, 8], [0, 0, 0, 1]]))
    seen = image_from_volume(node, grid)
    # What lies at x in the world was at x − shift in the volume.
    assert seen.array[0, 0, 0] == pytest.approx(100 * 5.0 + 10 * 10.0 + 7.5, abs=0.01)
    assert seen.array[3, 4, 5] == pytest.approx(100 * 10.0 + 10 * 14.0 + 10.5, abs=0.01)


def test_a_volume_without_voxels_or_with_colors_is_refused(a_session):
    empty = a_session.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
    with pytest.raises(BadInput, match="holds no voxels"):
        image_from_volume(empty)
    colors = a_session.scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "photo")
    data = vtk.vtkImageData()
    data.SetDimensions(2, 2, 2)
    data.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
    colors.SetAndObserveImageData(data)
    with pytest.raises(BadInput, match="color or vector"):
        image_from_volume(colors)
