"""Segments changed one by one, and whole segmentations there and back: voxels, overlaps and identities stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spinemet.case import ImageRef, Outline, Role, Structure
from spinemet.codes import bone_of
from spinemet.errors import BadInput
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.scene import outlines_of, segmentation_from_labelmaps, volume_from_image
from spinemet.scene.outline_nodes import add_outlines, layers_from_segmentation, mask_of, set_mask
from spinemet.study.layered import read_layers, write_layers

SHAPE = (18, 22, 26)


@pytest.fixture
def spine(a_session):
    """An oblique image, two vertebrae in one layer, and a lesion across both in another."""
    angle = np.deg2rad(20)
    matrix = np.eye(4)
    matrix[:3, :3] = np.array([[-1, 0, 0], [0, -np.cos(angle), np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    matrix[:3, :3] *= [0.9765625, 0.9765625, 2.0]
    matrix[:3, 3] = [11, -5, 40]
    image = Image(np.zeros(SHAPE, np.int16), matrix, frame="f", name="CT")
    bones = np.zeros(SHAPE, np.uint8)
    bones[2:8, 4:18, 4:20], bones[10:16, 4:18, 4:20] = 1, 2
    lesion = np.zeros(SHAPE, np.uint8)
    lesion[6:12, 8:14, 8:14] = 1
    layers = [
        LabelMap(image.with_array(bones), {1: bone_of(Level.L4), 2: bone_of(Level.T13)}),
        LabelMap(image.with_array(lesion), {1: Outline(Structure.LESION, lesion_id="lesion-3")}),
    ]
    volume = volume_from_image(a_session.scene, image, ImageRef("ct", Role.CT, "f"), "CT")
    return volume, segmentation_from_labelmaps(a_session.scene, layers, volume), layers


def _same(one: list[LabelMap], other: list[LabelMap]) -> None:
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert a.fingerprint == b.fingerprint
        assert np.array_equal(a.image.array > 0, b.image.array > 0)


def test_a_segmentation_comes_back_as_it_was(spine) -> None:
    volume, node, layers = spine
    _same(layers_from_segmentation(node, volume), layers)
    again = segmentation_from_labelmaps(node.GetScene(), layers_from_segmentation(node, volume), volume)
    _same(layers_from_segmentation(again, volume), layers)


def test_a_file_of_layers_opens_in_slicer_with_names_terms_and_overlaps(spine, a_session, tmp_path: Path) -> None:
    import slicer

    volume, _, layers = spine
    write_layers(layers, tmp_path / "labels.seg.nrrd")
    node = a_session.scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    storage = slicer.vtkMRMLSegmentationStorageNode()
    a_session.scene.AddNode(storage)
    storage.SetFileName(str(tmp_path / "labels.seg.nrrd"))
    assert storage.ReadData(node)
    _same(layers_from_segmentation(node, volume), layers)
    names = [node.GetSegmentation().GetSegment(key).GetName() for key in node.GetSegmentation().GetSegmentIDs()]
    assert names == ["L4 vertebra", "T13 vertebra", "Lesion 3"]
    assert "L4 vertebra" in node.GetSegmentation().GetNthSegment(0).GetTerminology()
    # And what Slicer writes is read by us.
    storage.SetFileName(str(tmp_path / "again.seg.nrrd"))
    assert storage.WriteData(node)
    _same(read_layers(tmp_path / "again.seg.nrrd", layers[0].image), layers)


def test_a_mask_is_written_without_taking_from_others(spine) -> None:
    volume, node, layers = spine
    lower, upper = node.GetSegmentation().GetSegmentIDs()[:2]
    mask = mask_of(node, volume, lower)
    assert mask.array.sum() == (layers[0].image.array == 1).sum()
    whole = layers[0].image.with_array(np.zeros(SHAPE, bool))
    whole.array[2:14, 4:18, 4:20] = True  # into the neighbor and over the lesion
    set_mask(node, lower, whole)
    assert mask_of(node, volume, lower).array.sum() == whole.array.sum()
    after = {item.level: value for value, item in _merged(node, volume).items()}
    assert mask_of(node, volume, upper).array.sum() == (layers[0].image.array == 2).sum()
    assert set(after) == {Level.L4, Level.T13, None}
    crop = whole.crop((slice(3, 6), slice(5, 9), slice(5, 9)))
    set_mask(node, lower, crop)
    assert mask_of(node, volume, lower).array.sum() == crop.array.sum()


def _merged(node, volume) -> dict:
    found = {}
    for layer in layers_from_segmentation(node, volume):
        for value, outline in layer.present.items():
            found[(id(layer), value)] = outline
    return found


def test_an_emptied_segment_stays_and_is_empty(spine) -> None:
    volume, node, _ = spine
    segment = node.GetSegmentation().GetSegmentIDs()[0]
    set_mask(node, segment, None)
    assert mask_of(node, volume, segment) is None
    assert segment in node.GetSegmentation().GetSegmentIDs()
    mask = layers_from_segmentation(node, volume)[0].image
    whole = mask.with_array(np.ones(SHAPE, bool))
    set_mask(node, segment, whole)
    assert mask_of(node, volume, segment).array.all()


def test_masks_follow_a_moved_patient(spine, a_session) -> None:
    import vtk

    volume, node, layers = spine
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 25.0)
    transform = a_session.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(matrix)
    for item in (volume, node):
        item.SetAndObserveTransformNodeID(transform.GetID())
    segment = node.GetSegmentation().GetSegmentIDs()[0]
    mask = mask_of(node, volume, segment)
    assert mask.ijk_to_ras[0, 3] == pytest.approx(layers[0].image.ijk_to_ras[0, 3] + 25, abs=30)
    half = mask.array.copy()
    half[..., :8] = False
    set_mask(node, segment, mask.with_array(half))
    back = mask_of(node, volume, segment)
    assert back.array.sum() == half.sum()
    assert _middle(back) == pytest.approx(_middle(mask.with_array(half)), abs=1e-6)


def _middle(mask: Image) -> float:
    return float(mask.to_world(np.argwhere(mask.array).mean(axis=0)[::-1])[0])


def test_new_outlines_join_the_others(spine) -> None:
    volume, node, layers = spine
    array = np.zeros(SHAPE, np.uint8)
    array[16:18, 2:5, 2:5] = 1
    added = add_outlines(node, volume, LabelMap(layers[0].image.with_array(array), {1: bone_of(Level.L5)}))
    assert [outlines_of(node)[key].level for key in added] == [Level.L5]
    assert node.GetScene().GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1
    assert node.GetSegmentation().GetNumberOfSegments() == 4


def test_a_segment_that_is_gone_is_a_sentence(spine) -> None:
    volume, node, _ = spine
    for call in (lambda: mask_of(node, volume, "gone"), lambda: set_mask(node, "gone", None)):
        with pytest.raises(BadInput, match="no such segment"):
            call()


def test_an_edit_is_taken_back_by_slicers_own_undo(spine) -> None:
    """The segment editor keeps states in a vtkSegmentationHistory: an edit between two of them must come undone."""
    import slicer

    volume, node, layers = spine
    history = slicer.vtkSegmentationHistory()
    history.SetSegmentation(node.GetSegmentation())
    history.SaveState()
    segment = node.GetSegmentation().GetSegmentIDs()[0]
    whole = layers[0].image.with_array(np.ones(SHAPE, bool))
    set_mask(node, segment, whole)
    array = np.zeros(SHAPE, np.uint8)
    array[16:18, 2:5, 2:5] = 1
    add_outlines(node, volume, LabelMap(layers[0].image.with_array(array), {1: bone_of(Level.L5)}))
    assert node.GetSegmentation().GetNumberOfSegments() == 4
    assert history.RestorePreviousState()
    _same(layers_from_segmentation(node, volume), layers)
    assert history.RestoreNextState()
    assert node.GetSegmentation().GetNumberOfSegments() == 4
    assert mask_of(node, volume, segment).array.all()
