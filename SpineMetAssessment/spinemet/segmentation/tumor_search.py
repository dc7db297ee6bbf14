"""Where a tumor is sought, and what the places of the marks say, whatever the values there are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinemet.image import Grid, Image, Region
from spinemet.segmentation.tumor_cut import Solver
from spinemet.segmentation.tumor_grid import Work, work_on
from spinemet.segmentation.tumor_model import Rooms, overlap
from spinemet.segmentation.tumor_paths import path_mm
from spinemet.segmentation.tumor_strokes import Box, Mark, Stroke, boxes_of, distance_mm, painted, strokes_of

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Tuning:
    """What the outline is asked to prefer; chosen on synthetic patients 101 to 104 [D].

    :param border_mm: price of a border, as the thickness of a layer of ambiguous voxels that it outweighs.
    :param reach_of_click_mm: how far from a single click a tumor is sought.
    :param free_mm: how far from a single click it grows without paying for the distance.
    :param ring_mm: thickness of the layer round the outline from which the surroundings are learned.
    :param turns: how often model and outline follow each other.
    """

    border_mm: float = 4.0
    reach_of_click_mm: float = 40.0
    free_mm: float = 12.0
    ring_mm: float = 6.0
    turns: int = 3


USUAL = Tuning()
DAB_MM = 8.0
"""Strokes that span less say nothing about the tumor's size."""
_FAR = 1.0
"""Cost of lying twice as far from the strokes as the tumor was said to reach."""
_NEARER = 2.0
"""Cost of lying at an outside stroke instead of at an inside one."""
_DIFFERENT = 0.2
"""Overlap of values under strokes inside and outside below which the values alone tell them apart."""


@dataclass(frozen=True, eq=False)
class Search:
    """Where and from what an outline is sought."""

    work: Work
    strokes: tuple[Stroke, ...]
    boxes: tuple[Box, ...]
    limit: Image | None
    tuning: Tuning
    solver: Solver
    span_mm: float

    def seeds_on(self, grid: Grid) -> tuple[Bools, Bools]:
        """Voxels of a grid that are certainly tumor, and certainly not by strokes."""
        inside = painted(self.strokes, grid, foreground=True)
        return inside, painted(self.strokes, grid, foreground=False) & ~inside

    def rooms_on(self, grid: Grid, *, joined: bool = False) -> Rooms:
        """The room of each voxel of a grid; one for all where nothing limits the tumor."""
        if self.limit is None:
            return np.ones(grid.shape, np.uint8)
        given = np.asarray(self.limit.array).astype(np.uint8)
        if not joined:
            return given
        found = np.zeros(grid.shape, np.uint8)
        most = np.zeros(grid.shape, np.float32)
        for room in np.unique(given[given > 0]):
            share = self.work.joined(given == room)
            larger = share > most
            found[larger], most[larger] = room, share[larger]
        return found

    def barred_on(self, grid: Grid, *, joined: bool = False) -> Bools:
        """Voxels outside of the boxes or of the limit."""
        barred = np.zeros(grid.shape, bool)
        for box in self.boxes:
            low, high = box.bounds_in(self.work.fine.grid)
            ends = grid.to_index(self.work.fine.grid.to_world(np.stack([low, high])))
            outer = np.ones(grid.shape, bool)
            starts, stops = np.ceil(ends[0] - 1e-6)[::-1], np.floor(ends[1] + 1e-6)[::-1] + 1
            outer[tuple(slice(max(0, int(a)), max(0, int(b))) for a, b in zip(starts, stops, strict=True))] = False
            barred |= outer
        if self.limit is not None:
            barred |= self.work.joined(self.limit.array > 0) < 0.5 if joined else self.limit.array == 0
        return barred


