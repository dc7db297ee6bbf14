"""Pairs of landmarks: read from markups files of 3D Slicer, and how far a registration leaves them apart."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spinemet.errors import BadInput
from spinemet.evidence import Point
from spinemet.files import read_json
from spinemet.levels import Level
from spinemet.registration.hand import Landmark
from spinemet.registration.motion import Array

WANTED = (
    "a .mrk.json of 3D Slicer with two point lists (the first on the fixed, the second on the moving image), "
    "or one such file for each image"
)
_SIGNS = {"LPS": (-1.0, -1.0, 1.0), "1": (-1.0, -1.0, 1.0), "RAS": (1.0, 1.0, 1.0), "0": (1.0, 1.0, 1.0)}
"""Slicer writes LPS since 5.0; files of older versions number the systems."""


@dataclass(frozen=True)
class LandmarkError:
    """What a registration leaves between a pair of landmarks.

    :param level: of the vertebra, where the label names it.
    :param before_mm: distance by the headers alone.
    :param spine_mm: distance by the one motion of the whole spine.
    :param after_mm: distance by the vertebra's own motion, or by the field for points without a level.
    """

    label: str
    level: Level | None
    before_mm: float
    spine_mm: float
    after_mm: float


def read_landmarks(paths: Sequence[Path]) -> list[tuple[str, Landmark]]:
    """Pairs with their labels from one file with two point lists, or from two files: fixed first, then moving.

    Points belong together by their labels where both lists have the same ones, else by their order. A label that
    starts with a level ("L3 spinous process") ties the pair to that vertebra.

    :raises BadInput: the files are no markups, or the lists do not match; the sentence says what does not.
    """
    lists = [points for path in paths for points in _lists(path)]
    if len(lists) != 2:
        names = " and ".join(path.name for path in paths)
        raise BadInput(f"{names} hold {len(lists)} point lists where two are needed; choose {WANTED}.")
    return paired(*lists)


def landmark_errors(
    pairs: Sequence[tuple[str, Landmark]],
    spine: Callable[[Array], Array],
    carried: Callable[[Level | None, Array], Array],
) -> list[LandmarkError]:
    """Distances in mm between where each fixed point goes and its moving point.

    :param spine: carries points by the motion of the whole spine.
    :param carried: carries points by the final result, by the motion of a vertebra where the level is given.
    """
    result = []
    for label, pair in pairs:
        here, there = np.array(pair.fixed, dtype=float), np.array(pair.moving, dtype=float)
        ways = (here, spine(here), carried(pair.level, here))
        result.append(LandmarkError(label, pair.level, *(float(np.linalg.norm(way - there)) for way in ways)))
    return result


def level_in(label: str) -> Level | None:
    """The level that a label starts with ("L3", "L3 left pedicle", "T12-1"), None when there is none."""
    try:
        return Level.parse(re.split(r"[\s_,;:/.-]", label.strip(), maxsplit=1)[0])
    except BadInput:
        return None


def paired(fixed: dict[str, Point], moving: dict[str, Point]) -> list[tuple[str, Landmark]]:
    """Points (RAS mm) of both images by their labels, as pairs with their labels.

    :raises BadInput: the lists do not match; the sentence says what does not.
    """
    if len(fixed) != len(moving):
        raise BadInput(
            f"The fixed image has {len(fixed)} landmarks and the moving image {len(moving)}; place them in pairs."
        )
    if set(fixed) == set(moving):
        return [(label, Landmark(place, moving[label], level_in(label))) for label, place in fixed.items()]
    result = []
    for (label, place), (other, there) in zip(fixed.items(), moving.items(), strict=True):
        level, its = level_in(label), level_in(other)
        if level is not None and its is not None and level is not its:
            raise BadInput(f'The landmarks "{label}" and "{other}" stand at the same place of both lists but name '
                           "different levels; put them in the same order or give them the same names.")  # fmt: skip
        result.append((label, Landmark(place, there, level or its)))
    return result


def _lists(path: Path) -> list[dict[str, Point]]:
    content = read_json(path, WANTED)
    markups = content.get("markups") if isinstance(content, dict) else None
    if not isinstance(markups, list) or not markups:
        raise BadInput(f"{path.name} holds no markups; choose {WANTED}.")
    return [_points(path, item) for item in markups]


def _points(path: Path, markup: Any) -> dict[str, Point]:
    if not isinstance(markup, dict) or not isinstance(markup.get("controlPoints"), list):
        raise BadInput(f"{path.name} holds a markup without points; choose {WANTED}.")
    signs = _SIGNS.get(str(markup.get("coordinateSystem", "LPS")).upper())
    if signs is None:
        raise BadInput(f"{path.name} is in an unknown coordinate system; save it from 3D Slicer in LPS or RAS.")
    units = str(markup.get("coordinateUnits", "mm"))
    if units not in ("mm", "[mm]") and "mm" not in units:
        raise BadInput(f"{path.name} is in {units}; landmarks are needed in mm.")
    result: dict[str, Point] = {}
    for number, item in enumerate(markup["controlPoints"], start=1):
        if not isinstance(item, dict):
            raise BadInput(f"{path.name} holds a damaged point (number {number}); place it again.")
        if item.get("positionStatus", "defined") != "defined":
            continue
        label = str(item.get("label") or number)
        result[label if label not in result else f"{label} ({number})"] = _position(path, number, item, signs)
    return result


def _position(path: Path, number: int, item: dict[str, Any], signs: tuple[float, float, float]) -> Point:
    place = item.get("position")
    if (
        not isinstance(place, list)
        or len(place) != 3
        or not all(isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v) for v in place)
    ):
        raise BadInput(f"{path.name} holds a point without a position (number {number}); place it again.")
    x, y, z = (float(v) * sign for v, sign in zip(place, signs, strict=True))
    return (x, y, z)
