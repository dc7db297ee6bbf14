"""Planting a lesion into any CT, real or synthetic."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from spinemet.errors import BadInput
from spinemet.image import Grid, Image
from spinemet.phantom.lesion import LUMP_MM, MIXED_LYTIC_SHARE, Waves
from spinemet.phantom.solids import Array, occupancy
from spinemet.phantom.spec import KINDS

LYTIC_HU = 50.0
BLASTIC_GAIN_HU = (400.0, 800.0)
"""How much sclerosis adds to the bone it replaces, from its rim to its densest grain."""

_MARGIN_MM = 6.0


def plant(
    ct: Image,
    bone: Image,
    *,
    kind: str,
    center_ras: ArrayLike,
    radii_mm: ArrayLike,
    axes: ArrayLike | None = None,
    seed: int = 0,
) -> tuple[Image, Image]:
    """A CT with a lesion planted into its bone, and the lesion's mask; the input stays as it is.

    The lesion is a mildly irregular ellipsoid within `bone`. Lytic tissue has the HU of soft tissue with the CT's own
    noise; sclerosis adds 400 to 800 HU; a mixed lesion has both in lumps, 62 % of it lytic. Its edge toward the marrow
    is as soft as the CT; voxels outside the bone never change.

    :param ct: HU, any grid and number type; the result has the same.
    :param bone: boolean mask on the CT's grid: the bone that the lesion may fill (one vertebra, or its body).
    :param kind: "lytic", "blastic" or "mixed".
    :param center_ras: center of the ellipsoid, RAS mm.
    :param radii_mm: three radii along the axes, mm.
    :param axes: 3×3, rows are the unit RAS directions of the radii; right, anterior, superior when left out.
    :return: the new CT, and a boolean mask on the CT's whole grid.
    :raises BadInput: unknown kind, another grid, or no bone within the ellipsoid.
    """
    if kind not in KINDS:
        raise BadInput(f'A lesion is lytic, blastic or mixed, not "{kind}".')
    ct.require_grid(bone)
    center, radii = np.asarray(center_ras, dtype=float), np.asarray(radii_mm, dtype=float)
    if radii.shape != (3,) or np.any(radii <= 0):
        raise BadInput("A lesion needs three radii greater than zero.")
    rng = np.random.default_rng([seed, 11])
    region = ct.grid.region_around(center, float(radii.max()) * 1.3 + _MARGIN_MM)
    crop, inside_bone = ct.crop(region), bone.crop(region).array.astype(bool)
    rotation = np.eye(3) if axes is None else np.asarray(axes, dtype=float)
    local = _local(crop.grid, center, rotation)
    distance = _irregular_ellipsoid(local, radii, rng)
    lesion = (distance < 0) & inside_bone
    if not lesion.any():
        raise BadInput("There is no bone where the lesion was to be planted; choose another center.")

    spacing = crop.spacing
    share = occupancy(distance, max(1.2, float(spacing.mean()))) * _soft(inside_bone)
    values = crop.array.astype(np.float32)
    tumor = _tumor(kind, values, lesion, inside_bone, local, spacing, rng)
    planted = values + share * (tumor - values)
    array = ct.array.copy()
    if array.dtype.kind in "ui":
        info = np.iinfo(array.dtype)
        planted = np.clip(np.rint(planted), info.min, info.max)
    array[region] = np.where(inside_bone, planted, values).astype(array.dtype)
    mask = np.zeros(ct.shape, bool)
    mask[region] = lesion
    return ct.with_array(array), replace(ct, array=mask, name="planted lesion")


def _local(grid: Grid, center: Array, rotation: Array) -> tuple[Array, Array, Array]:
    """Coordinates of all voxels along the lesion's axes, mm."""
    k, j, i = (np.arange(n, dtype=np.float32) for n in grid.shape)
    matrix = (rotation @ grid.ijk_to_ras[:3, :3]).astype(np.float32)
    offset = (rotation @ (grid.ijk_to_ras[:3, 3] - center)).astype(np.float32)
    x, y, z = (
        matrix[a, 0] * i[None, None, :] + matrix[a, 1] * j[None, :, None] + matrix[a, 2] * k[:, None, None] + offset[a]
        for a in range(3)
    )
    return x, y, z


