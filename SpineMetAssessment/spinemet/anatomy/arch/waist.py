"""Where a pedicle is thinnest, from the panorama of the canal's wall.

Seen from the canal's axis, its bony wall is the body in front, the arch behind, and on either side one bridge between
the foramina: the pedicle. Half planes through that axis cut the bridge; the least section shows its thinnest place.
It needs no guess at the pedicle's direction, so it holds for the short oblique pedicles of the neck as for L5's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.anatomy.arch.ring import ArchRing
from spinemet.anatomy.sampling import INSIDE, LocalSamples
from spinemet.errors import NotMeasurable

ANGLES_DEG = np.arange(-40.0, 71.0, 5.0)
"""Half planes looked at: from the side toward the front (positive) and toward the back."""
INNER = 0.35
"""They start at this share of the canal's half width: a pedicle may lean over the canal."""
OUTER_MM = 24.0
"""… and end this far outside it: farther out lies a transverse process."""
STEP_MM = 0.75
SHARED_MM2 = 3.0
"""Pieces of neighboring half planes hang together where they share as much [D]."""
LEAST_MM2 = 8.0
"""Sections smaller than this are specks [D]."""
WAIST = 1.15
"""Before and behind a waist the sections grow to this many times its own at least [D]."""
GRAZING = 3
"""Dips of fewer half planes than this are no waists."""
ALIKE, LITTLE = 0.08, 0.05
"""Sections larger than the least by this share count for 1/e in the waist's place; those under `LITTLE` end it."""


@dataclass(frozen=True, eq=False)
class Waist:
    """The thinnest place of the bridge between body and arch, in the vertebra's local millimeters.

    :param center: of its section.
    :param turn: how far the half plane that shows it lies before the canal's side, radians: about how far the bridge
        leans toward the midline.
    """

    center: NDArray[np.float64]
    turn: float


def find_waist(
    samples: LocalSamples, ring: ArchRing, sign: int, heights: tuple[float, float], *, short: bool = False
) -> Waist:
    """Thinnest place of the bridge on the side of `sign`.

    :param samples: the vertebra in its own frame.
    :param heights: between which local heights it is sought.
    :param short: the bridge is no longer than a few half planes, as in the neck.
    :raises NotMeasurable: nothing leads from the body to the arch, or nothing in between is thinner than both.
    """
    angles, areas, centers = _cuts(samples, ring, sign, heights)
    if len(areas) < 5:
        raise NotMeasurable("nothing joins body and arch there in the outline")
    # A plane that grazes a corner of the body shows little bone; its neighbors show that this is no waist.
    even = areas if short else ndimage.grey_closing(areas, GRAZING, mode="nearest")
    # Both sides of a bridge are thicker: of all thin places, laminae among them, the one that stands out most.
    ahead, behind = np.maximum.accumulate(even), np.maximum.accumulate(even[::-1])[::-1]
    stands_out = np.minimum(ahead, behind) / even
    best = int(np.argmax(stands_out))
    if stands_out[best] < WAIST:
        raise NotMeasurable("no narrowest section is found between body and arch")
    # A long even bridge is taken in its middle: all sections that hang together with the best count, the less the
    # larger they are.
    weight = np.exp((1 - even / even[best]) / ALIKE)
    low = np.flatnonzero(weight[:best] < LITTLE)
    high = np.flatnonzero(weight[best:] < LITTLE)
    weight[: low[-1] + 1 if low.size else 0] = 0.0
    weight[best + high[0] if high.size else len(weight) :] = 0.0
    weight /= weight.sum()
    turn = float(weight @ angles)
    order = np.argsort(angles)
    center = np.array([np.interp(turn, angles[order], centers[order, n]) for n in range(3)])
    return Waist(center, turn)


def _cuts(
    samples: LocalSamples, ring: ArchRing, sign: int, heights: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Angle, area and center of the sections, followed from the body backward as long as they hang together."""
    radius = np.arange(INNER * ring.half_width, ring.half_width + OUTER_MM, STEP_MM)
    height = np.arange(heights[0], heights[1], STEP_MM)
    angle = np.deg2rad(ANGLES_DEG)[::-1]
    middle = (ring.front + ring.back) / 2
    right = ring.middle + sign * np.cos(angle)[:, None, None] * radius[:, None]
    anterior = middle + np.sin(angle)[:, None, None] * radius[:, None] + ring.slope * height
    places = np.broadcast_arrays(right, anterior, height)
    index = [(place - low) / step for place, low, step in zip(places, samples.lower, samples.step, strict=True)]
    inside = ndimage.map_coordinates(samples.values, index, order=1, prefilter=False) >= INSIDE
    areas: list[float] = []
    centers: list[NDArray[np.float64]] = []
    before: NDArray[np.bool_] = np.ones_like(inside[0])
    for number, plane in enumerate(inside):
        pieces, count = ndimage.label(plane)
        # All pieces that go on what was cut before: a plane past the body's hollow back meets it in two.
        shared = np.bincount(pieces[before], minlength=count + 1) * STEP_MM**2 >= SHARED_MM2
        shared[0] = False
        piece = shared[pieces]
        area = float(piece.sum()) * STEP_MM**2
        if area < LEAST_MM2:
            break
        before = piece
        areas.append(area)
        centers.append(np.array([place[number][piece].mean() for place in places]))
    return angle[: len(areas)], np.array(areas), np.array(centers)
