"""Stacking vertebrae into a spine: rigid poses from discs, curves, slips and posture.

A pose is a 4×4 matrix from a vertebra's own frame to RAS mm. Each vertebra stands on the fitted endplate of the
one below, so a collapse lets everything above settle down and tilt.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spinemet.levels import Level
from spinemet.phantom.dimensions import BUILT, SACRAL_SLOPE, SUPPORTED
from spinemet.phantom.shape import VertebraShape
from spinemet.phantom.solids import Array, superellipse_radius
from spinemet.phantom.spec import PatientSpec, PostureSpec

CENTRAL = 0.8
"""Endplate planes are fitted over the central 80 % of the outline's radius (64 % of the area)."""

TABLE_CENTER = (4.0, -12.0, -310.0)
"""Where the middle of the spine lies in the CT scanner's coordinates, RAS mm."""


def fitted_plate(shape: VertebraShape, superior: bool) -> tuple[Array, Array]:
    """Least-squares plane of an endplate in the own frame: a point on it over the origin, and its upward normal."""
    half_x, half_y = shape.half
    x, y = np.meshgrid(np.linspace(-half_x, half_x, 121), np.linspace(-half_y, half_y, 91), indexing="ij")
    keep = superellipse_radius(x / half_x, y / half_y) < CENTRAL
    x, y = x[keep], y[keep]
    z = shape.plates(x, y)[0 if superior else 1]
    design = np.stack([np.ones_like(x), x, y], axis=1)
    offset, slope_x, slope_y = np.linalg.lstsq(design, z, rcond=None)[0]
    normal = np.array([-slope_x, -slope_y, 1.0])
    return np.array([0.0, 0.0, offset]), normal / np.linalg.norm(normal)


def stack(shapes: Mapping[Level, VertebraShape], spec: PatientSpec) -> dict[Level, Array]:
    """Poses of all vertebrae on the CT table, from the sacrum up."""
    joints: dict[Level, Array] = {level: _joint(shapes[level], spec) for level in BUILT if level is not Level.S1}
    poses = _build(shapes, joints, turn(-SACRAL_SLOPE, 0.0, 0.0))
    middle = np.mean([poses[level][:3, 3] for level in SUPPORTED], axis=0)
    return _moved(poses, translation(np.array(TABLE_CENTER) - middle))


def restack(
    shapes: Mapping[Level, VertebraShape], spec: PatientSpec, poses: Mapping[Level, Array]
) -> dict[Level, Array]:
    """Poses in the MR scanner: every disc bends a little by `spec.posture`, then the whole patient lies elsewhere."""
    posture = spec.posture
    rng = np.random.default_rng([spec.seed, 2])
    phase = rng.uniform(0, 2 * np.pi, 3)
    upper = [level for level in BUILT if level is not Level.S1]
    joints: dict[Level, Array] = {}
    for n, level in enumerate(upper):
        wave = [1 + 0.4 * np.sin(2 * np.pi * n / len(upper) + p) for p in phase]
        share = 1 / len(upper)
        bend = turn(
            -posture.flexion_deg * share * wave[0],
            posture.lateral_deg * share * wave[1],
            posture.twist_deg * share * wave[2],
        )
        slide = rng.uniform(-0.3, 0.3, 3)
        joints[level] = _joint(shapes[level], spec) @ translation(slide) @ bend
    moved = _build(shapes, joints, np.eye(4))
    anchor = Level.L2
    moved = _moved(moved, poses[anchor] @ np.linalg.inv(moved[anchor]))
    return _moved(moved, _scanner(posture))


def _scanner(posture: PostureSpec) -> Array:
    about = np.array(TABLE_CENTER)
    return translation(about + np.array(posture.offset_mm)) @ turn(*posture.tilt_deg) @ translation(-about)


def _joint(shape: VertebraShape, spec: PatientSpec) -> Array:
    """From the superior plate below up to this vertebra's inferior plate: half a disc, bend, slip, half a disc."""
    level, d = shape.level, shape.size
    below = BUILT[BUILT.index(level) + 1]
    flexion = -d.disc_lordosis * spec.lumbar_lordosis
    if level.value[0] == "T" and level is not Level.T7:
        flexion += spec.kyphosis_deg / 5
    lateral = _lateral_tilt(level, spec.scoliosis_deg) - _lateral_tilt(below, spec.scoliosis_deg)
    twist = 0.3 * (_axial_turn(level, spec.scoliosis_deg) - _axial_turn(below, spec.scoliosis_deg))
    slip = sum(item.slip_mm for item in spec.listhesis if item.level is level)
    half = translation(np.array([0.0, 0.0, d.disc_below / 2]))
    return half @ translation(np.array([0.0, slip, 0.0])) @ turn(-flexion, lateral, twist) @ half


_CURVE = (Level.T11, Level.T12, Level.L1, Level.L2, Level.L3, Level.L4)
"""The scoliotic curve, from its upper to its lower end vertebra."""


def _lateral_tilt(level: Level, cobb: float) -> float:
    """How much a level leans to the right, degrees, in a curve of that Cobb angle convex to the right."""
    if level in _CURVE:
        return -cobb / 2 * float(np.cos(np.pi * _CURVE.index(level) / (len(_CURVE) - 1)))
    return {Level.T10: -cobb / 4, Level.L5: cobb / 4}.get(level, 0.0)


def _axial_turn(level: Level, cobb: float) -> float:
    return cobb * float(np.sin(np.pi * _CURVE.index(level) / (len(_CURVE) - 1))) if level in _CURVE else 0.0


def _build(shapes: Mapping[Level, VertebraShape], joints: Mapping[Level, Array], sacrum: Array) -> dict[Level, Array]:
    poses = {Level.S1: sacrum}
    for below, level in zip(reversed(BUILT), list(reversed(BUILT))[1:], strict=False):
        stand = poses[below] @ _plate_pose(shapes[below], superior=True)
        poses[level] = stand @ joints[level] @ np.linalg.inv(_plate_pose(shapes[level], superior=False))
    return {level: poses[level] for level in BUILT}


def _plate_pose(shape: VertebraShape, superior: bool) -> Array:
    point, normal = fitted_plate(shape, superior)
    tilt = np.degrees(np.arctan2(-normal[1], normal[2]))
    return translation(point) @ turn(float(tilt), 0.0, 0.0)


def _moved(poses: Mapping[Level, Array], matrix: Array) -> dict[Level, Array]:
    return {level: matrix @ pose for level, pose in poses.items()}


def translation(vector: Array) -> Array:
    """4×4 shift."""
    matrix = np.eye(4)
    matrix[:3, 3] = vector
    return matrix


def turn(about_right: float, about_anterior: float, about_superior: float) -> Array:
    """4×4 turn about the right, then the anterior, then the superior axis, degrees, right-handed."""
    a, b, c = np.radians([about_right, about_anterior, about_superior])
    rx = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    ry = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    rz = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = rz @ ry @ rx
    return matrix
