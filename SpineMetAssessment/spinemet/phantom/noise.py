"""Noise that costs little and repeats exactly: blocks made once, then shifted, flipped and tiled."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import ndimage

from spinemet.image import Grid
from spinemet.phantom.solids import Array

_BLOCK = 64
_PLANES = 12


@lru_cache(maxsize=8)
def _block(seed: int, sigma: tuple[float, float, float]) -> Array:
    """Periodic 64³ noise of unit variance, smooth over `sigma` voxels (k, j, i)."""
    white = np.random.default_rng([seed, 6]).standard_normal((_BLOCK,) * 3).astype(np.float32)
    smooth = ndimage.gaussian_filter(white, sigma, mode="wrap")
    return np.asarray(smooth / smooth.std())


def texture(grid: Grid, index: Array, seed: int, sigma_mm: float) -> Array:
    """Unit-variance texture, smooth over `sigma_mm`, at flat voxel indices of a grid."""
    sigma = tuple(float(round(sigma_mm / s, 2)) for s in grid.spacing[::-1])
    block = _block(seed, (sigma[0], sigma[1], sigma[2])).ravel()
    row, i = np.divmod(index, grid.shape[2])
    k, j = np.divmod(row, grid.shape[1])
    return np.asarray(block[((k % _BLOCK) * _BLOCK + j % _BLOCK) * _BLOCK + i % _BLOCK])


def add_noise(volume: Array, spread: float, seed: int, smooth: float) -> None:
    """Add correlated noise of a standard deviation to a volume (k, j, i), in place, slice by slice."""
    rng = np.random.default_rng([seed, 7])
    rows, columns = volume.shape[1], volume.shape[2]
    pool = rng.standard_normal((_PLANES, rows + 97, columns + 101), dtype=np.float32)
    if smooth > 0:
        pool = ndimage.gaussian_filter(pool, (0, smooth, smooth), mode="wrap")
    pool *= np.float32(spread / pool.std())
    picks = rng.integers(0, [_PLANES, 97, 101, 2], size=(len(volume), 4))
    for plane, (n, a, b, flip) in zip(volume, picks, strict=True):
        piece = pool[n, a : a + rows, b : b + columns]
        if flip:
            plane -= piece
        else:
            plane += piece


def rician(volume: Array, spread: float, seed: int) -> Array:
    """Magnitude of a volume with complex Gaussian noise: the noise of MR magnitude images."""
    imaginary = np.zeros_like(volume)
    add_noise(imaginary, spread, seed + 1, 0.0)
    add_noise(volume, spread, seed, 0.0)
    return np.hypot(volume, imaginary)
