"""Clicks: what a person pointed at in an image, and reading them from Slicer's markups files (.mrk.json)."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spinemet.case import Structure
from spinemet.errors import BadInput
from spinemet.evidence import Point
from spinemet.files import read_json
from spinemet.image import Image
from spinemet.levels import Level, Region

_WANTED = "a markups file that Slicer saved (.mrk.json)"


@dataclass(frozen=True)
class Click:
    """One point that a person set.

    :param position: RAS, millimeters.
    :param level: the level it stands for, None when the person did not say.
    :param structure: what lies there.
    :param foreground: False for a point that lies outside of the structure.
    """

    position: Point
    level: Level | None = None
    structure: Structure = Structure.VERTEBRA
    foreground: bool = True

    def __post_init__(self) -> None:
        if len(self.position) != 3 or not np.all(np.isfinite(self.position)):
            raise BadInput("A click has no position in the image; set it again.")

    @property
    def name(self) -> str:
        """What to call the click in messages: "the click at L3"."""
        return f"the click at {self.level}" if self.level else "the click"

    def index_in(self, image: Image) -> tuple[int, int, int]:
        """The voxel (k, j, i) that was clicked. :raises BadInput: the click lies outside of the image."""
        if not image.grid.contains(self.position):
            raise BadInput(f"{_capital(self.name)} lies outside of {image.name}; set it on what the image shows.")
        i, j, k = np.clip(np.rint(image.to_index(self.position)).astype(int), 0, np.array(image.shape[::-1]) - 1)
        return int(k), int(j), int(i)


@dataclass(frozen=True)
class Markup:
    """One list of clicks.

    :param kind: Slicer's type: "Fiducial" (points), "Line", "Curve", "ClosedCurve", "Plane", "ROI", …
    """

    name: str
    kind: str
    clicks: tuple[Click, ...]


def read_clicks(path: str | os.PathLike[str], structure: Structure = Structure.VERTEBRA) -> tuple[Click, ...]:
    """All clicks of a markups file in their order.

    A label says what a point stands for: a level ("L3", "T12 vertebra"), a structure ("lesion", "canal", "cord"),
    "background" for a point outside of it. Slicer's automatic labels ("F-1", "L-1") say nothing.

    :param structure: what a point stands for whose label, and whose list's name, do not say.
    :raises BadInput: no markups file, or no point in it.
    """
    clicks = tuple(click for markup in read_markups(path, structure) for click in markup.clicks)
    if not clicks:
        raise BadInput("The markups file holds no points; place at least one and save it again.")
    return clicks


def read_markups(path: str | os.PathLike[str], structure: Structure = Structure.VERTEBRA) -> tuple[Markup, ...]:
    """The lists of a markups file, positions in RAS whatever the file's own coordinates are.

    :raises BadInput: no markups file.
    """
    data = read_json(path, _WANTED)
    lists = data.get("markups") if isinstance(data, dict) else None
    if not isinstance(lists, list) or not all(isinstance(item, dict) for item in lists):
        raise BadInput(f"{Path(path).name} holds no markups; choose {_WANTED}.")
    return tuple(_markup(item, structure) for item in lists)


def _markup(data: Mapping[str, Any], structure: Structure) -> Markup:
    to_ras = _signs(data.get("coordinateSystem", "LPS"))
    if str(data.get("coordinateUnits", "mm")) not in ("mm", "[mm]", "[mm,UCUM]"):
        raise BadInput("The markups are not in millimeters; save them from Slicer in mm.")
    name = str(data.get("name", ""))
    named, clicks = _structure_in(name) or structure, []
    inside = not _is_background(name)
    for point in data.get("controlPoints") or ():
        if not isinstance(point, dict):
            raise BadInput(f"The markups file is damaged; choose {_WANTED}.")
        if str(point.get("positionStatus", "defined")) != "defined":
            continue
        label = f"{point.get('label', '')} {point.get('description', '')}"
        level = _level_in(label)
        own = _structure_in(label) or (_bone(level) if level and named is Structure.VERTEBRA else named)
        clicks.append(Click(_ras(point.get("position"), to_ras), level, own, inside and not _is_background(label)))
    return Markup(name, str(data.get("type", "Fiducial")), tuple(clicks))


def _signs(system: object) -> tuple[float, float, float]:
    # Files of early versions name the system by its number.
    signs = {"LPS": (-1.0, -1.0, 1.0), "1": (-1.0, -1.0, 1.0), "RAS": (1.0, 1.0, 1.0), "0": (1.0, 1.0, 1.0)}
    if str(system) not in signs:
        raise BadInput("The markups are neither in LPS nor in RAS coordinates; save them again from Slicer.")
    return signs[str(system)]


def _ras(position: object, signs: tuple[float, float, float]) -> Point:
    try:
        x, y, z = (float(value) for value in position)  # type: ignore[attr-defined]
    except (TypeError, ValueError) as error:
        raise BadInput("A point of the markups file has no position; delete it and save the file again.") from error
    return (x * signs[0], y * signs[1], z * signs[2])


_LEVEL = re.compile(r"(?:c|th?|d|l|s)0*[1-9]\d?", re.IGNORECASE)
_WORDS = {
    "vertebra": Structure.VERTEBRA,
    "sacrum": Structure.SACRUM,
    "lesion": Structure.LESION,
    "tumor": Structure.LESION,
    "tumour": Structure.LESION,
    "metastasis": Structure.LESION,
    "canal": Structure.CANAL,
    "sac": Structure.THECAL_SAC,
    "cord": Structure.CORD,
    "disc": Structure.DISC,
}


def _level_in(text: str) -> Level | None:
    """The one level that a label names as a word of its own; "L-1" is Slicer's first point of a list "L"."""
    found = {Level.parse(word) for word in re.split(r"[\s,;]+", text) if _LEVEL.fullmatch(word)}
    return found.pop() if len(found) == 1 else None


def _structure_in(text: str) -> Structure | None:
    return next((_WORDS[word] for word in re.findall(r"[a-z]+", text.lower()) if word in _WORDS), None)


def _is_background(text: str) -> bool:
    return "background" in re.findall(r"[a-z]+", text.lower())


def _bone(level: Level) -> Structure:
    return Structure.SACRUM if level.region is Region.SACRAL else Structure.VERTEBRA


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
