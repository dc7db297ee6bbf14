"""The spinal canal in a CT: from outlined vertebrae, or directly from two clicks.

Bone walls the canal in only where there is an arch: between two arches the wall follows its neighbors.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.case import Outline, Structure
from spinemet.errors import NotMeasurable
from spinemet.image import Grid, Image
from spinemet.labelmap import LabelMap
from spinemet.progress import Progress, silent
from spinemet.segmentation.canal_clicks import canal_ends
from spinemet.segmentation.canal_course import RADIAL_MM, STEP_MM, Course, smooth_course
from spinemet.segmentation.canal_path import course_between, path_grid
from spinemet.segmentation.canal_surface import best_wall
from spinemet.segmentation.clicks import Click

CANAL = 1
REACH_MM = 18.0
"""Longest ray from the canal's middle to its wall [D]."""
CANAL_MM = (4.0, 16.0)
"""Least and largest distance of the canal's wall from its middle [D]."""
BONE_HU = (80.0, 280.0)
"""From here to there, what is no bone becomes bone: contrast in veins and fluid lie below the middle [D]."""
LOOK_MM = 22.0
"""So far is looked for bone round a place that may lie in the canal."""
WAYS = 16
"""Directions in which it is looked."""
WALLED = 0.75
"""Share of the directions in which bone must be met in an arch's canal [D]."""
ROUNDS = 4

Array = NDArray[np.float64]


def canal_in_ct(image: Image, clicks: Sequence[Click], progress: Progress | None = None) -> LabelMap:
    """The canal (1) between the clicks in a CT; on to the image's edge where a click lies close to it.

    :param image: CT in HU.
    :param clicks: two or more inside of the canal, in any order.
    :raises BadInput: clicks that cannot be used.
    :raises NotMeasurable: no bone round the clicks.
    """
    report = progress or silent
    report(0.0, "following the canal")
    places = canal_ends(image, clicks, is_ct=True)
    grid = path_grid(image, places)
    bone = _bone(image.resample(grid, outside=-1000.0).array)
    way = places[-1] - places[0]
    walled = _walled(bone > 0.5, grid, way / np.linalg.norm(way))
    speed = np.maximum((1 - bone) * walled**3, 0.01) ** 2
    course = course_between(image, Image(np.maximum(speed, 1e-3).astype(np.float32), grid.ijk_to_ras), list(places))
    report(0.5, "outlining the canal")
    near = image.crop_around(course.points, REACH_MM + 5.0)
    return _outline(near.with_array(_bone(near.array)), image, course, "canal from clicks in CT")


def canal_from_vertebrae(vertebrae: LabelMap, progress: Progress | None = None) -> LabelMap:
    """The canal (1) through outlined vertebrae, on their grid; also past an arch that is missing or destroyed.

    :raises NotMeasurable: fewer than two vertebrae have a closed foramen.
    """
    report = progress or silent
    values = [vertebrae.levels[level] for level in vertebrae.levels]
    values = [value for value in values if vertebrae.outlines[value].structure is Structure.VERTEBRA]
    centers = {value: _center(vertebrae.mask(value, 0)) for value in values}
    foramina, kept = [], []
    for number, value in enumerate(values):
        report(0.6 * number / max(len(values), 1), "finding the canal in the vertebrae")
        above, below = values[max(number - 1, 0)], values[min(number + 1, len(values) - 1)]
        if above == below:
            break
        way = centers[below] - centers[above]
        place = _foramen(vertebrae.mask(value, 2), way / np.linalg.norm(way))
        if place is not None:
            foramina.append(place)
            kept.append(value)
    if len(foramina) < 2:
        raise NotMeasurable(
            "Fewer than two of the outlined vertebrae have a closed ring round the canal; outline the arches, or set"
            " two clicks in the canal."
        )
    report(0.7, "outlining the canal")
    course = _beyond(smooth_course(np.array(foramina)), 14.0)
    image = vertebrae.image
    region = image.grid.region_around(course.points, REACH_MM + 5.0)
    bone = np.isin(image.array[region], values).astype(np.float32)
    return _outline(image.crop(region).with_array(bone), image, course, "canal from outlined vertebrae")


def _bone(hu: NDArray) -> NDArray[np.float32]:
    low, high = BONE_HU
    return np.clip((np.nan_to_num(hu.astype(np.float32), nan=-1000.0) - low) / (high - low), 0.0, 1.0)


def _center(mask: Image) -> Array:
    k, j, i = np.nonzero(mask.array)
    return mask.to_world(np.array([i.mean(), j.mean(), k.mean()]))


def _walled(bone: NDArray[np.bool_], grid: Grid, way: Array) -> NDArray[np.float32]:
    """Share of the directions across the canal's way in which bone is met, for every voxel."""
    across = np.cross(way, [1.0, 0.0, 0.0])
    across /= np.linalg.norm(across)
    other = np.cross(way, across)
    step = float(grid.spacing.min())
    met = np.zeros(bone.shape, dtype=np.float32)
    for turn in 2 * np.pi * np.arange(WAYS) / WAYS:
        ray = np.cos(turn) * across + np.sin(turn) * other
        seen = np.zeros_like(bone)
        taken = set()
        for distance in np.arange(step, LOOK_MM, step):
            offset = np.rint(grid.ras_to_ijk[:3, :3] @ (ray * distance)).astype(int)[::-1]
            if tuple(offset) not in taken:
                taken.add(tuple(offset))
                _mark(seen, bone, offset)
        met += seen
    return met / np.float32(WAYS)


