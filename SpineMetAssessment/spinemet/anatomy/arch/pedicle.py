"""Pedicle isthmus: the least cross-section of a pedicle along its own axis, with its width and height.

A pedicle is sought beside the canal, behind the posterior wall. Its axis follows the centers of its sections; the
isthmus is the section across that axis with the least area. Width and height are those of the ellipse with the same
second moments, which evens out the steps between voxels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.anatomy.arch.ring import ArchRing, arch_ring
from spinemet.anatomy.frame import VertebraFrame
from spinemet.anatomy.sampling import INSIDE, LocalSamples, sample_box
from spinemet.anatomy.vertebra import Vertebra
from spinemet.errors import NotMeasurable
from spinemet.evidence import Measurement, Point, unknown
from spinemet.levels import Region

METHOD = "ellipse of the same second moments, least cross-section across the pedicle's axis"


class Side(str, Enum):
    """The patient's side."""

    LEFT = "left"
    RIGHT = "right"

    @property
    def sign(self) -> int:
        """+1 toward the patient's right, as the frame's first axis."""
        return 1 if self is Side.RIGHT else -1


STEP_MM = 0.5
FROM_WALL_MM = 1.0
"""Sections start this far behind the posterior wall [D]."""
REACH = 0.6
"""… and end at this share of the canal's depth, where facet and transverse process begin [D]."""
OUTER_SHARE = 0.42
"""A pedicle lies within this share of the body's width beside the canal [D]."""
NARROW = 1.3
"""Sections up to this many times the least area show the axis: farther on, facet and transverse process pull it."""
MAX_TURN, MAX_TILT = 0.9, 0.25
"""Steepest pedicle believed, to the side and up (tangents) [D]."""
HALF_FIELD_MM = 14.0
"""Half the size of the field in which a section is looked at."""
ALONG_MM = 5.0
"""The isthmus is sought this far to both sides of the narrowest coronal section."""
SMOOTH_MM = 2.0
"""Sections are averaged over this length: neither a step between voxels nor a spur is the isthmus."""
LEAST_WIDTH_MM, LEAST_HEIGHT_MM = 1.5, 3.0
WIDEST_MM = {Region.CERVICAL: 9.0, Region.THORACIC: 12.0, Region.LUMBAR: 22.0}
TALLEST_MM = {Region.CERVICAL: 12.0, Region.THORACIC: 22.0, Region.LUMBAR: 22.0}
"""Pedicles outside these sizes are taken for a failure of the outline or of the method [D]."""
RESOLVED_VOXELS = 1.5
"""A pedicle narrower than this many voxels is shown with a warning [D]."""
BORDER_95 = 0.57
"""Half-width (95 %) of the width, in voxels across it: two borders, evened out over the section; from phantoms."""
MODEL_MM = 0.25
"""Half-width (95 %) that stays at fine voxels: fillets to body and facet; from phantoms."""


@dataclass(frozen=True, eq=False)
class Pedicle:
    """One pedicle.

    :param center: of the isthmus, RAS.
    :param axis: unit vector along the pedicle toward the front, RAS.
    :param local_center: of the isthmus in the vertebra's frame, of its neighborhood where the isthmus was not found;
        `local_axis` likewise.
    :param area: of the isthmus in mm².
    :param reason: why it was not measured; empty when it was.
    """

    side: Side
    width: Measurement
    height: Measurement
    area: Measurement
    center: Point | None = None
    axis: Point | None = None
    local_center: NDArray[np.float64] | None = None
    local_axis: NDArray[np.float64] | None = None
    reason: str = ""

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        return (self.width, self.height, self.area)


@dataclass(frozen=True)
class _Section:
    """One section: area, center and 2×2 second moments in (across, up) millimeters of its plane."""

    area: float
    center: NDArray[np.float64]
    moments: NDArray[np.float64]


def pedicles(vertebra: Vertebra, ring: ArchRing | None = None) -> dict[Side, Pedicle]:
    """Both pedicles of a vertebra; what is not found says why.

    :param ring: from `arch_ring`, where the caller has it already.
    """
    found = {}
    for side in Side:
        try:
            found[side] = _measure(vertebra, ring or arch_ring(vertebra), side)
        except NotMeasurable as error:
            found[side] = _unmeasured(side, str(error).rstrip("."))
    return found


def _unmeasured(side: Side, reason: str) -> Pedicle:
    names = (("width", "mm"), ("height", "mm"), ("area", "mm²"))
    width, height, area = (unknown(f"{side.value} pedicle {name}", unit, reason, METHOD) for name, unit in names)
    return Pedicle(side, width, height, area, reason=reason)


