"""Stand-ins for the ctk and MRML widgets that the module's .ui files use, over real MRML."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtWidgets

from __feature__ import true_property  # noqa: F401  # isort: skip

from gui.host.segment_editor import qMRMLSegmentEditorWidget
from gui.host.strict import stand_in

_UNLIMITED = 16777215
"""Qt's QWIDGETSIZE_MAX."""


@stand_in("qMRMLWidget")
class qMRMLWidget(QtWidgets.QWidget):
    """Keeps the scene and announces it; the .ui's connections to MRML widgets are made by the loader."""

    def mrmlScene(self) -> Any:
        return self.__dict__.get("_scene")

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = scene
        self.mrmlSceneChanged.emit(scene)


@stand_in("ctkCollapsibleButton")
class ctkCollapsibleButton(QtWidgets.QAbstractButton):
    """A header that shows or hides the widgets below it."""

    _HEADER = 26

    def __init__(self, *arguments: Any) -> None:
        texts = [argument for argument in arguments if isinstance(argument, str)]
        super().__init__(*(argument for argument in arguments if isinstance(argument, QtWidgets.QWidget)))
        self._value_collapsed = False
        if texts:
            self.text = texts[0]
        self.checkable = True
        self.checked = True
        self.toggled.connect(lambda checked: self._set_collapsed(not checked))
        self.setContentsMargins(2, self._HEADER, 2, 2)

    def _get_collapsed(self) -> bool:
        return self._value_collapsed

    def _set_collapsed(self, collapsed: bool) -> None:
        if collapsed == self._value_collapsed:
            return
        self._value_collapsed = collapsed
        self.checked = not collapsed
        for child in self.children():
            if isinstance(child, QtWidgets.QWidget):
                child.visible = not collapsed
        self.maximumHeight = self._HEADER if collapsed else _UNLIMITED
        self.contentsCollapsed.emit(collapsed)

    def paintEvent(self, event: Any) -> None:
        header = QtCore.QRect(0, 0, self.width, self._HEADER - 2)
        painter = QtWidgets.QStylePainter(self)
        painter.fillRect(header, self.palette.button())
        option = QtWidgets.QStyleOption()
        option.initFrom(self)
        option.rect = QtCore.QRect(6, 7, 10, 10)
        closed, opened = QtWidgets.QStyle.PE_IndicatorArrowRight, QtWidgets.QStyle.PE_IndicatorArrowDown
        painter.drawPrimitive(closed if self._value_collapsed else opened, option)
        line = painter.fontMetrics().elidedText(self.text, QtCore.Qt.ElideRight, header.width() - 30)
        painter.drawText(header.adjusted(24, 0, 0, 0), QtCore.Qt.AlignVCenter, line)


@stand_in("ctkComboBox")
class ctkComboBox(QtWidgets.QComboBox):
    """A combo box that the mouse wheel changes only when it is allowed to."""

    NeverScroll, AlwaysScroll, ScrollWithFocus, ScrollWithNoVScrollBar = range(4)
    _ENUMERATORS = ("NeverScroll", "AlwaysScroll", "ScrollWithFocus", "ScrollWithNoVScrollBar")
    _value_scrollWheelEffect = AlwaysScroll

    def _get_scrollWheelEffect(self) -> int:
        return self._value_scrollWheelEffect

    def _set_scrollWheelEffect(self, effect: int) -> None:
        self._value_scrollWheelEffect = effect


@stand_in("ctkPathLineEdit")
class ctkPathLineEdit(QtWidgets.QWidget):
    """A path that can be typed, or chosen with the button."""

    Dirs, Files = 1, 2
    _ENUMERATORS = ("Dirs", "Files")

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        row = QtWidgets.QHBoxLayout(self)
        row.contentsMargins = QtCore.QMargins(0, 0, 0, 0)
        self._edit = QtWidgets.QLineEdit()
        self._browse = QtWidgets.QToolButton()
        self._browse.text = "…"
        row.addWidget(self._edit, 1)
        row.addWidget(self._browse)
        self._edit.textChanged.connect(lambda text: self.currentPathChanged.emit(text))

    def _get_currentPath(self) -> str:
        return self._edit.text

    def _set_currentPath(self, path: str) -> None:
        self._edit.text = path

    def setCurrentPath(self, path: str) -> None:
        self._edit.text = path


