"""Lesion in the posterolateral parts for SINS: facet, pedicle and costovertebral joint of either side.

Measures the share of each part that is lesion, and names the parts with a broken cortex; from when on a side is
involved is decided in `scores.sins`. Lamina, transverse and spinous process are measured and do not count. The ± of a
share comes from where the border to the neighboring parts may lie.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from spinemet.anatomy.arch.costal import costovertebral
from spinemet.anatomy.arch.part_names import Part
from spinemet.anatomy.arch.parts import Parts
from spinemet.anatomy.arch.pedicle import Side
from spinemet.anatomy.lesions.cortex import MIN_BREAK_MM2, CorticalBreaks
from spinemet.anatomy.vertebra import Vertebra
from spinemet.errors import GridMismatch
from spinemet.evidence import Measurement, Point, unknown
from spinemet.image import Image
from spinemet.levels import Region

BORDER_MM = {Region.CERVICAL: 3.5, Region.THORACIC: 3.0, Region.LUMBAR: 1.5}
"""How far the border between two parts may lie off (95 %). From phantoms (seeds from 1001 on), whose thoracic pedicles
and facets are parted with a Dice of 0.83 to 0.95, the lumbar ones of 0.95; the neck is taken for no better [D]."""
JOINT_MM, JOINT_RELATIVE = 2.0, 0.35
"""The same of the costovertebral joint, and the share of its lesion that depends on where the joint is drawn: it is a
patch, not a bone. From phantoms."""
SHARE_POINTS = 0.5
"""Half-width (95 %) of a part's share that is left, points. From phantoms."""
BREAK_INSIDE_MM = 1.0
"""A break nearer than this to another part is the other's [D]: outlines of parts are not better than that."""
BREAK_SHARE = 5.0
"""A part surely holds lesion from this share on (%, at the lower end of its ±) [D]; before, a break beside it may be
its neighbor's."""
ARCH_CLEAR_ML = 0.1
"""Lesion in one side of an arch that could not be parted up to this is none [D]."""


@dataclass(frozen=True, eq=False)
class Posterolateral:
    """Lesion in the posterolateral parts of one vertebra.

    :param shares: lesion share of each part that counts in %, by side and name, most involved first; a side whose
        arch could not be parted but is free of lesion has its whole arch in their place.
    :param others: shares of the parts that do not count (laminae, transverse processes, spinous process).
    :param broken: parts that count and whose cortex the lesion broke, by side.
    :param doubtful: parts that count and beside whose border the cortex is broken: theirs or their neighbor's.
    """

    shares: dict[Side, tuple[Measurement, ...]]
    others: tuple[Measurement, ...]
    broken: dict[Side, tuple[Part, ...]]
    doubtful: dict[Side, tuple[Part, ...]] = field(default_factory=dict)

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """Evidence, the counting parts first."""
        return (*self.shares[Side.LEFT], *self.shares[Side.RIGHT], *self.others)


def posterolateral(
    parts: Parts,
    vertebra: Vertebra,
    lesion: Image,
    *,
    broken: Collection[Part] = (),
    doubtful: Collection[Part] = (),
    streaks: str = "",
) -> Posterolateral:
    """Measure the lesion in the posterolateral parts of a vertebra.

    :param lesion: boolean crop on the grid of `parts.map`.
    :param broken: parts with a cortical break over the lesion; `doubtful` those that may have one (`broken_parts`).
    :param streaks: why the image cannot be read here (metal); every share is then unknown.
    :raises GridMismatch: the lesion lies on another grid.
    """
    if not parts.map.grid.matches(lesion.grid):
        raise GridMismatch("The lesion and the vertebra lie on different grids; resample one onto the other's.")
    inside = np.asarray(lesion.array & (vertebra.mask.array))
    if streaks:
        return Posterolateral({side: _unknown_parts(side, streaks) for side in Side}, (), dict.fromkeys(Side, ()))
    if not parts.parted:
        return _unparted(parts, vertebra, inside)
    joints = costovertebral(parts, vertebra)
    shares = {
        side: tuple(
            sorted(
                _side_shares(parts, joints, inside, side),
                key=lambda item: -(item.value if item.value is not None else -1.0),
            )
        )
        for side in Side
    }
    sure, open_ = (
        {side: tuple(part for part in given if part.side is side and _counts(part)) for side in Side}
        for given in (broken, doubtful)
    )
    return Posterolateral(shares, _others(parts, inside), sure, open_)


