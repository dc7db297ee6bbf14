"""The assessment in the scene: shown, updated in place, read back, and marked stale when its inputs changed."""

from __future__ import annotations

import json

import numpy as np
import pytest
import slicer
import vtk

from spinemet.colors import GRADE_COLORS
from spinemet.errors import BadInput
from spinemet.levels import Level
from spinemet.scene import (
    image_from_volume,
    read_assessment,
    segmentation_from_labelmaps,
    show_assessment,
    stale_inputs,
    volume_from_image,
)
from spinemet.scores.sins import Category


@pytest.fixture
def a_shown_result(a_session, a_small_spine, a_scene_of, an_assessment_of):
    volume, segmentation = a_scene_of(a_session.scene, a_small_spine)
    result = show_assessment(
        a_session.scene, an_assessment_of(), volumes={a_small_spine.ref.key: volume}, segmentation=segmentation
    )
    return volume, segmentation, result


def table_of(node):
    table = node.GetTable()
    names = [table.GetColumnName(index) for index in range(table.GetNumberOfColumns())]
    rows = range(table.GetNumberOfRows())
    cells = [[table.GetValue(row, column).ToString() for column in range(len(names))] for row in rows]
    return {row[0]: dict(zip(names, row, strict=True)) for row in cells}


def children(scene, parent):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    found = vtk.vtkIdList()
    hierarchy.GetItemChildren(parent, found)
    return [hierarchy.GetItemName(found.GetId(index)) for index in range(found.GetNumberOfIds())]


def test_the_table_has_a_row_for_every_level_and_says_who_gave_the_points(a_shown_result):
    rows = table_of(a_shown_result[2].table)
    assert list(rows) == [level.value for level in Level.ordinary()]
    # L3: mobile 2, mechanical 3, lytic 2, subluxation 4, collapse >50 % 3, both sides 3.
    assert (rows["L3"]["Status"], rows["L3"]["SINS"], rows["L3"]["Category"]) == ("scored", "17", "unstable")
    assert rows["L3"]["Pain"] == "3"
    assert rows["L3"]["Pain source"] == "entered: mechanical"
    assert rows["L3"]["Alignment source"] == "entered: subluxation: reader 1"
    assert rows["L3"]["Collapse source"] == "measured: >50 %"
    assert rows["L3"]["Height loss"] == "56 ± 4 %"
    assert rows["L3"]["Body involvement"] == "81 %"


def test_an_undecided_level_shows_the_totals_still_possible(a_shown_result):
    row = table_of(a_shown_result[2].table)["L4"]
    # mobile 2, pain 0/1/3, lytic 2, normal 0, collapse 3, one side 1.
    assert (row["SINS"], row["Category"]) == ("8, 9, 11", "potentially unstable")
    assert row["Pain"] == "unknown (0, 1, 3)"
    assert row["Pain source"].startswith("unknown: ask the patient")


def test_levels_that_were_not_scored_have_no_points(a_shown_result):
    rows = table_of(a_shown_result[2].table)
    assert (rows["S1"]["Status"], rows["S1"]["SINS"], rows["S1"]["Category"]) == ("no lesion outlined", "", "")
    assert rows["T1"]["Remarks"] == "beyond the 'CT' image"


def test_evidence_lies_where_it_was_measured(a_shown_result):
    node = a_shown_result[2].evidence[Level.L3]
    places = {
        node.GetNthControlPointLabel(index): node.GetNthControlPointPositionWorld(index)
        for index in range(node.GetNumberOfControlPoints())
    }
    assert places == {
        "L3 height loss 56.2 ± 4.0 %": pytest.approx([1.5, 2.25, 3.125]),
        "L3 body involvement 81.0 %": pytest.approx([4.0, 5.0, 6.0]),
        "L3 anterior height 9.8 ± 0.5 mm": pytest.approx([-7.5, 8.25, 9.125]),
    }
    assert node.GetLocked() and node.GetAttribute("SpineMet.Level") == "L3"


def test_names_of_points_do_not_cover_the_picture_until_asked_for(
    a_session, a_shown_result, a_small_spine, an_assessment_of
):
    volume, segmentation, first = a_shown_result
    display = first.evidence[Level.L3].GetDisplayNode()
    assert not display.GetPointLabelsVisibility()
    display.SetPointLabelsVisibility(True)
    show_assessment(
        a_session.scene, an_assessment_of(), volumes={a_small_spine.ref.key: volume}, segmentation=segmentation
    )
    assert display.GetPointLabelsVisibility()


def test_bones_take_the_color_of_their_grade_and_the_others_stay_bone(a_shown_result):
    display = a_shown_result[1].GetDisplayNode()
    assert tuple(display.GetSegmentOverrideColor("L3_vertebra")) == GRADE_COLORS[Category.UNSTABLE]
    assert tuple(display.GetSegmentOverrideColor("L4_vertebra")) == GRADE_COLORS[Category.POTENTIALLY_UNSTABLE]
    for segment_id in ("Sacrum", "lesion-1", "lesion-2"):
        assert display.GetSegmentOverrideColor(segment_id)[0] < 0


