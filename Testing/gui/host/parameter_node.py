"""A stand-in for `slicer.parameterNodeWrapper`, behaving as the original for the types and widgets used here.

Parameters are stored in a vtkMRMLScriptedModuleNode: as text under their (prefixed) name, nodes as references.
`connectGui` binds widgets that carry the property SlicerParameterName, in both directions.
"""

from __future__ import annotations

import ast
import enum
import pathlib
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import slicer
import vtk
from PySide6 import QtWidgets

from __feature__ import true_property  # noqa: F401  # isort: skip

from gui.host.strict import strict_qt
from gui.host.widgets import STAND_INS

PROPERTY = "SlicerParameterName"


class Validator:
    """Base of what may stand in Annotated[...]; `validate` raises ValueError or TypeError."""

    def validate(self, value: Any) -> None:
        raise NotImplementedError


@dataclass
class WithinRange(Validator):
    minimum: float
    maximum: float

    def validate(self, value: Any) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within range [{self.minimum}, {self.maximum}], is {value}")


@dataclass
class Minimum(Validator):
    minimum: float

    def validate(self, value: Any) -> None:
        if value < self.minimum:
            raise ValueError(f"Value must be greater than {self.minimum}, is {value}")


@dataclass
class Choice(Validator):
    choices: list[Any]

    def validate(self, value: Any) -> None:
        if value not in self.choices:
            raise ValueError(f"Value is {value}, but must be in one of the following: {self.choices}")


@dataclass
class Default:
    value: Any


class _Kind:
    """How values of one type are kept in the node."""

    def __init__(self, hint: Any, validators: list[Validator]) -> None:
        self.type = hint
        self.validators = validators
        self.is_node = isinstance(hint, type) and issubclass(hint, slicer.vtkMRMLNode)
        self.is_list = typing.get_origin(hint) is list
        simple = (str, bool, int, float, pathlib.Path)
        if not (self.is_node or self.is_list or hint in simple or _is_enum(hint)):
            raise TypeError(f"Unable to create serializer for type: {hint}")

    def default(self) -> Any:
        if self.is_node:
            return None
        if self.is_list:
            return []
        return next(iter(self.type)) if _is_enum(self.type) else self.type()

    def check(self, value: Any) -> None:
        if self.is_node:
            if value is not None and not isinstance(value, self.type):
                raise TypeError(f"Value must be of type '{self.type}', is type '{type(value)}'")
        else:
            allowed = (int, float) if self.type is float else list if self.is_list else self.type
            if value is None:
                raise ValueError("Value must not be None")
            if not isinstance(value, allowed) or (self.type in (int, float) and isinstance(value, bool)):
                raise TypeError(f"Value must be of type '{self.type}', is type '{type(value)}' value '{value}'")
        for validator in self.validators:
            validator.validate(value)

    def write(self, node: Any, name: str, value: Any) -> None:
        self.check(value)
        if self.is_node:
            node.SetParameter(name, "")
            node.SetNodeReferenceID(name, value.GetID() if value is not None else None)
        elif _is_enum(self.type):
            node.SetParameter(name, value.name)
        else:
            node.SetParameter(name, repr(list(value)) if self.is_list else str(value))

    def read(self, node: Any, name: str) -> Any:
        if self.is_node:
            return node.GetNodeReference(name)
        text = node.GetParameter(name)
        if self.is_list:
            return _Observed(ast.literal_eval(text), lambda value: self.write(node, name, value))
        if self.type is bool:
            return text == "True"
        return self.type[text] if _is_enum(self.type) else self.type(text)


class _Observed(list):
    """A list that writes itself back when changed in place, as the original's ObservedList does."""

    def __init__(self, values: list[Any], write: Callable[[list[Any]], None]) -> None:
        super().__init__(values)
        self._write = write


def _writing(name: str) -> Callable[..., Any]:
    change = getattr(list, name)

    def call(self: _Observed, *arguments: Any) -> Any:
        result = change(self, *arguments)
        self._write(list(self))
        return result

    return call


for _name in ("append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse", "__setitem__", "__delitem__"):
    setattr(_Observed, _name, _writing(_name))


def _is_enum(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, enum.Enum)


@dataclass
class _Parameter:
    kind: _Kind
    default: Any
    hint: Any


