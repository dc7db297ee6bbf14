"""The canal of a segment in closed form: a circular arc as axis, and cross-sections that follow from the grade.

A point has coordinates (s, u, v): length along the axis, to the right, to the front; u and v lie in the plane
perpendicular to the axis, so a cut at s is exact by construction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage

from spinemet.levels import Level
from spinemet.phantom.segment_spec import DIRECTIONS, SegmentSpec
from spinemet.phantom.solids import Array, ellipse, superellipse, superellipse_radius

_FULL = 2.5
"""Exponent of the canal's superellipse (`solids.superellipse`)."""

RAMP_MM = 4.0
"""Over this length the tumor swells to its full thickness."""

FILM_MM = 0.15
"""Fluid left round a cord whose fluid is said to be gone."""

FAT_MM = 2.3
"""Epidural fat all round the sac."""


@dataclass(frozen=True)
class CanalSize:
    """Full sizes in mm: canal width and depth, cord width and depth (0 below the conus), height of body and disc."""

    canal: tuple[float, float]
    cord: tuple[float, float]
    body: float
    disc: float


def canal_size(level: Level) -> CanalSize:
    """Typical sizes by region, smoothed along the spine: an approximation for a phantom, not a norm."""
    table = _SIZES
    at = float(level.order)
    knots = [float(item.order) for item in table]

    def of(column: int) -> float:
        return float(np.interp(at, knots, [row[column] for row in table.values()]))

    cord = (of(2), of(3)) if level <= Level.L1 else (0.0, 0.0)
    return CanalSize((of(0), of(1)), cord, of(4), of(5))


_SIZES: dict[Level, tuple[float, float, float, float, float, float]] = {
    # canal width and depth, cord width and depth, body, disc
    Level.C3: (23.0, 16.0, 12.6, 7.2, 13.5, 5.0),
    Level.C5: (24.5, 16.0, 13.2, 6.9, 13.0, 5.5),
    Level.C7: (24.0, 16.0, 11.6, 6.7, 14.5, 5.5),
    Level.T2: (19.0, 15.8, 9.6, 6.5, 17.0, 4.5),
    Level.T8: (17.5, 15.8, 8.8, 6.4, 20.0, 4.8),
    Level.T11: (19.5, 16.5, 9.4, 6.9, 23.0, 6.2),
    Level.L1: (23.0, 17.8, 8.4, 6.3, 26.0, 8.6),
    Level.L5: (27.0, 18.0, 8.4, 6.3, 28.0, 10.5),
}


@dataclass(frozen=True)
class Cut:
    """Distances (mm, negative inside) of points of a cut to what lies in the canal; `presser` is tumor or mimic."""

    canal: Array
    sac: Array
    cord: Array
    presser: Array


