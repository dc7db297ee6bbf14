"""Fit the solids of an arch to its bone: pedicles, laminae, articular, transverse and spinous processes.

Landmarks come from the canal's ring and the pedicles. All in local millimeters of the vertebra's frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spinemet.anatomy.arch.pedicle import Pedicle, Side
from spinemet.anatomy.arch.ring import ArchRing
from spinemet.anatomy.arch.solids import Bar, Keel, Plate, Points, Rod, fit_rod

NOMINAL_PEDICLE_MM, NOMINAL_CERVICAL_MM = (8.0, 14.0), (5.5, 7.5)
"""Width and height of a pedicle that was not found [D]."""
FREE_UPPER = 0.4
"""A superior process stands free above this share of the pedicle's height over its axis."""
FREE_LOWER = 0.55
"""An inferior process stands free below this share of the way from its tip up to the pedicle's axis."""
FREE_SIDE, TIP_SIDE = 0.3, 0.5
"""A transverse process stands free beyond this share of the way from the pedicle's side to its tip, surely beyond the
second, from which its rod is started."""
BESIDE_MM = 7.0
"""How far outside the pedicle's outer side an articular process may stand [D]."""
GROWTHS, GROWTH = 1, 1.6
"""How often a rod fitted to a tip is fitted anew, to what lies within this many of its semi-axes."""
FACETS_ALIKE = 1.15
"""An inferior process may be this much thicker than the superior one of its side [D]."""
INNER = 0.45
"""Inferior processes are sought outside this share of the canal's half width."""
LAMINA_OUTER = 0.65
"""Laminae are read from the spinous process to this share of the canal's half width."""
LAMINA_HALF_MM = 3.7
"""Least half thickness of a lamina's solid [D]: the canal has taken its share of the inner side."""
HANGS_MM = 14.0
"""A lamina's lower edge rises fully to the pars where an inferior process hangs this far below it [D]."""
INFERIOR_BEGINS = 0.6
"""An inferior process begins this share of the pedicle's height below the pedicle's axis [D]."""
CLEAR_OF_LAMINA_MM = 0.5
"""Bone deeper than this in a lamina takes no part in the fit of the inferior process."""
CLEAR_OF_KEEL_MM = 2.0
"""Inferior processes are sought this far beside the spinous process."""
SUPERIOR_ENDS = 0.0
"""A superior process ends this share of the pedicle's height below the pedicle's axis [D]."""
PEDICLE_ENDS_MM = 1.5
"""A pedicle ends this far in front of the pillar's axis [D]."""
KEEL_SHARES = (25, 70)
"""Percentiles from tip to root between which a spinous process's thickness is read."""
LAMINA_FLOOR = 0.8
"""Laminae are read above this share of the pedicle's height below its axis."""
LAMINA_MM = 9.0
"""Laminae are read within this distance behind the canal."""
KEEL_FROM_MM = 6.0
"""The spinous process is read from this far behind the canal's back."""
KEEL_STARTS = 1.5
"""The spinous process begins at this share of the way from the canal's back to where the laminae have joined [D]."""
KEEL_LATEST_MM = 12.0
"""… which happens within this distance behind the canal [D]."""
WIDER = 1.4
"""Laminae have joined where no bone is left beside this many half thicknesses of the process."""
LAMINA_END_MM = 2.0
"""How far beyond the canal's half width a lamina reaches: there the pillar begins [D]."""
MIN_VOXELS = 6
"""Fewer voxels than this fit nothing."""


@dataclass(frozen=True, eq=False)
class SideModel:
    """The solids of one side; None where there is no bone to fit.

    :param pillar: height of the pedicle's axis where the articular processes meet.
    """

    pedicle: Bar
    superior: Rod | None
    inferior: Rod | None
    transverse: Rod | None
    lamina: Plate | None
    pillar: float


@dataclass(frozen=True, eq=False)
class ArchModel:
    """The solids of both sides and the spinous process, None where there is none."""

    sides: Mapping[Side, SideModel]
    spinous: Keel | None


def fit_arch(points: Points, ring: ArchRing, found: Mapping[Side, Pedicle], *, cervical: bool = False) -> ArchModel:
    """Fit all solids to the bone behind the body.

    :param points: (n, 3) local positions of the voxels that are not the body's.
    :param cervical: the transverse processes lie beside the body, so none is sought behind it.
    """
    keel = _keel(points, ring)
    sides = {side: _side(points, ring, found[side], side, keel, cervical) for side in Side}
    if keel is not None:
        keel = _started(keel, points, ring, [own.lamina for own in sides.values() if own.lamina is not None])
    return ArchModel(sides, keel)


