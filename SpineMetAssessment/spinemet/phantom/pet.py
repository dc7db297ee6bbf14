"""The FDG PET of a synthetic patient, as SUV by body weight (g/mL), in the CT's posture."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from spinemet.case import Role
from spinemet.image import Grid, Image
from spinemet.phantom.background import background
from spinemet.phantom.model import Model
from spinemet.phantom.noise import add_noise
from spinemet.phantom.paint import Canvas, paint
from spinemet.phantom.tissue import values

SPACING_MM = 4.0
BLUR_FWHM_MM = 5.5
"""Resolution of the scanner."""

NOISE_SUV = 0.08

_FINE = 2


def make_pet(model: Model, ct: Grid) -> Image:
    """SUV (float32) on a 4 mm axial grid that is a little larger than the CT's field of view."""
    grid = _pet_grid(ct)
    fine = grid.with_spacing(grid.spacing / _FINE)
    table = values(Role.PET, 0.0)
    seed = model.spec.seed * 10 + 9
    volume = background(model.ct, fine, [table], model.spec.seed)[0]
    canvas = Canvas(fine, [table], [volume.reshape(-1)], SPACING_MM / _FINE, [0.0])
    paint(canvas, model, model.ct, model.spec.seed)
    sigma = BLUR_FWHM_MM / 2.355 / fine.spacing[::-1]
    blurred = ndimage.gaussian_filter(volume, sigma)
    k, j, i = grid.shape
    coarse = blurred.reshape(k, _FINE, j, _FINE, i, _FINE).mean(axis=(1, 3, 5), dtype=np.float32)
    noise = np.zeros_like(coarse)
    add_noise(noise, NOISE_SUV, seed, 0.8)
    coarse += noise * np.sqrt(np.maximum(coarse, 0.05))
    return Image(np.maximum(coarse, 0.0), grid.ijk_to_ras, name="PET")


def _pet_grid(ct: Grid) -> Grid:
    extent = np.array(ct.shape[::-1]) * ct.spacing
    count = np.ceil(extent / SPACING_MM).astype(int) + np.array([12, 12, 0])
    matrix = np.eye(4)
    matrix[:3, :3] = ct.directions * SPACING_MM
    matrix[:3, 3] = ct.center - matrix[:3, :3] @ ((count - 1) / 2)
    return Grid((int(count[2]), int(count[1]), int(count[0])), np.round(matrix, 4))
