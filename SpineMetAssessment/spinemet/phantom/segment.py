"""A segment of the spine with epidural tumor: images, true masks and truth from one closed form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from spinemet.case import Outline, Role, Structure
from spinemet.image import Grid, Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level, adjacent
from spinemet.phantom.noise import add_noise, rician
from spinemet.phantom.segment_foramen import foramina
from spinemet.phantom.segment_spec import SegmentSpec
from spinemet.phantom.segment_tube import Axis, Cut, Tube, body_outline, profile
from spinemet.phantom.solids import Array, occupancy, smooth_max, superellipse
from spinemet.phantom.stack import turn
from spinemet.phantom.tissue import Tissue, values

CANAL, SAC, CORD, TUMOR, MIMIC = 1, 2, 3, 1, 9
FRAME = "segment"
_FIELD_MM = 76.0
_SUBSLICES = 3
_ARCH_MM = 4.0


@dataclass(frozen=True, eq=False)
class Segment:
    """A segment; everything lies on the grid of its images, in RAS mm.

    :param structures: canal (1), sac (2) and cord (3), nested: each label leaves out what lies within it.
    :param lesions: the tumor (1), in the bone and in the canal; empty for a mimic and for grade 0 without bone tumor.
    :param mimic: what presses without being tumor, boolean, None when there is none.
    :param roots: the nerve roots in the foramina, boolean; None when none were asked for. Likewise their fat.
    :param levels: (level, position along the axis of its middle, mm; head is positive).
    :param truth: grade, worst cut and the profile along the axis.
    """

    spec: SegmentSpec
    images: Mapping[Role, Image]
    vertebrae: LabelMap
    lesions: LabelMap
    structures: LabelMap
    mimic: Image | None
    roots: Image | None
    foraminal_fat: Image | None
    levels: Mapping[Level, float]
    own_to_ras: Array
    truth: dict[str, Any]


def create_segment(spec: SegmentSpec) -> Segment:
    """Build a segment; equal specs give equal segments."""
    tube, axis = Tube(spec), Axis.of(spec)
    levels = _levels(spec, tube)
    pose = turn(*spec.pose_deg)
    pose[:3, 3] = np.random.default_rng([spec.seed, 21]).uniform(-40, 40, 3).round(3)
    grid = _grid(spec, pose, levels, tube)
    s, u, v = (a.reshape(grid.shape) for a in _coordinates(grid, pose, axis))
    structures, tumor, presser = _masks(tube, levels, s, u, v)
    vertebrae, holes = _vertebrae(tube, levels, s, u, v), None
    if spec.foramen is not None:
        holes = foramina(tube, spec.foramen, s, u, v)
        free = (holes.room < 0) & (structures == 0)
        tumor |= free & (holes.tumor < 0)
        vertebrae[free] = 0
    images = {role: _image(role, spec, tube, axis, pose, grid, levels) for role in spec.modalities}
    is_tumor = spec.mimic is None

    def mask(name: str, array: Array | None) -> Image | None:
        return None if array is None else Image(array, grid.ijk_to_ras, frame=FRAME, name=name)

    def label_map(name: str, array: Array, outlines: dict[int, Outline]) -> LabelMap:
        return LabelMap(Image(array.astype(np.uint8), grid.ijk_to_ras, frame=FRAME, name=name), outlines, "phantom")

    bones = {level.order: Outline(Structure.VERTEBRA, level, frame=FRAME) for level in levels}
    return Segment(
        spec,
        images,
        label_map("vertebrae", vertebrae, bones),
        label_map("lesions", tumor * TUMOR, {TUMOR: Outline(Structure.LESION, spec.level, "lesion-1", frame=FRAME)}),
        label_map("structures", structures, {
            CANAL: Outline(Structure.CANAL, frame=FRAME),
            SAC: Outline(Structure.THECAL_SAC, frame=FRAME),
            CORD: Outline(Structure.CORD, frame=FRAME),
        }),
        mask("mimic", None if is_tumor else presser),
        mask("nerve roots", None if holes is None else free & (holes.root < 0)),
        mask("foraminal fat", None if holes is None else free & (holes.root >= 0) & (holes.tumor >= 0)),
        levels,
        pose,
        _truth(spec, tube),
    )  # fmt: skip


def _levels(spec: SegmentSpec, tube: Tube) -> dict[Level, float]:
    pitch = tube.size.body + tube.size.disc
    found = {}
    for step in range(-spec.neighbors, spec.neighbors + 1):
        level = adjacent(spec.level, step)
        if level is not None and Level.C3 <= level <= Level.L5:
            found[level] = -step * pitch
    return found


def _grid(spec: SegmentSpec, pose: Array, levels: Mapping[Level, float], tube: Tube) -> Grid:
    length = max(levels.values()) - min(levels.values()) + tube.size.body
    wide = spec.spacing[0], spec.spacing[1]
    if spec.plane == "axial":
        spacing = np.array([wide[0], wide[0], wide[1]])
        axes, extent = np.diag([-1.0, -1.0, 1.0]), np.array([_FIELD_MM, _FIELD_MM, length])
    else:
        spacing = np.array([wide[0], wide[0], wide[1]])
        axes = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
        extent = np.array([_FIELD_MM, length, 44.0])
    size = np.ceil(extent / spacing).astype(int) + 1
    matrix = np.eye(4)
    matrix[:3, :3] = turn(*spec.tilt_deg)[:3, :3] @ (axes * spacing[:, None]).T
    middle = pose @ np.array([0.0, 6.0, float(np.mean([max(levels.values()), min(levels.values())])), 1.0])
    shift = np.random.default_rng([spec.seed, 22]).uniform(-0.5, 0.5, 3)
    matrix[:3, 3] = middle[:3] - matrix[:3, :3] @ ((size - 1) / 2 + shift)
    return Grid((int(size[2]), int(size[1]), int(size[0])), np.round(matrix, 6))


def _coordinates(grid: Grid, pose: Array, axis: Axis) -> tuple[Array, Array, Array]:
    k, j, i = (np.arange(n, dtype=float) for n in grid.shape)
    matrix = np.linalg.inv(pose) @ grid.ijk_to_ras
    x, y, z = (
        matrix[a, 0] * i[None, None, :] + matrix[a, 1] * j[None, :, None] + matrix[a, 2] * k[:, None, None]
        + matrix[a, 3] for a in range(3)
    )  # fmt: skip
    return axis.coordinates(x, y, z)


def _masks(tube: Tube, levels: Mapping[Level, float], s: Array, u: Array, v: Array) -> tuple[Array, Array, Array]:
    """Structures, tumor and what presses, at voxel centers."""
    cut = tube.cut(s, u, v)
    structures = np.zeros(s.shape, np.uint8)
    structures[cut.canal < 0] = CANAL
    structures[(cut.sac < 0) & (cut.canal < 0)] = SAC
    structures[cut.cord < 0] = CORD
    presser = (cut.presser < 0) & (structures != CORD) & (structures != SAC)
    tumor = np.zeros(s.shape, bool)
    if tube.spec.mimic is None:
        tumor = presser | (_bone_tumor(tube, s, u, v) < 0) & (cut.canal >= 0)
    return structures, tumor, presser


def _bone_tumor(tube: Tube, s: Array, u: Array, v: Array) -> Array:
    """The tumor in the bone that the canal's wall bounds: a ball on the wall toward the tumor."""
    du, dv = tube.toward
    reach = tube.reach["canal"] + 4.0
    ball = np.sqrt((u - du * reach) ** 2 + (v - dv * reach) ** 2 + s * s) - 8.0
    half = tube.size.body / 2
    bone = np.minimum(_body(tube, s, u, v, half), _arch(tube, s, u, v, half))
    return np.maximum(ball, bone)


