"""Which levels without an outline the image can hold: an unoutlined level is not the same as one outside."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spinemet.evidence import Point
from spinemet.image import Grid
from spinemet.levels import Level

DEFAULT_STEP_MM = 30.0
"""Distance of neighboring vertebrae where only one is outlined [D]."""


def unoutlined_levels(centers: Mapping[Level, Point], grid: Grid) -> dict[Level, bool]:
    """For each ordinary level without an outline: whether the image may show it.

    A level between outlined ones is in the image; one beyond the ends is taken to be where the spine's course,
    continued in steps of its last distance, leads to.

    :param centers: rough body centers (RAS mm) of the outlined levels.
    :return: True when the level probably lies inside the image; every level when nothing is outlined.
    """
    missing = [level for level in Level.ordinary() if level not in centers]
    if not centers:
        return dict.fromkeys(missing, True)
    ordered = sorted(centers, key=lambda level: level.order)
    return {level: _inside(level, ordered, centers, grid) for level in missing}


def _inside(level: Level, ordered: list[Level], centers: Mapping[Level, Point], grid: Grid) -> bool:
    if ordered[0] < level < ordered[-1]:
        return True
    line = list(Level.ordinary())
    toward_head = level < ordered[0]
    end, inner = (
        (ordered[0], ordered[min(1, len(ordered) - 1)])
        if toward_head
        else (ordered[-1], ordered[max(-2, -len(ordered))])
    )
    start = np.array(centers[end])
    step = start - np.array(centers[inner])
    if not step.any():
        step = np.array([0.0, 0.0, DEFAULT_STEP_MM if toward_head else -DEFAULT_STEP_MM])
    # A flagged variant at the end counts as the ordinary level before it.
    count = abs(sum(1 for item in line if item < level) - sum(1 for item in line if item < end)) or 1
    return bool(grid.contains(start + count * step))
