"""Body heights: endplate to endplate along the vertebra's own superior axis, at nine places.

Anterior, middle and posterior stand at 90, 50 and 10 % of the body's depth measured from the posterior wall; in
the mid-sagittal plane and in two parasagittal planes at a quarter of the width to either side.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.anatomy.body import BodyShape
from spinemet.anatomy.frame import VertebraFrame
from spinemet.anatomy.layers import carried, layer_steps, spread_95
from spinemet.anatomy.medians import median
from spinemet.evidence import Measurement, Point, unknown
from spinemet.image import Grid


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
MIN_NEAR = 6
"""Fewer columns than this round a place give no height."""
PLACE_MM, PLACE_PER_VOXEL = 0.5, 0.5
"""How well the place of a column along depth and width is known (95 %), mm and voxels; it counts where plates are
not parallel. From phantoms."""
SLICE_MM = 1.5
WITHIN_MM = 0.5
MAX_SHIFT = 0.25
"""A place stays this far inside the plates' columns (within a slice of ± `SLICE_MM`), shifted by at most this share
of the depth [D]."""
SLOPE_PRIOR = 16.0
"""Ratio of variances of a column's height (0.4² mm², as neighbors go together) and of the slope that a plate has
locally against its smooth surface (0.1²), mm² [D]. Without it a place at the rim is extrapolated from few columns."""
STEP_SHARE, STEP_MM = 0.4, 0.4
"""Steps between voxel layers explain a local deviation from a smooth plate up to this share of a layer [D], and up to
this many mm on any grid: an outline that was resampled to finer voxels keeps the steps it had."""
NODE_MM, NODE_PER_LAYER = 2.0, 1.2
"""A depression deeper than this below the smooth plate (mm, and voxel layers) may be a Schmorl's node [D]."""
NODE_SHARE, NODE_MM2 = 1 / 3, 12.0
"""… if it takes less of the plate than this share (clinical rules, section 1) and more than this area [D]. It lies
within the plate: a broken rim is none."""
SURFACE_MM, SURFACE_PER_LAYER = 0.05, 0.25
"""Half-width (95 %) of a height that is left when layers and place are accounted for: the plate's own form under the
fit, mm and voxel layers. From synthetic spines at 0.5 to 3 mm (seeds 1001–1500)."""


@dataclass(frozen=True)
class Height:
    """One height and the ends of the line along which it was taken (RAS), None where it is unknown."""

    measurement: Measurement
    superior: Point | None = None
    inferior: Point | None = None


Heights = dict[Plane, dict[Column, Height]]


def measure_heights(shape: BodyShape, frame: VertebraFrame, voxel_mm: NDArray[np.float64], grid: Grid) -> Heights:
    """Nine heights of a body whose shape was found in `frame`.

    :param voxel_mm: extent of a voxel along the frame's right, anterior and superior axes.
    :param grid: of the outline: its layers decide how well a plate is known.
    """
    layer = float(voxel_mm[2])
    plates = tuple(
        _fit_plate(name, shape, heights, sign, frame, grid, layer)
        for name, heights, sign in (("superior", shape.top, 1), ("inferior", shape.bottom, -1))
    )
    return {
        plane: {column: _height(shape, plates, frame, voxel_mm, plane, column) for column in Column} for plane in Plane
    }


def no_heights(reason: str) -> Heights:
    """Nine unknown heights with one reason."""
    return {
        plane: {column: Height(unknown(f"{column.value} height", "mm", reason, METHOD)) for column in Column}
        for plane in Plane
    }


@dataclass(frozen=True, eq=False)
class _Surface:
    """A smooth surface through a whole plate.

    :param name: "superior" or "inferior".
    :param heights: (n,) of the plate's columns, mm.
    :param node: (n,) columns that lie in a Schmorl's node; they take no part in the surface.
    :param depth: (n,) how far they lie below the smooth surface, into the body, mm.
    :param coefficients: (powers,) of `_powers`.
    :param steps: (m, n) what the voxel layers may add to the surface, from `layer_steps`.
    :param errors: (m, powers) what these add to the coefficients.
    """

    name: str
    heights: NDArray[np.float64]
    node: NDArray[np.bool_]
    depth: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    steps: NDArray[np.float64]
    errors: NDArray[np.float64]


