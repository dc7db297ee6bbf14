"""Learn and cut in turns: what tumor and surroundings look like, the cheapest border for it, and again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.errors import BadInput
from spinemet.image import Grid, Image
from spinemet.segmentation.tumor_cut import CERTAIN, CutProblem, Solver, cut_by_max_flow, cut_by_relaxation
from spinemet.segmentation.tumor_grid import box_of
from spinemet.segmentation.tumor_model import SAME, Looks, learn_rooms, middle_and_spread, overlap
from spinemet.segmentation.tumor_search import DAB_MM, Search, middle_of_box, place_of
from spinemet.segmentation.tumor_strokes import distance_mm

_EDGE_IN_NOISE = 2.5
"""Step between neighbors, in standard deviations of the noise, at which a border costs 60 %."""
_CHEAPEST_BORDER = 0.02
"""Price of a border on the strongest edge, as a share of its price in even tissue."""
_LEAST_EDGE = 0.25
"""Share of the border that must lie on steps in the image for the outline to mean anything [D]."""
_STEPS = 60
"""Most steps of the relaxation in one turn."""
_FEWEST_STEPS = 15
_VOXEL_STEPS = 25_000_000
"""Voxels times steps that the relaxation may take: about a second."""
_SETTLED = 0.005
"""Share of the outline that may still change when the turns end."""

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


def in_turns(
    search: Search, values: Floats, inside: Bools, outside: Bools, barred: Bools, noise: float
) -> tuple[Bools, Floats, Looks]:
    """The mask on the coarse grid, its soft form and what was learned.

    :param inside: voxels that are certainly tumor.
    :param outside: voxels under strokes outside.
    :param barred: voxels outside of a box or of the limit.
    """
    tuning, grid = search.tuning, search.work.coarse_grid
    place = place_of(search, values, inside, outside, noise)
    core = _core(search, inside, outside)
    rooms = search.rooms_on(grid, joined=True)
    if not search.boxes:
        rooms = np.where(barred, 0, rooms)
    middle, spread = middle_and_spread(values[core], noise)
    if search.span_mm < DAB_MM and not outside.any() and not search.boxes:
        # One click tells nothing about the surroundings: what differs by more than 2.6 spreads is not tumor.
        cost = np.clip(((values - middle) / spread) ** 2 / 2 - 3.5, -3, 3).astype(np.float32)
    else:
        rest = (barred if search.boxes else ~inside) & ~core
        cost = learn_rooms(values, rooms, core, rest, (inside, outside), noise)(values, rooms)
    faces = face_costs(values, grid, noise, tuning.border_mm)
    closed = outside | barred

    def cut(cost: Floats, start: Floats | None) -> tuple[Bools, Floats]:
        soft = solved(CutProblem(with_certain(cost + place.cost, inside, closed), faces), search.solver, start)
        mask = tidied(soft > 0.5, core, closed)
        return (mask if mask.any() else core & ~barred), soft

    mask, soft = cut(cost, None)
    for _ in range(tuning.turns):
        ring = ring_of(mask, grid, tuning.ring_mm)
        model = learn_rooms(values, rooms, mask, ring, (inside, np.zeros_like(outside)), noise)
        cost = model(values, rooms)
        if place.sway is not None:
            local = learn_rooms(values, rooms, mask, ring, (inside, outside), noise)
            cost += place.sway * (local(values, rooms) - cost)
        before = mask
        mask, soft = cut(cost, soft)
        if np.count_nonzero(mask ^ before) <= _SETTLED * np.count_nonzero(mask):
            break
    return mask, soft, model


def ring_of(mask: Bools, grid: Grid, thickness_mm: float) -> Bools:
    """The layer of a thickness round a mask that is not empty."""
    margin = [int(np.ceil(thickness_mm / step)) + 1 for step in grid.spacing[::-1]]
    region = box_of(mask, (margin[0], margin[1], margin[2]))
    away = distance_mm(mask[region], grid.crop(region))
    ring = np.zeros_like(mask)
    ring[region] = (away > 0) & (away <= thickness_mm)
    return ring


def _core(search: Search, inside: Bools, outside: Bools) -> Bools:
    """Voxels from which the tumor's look is learned first."""
    if not inside.any():
        return middle_of_box(search, search.work.coarse_grid)
    if search.span_mm >= DAB_MM:
        return inside
    return inside | (distance_mm(inside, search.work.coarse_grid) <= 2.5) & ~outside


def solved(problem: CutProblem, solver: Solver, start: Floats | None) -> Floats:
    """The cut, 0 to 1."""
    if solver is Solver.MAX_FLOW:
        return cut_by_max_flow(problem).astype(np.float32)
    steps = int(np.clip(_VOXEL_STEPS / problem.voxel_cost.size, _FEWEST_STEPS, _STEPS))
    return cut_by_relaxation(problem, start, steps)


def with_certain(cost: Floats, inside: Bools, outside: Bools) -> Floats:
    """Costs that hold the marked voxels where they are marked."""
    cost = cost.copy()
    cost[outside] = CERTAIN
    cost[inside] = -CERTAIN
    return cost


def face_costs(values: Floats, grid: Grid, noise: float, border_mm: float) -> tuple[Floats, Floats, Floats]:
    """Prices of borders: low on the image's edges; the same per mm² on every axis, relative to the voxel's volume."""
    spacing = grid.spacing[::-1]
    found = []
    for axis in range(3):
        step = np.diff(values, axis=axis) * np.float32(1 / (_EDGE_IN_NOISE * noise))
        price = border_mm / float(spacing[axis])
        smooth = np.exp(-0.5 * np.minimum(step * step, 60.0))
        found.append((price * (_CHEAPEST_BORDER + (1 - _CHEAPEST_BORDER) * smooth)).astype(np.float32))
    return (found[0], found[1], found[2])


def tidied(mask: Bools, seeds: Bools, not_tumor: Bools) -> Bools:
    """The components that touch the seeds, their holes filled unless something was marked within."""
    labels, _ = ndimage.label(mask)
    kept = np.unique(labels[seeds & mask])
    chosen = np.isin(labels, kept[kept > 0])
    if not chosen.any():
        return chosen
    region = box_of(chosen, (1, 1, 1))
    rest, count = ndimage.label(~chosen[region])
    is_hole = np.ones(count + 1, bool)
    is_hole[0] = False
    for axis in range(3):
        for end in (0, -1):
            is_hole[np.take(rest, end, axis=axis)] = False
    is_hole[rest[not_tumor[region]]] = False
    chosen[region] |= is_hole[rest]
    return chosen


def require_contrast(image: Image, values: Floats, mask: Bools, inside: Bools, outside: Bools, noise: float) -> None:
    """:raises BadInput: the border lies on no steps in the image."""
    steps, faces = 0, 0
    for axis in range(3):
        border = np.diff(mask, axis=axis)
        steps += int(np.count_nonzero(np.abs(np.diff(values, axis=axis)[border]) > 3 * noise))
        faces += int(np.count_nonzero(border))
    if faces and steps >= _LEAST_EDGE * faces:
        return
    if outside.any() and inside.any() and overlap(values[inside], values[outside], noise) > SAME:
        what = "The strokes inside and outside of the tumor look the same"
    else:
        what = "The tumor does not stand out from its surroundings at the marks"
    raise BadInput(f"{what} in {image.name}; choose a series that shows it, or outline it by hand.")
