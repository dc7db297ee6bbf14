"""Mutual information of sampled points with an image, and its slope along the six ways to move.

The joint histogram is linear between the bins of the image and smoothed before logarithms are taken, so that
value and slope belong together (Viola and Wells 1997; Mattes 2003 in spirit, with fewer points and bins).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spinemet.registration.motion import left_jacobian, rotation_matrix

Array = NDArray[np.float64]
Floats = NDArray[np.float32]

SOURCE_BINS = 24
TARGET_BINS = 32
FEWEST_POINTS = 50
"""With fewer in common, two images say nothing of each other."""
CHANCE = 45.0
"""Nats times points that unrelated values share by chance in the smoothed histogram, whatever their number: measured
on random numbers, 42 to 45; a tenth of what (bins − 1)² / 2 gives without the smoothing (Miller 1955)."""
RANGE_SAMPLES = 400_000
TAIL_PERCENT = 0.5
"""Values beyond these percentiles share the outermost bins."""


@dataclass(frozen=True, eq=False)
class Volume:
    """A float32 image prepared for fast sampling.

    :param array: (k, j, i) in bins of the joint histogram; NaN where the image does not reach.
    :param to_index: 4×4 from the world in which points are given to (i, j, k).
    """

    array: Floats
    to_index: Array
    _corners: tuple[Floats, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _, j, i = self.array.shape
        flat = np.ascontiguousarray(self.array).ravel()
        # Views that begin at each corner of the first cell, in the order (z, y, x) with x fastest: one index for all.
        corners = tuple(flat[(c * j + b) * i + a :] for c in (0, 1) for b in (0, 1) for a in (0, 1))
        object.__setattr__(self, "_corners", corners)

    def sample(
        self, x: Floats, y: Floats, z: Floats, slopes: bool
    ) -> tuple[NDArray[np.bool_] | None, Floats, tuple[Floats, Floats, Floats] | None]:
        """Values at continuous indices (n,) along i, j and k, and their slopes there if asked for.

        :return: which of the points the image reaches (None: all), then values and slopes of those.
        """
        nk, nj, ni = self.array.shape
        fx, fy, fz = np.floor(x), np.floor(y), np.floor(z)
        reached = (fx >= 0) & (fx < ni - 1) & (fy >= 0) & (fy < nj - 1) & (fz >= 0) & (fz < nk - 1)
        if not reached.all():
            x, y, z, fx, fy, fz = (item[reached] for item in (x, y, z, fx, fy, fz))
            partly: NDArray[np.bool_] | None = reached
        else:
            partly = None
        base = (fz.astype(np.int64) * nj + fy.astype(np.int64)) * ni + fx.astype(np.int64)
        x, y, z = x - fx, y - fy, z - fz
        v000, v001, v010, v011, v100, v101, v110, v111 = (corner.take(base) for corner in self._corners)
        v00, v01 = v000 + (v001 - v000) * x, v010 + (v011 - v010) * x
        v10, v11 = v100 + (v101 - v100) * x, v110 + (v111 - v110) * x
        v0, v1 = v00 + (v01 - v00) * y, v10 + (v11 - v10) * y
        value = v0 + (v1 - v0) * z
        slope = None
        if slopes:
            low = (v001 - v000) + ((v011 - v010) - (v001 - v000)) * y
            high = (v101 - v100) + ((v111 - v110) - (v101 - v100)) * y
            slope = (low + (high - low) * z, (v01 - v00) + ((v11 - v10) - (v01 - v00)) * z, v1 - v0)
        known = np.isfinite(value)
        if not known.all():
            value = value[known]
            slope = None if slope is None else (slope[0][known], slope[1][known], slope[2][known])
            if partly is None:
                partly = known
            else:
                partly[partly] = known
        return partly, value, slope


@dataclass(frozen=True, eq=False)
class Points:
    """Sampled points of one image.

    :param position: (n, 3) RAS mm.
    :param bin: (n,) bin of the value at each point.
    """

    position: Array
    bin: NDArray[np.int64]

    def thinned(self, at_most: int, seed: int = 0) -> Points:
        """About `at_most` of the points, chosen evenly and the same every time."""
        if len(self.bin) <= at_most:
            return self
        chosen = np.sort(np.random.default_rng(seed).choice(len(self.bin), at_most, replace=False))
        return Points(self.position[chosen], self.bin[chosen])

    def about(self, center: Array) -> Arms:
        """The points as seen from a center of turning."""
        x, y, z = (self.position - center).T.astype(np.float32)
        return Arms(np.asarray(center, dtype=float), x, y, z, self.bin)


@dataclass(frozen=True, eq=False)
class Arms:
    """Points as they are turned about a center.

    :param center: RAS mm.
    :param x, y, z: from the center to each point, mm (n,).
    """

    center: Array
    x: Floats
    y: Floats
    z: Floats
    bin: NDArray[np.int64]


@dataclass(frozen=True)
class Agreement:
    """What the metric says of a motion.

    :param information: mutual information in nats per point that both images show, beyond what images that have
        nothing to do with each other share by chance on so few points; it may be negative.
    :param overlap: share of the points that the other image shows.
    """

    information: float
    overlap: float

    @property
    def evidence(self) -> float:
        """Information per point asked for: what lies outside the other image tells nothing."""
        return max(self.information, 0.0) * self.overlap


def source_bins(values: NDArray) -> NDArray[np.int64]:
    """Bins of about equal population of the values (n,) of points: blind to the scale of MR signal."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, SOURCE_BINS + 1)[1:-1]))
    return np.asarray(np.searchsorted(edges, values, side="right"), dtype=np.int64)


