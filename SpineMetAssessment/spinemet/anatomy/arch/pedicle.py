"""Pedicle isthmus: the least cross-section of a pedicle along its own axis, with its width and height.

`waist` shows where the bridge between body and arch is thinnest; from there the plane is turned until the section's
middle is narrowest and tilted until its area is least, and moved along its normal, the pedicle's axis. Width is the
mean chord of the section's middle in the transverse direction, as that of an ellipse's middle relates to its width:
the flares into facet and body do not count. Height is that of the ellipse with the section's area and second moments.

Published means of the transverse width: C3 4.9 to C7 6.6 mm, no pedicle under 3.2 mm (Woodward et al. 2008, 338
pedicles on CT) [S]; narrowest at T4, widest at L5, heights least at T1 (Lien et al. 2007) [S]; T1 7.9, T4 4.7, L1 8.7,
L5 18.0 mm (Zindrick et al. 1987) [K].
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.anatomy.arch.cloud import even_samples
from spinemet.anatomy.arch.ring import ArchRing, arch_ring, looked_through
from spinemet.anatomy.arch.waist import Waist, find_waist
from spinemet.anatomy.arch.wall_steps import wall_steps
from spinemet.anatomy.frame import VertebraFrame
from spinemet.anatomy.sampling import INSIDE, LocalSamples, sample_box
from spinemet.anatomy.vertebra import Vertebra
from spinemet.errors import NotMeasurable
from spinemet.evidence import Measurement, Point, unknown
from spinemet.levels import Level, Region

METHOD = "transverse chords (width) and ellipse (height) of the least section across the pedicle's axis"


class Side(str, Enum):
    """The patient's side."""

    LEFT = "left"
    RIGHT = "right"

    @property
    def sign(self) -> int:
        """+1 toward the patient's right, as the frame's first axis."""
        return 1 if self is Side.RIGHT else -1


STEP_MM = 0.5
FROM_WALL_MM, LEAST_FORWARD_MM = 1.0, 2.5
"""Below the neck sections start this far behind the posterior wall, but not this near before
the waist: neck pedicles reach beside the wall, L5's begin at it [D]."""
ABOVE_MM, BELOW_MM = 4.0, 3.0
"""A pedicle lies within these distances beyond the endplates [D]."""
HALF_FIELD_MM = 16.0
"""Half the size of the field in which a section is looked at."""
ALONG_MM = 4.0
"""The isthmus is sought this far to both sides of the waist."""
SMOOTH_MM = 2.0
"""Sections are averaged over this length: neither a step between voxels nor a spur is the isthmus."""
TURNS_DEG = (24.0, 12.0)
"""How far the plane is turned to both sides to find its least section, first and then."""
THREE = np.array([-1.0, 0.0, 1.0])
IN_PLANE = ndimage.generate_binary_structure(2, 1)
OUTSIDE = 0.25
"""Samples with less bone than this do not belong to a section that is looked at."""
LOOK_MM, LOOKS_MM = 1.0, np.array([-2.0, 0.0, 2.0])
"""Resolution of the sections looked at meanwhile, and where along the axis they lie."""
MOST_TURN, MOST_TILT = np.deg2rad(75.0), np.deg2rad(25.0)
"""Steepest pedicle believed, to the side and up [D]; C3's axis lies at about 45–50°."""
LEAST_WIDTH_MM, LEAST_HEIGHT_MM = 1.5, 3.0
WIDEST_MM = {Region.CERVICAL: 9.0, Region.THORACIC: 12.0, Region.LUMBAR: 22.0}
TALLEST_MM = {Region.CERVICAL: 12.0, Region.THORACIC: 22.0, Region.LUMBAR: 22.0}
"""Pedicles outside these sizes are taken for a failure of the outline or of the method [D]."""
BAND_MM = 2.5
"""Width is read within this distance above and below the middle: the ends flare into facet and body."""
RESOLVED_VOXELS = 1.5
"""A pedicle narrower than this many voxels is shown with a warning [D]."""
WALL_STEPS, PLACE_VOXELS, WIDTH_SPREADS = 1.15, 0.23, 0.7
"""Half-width (95 %) of a width: this many times what the outline's steps do to its walls, this share of a voxel's mean
edge by which frame and plane lie off, and this many of the standard deviations found along the isthmus. From phantoms
(seeds from 1001 on) and from real outlines C3–L5 that were smoothed and outlined anew on other grids."""
HEIGHT_VOXELS, HEIGHT_SPREADS = 0.37, 1.0
"""The same of a height: of the voxel's extent along it, and of its standard deviation along the isthmus."""
ALIKE = 0.05
"""Sections larger than the least by this share count for 1/e in the isthmus's place and ±."""


