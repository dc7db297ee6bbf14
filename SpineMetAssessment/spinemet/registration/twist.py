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
    result = np.empty((*grid.shape, 3), dtype=np.float32)
    _, nj, ni = grid.shape
    steps = np.stack(np.meshgrid(np.arange(ni), np.arange(nj), indexing="xy"), axis=-1)
    flat = np.concatenate([steps, np.zeros((nj, ni, 1), dtype=int)], axis=-1)
    for k in range(grid.shape[0]):
        flat[..., 2] = k
        arm = grid.to_world(flat) - center
        turn, speed = twists[k, ..., :3].astype(float), twists[k, ..., 3:].astype(float)
        angle = np.linalg.norm(turn, axis=-1, keepdims=True)
        square = np.maximum(angle, 1e-4) ** 2
        near = angle < 1e-3
        a = np.where(near, 1 - square / 6, np.sin(angle) / np.maximum(angle, 1e-4))
        b = np.where(near, 0.5 - square / 24, (1 - np.cos(angle)) / square)
        c = np.where(near, 1 / 6 - square / 120, (angle - np.sin(angle)) / (square * np.maximum(angle, 1e-4)))
        # (R − 1) arm + V speed, with ω × everything taken once.
        first = np.cross(turn, arm)
        along = np.cross(turn, speed)
        result[k] = a * first + b * np.cross(turn, first) + speed + b * along + c * np.cross(turn, along)
    return result
