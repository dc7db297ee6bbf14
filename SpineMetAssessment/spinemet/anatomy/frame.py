"""VertebraFrame: a vertebra's own right-handed coordinate frame in RAS."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spinemet.evidence import Point


@dataclass(frozen=True)
class VertebraFrame:
    """Origin at the center of the body; unit axes to the patient's right, front and head.

    All vectors are RAS. The axes are perpendicular; right × anterior = superior.
    """

    origin: Point
    right: Point
    anterior: Point
    superior: Point

    @classmethod
    def from_directions(cls, origin: ArrayLike, superior: ArrayLike, anterior: ArrayLike) -> VertebraFrame:
        """Frame whose superior axis is exact and whose anterior axis is made perpendicular to it."""
        up = np.asarray(superior, dtype=float)
        up = up / np.linalg.norm(up)
        front = np.asarray(anterior, dtype=float)
        front = front - up * (front @ up)
        front = front / np.linalg.norm(front)
        right = cross(front, up)
        return cls(_point(origin), _point(right), _point(front), _point(up))

    @property
    def axes(self) -> NDArray[np.float64]:
        """3×3; the rows are right, anterior, superior."""
        return np.array([self.right, self.anterior, self.superior])

    def to_local(self, ras: ArrayLike) -> NDArray[np.float64]:
        """RAS points (…, 3) as (right, anterior, superior) millimeters from the origin."""
        return np.asarray((np.asarray(ras, dtype=float) - np.array(self.origin)) @ self.axes.T)

    def to_ras(self, local: ArrayLike) -> NDArray[np.float64]:
        """Local points (…, 3) as RAS millimeters."""
        return np.asarray(np.asarray(local, dtype=float) @ self.axes + np.array(self.origin))


def cross(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cross product of two vectors (3,); numpy's own is slow for a single pair."""
    (a, b, c), (d, e, f) = one.tolist(), other.tolist()
    return np.array([b * f - c * e, c * d - a * f, a * e - b * d])


def _point(vector: ArrayLike) -> Point:
    x, y, z = (float(v) for v in np.asarray(vector, dtype=float))
    return (x, y, z)