@dataclass(frozen=True, eq=False)
class Pedicle:
    """One pedicle.

    :param center: of the isthmus, RAS.
    :param axis: unit vector along the pedicle toward the front, RAS.
    :param local_center: of the isthmus in the vertebra's frame, of its neighborhood where the isthmus was not found;
        `local_axis` likewise.
    :param area: of the isthmus in mm².
    :param size: width and height of what was found, trusted as a pedicle's or not.
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
    size: tuple[float, float] | None = None
    reason: str = ""

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        return (self.width, self.height, self.area)


@dataclass(frozen=True)
class _Section:
    """One section: area, center and 2×2 second moments in (across, up) millimeters of its plane.

    :param chord: mean width of its middle, within `BAND_MM` above and below its center.
    """

    area: float
    center: NDArray[np.float64]
    moments: NDArray[np.float64]
    chord: float

    @property
    def size(self) -> tuple[float, float]:
        """Width of the ellipse with this chord; height of the one with the moments' form and the area's size."""
        inverse = np.linalg.inv(self.moments + 1e-6 * np.eye(2))
        scale = np.sqrt(self.area / (4 * np.pi * np.sqrt(max(float(np.linalg.det(self.moments)), 1e-6))))
        height = float(4 * scale / np.sqrt(inverse[1, 1]))
        u = min(1.0, 2 * BAND_MM / height)
        return float(self.chord / (0.5 * (np.sqrt(1 - u * u) + np.arcsin(u) / u))), height


@dataclass(frozen=True)
class _Isthmus:
    """The least of the sections across one axis.

    :param along: its place on the axis.
    :param spread: standard deviation of width and height over the sections that are hardly larger.
    """

    section: _Section
    along: float
    plane: VertebraFrame
    spread: NDArray[np.float64]

    @property
    def center(self) -> NDArray[np.float64]:
        return self.plane.to_ras([self.section.center[0], self.along, self.section.center[1]])


def pedicles(
    vertebra: Vertebra, ring: ArchRing | None = None, samples: LocalSamples | None = None
) -> dict[Side, Pedicle]:
    """Both pedicles of a vertebra; what is not found says why.

    :param ring: from `arch_ring`, where the caller has it already; `samples` from `even_samples` likewise.
    """
    found = {}
    for side in Side:
        try:
            if vertebra.level is Level.C2:
                raise NotMeasurable("C2: what joins its body and arch is a pars under the superior facet")
            ring = ring or arch_ring(vertebra)
            samples = samples or even_samples(vertebra)
            found[side] = _measure(vertebra, ring, samples, side)
        except NotMeasurable as error:
            found[side] = _unmeasured(side, str(error).rstrip("."))
    return found


def _unmeasured(side: Side, reason: str) -> Pedicle:
    names = (("width", "mm"), ("height", "mm"), ("area", "mm²"))
    width, height, area = (unknown(f"{side.value} pedicle {name}", unit, reason, METHOD) for name, unit in names)
    return Pedicle(side, width, height, area, reason=reason)


def _measure(vertebra: Vertebra, ring: ArchRing, samples: LocalSamples, side: Side) -> Pedicle:
    low, high = looked_through(vertebra)
    short = vertebra.level.region is Region.CERVICAL
    waist = find_waist(samples, ring, side.sign, (low - BELOW_MM, high + ABOVE_MM), short=short)
    frame = vertebra.frame
    center, axis = waist.center, _direction(waist.turn, 0.0, side.sign)
    try:
        center, axis = _turned(samples, waist, side.sign, short=short)
        isthmus = _isthmus(vertebra, ring, center, axis)
    except NotMeasurable as error:
        # Its place is known all the same: the parts round it can be told apart.
        return replace(_unmeasured(side, str(error).rstrip(".")), local_center=center, local_axis=axis)
    section, plane = isthmus.section, isthmus.plane
    width, height = section.size
    center, axis = frame.to_local(isthmus.center), frame.axes @ np.array(plane.anterior)
    region = vertebra.level.region
    if not (LEAST_WIDTH_MM <= width <= WIDEST_MM[region] and LEAST_HEIGHT_MM <= height <= TALLEST_MM[region]):
        reason = f"what was found ({width:.0f}×{height:.0f} mm) has not a pedicle's size"
        return replace(_unmeasured(side, reason), local_center=center, local_axis=axis, size=section.size)
    voxel = np.sqrt(((plane.axes @ vertebra.mask.ijk_to_ras[:3, :3]) ** 2).sum(axis=1))
    limits: tuple[str, ...] = ()
    if width < RESOLVED_VOXELS * voxel[0]:
        limits = (f"the pedicle is hardly wider than a voxel ({voxel[0]:.1f} mm)",)
    position = _point(isthmus.center)
    name = f"{side.value} pedicle"
    steps = wall_steps(plane.axes, section.size, vertebra.mask.grid, band_mm=BAND_MM, length_mm=SMOOTH_MM)
    edge = vertebra.mask.voxel_volume ** (1 / 3)
    sure_width = float(np.linalg.norm([WALL_STEPS * steps, PLACE_VOXELS * edge, WIDTH_SPREADS * isthmus.spread[0]]))
    sure_height = float(np.hypot(HEIGHT_VOXELS * voxel[2], HEIGHT_SPREADS * isthmus.spread[1]))
    sure_area = section.area * float(np.hypot(sure_width / width, sure_height / height))
    return Pedicle(
        side,
        Measurement(f"{name} width", width, "mm", METHOD, position, sure_width, limits=limits),
        Measurement(f"{name} height", height, "mm", METHOD, position, sure_height, limits=limits),
        Measurement(f"{name} area", section.area, "mm²", "least cross-section", position, sure_area, limits=limits),
        position,
        plane.anterior,
        center,
        axis,
        section.size,
    )


def _direction(turn: float, tilt: float, sign: int) -> NDArray[np.float64]:
    """Local unit vector along a pedicle that leans toward the midline by `turn` and rises by `tilt` (radians)."""
    return np.array([-sign * np.sin(turn) * np.cos(tilt), np.cos(turn) * np.cos(tilt), np.sin(tilt)])


def _turned(
    samples: LocalSamples, waist: Waist, sign: int, *, short: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Turn and tilt the plane through a waist until its section is least: the section's center and the axis, local."""
    center, turn, tilt = waist.center, waist.turn, 0.0
    for step in np.deg2rad(TURNS_DEG):
        turns = turn + step * THREE
        areas = [_look(samples, center, _direction(a, tilt, sign), short, banded=True)[0] for a in turns]
        turn = float(np.clip(_least(turns, areas), -MOST_TURN, MOST_TURN))
        tilts = tilt + step / 2 * THREE
        areas = [_look(samples, center, _direction(turn, b, sign), short)[0] for b in tilts]
        tilt = float(np.clip(_least(tilts, areas), -MOST_TILT, MOST_TILT))
        axis = _direction(turn, tilt, sign)
        center = _look(samples, center, axis, short)[1]
    return center, axis


