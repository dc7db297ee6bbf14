"""Body heights: endplate to endplate along the vertebra's own superior axis, at nine places.

Anterior, middle and posterior stand at 90, 50 and 10 % of the body's depth measured from the posterior wall; in
the mid-sagittal plane and in two parasagittal planes at a quarter of the width to either side.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from spinemet.anatomy.body import BodyShape
from spinemet.anatomy.frame import VertebraFrame
from spinemet.evidence import Measurement, Point, unknown


class Plane(str, Enum):
    """A sagittal plane of the vertebra's own frame."""

    LEFT = "left parasagittal"
    MIDDLE = "mid-sagittal"
    RIGHT = "right parasagittal"


class Column(str, Enum):
    """Where along the body's depth a height is taken."""

    ANTERIOR = "anterior"
    MIDDLE = "middle"
    POSTERIOR = "posterior"


DEPTHS = {Column.ANTERIOR: 0.9, Column.MIDDLE: 0.5, Column.POSTERIOR: 0.1}
"""Share of the body's depth, measured from the posterior wall."""
SIDES = {Plane.LEFT: -0.25, Plane.MIDDLE: 0.0, Plane.RIGHT: 0.25}
"""Share of the body's width, measured from its middle toward the patient's right."""
METHOD = "endplate to endplate along the vertebra's own axis"
NEIGHBORHOOD_MM = 2.5
"""Standard deviation of the weights with which the plate round a place takes part in its height [D]."""
FLAT_PLATE_95 = 0.78
"""Half-width, in voxels, that holds 95 % of the errors of a distance between two surfaces parallel to the voxel
layers: each is known to ± half a voxel, and their sum is triangular (1 − √0.05)."""
PLACE_MM = 1.0
"""How well the place of a column along depth and width is known (95 %) [D]; it counts where plates are
not parallel."""
SLICE_MM = 1.5
WITHIN_MM = 0.5
MAX_SHIFT = 0.25
"""A place stays this far inside the plates' columns (within a slice of ± `SLICE_MM`), shifted by at most this share
of the depth [D]."""
STEP_SHARE = 0.4
"""Steps between voxel layers explain a local deviation from a smooth plate up to this share of a layer [D]."""
SURFACE_MM = 0.15
"""Smallest half-width given for a height [D]: the curved plate under the strip."""


@dataclass(frozen=True)
class Height:
    """One height and the ends of the line along which it was taken (RAS), None where it is unknown."""

    measurement: Measurement
    superior: Point | None = None
    inferior: Point | None = None


Heights = dict[Plane, dict[Column, Height]]


def measure_heights(shape: BodyShape, frame: VertebraFrame, voxel_mm: NDArray[np.float64]) -> Heights:
    """Nine heights of a body whose shape was found in `frame`.

    :param voxel_mm: extent of a voxel along the frame's right, anterior and superior axes.
    """
    return {plane: {column: _height(shape, frame, voxel_mm, plane, column) for column in Column} for plane in Plane}


def no_heights(reason: str) -> Heights:
    """Nine unknown heights with one reason."""
    return {
        plane: {column: Height(unknown(f"{column.value} height", "mm", reason, METHOD)) for column in Column}
        for plane in Plane
    }


def _height(
    shape: BodyShape, frame: VertebraFrame, voxel_mm: NDArray[np.float64], plane: Plane, column: Column
) -> Height:
    name = f"{column.value} height" if plane is Plane.MIDDLE else f"{column.value} height, {plane.value}"
    place, shift = _place(shape, plane, column)
    if shift > MAX_SHIFT * shape.depth:
        return Height(unknown(name, "mm", "the body does not reach this place", METHOD))
    reach = max(NEIGHBORHOOD_MM, float(voxel_mm[:2].max()))
    near = np.sum((shape.columns - place) ** 2, axis=1) <= (2 * reach) ** 2
    if np.count_nonzero(near) < 6:
        return Height(unknown(name, "mm", "the body does not reach this place", METHOD))
    layer = float(voxel_mm[2])
    top, top_slope = _surface_at(shape, shape.top, place, near, reach, layer)
    bottom, bottom_slope = _surface_at(shape, shape.bottom, place, near, reach, layer)
    value = top - bottom
    if value <= 0:
        return Height(unknown(name, "mm", "the endplates are not found at this place", METHOD))
    superior = frame.to_ras([place[0], place[1], top])
    inferior = frame.to_ras([place[0], place[1], bottom])
    measurement = Measurement(
        name,
        value,
        "mm",
        METHOD,
        position=_point((superior + inferior) / 2),
        uncertainty=_uncertainty(reach, voxel_mm, top_slope, bottom_slope, shift),
    )
    return Height(measurement, _point(superior), _point(inferior))


