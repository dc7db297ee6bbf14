"""Polyrigid field: every bone moves rigidly, what lies between moves in between, far away all moves as the spine.

The motions are blended in their logarithms (Arsigny 2009, log-Euclidean), with weights that fall with the square of
the distance to each bone (Franke and Little 1980). Key function: `polyrigid`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from spinemet.image import Grid, Region
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.progress import Progress, silent
from spinemet.registration.bones import RigidBones
from spinemet.registration.inverse import interpolated, inverted, origins
from spinemet.registration.jacobian import folded_nodes
from spinemet.registration.motion import Array, RigidMotion
from spinemet.registration.twist import displacements, twist_of

Displacements = NDArray[np.float32]
"""(k, j, i, 3) RAS mm."""

SPACING_MM = 2.5
REACH_MM = 45.0
"""So far from the bones nothing but the motion of the whole spine is left [D]."""
LEAST_DETERMINANT = 0.15
"""Where tissue would be squeezed to less than this share of its volume, the field is evened out [D]."""
MOST_SMOOTHINGS = 60
MOST_FOLDED = 0.005
"""Share of the nodes that may fold before nothing is evened out: the motions are wrong then, not the blend [D]."""


@dataclass(frozen=True, eq=False)
class Field:
    """Displacements that remain after the motion of the whole spine; nothing outside the grid.

    A point x of the fixed image lies at `spine.apply(x + u(x))` in the moving image; inside a bone, which moves
    rigidly, where the bone's own motion carries it. On the grid alone, as transform nodes and files have it, bones
    are as rigid but within two cells of each other.

    :param spine: motion of the whole spine, fixed to moving, RAS.
    :param grid: where the displacements are known, RAS of the fixed image.
    :param displacements: u at the grid's nodes, (k, j, i, 3) RAS mm; linear between them.
    :param smoothed_nodes: how many nodes had to be evened out, since bones that touch would have crossed.
    :param bones: what moves exactly rigidly; None where only the grid is known.
    """

    spine: RigidMotion
    grid: Grid
    displacements: Displacements
    smoothed_nodes: int = 0
    bones: RigidBones | None = None

    @classmethod
    def of_spine(cls, spine: RigidMotion, grid: Grid) -> Field:
        """A field without a bend: everything moves as the spine.

        :param grid: any in the fixed image's space; its two first voxels along each axis are used.
        """
        small = grid.crop((slice(0, 2), slice(0, 2), slice(0, 2)))
        return cls(spine, small, np.zeros((*small.shape, 3), dtype=np.float32))

    @cached_property
    def backward(self) -> Displacements:
        """v of the way back, x = y + v(y) where y = x + u(x); same grid, made when first asked for."""
        return inverted(self.displacements, self.grid)

    def residual(self, points: ArrayLike) -> Array:
        """u at RAS points (…, 3) of the fixed image, mm; 0 outside the grid."""
        return interpolated(self.displacements, self.grid, np.asarray(points, dtype=float))

    def to_moving(self, points: ArrayLike) -> Array:
        """Points (…, 3) of the fixed image in the moving image, RAS mm."""
        here = np.asarray(points, dtype=float)
        there = self.on_grid(here)
        if self.bones is None:
            return there
        return self.bones.to_moving(here.reshape(-1, 3), there.reshape(-1, 3)).reshape(here.shape)

    def on_grid(self, points: ArrayLike) -> Array:
        """`to_moving` by the grid alone, as transform nodes and files carry points."""
        here = np.asarray(points, dtype=float)
        return self.spine.apply(here + self.residual(here))

    def to_fixed(self, points: ArrayLike) -> Array:
        """Points (…, 3) of the moving image in the fixed image, RAS mm."""
        there = np.asarray(points, dtype=float)
        spread = self.spine.inverse.apply(there).reshape(-1, 3)
        here = origins(self.displacements, self.grid, spread)
        if self.bones is not None:
            here = self.bones.to_fixed(there.reshape(-1, 3), here)
        return here.reshape(there.shape)


def polyrigid(
    spine: RigidMotion,
    motions: Mapping[Level, RigidMotion],
    vertebrae: LabelMap,
    *,
    spacing_mm: float = SPACING_MM,
    reach_mm: float = REACH_MM,
    progress: Progress | None = None,
) -> Field:
    """Blend the motions of single vertebrae into one field.

    :param spine: motion of the whole spine, fixed to moving.
    :param motions: of the outlined vertebrae, fixed to moving; those without a motion do not take part.
    :param vertebrae: outlines in the fixed image.
    """
    report = progress or silent
    report(0.0, "blending the motions")
    levels = [level for level in vertebrae.levels if level in motions]
    grid = _grid(vertebrae, levels, spacing_mm, reach_mm)
    center = grid.center
    twists = np.zeros((*grid.shape, 6), dtype=np.float32)
    total = np.zeros(grid.shape, dtype=np.float32)
    nearest = np.full(grid.shape, reach_mm, dtype=np.float32)
    for n, level in enumerate(levels):
        report(0.7 * n / len(levels), f"blending {level}")
        region, shares = _splat(vertebrae, vertebrae.levels[level], grid, reach_mm)
        distance = ndimage.distance_transform_edt(shares <= 0, sampling=grid.spacing[::-1]).astype(np.float32)
        np.minimum(nearest[region], distance, out=nearest[region])
        weight = _weights(distance, shares, reach_mm)
        total[region] += weight
        small = spine.inverse.after(motions[level])
        twists[region] += weight[..., None] * twist_of(small, center).astype(np.float32)
    fade = (0.5 + 0.5 * np.cos(np.pi * nearest / reach_mm)).astype(np.float32)
    twists *= (fade / np.maximum(total, 1e-12))[..., None]
    report(0.75, "bending the space between the bones")
    field = Field(spine, grid, displacements(twists, grid, center), bones=RigidBones(vertebrae, dict(motions)))
    report(0.9, "looking for folds")
    return _unfolded(field)


def _grid(vertebrae: LabelMap, levels: list[Level], spacing_mm: float, reach_mm: float) -> Grid:
    """A grid along the outlines' own axes that reaches far enough for everything to fade away."""
    image = vertebrae.image
    boxes = [image.grid.crop(vertebrae.region(vertebrae.levels[level])).corners for level in levels]
    along = np.concatenate(boxes) @ np.linalg.inv(image.grid.directions).T
    margin = reach_mm + 2 * spacing_mm
    low, high = along.min(axis=0) - margin, along.max(axis=0) + margin
    size = np.ceil((high - low) / spacing_mm).astype(int) + 1
    matrix = np.eye(4)
    matrix[:3, :3] = image.grid.directions * spacing_mm
    matrix[:3, 3] = image.grid.directions @ low
    return Grid((int(size[2]), int(size[1]), int(size[0])), matrix)


