"""The coarse course of the spine: where each vertebra lies, which way is up and which is front.

One cheap pass over a label map gives every level hints from which the vertebra is then measured on its own crop.
Hints are rounded, so that an edit of one vertebra mostly leaves its neighbors' hints alone and what was measured from
them can be kept; in a hurry one that hardly changed stays as it was.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spinemet.anatomy.canal import axial_view
from spinemet.anatomy.frame import VertebraFrame
from spinemet.anatomy.sampling import sample_box, voxel_centers
from spinemet.evidence import Point
from spinemet.image import Grid, Image, Region
from spinemet.increment import Increment
from spinemet.labelmap import LabelMap
from spinemet.levels import Level

COARSE_MM = 2.0
HINT_DECIMALS = 2
"""Unit vectors are rounded to this many decimals: about half a degree."""
HINT_STAYS_DEG = 2.0
"""In a hurry a hint turned by no more than this stays [D]: it moves no height by more than 0.03 mm, no axis by more
than 0.02°, and nothing by more than a tenth of its ± (synthetic spines, seeds 41 and 42); where the arch is open, so
that the hint alone tells the front, a height of a wedged body by up to 0.14 mm, half of its ± (solids)."""
ACROSS = 0.7
"""Cosine to the patient's own axes below which the course and the front of cut vertebrae are not believed [D]."""
TURNED = 0.7
"""Cosine below which a vertebra's own front is not believed against its neighbors' [D]."""


@dataclass(frozen=True)
class LevelHint:
    """What a vertebra's surroundings tell about it; all directions are RAS unit vectors, rounded.

    :param superior: along the spine toward the head.
    :param anterior: roughly to the front.
    :param cut: edges of the image that the mask touches ("superior image edge").
    """

    superior: Point = (0.0, 0.0, 1.0)
    anterior: Point = (0.0, 1.0, 0.0)
    cut: tuple[str, ...] = ()


@dataclass(frozen=True)
class SpineLine:
    """Hints and rough body centers (RAS) of all levels present, from head to tail."""

    hints: dict[Level, LevelHint]
    centers: dict[Level, Point]


def spine_line(labels: LabelMap, *, store: Increment | None = None) -> SpineLine:
    """Coarse pass over all vertebrae of a label map.

    :param store: keeps what was seen of each vertebra; only those that changed are looked at again.
    """
    store = store if store is not None else Increment()
    levels = list(labels.levels)
    if not levels:
        return SpineLine({}, {})
    centers = np.array([_center(labels, level, store) for level in levels])
    edges = {level: touched_edges(labels.region(labels.levels[level]), labels.image.grid) for level in levels}
    # C1 has no body and a cut vertebra's center is not its own: their neighbors tell the direction.
    sure = np.array([level is not Level.C1 and not ends_cut(edges[level]) for level in levels])
    upward = _tangents(centers, sure)
    fronts = np.full((len(levels), 3), np.nan)
    for n, level in enumerate(levels):
        center, front = _seen(labels, level, _rounded(upward[n]), store)
        centers[n] = center
        if front is not None and (sure[n] or front[1] > ACROSS):
            fronts[n] = front
    upward = _tangents(centers, sure)
    fronts = _agree(fronts, upward)
    hints = {
        level: _steady(labels, level, LevelHint(_rounded(upward[n]), _rounded(fronts[n]), edges[level]), store)
        for n, level in enumerate(levels)
    }
    return SpineLine(hints, {level: _point(centers[n]) for n, level in enumerate(levels)})


def _steady(labels: LabelMap, level: Level, hint: LevelHint, store: Increment) -> LevelHint:
    """The hint; in a hurry that from which an unchanged vertebra was measured, while the new one is about the same."""
    digest = labels.digest(labels.levels[level]).hex()
    before: LevelHint | None = store.last("hint", level)
    about_the_same = before is not None and _apart(before, hint) <= HINT_STAYS_DEG
    return store.run("hint", level, (digest, hint.cut), lambda: hint, can_wait=(hint,), waits=about_the_same)


def _apart(one: LevelHint, other: LevelHint) -> float:
    """The larger of the angles between the directions of two hints, degrees."""
    pairs = np.array([[one.superior, other.superior], [one.anterior, other.anterior]])
    across = np.linalg.norm(np.cross(pairs[:, 0], pairs[:, 1]), axis=1)
    return float(np.degrees(np.arctan2(across, (pairs[:, 0] * pairs[:, 1]).sum(axis=1))).max())


def _center(labels: LabelMap, level: Level, store: Increment) -> NDArray[np.float64]:
    value = labels.levels[level]
    return store.run(
        "mean of voxels", level, (labels.digest(value).hex(),),
        lambda: np.asarray(voxel_centers(labels.mask(value, 1)).mean(axis=0)),
    )  # fmt: skip


