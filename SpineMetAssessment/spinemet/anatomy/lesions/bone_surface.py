"""The outer surface of a mask as small pieces with place, outward normal and area.

A staircase of voxel faces is too large an area. Each face here counts with the cosine between its own normal and
the smooth one: summed over the three directions of faces this gives the true area, on any grid, oblique,
anisotropic or sheared (the lines of a lattice cut a surface in proportion to these cosines).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.anatomy.kept import kept
from spinemet.image import Image

SMOOTHED_MM = 1.3
"""Sigma of the Gaussian from whose gradient the normals come; at least `SMOOTHED_VOXELS` along each axis."""
SMOOTHED_VOXELS = 1.0


@dataclass(frozen=True, eq=False)
class BoneSurface:
    """Pieces of a surface.

    :param points: (n, 3) RAS centers.
    :param normals: (n, 3) unit RAS vectors, outward.
    :param areas: (n,) mm².
    :param voxels: (n, 3) the voxel (k, j, i) inside the mask that each piece bounds.
    """

    points: NDArray[np.float64]
    normals: NDArray[np.float64]
    areas: NDArray[np.float64]
    voxels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.points)


@kept
def bone_surface(mask: Image) -> BoneSurface:
    """The surface of a boolean image; where the mask meets the image's edge it is cut, and has no surface."""
    sigma = np.maximum(SMOOTHED_MM / mask.spacing[::-1], SMOOTHED_VOXELS)
    smooth = ndimage.gaussian_filter(mask.array.astype(np.float32), sigma, mode="nearest")
    pieces = [_faces(mask, smooth, axis) for axis in range(3)]
    points, normals, areas, voxels = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    return BoneSurface(points, normals, areas, voxels)


def _faces(
    mask: Image, smooth: NDArray[np.float32], axis: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """The faces between neighbors along one array axis."""
    difference = np.diff(mask.array.view(np.int8), axis=axis)
    first = np.argwhere(difference)
    outward = -difference[tuple(first.T)].astype(float)
    second = first.copy()
    second[:, axis] += 1
    middle = (first + second) / 2
    matrix = mask.ijk_to_ras[:3, :3]
    normals = -_gradient(smooth, middle) @ np.linalg.inv(matrix)
    face = np.cross(matrix[:, (3 - axis) % 3], matrix[:, (4 - axis) % 3])
    face = face * np.sign(face @ matrix[:, 2 - axis])
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    # Inside a slit the smoothed mask may be flat; the face's own normal serves there.
    flat = length[:, 0] < 1e-6
    normals = np.where(flat[:, None], outward[:, None] * face, normals)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    areas = np.maximum(normals @ face * outward, 0.0)
    inside = np.where(outward[:, None] > 0, first, second)
    return mask.to_world(middle[:, ::-1]), normals, areas, inside


def _gradient(smooth: NDArray[np.float32], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Central differences at fractional (k, j, i), as (n, 3) along i, j, k."""
    result = np.empty((len(places), 3))
    for column, axis in enumerate((2, 1, 0)):
        step = np.zeros(3)
        step[axis] = 0.5
        ahead, behind = (
            ndimage.map_coordinates(smooth, (places + sign * step).T, order=1, mode="nearest") for sign in (1, -1)
        )
        result[:, column] = ahead - behind
    return result
