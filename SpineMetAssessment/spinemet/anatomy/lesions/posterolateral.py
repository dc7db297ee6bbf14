"""Lesion in the posterolateral parts for SINS: facet, pedicle and costovertebral joint of either side.

Measures the share of each part that is lesion, and names the parts with a broken cortex; from when on a side is
involved is decided in `scores.sins`. Lamina, transverse and spinous process are measured and do not count. The ± of a
share comes from where the border to the neighboring parts may lie.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.anatomy.arch.costal import costovertebral
from spinemet.anatomy.arch.part_names import Part
from spinemet.anatomy.arch.parts import Parts
from spinemet.anatomy.arch.pedicle import Side
from spinemet.anatomy.vertebra import Vertebra
from spinemet.errors import GridMismatch
from spinemet.evidence import Measurement, Point, unknown
from spinemet.image import Image

BORDER_MM = 1.0
"""How far the border between two parts may lie off (95 %) [D]."""
ARCH_CLEAR_ML = 0.1
"""Lesion in one side of an arch that could not be parted up to this is none [D]."""


@dataclass(frozen=True, eq=False)
class Posterolateral:
    """Lesion in the posterolateral parts of one vertebra.

    :param shares: lesion share of each part that counts in %, by side and name, most involved first; a side whose
        arch could not be parted but is free of lesion has its whole arch in their place.
    :param others: shares of the parts that do not count (laminae, transverse processes, spinous process).
    :param broken: parts that count and whose cortex the lesion broke, by side.
    """

    shares: dict[Side, tuple[Measurement, ...]]
    others: tuple[Measurement, ...]
    broken: dict[Side, tuple[Part, ...]]

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """Evidence, the counting parts first."""
        return (*self.shares[Side.LEFT], *self.shares[Side.RIGHT], *self.others)


def posterolateral(
    parts: Parts, vertebra: Vertebra, lesion: Image, *, broken: Collection[Part] = (), streaks: str = ""
) -> Posterolateral:
    """Measure the lesion in the posterolateral parts of a vertebra.

    :param lesion: boolean crop on the grid of `parts.map`.
    :param broken: parts with a cortical break over the lesion.
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
    breaks = {side: tuple(part for part in broken if part.side is side and _counts(part)) for side in Side}
    return Posterolateral(shares, _others(parts, inside), breaks)


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
        found.append(_share(parts, joints[side], inside, f"{side.value} costovertebral joint", empty))
    return found


def _share(
    parts: Parts,
    mask: NDArray[np.bool_],
    inside: NDArray[np.bool_],
    name: str,
    reason: str = "",
    limits: tuple[str, ...] = (),
) -> Measurement:
    """Lesion share of a part in %, ± from the border to its neighbors and the voxels of the lesion's own border."""
    title, method = f"lesion in {name}", "lesion in the part / volume of the part"
    count = int(np.count_nonzero(mask))
    if reason or count == 0:
        return unknown(title, "%", reason or f"the outline shows no {name}", method)
    box = ndimage.find_objects(mask.view(np.uint8))[0]
    box = tuple(slice(max(0, s.start - 2), s.stop + 2) for s in box)
    part, bone, tumor = mask[box], parts.map.array[box] > 0, inside[box]
    held = part & tumor
    share = np.count_nonzero(held) / count
    if not tumor.any():
        return Measurement(title, 0.0, "%", method, _center(parts, mask), 0.0, limits=limits)
    step = float(np.cbrt(parts.map.voxel_volume))
    beside = ndimage.binary_dilation(part) & bone & ~part
    edge = part & ndimage.binary_dilation(beside)
    layer = BORDER_MM / step
    gained = min(np.count_nonzero(beside) * layer, float(count))
    with_more = (np.count_nonzero(held) + layer * np.count_nonzero(beside & tumor)) / (count + gained)
    lost = min(np.count_nonzero(edge) * layer, 0.8 * count)
    with_less = max(np.count_nonzero(held) - layer * np.count_nonzero(edge & tumor), 0.0) / (count - lost)
    faces = sum(int(np.count_nonzero(np.diff(held.view(np.int8), axis=axis))) for axis in range(3))
    border = 2 * 0.29 * np.sqrt(faces) / count
    spread = max(abs(with_more - share), abs(with_less - share))
    place, margin = _center(parts, _held_or_all(mask, inside)), 100 * float(np.hypot(spread, border))
    return Measurement(title, 100 * share, "%", method, place, margin, limits=limits)


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