def _seen(
    labels: LabelMap, level: Level, superior: Point, store: Increment
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    value = labels.levels[level]

    def look() -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        mask = labels.mask(value, 1)
        return _body_and_front(mask, voxel_centers(mask), np.array(superior))

    # In a hurry it may be seen from where its neighbors were: what they were moved by is much less than a pitch.
    roughly = _point(np.round(superior, 1) + 0.0)
    return store.run("body and front", level, (labels.digest(value).hex(), roughly), look, can_wait=(superior,))


def touched_edges(region: Region, grid: Grid) -> tuple[str, ...]:
    """Names of the image edges that a bounding region touches, by the nearest anatomical direction."""
    names = []
    for axis, (part, size) in enumerate(zip(region, grid.shape, strict=True)):
        direction = grid.directions[:, 2 - axis]
        if part.start <= 0:
            names.append(edge_name(-direction))
        if part.stop >= size:
            names.append(edge_name(direction))
    return tuple(names)


def ends_cut(edges: tuple[str, ...]) -> bool:
    """Whether the image ends above or below the vertebra."""
    return any(edge.startswith(("superior", "inferior")) for edge in edges)


def edge_name(direction: NDArray[np.float64]) -> str:
    """Name of the image edge that faces a RAS direction."""
    axis = int(np.argmax(np.abs(direction)))
    names = (("left", "right"), ("posterior", "anterior"), ("inferior", "superior"))[axis]
    return f"{names[int(direction[axis] > 0)]} image edge"


def _body_and_front(
    mask: Image, points: NDArray[np.float64], superior: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Rough body center, and the front as seen from the canal (None when the mask shows neither)."""
    middle = points.mean(axis=0)
    front = np.array([0.0, 1.0, 0.0]) if abs(superior[1]) < 0.9 else np.array([0.0, 0.0, -1.0])
    frame = VertebraFrame.from_directions(middle, superior, front)
    local = frame.to_local(points)
    samples = sample_box(mask, frame, local.min(axis=0) - 2 * COARSE_MM, local.max(axis=0) + 2 * COARSE_MM, COARSE_MM)
    view = axial_view(samples)
    if view is None:
        return middle, None
    near = np.hypot(*(local[:, :2] - view.body).T) <= 0.6 * view.radius
    height = float(np.median(local[near, 2])) if near.any() else 0.0
    # Without a canal the bulk of the bone still lies in front of the vertebra's center of mass.
    toward = view.body - (view.canal if view.canal is not None else np.zeros(2))
    length = float(np.linalg.norm(toward))
    body = frame.to_ras([view.body[0], view.body[1], height])
    if length < 2.0:
        return body, None
    return body, np.asarray((toward / length) @ frame.axes[:2])


def _tangents(centers: NDArray[np.float64], sure: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Unit tangents toward the head of a curve given from head to tail, by the points that are `sure`.

    The others take the tangent of the nearest sure point. With fewer than two sure points the others are used, too,
    unless they would make a spine that lies across the patient: then, and with a single point, it is (0, 0, 1).
    """
    along_patient = np.tile([0.0, 0.0, 1.0], (len(centers), 1))
    believed = sure.sum() >= 2
    used = np.flatnonzero(sure) if believed else np.arange(len(centers))
    if len(used) == 1:
        return along_patient
    upward = -np.gradient(centers[used], axis=0)
    upward /= np.maximum(np.linalg.norm(upward, axis=1, keepdims=True), 1e-9)
    if not believed and float(upward.mean(axis=0)[2]) < ACROSS:
        return along_patient
    nearest = np.abs(np.arange(len(centers))[:, None] - used).argmin(axis=1)
    return np.asarray(upward[nearest])


def _agree(fronts: NDArray[np.float64], upward: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fronts averaged with their neighbors; a vertebra that looks elsewhere than its neighbors is overruled."""
    found = np.flatnonzero(~np.isnan(fronts[:, 0]))
    if found.size == 0:
        fronts = np.tile([0.0, 1.0, 0.0], (len(fronts), 1))
        found = np.arange(len(fronts))
    result = np.empty_like(fronts)
    for n in range(len(fronts)):
        nearest = found[np.argsort(np.abs(found - n), kind="stable")[:5]]
        middle = np.median(fronts[nearest], axis=0)
        middle = middle / max(float(np.linalg.norm(middle)), 1e-9)
        believed = [fronts[m] for m in nearest if abs(m - n) <= 1 and fronts[m] @ middle > TURNED] or [middle]
        front = np.mean(believed, axis=0)
        front = front - upward[n] * (front @ upward[n])
        result[n] = front / max(float(np.linalg.norm(front)), 1e-9)
    return result


def _rounded(vector: ArrayLike) -> Point:
    return _point(np.round(np.asarray(vector), HINT_DECIMALS) + 0.0)


def _point(vector: ArrayLike) -> Point:
    x, y, z = (float(v) for v in np.asarray(vector, dtype=float))
    return (x, y, z)