def _place(shape: BodyShape, plane: Plane, column: Column) -> tuple[NDArray[np.float64], float]:
    """Right and anterior coordinate of a height, and how far (mm) it had to be shifted to stay within both plates:
    an oval body ends sooner beside its middle, and a lip may belong to one plate only."""
    right = (shape.left + shape.right) / 2 + SIDES[plane] * shape.width
    anterior = shape.posterior + DEPTHS[column] * shape.depth
    beside = shape.columns[np.abs(shape.columns[:, 0] - right) <= SLICE_MM, 1]
    if beside.size == 0:
        return np.array([right, anterior]), np.inf
    back, front = beside.min() + WITHIN_MM, beside.max() - WITHIN_MM
    kept = float(np.clip(anterior, back, max(front, back)))
    return np.array([right, kept]), abs(kept - anterior)


def _surface_at(
    shape: BodyShape,
    heights: NDArray[np.float64],
    place: NDArray[np.float64],
    near: NDArray[np.bool_],
    reach: float,
    layer: float,
) -> tuple[float, NDArray[np.float64]]:
    """Height and gradient of a plate at a place.

    A smooth surface through the whole plate evens out the steps of the voxel layers. Where the plate itself, seen
    through a local plane, lies farther from it than such steps can explain, the local plane has its way.
    """
    scale = np.array([shape.width, shape.depth]) / 2
    center = np.array([shape.left + shape.right, shape.front + shape.posterior]) / 2
    smooth = _robust_fit(_powers((shape.columns - center) / scale), heights, np.ones(len(heights)))
    at = (place - center) / scale
    whole = float((_powers(at[None]) @ smooth)[0])
    columns = shape.columns[near] - place
    weight = np.exp(-np.sum(columns**2, axis=1) / (2 * (reach / 1.5) ** 2))
    basis = np.column_stack([np.ones(len(columns)), columns])
    local = _robust_fit(basis, heights[near], weight)
    apart = local[0] - whole
    rounding = STEP_SHARE * layer
    kept = apart * max(0.0, 1.0 - (rounding / apart) ** 2) if apart else 0.0
    return whole + float(kept), local[1:]


def _powers(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """All products of both coordinates up to the fourth power together."""
    x, y = points.T
    return np.column_stack([x**n * y**m for n in range(5) for m in range(5 - n)])


def _robust_fit(
    basis: NDArray[np.float64], heights: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weighted least squares in which spikes and rims lose their weight (Tukey's biweight)."""
    robust = np.ones(len(heights))
    fit = np.zeros(basis.shape[1])
    for _ in range(3):
        scaled = basis * (weight * robust)[:, None]
        fit = np.linalg.lstsq(scaled.T @ basis, scaled.T @ heights, rcond=None)[0]
        residual = heights - basis @ fit
        scale = 4.7 * max(1.4826 * float(np.median(np.abs(residual))), 0.2)
        robust = np.clip(1 - (residual / scale) ** 2, 0, None) ** 2
    return np.asarray(fit)


def _uncertainty(
    reach: float,
    voxel_mm: NDArray[np.float64],
    top_slope: NDArray[np.float64],
    bottom_slope: NDArray[np.float64],
    shift: float,
) -> float:
    """95 % half-width of a height from the voxel size, and from the place where plates are not parallel.

    A plate that crosses several voxel layers under the strip is known better than one that lies within a layer:
    the rounding of its position averages out.
    """
    layer = float(voxel_mm[2])
    crossed = min(2 * reach * float(np.linalg.norm(slope)) / layer for slope in (top_slope, bottom_slope))
    rounding = FLAT_PLATE_95 * layer / max(1.0, 1.0 + 2.0 * (crossed - 0.5))
    place = float(np.linalg.norm(top_slope - bottom_slope)) * float(
        np.linalg.norm([PLACE_MM, 0.5 * voxel_mm[1], shift])
    )
    return float(np.sqrt(rounding**2 + place**2 + SURFACE_MM**2))


def _point(vector: NDArray[np.float64]) -> Point:
    x, y, z = (float(v) for v in vector)
    return (x, y, z)
