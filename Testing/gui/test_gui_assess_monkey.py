"""A seeded monkey over all panels: whatever it does in whatever order, no exception and no node that hangs loose."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PySide6 import QtCore, QtWidgets

from __feature__ import true_property  # noqa: F401  # isort: skip

import spinemet.assess
import spinemet.scene.result  # noqa: F401
from gui import small_spine
from gui.host import answer

SAMPLE = range(6)
"""In `make test`."""
ALL = range(50)
"""In `make bars`."""
ACTIONS = 14
_MARKED = ("SpineMet.Mark", "SpineMet.Level", "SpineMet.Result")
"""Attributes of the nodes that a time point refers to."""


@pytest.fixture
def canceled_dialogs(assessed: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dialogs answer at once, as if the user had pressed Cancel."""
    answer(
        monkeypatch, "QFileDialog", getSaveFileName=lambda *_, **__: ("", ""),
        getOpenFileName=lambda *_, **__: ("", ""), getExistingDirectory=lambda *_, **__: "",
    )  # fmt: skip


class _Monkey:
    """Does what a user can do, at random."""

    def __init__(self, panel: SimpleNamespace, seed: int, folder: Path) -> None:
        self.panel, self.folder = panel, folder
        self.random = np.random.default_rng(seed)
        self.did: list[str] = []

    def act(self) -> None:
        actions = (self.press, self.press, self.press, self.choose, self.choose, self.row, self.paint)
        rare = (self.remove, self.close, self.save_and_open, self.load_again, self.leave)
        pool = rare if self.random.random() < 0.2 else actions
        pool[self.random.integers(len(pool))]()
        self.panel.application.settle()

    def press(self) -> None:
        buttons = [*self._widgets(QtWidgets.QAbstractButton)]
        if buttons:
            button = self._one(buttons)
            self.did.append(f"press {button.objectName}")
            button.click()

    def choose(self) -> None:
        combos = [combo for combo in self._widgets(QtWidgets.QComboBox) if combo.count > 1]
        if combos:
            combo = self._one(combos)
            index = int(self.random.integers(combo.count))
            self.did.append(f"choose {combo.itemText(index)} in {combo.objectName}")
            combo.currentIndex = index
            combo.activated.emit(index)

    def row(self) -> None:
        tables = [table for table in self._widgets(QtWidgets.QTableWidget) if table.rowCount]
        if tables:
            table = self._one(tables)
            row = int(self.random.integers(table.rowCount))
            self.did.append(f"row {row} of {table.objectName}")
            table.setCurrentCell(row, 0)
            table.cellClicked.emit(row, 0)

    def paint(self) -> None:
        import slicer

        node = self._scene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
        segments = list(node.GetSegmentation().GetSegmentIDs()) if node is not None else []
        if not segments:
            return
        segment = self._one(segments)
        data = node.GetSegmentation().GetSegment(segment).GetRepresentation("Binary labelmap")
        if data is None or data.IsEmpty():
            return
        voxels = slicer.util.arrayFromSegmentInternalBinaryLabelmap(node, segment)
        corner = [int(self.random.integers(n)) for n in voxels.shape]
        voxels[tuple(slice(n, n + 4) for n in corner)] = 0
        data.Modified()
        self.did.append(f"paint in {segment}")
        node.GetSegmentation().InvokeEvent(node.GetSegmentation().SourceRepresentationModified)

    def remove(self) -> None:
        kinds = (
            "Segmentation",
            "ScalarVolume",
            "Table",
            "Text",
            "MarkupsFiducial",
            "MarkupsLine",
            "MarkupsAngle",
            "MarkupsPlane",
            "ScriptedModule",
        )
        kind = f"vtkMRML{self._one(kinds)}Node"
        node = self._scene.GetFirstNodeByClass(kind)
        if node is not None:
            self.did.append(f"remove {kind}")
            # As the scene does it: what serves the node alone stays behind.
            self._scene.RemoveNode(node)

    def close(self) -> None:
        self.did.append("close the scene")
        self.panel.application.close_scene()
        self.load_again()

    def load_again(self) -> None:
        self.did.append("load")
        small_spine.add_to(self._scene)
        self.panel.widget.initializeParameterNode()

    def save_and_open(self) -> None:
        import slicer

        self.did.append("save, close, open")
        target = self.folder / f"{len(self.did)}.mrb"
        slicer.util.saveScene(str(target))
        self.panel.application.close_scene()
        slicer.util.loadScene(str(target))

    def leave(self) -> None:
        self.did.append("leave and enter")
        self.panel.application.representation.exit()
        self.panel.application.settle()
        self.panel.application.representation.enter()

    @property
    def _scene(self) -> Any:
        return self.panel.application.scene

    def _widgets(self, kind: type) -> list[Any]:
        found = self.panel.application.representation.findChildren(kind)
        return [item for item in found if item.enabled and item.visible and item.objectName]

    def _one(self, items: Any) -> Any:
        return items[int(self.random.integers(len(items)))]


