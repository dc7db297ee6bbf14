"""Landmarks on a radiograph: the corners of a vertebral body as pixels, and their errors carried into measures.

In a lateral view the first point of a plate is its anterior end and the second its posterior; in a frontal view the
first is toward the patient's right and the second toward the left. Which way the picture hangs does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinemet.levels import Level
from spinemet.radiograph import Pixel, PixelScale

LANDMARK_SD_SHARE = 0.015
"""Standard deviation of a landmark set by hand, as a share of the endplate's length [D]: 0.5 mm on 35 mm."""
SMALLEST_LANDMARK_SD = 0.5
"""Standard deviation of a landmark in pixels that no one falls below [D]."""
TWO_SIDED_95 = 1.96
"""Standard deviations within which 95 % of normal errors lie."""

Plate = tuple[Pixel, Pixel]
"""Both ends of an endplate: anterior and posterior in a lateral view, right and left in a frontal one."""
Points = NDArray[np.float64]


@dataclass(frozen=True)
class BodyLandmarks:
    """The corners of one vertebral body: four points, or six with the middles of both plates.

    :param superior: both ends of the superior endplate; None when it is not seen.
    :param inferior: both ends of the inferior endplate; None for the sacrum.
    :param superior_middle: the deepest point in the middle of the superior endplate.
    :param inferior_middle: the same of the inferior endplate.
    """

    level: Level
    superior: Plate | None
    inferior: Plate | None = None
    superior_middle: Pixel | None = None
    inferior_middle: Pixel | None = None

    def __post_init__(self) -> None:
        if self.superior is None and self.inferior is None:
            raise ValueError(f"{self.level} has neither endplate")
        if not all(np.all(np.isfinite(plate)) and plate[0] != plate[1] for plate in self.plates):
            raise ValueError(f"the ends of an endplate of {self.level} are not two different pixels")

    @property
    def plates(self) -> tuple[Plate, ...]:
        return tuple(plate for plate in (self.superior, self.inferior) if plate is not None)

    def plate_length(self, scale: PixelScale) -> float:
        """Mean length of the endplates in the scale's undistorted plane."""
        ends = [scale.to_plane(plate) for plate in self.plates]
        return float(np.mean([np.linalg.norm(first - second) for first, second in ends]))


def landmark_sd(bodies: Sequence[BodyLandmarks], scale: PixelScale, sd_pixels: float | None = None) -> float:
    """Standard deviation of a landmark in the scale's undistorted plane.

    :param sd_pixels: what is known of the reader's precision, in pixels; by default a share of the plates' length.
    """
    pixel = float(np.mean(scale.to_plane((1.0, 1.0))))
    if sd_pixels is not None:
        return sd_pixels * pixel
    length = float(np.mean([body.plate_length(scale) for body in bodies]))
    return max(LANDMARK_SD_SHARE * length, SMALLEST_LANDMARK_SD * pixel)


def propagated(measure: Callable[[Points], float], points: Points, sd: float | Sequence[float]) -> float:
    """95 % half-width of `measure(points)` when every coordinate of the points (n, 2) has its own error.

    First order: the derivative by each coordinate, from central differences as wide as the error itself.

    :param sd: standard deviation of all points, or of each.
    """
    deviations = np.broadcast_to(np.asarray(sd, dtype=float), (len(points),))
    total = 0.0
    for n, deviation in enumerate(deviations):
        for axis in range(2):
            moved = points.copy()
            moved[n, axis] += deviation
            ahead = measure(moved)
            moved[n, axis] -= 2 * deviation
            total += ((ahead - measure(moved)) / 2) ** 2
    return TWO_SIDED_95 * float(np.sqrt(total))