@dataclass(frozen=True)
class Tube:
    """Cross-sections along s, from how hard the tumor presses there."""

    spec: SegmentSpec

    @cached_property
    def size(self) -> CanalSize:
        return canal_size(self.spec.level)

    @cached_property
    def canal_half(self) -> tuple[float, float]:
        width, depth = self.size.canal
        return (width + self.spec.room_mm) / 2, (depth + self.spec.room_mm) / 2

    @cached_property
    def sac_half(self) -> tuple[float, float]:
        return self.canal_half[0] - FAT_MM, self.canal_half[1] - FAT_MM

    @property
    def cord_half(self) -> tuple[float, float]:
        return self.size.cord[0] / 2, self.size.cord[1] / 2

    @cached_property
    def toward(self) -> tuple[float, float]:
        """Unit vector (right, anterior) toward where the tumor comes from."""
        u, v = DIRECTIONS[self.spec.direction]
        length = float(np.hypot(u, v))
        return u / length, v / length

    @cached_property
    def reach(self) -> dict[str, float]:
        """How far canal, sac and cord reach from the axis toward the tumor, mm (their support functions)."""
        (u, v), dual = self.toward, _FULL / (_FULL - 1)
        a, b = self.canal_half
        canal = float((abs(a * u) ** dual + abs(b * v) ** dual) ** (1 / dual))
        support = {
            name: float(np.hypot(half[0] * u, half[1] * v))
            for name, half in (("sac", self.sac_half), ("cord", self.cord_half))
        }
        return {"canal": canal, **support}

    @property
    def fat(self) -> float:
        """Epidural fat between canal and sac toward the tumor, mm."""
        return self.reach["canal"] - self.reach["sac"]

    @property
    def fluid(self) -> float:
        """Fluid between sac and cord toward the tumor, mm."""
        return self.reach["sac"] - self.reach["cord"]

    @property
    def flat(self) -> float:
        """Share of the cord's thickness that is taken away at the worst cut."""
        return self.spec.flattening if self.spec.grade in ("2", "3") else 0.0

    @property
    def shift(self) -> float:
        """How far the cord as a whole is pushed away, mm."""
        return {"1c": 0.4, "2": 0.5, "3": 0.6}.get(self.spec.grade, 0.0)

    @cached_property
    def thickness(self) -> float:
        """Thickness of the tumor at the worst cut along its direction, mm."""
        grade = self.spec.grade
        if grade == "0":
            return 0.0
        if grade == "1a":
            return self.fat - 0.25
        if grade == "1b":
            wanted = self.spec.indentation_mm
            return self.fat + (0.6 * self.fluid if wanted is None else wanted)
        return self.fat + self.fluid + self.shift + 2 * self.reach["cord"] * self.flat

    def weight(self, s: Array) -> Array:
        """0 outside the tumor, 1 where it is thickest."""
        ramp = np.clip((self.spec.half_length_mm - np.abs(s)) / RAMP_MM, 0.0, 1.0)
        return ramp * ramp * (3 - 2 * ramp)

    def cut(self, s: Array, u: Array, v: Array) -> Cut:
        """Distances of points to the canal, the sac, the cord and what presses."""
        thick = self.thickness * self.weight(s)
        before_cord = self.fat + self.fluid
        hardest = max(self.thickness - before_cord, 1e-6)
        pressed = np.clip((thick - before_cord) / hardest, 0.0, 1.0) if self.thickness > before_cord else 0.0 * s
        canal = superellipse(u, v, *self.canal_half)
        cord = self._cord(u, v, pressed)
        sac = ellipse(u, v, *self.sac_half)
        front = self._front(u, v, thick)
        free = np.minimum(front, 9.0)
        tight = pressed * (self.spec.grade == "3")
        sac = (1 - tight) * sac + tight * np.maximum(sac, cord - FILM_MM)
        sac = np.where(thick > 0, np.maximum(sac, -free), sac)
        # The cord pushes the sac's far side along with it, so the sac always holds the cord.
        sac = np.minimum(sac, cord - FILM_MM) if self.size.cord[0] else sac
        presser = np.maximum(np.maximum(canal, -sac), np.where(thick > 0.05, -self._behind(u, v, thick, tight), 9.0))
        if self.size.cord[0]:
            touching = np.maximum(np.maximum(canal, front), -cord)
            presser = np.where(pressed > 0, np.minimum(presser, touching), presser)
            sac = np.where(pressed > 0, np.maximum(sac, -touching), sac)
        return Cut(canal, sac, cord, presser)

    def _front(self, u: Array, v: Array, thick: Array) -> Array:
        """Signed distance to the tumor's front, negative in the tumor."""
        if self.spec.direction == "circumferential":
            # Deepest in front; the rest of the ring only dents the sac, so that fluid can be left.
            a, b = self.canal_half
            ring = np.minimum(thick, FAT_MM + 0.3 * self.fluid)
            half_v = np.maximum(b - (thick + ring) / 2, 0.3)
            return -ellipse(u, v + (thick - ring) / 2, np.maximum(a - ring, 0.3), half_v)
        du, dv = self.toward
        return (self.reach["canal"] - thick) - (du * u + dv * v)

    def _behind(self, u: Array, v: Array, thick: Array, tight: Array) -> Array:
        """Signed distance into the tumor, positive inside; in grade 3 it also wraps the sac's sides."""
        front = -self._front(u, v, thick)
        if self.spec.direction == "circumferential":
            return front
        du, dv = self.toward
        wrapped = du * u + dv * v + 0.35 * self.reach["cord"]
        return np.where(tight > 0.5, np.maximum(front, wrapped), front)

    def _cord(self, u: Array, v: Array, pressed: Array) -> Array:
        a, b = self.cord_half
        if a <= 0:
            return np.full_like(u, 9.0)
        (du, dv), far = self.toward, -self.reach["cord"]
        along, across = du * u + dv * v, -dv * u + du * v
        flat = self.flat * pressed
        # Undo what the tumor did to the cord: it was pushed away, pressed flat from the front, and grew wider.
        along = far + (along + self.shift * pressed - far) / (1 - flat)
        across = across / (1 + 0.3 * flat)
        squeezed = ellipse(du * along - dv * across, dv * along + du * across, a, b)
        return squeezed * (1 - flat)


