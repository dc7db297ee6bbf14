"""Native markups of measurements: where they lie, how they update, and what becomes of those that a person moved."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import slicer
import vtk

from spinemet.answers import Answers
from spinemet.assess import assess
from spinemet.case import ImageRef, Role, TimePoint
from spinemet.increment import Increment
from spinemet.levels import Level
from spinemet.scene import (
    Group,
    focus_on,
    headless_session,
    marks_from,
    moved_measurements,
    open_scene,
    put_back,
    read_assessment,
    remove_assessment,
    save_scene,
    segmentation_from_labelmaps,
    show_assessment,
    show_group,
    shown_groups,
    stale_inputs,
    volume_from_image,
)
from spinemet.scene.mark_nodes import KEY, MARKS_IN_A_STEP, mark_nodes, mark_steps, moved_nodes
from spinemet.scene.marks import Kind, value_of

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "gui"))
from small_spine import COLLAPSED, images

L3_HEIGHTS = {"anterior height": 13.4, "middle height": 19.0, "posterior height": 24.6}
"""By construction: 19 mm in the middle, a wedge of 24° over a body of 34 mm; see small_spine."""
REF = ImageRef("ct", Role.CT, "frame-1", description="CT", date="2026-03-02", patient_position="HFS", kvp=120.0)


@pytest.fixture(scope="module")
def assessed():
    """The small spine, its assessment and the marks of it."""
    image, vertebrae, lesions = images()
    store = Increment()
    result = assess(image, REF, vertebrae, lesions, store=store, time_point=TimePoint("2026-03-02"), answers=Answers())
    return SimpleNamespace(
        image=image, vertebrae=vertebrae, lesions=lesions, result=result, marks=tuple(marks_from(result, store))
    )


@pytest.fixture
def shown(a_session, assessed):
    """The marks in a scene."""
    volume = volume_from_image(a_session.scene, assessed.image, REF, "CT")
    segmentation = segmentation_from_labelmaps(a_session.scene, [assessed.vertebrae, assessed.lesions], volume)

    def again(marks=assessed.marks):
        return show_assessment(
            a_session.scene, assessed.result, volumes={"ct": volume}, segmentation=segmentation, marks=marks
        )

    return SimpleNamespace(scene=a_session.scene, again=again, parameter=again().parameter_node, volume=volume)


def node_of(parameter, group, name, *levels):
    key = "/".join((group.value, "–".join(level.value for level in levels), name))
    return next(node for node in mark_nodes(parameter) if node.GetAttribute(KEY) == key)


def line_of(parameter, column="anterior"):
    return node_of(parameter, Group.HEIGHTS, f"{column} height", COLLAPSED)


def ends_of(node):
    return np.array([node.GetNthControlPointPositionWorld(index) for index in range(node.GetNumberOfControlPoints())])


def places(parameter):
    return {node.GetAttribute(KEY): ends_of(node).round(3).tolist() for node in mark_nodes(parameter)}


@pytest.mark.parametrize("name", list(L3_HEIGHTS))
def test_height_lines_are_as_long_as_the_body_was_made(shown, name):
    node = node_of(shown.parameter, Group.HEIGHTS, name, COLLAPSED)
    assert node.GetClassName() == "vtkMRMLMarkupsLineNode"
    assert node.GetMeasurement("length").GetValue() == pytest.approx(L3_HEIGHTS[name], abs=1.5)
    assert node.GetMeasurement("length").GetUnits() == "mm"


def test_a_line_says_what_the_assessment_says(shown, assessed):
    for name in L3_HEIGHTS:
        measured = assessed.result[COLLAPSED].measurement(name).value
        length = node_of(shown.parameter, Group.HEIGHTS, name, COLLAPSED).GetMeasurement("length").GetValue()
        assert length == pytest.approx(measured, abs=0.01)


def test_an_angle_shows_the_wedge_that_was_made(shown):
    node = node_of(shown.parameter, Group.ANGLES, "segmental kyphosis L2–L3", Level.L2, Level.L3)
    # L2 is a straight solid, and half of L3's wedge of 24° is at its lower plate.
    assert node.GetMeasurement("angle").GetValue() == pytest.approx(12.0, abs=1.5)
    assert node.GetName() == "L2–L3 kyphosis"


def test_endplates_are_planes_whose_normals_point_out(shown):
    upper = node_of(shown.parameter, Group.ENDPLATES, "superior endplate", COLLAPSED)
    lower = node_of(shown.parameter, Group.ENDPLATES, "inferior endplate", COLLAPSED)
    assert upper.GetNormalWorld()[2] > 0.9 > -0.9 > lower.GetNormalWorld()[2]
    assert upper.GetCenterWorld()[2] > lower.GetCenterWorld()[2] + 10
    assert not upper.GetDisplayNode().GetVisibility()


def test_every_level_has_its_name_in_front_of_it(shown, assessed):
    node = node_of(shown.parameter, Group.LABELS, "levels")
    names = [node.GetNthControlPointLabel(index) for index in range(node.GetNumberOfControlPoints())]
    assert names == ["L1", "L2", "L3", "L4", "L5"]
    for name, place in zip(names, ends_of(node), strict=True):
        right, anterior, superior = assessed.result[Level(name)].frame.to_local(place)
        assert (right, superior) == pytest.approx((0, 0), abs=1e-3)
        assert anterior > 20


def test_names_lie_upon_each_other_in_no_axial_view(shown):
    node = node_of(shown.parameter, Group.LABELS, "levels")
    lateral, axial = (node.GetNthDisplayNode(index) for index in range(2))
    assert lateral.GetSliceProjection() and not lateral.IsDisplayableInView("vtkMRMLSliceNodeRed")
    assert not axial.GetSliceProjection() and axial.IsDisplayableInView("vtkMRMLSliceNodeRed")
    assert lateral.IsDisplayableInView("vtkMRMLSliceNodeYellow") and lateral.IsDisplayableInView("vtkMRMLViewNode1")


def test_measurements_lie_in_one_folder_by_level(shown):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(shown.scene)
    own = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(line_of(shown.parameter)))
    above = hierarchy.GetItemParent(own)
    assert [hierarchy.GetItemName(item) for item in (own, above)] == ["L3", "Measurements"]
    assert hierarchy.GetItemName(hierarchy.GetItemParent(above)) == "SpineMet 2026-03-02"


def test_showing_the_same_again_changes_nothing(shown):
    count, before = shown.scene.GetNumberOfNodes(), places(shown.parameter)
    nodes = mark_nodes(shown.parameter)
    times = [node.GetMTime() for node in nodes]
    shown.again()
    assert (shown.scene.GetNumberOfNodes(), places(shown.parameter)) == (count, before)
    assert mark_nodes(shown.parameter) == nodes
    assert [node.GetMTime() for node in nodes] == times


def test_a_changed_measurement_moves_its_own_node_only(shown, assessed):
    wanted = line_of(shown.parameter)
    times = {node.GetID(): node.GetMTime() for node in mark_nodes(shown.parameter)}
    marks = [
        replace(mark, points=(mark.points[0], (0.0, 0.0, 0.0))) if mark.key == wanted.GetAttribute(KEY) else mark
        for mark in assessed.marks
    ]
    shown.again(marks)
    assert ends_of(wanted)[1].tolist() == [0.0, 0.0, 0.0]
    assert {node.GetID() for node in mark_nodes(shown.parameter) if node.GetMTime() > times[node.GetID()]} == {
        wanted.GetID()
    }


def test_showing_that_is_stopped_half_way_leaves_no_stray_node(shown, assessed):
    remove_assessment(shown.scene, shown.parameter)
    parameter = shown.again([]).parameter_node
    steps = mark_steps(shown.scene, parameter, assessed.marks)
    next(steps)
    steps.close()
    assert 0 < len(mark_nodes(parameter)) < len(assessed.marks)
    markups = shown.scene.GetNumberOfNodesByClass("vtkMRMLMarkupsNode")
    shown.again()
    assert len(mark_nodes(parameter)) == len(assessed.marks)
    made = len(assessed.marks) - MARKS_IN_A_STEP
    assert shown.scene.GetNumberOfNodesByClass("vtkMRMLMarkupsNode") == markups + made


def test_what_is_no_longer_measured_goes_with_its_display(shown, assessed):
    count = shown.scene.GetNumberOfNodes()
    shown.again([mark for mark in assessed.marks if mark.group is not Group.ANGLES])
    gone = sum(mark.group is Group.ANGLES for mark in assessed.marks)
    assert gone > 0
    # A markup, its display node; each pair's folder is no node.
    assert shown.scene.GetNumberOfNodes() == count - 2 * gone


def test_nothing_has_moved_at_first(shown):
    assert moved_measurements(shown.scene, shown.parameter) == ()


def test_a_dragged_end_gives_the_new_length_and_is_never_overwritten(shown, assessed):
    node = line_of(shown.parameter)
    upper, lower = ends_of(node)
    target = upper + 4.0 * (upper - lower) / np.linalg.norm(upper - lower)
    node.SetNthControlPointPositionWorld(0, *target)
    (moved,) = moved_measurements(shown.scene, shown.parameter)
    assert (moved.levels, moved.name, moved.unit) == ((COLLAPSED,), "anterior height", "mm")
    assert moved.value == pytest.approx(
        assessed.result[COLLAPSED].measurement("anterior height").value + 4.0, abs=0.01
    )
    assert np.allclose(moved.points, [target, lower], atol=1e-6)
    shown.again()
    assert np.allclose(ends_of(node)[0], target)
    shown.again([mark for mark in assessed.marks if mark.group is not Group.HEIGHTS])
    assert line_of(shown.parameter) is node


def test_a_slip_of_the_hand_below_a_twentieth_of_a_millimeter_is_no_move(shown):
    node = line_of(shown.parameter)
    upper, _ = ends_of(node)
    node.SetNthControlPointPositionWorld(0, *(upper + 0.02))
    assert moved_nodes(shown.parameter) == []


def test_what_was_moved_can_be_put_back(shown):
    before = places(shown.parameter)
    line_of(shown.parameter).SetNthControlPointPositionWorld(0, 0.0, 0.0, 0.0)
    line_of(shown.parameter, "middle").SetNthControlPointPositionWorld(0, 0.0, 0.0, 0.0)
    put_back(shown.parameter, [line_of(shown.parameter).GetID()])
    assert [item.name for item in moved_measurements(shown.scene, shown.parameter)] == ["middle height"]
    put_back(shown.parameter)
    assert places(shown.parameter) == before


def test_a_raised_endplate_raises_the_heights_of_its_level(shown, assessed):
    plane = node_of(shown.parameter, Group.ENDPLATES, "superior endplate", COLLAPSED)
    shift = 3.0 * np.array(plane.GetNormalWorld())
    before = {name: assessed.result[COLLAPSED].measurement(name).value for name in L3_HEIGHTS}
    flat = {item.name: item.value for item in _after(shown, plane, 0.1 * shift / 3)}
    raised = {item.name: item.value for item in _after(shown, plane, shift)}
    assert set(raised) == set(L3_HEIGHTS)
    for name in L3_HEIGHTS:
        # The plate is flat by construction: its plane gives the heights that were measured, give or take a voxel.
        assert flat[name] == pytest.approx(before[name], abs=1.0)
        assert raised[name] - flat[name] == pytest.approx(2.9, abs=0.2)


def _after(shown, plane, shift):
    put_back(shown.parameter)
    plane.SetCenterWorld(*(np.array(plane.GetCenterWorld()) + shift))
    return moved_measurements(shown.scene, shown.parameter)


def test_a_turned_angle_gives_its_new_value_with_its_sign(shown):
    node = node_of(shown.parameter, Group.ANGLES, "segmental kyphosis L2–L3", Level.L2, Level.L3)
    upper, _, lower = ends_of(node)
    node.SetNthControlPointPositionWorld(0, *lower)
    node.SetNthControlPointPositionWorld(2, *upper)
    (moved,) = moved_measurements(shown.scene, shown.parameter)
    assert moved.value == pytest.approx(-12.0, abs=1.5)
    assert moved.levels == (Level.L2, Level.L3)


@pytest.mark.parametrize(
    ("kind", "points", "axis", "value"),
    [
        (Kind.LINE, [(0, 0, 0), (3, 4, 0)], None, 5.0),
        (Kind.LINE, [(0, 0, 0), (3, 4, 0)], (0, -1, 0), -4.0),
        (Kind.ANGLE, [(1, 0, 0), (0, 0, 0), (0, 2, 0)], None, 90.0),
        # Seen from the right, the arm to the front and up over the one straight to the front: it leans back.
        (Kind.ANGLE, [(0, 1, 1), (0, 0, 0), (0, 1, 0)], (1, 0, 0), -45.0),
        (Kind.ANGLE, [(0, 1, 0), (0, 0, 0), (0, 1, 1)], (1, 0, 0), 45.0),
        (Kind.ANGLE, [(0, 0, 0), (0, 0, 0), (0, 2, 0)], None, None),
        (Kind.LINE, [(0, 0, 0)], None, None),
        (Kind.POINTS, [(0, 0, 0), (3, 4, 0)], None, None),
    ],
)
def test_values_follow_from_points(kind, points, axis, value):
    assert value_of(kind, points, axis) == (None if value is None else pytest.approx(value))


def test_focus_hides_the_marks_of_other_levels_and_shows_values(shown):
    focus_on(shown.parameter, Level.L3)
    assert line_of(shown.parameter).GetDisplayNode().GetVisibility()
    assert line_of(shown.parameter).GetDisplayNode().GetPropertiesLabelVisibility()
    focus_on(shown.parameter, Level.L5)
    assert not line_of(shown.parameter).GetDisplayNode().GetVisibility()
    assert node_of(shown.parameter, Group.LABELS, "levels").GetDisplayNode().GetVisibility()
    focus_on(shown.parameter, None)
    assert line_of(shown.parameter).GetDisplayNode().GetVisibility()
    assert not line_of(shown.parameter).GetDisplayNode().GetPropertiesLabelVisibility()


def test_groups_are_shown_and_hidden_as_a_whole(shown):
    assert Group.ENDPLATES not in shown_groups(shown.parameter)
    show_group(shown.parameter, Group.ENDPLATES, True)
    show_group(shown.parameter, Group.HEIGHTS, False)
    assert node_of(shown.parameter, Group.ENDPLATES, "superior endplate", COLLAPSED).GetDisplayNode().GetVisibility()
    assert not line_of(shown.parameter).GetDisplayNode().GetVisibility()
    assert Group.HEIGHTS not in shown_groups(shown.parameter)


def test_a_mark_that_the_user_hid_stays_hidden(shown):
    line_of(shown.parameter).GetDisplayNode().SetVisibility(False)
    shown.again()
    assert not line_of(shown.parameter).GetDisplayNode().GetVisibility()


def test_without_the_vertebrae_names_and_parts_are_drawn(shown):
    shown.again(None)
    assert {node.GetAttribute(KEY).split("/")[0] for node in mark_nodes(shown.parameter)} <= {
        Group.LABELS.value, Group.PARTS.value,
    }  # fmt: skip


def test_removal_is_clean(shown):
    before = {"vtkMRMLScalarVolumeNode", "vtkMRMLSegmentationNode"}
    remove_assessment(shown.scene, shown.parameter)
    nodes = [shown.scene.GetNthNode(index) for index in range(shown.scene.GetNumberOfNodes())]
    assert not [node.GetID() for node in nodes if node.GetAttribute(KEY) or "Markups" in node.GetClassName()]
    assert not [node.GetID() for node in nodes if "ColorLegend" in node.GetClassName() or node.GetName() == "L3"]
    assert before <= {node.GetClassName() for node in nodes}
    assert read_assessment(shown.scene) == []
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(shown.scene)
    items = vtk.vtkIdList()
    hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), items, True)
    names = [hierarchy.GetItemName(items.GetId(index)) for index in range(items.GetNumberOfIds())]
    assert "Measurements" not in names and "L3" not in names


def test_everything_comes_back_from_a_saved_scene_with_what_was_moved(shown, assessed, tmp_path):
    show_group(shown.parameter, Group.ENDPLATES, True)
    focus_on(shown.parameter, Level.L3)
    upper, _ = ends_of(line_of(shown.parameter))
    line_of(shown.parameter).SetNthControlPointPositionWorld(0, *(upper + np.array([0.0, 0.0, 5.0])))
    before = places(shown.parameter)
    (moved,) = moved_measurements(shown.scene, shown.parameter)
    path = save_scene(shown.scene, tmp_path / "result.mrb")
    with headless_session():
        scene = open_scene(path)
        ((parameter, assessment),) = read_assessment(scene)
        assert assessment == assessed.result
        assert stale_inputs(parameter) == ()
        assert {key: np.round(value, 2).tolist() for key, value in places(parameter).items()} == {
            key: np.round(value, 2).tolist() for key, value in before.items()
        }
        (back,) = moved_measurements(scene, parameter)
        assert (back.name, back.levels) == (moved.name, moved.levels)
        assert back.value == pytest.approx(moved.value, abs=1e-3)
        assert Group.ENDPLATES in shown_groups(parameter)
        assert line_of(parameter).GetDisplayNode().GetPropertiesLabelVisibility()
        count = scene.GetNumberOfNodes()
        show_assessment(
            scene,
            assessment,
            volumes={"ct": scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")},
            segmentation=scene.GetFirstNodeByClass("vtkMRMLSegmentationNode"),
            marks=assessed.marks,
        )
        assert scene.GetNumberOfNodes() == count
        assert [item.name for item in moved_measurements(scene, parameter)] == ["anterior height"]