def parameterNodeWrapper(classtype: type | None = None) -> Any:
    """Class decorator: annotated members become parameters of a vtkMRMLScriptedModuleNode."""
    if classtype is None:
        return parameterNodeWrapper
    parameters: dict[str, _Parameter] = {}
    for name, hint in typing.get_type_hints(classtype, include_extras=True).items():
        kind, notes = hint, []
        if typing.get_origin(hint) is typing.Annotated:
            kind, *notes = typing.get_args(hint)
        made = _Kind(kind, [note for note in notes if isinstance(note, Validator)])
        stated = next((note.value for note in notes if isinstance(note, Default)), made.default())
        parameters[name] = _Parameter(made, getattr(classtype, name, stated), hint)
        setattr(classtype, name, _make_property(name))
    for name, value in vars(_Wrapper).items():
        if name.startswith("__") and name != "__init__":
            continue
        if name != "__init__" and hasattr(classtype, name):
            raise ValueError(f"Cannot use reserved name '{name}' in a parameterNodeWrapper")
        setattr(classtype, name, value)
    classtype.allParameters = parameters  # type: ignore[attr-defined]
    classtype._is_parameter_node_wrapper = True  # type: ignore[attr-defined]
    return classtype


def _make_property(name: str) -> property:
    return property(lambda self: self.getValue(name), lambda self, value: self.setValue(name, value))


class _Wrapper:
    """Methods that every wrapped class gets."""

    def __init__(self, parameterNode: Any, prefix: str | None = None) -> None:
        self.parameterNode = parameterNode
        self._prefix = prefix or ""
        self._guis: dict[int, dict[str, Any]] = {}
        self._guiTags: dict[int, int] = {}
        self._nextTag = 0
        self._updating = False
        for name, parameter in self.allParameters.items():  # type: ignore[attr-defined]
            if not parameterNode.HasParameter(self._prefix + name):
                parameter.kind.write(parameterNode, self._prefix + name, parameter.default)

    def _find(self, name: str) -> _Parameter:
        if name not in self.allParameters:  # type: ignore[attr-defined]
            raise ValueError(f"Cannot find a param with the given name: {name}")
        found: _Parameter = self.allParameters[name]  # type: ignore[attr-defined]
        return found

    def default(self, name: str) -> Default:
        return Default(self._find(name).default)

    def dataType(self, name: str) -> Any:
        return self._find(name).hint

    def getValue(self, name: str) -> Any:
        return self._find(name).kind.read(self.parameterNode, self._prefix + name)

    def setValue(self, name: str, value: Any) -> None:
        with slicer.util.NodeModify(self.parameterNode):
            self._find(name).kind.write(self.parameterNode, self._prefix + name, value)

    def connectGui(self, gui: Any) -> int:
        is_widget = isinstance(gui, QtWidgets.QWidget)
        widgets = gui.findChildren(QtWidgets.QWidget) if is_widget else gui.__dict__.values()
        return self.connectParametersToGui({w.property(PROPERTY): w for w in widgets if w.property(PROPERTY)})

    def connectParametersToGui(self, mapping: dict[str, Any]) -> int:
        for name in mapping:
            self._find(name)
        connectors = {name: _connector(widget, self._find(name)) for name, widget in mapping.items()}
        tag, self._nextTag = self._nextTag, self._nextTag + 1
        self._guis[tag] = connectors
        for name, connector in connectors.items():
            connector.write(self.getValue(name))
            connector.connect(self._writer(name, connector))
        self._guiTags[tag] = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._updateGui())
        return tag

    def disconnectGui(self, tag: int) -> None:
        for connector in self._guis.pop(tag, {}).values():
            connector.disconnect()
        if tag in self._guiTags:
            self.RemoveObserver(self._guiTags.pop(tag))

    def _writer(self, name: str, connector: Any) -> Callable[..., None]:
        def changed(*_: Any) -> None:
            if not self._updating:
                self.setValue(name, connector.read())

        return changed

    def _updateGui(self) -> None:
        if self._updating:
            return
        self._updating = True
        try:
            for connectors in list(self._guis.values()):
                for name, connector in connectors.items():
                    connector.write(self.getValue(name))
        finally:
            self._updating = False

    def StartModify(self) -> Any:
        return self.parameterNode.StartModify()

    def EndModify(self, was: Any) -> Any:
        return self.parameterNode.EndModify(was)

    def AddObserver(self, event: Any, callback: Any, priority: float = 0.0) -> int:
        return int(self.parameterNode.AddObserver(event, callback, priority))

    def RemoveObserver(self, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)

    def Modified(self) -> None:
        self.parameterNode.Modified()


