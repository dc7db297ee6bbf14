"""Images and outlines carried through a field, both ways: from the moving to the fixed image and back.

Key functions: `image_onto_fixed`, `image_onto_moving`, `labels_onto_fixed`, `labels_onto_moving`; points go through
`Field.to_moving` and `Field.to_fixed`. Bones move exactly rigidly in all of these. `to_moving_transform` and
`to_fixed_transform` are the field's grid for ITK.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.errors import BadInput
from spinemet.image import LPS_RAS, Grid, Image, Region
from spinemet.labelmap import LabelMap
from spinemet.registration.bones import Voxels
from spinemet.registration.field import Displacements, Field
from spinemet.registration.motion import Array, RigidMotion

HALF = 0.5


def to_moving_transform(field: Field) -> Any:
    """sitk.CompositeTransform (LPS) from points of the fixed to points of the moving image.

    ITK and Slicer resample the moving image onto the fixed one by it.
    """
    # The last one added is applied first.
    result = sitk.CompositeTransform(3)
    result.AddTransform(linear_transform(field.spine))
    result.AddTransform(displacement_transform(field.displacements, field.grid))
    return result


def to_fixed_transform(field: Field) -> Any:
    """sitk.CompositeTransform (LPS) from points of the moving to points of the fixed image."""
    result = sitk.CompositeTransform(3)
    result.AddTransform(displacement_transform(field.backward, field.grid))
    result.AddTransform(linear_transform(field.spine.inverse))
    return result


def linear_transform(motion: RigidMotion) -> Any:
    """A motion as sitk.AffineTransform (LPS)."""
    matrix = LPS_RAS @ motion.matrix @ LPS_RAS
    result = sitk.AffineTransform(3)
    result.SetMatrix(matrix[:3, :3].ravel().tolist())
    result.SetTranslation(matrix[:3, 3].tolist())
    return result


def displacement_image(displacements: Displacements, grid: Grid) -> Any:
    """A vector field (RAS mm) as a SimpleITK image of float64 vectors in LPS."""
    flipped = displacements.astype(np.float64) * np.diag(LPS_RAS)[:3]
    like = Image(displacements[..., 0], grid.ijk_to_ras).to_sitk()
    result = sitk.GetImageFromArray(flipped, isVector=True)
    result.CopyInformation(like)
    return result


def displacement_transform(displacements: Displacements, grid: Grid) -> Any:
    """A vector field (RAS mm) as sitk.DisplacementFieldTransform (LPS)."""
    return sitk.DisplacementFieldTransform(displacement_image(displacements, grid))


def image_onto_fixed(field: Field, moving: Image, grid: Grid, *, nearest: bool = False, outside: float = 0.0) -> Image:
    """The moving image on a grid in the fixed image's space; `outside` where it does not reach."""
    return _resampled(moving, grid, _onto_fixed(field), nearest, outside)


def image_onto_moving(field: Field, fixed: Image, grid: Grid, *, nearest: bool = False, outside: float = 0.0) -> Image:
    """The fixed image on a grid in the moving image's space; `outside` where it does not reach."""
    return _resampled(fixed, grid, _onto_moving(field), nearest, outside)


def labels_onto_fixed(field: Field, labels: LabelMap, grid: Grid) -> LabelMap:
    """Outlines of the moving image (lesions drawn on an MR) on a grid in the fixed image's space.

    Every outline is carried by itself and cut at half a voxel's share, so that thick slices leave no steps; of
    outlines that overlap afterward the one with the greater share wins.
    """
    return _carried(labels, grid, _onto_fixed(field), field.to_fixed)


def labels_onto_moving(field: Field, labels: LabelMap, grid: Grid) -> LabelMap:
    """Outlines of the fixed image on a grid in the moving image's space; see `labels_onto_fixed`."""
    return _carried(labels, grid, _onto_moving(field), field.to_moving)


@dataclass(frozen=True, eq=False)
class _Way:
    """One way through a field: ITK's transform, and what in a grid lies in bones, with its own places."""

    transform: Any
    in_bones: Callable[[Grid], Iterable[tuple[Voxels, Array]]]


def _onto_fixed(field: Field) -> _Way:
    return _Way(to_moving_transform(field), field.bones.on_fixed if field.bones is not None else lambda _: ())


def _onto_moving(field: Field) -> _Way:
    return _Way(to_fixed_transform(field), field.bones.on_moving if field.bones is not None else lambda _: ())


def _resampled(image: Image, grid: Grid, way: _Way, nearest: bool, outside: float) -> Image:
    if grid.is_sheared:
        raise BadInput("The grid to resample onto is sheared (gantry tilt); resample onto a straight grid.")
    # Only the grid counts: a view of one voxel's value, repeated, holds its place without memory.
    place = Image(np.broadcast_to(np.zeros(1, np.uint8), grid.shape), grid.ijk_to_ras).to_sitk()
    how = sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear
    array = sitk.GetArrayFromImage(sitk.Resample(image.to_sitk(), place, way.transform, how, outside))
    array = array.astype(image.array.dtype, copy=False)
    for voxels, places in way.in_bones(grid):
        values = image.sample(places, order=0 if nearest else 1, outside=outside)
        array[voxels] = values if array.dtype.kind == "f" else np.rint(values)
    return replace(image, array=array, ijk_to_ras=grid.ijk_to_ras)


def _carried(labels: LabelMap, grid: Grid, way: _Way, forward: Callable[[Array], Array]) -> LabelMap:
    result = np.zeros(grid.shape, dtype=labels.image.array.dtype)
    best = np.full(grid.shape, HALF, dtype=np.float32)
    for value in labels.present:
        region = _target_region(labels, value, grid, forward)
        if region is None:
            continue
        share = _share(labels, value, grid.crop(region), way)
        wins = share >= best[region]
        result[region][wins] = value
        best[region][wins] = share[wins]
    return replace(labels, image=replace(labels.image, array=result, ijk_to_ras=grid.ijk_to_ras))


def _target_region(labels: LabelMap, value: int, grid: Grid, forward: Callable[[Array], Array]) -> Region | None:
    """The part of a grid that an outline can reach; None when it lies outside."""
    mask = labels.mask(value, 1)
    surface = np.argwhere(mask.array ^ ndimage.binary_erosion(mask.array))[:, ::-1]
    points = forward(mask.to_world(surface[:: max(1, len(surface) // 2000)]))
    try:
        return grid.region_around(points, 2 * float(max(labels.image.spacing.max(), grid.spacing.max())))
    except BadInput:
        return None


def _share(labels: LabelMap, value: int, grid: Grid, way: _Way) -> NDArray[np.float32]:
    """Share (0 to 1) of an outline at every voxel of a grid."""
    mask = labels.mask(value, 3)
    share = mask.array.astype(np.float32)
    # Larger target voxels see the mean of what they cover.
    wider = np.maximum(float(grid.spacing.min()) ** 2 - mask.spacing**2, 0)
    width = 0.3 * np.sqrt(wider) / mask.spacing
    if width.max() > 0.1:
        share = ndimage.gaussian_filter(share, width[::-1], mode="constant")
    return np.asarray(_resampled(mask.with_array(share), grid, way, False, 0.0).array)
