"""The shape of one vertebra in its own frame (right, anterior, superior; mm; origin in the middle of the body).

The endplates are height fields over (right, anterior), so heights and losses are known in closed form; body and
arch are implicit functions (`solids`). Left and right are mirror images.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from spinemet.levels import Level
from spinemet.phantom.dimensions import DIMENSIONS, Dimensions
from spinemet.phantom.solids import (
    FAR,
    Array,
    Vector,
    blade,
    ellipsoid,
    elliptic_bar,
    rod,
    smooth_max,
    smooth_min,
    superellipse,
    superellipse_radius,
    wall,
)
from spinemet.phantom.spec import CollapseSpec

COLUMNS = {"anterior": 0.9, "middle": 0.5, "posterior": 0.1}
"""Where the heights are defined, as a fraction of the body's depth from the posterior wall."""

ARCH_PARTS = ("pedicle", "facet", "lamina", "transverse", "spinous")
SHELL = 1.0
"""Thickness of the cortical shell, mm."""


@dataclass(frozen=True)
class VertebraShape:
    """One vertebra, intact or collapsed.

    :param concavity: depth of the superior and inferior endplate's hollow, mm.
    """

    level: Level
    size: Dimensions
    collapse: CollapseSpec | None = None
    concavity: tuple[float, float] = (1.2, 1.7)

    @property
    def intact(self) -> VertebraShape:
        """The same vertebra before it collapsed."""
        return replace(self, collapse=None)

    @property
    def is_sacrum(self) -> bool:
        return self.level is Level.S1

    @cached_property
    def half(self) -> tuple[float, float]:
        """Half width and half depth of the endplates' outline."""
        return self.size.width / 2, self.size.depth / 2

    @property
    def hollow(self) -> float:
        """How far the posterior wall is hollowed toward the front, mm."""
        return 0.055 * self.size.depth

    @property
    def posterior_wall(self) -> float:
        """Anterior coordinate of the posterior wall in the midline."""
        return -self.half[1] + self.hollow

    @property
    def depth(self) -> float:
        """Depth of the body in the midline."""
        return self.half[1] - self.posterior_wall

    @property
    def mean_height(self) -> float:
        return (self.size.height_anterior + self.size.height_posterior) / 2

    def anterior_at(self, fraction: float) -> float:
        """Anterior coordinate at a fraction of the depth from the posterior wall."""
        return self.posterior_wall + fraction * self.depth

    def kept(self, y: Array) -> Array:
        """Share of the intact height that is left at anterior coordinate y: a parabola through the three columns."""
        if self.collapse is None:
            return np.ones_like(y)
        v = np.clip((y - self.posterior_wall) / self.depth, 0.05, 0.95)
        a, m, p = 1 - self.collapse.anterior, 1 - self.collapse.middle, 1 - self.collapse.posterior
        curve = p * (v - 0.5) * (v - 0.9) / 0.32 - m * (v - 0.1) * (v - 0.9) / 0.16 + a * (v - 0.1) * (v - 0.5) / 0.32
        return np.maximum(curve, 0.08)

    def plates(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Superior coordinate of the superior and the inferior endplate at (x, y)."""
        v = (y - self.posterior_wall) / self.depth
        rim = self.size.height_posterior + (self.size.height_anterior - self.size.height_posterior) * (v - 0.1) / 0.8
        r = superellipse_radius(x / self.half[0], (y - self.anterior_at(0.46)) / self.half[1])
        bowl = np.clip(1 - (r / 0.82) ** 2, 0.0, 1.0)
        bowl = bowl * np.sqrt(bowl)
        kept = self.kept(y)
        return kept * (rim / 2 - self.concavity[0] * bowl), kept * (self.concavity[1] * bowl - rim / 2)

    def body(self, x: Array, y: Array, z: Array) -> Array:
        """The vertebral body: an oval with a waist and a hollow back, between the endplates."""
        superior, inferior = self.plates(x, y)
        # The waist follows the plates, so that a collapsed body still reaches its full depth at its rims.
        u = (2 * z - superior - inferior) / np.maximum(superior - inferior, 1.0)
        waist = np.clip(1 - u * u, 0.0, 1.0) * np.float32(0.08)
        if self.is_sacrum:
            waist = np.clip(0.5 - 0.5 * u, 0.0, 1.2) * np.float32(0.3)
        side = superellipse(x, y, self.half[0] * (1 - waist), self.half[1] * (1 - waist))
        back = self.hollow * np.clip(1 - (x / (0.6 * self.half[0])) ** 2, 0.0, 1.0) - self.half[1]
        side = smooth_max(side, back - y, 1.0)
        return smooth_max(side, np.maximum(z - superior, inferior - z), 1.2)

    @property
    def canal_center(self) -> tuple[float, float, float]:
        """Middle of the bony canal, halfway up the body."""
        return (0.0, self.posterior_wall - self.size.canal_depth / 2, 0.0)

    def canal(self, x: Array, y: Array) -> Array:
        """The bony canal, a cylinder along the superior axis."""
        return superellipse(x, y - self.canal_center[1], self.size.canal_width / 2, self.size.canal_depth / 2)

    @cached_property
    def pedicle_height(self) -> float:
        """Superior coordinate of the pedicles' axes."""
        keep = float(self.kept(np.array(self.anterior_at(0.15))))
        return keep * (self.size.height_posterior / 2) - self.size.pedicle_height / 2 - 1.0

    @cached_property
    def pedicle_axis(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Front and back end (x, y) of the right pedicle's axis; it lies level."""
        d, back = self.size, -self.size.depth / 2
        x = d.canal_width / 2 + d.pedicle_width / 2 - 0.3
        spread, length = float(np.tan(np.radians(d.pedicle_angle))), 0.6 * d.canal_depth
        return (x - 5.0 * spread, back + 5.0), (x + spread * length, back - length)

    @cached_property
    def transverse_axis(self) -> tuple[Vector, Vector]:
        """Root and tip of the right transverse process's axis."""
        d, s, pz = self.size, self.size.shingle, self.pedicle_height
        x, y = self._pillar
        return (x + 1.0, y, pz - 2.0), (d.transverse, y - 4.0 - 12.0 * s, pz - 1.0 + 3.0 * s)

    @cached_property
    def _pillar(self) -> tuple[float, float]:
        """Where both articular processes of the right side meet (x, y)."""
        d = self.size
        spread, length = float(np.tan(np.radians(d.pedicle_angle))), 0.6 * d.canal_depth
        return (d.canal_width / 2 + d.pedicle_width / 2 - 0.3 + 0.4 * spread * length, -d.depth / 2 - length - 1.0)

    def arch(self, x: Array, y: Array, z: Array) -> dict[str, Array]:
        """The parts of the arch, left and right in one, without the canal."""
        if self.is_sacrum:
            return self._sacral_arch(x, y, z)
        d, ax = self.size, np.abs(x)
        back = -d.depth / 2
        half_canal = d.canal_width / 2
        lamina_y = self.posterior_wall - d.canal_depth
        pz = self.pedicle_height
        half_height = d.height_posterior / 2
        pillar = self._pillar

        pedicle = elliptic_bar(ax, y, z, *self.pedicle_axis, pz, (d.pedicle_width / 2, d.pedicle_height / 2))
        s = d.shingle
        superior_x = s * (half_canal + 2.5) + (1 - s) * (half_canal + 6.5)
        superior_y = s * (back - 0.75 * d.canal_depth) + (1 - s) * (back - 0.78 * d.canal_depth)
        inferior_x = s * (half_canal + 1.5) + (1 - s) * (half_canal + 0.5)
        inferior_y = s * (superior_y - 7.5) + (1 - s) * (superior_y - 6.5)
        grown = 1.0 - 0.25 * s
        top = half_height + 0.45 * d.disc_below + 3.0
        bottom = -half_height - 0.75 * d.disc_below - 1.0
        facing = 88.0 * s + 47.0 * (1 - s)
        superior = blade(
            ax, y, z, (*pillar, pz - 1.0), (superior_x, superior_y, top), (4.2 * grown, 3.5 * grown), facing, 1.6
        )
        inferior_root = (pillar[0] - 1.0, pillar[1] - 4.0, pz - 3.0)
        inferior_tip = (inferior_x, inferior_y, bottom)
        inferior = blade(ax, y, z, inferior_root, inferior_tip, (4.4 * grown, 3.5 * grown), facing, 1.5)
        facet = smooth_min(superior, inferior, 3.0)
        lamina_z = -3.0 - 3.0 * s
        lamina = wall(
            ax, y, z, (0.0, lamina_y - 3.6), (half_canal + 2.0, lamina_y + 0.35 * d.canal_depth), lamina_z,
            (2.9, 0.33 * d.height_posterior + 2.0 + 1.5 * s),
        )  # fmt: skip
        transverse = rod(ax, y, z, *self.transverse_axis, (4.6, 3.4 + 1.2 * s))
        return {
            "pedicle": pedicle,
            "facet": facet,
            "lamina": lamina,
            "transverse": transverse,
            "spinous": self._spinous(x, y, z, lamina_y - 2.5),
        }

    def _spinous(self, x: Array, y: Array, z: Array, start: float) -> Array:
        d = self.size
        back = start - y
        center = -4.0 - d.spinous_slope * back
        tall = (0.31 - 0.07 * d.shingle) * d.height_posterior * min(1.0, d.spinous_length / 28.0) + np.clip(
            back / d.spinous_length, 0.0, 1.0
        ) * 1.5
        thick = 2.8 + 1.6 * np.clip(back / d.spinous_length, 0.0, 1.0) ** 3
        section = smooth_max(
            np.abs(x) - thick, (np.abs(z - center) - tall) / np.float32(np.hypot(1, d.spinous_slope)), 3.0
        )
        return smooth_max(section, np.maximum(-back - 2.0, back - d.spinous_length), 4.0)

    def _sacral_arch(self, x: Array, y: Array, z: Array) -> dict[str, Array]:
        d, ax = self.size, np.abs(x)
        back, half_canal = -d.depth / 2, d.canal_width / 2
        lamina_y = self.posterior_wall - d.canal_depth
        ala = ellipsoid(ax, y, z, (half_canal + 16.0, back + 12.0, -3.0 - 2.0), (27.0, 15.0, 16.0))
        ala = smooth_max(ala, z - 10.0 + 0.15 * ax, 5.0)
        tip = (half_canal + 6.5, back - 0.78 * d.canal_depth, d.height_posterior / 2 + 7.0)
        superior = blade(ax, y, z, (half_canal + 7.0, back - 6.0, 0.0), tip, (5.5, 3.5), 60.0, 1.6)
        lamina = wall(ax, y, z, (0.0, lamina_y - 3.0), (half_canal + 3.0, back - 4.0), -2.0, (2.6, 10.0))
        return {
            "pedicle": ala,
            "facet": superior,
            "lamina": lamina,
            "transverse": np.full_like(x, FAR),
            "spinous": self._spinous(x, y, z, lamina_y - 2.0),
        }

    def lower_sacrum(self, x: Array, y: Array, z: Array) -> Array:
        """S2 and below: a curved, tapering block under the first sacral body."""
        below = -z - self.size.height_posterior / 2 + 2.0
        center = -5.0 - 0.1 * below + 0.004 * below * below
        half_x = np.clip(46.0 - 0.45 * below, 8.0, 60.0)
        half_y = np.clip(17.0 - 0.13 * below, 5.0, 20.0)
        solid = smooth_max(superellipse(x, y - center, half_x, half_y), np.maximum(-below, below - 75.0), 5.0)
        canal = superellipse(x, y - center + 0.35 * half_y, half_x * 0.26, half_y * 0.36)
        return smooth_max(solid, -canal, 1.0)

    def bone(self, x: Array, y: Array, z: Array) -> Array:
        """The whole vertebra (S1: the first segment)."""
        return self.join(self.body(x, y, z), self.arch(x, y, z), x, y, z)

    def join(self, body: Array, arch: dict[str, Array], x: Array, y: Array, z: Array) -> Array:
        """The whole vertebra from its parts."""
        whole = arch["pedicle"]
        for part in ARCH_PARTS[1:]:
            whole = smooth_min(whole, arch[part], 3.0)
        whole = smooth_max(whole, -self.canal(x, y), 1.0)
        whole = smooth_min(body, whole, 1.0)
        if self.is_sacrum:
            whole = smooth_max(whole, -z - self.size.height_posterior / 2, 1.0)
        return whole

    @cached_property
    def bounds(self) -> Array:
        """Corners (8, 3) of a box in the own frame that holds the vertebra."""
        d = self.size
        reach = d.transverse + 6.0
        low_y = -d.depth / 2 - d.canal_depth - d.spinous_length - 12.0
        low_z = -d.height_posterior / 2 - max(d.disc_below + 8.0, d.spinous_slope * d.spinous_length + 12.0)
        high_z = d.height_posterior / 2 + 0.45 * d.disc_below + 12.0
        corners = [(x, y, z) for x in (-reach, reach) for y in (low_y, d.depth / 2 + 4.0) for z in (low_z, high_z)]
        return np.array(corners)


def make_shape(level: Level, scale: float, collapse: CollapseSpec | None, rng: np.random.Generator) -> VertebraShape:
    """The vertebra of a level for a patient of a size, with a little of its own."""
    base = DIMENSIONS[level]
    factor = dict.fromkeys(Dimensions.__dataclass_fields__, scale)
    for name in ("pedicle_angle", "spinous_slope", "disc_lordosis", "shingle"):
        factor[name] = 1.0
    values = {name: getattr(base, name) * factor[name] for name in factor}
    for name in ("transverse", "spinous_length"):
        values[name] *= float(rng.uniform(0.94, 1.06))
    concavity = (float(rng.uniform(0.9, 1.4)), float(rng.uniform(1.4, 2.0)))
    if level is Level.S1:
        concavity = (0.8, 0.0)
    return VertebraShape(level, Dimensions(**values), collapse, concavity)
