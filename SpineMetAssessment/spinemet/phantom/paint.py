"""Painting the patient onto a grid: values for several images and labels at once, near bone and canal only."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from spinemet.errors import BadInput
from spinemet.image import Grid
from spinemet.levels import Level
from spinemet.phantom.blocks import Distance, near
from spinemet.phantom.dimensions import BUILT, VERSE
from spinemet.phantom.model import Model, Posture
from spinemet.phantom.noise import texture
from spinemet.phantom.shape import SHELL
from spinemet.phantom.solids import Array, occupancy, rod, smooth_max, superellipse
from spinemet.phantom.tissue import Tissue
from spinemet.progress import Progress, silent

CANAL_LABEL, SAC_LABEL, CORD_LABEL, FIRST_DISC_LABEL = 1, 2, 3, 10
"""Structure labels; the disc below the n-th of the built levels is 10 + n (T8: 11). Nested: the sac's label leaves out
the cord, and the canal's leaves out the sac."""


@dataclass
class Canvas:
    """What is painted: one flat float32 array per table of tissue values, and flat uint8 labels.

    :param width: mm over which edges are soft (scanner blur and partial volume).
    :param textured: spread of trabecular bone for each table, in its values.
    """

    grid: Grid
    tables: list[dict[Tissue, float]]
    channels: list[Array]
    width: float
    textured: list[float]
    vertebrae: Array = field(init=False)
    lesions: Array = field(init=False)
    structures: Array = field(init=False)

    def __post_init__(self) -> None:
        count = int(np.prod(self.grid.shape))
        self.vertebrae = np.zeros(count, np.uint8)
        self.lesions = np.zeros(count, np.uint8)
        self.structures = np.zeros(count, np.uint8)


@dataclass
class Patch:
    """The voxels near one solid: their place in the flat arrays, their coordinates, their values so far."""

    canvas: Canvas
    index: Array
    x: Array
    y: Array
    z: Array
    values: list[Array]

    def blend(self, share: Array, tissue: Tissue) -> None:
        """Cover `share` of each voxel with a tissue."""
        for value, table in zip(self.values, self.canvas.tables, strict=True):
            value += share * (np.float32(table[tissue]) - value)

    def put(self) -> None:
        """Write the values back."""
        for channel, value in zip(self.canvas.channels, self.values, strict=True):
            channel[self.index] = value


def paint(canvas: Canvas, model: Model, posture: Posture, seed: int, progress: Progress | None = None) -> None:
    """Paint canal, discs, bones, lesions and epidural tumor over what the canvas holds."""
    report = progress or silent
    _paint_canal(canvas, posture)
    for n, level in enumerate(BUILT):
        report(n / len(BUILT), f"painting {level}")
        _paint_disc(canvas, model, posture, n)
        _paint_vertebra(canvas, model, posture, level, seed)
    _paint_tumor(canvas, model, posture)


def _patch(canvas: Canvas, pose: Array, corners: Array, distance: Distance, margin: float) -> Patch | None:
    """Voxels within about `margin` mm of a solid, with coordinates in the solid's own frame.

    :param pose: 4×4 from the own frame to RAS.
    :param corners: (n, 3) points in the own frame whose box holds the solid.
    :return: None when the grid does not reach there.
    """
    grid = canvas.grid
    try:
        region = grid.region_around(corners @ pose[:3, :3].T + pose[:3, 3], margin)
    except BadInput:
        return None
    start = np.array([s.start for s in region])
    shape = np.array([s.stop - s.start for s in region])
    found = near(shape, start, np.linalg.inv(pose) @ grid.ijk_to_ras, distance, margin)
    if found is None:
        return None
    index = (found.k * grid.shape[1] + found.j) * grid.shape[2] + found.i
    return Patch(canvas, index, found.x, found.y, found.z, [channel[index] for channel in canvas.channels])


