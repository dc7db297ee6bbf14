"""The mid-sagittal direction of a vertebra: the line through its canal on which its two halves match best.

The way from the canal's center to the body's is short, in the neck hardly 15 mm, so that a millimeter turns it by
degrees. Matching the halves of the whole vertebra, seen along its axis, uses every voxel instead. Processes that one
side lacks, and the lesion that took them, count little: thickness is flattened, and far parts weigh less.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.anatomy.sampling import LocalSamples

FLAT_MM = 6.0
"""Thickness beyond which more bone along the axis counts little [D]: else the body alone would decide."""
NEAR_MM, REACH_MM = 25.0, 50.0
"""Standard deviation of the weights round the canal, and how far it is looked at [D]."""
RING_MM, SECTOR_DEG = 1.5, 1.0
FARTHEST_DEG = 20.0
"""The line lies within this angle of the way from the canal to the body [D]."""
SHIFTS_MM = (-2.0, -1.0, 0.0, 1.0, 2.0)
"""Places beside the canal's center through which the line may run: an asymmetric arch moves the center."""


def mirror_front(samples: LocalSamples, canal: NDArray[np.float64], front: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit vector (right, anterior) along the mirror line, near `front`.

    :param canal: center of the vertebral foramen, local mm.
    :param front: unit vector from the canal to the body.
    """
    thickness = np.tanh(samples.values.sum(axis=2) * samples.step[2] / FLAT_MM)
    aside = np.array([front[1], -front[0]])
    centers = canal + np.array(SHIFTS_MM)[:, None] * aside
    _, turn = max(_best_turns(thickness, samples, centers, front))
    angle = np.arctan2(front[1], front[0]) + turn
    return np.array([np.cos(angle), np.sin(angle)])


def _best_turns(
    thickness: NDArray[np.float32], samples: LocalSamples, centers: NDArray[np.float64], front: NDArray[np.float64]
) -> list[tuple[float, float]]:
    """How well both halves match on the best line through each center, and its angle (radians) from `front`."""
    radius = np.arange(RING_MM, REACH_MM, RING_MM)
    count = round(360 / SECTOR_DEG)
    start = np.arctan2(front[1], front[0])
    angle = start + np.arange(count) * 2 * np.pi / count
    ways = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)])[:, None, :]
    index = [(centers[:, n, None, None] + ways[n] - samples.lower[n]) / samples.step[n] for n in range(2)]
    seen = ndimage.map_coordinates(thickness, index, order=1, mode="constant")
    seen *= np.sqrt(radius * np.exp(-((radius / NEAR_MM) ** 2) / 2))[:, None]
    # The sum over angles of f(turn + a) f(turn − a) is the circular convolution of f with itself at twice the turn.
    spectrum = np.fft.rfft(seen, axis=2)
    matches = np.fft.irfft((spectrum**2).sum(axis=1), n=count)
    return [_peak(match / max(float((own**2).sum()), 1e-9), count) for match, own in zip(matches, seen, strict=True)]


def _peak(match: NDArray[np.float64], count: int) -> tuple[float, float]:
    """The best match near the start, and its turn (radians), by a parabola through its neighbors."""
    reach = round(2 * FARTHEST_DEG / SECTOR_DEG)
    near = match[np.arange(-reach, reach + 1) % count]
    top = int(np.clip(near.argmax(), 1, 2 * reach - 1))
    before, at, after = near[top - 1 : top + 2]
    bend = before - 2 * at + after
    part = 0.5 * (before - after) / bend if bend < 0 else 0.0
    turn = (top - reach + float(np.clip(part, -1, 1))) * SECTOR_DEG / 2
    return float(at), float(np.deg2rad(turn))
