"""Vertebra: one outlined vertebra measured in its own frame.

Key functions: `measure_vertebra` finds the frame (endplates and canal, never image axes), parts body and arch at
the posterior wall, and measures heights, depth, width and volumes. It depends on its mask crop and hint alone, so
its result can be kept until one of the two changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.anatomy.body import BodyShape, find_body
from spinemet.anatomy.canal import PITCHES_DEG, AxialView, axial_view
from spinemet.anatomy.endplate import Endplate, fit_plates
from spinemet.anatomy.frame import VertebraFrame
from spinemet.anatomy.heights import Column, Heights, Plane, measure_heights, no_heights
from spinemet.anatomy.mirror import mirror_front
from spinemet.anatomy.sampling import (
    largest_piece,
    local_coordinates,
    row_ends,
    sample_box,
    softened,
    voxel_centers,
)
from spinemet.anatomy.spine_line import LevelHint, edge_name, ends_cut
from spinemet.errors import NotMeasurable
from spinemet.evidence import Measurement, unknown
from spinemet.image import Grid, Image
from spinemet.levels import Level, Region

MIN_VOLUME_ML = 2.0
"""Less bone than this is not measured as a vertebra [D]; the smallest cervical vertebrae have about 6 mL."""
COARSE_STEP = (1.5, 1.5, 1.5)
FINE_STEP = (1.0, 1.0, 0.5)
DEPTH_RANGE_MM = (9.0, 55.0)
WIDTH_RANGE_MM = (10.0, 75.0)
HEIGHT_RANGE_MM = (2.0, 50.0)
"""Bodies outside these sizes are taken for a failure of the outline or of the method [D]."""
LEAST_WIDTH_PER_DEPTH = 0.7
"""A body narrower than this share of its depth lacks a side [D]; mid-thoracic ones are about as wide as deep."""
MOST_HEIGHT_PER_DEPTH = 1.25
"""A body higher than this many depths is two, or lacks its front [D]; bodies have 0.8 to 1."""
APART_ML = 0.5
"""More of the body than this in pieces of their own, and its plates may be those of a part of it [D]."""
MAX_TURN = 0.5
"""Least cosine between a vertebra's own superior axis and the spine's tangent (60°) [D]."""
SIDE_RIM_MM = 3.0
"""How far beyond its rim at mid-depth the body may reach to the side [D]."""
PARTING_ERROR_MM = 1.0
"""How well the plane that parts body and arch is known, mm [D]."""


@dataclass(frozen=True, eq=False)
class Vertebra:
    """One vertebra.

    :param mask: outlined voxels on their crop; only the largest piece, enclosed holes filled.
    :param frame: its own frame; from the spine's course alone where no body was found.
    :param body: the voxels of the body on the same crop, None where body and arch were not parted.
    :param wall: the posterior wall that parts body and arch: its anterior coordinate (mm) in the frame at height 0,
        and how far it moves forward per mm upward.
    :param cut: image edges that the outline touches.
    :param reason: why the body was not measured; empty when it was.
    :param notes: sentences for the reader.
    """

    level: Level
    mask: Image
    frame: VertebraFrame
    body: NDArray[np.bool_] | None
    heights: Heights
    depth: Measurement
    width: Measurement
    volume: Measurement
    body_volume: Measurement
    wall: tuple[float, float] = (0.0, 0.0)
    cut: tuple[str, ...] = ()
    superior_endplate: Endplate | None = None
    inferior_endplate: Endplate | None = None
    reason: str = ""
    notes: tuple[str, ...] = ()

    @property
    def measured(self) -> bool:
        """Whether the body was found and measured."""
        return self.body is not None and not self.reason

    @cached_property
    def arch(self) -> NDArray[np.bool_] | None:
        """The voxels behind the posterior wall, None where body and arch were not parted."""
        return None if self.body is None else np.asarray(self.mask.array & ~self.body)

    @cached_property
    def surface_distance(self) -> NDArray[np.float32]:
        """Distance in mm from every outlined voxel to the nearest one outside; 0 outside.

        The border of the crop counts as outside only where the crop holds background there.
        """
        distance = ndimage.distance_transform_edt(self.mask.array, sampling=self.mask.spacing[::-1])
        return np.asarray(distance, np.float32)

    def height(self, column: Column, plane: Plane = Plane.MIDDLE) -> Measurement:
        return self.heights[plane][column].measurement

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """Everything measured: heights (mid-sagittal first), depth, width, volumes."""
        planes = (Plane.MIDDLE, Plane.LEFT, Plane.RIGHT)
        heights = [self.height(column, plane) for plane in planes for column in Column]
        return (*heights, self.depth, self.width, self.body_volume, self.volume)


def measure_vertebra(mask: Image, level: Level, *, hint: LevelHint) -> Vertebra:
    """Measure one outlined vertebra.

    :param mask: boolean crop round the vertebra, a margin of one voxel or more where the image has it.
    :param hint: the spine's course here, from `spine_line`.
    :return: a vertebra whose unknown measurements say why; it never raises for an odd mask.
    """
    whole = _volume(mask)
    if whole.value is None or whole.value < MIN_VOLUME_ML:
        return _unmeasured(mask, level, hint, whole, "the outline is too small for a vertebra")
    solid = mask.with_array(largest_piece(mask.array))
    notes = _pieces_note(mask, solid)
    excuse = _not_measurable(level)
    try:
        frame, view = _coarse_frame(solid, hint)
        if level is Level.C1 or level.region is Region.SACRAL:
            raise NotMeasurable(excuse)
        frame, shape, view, plates = _own_frame(solid, level, frame, view, hint)
        _require_plausible(shape)
        _require_one_piece(mask, solid, frame, shape)
    except NotMeasurable as error:
        reason = _cut_reason(hint) if ends_cut(hint.cut) else excuse or _sentence(error)
        return _unmeasured(solid, level, hint, whole, reason, notes)
    right, *behind = local_coordinates(solid.grid, frame)
    ahead = _ahead_of_wall(shape, *behind)
    body = _body_voxels(solid, shape, right, ahead)
    touched = _touches(body, solid, hint)
    if touched or (hint.cut and ends_cut(hint.cut) and view.canal is None):
        return _unmeasured(solid, level, hint, whole, _cut_reason(hint), notes)
    if hint.cut:
        notes = (*notes, f"the arch is cut by the {' and the '.join(hint.cut)}")
    if view.canal is None:
        notes = (*notes, "the arch is not closed; the front was taken from the course of the spine")
    voxel = _voxel_along(solid.grid, frame)
    heights = no_heights(excuse) if excuse else measure_heights(shape, frame, voxel, solid.grid)
    return Vertebra(
        level,
        solid,
        frame,
        body,
        heights,
        _distance("body depth", shape.depth, frame, voxel[1], "posterior wall to anterior rim, mid-sagittal"),
        _distance("body width", shape.width, frame, voxel[0], "rim to rim at mid-depth"),
        whole,
        _body_volume(body, solid, frame, ahead),
        (shape.posterior, shape.tilt),
        hint.cut,
        plates[0] if level is not Level.C2 else None,
        plates[1],
        "",
        notes,
    )


def _not_measurable(level: Level) -> str:
    """Why heights of this level are never measured, or ""."""
    if level is Level.C1:
        return "C1 has no vertebral body"
    if level is Level.C2:
        return "C2: the dens takes the place of a superior endplate"
    if level.region is Region.SACRAL:
        return "sacrum: heights are not measured; a clinician judges"
    return ""


def _coarse_frame(mask: Image, hint: LevelHint) -> tuple[VertebraFrame, AxialView]:
    """Frame along the spine's tangent with its origin in the body, its front away from the canal."""
    points = voxel_centers(mask)
    frame = VertebraFrame.from_directions(points.mean(axis=0), hint.superior, hint.anterior)
    anterior, view = _look(mask, frame, row_ends(mask), PITCHES_DEG)
    if view is None:
        raise NotMeasurable("No bone is found in the outline.")
    local = frame.to_local(points)
    near = np.hypot(*(local[:, :2] - view.body).T) <= 0.6 * view.radius
    height = float(np.median(local[near, 2])) if near.any() else 0.0
    origin = frame.to_ras([view.body[0], view.body[1], height])
    return VertebraFrame.from_directions(origin, frame.superior, anterior), view


