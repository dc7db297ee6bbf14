"""The CT of a synthetic patient, with its masks on the same grid."""

from __future__ import annotations

import numpy as np

from spinemet.case import Role
from spinemet.image import Grid, Image
from spinemet.levels import Level
from spinemet.phantom.background import background
from spinemet.phantom.model import Model
from spinemet.phantom.noise import add_noise
from spinemet.phantom.paint import Canvas, paint
from spinemet.phantom.solids import Array
from spinemet.phantom.stack import turn
from spinemet.phantom.tissue import values
from spinemet.progress import Progress, part, silent

BLUR_MM = 0.7
"""Width of an edge in the CT, besides the voxel's own size."""

NOISE_HU = 18.0
"""Standard deviation at dose 1."""

GRAIN_HU = 24.0
"""Spread of trabecular bone before noise."""

_MARGIN_MM = 12.0
_AROUND_MM = 2.0


def ct_grid(model: Model) -> Grid:
    """The CT's grid: axial slices from the feet up, patient lying on the back, left on the right of the picture.

    i runs to the patient's left, j to the back, k to the head, as in DICOM.
    """
    spec = model.spec
    if spec.ct_size is None:
        return _fitted_grid(model)
    si, sj, sk = spec.ct_spacing
    ni, nj = spec.ct_size
    bodies = np.array([model.ct.poses[level][:3, 3] for level in model.levels])
    center_x, center_y = bodies[:, 0].mean(), (bodies[:, 1].min() + bodies[:, 1].max()) / 2
    bottom, top = _ends(model)
    count = spec.ct_slices or max(1, int(np.ceil((top - bottom) / sk)))
    if spec.ct_slices and spec.ct_ends == (None, None):
        bottom = (bottom + top) / 2 - count * sk / 2
    # The arch lies behind the bodies: the field of view is centered on the canal.
    matrix = np.array(
        [
            [-si, 0, 0, center_x + si * (ni - 1) / 2],
            [0, -sj, 0, center_y - 18.0 + sj * (nj - 1) / 2],
            [0, 0, sk, bottom + sk / 2],
            [0, 0, 0, 1],
        ]
    )
    return Grid((count, nj, ni), np.round(matrix, 4))


def _fitted_grid(model: Model) -> Grid:
    """The smallest grid with axes turned by `ct_turn_deg` that holds every labeled vertebra and a little round it."""
    spec = model.spec
    axes = turn(*spec.ct_turn_deg)[:3, :3] @ np.diag([-1.0, -1.0, 1.0])
    corners = [
        model.shapes[level].bounds @ model.ct.poses[level][:3, :3].T + model.ct.poses[level][:3, 3]
        for level in model.levels
    ]
    along = np.concatenate(corners) @ axes
    low, high = along.min(axis=0) - _AROUND_MM, along.max(axis=0) + _AROUND_MM
    spacing = np.array(spec.ct_spacing)
    ni, nj, nk = (int(n) for n in np.ceil((high - low) / spacing))
    matrix = np.eye(4)
    matrix[:3, :3] = axes * spacing
    matrix[:3, 3] = axes @ (low + spacing / 2)
    return Grid((nk, nj, ni), np.round(matrix, 6))


def _ends(model: Model) -> tuple[float, float]:
    def extent(level: Level) -> Array:
        pose, bounds = model.ct.poses[level], model.shapes[level].bounds
        return (bounds @ pose[:3, :3].T + pose[:3, 3])[:, 2]

    upper, lower = model.spec.ct_ends
    first, last = model.levels[0], model.levels[-1]
    half = model.shapes[last].mean_height / 2
    reach = model.ct.poses[last][:3, :3] @ np.array([[0, 0, 0, 0], [-30, 30, -30, 30], [-half, -half, half, half]])
    bottom = float(model.ct.poses[last][2, 3] + reach[2].min()) - _MARGIN_MM
    if last is not Level.S1:
        bottom = float(extent(last).min()) - 2.0
    top = float(extent(first).max()) + 2.0
    if upper is not None:
        top = float(model.ct.poses[upper][2, 3])
    if lower is not None:
        bottom = float(model.ct.poses[lower][2, 3])
    return bottom, top


def make_ct(model: Model, progress: Progress | None = None) -> tuple[Image, dict[str, Array]]:
    """The CT in HU (int16) and the uint8 arrays of its masks ("vertebrae", "lesions", "structures")."""
    report = progress or silent
    spec, grid = model.spec, ct_grid(model)
    table = values(Role.CT, spec.trabecular_hu)
    report(0.0, "drawing soft tissue")
    volume = background(model.ct, grid, [table], spec.seed)[0]
    width = float(np.hypot(BLUR_MM, np.mean(grid.spacing)))
    canvas = Canvas(grid, [table], [volume.reshape(-1)], width, [GRAIN_HU])
    paint(canvas, model, model.ct, spec.seed, part(progress, 0.15, 0.8))
    report(0.8, "adding noise")
    add_noise(volume, NOISE_HU / float(np.sqrt(spec.dose)), spec.seed, 0.55)
    array = np.empty(grid.shape, np.int16)
    for source, target in zip(volume, array, strict=True):
        np.clip(np.rint(source), -1024, 3071, out=source)
        target[:] = source
    masks = {name: getattr(canvas, name).reshape(grid.shape) for name in ("vertebrae", "lesions", "structures")}
    return Image(array, grid.ijk_to_ras, name="CT"), masks
