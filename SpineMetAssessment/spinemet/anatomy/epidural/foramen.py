"""Foramina: nerve roots in cuts across their course, what tumor touches of them, and the fat it took."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.anatomy.arch.pedicle import Side
from spinemet.anatomy.epidural.canal_frame import CanalFrame
from spinemet.anatomy.epidural.cuts import sampled
from spinemet.evidence import Measurement, Point, unknown
from spinemet.image import Image
from spinemet.levels import Level

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

RIM_MM = 1.5
"""Fat is looked for within this distance of the root. Ours."""

LOST_SHARE, LOST_ERROR = 0.5, 0.2
"""A direction's fat counts as lost when this share of its rim is tumor, open within the error. Ours."""

DEFORMED_SHARE = 0.2
"""A root that lost this share of its area is deformed. Ours."""

COARSEST_MM = 2.0
"""Voxels wider than this across the root, about half of it, cannot show the fat round it. Ours."""

SECTORS = {"anterior": 0.0, "superior": 90.0, "posterior": 180.0, "inferior": 270.0}
"""Directions in the cut, degrees from the front over the head; each spans 30° to either side."""

_HALF_MM, _STEP_MM, _BETWEEN_MM = 8.0, 0.25, 0.5
_FEWEST_VOXELS = 12
_HALF_SECTOR_DEG = 30.0


@dataclass(frozen=True)
class Foramen:
    """One foramen whose root is outlined.

    :param levels: the vertebrae above and below.
    :param root: name of the root that leaves here ("C8", "T9").
    :param gap: distance between tumor and root, mm.
    :param contact: length of root that tumor touches, mm.
    :param area_loss: of the root against the other side's or its own widest, %.
    :param lost: by direction, the answers that are open to "is the fat gone?", the likelier first; empty when unknown.
    :param deformed: likewise for the root; empty when unknown.
    :param reason: why nothing is said about the fat; empty when it is.
    """

    levels: tuple[Level, Level]
    side: Side
    root: str
    position: Point
    gap: Measurement
    contact: Measurement
    area_loss: Measurement
    lost: Mapping[str, tuple[bool, ...]]
    deformed: tuple[bool, ...]
    reason: str = ""

    @property
    def name(self) -> str:
        return f"{self.levels[0]}–{self.levels[1]} {self.side.value}"


@dataclass(frozen=True, eq=False)
class _RootCuts:
    """Cuts (n, front, up) across one root: root, tumor and fat, and where they lie."""

    root: Mask
    tumor: Mask
    fat: Mask | None
    centers: Array
    pixel: float


def root_name(above: Level, below: Level) -> str:
    """The root that leaves between two vertebrae: in the neck it is named after the lower one, C8 above T1."""
    if above is Level.C7:
        return "C8"
    return str(below if above < Level.C7 else above)


def measure_foramina(
    frame: CanalFrame,
    spans: Mapping[Level, tuple[float, float]],
    *,
    roots: Image,
    tumor: Image | None,
    fat: Image | None = None,
) -> tuple[Foramen, ...]:
    """Measure every foramen in which a root is outlined, from head to tail, the left side first.

    :param spans: parameters of the levels along the canal.
    :param roots: boolean mask of the roots of both sides; `tumor` and `fat` on the same grid.
    :param fat: outlined fat; without it, fat counts as lost where tumor lies.
    :raises GridMismatch: the masks lie on different grids.
    """
    for mask in (tumor, fat):
        if mask is not None:
            roots.require_grid(mask)
    voxels = roots.to_world(np.argwhere(roots.array)[:, ::-1])
    if not len(voxels):
        return ()
    along = frame.parameter(voxels)
    lateral = np.einsum("na,na->n", voxels - frame.center(along), frame.axes(along)[0])
    found = []
    order = sorted(spans, key=lambda level: level.order)
    for above, below in itertools.pairwise(order):
        place = spans[above][1]
        reach = min(spans[above][1] - spans[above][0], spans[below][1] - spans[below][0]) / 2
        sides = {}
        for side in (Side.LEFT, Side.RIGHT):
            own = voxels[(np.abs(along - place) < reach) & (lateral * side.sign > 0)]
            if len(own) >= _FEWEST_VOXELS:
                sides[side] = _root_cuts(own, frame, place, side, roots, tumor, fat)
        usual = {side: float(np.median(_areas(cuts))) for side, cuts in sides.items()}
        for side, cuts in sides.items():
            other = usual.get(Side.RIGHT if side is Side.LEFT else Side.LEFT)
            found.append(_foramen((above, below), side, cuts, other))
    return tuple(found)


