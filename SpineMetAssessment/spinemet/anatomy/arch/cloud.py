"""The bone of a vertebra on an even grid along its own axes, so that no voxel size decides where its parts end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.anatomy.sampling import INSIDE, LocalSamples, sample_box, voxel_centers
from spinemet.anatomy.vertebra import Vertebra

STEP_MM = 1.0
SMOOTH_MM = 0.7
"""Steps between voxels are evened out over this length (standard deviation)."""
MARGIN_MM = 3.0


def even_samples(vertebra: Vertebra) -> LocalSamples:
    """The outline sampled every `STEP_MM` in the vertebra's frame and smoothed; its surface lies at one half.

    The positions are whole multiples of the step, so the two sides are sampled alike.
    """
    local = vertebra.frame.to_local(voxel_centers(vertebra.mask, at_most=5000))
    low = np.floor((local.min(axis=0) - MARGIN_MM) / STEP_MM) * STEP_MM
    high = np.ceil((local.max(axis=0) + MARGIN_MM) / STEP_MM) * STEP_MM
    samples = sample_box(vertebra.mask, vertebra.frame, low, high, STEP_MM)
    smooth = ndimage.gaussian_filter(samples.values, SMOOTH_MM / STEP_MM, truncate=2.0, mode="nearest")
    return LocalSamples(smooth, samples.lower, samples.step)


def behind_wall(samples: LocalSamples, vertebra: Vertebra) -> NDArray[np.float32]:
    """Local positions (n, 3) of the samples in the bone behind the plane of the posterior wall."""
    wall, tilt = vertebra.wall
    right, anterior, superior = (samples.axis(n).astype(np.float32) for n in range(3))
    behind = anterior[:, None] <= np.float32(wall) + np.float32(tilt) * superior
    index = np.nonzero((samples.values >= INSIDE) & behind)
    return np.stack([axis[n] for axis, n in zip((right, anterior, superior), index, strict=True)], axis=1)
