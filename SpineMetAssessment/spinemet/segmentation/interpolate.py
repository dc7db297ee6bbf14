"""Outlines between outlined slices, by signed distance: sagittal, coronal or axial, on straight and oblique grids.

Between two outlined slices the shape changes evenly from one to the other while its middle moves evenly, too, so that
what runs at a slant through the slices is not broken up. Outlined slices stay exactly as they were drawn
(shape-based interpolation after Raya and Udupa, IEEE Trans Med Imaging 1990;9:32).
"""

from __future__ import annotations

from enum import Enum
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.errors import BadInput
from spinemet.image import Grid
from spinemet.labelmap import LabelMap

LEAST_SLICES = 2
MOST_OUTLINED = 0.9
"""Along another axis an outline fills nearly all slices between its ends; the axis of drawing has gaps."""

Bools = NDArray[np.bool_]


class Plane(str, Enum):
    """In which slices something was drawn."""

    SAGITTAL = "sagittal"
    CORONAL = "coronal"
    AXIAL = "axial"

    def axis_of(self, grid: Grid) -> int:
        """The array axis (0 for k, 1 for j, 2 for i) across these slices: that whose direction is nearest."""
        world = {"sagittal": 0, "coronal": 1, "axial": 2}[self.value]
        return 2 - int(np.argmax(np.abs(grid.directions[world])))


def interpolated(labels: LabelMap, value: int, plane: Plane | None = None) -> LabelMap:
    """One outline, drawn in some slices, filled in between them; other outlines keep their voxels.

    :param plane: in which slices it was drawn; None finds the only one that leaves gaps.
    :raises BadInput: it is drawn in one slice, in all, or it cannot be told in which direction.
    """
    if value not in labels.present:
        raise BadInput("The outline is empty; draw it in two slices or more first.")
    region = labels.region(value)
    part = labels.image.array[region]
    mask = part == value
    axis = plane.axis_of(labels.image.grid) if plane is not None else drawn_across(mask)
    _require_gap(mask, axis)
    spacing = np.delete(labels.image.spacing[::-1], axis)
    whole = np.moveaxis(filled_between(np.moveaxis(mask, axis, 0), (float(spacing[0]), float(spacing[1]))), 0, axis)
    array = labels.image.array.copy()
    array[region][whole & (part == 0)] = value
    return LabelMap(labels.image.with_array(array), labels.outlines, labels.numbering, labels.notes)


def drawn_across(mask: Bools) -> int:
    """The array axis across the outlined slices of a mask that fills its box.

    :raises BadInput: no axis leaves gaps, or more than one does.
    """
    gaps = [axis for axis in range(3) if not np.all(_drawn(mask, axis))]
    if len(gaps) == 1:
        return gaps[0]
    if not gaps:
        raise BadInput("All slices between the first and the last are outlined; there is nothing to fill in.")
    # Separate outlines in slices leave gaps across them; in the other directions only where they happen to part.
    shares = sorted((float(np.mean(_drawn(mask, axis))), axis) for axis in gaps)
    if shares[1][0] > MOST_OUTLINED:
        return shares[0][1]
    raise BadInput("It cannot be told in which slices this was drawn; choose sagittal, coronal or axial.")


def filled_between(slices: Bools, spacing: tuple[float, float]) -> Bools:
    """A stack (n, rows, columns) with the empty slices between outlined ones filled.

    :param spacing: mm between rows and between columns.
    """
    result = slices.copy()
    for first, last in pairwise(np.flatnonzero(slices.any(axis=(1, 2)))):
        if last - first > 1:
            result[first + 1 : last] = _between(slices[first], slices[last], int(last - first), spacing)
    return result


def _between(one: Bools, other: Bools, steps: int, spacing: tuple[float, float]) -> Bools:
    """The slices strictly between two outlined ones."""
    middles = [np.array(ndimage.center_of_mass(mask)) for mask in (one, other)]
    # Room round the outlines, so that distances near the edge are those of the shape and not of the picture.
    margin = 2 + int(np.ceil(np.abs(middles[1] - middles[0]).max()))
    near, far = (_signed(np.pad(mask, margin), spacing) for mask in (one, other))
    inner = (slice(margin, -margin), slice(margin, -margin))
    found = np.zeros((steps - 1, *one.shape), bool)
    for n in range(1, steps):
        share = n / steps
        middle = (1 - share) * middles[0] + share * middles[1]
        shifts = [middle - own for own in middles]
        a, b = (
            ndimage.shift(field, shift, order=1, mode="nearest") if np.any(np.abs(shift) > 1e-6) else field
            for field, shift in zip((near, far), shifts, strict=True)
        )
        found[n - 1] = ((1 - share) * a + share * b)[inner] > 0
    return found


def _signed(mask: Bools, spacing: tuple[float, float]) -> NDArray[np.float32]:
    """Distance in mm from the outline's border, positive inside; the border lies half way between voxels."""
    inside = ndimage.distance_transform_edt(mask, sampling=spacing)
    outside = ndimage.distance_transform_edt(~mask, sampling=spacing)
    half = 0.5 * min(spacing)
    return np.asarray(np.where(mask, inside - half, half - outside), dtype=np.float32)


def _drawn(mask: Bools, axis: int) -> Bools:
    return np.asarray(mask.any(axis=tuple(other for other in range(3) if other != axis)))


def _require_gap(mask: Bools, axis: int) -> None:
    drawn = _drawn(mask, axis)
    if np.count_nonzero(drawn) < LEAST_SLICES:
        raise BadInput("The outline is drawn in a single slice; draw it in another one, too.")
    if drawn.all():
        raise BadInput("All slices between the first and the last are outlined; there is nothing to fill in.")
