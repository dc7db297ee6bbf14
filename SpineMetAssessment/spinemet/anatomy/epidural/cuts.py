"""Cuts perpendicular to the canal, sampled from outlines on their image's own grid; nothing is resampled before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from spinemet.anatomy.epidural.canal_frame import CanalFrame
from spinemet.errors import BadInput
from spinemet.image import Grid, Image, Region

Array = NDArray[np.float64]

STRUCTURES = ("canal", "sac", "cord", "tumor")

_MARGIN_MM = 3.0
_FINEST_MM, _COARSEST_MM = 0.25, 0.5
_BETWEEN_MM = 0.75, 2.0
"""Cuts lie half a slice apart, but within these limits."""
_STEP_PIXELS = 0.45
"""Not one half: points that fall onto the edges between voxels would all count to one side."""
_SOFT = np.array([0.25, 0.5, 0.25], np.float32)
_CORE = 0.75
"""Where the mask, interpolated but not softened, is at least this, it lies a quarter of a voxel within its edges."""
_SOFTENED = 1.5
"""Axes with voxels up to this many times the finest are softened: neighbors across thick slices are strangers."""


@dataclass(frozen=True, eq=False)
class CutPlan:
    """Where the cuts lie: half a slice apart along the canal, with points half a pixel apart.

    :param s: parameters of the cuts along `frame`, mm.
    :param step: mm between points within a cut.
    :param u: mm to the right of the centerline, of the columns (nu,); the same to the front for the rows.
    :param canal_reach: how far the canal reaches from the centerline, mm.
    :param grid: the grid of the image that was outlined.
    """

    frame: CanalFrame
    s: Array
    step: float
    u: Array
    canal_reach: float
    grid: Grid

    @property
    def v(self) -> Array:
        return self.u

    @property
    def margin(self) -> float:
        """How far beyond the canal the cuts reach at least, mm."""
        return _MARGIN_MM

    @property
    def spacing(self) -> float:
        """Distance between cuts along the canal, mm."""
        return float(self.s[1] - self.s[0]) if len(self.s) > 1 else 1.0

    def points(self, part: slice) -> Array:
        """RAS positions (cuts, nv, nu, 3) of the points of some of the cuts."""
        s = self.s[part]
        right, anterior, _ = self.frame.axes(s)
        return np.asarray(
            self.frame.center(s)[:, None, None, :]
            + self.u[None, None, :, None] * right[:, None, None, :]
            + self.v[None, :, None, None] * anterior[:, None, None, :]
        )

    def region(self, part: slice) -> Region:
        """The voxels that some of the cuts can see, with room for what is softened across its edge."""
        cuts = np.arange(len(self.s))[part]
        place = (int(cuts[0]), int(cuts[-1]))
        if place not in self._regions:
            self._regions[place] = self._region(cuts)
        return self._regions[place]

    @cached_property
    def _regions(self) -> dict[tuple[int, int], Region]:
        """Regions by first and last cut: after an edit the same ones are asked for."""
        return {}

    def _region(self, cuts: NDArray[np.int_]) -> Region:
        ends = np.unique([cuts[0], cuts[len(cuts) // 2], cuts[-1]])
        right, anterior, _ = self.frame.axes(self.s[ends])
        half = float(self.u[-1])
        corners = [
            self.frame.center(self.s[ends]) + a * right + b * anterior for a in (-half, half) for b in (-half, half)
        ]
        spacing = self.grid.spacing
        # A voxel for the interpolation; where masks are softened, one more.
        margin = max(float(spacing.max()), 2 * min(_SOFTENED * float(spacing.min()), float(spacing.max())))
        return self.grid.region_around(np.concatenate(corners), margin + 1.0)


@dataclass(frozen=True, eq=False)
class Cuts:
    """Outlines in cuts perpendicular to the canal.

    :param s: parameters of these cuts, all or some of the plan's.
    :param masks: boolean (cuts, nv, nu) by name; the sac holds the cord, "epidural" is tumor in the canal outside the
        sac.
    :param cord_share: the softened cord (cuts, nv, nu), whose edge lies where it passes one half: between the points;
        None once the stretches were measured and joined.
    """

    plan: CutPlan
    s: Array
    masks: Mapping[str, NDArray[np.bool_]]
    cord_share: NDArray[np.float32] | None = None

    @property
    def frame(self) -> CanalFrame:
        return self.plan.frame

    @property
    def grid(self) -> Grid:
        return self.plan.grid

    @property
    def step(self) -> float:
        return self.plan.step

    @property
    def u(self) -> Array:
        return self.plan.u

    @property
    def v(self) -> Array:
        return self.plan.v

    @property
    def spacing(self) -> float:
        """Distance between cuts along the canal, mm."""
        return self.plan.spacing

    def resolution(self, cut: int, direction: ArrayLike) -> float:
        """Length in mm along a direction of a cut (right, anterior, superior) that one voxel smears together."""
        right, anterior, superior = self.frame.axes(self.s[cut])
        d = np.asarray(direction, dtype=float)
        way = d[0] * right + d[1] * anterior + (d[2] if len(d) > 2 else 0.0) * superior
        shares = (way / np.linalg.norm(way)) @ self.grid.directions
        return float(np.sqrt(np.sum((shares * self.grid.spacing) ** 2)))

    def position(self, cut: int, u: float = 0.0, v: float = 0.0) -> tuple[float, float, float]:
        """RAS position of a point of a cut."""
        right, anterior, _ = self.frame.axes(self.s[cut])
        x, y, z = self.frame.center(self.s[cut]) + u * right + v * anterior
        return (float(x), float(y), float(z))


def plan_cuts(frame: CanalFrame, canal: Image, span: tuple[float, float] | None = None) -> CutPlan:
    """Lay the cuts along the canal.

    :param canal: the mask that `frame` was made from.
    :param span: parameters of the first and last cut; the whole outlined canal when left out.
    :raises BadInput: the span is empty.
    """
    low, high = span if span is not None else frame.ends
    if high <= low:
        raise BadInput("No part of the canal lies between the two places asked for; choose others.")
    grid = canal.grid
    step = float(np.clip(_STEP_PIXELS * grid.spacing.min(), _FINEST_MM, _COARSEST_MM))
    way = frame.axes((low + high) / 2)[2]
    between = float(np.clip(np.max(np.abs(grid.directions.T @ way) * grid.spacing) / 2, *_BETWEEN_MM))
    reach = _reach_of(frame, canal, low, high)
    half = reach + _MARGIN_MM
    return CutPlan(frame, np.arange(low, high + 1e-6, between), step, np.arange(-half, half + step, step), reach, grid)


def sample_cuts(
    plan: CutPlan,
    *,
    canal: Image,
    sac: Image,
    cord: Image | None = None,
    tumor: Image | None = None,
    part: slice = slice(None),
) -> Cuts:
    """Sample outlines in the cuts of a plan.

    Masks are softened by half a voxel within their finest plane, interpolated linearly between voxel centers and cut
    at one half: the steps of an outline go, its edges and its area stay, and what is two voxels thick keeps its width.
    Of tumor even a film of one voxel is kept, which softening alone would take away.

    :param canal: boolean mask of the bony canal; the others (sac with or without the cord in it) on the same grid.
    :param part: which of the plan's cuts.
    :raises GridMismatch: the masks lie on different grids.
    """
    for mask in (sac, cord, tumor):
        if mask is not None:
            canal.require_grid(mask)
    region = plan.region(part)
    crops = {
        name: None if mask is None else mask.array[region].astype(bool, copy=False)
        for name, mask in {"canal": canal, "sac": sac, "cord": cord, "tumor": tumor}.items()
    }
    for inner, outer in (("cord", "sac"), ("sac", "canal")):
        one, other = crops[inner], crops[outer]
        crops[outer] = other if one is None else one if other is None else one | other
    points = plan.points(part)
    shape = points.shape[:-1]
    index, near = _within(plan.grid.crop(region).to_index(points).reshape(-1, 3), region)
    spacing = plan.grid.spacing[::-1]
    masks = {"canal": (_softened(crops["canal"], index, spacing) >= 0.5) & near}
    inside = np.flatnonzero(masks["canal"])
    shares = {name: np.zeros(len(near), np.float32) for name in ("sac", "cord")}
    for name, share in shares.items():
        share[inside] = _softened(crops[name], index[:, inside], spacing)
        masks[name] = share >= 0.5
    masks["tumor"] = ((_softened(crops["tumor"], index, spacing) >= 0.5) | _film(crops["tumor"], index)) & near
    masks["epidural"] = masks["tumor"] & masks["canal"] & ~masks["sac"]
    return Cuts(
        plan, plan.s[part], {name: mask.reshape(shape) for name, mask in masks.items()}, shares["cord"].reshape(shape)
    )


def joined_cuts(pieces: Sequence[Cuts]) -> Cuts:
    """Neighboring stretches of one plan as one, after they were measured."""
    names = pieces[0].masks.keys()
    return Cuts(
        pieces[0].plan,
        np.concatenate([item.s for item in pieces]),
        {name: np.concatenate([item.masks[name] for item in pieces]) for name in names},
    )


def _reach_of(frame: CanalFrame, canal: Image, low: float, high: float) -> float:
    """The canal's greatest reach from the centerline, mm."""
    points = canal.to_world(np.argwhere(canal.array)[::5, ::-1])
    s = frame.parameter(points)
    inside = (s >= low) & (s <= high)
    if not inside.any():
        return 15.0
    away = np.linalg.norm(points[inside] - frame.center(s[inside]), axis=1)
    return float(np.clip(np.percentile(away, 99.5), 5.0, 27.0))


