"""Vertebral bodies and discs in an MR from one click a body.

Arches are not outlined from clicks: in an MR they are thin and dark, and nothing safe bounds them. Carry them over
from a CT (`mr_carry`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spinemet.case import Outline, Structure
from spinemet.errors import BadInput
from spinemet.image import Grid, Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.progress import Progress, silent
from spinemet.segmentation.canal_clicks import require_tissue, require_volume
from spinemet.segmentation.clicks import Click
from spinemet.segmentation.mr_body import BodyWall, Pose, body_wall

Array = NDArray[np.float64]

FIRST_DISC = 100
"""Discs are called by this number and that of the body above."""
LEAST_APART_MM = 8.0
"""Bodies whose clicks are closer are one and the same."""
FAINT_EDGE = 0.15
"""Least fall of the signal at a body's wall, as a share of the marrow's, that is trusted [D]."""
MOST_PITCH_MM = 55.0
"""Clicks farther apart do not belong to neighbors [D]."""
THICKEST_DISC_MM = 18.0
_PIXEL_MM = 0.8


def outline_bodies(image: Image, clicks: Sequence[Click], progress: Progress | None = None) -> LabelMap:
    """Vertebral bodies (1, 2, … from head to tail) and the discs between neighbors (101, 102, …).

    :param image: T1 or T2, any orientation.
    :param clicks: one near the middle of each body, in any order; a click's level names its body.
    :raises BadInput: no click, or clicks that cannot be used.
    """
    report = progress or silent
    require_volume(image)
    chosen = sorted((click for click in clicks if click.foreground), key=lambda click: -click.position[2])
    _check(image, chosen)
    poses = _poses(chosen)
    walls: list[BodyWall] = []
    labels = np.zeros(image.shape, dtype=np.uint8)
    for number, pose in enumerate(poses, start=1):
        report((number - 1) / len(poses), f"outlining {chosen[number - 1].level or f'body {number}'}")
        wall = body_wall(image, pose)
        region, mask = wall.filled(image.grid)
        part = labels[region]
        part[mask & (part == 0)] = number
        walls.append(wall)
    outlines = {n: _outline(image, click.level) for n, click in enumerate(chosen, start=1)}
    for number in range(1, len(walls)):
        if poses[number].pitch is None or _apart(walls[number - 1], walls[number]) > MOST_PITCH_MM:
            continue
        _fill_disc(labels, image.grid, number, walls[number - 1], walls[number])
        level = chosen[number - 1].level
        outlines[FIRST_DISC + number] = Outline(
            Structure.DISC, level, frame=image.frame, name=f"disc below {level}" if level else ""
        )
    result = Image(labels, image.ijk_to_ras, frame=image.frame, name=f"bodies in {image.name}")
    return LabelMap(result, outlines, "bodies from clicks in MR", (_ARCHES, *_doubts(chosen, walls)))


_ARCHES = "Bodies and discs only, as a draft to be checked: the arches were not outlined in the MR."


def _check(image: Image, clicks: Sequence[Click]) -> None:
    if not clicks:
        raise BadInput("No vertebra was clicked; set a click in the middle of each vertebral body.")
    if len(clicks) >= FIRST_DISC:
        raise BadInput("More bodies were clicked than a spine has; delete the clicks that are too many.")
    for click in clicks:
        require_tissue(image, click, is_ct=False)
    named = [click.level for click in clicks if click.level is not None]
    if len(set(named)) < len(named):
        raise BadInput("Two clicks stand for the same level; name each vertebra once.")
    if named != sorted(named):
        raise BadInput("The clicks' levels do not run from head to tail; correct the names of the clicks.")
    places = np.array([click.position for click in clicks])
    if len(clicks) > 1 and np.min(np.linalg.norm(np.diff(places, axis=0), axis=1)) < LEAST_APART_MM:
        raise BadInput(f"Two clicks lie less than {LEAST_APART_MM:.0f} mm apart; set one in each vertebral body.")


def _poses(clicks: Sequence[Click]) -> list[Pose]:
    places = np.array([click.position for click in clicks], dtype=float)
    poses = []
    for n, place in enumerate(places):
        above, below = places[max(n - 1, 0)], places[min(n + 1, len(places) - 1)]
        up = above - below if len(places) > 1 else np.array([0.0, 0.0, 1.0])
        up = up / np.linalg.norm(up)
        front = np.array([0.0, 1.0, 0.0]) - up[1] * up
        front = front / np.linalg.norm(front)
        steps = [float(np.linalg.norm(other - place)) for other in (above, below) if np.any(other != place)]
        steps = [step for step in steps if step <= MOST_PITCH_MM]
        poses.append(Pose(place, np.stack([np.cross(front, up), front, up]), min(steps) if steps else None))
    return poses


def _outline(image: Image, level: Level | None) -> Outline:
    return Outline(Structure.VERTEBRA, level, frame=image.frame, name=f"body of {level}" if level else "")


def _apart(above: BodyWall, below: BodyWall) -> float:
    return float(np.linalg.norm(above.pose.center - below.pose.center))


def _fill_disc(labels: NDArray[np.uint8], grid: Grid, number: int, above: BodyWall, below: BodyWall) -> None:
    """Mark what lies between the endplates of two bodies, seen along the line from one to the other."""
    way = below.pose.center - above.pose.center
    length = float(np.linalg.norm(way))
    way = way / length
    front = above.pose.axes[1] - (above.pose.axes[1] @ way) * way
    front = front / np.linalg.norm(front)
    axes = np.stack([np.cross(way, front), front, way])
    region = grid.region_around(np.stack([above.pose.center, below.pose.center]), 30.0)
    part = grid.crop(region)
    side = np.arange(-30.0, 30.0, _PIXEL_MM)
    along = np.arange(0.0, length, _PIXEL_MM)
    u, v, w = np.meshgrid(side, side, along, indexing="ij")
    points = above.pose.center + np.stack([u, v, w], axis=-1) @ axes
    seen = Image(labels[region], part.ijk_to_ras).sample(points, order=0, outside=0)
    upper, lower = seen == number, seen == number + 1
    both = upper.any(axis=2) & lower.any(axis=2)
    last = len(along) - 1 - np.argmax(upper[:, :, ::-1], axis=2)
    first = np.argmax(lower, axis=2)
    both &= (first > last) & ((first - last) * _PIXEL_MM <= THICKEST_DISC_MM)
    step = np.arange(len(along))
    disc = both[..., None] & (step > last[..., None]) & (step < first[..., None])
    k, j, i = np.indices(part.shape, dtype=np.float64)
    local = (part.to_world(np.stack([i, j, k], axis=-1)) - above.pose.center) @ axes.T
    at = np.rint((local - np.array([side[0], side[0], 0.0])) / _PIXEL_MM).astype(int)
    inside = np.all((at >= 0) & (at < np.array(disc.shape)), axis=-1)
    marked = np.zeros(part.shape, dtype=bool)
    marked[inside] = disc[tuple(at[inside].T)]
    target = labels[region]
    target[marked & (target == 0)] = FIRST_DISC + number


def _doubts(clicks: Sequence[Click], walls: Sequence[BodyWall]) -> tuple[str, ...]:
    return tuple(
        f"The wall of {click.level or 'a body'} is faint all round; check its outline."
        for click, wall in zip(clicks, walls, strict=True)
        if wall.edge < FAINT_EDGE
    )
