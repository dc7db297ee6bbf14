"""The straightened canal: a smooth centerline through its outline, with a frame at every place along it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from scipy.interpolate import UnivariateSpline
from scipy.spatial import cKDTree

from spinemet.errors import NotMeasurable
from spinemet.evidence import Point
from spinemet.image import Image

Array = NDArray[np.float64]

FEWEST_BINS = 4
"""Fewer centroids than this make no curve."""

LEAST_UPRIGHT = 0.5
"""The canal runs from head to tail within 60°; an outline whose longest way does not is too short. Ours."""

CENTROID_ERROR_MM = 0.35
"""How far a slab's centroid may lie off the smooth centerline: outlines are stepped. Ours."""

LEAST_BEFORE_MM = 6.0
"""A vertebra's middle that lies less than this in front of the canal does not tell where the front is. Ours."""

MOST_TURNED_DEG = 50.0
"""No vertebra is turned farther than this from the scanner's axes about the canal: what seems so lies amiss. Ours."""

_BIN_MM = 3.0
_DENSE_MM = 0.5
_ENOUGH = 60_000
_ROUNDS = 3


@dataclass(frozen=True, eq=False)
class CanalFrame:
    """A centerline from head to tail, parametrized by its length in mm.

    :param s: parameters of the samples, ascending toward the feet, about 0.5 mm apart.
    :param centers: their positions (n, 3), RAS.
    :param superior: unit tangents (n, 3) toward the head.
    :param ends: parameters between which the outline has whole cross-sections.
    :param turn: how far the vertebrae are turned to the patient's right about the centerline (n,), degrees; None where
        nothing tells: then the patient faces as the scanner's axes say.
    """

    s: Array
    centers: Array
    superior: Array
    ends: tuple[float, float]
    turn: Array | None = None

    @cached_property
    def anterior(self) -> Array:
        """Unit vectors (n, 3) to the patient's front, perpendicular to the centerline."""
        front = np.array([0.0, 1.0, 0.0]) - self.superior * self.superior[:, 1:2]
        front = front / np.linalg.norm(front, axis=1, keepdims=True)
        if self.turn is None:
            return np.asarray(front)
        angle = np.radians(self.turn)[:, None]
        return np.asarray(np.cos(angle) * front + np.sin(angle) * np.cross(front, self.superior))

    @cached_property
    def right(self) -> Array:
        """Unit vectors (n, 3) to the patient's right."""
        return np.cross(self.anterior, self.superior)

    def _at(self, table: Array, s: ArrayLike, unit: bool) -> Array:
        places = np.asarray(s, dtype=float)
        values = np.stack([np.interp(places, self.s, table[:, axis]) for axis in range(3)], axis=-1)
        return np.asarray(values / np.linalg.norm(values, axis=-1, keepdims=True)) if unit else values

    def center(self, s: ArrayLike) -> Array:
        """RAS positions (…, 3) at parameters."""
        return self._at(self.centers, s, unit=False)

    def axes(self, s: ArrayLike) -> tuple[Array, Array, Array]:
        """Unit vectors (…, 3) right, anterior, superior at parameters."""
        return self._at(self.right, s, True), self._at(self.anterior, s, True), self._at(self.superior, s, True)

    def parameter(self, ras: ArrayLike) -> Array:
        """Parameters (…) of the places of the centerline nearest to RAS positions (…, 3)."""
        points = np.asarray(ras, dtype=float)
        nearest = cKDTree(self.centers).query(points.reshape(-1, 3))[1]
        along = np.einsum("na,na->n", points.reshape(-1, 3) - self.centers[nearest], -self.superior[nearest])
        return np.asarray((self.s[nearest] + along).reshape(points.shape[:-1]))


