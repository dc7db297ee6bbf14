"""Where a tumor may lie: within bone, the canal or the paraspinal tissue, from the outlines that exist."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from spinemet.case import Structure
from spinemet.errors import BadInput
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.levels import Level
from spinemet.segmentation.tumor_grid import box_of
from spinemet.segmentation.tumor_strokes import distance_mm

PARASPINAL_MM = 40.0
"""How far from the bone paraspinal tumor is sought: the depth of the psoas and of the erector spinae [D]."""
BONE_MARGIN_MM = 0.8
"""What a bone's outline may lack at its border."""


class Within(str, Enum):
    """Parts of the body to which a tumor can be limited."""

    BONE = "bone"
    CANAL = "canal"
    PARASPINAL = "paraspinal tissue"


ROOMS = {Within.BONE: 1, Within.CANAL: 2, Within.PARASPINAL: 3}
"""Values of a limit."""
_BONE = (Structure.VERTEBRA, Structure.SACRUM)
_CANAL = (Structure.CANAL, Structure.THECAL_SAC, Structure.CORD)


def limit_to(
    within: Collection[Within],
    outlines: Iterable[LabelMap],
    image: Image,
    *,
    levels: Collection[Level] = (),
    paraspinal_mm: float = PARASPINAL_MM,
    bone_margin_mm: float = BONE_MARGIN_MM,
) -> Image:
    """Limit on the image's grid: 0 where no tumor may lie, else the room, numbered as in `ROOMS`.

    Each room surrounds a tumor with something else, so its outline is learned room by room.

    :param outlines: vertebrae and canal; on any grid in the image's frame.
    :param levels: only these levels' bone; all when empty.
    :raises BadInput: an outline that is needed does not exist, or nothing is asked for.
    """
    outlines = tuple(outlines)
    if not within:
        raise BadInput("Choose to what the tumor is limited: bone, canal or paraspinal tissue.")
    found = np.zeros(image.shape, np.uint8)
    needs_bone = Within.BONE in within or Within.PARASPINAL in within
    bone = _union(outlines, _BONE, image, levels) if needs_bone else found > 0
    if needs_bone and not bone.any():
        raise BadInput("There is no outline of the vertebra to which the tumor is limited; outline it first.")
    canal = _union(outlines, _CANAL, image, ())
    if Within.CANAL in within:
        if not canal.any():
            raise BadInput("There is no outline of the canal to which the tumor is limited; outline it first.")
        found[canal] = ROOMS[Within.CANAL]
    if needs_bone:
        reach = max(paraspinal_mm if Within.PARASPINAL in within else 0.0, bone_margin_mm)
        margin = tuple(int(np.ceil(reach / step)) + 1 for step in image.spacing[::-1])
        region = box_of(bone, (margin[0], margin[1], margin[2]))
        away = distance_mm(bone[region], image.grid.crop(region))
        part = found[region]
        if Within.PARASPINAL in within:
            part[(away > 0) & (away <= paraspinal_mm) & ~canal[region]] = ROOMS[Within.PARASPINAL]
        if Within.BONE in within:
            # The margin stands for what bone lacks at its border; in the canal there is none of it.
            part[(away == 0) | ((away <= bone_margin_mm) & (part != ROOMS[Within.CANAL]))] = ROOMS[Within.BONE]
    return Image(found, image.ijk_to_ras, frame=image.frame, name="limit of the tumor")


def _union(
    outlines: Iterable[LabelMap], structures: Collection[Structure], image: Image, levels: Collection[Level]
) -> NDArray[np.bool_]:
    found = np.zeros(image.shape, bool)
    for item in outlines:
        values = [
            value
            for value, outline in item.present.items()
            if outline.structure in structures and (not levels or outline.level in levels)
        ]
        if not values:
            continue
        chosen = item.image.with_array(np.isin(item.image.array, values))
        if not image.grid.matches(item.image.grid):
            chosen = chosen.resample(image.grid, nearest=True)
        found |= chosen.array
    return found