def _body(tube: Tube, s: Array, u: Array, v: Array, half: float) -> Array:
    return smooth_max(body_outline(u, v, tube), np.abs(s) - half, 1.0)


def _arch(tube: Tube, s: Array, u: Array, v: Array, half: float) -> Array:
    a, b = tube.canal_half
    ring = np.maximum(superellipse(u, v, a + _ARCH_MM, b + _ARCH_MM), -superellipse(u, v, a, b))
    return np.maximum(np.maximum(ring, v - b), np.abs(s) - 0.75 * half)


def _vertebrae(tube: Tube, levels: Mapping[Level, float], s: Array, u: Array, v: Array) -> Array:
    labels = np.zeros(s.shape, np.uint8)
    canal = superellipse(u, v, *tube.canal_half)
    for level, place in levels.items():
        half = tube.size.body / 2
        bone = np.minimum(_body(tube, s - place, u, v, half), _arch(tube, s - place, u, v, half))
        labels[(bone < 0) & (canal >= 0)] = level.order
    return labels


def _image(
    role: Role, spec: SegmentSpec, tube: Tube, axis: Axis, pose: Array, grid: Grid, levels: Mapping[Level, float]
) -> Image:
    """Signal of each thick slice as the mean of thin ones, with the noise of MR or CT."""
    table = values(Role.T1 if role is Role.T1_GD else role, 175.0)
    if role is Role.T1_GD:
        table[Tissue.EPIDURAL_TUMOR] = table[Tissue.LYTIC] = 620.0
    total = np.zeros(grid.shape)
    width = float(grid.spacing[:2].mean())
    for part in range(_SUBSLICES):
        matrix = grid.ijk_to_ras.copy()
        matrix[:3, 3] += matrix[:3, 2] * ((part + 0.5) / _SUBSLICES - 0.5)
        s, u, v = _coordinates(Grid(grid.shape, matrix), pose, axis)
        total += _signal(table, spec, tube, levels, s, u, v, width)
    volume = (total / _SUBSLICES).astype(np.float32)
    seed = spec.seed * 10 + list(Role).index(role)
    if role is Role.CT:
        add_noise(volume, spec.noise, seed, 0.0)
    else:
        volume = rician(volume, spec.noise, seed)
    return Image(
        np.clip(np.rint(volume), -1024, 32767).astype(np.int16), grid.ijk_to_ras, frame=FRAME, name=role.value
    )


