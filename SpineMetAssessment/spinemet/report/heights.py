"""Body heights of a level, put side by side with their references and losses, found by their names."""

from __future__ import annotations

from dataclasses import dataclass

from spinemet.assessment import LevelAssessment
from spinemet.evidence import Measurement

PLACES = ("anterior", "middle", "posterior")
SIDES = ("left parasagittal", "right parasagittal")


@dataclass(frozen=True)
class HeightRow:
    """One place of a body.

    :param own: the height in the mid-sagittal plane.
    :param left: in the left parasagittal plane; `right` likewise.
    :param reference: what it was compared with, None when there is none.
    :param loss: the share lost, None when not computed.
    """

    place: str
    own: Measurement
    left: Measurement | None
    right: Measurement | None
    reference: Measurement | None
    loss: Measurement | None


def body_heights(item: LevelAssessment) -> list[HeightRow]:
    """The heights of a level from front to back; empty when none was measured."""
    rows = []
    for place in PLACES:
        own = item.measurement(f"{place} height")
        if own is not None:
            left, right = (item.measurement(f"{place} height, {side}") for side in SIDES)
            rows.append(
                HeightRow(place, own, left, right, _about(item, place, "reference"), _about(item, place, "loss"))
            )
    return rows


def _about(item: LevelAssessment, place: str, word: str) -> Measurement | None:
    """The first measurement of the mid-sagittal plane whose name holds the place, "height" and `word`."""
    found = [*item.measurements]
    if item.sins is not None:
        found += item.sins.components["collapse"].measurements
    wanted = {place, "height", word}
    return next(
        (m for m in found if wanted <= set(m.name.replace(",", "").split()) and "parasagittal" not in m.name), None
    )
