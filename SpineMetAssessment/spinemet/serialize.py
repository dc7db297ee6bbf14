"""Frozen dataclasses to plain JSON values and back, by their type hints.

Handles nested dataclasses, enums, tuples, dicts (with enum or string keys), optionals and plain values, which
is all that an Assessment holds. Unknown keys are refused, so that a newer file is never half understood.
"""

from __future__ import annotations

import types
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from spinemet.errors import BadInput

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """Dataclasses, enums and tuples as dicts, their values and lists."""
    kind: type = type(value)
    if kind in _PLAIN:
        return value
    names = _names(kind)
    if names is not None:
        return {name: to_plain(getattr(value, name)) for name in names}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {to_plain(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_plain(item) for item in value]
    return value


_PLAIN = frozenset((str, int, float, bool, type(None)))


@cache
def _names(kind: type) -> tuple[str, ...] | None:
    """Names of a dataclass's fields, None for any other type."""
    return tuple(item.name for item in fields(kind)) if is_dataclass(kind) else None


def from_plain(kind: type[T], plain: Any, where: str = "") -> T:
    """The dataclass of type `kind` that `to_plain` turned into `plain`.

    :raises BadInput: a field is missing, unknown or of the wrong type; the sentence names it.
    """
    result: T = _read(kind, plain, where or kind.__name__)
    return result


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _read(kind: Any, plain: Any, where: str) -> Any:
    origin = get_origin(kind)
    if kind is Any:
        return plain
    if origin in (Union, types.UnionType):
        return _read_union(get_args(kind), plain, where)
    if origin in (tuple, list):
        return _read_sequence(origin, get_args(kind), plain, where)
    if origin is dict:
        key_kind, value_kind = get_args(kind)
        _require(isinstance(plain, dict), where, "an object", plain)
        return {_read(key_kind, k, where): _read(value_kind, v, f"{where}.{k}") for k, v in plain.items()}
    if is_dataclass(kind):
        return _read_dataclass(kind, plain, where)
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(plain)
        except ValueError:
            raise BadInput(f'{where}: "{plain}" is not one of {", ".join(str(m.value) for m in kind)}.') from None
    if kind is float:
        _require(isinstance(plain, (int, float)) and not isinstance(plain, bool), where, "a number", plain)
        return float(plain)
    if kind is int:
        _require(isinstance(plain, int) and not isinstance(plain, bool), where, "a whole number", plain)
        return plain
    if kind in (str, bool):
        _require(isinstance(plain, kind), where, "text" if kind is str else "true or false", plain)
        return plain
    raise TypeError(f"{where}: fields of type {kind} cannot be read back")


def _read_union(kinds: tuple[Any, ...], plain: Any, where: str) -> Any:
    if plain is None and type(None) in kinds:
        return None
    choices = [kind for kind in kinds if kind is not type(None)]
    if len(choices) != 1:
        raise TypeError(f"{where}: a field that may be one of several types cannot be read back")
    return _read(choices[0], plain, where)


def _read_sequence(origin: Any, kinds: tuple[Any, ...], plain: Any, where: str) -> Any:
    _require(isinstance(plain, (list, tuple)), where, "a list", plain)
    if origin is list or (len(kinds) == 2 and kinds[1] is Ellipsis):
        return origin(_read(kinds[0], item, f"{where}[{n}]") for n, item in enumerate(plain))
    _require(len(plain) == len(kinds), where, f"a list of {len(kinds)}", plain)
    return tuple(_read(kind, item, f"{where}[{n}]") for n, (kind, item) in enumerate(zip(kinds, plain, strict=True)))


def _read_dataclass(kind: Any, plain: Any, where: str) -> Any:
    _require(isinstance(plain, dict), where, "an object", plain)
    hints = _hints(kind)
    known = {item.name: item for item in fields(kind)}
    extra = sorted(set(plain) - set(known))
    if extra:
        raise BadInput(f"{where} has the unknown field {extra[0]}; it was written by another version.")
    values = {}
    for name, item in known.items():
        if name in plain:
            values[name] = _read(hints[name], plain[name], f"{where}.{name}")
        elif item.default is MISSING and item.default_factory is MISSING:
            raise BadInput(f"{where} lacks the field {name}.")
    try:
        return kind(**values)
    except ValueError as error:
        raise BadInput(f"{where}: {error}.") from error


def _require(condition: bool, where: str, wanted: str, plain: Any) -> None:
    if not condition:
        raise BadInput(f"{where} must be {wanted}, not {str(plain)[:40]!r}.")
