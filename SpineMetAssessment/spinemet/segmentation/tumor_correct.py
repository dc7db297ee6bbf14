"""Correct an accepted outline with a stroke: it changes near the stroke alone, everything else stays as it was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.case import Role
from spinemet.errors import BadInput, GridMismatch
from spinemet.image import Grid, Image, Region
from spinemet.segmentation.tumor_cut import Solver, best_solver
from spinemet.segmentation.tumor_model import noise_of, overlap
from spinemet.segmentation.tumor_search import USUAL, Tuning, plan
from spinemet.segmentation.tumor_strokes import Mark, Stroke, check_strokes, distance_mm, painted, strokes_of
from spinemet.segmentation.tumor_turns import in_turns

REACH_MM = 15.0
"""How far from a correcting stroke an accepted outline may change, or half of the stroke's length if that is more."""
_MOST_REACH_MM = 40.0
_BEYOND_MM = 6.0
"""What is looked at beyond that reach, to learn from."""

_ALIKE_REACH_MM = 3.5
"""How far from an outside stroke an outline goes at least where both look alike: half a cord [D]."""
_ALIKE_REACH = 0.9
"""The same as a share of the stroke's length: what is wrong is about as long as it is wide [D]."""
_HARDLY_ALIKE = 0.2
"""Likeness, 0 to 1, up to which values alone tell the error from the tumor [D]."""
_CALM_MM = 1.2
"""Below this size voxels are averaged where they do not: noise would hide what a short stroke shows."""

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Setting:
    """What holds for all corrections of an outline.

    :param role: what the image is, to tell air from tissue.
    :param limit: on the image's grid: the tumor lies where it is not 0; its values are rooms (see `limit_to`).
    :param solver: who finds the border; None for the best that is installed.
    """

    role: Role | None = None
    limit: Image | None = None
    solver: Solver | None = None
    tuning: Tuning = USUAL


USUAL_SETTING = Setting()


def corrected_outline(
    image: Image,
    accepted: Image,
    marks: Iterable[Mark],
    *,
    earlier: Iterable[Mark] = (),
    setting: Setting = USUAL_SETTING,
) -> Image:
    """The accepted outline after strokes; inside strokes only add to it, outside strokes only take away.

    :param accepted: boolean, on the image's grid or a crop of it; never changed in place.
    :param marks: strokes and clicks, applied one after the other.
    :param earlier: marks made before, which keep their say near the new ones.
    :return: boolean, on a crop of the image's grid.
    :raises BadInput: a stroke lies outside of the image or in air, or is no stroke.
    :raises GridMismatch: the accepted outline or the limit lies on another grid.
    """
    marks = tuple(marks)
    strokes = strokes_of(marks)
    if len(strokes) < len(marks):
        raise BadInput("An accepted outline is corrected with strokes or clicks; a box starts a new one.")
    check_strokes(image, strokes, setting.role)
    past = strokes_of(earlier)
    for stroke in strokes:
        accepted = _after(image, accepted, stroke, past, setting)
        past = (*past, stroke)
    return accepted


def _after(image: Image, accepted: Image, stroke: Stroke, past: tuple[Stroke, ...], setting: Setting) -> Image:
    reach = float(np.clip(stroke.length_mm / 2, REACH_MM, _MOST_REACH_MM))
    region = image.grid.region_around(stroke.points, reach + _BEYOND_MM)
    whole = _union(region_of(image.grid, accepted.grid), region)
    mask = placed(accepted, image, whole)
    local: Region = tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(region, whole, strict=True))  # type: ignore[assignment]
    before = mask[local]
    grid = image.grid.crop(region)
    drawn = painted([_inside(stroke)], grid, foreground=True)
    if stroke.foreground:
        mask[local] = _grown(image, region, before, drawn, reach, past, setting)
    else:
        reaches = (reach, _ALIKE_REACH * stroke.length_mm)
        mask[local] = _shrunk(image, region, before, drawn, reaches, past, setting)
    return Image(mask, image.grid.crop(whole).ijk_to_ras, frame=image.frame, name="tumor")


def _grown(
    image: Image, region: Region, before: Bools, drawn: Bools, reach: float, past: tuple[Stroke, ...], setting: Setting
) -> Bools:
    """What an inside stroke adds: what looks like the tumor or like what it covers, connected with it."""
    grid = image.grid.crop(region)
    outside = painted(past, grid, foreground=False) & ~drawn
    far = (distance_mm(drawn, grid) > reach) & ~before
    found = _found(image, region, before | drawn, outside & ~before, far, setting)
    return before | drawn | _touching(found & ~before, drawn)