def test_the_users_opacity_survives_a_new_grade(a_session, a_shown_result, a_small_spine, an_assessment_of):
    volume, segmentation, _ = a_shown_result
    segmentation.GetDisplayNode().SetSegmentOpacity3D("L3_vertebra", 0.2)
    volumes = {a_small_spine.ref.key: volume}
    show_assessment(a_session.scene, an_assessment_of(), volumes=volumes, segmentation=segmentation)
    assert segmentation.GetDisplayNode().GetSegmentOpacity3D("L3_vertebra") == pytest.approx(0.2)


def test_one_folder_holds_everything(a_session, a_shown_result):
    assert sorted(children(a_session.scene, a_shown_result[2].folder)) == [
        "CT 2026-03-02",
        "L3 evidence",
        "L4 evidence",
        "Spine segmentation",
        "SpineMet assessment 2026-03-02",
        "SpineMet results 2026-03-02",
    ]


def test_results_lie_under_the_study_of_their_volume(a_session, a_small_spine, an_assessment_of):
    scene = a_session.scene
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study = hierarchy.CreateStudyItem(hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "subject"), "study")
    volume = volume_from_image(scene, a_small_spine.image, a_small_spine.ref)
    item = hierarchy.CreateItem(study, volume)
    result = show_assessment(scene, an_assessment_of(), volumes={a_small_spine.ref.key: volume})
    assert hierarchy.GetItemParent(result.folder) == study
    assert hierarchy.GetItemParent(item) == study


def test_no_node_carries_the_patients_name_or_id(a_session, a_shown_result):
    scene = a_session.scene
    names = [scene.GetNthNode(index).GetName() or "" for index in range(scene.GetNumberOfNodes())]
    assert not [name for name in names if "Roe" in name or "ID-77" in name]


def test_the_assessment_is_read_back_as_it_was(a_session, a_shown_result, an_assessment_of):
    ((node, assessment),) = read_assessment(a_session.scene)
    assert node is a_shown_result[2].parameter_node
    assert assessment == an_assessment_of()
    assert json.loads(a_shown_result[2].text.GetText()) == an_assessment_of().to_json()


def test_reassessing_updates_the_same_nodes(a_session, a_shown_result, a_small_spine, an_assessment_of):
    volume, segmentation, first = a_shown_result
    before = a_session.scene.GetNumberOfNodes()
    second = show_assessment(
        a_session.scene,
        an_assessment_of(only=Level.L4),
        volumes={a_small_spine.ref.key: volume},
        segmentation=segmentation,
        existing=first.parameter_node,
    )
    assert (second.table, second.text, second.folder) == (first.table, first.text, first.folder)
    assert second.evidence == {Level.L4: first.evidence[Level.L4]}
    # L3 is no longer scored: its list and the list's display node are gone.
    assert a_session.scene.GetNumberOfNodes() == before - 2
    assert table_of(second.table)["L3"]["Status"] == "not imaged"
    assert segmentation.GetDisplayNode().GetSegmentOverrideColor("L3_vertebra")[0] < 0
    third = show_assessment(
        a_session.scene, an_assessment_of(), volumes={a_small_spine.ref.key: volume}, segmentation=segmentation
    )
    assert third.parameter_node is first.parameter_node
    assert a_session.scene.GetNumberOfNodes() == before


def test_nodes_that_the_user_deleted_are_made_again(a_session, a_shown_result, a_small_spine, an_assessment_of):
    volume, segmentation, first = a_shown_result
    a_session.scene.RemoveNode(first.table)
    a_session.scene.RemoveNode(first.evidence[Level.L3])
    second = show_assessment(
        a_session.scene, an_assessment_of(), volumes={a_small_spine.ref.key: volume}, segmentation=segmentation
    )
    assert table_of(second.table)["L3"]["SINS"] == "17"
    assert second.evidence[Level.L3].GetNumberOfControlPoints() == 3


def test_two_time_points_live_side_by_side(a_session, a_shown_result, a_small_spine, a_scene_of, an_assessment_of):
    volume, segmentation = a_scene_of(a_session.scene, a_small_spine)
    later = an_assessment_of(date="2026-06-01", label="follow-up 1")
    result = show_assessment(
        a_session.scene, later, volumes={a_small_spine.ref.key: volume}, segmentation=segmentation
    )
    assert result.folder != a_shown_result[2].folder
    stored = {assessment.time_point.label: node for node, assessment in read_assessment(a_session.scene)}
    assert stored == {"baseline": a_shown_result[2].parameter_node, "follow-up 1": result.parameter_node}
    a_shown_result[0].GetImageData().SetScalarComponentFromDouble(0, 0, 0, 0, 77)
    assert stale_inputs(stored["baseline"]) == ("image",)
    assert stale_inputs(stored["follow-up 1"]) == ()


