"""3D pictures of a scene: what is in them, and what happens without OpenGL."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest

from spinemet.anatomy.frame import VertebraFrame
from spinemet.colors import GRADE_COLORS
from spinemet.errors import MissingDependency
from spinemet.image import Image
from spinemet.scene import (
    Look,
    remove_clipping_plane,
    render,
    render_3d,
    render_slice,
    set_look,
    show_assessment,
    show_clipping_plane,
    volume_from_image,
)
from spinemet.scene.views import prepare_views
from spinemet.scores.sins import Category


@pytest.fixture
def opengl():
    try:
        render.require_opengl()
    except MissingDependency as error:
        pytest.skip(str(error))


@pytest.fixture
def a_result(a_session, a_small_spine, a_scene_of, an_assessment_of):
    volume, segmentation = a_scene_of(a_session.scene, a_small_spine)
    show_assessment(
        a_session.scene, an_assessment_of(), volumes={a_small_spine.ref.key: volume}, segmentation=segmentation
    )
    segmentation.GetDisplayNode().SetAllSegmentsOpacity3D(1.0)
    return a_session.scene, segmentation


def share_near(picture, color, tolerance=0.12):
    """Share of the pixels whose hue is that of `color` (shading changes lightness, not the ratios)."""
    pixels = picture.reshape(-1, 3).astype(float)
    drawn = pixels[pixels.min(axis=1) < 250]
    unit = drawn / np.maximum(1, np.linalg.norm(drawn, axis=1))[:, None]
    wanted = np.array(color) / np.linalg.norm(color)
    return np.count_nonzero(np.linalg.norm(unit - wanted, axis=1) < tolerance) / len(pixels)


def test_the_picture_shows_bones_in_their_grades_head_up(opengl, a_result):
    picture = render_3d(a_result[0], (300, 400))
    assert picture.shape == (400, 300, 3) and picture.dtype == np.uint8
    assert (picture[:5] == 255).all()
    assert share_near(picture, GRADE_COLORS[Category.UNSTABLE]) > 0.02
    assert share_near(picture, GRADE_COLORS[Category.POTENTIALLY_UNSTABLE]) > 0.02
    upper, lower = picture[:200], picture[200:]
    assert share_near(upper, GRADE_COLORS[Category.UNSTABLE]) > share_near(lower, GRADE_COLORS[Category.UNSTABLE])


def test_a_picture_leaves_the_scene_as_it_was(opengl, a_result):
    scene, segmentation = a_result
    scene.GetFirstNodeByName("L3 evidence").GetDisplayNode().SetVisibility(True)
    before = scene.GetNumberOfNodes()
    for _ in range(2):
        render_3d(scene, (64, 64))
        render_3d(scene, (64, 64), evidence=True)
        render_slice(scene, scene.GetSingletonNode("Yellow", "vtkMRMLSliceNode"), (64, 64))
    assert scene.GetNumberOfNodes() == before
    assert not segmentation.GetSegmentation().ContainsRepresentation("Closed surface")
    assert scene.GetFirstNodeByName("L3 evidence").GetDisplayNode().GetVisibility()


def test_without_opengl_the_sentence_says_what_to_install(a_result, monkeypatch):
    crashed = subprocess.CompletedProcess([], -11)
    monkeypatch.setattr(render.subprocess, "run", lambda *args, **kwargs: crashed)
    render._opengl_works.cache_clear()
    try:
        with pytest.raises(MissingDependency, match="libegl1"):
            render_3d(a_result[0])
    finally:
        render._opengl_works.cache_clear()


def test_a_slice_shows_its_own_cut_of_the_volume(opengl, a_session):
    # A dark block of 40 mm, bright toward the patient's right and head: the reader's upper left.
    array = np.zeros((20, 20, 20), np.int16)
    array[10:, :, 10:] = 100
    matrix = np.diag([2.0, 2.0, 2.0, 1.0])
    matrix[:3, 3] = -19.0
    volume = volume_from_image(a_session.scene, Image(array, matrix, name="CT"), name="CT")
    volume.GetDisplayNode().AutoWindowLevelOff()
    volume.GetDisplayNode().SetWindowLevel(100, 50)
    prepare_views(a_session.scene, volume, (0.0, 0.0, 0.0))
    picture = render_slice(a_session.scene, a_session.scene.GetSingletonNode("Green", "vtkMRMLSliceNode"), (80, 60))
    assert picture.shape == (60, 80, 3)
    assert [picture[row, column].max() for row in (20, 40) for column in (30, 50)] == [255, 0, 0, 0]


def test_pictures_with_evidence_carry_the_legend_in_words_and_color(opengl, a_result):
    plain, labeled = (render_3d(a_result[0], (500, 400), background=(0.0, 0.0, 0.0), evidence=own) for own in (0, 1))
    corner = np.s_[:130, 350:]
    assert share_near(labeled[corner], GRADE_COLORS[Category.STABLE]) > 0.01
    assert share_near(plain[corner], GRADE_COLORS[Category.STABLE]) == 0
    # White letters beside the colors.
    gray = np.ptp(labeled[corner].astype(int), axis=2) < 10
    assert np.count_nonzero(gray & (labeled[corner][..., 0] > 100)) > 50


def test_a_clipping_plane_opens_bone_and_lets_it_close_again(opengl, a_result):
    scene, segmentation = a_result
    frame = VertebraFrame.from_directions(center_of(segmentation, "L3_vertebra"), (0, 0, 1), (0, 1, 0))
    count = scene.GetNumberOfNodes()
    whole = render_3d(scene, (200, 200), view_from=(1.0, 0.0, 0.0))
    plane = show_clipping_plane(scene, segmentation, frame, cut="axial")
    cut = render_3d(scene, (200, 200), view_from=(1.0, 0.0, 0.0), look_at=frame.origin, height_mm=200)
    # Everything above the plane, that is above the middle of the picture, is gone.
    assert (cut[:95] == 255).all() and not (cut[105:] == 255).all()
    assert plane.GetNormalWorld()[2] == pytest.approx(-1.0)
    remove_clipping_plane(scene, segmentation)
    assert scene.GetNumberOfNodes() == count
    assert np.array_equal(render_3d(scene, (200, 200), view_from=(1.0, 0.0, 0.0)), whole)


def test_bone_is_as_opaque_as_its_look(a_result):
    _, segmentation = a_result
    display = segmentation.GetDisplayNode()
    for look, opacity in ((Look.GHOST, 0.15), (Look.SOLID, 1.0), (Look.HIDDEN, 0.0)):
        set_look(segmentation, look)
        assert display.GetSegmentOpacity3D("L3_vertebra") == pytest.approx(opacity)
        assert display.GetSegmentOpacity3D("lesion-1") == 1.0


def center_of(segmentation, segment_id):
    bounds = [0.0] * 6
    segmentation.CreateClosedSurfaceRepresentation()
    segmentation.GetSegmentation().GetSegment(segment_id).GetBounds(bounds)
    segmentation.RemoveClosedSurfaceRepresentation()
    return tuple(np.array(bounds).reshape(3, 2).mean(axis=1).tolist())
