"""Thecal sac and cord in an MR, cut by cut along the canal, as walls round the canal's course.

In a T2 the fluid is bright and the cord dark, in a T1 the other way round; the values are stretched so that the fluid
near a cut is 1 and the cord 0, and one rule serves both. The cord's wall lies where the values rise to the fluid, the
sac's where they last fall from it. Where the fluid is used up, nothing shows the cord's wall: it is bridged, and
marked.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.image import Image
from spinemet.segmentation.canal_course import RADIAL_MM, STEP_MM, Course
from spinemet.segmentation.canal_surface import best_wall

Array = NDArray[np.float32]

REACH_MM = 17.0
"""Longest ray: the sac's half width is up to 14 mm, and the line need not be its middle."""
CORD_MM = (1.5, 9.5)
"""Least and largest radius of the cord round its middle [D]."""
SAC_MM = (3.0, 16.0)
"""Least and largest radius of the sac [D]."""
CALIBRATED_MM = 50.0
"""Fluid and cord are looked for in a stretch of this length: one narrow place must not change what they look like."""
CLEAR_EDGE = 0.25
"""Least rise at the cord's wall, as a share of the difference between cord and fluid, that shows it [D]."""
DARK_CORD = 0.4
"""Highest mean value within the cord, where the cord is 0 and the fluid 1 [D]."""
CORD_TO_FLUID = 0.6
"""Highest signal of the cord in a T2, as a share of the fluid's [D]."""
BESIDE_MM = 2.0
"""Within this distance of the cord there must be fluid, or what lies there may hide where the cord ends."""
FLUID_BESIDE = 0.6
"""Least value beside the cord that is fluid, blurred by the voxels, where the cord is 0 and fluid is 1 [D]."""
FLUID_SHARE = 70.0
"""Percentile, among the cuts of that stretch, of their fluid: most of them may have none left."""
ROUNDS = 4
"""How often the line is moved to the middle of what was found round it."""


@dataclass(frozen=True, eq=False)
class SacWalls:
    """What lies round the course.

    :param sac: radii in mm (cuts, angles).
    :param cord: radii in mm (cuts, angles), NaN in cuts without a cord.
    :param rise: how much the values rise at the cord's wall, as a share of the difference between cord and fluid.
    :param beside: highest value just outside of the cord's wall: 1 is fluid.
    :param contrast: difference between fluid and cord in the image's values, per cut.
    """

    course: Course
    sac: Array
    cord: Array
    rise: Array
    beside: Array
    contrast: NDArray[np.float64]

    @property
    def unclear(self) -> NDArray[np.bool_]:
        """(cuts, angles): where the cord cannot be told from what lies against it."""
        return np.asarray(np.isfinite(self.cord) & ((self.rise < CLEAR_EDGE) | (self.beside < FLUID_BESIDE)))


def sac_walls(image: Image, course: Course, *, fluid_bright: bool) -> SacWalls:
    """Sac and cord along a course that runs somewhere within the sac; the course is moved to their middle."""
    has_cord: NDArray[np.bool_] | None = None
    # In a T1 the fat round the sac lies far below the cord; in a T2 it lies between cord and fluid.
    dark = 0.5 if fluid_bright else 0.0
    for _ in range(ROUNDS):
        values, contrast = stretched(image, course, has_cord, fluid_bright=fluid_bright)
        cord, rise = _cord(values)
        has_cord = _has_cord(values, cord, rise)
        sac = _sac(values, np.where(has_cord[:, None], cord, np.nan), dark)
        weight = ndimage.gaussian_filter1d(has_cord.astype(float), 4.0 / STEP_MM, mode="nearest")
        right, front = (
            weight * one + (1 - weight) * other for one, other in zip(_middle(cord), _middle(sac), strict=True)
        )
        count = len(course.points)
        course = course.moved(right, front)
        has_cord = has_cord[np.rint(np.linspace(0, count - 1, len(course.points))).astype(int)]
    values, contrast = stretched(image, course, has_cord, fluid_bright=fluid_bright)
    cord, rise = _cord(values)
    cord[~_has_cord(values, cord, rise)] = np.nan
    return SacWalls(course, _sac(values, cord, dark), cord, rise, _beside_wall(values, cord), contrast)


