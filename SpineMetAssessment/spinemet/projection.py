"""Projection: where an X-ray beam comes from and where its detector stands, so that 3-D points find their pixels.

All positions are RAS millimeters. A pixel is (x, y): columns to the right, rows downward, (0, 0) the first's center.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spinemet.errors import BadInput

RIGHT, ANTERIOR, SUPERIOR = np.eye(3)
LARGEST_DETECTOR = 8192
"""Rows or columns beyond which a detector is a mistake in the spacing (ours)."""


@dataclass(frozen=True, eq=False)
class Projection:
    """A parallel or a cone beam and its flat detector.

    :param shape: rows and columns of the detector.
    :param origin: RAS of the center of pixel (0, 0).
    :param column_step: RAS vector from one column to the next, mm.
    :param row_step: RAS vector from one row to the next, mm.
    :param direction: unit vector of a parallel beam, or from the source to the detector, perpendicular to it.
    :param source: RAS of the focal spot; None for a parallel beam.
    """

    shape: tuple[int, int]
    origin: NDArray[np.float64]
    column_step: NDArray[np.float64]
    row_step: NDArray[np.float64]
    direction: NDArray[np.float64]
    source: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        if abs(np.linalg.det(self._axes)) < 1e-9 * np.prod(np.linalg.norm(self._axes, axis=1)):
            raise BadInput("The beam runs along its detector; choose a direction that meets it.")

    @cached_property
    def _axes(self) -> NDArray[np.float64]:
        return np.array([self.column_step, self.row_step, self.direction], dtype=float)

    @cached_property
    def spacing_mm(self) -> tuple[float, float]:
        """Distance between rows and between columns at the detector, mm."""
        return float(np.linalg.norm(self.row_step)), float(np.linalg.norm(self.column_step))

    @cached_property
    def source_to_detector_mm(self) -> float:
        """Distance from the source to the detector along the beam's direction; infinite for a parallel beam."""
        if self.source is None:
            return float("inf")
        return float(np.linalg.solve(self._axes.T, self.origin - self.source)[2])

    def magnification(self, ras: ArrayLike) -> NDArray[np.float64]:
        """How much larger than life things at RAS points (…, 3) appear at the detector; 1 for a parallel beam."""
        points = np.asarray(ras, dtype=float)
        if self.source is None:
            return np.ones(points.shape[:-1])
        depth = np.linalg.solve(self._axes.T, (points - self.source).reshape(-1, 3).T)[2]
        return np.asarray(self.source_to_detector_mm / depth.reshape(points.shape[:-1]))

    def project(self, ras: ArrayLike) -> NDArray[np.float64]:
        """Pixels (…, 2) at which RAS points (…, 3) appear; NaN for what lies beside or behind the source."""
        points = np.asarray(ras, dtype=float)
        if self.source is None:
            local = np.linalg.solve(self._axes.T, (points - self.origin).reshape(-1, 3).T)
            return np.asarray(local[:2].T.reshape(*points.shape[:-1], 2))
        x, y, depth = np.linalg.solve(self._axes.T, (points - self.source).reshape(-1, 3).T)
        foot = np.linalg.solve(self._axes.T, self.origin - self.source)
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = np.where(depth > 0, foot[2] / depth, np.nan)
        local = np.stack([x * scale - foot[0], y * scale - foot[1]], axis=-1)
        return np.asarray(local.reshape(*points.shape[:-1], 2))

    def to_world(self, pixels: ArrayLike) -> NDArray[np.float64]:
        """RAS positions (…, 3) on the detector of pixels (…, 2)."""
        points = np.asarray(pixels, dtype=float)
        return np.asarray(self.origin + points @ self._axes[:2])


def project_onto(
    points: ArrayLike,
    direction: ArrayLike,
    columns_toward: ArrayLike,
    *,
    spacing_mm: float = 0.5,
    margin_mm: float = 10.0,
    source_to_detector_mm: float | None = None,
    source_to_center_mm: float | None = None,
    center: ArrayLike | None = None,
) -> Projection:
    """A projection whose detector just holds all `points`, perpendicular to the beam.

    :param points: RAS (n, 3) to be seen, such as the corners of an image or the landmarks of a few vertebrae.
    :param direction: of the beam, RAS.
    :param columns_toward: RAS direction in which the columns of the picture count; made perpendicular to the beam.
        Rows count toward the feet.
    :param spacing_mm: distance of the pixels at the detector.
    :param margin_mm: added on all sides, at the detector.
    :param source_to_detector_mm: focal distance of a cone beam; None for a parallel beam.
    :param source_to_center_mm: distance from the source to `center`; the magnification there is their ratio.
    :param center: RAS of the point that the central ray passes; the middle of `points` unless given.
    :raises BadInput: distances that cannot be, or a spacing that makes the detector huge.
    """
    seen = np.asarray(points, dtype=float).reshape(-1, 3)
    middle = (seen.min(axis=0) + seen.max(axis=0)) / 2 if center is None else np.asarray(center, dtype=float)
    beam = _unit(direction)
    right = np.asarray(columns_toward, dtype=float)
    right = _unit(right - beam * (right @ beam))
    down = np.cross(beam, right)
    # Both senses of the cross product are perpendicular; rows count toward the feet (of an axial view, the back).
    if down @ SUPERIOR > 1e-9 or (abs(down @ SUPERIOR) <= 1e-9 and down @ ANTERIOR > 0):
        down = -down
    source = None
    foot = middle
    if source_to_detector_mm is not None:
        if source_to_center_mm is None or not 0 < source_to_center_mm <= source_to_detector_mm:
            raise BadInput("A cone beam needs a distance from the source to the patient shorter than to the detector.")
        source = middle - beam * source_to_center_mm
        foot = source + beam * source_to_detector_mm
    plane = Projection((1, 1), foot, right * spacing_mm, down * spacing_mm, beam, source)
    pixels = plane.project(seen)
    if not np.all(np.isfinite(pixels)):
        raise BadInput("A part of the patient lies behind the X-ray source; give a longer distance to the source.")
    low = np.floor(pixels.min(axis=0) - margin_mm / spacing_mm)
    columns, rows = (np.ceil(pixels.max(axis=0) + margin_mm / spacing_mm) - low + 1).astype(int)
    if max(rows, columns) > LARGEST_DETECTOR:
        raise BadInput(f"The detector would have {rows} × {columns} pixels; choose a coarser spacing.")
    return Projection((int(rows), int(columns)), plane.to_world(low), plane.column_step, plane.row_step, beam, source)


def lateral(points: ArrayLike, **options: float | ArrayLike | None) -> Projection:
    """A lateral view from the patient's left to the right, the patient looking to the picture's left.

    :param options: those of `project_onto`.
    """
    return project_onto(points, RIGHT, -ANTERIOR, **options)  # type: ignore[arg-type]


def frontal(points: ArrayLike, **options: float | ArrayLike | None) -> Projection:
    """An AP view, the patient's right at the picture's left.

    :param options: those of `project_onto`.
    """
    return project_onto(points, -ANTERIOR, -RIGHT, **options)  # type: ignore[arg-type]


def _unit(vector: ArrayLike | Sequence[float]) -> NDArray[np.float64]:
    values = np.asarray(vector, dtype=float)
    length = float(np.linalg.norm(values))
    if not np.isfinite(length) or length < 1e-9:
        raise BadInput("The beam and the columns of the detector need two different directions.")
    return values / length