def _dangling(scene: Any) -> list[str]:
    """Nodes of ours that nothing refers to, and references that lead nowhere."""
    parameters = [
        node for node in _nodes(scene, "vtkMRMLScriptedModuleNode") if node.GetAttribute("ModuleName") is not None
    ]
    held = {
        node.GetNthNodeReferenceID(role, index)
        for node in parameters
        for role in _roles(node)
        for index in range(node.GetNumberOfNodeReferences(role))
    }
    ours = [node for node in _nodes(scene, "vtkMRMLNode") if any(node.GetAttribute(name) for name in _MARKED)]
    lost = [node.GetName() for node in ours if node.GetID() not in held]
    lost += [f"chart {node.GetID()}" for node in _nodes(scene, "vtkMRMLPlotSeriesNode") if node.GetTableNode() is None]
    lost += [f"storage {node.GetID()}" for node in _nodes(scene, "vtkMRMLStorageNode") if _is_idle(scene, node)]
    displays = [node for node in _nodes(scene, "vtkMRMLMarkupsDisplayNode") if node.GetAttribute("SpineMet.Display")]
    lost += [f"display {node.GetID()}" for node in displays if node.GetDisplayableNode() is None]
    segmentations = [node.GetDisplayNode() for node in _nodes(scene, "vtkMRMLSegmentationNode")]
    roles = ("SpineMet.ClippingPlane", "SpineMet.Clip")
    used = {display.GetNodeReferenceID(role) for display in filter(None, segmentations) for role in roles}
    clipping = (*_nodes(scene, "vtkMRMLMarkupsPlaneNode"), *_nodes(scene, "vtkMRMLClipNode"))
    ours = [node for node in clipping if node.GetAttribute("SpineMet.Clipping")]
    return [*lost, *(node.GetName() for node in ours if node.GetID() not in used)]


def _roles(node: Any) -> list[str]:
    roles: list[str] = []
    node.GetNodeReferenceRoles(roles)
    return roles


def _is_idle(scene: Any, storage: Any) -> bool:
    """Whether a storage node of a kind that serves our nodes serves none."""
    kinds = ("vtkMRMLMarkupsJsonStorageNode", "vtkMRMLTableStorageNode", "vtkMRMLTextStorageNode")
    if storage.GetClassName() not in kinds:
        return False
    return not any(node.GetStorageNodeID() == storage.GetID() for node in _nodes(scene, "vtkMRMLStorableNode"))


def _nodes(scene: Any, kind: str) -> list[Any]:
    return [scene.GetNthNodeByClass(index, kind) for index in range(scene.GetNumberOfNodesByClass(kind))]


def _let_loose(panel: SimpleNamespace, seed: int, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    monkey = _Monkey(panel, seed, folder)
    try:
        panel.widget.ui.viewButton.checked = True
        panel.widget._parameterNode.openPanels = " ".join(type(item).__name__ for item in panel.widget.panels)
        for _ in range(ACTIONS):
            monkey.act()
        for _ in range(100):
            if not panel.widget.logic.grading:
                break
            QtCore.QThread.msleep(5)
            panel.application.settle()
        assert not _dangling(panel.application.scene)
        unexpected = [item.getMessage() for item in caplog.records if item.exc_info]
        assert not unexpected
        panel.application.close_scene()
        assert not panel.widget.logic.grading
    except BaseException as error:
        raise AssertionError(f"seed {seed}: {'; '.join(monkey.did)}") from error


@pytest.mark.parametrize("seed", SAMPLE)
def test_a_monkey_breaks_nothing(
    assessed: SimpleNamespace, seed: int, tmp_path: Path, caplog: pytest.LogCaptureFixture, canceled_dialogs: None
) -> None:
    with caplog.at_level(logging.ERROR):
        _let_loose(assessed, seed, tmp_path, caplog)


@pytest.mark.bars
@pytest.mark.parametrize("seed", ALL)
def test_fifty_monkeys_break_nothing(
    assessed: SimpleNamespace, seed: int, tmp_path: Path, caplog: pytest.LogCaptureFixture, canceled_dialogs: None
) -> None:
    with caplog.at_level(logging.ERROR):
        _let_loose(assessed, seed, tmp_path, caplog)
