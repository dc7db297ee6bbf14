"""The door of the scene room: lazy, and clear about what it needs."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run(code: str, environment: dict[str, str]) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)


def test_importing_the_room_does_not_import_slicer(python_environment):
    result = run("import sys, spinemet.scene; raise SystemExit('slicer' in sys.modules)", python_environment)
    assert result.returncode == 0, result.stderr


def test_without_slicer_core_the_sentence_says_what_to_install(python_environment):
    code = """
import sys
sys.modules["slicer"] = None
from spinemet.errors import MissingDependency
try:
    from spinemet.scene import headless_session
except MissingDependency as error:
    print(error)
"""
    assert 'pip install "spinemet[headless]"' in run(code, python_environment).stdout


def test_the_other_scene_tests_are_run():
    pytest.importorskip("slicer", reason="slicer-core is not installed (pip install spinemet[headless])")