def _irregular_ellipsoid(local: tuple[Array, Array, Array], radii: Array, rng: np.random.Generator) -> Array:
    x, y, z = local
    wavelength = 1.2 * float(radii.mean()) + 4.0
    surface = 1 + np.float32(0.06) * Waves.make(rng, wavelength)(x, y, z)
    q = np.sqrt((x / radii[0]) ** 2 + (y / radii[1]) ** 2 + (z / radii[2]) ** 2) / surface
    r = np.sqrt(x * x + y * y + z * z)
    return np.asarray(np.where(q > 1e-3, r * (1 - 1 / np.maximum(q, 1e-3)), -radii.min()))


def _soft(mask: Array) -> Array:
    """The mask with an edge one voxel wide, for partial volume toward the outside of the bone."""
    return np.clip(1.6 * ndimage.uniform_filter(mask.astype(np.float32), 3) - 0.2, 0.35, 1.0) * mask


def _tumor(
    kind: str,
    values: Array,
    lesion: Array,
    bone: Array,
    local: tuple[Array, Array, Array],
    spacing: Array,
    rng: np.random.Generator,
) -> Array:
    """HU of the tumor in every voxel of the crop."""
    spread, smooth = _noise_of(values, bone)
    noise = _noise(values.shape, spread, smooth, rng)
    lytic = LYTIC_HU + 4.0 * Waves.make(rng, 12.0)(*local) + noise
    grain = _noise(values.shape, 1.0, np.maximum(0.3, 1.2 / spacing[::-1]), rng)
    low, high = BLASTIC_GAIN_HU
    gain = np.clip((low + high) / 2 + (high - low) / 6 * grain, low, high)
    # The trabeculae under the sclerosis stay faintly visible, the noise is the CT's own.
    base = ndimage.gaussian_filter(values, 1.0)
    blastic = 0.5 * base + 0.5 * float(np.median(values[lesion])) + gain + noise
    if kind == "lytic":
        return np.asarray(lytic)
    if kind == "blastic":
        return np.asarray(blastic)
    lumps = Waves.make(rng, LUMP_MM)(*local)
    weight = np.clip((lumps - np.quantile(lumps[lesion], MIXED_LYTIC_SHARE)) / 0.4 + 0.5, 0.0, 1.0)
    return np.asarray(lytic + weight * (blastic - lytic))


def _noise_of(values: Array, bone: Array) -> tuple[float, Array]:
    """Standard deviation and smoothness (Gaussian sigma in voxels along k, j, i) of the CT's noise near the bone.

    Measured on what a 3×3×3 median leaves over, in soft tissue round the bone where there is enough of it.
    """
    rest = values - ndimage.median_filter(values, 3)
    soft = ~ndimage.binary_dilation(bone, iterations=2) & (values > -200) & (values < 200)
    place = soft if soft.sum() > 500 else ndimage.binary_erosion(bone)
    if place.sum() < 50:
        return 10.0, np.full(3, 0.5)
    chosen = rest[place]
    spread = float(1.4826 * np.median(np.abs(chosen - np.median(chosen))))
    smooth = np.empty(3)
    for axis in range(3):
        ahead = np.roll(rest, -1, axis)
        # A Gaussian filter of sigma s makes neighbors correlate by exp(-1 / 4 s²).
        correlation = float(np.corrcoef(rest[place], ahead[place])[0, 1]) + 0.1
        smooth[axis] = np.sqrt(-1 / (4 * np.log(np.clip(correlation, 1e-6, 0.8))))
    # The median takes about a tenth of white noise away.
    return spread * 1.1, smooth


def _noise(shape: tuple[int, ...], spread: float, smooth: Array, rng: np.random.Generator) -> Array:
    field = ndimage.gaussian_filter(rng.standard_normal(shape).astype(np.float32), smooth, mode="wrap")
    return np.asarray(field * np.float32(spread / max(float(field.std()), 1e-6)))
