"""The modules `qt` and `ctk` as PythonQt offers them: every Qt class in one flat, strict namespace."""

from __future__ import annotations

import types
from typing import Any
from xml.etree import ElementTree

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

from __feature__ import true_property  # noqa: F401  # isort: skip

from gui.host.strict import is_widget_class, loading, strict_qt
from gui.host.widgets import STAND_INS


class _SingleShot:
    """Of the instance a property, of the class the static function, as in PythonQt.

    PySide6 has the function only: there, setting it on a timer is just an attribute, and the timer never rests.
    """

    def __get__(self, timer: Any, kind: type) -> Any:
        return QtCore.QTimer.singleShot if timer is None else timer.property("singleShot")

    def __set__(self, timer: Any, value: bool) -> None:
        timer.setProperty("singleShot", bool(value))


class _Timer(QtCore.QTimer):
    singleShot = _SingleShot()


class _Loader(QtUiTools.QUiLoader):
    """Makes strict widgets, and checks that a .ui file says nothing that Slicer's Designer widgets would ignore."""

    def createWidget(self, className: str, parent: Any = None, name: str = "") -> Any:
        if className in STAND_INS:
            widget = STAND_INS[className](parent)
        elif is_widget_class(className):
            widget = strict_qt(className)(parent)
        else:
            raise AttributeError(f"the test host has no widget class {className}")
        widget.objectName = name
        return widget

    def load(self, device: Any, parent: Any = None) -> Any:
        tree = ElementTree.fromstring(bytes(device.readAll().data()))
        connections = tree.find("connections")
        found = list(connections) if connections is not None else []
        if connections is not None:
            tree.remove(connections)
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(tree))
        buffer.open(QtCore.QIODevice.ReadOnly)
        with loading():
            widget = super().load(buffer, parent)
        if widget is None:
            raise RuntimeError(f"the .ui file cannot be read: {self.errorString()}")
        children = {child.objectName: child for child in (widget, *widget.findChildren(QtWidgets.QWidget))}
        for child in children.values():
            if type(child).__name__ in STAND_INS:
                _refuse_unknown_properties(child)
        for connection in found:
            _connect(children, connection)
        return widget


def _connect(children: dict[str, Any], connection: ElementTree.Element) -> None:
    """Make a connection of the .ui; the class list stands for Qt's own check of both signatures."""
    sender, signal, receiver, slot = (connection.findtext(key, "") for key in ("sender", "signal", "receiver", "slot"))
    for name, signature in ((sender, signal), (receiver, slot)):
        if name not in children or not hasattr(children[name], signature.split("(")[0]):
            raise AttributeError(f"the .ui connects {signature} of {name}, which does not exist")
    getattr(children[sender], signal.split("(")[0]).connect(getattr(children[receiver], slot.split("(")[0]))


def _refuse_unknown_properties(widget: Any) -> None:
    # A property that the class lacks ends as a dynamic one; our own begin with a capital letter by convention.
    names = [bytes(item.data()).decode() for item in widget.dynamicPropertyNames()]
    unknown = [name for name in names if not name.startswith(("Slicer", "SpineMet", "_"))]
    if unknown:
        raise AttributeError(f"{type(widget).__name__} {widget.objectName} has no property {', '.join(unknown)}")


def make_qt() -> types.ModuleType:
    """A module `qt` whose widget classes are strict and whose other names are PySide6's."""
    module = types.ModuleType("qt", __doc__)

    def find(name: str) -> Any:
        if name == "QUiLoader":
            return _Loader
        if name == "QTimer":
            return _Timer
        if is_widget_class(name):
            return strict_qt(name)
        for source in (QtWidgets, QtGui, QtCore):
            if hasattr(source, name):
                return getattr(source, name)
        raise AttributeError(f"qt has no class {name}")

    module.__getattr__ = find  # type: ignore[attr-defined]
    return module


def make_ctk() -> types.ModuleType:
    module = types.ModuleType("ctk", __doc__)
    for name, kind in STAND_INS.items():
        if name.startswith("ctk"):
            setattr(module, name, kind)
    return module
