"""The canal's wall in an MR, in a frame of the canal's own: tumor pushes sac and cord aside, but not the bone.

Where the sac fills its canal, the wall lies within a few millimeters of it. Between such cuts the canal goes on as it
is there, whatever the sac does, so the wall is sought round what they lead to expect.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.image import Image
from spinemet.segmentation.canal_course import ANGLES, RADIAL_MM, STEP_MM, Course
from spinemet.segmentation.canal_surface import best_wall

Array = NDArray[np.float32]
Bools = NDArray[np.bool_]

EPIDURAL_MM = 5.0
"""Farthest that the canal's wall lies outside of a sac that nothing presses [D]."""
FILLED = 0.85
"""Share of that distance beyond which a wall is not relied on: the sac has drawn back, or no wall shows."""
PLAIN = 0.5
"""Least step at a wall that is relied on, as a share of the median step."""
RELIED_ON = 0.92
"""Share of a cut's directions that must be relied on before the cut is."""
BEST_CUTS = 0.25
"""Share of the cuts that are relied on at any rate: thick slices show no wall at their sides."""
EXPECTED_OVER_MM = 12.0
"""Canals change over lengths greater than this; the expected wall is an average over it [D]."""
OFF_MM = 2.5
"""Farthest from the expected wall that the wall is sought [D]."""
PULL = 0.12
"""Cost of a mm away from the expected wall."""


@dataclass(frozen=True, eq=False)
class CanalWall:
    """The canal round a line through its own middle.

    :param radii: mm (cuts, angles).
    """

    course: Course
    radii: Array

    def holds(self, points: NDArray[np.float64]) -> Bools:
        """Which of the positions (…, 3) RAS lie within the canal."""
        return within(self.course, self.radii, points)


def within(course: Course, radii: Array, points: NDArray[np.float64]) -> Bools:
    """Which of the positions (…, 3) RAS lie inside of a wall; beyond the line's ends the last cut counts."""
    flat = points.reshape(-1, 3)
    cut, angle, radius, _ = course.place(flat)
    ring = np.concatenate([radii, radii[:, :1]], axis=1)
    limit = ndimage.map_coordinates(np.nan_to_num(ring, nan=-1.0), [cut, angle], order=1, mode="nearest")
    return np.asarray(radius < limit).reshape(points.shape[:-1])


def canal_wall(image: Image, course: Course, sac: Array, *, fluid_bright: bool) -> CanalWall:
    """The wall round a sac: the first step down to dark bone or ligament beyond it.

    :param sac: radii in mm (cuts, angles) of the sac round the course.
    """
    reach = float(sac.max()) + EPIDURAL_MM + 2.0
    values = _values(image, course, reach)
    beyond = RADIAL_MM * np.arange(values.shape[2]) - sac[..., None]
    fall = _fall(values, beyond, fluid_bright=fluid_bright)
    cost = (0.05 if fluid_bright else 0.12) * beyond - fall
    cost = np.where((beyond < 0) | (beyond > EPIDURAL_MM), np.inf, cost)
    first = np.maximum(best_wall(cost.astype(np.float32), 0.2, 0.2) * RADIAL_MM, sac)
    index = np.rint(first / RADIAL_MM).astype(int)
    depth = ndimage.maximum_filter1d(fall, 3, axis=2)
    depth = np.take_along_axis(depth, np.minimum(index, fall.shape[2] - 1)[..., None], axis=2)[..., 0]
    sure = (first - sac < FILLED * EPIDURAL_MM) & (depth > PLAIN * np.median(depth))
    share = sure.mean(axis=1)
    whole = share >= min(RELIED_ON, float(np.percentile(share, 100 * (1 - BEST_CUTS))))
    own = _own_course(course, first, whole)
    return CanalWall(own, _wall_round(image, own, course, sac, first, whole, fluid_bright=fluid_bright))


