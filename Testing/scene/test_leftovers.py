"""What a person leaves behind by deleting nodes goes; what is the user's stays."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from spinemet.answers import Answers
from spinemet.assess import assessment_by_hand
from spinemet.case import ImageRef, Role
from spinemet.details import CanalProfile, EpiduralDetails, EpiduralLevel
from spinemet.levels import Level
from spinemet.scene import headless_session, remove_assessment, show_assessment
from spinemet.scene.epidural import epidural_nodes, show_epidural
from spinemet.scene.leftovers import remove_result_orphans, remove_servants, servants_of
from spinemet.scores import escc

REF = ImageRef("ct", Role.CT, "frame-1")
KINDS = ("Table", "Text", "Markups", "PlotSeries", "PlotChart", "MarkupsDisplay", "Storage")


@pytest.fixture
def shown() -> Iterator[SimpleNamespace]:
    """A scene with an assessment, epidural grades along a canal, and nodes of the user."""
    with headless_session() as session:
        scene = session.scene
        volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
        said = Answers().with_level(Level.L2, involved=True)
        before = _count(scene)
        parameter = show_assessment(
            scene, assessment_by_hand(REF, said), volumes={REF.key: _filled(volume)}
        ).parameter_node
        nodes = show_epidural(scene, parameter, _details())
        yield SimpleNamespace(scene=scene, parameter=parameter, nodes=nodes, before=before)


def _filled(volume: Any) -> Any:
    import numpy as np
    import slicer

    slicer.util.updateVolumeFromArray(volume, np.zeros((3, 3, 3), np.int16))
    return volume


def _details() -> EpiduralDetails:
    places = (0.0, 5.0, 10.0)
    centers = tuple((0.0, 0.0, -place) for place in places)
    values = (1.0, 2.0, 3.0)
    profile = CanalProfile(places, (Level.L2,) * 3, centers, values, values, values, values)
    grade = escc.entered_grade(Level.L2, "2", reader="AB", reason="")
    level = EpiduralLevel(grade, position=centers[1])
    return EpiduralDetails("ct", Role.CT, "construction", (level,), profile)


def _count(scene: Any) -> dict[str, int]:
    return {kind: scene.GetNumberOfNodesByClass(f"vtkMRML{kind}Node") for kind in KINDS}


def test_removing_an_assessment_takes_its_epidural_grades_along(shown: SimpleNamespace) -> None:
    assert len(shown.nodes) >= 5
    remove_assessment(shown.scene, shown.parameter)
    assert _count(shown.scene) == shown.before
    hierarchy = shown.scene.GetSubjectHierarchyNode()
    assert not hierarchy.GetItemChildWithName(hierarchy.GetSceneItemID(), "Epidural")


def test_a_time_point_that_was_deleted_takes_all_its_results_along(shown: SimpleNamespace) -> None:
    shown.scene.RemoveNode(shown.parameter)
    remove_result_orphans(shown.scene, [])
    assert _count(shown.scene) == shown.before


def test_what_a_time_point_refers_to_stays(shown: SimpleNamespace) -> None:
    before = _count(shown.scene)
    remove_result_orphans(shown.scene, [shown.parameter])
    assert _count(shown.scene) == before


def test_a_plot_goes_with_its_table(shown: SimpleNamespace) -> None:
    shown.scene.RemoveNode(shown.nodes["table"])
    remove_result_orphans(shown.scene, [shown.parameter])
    assert sorted(epidural_nodes(shown.parameter)) == ["curve", "grades"]
    assert _count(shown.scene)["PlotSeries"] == _count(shown.scene)["PlotChart"] == 0


def test_display_and_storage_go_with_a_mark_of_ours(shown: SimpleNamespace) -> None:
    mark = shown.nodes["grades"]
    mark.AddDefaultStorageNode()
    servants = servants_of(mark)
    assert len(servants) == 2
    shown.scene.RemoveNode(mark)
    remove_servants(shown.scene, servants)
    assert [shown.scene.GetNodeByID(key) for key in servants] == [None, None]


def test_what_serves_another_node_too_stays(shown: SimpleNamespace) -> None:
    mark, other = shown.nodes["grades"], shown.scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "the user's")
    display = mark.GetDisplayNode()
    other.SetAndObserveDisplayNodeID(display.GetID())
    servants = servants_of(mark)
    shown.scene.RemoveNode(mark)
    remove_servants(shown.scene, servants)
    assert shown.scene.GetNodeByID(display.GetID()) is display


def test_nodes_of_the_user_have_no_servants_of_ours(shown: SimpleNamespace) -> None:
    own = shown.scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "the user's")
    own.CreateDefaultDisplayNodes()
    own.AddDefaultStorageNode()
    assert servants_of(own) == ()
