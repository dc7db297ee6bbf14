"""Epidural disease in the scene: masks as drawn, rulers as long as measured, nodes updated in place and persisted."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import vtk

from spinemet.case import ImageRef, Outline, Role, Structure
from spinemet.epidural import EpiduralOutlines, assess_epidural, describe
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.phantom import Segment, SegmentSpec, create_segment
from spinemet.scene import headless_session, open_scene, save_scene, segmentation_from_labelmaps, volume_from_image
from spinemet.scene.epidural import (
    epidural_nodes,
    frame_at,
    masks_of,
    place_of,
    remove_epidural,
    rulers_of,
    show_epidural,
    straightened,
)
from spinemet.scene.volumes import vtk_matrix

LEVEL = Level.T8


@cache
def _segment() -> Segment:
    return create_segment(SegmentSpec(level=LEVEL, grade="2", spacing=(0.8, 3.0), noise=10.0, seed=4))


@cache
def _graded() -> Any:
    """The disease from the segment's true masks."""
    segment = _segment()
    labels, tumor = segment.structures.image, segment.lesions.image
    outlines = EpiduralOutlines(
        labels.with_array(labels.array > 0), labels.with_array(labels.array >= 2),
        labels.with_array(labels.array == 3), tumor.with_array(tumor.array > 0),
    )  # fmt: skip
    bone = segment.vertebrae.image
    places = {}
    for level in segment.levels:
        x, y, z = bone.to_world(np.argwhere(bone.array == level.order)[:, ::-1]).mean(axis=0)
        places[level] = (float(x), float(y), float(z))
    return assess_epidural(outlines, places)


@cache
def _details() -> Any:
    return describe(_graded(), image="t2", role=Role.T2, placed_by="construction")


@pytest.fixture
def shown() -> Any:
    """A scene with the segment's T2, its outlines and an empty parameter node."""
    segment = _segment()
    with headless_session() as session:
        volume = volume_from_image(session.scene, segment.images[Role.T2], ImageRef("t2", Role.T2, "segment"), "T2")
        names = {1: Structure.CANAL, 2: Structure.THECAL_SAC, 3: Structure.CORD}
        canal = LabelMap(segment.structures.image, {value: Outline(name) for value, name in names.items()})
        tumor = LabelMap(segment.lesions.image, {1: Outline(Structure.LESION, lesion_id="lesion-1")})
        segmentation = segmentation_from_labelmaps(session.scene, [canal, tumor], volume)
        parameter = session.scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "SpineMet")
        yield SimpleNamespace(scene=session.scene, volume=volume, segmentation=segmentation, parameter=parameter)


def _wanted(segmentation: Any) -> dict[str, tuple[str, ...]]:
    keys = list(segmentation.GetSegmentation().GetSegmentIDs())
    return dict(zip(("canal", "sac", "cord", "tumor"), ((key,) for key in keys), strict=True))


def test_masks_are_nested_and_equal_what_was_drawn(shown: Any) -> None:
    found = masks_of(shown.segmentation, shown.volume, _wanted(shown.segmentation))
    truth = _segment().structures.image.array
    for name, least in (("canal", 1), ("sac", 2), ("cord", 3)):
        np.testing.assert_array_equal(found[name].array, truth >= least)
    np.testing.assert_array_equal(found["tumor"].array, _segment().lesions.image.array > 0)


def test_what_is_not_outlined_is_left_out(shown: Any) -> None:
    wanted = {**_wanted(shown.segmentation), "cord": (), "tumor": ("gone",)}
    assert set(masks_of(shown.segmentation, shown.volume, wanted)) == {"canal", "sac"}


def test_masks_lie_in_the_world_under_a_linear_transform(shown: Any) -> None:
    moved = np.eye(4)
    moved[:3, 3] = (5, -7, 11)
    transform = shown.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
    transform.SetMatrixTransformToParent(vtk_matrix(moved))
    for node in (shown.volume, shown.segmentation):
        node.SetAndObserveTransformNodeID(transform.GetID())
    found = masks_of(shown.segmentation, shown.volume, _wanted(shown.segmentation))["canal"]
    np.testing.assert_array_equal(found.array, _segment().structures.image.array > 0)
    np.testing.assert_allclose(found.ijk_to_ras, moved @ _segment().structures.image.ijk_to_ras)


def test_rulers_are_as_long_as_what_was_measured_and_lie_in_the_cut() -> None:
    disease = _graded()
    item = disease.levels[LEVEL]
    rulers = {ruler.name.split()[0]: ruler for ruler in rulers_of(item, disease.cuts, disease.profile)}
    _, _, superior = disease.frame.axes(disease.cuts.s[item.cut])
    for name, measured in (("tumor", "epidural thickness"), ("cord", "cord depth")):
        ends = np.array(rulers[name].ends)
        assert np.linalg.norm(ends[1] - ends[0]) == pytest.approx(item[measured].value)
        assert (ends - np.array(disease.cuts.position(item.cut))) @ superior == pytest.approx([0, 0], abs=1e-3)
    image = _segment().structures.image
    middle = image.grid.to_index(np.array(rulers["cord"].ends).mean(axis=0))
    i, j, k = np.rint(middle).astype(int)
    assert image.array[k, j, i] == 3, "the middle of the cord's ruler lies in the cord"


