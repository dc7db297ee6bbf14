"""Curves along the spine: the canal's centerline and the spline through the body centers.

The canal's centerline runs through the middle of each vertebral foramen at mid-height of the body. A vertebra whose
arch is missing or open borrows its foramen's place, relative to its posterior wall, from its neighbors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

from spinemet.anatomy.arch.ring import NOMINAL_DEPTH_MM, ArchRing, arch_ring
from spinemet.anatomy.spine import Spine
from spinemet.anatomy.vertebra import Vertebra
from spinemet.errors import NotMeasurable
from spinemet.evidence import Point
from spinemet.levels import Level


@dataclass(frozen=True, eq=False)
class SpineCurve:
    """A smooth curve through all measured levels, from head to tail.

    :param knots: position of each level on it, RAS.
    :param estimated: levels whose knot was borrowed from their neighbors.
    """

    name: str
    knots: Mapping[Level, Point]
    estimated: tuple[Level, ...] = ()

    @cached_property
    def lengths(self) -> dict[Level, float]:
        """Length in mm along the chords from the first level to each level: the curve's parameter."""
        points = np.array(list(self.knots.values()))
        steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
        return dict(zip(self.knots, np.concatenate([[0.0], np.cumsum(steps)]).tolist(), strict=True))

    @cached_property
    def _spline(self) -> CubicSpline:
        return CubicSpline(list(self.lengths.values()), np.array(list(self.knots.values())), bc_type="natural")

    @property
    def span(self) -> tuple[float, float]:
        """Parameters (mm) of the first and the last level."""
        return 0.0, max(self.lengths.values())

    def at(self, parameter: ArrayLike) -> NDArray[np.float64]:
        """RAS positions (…, 3) at parameters in mm; straight on beyond the ends."""
        values = np.asarray(parameter, dtype=float)
        inside = np.clip(values, *self.span)
        beyond = (values - inside)[..., None]
        return np.asarray(self._spline(inside) + beyond * self._spline(inside, 1))

    def tangent(self, parameter: ArrayLike) -> NDArray[np.float64]:
        """Unit vectors (…, 3) along the curve toward the head, RAS."""
        way = -self._spline(np.clip(np.asarray(parameter, dtype=float), *self.span), 1)
        return np.asarray(way / np.linalg.norm(way, axis=-1, keepdims=True))

    def points(self, step_mm: float = 1.0) -> NDArray[np.float64]:
        """Positions (n, 3) from head to tail, about `step_mm` apart."""
        end = self.span[1]
        return self.at(np.linspace(0.0, end, max(2, round(end / step_mm) + 1)))

    def nearest(self, ras: ArrayLike) -> float:
        """Parameter (mm) of the point of the curve nearest to a RAS position."""
        parameters = np.linspace(-20.0, self.span[1] + 20.0, max(3, round(self.span[1] + 41)))
        away = np.linalg.norm(self.at(parameters) - np.asarray(ras, dtype=float), axis=1)
        return float(parameters[np.argmin(away)])


def body_line(spine: Spine) -> SpineCurve:
    """Cubic spline through the centers of all measured bodies.

    :raises NotMeasurable: fewer than two bodies were measured.
    """
    knots = {level: item.frame.origin for level, item in spine.vertebrae.items() if item.measured}
    return _curve("spline through the body centers", knots, ())


def canal_line(spine: Spine, rings: Mapping[Level, ArchRing] | None = None) -> SpineCurve:
    """Centerline of the spinal canal, also past vertebrae that lack their arch.

    :param rings: from `partition`, where the caller has them.
    :raises NotMeasurable: fewer than two bodies were measured.
    """
    measured = {level: item for level, item in spine.vertebrae.items() if item.measured}
    found = dict(rings or {})
    found.update({level: arch_ring(item) for level, item in measured.items() if level not in found})
    seen = [level for level in measured if found[level].closed]
    guessed = tuple(level for level in measured if level not in seen)
    knots = {}
    for level, item in measured.items():
        side, behind = _offset(found[level]) if level in seen else _borrowed(level, list(measured), seen, found)
        knots[level] = _place(item, side, behind)
    return _curve("centerline of the spinal canal", knots, guessed)


def _curve(name: str, knots: dict[Level, Point], estimated: tuple[Level, ...]) -> SpineCurve:
    if len(knots) < 2:
        raise NotMeasurable("Fewer than two vertebral bodies were measured; the spine's course is unknown.")
    return SpineCurve(name, knots, estimated)


def _offset(ring: ArchRing) -> tuple[float, float]:
    """Middle of a foramen: to the right of the body's middle, and behind its posterior wall, mm."""
    return ring.middle, ring.depth / 2


def _borrowed(
    level: Level, levels: list[Level], seen: list[Level], rings: Mapping[Level, ArchRing]
) -> tuple[float, float]:
    """Between the nearest levels above and below with a foramen; theirs alone at an end; a guess without any."""
    if not seen:
        return 0.0, NOMINAL_DEPTH_MM / 2
    place = [levels.index(item) for item in seen]
    offsets = np.array([_offset(rings[item]) for item in seen])
    side, behind = (float(np.interp(levels.index(level), place, offsets[:, n])) for n in (0, 1))
    return side, behind


def _place(vertebra: Vertebra, side: float, behind: float) -> Point:
    x, y, z = vertebra.frame.to_ras([side, vertebra.wall[0] - behind, 0.0])
    return (float(x), float(y), float(z))
