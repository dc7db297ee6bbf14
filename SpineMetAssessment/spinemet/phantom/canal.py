"""The spinal canal as a tube along the spine: bony canal, thecal sac, cord, nerve roots, epidural tumor.

Everything is a function of the height z (RAS): tables of centers and half axes, looked up per voxel. Across the
tube, u points right and v to the front, perpendicular to the tube's axis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from spinemet.levels import Level
from spinemet.phantom.shape import VertebraShape
from spinemet.phantom.solids import Array, ellipse, superellipse
from spinemet.phantom.spec import EpiduralSpec

VENTRAL_FAT = 2.1
"""Epidural fat between the posterior wall and the sac, mm."""

DORSAL_FAT = 1.2
_STEP = 0.25

_CORD = {
    Level.T8: (4.6, 3.3),
    Level.T9: (4.6, 3.3),
    Level.T10: (4.7, 3.4),
    Level.T11: (4.9, 3.6),
    Level.T12: (4.9, 3.7),
}
"""Half width and half depth of the cord, mm; the conus tapers from here through L1 (approximate)."""

_ROOTS = [(0.72 * np.cos(a), 0.72 * np.sin(a)) for a in np.radians(np.linspace(185, 355, 11))] + [
    (0.45 * np.cos(a), 0.45 * np.sin(a)) for a in np.radians((215, 250, 290, 325))
]
"""Nerve roots of the cauda equina lie at the back of the sac (unit sac coordinates)."""


@dataclass(frozen=True)
class Sections:
    """Distances (mm, negative inside) of points to everything in the canal."""

    canal: Array
    sac: Array
    cord: Array
    roots: Array
    tumor: Array


@dataclass(frozen=True)
class Canal:
    """Tables over z at steps of 0.25 mm, from `bottom` up.

    :param shrink: per epidural level, what its grade did ("thickness", "cord AP loss %", …).
    """

    bottom: float
    tables: Mapping[str, Array]
    tumor_spans: Mapping[Level, tuple[float, float]]
    built: Mapping[Level, Mapping[str, float]]

    @property
    def top(self) -> float:
        return self.bottom + _STEP * (len(self.tables["x"]) - 1)

    def at(self, z: float, name: str) -> float:
        """One table at one height."""
        return float(np.interp(z, self.bottom + _STEP * np.arange(len(self.tables[name])), self.tables[name]))

    def center(self, z: float) -> tuple[float, float, float]:
        return (self.at(z, "x"), self.at(z, "y"), z)

    def _rows(self, z: Array) -> Array:
        index = np.rint((z - self.bottom) / _STEP).astype(np.int32)
        return np.clip(index, 0, len(self.tables["x"]) - 1)

    def tube(self, x: Array, y: Array, z: Array) -> Array:
        """Distance to the bony canal alone."""
        rows, t = self._rows(z), self.tables
        u, v = x - t["x"][rows], (y - t["y"][rows]) * t["cos"][rows]
        side = superellipse(u, v, t["canal_u"][rows], t["canal_v"][rows])
        return np.maximum(side, np.maximum(self.bottom + 1 - z, z - self.top + 1))

    def sections(self, x: Array, y: Array, z: Array) -> Sections:
        """Distances of RAS points to everything in the canal."""
        rows = self._rows(z)
        t = {name: table[rows] for name, table in self.tables.items()}
        u, v = x - t["x"], (y - t["y"]) * t["cos"]
        canal = superellipse(u, v, t["canal_u"], t["canal_v"])
        sac = ellipse(u, v - t["sac_y"], t["sac_u"], t["sac_v"])
        cord = ellipse(u, v - t["cord_y"], np.maximum(t["cord_u"], 0.05), np.maximum(t["cord_v"], 0.05))
        cord = np.where(t["cord_u"] > 0.3, cord, 9.0)
        allowed = self._allowed(u, v, t)
        tumor = np.maximum(np.maximum(canal, -allowed), -cord)
        tumor = np.where(t["tumor"] > 0.3, tumor, 9.0)
        sac = np.where(t["tumor"] > 0.3, np.maximum(sac, allowed), sac)
        return Sections(canal, sac, cord, _roots(u, v, t), tumor)

    @staticmethod
    def _allowed(u: Array, v: Array, t: Mapping[str, Array]) -> Array:
        """Distance to the room that the tumor leaves: behind its front, or (grade 3) close around the cord."""
        w = np.clip(np.abs(u / t["canal_u"]), 0.0, 0.97)
        front = t["canal_v"] * (1 - w * w * np.sqrt(w)) ** np.float32(0.4) - t["tumor"]
        behind = v - front
        if not np.any(t["ring"] > 0):
            return behind
        around = ellipse(u, v - t["cord_y"], t["cord_u"] + 0.3, t["cord_v"] + 0.3)
        return (1 - t["ring"]) * behind + t["ring"] * around


def _roots(u: Array, v: Array, t: Mapping[str, Array]) -> Array:
    nearest = np.full_like(u, 81.0)
    for a, b in _ROOTS:
        du, dv = u - a * t["sac_u"], v - t["sac_y"] - b * t["sac_v"]
        np.minimum(nearest, du * du + dv * dv, out=nearest)
    return np.where(t["roots"] > 0.5, np.sqrt(nearest) - np.float32(0.6), 9.0)


def make_canal(
    shapes: Mapping[Level, VertebraShape], poses: Mapping[Level, Array], epidural: tuple[EpiduralSpec, ...]
) -> Canal:
    """The canal through posed vertebrae, with epidural tumor."""
    levels = sorted(shapes, key=lambda item: -item.order)
    points, knots = [], []
    for level in levels:
        offsets = (-45.0, -14.0, 0.0) if level is Level.S1 else (0.0,)
        if level is levels[-1]:
            offsets = (*offsets, 30.0, 60.0)
        for offset in offsets:
            x, y, _ = shapes[level].canal_center
            bend = 0.1 * offset if level is Level.S1 and offset < 0 else 0.0
            points.append((poses[level] @ np.array([x, y + bend, offset, 1.0]))[:3])
            knots.append(level)
    line = np.array(points)
    z = np.arange(line[0, 2], line[-1, 2], _STEP)
    x_of, y_of = PchipInterpolator(line[:, 2], line[:, 0]), PchipInterpolator(line[:, 2], line[:, 1])
    t: dict[str, Array] = {"x": x_of(z), "y": y_of(z)}
    t["cos"] = 1 / np.sqrt(1 + y_of.derivative()(z) ** 2)

    def along(values: list[float]) -> Array:
        return np.interp(z, line[:, 2], values)

    taper = np.array([0.45 if line[n, 2] < poses[Level.S1][2, 3] - 20 else 1.0 for n in range(len(line))])
    t["canal_u"] = along([float(shapes[level].size.canal_width / 2 * taper[n]) for n, level in enumerate(knots)])
    t["canal_v"] = along([float(shapes[level].size.canal_depth / 2 * taper[n]) for n, level in enumerate(knots)])
    t["sac_v"] = np.maximum(t["canal_v"] - (VENTRAL_FAT + DORSAL_FAT) / 2, 1.0)
    t["sac_u"] = np.clip(t["canal_u"] - 1.3, 1.0, 9.3)
    t["sac_y"] = np.full_like(z, (DORSAL_FAT - VENTRAL_FAT) / 2)
    closed = np.clip((z - (poses[Level.S1][2, 3] - 22.0)) / 14.0, 0.0, 1.0)
    t["sac_u"], t["sac_v"] = t["sac_u"] * np.sqrt(closed) + 0.05, t["sac_v"] * np.sqrt(closed) + 0.05
    height = {level: float(poses[level][2, 3]) for level in levels}
    t |= _cord(z, height)
    t["roots"] = ((z < height[Level.L1] - 6.0) & (closed > 0.6)).astype(float)
    t["tumor"], t["ring"] = np.zeros_like(z), np.zeros_like(z)
    spans, built = {}, {}
    for item in epidural:
        spans[item.level], built[item.level] = _add_tumor(t, z, item, shapes[item.level], height[item.level])
    return Canal(float(z[0]), {name: table.astype(np.float32) for name, table in t.items()}, spans, built)


def _cord(z: Array, height: Mapping[Level, float]) -> dict[str, Array]:
    known = [level for level in _CORD if level in height]
    known.sort(key=lambda level: height[level])
    at = np.array([height[level] for level in known])
    full = np.clip((z - (height[Level.L1] - 9.0)) / (height[Level.T12] - height[Level.L1]), 0.0, 1.0) ** 0.6
    return {
        "cord_u": np.interp(z, at, [_CORD[level][0] for level in known]) * full,
        "cord_v": np.interp(z, at, [_CORD[level][1] for level in known]) * full,
        "cord_y": np.full_like(z, (DORSAL_FAT - VENTRAL_FAT) / 2),
    }


def _add_tumor(
    t: dict[str, Array], z: Array, item: EpiduralSpec, shape: VertebraShape, center: float
) -> tuple[tuple[float, float], dict[str, float]]:
    """Shape the tables at one level to its ESCC grade; returns the tumor's span in z and what was built."""
    here = int(np.argmin(np.abs(z - center)))
    csf = float(t["sac_y"][here] + t["sac_v"][here] - t["cord_y"][here] - t["cord_v"][here])
    cord = float(t["cord_v"][here])
    flat = {"2": 0.30, "3": 0.42}.get(item.grade, 0.0)
    thickness = {
        "0": 0.0,
        "1a": VENTRAL_FAT - 0.2,
        "1b": VENTRAL_FAT + 1.7,
        "1c": VENTRAL_FAT + csf + 0.2,
        "2": VENTRAL_FAT + csf + 2 * cord * flat + 0.6,
        "3": VENTRAL_FAT + csf + 2 * cord * flat + 0.9,
    }[item.grade]
    half = 0.5 * shape.mean_height
    ramp = np.clip((half + 3.0 - np.abs(z - center)) / 5.0, 0.0, 1.0)
    weight = ramp * ramp * (3 - 2 * ramp)
    thick = thickness * weight
    t["tumor"] = np.maximum(t["tumor"], thick)
    # The cord gives way only where the tumor has used up the fluid in front of it.
    pressed = (
        np.clip((thick - VENTRAL_FAT - csf) / max(thickness - VENTRAL_FAT - csf, 0.1), 0.0, 1.0) if flat else 0 * z
    )
    back = t["cord_y"] - t["cord_v"] - {"2": 0.5, "3": 0.8}.get(item.grade, 0.0) * pressed
    t["cord_v"] = t["cord_v"] * (1 - flat * pressed)
    t["cord_u"] = t["cord_u"] * (1 + 0.25 * flat * pressed)
    t["cord_y"] = np.where(pressed > 0, back + t["cord_v"], t["cord_y"])
    if item.grade == "3":
        t["ring"] = np.maximum(t["ring"], np.clip(2 * pressed - 0.5, 0.0, 1.0))
    return (center - half - 3.0, center + half + 3.0), {
        "thickness_mm": thickness,
        "fluid_in_front_mm": csf,
        "cord_ap_loss_percent": 100 * flat,
        "cord_ap_mm": 2 * cord * (1 - flat),
        "canal_ap_mm": 2 * float(t["canal_v"][here]),
    }
