"""What engines are known to get wrong, looked for in their outlines: mended where it is sure, said where it is not.

Left-over fragments, a level given to two vertebrae, neighbors with swapped names, one vertebra under two names, and a
level that is passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.case import Outline, Structure
from spinemet.codes import bone_of
from spinemet.image import Region
from spinemet.labelmap import LabelMap
from spinemet.levels import Level, adjacent
from spinemet.levels import Region as Part

SECOND_SHARE = 0.3
"""A piece this large compared with the largest of its label may be a vertebra of its own [D]."""
SECOND_PITCH = 0.6
"""And lies at least this far along the spine from it, in distances between neighbors [D]."""
SPECK_SHARE = 0.02
"""Pieces below this share of their vertebra are specks, unless they nearly touch it [D]."""
APART_MM = 8.0
"""How far a broken-off arch or process may lie from its vertebra [D]."""
CONTACT_SHARE = 0.25
"""A piece of which this share of the surface touches another vertebra belongs to that one [D]."""
MERGED_SHARE = 0.3
"""What lies within a vertebra and is smaller than this share of it is a part of it [D]."""
STRAY_SHARE = 0.05
"""The same for a piece far from the vertebra whose name it has [D]."""
SAME_PITCH, NEXT_PITCH = 0.5, 1.5
"""Nearer than the first, two names stand for one vertebra; nearer than the second, for neighbors [D]."""
USUAL_PITCH_MM = 28.0
DOUBLE_VOLUME = 1.4
"""A label larger than so many usual ones may hold two vertebrae that touch [D]."""
CUT_SHARE = 0.6
"""A vertebra at the image's end that is smaller than this share of its neighbor is cut off [D]."""

_BONES = (Structure.VERTEBRA, Structure.SACRUM)
_NEIGHBORS = np.ones((3, 3, 3), bool)


@dataclass(frozen=True)
class _Body:
    """One bone: the value that it has, its level, center (RAS) and volume (mL)."""

    value: int
    level: Level
    center: NDArray[np.float64]
    volume: float


def checked(labels: LabelMap) -> LabelMap:
    """The outlines after the checks; `notes` say what was mended, and what a person must look at.

    :param labels: outlines whose bones have levels; without levels nothing is checked. Not changed in place.
    """
    if not labels.levels:
        return labels
    array, outlines, notes = labels.image.array.copy(), dict(labels.outlines), list[str]()
    if len(outlines) > 200:
        array = array.astype(np.uint16)

    def now() -> LabelMap:
        return replace(labels, image=labels.image.with_array(array), outlines=dict(outlines))

    notes += _settle_pieces(now(), array)
    notes += _name_doubled(now(), array, outlines, _part_doubled(now(), array, outlines))
    notes += _merge_within(now(), array, outlines)
    notes += _unswap(now(), outlines)
    notes += _gaps(now())
    notes += _cut_off(now())
    return replace(now(), notes=(*labels.notes, *notes))


def _bodies(labels: LabelMap) -> list[_Body]:
    """The bones with a level from head to tail, as they lie, whatever they are called."""
    found = []
    for level, value in labels.levels.items():
        mask = labels.mask(value, margin_voxels=0)
        center = mask.to_world(np.argwhere(mask.array).mean(axis=0)[::-1])
        found.append(_Body(value, level, center, float(np.count_nonzero(mask.array)) * mask.voxel_volume / 1000))
    return sorted(found, key=lambda body: -body.center[2])


def _along(bodies: Sequence[_Body]) -> NDArray[np.float64]:
    """Unit vector along the spine; neighbors lie apart along it, an arch and its body do not."""
    line = bodies[0].center - bodies[-1].center
    length = float(np.linalg.norm(line))
    return line / length if length > 0 else np.array([0.0, 0.0, 1.0])


def _pitch(bodies: Sequence[_Body]) -> float:
    """Middle distance between neighbors, mm."""
    apart = [float(np.linalg.norm(a.center - b.center)) for a, b in pairwise(bodies)]
    return float(np.median(apart)) if len(apart) > 1 else USUAL_PITCH_MM


def _merge_within(labels: LabelMap, array: NDArray, outlines: dict[int, Outline]) -> list[str]:
    """Give what lies within another vertebra, and is small, to that one."""
    bodies = _bodies(labels)
    pitch, notes = _pitch(bodies), []
    for one, other in pairwise(bodies):
        small, large = sorted((one, other), key=lambda body: body.volume)
        if np.linalg.norm(one.center - other.center) >= SAME_PITCH * pitch:
            continue
        if small.volume < MERGED_SHARE * large.volume:
            region = labels.region(small.value)
            array[region][array[region] == small.value] = large.value
            outlines.pop(small.value, None)
            notes.append(f"A small part of {large.level} was called {small.level}; it was given back.")
        else:
            notes.append(f"{one.level} and {other.level} may be one and the same vertebra; look at them.")
    return notes


