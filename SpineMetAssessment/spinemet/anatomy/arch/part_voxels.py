"""Which part each voxel behind the body belongs to: the solid of the arch that it lies deepest in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spinemet.anatomy.arch.model import INFERIOR_BEGINS, SUPERIOR_ENDS, ArchModel, SideModel
from spinemet.anatomy.arch.part_names import Part
from spinemet.anatomy.arch.pedicle import Side
from spinemet.anatomy.arch.ring import ArchRing
from spinemet.anatomy.arch.solids import Points
from spinemet.anatomy.endplate import Endplate
from spinemet.anatomy.vertebra import Vertebra
from spinemet.levels import Region

BULGE_MM = 4.0
"""Bone of the body may reach this far behind the plane of the posterior wall: corners, a bulge [D]."""
CORNER_BIN_MM = 3.0
"""Width of the strips in which the body's corner is read below the pedicle."""
CANAL_SHARE = 0.85
"""Behind the wall, within this share of the canal's half width, there is no pedicle [D]."""
OUTSIDE_PEDICLE_MM = 1.0
"""Bone beside the wall and farther than this from the pedicle's solid is the body's [D]."""
BEYOND_PLATE_MM = 2.0
"""… if it lies no farther than this above or below the endplates [D]."""


def name_voxels(
    points: Points, cloud: Points, vertebra: Vertebra, ring: ArchRing, model: ArchModel
) -> NDArray[np.uint8]:
    """Part of each point (n, 3), given in the vertebra's frame, that is not in front of the posterior wall.

    :param cloud: evenly spaced points of the same bone, from which the body's corners are read.
    """
    labels = _assign(points, model, ring)
    if vertebra.level.region is Region.CERVICAL:
        _name_cervical_transverse(labels, points, vertebra, ring)
    labels[_of_the_body(points, cloud, vertebra, ring, model)] = Part.BODY
    return labels


def _assign(points: Points, model: ArchModel, ring: ArchRing) -> NDArray[np.uint8]:
    """The part whose solid each point lies deepest in."""
    values = np.zeros(len(points), np.uint8)
    right = points[:, 0] >= np.float32(ring.middle)
    for side, own in model.sides.items():
        chosen = np.flatnonzero(right if side is Side.RIGHT else ~right)
        if chosen.size:
            values[chosen] = _assign_side(points[chosen], own, model, side)
    return values


def _assign_side(cloud: Points, own: SideModel, model: ArchModel, side: Side) -> NDArray[np.uint8]:
    height = 2 * float(own.pedicle.radii[1])
    above = cloud[:, 2] - np.float32(own.pillar)
    upper, lower = above > -SUPERIOR_ENDS * height, above < -INFERIOR_BEGINS * height
    pillar = np.where(
        upper, Part.SUPERIOR_ARTICULAR_LEFT, np.where(lower, Part.INFERIOR_ARTICULAR_LEFT, Part.PARS_LEFT)
    )
    depths, labels = [own.pedicle.depth(cloud)], [np.full(len(cloud), Part.PEDICLE_LEFT)]
    for solid, label in (
        (own.lamina, Part.LAMINA_LEFT), (own.superior, pillar), (own.inferior, pillar),
        (own.transverse, Part.TRANSVERSE_LEFT), (model.spinous, Part.SPINOUS),
    ):  # fmt: skip
        if solid is not None:
            depths.append(solid.depth(cloud))
            labels.append(np.broadcast_to(label, (len(cloud),)))
    nearest = np.stack(depths).argmin(axis=0)
    chosen = np.take_along_axis(np.stack(labels), nearest[None], axis=0)[0]
    return np.asarray(chosen + ((side is Side.RIGHT) & (chosen != Part.SPINOUS)), dtype=np.uint8)


def _name_cervical_transverse(labels: NDArray[np.uint8], points: Points, vertebra: Vertebra, ring: ArchRing) -> None:
    """Cervical transverse processes lie beside the body, in front of the posterior wall."""
    wall, tilt = vertebra.wall
    outward = points[:, 0] - np.float32(ring.middle)
    beside = (points[:, 1] > wall + tilt * points[:, 2]) & (np.abs(outward) > CANAL_SHARE * ring.half_width)
    labels[beside] = np.where(outward[beside] < 0, Part.TRANSVERSE_LEFT, Part.TRANSVERSE_RIGHT)


def _of_the_body(
    points: Points, cloud: Points, vertebra: Vertebra, ring: ArchRing, model: ArchModel
) -> NDArray[np.bool_]:
    """Bone behind the plane of the posterior wall that is the body's: its corners beside a hollow back, a bulge."""
    half = 0.5 * (vertebra.width.value or 0.0)
    edges = np.arange(0.0, half + CORNER_BIN_MM, CORNER_BIN_MM)
    found, behind = _near_wall(points, vertebra, half)
    even, depth = _near_wall(cloud, vertebra, half)
    mine, corners = points[found], cloud[even]
    outward, place = np.abs(mine[:, 0] - np.float32(ring.middle)), np.abs(corners[:, 0] - np.float32(ring.middle))
    bodily = outward < CANAL_SHARE * ring.half_width
    for side, own in model.sides.items():
        here = (mine[:, 0] >= ring.middle) == (side is Side.RIGHT)
        bodily |= here & (own.pedicle.depth(mine) > OUTSIDE_PEDICLE_MM)
        # Below the pedicle the body's outline is free: it goes on behind the pedicle's root.
        free = (corners[:, 0] >= ring.middle) == (side is Side.RIGHT)
        free &= corners[:, 2] < own.pillar - own.pedicle.radii[1] - 1.0
        reach = [
            np.percentile(layer, 80)
            if (layer := depth[free & (np.abs(place - edge) <= CORNER_BIN_MM)]).size >= 8
            else 0.0
            for edge in edges
        ]
        bodily |= here & (behind < np.interp(outward, edges, reach))
    chosen = np.zeros(len(points), dtype=bool)
    chosen[found[bodily]] = True
    return chosen


def _near_wall(points: Points, vertebra: Vertebra, half: float) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Which points lie little behind the posterior wall, and how far."""
    wall, tilt = vertebra.wall
    behind = wall + tilt * points[:, 2] - points[:, 1]
    top, bottom = (_over_wall(vertebra, plate) for plate in (vertebra.superior_endplate, vertebra.inferior_endplate))
    near = (behind < BULGE_MM) & (np.abs(points[:, 0]) < half)
    near &= (points[:, 2] < top + BEYOND_PLATE_MM) & (points[:, 2] > bottom - BEYOND_PLATE_MM)
    found = np.flatnonzero(near)
    return found, behind[found]


def _over_wall(vertebra: Vertebra, plate: Endplate | None) -> float:
    """Local height of an endplate's plane over the posterior wall."""
    if plate is None:
        return np.inf
    center, normal = vertebra.frame.to_local(plate.center), vertebra.frame.axes @ np.array(plate.normal)
    return float(center[2] - normal[1] / normal[2] * (vertebra.wall[0] - center[1]))
