"""The shape of a lesion in its vertebra's own frame: an irregular ellipsoid, grown to the share that was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from spinemet.phantom.blocks import near
from spinemet.phantom.shape import ARCH_PARTS, VertebraShape
from spinemet.phantom.solids import Array
from spinemet.phantom.spec import LesionSpec

LUMP_MM = 22.0
"""Wavelength of the lytic and blastic lumps of a mixed lesion."""

MIXED_LYTIC_SHARE = 0.62
"""Lytic share of a mixed lesion. A little more than half: blurred edges between lumps look blastic, being far above
marrow until nearly all sclerosis is gone, so that half and half would be measured as mostly blastic."""


@dataclass(frozen=True)
class Waves:
    """A smooth random field: a sum of plane waves with unit variance."""

    directions: Array
    phases: Array

    @classmethod
    def make(cls, rng: np.random.Generator, wavelength: float, count: int = 8) -> Waves:
        axes = rng.normal(size=(count, 3))
        axes /= np.linalg.norm(axes, axis=1, keepdims=True)
        length = 2 * np.pi / (wavelength * rng.uniform(0.75, 1.35, (count, 1)))
        return cls((axes * length).astype(np.float32), rng.uniform(0, 2 * np.pi, count).astype(np.float32))

    def __call__(self, x: Array, y: Array, z: Array) -> Array:
        total = np.zeros_like(x)
        for (a, b, c), phase in zip(self.directions, self.phases, strict=True):
            total += np.cos(a * x + b * y + c * z + phase)
        return total * np.float32(np.sqrt(2 / len(self.phases)))


@dataclass(frozen=True)
class Ball:
    """A part's lesion: an irregular ball round a point."""

    center: tuple[float, float, float]
    radius: float
    part: str


@dataclass(frozen=True)
class LesionShape:
    """A lesion that can be evaluated anywhere in the vertebra's frame; intersect it with the bone.

    :param number: 1, 2, …: the label and the id "lesion-<number>".
    :param scale: radius of the body's part, relative to the body's half sizes; 0 without one.
    :param lump_cut: value of the lump field above which a mixed lesion is blastic.
    """

    spec: LesionSpec
    number: int
    half: tuple[float, float, float]
    scale: float
    balls: tuple[Ball, ...]
    surface: Waves
    lumps: Waves
    lump_cut: float

    def distance(self, x: Array, y: Array, z: Array, body: Array, arch: Mapping[str, Array]) -> Array:
        """Distance to the lesion (mm, negative inside), not yet cut by the bone.

        :param body: distance to the vertebral body; the body's part of the lesion stays within it.
        :param arch: distances to the parts of the arch; a part's lesion stays within that part, or a little beyond.
        """
        result = np.full_like(x, 50.0)
        if self.scale > 0:
            q, r = self._quotient(x, y, z)
            result = np.maximum(r * (1 - self.scale / np.maximum(q, 1e-3)), body)
        for ball in self.balls:
            name = ball.part.partition("_")[0]
            room = np.minimum(arch[name] - 1.0, body) if name == "pedicle" else arch[name] - 1.0
            np.minimum(result, np.maximum(self._ball(ball, x, y, z), room), out=result)
        return result

    def blastic(self, x: Array, y: Array, z: Array) -> Array:
        """Share of sclerosis at a point of the lesion, 0 (lytic) to 1 (blastic)."""
        if self.spec.kind != "mixed":
            return np.full_like(x, 1.0 if self.spec.kind == "blastic" else 0.0)
        return np.clip((self.lumps(x, y, z) - self.lump_cut) / 0.4 + 0.5, 0.0, 1.0)

    def _quotient(self, x: Array, y: Array, z: Array) -> tuple[Array, Array]:
        cx, cy, cz = (c * h for c, h in zip(self.spec.center, self.half, strict=True))
        dx, dy, dz = x - cx, y - cy, z - cz
        q = np.sqrt((dx / self.half[0]) ** 2 + (dy / self.half[1]) ** 2 + (dz / self.half[2]) ** 2)
        return q / (1 + np.float32(0.07) * self.surface(x, y, z)), np.sqrt(dx * dx + dy * dy + dz * dz)

    def _ball(self, ball: Ball, x: Array, y: Array, z: Array) -> Array:
        dx, dy, dz = x - ball.center[0], y - ball.center[1], z - ball.center[2]
        wobble = np.float32(0.5) * self.surface(x, y, z)
        result = np.sqrt(dx * dx + dy * dy + dz * dz) - ball.radius + wobble
        if ball.part == "spinous":
            return result
        # Beyond the midline lies the other side's part.
        return np.maximum(result, -x if ball.part.endswith("right") else x)