def _settle_pieces(labels: LabelMap, array: NDArray) -> list[str]:
    """Remove specks, and give strays to the vertebra in which they lie."""
    bodies = _bodies(labels)
    pitch, along = _pitch(bodies), _along(bodies)
    removed: dict[Level, float] = {}
    given: set[tuple[Level, Level]] = set()
    names = {body.value: body.level for body in bodies}
    for body in bodies:
        region = labels.region(body.value, margin_voxels=2)
        pieces, count = ndimage.label(array[region] == body.value, structure=_NEIGHBORS)
        if count < 2:
            continue
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        largest = int(sizes.argmax())
        spacing = tuple(float(step) for step in labels.image.spacing[::-1])
        away = ndimage.distance_transform_edt(pieces != largest, sampling=spacing)
        middle = _center(labels, region, pieces == largest)
        for piece in np.flatnonzero(sizes):
            mask = pieces == piece
            apart = abs(float((_center(labels, region, mask) - middle) @ along))
            if piece == largest or (sizes[piece] >= SECOND_SHARE * sizes[largest] and apart >= SECOND_PITCH * pitch):
                continue
            gap = float(away[mask].min())
            least = STRAY_SHARE if gap > APART_MM else CONTACT_SHARE
            owner = _owner(array[region], mask, body.value, names, least)
            if owner is not None:
                array[region][mask] = owner
                given.add((body.level, names[owner]))
            elif gap > APART_MM or (sizes[piece] < SPECK_SHARE * sizes[largest] and gap > 2 * max(spacing)):
                array[region][mask] = 0
                removed[body.level] = removed.get(body.level, 0.0) + sizes[piece] * labels.image.voxel_volume / 1000
    notes = [f"Pieces of {owner} that were called {name} were given back." for name, owner in sorted(given)]
    if removed:
        listed = ", ".join(f"{level} ({volume:.1f} mL)" for level, volume in sorted(removed.items()))
        notes.append(f"Fragments far from their vertebra were removed: {listed}.")
    return notes


def _center(labels: LabelMap, region: Region, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    start = np.array([part.start for part in region], dtype=float)
    return labels.image.to_world((np.argwhere(mask).mean(axis=0) + start)[::-1])


def _owner(around: NDArray, mask: NDArray[np.bool_], own: int, names: dict[int, Level], least: float) -> int | None:
    """The other vertebra that a piece mostly touches, None when there is none."""
    shell = ndimage.binary_dilation(mask, structure=_NEIGHBORS) & ~mask
    touched = np.bincount(around[shell].ravel(), minlength=2)
    touched[0] = 0
    if own < len(touched):
        touched[own] = 0
    best = int(touched.argmax())
    return best if touched[best] >= least * shell.sum() and best in names else None


def _part_doubled(labels: LabelMap, array: NDArray, outlines: dict[int, Outline]) -> dict[int, int]:
    """Give the second vertebra under one name a number of its own; the new numbers by the old ones."""
    bodies = _bodies(labels)
    reach = SECOND_PITCH * _pitch(bodies) * _along(bodies)
    usual = float(np.median([body.volume for body in bodies]))
    doubled: dict[int, int] = {}
    for body in bodies:
        region = labels.region(body.value, margin_voxels=1)
        second = _second(array[region] == body.value, labels, reach, body.volume > DOUBLE_VOLUME * usual)
        if second is not None:
            new = max([*outlines, *doubled.values()]) + 1
            array[region][second] = new
            doubled[body.value] = new
    return doubled


def _second(
    mask: NDArray[np.bool_], labels: LabelMap, reach: NDArray[np.float64], is_large: bool
) -> NDArray[np.bool_] | None:
    """The smaller one of two vertebrae in a mask, whether they touch or not; None when it is one.

    :param reach: RAS vector by which neighbors lie apart at least.
    """
    spacing = labels.image.spacing[::-1]
    depth = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=tuple(spacing))[1:-1, 1:-1, 1:-1]
    # Facets of neighbors touch: what hangs together by them comes apart when it is made thinner.
    for thinner in (0.0, *np.arange(1.5, 9.0, 1.5)) if is_large else (0.0,):
        pieces, count = ndimage.label(depth > thinner, structure=_NEIGHBORS)
        if count < 2:
            continue
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        first, second = (int(n) for n in np.argsort(sizes)[::-1][:2])
        middles = ndimage.center_of_mass(mask, pieces, [first, second])
        apart = labels.image.ijk_to_ras[:3, :3] @ (np.array(middles[0]) - np.array(middles[1]))[::-1]
        if sizes[second] >= SECOND_SHARE * sizes[first] and abs(apart @ reach) >= reach @ reach:
            to_first, to_second = (
                ndimage.distance_transform_edt(pieces != n, sampling=tuple(spacing)) for n in (first, second)
            )
            return np.asarray(mask & (to_second < to_first))
    return None


