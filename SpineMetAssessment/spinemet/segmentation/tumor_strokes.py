"""What a person draws to outline a tumor: strokes and clicks inside or outside of it, or a box round it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.case import Role
from spinemet.errors import BadInput
from spinemet.evidence import Point
from spinemet.image import Grid, Image
from spinemet.segmentation.clicks import Click

BRUSH_MM = 1.5
"""Radius of a stroke unless it says otherwise: a thin brush, about two voxels of a CT."""
AIR_HU = -300.0
"""Below lies air or lung: no tumor of bone or soft tissue [D]."""
NO_SIGNAL = 0.04
"""Share of an MR's bright signal below which there is only noise; cortical bone lies a little above [D]."""
_PROBE_MM = 2.5
"""Radius in which a mark must find tissue."""


@dataclass(frozen=True)
class Stroke:
    """A line drawn with a brush; a single point is a dab.

    :param points: RAS mm, in the order drawn.
    :param foreground: True inside of the tumor, False outside.
    :param radius_mm: of the brush.
    """

    points: tuple[Point, ...]
    foreground: bool = True
    radius_mm: float = BRUSH_MM

    def __post_init__(self) -> None:
        if not self.points or not np.all(np.isfinite(self.points)):
            raise BadInput("A stroke has no position in the image; draw it again.")
        if not 0 < self.radius_mm <= 50:
            raise BadInput("The brush must have a radius between 0 and 50 mm; choose another one.")

    @classmethod
    def from_click(cls, click: Click) -> Stroke:
        """A dab where a person clicked."""
        return cls((click.position,), click.foreground)

    @property
    def length_mm(self) -> float:
        """Largest distance between two of its points."""
        points = np.array(self.points)
        return float(np.max(np.linalg.norm(points[:, None] - points[None], axis=-1)))