def stretched(
    image: Image, course: Course, has_cord: NDArray[np.bool_] | None, *, fluid_bright: bool
) -> tuple[Array, NDArray[np.float64]]:
    """Values (cuts, angles, radii) round the course: the cord 0, the fluid 1, and that difference per cut.

    :param has_cord: cuts from which the cord's value is taken; None when it is not known yet where the cord is.
    """
    raw = course.unrolled(image, REACH_MM) * (1 if fluid_bright else -1)
    raw = np.nan_to_num(raw, nan=float(np.nanmin(raw)))
    raw = ndimage.gaussian_filter(raw, (1.0 / STEP_MM, 0.7, 0.6 / RADIAL_MM), mode=("nearest", "wrap", "nearest"))
    fluid = np.percentile(raw[:, :, : round(8.0 / RADIAL_MM)].reshape(len(raw), -1), 92, axis=1)
    # A coil's sensitivity falls off toward its end; the fluid is compared as it would be without that.
    trend = _trend(fluid) if fluid_bright else np.ones(len(fluid))
    fluid = trend * _running(fluid / trend, FLUID_SHARE)
    cord = np.median(raw[:, :, : round(2.0 / RADIAL_MM)].reshape(len(raw), -1), axis=1)
    # The fluid tells how the coil's sensitivity changes from where the cord was seen.
    ratio = cord / np.where(np.abs(fluid) > 1e-6, fluid, 1e-6) if fluid_bright else cord
    seen = np.arange(len(raw)) if has_cord is None else np.flatnonzero(has_cord)
    if has_cord is None or not len(seen):
        level = np.percentile(ratio, 25)
        level = min(float(level), CORD_TO_FLUID) if fluid_bright else level
        ratio = np.full(len(raw), level)
    else:
        ratio = np.interp(np.arange(len(raw)), seen, _running(ratio[seen]))
    cord = fluid * ratio if fluid_bright else ratio
    near = raw[:, :, : round(8.0 / RADIAL_MM)].reshape(len(raw), -1)
    # Where nothing differs, the difference that is assumed between cord and fluid is not there.
    contrast = np.clip(fluid - cord, 0.0, np.ptp(near, axis=1))
    span = np.maximum(fluid - cord, 1e-6)[:, None, None]
    return np.clip((raw - cord[:, None, None]) / span, -2.0, 1.5).astype(np.float32), contrast


