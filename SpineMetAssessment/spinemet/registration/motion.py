"""RigidMotion: where points of the fixed image lie in the moving image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spinemet.errors import BadInput

Array = NDArray[np.float64]

ROUNDING = 1e-4
"""How far a turn may be off a right angle, as matrices in headers and files are."""


@dataclass(frozen=True, eq=False)
class RigidMotion:
    """A turn and a shift.

    :param matrix: 4×4, from RAS mm of the fixed image to RAS mm of the moving image.
    """

    matrix: Array

    def __post_init__(self) -> None:
        matrix = np.array(self.matrix, dtype=float)
        turn = matrix[:3, :3] if matrix.shape == (4, 4) else np.zeros((3, 3))
        if not np.abs(turn @ turn.T - np.eye(3)).max() <= ROUNDING or np.linalg.det(turn) < 0:
            raise BadInput("A rigid motion needs a 4×4 matrix that only turns and shifts; this one does more.")
        matrix.setflags(write=False)
        object.__setattr__(self, "matrix", matrix)

    @classmethod
    def identity(cls) -> RigidMotion:
        return cls(np.eye(4))

    @classmethod
    def shift(cls, vector: ArrayLike) -> RigidMotion:
        """Only a shift, mm."""
        matrix = np.eye(4)
        matrix[:3, 3] = vector
        return cls(matrix)

    @classmethod
    def about(cls, center: ArrayLike, rotation_vector: ArrayLike, shift: ArrayLike = (0.0, 0.0, 0.0)) -> RigidMotion:
        """A turn about `center` by a rotation vector (radians), then a shift (mm)."""
        middle = np.asarray(center, dtype=float)
        matrix = np.eye(4)
        matrix[:3, :3] = rotation_matrix(rotation_vector)
        matrix[:3, 3] = middle + np.asarray(shift, dtype=float) - matrix[:3, :3] @ middle
        return cls(matrix)

    @classmethod
    def between(cls, fixed: ArrayLike, moving: ArrayLike, weights: ArrayLike | None = None) -> RigidMotion:
        """The motion that carries points (n, 3) best onto others, in the least-squares sense (Kabsch 1976).

        :raises BadInput: fewer than three points, or all on one line.
        """
        a, b = np.asarray(fixed, dtype=float), np.asarray(moving, dtype=float)
        if a.shape != b.shape or a.ndim != 2 or len(a) < 3:
            raise BadInput("A rigid motion from landmarks needs three or more pairs of points.")
        w = np.ones(len(a)) if weights is None else np.asarray(weights, dtype=float)
        w = w / w.sum()
        middle_a, middle_b = w @ a, w @ b
        u, spread, vt = np.linalg.svd(((a - middle_a) * w[:, None]).T @ (b - middle_b))
        if spread[1] < 1e-6 * max(spread[0], 1e-12):
            raise BadInput("The landmarks lie on one line and do not fix a turn; place one beside it.")
        sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
        matrix = np.eye(4)
        matrix[:3, :3] = (u * sign @ vt).T
        matrix[:3, 3] = middle_b - matrix[:3, :3] @ middle_a
        return cls(matrix)

    @cached_property
    def inverse(self) -> RigidMotion:
        matrix = np.eye(4)
        matrix[:3, :3] = self.matrix[:3, :3].T
        matrix[:3, 3] = -self.matrix[:3, :3].T @ self.matrix[:3, 3]
        return RigidMotion(matrix)

    def after(self, first: RigidMotion) -> RigidMotion:
        """`first`, then this motion."""
        matrix = self.matrix @ first.matrix
        u, _, vt = np.linalg.svd(matrix[:3, :3])
        matrix[:3, :3] = u @ vt
        return RigidMotion(matrix)

    def apply(self, points: ArrayLike) -> Array:
        """Points (…, 3), RAS mm of the fixed image, in the moving image."""
        return np.asarray(np.asarray(points, dtype=float) @ self.matrix[:3, :3].T + self.matrix[:3, 3])

    @cached_property
    def rotation_vector(self) -> Array:
        """Axis times angle, radians."""
        return rotation_vector(self.matrix[:3, :3])

    @property
    def angle_deg(self) -> float:
        return float(np.degrees(np.linalg.norm(self.rotation_vector)))

    def displacement(self, point: ArrayLike) -> Array:
        """How far a point of the fixed image goes, mm (3,)."""
        return np.asarray(self.apply(point) - np.asarray(point, dtype=float))

    def distance(self, other: RigidMotion, points: ArrayLike) -> float:
        """Root mean square distance in mm between where both motions carry points (n, 3)."""
        apart = self.apply(points) - other.apply(points)
        return float(np.sqrt(np.mean(np.sum(apart**2, axis=-1))))


def rotation_matrix(vector: ArrayLike) -> Array:
    """3×3 turn by a rotation vector in radians (Rodrigues)."""
    v = np.asarray(vector, dtype=float)
    angle = float(np.linalg.norm(v))
    cross = cross_matrix(v)
    if angle < 1e-8:
        return np.asarray(np.eye(3) + cross)
    return np.asarray(np.eye(3) + np.sin(angle) / angle * cross + (1 - np.cos(angle)) / angle**2 * cross @ cross)


def rotation_vector(matrix: ArrayLike) -> Array:
    """Rotation vector (radians) of a 3×3 turn."""
    m = np.asarray(matrix, dtype=float)
    axis = np.array([m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]]) / 2
    sine, cosine = float(np.linalg.norm(axis)), (float(np.trace(m)) - 1) / 2
    if sine > 1e-9:
        return np.asarray(axis * (np.arctan2(sine, cosine) / sine))
    if cosine > 0:
        return axis
    # Half a turn: the axis is the column of (m + 1) / 2 that is longest.
    square = (m + np.eye(3)) / 2
    column = square[:, int(np.argmax(np.diag(square)))]
    return np.asarray(np.pi * column / np.linalg.norm(column))


def cross_matrix(vector: ArrayLike) -> Array:
    """3×3 matrix of the cross product with a vector."""
    x, y, z = np.asarray(vector, dtype=float)
    return np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])


def left_jacobian(vector: ArrayLike) -> Array:
    """3×3: how a small change of the rotation vector turns what is already turned by it."""
    v = np.asarray(vector, dtype=float)
    angle = float(np.linalg.norm(v))
    cross = cross_matrix(v)
    if angle < 1e-5:
        return np.asarray(np.eye(3) + cross / 2)
    a = (1 - np.cos(angle)) / angle**2
    b = (angle - np.sin(angle)) / angle**3
    return np.asarray(np.eye(3) + a * cross + b * cross @ cross)
