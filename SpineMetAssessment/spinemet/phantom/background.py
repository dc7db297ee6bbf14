"""The body round the spine: skin, fat, muscles, vessels, organs and lungs, drawn coarsely and enlarged.

Everything follows the line through the vertebral bodies, so it moves with the posture.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.interpolate import PchipInterpolator

from spinemet.image import Grid, Image
from spinemet.levels import Level
from spinemet.phantom.lesion import Waves
from spinemet.phantom.model import Posture
from spinemet.phantom.solids import Array, ellipse, ellipsoid, occupancy, smooth_min
from spinemet.phantom.tissue import Tissue

COARSE_MM = 2.5


def background(posture: Posture, grid: Grid, tables: list[dict[Tissue, float]], seed: int) -> list[Array]:
    """Soft tissue on a grid, one float32 array (k, j, i) per table of tissue values."""
    coarse = grid.with_spacing(np.maximum(grid.spacing, COARSE_MM))
    layers = _layers(posture, coarse, seed)
    images = []
    for table in tables:
        values = np.full(coarse.shape, table[Tissue.AIR], dtype=np.float32)
        for tissue, share in layers:
            values += share * (np.float32(table[tissue]) - values)
        images.append(_enlarged(values, coarse, grid))
    return images


def _enlarged(values: Array, coarse: Grid, grid: Grid) -> Array:
    import SimpleITK as sitk

    margin = [(2, 2)] * 3
    padded = np.pad(values, margin, mode="edge")
    matrix = coarse.ijk_to_ras.copy()
    matrix[:3, 3] = coarse.to_world([-2.0, -2.0, -2.0])
    source = Image(padded, matrix).to_sitk()
    like = Image(np.broadcast_to(np.zeros(1, np.uint8), grid.shape), grid.ijk_to_ras)
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize([int(n) for n in grid.shape[::-1]])
    reference = Image(np.zeros((1, 1, 1), np.uint8), like.ijk_to_ras).to_sitk()
    resampler.SetOutputOrigin(reference.GetOrigin())
    resampler.SetOutputSpacing(reference.GetSpacing())
    resampler.SetOutputDirection(reference.GetDirection())
    resampler.SetInterpolator(sitk.sitkLinear)
    return np.asarray(sitk.GetArrayFromImage(resampler.Execute(source)))


def _layers(posture: Posture, grid: Grid, seed: int) -> list[tuple[Tissue, Array]]:
    """Tissues from the outside in, each with the share of a voxel it covers."""
    k, j, i = (np.arange(n, dtype=np.float32) for n in grid.shape)
    m = grid.ijk_to_ras.astype(np.float32)
    x, y, z = (
        m[a, 0] * i[None, None, :] + m[a, 1] * j[None, :, None] + m[a, 2] * k[:, None, None] + m[a, 3]
        for a in range(3)
    )
    line = np.array([posture.poses[level][:3, 3] for level in sorted(posture.poses, key=lambda item: -item.order)])
    height = {level: float(pose[2, 3]) for level, pose in posture.poses.items()}
    zc = np.clip(z, line[0, 2], line[-1, 2])
    steps = np.linspace(line[0, 2], line[-1, 2], 400)
    center_x = np.interp(zc, steps, PchipInterpolator(line[:, 2], line[:, 0])(steps)).astype(np.float32)
    center_y = np.interp(zc, steps, PchipInterpolator(line[:, 2], line[:, 1])(steps)).astype(np.float32)
    trunk_y = np.polyval(np.polyfit(line[:, 2], line[:, 1], 1), zc).astype(np.float32)
    trunk_x = np.float32(line[:, 0].mean())
    # Spine coordinates: everything near the spine follows it; the skin follows its trend.
    u, v = x - center_x, y - center_y
    tu, tv = x - trunk_x, y - (0.6 * trunk_y + 0.4 * center_y)
    level = _level_axis(z, height)
    width = 2.0 * float(np.max(grid.spacing[:2]))

    skin = ellipse(tu, tv - 38.0, 178.0, 128.0)
    cavity = ellipse(tu, tv - 52.0, 142.0, 92.0)
    rng = np.random.default_rng([seed, 5])
    waves = Waves.make(rng, 32.0)(x, y, z)
    layers = [
        (Tissue.SKIN, occupancy(skin, width)),
        (Tissue.FAT, occupancy(skin + 2.5, width)),
        (Tissue.MUSCLE, occupancy(ellipse(tu, tv - 42.0, 156.0, 105.0), width)),
        (Tissue.FAT, occupancy(cavity, width)),
        (Tissue.BOWEL, occupancy(np.maximum(cavity + 10.0, 12.0 * (0.35 - waves) - 0.2 * (v - 40.0)), 2 * width)),
    ]
    layers += _muscles(u, v, level, width, rng)
    layers += _organs(u, v, z, height, width)
    layers += _vessels(u, v, level, width)
    layers += _lungs(tu, tv, z, height, width, cavity)
    return layers


def _level_axis(z: Array, height: Mapping[Level, float]) -> Array:
    """Height as a level number: 0 at T8, 5 at L1, 9 at L5, 10 at S1."""
    levels = sorted(height, key=lambda item: -item.order)
    numbers = [10.0 - n for n in range(len(levels))]
    return np.interp(z, [height[item] for item in levels], numbers).astype(np.float32)


def _muscles(u: Array, v: Array, level: Array, width: float, rng: np.random.Generator) -> list[tuple[Tissue, Array]]:
    side = np.abs(u)
    lumbar = np.clip((level - 3.5) / 3.0, 0.0, 1.0)
    low = np.clip((level - 8.5) / 1.5, 0.0, 1.0)
    streaks = Waves.make(rng, 9.0)(u, v, level * 4.0)
    erector = ellipse(side - (27.0 + 5.0 * lumbar), v + 56.0 + 3.0 * lumbar, 25.0 + 4.0 * lumbar, 17.0 + 5.0 * lumbar)
    multifidus = ellipse(side - 14.0, v + 48.0, 13.0 + 2.0 * low, 15.0)
    back = smooth_min(erector, multifidus, 2.0) + np.where(streaks > 1.5, 2.0, 0.0)
    psoas_size = np.clip((level - 4.3) / 4.5, 0.05, 1.0)
    psoas = ellipse(
        side - (26.0 + 13.0 * psoas_size), v - 2.0 - 9.0 * low, 5.0 + 15.0 * psoas_size, 7.0 + 18.0 * psoas_size
    )
    psoas = np.where(level > 4.3, psoas, 9.0)
    quadratus = np.where((level > 4.6) & (level < 9.0), ellipse(side - 66.0, v + 20.0, 19.0, 8.0), 9.0)
    packing = ellipse(u, v + 22.0, 48.0, 34.0)
    return [
        (Tissue.FAT, occupancy(packing, 2 * width)),
        (Tissue.MUSCLE, occupancy(back, width)),
        (Tissue.MUSCLE, occupancy(psoas, width)),
        (Tissue.MUSCLE, occupancy(quadratus, width)),
    ]


def _organs(u: Array, v: Array, z: Array, height: Mapping[Level, float], width: float) -> list[tuple[Tissue, Array]]:
    kidney = height[Level.L1] - 8.0
    right = ellipsoid(u, v, z, (66.0, 0.0, kidney - 8.0), (27.0, 25.0, 52.0))
    left = ellipsoid(u, v, z, (-66.0, 2.0, kidney + 6.0), (27.0, 25.0, 53.0))
    liver = ellipsoid(u, v, z, (95.0, 48.0, height[Level.T11] + 5.0), (85.0, 75.0, 75.0))
    spleen = ellipsoid(u, v, z, (-108.0, 8.0, height[Level.T11]), (33.0, 45.0, 55.0))
    return [(Tissue.ORGAN, occupancy(item, width)) for item in (liver, spleen, right, left)]


def _vessels(u: Array, v: Array, level: Array, width: float) -> list[tuple[Tissue, Array]]:
    split = np.clip((level - 8.0) / 2.0, 0.0, 1.0)
    beside = 9.0 + 8.0 * np.clip((3.0 - level) / 3.0, 0.0, 1.0)
    front = 27.0 + 0.6 * level
    aorta = np.where(level < 8.3, ellipse(u + beside, v - front, 10.5, 10.5), 20.0)
    cava = np.where(level < 8.6, ellipse(u - 15.0, v - front - 2.0 + 2.0 * split, 12.0, 9.5), 20.0)
    iliac = np.where(level >= 8.0, ellipse(np.abs(u) - (6.0 + 24.0 * split), v - front + 2.0, 7.0, 7.0), 20.0)
    sheath = np.minimum(np.minimum(aorta, cava), iliac) - 3.0
    vessels = np.minimum(np.minimum(aorta, cava), iliac)
    return [(Tissue.FAT, occupancy(sheath, width)), (Tissue.BLOOD, occupancy(vessels, width))]


def _lungs(
    tu: Array, tv: Array, z: Array, height: Mapping[Level, float], width: float, cavity: Array
) -> list[tuple[Tissue, Array]]:
    """Lungs above a dome: the floor falls toward the back."""
    side = np.abs(tu)
    floor = height[Level.T10] + 22.0 - ((side - 70.0) / 70.0) ** 2 * 22.0 - 0.75 * np.clip(35.0 - tv, 0.0, 90.0)
    inside = np.maximum(np.maximum(ellipse(tu, tv - 46.0, 138.0, 100.0), floor - z), 31.0 - side + 0.1 * tv)
    return [(Tissue.LUNG, occupancy(inside, width))]
