"""What the tumor looks like: how likely a value is inside and outside, learned from strokes and a first guess."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_BINS = 96
_STRONGEST = 3.0
"""Most that one voxel's value may cost: beyond, a value proves nothing more [D]."""
_UNSEEN = 0.02
"""Share of each histogram that is spread over all values: what was not seen is not impossible."""
_WIDTH = 0.7
"""Width of the kernel that smooths the histograms, in spreads of the tumor's values."""
_FINE_WIDTH = 2.0
"""The kernel's largest width in standard deviations of the noise, so that lumps of two kinds stay apart."""
_FEWEST = 12
"""Voxels of a room from which a look can be learned."""
SAME = 0.8
"""Overlap (Bhattacharyya coefficient) of the values under strokes inside and outside from which they are no contrast:
two normal distributions 1.3 standard deviations apart [D]."""

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Rooms = NDArray[np.uint8]
"""Where a tumor may lie (k, j, i): 0 nowhere, else the number of the room: bone, canal, paraspinal tissue."""


@dataclass(frozen=True, eq=False)
class ValueModel:
    """Cost of calling a voxel tumor by its value, negative where it looks like tumor.

    The values are bent (inverse hyperbolic sine) round the tumor's median, so that bins are finest there.
    """

    middle: float
    spread: float
    low: float
    high: float
    costs: Floats

    def __call__(self, values: Floats) -> Floats:
        """Costs of values, of the same shape."""
        return self.costs[_bin(_bent(values, self.middle, self.spread), self.low, self.high)]


def learn(
    values: Floats, inside: Bools, outside: Bools, drawn: tuple[Bools, Bools], least: float, noise: float
) -> ValueModel:
    """Learn from voxels taken for tumor and not.

    :param drawn: voxels under strokes inside and outside; they count as much as all others together.
    :param least: the least spread of the tumor's values.
    :param noise: standard deviation of the image's noise, in its unit.
    """
    middle, spread = middle_and_spread(values[inside | drawn[0]], least)
    groups = [_bent(values[mask], middle, spread) for mask in (inside, drawn[0], outside, drawn[1])]
    together = np.concatenate(groups)
    low, high = np.percentile(together, [0.5, 99.5])
    low, high = min(float(low), -2.0), max(float(high), 2.0)
    width = max(1.0, 0.5 * _WIDTH * _BINS / (high - low) * min(1.0, _FINE_WIDTH * noise / spread))
    own, drawn_in, other, drawn_out = (_histogram(group, low, high, width) for group in groups)
    tumor, rest = _mean(own, drawn_in), _mean(other, drawn_out)
    unseen = _UNSEEN / _BINS
    costs = np.clip(np.log((rest + unseen) / (tumor + unseen)), -_STRONGEST, _STRONGEST)
    return ValueModel(middle, spread, low, high, costs.astype(np.float32))


@dataclass(frozen=True, eq=False)
class Looks:
    """What tumor looks like in each room: marrow, epidural fat and muscle each surround it with something else."""

    models: Mapping[int, ValueModel]

    def __call__(self, values: Floats, rooms: Rooms) -> Floats:
        """Costs of values (k, j, i) in their rooms; 0 where no tumor may lie."""
        costs = np.zeros(values.shape, np.float32)
        for room, model in self.models.items():
            here = rooms == room
            costs[here] = model(values[here])
        return costs


def learn_rooms(
    values: Floats, rooms: Rooms, inside: Bools, outside: Bools, drawn: tuple[Bools, Bools], noise: float
) -> Looks:
    """Learn the looks in each room from its own voxels; see `learn`.

    A room in which hardly any tumor is known borrows its look from the others, but not what surrounds it.
    """
    models = {}
    for room in np.unique(rooms[rooms > 0]):
        here = rooms == room
        own, rest = inside & here, outside & here
        marked = [mask & here for mask in drawn]
        if np.count_nonzero(own) < _FEWEST:
            own, marked[0] = inside, drawn[0]
        if np.count_nonzero(rest) < _FEWEST:
            rest = here & ~own
        spread = middle_and_spread(values[own | marked[0]], noise)[1]
        models[int(room)] = learn(values, own, rest, (marked[0], marked[1]), spread, noise)
    return Looks(models)


def overlap(first: Floats, second: Floats, noise: float) -> float:
    """Bhattacharyya coefficient of two samples as normal distributions: 1 when equal, 0 when apart."""
    (a, s), (b, t) = (middle_and_spread(sample, noise) for sample in (first, second))
    variance = s * s + t * t
    return float(np.sqrt(2 * s * t / variance) * np.exp(-((a - b) ** 2) / (4 * variance)))


def middle_and_spread(values: Floats, noise: float) -> tuple[float, float]:
    """Median, and a robust standard deviation that is at least the noise."""
    middle = float(np.median(values))
    return middle, max(noise, 1.4826 * float(np.median(np.abs(values - middle))))


def noise_of(values: Floats) -> float:
    """Standard deviation of the noise, from second differences along the smoothest axis."""
    found = [
        1.4826 * float(np.median(np.abs(np.diff(values, 2, axis=axis)))) / np.sqrt(6)
        for axis in range(3)
        if values.shape[axis] > 2
    ]
    # A picture without noise still has a scale: a thousandth of its range.
    return max(min(found, default=0.0), 1e-3 * float(np.ptp(values)), 1e-6)


def _bent(values: Floats, middle: float, spread: float) -> Floats:
    return np.asarray(np.arcsinh((values - np.float32(middle)) * np.float32(0.5 / spread)), dtype=np.float32)


def _bin(bent: Floats, low: float, high: float) -> NDArray[np.intp]:
    return np.clip((bent - low) * (_BINS / (high - low)), 0, _BINS - 1).astype(np.intp)


def _histogram(bent: Floats, low: float, high: float, width: float) -> NDArray[np.float64] | None:
    if not bent.size:
        return None
    counts = np.bincount(_bin(bent, low, high), minlength=_BINS).astype(float)
    counts = ndimage.gaussian_filter1d(counts, width, mode="nearest")
    return np.asarray(counts / counts.sum())


def _mean(first: NDArray[np.float64] | None, second: NDArray[np.float64] | None) -> NDArray[np.float64]:
    present = [item for item in (first, second) if item is not None]
    return np.asarray(np.mean(present, axis=0)) if present else np.full(_BINS, 1 / _BINS)
