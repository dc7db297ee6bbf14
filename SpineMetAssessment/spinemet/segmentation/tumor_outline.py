"""Outline a tumor from a click, strokes or a box: coarse at once, then in the image's own voxels.

Key functions: `first_outline` answers while the person looks on, `refined_outline` makes it exact, `outline_tumor`
does both. A border is paid for by its length, less where the image has an edge; a voxel by how its value fits what was
learned of tumor and surroundings, in turns (Rother 2004). Outlines are proposals: a person accepts or corrects them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.case import Role
from spinemet.errors import BadInput
from spinemet.image import Grid, Image, Region
from spinemet.progress import Progress, silent
from spinemet.segmentation.tumor_border import half_way_costs
from spinemet.segmentation.tumor_cut import CutProblem, Solver, best_solver
from spinemet.segmentation.tumor_grid import Work, box_of
from spinemet.segmentation.tumor_model import Looks, learn_rooms, noise_of
from spinemet.segmentation.tumor_search import USUAL, Search, Tuning, plan
from spinemet.segmentation.tumor_strokes import Mark, check_marks
from spinemet.segmentation.tumor_turns import (
    face_costs,
    in_turns,
    require_contrast,
    ring_of,
    solved,
    tidied,
    with_certain,
)

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

_MOST_FINE = 3_000_000
"""Fine voxels beyond which the border stays that of the first outline."""


class SeedEngine(Protocol):
    """A program that grows seeds, such as Slicer's grow-from-seeds; scene/ hands it in."""

    @property
    def name(self) -> str:
        """What to call it in notes."""

    def grow(self, image: Image, seeds: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """The tumor (k, j, i), from seeds on the image's grid: 1 inside, 2 outside, 0 open."""


@dataclass(frozen=True, eq=False)
class TumorOutline:
    """A proposed outline.

    :param mask: boolean, on a crop of the image's grid.
    :param is_refined: whether it is exact in the image's own voxels.
    :param notes: sentences for the reader.
    """

    mask: Image
    is_refined: bool
    notes: tuple[str, ...]
    _search: Search
    _coarse: Bools
    _soft: Floats
    _looks: Looks

    @property
    def volume_ml(self) -> float:
        """Volume of the mask, milliliters."""
        return float(np.count_nonzero(self.mask.array)) * self.mask.voxel_volume / 1000

    def on(self, grid: Grid) -> Bools:
        """The mask on the whole grid (k, j, i) of the image."""
        result = np.zeros(grid.shape, bool)
        result[self._search.work.region] = self.mask.array
        return result


def outline_tumor(
    image: Image,
    marks: Iterable[Mark],
    *,
    role: Role | None = None,
    limit: Image | None = None,
    solver: Solver | None = None,
    engine: SeedEngine | None = None,
    tuning: Tuning = USUAL,
    preview: Callable[[TumorOutline], None] | None = None,
    progress: Progress | None = None,
) -> TumorOutline:
    """The refined outline; `preview` gets the first one on the way. Parameters and errors: see `first_outline`."""
    report = progress or silent
    report(0.0, "outlining the tumor")
    first = first_outline(image, marks, role=role, limit=limit, solver=solver, engine=engine, tuning=tuning)
    if preview is not None:
        preview(first)
    report(0.4, "refining the outline")
    result = refined_outline(first)
    report(1.0, "tumor outlined")
    return result


def first_outline(
    image: Image,
    marks: Iterable[Mark],
    *,
    role: Role | None = None,
    limit: Image | None = None,
    solver: Solver | None = None,
    engine: SeedEngine | None = None,
    tuning: Tuning = USUAL,
) -> TumorOutline:
    """The outline at about half resolution, in a region round the marks.

    :param image: CT, T1, T2, STIR or PET; for PET `outline_uptake` is the usual way.
    :param marks: strokes, clicks and boxes; at least one inside of the tumor, or a box round it.
    :param role: what the image is, to tell air from tissue.
    :param limit: on the image's grid: the tumor lies where it is not 0. Its values are rooms (bone, canal, …), in each
        of which the surroundings look different; see `limit_to`.
    :param solver: who finds the border; None for the best that is installed.
    :param engine: a program that grows the strokes instead of our own cut.
    :raises BadInput: a mark lies outside of the image, of the limit or in air; the image has a single slice; nothing
        tells inside from outside.
    :raises GridMismatch: the limit lies on another grid.
    """
    marks = tuple(marks)
    check_marks(image, marks, role)
    search = plan(image, marks, limit, tuning, solver or best_solver())
    work, grid = search.work, search.work.coarse_grid
    values = work.coarse.array
    inside, outside = search.seeds_on(grid)
    barred = search.barred_on(grid, joined=True)
    if search.strokes and (inside & barred).any() and not (inside & ~barred).any():
        raise BadInput(
            f"The marks inside the tumor lie outside of the region to which it is limited in {image.name};"
            " widen the limit, or set them within."
        )
    # The limit and the box yield to what a person marked as tumor.
    barred &= ~inside
    noise = noise_of(values)
    if engine is None:
        mask, soft, model = in_turns(search, values, inside, outside, barred, noise)
    else:
        if not inside.any():
            raise BadInput(f"{engine.name} needs a stroke inside of the tumor; draw one.")
        grown = np.asarray(engine.grow(work.coarse, _seeds_for_engine(inside, outside | barred)), dtype=bool)
        mask = tidied(grown & ~barred, inside, outside | barred) | inside
        soft = mask.astype(np.float32)
        ring = ring_of(mask, grid, tuning.ring_mm)
        model = learn_rooms(values, search.rooms_on(grid, joined=True), mask, ring, (inside, outside), noise)
    if not mask.any():
        raise BadInput(f"No tumor was found at the marks in {image.name}; draw a longer stroke through it.")
    require_contrast(image, values, mask, inside, outside, noise)
    notes = _notes(search, image, mask, engine)
    return TumorOutline(work.fine.with_array(work.spread(mask)), False, notes, search, mask, soft, model)


def refined_outline(first: TumorOutline) -> TumorOutline:
    """The outline in the image's own voxels; only voxels near the first one's border change."""
    search, work = first._search, first._search.work
    if first.is_refined or max(work.factors) == 1:
        return replace(first, is_refined=True)
    near = box_of(first._coarse, (3, 3, 3))
    region = _fine_region(near, work)
    crop = work.fine.crop(region)
    if crop.array.size > _MOST_FINE:
        note = "the tumor is too large for the image's full resolution; its border has steps of several voxels"
        return replace(first, is_refined=True, notes=(*first.notes, note))
    values = np.nan_to_num(crop.array.astype(np.float32), posinf=0.0, neginf=0.0)
    values = ndimage.gaussian_filter(values, [0.5 if factor > 1 else 0.0 for factor in work.factors])
    inside, outside = (mask[region] for mask in search.seeds_on(work.fine.grid))
    barred = search.barred_on(work.fine.grid)[region] & ~inside
    part = replace(work, fine=crop)
    settled_in = part.spread(ndimage.binary_erosion(first._coarse[near], iterations=2, border_value=1))
    settled_out = part.spread(~ndimage.binary_dilation(first._coarse[near], iterations=2))
    by_value = first._looks(values, search.rooms_on(work.fine.grid)[region])
    costs = half_way_costs(values, *_sure_sides(first._coarse[near], part), crop.spacing[::-1], by_value)
    cost = with_certain(costs, inside | settled_in, outside | barred | settled_out)
    faces = face_costs(values, crop.grid, noise_of(values), search.tuning.border_mm)
    start = ndimage.uniform_filter(part.spread(first._soft[near]), work.factors)
    soft = solved(CutProblem(cost, faces), search.solver, start)
    mask = np.zeros(work.fine.shape, bool)
    mask[region] = tidied(soft > 0.5, inside | settled_in, outside | barred)
    return replace(first, mask=work.fine.with_array(mask), is_refined=True)


def _notes(search: Search, image: Image, mask: Bools, engine: SeedEngine | None) -> tuple[str, ...]:
    notes = []
    if engine is not None:
        notes.append(f"grown from the strokes by {engine.name}")
    at_edge = any(
        (part.start > 0 and np.take(mask, 0, axis=axis).any())
        or (part.stop < size and np.take(mask, -1, axis=axis).any())
        for axis, (part, size) in enumerate(zip(search.work.region, image.shape, strict=True))
    )
    if at_edge and not search.boxes:
        notes.append(
            "the outline ends where the search did: draw a stroke farther out, inside or outside of the tumor"
        )
    return tuple(notes)


def _sure_sides(coarse: Bools, part: Work) -> tuple[Bools, Bools]:
    """Fine voxels that are a coarse one away from the border: inside, and outside within three."""
    inside = ndimage.binary_erosion(coarse, border_value=1)
    closest = ndimage.binary_dilation(coarse)
    outside = ndimage.binary_dilation(closest, iterations=2) & ~closest
    return part.spread(inside if inside.any() else coarse), part.spread(outside)


def _fine_region(near: Region, work: Work) -> Region:
    k, j, i = (
        slice(part.start * factor, min(part.stop * factor, size))
        for part, factor, size in zip(near, work.factors, work.fine.shape, strict=True)
    )
    return (k, j, i)


def _seeds_for_engine(inside: Bools, outside: Bools) -> NDArray[np.uint8]:
    """Inside 1, outside 2; the region's faces count as outside, or growing never ends."""
    seeds = np.where(outside, 2, 0).astype(np.uint8)
    for axis in range(3):
        face = np.moveaxis(seeds, axis, 0)
        face[0] = face[-1] = 2
    seeds[inside] = 1
    return seeds
