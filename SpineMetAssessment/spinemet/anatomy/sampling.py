"""Sampling of a mask along a vertebra's own axes, and crops that belong together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from spinemet.anatomy.frame import VertebraFrame
from spinemet.errors import GridMismatch
from spinemet.image import Grid, Image, Region

SOFT_MM = 0.8
"""Standard deviation of the blur that takes a mask's steps off [D]; flat surfaces stay where they are."""
INSIDE = 0.5
"""Level of the linearly interpolated mask at which its surface lies."""


@dataclass(frozen=True, eq=False)
class LocalSamples:
    """A mask sampled on a box along the axes of a frame.

    :param values: (right, anterior, superior), 0 outside to 1 inside.
    :param lower: local position (mm) of the first sample.
    :param step: distance (mm) of samples along right, anterior and superior.
    """

    values: NDArray[np.float32]
    lower: NDArray[np.float64]
    step: NDArray[np.float64]

    def axis(self, number: int) -> NDArray[np.float64]:
        """Local positions (mm) along right (0), anterior (1) or superior (2)."""
        return np.asarray(self.lower[number] + self.step[number] * np.arange(self.values.shape[number]))


BEYOND_BONE_MM = 4.0
"""Farther than this from the outline neither the mask nor its blur is above 0, on grids finer than this."""


def sample_box(
    mask: Image,
    frame: VertebraFrame,
    lower: ArrayLike,
    upper: ArrayLike,
    step: ArrayLike,
    ends: NDArray[np.float64] | None = None,
) -> LocalSamples:
    """Linear interpolation of a mask on a box given in the frame's millimeters; 0 outside the image.

    :param mask: boolean, or its shares of bone from `softened`.
    :param ends: from `row_ends` of the outline: the box is cut to where bone is and to the frame's origin, its samples
        stay in place.
    """
    low, high = np.asarray(lower, dtype=float), np.asarray(upper, dtype=float)
    pitch = np.broadcast_to(np.asarray(step, dtype=float), (3,))
    if ends is not None:
        local = frame.to_local(ends)
        room = max(BEYOND_BONE_MM, 2 * float(mask.spacing.max())) + 2 * pitch
        low = low + pitch * np.maximum(0, np.floor((np.minimum(local.min(axis=0), 0.0) - room - low) / pitch))
        high = np.minimum(high, np.maximum(local.max(axis=0), 0.0) + room)
    count = np.maximum(2, np.floor((high - low) / pitch).astype(int) + 1)
    # Everything happens between indices, so that sheared grids need no special case. The output's fastest axis is
    # superior: columns, which are looked at most, lie together in memory.
    to_ijk = (mask.grid.ras_to_ijk[:3, :3] @ frame.axes.T) * pitch
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(to_ijk[:, ::-1].ravel().tolist())
    transform.SetTranslation(mask.to_index(frame.to_ras(low)).tolist())
    image = sitk.GetImageFromArray(mask.array.view(np.uint8) if mask.array.dtype == bool else mask.array)
    size = [int(n) for n in count[::-1]]
    sampled = sitk.Resample(
        image,
        size,
        transform,
        sitk.sitkLinear,
        (0.0,) * 3,
        (1.0,) * 3,
        np.eye(3).ravel().tolist(),
        0.0,
        sitk.sitkFloat32,
    )
    values = sitk.GetArrayFromImage(sampled)
    return LocalSamples(values, low, pitch)


def softened(mask: Image) -> Image:
    """A boolean mask as shares of bone (float32) without the steps of its voxels, so that its surface lies at 0.5.

    Blurred by a Gaussian of `SOFT_MM` in the world: the same on every grid that shows the surface.
    """
    sigma = SOFT_MM / mask.spacing[::-1]
    return mask.with_array(ndimage.gaussian_filter(mask.array.astype(np.float32), sigma, mode="nearest", truncate=2.5))