def _paint_canal(canvas: Canvas, posture: Posture) -> None:
    canal = posture.canal
    x, y = canal.tables["x"], canal.tables["y"]
    corners = np.array(
        [
            (a, b, c)
            for a in (x.min() - 20, x.max() + 20)
            for b in (y.min() - 15, y.max() + 15)
            for c in (canal.bottom, canal.top)
        ]
    )
    patch = _patch(canvas, np.eye(4), corners, canal.tube, 1.0)
    if patch is None:
        return
    s = canal.sections(patch.x, patch.y, patch.z)
    w = canvas.width
    patch.blend(occupancy(s.canal, w), Tissue.EPIDURAL_FAT)
    patch.blend(occupancy(s.sac, w), Tissue.FLUID)
    patch.blend(occupancy(s.cord, w), Tissue.CORD)
    patch.blend(occupancy(np.maximum(s.roots, s.sac), w) * np.float32(min(1.0, 1.2 / w)), Tissue.ROOT)
    patch.put()
    label = np.where(s.canal < 0, CANAL_LABEL, 0)
    label = np.where(s.sac < 0, SAC_LABEL, label)
    label = np.where(s.cord < 0, CORD_LABEL, label)
    canvas.structures[patch.index] = label


def _paint_disc(canvas: Canvas, model: Model, posture: Posture, n: int) -> None:
    """The disc below the n-th level: between two endplates, inside the mean of both outlines."""
    if n + 1 == len(BUILT):
        return
    upper, lower = (model.shapes[BUILT[n + d]] for d in (0, 1))
    pose, below = posture.poses[BUILT[n]], posture.poses[BUILT[n + 1]]
    to_lower = (np.linalg.inv(below) @ pose).astype(np.float32)
    half_x, half_y = (np.add(upper.half, lower.half)) / 2 + 0.5

    def across(x: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
        lx, ly, lz = (to_lower[a, 0] * x + to_lower[a, 1] * y + to_lower[a, 2] * z + to_lower[a, 3] for a in range(3))
        above_floor = lz - lower.plates(lx, ly)[0]
        below_roof = upper.plates(x, y)[1] - z
        side = superellipse((x + lx) / 2, (y + ly) / 2, half_x, half_y)
        back = -half_y + upper.hollow * np.clip(1 - (x / (0.6 * half_x)) ** 2, 0.0, 1.0)
        return smooth_max(side, back - (y + ly) / 2, 1.0), above_floor, below_roof

    def distance(x: Array, y: Array, z: Array) -> Array:
        side, floor, roof = across(x, y, z)
        return np.maximum(side, np.maximum(-floor, -roof))

    bottom = -upper.mean_height / 2
    low = bottom - upper.size.disc_below - 12.0
    corners = np.array(
        [(a, b, c) for a in (-half_x, half_x) for b in (-half_y - 4, half_y + 4) for c in (low, bottom + 8)]
    )
    patch = _patch(canvas, pose, corners, distance, 1.0)
    if patch is None:
        return
    side, floor, roof = across(patch.x, patch.y, patch.z)
    solid = np.maximum(side, np.maximum(-floor, -roof))
    patch.blend(occupancy(solid, canvas.width), Tissue.ANNULUS)
    core = np.maximum(np.maximum(side + 0.3 * half_y, 1.2 - floor), 1.2 - roof)
    patch.blend(occupancy(core, max(4.0, canvas.width)), Tissue.NUCLEUS)
    patch.put()
    if BUILT[n] not in model.levels or BUILT[n + 1] not in model.levels:
        return
    inside = (solid < 0) & (canvas.structures[patch.index] == 0)
    canvas.structures[patch.index[inside]] = FIRST_DISC_LABEL + n


def _paint_vertebra(canvas: Canvas, model: Model, posture: Posture, level: Level, seed: int) -> None:
    shape, pose = model.shapes[level], posture.poses[level]
    w = canvas.width
    if level.value[0] == "T":
        _paint_ribs(canvas, shape.half, pose)
    if shape.is_sacrum:
        box = np.array([(a, b, c) for a in (-62, 62) for b in (-80, 25) for c in (-100, -5)], dtype=float)
        _paint_bone(_patch(canvas, pose, box, shape.lower_sacrum, 1.0), shape.lower_sacrum, w)
    patch = _patch(canvas, pose, shape.bounds, shape.bone, 1.0)
    if patch is None:
        return
    x, y, z = patch.x, patch.y, patch.z
    body = shape.body(x, y, z)
    arch = shape.arch(x, y, z)
    bone = shape.join(body, arch, x, y, z)
    free = canvas.vertebrae[patch.index] == 0
    share = occupancy(bone, w) * free
    patch.blend(share, Tissue.CORTEX)
    marrow = occupancy(bone + SHELL, w)
    patch.blend(marrow, Tissue.MARROW)
    grain = texture(canvas.grid, patch.index, seed, 0.9)
    for value, spread in zip(patch.values, canvas.textured, strict=True):
        value += marrow * grain * np.float32(spread)
    inside = (bone < 0) & free
    if level in model.levels:
        canvas.vertebrae[patch.index[inside]] = VERSE[level]
    # A vertebra's voxel is neither canal nor disc.
    canvas.structures[patch.index[inside]] = 0
    lesion = model.lesions.get(level)
    if lesion is not None:
        tumor = lesion.distance(x, y, z, body, arch)
        # Its edge is soft toward the marrow; toward the outside the bone's own edge is the limit.
        covered = occupancy(lesion.distance(x, y, z, body - np.float32(w), arch), max(w, 1.5)) * share
        blastic = lesion.blastic(x, y, z)
        patch.blend(covered * (1 - blastic), Tissue.LYTIC)
        patch.blend(covered * blastic / np.maximum(1 - covered * (1 - blastic), 1e-3), Tissue.BLASTIC)
        for value, spread in zip(patch.values, canvas.textured, strict=True):
            value += covered * grain * np.float32(spread) * (np.float32(0.35) + 1.5 * blastic)
        canvas.lesions[patch.index[(np.maximum(tumor, bone) < 0) & free]] = lesion.number
    patch.put()


def _paint_bone(patch: Patch | None, distance: Distance, width: float) -> None:
    """A bone without label: cortex and marrow."""
    if patch is None:
        return
    solid = distance(patch.x, patch.y, patch.z)
    patch.blend(occupancy(solid, width), Tissue.CORTEX)
    patch.blend(occupancy(solid + 1.2, width), Tissue.MARROW)
    patch.put()


def _paint_ribs(canvas: Canvas, half: tuple[float, float], pose: Array) -> None:
    a, b = half
    line = [
        (a + 2.0, -b + 3.0, 4.0),
        (a + 22.0, -b - 16.0, 0.0),
        (a + 52.0, -b - 26.0, -10.0),
        (a + 88.0, -b - 8.0, -28.0),
    ]

    def ribs(x: Array, y: Array, z: Array) -> Array:
        ax = np.abs(x)
        pieces = [rod(ax, y, z, p, q, (4.2, 4.2)) for p, q in itertools.pairwise(line)]
        return np.minimum(np.minimum(pieces[0], pieces[1]), pieces[2])

    reach = a + 96.0
    box = np.array([(x, y, z) for x in (-reach, reach) for y in (-b - 34.0, b) for z in (-36.0, 12.0)])
    _paint_bone(_patch(canvas, pose, box, ribs, 1.0), ribs, canvas.width)


def _paint_tumor(canvas: Canvas, model: Model, posture: Posture) -> None:
    canal = posture.canal
    for level, (low, high) in canal.tumor_spans.items():
        center = np.array(canal.center((low + high) / 2))
        corners = center + np.array(
            [(a, b, c) for a in (-22, 22) for b in (-22, 22) for c in (low - center[2], high - center[2])]
        )

        def distance(x: Array, y: Array, z: Array, low: float = low, high: float = high) -> Array:
            return np.maximum(canal.tube(x, y, z), np.maximum(low - z, z - high))

        patch = _patch(canvas, np.eye(4), corners, distance, 1.0)
        if patch is None:
            continue
        tumor = np.maximum(canal.sections(patch.x, patch.y, patch.z).tumor, np.maximum(low - patch.z, patch.z - high))
        patch.blend(occupancy(tumor, canvas.width), Tissue.EPIDURAL_TUMOR)
        patch.put()
        # The tumor keeps the canal's label too: epidural is where lesion and canal meet.
        inside = (tumor < 0) & (canvas.vertebrae[patch.index] == 0)
        canvas.lesions[patch.index[inside]] = model.lesions[level].number


def labels(model: Model, posture: Posture, grid: Grid) -> Mapping[str, Array]:
    """Labels alone on any grid: "vertebrae", "lesions", "structures" as uint8 arrays (k, j, i)."""
    canvas = Canvas(grid, [], [], 0.5, [])
    paint(canvas, model, posture, model.spec.seed)
    return {name: getattr(canvas, name).reshape(grid.shape) for name in ("vertebrae", "lesions", "structures")}