def _trend(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The even growth or decline of positive values from cut to cut."""
    at = np.arange(len(values))
    growth, start = np.polyfit(at, np.log(np.maximum(values, 1e-3 * max(values.max(), 1e-6))), 1)
    return np.asarray(np.exp(start + growth * at))


def _running(values: NDArray[np.float64], share: float = 50.0) -> NDArray[np.float64]:
    size = 2 * int(CALIBRATED_MM / 2 / STEP_MM) + 1
    return np.asarray(ndimage.percentile_filter(values, share, size, mode="nearest"))


def _beside_wall(values: Array, cord: Array) -> Array:
    """Highest value (cuts, angles) within `BESIDE_MM` outside of the cord's wall."""
    steps = np.arange(round(BESIDE_MM / RADIAL_MM) + 1)
    index = np.rint(np.nan_to_num(cord) / RADIAL_MM).astype(int)[..., None] + steps
    return np.asarray(np.take_along_axis(values, np.minimum(index, values.shape[2] - 1), axis=2).max(axis=2))


def _has_cord(values: Array, cord: Array, rise: Array) -> NDArray[np.bool_]:
    """Cuts in which a cord is seen; a gap between two of them, where something presses, counts as cord too."""
    radii = RADIAL_MM * np.arange(values.shape[2])
    within = radii < 0.7 * cord[..., None]
    dark = np.sum(values * within * radii, axis=(1, 2)) / np.maximum(np.sum(within * radii, axis=(1, 2)), 1e-6)
    seen = (dark < DARK_CORD) & (np.median(rise, axis=1) > CLEAR_EDGE)
    seen = ndimage.median_filter(seen, 2 * round(5.0 / STEP_MM) + 1, mode="nearest")
    found = np.flatnonzero(seen)
    if len(found):
        seen[found[0] : found[-1] + 1] = True
    return np.asarray(seen)


def _cord(values: Array) -> tuple[Array, Array]:
    """Radii of the cord's wall in mm, and the rise across it (cuts, angles)."""
    edge = _rise(values)
    bright = _up_to(np.maximum(values - 0.5, 0.0))
    cost = 1.0 * bright - 1.5 * np.clip(edge, 0.0, 0.8)
    wall = best_wall(_limited(cost, CORD_MM), 0.25, 0.25)
    return wall * RADIAL_MM, _at(edge, wall)


def _sac(values: Array, cord: Array, dark: float) -> Array:
    """Radii of the sac's wall in mm (cuts, angles); without a cord (NaN), dark roots belong to the sac.

    :param dark: value below which nothing between cord and wall is fluid.
    """
    with_cord = np.isfinite(cord)[..., None]
    inner, outer = _beside(values)
    # Beside a cord the wall bounds fluid; among roots it bounds what is darker than they are.
    weight = np.where(with_cord, np.clip((inner - 0.4) / 0.3, 0.0, 1.0), np.clip((0.6 - outer) / 0.5, 0.2, 1.0))
    edge = weight * np.sqrt(np.maximum(inner - outer, 0.0))
    outside = RADIAL_MM * np.arange(values.shape[2]) >= np.nan_to_num(cord, nan=SAC_MM[0])[..., None]
    left = _up_to(np.clip(np.where(with_cord, dark, 0.0) - values, 0.0, 0.5) * outside)
    width = round(2.0 / RADIAL_MM)
    beyond = ndimage.uniform_filter1d(np.maximum(values - 0.7, 0.0), width, axis=2, origin=-(width // 2))
    cost = 3.0 * left + 1.5 * beyond - 1.5 * edge
    cost = np.where(outside, _limited(cost, SAC_MM), np.inf)
    return np.fmax(best_wall(cost, 0.2, 0.2) * RADIAL_MM, cord)


def _up_to(values: Array) -> Array:
    """Integral (per mm) of values from the line to each radius."""
    return np.asarray((np.cumsum(values, axis=2) - 0.5 * values) * RADIAL_MM)


def _rise(values: Array) -> Array:
    """By how much the values rise outward."""
    inner, outer = _beside(values)
    return outer - inner


def _beside(values: Array) -> tuple[Array, Array]:
    """Values on the near and on the far side of each radius."""
    half = max(1, round(0.8 / RADIAL_MM))
    padded = np.pad(values, [(0, 0), (0, 0), (half, half)], mode="edge")
    return padded[:, :, : -2 * half], padded[:, :, 2 * half :]


def _limited(cost: Array, limits_mm: tuple[float, float]) -> Array:
    radii = RADIAL_MM * np.arange(cost.shape[2])
    return np.where((radii < limits_mm[0]) | (radii > limits_mm[1]), np.inf, cost)


def _at(values: Array, wall: Array) -> Array:
    index = np.clip(np.rint(wall).astype(int), 0, values.shape[2] - 1)
    return np.asarray(np.take_along_axis(values, index[..., None], axis=2)[..., 0])


def _middle(wall: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centroid (right, front) in mm of the area within a wall, per cut."""
    angle = 2 * np.pi * np.arange(wall.shape[1]) / wall.shape[1]
    area = np.sum(wall**2, axis=1)
    right, front = (2 / 3 * np.sum(wall**3 * part, axis=1) / area for part in (np.cos(angle), np.sin(angle)))
    return right.astype(float), front.astype(float)
