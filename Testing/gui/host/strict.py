"""Strictness: setting a name that a widget does not have raises, as PythonQt does, instead of making an attribute."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from PySide6 import QtCore, QtWidgets

from __feature__ import true_property  # noqa: F401  # isort: skip

from gui.host import api

_PYTHON_TYPES = {"bool": bool, "int": int, "double": float, "QString": str, "QStringList": "QStringList"}
_DEFAULTS: dict[str, Any] = {"bool": False, "int": 0, "double": 0.0, "QString": "", "QStringList": ()}


_loading: list[bool] = []


@contextmanager
def loading() -> Iterator[None]:
    """PySide6's loader of .ui files sets children as attributes of the root, PythonQt's does not: let that pass by."""
    _loading.append(True)
    try:
        yield
    finally:
        _loading.pop()


class Strict:
    """Mixed into every widget class: only names that exist can be set."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and not hasattr(type(self), name):
            if _loading:
                return
            raise AttributeError(f"{type(self).__name__} has no property '{name}' to set")
        super().__setattr__(name, value)

    @property
    def currentData(self) -> Any:
        # PySide6 and PythonQt differ here, so neither spelling is let through.
        raise AttributeError("currentData is a property in PythonQt and a method here; use itemData(currentIndex)")

    @property
    def name(self) -> str:
        """PythonQt's short form of objectName."""
        return self.objectName

    @name.setter
    def name(self, value: str) -> None:
        self.objectName = value

    def className(self) -> str:
        return type(self).__name__


@cache
def strict_qt(name: str) -> type:
    """Qt's own widget class of that name, strict."""
    return type(name, (Strict, getattr(QtWidgets, name)), {"__module__": "qt"})


def is_widget_class(name: str) -> bool:
    kind = getattr(QtWidgets, name, None)
    return isinstance(kind, type) and issubclass(kind, QtWidgets.QWidget)


def stand_in(name: str) -> Callable[[type], type]:
    """Complete a class to a stand-in of the listed class `name`.

    The class brings the behavior that tests need. Its public names must be in the list. Listed properties and
    signals that it lacks are added (a property then just keeps its value); calling a listed method that it lacks
    raises NotImplementedError.
    """
    listed = api.entry(name)

    def complete(behavior: type) -> type:
        own = {key for key in vars(behavior) if not key.startswith("_") and key not in _enumerators(behavior)}
        own_of_qt = {key for key in own if any(hasattr(base, key) for base in behavior.__bases__)}
        if own - own_of_qt - listed.names:
            extra = sorted(own - own_of_qt - listed.names)
            raise TypeError(f"the stand-in of {name} has names that PythonQt lacks: {extra}")
        members: dict[str, Any] = {"__module__": behavior.__module__, "__doc__": behavior.__doc__}
        for key, types in listed.signals.items():
            members[key] = QtCore.Signal(*(_signal_type(kind) for kind in types))
        for key, (kind, writable) in listed.properties.items():
            members[key] = _property(behavior, key, kind, writable)
        for key in listed.methods - own - listed.properties.keys():
            if not hasattr(behavior, key):
                members[key] = _missing(name, key)
        members = {key: value for key, value in members.items() if key not in own}
        return type(name, (Strict, behavior), members)

    return complete


def _enumerators(behavior: type) -> frozenset[str]:
    return frozenset(getattr(behavior, "_ENUMERATORS", ()))


def _signal_type(kind: str) -> Any:
    return {"bool": bool, "int": int, "double": float, "QString": str}.get(kind, object)


def _property(behavior: type, name: str, kind: str, writable: bool) -> Any:
    """A Qt property; `_get_<name>` and `_set_<name>` of the behavior are used where they exist."""
    key = f"_value_{name}"
    getter = getattr(behavior, f"_get_{name}", None)
    setter = getattr(behavior, f"_set_{name}", None)

    def get(self: Any) -> Any:
        return getter(self) if getter else getattr(self, key, _DEFAULTS.get(kind))

    def put(self: Any, value: Any) -> None:
        if not writable:
            raise AttributeError(f"'{name}' of {type(self).__name__} is read-only")
        if kind in ("bool", "QString") and not isinstance(value, _PYTHON_TYPES[kind]):
            raise ValueError(f"'{name}' of {type(self).__name__} takes {kind}, not {value!r}")
        if setter:
            setter(self, value)
        else:
            setattr(self, key, value)

    return QtCore.Property(_PYTHON_TYPES.get(kind, "QVariant"), get, put)


def _missing(name: str, method: str) -> Callable[..., Any]:
    def call(self: Any, *arguments: Any) -> Any:
        raise NotImplementedError(f"the test host has no behavior for {name}.{method}; add it to gui/host/widgets.py")

    return call
