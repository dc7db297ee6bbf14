"""A stand-in for the embedded segment editor: nodes, current segment, active effect, undo; painting is not in it."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtWidgets

from __feature__ import true_property  # noqa: F401  # isort: skip

from gui.host.strict import stand_in

EFFECTS = ("Threshold", "Paint", "Draw", "Erase", "Level tracing", "Grow from seeds", "Islands", "Scissors")
_COLUMNS = 4


@stand_in("qMRMLSegmentEditorWidget")
class qMRMLSegmentEditorWidget(QtWidgets.QWidget):
    """Keeps what it is given in its vtkMRMLSegmentEditorNode, and shows the segments and the effects' names.

    Public for tests: `_undo`, how often a state was saved; `_views` and `_keys`, whether views and keys are held.
    """

    _value_segmentationNodeSelectorVisible = True
    _value_sourceVolumeNodeSelectorVisible = True
    _value_maximumNumberOfUndoStates = 10

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._scene: Any = None
        self._node: Any = None
        self._effect = ""
        self._undo = 0
        self._views = self._keys = False
        self._segments = QtWidgets.QListWidget()
        self._segments.maximumHeight = 120
        column = QtWidgets.QVBoxLayout(self)
        column.contentsMargins = QtCore.QMargins(0, 0, 0, 0)
        column.addWidget(self._segments)
        grid = QtWidgets.QGridLayout()
        for number, name in enumerate(EFFECTS):
            button = QtWidgets.QToolButton()
            button.text = name
            button.sizePolicy = QtWidgets.QSizePolicy(QtWidgets.QSizePolicy.Ignored, QtWidgets.QSizePolicy.Fixed)
            grid.addWidget(button, number // _COLUMNS, number % _COLUMNS)
        column.addLayout(grid)

    def mrmlScene(self) -> Any:
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = scene

    def mrmlSegmentEditorNode(self) -> Any:
        return self._node

    def setMRMLSegmentEditorNode(self, node: Any) -> None:
        self._node = node
        self.updateWidgetFromMRML()

    def segmentationNode(self) -> Any:
        return self._node.GetSegmentationNode() if self._node is not None else None

    def setSegmentationNode(self, node: Any) -> None:
        if self._node is not None:
            self._node.SetAndObserveSegmentationNode(node)
        self.updateWidgetFromMRML()

    def sourceVolumeNode(self) -> Any:
        return self._node.GetSourceVolumeNode() if self._node is not None else None

    def setSourceVolumeNode(self, node: Any) -> None:
        if self._node is None or self.segmentationNode() is None:
            raise AssertionError("the original needs an editor node and a segmentation before the source volume")
        self._node.SetAndObserveSourceVolumeNode(node)

    def currentSegmentID(self) -> str:
        return (self._node.GetSelectedSegmentID() or "") if self._node is not None else ""

    def setCurrentSegmentID(self, segment: str) -> None:
        self._node.SetSelectedSegmentID(segment)
        self.updateWidgetFromMRML()
        self.currentSegmentIDChanged.emit(segment)

    def setActiveEffectByName(self, name: str) -> None:
        if name and name not in EFFECTS:
            raise AssertionError(f"the segment editor has no effect {name}")
        self._effect = name
        if self._node is not None:
            self._node.SetActiveEffectName(name)

    def saveStateForUndo(self) -> None:
        if self.segmentationNode() is None:
            raise AssertionError("the original cannot save a state without a segmentation")
        self._undo += 1

    def setupViewObservations(self) -> None:
        self._views = True

    def removeViewObservations(self) -> None:
        self._views = False

    def installKeyboardShortcuts(self, parent: Any = None) -> None:
        self._keys = True

    def uninstallKeyboardShortcuts(self) -> None:
        self._keys = False

    def updateWidgetFromMRML(self) -> None:
        self._segments.clear()
        node = self.segmentationNode()
        if node is None:
            return
        for segment in node.GetSegmentation().GetSegmentIDs():
            self._segments.addItem(node.GetSegmentation().GetSegment(segment).GetName())
            if segment == self.currentSegmentID():
                self._segments.currentRow = self._segments.count - 1
