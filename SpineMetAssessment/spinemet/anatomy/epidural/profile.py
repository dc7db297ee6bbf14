"""Measures of every cut: areas, thickness of epidural tumor, its distance to the cord, and the cord's shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.anatomy.epidural.cuts import Cuts
from spinemet.anatomy.epidural.edges import APEX_MM, apex, depths, extents

Array = NDArray[np.float64]

QUADRANTS = ("ventral", "right", "dorsal", "left")
ANGLES = 72
"""Directions in which the outlines are measured from the centerline: every 5°, from the right over the front."""


CONTACT_MM = 1.0
"""Tumor touches the cord over at least this length of its edge. Ours."""

TOUCHING_MM = 0.4
"""Edges that lie no farther apart than this run along each other. Ours: half of a fine pixel."""


@dataclass(frozen=True, eq=False)
class Profile:
    """One value per cut, or one row; lengths in mm, areas in mm². NaN where something is not outlined there.

    :param complete: the cut lies wholly within the image and its outlines.
    :param epidural_area: tumor in the canal outside the sac.
    :param canal_share: `epidural_area` as a share of the canal, 0 to 1.
    :param quadrants: (cuts, 4) share of the epidural tumor that lies ventral, right, dorsal, left.
    :param surround: share of all directions from the centerline in which epidural tumor lies, 0 to 1.
    :param thickness: diameter of the largest circle within the epidural tumor, its steps evened out.
    :param toward: (cuts, 2) unit vector (right, anterior) from the canal's middle to the epidural tumor.
    :param gap: distance between epidural tumor and cord; 0 when they touch.
    :param clearance: distance between any tumor in the cut, in bone or canal, and the cord; inf when none is seen.
    :param sac_clearance: the same to the sac.
    :param contact_edge: length of the cord's edge along which tumor lies within `TOUCHING_MM`.
    :param fluid_area: sac without cord.
    :param canal_center: (cuts, 2) middle of the canal, mm right and anterior of the centerline.
    :param sac_reach: (cuts, ANGLES) distance from the canal's middle to the sac's edge: bone does not give way to
        tumor, and a smooth centerline is not exactly in the middle.
    :param cord_reach: (cuts, ANGLES) extent of the cord along each direction (half of them repeat).
    :param cord_center: (cuts, 2) centroid of the cord, mm right and anterior of the canal's middle.
    :param open_depth: depth of the canal from back to front that tumor leaves free, in the middle.
    """

    complete: NDArray[np.bool_]
    canal_area: Array
    sac_area: Array
    cord_area: Array
    fluid_area: Array
    epidural_area: Array
    quadrants: Array
    surround: Array
    thickness: Array
    toward: Array
    gap: Array
    contact_edge: Array
    clearance: Array
    sac_clearance: Array
    cord_ap: Array
    cord_width: Array
    canal_center: Array
    cord_center: Array
    cord_reach: Array
    sac_reach: Array
    sac_ap: Array
    canal_ap: Array
    open_depth: Array

    @property
    def canal_share(self) -> Array:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.canal_area > 0, self.epidural_area / self.canal_area, np.nan)

    @property
    def ascor(self) -> Array:
        """Cord area as a share of the canal's (aSCOR)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.cord_area > 0, self.cord_area / self.canal_area, np.nan)


def joined(profiles: Sequence[Profile]) -> Profile:
    """One profile from those of neighboring stretches of canal."""
    return Profile(**{
        item.name: np.concatenate([getattr(profile, item.name) for profile in profiles]) for item in fields(Profile)
    })  # fmt: skip


