"""The ring round the canal in a vertebra's own frame: what the parts of the arch are told apart by.

Looked at along the canal the arch and the posterior wall enclose a hole. Its middle, half width and back are the
landmarks for pedicles (beside it), laminae (behind it) and the processes (beyond those).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.anatomy.canal import projected
from spinemet.anatomy.kept import kept
from spinemet.anatomy.sampling import INSIDE, LocalSamples, sample_box
from spinemet.anatomy.vertebra import Vertebra
from spinemet.errors import NotMeasurable

STEP_MM, STEP_UP_MM = 0.5, 1.0
WIDEST_ROWS = 5
"""The canal's sides are read from as many of its widest rows."""
REACH_BEHIND_MM = 45.0
"""Canal and laminae lie within this distance behind the posterior wall."""
MIN_FORAMEN_MM2 = 60.0
"""Smallest hole taken for the canal [D]; a transverse foramen has about 30 mm²."""
GAPS_MM = (0.0, 3.0, 6.0)
"""Gaps in the arch that are bridged, smallest first, until a hole is found [D]."""
BELOW_MM = 3.0
"""Laminae reach this far below the body at least."""
NOMINAL_HALF_HEIGHT_MM, LEAST_HALF_HEIGHT_MM = 12.0, 7.0
"""Half the height looked through without endplates, and in a collapsed body [D]."""
PITCHES = (0.0, -0.2, 0.2, -0.4, 0.4)
"""Views tried: how far the line of sight moves forward per mm upward."""
NOMINAL_HALF_WIDTH = 0.28
"""Half width of the canal as a share of the body's width, where the arch is open [D]."""
NOMINAL_DEPTH_MM = 16.0
"""Depth of the canal where the arch is open [D]."""


@dataclass(frozen=True)
class ArchRing:
    """The canal between the pedicles, in local (right, anterior) millimeters at the height of the frame's origin.

    :param middle: right coordinate of its middle.
    :param half_width: half of its extent to right and left.
    :param front: anterior coordinate of the posterior wall.
    :param back: anterior coordinate of the laminae's inner side in the midline.
    :param slope: how far the canal moves forward per mm upward.
    :param closed: False where the arch does not close round it, and its size is a guess from the body's.
    """

    middle: float
    half_width: float
    front: float
    back: float
    slope: float = 0.0
    closed: bool = True

    @property
    def depth(self) -> float:
        return self.front - self.back


@kept
def arch_ring(vertebra: Vertebra) -> ArchRing:
    """Find the ring of a measured vertebra.

    :raises NotMeasurable: body and arch were not parted.
    """
    if vertebra.body is None or vertebra.width.value is None:
        raise NotMeasurable(f"{vertebra.level}: {vertebra.reason or 'body and arch were not parted'}.")
    width = vertebra.width.value
    wall = vertebra.wall[0]
    # Above and below the body the articular processes lean over the canal.
    low, high = looked_through(vertebra)
    side = np.ceil(0.5 * width + 8.0)
    lower = (-side, wall - REACH_BEHIND_MM, low - BELOW_MM)
    upper = (side + STEP_MM / 2, wall + 5.0, high)
    samples = sample_box(vertebra.mask, vertebra.frame, lower, upper, (STEP_MM, STEP_MM, STEP_UP_MM))
    inside = samples.values >= INSIDE
    for gap in GAPS_MM:
        views = [(slope, _hole(projected(inside, samples, slope), samples, gap)) for slope in PITCHES]
        slope, hole = max(views, key=lambda view: int(view[1].sum()))
        if hole.any():
            return _ring(hole, samples, wall, slope)
    return ArchRing(0.0, NOMINAL_HALF_WIDTH * width, wall, wall - NOMINAL_DEPTH_MM, closed=False)


def looked_through(vertebra: Vertebra) -> tuple[float, float]:
    """Local heights of the inferior and the superior endplate's center: what lies between is looked through."""
    plates = (vertebra.inferior_endplate, vertebra.superior_endplate)
    low, high = (
        float(vertebra.frame.to_local(plate.center)[2]) if plate is not None else sign * NOMINAL_HALF_HEIGHT_MM
        for plate, sign in zip(plates, (-1, 1), strict=True)
    )
    return min(low, -LEAST_HALF_HEIGHT_MM), max(high, LEAST_HALF_HEIGHT_MM)


def _ring(hole: NDArray[np.bool_], samples: LocalSamples, wall: float, slope: float) -> ArchRing:
    """Landmarks of a hole; its sides are those of its widest rows together, so that no single sample decides."""
    right, anterior = samples.axis(0), samples.axis(1)
    rows = hole[:, hole.any(axis=0)]
    first, last = rows.argmax(axis=0), len(right) - 1 - rows[::-1].argmax(axis=0)
    left_end = right[np.sort(first)[:WIDEST_ROWS]].mean() - STEP_MM / 2
    right_end = right[np.sort(last)[-WIDEST_ROWS:]].mean() + STEP_MM / 2
    middle = float(left_end + right_end) / 2
    near = hole[np.abs(right - middle) <= 2.0]
    backs = [anterior[column.argmax()] for column in near if column.any()]
    back = float(np.mean(backs)) - STEP_MM / 2 if backs else float(anterior[hole.any(axis=0)].min())
    return ArchRing(middle, float(right_end - left_end) / 2, wall, back, slope)


def _hole(outline: NDArray[np.bool_], samples: LocalSamples, gap_mm: float) -> NDArray[np.bool_]:
    """The largest hole that spans the midline; empty when there is none."""
    ring = outline
    if gap_mm > 0:
        ring = ndimage.distance_transform_edt(~outline, sampling=STEP_MM) <= gap_mm / 2
    pieces, count = ndimage.label(ndimage.binary_fill_holes(ring) & ~ring)
    best = np.zeros_like(outline)
    central = pieces[np.abs(samples.axis(0)) <= 3.0]
    for number in range(1, count + 1):
        piece = pieces == number
        if (central == number).any() and piece.sum() * STEP_MM**2 >= MIN_FORAMEN_MM2 and piece.sum() > best.sum():
            best = piece
    if gap_mm > 0 and best.any():
        best = ndimage.distance_transform_edt(~best, sampling=STEP_MM) <= gap_mm / 2
    return np.asarray(best)
