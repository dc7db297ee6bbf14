"""Whatever happened to the scene: every widget works, or says what is wrong, changes nothing then, and logs once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from PySide6 import QtWidgets
from shiboken6 import isValid

from gui.host import answer, type_text
from gui.scene_state import state_of
from gui.troubles import SITUATIONS, faults, said

from __feature__ import true_property  # noqa: F401  # isort: skip

import spinemet.assess
import spinemet.scene.result  # noqa: F401

# Every widget, whatever happened before


@pytest.fixture
def canceled_dialogs(assessed: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, "QFileDialog", getSaveFileName=lambda *_, **__: ("", ""))
    answer(monkeypatch, "QDesktopServices", openUrl=lambda url: None)


def _operations(panel: SimpleNamespace) -> list[tuple[Any, Callable[[Any], None]]]:
    """Every widget with a name, and what a user does with it."""
    root = panel.application.representation
    found: list[tuple[Any, Callable[[Any], None]]] = []
    for kind, act in (
        (QtWidgets.QAbstractButton, lambda widget: widget.click()),
        (QtWidgets.QComboBox, _choose_last),
        (QtWidgets.QTableWidget, _click_first),
        (QtWidgets.QLineEdit, lambda widget: type_text(widget, "x")),
        (QtWidgets.QSlider, lambda widget: setattr(widget, "value", widget.value + 1)),
    ):
        named = [item for item in root.findChildren(kind) if item.objectName and "qt_" not in item.objectName]
        found += [(item, act) for item in named]
    return found


def _choose_last(combo: Any) -> None:
    combo.currentIndex = combo.count - 1
    combo.activated.emit(combo.count - 1)


def _click_first(table: Any) -> None:
    if table.rowCount:
        table.setCurrentCell(0, 0)
        table.cellClicked.emit(0, 0)


def _crawl(panel: SimpleNamespace, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Use every widget that is there and enabled; what went wrong, in sentences."""
    wrong = []
    scene = panel.application.scene
    for widget, act in _operations(panel):
        if not isValid(widget) or not widget.enabled or not widget.visible:
            continue
        name = widget.objectName
        caplog.clear()
        before = state_of(scene, answers=False)
        try:
            act(widget)
            panel.application.settle()
        except AssertionError as error:
            wrong.append(f"{name} raised: {str(error).strip().splitlines()[-1]}")
            continue
        wrong += [f"{name}: {item}" for item in faults(panel, caplog)]
        failed = [text for text in said(caplog) if text == panel.widget.ui.messageLabel.text]
        if failed and state_of(scene, answers=False) != before:
            wrong.append(f"{name} said '{failed[0]}' and changed the scene")
    return wrong


SAMPLE = ("the answers are damaged", "the image was deleted", "every outline was erased")
"""In `make test`."""


@pytest.mark.parametrize(
    "situation", [name if name in SAMPLE else pytest.param(name, marks=pytest.mark.bars) for name in SITUATIONS]
)
def test_every_widget_says_what_is_wrong_and_changes_nothing_then(
    assessed: SimpleNamespace, situation: str, caplog: pytest.LogCaptureFixture, canceled_dialogs: None
) -> None:
    assessed.widget._parameterNode.openPanels = " ".join(type(item).__name__ for item in assessed.widget.panels)
    assessed.widget.ui.viewButton.checked = True
    assessed.application.settle()
    with caplog.at_level(logging.ERROR):
        SITUATIONS[situation](assessed)
        assessed.application.settle()
        assert not [*faults(assessed, caplog), *_crawl(assessed, caplog)]
