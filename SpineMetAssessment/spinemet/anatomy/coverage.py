"""Which levels without an outline the image can hold: an unoutlined level is not the same as one outside."""

from __future__ import annotations

import numpy as np

from spinemet.anatomy.spine_line import SpineLine
from spinemet.image import Grid
from spinemet.levels import Level

DEFAULT_STEP_MM = 30.0
"""Distance of neighboring vertebrae where only one is outlined [D]."""


def unoutlined_levels(line: SpineLine, grid: Grid) -> dict[Level, bool]:
    """For each ordinary level without an outline: whether the image may show it.

    A level between outlined ones is in the image; none is beyond a vertebra that the image's edge cuts; any other
    is taken to be where the spine's course, continued in steps of its last distance, leads to.

    :return: True when the level probably lies inside the image; every level when nothing is outlined.
    """
    missing = [level for level in Level.ordinary() if level not in line.centers]
    if not line.centers:
        return dict.fromkeys(missing, True)
    return {level: _inside(level, line, grid) for level in missing}


def _inside(level: Level, line: SpineLine, grid: Grid) -> bool:
    outlined = sorted(line.centers)
    if outlined[0] < level < outlined[-1]:
        return True
    toward_head = level < outlined[0]
    end = outlined[0] if toward_head else outlined[-1]
    edge = "superior" if toward_head else "inferior"
    if any(name.startswith(edge) for name in line.hints[end].cut):
        return False
    start = np.array(line.centers[end])
    if len(outlined) > 1:
        step = start - np.array(line.centers[outlined[1] if toward_head else outlined[-2]])
    else:
        step = np.array(line.hints[end].superior) * (DEFAULT_STEP_MM if toward_head else -DEFAULT_STEP_MM)
    # A flagged variant at the end counts as the ordinary level before it.
    ordinary = Level.ordinary()
    count = abs(sum(item < level for item in ordinary) - sum(item < end for item in ordinary)) or 1
    return bool(grid.contains(start + count * step))
