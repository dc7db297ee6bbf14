"""3D pictures of a scene: what is in them, and what happens without OpenGL."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest

from spinemet.colors import GRADE_COLORS
from spinemet.errors import MissingDependency
from spinemet.scene import render, render_3d, show_assessment
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
    before = scene.GetNumberOfNodes()
    for _ in range(2):
        render_3d(scene, (64, 64))
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
