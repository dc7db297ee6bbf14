"""Mending outlines: smooth, fill, split at a plane, merge, rename, mirror; on label maps in the world's millimeters.

Every function returns a new label map; what it was given stays as it was. No edit takes a voxel from an outline that
it was not asked to change.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from spinemet.case import Outline, Structure
from spinemet.codes import bone_of
from spinemet.errors import BadInput
from spinemet.image import Image, Region
from spinemet.labelmap import LabelMap
from spinemet.levels import Level

SMOOTH_MM = 1.5
"""Usual width of smoothing: what is thinner than about twice this goes [D]."""
CLOSE_MM = 0.0
"""Usual width of gaps that filling closes before it looks for holes."""

Bools = NDArray[np.bool_]
Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Plane:
    """A plane in the world.

    :param point: RAS mm, anywhere on it.
    :param normal: RAS, of any length; points to the plane's upper side.
    """

    point: tuple[float, float, float]
    normal: tuple[float, float, float]

    def __post_init__(self) -> None:
        if not np.all(np.isfinite([*self.point, *self.normal])) or not np.any(self.normal):
            raise BadInput("The plane has no direction; place it again.")

    @property
    def unit(self) -> Vector:
        """Normal of length 1."""
        return np.asarray(self.normal, dtype=float) / float(np.linalg.norm(self.normal))

    def height(self, points: ArrayLike) -> Vector:
        """Signed distance (…) in mm of RAS points (…, 3); positive on the upper side."""
        return np.asarray((np.asarray(points, dtype=float) - np.asarray(self.point)) @ self.unit)

    def mirrored(self, points: ArrayLike) -> Vector:
        """RAS points (…, 3) on the other side."""
        return np.asarray(points, dtype=float) - 2 * self.height(points)[..., None] * self.unit


def smoothed(labels: LabelMap, value: int, width_mm: float = SMOOTH_MM) -> LabelMap:
    """One outline without its steps and spikes; its volume stays the same within a voxel, except near neighbors.

    :param width_mm: standard deviation of the smoothing.
    :raises BadInput: the outline is empty, or the width is none.
    """
    if not 0 < width_mm <= 20:
        raise BadInput("Choose a width of smoothing between 0 and 20 mm.")
    region, part = _part(labels, value, 3 * width_mm + 1)
    mask = part == value
    # Values of 0 and 1 at the image's edge go on beyond it.
    soft = ndimage.gaussian_filter(mask.astype(np.float32), width_mm / labels.image.spacing[::-1], mode="nearest")
    count = int(np.count_nonzero(mask))
    free = mask | (part == 0)
    # The threshold that keeps the volume; at a half, convex shapes would shrink with every smoothing.
    values = np.sort(soft[free])[::-1]
    threshold = max(float(values[min(count, len(values)) - 1]), 1e-3)
    after = np.where(mask, 0, part)
    after[free & (soft >= threshold)] = value
    return _with(labels, region, after)


def filled(labels: LabelMap, value: int, close_mm: float = CLOSE_MM) -> LabelMap:
    """One outline without holes: empty voxels from which no way leads out of it.

    :param close_mm: gaps up to twice this width are closed first, so that a shell with cracks is filled, too.
    :raises BadInput: the outline is empty.
    """
    if not 0 <= close_mm <= 20:
        raise BadInput("Choose a width of gaps between 0 and 20 mm.")
    region, part = _part(labels, value, close_mm + 1)
    mask = part == value
    spacing = tuple(float(step) for step in labels.image.spacing[::-1])
    closed = mask
    if close_mm > 0:
        padded = np.pad(mask, 1)
        grown = ndimage.distance_transform_edt(~padded, sampling=spacing) <= close_mm
        closed = (ndimage.distance_transform_edt(np.pad(grown, 1), sampling=spacing) > close_mm)[2:-2, 2:-2, 2:-2]
    holes = ndimage.binary_fill_holes(mask | closed) & (part == 0)
    after = part.copy()
    after[holes] = value
    return _with(labels, region, after)


def split(labels: LabelMap, value: int, plane: Plane, upper: Outline | None = None) -> LabelMap:
    """Two outlines from one: what lies above the plane becomes an outline of its own.

    :param upper: what the part above is; None for the same structure without a level, for a person to name.
    :raises BadInput: the plane does not part the outline.
    """
    region, part = _part(labels, value, 0.0)
    index = np.argwhere(part == value)
    start = np.array([axis.start for axis in region])
    above = plane.height(labels.image.to_world((index + start)[:, ::-1])) > 0
    if not above.any() or above.all():
        raise BadInput("The plane does not cut the outline; move it into the outline.")
    new = _next_value(labels)
    after = part.astype(_type_for(labels, new))
    after[tuple(index[above].T)] = new
    own = labels.outlines[value]
    given = upper or replace(own, level=None, name=f"upper part of {own.name or own.level or own.structure.value}")
    _require_free_level(labels, given)
    return _with(labels, region, after, {**labels.outlines, new: replace(given, frame=own.frame)})


def merged(labels: LabelMap, values: Collection[int], into: int) -> LabelMap:
    """Several outlines as one, `into`, which keeps its name.

    :raises BadInput: one of them is empty or not there.
    """
    others = [value for value in dict.fromkeys(values) if value != into]
    array = labels.image.array.copy()
    for value in (into, *others):
        _require(labels, value)
    for value in others:
        region = labels.region(value)
        array[region][array[region] == value] = into
    outlines = {value: outline for value, outline in labels.outlines.items() if value not in others}
    return LabelMap(labels.image.with_array(array), outlines, labels.numbering, labels.notes)


def renamed_level(labels: LabelMap, value: int, level: Level) -> LabelMap:
    """One bone under another level; `LabelMap.shifted` renames all.

    :raises BadInput: another outline has this level, or the outline is no bone.
    """
    _require(labels, value)
    outline = labels.outlines[value]
    if outline.structure not in (Structure.VERTEBRA, Structure.SACRUM):
        raise BadInput(f"The outline is no vertebra but a {outline.structure.value}; it has no level of its own.")
    if outline.level is level:
        return labels
    named = replace(bone_of(level), frame=outline.frame)
    _require_free_level(labels, named)
    return labels.renamed({**labels.outlines, value: named})


def mirrored(labels: LabelMap, value: int, plane: Plane, into: int | None = None) -> LabelMap:
    """An outline with its mirror image added: the healthy side completes the other one.

    :param into: the outline to which the image is added; None for the outline itself.
    :raises BadInput: the mirror image lies outside of the image.
    """
    _require(labels, value)
    target = value if into is None else into
    source = labels.mask(value, margin_voxels=1)
    corners = plane.mirrored(source.grid.corners)
    try:
        region = labels.image.grid.region_around(corners, float(labels.image.spacing.max()))
    except BadInput as error:
        raise BadInput("The mirror image lies outside of the image; move the plane.") from error
    grid = labels.image.grid.crop(region)
    k, j, i = np.indices(grid.shape, sparse=False)
    points = grid.to_world(np.stack([i, j, k], axis=-1))
    inside = source.with_array(source.array.astype(np.float32)).sample(plane.mirrored(points), outside=0.0) >= 0.5
    after = labels.image.array[region].copy()
    after[inside & (after == 0)] = target
    return _with(labels, region, after)


def _require(labels: LabelMap, value: int) -> None:
    if value not in labels.present:
        raise BadInput("The outline is empty; outline something first, or choose another one.")


def _require_free_level(labels: LabelMap, outline: Outline) -> None:
    bones = (Structure.VERTEBRA, Structure.SACRUM)
    if outline.structure in bones and outline.level is not None and outline.level in labels.levels:
        raise BadInput(f"{outline.level} is outlined already; choose another level.")


def _part(labels: LabelMap, value: int, margin_mm: float) -> tuple[Region, NDArray]:
    """The labels round one outline, with a margin; a view."""
    _require(labels, value)
    margin = int(np.ceil(margin_mm / float(labels.image.spacing.min())))
    region = labels.region(value, margin)
    return region, labels.image.array[region]


def _with(labels: LabelMap, region: Region, part: NDArray, outlines: dict[int, Outline] | None = None) -> LabelMap:
    array = labels.image.array.astype(part.dtype, copy=True)
    array[region] = part
    image = Image(array, labels.image.ijk_to_ras, frame=labels.image.frame, name=labels.image.name)
    return LabelMap(image, labels.outlines if outlines is None else outlines, labels.numbering, labels.notes)


def _next_value(labels: LabelMap) -> int:
    return max([*labels.outlines, int(labels.image.array.max(initial=0))]) + 1


def _type_for(labels: LabelMap, value: int) -> np.dtype:
    own = labels.image.array.dtype
    return own if value <= np.iinfo(own).max else np.dtype(np.uint16 if value < 65536 else np.int32)