def voxel_centers(mask: Image, *, at_most: int = 20_000) -> NDArray[np.float64]:
    """RAS positions (n, 3) of the voxels of a mask, thinned evenly to about `at_most`.

    The same voxels whichever way the image's axes run: they are counted outward from the middle of the mask's box.
    """
    flat = np.flatnonzero(mask.array)
    step = max(1, flat.size // at_most)
    index = np.stack(np.unravel_index(flat, mask.array.shape))
    if step > 1:
        ends = index.min(axis=1) + index.max(axis=1)
        outward = np.abs(2 * index - ends[:, None]).sum(axis=0) // 2
        index = index[:, outward % step == 0]
    return mask.to_world(index[::-1].T)


def row_ends(mask: Image) -> NDArray[np.float64]:
    """RAS positions (n, 3) of the first and last voxel of every row of a mask: they reach as far as all of it does."""
    rows = np.flatnonzero(mask.array.any(axis=2))
    lines = mask.array.reshape(-1, mask.shape[2])[rows]
    first, last = lines.argmax(axis=1), lines.shape[1] - 1 - lines[:, ::-1].argmax(axis=1)
    k, j = np.divmod(np.tile(rows, 2), mask.shape[1])
    return mask.to_world(np.stack([np.concatenate([first, last]), j, k], axis=-1))


def local_coordinates(grid: Grid, frame: VertebraFrame) -> tuple[NDArray[np.float32], ...]:
    """Right, anterior and superior coordinates (mm) of every voxel, each an array (k, j, i)."""
    k, j, i = (np.arange(n, dtype=np.float32) for n in grid.shape)
    matrix = (frame.axes @ grid.ijk_to_ras[:3, :3]).astype(np.float32)
    offset = frame.to_local(grid.ijk_to_ras[:3, 3]).astype(np.float32)
    return tuple(
        (offset[n] + matrix[n, 2] * k)[:, None, None] + (matrix[n, 1] * j)[:, None] + matrix[n, 0] * i
        for n in range(3)
    )


def region_of(part: Grid, whole: Grid) -> Region:
    """Where `part`, a crop of `whole`, lies in it; clipped where it reaches beyond.

    :raises GridMismatch: the voxels of both do not coincide within a tenth of a voxel.
    """
    start = whole.to_index(part.to_world(np.zeros(3)))
    end = whole.to_index(part.to_world(np.array(part.shape[::-1]) - 1.0))
    first, last = np.rint(start).astype(int), np.rint(end).astype(int)
    fits = np.abs(start - first).max() < 0.1 and np.abs(end - last).max() < 0.1
    if not fits or np.any(last - first != np.array(part.shape[::-1]) - 1):
        raise GridMismatch("Two images that must share a voxel grid do not; resample one onto the other's grid.")
    k, j, i = (slice(int(a), int(b) + 1) for a, b in zip(first[::-1], last[::-1], strict=True))
    return (k, j, i)


def crop_like(image: Image, part: Grid) -> Image:
    """The crop of `image` that covers `part` voxel by voxel.

    :raises GridMismatch: the image's voxels do not coincide with those of `part`, or do not cover it.
    """
    region = region_of(part, image.grid)
    if any(s.start < 0 or s.stop > n for s, n in zip(region, image.shape, strict=True)):
        raise GridMismatch(f"{image.name} does not cover the outlined vertebra; use images of one field of view.")
    return image.crop(region)


def largest_piece(array: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest 26-connected component of a boolean array, with its enclosed holes filled."""
    labels, count = ndimage.label(array, structure=np.ones((3, 3, 3), dtype=bool))
    if count > 1:
        array = labels == (np.argmax(np.bincount(labels.ravel())[1:]) + 1)
    return fill_enclosed(np.asarray(array))


def fill_enclosed(array: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Background that does not reach the array's border becomes foreground."""
    labels, count = ndimage.label(~array)
    if count <= 1:
        return array
    faces = [
        labels[edge] for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1], np.s_[:, :, 0], np.s_[:, :, -1])
    ]
    open_air = np.zeros(count + 1, dtype=bool)
    for face in faces:
        open_air[np.unique(face)] = True
    open_air[0] = True
    return array | ~open_air[labels]
