"""Headless sessions: lazy, repeatable, and silent about what they do not touch."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
import slicer

from spinemet.errors import BadInput
from spinemet.scene import current_scene, headless_session


def run(code: str, environment: dict[str, str]) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)


def test_sessions_may_follow_each_other_and_each_starts_empty():
    for _ in range(3):
        with headless_session() as session:
            assert current_scene() is session.scene
            assert session.scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0
            session.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "left behind").CreateDefaultDisplayNodes()


def test_a_nested_session_gives_the_outer_one_back():
    with headless_session() as outer:
        with headless_session() as inner:
            assert current_scene() is inner.scene
        assert current_scene() is outer.scene
        assert slicer.modules.segmentations.logic() is outer.logics["Segmentations"]


def test_an_error_inside_closes_the_session():
    with pytest.raises(ZeroDivisionError), headless_session():
        raise ZeroDivisionError
    with pytest.raises(BadInput, match="open a headless session"):
        current_scene()


def test_inside_the_application_its_own_scene_is_the_session(monkeypatch):
    scene = slicer.vtkMRMLScene()
    monkeypatch.setattr(slicer, "app", SimpleNamespace(coreIOManager=None), raising=False)
    monkeypatch.setattr(slicer, "mrmlScene", scene, raising=False)
    with headless_session() as session:
        assert session.scene is scene
        scene.AddNewNodeByClass("vtkMRMLTextNode", "the user's")
    assert current_scene() is scene
    assert scene.GetFirstNodeByName("the user's") is not None


def test_a_session_prints_nothing(python_environment):
    code = """
from spinemet.scene import headless_session
for _ in range(2):
    with headless_session() as session:
        session.scene.AddNewNodeByClass("vtkMRMLSegmentationNode").CreateDefaultDisplayNodes()
"""
    result = run(code, python_environment)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
