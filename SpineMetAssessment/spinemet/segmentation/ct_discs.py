"""Discs along the canal in a CT, and with them where each vertebral body begins and ends.

In front of the canal the column is cut into planes of many tilts. A disc is a dark plane between two bright ones, the
endplates. Which dark planes are discs is decided for the whole column at once, by dynamic programming: discs follow
each other at distances that change slowly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.image import Image
from spinemet.segmentation.ct_work import OUTSIDE_HU, sample

Array = NDArray[np.float64]

COLUMN_MM = 17.0
"""From the canal's middle to the middle of the column of bodies."""
HALF_DEPTH_MM, HALF_WIDTH_MM = 6.0, 9.0
"""Half of what is averaged in a plane, front to back and side to side."""
TILTS_DEG = np.arange(-24.0, 25.0, 4.0)
SPACING_MM = (14.0, 46.0)
"""Least and greatest distance between neighboring discs."""
ENDPLATE_MM = (2.0, 7.0)
"""How far from a disc's middle its endplates are sought."""
CLIP_HU = (-50.0, 450.0)
TYPICAL_HU = 120.0
"""Contrast between endplate and disc that counts as 1."""
TYPICAL_RING_HU = 130.0
"""How much darker than the bodies' walls the rim of a disc is; counts as 1."""
TYPICAL_FORAMEN_HU = 100.0
FORAMEN_MM = 8
"""How far a foramen reaches above the middle of its disc."""
TYPICAL_ENDPLATE_HU = 80.0
WORTH = 0.3
"""Sum of all four that a disc must have to be worth assuming."""
EVENNESS = 8.0
"""Price of an uneven distance: times the squared logarithm of the ratio of successive distances."""


@dataclass(frozen=True, eq=False)
class Column:
    """The column of vertebral bodies as seen from the canal, in steps of 1 mm from tail to head.

    :param canal: RAS (n, 3), the middle of the canal.
    :param up: (n, 3), unit vectors along the canal toward the head.
    :param front: (n, 3), unit vectors to the front.
    """

    canal: Array
    up: Array
    front: Array

    @property
    def middle(self) -> Array:
        """RAS (n, 3), in the middle of the bodies."""
        return self.canal + COLUMN_MM * self.front

    @property
    def right(self) -> Array:
        return np.cross(self.front, self.up)

    def nearest(self, ras: Array) -> int:
        """Step whose plane across the canal passes nearest to a point."""
        offsets = ras - self.canal
        along = np.abs(np.einsum("nc,nc->n", offsets, self.up))
        return int(np.argmin(along + 0.2 * np.linalg.norm(offsets, axis=1)))


@dataclass(frozen=True)
class Disc:
    """A disc, or where the column leaves the image.

    :param step: where along the column.
    :param contrast: endplates over disc, 1 is typical; 0 at the image's edge.
    """

    step: int
    center: Array
    normal: Array
    contrast: float


def column_of(canal: Array) -> Column:
    """The column beside a path along the canal (RAS (n, 3), from tail to head)."""
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(canal, axis=0), axis=1))])
    steps = np.arange(0.0, length[-1] + 1e-6, 1.0)
    line = np.stack([np.interp(steps, length, canal[:, axis]) for axis in range(3)], axis=1)
    line = ndimage.gaussian_filter1d(line, 5.0, axis=0, mode="nearest")
    up = ndimage.gaussian_filter1d(np.gradient(line, axis=0), 8.0, axis=0, mode="nearest")
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    front = np.array([0.0, 1.0, 0.0]) - up * up[:, 1:2]
    front /= np.linalg.norm(front, axis=1, keepdims=True)
    return Column(line, up, front)


def find_discs(work: Image, column: Column, inside: Sequence[Sequence[int]] = ()) -> list[Disc]:
    """Discs from tail to head.

    :param work: HU.
    :param inside: steps of the column that lie within one body each (a click a body).
    """
    means = _plane_means(work, column)
    contrast, tilt = _contrast(means)
    gain = (
        np.maximum(contrast / TYPICAL_HU, -1.0)
        + _endplates_near(means)
        + _open_ring(work, column)
        + _open_foramina(work, column)
    )
    clicked = np.zeros(len(gain), int)
    for steps in inside:
        clicked[list(steps)] += 1
        for step in steps:
            gain[max(0, step - 4) : step + 5] = -5.0
    chosen = _sequence(gain, clicked)
    discs = []
    for step in chosen:
        angle = np.deg2rad(TILTS_DEG[tilt[step]])
        normal = np.cos(angle) * column.up[step] + np.sin(angle) * column.front[step]
        discs.append(Disc(step, column.middle[step], normal, float(gain[step])))
    return discs


def _plane_means(work: Image, column: Column) -> NDArray[np.float32]:
    """Mean HU (n, tilts) of planes through the middle of the column; NaN where they leave the image."""
    depth = np.arange(-HALF_DEPTH_MM, HALF_DEPTH_MM + 0.1, 2.0)
    width = np.arange(-HALF_WIDTH_MM, HALF_WIDTH_MM + 0.1, 3.0)
    across = column.right[:, None, :] * width[None, :, None]
    result = np.empty((len(column.up), len(TILTS_DEG)), np.float32)
    for n, degrees in enumerate(TILTS_DEG):
        angle = np.deg2rad(degrees)
        ahead = np.cos(angle) * column.front - np.sin(angle) * column.up
        points = column.middle[:, None, None, :] + depth[:, None, None] * ahead[:, None, None, :] + across[:, None]
        values = sample(work, points)
        seen = values > OUTSIDE_HU + 1
        values = np.where(seen, np.clip(values, *CLIP_HU), 0.0)
        count = seen.sum(axis=(1, 2))
        result[:, n] = np.where(count > 0.5 * values[0].size, values.sum(axis=(1, 2)) / np.maximum(count, 1), np.nan)
    return result