def _look(
    mask: Image, frame: VertebraFrame, ends: NDArray[np.float64], pitches: tuple[float, ...]
) -> tuple[NDArray[np.float64], AxialView | None]:
    """The front (RAS), away from the canal, and what is seen along the frame's superior axis.

    :param ends: from `row_ends` of the mask.
    """
    local = frame.to_local(ends)
    # Both ends are whole steps from the origin: mirrored and flipped outlines are sampled at the same places.
    step = np.array(COARSE_STEP)
    low, high = np.floor((local.min(axis=0) - 3.0) / step), np.ceil((local.max(axis=0) + 3.0) / step)
    samples = sample_box(mask, frame, low * step, (high + 0.5) * step, step)
    view = axial_view(samples, front=np.array([0.0, 1.0]), pitches=pitches)
    if view is None or view.canal is None:
        return np.array(frame.anterior), view
    way = view.body - view.canal
    return mirror_front(samples, view.canal, way / np.linalg.norm(way)) @ frame.axes[:2], view


def _own_frame(
    mask: Image, level: Level, frame: VertebraFrame, view: AxialView, hint: LevelHint
) -> tuple[VertebraFrame, BodyShape, AxialView, tuple[Endplate | None, Endplate | None]]:
    """Iterate: endplates give the superior axis, canal and body the anterior one, the walls the origin."""
    if level is Level.C2:
        # The dens leaves no superior plate to take an axis from: the spine's course gives it.
        shape = find_body(mask, frame, view.radius, FINE_STEP)
        return frame, shape, view, fit_plates(mask, frame, shape)
    ends, soft = row_ends(mask), softened(mask)
    for step in (COARSE_STEP, COARSE_STEP, FINE_STEP):
        shape = find_body(soft, frame, view.radius, step, ends)
        frame = _centered(frame, shape)
        if float(np.array(frame.superior) @ np.array(hint.superior)) < MAX_TURN:
            raise NotMeasurable("The endplates found are not those of a vertebra that lies along the spine.")
        anterior, seen = _look(mask, frame, ends, (0.0,))
        if seen is not None and seen.canal is not None:
            view = seen
            frame = VertebraFrame.from_directions(frame.origin, frame.superior, anterior)
    shape = find_body(soft, frame, view.radius, FINE_STEP, ends)
    plates = fit_plates(soft, frame, shape)
    frame = _centered(frame, shape, plates)
    return frame, find_body(soft, frame, view.radius, FINE_STEP, ends), view, plates


