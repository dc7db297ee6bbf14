"""What a CT shows of the spine before anything is outlined: the column along the canal and its bodies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from spinemet.errors import BadInput
from spinemet.image import Image
from spinemet.segmentation.clicks import Click
from spinemet.segmentation.ct_canal_path import GRID_MM, canal_path
from spinemet.segmentation.ct_discs import COLUMN_MM, Column, column_of, find_discs
from spinemet.segmentation.ct_places import Place, places_between
from spinemet.segmentation.ct_work import OUTSIDE_HU, sample, work_image

WORK_MM = 1.5
"""Voxels on which bodies and arches are sought."""
LEAST_MM = 12.0
"""An image thinner than this shows no vertebra."""
BONE_HU = 200.0
"""A CT of the spine has some voxels at least this bright."""
AIR_HU = -200.0
OFF_SPINE_MM = 45.0
"""A click farther than this from the middle of the column is not on the spine."""
SAME_BODY_MM = 9.0
"""Two clicks that are nearer to each other along the spine than this are in one body."""
AROUND_MM = (60.0, 75.0)
"""What is looked at round clicks: to the sides, and along the spine."""
BESIDE_MM, AHEAD_MM, BEHIND_MM, ALONG_MM = 65.0, 35.0, 75.0, 10.0
"""What is looked at round the middle of the column."""


@dataclass(frozen=True, eq=False)
class Scan:
    """The spine as found.

    :param work: HU on voxels of `WORK_MM` along the patient's axes, round the column.
    :param places: the bodies from tail to head.
    :param clicked: for each click the index of its place.
    """

    work: Image
    column: Column
    places: tuple[Place, ...]
    clicked: tuple[int, ...]


def require_ct(image: Image) -> None:
    """:raises BadInput: no volume, or no CT."""
    extent = image.grid.corners.max(axis=0) - image.grid.corners.min(axis=0)
    if min(image.shape) < 2 or float(extent.min()) < LEAST_MM:
        raise BadInput(f"{image.name} is too thin to show a vertebra; choose a CT volume of at least a few slices.")
    array = image.array[:: max(1, image.shape[0] // 64), ::2, ::2]
    if float(np.nanmax(array)) < BONE_HU:
        raise BadInput(f"{image.name} shows no bone; choose a CT in Hounsfield units that shows the spine.")


def scan(image: Image, clicks: Sequence[Click] = ()) -> Scan:
    """Find the column and its bodies, near the clicks or in the whole image.

    :raises BadInput: no CT, a click outside of the image, in air, or off the spine, or no spine is found.
    """
    require_ct(image)
    for click in clicks:
        _require_tissue(image, click)
    points = np.array([click.position for click in clicks]).reshape(-1, 3)
    canal = _canal(image, points)
    column = column_of(canal)
    steps = [column.nearest(point) for point in points]
    _require_on_spine(column, clicks, steps)
    around = column.middle[:, None] + np.array([[BESIDE_MM, AHEAD_MM, 0.0], [-BESIDE_MM, -BEHIND_MM, 0.0]])
    work = work_image(image, WORK_MM, around, ALONG_MM)
    discs = find_discs(work, column, [[step] for step in steps])
    places = places_between(column, discs, steps)
    places = [place for place in places if _is_seen(work, place)]
    clicked = []
    for click, step in zip(clicks, steps, strict=True):
        at = [n for n, place in enumerate(places) if place.start <= step < place.stop]
        if not at:
            raise BadInput(f"No vertebra was found at {click.name}; click into the middle of a vertebral body.")
        clicked.append(at[0])
    if not places:
        raise BadInput(f"No vertebra was found in {image.name}; click into the middle of a vertebral body.")
    return Scan(work, column, tuple(places), tuple(clicked))


def _canal(image: Image, points: NDArray[np.float64]) -> NDArray[np.float64]:
    if not len(points):
        path = canal_path(work_image(image, GRID_MM))
        if not len(path):
            raise BadInput(f"No spinal canal was found in {image.name}; click into the middle of a vertebral body.")
        return path
    sides, along = AROUND_MM
    low, high = points.min(axis=0), points.max(axis=0)
    reach = np.array([sides, sides, along])
    corners = np.array([low - reach, high + reach])
    path = canal_path(work_image(image, GRID_MM, corners), points)
    if len(path) and path[0, 2] - 15 < low[2] and path[-1, 2] + 15 > high[2]:
        return _reaching(path, low[2] - 3, high[2] + 3)
    # The ring is open, by surgery or by the image's edge: the canal is taken to run behind the clicks.
    order = np.argsort(points[:, 2])
    return _reaching(points[order] - [0.0, COLUMN_MM, 0.0], *_extent(image, points, along))


def _extent(image: Image, points: NDArray[np.float64], along: float) -> tuple[float, float]:
    corners = image.grid.corners[:, 2]
    return max(corners.min(), points[:, 2].min() - along), min(corners.max(), points[:, 2].max() + along)


def _reaching(path: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """The path carried on straight to two heights."""
    below, above = [path], []
    if path[0, 2] > low:
        below.insert(0, path[:1] - np.array([[0.0, 0.0, path[0, 2] - low]]))
    if path[-1, 2] < high:
        above.append(path[-1:] + np.array([[0.0, 0.0, high - path[-1, 2]]]))
    return np.concatenate(below + above)


def _require_tissue(image: Image, click: Click) -> None:
    index = click.index_in(image)
    region = tuple(slice(max(0, n - 1), n + 2) for n in index)
    if float(np.mean(image.array[region])) < AIR_HU:
        raise BadInput(f"{click.name[:1].upper()}{click.name[1:]} lies in air; click into a vertebral body.")


def _require_on_spine(column: Column, clicks: Sequence[Click], steps: Sequence[int]) -> None:
    for click, step in zip(clicks, steps, strict=True):
        if np.linalg.norm(np.array(click.position) - column.middle[step]) > OFF_SPINE_MM:
            raise BadInput(f"{click.name[:1].upper()}{click.name[1:]} does not lie on the spine; click into a body.")
    order = np.argsort(steps)
    for one, other in pairwise(order):
        if steps[other] - steps[one] < SAME_BODY_MM:
            raise BadInput(
                f"{clicks[one].name[:1].upper()}{clicks[one].name[1:]} and {clicks[other].name} lie in one vertebra;"
                " set one click a vertebra."
            )


def _is_seen(work: Image, place: Place) -> bool:
    """Whether the image shows a good part of the body."""
    frame = place.frame
    low, high = max(frame.below, -14.0), min(frame.above, 14.0)
    z = np.arange(low, high + 0.1, 1.0)
    local = np.stack([0 * z, 0 * z, z], axis=-1)
    return bool((sample(work, frame.to_ras(local)) > OUTSIDE_HU + 1).sum() >= 4)