def test_the_assessed_image_must_be_in_the_scene(a_session, an_assessment_of):
    with pytest.raises(BadInput, match="load it into the scene"):
        show_assessment(a_session.scene, an_assessment_of(), volumes={})


def test_a_damaged_store_is_said(a_session, a_shown_result):
    a_shown_result[2].text.SetText('{"schema": ')
    with pytest.raises(BadInput, match="damaged"):
        read_assessment(a_session.scene)


def test_a_scene_without_an_assessment_has_none(a_session):
    foreign = a_session.scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
    foreign.SetAttribute("ModuleName", "SpineMetAssessment")
    assert read_assessment(a_session.scene) == []


def test_nothing_is_stale_while_nothing_changed(a_shown_result):
    node = a_shown_result[2].parameter_node
    assert stale_inputs(node) == ()
    assert stale_inputs(node, "answers-1") == ()


def test_a_changed_voxel_makes_the_image_stale(a_shown_result):
    image_from_volume(a_shown_result[0]).array[3, 4, 5] += 1
    assert stale_inputs(a_shown_result[2].parameter_node) == ("image",)


@pytest.mark.parametrize(
    ("segment_id", "ijk", "stale"), [("L4_vertebra", (12, 11, 9), "vertebrae"), ("lesion-1", (13, 15, 14), "lesions")]
)
def test_a_changed_outline_makes_its_kind_stale(a_shown_result, segment_id, ijk, stale):
    segment = a_shown_result[1].GetSegmentation().GetSegment(segment_id)
    segment.GetRepresentation("Binary labelmap").SetScalarComponentFromDouble(*ijk, 0, 0)
    assert stale_inputs(a_shown_result[2].parameter_node) == (stale,)


def test_a_changed_answer_is_compared_when_given(a_shown_result):
    assert stale_inputs(a_shown_result[2].parameter_node, "answers-2") == ("answers",)


def test_a_moved_volume_is_stale(a_session, a_shown_result):
    transform = a_session.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 1.0)
    transform.SetMatrixTransformToParent(matrix)
    a_shown_result[0].SetAndObserveTransformNodeID(transform.GetID())
    assert "image" in stale_inputs(a_shown_result[2].parameter_node)


@pytest.mark.parametrize(("index", "stale"), [(0, ("image", "lesions", "vertebrae")), (1, ("lesions", "vertebrae"))])
def test_inputs_whose_node_is_gone_are_stale(a_session, a_shown_result, index, stale):
    a_session.scene.RemoveNode(a_shown_result[index])
    assert stale_inputs(a_shown_result[2].parameter_node) == stale


def test_an_image_that_cannot_be_read_any_more_is_stale(a_session, a_shown_result):
    a_shown_result[0].SetAndObserveImageData(None)
    assert stale_inputs(a_shown_result[2].parameter_node) == ("image", "lesions", "vertebrae")


def test_results_that_the_user_put_elsewhere_stay_there(a_session, a_shown_result, a_small_spine, an_assessment_of):
    volume, segmentation, first = a_shown_result
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(a_session.scene)
    own = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "my folder")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(first.table), own)
    second = show_assessment(
        a_session.scene, an_assessment_of(), volumes={a_small_spine.ref.key: volume}, segmentation=segmentation
    )
    assert (second.folder, hierarchy.GetItemName(own)) == (own, "my folder")


def test_lesions_that_the_user_chose_are_remembered(a_session, a_small_spine, an_assessment_of):
    scene = a_session.scene
    volume = volume_from_image(scene, a_small_spine.image, a_small_spine.ref)
    node = segmentation_from_labelmaps(scene, [a_small_spine.vertebrae, a_small_spine.lesions], volume)
    for segment_id in ("lesion-1", "lesion-2"):
        segment = node.GetSegmentation().GetSegment(segment_id)
        for name in ("SpineMet.Structure", "SpineMet.LesionID"):
            segment.RemoveTag(name)
        segment.SetTerminology("")
    result = show_assessment(
        scene,
        an_assessment_of(),
        volumes={a_small_spine.ref.key: volume},
        segmentation=node,
        lesion_segment_ids=["lesion-1", "lesion-2"],
    )
    assert stale_inputs(result.parameter_node) == ()


def test_closed_surfaces_are_made_when_asked_for(a_session, a_small_spine, a_scene_of, an_assessment_of):
    volume, segmentation = a_scene_of(a_session.scene, a_small_spine)
    volumes = {a_small_spine.ref.key: volume}
    show_assessment(a_session.scene, an_assessment_of(), volumes=volumes, segmentation=segmentation, surfaces=True)
    surface = vtk.vtkPolyData()
    assert segmentation.GetClosedSurfaceRepresentation("L3_vertebra", surface)
    center = np.array(surface.GetBounds()).reshape(3, 2).mean(axis=1)
    assert center == pytest.approx(a_small_spine.image.to_world([19.5, 16.5, 17.5]), abs=1.0)