class _Connector:
    """Binds one widget: the signal that tells of changes (a label has none), how to read and how to write."""

    def __init__(self, signal: Any, read: Callable[[], Any], write: Callable[[Any], None]) -> None:
        self._signal, self.read, self.write = signal, read, write
        self._slot: Any = None

    def connect(self, slot: Callable[..., None]) -> None:
        if self._signal is not None:
            self._slot = slot
            self._signal.connect(slot)

    def disconnect(self) -> None:
        if self._signal is not None:
            self._signal.disconnect(self._slot)


def _connector(widget: Any, parameter: _Parameter) -> _Connector:
    """:raises RuntimeError: this widget cannot hold this type, as in the original."""
    kind, wanted = type(widget), parameter.kind.type
    ranges = [v for v in parameter.kind.validators if isinstance(v, WithinRange)]
    choices = [v.choices for v in parameter.kind.validators if isinstance(v, Choice)]

    def attribute(name: str) -> Callable[[Any], None]:
        return lambda value: setattr(widget, name, value)

    if wanted is bool and kind in (strict_qt("QCheckBox"), strict_qt("QPushButton")):
        widget.checkable = True
        return _Connector(widget.toggled, lambda: widget.checked, attribute("checked"))
    if wanted is str and kind is strict_qt("QLineEdit"):
        return _Connector(widget.textChanged, lambda: widget.text, lambda v: _unless_equal(widget, "text", v))
    if wanted is str and kind is strict_qt("QLabel"):
        return _Connector(None, lambda: widget.text, attribute("text"))
    if wanted is int and kind in (strict_qt("QSpinBox"), strict_qt("QSlider")):
        if ranges:
            widget.setRange(ranges[0].minimum, ranges[0].maximum)
        elif kind is strict_qt("QSlider"):
            raise RuntimeError("Cannot have a connection to QSlider where the int type is unbounded.")
        return _Connector(widget.valueChanged, lambda: widget.value, attribute("value"))
    if wanted in (int, float) and kind is strict_qt("QDoubleSpinBox"):
        if ranges:
            widget.minimum, widget.maximum = ranges[0].minimum, ranges[0].maximum
        return _Connector(widget.valueChanged, lambda: wanted(widget.value), attribute("value"))
    if wanted in (str, int, float) and kind in (strict_qt("QComboBox"), STAND_INS["ctkComboBox"]):
        if not choices:
            raise RuntimeError("ComboBoxToStringableConnector requires the Choice annotation to be used.")
        widget.clear()
        widget.addItems([str(choice) for choice in choices[0]])
        return _Connector(
            widget.currentIndexChanged,
            lambda: choices[0][widget.currentIndex],
            lambda value: setattr(widget, "currentIndex", choices[0].index(value)),
        )
    if wanted is pathlib.Path and kind is STAND_INS["ctkPathLineEdit"]:
        return _Connector(
            widget.currentPathChanged,
            lambda: pathlib.Path(widget.currentPath),
            lambda value: setattr(widget, "currentPath", str(value)),
        )
    if parameter.kind.is_node and kind is STAND_INS["qMRMLNodeComboBox"]:
        widget.nodeTypes = [_node_type(wanted)]
        return _Connector(widget.currentNodeChanged, widget.currentNode, widget.setCurrentNode)
    raise RuntimeError(f"Unable to create GUI connector from datatype '{wanted}' to widget type '{kind}'.")


def _unless_equal(widget: Any, name: str, value: Any) -> None:
    # Writing the same text again would move the cursor while someone types.
    if getattr(widget, name) != value:
        setattr(widget, name, value)


def _node_type(kind: type) -> str:
    return kind.__name__


def make_module() -> types.ModuleType:
    """The module `slicer.parameterNodeWrapper`."""
    module = types.ModuleType("slicer.parameterNodeWrapper", __doc__)
    for item in (parameterNodeWrapper, Validator, WithinRange, Minimum, Choice, Default):
        setattr(module, item.__name__, item)
    return module
