"""Slice views: cuts in a vertebra's own frame, back again, layouts, and the prior that follows the current spine."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import slicer

from spinemet.anatomy.frame import VertebraFrame
from spinemet.image import Image
from spinemet.levels import Level
from spinemet.scene import (
    Layout,
    LinkedByVertebra,
    Shown,
    cut_to_frame,
    fill_views,
    frames_of,
    jump_to,
    register_layouts,
    slice_nodes,
    to_standard,
    volume_from_image,
)
from spinemet.scene.cuts import is_cut
from spinemet.scene.layouts import MR_SAGITTAL, PRIOR_AXIAL, PRIOR_GROUP, PRIOR_SAGITTAL, TABLE, describe, flicker
from spinemet.scene.side_by_side import same_place

TILTED = VertebraFrame.from_directions((5.0, -20.0, 100.0), (0.1, 0.4, 0.9), (0.2, 1.0, -0.3))


@pytest.fixture
def views(a_session):
    """The scene with the views of all our layouts, made by Slicer's own layout logic."""
    logic = slicer.vtkMRMLLayoutLogic()
    logic.SetMRMLScene(a_session.scene)
    layouts = logic.GetLayoutNode()
    register_layouts(layouts)
    for layout in Layout:
        layouts.SetViewArrangement(int(layout))
    for node in slice_nodes(a_session.scene, None):
        node.SetDimensions(300, 200, 1)
        node.SetFieldOfView(180.0, 120.0, 1.0)
        own = slicer.vtkMRMLSliceCompositeNode()
        own.SetSingletonTag(node.GetLayoutName())
        own.SetLayoutName(node.GetLayoutName())
        a_session.scene.AddNode(own)
    yield a_session.scene
    logic.SetMRMLScene(None)


def view(scene, name):
    return scene.GetSingletonNode(name, "vtkMRMLSliceNode")


def matrix(node):
    place = node.GetSliceToRAS()
    return np.array([[place.GetElement(row, column) for column in range(4)] for row in range(4)])


@pytest.mark.parametrize(
    ("name", "across", "up", "normal"),
    [
        # What the reader sees: the patient's left at the right, the front or the head on top.
        ("Red", "left", "anterior", "superior"),
        ("Yellow", "posterior", "superior", "left"),
        ("Green", "left", "superior", "anterior"),
        (MR_SAGITTAL, "posterior", "superior", "left"),
    ],
)
def test_views_are_cut_along_the_axes_of_the_vertebra(views, name, across, up, normal):
    axes = {"right": TILTED.right, "anterior": TILTED.anterior, "superior": TILTED.superior}
    axes |= {"left": np.negative(TILTED.right), "posterior": np.negative(TILTED.anterior)}
    cut_to_frame(slice_nodes(views), TILTED)
    found = matrix(view(views, name))
    for column, wanted in zip(range(3), (across, up, normal), strict=True):
        assert found[:3, column] == pytest.approx(axes[wanted])
    assert found[:3, 3] == pytest.approx(TILTED.origin)


def test_the_evidence_lies_in_the_middle_at_the_zoom_asked_for(views):
    jump_to(views, (1.0, 2.0, 3.0), frame=TILTED, width_mm=90.0)
    node = view(views, "Yellow")
    assert matrix(node)[:3, 3] == pytest.approx([1.0, 2.0, 3.0])
    assert node.GetFieldOfView()[:2] == pytest.approx([90.0, 60.0])
    to_ras = np.array([[node.GetXYToRAS().GetElement(row, column) for column in range(4)] for row in range(4)])
    assert (to_ras @ [150, 100, 0, 1])[:3] == pytest.approx([1.0, 2.0, 3.0], abs=0.5)


def test_back_is_what_was_before(views):
    before = {node.GetID(): (node.GetOrientation(), node.GetFieldOfView()[0]) for node in slice_nodes(views)}
    jump_to(views, (1.0, 2.0, 3.0), frame=TILTED)
    jump_to(views, (4.0, 5.0, 6.0), frame=TILTED, width_mm=50.0)
    assert all(is_cut(node) for node in slice_nodes(views))
    to_standard(slice_nodes(views))
    after = {node.GetID(): (node.GetOrientation(), node.GetFieldOfView()[0]) for node in slice_nodes(views)}
    assert after == before
    assert matrix(view(views, "Red"))[:3, 3] == pytest.approx([4.0, 5.0, 6.0])
    assert not is_cut(view(views, "Red"))


def test_without_a_frame_views_keep_their_orientation(views):
    jump_to(views, (1.0, 2.0, 3.0), width_mm=None)
    assert view(views, "Yellow").GetOrientation() == "Sagittal"
    assert view(views, "Yellow").GetFieldOfView()[0] == pytest.approx(180.0)
    assert matrix(view(views, "Yellow"))[:3, 3] == pytest.approx([1.0, 2.0, 3.0])


def test_a_view_that_the_user_turned_is_cut_by_its_nearest_plane(views):
    node = view(views, "Red")
    node.SetOrientation("Axial")
    turned = matrix(node)
    angle = np.radians(20)
    turned[:3, :3] = (
        np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]) @ turned[:3, :3]
    )
    for row in range(3):
        for column in range(3):
            node.GetSliceToRAS().SetElement(row, column, turned[row, column])
    node.UpdateMatrices()
    cut_to_frame([node], TILTED)
    assert matrix(node)[:3, 2] == pytest.approx(TILTED.superior)


