"""Heights that a person measured by hand in place of the computed ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from spinemet.anatomy.heights import Column, Height, Heights, Plane
from spinemet.anatomy.vertebra import Vertebra
from spinemet.answers import HandMeasurement
from spinemet.evidence import Measurement, Point, unknown

HAND_ERROR_MM = 1.0
"""Half-width (95 %) of a length between two points that a person sets on the images [D]."""
METHOD = "by hand"


def with_hand_heights(vertebra: Vertebra, by_hand: Mapping[str, HandMeasurement]) -> Vertebra:
    """The vertebra with a person's heights.

    A height by hand stands for its whole column: the parasagittal planes of that column are not measured any more.

    :param by_hand: by the measurement's name, "anterior height" and so on; other names are left out.
    """
    given = {column: by_hand[name] for column in Column if (name := height_name(column)) in by_hand}
    if not given:
        return vertebra
    heights: Heights = {plane: dict(columns) for plane, columns in vertebra.heights.items()}
    for column, hand in given.items():
        heights[Plane.MIDDLE][column] = _height(height_name(column), hand, vertebra)
        for plane in (Plane.LEFT, Plane.RIGHT):
            name = f"{height_name(column)}, {plane.value}"
            heights[plane][column] = Height(unknown(name, "mm", "the column was measured by hand", METHOD))
    return replace(vertebra, heights=heights)


def height_name(column: Column) -> str:
    """Name of a column's height in the mid-sagittal plane."""
    return f"{column.value} height"


def _height(name: str, hand: HandMeasurement, vertebra: Vertebra) -> Height:
    ends = sorted(hand.points, key=lambda point: vertebra.frame.to_local(point)[2])
    inferior, superior = (ends[0], ends[-1]) if len(ends) > 1 else (None, None)
    method = f"{METHOD} ({hand.reader})" if hand.reader else METHOD
    position = _middle(superior, inferior) or vertebra.frame.origin
    return Height(Measurement(name, hand.value, "mm", method, position, HAND_ERROR_MM), superior, inferior)


def _middle(one: Point | None, other: Point | None) -> Point | None:
    if one is None or other is None:
        return None
    x, y, z = ((a + b) / 2 for a, b in zip(one, other, strict=True))
    return (x, y, z)
