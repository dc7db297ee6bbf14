"""The vertebral foramen and the body in an axial projection: which way the front is.

Looked at along the spine, a vertebra is a solid body, a ring round the canal, and processes. The body is the
place of the largest circle that fits into the bone; the canal is the largest hole. A view along the canal keeps
the hole open, so a few pitches are tried.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.anatomy.sampling import INSIDE, LocalSamples

MIN_FORAMEN_MM2 = 40.0
"""Smallest hole taken for the canal [D]; transverse foramina of cervical vertebrae are smaller (about 30 mm²)."""
GAP_CLOSED_MM = 3.0
"""Gaps of this width in the arch are bridged when no hole is found [D]."""
WIDE_BODY = 0.8
"""Circles of this share of the largest radius count as equally large when the body's middle is sought."""
PITCHES_DEG = (0.0, -10.0, 10.0, -20.0, 20.0)


@dataclass(frozen=True)
class AxialView:
    """What a projection along the spine shows, in local (right, anterior) millimeters.

    :param body: center of the largest circle inside the bone.
    :param radius: its radius in mm.
    :param canal: center of the vertebral foramen at the height of the frame's origin; None when the arch is open.
    :param canal_width: the hole's extent to right and left in mm; 0 without a hole.
    """

    body: NDArray[np.float64]
    radius: float
    canal: NDArray[np.float64] | None
    canal_width: float


def axial_view(
    samples: LocalSamples, *, pitches: tuple[float, ...] = PITCHES_DEG, front: NDArray[np.float64] | None = None
) -> AxialView | None:
    """Body and canal of a sampled vertebra, None when the samples hold no bone.

    :param pitches: views to try, as degrees of tilt round the right axis.
    :param front: local (right, anterior) unit vector known from neighbors: the body is then sought in front of the
        canal only.
    """
    inside = samples.values >= INSIDE
    if not inside.any():
        return None
    best: tuple[float, NDArray[np.bool_], NDArray[np.bool_]] | None = None
    for pitch in pitches:
        outline = projected(inside, samples, np.tan(np.deg2rad(pitch)))
        hole = _largest_hole(outline, samples, 0.0)
        if hole.sum() > (best[0] if best else 0):
            best = (float(hole.sum()), outline, hole)
    if best is None:
        outline = projected(inside, samples, 0.0)
        best = (0.0, outline, _largest_hole(outline, samples, GAP_CLOSED_MM))
    _, outline, hole = best
    canal = _mean(hole, samples) if hole.any() else None
    width = float(np.ptp(samples.axis(0)[hole.any(axis=1)]) + samples.step[0]) if canal is not None else 0.0
    depth = ndimage.distance_transform_edt(np.pad(outline, 1), sampling=samples.step[:2])[1:-1, 1:-1]
    if canal is not None and front is not None:
        x = samples.axis(0)[:, None] - canal[0]
        y = samples.axis(1)[None, :] - canal[1]
        depth = np.where(x * front[0] + y * front[1] > 0.6 * np.hypot(x, y), depth, 0.0)
    # Nearly the same circle fits along the whole width of a wide body: take the middle of those places.
    pieces, _ = ndimage.label(depth >= WIDE_BODY * depth.max())
    piece = pieces == pieces[np.unravel_index(np.argmax(depth), depth.shape)]
    return AxialView(_mean(piece, samples), float(depth.max()), canal, width)


def projected(inside: NDArray[np.bool_], samples: LocalSamples, slope: float) -> NDArray[np.bool_]:
    """Bone seen along a line that moves forward by `slope` mm per mm upward; the origin's height stays in place."""
    if slope == 0.0:
        return np.asarray(inside.any(axis=2))
    outline = np.zeros(inside.shape[:2], dtype=bool)
    shifts = np.rint(samples.axis(2) * slope / samples.step[1]).astype(int)
    for index, shift in enumerate(shifts):
        part = inside[:, :, index]
        if shift > 0:
            outline[:, :-shift] |= part[:, shift:]
        elif shift < 0:
            outline[:, -shift:] |= part[:, :shift]
        else:
            outline |= part
    return outline


def _largest_hole(outline: NDArray[np.bool_], samples: LocalSamples, gap_mm: float) -> NDArray[np.bool_]:
    ring = outline
    if gap_mm > 0:
        ring = ndimage.distance_transform_edt(~outline, sampling=samples.step[:2]) <= gap_mm / 2
    holes = ndimage.binary_fill_holes(ring) & ~ring
    labels, count = ndimage.label(holes)
    if count == 0:
        return np.zeros_like(outline)
    areas = np.bincount(labels.ravel())[1:]
    if areas.max() * samples.step[0] * samples.step[1] < MIN_FORAMEN_MM2:
        return np.zeros_like(outline)
    return np.asarray(labels == np.argmax(areas) + 1)


def _mean(area: NDArray[np.bool_], samples: LocalSamples) -> NDArray[np.float64]:
    r, a = np.nonzero(area)
    return np.array([samples.axis(0)[r].mean(), samples.axis(1)[a].mean()])
