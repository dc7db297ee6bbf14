"""Levels of an engine's outlines by what a person clicked: one confirmed vertebra names all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from spinemet.case import Structure
from spinemet.codes import bone_of
from spinemet.errors import BadInput
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level, adjacent
from spinemet.segmentation.clicks import Click

REACH_MM = 12.0
"""How far from an outline a click may lie that still means it [D]."""
_BONES = (Structure.VERTEBRA, Structure.SACRUM)


def named_by_clicks(labels: LabelMap, clicks: Sequence[Click]) -> LabelMap:
    """The outlines with their levels shifted, or given, as the clicks in them say.

    :param clicks: those without a level say nothing.
    :raises BadInput: a click lies in no outlined vertebra, or two clicks contradict each other.
    """
    said = {_value_at(labels, click): click.level for click in clicks if click.level is not None}
    if not said:
        return labels
    unnamed = [value for value in labels.values(Structure.VERTEBRA) if labels.outlines[value].level is None]
    if len(unnamed) == len([*labels.values(Structure.VERTEBRA), *labels.values(Structure.SACRUM)]):
        return _counted(labels, said)
    steps = set()
    for value, level in said.items():
        own = labels.outlines[value].level
        if own is None:
            labels = labels.renamed({**labels.outlines, value: replace(bone_of(level), frame=labels.image.frame)})
        else:
            steps.add(_steps(own, level, set(labels.levels)))
    if len(steps) > 1:
        raise BadInput(
            "The clicks' levels contradict the outlines in different ways; look at the outlines, and at the clicks."
        )
    step = steps.pop() if steps else 0
    if step == 0:
        return labels
    way = "toward the feet" if step > 0 else "toward the head"
    note = f"The levels were shifted by {abs(step)} {way}, as the clicks say."
    return replace(labels.shifted(step), notes=(*labels.notes, note))


def _counted(labels: LabelMap, said: dict[int, Level]) -> LabelMap:
    """Levels for outlines that have none, counted from those that were clicked."""
    heights = {
        value: float(labels.image.to_world(_middle(labels, value))[2]) for value in labels.values(Structure.VERTEBRA)
    }
    order = sorted(heights, key=lambda value: -heights[value])
    found: dict[int, Level] = {}
    for place, level in ((order.index(value), level) for value, level in said.items()):
        for n, value in enumerate(order):
            name = adjacent(level, n - place, set(said.values())) if n != place else level
            if name is None or name is Level.OCC:
                raise BadInput(f"{level} leaves no name for all vertebrae that were found; check the click's level.")
            if found.setdefault(value, name) is not name:
                raise BadInput("The clicks' levels contradict each other; correct the names of the clicks.")
    outlines = {
        value: replace(bone_of(found[value]), frame=labels.image.frame) if value in found else outline
        for value, outline in labels.outlines.items()
    }
    return labels.renamed(outlines)


def _middle(labels: LabelMap, value: int) -> np.ndarray:
    region = labels.region(value)
    index = np.argwhere(labels.image.array[region] == value).mean(axis=0)
    return np.asarray((index + [part.start for part in region])[::-1])


def _steps(own: Level, wanted: Level, present: set[Level]) -> int:
    line = [level for level in Level if not level.is_variant or level in present | {wanted}]
    return line.index(wanted) - line.index(own)


def _value_at(labels: LabelMap, click: Click) -> int:
    """The bone that a click lies in, or next to. :raises BadInput: there is none."""
    values = [*labels.values(Structure.VERTEBRA), *labels.values(Structure.SACRUM)]
    near: Image = labels.image.crop_around(np.array([click.position]), REACH_MM)
    index = np.argwhere(np.isin(near.array, values))
    if len(index):
        apart = np.linalg.norm(near.to_world(index[:, ::-1]) - np.array(click.position), axis=1)
        best = int(apart.argmin())
        if apart[best] <= REACH_MM:
            return int(near.array[tuple(index[best])])
    raise BadInput(f"{click.name[:1].upper()}{click.name[1:]} lies in no vertebra that was outlined; set it on one.")
