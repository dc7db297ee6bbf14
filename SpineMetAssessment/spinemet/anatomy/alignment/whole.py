"""Alignment of the spine: angles between endplates, slips, rotation and curves, as the patient lay.

Key functions: `measure_alignment` measures everything at once; `segmental_kyphosis`, `wedge` and `rotation` one
thing. `deformity.alignment_candidates` picks from it what a person should look at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinemet.anatomy.alignment.angles import SUPINE, Landmarks, between, landmarks, posture_limit, unit
from spinemet.anatomy.alignment.cobb import Curve, coronal_cobb, sagittal_cobb
from spinemet.anatomy.alignment.listhesis import Listhesis, listhesis
from spinemet.anatomy.alignment.pelvis import Pelvis, pelvis
from spinemet.anatomy.frame import cross
from spinemet.anatomy.spine import Spine
from spinemet.evidence import Measurement, Point, unknown
from spinemet.levels import Level, Region, adjacent

SEGMENT_METHOD = "superior endplate above to inferior endplate below, in the sagittal plane of the pair"
SACRAL_METHOD = "superior endplate above to the endplate of S1, in the sagittal plane of the pair"
ROTATION_PER_MM, ROTATION_LEAST_DEG, ROTATION_LEAST_CERVICAL_DEG = 1.8, 1.5, 8.0
"""95 % half-width of a rotation: degrees per mm of voxel across the spine, and the least; measured on synthetic
spines. The front is the way from the canal to the body's middle, which is poorly
known in the neck [D]."""

Pair = tuple[Level, Level]


@dataclass(frozen=True)
class Alignment:
    """Alignment of a whole spine; every pair is (above, below).

    :param kyphosis: segmental kyphosis of neighbors; `wedges` that of single bodies.
    :param slips: of neighbors; `rotations` of neighbors.
    :param curves: coronal Cobb angle, largest kyphosis and largest lordosis with their end vertebrae.
    :param regions: thoracic kyphosis T1–T12 and lumbar lordosis L1–S1 (lordosis positive).
    """

    kyphosis: dict[Pair, Measurement]
    wedges: dict[Level, Measurement]
    slips: dict[Pair, Listhesis]
    rotations: dict[Pair, Measurement]
    coronal: Curve
    largest_kyphosis: Curve
    largest_lordosis: Curve
    regions: tuple[Measurement, ...]
    pelvis: Pelvis

    def at(self, level: Level) -> tuple[Measurement, ...]:
        """What concerns one level: its wedge, and angle, slip and rotation against both neighbors."""
        found = [self.wedges[level]] if level in self.wedges else []
        for pair in self.kyphosis:
            if level in pair:
                found += [self.kyphosis[pair], *self.slips[pair].measurements, self.rotations[pair]]
        return tuple(found)

    @property
    def whole(self) -> tuple[Measurement, ...]:
        """What concerns the whole spine."""
        curves = (self.coronal, self.largest_kyphosis, self.largest_lordosis)
        return (*(curve.angle for curve in curves), *self.regions, *self.pelvis.measurements)


def measure_alignment(spine: Spine, *, hips: tuple[Point, Point] | None = None, posture: str = SUPINE) -> Alignment:
    """Alignment of all measured vertebrae.

    :param hips: centers of both femoral heads, RAS, where known.
    :param posture: how the patient lay (`angles.posture_of`).
    """
    marks = landmarks(spine)
    pairs = neighbors(spine)
    kyphosis, lordosis = sagittal_cobb(marks)
    return Alignment(
        {pair: segmental_kyphosis(spine, *pair, posture=posture) for pair in pairs},
        {level: wedge(spine, level) for level in spine.vertebrae if level is not Level.S1},
        {pair: listhesis(marks, *pair) for pair in pairs},
        {pair: rotation(spine, *pair) for pair in pairs},
        coronal_cobb(marks),
        kyphosis,
        lordosis,
        _regions(marks, posture),
        pelvis(marks, spine, hips=hips, posture=posture),
    )


def neighbors(spine: Spine) -> tuple[Pair, ...]:
    """Pairs of outlined levels with none missing between them, from head to tail; down to S1."""
    present = set(spine.vertebrae)
    below = {level: adjacent(level, 1, present) for level in spine.vertebrae if level < Level.S1}
    return tuple((level, other) for level, other in below.items() if other is not None and other in present)


def segmental_kyphosis(spine: Spine, above: Level, below: Level, *, posture: str = SUPINE) -> Measurement:
    """Angle between the superior endplate of `above` and the inferior endplate of `below`, kyphosis positive.

    In the sagittal plane of the two vertebrae, degrees; any two levels, neighbors or not. The sacrum takes part with
    its superior endplate. Unknown, with the reason, where an endplate is missing, cut or destroyed.
    """
    method = SACRAL_METHOD if below is Level.S1 else SEGMENT_METHOD
    limits = (posture_limit(posture),)
    return between(f"segmental kyphosis {above}–{below}", landmarks(spine), above, below, method, limits)


def wedge(spine: Spine, level: Level) -> Measurement:
    """Angle between the two endplates of one body; positive when its front is lower (kyphosis)."""
    return between(f"wedge of {level}", landmarks(spine), level, level, "between the body's endplates, sagittal")


def rotation(spine: Spine, above: Level, below: Level) -> Measurement:
    """Axial rotation of `above` against `below`; positive when its front turns to the patient's left."""
    name, method = f"rotation of {above} on {below}", "fronts, from canal to body, about the axis of the pair"
    upper, lower = spine[above], spine[below]
    for item in (upper, lower):
        if item.body is None:
            return unknown(name, "deg", item.reason or f"{item.level} has no measured body", method)
    up = unit(np.add(upper.frame.superior, lower.frame.superior))
    fronts = [np.asarray(item.frame.anterior) for item in (lower, upper)]
    first, second = (front - up * (front @ up) for front in fronts)
    value = float(np.degrees(np.arctan2(cross(first, second) @ up, first @ second)))
    across = np.sqrt(((upper.frame.axes[:2] @ upper.mask.grid.ijk_to_ras[:3, :3]) ** 2).sum(axis=1)).max()
    least = ROTATION_LEAST_CERVICAL_DEG if above.region is Region.CERVICAL else ROTATION_LEAST_DEG
    margin = max(least, ROTATION_PER_MM * float(across))
    return Measurement(name, value, "deg", method, upper.frame.origin, margin)


def _regions(marks: Landmarks, posture: str) -> tuple[Measurement, ...]:
    limits = (posture_limit(posture),)
    thoracic = between(
        "thoracic kyphosis T1–T12", marks, Level.T1, Level.T12,
        "superior endplate of T1 to inferior endplate of T12; kyphosis positive", limits,
    )  # fmt: skip
    lumbar = between(
        "lumbar lordosis L1–S1", marks, Level.L1, Level.S1,
        "superior endplate of L1 to the endplate of S1; lordosis positive", limits,
    )  # fmt: skip
    return thoracic, _negative(lumbar)


def _negative(angle: Measurement) -> Measurement:
    if angle.value is None:
        return angle
    return Measurement(
        angle.name, -angle.value, angle.unit, angle.method, angle.position, angle.uncertainty, limits=angle.limits
    )
