"""Where the border lies in the image's own voxels: half way between what is inside and outside nearby."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_NEARBY_MM = 5.0
"""Width of the window in which inside and outside are averaged."""
_STEEPNESS = 2.0
"""Cost of a voxel whose value is that of the inside or of the outside; at half way it costs nothing."""
_STRONGEST = 3.0

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


def half_way_costs(values: Floats, inside: Bools, outside: Bools, spacing: NDArray, costs: Floats) -> Floats:
    """Costs of voxels (k, j, i) by their place between the local means of inside and outside.

    The blurred voxels of a border resemble the surroundings more often than the tumor, so that an outline by values
    alone comes out too small. Where inside and outside hardly differ, or the inside is of two kinds, `costs` stay.

    :param inside: surely tumor, `outside` surely not; the border lies between both.
    :param spacing: mm along k, j, i.
    :param costs: by values alone.
    """
    window = np.maximum(3, 2 * np.rint(_NEARBY_MM / spacing / 2).astype(int) + 1)
    mean_in, spread_in, known_in = _local(values, inside, window)
    mean_out, _, known_out = _local(values, outside, window)
    step = mean_in - mean_out
    size = np.maximum(np.abs(step), 1e-6)
    clear = np.clip(size / (2 * spread_in + 1e-6) - 1, 0, 1) * (known_in & known_out)
    place = np.clip(
        2 * _STEEPNESS * np.sign(step) * ((mean_in + mean_out) / 2 - values) / size, -_STRONGEST, _STRONGEST
    )
    return np.asarray(costs + clear * (place - costs), dtype=np.float32)


def _local(values: Floats, mask: Bools, window: NDArray[np.intp]) -> tuple[Floats, Floats, Bools]:
    """Mean and standard deviation of the masked values round each voxel, and whether there are any."""
    share = ndimage.uniform_filter(mask.astype(np.float32), window)
    known = share > 0.5 / float(np.prod(window))
    share = np.maximum(share, 1e-6)
    middle = np.float32(np.median(values[mask])) if mask.any() else np.float32(0)
    offset = np.where(mask, values - middle, 0).astype(np.float32)
    mean = ndimage.uniform_filter(offset, window) / share
    square = ndimage.uniform_filter(offset * offset, window) / share
    return mean + middle, np.sqrt(np.maximum(square - mean * mean, 0)), known