def _least(angles: NDArray[np.float64], areas: list[float]) -> float:
    """The angle of least area: a plane turned by an angle cuts a bar in its own section over the angle's cosine."""
    middle = angles[1]
    basis = np.column_stack([np.cos(angles - middle), np.sin(angles - middle)])
    along, across = np.linalg.lstsq(basis, 1 / np.array(areas), rcond=None)[0]
    best = float(np.arctan2(across, along))
    return float(middle + np.clip(best, angles[0] - middle, angles[2] - middle))


def _look(
    samples: LocalSamples, center: NDArray[np.float64], axis: NDArray[np.float64], short: bool, banded: bool = False
) -> tuple[float, NDArray[np.float64]]:
    """Mean area of a few sections across an axis, the least of a short pedicle, and the middle one's local center."""
    across, up = _plane_axes(axis)
    field = np.arange(-HALF_FIELD_MM, HALF_FIELD_MM + LOOK_MM / 2, LOOK_MM)
    starts = center + LOOKS_MM[:, None] * axis
    index = [
        (starts[:, n, None, None] + across[n] * field[:, None] + up[n] * field - samples.lower[n]) / samples.step[n]
        for n in range(3)
    ]
    values = ndimage.map_coordinates(samples.values, index, order=1, prefilter=False)
    inside = values >= OUTSIDE
    rows = np.abs(field) <= (BAND_MM if banded else HALF_FIELD_MM)
    areas: list[float] = []
    middle = center
    for number, plane in enumerate(inside):
        piece = _nearest_piece(plane, field, field, np.zeros(2))
        if piece is not None:
            # What each sample holds of the bone, so that no small turn makes the area jump.
            share = np.where(piece, np.clip(2 * values[number] - 0.5, 0.0, 1.0), 0.0)
            total = max(float(share.sum()), 1e-3)
            areas.append(max(float(share[:, rows].sum()), 1e-3) * LOOK_MM**2)
            if LOOKS_MM[number] == 0:
                u, w = float(share.sum(axis=1) @ field) / total, float(share.sum(axis=0) @ field) / total
                middle = center + u * across + w * up
    if not areas:
        raise NotMeasurable("no narrowest section is found between body and arch")
    # A plane that cuts a corner of the body meets far more bone a little farther on, so the mean is looked at. A neck
    # pedicle is too short for that.
    return float(min(areas) if short else np.mean(areas)), middle


