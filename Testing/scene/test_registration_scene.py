"""A registration in the scene: volumes go where the motions say, and nothing of the user's is changed."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk

from spinemet.case import Outline, Structure
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.registration import RigidMotion
from spinemet.registration.field import Field, polyrigid
from spinemet.scene import image_from_volume, open_scene, save_scene, show_registration, volume_from_image
from spinemet.scene.session import headless_session
from spinemet.scene.transforms import registration_of, remove_registration
from spinemet.scene.volumes import vtk_matrix

SPINE = RigidMotion.about([5.0, 0.0, 20.0], [0.1, -0.05, 0.2], [12.0, -7.0, 30.0])
MOTIONS = {
    Level.L3: RigidMotion.shift([1.5, 0.0, -1.0]).after(SPINE),
    Level.L4: SPINE.after(RigidMotion.about([0, 0, 0], [0.05, 0.02, 0.0])),
}


@pytest.fixture(scope="module")
def field() -> Field:
    labels = np.zeros((40, 20, 20), np.uint8)
    labels[22:34, 5:15, 4:16] = 1
    labels[4:16, 5:15, 4:16] = 2
    turn = RigidMotion.about([0, 0, 0], [0.0, 0.1, -0.15]).matrix
    image = Image(labels, turn @ np.diag([-2.0, -2.0, 2.0, 1.0]), name="bones")
    outlines = {n: Outline(Structure.VERTEBRA, level) for n, level in ((1, Level.L3), (2, Level.L4))}
    return polyrigid(SPINE, MOTIONS, LabelMap(image, outlines))


@pytest.fixture
def scene():
    with headless_session() as session:
        yield session.scene


@pytest.fixture
def moving(scene):
    array = np.random.default_rng(2).integers(0, 900, (12, 14, 16)).astype(np.int16)
    matrix = RigidMotion.about([0, 0, 0], [0.2, 0.1, 0.0], [3.0, 4.0, 5.0]).matrix @ np.diag([-3.0, -3.0, 4.0, 1.0])
    return volume_from_image(scene, Image(array, matrix, name="MR"), name="MR")


def from_world(node, points: np.ndarray) -> np.ndarray:
    transform = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(None, node.GetParentTransformNode(), transform)
    return np.array([transform.TransformPoint(p) for p in points])


def points_of(field: Field) -> np.ndarray:
    rng = np.random.default_rng(1)
    low, high = field.grid.corners.min(axis=0), field.grid.corners.max(axis=0)
    return rng.uniform(low - 30, high + 30, (300, 3))


def shown(scene, moving, field, **more):
    return show_registration(
        scene, moving, field.spine.matrix, grid=field.grid, displacements=field.displacements, **more
    )


def test_points_of_the_world_come_from_where_the_field_says(scene, moving, field):
    shown(scene, moving, field)
    points = points_of(field)
    assert np.abs(from_world(moving, points) - field.to_moving(points)).max() < 1e-3


def test_bones_go_to_their_own_place(scene, moving, field):
    shown(scene, moving, field)
    turn = RigidMotion.about([0, 0, 0], [0.0, 0.1, -0.15])
    for level, k in ((Level.L3, 28.0), (Level.L4, 10.0)):
        center = turn.apply([-2.0 * 10, -2.0 * 10, 2.0 * k])
        assert np.allclose(from_world(moving, [center])[0], MOTIONS[level].apply(center), atol=0.05)


def test_the_moving_volume_itself_is_untouched(scene, moving, field):
    before = slicer.util.arrayFromVolume(moving).copy()
    matrix = vtk.vtkMatrix4x4()
    moving.GetIJKToRASMatrix(matrix)
    shown(scene, moving, field)
    after = vtk.vtkMatrix4x4()
    moving.GetIJKToRASMatrix(after)
    assert np.array_equal(before, slicer.util.arrayFromVolume(moving))
    assert all(matrix.GetElement(r, c) == after.GetElement(r, c) for r in range(4) for c in range(4))


def test_registering_again_uses_the_same_nodes(scene, moving, field):
    one = shown(scene, moving, field)
    count = scene.GetNumberOfNodes()
    other = shown(scene, moving, field)
    assert one.linear is other.linear and one.grid is other.grid
    assert scene.GetNumberOfNodes() == count


def test_a_transform_of_the_user_stays_and_counts(scene, moving, field):
    own = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "mine")
    placed = RigidMotion.about([1, 2, 3], [0.3, 0.0, 0.1], [50.0, 0.0, -20.0])
    own.SetMatrixTransformToParent(vtk_matrix(placed.matrix))
    moving.SetAndObserveTransformNodeID(own.GetID())
    before = image_from_volume(moving).ijk_to_ras
    shown(scene, moving, field)
    points = points_of(field)
    # In the volume's own coordinates: the user's transform is taken back, too.
    assert np.abs(from_world(moving, points) - placed.inverse.apply(field.to_moving(points))).max() < 1e-3
    remove_registration(scene, moving)
    assert moving.GetParentTransformNode() is own
    assert np.allclose(image_from_volume(moving).ijk_to_ras, before)
    assert registration_of(moving) is None


def test_a_registration_without_a_bend_is_linear(scene, moving, field):
    shown(scene, moving, field)
    nodes = show_registration(scene, moving, SPINE.matrix)
    assert nodes.grid is None
    world = image_from_volume(moving)
    center = np.array([7.0, 6.0, 5.0])
    local = vtk.vtkMatrix4x4()
    moving.GetIJKToRASMatrix(local)
    there = np.array(local.MultiplyPoint((*center, 1.0)))[:3]
    assert np.allclose(SPINE.apply(world.to_world(center)), there)


def test_what_belongs_to_the_series_goes_with_it(scene, moving, field):
    points = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "landmarks")
    nodes = shown(scene, moving, field, also=[points])
    assert points.GetParentTransformNode() is nodes.linear
    remove_registration(scene, moving)
    assert points.GetParentTransformNode() is None


def test_transforms_lie_in_the_folder_and_survive_saving(scene, moving, field, tmp_path):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "SpineMet 2026-03-02")
    nodes = shown(scene, moving, field, folder=folder)
    for node in (nodes.linear, nodes.grid):
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == folder
    save_scene(scene, tmp_path / "scene.mrb")
    points = points_of(field)
    with headless_session() as session:
        open_scene(tmp_path / "scene.mrb", session.scene)
        again = session.scene.GetFirstNodeByName("MR")
        # Slicer interpolates a field that it read with splines.
        assert np.abs(from_world(again, points) - field.to_moving(points)).max() < 0.02
        assert registration_of(again) is not None
