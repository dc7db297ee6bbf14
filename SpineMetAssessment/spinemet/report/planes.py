"""Planes to look at: where the pixels of a picture lie in the patient, flat or bent along the spine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spinemet.anatomy.frame import VertebraFrame
from spinemet.image import Image


@dataclass(frozen=True, eq=False)
class Plane:
    """A picture's pixels in RAS millimeters.

    :param center: middle of the picture, RAS.
    :param across: unit vector from left to right on the picture.
    :param down: unit vector from top to bottom, perpendicular to `across`.
    :param shape: (rows, columns).
    :param pixel: size of a pixel in mm.
    :param depth: shift of every row along the normal in mm; None for a flat plane.
    """

    center: NDArray[np.float64]
    across: NDArray[np.float64]
    down: NDArray[np.float64]
    shape: tuple[int, int]
    pixel: float
    depth: NDArray[np.float64] | None = None

    @cached_property
    def normal(self) -> NDArray[np.float64]:
        return np.asarray(np.cross(self.across, self.down))

    @property
    def width(self) -> float:
        """Width of the picture in mm."""
        return self.shape[1] * self.pixel

    @property
    def height(self) -> float:
        """Height of the picture in mm."""
        return self.shape[0] * self.pixel

    def points(self, rows: slice = slice(None), columns: slice = slice(None)) -> NDArray[np.float64]:
        """RAS positions (rows, columns, 3) of the pixels' centers."""
        row = np.arange(self.shape[0])[rows]
        column = np.arange(self.shape[1])[columns]
        x = (column - (self.shape[1] - 1) / 2) * self.pixel
        y = (row - (self.shape[0] - 1) / 2) * self.pixel
        line = self.center + y[:, None] * self.down
        if self.depth is not None:
            line = line + self.depth[row, None] * self.normal
        return np.asarray(line[:, None] + x[None, :, None] * self.across)

    def project(self, ras: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Pixel positions (…, 2) as (column, row) of RAS points (…, 3), and their distance from the plane in mm."""
        offset = np.asarray(ras, dtype=float) - self.center
        column = offset @ self.across / self.pixel + (self.shape[1] - 1) / 2
        row = offset @ self.down / self.pixel + (self.shape[0] - 1) / 2
        distance = offset @ self.normal
        if self.depth is not None:
            distance = distance - np.interp(row, np.arange(self.shape[0]), self.depth)
        return np.stack([column, row], axis=-1), np.asarray(distance)

    def sample_mask(self, mask: Image) -> tuple[NDArray[np.float32], tuple[int, int]]:
        """The share (0 to 1) of a boolean image on the pixels that its box can reach, and their first (row, column).

        An empty array when the picture does not reach the mask.
        """
        pixels, _ = self.project(mask.grid.corners)
        low = np.maximum(np.floor(pixels.min(axis=0)).astype(int), 0)
        high = np.minimum(np.ceil(pixels.max(axis=0)).astype(int) + 1, self.shape[::-1])
        if np.any(high <= low):
            return np.zeros((0, 0), dtype=np.float32), (0, 0)
        points = self.points(slice(low[1], high[1]), slice(low[0], high[0]))
        return mask.sample(points, order=1, outside=0.0), (int(low[1]), int(low[0]))

    def tilt(self) -> float:
        """Angle in degrees between the plane and the nearest of the patient's axial, coronal and sagittal planes."""
        return float(np.degrees(np.arccos(min(1.0, float(np.abs(self.normal).max())))))


def fitted(
    center: ArrayLike, across: ArrayLike, down: ArrayLike, *, width: float, height: float, pixel: float
) -> Plane:
    """A flat plane of `width` × `height` mm around `center`."""
    rows, columns = (max(2, round(size / pixel)) for size in (height, width))
    return Plane(np.asarray(center, float), np.asarray(across, float), np.asarray(down, float), (rows, columns), pixel)


def axial(frame: VertebraFrame, superior: float, box: NDArray[np.float64], *, margin: float, pixel: float) -> Plane:
    """The axial plane of a vertebra, `superior` mm above its origin, seen from below: right on the viewer's left.

    :param box: (2, 3) lowest and highest (right, anterior, superior) in mm that the picture must show.
    """
    middle = box.mean(axis=0)
    size = box[1] - box[0] + 2 * margin
    side = max(float(size[0]), float(size[1]))
    center = frame.to_ras([middle[0], middle[1], superior])
    axes = frame.axes
    return fitted(center, -axes[0], -axes[1], width=side, height=side, pixel=pixel)


def sagittal(frame: VertebraFrame, right: float, box: NDArray[np.float64], *, margin: float, pixel: float) -> Plane:
    """The sagittal plane of a vertebra, `right` mm to the right of its origin: anterior on the viewer's left."""
    middle = box.mean(axis=0)
    size = box[1] - box[0] + 2 * margin
    side = max(float(size[1]), float(size[2]))
    center = frame.to_ras([right, middle[1], middle[2]])
    axes = frame.axes
    return fitted(center, -axes[1], -axes[2], width=side, height=side, pixel=pixel)


def along_spine(
    frame: VertebraFrame, centers: NDArray[np.float64], box: NDArray[np.float64], *, pixel: float
) -> Plane:
    """The sagittal surface that follows the bodies' centers from side to side.

    Its rows are straight lines from front to back and its columns keep their height, so that lordosis and kyphosis
    stay as they are; only the lateral curve is taken out.

    :param frame: axes of the whole spine.
    :param centers: (n, 3) centers of the bodies, RAS.
    :param box: (2, 3) lowest and highest (right, anterior, superior) in mm that the picture must show.
    """
    middle, size = box.mean(axis=0), box[1] - box[0]
    local = frame.to_local(centers)
    local = local[np.argsort(local[:, 2])]
    right = float(local[:, 0].mean())
    center = frame.to_ras([right, middle[1], middle[2]])
    axes = frame.axes
    flat = fitted(center, -axes[1], -axes[2], width=float(size[1]), height=float(size[2]), pixel=pixel)
    superior = middle[2] - (np.arange(flat.shape[0]) - (flat.shape[0] - 1) / 2) * pixel
    side = np.interp(superior, local[:, 2], local[:, 0] - right)
    depth = side * float(axes[0] @ flat.normal)
    return Plane(flat.center, flat.across, flat.down, flat.shape, pixel, depth)