def _plane_axes(axis: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Local unit vectors across (to the right) and up in the plane whose normal is `axis`."""
    up = np.array([0.0, 0.0, 1.0]) - axis * axis[2]
    up /= np.linalg.norm(up)
    across = [axis[1] * up[2] - axis[2] * up[1], axis[2] * up[0] - axis[0] * up[2], axis[0] * up[1] - axis[1] * up[0]]
    return np.array(across), up


def _isthmus(vertebra: Vertebra, ring: ArchRing, center: NDArray[np.float64], axis: NDArray[np.float64]) -> _Isthmus:
    """Least section across a local axis through a local point."""
    frame = vertebra.frame
    _, up = _plane_axes(axis)
    plane = VertebraFrame.from_directions(frame.to_ras(center), up @ frame.axes, axis @ frame.axes)
    upper = np.array([HALF_FIELD_MM, ALONG_MM, HALF_FIELD_MM])
    lower = -upper
    if vertebra.level.region is not Region.CERVICAL:
        # Never into the body: there a section may run out of the bone and be small for no good reason.
        upper[1] = np.clip((ring.front - FROM_WALL_MM - float(center[1])) / float(axis[1]), LEAST_FORWARD_MM, ALONG_MM)
    sections = _sections(sample_box(vertebra.mask, plane, lower, upper + STEP_MM / 2, STEP_MM))
    if len(sections) < 3:
        raise NotMeasurable("no narrowest section is found between body and arch")
    along = np.array(sorted(sections))
    areas = ndimage.uniform_filter1d(
        np.array([sections[t].area for t in along]), max(1, round(SMOOTH_MM / STEP_MM)), mode="nearest"
    )
    # Sections that are hardly larger might as well be the isthmus: it lies in their middle, and they show its ±.
    weight = np.exp((1 - areas / areas.min()) / ALIKE)
    best = float(weight @ along / weight.sum())
    near = [sections[t] for t in along if abs(t - best) <= SMOOTH_MM / 2] or [sections[along[np.argmin(areas)]]]
    section = _Section(
        float(np.mean([item.area for item in near])),
        np.mean([item.center for item in near], axis=0),
        np.mean([item.moments for item in near], axis=0),
        float(np.mean([item.chord for item in near])),
    )
    sizes = np.array([sections[t].size for t in along])
    spread = np.sqrt(np.average((sizes - section.size) ** 2, axis=0, weights=weight))
    return _Isthmus(section, best, plane, spread)


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
            middle_of = place.mean(axis=0)
            # Rows count by how much of them lies in the band, so that no small shift makes the chord jump.
            band = np.clip((BAND_MM + STEP_MM / 2 - np.abs(place[:, 1] - middle_of[1])) / STEP_MM, 0.0, 1.0)
            moments = np.cov(place.T) - np.eye(2) * STEP_MM**2 / 12 if len(place) > 3 else np.eye(2)
            found[float(along[index])] = _Section(
                float(len(place)) * STEP_MM**2, middle_of, moments, float(band.sum()) * STEP_MM**2 / (2 * BAND_MM)
            )
            anchor = middle_of
    return found


def _nearest_piece(
    inside: NDArray[np.bool_], right: NDArray[np.float64], superior: NDArray[np.float64], anchor: NDArray[np.float64]
) -> NDArray[np.bool_] | None:
    """The piece of a section nearest to `anchor`, specks left out; None without one."""
    pieces, count = ndimage.label(inside, IN_PLANE)
    if count == 0:
        return None
    areas = np.bincount(pieces.ravel(), minlength=count + 1) * (right[1] - right[0]) * (superior[1] - superior[0])
    areas[0] = 0.0
    large = np.flatnonzero(areas >= max(6.0, 0.1 * float(areas.max())))
    if large.size < 2:
        return np.asarray(pieces == large[0]) if large.size else None
    away = np.hypot(right[:, None] - anchor[0], superior - anchor[1])
    return np.asarray(pieces == min(large, key=lambda number: float(away[pieces == number].min())))


def _point(vector: NDArray[np.float64]) -> Point:
    x, y, z = (float(v) for v in vector)
    return (x, y, z)
