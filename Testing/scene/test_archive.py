"""Scenes as .mrb: everything comes back in a fresh session and in a fresh process, or a sentence says why not."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import vtk

from spinemet.colors import GRADE_COLORS
from spinemet.errors import BadInput, OutputError
from spinemet.levels import Level
from spinemet.scene import (
    headless_session,
    image_from_volume,
    labelmaps_from_segmentation,
    open_scene,
    read_assessment,
    ref_from_volume,
    save_scene,
    show_assessment,
    stale_inputs,
)
from spinemet.scores.sins import Category


@pytest.fixture
def a_saved_scene(tmp_path, a_small_spine, a_scene_of, an_assessment_of):
    with headless_session() as session:
        volume, segmentation = a_scene_of(session.scene, a_small_spine)
        show_assessment(
            session.scene, an_assessment_of(), volumes={a_small_spine.ref.key: volume}, segmentation=segmentation
        )
        return save_scene(session.scene, tmp_path / "patient folder" / "result.mrb")


@pytest.fixture
def a_reopened_scene(a_saved_scene, a_session):
    return open_scene(a_saved_scene)


def first(scene, kind):
    return scene.GetFirstNodeByClass(kind)


def tags(segment):
    found = {}
    for name in ("SpineMet.Structure", "SpineMet.Level", "SpineMet.LesionID"):
        text = vtk.reference("")
        if segment.GetTag(name, text):
            found[name.removeprefix("SpineMet.")] = str(text)
    return found


def test_the_volume_comes_back(a_reopened_scene, a_small_spine):
    node = first(a_reopened_scene, "vtkMRMLScalarVolumeNode")
    image = image_from_volume(node)
    assert np.array_equal(image.array, a_small_spine.image.array)
    assert image.array.dtype == a_small_spine.image.array.dtype
    assert np.abs(image.ijk_to_ras - a_small_spine.image.ijk_to_ras).max() < 1e-9
    assert ref_from_volume(node) == a_small_spine.ref
    assert node.GetDisplayNode().GetWindow() == 1800


def test_the_segments_come_back_with_overlaps_names_tags_and_codes(a_reopened_scene, a_small_spine):
    node = first(a_reopened_scene, "vtkMRMLSegmentationNode")
    segmentation = node.GetSegmentation()
    segments = {segment.GetName(): segment for segment in map(segmentation.GetSegment, segmentation.GetSegmentIDs())}
    assert tags(segments["L4 vertebra"]) == {"Structure": "vertebra", "Level": "L4"}
    assert tags(segments["Lesion 2"]) == {"Structure": "lesion", "LesionID": "lesion-2"}
    assert "~SCT^11994002^L4 vertebra~" in segments["L4 vertebra"].GetTerminology()
    vertebrae, lesions = labelmaps_from_segmentation(node, first(a_reopened_scene, "vtkMRMLScalarVolumeNode"))
    assert np.array_equal(vertebrae.binary(vertebrae.levels[Level.L4]), a_small_spine.vertebrae.binary(28))
    back = {outline.lesion_id: lesions.binary(value) for value, outline in lesions.present.items()}
    assert np.array_equal(back["lesion-1"], a_small_spine.lesions.binary(300))
    assert np.array_equal(back["lesion-2"], a_small_spine.lesions.binary(7))


def test_grades_and_evidence_come_back(a_reopened_scene):
    display = first(a_reopened_scene, "vtkMRMLSegmentationNode").GetDisplayNode()
    assert tuple(display.GetSegmentOverrideColor("L3_vertebra")) == pytest.approx(GRADE_COLORS[Category.UNSTABLE])
    evidence = a_reopened_scene.GetFirstNodeByName("L3 evidence")
    places = {
        evidence.GetNthControlPointLabel(index): evidence.GetNthControlPointPositionWorld(index)
        for index in range(evidence.GetNumberOfControlPoints())
    }
    assert places["L3 anterior height 9.8 ± 0.5 mm"] == pytest.approx([-7.5, 8.25, 9.125])
    assert evidence.GetLocked()


def test_the_table_comes_back_to_the_letter(a_reopened_scene):
    table = first(a_reopened_scene, "vtkMRMLTableNode").GetTable()
    columns = {table.GetColumnName(index): index for index in range(table.GetNumberOfColumns())}
    rows = {table.GetValue(row, 0).ToString(): row for row in range(table.GetNumberOfRows())}
    cells = {
        name: [table.GetValue(rows[level], column).ToString() for level in ("L3", "L4", "S1", "T1")]
        for name, column in columns.items()
    }
    assert cells["SINS"] == ["17", "8, 9, 11", "", ""]
    assert cells["Height loss"][0] == "56 ± 4 %"
    assert cells["Pain"] == ["3", "unknown (0, 1, 3)", "", ""]
    assert cells["Remarks"][3] == "beyond the 'CT' image"
    assert cells["Status"][2:] == ["no lesion outlined", "not imaged"]


def test_the_assessment_is_there_without_recomputing_and_not_stale(a_reopened_scene, an_assessment_of):
    ((node, assessment),) = read_assessment(a_reopened_scene)
    assert assessment == an_assessment_of()
    assert stale_inputs(node) == ()


def test_slicers_standard_views_show_the_volume(a_reopened_scene):
    volume = first(a_reopened_scene, "vtkMRMLScalarVolumeNode")
    for name, orientation in (("Red", "Axial"), ("Yellow", "Sagittal"), ("Green", "Coronal")):
        layers = a_reopened_scene.GetSingletonNode(name, "vtkMRMLSliceCompositeNode")
        assert layers.GetBackgroundVolumeID() == volume.GetID()
        assert a_reopened_scene.GetSingletonNode(name, "vtkMRMLSliceNode").GetOrientation() == orientation


def test_an_edit_after_reopening_is_noticed(a_reopened_scene):
    ((node, _),) = read_assessment(a_reopened_scene)
    segmentation = first(a_reopened_scene, "vtkMRMLSegmentationNode").GetSegmentation()
    segmentation.GetSegment("L3_vertebra").GetRepresentation("Binary labelmap").SetScalarComponentFromDouble(
        15, 15, 18, 0, 0
    )
    assert stale_inputs(node) == ("vertebrae",)


def test_reassessing_a_reopened_scene_updates_it(a_reopened_scene, a_small_spine, an_assessment_of):
    before = a_reopened_scene.GetNumberOfNodes()
    show_assessment(
        a_reopened_scene,
        an_assessment_of(),
        volumes={a_small_spine.ref.key: first(a_reopened_scene, "vtkMRMLScalarVolumeNode")},
        segmentation=first(a_reopened_scene, "vtkMRMLSegmentationNode"),
    )
    assert a_reopened_scene.GetNumberOfNodes() == before


def test_it_opens_in_a_fresh_process(a_saved_scene, python_environment):
    code = f"""
