"""What is expected of a motion beside the images: points that should come to lie near others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from spinemet.registration.metric import Array
from spinemet.registration.motion import RigidMotion, left_jacobian, rotation_matrix


@dataclass(frozen=True, eq=False)
class PointPrior:
    """Points that a small motion should carry onto others; the penalty is in nats.

    :param source: (n, 3) mm.
    :param target: (n, 3) mm.
    :param weight: (n,) 1 / mm², one over the variance expected of each coordinate.
    """

    source: Array
    target: Array
    weight: Array

    def __call__(self, center: Array, parameters: Array) -> tuple[float, Array]:
        """Half the weighted square distance, and its slope (6,), of a turn about `center` and a shift."""
        arms = (self.source - center) @ rotation_matrix(parameters[:3]).T
        apart = arms + center + parameters[3:] - self.target
        pull = apart * self.weight[:, None]
        turn = np.cross(arms, pull).sum(axis=0)
        slope = np.concatenate([left_jacobian(parameters[:3]).T @ turn, pull.sum(axis=0)])
        return 0.5 * float(np.sum(pull * apart)), slope

    def joined(self, other: PointPrior) -> PointPrior:
        return PointPrior(
            np.concatenate([self.source, other.source]),
            np.concatenate([self.target, other.target]),
            np.concatenate([self.weight, other.weight]),
        )


NO_PRIOR = PointPrior(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0))


def probes(joint: ArrayLike, shift_mm: float, turn_deg: float) -> tuple[Array, float]:
    """Six points (6, 3) round a joint, and their weight, that expect a shift and a turn of these sizes there.

    A shift t and a turn θ move them by 6 t² + 4 r² θ² in all, which fixes the radius r and the weight.
    """
    radius = np.sqrt(1.5) * shift_mm / np.radians(turn_deg)
    return np.asarray(joint, dtype=float) + radius * np.concatenate([np.eye(3), -np.eye(3)]), 1 / (6 * shift_mm**2)


def like_neighbor(joint: Array, neighbor: RigidMotion, shift_mm: float, turn_deg: float) -> tuple[Array, Array, Array]:
    """Points near a joint (fixed), where the neighbor's motion carries them (moving), and their weights."""
    points, weight = probes(joint, shift_mm, turn_deg)
    return points, neighbor.apply(points), np.full(len(points), weight)