def sampled(mask: Image, points: Array) -> NDArray[np.bool_]:
    """Whether RAS points (…, 3) lie within an outline, its steps softened as in `sample_cuts`."""
    try:
        region = mask.grid.region_around(points.reshape(-1, 3), 2.0 * float(mask.spacing.max()))
    except BadInput:
        return np.zeros(points.shape[:-1], bool)
    crop = mask.crop(region)
    index, near = _within(crop.to_index(points).reshape(-1, 3), region)
    inside = (_softened(crop.array.astype(bool, copy=False), index, mask.spacing[::-1]) >= 0.5) & near
    return inside.reshape(points.shape[:-1])


def _within(ijk: Array, region: Region) -> tuple[Array, NDArray[np.bool_]]:
    """Indices (3, n) in (k, j, i) moved into a crop, and whether they were within it (n,).

    Beyond the image's outermost voxel centers an outline goes on to the voxel's edge.
    """
    index = np.ascontiguousarray(ijk.T[::-1])
    near = np.ones(index.shape[1], bool)
    for axis, part in zip(index, region, strict=True):
        last = part.stop - part.start - 1
        near &= (axis >= -0.5) & (axis <= last + 0.5)
        np.clip(axis, 0, last, out=axis)
    return index, near


def _film(crop: NDArray[np.bool_] | None, index: Array) -> NDArray[np.bool_]:
    """The core of a mask, be it one voxel thick, at voxel indices (3, n): it never reaches beyond flat edges."""
    if crop is None or not crop.any():
        return np.zeros(index.shape[1], bool)
    return _interpolated(crop.astype(np.float32), crop, index) >= _CORE