def _mark(seen: NDArray[np.bool_], bone: NDArray[np.bool_], offset: NDArray[np.intp]) -> None:
    """Mark the voxels that have bone at an offset."""
    here = tuple(slice(max(0, -n), min(size, size - n)) for n, size in zip(offset, bone.shape, strict=True))
    there = tuple(slice(max(0, n), min(size, size + n)) for n, size in zip(offset, bone.shape, strict=True))
    if all(part.stop > part.start for part in here):
        seen[here] |= bone[there]


def _foramen(mask: Image, way: Array) -> Array | None:
    """The middle of a vertebra's foramen, None where no ring is closed."""
    grid = mask.grid.with_spacing(np.maximum(mask.spacing, 1.5))
    share = mask.with_array(mask.array.astype(np.float32)).resample(grid).array
    bone = share > 0.4
    room = ndimage.distance_transform_edt(~np.pad(bone, 1, constant_values=True), sampling=grid.spacing[::-1])
    room = room[1:-1, 1:-1, 1:-1]
    walled = _walled(bone, grid, way)
    inside = (walled >= WALLED) & ~bone & (room > 3.0)
    pieces, count = ndimage.label(inside)
    if count == 0:
        return None
    # The canal is the hole with the most room; those of arteries in the neck are small.
    deepest = ndimage.maximum(room, pieces, range(1, count + 1))
    k, j, i = np.nonzero((pieces == int(np.argmax(deepest)) + 1) & (walled >= walled[inside].max() - 0.15))
    if not len(k):
        return None
    weight = room[k, j, i]
    return grid.to_world(np.average(np.stack([i, j, k], axis=1), axis=0, weights=weight))


def _beyond(course: Course, length_mm: float) -> Course:
    steps = STEP_MM * np.arange(1, int(length_mm / STEP_MM) + 1)[:, None]
    head = course.points[0] - steps[::-1] * course.tangents[0]
    return Course(np.concatenate([head, course.points, course.points[-1] + steps * course.tangents[-1]]))


def _outline(bone: Image, whole: Image, course: Course, numbering: str) -> LabelMap:
    """The canal within bone (0–1) round a course, on the grid of the whole image."""
    for _ in range(ROUNDS):
        wall, _ = _wall(bone, course)
        angle = 2 * np.pi * np.arange(wall.shape[1]) / wall.shape[1]
        area = np.sum(wall**2, axis=1)
        course = course.moved(
            *(2 / 3 * np.sum(wall**3 * part, axis=1) / area for part in (np.cos(angle), np.sin(angle)))
        )
    wall, met = _wall(bone, course)
    seen = np.flatnonzero(met.mean(axis=1) > 0.5)
    if not len(seen):
        raise NotMeasurable(f"{whole.name} shows no bone round the canal; set the clicks inside of it.")
    wall[: seen[0]] = wall[seen[-1] + 1 :] = -1.0
    region, (inside,) = course.filled(whole.grid, wall[None])
    labels = np.zeros(whole.shape, dtype=np.uint8)
    labels[region] = inside * np.uint8(CANAL)
    image = Image(labels, whole.ijk_to_ras, frame=whole.frame, name=f"canal in {whole.name}")
    return LabelMap(image, {CANAL: Outline(Structure.CANAL, frame=whole.frame)}, numbering)


def _wall(bone: Image, course: Course) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Radii (cuts, angles) in mm of the canal's wall, and where a ray meets bone there."""
    values = np.nan_to_num(course.unrolled(bone, REACH_MM))
    values = ndimage.gaussian_filter(values, (0.7, 0.5, 0.5 / RADIAL_MM), mode=("nearest", "wrap", "nearest"))
    half = max(1, round(0.8 / RADIAL_MM))
    padded = np.pad(values, [(0, 0), (0, 0), (half, half)], mode="edge")
    rise = padded[:, :, 2 * half :] - padded[:, :, : -2 * half]
    passed = (np.cumsum(values, axis=2) - 0.5 * values) * RADIAL_MM
    radii = RADIAL_MM * np.arange(values.shape[2])
    # A ray that leaves between two arches must not count: its neighbors tell where the wall is.
    cost = 1.5 * np.minimum(passed, 2.0) - 1.5 * np.clip(rise, 0.0, 1.0)
    cost = np.where((radii < CANAL_MM[0]) | (radii > CANAL_MM[1]), np.inf, cost)
    wall = best_wall(cost.astype(np.float32), 0.15, 0.1)
    at = np.clip(np.rint(wall).astype(int), 0, values.shape[2] - 1)
    met = np.take_along_axis(rise, at[..., None], axis=2)[..., 0] > 0.2
    return wall * RADIAL_MM, met