def _contrast(means: NDArray[np.float32]) -> tuple[Array, NDArray[np.int64]]:
    """How much brighter the planes above and below are than each plane, at the tilt where this is most."""
    known = np.nan_to_num(means, nan=-1000.0)
    near, far = (int(v) for v in ENDPLATE_MM)
    padded = np.pad(known, ((far, far), (0, 0)), constant_values=-1000.0)
    n = len(known)
    above = np.max([padded[far + d : far + d + n] for d in range(near, far + 1)], axis=0)
    below = np.max([padded[far - d : far - d + n] for d in range(near, far + 1)], axis=0)
    smooth = ndimage.gaussian_filter1d(known, 0.8, axis=0)
    contrast = np.where(known > -900, np.minimum(above, below) - smooth, -1000.0)
    # Large tilts need a reason.
    contrast = contrast - 0.3 * np.abs(TILTS_DEG)[None]
    return contrast.max(axis=1).astype(float), contrast.argmax(axis=1)


def _endplates_near(means: NDArray[np.float32]) -> Array:
    """How bright the brightest planes within reach of a disc's middle are, over what is usual nearby; 1 is typical."""
    known = np.nan_to_num(means.max(axis=1), nan=np.float32(np.nanmedian(means)))
    usual = ndimage.median_filter(known, 41, mode="nearest")
    above = ndimage.maximum_filter1d(known - usual, 6, origin=-3, mode="nearest")
    below = ndimage.maximum_filter1d(known - usual, 6, origin=2, mode="nearest")
    return np.clip(np.minimum(above, below) / TYPICAL_ENDPLATE_HU - 0.5, -0.5, 1.0).astype(float)


def _open_ring(work: Image, column: Column) -> Array:
    """How much darker the column's rim is than nearby: bodies have a wall of cortex, discs none; 1 is typical."""
    angles = np.deg2rad(np.arange(-105.0, 106.0, 15.0))[None, None, :, None]
    reach = np.arange(7.0, 26.0, 1.5)[None, :, None, None]
    ahead, aside = column.front[:, None, None], column.right[:, None, None]
    points = column.middle[:, None, None] + reach * (np.cos(angles) * ahead + np.sin(angles) * aside)
    rim = np.median(np.clip(sample(work, points), -100, CLIP_HU[1]).max(axis=1), axis=1)
    rim = ndimage.gaussian_filter1d(rim, 1.5, mode="nearest")
    nearby = ndimage.median_filter(rim, 31, mode="nearest")
    return np.clip((nearby - rim) / TYPICAL_RING_HU, -0.7, 1.0).astype(float)


def _open_foramina(work: Image, column: Column) -> Array:
    """How much less bone than nearby there is beside the canal, at a step and just above it; 1 is typical.

    A foramen lies behind a disc and the lower half of the body above it, a pedicle behind the upper half of a body.
    """
    aside = np.array([-16.0, -14.0, -12.0, -10.0, 10.0, 12.0, 14.0, 16.0])
    ahead = np.arange(2.0, 13.0, 2.0)
    points = column.canal[:, None, None] + ahead[None, :, None, None] * column.front[:, None, None]
    points = points + aside[None, None, :, None] * column.right[:, None, None]
    bone = np.clip(sample(work, points), -100, CLIP_HU[1])
    bone = (bone[:, :, :4].max(axis=2) + bone[:, :, 4:].max(axis=2)).mean(axis=1) / 2
    above = ndimage.uniform_filter1d(bone, FORAMEN_MM + 1, origin=-(FORAMEN_MM // 2), mode="nearest")
    nearby = ndimage.median_filter(bone, 41, mode="nearest")
    return np.clip((nearby - above) / TYPICAL_FORAMEN_HU, -0.7, 0.7).astype(float)


def _sequence(gain: Array, clicked: NDArray[np.int64]) -> list[int]:
    """The steps of the discs: the best sum of gains at evenly changing distances, one click or none between two."""
    low, high = int(SPACING_MM[0]), int(SPACING_MM[1])
    distances = np.arange(low, high + 1)
    uneven = EVENNESS * np.log(distances[:, None] / distances[None, :]) ** 2
    clicks = np.concatenate([[0], np.cumsum(clicked)])
    n = len(gain)
    worth = gain - WORTH
    best = np.full((n, len(distances)), -np.inf)
    came = np.full((n, len(distances)), -1)
    for step in range(n):
        for index, distance in enumerate(distances):
            before = step - distance
            if before < 0 or clicks[step] - clicks[before] > 1:
                continue
            first = worth[before] if clicks[before] <= 1 else -np.inf
            ways = best[before] - uneven[index]
            way = int(ways.argmax())
            if ways[way] > first:
                best[step, index], came[step, index] = worth[step] + ways[way], way
            else:
                best[step, index] = worth[step] + first
    # Beyond the last disc there is at most one click, too.
    after = np.array([clicks[n] - clicks[step] for step in range(n)])
    best[after > 1] = -np.inf
    if not np.isfinite(best.max()) or best.max() <= 0:
        single = int(np.argmax(worth))
        return [single] if worth[single] > 0 else []
    step, index = (int(v) for v in np.unravel_index(int(best.argmax()), best.shape))
    chosen = [step]
    while True:
        way = int(came[step, index])
        step -= int(distances[index])
        chosen.append(step)
        if way < 0:
            break
        index = way
    return chosen[::-1]
