"""Outlines of what lies in the spinal canal: bony canal, thecal sac and cord, from one label map."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from spinemet.case import Outline, Structure
from spinemet.errors import BadInput
from spinemet.image import Image
from spinemet.labelmap import LabelMap
from spinemet.study.labels import read_labels

NESTED = {1: Structure.CANAL, 2: Structure.THECAL_SAC, 3: Structure.CORD}
"""Our own numbers, nested: the canal's number stands where neither sac nor cord lies."""


def read_canal(path: str | os.PathLike[str], reference: Image, *, canal_alone: bool = False) -> LabelMap:
    """Canal, thecal sac and cord as one label map, nested as in `NESTED`.

    :param path: NIfTI, NRRD or MetaImage with the numbers 1 canal, 2 thecal sac, 3 cord (others are passed over).
    :param reference: image on whose grid they were drawn.
    :param canal_alone: the canal will do without sac and cord, as on a CT that shows neither.
    :raises GridMismatch: the outlines lie on another grid.
    :raises BadInput: unreadable, no sac and no cord in it, or nothing between the sac and the canal's wall: without
        that room no tumor could lie outside of the sac.
    """
    file = Path(path)
    plain = read_labels(file, reference, structure=Structure.OTHER)
    outlines = {
        value: Outline(NESTED[value], frame=reference.frame, name=NESTED[value].value)
        for value in plain.present
        if value in NESTED
    }
    if not canal_alone and not outlines.keys() & {2, 3}:
        raise BadInput(
            f"{file.name} outlines neither thecal sac (2) nor cord (3); give a label map of canal, sac and cord."
        )
    if 1 not in outlines:
        raise BadInput(f"{file.name} does not outline the bony canal (1) round the thecal sac; outline it, too.")
    return replace(plain, outlines=outlines, numbering="1 canal, 2 thecal sac, 3 cord")


def nested_masks(labels: LabelMap) -> dict[Structure, Image]:
    """Boolean masks by structure, each with what lies within it; structures without voxels are left out."""
    array, masks = labels.image.array, {}
    for value, structure in NESTED.items():
        mask = (array >= value) & (array <= max(NESTED))
        if (array == value).any():
            masks[structure] = labels.image.with_array(mask)
    return masks
