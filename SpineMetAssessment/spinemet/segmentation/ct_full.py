"""Vertebrae at the CT's own resolution: the coarse shares, with their edges where the CT's own voxels put them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.image import Grid, Image, Region
from spinemet.progress import Progress, silent
from spinemet.segmentation.ct_body import BodySurface
from spinemet.segmentation.ct_work import bone_hu

CORTEX_SPACING_MM, CORTEX_SHARE = (1.0, 1.5), (0.53, 0.36)
"""Finest spacings, and the share of the brightness of the cortex beside it that a voxel needs to lie within bone.

The edge lies at half of what the cortex stands out by; voxels as wide as the cortex dilute what it stands out by.
"""
CLEAR_HU = 250.0
"""Cortex at least this bright shows where a body ends; elsewhere, as in a lytic hole, the fitted surface stands."""
RIM_MM = 1.2
"""How far a body's edge may lie from the fitted surface; wider voxels show it no better than the surface does."""
CORTEX_MM = 1.5
"""How near the cortex beside a voxel is."""
EDGE_MM = 2.2
"""How far from its coarse share a vertebra's edge may lie."""
SMOOTH_MM = 0.5
HOLE_MM2 = 90.0
"""Holes up to this size within an axial slice are marrow; the canal is larger."""
CRUMB_MM3 = 120.0
"""Separate pieces smaller than this are noise."""


def at_full_resolution(
    image: Image,
    shares: Image,
    rivals: NDArray[np.bool_],
    bodies: Mapping[int, BodySurface],
    progress: Progress | None = None,
) -> NDArray[np.uint8]:
    """Labels on the grid of `image`.

    :param shares: the coarse labels; 0 elsewhere.
    :param rivals: (k, j, i) on the coarse grid, voxels of vertebrae that are not wanted.
    :param bodies: the surface of each label's body.
    """
    report = progress or silent
    result = np.zeros(image.shape, np.uint8)
    taken = np.where(rivals, 255, shares.array).astype(np.uint8)
    for body in bodies.values():
        # Bone beside a body belongs to no arch.
        region, solid = body.mask(shares.grid, 1.0)
        taken[region][solid] = 0
    nearest, away = _nearest(taken, shares.spacing[0])
    owners = shares.with_array(np.where(away <= EDGE_MM, nearest, 0).astype(np.uint8))
    solids = {value: _body(image, body) for value, body in bodies.items()}
    in_bodies = np.zeros(image.shape, bool)
    for region, solid in solids.values():
        in_bodies[region] |= solid
    for count, value in enumerate(bodies):
        report(count / len(bodies), "drawing the edges")
        region = _region(image, shares, value, solids[value][0])
        crop = image.crop(region)
        bone = _bone(_smooth(crop), crop.spacing)
        owner = owners.resample(crop.grid, nearest=True).array
        mask = bone & (owner == value) & ~in_bodies[region]
        mask |= _within(solids[value], region, crop.grid)
        mask = _filled(mask, crop.grid) & (owner != 255) | mask
        mask = _without_crumbs(mask, crop.voxel_volume)
        result[region][mask & (result[region] == 0)] = value
    return result


def _body(image: Image, body: BodySurface) -> tuple[Region, NDArray[np.bool_]]:
    """The body with its edge where the cortex ends, near the fitted surface: its region in the image, and its mask."""
    region, depth = body.depth_on(image.grid)
    fitted, outer = depth < 0, depth < RIM_MM
    if float(image.spacing.min()) > RIM_MM:
        return region, fitted
    crop = image.crop(region)
    hu = _smooth(crop)
    cortex = _cortex(hu, crop.spacing)
    clear = (np.abs(depth) < RIM_MM) & (cortex >= CLEAR_HU)
    bright = hu >= _share(crop.spacing) * cortex
    # Marrow behind the cortex is as dark as what lies outside, but not joined to it.
    beyond = ~outer
    outside = ndimage.binary_propagation(beyond, mask=beyond | (clear & ~bright))
    return region, (fitted | (clear & bright)) & ~outside


def _nearest(labels: NDArray[np.uint8], spacing: float) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The nearest label of each voxel and how far it is, mm."""
    away, index = ndimage.distance_transform_edt(labels == 0, sampling=spacing, return_indices=True)
    return labels[tuple(index)], away


def _region(image: Image, shares: Image, value: int, body: Region) -> Region:
    """Where in the image the vertebra lies, with a margin."""
    corners = image.grid.crop(body).corners
    found = ndimage.find_objects((shares.array == value).view(np.uint8))
    if found:
        corners = np.concatenate([corners, shares.grid.crop(found[0]).corners])
    return image.grid.region_around(corners, 4.0)


def _bone(hu: NDArray[np.float32], spacing: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Bone of the arches; where soft tissue begins, a voxel must have its share of the cortex beside it."""
    bone = hu > bone_hu(spacing)
    cortex, share = _cortex(hu, spacing), _share(spacing)
    outer = bone & ~ndimage.binary_erosion(bone, border_value=1)
    return np.asarray(bone & ~(outer & (hu < share * cortex)))


def _cortex(hu: NDArray[np.float32], spacing: NDArray[np.float64]) -> NDArray[np.float32]:
    """Brightness of the cortex beside each voxel."""
    size = tuple(int(n) for n in 2 * np.maximum(1, np.rint(CORTEX_MM / spacing[::-1])) + 1)
    return np.asarray(ndimage.maximum_filter(ndimage.gaussian_filter(hu, 0.6), size))


def _share(spacing: NDArray[np.float64]) -> float:
    return float(np.interp(float(spacing.min()), CORTEX_SPACING_MM, CORTEX_SHARE))


def _smooth(crop: Image) -> NDArray[np.float32]:
    sigma = np.where(crop.spacing[::-1] < 1.2, SMOOTH_MM / crop.spacing[::-1], 0.0)
    return np.asarray(ndimage.gaussian_filter(crop.array.astype(np.float32), sigma))


def _within(solid: tuple[Region, NDArray[np.bool_]], region: Region, grid: Grid) -> NDArray[np.bool_]:
    """A mask on one region as a mask on another."""
    own, mask = solid
    result = np.zeros(grid.shape, bool)
    here, there = [], []
    for a, b in zip(own, region, strict=True):
        low, high = max(a.start, b.start), min(a.stop, b.stop)
        if high <= low:
            return result
        here.append(slice(low - a.start, high - a.start))
        there.append(slice(low - b.start, high - b.start))
    result[tuple(there)] = mask[tuple(here)]
    return result


def _filled(mask: NDArray[np.bool_], grid: Grid) -> NDArray[np.bool_]:
    """The mask with small holes filled in the slices that are nearest to axial."""
    axis = 2 - int(np.argmax(np.abs(grid.directions[2])))
    plane = ndimage.generate_binary_structure(3, 1)
    plane[tuple(slice(None, None, 2) if n == axis else slice(None) for n in range(3))] = False
    holes, count = ndimage.label(~mask, plane)
    pixel = grid.voxel_volume / grid.spacing[2 - axis]
    small = np.bincount(holes.ravel(), minlength=count + 1) * pixel <= HOLE_MM2
    small[0] = False
    return mask | small[holes]


def _without_crumbs(mask: NDArray[np.bool_], voxel_mm3: float) -> NDArray[np.bool_]:
    pieces, count = ndimage.label(mask)
    if count <= 1:
        return mask
    sizes = np.bincount(pieces.ravel())
    keep = sizes * voxel_mm3 >= CRUMB_MM3
    keep[0] = False
    keep[1 + int(np.argmax(sizes[1:]))] = True
    return np.asarray(keep[pieces])