def part_names(shape: VertebraShape, body: Array, arch: Mapping[str, Array], x: Array, y: Array) -> Array:
    """Index of the part at points in the bone: 0 body, then ARCH_PARTS, +5 for the right side of a paired part.

    Body and arch are parted at the posterior wall: the roots of the pedicles in front of it belong to the body.
    """
    in_front = (y > shape.posterior_wall) & (np.abs(x) < shape.half[0])
    nearest = np.argmin(np.stack([arch[part] for part in ARCH_PARTS]), axis=0)
    index = nearest + 1 + np.where((x > 0) & (nearest < 4), 5, 0)
    return np.where((body < 0) | in_front, 0, index).astype(np.int8)


PART_INDEX = {"body": 0, "spinous": 5} | {
    f"{part}_{side}": n + 1 + (5 if side == "right" else 0)
    for n, part in enumerate(ARCH_PARTS[:4])
    for side in ("left", "right")
}


@dataclass(frozen=True)
class Samples:
    """Points on a regular grid inside a vertebra's bone, own frame: the base of volumes and shares."""

    x: Array
    y: Array
    z: Array
    body: Array
    arch: Mapping[str, Array]
    part: Array
    volume: float

    def inside(self, lesion: LesionShape) -> Array:
        """Which points lie in a lesion."""
        return lesion.distance(self.x, self.y, self.z, self.body, self.arch) < 0


def sample_bone(shape: VertebraShape, step: float) -> Samples:
    """Points inside the bone `step` mm apart; each stands for `volume` mm³."""
    low, high = shape.bounds.min(axis=0), shape.bounds.max(axis=0)
    matrix = np.diag([step, step, step, 1.0])
    matrix[:3, 3] = low
    count = np.ceil((high - low) / step).astype(int)[::-1]
    found = near(count, np.zeros(3, int), matrix, shape.bone, 0.0)
    assert found is not None, "a vertebra is larger than nothing"
    x, y, z = found.x, found.y, found.z
    body, arch = shape.body(x, y, z), shape.arch(x, y, z)
    inside = shape.join(body, arch, x, y, z) < 0
    arch = {name: distance[inside] for name, distance in arch.items()}
    x, y, z, body = x[inside], y[inside], z[inside], body[inside]
    return Samples(x, y, z, body, arch, part_names(shape, body, arch, x, y), step**3)


def make_lesion(spec: LesionSpec, number: int, shape: VertebraShape, seed: int) -> LesionShape:
    """Grow a lesion until it fills the shares of the body and of the other parts that its spec asks for."""
    rng = np.random.default_rng([seed, 3, number])
    points = sample_bone(shape, 1.0)
    keep = float(shape.kept(np.array(0.0)))
    half = (*shape.half, keep * shape.mean_height / 2)
    lesion = LesionShape(spec, number, half, 0.0, (), Waves.make(rng, 14.0), Waves.make(rng, LUMP_MM), 0.0)
    balls = tuple(_ball_for(part, spec, points, lesion) for part in spec.parts)
    lesion = replace(lesion, balls=balls)
    filled = points.inside(lesion)
    in_body = points.part == 0
    missing = spec.body_share - float(filled[in_body].mean())
    if spec.body_share > 0 and missing > 0:
        rest = in_body & ~filled
        q = lesion._quotient(points.x[rest], points.y[rest], points.z[rest])[0]
        share = min(1.0, missing * int(in_body.sum()) / max(1, len(q)))
        lesion = replace(lesion, scale=float(np.quantile(q, share)))
    if spec.kind == "mixed":
        inside = points.inside(lesion)
        field = lesion.lumps(points.x[inside], points.y[inside], points.z[inside])
        lesion = replace(lesion, lump_cut=float(np.quantile(field, MIXED_LYTIC_SHARE)))
    return lesion


def _ball_for(part: str, spec: LesionSpec, points: Samples, lesion: LesionShape) -> Ball:
    chosen = points.part == PART_INDEX[part]
    place = np.stack([points.x[chosen], points.y[chosen], points.z[chosen]], axis=1)
    center = place.mean(axis=0)
    ball = Ball((float(center[0]), float(center[1]), float(center[2])), 0.0, part)
    distance = lesion._ball(ball, place[:, 0], place[:, 1], place[:, 2])
    radius = float(np.quantile(distance, spec.part_share))
    return Ball(ball.center, radius, part)
