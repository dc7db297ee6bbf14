"""Label maps and the segmentation node: lossless where outlines overlap, identity in tags, codes, then names."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk

from spinemet.case import Outline, Structure
from spinemet.codes import CONTEXT, entry_of
from spinemet.errors import BadInput, GridMismatch
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.scene import (
    labelmap_from_segmentation,
    labelmaps_from_segmentation,
    outlines_of,
    segmentation_from_labelmaps,
    volume_from_image,
)

MOVE = np.array([[0.0, -1, 0, 30], [1, 0, 0, -20], [0, 0, 1, 10], [0, 0, 0, 1]])


def tag(segment, name):
    text = vtk.reference("")
    return str(text) if segment.GetTag(name, text) else None


def paint(node, segment_id, ijk, value):
    """Set one voxel of a segment as an editor would."""
    segment = node.GetSegmentation().GetSegment(segment_id)
    segment.GetRepresentation("Binary labelmap").SetScalarComponentFromDouble(*ijk, 0, value)


def add_segment(node, name, box, shape, *, entry="", matrix=None):
    """A segment as another module makes it: a labelmap of its own and a name."""
    array = np.zeros(shape, np.uint8)
    array[box] = 1
    data = slicer.vtkOrientedImageData()
    data.SetDimensions(*shape[::-1])
    data.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    data.GetPointData().GetScalars().Fill(0)
    for k, j, i in np.argwhere(array):
        data.SetScalarComponentFromDouble(int(i), int(j), int(k), 0, 1)
    if matrix is not None:
        vtk_matrix = vtk.vtkMatrix4x4()
        vtk_matrix.DeepCopy(matrix.ravel())
        data.SetImageToWorldMatrix(vtk_matrix)
    segment_id = node.AddSegmentFromBinaryLabelmapRepresentation(data, name)
    if entry:
        node.GetSegmentation().GetSegment(segment_id).SetTerminology(entry)
    return segment_id


@pytest.fixture
def a_segmentation(a_session, a_small_spine, a_scene_of):
    return a_scene_of(a_session.scene, a_small_spine)


@pytest.fixture
def a_foreign_segmentation(a_session):
    """An empty segmentation over a plain 1 mm volume, as another module would leave it."""
    volume = volume_from_image(a_session.scene, Image(np.zeros((8, 9, 10), np.int16), np.eye(4)))
    node = a_session.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "foreign")
    node.CreateDefaultDisplayNodes()
    return volume, node


def test_each_segment_has_name_tags_terminology_and_color(a_segmentation):
    segmentation = a_segmentation[1].GetSegmentation()
    segments = {segment.GetName(): segment for segment in map(segmentation.GetSegment, segmentation.GetSegmentIDs())}
    assert list(segments) == ["Sacrum", "L4 vertebra", "L3 vertebra", "Lesion 1", "Lesion 2"]
    assert tag(segments["L3 vertebra"], "SpineMet.Level") == "L3"
    assert tag(segments["L3 vertebra"], "SpineMet.Structure") == "vertebra"
    assert tag(segments["L3 vertebra"], "SpineMet.LesionID") is None
    assert tag(segments["Lesion 2"], "SpineMet.LesionID") == "lesion-2"
    assert tag(segments["Sacrum"], "SpineMet.Structure") == "sacrum"
    assert segments["L3 vertebra"].GetTerminology().startswith(f"{CONTEXT}~SCT^123037004^")
    assert "~SCT^36470004^L3 vertebra~" in segments["L3 vertebra"].GetTerminology()
    assert segments["L3 vertebra"].GetColor() != segments["Lesion 1"].GetColor()


def test_overlapping_outlines_come_back_without_loss(a_segmentation, a_small_spine):
    volume, node = a_segmentation
    vertebrae, lesions = labelmaps_from_segmentation(node, volume)
    for level, value in vertebrae.levels.items():
        original = a_small_spine.vertebrae
        assert np.array_equal(vertebrae.binary(value), original.binary(original.levels[level]))
    back = {outline.lesion_id: lesions.binary(value) for value, outline in lesions.present.items()}
    assert np.array_equal(back["lesion-1"], a_small_spine.lesions.binary(300))
    assert np.array_equal(back["lesion-2"], a_small_spine.lesions.binary(7))
    assert np.count_nonzero(back["lesion-1"] & (vertebrae.image.array > 0)) > 0
    assert not vertebrae.notes and not lesions.notes


def test_fingerprints_are_those_of_the_label_maps_that_went_in(a_segmentation, a_small_spine):
    vertebrae, lesions = labelmaps_from_segmentation(a_segmentation[1], a_segmentation[0])
    assert vertebrae.fingerprint == a_small_spine.vertebrae.fingerprint
    assert lesions.fingerprint == a_small_spine.lesions.fingerprint


def test_outlines_share_layers_as_far_as_they_can(a_segmentation):
    assert a_segmentation[1].GetSegmentation().GetNumberOfLayers() == 2


def test_outlines_without_voxels_make_no_segment(a_segmentation):
    assert "L2" not in {str(outline.level) for outline in outlines_of(a_segmentation[1]).values()}


def test_values_that_the_label_map_does_not_name_stay_out(a_session, a_small_spine):
    array = a_small_spine.vertebrae.image.array.copy()
    array[0, 0, 0] = 99
    labelmap = LabelMap(a_small_spine.image.with_array(array), a_small_spine.vertebrae.outlines)
    volume = volume_from_image(a_session.scene, a_small_spine.image)
    node = segmentation_from_labelmaps(a_session.scene, [labelmap], volume)
    back, _ = labelmaps_from_segmentation(node, volume)
    assert back.image.array[0, 0, 0] == 0
    assert back.fingerprint == a_small_spine.vertebrae.fingerprint


def test_editing_one_segment_changes_only_its_kind(a_segmentation, a_small_spine):
    volume, node = a_segmentation
    paint(node, "L4_vertebra", (12, 11, 9), 0)
    vertebrae, lesions = labelmaps_from_segmentation(node, volume)
    assert vertebrae.image.array[9, 11, 12] == 0
    assert vertebrae.fingerprint != a_small_spine.vertebrae.fingerprint
    assert lesions.fingerprint == a_small_spine.lesions.fingerprint


def test_renaming_a_segment_does_not_change_what_it_is(a_segmentation, a_small_spine):
    volume, node = a_segmentation
    node.GetSegmentation().GetSegment("L4_vertebra").SetName("C2 vertebra")
    vertebrae, _ = labelmaps_from_segmentation(node, volume)
    assert vertebrae.fingerprint == a_small_spine.vertebrae.fingerprint


def test_volume_and_segmentation_move_together_under_a_linear_transform(a_session, a_segmentation, a_small_spine):
    volume, node = a_segmentation
    transform = a_session.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(MOVE.ravel())
    transform.SetMatrixTransformToParent(matrix)
    for item in (volume, node):
        item.SetAndObserveTransformNodeID(transform.GetID())
    vertebrae, _ = labelmaps_from_segmentation(node, volume)
    value = vertebrae.levels[Level.L3]
    assert np.array_equal(vertebrae.binary(value), a_small_spine.vertebrae.binary(29))
    where = np.append(a_small_spine.image.to_world([12, 13, 16]), 1)
    assert vertebrae.image.to_world([12, 13, 16]) == pytest.approx((MOVE @ where)[:3])


def test_a_segmentation_made_under_a_transform_lies_on_its_volume(a_session, a_small_spine):
    volume = volume_from_image(a_session.scene, a_small_spine.image)
    transform = a_session.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(MOVE.ravel())
    transform.SetMatrixTransformToParent(matrix)
    volume.SetAndObserveTransformNodeID(transform.GetID())
    moved = Image(a_small_spine.vertebrae.image.array, MOVE @ a_small_spine.image.ijk_to_ras)
    labelmap = LabelMap(moved, a_small_spine.vertebrae.outlines)
    node = segmentation_from_labelmaps(a_session.scene, [labelmap], volume)
    back, _ = labelmaps_from_segmentation(node, volume)
    assert back.fingerprint == labelmap.fingerprint


def test_a_label_map_of_another_grid_is_refused(a_session, a_small_spine):
    volume = volume_from_image(a_session.scene, a_small_spine.image)
    other = LabelMap(Image(np.ones((3, 3, 3), np.uint8), np.eye(4)), {1: Outline(Structure.VERTEBRA, Level.L1)})
    with pytest.raises(GridMismatch):
        segmentation_from_labelmaps(a_session.scene, [other], volume)


@pytest.mark.parametrize(
    ("name", "outline"),
    [
        ("vertebrae_L3", Outline(Structure.VERTEBRA, Level.L3)),
        ("L3 vertebra", Outline(Structure.VERTEBRA, Level.L3)),
        ("L3", Outline(Structure.VERTEBRA, Level.L3)),
        ("vertebra_T1", Outline(Structure.VERTEBRA, Level.T1)),
        ("T10", Outline(Structure.VERTEBRA, Level.T10)),
        ("vertebrae_S1", Outline(Structure.SACRUM, Level.S1)),
        ("sacrum", Outline(Structure.SACRUM, Level.S1)),
        ("L3-L4 disc", None),
        ("rib_left_10", None),
        ("Segment_1", None),
        ("L33", None),
    ],
)
def test_segments_of_other_modules_are_told_by_their_exact_name(a_foreign_segmentation, name, outline):
    _, node = a_foreign_segmentation
    segment_id = add_segment(node, name, np.s_[2:4, 2:4, 2:4], (8, 9, 10))
    found = outlines_of(node).get(segment_id)
    assert (found and (found.structure, found.level)) == (outline and (outline.structure, outline.level))


def test_terminology_comes_before_the_name(a_foreign_segmentation):
    _, node = a_foreign_segmentation
    entry = entry_of(Outline(Structure.VERTEBRA, Level.T12))
    segment_id = add_segment(node, "L1", np.s_[2:4, 2:4, 2:4], (8, 9, 10), entry=entry)
    assert outlines_of(node)[segment_id].level is Level.T12


def test_a_level_twice_is_refused_and_names_both_segments(a_foreign_segmentation):
    volume, node = a_foreign_segmentation
    add_segment(node, "L1", np.s_[1:3, 1:3, 1:3], (8, 9, 10))
    add_segment(node, "vertebrae_L1", np.s_[5:7, 1:3, 1:3], (8, 9, 10))
    with pytest.raises(BadInput, match="L1 twice, as L1 and vertebrae_L1"):
        labelmaps_from_segmentation(node, volume)


def test_beside_s1_the_sacrum_is_the_rest_of_it(a_foreign_segmentation):
    volume, node = a_foreign_segmentation
    rest = add_segment(node, "sacrum", np.s_[1:3, 1:3, 1:3], (8, 9, 10))
    s1 = add_segment(node, "vertebrae_S1", np.s_[3:5, 1:3, 1:3], (8, 9, 10))
    vertebrae, _ = labelmaps_from_segmentation(node, volume)
    assert outlines_of(node)[rest].level is None
    assert vertebrae.outlines[vertebrae.levels[Level.S1]] == outlines_of(node)[s1]


def test_tags_of_a_later_version_fall_back_to_the_name(a_foreign_segmentation):
    _, node = a_foreign_segmentation
    segment_id = add_segment(node, "L1", np.s_[2:4, 2:4, 2:4], (8, 9, 10))
    node.GetSegmentation().GetSegment(segment_id).SetTag("SpineMet.Structure", "hologram")
    assert outlines_of(node)[segment_id].level is Level.L1


def test_chosen_segments_are_lesions_and_known_by_their_id(a_foreign_segmentation):
    volume, node = a_foreign_segmentation
    chosen = add_segment(node, "tumor", np.s_[2:4, 2:4, 2:4], (8, 9, 10))
    add_segment(node, "L1", np.s_[1:6, 1:6, 1:6], (8, 9, 10))
    vertebrae, lesions = labelmaps_from_segmentation(node, volume, [chosen])
    assert [outline.lesion_id for outline in lesions.present.values()] == [chosen]
    assert lesions.binary(1).sum() == 8
    assert vertebrae.binary(vertebrae.levels[Level.L1]).sum() == 125


def test_a_chosen_segment_that_is_gone_is_said(a_foreign_segmentation):
    volume, node = a_foreign_segmentation
    with pytest.raises(BadInput, match="choose the lesion segments again"):
        labelmaps_from_segmentation(node, volume, ["Segment_9"])


def test_lesions_that_overlap_each_other_are_said(a_foreign_segmentation):
    volume, node = a_foreign_segmentation
    first = add_segment(node, "one", np.s_[2:5, 2:4, 2:4], (8, 9, 10))
    second = add_segment(node, "two", np.s_[4:6, 2:4, 2:4], (8, 9, 10))
    _, lesions = labelmaps_from_segmentation(node, volume, [first, second])
    assert (lesions.binary(1).sum(), lesions.binary(2).sum()) == (12, 4)
    assert lesions.notes == ("two overlaps another outline, which keeps the shared voxels.",)


def test_a_segment_on_a_finer_grid_is_resampled_onto_the_volume(a_foreign_segmentation):
    volume, node = a_foreign_segmentation
    half = np.diag([0.5, 0.5, 0.5, 1.0])
    half[:3, 3] = -0.25
    add_segment(node, "L1", np.s_[4:8, 6:12, 8:18], (16, 18, 20), matrix=half)
    vertebrae, _ = labelmaps_from_segmentation(node, volume)
    expected = np.zeros((8, 9, 10), bool)
    expected[2:4, 3:6, 4:9] = True
    assert np.array_equal(vertebrae.binary(1), expected)


def test_a_segment_outside_the_volume_has_no_voxels(a_foreign_segmentation):
    volume, node = a_foreign_segmentation
    away = np.eye(4)
    away[:3, 3] = 500.0
    add_segment(node, "L1", np.s_[2:4, 2:4, 2:4], (8, 9, 10), matrix=away)
    vertebrae, _ = labelmaps_from_segmentation(node, volume)
    assert not vertebrae.present


def test_other_structures_are_read_by_what_they_are(a_session, a_small_spine):
    array = np.zeros(a_small_spine.image.shape, np.uint8)
    array[:, 22:26, 15:25] = 1
    array[:, 23:25, 18:22] = 2
    tube = LabelMap(a_small_spine.image.with_array(array), {1: Outline(Structure.CANAL), 2: Outline(Structure.CORD)})
    volume = volume_from_image(a_session.scene, a_small_spine.image)
    node = segmentation_from_labelmaps(a_session.scene, [a_small_spine.vertebrae, tube], volume)
    cord = labelmap_from_segmentation(node, volume, lambda outline: outline.structure is Structure.CORD)
    assert np.array_equal(cord.binary(1), array == 2)