def _fit_plate(
    name: str,
    shape: BodyShape,
    heights: NDArray[np.float64],
    sign: int,
    frame: VertebraFrame,
    grid: Grid,
    layer: float,
) -> _Surface:
    basis = _powers(_scaled(shape, shape.columns))
    node = np.zeros(len(heights), dtype=bool)
    for _ in range(2):
        coefficients, smoother = _robust_fit(basis, heights, (~node).astype(float))
        depth = sign * (basis @ coefficients - heights)
        found = _nodes(shape.columns, depth > max(NODE_MM, NODE_PER_LAYER * layer))
        if not (found & ~node).any():
            break
        node |= found
    smooth = basis @ coefficients
    steps = layer_steps(shape.columns, smooth, frame, grid)
    return _Surface(name, heights, node, depth, coefficients, steps, carried(steps, smoother))


def _nodes(columns: NDArray[np.float64], deep: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Columns in depressions that are small enough for a Schmorl's node and lie within the plate, with their walls."""
    if not deep.any():
        return deep
    pitch = float(np.min(np.diff(np.unique(np.round(columns[:, 1], 3)))))
    place = tuple(np.rint((columns - columns.min(axis=0)) / pitch).astype(int).T + 1)
    plate, holes = np.zeros((2, *(int(axis.max()) + 2 for axis in place)), dtype=bool)
    plate[place] = True
    holes[place] = deep
    pieces, count = ndimage.label(holes)
    kept = np.zeros_like(plate)
    for number in range(1, count + 1):
        piece = pieces == number
        size, walls = np.count_nonzero(piece), ndimage.binary_dilation(piece)
        if NODE_MM2 / pitch**2 <= size < NODE_SHARE * len(columns) and plate[walls].all():
            kept |= walls
    return np.asarray(kept[place])


def _scaled(shape: BodyShape, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Right and anterior coordinates as shares of the half width and half depth from the body's middle."""
    center = np.array([shape.left + shape.right, shape.front + shape.posterior]) / 2
    return (points - center) / (np.array([shape.width, shape.depth]) / 2)


def _height(
    shape: BodyShape,
    plates: tuple[_Surface, ...],
    frame: VertebraFrame,
    voxel_mm: NDArray[np.float64],
    plane: Plane,
    column: Column,
) -> Height:
    name = f"{column.value} height" if plane is Plane.MIDDLE else f"{column.value} height, {plane.value}"
    place, shift = _place(shape, plane, column)
    if shift > MAX_SHIFT * shape.depth:
        return Height(unknown(name, "mm", "the body does not reach this place", METHOD))
    reach = max(NEIGHBORHOOD_MM, float(voxel_mm[:2].max()))
    near = np.sum((shape.columns - place) ** 2, axis=1) <= (2 * reach) ** 2
    if np.count_nonzero(near) < MIN_NEAR:
        return Height(unknown(name, "mm", "the body does not reach this place", METHOD))
    layer = float(voxel_mm[2])
    top, bottom = (_surface_at(shape, plate, place, near, reach, layer) for plate in plates)
    value = top.height - bottom.height
    if value <= 0:
        return Height(unknown(name, "mm", "the endplates are not found at this place", METHOD))
    superior = frame.to_ras([place[0], place[1], top.height])
    inferior = frame.to_ras([place[0], place[1], bottom.height])
    measurement = Measurement(
        name,
        value,
        "mm",
        METHOD,
        position=_point((superior + inferior) / 2),
        uncertainty=_uncertainty(top, bottom, voxel_mm, shift),
        limits=tuple(text for plate in plates if (text := _node_limit(plate, near, value))),
    )
    return Height(measurement, _point(superior), _point(inferior))


def _node_limit(plate: _Surface, near: NDArray[np.bool_], value: float) -> str:
    """What a reader must know of a Schmorl's node at a height's place, or ""."""
    inside = near & plate.node
    if not inside.any():
        return ""
    depth = float(plate.depth[inside].max())
    return (
        f"a depression {depth:.0f} mm deep in the {plate.name} endplate (Schmorl's node?) is left out;"
        f" with it {value - depth:.1f} mm"
    )


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


@dataclass(frozen=True, eq=False)
class _Spot:
    """A plate at one place: its height (mm), its gradient, and samples of the error that voxel layers give it (mm)."""

    height: float
    slope: NDArray[np.float64]
    errors: NDArray[np.float64]


def _surface_at(
    shape: BodyShape,
    plate: _Surface,
    place: NDArray[np.float64],
    near: NDArray[np.bool_],
    reach: float,
    layer: float,
) -> _Spot:
    """A plate at a place.

    A smooth surface through the whole plate evens out the steps of the voxel layers. Where the plate itself, seen
    through a plane fitted to what it locally departs from that surface, lies farther from it than such steps can
    explain, the local plane has its way.
    """
    powers = _powers(_scaled(shape, place)[None])[0]
    whole = float(powers @ plate.coefficients)
    columns = shape.columns[near] - place
    kernel = np.exp(-np.sum(columns**2, axis=1) / (2 * (reach / 1.5) ** 2))
    weight = kernel * ~plate.node[near]
    basis = np.column_stack([np.ones(len(columns)), columns])
    over = _powers(_scaled(shape, shape.columns[near]))
    local, smoother = _robust_fit(basis, plate.heights[near] - over @ plate.coefficients, weight, SLOPE_PRIOR)
    # In a Schmorl's node there is no local plane: the smooth surface bridges it.
    apart = float(local[0]) if weight.sum() > kernel.sum() / 2 else 0.0
    kept = float(_kept(np.array(apart), layer))
    # The same, for the surface as found and pushed through the layers.
    whole_errors = plate.errors @ powers
    local_errors = (plate.steps[:, near] - plate.errors @ over.T) @ smoother[0]
    errors = whole_errors + _kept(kept + local_errors, layer) - kept
    return _Spot(whole + kept, _slope(shape, plate, place) + local[1:], errors)


def _slope(shape: BodyShape, plate: _Surface, place: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gradient of a plate's smooth surface at a place, mm per mm to the right and forward."""
    beside = place + np.array([[0.5, 0.0], [0.0, 0.5], [-0.5, 0.0], [0.0, -0.5]])
    heights = _powers(_scaled(shape, beside)) @ plate.coefficients
    return np.asarray(heights[:2] - heights[2:])


def _kept(apart: NDArray[np.float64], layer: float) -> NDArray[np.float64]:
    """How much of a local deviation is believed."""
    ratio = max(STEP_SHARE * layer, STEP_MM) / np.maximum(np.abs(apart), 1e-9)
    return np.asarray(apart * np.maximum(0.0, 1.0 - ratio**2))


def _powers(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """All products of both coordinates up to the fourth power together."""
    x, y = points.T
    return np.column_stack([x**n * y**m for n in range(5) for m in range(5 - n)])


def _robust_fit(
    basis: NDArray[np.float64], heights: NDArray[np.float64], weight: NDArray[np.float64], prior: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weighted least squares in which spikes and rims lose their weight (Tukey's biweight).

    :param prior: how much all coefficients but the first are held to 0 (ridge).
    :return: the coefficients, and the matrix (coefficients, n) that makes them of heights.
    """
    robust = np.ones(len(heights))
    ridge = np.zeros(basis.shape[1])
    ridge[1:] = prior
    for _ in range(3):
        scaled = basis * (weight * robust)[:, None]
        inverse = _inverse(scaled.T @ basis + np.diag(ridge))
        residual = heights - basis @ (inverse @ (scaled.T @ heights))
        scale = 4.7 * max(1.4826 * median(np.abs(residual)), 0.2)
        robust = np.clip(1 - (residual / scale) ** 2, 0, None) ** 2
    smoother = inverse @ scaled.T
    return np.asarray(smoother @ heights), np.asarray(smoother)


def _inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pseudo-inverse of a small symmetric matrix."""
    values, vectors = np.linalg.eigh(matrix)
    size = np.abs(values)
    kept = size > 1e-15 * size.max()
    return np.asarray((vectors * np.divide(1.0, values, out=np.zeros_like(values), where=kept)) @ vectors.T)


def _uncertainty(top: _Spot, bottom: _Spot, voxel_mm: NDArray[np.float64], shift: float) -> float:
    """95 % half-width of a height: from the voxel layers, and from the place where plates are not parallel."""
    place = float(np.linalg.norm(top.slope - bottom.slope)) * float(
        np.linalg.norm([PLACE_MM, PLACE_PER_VOXEL * voxel_mm[1], shift])
    )
    form = (SURFACE_MM, SURFACE_PER_LAYER * voxel_mm[2])
    return float(np.linalg.norm([spread_95(top.errors, bottom.errors), place, *form]))


def _point(vector: NDArray[np.float64]) -> Point:
    x, y, z = (float(v) for v in vector)
    return (x, y, z)