def _side(
    points: Points, ring: ArchRing, pedicle: Pedicle, side: Side, keel: Keel | None, cervical: bool
) -> SideModel:
    sign = side.sign
    own = points[(sign * (points[:, 0] - ring.middle) > 0) & (points[:, 1] < ring.front)]
    outward = sign * (own[:, 0] - ring.middle)
    bar = _bar(pedicle, ring, sign, cervical)
    height = 2 * float(bar.radii[1])
    pillar = float(bar.center[2])
    outer = sign * (float(bar.center[0]) - ring.middle) + float(bar.radii[0])
    clear = keel.half + CLEAR_OF_KEEL_MM if keel is not None else 0.0
    column = (outward < outer + BESIDE_MM) & (outward > max(INNER * ring.half_width, clear))
    superior = _upper(own[column], pillar + FREE_UPPER * height)
    lamina = _lamina(own, outward, ring, sign, pillar, height, keel)
    if lamina is not None:
        column &= lamina.depth(own) > -CLEAR_OF_LAMINA_MM
    inferior = _lower(own[column], pillar)
    transverse = None if cervical else _lateral(own, outward, outer)
    root = outer
    if superior is not None:
        rear = superior.at(2, pillar)
        along = float((rear - bar.center) @ bar.axis) + PEDICLE_ENDS_MM
        bar = Bar(bar.center, bar.axis, bar.radii, float(np.clip(along, -ring.depth, -2.0)))
        root = min(outer, sign * (float(rear[0]) - ring.middle) + 1.0)
        superior = replace(superior, root=rear)
    if inferior is not None:
        inferior = _no_larger(inferior, superior) if superior is not None else inferior
        inferior = replace(inferior, root=inferior.at(2, pillar))
    if transverse is not None:
        transverse = replace(transverse, root=transverse.at(0, ring.middle + sign * root))
    return SideModel(bar, superior, inferior, transverse, lamina, pillar)


def _no_larger(inferior: Rod, superior: Rod) -> Rod:
    """The inferior process reduced to the superior one's size: facets are alike, and laminae stick to the lower."""
    ratio = FACETS_ALIKE * float(np.sqrt(superior.radii.prod() / inferior.radii.prod()))
    return inferior if ratio >= 1 else replace(inferior, radii=inferior.radii * ratio)


def _bar(pedicle: Pedicle, ring: ArchRing, sign: int, cervical: bool) -> Bar:
    nominal = NOMINAL_CERVICAL_MM if cervical else NOMINAL_PEDICLE_MM
    width, height = pedicle.size or nominal
    radii = np.array([width, height]) / 2
    if pedicle.local_center is None or pedicle.local_axis is None:
        center = np.array([ring.middle + sign * (ring.half_width + width / 2), ring.front - 4.0, 0.0])
        return Bar(center, np.array([0.0, 1.0, 0.0]), radii, -0.4 * ring.depth)
    return Bar(pedicle.local_center, pedicle.local_axis, radii, -0.4 * ring.depth)


def _upper(central: Points, level: float) -> Rod | None:
    """Superior articular process: what stands above the pedicle, started from its upper half."""
    free = central[central[:, 2] > level]
    if len(free) < MIN_VOXELS:
        return None
    top = float(np.percentile(free[:, 2], 98))
    upper = free[free[:, 2] > (level + top) / 2]
    return _grown(free, upper, 2, +1)


def _lower(central: Points, pillar: float) -> Rod | None:
    below = central[central[:, 2] < pillar]
    if len(below) < MIN_VOXELS:
        return None
    tip = float(np.percentile(below[:, 2], 0.5))
    level = tip + FREE_LOWER * (pillar - tip)
    free = below[below[:, 2] < level]
    start = free[free[:, 2] < tip + 0.35 * (level - tip) + 1.0]
    return _grown(free, start, 2, -1)


def _lateral(own: Points, outward: NDArray[np.float32], outer: float) -> Rod | None:
    tip = float(np.percentile(outward, 99.8)) if len(outward) else 0.0
    if tip < outer + 2.0:
        return None
    free = outward > outer + FREE_SIDE * (tip - outer)
    start = outward > outer + TIP_SIDE * (tip - outer)
    sign = 1 if free.any() and own[free, 0].mean() > 0 else -1
    return _grown(own[free], own[start], 0, sign)


def _grown(free: Points, start: Points, coordinate: int, sign: int) -> Rod | None:
    """Rod fitted to the tip first, then to what lies near that rod in the whole free part: a tip is thinner."""
    rod = fit_rod(start, coordinate, sign)
    for _ in range(GROWTHS):
        if rod is None:
            break
        local = free - rod.tip
        rho = (((local @ rod.across.T) / rod.radii) ** 2).sum(axis=1)
        rod = fit_rod(free[rho <= GROWTH**2], coordinate, sign) or rod
    return rod