def _measure(vertebra: Vertebra, ring: ArchRing, side: Side) -> Pedicle:
    center, axis = _coronal_course(vertebra, ring, side)
    frame = vertebra.frame
    try:
        section, offset, plane = _isthmus(vertebra, ring, center, axis)
    except NotMeasurable as error:
        # Its place is known all the same: the parts round it can be told apart.
        return replace(_unmeasured(side, str(error).rstrip(".")), local_center=center, local_axis=axis)
    width, height = _extent(section)
    region = vertebra.level.region
    if not (LEAST_WIDTH_MM <= width <= WIDEST_MM[region] and LEAST_HEIGHT_MM <= height <= TALLEST_MM[region]):
        reason = f"what was found ({width:.0f}×{height:.0f} mm) has not a pedicle's size"
        return replace(_unmeasured(side, reason), local_center=center, local_axis=axis)
    voxel = np.sqrt(((plane.axes @ vertebra.mask.ijk_to_ras[:3, :3]) ** 2).sum(axis=1))
    limits: tuple[str, ...] = ()
    if width < RESOLVED_VOXELS * voxel[0]:
        limits = (f"the pedicle is hardly wider than a voxel ({voxel[0]:.1f} mm)",)
    position = _point(offset)
    name = f"{side.value} pedicle"
    sure_width = float(np.hypot(BORDER_95 * voxel[0], MODEL_MM))
    sure_height = float(np.hypot(BORDER_95 * voxel[2], 2 * MODEL_MM))
    sure_area = section.area * float(np.hypot(sure_width / width, sure_height / height))
    return Pedicle(
        side,
        Measurement(f"{name} width", width, "mm", METHOD, position, sure_width, limits=limits),
        Measurement(f"{name} height", height, "mm", METHOD, position, sure_height, limits=limits),
        Measurement(f"{name} area", section.area, "mm²", "least cross-section", position, sure_area, limits=limits),
        position,
        plane.anterior,
        frame.to_local(offset),
        frame.axes @ np.array(plane.anterior),
    )