def measure_profile(cuts: Cuts) -> Profile:
    """Measure every cut as it was sampled."""
    assert cuts.cord_share is not None
    cell = cuts.step**2
    u, v = np.meshgrid(cuts.u, cuts.v)
    area = {name: mask.sum(axis=(1, 2)) * cell for name, mask in cuts.masks.items()}
    cord, sac, canal = cuts.masks["cord"], cuts.masks["sac"], cuts.masks["canal"]
    epidural = cuts.masks["epidural"]
    canal_center = _centroids(canal, u, v)
    toward = _unit(_centroids(epidural, u, v) - canal_center)
    angles = _angles()
    gaps = np.array([_gap(one, other, cuts.step) for one, other in zip(epidural, cord, strict=True)]).reshape(-1, 2)
    widths = extents(cuts.cord_share, angles, cuts.step)
    clearances = np.array([
        _clearances(one, (inner, outer), cuts.step)
        for one, inner, outer in zip(cuts.masks["tumor"], cord, sac, strict=True)
    ]).reshape(-1, 2)  # fmt: skip
    return Profile(
        complete=_complete(cuts),
        canal_area=area["canal"],
        sac_area=area["sac"],
        cord_area=area["cord"],
        fluid_area=(sac & ~cord).sum(axis=(1, 2)) * cell,
        epidural_area=area["epidural"],
        quadrants=_quadrants(epidural, u, v, canal_center),
        surround=_surround(epidural, u, v, canal_center),
        thickness=np.array([_thickness(mask, cuts.step) for mask in epidural]),
        toward=toward,
        gap=gaps[:, 0],
        contact_edge=gaps[:, 1],
        clearance=clearances[:, 0],
        sac_clearance=clearances[:, 1],
        cord_ap=depths(cuts.cord_share, cuts.step),
        cord_width=widths[:, 0],
        canal_center=canal_center,
        cord_center=_centroids(cord, u, v) - canal_center,
        cord_reach=widths,
        sac_reach=_reach(sac, cuts, angles, canal_center),
        sac_ap=_extent(sac, 1, cuts.step),
        canal_ap=_extent(canal, 1, cuts.step),
        open_depth=_open_depth(canal & ~epidural, cuts, canal_center),
    )


def _angles() -> Array:
    return np.linspace(0.0, 2 * np.pi, ANGLES, endpoint=False)


def _centroids(mask: NDArray[np.bool_], u: Array, v: Array) -> Array:
    count: Array = np.asarray(mask.sum(axis=(1, 2)), dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.stack([(mask * axis).sum(axis=(1, 2)) / count for axis in (u, v)], axis=1)


def _unit(vectors: Array) -> Array:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(length > 1e-9, length, np.nan), dtype=np.float64)


def _extent(mask: NDArray[np.bool_], axis: int, step: float) -> Array:
    """Length in mm of each cut's mask along axis 1 (back to front) or 2 (left to right), NaN where it is empty."""
    present: NDArray[np.bool_] = np.any(mask, axis=3 - axis)
    some = present.any(axis=1)
    first = present.argmax(axis=1)
    last = present.shape[1] - 1 - present[:, ::-1].argmax(axis=1)
    return np.where(some, (last - first + 1) * step, np.nan)


def _thickness(mask: NDArray[np.bool_], step: float) -> float:
    if not mask.any():
        return 0.0
    depth = ndimage.distance_transform_edt(np.pad(mask[_box(mask)], 1))
    at = np.unravel_index(depth.argmax(), depth.shape)
    reach = max(2, round(APEX_MM / step))
    # The ridge of the mask's middle, seen across whichever way it runs: over it the outline's steps even out.
    ridges = [depth.max(axis=axis) for axis in (0, 1)]
    level = [ridge[max(0, n - reach) : n + reach + 1].mean() for ridge, n in zip(ridges, at[::-1], strict=True)]
    deepest = apex(ridges[int(np.argmax(level))], step)
    # The circle's rim lies between the last point within and the first one outside; so, half a step from either.
    return (2 * deepest - 0.5) * step


def _gap(one: NDArray[np.bool_], other: NDArray[np.bool_], step: float) -> tuple[float, float]:
    """Distance within which `CONTACT_MM` of the other's edge lies from the one (a single corner is no contact), and
    the length of the other's edge that runs along the one."""
    if not one.any() or not other.any():
        return (float("nan") if not other.any() else float("inf")), 0.0
    box = _box(one | other)
    one, other = one[box], other[box]
    edge = other & ~ndimage.binary_erosion(other)
    # Middles of neighboring points are one step apart though nothing lies between them.
    away = np.maximum(np.sort(ndimage.distance_transform_edt(~one)[edge]) - 1, 0.0) * step
    rank = min(len(away) - 1, round(CONTACT_MM / step))
    return float(away[rank]), float(np.count_nonzero(away <= TOUCHING_MM)) * step