def _name_doubled(
    labels: LabelMap, array: NDArray, outlines: dict[int, Outline], doubled: dict[int, int]
) -> list[str]:
    """Name two vertebrae that had one name by those above and below, where these leave one way."""
    notes = []
    for value, new in doubled.items():
        outline = outlines[value]
        level = outline.level
        assert level is not None
        outlines[new] = Outline(Structure.VERTEBRA, None, frame=outline.frame, name=f"second {level}")
        pair = {}
        for number in (value, new):
            middle = np.argwhere(array == number).mean(axis=0)[::-1]
            pair[number] = float(labels.image.to_world(middle)[2])
        others = [body for body in _bodies(labels) if body.value not in doubled and body.value not in pair]
        names = _fitting(pair, others, level)
        if names is None:
            notes.append(
                f"{level} stands for two vertebrae, and no name is free beside it; name them, or shift the levels."
            )
            continue
        for number, name in names.items():
            outlines[number] = replace(bone_of(name), frame=outline.frame)
        free = next(name for name in names.values() if name is not level)
        notes.append(f"{level} stood for two vertebrae and {free} for none: they were named so; check the levels.")
    return notes


def _skips(others: Sequence[_Body]) -> bool:
    present = {body.level for body in others}
    return any(adjacent(a.level, 1, present) is not b.level for a, b in pairwise(others))


def _fitting(pair: dict[int, float], others: Sequence[_Body], level: Level) -> dict[int, Level] | None:
    """Names for two vertebrae at their heights, one of which is `level`; None where not just one way fits."""
    taken = {body.level for body in others}
    gaps: dict[tuple[Level | None, Level | None], list[int]] = {}
    for number in sorted(pair, key=lambda key: -pair[key]):
        higher = [body.level for body in others if body.center[2] > pair[number]]
        lower = [body.level for body in others if body.center[2] <= pair[number]]
        gaps.setdefault((higher[-1] if higher else None, lower[0] if lower else None), []).append(number)
    names: dict[int, Level] = {}
    for (above, below), numbers in gaps.items():
        if above is None and below is None:
            return None
        line: list[Level] = []
        step = 1 if above else -1
        here = adjacent(above, step, taken) if above else adjacent(below, step, taken) if below else None
        while here is not None and here is not below and len(line) < (9 if above and below else len(numbers)):
            line.append(here)
            here = adjacent(here, step, taken)
        if len(line) != len(numbers):
            return None
        # At the end of the row the count must be right elsewhere, and the sacrum ends it.
        if not (above and below) and (_skips(others) or any(name.region is Part.SACRAL for name in line)):
            return None
        names |= dict(zip(numbers, line if above else line[::-1], strict=True))
    fits = level in names.values() and Level.OCC not in names.values() and len(set(names.values()) - taken) == 2
    return names if fits else None


def _unswap(labels: LabelMap, outlines: dict[int, Outline]) -> list[str]:
    """Give two neighbors their names the other way round where that alone brings the levels in order."""
    bodies = _bodies(labels)
    wrong = [n for n, (a, b) in enumerate(pairwise(bodies)) if a.level > b.level]
    if not wrong:
        return []
    if len(wrong) == 1:
        n = wrong[0]
        order = [body.level for body in bodies]
        order[n], order[n + 1] = order[n + 1], order[n]
        if order == sorted(order):
            one, other = bodies[n], bodies[n + 1]
            outlines[one.value], outlines[other.value] = outlines[other.value], outlines[one.value]
            return [f"{other.level} and {one.level} were called by each other's names; they were swapped."]
    listed = ", ".join(str(body.level) for body in bodies)
    return [f"The levels do not run from head to tail ({listed}); correct the names."]


def _gaps(labels: LabelMap) -> list[str]:
    bodies = _bodies(labels)
    present = {body.level for body in bodies}
    near = [
        float(np.linalg.norm(a.center - b.center))
        for a, b in pairwise(bodies)
        if adjacent(a.level, 1, present) is b.level
    ]
    pitch = float(np.median(near)) if near else USUAL_PITCH_MM
    notes = []
    for above, below in pairwise(bodies):
        missing = adjacent(above.level, 1, present)
        if missing is None or missing >= below.level or above.level >= below.level:
            continue
        if np.linalg.norm(above.center - below.center) < NEXT_PITCH * pitch:
            notes.append(
                f"{missing} is passed over: {above.level} and {below.level} lie as close as neighbors do, so the"
                " levels on one side are called wrong; count them."
            )
        else:
            notes.append(f"{missing} was not outlined between {above.level} and {below.level}; add it by a click.")
    return notes


def _cut_off(labels: LabelMap) -> list[str]:
    bodies = _bodies(labels)
    if len(bodies) < 2:
        return []
    notes = []
    for end, neighbor in ((bodies[0], bodies[1]), (bodies[-1], bodies[-2])):
        box = labels.region(end.value)
        at_edge = any(part.start == 0 or part.stop == size for part, size in zip(box, labels.image.shape, strict=True))
        if at_edge and end.volume < CUT_SHARE * neighbor.volume and end.level is not Level.C1:
            notes.append(f"{end.level} is cut off by the edge of what was outlined.")
    return notes