def _signal(
    table: Mapping[Tissue, float], spec: SegmentSpec, tube: Tube, levels: Mapping[Level, float],
    s: Array, u: Array, v: Array, width: float,
) -> Array:  # fmt: skip
    cut: Cut = tube.cut(s, u, v)
    half = tube.size.body / 2
    image = np.full(s.shape, float(table[Tissue.MUSCLE]))

    def paint(tissue: Tissue, distance: Array) -> None:
        share = occupancy(distance, width)
        image[...] += share * (table[tissue] - image)

    paint(Tissue.ANNULUS, body_outline(u, v, tube))
    for place in levels.values():
        for solid in (_body(tube, s - place, u, v, half), _arch(tube, s - place, u, v, half)):
            paint(Tissue.CORTEX, solid)
            paint(Tissue.MARROW, solid + 1.0)
    if spec.mimic is None:
        paint(Tissue.LYTIC, _bone_tumor(tube, s, u, v))
    if spec.foramen is not None:
        holes = foramina(tube, spec.foramen, s, u, v)
        paint(Tissue.EPIDURAL_FAT, holes.room)
        paint(Tissue.EPIDURAL_TUMOR, holes.tumor)
        paint(Tissue.ROOT, holes.root)
    paint(Tissue.EPIDURAL_FAT, cut.canal)
    paint(_PRESSER[spec.mimic], cut.presser)
    paint(Tissue.FLUID, cut.sac)
    paint(Tissue.CORD, cut.cord)
    return image


_PRESSER = {
    None: Tissue.EPIDURAL_TUMOR,
    "retropulsed bone": Tissue.MARROW,
    "disc": Tissue.ANNULUS,
    "lipomatosis": Tissue.EPIDURAL_FAT,
}


def _truth(spec: SegmentSpec, tube: Tube) -> dict[str, Any]:
    """The grade as built, the measures of the worst and of an untouched cut, and the margins to the next grades."""
    far = spec.half_length_mm + 4.0
    s = np.arange(-far, far + 0.01, 0.5)
    rows = profile(tube, s)
    worst = len(s) // 2
    measures = {name: round(float(column[worst]), 3) for name, column in rows.items()}
    reference = {name: round(float(column[0]), 3) for name, column in rows.items()}
    return {
        "grade": spec.grade if spec.mimic is None else "0",
        "level": spec.level.value,
        "direction": spec.direction,
        "worst": measures,
        "reference": reference,
        "fluid_left": round(measures["fluid_area"] / max(reference["fluid_area"], 1e-6), 4),
        "cord_loss": round(1 - measures["cord_along"] / reference["cord_along"], 4) if spec.has_cord else None,
        "lee": None if spec.foramen is None else {"side": spec.foramen.side, "grade": spec.foramen.lee},
        "profile": {"s_mm": s.tolist(), **{name: np.round(column, 3).tolist() for name, column in rows.items()}},
    }