def _centered(
    frame: VertebraFrame, shape: BodyShape, plates: tuple[Endplate | None, Endplate | None] = (None, None)
) -> VertebraFrame:
    """The frame moved to the body's middle, its superior axis the bisector of both plates' normals."""
    upper, lower = plates
    superior = shape.axis @ frame.axes
    if upper is not None and lower is not None:
        superior = np.subtract(upper.normal, lower.normal)
    return VertebraFrame.from_directions(frame.to_ras(shape.middle), superior, frame.anterior)


def _require_plausible(shape: BodyShape) -> None:
    height = shape.height
    sizes = ((shape.depth, DEPTH_RANGE_MM), (shape.width, WIDTH_RANGE_MM), (height, HEIGHT_RANGE_MM))
    if any(not low <= size <= high for size, (low, high) in sizes):
        raise NotMeasurable(
            f"The body found ({shape.width:.0f}×{shape.depth:.0f}×{height:.0f} mm) has not the size of a vertebra."
        )
    if shape.width < LEAST_WIDTH_PER_DEPTH * shape.depth or height > MOST_HEIGHT_PER_DEPTH * shape.depth:
        raise NotMeasurable(
            f"The body found ({shape.width:.0f}×{shape.depth:.0f}×{height:.0f} mm) has not the proportions of one"
            " vertebra; check the outline."
        )


def _require_one_piece(mask: Image, solid: Image, frame: VertebraFrame, shape: BodyShape) -> None:
    """:raises NotMeasurable: some of what was left out as a piece of its own lies where the body is."""
    k, j, i = np.nonzero(mask.array & ~solid.array)
    right, anterior, superior = frame.to_local(mask.to_world(np.stack([i, j, k], axis=-1))).T
    inside = anterior > shape.posterior + shape.tilt * superior
    inside &= (anterior < shape.posterior + shape.depth) & (right > shape.left) & (right < shape.right)
    if np.count_nonzero(inside) * mask.voxel_volume / 1000 > APART_ML:
        raise NotMeasurable("The outline of the body is in several pieces; check it.")