def in_target_bins(array: NDArray) -> Floats:
    """An image (k, j, i) in continuous bins, from its usual range of values."""
    flat = np.ravel(array)
    values = flat[:: max(1, flat.size // RANGE_SAMPLES)]
    values = values[np.isfinite(values)]
    if values.size == 0:
        values = flat[np.isfinite(flat)]
    if values.size == 0:
        return np.full(array.shape, np.nan, dtype=np.float32)
    low, high = np.percentile(values, [TAIL_PERCENT, 100 - TAIL_PERCENT])
    scaled = np.subtract(array, np.float32(low), dtype=np.float32)
    scaled *= np.float32((TARGET_BINS - 1) / max(float(high - low), 1e-6))
    np.maximum(scaled, np.float32(0), out=scaled)
    return np.minimum(scaled, np.float32(TARGET_BINS - 1.001), out=scaled)


def agreement(arms: Arms, volume: Volume, parameters: Array) -> Agreement:
    """Mutual information when the points are turned about their center (3 radians), then shifted (3 mm)."""
    reached, value, _ = volume.sample(*_indices(arms, volume, parameters)[1], slopes=False)
    if len(value) < FEWEST_POINTS:
        return Agreement(0.0, 0.0)
    joint = _joint(arms.bin if reached is None else arms.bin[reached], value)[0]
    return _beyond_chance(_information(_smoothed(joint))[0], len(value), len(arms.bin))


def agreement_and_slope(arms: Arms, volume: Volume, parameters: Array) -> tuple[Agreement, Array]:
    """Mutual information and its slope (6,) per radian and per mm."""
    turn, index = _indices(arms, volume, parameters)
    reached, value, slope = volume.sample(*index, slopes=True)
    if len(value) < FEWEST_POINTS or slope is None:
        return Agreement(0.0, 0.0), np.zeros(6)
    bins = arms.bin if reached is None else arms.bin[reached]
    x, y, z = (item if reached is None else item[reached] for item in (arms.x, arms.y, arms.z))
    joint, low = _joint(bins, value)
    information, per_count = _information(_smoothed(joint))
    gain = _smoothed(per_count)
    rise = (gain[:, 1:] - gain[:, :-1]) / len(value)
    weight = rise.astype(np.float32)[bins, low]
    pull = [weight * item for item in slope]
    axes = volume.to_index[:3, :3]
    shift = axes.T @ [float(item.sum(dtype=float)) for item in pull]
    # Slope along every entry of the 3×3 matrix from arms to indices, then along a turn of the arms.
    entries = np.array([[float(np.dot(a, b)) for b in (x, y, z)] for a in pull])
    p = axes.T @ entries @ turn.T
    about = np.array([p[2, 1] - p[1, 2], p[0, 2] - p[2, 0], p[1, 0] - p[0, 1]])
    gradient = np.concatenate([left_jacobian(parameters[:3]).T @ about, shift])
    return _beyond_chance(information, len(value), len(arms.bin)), gradient


def _beyond_chance(information: float, reached: int, asked: int) -> Agreement:
    return Agreement(information - CHANCE / reached, reached / asked)


def _indices(arms: Arms, volume: Volume, parameters: Array) -> tuple[Array, tuple[Floats, Floats, Floats]]:
    turn = rotation_matrix(parameters[:3])
    m = (volume.to_index[:3, :3] @ turn).astype(np.float32)
    o = volume.to_index[:3, :3] @ (arms.center + parameters[3:]) + volume.to_index[:3, 3]
    i, j, k = (m[a, 0] * arms.x + m[a, 1] * arms.y + m[a, 2] * arms.z + np.float32(o[a]) for a in range(3))
    return turn, (i, j, k)


def _joint(bins: NDArray[np.int64], value: Floats) -> tuple[Array, NDArray[np.int64]]:
    low = value.astype(np.int64)
    share = value - low
    flat = bins * TARGET_BINS + low
    size = SOURCE_BINS * TARGET_BINS
    joint = np.asarray(np.bincount(flat, 1 - share, size) + np.bincount(flat + 1, share, size)[:size], dtype=float)
    return joint.reshape(SOURCE_BINS, TARGET_BINS), low


def _smoothed(joint: Array) -> Array:
    """A (1 2 1) filter along both axes that keeps all counts; it is its own transpose."""
    result = 0.5 * joint
    result[1:] += 0.25 * joint[:-1]
    result[:-1] += 0.25 * joint[1:]
    result[[0, -1]] += 0.25 * joint[[0, -1]]
    both = 0.5 * result
    both[:, 1:] += 0.25 * result[:, :-1]
    both[:, :-1] += 0.25 * result[:, 1:]
    both[:, [0, -1]] += 0.25 * result[:, [0, -1]]
    return both


def _information(joint: Array) -> tuple[float, Array]:
    """Mutual information in nats, and log of joint over the target's own probability, bin by bin."""
    p = joint / joint.sum()
    source, target = p.sum(axis=1, keepdims=True), p.sum(axis=0, keepdims=True)
    tiny = 1e-7
    own = np.log(np.maximum(p, tiny)) - np.log(np.maximum(target, tiny))
    information = float(np.sum(p * (own - np.log(np.maximum(source, tiny)))))
    return information, np.where(p > tiny, own, np.log(tiny))