def _clearances(one: NDArray[np.bool_], others: Sequence[NDArray[np.bool_]], step: float) -> list[float]:
    """Least distance of a mask to each other one, 0 when they touch; inf without the one, NaN without the other."""
    if not one.any():
        return [float("inf") if other.any() else float("nan") for other in others]
    box = _box(np.logical_or.reduce([one, *others]))
    away = ndimage.distance_transform_edt(~one[box])
    return [
        max(0.0, float(away[other[box]].min()) - 1) * step if other.any() else float("nan") for other in others
    ]  # fmt: skip


def _box(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """The smallest rectangle that holds a mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _reach(mask: NDArray[np.bool_], cuts: Cuts, angles: Array, center: Array) -> Array:
    """Distance (cuts, ANGLES) from each center to the outermost edge of each mask; 0 where it lies elsewhere."""
    radii = np.arange(0.0, cuts.u[-1], cuts.step / 2)
    middle = np.nan_to_num(center)[:, :, None, None]
    columns = (middle[:, 0] + radii[:, None] * np.cos(angles) - cuts.u[0]) / cuts.step
    rows = (middle[:, 1] + radii[:, None] * np.sin(angles) - cuts.v[0]) / cuts.step
    j = np.clip(np.rint(rows).astype(np.intp), 0, len(cuts.v) - 1)
    i = np.clip(np.rint(columns).astype(np.intp), 0, len(cuts.u) - 1)
    inside = mask[np.arange(len(mask))[:, None, None], j, i]
    last = len(radii) - 1 - inside[:, ::-1].argmax(axis=1)
    return np.where(inside.any(axis=1), radii[last], 0.0)


def _quadrants(mask: NDArray[np.bool_], u: Array, v: Array, center: Array) -> Array:
    shares = np.full((len(mask), 4), np.nan)
    for n, cut in enumerate(mask):
        if cut.any():
            du, dv = u[cut] - center[n, 0], v[cut] - center[n, 1]
            ventral, dorsal = (dv >= np.abs(du)), (-dv >= np.abs(du))
            right, left = (du > np.abs(dv)), (-du > np.abs(dv))
            shares[n] = [np.mean(part) for part in (ventral, right, dorsal, left)]
    return shares


def _surround(mask: NDArray[np.bool_], u: Array, v: Array, center: Array) -> Array:
    around = np.zeros(len(mask))
    for n, cut in enumerate(mask):
        if cut.any():
            turn = np.degrees(np.arctan2(v[cut] - center[n, 1], u[cut] - center[n, 0])) % 360.0
            around[n] = len(np.unique((turn // (360.0 / ANGLES)).astype(int))) / ANGLES
    return around


def _open_depth(free: NDArray[np.bool_], cuts: Cuts, center: Array) -> Array:
    """Free depth of the canal in a band 2 mm wide round its middle."""
    depth = np.full(len(free), np.nan)
    for n, cut in enumerate(free):
        if np.isfinite(center[n, 0]):
            band = np.abs(cuts.u - center[n, 0]) <= 1.0
            depth[n] = float(cut[:, band].sum(axis=0).mean()) * cuts.step
    return depth


def _complete(cuts: Cuts) -> NDArray[np.bool_]:
    """Cuts that outline a canal whose whole neighborhood lies within the image."""
    canal = cuts.masks["canal"]
    some = canal.any(axis=(1, 2))
    rim = (canal[:, 0] | canal[:, -1]).any(axis=1) | (canal[:, :, 0] | canal[:, :, -1]).any(axis=1)
    right, anterior, _ = cuts.frame.axes(cuts.s)
    half = cuts.plan.canal_reach
    corners = [
        cuts.frame.center(cuts.s) + a * half * right + b * half * anterior
        for a, b in ((1, 0), (-1, 0), (0, 1), (0, -1))
    ]
    inside = np.all([cuts.grid.contains(corner) for corner in corners], axis=0)
    return np.asarray(some & ~rim & inside)
