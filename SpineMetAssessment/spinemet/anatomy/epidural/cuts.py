"""Cuts perpendicular to the canal, sampled from outlines on their image's own grid; nothing is resampled before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from spinemet.anatomy.epidural.canal_frame import CanalFrame
from spinemet.errors import BadInput
from spinemet.image import Grid, Image

Array = NDArray[np.float64]

STRUCTURES = ("canal", "sac", "cord", "tumor")

_MARGIN_MM = 3.0
_FINEST_MM, _COARSEST_MM = 0.25, 0.5


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


@dataclass(frozen=True, eq=False)
class Cuts:
    """Outlines in cuts perpendicular to the canal.

    :param s: parameters of these cuts, all or some of the plan's.
    :param masks: boolean (cuts, nv, nu) by name; the sac holds the cord, "epidural" is tumor in the canal outside the
        sac.
    """

    plan: CutPlan
    s: Array
    masks: Mapping[str, NDArray[np.bool_]]

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
    step = float(np.clip(grid.spacing.min() / 2, _FINEST_MM, _COARSEST_MM))
    way = frame.axes((low + high) / 2)[2]
    between = float(np.clip(np.max(np.abs(grid.directions.T @ way) * grid.spacing) / 2, 0.5, 2.0))
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

    Masks are interpolated linearly between voxel centers and cut at one half, so an edge lies between voxels where
    the outline does.

    :param canal: boolean mask of the bony canal; the others (sac with or without the cord in it) on the same grid.
    :param part: which of the plan's cuts.
    :raises GridMismatch: the masks lie on different grids.
    """
    points = plan.points(part)
    index = plan.grid.to_index(points).reshape(-1, 3)
    masks = {}
    for name, mask in {"canal": canal, "sac": sac, "cord": cord, "tumor": tumor}.items():
        shape = points.shape[:-1]
        if mask is not None:
            canal.require_grid(mask)
        masks[name] = np.zeros(shape, bool) if mask is None else _sampled(mask, index).reshape(shape)
    masks["sac"] = masks["sac"] | masks["cord"]
    masks["canal"] = masks["canal"] | masks["sac"]
    masks["epidural"] = masks["tumor"] & masks["canal"] & ~masks["sac"]
    return Cuts(plan, plan.s[part], masks)


def joined_cuts(pieces: Sequence[Cuts]) -> Cuts:
    """Neighboring stretches of one plan as one."""
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


def _sampled(mask: Image, index: Array) -> NDArray[np.bool_]:
    """Whether the linearly interpolated mask is at least one half at voxel indices (n, 3) in (i, j, k)."""
    solid = np.argwhere(mask.array)
    if not len(solid):
        return np.zeros(len(index), bool)
    low, high = np.maximum(solid.min(axis=0) - 1, 0), solid.max(axis=0) + 2
    crop = mask.array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    crop = np.pad(crop, 1).astype(np.float32)
    places = index[:, ::-1].T - (low - 1)[:, None]
    # Beyond the image's outermost voxel centers an outline goes on to the voxel's edge.
    size = np.array(mask.shape)[:, None]
    at_edge = np.clip(index[:, ::-1].T, 0, size - 1) - (low - 1)[:, None]
    near = np.all(np.abs(places - at_edge) <= 0.5, axis=0)
    values = ndimage.map_coordinates(crop, np.where(near, at_edge, places), order=1, mode="constant", prefilter=False)
    return np.asarray(values >= 0.5)
