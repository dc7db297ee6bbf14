"""Two registered images as one volume for a person's eyes: checkerboard and edges; for pictures see the report.

Unlike single pictures, volumes can be cut in every direction.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Volume = NDArray[Any]
Gray = NDArray[np.uint8]

FIELD_MM = 18.0
"""Side of a field: about a vertebral body, so that its cortex crosses several borders."""
EDGES_SHOWN = 0.2
"""Share of the voxels with the steepest slopes, on whose ridges edges are drawn."""
SMOOTH_MM = 1.0


def gray(values: Volume, low: float, high: float) -> Gray:
    """Values from `low` to `high` as 8 bits from black to white."""
    share = (np.asarray(values, dtype=np.float32) - low) / max(high - low, 1e-6)
    return np.asarray(np.clip(share, 0, 1) * 255, dtype=np.uint8)


def checkerboard(fixed: Gray, moving: Gray, shown: NDArray[np.bool_], spacing: NDArray[np.float64]) -> Gray:
    """Cubes of both images (k, j, i) in turn, the fixed one where the moving one does not reach.

    :param shown: where the moving image reaches.
    :param spacing: mm along i, j, k.
    """
    steps = [np.arange(n) * mm // FIELD_MM for n, mm in zip(fixed.shape, spacing[::-1], strict=True)]
    odd = (steps[0][:, None, None] + steps[1][:, None] + steps[2]) % 2 == 1
    return np.where(odd & shown, moving, fixed).astype(np.uint8)


def edges(moving: Gray, shown: NDArray[np.bool_], spacing: NDArray[np.float64]) -> Gray:
    """1 on the ridges of the gradient (Canny 1986, without hysteresis) of a volume (k, j, i), else 0.

    :param shown: where the image reaches; its border is no edge.
    :param spacing: mm along i, j, k.
    """
    sides = spacing[::-1]
    smooth = ndimage.gaussian_filter(moving.astype(np.float32), np.minimum(SMOOTH_MM / sides, 2.0))
    slopes = np.stack(np.gradient(smooth, *(float(mm) for mm in sides)))
    strength = np.sqrt((slopes**2).sum(axis=0))
    strength[~ndimage.binary_erosion(shown, iterations=2)] = 0
    result = np.zeros(moving.shape, np.uint8)
    values = strength[strength > 0]
    if not values.size:
        return result
    limit = np.quantile(values, 1 - EDGES_SHOWN)
    # Only where it may be an edge at all: the rest of the volume costs nothing.
    k, j, i = np.nonzero(strength > max(float(limit), 0.0))
    place = np.stack([k, j, i]).astype(np.float32)
    unit = slopes[:, k, j, i] / strength[k, j, i] * float(sides.min()) / sides[:, None]
    here = strength[k, j, i]
    ahead, behind = (
        ndimage.map_coordinates(strength, place + sign * unit, order=1, mode="nearest") for sign in (1, -1)
    )
    ridge = (here >= ahead) & (here > behind)
    result[k[ridge], j[ridge], i[ridge]] = 1
    return result