def _root_cuts(
    voxels: Array, frame: CanalFrame, place: float, side: Side, roots: Image, tumor: Image | None, fat: Image | None
) -> _RootCuts:
    right, anterior, superior = frame.axes(place)
    out = side.sign * right
    middle = voxels.mean(axis=0)
    steps = (voxels - middle) @ out
    # The root's course: how its middle moves along with the way out.
    slope = ((voxels - middle) * steps[:, None]).mean(axis=0) / max(float((steps**2).mean()), 1e-6)
    course = slope / np.linalg.norm(slope)
    front = anterior - course * (anterior @ course)
    front = front / np.linalg.norm(front)
    up = np.cross(front, course) * side.sign
    up = up if up @ superior > 0 else -up
    low, high = np.percentile(steps, [10, 90])
    places = np.arange(low, high + 1e-6, _BETWEEN_MM)
    centers = middle + places[:, None] * course
    axis = np.arange(-_HALF_MM, _HALF_MM + _STEP_MM / 2, _STEP_MM)
    offsets = axis[:, None, None] * front + axis[None, :, None] * up
    points = centers[:, None, None, :] + offsets

    spacing = roots.spacing
    across = [float(np.sqrt(np.sum((way @ roots.grid.directions * spacing) ** 2))) for way in (front, up)]
    empty = np.zeros(points.shape[:-1], bool)
    return _RootCuts(
        sampled(roots, points),
        empty if tumor is None else sampled(tumor, points),
        None if fat is None else sampled(fat, points),
        centers,
        max(across),
    )


def _areas(cuts: _RootCuts) -> Array:
    areas = cuts.root.sum(axis=(1, 2)) * _STEP_MM**2
    return np.asarray(areas[areas > 0] if np.any(areas > 0) else np.zeros(1))


def _foramen(levels: tuple[Level, Level], side: Side, cuts: _RootCuts, other: float | None) -> Foramen:
    method = "in cuts across the root, from its outline"
    spot = cuts.centers[len(cuts.centers) // 2]
    where: Point = (float(spot[0]), float(spot[1]), float(spot[2]))
    gaps = np.array([_gap(root, tumor) for root, tumor in zip(cuts.root, cuts.tumor, strict=True)])
    nearest = float(np.min(gaps)) if len(gaps) else float("inf")
    error = 0.3 * cuts.pixel
    if np.isfinite(nearest):
        gap = Measurement("tumor to root", nearest, "mm", method, where, error)
        touching = float(np.count_nonzero(gaps <= 0.5 * cuts.pixel)) * _BETWEEN_MM
        contact = Measurement("contact with the root", touching, "mm", method, where, _BETWEEN_MM + error)
    else:
        gap = unknown("tumor to root", "mm", f"no tumor within {_HALF_MM:g} mm of the root")
        contact = Measurement("contact with the root", 0.0, "mm", method, where, _BETWEEN_MM)
    areas = _areas(cuts)
    usual = other if other is not None else float(np.percentile(areas, 90))
    loss = 100 * (1 - float(np.median(areas)) / usual) if usual > 0 else 0.0
    rim = 2 * np.sqrt(np.pi * max(usual, 1.0))
    loss_error = 100 * 0.25 * cuts.pixel * rim / max(usual, 1.0) * 0.5
    area_loss = Measurement("root area loss", loss, "%", method, where, loss_error)
    if cuts.pixel > COARSEST_MM:
        reason = f"one voxel is {cuts.pixel:.1f} mm wide across the root: its fat cannot be told"
        return Foramen(levels, side, root_name(*levels), where, gap, contact, area_loss, {}, (), reason)
    lost = _lost(cuts)
    any_tumor = np.isfinite(nearest) and nearest <= RIM_MM
    deformed = _answers(loss, 100 * DEFORMED_SHARE, loss_error) if any_tumor else (False,)
    return Foramen(levels, side, root_name(*levels), where, gap, contact, area_loss, lost, deformed)


def _answers(value: float, threshold: float, error: float) -> tuple[bool, ...]:
    yes = value >= threshold
    return (yes,) if abs(value - threshold) > error else (yes, not yes)


def _gap(root: Mask, tumor: Mask) -> float:
    if not root.any() or not tumor.any():
        return float("inf")
    return max(0.0, float(ndimage.distance_transform_edt(~tumor)[root].min()) - 1) * _STEP_MM


def _lost(cuts: _RootCuts) -> dict[str, tuple[bool, ...]]:
    """By direction, whether the fat is gone in the cut where most of it is."""
    axis = np.arange(-_HALF_MM, _HALF_MM + _STEP_MM / 2, _STEP_MM)
    front, up = np.meshgrid(axis, axis, indexing="ij")
    shares = []
    for n, root in enumerate(cuts.root):
        if not root.any():
            continue
        turn = np.degrees(np.arctan2(up - up[root].mean(), front - front[root].mean()))
        away = ndimage.distance_transform_edt(~root) * _STEP_MM
        rim = (away > 0) & (away <= RIM_MM)
        row = []
        for middle in SECTORS.values():
            sector = rim & (np.abs((turn - middle + 180) % 360 - 180) <= _HALF_SECTOR_DEG)
            fat = cuts.fat[n] if cuts.fat is not None else ~cuts.tumor[n]
            row.append(1 - float(fat[sector].mean()) if sector.any() else 0.0)
        shares.append(row)
    table = np.array(shares) if shares else np.zeros((1, 4))
    # The tightest cut, if it lasts over three.
    steady = ndimage.median_filter(table, size=(min(3, len(table)), 1), mode="nearest")
    tightest = steady[int(steady.sum(axis=1).argmax())]
    return {
        name: _answers(float(share), LOST_SHARE, LOST_ERROR) for name, share in zip(SECTORS, tightest, strict=True)
    }
