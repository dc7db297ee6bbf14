"""Where vertebral bodies lie along the column: between discs, and beyond the first and last disc that is seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from spinemet.segmentation.ct_body import BodyFrame
from spinemet.segmentation.ct_discs import Column, Disc

Array = NDArray[np.float64]

USUAL_SPACING_MM = 28.0
"""From disc to disc where the image shows only one disc, or none."""
SLIVER_MM = 5.0
"""A body of which the image shows less than this is left out."""
SURE_DISC = 0.9
"""Evidence from which on a disc counts as seen."""


@dataclass(frozen=True, eq=False)
class Place:
    """Where one body lies.

    :param start: first step of the column that belongs to it, from the disc below.
    :param stop: first step that does not.
    :param doubts: what makes the place unsure, as phrases; empty when nothing does.
    """

    frame: BodyFrame
    start: int
    stop: int
    doubts: tuple[str, ...] = ()

    @property
    def is_cut(self) -> bool:
        """Whether the body runs out of the image."""
        return not np.isfinite(self.frame.above - self.frame.below)


def places_between(column: Column, discs: Sequence[Disc], clicked: Sequence[int] = ()) -> list[Place]:
    """Places of all bodies from tail to head.

    :param clicked: steps of the column at which a person says there is a body.
    """
    found = _with_ends(column, discs, clicked)
    places = []
    for below, above in pairwise(found):
        doubts = [
            f"the disc {word} it is hardly seen"
            for word, disc in (("below", below), ("above", above))
            if np.isfinite(disc.contrast) and disc.contrast < SURE_DISC
        ]
        edges = [disc for disc in (below, above) if np.isinf(disc.contrast)]
        if edges:
            doubts.append("the image's edge cuts it")
        places.append(Place(_frame(column, below, above), below.step, above.step, tuple(doubts)))
    return places


def _with_ends(column: Column, discs: Sequence[Disc], clicked: Sequence[int]) -> list[Disc]:
    """The discs, and at both ends where the next one must be; contrast −inf stands for the image's edge."""
    known = list(discs)
    last = len(column.canal) - 1
    if not known:
        middle = clicked[0] if clicked else last // 2
        known = [_assumed(column, middle - USUAL_SPACING_MM / 2), _assumed(column, middle + USUAL_SPACING_MM / 2)]
    while True:
        spacing = _spacing(known, 0)
        room = known[0].step
        wanted = any(step < known[0].step for step in clicked)
        if room < SLIVER_MM or (known[0].contrast <= 0 and not wanted):
            break
        known.insert(0, _assumed(column, known[0].step - spacing))
    while True:
        spacing = _spacing(known, -1)
        room = last - known[-1].step
        wanted = any(step > known[-1].step for step in clicked)
        if room < SLIVER_MM or (known[-1].contrast <= 0 and not wanted):
            break
        known.append(_assumed(column, known[-1].step + spacing))
    return known


def _spacing(discs: Sequence[Disc], end: int) -> float:
    if len(discs) < 2:
        return USUAL_SPACING_MM
    pair = discs[:2] if end == 0 else discs[-2:]
    return float(np.clip(pair[1].step - pair[0].step, 12, 45))


def _assumed(column: Column, step: float) -> Disc:
    """A disc that is not seen; beyond the image its contrast is −inf."""
    last = len(column.canal) - 1
    at = int(np.clip(round(step), 0, last))
    beyond = step - at
    center = column.middle[at] + beyond * column.up[at]
    return Disc(round(step), center, column.up[at], 0.0 if 3 <= step <= last - 3 else -np.inf)


def _frame(column: Column, below: Disc, above: Disc) -> BodyFrame:
    last = len(column.canal) - 1
    step = int(np.clip((below.step + above.step) // 2, 0, last))
    center = (below.center + above.center) / 2
    across = above.center - below.center
    up = below.normal + above.normal
    up = up / np.linalg.norm(up) + across / np.linalg.norm(across)
    up = up / np.linalg.norm(up)
    front = column.front[step] - up * (column.front[step] @ up)
    front = front / np.linalg.norm(front)
    axes = np.array([np.cross(front, up), front, up])
    # The canal's path is nearest at the height of the body's middle.
    local = (column.canal - center) @ axes.T
    nearest = int(np.argmin(np.abs(local[:, 2])))
    course = axes @ column.up[nearest]
    canal = float(local[nearest, 1] - local[nearest, 2] * course[1] / course[2])
    heights = [float((disc.center - center) @ up) for disc in (below, above)]
    return BodyFrame(
        center,
        axes,
        canal,
        heights[0] if np.isfinite(below.contrast) else -np.inf,
        heights[1] if np.isfinite(above.contrast) else np.inf,
    )
