"""Canal, thecal sac and cord in an MR from two clicks, one at each end of the stretch to outline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinemet.case import Outline, Role, Structure
from spinemet.errors import BadInput, NotMeasurable
from spinemet.evidence import Point
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.progress import Progress, silent
from spinemet.segmentation.canal_clicks import canal_ends
from spinemet.segmentation.canal_course import STEP_MM, Course
from spinemet.segmentation.canal_follow import followed
from spinemet.segmentation.canal_path import course_between, path_grid, similar_speed
from spinemet.segmentation.canal_sac import SacWalls, sac_walls
from spinemet.segmentation.canal_wall import CanalWall, canal_wall
from spinemet.segmentation.clicks import Click

CANAL, SAC, CORD = 1, 2, 3
UNCLEAR_SHARE = 0.2
"""Share of a cut's directions that must be unclear before the cut is marked [D]."""
DARK_FLUID = frozenset((Role.T1, Role.T1_GD, Role.DIXON_IN, Role.DIXON_OPPOSED, Role.DIXON_FAT))
"""Weightings in which the fluid is darker than the cord."""


@dataclass(frozen=True)
class UnclearStretch:
    """A stretch in which the cord cannot be told from what lies against it.

    :param upper: RAS position of its upper end on the canal's line; `lower` of its lower end.
    :param share: mean share of the directions that are unclear, 0 to 1.
    """

    upper: Point
    lower: Point
    length_mm: float
    share: float


@dataclass(frozen=True, eq=False)
class CanalOutline:
    """What was outlined between two clicks.

    :param labels: canal (1), thecal sac (2) and cord (3) on the image's grid, nested: each label leaves out what
        lies within it. No voxel is cord below the conus.
    :param unclear: boolean, on the image's grid: the rim of the cord where it cannot be told from what presses on it.
    :param line: (n, 3) RAS, the line through the middle of the sac or cord, from head to tail.
    """

    labels: LabelMap
    unclear: Image
    stretches: tuple[UnclearStretch, ...]
    line: NDArray[np.float64]

    def mask(self, structure: Structure) -> Image:
        """Boolean image of the whole canal, the whole sac (cord included) or the cord."""
        least = {Structure.CANAL: CANAL, Structure.THECAL_SAC: SAC, Structure.CORD: CORD}[structure]
        return self.labels.image.with_array(self.labels.image.array >= least)


def outline_canal(image: Image, clicks: Sequence[Click], role: Role, progress: Progress | None = None) -> CanalOutline:
    """Canal, sac and cord between the clicks; on to the image's edge where a click lies close to it.

    :param image: T1, T2 or STIR, any orientation.
    :param clicks: two or more inside of the sac, in any order.
    :raises BadInput: no MR, or clicks that cannot be used.
    :raises NotMeasurable: no sac was found round the clicks.
    """
    report = progress or silent
    if not role.is_mr or role in (Role.DWI, Role.ADC):
        raise BadInput(f"The sac and the cord are outlined in a T1, T2 or STIR, not in {role.value}; choose another.")
    report(0.0, "following the canal")
    places = canal_ends(image, clicks, is_ct=False)
    course = course_between(image, similar_speed(image, path_grid(image, places), places), list(places))
    course = followed(image, course, list(places))
    report(0.4, "outlining sac and cord")
    fluid_bright = role not in DARK_FLUID
    walls = sac_walls(image, course, fluid_bright=fluid_bright)
    if float(np.median(walls.contrast)) < 1e-3:
        raise NotMeasurable(f"{image.name} shows no fluid round the clicks; set them inside of the thecal sac.")
    canal = canal_wall(image, walls.course, walls.sac, fluid_bright=fluid_bright)
    report(0.8, "filling the outlines")
    return _outline(image, walls, canal)


def _outline(image: Image, walls: SacWalls, canal: CanalWall) -> CanalOutline:
    unclear = walls.unclear
    rim = np.where(unclear, walls.cord, np.nan)
    stacked = np.stack([walls.sac, np.nan_to_num(walls.cord, nan=-1.0)])
    rims = np.stack([np.nan_to_num(rim + 1.2, nan=-1.0), np.nan_to_num(rim - 0.8, nan=99.0)])
    region, (in_sac, in_cord) = walls.course.filled(image.grid, stacked)
    region_canal, (in_canal,) = canal.course.filled(image.grid, canal.radii[None])
    region_rim, (outer, inner) = walls.course.filled(image.grid, np.minimum(rims, float(canal.radii.max())))
    labels = np.zeros(image.shape, dtype=np.uint8)
    labels[region_canal][in_canal] = CANAL
    labels[region][in_sac] = SAC
    labels[region][in_cord] = CORD
    marks = np.zeros(image.shape, dtype=bool)
    marks[region_rim] = outer & ~inner
    stretches = _stretches(walls.course, unclear)
    outlines = {
        CANAL: Outline(Structure.CANAL, frame=image.frame),
        SAC: Outline(Structure.THECAL_SAC, frame=image.frame),
        CORD: Outline(Structure.CORD, frame=image.frame),
    }
    label_image = Image(labels, image.ijk_to_ras, frame=image.frame, name=f"canal in {image.name}")
    return CanalOutline(
        LabelMap(label_image, outlines, "canal from clicks", tuple(_note(stretch) for stretch in stretches)),
        Image(marks, image.ijk_to_ras, frame=image.frame, name="unclear rim of the cord"),
        stretches,
        walls.course.points,
    )


def _stretches(course: Course, unclear: NDArray[np.bool_]) -> tuple[UnclearStretch, ...]:
    share = unclear.mean(axis=1)
    pieces, count = ndimage.label(ndimage.binary_closing(share > UNCLEAR_SHARE, iterations=2))
    found = []
    for piece in range(1, count + 1):
        cuts = np.flatnonzero(pieces == piece)
        ends = [tuple(float(x) for x in course.points[cut]) for cut in (cuts[0], cuts[-1])]
        upper, lower = ((x, y, z) for x, y, z in ends)
        found.append(UnclearStretch(upper, lower, len(cuts) * STEP_MM, float(share[cuts].mean())))
    return tuple(found)


def _note(stretch: UnclearStretch) -> str:
    return (
        f"The cord cannot be told from what lies against it over {stretch.length_mm:.0f} mm"
        f" ({stretch.share:.0%} of its rim); check it there."
    )