def broken_parts(parts: Parts, lesion: Image, breaks: CorticalBreaks) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    """Parts that count whose cortex is surely broken, and those at whose border it is: theirs or their neighbor's.

    Surely: a break's least area lies deeper within the part than its border may be off, and the part surely holds
    lesion.

    :param lesion: boolean crop on the grid of `parts.map`.
    """
    sure: list[Part] = []
    doubtful: list[Part] = []
    if not parts.parted:
        return (), ()
    inside = np.asarray(lesion.array & (parts.map.array > 0))
    for part in (part for part in Part if _counts(part) and part.title in breaks.broken):
        own = parts.facet(part.side) if part.is_facet and part.side is not None else parts.mask(part)
        depths, areas = _depths(parts, own, breaks)
        share = _share(parts, own, inside, part.title)
        least = (share.value or 0.0) - (share.uncertainty or 0.0)
        deep = float(areas[depths > _border_mm(parts)].sum()) >= MIN_BREAK_MM2
        if deep and least >= BREAK_SHARE:
            sure.append(part)
        elif float(areas[depths > BREAK_INSIDE_MM].sum()) >= MIN_BREAK_MM2:
            doubtful.append(part)
    return tuple(sure), tuple(doubtful)


def _depths(
    parts: Parts, own: NDArray[np.bool_], breaks: CorticalBreaks
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How far (mm) the broken pieces of a part lie from its neighbors, and their areas (mm²)."""
    points = np.concatenate([item.points for item in breaks.breaks])
    areas = np.concatenate(
        [np.full(len(item.points), (item.area.value or 0.0) / max(1, len(item.points))) for item in breaks.breaks]
    )
    k, j, i = np.nonzero(ndimage.binary_dilation(own) & (parts.map.array > 0) & ~own)
    if not k.size:
        return np.full(len(points), np.inf), areas
    beside = parts.map.to_world(np.stack([i, j, k], axis=-1))
    kk, jj, ii = np.nonzero(own)
    nearest_own, _ = cKDTree(parts.map.to_world(np.stack([ii, jj, kk], axis=-1))).query(points)
    nearest_other, _ = cKDTree(beside).query(points)
    # Centers of voxels on both sides of a border are one voxel apart.
    depth = nearest_other - 0.5 * float(parts.map.spacing.mean())
    mine = (nearest_own < nearest_other) & (nearest_own <= float(np.linalg.norm(parts.map.spacing)))
    return np.where(mine, depth, -1.0), areas


def _border_mm(parts: Parts) -> float:
    return BORDER_MM.get(parts.level.region, max(BORDER_MM.values()))


def _counts(part: Part) -> bool:
    return part.is_facet or part in (Part.PEDICLE_LEFT, Part.PEDICLE_RIGHT)


def _side_shares(
    parts: Parts, joints: Mapping[Side, NDArray[np.bool_]], inside: NDArray[np.bool_], side: Side
) -> list[Measurement]:
    pedicle = Part.PEDICLE_LEFT.on(side)
    pillar = [part for part in Part if part.is_facet and part.side is side]
    missing = [reason for part in pillar if (reason := parts.why_not(part))]
    found = [
        _share(parts, parts.mask(pedicle), inside, pedicle.title, parts.why_not(pedicle)),
        _share(
            parts, parts.facet(side), inside, f"{side.value} facet", missing[0] if len(missing) == len(pillar) else "",
            tuple(missing),
        ),
    ]  # fmt: skip
    if side in joints:
        empty = "" if joints[side].any() else f"no {side.value} costovertebral surface is found"
        found.append(_share(parts, joints[side], inside, f"{side.value} costovertebral joint", empty, joint=True))
    return found


def _share(
    parts: Parts,
    mask: NDArray[np.bool_],
    inside: NDArray[np.bool_],
    name: str,
    reason: str = "",
    limits: tuple[str, ...] = (),
    *,
    joint: bool = False,
) -> Measurement:
    """Lesion share of a part in %, ± from the borders to its neighbors and the voxels of the lesion's own border.

    :param joint: it is a patch that lies within other parts.
    """
    title, method = f"lesion in {name}", "lesion in the part / volume of the part"
    count = int(np.count_nonzero(mask))
    if reason or count == 0:
        return unknown(title, "%", reason or f"the outline shows no {name}", method)
    box = tuple(slice(max(0, s.start - 2), s.stop + 2) for s in ndimage.find_objects(mask.view(np.uint8))[0])
    part, tumor = mask[box], inside[box]
    held = part & tumor
    share = np.count_nonzero(held) / count
    if not tumor.any():
        return Measurement(title, 0.0, "%", method, _center(parts, mask), 0.0, limits=limits)
    border_mm = JOINT_MM if joint else _border_mm(parts)
    moved = border_mm * _per_millimeter(part, parts.map.array[box], tumor, share, parts.map.spacing, joint) / count
    drawn = JOINT_RELATIVE * share * (1 - share) if joint else 0.0
    faces = sum(int(np.count_nonzero(np.diff(held.view(np.int8), axis=axis))) for axis in range(3))
    border = 2 * 0.29 * np.sqrt(faces) / count
    place = _center(parts, _held_or_all(mask, inside))
    margin = float(np.linalg.norm([100 * moved, 100 * drawn, 100 * border, SHARE_POINTS]))
    return Measurement(title, 100 * share, "%", method, place, margin, limits=limits)


def _per_millimeter(
    part: NDArray[np.bool_],
    values: NDArray[np.uint8],
    tumor: NDArray[np.bool_],
    share: float,
    spacing: NDArray[np.float64],
    joint: bool,
) -> float:
    """Lesion voxels that a part wins beyond its share when one of its borders moves by 1 mm, all borders together.

    Each border moves on its own: that to the lamina may be wrong where that to the pedicle is right. Nothing changes
    where the lesion is as frequent at the border as in the part.

    :param values: part of each voxel, 0 outside the bone.
    :param joint: a part of the map has a border for each neighbor, a patch within other parts one for each direction.
    """
    excess = 0.5 * tumor.astype(np.float32) - 0.5 * share
    found = np.zeros((3, 2, max(Part) + 1))
    for axis in range(3):
        mine, around, own = np.moveaxis(part, axis, 0), np.moveaxis(values, axis, 0), np.moveaxis(excess, axis, 0)
        for direction, (here, there) in enumerate(((np.s_[:-1], np.s_[1:]), (np.s_[1:], np.s_[:-1]))):
            border = mine[here] & ~mine[there] & (around[there] > 0)
            wins = own[here][border] + own[there][border]
            found[axis, direction] = np.bincount(around[there][border], wins, max(Part) + 1) / spacing[2 - axis]
    return float(np.linalg.norm(found.sum(axis=2 if joint else 1)))


def _held_or_all(mask: NDArray[np.bool_], inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The lesion within a part, or the whole part where there is none: where to look."""
    held = mask & inside
    return held if held.any() else mask


def _center(parts: Parts, mask: NDArray[np.bool_]) -> Point:
    k, j, i = np.nonzero(mask)
    x, y, z = parts.map.to_world([i.mean(), j.mean(), k.mean()])
    return (float(x), float(y), float(z))


def _others(parts: Parts, inside: NDArray[np.bool_]) -> tuple[Measurement, ...]:
    names = ("LAMINA", "TRANSVERSE", "SPINOUS")
    chosen = [part for part in Part if part.name.startswith(names)]
    return tuple(_share(parts, parts.mask(part), inside, part.title, parts.why_not(part)) for part in chosen)


def _unparted(parts: Parts, vertebra: Vertebra, inside: NDArray[np.bool_]) -> Posterolateral:
    """Without parts a side is free only where its whole arch is free of lesion."""
    shares = {side: _unknown_parts(side, parts.reason) for side in Side}
    if vertebra.arch is not None and vertebra.arch.any():
        k, j, i = np.nonzero(inside & vertebra.arch)
        local = vertebra.frame.to_local(vertebra.mask.to_world(np.stack([i, j, k], axis=-1)))
        for side in Side:
            volume = np.count_nonzero(side.sign * local[:, 0] > 0) * vertebra.mask.voxel_volume / 1000
            if volume <= ARCH_CLEAR_ML:
                name, method = f"lesion in the {side.value} arch", "the whole arch, which could not be parted"
                shares[side] = (Measurement(name, 0.0, "%", method, vertebra.frame.origin, 0.0),)
    return Posterolateral(shares, (), dict.fromkeys(Side, ()))


def _unknown_parts(side: Side, reason: str) -> tuple[Measurement, ...]:
    return tuple(unknown(f"lesion in {side.value} {name}", "%", reason) for name in ("pedicle", "facet"))