def plan(
    image: Image,
    marks: Iterable[Mark],
    limit: Image | None,
    tuning: Tuning,
    solver: Solver,
    *,
    region: Region | None = None,
    join: bool = True,
) -> Search:
    """Lay out the search round the marks.

    :param region: where to search; None to find out from the marks.
    :param join: whether voxels are joined for speed though there are few.

    :raises GridMismatch: the limit lies on another grid.
    """
    marks = tuple(marks)
    strokes, boxes = strokes_of(marks), boxes_of(marks)
    points = [np.array(stroke.points) for stroke in strokes if stroke.foreground]
    span = 0.0
    if points:
        together = np.concatenate(points)
        span = float(np.linalg.norm(np.ptp(together, axis=0)))
    if region is None and boxes:
        corners = [image.grid.crop(_box_region(image.grid, box)).corners for box in boxes]
        region = image.grid.region_around(np.concatenate(corners), tuning.ring_mm)
    elif region is None:
        reach = tuning.reach_of_click_mm if span < DAB_MM else float(np.clip(span, 20.0, 60.0))
        region = image.grid.region_around(together, reach)
    if limit is not None:
        image.require_grid(limit)
        limit = limit.crop(region)
    return Search(work_on(image, region, join=join), strokes, boxes, limit, tuning, solver, span)


def _box_region(grid: Grid, box: Box) -> Region:
    low, high = box.bounds_in(grid)
    starts, stops = np.ceil(low - 1e-6).astype(int)[::-1], np.floor(high + 1e-6).astype(int)[::-1] + 1
    k, j, i = (slice(int(a), max(int(b), int(a) + 1)) for a, b in zip(starts, stops, strict=True))
    return (k, j, i)


@dataclass(frozen=True, eq=False)
class Place:
    """What the marks' places say, whatever the values are.

    :param cost: of being tumor far from the inside strokes, or nearer to outside strokes that look like the tumor.
    :param sway: how much of the values under outside strokes holds at each voxel, 0 to 1; None without such strokes.
    """

    cost: Floats
    sway: Floats | None


def place_of(search: Search, values: Floats, inside: Bools, outside: Bools, noise: float) -> Place:
    """Weigh the places of the marks.

    Outside strokes on something that differs from the tumor hold everywhere. Those on something that looks like it,
    where an outline ran over, hold only where they are nearer than the inside strokes, along paths that shun edges.
    """
    grid, tuning = search.work.coarse_grid, search.tuning
    cost = np.zeros(grid.shape, np.float32)
    if not inside.any():
        return Place(cost, None)
    if not search.boxes:
        free = tuning.free_mm if search.span_mm < DAB_MM else max(tuning.free_mm, 0.6 * search.span_mm)
        cost += _FAR * np.clip(distance_mm(inside, grid) / free - 1, 0, 4)
    if not outside.any():
        return Place(cost, None)
    alike = overlap(values[inside], values[outside], noise)
    if alike < _DIFFERENT:
        return Place(cost, np.ones(grid.shape, np.float32))
    to_inside, to_outside = (path_mm(seeds, values, grid, noise) for seeds in (inside, outside))
    nearer = (to_inside - to_outside) / (to_inside + to_outside + 1e-3)
    cost += _NEARER * alike * np.clip(nearer, 0, 1)
    return Place(cost, (1 - alike) + alike * np.sqrt(np.clip(nearer, 0, 1)))


def middle_of_box(search: Search, grid: Grid) -> Bools:
    """An ellipsoid of a third of the box: tumor for a start."""
    k, j, i = np.indices(grid.shape, dtype=np.float32)
    found = np.zeros(grid.shape, bool)
    for box in search.boxes:
        low, high = box.bounds_in(search.work.fine.grid)
        ends = grid.to_index(search.work.fine.grid.to_world(np.stack([low, high])))
        center, half = ends.mean(axis=0), np.maximum(np.abs(ends[1] - ends[0]) / 2, 0.5)
        q = ((i - center[0]) / half[0]) ** 2 + ((j - center[1]) / half[1]) ** 2 + ((k - center[2]) / half[2]) ** 2
        found |= q <= max(0.4**2, float(q.min()))
    return found