def _ahead_of_wall(
    shape: BodyShape, anterior: NDArray[np.float32], superior: NDArray[np.float32]
) -> NDArray[np.float32]:
    """How far (mm) voxels lie in front of the posterior wall, given their local coordinates."""
    return np.asarray(anterior - (shape.posterior + shape.tilt * superior), np.float32)


def _body_voxels(
    mask: Image, shape: BodyShape, right: NDArray[np.float32], ahead: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Voxels in front of the posterior wall, without the processes beside the body.

    :param right: local coordinate of every voxel, mm; `ahead` from `_ahead_of_wall`.
    """
    body = mask.array & (ahead > 0)
    # A transverse process beside the body does not belong to it.
    middle, reach = (shape.left + shape.right) / 2, 0.5 * shape.width + SIDE_RIM_MM
    body &= np.abs(right - middle) <= reach
    pieces, count = ndimage.label(body)
    if count > 1:
        body = pieces == np.argmax(np.bincount(pieces.ravel())[1:]) + 1
    return np.asarray(body)


def _touches(body: NDArray[np.bool_], mask: Image, hint: LevelHint) -> bool:
    """Whether the body, or the voxels next to it, end at an edge of the image that cuts the vertebra."""
    if not hint.cut:
        return False
    for axis in range(3):
        direction = mask.grid.directions[:, 2 - axis]
        for index, sign in ((0, -1), (-1, 1)):
            name = edge_name(sign * direction)
            layer = np.take(body, index, axis=axis)
            inner = np.take(body, 1 if index == 0 else -2, axis=axis)
            if name in hint.cut and (layer.any() or inner.any()):
                return True
    return False


def _cut_reason(hint: LevelHint) -> str:
    return f"cut by the {' and the '.join(hint.cut)}; not measured"


def _pieces_note(mask: Image, solid: Image) -> tuple[str, ...]:
    lost = int(np.count_nonzero(mask.array & ~solid.array))
    if lost * mask.voxel_volume < 50.0:
        return ()
    return (
        f"the outline has several pieces; {lost * mask.voxel_volume / 1000:.1f} mL apart from the largest ignored",
    )


def _voxel_along(grid: Grid, frame: VertebraFrame) -> NDArray[np.float64]:
    """Extent of a voxel along right, anterior and superior: the distance of its layers as the axis crosses them."""
    return np.asarray(np.sqrt(((frame.axes @ grid.ijk_to_ras[:3, :3]) ** 2).sum(axis=1)))


def _distance(name: str, value: float, frame: VertebraFrame, voxel: float, method: str) -> Measurement:
    return Measurement(name, value, "mm", method, position=frame.origin, uncertainty=0.78 * voxel)


def _volume(mask: Image) -> Measurement:
    count = int(np.count_nonzero(mask.array))
    if count == 0:
        return unknown("vertebra volume", "mL", "the outline is empty")
    return Measurement("vertebra volume", count * mask.voxel_volume / 1000, "mL", "outlined voxels")


def _body_volume(
    body: NDArray[np.bool_], mask: Image, frame: VertebraFrame, ahead: NDArray[np.float32]
) -> Measurement:
    """Volume in front of the posterior wall; ± from where the pedicles are parted from the body."""
    value = np.count_nonzero(body) * mask.voxel_volume / 1000
    near = np.abs(ahead) <= PARTING_ERROR_MM
    parted = np.count_nonzero(mask.array & near) / 2
    return Measurement(
        "body volume",
        value,
        "mL",
        "outlined voxels in front of the posterior wall",
        position=frame.origin,
        uncertainty=parted * mask.voxel_volume / 1000,
    )


def _unmeasured(
    mask: Image, level: Level, hint: LevelHint, volume: Measurement, reason: str, notes: tuple[str, ...] = ()
) -> Vertebra:
    center = voxel_centers(mask).mean(axis=0) if mask.array.any() else mask.grid.center
    frame = VertebraFrame.from_directions(center, hint.superior, hint.anterior)
    return Vertebra(
        level,
        mask,
        frame,
        None,
        no_heights(reason),
        unknown("body depth", "mm", reason),
        unknown("body width", "mm", reason),
        volume,
        unknown("body volume", "mL", reason),
        cut=hint.cut,
        reason=reason,
        notes=notes,
    )


def _sentence(error: NotMeasurable) -> str:
    text = str(error).rstrip(".")
    return text[:1].lower() + text[1:]