@stand_in("qMRMLNodeComboBox")
class qMRMLNodeComboBox(QtWidgets.QWidget):
    """Lists the scene's nodes of some types; follows nodes that come and go."""

    _value_showChildNodeTypes = True

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._scene, self._tags, self._types, self._none, self._current = None, [], [], False, None
        self._filling = False
        self._box = QtWidgets.QComboBox()
        self._box.minimumContentsLength = 8
        row = QtWidgets.QHBoxLayout(self)
        row.contentsMargins = QtCore.QMargins(0, 0, 0, 0)
        row.addWidget(self._box, 1)
        self._box.currentIndexChanged.connect(self._picked)
        self.destroyed.connect(self._forget(self._tags))
        self._fill()

    def _get_nodeTypes(self) -> list[str]:
        return list(self._types)

    def _set_nodeTypes(self, types: list[str]) -> None:
        self._types = list(types)
        self._fill()

    def _get_noneEnabled(self) -> bool:
        return self._none

    def _set_noneEnabled(self, enabled: bool) -> None:
        self._none = enabled
        self._fill()

    def _get_currentNodeID(self) -> str:
        return self._current or ""

    def _set_currentNodeID(self, node: str) -> None:
        self.setCurrentNodeID(node)

    def _get_currentNodeId(self) -> str:
        return self._current or ""

    def mrmlScene(self) -> Any:
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        for holder, tag in self._tags:
            holder.RemoveObserver(tag)
        self._tags.clear()
        self._scene = scene
        if scene is not None:
            events = (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndBatchProcessEvent, scene.EndImportEvent)
            self._tags.extend((scene, scene.AddObserver(event, self._sceneChanged)) for event in events)
        self._fill()

    def currentNode(self) -> Any:
        return self._scene.GetNodeByID(self._current) if self._scene is not None and self._current else None

    def nodeCount(self) -> int:
        return len(self._nodes())

    def setCurrentNode(self, node: Any) -> None:
        self.setCurrentNodeID(node if isinstance(node, str) else node.GetID() if node is not None else "")

    def setCurrentNodeID(self, node: str) -> None:
        known = [item.GetID() for item in self._nodes()]
        self._choose(node if node in known else None)

    @staticmethod
    def _forget(tags: list[Any]) -> Any:
        return lambda *_: [holder.RemoveObserver(tag) for holder, tag in tags]

    def _nodes(self) -> list[Any]:
        if self._scene is None:
            return []
        nodes = (self._scene.GetNthNode(n) for n in range(self._scene.GetNumberOfNodes()))
        return [node for node in nodes if self._types and self._fits(node)]

    def _fits(self, node: Any) -> bool:
        # Without child types only the exact class fits: a label map volume is no scalar volume then.
        exact = node.GetClassName() in self._types
        fits = exact or (self.showChildNodeTypes and any(node.IsA(kind) for kind in self._types))
        return fits and not node.GetHideFromEditors()

    def _sceneChanged(self, *_: Any) -> None:
        if not self._scene.IsBatchProcessing():
            self._fill()

    def _fill(self) -> None:
        nodes = self._nodes()
        self._filling = True
        self._box.clear()
        self._box.addItem("Select a node")
        for node in nodes:
            self._box.addItem(node.GetName(), node.GetID())
        self._filling = False
        ids = [node.GetID() for node in nodes]
        if self._current not in ids:
            # As the original does: without "None" as a choice, the first node is taken.
            self._choose(ids[0] if ids and not self._none else None)
        self._show()

    def _picked(self, index: int) -> None:
        if not self._filling:
            self._choose(self._box.itemData(index))

    def _choose(self, node: str | None) -> None:
        changed = node != self._current
        self._current = node
        self._show()
        if changed:
            self.currentNodeChanged.emit(self.currentNode())
            self.currentNodeIDChanged.emit(node or "")

    def _show(self) -> None:
        self._filling = True
        self._box.currentIndex = max(0, self._box.findData(self._current)) if self._current else 0
        self._filling = False


STAND_INS = {
    kind.__name__: kind
    for kind in (
        qMRMLWidget,
        ctkCollapsibleButton,
        ctkComboBox,
        ctkPathLineEdit,
        qMRMLNodeComboBox,
        qMRMLSegmentEditorWidget,
    )
}
"""Stand-ins by class name, for the loader of .ui files and for the `ctk` and `slicer` modules."""
