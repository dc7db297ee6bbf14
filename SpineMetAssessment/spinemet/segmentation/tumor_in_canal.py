"""Tumor in an outlined canal as a step of a tumor session: a proposal from strokes, and the canal that it leaves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from spinemet.case import Role
from spinemet.errors import BadInput
from spinemet.image import Image
from spinemet.segmentation.canal_mr import CanalOutline
from spinemet.segmentation.tumor_epidural import outline_epidural_tumor
from spinemet.segmentation.tumor_grid import box_of
from spinemet.segmentation.tumor_strokes import Mark, boxes_of, painted, strokes_of

NOTE = "in the outlined canal; sac and cord give way to it"
_MIDDLE = 0.6
"""Radius of a stroke's middle, in pixels."""


def marked_in_canal(canal: CanalOutline, marks: Iterable[Mark]) -> bool:
    """Whether a mark inside of the tumor is a stroke or click that meets the outlined canal, and none a box."""
    marks = tuple(marks)
    labels = canal.labels.image
    # The middle of the brush counts: beside the canal its rim reaches into it.
    thin = [replace(item, radius_mm=_MIDDLE * float(labels.spacing.min())) for item in strokes_of(marks)]
    strokes = [item for item in thin if item.foreground and labels.grid.contains(item.points).all()]
    return not boxes_of(marks) and bool((labels.array[painted(strokes, labels.grid, foreground=True)] > 0).any())


@dataclass(frozen=True, eq=False)
class CanalProposal:
    """A tumor in the canal that waits for acceptance; what `TumorSession` asks of a proposal.

    :param mask: boolean, on a crop of the image's grid.
    :param canal: the canal's outlines, sac and cord without what is tumor.
    """

    mask: Image
    canal: CanalOutline
    notes: tuple[str, ...] = ()
    is_refined: bool = True

    @property
    def volume_ml(self) -> float:
        """Volume of the mask, milliliters."""
        return float(np.count_nonzero(self.mask.array)) * self.mask.voxel_volume / 1000


def propose_in_canal(
    image: Image, canal: CanalOutline, marks: Iterable[Mark], role: Role, limit: Image | None = None
) -> CanalProposal | None:
    """The proposal where a stroke runs in the canal, None where none does.

    :param limit: on the image's grid: the tumor lies where it is not 0. Other parameters and errors: see
        `outline_epidural_tumor`.
    """
    marks = tuple(marks)
    if not marked_in_canal(canal, marks):
        return None
    found = outline_epidural_tumor(image, canal, marks, role)
    array = found.tumor.array if limit is None else found.tumor.array & (limit.array != 0)
    if not array.any():
        raise BadInput(
            f"The marks inside the tumor lie outside of the region to which it is limited in {image.name};"
            " widen the limit, or set them within."
        )
    region = box_of(array, (1, 1, 1))
    crop = image.crop(region)
    mask = Image(array[region], crop.ijk_to_ras, frame=image.frame, name="tumor")
    return CanalProposal(mask, found.canal, (NOTE,))
