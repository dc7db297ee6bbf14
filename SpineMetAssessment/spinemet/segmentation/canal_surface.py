"""The best smooth closed wall round a line: one radius per cut and direction, from the cost of every radius.

Semi-global matching (Hirschmüller 2008): the cost of a radius gathers, from eight directions over the sheet of cuts
and angles, what the best smooth course up to there costs. Angles close to a ring; cuts end at the line's ends.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

_TURNS = 1.5
"""A ring is walked this often, so that its beginning does not show."""


def best_wall(cost: Array, across: float, along: float) -> Array:
    """Index of the radius of the wall for every cut and angle, to a fraction of a step.

    :param cost: (cuts, angles, radii); any unit, `inf` where the wall cannot be.
    :param across: cost of one step of radius between neighboring angles of a cut.
    :param along: cost of one step of radius between neighboring cuts.
    :return: (cuts, angles), float.
    """
    barred = 1e6
    cost = np.where(np.isfinite(cost), cost, barred).astype(np.float32)
    ring, sheet = (_Slope.of(step, cost.shape[2]) for step in (across, along))
    both = _Slope.of(along + across, cost.shape[2])
    total = np.zeros_like(cost)
    for forward in (True, False):
        total += _walk_round(cost, ring, forward)
        for turn in (-1, 0, 1):
            total += _walk_along(cost, both if turn else sheet, turn, forward)
    return _minimum(total)


@dataclass(frozen=True, eq=False)
class _Slope:
    """What a change of radius costs: the same for each step."""

    rising: Array

    @classmethod
    def of(cls, step: float, radii: int) -> _Slope:
        return cls(np.float32(step) * np.arange(radii, dtype=np.float32))

    def reached(self, before: Array) -> Array:
        """Least cost (…, radii) of coming to each radius from any other."""
        outward = np.minimum.accumulate(before - self.rising, axis=-1) + self.rising
        inward = np.minimum.accumulate((before + self.rising)[..., ::-1], axis=-1)[..., ::-1] - self.rising
        return np.asarray(np.minimum(outward, inward), dtype=np.float32)


def _step(before: Array, here: Array, change: _Slope) -> Array:
    """Costs of the best course that ends at each radius: (…, radii)."""
    return np.asarray(here + change.reached(before) - before.min(axis=-1, keepdims=True), dtype=np.float32)


def _walk_round(cost: Array, change: _Slope, forward: bool) -> Array:
    angles = cost.shape[1]
    order = np.arange(int(angles * _TURNS)) % angles
    gathered = np.empty_like(cost)
    last = cost[:, order[0]] if forward else cost[:, -1 - order[0]]
    for angle in order:
        at = angle if forward else angles - 1 - angle
        last = _step(last, cost[:, at], change)
        gathered[:, at] = last
    return gathered


def _walk_along(cost: Array, change: _Slope, turn: int, forward: bool) -> Array:
    gathered = np.empty_like(cost)
    order = range(cost.shape[0]) if forward else range(cost.shape[0] - 1, -1, -1)
    last = None
    for cut in order:
        last = cost[cut] if last is None else _step(np.roll(last, turn, axis=0), cost[cut], change)
        gathered[cut] = last
    return gathered


def _minimum(total: Array) -> Array:
    """Place of the minimum, between the steps by a parabola."""
    at = np.argmin(total, axis=2)
    inner = np.clip(at, 1, total.shape[2] - 2)[..., None]
    low, mid, high = (np.take_along_axis(total, inner + n, axis=2)[..., 0] for n in (-1, 0, 1))
    bend = low - 2 * mid + high
    shift = np.where(bend > 1e-6, 0.5 * (low - high) / np.maximum(bend, 1e-6), 0.0)
    shift = np.where(at == inner[..., 0], np.clip(shift, -0.5, 0.5), 0.0)
    return np.asarray(at + shift, dtype=np.float32)
