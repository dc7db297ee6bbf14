"""The processes and plates of an arch as simple solids: how deep a point lies in each tells which part it is.

All in local (right, anterior, superior) millimeters of a vertebra's frame. A solid's depth is a pseudo-distance to its
surface in mm, negative inside; where solids overlap, the one in which a point lies deeper has it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]

MIN_RADIUS_MM = 1.0
"""No process is thinner."""
KEEL_WIDENS = np.float32(0.1)
"""A spinous process grows thicker toward its tip by this much per mm [D]."""
KEEL_ALONE, KEEL_ALONE_MM = np.float32(0.4), np.float32(10.0)
"""… and takes this much more per mm farther than this behind its start: nothing else lies in the midline there [D]."""
STEADY_MM2 = 2.0
"""Upright rods are read from a short free end and drawn on to the pedicle: their slope is held back as by this much
more variance along them [D], so that a few voxels at the end do not swing the root."""
TRIM = 2.2
"""Points farther than this, in semi-axes of the section, do not take part in a rod's fit."""


@dataclass(frozen=True, eq=False)
class Rod:
    """A process: a straight axis with an elliptic section, open at its tip.

    :param root: where the axis starts; `tip` where it leads to.
    :param across: (2, 3) unit vectors of the section's half axes.
    :param radii: their lengths.
    """

    root: NDArray[np.float64]
    tip: NDArray[np.float64]
    across: NDArray[np.float64]
    radii: NDArray[np.float64]

    @property
    def axis(self) -> NDArray[np.float64]:
        way = self.tip - self.root
        return np.asarray(way / max(float(np.linalg.norm(way)), 1e-6))

    def at(self, coordinate: int, value: float) -> NDArray[np.float64]:
        """The point of the axis whose right, anterior or superior coordinate is `value`."""
        slope = float(self.axis[coordinate])
        if abs(slope) < 0.1:
            return self.root
        return np.asarray(self.root + self.axis * ((value - self.root[coordinate]) / slope))

    def depth(self, points: Points) -> Points:
        local = points - self.root.astype(np.float32)
        scaled = local @ (self.across / self.radii[:, None]).T.astype(np.float32)
        along = local @ self.axis.astype(np.float32)
        behind = np.minimum(along, 0.0)
        size = np.float32(np.sqrt(self.radii[0] * self.radii[1]))
        rho = np.sqrt((scaled**2).sum(axis=1) + (behind / size) ** 2)
        radial = np.sqrt(np.maximum((local**2).sum(axis=1) - np.maximum(along, 0.0) ** 2, 0.0))
        return np.asarray(radial - radial / np.maximum(rho, 1e-3), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Bar:
    """A pedicle: an elliptic section along an axis that ends flat at its rear.

    :param center: a point of the axis; `axis` points to the front.
    :param rear: where it ends, as mm along the axis from `center` (negative).
    """

    center: NDArray[np.float64]
    axis: NDArray[np.float64]
    radii: NDArray[np.float64]
    rear: float

    def depth(self, points: Points) -> Points:
        local = points - self.center.astype(np.float32)
        along = local @ self.axis.astype(np.float32)
        up = np.array([0.0, 0.0, 1.0]) - self.axis * self.axis[2]
        up /= np.linalg.norm(up)
        side = np.cross(self.axis, up)
        p, q = local @ side.astype(np.float32), local @ up.astype(np.float32)
        rho = np.sqrt((p / self.radii[0]) ** 2 + (q / self.radii[1]) ** 2)
        radial = np.sqrt(p * p + q * q)
        return np.asarray(np.maximum(radial - radial / np.maximum(rho, 1e-3), self.rear - along), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Plate:
    """A lamina: a flat plate beside the midline, of a thickness and within a span of heights and of widths.

    :param plane: anterior coordinate as coefficients of (1, outward, superior).
    :param half: half of its thickness across the plane.
    :param floor: lower height as coefficients of (1, outward).
    :param top: upper height.
    :param reach: outward coordinate at which it ends.
    :param sign: +1 for the patient's right.
    :param middle: right coordinate of the midline.
    """

    plane: NDArray[np.float64]
    half: float
    floor: tuple[float, float]
    top: float
    reach: float
    sign: int
    middle: float

    def depth(self, points: Points) -> Points:
        outward = self.sign * (points[:, 0] - np.float32(self.middle))
        a, b, c = (np.float32(v) for v in self.plane)
        tilt = np.float32(1 / np.sqrt(1 + self.plane[1] ** 2 + self.plane[2] ** 2))
        away = np.abs(points[:, 1] - (a + b * outward + c * points[:, 2])) * tilt
        beyond = np.maximum(outward - np.float32(self.reach), 0.0)
        sheet = np.sqrt(away**2 + beyond**2) - np.float32(self.half)
        low = np.float32(self.floor[0]) + np.float32(self.floor[1]) * outward
        return np.maximum(sheet, np.maximum(low - points[:, 2], points[:, 2] - np.float32(self.top)))


@dataclass(frozen=True, eq=False)
class Keel:
    """The spinous process: an upright plate in the midline behind the laminae.

    :param plane: right coordinate as coefficients of (1, anterior, superior).
    :param half: half of its thickness at its root.
    :param start: anterior coordinate at which it begins as coefficients of (1, superior).
    """

    plane: NDArray[np.float64]
    half: float
    start: tuple[float, float]

    def depth(self, points: Points) -> Points:
        a, b, c = (np.float32(v) for v in self.plane)
        behind = np.float32(self.start[0]) + np.float32(self.start[1]) * points[:, 2] - points[:, 1]
        width = np.float32(self.half) + KEEL_WIDENS * np.maximum(behind, 0)
        # Far behind the laminae there is nothing else in the midline: a bent or thick tip stays in one piece.
        width += KEEL_ALONE * np.maximum(behind - KEEL_ALONE_MM, 0)
        aside = np.abs(points[:, 0] - (a + b * points[:, 1] + c * points[:, 2])) - width
        return np.asarray(np.maximum(aside, -behind), dtype=np.float32)


def fit_rod(points: Points, coordinate: int, sign: int) -> Rod | None:
    """Rod through points that lie along one coordinate; None when they are too few.

    :param coordinate: right (0), anterior (1) or superior (2): along which the tip is sought, on the side of `sign`.
    """
    if len(points) < 4:
        return None
    others = [n for n in range(3) if n != coordinate]
    kept = points.astype(float)
    for _ in range(3):
        middle = kept.mean(axis=0)
        centered = kept - middle
        spread = float((centered[:, coordinate] ** 2).sum()) + len(kept) * (STEADY_MM2 if coordinate == 2 else 1e-6)
        slope = (centered[:, coordinate] @ centered[:, others]) / spread
        direction = np.zeros(3)
        direction[coordinate], direction[others] = 1.0, np.clip(slope, -1.5, 1.5)
        direction /= np.linalg.norm(direction)
        across, radii = _section(centered, direction)
        inside = (((centered @ across.T) / radii) ** 2).sum(axis=1) <= TRIM**2
        if inside.all() or inside.sum() < 4:
            break
        kept = kept[inside]
    tip = float(sign * np.percentile(sign * kept[:, coordinate], 98))
    direction = direction * sign
    place = middle + direction * ((tip - middle[coordinate]) / direction[coordinate])
    return Rod(middle, place, across, radii)


def _section(centered: NDArray[np.float64], direction: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Half axes of the ellipse that has the points' second moments across a direction."""
    flat = centered - np.outer(centered @ direction, direction)
    values, vectors = np.linalg.eigh(flat.T @ flat / max(len(flat), 1))
    return vectors[:, 1:].T, np.maximum(2 * np.sqrt(np.maximum(values[1:], 0.0)), MIN_RADIUS_MM)
