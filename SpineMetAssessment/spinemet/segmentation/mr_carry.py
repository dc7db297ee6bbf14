"""Vertebrae carried over from a CT into an MR: moved by what aligned them, then fitted to what the MR shows.

The fit moves each vertebra by a few millimeters, without turning it, to where its rim is darkest against its marrow:
what outlined it in the CT keeps its shape, arch included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize

from spinemet.case import Structure
from spinemet.errors import BadInput
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.progress import Progress, silent
from spinemet.segmentation.canal_clicks import require_volume

MOST_MM = 4.0
"""Farthest that the fit may move a vertebra: more than that is the alignment's work [D]."""
LEAST_GAIN = 0.04
"""Least gain of contrast, as a share of the marrow's signal, for which a vertebra is moved [D]."""
TOLD_MM = 1.0
"""A fit that moves a vertebra farther is told: it may have found something else than its rim."""
LEAST_SEEN = 0.6
"""Share of a vertebra that must lie within the MR before it is moved."""
_MOST_POINTS = 4000

Array = NDArray[np.float64]


def carry_over(
    vertebrae: LabelMap,
    image: Image,
    moved_by: Array | Mapping[Level, Array],
    *,
    fit: bool = True,
    progress: Progress | None = None,
) -> LabelMap:
    """The vertebrae of a CT on the grid of an MR, under the same values and names.

    :param vertebrae: outlined in the CT.
    :param image: the MR.
    :param moved_by: 4×4 RAS matrix from the CT to the MR, one for all or one a level; a level without one is left out.
    :param fit: whether each vertebra is moved a few millimeters to where the MR shows its rim.
    :raises BadInput: no vertebra lies within the MR, or an MR of a few slices.
    """
    report = progress or silent
    require_volume(image)
    labels = np.zeros(image.shape, dtype=vertebrae.image.array.dtype)
    notes, carried = [], {}
    for number, (level, value) in enumerate(vertebrae.levels.items()):
        report(number / len(vertebrae.levels), f"carrying over {level}")
        matrix = moved_by.get(level) if isinstance(moved_by, Mapping) else moved_by
        if matrix is None:
            notes.append(f"{level} was not aligned with the MR and is left out.")
            continue
        mask = vertebrae.mask(value)
        moved = replace(mask, ijk_to_ras=np.asarray(matrix, dtype=float) @ mask.ijk_to_ras)
        if fit and vertebrae.outlines[value].structure is Structure.VERTEBRA:
            shift = _shift(moved, image)
            moved = replace(moved, ijk_to_ras=_translation(shift) @ moved.ijk_to_ras)
            if (length := float(np.linalg.norm(shift))) > TOLD_MM:
                notes.append(f"{level} was moved by {length:.1f} mm to fit the MR; check it.")
        if _fill(labels, moved, image, value):
            carried[value] = replace(vertebrae.outlines[value], frame=image.frame)
        else:
            notes.append(f"{level} lies outside of {image.name} and is left out.")
    if not carried:
        raise BadInput(f"None of the outlined vertebrae lies within {image.name}; align the images first.")
    result = Image(labels, image.ijk_to_ras, frame=image.frame, name=f"vertebrae in {image.name}")
    return LabelMap(result, carried, f"{vertebrae.numbering}, carried over", (*vertebrae.notes, *notes))


def _fill(labels: NDArray, moved: Image, image: Image, value: int) -> bool:
    """Write a moved vertebra into the labels; whether any voxel of it lies within the image."""
    try:
        region = image.grid.region_around(moved.grid.corners)
    except BadInput:
        return False
    part = image.grid.crop(region)
    # The share of bone in thick slices decides, not a single point of them.
    share = moved.with_array(moved.array.astype(np.float32)).resample(part).array >= 0.5
    target = labels[region]
    target[share & (target == 0)] = value
    return bool(share.any())


def _shift(moved: Image, image: Image) -> Array:
    """Translation (3,) RAS in mm toward where the rim is darkest against the marrow; zero where nothing is gained."""
    depth = ndimage.distance_transform_edt(moved.array, sampling=moved.spacing[::-1])
    rim, marrow = (_points(moved, part) for part in ((depth > 0) & (depth <= 1.5), depth > 3.0))
    outside = np.zeros(3)
    if not len(rim) or not len(marrow) or image.grid.contains(rim).mean() < LEAST_SEEN:
        return outside
    soft = image.crop(image.grid.region_around(np.concatenate([rim, marrow]), MOST_MM + 4.0))
    soft = soft.with_array(ndimage.gaussian_filter(soft.array.astype(np.float32), 0.5))
    level = max(float(np.nanmedian(soft.sample(marrow))), 1e-6)

    def contrast(shift: Array) -> float:
        inner, edge = (np.nan_to_num(soft.sample(points + shift), nan=level) / level for points in (marrow, rim))
        return float(np.mean(np.minimum(inner, 1.5)) - np.mean(np.minimum(edge, 1.5)))

    before = contrast(outside)
    steps = (-MOST_MM / 2, 0.0, MOST_MM / 2)
    start = max((np.array([x, y, z]) for x in steps for y in steps for z in steps), key=contrast)
    found = optimize.minimize(lambda s: -contrast(s), start, method="Powell", bounds=[(-MOST_MM, MOST_MM)] * 3,
                              options={"xtol": 0.1, "ftol": 1e-4, "maxfev": 250})  # fmt: skip
    # A fit that runs into its bound has found something else.
    held = float(np.abs(found.x).max()) < 0.9 * MOST_MM
    return np.asarray(found.x) if held and -found.fun > before + LEAST_GAIN else outside


def _points(moved: Image, chosen: NDArray[np.bool_]) -> Array:
    k, j, i = np.nonzero(chosen)
    step = max(1, len(k) // _MOST_POINTS)
    return moved.to_world(np.stack([i, j, k], axis=1)[::step])


def _translation(shift: Array) -> Array:
    matrix = np.eye(4)
    matrix[:3, 3] = shift
    return matrix
