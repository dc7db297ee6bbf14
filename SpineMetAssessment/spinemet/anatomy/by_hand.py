"""Heights, angles and slips that a person measured by hand in place of the computed ones.

An angle or a slip belongs to two neighbors; it is kept with the upper one, under a name without levels, so that it
follows its vertebra when the levels are renamed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from spinemet.anatomy.alignment.angles import landmarks
from spinemet.anatomy.alignment.listhesis import Listhesis, measured_anew
from spinemet.anatomy.alignment.whole import Alignment
from spinemet.anatomy.heights import Column, Height, Heights, Plane
from spinemet.anatomy.spine import Spine
from spinemet.anatomy.vertebra import Vertebra
from spinemet.answers import HandMeasurement
from spinemet.evidence import Measurement, Point, unknown
from spinemet.levels import Level

HAND_ERROR_MM = 1.0
"""Half-width (95 %) of a length between two points that a person sets on the images [D]."""
HAND_ERROR_DEG = 5.0
"""Half-width (95 %) of an angle between two lines that a person sets along endplates [D]."""
METHOD = "by hand"
KYPHOSIS, SLIP = "segmental kyphosis", "slip"
"""Names under which the upper vertebra of a pair keeps what was measured by hand between it and the one below."""


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


def with_hand_alignment(
    alignment: Alignment, spine: Spine, by_hand: Mapping[Level, Mapping[str, HandMeasurement]]
) -> Alignment:
    """The alignment with a person's angles and slips.

    :param by_hand: by the upper level of the pair and by `KYPHOSIS` or `SLIP`, signed as the computed ones are:
        kyphosis and a forward slip are positive. Other names are left out.
    """
    angles = {pair: by_hand[pair[0]][KYPHOSIS] for pair in alignment.kyphosis if KYPHOSIS in by_hand.get(pair[0], {})}
    slips = {pair: by_hand[pair[0]][SLIP] for pair in alignment.slips if SLIP in by_hand.get(pair[0], {})}
    if not angles and not slips:
        return alignment
    kyphosis = {pair: _stands_for(alignment.kyphosis[pair], hand, HAND_ERROR_DEG) for pair, hand in angles.items()}
    moved = {pair: _slip(alignment.slips[pair], hand, spine) for pair, hand in slips.items()}
    return replace(alignment, kyphosis={**alignment.kyphosis, **kyphosis}, slips={**alignment.slips, **moved})


def _slip(found: Listhesis, hand: HandMeasurement, spine: Spine) -> Listhesis:
    plate = landmarks(spine).superior(found.below)
    return measured_anew(
        found, _stands_for(found.sagittal, hand, HAND_ERROR_MM), plate.depth if plate is not None else None
    )


def _stands_for(computed: Measurement, hand: HandMeasurement, error: float) -> Measurement:
    """A person's value in place of a computed one, known or not."""
    position = hand.points[len(hand.points) // 2] if hand.points else computed.position
    return Measurement(computed.name, hand.value, computed.unit, _method(hand), position, error)


def _method(hand: HandMeasurement) -> str:
    return f"{METHOD} ({hand.reader})" if hand.reader else METHOD


def is_height(name: str) -> bool:
    """Whether a measurement by hand is the height of a column, which is above 0."""
    return name in [height_name(column) for column in Column]


def height_name(column: Column) -> str:
    """Name of a column's height in the mid-sagittal plane."""
    return f"{column.value} height"


def _height(name: str, hand: HandMeasurement, vertebra: Vertebra) -> Height:
    ends = sorted(hand.points, key=lambda point: vertebra.frame.to_local(point)[2])
    inferior, superior = (ends[0], ends[-1]) if len(ends) > 1 else (None, None)
    position = _middle(superior, inferior) or vertebra.frame.origin
    return Height(Measurement(name, hand.value, "mm", _method(hand), position, HAND_ERROR_MM), superior, inferior)


def _middle(one: Point | None, other: Point | None) -> Point | None:
    if one is None or other is None:
        return None
    x, y, z = ((a + b) / 2 for a, b in zip(one, other, strict=True))
    return (x, y, z)