def _softened(crop: NDArray[np.bool_] | None, index: Array, spacing: Array) -> NDArray[np.float32]:
    """The softened mask, 0 to 1, at voxel indices (3, n) within it, in (k, j, i)."""
    if crop is None or not crop.any():
        return np.zeros(index.shape[1], np.float32)
    share = crop.astype(np.float32)
    for axis in np.flatnonzero(spacing <= _SOFTENED * spacing.min()):
        share = ndimage.convolve1d(share, _SOFT, axis=int(axis), mode="nearest")
    return _interpolated(share, crop, index)


def _interpolated(share: NDArray[np.float32], crop: NDArray[np.bool_], index: Array) -> NDArray[np.float32]:
    """`share`, interpolated linearly; only near the filled voxels of `crop`, 0 elsewhere."""
    near = np.ones(index.shape[1], bool)
    for axis, places in enumerate(index):
        filled = np.flatnonzero(crop.any(axis=tuple({0, 1, 2} - {axis})))
        near &= (places > filled[0] - 1) & (places < filled[-1] + 1)
    found, values = np.flatnonzero(near), np.zeros(index.shape[1], np.float32)
    values[found] = ndimage.map_coordinates(
        share, index[:, found], order=1, mode="nearest", prefilter=False, output=np.float32
    )
    return values