@dataclass(frozen=True)
class Axis:
    """Circular arc in the sagittal plane: radius in mm, positive when it bends toward the front (kyphosis)."""

    radius: float

    @classmethod
    def of(cls, spec: SegmentSpec) -> Axis:
        bend = np.radians(spec.curvature_deg) / 100.0
        return cls(float(1 / bend) if abs(bend) > 1e-6 else 1e7)

    def coordinates(self, x: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
        """(s, u, v) of points in the segment's own frame (right, anterior, superior; the axis passes 0 at s = 0)."""
        sign, radius = np.sign(self.radius), abs(self.radius)
        toward = radius - sign * y
        return radius * np.arctan2(z, toward), x, sign * (radius - np.hypot(z, toward))

    def position(self, s: Array, u: Array, v: Array) -> tuple[Array, Array, Array]:
        """Inverse of `coordinates`."""
        sign, radius = np.sign(self.radius), abs(self.radius)
        angle, rest = s / radius, radius - sign * v
        return u, sign * (radius - rest * np.cos(angle)), rest * np.sin(angle)


def profile(tube: Tube, s: Array, step: float = 0.1) -> Mapping[str, Array]:
    """Areas (mm²), extents and gaps (mm) of every cut at `s`, integrated over points `step` mm apart.

    "gap" is the distance from what presses to the cord, "indentation" how far the sac's edge toward the tumor gave
    way, "cord_ap" and "sac_ap" extents from back to front; "cord_along" is the cord's extent toward the tumor.
    """
    a, b = tube.canal_half
    u, v = np.meshgrid(np.arange(-a - 1, a + 1, step), np.arange(-b - 1, b + 1, step), indexing="ij")
    du, dv = tube.toward
    rows: list[dict[str, float]] = []
    for place in np.asarray(s, dtype=float):
        cut = tube.cut(np.full_like(u, place), u, v)
        inside = {name: getattr(cut, name) < 0 for name in ("canal", "sac", "cord", "presser")}
        areas = {f"{name}_area": float(mask.sum()) * step * step for name, mask in inside.items()}
        along = du * u + dv * v
        edge = float(along[inside["sac"]].max()) if inside["sac"].any() else float("nan")
        row = {
            **areas,
            "fluid_area": float((inside["sac"] & ~inside["cord"]).sum()) * step * step,
            "indentation": tube.reach["sac"] - edge,
            "cord_ap": _extent(v, inside["cord"], step),
            "cord_width": _extent(u, inside["cord"], step),
            "cord_along": _extent(along, inside["cord"], step),
            "sac_ap": _extent(v, inside["sac"], step),
            "gap": _gap(inside["presser"], inside["cord"], step),
            "thickness": tube.thickness * float(tube.weight(np.array(place))),
        }
        rows.append(row)
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _extent(values: Array, mask: Array, step: float) -> float:
    return float(np.ptp(values[mask])) + step if mask.any() else 0.0


def _gap(one: Array, other: Array, step: float) -> float:
    """Least distance between the middles of two masks' points."""
    if not one.any() or not other.any():
        return float("inf")
    return float(ndimage.distance_transform_edt(~one)[other].min()) * step


def body_outline(u: Array, v: Array, tube: Tube) -> Array:
    """Distance to the outline of the vertebral body in front of the canal."""
    depth = 1.15 * tube.canal_half[0] + 2.0
    center = tube.canal_half[1] + depth * 0.92
    rho = superellipse_radius(u / (1.5 * tube.canal_half[0]), (v - center) / depth)
    return (rho - 1) * depth
