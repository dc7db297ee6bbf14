"""Rigid motions as twists: logarithm and exponential of SE(3), of one motion or of a whole grid of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spinemet.image import Grid
from spinemet.registration.motion import Array, RigidMotion, left_jacobian


def twist_of(motion: RigidMotion, center: Array) -> Array:
    """Logarithm (6,) of a motion as seen from `center`: rotation vector in radians, then velocity in mm."""
    turn = motion.rotation_vector
    return np.concatenate([turn, np.linalg.solve(left_jacobian(turn), motion.displacement(center))])


def displacements(twists: NDArray[np.float32], grid: Grid, center: Array) -> NDArray[np.float32]:
    """How far the motion of every node's own twist carries that node, (k, j, i, 3) RAS mm.

    :param twists: (k, j, i, 6), as seen from `center`.
    """
    result = np.zeros((*grid.shape, 3), dtype=np.float32)
    axes, origin = grid.ijk_to_ras[:3, :3], grid.ijk_to_ras[:3, 3] - center
    for k, slab in enumerate(twists):
        j, i = np.nonzero(slab.any(axis=-1))
        arm = [axes[n, 0] * i + axes[n, 1] * j + (axes[n, 2] * k + origin[n]) for n in range(3)]
        moved = slab[j, i].T.astype(float)
        turn, speed = list(moved[:3]), list(moved[3:])
        square = turn[0] ** 2 + turn[1] ** 2 + turn[2] ** 2
        near = square < 1e-6
        square = np.maximum(square, 1e-8)
        angle = np.sqrt(square)
        sine = np.sin(angle)
        a = np.where(near, 1 - square / 6, sine / angle)
        b = np.where(near, 0.5 - square / 24, (1 - np.cos(angle)) / square)
        c = np.where(near, 1 / 6 - square / 120, (angle - sine) / (square * angle))
        # (R − 1) arm + V speed, with ω × everything taken once.
        first, along = _cross(turn, arm), _cross(turn, speed)
        second, twice = _cross(turn, first), _cross(turn, along)
        for n in range(3):
            result[k, j, i, n] = a * first[n] + b * (second[n] + along[n]) + speed[n] + c * twice[n]
    return result


def _cross(a: list[Array], b: list[Array]) -> list[Array]:
    """Cross products of many vectors, coordinate by coordinate; numpy's own takes five times as long."""
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