def canal_frame(outline: Image) -> CanalFrame:
    """Centerline through a tube's outline: the bony canal, or the thecal sac where the canal is not outlined.

    Centroids of slabs perpendicular to the curve are smoothed within `CENTROID_ERROR_MM`; slabs that the image's edge
    cuts obliquely are left out and the curve runs straight on.

    :param outline: boolean mask on its image's own grid; any orientation and spacing.
    :raises NotMeasurable: the outline is empty or too short for a centerline.
    """
    voxels = np.argwhere(outline.array)[:, ::-1]
    if len(voxels) < 20:
        raise NotMeasurable("The outline of the spinal canal is empty or nearly so; outline it along the spine.")
    points = outline.to_world(voxels[:: 1 + len(voxels) // _ENOUGH])
    middle = points.mean(axis=0)
    axis = np.linalg.eigh(np.cov((points - middle).T))[1][:, -1]
    if abs(axis[2]) < LEAST_UPRIGHT:
        raise NotMeasurable("The outlined canal is wider than long; outline it over two levels.")
    axis = axis if axis[2] <= 0 else -axis
    along = (points - middle) @ axis
    direction = axis
    bin_mm = max(_BIN_MM, 2.0 * float(np.max(np.abs(outline.grid.directions.T @ axis) * outline.spacing)))
    curve: CanalFrame | None = None
    for _ in range(_ROUNDS):
        curve = _fit(points, along, bin_mm, direction)
        along = curve.parameter(points)
    assert curve is not None
    return curve


def facing(frame: CanalFrame, places: Sequence[Point]) -> CanalFrame:
    """The frame turned so that its front is where the vertebrae lie, which the scanner's axes need not say.

    A patient lies turned, and a scoliosis turns every vertebra by itself: depth from back to front, and left and
    right, are the vertebra's own. The middle one of three neighbors counts, so that one place amiss turns nothing.

    :param places: a point of each vertebra (RAS), such as the center of its body.
    """
    points = np.array(places, dtype=float).reshape(-1, 3)
    s = frame.parameter(points)
    points, s = points[np.argsort(s)], np.sort(s)
    inside = (s >= frame.s[0]) & (s <= frame.s[-1])
    plain = replace(frame, turn=None)
    right, anterior, _ = plain.axes(s)
    away = points - plain.center(s)
    before, beside = np.einsum("na,na->n", away, anterior), np.einsum("na,na->n", away, right)
    angles = np.degrees(np.arctan2(beside, before))
    told = inside & (before >= LEAST_BEFORE_MM) & (np.abs(angles) <= MOST_TURNED_DEG)
    if not told.any():
        return plain
    known = angles[told]
    # Mirrored, so that an outermost place that is amiss gives way, too.
    steady = (
        ndimage.median_filter(known, size=3, mode="mirror") if len(known) > 2 else np.full(len(known), known.mean())
    )
    return replace(frame, turn=np.interp(frame.s, s[told], steady))


def _fit(points: Array, along: Array, bin_mm: float, direction: Array) -> CanalFrame:
    index = np.floor((along - along.min()) / bin_mm).astype(int)
    count = np.bincount(index)
    keep = count >= 0.6 * np.median(count[count > 0])
    # The outermost slabs are cut by the image's edge unless it is perpendicular to the canal.
    if keep.sum() > FEWEST_BINS + 2:
        keep[np.flatnonzero(keep)[[0, -1]]] = False
    if keep.sum() < FEWEST_BINS:
        raise NotMeasurable("The outlined canal is too short to tell its direction; outline it over two levels.")
    weights = np.bincount(index, weights=along)[keep] / count[keep]
    centroids = np.stack([np.bincount(index, weights=points[:, a])[keep] / count[keep] for a in range(3)], axis=1)
    order = np.argsort(weights)
    knots, centroids = weights[order], centroids[order]
    degree = min(3, len(knots) - 1)
    slack = len(knots) * CENTROID_ERROR_MM**2
    splines = [UnivariateSpline(knots, centroids[:, a], k=degree, s=slack) for a in range(3)]
    low, high = float(along.min()), float(along.max())
    places = np.arange(low - 5.0, high + 5.0, _DENSE_MM)
    inside = np.clip(places, knots[0], knots[-1])
    centers = np.stack([spline(inside) for spline in splines], axis=1)
    ways = np.stack([spline.derivative()(inside) for spline in splines], axis=1)
    centers = centers + (places - inside)[:, None] * ways
    steps = np.linalg.norm(np.diff(centers, axis=0), axis=1)
    lengths = np.concatenate([[0.0], np.cumsum(steps)])
    ways = ways / np.linalg.norm(ways, axis=1, keepdims=True)
    ends = np.interp([knots[0] - bin_mm / 2, knots[-1] + bin_mm / 2], places, lengths)
    return CanalFrame(lengths, centers, -ways, (float(ends[0]), float(ends[1])))
