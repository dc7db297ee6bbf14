"""Solids as implicit functions: about the distance in mm to a surface, negative inside.

All functions take coordinate arrays of one shape (mm) and return an array of that shape. They are distances
only near the surface, which is all that shells, edges and partial volume need.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Vector = tuple[float, float, float]

FAR = np.float32(50.0)
"""Distance given to what lies far outside, mm."""


def smooth_max(a: Array, b: Array, rounding: float) -> Array:
    """Intersection of two solids whose common edge is rounded over `rounding` mm."""
    blend = np.maximum(rounding - np.abs(a - b), 0.0)
    return np.maximum(a, b) + blend * blend * (0.25 / rounding)


def smooth_min(a: Array, b: Array, rounding: float) -> Array:
    """Union of two solids with a fillet of about `rounding` mm."""
    blend = np.maximum(rounding - np.abs(a - b), 0.0)
    return np.minimum(a, b) - blend * blend * (0.25 / rounding)


def ellipse(u: Array, v: Array, half_u: Any, half_v: Any) -> Array:
    """Elliptic cylinder (u, v are the coordinates across it)."""
    rho = np.sqrt((u / half_u) ** 2 + (v / half_v) ** 2)
    return _radial(np.sqrt(u * u + v * v), rho)


def superellipse(u: Array, v: Array, half_u: Any, half_v: Any) -> Array:
    """Cylinder over |u/a|^2.5 + |v/b|^2.5 = 1: an ellipse with fuller corners."""
    return _radial(np.sqrt(u * u + v * v), superellipse_radius(u / half_u, v / half_v))


def superellipse_radius(u: Array, v: Array) -> Array:
    """(|u|^2.5 + |v|^2.5)^(1/2.5): 1 on the outline, 0 in the middle."""
    u, v = np.abs(u), np.abs(v)
    return (u * u * np.sqrt(u) + v * v * np.sqrt(v)) ** np.float32(0.4)


def ellipsoid(x: Array, y: Array, z: Array, center: Vector, radii: Vector) -> Array:
    """Ellipsoid along the axes."""
    x, y, z = x - center[0], y - center[1], z - center[2]
    rho = np.sqrt((x / radii[0]) ** 2 + (y / radii[1]) ** 2 + (z / radii[2]) ** 2)
    return _radial(np.sqrt(x * x + y * y + z * z), rho)


def rod(x: Array, y: Array, z: Array, start: Vector, stop: Vector, radius: tuple[float, float]) -> Array:
    """Rod with round ends whose radius goes from `radius[0]` at `start` to `radius[1]` at `stop`."""
    a, b = np.array(start), np.array(stop)
    axis = b - a
    length = float(axis @ axis)
    along = ((x - a[0]) * axis[0] + (y - a[1]) * axis[1] + (z - a[2]) * axis[2]) / np.float32(length)
    along = np.clip(along, 0.0, 1.0)
    dx, dy, dz = (x - a[0] - along * axis[0]), (y - a[1] - along * axis[1]), (z - a[2] - along * axis[2])
    return np.sqrt(dx * dx + dy * dy + dz * dz) - (radius[0] + along * (radius[1] - radius[0]))


def blade(
    x: Array,
    y: Array,
    z: Array,
    start: Vector,
    stop: Vector,
    radius: tuple[float, float],
    facing_deg: float,
    flat: float,
) -> Array:
    """Rod that is flattened to a blade: `flat` times as wide as thick.

    :param facing_deg: direction of its thin side in the xy plane, from the x axis toward the y axis.
    """
    c, s = float(np.cos(np.radians(facing_deg))), float(np.sin(np.radians(facing_deg)))

    def turned(px: Any, py: Any) -> tuple[Any, Any]:
        return c * px + s * py, (c * py - s * px) / flat

    p, q = turned(x, y)
    a, b = turned(*start[:2]), turned(*stop[:2])
    return rod(p, q, z, (*a, start[2]), (*b, stop[2]), radius)


def elliptic_bar(
    x: Array,
    y: Array,
    z: Array,
    start: tuple[float, float],
    stop: tuple[float, float],
    center_z: float,
    half: tuple[float, float],
) -> Array:
    """Bar from `start` to `stop` in the xy plane with an elliptic section (half width in the plane, half height)."""
    axis = np.subtract(stop, start)
    length = float(np.hypot(*axis))
    ux, uy = axis / length
    along = (x - start[0]) * ux + (y - start[1]) * uy
    across = (y - start[1]) * ux - (x - start[0]) * uy
    side = ellipse(across, z - center_z, half[0], half[1])
    return smooth_max(side, np.abs(along - length / 2) - length / 2, 1.0)


def wall(
    x: Array,
    y: Array,
    z: Array,
    start: tuple[float, float],
    stop: tuple[float, float],
    center_z: Any,
    half: tuple[float, float],
) -> Array:
    """Upright plate over the segment from `start` to `stop` in the xy plane (half thickness, half height)."""
    axis = np.subtract(stop, start)
    along = np.clip(((x - start[0]) * axis[0] + (y - start[1]) * axis[1]) / float(axis @ axis), 0.0, 1.0)
    dx, dy = x - start[0] - along * axis[0], y - start[1] - along * axis[1]
    return smooth_max(np.sqrt(dx * dx + dy * dy) - half[0], np.abs(z - center_z) - half[1], 3.0)


def occupancy(distance: Array, width: float) -> Array:
    """Share of a voxel that a solid fills, 0 to 1: a soft edge `width` mm wide, in place of a blur."""
    ramp = np.clip(0.5 - distance / np.float32(width), 0.0, 1.0)
    return ramp * ramp * (3.0 - 2.0 * ramp)


def _radial(radius: Array, rho: Array) -> Array:
    return radius - radius / np.maximum(rho, 1e-3)