def _calm(image: Image) -> Floats:
    """Values without most of the noise of fine voxels, which would hide what a short stroke shows."""
    sigma = np.clip(_CALM_MM / image.spacing[::-1] - 0.5, 0.0, 1.0)
    return np.asarray(ndimage.gaussian_filter(image.array.astype(np.float32), sigma))


def _shrunk(
    image: Image,
    region: Region,
    before: Bools,
    drawn: Bools,
    reaches: tuple[float, float],
    past: tuple[Stroke, ...],
    setting: Setting,
) -> Bools:
    """What is left after an outside stroke: the part of the outline at the stroke goes.

    :param reaches: how far it may go, mm: what differs from the tumor, and what looks like it.
    """
    grid, (reach, reach_if_alike) = image.grid.crop(region), reaches
    near = distance_mm(drawn, grid) <= reach
    kept = before & painted(past, grid, foreground=True) & ~drawn
    if not kept.any():
        kept = before & ~near
    if not kept.any() and (before & ~drawn).any():
        # Nobody said where the tumor is, and all of it lies near: its depth is most likely to be.
        depth = distance_mm(~before | drawn, grid)
        kept = depth > 0.6 * float(depth.max())
    if not (before & drawn).any() or not kept.any():
        return before & ~drawn
    outside = (drawn | painted(past, grid, foreground=False)) & ~kept
    values = _calm(image.crop(region))
    alike = float(np.sqrt(overlap(values[kept], values[drawn], noise_of(values))))
    found = _found(image, region, kept, outside, ~before, setting, calm=alike > _HARDLY_ALIKE)
    # What looks like the tumor goes only near the stroke, which runs along the middle of what is wrong.
    half_width = float(np.median(distance_mm(~before, grid)[drawn & before]))
    reach_if_alike = min(reach, max(_ALIKE_REACH_MM, min(half_width, reach_if_alike)))
    near &= distance_mm(drawn, grid) <= reach * (1 - alike) + reach_if_alike * alike
    return before & ~drawn & ~_touching(before & ~found & near, drawn)


def _touching(change: Bools, drawn: Bools) -> Bools:
    """The parts of a change that a stroke touches."""
    labels, _ = ndimage.label(change | drawn)
    touched = np.unique(labels[drawn])
    return change & np.isin(labels, touched[touched > 0])


def _found(
    image: Image, region: Region, inside: Bools, outside: Bools, barred: Bools, setting: Setting, calm: bool = False
) -> Bools:
    """The cut in a region, at full resolution where that is small enough."""
    # The seeds are masks here: the corners stand for them, and tell that this is no single click.
    ends = image.grid.crop(region).corners[[0, -1]]
    marks = [Stroke(tuple((float(x), float(y), float(z)) for x, y, z in ends))]
    solver = setting.solver or best_solver()
    search = plan(image, marks, setting.limit, setting.tuning, solver, region=region, join=False)
    work = search.work
    if search.limit is not None:
        barred = barred | (search.limit.array == 0)
    coarse_in = work.joined(inside) > 0
    coarse_out = (work.joined(outside) > 0) & ~coarse_in
    coarse_barred = (work.joined(barred) >= 0.5) & ~coarse_in
    values = _calm(work.coarse) if calm else work.coarse.array
    mask, _, _ = in_turns(search, values, coarse_in, coarse_out, coarse_barred, noise_of(values))
    return np.asarray(work.spread(mask) & ~barred & ~outside)


def placed(mask: Image, image: Image, region: Region) -> Bools:
    """A mask on a crop of an image's grid, on a region (k, j, i) of that grid which holds the crop; a copy."""
    own = region_of(image.grid, mask.grid)
    result = np.zeros([part.stop - part.start for part in region], bool)
    inner = tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(own, region, strict=True))
    result[inner] = mask.array > 0
    return result


def region_of(whole: Grid, part: Grid) -> Region:
    """Where a crop lies in a grid.

    :raises GridMismatch: it is no crop of it.
    """
    start = np.rint(whole.to_index(part.to_world(np.zeros(3)))).astype(int)[::-1]
    stop = start + np.array(part.shape)
    k, j, i = (slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    inside = np.all(start >= 0) and np.all(stop <= np.array(whole.shape))
    if not inside or not whole.crop((k, j, i)).matches(part):
        raise GridMismatch("The outline does not lie on the image's grid; resample it onto that image.")
    return (k, j, i)


def _union(first: Region, second: Region) -> Region:
    k, j, i = (slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(first, second, strict=True))
    return (k, j, i)


def _inside(stroke: Stroke) -> Stroke:
    return Stroke(stroke.points, True, stroke.radius_mm)