from spinemet.scene import headless_session, open_scene, read_assessment, stale_inputs
with headless_session() as session:
    ((node, assessment),) = read_assessment(open_scene({str(a_saved_scene)!r}))
    print(assessment.worst.level, assessment.worst.sins.total, stale_inputs(node))
"""
    result = subprocess.run(
        [sys.executable, "-c", code], env=python_environment, capture_output=True, text=True, timeout=120
    )
    assert (result.stdout.strip(), result.stderr) == ("L3 17 ()", "")


def test_opening_replaces_what_was_in_the_scene(a_saved_scene, a_session):
    a_session.scene.AddNewNodeByClass("vtkMRMLTextNode", "before")
    open_scene(a_saved_scene)
    assert a_session.scene.GetFirstNodeByName("before") is None


def test_a_scene_may_be_saved_again_over_itself(a_saved_scene, a_session, an_assessment_of):
    save_scene(open_scene(a_saved_scene), a_saved_scene)
    ((node, assessment),) = read_assessment(open_scene(a_saved_scene))
    assert assessment == an_assessment_of()
    assert stale_inputs(node) == ()


def test_names_in_the_archive_say_nothing_of_the_patient(a_saved_scene):
    with zipfile.ZipFile(a_saved_scene) as archive:
        names = archive.namelist()
    assert len(names) >= 6
    assert not [name for name in names if "Roe" in name or "ID-77" in name]


def test_nothing_is_left_beside_the_saved_file(a_saved_scene):
    assert [path.name for path in a_saved_scene.parent.iterdir()] == ["result.mrb"]


def test_a_name_that_is_not_a_scene_is_refused(a_session, tmp_path):
    with pytest.raises(OutputError, match=r"ends in \.mrb"):
        save_scene(a_session.scene, tmp_path / "result.zip")
    assert not list(tmp_path.iterdir())


def test_an_unwritable_place_is_said_and_leaves_nothing(a_session, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        save_scene(a_session.scene, tmp_path / "file" / "result.mrb")


def test_a_failed_save_keeps_the_old_file(a_session, tmp_path, monkeypatch):
    target = tmp_path / "result.mrb"
    target.write_bytes(b"the old one")

    class FailingScene:
        def WriteToMRB(self, path):
            Path(path).write_bytes(b"PK half")
            return False

    with pytest.raises(OutputError, match="could not be written"):
        save_scene(FailingScene(), target)
    assert target.read_bytes() == b"the old one"
    assert [path.name for path in tmp_path.iterdir()] == ["result.mrb"]


@pytest.mark.parametrize("damage", ["missing", "text", "cut", "flipped", "no scene"])
def test_what_is_not_a_scene_is_refused_before_the_open_scene_is_touched(a_saved_scene, a_session, tmp_path, damage):
    bad = tmp_path / "bad.mrb"
    whole = a_saved_scene.read_bytes()
    if damage == "text":
        bad.write_text("not an archive")
    elif damage == "cut":
        bad.write_bytes(whole[: len(whole) // 2])
    elif damage == "flipped":
        middle = len(whole) // 2
        bad.write_bytes(
            whole[:middle] + bytes(255 - byte for byte in whole[middle : middle + 64]) + whole[middle + 64 :]
        )
    elif damage == "no scene":
        with zipfile.ZipFile(bad, "w") as archive:
            archive.writestr("readme.txt", "hello")
    kept = a_session.scene.AddNewNodeByClass("vtkMRMLTextNode", "kept")
    with pytest.raises(BadInput, match=r"bad\.mrb"):
        open_scene(bad)
    assert a_session.scene.GetFirstNodeByName("kept") is kept
