"""The way through the canal from click to click: the cheapest path through what looks like the clicked places."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.image import Grid, Image
from spinemet.segmentation.canal_course import STEP_MM, Course, smooth_course

GRID_MM = 1.6
"""Voxels of the grid in which the path is sought."""
MARGIN_MM = 30.0
"""How far the path may stray from the box of the clicks; a fifth of their distance if that is more."""
TO_THE_EDGE_MM = 15.0
"""A click that lies so close to the image's edge stands for the edge [D]."""
SLOWEST = 0.02
"""Least share of the full speed: everything can be crossed, at a price."""

Array = NDArray[np.float64]


def path_grid(image: Image, points: Array) -> Grid:
    """A coarse grid round the clicked points (n, 3) RAS."""
    margin = max(MARGIN_MM, 0.2 * float(np.linalg.norm(np.ptp(points, axis=0))))
    part = image.grid.crop(image.grid.region_around(points, margin))
    return part.with_spacing(np.minimum(GRID_MM, part.spacing * np.array(part.shape[::-1])))


def similar_speed(image: Image, grid: Grid, points: Array) -> Image:
    """Speed (0–1) on the grid: high where the image looks, near and wide, like at one of the points."""
    values = image.resample(grid).array.astype(np.float32)
    sigma = 1.0 / grid.spacing[::-1]
    reach = np.maximum(1, 2 * np.rint(5.0 / grid.spacing[::-1]).astype(int) + 1)
    soft = ndimage.gaussian_filter(values, sigma)
    looks = [soft, ndimage.gaussian_filter(values, 3 * sigma)]
    looks += [
        ndimage.gaussian_filter(morph(soft, reach), sigma) for morph in (ndimage.grey_closing, ndimage.grey_opening)
    ]
    at = np.clip(np.rint(grid.to_index(points)).astype(int), 0, np.array(grid.shape[::-1]) - 1)
    distance = np.full(values.shape, np.inf, dtype=np.float32)
    scales = [max(float(np.subtract(*np.percentile(look, (90, 10)))), 1e-6) for look in looks]
    for i, j, k in at:
        square = sum(((look - look[k, j, i]) / scale) ** 2 for look, scale in zip(looks, scales, strict=True))
        np.minimum(distance, square, out=distance)
    speed = np.maximum(np.exp(-distance / 0.12), SLOWEST)
    return Image(speed.astype(np.float32), grid.ijk_to_ras)


def cheapest_path(speed: Image, points: Sequence[Array]) -> Array:
    """Points (n, 3) RAS of the fastest way through the clicked points in their order."""
    legs = [_leg(speed, first, second) for first, second in pairwise(points)]
    return np.concatenate([leg[:-1] for leg in legs[:-1]] + [legs[-1]])


def course_between(image: Image, speed: Image, points: Sequence[Array]) -> Course:
    """A smooth course along the cheapest path, on to the image's edge where a click lies close to it."""
    return to_the_edge(smooth_course(cheapest_path(speed, points)), image.grid)


def to_the_edge(course: Course, grid: Grid) -> Course:
    """The course, straight on to the edge of the grid at an end that lies within `TO_THE_EDGE_MM` of it."""
    steps = STEP_MM * np.arange(1, int(TO_THE_EDGE_MM / STEP_MM) + 2)[:, None]
    parts = [course.points]
    back = min(len(course.points) - 1, 8)
    for end, other, first in ((0, back, True), (-1, -1 - back, False)):
        way = course.points[end] - course.points[other]
        beyond = course.points[end] + steps * way / np.linalg.norm(way)
        inside = grid.contains(beyond)
        if not inside.all():
            kept = beyond[: int(np.argmin(inside))]
            parts = [kept[::-1], *parts] if first else [*parts, kept]
    return Course(np.concatenate(parts))


def _leg(speed: Image, start: Array, stop: Array) -> Array:
    grid = speed.grid
    size = np.array(grid.shape[::-1]) - 1
    first, last = (np.clip(np.rint(grid.to_index(end)).astype(int), 0, size) for end in (start, stop))
    flat = sitk.GetImageFromArray(speed.array)
    flat.SetSpacing([float(s) for s in grid.spacing])
    march = sitk.FastMarchingImageFilter()
    march.SetTrialPoints([[int(n) for n in first]])
    march.SetStoppingValue(1e9)
    time = np.pad(sitk.GetArrayFromImage(march.Execute(flat)), 1, constant_values=np.float32(np.inf))
    at = last[::-1] + 1
    goal, found = tuple(first[::-1] + 1), [tuple(at)]
    around = np.stack(np.meshgrid(*[(-1, 0, 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    while tuple(at) != goal:
        k, j, i = at
        near = time[k - 1 : k + 2, j - 1 : j + 2, i - 1 : i + 2].reshape(-1)
        if near.min() >= time[k, j, i]:
            break
        at = at + around[int(np.argmin(near))]
        found.append(tuple(at))
    middle = grid.to_world(np.array(found[::-1], dtype=float)[:, ::-1] - 1)
    return np.concatenate([start[None], middle[1:-1], stop[None]])