def _own_course(course: Course, wall: Array, whole: Bools) -> Course:
    """The line through the canal's middle; between whole cuts it runs on smoothly."""
    angle = 2 * np.pi * np.arange(ANGLES) / ANGLES
    area = np.sum(wall**2, axis=1)
    right, front = (2 / 3 * np.sum(wall**3 * part, axis=1) / area for part in (np.cos(angle), np.sin(angle)))
    u, v = course.axes
    middle = course.points + right[:, None] * u + front[:, None] * v
    at, seen = np.arange(len(middle)), np.flatnonzero(whole)
    filled = np.stack([np.interp(at, seen, middle[seen, n]) for n in range(3)], axis=1)
    # Beyond the outermost whole cuts the canal keeps its distance from the line.
    for end, inner in ((at < seen[0], seen[0]), (at > seen[-1], seen[-1])):
        filled[end] = course.points[end] + middle[inner] - course.points[inner]
    return Course(ndimage.gaussian_filter1d(filled, 3.0 / STEP_MM, axis=0, mode="nearest", truncate=2.0))


def _wall_round(
    image: Image, own: Course, course: Course, sac: Array, first: Array, whole: Bools, *, fluid_bright: bool
) -> Array:
    """The wall in the canal's own frame, near what the whole cuts lead to expect."""
    rays = own.rays(float(first.max()) + OFF_MM + 2.0)
    seen = _outermost(within(course, first, rays))
    in_sac = within(course, sac, rays)
    cuts = np.clip(np.rint(course.place(own.points)[0]).astype(int), 0, len(whole) - 1)
    expected = _expected(seen, whole[cuts])
    values = _values(image, own, RADIAL_MM * (rays.shape[2] - 1))
    radii = RADIAL_MM * np.arange(values.shape[2])
    beyond = radii - _outermost(in_sac)[..., None]
    off = np.abs(radii - expected[..., None])
    cost = PULL * off - _fall(values, beyond, fluid_bright=fluid_bright)
    cost = np.where((beyond < 0) | (off > OFF_MM), np.inf, cost)
    # Where the sac reaches beyond what is expected, it is right.
    hopeless = ~np.isfinite(cost).any(axis=2, keepdims=True)
    cost = np.where(hopeless, np.where(beyond < 0, np.inf, beyond), cost)
    wall = best_wall(cost.astype(np.float32), 0.2, 0.2) * RADIAL_MM
    return np.maximum(wall, _outermost(in_sac)).astype(np.float32)


def _expected(wall: Array, whole: Bools) -> Array:
    """The wall as an average of whole cuts nearby, weighted by their distance."""
    sigma = EXPECTED_OVER_MM / STEP_MM
    weight = ndimage.gaussian_filter1d(whole.astype(float), sigma, mode="nearest", truncate=8.0)
    total = ndimage.gaussian_filter1d(np.where(whole[:, None], wall, 0.0), sigma, axis=0, mode="nearest", truncate=8.0)
    return np.asarray(total / np.maximum(weight, 1e-12)[:, None], dtype=np.float32)


def _outermost(inside: Bools) -> Array:
    """Radius in mm (cuts, angles) of the outermost sample that lies inside; 0 without any."""
    last = inside.shape[2] - 1 - np.argmax(inside[..., ::-1], axis=2)
    return np.where(inside.any(axis=2), (last + 0.5) * RADIAL_MM, 0.0).astype(np.float32)


def _values(image: Image, course: Course, reach: float) -> Array:
    values = course.unrolled(image, reach)
    values = np.nan_to_num(values, nan=float(np.nanmin(values)))
    return np.asarray(
        ndimage.gaussian_filter(values, (1.5, 0.7, 0.6 / RADIAL_MM), mode=("nearest", "wrap", "nearest"))
    )


def _fall(values: Array, beyond: Array, *, fluid_bright: bool) -> Array:
    """How much the values fall outward at each radius, 0 to about 1."""
    half = max(1, round(0.8 / RADIAL_MM))
    padded = np.pad(values, [(0, 0), (0, 0), (half, half)], mode="edge")
    inner, outer = padded[:, :, : -2 * half], padded[:, :, 2 * half :]
    fall = np.maximum(inner - outer, 0.0)
    if fluid_bright:
        # The step from fluid to fat is the sac's wall: beside it only a step down to what is dark counts.
        bright = float(np.percentile(values, 90))
        return np.where(outer < 0.4 * bright, fall / np.maximum(inner, 0.3 * bright), 0.0)
    return np.asarray(np.clip(fall / max(float(np.percentile(inner - outer, 98)), 1e-6), 0.0, 1.0))