def _lamina(
    own: Points,
    outward: NDArray[np.float32],
    ring: ArchRing,
    sign: int,
    pillar: float,
    height: float,
    keel: Keel | None,
) -> Plate | None:
    """Plate through what lies behind the canal between spinous process and pillar, above the inferior process."""
    inner = keel.half + 0.5 if keel is not None else 2.0
    outer = max(LAMINA_OUTER * ring.half_width, inner + 3.0)
    front = ring.front - 0.5 * ring.depth
    near = (own[:, 1] < front) & (own[:, 1] > ring.back - LAMINA_MM) & (outward > inner)
    medial = own[near & (outward < inner + 2.0), 2]
    chosen = near & (outward < outer) & (own[:, 2] > pillar - LAMINA_FLOOR * height)
    cloud = own[chosen].astype(float)
    if len(cloud) < MIN_VOXELS or len(medial) < MIN_VOXELS:
        return None
    level = float(cloud[:, 2].mean())
    basis = np.column_stack([np.ones(len(cloud)), outward[chosen], cloud[:, 2] - level])
    plane, scale, _ = _sheet(basis, cloud[:, 1])
    tilt = 1 / np.sqrt(1 + plane[1] ** 2 + plane[2] ** 2)
    half, reach = float(np.sqrt(3) * scale * tilt), ring.half_width + LAMINA_END_MM
    plane[0] -= plane[2] * level
    # The canal has taken its share of the inner side: the outer side stays, the middle moves inward.
    thick = max(half, LAMINA_HALF_MM)
    plane[0] += (thick - half) / tilt
    low, top = np.percentile(medial, (1, 99))
    sheet = Plate(plane, thick, (-np.inf, 0.0), np.inf, reach, sign, ring.middle)
    central = own[(outward < inner) & (sheet.depth(own) < 0), 2]
    if len(central) >= MIN_VOXELS:
        low = max(float(low), float(np.percentile(central, 2)))
    # Where an inferior process hangs below the lamina, the lamina's edge rises toward the pars.
    tip = float(np.percentile(own[(outward < reach) & (outward > inner), 2], 0.5))
    rise = float(np.clip((low - tip) / HANGS_MM, 0.0, 1.0)) * max(0.0, pillar - INFERIOR_BEGINS * height - low)
    steep = rise / max(reach - inner, 1.0)
    return Plate(plane, thick, (float(low) - steep * inner, steep), float(top), reach, sign, ring.middle)


def _sheet(
    basis: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float, NDArray[np.bool_]]:
    """Least squares without outliers: coefficients, standard deviation of what is left, and what took part."""
    kept = np.ones(len(values), dtype=bool)
    fit, scale = np.zeros(basis.shape[1]), 1.0
    for _ in range(4):
        part = basis[kept]
        steady = 1e-3 * len(part) * np.diag([0.0] + [1.0] * (basis.shape[1] - 1))
        fit = np.linalg.lstsq(part.T @ part + steady, part.T @ values[kept], rcond=None)[0]
        residual = values - basis @ fit
        scale = max(float(np.sqrt((residual[kept] ** 2).mean())), 0.5)
        kept = np.abs(residual) <= 2.2 * scale
    return fit, scale, kept


def _keel(points: Points, ring: ArchRing) -> Keel | None:
    """Upright plate through the midline behind the laminae; its thickness is that of its free part."""
    aside = np.abs(points[:, 0] - ring.middle)
    free = points[(points[:, 1] < ring.back - KEEL_FROM_MM) & (aside < 0.8 * ring.half_width)].astype(float)
    if len(free) < MIN_VOXELS:
        return None
    center = free.mean(axis=0)
    basis = np.column_stack([np.ones(len(free)), free[:, 1:] - center[1:]])
    line, scale, kept = _sheet(basis, free[:, 0])
    low, high = np.percentile(free[:, 1], KEEL_SHARES)
    thin = kept & (free[:, 1] > low) & (free[:, 1] < high)
    residual = free[:, 0] - basis @ line
    half = max(1.5, float(np.sqrt(3) * (residual[thin].std() if thin.sum() > 3 else scale)))
    return Keel(np.array([line[0] - line[1:] @ center[1:], line[1], line[2]]), half, (ring.back, 0.0))


def _started(keel: Keel, points: Points, ring: ArchRing, laminae: list[Plate]) -> Keel:
    """The spinous process begins where the laminae join, along their slope."""
    slope = float(np.clip(np.mean([plate.plane[2] for plate in laminae]), 0.0, 0.6)) if laminae else 0.0
    level = float(np.mean([plate.top for plate in laminae])) if laminae else 0.0
    flat = points[:, 1] - slope * (points[:, 2] - level)
    offset = np.abs(points[:, 0] - (keel.plane[0] + points[:, 1:] @ keel.plane[1:]))
    # Where the laminae have come together nothing lies beside the process any more.
    beside = (offset > WIDER * keel.half) & (offset < WIDER * keel.half + 2.0) & (flat < ring.back)
    joined = float(np.percentile(flat[beside], 10)) if beside.sum() >= MIN_VOXELS else ring.back
    joined = float(np.clip(joined, ring.back - KEEL_LATEST_MM, ring.back))
    start = ring.back + KEEL_STARTS * (joined - ring.back)
    return replace(keel, start=(start - slope * level, slope))