def _coronal_course(vertebra: Vertebra, ring: ArchRing, side: Side) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Local center of the narrowest coronal section beside the canal, and the axis through its neighbors."""
    sign = side.sign
    inner = ring.middle + sign * 0.45 * ring.half_width
    outer = ring.middle + sign * (ring.half_width + OUTER_SHARE * (vertebra.width.value or 0.0))
    low = min(inner, outer), ring.front - max(REACH * ring.depth, 6.0) - 1.0, -HALF_FIELD_MM - 6.0
    high = max(inner, outer), ring.front - FROM_WALL_MM, HALF_FIELD_MM + 6.0
    samples = sample_box(vertebra.mask, vertebra.frame, low, high, (0.75, STEP_MM, 0.75))
    right, anterior, superior = (samples.axis(n) for n in range(3))
    inside = samples.values >= INSIDE
    rows: list[tuple[float, float, float, float]] = []
    anchor = np.array([ring.middle + sign * (ring.half_width + 3.0), np.nan])
    for index in range(len(anterior) - 1, -1, -1):
        piece = _nearest_piece(inside[:, index], right, superior, anchor)
        if piece is None:
            continue
        r, s = np.nonzero(piece)
        x, z = float(right[r].mean()), float(superior[s].mean())
        anchor = np.array([x, z])
        rows.append((float(anterior[index]), x, z, float(piece.sum()) * 0.75**2))
    if len(rows) < 4:
        raise NotMeasurable(f"No {side.value} pedicle is found in the outline.")
    table = np.array(rows)
    areas = ndimage.uniform_filter1d(table[:, 3], max(1, round(SMOOTH_MM / STEP_MM)), mode="nearest")
    best = int(np.argmin(areas))
    near = (np.abs(table[:, 0] - table[best, 0]) <= 3.0) & (areas <= NARROW * areas[best])
    slope = [_slope(table[near, 0], table[near, n]) for n in (1, 2)]
    center = np.array([np.median(table[near, 1]), np.median(table[near, 0]), np.median(table[near, 2])])
    axis = np.array([np.clip(slope[0], -MAX_TURN, MAX_TURN), 1.0, np.clip(slope[1], -MAX_TILT, MAX_TILT)])
    return center, axis / np.linalg.norm(axis)


def _slope(along: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    return float(np.polyfit(along, values, 1)[0]) if np.ptp(along) > 1.0 else 0.0


def _nearest_piece(
    inside: NDArray[np.bool_], right: NDArray[np.float64], superior: NDArray[np.float64], anchor: NDArray[np.float64]
) -> NDArray[np.bool_] | None:
    """The piece of a section that the course goes through: the nearest to `anchor`, specks left out."""
    pieces, count = ndimage.label(inside)
    if count == 0:
        return None
    areas = np.bincount(pieces.ravel(), minlength=count + 1)[1:] * (right[1] - right[0]) * (superior[1] - superior[0])
    large = np.flatnonzero(areas >= max(6.0, 0.2 * areas.max())) + 1
    if large.size == 0:
        return None
    if np.isnan(anchor[1]):
        return np.asarray(pieces == large[np.argmax(areas[large - 1])])
    centers = np.array(ndimage.center_of_mass(inside, pieces, large))
    place = np.column_stack([np.interp(centers[:, 0], np.arange(right.size), right),
                             np.interp(centers[:, 1], np.arange(superior.size), superior)])  # fmt: skip
    return np.asarray(pieces == large[np.argmin(np.linalg.norm(place - anchor, axis=1))])


def _isthmus(
    vertebra: Vertebra, ring: ArchRing, center: NDArray[np.float64], axis: NDArray[np.float64]
) -> tuple[_Section, NDArray[np.float64], VertebraFrame]:
    """Least section across an axis: the section, its center in RAS, and the plane it lies in."""
    frame = vertebra.frame
    ras_axis = axis @ frame.axes
    up = np.array(frame.superior) - ras_axis * (ras_axis @ np.array(frame.superior))
    plane = VertebraFrame.from_directions(frame.to_ras(center), up, ras_axis)
    # Never into the body: there a section may run out of the bone and be small for no good reason.
    forward = min(ALONG_MM, max(0.0, (ring.front - FROM_WALL_MM - float(center[1])) / float(axis[1])))
    lower, upper = (-HALF_FIELD_MM, -ALONG_MM, -HALF_FIELD_MM), (HALF_FIELD_MM, forward + STEP_MM / 2, HALF_FIELD_MM)
    sections = _sections(sample_box(vertebra.mask, plane, lower, upper, STEP_MM))
    if len(sections) < 3:
        raise NotMeasurable("no narrowest section is found between body and arch")
    along = np.array(sorted(sections))
    areas = ndimage.uniform_filter1d(
        np.array([sections[t].area for t in along]), max(1, round(SMOOTH_MM / STEP_MM)), mode="nearest"
    )
    best = float(along[np.argmin(areas)])
    near = [sections[t] for t in along if abs(t - best) <= SMOOTH_MM / 2]
    section = _Section(
        float(np.mean([item.area for item in near])),
        np.mean([item.center for item in near], axis=0),
        np.mean([item.moments for item in near], axis=0),
    )
    return section, plane.to_ras([section.center[0], best, section.center[1]]), plane


def _sections(samples: LocalSamples) -> dict[float, _Section]:
    """Sections by their position along the axis, each the piece round the axis; those that fill the field left out."""
    right, along, superior = (samples.axis(n) for n in range(3))
    inside = samples.values >= INSIDE
    found: dict[float, _Section] = {}
    middle = int(np.abs(along).argmin())
    for order in (range(middle, len(along)), range(middle - 1, -1, -1)):
        anchor = np.zeros(2)
        for index in order:
            piece = _nearest_piece(inside[:, index], right, superior, anchor)
            if piece is None or piece[0].any() or piece[-1].any() or piece[:, 0].any() or piece[:, -1].any():
                continue
            r, s = np.nonzero(piece)
            place = np.column_stack([right[r], superior[s]])
            moments = np.cov(place.T) - np.eye(2) * STEP_MM**2 / 12 if len(place) > 3 else np.eye(2)
            found[float(along[index])] = _Section(float(len(place)) * STEP_MM**2, place.mean(axis=0), moments)
            anchor = place.mean(axis=0)
    return found


def _extent(section: _Section) -> tuple[float, float]:
    """Width (the axis nearer to the horizontal) and height of the ellipse with the section's moments and area."""
    values, vectors = np.linalg.eigh(section.moments)
    lengths = 4 * np.sqrt(np.maximum(values, 1e-6))
    # The moments give the form, the area the size: notches and steps count less.
    lengths *= np.sqrt(section.area / (np.pi / 4 * lengths[0] * lengths[1]))
    first = 0 if abs(vectors[0, 0]) >= abs(vectors[1, 0]) else 1
    return float(lengths[first]), float(lengths[1 - first])


def _point(vector: NDArray[np.float64]) -> Point:
    x, y, z = (float(v) for v in vector)
    return (x, y, z)
