"""Posterolateral involvement for SINS: facet, pedicle or costovertebral joint of either side.

A part is involved when the lesion fills 15 % of its volume or more (clinical rules, section 1), or its cortex is
broken. Lamina, transverse or spinous process alone do not count. The ± of a share comes from where the border to the
neighboring parts may lie; when 15 % lies within it, the side is near the threshold and left open.
"""

from __future__ import annotations

from collections.abc import Mapping
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

INVOLVED_PERCENT = 15.0
"""Share of a part's volume from which it counts as involved [D]."""
BORDER_MM = 1.0
"""How far the border between two parts may lie off (95 %) [D]."""
ARCH_CLEAR_ML = 0.1
"""Lesion in one side of an arch that could not be parted up to this is none [D]."""


@dataclass(frozen=True, eq=False)
class Posterolateral:
    """Posterolateral involvement of one vertebra.

    :param involved: "left" and "right": True, False, or None where it could not be decided or is near the threshold.
    :param suggested: the same with near-threshold sides decided by their value.
    :param shares: lesion share of each posterolateral part in %, by side and name, most involved first.
    :param others: shares of the parts that do not count (laminae, transverse processes, spinous process, body).
    :param near_threshold: sides on which 15 % lies within the ± of the deciding part.
    :param reason: why a side is None; empty when both are known.
    """

    involved: dict[str, bool | None]
    suggested: dict[str, bool | None]
    shares: dict[Side, tuple[Measurement, ...]]
    others: tuple[Measurement, ...]
    near_threshold: frozenset[Side] = frozenset()
    reason: str = ""

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """Evidence, the counting parts first."""
        return (*self.shares[Side.LEFT], *self.shares[Side.RIGHT], *self.others)


def posterolateral(
    parts: Parts, vertebra: Vertebra, lesion: Image, *, cortical_break: Mapping[Part, bool] | None = None
) -> Posterolateral:
    """Judge the posterolateral parts of a vertebra against a lesion.

    :param lesion: boolean crop on the grid of `parts.map`.
    :param cortical_break: parts whose cortex was looked at, and whether it is broken.
    :raises GridMismatch: the lesion lies on another grid.
    """
    if not parts.map.grid.matches(lesion.grid):
        raise GridMismatch("The lesion and the vertebra lie on different grids; resample one onto the other's.")
    inside = np.asarray(lesion.array & (vertebra.mask.array))
    if not parts.parted:
        return _unparted(parts, vertebra, inside)
    joints = costovertebral(parts, vertebra)
    broken = cortical_break or {}
    suggested: dict[str, bool | None] = {}
    involved: dict[str, bool | None] = {}
    shares: dict[Side, tuple[Measurement, ...]] = {}
    near: set[Side] = set()
    reasons = []
    for side in Side:
        found = _side_shares(parts, joints, inside, side)
        shares[side] = tuple(sorted(found, key=lambda item: -(item.value if item.value is not None else -1.0)))
        breaks = any(flag and part.side is side and _counts(part) for part, flag in broken.items())
        sure, value = _decide(shares[side])
        sure, value = (True, True) if breaks else (sure, value)
        involved[side.value], suggested[side.value] = sure, value
        if sure is None:
            if value is not None:
                near.add(side)
            reasons.append(_why(side, shares[side], value))
    return Posterolateral(involved, suggested, shares, _others(parts, inside), frozenset(near), "; ".join(reasons))


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


def _decide(shares: tuple[Measurement, ...]) -> tuple[bool | None, bool | None]:
    """(what is sure, what the values say): one involved part decides, an unknown one leaves the rest open."""
    sure: list[bool | None] = []
    values: list[bool | None] = []
    for item in shares:
        if item.value is None:
            sure.append(None)
            values.append(None)
            continue
        margin = item.uncertainty or 0.0
        clear = item.value - margin >= INVOLVED_PERCENT or item.value + margin < INVOLVED_PERCENT
        values.append(item.value >= INVOLVED_PERCENT)
        sure.append(item.value >= INVOLVED_PERCENT if clear else None)
    return _any(sure), _any(values)


def _any(flags: list[bool | None]) -> bool | None:
    if True in flags:
        return True
    return None if None in flags else False


def _why(side: Side, shares: tuple[Measurement, ...], value: bool | None) -> str:
    if value is None:
        missing = next(item for item in shares if item.value is None)
        return f"{side.value}: {missing.reason}"
    near = next(
        item
        for item in shares
        if item.value is not None and abs(item.value - INVOLVED_PERCENT) <= (item.uncertainty or 0.0)
    )
    return f"{near.name} is near the threshold of {INVOLVED_PERCENT:g} % ({near.text(0)})"


def _others(parts: Parts, inside: NDArray[np.bool_]) -> tuple[Measurement, ...]:
    names = ("LAMINA", "TRANSVERSE", "SPINOUS")
    chosen = [part for part in Part if part.name.startswith(names)]
    return tuple(_share(parts, parts.mask(part), inside, part.title, parts.why_not(part)) for part in chosen)


def _unparted(parts: Parts, vertebra: Vertebra, inside: NDArray[np.bool_]) -> Posterolateral:
    """Without parts a side is free only where its whole arch is free of lesion."""
    reason = parts.reason
    shares = {
        side: tuple(unknown(f"lesion in {side.value} {name}", "%", reason) for name in ("pedicle", "facet"))
        for side in Side
    }
    involved: dict[str, bool | None] = dict.fromkeys((side.value for side in Side), None)
    if vertebra.arch is not None and vertebra.arch.any():
        k, j, i = np.nonzero(inside & vertebra.arch)
        local = vertebra.frame.to_local(vertebra.mask.to_world(np.stack([i, j, k], axis=-1)))
        for side in Side:
            volume = np.count_nonzero(side.sign * local[:, 0] > 0) * vertebra.mask.voxel_volume / 1000
            involved[side.value] = False if volume <= ARCH_CLEAR_ML else None
    return Posterolateral(
        involved, dict(involved), shares, (), frozenset(), reason if None in involved.values() else ""
    )