def test_only_the_views_of_the_group_move(views):
    before = matrix(view(views, PRIOR_SAGITTAL))
    jump_to(views, (1.0, 2.0, 3.0), frame=TILTED)
    assert np.array_equal(matrix(view(views, PRIOR_SAGITTAL)), before)
    jump_to(views, (1.0, 2.0, 3.0), frame=TILTED, group=PRIOR_GROUP)
    assert matrix(view(views, PRIOR_AXIAL))[:3, 2] == pytest.approx(TILTED.superior)


@pytest.mark.parametrize("layout", list(Layout))
def test_layouts_are_well_formed_and_name_each_view_once(layout):
    tags = [item.get("singletontag") for item in ElementTree.fromstring(describe(layout)).iter("view")]
    assert len(tags) == len(set(tags)) >= 3
    assert int(layout) > 1000


def test_slicers_layout_logic_makes_our_views(views):
    assert view(views, MR_SAGITTAL).GetOrientation() == "Sagittal"
    assert view(views, PRIOR_AXIAL).GetOrientation() == "Axial"
    assert view(views, PRIOR_AXIAL).GetViewGroup() == PRIOR_GROUP
    assert views.GetSingletonNode(TABLE, "vtkMRMLTableViewNode") is not None


def test_layouts_may_be_registered_again_after_a_reload(a_session):
    node = slicer.vtkMRMLLayoutNode()
    a_session.scene.AddNode(node)
    register_layouts(node)
    node.SetLayoutDescription(int(Layout.ASSESS), "<layout/>")
    register_layouts(node)
    assert node.GetLayoutDescription(int(Layout.ASSESS)) == describe(Layout.ASSESS)


def test_volumes_go_into_their_views_and_groups_are_linked(views):
    image = Image(np.zeros((4, 4, 4), np.int16), np.eye(4), name="image")
    ct, mr, prior = (volume_from_image(views, image, name=name) for name in ("CT", "MR", "prior"))
    table = views.AddNewNodeByClass("vtkMRMLTableNode")
    fill_views(views, Shown(ct, mr, prior, table))
    wanted = {"Red": ct, "Yellow": ct, "Green": ct, MR_SAGITTAL: mr, PRIOR_SAGITTAL: prior}
    for name, volume in wanted.items():
        layers = views.GetSingletonNode(name, "vtkMRMLSliceCompositeNode")
        assert layers.GetBackgroundVolumeID() == volume.GetID()
        assert layers.GetLinkedControl() and layers.GetHotLinkedControl()
    assert views.GetSingletonNode(TABLE, "vtkMRMLTableViewNode").GetTableNodeID() == table.GetID()


def test_flicker_shows_one_image_then_the_other(views):
    layers = views.GetSingletonNode("Red", "vtkMRMLSliceCompositeNode")
    seen = []
    for _ in range(4):
        flicker(layers)
        seen.append(layers.GetForegroundOpacity())
    assert seen in ([1.0, 0.0] * 2, [0.0, 1.0] * 2)


def spine(tilt_deg=0.0, shift=(0.0, 0.0, 0.0)):
    """Three levels 40 mm apart, turned forward by `tilt_deg` more from each to the next."""
    frames, place, angle = {}, np.array(shift, dtype=float), 0.0
    for level in (Level.L3, Level.L2, Level.L1):
        up = np.array([0.0, np.sin(angle), np.cos(angle)])
        frames[level] = VertebraFrame.from_directions(place, up, (0.0, np.cos(angle), -np.sin(angle)))
        place, angle = place + 40.0 * up, angle + np.radians(tilt_deg)
    return frames


def test_a_place_in_a_vertebra_is_the_same_place_in_the_prior():
    here, there = spine(), spine(12.0, (3.0, -8.0, 200.0))
    for level, frame in here.items():
        place = np.eye(4)
        place[:3, 3] = frame.origin
        found = same_place(place, here, there)
        assert found[:3, 3] == pytest.approx(there[level].origin)
        assert found[:3, 2] == pytest.approx(there[level].superior)


def test_scrolling_from_a_vertebra_to_the_next_is_smooth():
    here, there = spine(), spine(12.0)
    path = []
    for height in np.linspace(-20.0, 100.0, 241):
        place = np.eye(4)
        place[:3, 3] = (0.0, 0.0, height)
        found = same_place(place, here, there)
        assert found[:3, :3] @ found[:3, :3].T == pytest.approx(np.eye(3), abs=1e-9)
        path.append(found[:3, 3])
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    assert steps.max() < 1.0 and steps.min() > 0.3


def test_time_points_without_a_common_level_are_not_linked():
    assert same_place(np.eye(4), spine(), {Level.T5: TILTED}) is None


def test_the_priors_views_follow_and_lead(views):
    here, there = spine(), spine(12.0, (3.0, -8.0, 200.0))
    linked = LinkedByVertebra(views, here, there)
    jump_to(views, here[Level.L2].origin, frame=here[Level.L2], width_mm=77.0)
    prior = view(views, PRIOR_SAGITTAL)
    assert matrix(prior)[:3, 3] == pytest.approx(there[Level.L2].origin)
    assert prior.GetFieldOfView()[0] == pytest.approx(77.0)
    jump_to(views, there[Level.L1].origin, frame=there[Level.L1], group=PRIOR_GROUP)
    assert matrix(view(views, "Yellow"))[:3, 3] == pytest.approx(here[Level.L1].origin)
    linked.close()
    jump_to(views, here[Level.L3].origin, frame=here[Level.L3])
    assert matrix(prior)[:3, 3] == pytest.approx(there[Level.L1].origin)


def test_frames_come_from_the_assessment(an_assessment_of):
    assert frames_of(an_assessment_of()) == {}
