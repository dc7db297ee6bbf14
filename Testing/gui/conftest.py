"""Fixtures of the GUI tests: the strict host, the module's panel in it, and the small spine in the scene."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest


def _missing() -> str:
    """What the host lacks here, in a sentence; empty when it can be opened."""
    for name in ("slicer", "PySide6.QtWidgets", "PySide6.QtUiTools"):
        try:
            import_module(name)
        except ImportError as error:
            return f"the GUI host needs {name.split('.')[0]}, and cannot import it: {error}"
    return ""


MISSING = _missing()
collect_ignore_glob = ["test_gui_*.py"] if MISSING else []
"""Without slicer-core or PySide6 only `test_host.py` is collected; it skips with the reason."""


@pytest.fixture
def missing() -> str:
    return MISSING


@pytest.fixture
def application() -> Iterator[Any]:
    """The host without the module."""
    from gui.host import open_application

    with open_application() as opened:
        yield opened


@pytest.fixture
def empty_panel(application: Any) -> SimpleNamespace:
    """The module opened in an empty scene."""
    return _panel(application, None)


@pytest.fixture
def panel(application: Any) -> SimpleNamespace:
    """The module opened over the small spine: `widget`, the panels `study`, `outline`, `assess` and `report`.

    `ui` is that of `assess`; `spine` holds the nodes.
    """
    from gui import small_spine

    opened = _panel(application, small_spine.add_to(application.scene))
    # What was measured for one test holds for the next: same voxels, same fingerprints.
    opened.widget.logic._store = _measured()
    return opened


@cache
def _measured() -> Any:
    from spinemet.increment import Increment

    return Increment()


@pytest.fixture
def assessed(panel: SimpleNamespace) -> SimpleNamespace:
    """The small spine after a click on Assess."""
    from gui.host import click

    click(panel.ui.assessButton)
    panel.application.settle()
    assert panel.widget.ui.messageLabel.text() == ""
    return panel


def _panel(application: Any, spine: Any) -> SimpleNamespace:
    widget = application.open_module()
    panels = {name: widget.panel(f"{name.capitalize()}Panel") for name in ("study", "outline", "assess", "report")}
    return SimpleNamespace(application=application, widget=widget, **panels, ui=panels["assess"].ui, spine=spine)