@dataclass(frozen=True)
class Box:
    """A box round the tumor, parallel to the image's axes; everything outside of it is not tumor.

    :param corners: two opposite corners, RAS mm.
    """

    corners: tuple[Point, Point]

    def __post_init__(self) -> None:
        if not np.all(np.isfinite(self.corners)):
            raise BadInput("The box has no position in the image; draw it again.")

    def bounds_in(self, grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Its lowest and highest index (i, j, k), cut off at the image's faces.

        :raises BadInput: the box is thinner than three voxels, or lies outside of the image.
        """
        ends = grid.to_index(np.array(self.corners))
        low, high = ends.min(axis=0), ends.max(axis=0)
        low, high = np.maximum(low, -0.5), np.minimum(high, np.array(grid.shape[::-1]) - 0.5)
        if np.any(high < low):
            raise BadInput("The box lies outside of the image; draw it round what the image shows.")
        # In a slice of its own a box is flat: it then stands for the slice's thickness.
        low, high = np.where(high - low < 1, low - 0.5, low), np.where(high - low < 1, high + 0.5, high)
        if np.sort(high - low)[1] < 3:
            raise BadInput("The box is too small; draw it round the whole tumor.")
        return low, high


Mark = Stroke | Box | Click
"""Whatever a person sets."""


def strokes_of(marks: Iterable[Mark]) -> tuple[Stroke, ...]:
    """The strokes and clicks among the marks, in their order."""
    strokes = (Stroke.from_click(mark) if isinstance(mark, Click) else mark for mark in marks)
    return tuple(mark for mark in strokes if isinstance(mark, Stroke))


def boxes_of(marks: Iterable[Mark]) -> tuple[Box, ...]:
    """The boxes among the marks."""
    return tuple(mark for mark in marks if isinstance(mark, Box))


def dense_points(stroke: Stroke, step_mm: float) -> NDArray[np.float64]:
    """Points (n, 3) along a stroke, RAS mm, no farther apart than a step."""
    points = np.array(stroke.points, dtype=float)
    pieces = [points[:1]]
    for start, stop in pairwise(points):
        count = max(1, int(np.ceil(np.linalg.norm(stop - start) / step_mm)))
        pieces.append(start + (stop - start) * (np.arange(1, count + 1) / count)[:, None])
    return np.concatenate(pieces)


def painted(strokes: Iterable[Stroke], grid: Grid, *, foreground: bool) -> NDArray[np.bool_]:
    """The voxels (k, j, i) that the strokes of one kind cover; at least the voxel under each point."""
    mask = np.zeros(grid.shape, bool)
    chosen = [stroke for stroke in strokes if stroke.foreground is foreground]
    size = np.array(grid.shape)
    for stroke in chosen:
        ball = _ball_offsets(grid, stroke.radius_mm)
        centers = np.rint(grid.to_index(dense_points(stroke, float(grid.spacing.min()) * 0.7))).astype(int)[:, ::-1]
        index = (np.unique(centers, axis=0)[:, None] + ball[None]).reshape(-1, 3)
        index = index[np.all((index >= 0) & (index < size), axis=1)]
        mask[tuple(index.T)] = True
    return mask


def check_marks(image: Image, marks: Iterable[Mark], role: Role | None = None) -> None:
    """Refuse marks that cannot start an outline in this image.

    :param role: what the image is; None where unknown, then values below −800 mean a CT.
    :raises BadInput: a single slice; no mark inside; a mark outside of the image or, inside the tumor, in air.
    """
    marks = tuple(marks)
    strokes, boxes = strokes_of(marks), boxes_of(marks)
    check_strokes(image, strokes, role)
    for box in boxes:
        box.bounds_in(image.grid)
    if not boxes and not any(stroke.foreground for stroke in strokes):
        raise BadInput("Nothing marks the tumor's inside; click into it or draw a stroke through it first.")


def check_strokes(image: Image, strokes: Iterable[Stroke], role: Role | None = None) -> None:
    """Refuse strokes that mean nothing in this image. :raises BadInput: as `check_marks`."""
    if min(image.shape) < 2:
        raise BadInput(
            f"{image.name} has a single slice; a tumor's outline needs a volume, so choose a series of several slices."
        )
    floor = tissue_floor(image, role)
    for stroke in strokes:
        points = np.array(stroke.points, dtype=float)
        where = "The click" if len(points) == 1 else "The stroke"
        if not np.all(image.grid.contains(points)):
            raise BadInput(f"{where} lies outside of {image.name}; set it on what the image shows.")
        if stroke.foreground and np.median(_around(image, points)) < floor:
            raise BadInput(f"{where} lies in air in {image.name}; set it into the tumor.")


def tissue_floor(image: Image, role: Role | None) -> float:
    """Value below which there is no tissue: air and lung in CT, noise in MR, nothing in PET."""
    step = tuple(slice(None, None, max(1, n // 48)) for n in image.shape)
    values = np.nan_to_num(np.asarray(image.array[step], dtype=np.float32), posinf=0.0, neginf=0.0)
    if role is Role.CT or (role is None and float(values.min()) < -800):
        return AIR_HU
    if role is Role.PET:
        return -np.inf
    return NO_SIGNAL * float(np.percentile(values, 99.5))


def _around(image: Image, points: NDArray[np.float64]) -> NDArray[np.float32]:
    """Values round the points."""
    offsets = _ball_offsets(image.grid, _PROBE_MM)
    centers = np.rint(image.to_index(points)).astype(int)[:, ::-1]
    index = (centers[:, None] + offsets[None]).reshape(-1, 3)
    index = np.clip(index, 0, np.array(image.shape) - 1)
    return np.nan_to_num(image.array[tuple(index.T)].astype(np.float32), posinf=0.0, neginf=0.0)


def _ball_offsets(grid: Grid, radius_mm: float) -> NDArray[np.int64]:
    """Steps (k, j, i) to the voxels whose centers lie within a radius, the middle one always among them."""
    reach = np.floor(radius_mm * np.linalg.norm(grid.ras_to_ijk[:3, :3], axis=1) + 1e-9).astype(int)
    axes = [np.arange(-n, n + 1) for n in reach]
    ijk = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    near = np.linalg.norm(ijk @ grid.ijk_to_ras[:3, :3].T, axis=1) <= radius_mm
    near |= ~ijk.any(axis=1)
    return np.asarray(ijk[near][:, ::-1])


def distance_mm(mask: NDArray[np.bool_], grid: Grid) -> NDArray[np.float32]:
    """Distance of every voxel (k, j, i) from a mask, mm; infinite when the mask is empty."""
    if not mask.any():
        return np.full(mask.shape, np.inf, np.float32)
    spacing = tuple(float(value) for value in grid.spacing[::-1])
    return np.asarray(ndimage.distance_transform_edt(~mask, sampling=spacing), dtype=np.float32)