def test_nodes_are_made_once_and_follow_the_result(shown: Any) -> None:
    disease = _graded()
    rulers = rulers_of(disease.levels[LEVEL], disease.cuts, disease.profile)
    nodes = show_epidural(shown.scene, shown.parameter, _details(), rulers=rulers)
    count = shown.scene.GetNumberOfNodes()
    labels = [nodes["grades"].GetNthControlPointLabel(n) for n in range(nodes["grades"].GetNumberOfControlPoints())]
    assert "T8 ESCC 2" in labels
    assert nodes["table"].GetNumberOfRows() == len(_details().profile.places)
    assert nodes["chart"].GetNumberOfPlotSeriesNodes() == 4
    again = show_epidural(shown.scene, shown.parameter, _details(), rulers=rulers[:1])
    assert again["curve"] is nodes["curve"]
    assert shown.scene.GetNumberOfNodes() < count, "a ruler that is no longer asked for goes, with its display"
    without = tuple(replace(item, position=None) for item in _details().levels)
    show_epidural(shown.scene, shown.parameter, replace(_details(), levels=without))
    assert nodes["grades"].GetNumberOfControlPoints() == 0
    remove_epidural(shown.scene, shown.parameter)
    assert epidural_nodes(shown.parameter) == {}
    assert shown.scene.GetNumberOfNodesByClass("vtkMRMLMarkupsNode") == 0


def test_the_centerline_runs_through_the_canal(shown: Any) -> None:
    curve = show_epidural(shown.scene, shown.parameter, _details())["curve"]
    image = _segment().structures.image
    points = np.array([curve.GetNthControlPointPositionWorld(n) for n in range(curve.GetNumberOfControlPoints())])
    inside = points[2:-2]
    i, j, k = np.rint(image.grid.to_index(inside)).astype(int).T
    assert np.all(image.array[k, j, i] > 0)
    places = _details().profile.places
    assert curve.GetCurveLengthWorld() == pytest.approx(places[-1] - places[0], rel=0.02)


def test_everything_comes_back_from_a_saved_scene(shown: Any, tmp_path: Path) -> None:
    disease = _graded()
    rulers = rulers_of(disease.levels[LEVEL], disease.cuts, disease.profile)
    before = show_epidural(shown.scene, shown.parameter, _details(), rulers=rulers)
    first = before["table"].GetTable().GetColumn(1)
    values = [first.GetValue(row) for row in range(first.GetNumberOfValues())]
    save_scene(shown.scene, tmp_path / "scene.mrb")
    shown.scene.Clear(0)
    open_scene(tmp_path / "scene.mrb", shown.scene)
    parameter = shown.scene.GetFirstNodeByName("SpineMet")
    nodes = epidural_nodes(parameter)
    assert set(nodes) == set(before)
    column = nodes["table"].GetTable().GetColumn(1)
    again = [vtk.vtkVariant(column.GetVariantValue(row)).ToDouble() for row in range(column.GetNumberOfTuples())]
    np.testing.assert_allclose(again, values, atol=1e-6)


def test_places_along_the_canal_and_back() -> None:
    profile = _details().profile
    for index in (3, len(profile.places) // 2, len(profile.places) - 4):
        assert place_of(profile, profile.centers[index]) == profile.places[index]
        frame = frame_at(profile, profile.places[index])
        assert frame.origin == pytest.approx(profile.centers[index])
        _, _, superior = _graded().frame.axes(_graded().cuts.s[index])
        assert np.array(frame.superior) @ superior > 0.999
    assert place_of(profile, (500.0, 0.0, 0.0)) is None
    assert place_of(replace(profile, places=(), centers=()), profile.centers[0]) is None


def test_straightened_keeps_the_cord_in_the_middle_and_lengths_along_it(shown: Any) -> None:
    shown.volume.GetImageData()
    frame = _graded().frame
    straight = straightened(shown.volume, frame)
    assert straight.shape[0] * straight.spacing[2] == pytest.approx(frame.ends[1] - frame.ends[0], abs=0.7)
    cord = _segment().structures.image
    # The same bend of the cord's mask: its centroid stays near the middle of every row.
    mask = cord.with_array((cord.array > 0).astype(np.float32))
    volume = volume_from_image(shown.scene, mask, name="canal")
    rows = straightened(volume, frame).array
    assert rows.shape == straight.shape
    offsets = []
    for row in rows[10:-10]:
        j, i = np.nonzero(row > 0.5)
        middle = (np.array(row.shape) - 1) / 2
        offsets.append(np.hypot((i.mean() - middle[1]) * 1.0, (j.mean() - middle[0]) * 0.6))
    assert np.max(offsets) < 1.0
