"""Following the canal from cut to cut by its look: the clicked cuts are found again in every cut between them.

Correlation does not care how bright a cut is, so a coil's falling sensitivity does not lead astray. The way that is
smooth and looks most alike is found over the whole length at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

from spinemet.image import Image
from spinemet.segmentation.canal_course import Course, smooth_course

PIXEL_MM = 1.0
FIELD_MM = 19.0
"""The line may lie so far from the canal's middle, plus the template's half width."""
TEMPLATE_MM = 11.0
"""Half width of what is found again: the sac with a rim of what bounds it."""
STRAY = 1.2
"""Cost of moving by one pixel between cuts, in correlation; moving by two costs four times as much."""

Array = NDArray[np.float64]


def followed(image: Image, course: Course, clicks: Sequence[Array]) -> Course:
    """The course, moved in each cut to where the cut looks like a clicked cut round the click.

    :param clicks: RAS positions (3,), near the course.
    """
    cuts = _cuts(image, course)
    likeness = np.maximum.reduce([_likeness(cuts, _template(image, course, click)) for click in clicks])
    ways = _best_way(likeness)
    half = (likeness.shape[1] - 1) / 2
    right, front = (PIXEL_MM * (ways[:, n] - half) for n in (0, 1))
    u, v = course.axes
    return smooth_course(course.points + right[:, None] * u + front[:, None] * v, 3.0)


def _plane(course: Course, at: Array, cut: NDArray[np.intp], half_mm: float) -> Array:
    """RAS positions (n, side, side, 3) of pixels round places in cuts; the axes are right and front."""
    steps = PIXEL_MM * np.arange(-round(half_mm / PIXEL_MM), round(half_mm / PIXEL_MM) + 1)
    u, v = (axis[cut] for axis in course.axes)
    return np.asarray(
        at[:, None, None]
        + steps[None, :, None, None] * u[:, None, None]
        + steps[None, None, :, None] * v[:, None, None]
    )


def _cuts(image: Image, course: Course) -> NDArray[np.float32]:
    values = image.sample(_plane(course, course.points, np.arange(len(course.points)), FIELD_MM + TEMPLATE_MM))
    values = np.nan_to_num(values, nan=float(np.min(image.array)))
    return np.asarray(ndimage.gaussian_filter(values, (1.0, 0.7, 0.7)))


def _template(image: Image, course: Course, click: Array) -> NDArray[np.float32]:
    nearest = int(np.argmin(np.linalg.norm(course.points - click, axis=1)))
    # The mean of a few cuts, so that one cut's noise is not looked for.
    cuts = np.clip(np.arange(nearest - 2, nearest + 3), 0, len(course.points) - 1)
    at = click + course.points[cuts] - course.points[nearest]
    values = np.nan_to_num(image.sample(_plane(course, at, cuts, TEMPLATE_MM)), nan=float(np.min(image.array)))
    return np.asarray(values.mean(axis=0))


def _likeness(cuts: NDArray[np.float32], template: NDArray[np.float32]) -> Array:
    """Correlation (−1 to 1) of a template with each place of each cut, a round window of it."""
    side = template.shape[0]
    grid = np.arange(side) - (side - 1) / 2
    weight = np.exp(-0.5 * (np.hypot(*np.meshgrid(grid, grid)) * PIXEL_MM / (0.6 * TEMPLATE_MM)) ** 2)
    weight /= weight.sum()
    kernel = weight * (template - np.sum(weight * template))

    def over(values: Array, window: Array) -> Array:
        return np.asarray(signal.fftconvolve(values, window[None, ::-1, ::-1], mode="valid", axes=(1, 2)))

    values = cuts.astype(float)
    spread = over(values**2, weight) - over(values, weight) ** 2
    own = np.sum(weight * (template - np.sum(weight * template)) ** 2)
    floor = 1e-3 * max(float(spread.max()), 1e-6)
    return np.asarray(over(values, kernel) / np.sqrt(np.maximum(spread, floor) * max(own, 1e-6)))


def _best_way(likeness: Array) -> NDArray[np.intp]:
    """Places (cuts, 2) of the smooth way with the highest likeness (Viterbi)."""
    moves = [(a, b) for a in range(-2, 3) for b in range(-2, 3)]
    cost = 1.0 - likeness
    total = cost[0]
    came = np.zeros(cost.shape, dtype=np.int8)
    for cut in range(1, len(cost)):
        padded = np.pad(total, 2, constant_values=np.inf)
        side = total.shape[0]
        options = np.stack([
            padded[2 + a : 2 + a + side, 2 + b : 2 + b + side] + 0.1 * STRAY * (a * a + b * b) for a, b in moves
        ])  # fmt: skip
        came[cut] = np.argmin(options, axis=0)
        total = np.min(options, axis=0) + cost[cut]
    at = np.array(np.unravel_index(np.argmin(total), total.shape))
    way = [at]
    for cut in range(len(cost) - 1, 0, -1):
        at = at + np.array(moves[came[cut][tuple(at)]])
        way.append(at)
    return np.array(way[::-1])