def _splat(vertebrae: LabelMap, value: int, grid: Grid, reach_mm: float) -> tuple[Region, NDArray[np.float32]]:
    """How much bone (voxels, split linearly) each node's cells hold, on the region the bone can reach; 0 beside it."""
    mask = vertebrae.mask(value, 0)
    region = grid.region_around(mask.grid.corners, reach_mm)
    first = grid.crop(region).to_index(mask.to_world(np.zeros(3)))
    step = mask.spacing / grid.spacing
    shares = mask.array.astype(np.float32)
    # The grid lies along the outlines' axes: one axis after the other.
    for axis, part in enumerate(region):
        places = first[2 - axis] + step[2 - axis] * np.arange(shares.shape[axis])
        shares = _split(shares, axis, places, part.stop - part.start)
    return region, shares


def _split(values: NDArray[np.float32], axis: int, places: Array, nodes: int) -> NDArray[np.float32]:
    """Values at rising places of an axis, counted in nodes, split between the two nodes next to each."""
    source = np.moveaxis(values, axis, 0)
    result = np.zeros((nodes, *source.shape[1:]), dtype=np.float32)
    low = np.floor(places).astype(np.int64)
    cells, starts = np.unique(low, return_index=True)
    for upper, share in ((0, low + 1 - places), (1, places - low)):
        # Every node of a cell that holds a voxel has its part, be it small.
        parts = source * (share + LEAST_SHARE).astype(np.float32)[:, None, None]
        result[cells + upper] += np.add.reduceat(parts, starts, axis=0)
    return np.moveaxis(result, 0, axis)


SURELY, LEAST_SHARE = 1e12, 1e-3
"""Weight of a bone at the nodes of its own cells, against everything that lies beside it; and the share of it that a
node has at least whose cells hold any of it."""


def _weights(distance: NDArray[np.float32], shares: NDArray[np.float32], reach_mm: float) -> NDArray[np.float32]:
    """Where bones share a cell, the one with more of it weighs more; elsewhere the nearer one does."""
    beside = (np.maximum(reach_mm - distance, 0) / (reach_mm * np.maximum(distance, 1e-3))) ** 2
    own = SURELY * (shares / shares.max() + LEAST_SHARE) ** 2
    return np.where(shares > 0, own, beside).astype(np.float32)


def _unfolded(field: Field) -> Field:
    """The field, evened out where bones that touch each other would squeeze what lies between to nothing."""
    moved = field.displacements.copy()
    touched = np.zeros(field.grid.shape, dtype=bool)
    bad = folded_nodes(moved, field.grid, LEAST_DETERMINANT)
    if bad.mean() > MOST_FOLDED:
        return field
    for _ in range(MOST_SMOOTHINGS):
        if not bad.any():
            break
        touched |= bad
        # Round what ever was bad, so that the smoothing does not chase a fold from node to node.
        where = ndimage.binary_dilation(touched)
        box = _box_of(where, 1)
        part, chosen = moved[box], where[box]
        even = np.stack([ndimage.uniform_filter(part[..., axis], 3) for axis in range(3)], axis=-1)
        part[chosen] = even[chosen]
        bad = np.zeros_like(touched)
        inner = _box_of(where, 2)
        bad[inner] = folded_nodes(moved[inner], field.grid.crop(inner), LEAST_DETERMINANT)
    return replace(field, displacements=moved, smoothed_nodes=int(touched.sum()))


def _box_of(mask: NDArray[np.bool_], margin: int) -> Region:
    found = ndimage.find_objects(mask.view(np.uint8))[0]
    k, j, i = (
        slice(max(0, part.start - margin), min(n, part.stop + margin))
        for part, n in zip(found, mask.shape, strict=True)
    )
    return (k, j, i)
