"""What PythonQt exposes of a ctk, MRML or Slicer class: its entry in the list, with those of its bases."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).parent.parent / "slicer_qt_api_subset.json"


@dataclass(frozen=True)
class Entry:
    """The names of one class and of its listed bases.

    :param base: first base that is not in the list (a class of Qt itself).
    :param properties: C++ type and whether it can be set, by name.
    :param signals: C++ argument types of the first overload, by name.
    :param methods: slots and invokable methods.
    """

    name: str
    base: str
    properties: dict[str, tuple[str, bool]]
    signals: dict[str, tuple[str, ...]]
    methods: frozenset[str]

    @property
    def names(self) -> frozenset[str]:
        return self.methods | self.properties.keys() | self.signals.keys()


@cache
def _listed() -> dict[str, dict]:
    entries: dict[str, dict] = json.loads(FILE.read_text(encoding="utf-8"))
    return entries


def listed_classes() -> tuple[str, ...]:
    return tuple(_listed())


@cache
def entry(name: str) -> Entry:
    """:raises KeyError: the class is not in the list; add it to make_api_subset.py."""
    line, rest = [], [name]
    base = ""
    while rest:
        current = rest.pop(0)
        if current in _listed():
            line.append(_listed()[current])
            rest.extend(_listed()[current]["bases"])
        elif not line:
            raise KeyError(f"{name} is not among the classes listed in {FILE.name}")
        elif not base and current.startswith("Q"):
            base = current
    properties: dict[str, tuple[str, bool]] = {}
    signals: dict[str, tuple[str, ...]] = {}
    methods: set[str] = set()
    for item in line:
        for key, value in item["properties"].items():
            properties.setdefault(key, (value["type"], value["writable"]))
        for signature in item["signals"]:
            signal, arguments = _split(signature)
            signals.setdefault(signal, arguments)
        methods.update(_split(signature)[0] for signature in (*item["slots"], *item["invokable"]))
    return Entry(name, base or "QObject", properties, signals, frozenset(methods))


def _split(signature: str) -> tuple[str, tuple[str, ...]]:
    """Name and C++ argument types of a signature like "currentPathChanged(const QString& path)"."""
    match = re.fullmatch(r"(\w+)\((.*)\)", signature.strip())
    if match is None:
        raise ValueError(f"cannot read the signature {signature}")
    arguments = [part.split("=")[0].strip() for part in match[2].split(",") if part.strip()]
    return match[1], tuple(_type(part) for part in arguments)


def _type(argument: str) -> str:
    words = re.sub(r"[&*]", " ", argument).replace("const", " ").split()
    return words[0] if words else ""
